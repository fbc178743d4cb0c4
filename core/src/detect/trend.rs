//! Trend: robust slope and the time left until a limit; the early warning.
//!
//! `time to limit = (limit - level) / slope`, slope and level from the window (slope.rs), while they are to be believed.
//!
//! It warns after 3 blocks in a row that foretell the limit within `within_ms`. It ends after 4 in a row that do not (or
//! foretell it beyond 1.5 times that) and lie on the safe side of the level it was raised at: a leak that pauses is no
//! repair. State: 512 bytes.
//!
//! Bad input: NaN and infinities are no values; a hole as long as the window empties it, and what stands goes on
//! standing. After a restart by [`State::stand`] the level it was raised at is not known: until it foretells again, the trend alone ends it.
//!
//! When not to use it: on contacts, on quantities that saw-tooth with a period near the window (choose one a few times as
//! long as the nuisance, a tenth of the saw), or with a window shorter than some 16 readings.

use libm::fabs;

use super::Standing;
use super::limit::Side;
use super::slope::{Slope, Window};
use crate::time::{Now, Wall};

/// Parameters. Values in the point's unit, durations in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Params {
    /// The limit that is being approached.
    pub limit: f64,
    /// From which side.
    pub side: Side,
    /// Warn when the limit would be reached within this time.
    pub within_ms: u64,
    /// How far back the slope looks; 16 blocks make it up, each best of a whole number of readings.
    pub window_ms: u64,
}

const ON_BLOCKS: u8 = 3;
const OFF_BLOCKS: u8 = 4;
/// A warning ends only beyond this multiple of its horizon.
const OFF_FACTOR: f64 = 1.5;

/// Whether it warns.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Phase {
    /// `streak` blocks in a row have foretold the limit; the first of them came with the reading of `onset`.
    Quiet { streak: u8, onset: Wall },
    /// `streak` blocks in a row have not, and lie on the safe side of `mark`.
    Warning { streak: u8, onset: Wall, left_ms: u64, mark: Option<f64> },
}

/// State of one trend rule on one point.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct State {
    window: Window,
    phase: Phase,
}

impl Default for State {
    fn default() -> Self {
        Self { window: Window::default(), phase: Phase::Quiet { streak: 0, onset: Wall(0) } }
    }
}

const _: () = assert!(size_of::<State>() <= 512);

impl State {
    /// The warning stands since `onset`, whatever the window holds; for a restart.
    pub fn stand(&mut self, onset: Wall) {
        self.phase = Phase::Warning { streak: 0, onset, left_ms: 0, mark: None };
    }

    /// The warning is over, whatever the window holds; for a restart.
    pub fn rest(&mut self) {
        self.phase = Phase::Quiet { streak: 0, onset: Wall(0) };
    }

    /// A value came. Does its work when it closes a block.
    #[inline]
    pub fn value(&mut self, params: &Params, value: f64, at: Wall, now: Now) {
        if let Some(slope) = self.window.value(params.window_ms, value, now.mono) {
            self.judge(params, slope, at);
        }
    }

    /// What stands.
    pub fn standing(&self, params: &Params) -> Option<Standing> {
        match self.phase {
            Phase::Quiet { .. } => None,
            Phase::Warning { onset, left_ms, .. } => {
                Some(Standing { level: 0, onset, limit: Some(params.limit), time_to_limit: Some(left_ms) })
            }
        }
    }

    fn judge(&mut self, params: &Params, slope: Slope, at: Wall) {
        let left = forecast(slope, params);
        let latest = slope.latest;
        let within = params.within_ms as f64;
        self.phase = match (self.phase, left) {
            (Phase::Quiet { streak, onset }, Left::Ms(ms)) if ms <= within => {
                let onset = if streak == 0 { at } else { onset };
                if streak + 1 >= ON_BLOCKS {
                    Phase::Warning { streak: 0, onset, left_ms: ms as u64, mark: Some(latest) }
                } else {
                    Phase::Quiet { streak: streak + 1, onset }
                }
            }
            (Phase::Quiet { onset, .. }, Left::Ms(_) | Left::Never | Left::Beyond) => Phase::Quiet { streak: 0, onset },
            (Phase::Warning { onset, mark, .. }, Left::Ms(ms)) if ms <= within * OFF_FACTOR => {
                Phase::Warning { streak: 0, onset, left_ms: ms as u64, mark: mark.or(Some(latest)) }
            }
            // Beyond the limit the limit's own alarm speaks; the warning has come true and stays.
            (Phase::Warning { onset, mark, .. }, Left::Beyond) => Phase::Warning { streak: 0, onset, left_ms: 0, mark },
            (Phase::Warning { streak, onset, left_ms, mark }, Left::Ms(_) | Left::Never) => {
                // A restart knows no mark: then the trend alone decides.
                let retreated = mark.is_none_or(|mark| match params.side {
                    Side::High => latest <= mark,
                    Side::Low => latest >= mark,
                });
                match (retreated, streak + 1 >= OFF_BLOCKS) {
                    (false, _) => Phase::Warning { streak: 0, onset, left_ms, mark },
                    (true, false) => Phase::Warning { streak: streak + 1, onset, left_ms, mark },
                    (true, true) => Phase::Quiet { streak: 0, onset },
                }
            }
        };
    }
}

/// Time left until the limit.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Left {
    Ms(f64),
    /// Not approaching, or the slope is not to be believed.
    Never,
    /// The limit is already reached.
    Beyond,
}

