//! Watch: the window, the baseline that follows it, and what of every channel is in excess.

use heapless::Vec;
use libm::{fabs, sqrt};

use super::learn::{Alive, HALF, Learned};
use super::{Belief, CHANNELS, Doubt, Moved, WINDOW};

/// Steps over which the baselines follow the window: 6 blocks.
pub(super) const FOLLOW: f64 = 150.0;
/// Steps over which quiet watching widens a scale: two trainings.
const WIDEN: f64 = 800.0;
/// A channel says nothing within this many scales.
const SILENT: f64 = 2.5;
/// A single reading counts for at most this many of its own noise (or of the scale, if that is more).
const SPIKE: f64 = 8.0;
/// From here on a channel is called wandering.
const WANDERS: f64 = 4.0;
/// Readings further away than this many scales are all the same; f32 holds what is nearer to a part in 10 million.
const FAR: f64 = 1e6;

/// The sum over the channels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Excess {
    /// Of those that can be judged now.
    pub(super) judged: f64,
    /// Of all, by what was last known of them.
    pub(super) held: f64,
}

/// A group after its training.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Watching {
    channels: [Channel; CHANNELS],
    /// Where in the windows the next frame goes.
    slot: u8,
    /// Steps since the last turn (or the end of the training), as far as they matter.
    calm: u8,
}

#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Channel {
    learned: Learned,
    /// Distance from the learned level in scales.
    window: [f32; WINDOW],
    /// Bit a slot: there was a value.
    heard: u32,
    /// The baseline the condition is held against, in scales from the learned level.
    baseline: f64,
    /// The one turns are held against.
    anchor: f64,
    /// How far the window lies from the baseline in learned scales, as last known, and whether that is of now.
    off: f64,
    judged: bool,
    /// The same from the anchor.
    turning: f64,
    /// Mean square of `off` while all was quiet.
    strays: f64,
}

impl Watching {
    pub(super) fn new(learned: &[Learned; CHANNELS]) -> Self {
        Self { channels: learned.map(Channel::new), slot: 0, calm: 0 }
    }

    /// Nothing came for a window's length: what is in it says nothing about now.
    pub(super) fn pause(&mut self) {
        for channel in &mut self.channels {
            channel.heard = 0;
        }
    }

    pub(super) fn frame(&mut self, values: &[Option<f64>; CHANNELS]) {
        for (channel, value) in self.channels.iter_mut().zip(values) {
            channel.take(self.slot, *value);
            channel.judge();
        }
        self.slot = (self.slot + 1) % WINDOW as u8;
        self.calm = self.calm.saturating_add(1);
    }

    /// `None`: there is nobody to ask.
    pub(super) fn excess(&self) -> Option<Excess> {
        let judged: f64 = self.channels.iter().filter(|c| c.judged).map(Channel::excess).sum();
        let held = self.channels.iter().map(Channel::excess).sum();
        self.channels.iter().any(|c| c.judged).then_some(Excess { judged, held })
    }

    /// All is quiet: the baselines go where the windows are, a step's worth, and so do the scales.
    pub(super) fn follow(&mut self) {
        for channel in self.channels.iter_mut().filter(|c| c.judged) {
            channel.baseline += channel.off / FOLLOW;
            channel.strays += (channel.off * channel.off - channel.strays) / WIDEN;
        }
    }

    /// The baselines leap to where the windows are.
    pub(super) fn settle(&mut self) {
        for channel in self.channels.iter_mut().filter(|c| c.judged) {
            channel.baseline = channel.place();
        }
    }

    /// Whether the windows have left the level of the last turn; if so, theirs is the new one.
    pub(super) fn turn(&mut self, raise: f64) -> bool {
        let judged = || self.channels.iter().filter(|c| c.judged);
        let off: f64 = judged().map(|c| beyond(c.turning / c.width())).sum();
        let turned = off > raise && usize::from(self.calm) >= WINDOW;
        for channel in self.channels.iter_mut().filter(|c| c.judged) {
            channel.anchor = if turned { channel.place() } else { channel.anchor + channel.turning / FOLLOW };
        }
        if turned {
            self.calm = 0;
        }
        turned
    }

