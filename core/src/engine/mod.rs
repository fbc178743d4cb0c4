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

mod reload;
mod tables;
mod timers;

#[cfg(test)]
mod tests;

pub use tables::{Binding, Level, Point, Pulse, Rule, Tables};

use crate::alarm::state::{Input, Refusal, Standing as Stands, State as AlarmState, Step};
use crate::alarm::{AlarmId, Explanation, Named, StateName, Transition};
use crate::detect::{Params, Standing, absent, digital, limit, trend};
use crate::quality::{Quality, Reason};
use crate::reading::{Delivery, Reading};
use crate::time::{Mono, Now, Wall};
use timers::Timers;

/// What comes in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event {
    /// A reading, and how it came.
    Reading(Reading, Delivery),
    /// A person's command on the alarm of this id.
    Acknowledge(AlarmId),
    /// As above.
    Reset(AlarmId),
    /// Nothing but the time.
    Tick,
}

/// Whether a condition is seen as it comes, or again after a restart: then it rings only if it is news to the alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Live,
    Again,
}

/// Where outputs go.
pub trait Sink {
    /// One step in an alarm's life.
    fn transition(&mut self, transition: &Transition);
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
            Event::Acknowledge(id) => self.command(id, Input::Acknowledge, now, sink),
            Event::Reset(id) => self.command(id, Input::Reset, now, sink),
            Event::Tick => Ok(()),
        }
    }

    /// When to call again at the latest. May be earlier than needed, never later.
    pub fn next_deadline(&self) -> Option<Mono> {
        self.first_due().map(|(due, _)| due)
    }

    /// Says that the alarm lane knows the condition to stand since the reading of `known`, or to have been over since
    /// then. The telemetry lane may end before that (its last window can be lost in a power cut): older readings are no
    /// proof against it. `limit` is the line that was crossed: it tells the level. Call it before [`Engine::restore`].
    pub fn trust(&mut self, binding: u32, known: Wall, limit: Option<f64>) {
        if let Some(b) = self.tables.bindings.get_mut(binding as usize) {
            b.known = known;
            let params = self.tables.rules.get(b.rule.0 as usize).map(|r| r.params);
            b.known_level = params.and_then(|p| (0..2).find(|level| p.limit(*level) == limit));
        }
    }

    /// Says that an alarm of this binding had this name, one after the other as they came, the ones that are over too: none
    /// will have it again. Call it before [`Engine::restore`].
    pub fn name(&mut self, binding: u32, id: AlarmId, onset: Wall) {
        if let Some(b) = self.tables.bindings.get_mut(binding as usize) {
            b.named = Some(Named::with(b.named, id, onset));
        }
    }

    /// Puts an alarm back as the journal's fold left it, before any reading of this run.
    pub fn restore(&mut self, binding: u32, state: StateName, stands: Stands) {
        self.name(binding, stands.id, stands.onset);
        let Some(b) = self.tables.bindings.get_mut(binding as usize) else { return };
        b.alarm = AlarmState::restore(state, stands);
        if !b.alarm.active() {
            return;
        }
        b.stood = b.known_level.unwrap_or(stands.level) + 1;
        let (slot, onset) = (b.slot as usize, b.since(stands));
        if let Some(Params::Absent(_)) = self.tables.rules.get(b.rule.0 as usize).map(|r| r.params) {
            set(self.tables.absents, slot, absent::State::standing_at(onset));
        }
        self.stand(binding, stands);
    }

    /// Puts the detector into the state in which the condition stands.
    fn stand(&mut self, binding: u32, stands: Stands) {
        let Some(b) = self.tables.bindings.get(binding as usize) else { return };
        let (slot, rule) = (b.slot as usize, b.rule.0 as usize);
        let onset = b.since(stands);
        let level = b.known_level.unwrap_or(stands.level);
        let tables = &mut self.tables;
        match tables.rules.get(rule).map(|r| r.params) {
            Some(Params::Limit(_)) => set(tables.limits, slot, limit::State::standing_at(level, onset)),
            Some(Params::Digital(_)) => set(tables.digitals, slot, digital::State::standing_at(onset)),
            Some(Params::Trend(_)) => on(tables.trends, slot, |s| s.stand(onset)),
            Some(Params::Absent(_)) => on(tables.absents, slot, |s| s.stand(onset)),
            None => {}
        }
    }

    /// Shows a reading of an earlier run to the detectors, without judging it: their memory comes back, no alarm moves.
    /// `now` is when it came.
    pub fn warm(&mut self, reading: &Reading, delivery: Delivery, now: Now) {
        let Some((first, count)) = self.note(reading, delivery) else { return };
        for index in first..first.saturating_add(count) {
            let Some(b) = self.tables.bindings.get_mut(index as usize) else { return };
            let params = self.tables.rules.get(b.rule.0 as usize).map(|r| r.params);
            // Nothing is true after it came: where the clock was ahead and has been set back, a stamp of before proves nothing.
            let mut old = reading.at.min(now.wall) < b.known;
            if let Some(Params::Absent(_)) = params {
                let Some(state) = self.tables.absents.get_mut(b.slot as usize) else { return };
                // A silence begins with the last good reading, which then is no news; nor is what had not ended it.
                old |= b.alarm.active() && (reading.at == b.known || !is_alive(state, reading, delivery));
                // Silence is counted from the last word, whether the condition stood then or not.
                if old && is_alive(state, reading, delivery) {
                    state.spoke(reading.at, now);
                }
            }
            b.news |= !old;
            // A trend's memory is a window, which the old readings fill; the others' is their state, which is known.
            if !old || params.is_some_and(|p| p.predictive()) {
                self.expire(index, now.mono);
                self.feed(index, reading, delivery, now);
            }
        }
    }

    /// Ends the warm start: what stands now is held against what the alarms say, and deadlines are armed. A condition
    /// that stands already is an alarm; one that was acknowledged stays so and is not pushed again.
    pub fn settle(&mut self, now: Now, sink: &mut impl Sink) {
        self.tables.pulse.mono = now.mono;
        for index in 0..self.tables.bindings.len() as u32 {
            self.settle_one(index, now, sink);
        }
    }

    fn settle_one(&mut self, index: u32, now: Now, sink: &mut impl Sink) {
        self.remember(index, now);
        self.expire(index, now.mono);
        self.judge(index, now, Seen::Again, sink);
        self.rearm(index, None);
    }

    /// An alarm that stands and has heard nothing new goes on standing; and what ran out while nobody listened, a silence
    /// or an off-delay, proves nothing.
    fn remember(&mut self, index: u32, now: Now) {
        let Some(b) = self.tables.bindings.get(index as usize) else { return };
        let (news, slot, alarm) = (b.news, b.slot as usize, b.alarm);
        let over = b.known > Wall(i64::MIN) && !alarm.active();
        let params = self.tables.rules.get(b.rule.0 as usize).map(|r| r.params);
        if let Some(stands) = alarm.standing().filter(|_| alarm.active() && !news) {
            self.stand(index, stands);
        }
        match params {
            Some(Params::Limit(p)) => on(self.tables.limits, slot, |s| s.doubt(&p, now.mono)),
            Some(Params::Digital(p)) => on(self.tables.digitals, slot, |s| s.doubt(&p, now.mono)),
            Some(Params::Absent(p)) => on(self.tables.absents, slot, |s| s.listen_again(&p, now)),
            Some(Params::Trend(_)) if over && !news => on(self.tables.trends, slot, trend::State::rest),
            Some(Params::Trend(_)) | None => {}
        }
    }

    /// Arms a binding that was appended while running.
    pub fn enlist(&mut self, binding: u32) {
        self.rearm(binding, None);
    }

    fn advance(&mut self, now: Now, sink: &mut impl Sink) -> Now {
        let now = if now.mono < self.tables.pulse.mono { Now { mono: self.tables.pulse.mono, ..now } } else { now };
        self.tables.pulse.mono = now.mono;
        while let Some((due, index)) = self.first_due().filter(|(due, _)| *due <= now.mono) {
            self.pop();
            self.expire(index, due);
            self.judge(index, now.at(due), Seen::Live, sink);
            self.rearm(index, Some(due));
        }
        now
    }

    fn reading(&mut self, reading: &Reading, delivery: Delivery, now: Now, sink: &mut impl Sink) {
        let Some((first, count)) = self.note(reading, delivery) else { return };
        for index in first..first.saturating_add(count) {
            self.feed(index, reading, delivery, now);
            self.judge(index, now, Seen::Live, sink);
            self.rearm(index, None);
        }
    }

    /// Keeps the reading as the point's present; `None` if it is not, or the point is unknown. History is the present unless
    /// the point has said something since: one sent again within the same second counts. One without a date can't be held
    /// against that: the clock it was stamped by on arrival may have been set back since the point spoke.
    #[inline]
    fn note(&mut self, reading: &Reading, delivery: Delivery) -> Option<(u32, u32)> {
        let point = self.tables.points.get_mut(reading.point.0 as usize)?;
        if delivery == Delivery::History && reading.quality.is_dated() && reading.at < point.spoke {
            return None;
        }
        point.last = *reading;
        point.heard = true;
        if reading.quality.is_word() {
            point.spoke = reading.at;
        }
        if reading.quality.has_value() {
            point.value = reading.value;
        }
        Some((point.first, point.count))
    }

    #[inline]
    fn feed(&mut self, index: u32, reading: &Reading, delivery: Delivery, now: Now) {
        let tables = &mut self.tables;
        let Some(b) = tables.bindings.get(index as usize) else { return };
        let Some(rule) = tables.rules.get(b.rule.0 as usize) else { return };
        let (slot, at, known) = (b.slot as usize, reading.at, reading.quality.has_value());
        match &rule.params {
            Params::Limit(p) => {
                on(
                    tables.limits,
                    slot,
                    |s| {
                        if known { s.value(p, reading.value, at, now) } else { s.unknown(p, at, now) }
                    },
                );
            }
            Params::Digital(p) => on(tables.digitals, slot, |s| {
                if known { s.value(p, reading.value, at, now) } else { s.unknown(p, at, now) }
            }),
            Params::Trend(p) => on(tables.trends, slot, |s| {
                // An old value told again is no sample of now.
                if known && reading.quality.is_word() {
                    s.value(p, reading.value, at, now);
                }
            }),
            Params::Absent(p) => {
                on(tables.absents, slot, |s| {
                    if is_alive(s, reading, delivery) {
                        s.spoke(at, now);
                    }
                    if known { s.value(p, now) } else { s.unknown(p, at, now) }
                });
            }
        }
    }

    fn expire(&mut self, index: u32, mono: Mono) {
        let tables = &mut self.tables;
        let Some(b) = tables.bindings.get(index as usize) else { return };
        let Some(rule) = tables.rules.get(b.rule.0 as usize) else { return };
        let slot = b.slot as usize;
        match &rule.params {
            Params::Limit(p) => on(tables.limits, slot, |s| s.expire(p, mono)),
            Params::Digital(p) => on(tables.digitals, slot, |s| s.expire(p, mono)),
            Params::Trend(_) => {}
            Params::Absent(p) => on(tables.absents, slot, |s| s.expire(p, mono)),
        }
    }

    /// Holds what stands against what stood; moves the alarm where it changed.
    #[inline]
    fn judge(&mut self, index: u32, now: Now, seen: Seen, sink: &mut impl Sink) {
        let standing = self.standing(index);
        let Some(b) = self.tables.bindings.get_mut(index as usize) else { return };
        let stands = standing.map_or(0, |s| s.level + 1);
        let stood = core::mem::replace(&mut b.stood, stands);
        if stands == stood {
            return;
        }
        let Some(rule) = self.tables.rules.get(b.rule.0 as usize) else { return };
        let input = match standing {
            Some(s) if stands > stood => Input::Breach {
                level: s.level,
                fresh: (Named::next(b.named, b.seed, s.onset), s.onset),
                risen: seen == Seen::Live,
            },
            // A level lower still stands: the alarm goes on as it is.
            Some(_) => return,
            None => Input::Normal { latching: rule.level(b.alarm.standing().map_or(0, |s| s.level)).latch },
        };
        if let Ok(Some(step)) = b.alarm.step(input) {
            if b.alarm == AlarmState::Normal {
                b.named = Some(Named::with(b.named, step.standing.id, step.standing.onset));
            }
            b.alarm = step.state;
            let transition = self.transition(index, rule, &step, standing, now);
            sink.transition(&transition);
        }
    }

    #[inline]
    fn standing(&self, index: u32) -> Option<Standing> {
        let tables = &self.tables;
        let b = tables.bindings.get(index as usize)?;
        let slot = b.slot as usize;
        match &tables.rules.get(b.rule.0 as usize)?.params {
            Params::Limit(p) => tables.limits.get(slot)?.standing(p),
            Params::Digital(p) => tables.digitals.get(slot)?.standing(p),
            Params::Trend(p) => tables.trends.get(slot)?.standing(p),
            Params::Absent(_) => tables.absents.get(slot)?.standing(),
        }
    }

    fn deadline(&self, index: u32) -> Option<Mono> {
        let tables = &self.tables;
        let b = tables.bindings.get(index as usize)?;
        let slot = b.slot as usize;
        match &tables.rules.get(b.rule.0 as usize)?.params {
            Params::Limit(p) => tables.limits.get(slot)?.deadline(p),
            Params::Digital(p) => tables.digitals.get(slot)?.deadline(p),
            Params::Trend(_) => None,
            Params::Absent(p) => tables.absents.get(slot)?.deadline(p),
        }
    }

    /// Arms the binding's deadline; never again at or before `after`, so that time always gets on.
    #[inline]
    fn rearm(&mut self, index: u32, after: Option<Mono>) {
        let Some(due) = self.deadline(index) else { return };
        let due = after.map_or(due, |after| due.max(after.plus(1)));
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

    fn command(&mut self, id: AlarmId, input: Input, now: Now, sink: &mut impl Sink) -> Result<(), Refusal> {
        let found = self.tables.bindings.iter().position(|b| b.alarm.standing().is_some_and(|s| s.id == id));
        let index = found.ok_or(Refusal::NoSuchAlarm)? as u32;
        let standing = self.standing(index);
        let b = self.tables.bindings.get_mut(index as usize).ok_or(Refusal::NoSuchAlarm)?;
        let rule = self.tables.rules.get(b.rule.0 as usize).ok_or(Refusal::NoSuchAlarm)?;
        if let Some(step) = b.alarm.step(input)? {
            b.alarm = step.state;
            let transition = self.transition(index, rule, &step, standing, now);
            sink.transition(&transition);
        }
        Ok(())
    }

    fn transition(&self, index: u32, rule: &Rule, step: &Step, standing: Option<Standing>, now: Now) -> Transition {
        let point = self.tables.bindings.get(index as usize).and_then(|b| self.tables.points.get(b.point.0 as usize));
        let last = point.map(|p| p.last);
        let occurred = last.map_or(now.wall, |r| r.at);
        let absent = matches!(rule.params, Params::Absent(_));
        Transition {
            binding: index,
            id: step.standing.id,
            number: step.standing.number,
            event: step.event,
            state: step.state.name(),
            level: step.standing.level,
            priority: rule.level(step.standing.level).priority,
            onset: step.standing.onset,
            occurred,
            detected: now,
            explanation: Explanation {
                value: point.filter(|p| p.heard && !(absent && standing.is_some())).map(|p| p.value),
                quality: last.map_or(Quality::Bad(Reason::Comm), |r| r.quality),
                limit: standing.map_or_else(|| rule.params.limit(step.standing.level), |s| s.limit),
                since: standing.map_or(occurred, |s| s.onset),
                time_to_limit: standing.and_then(|s| s.time_to_limit),
            },
        }
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
