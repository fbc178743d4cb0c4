//! What is told of a trouble, and when; and what a look at the clocks tells. Pure.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use gengfu_core::time::Now;

use super::troubles::{Sight, Trouble};
use crate::clock::STEP;

/// A trouble counts as present for this long after its last sign.
pub(super) const LINGER_MS: u64 = 60_000;
/// A look this late means that the whole process stood still (or the machine did). Whoever looks then sees others that
/// are as late as itself, so it waits this long before it believes what it sees.
const STANDSTILL_MS: u64 = 3_000;
/// An unchanged value is told again after this long.
const REPEAT_MS: u64 = 60_000;

/// What is known of one trouble between looks.
#[derive(Clone, Copy, Default)]
pub(super) struct Watch {
    pub(super) signs: u64,
    last_sign: Option<u64>,
    /// What was told last and when, in this run. Before the first it is what stood when the run began.
    pub(super) present: bool,
    told: Option<u64>,
}

impl Watch {
    /// Of a trouble that stood when the watch began: that counts as a sign of it, so a start is not the end of a trouble.
    /// `signs` were told of before.
    pub(super) fn begun(stood: bool, signs: u64, now_ms: u64) -> Self {
        Self { signs, last_sign: stood.then_some(now_ms), present: stood, told: None }
    }

    /// The value to tell, if it is time to tell one.
    pub(super) fn look(&mut self, signs: u64, sight: Sight, now_ms: u64) -> Option<bool> {
        let sign = signs > self.signs;
        self.signs = signs;
        if sign || sight == Sight::Lasts || (sight == Sight::Unknown && self.present) {
            self.last_sign = Some(now_ms);
        } else if sight == Sight::Unknown {
            return None;
        }
        let present = self.last_sign.is_some_and(|last| now_ms.saturating_sub(last) < LINGER_MS);
        let due = self.told.is_none_or(|at| present != self.present || now_ms.saturating_sub(at) >= REPEAT_MS);
        due.then(|| {
            (self.present, self.told) = (present, Some(now_ms));
            present
        })
    }
}

/// The signs of each trouble that were told of in this run: a task that panicked and is started again tells none twice,
/// and misses none that came before its start.
#[derive(Debug, Clone, Default)]
pub struct Seen(Arc<Mutex<BTreeMap<&'static str, u64>>>);

impl Seen {
    pub(super) fn of(&self, trouble: &Trouble) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(trouble.point).copied().unwrap_or(0)
    }

    pub(super) fn note(&self, trouble: &Trouble, signs: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(trouble.point, signs);
    }
}

/// How the two clocks went together at the last look. Durations run on the counter, so a step changes no timer; it is told.
pub(super) struct Pace(pub(super) Now);

impl Pace {
    /// By how much the wall clock moved against the counter since the last look, ms, if it was set.
    pub(super) fn step(&mut self, now: Now) -> Option<i64> {
        let drift = (now.wall.0 - self.0.wall.0) - (now.mono.0 as i64 - self.0.mono.0 as i64);
        self.0 = now;
        (drift.abs() >= STEP).then_some(drift)
    }
}

/// Tells a look after a standstill, and for a while afterwards.
pub(super) struct Standstill {
    pub(super) looked: u64,
    pub(super) woke: Option<u64>,
}

