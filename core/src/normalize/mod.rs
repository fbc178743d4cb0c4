//! From a raw number to a value one may act on: scale, offset, range, quality.
//! What is not a number never becomes one here.

use crate::quality::{Quality, Reason};

/// How a raw number becomes the point's value: `raw * scale + offset`, inside `range`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scaling {
    /// Factor, point's unit per raw count.
    pub scale: f64,
    /// In the point's unit.
    pub offset: f64,
    /// Lowest and highest value that can be true; outside is bad(out-of-range).
    pub range: Option<(f64, f64)>,
}

impl Default for Scaling {
    fn default() -> Self {
        Self { scale: 1.0, offset: 0.0, range: None }
    }
}

impl Scaling {
    /// Value and quality of a raw number. Never returns NaN or an infinity.
    #[inline]
    pub fn apply(&self, raw: f64) -> (f64, Quality) {
        // A multiply and an add, never fused: x86 and Cortex-M4F must agree bit for bit.
        let scaled = raw * self.scale;
        let value = scaled + self.offset;
        if !value.is_finite() {
            return (0.0, Quality::Bad(Reason::NotANumber));
        }
        match self.range {
            Some((low, high)) if value < low || value > high => (0.0, Quality::Bad(Reason::OutOfRange)),
            Some(_) | None => (value, Quality::Good),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_in_range_is_good() {
        let s = Scaling { scale: 0.001, offset: 1.0, range: Some((0.0, 2.0)) };
        assert_eq!(s.apply(500.0), (1.5, Quality::Good));
    }

    #[test]
    fn outside_the_range_is_bad_on_both_sides() {
        let s = Scaling { range: Some((0.0, 2.5)), ..Scaling::default() };
        assert_eq!(s.apply(-0.1).1, Quality::Bad(Reason::OutOfRange));
        assert_eq!(s.apply(2.6).1, Quality::Bad(Reason::OutOfRange));
        assert_eq!(s.apply(2.5).1, Quality::Good);
    }

    #[test]
    fn what_is_not_a_number_never_gets_out() {
        for raw in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX] {
            let (value, quality) = Scaling { scale: 10.0, ..Scaling::default() }.apply(raw);
            assert_eq!((value, quality), (0.0, Quality::Bad(Reason::NotANumber)));
        }
    }
}
