//! Which ups and downs of a link are worth a line in the log. Pure.
//!
//! A peer that comes and goes, or is away for weeks, must not fill the disk with saying so: one line a [`QUIET`] at most
//! says that the link is down, with how often since the one before, and each of them is followed by at most one that it
//! is up again.

use gengfu_core::time::Mono;

/// Least time between two lines that say that a link is down, ms.
const QUIET: u64 = 60_000;

/// What the log says of one link so far.
#[derive(Debug, Default)]
pub struct Said {
    down_at: Option<Mono>,
    /// The last line says that it is up.
    up: bool,
    /// Times it was down, or still down, since the last line that said so.
    failures: u64,
}

impl Said {
    /// The link is down, or one more attempt failed. How often since the last line, if there is to be one.
    pub(super) fn down(&mut self, now: Mono) -> Option<u64> {
        self.failures += 1;
        if self.down_at.is_some_and(|at| now.since(at) < QUIET) {
            return None;
        }
        self.down_at = Some(now);
        self.up = false;
        Some(std::mem::take(&mut self.failures))
    }

    /// The link is up. Whether the log is to say so.
    pub(super) fn up(&mut self) -> bool {
        !std::mem::replace(&mut self.up, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lasts_is_said_once_and_then_once_a_minute_with_the_count() {
        let mut said = Said::default();
        let lines: Vec<_> = (0..1_800).filter_map(|n| said.down(Mono(n * 100)).map(|count| (n * 100, count))).collect();
        assert_eq!(lines, [(0, 1), (60_000, 600), (120_000, 600)]);
        assert!(said.up());
        assert!(!said.up(), "once");
    }

    #[test]
    fn one_that_flaps_is_said_once_a_minute_and_how_it_ends_is_said() {
        let mut said = Said::default();
        assert!(said.up());
        let mut lines = Vec::new();
        for n in 0..130 {
            lines.extend(said.down(Mono(n * 1_000)).map(|count| ("down", n, count)));
            lines.extend(said.up().then_some(("up", n, 0)));
        }
        let expected =
            [("down", 0, 1), ("up", 0, 0), ("down", 60, 60), ("up", 60, 0), ("down", 120, 60), ("up", 120, 0)];
        assert_eq!(lines, expected);
    }
}
