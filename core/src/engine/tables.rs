//! What the caller lends: plain slices, indices for names.

use super::areas::Area;
use super::groups::Group;
use super::leads::Lead;
use super::timers::Timer;
use super::votes::Wire;
use crate::alarm::state::{Standing, State as AlarmState};
use crate::alarm::{Named, Priority};
use crate::detect::{
    Params, absent, accumulated, band, count, digital, drift, dwell, frozen, group, habit, limit, rate, ratio,
    residual, rhythm, sibling, trend, vote,
};
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
    /// A person may put it on a shelf.
    pub shelvable: bool,
}

/// What the lack of a value means to a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// It neither raises nor clears.
    Hold,
    /// It is danger of the first level, after the level's delay: for circuits whose break is the danger.
    Danger,
}

/// A rule as the engine needs it: a detector and what its levels mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// The detector.
    pub params: Params,
    /// First and second level; the second equals the first where there is only one.
    pub levels: [Level; 2],
    /// What the lack of a value means; absence rules and votes have their own law.
    pub unknown: Unknown,
    /// An acknowledged alarm that still stands after so many milliseconds rings again.
    pub re_alarm_ms: Option<u64>,
}

impl Rule {
    /// A rule with these levels: unknown is held, nothing rings again.
    pub const fn new(params: Params, levels: [Level; 2]) -> Self {
        Self { params, levels, unknown: Unknown::Hold, re_alarm_ms: None }
    }

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
    /// Whether that was in this run.
    pub(super) live: bool,
    /// Time of the last reading that was the point's own word.
    pub(super) spoke: Wall,
    /// The counter as of the last reading that was the present: where a history began, the counter of then.
    pub(super) then: Mono,
    /// Last value of good or uncertain quality; `None` before the first.
    pub(super) value: Option<f64>,
    pub(super) first: u32,
    pub(super) count: u32,
    /// The first of the leads to rules on other points.
    pub(super) leads: u32,
    /// The area it stands in.
    pub(super) area: u16,
    /// A rule on it has been tripped in the last walk-test of its area.
    pub tripped: bool,
}

impl Point {
    /// A point whose bindings are `first .. first + count`.
    pub const fn new(id: PointId, first: u32, count: u32) -> Self {
        let last = Reading { point: id, at: Wall(0), value: 0.0, quality: Quality::Bad(Reason::Comm) };
        Self {
            last,
            heard: false,
            live: false,
            spoke: Wall(i64::MIN),
            then: Mono(0),
            value: None,
            first,
            count,
            leads: NONE,
            area: 0,
            tripped: false,
        }
    }

    /// In this area; where nothing is said, in the first.
    #[must_use]
    pub const fn in_area(self, area: u16) -> Self {
        Self { area, ..self }
    }

    /// Whether it was heard of, and has no value to use.
    pub const fn is_bad(&self) -> bool {
        self.heard && !self.last.quality.has_value()
    }

    /// Whether it has ever spoken itself, sense or nonsense.
    pub fn has_spoken(&self) -> bool {
        self.spoke > Wall(i64::MIN)
    }

    /// The area it stands in.
    pub const fn area(&self) -> u16 {
        self.area
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
    /// Warm start: the line that was crossed.
    pub(super) known_limit: Option<f64>,
    /// Warm start: whether any came that were news.
    pub(super) news: bool,
    /// Warm start: its detector's state was kept, so readings that came before that are known to it.
    pub(super) recalled: bool,
    /// Group whose alarms explain this one, `NONE` for none; and the next one in it.
    pub(super) hidden_by: u32,
    pub(super) sibling: u32,
    /// Group that this one's condition counts in: it hides others.
    pub(super) hides: u32,
    /// Whether it does now.
    pub(super) causes: bool,
    /// When it was over last.
    pub(super) ended: Mono,
    /// Group in which the first alarm is told from the rest.
    pub(super) first_of: u32,
    /// The first vote it has, in the list of wires.
    pub(super) wires: u32,
    /// The first of the leads from the points it looks at beside its own.
    pub(super) leads: u32,
}

/// No index.
pub(super) const NONE: u32 = u32::MAX;

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
            known_limit: None,
            news: false,
            recalled: false,
            hidden_by: NONE,
            sibling: NONE,
            hides: NONE,
            causes: false,
            ended: Mono(0),
            first_of: NONE,
            wires: NONE,
            leads: NONE,
        }
    }

    /// Whether what it says is a test.
    pub(super) fn is_test(&self) -> bool {
        self.alarm.standing().is_some_and(|standing| standing.test.is_some())
    }

    /// Whether its condition may explain others: it is for real, and people are told of it.
    pub(super) fn is_cause(&self) -> bool {
        let aside = self.alarm.open().is_some_and(|open| open.veils.persons());
        self.stood > 0 && !self.is_test() && !aside
    }

    /// Its condition hides the alarms of this group.
    #[must_use]
    pub const fn hiding(self, group: Option<u32>) -> Self {
        Self { hides: or_none(group), ..self }
    }

    /// The first alarm of this group is told from the rest.
    #[must_use]
    pub const fn first_in(self, group: Option<u32>) -> Self {
        Self { first_of: or_none(group), ..self }
    }

    /// Since when the condition stands. The alarm is named after its first onset; the condition may have come again since,
    /// and a silence that outlasts a lost link began before it.
    pub(super) fn since(&self, stands: Standing) -> Wall {
        if self.known > Wall(i64::MIN) { self.known } else { stands.onset }
    }
}

