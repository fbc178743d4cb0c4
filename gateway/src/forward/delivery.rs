//! What to send next: the live end of the lane, and the backlog below it. Pure.
//!
//! ```text
//!        backlog, oldest first        split     live, in order       head
//!  ──done──┤▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒├──done──────────┤░░░░░░░░░░░░░░░░░┤
//! ```
//! Normally there is no backlog and the live cursor follows the head. Where it has fallen more than [`LIVE_LAG`] behind (an
//! outage, a restart, a slow store) it jumps to the newest [`LIVE_BATCH`], and what it leaves below becomes backlog. A jump costs the
//! delivery map one more range, so there is none beyond [`MAX_RANGES`].

use crate::journal::{IN_FLIGHT, Seq};

/// Records one live request may carry, and how far behind one request can catch up.
pub(super) const LIVE_BATCH: usize = 10_000;
/// Records one backlog request may carry.
pub(super) const BACKLOG_BATCH: usize = 20_000;
/// Records the live cursor may be behind before it jumps: two requests.
pub(super) const LIVE_LAG: u64 = 2 * LIVE_BATCH as u64;
/// Ranges owed, at which the live cursor no longer jumps: far more than outages leave and than thinning makes, fewer than
/// a delivery map can hold.
pub(super) const MAX_RANGES: usize = 3_000;

const _: () = assert!(LIVE_LAG >= LIVE_BATCH as u64, "a full live batch alone must not make the cursor jump");

const _: () = assert!((2 * BACKLOG_BATCH) as u64 <= IN_FLIGHT, "after a crash the journal spares what was under way");

type Range = (Seq, Seq);

/// The two cursors of a lane.
#[derive(Debug)]
pub(super) struct Delivery {
    /// Records left to the live cursor when it jumps.
    batch: u64,
    /// Records it may be behind before it jumps.
    lag: u64,
    /// The first live record.
    split: Seq,
    /// Where the backlog cursor stands: below it all is under way, settled, or unreadable for now.
    at: Seq,
    /// A range held no record: expired, which is the journal's to say. Looked at again after a while.
    skipped: bool,
}

impl Default for Delivery {
    fn default() -> Self {
        Self::near(LIVE_BATCH, LIVE_LAG)
    }
}

impl Delivery {
    /// A live cursor that jumps to the newest `batch` records when it is more than `lag` behind.
    pub(super) fn near(batch: usize, lag: u64) -> Self {
        Self { batch: batch as u64, lag, split: 0, at: 0, skipped: false }
    }

    /// Moves the live cursor to the newest batch if it is too far behind; says whether it did. Not while a live batch is
    /// under way. One batch is left to it, so that a store which comes back is asked with live records, not with backlog.
    pub(super) fn catch_up(&mut self, owed: &[Range], head: Seq) -> bool {
        if self.live_owed(owed) <= self.lag || owed.len() >= MAX_RANGES {
            return false;
        }
        self.split = self.split.max((head + 1).saturating_sub(self.batch));
        true
    }

    /// Records owed at the live end.
    pub(super) fn live_owed(&self, owed: &[Range]) -> u64 {
        owed.iter().filter(|r| r.1 >= self.split).map(|r| r.1 - r.0.max(self.split) + 1).sum()
    }

    /// The first live range.
    pub(super) fn live(&self, owed: &[Range]) -> Option<Range> {
        owed.iter().find(|r| r.1 >= self.split).map(|r| (r.0.max(self.split), r.1))
    }

    /// The first backlog range that is not under way.
    pub(super) fn backlog(&self, owed: &[Range]) -> Option<Range> {
        let end = self.split.checked_sub(1)?;
        let range = owed.iter().find(|r| r.1 >= self.at)?;
        let (from, to) = (range.0.max(self.at), range.1.min(end));
        (from <= to).then_some((from, to))
    }

    /// The live cursor has done all up to `seq`: what is owed below it from now on (a redrive) is backlog, and delays nothing.
    pub(super) fn passed(&mut self, seq: Seq) {
        self.split = self.split.max(seq + 1);
    }

    /// The backlog is under way up to `seq`.
    pub(super) fn taken(&mut self, seq: Seq) {
        self.at = seq + 1;
    }

    /// A live range up to `seq` held no record.
    pub(super) fn skip_live(&mut self, seq: Seq) {
        self.split = seq + 1;
        self.skipped = true;
    }

    /// A backlog range up to `seq` held no record.
    pub(super) fn skip_backlog(&mut self, seq: Seq) {
        self.at = seq + 1;
        self.skipped = true;
    }

    /// Something below is owed still.
    pub(super) fn look_again_later(&mut self) {
        self.skipped = true;
    }

    /// Whether something was skipped that [`Delivery::look_again`] would show.
    pub(super) fn skipped(&self) -> bool {
        self.skipped
    }

    /// The backlog from its beginning; not while a backlog batch is under way.
    pub(super) fn look_again(&mut self) {
        self.at = 0;
        self.skipped = false;
    }
}
