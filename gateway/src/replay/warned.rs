//! Early warnings against what they foretold: a warning came true where an alarm on the value itself was raised on the same point
//! while it stood, and the time between is its lead. One that came when that stood already was late; one that went without was
//! false.

use std::collections::HashMap;

use gengfu_core::alarm::Explanation;
use gengfu_core::reading::PointId;
use serde::Serialize;

/// How a warning of a rule on a point turned out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub(super) struct Score {
    pub(super) came_true: u32,
    pub(super) late: u32,
    #[serde(rename = "false")]
    pub(super) wrong: u32,
    /// It stands at the end, and nobody knows.
    pub(super) open: u32,
    /// Of those that came true, ms, in order of time.
    #[serde(skip)]
    pub(super) leads: Vec<u64>,
    pub(super) lead_ms: Option<Lead>,
}

/// The least, the middle and the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Lead {
    pub(super) least: u64,
    pub(super) median: u64,
    pub(super) most: u64,
}

impl Score {
    pub(super) fn add(&mut self, other: &Self) {
        self.came_true += other.came_true;
        self.late += other.late;
        self.wrong += other.wrong;
        self.open += other.open;
        self.leads.extend(&other.leads);
    }

    pub(super) fn close(&mut self) {
        let mut leads = self.leads.clone();
        leads.sort_unstable();
        self.lead_ms = leads
            .first()
            .zip(leads.last())
            .zip(leads.get(leads.len() / 2))
            .map(|((least, most), median)| Lead { least: *least, median: *median, most: *most });
    }
}

/// To which side of its limit a value is going, or has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
    Unknown,
}

impl Way {
    /// Of a warning: the value has not crossed the limit.
    fn to(why: &Explanation) -> Self {
        match (why.value, why.limit) {
            (Some(value), Some(limit)) if value < limit => Self::Up,
            (Some(value), Some(limit)) if value > limit => Self::Down,
            (_, _) => Self::Unknown,
        }
    }

    /// Of an alarm: it has.
    fn beyond(why: &Explanation) -> Self {
        match (why.value, why.limit) {
            (Some(value), Some(limit)) if value > limit => Self::Up,
            (Some(value), Some(limit)) if value < limit => Self::Down,
            (_, _) => Self::Unknown,
        }
    }

    fn agrees(self, other: Self) -> bool {
        self == other || self == Self::Unknown || other == Self::Unknown
    }
}

/// A warning that stands.
#[derive(Debug, Clone, Copy)]
struct Warning {
    watch: u32,
    since: u64,
    way: Way,
    decided: bool,
}

/// The warnings and alarms that stand, by point.
#[derive(Debug, Default)]
pub(super) struct Warned {
    warnings: HashMap<PointId, Vec<Warning>>,
    alarms: HashMap<PointId, Vec<(u32, Way)>>,
    /// By watch.
    scores: HashMap<u32, Score>,
}

impl Warned {
    /// A warning is raised, at `mono` of the engine's counter.
    pub(super) fn warn(&mut self, watch: u32, point: PointId, why: &Explanation, mono: u64) {
        let way = Way::to(why);
        let stands = self.alarms.get(&point).is_some_and(|alarms| alarms.iter().any(|(_, is)| is.agrees(way)));
        let score = self.scores.entry(watch).or_default();
        score.late += u32::from(stands);
        self.warnings.entry(point).or_default().push(Warning { watch, since: mono, way, decided: stands });
    }

    /// An alarm on the value itself is raised.
    pub(super) fn alarm(&mut self, watch: u32, point: PointId, why: &Explanation, mono: u64) {
        let way = Way::beyond(why);
        self.alarms.entry(point).or_default().push((watch, way));
        let warnings = self.warnings.get_mut(&point).into_iter().flatten();
        for warning in warnings.filter(|warning| !warning.decided && warning.way.agrees(way)) {
            warning.decided = true;
            let score = self.scores.entry(warning.watch).or_default();
            score.came_true += 1;
            score.leads.push(mono.saturating_sub(warning.since));
        }
    }

    /// One of them is over.
    pub(super) fn over(&mut self, watch: u32, point: PointId) {
        if let Some(alarms) = self.alarms.get_mut(&point) {
            alarms.retain(|(of, _)| *of != watch);
        }
        let Some(warnings) = self.warnings.get_mut(&point) else { return };
        if let Some(at) = warnings.iter().position(|warning| warning.watch == watch) {
            let warning = warnings.swap_remove(at);
            self.scores.entry(watch).or_default().wrong += u32::from(!warning.decided);
        }
    }

    /// What stands undecided at the end; then the scores.
    pub(super) fn close(mut self) -> HashMap<u32, Score> {
        for warning in self.warnings.values().flatten().filter(|warning| !warning.decided) {
            self.scores.entry(warning.watch).or_default().open += 1;
        }
        self.scores.values_mut().for_each(Score::close);
        self.scores
    }
}
