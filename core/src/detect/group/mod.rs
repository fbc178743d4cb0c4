//! Group: up to 16 channels of one machine watched together, against what a good stretch taught.
//!
//! A pump is known by several readings at once. While each stays inside its own limits, some of them leaving the place
//! they kept, together or alone, is the fault before the alarm. Everything is counted in **steps** (`step_ms`), one frame of
//! all channels each:
//!
//! 1. It *learns* for 400 steps: 16 blocks of 25 ([`learn`]). Of every channel that gives a level and a scale `s` in the
//!    channel's unit: how far the mean of 25 steps strays by itself.
//!    `s² = (d² + v/(4·25)) · (1 + w²·25/(2²·v))`, where `d` is the spread of a block's mean from one block to the next
//!    (median, as a sigma), `v` the variance within a block (median) and `w` the spread of the block means about their median
//!    (their upper quartile, as a sigma). The second factor is the price of wandering: a temperature that moves more between
//!    blocks than its noise explains is not known after 16 of them, so it must move far to be believed.
//! 2. It *watches* ([`watch`]): `z = (mean of the last 25 steps - baseline) / s`; a single reading counts for at most 8 of its
//!    own noise. While all is quiet the baseline follows the window over 150 steps and `s` is widened (never narrowed) where
//!    the mean square of `z` over 800 steps is beyond 1: a short training does not know all that is normal. While the
//!    condition stands neither moves: a fault is not learned unsaid. The group's **excess** is the sum over channels of what
//!    `|z|` has beyond 2.5, so it says by itself which channels moved and how much each weighs ([`Moved`]).
//! 3. The condition begins when the excess has risen by `raise` from where it lay, and ends when four fifths of its peak
//!    have gone. What remains then is followed by the baseline; only a fresh rise begins a new one. A level that has stood for
//!    `settle` steps is taken for a new operating point, and it is said that it was ([`State::settled`]).
//! 4. A **turn** is the moment the window has left the level it had after the last turn (the same sum, against a baseline that
//!    never stands still, beyond `raise`); at most one a window. Turns mark where a fault begins, ripens and goes, for the graph
//!    and the report; they alarm nobody.
//!
//! Sources: the sum of excesses is a soft form of the MEWMA/T² family (Lowry et al., Technometrics 34, 1992) with the identity in
//! place of the covariance: nothing is inverted, so identical, constant or dead channels can't make it singular, and two
//! channels that say the same count twice. Robust spreads after Rousseeuw and Croux, J. Am. Stat. Assoc. 88, 1993. The constants
//! are the middle of a plateau found on 17 recorded runs of a pump rig (SKAB) whose training stretch was also moved about;
//! `cargo run --release -p gengfu-core --example score_skab` prints what they are worth.
//!
//! State: 3.4 KiB, whatever the number of channels. A frame of 8 channels costs one to two microseconds.
//!
//! - **Missing** (or not finite, or beyond 1e30): a channel with fewer than 13 of the last 25 steps is not judged. Its last `z` keeps a
//!   condition from ending, and never begins one. A pause as long as a window empties the window, never the baseline.
//! - **Constant** in training: its first other value tells its resolution, which becomes its scale; four readings in 25 that
//!   differ are then a departure. Fewer than 12 usable blocks: not judged at all, and [`Doubt`] says so.
//! - **A fault in the training stretch** is part of the reference: a fault in less than a quarter of it does little harm; a longer
//!   one widens `s` and makes the detector deaf (see [`Doubt::Wanders`]), or makes the recovery look like the fault. Wild
//!   readings in training do the same; give the points a range, so that they are bad instead.
//!
//! When not to use it: where the operating point is switched on purpose (a pump that starts and stops, or give it one group a
//! mode); for slow ageing over hours, which the baseline follows (use a trend or a limit on the channel); for contacts; with
//! channels slower than `step_ms`.

mod learn;
mod watch;

use super::{Standing, is_sensible};
use crate::time::{Mono, Now, Wall};
use learn::Learning;
use watch::Watching;

/// Channels of a group at most.
pub const CHANNELS: usize = 16;
/// Steps in a block of training and in the window that is judged.
pub const WINDOW: usize = 25;
/// Steps the training takes.
pub const TRAINING: usize = WINDOW * learn::BLOCKS;
/// A condition ends when no more than this share of its peak is left.
const REST: f64 = 0.2;

/// Parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Params {
    /// How many channels it has, 1 to [`CHANNELS`].
    pub channels: u8,
    /// Length of a step in milliseconds, at least the period of the slowest channel. Training takes 400 of them.
    pub step_ms: u64,
    /// Excess that begins the condition, in scales; 1.5 is the measured default, 1 is nervous, 5 is dull.
    pub raise: f64,
    /// After how many steps a level that stands is taken for a new operating point, which ends the condition and is told by
    /// [`State::settled`]. `None`: only a person decides that, with [`State::learn_again`].
    pub settle: Option<u32>,
    /// Names the points, so that a rule on others is another rule.
    pub points: u64,
}

