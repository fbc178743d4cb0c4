//! What of one alarm is left in the journal until there is room for it: a range of the lane, not a list. Pure.

use gengfu_core::time::Mono;

use crate::journal::{Found, Seq};

/// Wait after a read that failed, ms.
const RETRY_MS: u64 = 500;

/// Of one alarm all that is owed in `from..=last` and not held.
#[derive(Debug)]
pub(super) struct Behind {
    pub(super) from: Seq,
    last: Seq,
    /// Since when the oldest is owed.
    pub(super) since: Mono,
    /// How many they are, for people.
    pub(super) count: usize,
    /// The first of those that went before older ones, which could not be read.
    pub(super) passed_by: Option<u32>,
    reading: Reading,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// May be read from this moment on.
    At(Mono),
    Asked,
}

impl Behind {
    pub(super) fn new(seq: Seq, since: Mono) -> Self {
        Self { from: seq, last: seq, since, count: 0, passed_by: None, reading: Reading::At(since) }
    }

    /// One more is left there.
    pub(super) fn leave(&mut self, seq: Seq, passed_by: Option<u32>) {
        (self.from, self.last) = (self.from.min(seq), self.last.max(seq));
        self.count += 1;
        self.pass(passed_by);
    }

    fn pass(&mut self, newer: Option<u32>) {
        self.passed_by = self.passed_by.into_iter().chain(newer).min();
    }

    pub(super) fn read_at(&self) -> Option<Mono> {
        match self.reading {
            Reading::At(at) => Some(at),
            Reading::Asked => None,
        }
    }

    /// The range to read; nobody else is asked meanwhile.
    pub(super) fn ask(&mut self) -> (Seq, Seq) {
        self.reading = Reading::Asked;
        (self.from, self.last)
    }

    pub(super) fn ask_again(&mut self, now: Mono) {
        if self.reading == Reading::Asked {
            self.reading = Reading::At(now.plus(RETRY_MS));
        }
    }

    /// What was asked from `from` on was found. `false` where it is of no use: older ones have come back meanwhile, and go
    /// first.
    pub(super) fn answer(&mut self, from: Seq, found: &Found, now: Mono) -> bool {
        self.reading = Reading::At(if found.whole { now } else { now.plus(RETRY_MS) });
        if from != self.from {
            return false;
        }
        if found.whole {
            self.from = found.next;
        } else {
            self.pass(found.tapped.first().map(|tapped| tapped.event.number));
        }
        self.count = self.count.saturating_sub(found.tapped.len());
        true
    }

    /// Nothing is left.
    pub(super) fn over(&self) -> bool {
        self.from > self.last
    }
}
