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
//! and counts that in [`Belief::restarts`]. Afterwards the baseline adapts by `roam` at most, an eighth as fast while both
//! `S` and the mean deviation are half of what is told, and not at all while it stands. An hour that it does not know yet
//! raises nothing and ends nothing, and is learned only while nothing is suspected in those it knows. After a sensor is
//! replaced: [`State::default`].
//!
//! Bad input: NaN, infinities and what is beyond 1e30 are no values. A constant has the scatter `floor`. A hole neither ends nor raises
//! anything; across one no jump is seen. State: 784 bytes. A reading costs a push, a block one selection among 18.
//!
//! When not to use it: on what saw-tooths slower than a block (tanks: trend), on contacts, or in place of a limit.

use super::baseline;
use super::block::Block;
use super::limit::Side;
use super::{Standing, is_sensible};
use crate::time::{Mono, Now, Wall};
use libm::fabs;

/// Parameters. Values in the point's unit, durations in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
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
/// So much of the learning time one hole may be at most, where blocks are rarer than a quarter of it.
const HOLES: u64 = 16;
/// How much of its pace the baseline keeps on suspicion.
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
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Phase {
    /// No reading yet.
    Fresh,
    /// Has learned for so long, ms.
    Learning { ms: u64 },
    /// Watching.
    Watching,
    /// It stands since.
    Standing { onset: Wall },
    /// It stands since, and what was usual then is not known any more: learning anew for so long, ms.
    Relearning { onset: Wall, ms: u64 },
}

/// State of one drift rule on one point.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct State {
    usual: baseline::State,
    block: Block,
    /// The last block's deviation before anything was put aside, and when it ended.
    last: Option<(f64, Mono)>,
    judged: Option<Mono>,
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

const _: () = assert!(size_of::<State>() <= 784);

