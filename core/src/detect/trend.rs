//! Trend: robust slope and the time left until a limit; the early warning.
//!
//! The window is cut into 16 blocks; a block is the median of what fell into it (of an even sample of at most 15
//! readings, so that cost and state do not grow with the rate). The slope is Theil-Sen's: the median of the slopes of
//! all pairs of blocks (Sen, J. Am. Stat. Assoc. 63, 1968), the level the median of the blocks moved along it. The trend is
//! believed when Kendall's agreement (pairs with the slope's sign minus those against it, over all) reaches 0.6: with 16
//! blocks of pure noise that is beyond 3 sigma. `time to limit = (limit - level) / slope`.
//!
//! It warns after 2 blocks in a row that foretell the limit within `within_ms`, and ends after 4 in a row that do not
//! (or foretell it beyond 1.5 times that). State: 432 bytes. A block costs 120 slopes, a reading a few additions.
//!
//! When not to use it: on contacts, on quantities that saw-tooth within the window (tanks that are pumped), or with a
//! window shorter than some 16 readings.

use heapless::Vec;
use libm::fabs;

use super::Standing;
use super::limit::Side;
use crate::time::{Mono, Now, Wall};

/// Parameters. Values in the point's unit, durations in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Params {
    /// The limit that is being approached.
    pub limit: f64,
    /// From which side.
    pub side: Side,
    /// Warn when the limit would be reached within this time.
    pub within_ms: u64,
    /// How far back the slope looks; 16 blocks make it up.
    pub window_ms: u64,
}

const BLOCKS: usize = 16;
/// Fewer say nothing.
const MIN_BLOCKS: usize = 8;
const PAIRS: usize = BLOCKS * (BLOCKS - 1) / 2;
const SAMPLES: usize = 15;
/// Kendall agreement from which a slope is believed.
const AGREEMENT: f64 = 0.6;
const ON_BLOCKS: u8 = 2;
const OFF_BLOCKS: u8 = 4;
/// A warning ends only beyond this multiple of its horizon.
const OFF_FACTOR: f64 = 1.5;

#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Block {
    at: Mono,
    median: f64,
}

/// Readings of the block that is being filled, thinned evenly once they are more than fit.
#[derive(Debug, Clone, PartialEq)]
struct Filling {
    from: Mono,
    samples: Vec<f64, SAMPLES>,
    /// Every `stride`-th reading is kept.
    stride: u32,
    seen: u32,
}

/// Whether it warns.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    /// `streak` blocks in a row have foretold the limit; the first of them came with the reading of `onset`.
    Quiet { streak: u8, onset: Wall },
    /// `streak` blocks in a row have not.
    Warning { streak: u8, onset: Wall, left_ms: u64 },
}

/// State of one trend rule on one point.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// The oldest first.
    blocks: Vec<Block, BLOCKS>,
    filling: Filling,
    phase: Phase,
}

impl Default for State {
    fn default() -> Self {
        Self {
            blocks: Vec::new(),
            filling: Filling { from: Mono(0), samples: Vec::new(), stride: 1, seen: 0 },
            phase: Phase::Quiet { streak: 0, onset: Wall(0) },
        }
    }
}

const _: () = assert!(size_of::<State>() <= 1024);

impl State {
    /// The warning stands since `onset`, whatever the window holds; for a restart.
    pub fn stand(&mut self, onset: Wall) {
        self.phase = Phase::Warning { streak: 0, onset, left_ms: 0 };
    }

    /// The warning is over, whatever the window holds; for a restart.
    pub fn rest(&mut self) {
        self.phase = Phase::Quiet { streak: 0, onset: Wall(0) };
    }

    /// A value came. Does its work when it closes a block.
    #[inline]
    pub fn value(&mut self, params: &Params, value: f64, at: Wall, now: Now) {
        let block_ms = (params.window_ms / BLOCKS as u64).max(1);
        if !self.filling.samples.is_empty() && now.mono.since(self.filling.from) >= block_ms {
            if now.mono.since(self.filling.from) > params.window_ms {
                // A hole as long as the window: what lies before it says nothing about now.
                self.blocks.clear();
            } else {
                self.close_block(block_ms);
                self.judge(params, at);
            }
            self.filling.samples.clear();
        }
        self.filling.add(value, now.mono);
    }

