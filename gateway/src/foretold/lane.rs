//! What the early warnings of a site were worth: the transitions of the alarm lane, folded. Nothing is kept of it, so that it is the
//! same after a restart, and that of tests and of rules on trial nothing is counted.

use std::collections::{BTreeMap, HashSet, VecDeque};

use gengfu_core::alarm::EventName;
use serde::Serialize;

use super::{Foretold, Score, Why};
use crate::flow::AlarmEvent;

/// How far back is looked, days.
pub const DAYS: i64 = 30;
/// Transitions that are folded at most, the newest; the report says where there were more.
pub const FOLDED: usize = 50_000;
/// Outcomes that are listed, the newest.
const LISTED: usize = 20;

/// How the early warnings of the last [`DAYS`] turned out. Times are UTC ms, durations ms.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    pub from: i64,
    pub at: i64,
    /// There were more transitions than are looked at, and what came before these is missing.
    pub cut: bool,
    pub all: Score,
    pub rules: Vec<RuleScore>,
    /// Newest first.
    pub outcomes: Vec<Outcome>,
}

/// The score of one rule on all its points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleScore {
    pub rule: String,
    #[serde(flatten)]
    pub score: Score,
}

/// How one warning turned out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    pub rule: String,
    /// `device/point`
    pub point: String,
    pub warned: i64,
    /// When it was known how it turned out: the alarm came, or the warning was over.
    pub known: i64,
    /// The rule of the alarm that it foretold; `None`: there was none.
    pub came: Option<String>,
    pub lead_ms: Option<i64>,
}

/// A rule and `device/point`.
type Watch = (String, String);

/// Takes the transitions one after the other.
#[derive(Debug)]
pub struct Fold {
    from: i64,
    taken: usize,
    standing: HashSet<Watch>,
    foretold: Foretold<Watch, String>,
    outcomes: VecDeque<Outcome>,
}

impl Fold {
    /// Of what came since `from`, UTC ms.
    pub fn new(from: i64) -> Self {
        Self {
            from,
            taken: 0,
            standing: HashSet::new(),
            foretold: Foretold::default(),
            outcomes: VecDeque::with_capacity(LISTED),
        }
    }

    pub fn take(&mut self, event: &AlarmEvent) {
        self.taken += 1;
        if event.shadow || event.test.is_some() {
            return;
        }
        let point = format!("{}/{}", event.device, event.point);
        let watch = (event.rule.clone(), point.clone());
        // The words of ISA-18.2's B and C.
        let stands = ["unacknowledged", "acknowledged"].contains(&event.life());
        let stood = self.standing.contains(&watch);
        if stands && !stood {
            // What stood before the first transition that is folded stands since it began.
            let began = if event.event_name() == Some(EventName::Raise) { event.detected } else { event.onset };
            self.raised(event, &watch, &point, began);
            self.standing.insert(watch);
        } else if !stands && stood {
            if let Some(warned) = self.foretold.over(&watch, &point) {
                self.know(&watch, warned, event.detected, None);
            }
            self.standing.remove(&watch);
        }
    }

    fn raised(&mut self, event: &AlarmEvent, watch: &Watch, point: &str, began: i64) {
        let at = began.unsigned_abs();
        if event.early_warning {
            let why = Why { value: event.value, limit: event.limit };
            self.foretold.warn(watch.clone(), point.to_owned(), why, at);
        } else if let Some(why) = Why::of_alarm(event.value, event.limit, event.ballot.is_some()) {
            for (warning, warned) in self.foretold.alarm(watch.clone(), point.to_owned(), why, at) {
                self.know(&warning, warned, began, Some(&event.rule));
            }
        }
    }

    fn know(&mut self, (rule, point): &Watch, warned: u64, known: i64, came: Option<&String>) {
        if self.outcomes.len() == LISTED {
            self.outcomes.pop_back();
        }
        let warned = i64::try_from(warned).unwrap_or(i64::MAX);
        self.outcomes.push_front(Outcome {
            rule: rule.clone(),
            point: point.clone(),
            warned,
            known,
            came: came.cloned(),
            lead_ms: came.map(|_| known.saturating_sub(warned)),
        });
    }

