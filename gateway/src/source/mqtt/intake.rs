//! From messages to batches. No network and no clock: what came and when is given. Order is kept, every message ends
//! as readings, as a refused record, or as both, and the last token of a batch is its receipt.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use gengfu_core::quality::{Quality, Reason};
use gengfu_core::reading::{PointId, Reading};
use gengfu_core::time::Wall;
use tokio::sync::watch;

use super::payload::{Lack, Payload, too_large};
use super::registry::{Registry, Route, Routing, Stranger};
use super::stamp::{Arrival, Timed, Trust};
use crate::config::checked::MqttPoint;
use crate::driver::Input;
use crate::flow::{Batch, REFUSED_HEAD, Receipt, Refused};
use crate::telemetry::{RefusedReason, SharedStats};

/// Characters of a refusal's reason that are kept.
const LONGEST_REASON: usize = 512;
/// Readings of one batch that no message asked for.
const TOLD: usize = 1_024;

/// A message as it came from the broker.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) topic: String,
    pub(super) body: Body,
    pub(super) how: Arrival,
    pub(super) at: Wall,
    /// QoS 1: number of the acknowledgement owed.
    pub(super) token: Option<u64>,
}

#[derive(Debug, Clone)]
pub(super) enum Body {
    Whole(Bytes),
    /// Of one that is too large only the beginning is kept.
    TooLarge {
        head: Bytes,
        size: usize,
    },
}

impl Body {
    /// Bytes it keeps in memory.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Whole(bytes) | Self::TooLarge { head: bytes, .. } => bytes.len(),
        }
    }

    fn head(&self) -> Vec<u8> {
        match self {
            Self::Whole(bytes) | Self::TooLarge { head: bytes, .. } => {
                bytes.iter().take(REFUSED_HEAD).copied().collect()
            }
        }
    }
}

pub(super) struct Intake {
    link: String,
    registry: Registry,
    trust: Trust,
    stats: SharedStats,
    mark: Arc<watch::Sender<u64>>,
    /// Points that were called lost and not heard since, with the value they had.
    lost: HashMap<PointId, Option<f64>>,
    /// Points whose stamps were not believed last.
    doubted: HashSet<PointId>,
}

impl Intake {
    pub(super) fn new(
        link: &str,
        registry: Registry,
        trust: Trust,
        stats: SharedStats,
        mark: Arc<watch::Sender<u64>>,
    ) -> Self {
        Self { link: link.to_owned(), registry, trust, stats, mark, lost: HashMap::new(), doubted: HashSet::new() }
    }

    /// The points of all devices known now.
    pub(super) fn points(&self) -> Vec<PointId> {
        self.registry.points()
    }

    /// The link is gone: its points are bad(comm), because what they said last may be true no longer. `present` is
    /// what they are now. Of one that is bad already nothing is said.
    pub(super) fn lose(&mut self, present: &HashMap<PointId, Reading>, at: Wall) -> Vec<Batch> {
        let points = self.registry.points();
        self.call_lost(points, present, at)
    }

    /// The link is back. Those of `refused` subscriptions (by index) are lost. In a session that was kept `whole` a
    /// QoS 1 point that was lost and is silent has not changed: its value stands, as stale. Any other stays lost until
    /// it is heard.
    pub(super) fn regain(
        &mut self,
        whole: bool,
        refused: &[usize],
        present: &HashMap<PointId, Reading>,
        at: Wall,
    ) -> Vec<Batch> {
        let mut told = Vec::new();
        if whole {
            for point in self.registry.points_of(|index, config| config.qos == 1 && !refused.contains(&index)) {
                let Some(Some(value)) = self.lost.remove(&point) else { continue };
                told.push(Reading { point, at, value, quality: Quality::Uncertain(Reason::Stale) });
            }
        }
        let mut batches = batches(&told);
        let points = self.registry.points_of(|index, _| refused.contains(&index));
        batches.extend(self.call_lost(points, present, at));
        batches
    }

    /// What the points said last: it tells whose clocks are off.
    pub(super) fn recall(&mut self, present: &HashMap<PointId, Reading>) {
        for last in present.values() {
            self.believe(last);
        }
    }

    fn believe(&mut self, reading: &Reading) {
        if reading.quality == Quality::Uncertain(Reason::Clock) {
            self.doubted.insert(reading.point);
        } else if reading.quality.is_word() && !self.doubted.is_empty() {
            self.doubted.remove(&reading.point);
        }
    }

