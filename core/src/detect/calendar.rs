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

/// Days from the first to the last that may be other than their week: those of two years.
pub const REACH: usize = 32 * WORDS;
const WORDS: usize = 23;

/// The days that are not as their week: a bit each.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Exceptions {
    /// Day of the first bit, in days since 1970-01-01.
    from: u16,
    bits: [u32; WORDS],
}

impl Exceptions {
    /// Every day is as its week.
    pub const NONE: Self = Self { from: 0, bits: [0; WORDS] };

    fn all(&self) -> impl Iterator<Item = u16> + '_ {
        let bits =
            self.bits.iter().zip(0u16..).flat_map(|(word, at)| {
                (0..32u16).filter(move |bit| word & (1 << bit) != 0).map(move |bit| at * 32 + bit)
            });
        bits.filter_map(|bit| self.from.checked_add(bit))
    }

    fn has(&self, day: i64) -> bool {
        let at = day - i64::from(self.from);
        let word = usize::try_from(at / 32).ok().filter(|_| at >= 0).and_then(|at| self.bits.get(at));
        word.is_some_and(|word| word & (1 << (at % 32)) != 0)
    }

    /// Makes a day other than its week, or as its week again.
    fn turn(&mut self, day: u16) -> Result<(), NoRoom> {
        let mut days = Self { from: self.all().next().map_or(day, |first| first.min(day)), ..Self::NONE };
        for known in self.all().chain([day]) {
            let at = usize::from(known - days.from);
            *days.bits.get_mut(at / 32).ok_or(NoRoom)? ^= 1 << (at % 32);
        }
        *self = days;
        Ok(())
    }
}

/// The day is further than [`REACH`] from another that is not as its week, or lies before 1970 or after 2149-06-06.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRoom;

/// The site's week, and the days that are other than it.
///
/// Two calendars are the same where their weeks are: what was learned by one holds for the other, though a year's holidays were
/// added meanwhile. Neither the comparison nor `Debug` looks at them.
#[derive(Clone, Copy)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
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

    /// The clock alone, so many minutes ahead of UTC.
    pub const fn clock(offset_min: i16) -> Self {
        Self { offset_min, ..Self::UTC }
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
        self.exceptions.turn(u16::try_from(day).map_err(|_| NoRoom)?)
    }

    /// The days that are other than their week, in days since 1970-01-01.
    pub fn exceptions(&self) -> impl Iterator<Item = u16> + '_ {
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
        assert_eq!((site.exceptions().count(), site.is_open(at(friday))), (2, true));
        let china = Calendar { offset_min: 480, ..site };
        assert!(china.is_worked(FRIDAY_NIGHT), "there it is Saturday, which is worked");
        assert_eq!(site, Calendar::default(), "what was learned goes on to hold");
        site.set(friday, true).expect("room");
        assert!(site.is_worked(FRIDAY_NIGHT) && site.exceptions().count() == 1);
        assert_eq!((site.set(-1, false), site.set(70_000, !site.is_workday(70_000))), (Err(NoRoom), Err(NoRoom)));
        // Two years from the first, whichever was said first.
        let first = friday + 1;
        assert_eq!(site.exceptions().collect::<Vec<_>>(), [first as u16]);
        assert_eq!(site.set(first + REACH as i64, !site.is_workday(first + REACH as i64)), Err(NoRoom));
        for day in first..first + REACH as i64 {
            site.set(day, !Calendar::default().is_workday(day)).expect("room");
        }
        assert_eq!(site.exceptions().count(), REACH);
        assert!((first..first + REACH as i64).all(|day| site.is_workday(day) != Calendar::default().is_workday(day)));
        site.set(first - 1, !site.is_workday(first - 1)).expect_err("no day before them");
        let last = first + REACH as i64 - 1;
        site.set(last, Calendar::default().is_workday(last)).expect("taken back");
        site.set(first - 1, !site.is_workday(first - 1)).expect("the last is earlier now");
    }

    #[test]
    fn before_1970_and_at_the_ends_of_time_there_is_an_hour_too() {
        for at in [i64::MIN, -1, 0, i64::MAX] {
            assert!(Calendar { offset_min: -60, ..Calendar::default() }.hour(Wall(at)) < 24);
        }
    }
}
