//! The ladder: how the level of a scale moves. Each level above the base is a rung with a life of its own, and the level is
//! the highest rung that is not silent. A rung is reached by every fact that justifies its level or one above it.
//!
//! ```text
//!            reached                 no more reached
//!  Silent ───────────▶ Reached ────────────────────────▶ Lapsing
//!    ▲                   ▲  ▲         reached              │  │
//!    │                   │  └──────────────────────────────┘  │ `down_ms` over
//!    │                   │ reached                            │
//!    │                   └───────────── Waiting ◀─────────────┤ needs a person
//!    │                 a person releases   │                  │
//!    └─────────────────────────────────────┴──────────────────┘ needs nobody
//! ```
//! So a level rises at once, falls when nothing has justified it for the whole hold, and then to the highest one that still
//! has something for it.

use super::Scale;
use super::table::{Basis, Facts, Table, earliest};
use crate::time::{Mono, Now};

/// Levels above the base, at most.
pub(super) const RUNGS: usize = 4;

/// Who lets a level fall once the hold is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Down<L> {
    /// Time alone.
    ByItself,
    /// A person, from this level on; time alone below it.
    ByPersonFrom(L),
}

/// One rung, drawn above; 80 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Rung {
    /// Nothing speaks for it.
    #[default]
    Silent,
    /// Facts justify it.
    Reached {
        /// Since when the rung is not silent.
        since: Now,
        /// The facts that do so now.
        basis: Basis,
    },
    /// They did, and the hold runs.
    Lapsing {
        /// As above.
        since: Now,
        /// The last facts that did so.
        basis: Basis,
        /// When they went.
        from: Now,
    },
    /// The hold is over, and a person must say so.
    Waiting {
        /// As above.
        since: Now,
        /// As above.
        basis: Basis,
        /// As above.
        from: Now,
    },
}

const _: () = assert!(size_of::<Rung>() <= 80);

impl Rung {
    fn step(self, reached: Option<Basis>, now: Now) -> Self {
        match (self, reached) {
            (Self::Silent, None) => Self::Silent,
            (Self::Silent, Some(basis)) => Self::Reached { since: now, basis },
            (Self::Reached { since, .. } | Self::Lapsing { since, .. } | Self::Waiting { since, .. }, Some(basis)) => {
                Self::Reached { since, basis }
            }
            (Self::Reached { since, basis }, None) => Self::Lapsing { since, basis, from: now },
            (Self::Lapsing { since, basis, from }, None) => Self::Lapsing { since, basis, from },
            (Self::Waiting { since, basis, from }, None) => Self::Waiting { since, basis, from },
        }
    }

    fn expire(self, down_ms: u64, by_person: bool, mono: Mono) -> Self {
        match (self.deadline(down_ms), self) {
            (Some(due), Self::Lapsing { since, basis, from }) if due <= mono => {
                if by_person {
                    Self::Waiting { since, basis, from }
                } else {
                    Self::Silent
                }
            }
            (_, rung) => rung,
        }
    }

    /// When the hold will be over.
    fn deadline(&self, down_ms: u64) -> Option<Mono> {
        match self {
            Self::Lapsing { from, .. } => Some(from.mono.plus(down_ms)),
            Self::Silent | Self::Reached { .. } | Self::Waiting { .. } => None,
        }
    }

    const fn is_silent(&self) -> bool {
        matches!(self, Self::Silent)
    }

    const fn is_waiting(&self) -> bool {
        matches!(self, Self::Waiting { .. })
    }

    /// The facts that made it, unless it is silent.
    pub const fn basis(&self) -> Option<&Basis> {
        match self {
            Self::Silent => None,
            Self::Reached { basis, .. } | Self::Lapsing { basis, .. } | Self::Waiting { basis, .. } => Some(basis),
        }
    }
}

/// What let a level fall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fall {
    /// Its hold was over.
    Time,
    /// A person released it.
    Person,
}

/// What happened to the level, for the journal and for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<L> {
    /// It rose.
    Rose {
        /// When.
        at: Now,
        /// From.
        from: L,
        /// To.
        to: L,
        /// By which facts.
        basis: Basis,
    },
    /// Nothing has justified it for the whole hold: a person may release it.
    Awaits {
        /// Since when.
        at: Now,
        /// Which.
        level: L,
    },
    /// It fell.
    Fell {
        /// When.
        at: Now,
        /// From.
        from: L,
        /// To. Its facts are those of its rung: [`Ladder::standing`].
        to: L,
        /// How.
        by: Fall,
    },
}

/// Why a person may not release the level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The scale is at its base.
    NothingStands,
    /// Facts justify it: end them first.
    FactsStand,
    /// The hold runs: try again then.
    Held {
        /// When it will be over.
        until: Mono,
    },
}

/// The level of one scale; 352 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ladder<L> {
    rungs: [Rung; RUNGS],
    /// The highest that is not silent.
    level: L,
    /// When time alone makes more of the facts as they were.
    next: Option<Mono>,
    /// The latest `now`; time that runs backwards is taken as standing still.
    mono: Mono,
}

impl<L: Scale> Default for Ladder<L> {
    fn default() -> Self {
        Self { rungs: Default::default(), level: L::BASE, next: None, mono: Mono(0) }
    }
}

const _: () = assert!(size_of::<Ladder<super::RiskLevel>>() <= 352);

