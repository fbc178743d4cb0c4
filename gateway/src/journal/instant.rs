//! Two readings of a series never share an instant: where the millisecond is taken, the smallest free nanosecond below the
//! next one is given, once, at commit.
//!
//! The bound: exact among the [`RECENT`] newest stamps of a series and among the last [`LATE`] to 2 × [`LATE`] readings
//! that came with older stamps. A reading older than both that falls on a taken millisecond gets offset 0 again.

use std::collections::HashMap;

/// Newest stamps remembered of each series.
const RECENT: usize = 8;
/// Late readings remembered in each of two generations (about 1 MiB together).
const LATE: usize = 16_384;
/// Series with a slot of their own; indices beyond (a defect elsewhere) share the map of late ones.
const MAX_SERIES: usize = 1 << 20;
/// The last offset below the next millisecond.
const LAST_OFFSET: u32 = 999_999;

/// Stamps of one series in ascending order, each with its next free offset; `i64::MIN` marks an empty place.
#[derive(Debug, Clone)]
struct Series {
    at: [i64; RECENT],
    next: [u32; RECENT],
}

impl Series {
    const EMPTY: Self = Self { at: [i64::MIN; RECENT], next: [0; RECENT] };

    /// Takes an offset not below `least`; `None` if `at` is older than all that is remembered.
    fn take(&mut self, at: i64, least: u32) -> Option<u32> {
        let newest = *self.at.last()?;
        if at > newest {
            self.at.copy_within(1.., 0);
            self.next.copy_within(1.., 0);
            *self.at.last_mut()? = at;
            *self.next.last_mut()? = least + 1;
            return Some(least);
        }
        let place = self.at.iter().rposition(|known| *known <= at)?;
        if *self.at.get(place)? == at {
            let next = self.next.get_mut(place)?;
            let offset = (*next).max(least);
            *next = offset.saturating_add(1);
            return Some(offset);
        }
        self.at.get_mut(..=place)?.rotate_left(1);
        self.next.get_mut(..=place)?.rotate_left(1);
        *self.at.get_mut(place)? = at;
        *self.next.get_mut(place)? = least + 1;
        Some(least)
    }
}

/// The offsets given out.
#[derive(Debug, Default)]
pub(super) struct Instants {
    series: Vec<Series>,
    late: HashMap<(u32, i64), u32>,
    older: HashMap<(u32, i64), u32>,
}

impl Instants {
    /// The offset (ns) of a reading of `point` at `at` (ms).
    pub(super) fn offset(&mut self, point: u32, at: i64) -> u32 {
        self.take(point, at, 0).min(LAST_OFFSET)
    }

    /// A reading of the journal had this offset.
    pub(super) fn seen(&mut self, point: u32, at: i64, offset: u32) {
        self.take(point, at, offset.min(LAST_OFFSET));
    }

    fn take(&mut self, point: u32, at: i64, least: u32) -> u32 {
        let index = point as usize;
        if index >= self.series.len() && index < MAX_SERIES {
            self.series.resize(index + 1, Series::EMPTY);
        }
        if let Some(offset) = self.series.get_mut(index).and_then(|series| series.take(at, least)) {
            return offset;
        }
        if self.late.len() >= LATE {
            self.older = std::mem::take(&mut self.late);
        }
        let older = self.older.get(&(point, at)).copied().unwrap_or(0);
        let next = self.late.entry((point, at)).or_insert(older);
        let offset = (*next).max(least);
        *next = offset.saturating_add(1);
        offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_free_millisecond_is_left_as_it_is_and_a_taken_one_is_not() {
        let mut instants = Instants::default();
        assert_eq!(instants.offset(3, 1000), 0);
        assert_eq!(instants.offset(3, 1000), 1);
        assert_eq!(instants.offset(4, 1000), 0, "another series");
        assert_eq!(instants.offset(3, 1001), 0);
        assert_eq!(instants.offset(3, 1000), 2, "late, and still known");
        assert_eq!(instants.offset(3, 500), 0);
        assert_eq!(instants.offset(3, 500), 1, "late both times");
    }

    #[test]
    fn what_the_journal_holds_counts_after_a_restart() {
        let mut instants = Instants::default();
        instants.seen(0, 7, 0);
        instants.seen(0, 7, 1);
        assert_eq!(instants.offset(0, 7), 2);
        assert_eq!(instants.offset(u32::MAX, 7), 0, "an index that can't be does not take memory");
        assert_eq!(instants.offset(u32::MAX, 7), 1);
    }

    #[test]
    fn late_readings_are_remembered_within_the_bound() {
        let mut instants = Instants::default();
        (0..RECENT as i64).for_each(|n| instants.seen(0, 1_000_000_000 + n, 0));
        for at in 0..3 * LATE as i64 {
            assert_eq!(instants.offset(0, at), 0);
        }
        assert!(instants.late.len() <= LATE && instants.older.len() <= LATE);
        assert_eq!(instants.offset(0, 3 * LATE as i64 - 1), 1);
    }

    proptest! {
        #[test]
        fn within_the_window_no_two_readings_share_an_instant(late in proptest::collection::vec(0_i64..7, 1..400)) {
            let mut instants = Instants::default();
            let mut given = BTreeSet::new();
            for (n, late) in late.into_iter().enumerate() {
                let at = n as i64 / 3 - late;
                prop_assert!(given.insert((at, instants.offset(1, at))), "an instant was given twice");
            }
        }
    }
}
