//! A small MQTT 3.1.1 broker so that the demonstration needs none installed. It is a part of the simulator, not a broker
//! for sites: it listens on loopback only, keeps everything in memory, lets anybody in, and speaks QoS 0 and 1. What it
//! does speak it speaks by the standard: persistent sessions, redelivery with DUP, retained messages, wills, keep-alive.
//! `hub` and `session` decide (no sockets), this file moves the bytes.

mod filter;
mod hub;
mod session;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use rumqttc::{ConnectReturnCode, Packet};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};

use crate::clock::Clock;
use crate::stop::{self, Stopper};
use hub::{End, Hub};

pub use hub::{Counts, MAX_RETAINED, MAX_SESSIONS};
pub use session::{MAX_FILTERS, MAX_WAITING, MAX_WAITING_BYTES, WINDOW};

/// Connections at a time; more are closed at once.
pub const MAX_CONNECTIONS: usize = 1_000;
/// A packet larger than this ends its connection.
pub const MAX_PACKET: usize = 1 << 20;
/// How long a connection may take to introduce itself.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// How long a client may refuse to read before it is cut off.
const WRITE_PATIENCE: Duration = Duration::from_secs(5);
/// Bytes gathered before they are written.
const CHUNK: usize = 64 << 10;
/// Pause after an accept that failed.
const AGAIN: Duration = Duration::from_millis(100);

/// A running broker.
#[derive(Debug)]
pub struct Broker {
    address: SocketAddr,
    hub: Arc<Mutex<Hub>>,
    stopper: Stopper,
    task: JoinHandle<()>,
}

