//! `[alarms.performance]`: what the alarms of the site are measured against.

use std::time::Duration;

use gengfu_core::alarm::performance::{Lines, Pace, Params};

use super::site::{DAY, SECOND};
use super::table::Table;
use super::units::show;

const MINUTE: Duration = Duration::from_mins(1);

/// The figures of ISA-18.2 / IEC 62682 where nothing is written; see [`Params`]. Of a shelf half of what is allowed is too long:
/// none outlasts `max_shelf`.
pub(super) fn read(table: Option<Table<'_>>, max_shelf: Duration) -> Option<Params> {
    let standard = Params { shelved_ms: (max_shelf / 2).as_millis() as u64, ..Params::default() };
    let Some(table) = table else { return Some(standard) };
    let count = |key, default: u32| {
        table.or(key, default, |v| v.whole(1..=100_000).map(|n| u32::try_from(n).unwrap_or(u32::MAX)))
    };
    let time = |key, default: u64, least: Duration, most: Duration| {
        table.or(key, default, |v| v.duration(least..=most).map(|d| d.as_millis() as u64))
    };
    let flood_window = time("flood_window", standard.flood.window_ms, MINUTE, DAY);
    let flood_above = count("flood_above", standard.flood.above);
    let flood_below = count("flood_below", standard.flood.below);
    let hour_above = count("hour_above", standard.hour_above);
    let chatter = table.or("chatter_transitions", standard.chatter.transitions, |v| {
        v.whole(2..=4).map(|n| u8::try_from(n).unwrap_or(4))
    });
    let within = time("chatter_within", standard.chatter.within_ms, SECOND, DAY);
    let fleeting = time("fleeting", standard.fleeting_ms, SECOND, DAY);
    let stale = time("stale", standard.stale_ms, MINUTE, DAY * 366);
    let shelved = time("shelved_too_long", standard.shelved_ms, MINUTE, DAY * 366);
    let params = Params {
        flood: Lines { window_ms: flood_window?, above: flood_above?, below: flood_below? },
        hour_above: hour_above?,
        chatter: Pace { transitions: chatter?, within_ms: within? },
        fleeting_ms: fleeting?,
        stale_ms: stale?,
        shelved_ms: shelved?,
    };
    let agree = agree(&table, &params);
    if let Some(at) = table.get("shelved_too_long").filter(|_| u128::from(params.shelved_ms) >= max_shelf.as_millis()) {
        at.warn(
            format!("no alarm lies on a shelf for longer than {}: none will ever count", show(max_shelf)),
            "make it shorter than max_shelf of [alarms]",
        );
    }
    table.finish(&[]);
    agree.then_some(params)
}

/// Lines that can't both hold are refused at the one that is easier to move.
fn agree(table: &Table<'_>, params: &Params) -> bool {
    let Lines { above, below, .. } = params.flood;
    let at = |key| table.place(key).unwrap_or(table.at);
    let flood = below <= above;
    if !flood {
        let what = format!("`flood_below` is {below} and `flood_above` {above}: a flood would end where it begins");
        table.book.complain(at("flood_below"), what, format!("let it end lower: flood_below = {}", above.div_ceil(2)));
    }
    let fleeting = params.fleeting_ms < params.stale_ms;
    if !fleeting {
        let shown = |ms| show(Duration::from_millis(ms));
        let what = format!(
            "`fleeting` is {} and `stale` {}: an alarm would be both",
            shown(params.fleeting_ms),
            shown(params.stale_ms)
        );
        table.book.complain(at("fleeting"), what, "fleeting is about a minute, stale about a day");
    }
    flood && fleeting
}
