//! `state`, `dwell`, `count`: what a contact, a mode number or a counter says.

use std::time::Duration;

use gengfu_core::detect::calendar::Calendar;
use gengfu_core::detect::{Params, count, digital, dwell};

use super::{Detector, MAX_DELAY, delays, ms};
use crate::config::checked::LevelMeta;
use crate::config::site::{DAY, SECOND};
use crate::config::value::Value;

/// A state may be written as it is meant: true is 1.
fn number(value: Value<'_>) -> Option<f64> {
    if value.is_boolean() { value.boolean().map(f64::from) } else { value.number() }
}

pub(super) fn state(value: Value<'_>, base: LevelMeta) -> Option<Detector<'_>> {
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
    let (on_ms, off_ms) = delays?;
    let params = Params::Digital(digital::Params { is: number(wanted)?, negate, on_ms, off_ms });
    Some(Detector::plain(params, base))
}

/// A state held for too long.
pub(super) fn dwell(value: Value<'_>, base: LevelMeta, calendar: Calendar) -> Option<Detector<'_>> {
    let table = value.table("dwell = { is = …, for = \"60s\" }")?;
    let is = table.need("is", "true").and_then(number);
    let hold = table.need("for", "\"60s\"").and_then(|v| v.duration(SECOND..=MAX_DELAY));
    let forgive = table.or("forgive", Duration::ZERO, |v| v.duration(Duration::ZERO..=DAY));
    let hours = table.get("open_hours");
    let open_hours = hours.and_then(Value::boolean).unwrap_or(false);
    table.finish(&[]);
    if let Some(hours) = hours.filter(|_| open_hours && calendar.open_min == calendar.close_min) {
        hours.warn("the site has no opening hours, so it counts at all times", "add open = \"09:00-22:00\" to [site]");
    }
    let open_hours = open_hours.then_some(calendar);
    let params = dwell::Params { is: is?, hold_ms: ms(hold?), forgive_ms: ms(forgive?), open_hours };
    Some(Detector::plain(Params::Dwell(params), base))
}

/// Too often within a time.
pub(super) fn count(value: Value<'_>, base: LevelMeta) -> Option<Detector<'_>> {
    let table = value.table("count = { of = \"starts\", limit = 12, within = \"1h\" }")?;
    let kinds = [("starts", count::What::Starts), ("changes", count::What::Changes), ("growth", count::What::Growth)];
    let what = table.need("of", "\"starts\"").and_then(|v| v.choice(&kinds));
    let limit = table.need("limit", "12").and_then(|v| Some((v, v.number()?)));
    let within = table.need("within", "\"1h\"").and_then(|v| v.duration(SECOND * 16..=DAY * 30));
    let clear = table.get("clear").map(|v| (v, v.number()));
    table.finish(&[]);
    let (at, limit) = limit?;
    let clear = lower(at, limit, clear)?;
    let params = count::Params { what: what?, window_ms: ms(within?), limit, clear };
    Some(Detector::plain(Params::Count(params), base))
}

/// The line below which it is over: at most the limit, which is above 0.
pub(super) fn lower(at: Value<'_>, limit: f64, clear: Option<(Value<'_>, Option<f64>)>) -> Option<f64> {
    if limit <= 0.0 {
        at.complain(format!("`{}` is {limit}: it would always stand", at.key), "write a number above 0");
        return None;
    }
    let Some((clear_at, clear)) = clear else { return Some(limit) };
    let clear = clear?;
    if clear > limit || clear <= 0.0 {
        clear_at.complain(
            format!("`clear` is {clear}, which is not between 0 and the limit {limit}"),
            "the alarm ends below it: write a number above 0 and at most the limit",
        );
        return None;
    }
    Some(clear)
}
