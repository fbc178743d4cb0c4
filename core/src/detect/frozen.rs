//! Frozen: a measured value that does not move although it should: a sensor that hangs, a converter that repeats itself.
//!
//! Danger once readings have stayed within `within` of the first of them for `for_ms`, 3 of them at least; over with the
//! first that leaves. Only a reading decides: silence is not frozenness (absent). State: 56 bytes.
//!
//! Bad input: NaN and infinities are no values and neither end nor feed it. When not to use it: on contacts, set points,
//! counters that may rest, or a sensor whose resolution is coarser than its noise.

use libm::fabs;

use super::Standing;
use crate::time::{Mono, Now, Wall};

/// Parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Params {
    /// How far from the first it still is the same, in the point's unit; 0: not at all.
    pub within: f64,
    /// How long it may be the same, ms; several times what it ever was.
    pub for_ms: u64,
}

/// Fewer readings show nothing.
const READINGS: u32 = 3;

/// The value that repeats itself.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Same {
    value: f64,
    at: Wall,
    from: Mono,
    readings: u32,
}

/// State of one frozen rule on one point.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct State {
    same: Option<Same>,
    onset: Option<Wall>,
}

const _: () = assert!(size_of::<State>() <= 56);

impl State {
    /// It stands since `onset`; for a restart. It ends with the second value that differs from the next.
    pub const fn stand(&mut self, onset: Wall) {
        self.onset = Some(onset);
    }

    /// It is over, whatever was heard; for a restart.
    pub const fn rest(&mut self) {
        self.onset = None;
    }

    /// A value came.
    #[inline]
    pub fn value(&mut self, params: &Params, value: f64, at: Wall, now: Now) {
        if !value.is_finite() {
            return;
        }
        match &mut self.same {
            Some(same) if fabs(value - same.value) <= params.within => {
                same.readings = same.readings.saturating_add(1);
                if same.readings >= READINGS && now.mono.since(same.from) >= params.for_ms {
                    self.onset = self.onset.or(Some(same.at));
                }
            }
            Some(_) => *self = Self { same: Some(Same { value, at, from: now.mono, readings: 1 }), onset: None },
            None => self.same = Some(Same { value, at, from: now.mono, readings: 1 }),
        }
    }

    /// What stands.
    pub fn standing(&self) -> Option<Standing> {
        let onset = self.onset?;
        Some(Standing { level: 0, onset, limit: None, time_to_limit: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P: Params = Params { within: 0.0, for_ms: 600_000 };

    fn run(s: &mut State, minutes: core::ops::Range<u64>, f: impl Fn(u64) -> f64) -> bool {
        for min in minutes {
            s.value(&P, f(min), Wall(min as i64), Now { mono: Mono(min * 60_000), wall: Wall(0) });
        }
        s.standing().is_some()
    }

    #[test]
    fn a_sensor_that_hangs_and_wakes() {
        let mut s = State::default();
        assert!(!run(&mut s, 0..60, |min| (min % 2) as f64));
        assert!(!run(&mut s, 60..69, |_| 1.0));
        assert!(run(&mut s, 69..80, |_| 1.0));
        assert_eq!(s.standing().map(|x| x.onset), Some(Wall(59)), "since it first said so");
        assert!(run(&mut s, 80..90, |_| f64::NAN), "nonsense does not end it");
        assert!(!run(&mut s, 90..91, |_| 2.0));
    }

    #[test]
    fn two_readings_a_year_apart_show_nothing() {
        let mut s = State::default();
        run(&mut s, 0..1, |_| 5.0);
        assert!(!run(&mut s, 525_600..525_601, |_| 5.0));
        assert!(run(&mut s, 525_601..525_602, |_| 5.0), "three do");
    }
}
