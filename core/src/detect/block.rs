//! Block: what fell into a stretch of time, as one number that a spike does not move.
//!
//! `median` of an even sample of at most 15 readings: once they are more, every second is dropped and from then on half as
//! many are taken, so that cost and state do not grow with the rate. Up to 7 wild readings of 15 leave it where it is.
//! State: 152 bytes; a reading costs a push, a block one sort of 15 numbers.

use heapless::Vec;

use crate::time::Mono;

/// Readings a block is judged by.
pub const SAMPLES: usize = 15;

/// The block that is being filled.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Block {
    from: Mono,
    samples: Vec<f64, SAMPLES>,
    /// Every `stride`-th reading is kept.
    stride: u32,
    seen: u32,
}

impl Block {
    /// Whether nothing fell into it yet.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// How long ago its first reading came, ms; 0 while it is empty.
    pub fn age(&self, mono: Mono) -> u64 {
        if self.is_empty() { 0 } else { mono.since(self.from) }
    }

    /// When its first reading came.
    pub const fn from(&self) -> Mono {
        self.from
    }

    /// A finite value came.
    #[inline]
    pub fn add(&mut self, value: f64, now: Mono) {
        if self.samples.is_empty() {
            (self.from, self.stride, self.seen) = (now, 1, 0);
        }
        let wanted = self.seen.is_multiple_of(self.stride);
        self.seen = self.seen.wrapping_add(1);
        if !wanted {
            return;
        }
        if self.samples.is_full() {
            let mut odd = false;
            self.samples.retain(|_| {
                odd = !odd;
                odd
            });
            self.stride = self.stride.saturating_mul(2);
        }
        // There is room: half of them have just gone.
        let _ = self.samples.push(value);
    }

    /// Its median, and an empty block; `None` of nothing.
    pub fn take(&mut self) -> Option<f64> {
        let found = median(&mut self.samples);
        self.samples.clear();
        found
    }
}

/// Median of a few numbers, sorting them in place; `None` of none.
pub fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let mid = values.len() / 2;
    let high = *values.get(mid)?;
    if values.len() % 2 == 1 {
        return Some(high);
    }
    // Halved before they are added: two huge numbers must not make an infinity.
    values.get(mid.wrapping_sub(1)).map(|low| low / 2.0 + high / 2.0)
}

const _: () = assert!(size_of::<Block>() <= 152);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seven_wild_readings_of_fifteen_do_not_move_it() {
        let mut block = Block::default();
        for n in 0..15 {
            block.add(if n % 2 == 1 { 1e9 } else { 5.0 }, Mono(n));
        }
        assert_eq!(block.age(Mono(20)), 20);
        assert_eq!(block.take(), Some(5.0));
        assert_eq!((block.take(), block.age(Mono(30))), (None, 0));
    }

    #[test]
    fn many_readings_are_thinned_evenly() {
        let mut block = Block::default();
        for n in 0..1_000_u32 {
            block.add(f64::from(n), Mono(u64::from(n)));
        }
        let middle = block.take().expect("it has readings");
        assert!((middle - 500.0).abs() < 100.0, "{middle}");
    }

    #[test]
    fn the_middle_of_two_huge_numbers_is_a_number() {
        assert_eq!(median(&mut [f64::MAX, f64::MAX]), Some(f64::MAX));
    }
}
