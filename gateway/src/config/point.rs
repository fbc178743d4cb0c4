//! What points of both kinds of source have in common.

use std::time::Duration;

use gengfu_core::normalize::Scaling;

use super::checked::{PointLabel, PointSpec};
use super::labels;
use super::names;
use super::site::{DAY, MAX_TEXT, SECOND};
use super::table::Table;
use super::value::Value;
use crate::source::own;

/// How long a life-safety point may be bad before that is an alarm.
const DEFAULT_BAD_AFTER: Duration = Duration::from_secs(10);
const MAX_UNIT: usize = 16;

/// A point as far as it could be read.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) name: Option<String>,
    pub(super) unit: Option<String>,
    pub(super) scaling: Option<Scaling>,
    pub(super) life_safety: bool,
    bad_after: Option<Duration>,
    pub(super) stale_after: Option<Duration>,
    pub(super) label: PointLabel,
}

impl Draft {
    /// The point, where everything was right; `stale_after` where the file gives none.
    pub(super) fn finish(self, stale_after: Option<Duration>) -> Option<PointSpec> {
        Some(PointSpec {
            name: self.name?,
            unit: self.unit,
            scaling: self.scaling?,
            life_safety: self.life_safety,
            bad_after: self.bad_after.unwrap_or(DEFAULT_BAD_AFTER),
            stale_after: self.stale_after.or(stale_after),
        })
    }

    pub(super) fn range(&self) -> Option<(f64, f64)> {
        self.scaling.and_then(|scaling| scaling.range)
    }
}

/// Reads the common keys. `every` is the period of a polled point, which must not outlast `stale_after`.
pub(super) fn read(table: &Table<'_>, every: Option<Duration>) -> Draft {
    let name = table.need("name", "\"pressure\"").and_then(names::point_name);
    let unit = table.get("unit").and_then(|v| v.line(MAX_UNIT));
    let scaling = scaling(table);
    let life_safety = table.get("life_safety").and_then(Value::boolean).unwrap_or(false);
    let bad = table.get("bad_after");
    let bad_after = bad.and_then(|v| v.duration(Duration::ZERO..=DAY));
    if let (Some(bad), false) = (bad, life_safety) {
        bad.warn("`bad_after` says nothing without life_safety", "add life_safety = true, or leave it out");
    }
    let stale_after = table.get("stale_after").and_then(|v| stale(v, every));
    let label = labels::point(table, unit.as_deref());
    Draft { name, unit, scaling, life_safety, bad_after, stale_after, label }
}

/// The area that points stand in. The gateway's own is no place where anybody could test or work.
pub(super) fn area(value: Value<'_>) -> Option<String> {
    let area = value.line(MAX_TEXT)?;
    if area == own::DEVICE {
        value.complain(
            format!("`area` is \"{area}\", which is where the gateway itself stands"),
            "name the place in the building",
        );
        return None;
    }
    Some(area)
}

fn scaling(table: &Table<'_>) -> Option<Scaling> {
    let scale = table.or("scale", 1.0, |v| {
        let scale = v.number()?;
        if scale == 0.0 {
            v.complain(
                "`scale` is 0, so that every value would be the same",
                "write the factor from raw to unit, 1.0 for none",
            );
            return None;
        }
        Some(scale)
    });
    let offset = table.or("offset", 0.0, Value::number);
    let range = table.or("range", None, |v| range(v).map(Some));
    Some(Scaling { scale: scale?, offset: offset?, range: range? })
}

fn range(value: Value<'_>) -> Option<(f64, f64)> {
    let ends: Vec<_> = value.list()?.into_iter().map(|v| Some((v, v.number()?))).collect::<Option<_>>()?;
    match ends.as_slice() {
        [(_, low), (_, high)] if low < high => Some((*low, *high)),
        [(_, low), (at, high)] => {
            at.complain(
                format!("`range` goes from {low} down to {high}"),
                "write the lower end first: range = [0.0, 2.5]",
            );
            None
        }
        _ => {
            value.complain(
                format!("`range` has {} ends", ends.len()),
                "write the lowest and the highest true value: range = [0.0, 2.5]",
            );
            None
        }
    }
}

fn stale(value: Value<'_>, every: Option<Duration>) -> Option<Duration> {
    let stale = value.duration(SECOND..=DAY * 365)?;
    match every {
        Some(every) if stale <= every => {
            value.complain(
                "`stale_after` is not longer than the device's period, so that the point would always be lost",
                "make it several periods, or leave it out",
            );
            None
        }
        Some(_) | None => Some(stale),
    }
}
