//! The record of a period: what is said of a day, a month, a shift.

use crate::alarm::Priority;
use crate::time::{Now, Wall};

/// One of each priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ByPriority<T> {
    /// Of low.
    pub low: T,
    /// Of medium.
    pub medium: T,
    /// Of high.
    pub high: T,
    /// Of critical.
    pub critical: T,
}

impl<T> ByPriority<T> {
    /// The one of this priority.
    pub const fn of(&self, priority: Priority) -> &T {
        match priority {
            Priority::Low => &self.low,
            Priority::Medium => &self.medium,
            Priority::High => &self.high,
            Priority::Critical => &self.critical,
        }
    }

    pub(super) const fn of_mut(&mut self, priority: Priority) -> &mut T {
        match priority {
            Priority::Low => &mut self.low,
            Priority::Medium => &mut self.medium,
            Priority::High => &mut self.high,
            Priority::Critical => &mut self.critical,
        }
    }
}

impl ByPriority<u32> {
    /// All together.
    pub fn total(&self) -> u32 {
        Priority::ALL.iter().fold(0, |sum, p| self.of(*p).saturating_add(sum))
    }

    /// The share of one, 0 to 1; `None` where there are none at all. ISA-18.2 asks for some 80 % low, 15 % medium, 5 % high
    /// and, of four levels, less than 1 % of the highest.
    pub fn share(&self, priority: Priority) -> Option<f64> {
        let total = self.total();
        (total > 0).then(|| f64::from(*self.of(priority)) / f64::from(total))
    }
}

/// Alarms in windows of one width, cut by the wall clock in UTC. A clock that is set into another window begins a new one,
/// even if that was there before. 56 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Windows {
    /// The one that is open: when it began, alarms so far.
    open: Option<(Wall, u32)>,
    /// Windows with more alarms than the line allows; the open one too, once it has.
    pub above: u32,
    /// The window with the most alarms (the first of equals): its beginning and its alarms. `None` without an alarm.
    pub worst: Option<(Wall, u32)>,
}

const _: () = assert!(size_of::<Windows>() <= 56);

impl Windows {
    pub(super) fn add(&mut self, wall: Wall, width_ms: u64, line: u32) {
        let width = i64::try_from(width_ms).unwrap_or(i64::MAX).max(1);
        let began = Wall(wall.0.saturating_sub(wall.0.rem_euclid(width)));
        let before = self.open.filter(|open| open.0 == began).map_or(0, |open| open.1);
        let count = before.saturating_add(1);
        self.open = Some((began, count));
        if before <= line && count > line {
            self.above += 1;
        }
        if self.worst.is_none_or(|worst| worst.1 < count) {
            self.worst = Some((began, count));
        }
    }
}

/// Bounds double from 1 s: the last but one is 2^14 s, 4.5 h, the last is open.
const BUCKETS: usize = 16;

/// How long people took. The histogram has one bucket a doubling, so a percentile is known to a factor of two; 88 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Waits {
    /// How often.
    pub count: u32,
    /// All together, ms.
    pub sum_ms: u64,
    /// The longest, ms.
    pub max_ms: u64,
    /// Waits of at most 1 s, 2 s, 4 s … and beyond.
    pub histogram: [u32; BUCKETS],
}

const _: () = assert!(size_of::<Waits>() <= 88);

impl Waits {
    pub(super) fn add(&mut self, ms: u64) {
        self.count = self.count.saturating_add(1);
        self.sum_ms = self.sum_ms.saturating_add(ms);
        self.max_ms = self.max_ms.max(ms);
        let seconds = ms.div_ceil(1_000).max(1);
        let doublings = seconds.next_power_of_two().trailing_zeros() as usize;
        if let Some(bucket) = self.histogram.get_mut(doublings.min(BUCKETS - 1)) {
            *bucket = bucket.saturating_add(1);
        }
    }

    /// The mean, ms.
    pub fn mean_ms(&self) -> Option<u64> {
        self.sum_ms.checked_div(u64::from(self.count))
    }

