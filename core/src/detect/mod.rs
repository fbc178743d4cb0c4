//! Detectors: from readings to a condition with an explanation. Each kind is a file with its
//! parameters, its plain `State` of known size, and three inputs: a value came, a value is lacking,
//! a deadline passed.
//!
//! One law for all: **unknown never clears and never cancels.** A bad reading neither ends an alarm
//! nor stops an on-delay that runs; only a value can.

pub mod hold;
pub mod block;
pub mod slope;
pub mod window;
pub mod calendar;
pub mod baseline;
pub mod limit;
pub mod digital;
pub mod trend;
pub mod absent;
pub mod vote;
pub mod cusum;
pub mod rhythm;
pub mod rate;
pub mod band;
pub mod frozen;
pub mod count;
pub mod dwell;
pub mod accumulated;
pub mod group;
pub mod drift;

use crate::time::Wall;

/// Parameters of one rule's detector.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Params {
    /// High or low limit, one or two levels.
    Limit(limit::Params),
    /// A state: contact, coil, mode number.
    Digital(digital::Params),
    /// Robust slope and time to limit.
    Trend(trend::Params),
    /// No usable value for too long.
    Absent(absent::Params),
    /// k of n conditions of other rules.
    Vote(vote::Params),
}

impl Params {
    /// How far back a fresh detector must be shown readings to be in the state an old one would be in, ms.
    pub fn memory_ms(&self) -> u64 {
        match self {
            Self::Limit(p) => p.memory_ms(),
            Self::Digital(p) => p.on_ms.max(p.off_ms),
            Self::Trend(p) => p.window_ms,
            Self::Absent(p) => p.bad_ms.max(p.silent_ms.unwrap_or(0)),
            Self::Vote(p) => p.memory_ms(),
        }
    }

    /// The line of a level, where the detector has one.
    pub fn limit(&self, level: u8) -> Option<f64> {
        match self {
            Self::Limit(p) => Some(p.second.filter(|_| level > 0).unwrap_or(p.first).limit),
            Self::Digital(p) => Some(p.is),
            Self::Trend(p) => Some(p.limit),
            Self::Vote(p) => Some(f64::from(p.need)),
            Self::Absent(_) => None,
        }
    }

    /// Whether it is the point's own value that it looks at, and not the lack of one or what other rules say.
    pub const fn measures(&self) -> bool {
        match self {
            Self::Limit(_) | Self::Digital(_) | Self::Trend(_) => true,
            Self::Absent(_) | Self::Vote(_) => false,
        }
    }

    /// Whether its alarms foretell a limit instead of reporting one.
    pub const fn predictive(&self) -> bool {
        matches!(self, Self::Trend(_))
    }
}

/// A condition that stands, and why.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    /// 0, or 1 for the second level.
    pub level: u8,
    /// Time of the reading that began it.
    pub onset: Wall,
    /// The line that was crossed (or will be), in the point's unit.
    pub limit: Option<f64>,
    /// Predictive detectors: milliseconds until the limit.
    pub time_to_limit: Option<u64>,
}
