//! The alarm object of ISA-18.2 / IEC 62682: what stands, who knows, what happened. States A to F are in [`life`]; what keeps
//! an alarm from being announced (G to I) lies over it, in [`state`].

mod input;
pub mod life;
pub mod state;
pub mod performance;
pub mod damper;
mod recent;

#[cfg(test)]
pub(crate) mod tests;

use crate::detect::vote::Tally;
use crate::quality::Quality;
use crate::reading::PointId;
use crate::time::{Now, Wall};
use state::Veils;

/// Urgency of an alarm for the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// For the record and the next round.
    Low = 1,
    /// Today.
    Medium = 2,
    /// Now.
    High = 3,
    /// Lives are at stake.
    Critical = 4,
}

impl Priority {
    /// All priorities, lowest first.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The word of configuration, API and pushes.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// Name of one alarm: the same before and after a crash, since it is made of the rule, the point
/// and the onset of the condition, and of nothing a restart could change. No two alarms have the same: see [`Named`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlarmId(pub u64);

impl AlarmId {
    /// `seed` names (site, rule, point); `onset` is when the condition began.
    pub const fn new(seed: u64, onset: Wall) -> Self {
        // splitmix64's finalizer: every bit of both inputs reaches every bit of the id.
        let mut z = seed ^ (onset.0 as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Self(z ^ (z >> 31))
    }
}

/// The names that the alarms of one rule on one point have had. An onset may come again (a clock that was set back, a device
/// that repeats its stamp, a silence that began with the same word): then the name is made of the one before as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named {
    /// The last one's.
    pub last: AlarmId,
    /// The latest onset of all.
    pub latest: Wall,
}

impl Named {
    /// The name of the next alarm.
    pub const fn next(before: Option<Self>, seed: u64, onset: Wall) -> AlarmId {
        match before {
            Some(before) if onset.0 <= before.latest.0 => AlarmId::new(before.last.0, onset),
            Some(_) | None => AlarmId::new(seed, onset),
        }
    }

    /// With one more, the last.
    #[must_use]
    pub fn with(before: Option<Self>, last: AlarmId, onset: Wall) -> Self {
        Self { last, latest: before.map_or(onset, |before| before.latest.max(onset)) }
    }
}

/// The words of the alarm's state: the letters of ISA-18.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StateName {
    /// A: nothing stands.
    Normal = 0,
    /// B: stands, nobody has seen it.
    Unacknowledged = 1,
    /// C: stands, somebody has seen it.
    Acknowledged = 2,
    /// D: gone again before anybody saw it.
    Returned = 3,
    /// E: gone, held until seen and reset.
    Latched = 4,
    /// F: gone and seen, held until reset.
    LatchedAcknowledged = 5,
    /// G: a person has put it aside for a while.
    Shelved = 6,
    /// H: another alarm explains it.
    Suppressed = 7,
    /// I: a person has taken it out of service, for a reason and a time.
    OutOfService = 8,
}

impl StateName {
    /// All states, in the order of their letters.
    pub const ALL: [Self; 9] = [
        Self::Normal,
        Self::Unacknowledged,
        Self::Acknowledged,
        Self::Returned,
        Self::Latched,
        Self::LatchedAcknowledged,
        Self::Shelved,
        Self::Suppressed,
        Self::OutOfService,
    ];

    /// The word of API, journal and pushes.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Unacknowledged => "unacknowledged",
            Self::Acknowledged => "acknowledged",
            Self::Returned => "returned",
            Self::Latched => "latched",
            Self::LatchedAcknowledged => "latched-acknowledged",
            Self::Shelved => "shelved",
            Self::Suppressed => "suppressed",
            Self::OutOfService => "out-of-service",
        }
    }

    /// Its letter in the diagram of ISA-18.2.
    pub const fn letter(self) -> char {
        match self {
            Self::Normal => 'A',
            Self::Unacknowledged => 'B',
            Self::Acknowledged => 'C',
            Self::Returned => 'D',
            Self::Latched => 'E',
            Self::LatchedAcknowledged => 'F',
            Self::Shelved => 'G',
            Self::Suppressed => 'H',
            Self::OutOfService => 'I',
        }
    }
}

