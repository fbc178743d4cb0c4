//! Baseline: what a point is used to read, learned by hour of the day and working day, and how much it scatters.
//!
//! A bin's level is a running mean whose steps are clipped: `level += clip(x - level, ±3 sigma) / n`, with `n` the blocks the
//! bin has seen, held at `memory`. Scatter is `sigma = 1.4826 * median |x - level|` (Hampel, J. Am. Stat. Assoc. 69, 1974), the
//! median followed by steps of 2 % up or down (Robbins and Monro 1951): one block in ten may be wild. It is never below
//! `floor`, the resolution of what is measured.
//!
//! It never learns a fault as normal without saying so: once trained it moves by `roam` at most, and
//! [`State::moved`] says how far it has; the detector that owns it stops it while it is suspicious. State: 456 bytes.
//!
//! When not to use it: as a limit. It says what is usual, not what is safe.

use libm::fabs;

use super::calendar::Calendar;
use crate::time::Wall;

/// What the usual depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Bins {
    /// On nothing.
    #[default]
    One,
    /// On the hour of the day.
    Hours,
    /// On the hour, apart for days that are worked and days that are not.
    HoursOfWeek,
}

const HOURS: usize = 24;
/// The share of the median absolute deviation in a standard deviation.
const TO_SIGMA: f64 = 1.482_602_218_505_602;
/// A step of learning, in sigma.
const STEP: f64 = 3.0;
/// So many first deviations give a scatter to begin with, their mean; then it follows the median by this share a block.
const FIRST: u8 = 8;
const FOLLOW: f64 = 0.02;
/// From so many on, a bin is believed.
pub const BELIEVED: u8 = 2;

/// Parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Params {
    /// What the usual depends on.
    pub bins: Bins,
    /// Whose day it is.
    pub calendar: Calendar,
    /// The smallest scatter that is ever believed, in the point's unit; its resolution is a good choice. Above 0.
    pub floor: f64,
    /// How many blocks of a bin make up its level; 1 to 255.
    pub memory: u8,
    /// How far it may move by itself once it is trained, in the point's unit.
    pub roam: f64,
}

impl Params {
    fn bin(&self, at: Wall) -> usize {
        match self.bins {
            Bins::One => 0,
            Bins::Hours => self.calendar.hour(at),
            Bins::HoursOfWeek if self.calendar.is_worked(at) => self.calendar.hour(at),
            Bins::HoursOfWeek => self.calendar.hour(at) + HOURS,
        }
    }

    const fn used(&self) -> f64 {
        match self.bins {
            Bins::One => 1.0,
            Bins::Hours => 24.0,
            Bins::HoursOfWeek => 48.0,
        }
    }
}

/// What it has learned.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct State {
    /// Hours of a day, twice.
    levels: [[f64; HOURS]; 2],
    seen: [[u8; HOURS]; 2],
    /// Median absolute deviation, and from how many of the first it began.
    spread: f64,
    first: u8,
    /// How far the mean of all bins has moved since training ended.
    moved: f64,
}

impl Default for State {
    fn default() -> Self {
        Self { levels: [[0.0; HOURS]; 2], seen: [[0; HOURS]; 2], spread: 0.0, first: 0, moved: 0.0 }
    }
}

impl State {
    /// The usual level at `at`; `None` while that hour is not known.
    pub fn level(&self, params: &Params, at: Wall) -> Option<f64> {
        let bin = params.bin(at);
        let known = self.seen.as_flattened().get(bin).is_some_and(|n| *n >= BELIEVED);
        self.levels.as_flattened().get(bin).copied().filter(|_| known)
    }

    /// The scatter of blocks around it, in the point's unit.
    pub fn sigma(&self, params: &Params) -> f64 {
        (self.spread * TO_SIGMA).max(params.floor).max(f64::MIN_POSITIVE)
    }

    /// How far it has moved by itself since training ended, in the point's unit.
    pub const fn moved(&self) -> f64 {
        self.moved
    }

    /// The share of its bins that are believed, 0 to 1.
    pub fn known(&self, params: &Params) -> f64 {
        let seen = self.seen.as_flattened();
        seen.iter().filter(|n| **n >= BELIEVED).count() as f64
            / params.used().min(seen.iter().filter(|n| **n > 0).count().max(1) as f64)
    }

