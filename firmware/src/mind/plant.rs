//! The site the log is about: every kind of rule, with the delays, levels and latches that make their alarms differ.

use gengfu_core::alarm::Priority;
use gengfu_core::derive::{explained, ratio as share, sibling as pair};
use gengfu_core::detect::baseline::{self, Bins};
use gengfu_core::detect::calendar::Calendar;
use gengfu_core::detect::limit::{Level as LimitLevel, Side};
use gengfu_core::detect::vote::{Degraded, Watch};
use gengfu_core::detect::{
    Params, absent, accumulated, band, count, digital, drift, dwell, frozen, group, habit, limit, rate, ratio,
    residual, rhythm, sibling, trend, vote,
};
use gengfu_core::engine::{Level, Rule};
use gengfu_core::time::Now;

use super::site::Site;

/// How many points of each kind.
pub(super) const OF_EACH: usize = 7;
/// All points: kind `n % KINDS` is that of point `n`.
pub(super) const POINTS: usize = OF_EACH * KINDS.len();
const BINDINGS: usize = POINTS * 4;

pub(super) type Plant = Site<POINTS, BINDINGS, OF_EACH>;

/// A kind of point: where its value is at home, where it is dangerous, and what watches it.
pub(super) struct Kind {
    /// The value of quiet days.
    pub(super) home: f64,
    /// The lines it is held against: the log lets it come close to them, to the bit.
    pub(super) lines: &'static [f64],
    /// A contact knows 0 and 1; anything else, all values between.
    pub(super) contact: bool,
    pub(super) rules: &'static [Rule],
}

const LOW: Level = Level { priority: Priority::Low, latch: false, shelvable: true };
pub(super) const HIGH: Level = Level { priority: Priority::High, latch: false, shelvable: true };
const HELD: Level = Level { priority: Priority::High, latch: true, shelvable: true };
const CRITICAL: Level = Level { priority: Priority::Critical, latch: false, shelvable: true };
const FIRE: Level = Level { priority: Priority::Critical, latch: true, shelvable: false };

pub(super) const fn rule(params: Params, level: Level) -> Rule {
    levels(params, level, level)
}

const fn levels(params: Params, first: Level, second: Level) -> Rule {
    Rule::new(params, [first, second])
}

const fn lost(bad_ms: u64, silent_ms: Option<u64>) -> Rule {
    rule(Params::Absent(absent::Params { bad_ms, silent_ms }), HIGH)
}

const fn line(limit: f64, clear: f64, on_ms: u64, off_ms: u64) -> LimitLevel {
    LimitLevel { limit, clear, on_ms, off_ms }
}

const PRESSURE: Kind = Kind {
    home: 0.45,
    lines: &[0.15, 0.17],
    contact: false,
    rules: &[
        rule(
            Params::Limit(limit::Params { side: Side::Low, first: line(0.15, 0.17, 5_000, 3_000), second: None }),
            CRITICAL,
        ),
        rule(Params::Trend(trend::Params { limit: 0.15, side: Side::Low, within_ms: 60_000, window_ms: 64_000 }), LOW),
        lost(4_000, Some(30_000)),
    ],
};

const GAS: Kind = Kind {
    home: 3.0,
    lines: &[22.0, 25.0, 45.0, 50.0],
    contact: false,
    rules: &[
        levels(
            Params::Limit(limit::Params {
                side: Side::High,
                first: line(25.0, 22.0, 0, 0),
                second: Some(line(50.0, 45.0, 2_000, 0)),
            }),
            HIGH,
            FIRE,
        ),
        lost(10_000, None),
    ],
};

const DOOR: Kind = Kind {
    home: 0.0,
    lines: &[0.0, 1.0],
    contact: true,
    rules: &[
        Rule {
            re_alarm_ms: Some(20_000),
            ..rule(Params::Digital(digital::Params { is: 1.0, negate: false, on_ms: 10_000, off_ms: 0 }), HELD)
        },
        rule(Params::Digital(digital::Params { is: 0.0, negate: true, on_ms: 0, off_ms: 5_000 }), LOW),
    ],
};

const HEAT: Kind = Kind {
    home: 35.0,
    lines: &[60.0, 70.0, 85.0],
    contact: false,
    rules: &[
        levels(
            Params::Limit(limit::Params {
                side: Side::High,
                first: line(70.0, 60.0, 1_000, 1_000),
                second: Some(line(85.0, 85.0, 0, 4_000)),
            }),
            HIGH,
            FIRE,
        ),
        rule(
            Params::Trend(trend::Params { limit: 70.0, side: Side::High, within_ms: 600_000, window_ms: 160_000 }),
            HELD,
        ),
        lost(0, Some(120_000)),
        rule(
            Params::Vote(vote::Params {
                need: 2,
                of: 3,
                within_ms: 20_000,
                degraded: Degraded::Fewer,
                watch: Watch::Danger,
                unheard_ms: 60_000,
                voters: 0,
            }),
            FIRE,
        ),
    ],
};

const HOURS: Calendar = Calendar { offset_min: 480, open_min: 540, close_min: 1_320, ..Calendar::UTC };

