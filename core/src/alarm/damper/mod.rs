//! The chatter damper for people's channels: an alarm that comes and goes all the time is told in its beginning, then now
//! and then, with the number of steps in between, instead of each time. It decides and keeps nothing but the name of what
//! it holds; a machine's channel has no use for it.
//!
//! ```text
//!                     a raise or return that is one too many
//!  Open (each is sent) ────────────────────────────────────▶ Holding (latest, skipped, since, last)
//!        ▲                                                     │  ▲ │ raise or return: it is the latest now
//!        │                                                     │  └─┘
//!        ├───── quiet for `within_ms`, or held for `hold_ms`: the latest is released
//!        └───── anything that is never held: it is sent at once, and tells what was held
//! ```
//! Never held: the first raise of an alarm or the first after it was normal, whatever is critical, an escalation, and what
//! is neither raise nor return. Nothing is lost: a held run ends with the latest of its steps, or with a later one that is sent at once; the
//! last word of an alarm is said before the first of the next. So the order is kept, and the last state always gets out.

use super::recent::Recent;
use super::{AlarmId, Priority};
use crate::time::Mono;

pub use super::recent::Pace;

/// When it holds, and for how long at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Params {
    /// From so many steps on it holds; `within_ms` of quiet ends it.
    pub pace: Pace,
    /// A held run ends after this at the latest, ms.
    pub hold_ms: u64,
}

impl Default for Params {
    /// Held is what ISA-18.2 / IEC 62682 call chattering. 10 min, the width of the standard's windows, is this product's.
    fn default() -> Self {
        Self { pace: Pace::default(), hold_ms: 600_000 }
    }
}

/// What kind of step it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The condition came.
    Raise {
        /// The alarm was normal before: it is its first, or the first since.
        fresh: bool,
    },
    /// The condition went.
    Return,
    /// A higher level was reached, or it rings again because nobody came.
    Escalate,
    /// Anything else: what a person did, the end of a shelf, a suppression. They are rare and are not repeated.
    Other,
}

/// Which step: the key of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The alarm.
    pub id: AlarmId,
    /// Number of the transition, 1 for the first.
    pub number: u32,
}

/// A step of the alarm of one binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Its name.
    pub key: Key,
    /// What happened.
    pub kind: Kind,
    /// As it is announced.
    pub priority: Priority,
}

impl Step {
    const fn may_be_held(&self) -> bool {
        let steady = match self.kind {
            Kind::Raise { fresh } => !fresh,
            Kind::Return => true,
            Kind::Escalate | Kind::Other => false,
        };
        steady && self.key.number > 1 && !matches!(self.priority, Priority::Critical)
    }

    const fn alternates(&self) -> bool {
        matches!(self.kind, Kind::Raise { .. } | Kind::Return)
    }
}

/// Steps that were not sent, to be told with the one that is: "held 7 in 60 s".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// How many, without the one that is sent.
    pub count: u32,
    /// Since the first that was held, ms.
    pub for_ms: u64,
}

/// The latest of a held run, to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    /// Which step.
    pub key: Key,
    /// When it was due.
    pub at: Mono,
    /// Those before it that were not sent.
    pub held: Held,
}

/// What to do with a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Send it now, and tell what was held before it, if anything was.
    Send(Option<Held>),
    /// Keep it back. Without a word until then it is released.
    Hold(Mono),
}

/// The answer to a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// To be sent before anything else: it was due, or is the last word of the alarm before.
    pub first: Option<Release>,
    /// The step itself.
    pub decision: Decision,
}

/// The machine drawn above, of one binding on one channel; 72 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Damper {
    recent: Recent,
    state: State,
}

const _: () = assert!(size_of::<Damper>() <= 72);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Open,
    Holding {
        latest: Key,
        /// Held before the latest.
        skipped: u32,
        since: Mono,
        last: Mono,
    },
}

impl Damper {
    /// A step came.
    pub fn decide(&mut self, params: &Params, step: &Step, now: Mono) -> Answer {
        let due = self.expire(params, now);
        let rapid = step.alternates() && self.recent.add(params.pace, now);
        let (holds, other) = match self.state {
            State::Open => (rapid, false),
            State::Holding { latest, .. } => (true, latest.id != step.key.id),
        };
        // The last word of the alarm before is no less said because the next one is here.
        let parting = if other { self.release(now) } else { None };
        let decision = if holds && step.may_be_held() { self.hold(params, step.key, now) } else { self.send(now) };
        // Both at once can't be: what was due has left nothing to part with.
        Answer { first: due.or(parting), decision }
    }

    /// Time passed; what is due is to be sent.
    pub fn expire(&mut self, params: &Params, now: Mono) -> Option<Release> {
        let due = self.deadline(params).filter(|due| *due <= now)?;
        self.release(due)
    }

    /// When what is held is due.
    pub fn deadline(&self, params: &Params) -> Option<Mono> {
        match self.state {
            State::Open => None,
            State::Holding { since, last, .. } => {
                Some(last.plus(params.pace.within_ms).min(since.plus(params.hold_ms)))
            }
        }
    }

    fn hold(&mut self, params: &Params, latest: Key, now: Mono) -> Decision {
        let (skipped, since) = match self.state {
            State::Open => (0, now),
            State::Holding { skipped, since, .. } => (skipped.saturating_add(1), since),
        };
        self.state = State::Holding { latest, skipped, since, last: now };
        Decision::Hold(self.deadline(params).unwrap_or(now))
    }

    /// One that is not held ends the run: it says what came before it.
    fn send(&mut self, now: Mono) -> Decision {
        match core::mem::take(&mut self.state) {
            State::Open => Decision::Send(None),
            State::Holding { skipped, since, .. } => {
                Decision::Send(Some(Held { count: skipped.saturating_add(1), for_ms: now.since(since) }))
            }
        }
    }

    fn release(&mut self, at: Mono) -> Option<Release> {
        match core::mem::take(&mut self.state) {
            State::Open => None,
            State::Holding { latest, skipped, since, .. } => {
                Some(Release { key: latest, at, held: Held { count: skipped, for_ms: at.since(since) } })
            }
        }
    }
}

#[cfg(test)]
mod tests;
