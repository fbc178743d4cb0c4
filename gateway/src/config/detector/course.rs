//! `trend`, `rate`, `total`, `frozen`: how a measured value goes.

use std::time::Duration;

use gengfu_core::detect::{Params, accumulated, frozen, limit, rate, trend};

use super::contacts::lower;
use super::{Detector, MAX_DELAY, ms};
use crate::config::checked::LevelMeta;
use crate::config::site::{DAY, SECOND};
use crate::config::value::Value;

/// How long a hole in a flow is bridged where nothing is said.
const GAP: Duration = Duration::from_mins(10);

pub(super) fn trend(value: Value<'_>, base: LevelMeta) -> Option<Detector<'_>> {
    let table = value.table("trend = { limit = …, side = \"high\", within = \"30m\", window = \"2h\" }")?;
    let limit = table.need("limit", "60.0").and_then(|v| Some((v, v.number()?)));
    let sides = [("high", limit::Side::High), ("low", limit::Side::Low)];
    let side = table.need("side", "\"high\"").and_then(|v| v.choice(&sides));
    let within = table.need("within", "\"30m\"").and_then(|v| v.duration(SECOND..=MAX_DELAY));
    // 16 blocks of at least one second make a slope.
    let window = table.need("window", "\"2h\"").and_then(|v| v.duration(SECOND * 16..=DAY * 7));
    table.finish(&[]);
    let (at, limit) = limit?;
    let params = trend::Params { limit, side: side?, within_ms: ms(within?), window_ms: ms(window?) };
    Some(Detector {
        lines: vec![(at, limit, params.side)],
        pace: Some((at, params.window_ms)),
        ..Detector::plain(Params::Trend(params), base)
    })
}

/// Too fast a change.
pub(super) fn rate(value: Value<'_>, base: LevelMeta) -> Option<Detector<'_>> {
    let table = value.table("rate = { per_hour = …, way = \"up\", window = \"32m\" }")?;
    let per_hour = table.need("per_hour", "30.0").and_then(above_zero);
    let ways = [("up", rate::Way::Up), ("down", rate::Way::Down), ("any", rate::Way::Any)];
    let way = table.need("way", "\"up\"").and_then(|v| v.choice(&ways));
    let window = table.need("window", "\"32m\"").and_then(|v| Some((v, v.duration(SECOND * 16..=DAY * 7)?)));
    table.finish(&[]);
    let (at, window) = window?;
    let params = rate::Params { way: way?, per_hour: per_hour?, window_ms: ms(window) };
    Some(Detector { pace: Some((at, params.window_ms)), ..Detector::plain(Params::Rate(params), base) })
}

/// Too much within a time.
pub(super) fn total(value: Value<'_>, base: LevelMeta) -> Option<Detector<'_>> {
    let table = value.table("total = { limit = …, within = \"24h\" }")?;
    let limit = table.need("limit", "3.0").and_then(|v| Some((v, v.number()?)));
    let within = table.need("within", "\"24h\"").and_then(|v| v.duration(SECOND * 16..=DAY * 30));
    let from = table.or("from", 0.0, Value::number);
    let gap = table.or("gap", GAP, |v| v.duration(SECOND..=DAY));
    let clear = table.get("clear").map(|v| (v, v.number()));
    table.finish(&[]);
    let (at, limit) = limit?;
    let clear = lower(at, limit, clear)?;
    let params = accumulated::Params { from: from?, window_ms: ms(within?), limit, clear, gap_ms: ms(gap?) };
    Some(Detector::plain(Params::Accumulated(params), base))
}

/// A value that does not move.
pub(super) fn frozen(value: Value<'_>, base: LevelMeta) -> Option<Detector<'_>> {
    let table = value.table("frozen = { for = \"6h\" }")?;
    let lasting = table.need("for", "\"6h\"").and_then(|v| v.duration(SECOND..=MAX_DELAY));
    let within = table.or("within", 0.0, |v| {
        v.number().filter(|number| *number >= 0.0).or_else(|| {
            v.complain("`within` is below 0", "write how far from the first value it is still the same");
            None
        })
    });
    table.finish(&[]);
    let params = frozen::Params { within: within?, for_ms: ms(lasting?) };
    Some(Detector::plain(Params::Frozen(params), base))
}

/// A number above 0.
pub(super) fn above_zero(value: Value<'_>) -> Option<f64> {
    let number = value.number()?;
    if number > 0.0 {
        return Some(number);
    }
    value.complain(format!("`{}` is {number}", value.key), "write a number above 0");
    None
}
