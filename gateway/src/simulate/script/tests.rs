//! The tracks held against the moments: limits and delays as demo.toml has them, evaluated here in the plainest way.

use super::super::story::{Reach, Story};
use super::super::testing::spec;
use super::*;
use crate::simulate::DEMO_SITE;

const STEP_MS: u64 = 500;
const SECOND: u64 = 1_000;

/// One condition of a rule of demo.toml: `beyond` begins it, `clear` ends it, `on` is its delay in seconds.
struct Watch {
    rule: &'static str,
    event: (&'static str, &'static str),
    at: (&'static str, &'static str),
    beyond: fn(f64) -> bool,
    clear: fn(f64) -> bool,
    on: u64,
}

/// Where a condition begins and where it ends.
type Edges = (fn(f64) -> bool, fn(f64) -> bool);

const STATE: Edges = (|v| v == 1.0, |v| v == 0.0);

const fn watch(
    rule: &'static str,
    event: (&'static str, &'static str),
    at: (&'static str, &'static str),
    (beyond, clear): Edges,
    on: u64,
) -> Watch {
    Watch { rule, event, at, beyond, clear, on }
}

const BOTH: (&str, &str) = ("raise", "return");

/// The second level of kitchen-gas only adds its escalation; the alarm returns with the first.
const WATCHES: &[Watch] = &[
    watch("fire-lane-occupied", BOTH, LANE, STATE, 10),
    watch("exit-blocked", BOTH, EXIT, STATE, 10),
    watch("lift-entrapment", BOTH, LIFT, STATE, 5),
    watch("kitchen-gas", BOTH, KITCHEN, (|v| v >= 25.0, |v| v <= 22.0), 0),
    watch("kitchen-gas", ("escalate", ""), KITCHEN, (|v| v >= 50.0, |v| v <= 45.0), 0),
    watch("hydrant-low", BOTH, HYDRANT, (|v| v <= 0.15, |v| v >= 0.17), 5),
];

fn value(at: (&str, &str), t: u64) -> f64 {
    let reach = if matches!(at, LANE | EXIT | LIFT) { Reach::Binary } else { Reach::ANY };
    Story::demo(1).value(at.0, &spec(at.1, None, None), reach, t)
}

/// `(second, rule, event)` of one watch over story time `from..to` in seconds.
fn run(watch: &Watch, from: u64, to: u64) -> Vec<(u64, &'static str, &'static str)> {
    let (mut said, mut standing, mut since) = (Vec::new(), false, None);
    for t in (from * SECOND..to * SECOND).step_by(STEP_MS as usize) {
        let v = value(watch.at, t);
        since = if (watch.beyond)(v) { since.or(Some(t)) } else { None };
        let due = since.is_some_and(|since| t - since >= watch.on * SECOND);
        if !standing && due {
            (standing, said) = (true, [said, vec![(t / SECOND, watch.rule, watch.event.0)]].concat());
        } else if standing && (watch.clear)(v) {
            standing = false;
            said.push((t / SECOND, watch.rule, watch.event.1));
        }
    }
    said.retain(|(.., event)| !event.is_empty());
    said
}

/// Median of all pairwise slopes of 16 block means, per second: what a robust trend sees in `window` seconds.
fn slope(at: (&str, &str), now: u64, window: u64) -> f64 {
    let block = window * SECOND / 16;
    let start = now - window * SECOND;
    let means: Vec<f64> =
        (0..16).map(|b| (0..5).map(|i| value(at, start + b * block + i * block / 5)).sum::<f64>() / 5.0).collect();
    let mut slopes: Vec<f64> = (0..16_usize)
        .flat_map(|i| (0..i).map(move |j| (i, j)))
        .map(|(i, j)| (means[i] - means[j]) / ((i - j) as f64 * block as f64 / 1000.0))
        .collect();
    slopes.sort_by(f64::total_cmp);
    slopes[slopes.len() / 2]
}

/// Whether the trend rule of demo.toml warns at `now`: 0.15 MPa within 60 s, seen over 40 s.
fn warns(now: u64) -> bool {
    let (slope, v) = (slope(HYDRANT, now, 40), value(HYDRANT, now));
    v > 0.15 && slope < 0.0 && (v - 0.15) / -slope <= 60.0
}

