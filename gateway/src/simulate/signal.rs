//! One point's value over time: a pure function of (signal, story time). No state, so that a register is computed when
//! it is read and costs nothing when it is not.

/// Period of the noise: a value read faster than this reads the same twice. In milliseconds.
const NOISE_MS: u64 = 100;

/// How a point behaves. Values are in the point's unit, times in milliseconds of the story.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Signal {
    /// A slow wave with noise that never leaves `low..=high`.
    Wander { low: f64, high: f64, period: u64, seed: u64 },
    /// 0, and 1 for `width` in every `period`: a door that somebody passes.
    Pulse { period: u64, width: u64, seed: u64 },
    /// The script's course, with noise, held inside `low..=high`.
    Scripted { track: &'static Track, cycle: u64, low: f64, high: f64, seed: u64 },
}

/// What a script says of one point: corners in seconds, first at 0.
#[derive(Debug, PartialEq)]
pub struct Track {
    pub device: &'static str,
    pub point: &'static str,
    pub course: Course,
    /// Half the width of the noise on top, in the point's unit.
    pub noise: f64,
    /// `(second of the story, value)`, ascending; the last value holds to the end.
    pub corners: &'static [(u32, f64)],
}

/// How to get from one corner to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// In a straight line.
    Ramp,
    /// All at once, on reaching the next corner.
    Step,
}

impl Signal {
    /// The value at story time `t`.
    pub fn at(&self, t: u64) -> f64 {
        match *self {
            Self::Wander { low, high, period, seed } => {
                let wave = wave(phase(t.wrapping_add(seed % period.max(1)), period));
                let part = 0.8 * wave + 0.2 * noise(seed, t);
                let mid = low + (high - low) * 0.5;
                (mid + (high - low) * 0.5 * part).clamp(low, high)
            }
            Self::Pulse { period, width, seed } => {
                let into = t.wrapping_add(seed % period.max(1)) % period.max(1);
                f64::from(u8::from(into < width))
            }
            Self::Scripted { track, cycle, low, high, seed } => {
                let value = track.at(t % cycle.max(1)) + track.noise * noise(seed, t);
                value.clamp(low, high)
            }
        }
    }
}

impl Track {
    /// The bare course at `t` milliseconds into the story.
    fn at(&self, t: u64) -> f64 {
        let ms = |second: u32| u64::from(second) * 1000;
        let next = self.corners.partition_point(|(second, _)| ms(*second) <= t);
        let before = next.checked_sub(1).and_then(|i| self.corners.get(i));
        match (before, self.corners.get(next)) {
            (Some(&(from, a)), Some(&(to, b))) if self.course == Course::Ramp => {
                a + (b - a) * (t - ms(from)) as f64 / (ms(to) - ms(from)) as f64
            }
            (Some(&(_, value)), _) | (None, Some(&(_, value))) => value,
            (None, None) => 0.0,
        }
    }
}

/// How far into its period `t` lies, from 0 to 1.
fn phase(t: u64, period: u64) -> f64 {
    (t % period.max(1)) as f64 / period.max(1) as f64
}

/// A wave from -1 to 1 that looks like a sine and is made of `+ - *` only, so that every machine tells the same story.
fn wave(phase: f64) -> f64 {
    let triangle = 4.0 * (phase - 0.5).abs() - 1.0;
    triangle * (1.5 - 0.5 * triangle * triangle)
}

/// Noise from -1 to 1, the same for the same seed and time.
fn noise(seed: u64, t: u64) -> f64 {
    let bits = mix(seed ^ (t / NOISE_MS).wrapping_mul(0x9E37_79B9_7F4A_7C15)) >> 11;
    bits as f64 / (1_u64 << 52) as f64 - 1.0
}

/// Scatters the bits of a number (finalizer of splitmix64).
pub(super) const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    static RAMP: Track = Track {
        device: "d",
        point: "p",
        course: Course::Ramp,
        noise: 0.0,
        corners: &[(0, 1.0), (10, 1.0), (20, 3.0), (40, 1.0)],
    };
    static STEP: Track =
        Track { device: "d", point: "p", course: Course::Step, noise: 0.0, corners: &[(0, 0.0), (10, 1.0), (20, 0.0)] };

    #[test]
    fn a_ramp_goes_through_its_corners_and_straight_between() {
        let at = |second: f64| RAMP.at((second * 1000.0) as u64);
        assert_eq!(at(0.0), 1.0);
        assert_eq!(at(10.0), 1.0);
        assert_eq!(at(15.0), 2.0);
        assert_eq!(at(20.0), 3.0);
        assert_eq!(at(30.0), 2.0);
        assert_eq!(at(99.0), 1.0);
    }

    #[test]
    fn a_step_jumps_on_its_second() {
        assert_eq!(STEP.at(9_999), 0.0);
        assert_eq!(STEP.at(10_000), 1.0);
        assert_eq!(STEP.at(19_999), 1.0);
        assert_eq!(STEP.at(20_000), 0.0);
    }

    #[test]
    fn a_scripted_signal_starts_over_with_its_cycle() {
        let signal = Signal::Scripted { track: &RAMP, cycle: 60_000, low: 0.0, high: 10.0, seed: 1 };
        assert_eq!(signal.at(15_000), signal.at(75_000));
    }

    #[test]
    fn noise_reaches_both_sides_and_no_further() {
        let (low, high) = (0..20_000).fold((f64::MAX, f64::MIN), |(low, high), i| {
            let n = noise(7, i * NOISE_MS);
            (low.min(n), high.max(n))
        });
        assert!((-1.0..-0.99).contains(&low) && high > 0.99 && high <= 1.0, "{low} {high}");
    }

    proptest! {
        #[test]
        fn a_wandering_value_never_leaves_its_bounds(low in -1e6..1e6_f64, span in 0.0..1e6_f64, seed: u64, t: u64) {
            let signal = Signal::Wander { low, high: low + span, period: 1 + seed % 300_000, seed };
            let value = signal.at(t);
            prop_assert!((low..=low + span).contains(&value));
            prop_assert_eq!(value, signal.at(t));
        }
    }
}
