//! Series written by hand: `"0.30 for 10m"`, `"0.30 to 0.10 in 5m"`, `"silent for 2m"`, `"bad for 1m"`, each after the other, and
//! `"repeat 15: 1 for 20s, 0 for 220s"`. `"0.30 +- 0.01 for 1h"` scatters, the same at every run.

use std::time::Duration;

use gengfu_core::quality::Reason;

use super::units;
use super::value::{Value, shorten};

/// Readings of one series.
const MAX_SAMPLES: usize = 500_000;

/// One reading of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Since the case began, ms.
    pub after: u64,
    /// Or why there is no value.
    pub value: Result<f64, Reason>,
}

/// A stretch of it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Stretch {
    Ramp { from: f64, to: f64, scatter: f64 },
    Silent,
    Bad,
}

pub(super) fn read(value: Value<'_>, every: Duration, most: Duration) -> Option<Vec<Sample>> {
    let mut stretches = Vec::new();
    for item in value.one_or_more() {
        let text = item.text()?;
        let Some(some) = stretches_of(text) else {
            item.complain(
                format!("\"{}\" is no stretch of a series", shorten(text)),
                "write \"0.30 for 10m\", \"0.30 to 0.10 in 5m\", \"silent for 2m\", \"bad for 1m\", \"repeat 3: 1 for 20s, 0 for 40s\"",
            );
            return None;
        };
        stretches.extend(some);
    }
    let all: Duration = stretches.iter().map(|(_, lasting)| *lasting).sum();
    if all > most || all.as_millis() / every.as_millis().max(1) > MAX_SAMPLES as u128 {
        value.complain(
            format!("the series lasts {}", units::show(all)),
            format!("at most {} and {MAX_SAMPLES} readings", units::show(most)),
        );
        return None;
    }
    Some(samples(&stretches, every.as_millis() as u64))
}

fn samples(stretches: &[(Stretch, Duration)], every: u64) -> Vec<Sample> {
    let (mut samples, mut begin, mut after) = (Vec::new(), 0, 0);
    let mut noise = Noise(1);
    for (stretch, lasting) in stretches {
        let lasting = lasting.as_millis() as u64;
        while after < begin + lasting {
            let value = match *stretch {
                Stretch::Ramp { from, to, scatter } => {
                    let done = (after - begin) as f64 / lasting as f64;
                    Some(Ok(from + (to - from) * done + scatter * noise.next()))
                }
                Stretch::Silent => None,
                Stretch::Bad => Some(Err(Reason::Comm)),
            };
            samples.extend(value.map(|value| Sample { after, value }));
            after += every;
        }
        begin += lasting;
    }
    samples
}

fn stretches_of(text: &str) -> Option<Vec<(Stretch, Duration)>> {
    let Some(rest) = text.strip_prefix("repeat ") else { return Some(vec![stretch(text)?]) };
    let (times, parts) = rest.split_once(':')?;
    let times: usize = times.trim().parse().ok().filter(|times| *times <= 10_000)?;
    let parts: Vec<_> = parts.split(',').map(stretch).collect::<Option<_>>()?;
    Some(parts.iter().copied().cycle().take(parts.len() * times).collect())
}

fn stretch(text: &str) -> Option<(Stretch, Duration)> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let ramp = |from, to, scatter| Some(Stretch::Ramp { from: number(from)?, to: number(to)?, scatter });
    match words.as_slice() {
        ["silent", "for", time] => Some((Stretch::Silent, units::duration(time)?)),
        ["bad", "for", time] => Some((Stretch::Bad, units::duration(time)?)),
        [value, "for", time] => Some((ramp(value, value, 0.0)?, units::duration(time)?)),
        [value, "+-", scatter, "for", time] => Some((ramp(value, value, number(scatter)?)?, units::duration(time)?)),
        [from, "to", to, "in", time] => Some((ramp(from, to, 0.0)?, units::duration(time)?)),
        [from, "to", to, "+-", scatter, "in", time] => {
            Some((ramp(from, to, number(scatter)?)?, units::duration(time)?))
        }
        _ => None,
    }
}

fn number(word: &str) -> Option<f64> {
    match word {
        "true" => Some(1.0),
        "false" => Some(0.0),
        _ => word.parse().ok().filter(|number: &f64| number.is_finite()),
    }
}

/// Scatter from -1 to 1, the same at every run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as f64 / f64::from(1_u32 << 30) - 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_follow_each_other() {
        let texts =
            ["1 for 20s", "1 to 3 in 20s", "silent for 15s", "bad for 10s", "repeat 2: true for 10s, false for 10s"];
        let stretches: Vec<_> = texts.iter().flat_map(|text| stretches_of(text).unwrap()).collect();
        let samples = samples(&stretches, 10_000);
        let at: Vec<u64> = samples.iter().map(|sample| sample.after / 1_000).collect();
        assert_eq!(at, [0, 10, 20, 30, 60, 70, 80, 90, 100], "the time goes on while it is silent");
        let values: Vec<_> = samples.iter().map(|sample| sample.value.ok()).collect();
        let some = |value: f64| Some(value);
        assert_eq!(values[..4], [some(1.0), some(1.0), some(1.0), some(2.0)]);
        assert_eq!(values[4], None);
    }

    #[test]
    fn nonsense_is_none() {
        for text in
            ["", "1", "1 for", "1 for x", "x for 1m", "NaN for 1m", "1 to in 5m", "repeat x: 1 for 1s", "repeat 2: "]
        {
            assert_eq!(stretches_of(text), None, "{text}");
        }
        let mut noise = Noise(1);
        assert!((0..10_000).all(|_| (-1.0..=1.0).contains(&noise.next())));
    }
}
