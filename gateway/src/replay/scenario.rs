//! Runs a scenario through the engine that runs live, and says where it did not do as was expected.

use std::collections::{BTreeMap, BTreeSet};

use gengfu_core::alarm::{EventName, Priority, StateName, Transition};
use gengfu_core::quality::Quality;
use gengfu_core::reading::{Delivery, PointId, Reading};
use gengfu_core::time::Wall;
use serde::Serialize;

use super::points_of;
use super::time::Line;
use crate::catalog::Catalog;
use crate::config::scenario::{Case, Look, Scenario};
use crate::config::units::show_ms;
use crate::driver::{Rehearsal, Watch};
use crate::foretold::{Foretold, Why};

/// What came of one case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    pub case: String,
    pub readings: usize,
    pub leads: Vec<Lead>,
    /// Nothing where all went as expected.
    pub faults: Vec<String>,
}

/// A warning that came true: it stood when the alarm on the value itself was raised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lead {
    /// `rule@device/point` of each.
    pub warning: String,
    pub alarm: String,
    pub before_ms: u64,
}

/// Runs all cases, each as after a first start.
pub fn scenario(scenario: &Scenario) -> Vec<Outcome> {
    scenario.cases.iter().map(|case| Try::new(scenario, case).run(case)).collect()
}

/// Whether any alarm stood at each of these times or since the one before, which are in order, ms since the case began. Looks are
/// not looked at.
pub fn states(scenario: &Scenario, case: &Case, at: &[u64]) -> Vec<bool> {
    let mut run = Try::new(scenario, case);
    let stands = |after: &u64| {
        run.fresh = false;
        run.pass(run.start.saturating_add_unsigned(*after));
        run.fresh || !run.stands.is_empty()
    };
    at.iter().map(stands).collect()
}

struct Try {
    rules: Rehearsal,
    line: Line,
    readings: Vec<Reading>,
    /// Readings that have been heard.
    heard: usize,
    /// What stands, as `rule@device/point`.
    stands: BTreeMap<String, Priority>,
    /// All that ever rang, and when first.
    rang: BTreeMap<String, Wall>,
    /// Something rang just now.
    fresh: bool,
    foretold: Foretold<u32, PointId>,
    leads: Vec<Lead>,
    start: i64,
}

impl Try {
    fn new(scenario: &Scenario, case: &Case) -> Self {
        let catalog = Catalog::default();
        let mut points = points_of(&scenario.site, &catalog);
        // As in a back-test: of what nothing is said in this case, no silence is told.
        points.retain(|(id, _)| catalog.get(*id).is_some_and(|meta| case.speaks_of(&meta.name())));
        let line = Line::new(case.start, Vec::new());
        let mut readings: Vec<Reading> = Vec::new();
        for (name, samples) in &case.series {
            let named = |id: &PointId| catalog.get(*id).is_some_and(|meta| meta.name() == *name);
            let Some(point) = points.iter().map(|(id, _)| *id).find(named) else { continue };
            readings.extend(samples.iter().map(|sample| Reading {
                point,
                at: Wall(case.start.saturating_add_unsigned(sample.after)),
                value: sample.value.unwrap_or_default(),
                quality: sample.value.map_or_else(Quality::Bad, |_| Quality::Good),
            }));
        }
        readings.sort_by_key(|reading| reading.at.0);
        let rules = Rehearsal::new(&scenario.site, &catalog, &points, line.start());
        let (stands, rang) = (BTreeMap::new(), BTreeMap::new());
        let (foretold, leads) = (Foretold::default(), Vec::new());
        Self { rules, line, readings, heard: 0, stands, rang, fresh: false, foretold, leads, start: case.start }
    }

    fn run(mut self, case: &Case) -> Outcome {
        let mut faults = Vec::new();
        for look in &case.looks {
            self.pass(self.start.saturating_add_unsigned(look.at));
            self.look(look, &mut faults);
        }
        let expected: BTreeSet<&str> =
            case.looks.iter().flat_map(|look| &look.stand).map(|(name, _)| name.as_str()).collect();
        let unasked = self.rang.iter().filter(|(name, _)| !expected.contains(name.as_str()));
        faults.extend(unasked.map(|(name, at)| {
            let at = at.0.saturating_sub(self.start) as u64;
            format!("{name} rang after {}, and no look expects it", show_ms(at))
        }));
        Outcome { case: case.what.clone(), readings: self.readings.len(), leads: self.leads, faults }
    }

