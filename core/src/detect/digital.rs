//! Digital: a point that is in (or is not in) a given state: a contact, a coil, a mode number.
//!
//! Danger where `(value == is) != negate`. Exact comparison: the values are small integers by nature.
//! When not to use it: for measured quantities.

use super::Standing;
use super::hold::{self, Delays, Hold};
use crate::time::{Mono, Now, Wall};

/// Parameters. Durations in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Params {
    /// The state looked for, as a number (false 0, true 1).
    pub is: f64,
    /// `true`: breach while the value differs from `is`.
    pub negate: bool,
    /// On-delay.
    pub on_ms: u64,
    /// Off-delay.
    pub off_ms: u64,
}

impl Params {
    const fn delays(&self) -> Delays {
        Delays { on_ms: self.on_ms, off_ms: self.off_ms }
    }
}

/// State of one digital rule on one point: 24 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct State(Hold);

impl State {
    /// The state in which the condition stands since `onset`; for a restart.
    pub const fn standing_at(onset: Wall) -> Self {
        Self(Hold::Breach { onset })
    }

    /// A value came.
    #[inline]
    pub fn value(&mut self, params: &Params, value: f64, at: Wall, now: Now) {
        let danger = (value == params.is) != params.negate;
        let side = if danger { hold::Side::Danger } else { hold::Side::Safe };
        self.0 = self.0.drive(side, at, now, params.delays());
    }

    /// There is no value.
    #[inline(never)]
    pub fn unknown(&mut self, params: &Params, at: Wall, now: Now) {
        self.0 = self.0.drive(hold::Side::Unknown, at, now, params.delays());
    }

    /// There is no value, and the rule takes that for danger.
    #[inline(never)]
    pub fn alarming(&mut self, params: &Params, at: Wall, now: Now) {
        self.0 = self.0.drive(hold::Side::Danger, at, now, params.delays());
    }

    /// The counter reached `mono`.
    pub fn expire(&mut self, params: &Params, mono: Mono) {
        self.0 = self.0.expire(mono, params.delays());
    }

    /// After a restart: see [`Hold::doubt`].
    pub fn doubt(&mut self, params: &Params, mono: Mono) {
        self.0 = self.0.doubt(mono, params.delays());
    }

    /// The delay that runs.
    pub const fn deadline(&self, params: &Params) -> Option<Mono> {
        self.0.deadline(params.delays())
    }

    /// What stands.
    pub fn standing(&self, params: &Params) -> Option<Standing> {
        let onset = self.0.standing()?;
        Some(Standing { level: 0, onset, limit: Some(params.is), time_to_limit: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_that_is_open_too_long() {
        let p = Params { is: 1.0, negate: false, on_ms: 60_000, off_ms: 0 };
        let mut s = State::default();
        s.value(&p, 1.0, Wall(0), Now::default());
        assert_eq!(s.deadline(&p), Some(Mono(60_000)));
        s.expire(&p, Mono(60_000));
        assert!(s.standing(&p).is_some());
        s.value(&p, 0.0, Wall(1), Now { mono: Mono(70_000), wall: Wall(1) });
        assert!(s.standing(&p).is_none());
    }

    #[test]
    fn anything_but_automatic() {
        let p = Params { is: 1.0, negate: true, on_ms: 0, off_ms: 0 };
        let mut s = State::default();
        s.value(&p, 2.0, Wall(0), Now::default());
        assert!(s.standing(&p).is_some());
        s.value(&p, 1.0, Wall(0), Now::default());
        assert!(s.standing(&p).is_none());
    }
}
