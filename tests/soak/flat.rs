//! Whether memory and handles of a gateway stay where they are, judged by one long life. Pure.
//!
//! Two questions, each of which a leak answers alone: does it grow steadily over the second half of the life (least squares, one
//! step left aside), and did it move at all from the middle third to the last (medians, so that no single sample counts)?

use std::fmt;
use std::time::Duration;

/// Shorter lives fill their caches all along, and tell nothing of a trend.
pub(super) const LIFE: Duration = Duration::from_mins(20);
/// Samples that the second half of a life has at least.
const FEWEST: usize = 20;
/// On either side of a step lie at least so many.
const BESIDE: usize = 3;

/// What may grow, and how much of that is none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    pub what: &'static str,
    /// A minute, over the second half of the life.
    pub slope: f64,
    /// From the middle third of the life to the last: what one step may take.
    pub step: f64,
}

/// MiB: a tenth a minute would be 140 a day, of a leak that goes on at this load.
pub(super) const MEMORY: Limit = Limit { what: "memory, MiB", slope: 0.1, step: 2.0 };
/// Their number goes up and down by ten with what is connected at the moment.
pub(super) const HANDLES: Limit = Limit { what: "handles", slope: 0.5, step: 4.0 };

/// A sample: minutes since the life began, and how much there was.
pub(super) type Sample = (f64, f64);

/// What a life's samples say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Course {
    limit: Limit,
    slope: f64,
    middle: f64,
    last: f64,
}

impl Course {
    /// Of samples in the order of their time.
    pub(super) fn of(life: &[Sample], limit: Limit) -> Self {
        let end = life.last().map_or(0.0, |(minutes, _)| *minutes);
        let part = |from: f64, to: f64| -> Vec<Sample> {
            life.iter().filter(|(minutes, _)| from * end <= *minutes && *minutes <= to * end).copied().collect()
        };
        let (half, middle, last) = (part(0.5, 1.0), part(1.0 / 3.0, 2.0 / 3.0), part(2.0 / 3.0, 1.0));
        assert!(half.len() >= FEWEST, "{} samples in the second half of the life: too few", half.len());
        Self { limit, slope: slope(&half), middle: median(&middle), last: median(&last) }
    }

    pub(super) fn flat(&self) -> bool {
        self.slope <= self.limit.slope && self.last <= self.middle + self.limit.step
    }
}

impl fmt::Display for Course {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limit, slope, middle, last } = self;
        write!(
            f,
            "{}: {slope:+.3} a minute over the second half of the life ({} allowed), {middle:.1} in its middle third, {last:.1} in \
             the last ({} more allowed)",
            limit.what, limit.slope, limit.step
        )
    }
}

/// A minute, by least squares with one step, or none, wherever it fits best.
fn slope(samples: &[Sample]) -> f64 {
    let steps = BESIDE..=samples.len().saturating_sub(BESIDE);
    let fits = steps.map(|at| fit(&[&samples[..at], &samples[at..]])).chain([fit(&[samples])]);
    fits.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0.0, |(slope, _)| slope)
}

/// One slope through all parts, each about its own mean; and what is left of the squares.
fn fit(parts: &[&[Sample]]) -> (f64, f64) {
    let (mut along, mut square, mut all) = (0.0, 0.0, 0.0);
    for part in parts {
        let mean = |of: fn(&Sample) -> f64| part.iter().map(of).sum::<f64>() / part.len() as f64;
        let (at, level) = (mean(|sample| sample.0), mean(|sample| sample.1));
        for (minutes, value) in *part {
            along += (minutes - at) * (value - level);
            square += (minutes - at).powi(2);
            all += (value - level).powi(2);
        }
    }
    let slope = if square > 0.0 { along / square } else { 0.0 };
    (slope, all - slope * along)
}

fn median(samples: &[Sample]) -> f64 {
    let mut values: Vec<f64> = samples.iter().map(|(_, value)| *value).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use gengfu_tests::random::Random;

    use super::{Course, MEMORY, Sample};

    /// A life of 20 minutes with a sample each 12 s or so, each off by as much as a gateway's are.
    fn life(seed: u64, value: impl Fn(f64) -> f64) -> Course {
        let mut random = Random::new(seed);
        let mut off = |most: f64| (random.between(0, 2_001) as f64 / 1_000.0 - 1.0) * most;
        let samples: Vec<Sample> = (1..100)
            .map(|n| {
                let minutes = f64::from(n) * 0.2 + off(0.05);
                (minutes, value(minutes) + off(0.4))
            })
            .collect();
        Course::of(&samples, MEMORY)
    }

    #[test]
    fn caches_that_fill_and_one_step_are_no_leak() {
        for seed in 0..100 {
            let fills = life(seed, |minutes| 30.0 - 6.0 * (-minutes / 2.0).exp());
            assert!(fills.flat(), "{fills}");
            let step = life(seed, |minutes| if minutes > 14.3 { 31.5 } else { 30.0 });
            assert!(step.flat(), "{step}");
        }
    }

    #[test]
    fn a_slow_leak_and_a_leak_in_steps_and_a_large_step_are_seen() {
        for seed in 0..100 {
            let slow = life(seed, |minutes| 30.0 + 0.2 * minutes);
            assert!(!slow.flat(), "{slow}");
            let steps = life(seed, |minutes| 30.0 + (minutes / 2.0).floor());
            assert!(!steps.flat(), "{steps}");
            let large = life(seed, |minutes| if minutes > 14.3 { 36.0 } else { 30.0 });
            let middle = life(seed, |minutes| if minutes > 13.0 { 33.0 } else { 30.0 });
            assert!(!large.flat() && !middle.flat(), "{large}, {middle}");
        }
    }
}
