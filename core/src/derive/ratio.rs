//! Ratio: so many of something by so many of something else, told whenever there was enough to divide by.
//!
//! `sum of parts / sum of wholes` since the last ratio, when the wholes reach `enough`: 3 re-opens in 120 trips are 0.025 a
//! trip. The scatter of a rare share `p` is `sqrt(p (1 - p) / enough)`: choose `enough` so that some parts are expected.
//! State: 16 bytes.
//!
//! Bad input: what is not finite, or below 0, is left out with its partner. When not to use it: on counters that only grow
//! (take their increments), or where the wholes are so few that a ratio comes once a week.

/// Parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Params {
    /// How many wholes make a ratio, above 0.
    pub enough: f64,
}

/// State of one ratio.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct State {
    parts: f64,
    wholes: f64,
}

impl State {
    /// So many parts of so many wholes came; a ratio, if there is enough.
    pub fn value(&mut self, params: &Params, parts: f64, wholes: f64) -> Option<f64> {
        if !(parts.is_finite() && wholes.is_finite() && parts >= 0.0 && wholes >= 0.0) {
            return None;
        }
        (self.parts, self.wholes) = (self.parts + parts, self.wholes + wholes);
        if self.wholes < params.enough || self.wholes <= 0.0 {
            return None;
        }
        let ratio = self.parts / self.wholes;
        *self = Self::default();
        Some(ratio).filter(|r| r.is_finite())
    }
}

const _: () = assert!(size_of::<State>() <= 16);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_comes_when_there_is_enough_to_divide_by() {
        let (p, mut s) = (Params { enough: 100.0 }, State::default());
        assert_eq!(s.value(&p, 2.0, 60.0), None);
        assert_eq!(s.value(&p, f64::NAN, 60.0), None);
        assert_eq!(s.value(&p, 1.0, 60.0), Some(0.025));
        assert_eq!(s.value(&p, 0.0, 99.0), None, "and it begins anew");
        assert_eq!(State::default().value(&Params { enough: 0.0 }, 0.0, 0.0), None);
    }
}