impl Standstill {
    /// Whether what is seen now says nothing.
    pub(super) fn blind(&mut self, now_ms: u64) -> bool {
        if now_ms.saturating_sub(self.looked) >= STANDSTILL_MS {
            self.woke = Some(now_ms);
        }
        self.looked = now_ms;
        self.woke.is_some_and(|woke| now_ms.saturating_sub(woke) < STANDSTILL_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::super::troubles::TROUBLES;
    use super::*;

    #[test]
    fn a_clock_that_is_set_is_told_and_one_that_drifts_is_not() {
        use gengfu_core::time::{Mono, Wall};
        let at = |mono: u64, wall: i64| Now { mono: Mono(mono), wall: Wall(wall) };
        let mut pace = Pace(at(1_000, 500_000));
        assert_eq!(pace.step(at(2_000, 501_020)), None);
        assert_eq!(pace.step(at(3_000, 4_101_020)), Some(3_599_000));
        assert_eq!(pace.step(at(4_000, 4_102_020)), None, "once");
        assert_eq!(pace.step(at(5_000, 0)), Some(-4_103_020));
        assert_eq!(pace.step(at(6_000, 2_000)), None, "a leap second");
        let mut day = (1_u64..86_400).map(|second| at(6_000 + second * 1_000, 2_000 + second as i64 * 1_001));
        assert!(day.all(|now| pace.step(now).is_none()), "86 s of drift in a day");
    }

    #[test]
    fn a_look_after_a_standstill_says_nothing() {
        let mut standstill = Standstill { looked: 1_000, woke: None };
        assert!(!standstill.blind(2_000) && !standstill.blind(3_500));
        assert!(standstill.blind(28_500), "SIGSTOP for 25 s");
        assert!(standstill.blind(29_500) && standstill.blind(31_400));
        assert!(!standstill.blind(31_600), "by now whoever is silent has a reason of its own");
    }

    #[test]
    fn a_trouble_is_told_when_it_comes_lingers_and_goes() {
        let mut watch = Watch::begun(false, 0, 0);
        assert_eq!(watch.look(0, Sight::Well, 1_000), Some(false), "said once at the start");
        assert_eq!(watch.look(0, Sight::Well, 2_000), None);
        assert_eq!(watch.look(3, Sight::Well, 3_000), Some(true));
        assert_eq!(watch.look(3, Sight::Well, 62_999), None);
        assert_eq!(watch.look(3, Sight::Well, 63_000), Some(false));
        assert_eq!(watch.look(3, Sight::Well, 123_000), Some(false), "told again after a minute");
    }

    #[test]
    fn a_watch_that_begins_again_tells_no_sign_twice_and_misses_none() {
        let seen = Seen::default();
        let of = |point: &str| TROUBLES.iter().find(|trouble| trouble.point == point).unwrap();
        let (clock, restarted) = (of("clock-off"), of("source-restarted"));
        seen.note(clock, 3);
        let begun = |trouble: &Trouble| Watch::begun(false, seen.of(trouble), 0);
        assert_eq!(begun(clock).look(3, Sight::Well, 1_000), Some(false), "told before the panic");
        assert_eq!(begun(restarted).look(1, Sight::Well, 1_000), Some(true), "the panic itself");
    }

    #[test]
    fn a_trouble_that_lasts_is_present_however_long() {
        let mut watch = Watch::begun(false, 0, 0);
        assert_eq!(watch.look(0, Sight::Lasts, 1_000), Some(true));
        for minute in 1..10 {
            assert_eq!(watch.look(0, Sight::Lasts, 1_000 + minute * 60_000), Some(true), "minute {minute}");
        }
        assert_eq!(watch.look(0, Sight::Well, 601_000), Some(false), "over a minute after its last sign");
    }

    #[test]
    fn a_start_is_not_the_end_of_a_trouble() {
        let mut watch = Watch::begun(true, 0, 1_000);
        assert_eq!(watch.look(0, Sight::Unknown, 1_000), Some(true), "told anew, as it stood");
        assert_eq!(watch.look(0, Sight::Unknown, 300_000), Some(true), "until it is known to be over");
        assert_eq!(watch.look(0, Sight::Well, 301_000), None);
        assert_eq!(watch.look(0, Sight::Well, 360_000), Some(false));
        assert_eq!(watch.look(0, Sight::Unknown, 361_000), None, "down again, for a second");
        let mut chatty = Watch::begun(true, 0, 1_000);
        assert_eq!(chatty.look(0, Sight::Well, 2_000), Some(true), "what only shows in signs may show one yet");
        assert_eq!(chatty.look(0, Sight::Well, 61_000), Some(false));
        let mut fresh = Watch::begun(false, 0, 1_000);
        assert_eq!(fresh.look(0, Sight::Unknown, 2_000), None, "not well before it is known");
        assert_eq!(fresh.look(0, Sight::Well, 3_000), Some(false));
    }
}
