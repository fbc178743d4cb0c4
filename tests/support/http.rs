//! Just enough HTTP/1.1 for the rig: a client for one request a connection, and a server with a thread a connection.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::wait::{now, pause};

/// Largest head line and body the rig takes.
const MAX_BODY: usize = 64 << 20;

/// What a server answered.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("not JSON ({e}): {}", self.text()))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
}

/// One request on a connection of its own; 10 s for everything.
pub fn request(port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Answer> {
    let mut stream = open(port, method, path, headers, body)?;
    read_answer(&mut stream)
}

/// Sends a request and gives the connection, for streams of events.
pub fn open(
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<BufReader<TcpStream>> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        head += &format!("Host: 127.0.0.1:{port}\r\n");
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    stream.write_all(body)?;
    Ok(BufReader::new(stream))
}

/// GET on this machine.
pub fn get(port: u16, path: &str) -> io::Result<Answer> {
    request(port, "GET", path, &[], &[])
}

/// POST of JSON on this machine.
pub fn post_json(port: u16, path: &str, body: &serde_json::Value) -> io::Result<Answer> {
    request(port, "POST", path, &[("Content-Type", "application/json")], body.to_string().as_bytes())
}

fn read_answer(reader: &mut BufReader<TcpStream>) -> io::Result<Answer> {
    let (status, headers) = read_answer_head(reader)?;
    let body = if status == 204 {
        Vec::new()
    } else if find(&headers, "transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked")) {
        read_chunks(reader)?
    } else if let Some(length) = find(&headers, "content-length").and_then(|v| v.parse().ok()) {
        let mut body = vec![0; usize::min(length, MAX_BODY)];
        reader.read_exact(&mut body)?;
        body
    } else {
        let mut body = Vec::new();
        reader.read_to_end(&mut body)?;
        body
    };
    Ok(Answer { status, headers, body })
}

/// Status and headers; the body is left to the caller.
pub fn read_answer_head(reader: &mut BufReader<TcpStream>) -> io::Result<(u16, Vec<(String, String)>)> {
    let line = read_line(reader)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let status = line.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    Ok((status, read_headers(reader)?))
}

fn read_line(reader: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = String::new();
    let read = reader.read_line(&mut line)?;
    Ok((read > 0).then(|| line.trim_end().to_owned()))
}

fn read_headers(reader: &mut impl BufRead) -> io::Result<Vec<(String, String)>> {
    let mut headers = Vec::new();
    while let Some(line) = read_line(reader)? {
        if line.is_empty() {
            return Ok(headers);
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

fn read_chunks(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = read_line(reader)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let size = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16)
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        let mut chunk = vec![0; usize::min(size, MAX_BODY) + 2];
        reader.read_exact(&mut chunk)?;
        if size == 0 {
            return Ok(body);
        }
        body.extend_from_slice(&chunk[..size]);
    }
}

/// What came in, whole.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    /// As sent; see [`Request::plain`].
    pub body: Vec<u8>,
    pub at: Instant,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// The body without its gzip, if it has one.
    pub fn plain(&self) -> Vec<u8> {
        if self.header("content-encoding") != Some("gzip") {
            return self.body.clone();
        }
        let mut out = Vec::new();
        flate2::read::MultiGzDecoder::new(self.body.as_slice()).read_to_end(&mut out).unwrap();
        out
    }
}

/// What the server does with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Status(u16, String),
    /// Status, a header (`Retry-After: 1`), body.
    With(u16, String, String),
    /// Holds the connection and never answers.
    Hang,
    /// Status, and the half of a body; the rest never comes.
    Half(u16),
    /// Closes without a word.
    Close,
}

/// A server on a port of its own until it is dropped.
#[derive(Debug)]
pub struct Server {
    pub port: u16,
    stop: Arc<AtomicBool>,
    accept: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start(handler: impl Fn(Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = Arc::new(AtomicBool::new(false));
        let handler = Arc::new(handler);
        let said = stop.clone();
        let accept = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if said.load(Ordering::Relaxed) {
                    return;
                }
                let (handler, said) = (handler.clone(), said.clone());
                std::thread::spawn(move || serve(&stream, &*handler, &said));
            }
        });
        Self { port, stop, accept: Some(accept) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(thread) = self.accept.take() {
            let _ = thread.join();
        }
    }
}

fn serve(mut stream: &TcpStream, handler: &dyn Fn(Request) -> Reply, stop: &AtomicBool) {
    let _ = stream.set_nodelay(true);
    let _ = stream.set_read_timeout(Some(Duration::from_mins(1)));
    let Ok(reading) = stream.try_clone() else { return };
    let mut reader = BufReader::with_capacity(1 << 16, reading);
    while let Ok(Some(request)) = read_request(&mut reader) {
        let last = request.header("connection") == Some("close");
        let (status, header, body) = match handler(request) {
            Reply::Status(status, body) => (status, None, body),
            Reply::With(status, header, body) => (status, Some(header), body),
            Reply::Half(status) => {
                let _ =
                    stream.write_all(format!("HTTP/1.1 {status} -\r\nContent-Length: 80\r\n\r\n{{\"code\"").as_bytes());
                while !stop.load(Ordering::Relaxed) {
                    pause(Duration::from_millis(20));
                }
                break;
            }
            Reply::Hang => {
                while !stop.load(Ordering::Relaxed) {
                    pause(Duration::from_millis(20));
                }
                break;
            }
            Reply::Close => break,
        };
        let mut text = format!("HTTP/1.1 {status} -\r\n");
        // RFC 9110 8.6: a 204 carries no Content-Length
        if status != 204 {
            text += &format!("Content-Length: {}\r\n", body.len());
        }
        if let Some(header) = header {
            text += &format!("{header}\r\n");
        }
        text += "\r\n";
        if status != 204 {
            text += &body;
        }
        let mut out = stream;
        if out.write_all(text.as_bytes()).is_err() || last {
            break;
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
}

fn read_request(reader: &mut BufReader<TcpStream>) -> io::Result<Option<Request>> {
    let Some(line) = read_line(reader)? else { return Ok(None) };
    let mut words = line.split(' ');
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(None) };
    let (method, path) = (method.to_owned(), path.to_owned());
    let headers = read_headers(reader)?;
    let body = if find(&headers, "transfer-encoding").is_some() {
        read_chunks(reader)?
    } else {
        let length = find(&headers, "content-length").and_then(|v| v.parse().ok()).unwrap_or(0);
        let mut body = vec![0; usize::min(length, MAX_BODY)];
        reader.read_exact(&mut body)?;
        body
    };
    Ok(Some(Request { method, path, headers, body, at: now() }))
}
