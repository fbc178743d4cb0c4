//! One unit on one line: asked as planned while it answers, and only probed while it does not, so that a dead unit
//! costs its neighbours nothing but the probes. Pure.

use std::time::Duration;

use gengfu_core::quality::Reason;
use gengfu_core::time::Mono;

use crate::backoff::Backoff;

/// First and longest pause between probes of a unit that does not answer.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// A unit with a life-safety point is probed at least this often.
const LIFE_SAFETY_PROBE: Duration = Duration::from_secs(5);

/// What a unit is owed now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leave {
    /// Ask it.
    Ask,
    /// It did not answer; one question may be tried since then.
    Probe(Mono),
    /// Leave it alone and report why.
    Rest(Reason),
}

#[derive(Debug)]
pub(super) struct Breaker {
    state: State,
    backoff: Backoff,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Answering,
    /// One question missed: a lost frame is not a dead unit, so the next one goes out as planned.
    Missed,
    Silent {
        until: Mono,
        why: Reason,
    },
}

impl Breaker {
    /// `fastest`: the shortest period of its life-safety devices, `None` where it has none.
    pub(super) fn new(seed: u64, fastest: Option<Duration>) -> Self {
        // A probe goes out at the first poll after the pause, hence up to one period later.
        let most = fastest.map_or(LONGEST_PAUSE, |period| LIFE_SAFETY_PROBE.saturating_sub(period));
        Self { state: State::Answering, backoff: Backoff::new(FIRST_PAUSE.min(most), most, seed) }
    }

    pub(super) fn leave(&self, now: Mono) -> Leave {
        match self.state {
            State::Answering | State::Missed => Leave::Ask,
            State::Silent { until, .. } if until <= now => Leave::Probe(until),
            State::Silent { why, .. } => Leave::Rest(why),
        }
    }

    /// It is given up, and only probed.
    pub(super) fn silent(&self) -> bool {
        matches!(self.state, State::Silent { .. })
    }

    /// It answered, be it with an exception. True if it had been given up.
    pub(super) fn answered(&mut self) -> bool {
        let was_silent = matches!(self.state, State::Silent { .. });
        if self.state != State::Answering {
            self.state = State::Answering;
            self.backoff.reset();
        }
        was_silent
    }

    /// It did not, or not in a way that can be read. True if it is given up now.
    pub(super) fn failed(&mut self, why: Reason, now: Mono) -> bool {
        match self.state {
            State::Answering => {
                self.state = State::Missed;
                false
            }
            State::Missed | State::Silent { .. } => {
                let newly = self.state == State::Missed;
                let until = now.plus(self.backoff.next().as_millis() as u64);
                self.state = State::Silent { until, why };
                newly
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_miss_is_forgiven_two_are_not() {
        let mut unit = Breaker::new(1, None);
        assert!(!unit.failed(Reason::Timeout, Mono(0)));
        assert_eq!(unit.leave(Mono(1)), Leave::Ask);
        assert!(!unit.answered());
        assert!(!unit.failed(Reason::Timeout, Mono(100)));
        assert!(unit.failed(Reason::Timeout, Mono(200)));
        assert_eq!(unit.leave(Mono(300)), Leave::Rest(Reason::Timeout));
        assert!(matches!(unit.leave(Mono(1200)), Leave::Probe(_)));
        assert!(unit.answered());
        assert_eq!(unit.leave(Mono(1200)), Leave::Ask);
    }

    fn longest_pause(mut unit: Breaker, period: u64) -> u64 {
        let (mut now, mut asked, mut longest) = (0, 0, 0);
        while now < 600_000 {
            if !matches!(unit.leave(Mono(now)), Leave::Rest(_)) {
                longest = longest.max(now - asked);
                asked = now;
                unit.failed(Reason::Timeout, Mono(now));
            }
            now += period;
        }
        longest
    }

    #[test]
    fn a_life_safety_unit_is_probed_every_five_seconds() {
        for seed in 0..50 {
            for period in [100_u64, 1000, 4000] {
                let unit = Breaker::new(seed, Some(Duration::from_millis(period)));
                assert!(longest_pause(unit, period) <= 5000, "seed {seed}, period {period}");
            }
            let ordinary = longest_pause(Breaker::new(seed, None), 1000);
            assert!((45_000..=61_000).contains(&ordinary), "seed {seed}: {ordinary}");
        }
    }
}
