//! Seven ways of looking at a reading, each against what the stream led to expect; and the memory they need.

use libm::fabs;

use super::profile::{Profile, Slot};
use super::tail::{Grade, YOUNG};

/// What of a reading is unusual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Aspect {
    /// The change since the last reading.
    Step,
    /// The distance from the slow level.
    Level,
    /// The distance of the short mean from the slow level.
    Mean,
    /// The distance from what is usual at this hour, in the spread of this hour.
    Hour,
    /// The short mean of the distance from the hour.
    HourMean,
    /// The long mean of it: the day goes another way.
    Day,
    /// How often it moves: busier or quieter than usual.
    Activity,
}

/// All of them, in the order of [`Memory::look`].
pub(super) const ASPECTS: [Aspect; 7] =
    [Aspect::Step, Aspect::Level, Aspect::Mean, Aspect::Hour, Aspect::HourMean, Aspect::Day, Aspect::Activity];

/// Readings in the slow level, the short and the long mean, in what counts as active now and as active usually.
const SLOW: f64 = 200.0;
const SHORT: f64 = 8.0;
const LONG: f64 = 48.0;
const ACTIVE: f64 = 64.0;
const USUALLY_ACTIVE: f64 = 800.0;
/// A change of more than so many usual ones is activity.
const STEP: f64 = 2.0;
/// The slow level follows a reading by at most so many usual distances.
const WINSOR: f64 = 4.0;
/// Nothing is told that is smaller than this share of the span seen so far: the quantity's resolution.
const RESOLUTION: f64 = 1e-4;
/// The same for quantities without a unit: relative distance, share of active readings.
const RELATIVE_FLOOR: f64 = 0.05;
const ACTIVITY_FLOOR: f64 = 0.01;

/// What is remembered of the stream. Values count from the first reading.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Memory {
    pub(super) origin: f64,
    /// The largest distance from the origin.
    pub(super) span: f64,
    pub(super) last: f64,
    pub(super) level: f64,
    pub(super) mean: f64,
    hour_mean: f64,
    day_mean: f64,
    active: f64,
    usually_active: f64,
    profile: Profile,
}

/// A reading, looked at from all sides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Look {
    /// In the order of [`ASPECTS`].
    pub(super) deviations: [f64; 7],
    /// Below these nothing is told.
    pub(super) floors: [f64; 7],
    /// What each led to expect, counted from the origin.
    pub(super) expected: [f64; 7],
}

impl Memory {
    pub(super) const NEW: Self = Self {
        origin: 0.0,
        span: 0.0,
        last: 0.0,
        level: 0.0,
        mean: 0.0,
        hour_mean: 0.0,
        day_mean: 0.0,
        active: 0.0,
        usually_active: 0.0,
        profile: Profile::NEW,
    };

    /// The least difference that matters, at `value`.
    pub(super) fn floor(&self, value: f64) -> f64 {
        // Beside a large value a double cannot tell less than this.
        self.span * RESOLUTION + fabs(value) * (4.0 * f64::EPSILON) + f64::MIN_POSITIVE
    }

    /// After a hole nothing short-lived is known: the next reading is neither a step nor part of a mean.
    pub(super) fn forget_lately(&mut self, value: f64) {
        (self.last, self.level, self.mean) = (value, value, value);
        (self.hour_mean, self.day_mean, self.active) = (0.0, 0.0, self.usually_active);
    }

    /// Looks at the `n`-th value (from the origin) and takes it in. `grades` know what is usual, by [`ASPECTS`].
    pub(super) fn look(&mut self, value: f64, slot: Slot, n: u16, grades: &[Grade; 7]) -> Look {
        self.span = self.span.max(fabs(value));
        let floor = self.floor(self.origin + value);
        let [by_step, by_level, ..] = grades;
        let young = 1.0 / (f64::from(n) + 1.0);
        let weight = |readings: f64| (1.0 / readings).max(young);

        let (step, level, last) = (value - self.last, self.level, self.last);
        let off = value - level;
        self.mean += weight(SHORT) * (value - self.mean);
        let far = WINSOR * by_level.usual(floor);
        self.level += weight(SLOW) * if n > YOUNG { off.clamp(-far, far) } else { off };

        let against = self.profile.compare(slot, value, self.level, floor, n);
        self.hour_mean += (against.residual - self.hour_mean) / SHORT;
        self.day_mean += (against.residual - self.day_mean) / LONG;

        let active = f64::from(u8::from(fabs(step) > STEP * by_step.usual(floor)));
        self.active += (active - self.active) / ACTIVE;
        self.usually_active += weight(USUALLY_ACTIVE) * (active - self.usually_active);
        self.last = value;

        let hour = against.expected;
        Look {
            deviations: [
                step,
                off,
                self.mean - level,
                against.relative,
                self.hour_mean,
                self.day_mean,
                self.active - self.usually_active,
            ],
            floors: [floor, floor, floor, RELATIVE_FLOOR, floor, floor, ACTIVITY_FLOOR],
            expected: [last, level, level, hour, hour, hour, level],
        }
    }
}