fn forecast(slope: Slope, params: &Params) -> Left {
    let Some(per_ms) = slope.per_ms else { return Left::Never };
    let (distance, approaching) = match params.side {
        Side::High => (params.limit - slope.level, per_ms > 0.0),
        Side::Low => (slope.level - params.limit, per_ms < 0.0),
    };
    if distance <= 0.0 {
        Left::Beyond
    } else if approaching {
        Left::Ms(distance / fabs(per_ms))
    } else {
        Left::Never
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Mono;

    const LEAK: Params = Params { limit: 0.15, side: Side::Low, within_ms: 3_600_000, window_ms: 1_600_000 };

    /// One reading a second; returns the second of the first warning and the time it foretold.
    fn run(params: &Params, seconds: u64, f: impl Fn(u64) -> f64) -> Option<(u64, u64)> {
        let mut s = State::default();
        for t in 0..seconds {
            let now = Now { mono: Mono(t * 1000), wall: Wall(t as i64 * 1000) };
            s.value(params, f(t), now.wall, now);
            if let Some(standing) = s.standing(params) {
                return Some((t, standing.time_to_limit.unwrap_or(0)));
            }
        }
        None
    }

    /// Uniform noise in [-1, 1] that needs no crate.
    fn noise(t: u64) -> f64 {
        let mut z = t.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        ((z >> 11) as f64 / (1u64 << 52) as f64) - 1.0
    }

    #[test]
    fn a_slow_leak_is_seen_and_its_time_is_about_right() {
        // 0.45 MPa falling by 0.0001 a second: the limit comes at 3,000 s.
        let leak = |t: u64| 0.45 - 0.0001 * t as f64 + 0.004 * noise(t);
        let (seen, left) = run(&LEAK, 3_000, leak).expect("the leak is seen");
        assert!(seen < 1_300, "seen at {seen} s");
        let truth = (3_000 - seen) as f64 * 1000.0;
        assert!((left as f64 - truth).abs() < 0.1 * truth, "foretold {left} ms of {truth}");
    }

    #[test]
    fn a_leak_that_pauses_is_no_repair() {
        let mut s = State::default();
        let mut say = |from: u64, to: u64, f: &dyn Fn(f64) -> f64| {
            for t in from..to {
                let now = Now { mono: Mono(t * 1000), wall: Wall(0) };
                s.value(&LEAK, f(t as f64), now.wall, now);
            }
            s.standing(&LEAK).is_some()
        };
        assert!(say(0, 2_000, &|t| 0.45 - 0.0001 * t));
        assert!(say(2_000, 20_000, &|_| 0.25), "it stands where it stood");
        assert!(!say(20_000, 23_000, &|_| 0.45), "and is filled up again");
    }

    #[test]
    fn steam_that_rises_at_once_and_falls_for_long_is_no_smouldering() {
        let smoke = Params { limit: 0.15, side: Side::High, within_ms: 1_800_000, window_ms: 320_000 };
        for rise in [10.0, 30.0, 60.0] {
            let steam = |t: u64| {
                let since = t as f64 - 1_000.0;
                let rest = if since < 0.0 { 0.0 } else { (since / rise).min((-(since - rise).max(0.0) / 180.0).exp()) };
                0.01 + 0.14 * rest + 0.001 * noise(t)
            };
            assert_eq!(run(&smoke, 3_000, steam), None, "a rise of {rise} s");
        }
        let fire = |t: u64| 0.01 + 0.14 * (t.saturating_sub(1_000) as f64 / 600.0).min(2.0) + 0.001 * noise(t);
        assert!(run(&smoke, 3_000, fire).is_some_and(|(t, _)| t < 1_300));
    }

    #[test]
    fn nonsense_and_a_year_without_a_word_say_nothing() {
        for nonsense in [f64::NAN, f64::INFINITY, 1e300] {
            assert_eq!(run(&LEAK, 5_000, |t| if t.is_multiple_of(2) { nonsense } else { 0.3 }), None);
        }
        let mut s = State::default();
        for (t, v) in [(0, 0.45), (31_536_000, 0.16), (63_072_000, 0.15)] {
            let now = Now { mono: Mono(t * 1000), wall: Wall(0) };
            s.value(&LEAK, v, now.wall, now);
        }
        assert!(s.standing(&LEAK).is_none());
    }

    #[test]
    fn noise_alone_says_nothing() {
        assert_eq!(run(&LEAK, 100_000, |t| 0.20 + 0.04 * noise(t)), None);
    }

    #[test]
    fn spikes_do_not_make_a_trend() {
        assert_eq!(run(&LEAK, 20_000, |t| if t % 97 == 0 { 0.0 } else { 0.45 + 0.001 * noise(t) }), None);
    }

    #[test]
    fn rising_away_from_a_low_limit_is_no_danger() {
        assert_eq!(run(&LEAK, 10_000, |t| 0.2 + 0.0001 * t as f64), None);
    }

    #[test]
    fn a_repair_ends_the_warning() {
        let mut s = State::default();
        let mut warned = false;
        for t in 0..8_000u64 {
            let v = if t < 2_000 { 0.45 - 0.0001 * t as f64 } else { 0.45 };
            let now = Now { mono: Mono(t * 1000), wall: Wall(0) };
            s.value(&LEAK, v, now.wall, now);
            warned |= s.standing(&LEAK).is_some();
        }
        assert!(warned && s.standing(&LEAK).is_none());
    }
}
