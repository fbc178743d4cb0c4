//! Absent: a point without a usable value for too long, because its quality is bad or because nothing came at all.
//! The gateway puts one on every life-safety point: losing sight of it is itself an alarm.

use super::Standing;
use super::hold::{self, Delays, Hold};
use crate::time::{Mono, Now, Wall};

/// Parameters, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Params {
    /// How long the quality may be bad.
    pub bad_ms: u64,
    /// How long nothing at all may come; `None`: the point speaks only on change.
    pub silent_ms: Option<u64>,
}

impl Params {
    const fn delays(&self) -> Delays {
        Delays { on_ms: self.bad_ms, off_ms: 0 }
    }
}

/// State of one absence rule on one point: 48 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct State {
    hold: Hold,
    /// When it last spoke, sense or nonsense: silence is counted from here. `None`: not within memory, too long ago.
    heard: Option<Mono>,
    heard_at: Wall,
}

const _: () = assert!(size_of::<State>() <= 48);

impl State {
    /// A state that counts silence from `now`: nothing was heard yet.
    pub const fn listening(now: Now) -> Self {
        Self { hold: Hold::Normal, heard: Some(now.mono), heard_at: now.wall }
    }

    /// The state in which the condition stands since `onset`; for a restart. What the point said last comes after.
    pub const fn standing_at(onset: Wall) -> Self {
        Self { hold: Hold::Breach { onset }, heard: None, heard_at: onset }
    }

    /// The condition stands since `onset`, whatever was heard; for a restart.
    pub const fn stand(&mut self, onset: Wall) {
        self.hold = Hold::Breach { onset };
    }

    /// After a restart: silence that would be too long only because nobody listened is counted from now on.
    pub fn listen_again(&mut self, params: &Params, now: Now) {
        if self.hold.standing().is_none() && self.overdue(params, now.mono) {
            self.heard = Some(now.mono);
        }
    }

    /// There is a value. Once silence is overdue that proves nothing: what the gateway tells in the point's place, or an old
    /// word that comes again, is no sign of life. Only [`State::spoke`], said before this, ends a silence.
    #[inline]
    pub fn value(&mut self, params: &Params, now: Now) {
        if !self.overdue(params, now.mono) {
            self.hold = Hold::Normal;
        }
    }

    /// There is none.
    pub fn unknown(&mut self, params: &Params, at: Wall, now: Now) {
        self.hold = self.hold.drive(hold::Side::Danger, at, now, params.delays());
    }

    /// The point itself has spoken, sense or nonsense: silence is counted from here. What the gateway says in its place, a
    /// link that is lost or an old value told again, puts nothing off.
    #[inline]
    pub fn spoke(&mut self, at: Wall, now: Now) {
        (self.heard, self.heard_at) = (Some(now.mono), at);
    }

    /// Whether a word of this time is younger than the last one that was heard.
    #[inline]
    pub fn is_news(&self, at: Wall) -> bool {
        at > self.heard_at
    }

    /// The counter reached `mono`.
    pub fn expire(&mut self, params: &Params, mono: Mono) {
        self.hold = self.hold.expire(mono, params.delays());
        if self.overdue(params, mono) && self.hold.standing().is_none() {
            self.hold = Hold::Breach { onset: self.heard_at };
        }
    }

    /// When it will have been bad, or silent, for too long.
    #[inline]
    pub fn deadline(&self, params: &Params) -> Option<Mono> {
        if self.hold.standing().is_some() {
            return None;
        }
        match (self.hold.deadline(params.delays()), self.silent_by(params)) {
            (Some(a), Some(b)) => Some(if a < b { a } else { b }),
            (one, other) => one.or(other),
        }
    }

    /// What stands.
    pub fn standing(&self) -> Option<Standing> {
        let onset = self.hold.standing()?;
        Some(Standing { level: 0, onset, limit: None, time_to_limit: None })
    }

    fn silent_by(&self, params: &Params) -> Option<Mono> {
        params.silent_ms.map(|ms| self.heard.map_or(Mono(0), |heard| heard.plus(ms)))
    }

