//! Hold: on-delay and off-delay around any yes-or-no, the debouncing every detector shares.
//!
//! ```text
//!            danger             on-delay over
//!  Normal ──────────▶ Pending ────────────────▶ Breach ◀──────────┐
//!    ▲  ▲               │ safe or between         │ safe          │ danger, between or unknown
//!    │  └───────────────┘                         ▼               │
//!    └──────────────────────────────────────── Clearing ──────────┘
//!                    off-delay over
//! ```
//! Unknown leaves `Pending` running (it never cancels) and stops `Clearing` (it never clears).

use crate::time::{Mono, Now, Wall};

/// What the latest value says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Side {
    /// Beyond the limit.
    Danger,
    /// Inside the limit but not yet beyond the clearing line.
    Between,
    /// On the safe side of the clearing line.
    Safe,
    /// There is no value.
    Unknown,
}

/// On-delay and off-delay in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delays {
    /// How long danger must last.
    pub on_ms: u64,
    /// How long safety must last.
    pub off_ms: u64,
}

/// The machine drawn above; 24 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Hold {
    /// Nothing.
    #[default]
    Normal,
    /// Danger that has not lasted yet.
    Pending {
        /// Time of the reading that began it.
        onset: Wall,
        /// The same moment on the counter.
        from: Mono,
    },
    /// The condition stands.
    Breach {
        /// Time of the reading that began it.
        onset: Wall,
    },
    /// The condition stands still, but safety has begun.
    Clearing {
        /// Time of the reading that began the condition.
        onset: Wall,
        /// When safety began.
        from: Mono,
    },
}

impl Hold {
    /// When the condition began, while it stands.
    pub const fn standing(self) -> Option<Wall> {
        match self {
            Self::Breach { onset } | Self::Clearing { onset, .. } => Some(onset),
            Self::Normal | Self::Pending { .. } => None,
        }
    }

    /// When a delay that runs will be over.
    pub const fn deadline(self, delays: Delays) -> Option<Mono> {
        match self {
            Self::Pending { from, .. } => Some(from.plus(delays.on_ms)),
            Self::Clearing { from, .. } => Some(from.plus(delays.off_ms)),
            Self::Normal | Self::Breach { .. } => None,
        }
    }

    /// A value (or the lack of one) came; `at` is the reading's time.
    #[must_use]
    #[inline]
    pub fn drive(self, side: Side, at: Wall, now: Now, delays: Delays) -> Self {
        let next = match (self, side) {
            (Self::Normal, Side::Danger) => Self::Pending { onset: at, from: now.mono },
            (Self::Pending { .. }, Side::Between | Side::Safe) => Self::Normal,
            (Self::Breach { onset }, Side::Safe) => Self::Clearing { onset, from: now.mono },
            (Self::Clearing { onset, .. }, Side::Danger | Side::Between | Side::Unknown) => Self::Breach { onset },
            (Self::Normal, Side::Between | Side::Safe | Side::Unknown)
            | (Self::Pending { .. }, Side::Danger | Side::Unknown)
            | (Self::Breach { .. }, Side::Danger | Side::Between | Side::Unknown)
            | (Self::Clearing { .. }, Side::Safe) => self,
        };
        // A delay of zero is over at once.
        next.expire(now.mono, delays)
    }

    /// After a restart: an off-delay that ran out while nobody listened is no proof of safety.
    #[must_use]
    pub fn doubt(self, mono: Mono, delays: Delays) -> Self {
        match (self, self.deadline(delays)) {
            (Self::Clearing { onset, .. }, Some(due)) if due <= mono => Self::Breach { onset },
            (hold, _) => hold,
        }
    }

    /// The counter reached `mono`.
    #[must_use]
    #[inline]
    pub fn expire(self, mono: Mono, delays: Delays) -> Self {
        match (self, self.deadline(delays)) {
            (Self::Pending { onset, .. }, Some(due)) if due <= mono => Self::Breach { onset },
            (Self::Clearing { .. }, Some(due)) if due <= mono => Self::Normal,
            (hold, _) => hold,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const D: Delays = Delays { on_ms: 10, off_ms: 20 };

    fn at(ms: u64) -> Now {
        Now { mono: Mono(ms), wall: Wall(1000 + ms as i64) }
    }

    fn drive(hold: Hold, side: Side, ms: u64) -> Hold {
        hold.drive(side, at(ms).wall, at(ms), D)
    }

    #[test]
    fn danger_must_last() {
        let pending = drive(Hold::Normal, Side::Danger, 0);
        assert_eq!(pending, Hold::Pending { onset: Wall(1000), from: Mono(0) });
        assert_eq!(pending.expire(Mono(9), D), pending);
        assert_eq!(pending.expire(Mono(10), D), Hold::Breach { onset: Wall(1000) });
        assert_eq!(drive(pending, Side::Between, 5), Hold::Normal);
    }

    #[test]
    fn unknown_never_cancels_and_never_clears() {
        let pending = drive(Hold::Normal, Side::Danger, 0);
        assert_eq!(drive(pending, Side::Unknown, 5), pending);
        let breach = Hold::Breach { onset: Wall(7) };
        assert_eq!(drive(drive(breach, Side::Safe, 0), Side::Unknown, 5), breach);
    }

    #[test]
    fn safety_must_last_too() {
        let clearing = drive(Hold::Breach { onset: Wall(7) }, Side::Safe, 100);
        assert_eq!(clearing.standing(), Some(Wall(7)));
        assert_eq!(drive(clearing, Side::Between, 110), Hold::Breach { onset: Wall(7) });
        assert_eq!(clearing.expire(Mono(119), D), clearing);
        assert_eq!(clearing.expire(Mono(120), D), Hold::Normal);
    }

    #[test]
    fn no_delay_is_no_delay() {
        let none = Delays { on_ms: 0, off_ms: 0 };
        let breach = Hold::Normal.drive(Side::Danger, Wall(3), at(0), none);
        assert_eq!(breach, Hold::Breach { onset: Wall(3) });
        assert_eq!(breach.drive(Side::Safe, Wall(4), at(1), none), Hold::Normal);
    }
}
