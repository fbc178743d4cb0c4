//! The life of an alarm, the states A to F of ISA-18.2 / IEC 62682:
//!
//! ```text
//!               raise                     acknowledge
//!  A normal ───────────▶ B unacknowledged ───────────▶ C acknowledged
//!     ▲                     │  ▲      ▲                   │      │
//!     │                     │  │      └──── escalate ─────┘      │
//!     │            return   │  │ raise                           │ return
//!     │          ┌──────────┴──┴──────────┐                      │
//!     │          ▼ (plain)                ▼ (latching)           │
//!     │◀─── D returned               E latched ──▶ F latched-    │
//!     │   acknowledge              acknowledge     acknowledged ◀┤ (latching)
//!     │◀───────────────────────────────────────────── reset      │
//!     │◀─────────────────────────────────────────────────────────┘ (plain)
//! ```
//! D, E and F go back to B by `raise` when the condition comes again: the same alarm, one transition more.
//! Reset without acknowledgement is refused: acknowledge first. Shelving, suppression and out-of-service (G to I) come
//! with their issue; no `match` here has a wildcard, so the compiler will list every place.

use super::{AlarmId, EventName, StateName};
use crate::time::Wall;

/// What every alarm that is not normal carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The alarm.
    pub id: AlarmId,
    /// When the condition began that raised it first.
    pub onset: Wall,
    /// Transitions so far.
    pub number: u32,
    /// Highest level since the raise: an alarm never grows quieter by itself.
    pub level: u8,
}

/// The state, with the data that is valid in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// A
    #[default]
    Normal,
    /// B
    Unacknowledged(Standing),
    /// C
    Acknowledged(Standing),
    /// D
    Returned(Standing),
    /// E
    Latched(Standing),
    /// F
    LatchedAcknowledged(Standing),
}

/// What may happen to an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// The condition stands at `level`; `fresh` names the alarm it would be if none is open.
    Breach {
        /// Level of the rule.
        level: u8,
        /// Id and onset of a new alarm.
        fresh: (AlarmId, Wall),
        /// The level was reached anew (not merely seen again after a restart).
        risen: bool,
    },
    /// The condition is over; `latching` says whether the alarm's level holds it.
    Normal {
        /// Hold until reset.
        latching: bool,
    },
    /// A person has seen it.
    Acknowledge,
    /// A person releases the latch.
    Reset,
}

/// Why a person's command was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No alarm with this id stands.
    NoSuchAlarm,
    /// It is acknowledged already.
    AlreadyAcknowledged,
    /// A latched alarm is acknowledged before it is reset.
    AcknowledgeFirst,
    /// It is not latched, or its condition still stands.
    NotLatched,
}

impl State {
    /// The word for it.
    pub const fn name(&self) -> StateName {
        match self {
            Self::Normal => StateName::Normal,
            Self::Unacknowledged(_) => StateName::Unacknowledged,
            Self::Acknowledged(_) => StateName::Acknowledged,
            Self::Returned(_) => StateName::Returned,
            Self::Latched(_) => StateName::Latched,
            Self::LatchedAcknowledged(_) => StateName::LatchedAcknowledged,
        }
    }

    /// Its data, unless normal.
    pub const fn standing(&self) -> Option<Standing> {
        match *self {
            Self::Normal => None,
            Self::Unacknowledged(s)
            | Self::Acknowledged(s)
            | Self::Returned(s)
            | Self::Latched(s)
            | Self::LatchedAcknowledged(s) => Some(s),
        }
    }

    /// Whether the condition stands as far as the alarm knows.
    pub const fn active(&self) -> bool {
        match self {
            Self::Unacknowledged(_) | Self::Acknowledged(_) => true,
            Self::Normal | Self::Returned(_) | Self::Latched(_) | Self::LatchedAcknowledged(_) => false,
        }
    }

    /// The state of this name; how a journal's fold becomes a state again.
    pub const fn restore(name: StateName, standing: Standing) -> Self {
        match name {
            StateName::Normal => Self::Normal,
            StateName::Unacknowledged => Self::Unacknowledged(standing),
            StateName::Acknowledged => Self::Acknowledged(standing),
            StateName::Returned => Self::Returned(standing),
            StateName::Latched => Self::Latched(standing),
            StateName::LatchedAcknowledged => Self::LatchedAcknowledged(standing),
        }
    }