    fn call_lost(&mut self, points: Vec<PointId>, present: &HashMap<PointId, Reading>, at: Wall) -> Vec<Batch> {
        let mut told = Vec::new();
        for point in points {
            let last = present.get(&point);
            if last.is_some_and(|last| !last.quality.has_value()) {
                continue;
            }
            self.lost.insert(point, last.map(|last| last.value));
            told.push(Reading { point, at, value: 0.0, quality: Quality::Bad(Reason::Comm) });
        }
        batches(&told)
    }

    /// Points that must be announced before the batches that were made.
    pub(super) fn announced(&mut self) -> Vec<Input> {
        self.registry.announced().into_iter().map(Input::Point).collect()
    }

    /// Makes batches of all `messages`, emptying it; a new batch begins where live turns to history or back.
    pub(super) fn take(&mut self, messages: &mut Vec<Message>) -> Vec<Batch> {
        let mut batches: Vec<Batch> = Vec::with_capacity(1);
        let expected = messages.len();
        for message in messages.drain(..) {
            let history = message.how.is_history();
            if batches.last().is_none_or(|batch| batch.history != history) {
                batches.push(Batch { history, readings: Vec::with_capacity(expected), ..Batch::default() });
            }
            let Some(batch) = batches.last_mut() else { continue };
            let before = batch.readings.len();
            self.one(&message, batch);
            if !self.lost.is_empty() {
                for heard in batch.readings.iter().skip(before) {
                    self.lost.remove(&heard.point);
                }
            }
            for heard in batch.readings.iter().skip(before) {
                self.believe(heard);
            }
            if let Some(token) = message.token {
                batch.receipt = Some(Receipt { mark: Arc::clone(&self.mark), token });
            }
        }
        batches
    }

    /// Takes one message into a batch.
    fn one(&mut self, message: &Message, batch: &mut Batch) {
        let Routing { routes, strangers } = self.registry.routes(&message.topic);
        let mut complaints = Vec::new();
        for stranger in &strangers {
            self.lost(stranger);
            complaints.push(stranger.reason());
        }
        if !routes.is_empty() {
            complaints.extend(self.readings(message, &routes, batch).err());
        }
        if !complaints.is_empty() {
            self.stats.mqtt_refused.add(1);
            batch.refused.push(self.refused(message, complaints.join("; ")));
        }
    }

    /// Adds what the message holds; an error says what it should have held besides. Where it speaks of a point and no
    /// number comes of it, the point is bad: an old value must not stand for a sensor that sends nonsense.
    fn readings(&self, message: &Message, routes: &[Route], batch: &mut Batch) -> Result<(), String> {
        let payload = match &message.body {
            Body::Whole(bytes) => Payload::parse(bytes),
            Body::TooLarge { size, .. } => Err(too_large(*size)),
        };
        let payload = payload.inspect_err(|_| {
            let points = routes.iter().flat_map(|route| route.points.iter());
            batch.readings.extend(points.map(|point| nonsense(*point, message.at)));
        })?;
        let mut complaints: Vec<String> = Vec::new();
        let mut silent = 0;
        for route in routes {
            let Some(points) = self.registry.config(route.subscription) else { continue };
            for (config, id) in points.iter().zip(route.points.iter()) {
                let timed = self.time(&payload, message, config, *id);
                match payload.number(&config.value) {
                    Ok(raw) => {
                        let (value, quality) = config.spec.scaling.apply(raw);
                        let reading = Reading { point: *id, at: timed.at, value, quality: timed.quality(quality) };
                        push(batch, reading, timed);
                    }
                    Err(Lack::NoNumber(reason)) => {
                        push(batch, nonsense(*id, timed.at), timed);
                        complaints.push(reason);
                    }
                    Err(Lack::Silent(reason)) => {
                        silent += 1;
                        complaints.push(reason);
                    }
                }
            }
        }
        self.undecodable(silent);
        if complaints.is_empty() { Ok(()) } else { Err(complaints.join("; ")) }
    }

    fn time(&self, payload: &Payload, message: &Message, config: &MqttPoint, point: PointId) -> Timed {
        let stamp = config.time.as_deref().map(|pointer| payload.time(pointer));
        self.trust.time(stamp, message.at, message.how, self.doubted.contains(&point))
    }

    fn refused(&self, message: &Message, mut reason: String) -> Refused {
        if let Some((cut, _)) = reason.char_indices().nth(LONGEST_REASON) {
            reason.truncate(cut);
        }
        tracing::debug!(link = self.link, topic = message.topic, reason, "message refused");
        Refused {
            source: self.link.clone(),
            topic: message.topic.clone(),
            head: message.body.head(),
            reason,
            at: message.at,
        }
    }

    /// Readings that did not come out of a message. The record of the message itself is counted like a reading.
    fn undecodable(&self, readings: usize) {
        self.stats.read.add(readings as u64);
        self.stats.refuse(RefusedReason::Undecodable, readings as u64);
    }

