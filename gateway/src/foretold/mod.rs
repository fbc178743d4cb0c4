//! Early warnings against what they foretold: a warning came true where an alarm on the value itself was raised on the same point
//! while it stood, and the time between is its lead. One that came when that stood already was late; one that went without was
//! false.
//!
//! The back-test counts by this, and [`lane`] what the duty room was told.

pub mod lane;

use std::collections::HashMap;
use std::hash::Hash;

use serde::Serialize;

/// How a warning of a rule on a point turned out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Score {
    pub came_true: u32,
    pub late: u32,
    #[serde(rename = "false")]
    pub wrong: u32,
    /// It stands at the end, and nobody knows.
    pub open: u32,
    /// Of those that came true, ms, in order of time.
    #[serde(skip)]
    pub leads: Vec<u64>,
    /// Of those that came true, once [`Foretold::close`] has looked.
    pub lead_ms: Option<Lead>,
}

/// The least, the middle and the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Lead {
    pub least: u64,
    pub median: u64,
    pub most: u64,
}

impl Score {
    pub fn add(&mut self, other: &Self) {
        self.came_true += other.came_true;
        self.late += other.late;
        self.wrong += other.wrong;
        self.open += other.open;
        self.leads.extend(&other.leads);
    }

    pub fn close(&mut self) {
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

/// What was measured against what.
#[derive(Debug, Clone, Copy)]
pub struct Why {
    pub value: Option<f64>,
    pub limit: Option<f64>,
}

impl Why {
    /// Of an alarm on the value itself: it was held against a limit of that. A vote's limit is a number of voters, and what is
    /// silent or does not move has none: they say nothing of where the value stands.
    pub fn of_alarm(value: Option<f64>, limit: Option<f64>, is_vote: bool) -> Option<Self> {
        (limit.is_some() && !is_vote).then_some(Self { value, limit })
    }
}

impl Way {
    /// Of a warning: the value has not crossed the limit.
    fn to(why: Why) -> Self {
        match (why.value, why.limit) {
            (Some(value), Some(limit)) if value < limit => Self::Up,
            (Some(value), Some(limit)) if value > limit => Self::Down,
            (_, _) => Self::Unknown,
        }
    }

    /// Of an alarm: it has.
    fn beyond(why: Why) -> Self {
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

/// A warning that stands; times in ms.
#[derive(Debug, Clone)]
struct Warning<W> {
    watch: W,
    since: u64,
    way: Way,
    decided: bool,
}

/// The warnings and alarms that stand, by point; `W` is a rule on a point.
#[derive(Debug)]
pub struct Foretold<W, P> {
    warnings: HashMap<P, Vec<Warning<W>>>,
    alarms: HashMap<P, Vec<(W, Way)>>,
    scores: HashMap<W, Score>,
}

impl<W, P> Default for Foretold<W, P> {
    fn default() -> Self {
        Self { warnings: HashMap::new(), alarms: HashMap::new(), scores: HashMap::new() }
    }
}

impl<W: Clone + Eq + Hash, P: Eq + Hash> Foretold<W, P> {
    /// A warning is raised at `at`, ms of the caller's clock.
    pub fn warn(&mut self, watch: W, point: P, why: Why, at: u64) {
        let way = Way::to(why);
        let stands = self.alarms.get(&point).is_some_and(|alarms| alarms.iter().any(|(_, is)| is.agrees(way)));
        let score = self.scores.entry(watch.clone()).or_default();
        score.late += u32::from(stands);
        self.warnings.entry(point).or_default().push(Warning { watch, since: at, way, decided: stands });
    }

    /// An alarm on the value itself is raised. The warnings that foretold it, and when each was raised.
    pub fn alarm(&mut self, watch: W, point: P, why: Why, at: u64) -> Vec<(W, u64)> {
        let way = Way::beyond(why);
        let mut true_now = Vec::new();
        let warnings = self.warnings.get_mut(&point).into_iter().flatten();
        for warning in warnings.filter(|warning| !warning.decided && warning.way.agrees(way)) {
            warning.decided = true;
            let score = self.scores.entry(warning.watch.clone()).or_default();
            score.came_true += 1;
            score.leads.push(at.saturating_sub(warning.since));
            true_now.push((warning.watch.clone(), warning.since));
        }
        self.alarms.entry(point).or_default().push((watch, way));
        true_now
    }

    /// One of them is over. When it was raised, where it was a warning of what never came.
    pub fn over(&mut self, watch: &W, point: &P) -> Option<u64> {
        if let Some(alarms) = self.alarms.get_mut(point) {
            alarms.retain(|(of, _)| of != watch);
        }
        let warnings = self.warnings.get_mut(point)?;
        let at = warnings.iter().position(|warning| warning.watch == *watch)?;
        let warning = warnings.swap_remove(at);
        let was_false = !warning.decided;
        self.scores.entry(warning.watch).or_default().wrong += u32::from(was_false);
        was_false.then_some(warning.since)
    }

    /// What stands undecided at the end; then the scores.
    pub fn close(mut self) -> HashMap<W, Score> {
        for warning in self.warnings.values().flatten().filter(|warning| !warning.decided) {
            self.scores.entry(warning.watch.clone()).or_default().open += 1;
        }
        self.scores.values_mut().for_each(Score::close);
        self.scores
    }
}
