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
pub mod rate;
pub mod band;
pub mod frozen;
pub mod count;
pub mod dwell;
pub mod accumulated;
pub mod rhythm;
pub mod drift;
pub mod habit;
pub mod sibling;
pub mod residual;
pub mod ratio;
pub mod group;
mod kind;

pub(crate) use kind::{Kind, Known};

use crate::time::{Now, Wall};

/// Beyond this a number is no measurement to what learns; squares of it still fit.
const SENSIBLE: f64 = 1e30;

/// Whether a value may be learned from: finite, and of a size that something has.
pub(crate) fn is_sensible(value: f64) -> bool {
    libm::fabs(value) <= SENSIBLE
}

/// Parameters of one rule's detector.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
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
    /// Limits on both sides.
    Band(band::Params),
    /// Too fast a change.
    Rate(rate::Params),
    /// A value that does not move although it should.
    Frozen(frozen::Params),
    /// Too often within a time.
    Count(count::Params),
    /// A state held for too long.
    Dwell(dwell::Params),
    /// Too much within a time.
    Accumulated(accumulated::Params),
    /// Starts out of their rhythm.
    Rhythm(rhythm::Params),
    /// A slow leave-taking from what is usual.
    Drift(drift::Params),
    /// What a stream never did.
    Habit(habit::Params),
    /// Two readings that should say the same and do not.
    Sibling(sibling::Params),
    /// What a load does not explain.
    Residual(residual::Params),
    /// A share of one counter in another.
    Ratio(ratio::Params),
    /// Several points of one machine, together.
    Group(group::Params),
}

/// State of one rule on one point, whatever its kind: to be kept beyond a run, or carried over to other tables.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(missing_docs, reason = "each is the state of its kind")]
#[expect(clippy::large_enum_variant, reason = "core does not allocate, and a state is seldom taken out")]
pub enum State {
    Limit(limit::State),
    Digital(digital::State),
    Trend(trend::State),
    Absent(absent::State),
    Vote(vote::State),
    Band(band::State),
    Rate(rate::State),
    Frozen(frozen::State),
    Count(count::State),
    Dwell(dwell::State),
    Accumulated(accumulated::State),
    Rhythm(rhythm::State),
    Drift(drift::State),
    Habit(habit::State),
    Sibling(sibling::State),
    Residual(residual::State),
    Ratio(ratio::State),
    Group(group::State),
}

/// A detector that learns remembers more than any journal is read back for: its state is kept.
pub const LEARNED: u64 = u64::MAX;

impl Params {
    /// How far back a fresh detector must be shown readings to be in the state an old one would be in, ms; [`LEARNED`]:
    /// farther than is ever read.
    pub fn memory_ms(&self) -> u64 {
        match self {
            Self::Limit(p) => p.memory_ms(),
            Self::Digital(p) => p.on_ms.max(p.off_ms),
            Self::Trend(p) => p.window_ms,
            Self::Absent(p) => p.bad_ms.max(p.silent_ms.unwrap_or(0)),
            Self::Vote(p) => p.memory_ms(),
            Self::Band(p) => p.memory_ms(),
            Self::Rate(p) => p.window_ms,
            Self::Frozen(p) => p.for_ms,
            Self::Count(p) => p.window_ms,
            Self::Dwell(p) => p.hold_ms.saturating_add(p.forgive_ms),
            Self::Accumulated(p) => p.window_ms,
            Self::Sibling(p) => p.memory_ms(),
            Self::Rhythm(_) | Self::Drift(_) | Self::Habit(_) | Self::Residual(_) | Self::Ratio(_) | Self::Group(_) => {
                LEARNED
            }
        }
    }

    /// The line of a level, where the detector has one.
    pub fn limit(&self, level: u8) -> Option<f64> {
        match self {
            Self::Limit(p) => p.line(level),
            Self::Digital(p) => Some(p.is),
            Self::Trend(p) => Some(p.limit),
            Self::Vote(p) => Some(f64::from(p.need)),
            Self::Rate(p) => Some(p.per_hour),
            Self::Count(p) => Some(p.limit),
            Self::Dwell(p) => Some(p.is),
            Self::Accumulated(p) => Some(p.limit),
            Self::Sibling(p) => Some(p.limit),
            // Of a band only what stands tells which line it is.
            Self::Band(_)
            | Self::Absent(_)
            | Self::Frozen(_)
            | Self::Rhythm(_)
            | Self::Drift(_)
            | Self::Habit(_)
            | Self::Residual(_)
            | Self::Ratio(_)
            | Self::Group(_) => None,
        }
    }

    /// Whether a level begins at this line.
    pub fn has_line(&self, level: u8, limit: Option<f64>) -> bool {
        match self {
            Self::Band(p) => p.low.line(level) == limit || p.high.line(level) == limit,
            Self::Limit(_)
            | Self::Digital(_)
            | Self::Trend(_)
            | Self::Absent(_)
            | Self::Vote(_)
            | Self::Rate(_)
            | Self::Frozen(_)
            | Self::Count(_)
            | Self::Dwell(_)
            | Self::Accumulated(_)
            | Self::Rhythm(_)
            | Self::Drift(_)
            | Self::Habit(_)
            | Self::Sibling(_)
            | Self::Residual(_)
            | Self::Ratio(_)
            | Self::Group(_) => self.limit(level) == limit,
        }
    }

