//! The detector of a rule: `high`, `low`, `state`, `trend` or `vote`.

use std::time::Duration;

use gengfu_core::alarm::Priority;
use gengfu_core::detect::{Params, digital, limit, trend, vote};

use super::checked::LevelMeta;
use super::site::{DAY, SECOND};
use super::table::Table;
use super::value::Value;

/// Longest delay; beyond it a rule would never speak.
const MAX_DELAY: Duration = Duration::from_hours(30 * 24);
pub(super) const PRIORITIES: [(&str, Priority); 4] = [
    (Priority::Low.word(), Priority::Low),
    (Priority::Medium.word(), Priority::Medium),
    (Priority::High.word(), Priority::High),
    (Priority::Critical.word(), Priority::Critical),
];
/// Detectors this version has.
const PRESENT: [&str; 5] = ["high", "low", "state", "trend", "vote"];
/// Detectors of later versions.
pub(super) const LATER: [&str; 5] = ["band", "rate", "frozen", "count", "dwell"];

/// A detector, and where its limits stand.
#[derive(Debug)]
pub(super) struct Detector<'a> {
    pub(super) params: Params,
    pub(super) levels: Vec<LevelMeta>,
    /// Limits that a value must be able to reach.
    pub(super) limits: Vec<(Value<'a>, f64)>,
    /// Ends of alarms, which a value must be able to reach too.
    pub(super) clears: Vec<(Value<'a>, f64)>,
    /// Of a vote: who votes, as it is written.
    pub(super) voters: Vec<(Value<'a>, String)>,
}

/// Reads the one detector of a rule. `base` is the rule's own priority and latch.
pub(super) fn read<'a>(rule: &Table<'a>, base: LevelMeta) -> Option<Detector<'a>> {
    let given: Vec<Value<'a>> = PRESENT.into_iter().filter_map(|key| rule.get(key)).collect();
    let later = rule.later(&LATER, "this version has high, low, state, trend and vote");
    let mut places: Vec<_> = given.iter().filter_map(|v| Some((rule.place(v.key)?, v.key))).collect();
    places.sort_unstable();
    match places.as_slice() {
        [] if !later => rule.book.missing(
            rule.at,
            "the rule has no detector",
            "add one of high, low, state, trend, vote: low = { limit = 0.15, clear = 0.17, for = \"10s\" }",
        ),
        [(_, first), (at, second), ..] => {
            rule.book.complain(
                *at,
                format!("the rule has two detectors, `{first}` and `{second}`"),
                "make two rules of it",
            );
        }
        _ => {}
    }
    let detectors: Vec<_> = given.into_iter().map(|value| one(value, base)).collect();
    let [detector] = <[_; 1]>::try_from(detectors).ok()?;
    detector
}

fn one(value: Value<'_>, base: LevelMeta) -> Option<Detector<'_>> {
    match value.key {
        "high" => limits(value, limit::Side::High, base),
        "low" => limits(value, limit::Side::Low, base),
        "state" => state(value, base),
        "trend" => trend(value, base),
        _ => vote(value, base),
    }
}

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

fn limits(value: Value<'_>, side: limit::Side, base: LevelMeta) -> Option<Detector<'_>> {
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
    Some(Detector {
        params: Params::Limit(limit::Params { side, first, second }),
        levels: drafts.iter().map(|draft| draft.meta).collect(),
        limits: drafts.iter().filter_map(|draft| draft.limit).collect(),
        clears: drafts.iter().filter_map(|draft| draft.clear).collect(),
        voters: Vec::new(),
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
    let shelvable = table.get("shelvable").and_then(Value::boolean);
    let meta =
        LevelMeta { shelvable: shelvable.unwrap_or(base.shelvable && is_shelvable(meta.priority, meta.latch)), ..meta };
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

fn state(value: Value<'_>, base: LevelMeta) -> Option<Detector<'_>> {
    let table = value.table("state = { is = … }")?;
    let delays = delays(&table);
    let (is, not) = (table.get("is"), table.get("not"));
    table.finish(&[]);
    let (wanted, negate) = match (is, not) {
        (Some(is), None) => (is, false),
        (None, Some(not)) => (not, true),
        (Some(_), Some(not)) => {
            not.complain("`state` has both `is` and `not`", "keep one of them");
            return None;
        }
        (None, None) => {
            value.book.missing(value.at, "`state` has neither `is` nor `not`", "add is = true, or is = 3");
            return None;
        }
    };
    let number = if wanted.is_boolean() { wanted.boolean().map(f64::from) } else { wanted.number() };
    let (on_ms, off_ms) = delays?;
    let params = Params::Digital(digital::Params { is: number?, negate, on_ms, off_ms });
    Some(Detector { params, levels: vec![base], limits: Vec::new(), clears: Vec::new(), voters: Vec::new() })
}

fn trend(value: Value<'_>, base: LevelMeta) -> Option<Detector<'_>> {
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
        params: Params::Trend(params),
        levels: vec![base],
        limits: vec![(at, limit)],
        clears: Vec::new(),
        voters: Vec::new(),
    })
}

/// Fire, a manual call point, high-high gas, entrapment: what is critical and latches is not put aside.
pub(super) fn is_shelvable(priority: Priority, latch: bool) -> bool {
    !(latch && priority == Priority::Critical)
}

fn vote(value: Value<'_>, base: LevelMeta) -> Option<Detector<'_>> {
    let table =
        value.table("vote = { of = [\"smoke@hall/smoke\", \"heat@hall/heat\"], need = 2, within = \"30s\" }")?;
    let of = table.need("of", "[\"smoke@hall/smoke\", \"heat@hall/heat\"]");
    let voters: Vec<_> = of
        .map(Value::one_or_more)
        .unwrap_or_default()
        .into_iter()
        .filter_map(|v| Some((v, v.text()?.to_owned())))
        .collect();
    let need = table.need("need", "2").and_then(|v| Some((v, v.whole(1..=vote::VOTERS as i64)?)));
    let within = table.or("within", Duration::ZERO, |v| v.duration(Duration::ZERO..=DAY));
    let modes = [("hold", vote::Degraded::Hold), ("fewer", vote::Degraded::Fewer), ("trip", vote::Degraded::Trip)];
    let degraded = table.or("degraded", vote::Degraded::Hold, |v| v.choice(&modes));
    table.finish(&[]);
    if let (Some(of), true) = (of, voters.is_empty()) {
        of.complain(
            "the vote has no voters",
            "name at least two rules: of = [\"smoke@hall/smoke\", \"heat@hall/heat\"]",
        );
    }
    let (_, need) = need?;
    let params = vote::Params {
        need: need as u8,
        of: 0,
        within_ms: ms(within?),
        degraded: degraded?,
        watch: vote::Watch::Danger,
        voters: 0,
    };
    Some(Detector { params: Params::Vote(params), levels: vec![base], limits: Vec::new(), clears: Vec::new(), voters })
}

/// `for` and `clear_for`, in milliseconds.
fn delays(table: &Table<'_>) -> Option<(u64, u64)> {
    let on = table.or("for", Duration::ZERO, |v| v.duration(Duration::ZERO..=MAX_DELAY));
    let off = table.or("clear_for", Duration::ZERO, |v| v.duration(Duration::ZERO..=MAX_DELAY));
    Some((ms(on?), ms(off?)))
}

fn ms(duration: Duration) -> u64 {
    duration.as_millis() as u64
}
