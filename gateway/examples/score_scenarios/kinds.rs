//! Which pack watches which kind of recorded series: the parts of it that its columns are, and where the site's limits go. All
//! other numbers are the pack's.

use std::fmt::Write as _;
use std::path::Path;

use gengfu::config::pack::{self, EMBEDDED};
use gengfu::config::units;

/// A column as a point of a pack's part.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    part: &'static str,
    /// What the part counts in, and by how much the column's numbers are to be multiplied for that.
    unit: Option<&'static str>,
    pub(crate) scale: f64,
    /// The column says how many came with each row, and the part is a counter.
    pub(crate) counts: bool,
}

/// A line that the site draws.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Line {
    /// The rule's own limit.
    Limit,
    /// The limit that a trend foretells.
    Trend,
}

/// A kind of series.
#[derive(Debug)]
pub(crate) struct Kind {
    name: &'static str,
    pack: &'static str,
    pub(crate) columns: &'static [Column],
    /// Rules that draw a site's line, by its side.
    low: &'static [(&'static str, Line)],
    high: &'static [(&'static str, Line)],
}

const fn column(name: &'static str, part: &'static str, unit: &'static str) -> Column {
    Column { name, part, unit: Some(unit), scale: 1.0, counts: false }
}

const fn counter(name: &'static str, part: &'static str) -> Column {
    Column { name, part, unit: None, scale: 1.0, counts: true }
}

const NONE: &[(&str, Line)] = &[];

pub(crate) const KINDS: [Kind; 11] = [
    Kind {
        name: "fire_water_pressure",
        pack: "water-supply",
        columns: &[
            Column { scale: 0.1, ..column("pressure_bar", "hydrant", "MPa") },
            Column { unit: None, ..column("jockey", "jockey", "") },
        ],
        low: &[("hydrant-low", Line::Limit), ("hydrant-falling", Line::Trend)],
        high: NONE,
    },
    Kind {
        name: "tank_level",
        pack: "water-supply",
        columns: &[column("level_m", "level", "m")],
        low: &[("level-low", Line::Limit), ("level-falling", Line::Trend)],
        high: &[("level-high", Line::Limit), ("level-rising", Line::Trend)],
    },
    Kind {
        name: "gas_lel",
        pack: "gas-commercial",
        columns: &[column("lel_pct", "combustible", "%LEL")],
        low: NONE,
        high: &[("combustible", Line::Limit), ("combustible-rising", Line::Trend)],
    },
    Kind {
        name: "residual_current",
        pack: "electrical-fire",
        columns: &[column("residual_mA", "residual", "mA")],
        low: NONE,
        high: &[("residual-current", Line::Limit)],
    },
    Kind {
        name: "cable_temp",
        pack: "electrical-fire",
        columns: &[column("temp_C", "cable", "℃"), Column { scale: 100.0, ..column("load_pu", "load", "%") }],
        low: NONE,
        high: &[("cable-hot", Line::Limit), ("cable-heating", Line::Trend)],
    },
    Kind {
        name: "elevator_door",
        pack: "elevators",
        columns: &[counter("reopens", "door-reopens"), counter("trips", "trips")],
        low: NONE,
        high: NONE,
    },
    Kind {
        name: "elevator_levelling",
        pack: "elevators",
        columns: &[column("level_err_mm", "levelling", "mm")],
        low: NONE,
        high: &[("levelling", Line::Limit)],
    },
    Kind {
        name: "elevator_vibration",
        pack: "elevators",
        columns: &[column("vib_mg", "vibration", "mg")],
        low: NONE,
        high: &[("vibration", Line::Limit)],
    },
    Kind {
        name: "smoke_contamination",
        pack: "smoke-and-panels",
        columns: &[column("obsc_dB_m", "chamber", "dB/m")],
        low: NONE,
        high: &[("chamber-dirty", Line::Limit)],
    },
    Kind {
        name: "smoke_fire",
        pack: "smoke-and-panels",
        columns: &[column("obsc_dB_m", "obscuration", "dB/m")],
        low: NONE,
        high: &[("obscuration", Line::Limit), ("obscuration-rising", Line::Trend)],
    },
    Kind {
        name: "battery_voltage",
        pack: "smoke-and-panels",
        columns: &[column("batt_V", "cell", "V")],
        low: &[("cell-low", Line::Limit)],
        high: NONE,
    },
];

