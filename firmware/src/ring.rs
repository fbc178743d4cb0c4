//! The offline ring: numbered records, released by number, and a hole is a fact.
//!
//! When it is full the oldest record gives way and the number it had stays missed: [`Ring::read`] starts with a
//! [`Item::Lost`] that says how many, so that a gap is never mistaken for quiet. Three operations are the contract:
//! [`Ring::insert`], [`Ring::read`] from a number, [`Ring::release`] through a number.

use gengfu_core::reading::Reading;
use heapless::Deque;

/// What a reader of the ring gets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Item {
    /// Readings `first .. first + count` were overwritten before they were read.
    Lost {
        /// Number of the first that is missing.
        first: u32,
        /// How many.
        count: u32,
    },
    /// A reading and its number.
    Kept(u32, Reading),
}

/// A ring of `N` readings, 32 bytes each.
#[derive(Debug, Default)]
pub struct Ring<const N: usize> {
    readings: Deque<Reading, N>,
    /// Number the next reading will get; counts from 0 and wraps after 2^32, some 136 years at one a second.
    next: u32,
    /// Readings from here on are owed to the reader.
    owed: u32,
}

impl<const N: usize> Ring<N> {
    /// An empty ring.
    pub const fn new() -> Self {
        Self { readings: Deque::new(), next: 0, owed: 0 }
    }

    /// Keeps a reading, at the cost of the oldest if there is no room. Returns its number.
    pub fn insert(&mut self, reading: Reading) -> u32 {
        if self.readings.is_full() {
            self.readings.pop_front();
        }
        // Fails only for N = 0, and then everything is a loss that `read` reports.
        let _ = self.readings.push_back(reading);
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        number
    }

    /// What is owed, oldest first, beginning with what was lost.
    pub fn read(&self) -> impl Iterator<Item = Item> + '_ {
        let first = self.first();
        let lost = first.wrapping_sub(self.owed);
        let hole =
            (self.owed_count() > self.readings.len() as u32).then_some(Item::Lost { first: self.owed, count: lost });
        let skip = self.readings.len().saturating_sub(self.owed_count() as usize);
        let kept = self.readings.iter().enumerate().skip(skip);
        hole.into_iter().chain(kept.map(move |(i, r)| Item::Kept(first.wrapping_add(i as u32), *r)))
    }

    /// The reader has everything through `number` safe; numbers already released or not yet given are ignored.
    pub fn release(&mut self, number: u32) {
        let ahead = number.wrapping_sub(self.owed);
        if ahead < self.owed_count() {
            self.owed = number.wrapping_add(1);
        }
        while self.readings.len() as u32 > self.owed_count() {
            self.readings.pop_front();
        }
    }

    fn owed_count(&self) -> u32 {
        self.next.wrapping_sub(self.owed)
    }

    fn first(&self) -> u32 {
        self.next.wrapping_sub(self.readings.len() as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gengfu_core::quality::Quality;
    use gengfu_core::reading::PointId;
    use gengfu_core::time::Wall;

    fn reading(n: u32) -> Reading {
        Reading { point: PointId(0), at: Wall(i64::from(n)), value: f64::from(n), quality: Quality::Good }
    }

    fn filled(n: u32) -> Ring<4> {
        let mut ring = Ring::new();
        for i in 0..n {
            assert_eq!(ring.insert(reading(i)), i);
        }
        ring
    }

    fn items(ring: &Ring<4>) -> Vec<Item> {
        ring.read().collect()
    }

    #[test]
    fn what_fits_is_kept_in_order() {
        assert_eq!(items(&filled(3)), (0..3).map(|n| Item::Kept(n, reading(n))).collect::<Vec<_>>());
    }

    #[test]
    fn a_loss_is_told_before_what_follows_it() {
        let ring = filled(7);
        assert_eq!(items(&ring)[..2], [Item::Lost { first: 0, count: 3 }, Item::Kept(3, reading(3))]);
        assert_eq!(items(&ring).len(), 5);
    }

    #[test]
    fn release_frees_and_never_goes_back() {
        let mut ring = filled(4);
        ring.release(1);
        assert_eq!(items(&ring), [Item::Kept(2, reading(2)), Item::Kept(3, reading(3))]);
        ring.release(0);
        ring.release(99);
        assert_eq!(items(&ring).len(), 2, "the past and the future are ignored");
        ring.insert(reading(4));
        assert_eq!(items(&ring).len(), 3);
    }

    #[test]
    fn releasing_a_loss_forgets_it() {
        let mut ring = filled(7);
        ring.release(4);
        assert_eq!(items(&ring), [Item::Kept(5, reading(5)), Item::Kept(6, reading(6))]);
    }
}