/// What happened to an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventName {
    /// The condition came; or a test is over and it stands.
    Raise,
    /// A person has seen it.
    Acknowledge,
    /// The condition went.
    Return,
    /// A person released the latch.
    Reset,
    /// A higher level of the same rule was reached.
    Escalate,
    /// It was seen long ago and stands still.
    ReAlarm,
    /// A person put it aside for a while.
    Shelve,
    /// The while is over, or a person took it back.
    Unshelve,
    /// What explains it has come.
    Suppress,
    /// What explained it is gone.
    Unsuppress,
    /// A person took it out of service.
    OutOfService,
    /// It is in service again: its time is over, or a person said so.
    ReturnToService,
    /// A person wrote something down.
    Note,
}

impl EventName {
    /// All events.
    pub const ALL: [Self; 13] = [
        Self::Raise,
        Self::Acknowledge,
        Self::Return,
        Self::Reset,
        Self::Escalate,
        Self::ReAlarm,
        Self::Shelve,
        Self::Unshelve,
        Self::Suppress,
        Self::Unsuppress,
        Self::OutOfService,
        Self::ReturnToService,
        Self::Note,
    ];

    /// The word of API, journal and pushes.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Raise => "raise",
            Self::Acknowledge => "acknowledge",
            Self::Return => "return",
            Self::Reset => "reset",
            Self::Escalate => "escalate",
            Self::ReAlarm => "re-alarm",
            Self::Shelve => "shelve",
            Self::Unshelve => "unshelve",
            Self::Suppress => "suppress",
            Self::Unsuppress => "unsuppress",
            Self::OutOfService => "out-of-service",
            Self::ReturnToService => "return-to-service",
            Self::Note => "note",
        }
    }
}

/// What an area may be in for a while. What is raised in it meanwhile is a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ModeName {
    /// Somebody walks from point to point and trips each.
    WalkTest,
    /// People practise; they are to be called.
    Drill,
    /// Somebody works on the devices.
    Maintenance,
}

impl ModeName {
    /// All modes.
    pub const ALL: [Self; 3] = [Self::WalkTest, Self::Drill, Self::Maintenance];

    /// The word of API, journal and pushes.
    pub const fn word(self) -> &'static str {
        match self {
            Self::WalkTest => "walk-test",
            Self::Drill => "drill",
            Self::Maintenance => "maintenance",
        }
    }
}

/// Why a detector says what it says; every output carries one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Explanation {
    /// The value that decided, `None` where the lack of one did.
    pub value: Option<f64>,
    /// Quality of that value.
    pub quality: Quality,
    /// The limit it was held against, in the point's unit.
    pub limit: Option<f64>,
    /// When the condition began (for a return: when it ended).
    pub since: Wall,
    /// Predictive rules: milliseconds until the limit is reached at the present slope.
    pub time_to_limit: Option<u64>,
    /// Rules that learn: what was usual, in the point's unit (of a rhythm, ms).
    pub usual: Option<f64>,
    /// Rules on several points: what weighs most in it.
    pub chief: Option<Chief>,
    /// It is over because what stood was taken for normal: nothing has gone back to where it was.
    pub accepted: bool,
    /// Votes: how the voters stand.
    pub tally: Option<Tally>,
}

/// The point that weighs most in a condition of several.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Chief {
    /// Which.
    pub point: PointId,
    /// Where it is now, and where it was, in its unit.
    pub value: f64,
    /// See `value`.
    pub usual: f64,
    /// Its share of the whole, 0 to 1.
    pub share: f64,
    /// How many points have left their place.
    pub moved: u8,
}

/// One step in an alarm's life, as the engine hands it to its sink.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transition {
    /// Index of the (rule, point) binding.
    pub binding: u32,
    /// The alarm.
    pub id: AlarmId,
    /// 1 for the raise, then one more each step: (id, number) is the key that makes delivery idempotent.
    pub number: u32,
    /// What happened.
    pub event: EventName,
    /// The state it led to.
    pub state: StateName,
    /// The letter A to F under what lies over it; the same as `state` where nothing does.
    pub life: StateName,
    /// What lies over it.
    pub veils: Veils,
    /// Raised as a test in an area that is in this mode.
    pub test: Option<ModeName>,
    /// The first of its group: what came before the others and may have caused them.
    pub first: bool,
    /// Level of the rule that stands, 0 the first.
    pub level: u8,
    /// Priority of that level.
    pub priority: Priority,
    /// When the alarm's condition began: half of its identity.
    pub onset: Wall,
    /// When the deciding reading was true.
    pub occurred: Wall,
    /// When the engine decided: the deadline, where a timer decided.
    pub detected: Now,
    /// The reasons.
    pub explanation: Explanation,
}
