//! One client's session: what it wants, what waits for it, what it has been sent and not acknowledged.

use std::collections::VecDeque;
use std::sync::Arc;

use rumqttc::{LastWill, Publish, QoS};
use tokio::sync::Notify;

use super::filter;

/// Messages sent to a client that it has not acknowledged; more wait.
pub const WINDOW: usize = 1_000;
/// Messages that wait for one client. Beyond it the oldest of QoS 0 is dropped, or the oldest of all.
pub const MAX_WAITING: usize = 10_000;
/// Their payload bytes, bounded the same way.
pub const MAX_WAITING_BYTES: usize = 16 << 20;
/// Filters of one client; more are refused in the SUBACK.
pub const MAX_FILTERS: usize = 100;

#[derive(Debug, Default)]
pub(super) struct Session {
    /// Ends with its connection.
    pub(super) clean: bool,
    pub(super) link: Option<Link>,
    pub(super) will: Option<LastWill>,
    filters: Vec<(String, QoS)>,
    waiting: Waiting,
    /// Sent, not acknowledged, oldest first.
    inflight: VecDeque<Publish>,
    /// How many of `inflight`, from its front, have been sent on this connection; the rest is owed again.
    sent: usize,
    last_id: u16,
}

/// The connection a session has at the moment.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) id: u64,
    pub(super) wake: Arc<Notify>,
}

/// A bounded queue.
#[derive(Debug, Default)]
struct Waiting {
    messages: VecDeque<Publish>,
    bytes: usize,
    /// How many are of QoS 0.
    light: usize,
}

/// What a full queue gave up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Dropped {
    pub(super) qos0: u64,
    pub(super) qos1: u64,
}

impl Session {
    pub(super) fn new(clean: bool) -> Self {
        Self { clean, ..Self::default() }
    }

    /// Takes a connection; what was not acknowledged on the last one is owed again.
    pub(super) fn attach(&mut self, link: Link, clean: bool, will: Option<LastWill>) {
        (self.link, self.clean, self.will) = (Some(link), clean, will);
        self.sent = 0;
        self.inflight.iter_mut().for_each(|message| message.dup = true);
    }

    /// Adds a filter or changes its QoS; `None` where it is refused.
    pub(super) fn subscribe(&mut self, filter: &str, qos: QoS) -> Option<QoS> {
        let granted = if qos == QoS::AtMostOnce { QoS::AtMostOnce } else { QoS::AtLeastOnce };
        if !filter::valid_filter(filter) {
            return None;
        }
        let room = self.filters.len() < MAX_FILTERS;
        match self.filters.iter_mut().find(|(known, _)| known == filter) {
            Some((_, known)) => *known = granted,
            None if room => self.filters.push((filter.to_owned(), granted)),
            None => return None,
        }
        Some(granted)
    }

    pub(super) fn unsubscribe(&mut self, filter: &str) {
        self.filters.retain(|(known, _)| known != filter);
    }

    /// The highest QoS any filter grants this topic: overlapping filters get one copy (section 3.3.5 allows it).
    pub(super) fn wants(&self, topic: &str) -> Option<QoS> {
        let matching = self.filters.iter().filter(|(filter, _)| filter::matches(filter, topic));
        matching.map(|(_, qos)| *qos).max_by_key(|qos| *qos as u8)
    }

    /// Queues a message of which the client gets at most `granted`. QoS 0 is not kept for a client that is away.
    pub(super) fn offer(&mut self, message: &Publish, granted: QoS, retain: bool) -> Dropped {
        let qos = if message.qos == QoS::AtMostOnce { QoS::AtMostOnce } else { granted };
        if qos == QoS::AtMostOnce && self.link.is_none() {
            return Dropped::default();
        }
        let dropped = self.waiting.push(Publish { dup: false, qos, retain, pkid: 0, ..message.clone() });
        if let Some(link) = &self.link {
            link.wake.notify_one();
        }
        dropped
    }

    /// The client has this one; an identifier that is not in flight is ignored.
    pub(super) fn acknowledged(&mut self, pkid: u16) {
        let Some(i) = self.inflight.iter().position(|message| message.pkid == pkid) else { return };
        self.inflight.remove(i);
        self.sent -= usize::from(i < self.sent);
    }

    /// The next message to send on this connection; first what is owed again, then what the window allows.
    pub(super) fn next(&mut self) -> Option<Publish> {
        if let Some(again) = self.inflight.get(self.sent) {
            self.sent += 1;
            return Some(again.clone());
        }
        let heavy = self.waiting.messages.front()?.qos != QoS::AtMostOnce;
        if heavy && self.inflight.len() >= WINDOW {
            return None;
        }
        let mut message = self.waiting.pop()?;
        if heavy {
            message.pkid = self.free_id();
            self.inflight.push_back(message.clone());
            self.sent += 1;
        }
        Some(message)
    }

    #[cfg(test)]
    pub(super) fn unacknowledged(&self) -> usize {
        self.inflight.len()
    }

    fn free_id(&mut self) -> u16 {
        // The window is far smaller than the 65,535 identifiers, so one is always free.
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            if self.inflight.iter().all(|message| message.pkid != self.last_id) {
                return self.last_id;
            }
        }
    }
}

