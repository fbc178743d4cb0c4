//! Detectors: from readings to a condition with an explanation. Each kind is a file with its
//! parameters, its plain `State` of known size, and two entry points: a reading came, a deadline passed.
//!
//! One law for all: **unknown never clears and never cancels.** A bad reading neither ends an alarm
//! nor stops an on-delay that runs; only a value can.

pub mod limit;
pub mod digital;
pub mod trend;
pub mod absent;

use crate::alarm::Explanation;

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
}

/// What a detector says after an input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// Nothing changed.
    Same,
    /// The condition stands at `level`; also sent again when the level rises.
    Breach {
        /// 0 or 1.
        level: u8,
        /// Why.
        why: Explanation,
    },
    /// The condition is over.
    Normal {
        /// Why.
        why: Explanation,
    },
}
