//! The last quality of every point, so that its return to good is said once (`<point>_q=0i`). Pure.
//!
//! What a record is written as must depend on the records alone, or a re-send would write other points. So a cursor that
//! starts anywhere (a restart, the head after an outage) first learns the [`LOOK_BACK`] records before its range, from the
//! journal. For a point that is not among them the return is said if in doubt: said once too often it is still true,
//! missed it would leave the point bad for ever. Only where the records reach back to the lane's first is a point that
//! was never seen known to be new, and nothing is said.

use gengfu_core::quality::Quality;
use gengfu_core::reading::PointId;

use super::line::honest;
use crate::journal::{Record, Seq};

/// Records a cursor reads before its range.
pub(super) const LOOK_BACK: usize = 20_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Last {
    #[default]
    Unseen,
    Good,
    Doubtful,
}

/// What one cursor remembers.
#[derive(Debug, Default)]
pub(super) struct Memory {
    points: Vec<Last>,
    /// Nothing before this was left out.
    whole: bool,
    /// The record it expects next; anything else needs a new look back.
    next: Option<Seq>,
}

impl Memory {
    /// The range to learn before `from` can be encoded; `None` where nothing was missed.
    pub(super) fn gap(&self, from: Seq) -> Option<(Seq, Seq)> {
        if self.next == Some(from) {
            return None;
        }
        Some((from.saturating_sub(LOOK_BACK as Seq).max(1), from.saturating_sub(1)))
    }

    /// Forgets, and learns what stands before `from`.
    pub(super) fn learn(&mut self, from: Seq, before: &[Record]) {
        self.points.clear();
        self.whole = from <= 1 || before.first().is_some_and(|record| record.seq == 1);
        for record in before {
            self.note(record.point, honest(record));
        }
        self.next = Some(from);
    }

    /// The records up to `seq` have been encoded.
    pub(super) fn advance(&mut self, seq: Seq) {
        self.next = Some(seq + 1);
    }

    /// Takes in a point's quality and says whether its return to good is to be written.
    pub(super) fn note(&mut self, point: PointId, quality: Quality) -> bool {
        let index = point.0 as usize;
        if index >= self.points.len() {
            self.points.resize(index + 1, Last::Unseen);
        }
        let Some(slot) = self.points.get_mut(index) else { return true };
        let now = if quality == Quality::Good { Last::Good } else { Last::Doubtful };
        let before = std::mem::replace(slot, now);
        now == Last::Good
            && match before {
                Last::Good => false,
                Last::Doubtful => true,
                Last::Unseen => !self.whole,
            }
    }
}
