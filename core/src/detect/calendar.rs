//! Calendar: which hour of the site's day it is, whether the day is worked, whether the site is open.
//!
//! Core knows no zones: whoever lends a calendar keeps `offset_min` true when the clocks change. Readings bear UTC.

use crate::time::Wall;

const HOUR_MS: i64 = 3_600_000;
const DAY_MIN: u16 = 24 * 60;
/// 1970-01-01 was a Thursday: day 3 of a week that begins on Monday.
const FIRST_WEEKDAY: i64 = 3;

/// The site's week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
}

impl Default for Calendar {
    fn default() -> Self {
        Self { offset_min: 0, worked: 0b001_1111, open_min: 0, close_min: 0 }
    }
}

impl Calendar {
    fn local(self, at: Wall) -> i64 {
        at.0.saturating_add(i64::from(self.offset_min) * 60_000)
    }

    /// Hour of the local day, 0 to 23.
    pub fn hour(self, at: Wall) -> usize {
        self.local(at).div_euclid(HOUR_MS).rem_euclid(24) as usize
    }

    /// Whether the local day is a working day.
    pub fn is_worked(self, at: Wall) -> bool {
        let day = (self.local(at).div_euclid(24 * HOUR_MS) + FIRST_WEEKDAY).rem_euclid(7);
        self.worked & (1 << day) != 0
    }

    /// How far the local day is on, 0 to below 1.
    pub fn day_part(self, at: Wall) -> f64 {
        self.local(at).rem_euclid(24 * HOUR_MS) as f64 / (24 * HOUR_MS) as f64
    }

    /// Whether the site is open: between opening and closing, on whatever day.
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
    fn before_1970_and_at_the_ends_of_time_there_is_an_hour_too() {
        for at in [i64::MIN, -1, 0, i64::MAX] {
            assert!(Calendar { offset_min: -60, ..Calendar::default() }.hour(Wall(at)) < 24);
        }
    }
}
