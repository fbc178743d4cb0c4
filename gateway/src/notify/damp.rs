//! For a channel of people that asks for it (`damp = true`): what comes and goes all the time is said in its beginning, then
//! now and then with the number of steps in between. Core's [`Damper`] decides, one an alarm; here are the steps themselves.
//! Pure.
//!
//! A step that is held is owed like any other: it is settled with the one that tells of it, and a restart reads it from the
//! journal again. Nothing first, critical or escalated is ever held.

use std::collections::{HashMap, HashSet};

use gengfu_core::alarm::damper::{Answer, Damper, Decision, Held, Key, Kind, Params, Release, Step};
use gengfu_core::alarm::{AlarmId, EventName};
use gengfu_core::time::{Mono, Now};

use crate::flow::AlarmEvent;
use crate::journal::{Seq, TapMark, Tapped};

/// Steps of one run at most; it is said with the last of them then.
const RUN: usize = 256;
/// Alarms that are remembered; beyond it those that hold nothing are forgotten, and what comes of them is sent.
const KNOWN: usize = 4_096;

/// All alarms of one channel.
#[derive(Debug)]
pub(super) struct Damp {
    params: Params,
    /// By rule and point.
    alarms: HashMap<String, Alarm>,
    /// Numbers of steps that are held, or told of by one that is not accepted yet.
    held: HashSet<Seq>,
    /// What goes with a step that was handed out.
    told: HashMap<Seq, Told>,
}

#[derive(Debug, Default)]
struct Alarm {
    damper: Damper,
    /// The last one that was raised, and whether as a test: its next raise is not its first.
    raised: Option<(AlarmId, bool)>,
    run: Option<Run>,
}

/// Steps that are held: the latest, and the marks of those before it.
#[derive(Debug)]
struct Run {
    latest: Tapped,
    before: Vec<TapMark>,
}

#[derive(Debug)]
struct Told {
    held: Held,
    marks: Vec<TapMark>,
}

impl Damp {
    pub(super) fn new(params: Params) -> Self {
        Self { params, alarms: HashMap::new(), held: HashSet::new(), told: HashMap::new() }
    }

    /// A step came; gives what is to be sent now, in order.
    pub(super) fn take(&mut self, tapped: Tapped, now: Now) -> Vec<Tapped> {
        let Some(id) = u64::from_str_radix(&tapped.event.id, 16).ok().map(AlarmId) else { return vec![tapped] };
        self.forget();
        let event = &tapped.event;
        let alarm = self.alarms.entry(name(event)).or_default();
        let Some(step) = alarm.step(id, event) else { return vec![tapped] };
        // What was owed from before a start came when it came, not all at once.
        let age = now.wall.0.saturating_sub(event.detected).max(0) as u64;
        let at = Mono(now.mono.0.saturating_sub(age));
        let Answer { first, decision } = alarm.damper.decide(&self.params, &step, at);
        let run = alarm.run.take();
        let mut out = Vec::new();
        let run = match (first, run) {
            (Some(Release { held, .. }), Some(run)) => {
                out.push(self.say(run, held));
                None
            }
            (_, run) => run,
        };
        match decision {
            Decision::Send(held) => {
                if let (Some(held), Some(Run { latest, mut before })) = (held, run) {
                    before.push(latest.mark);
                    self.told.insert(tapped.mark.seq(), Told { held, marks: before });
                }
                out.push(tapped);
            }
            Decision::Hold(_) => out.extend(self.hold(tapped, run)),
        }
        out
    }

    /// Time passed; gives what is due.
    pub(super) fn due(&mut self, now: Mono) -> Vec<Tapped> {
        let mut due = Vec::new();
        for alarm in self.alarms.values_mut() {
            if let Some(Release { held, .. }) = alarm.damper.expire(&self.params, now)
                && let Some(run) = alarm.run.take()
            {
                due.push((run, held));
            }
        }
        due.into_iter().map(|(run, held)| self.say(run, held)).collect()
    }

    /// When [`Damp::due`] will have something.
    pub(super) fn next_at(&self) -> Option<Mono> {
        self.alarms.values().filter_map(|alarm| alarm.damper.deadline(&self.params)).min()
    }

    /// Whether another step speaks for this one.
    pub(super) fn holds(&self, seq: Seq) -> bool {
        self.held.contains(&seq)
    }

    /// What a step is to tell beside itself.
    pub(super) fn told(&self, seq: Seq) -> Option<Held> {
        self.told.get(&seq).map(|told| told.held)
    }

    /// A step is settled: those that it told of are, too.
    pub(super) fn settled(&mut self, seq: Seq) -> Vec<TapMark> {
        let marks = self.told.remove(&seq).map_or(Vec::new(), |told| told.marks);
        for mark in &marks {
            self.held.remove(&mark.seq());
        }
        marks
    }

    fn hold(&mut self, tapped: Tapped, run: Option<Run>) -> Option<Tapped> {
        self.held.insert(tapped.mark.seq());
        let key = name(&tapped.event);
        let run = match run {
            Some(Run { latest, mut before }) => {
                before.push(latest.mark);
                Run { latest: tapped, before }
            }
            None => Run { latest: tapped, before: Vec::new() },
        };
        let alarm = self.alarms.entry(key).or_default();
        if run.before.len() < RUN {
            alarm.run = Some(run);
            return None;
        }
        // Its time is come, whatever the clock says.
        let due = alarm.damper.deadline(&self.params).unwrap_or_default();
        let held = alarm.damper.expire(&self.params, due).map(|release| release.held);
        let held = held.unwrap_or(Held { count: run.before.len() as u32, for_ms: 0 });
        Some(self.say(run, held))
    }

    /// The latest of a run goes out, and speaks for those before it.
    fn say(&mut self, run: Run, held: Held) -> Tapped {
        let Run { latest, before } = run;
        let seq = latest.mark.seq();
        self.held.remove(&seq);
        if !before.is_empty() {
            self.told.insert(seq, Told { held, marks: before });
        }
        latest
    }

    fn forget(&mut self) {
        if self.alarms.len() >= KNOWN {
            self.alarms.retain(|_, alarm| alarm.run.is_some());
        }
    }
}

impl Alarm {
    /// The step as the damper sees it; `None` for a word that this version does not know, which is sent.
    fn step(&mut self, id: AlarmId, event: &AlarmEvent) -> Option<Step> {
        let kind = match event.event_name()? {
            EventName::Raise => {
                let raised = Some((id, event.test.is_some()));
                Kind::Raise { fresh: std::mem::replace(&mut self.raised, raised) != raised }
            }
            EventName::Return => Kind::Return,
            EventName::Escalate | EventName::ReAlarm => Kind::Escalate,
            EventName::Acknowledge
            | EventName::Reset
            | EventName::Shelve
            | EventName::Unshelve
            | EventName::Suppress
            | EventName::Unsuppress
            | EventName::OutOfService
            | EventName::ReturnToService
            | EventName::Note => Kind::Other,
        };
        Some(Step { key: Key { id, number: event.number }, kind, priority: event.urgency()? })
    }
}

fn name(event: &AlarmEvent) -> String {
    format!("{}@{}/{}", event.rule, event.device, event.point)
}
