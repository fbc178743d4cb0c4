//! Limit: a value beyond a line, with hysteresis, delays and one or two levels.
//!
//! Per level: danger where `value >= limit` (high) or `value <= limit` (low); safe where the value is strictly on the
//! safe side of `clear`, or exactly on it when `clear` differs from `limit`. The condition stands at the highest level
//! that stands, and is over when none does. State: 48 bytes.
//!
//! When not to use it: for contacts (use digital), or where a slow approach matters more than the crossing (trend).

use super::Standing;
use super::hold::{self, Delays, Hold};
use crate::time::{Mono, Now, Wall};

/// Which side of the limit is the dangerous one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Side {
    /// At or above the limit.
    High,
    /// At or below the limit.
    Low,
}

/// One level of a limit rule. All values in the point's unit, all durations in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Level {
    /// Where the condition begins.
    pub limit: f64,
    /// Where it ends; on the safe side of `limit` (hysteresis), or equal to it.
    pub clear: f64,
    /// On-delay: how long the value must stand beyond the limit.
    pub on_ms: u64,
    /// Off-delay: how long it must stay on the safe side of `clear`.
    pub off_ms: u64,
}

/// A limit rule: one level, or two of rising urgency.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Params {
    /// The dangerous side.
    pub side: Side,
    /// The first level.
    pub first: Level,
    /// The second, further out.
    pub second: Option<Level>,
}

impl Params {
    /// Where a level begins; that of the first where there is no second.
    pub fn line(&self, level: u8) -> Option<f64> {
        Some(self.second.filter(|_| level > 0).unwrap_or(self.first).limit)
    }

    /// The longest delay.
    pub fn memory_ms(&self) -> u64 {
        let first = self.first.on_ms.max(self.first.off_ms);
        self.second.map_or(first, |s| first.max(s.on_ms).max(s.off_ms))
    }
}

impl Level {
    const fn delays(&self) -> Delays {
        Delays { on_ms: self.on_ms, off_ms: self.off_ms }
    }

    fn side(&self, side: Side, value: f64) -> hold::Side {
        let (danger, safe) = match side {
            Side::High => (value >= self.limit, value <= self.clear),
            Side::Low => (value <= self.limit, value >= self.clear),
        };
        if danger {
            hold::Side::Danger
        } else if safe {
            hold::Side::Safe
        } else {
            hold::Side::Between
        }
    }
}

/// State of one limit rule on one point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct State {
    first: Hold,
    second: Hold,
}

impl State {
    /// The state in which the condition stands at `level` since `onset`; for a restart.
    pub const fn standing_at(level: u8, onset: Wall) -> Self {
        let second = if level > 0 { Hold::Breach { onset } } else { Hold::Normal };
        Self { first: Hold::Breach { onset }, second }
    }

    /// A value came.
    #[inline]
    pub fn value(&mut self, params: &Params, value: f64, at: Wall, now: Now) {
        self.first = self.first.drive(params.first.side(params.side, value), at, now, params.first.delays());
        if let Some(level) = &params.second {
            self.second = self.second.drive(level.side(params.side, value), at, now, level.delays());
        }
    }

    /// There is no value.
    #[inline(never)]
    pub fn unknown(&mut self, params: &Params, at: Wall, now: Now) {
        self.first = self.first.drive(hold::Side::Unknown, at, now, params.first.delays());
        if let Some(level) = &params.second {
            self.second = self.second.drive(hold::Side::Unknown, at, now, level.delays());
        }
    }

    /// There is no value, and the rule takes that for danger of the first level.
    #[inline(never)]
    pub fn alarming(&mut self, params: &Params, at: Wall, now: Now) {
        self.first = self.first.drive(hold::Side::Danger, at, now, params.first.delays());
        if let Some(level) = &params.second {
            self.second = self.second.drive(hold::Side::Unknown, at, now, level.delays());
        }
    }

