//! What a reading costs, detector by detector: the same rows for a host's stopwatch (`firmware/examples/cost.rs`) and for
//! the board's counter (`firmware/src/bin/mind-cost.rs`). One rule a point (or a pair, or a group), readings that stay normal: the case that
//! happens all day.

use gengfu_core::derive::{explained, ratio as share, sibling as pair};
use gengfu_core::detect::baseline::{self, Bins};
use gengfu_core::detect::calendar::Calendar;
use gengfu_core::detect::limit::{Level, Side};
use gengfu_core::detect::{
    Params, absent, accumulated, band, count, digital, drift, dwell, frozen, group, habit, limit, rate, ratio,
    residual, rhythm, sibling, trend, vote,
};
use gengfu_core::engine::Event;
use gengfu_core::quality::Quality;
use gengfu_core::reading::{Delivery, PointId, Reading};
use gengfu_core::time::{Mono, Now, Wall};

use super::plant::rule;
use super::site::Site;

/// QEMU's `-icount shift=`: an instruction takes `2^ICOUNT_SHIFT` ns of the board's time, so long that each shows on a
/// counter of 25 MHz.
pub const ICOUNT_SHIFT: u32 = 7;

/// A detector that is measured.
#[derive(Debug)]
pub struct Row {
    /// What it is.
    pub name: &'static str,
    /// The rule on each point, if any.
    pub params: Option<Params>,
    /// How many points a rule looks at.
    pub points: u32,
    /// Bytes of its state.
    pub bytes: usize,
    /// Instructions a reading should take on a Cortex-M4F, on the average of all readings.
    pub budget: u32,
    /// What it must not come to: it costs less today. docs/benchmarks.md tells where that is above the budget, and why.
    pub most: u32,
}

/// A limit rule, and all that is not heavier than one: should, must not.
const LIGHT: (u32, u32) = (400, 1_200);
/// A detector that remembers some moments.
const MIDDLE: (u32, u32) = (20_000, 4_000);
/// The heaviest scalar detector.
const HEAVY: (u32, u32) = (20_000, 100_000);

const LOW: limit::Params = limit::Params {
    side: Side::Low,
    first: Level { limit: 0.15, clear: 0.17, on_ms: 10_000, off_ms: 0 },
    second: None,
};
const TWO: limit::Params = limit::Params { second: Some(Level { limit: 0.10, ..LOW.first }), ..LOW };
const DOOR: digital::Params = digital::Params { is: 1.0, negate: false, on_ms: 1_000, off_ms: 0 };
const LEAK: trend::Params = trend::Params { limit: 0.15, side: Side::Low, within_ms: 3_600_000, window_ms: 1_600_000 };
const HASTY: trend::Params = trend::Params { window_ms: 16_000, ..LEAK };
const LOST: absent::Params = absent::Params { bad_ms: 10_000, silent_ms: Some(60_000) };

const BAND: band::Params = band::Params::between(
    Level { limit: 0.10, clear: 0.12, on_ms: 10_000, off_ms: 0 },
    Level { limit: 0.90, clear: 0.88, on_ms: 10_000, off_ms: 0 },
);
const CLIMB: rate::Params = rate::Params { way: rate::Way::Up, per_hour: 1e6, window_ms: 1_600_000 };
const FLOW: accumulated::Params =
    accumulated::Params { from: 0.40, window_ms: 3_600_000, limit: 1e9, clear: 1e9, gap_ms: 60_000 };
const STUCK: frozen::Params = frozen::Params { within: 0.0, for_ms: 60_000 };
const OFTEN: count::Params = count::Params { what: count::What::Changes, window_ms: 3_600_000, limit: 1e9, clear: 1e9 };
const CALENDAR: Calendar = Calendar { offset_min: 480, open_min: 540, close_min: 1_320, ..Calendar::UTC };
const LANE: dwell::Params = dwell::Params { is: 0.40, hold_ms: 60_000, forgive_ms: 500, open_hours: Some(CALENDAR) };
const JOCKEY: rhythm::Params = rhythm::Params { early: 0.85, late: None };
const CREEP: drift::Params = drift::Params {
    side: Side::High,
    usual: baseline::Params { bins: Bins::HoursOfWeek, calendar: CALENDAR, floor: 0.001, memory: 28, roam: 1.0 },
    block_ms: 60_000,
    learn_ms: 600_000,
    shift: 0.1,
    slack: 0.5,
    rise: 8.0,
    step: Some(5.0),
    patience_ms: 86_400_000,
};
const EAGER: drift::Params = drift::Params { block_ms: 1_000, learn_ms: 60_000, ..CREEP };
const USED_TO: habit::Params = habit::Params { threshold: 1e9, block_ms: 0, calendar: CALENDAR };
const TWINS: sibling::Params = sibling::Params {
    channel: pair::Params { fresh_ms: 60_000 },
    way: sibling::Way::Any,
    limit: 0.1,
    clear: 0.05,
    on_ms: 10_000,
    off_ms: 0,
    points: 0,
};
const CLAMP: residual::Params = residual::Params {
    explained: explained::Params {
        tau_ms: 60_000,
        rated: 0.5,
        memory_ms: 86_400_000,
        learn_ms: 600_000,
        offset_min: CALENDAR.offset_min,
    },
    drift: drift::Params { usual: baseline::Params { bins: Bins::One, ..CREEP.usual }, step: None, ..CREEP },
    points: 0,
};
const SHARE: ratio::Params = ratio::Params {
    channel: share::Params { enough: 1.0 },
    drift: drift::Params { usual: baseline::Params { bins: Bins::One, ..CREEP.usual }, step: None, ..EAGER },
    points: 0,
};
const MACHINE: group::Params =
    group::Params { channels: group::CHANNELS as u8, step_ms: 1_000, raise: 1e9, settle: None, points: 0 };