    pub(super) fn moved(&self) -> impl Iterator<Item = Moved> + '_ {
        let all: f64 = self.channels.iter().map(Channel::excess).sum();
        self.channels.iter().enumerate().filter_map(move |(channel, c)| {
            let alive = c.alive().filter(|_| c.excess() > 0.0)?;
            let from = alive.level + c.baseline * alive.scale;
            let by = if c.judged { c.place() - c.baseline } else { c.off } * alive.scale;
            Some(Moved { channel, from, by, z: c.z(), share: c.excess() / all })
        })
    }

    pub(super) fn belief(&self, channel: usize) -> Option<Belief> {
        let channel = self.channels.get(channel)?;
        let alive = channel.alive()?;
        let usual = alive.level + channel.baseline * alive.scale;
        Some(Belief { usual, stray: alive.scale * channel.width(), z: channel.z() })
    }

    pub(super) fn doubt(&self, channel: usize) -> Option<Doubt> {
        let channel = self.channels.get(channel)?;
        match channel.learned {
            Learned::Nothing => Some(Doubt::Unlearned),
            Learned::Constant { .. } => Some(Doubt::Constant),
            Learned::Alive(_) if !channel.judged => Some(Doubt::Missing),
            Learned::Alive(alive) => (alive.wander > WANDERS).then_some(Doubt::Wanders),
        }
    }
}

impl Channel {
    const fn new(learned: Learned) -> Self {
        let window = [0.0; WINDOW];
        Self {
            learned,
            window,
            heard: 0,
            baseline: 0.0,
            anchor: 0.0,
            off: 0.0,
            judged: false,
            turning: 0.0,
            strays: 1.0,
        }
    }

    const fn alive(&self) -> Option<Alive> {
        match self.learned {
            Learned::Alive(alive) => Some(alive),
            Learned::Nothing | Learned::Constant { .. } => None,
        }
    }

    fn take(&mut self, slot: u8, value: Option<f64>) {
        if let (Learned::Constant { level }, Some(value)) = (self.learned, value)
            && let Some(alive) = Alive::awoken(level, value)
        {
            self.learned = Learned::Alive(alive);
        }
        let scales = match (self.learned, value) {
            (Learned::Alive(alive), Some(value)) => Some(((value - alive.level) / alive.scale).clamp(-FAR, FAR)),
            // It is where it always was.
            (Learned::Constant { .. }, Some(_)) => Some(0.0),
            (Learned::Nothing, _) | (_, None) => None,
        };
        self.heard &= !(1 << slot);
        if let (Some(scales), Some(place)) = (scales, self.window.get_mut(usize::from(slot))) {
            *place = scales as f32;
            self.heard |= 1 << slot;
        }
    }

    fn judge(&mut self) {
        let n = self.heard.count_ones();
        self.judged = n >= u32::from(HALF);
        if !self.judged {
            return;
        }
        // The mean of fewer strays further.
        let weight = sqrt(f64::from(n) / WINDOW as f64);
        self.off = self.mean_about(self.baseline) * weight;
        self.turning = self.mean_about(self.anchor) * weight;
    }

    fn heard(&self) -> impl Iterator<Item = f64> + '_ {
        let bits = self.heard;
        self.window.iter().enumerate().filter(move |(i, _)| bits & (1 << i) != 0).map(|(_, u)| f64::from(*u))
    }

    /// Mean distance of the window from `centre`, single readings held back.
    fn mean_about(&self, centre: f64) -> f64 {
        let most = SPIKE * self.alive().map_or(1.0, |a| (a.noise / a.scale).max(1.0));
        self.heard().map(|u| (u - centre).clamp(-most, most)).sum::<f64>() / f64::from(self.heard.count_ones())
    }

    /// Where the window lies, wherever that is: its mean about its own median.
    fn place(&self) -> f64 {
        let mut heard: Vec<f64, WINDOW> = self.heard().collect();
        heard.sort_unstable_by(f64::total_cmp);
        let median = heard.get(heard.len() / 2).copied().unwrap_or(0.0);
        median + self.mean_about(median)
    }

    /// What the scale is to be multiplied by: quiet watching may widen it, and never narrows what was learned.
    fn width(&self) -> f64 {
        sqrt(self.strays.max(1.0))
    }

    fn z(&self) -> f64 {
        self.off / self.width()
    }

    fn excess(&self) -> f64 {
        beyond(self.z())
    }
}

fn beyond(z: f64) -> f64 {
    (fabs(z) - SILENT).max(0.0)
}
