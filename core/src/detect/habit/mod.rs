//! Habit: a stream leaves its own habits. For any quantity whose limits nobody knows.
//!
//! It learns what is usual and tells how unlikely a reading is: `surprise` in nats of readings, so that e^surprise readings
//! would pass until chance did the same. Seven aspects ([`Aspect`]) are looked at: the step, the distance of the reading and
//! of a short mean from the slow level, the same and a long mean against the hour of a working day or a day of rest, and how
//! often it moves. Each is graded by its own past (tail.rs). One cause shows in several, so they corroborate each other:
//!
//! ```text
//! score = strongest + 0.35 · sum of all seven - habituation
//! ```
//! Habituation is the operator's patience: every alarm adds 0.8 to it, and it fades with 6,000 readings, so that a point
//! that cries often must have ever more to say. An alarm stands for 100 readings and goes on while the next still
//! reaches `threshold`; while it stands only something worse by 12 nats counts as news: one alarm, not a storm.
//!
//! **It learns on, and says so.** Slowly, and a wild reading moves it little; but what lasts becomes normal in the end. An
//! alarm that ends while the short mean is still off ends as [`Ended::Adopted`], with the level left and the level taken for
//! normal; and [`State::belief`] shows what it holds to be normal beside what it was first taught, however slowly it moved.
//! What it is shown in its first 100 readings is normal to it, a fault as well: look at the belief before trusting it.
//!
//! Nothing but values up to 1e30 is looked at; NaN, infinities and bad readings change nothing. A hole of more than
//! 32 usual intervals forgets the short memories (last value, level, means), not the habits. A constant is learned as a
//! constant; its first move ever is told, as "never in the n readings known" ([`Told::once_in`] claims no more than it saw).
//! Values are held as distance from the first one, so that a counter at 1e9 is as well off as a pressure. The steps of
//! averages depend on how many readings there were only until they have their 6,000; [`State::default`] forgets everything.
//!
//! State: 848 bytes, plain data. Source: the aspects are textbook; adding correlated surprises and habituation were chosen
//! on half of the Numenta Anomaly Benchmark (Lavin and Ahmad, ICMLA 2015); see `examples/score_nab.rs`.
//!
//! When not to use it: for anything with a limit in a standard (use limit), on contacts, on counters that only grow, or to
//! guard life: it knows what is unusual, not what is dangerous. On a stream faster than its habits (1 s polls) give it
//! `block_ms`; its memories are counted in blocks.

mod aspect;
mod profile;
mod tail;

use libm::{exp, fabs, log};

pub use self::aspect::Aspect;
use self::aspect::{ASPECTS, Memory};
use self::profile::Slot;
use self::tail::{Grade, MEMORY};
use super::calendar::Calendar;
use super::{Standing, is_sensible};
use crate::time::{Mono, Now, Wall};

/// Parameters. Durations in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Params {
    /// The score from which it is an alarm, nats. Steady noise reaches [`THRESHOLD`] about once in 2,000
    /// readings (once a week at one every 5 minutes), 20 hardly once in 20,000.
    pub threshold: f64,
    /// Readings are condensed to their mean over this time; 0 looks at every reading.
    pub block_ms: u64,
    /// Whose hours and days of rest they are; opening hours say nothing here.
    pub calendar: Calendar,
}

/// Where the benchmark is served best, for which a miss costs as much as nine false alarms; for advice, not for waking people.
pub const THRESHOLD: f64 = 14.0;

/// What the aspects together add to the strongest.
const CORROBORATION: f64 = 0.35;
/// What an alarm adds to habituation, nats, and in how many readings it fades.
const PATIENCE: f64 = 0.8;
const FADES: f64 = MEMORY as f64;
/// How long an alarm stands after the last news, readings; and what is news while it stands, nats.
const STANDS: u16 = 100;
const WORSE: f64 = 12.0;
/// Fewer readings say nothing.
const LEARNING: u16 = 100;
/// A hole is longer than so many usual intervals.
const HOLE: f64 = 32.0;
/// The short mean is back when it is within so many usual distances of the level before.
const BACK: f64 = 3.0;

/// An unusual reading, for people: what was expected, what came, how unlikely.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Told {
    /// The aspect that is strangest.
    pub aspect: Aspect,
    /// What it led to expect, in the point's unit.
    pub expected: f64,
    /// What came.
    pub came: f64,
    /// How unlikely by that aspect alone, nats.
    pub surprise: f64,
    /// Readings it knows; at most 6,000.
    pub known: u16,
}

