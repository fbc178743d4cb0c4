//! How fast a backlog may be sent: a bucket of records that fills at the configured rate. Pure.

use gengfu_core::time::Mono;

use crate::config::checked::Drain;

const SECOND_MS: u64 = 1_000;

#[derive(Debug)]
pub(super) struct Bucket {
    drain: Drain,
    /// Thousandths of a record.
    level: u64,
    at: Mono,
}

impl Bucket {
    pub(super) fn new(drain: Drain, now: Mono) -> Self {
        Self { drain, level: 0, at: now }
    }

    /// Records that may go now, at most `most`; 0 while it is not worth a message (a fifth of a second's worth).
    pub(super) fn allowance(&mut self, now: Mono, most: usize) -> usize {
        let Drain::Rate(rate) = self.drain else { return most };
        let more = now.since(self.at).saturating_mul(rate);
        (self.at, self.level) = (now, self.level.saturating_add(more).min(rate * SECOND_MS));
        let whole = usize::try_from(self.level / SECOND_MS).unwrap_or(usize::MAX);
        if whole < quantum(rate, most) { 0 } else { whole.min(most) }
    }

    pub(super) fn spend(&mut self, records: u64) {
        self.level = self.level.saturating_sub(records.saturating_mul(SECOND_MS));
    }

    /// When [`Bucket::allowance`] is next worth asking.
    pub(super) fn ready(&self, most: usize) -> Mono {
        let Drain::Rate(rate) = self.drain else { return self.at };
        let lacking = (quantum(rate, most) as u64 * SECOND_MS).saturating_sub(self.level);
        self.at.plus(lacking.div_ceil(rate))
    }
}

fn quantum(rate: u64, most: usize) -> usize {
    usize::try_from(rate / 5).unwrap_or(usize::MAX).clamp(1, most.max(1))
}