impl<L: Scale> Ladder<L> {
    /// A ladder as an earlier run left it: on this level since, waiting for a person or not. The facts of now are looked at
    /// with the first call of [`Ladder::handle`]; a hold that ran begins anew, since nobody looked in between.
    pub fn restored(level: L, since: Now, basis: &Basis, waiting: bool, table: &Table<L>) -> Self {
        let mut ladder = Self { level, ..Self::default() };
        for (rung, state) in L::RUNGS.iter().zip(&mut ladder.rungs).filter(|(rung, _)| **rung <= level) {
            let basis = basis.clone();
            *state = match (waiting, table.by_person(*rung)) {
                (true, true) => Rung::Waiting { since, basis, from: since },
                (true, false) => Rung::Silent,
                (false, _) => Rung::Reached { since, basis },
            };
        }
        ladder
    }

    /// The facts are these from now on. Holds that have run out are served first, each stamped with its end. What the facts
    /// before would have come to by time alone is the business of [`Ladder::tick`]: it is called before, where a deadline has
    /// passed; where it is not, nothing is said of a time at which nobody looked.
    pub fn handle(&mut self, table: &Table<L>, facts: &Facts, now: Now, sink: &mut impl FnMut(Change<L>)) {
        let now = Now { mono: now.mono.max(self.mono), ..now };
        while let Some(due) = self.held_until(table).filter(|due| *due <= now.mono) {
            self.pass(table, now.at(due.max(self.mono)), sink);
        }
        self.look(table, facts, now, sink);
    }

    /// Time passed, and the facts are still those of the last call: every deadline is served, in order, each change stamped
    /// with its deadline. However late it is called, it says the same.
    pub fn tick(&mut self, table: &Table<L>, facts: &Facts, now: Now, sink: &mut impl FnMut(Change<L>)) {
        while let Some(due) = self.next_deadline(table).filter(|due| *due <= now.mono) {
            self.look(table, facts, now.at(due.max(self.mono)), sink);
        }
    }

    /// When to call [`Ladder::tick`] at the latest.
    pub fn next_deadline(&self, table: &Table<L>) -> Option<Mono> {
        earliest(self.next, self.held_until(table))
    }

    /// The level.
    pub const fn level(&self) -> L {
        self.level
    }

    /// The level, and the state of its rung; silent where the scale is at its base.
    pub fn standing(&self) -> (L, &Rung) {
        const BASE: &Rung = &Rung::Silent;
        let found = L::RUNGS.iter().zip(&self.rungs).rev().find(|(_, rung)| !rung.is_silent());
        found.map_or((L::BASE, BASE), |(level, rung)| (*level, rung))
    }

    /// A person releases the level: it falls to the highest one that still has something for it. Call [`Ladder::tick`]
    /// before.
    ///
    /// # Errors
    /// While facts or the hold keep it; then nothing changes.
    pub fn release(&mut self, table: &Table<L>, now: Now, sink: &mut impl FnMut(Change<L>)) -> Result<(), Refusal> {
        match self.standing().1 {
            Rung::Silent => return Err(Refusal::NothingStands),
            Rung::Reached { .. } => return Err(Refusal::FactsStand),
            Rung::Lapsing { from, .. } => return Err(Refusal::Held { until: from.mono.plus(table.down_ms) }),
            Rung::Waiting { .. } => {}
        }
        self.rungs.iter_mut().filter(|rung| rung.is_waiting()).for_each(|rung| *rung = Rung::Silent);
        let from = self.level;
        self.level = self.standing().0;
        self.mono = now.mono.max(self.mono);
        sink(Change::Fell { at: Now { mono: self.mono, ..now }, from, to: self.level, by: Fall::Person });
        Ok(())
    }

    /// What the facts justify now.
    fn look(&mut self, table: &Table<L>, facts: &Facts, now: Now, sink: &mut impl FnMut(Change<L>)) {
        let judgement = table.judge(facts, now.mono);
        for (state, reached) in self.rungs.iter_mut().zip(judgement.rungs) {
            *state = core::mem::take(state).step(reached, now);
        }
        self.next = judgement.next;
        self.pass(table, now, sink);
    }

    /// Holds end, and what has become of the level is told.
    fn pass(&mut self, table: &Table<L>, now: Now, sink: &mut impl FnMut(Change<L>)) {
        let waited = self.standing().1.is_waiting();
        for (rung, state) in L::RUNGS.iter().zip(&mut self.rungs) {
            *state = core::mem::take(state).expire(table.down_ms, table.by_person(*rung), now.mono);
        }
        self.mono = now.mono;
        let from = self.level;
        let (to, rung) = self.standing();
        match rung.basis() {
            Some(basis) if to > from => sink(Change::Rose { at: now, from, to, basis: basis.clone() }),
            Some(_) | None if to < from => sink(Change::Fell { at: now, from, to, by: Fall::Time }),
            Some(_) | None => {}
        }
        if rung.is_waiting() && !waited {
            sink(Change::Awaits { at: now, level: to });
        }
        self.level = to;
    }

    /// When the first hold ends.
    fn held_until(&self, table: &Table<L>) -> Option<Mono> {
        self.rungs.iter().fold(None, |first, rung| earliest(first, rung.deadline(table.down_ms)))
    }
}

impl<L: Scale> Table<'_, L> {
    /// Whether a person must let this level fall.
    fn by_person(&self, level: L) -> bool {
        match self.down {
            Down::ByItself => false,
            Down::ByPersonFrom(grave) => level >= grave,
        }
    }
}
