//! The sliding rate of annunciated alarms, and the flood that it begins and ends.
//!
//! ```text
//!          more than `above` in the window
//!  Calm ────────────────────────────────────▶ Flood (since, peak, count)
//!    ▲                                          │
//!    └──────────────────────────────────────────┘
//!          fewer than `below` in the window: by time alone, so it is a deadline
//! ```

use crate::time::{Mono, Now};

/// When a flood begins and ends. `below` is at most `above`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lines {
    /// Width of the sliding window, and of the fixed ones in the record, ms.
    pub window_ms: u64,
    /// Begins with more alarms than this in a window. A fixed window with more is counted in the record.
    pub above: u32,
    /// Ends with fewer than this.
    pub below: u32,
}

impl Default for Lines {
    /// ISA-18.2 / IEC 62682: begins with more than 10 in 10 min, ends with fewer than 5.
    fn default() -> Self {
        Self { window_ms: 600_000, above: 10, below: 5 }
    }
}

/// Grains of a window.
const GRAINS: usize = 60;
/// One more is kept, so that an alarm counts for a whole window at least.
const KEPT: usize = GRAINS + 1;

/// Alarms in the last window, to a grain of a sixtieth of it: of 10 min, each counts for 10 min at least and for 10 s more
/// at most. So no flood is missed; one may last up to a grain longer than it would by the millisecond. 136 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    /// By number of the grain, modulo their count. More than 65,535 in 10 s are no more than that.
    grains: [u16; KEPT],
    /// Number of the newest grain since the counter began.
    newest: u64,
    count: u32,
}

const _: () = assert!(size_of::<Rate>() <= 136);

impl Default for Rate {
    fn default() -> Self {
        Self { grains: [0; KEPT], newest: 0, count: 0 }
    }
}

impl Rate {
    fn grain_ms(lines: &Lines) -> u64 {
        (lines.window_ms / GRAINS as u64).max(1)
    }

    fn slot(&mut self, grain: u64) -> Option<&mut u16> {
        self.grains.get_mut((grain % KEPT as u64) as usize)
    }

    /// Lets go of what has left the window; says how many are in it.
    pub(super) fn at(&mut self, lines: &Lines, mono: Mono) -> u32 {
        let now = mono.0 / Self::grain_ms(lines);
        if now.saturating_sub(self.newest) >= KEPT as u64 {
            *self = Self { newest: now, ..Self::default() };
        }
        while self.newest < now {
            self.newest += 1;
            let gone = self.slot(self.newest).map_or(0, core::mem::take);
            self.count -= u32::from(gone);
        }
        self.count
    }

    /// One more; says how many there are with it.
    pub(super) fn add(&mut self, lines: &Lines, mono: Mono) -> u32 {
        self.at(lines, mono);
        if let Some(grain) = self.slot(self.newest).filter(|grain| **grain < u16::MAX) {
            *grain += 1;
            self.count += 1;
        }
        self.count
    }

    /// When fewer than `lines.below` will be left, if none comes.
    fn falls_below(&self, lines: &Lines) -> Mono {
        let next = self.newest + 1;
        // The oldest stands where the next will be.
        let (young, old) = self.grains.split_at_checked((next % KEPT as u64) as usize).unwrap_or_default();
        let mut left = self.count;
        for (leaves, gone) in (next..).zip(old.iter().chain(young)) {
            left -= u32::from(*gone);
            if left < lines.below {
                return Mono(leaves.saturating_mul(Self::grain_ms(lines)));
            }
        }
        // Only with `below` 0, which no count is below: such a flood has no end, and says so by never being due.
        Mono(u64::MAX)
    }
}

/// Whether the operator is flooded; drawn above.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flood {
    /// No.
    #[default]
    Calm,
    /// Yes.
    Flood {
        /// When it began.
        since: Now,
        /// Most alarms in one sliding window so far.
        peak: u32,
        /// Alarms so far, with those of the window that began it.
        count: u32,
    },
}

impl Flood {
    /// An alarm came, and there are `rate` in the window.
    pub(super) fn alarm(self, lines: &Lines, rate: u32, now: Now) -> Self {
        match self {
            Self::Calm if rate > lines.above => Self::Flood { since: now, peak: rate, count: rate },
            Self::Calm => Self::Calm,
            Self::Flood { since, peak, count } => {
                Self::Flood { since, peak: peak.max(rate), count: count.saturating_add(1) }
            }
        }
    }

    /// When it will be over, if no alarm comes.
    pub(super) fn deadline(self, lines: &Lines, rate: &Rate) -> Option<Mono> {
        match self {
            Self::Calm => None,
            Self::Flood { .. } => Some(rate.falls_below(lines)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_alarm_counts_for_its_window_and_a_grain_at_most() {
        let lines = Lines::default();
        let mut rate = Rate::default();
        assert_eq!(rate.add(&lines, Mono(9_999)), 1);
        assert_eq!(rate.at(&lines, Mono(609_999)), 1);
        assert_eq!(rate.at(&lines, Mono(610_000)), 0);
    }

    proptest! {
        /// Never fewer than in the last window to the millisecond, never more than in one that is a grain wider.
        #[test]
        fn the_grain_is_what_the_page_says(gaps in prop::collection::vec(0..90_000u64, 1..200)) {
            let lines = Lines::default();
            let mut rate = Rate::default();
            let mut came = Vec::new();
            let mut ms = 1 << 40;
            for gap in gaps {
                ms += gap;
                came.push(ms);
                let within = |width: u64| came.iter().filter(|at| ms - **at < width).count() as u32;
                let said = rate.add(&lines, Mono(ms));
                prop_assert!(within(600_000) <= said && said <= within(610_000), "{said}");
            }
        }

        /// The end is foretold to the millisecond: at the deadline fewer are left, just before it there were enough.
        #[test]
        fn the_end_is_foretold(gaps in prop::collection::vec(0..60_000u64, 11..100)) {
            let lines = Lines::default();
            let mut rate = Rate::default();
            let mut ms = 0;
            for gap in gaps {
                ms += gap;
                rate.add(&lines, Mono(ms));
            }
            prop_assume!(rate.count >= lines.below);
            let due = rate.falls_below(&lines);
            prop_assert!(rate.clone().at(&lines, Mono(due.0 - 1)) >= lines.below);
            prop_assert!(rate.at(&lines, due) < lines.below);
        }
    }
}