impl Waiting {
    fn push(&mut self, message: Publish) -> Dropped {
        self.bytes += message.payload.len();
        self.light += usize::from(message.qos == QoS::AtMostOnce);
        self.messages.push_back(message);
        let mut dropped = Dropped::default();
        while self.messages.len() > MAX_WAITING || self.bytes > MAX_WAITING_BYTES {
            match self.drop_one() {
                Some(QoS::AtMostOnce) => dropped.qos0 += 1,
                Some(QoS::AtLeastOnce | QoS::ExactlyOnce) => dropped.qos1 += 1,
                None => break,
            }
        }
        dropped
    }

    /// Drops the oldest of QoS 0, or the oldest of all where there is none.
    fn drop_one(&mut self) -> Option<QoS> {
        let light = || self.messages.iter().position(|message| message.qos == QoS::AtMostOnce);
        let victim = if self.light > 0 { light()? } else { 0 };
        let message = self.messages.remove(victim)?;
        self.forget(&message);
        Some(message.qos)
    }

    fn pop(&mut self) -> Option<Publish> {
        let message = self.messages.pop_front()?;
        self.forget(&message);
        Some(message)
    }

    fn forget(&mut self, message: &Publish) {
        self.bytes -= message.payload.len();
        self.light -= usize::from(message.qos == QoS::AtMostOnce);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(qos: QoS, n: usize, size: usize) -> Publish {
        let mut payload = n.to_string().into_bytes();
        payload.resize(payload.len().max(size), b' ');
        Publish::new("t", qos, payload)
    }

    fn connected() -> Session {
        let mut session = Session::new(false);
        session.attach(Link { id: 1, wake: Arc::default() }, false, None);
        session
    }

    fn number(publish: &Publish) -> usize {
        std::str::from_utf8(&publish.payload).unwrap().trim().parse().unwrap()
    }

    #[test]
    fn a_full_queue_gives_up_the_oldest_of_qos_0_first() {
        let mut session = connected();
        session.offer(&message(QoS::AtLeastOnce, 0, 0), QoS::AtLeastOnce, false);
        session.offer(&message(QoS::AtMostOnce, 1, 0), QoS::AtLeastOnce, false);
        for n in 2..MAX_WAITING {
            assert_eq!(session.offer(&message(QoS::AtLeastOnce, n, 0), QoS::AtLeastOnce, false), Dropped::default());
        }
        let offer = |session: &mut Session, n| session.offer(&message(QoS::AtLeastOnce, n, 0), QoS::AtLeastOnce, false);
        assert_eq!(offer(&mut session, MAX_WAITING), Dropped { qos0: 1, qos1: 0 });
        assert_eq!(offer(&mut session, MAX_WAITING + 1), Dropped { qos0: 0, qos1: 1 });
        let sent: Vec<usize> = (0..3).map(|_| number(&session.next().unwrap())).collect();
        assert_eq!(sent, [2, 3, 4]);
    }

    #[test]
    fn bytes_are_bounded_as_well() {
        let mut session = connected();
        let quarter = MAX_WAITING_BYTES / 4;
        let dropped: u64 =
            (0..6).map(|n| session.offer(&message(QoS::AtLeastOnce, n, quarter), QoS::AtLeastOnce, false).qos1).sum();
        assert_eq!(dropped, 2);
        assert_eq!(number(&session.next().unwrap()), 2);
    }

    #[test]
    fn acknowledging_out_of_order_and_reconnecting_owes_exactly_the_rest() {
        let mut session = connected();
        for n in 0..6 {
            session.offer(&message(QoS::AtLeastOnce, n, 0), QoS::AtLeastOnce, false);
        }
        let sent: Vec<Publish> = (0..6).map_while(|_| session.next()).collect();
        session.acknowledged(sent[3].pkid);
        session.acknowledged(sent[0].pkid);
        session.acknowledged(sent[0].pkid);
        session.acknowledged(9_999);
        session.attach(Link { id: 2, wake: Arc::default() }, false, None);
        let first = session.next().unwrap();
        assert_eq!((number(&first), first.dup), (1, true));
        // An acknowledgement in the middle of the redelivery neither skips nor repeats.
        session.acknowledged(first.pkid);
        let rest: Vec<usize> = std::iter::from_fn(|| session.next()).map(|m| number(&m)).collect();
        assert_eq!(rest, [2, 4, 5]);
    }

    #[test]
    fn identifiers_go_round_without_zero_and_without_those_in_flight() {
        let mut session = connected();
        let mut one = |n| {
            session.offer(&message(QoS::AtLeastOnce, n, 0), QoS::AtLeastOnce, false);
            let id = session.next().unwrap().pkid;
            if n > 0 {
                session.acknowledged(id);
            }
            id
        };
        assert_eq!(one(0), 1);
        let ids: Vec<u16> = (1..=65_535).map(&mut one).collect();
        assert_eq!(ids.first(), Some(&2));
        assert!(ids.iter().all(|id| *id > 1));
        assert_eq!(ids.last(), Some(&2));
    }
}
