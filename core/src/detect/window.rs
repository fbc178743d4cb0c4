//! Window: what came to pass within the last so many minutes, in 16 parts; what count and accumulated share.
//!
//! A part is a sixteenth of the window, so that it slides in steps and what is 15 to 16 parts old is just forgotten. What
//! comes late counts in its own part. State: 136 bytes, whatever comes in.

use crate::time::Mono;

const PARTS: usize = 16;

/// Amounts by part.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Window {
    parts: [f64; PARTS],
    /// Number of the newest part since the counter's beginning.
    newest: u64,
}

impl Window {
    const fn part_ms(window_ms: u64) -> u64 {
        let part = window_ms / PARTS as u64;
        if part == 0 { 1 } else { part }
    }

    /// Time goes on: what is too old is forgotten.
    pub fn advance(&mut self, window_ms: u64, now: Mono) {
        let number = now.0 / Self::part_ms(window_ms);
        for gone in self.newest.saturating_add(1)..=number.min(self.newest.saturating_add(PARTS as u64)) {
            if let Some(part) = self.parts.get_mut((gone % PARTS as u64) as usize) {
                *part = 0.0;
            }
        }
        if number > self.newest.saturating_add(PARTS as u64) {
            self.parts = [0.0; PARTS];
        }
        self.newest = self.newest.max(number);
    }

    /// So much came to pass then: now, or earlier, of which what is too old is forgotten already.
    pub fn add(&mut self, window_ms: u64, then: Mono, amount: f64) {
        self.advance(window_ms, then);
        let number = then.0 / Self::part_ms(window_ms);
        let within = self.newest.saturating_sub(number) < PARTS as u64;
        if let Some(part) = self.parts.get_mut((number % PARTS as u64) as usize).filter(|_| within) {
            *part += amount;
        }
    }

    /// What came to pass within the window.
    pub fn total(&self) -> f64 {
        self.parts.iter().sum()
    }

    /// When the next part begins and the oldest is forgotten.
    pub const fn turns(&self, window_ms: u64) -> Mono {
        Mono((self.newest + 1).saturating_mul(Self::part_ms(window_ms)))
    }
}

const _: () = assert!(size_of::<Window>() <= 136);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_old_is_forgotten() {
        let mut w = Window::default();
        w.add(1_600, Mono(50), 3.0);
        w.add(1_600, Mono(1_500), 4.0);
        assert_eq!((w.total(), w.turns(1_600)), (7.0, Mono(1_600)));
        w.advance(1_600, Mono(1_600));
        assert_eq!(w.total(), 4.0);
        w.advance(1_600, Mono(900));
        assert_eq!(w.total(), 4.0, "time does not go back");
        w.add(1_600, Mono(200), 1.0);
        w.add(1_600, Mono(50), 2.0);
        assert_eq!(w.total(), 5.0, "what came late counts where it belongs, and no more where that is forgotten");
        w.advance(1_600, Mono(1_800));
        assert_eq!(w.total(), 4.0);
        w.advance(1_600, Mono(u64::MAX));
        assert_eq!(w.total(), 0.0);
    }
}
