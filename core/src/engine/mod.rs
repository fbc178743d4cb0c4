//! The engine: all detectors and alarms of a site behind one door.
//!
//! [`Engine::handle`] first serves every deadline that has passed, in order (deadline, binding), each output stamped
//! with its deadline, then takes the event. So the input log alone determines the outputs: the same log gives the same
//! bytes under any batching and however late a timer wakes. It never sleeps: [`Engine::next_deadline`] tells when it
//! wants to be called again.
//!
//! It owns no storage. The caller lends [`Tables`], one plain slice a kind, and may lend longer ones the next time:
//! rules, points and bindings are indices that are only ever appended to. Where rules change, a new engine on new tables
//! goes on where the old one stands: see [`Engine::go_on`].

mod areas;
mod groups;
mod leads;
mod memory;
mod persons;
mod reload;
mod steps;
mod tables;
mod timers;
mod told;
mod votes;
mod warm;

#[cfg(test)]
mod tests;

pub use areas::{Area, Change, Mode, ModeChange};
pub use groups::{Group, RELEASE_MS};
pub use leads::Lead;
pub use persons::{Command, Target};
pub use tables::{Binding, Level, Others, Point, Policy, Pulse, Rule, Tables, Unknown};
pub use votes::Wire;

use crate::alarm::state::{Refusal, State as AlarmState, earlier};
use crate::alarm::{ModeName, Transition};
use crate::detect::{Kind, Params, Standing, absent};
use crate::reading::{Delivery, Reading};
use crate::time::{Mono, Now};
use tables::{NONE, detector};
use timers::Timers;
use votes::Told;

/// What comes in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event {
    /// A reading, and how it came.
    Reading(Reading, Delivery),
    /// What a person does to an alarm.
    Command(Target, Command),
    /// A person begins a mode of an area, for so many milliseconds at most.
    Begin {
        /// Index of the area.
        area: u16,
        /// Which.
        mode: ModeName,
        /// How long.
        for_ms: u64,
    },
    /// A person ends it.
    End {
        /// Index of the area.
        area: u16,
    },
    /// Nothing but the time.
    Tick,
}

/// Whether a condition is seen as it comes, or again after a restart: then it rings only if it is news to the alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Live,
    Again,
}

/// A reading that is its point's present.
#[derive(Debug, Clone, Copy)]
struct Noted {
    /// The point's bindings.
    first: u32,
    count: u32,
    /// The first of the leads to rules on other points.
    leads: u32,
    /// Whether the point can vote now and could not before, or the other way round; or nobody knows, after a restart.
    turned: bool,
    /// When it was true: now, or earlier of history that has a date.
    then: Now,
}

/// Where outputs go.
pub trait Sink {
    /// One step in an alarm's life.
    fn transition(&mut self, transition: &Transition);
    /// A mode of an area began or ended. Comes before the transitions that follow from it.
    fn mode(&mut self, change: &ModeChange);
}

/// A view over lent tables; making one costs nothing.
#[derive(Debug)]
pub struct Engine<'t> {
    tables: Tables<'t>,
}

impl<'t> Engine<'t> {
    /// The engine over these tables.
    pub const fn new(tables: Tables<'t>) -> Self {
        Self { tables }
    }

    /// Serves deadlines, then takes the event.
    ///
    /// # Errors
    /// A command that does not fit the alarm's state; nothing else is refused.
    pub fn handle(&mut self, event: Event, now: Now, sink: &mut impl Sink) -> Result<(), Refusal> {
        let now = self.advance(now, sink);
        match event {
            Event::Reading(reading, delivery) => {
                self.reading(&reading, delivery, now, sink);
                Ok(())
            }
            Event::Command(target, command) => self.command(target, command, now, sink),
            Event::Begin { area, mode, for_ms } => self.begin(area, mode, for_ms, now, sink),
            Event::End { area } => self.end(area, now, sink),
            Event::Tick => Ok(()),
        }
    }

    /// When to call again at the latest. May be earlier than needed, never later.
    pub fn next_deadline(&self) -> Option<Mono> {
        let Pulse { mode_due, release_due, .. } = *self.tables.pulse;
        earlier(self.first_due().map(|(due, _)| due), earlier(mode_due, release_due))
    }

    /// Arms a binding that was appended while running. What it votes for has a voter more, who has not been heard.
    pub fn enlist(&mut self, binding: u32) {
        let now = Now { mono: self.tables.pulse.mono, ..Now::default() };
        self.rearm(binding, now.mono);
        self.tell_of(binding, now, Told::Live);
    }

