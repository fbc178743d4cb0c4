//! Sibling: a reading that stands apart from another beside it, which should say the same.
//!
//! ```text
//! apart = value - sibling          both said within `fresh_ms`, or nothing is known
//! danger where apart (any way: |apart|) >= limit for `on_ms`; safe where it is <= clear for `off_ms`
//! ```
//! Judged at each word of either. What is known of only one of them is unknown: it neither raises nor clears. What began
//! before the other was lost goes on, as everywhere ([`Hold`]). State: 80 bytes.
//!
//! Bad input: what is not finite, and a difference that no float holds, are no value. When not to use it: on two that hang on
//! one supply which may fail for both; on two in places that differ by themselves (use a residual, or a drift on each); where one
//! speaks only when it changes and `fresh_ms` is shorter than its silences.

use libm::fabs;

use super::Standing;
use super::hold::{self, Delays, Hold};
use crate::derive::sibling as channel;
pub use crate::derive::sibling::Who;
use crate::time::{Mono, Now, Wall};

/// Which way they must be apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Way {
    /// The point above its sibling.
    Above,
    /// The point below its sibling.
    Below,
    /// Either.
    Any,
}

/// Parameters. Values in the unit of both points, durations in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Params {
    /// How old a word may be.
    pub channel: channel::Params,
    /// Which way counts.
    pub way: Way,
    /// How far apart they must be, above 0.
    pub limit: f64,
    /// Where it ends, above 0 and at most the limit.
    pub clear: f64,
    /// On-delay.
    pub on_ms: u64,
    /// Off-delay.
    pub off_ms: u64,
    /// Names the sibling, so that a rule on another is another rule.
    pub points: u64,
}

impl Params {
    const fn delays(&self) -> Delays {
        Delays { on_ms: self.on_ms, off_ms: self.off_ms }
    }

    /// How far back it must be shown both, ms.
    pub(super) fn memory_ms(&self) -> u64 {
        self.on_ms.max(self.off_ms).saturating_add(self.channel.fresh_ms)
    }

    fn side(&self, apart: f64) -> hold::Side {
        let off = match self.way {
            Way::Above => apart,
            Way::Below => -apart,
            Way::Any => fabs(apart),
        };
        if off >= self.limit {
            hold::Side::Danger
        } else if off <= self.clear {
            hold::Side::Safe
        } else {
            hold::Side::Between
        }
    }
}

/// State of one rule on one pair.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct State {
    pair: channel::State,
    apart: f64,
    hold: Hold,
}

const _: () = assert!(size_of::<State>() <= 80);

impl State {
    /// The condition stands since `onset`, whatever was heard; for a restart.
    pub const fn stand(&mut self, onset: Wall) {
        self.hold = Hold::Breach { onset };
    }

    /// It is over, whatever was heard; for a restart.
    pub const fn rest(&mut self) {
        self.hold = Hold::Normal;
    }

    /// After a restart: see [`Hold::doubt`].
    pub fn doubt(&mut self, params: &Params, mono: Mono) {
        self.hold = self.hold.doubt(mono, params.delays());
    }

    /// One of them has spoken, or has no value.
    pub fn word(&mut self, params: &Params, who: Who, value: Option<f64>, at: Wall, now: Now) {
        let side = match self.pair.word(&params.channel, who, value, now.mono) {
            Some(apart) => {
                self.apart = apart;
                params.side(apart)
            }
            None => hold::Side::Unknown,
        };
        self.hold = self.hold.drive(side, at, now, params.delays());
    }

    /// The counter reached `mono`.
    pub fn expire(&mut self, params: &Params, mono: Mono) {
        self.hold = self.hold.expire(mono, params.delays());
    }

    /// When a delay that runs will be over.
    pub const fn deadline(&self, params: &Params) -> Option<Mono> {
        self.hold.deadline(params.delays())
    }

    /// How far the point was above its sibling when that was last known, in their unit.
    pub const fn apart(&self) -> f64 {
        self.apart
    }

    /// What stands.
    pub fn standing(&self, params: &Params) -> Option<Standing> {
        let onset = self.hold.standing()?;
        Some(Standing { level: 0, onset, limit: Some(params.limit), time_to_limit: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIR: Params = Params {
        channel: channel::Params { fresh_ms: 5_000 },
        way: Way::Any,
        limit: 2.0,
        clear: 1.0,
        on_ms: 3_000,
        off_ms: 0,
        points: 0,
    };

    fn at(ms: u64) -> Now {
        Now { mono: Mono(ms), wall: Wall(ms as i64) }
    }

    fn run(p: &Params, words: &[(Who, Option<f64>, u64)]) -> Option<Standing> {
        let mut s = State::default();
        for (who, value, ms) in words {
            s.expire(p, Mono(*ms));
            s.word(p, *who, *value, at(*ms).wall, at(*ms));
        }
        s.standing(p)
    }

    use Who::{Here, There};

    #[test]
    fn it_stands_where_they_stay_apart() {
        let apart = [(There, Some(10.0), 0), (Here, Some(7.0), 1_000), (There, Some(10.0), 4_000)];
        assert_eq!(run(&PAIR, &apart).map(|s| (s.onset, s.limit)), Some((Wall(1_000), Some(2.0))));
        assert_eq!(run(&PAIR, &apart[..2]), None, "not for long enough");
        assert!(run(&Params { way: Way::Below, ..PAIR }, &apart).is_some());
        assert_eq!(run(&Params { way: Way::Above, ..PAIR }, &apart), None);
        let over = [apart.as_slice(), &[(Here, Some(9.0), 5_000)]].concat();
        assert_eq!(run(&PAIR, &over), None);
        let between = [apart.as_slice(), &[(Here, Some(8.5), 5_000)]].concat();
        assert!(run(&PAIR, &between).is_some());
    }

    #[test]
    fn what_is_known_of_one_alone_neither_raises_nor_clears() {
        let alone = [(Here, Some(50.0), 0), (Here, Some(50.0), 10_000)];
        assert_eq!(run(&PAIR, &alone), None);
        let stale = [(There, Some(10.0), 0), (Here, Some(50.0), 5_001), (Here, Some(50.0), 10_000)];
        assert_eq!(run(&PAIR, &stale), None);
        let stood = [(There, Some(10.0), 0), (Here, Some(7.0), 0), (Here, Some(7.0), 4_000)];
        for lost in [(There, None), (Here, None), (Here, Some(f64::NAN))] {
            let lost = [stood.as_slice(), &[(lost.0, lost.1, 4_500), (There, None, 4_600), (Here, Some(10.0), 4_700)]]
                .concat();
            assert!(run(&PAIR, &lost).is_some(), "{lost:?}");
        }
    }
}