    /// Whether it is the point's own value that it looks at, and not the lack of one or what other rules say.
    pub const fn measures(&self) -> bool {
        match self {
            Self::Absent(_) | Self::Vote(_) => false,
            Self::Limit(_)
            | Self::Digital(_)
            | Self::Trend(_)
            | Self::Band(_)
            | Self::Rate(_)
            | Self::Frozen(_)
            | Self::Count(_)
            | Self::Dwell(_)
            | Self::Accumulated(_)
            | Self::Rhythm(_)
            | Self::Drift(_)
            | Self::Habit(_)
            | Self::Sibling(_)
            | Self::Residual(_)
            | Self::Ratio(_)
            | Self::Group(_) => true,
        }
    }

    /// How many points it looks at: its own, and those beside it.
    pub const fn points(&self) -> u8 {
        match self {
            Self::Sibling(_) | Self::Residual(_) | Self::Ratio(_) => 2,
            Self::Group(params) => params.channels,
            Self::Limit(_)
            | Self::Digital(_)
            | Self::Trend(_)
            | Self::Absent(_)
            | Self::Vote(_)
            | Self::Band(_)
            | Self::Rate(_)
            | Self::Frozen(_)
            | Self::Count(_)
            | Self::Dwell(_)
            | Self::Accumulated(_)
            | Self::Rhythm(_)
            | Self::Drift(_)
            | Self::Habit(_) => 1,
        }
    }

    /// Whether its alarms foretell a danger instead of reporting one.
    pub const fn predictive(&self) -> bool {
        match self {
            Self::Trend(_)
            | Self::Rate(_)
            | Self::Rhythm(_)
            | Self::Drift(_)
            | Self::Habit(_)
            | Self::Residual(_)
            | Self::Ratio(_)
            | Self::Group(_) => true,
            Self::Limit(_)
            | Self::Digital(_)
            | Self::Absent(_)
            | Self::Vote(_)
            | Self::Band(_)
            | Self::Frozen(_)
            | Self::Count(_)
            | Self::Dwell(_)
            | Self::Accumulated(_)
            | Self::Sibling(_) => false,
        }
    }

    /// Whether its memory is made of samples: an old value told again is none, and after a restart old readings fill it,
    /// whatever the alarm lane knows of the condition. The others' memory is the condition.
    pub const fn samples(&self) -> bool {
        match self {
            Self::Trend(_)
            | Self::Rate(_)
            | Self::Frozen(_)
            | Self::Count(_)
            | Self::Accumulated(_)
            | Self::Rhythm(_)
            | Self::Drift(_)
            | Self::Habit(_)
            | Self::Sibling(_)
            | Self::Residual(_)
            | Self::Ratio(_)
            | Self::Group(_) => true,
            Self::Limit(_) | Self::Digital(_) | Self::Absent(_) | Self::Vote(_) | Self::Band(_) | Self::Dwell(_) => {
                false
            }
        }
    }

    /// Whether it is given history as of when that was true: what it counts, sums up or spaces then lies where it belongs. The
    /// delays of a condition run by the present, and the words of several points come in one order, that of their arrival.
    pub const fn dates(&self) -> bool {
        match self {
            Self::Trend(_)
            | Self::Rate(_)
            | Self::Frozen(_)
            | Self::Count(_)
            | Self::Accumulated(_)
            | Self::Rhythm(_)
            | Self::Drift(_)
            | Self::Habit(_) => true,
            Self::Limit(_)
            | Self::Digital(_)
            | Self::Absent(_)
            | Self::Vote(_)
            | Self::Band(_)
            | Self::Dwell(_)
            | Self::Sibling(_)
            | Self::Residual(_)
            | Self::Ratio(_)
            | Self::Group(_) => false,
        }
    }

    /// The state of one that has heard nothing by `now`.
    pub fn fresh(&self, now: Now) -> State {
        match self {
            Self::Limit(_) => State::Limit(limit::State::default()),
            Self::Digital(_) => State::Digital(digital::State::default()),
            Self::Trend(_) => State::Trend(trend::State::default()),
            Self::Absent(_) => State::Absent(absent::State::listening(now)),
            Self::Vote(_) => State::Vote(vote::State::listening(now)),
            Self::Band(_) => State::Band(band::State::default()),
            Self::Rate(_) => State::Rate(rate::State::default()),
            Self::Frozen(_) => State::Frozen(frozen::State::default()),
            Self::Count(_) => State::Count(count::State::default()),
            Self::Dwell(_) => State::Dwell(dwell::State::default()),
            Self::Accumulated(_) => State::Accumulated(accumulated::State::default()),
            Self::Rhythm(_) => State::Rhythm(rhythm::State::default()),
            Self::Drift(_) => State::Drift(drift::State::default()),
            Self::Habit(_) => State::Habit(habit::State::default()),
            Self::Sibling(_) => State::Sibling(sibling::State::default()),
            Self::Residual(_) => State::Residual(residual::State::default()),
            Self::Ratio(_) => State::Ratio(ratio::State::default()),
            Self::Group(_) => State::Group(group::State::default()),
        }
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
