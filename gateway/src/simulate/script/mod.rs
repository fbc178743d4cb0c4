//! The demonstration's day, three minutes long and then again from the start. It belongs to config/sites/demo.toml.
//!
//! | second    | what happens in the building                                     | what the gateway says                          |
//! |-----------|------------------------------------------------------------------|------------------------------------------------|
//! | 10 – 50   | a van stands in the fire lane                                    | 20: fire lane occupied; 50: gone               |
//! | 20 – 112  | the hydrant main leaks, 0.32 down to 0.13 MPa                    | about 50: early warning, some 50 s before 0.15 |
//! | 35 – 120  | gas in the kitchen rises to 58 %LEL, then the valve shuts        | 52: level 1; 69: level 2, critical, latched    |
//! | 80 – 105  | goods stand before the east exit                                 | 90: exit blocked; 105: gone                    |
//! | 100 – 116 | the main falls below 0.15 MPa and is repaired at 112             | 106: low; 115: gone                            |
//! | 109       | the kitchen is clear again                                       | the alarm stays latched until a person resets  |
//! | 125 – 145 | lift 2 stops between floors with a person inside                 | 130: entrapment, latched; 145: released        |
//! | 150 – 170 | the sprinkler's pressure sensor drops off the bus                | about 161: no data; about 171: back            |
//! | always    | roof tank, residual current, fire pump, the other gas heads: fine | nothing                                        |
//!
//! The delays are shorter than a real site's so that nobody has to wait: a fire lane becomes an alarm after 60 s there.

use super::signal::Course::{Ramp, Step};
use super::signal::Track;

/// A scripted day.
#[derive(Debug)]
pub struct Script {
    /// Length in seconds; then it starts over.
    pub cycle: u32,
    pub tracks: &'static [Track],
    /// Devices that drop out, with `(from, to)` in seconds.
    pub silences: &'static [(&'static str, &'static [(u32, u32)])],
    /// What a gateway with the demonstration's rules says, in order.
    pub moments: &'static [Moment],
}

/// One thing that the gateway is expected to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Between these seconds of the story, the gateway's delays included.
    pub between: (u32, u32),
    pub device: &'static str,
    pub point: &'static str,
    pub cause: Cause,
    /// `raise`, `escalate` or `return`, as in the alarm events.
    pub event: &'static str,
    /// For the person who watches, English and Chinese.
    pub en: &'static str,
    pub zh: &'static str,
}

/// Which rule speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The rule of this id in demo.toml.
    Rule(&'static str),
    /// The watch over life-safety points, which needs no rule.
    NoData,
}

impl Script {
    pub(super) fn cycle_ms(&self) -> u64 {
        u64::from(self.cycle) * 1000
    }

    pub(super) fn track(&self, device: &str, point: &str) -> Option<&'static Track> {
        self.tracks.iter().find(|track| track.device == device && track.point == point)
    }

    pub(super) fn silences(&self, device: &str) -> &'static [(u32, u32)] {
        self.silences.iter().find(|(name, _)| *name == device).map_or(&[], |(_, spans)| spans)
    }
}

/// The story of `gengfu demo`.
pub static DEMO: Script = Script { cycle: 180, tracks: TRACKS, silences: SILENCES, moments: MOMENTS };

/// A constant with a little noise.
const fn steady(device: &'static str, point: &'static str, noise: f64, corners: &'static [(u32, f64)]) -> Track {
    Track { device, point, course: Ramp, noise, corners }
}

/// A contact.
const fn contact(device: &'static str, point: &'static str, corners: &'static [(u32, f64)]) -> Track {
    Track { device, point, course: Step, noise: 0.0, corners }
}

const TRACKS: &[Track] = &[
    Track {
        device: "hydrant-main",
        point: "pressure",
        course: Ramp,
        noise: 0.0015,
        corners: &[(0, 0.32), (20, 0.32), (110, 0.13), (112, 0.128), (127, 0.32)],
    },
    Track {
        device: "gas-kitchen",
        point: "ch4",
        course: Ramp,
        noise: 0.4,
        corners: &[(0, 1.5), (35, 1.5), (75, 58.0), (90, 58.0), (120, 1.5)],
    },
    contact("lane-north", "occupied", &[(0, 0.0), (10, 1.0), (50, 0.0)]),
    contact("exit-east", "blocked", &[(0, 0.0), (80, 1.0), (105, 0.0)]),
    contact("exit-west", "blocked", &[(0, 0.0)]),
    contact("lift-2", "entrapment", &[(0, 0.0), (125, 1.0), (145, 0.0)]),
    contact("lift-2", "door-zone", &[(0, 1.0), (125, 0.0), (145, 1.0)]),
    steady("lift-2", "floor", 0.0, &[(0, 3.0)]),
    contact("fire-pump", "automatic", &[(0, 1.0)]),
    contact("fire-pump", "running", &[(0, 0.0)]),
    steady("sprinkler-b2", "pressure", 0.002, &[(0, 0.21)]),
    steady("roof-tank", "level", 0.004, &[(0, 3.2), (90, 3.15), (180, 3.2)]),
    steady("panel-b1", "residual-current", 4.0, &[(0, 120.0), (90, 145.0), (180, 120.0)]),
    steady("panel-b1", "cable-temperature", 0.2, &[(0, 41.0), (90, 43.0), (180, 41.0)]),
    steady("gas-foodcourt", "ch4", 0.3, &[(0, 1.0)]),
    steady("gas-boiler", "ch4", 0.3, &[(0, 0.8)]),
];

