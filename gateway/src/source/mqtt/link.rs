//! The seam to rumqttc: one connection, from CONNECT to its first error, then thrown away with the client in it.
//!
//! rumqttc reconnects by itself inside one client, and then a late acknowledgement of the old connection goes out on
//! the new one, where its packet id names another message. A client that never outlives its connection can't do that.
//! `next` is not cancel-safe: whoever drops it half-way must drop the `Link`.

use std::time::Duration;

use bytes::Bytes;
use rumqttc::mqttbytes::Error as PacketError;
use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, NetworkOptions, Packet, Publish, QoS, StateError,
    SubscribeFilter, SubscribeReasonCode,
};

/// Largest packet that is taken off the wire. Far above what is decoded, so that an oversized message is refused and
/// acknowledged: one that the client can't take would be sent again for ever, with everything behind it waiting.
const LARGEST_PACKET: usize = 16 << 20;
/// Acknowledgements on their way to the wire.
const REQUESTS: usize = 1024;
/// TCP connection and CONNACK, in seconds.
const CONNECT_TIMEOUT: u64 = 5;

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
    pub(super) fn new(address: Address) -> Self {
        // The client puts host and port together by itself and does not know IPv6.
        let host = if address.host.contains(':') { format!("[{}]", address.host) } else { address.host };
        let mut options = MqttOptions::new(address.client_id, host, address.port);
        options
            // It panics below one second.
            .set_keep_alive(address.keep_alive.clamp(Duration::from_secs(1), Duration::from_secs(u16::MAX.into())))
            .set_clean_session(false)
            .set_manual_acks(true)
            .set_max_packet_size(LARGEST_PACKET, LARGEST_PACKET);
        if let Some((user, password)) = address.login {
            options.set_credentials(user, password);
        }
        let (client, mut events) = AsyncClient::new(options, REQUESTS);
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        network.set_connection_timeout(CONNECT_TIMEOUT);
        events.set_network_options(network);
        Self { client, events }
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
