//! Lines that are crossed on purpose, and the pushes that must follow.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use gengfu_tests::plant::Plant;
use gengfu_tests::receiver::Push;
use gengfu_tests::wait::{now, unix_ms};

/// A line that was crossed: an alarm that must come or go.
#[derive(Debug)]
struct Crossing {
    event: &'static str,
    at: Instant,
    /// UTC ms.
    wall: i64,
    number: u64,
}

/// A crossing that was pushed.
#[derive(Debug)]
pub(crate) struct Pushed {
    pub number: u64,
    pub key: String,
    /// The alarm came; else it went.
    pub came: bool,
    pub crossed: Instant,
    pub late: Duration,
    pub durable: bool,
}

/// All crossings of the lines of one kind of rule. A device has one under way at most, so that each push is known by its
/// device. Devices are numbered as the site file names them.
#[derive(Debug)]
pub(crate) struct Edges {
    /// Names of the rules begin so; the device follows.
    rule: &'static str,
    /// The number of the plant's first device.
    first: usize,
    pub high: BTreeSet<usize>,
    pending: BTreeMap<usize, Crossing>,
    pub pushed: Vec<Pushed>,
    /// Pushes that nothing called for.
    pub odd: Vec<String>,
    pub driven: BTreeMap<u64, u64>,
    /// Where the alarm lane may lose its end, what comes after it may be numbered as what is gone, and what still stands is
    /// said again: a push belongs to a crossing if it was decided after it.
    pub numbers_may_come_again: bool,
    /// Every push that was accepted, but for re-sent ones.
    keys: BTreeSet<String>,
    pub seen: usize,
}

impl Edges {
    pub(crate) fn new(rule: &'static str, first: usize) -> Self {
        Self {
            rule,
            first,
            high: BTreeSet::new(),
            pending: BTreeMap::new(),
            pushed: Vec::new(),
            odd: Vec::new(),
            driven: BTreeMap::new(),
            numbers_may_come_again: false,
            keys: BTreeSet::new(),
            seen: 0,
        }
    }

    /// Every crossing is pushed.
    pub(crate) fn settled(&self) -> bool {
        self.pending.is_empty()
    }

    /// What is under way may never be pushed: its alarm was taken.
    pub(crate) fn forget(&mut self) {
        self.pending.clear();
    }

    pub(crate) fn drive(&mut self, plant: &Plant, device: usize, number: u64) {
        if self.pending.contains_key(&device) {
            return;
        }
        let high = !self.high.remove(&device);
        if high {
            self.high.insert(device);
        }
        let event = if high { "raise" } else { "return" };
        self.pending.insert(device, Crossing { event, at: now(), wall: unix_ms(), number });
        *self.driven.entry(number).or_default() += 1;
        plant.devices[device - self.first].set(if high { 900 } else { 0 });
    }

    pub(crate) fn take(&mut self, news: &[Push]) {
        self.seen += news.len();
        for push in news.iter().filter(|push| push.accepted) {
            let flip = push.word("rule").starts_with(self.rule) && ["raise", "return"].contains(&push.word("event"));
            let new = self.keys.insert(push.key.clone());
            if !flip || !(new || self.numbers_may_come_again) {
                continue;
            }
            let device = push.word("device").trim_start_matches('d').parse().unwrap();
            let decided = push.body["times"]["detected_ms"].as_i64().unwrap_or_default();
            if self.numbers_may_come_again && self.pending.get(&device).is_none_or(|crossing| decided < crossing.wall) {
                continue;
            }
            let called = self.pending.get(&device).is_some_and(|crossing| crossing.event == push.word("event"));
            let Some(crossing) = called.then(|| self.pending.remove(&device)).flatten() else {
                self.odd.push(format!("{} of d{device}: {}", push.word("event"), push.key));
                continue;
            };
            self.pushed.push(Pushed {
                number: crossing.number,
                key: push.key.clone(),
                came: crossing.event == "raise",
                crossed: crossing.at,
                late: push.at.saturating_duration_since(crossing.at),
                durable: push.body["durable"] == true,
            });
        }
    }
}
