//! Dwell: a state that is held for too long: a fire lane occupied for 60 s, an exit locked in opening hours.
//!
//! Time in the state adds up; leaving it for less than `forgive_ms` (somebody walks through the beam) stops the sum, for
//! longer it begins anew. It stands from `hold_ms` on and ends when the state was left for `forgive_ms`. With `open_hours` it
//! counts only while the site is open, and what stands is over when it closes. State: 56 bytes.
//!
//! Unknown stops the sum: nobody knows what was; it never ends what stands. Bad input: NaN is unknown. When not to use it:
//! on measured quantities (limit with a delay), or where no leaving is to be forgiven (digital).

use super::Standing;
use super::calendar::Calendar;
use crate::time::{Mono, Now, Wall};

/// Parameters. Durations in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Params {
    /// The state, as a number.
    pub is: f64,
    /// How long it may be held.
    pub hold_ms: u64,
    /// How short a leaving does not count; 0: every one counts.
    pub forgive_ms: u64,
    /// Counts in opening hours only.
    pub open_hours: Option<Calendar>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Phase {
    /// Not in the state.
    #[default]
    Out,
    /// In it since `from`, after `held` ms before.
    In { onset: Wall, from: Mono, held: u64 },
    /// Left or not known since `from`; `unknown` never ends anything.
    Away { onset: Wall, from: Mono, held: u64, unknown: bool },
}

/// State of one dwell rule on one point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct State {
    phase: Phase,
    stands: bool,
    /// Whether the last word was the state: the opening hours may begin meanwhile.
    holds: bool,
    /// Up to when time has passed.
    now: Now,
}

const _: () = assert!(size_of::<State>() <= 56);

impl State {
    /// It stands since `onset`; for a restart.
    pub const fn stand(&mut self, onset: Wall, now: Now) {
        self.phase = Phase::Away { onset, from: now.mono, held: 0, unknown: true };
        self.stands = true;
    }

    /// A value came.
    pub fn value(&mut self, params: &Params, value: f64, at: Wall, now: Now) {
        if !value.is_finite() {
            return self.unknown(params, now);
        }
        self.expire(params, now.mono);
        (self.holds, self.now) = (value == params.is, now);
        if self.holds && is_open(params, now.wall) {
            self.enter(at, now.mono);
        } else {
            self.leave(now.mono, false);
        }
        self.expire(params, now.mono);
    }

    /// There is no value.
    pub fn unknown(&mut self, params: &Params, now: Now) {
        self.expire(params, now.mono);
        (self.holds, self.now) = (false, now);
        self.leave(now.mono, true);
    }

    fn enter(&mut self, at: Wall, mono: Mono) {
        self.phase = match self.phase {
            Phase::Out => Phase::In { onset: at, from: mono, held: 0 },
            Phase::Away { onset, held, .. } => Phase::In { onset, from: mono, held },
            Phase::In { onset, from, held } => Phase::In { onset, from, held },
        };
    }

    fn leave(&mut self, mono: Mono, unknown: bool) {
        self.phase = match self.phase {
            Phase::Out => Phase::Out,
            Phase::In { onset, from, held } => {
                Phase::Away { onset, from: mono, held: held.saturating_add(mono.since(from)), unknown }
            }
            // A value after nothing: it is away from now on.
            Phase::Away { onset, held, unknown: true, .. } if !unknown => {
                Phase::Away { onset, from: mono, held, unknown: false }
            }
            Phase::Away { onset, from, held, unknown: was } => {
                Phase::Away { onset, from, held, unknown: was || unknown }
            }
        };
    }

    /// The counter reached `mono`.
    pub fn expire(&mut self, params: &Params, mono: Mono) {
        self.now = self.now.at(mono.max(self.now.mono));
        let open = is_open(params, self.now.wall);
        if self.holds && !open {
            self.over();
        } else if self.holds && self.phase == Phase::Out {
            self.enter(self.now.wall, mono);
        }
        match self.phase {
            Phase::In { from, held, .. } => self.stands |= held.saturating_add(mono.since(from)) >= params.hold_ms,
            Phase::Away { from, unknown: false, .. } if mono.since(from) >= params.forgive_ms => self.over(),
            Phase::Out | Phase::Away { .. } => {}
        }
    }