    fn advance(&mut self, now: Now, sink: &mut impl Sink) -> Now {
        let (mut then, now) = (self.tables.pulse.mono, self.onward(now));
        self.tables.pulse.mono = now.mono;
        while let Some(due) = self.next_deadline().filter(|due| *due <= now.mono) {
            // What was overdue at a start comes after what the start said.
            then = then.max(due);
            if self.tables.pulse.mode_due == Some(due) {
                self.expire_modes(due, now.at(then), sink);
            } else if self.first_due().is_some_and(|(first, _)| first == due) {
                self.serve(due, now.at(then), sink);
            } else {
                self.release_due(now.at(then), sink);
            }
        }
        now
    }

    /// Time that runs backwards stands still.
    fn onward(&self, now: Now) -> Now {
        Now { mono: now.mono.max(self.tables.pulse.mono), ..now }
    }

    /// The first of the timers, which is due.
    #[inline(never)]
    fn serve(&mut self, due: Mono, now: Now, sink: &mut impl Sink) {
        let Some((_, index)) = self.first_due() else { return };
        self.pop();
        self.expire(index, now);
        self.judge(index, now, Seen::Live, sink);
        // A voter that was never heard is bad by time alone, and with it a vote may need its tests no more.
        self.outlasted(index, now, Seen::Live, sink);
        self.lapse(index, now, sink);
        self.rearm_after(index, due);
    }

    fn reading(&mut self, reading: &Reading, delivery: Delivery, now: Now, sink: &mut impl Sink) {
        let Some(Noted { first, count, leads, turned, then }) = self.note(reading, delivery, now, true) else { return };
        let end = first.saturating_add(count);
        for index in first..end {
            let seen = self.as_of(index, then, now);
            self.feed(index, reading, delivery, seen);
            self.date(index, then, now);
            self.catch_up(index, seen, now);
            self.judge(index, now, Seen::Live, sink);
            self.rearm(index, now.mono);
        }
        if leads != NONE {
            self.lead(leads, reading, now, sink);
        }
        if turned {
            self.turned(first..end, now, Seen::Live, sink);
        }
    }

    /// A point can vote and explain now, or it can't any more.
    fn turned(&mut self, bindings: core::ops::Range<u32>, now: Now, seen: Seen, sink: &mut impl Sink) {
        for index in bindings {
            self.cause(index, now, sink);
            self.signal(index, now, seen, sink);
        }
    }

    /// Keeps the reading as the point's present; `None` if it is not, or the point is unknown. History is the present unless
    /// the point has said something since: one sent again within the same second counts. One without a date can't be held
    /// against that: the clock it was stamped by on arrival may have been set back since the point spoke.
    #[inline]
    fn note(&mut self, reading: &Reading, delivery: Delivery, now: Now, live: bool) -> Option<Noted> {
        let point = self.tables.points.get_mut(reading.point.0 as usize)?;
        if delivery == Delivery::History && reading.quality.is_dated() && reading.at < point.spoke {
            return None;
        }
        let (word, value) = (reading.quality.is_word(), reading.quality.has_value());
        let turned = !point.heard
            || point.live != live
            || point.last.quality.has_value() != value
            || (word && !point.has_spoken());
        point.last = *reading;
        (point.heard, point.live) = (true, live);
        if word {
            point.spoke = reading.at;
        }
        if value {
            point.value = Some(reading.value);
        }
        // Never before what the point said last, and never after it came.
        point.then = was_true(reading, delivery, now).max(point.then).min(now.mono);
        let then = if point.then == now.mono { now } else { now.at(point.then) };
        Some(Noted { first: point.first, count: point.count, leads: point.leads, turned, then })
    }

    /// When a rule is to take a reading for true.
    #[inline]
    fn as_of(&self, index: u32, then: Now, now: Now) -> Now {
        if then.mono == now.mono {
            return now;
        }
        let b = self.tables.bindings.get(index as usize);
        let rule = b.and_then(|b| self.tables.rules.get(b.rule.0 as usize));
        if rule.is_some_and(|rule| rule.params.dates()) { then } else { now }
    }

    /// Tells a detector that what it was just given is of the past.
    #[inline]
    fn date(&mut self, index: u32, then: Now, now: Now) {
        if then.mono == now.mono {
            return;
        }
        let tables = &mut self.tables;
        let Some(b) = tables.bindings.get(index as usize) else { return };
        let Some(rule) = tables.rules.get(b.rule.0 as usize) else { return };
        detector!(get_mut, tables, &rule.params, b.slot as usize, |_p, s| Kind::dated(s));
    }