impl Broker {
    /// Serves on a loopback listener.
    pub fn start(listener: TcpListener, clock: Clock) -> Result<Self, String> {
        let address = listener.local_addr().map_err(|e| format!("demonstration broker: no address ({e})"))?;
        if !address.ip().is_loopback() {
            return Err(format!("demonstration broker: {address} is not on this machine; use 127.0.0.1"));
        }
        let hub = Arc::default();
        let (stopper, mut stop) = stop::channel();
        let serving = accept(listener, Arc::clone(&hub), clock);
        let task = tokio::spawn(async move {
            tokio::select! {
                () = stop.wait() => {}
                () = serving => {}
            }
        });
        Ok(Self { address, hub, stopper, task })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn counts(&self) -> Counts {
        lock(&self.hub).counts()
    }

    /// Closes every connection and forgets everything.
    pub async fn stop(self) {
        self.stopper.stop();
        let _ = self.task.await;
    }
}

fn lock(hub: &Mutex<Hub>) -> MutexGuard<'_, Hub> {
    hub.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Accepts for ever; dropped, it takes its connections with it.
async fn accept(listener: TcpListener, hub: Arc<Mutex<Hub>>, clock: Clock) {
    let mut connections = JoinSet::new();
    let mut last_id = 0;
    loop {
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) if connections.len() < MAX_CONNECTIONS => {
                last_id += 1;
                connections.spawn(serve(stream, last_id, Arc::clone(&hub), clock.clone()));
            }
            Ok(_) => tracing::warn!(limit = MAX_CONNECTIONS, "demonstration broker turned a client away"),
            Err(error) => {
                tracing::warn!(%error, "demonstration broker cannot accept");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

/// One connection from CONNECT to its end.
async fn serve(stream: TcpStream, id: u64, hub: Arc<Mutex<Hub>>, clock: Clock) {
    let _ = stream.set_nodelay(true);
    let mut connection = Connection { stream, id, hub, clock, input: BytesMut::new(), output: BytesMut::new() };
    let end = match tokio::time::timeout(CONNECT_PATIENCE, connection.introduce()).await {
        Ok(Ok((keep_alive, wake))) => connection.converse(keep_alive, &wake).await,
        Ok(Err(end)) => end,
        Err(_) => End::Refused("no CONNECT in time"),
    };
    if let End::Refused(reason) = end {
        tracing::debug!(connection = id, reason, "demonstration broker closed a connection");
    }
    lock(&connection.hub).lost(id, end);
}

struct Connection {
    stream: TcpStream,
    id: u64,
    hub: Arc<Mutex<Hub>>,
    clock: Clock,
    input: BytesMut,
    output: BytesMut,
}

const GONE: End = End::Refused("the connection broke");

impl Connection {
    /// Reads CONNECT, answers it, and says how long the client may be silent (`None`: for ever).
    async fn introduce(&mut self) -> Result<(Option<Duration>, Arc<Notify>), End> {
        let connect = loop {
            match self.parse()? {
                Some(Packet::Connect(connect)) => break connect,
                Some(_) => return Err(End::Refused("the first packet is no CONNECT")),
                None => self.fill().await?,
            }
        };
        // [MQTT-3.1.2-24]: one and a half times the keep-alive; 0 switches it off.
        let keep_alive =
            Some(connect.keep_alive).filter(|s| *s > 0).map(|s| Duration::from_millis(u64::from(s) * 1500));
        let wake = Arc::new(Notify::new());
        let answer = lock(&self.hub).connect(connect, self.id, Arc::clone(&wake));
        let code = answer.code;
        self.put(&Packet::ConnAck(answer))?;
        self.flush().await?;
        if code == ConnectReturnCode::Success {
            Ok((keep_alive, wake))
        } else {
            Err(End::Refused("CONNECT was refused"))
        }
    }

    /// Packets in, packets out, until one side ends it.
    async fn converse(&mut self, keep_alive: Option<Duration>, wake: &Notify) -> End {
        let limit = |clock: &Clock| clock.instant(clock.mono().plus(keep_alive.map_or(0, |d| d.as_millis() as u64)));
        let silence = tokio::time::sleep_until(limit(&self.clock));
        tokio::pin!(silence);
        loop {
            if let Err(end) = self.exchange().await {
                return end;
            }
            tokio::select! {
                read = self.stream.read_buf(&mut self.input) => match read {
                    Ok(0) | Err(_) => return GONE,
                    Ok(_) => silence.as_mut().reset(limit(&self.clock)),
                },
                () = wake.notified() => {}
                () = &mut silence, if keep_alive.is_some() => return End::Refused("silent beyond its keep-alive"),
            }
        }
    }

    /// Handles what was read, then sends what waits.
    async fn exchange(&mut self) -> Result<(), End> {
        while let Some(packet) = self.parse()? {
            let answer = lock(&self.hub).packet(self.id, packet)?;
            if let Some(answer) = answer {
                self.put(&answer)?;
            }
        }
        loop {
            let next = lock(&self.hub).next(self.id)?;
            let done = next.is_none();
            if let Some(message) = next {
                self.put(&Packet::Publish(message))?;
            }
            if done || self.output.len() >= CHUNK {
                self.flush().await?;
            }
            if done {
                return Ok(());
            }
        }
    }

    fn parse(&mut self) -> Result<Option<Packet>, End> {
        match Packet::read(&mut self.input, MAX_PACKET) {
            Ok(packet) => Ok(Some(packet)),
            Err(rumqttc::mqttbytes::Error::InsufficientBytes(_)) => Ok(None),
            Err(error) => {
                tracing::debug!(connection = self.id, %error, "demonstration broker cannot read a packet");
                Err(End::Refused("a malformed packet"))
            }
        }
    }

    async fn fill(&mut self) -> Result<(), End> {
        match self.stream.read_buf(&mut self.input).await {
            Ok(0) | Err(_) => Err(GONE),
            Ok(_) => Ok(()),
        }
    }

    fn put(&mut self, packet: &Packet) -> Result<(), End> {
        // Twice the limit inwards: DUP and a packet identifier may make a message a little longer on its way out.
        packet
            .write(&mut self.output, 2 * MAX_PACKET)
            .map(|_| ())
            .map_err(|_| End::Refused("a packet that cannot be sent"))
    }

    async fn flush(&mut self) -> Result<(), End> {
        let written = tokio::time::timeout(WRITE_PATIENCE, self.stream.write_all(&self.output)).await;
        self.output.clear();
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(GONE),
            Err(_) => Err(End::Refused("it does not read")),
        }
    }
}

#[cfg(test)]
mod tests;
