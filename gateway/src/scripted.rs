//! A receiver for tests: an HTTP server that answers as its script says and keeps what it was sent.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How long a test waits for anything: far beyond what it takes, on a machine that does ten other things as well.
pub(crate) const DEADLINE: Duration = Duration::from_mins(2);

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) path: String,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

/// What the script wants done.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Status(u16, &'static str),
    /// 204, after a while.
    Slow(Duration),
    /// This status, and words without end.
    Endless(u16, &'static str),
    /// Never answers, and keeps the connection.
    Hang,
    /// Closes without a word.
    Drop,
}

type Script = Box<dyn FnMut(&Request) -> Reply + Send>;

struct Inner {
    script: Script,
    /// With the answer given.
    seen: Vec<(Request, Reply)>,
}

/// The server; ends with its runtime.
#[derive(Clone)]
pub(crate) struct Server {
    inner: Arc<Mutex<Inner>>,
    pub(crate) port: u16,
}

impl Server {
    pub(crate) async fn start(script: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, script)
    }

    pub(crate) fn on(listener: TcpListener, script: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        let port = listener.local_addr().unwrap().port();
        let inner = Arc::new(Mutex::new(Inner { script: Box::new(script), seen: Vec::new() }));
        let server = Self { inner: inner.clone(), port };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, inner.clone()));
            }
        });
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// From now on it answers so.
    pub(crate) fn script(&self, script: impl FnMut(&Request) -> Reply + Send + 'static) {
        self.inner.lock().unwrap().script = Box::new(script);
    }

    /// All requests in the order they came.
    pub(crate) fn seen(&self) -> Vec<Request> {
        self.inner.lock().unwrap().seen.iter().map(|(request, _)| request.clone()).collect()
    }

    /// Those answered with a 2xx.
    pub(crate) fn accepted(&self) -> Vec<Request> {
        let inner = self.inner.lock().unwrap();
        let good = |reply: &Reply| matches!(reply, Reply::Status(200..=299, _) | Reply::Slow(_));
        inner.seen.iter().filter(|(_, reply)| good(reply)).map(|(request, _)| request.clone()).collect()
    }
}

async fn serve(mut stream: TcpStream, inner: Arc<Mutex<Inner>>) {
    let mut buffer = Vec::new();
    while let Some(request) = read(&mut stream, &mut buffer).await {
        let reply = {
            let mut inner = inner.lock().unwrap();
            let reply = (inner.script)(&request);
            inner.seen.push((request, reply.clone()));
            reply
        };
        let (status, body) = match reply {
            Reply::Status(status, body) => (status, body),
            Reply::Slow(wait) => {
                tokio::time::sleep(wait).await;
                (204, "")
            }
            Reply::Endless(status, words) => return endless(&mut stream, status, words).await,
            Reply::Hang => std::future::pending().await,
            Reply::Drop => return,
        };
        let length = if status == 204 { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        let text = format!("HTTP/1.1 {status} Scripted\r\n{length}\r\n{body}");
        if stream.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Until the other end has had enough.
async fn endless(stream: &mut TcpStream, status: u16, words: &str) {
    let mut text = format!("HTTP/1.1 {status} Scripted\r\n\r\n").into_bytes();
    while stream.write_all(&text).await.is_ok() {
        text = words.repeat(1_000).into_bytes();
    }
}

async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Request> {
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(buffer[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let split = |line: &str| line.split_once(": ").map(|(key, value)| (key.to_owned(), value.to_owned()));
    let mut request = Request { path, headers: lines.filter_map(split).collect(), body: Vec::new() };
    let length: usize = request.header("content-length").map_or(0, |value| value.parse().unwrap());
    while buffer.len() < end + length {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    request.body = buffer[end..end + length].to_vec();
    buffer.drain(..end + length);
    Some(request)
}

/// Waits until `holds`, or fails naming what did not come.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let poll = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    within(what, poll).await;
}

/// Fails where `future` does not end in time.
pub(crate) async fn within<F: Future>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("did not come in time: {what}"))
}

/// A file of its own for a test; its directory goes with it.
pub(crate) struct TempFile(pub(crate) std::path::PathBuf);

impl TempFile {
    pub(crate) fn new(content: &str) -> Self {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("gengfu-test-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let file = Self(dir.join("file"));
        file.write(content);
        file
    }

    pub(crate) fn write(&self, content: &str) {
        std::fs::write(&self.0, content).unwrap();
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = self.0.parent().map(std::fs::remove_dir_all);
    }
}
