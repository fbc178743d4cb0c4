//! The engine on arrays of fixed size, as a node declares them. This file alone knows the engine's tables: a new kind of
//! detector is a field of [`Memory`], an arm in [`Site::add`] and a line in `engine`; a new command is one of [`BUTTONS`].

use gengfu_core::alarm::state::Refusal;
use gengfu_core::alarm::{AlarmId, ModeName, Transition};
use gengfu_core::detect::{
    Params, absent, accumulated, band, count, digital, drift, dwell, frozen, group, habit, limit, rate, ratio,
    residual, rhythm, sibling, trend, vote,
};
use gengfu_core::engine::{
    Area, Binding, Command, Engine, Event, Group, Lead, ModeChange, Others, Point, Policy, Pulse, Rule, Sink, Tables,
    Target, Wire,
};
use gengfu_core::reading::{PointId, RuleId};
use gengfu_core::time::{Mono, Now};
use heapless::Vec;

/// How long a person puts something aside: alarms come and go several times meanwhile.
const ASIDE_MS: u64 = 120_000;

/// What a person can do to an alarm; what is done most often stands here most often.
const BUTTONS: [Command; 14] = [
    Command::Acknowledge,
    Command::Acknowledge,
    Command::Acknowledge,
    Command::Acknowledge,
    Command::Reset,
    Command::Reset,
    Command::Reset,
    Command::Shelve { for_ms: ASIDE_MS, one_shot: false },
    Command::Shelve { for_ms: ASIDE_MS, one_shot: true },
    Command::Unshelve,
    Command::OutOfService { for_ms: ASIDE_MS },
    Command::ReturnToService,
    Command::Note,
    // longer than anybody may
    Command::Shelve { for_ms: u64::MAX, one_shot: false },
];

/// The command behind a button; any number is one. Behind the last two is a mode of the whole site.
pub(super) fn press(button: usize, alarm: AlarmId) -> Event {
    let number = button % (BUTTONS.len() + 2);
    match BUTTONS.get(number) {
        Some(command) => Event::Command(Target::Alarm(alarm), *command),
        None if number == BUTTONS.len() => {
            let mode = ModeName::ALL.into_iter().nth(button / 64 % ModeName::ALL.len()).unwrap_or(ModeName::Drill);
            Event::Begin { area: 0, mode, for_ms: ASIDE_MS }
        }
        None => Event::End { area: 0 },
    }
}

/// A site of at most `P` points and `B` bindings, `G` of them of groups, which are big.
#[derive(Debug)]
pub struct Site<const P: usize, const B: usize, const G: usize> {
    rules: Vec<Rule, B>,
    memory: Memory<P, B, G>,
    /// When it began: silence is counted from here.
    began: Now,
}

/// The kinds that few points have.
#[derive(Debug, Default)]
pub(super) struct Rare<const P: usize, const G: usize> {
    bands: Vec<band::State, P>,
    rates: Vec<rate::State, P>,
    frozens: Vec<frozen::State, P>,
    counts: Vec<count::State, P>,
    dwells: Vec<dwell::State, P>,
    sums: Vec<accumulated::State, P>,
    rhythms: Vec<rhythm::State, P>,
    drifts: Vec<drift::State, P>,
    habits: Vec<habit::State, P>,
    siblings: Vec<sibling::State, P>,
    residuals: Vec<residual::State, P>,
    ratios: Vec<ratio::State, P>,
    groups: Vec<group::State, G>,
}

/// All that the engine remembers.
#[derive(Debug, Default)]
pub(super) struct Memory<const P: usize, const B: usize, const G: usize> {
    points: Vec<Point, P>,
    bindings: Vec<Binding, B>,
    limits: Vec<limit::State, B>,
    digitals: Vec<digital::State, B>,
    trends: Vec<trend::State, B>,
    absents: Vec<absent::State, B>,
    votes: Vec<vote::State, B>,
    /// One a point.
    others: Rare<P, G>,
    areas: [Area; 1],
    wires: Vec<Wire, B>,
    leads: Vec<Lead, B>,
    /// One a point.
    groups: Vec<Group, P>,
    heap: Vec<u32, B>,
    pulse: Pulse,
}

