//! What may happen to an alarm, and why a person's command may not.

use super::state::Shelf;
use super::{AlarmId, ModeName};
use crate::time::{Mono, Wall};

/// What may happen to an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// The condition stands.
    Breach(Breach),
    /// The condition is over; `latching` says whether the alarm's level holds it.
    Normal {
        /// Hold until reset.
        latching: bool,
    },
    /// A person has seen it; it rings again at `again` if it stands then.
    Acknowledge {
        /// From the rule's re-alarm time.
        again: Option<Mono>,
    },
    /// A person releases the latch.
    Reset,
    /// The time of [`Input::Acknowledge`] has come.
    ReAlarm,
    /// A person puts it aside.
    Shelve(Shelf, Fresh),
    /// A person takes it back, or its time is over.
    Unshelve,
    /// What explains it has come.
    Suppress,
    /// What explained it is gone.
    Unsuppress,
    /// A person takes it out of service until then.
    OutOfService(Mono, Fresh),
    /// A person or its time brings it back.
    ReturnToService,
    /// The test it was raised in is over: what stands is real.
    TestOver {
        /// None of its group stands.
        first: bool,
    },
    /// A person writes something down.
    Note,
}

/// Id and onset of the alarm it would be if none is open.
pub type Fresh = (AlarmId, Wall);

/// How a condition stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breach {
    /// Level of the rule.
    pub level: u8,
    /// A new alarm's.
    pub fresh: Fresh,
    /// The level was reached anew (not merely seen again after a restart).
    pub risen: bool,
    /// What explains it stands: a new alarm is suppressed from the start.
    pub hidden: bool,
    /// The area is in this mode: a new alarm is a test.
    pub test: Option<ModeName>,
    /// None of its group stands: a new alarm is the first.
    pub first: bool,
    /// The level may lie on a shelf. One that may not ends a shelf by reaching it.
    pub shelvable: bool,
}

/// Why a person's command was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No alarm with this id is open.
    NoSuchAlarm,
    /// It is normal under what lies over it.
    NothingToAcknowledge,
    /// It is acknowledged already.
    AlreadyAcknowledged,
    /// A latched alarm is acknowledged before it is reset.
    AcknowledgeFirst,
    /// It is not latched, or its condition still stands.
    NotLatched,
    /// Its rule says that it may not lie on a shelf.
    NotShelvable,
    /// It lies on a shelf already.
    AlreadyShelved,
    /// It lies on none.
    NotShelved,
    /// It is out of service already.
    AlreadyOut,
    /// It is in service.
    NotOut,
    /// The time has no end, or is none.
    NoEnd,
    /// The time is longer than this, in milliseconds.
    TooLong(u64),
    /// No such area.
    NoSuchArea,
    /// The area is in a mode already.
    ModeRuns,
    /// It is in none.
    NoModeRuns,
}
