//! Drift: a slow leave-taking from a learned baseline, told long before a limit; robust CUSUM on blocks.
//!
//! ```text
//! z = (block - usual - aside) / sigma, turned so that danger is positive      usual, sigma: baseline.rs
//! S = clip(S + clip(z, ±4) - slack, 0, 1.5 rise)                               Page, Biometrika 41, 1954
//! ```
//! It stands when `S` has reached `rise` and the latest blocks deviate by `shift` in the mean: sure and worth telling. It ends when `S` has fallen to half of `rise`. Blocks are medians (block.rs), a single one adds 4 sigma at most:
//! spikes say nothing, three wild blocks in a row do not either.
//!
//! `step`: where the usual has steps that come and go (rain on cables, a cold spell on batteries), a jump between two blocks by
//! more than `step` sigma is put aside and only what creeps counts; after `patience_ms` without another jump what was put
//! aside counts again. A fault that comes as a step is then told that late: the limit's own alarm is there for it.
//!
//! Learning: it says nothing for `learn_ms`. If what it learns drifts meanwhile, it does not call that normal: it begins anew
//! and counts that in [`Belief::restarts`]. Afterwards the baseline adapts by `roam` at most, an eighth as fast while `S` is
//! above half of `rise`, and not at all while it stands. After a sensor is replaced: [`State::default`].
//!
//! Bad input: NaN and infinities are no values. A constant has the scatter `floor`. A hole neither ends nor raises
//! anything; across one no jump is seen. State: 784 bytes. A reading costs a push, a block one sort of 15 numbers.
//!
//! When not to use it: on what saw-tooths slower than a block (tanks: trend), on contacts, or in place of a limit.

use super::Standing;
use super::baseline;
use super::block::Block;
use super::limit::Side;
use crate::time::{Mono, Now, Wall};
use libm::fabs;

/// Parameters. Values in the point's unit, durations in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Params {
    /// The direction that is dangerous.
    pub side: Side,
    /// What is usual.
    pub usual: baseline::Params,
    /// A block: as long as nuisances last at least twice, as short as the warning wants.
    pub block_ms: u64,
    /// How long it learns before it speaks.
    pub learn_ms: u64,
    /// The smallest mean deviation worth telling.
    pub shift: f64,
    /// Half of the drift that is looked for, in sigma of a block.
    pub slack: f64,
    /// Where `S` is sure, in sigma.
    pub rise: f64,
    /// From how many sigma between two blocks on a change is a step and put aside; `None`: never.
    pub step: Option<f64>,
    /// After how long without another step what was put aside counts again.
    pub patience_ms: u64,
}

/// Where a block's share of the sum ends, in sigma.
const CLIP: f64 = 4.0;
/// `S` is held at this multiple of `rise`, so that it can end.
const CEILING: f64 = 1.5;
/// So many jumps in one direction are put aside.
const STEPS: u8 = 2;
/// The share of the latest block in the mean deviation: some 4 blocks make it up.
const RECENT: f64 = 0.25;
/// How much of its pace the baseline keeps while `S` is above half of `rise`.
const WARY: f64 = 0.125;

/// What it believes, for the console.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Belief {
    /// What is usual now, if that hour is known.
    pub usual: Option<f64>,
    /// Scatter of a block.
    pub sigma: f64,
    /// How far training is, 0 to 1.
    pub learned: f64,
    /// How often training began anew since it saw a drift.
    pub restarts: u16,
    /// How far the baseline has moved by itself since.
    pub moved: f64,
    /// What is put aside as a step.
    pub aside: f64,
    /// Whether learning stands still or is slowed, since there is a suspicion.
    pub wary: bool,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    /// No reading yet.
    Fresh,
    /// Learning since.
    Learning { since: Mono },
    /// Watching.
    Watching,
    /// It stands since.
    Standing { onset: Wall },
}

/// State of one drift rule on one point.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    usual: baseline::State,
    block: Block,
    /// The last block's deviation before anything was put aside, and when it ended.
    last: Option<(f64, Mono)>,
    aside: f64,
    stepped: Mono,
    steps: u8,
    sum: f64,
    /// Mean of the latest deviations, from when `S` left 0 on.
    mean: f64,
    run_onset: Wall,
    opened: Wall,
    restarts: u16,
    phase: Phase,
}

const _: () = assert!(size_of::<State>() <= 840);

impl Default for State {
    fn default() -> Self {
        Self {
            usual: baseline::State::default(),
            block: Block::default(),
            last: None,
            aside: 0.0,
            stepped: Mono(0),
            steps: 0,
            sum: 0.0,
            mean: 0.0,
            run_onset: Wall(0),
            opened: Wall(0),
            restarts: 0,
            phase: Phase::Fresh,
        }
    }
}

impl State {
    /// It stands since `onset`, whatever was learned; for a restart.
    pub fn stand(&mut self, onset: Wall) {
        self.phase = Phase::Standing { onset };
    }

