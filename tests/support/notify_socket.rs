//! The service manager's end of sd_notify(3): a datagram socket that keeps what the gateway says.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::wait::now;

/// The socket and what came.
#[derive(Debug)]
pub struct NotifySocket {
    socket: UnixDatagram,
    path: PathBuf,
    heard: Vec<(Instant, String)>,
}

impl NotifySocket {
    pub fn new(dir: &Path) -> Self {
        let path = dir.join("notify.sock");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self { socket, path, heard: Vec::new() }
    }

    /// For `NOTIFY_SOCKET`.
    pub fn path(&self) -> String {
        self.path.display().to_string()
    }

    /// Lines so far, with the time they were read.
    pub fn heard(&mut self) -> &[(Instant, String)] {
        let mut buffer = [0; 4096];
        while let Ok(count) = self.socket.recv(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..count]).into_owned();
            self.heard.extend(text.lines().map(|line| (now(), line.to_owned())));
        }
        &self.heard
    }

    pub fn has(&mut self, line: &str) -> bool {
        self.heard().iter().any(|(_, l)| l == line)
    }

    /// Watchdog pings since `since`.
    pub fn pings(&mut self, since: Instant) -> usize {
        self.heard().iter().filter(|(at, l)| *at >= since && l == "WATCHDOG=1").count()
    }

    /// Longest time between two pings.
    pub fn longest_gap(&mut self) -> Duration {
        let times: Vec<Instant> = self.heard().iter().filter(|(_, l)| l == "WATCHDOG=1").map(|(at, _)| *at).collect();
        times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
    }
}