    /// What it comes to, at `at`, UTC ms.
    pub fn report(self, at: i64) -> Report {
        let mut all = Score::default();
        let mut rules: BTreeMap<String, Score> = BTreeMap::new();
        for ((rule, _), score) in self.foretold.close() {
            all.add(&score);
            rules.entry(rule).or_default().add(&score);
        }
        all.close();
        let rules = rules.into_iter().map(|(rule, mut score)| {
            score.close();
            RuleScore { rule, score }
        });
        let cut = self.taken >= FOLDED;
        Report { from: self.from, at, cut, all, rules: rules.collect(), outcomes: self.outcomes.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(rule: &str, event: &str, life: &str, value: f64, at: i64) -> AlarmEvent {
        let early = rule == "falls";
        serde_json::from_value(serde_json::json!({
            "id": "0", "number": 1, "event": event, "state": life, "site": "s", "device": "d", "point": "p", "kind": "",
            "rule": rule, "priority": "high", "level": 0, "value": value, "quality": "good", "reason": null, "unit": null,
            "limit": 0.15, "time_to_limit": null, "early_warning": early, "message": { "zh": "", "en": "" }, "advice": null,
            "basis": null, "onset": at, "since": at, "occurred": at, "detected": at, "by": null,
        }))
        .expect("an event")
    }

    fn report(events: &[AlarmEvent]) -> Report {
        let mut fold = Fold::new(0);
        for event in events {
            fold.take(event);
        }
        fold.report(99_000)
    }

    #[test]
    fn a_warning_comes_true_is_false_is_late_or_stands() {
        let told = report(&[
            event("falls", "raise", "unacknowledged", 0.2, 1_000),
            event("falls", "acknowledge", "acknowledged", 0.19, 2_000),
            event("low", "raise", "unacknowledged", 0.14, 11_000),
            event("falls", "return", "normal", 0.3, 20_000),
            event("low", "return", "returned", 0.3, 20_000),
            event("falls", "raise", "unacknowledged", 0.2, 30_000),
            event("falls", "return", "returned", 0.3, 40_000),
            event("low", "raise", "unacknowledged", 0.14, 50_000),
            event("falls", "raise", "unacknowledged", 0.16, 51_000),
            event("falls", "return", "returned", 0.3, 60_000),
            event("low", "return", "returned", 0.3, 60_000),
            event("falls", "raise", "unacknowledged", 0.2, 70_000),
        ]);
        let Score { came_true, wrong, late, open, .. } = told.all;
        assert_eq!((came_true, wrong, late, open), (1, 1, 1, 1));
        assert_eq!(told.all.lead_ms.expect("one came true").median, 10_000);
        assert_eq!(told.rules.iter().map(|rule| rule.rule.as_str()).collect::<Vec<_>>(), ["falls"]);
        let told: Vec<_> = told.outcomes.iter().map(|outcome| (outcome.warned, outcome.came.as_deref())).collect();
        assert_eq!(told, [(30_000, None), (1_000, Some("low"))], "newest first");
    }

    #[test]
    fn tests_trials_and_the_other_side_count_nothing() {
        let marked = |mark: fn(&mut AlarmEvent)| {
            let mut event = event("falls", "raise", "unacknowledged", 0.2, 1_000);
            mark(&mut event);
            event
        };
        let told = report(&[marked(|e| e.shadow = true), marked(|e| e.test = Some("drill".to_owned()))]);
        assert_eq!(told.all, Score::default());
        // Above a high limit of the same number.
        let told = report(&[
            event("falls", "raise", "unacknowledged", 0.2, 1_000),
            event("high", "raise", "unacknowledged", 0.3, 2_000),
        ]);
        assert_eq!((told.all.came_true, told.all.open), (0, 1));
        // A value that does not move, or is not there, has reached nothing.
        let mut stuck = event("stuck", "raise", "unacknowledged", 0.1, 2_000);
        stuck.limit = None;
        let told = report(&[event("falls", "raise", "unacknowledged", 0.2, 1_000), stuck]);
        assert_eq!((told.all.came_true, told.all.open), (0, 1));
    }

    #[test]
    fn a_warning_from_before_what_is_folded_has_the_lead_it_had() {
        let mut seen = event("falls", "acknowledge", "acknowledged", 0.2, 5_000);
        seen.onset = 1_000;
        let told = report(&[seen, event("low", "raise", "unacknowledged", 0.1, 11_000)]);
        assert_eq!(told.all.lead_ms.map(|lead| lead.most), Some(10_000));
    }
}
