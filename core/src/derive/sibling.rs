//! Sibling: a reading against another of the same kind beside it, so that what both share (weather, hour, load) falls out.
//!
//! `value - sibling`, while the sibling's last word is no older than `fresh_ms`. State: 24 bytes.
//!
//! Bad input: what is not finite is no word. When not to use it: on siblings that hang on one supply that may fail for both.

use crate::time::Mono;

/// Parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Params {
    /// How old the sibling's word may be, ms.
    pub fresh_ms: u64,
}

/// State of one pair.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct State {
    sibling: Option<(f64, Mono)>,
}

impl State {
    /// The sibling has spoken.
    pub fn sibling(&mut self, value: f64, mono: Mono) {
        self.sibling = Some((value, mono)).filter(|_| value.is_finite());
    }

    /// The point itself has; how far it is above its sibling.
    pub fn value(&self, params: &Params, value: f64, mono: Mono) -> Option<f64> {
        let (sibling, at) = self.sibling?;
        Some(value - sibling).filter(|off| off.is_finite() && mono.since(at) <= params.fresh_ms)
    }
}

const _: () = assert!(size_of::<State>() <= 24);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_sibling_is_none() {
        let (p, mut s) = (Params { fresh_ms: 1_000 }, State::default());
        assert_eq!(s.value(&p, 5.0, Mono(0)), None);
        s.sibling(3.0, Mono(0));
        assert_eq!(s.value(&p, 5.0, Mono(1_000)), Some(2.0));
        assert_eq!(s.value(&p, 5.0, Mono(1_001)), None);
        assert_eq!(s.value(&p, f64::INFINITY, Mono(0)), None);
        s.sibling(f64::NAN, Mono(1_001));
        assert_eq!(s.value(&p, 5.0, Mono(1_001)), None);
    }
}
