//! A store that is no bottleneck: it reads whole bodies, counts their values and forgets them. How fast a backlog comes and how late
//! a live reading is beside it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::wait::unix_ms;

/// The store; of each body it reads the time of the first line. Its threads end with the process.
#[derive(Debug)]
pub struct Counting {
    pub port: u16,
    count: Arc<Count>,
}

#[derive(Debug, Default)]
struct Count {
    /// Lines of before this (UTC ns) are backlog.
    split: AtomicI64,
    old: AtomicU64,
    live: AtomicU64,
    latest: AtomicI64,
}

impl Counting {
    /// Whatever comes is live, until told otherwise.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, count) = (listener.local_addr().unwrap().port(), Arc::<Count>::default());
        let inside = count.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let count = inside.clone();
                std::thread::spawn(move || count.serve(stream));
            }
        });
        Self { port, count }
    }

    /// From now on what bears a time before this, UTC ms, is backlog.
    pub fn old_before(&self, ms: i64) {
        self.count.split.store(ms * 1_000_000, Ordering::Relaxed);
    }

    /// Values of the backlog so far.
    pub fn old(&self) -> u64 {
        self.count.old.load(Ordering::Relaxed)
    }

    /// Live values so far.
    pub fn live(&self) -> u64 {
        self.count.live.load(Ordering::Relaxed)
    }

    /// How late a body of live readings came at worst, ms from the time of its first.
    pub fn latest(&self) -> i64 {
        self.count.latest.load(Ordering::Relaxed)
    }

    pub fn forget_latest(&self) {
        self.count.latest.store(0, Ordering::Relaxed);
    }
}

impl Count {
    fn serve(&self, stream: TcpStream) -> Option<()> {
        stream.set_nodelay(true).ok()?;
        let mut out = stream.try_clone().ok()?;
        let mut reader = BufReader::with_capacity(1 << 18, stream);
        let mut body = Vec::new();
        loop {
            let length = head(&mut reader)?;
            body.resize(length, 0);
            reader.read_exact(&mut body).ok()?;
            self.take(&body);
            out.write_all(b"HTTP/1.1 204 -\r\n\r\n").ok()?;
        }
    }

    fn take(&self, body: &[u8]) {
        if body.starts_with(b"alarm") {
            return;
        }
        // tags and fields: two of the former a line
        let (mut equals, mut lines) = (0_u64, 0_u64);
        for byte in body {
            equals += u64::from(*byte == b'=');
            lines += u64::from(*byte == b'\n');
        }
        let first = body.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let at = first.rsplit(|byte| *byte == b' ').next().and_then(|word| std::str::from_utf8(word).ok());
        let at: i64 = at.and_then(|word| word.parse().ok()).unwrap_or(0);
        let values = equals.saturating_sub(2 * lines);
        if at < self.split.load(Ordering::Relaxed) {
            self.old.fetch_add(values, Ordering::Relaxed);
        } else {
            self.live.fetch_add(values, Ordering::Relaxed);
            self.latest.fetch_max(unix_ms() - at / 1_000_000, Ordering::Relaxed);
        }
    }
}

/// Reads a request's head; the length of its body.
fn head(reader: &mut BufReader<TcpStream>) -> Option<usize> {
    let (mut length, mut line) = (0, String::new());
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let text = line.trim_end();
        if text.is_empty() {
            return Some(length);
        }
        if let Some((name, value)) = text.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok()?;
        }
    }
}