/// A flow that is watched for what it does, not for a line alone.
const FLOW: Kind = Kind {
    home: 10.0,
    lines: &[5.0, 6.0, 14.0, 15.0],
    contact: false,
    rules: &[
        rule(Params::Band(band::Params::between(line(5.0, 6.0, 2_000, 0), line(15.0, 14.0, 0, 3_000))), HIGH),
        rule(Params::Rate(rate::Params { way: rate::Way::Any, per_hour: 60.0, window_ms: 160_000 }), LOW),
        rule(Params::Frozen(frozen::Params { within: 0.0, for_ms: 20_000 }), LOW),
        rule(
            Params::Accumulated(accumulated::Params {
                from: 11.0,
                window_ms: 600_000,
                limit: 0.05,
                clear: 0.02,
                gap_ms: 60_000,
            }),
            HELD,
        ),
        rule(
            Params::Drift(drift::Params {
                side: Side::High,
                usual: baseline::Params { bins: Bins::Hours, calendar: HOURS, floor: 0.05, memory: 20, roam: 0.5 },
                block_ms: 10_000,
                learn_ms: 200_000,
                shift: 0.3,
                slack: 0.5,
                rise: 6.0,
                step: Some(6.0),
                patience_ms: 120_000,
            }),
            LOW,
        ),
        rule(Params::Habit(habit::Params { threshold: 14.0, block_ms: 0, calendar: HOURS.days() }), LOW),
    ],
};

/// A motor that runs and rests.
const MOTOR: Kind = Kind {
    home: 0.0,
    lines: &[0.0, 1.0],
    contact: true,
    rules: &[
        rule(
            Params::Count(count::Params { what: count::What::Starts, window_ms: 300_000, limit: 6.0, clear: 3.0 }),
            HIGH,
        ),
        rule(
            Params::Dwell(dwell::Params { is: 1.0, hold_ms: 30_000, forgive_ms: 5_000, open_hours: Some(HOURS) }),
            CRITICAL,
        ),
        rule(Params::Rhythm(rhythm::Params { early: 0.85, late: Some(2.0) }), LOW),
    ],
};

/// A busbar whose rules look at the point after it as well: its load, or its twin.
const BUSBAR: Kind = Kind {
    home: 40.0,
    lines: &[38.0, 42.0, 60.0],
    contact: false,
    rules: &[
        rule(
            Params::Sibling(sibling::Params {
                channel: pair::Params { fresh_ms: 20_000 },
                way: sibling::Way::Any,
                limit: 4.0,
                clear: 2.0,
                on_ms: 3_000,
                off_ms: 2_000,
                points: 1,
            }),
            HIGH,
        ),
        rule(
            Params::Residual(residual::Params {
                explained: explained::Params {
                    tau_ms: 20_000,
                    rated: 40.0,
                    memory_ms: 3_600_000,
                    learn_ms: 100_000,
                    offset_min: HOURS.offset_min,
                },
                drift: drift::Params {
                    side: Side::High,
                    usual: baseline::Params { bins: Bins::One, calendar: HOURS, floor: 0.05, memory: 20, roam: 0.5 },
                    block_ms: 10_000,
                    learn_ms: 200_000,
                    shift: 0.3,
                    slack: 0.5,
                    rise: 6.0,
                    step: None,
                    patience_ms: 0,
                },
                points: 1,
            }),
            LOW,
        ),
        // What falls counts as a counter that was reset, so that there are shares of it as well.
        rule(
            Params::Ratio(ratio::Params {
                channel: share::Params { enough: 10.0 },
                drift: drift::Params {
                    side: Side::High,
                    usual: baseline::Params { bins: Bins::One, calendar: HOURS, floor: 0.01, memory: 20, roam: 0.5 },
                    block_ms: 1_000,
                    learn_ms: 20_000,
                    shift: 0.05,
                    slack: 0.5,
                    rise: 2.0,
                    step: None,
                    patience_ms: 0,
                },
                points: 1,
            }),
            LOW,
        ),
        // Two channels, so that the training is over soon enough to be compared as well.
        rule(
            Params::Group(group::Params { channels: 2, step_ms: 20_000, raise: 1.5, settle: Some(20), points: 1 }),
            LOW,
        ),
    ],
};

/// What a busbar is held against.
const BESIDE: Kind = Kind { home: 40.0, lines: &[38.0, 42.0], contact: false, rules: &[] };

const KINDS: [&Kind; 8] = [&PRESSURE, &GAS, &DOOR, &HEAT, &FLOW, &MOTOR, &BUSBAR, &BESIDE];

/// What each point is, by its number.
pub(super) fn kinds() -> impl Iterator<Item = &'static Kind> {
    KINDS.into_iter().cycle().take(POINTS)
}

/// The site, before its first event.
pub(super) fn plant(began: Now) -> Plant {
    let mut plant = Site::new(began);
    kinds().for_each(|kind| plant.add(kind.rules));
    (0..POINTS as u32).for_each(|point| plant.lead(point));
    plant
}
