//! Slope: how fast a value moves, so that neither noise nor spikes nor holes say so; what trend and rate share.
//!
//! The window is cut into 16 blocks (block.rs). The slope is Theil-Sen's: the median of the slopes of all pairs of blocks (Sen,
//! J. Am. Stat. Assoc. 63, 1968), the level the median of the blocks moved along it to the latest. It is believed when
//! Kendall's agreement (rising pairs minus falling ones, over all) reaches 0.6 (with 16 blocks of pure
//! noise that is beyond 3 sigma), and 0.4 within the later half: steam and cooking rise at once and then fall for long.
//! A hole as long as the window empties it. State: 472 bytes. A reading costs a push, a block 148 comparisons, and 120
//! slopes where they agree.

use heapless::Vec;
use libm::fabs;

use super::block::{Block, median};
use crate::time::Mono;

const BLOCKS: usize = 16;
/// Fewer say nothing.
const MIN_BLOCKS: usize = 8;
const PAIRS: usize = BLOCKS * (BLOCKS - 1) / 2;
/// Kendall agreement from which a slope is believed: of the whole window, and of its later half alone.
const AGREEMENT: f64 = 0.6;
const AGREEMENT_LATE: f64 = 0.4;

#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Closed {
    at: Mono,
    median: f64,
}

/// What the window says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slope {
    /// Units of the point a millisecond; `None`: not to be believed.
    pub per_ms: Option<f64>,
    /// Where the value is along it, or the latest block.
    pub level: f64,
    /// The latest block.
    pub latest: f64,
}

/// The last 16 blocks and the one that is being filled.
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Window {
    /// The oldest first.
    blocks: Vec<Closed, BLOCKS>,
    filling: Block,
}

impl Window {
    /// A value came; says something when it closes a block. What is not finite is no value.
    #[inline]
    pub fn value(&mut self, window_ms: u64, value: f64, now: Mono) -> Option<Slope> {
        if !value.is_finite() {
            return None;
        }
        let block_ms = (window_ms / BLOCKS as u64).max(1);
        let age = self.filling.age(now);
        let mut said = None;
        if age >= block_ms {
            let at = self.filling.from().plus(block_ms / 2);
            if let Some(median) = self.filling.take().filter(|_| age <= window_ms) {
                said = Some(self.close(Closed { at, median }));
            } else {
                // A hole as long as the window: what lies before it says nothing about now.
                self.blocks.clear();
            }
        }
        self.filling.add(value, now);
        said
    }

    fn close(&mut self, block: Closed) -> Slope {
        if self.blocks.is_full() {
            self.blocks.remove(0);
        }
        // There is room: one has just gone.
        let _ = self.blocks.push(block);
        self.judge(block)
    }

    fn judge(&self, last: Closed) -> Slope {
        let unknown = Slope { per_ms: None, level: last.median, latest: last.median };
        if self.blocks.len() < MIN_BLOCKS {
            return unknown;
        }
        // Most of the time there is no trend, and that is seen without a slope.
        let sense = agreement(&self.blocks);
        let late = agreement(self.blocks.get(self.blocks.len() / 2..).unwrap_or_default());
        if fabs(sense) < AGREEMENT || late * sign(sense) < AGREEMENT_LATE {
            return unknown;
        }
        let mut slopes = [0.0; PAIRS];
        let mut n = 0;
        for (i, later) in self.blocks.iter().enumerate() {
            for earlier in self.blocks.iter().take(i) {
                let dt = later.at.since(earlier.at) as f64;
                if let Some(slot) = slopes.get_mut(n).filter(|_| dt > 0.0) {
                    *slot = (later.median - earlier.median) / dt;
                    n += 1;
                }
            }
        }
        let slopes = slopes.get_mut(..n).unwrap_or_default();
        // A slope that is no number would give NaN below, whose sign is another on x86 than on ARM.
        let Some(slope) = median(slopes).filter(|s| s.is_finite()) else { return unknown };
        let mut moved = [0.0; BLOCKS];
        for (slot, block) in moved.iter_mut().zip(&self.blocks) {
            *slot = block.median + slope * (last.at.since(block.at) as f64);
        }
        let level = median(moved.get_mut(..self.blocks.len()).unwrap_or_default()).filter(|l| l.is_finite());
        let level = level.unwrap_or(last.median);
        Slope { per_ms: Some(slope), level, latest: last.median }
    }
}

/// Kendall's agreement of some blocks, -1 (all falling) to 1 (all rising).
fn agreement(blocks: &[Closed]) -> f64 {
    let (mut sum, mut pairs) = (0.0, 0.0);
    for (i, later) in blocks.iter().enumerate() {
        for earlier in blocks.iter().take(i) {
            sum += sign(later.median - earlier.median);
            pairs += 1.0;
        }
    }
    if pairs > 0.0 { sum / pairs } else { 0.0 }
}

fn sign(x: f64) -> f64 {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else {
        0.0
    }
}

const _: () = assert!(size_of::<Window>() <= 472);

#[cfg(test)]
mod tests {
    use super::*;

    /// A device without a range may send any float: none makes an infinity that stays, or a NaN.
    #[test]
    fn the_largest_numbers_stay_numbers() {
        let mut told = 0;
        for period in 1..40 {
            let mut window = Window::default();
            for t in 0..2_000u64 {
                let value = if t / period % 2 == 0 { f64::MAX } else { f64::MIN };
                let said = window.value(1_600_000, value, Mono(t * 50_000));
                assert!(window.blocks.iter().all(|block| block.median.is_finite()));
                if let Some(slope) = said {
                    assert!(slope.per_ms.is_none_or(f64::is_finite) && slope.level.is_finite(), "{slope:?}");
                    told += 1;
                }
            }
        }
        assert!(told > 0);
        assert_eq!(median(&mut [f64::MAX, f64::MAX]), Some(f64::MAX));
    }
}