    /// One step: the next state and what to call it, `None` if nothing changes.
    ///
    /// # Errors
    /// A person's command that does not fit the state.
    pub const fn step(self, input: Input) -> Result<Option<Step>, Refusal> {
        match input {
            Input::Breach { level, fresh, risen } => Ok(self.breach(level, fresh, risen)),
            Input::Normal { latching } => Ok(self.over(latching)),
            Input::Acknowledge => self.acknowledge(),
            Input::Reset => self.reset(),
        }
    }

    const fn breach(self, level: u8, fresh: (AlarmId, Wall), risen: bool) -> Option<Step> {
        match self {
            Self::Normal => {
                let standing = Standing { id: fresh.0, onset: fresh.1, number: 1, level };
                Some(Step { state: Self::Unacknowledged(standing), event: EventName::Raise, standing })
            }
            Self::Returned(s) | Self::Latched(s) | Self::LatchedAcknowledged(s) => {
                let standing = s.next(level);
                Some(Step { state: Self::Unacknowledged(standing), event: EventName::Raise, standing })
            }
            Self::Unacknowledged(s) if level > s.level => Some(Self::escalated(s, level)),
            Self::Acknowledged(s) if level > s.level || (risen && level > 0) => Some(Self::escalated(s, level)),
            Self::Unacknowledged(_) | Self::Acknowledged(_) => None,
        }
    }

    const fn escalated(s: Standing, level: u8) -> Step {
        let standing = s.next(level);
        Step { state: Self::Unacknowledged(standing), event: EventName::Escalate, standing }
    }

    const fn over(self, latching: bool) -> Option<Step> {
        let (state, standing) = match (self, latching) {
            (Self::Unacknowledged(s), false) => (Self::Returned(s.next(s.level)), s.next(s.level)),
            (Self::Unacknowledged(s), true) => (Self::Latched(s.next(s.level)), s.next(s.level)),
            (Self::Acknowledged(s), false) => (Self::Normal, s.next(s.level)),
            (Self::Acknowledged(s), true) => (Self::LatchedAcknowledged(s.next(s.level)), s.next(s.level)),
            (Self::Normal | Self::Returned(_) | Self::Latched(_) | Self::LatchedAcknowledged(_), _) => return None,
        };
        Some(Step { state, event: EventName::Return, standing })
    }

    const fn acknowledge(self) -> Result<Option<Step>, Refusal> {
        let (state, standing) = match self {
            Self::Normal => return Err(Refusal::NoSuchAlarm),
            Self::Acknowledged(_) | Self::LatchedAcknowledged(_) => return Err(Refusal::AlreadyAcknowledged),
            Self::Unacknowledged(s) => (Self::Acknowledged(s.next(s.level)), s.next(s.level)),
            Self::Returned(s) => (Self::Normal, s.next(s.level)),
            Self::Latched(s) => (Self::LatchedAcknowledged(s.next(s.level)), s.next(s.level)),
        };
        Ok(Some(Step { state, event: EventName::Acknowledge, standing }))
    }

    const fn reset(self) -> Result<Option<Step>, Refusal> {
        match self {
            Self::Normal => Err(Refusal::NoSuchAlarm),
            Self::Latched(_) => Err(Refusal::AcknowledgeFirst),
            Self::Unacknowledged(_) | Self::Acknowledged(_) | Self::Returned(_) => Err(Refusal::NotLatched),
            Self::LatchedAcknowledged(s) => {
                Ok(Some(Step { state: Self::Normal, event: EventName::Reset, standing: s.next(s.level) }))
            }
        }
    }
}

/// A step taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Where it led.
    pub state: State,
    /// What it is called.
    pub event: EventName,
    /// The alarm's data after it (also when the state is normal again).
    pub standing: Standing,
}

