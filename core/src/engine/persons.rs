//! What persons do to alarms. A command that does not fit is refused, and changes nothing.

use super::areas::within;
use super::{Engine, Sink};
use crate::alarm::state::{Input, Refusal, Shelf};
use crate::alarm::{AlarmId, EventName, Named};
use crate::time::Now;

/// Which alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The open alarm of this id.
    Alarm(AlarmId),
    /// The alarm of this rule on this point, open or not.
    Binding(u32),
}

/// What a person does to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Has seen it.
    Acknowledge,
    /// Releases the latch.
    Reset,
    /// Puts it aside.
    Shelve {
        /// For so many milliseconds.
        for_ms: u64,
        /// Or until its condition is over, if that is earlier.
        one_shot: bool,
    },
    /// Takes it back.
    Unshelve,
    /// Takes it out of service.
    OutOfService {
        /// For so many milliseconds.
        for_ms: u64,
    },
    /// Brings it back.
    ReturnToService,
    /// Writes something down; the words are kept outside.
    Note,
}

impl Command {
    /// What is told of it once it has taken effect.
    pub const fn told(self) -> EventName {
        match self {
            Self::Acknowledge => EventName::Acknowledge,
            Self::Reset => EventName::Reset,
            Self::Shelve { .. } => EventName::Shelve,
            Self::Unshelve => EventName::Unshelve,
            Self::OutOfService { .. } => EventName::OutOfService,
            Self::ReturnToService => EventName::ReturnToService,
            Self::Note => EventName::Note,
        }
    }
}

impl Engine<'_> {
    #[inline(never)]
    pub(super) fn command(
        &mut self,
        target: Target,
        command: Command,
        now: Now,
        sink: &mut impl Sink,
    ) -> Result<(), Refusal> {
        let index = self.find(target)?;
        let input = self.input(index, command, now)?;
        self.step(index, input, now, sink)?;
        self.rearm(index, now.mono);
        Ok(())
    }

    fn find(&self, target: Target) -> Result<u32, Refusal> {
        let bindings = &self.tables.bindings;
        let found = match target {
            Target::Alarm(id) => bindings.iter().position(|b| b.alarm.standing().is_some_and(|s| s.id == id)),
            Target::Binding(index) => Some(index as usize).filter(|index| *index < bindings.len()),
        };
        found.map(|index| index as u32).ok_or(Refusal::NoSuchAlarm)
    }

    fn input(&self, index: u32, command: Command, now: Now) -> Result<Input, Refusal> {
        let b = self.tables.bindings.get(index as usize).ok_or(Refusal::NoSuchAlarm)?;
        let rule = self.tables.rules.get(b.rule.0 as usize).ok_or(Refusal::NoSuchAlarm)?;
        // A veil over an alarm that is normal begins now; its name is made of that.
        let fresh = (Named::next(b.named, b.seed, now.wall), now.wall);
        let policy = self.tables.policy;
        Ok(match command {
            Command::Acknowledge => Input::Acknowledge { again: rule.re_alarm_ms.map(|ms| now.mono.plus(ms)) },
            Command::Reset => Input::Reset,
            Command::Shelve { for_ms, one_shot } => {
                // The level that stands decides; of an alarm that is normal, the first.
                let level = b.alarm.open().map_or(0, |open| open.level());
                if !rule.level(level).shelvable {
                    return Err(Refusal::NotShelvable);
                }
                let until = now.mono.plus(within(for_ms, policy.max_shelf_ms)?);
                Input::Shelve(Shelf { until, one_shot }, fresh)
            }
            Command::Unshelve => Input::Unshelve,
            Command::OutOfService { for_ms } => {
                Input::OutOfService(now.mono.plus(within(for_ms, policy.max_out_ms)?), fresh)
            }
            Command::ReturnToService => Input::ReturnToService,
            Command::Note => Input::Note,
        })
    }
}
