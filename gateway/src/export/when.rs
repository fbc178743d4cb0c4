//! Times as people write them.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// UTC ms of RFC 3339, of a date, or of a date and time in the site's zone. `end`: a date means all of that day.
pub fn moment(text: &str, timezone: &str, end: bool) -> Result<i64, String> {
    let told = || {
        format!("`{text}` is no time; give RFC 3339 like 2026-01-31T08:00:00Z, or a date like 2026-01-31 of {timezone}")
    };
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time.as_millisecond());
    }
    let zone =
        TimeZone::get(timezone).map_err(|error| format!("time zone {timezone}: {error}; mend [site] timezone"))?;
    let local = if text.contains(['T', 't', ' ', ':']) {
        text.parse::<DateTime>().map_err(|_| told())?
    } else {
        let date = text.parse::<Date>().map_err(|_| told())?;
        let date = if end { date.checked_add(1.day()).map_err(|_| told())? } else { date };
        date.to_datetime(jiff::civil::Time::midnight())
    };
    zone.to_timestamp(local).map(Timestamp::as_millisecond).map_err(|_| told())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_a_day_of_the_site() {
        let midnight = 1_769_788_800_000;
        let at = |text: &str, end| moment(text, "Asia/Shanghai", end).unwrap();
        assert_eq!(at("2026-01-31", false), midnight);
        assert_eq!(at("2026-01-31", true), midnight + 86_400_000);
        assert_eq!(at("2026-01-31T08:00", false), midnight + 8 * 3_600_000);
        assert_eq!(at("2026-01-31T00:00:00Z", true), midnight + 8 * 3_600_000);
        assert_eq!(at("2026-01-31T08:00:00+08:00", false), midnight + 8 * 3_600_000);
        for wrong in ["yesterday", "2026-13-01", "2026-01-31T99:00", ""] {
            assert!(moment(wrong, "Asia/Shanghai", false).unwrap_err().contains("RFC 3339"), "{wrong}");
        }
    }
}
