//! Block: what fell into a stretch of time, as one number that a spike does not move.
//!
//! Up to 18 readings: their median, so that 8 of them may be wild. More: medians of three in a row, averaged by 1, 2, 4 ...
//! into 9 to 18 stretches of equal length, and the median of those. Single spikes fall out in the threes, a burst spoils the
//! stretch it falls into and no other, and every reading counts: of 100 the block scatters 1.4 times as much as their mean,
//! a median of a thinned sample of 15 three times. State: 208 bytes whatever the rate; a reading costs a push, a block one
//! selection among 18 numbers.

use heapless::Vec;

use crate::time::Mono;

/// Stretches a block is judged by; divisible by 2 and 3.
pub const STRETCHES: usize = 18;

/// The block that is being filled.
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Block {
    from: Mono,
    stretches: Vec<f64, STRETCHES>,
    /// Readings that do not make three yet.
    three: Vec<f64, 3>,
    /// Threes that make a stretch; 0: a reading is one.
    threes: u32,
    /// Of the stretch that is not full yet.
    sum: f64,
    count: u32,
}

impl Block {
    /// Whether nothing fell into it yet.
    pub fn is_empty(&self) -> bool {
        self.stretches.is_empty()
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
        if self.is_empty() {
            *self = Self { from: now, ..Self::default() };
        }
        if self.threes == 0 {
            if self.stretches.push(value).is_ok() {
                return;
            }
            self.fold::<3>(|three| median(three).unwrap_or_default());
            self.threes = 1;
        }
        self.add_to_three(value);
    }

    fn add_to_three(&mut self, value: f64) {
        // There is room: three are taken out at once.
        let _ = self.three.push(value);
        if !self.three.is_full() {
            return;
        }
        // Divided before they are added: huge numbers must not make an infinity.
        self.sum += median(&mut self.three).unwrap_or_default() / f64::from(self.threes);
        self.three.clear();
        self.count += 1;
        if self.count < self.threes {
            return;
        }
        if self.stretches.is_full() {
            self.fold::<2>(|pair| pair.iter().map(|x| x / 2.0).sum());
            self.threes = self.threes.saturating_mul(2);
            self.sum /= 2.0;
            return;
        }
        // There is room, as asked.
        let _ = self.stretches.push(self.sum);
        (self.sum, self.count) = (0.0, 0);
    }

    /// Makes one stretch of `N` each.
    fn fold<const N: usize>(&mut self, one: impl Fn(&mut [f64]) -> f64) {
        let mut folded = Vec::new();
        for part in self.stretches.chunks_mut(N) {
            // There is room: they are fewer than before.
            let _ = folded.push(one(part));
        }
        self.stretches = folded;
    }

    /// Its median, and an empty block; `None` of nothing.
    pub fn take(&mut self) -> Option<f64> {
        let found = median(&mut self.stretches);
        self.stretches.clear();
        found
    }
}

/// Median of a few numbers, reordering them; `None` of none.
pub fn median(values: &mut [f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let odd = values.len() % 2 == 1;
    let (below, high, _) = values.select_nth_unstable_by(values.len() / 2, f64::total_cmp);
    if odd {
        return Some(*high);
    }
    // Halved before they are added: two huge numbers must not make an infinity.
    below.iter().copied().max_by(f64::total_cmp).map(|low| low / 2.0 + *high / 2.0)
}

const _: () = assert!(size_of::<Block>() <= 208);

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl Iterator<Item = f64>) -> Option<f64> {
        let mut block = Block::default();
        for (n, value) in values.enumerate() {
            block.add(value, Mono(n as u64));
        }
        block.take()
    }

    #[test]
    fn eight_wild_readings_of_seventeen_do_not_move_it() {
        assert_eq!(of((0..17).map(|n| if n % 2 == 1 { 1e9 } else { 5.0 })), Some(5.0));
        assert_eq!(of([].into_iter()), None);
    }

    #[test]
    fn a_spike_in_ten_and_a_long_burst_do_not_move_many_readings() {
        assert_eq!(of((0..10_000).map(|n| if n % 10 == 1 { 1e9 } else { 5.0 })), Some(5.0));
        assert_eq!(of((0..10_000).map(|n| if (2_000..6_000).contains(&n) { 1e9 } else { 5.0 })), Some(5.0));
    }

    #[test]
    fn every_reading_counts() {
        for many in [18, 19, 100, 1_000, 54_321] {
            let middle = of((0..many).map(f64::from)).expect("it has readings");
            let off = (middle / f64::from(many) - 0.5).abs();
            assert!(off < 0.06, "{middle} of {many}");
        }
    }

    #[test]
    fn a_block_begins_with_its_first_reading_and_ends_with_take() {
        let mut block = Block::default();
        block.add(1.0, Mono(7));
        assert_eq!((block.from(), block.age(Mono(9)), block.is_empty()), (Mono(7), 2, false));
        assert_eq!((block.take(), block.take(), block.age(Mono(30))), (Some(1.0), None, 0));
    }

    #[test]
    fn the_middle_of_huge_numbers_is_a_number() {
        assert_eq!(of([f64::MAX; 40].into_iter()), Some(f64::MAX));
        assert_eq!(of([f64::MAX; 1_000].into_iter()), Some(f64::MAX));
    }
}
