//! The day's course: what is usual in each hour of a working day and of a day of rest.

use libm::fabs;

use super::tail::average;
use crate::detect::calendar::Calendar;
use crate::time::Wall;

const HOURS: usize = 24;
/// Readings that make up an hour's mean, at most; of fewer than `KNOWN` nothing is held to be wild.
const WEIGHT: u8 = 200;
const KNOWN: u8 = 6;
/// A reading moves an hour by at most so many usual deviations.
const WINSOR: f64 = 4.0;
/// An hour's own spread is taken for at least this share of the common one.
const LEAST_SPREAD: f64 = 0.2;

/// An hour of a kind of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    hour: usize,
    rest: bool,
}

impl Slot {
    /// The hour of `at`, and whether its day is one of rest.
    pub(super) fn of(at: Wall, calendar: Calendar) -> Self {
        Self { hour: calendar.hour(at), rest: !calendar.is_worked(at) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Hour {
    mean: f32,
    spread: f32,
}

/// 48 hours and what readings deviate from them by. Values count from the point's first reading, so that f32 holds them
/// to one part in 10^7 of what the point has moved since, whatever it stands at.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Profile {
    hours: [[Hour; HOURS]; 2],
    weights: [[u8; HOURS]; 2],
    spread: f32,
}

/// A reading against its hour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Against {
    /// What the hour led to expect.
    pub(super) expected: f64,
    /// What came, less that.
    pub(super) residual: f64,
    /// The residual in the hour's own spread.
    pub(super) relative: f64,
}

impl Profile {
    pub(super) const NEW: Self =
        Self { hours: [[Hour { mean: 0.0, spread: 0.0 }; HOURS]; 2], weights: [[0; HOURS]; 2], spread: 0.0 };

    /// The mean of the hour: of this kind of day, else of the other kind, else nothing is known.
    fn expected(&self, slot: Slot) -> Option<f64> {
        let mean = |kind: usize| {
            let weight = self.weights.get(kind)?.get(slot.hour)?;
            self.hours.get(kind)?.get(slot.hour).filter(|_| *weight > 0).map(|h| f64::from(h.mean))
        };
        let kind = usize::from(slot.rest);
        mean(kind).or_else(|| mean(1 - kind))
    }

    /// Compares the `n`-th value with its hour (with `fallback` where the hour is new), and learns it.
    pub(super) fn compare(&mut self, slot: Slot, value: f64, fallback: f64, floor: f64, n: u16) -> Against {
        let expected = self.expected(slot).unwrap_or(fallback);
        let residual = value - expected;
        let common = f64::from(self.spread).max(floor);
        average(&mut self.spread, fabs(residual), common, n);
        let kind = usize::from(slot.rest);
        let hour = self.hours.get_mut(kind).and_then(|day| day.get_mut(slot.hour));
        let weight = self.weights.get_mut(kind).and_then(|day| day.get_mut(slot.hour));
        let (Some(hour), Some(weight)) = (hour, weight) else {
            return Against { expected, residual, relative: residual / common };
        };
        let own = f64::from(hour.spread);
        let spread = if *weight < KNOWN { common } else { own.max(LEAST_SPREAD * common) };
        *weight = weight.saturating_add(1).min(WEIGHT);
        let k = f64::from(*weight);
        hour.spread += ((fabs(residual).min(2.0 * WINSOR * common.max(own)) - own) / k) as f32;
        let step = if *weight > KNOWN { residual.clamp(-WINSOR * common, WINSOR * common) } else { residual };
        hour.mean = (expected + step / k) as f32;
        Against { expected, residual, relative: residual / spread }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_and_days_of_rest_on_the_local_clock() {
        // 2024-06-07T17:30:00Z, a Friday; in Shanghai half past one on Saturday.
        let at = Wall(1_717_781_400_000);
        let china = Calendar { offset_min: 480, ..Calendar::UTC };
        let six_days = Calendar { worked: 0b011_1111, ..china };
        assert_eq!(Slot::of(at, Calendar::UTC), Slot { hour: 17, rest: false });
        assert_eq!(Slot::of(at, china), Slot { hour: 1, rest: true });
        assert_eq!(Slot::of(at, six_days), Slot { hour: 1, rest: false });
        assert_eq!(Slot::of(Wall(-1), Calendar::UTC), Slot { hour: 23, rest: false });
        let _ = (Slot::of(Wall(i64::MAX), china), Slot::of(Wall(i64::MIN), china));
    }

    #[test]
    fn a_day_of_rest_begins_with_what_the_working_day_knows() {
        let (work, rest) = (Slot { hour: 9, rest: false }, Slot { hour: 9, rest: true });
        let mut p = Profile::NEW;
        for n in 1..50 {
            let _ = p.compare(work, 7.0, 0.0, 1e-9, n);
        }
        assert_eq!(p.compare(rest, 7.0, 0.0, 1e-9, 50).residual, 0.0);
        let _ = p.compare(rest, 3.0, 0.0, 1e-9, 51);
        assert!(p.expected(rest) < Some(7.0));
        assert_eq!(p.expected(work), Some(7.0), "what rest learns is rest's own");
    }
}
