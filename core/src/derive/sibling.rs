//! Sibling: a reading against another of the same kind beside it, so that what both share (weather, hour, load) falls out.
//!
//! `value - sibling`, whichever of the two has spoken last, while the other's last word is no older than `fresh_ms`. State: 48
//! bytes.
//!
//! Bad input: what is not finite is no word, and takes the place of the last one. When not to use it: on siblings that hang on
//! one supply that may fail for both.

use crate::time::Mono;

/// Parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Params {
    /// How old the other's word may be, ms.
    pub fresh_ms: u64,
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// The point itself.
    Here,
    /// Its sibling.
    There,
}

/// State of one pair.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct State {
    here: Option<(f64, Mono)>,
    there: Option<(f64, Mono)>,
}

impl State {
    /// One of them has spoken, or said that it has no value; how far the point is above its sibling.
    pub fn word(&mut self, params: &Params, who: Who, value: Option<f64>, mono: Mono) -> Option<f64> {
        let word = value.filter(|value| value.is_finite()).map(|value| (value, mono));
        match who {
            Who::Here => self.here = word,
            Who::There => self.there = word,
        }
        let ((here, at), (there, then)) = self.here.zip(self.there)?;
        let fresh = mono.since(at.min(then)) <= params.fresh_ms;
        Some(here - there).filter(|off| fresh && off.is_finite())
    }
}

const _: () = assert!(size_of::<State>() <= 48);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_sibling_is_none() {
        let (p, mut s) = (Params { fresh_ms: 1_000 }, State::default());
        let mut word = |who, value, ms| s.word(&p, who, Some(value), Mono(ms));
        assert_eq!(word(Who::Here, 5.0, 0), None, "it has no sibling yet");
        assert_eq!(word(Who::There, 3.0, 1_000), Some(2.0), "whoever speaks");
        assert_eq!(word(Who::There, 4.0, 1_001), None, "the point itself is old by now");
        assert_eq!(word(Who::Here, 5.0, 2_001), Some(1.0));
        assert_eq!(word(Who::Here, 5.0, 2_002), None);
        assert_eq!(word(Who::Here, f64::INFINITY, 2_003), None);
        assert_eq!(word(Who::There, 4.0, 2_004), None, "and the nonsense took the place of what was said");
        assert_eq!(word(Who::Here, f64::MAX, 2_005), Some(f64::MAX));
        assert_eq!(word(Who::There, f64::MIN, 2_005), None, "no float holds it");
        assert_eq!(s.word(&p, Who::There, None, Mono(2_006)), None);
    }
}