    /// Learns a block; `trained`: within the bounds of [`Params::roam`], `pace` being the share of a step that is made.
    pub fn learn(&mut self, params: &Params, block: f64, at: Wall, trained: bool, pace: f64) {
        let sigma = self.sigma(params);
        let bin = params.bin(at);
        let (levels, seen) = (self.levels.as_flattened_mut(), self.seen.as_flattened_mut());
        let (Some(level), Some(seen)) = (levels.get_mut(bin), seen.get_mut(bin)) else { return };
        let off = block - *level;
        if *seen == 0 {
            (*level, *seen) = (block, 1);
            return;
        }
        // Until there is a scatter to clip by, a step is as long as it is.
        let clip = if self.first < FIRST { f64::MAX } else { STEP * sigma };
        let step = off.clamp(-clip, clip) * pace / (f64::from(*seen) + 1.0);
        let moved = self.moved + step / params.used();
        if trained && *seen >= BELIEVED {
            if fabs(moved) > params.roam && fabs(moved) > fabs(self.moved) {
                return;
            }
            self.moved = moved;
        }
        *level += step;
        *seen = seen.saturating_add(1).min(params.memory.max(1));
        // A bin seen once is as far off as two blocks are from each other.
        let share = if *seen <= BELIEVED { core::f64::consts::FRAC_1_SQRT_2 } else { 1.0 };
        self.scatter(fabs(off) * share, params.floor, pace);
    }

    fn scatter(&mut self, off: f64, floor: f64, pace: f64) {
        if self.first < FIRST {
            self.first += 1;
            self.spread += (off - self.spread) / f64::from(self.first);
        } else {
            let way = if off > self.spread { 1.0 + FOLLOW * pace } else { 1.0 - FOLLOW * pace };
            self.spread = (self.spread * way).max(floor / TO_SIGMA);
        }
    }

    /// Forgets the bins that are not believed yet: what little was seen of them may be the fault that is told now.
    pub fn forget_strange(&mut self) {
        for seen in self.seen.as_flattened_mut().iter_mut().filter(|seen| **seen < BELIEVED) {
            *seen = 0;
        }
    }

    /// Begins to learn anew from what it knows: the levels stay a first guess, with the weight of one block.
    pub fn restart(&mut self) {
        for seen in self.seen.as_flattened_mut() {
            *seen = (*seen).min(1);
        }
        self.moved = 0.0;
    }
}

const _: () = assert!(size_of::<State>() <= 456);

#[cfg(test)]
mod tests {
    use super::*;

    const P: Params = Params { bins: Bins::Hours, calendar: Calendar::UTC, floor: 0.5, memory: 10, roam: 2.0 };

    fn at(hour: i64) -> Wall {
        Wall(hour * 3_600_000)
    }

    #[test]
    fn an_hour_is_known_from_its_second_block_on() {
        let mut s = State::default();
        s.learn(&P, 7.0, at(3), false, 1.0);
        assert_eq!((s.level(&P, at(3)), s.known(&P)), (None, 0.0));
        s.learn(&P, 9.0, at(27), false, 1.0);
        assert_eq!((s.level(&P, at(51)), s.level(&P, at(4))), (Some(8.0), None));
    }

    #[test]
    fn a_constant_scatters_by_the_floor_and_wild_blocks_do_not_widen_it() {
        let mut s = State::default();
        for day in 0..100 {
            s.learn(&P, 7.0, at(day * 24), false, 1.0);
        }
        assert!((s.sigma(&P) - 0.5).abs() < 1e-9);
        for day in 100..200 {
            s.learn(&P, if day % 10 == 0 { 1e9 } else { 7.0 }, at(day * 24), false, 1.0);
        }
        assert!(s.sigma(&P) < 0.6, "{}", s.sigma(&P));
        assert!(s.level(&P, at(0)).is_some_and(|l| (l - 7.0).abs() < 1.0));
    }

    #[test]
    fn once_trained_it_moves_by_roam_at_most() {
        let one = Params { bins: Bins::One, ..P };
        let mut s = State::default();
        for n in 0..50 {
            s.learn(&one, 10.0, at(n), false, 1.0);
        }
        for n in 50..1_000 {
            s.learn(&one, 100.0, at(n), true, 1.0);
        }
        assert!(s.moved() > 1.5 && s.moved() <= 2.0 && s.level(&one, at(0)).is_some_and(|l| l <= 12.0 + 1e-9));
        s.restart();
        assert_eq!((s.moved(), s.level(&one, at(0))), (0.0, None));
    }
}