impl Default for Params {
    fn default() -> Self {
        Self { channels: 1, step_ms: 1_000, raise: 1.5, settle: Some(900), points: 0 }
    }
}

/// What one channel contributes to the excess.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moved {
    /// Which channel.
    pub channel: usize,
    /// Where it was, in its unit.
    pub from: f64,
    /// By how much it has moved (mean of the window), in its unit.
    pub by: f64,
    /// The same in scales, with single readings held back.
    pub z: f64,
    /// Its share of the excess, 0 to 1.
    pub share: f64,
}

/// Why a channel's verdict is worth less, or nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// It is being learned.
    Learning,
    /// It was there for too little of the training: not judged.
    Unlearned,
    /// It never moved in training.
    Constant,
    /// It wandered so much in training that its scale is more than four times what its noise would ask for.
    Wanders,
    /// It is missing now.
    Missing,
}

/// What is held to be normal of one channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Belief {
    /// Where it lies, in its unit.
    pub usual: f64,
    /// How far the mean of a window strays by itself.
    pub stray: f64,
    /// How far the window lies from there now, as last known, in strays.
    pub z: f64,
}

/// Where the condition is.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Phase {
    /// `floor`: the least excess since the last condition ended; `accepted`: that ended because its level was taken for normal.
    Quiet { floor: f64, accepted: bool },
    /// The condition stands; `peak`: the greatest excess it has had, `steps`: for how many frames that could be judged.
    Moved { onset: Wall, peak: f64, steps: u32 },
}

/// One word of every channel, as they come in.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Frame {
    values: [Option<f64>; CHANNELS],
    /// Bit a channel: it has said something, sense or nonsense.
    told: u16,
    from: Mono,
    at: Wall,
}

/// Nothing has happened.
const QUIET: Phase = Phase::Quiet { floor: 0.0, accepted: false };

const EMPTY: Frame = Frame { values: [None; CHANNELS], told: 0, from: Mono(0), at: Wall(0) };

#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    target_pointer_width = "32",
    expect(
        clippy::large_enum_variant,
        reason = "core does not allocate, and the one is but a tenth larger than the other"
    )
)]
enum Mind {
    Learning(Learning),
    Watching(Watching),
}

/// State of one group.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct State {
    phase: Phase,
    mind: Mind,
    frame: Frame,
    /// When the last frame was closed.
    closed: Option<Mono>,
    turned: Option<Wall>,
    settled: Option<Wall>,
}

const _: () = assert!(size_of::<State>() <= 4096);

impl Default for State {
    fn default() -> Self {
        let mind = Mind::Learning(Learning::default());
        Self { phase: QUIET, mind, frame: EMPTY, closed: None, turned: None, settled: None }
    }
}

impl State {
    /// The condition stands since `onset`, whatever was heard; for a restart.
    pub const fn stand(&mut self, onset: Wall) {
        self.phase = Phase::Moved { onset, peak: 0.0, steps: 0 };
    }

    /// The condition is over, whatever was heard; for a restart.
    pub const fn rest(&mut self) {
        self.phase = QUIET;
    }

    /// Learn anew from now on: a sensor was replaced, or a new operating point is the right one. A condition that stands
    /// goes on standing until the new training can say otherwise.
    pub fn learn_again(&mut self) {
        self.mind = Mind::Learning(Learning::default());
        self.frame = EMPTY;
    }

    /// Steps of training that are still to come; 0: it watches.
    pub fn untaught(&self) -> usize {
        match &self.mind {
            Mind::Learning(learning) => learning.left(),
            Mind::Watching(_) => 0,
        }
    }

    /// `channel` has a value. Channels beyond the parameters' are not listened to.
    #[inline]
    pub fn value(&mut self, params: &Params, channel: usize, value: f64, at: Wall, now: Now) {
        self.word(params, channel, is_sensible(value).then_some(value), at, now);
    }

    /// `channel` has none.
    pub fn unknown(&mut self, params: &Params, channel: usize, at: Wall, now: Now) {
        self.word(params, channel, None, at, now);
    }

    /// The counter reached `mono`: a frame that is due is closed, whoever lacks in it.
    pub fn expire(&mut self, params: &Params, mono: Mono) {
        // As of its own time, however late that is told.
        if let Some(due) = self.deadline(params).filter(|due| *due <= mono) {
            self.close(params, due);
        }
    }

    /// When the frame that has begun will be closed if not everybody speaks.
    pub fn deadline(&self, params: &Params) -> Option<Mono> {
        (self.frame.told != 0).then(|| self.frame.from.plus(params.step_ms))
    }

    /// What stands.
    pub fn standing(&self) -> Option<Standing> {
        match self.phase {
            Phase::Quiet { .. } => None,
            Phase::Moved { onset, .. } => Some(Standing { level: 0, onset, limit: None, time_to_limit: None }),
        }
    }

