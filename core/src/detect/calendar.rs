//! Calendar: which hour of the site's day it is, whether the day is worked, whether the site is open.
//!
//! Core knows no zones: whoever lends a calendar keeps `offset_min` true when the clocks change. Readings bear UTC.
//! Holidays, and days worked in exchange, are single days that are not as their week ([`Calendar::set`]).

use core::fmt;

use crate::time::Wall;

const HOUR_MS: i64 = 3_600_000;
const DAY_MIN: u16 = 24 * 60;
/// 1970-01-01 was a Thursday: day 3 of a week that begins on Monday.
const FIRST_WEEKDAY: i64 = 3;

/// So many days may be other than their week: some two years of a country's holidays and of what is worked for them.
pub const EXCEPTIONS: usize = 64;

/// The days that are not as their week, in days since 1970-01-01.
#[derive(Debug, Clone, Copy)]
pub struct Exceptions {
    days: [u16; EXCEPTIONS],
    count: u8,
}

impl Exceptions {
    /// Every day is as its week.
    pub const NONE: Self = Self { days: [0; EXCEPTIONS], count: 0 };

    fn all(&self) -> &[u16] {
        self.days.get(..usize::from(self.count)).unwrap_or_default()
    }

    fn has(&self, day: i64) -> bool {
        u16::try_from(day).is_ok_and(|day| self.all().contains(&day))
    }
}

/// There is no room for another exception, or the day lies before 1970 or after 2149-06-06.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRoom;

/// The site's week, and the days that are other than it.
///
/// Two calendars are the same where their weeks are: what was learned by one holds for the other, though a year's holidays were
/// added meanwhile. Neither the comparison nor `Debug` looks at them.
#[derive(Clone, Copy)]
pub struct Calendar {
    /// Local time minus UTC, minutes; -720 to 840 occur.
    pub offset_min: i16,
    /// Bit 0 is Monday, bit 6 Sunday: the days that are worked.
    pub worked: u8,
    /// First minute of the day that is open, and the first that is not any more; the same: never closed. Opening 1320 and
    /// closing 360 is open at night.
    pub open_min: u16,
    /// See `open_min`.
    pub close_min: u16,
    /// Holidays, and days worked in exchange.
    pub exceptions: Exceptions,
}

impl Default for Calendar {
    fn default() -> Self {
        Self::UTC
    }
}

impl PartialEq for Calendar {
    fn eq(&self, other: &Self) -> bool {
        self.week() == other.week()
    }
}

impl Eq for Calendar {}

impl fmt::Debug for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (offset_min, worked, open_min, close_min) = self.week();
        f.debug_struct("Calendar")
            .field("offset_min", &offset_min)
            .field("worked", &worked)
            .field("open_min", &open_min)
            .field("close_min", &close_min)
            .finish()
    }
}

impl Calendar {
    /// UTC, worked from Monday to Friday, never closed.
    pub const UTC: Self =
        Self { offset_min: 0, worked: 0b001_1111, open_min: 0, close_min: 0, exceptions: Exceptions::NONE };

    const fn week(&self) -> (i16, u8, u16, u16) {
        (self.offset_min, self.worked, self.open_min, self.close_min)
    }

    /// The clock alone, for what depends on the hour and on nothing else of it.
    #[must_use]
    pub const fn clock(self) -> Self {
        Self { offset_min: self.offset_min, ..Self::UTC }
    }

    /// Without opening hours, for what depends on hours and days.
    #[must_use]
    pub const fn days(self) -> Self {
        Self { open_min: 0, close_min: 0, ..self }
    }

    /// Says of one day, in days since 1970-01-01 of the local calendar, whether it is worked, whatever its week says.
    pub fn set(&mut self, day: i64, worked: bool) -> Result<(), NoRoom> {
        if self.is_workday(day) == worked {
            return Ok(());
        }
        // What was said of it before is taken back, or it is one more.
        let day = u16::try_from(day).map_err(|_| NoRoom)?;
        let known = self.exceptions().iter().position(|known| *known == day);
        let Exceptions { days, count } = &mut self.exceptions;
        if let Some(at) = known {
            *count -= 1;
            days.swap(at, usize::from(*count));
        } else {
            *days.get_mut(usize::from(*count)).ok_or(NoRoom)? = day;
            *count += 1;
        }
        Ok(())
    }

    /// The days that are other than their week, in days since 1970-01-01.
    pub fn exceptions(&self) -> &[u16] {
        self.exceptions.all()
    }

    fn is_workday(self, day: i64) -> bool {
        let weekday = day.saturating_add(FIRST_WEEKDAY).rem_euclid(7);
        (self.worked & (1 << weekday) != 0) != self.exceptions.has(day)
    }

    fn local(self, at: Wall) -> i64 {
        at.0.saturating_add(i64::from(self.offset_min) * 60_000)
    }

