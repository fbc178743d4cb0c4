//! Band: a value that must stay between two lines; both are limits (limit.rs), and one alarm speaks for them.
//!
//! Stands while either does; where both do (an off-delay runs on one side) the one with the higher level speaks, then the
//! lower line. State: 96 bytes. When not to use it: where the two sides ask for different people (two limits).

use super::Standing;
use super::limit::{self, Level, Side};
use crate::time::{Mono, Now, Wall};

/// Parameters: a level on each side, a second one where wanted.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Params {
    /// The lower side.
    pub low: limit::Params,
    /// The upper side.
    pub high: limit::Params,
}

impl Params {
    /// One level on each side.
    pub const fn between(low: Level, high: Level) -> Self {
        Self {
            low: limit::Params { side: Side::Low, first: low, second: None },
            high: limit::Params { side: Side::High, first: high, second: None },
        }
    }

    /// The longest delay.
    pub fn memory_ms(&self) -> u64 {
        self.low.memory_ms().max(self.high.memory_ms())
    }
}

/// State of one band rule on one point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct State {
    low: limit::State,
    high: limit::State,
}

const _: () = assert!(size_of::<State>() <= 96);

impl State {
    /// It stands at `level` beyond the line `limit` since `onset`; for a restart. Where that is no line of the band any more
    /// both sides stand, and a value within the band ends the wrong one.
    pub fn stand(&mut self, params: &Params, level: u8, limit: Option<f64>, onset: Wall) {
        let standing = limit::State::standing_at(level, onset);
        let (low, high) = (params.low.line(level) == limit, params.high.line(level) == limit);
        (self.low, self.high) = match (low, high) {
            (true, false) => (standing, limit::State::default()),
            (false, true) => (limit::State::default(), standing),
            (true, true) | (false, false) => (standing, standing),
        };
    }

    /// After a restart: see [`limit::State::doubt`].
    pub fn doubt(&mut self, params: &Params, mono: Mono) {
        self.low.doubt(&params.low, mono);
        self.high.doubt(&params.high, mono);
    }

    /// A value came.
    #[inline]
    pub fn value(&mut self, params: &Params, value: f64, at: Wall, now: Now) {
        self.low.value(&params.low, value, at, now);
        self.high.value(&params.high, value, at, now);
    }

    /// There is no value.
    pub fn unknown(&mut self, params: &Params, at: Wall, now: Now) {
        self.low.unknown(&params.low, at, now);
        self.high.unknown(&params.high, at, now);
    }

    /// The counter reached `mono`.
    pub fn expire(&mut self, params: &Params, mono: Mono) {
        self.low.expire(&params.low, mono);
        self.high.expire(&params.high, mono);
    }

    /// The earliest delay that runs.
    pub fn deadline(&self, params: &Params) -> Option<Mono> {
        match (self.low.deadline(&params.low), self.high.deadline(&params.high)) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (one, other) => one.or(other),
        }
    }

    /// What stands.
    pub fn standing(&self, params: &Params) -> Option<Standing> {
        match (self.low.standing(&params.low), self.high.standing(&params.high)) {
            (Some(low), Some(high)) if high.level > low.level => Some(high),
            (low, high) => low.or(high),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tank_between_its_lines() {
        let level = |limit, clear| Level { limit, clear, on_ms: 0, off_ms: 1_000 };
        let p = Params::between(level(2.5, 2.6), level(3.9, 3.8));
        let mut s = State::default();
        let mut at = |v, ms| {
            let now = Now { mono: Mono(ms), wall: Wall(ms as i64) };
            s.expire(&p, now.mono);
            s.value(&p, v, now.wall, now);
            s.standing(&p).and_then(|x| x.limit)
        };
        assert_eq!((at(3.0, 0), at(2.5, 1), at(3.0, 2)), (None, Some(2.5), Some(2.5)));
        assert_eq!((at(4.0, 3), at(3.0, 2_000), at(3.0, 4_000)), (Some(2.5), Some(3.9), None));
        assert_eq!(s.deadline(&p), None);
    }
}
