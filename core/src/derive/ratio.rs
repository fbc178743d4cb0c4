//! Ratio: so many of something by so many of something else, out of two counters that only grow, told whenever there was
//! enough to divide by.
//!
//! `growth of parts / growth of wholes` since the last ratio, when the wholes have grown by `enough`: 3 re-opens in 120 trips
//! are 0.025 a trip. The scatter of a rare share `p` is `sqrt(p (1 - p) / enough)`: choose `enough` so that some parts are
//! expected. State: 120 bytes.
//!
//! A counter stands where the middle one of its last three words is, so a misread word moves nothing, and what it says counts a word later.
//! One that falls back was reset, and goes on from there. While the parts say nothing there is no ratio, never one of 0; what grew
//! meanwhile is in the next. Bad input: what is not finite, or below 0, is no word. When not to use it: where the wholes are so few that a ratio comes once a week.

/// Parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Params {
    /// How many wholes make a ratio, above 0.
    pub enough: f64,
}

/// A counter, and by how much it has grown since the last ratio.
///
/// It stands where the middle one of its last three words is: one word that was misread moves nothing, and neither does the jump back.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Counter {
    /// The last words, the youngest last.
    words: [Option<f64>; 2],
    stands: Option<f64>,
    grown: f64,
}

impl Counter {
    /// The counter was read. `false`: this was no word of it.
    fn read(&mut self, says: f64) -> bool {
        if !(says.is_finite() && says >= 0.0) {
            return false;
        }
        let [older, old] = self.words;
        self.words = [old, Some(says)];
        if let (Some(older), Some(old)) = (older, old) {
            let stands = middle(older, old, says);
            // What falls back was reset, and goes on from there.
            if let Some(before) = self.stands.filter(|before| stands > *before) {
                self.grown += stands - before;
            }
            self.stands = Some(stands);
        }
        true
    }
}

/// By comparisons alone: which zero is the greater is another on each machine.
fn middle(a: f64, b: f64, c: f64) -> f64 {
    let (low, high) = if b < a { (b, a) } else { (a, b) };
    if c < low {
        low
    } else if high < c {
        high
    } else {
        c
    }
}

/// State of one ratio.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct State {
    parts: Counter,
    wholes: Counter,
    /// The parts were read since the wholes were.
    spoken: bool,
    /// Words of the parts that are wanted before they are believed again: they were silent when a ratio was due, and stand where
    /// they stood until their second.
    wanted: u8,
}

impl State {
    /// The counter of the parts was read.
    pub fn part(&mut self, says: f64) {
        if self.parts.read(says) {
            (self.spoken, self.wanted) = (true, self.wanted.saturating_sub(1));
        }
    }

    /// The counter of the wholes was read; a ratio, if it has grown enough and the parts have spoken since its last word.
    pub fn whole(&mut self, params: &Params, says: f64) -> Option<f64> {
        let was = self.wholes.stands;
        if !self.wholes.read(says) {
            return None;
        }
        if was.is_none() || self.parts.stands.is_none() {
            // What grew before both are known belongs to nobody.
            (self.parts.grown, self.wholes.grown) = (0.0, 0.0);
        }
        let spoken = core::mem::take(&mut self.spoken);
        if self.wholes.grown < params.enough || self.wholes.grown <= 0.0 {
            return None;
        }
        if !spoken {
            self.wanted = 2;
        }
        if self.wanted > 0 {
            return None;
        }
        let ratio = self.parts.grown / self.wholes.grown;
        (self.parts.grown, self.wholes.grown) = (0.0, 0.0);
        Some(ratio).filter(|r| r.is_finite())
    }
}

const _: () = assert!(size_of::<State>() <= 120);

#[cfg(test)]
mod tests {
    use super::*;

    const HUNDRED: Params = Params { enough: 100.0 };

    /// A word of each, so many more than before.
    struct Pair {
        state: State,
        parts: f64,
        wholes: f64,
    }

    impl Pair {
        fn new() -> Self {
            let mut pair = Self { state: State::default(), parts: 60_000.0, wholes: 65_000.0 };
            for _ in 0..3 {
                assert_eq!(pair.grow(0.0, 0.0), None);
            }
            pair
        }

        fn grow(&mut self, parts: f64, wholes: f64) -> Option<f64> {
            (self.parts, self.wholes) = (self.parts + parts, self.wholes + wholes);
            self.state.part(self.parts);
            self.state.whole(&HUNDRED, self.wholes)
        }
    }

    #[test]
    fn a_ratio_comes_when_there_is_enough_to_divide_by() {
        let mut pair = Pair::new();
        assert_eq!(pair.grow(2.0, 60.0), None);
        pair.state.part(f64::NAN);
        assert_eq!(pair.state.whole(&HUNDRED, f64::INFINITY), None);
        assert_eq!(pair.grow(1.0, 60.0), None, "each stands where it was a word ago");
        assert_eq!(pair.grow(0.0, 0.0), Some(0.025));
        assert_eq!(pair.grow(0.0, 99.0), None, "and it begins anew");
        assert_eq!(State::default().whole(&Params { enough: 0.0 }, 0.0), None);
    }

    #[test]
    fn while_the_parts_are_lost_there_is_no_share_and_all_of_it_counts_after() {
        let mut pair = Pair::new();
        for _ in 0..10 {
            pair.wholes += 60.0;
            assert_eq!(pair.state.whole(&HUNDRED, pair.wholes), None, "never a silent zero");
        }
        // They were re-opened all the while.
        assert_eq!(pair.grow(30.0, 0.0), None, "its first word moves nothing yet");
        assert_eq!(pair.grow(6.0, 60.0), Some(30.0 / 600.0));
    }

    #[test]
    fn what_the_parts_did_before_the_wholes_were_heard_belongs_to_nobody() {
        let mut state = State::default();
        for says in [0.0, 500.0, 1_000.0, 1_000.0] {
            state.part(says);
        }
        let mut shares = [0.0, 0.0, 0.0, 50.0, 100.0, 150.0].map(|says| {
            state.part(1_000.0);
            state.whole(&HUNDRED, says)
        });
        assert_eq!(shares.iter_mut().find_map(Option::take), Some(0.0));
    }

    #[test]
    fn a_counter_that_was_reset_goes_on_from_there_and_a_misread_word_moves_nothing() {
        let mut pair = Pair::new();
        (pair.parts, pair.wholes) = (0.0, 0.0);
        for _ in 0..3 {
            assert_eq!(pair.grow(0.0, 0.0), None);
        }
        assert_eq!((pair.grow(5.0, 100.0), pair.grow(0.0, 0.0)), (None, Some(0.05)));
        for wrong in [0.0, 99_999.0] {
            pair.state.part(wrong);
            pair.state.whole(&HUNDRED, pair.wholes);
            assert_eq!((pair.grow(3.0, 100.0), pair.grow(0.0, 0.0)), (None, Some(0.03)), "{wrong}");
        }
    }
}
