//! The life of an alarm, the states A to F of ISA-18.2 / IEC 62682:
//!
//! ```text
//!               raise                     acknowledge
//!  A normal ───────────▶ B unacknowledged ───────────▶ C acknowledged
//!     ▲                     │  ▲      ▲                   │      │
//!     │                     │  │      └─ escalate, re-alarm ┘    │
//!     │            return   │  │ raise                           │ return
//!     │          ┌──────────┴──┴──────────┐                      │
//!     │          ▼ (plain)                ▼ (latching)           │
//!     │◀─── D returned               E latched ──▶ F latched-    │
//!     │   acknowledge              acknowledge     acknowledged ◀┤ (latching)
//!     │◀───────────────────────────────────────────── reset      │
//!     │◀─────────────────────────────────────────────────────────┘ (plain)
//! ```
//! D, E and F go back to B by `raise` when the condition comes again: the same alarm, one transition more.
//! Reset without acknowledgement is refused: acknowledge first. G to I are no part of a life: see [`super::state`].

use super::state::Refusal;
use super::{EventName, StateName};
use crate::time::Mono;

/// The state, with the data that is valid in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Life {
    /// A
    #[default]
    Normal,
    /// B
    Unacknowledged,
    /// C
    Acknowledged {
        /// When it is to ring again if it still stands.
        again: Option<Mono>,
    },
    /// D
    Returned,
    /// E
    Latched,
    /// F
    LatchedAcknowledged,
}

/// Where a step leads, and what it is called.
pub(super) type Stepped = Option<(Life, EventName)>;

impl Life {
    /// The word for it.
    pub const fn name(self) -> StateName {
        match self {
            Self::Normal => StateName::Normal,
            Self::Unacknowledged => StateName::Unacknowledged,
            Self::Acknowledged { .. } => StateName::Acknowledged,
            Self::Returned => StateName::Returned,
            Self::Latched => StateName::Latched,
            Self::LatchedAcknowledged => StateName::LatchedAcknowledged,
        }
    }

    /// The life of this name; how a journal's fold becomes a life again. G to I are none.
    pub const fn named(name: StateName, again: Option<Mono>) -> Option<Self> {
        match name {
            StateName::Normal => Some(Self::Normal),
            StateName::Unacknowledged => Some(Self::Unacknowledged),
            StateName::Acknowledged => Some(Self::Acknowledged { again }),
            StateName::Returned => Some(Self::Returned),
            StateName::Latched => Some(Self::Latched),
            StateName::LatchedAcknowledged => Some(Self::LatchedAcknowledged),
            StateName::Shelved | StateName::Suppressed | StateName::OutOfService => None,
        }
    }

    /// Whether the condition stands as far as the alarm knows.
    pub const fn active(self) -> bool {
        match self {
            Self::Unacknowledged | Self::Acknowledged { .. } => true,
            Self::Normal | Self::Returned | Self::Latched | Self::LatchedAcknowledged => false,
        }
    }

    /// The condition stands; `louder`: at a level that is news to whoever has seen it.
    pub(super) const fn breach(self, higher: bool, louder: bool) -> Stepped {
        match self {
            Self::Normal | Self::Returned | Self::Latched | Self::LatchedAcknowledged => {
                Some((Self::Unacknowledged, EventName::Raise))
            }
            Self::Unacknowledged if higher => Some((Self::Unacknowledged, EventName::Escalate)),
            Self::Acknowledged { .. } if louder => Some((Self::Unacknowledged, EventName::Escalate)),
            Self::Unacknowledged | Self::Acknowledged { .. } => None,
        }
    }

    /// The condition is over.
    pub(super) const fn over(self, latching: bool) -> Stepped {
        let life = match (self, latching) {
            (Self::Unacknowledged, false) => Self::Returned,
            (Self::Unacknowledged, true) => Self::Latched,
            (Self::Acknowledged { .. }, false) => Self::Normal,
            (Self::Acknowledged { .. }, true) => Self::LatchedAcknowledged,
            (Self::Normal | Self::Returned | Self::Latched | Self::LatchedAcknowledged, _) => return None,
        };
        Some((life, EventName::Return))
    }

    pub(super) const fn acknowledge(self, again: Option<Mono>) -> Result<Self, Refusal> {
        match self {
            Self::Normal => Err(Refusal::NothingToAcknowledge),
            Self::Acknowledged { .. } | Self::LatchedAcknowledged => Err(Refusal::AlreadyAcknowledged),
            Self::Unacknowledged => Ok(Self::Acknowledged { again }),
            Self::Returned => Ok(Self::Normal),
            Self::Latched => Ok(Self::LatchedAcknowledged),
        }
    }

    pub(super) const fn reset(self) -> Result<Self, Refusal> {
        match self {
            Self::Latched => Err(Refusal::AcknowledgeFirst),
            Self::Normal | Self::Unacknowledged | Self::Acknowledged { .. } | Self::Returned => {
                Err(Refusal::NotLatched)
            }
            Self::LatchedAcknowledged => Ok(Self::Normal),
        }
    }

    /// It is announced again after a time in which it was not: what stands is new to people, what is held stays held.
    pub(super) const fn announced(self) -> Self {
        match self {
            Self::Unacknowledged | Self::Acknowledged { .. } => Self::Unacknowledged,
            Self::Latched | Self::LatchedAcknowledged => Self::Latched,
            Self::Normal | Self::Returned => Self::Normal,
        }
    }

    /// When it rings again by itself.
    pub(super) const fn deadline(self) -> Option<Mono> {
        match self {
            Self::Acknowledged { again } => again,
            Self::Normal | Self::Unacknowledged | Self::Returned | Self::Latched | Self::LatchedAcknowledged => None,
        }
    }
}