    /// The counter reached `mono`.
    pub fn expire(&mut self, params: &Params, mono: Mono) {
        self.first = self.first.expire(mono, params.first.delays());
        if let Some(level) = &params.second {
            self.second = self.second.expire(mono, level.delays());
        }
    }

    /// After a restart: see [`Hold::doubt`].
    pub fn doubt(&mut self, params: &Params, mono: Mono) {
        self.first = self.first.doubt(mono, params.first.delays());
        if let Some(level) = &params.second {
            self.second = self.second.doubt(mono, level.delays());
        }
    }

    /// The earliest delay that runs.
    #[inline]
    pub fn deadline(&self, params: &Params) -> Option<Mono> {
        let first = self.first.deadline(params.first.delays());
        let second = params.second.and_then(|level| self.second.deadline(level.delays()));
        match (first, second) {
            (Some(a), Some(b)) => Some(if a < b { a } else { b }),
            (one, other) => one.or(other),
        }
    }

    /// What stands.
    #[inline]
    pub fn standing(&self, params: &Params) -> Option<Standing> {
        let found = |level, onset, limit| Some(Standing { level, onset, limit: Some(limit), time_to_limit: None });
        match (self.first.standing(), params.second, self.second.standing()) {
            (_, Some(second), Some(onset)) => found(1, onset, second.limit),
            (Some(onset), _, _) => found(0, onset, params.first.limit),
            (None, _, _) => None,
        }
    }
}

const _: () = assert!(size_of::<State>() <= 48);

#[cfg(test)]
mod tests {
    use super::*;

    fn now(ms: u64) -> Now {
        Now { mono: Mono(ms), wall: Wall(ms as i64) }
    }

    const LOW: Params =
        Params { side: Side::Low, first: Level { limit: 0.15, clear: 0.17, on_ms: 10_000, off_ms: 0 }, second: None };
    const GAS: Params = Params {
        side: Side::High,
        first: Level { limit: 25.0, clear: 22.0, on_ms: 0, off_ms: 0 },
        second: Some(Level { limit: 50.0, clear: 45.0, on_ms: 0, off_ms: 0 }),
    };

    #[test]
    fn low_pressure_after_its_delay() {
        let mut s = State::default();
        s.value(&LOW, 0.15, Wall(5), now(5));
        assert_eq!((s.standing(&LOW), s.deadline(&LOW)), (None, Some(Mono(10_005))));
        s.expire(&LOW, Mono(10_005));
        assert_eq!(s.standing(&LOW).map(|x| (x.level, x.onset, x.limit)), Some((0, Wall(5), Some(0.15))));
        s.value(&LOW, 0.16, Wall(6), now(11_000));
        assert!(s.standing(&LOW).is_some(), "inside the hysteresis the alarm stays");
        s.value(&LOW, 0.17, Wall(7), now(12_000));
        assert!(s.standing(&LOW).is_none());
    }

    #[test]
    fn gas_climbs_and_falls_through_two_levels() {
        let mut s = State::default();
        let mut level = |v: f64, ms| {
            s.value(&GAS, v, Wall(ms), now(ms as u64));
            s.standing(&GAS).map(|x| x.level)
        };
        assert_eq!(level(24.9, 1), None);
        assert_eq!(level(25.0, 2), Some(0));
        assert_eq!(level(60.0, 3), Some(1));
        assert_eq!(level(46.0, 4), Some(1));
        assert_eq!(level(45.0, 5), Some(0));
        assert_eq!(level(22.1, 6), Some(0));
        assert_eq!(level(22.0, 7), None);
    }

    #[test]
    fn a_restart_at_a_level_keeps_it_until_a_value_says_otherwise() {
        let mut s = State::standing_at(1, Wall(9));
        assert_eq!(s.standing(&GAS).map(|x| (x.level, x.onset)), Some((1, Wall(9))));
        s.unknown(&GAS, Wall(10), now(10));
        assert!(s.standing(&GAS).is_some());
        s.value(&GAS, 1.0, Wall(11), now(11));
        assert!(s.standing(&GAS).is_none());
    }
}
