//! A site's rules by themselves, on a clock that is moved by whoever calls: a back-test. The engine is the one that runs live, the
//! journal and people are not there. What goes on instead of people: an alarm is seen and reset the moment it is over, so that
//! each comes as it would to a duty room that does its work.

use std::sync::Arc;

use gengfu_core::alarm::{EventName, StateName, Transition};
use gengfu_core::detect::{LEARNED, Params};
use gengfu_core::engine::{Command, Engine, Event, Target};
use gengfu_core::reading::{Delivery, PointId, Reading};
use gengfu_core::time::Now;

use super::belief::Belief;
use super::storage::{NO_DATA_RULE, Storage, Watched};
use super::task::{Collect, Said};
use super::warm::MAX_REPLAY_MS;
use crate::catalog::Catalog;
use crate::config::checked::{PointSpec, Site};

/// One rule on one point, by the number that its transitions bear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    pub rule: String,
    /// `device/point`.
    pub point: String,
    pub id: PointId,
    /// On trial: it calls nobody.
    pub shadow: bool,
    /// It warns of a limit that is still to come.
    pub predictive: bool,
    /// It tells of the lack of a value.
    pub silence: bool,
}

/// The rules on their points, and where they stand.
#[derive(Debug)]
pub struct Rehearsal {
    storage: Storage,
    watches: Vec<Watch>,
    out: Vec<Said>,
}

impl Rehearsal {
    /// As after a first start at `now`: nothing has been heard of.
    pub fn new(site: &Arc<Site>, catalog: &Catalog, points: &[(PointId, PointSpec)], now: Now) -> Self {
        let (mut storage, mut watches) = (Storage::new(site), Vec::new());
        for (id, spec) in points {
            let Some(meta) = catalog.get(*id) else { continue };
            for index in storage.watch(*id, &meta, Watched::of(spec), site, now) {
                let params = storage.binding(index).and_then(|b| storage.params(b.rule));
                let rule = storage.rule_name(index, site);
                watches.push(Watch {
                    silence: rule == NO_DATA_RULE,
                    rule,
                    point: meta.name(),
                    id: *id,
                    shadow: storage.is_shadow(index),
                    predictive: params.is_some_and(Params::predictive),
                });
            }
        }
        let mut out = Vec::new();
        storage.engine().settle(now, &mut Collect(&mut out));
        Self { storage, watches, out }
    }

    /// By the number that a transition bears as its binding.
    pub fn watches(&self) -> &[Watch] {
        &self.watches
    }

    /// Whether the rule of that number is one that learns, and has not learned enough yet.
    pub fn is_learning(&mut self, watch: u32, now: Now) -> bool {
        let params = self.storage.binding(watch).and_then(|b| self.storage.params(b.rule));
        let Some(params) = params.copied().filter(|params| params.memory_ms() == LEARNED) else { return false };
        let state = self.storage.engine().state(watch);
        state.and_then(|state| Belief::of(&params, &state, now, |_| None)).is_some_and(|belief| !belief.is_taught())
    }

    /// How long before a moment readings must begin for the detectors to know all they need at it, ms.
    pub fn memory_ms(&self) -> u64 {
        self.storage.memory_ms().min(MAX_REPLAY_MS)
    }

    /// Takes readings in the order in which they came; `told` gets what the alarms did.
    pub fn hear(&mut self, came: impl Iterator<Item = (Reading, Delivery, Now)>, told: &mut Vec<Transition>) {
        let Self { storage, out, .. } = self;
        let mut engine = storage.engine();
        for (reading, delivery, now) in came {
            // What is due is over and done with before the reading is looked at.
            if engine.next_deadline().is_some_and(|due| due <= now.mono) {
                step(&mut engine, Event::Tick, now, out, told);
            }
            step(&mut engine, Event::Reading(reading, delivery), now, out, told);
        }
    }

    /// Nothing but the time.
    pub fn pass(&mut self, now: Now, told: &mut Vec<Transition>) {
        step(&mut self.storage.engine(), Event::Tick, now, &mut self.out, told);
    }
}

#[inline]
fn step(engine: &mut Engine<'_>, event: Event, now: Now, out: &mut Vec<Said>, told: &mut Vec<Transition>) {
    // Neither a reading nor a tick is ever refused.
    let _ = engine.handle(event, now, &mut Collect(out));
    if !out.is_empty() {
        attend(engine, now, out, told);
    }
}

/// Tells what the alarms did, and does what people do once one is over.
#[inline(never)]
fn attend(engine: &mut Engine<'_>, now: Now, out: &mut Vec<Said>, told: &mut Vec<Transition>) {
    let steps: Vec<Transition> = out.drain(..).filter_map(Said::step).collect();
    for step in steps {
        told.push(step);
        if step.event != EventName::Return {
            continue;
        }
        let reset = matches!(step.life, StateName::Latched).then_some(Command::Reset);
        for command in [Command::Acknowledge].into_iter().chain(reset) {
            // Refused where the alarm has come again within the same step; what a person does is no news here.
            let _ = engine.handle(Event::Command(Target::Binding(step.binding), command), now, &mut Collect(out));
            out.clear();
        }
    }
}
