//! Connections, counted and never idle for long: a client that says nothing and takes nothing loses its seat.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};

/// Connections at a time; more wait in the listener's backlog. Room for every stream and the requests beside it.
const MAX_CONNECTIONS: usize = 256;
/// A connection on which nothing moves for between one and two of these is closed. Streams have a heartbeat every 10 s.
const IDLE: Duration = Duration::from_secs(45);

/// A listener with a limited number of seats.
#[derive(Debug)]
pub(super) struct Bounded {
    listener: TcpListener,
    seats: Arc<Semaphore>,
}

impl Bounded {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self { listener, seats: Arc::new(Semaphore::new(MAX_CONNECTIONS)) }
    }
}

impl Listener for Bounded {
    type Io = Seated;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Seated, SocketAddr) {
        let seat = Arc::clone(&self.seats).acquire_owned().await.expect("the semaphore is never closed");
        let (stream, from) = Listener::accept(&mut self.listener).await;
        // Small events must not wait for an acknowledgement; where this fails they are merely late.
        let _ = stream.set_nodelay(true);
        (Seated { stream, idle: Idle::new(), _seat: seat }, from)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection with its seat.
#[derive(Debug)]
pub(super) struct Seated {
    stream: TcpStream,
    idle: Idle,
    _seat: OwnedSemaphorePermit,
}

/// Whether anything moved since the timer was set.
#[derive(Debug)]
struct Idle {
    timer: Pin<Box<Sleep>>,
    moved: bool,
}

impl Idle {
    fn new() -> Self {
        Self { timer: Box::pin(sleep(IDLE)), moved: false }
    }

    /// Notes progress; where there is none, says so once the time is up.
    fn watch<T>(&mut self, progress: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if progress.is_ready() {
            self.moved = true;
            return progress;
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            if !self.moved {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            *self = Self::new();
        }
        Poll::Pending
    }
}

impl AsyncRead for Seated {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let progress = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.idle.watch(progress, cx)
    }
}

impl AsyncWrite for Seated {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.idle.watch(progress, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
