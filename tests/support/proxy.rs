//! A TCP proxy that can go bad: delay, freeze, cut, refuse. Stands between the gateway and whatever it talks to.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::wait::{eventually, pause};

/// How the line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    Open,
    /// Every piece of data waits so long.
    Delay(Duration),
    /// Connections stay, nothing moves.
    Frozen,
    /// Connections are cut, new ones refused.
    Shut,
    /// The proxy ends.
    Over,
}

#[derive(Debug)]
struct Shared {
    line: Mutex<Line>,
    connections: Mutex<Vec<TcpStream>>,
    listening: Mutex<bool>,
    target: u16,
}

impl Shared {
    fn line(&self) -> Line {
        *self.line.lock().unwrap()
    }

    fn cut(&self) {
        for connection in self.connections.lock().unwrap().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

/// The proxy; ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    pub port: u16,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Before `127.0.0.1:target`.
    pub fn before(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            line: Mutex::new(Line::Open),
            connections: Mutex::default(),
            listening: Mutex::new(true),
            target,
        });
        let inside = shared.clone();
        let thread = std::thread::spawn(move || accept(listener, port, &inside));
        Self { port, shared, thread: Some(thread) }
    }

    /// Changes the line; for `Shut` and `Open` returns once that is so.
    pub fn set(&self, line: Line) {
        *self.shared.line.lock().unwrap() = line;
        if line == Line::Shut {
            self.shared.cut();
        }
        let wanted = line != Line::Shut;
        eventually(Duration::from_secs(5), "proxy port follows", || *self.shared.listening.lock().unwrap() == wanted);
        if line == Line::Shut {
            self.shared.cut();
        }
    }

    /// Cuts every connection once; new ones are taken.
    pub fn cut(&self) {
        self.shared.cut();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        *self.shared.line.lock().unwrap() = Line::Over;
        self.shared.cut();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn accept(first: TcpListener, port: u16, shared: &Arc<Shared>) {
    let mut listener = Some(first);
    loop {
        match shared.line() {
            Line::Over => return,
            Line::Shut => listener = None,
            _ if listener.is_none() => listener = TcpListener::bind(("127.0.0.1", port)).ok(),
            _ => {}
        }
        *shared.listening.lock().unwrap() = listener.is_some();
        let Some(open) = &listener else {
            pause(Duration::from_millis(2));
            continue;
        };
        let _ = open.set_nonblocking(true);
        match open.accept() {
            Ok((inner, _)) => join(&inner, shared),
            Err(_) => pause(Duration::from_millis(1)),
        }
    }
}

fn join(near: &TcpStream, shared: &Arc<Shared>) {
    let _ = near.set_nonblocking(false);
    let Ok(far) = TcpStream::connect(("127.0.0.1", shared.target)) else { return };
    for (from, to) in [(near, &far), (&far, near)] {
        let _ = from.set_nodelay(true);
        let (Ok(from), Ok(to), Ok(kept)) = (from.try_clone(), to.try_clone(), from.try_clone()) else { return };
        shared.connections.lock().unwrap().push(kept);
        let shared = shared.clone();
        std::thread::spawn(move || copy(from, to, &shared));
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream, shared: &Shared) {
    let _ = from.set_read_timeout(Some(Duration::from_millis(20)));
    let mut buffer = vec![0; 1 << 16];
    loop {
        match shared.line() {
            Line::Over | Line::Shut => break,
            Line::Frozen => {
                pause(Duration::from_millis(2));
                continue;
            }
            Line::Open | Line::Delay(_) => {}
        }
        let count = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            Err(_) => break,
        };
        match shared.line() {
            Line::Delay(length) => pause(length),
            Line::Frozen => eventually_thawed(shared),
            Line::Open | Line::Shut | Line::Over => {}
        }
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

/// What was read just before the freeze waits for its end too.
fn eventually_thawed(shared: &Shared) {
    while shared.line() == Line::Frozen {
        pause(Duration::from_millis(2));
    }
}
