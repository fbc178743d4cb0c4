//! The broker's mind: sessions, retained messages, who gets what. No sockets and no clock.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rumqttc::{
    ConnAck, Connect, ConnectReturnCode, LastWill, Packet, Protocol, PubAck, Publish, QoS, SubAck, Subscribe,
    SubscribeReasonCode, UnsubAck,
};
use tokio::sync::Notify;

use super::filter;
use super::session::{Dropped, Link, Session};

/// Sessions kept, connected or not; a client beyond it is told that the server is unavailable.
pub const MAX_SESSIONS: usize = 1_000;
/// Topics with a retained message; more are not retained, and counted.
pub const MAX_RETAINED: usize = 10_000;

/// What the broker has done since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Messages taken from publishers.
    pub received: u64,
    /// Messages handed to connections, redeliveries included.
    pub sent: u64,
    /// Sent a second time after a reconnect.
    pub redelivered: u64,
    /// Given up because a client's queue was full.
    pub dropped_qos0: u64,
    pub dropped_qos1: u64,
    /// Not retained because there are too many.
    pub not_retained: u64,
    /// Wills that were published.
    pub wills: u64,
}

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// DISCONNECT: the will is forgotten.
    Goodbye,
    /// The client broke the protocol, or asked for what this broker does not do.
    Refused(&'static str),
    /// Another connection took over its session.
    Replaced,
}

/// All state, behind one lock.
#[derive(Debug, Default)]
pub(super) struct Hub {
    sessions: HashMap<String, Session>,
    /// Client of each connection.
    links: HashMap<u64, String>,
    retained: BTreeMap<String, Publish>,
    counts: Counts,
}

impl Hub {
    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// A client introduces itself on connection `link`. `wake` is told when something waits for it.
    pub(super) fn connect(&mut self, connect: Connect, id: u64, wake: Arc<Notify>) -> ConnAck {
        use ConnectReturnCode::{BadClientId, RefusedProtocolVersion, ServiceUnavailable, Success};
        if connect.protocol != Protocol::V4 {
            return ConnAck::new(RefusedProtocolVersion, false);
        }
        let client = match (connect.client_id.is_empty(), connect.clean_session) {
            (true, false) => return ConnAck::new(BadClientId, false),
            (true, true) => format!("unnamed-{id}"),
            (false, _) => connect.client_id,
        };
        // [MQTT-3.1.4-2]: whoever has this name already is put out.
        if let Some(old) = self.sessions.get(&client).and_then(|session| session.link.clone()) {
            self.lost(old.id, End::Replaced);
            old.wake.notify_one();
        }
        if connect.clean_session {
            self.sessions.remove(&client);
        }
        let present = self.sessions.contains_key(&client);
        if !present && self.sessions.len() >= MAX_SESSIONS {
            return ConnAck::new(ServiceUnavailable, false);
        }
        let session = self.sessions.entry(client.clone()).or_insert_with(|| Session::new(connect.clean_session));
        session.attach(Link { id, wake }, connect.clean_session, connect.last_will);
        self.links.insert(id, client);
        ConnAck::new(Success, present)
    }

    /// A packet came on connection `id`; the answer goes back on it at once.
    pub(super) fn packet(&mut self, id: u64, packet: Packet) -> Result<Option<Packet>, End> {
        match packet {
            Packet::Publish(publish) => self.publish(&publish),
            Packet::PubAck(ack) => {
                self.session(id)?.acknowledged(ack.pkid);
                Ok(None)
            }
            Packet::Subscribe(subscribe) => self.subscribe(id, &subscribe).map(Some),
            Packet::Unsubscribe(unsubscribe) => {
                let session = self.session(id)?;
                unsubscribe.topics.iter().for_each(|filter| session.unsubscribe(filter));
                Ok(Some(Packet::UnsubAck(UnsubAck::new(unsubscribe.pkid))))
            }
            Packet::PingReq => Ok(Some(Packet::PingResp)),
            Packet::Disconnect => Err(End::Goodbye),
            Packet::PubRec(_) | Packet::PubRel(_) | Packet::PubComp(_) => Err(End::Refused("QoS 2 is not spoken here")),
            Packet::Connect(_) => Err(End::Refused("a second CONNECT")),
            Packet::ConnAck(_) | Packet::SubAck(_) | Packet::UnsubAck(_) | Packet::PingResp => {
                Err(End::Refused("a packet that only servers send"))
            }
        }
    }

