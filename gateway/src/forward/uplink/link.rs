//! The seam to rumqttc for what goes up: one connection, from CONNECT to its first error, then thrown away with the client
//! in it (see `broker`).
//!
//! The [`Poller`] polls and does nothing else (who polls must never wait for the client's own queue); the [`Client`] never
//! waits at all.

use bytes::Bytes;
use rumqttc::{
    AsyncClient, Event, EventLoop, LastWill, MqttOptions, Outgoing, Packet, Publish, QoS, SubscribeReasonCode,
};
use tokio::sync::mpsc;

use crate::broker;
use crate::config::checked::Broker;

/// Requests beside the window's: statuses, replies, acknowledgements, the subscription.
const BESIDE: usize = 512;

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

/// A connection with a last will, for `window` messages at once. The broker keeps commands for us while we are away. Nothing
/// is sent before the poller runs.
pub(super) async fn open(broker: &Broker, will: (&str, Vec<u8>), window: usize) -> Result<(Client, Poller), String> {
    let inflight = u16::try_from(window + BESIDE).unwrap_or(u16::MAX);
    let more = |options: &mut MqttOptions| {
        options.set_inflight(inflight).set_last_will(LastWill::new(will.0, will.1, QoS::AtLeastOnce, true));
    };
    let (client, events) = broker::open(broker, window + BESIDE, more).await?;
    Ok((Client(client), Poller(events)))
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