    /// An upper bound of the time within which `percent` (1 to 100) of them were done, ms: 50 for the median. The true
    /// figure is more than half of it, except below 1 s and above 4.5 h.
    pub fn percentile_ms(&self, percent: u8) -> Option<u64> {
        let wanted = (u64::from(self.count) * u64::from(percent.min(100))).div_ceil(100).max(1);
        let mut seen = 0;
        for (doublings, count) in self.histogram.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= wanted {
                let bound = if doublings == BUCKETS - 1 { u64::MAX } else { 1_000 << doublings };
                return Some(bound.min(self.max_ms));
            }
        }
        None
    }
}

/// What is said of a period; 536 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Period {
    /// When it began.
    pub since: Now,
    /// When it was closed, or asked for.
    pub until: Now,
    /// Alarms that rang, again or for the first time.
    pub annunciated: ByPriority<u32>,
    /// In windows as wide as the flood's (10 min).
    pub windows: Windows,
    /// In hours.
    pub hours: Windows,
    /// Floods that began in it.
    pub floods: u32,
    /// Time in flood, ms.
    pub flood_ms: u64,
    /// How often an alarm began to chatter.
    pub chatters: u32,
    /// Alarms that went again before anybody could have acted.
    pub fleeting: u32,
    /// From the ring to the acknowledgement.
    pub acknowledged: ByPriority<Waits>,
}

const _: () = assert!(size_of::<Period>() <= 536);

impl Period {
    pub(super) fn beginning(since: Now) -> Self {
        Self { since, until: since, ..Self::default() }
    }

    /// How long it is, ms. A share of windows is `windows.above` over this over the width of one.
    pub const fn length_ms(&self) -> u64 {
        self.until.mono.since(self.since.mono)
    }

    /// The share of the time in flood, 0 to 1; ISA-18.2 asks for less than 1 %.
    pub fn flood_share(&self) -> Option<f64> {
        (self.length_ms() > 0).then(|| self.flood_ms as f64 / self.length_ms() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_cut_by_the_wall_clock() {
        let mut windows = Windows::default();
        let mut add = |ms, times| (0..times).for_each(|_| windows.add(Wall(ms), 600_000, 10));
        add(599_999, 6);
        add(600_000, 10);
        assert_eq!((windows.above, windows.worst), (0, Some((Wall(600_000), 10))));
        windows.add(Wall(1_199_999), 600_000, 10);
        windows.add(Wall(1_199_999), 600_000, 10);
        assert_eq!((windows.above, windows.worst), (1, Some((Wall(600_000), 12))), "one window is above once");
        windows.add(Wall(-1), 600_000, 10);
        assert_eq!(windows.open, Some((Wall(-600_000), 1)), "a clock before 1970 has windows too");
    }

    #[test]
    fn percentiles_are_bounds() {
        let mut waits = Waits::default();
        assert_eq!((waits.percentile_ms(50), waits.mean_ms()), (None, None));
        (1..=9).for_each(|_| waits.add(3_500));
        waits.add(40_000_000);
        assert_eq!((waits.percentile_ms(50), waits.percentile_ms(90)), (Some(4_000), Some(4_000)));
        assert_eq!((waits.percentile_ms(91), waits.max_ms), (Some(40_000_000), 40_000_000));
        assert_eq!(waits.mean_ms(), Some(4_003_150));
    }

    #[test]
    fn a_bound_is_never_too_low_nor_twice_too_high() {
        for ms in [0, 1, 999, 1_000, 1_001, 2_000, 2_001, 65_000, 16_384_000, 16_384_001, u64::MAX] {
            let mut waits = Waits::default();
            waits.add(ms);
            // beside a longer one, so that the maximum does not help
            waits.add(u64::MAX);
            let bound = waits.percentile_ms(50).expect("there are two");
            assert!(bound >= ms, "{ms} {bound}");
            assert!(ms <= 1_000 || ms > 16_384_000 || bound < 2 * ms, "{ms} {bound}");
        }
    }

    #[test]
    fn shares_are_of_all() {
        let counts = ByPriority { low: 80, medium: 15, high: 5, critical: 0 };
        assert_eq!(counts.share(Priority::Medium), Some(0.15));
        assert_eq!(ByPriority::<u32>::default().share(Priority::Low), None);
    }
}
