//! The engine's clock in a past: it runs with the time of the readings, and stands still while the gateway was off. Hours off are
//! neither a silence nor a delay, as in life.

use gengfu_core::time::{Mono, Now, Wall};

use super::BEGIN;

/// A time in which the gateway did not run, UTC ms.
pub(super) type Off = (i64, i64);

/// Both clocks along the past.
#[derive(Debug, Clone)]
pub(super) struct Line {
    start: i64,
    /// In order, apart from each other.
    off: Vec<Off>,
    /// Those that are over, and how long they were in all.
    over: usize,
    lost: i64,
    last: Mono,
}

impl Line {
    pub(super) fn new(start: i64, off: Vec<Off>) -> Self {
        Self { start, off, over: 0, lost: 0, last: BEGIN }
    }

    pub(super) fn start(&self) -> Now {
        Now { mono: BEGIN, wall: Wall(self.start) }
    }

    /// What both clocks show at a time; the counter never runs backwards, whatever the times do.
    #[inline]
    pub(super) fn at(&mut self, wall: i64) -> Now {
        let mut standing = 0;
        while let Some((from, to)) = self.off.get(self.over).copied().filter(|(from, _)| *from < wall) {
            if wall < to {
                standing = wall - from;
                break;
            }
            (self.over, self.lost) = (self.over + 1, self.lost + (to - from));
        }
        let ran = wall.saturating_sub(self.start).saturating_sub(self.lost + standing).max(0) as u64;
        self.last = self.last.max(BEGIN.plus(ran));
        Now { mono: self.last, wall: Wall(wall) }
    }
}

/// In order and apart from each other, within `from..`.
pub(super) fn apart(mut off: Vec<Off>, from: i64) -> Vec<Off> {
    off.retain_mut(|(begin, end)| {
        *begin = (*begin).max(from);
        *begin < *end
    });
    off.sort_unstable();
    off.dedup_by(|next, last| {
        let touches = next.0 <= last.1;
        if touches {
            last.1 = last.1.max(next.1);
        }
        touches
    });
    off
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_stands_still_while_the_gateway_was_off() {
        let mut line = Line::new(1_000, apart(vec![(5_000, 9_000), (2_000, 3_000), (8_000, 10_000), (0, 500)], 1_000));
        let ran = |line: &mut Line, wall| line.at(wall).mono.0 - BEGIN.0;
        let at = [1_000, 2_000, 2_500, 3_000, 4_000, 7_000, 10_000, 11_000].map(|wall| ran(&mut line, wall));
        assert_eq!(at, [0, 1_000, 1_000, 1_000, 2_000, 3_000, 3_000, 4_000]);
        assert_eq!(ran(&mut line, 4_000), 4_000, "a time that goes back moves no counter back");
    }
}