const fn or_none(group: Option<u32>) -> u32 {
    match group {
        Some(group) => group,
        None => NONE,
    }
}

/// How long a person may keep an alarm from being announced, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// On a shelf.
    pub max_shelf_ms: u64,
    /// Out of service.
    pub max_out_ms: u64,
    /// A mode of an area.
    pub max_mode_ms: u64,
}

impl Default for Policy {
    /// A shift; a month; half a day.
    fn default() -> Self {
        Self { max_shelf_ms: 8 * 3_600_000, max_out_ms: 30 * 86_400_000, max_mode_ms: 12 * 3_600_000 }
    }
}

/// States of the kinds that few points have.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "each is the states of its kind")]
pub struct Others<'t> {
    pub bands: &'t mut [band::State],
    pub rates: &'t mut [rate::State],
    pub frozens: &'t mut [frozen::State],
    pub counts: &'t mut [count::State],
    pub dwells: &'t mut [dwell::State],
    pub sums: &'t mut [accumulated::State],
    pub rhythms: &'t mut [rhythm::State],
    pub drifts: &'t mut [drift::State],
    pub habits: &'t mut [habit::State],
    pub siblings: &'t mut [sibling::State],
    pub residuals: &'t mut [residual::State],
    pub ratios: &'t mut [ratio::State],
    pub groups: &'t mut [group::State],
}

/// `$do` with the parameters and the state of a detector, whatever its kind; `None` where there is no such state. `$get` is
/// `get` or `get_mut`.
macro_rules! detector {
    ($get:ident, $tables:expr, $params:expr, $slot:expr, |$p:ident, $s:ident| $do:expr) => {
        match $params {
            Params::Limit($p) => $tables.limits.$get($slot).map(|$s| $do),
            Params::Digital($p) => $tables.digitals.$get($slot).map(|$s| $do),
            Params::Trend($p) => $tables.trends.$get($slot).map(|$s| $do),
            Params::Absent($p) => $tables.absents.$get($slot).map(|$s| $do),
            Params::Vote($p) => $tables.votes.$get($slot).map(|$s| $do),
            Params::Band($p) => $tables.others.bands.$get($slot).map(|$s| $do),
            Params::Rate($p) => $tables.others.rates.$get($slot).map(|$s| $do),
            Params::Frozen($p) => $tables.others.frozens.$get($slot).map(|$s| $do),
            Params::Count($p) => $tables.others.counts.$get($slot).map(|$s| $do),
            Params::Dwell($p) => $tables.others.dwells.$get($slot).map(|$s| $do),
            Params::Accumulated($p) => $tables.others.sums.$get($slot).map(|$s| $do),
            Params::Rhythm($p) => $tables.others.rhythms.$get($slot).map(|$s| $do),
            Params::Drift($p) => $tables.others.drifts.$get($slot).map(|$s| $do),
            Params::Habit($p) => $tables.others.habits.$get($slot).map(|$s| $do),
            Params::Sibling($p) => $tables.others.siblings.$get($slot).map(|$s| $do),
            Params::Residual($p) => $tables.others.residuals.$get($slot).map(|$s| $do),
            Params::Ratio($p) => $tables.others.ratios.$get($slot).map(|$s| $do),
            Params::Group($p) => $tables.others.groups.$get($slot).map(|$s| $do),
        }
    };
}
pub(super) use detector;

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
    /// States of votes.
    pub votes: &'t mut [vote::State],
    /// States of the other kinds.
    pub others: Others<'t>,
    /// Who votes where.
    pub wires: &'t [Wire],
    /// Which rules look at which points beside their own.
    pub leads: &'t [Lead],
    /// What hides what, and who came first.
    pub groups: &'t mut [Group],
    /// What is being tested; at least one.
    pub areas: &'t mut [Area],
    /// Never changed by the engine.
    pub policy: Policy,
    /// As long as `bindings`.
    pub heap: &'t mut [u32],
    /// What else the engine remembers.
    pub pulse: &'t mut Pulse,
}

/// The engine's own few bytes between calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pulse {
    /// When the first mode of an area ends by itself.
    pub(super) mode_due: Option<Mono>,
    /// When the first group releases what it hid.
    pub(super) release_due: Option<Mono>,
    pub(super) armed: u32,
    /// The latest `now`; time that runs backwards is taken as standing still.
    pub(super) mono: Mono,
}