    /// The channels that have left their place, in their order; none while it learns.
    pub fn moved(&self) -> impl Iterator<Item = Moved> + '_ {
        match &self.mind {
            Mind::Learning(_) => None,
            Mind::Watching(watching) => Some(watching.moved()),
        }
        .into_iter()
        .flatten()
    }

    /// Of them the one that weighs most, the first of equals.
    pub fn chief(&self) -> Option<Moved> {
        self.moved().reduce(|most, next| if next.share > most.share { next } else { most })
    }

    /// Whether the last condition ended because its level was taken for normal, and none has begun since.
    pub const fn accepted(&self) -> bool {
        match self.phase {
            Phase::Quiet { accepted, .. } => accepted,
            Phase::Moved { .. } => false,
        }
    }

    /// The excess now, in scales; `None` while it learns or nobody can be judged.
    pub fn excess(&self) -> Option<f64> {
        match &self.mind {
            Mind::Learning(_) => None,
            Mind::Watching(watching) => watching.excess().map(|e| e.held),
        }
    }

    /// Time of the frame at which the last turn was seen.
    pub const fn turned(&self) -> Option<Wall> {
        self.turned
    }

    /// When a level that had stood for `settle` was last taken for the new normal. Whoever shows the end of that condition
    /// has to say so: nothing has gone back to where it was.
    pub const fn settled(&self) -> Option<Wall> {
        self.settled
    }

    /// What it holds to be normal of `channel`; `None` while that is not known.
    pub fn belief(&self, channel: usize) -> Option<Belief> {
        match &self.mind {
            Mind::Learning(_) => None,
            Mind::Watching(watching) => watching.belief(channel),
        }
    }

    /// What is to be said against the verdict on `channel`.
    pub fn doubt(&self, channel: usize) -> Option<Doubt> {
        match &self.mind {
            Mind::Learning(_) => Some(Doubt::Learning),
            Mind::Watching(watching) => watching.doubt(channel),
        }
    }

    fn word(&mut self, params: &Params, channel: usize, value: Option<f64>, at: Wall, now: Now) {
        let channels = usize::from(params.channels).min(CHANNELS);
        let Some(slot) = self.frame.values.get_mut(channel).filter(|_| channel < channels) else { return };
        // One that speaks twice in a step is taken at its last word, and one that has died since at none.
        *slot = value;
        if self.frame.told == 0 {
            self.frame.from = now.mono;
        }
        self.frame.told |= 1 << channel;
        self.frame.at = at;
        if self.frame.told.count_ones() as usize == channels {
            self.close(params, now.mono);
        }
    }

    fn close(&mut self, params: &Params, mono: Mono) {
        let frame = core::mem::replace(&mut self.frame, EMPTY);
        let pause = self.closed.is_some_and(|last| mono.since(last) / params.step_ms.max(1) > WINDOW as u64);
        self.closed = Some(mono);
        match &mut self.mind {
            Mind::Learning(learning) => {
                learning.frame(&frame.values);
                if learning.left() == 0 {
                    self.mind = Mind::Watching(Watching::new(&learning.learned()));
                }
            }
            Mind::Watching(watching) => {
                if pause {
                    watching.pause();
                }
                watching.frame(&frame.values);
                if let Some(excess) = watching.excess() {
                    self.phase = self.phase.drive(excess, params.raise, frame.at);
                }
                if self.phase.is_old(params.settle) {
                    watching.settle();
                    (self.phase, self.settled) = (Phase::Quiet { floor: 0.0, accepted: true }, Some(frame.at));
                }
                if matches!(self.phase, Phase::Quiet { .. }) {
                    watching.follow();
                }
                if watching.turn(params.raise) {
                    self.turned = Some(frame.at);
                }
            }
        }
    }
}

impl Phase {
    fn drive(self, excess: watch::Excess, raise: f64, at: Wall) -> Self {
        match self {
            Self::Quiet { floor, accepted } => {
                let floor = floor.min(excess.held);
                if excess.judged - floor > raise {
                    Self::Moved { onset: at, peak: excess.held, steps: 1 }
                } else {
                    Self::Quiet { floor, accepted }
                }
            }
            // After a restart the peak is not known: whatever is less than would begin it ends it.
            Self::Moved { peak, .. } if excess.held < REST * peak.max(raise) => {
                Self::Quiet { floor: excess.held, accepted: false }
            }
            Self::Moved { onset, peak, steps } => {
                Self::Moved { onset, peak: peak.max(excess.held), steps: steps.saturating_add(1) }
            }
        }
    }

    fn is_old(self, settle: Option<u32>) -> bool {
        match self {
            Self::Quiet { .. } => false,
            Self::Moved { steps, .. } => settle.is_some_and(|most| steps > most),
        }
    }
}

#[cfg(test)]
mod tests;