    fn overdue(&self, params: &Params, mono: Mono) -> bool {
        self.silent_by(params).is_some_and(|due| due <= mono)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P: Params = Params { bad_ms: 10_000, silent_ms: Some(60_000) };

    fn now(ms: u64) -> Now {
        Now { mono: Mono(ms), wall: Wall(ms as i64) }
    }

    #[test]
    fn bad_for_too_long() {
        let mut s = State::listening(now(0));
        s.unknown(&P, Wall(1_000), now(1_000));
        s.unknown(&P, Wall(2_000), now(2_000));
        assert_eq!(s.deadline(&P), Some(Mono(11_000)));
        s.expire(&P, Mono(11_000));
        assert_eq!(s.standing().map(|x| x.onset), Some(Wall(1_000)));
        s.value(&P, now(12_000));
        assert!(s.standing().is_none());
    }

    #[test]
    fn a_silence_ends_with_a_word_not_with_a_value_told_for_the_point() {
        let mut s = State::listening(now(0));
        s.spoke(Wall(1_000), now(1_000));
        s.value(&P, now(1_000));
        s.unknown(&P, Wall(20_000), now(20_000));
        s.expire(&P, Mono(30_000));
        assert!(s.standing().is_some(), "the link is lost");
        s.value(&P, now(60_999));
        assert!(s.standing().is_none(), "and back, before silence is due");
        s.expire(&P, Mono(61_000));
        s.value(&P, now(70_000));
        assert_eq!(s.standing().map(|x| x.onset), Some(Wall(1_000)), "an old value is told again");
        assert!(!s.is_news(Wall(1_000)) && s.is_news(Wall(1_001)));
        s.spoke(Wall(71_000), now(71_000));
        assert!(s.standing().is_some(), "it speaks, and says no value");
        s.value(&P, now(71_000));
        assert!(s.standing().is_none());
    }

    #[test]
    fn after_a_restart_a_silence_of_unknown_length_ends_with_a_word() {
        let mut s = State::standing_at(Wall(1_000));
        s.value(&P, now(2_000));
        assert!(s.standing().is_some());
        assert!(!s.is_news(Wall(1_000)), "the word it began with");
        let speaks_on_change = Params { silent_ms: None, ..P };
        s.value(&speaks_on_change, now(3_000));
        assert!(s.standing().is_none(), "no silence is too long for it");
    }

    #[test]
    fn a_link_that_comes_and_goes_does_not_hide_a_silence() {
        let mut s = State::listening(now(0));
        for n in 1..12 {
            s.unknown(&P, Wall(n * 5_000), now(n as u64 * 5_000));
            s.value(&P, now(n as u64 * 5_000));
        }
        assert_eq!(s.deadline(&P), Some(Mono(60_000)));
        s.expire(&P, Mono(60_000));
        assert!(s.standing().is_some());
    }

    #[test]
    fn silent_from_the_start() {
        let mut s = State::listening(now(5));
        assert_eq!(s.deadline(&P), Some(Mono(60_005)));
        s.expire(&P, Mono(60_005));
        assert!(s.standing().is_some());
        assert_eq!(s.deadline(&P), None);
    }

    #[test]
    fn the_hours_off_are_not_silence() {
        let mut s = State::listening(now(0));
        s.listen_again(&P, now(90_000));
        assert_eq!(s.deadline(&P), Some(Mono(150_000)), "a whole silence from the restart");
        s.listen_again(&P, now(100_000));
        assert_eq!(s.deadline(&P), Some(Mono(150_000)), "and it is not put off by listening again");
    }

    #[test]
    fn each_word_puts_silence_off() {
        let mut s = State::listening(now(0));
        s.spoke(Wall(30_000), now(30_000));
        s.value(&P, now(30_000));
        s.expire(&P, Mono(60_000));
        assert!(s.standing().is_none());
        assert_eq!(s.deadline(&P), Some(Mono(90_000)));
    }
}