impl Standing {
    const fn next(self, level: u8) -> Self {
        let level = if level > self.level { level } else { self.level };
        Self { number: self.number + 1, level, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use EventName as E;
    use StateName as S;

    const ALARM: Standing = Standing { id: AlarmId(7), onset: Wall(5), number: 3, level: 0 };
    const ONE: Input = Input::Breach { level: 0, fresh: (AlarmId(9), Wall(8)), risen: true };
    const TWO: Input = Input::Breach { level: 1, fresh: (AlarmId(9), Wall(8)), risen: true };
    const OVER: Input = Input::Normal { latching: false };
    const HELD: Input = Input::Normal { latching: true };

    type Row = (S, Input, Option<(E, S)>);

    /// The table of ISA-18.2 for states A to F: from, input, event and state, or `None` where nothing happens.
    const TABLE: &[Row] = &[
        (S::Normal, ONE, Some((E::Raise, S::Unacknowledged))),
        (S::Normal, OVER, None),
        (S::Normal, HELD, None),
        (S::Unacknowledged, ONE, None),
        (S::Unacknowledged, TWO, Some((E::Escalate, S::Unacknowledged))),
        (S::Unacknowledged, OVER, Some((E::Return, S::Returned))),
        (S::Unacknowledged, HELD, Some((E::Return, S::Latched))),
        (S::Unacknowledged, Input::Acknowledge, Some((E::Acknowledge, S::Acknowledged))),
        (S::Acknowledged, ONE, None),
        (S::Acknowledged, TWO, Some((E::Escalate, S::Unacknowledged))),
        (S::Acknowledged, OVER, Some((E::Return, S::Normal))),
        (S::Acknowledged, HELD, Some((E::Return, S::LatchedAcknowledged))),
        (S::Returned, ONE, Some((E::Raise, S::Unacknowledged))),
        (S::Returned, OVER, None),
        (S::Returned, Input::Acknowledge, Some((E::Acknowledge, S::Normal))),
        (S::Latched, ONE, Some((E::Raise, S::Unacknowledged))),
        (S::Latched, HELD, None),
        (S::Latched, Input::Acknowledge, Some((E::Acknowledge, S::LatchedAcknowledged))),
        (S::LatchedAcknowledged, ONE, Some((E::Raise, S::Unacknowledged))),
        (S::LatchedAcknowledged, HELD, None),
        (S::LatchedAcknowledged, Input::Reset, Some((E::Reset, S::Normal))),
    ];

    #[test]
    fn the_table_holds() {
        for (from, input, expected) in TABLE {
            let step = State::restore(*from, ALARM).step(*input).expect("no row is refused");
            assert_eq!(step.map(|s| (s.event, s.state.name())), *expected, "{from:?} {input:?}");
            let number = if *from == S::Normal { 1 } else { ALARM.number + 1 };
            assert!(step.is_none_or(|s| s.standing.number == number), "{from:?} {input:?}: one transition, one number");
        }
    }

    #[test]
    fn commands_that_do_not_fit_are_refused_with_the_mend() {
        let refused = [
            (S::Normal, Input::Acknowledge, Refusal::NoSuchAlarm),
            (S::Normal, Input::Reset, Refusal::NoSuchAlarm),
            (S::Acknowledged, Input::Acknowledge, Refusal::AlreadyAcknowledged),
            (S::LatchedAcknowledged, Input::Acknowledge, Refusal::AlreadyAcknowledged),
            (S::Latched, Input::Reset, Refusal::AcknowledgeFirst),
            (S::Unacknowledged, Input::Reset, Refusal::NotLatched),
            (S::Acknowledged, Input::Reset, Refusal::NotLatched),
            (S::Returned, Input::Reset, Refusal::NotLatched),
        ];
        for (from, input, refusal) in refused {
            assert_eq!(State::restore(from, ALARM).step(input), Err(refusal), "{from:?} {input:?}");
        }
    }

    #[test]
    fn a_condition_seen_again_after_a_restart_pushes_nothing() {
        let same = Input::Breach { level: 1, fresh: (AlarmId(9), Wall(8)), risen: false };
        let known = State::Acknowledged(Standing { level: 1, ..ALARM });
        assert_eq!(known.step(same), Ok(None));
        assert_eq!(known.step(TWO).map(|s| s.map(|s| s.event)), Ok(Some(E::Escalate)), "reached anew it rings again");
    }

    #[test]
    fn a_recurrence_is_the_same_alarm() {
        let step = State::Returned(ALARM).step(ONE).expect("allowed").expect("a step");
        assert_eq!((step.standing.id, step.standing.onset, step.standing.number), (AlarmId(7), Wall(5), 4));
    }
}