/// What is measured.
pub const ROWS: [Row; 21] = [
    Row { name: "none", params: None, points: 1, bytes: 0, budget: LIGHT.0, most: LIGHT.1 },
    row("limit, one level", Params::Limit(LOW), LIGHT),
    row("limit, two levels", Params::Limit(TWO), LIGHT),
    row("band", Params::Band(BAND), LIGHT),
    row("state", Params::Digital(DOOR), LIGHT),
    row("absent", Params::Absent(LOST), LIGHT),
    row("dwell", Params::Dwell(LANE), MIDDLE),
    row("frozen", Params::Frozen(STUCK), MIDDLE),
    row("count, a change a reading", Params::Count(OFTEN), MIDDLE),
    row("total", Params::Accumulated(FLOW), MIDDLE),
    row("rhythm", Params::Rhythm(JOCKEY), MIDDLE),
    row("sibling", Params::Sibling(TWINS), MIDDLE),
    row("trend, 100 readings a block", Params::Trend(LEAK), HEAVY),
    row("trend, a block a reading", Params::Trend(HASTY), HEAVY),
    row("rate, 100 readings a block", Params::Rate(CLIMB), HEAVY),
    row("drift, 60 readings a block", Params::Drift(CREEP), HEAVY),
    row("drift, a block a reading", Params::Drift(EAGER), HEAVY),
    row("habit", Params::Habit(USED_TO), HEAVY),
    row("residual", Params::Residual(CLAMP), HEAVY),
    row("ratio", Params::Ratio(SHARE), HEAVY),
    row("group of 16 points", Params::Group(MACHINE), HEAVY),
];

/// Points that a rule looks at, at most.
pub const WIDEST: usize = group::CHANNELS;

const fn row(name: &'static str, params: Params, (budget, most): (u32, u32)) -> Row {
    let bytes = match params {
        Params::Limit(_) => size_of::<limit::State>(),
        Params::Digital(_) => size_of::<digital::State>(),
        Params::Trend(_) => size_of::<trend::State>(),
        Params::Absent(_) => size_of::<absent::State>(),
        Params::Vote(_) => size_of::<vote::State>(),
        Params::Band(_) => size_of::<band::State>(),
        Params::Rate(_) => size_of::<rate::State>(),
        Params::Frozen(_) => size_of::<frozen::State>(),
        Params::Count(_) => size_of::<count::State>(),
        Params::Dwell(_) => size_of::<dwell::State>(),
        Params::Accumulated(_) => size_of::<accumulated::State>(),
        Params::Rhythm(_) => size_of::<rhythm::State>(),
        Params::Drift(_) => size_of::<drift::State>(),
        Params::Habit(_) => size_of::<habit::State>(),
        Params::Sibling(_) => size_of::<sibling::State>(),
        Params::Residual(_) => size_of::<residual::State>(),
        Params::Ratio(_) => size_of::<ratio::State>(),
        Params::Group(_) => size_of::<group::State>(),
    };
    let points = params.points() as u32;
    Row { name, params: Some(params), points, bytes, budget, most }
}

impl Row {
    /// A site of `P` points with this rule on each, or on the first of as many as it looks at.
    pub fn site<const P: usize>(&self) -> Site<P, P, P> {
        let mut site = Site::new(Now::default());
        let rule = self.params.map(|params| rule(params, super::plant::HIGH));
        for point in 0..P as u32 {
            let first = point.is_multiple_of(self.points);
            site.add(if first { rule.as_slice() } else { &[] });
        }
        (0..P as u32).for_each(|point| site.lead(point));
        site
    }
}

/// The reading of a point in a round, one round a second; never an alarm.
#[inline]
pub fn reading(point: u32, round: u32) -> (Event, Now) {
    let ms = u64::from(round) * 1_000;
    let now = Now { mono: Mono(ms), wall: Wall(ms as i64) };
    let value = 0.40 + f64::from((point + round * 7) % 13) * 0.001;
    let reading = Reading { point: PointId(point), at: now.wall, value, quality: Quality::Good };
    (Event::Reading(reading, Delivery::Live), now)
}
