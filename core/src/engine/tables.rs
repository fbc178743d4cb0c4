//! What the caller lends: plain slices, indices for names.

use super::timers::Timer;
use crate::alarm::state::{Standing, State as AlarmState};
use crate::alarm::{Named, Priority};
use crate::detect::{Params, absent, digital, limit, trend};
use crate::quality::{Quality, Reason};
use crate::reading::{PointId, Reading, RuleId};
use crate::time::{Mono, Wall};

/// Urgency of a rule's level, and whether its alarm is held until reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// For the operator.
    pub priority: Priority,
    /// Held until reset.
    pub latch: bool,
}

/// A rule as the engine needs it: a detector and what its levels mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// The detector.
    pub params: Params,
    /// First and second level; the second equals the first where there is only one.
    pub levels: [Level; 2],
}

impl Rule {
    pub(super) fn level(&self, level: u8) -> Level {
        let [first, second] = self.levels;
        if level == 0 { first } else { second }
    }
}

/// A point as the engine knows it. Its bindings stand in one run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// The last reading that was the present; bad(comm) at epoch 0 before the first.
    pub last: Reading,
    /// Whether there was one.
    pub heard: bool,
    /// Time of the last reading that was the point's own word.
    pub(super) spoke: Wall,
    /// Last value of good or uncertain quality.
    pub(super) value: f64,
    pub(super) first: u32,
    pub(super) count: u32,
}

impl Point {
    /// A point whose bindings are `first .. first + count`.
    pub const fn new(id: PointId, first: u32, count: u32) -> Self {
        let last = Reading { point: id, at: Wall(0), value: 0.0, quality: Quality::Bad(Reason::Comm) };
        Self { last, heard: false, spoke: Wall(i64::MIN), value: 0.0, first, count }
    }

    /// Its bindings.
    pub const fn bindings(&self) -> core::ops::Range<u32> {
        self.first..self.first.saturating_add(self.count)
    }
}

/// A rule on a point: its detector's slot, its alarm, its timer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Binding {
    /// The rule.
    pub rule: RuleId,
    /// The point.
    pub point: PointId,
    /// Hash of the names of site, rule and point: half of an alarm's identity.
    pub seed: u64,
    /// The alarm's state.
    pub alarm: AlarmState,
    /// Index in the slice of the detector's kind.
    pub(super) slot: u32,
    /// Level that stood after the last input plus one; 0 for none.
    pub(super) stood: u8,
    pub(super) timer: Timer,
    /// What its alarms were called: none may be called so again.
    pub(super) named: Option<Named>,
    /// Warm start: since when the condition stands (or has been over) as the alarm lane knows it; later readings are news.
    pub(super) known: Wall,
    /// Warm start: the level that stands since then; an alarm keeps its highest, so it may be lower than the alarm's.
    pub(super) known_level: Option<u8>,
    /// Warm start: whether any came that were news.
    pub(super) news: bool,
}

impl Binding {
    /// A binding whose detector's state is number `slot` in the slice of its kind.
    pub const fn new(rule: RuleId, point: PointId, seed: u64, slot: u32) -> Self {
        Self {
            rule,
            point,
            seed,
            alarm: AlarmState::Normal,
            slot,
            stood: 0,
            timer: Timer::IDLE,
            named: None,
            known: Wall(i64::MIN),
            known_level: None,
            news: false,
        }
    }

    /// Since when the condition stands. The alarm is named after its first onset; the condition may have come again since,
    /// and a silence that outlasts a lost link began before it.
    pub(super) fn since(&self, stands: Standing) -> Wall {
        if self.known > Wall(i64::MIN) { self.known } else { stands.onset }
    }
}

/// What the caller lends.
#[derive(Debug)]
pub struct Tables<'t> {
    /// Never changed by the engine.
    pub rules: &'t [Rule],
    /// By [`PointId`].
    pub points: &'t mut [Point],
    /// Sorted by point.
    pub bindings: &'t mut [Binding],
    /// States of limit rules.
    pub limits: &'t mut [limit::State],
    /// States of digital rules.
    pub digitals: &'t mut [digital::State],
    /// States of trend rules.
    pub trends: &'t mut [trend::State],
    /// States of absence rules.
    pub absents: &'t mut [absent::State],
    /// As long as `bindings`.
    pub heap: &'t mut [u32],
    /// What else the engine remembers.
    pub pulse: &'t mut Pulse,
}

/// The engine's own few bytes between calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pulse {
    pub(super) armed: u32,
    /// The latest `now`; time that runs backwards is taken as standing still.
    pub(super) mono: Mono,
}