    #[inline]
    fn feed(&mut self, index: u32, reading: &Reading, delivery: Delivery, now: Now) {
        let tables = &mut self.tables;
        let Some(b) = tables.bindings.get(index as usize) else { return };
        let Some(rule) = tables.rules.get(b.rule.0 as usize) else { return };
        let (slot, at, known) = (b.slot as usize, reading.at, reading.quality.has_value());
        if matches!(rule.params, Params::Absent(_)) {
            on(tables.absents, slot, |s| {
                if is_alive(s, reading, delivery) {
                    s.spoke(at, now);
                }
            });
        }
        // An old value told again is no sample of now.
        if known && !reading.quality.is_word() && rule.params.samples() {
            return;
        }
        detector!(get_mut, tables, &rule.params, slot, |p, s| match rule.unknown {
            _ if known => Kind::value(s, p, reading.value, at, now),
            Unknown::Hold => Kind::unknown(s, p, at, now),
            Unknown::Danger => Kind::alarming(s, p, at, now),
        });
    }

    fn expire(&mut self, index: u32, now: Now) {
        let tables = &mut self.tables;
        let Some(b) = tables.bindings.get(index as usize) else { return };
        let Some(rule) = tables.rules.get(b.rule.0 as usize) else { return };
        detector!(get_mut, tables, &rule.params, b.slot as usize, |p, s| Kind::expire(s, p, now));
    }

    #[inline]
    fn standing(&self, index: u32) -> Option<Standing> {
        let tables = &self.tables;
        let b = tables.bindings.get(index as usize)?;
        let params = &tables.rules.get(b.rule.0 as usize)?.params;
        detector!(get, tables, params, b.slot as usize, |p, s| Kind::standing(s, p))?
    }

    #[inline]
    fn deadline(&self, index: u32, present: Mono) -> Option<Mono> {
        let tables = &self.tables;
        let b = tables.bindings.get(index as usize)?;
        let params = &tables.rules.get(b.rule.0 as usize)?.params;
        let detector = detector!(get, tables, params, b.slot as usize, |p, s| Kind::deadline(s, p, present))?;
        if matches!(b.alarm, AlarmState::Normal) { detector } else { earlier(detector, b.alarm.deadline()) }
    }

    /// Arms the binding's deadline as it is at `present`.
    #[inline]
    fn rearm(&mut self, index: u32, present: Mono) {
        if let Some(due) = self.deadline(index, present) {
            self.arm(index, due);
        }
    }

    /// The same once a deadline was served: never again at or before it, so that time always gets on.
    fn rearm_after(&mut self, index: u32, served: Mono) {
        if let Some(due) = self.deadline(index, served) {
            self.arm(index, due.max(served.plus(1)));
        }
    }

    #[inline]
    fn arm(&mut self, index: u32, due: Mono) {
        let tables = &mut self.tables;
        let mut timers = Timers { heap: tables.heap, len: &mut tables.pulse.armed };
        timers.arm(tables.bindings, index, due);
    }

    #[inline]
    fn first_due(&self) -> Option<(Mono, u32)> {
        timers::first(self.tables.heap, self.tables.pulse.armed, self.tables.bindings)
    }

    fn pop(&mut self) {
        let tables = &mut self.tables;
        Timers { heap: tables.heap, len: &mut tables.pulse.armed }.pop(tables.bindings);
    }
}

/// The counter of when a reading was true, as far as that is known: a backlog that a broker has kept for hours comes within a
/// second, and is no storm of now.
fn was_true(reading: &Reading, delivery: Delivery, now: Now) -> Mono {
    match delivery {
        Delivery::History if reading.quality.is_dated() => {
            let age = now.wall.0.saturating_sub(reading.at.0);
            Mono(now.mono.0.saturating_sub(u64::try_from(age).unwrap_or(0)))
        }
        Delivery::History | Delivery::Live => now.mono,
    }
}

/// Whether a reading is a sign of life to an absence rule: a word of the point that comes live, or a value that is younger
/// than all that was heard. History of unknown date is none: a copy that a broker keeps may be years old.
#[inline]
fn is_alive(state: &absent::State, reading: &Reading, delivery: Delivery) -> bool {
    let quality = reading.quality;
    let young = || quality.is_dated() && quality.has_value() && state.is_news(reading.at);
    quality.is_word() && (delivery == Delivery::Live || young())
}

#[inline]
fn on<S>(states: &mut [S], slot: usize, f: impl FnOnce(&mut S)) {
    if let Some(state) = states.get_mut(slot) {
        f(state);
    }
}

fn set<S>(states: &mut [S], slot: usize, state: S) {
    on(states, slot, |s| *s = state);
}
