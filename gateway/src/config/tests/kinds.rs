//! The kinds of detectors as they are written, and what they mean where nothing is said.

use gengfu_core::derive::sibling as pair;
use gengfu_core::detect::baseline::{self, Bins};
use gengfu_core::detect::calendar::Calendar;
use gengfu_core::detect::limit::{Level, Side};
use gengfu_core::detect::{
    accumulated, band, count, drift, dwell, frozen, group, habit, rate, ratio, residual, rhythm, sibling,
};
use gengfu_core::time::Wall;

use super::*;

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The detector of a rule on the pressure.
fn detector(body: &str) -> Params {
    let text = format!("{BASE}[[rule]]\nid = \"r\"\npoint = \"pump/pressure\"\n{body}\n").replacen(
        "id = \"s\"",
        "id = \"s\"\nopen = \"09:00-22:30\"\nrest = [\"sun\"]",
        1,
    );
    good(&text).site.rules[0].detector
}

/// Of the site above: China, and open from nine to half past ten but on Sundays.
fn calendar() -> Calendar {
    Calendar { offset_min: 480, worked: 0b0011_1111, open_min: 540, close_min: 1_350, ..Calendar::UTC }
}

#[test]
fn a_band_has_a_line_on_each_side() {
    let line = |limit, clear| Level { limit, clear, on_ms: 10_000, off_ms: 0 };
    let expected = band::Params::between(line(0.2, 0.25), line(1.0, 0.95));
    assert_eq!(detector("band = { low = 0.2, high = 1.0, margin = 0.05, for = \"10s\" }"), Params::Band(expected));
}

#[test]
fn what_goes_is_a_rate_a_total_or_frozen() {
    let rate = rate::Params { way: rate::Way::Down, per_hour: 0.5, window_ms: 32 * MINUTE };
    assert_eq!(detector("rate = { per_hour = 0.5, way = \"down\", window = \"32m\" }"), Params::Rate(rate));
    let total = accumulated::Params { from: 0.0, window_ms: DAY, limit: 3.0, clear: 3.0, gap_ms: 10 * MINUTE };
    assert_eq!(detector("total = { limit = 3, within = \"24h\" }"), Params::Accumulated(total));
    let frozen = frozen::Params { within: 0.0, for_ms: 6 * HOUR };
    assert_eq!(detector("frozen = { for = \"6h\" }"), Params::Frozen(frozen));
}

#[test]
fn what_switches_is_counted_or_held() {
    let count = count::Params { what: count::What::Starts, window_ms: HOUR, limit: 12.0, clear: 8.0 };
    let text = "count = { of = \"starts\", limit = 12, clear = 8, within = \"1h\" }";
    assert_eq!(detector(text), Params::Count(count));
    let dwell = dwell::Params { is: 1.0, hold_ms: MINUTE, forgive_ms: 5_000, open_hours: Some(calendar()) };
    let text = "dwell = { is = true, for = \"60s\", forgive = \"5s\", open_hours = true }";
    assert_eq!(detector(text), Params::Dwell(dwell));
}

#[test]
fn what_is_learned_has_safe_defaults() {
    assert_eq!(detector("rhythm = {}"), Params::Rhythm(rhythm::Params { early: 0.85, late: None }));
    let usual = baseline::Params { bins: Bins::One, calendar: Calendar::UTC, floor: 0.01, memory: 28, roam: 0.3 };
    let (block_ms, learn_ms) = (DAY, 12 * DAY);
    let expected = drift::Params {
        side: Side::Low,
        usual,
        block_ms,
        learn_ms,
        shift: 0.2,
        slack: 0.5,
        rise: 8.0,
        step: None,
        patience_ms: 2 * DAY,
    };
    let Params::Drift(found) = detector("drift = { side = \"low\", shift = 0.2, resolution = 0.01 }") else {
        panic!("a drift");
    };
    assert!((found.usual.roam - 0.3).abs() < 1e-12);
    assert_eq!(drift::Params { usual: baseline::Params { roam: 0.3, ..found.usual }, ..found }, expected);
    let habit = habit::Params { threshold: 14.0, block_ms: MINUTE, calendar: calendar().days() };
    assert_eq!(detector("habit = { block = \"1m\" }"), Params::Habit(habit));
}

