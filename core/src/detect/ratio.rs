//! Ratio: a share that leaves what is usual: door re-openings a trip, faults a start.
//!
//! [`ratio`](crate::derive::ratio) makes shares out of two counters, and a [`drift`] is put on them: each share is a sample, so a
//! block of a second makes a block of each. It comes with the counter of the wholes: read the parts first, or in the same
//! poll. State: 920 bytes.
//!
//! While either is lost there is no share, which is no sample, so it neither raises nor clears; what grew meanwhile counts
//! with the next word. Bad input: what is not finite, below 0, or beyond 1e30, is none. When not to use it: on values that are no counters; where
//! too often within a time is what matters (a count).

use super::{Standing, drift, is_sensible};
use crate::derive::ratio as channel;
use crate::time::{Now, Wall};

/// Parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Params {
    /// When there is enough to divide by.
    pub channel: channel::Params,
    /// What of the share is a danger.
    pub drift: drift::Params,
    /// Names the counter of the wholes, so that a rule with another is another rule.
    pub points: u64,
}

/// State of one rule on one point, the parts, and on the wholes.
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct State {
    channel: channel::State,
    drift: drift::State,
    /// The last share.
    share: Option<f64>,
}

const _: () = assert!(size_of::<State>() <= 920);

impl State {
    /// The condition stands since `onset`, whatever was heard; for a restart.
    pub fn stand(&mut self, onset: Wall) {
        self.drift.stand(onset);
    }

    /// It is over, whatever was heard; for a restart.
    pub fn rest(&mut self) {
        self.drift.rest();
    }

    /// The counter of the parts was read.
    pub fn part(&mut self, says: f64) {
        if is_sensible(says) {
            self.channel.part(says);
        }
    }

    /// The counter of the wholes was read.
    pub fn whole(&mut self, params: &Params, says: f64, at: Wall, now: Now) {
        let share =
            Some(says).filter(|says| is_sensible(*says)).and_then(|says| self.channel.whole(&params.channel, says));
        if let Some(share) = share {
            self.share = Some(share);
            self.drift.value(&params.drift, share, at, now);
        }
    }

    /// The last share; `None` before there was one.
    pub const fn share(&self) -> Option<f64> {
        self.share
    }

    /// What the drift believes of the shares.
    pub fn belief(&self, params: &Params, now: Now) -> drift::Belief {
        self.drift.belief(&params.drift, now)
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
    const REOPENS: Params = Params {
        channel: channel::Params { enough: 100.0 },
        drift: drift::Params {
            side: Side::High,
            usual: baseline::Params { bins: Bins::One, calendar: Calendar::UTC, floor: 0.005, memory: 28, roam: 0.02 },
            block_ms: 1_000,
            learn_ms: 12 * DAY,
            shift: 0.015,
            slack: 0.5,
            rise: 8.0,
            step: None,
            patience_ms: 0,
        },
        points: 0,
    };

    struct Door {
        state: State,
        reopens: f64,
        trips: f64,
        /// The parts are not read.
        mute: bool,
    }

    impl Door {
        fn new() -> Self {
            Self { state: State::default(), reopens: 40.0, trips: 9_000.0, mute: false }
        }

        /// Days of 20 trips an hour, of which so many in a hundred re-open; the trips are read where `read` says so.
        fn days(&mut self, (from, to): (u64, u64), percent: f64, read: bool) -> Option<u64> {
            for n in from * 144..to * 144 {
                let now = Now { mono: Mono(n * 10 * MIN), wall: Wall((n * 10 * MIN) as i64) };
                let trips = 3.0 + (n % 2) as f64;
                (self.trips, self.reopens) = (self.trips + trips, self.reopens + trips * percent / 100.0);
                if !self.mute {
                    self.state.part(libm::floor(self.reopens));
                }
                if read {
                    self.state.whole(&REOPENS, self.trips, now.wall, now);
                }
                if self.state.standing(&REOPENS).is_some() {
                    return Some(n / 144);
                }
            }
            None
        }
    }

    #[test]
    fn a_door_that_reopens_more_and_more_is_told_long_before_its_limit() {
        let mut door = Door::new();
        assert_eq!(door.days((0, 30), 4.0, true), None);
        assert!(door.state.share().is_some_and(|share| (0.03..=0.05).contains(&share)), "{:?}", door.state.share());
        assert!(door.days((30, 40), 8.0, true).is_some_and(|day| day < 34));
    }

    #[test]
    fn without_the_wholes_it_says_nothing_and_what_stands_goes_on() {
        let mut door = Door::new();
        assert_eq!(door.days((0, 60), 50.0, false), None);
        assert_eq!(door.state.share(), None);
        let mut door = Door::new();
        assert_eq!(door.days((0, 30), 4.0, true), None);
        assert!(door.days((30, 40), 8.0, true).is_some());
        let stood = door.state.standing(&REOPENS);
        door.days((40, 60), 0.0, false);
        assert_eq!(door.state.standing(&REOPENS), stood, "unknown never clears");
    }

    #[test]
    fn without_the_parts_what_stands_goes_on_and_nothing_is_learned() {
        let mut door = Door::new();
        assert_eq!(door.days((0, 30), 4.0, true), None);
        assert!(door.days((30, 40), 8.0, true).is_some());
        let (stood, belief) = (door.state.standing(&REOPENS), door.state.share());
        door.mute = true;
        door.days((40, 80), 8.0, true);
        assert_eq!((door.state.standing(&REOPENS), door.state.share()), (stood, belief), "never a silent zero");
        door.mute = false;
        door.days((80, 81), 8.0, true);
        assert!(door.state.share().is_some_and(|share| (0.05..0.11).contains(&share)), "{:?}", door.state.share());
    }

    #[test]
    fn nonsense_is_no_sample() {
        let mut s = State::default();
        let now = Now::default();
        for nonsense in [f64::NAN, f64::INFINITY, 1e31, -1.0] {
            s.part(nonsense);
            s.whole(&REOPENS, nonsense, now.wall, now);
        }
        assert_eq!(s, State::default());
    }
}