    /// Hour of the local day, 0 to 23.
    pub fn hour(self, at: Wall) -> usize {
        self.local(at).div_euclid(HOUR_MS).rem_euclid(24) as usize
    }

    /// Whether the local day is a working day: by its week, unless something else was said of it.
    pub fn is_worked(self, at: Wall) -> bool {
        self.is_workday(self.local(at).div_euclid(24 * HOUR_MS))
    }

    /// How far the local day is on, 0 to below 1.
    pub fn day_part(self, at: Wall) -> f64 {
        self.local(at).rem_euclid(24 * HOUR_MS) as f64 / (24 * HOUR_MS) as f64
    }

    /// Whether the site is open: between opening and closing, on whatever day. A day of rest is none of being closed: a shop
    /// is open on holidays, and its exits are to be free then.
    pub fn is_open(self, at: Wall) -> bool {
        let minute = (self.local(at).div_euclid(60_000)).rem_euclid(i64::from(DAY_MIN)) as u16;
        match self.open_min.cmp(&self.close_min) {
            core::cmp::Ordering::Equal => true,
            core::cmp::Ordering::Less => minute >= self.open_min && minute < self.close_min,
            core::cmp::Ordering::Greater => minute >= self.open_min || minute < self.close_min,
        }
    }

    /// In how many ms from `at` it will open or close; `None`: never.
    pub fn turns_in(self, at: Wall) -> Option<u64> {
        if self.open_min == self.close_min {
            return None;
        }
        let day = 24 * HOUR_MS;
        let now = self.local(at).rem_euclid(day);
        let until = |minute: u16| (i64::from(minute) * 60_000 - now - 1).rem_euclid(day) + 1;
        Some(until(self.open_min).min(until(self.close_min)) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Friday, 2024-03-01 at 23:30 UTC.
    const FRIDAY_NIGHT: Wall = Wall(1_709_335_800_000);

    #[test]
    fn the_sites_day_is_not_that_of_utc() {
        let utc = Calendar::default();
        let china = Calendar { offset_min: 480, ..utc };
        assert_eq!((utc.hour(FRIDAY_NIGHT), utc.is_worked(FRIDAY_NIGHT)), (23, true));
        assert_eq!((china.hour(FRIDAY_NIGHT), china.is_worked(FRIDAY_NIGHT)), (7, false));
        assert!((china.day_part(FRIDAY_NIGHT) - 7.5 / 24.0).abs() < 1e-12);
    }

    #[test]
    fn open_hours_may_go_over_midnight() {
        let bar = Calendar { open_min: 22 * 60, close_min: 6 * 60, ..Calendar::default() };
        let shop = Calendar { open_min: 10 * 60, close_min: 22 * 60, ..bar };
        assert!(bar.is_open(FRIDAY_NIGHT) && !shop.is_open(FRIDAY_NIGHT));
        assert_eq!(
            (bar.turns_in(FRIDAY_NIGHT), Calendar::default().turns_in(FRIDAY_NIGHT)),
            (Some(390 * 60_000), None)
        );
        assert!(Calendar::default().is_open(FRIDAY_NIGHT));
    }

    #[test]
    fn holidays_and_days_worked_for_them_are_not_as_their_week() {
        // 2024-03-01, a Friday; the Saturday after it; the Monday.
        let friday = FRIDAY_NIGHT.0 / (24 * HOUR_MS);
        let at = |day: i64| Wall(day * 24 * HOUR_MS + 1);
        let mut site = Calendar::default();
        site.set(friday, false).expect("room");
        site.set(friday + 1, true).expect("room");
        site.set(friday + 2, false).expect("a Sunday is no exception");
        assert_eq!([0, 1, 2, 3].map(|n| site.is_worked(at(friday + n))), [false, true, false, true]);
        assert_eq!((site.exceptions().len(), site.is_open(at(friday))), (2, true));
        let china = Calendar { offset_min: 480, ..site };
        assert!(china.is_worked(FRIDAY_NIGHT), "there it is Saturday, which is worked");
        assert_eq!(site, Calendar::default(), "what was learned goes on to hold");
        site.set(friday, true).expect("room");
        assert!(site.is_worked(FRIDAY_NIGHT) && site.exceptions().len() == 1);
        assert_eq!((site.set(-1, false), site.set(70_000, !site.is_workday(70_000))), (Err(NoRoom), Err(NoRoom)));
        let many = (0..365).take_while(|n| site.set(n * 7 + 4, false).is_ok()).count();
        assert_eq!((many, site.exceptions().len()), (EXCEPTIONS - 1, EXCEPTIONS), "Mondays");
    }

    #[test]
    fn before_1970_and_at_the_ends_of_time_there_is_an_hour_too() {
        for at in [i64::MIN, -1, 0, i64::MAX] {
            assert!(Calendar { offset_min: -60, ..Calendar::default() }.hour(Wall(at)) < 24);
        }
    }
}
