//! What is put on each kind of point, as data: the rule pack of that kind without its limits, which the site gives.

use gengfu_core::detect::baseline::Bins;

pub const MIN: u64 = 60_000;
pub const HOUR: u64 = 60 * MIN;
pub const DAY: u64 = 24 * HOUR;

/// What a detector is shown.
#[derive(Debug, Clone, Copy)]
pub enum Channel {
    /// The value as it is read.
    Plain,
    /// Parts by wholes, over so many wholes.
    Ratio { enough: f64 },
    /// What the load beside it does not explain.
    Explained { load: &'static str, rated: f64, tau_ms: u64, learn_ms: u64 },
    /// Another point.
    Other { column: &'static str },
}

/// A detector without its limits.
#[derive(Debug, Clone, Copy)]
pub enum Detector {
    /// The alarm limit foretold.
    Trend { window_ms: u64, within_ms: u64 },
    /// A slow leave-taking from what is usual.
    Drift {
        bins: Bins,
        block_ms: u64,
        learn_ms: u64,
        floor: f64,
        shift: f64,
        rise: f64,
        step: Option<f64>,
        patience_ms: u64,
        roam: f64,
        slack: f64,
        memory: u8,
    },
    /// Starts too soon, or none.
    Rhythm { early: f64, late: Option<f64> },
    /// The alarm limit itself, held so long.
    Limit { on_ms: u64 },
}

pub struct Pack {
    pub kind: &'static str,
    pub rules: &'static [(Channel, Detector)],
}

use Channel::{Explained, Other, Plain, Ratio};
use Detector::{Drift, Limit, Rhythm, Trend};

pub const PACKS: &[Pack] = &[
    Pack {
        kind: "fire_water_pressure",
        rules: &[
            (Other { column: "jockey" }, Rhythm { early: 0.85, late: Some(1.2) }),
            (Plain, Limit { on_ms: 10 * MIN }),
        ],
    },
    Pack {
        kind: "tank_level",
        rules: &[(Plain, Trend { window_ms: 5 * HOUR, within_ms: 36 * HOUR }), (Plain, Limit { on_ms: 15 * MIN })],
    },
    Pack { kind: "gas_lel", rules: &[(Plain, Trend { window_ms: 24 * MIN, within_ms: 6 * HOUR })] },
    Pack {
        kind: "smoke_fire",
        rules: &[(Plain, Trend { window_ms: 320_000, within_ms: 30 * MIN }), (Plain, Limit { on_ms: 70_000 })],
    },
    Pack {
        kind: "residual_current",
        rules: &[
            (
                Plain,
                Drift {
                    bins: Bins::HoursOfWeek,
                    block_ms: HOUR,
                    learn_ms: 7 * DAY,
                    floor: 1.0,
                    shift: 8.0,
                    rise: 8.0,
                    step: Some(5.0),
                    patience_ms: 2 * DAY,
                    roam: 10.0,
                    slack: 0.5,
                    memory: 28,
                },
            ),
            (Plain, Limit { on_ms: 15 * MIN }),
        ],
    },
    Pack {
        kind: "cable_temp",
        rules: &[
            (
                Explained { load: "load_pu", rated: 1.0, tau_ms: 30 * MIN, learn_ms: 2 * DAY },
                Drift {
                    bins: Bins::One,
                    block_ms: HOUR,
                    learn_ms: 2 * DAY,
                    floor: 0.1,
                    shift: 1.2,
                    rise: 8.0,
                    step: None,
                    patience_ms: 0,
                    roam: 1.0,
                    slack: 0.5,
                    memory: 28,
                },
            ),
            (Plain, Limit { on_ms: 15 * MIN }),
        ],
    },
    Pack {
        kind: "elevator_door",
        rules: &[(
            Ratio { enough: 100.0 },
            Drift {
                bins: Bins::One,
                block_ms: 1,
                learn_ms: 12 * DAY,
                floor: 0.005,
                shift: 0.015,
                rise: 8.0,
                step: None,
                patience_ms: 0,
                roam: 0.02,
                slack: 0.5,
                memory: 28,
            },
        )],
    },
    Pack {
        kind: "elevator_levelling",
        rules: &[(
            Plain,
            Drift {
                bins: Bins::One,
                block_ms: DAY,
                learn_ms: 12 * DAY,
                floor: 0.1,
                shift: 0.3,
                rise: 8.0,
                step: None,
                patience_ms: 0,
                roam: 0.5,
                slack: 0.5,
                memory: 28,
            },
        )],
    },
    Pack {
        kind: "elevator_vibration",
        rules: &[(
            Plain,
            Drift {
                bins: Bins::One,
                block_ms: DAY,
                learn_ms: 12 * DAY,
                floor: 0.1,
                shift: 0.4,
                rise: 8.0,
                step: None,
                patience_ms: 0,
                roam: 1.0,
                slack: 0.5,
                memory: 28,
            },
        )],
    },
    Pack {
        kind: "smoke_contamination",
        rules: &[(
            Plain,
            Drift {
                bins: Bins::Hours,
                block_ms: 4 * HOUR,
                learn_ms: 12 * DAY,
                floor: 0.0002,
                shift: 0.0008,
                rise: 8.0,
                step: None,
                patience_ms: 0,
                roam: 0.002,
                slack: 0.5,
                memory: 28,
            },
        )],
    },
    Pack {
        kind: "battery_voltage",
        rules: &[(
            Plain,
            Drift {
                bins: Bins::One,
                block_ms: DAY,
                learn_ms: 60 * DAY,
                floor: 0.003,
                shift: 0.016,
                rise: 8.0,
                step: Some(6.0),
                patience_ms: 30 * DAY,
                roam: 0.08,
                slack: 2.0,
                memory: 10,
            },
        )],
    },
];
