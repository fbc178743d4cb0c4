//! The detector of a rule: one table named after its kind.

mod beside;
mod contacts;
mod course;
mod learned;
mod limits;
mod vote;

use std::time::Duration;

use gengfu_core::alarm::Priority;
use gengfu_core::detect::calendar::Calendar;
use gengfu_core::detect::{Params, limit};

use super::checked::LevelMeta;
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
/// The kinds of detectors.
pub(super) const KINDS: [&str; 18] = [
    "high", "low", "band", "state", "dwell", "count", "frozen", "trend", "rate", "total", "rhythm", "drift", "habit",
    "sibling", "residual", "ratio", "group", "vote",
];

/// A detector, and where its limits stand.
#[derive(Debug)]
pub(super) struct Detector<'a> {
    pub(super) params: Params,
    pub(super) levels: Vec<LevelMeta>,
    /// Lines that a value must be able to reach, and from which side: limits, and ends of alarms.
    pub(super) lines: Vec<(Value<'a>, f64, limit::Side)>,
    /// Of a vote: who votes, as it is written.
    pub(super) voters: Vec<(Value<'a>, String)>,
    /// The points it looks at beside the one it is on, as they are written.
    pub(super) beside: Beside<'a>,
    /// Where a window stands that is cut into blocks, and its length, ms.
    pub(super) pace: Option<(Value<'a>, u64)>,
}

/// Other points that a rule looks at.
#[derive(Debug, Default)]
pub(super) struct Beside<'a> {
    pub(super) points: Vec<(Value<'a>, String)>,
    /// They are compared, so they must be of one unit.
    pub(super) alike: bool,
}

impl Beside<'_> {
    /// A pack's names of parts, in the words of the site; what the site has written itself are points already.
    pub(super) fn here(&mut self, parts: &[(String, String)]) {
        for (_, text) in self.points.iter_mut().filter(|(value, _)| value.lent) {
            if let Some((_, name)) = parts.iter().find(|(part, _)| part == text) {
                text.clone_from(name);
            }
        }
    }
}

impl Detector<'_> {
    /// One level, and nothing that could be held against the points.
    fn plain(params: Params, base: LevelMeta) -> Self {
        Self {
            params,
            levels: vec![base],
            lines: Vec::new(),
            voters: Vec::new(),
            beside: Beside::default(),
            pace: None,
        }
    }
}

/// Reads the one detector of a rule. `base` is the rule's own priority and latch.
pub(super) fn read<'a>(rule: &Table<'a>, base: LevelMeta, calendar: Calendar) -> Option<Detector<'a>> {
    let given: Vec<Value<'a>> = KINDS.into_iter().filter_map(|key| rule.get(key)).collect();
    let mut places: Vec<_> = given.iter().filter_map(|v| Some((rule.place(v.key)?, v.key))).collect();
    places.sort_unstable();
    match places.as_slice() {
        [] => rule.book.missing(
            rule.at,
            "the rule has no detector",
            format!("add one of {}: low = {{ limit = 0.15, clear = 0.17, for = \"10s\" }}", KINDS.join(", ")),
        ),
        [(_, first), (at, second), ..] => {
            rule.book.complain(
                *at,
                format!("the rule has two detectors, `{first}` and `{second}`"),
                "make two rules of it",
            );
        }
        [_] => {}
    }
    let detectors: Vec<_> = given.into_iter().map(|value| one(value, base, calendar)).collect();
    let [detector] = <[_; 1]>::try_from(detectors).ok()?;
    detector
}

fn one(value: Value<'_>, base: LevelMeta, calendar: Calendar) -> Option<Detector<'_>> {
    match value.key {
        "high" => limits::side(value, limit::Side::High, base),
        "low" => limits::side(value, limit::Side::Low, base),
        "band" => limits::band(value, base),
        "state" => contacts::state(value, base),
        "dwell" => contacts::dwell(value, base, calendar),
        "count" => contacts::count(value, base),
        "frozen" => course::frozen(value, base),
        "trend" => course::trend(value, base),
        "rate" => course::rate(value, base),
        "total" => course::total(value, base),
        "rhythm" => learned::rhythm(value, base),
        "drift" => learned::drift(value, base, calendar),
        "habit" => learned::habit(value, base, calendar),
        "sibling" => beside::sibling(value, base),
        "residual" => beside::residual(value, base, calendar),
        "ratio" => beside::ratio(value, base, calendar),
        "group" => beside::group(value, base),
        _ => vote::read(value, base),
    }
}

/// Fire, a manual call point, high-high gas, entrapment: what is critical and latches is not put aside.
pub(super) fn is_shelvable(priority: Priority, latch: bool) -> bool {
    !(latch && priority == Priority::Critical)
}

/// Says that what is critical and latches is not put aside, at the word that would have it so.
pub(super) fn refuse_shelf(at: Value<'_>) {
    at.complain(
        "`shelvable` is true on what is critical and latches: fire, a call point, high-high gas or entrapment is not put aside",
        "leave it out; for planned work use a mode of the area, for a broken sensor take it out of service",
    );
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
