//! The site's week: its zone, when it is open, which days are days of rest; and the days that are not as their week.

use gengfu_core::detect::calendar::{Calendar, REACH};
use jiff::Timestamp;
use jiff::civil::{Date, date};
use jiff::tz::TimeZoneDatabase;

use super::table::Table;
use super::value::{Value, shorten};

/// Monday first, as core counts them.
const DAYS: [(&str, u8); 7] = [("mon", 0), ("tue", 1), ("wed", 2), ("thu", 3), ("fri", 4), ("sat", 5), ("sun", 6)];
/// 2026-01-01: core knows one offset a site, that of a day in winter. China sets no clock for the summer.
const WINTER: i64 = 1_767_225_600;

/// The years of which core counts the days.
const YEARS: std::ops::RangeInclusive<i16> = 1970..=2148;

/// Reads `open`, `rest`, `holidays` and `worked` of `[site]`; `zone` is a name of the zone database.
pub(super) fn read(table: &Table<'_>, zone: &str) -> Option<Calendar> {
    let standard = Calendar { offset_min: offset(zone), ..Calendar::default() };
    let open = table.or("open", (standard.open_min, standard.close_min), hours);
    let worked = table.or("rest", standard.worked, rest);
    let holidays = table.or("holidays", Vec::new(), days);
    let in_exchange = table.or("worked", Vec::new(), days);
    let ((open_min, close_min), worked, holidays, in_exchange) = (open?, worked?, holidays?, in_exchange?);
    let mut calendar = Calendar { open_min, close_min, worked, ..standard };
    let all = holidays.iter().map(|day| (day, false)).chain(in_exchange.iter().map(|day| (day, true)));
    for ((value, day), worked) in all {
        if worked && holidays.iter().any(|(_, holiday)| holiday == day) {
            value.complain(format!("{day} is in `holidays` and in `worked`"), "write it in one of them");
            return None;
        }
        if calendar.set(number(*day), worked).is_err() {
            value.complain(
                format!("{day} is more than {REACH} days from another day that is not as its week"),
                "keep the holidays of this year and the next, and leave out what is past",
            );
            return None;
        }
    }
    Some(calendar)
}

/// Days since 1970-01-01.
fn number(day: Date) -> i64 {
    i64::from((day - date(1970, 1, 1)).get_days())
}

/// `["2027-02-06", …]`, with where each stands.
fn days(value: Value<'_>) -> Option<Vec<(Value<'_>, Date)>> {
    value.list()?.into_iter().map(|day| Some((day, self::day(day)?))).collect()
}

fn day(value: Value<'_>) -> Option<Date> {
    let text = value.text()?;
    // Anything longer is a time, of which it would be a part.
    let day = text.parse::<Date>().ok().filter(|day| text.len() == 10 && YEARS.contains(&day.year()));
    if day.is_none() {
        value.complain(format!("\"{}\" is no day", shorten(text)), "write year, month and day: \"2027-02-06\"");
    }
    day
}

/// Minutes that the zone is ahead of UTC.
fn offset(zone: &str) -> i16 {
    let zone = TimeZoneDatabase::bundled().get(zone).ok();
    let seconds = zone.zip(Timestamp::from_second(WINTER).ok()).map_or(0, |(zone, at)| zone.to_offset(at).seconds());
    i16::try_from(seconds / 60).unwrap_or(0)
}

/// `"09:00-22:00"`; over midnight where the end is before the begin.
fn hours(value: Value<'_>) -> Option<(u16, u16)> {
    let text = value.text()?;
    let hours = text.split_once('-').and_then(|(open, close)| Some((minute(open)?, minute(close)?)));
    if hours.is_none() {
        value.complain(
            format!("`open` is \"{}\"", shorten(text)),
            "write \"09:00-22:00\"; leave it out where the site never closes",
        );
    }
    hours
}

fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let (hour, minute) = (hour.parse::<u16>().ok()?, minute.parse::<u16>().ok()?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

/// The days that are not worked, to the bits of those that are.
fn rest(value: Value<'_>) -> Option<u8> {
    let days: Vec<_> = value.list()?.into_iter().map(|day| day.choice(&DAYS)).collect::<Option<_>>()?;
    Some(days.into_iter().fold(0b0111_1111, |worked, day| worked & !(1 << day)))
}
