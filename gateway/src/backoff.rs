//! How long to wait before trying again: doubling from a floor to a ceiling, with jitter so that gateways which lost the
//! same server do not come back in step. Pure; the seed is the caller's.

use std::time::Duration;

use crate::clock::Clock;

/// Delays between `floor` and `ceiling`.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    floor: Duration,
    ceiling: Duration,
    failures: u32,
    state: u64,
}

impl Backoff {
    pub(crate) fn new(floor: Duration, ceiling: Duration, seed: u64) -> Self {
        Self { floor, ceiling, failures: 0, state: seed }
    }

    /// The wait after one more failure in a row.
    pub(crate) fn next(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        self.delay(self.failures)
    }

    /// It worked: the next failure is a first one.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// The wait after `failures` in a row (from 1): between half and all of floor × 2^(failures − 1), never above the ceiling.
    pub(crate) fn delay(&mut self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(30);
        let full = self.floor.saturating_mul(1 << doublings).min(self.ceiling);
        self.jittered(full)
    }

    /// The slow end: between half and all of the ceiling.
    pub(crate) fn slow(&mut self) -> Duration {
        self.jittered(self.ceiling)
    }

    fn jittered(&mut self, full: Duration) -> Duration {
        // splitmix64; the upper 32 bits are taken as a fraction of one.
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let fraction = (mix(self.state) >> 32) as f64 / f64::from(u32::MAX);
        full / 2 + (full / 2).mul_f64(fraction)
    }
}

/// splitmix64's finalizer.
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A seed that depends on the names alone (FNV-1a, then mixed): the phases of polls are the same in every run.
pub(crate) fn phase(names: &[&str]) -> u64 {
    let bytes = names.iter().flat_map(|name| name.bytes().chain([0]));
    mix(bytes.fold(0xCBF2_9CE4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01B3)))
}

/// A seed that differs between gateways and between starts.
pub(crate) fn seed(name: &str, clock: &Clock) -> u64 {
    let start = (clock.wall().0 as u64).wrapping_mul(31).wrapping_add(u64::from(std::process::id()));
    name.bytes().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_ceiling_and_differ() {
        let (floor, ceiling) = (Duration::from_millis(100), Duration::from_secs(1));
        let mut backoff = Backoff::new(floor, ceiling, 7);
        for failures in 1..100 {
            let full = floor.saturating_mul(1 << (failures - 1).min(20)).min(ceiling);
            let delay = backoff.delay(failures);
            assert!(delay >= full / 2 && delay <= full, "{failures}: {delay:?} of {full:?}");
        }
        assert!(
            backoff.next() <= floor && backoff.next() > floor && {
                backoff.reset();
                backoff.next()
            } <= floor
        );
        assert_ne!(backoff.slow(), backoff.slow());
        assert!(backoff.slow() >= ceiling / 2 && backoff.slow() <= ceiling);
    }

    #[test]
    fn names_spread() {
        let phases: std::collections::BTreeSet<u64> =
            (0..50).map(|n| phase(&["line", &n.to_string()]) % 1000).collect();
        assert!(phases.len() > 40, "{} distinct of 50", phases.len());
    }
}