impl Told {
    /// Once in how many readings chance does the like, and whether that is only a bound: never more than it has seen, since
    /// what lies beyond is a guess. Seven aspects have seven chances.
    pub fn once_in(&self) -> (f64, bool) {
        let nats = (self.surprise - log(ASPECTS.len() as f64)).max(0.0);
        let most = log(f64::from(self.known.max(1)));
        (exp(nats.min(most)), nats > most)
    }
}

/// How the last alarm ended.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Ended {
    /// The stream returned to where it was.
    Returned,
    /// It did not; it is being taken for normal. In the point's unit.
    Adopted {
        /// The level before.
        was: f64,
        /// The level that is being learned.
        is: f64,
    },
}

/// Where it stands.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Phase {
    /// Too few readings.
    Learning,
    Quiet {
        ended: Option<Ended>,
    },
    /// An alarm, `left` readings long unless there is news; `peak` is its strongest score before habituation; `was` and
    /// `usual` are the level before it and the usual distance from it.
    Unusual {
        onset: Wall,
        left: u16,
        peak: f64,
        told: Option<Told>,
        was: f64,
        usual: f64,
    },
}

/// Readings that become one.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Block {
    from: Mono,
    sum: f64,
    count: u32,
}

/// What it holds to be normal, in the point's unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Belief {
    /// The level now.
    pub level: f64,
    /// The usual distance from it.
    pub spread: f64,
    /// The level when it had learned enough to speak, or was last told to accept: the difference is what it has
    /// got used to since.
    pub taught: f64,
    /// Readings it knows; at most 6,000.
    pub known: u16,
}

/// State of one habit rule on one point.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct State {
    memory: Memory,
    grades: [Grade; 7],
    /// Readings known, up to [`MEMORY`]: the weight of the past.
    known: u16,
    at: Mono,
    /// Usual time between readings, ms.
    interval: f64,
    block: Block,
    habituation: f64,
    score: f64,
    taught: f64,
    phase: Phase,
}

impl Default for State {
    fn default() -> Self {
        Self {
            memory: Memory::NEW,
            grades: [Grade::NEW; 7],
            known: 0,
            at: Mono(0),
            interval: 0.0,
            block: Block { from: Mono(0), sum: 0.0, count: 0 },
            habituation: 0.0,
            score: 0.0,
            taught: 0.0,
            phase: Phase::Learning,
        }
    }
}

const _: () = assert!(size_of::<State>() <= 1024);

impl State {
    /// It stands since `onset`; for a restart. Why is not known any more.
    pub fn stand(&mut self, onset: Wall) {
        let [_, by_level, ..] = &self.grades;
        let (was, usual) = (self.memory.level, by_level.usual(self.memory.floor(self.memory.level)));
        self.phase = Phase::Unusual { onset, left: STANDS, peak: 0.0, told: None, was, usual };
    }

    /// It is over, whatever was heard; for a restart. How it ended stays known where it was.
    pub fn rest(&mut self) {
        self.phase = match self.phase {
            Phase::Quiet { ended } => Phase::Quiet { ended },
            Phase::Learning | Phase::Unusual { .. } if self.known < LEARNING => Phase::Learning,
            Phase::Learning | Phase::Unusual { .. } => Phase::Quiet { ended: None },
        };
    }

    /// A value came. With blocks, does its work when one is over.
    #[inline]
    pub fn value(&mut self, params: &Params, value: f64, at: Wall, now: Now) {
        if !is_sensible(value) {
            return;
        }
        if params.block_ms == 0 {
            return self.judge(params, value, at, now.mono);
        }
        if self.block.count > 0 && now.mono.since(self.block.from) >= params.block_ms {
            let mean = self.block.sum / f64::from(self.block.count);
            self.judge(params, mean, at, now.mono);
            self.block.count = 0;
        }
        if self.block.count == 0 {
            (self.block.from, self.block.sum) = (now.mono, 0.0);
        }
        self.block.sum += value;
        self.block.count = self.block.count.saturating_add(1);
    }

    /// What stands.
    pub fn standing(&self) -> Option<Standing> {
        match self.phase {
            Phase::Learning | Phase::Quiet { .. } => None,
            Phase::Unusual { onset, .. } => Some(Standing { level: 0, onset, limit: None, time_to_limit: None }),
        }
    }

    /// Why it stands.
    pub fn told(&self) -> Option<Told> {
        match self.phase {
            Phase::Learning | Phase::Quiet { .. } => None,
            Phase::Unusual { told, .. } => told,
        }
    }

    /// How the last alarm ended, until the next one.
    pub fn ended(&self) -> Option<Ended> {
        match self.phase {
            Phase::Learning | Phase::Unusual { .. } => None,
            Phase::Quiet { ended } => ended,
        }
    }

