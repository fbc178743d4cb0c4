//! Learn: what a good stretch teaches of a channel. Where it lies, how noisy it is within a block, how far its blocks stray.

use heapless::Vec;
use libm::{fabs, sqrt};

use super::watch::FOLLOW;
use super::{CHANNELS, WINDOW};

/// Blocks of a training.
pub(super) const BLOCKS: usize = 16;
/// A block counts when at least half of its steps had a value.
pub(super) const HALF: u8 = WINDOW as u8 / 2 + 1;
/// Fewer blocks than this teach nothing.
const MIN_BLOCKS: usize = 12;
/// The share of the variance that pure noise would leave in a window's mean which is always allowed for.
const NOISE_FLOOR: f64 = 0.25;
/// Blocks that stray this many times as far as their noise explains double the variance.
const WANDER: f64 = 2.0;
/// Sigmas within which all honest blocks lie.
const FARTHEST: f64 = 3.0;
/// Median and upper quartile of |x| of a normal x, in sigmas.
const MEDIAN: f64 = 0.6745;
const QUARTILE: f64 = 1.1503;
/// No sensor resolves less than this share of what it shows: differences below it are arithmetic.
const RESOLUTION: f64 = 1e-6;

/// What is known of one channel, in its unit.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Learned {
    /// Too little of it was heard.
    Nothing,
    /// It was always there and always this.
    Constant { level: f64 },
    /// It lives.
    Alive(Alive),
}

/// A channel that can be judged.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Alive {
    /// Where it lies.
    pub(super) level: f64,
    /// How far the mean of a window strays by itself.
    pub(super) scale: f64,
    /// How far a single reading does.
    pub(super) noise: f64,
    /// How many times its wandering has widened the scale.
    pub(super) wander: f64,
}

/// A training under way.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Learning {
    channels: [Channel; CHANNELS],
    steps: u16,
}

/// Blocks are kept as f32 relative to the last value of the first block: to one part in 10 million of what the training spans.
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Channel {
    origin: Option<f64>,
    means: Vec<f32, BLOCKS>,
    /// Standard deviation within each block.
    noises: Vec<f32, BLOCKS>,
    filling: Filling,
}

/// Running mean and sum of squares (Welford) of the block that is being filled.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Filling {
    n: u8,
    mean: f64,
    squares: f64,
}

impl Default for Learning {
    fn default() -> Self {
        Self { channels: core::array::from_fn(|_| Channel::default()), steps: 0 }
    }
}

impl Learning {
    pub(super) fn left(&self) -> usize {
        super::TRAINING.saturating_sub(usize::from(self.steps))
    }

    pub(super) fn frame(&mut self, values: &[Option<f64>; CHANNELS]) {
        self.steps = self.steps.saturating_add(1);
        let block_is_full = usize::from(self.steps).is_multiple_of(WINDOW);
        for (channel, value) in self.channels.iter_mut().zip(values) {
            if let Some(value) = value {
                if channel.means.is_empty() {
                    channel.origin = Some(*value);
                }
                channel.filling.add(*value);
            }
            if block_is_full {
                channel.close();
            }
        }
    }

    pub(super) fn learned(&self) -> [Learned; CHANNELS] {
        let mut all = [Learned::Nothing; CHANNELS];
        for (learned, channel) in all.iter_mut().zip(&self.channels) {
            *learned = channel.learned();
        }
        all
    }
}

impl Filling {
    fn add(&mut self, value: f64) {
        self.n += 1;
        let off = value - self.mean;
        self.mean += off / f64::from(self.n);
        self.squares += off * (value - self.mean);
    }
}

impl Channel {
    fn close(&mut self) {
        let Filling { n, mean, squares } = core::mem::take(&mut self.filling);
        if n >= HALF {
            // There is room: a training has no more blocks than fit.
            let _ = self.means.push((mean - self.origin.unwrap_or(mean)) as f32);
            let _ = self.noises.push(sqrt(squares / f64::from(n - 1)) as f32);
        }
    }

    fn learned(&self) -> Learned {
        let Some(origin) = self.origin.filter(|_| self.means.len() >= MIN_BLOCKS) else { return Learned::Nothing };
        let means = self.means.iter().map(|m| f64::from(*m));
        let mut noises: Vec<f64, BLOCKS> = self.noises.iter().map(|n| f64::from(*n)).collect();
        let mut sorted: Vec<f64, BLOCKS> = means.clone().collect();
        let median = rank(&mut sorted, 0.5);
        let mut strays: Vec<f64, BLOCKS> = means.clone().map(|m| fabs(m - median)).collect();
        let mut leaps: Vec<f64, BLOCKS> = means.clone().zip(means.clone().skip(1)).map(|(a, b)| fabs(b - a)).collect();
        let mean_noise = noises.iter().sum::<f64>() / noises.len() as f64;
        let stray = rank(&mut strays, 0.75) / QUARTILE;
        // Successive blocks differ by two of them, so their variance is halved.
        let leap = rank(&mut leaps, 0.5) / MEDIAN / core::f64::consts::SQRT_2;
        let noise = Some(rank(&mut noises, 0.5)).filter(|n| *n > 0.0).unwrap_or(mean_noise);
        // What is below the sensor's resolution, or ours, is arithmetic.
        let least = (fabs(origin + median) * RESOLUTION).max(fabs(median) * f64::from(f32::EPSILON));
        if noise <= least && stray <= least && leap <= least {
            return Learned::Constant { level: origin + median };
        }
        // The level is what the baseline would be by now, had it followed the blocks from their median on; a block that lies
        // as far out as no block should draws no further than one at the edge.
        let edge = FARTHEST * stray;
        let held = means.map(|m| m.clamp(median - edge, median + edge));
        let level = held.fold(median, |level, m| level + (m - level) * (WINDOW as f64 / FOLLOW));
        let Spread { scale, noise, wander } = Spread::of(leap, noise.max(least), stray);
        Learned::Alive(Alive { level: origin + level, scale, noise, wander })
    }
}

struct Spread {
    scale: f64,
    noise: f64,
    wander: f64,
}

impl Spread {
    /// The formula above; something in it is greater than 0.
    fn of(leap: f64, noise: f64, stray: f64) -> Self {
        // A channel that stands still within its blocks and leaps between them has no noise to be held against.
        let noise = if noise > 0.0 { noise } else { leap.max(stray) };
        let by_noise = noise * noise / WINDOW as f64;
        let wander = sqrt(1.0 + stray * stray / (by_noise * WANDER * WANDER));
        Self { scale: sqrt(leap * leap + NOISE_FLOOR * by_noise) * wander, noise, wander }
    }
}

impl Alive {
    /// A channel that was constant and has now shown its first other value: the difference is its resolution, and a
    /// quantity that is rounded to a resolution of `r` is noisy by `r / sqrt(12)`.
    pub(super) fn awoken(level: f64, value: f64) -> Option<Self> {
        let resolution = fabs(value - level);
        let Spread { scale, noise, wander } = Spread::of(0.0, resolution / sqrt(12.0), 0.0);
        (resolution > fabs(level) * RESOLUTION && scale > 0.0).then_some(Self { level, scale, noise, wander })
    }
}

/// The value at a share of the ranks, the mean of two where it falls between for a median; 0 of none.
fn rank(values: &mut [f64], share: f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let at = values.len() as f64 * share;
    let (low, high) = (if share == 0.5 { (at - 0.5) as usize } else { at as usize }, at as usize);
    match (values.get(low), values.get(high)) {
        (Some(a), Some(b)) => (a + b) / 2.0,
        (_, _) => 0.0,
    }
}
