//! From messages to batches. No network and no clock: what came and when is given. Order is kept, every message ends
//! as readings, as a refused record, or as both, and the last token of a batch is its receipt.

use std::sync::Arc;

use bytes::Bytes;
use gengfu_core::quality::{Quality, Reason};
use gengfu_core::reading::{PointId, Reading};
use gengfu_core::time::Wall;
use tokio::sync::watch;

use super::payload::{Lack, Payload, too_large};
use super::registry::{Registry, Route, Stranger};
use super::stamp::{Arrival, Timed, Trust};
use crate::config::checked::MqttPoint;
use crate::driver::Input;
use crate::flow::{Batch, REFUSED_HEAD, Receipt, Refused};
use crate::telemetry::{RefusedReason, SharedStats};

/// Characters of a refusal's reason that are kept.
const LONGEST_REASON: usize = 512;

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
}

impl Intake {
    pub(super) fn new(
        link: &str,
        registry: Registry,
        trust: Trust,
        stats: SharedStats,
        mark: Arc<watch::Sender<u64>>,
    ) -> Self {
        Self { link: link.to_owned(), registry, trust, stats, mark }
    }

    /// The points of all devices known now.
    pub(super) fn points(&self) -> Vec<PointId> {
        self.registry.points()
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
            let history = message.how == Arrival::History;
            if batches.last().is_none_or(|batch| batch.history != history) {
                batches.push(Batch { history, readings: Vec::with_capacity(expected), ..Batch::default() });
            }
            let Some(batch) = batches.last_mut() else { continue };
            self.one(&message, batch);
            if let Some(token) = message.token {
                batch.receipt = Some(Receipt { mark: Arc::clone(&self.mark), token });
            }
        }
        batches
    }

    /// Takes one message into a batch.
    fn one(&mut self, message: &Message, batch: &mut Batch) {
        let taken = match self.registry.routes(&message.topic) {
            Ok(routes) => self.readings(message, &routes, batch),
            Err(stranger) => {
                self.lost(&stranger);
                Err(stranger.reason())
            }
        };
        if let Err(reason) = taken {
            self.stats.mqtt_refused.add(1);
            batch.refused.push(self.refused(message, reason));
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
                let timed = self.time(&payload, message, config);
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

    fn time(&self, payload: &Payload, message: &Message, config: &MqttPoint) -> Timed {
        let stamp = config.time.as_deref().map(|pointer| payload.time(pointer));
        self.trust.time(stamp, message.at, message.how)
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