impl Default for State {
    fn default() -> Self {
        Self {
            usual: baseline::State::default(),
            block: Block::default(),
            last: None,
            judged: None,
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
    /// It stands since `onset`; for a restart. Where nothing was learned it stands until it has learned anew: what it would
    /// be over by is not known.
    pub fn stand(&mut self, onset: Wall) {
        self.phase = if self.is_trained() { Phase::Standing { onset } } else { Phase::Relearning { onset, ms: 0 } };
    }

    /// It is over, whatever was heard; for a restart.
    pub fn rest(&mut self) {
        self.sum = 0.0;
        self.phase = match self.phase {
            Phase::Standing { .. } | Phase::Watching => Phase::Watching,
            Phase::Relearning { ms, .. } | Phase::Learning { ms } => Phase::Learning { ms },
            Phase::Fresh => Phase::Fresh,
        };
    }

    /// A value came. Does its work when it closes a block.
    #[inline]
    pub fn value(&mut self, params: &Params, value: f64, at: Wall, now: Now) {
        if !is_sensible(value) {
            return;
        }
        if self.phase == Phase::Fresh {
            self.phase = Phase::Learning { ms: 0 };
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
        self.pass(params, mono);
        let Some(usual) = self.usual.level(&params.usual, at) else {
            return self.meet(params, block, at);
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
        self.decide(params);
        // What is put aside says nothing of the usual.
        if self.aside == 0.0 {
            self.learn(params, block, at);
        }
    }

    /// An hour that is not known says nothing of a fault. It is learned, but not while there is a suspicion or a step is put
    /// aside: what is suspected in the hours that are known must not become normal in this one.
    fn meet(&mut self, params: &Params, block: f64, at: Wall) {
        let suspected = self.is_trained() && self.is_wary(params);
        if !suspected && self.aside == 0.0 {
            self.usual.learn(&params.usual, block, at, self.is_trained(), 1.0);
        }
    }

    /// A hole teaches nothing: of the time between two blocks so much counts as learning.
    fn pass(&mut self, params: &Params, mono: Mono) {
        let most = params.block_ms.saturating_mul(4).max(params.learn_ms / HOLES);
        let since = self.judged.map_or(0, |before| mono.since(before)).min(most);
        self.judged = Some(mono);
        if let Phase::Learning { ms } | Phase::Relearning { ms, .. } = &mut self.phase {
            *ms = ms.saturating_add(since);
        }
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
        }
        // Back at the usual, or there for good: either way it counts as it is read.
        if fabs(off) <= step * sigma / 2.0 || mono.since(self.stepped) > params.patience_ms {
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

    fn decide(&mut self, params: &Params) {
        let sure = self.sum >= params.rise && self.mean >= params.shift;
        self.phase = match self.phase {
            Phase::Learning { .. } if sure => {
                // It moves while it is learned: that is no baseline.
                self.usual.restart();
                self.restarts = self.restarts.saturating_add(1);
                self.sum = 0.0;
                Phase::Learning { ms: 0 }
            }
            Phase::Relearning { onset, .. } if sure => {
                self.usual.restart();
                self.restarts = self.restarts.saturating_add(1);
                self.sum = 0.0;
                Phase::Relearning { onset, ms: 0 }
            }
            Phase::Learning { ms } | Phase::Relearning { ms, .. } if ms >= params.learn_ms => Phase::Watching,
            Phase::Watching if sure => {
                self.usual.forget_strange();
                Phase::Standing { onset: self.run_onset }
            }
            Phase::Standing { .. } if self.sum <= params.rise / 2.0 => Phase::Watching,
            phase @ (Phase::Fresh
            | Phase::Learning { .. }
            | Phase::Watching
            | Phase::Standing { .. }
            | Phase::Relearning { .. }) => phase,
        };
    }

    fn learn(&mut self, params: &Params, block: f64, at: Wall) {
        let pace = match self.phase {
            Phase::Watching if self.is_wary(params) => WARY,
            Phase::Fresh | Phase::Learning { .. } | Phase::Relearning { .. } | Phase::Watching => 1.0,
            Phase::Standing { .. } => return,
        };
        self.usual.learn(&params.usual, block, at, self.is_trained(), pace);
    }

    const fn is_trained(&self) -> bool {
        matches!(self.phase, Phase::Watching | Phase::Standing { .. })
    }

    /// Whether a derived channel that feeds it had better not learn now.
    pub fn is_wary(&self, params: &Params) -> bool {
        let half = self.sum > params.rise / 2.0 && self.mean > params.shift / 2.0;
        half || matches!(self.phase, Phase::Standing { .. })
    }

    /// What it believes at `now`.
    pub fn belief(&self, params: &Params, now: Now) -> Belief {
        let learned = match self.phase {
            Phase::Fresh => 0.0,
            Phase::Learning { ms } | Phase::Relearning { ms, .. } => {
                (ms as f64 / params.learn_ms.max(1) as f64).min(1.0)
            }
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
            Phase::Standing { onset } | Phase::Relearning { onset, .. } => {
                Some(Standing { level: 0, onset, limit: None, time_to_limit: None })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::baseline::Bins;
    use crate::detect::calendar::Calendar;

    const HOUR: u64 = 3_600_000;
    const DAY: u64 = 24 * HOUR;

    const PLAIN: Params = Params {
        side: Side::High,
        usual: baseline::Params { bins: Bins::One, calendar: Calendar::UTC, floor: 0.1, memory: 28, roam: 1.0 },
        block_ms: HOUR,
        learn_ms: 7 * DAY,
        shift: 1.0,
        slack: 0.5,
        rise: 8.0,
        step: None,
        patience_ms: 2 * DAY,
    };

    /// Noise in [-1, 1] that needs no crate.
    fn noise(t: u64) -> f64 {
        let mut z = t.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        ((z >> 11) as f64 / (1u64 << 52) as f64) - 1.0
    }

    /// A reading in 10 min from day `from` to day `to`; how many days in it was first told.
    fn days(s: &mut State, p: &Params, from: u64, to: u64, f: impl Fn(f64) -> f64) -> Option<f64> {
        let mut first = None;
        for n in from * 144..to * 144 {
            let ms = n * 600_000;
            let (now, t) = (Now { mono: Mono(ms), wall: Wall(ms as i64) }, ms as f64 / DAY as f64);
            s.value(p, f(t) + noise(n), now.wall, now);
            first = first.or(s.standing(p).map(|_| t));
        }
        first
    }

    fn belief(s: &State, p: &Params) -> Belief {
        s.belief(p, Now::default())
    }

    #[test]
    fn a_bearing_that_wears_is_told_long_before_its_limit() {
        let mut s = State::default();
        assert_eq!(days(&mut s, &PLAIN, 0, 60, |_| 10.0), None, "two months of nothing");
        assert!(belief(&s, &PLAIN).usual.is_some_and(|u| (u - 10.0).abs() < 0.2) && belief(&s, &PLAIN).sigma < 0.5);
        let told = days(&mut s, &PLAIN, 60, 80, |t| 10.0 + (t - 60.0)).expect("it wears by 1 a day");
        assert!(told < 63.0, "told on day {told}");
        let before = belief(&s, &PLAIN);
        days(&mut s, &PLAIN, 80, 120, |_| 30.0);
        assert!(s.standing(&PLAIN).is_some() && belief(&s, &PLAIN).usual == before.usual, "and is not learned");
        assert_eq!(s.standing(&PLAIN).map(|x| x.limit), Some(None));
        days(&mut s, &PLAIN, 120, 123, |_| 10.0);
        assert!(s.standing(&PLAIN).is_none(), "it was mended");
    }

    #[test]
    fn drift_to_the_safe_side_and_spikes_are_none() {
        let mut s = State::default();
        assert_eq!(days(&mut s, &PLAIN, 0, 40, |t| if t < 20.0 { 10.0 } else { 30.0 - t }), None);
        let mut s = State::default();
        assert_eq!(
            days(&mut s, &PLAIN, 0, 40, |t| if ((t * 144.0) as u64).is_multiple_of(37) { 500.0 } else { 10.0 }),
            None
        );
    }

    #[test]
    fn a_ramp_while_it_learns_is_not_called_normal() {
        let mut s = State::default();
        days(&mut s, &PLAIN, 0, 20, |t| 10.0 + t);
        let b = belief(&s, &PLAIN);
        assert!(b.restarts > 0 && b.learned <= 1.0, "{b:?}");
    }

    #[test]
    fn it_adapts_by_so_much_and_no_more() {
        let mut s = State::default();
        days(&mut s, &PLAIN, 0, 20, |_| 10.0);
        let told = days(&mut s, &PLAIN, 20, 400, |t| 10.0 + (t - 20.0) * 0.02);
        let b = belief(&s, &PLAIN);
        assert!(told.is_some(), "what creeps by 0.02 a day is told in the end");
        assert!(b.moved.abs() <= PLAIN.usual.roam && b.moved > 0.5, "{b:?}");
    }

    #[test]
    fn a_wet_day_is_put_aside_and_what_creeps_through_it_is_not() {
        let rain = Params { step: Some(5.0), ..PLAIN };
        let mut s = State::default();
        let wet = |t: f64| 10.0 + if (30.2..31.4).contains(&t) { 12.0 } else { 0.0 };
        assert_eq!(days(&mut s, &rain, 0, 31, wet), None);
        assert!((belief(&s, &rain).aside - 12.0).abs() < 1.5, "{:?}", belief(&s, &rain));
        assert_eq!(days(&mut s, &rain, 31, 40, wet), None);
        assert_eq!(belief(&s, &rain).aside, 0.0);
        assert!(days(&mut s, &rain, 40, 60, |t| wet(t) + (t - 40.0)).is_some_and(|t| t < 43.0));
        let mut s = State::default();
        days(&mut s, &rain, 0, 30, |_| 10.0);
        let told = days(&mut s, &rain, 30, 40, |_| 22.0).expect("a step that stays is told");
        assert!((32.0..33.0).contains(&told), "after the patience: {told}");
        assert!(days(&mut State::default(), &PLAIN, 0, 30, |_| 10.0).is_none());
    }

    #[test]
    fn hours_of_working_days_are_learned() {
        let by_hours =
            Params { usual: baseline::Params { bins: Bins::HoursOfWeek, ..PLAIN.usual }, learn_ms: 14 * DAY, ..PLAIN };
        // The epoch's first Monday is day 4.
        let shop = |t: f64| {
            let (day, hour) = ((t as u64 + 3) % 7, t.fract() * 24.0);
            10.0 + if day < 5 && (8.0..20.0).contains(&hour) { 20.0 } else { 0.0 }
        };
        let mut s = State::default();
        assert_eq!(days(&mut s, &by_hours, 0, 60, shop), None);
        let told = days(&mut s, &by_hours, 60, 70, |t| shop(t) + 3.0).expect("3 more, well within its daily course");
        assert!(told < 60.5, "{told}");
    }

    #[test]
    fn a_fault_is_not_learned_in_hours_that_are_not_known() {
        let by_hours = Params { usual: baseline::Params { bins: Bins::Hours, ..PLAIN.usual }, ..PLAIN };
        // It runs by day only, until its fault keeps it at work in the night too.
        let at = |s: &mut State, days: core::ops::Range<u64>, hours: core::ops::Range<u64>, level: f64| {
            for n in days.start * 144..days.end * 144 {
                let ms = n * 600_000;
                if hours.contains(&(ms / HOUR % 24)) {
                    let now = Now { mono: Mono(ms), wall: Wall(ms as i64) };
                    s.value(&by_hours, level + noise(n), now.wall, now);
                }
            }
        };
        let usual =
            |s: &State, hour: u64| s.belief(&by_hours, Now { mono: Mono(0), wall: Wall((hour * HOUR) as i64) }).usual;
        let mut s = State::default();
        at(&mut s, 0..30, 8..20, 10.0);
        assert!(s.standing(&by_hours).is_none() && usual(&s, 9).is_some() && usual(&s, 2).is_none());
        at(&mut s, 30..40, 0..24, 16.0);
        assert!(s.standing(&by_hours).is_some());
        assert_eq!(usual(&s, 2), None, "16 is what is wrong, at night too");
        at(&mut s, 40..50, 0..24, 10.0);
        assert!(s.standing(&by_hours).is_none(), "it was mended");
        assert!(usual(&s, 2).is_some_and(|usual| (usual - 10.0).abs() < 1.0), "{:?}", usual(&s, 2));
    }

    #[test]
    fn bad_input_gives_no_false_certainty() {
        for nonsense in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut s = State::default();
            assert_eq!(days(&mut s, &PLAIN, 0, 30, |_| nonsense), None);
            assert_eq!((belief(&s, &PLAIN).usual, belief(&s, &PLAIN).learned), (None, 0.0));
        }
        let mut s = State::default();
        assert_eq!(days(&mut s, &PLAIN, 0, 1, |_| 5.0), None);
        assert_eq!(days(&mut s, &PLAIN, 365, 366, |_| 500.0), None, "a year later it has learned no more than a day");
        let mut s = State::default();
        assert_eq!(days(&mut s, &PLAIN, 0, 30, |_| 1e9), None);
        assert!(belief(&s, &PLAIN).sigma >= PLAIN.usual.floor);
        let mut s = State::default();
        assert_eq!(days(&mut s, &PLAIN, 0, 30, |t| if (t as u64).is_multiple_of(2) { 1e300 } else { -1e300 }), None);
        assert!(belief(&s, &PLAIN).sigma.is_finite());
    }

    #[test]
    fn a_year_of_silence_changes_nothing() {
        let mut s = State::default();
        days(&mut s, &PLAIN, 0, 30, |_| 10.0);
        assert_eq!(days(&mut s, &PLAIN, 395, 425, |_| 10.0), None);
        days(&mut s, &PLAIN, 425, 430, |_| 20.0);
        assert!(s.standing(&PLAIN).is_some());
        days(&mut s, &PLAIN, 800, 801, |_| f64::NAN);
        assert!(s.standing(&PLAIN).is_some(), "unknown never clears");
    }

    #[test]
    fn a_copy_of_the_state_goes_on_as_the_state_does() {
        let mut s = State::default();
        days(&mut s, &PLAIN, 0, 20, |_| 10.0);
        let mut restored = s.clone();
        let rest = |s: &mut State| days(s, &PLAIN, 20, 40, |t| 10.0 + (t - 20.0) * 0.4);
        assert_eq!(rest(&mut s), rest(&mut restored));
        assert_eq!(s, restored);
    }
}
