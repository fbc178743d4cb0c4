//! From what a detector says to a step of its alarm, and to what follows from that.

use super::tables::NONE;
use super::{Engine, Seen, Sink, on};
use crate::alarm::state::{Breach, Input, Refusal, State as AlarmState};
use crate::alarm::{EventName, ModeName, Named};
use crate::detect::{Params, Standing};
use crate::time::Now;

impl Engine<'_> {
    /// What happens to an alarm by itself when its time comes: a shelf ends, it rings again.
    pub(super) fn lapse(&mut self, index: u32, now: Now, sink: &mut impl Sink) {
        while let Some(input) = self.tables.bindings.get(index as usize).and_then(|b| b.alarm.due(now.mono)) {
            if !self.step(index, input, now, sink).is_ok_and(|moved| moved) {
                return;
            }
        }
    }

    /// Holds what stands against what stood; moves the alarm where it changed, and what hangs on it.
    #[inline]
    pub(super) fn judge(&mut self, index: u32, now: Now, seen: Seen, sink: &mut impl Sink) {
        let standing = self.standing(index);
        let Some(b) = self.tables.bindings.get_mut(index as usize) else { return };
        let stands = standing.map_or(0, |s| s.level + 1);
        let stood = core::mem::replace(&mut b.stood, stands);
        if stands != stood {
            self.changed(index, standing, stood, now, seen, sink);
        }
    }

    #[inline(never)]
    fn changed(
        &mut self,
        index: u32,
        standing: Option<Standing>,
        stood: u8,
        now: Now,
        seen: Seen,
        sink: &mut impl Sink,
    ) {
        let Some(b) = self.tables.bindings.get(index as usize).copied() else { return };
        let Some(rule) = self.tables.rules.get(b.rule.0 as usize) else { return };
        let level = rule.level(standing.map_or(0, |s| s.level));
        let latching = rule.level(b.alarm.standing().map_or(0, |s| s.level)).latch;
        let test = self.tested(index, now);
        let input = match standing {
            Some(s) if s.level + 1 > stood => {
                if test == Some(ModeName::WalkTest) && rule.params.measures() {
                    on(self.tables.points, b.point.0 as usize, |point| point.tripped = true);
                }
                Some(Input::Breach(Breach {
                    level: s.level,
                    fresh: (Named::next(b.named, b.seed, s.onset), s.onset),
                    risen: seen == Seen::Live,
                    hidden: self.is_hidden(&b),
                    test,
                    first: test.is_none() && self.is_first(&b),
                    shelvable: level.shelvable,
                }))
            }
            // A level lower still stands: the alarm goes on as it is.
            Some(_) => None,
            None => Some(Input::Normal { latching }),
        };
        if let (None, Some(b)) = (standing, self.tables.bindings.get_mut(index as usize)) {
            b.ended = now.mono;
        }
        if let Some(input) = input {
            self.follow(index, input, now, sink);
        }
        if (stood == 0) == standing.is_none() {
            return;
        }
        if b.hides != NONE {
            self.cause(index, now, sink);
        }
        if b.wires != NONE {
            self.signal(index, now, seen, sink);
        }
        if let (Params::Absent(_), Some(point)) = (rule.params, self.tables.points.get(b.point.0 as usize)) {
            self.turned(point.bindings(), now, seen, sink);
        }
    }

    /// A step that nobody asked for: what follows by itself is never refused.
    pub(super) fn follow(&mut self, index: u32, input: Input, now: Now, sink: &mut impl Sink) {
        let _ = self.step(index, input, now, sink);
    }

    /// One step of an alarm, told; whether it moved.
    pub(super) fn step(&mut self, index: u32, input: Input, now: Now, sink: &mut impl Sink) -> Result<bool, Refusal> {
        let standing = self.standing(index);
        let Some(b) = self.tables.bindings.get_mut(index as usize) else { return Ok(false) };
        let was = b.alarm;
        let Some(step) = was.step(input)? else { return Ok(false) };
        if was == AlarmState::Normal {
            b.named = Some(Named::with(b.named, step.open.standing.id, step.open.standing.onset));
        }
        b.alarm = step.state();
        let b = *b;
        self.opened(b.first_of, was.open(), Some(step.open));
        if let Some(rule) = self.tables.rules.get(b.rule.0 as usize) {
            sink.transition(&self.transition(index, rule, &step, standing, now));
        }
        match step.event {
            EventName::OutOfService | EventName::ReturnToService => {
                self.cause(index, now, sink);
                self.signal(index, now, Seen::Live, sink);
            }
            // A level that may not lie on a shelf ends it; a test may be one no longer.
            EventName::Raise | EventName::Escalate | EventName::Shelve | EventName::Unshelve | EventName::Return => {
                self.cause(index, now, sink);
            }
            EventName::Acknowledge
            | EventName::Reset
            | EventName::ReAlarm
            | EventName::Suppress
            | EventName::Unsuppress
            | EventName::Note => {}
        }
        Ok(true)
    }
}
