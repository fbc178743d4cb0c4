//! The seam to rumqttc for what comes in: one connection, from CONNECT to its first error, then thrown away with the client
//! in it (see `broker`). `next` is not cancel-safe: whoever drops it half-way must drop the `Link`.

use bytes::Bytes;
use rumqttc::mqttbytes::Error as PacketError;
use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, Packet, Publish, QoS, StateError, SubscribeFilter,
    SubscribeReasonCode,
};

use crate::broker::{self, LARGEST_PACKET};
use crate::config::checked::Broker;

/// Acknowledgements on their way to the wire.
const REQUESTS: usize = 1024;

/// What happened on the wire.
#[derive(Debug)]
pub(super) enum Happening {
    Connected {
        /// The broker kept our session: its subscriptions stand.
        session_present: bool,
    },
    /// Whether each filter was accepted, in the order asked for.
    Subscribed(Vec<bool>),
    Message(Incoming),
    Nothing,
}

#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) topic: String,
    pub(super) payload: Bytes,
    /// QoS 1.
    pub(super) packet: Option<u16>,
    pub(super) duplicate: bool,
    pub(super) retained: bool,
}

pub(super) struct Link {
    client: AsyncClient,
    events: EventLoop,
}

/// Sends acknowledgements on the connection it came from, and on no other.
#[derive(Debug)]
pub(super) struct Acker {
    client: AsyncClient,
    /// A message with nothing but a packet id in it, which is all an acknowledgement needs.
    blank: Publish,
}

/// The connection is gone.
#[derive(Debug)]
pub(super) struct Closed;

impl Link {
    /// Nothing is sent before `next` is called.
    pub(super) async fn open(broker: &Broker) -> Result<Self, String> {
        let (client, events) = broker::open(broker, REQUESTS, |_| ()).await?;
        Ok(Self { client, events })
    }

    pub(super) fn acker(&self) -> Acker {
        Acker { client: self.client.clone(), blank: Publish::new("", QoS::AtLeastOnce, Vec::new()) }
    }

    /// Asks for all filters in one packet. `false` if they are not valid.
    pub(super) fn subscribe<'a>(&self, filters: impl Iterator<Item = (&'a str, u8)>) -> bool {
        let filters = filters.map(|(topic, qos)| {
            SubscribeFilter::new(topic.to_owned(), if qos == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce })
        });
        self.client.try_subscribe_many(filters).is_ok()
    }

    /// The next thing that happens; an error ends the connection, in words for people.
    pub(super) async fn next(&mut self) -> Result<Happening, String> {
        match self.events.poll().await.map_err(|error| words(&error))? {
            Event::Incoming(Packet::Publish(publish)) => Ok(Happening::Message(Incoming {
                packet: (publish.qos != QoS::AtMostOnce).then_some(publish.pkid),
                duplicate: publish.dup,
                retained: publish.retain,
                topic: publish.topic,
                payload: publish.payload,
            })),
            Event::Incoming(Packet::ConnAck(ack)) => Ok(Happening::Connected { session_present: ack.session_present }),
            Event::Incoming(Packet::SubAck(ack)) => Ok(Happening::Subscribed(
                ack.return_codes.iter().map(|code| matches!(code, SubscribeReasonCode::Success(_))).collect(),
            )),
            Event::Incoming(_) | Event::Outgoing(_) => Ok(Happening::Nothing),
        }
    }
}

impl Acker {
    /// Waits while the wire is busy; never call it from the task that calls `Link::next`.
    pub(super) async fn ack(&mut self, packet: u16) -> Result<(), Closed> {
        self.blank.pkid = packet;
        self.client.ack(&self.blank).await.map_err(|_| Closed)
    }
}

fn words(error: &ConnectionError) -> String {
    if let ConnectionError::MqttState(StateError::Deserialization(PacketError::PayloadSizeLimitExceeded(size))) = error
    {
        return format!(
            "a message of {size} bytes is more than the {LARGEST_PACKET} we take and the broker will send it again; \
             set message_size_limit at the broker and remove it from our session"
        );
    }
    error.to_string()
}
