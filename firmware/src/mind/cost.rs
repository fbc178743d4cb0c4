//! What a reading costs, detector by detector: the same rows for a host's stopwatch (`firmware/examples/cost.rs`) and for
//! the board's counter (`firmware/src/bin/mind-cost.rs`). One rule a point, readings that stay normal: the case that
//! happens all day.

use gengfu_core::detect::limit::{Level, Side};
use gengfu_core::detect::{
    Params, absent, accumulated, band, count, digital, drift, dwell, frozen, habit, limit, rate, rhythm, trend, vote,
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
    /// Bytes of its state.
    pub bytes: usize,
    /// Instructions a reading should take on a Cortex-M4F, on the average of all readings.
    pub budget: u32,
    /// What it must not come to: it costs less today. docs/benchmarks.md tells where that is above the budget, and why.
    pub most: u32,
}

/// A limit rule, and all that is not heavier than one: should, must not.
const LIGHT: (u32, u32) = (400, 1_200);
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

/// What is measured.
pub const ROWS: [Row; 7] = [
    Row { name: "none", params: None, bytes: 0, budget: LIGHT.0, most: LIGHT.1 },
    row("limit, one level", Params::Limit(LOW), LIGHT),
    row("limit, two levels", Params::Limit(TWO), LIGHT),
    row("state", Params::Digital(DOOR), LIGHT),
    row("trend, 100 readings a block", Params::Trend(LEAK), HEAVY),
    row("trend, a block a reading", Params::Trend(HASTY), HEAVY),
    row("absent", Params::Absent(LOST), LIGHT),
];

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
    };
    Row { name, params: Some(params), bytes, budget, most }
}

impl Row {
    /// A site of `P` points with this rule on each.
    pub fn site<const P: usize>(&self) -> Site<P, P> {
        let mut site = Site::new(Now::default());
        let rule = self.params.map(|params| rule(params, super::plant::HIGH));
        (0..P).for_each(|_| site.add(rule.as_slice()));
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