    /// Hears what comes up to a time, which is then the present.
    fn pass(&mut self, to: i64) {
        let Self { rules, line, readings, heard, .. } = self;
        let mut told = Vec::new();
        let coming = readings.iter().skip(*heard).take_while(|reading| reading.at.0 <= to);
        *heard += coming.clone().count();
        rules.hear(coming.map(|reading| (*reading, Delivery::Live, line.at(reading.at.0))), &mut told);
        rules.pass(line.at(to), &mut told);
        for step in &told {
            self.take(step);
        }
    }

    fn take(&mut self, step: &Transition) {
        let Some(watch) = self.rules.watches().get(step.binding as usize) else { return };
        let (name, id) = (format!("{}@{}", watch.rule, watch.point), watch.id);
        if step.event == EventName::Raise {
            self.foretell(step);
        } else if step.event == EventName::Return {
            self.foretold.over(&step.binding, &id);
        }
        match step.event {
            EventName::Raise | EventName::Escalate | EventName::Unsuppress if rings(step.state) => {
                self.fresh = true;
                self.rang.entry(name.clone()).or_insert(step.detected.wall);
                self.stands.insert(name, step.priority);
            }
            EventName::Return | EventName::Suppress => {
                self.stands.remove(&name);
            }
            EventName::Raise
            | EventName::Escalate
            | EventName::Unsuppress
            | EventName::Acknowledge
            | EventName::Reset
            | EventName::ReAlarm
            | EventName::Shelve
            | EventName::Unshelve
            | EventName::OutOfService
            | EventName::ReturnToService
            | EventName::Note => {}
        }
    }

    /// Which warnings foretold it, and which it is.
    fn foretell(&mut self, step: &Transition) {
        let Self { rules, foretold, leads, .. } = self;
        let watches = rules.watches();
        let Some(watch) = watches.get(step.binding as usize) else { return };
        let (explained, at) = (&step.explanation, step.detected.mono.0);
        if watch.predictive {
            let why = Why { value: explained.value, limit: explained.limit };
            return foretold.warn(step.binding, watch.id, why, at);
        }
        let Some(why) = Why::of_alarm(explained.value, explained.limit, explained.tally.is_some()) else { return };
        let name = |watch: &Watch| format!("{}@{}", watch.rule, watch.point);
        for (warning, since) in foretold.alarm(step.binding, watch.id, why, at) {
            let warning = watches.get(warning as usize).map(name).unwrap_or_default();
            leads.push(Lead { warning, alarm: name(watch), before_ms: at.saturating_sub(since) });
        }
    }

    fn look(&self, look: &Look, faults: &mut Vec<String>) {
        let at = format!("line {}, after {}", look.line, show_ms(look.at));
        let wanted: BTreeMap<&str, Priority> = look.stand.iter().map(|(name, word)| (name.as_str(), *word)).collect();
        for (name, priority) in &wanted {
            match self.stands.get(*name) {
                None => faults.push(format!("{at}: {name} does not stand")),
                Some(stands) if stands != priority => {
                    faults.push(format!("{at}: {name} stands as {}, not {}", stands.word(), priority.word()));
                }
                Some(_) => {}
            }
        }
        let others = self.stands.iter().filter(|(name, _)| !wanted.contains_key(name.as_str()));
        faults.extend(others.map(|(name, priority)| format!("{at}: {name} stands as {}", priority.word())));
    }
}

/// Whether somebody is told.
fn rings(state: StateName) -> bool {
    match state {
        StateName::Unacknowledged | StateName::Acknowledged => true,
        StateName::Normal
        | StateName::Returned
        | StateName::Latched
        | StateName::LatchedAcknowledged
        | StateName::Shelved
        | StateName::Suppressed
        | StateName::OutOfService => false,
    }
}
