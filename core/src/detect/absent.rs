//! Absent: a point without a usable value for too long, because its quality is bad or because nothing came at all.
//! The gateway puts one on every life-safety point: losing sight of it is itself an alarm.

use super::Standing;
use super::hold::{self, Delays, Hold};
use crate::time::{Mono, Now, Wall};

/// Parameters, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// State of one absence rule on one point: 40 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct State {
    hold: Hold,
    /// When it last spoke, sense or nonsense: silence is counted from here.
    heard: Mono,
    heard_at: Wall,
}

impl State {
    /// A state that counts silence from `now`: nothing was heard yet.
    pub const fn listening(now: Now) -> Self {
        Self { hold: Hold::Normal, heard: now.mono, heard_at: now.wall }
    }

    /// The state in which the condition stands since `onset`; for a restart.
    pub const fn standing_at(onset: Wall, now: Now) -> Self {
        Self { hold: Hold::Breach { onset }, heard: now.mono, heard_at: now.wall }
    }

    /// After a restart: silence that would be too long only because nobody listened is counted from now on.
    pub fn listen_again(&mut self, params: &Params, now: Now) {
        if self.hold.standing().is_none() && self.silent_by(params).is_some_and(|due| due <= now.mono) {
            self.heard = now.mono;
        }
    }

    /// There is a value.
    #[inline]
    pub fn value(&mut self) {
        self.hold = Hold::Normal;
    }

    /// There is none.
    pub fn unknown(&mut self, params: &Params, at: Wall, now: Now) {
        self.hold = self.hold.drive(hold::Side::Danger, at, now, params.delays());
    }

    /// The point itself has spoken, sense or nonsense: silence is counted from here. What the gateway says in its place, a
    /// link that is lost or an old value told again, puts nothing off.
    #[inline]
    pub fn spoke(&mut self, at: Wall, now: Now) {
        (self.heard, self.heard_at) = (now.mono, at);
    }

    /// The counter reached `mono`.
    pub fn expire(&mut self, params: &Params, mono: Mono) {
        self.hold = self.hold.expire(mono, params.delays());
        if self.silent_by(params).is_some_and(|due| due <= mono) && self.hold.standing().is_none() {
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
        params.silent_ms.map(|ms| self.heard.plus(ms))
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
        s.value();
        assert!(s.standing().is_none());
    }

    #[test]
    fn a_link_that_comes_and_goes_does_not_hide_a_silence() {
        let mut s = State::listening(now(0));
        for n in 1..12 {
            s.unknown(&P, Wall(n * 5_000), now(n as u64 * 5_000));
            s.value();
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
        s.value();
        s.spoke(Wall(30_000), now(30_000));
        s.expire(&P, Mono(60_000));
        assert!(s.standing().is_none());
        assert_eq!(s.deadline(&P), Some(Mono(90_000)));
    }
}