    /// Score of the last reading, nats: the threshold or above where it was news, below it everywhere else.
    pub fn score(&self) -> f64 {
        self.score
    }

    /// What it holds to be normal; nothing while it knows too little to speak.
    pub fn belief(&self) -> Option<Belief> {
        let [_, by_level, ..] = &self.grades;
        let level = self.memory.origin + self.memory.level;
        let spread = by_level.usual(self.memory.floor(level));
        match self.phase {
            Phase::Learning => None,
            Phase::Quiet { .. } | Phase::Unusual { .. } => {
                Some(Belief { level, spread, taught: self.memory.origin + self.taught, known: self.known })
            }
        }
    }

    /// Readings it knows; at most 6,000.
    pub const fn known(&self) -> u16 {
        self.known
    }

    /// Somebody looked, and what it believes is right: what it was taught is what it believes now.
    pub fn accept(&mut self) {
        self.taught = self.memory.level;
    }

    fn judge(&mut self, params: &Params, value: f64, at: Wall, mono: Mono) {
        if self.known == 0 {
            (self.memory.origin, self.at) = (value, mono);
        }
        let y = value - self.memory.origin;
        self.mind_the_gap(y, mono);
        self.known = (self.known + 1).min(MEMORY);
        let was = self.memory.level;
        let [_, by_level, ..] = &self.grades;
        let usual = by_level.usual(self.memory.floor(value));
        let look = self.memory.look(y, Slot::of(at, params.calendar), self.known, &self.grades);
        let (mut sum, mut strongest) = (0.0, None);
        let parts =
            ASPECTS.iter().zip(&mut self.grades).zip(look.deviations.iter().zip(&look.floors).zip(&look.expected));
        for ((aspect, grade), ((deviation, floor), expected)) in parts {
            let surprise = grade.surprise(*deviation, *floor, self.known);
            sum += surprise;
            if strongest.is_none_or(|(most, _, _)| surprise > most) {
                strongest = Some((surprise, *aspect, *expected));
            }
        }
        let Some((surprise, aspect, expected)) = strongest else { return };
        let expected = self.memory.origin + expected;
        let told = Told { aspect, expected, came: value, surprise, known: self.known };
        let raw = surprise + CORROBORATION * sum;
        self.habituation *= 1.0 - 1.0 / FADES;
        self.step(params, raw, told, at, (was, usual));
    }

    /// After a hole the last value and the means say nothing.
    fn mind_the_gap(&mut self, y: f64, mono: Mono) {
        let dt = mono.since(self.at) as f64;
        self.at = mono;
        if self.known >= tail::YOUNG && dt > HOLE * self.interval {
            self.memory.forget_lately(y);
        } else if self.known > 0 {
            self.interval += (dt - self.interval) / f64::from(self.known);
        }
    }

    fn step(&mut self, params: &Params, raw: f64, told: Told, at: Wall, (was, usual): (f64, f64)) {
        let score = raw - self.habituation;
        let loud = score >= params.threshold;
        self.score = score.min(params.threshold - f64::EPSILON * params.threshold);
        // Also where it stands meanwhile, since it was told to forget.
        if self.known == LEARNING {
            self.taught = self.memory.level;
        }
        self.phase = match self.phase {
            Phase::Learning if self.known < LEARNING => {
                self.score = 0.0;
                Phase::Learning
            }
            Phase::Learning => Phase::Quiet { ended: None },
            Phase::Quiet { .. } if loud => {
                self.news(score);
                Phase::Unusual { onset: at, left: STANDS, peak: raw, told: Some(told), was, usual }
            }
            Phase::Quiet { ended } => Phase::Quiet { ended },
            Phase::Unusual { onset, left, peak, was, usual, .. } if loud && (left == 0 || raw > peak + WORSE) => {
                self.news(score);
                Phase::Unusual { onset, left: STANDS, peak: raw, told: Some(told), was, usual }
            }
            Phase::Unusual { left: 0, was, usual, .. } => {
                let back = fabs(self.memory.mean - was) <= BACK * usual;
                let (was, is) = (self.memory.origin + was, self.memory.origin + self.memory.mean);
                Phase::Quiet { ended: Some(if back { Ended::Returned } else { Ended::Adopted { was, is } }) }
            }
            Phase::Unusual { onset, left, peak, told, was, usual } => {
                self.score = 0.0;
                Phase::Unusual { onset, left: left.saturating_sub(1), peak, told, was, usual }
            }
        };
    }

    fn news(&mut self, score: f64) {
        self.score = score;
        self.habituation += PATIENCE;
    }
}

#[cfg(test)]
mod tests;