    const fn over(&mut self) {
        (self.phase, self.stands) = (Phase::Out, false);
    }

    /// When it will have been held too long, left long enough, or the site opens or closes.
    pub fn deadline(&self, params: &Params) -> Option<Mono> {
        let due = match self.phase {
            Phase::Out => None,
            Phase::In { from, held, .. } => (!self.stands).then(|| from.plus(params.hold_ms.saturating_sub(held))),
            Phase::Away { unknown, from, .. } => (!unknown).then(|| from.plus(params.forgive_ms)),
        };
        let turns = params.open_hours.filter(|_| self.holds).and_then(|hours| hours.turns_in(self.now.wall));
        match (due, turns.map(|ms| self.now.mono.plus(ms))) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (one, other) => one.or(other),
        }
    }

    /// What stands.
    pub const fn standing(&self, params: &Params) -> Option<Standing> {
        match self.phase {
            Phase::In { onset, .. } | Phase::Away { onset, .. } if self.stands => {
                Some(Standing { level: 0, onset, limit: Some(params.is), time_to_limit: None })
            }
            Phase::Out | Phase::In { .. } | Phase::Away { .. } => None,
        }
    }
}

fn is_open(params: &Params, at: Wall) -> bool {
    params.open_hours.is_none_or(|hours| hours.is_open(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LANE: Params = Params { is: 1.0, hold_ms: 60_000, forgive_ms: 5_000, open_hours: None };

    fn at(s: u64) -> Now {
        Now { mono: Mono(s * 1_000), wall: Wall(s as i64 * 1_000) }
    }

    fn say(s: &mut State, p: &Params, value: f64, sec: u64) -> Option<Wall> {
        s.value(p, value, at(sec).wall, at(sec));
        s.standing(p).map(|x| x.onset)
    }

    #[test]
    fn a_lane_that_stays_occupied_though_somebody_walks_through_the_beam() {
        let mut s = State::default();
        say(&mut s, &LANE, 1.0, 0);
        say(&mut s, &LANE, 0.0, 30);
        say(&mut s, &LANE, 1.0, 33);
        assert_eq!(s.deadline(&LANE), Some(at(63).mono));
        s.expire(&LANE, at(63).mono);
        assert_eq!(s.standing(&LANE).map(|x| x.onset), Some(Wall(0)));
        say(&mut s, &LANE, 0.0, 70);
        s.expire(&LANE, s.deadline(&LANE).expect("it was left"));
        assert!(s.standing(&LANE).is_none());
    }

    #[test]
    fn a_lane_that_is_free_for_long_begins_anew() {
        let mut s = State::default();
        say(&mut s, &LANE, 1.0, 0);
        say(&mut s, &LANE, 0.0, 50);
        assert_eq!(say(&mut s, &LANE, 1.0, 56), None);
        assert_eq!(s.deadline(&LANE), Some(at(116).mono));
    }

    #[test]
    fn unknown_neither_ends_it_nor_counts() {
        let mut s = State::default();
        say(&mut s, &LANE, 1.0, 0);
        s.unknown(&LANE, at(50));
        assert_eq!(s.deadline(&LANE), None);
        assert_eq!(say(&mut s, &LANE, 1.0, 500), None, "nobody knows what was");
        assert!(say(&mut s, &LANE, 1.0, 510).is_some());
        s.unknown(&LANE, at(600));
        s.expire(&LANE, at(10_000).mono);
        assert!(s.standing(&LANE).is_some());
    }

    #[test]
    fn an_exit_that_is_locked_when_the_shop_opens() {
        let hours = Calendar { open_min: 600, close_min: 1_320, ..Calendar::default() };
        let exit = Params { is: 1.0, hold_ms: 60_000, forgive_ms: 0, open_hours: Some(hours) };
        let mut s = State::default();
        assert_eq!(say(&mut s, &exit, 1.0, 3_600), None);
        for _ in 0..2 {
            let due = s.deadline(&exit).expect("it will open, and be held too long");
            s.expire(&exit, due);
        }
        assert_eq!(s.standing(&exit).map(|x| x.onset), Some(at(36_000).wall), "since it opened");
        assert_eq!(say(&mut s, &exit, 1.0, 80_000), None, "and closed");
    }
}
