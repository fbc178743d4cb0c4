//! `rhythm`, `drift`, `habit`: what a point is used to, learned.

use std::time::Duration;

use gengfu_core::detect::baseline::{self, Bins};
use gengfu_core::detect::calendar::Calendar;
use gengfu_core::detect::limit::Side;
use gengfu_core::detect::{Params, drift, habit, rhythm};

use super::course::above_zero;
use super::{Detector, ms};
use crate::config::checked::LevelMeta;
use crate::config::site::{DAY, SECOND};
use crate::config::table::Table;
use crate::config::value::Value;

/// A start too soon is one below this share of the usual interval.
const EARLY: f64 = 0.85;
/// Where nothing is said a drift is looked for in blocks of a day, after learning for 12, with a month of memory. Each hour of a
/// day must have come twice, and of a week all its days.
const DRIFT: Slow = Slow { block: DAY, learn: Learn::Blocks(12) };
const LEARN_HOURS: Duration = DAY.saturating_mul(3);
const LEARN_WEEK: Duration = DAY.saturating_mul(7);
const MEMORY: i64 = 28;
/// What is usual may move by itself by so many times what is worth telling.
const ROAM: f64 = 1.5;
const SLACK: f64 = 0.5;
const RISE: f64 = 8.0;

/// Starts out of their rhythm.
pub(super) fn rhythm(value: Value<'_>, base: LevelMeta) -> Option<Detector<'_>> {
    let table = value.table("rhythm = { early = 0.85, late = 2.0 }")?;
    let early = table.or("early", EARLY, above_zero);
    let late = table.get("late").map(|v| (v, v.number()));
    let early_at = table.get("early");
    table.finish(&[]);
    let early = early?;
    if let Some(at) = early_at.filter(|_| early >= 1.0) {
        at.complain(format!("`early` is {early}: every start would be too soon"), "write a share below 1, say 0.85");
        return None;
    }
    let late = match late {
        Some((at, late)) => {
            let late = late?;
            if late <= 1.0 {
                at.complain(
                    format!("`late` is {late}: every start would be overdue"),
                    "write a multiple above 1, say 2.0",
                );
                return None;
            }
            Some(late)
        }
        None => None,
    };
    Some(Detector::plain(Params::Rhythm(rhythm::Params { early, late }), base))
}

/// A slow leave-taking from what is usual.
pub(super) fn drift(value: Value<'_>, base: LevelMeta, calendar: Calendar) -> Option<Detector<'_>> {
    let table = value.table("drift = { side = \"high\", shift = …, resolution = … }")?;
    let kinds = [("nothing", Bins::One), ("hour", Bins::Hours), ("hour-and-day", Bins::HoursOfWeek)];
    let bins = table.or("by", Bins::One, |v| v.choice(&kinds));
    let params = slow(&table, bins, calendar, &DRIFT);
    table.finish(&[]);
    Some(Detector::plain(Params::Drift(params?), base))
}

/// What a drift has where nothing is said.
pub(super) struct Slow {
    pub(super) block: Duration,
    pub(super) learn: Learn,
}

/// How long it learns where nothing is said.
pub(super) enum Learn {
    Blocks(u32),
    For(Duration),
}

/// The keys of a drift but for what the usual depends on.
pub(super) fn slow(table: &Table<'_>, bins: Option<Bins>, calendar: Calendar, unsaid: &Slow) -> Option<drift::Params> {
    let side = table.need("side", "\"high\"").and_then(|v| v.choice(&[("high", Side::High), ("low", Side::Low)]));
    let shift = table.need("shift", "8.0").and_then(above_zero);
    let floor = table.need("resolution", "0.1").and_then(above_zero);
    let block = table.or("block", unsaid.block, |v| v.duration(SECOND..=DAY * 7));
    let learn = table.get("learn").map(|v| v.duration(SECOND * 8..=DAY * 366));
    let memory = table.or("memory", MEMORY, |v| v.whole(2..=255));
    let roam = table.get("roam").map(above_zero);
    let slack = table.or("slack", SLACK, above_zero);
    let rise = table.or("rise", RISE, above_zero);
    let step = table.get("step").map(above_zero);
    let patience = table.or("patience", DAY * 2, |v| v.duration(SECOND..=DAY * 366));
    let (shift, block, bins) = (shift?, block?, bins?);
    // Of the calendar it has what it goes by: another opening hour is no reason to learn anew.
    let (least, calendar) = match bins {
        Bins::One => (Duration::ZERO, Calendar::UTC),
        Bins::Hours => (LEARN_HOURS, Calendar::clock(calendar.offset_min)),
        Bins::HoursOfWeek => (LEARN_WEEK, calendar.days()),
    };
    let unsaid = match unsaid.learn {
        Learn::Blocks(blocks) => block * blocks,
        Learn::For(long) => long,
    };
    let learn = learn.unwrap_or_else(|| Some(least.max(unsaid)))?;
    let roam = roam.unwrap_or(Some(shift * ROAM))?;
    let step = match step {
        Some(step) => Some(step?),
        None => None,
    };
    let usual = baseline::Params { bins, calendar, floor: floor?, memory: memory? as u8, roam };
    Some(drift::Params {
        side: side?,
        usual,
        block_ms: ms(block),
        learn_ms: ms(learn),
        shift,
        slack: slack?,
        rise: rise?,
        step,
        patience_ms: ms(patience?),
    })
}

/// What a stream never did.
pub(super) fn habit(value: Value<'_>, base: LevelMeta, calendar: Calendar) -> Option<Detector<'_>> {
    let table = value.table("habit = {}")?;
    let threshold = table.or("threshold", habit::THRESHOLD, above_zero);
    let block = table.or("block", Duration::ZERO, |v| v.duration(Duration::ZERO..=DAY));
    table.finish(&[]);
    let params = habit::Params { threshold: threshold?, block_ms: ms(block?), calendar: calendar.days() };
    Some(Detector::plain(Params::Habit(params), base))
}
