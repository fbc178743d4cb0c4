//! The times of an alarm's last few transitions: enough to say whether one more is too many.

use crate::time::Mono;

/// How many transitions within which time are too many for one alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Transitions between alarm and normal, 2 to 4; what lies outside is taken as the nearest.
    pub transitions: u8,
    /// Within less than this time, ms.
    pub within_ms: u64,
}

impl Default for Pace {
    /// Chattering by ISA-18.2 / IEC 62682: 3 or more in a minute.
    fn default() -> Self {
        Self { transitions: 3, within_ms: 60_000 }
    }
}

impl Pace {
    /// The transitions, within their bounds.
    pub(super) fn least(self) -> u32 {
        u32::from(self.transitions.clamp(2, 4))
    }
}

/// The last three times, the newest first; 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Recent {
    at: [Mono; 3],
    /// How many of them there are.
    known: u8,
}

const _: () = assert!(size_of::<Recent>() <= 32);

impl Recent {
    /// One more; says whether it is one too many.
    pub(super) fn add(&mut self, pace: Pace, mono: Mono) -> bool {
        let before = pace.least() as usize - 2;
        let first = self.at.get(before).filter(|_| usize::from(self.known) > before);
        let rapid = first.is_some_and(|first| mono.since(*first) < pace.within_ms);
        let [newest, second, _] = self.at;
        self.at = [mono, newest, second];
        self.known = (self.known + 1).min(3);
        rapid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_within_a_minute_is_one_too_many() {
        let mut recent = Recent::default();
        let said =
            [0, 59_999, 60_000, 60_001, 180_000, 239_999, 239_999].map(|ms| recent.add(Pace::default(), Mono(ms)));
        assert_eq!(said, [false, false, false, true, false, false, true]);
    }

    #[test]
    fn two_or_four_may_be_the_line() {
        for transitions in 2..=4 {
            let pace = Pace { transitions, within_ms: 100 };
            let mut recent = Recent::default();
            let first = (1..=4).find(|n| recent.add(pace, Mono(*n)));
            assert_eq!(first, Some(u64::from(transitions)));
        }
    }
}
