//! How long to wait before trying again: doubling, bounded, jittered so that a street of gateways does not knock
//! in step. Pure; the seed comes from a name, so a run can be repeated.

use std::time::Duration;

/// Waits of `first`, `2 * first` … up to `most`, each shortened by up to a quarter.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    first: Duration,
    most: Duration,
    tries: u32,
    jitter: Jitter,
}

impl Backoff {
    pub(crate) fn new(first: Duration, most: Duration, seed: u64) -> Self {
        Self { first, most, tries: 0, jitter: Jitter(seed) }
    }

    /// The wait after one more failure.
    pub(crate) fn next(&mut self) -> Duration {
        let full = self.first.saturating_mul(1 << self.tries.min(20)).min(self.most);
        self.tries = self.tries.saturating_add(1);
        self.jitter.shorten(full)
    }

    /// It worked: the next failure starts from `first` again.
    pub(crate) fn reset(&mut self) {
        self.tries = 0;
    }
}

/// splitmix64: enough to spread retries, and nothing else is asked of it.
#[derive(Debug, Clone)]
struct Jitter(u64);

impl Jitter {
    fn shorten(&mut self, full: Duration) -> Duration {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let quarter = full.as_millis() as u64 / 4;
        full.saturating_sub(Duration::from_millis(mix(self.0) % (quarter + 1)))
    }
}

/// splitmix64's finalizer.
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A number that depends on the names alone (FNV-1a, then mixed): phases and jitter are the same every run.
pub(crate) fn seed(names: &[&str]) -> u64 {
    let bytes = names.iter().flat_map(|name| name.bytes().chain([0]));
    mix(bytes.fold(0xCBF2_9CE4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01B3)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_most_and_keep_three_quarters() {
        for name in ["pump-room", "lora", "x"] {
            let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5), seed(&[name]));
            for full in [100_u64, 200, 400, 800, 1600, 3200, 5000, 5000] {
                let wait = backoff.next().as_millis() as u64;
                assert!(wait <= full && wait >= full * 3 / 4, "{name}: {wait} of {full}");
            }
            backoff.reset();
            assert!(backoff.next() <= Duration::from_millis(100));
        }
    }

    #[test]
    fn names_spread() {
        let phases: std::collections::BTreeSet<u64> = (0..50).map(|n| seed(&["line", &n.to_string()]) % 1000).collect();
        assert!(phases.len() > 40, "{} distinct of 50", phases.len());
    }
}