    /// What stands.
    pub fn standing(&self, params: &Params) -> Option<Standing> {
        match self.phase {
            Phase::Quiet { .. } => None,
            Phase::Warning { onset, left_ms, .. } => {
                Some(Standing { level: 0, onset, limit: Some(params.limit), time_to_limit: Some(left_ms) })
            }
        }
    }

    fn close_block(&mut self, block_ms: u64) {
        let block = Block { at: self.filling.from.plus(block_ms / 2), median: self.filling.median() };
        if self.blocks.is_full() {
            self.blocks.remove(0);
        }
        // There is room: one has just gone.
        let _ = self.blocks.push(block);
    }

    fn judge(&mut self, params: &Params, at: Wall) {
        let left = forecast(&self.blocks, params);
        let within = params.within_ms as f64;
        self.phase = match (self.phase, left) {
            (Phase::Quiet { streak, onset }, Left::Ms(ms)) if ms <= within => {
                let onset = if streak == 0 { at } else { onset };
                if streak + 1 >= ON_BLOCKS {
                    Phase::Warning { streak: 0, onset, left_ms: ms as u64 }
                } else {
                    Phase::Quiet { streak: streak + 1, onset }
                }
            }
            (Phase::Quiet { onset, .. }, Left::Ms(_) | Left::Never | Left::Beyond) => Phase::Quiet { streak: 0, onset },
            (Phase::Warning { onset, .. }, Left::Ms(ms)) if ms <= within * OFF_FACTOR => {
                Phase::Warning { streak: 0, onset, left_ms: ms as u64 }
            }
            // Beyond the limit the limit's own alarm speaks; the warning has come true and stays.
            (Phase::Warning { onset, .. }, Left::Beyond) => Phase::Warning { streak: 0, onset, left_ms: 0 },
            (Phase::Warning { streak, onset, .. }, Left::Ms(_) | Left::Never) if streak + 1 >= OFF_BLOCKS => {
                Phase::Quiet { streak: 0, onset }
            }
            (Phase::Warning { streak, onset, left_ms }, Left::Ms(_) | Left::Never) => {
                Phase::Warning { streak: streak + 1, onset, left_ms }
            }
        };
    }
}

impl Filling {
    fn add(&mut self, value: f64, now: Mono) {
        if self.samples.is_empty() {
            (self.from, self.stride, self.seen) = (now, 1, 0);
        }
        let wanted = self.seen.is_multiple_of(self.stride);
        self.seen = self.seen.wrapping_add(1);
        if !wanted {
            return;
        }
        if self.samples.is_full() {
            // Keep every second of them, and from now on half as many.
            let mut odd = false;
            self.samples.retain(|_| {
                odd = !odd;
                odd
            });
            self.stride = self.stride.saturating_mul(2);
        }
        // There is room: half of them have just gone.
        let _ = self.samples.push(value);
    }

    fn median(&mut self) -> f64 {
        median(&mut self.samples)
    }
}

/// Time left until the limit.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Left {
    Ms(f64),
    /// Not approaching, or the slope is not to be believed.
    Never,
    /// The limit is already reached.
    Beyond,
}

fn forecast(blocks: &[Block], params: &Params) -> Left {
    let Some(last) = blocks.last().filter(|_| blocks.len() >= MIN_BLOCKS) else { return Left::Never };
    let mut slopes = [0.0; PAIRS];
    let mut n = 0;
    for (i, later) in blocks.iter().enumerate().skip(1) {
        for earlier in blocks.iter().take(i) {
            let dt = later.at.since(earlier.at) as f64;
            if let Some(slot) = slopes.get_mut(n).filter(|_| dt > 0.0) {
                *slot = (later.median - earlier.median) / dt;
                n += 1;
            }
        }
    }
    let slopes = slopes.get_mut(..n).unwrap_or_default();
    let slope = median(slopes);
    let with = slopes.iter().filter(|s| **s * slope > 0.0).count();
    let against = slopes.iter().filter(|s| **s * slope < 0.0).count();
    // A slope that is no number would give NaN below, whose sign is another on x86 than on ARM.
    if n == 0 || !slope.is_finite() || (with as f64 - against as f64) / (n as f64) < AGREEMENT {
        return Left::Never;
    }
    let mut moved = [0.0; BLOCKS];
    for (slot, block) in moved.iter_mut().zip(blocks) {
        *slot = block.median + slope * (last.at.since(block.at) as f64);
    }
    let level = median(moved.get_mut(..blocks.len()).unwrap_or_default());
    let (distance, approaching) = match params.side {
        Side::High => (params.limit - level, slope > 0.0),
        Side::Low => (level - params.limit, slope < 0.0),
    };
    if distance <= 0.0 {
        Left::Beyond
    } else if approaching {
        Left::Ms(distance / fabs(slope))
    } else {
        Left::Never
    }
}