    fn lost(&self, stranger: &Stranger) {
        match stranger {
            Stranger::TooMany { readings, .. } => {
                self.stats.read.add(*readings as u64);
                self.stats.refuse(RefusedReason::TooManyDevices, *readings as u64);
            }
            Stranger::NoSubscription | Stranger::NoName(_) | Stranger::Collision(_) => self.undecodable(1),
        }
    }
}

/// Batches of readings that no message brought.
pub(super) fn batches(readings: &[Reading]) -> Vec<Batch> {
    readings.chunks(TOLD).map(|some| Batch { readings: some.to_vec(), ..Batch::default() }).collect()
}

/// What a point is when its message can't be read.
fn nonsense(point: PointId, at: Wall) -> Reading {
    Reading { point, at, value: 0.0, quality: Quality::Bad(Reason::NotANumber) }
}

fn push(batch: &mut Batch, reading: Reading, timed: Timed) {
    if let Some(stamp) = timed.stamp {
        batch.stamps.push((batch.readings.len() as u32, stamp));
    }
    batch.readings.push(reading);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::{link, point, subscription};
    use super::*;
    use crate::catalog::Catalog;

    /// A QoS 1 point `d-1/v` (0), a QoS 0 point `e-1/v` (1); both known, of values 7 and 8.
    fn bench() -> (Intake, HashMap<PointId, Reading>) {
        let mut live = subscription("t/+", "e-{1}", vec![point("v", "")]);
        (live.qos, live.expect) = (0, vec!["e-1".to_owned()]);
        let mut kept = subscription("s/+", "d-{1}", vec![point("v", "")]);
        kept.expect = vec!["d-1".to_owned()];
        let registry = Registry::new(&link("127.0.0.1", 1, vec![kept, live]), Catalog::default());
        let trust = Trust { tolerance: Duration::from_mins(1), horizon: Duration::from_hours(1) };
        let intake = Intake::new("lora", registry, trust, SharedStats::default(), Arc::new(watch::channel(0).0));
        let good = |id, value| Reading { point: PointId(id), at: Wall(1), value, quality: Quality::Good };
        (intake, HashMap::from([(PointId(0), good(0, 7.0)), (PointId(1), good(1, 8.0))]))
    }

    fn told(batches: &[Batch]) -> Vec<(u32, f64, Quality)> {
        assert!(batches.iter().all(|batch| !batch.history && batch.receipt.is_none()));
        batches.iter().flat_map(|batch| &batch.readings).map(|r| (r.point.0, r.value, r.quality)).collect()
    }

    const LOST: Quality = Quality::Bad(Reason::Comm);
    const STALE: Quality = Quality::Uncertain(Reason::Stale);

    #[test]
    fn a_link_that_is_gone_takes_its_points_with_it_once() {
        let (mut intake, mut present) = bench();
        assert_eq!(told(&intake.lose(&present, Wall(20))), [(0, 0.0, LOST), (1, 0.0, LOST)]);
        for reading in present.values_mut() {
            reading.quality = LOST;
        }
        assert!(intake.lose(&present, Wall(30)).is_empty());
    }

    #[test]
    fn a_whole_session_gives_back_what_would_have_been_told_of_a_change() {
        let (mut intake, present) = bench();
        intake.lose(&present, Wall(20));
        assert_eq!(told(&intake.regain(true, &[], &present, Wall(30))), [(0, 7.0, STALE)], "QoS 0 keeps nothing");
        assert!(intake.regain(true, &[], &present, Wall(40)).is_empty(), "once");
    }

    #[test]
    fn a_new_session_gives_nothing_back_and_a_word_is_worth_more_than_memory() {
        let (mut intake, present) = bench();
        intake.lose(&present, Wall(20));
        assert!(intake.regain(false, &[], &present, Wall(30)).is_empty());
        let body = Body::Whole(Bytes::from_static(b"9"));
        let message = Message { topic: "s/1".to_owned(), body, how: Arrival::Live, at: Wall(40), token: None };
        assert_eq!(told(&intake.take(&mut vec![message])), [(0, 9.0, Quality::Good)]);
        assert!(intake.regain(true, &[], &present, Wall(50)).is_empty());
    }

    #[test]
    fn a_refused_subscription_loses_its_points_alone() {
        let (mut intake, present) = bench();
        assert_eq!(told(&intake.regain(false, &[1], &present, Wall(20))), [(1, 0.0, LOST)]);
        intake.lose(&present, Wall(30));
        assert_eq!(told(&intake.regain(true, &[0], &present, Wall(40))), [(0, 0.0, LOST)], "not given back");
    }
}
