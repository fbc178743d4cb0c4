//! What people see of an alarm, as it is announced, seen and gone:
//!
//! ```text
//!         raise, ring            acknowledge
//!  Quiet ────────────▶ Ringing ──────────────▶ Seen
//!    ▲  ▲                │  ▲ ▲                │ │
//!    │  │         return │  │ └─ raise, ring ───┘ │
//!    │  │                ▼  │ raise, ring         │
//!    │  └─────────────── Gone ─── acknowledge ───▶│ (latched: Seen until reset)
//!    │    acknowledge                             │
//!    └─────────────── return, reset ──────────────┘        any: shelve, hide ──▶ Quiet
//! ```

use crate::time::Mono;

/// What happened to an alarm, as far as it matters here. Of an alarm that is not annunciated (shelved, suppressed, out of
/// service) only the steps out of it and back are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Its condition came and it rings.
    Raise,
    /// It rings again, or still, without the condition having come: escalated, re-alarmed, back from a shelf.
    Ring,
    /// The condition went; `latched`: it stays on the list until reset.
    Return {
        /// Held until reset.
        latched: bool,
    },
    /// A person has seen it.
    Acknowledge,
    /// A person released the latch.
    Reset,
    /// A person put it on the shelf: it is not annunciated.
    Shelve,
    /// Its time on the shelf is over. If it rings then, a `Ring` follows.
    Unshelve,
    /// Suppressed by design, or taken out of service: it is not annunciated until a `Ring` or `Raise`.
    Hide,
}

/// The machine drawn above, with the times that are valid in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Life {
    /// Nothing is announced.
    #[default]
    Quiet,
    /// Announced, and nobody has seen it.
    Ringing {
        /// Announced since.
        since: Mono,
        /// Unseen since: the ring that is to be acknowledged.
        rung: Mono,
    },
    /// Gone or held by its latch, and nobody has seen it.
    Gone {
        /// As above.
        since: Mono,
        /// As above.
        rung: Mono,
        /// Held until reset.
        latched: bool,
    },
    /// Somebody has seen it.
    Seen {
        /// As above.
        since: Mono,
    },
}

/// What a step says beside the state it leads to.
pub(super) enum Told {
    Nothing,
    /// Unseen for as long as this, ms.
    Waited(u64),
    /// Gone unseen after this, ms.
    Left(u64),
}

impl Life {
    pub(super) fn step(self, kind: Kind, mono: Mono) -> (Self, Told) {
        match (kind, self) {
            (Kind::Raise | Kind::Ring, Self::Quiet) => (Self::Ringing { since: mono, rung: mono }, Told::Nothing),
            (Kind::Raise | Kind::Ring, Self::Seen { since }) => (Self::Ringing { since, rung: mono }, Told::Nothing),
            // Unseen is unseen: it is counted from the first ring.
            (Kind::Raise | Kind::Ring, Self::Ringing { since, rung } | Self::Gone { since, rung, .. }) => {
                (Self::Ringing { since, rung }, Told::Nothing)
            }
            (Kind::Return { latched }, Self::Ringing { since, rung }) => {
                (Self::Gone { since, rung, latched }, Told::Left(mono.since(since)))
            }
            (Kind::Return { latched: true }, Self::Seen { since }) => (Self::Seen { since }, Told::Nothing),
            (Kind::Return { latched: false } | Kind::Reset, Self::Seen { .. }) => (Self::Quiet, Told::Nothing),
            (Kind::Acknowledge, Self::Ringing { since, rung } | Self::Gone { since, rung, latched: true }) => {
                (Self::Seen { since }, Told::Waited(mono.since(rung)))
            }
            (Kind::Acknowledge, Self::Gone { rung, latched: false, .. }) => {
                (Self::Quiet, Told::Waited(mono.since(rung)))
            }
            (Kind::Shelve | Kind::Hide, Self::Quiet | Self::Ringing { .. } | Self::Gone { .. } | Self::Seen { .. }) => {
                (Self::Quiet, Told::Nothing)
            }
            (Kind::Return { .. }, Self::Quiet | Self::Gone { .. })
            | (Kind::Acknowledge, Self::Quiet | Self::Seen { .. })
            | (Kind::Reset, Self::Quiet | Self::Ringing { .. } | Self::Gone { .. })
            | (Kind::Unshelve, Self::Quiet | Self::Ringing { .. } | Self::Gone { .. } | Self::Seen { .. }) => {
                (self, Told::Nothing)
            }
        }
    }

    pub(super) const fn since(self) -> Option<Mono> {
        match self {
            Self::Quiet => None,
            Self::Ringing { since, .. } | Self::Gone { since, .. } | Self::Seen { since } => Some(since),
        }
    }
}