    /// A value came. Does its work when it closes a block.
    #[inline]
    pub fn value(&mut self, params: &Params, value: f64, at: Wall, now: Now) {
        if !value.is_finite() {
            return;
        }
        if self.phase == Phase::Fresh {
            self.phase = Phase::Learning { since: now.mono };
        }
        let length = params.block_ms.max(1);
        let number = |mono: Mono| mono.0 / length;
        if number(now.mono) != number(self.block.from())
            && let Some(median) = self.block.take()
        {
            self.judge(params, median, self.opened, now.mono);
        }
        if self.block.is_empty() {
            // The hour a block belongs to is that of its middle.
            let rest = length / 2 - (now.mono.0 % length).min(length / 2);
            self.opened = Wall(at.0.saturating_add(rest as i64));
        }
        self.block.add(value, now.mono);
    }

    fn judge(&mut self, params: &Params, block: f64, at: Wall, mono: Mono) {
        let Some(usual) = self.usual.level(&params.usual, at) else {
            return self.usual.learn(&params.usual, block, at, self.is_trained(), 1.0);
        };
        let sigma = self.usual.sigma(&params.usual);
        let off = block - usual;
        self.put_aside(params, off, sigma, mono);
        let creep = off - self.aside;
        let danger = match params.side {
            Side::High => creep,
            Side::Low => -creep,
        };
        self.add_up(params, danger, sigma, at);
        self.learn(params, block - self.aside, at, mono);
    }

    /// Steps that come and go are not drift.
    fn put_aside(&mut self, params: &Params, off: f64, sigma: f64, mono: Mono) {
        let Some(step) = params.step else { return };
        let near = params.block_ms.saturating_mul(4);
        let jump = self.last.filter(|(_, when)| mono.since(*when) <= near).map_or(0.0, |(before, _)| off - before);
        if fabs(jump) > step * sigma {
            // A step may fall into the middle of a block and show as two. More of one direction are no step: they count.
            self.steps = if jump * self.aside > 0.0 { self.steps.saturating_add(1) } else { 1 };
            if self.steps <= STEPS {
                self.aside += jump;
            }
            self.stepped = mono;
        } else if mono.since(self.stepped) > params.patience_ms {
            self.aside = 0.0;
        }
        self.last = Some((off, mono));
    }

    fn add_up(&mut self, params: &Params, danger: f64, sigma: f64, at: Wall) {
        if self.sum <= 0.0 {
            (self.mean, self.run_onset) = (0.0, at);
        }
        let z = (danger / sigma).clamp(-CLIP, CLIP);
        self.sum = (self.sum + z - params.slack).clamp(0.0, CEILING * params.rise);
        self.mean += (danger - self.mean) * RECENT;
    }

    fn learn(&mut self, params: &Params, block: f64, at: Wall, mono: Mono) {
        let sure = self.sum >= params.rise && self.mean >= params.shift;
        match self.phase {
            Phase::Fresh => {}
            Phase::Learning { since } => {
                self.usual.learn(&params.usual, block, at, false, 1.0);
                if sure {
                    // It moves while it is learned: that is no baseline.
                    self.usual.restart();
                    self.restarts = self.restarts.saturating_add(1);
                    self.sum = 0.0;
                    self.phase = Phase::Learning { since: mono };
                } else if mono.since(since) >= params.learn_ms {
                    self.phase = Phase::Watching;
                }
            }
            Phase::Watching if sure => self.phase = Phase::Standing { onset: self.run_onset },
            Phase::Watching => {
                let pace = if self.sum > params.rise / 2.0 { WARY } else { 1.0 };
                self.usual.learn(&params.usual, block, at, true, pace);
            }
            Phase::Standing { .. } if self.sum <= params.rise / 2.0 => self.phase = Phase::Watching,
            Phase::Standing { .. } => {}
        }
    }

    const fn is_trained(&self) -> bool {
        matches!(self.phase, Phase::Watching | Phase::Standing { .. })
    }

    /// Whether a derived channel that feeds it had better not learn now.
    pub fn is_wary(&self, params: &Params) -> bool {
        self.sum > params.rise / 2.0 || matches!(self.phase, Phase::Standing { .. })
    }

    /// What it believes at `now`.
    pub fn belief(&self, params: &Params, now: Now) -> Belief {
        let learned = match self.phase {
            Phase::Fresh => 0.0,
            Phase::Learning { since } => (now.mono.since(since) as f64 / params.learn_ms.max(1) as f64).min(1.0),
            Phase::Watching | Phase::Standing { .. } => 1.0,
        };
        Belief {
            usual: self.usual.level(&params.usual, now.wall),
            sigma: self.usual.sigma(&params.usual),
            learned,
            restarts: self.restarts,
            moved: self.usual.moved(),
            aside: self.aside,
            wary: self.is_wary(params),
        }
    }

    /// What stands.
    pub fn standing(&self, _: &Params) -> Option<Standing> {
        match self.phase {
            Phase::Fresh | Phase::Learning { .. } | Phase::Watching => None,
            Phase::Standing { onset } => Some(Standing { level: 0, onset, limit: None, time_to_limit: None }),
        }
    }
}
