//! The seam to rumqttc for what goes up: one connection, from CONNECT to its first error, then thrown away with the client
//! in it. rumqttc forgets messages it had accepted when a connection breaks; here nobody relies on it remembering.
//!
//! The [`Poller`] polls and does nothing else (who polls must never wait for the client's own queue); the [`Client`] never
//! waits at all.

use std::time::Duration;

use bytes::Bytes;
use rumqttc::{
    AsyncClient, Event, EventLoop, LastWill, MqttOptions, NetworkOptions, Outgoing, Packet, Publish, QoS,
    SubscribeReasonCode,
};
use tokio::sync::mpsc;

/// Largest packet that is taken off the wire: one that the client can't take would be sent again for ever.
const LARGEST_PACKET: usize = 16 << 20;
/// TCP connection and CONNACK, in seconds.
const CONNECT_TIMEOUT: u64 = 5;
/// Requests beside the window's: statuses, replies, acknowledgements, the subscription.
const BESIDE: usize = 512;

/// Where and as whom to connect.
#[derive(Debug, Clone)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) client_id: String,
    pub(super) login: Option<(String, String)>,
    pub(super) keep_alive: Duration,
}

/// What happened on the wire.
#[derive(Debug)]
pub(super) enum Happening {
    Connected,
    /// Whether the subscription was granted.
    Subscribed(bool),
    /// The oldest message handed over left under this packet id.
    Sent(u16),
    Acked(u16),
    Message(Incoming),
    /// The connection is gone, in words for people.
    Lost(String),
}

/// A command as it came.
#[derive(Debug)]
pub(super) struct Incoming {
    /// QoS 1.
    pub(super) packet: Option<u16>,
    pub(super) retained: bool,
    pub(super) payload: Bytes,
}

/// The client takes no more: it stands still.
#[derive(Debug)]
pub(super) struct Full;

pub(super) struct Client(AsyncClient);

pub(super) struct Poller(EventLoop);

/// A connection with a last will, for `window` messages at once. Nothing is sent before the poller runs.
pub(super) fn open(address: Address, will: (&str, Vec<u8>), window: usize) -> (Client, Poller) {
    // The client puts host and port together by itself and does not know IPv6.
    let host = if address.host.contains(':') { format!("[{}]", address.host) } else { address.host };
    let mut options = MqttOptions::new(address.client_id, host, address.port);
    let inflight = u16::try_from(window + BESIDE).unwrap_or(u16::MAX);
    options
        // It panics below one second.
        .set_keep_alive(address.keep_alive.clamp(Duration::from_secs(1), Duration::from_secs(u16::MAX.into())))
        // The broker keeps commands for us while we are away.
        .set_clean_session(false)
        .set_manual_acks(true)
        .set_inflight(inflight)
        .set_max_packet_size(LARGEST_PACKET, LARGEST_PACKET)
        .set_last_will(LastWill::new(will.0, will.1, QoS::AtLeastOnce, true));
    if let Some((user, password)) = address.login {
        options.set_credentials(user, password);
    }
    let (client, mut events) = AsyncClient::new(options, window + BESIDE);
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    network.set_connection_timeout(CONNECT_TIMEOUT);
    events.set_network_options(network);
    (Client(client), Poller(events))
}

impl Poller {
    /// Tells what happens until the connection is gone, or nobody listens any more.
    pub(super) async fn run(mut self, out: mpsc::Sender<Happening>) {
        loop {
            let happening = match self.0.poll().await {
                Ok(event) => happening(event),
                Err(error) => Some(Happening::Lost(error.to_string())),
            };
            let Some(happening) = happening else { continue };
            let over = matches!(happening, Happening::Lost(_));
            if out.send(happening).await.is_err() || over {
                return;
            }
        }
    }
}

fn happening(event: Event) -> Option<Happening> {
    match event {
        Event::Outgoing(Outgoing::Publish(packet)) => Some(Happening::Sent(packet)),
        Event::Incoming(Packet::PubAck(ack)) => Some(Happening::Acked(ack.pkid)),
        Event::Incoming(Packet::ConnAck(_)) => Some(Happening::Connected),
        Event::Incoming(Packet::SubAck(ack)) => Some(Happening::Subscribed(
            ack.return_codes.iter().all(|code| matches!(code, SubscribeReasonCode::Success(_))),
        )),
        Event::Incoming(Packet::Publish(publish)) => Some(Happening::Message(Incoming {
            packet: (publish.qos != QoS::AtMostOnce).then_some(publish.pkid),
            retained: publish.retain,
            payload: publish.payload,
        })),
        Event::Incoming(_) | Event::Outgoing(_) => None,
    }
}

impl Client {
    /// QoS 1.
    pub(super) fn publish(&self, topic: &str, retain: bool, payload: Vec<u8>) -> Result<(), Full> {
        self.0.try_publish(topic, QoS::AtLeastOnce, retain, payload).map_err(|_| Full)
    }

    pub(super) fn subscribe(&self, topic: &str) -> Result<(), Full> {
        self.0.try_subscribe(topic, QoS::AtLeastOnce).map_err(|_| Full)
    }

    /// Acknowledges a command of this connection.
    pub(super) fn acknowledge(&self, packet: u16) -> Result<(), Full> {
        let mut blank = Publish::new("", QoS::AtLeastOnce, Vec::new());
        blank.pkid = packet;
        self.0.try_ack(&blank).map_err(|_| Full)
    }

    /// Goodbye: the last will is not told.
    pub(super) fn disconnect(&self) {
        let _ = self.0.try_disconnect();
    }
}