impl<const P: usize, const B: usize, const G: usize> Site<P, B, G> {
    /// A site without points.
    pub fn new(began: Now) -> Self {
        Self { rules: Vec::new(), memory: Memory::default(), began }
    }

    /// Adds a point with these rules on it. Only before the first event.
    ///
    /// A vote hears the rules before it on its point; a trend is hidden while the point is known to be lost.
    ///
    /// # Panics
    /// Where there is no room: sites here are written down, not read from outside.
    pub fn add(&mut self, rules: &[Rule]) {
        let memory = &mut self.memory;
        let point = PointId(memory.points.len() as u32);
        let first = memory.bindings.len() as u32;
        let group = lend(&mut memory.groups, Group::default());
        for rule in rules {
            let slot = match rule.params {
                Params::Limit(_) => lend(&mut memory.limits, limit::State::default()),
                Params::Digital(_) => lend(&mut memory.digitals, digital::State::default()),
                Params::Trend(_) => lend(&mut memory.trends, trend::State::default()),
                Params::Absent(_) => lend(&mut memory.absents, absent::State::listening(self.began)),
                Params::Vote(_) => lend(&mut memory.votes, vote::State::default()),
                Params::Band(_) => lend(&mut memory.others.bands, band::State::default()),
                Params::Rate(_) => lend(&mut memory.others.rates, rate::State::default()),
                Params::Frozen(_) => lend(&mut memory.others.frozens, frozen::State::default()),
                Params::Count(_) => lend(&mut memory.others.counts, count::State::default()),
                Params::Dwell(_) => lend(&mut memory.others.dwells, dwell::State::default()),
                Params::Accumulated(_) => lend(&mut memory.others.sums, accumulated::State::default()),
                Params::Rhythm(_) => lend(&mut memory.others.rhythms, rhythm::State::default()),
                Params::Drift(_) => lend(&mut memory.others.drifts, drift::State::default()),
                Params::Habit(_) => lend(&mut memory.others.habits, habit::State::default()),
                Params::Sibling(_) => lend(&mut memory.others.siblings, sibling::State::default()),
                Params::Residual(_) => lend(&mut memory.others.residuals, residual::State::default()),
                Params::Ratio(_) => lend(&mut memory.others.ratios, ratio::State::default()),
                Params::Group(_) => lend(&mut memory.others.groups, group::State::default()),
            };
            let id = RuleId(lend(&mut self.rules, *rule));
            let seed = u64::from(id.0) + 1;
            let lost = matches!(rule.params, Params::Absent(_)).then_some(group);
            let binding = lend(&mut memory.bindings, Binding::new(id, point, seed, slot).hiding(lost));
            match rule.params {
                Params::Trend(_) => Group::hide(&mut memory.groups, &mut memory.bindings, group),
                Params::Vote(_) => (first..binding).zip(0..).for_each(|(from, voter)| {
                    let wire = Wire::lay(&mut memory.bindings, memory.wires.len(), from, binding, voter);
                    wire.map(|wire| lend(&mut memory.wires, wire));
                }),
                Params::Limit(_)
                | Params::Digital(_)
                | Params::Absent(_)
                | Params::Band(_)
                | Params::Rate(_)
                | Params::Frozen(_)
                | Params::Count(_)
                | Params::Dwell(_)
                | Params::Accumulated(_)
                | Params::Rhythm(_)
                | Params::Drift(_)
                | Params::Habit(_)
                | Params::Sibling(_)
                | Params::Residual(_)
                | Params::Ratio(_)
                | Params::Group(_) => {}
            }
            lend(&mut memory.heap, 0);
        }
        lend(&mut memory.points, Point::new(point, first, rules.len() as u32));
    }

    /// Gives the rules on a point that look at several the points after it, as far as there are any. Only before the first event.
    pub fn lead(&mut self, point: u32) {
        let memory = &mut self.memory;
        let Some(bindings) = memory.points.get(point as usize).map(Point::bindings) else { return };
        for binding in bindings {
            let rule = memory.bindings.get(binding as usize).and_then(|b| self.rules.get(b.rule.0 as usize));
            let beside = rule.map_or(0, |rule| rule.params.points().saturating_sub(1));
            for channel in 1..=beside {
                let (len, other) = (memory.leads.len(), PointId(point + u32::from(channel)));
                let lead = Lead::lay(&mut memory.points, &mut memory.bindings, len, other, binding, channel);
                lead.map(|lead| lend(&mut memory.leads, lead));
            }
        }
    }