    /// The next message for connection `id`; `Err` once another connection has its session.
    pub(super) fn next(&mut self, id: u64) -> Result<Option<Publish>, End> {
        let message = self.session(id)?.next();
        if let Some(message) = &message {
            self.counts.sent += 1;
            self.counts.redelivered += u64::from(message.dup);
        }
        Ok(message)
    }

    /// Connection `id` is gone. Without a goodbye its will speaks; a clean session ends.
    pub(super) fn lost(&mut self, id: u64, end: End) {
        let Some(client) = self.links.remove(&id) else { return };
        let Some(session) = self.sessions.get_mut(&client) else { return };
        session.link = None;
        let will = session.will.take().filter(|_| end != End::Goodbye);
        if session.clean {
            self.sessions.remove(&client);
        }
        if let Some(LastWill { topic, message, qos, retain }) = will
            && filter::valid_topic(&topic)
        {
            self.counts.wills += 1;
            self.spread(&Publish { dup: false, qos, retain, topic, pkid: 0, payload: message });
        }
    }

    #[cfg(test)]
    pub(super) fn connected(&self) -> usize {
        self.links.len()
    }

    #[cfg(test)]
    pub(super) fn unacknowledged(&self, client: &str) -> usize {
        self.sessions.get(client).map_or(0, Session::unacknowledged)
    }

    fn session(&mut self, id: u64) -> Result<&mut Session, End> {
        let client = self.links.get(&id).ok_or(End::Replaced)?;
        self.sessions.get_mut(client).ok_or(End::Replaced)
    }

    fn publish(&mut self, publish: &Publish) -> Result<Option<Packet>, End> {
        if publish.qos == QoS::ExactlyOnce {
            return Err(End::Refused("QoS 2 is not spoken here"));
        }
        if !filter::valid_topic(&publish.topic) {
            return Err(End::Refused("a topic with a wildcard or nothing in it"));
        }
        self.counts.received += 1;
        self.spread(publish);
        let owed = publish.qos == QoS::AtLeastOnce;
        Ok(owed.then(|| Packet::PubAck(PubAck::new(publish.pkid))))
    }

    /// To all who want it; then it is kept if it asks to be.
    fn spread(&mut self, publish: &Publish) {
        for session in self.sessions.values_mut() {
            if let Some(granted) = session.wants(&publish.topic) {
                let Dropped { qos0, qos1 } = session.offer(publish, granted, false);
                self.counts.dropped_qos0 += qos0;
                self.counts.dropped_qos1 += qos1;
            }
        }
        if publish.retain {
            self.retain(publish);
        }
    }

    fn retain(&mut self, publish: &Publish) {
        if publish.payload.is_empty() {
            self.retained.remove(&publish.topic);
        } else if self.retained.len() < MAX_RETAINED || self.retained.contains_key(&publish.topic) {
            self.retained.insert(publish.topic.clone(), publish.clone());
        } else {
            self.counts.not_retained += 1;
        }
    }

    fn subscribe(&mut self, id: u64, subscribe: &Subscribe) -> Result<Packet, End> {
        let mut codes = Vec::with_capacity(subscribe.filters.len());
        for wanted in &subscribe.filters {
            let granted = self.session(id)?.subscribe(&wanted.path, wanted.qos);
            codes.push(granted.map_or(SubscribeReasonCode::Failure, SubscribeReasonCode::Success));
            if let Some(qos) = granted {
                self.replay(id, &wanted.path, qos)?;
            }
        }
        Ok(Packet::SubAck(SubAck::new(subscribe.pkid, codes)))
    }

    /// The retained messages of a new filter.
    fn replay(&mut self, id: u64, path: &str, granted: QoS) -> Result<(), End> {
        let kept: Vec<Publish> =
            self.retained.values().filter(|kept| filter::matches(path, &kept.topic)).cloned().collect();
        for message in kept {
            let Dropped { qos0, qos1 } = self.session(id)?.offer(&message, granted, true);
            self.counts.dropped_qos0 += qos0;
            self.counts.dropped_qos1 += qos1;
        }
        Ok(())
    }
}
