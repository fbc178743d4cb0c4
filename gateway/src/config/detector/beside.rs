//! `sibling`, `residual`, `ratio`, `group`: rules that look at other points beside the one they are on. A name without a device is a point of
//! the same device, so that one rule can guard many alike.

use std::time::Duration;

use gengfu_core::derive::{explained, ratio as share, sibling as pair};
use gengfu_core::detect::baseline::Bins;
use gengfu_core::detect::calendar::Calendar;
use gengfu_core::detect::{Params, group, ratio, residual, sibling};

use super::contacts::lower;
use super::course::above_zero;
use super::learned::{Learn, Slow, slow};
use super::{Beside, Detector, delays, ms};
use crate::config::checked::LevelMeta;
use crate::config::site::{DAY, SECOND};
use crate::config::value::Value;

/// A sibling's word is believed for so long.
const FRESH: Duration = Duration::from_mins(1);
/// Cables and busbars warm within 10 to 60 min.
const TAU: Duration = Duration::from_mins(30);
/// How long the load is learned, and after how long a reading has 1/e of its weight.
const LEARN: Duration = DAY.saturating_mul(2);
const FORGETS: Duration = DAY.saturating_mul(10);
/// What load and hour do not explain is looked at by the hour.
const REST: Slow = Slow { block: Duration::from_hours(1), learn: Learn::Blocks(48) };
/// A hundred wholes make a share, and each share is a block.
const ENOUGH: f64 = 100.0;
const SHARES: Slow = Slow { block: SECOND, learn: Learn::For(DAY.saturating_mul(12)) };
/// As core has it.
const STEP: Duration = Duration::from_secs(1);
const RAISE: f64 = 1.5;
const SETTLE: i64 = 900;

/// Apart from one that should say the same.
pub(super) fn sibling(value: Value<'_>, base: LevelMeta) -> Option<Detector<'_>> {
    let table = value.table("sibling = { of = \"pressure-b\", apart = 0.05, for = \"1m\" }")?;
    let of = table.need("of", "\"pressure-b\"").and_then(named);
    let limit = table.need("apart", "0.05").and_then(|v| Some((v, v.number()?)));
    let clear = table.get("clear").map(|v| (v, v.number()));
    let ways = [("any", sibling::Way::Any), ("above", sibling::Way::Above), ("below", sibling::Way::Below)];
    let way = table.or("side", sibling::Way::Any, |v| v.choice(&ways));
    let fresh = table.or("fresh", FRESH, |v| v.duration(SECOND..=DAY));
    let delays = delays(&table);
    table.finish(&[]);
    let (at, limit) = limit?;
    let clear = lower(at, limit, clear)?;
    let (on_ms, off_ms) = delays?;
    let channel = pair::Params { fresh_ms: ms(fresh?) };
    let params = sibling::Params { channel, way: way?, limit, clear, on_ms, off_ms, points: 0 };
    let beside = Beside { points: vec![of?], alike: true };
    Some(Detector { beside, ..Detector::plain(Params::Sibling(params), base) })
}

/// What its load does not explain.
pub(super) fn residual(value: Value<'_>, base: LevelMeta, calendar: Calendar) -> Option<Detector<'_>> {
    let table = value
        .table("residual = { load = \"current\", rated = 250.0, side = \"high\", shift = 3.0, resolution = 0.1 }")?;
    let load = table.need("load", "\"current\"").and_then(named);
    let rated = table.need("rated", "250.0").and_then(above_zero);
    let tau = table.or("tau", TAU, |v| v.duration(SECOND..=DAY));
    let taught = table.or("load_learn", LEARN, |v| v.duration(SECOND * 8..=DAY * 366));
    let drift = slow(&table, Some(Bins::One), calendar, &REST);
    table.finish(&[]);
    let explained = explained::Params {
        tau_ms: ms(tau?),
        rated: rated?,
        memory_ms: ms(FORGETS),
        learn_ms: ms(taught?),
        offset_min: calendar.offset_min,
    };
    let params = residual::Params { explained, drift: drift?, points: 0 };
    let beside = Beside { points: vec![load?], alike: false };
    Some(Detector { beside, ..Detector::plain(Params::Residual(params), base) })
}

/// A share of one counter in another.
pub(super) fn ratio(value: Value<'_>, base: LevelMeta, calendar: Calendar) -> Option<Detector<'_>> {
    let table = value.table("ratio = { of = \"trips\", side = \"high\", shift = 0.015, resolution = 0.005 }")?;
    let of = table.need("of", "\"trips\"").and_then(named);
    let enough = table.or("enough", ENOUGH, above_zero);
    let drift = slow(&table, Some(Bins::One), calendar, &SHARES);
    table.finish(&[]);
    let params = ratio::Params { channel: share::Params { enough: enough? }, drift: drift?, points: 0 };
    let beside = Beside { points: vec![of?], alike: false };
    Some(Detector { beside, ..Detector::plain(Params::Ratio(params), base) })
}

/// Several points of one machine, together.
pub(super) fn group(value: Value<'_>, base: LevelMeta) -> Option<Detector<'_>> {
    let table = value.table("group = { with = [\"flow\", \"current\"], step = \"1s\" }")?;
    let with = table.need("with", "[\"flow\", \"current\"]");
    let points: Vec<_> = with.map(Value::one_or_more).unwrap_or_default().into_iter().filter_map(named).collect();
    let step = table.or("step", STEP, |v| v.duration(SECOND / 10..=DAY));
    let raise = table.or("raise", RAISE, above_zero);
    let settle = table.or("settle", SETTLE, |v| v.whole(0..=i64::from(u32::MAX)));
    table.finish(&[]);
    let most = group::CHANNELS - 1;
    if let Some(with) = with.filter(|_| points.is_empty() || points.len() > most) {
        let (what, mend) = if points.is_empty() {
            ("the group has no other points".to_owned(), "name at least one: with = [\"flow\", \"current\"]".to_owned())
        } else {
            let what = format!("{} points are too many: with the rule's own a group has at most 16", points.len());
            (what, format!("name at most {most}, or make two groups of it"))
        };
        with.complain(what, mend);
        return None;
    }
    let params = group::Params {
        channels: points.len() as u8 + 1,
        step_ms: ms(step?),
        raise: raise?,
        // No number of steps: a person alone decides.
        settle: Some(settle? as u32).filter(|steps| *steps > 0),
        points: 0,
    };
    Some(Detector { beside: Beside { points, alike: false }, ..Detector::plain(Params::Group(params), base) })
}

fn named(value: Value<'_>) -> Option<(Value<'_>, String)> {
    Some((value, value.text()?.to_owned()))
}
