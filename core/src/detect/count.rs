//! Count: something that happens too often: a pump that starts 12 times an hour, a contact that chatters, a door that re-opens.
//!
//! Danger while at least `limit` starts (a reading that is not 0 after one that was 0), or changes of the value, or
//! increments of a counter lie within the last `window_ms` (window.rs); over below `clear`. It ends by the clock too, as
//! long as the point's last word was a value: what is quiet has ceased to chatter, what is lost may not have. State: 176 bytes.
//!
//! Bad input: NaN and infinities are no values. A counter that falls back was reset: what it says since is its increment, if
//! that is below `limit`. When not to use it: for something that should happen and does not (rhythm, absent).

use super::Standing;
use super::window::Window;
use crate::time::{Mono, Now, Wall};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum What {
    /// From 0 to anything else.
    Starts,
    /// Any other value than before.
    Changes,
    /// How far a counter has grown.
    Growth,
}

/// Parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Params {
    /// What is counted.
    pub what: What,
    /// Within how long, ms.
    pub window_ms: u64,
    /// From so many on it stands.
    pub limit: f64,
    /// Below so many it is over; at most `limit`.
    pub clear: f64,
}

/// State of one count rule on one point.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct State {
    window: Window,
    last: Option<f64>,
    known: bool,
    onset: Option<Wall>,
}

const _: () = assert!(size_of::<State>() <= 176);

impl State {
    /// It stands since `onset`; for a restart.
    pub const fn stand(&mut self, onset: Wall) {
        self.onset = Some(onset);
    }

    /// It is over, whatever the window holds; for a restart.
    pub const fn rest(&mut self) {
        self.onset = None;
    }

    /// A value came.
    pub fn value(&mut self, params: &Params, value: f64, at: Wall, now: Now) {
        if !value.is_finite() {
            return self.unknown();
        }
        let more = self.last.map_or(0.0, |before| match params.what {
            What::Starts => f64::from(u8::from(before == 0.0 && value != 0.0)),
            What::Changes => f64::from(u8::from(before != value)),
            What::Growth if value >= before => value - before,
            What::Growth => Some(value).filter(|v| *v >= 0.0 && *v < params.limit).unwrap_or(0.0),
        });
        (self.last, self.known) = (Some(value), true);
        self.window.add(params.window_ms, now.mono, more);
        if self.window.total() >= params.limit && self.onset.is_none() {
            self.onset = Some(at);
        }
        self.settle(params);
    }

    /// There is no value.
    pub const fn unknown(&mut self) {
        self.known = false;
    }

    /// The counter reached `mono`.
    pub fn expire(&mut self, params: &Params, mono: Mono) {
        self.window.advance(params.window_ms, mono);
        if self.known {
            self.settle(params);
        }
    }

    fn settle(&mut self, params: &Params) {
        if self.window.total() < params.clear.min(params.limit) {
            self.onset = None;
        }
    }

    /// When the window moves on, while it stands.
    pub fn deadline(&self, params: &Params) -> Option<Mono> {
        (self.onset.is_some() && self.known).then(|| self.window.turns(params.window_ms))
    }

    /// How many lie within the window that ends at `present`, whether a timer has told of that or not.
    pub fn belief(&self, params: &Params, present: Mono) -> f64 {
        let mut window = self.window;
        window.advance(params.window_ms, present);
        window.total()
    }

    /// What stands.
    pub fn standing(&self, params: &Params) -> Option<Standing> {
        let onset = self.onset?;
        Some(Standing { level: 0, onset, limit: Some(params.limit), time_to_limit: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STARTS: Params = Params { what: What::Starts, window_ms: 3_600_000, limit: 6.0, clear: 3.0 };

    fn at(min: u64) -> Now {
        Now { mono: Mono(min * 60_000), wall: Wall(min as i64 * 60_000) }
    }

    fn starts(s: &mut State, p: &Params, from: u64, to: u64, every: usize) {
        for min in (from..to).step_by(every) {
            s.value(p, 1.0, at(min).wall, at(min));
            s.value(p, 0.0, at(min).wall, at(min));
        }
    }

    #[test]
    fn a_jockey_pump_that_starts_too_often_and_ceases() {
        let mut s = State::default();
        s.value(&STARTS, 0.0, at(0).wall, at(0));
        starts(&mut s, &STARTS, 10, 200, 20);
        assert!(s.standing(&STARTS).is_none(), "3 an hour");
        starts(&mut s, &STARTS, 200, 260, 5);
        assert!(s.standing(&STARTS).is_some_and(|x| x.onset > at(200).wall));
        let mut lost = s;
        lost.unknown();
        assert_eq!(lost.deadline(&STARTS), None);
        lost.expire(&STARTS, at(400).mono);
        assert!(lost.standing(&STARTS).is_some(), "unknown never clears");
        while let Some(due) = s.deadline(&STARTS) {
            s.expire(&STARTS, due);
        }
        assert!(s.standing(&STARTS).is_none() && s.belief(&STARTS, at(400).mono) < 3.0, "quiet has ceased");
    }

    #[test]
    fn chatter_and_counters() {
        let chatter = Params { what: What::Changes, window_ms: 60_000, limit: 10.0, clear: 1.0 };
        let mut s = State::default();
        for n in 0..10_u64 {
            s.value(&chatter, (n % 2) as f64, Wall(0), Now { mono: Mono(n * 100), wall: Wall(0) });
        }
        assert_eq!(s.belief(&chatter, Mono(1_000)), 9.0, "the first word is no change");
        assert_eq!(s.belief(&chatter, Mono(100_000)), 0.0, "that is long ago, and no timer has said so");
        let growth = Params { what: What::Growth, window_ms: 60_000, limit: 100.0, clear: 50.0 };
        let mut s = State::default();
        for (n, v) in [1e9, 1e9 + 40.0, f64::NAN, 30.0, 1e300].into_iter().enumerate() {
            s.value(&growth, v, Wall(n as i64), Now { mono: Mono(n as u64), wall: Wall(0) });
            if n == 3 {
                assert_eq!(s.belief(&growth, Mono(3)), 70.0, "it was reset, and says 30 since");
            }
        }
        assert!(s.standing(&growth).is_some());
    }
}
