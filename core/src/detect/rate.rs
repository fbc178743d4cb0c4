//! Rate of change: a value that moves too fast, whatever it is: a temperature that climbs 8 K in 10 min, a level that falls.
//!
//! Danger while the slope of the window (slope.rs), when it is to be believed, reaches `per_hour` in the dangerous direction;
//! over when it falls below half of it or is not to be believed any more. It stands after 2 blocks in a row and ends after 4.
//! State: 496 bytes.
//!
//! Bad input: see slope.rs, and what is beyond 1e30 is no value; missing samples lengthen nothing, the slope is taken over the time that has passed.
//!
//! When not to use it: for a step from one reading to the next (a limit sees where it ends), on contacts, or where a limit
//! is known that the value runs at (trend).

use super::slope::{Slope, Window};
use super::{Standing, is_sensible};
use crate::time::{Now, Wall};

/// Which way is dangerous.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Way {
    /// Rising.
    Up,
    /// Falling.
    Down,
    /// Either.
    Any,
}

/// Parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Params {
    /// The dangerous direction.
    pub way: Way,
    /// The rate, in the point's unit an hour; above 0.
    pub per_hour: f64,
    /// How far back it looks, ms: 16 blocks, each best of a whole number of readings.
    pub window_ms: u64,
}

const HOUR_MS: f64 = 3_600_000.0;
const ON_BLOCKS: u8 = 2;
const OFF_BLOCKS: u8 = 4;
/// Below this share of the rate it is over.
const OFF_SHARE: f64 = 0.5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Phase {
    /// So many blocks in a row were too fast, the first closed at `onset`.
    Calm { streak: u8, onset: Wall },
    /// So many in a row were not.
    Fast { streak: u8, onset: Wall },
}

/// State of one rate rule on one point.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct State {
    window: Window,
    rate: f64,
    phase: Phase,
}

const _: () = assert!(size_of::<State>() <= 496);

impl Default for State {
    fn default() -> Self {
        Self { window: Window::default(), rate: 0.0, phase: Phase::Calm { streak: 0, onset: Wall(0) } }
    }
}

impl State {
    /// It stands since `onset`; for a restart.
    pub const fn stand(&mut self, onset: Wall) {
        self.phase = Phase::Fast { streak: 0, onset };
    }

    /// It is over, whatever the window holds; for a restart.
    pub const fn rest(&mut self) {
        self.phase = Phase::Calm { streak: 0, onset: Wall(0) };
    }

    /// A value came. Does its work when it closes a block.
    #[inline]
    pub fn value(&mut self, params: &Params, value: f64, at: Wall, now: Now) {
        if !is_sensible(value) {
            return;
        }
        if let Some(slope) = self.window.value(params.window_ms, value, now.mono) {
            self.judge(params, slope, at);
        }
    }

    fn judge(&mut self, params: &Params, slope: Slope, at: Wall) {
        self.rate = slope.per_ms.unwrap_or(0.0) * HOUR_MS;
        let danger = match params.way {
            Way::Up => self.rate,
            Way::Down => -self.rate,
            Way::Any => libm::fabs(self.rate),
        };
        self.phase = match self.phase {
            Phase::Calm { streak, onset } if danger >= params.per_hour => {
                let onset = if streak == 0 { at } else { onset };
                if streak + 1 >= ON_BLOCKS {
                    Phase::Fast { streak: 0, onset }
                } else {
                    Phase::Calm { streak: streak + 1, onset }
                }
            }
            Phase::Calm { onset, .. } => Phase::Calm { streak: 0, onset },
            Phase::Fast { streak, onset } if danger < params.per_hour * OFF_SHARE => {
                if streak + 1 >= OFF_BLOCKS {
                    Phase::Calm { streak: 0, onset }
                } else {
                    Phase::Fast { streak: streak + 1, onset }
                }
            }
            Phase::Fast { onset, .. } => Phase::Fast { streak: 0, onset },
        };
    }

    /// The rate it believes, in the point's unit an hour; 0 while none is to be believed.
    pub const fn belief(&self) -> f64 {
        self.rate
    }

    /// What stands.
    pub const fn standing(&self, _: &Params) -> Option<Standing> {
        match self.phase {
            Phase::Calm { .. } => None,
            Phase::Fast { onset, .. } => Some(Standing { level: 0, onset, limit: None, time_to_limit: None }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Mono;

    const CLIMB: Params = Params { way: Way::Up, per_hour: 30.0, window_ms: 480_000 };

    fn run(p: &Params, minutes: f64, f: impl Fn(f64) -> f64) -> (bool, bool, f64) {
        let (mut s, mut ever) = (State::default(), false);
        let mut t = 0.0;
        while t < minutes {
            let ms = (t * 60_000.0) as u64;
            s.value(p, f(t), Wall(ms as i64), Now { mono: Mono(ms), wall: Wall(ms as i64) });
            ever |= s.standing(p).is_some();
            t += 1.0 / 6.0;
        }
        (ever, s.standing(p).is_some(), s.belief())
    }

    #[test]
    fn a_cabinet_that_heats_up_is_told_and_its_rate_is_right() {
        let (_, stands, rate) = run(&CLIMB, 60.0, |t| 30.0 + if t > 30.0 { (t - 30.0) * 0.8 } else { 0.0 });
        assert!(stands && (rate - 48.0).abs() < 1.0, "{rate}");
    }

    #[test]
    fn slow_falling_spiked_or_senseless_is_not_fast() {
        assert!(!run(&CLIMB, 120.0, |t| 30.0 + t * 0.4).0, "24 an hour");
        assert!(!run(&CLIMB, 120.0, |t| 90.0 - t).0, "falling");
        assert!(!run(&CLIMB, 120.0, |t| if t % 7.0 < 0.2 { 1e9 } else { 30.0 }).0, "spikes");
        assert!(!run(&CLIMB, 120.0, |t| if t % 2.0 < 1.0 { f64::NAN } else { f64::INFINITY }).0, "no values");
        assert!(run(&Params { way: Way::Any, ..CLIMB }, 120.0, |t| 90.0 - t).0, "either way");
    }

    #[test]
    fn it_ends_when_it_levels_off() {
        let (ever, stands, _) = run(&CLIMB, 90.0, |t| 30.0 + t.clamp(20.0, 50.0) * 0.8);
        assert!(ever && !stands);
    }
}
