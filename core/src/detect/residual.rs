//! Residual: a temperature that leaves what its load explains of it.
//!
//! [`explained`] gives what load and hour of the day do not explain; a [`drift`] is put on that. While the drift is
//! wary the regression does not learn, or a loose clamp would become what is normal; one that loosens over months does, see there.
//! State: 1,016 bytes.
//!
//! A load that is old, bad or was never heard explains nothing: then there is no residual, which is no sample, so it neither raises
//! nor clears. Bad input: what is not finite, or beyond 1e30, is none. When not to use it: where the load is not measured (a
//! drift by hours does), or follows the temperature instead of making it; where a short circuit must be seen within a block (a
//! limit).

use super::{Standing, drift, is_sensible};
use crate::derive::explained;
use crate::time::{Now, Wall};

/// Parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Params {
    /// How the load explains the point.
    pub explained: explained::Params,
    /// What of the rest is a danger.
    pub drift: drift::Params,
    /// Names the load, so that a rule with another is another rule.
    pub points: u64,
}

/// State of one rule on one point and its load.
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct State {
    explained: explained::State,
    drift: drift::State,
    /// What load and hour last explained.
    expected: Option<f64>,
}

const _: () = assert!(size_of::<State>() <= 1024);

impl State {
    /// The condition stands since `onset`, whatever was heard; for a restart.
    pub fn stand(&mut self, onset: Wall) {
        self.drift.stand(onset);
    }

    /// It is over, whatever was heard; for a restart.
    pub fn rest(&mut self) {
        self.drift.rest();
    }

    /// The load was read.
    pub fn load(&mut self, params: &Params, load: f64, now: Now) {
        if is_sensible(load) {
            self.explained.load(&params.explained, load, now.mono);
        }
    }

    /// The point was read.
    pub fn value(&mut self, params: &Params, value: f64, at: Wall, now: Now) {
        if !is_sensible(value) {
            return;
        }
        let may_learn = !self.drift.is_wary(&params.drift);
        let residual = self.explained.value(&params.explained, value, at, now, may_learn);
        self.expected = residual.map(|residual| value - residual);
        if let Some(residual) = residual {
            self.drift.value(&params.drift, residual, at, now);
        }
    }

    /// What load and hour explain of the last value, in the point's unit; `None` while that is not known.
    pub const fn expected(&self) -> Option<f64> {
        self.expected
    }

    /// The coefficients of the regression, see [`explained::State::belief`]; and what the drift believes of the rest.
    pub fn belief(&self, params: &Params, now: Now) -> ([f64; 4], drift::Belief) {
        (self.explained.belief(), self.drift.belief(&params.drift, now))
    }

    /// How far the regression's training is, 0 to 1; the drift's begins after it.
    pub fn learned(&self, params: &Params) -> f64 {
        self.explained.learned(&params.explained)
    }

    /// What stands.
    pub fn standing(&self, params: &Params) -> Option<Standing> {
        self.drift.standing(&params.drift)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::baseline::{self, Bins};
    use crate::detect::calendar::Calendar;
    use crate::detect::limit::Side;
    use crate::time::Mono;

    const MIN: u64 = 60_000;
    const DAY: u64 = 1_440 * MIN;
    const CALENDAR: Calendar = Calendar::UTC;
    const CLAMP: Params = Params {
        explained: explained::Params {
            tau_ms: 30 * MIN,
            rated: 100.0,
            memory_ms: 10 * DAY,
            learn_ms: 2 * DAY,
            offset_min: CALENDAR.offset_min,
        },
        drift: drift::Params {
            side: Side::High,
            usual: baseline::Params { bins: Bins::One, calendar: CALENDAR, floor: 0.1, memory: 28, roam: 1.0 },
            block_ms: 60 * MIN,
            learn_ms: 2 * DAY,
            shift: 1.2,
            slack: 0.5,
            rise: 8.0,
            step: None,
            patience_ms: 0,
        },
        points: 0,
    };

    /// Days of a cable whose clamp makes so many K of a full load; the load is read where `load` says so.
    fn days(s: &mut State, (from, to): (u64, u64), clamp: f64, load_is_read: bool) -> Option<u64> {
        let mut heat = 0.0;
        for n in from * 288..to * 288 {
            let (ms, hour) = (n * 5 * MIN, (n % 288) as f64 / 12.0);
            let load = 20.0 + if (8.0..20.0).contains(&hour) { 60.0 + (n % 7) as f64 } else { 0.0 };
            heat += (load * load / 1e4 - heat) * 300.0 / 2_100.0;
            let now = Now { mono: Mono(ms), wall: Wall(ms as i64) };
            if load_is_read {
                s.load(&CLAMP, load, now);
            }
            s.value(&CLAMP, 20.0 + clamp * heat + (n % 5) as f64 * 0.1, now.wall, now);
            if s.standing(&CLAMP).is_some() {
                return Some(n / 288);
            }
        }
        None
    }

    #[test]
    fn a_loose_clamp_is_told_and_a_heavy_load_is_not() {
        let mut s = State::default();
        assert_eq!(days(&mut s, (0, 20), 26.0, true), None);
        assert!(s.expected().is_some());
        assert!(days(&mut s, (20, 25), 32.0, true).is_some_and(|day| day < 23));
    }

    #[test]
    fn without_its_load_it_says_nothing_and_what_stands_goes_on() {
        let mut s = State::default();
        assert_eq!(days(&mut s, (0, 40), 26.0, false), None);
        assert_eq!((s.expected(), s.learned(&CLAMP)), (None, 0.0));
        let mut s = State::default();
        assert_eq!(days(&mut s, (0, 20), 26.0, true), None);
        assert_eq!(days(&mut s, (20, 40), 40.0, false), None, "it is warmer by 9 K, and nobody knows why");
        assert!(days(&mut s, (40, 45), 40.0, true).is_some());
        let stood = s.standing(&CLAMP);
        days(&mut s, (45, 60), 26.0, false);
        assert_eq!(s.standing(&CLAMP), stood, "unknown never clears");
    }

    #[test]
    fn nonsense_is_no_sample() {
        let mut s = State::default();
        let now = Now::default();
        for nonsense in [f64::NAN, f64::INFINITY, 1e31, f64::MIN] {
            s.load(&CLAMP, nonsense, now);
            s.value(&CLAMP, nonsense, now.wall, now);
        }
        assert_eq!(s, State::default());
    }
}
