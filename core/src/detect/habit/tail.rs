//! How unlikely: what a deviation's own past says of its size, each side for itself.
//!
//! A deviation is measured in its usual size and put on a logarithmic scale, `depth = ln(1 + |deviation| / usual)`, so that
//! a tail that falls like a power (most do) falls like an exponential here. Beyond the edge that one reading in 50 passes,
//! `surprise = ln 50 + (depth - edge) / excess`, where `excess` is the mean depth of those beyond the edge: peaks over a
//! threshold (Pickands, Ann. Stat. 3, 1975; Hill's estimator, Ann. Stat. 3, 1975). One nat is a factor of e in likelihood.
//!
//! Everything is learned by averages whose weight is 1/n at first and never below 1/MEMORY; a single wild reading moves
//! them by what eight usual ones would. Kept as f32: a relative error of 1e-7 in quantities known to some per cent.

use libm::{fabs, log};

/// How many readings an average looks back, at most.
pub(super) const MEMORY: u16 = 6_000;
/// As long as so few have come, plain averages: nothing is wild yet.
pub(super) const YOUNG: u16 = 20;
/// The share of readings beyond the edge, and its surprise.
const SHARE: f64 = 0.02;
const AT_THE_EDGE: f64 = 3.912;
/// What the mean excess is taken for before anything is known, the least it is taken for (a difference of a fifth in
/// size is never a wonder, however even the past), and what one reading may add, in multiples of it.
const PRIOR: f32 = 0.3;
const LEAST: f64 = 0.2;
const WILD: f64 = 4.0;
/// Excesses that make up its average, at most, and what the prior counts for.
const EXCESSES: f32 = 180.0;
const PRIOR_WEIGHT: f32 = 4.0;
const FIRST_EDGE: f32 = 1.0;
const LEAST_EDGE: f64 = 0.05;
/// A deviation weighs on the usual size by at most this many of it.
const WINSOR: f64 = 8.0;

/// One side of a deviation.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Tail {
    edge: f32,
    excess: f32,
    weight: f32,
}

/// What is usual for one kind of deviation.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Grade {
    usual: f32,
    up: Tail,
    down: Tail,
}

const NEW: Tail = Tail { edge: FIRST_EDGE, excess: PRIOR, weight: PRIOR_WEIGHT };

impl Grade {
    pub(super) const NEW: Self = Self { usual: 0.0, up: NEW, down: NEW };

    /// The usual size, not below `floor`.
    pub(super) fn usual(&self, floor: f64) -> f64 {
        f64::from(self.usual).max(floor)
    }

    /// How unlikely `deviation` is, in nats of readings, 0 for the usual; then it is learned as the `n`-th.
    pub(super) fn surprise(&mut self, deviation: f64, floor: f64, n: u16) -> f64 {
        let usual = self.usual(floor);
        let depth = log(1.0 + fabs(deviation) / usual);
        let (up, down) = if deviation >= 0.0 { (depth, 0.0) } else { (0.0, depth) };
        let surprise = if deviation >= 0.0 { self.up.surprise(depth) } else { self.down.surprise(depth) };
        if n > YOUNG {
            self.up.learn(up, n);
            self.down.learn(down, n);
        }
        average(&mut self.usual, fabs(deviation), usual, n);
        surprise
    }
}

/// The running average of a size that is `usual` so far, with its `n`-th value.
pub(super) fn average(size: &mut f32, value: f64, usual: f64, n: u16) {
    let value = if n > YOUNG { value.min(WINSOR * usual) } else { value };
    *size += ((value - f64::from(*size)) / f64::from(n)) as f32;
}

impl Tail {
    fn surprise(&self, depth: f64) -> f64 {
        (AT_THE_EDGE + (depth - f64::from(self.edge)) / f64::from(self.excess).max(LEAST)).max(0.0)
    }

    fn learn(&mut self, depth: f64, n: u16) {
        let (edge, excess) = (f64::from(self.edge), f64::from(self.excess));
        let beyond = depth > edge;
        if beyond {
            self.weight = (self.weight + 1.0).min(EXCESSES);
            let seen = (depth - edge).min(WILD * excess);
            self.excess += ((seen - excess) / f64::from(self.weight)) as f32;
        }
        // The edge climbs 49 steps when it is passed and falls one when it is not: at rest where one in 50 passes it.
        let step = (1.0 / (f64::from(n) * SHARE)).min(1.0) * f64::from(self.excess);
        let moved = edge + step * (f64::from(u8::from(beyond)) - SHARE);
        self.edge = moved.max(LEAST_EDGE) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Uniform in (0, 1], needs no crate.
    fn uniform(t: u64) -> f64 {
        let mut z = t.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z >> 11) as f64 + 1.0) / (1u64 << 53) as f64
    }

    #[test]
    fn surprise_is_about_the_true_likelihood_of_a_power_tail() {
        // P(size > s) = s^-3 for s >= 1; the surprise of s is 3 ln s.
        let mut grade = Grade::NEW;
        let mut n = 0u16;
        for t in 0..20_000 {
            n = (n + 1).min(MEMORY);
            let size = libm::pow(uniform(t), -1.0 / 3.0);
            let sign = if uniform(t + 1_000_000) > 0.5 { 1.0 } else { -1.0 };
            let _ = grade.surprise(sign * size, 1e-9, n);
        }
        for (size, truth) in [(8.0, 6.93), (20.0, 9.68), (60.0, 12.97)] {
            let told = grade.up.surprise(log(1.0 + size / grade.usual(1e-9)));
            assert!((told - truth).abs() < 0.25 * truth, "{size}: told {told:.2}, in truth {truth} (either side)");
        }
    }

    #[test]
    fn one_wild_reading_leaves_the_usual_size_alone() {
        let mut grade = Grade::NEW;
        for n in 1..1_000 {
            let _ = grade.surprise(if n % 2 == 0 { 1.0 } else { -1.0 }, 1e-9, n);
        }
        assert!(grade.surprise(1e12, 1e-9, 1_000) > 50.0);
        assert!(grade.usual(0.0) < 1.02, "{}", grade.usual(0.0));
    }
}
