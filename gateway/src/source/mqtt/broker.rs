//! Test helpers: a real Mosquitto, a publisher, and a broker of a few bytes that does what it is told.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::scripted::DEADLINE;

/// Mosquitto on a port of its own, in a directory of its own; ends with the value.
pub(super) struct Mosquitto {
    pub(super) port: u16,
    dir: PathBuf,
    child: Child,
}

impl Mosquitto {
    /// `extra` goes into its configuration.
    pub(super) async fn start(extra: &str) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let dir = std::env::temp_dir().join(format!("gengfu-mosquitto-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let config = format!("listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n{extra}\n");
        std::fs::write(dir.join("mosquitto.conf"), config).unwrap();
        let mut broker = Self { port, child: spawn(&dir), dir };
        broker.wait().await;
        broker
    }

    /// Kills it, waits for `meanwhile`, and starts it again on the same port; without persistence it has forgotten all.
    pub(super) async fn restart(&mut self, meanwhile: impl Future<Output = ()>) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        meanwhile.await;
        self.child = spawn(&self.dir);
        self.wait().await;
    }

    async fn wait(&mut self) {
        let up = async {
            while TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(DEADLINE, up).await.expect("mosquitto listens");
    }
}

fn spawn(dir: &std::path::Path) -> Child {
    // Debian puts it where only root's path leads.
    let program =
        if std::path::Path::new("/usr/sbin/mosquitto").exists() { "/usr/sbin/mosquitto" } else { "mosquitto" };
    Command::new(program)
        .arg("-c")
        .arg(dir.join("mosquitto.conf"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("mosquitto runs; install the Debian package mosquitto")
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// A publisher of its own connection; each message is at the broker when `publish` returns.
pub(super) struct Publisher {
    client: AsyncClient,
    acked: tokio::sync::watch::Receiver<u64>,
    sent: u64,
    task: tokio::task::JoinHandle<()>,
}

impl Publisher {
    pub(super) fn new(port: u16) -> Self {
        let mut options = MqttOptions::new("publisher", "127.0.0.1", port);
        options.set_max_packet_size(32 << 20, 32 << 20).set_inflight(1000);
        let (client, mut events) = AsyncClient::new(options, 1000);
        let (count, acked) = tokio::sync::watch::channel(0);
        let task = tokio::spawn(async move {
            while let Ok(event) = events.poll().await {
                if matches!(event, Event::Incoming(Packet::PubAck(_))) {
                    count.send_modify(|n| *n += 1);
                }
            }
        });
        Self { client, acked, sent: 0, task }
    }

    pub(super) async fn publish(&mut self, topic: &str, payload: impl Into<Vec<u8>>) {
        self.send(topic, payload, false).await;
        self.settled().await;
    }

    pub(super) async fn retain(&mut self, topic: &str, payload: impl Into<Vec<u8>>) {
        self.send(topic, payload, true).await;
        self.settled().await;
    }

    /// Hands a message over and does not wait for the broker.
    pub(super) async fn send(&mut self, topic: &str, payload: impl Into<Vec<u8>>, retain: bool) {
        self.client.publish(topic, QoS::AtLeastOnce, retain, payload).await.unwrap();
        self.sent += 1;
    }

    pub(super) async fn settled(&mut self) {
        let sent = self.sent;
        timeout(DEADLINE, self.acked.wait_for(|n| *n >= sent)).await.expect("the broker acknowledges").unwrap();
    }

    /// QoS 0.
    pub(super) async fn fence(&mut self, topic: &str) {
        self.client.publish(topic, QoS::AtMostOnce, false, "0").await.unwrap();
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The broker's end of one connection, byte by byte.
pub(super) struct Wire(TcpStream);

/// A packet from the client: its first byte and its body.
pub(super) type Packeted = (u8, Vec<u8>);

pub(super) const PUBACK: u8 = 0x40;

impl Wire {
    pub(super) async fn listen() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    /// Takes a connection and answers its CONNECT.
    pub(super) async fn accept(listener: &TcpListener, session_present: bool) -> Self {
        let (stream, _) = timeout(DEADLINE, listener.accept()).await.expect("the link connects").unwrap();
        let mut wire = Self(stream);
        assert_eq!(wire.read().await.0, 0x10, "CONNECT");
        wire.write(&[0x20, 2, u8::from(session_present), 0]).await;
        wire
    }

    /// Waits for the SUBSCRIBE and answers it with these codes.
    pub(super) async fn grant(&mut self, codes: &[u8]) {
        let (kind, body) = self.read().await;
        assert_eq!(kind, 0x82, "SUBSCRIBE");
        let mut ack = vec![0x90, 2 + codes.len() as u8, body[0], body[1]];
        ack.extend(codes);
        self.write(&ack).await;
    }

    /// QoS 1.
    pub(super) async fn publish(&mut self, topic: &str, packet: u16, payload: &str) {
        let mut bytes = vec![0x32, (4 + topic.len() + payload.len()) as u8];
        bytes.extend((topic.len() as u16).to_be_bytes());
        bytes.extend(topic.as_bytes());
        bytes.extend(packet.to_be_bytes());
        bytes.extend(payload.as_bytes());
        self.write(&bytes).await;
    }

    /// The packet id of the next acknowledgement; pings are passed over.
    pub(super) async fn puback(&mut self) -> u16 {
        loop {
            let (kind, body) = self.read().await;
            if kind == PUBACK {
                return u16::from_be_bytes([body[0], body[1]]);
            }
            assert_eq!(kind, 0xC0, "nothing but PUBACK and PINGREQ");
        }
    }

    async fn write(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    async fn read(&mut self) -> Packeted {
        let read = async {
            let kind = self.0.read_u8().await.unwrap();
            // What the link sends is below 16 KiB.
            let mut length = usize::from(self.0.read_u8().await.unwrap());
            if length >= 128 {
                length = (length & 127) | (usize::from(self.0.read_u8().await.unwrap()) << 7);
            }
            let mut body = vec![0; length];
            self.0.read_exact(&mut body).await.unwrap();
            (kind, body)
        };
        timeout(DEADLINE, read).await.expect("a packet in time")
    }
}
