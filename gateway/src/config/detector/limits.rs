//! `high`, `low`, `band`: lines that a value must not cross.

use gengfu_core::detect::{Params, band, limit};

use super::{Beside, Detector, PRIORITIES, delays, is_shelvable, refuse_shelf};
use crate::config::checked::LevelMeta;
use crate::config::table::Table;
use crate::config::value::Value;

/// Whether `a` lies further on the dangerous side than `b`.
fn beyond(side: limit::Side, a: f64, b: f64) -> bool {
    match side {
        limit::Side::High => a > b,
        limit::Side::Low => a < b,
    }
}

/// One level as far as it could be read.
struct Draft<'a> {
    limit: Option<(Value<'a>, f64)>,
    clear: Option<(Value<'a>, f64)>,
    delays: Option<(u64, u64)>,
    meta: LevelMeta,
    /// Where its priority stands.
    priority: Option<Value<'a>>,
}

impl Draft<'_> {
    fn finish(&self) -> Option<limit::Level> {
        let (_, limit) = self.limit?;
        let clear = self.clear.map_or(limit, |(_, clear)| clear);
        let (on_ms, off_ms) = self.delays?;
        Some(limit::Level { limit, clear, on_ms, off_ms })
    }
}

pub(super) fn side(value: Value<'_>, side: limit::Side, base: LevelMeta) -> Option<Detector<'_>> {
    let items = value.one_or_more();
    if items.is_empty() || items.len() > 2 {
        value.complain(
            format!("`{}` has {} levels", value.key, items.len()),
            "write one level, or two of rising urgency",
        );
        return None;
    }
    let name = if side == limit::Side::High { "high = { limit = … }" } else { "low = { limit = … }" };
    let drafts: Vec<Draft<'_>> =
        items.into_iter().filter_map(|v| v.table(name)).map(|t| level(t, side, base)).collect();
    if let [first, second] = drafts.as_slice() {
        in_order(first, second, side);
    }
    let levels: Vec<limit::Level> = drafts.iter().map(Draft::finish).collect::<Option<_>>()?;
    let (first, second) = match levels.as_slice() {
        [first] => (*first, None),
        [first, second] => (*first, Some(*second)),
        _ => return None,
    };
    let back = match side {
        limit::Side::High => limit::Side::Low,
        limit::Side::Low => limit::Side::High,
    };
    let limits = drafts.iter().filter_map(|draft| draft.limit).map(|(at, limit)| (at, limit, side));
    let clears = drafts.iter().filter_map(|draft| draft.clear).map(|(at, clear)| (at, clear, back));
    Some(Detector {
        params: Params::Limit(limit::Params { side, first, second }),
        levels: drafts.iter().map(|draft| draft.meta).collect(),
        lines: limits.chain(clears).collect(),
        voters: Vec::new(),
        beside: Beside::default(),
        pace: None,
    })
}

fn level(table: Table<'_>, side: limit::Side, base: LevelMeta) -> Draft<'_> {
    let limit = table.need("limit", "25.0").and_then(|v| Some((v, v.number()?)));
    let clear = table.get("clear").and_then(|v| Some((v, v.number()?)));
    if let (Some((_, limit)), Some((at, clear))) = (limit, clear)
        && beyond(side, clear, limit)
    {
        let (word, safe) = if side == limit::Side::High { ("above", "at or below") } else { ("below", "at or above") };
        at.complain(
            format!("`clear` is {clear}, {word} the limit {limit}: the alarm would end inside the danger"),
            format!("put it {safe} {limit}"),
        );
    }
    let priority = table.get("priority");
    let meta = LevelMeta {
        priority: priority.and_then(|v| v.choice(&PRIORITIES)).unwrap_or(base.priority),
        latch: table.get("latch").and_then(Value::boolean).unwrap_or(base.latch),
        shelvable: base.shelvable,
    };
    let may = is_shelvable(meta.priority, meta.latch);
    let shelvable = table.get("shelvable").and_then(|v| Some((v, v.boolean()?)));
    if let Some((at, _)) = shelvable.filter(|(_, shelvable)| *shelvable && !may) {
        refuse_shelf(at);
    }
    let meta = LevelMeta { shelvable: shelvable.map_or(base.shelvable, |(_, shelvable)| shelvable) && may, ..meta };
    let delays = delays(&table);
    table.finish(&[]);
    Draft { limit, clear, delays, meta, priority }
}

/// The second level lies further out, and is at least as urgent.
fn in_order(first: &Draft<'_>, second: &Draft<'_>, side: limit::Side) {
    if let (Some((_, a)), Some((at, b))) = (first.limit, second.limit)
        && !beyond(side, b, a)
    {
        let word = if side == limit::Side::High { "above" } else { "below" };
        at.complain(
            format!("the second level's limit {b} is not {word} the first's {a}"),
            "put the levels in the order in which a rising danger meets them",
        );
    } else if let (Some(a), Some(b), Some((at, _))) = (first.finish(), second.finish(), second.clear.or(second.limit))
        && beyond(side, a.clear, b.clear)
    {
        at.complain(
            format!("the second level clears at {}, after the first, which clears at {}", b.clear, a.clear),
            format!("let it clear at {} or nearer to its limit; `latch` holds an alarm longer", a.clear),
        );
    }
    if second.meta.priority < first.meta.priority
        && let Some((limit, _)) = second.limit
    {
        second.priority.unwrap_or(limit).complain(
            format!(
                "the second level's priority {} is lower than the first's {}",
                second.meta.priority.word(),
                first.meta.priority.word()
            ),
            "give the level further out the same priority or a higher one",
        );
    }
}

/// Two lines around what is right; one alarm speaks for both.
pub(super) fn band(value: Value<'_>, base: LevelMeta) -> Option<Detector<'_>> {
    let table = value.table("band = { low = …, high = … }")?;
    let low = table.need("low", "18.0").and_then(|v| Some((v, v.number()?)));
    let high = table.need("high", "26.0").and_then(|v| Some((v, v.number()?)));
    let margin = table.or("margin", 0.0, Value::number);
    let margin_at = table.get("margin");
    let delays = delays(&table);
    table.finish(&[]);
    let ((low_at, low), (high_at, high), margin) = (low?, high?, margin?);
    if low >= high {
        high_at.complain(format!("`high` is {high}, not above `low`, which is {low}"), "put `high` above `low`");
        return None;
    }
    // Within the band there must be a place where the alarm ends.
    if let Some(at) = margin_at.filter(|_| margin < 0.0 || low + margin > high - margin) {
        at.complain(
            format!("with a margin of {margin} no value between {low} and {high} ends the alarm"),
            format!("take one from 0 to {}", (high - low) / 2.0),
        );
        return None;
    }
    let (on_ms, off_ms) = delays?;
    let line = |limit, clear| limit::Level { limit, clear, on_ms, off_ms };
    let params = band::Params::between(line(low, low + margin), line(high, high - margin));
    Some(Detector {
        lines: vec![(low_at, low, limit::Side::Low), (high_at, high, limit::Side::High)],
        ..Detector::plain(Params::Band(params), base)
    })
}
