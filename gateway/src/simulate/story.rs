//! What happens in the building, as a pure function of (seed, point, time). A story without a script gives every point a
//! plausible course inside its range, by unit and type; a script (see [`super::script`]) takes over the points it names.

use gengfu_core::normalize::Scaling;

use super::script::{self, Script};
use super::signal::{Signal, mix};
use crate::config::checked::PointSpec;

/// What a point can say at all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reach {
    /// 0 or 1.
    Binary,
    /// Any number its encoding can carry, in the point's unit.
    Number { low: f64, high: f64 },
}

impl Reach {
    /// A number without a limit: JSON.
    pub const ANY: Self = Self::Number { low: f64::MIN, high: f64::MAX };
}

/// The story of one run.
#[derive(Debug, Clone, Copy)]
pub struct Story {
    seed: u64,
    script: Option<&'static Script>,
}

impl Story {
    /// A quiet day: every point plausible, nothing wrong.
    pub const fn plain(seed: u64) -> Self {
        Self { seed, script: None }
    }

    /// The scripted day of the demonstration site; what the script does not name has a quiet day.
    pub const fn demo(seed: u64) -> Self {
        Self { seed, script: Some(&script::DEMO) }
    }

    /// How the point behaves. Names are looked up here once, not at every read.
    pub fn signal(&self, device: &str, spec: &PointSpec, reach: Reach) -> Signal {
        let seed = self.seed_of(device, &spec.name);
        let (low, high) = bounds(spec.scaling, reach);
        if let Some((script, track)) = self.script.and_then(|s| Some((s, s.track(device, &spec.name)?))) {
            return Signal::Scripted { track, cycle: script.cycle_ms(), low, high, seed };
        }
        if reach == Reach::Binary {
            return Signal::Pulse { period: 60_000 + seed % 240_000, width: 3_000 + seed % 5_000, seed };
        }
        let (low, high) = plausible(spec.unit.as_deref(), low, high);
        Signal::Wander { low, high, period: 60_000 + seed % 240_000, seed }
    }

    /// The value of `device/point` at story time `t` in milliseconds.
    pub fn value(&self, device: &str, spec: &PointSpec, reach: Reach, t: u64) -> f64 {
        self.signal(device, spec, reach).at(t)
    }

    /// When the device says nothing at all.
    pub fn silence(&self, device: &str) -> Silence {
        let cycle = self.script.map_or(1, Script::cycle_ms);
        let spans = self.script.map_or(&[][..], |script| script.silences(device));
        Silence { cycle, spans }
    }

    fn seed_of(&self, device: &str, point: &str) -> u64 {
        let text = device.bytes().chain([b'/']).chain(point.bytes());
        mix(text.fold(mix(self.seed), |hash, byte| mix(hash ^ u64::from(byte)).wrapping_add(1)))
    }
}

/// The times at which a device has dropped out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Silence {
    cycle: u64,
    /// `(from, to)` in seconds of the script.
    spans: &'static [(u32, u32)],
}

impl Silence {
    /// Whether the device is silent at story time `t`.
    pub fn at(&self, t: u64) -> bool {
        let t = t % self.cycle.max(1);
        self.spans.iter().any(|(from, to)| (u64::from(*from) * 1000..u64::from(*to) * 1000).contains(&t))
    }
}

/// What both the range and the encoding allow.
fn bounds(scaling: Scaling, reach: Reach) -> (f64, f64) {
    let (low, high) = match reach {
        Reach::Binary => (0.0, 1.0),
        Reach::Number { low, high } => (low, high),
    };
    let (floor, ceiling) = scaling.range.unwrap_or((f64::MIN, f64::MAX));
    let (low, high) = (low.max(floor), high.min(ceiling));
    if low <= high { (low, high) } else { (floor, floor) }
}

/// The part of `low..=high` where a healthy point of this unit lives.
fn plausible(unit: Option<&str>, low: f64, high: f64) -> (f64, f64) {
    let (usual_low, usual_high) = usual(unit.unwrap_or(""));
    let (a, b) = (usual_low.max(low), usual_high.min(high));
    if a < b {
        return (a, b);
    }
    // The range lies elsewhere: a third of the way up, and bounded so that an open range stays finite.
    let span = (high.min(1e9) - low.max(-1e9)).max(0.0);
    let base = low.max(-1e9);
    (base + span * 0.3, base + span * 0.5)
}

/// Where a healthy building's values lie, by unit.
fn usual(unit: &str) -> (f64, f64) {
    match unit {
        "MPa" => (0.30, 0.42),
        "kPa" => (300.0, 420.0),
        "Pa" => (30.0, 50.0),
        "%LEL" | "L/s" => (0.0, 3.0),
        "ppm" => (0.0, 8.0),
        "%VOL" => (20.6, 20.95),
        "℃" | "°C" | "C" => (18.0, 32.0),
        "%" | "%RH" => (45.0, 60.0),
        "mA" => (60.0, 160.0),
        "V" => (222.0, 236.0),
        "Hz" => (49.9, 50.1),
        "m" => (2.8, 3.6),
        "m³" | "m3" => (38.0, 50.0),
        "lx" => (20.0, 60.0),
        "dBm" => (-95.0, -60.0),
        _ => (1.0, 9.0),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::spec;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_same_seed_tells_the_same_story_and_another_does_not() {
        let point = spec("temperature", Some("℃"), None);
        let tell =
            |seed| (0..50).map(|i| Story::plain(seed).value("dev", &point, Reach::ANY, i * 1000)).collect::<Vec<_>>();
        assert_eq!(tell(1), tell(1));
        assert_ne!(tell(1), tell(2));
    }

    #[test]
    fn two_points_of_a_device_differ() {
        let story = Story::plain(1);
        let at = |name| story.value("dev", &spec(name, Some("V"), None), Reach::ANY, 5_000);
        assert_ne!(at("phase-a"), at("phase-b"));
    }

    #[test]
    fn a_quiet_day_is_quiet() {
        let gas = spec("ch4", Some("%LEL"), Some((0.0, 100.0)));
        let silence = Story::plain(3).silence("gas-kitchen");
        for t in (0..1_000_000).step_by(500) {
            assert!(Story::plain(3).value("gas-kitchen", &gas, Reach::ANY, t) <= 3.0);
            assert!(!silence.at(t));
        }
    }

    #[test]
    fn a_contact_is_mostly_open_and_sometimes_closed() {
        let contact = spec("open", None, None);
        let on = (0..3600).filter(|s| Story::plain(9).value("door", &contact, Reach::Binary, s * 1000) > 0.5).count();
        assert!((1..600).contains(&on), "{on}");
    }

    proptest! {
        #[test]
        fn every_value_lies_in_range_and_reach(
            unit in prop::sample::select(vec!["MPa", "mA", "℃", "%LEL", "nonsense", "dBm"]),
            floor in -1e5..1e5_f64, span in 0.0..1e5_f64, open: bool, seed: u64, t in 0_u64..10_000_000,
        ) {
            let range = (!open).then_some((floor, floor + span));
            let reach = Reach::Number { low: -32768.0, high: 65535.0 };
            let value = Story::plain(seed).value("d", &spec("p", Some(unit), range), reach, t);
            prop_assert!(value.is_finite());
            if let Some((low, high)) = range {
                prop_assert!((low..=high).contains(&value), "{} not in {}..{}", value, low, high);
            } else {
                prop_assert!((-32768.0..=65535.0).contains(&value));
            }
        }
    }
}
