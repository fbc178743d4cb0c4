//! What is put on each kind of point, as data. It is no rule pack of the gateway (config/packs), but a table beside those, for now.
//! Limits are the site's.
//!
//! Every number is one of the thing itself: how long its nuisances last, how fast it wears, what its sensor resolves, what is
//! worth a look. The sums' `slack` and `rise` are the defaults throughout but where the reason is said.

use gengfu_core::detect::baseline::Bins;

pub(crate) const SEC: u64 = 1_000;
pub(crate) const MIN: u64 = 60 * SEC;
pub(crate) const HOUR: u64 = 60 * MIN;
pub(crate) const DAY: u64 = 24 * HOUR;

/// What a detector is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Channel {
    /// The value as it is read.
    Plain,
    /// Parts by wholes, over so many wholes.
    Ratio { enough: f64 },
    /// What the load beside it does not explain.
    Explained { load: &'static str, rated: f64, tau_ms: u64, learn_ms: u64 },
    /// Another point.
    Other { column: &'static str },
}

/// Steps that come and go: from so many sigma on, for so long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Steps {
    pub(crate) sigma: f64,
    pub(crate) patience_ms: u64,
}

/// A drift rule without its side.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drift {
    pub(crate) bins: Bins,
    pub(crate) block_ms: u64,
    pub(crate) learn_ms: u64,
    /// What the sensor resolves.
    pub(crate) floor: f64,
    /// What is worth a look.
    pub(crate) shift: f64,
    /// What the usual may move by in a year.
    pub(crate) roam: f64,
    pub(crate) memory: u8,
    pub(crate) slack: f64,
    pub(crate) rise: f64,
    pub(crate) steps: Option<Steps>,
}

/// A detector without its limits.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Detector {
    /// The alarm limit foretold.
    Trend { window_ms: u64, within_ms: u64 },
    /// A slow leave-taking from what is usual.
    Drift(Drift),
    /// Starts too soon, or none.
    Rhythm { early: f64, late: Option<f64> },
    /// The alarm limit itself, held so long.
    Limit { on_ms: u64 },
}

/// The rules of a kind.
#[derive(Debug)]
pub(crate) struct Pack {
    pub(crate) kind: &'static str,
    pub(crate) rules: &'static [(Channel, Detector)],
}

use Channel::{Explained, Other, Plain, Ratio};
use Detector::{Limit, Rhythm, Trend};

/// The defaults of a drift: blocks of a day, a month of memory.
const DRIFT: Drift = Drift {
    bins: Bins::One,
    block_ms: DAY,
    learn_ms: 12 * DAY,
    floor: 0.0,
    shift: 0.0,
    roam: 0.0,
    memory: 28,
    slack: 0.5,
    rise: 8.0,
    steps: None,
};

pub(crate) const PACKS: &[Pack] = &[
    // A leak shows in the jockey pump's rhythm long before the pressure falls; a dead pump in its absence. Draws and hydrant
    // tests shorten one interval, not two in a row.
    Pack {
        kind: "fire_water_pressure",
        rules: &[
            (Other { column: "jockey" }, Rhythm { early: 0.85, late: Some(1.2) }),
            (Plain, Limit { on_ms: 10 * MIN }),
        ],
    },
    // Draws and refills last an hour and a half, the tank's own saw days.
    Pack {
        kind: "tank_level",
        rules: &[(Plain, Trend { window_ms: 320 * MIN, within_ms: 36 * HOUR }), (Plain, Limit { on_ms: 15 * MIN })],
    },
    // Cooking rises within 3 min and is gone after 30.
    Pack { kind: "gas_lel", rules: &[(Plain, Trend { window_ms: 24 * MIN, within_ms: 6 * HOUR })] },
    // Steam and dust rise within a minute; smouldering for many.
    Pack {
        kind: "smoke_fire",
        rules: &[(Plain, Trend { window_ms: 320 * SEC, within_ms: 30 * MIN }), (Plain, Limit { on_ms: 70 * SEC })],
    },
    // Leakage follows the tenants' week; rain adds to it for a day or so, and goes at once.
    Pack {
        kind: "residual_current",
        rules: &[
            (
                Plain,
                Detector::Drift(Drift {
                    bins: Bins::HoursOfWeek,
                    block_ms: HOUR,
                    learn_ms: 7 * DAY,
                    floor: 1.0,
                    shift: 8.0,
                    roam: 10.0,
                    steps: Some(Steps { sigma: 5.0, patience_ms: 2 * DAY }),
                    ..DRIFT
                }),
            ),
            (Plain, Limit { on_ms: 15 * MIN }),
        ],
    },
    // A loose clamp heats with the square of the load, more than the load explains.
    Pack {
        kind: "cable_temp",
        rules: &[
            (
                Explained { load: "load_pu", rated: 1.0, tau_ms: 30 * MIN, learn_ms: 2 * DAY },
                Detector::Drift(Drift {
                    block_ms: HOUR,
                    learn_ms: 2 * DAY,
                    floor: 0.1,
                    shift: 1.2,
                    roam: 1.0,
                    ..DRIFT
                }),
            ),
            (Plain, Limit { on_ms: 15 * MIN }),
        ],
    },
    // A hundred trips make a ratio; each is a block.
    Pack {
        kind: "elevator_door",
        rules: &[(
            Ratio { enough: 100.0 },
            Detector::Drift(Drift { block_ms: 1, floor: 0.005, shift: 0.015, roam: 0.02, ..DRIFT }),
        )],
    },
    Pack {
        kind: "elevator_levelling",
        rules: &[(Plain, Detector::Drift(Drift { floor: 0.1, shift: 0.3, roam: 0.5, ..DRIFT }))],
    },
    Pack {
        kind: "elevator_vibration",
        rules: &[(Plain, Detector::Drift(Drift { floor: 0.1, shift: 0.4, roam: 1.0, ..DRIFT }))],
    },
    // The chamber breathes with the day.
    Pack {
        kind: "smoke_contamination",
        rules: &[(
            Plain,
            Detector::Drift(Drift {
                bins: Bins::Hours,
                block_ms: 4 * HOUR,
                floor: 0.0002,
                shift: 0.0008,
                roam: 0.002,
                ..DRIFT
            }),
        )],
    },
    // Cold spells come and go within days and are put aside. The season moves it by a few sigma a month: a short memory
    // follows that, and the slack bears what it lags.
    Pack {
        kind: "battery_voltage",
        rules: &[(
            Plain,
            Detector::Drift(Drift {
                learn_ms: 60 * DAY,
                floor: 0.003,
                shift: 0.016,
                roam: 0.08,
                memory: 10,
                slack: 2.0,
                steps: Some(Steps { sigma: 6.0, patience_ms: 30 * DAY }),
                ..DRIFT
            }),
        )],
    },
];
