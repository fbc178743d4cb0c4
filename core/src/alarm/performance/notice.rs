//! What performance says by itself: a flood or a chattering alarm that begins and ends.

use crate::time::Now;

/// What began or ended, for the journal and for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// More alarms in a window than anybody can handle.
    FloodBegan {
        /// When.
        at: Now,
        /// Alarms in the window.
        count: u32,
    },
    /// It is over.
    FloodEnded {
        /// When.
        at: Now,
        /// When it had begun.
        since: Now,
        /// Most alarms in one window.
        peak: u32,
        /// Alarms in all.
        count: u32,
    },
    /// An alarm comes and goes too often.
    ChatterBegan {
        /// When.
        at: Now,
        /// Whose.
        binding: u32,
    },
    /// It has been quiet again.
    ChatterEnded {
        /// When: that long after the last transition.
        at: Now,
        /// Whose.
        binding: u32,
        /// How long it lasted, ms.
        lasted_ms: u64,
        /// Transitions between alarm and normal.
        transitions: u32,
    },
}

impl Notice {
    /// When.
    pub const fn at(&self) -> Now {
        match *self {
            Self::FloodBegan { at, .. }
            | Self::FloodEnded { at, .. }
            | Self::ChatterBegan { at, .. }
            | Self::ChatterEnded { at, .. } => at,
        }
    }
}
