//! The engine on arrays of fixed size, as a node declares them. This file alone knows the engine's tables: a new kind of
//! detector is a field of [`Memory`], an arm in [`Site::add`] and a line in `engine`; a new command is one of [`BUTTONS`].

use gengfu_core::alarm::state::Refusal;
use gengfu_core::alarm::{AlarmId, Transition};
use gengfu_core::detect::{Params, absent, digital, limit, trend};
use gengfu_core::engine::{Binding, Engine, Event, Point, Pulse, Rule, Sink, Tables};
use gengfu_core::reading::{PointId, RuleId};
use gengfu_core::time::{Mono, Now};
use heapless::Vec;

/// What a person can do to an alarm.
const BUTTONS: [fn(AlarmId) -> Event; 2] = [Event::Acknowledge, Event::Reset];

/// The command behind a button; any number is one.
pub(super) fn press(button: usize, alarm: AlarmId) -> Event {
    BUTTONS.get(button % BUTTONS.len()).map_or(Event::Tick, |event| event(alarm))
}

/// A site of at most `P` points and `B` bindings.
#[derive(Debug)]
pub struct Site<const P: usize, const B: usize> {
    rules: Vec<Rule, B>,
    memory: Memory<P, B>,
    /// When it began: silence is counted from here.
    began: Now,
}

/// All that the engine remembers.
#[derive(Debug, Default)]
pub(super) struct Memory<const P: usize, const B: usize> {
    points: Vec<Point, P>,
    bindings: Vec<Binding, B>,
    limits: Vec<limit::State, B>,
    digitals: Vec<digital::State, B>,
    trends: Vec<trend::State, B>,
    absents: Vec<absent::State, B>,
    heap: Vec<u32, B>,
    pulse: Pulse,
}

impl<const P: usize, const B: usize> Site<P, B> {
    /// A site without points.
    pub fn new(began: Now) -> Self {
        Self { rules: Vec::new(), memory: Memory::default(), began }
    }

    /// Adds a point with these rules on it. Only before the first event.
    ///
    /// # Panics
    /// Where there is no room: sites here are written down, not read from outside.
    pub fn add(&mut self, rules: &[Rule]) {
        let memory = &mut self.memory;
        let point = PointId(memory.points.len() as u32);
        let first = memory.bindings.len() as u32;
        for rule in rules {
            let slot = match rule.params {
                Params::Limit(_) => lend(&mut memory.limits, limit::State::default()),
                Params::Digital(_) => lend(&mut memory.digitals, digital::State::default()),
                Params::Trend(_) => lend(&mut memory.trends, trend::State::default()),
                Params::Absent(_) => lend(&mut memory.absents, absent::State::listening(self.began)),
            };
            let id = RuleId(lend(&mut self.rules, *rule));
            let seed = u64::from(id.0) + 1;
            lend(&mut memory.bindings, Binding::new(id, point, seed, slot));
            lend(&mut memory.heap, 0);
        }
        lend(&mut memory.points, Point::new(point, first, rules.len() as u32));
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

    pub(super) fn next_deadline(&mut self) -> Option<Mono> {
        self.engine().next_deadline()
    }

    /// An alarm that stands, whichever `nth` falls on; at times the id of one that does not.
    pub(super) fn alarm(&self, nth: usize) -> AlarmId {
        let standing = || self.memory.bindings.iter().filter_map(|b| b.alarm.standing());
        let count = standing().count();
        standing().nth(nth % (count + 1)).map_or(AlarmId(nth as u64), |stands| stands.id)
    }

    pub(super) fn memory(&self) -> &Memory<P, B> {
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
            heap: &mut memory.heap,
            pulse: &mut memory.pulse,
        })
    }
}

/// A sink that is a closure.
struct Ear<F>(F);

impl<F: FnMut(&Transition)> Sink for Ear<F> {
    #[inline]
    fn transition(&mut self, transition: &Transition) {
        (self.0)(transition);
    }
}

/// Puts it at the end and gives its index.
fn lend<T, const N: usize>(table: &mut Vec<T, N>, entry: T) -> u32 {
    let index = table.len() as u32;
    assert!(table.push(entry).is_ok(), "a table of {N} is full: the site is larger than its arrays");
    index
}
