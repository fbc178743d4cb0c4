//! Ratio: so many of something by so many of something else, out of two counters that only grow, told whenever there was
//! enough to divide by.
//!
//! `growth of parts / growth of wholes` since the last ratio, when the wholes have grown by `enough`: 3 re-opens in 120 trips
//! are 0.025 a trip. The scatter of a rare share `p` is `sqrt(p (1 - p) / enough)`: choose `enough` so that some parts are
//! expected. State: 48 bytes.
//!
//! A counter that falls back was reset, and what it says since is its growth, if that is below `enough`. What neither said while
//! the other was lost is caught up with by its next word. Bad input: what is not finite, or below 0, is no word.
//! When not to use it: where the wholes are so few that a ratio comes once a week.

/// Parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Params {
    /// How many wholes make a ratio, above 0.
    pub enough: f64,
}

/// A counter, and by how much it has grown since the last ratio.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Counter {
    last: Option<f64>,
    grown: f64,
}

impl Counter {
    /// The counter was read. `false`: this was no word of it.
    fn read(&mut self, says: f64, most: f64) -> bool {
        if !(says.is_finite() && says >= 0.0) {
            return false;
        }
        self.grown += match self.last {
            None => 0.0,
            Some(before) if says >= before => says - before,
            Some(_) => Some(says).filter(|says| *says < most).unwrap_or(0.0),
        };
        self.last = Some(says);
        true
    }
}

/// State of one ratio.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct State {
    parts: Counter,
    wholes: Counter,
}

impl State {
    /// The counter of the parts was read.
    pub fn part(&mut self, params: &Params, says: f64) {
        self.parts.read(says, params.enough);
    }

    /// The counter of the wholes was read; a ratio, if it has grown enough. Nothing is divided before the parts were read once.
    pub fn whole(&mut self, params: &Params, says: f64) -> Option<f64> {
        if self.parts.last.is_none() || !self.wholes.read(says, params.enough) || self.wholes.grown < params.enough {
            return None;
        }
        let ratio = self.parts.grown / self.wholes.grown;
        (self.parts.grown, self.wholes.grown) = (0.0, 0.0);
        Some(ratio).filter(|r| r.is_finite())
    }
}

const _: () = assert!(size_of::<State>() <= 48);

#[cfg(test)]
mod tests {
    use super::*;

    const HUNDRED: Params = Params { enough: 100.0 };

    #[test]
    fn a_ratio_comes_when_there_is_enough_to_divide_by() {
        let (p, mut s) = (HUNDRED, State::default());
        assert_eq!(s.whole(&p, 5_000.0), None, "nobody knows the parts yet");
        s.part(&p, 7.0);
        assert_eq!(s.whole(&p, 5_100.0), None, "nor by how much the wholes had grown");
        s.part(&p, 9.0);
        assert_eq!(s.whole(&p, 5_160.0), None);
        s.part(&p, f64::NAN);
        assert_eq!(s.whole(&p, f64::INFINITY), None);
        s.part(&p, 10.0);
        assert_eq!(s.whole(&p, 5_220.0), Some(0.025));
        assert_eq!(s.whole(&p, 5_319.0), None, "and it begins anew");
        assert_eq!(State::default().whole(&Params { enough: 0.0 }, 0.0), None);
    }

    #[test]
    fn a_counter_that_was_reset_goes_on_from_there() {
        let (p, mut s) = (HUNDRED, State::default());
        s.part(&p, 60_000.0);
        s.whole(&p, 65_530.0);
        s.part(&p, 2.0);
        assert_eq!(s.whole(&p, 40.0), None);
        s.part(&p, 5.0);
        assert_eq!(s.whole(&p, 100.0), Some(0.05));
        assert_eq!(s.whole(&p, 90_000.0), Some(0.0));
        s.part(&p, 3.0);
        assert_eq!(s.whole(&p, 89_999.0), None, "a jump backwards to far away is no growth");
    }
}