#[test]
fn every_limit_is_crossed_when_the_table_says_and_at_no_other_time() {
    let mut said: Vec<_> = WATCHES.iter().flat_map(|watch| run(watch, 0, 180)).collect();
    said.sort_unstable();
    let expected: Vec<&Moment> =
        MOMENTS.iter().filter(|m| m.cause != Cause::NoData && m.cause != Cause::Rule("hydrant-leak")).collect();
    assert_eq!(said.len(), expected.len(), "{said:?}");
    for moment in expected {
        let (from, to) = (u64::from(moment.between.0), u64::from(moment.between.1));
        let hit = said.iter().any(|(second, rule, event)| {
            moment.cause == Cause::Rule(rule) && moment.event == *event && (from..to).contains(second)
        });
        assert!(hit, "{moment:?} not in {said:?}");
    }
}

#[test]
fn the_second_day_is_like_the_first() {
    for watch in WATCHES {
        let later: Vec<_> = run(watch, 180, 360).into_iter().map(|(s, rule, event)| (s - 180, rule, event)).collect();
        assert_eq!(later.len(), run(watch, 0, 180).len(), "{}", watch.rule);
        for ((a, ..), (b, ..)) in later.iter().zip(run(watch, 0, 180)) {
            assert!(a.abs_diff(b) <= 2, "{} at {a} and {b}", watch.rule);
        }
    }
}

#[test]
fn the_leak_is_warned_of_long_before_its_limit() {
    let warning = MOMENTS.iter().find(|m| m.cause == Cause::Rule("hydrant-leak")).unwrap();
    let first = (40..180).find(|s| warns(s * SECOND)).unwrap();
    assert!((warning.between.0..warning.between.1).contains(&(first as u32)), "first warning at {first}");
    let low = run(&WATCHES[5], 0, 180)[0].0;
    assert!(first + 30 <= low, "warned at {first}, low at {low}");
    // Nothing of the kind while the main is sound, also across the end of the day.
    for s in (0..20).chain(175..180) {
        assert!(!warns((s + 180) * SECOND), "false warning at {s} of the second day");
    }
}

#[test]
fn the_sensor_that_drops_out_is_silent_for_its_twenty_seconds() {
    let silence = Story::demo(1).silence("sprinkler-b2");
    let silent: Vec<u64> = (0..360).filter(|s| silence.at(s * SECOND)).collect();
    assert_eq!(silent, (150..170).chain(330..350).collect::<Vec<_>>());
    assert!(!Story::demo(1).silence("hydrant-main").at(155 * SECOND));
}

#[test]
fn what_is_to_stay_quiet_stays_quiet() {
    for (at, low, high) in [
        (SPRINKLER, 0.12, 0.3),
        (("roof-tank", "level"), 2.8, 5.0),
        (("panel-b1", "residual-current"), 0.0, 280.0),
        (("gas-boiler", "ch4"), 0.0, 22.0),
        (("gas-foodcourt", "ch4"), 0.0, 22.0),
        (("fire-pump", "automatic"), 1.0, 1.0),
        (("exit-west", "blocked"), 0.0, 0.0),
    ] {
        for t in (0..360 * SECOND).step_by(STEP_MS as usize) {
            let v = value(at, t);
            assert!((low..=high).contains(&v), "{at:?} is {v} at {t}");
        }
    }
}

#[test]
fn the_tables_are_in_order() {
    for track in TRACKS {
        assert_eq!(track.corners.first().map(|c| c.0), Some(0), "{}/{}", track.device, track.point);
        assert!(track.corners.is_sorted_by(|a, b| a.0 < b.0), "{}/{}", track.device, track.point);
        let ends = (track.corners.first().unwrap().1, track.corners.last().unwrap().1);
        assert_eq!(ends.0, ends.1, "{}/{} jumps when the day starts over", track.device, track.point);
        assert!(track.corners.last().unwrap().0 <= DEMO.cycle);
    }
    assert!(MOMENTS.is_sorted_by_key(|m| m.between.0));
    assert!(MOMENTS.iter().all(|m| m.between.0 < m.between.1 && m.between.1 <= DEMO.cycle && !m.en.is_empty()));
}

#[test]
fn the_limits_here_are_those_of_the_file() {
    for line in [
        "trend = { limit = 0.15, side = \"low\", within = \"60s\", window = \"40s\" }",
        "low = { limit = 0.15, clear = 0.17, for = \"5s\" }",
        "{ limit = 25.0, clear = 22.0, priority = \"high\" }",
        "{ limit = 50.0, clear = 45.0, priority = \"critical\", latch = true }",
        "state = { is = true, for = \"10s\" }",
        "state = { is = true, for = \"5s\" }",
    ] {
        assert!(DEMO_SITE.contains(line), "{line}");
    }
}
