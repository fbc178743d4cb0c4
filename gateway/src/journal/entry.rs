//! What the alarm lane holds: transitions and what persons did, what the process went through, modes of areas, levels of the
//! site. Each is one JSON object; a field that is added has a default, one that is there keeps its name.

use serde::{Deserialize, Serialize};

use crate::clock;
use crate::flow::{AlarmEvent, Text};

/// What the alarm lane holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
#[expect(clippy::large_enum_variant, reason = "nearly all entries are alarms, and the ring holds them by reference")]
pub enum Entry {
    Alarm(AlarmEvent),
    /// A person (or a program in somebody's name) did something.
    Audit {
        at: i64,
        by: String,
        action: String,
        target: String,
        detail: String,
    },
    /// The process began: why, and how long it was off (`None`: the clock can't tell).
    Start {
        at: i64,
        version: String,
        cause: StartCause,
        off_ms: Option<i64>,
    },
    /// The process ended as asked.
    Stop {
        at: i64,
    },
    /// Records between these times may be missing, `at_most` of them: polled readings after an unclean stop; whatever the lane
    /// holds that `why` names, where a file was repaired.
    Gap {
        from: i64,
        to: i64,
        at_most: u64,
        why: String,
    },
    /// A mode of an area began or ended.
    Mode(ModeRecord),
    /// The site's warning level or risk colour moved.
    Level(LevelRecord),
    /// The gateway has something to say about itself: clock step, repair, sick disk, source restarted.
    Maintenance {
        at: i64,
        what: String,
        detail: String,
    },
}

impl Entry {
    /// The transition that it is, if it is one.
    pub fn into_alarm(self) -> Option<AlarmEvent> {
        match self {
            Self::Alarm(event) => Some(event),
            Self::Audit { .. }
            | Self::Start { .. }
            | Self::Stop { .. }
            | Self::Gap { .. }
            | Self::Mode(_)
            | Self::Level(_)
            | Self::Maintenance { .. } => None,
        }
    }

    /// The change of a mode that it is, if it is one.
    pub fn into_mode(self) -> Option<ModeRecord> {
        match self {
            Self::Mode(record) => Some(record),
            Self::Alarm(_)
            | Self::Audit { .. }
            | Self::Start { .. }
            | Self::Stop { .. }
            | Self::Gap { .. }
            | Self::Level(_)
            | Self::Maintenance { .. } => None,
        }
    }

    /// When it was said, UTC ms.
    pub fn at(&self) -> i64 {
        match self {
            Self::Alarm(event) => event.detected,
            Self::Mode(record) => record.at,
            Self::Level(record) => record.at,
            Self::Gap { to: at, .. }
            | Self::Audit { at, .. }
            | Self::Start { at, .. }
            | Self::Stop { at }
            | Self::Maintenance { at, .. } => *at,
        }
    }

    /// Makes times of its counts: the machine was booted at `booted`, UTC ms.
    pub(super) fn date(&mut self, booted: i64) {
        match self {
            Self::Alarm(event) => event.date(booted),
            Self::Mode(ModeRecord { at, began, until, .. }) => {
                for at in [at, began, until] {
                    clock::date(at, booted);
                }
            }
            Self::Level(LevelRecord { at, since, .. }) => {
                for at in [at, since] {
                    clock::date(at, booted);
                }
            }
            Self::Gap { from, to, .. } => [from, to].into_iter().for_each(|at| clock::date(at, booted)),
            Self::Audit { at, .. } | Self::Start { at, .. } | Self::Stop { at } | Self::Maintenance { at, .. } => {
                clock::date(at, booted);
            }
        }
    }

    pub fn is_alarm(&self) -> bool {
        matches!(self, Self::Alarm(_))
    }
}

/// The word for a mode that runs from here on.
pub const BEGUN: &str = "begun";

/// A mode of an area as the alarm lane keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModeRecord {
    /// When this was, UTC ms.
    pub at: i64,
    /// The area's name; empty for what stands in none.
    pub area: String,
    /// `walk-test`, `drill` or `maintenance`.
    pub mode: String,
    /// `begun`, `ended` or `expired`.
    pub change: String,
    /// Who began or ended it; `timer` where its time was over.
    pub by: String,
    pub reason: String,
    pub began: i64,
    /// When it ends by itself.
    pub until: i64,
    /// At the end of a walk-test: `device/point` of those that were tripped, and of those that were not.
    pub tripped: Vec<String>,
    pub untripped: Vec<String>,
}

/// The site's warning level or risk colour as the alarm lane keeps it. Times are UTC ms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelRecord {
    pub at: i64,
    /// `warning` or `risk`.
    pub scale: String,
    /// `rose`, `awaits` (a person's release), `fell` by time or `released` by a person.
    pub change: String,
    /// `none` (of warnings), `blue`, `yellow`, `orange`, `red`.
    pub from: String,
    pub to: String,
    /// `to` is where nothing speaks for more.
    pub base: bool,
    /// Since when it is not lower.
    pub since: i64,
    /// Its hold is over, and a person must let it fall.
    pub waiting: bool,
    /// Who released it; `facts` or `timer` where it was nobody.
    pub by: String,
    pub note: String,
    /// The row of the table that made it, 1 for the first, and in words.
    pub row: u32,
    pub why: Text,
    /// How many facts fulfilled it, and `rule@device/point` of the first of them.
    pub count: u32,
    pub alarms: Vec<String>,
}

/// Why the process started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StartCause {
    FirstStart,
    /// The last stop was asked for.
    CleanStop,
    /// The last run ended without saying so: crash, kill or power cut.
    UncleanStop,
    /// A lane could not be read and begins anew; the old file is set aside.
    Repair,
    /// The journal is a backup that was put in place since; what came after it is not there.
    Restored,
}