impl Kind {
    pub(crate) fn of(name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.name == name)
    }

    /// How far from its line the pack ends the alarm of a rule, in the part's unit, and its `for`, s; of two levels the first's.
    fn pack_says(&self, rule: &str) -> (f64, f64) {
        let text = EMBEDDED.iter().find(|pack| pack.name == self.pack).map_or("", |pack| pack.text);
        let pack = pack::parse(text, Path::new(&format!("{}.toml", self.pack))).ok();
        let rule = pack.iter().flat_map(|pack| &pack.rules).find(|of| of.id == rule);
        let value = |key: &str| {
            let named = |other: &str| other == key || other.strip_prefix("1.") == Some(key);
            rule?.defaults.iter().find(|default| named(&default.key)).map(|default| default.value.as_str())
        };
        let number = |key| value(key).and_then(|text| text.parse::<f64>().ok()).unwrap_or(f64::NAN);
        let delay = value("for").and_then(units::duration).map_or(0.0, |delay| delay.as_secs_f64());
        ((number("limit") - number("clear")).abs(), delay)
    }

    /// Its points and rules, as a scenario has them. `low` and `high` are the site's limits in the column's unit; what has no limit on a
    /// side is not watched on that side. `every_s` is how often a row comes: `gengfu check` warns of a delay that is over before the next
    /// reading, which would let one reading decide, and a site follows that.
    pub(crate) fn scenario(&self, (low, high): (Option<f64>, Option<f64>), every_s: f64) -> String {
        let mut text = String::new();
        let mut points = String::new();
        for column in self.columns {
            let unit = column.unit.map_or(String::new(), |unit| format!("unit = \"{unit}\"\n"));
            let _ = write!(text, "[[point]]\nname = \"{}\"\n{unit}", column.point());
            let _ = write!(points, "{} = \"{}\", ", column.part, column.point());
        }
        let scale = self.columns.first().map_or(1.0, |column| column.scale);
        let (mut set, mut without) = (String::new(), String::new());
        for (lines, key, limit) in [(self.low, "low", low), (self.high, "high", high)] {
            for (rule, line) in lines {
                let Some(limit) = limit.map(|limit| limit * scale) else {
                    let _ = write!(without, "\"{rule}\", ");
                    continue;
                };
                let line = match *line {
                    Line::Limit => {
                        let (margin, delay_s) = self.pack_says(rule);
                        let clear = if key == "low" { limit + margin } else { limit - margin };
                        let slow = delay_s > 0.0 && delay_s <= every_s;
                        let held =
                            if slow { format!(", for = \"{}s\"", (every_s * 1.2).ceil()) } else { String::new() };
                        format!("{key} = {{ limit = {limit:?}, clear = {clear:?}{held} }}")
                    }
                    Line::Trend => format!("trend = {{ limit = {limit:?} }}"),
                };
                let _ = write!(set, "[rule.set.{rule}]\n{line}\n");
            }
        }
        let _ =
            write!(text, "[[rule]]\nuse = \"{}\"\npoints = {{ {points} }}\nwithout = [{without}]\n{set}", self.pack);
        // The recorded case takes the place of this one.
        text + "[[case]]\nwhat = \"recorded\"\n[[case.look]]\nat = \"1s\"\nstand = {}\n"
    }
}

impl Column {
    /// As `device/point`.
    pub(crate) fn point(&self) -> String {
        format!("site/{}", self.part)
    }
}