    /// Gives a rule, by its number, another point to look at. Only before the first event.
    pub fn beside(&mut self, rule: u32, channel: u8, point: PointId) {
        let memory = &mut self.memory;
        let lead = Lead::lay(&mut memory.points, &mut memory.bindings, memory.leads.len(), point, rule, channel);
        lead.map(|lead| lend(&mut memory.leads, lead));
    }

    /// Arms the deadlines.
    pub fn start(&mut self, told: impl FnMut(&Transition)) {
        let now = self.began;
        self.engine().settle(now, &mut Ear(told));
    }

    /// The engine's door; `told` hears what comes out.
    ///
    /// # Errors
    /// A command that does not fit its alarm.
    #[inline]
    pub fn handle(&mut self, event: Event, now: Now, told: impl FnMut(&Transition)) -> Result<(), Refusal> {
        self.engine().handle(event, now, &mut Ear(told))
    }

    /// The engine's door held open, as a node's loop holds it: the tables are lent once.
    pub fn door(&mut self) -> Door<'_> {
        Door(self.engine())
    }

    pub(super) fn next_deadline(&mut self) -> Option<Mono> {
        self.engine().next_deadline()
    }

    /// An alarm that stands, whichever `nth` falls on; at times the id of one that does not.
    pub(super) fn alarm(&self, nth: usize) -> AlarmId {
        let standing = || self.memory.bindings.iter().filter_map(|b| b.alarm.standing());
        let count = standing().count();
        standing().nth(nth % (count + 1)).map_or(AlarmId(nth as u64), |stands| stands.id)
    }

    pub(super) fn memory(&self) -> &Memory<P, B, G> {
        &self.memory
    }

    #[inline]
    fn engine(&mut self) -> Engine<'_> {
        let memory = &mut self.memory;
        Engine::new(Tables {
            rules: &self.rules,
            points: &mut memory.points,
            bindings: &mut memory.bindings,
            limits: &mut memory.limits,
            digitals: &mut memory.digitals,
            trends: &mut memory.trends,
            absents: &mut memory.absents,
            votes: &mut memory.votes,
            others: Others {
                bands: &mut memory.others.bands,
                rates: &mut memory.others.rates,
                frozens: &mut memory.others.frozens,
                counts: &mut memory.others.counts,
                dwells: &mut memory.others.dwells,
                sums: &mut memory.others.sums,
                rhythms: &mut memory.others.rhythms,
                drifts: &mut memory.others.drifts,
                habits: &mut memory.others.habits,
                siblings: &mut memory.others.siblings,
                residuals: &mut memory.others.residuals,
                ratios: &mut memory.others.ratios,
                groups: &mut memory.others.groups,
            },
            wires: &memory.wires,
            leads: &memory.leads,
            groups: &mut memory.groups,
            areas: &mut memory.areas,
            policy: Policy::default(),
            heap: &mut memory.heap,
            pulse: &mut memory.pulse,
        })
    }
}

/// See [`Site::door`].
#[derive(Debug)]
pub struct Door<'s>(Engine<'s>);

impl Door<'_> {
    /// As [`Site::handle`].
    ///
    /// # Errors
    /// A command that does not fit its alarm.
    #[inline]
    pub fn handle(&mut self, event: Event, now: Now, told: impl FnMut(&Transition)) -> Result<(), Refusal> {
        self.0.handle(event, now, &mut Ear(told))
    }
}

/// A sink that is a closure.
struct Ear<F>(F);

impl<F: FnMut(&Transition)> Sink for Ear<F> {
    #[inline]
    fn transition(&mut self, transition: &Transition) {
        (self.0)(transition);
    }

    /// What follows from it comes as transitions, and the area itself is remembered.
    fn mode(&mut self, _: &ModeChange) {}
}

/// Puts it at the end and gives its index.
fn lend<T, const N: usize>(table: &mut Vec<T, N>, entry: T) -> u32 {
    let index = table.len() as u32;
    assert!(table.push(entry).is_ok(), "a table of {N} is full: the site is larger than its arrays");
    index
}