const SILENCES: &[(&str, &[(u32, u32)])] = &[("sprinkler-b2", &[(150, 170)])];

const fn moment(between: (u32, u32), at: (&'static str, &'static str), cause: Cause, event: &'static str) -> Moment {
    Moment { between, device: at.0, point: at.1, cause, event, en: "", zh: "" }
}

impl Moment {
    const fn say(mut self, en: &'static str, zh: &'static str) -> Self {
        self.en = en;
        self.zh = zh;
        self
    }
}

const HYDRANT: (&str, &str) = ("hydrant-main", "pressure");
const KITCHEN: (&str, &str) = ("gas-kitchen", "ch4");
const LANE: (&str, &str) = ("lane-north", "occupied");
const EXIT: (&str, &str) = ("exit-east", "blocked");
const LIFT: (&str, &str) = ("lift-2", "entrapment");
const SPRINKLER: (&str, &str) = ("sprinkler-b2", "pressure");

/// In the order of their earliest second; the story's test holds the tracks against it.
const MOMENTS: &[Moment] = &[
    moment((20, 24), LANE, Cause::Rule("fire-lane-occupied"), "raise")
        .say("a van has stood in the fire lane for 10 s", "消防车道被占用超过10秒"),
    moment((40, 75), HYDRANT, Cause::Rule("hydrant-leak"), "raise")
        .say("early warning: at this rate the hydrant main is low within a minute", "预警:消火栓主管压力持续下降"),
    moment((50, 54), LANE, Cause::Rule("fire-lane-occupied"), "return")
        .say("the fire lane is free again", "消防车道已恢复畅通"),
    moment((51, 55), KITCHEN, Cause::Rule("kitchen-gas"), "raise")
        .say("gas in the kitchen above 25 %LEL", "厨房燃气超过25 %LEL(一级)"),
    moment((68, 73), KITCHEN, Cause::Rule("kitchen-gas"), "escalate")
        .say("gas in the kitchen above 50 %LEL: critical, latched", "厨房燃气超过50 %LEL(二级),报警锁定"),
    moment((90, 94), EXIT, Cause::Rule("exit-blocked"), "raise")
        .say("the east exit has been blocked for 10 s", "东侧安全出口被堵超过10秒"),
    moment((104, 109), HYDRANT, Cause::Rule("hydrant-low"), "raise")
        .say("the hydrant main is below 0.15 MPa", "消火栓主管压力低于0.15 MPa"),
    moment((105, 109), EXIT, Cause::Rule("exit-blocked"), "return")
        .say("the east exit is free again", "东侧安全出口已恢复畅通"),
    moment((108, 113), KITCHEN, Cause::Rule("kitchen-gas"), "return")
        .say("the kitchen is clear; the alarm stays latched until it is reset", "厨房燃气恢复正常,报警待人工复位"),
    moment((113, 119), HYDRANT, Cause::Rule("hydrant-low"), "return")
        .say("the hydrant main is repaired", "消火栓主管压力已恢复"),
    moment((130, 134), LIFT, Cause::Rule("lift-entrapment"), "raise")
        .say("a person is trapped in lift 2", "2号电梯困人"),
    moment((145, 149), LIFT, Cause::Rule("lift-entrapment"), "return")
        .say("the person in lift 2 is free; the alarm stays latched", "2号电梯被困人员已解救,报警待人工复位"),
    moment((159, 168), SPRINKLER, Cause::NoData, "raise")
        .say("the sprinkler's pressure sensor is lost: no data is an alarm, not a zero", "喷淋压力传感器失联"),
    moment((170, 180), SPRINKLER, Cause::NoData, "return")
        .say("the sprinkler's pressure sensor is back", "喷淋压力传感器恢复"),
];

#[cfg(test)]
mod tests;