/// Median of a few numbers, sorting them in place; 0 of none.
fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let mid = values.len() / 2;
    match (values.len() % 2, values.get(mid), values.get(mid.wrapping_sub(1))) {
        (1, Some(m), _) => *m,
        // Halved before they are added: two huge numbers must not make an infinity.
        (_, Some(high), Some(low)) => low / 2.0 + high / 2.0,
        (_, _, _) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAK: Params = Params { limit: 0.15, side: Side::Low, within_ms: 3_600_000, window_ms: 1_600_000 };

    /// One reading a second; returns the second of the first warning and the time it foretold.
    fn run(params: &Params, seconds: u64, f: impl Fn(u64) -> f64) -> Option<(u64, u64)> {
        let mut s = State::default();
        for t in 0..seconds {
            let now = Now { mono: Mono(t * 1000), wall: Wall(t as i64 * 1000) };
            s.value(params, f(t), now.wall, now);
            if let Some(standing) = s.standing(params) {
                return Some((t, standing.time_to_limit.unwrap_or(0)));
            }
        }
        None
    }

    /// Uniform noise in [-1, 1] that needs no crate.
    fn noise(t: u64) -> f64 {
        let mut z = t.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        ((z >> 11) as f64 / (1u64 << 52) as f64) - 1.0
    }

    #[test]
    fn a_slow_leak_is_seen_and_its_time_is_about_right() {
        // 0.45 MPa falling by 0.0001 a second: the limit comes at 3,000 s.
        let leak = |t: u64| 0.45 - 0.0001 * t as f64 + 0.004 * noise(t);
        let (seen, left) = run(&LEAK, 3_000, leak).expect("the leak is seen");
        assert!(seen < 1_300, "seen at {seen} s");
        let truth = (3_000 - seen) as f64 * 1000.0;
        assert!((left as f64 - truth).abs() < 0.1 * truth, "foretold {left} ms of {truth}");
    }

    #[test]
    fn noise_alone_says_nothing() {
        assert_eq!(run(&LEAK, 100_000, |t| 0.20 + 0.04 * noise(t)), None);
    }

    #[test]
    fn spikes_do_not_make_a_trend() {
        assert_eq!(run(&LEAK, 20_000, |t| if t % 97 == 0 { 0.0 } else { 0.45 + 0.001 * noise(t) }), None);
    }

    #[test]
    fn rising_away_from_a_low_limit_is_no_danger() {
        assert_eq!(run(&LEAK, 10_000, |t| 0.2 + 0.0001 * t as f64), None);
    }

    /// A device without a range may send any float: none makes an infinity that stays, or a NaN.
    #[test]
    fn the_largest_numbers_stay_numbers() {
        let (max, min) = (f64::MAX, f64::MIN);
        for period in 1..12 {
            let mut s = State::default();
            for t in 0..2_000u64 {
                let now = Now { mono: Mono(t * 50_000), wall: Wall(0) };
                s.value(&LEAK, if t / period % 2 == 0 { max } else { min }, now.wall, now);
                assert!(s.blocks.iter().all(|block| block.median.is_finite()));
                assert!(!matches!(forecast(&s.blocks, &LEAK), Left::Ms(ms) if ms.is_nan()));
            }
        }
        assert_eq!(median(&mut [max, max]), max);
    }

    #[test]
    fn a_repair_ends_the_warning() {
        let mut s = State::default();
        let mut warned = false;
        for t in 0..8_000u64 {
            let v = if t < 2_000 { 0.45 - 0.0001 * t as f64 } else { 0.45 };
            let now = Now { mono: Mono(t * 1000), wall: Wall(0) };
            s.value(&LEAK, v, now.wall, now);
            warned |= s.standing(&LEAK).is_some();
        }
        assert!(warned && s.standing(&LEAK).is_none());
    }
}