#[test]
fn a_drift_has_of_the_calendar_what_it_goes_by_and_learns_all_of_it() {
    let drift = |by: &str| {
        let text = format!("drift = {{ side = \"low\", shift = 0.2, resolution = 0.01, block = \"1h\"{by} }}");
        let Params::Drift(found) = detector(&text) else { panic!("a drift") };
        (found.usual.calendar, found.learn_ms)
    };
    assert_eq!(drift(""), (Calendar::UTC, 12 * HOUR), "another opening hour makes it no other rule");
    assert_eq!(drift(", by = \"hour\""), (Calendar::clock(calendar().offset_min), 3 * DAY));
    assert_eq!(drift(", by = \"hour-and-day\""), (calendar().days(), 7 * DAY));
    assert_eq!(drift(", by = \"hour\", learn = \"1d\"").1, DAY);
}

#[test]
fn holidays_and_what_is_worked_for_them_are_days_of_their_own() {
    let site = |head: &str| good(&BASE.replacen("id = \"s\"", &format!("id = \"s\"\n{head}"), 1)).site.calendar;
    // A Monday, and the Sunday before it; noon in Shanghai.
    let [monday, sunday] = [1_801_440_000_000, 1_801_353_600_000].map(|ms| Wall(ms + 4 * HOUR as i64));
    let plain = site("");
    assert_eq!((plain.is_worked(monday), plain.is_worked(sunday)), (true, false));
    let exchanged = site("holidays = [\"2027-02-01\", \"2027-02-06\"]\nworked = [\"2027-01-31\"]");
    assert_eq!((exchanged.is_worked(monday), exchanged.is_worked(sunday)), (false, true));
    assert_eq!(exchanged.exceptions().count(), 2, "a Saturday is a day of rest anyway");
}

#[test]
fn what_looks_at_several_points_has_safe_defaults() {
    let twin =
        "[[modbus.device.point]]\nname = \"pressure-b\"\nregister = \"input:9\"\ntype = \"u16\"\nunit = \"MPa\"\n";
    let rule = |body: &str| {
        good(&format!("{BASE}{twin}[[rule]]\nid = \"r\"\npoint = \"pump/pressure\"\n{body}\n")).site.rules.remove(0)
    };
    let apart = rule("sibling = { of = \"pressure-b\", apart = 0.05, for = \"1m\" }");
    let Params::Sibling(found) = apart.detector else { panic!("a sibling") };
    let expected = sibling::Params {
        channel: pair::Params { fresh_ms: MINUTE },
        way: sibling::Way::Any,
        limit: 0.05,
        clear: 0.05,
        on_ms: MINUTE,
        off_ms: 0,
        points: found.points,
    };
    assert_eq!((found, apart.beside), (expected, vec!["pressure-b".to_owned()]));

    let rest = rule("residual = { load = \"running\", rated = 250, side = \"high\", shift = 3, resolution = 0.1 }");
    let Params::Residual(residual::Params { explained, drift, points }) = rest.detector else { panic!("a residual") };
    assert_eq!((explained.tau_ms, explained.rated), (30 * MINUTE, 250.0));
    assert_eq!((explained.memory_ms, explained.learn_ms), (10 * DAY, 2 * DAY));
    assert_eq!(explained.offset_min, 480, "the site's day");
    assert_eq!((drift.block_ms, drift.learn_ms, drift.usual.bins), (HOUR, 2 * DAY, Bins::One));

    let share = rule("ratio = { of = \"running\", side = \"high\", shift = 0.015, resolution = 0.005 }");
    let Params::Ratio(ratio::Params { channel, drift, .. }) = share.detector else { panic!("a ratio") };
    assert_eq!((channel.enough, drift.block_ms, drift.learn_ms), (100.0, 1_000, 12 * DAY), "each share is a block");
    assert_eq!(share.beside, ["running"]);

    let all = rule("group = { with = [\"running\", \"gas-01/ch4\"] }");
    let Params::Group(found) = all.detector else { panic!("a group") };
    assert_eq!(found, group::Params { channels: 3, points: found.points, ..group::Params::default() });
    assert_eq!(all.beside, ["running", "gas-01/ch4"]);
    assert!(all.looks_at("pump/running") && all.looks_at("gas-01/ch4") && !all.looks_at("pump/pressure"));

    let other = rule("group = { with = [\"gas-01/ch4\", \"running\"], settle = 0 }");
    let Params::Group(other) = other.detector else { panic!("a group") };
    assert!(other.points != found.points && points != found.points, "a rule on others is another rule");
    assert_eq!(other.settle, None, "a person alone decides");
}
