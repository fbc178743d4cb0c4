//! The source's own time, and whether to believe it. Pure. Lateness is never decided here: a live message is the
//! present whatever its stamp.

use std::time::Duration;

use gengfu_core::quality::{Quality, Reason};
use gengfu_core::time::Wall;
use serde_json::Value;

use crate::clock::EARLIEST;

/// A number at or above this counts milliseconds, below it seconds (10^11 s is the year 5138, 10^11 ms is 1973).
const MILLISECONDS_FROM: f64 = 1e11;

/// How a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// As it was published.
    Live,
    /// In a session that the broker kept while we were away, since this time: it may have waited there. It is the present
    /// all the same, messages of a session are in order.
    Queued(Wall),
    /// Sent again, having been sent before we went away at this time or after we came back.
    Resent(Wall),
    /// Kept by the broker for whoever subscribes; of any age.
    Retained,
}

impl Arrival {
    /// Whether it may be older than what the point has said since.
    pub(super) const fn is_history(self) -> bool {
        matches!(self, Self::Resent(_) | Self::Retained)
    }
}

/// What is believed of stamps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trust {
    /// How far a live stamp may be from its arrival, and any stamp ahead of it.
    pub(super) tolerance: Duration,
    /// How far back the stamp of history may lie: what the journal keeps.
    pub(super) horizon: Duration,
}

/// When a reading counts as true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timed {
    pub(super) at: Wall,
    /// The doubt the time casts on the value.
    pub(super) doubt: Option<Reason>,
    /// The stamp that was not believed.
    pub(super) stamp: Option<Wall>,
}

impl Timed {
    /// A good value with a doubtful time is uncertain; a worse quality stays.
    pub(super) const fn quality(self, quality: Quality) -> Quality {
        match (quality, self.doubt) {
            (Quality::Good, Some(reason)) => Quality::Uncertain(reason),
            _ => quality,
        }
    }
}

impl Trust {
    /// `stamp` is what stands at the time pointer: `None` where the subscription has none, `Some(None)` where the
    /// message lacks it or it can't be read. The clock of a device that was `doubted` last is off: what it says of the past
    /// is believed no more than what it says of now.
    #[expect(clippy::option_option, reason = "no pointer, and a pointer to nothing, are different doubts")]
    pub(super) fn time(self, stamp: Option<Option<Wall>>, arrival: Wall, how: Arrival, doubted: bool) -> Timed {
        let timed = |at, doubt, stamp| Timed { at, doubt, stamp };
        match stamp {
            // Of unknown age: never an old value with a new time and no word of it.
            None if how.is_history() => timed(arrival, Some(Reason::Stale), None),
            None => timed(arrival, None, None),
            Some(None) => timed(arrival, Some(Reason::Clock), None),
            Some(Some(stamp)) => {
                let behind = arrival.0.saturating_sub(stamp.0);
                let tolerance = millis(self.tolerance);
                let away = |since: Wall| tolerance.saturating_add(arrival.0.saturating_sub(since.0).max(0));
                let back = match how {
                    Arrival::Live => tolerance,
                    Arrival::Queued(_) | Arrival::Resent(_) | Arrival::Retained if doubted => tolerance,
                    Arrival::Queued(since) | Arrival::Resent(since) => away(since),
                    Arrival::Retained => millis(self.horizon).max(tolerance),
                };
                // Before the earliest, it is no date: its clock is not set, or ours.
                if stamp >= EARLIEST && behind <= back && behind.saturating_neg() <= tolerance {
                    timed(stamp, None, None)
                } else {
                    timed(arrival, Some(Reason::Clock), Some(stamp))
                }
            }
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// A stamp as JSON gives it: RFC 3339, or a number of seconds or milliseconds since 1970.
pub(super) fn read(value: &Value) -> Option<Wall> {
    if let Some(text) = value.as_str() {
        return text.parse::<jiff::Timestamp>().ok().map(|stamp| Wall(stamp.as_millisecond()));
    }
    let number = value.as_f64()?;
    let ms = if number >= MILLISECONDS_FROM { number } else { number * 1000.0 };
    // `as` saturates: a stamp from nowhere stays one that nobody believes.
    Some(Wall(ms.round() as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// 2026-11-23T07:00:00Z
    const NOW: Wall = Wall(1_795_417_200_000);
    const TRUST: Trust = Trust { tolerance: Duration::from_mins(1), horizon: Duration::from_hours(90 * 24) };

    #[test]
    fn stamps_in_every_form() {
        assert_eq!(read(&json!("2026-11-23T07:00:00Z")), Some(NOW));
        assert_eq!(read(&json!("2026-11-23T15:00:00+08:00")), Some(NOW));
        assert_eq!(read(&json!("2026-11-23T07:00:00.250Z")), Some(Wall(NOW.0 + 250)));
        assert_eq!(read(&json!(1_795_417_200)), Some(NOW));
        assert_eq!(read(&json!(1_795_417_200.25)), Some(Wall(NOW.0 + 250)));
        assert_eq!(read(&json!(1_795_417_200_000_i64)), Some(NOW));
        assert_eq!(read(&json!(100_000_000_000_i64)), Some(Wall(100_000_000_000)));
        assert_eq!(read(&json!(99_999_999_999_i64)), Some(Wall(99_999_999_999_000)));
        assert_eq!(read(&json!(1e300)), Some(Wall(i64::MAX)));
        for nonsense in [json!("yesterday"), json!(null), json!([1]), json!({}), json!(true), json!("1795417200")] {
            assert_eq!(read(&nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn a_live_stamp_is_believed_within_the_tolerance() {
        for (off, believed) in [(0, true), (60_000, true), (-60_000, true), (60_001, false), (-60_001, false)] {
            let timed = TRUST.time(Some(Some(Wall(NOW.0 + off))), NOW, Arrival::Live, false);
            if believed {
                assert_eq!(timed, Timed { at: Wall(NOW.0 + off), doubt: None, stamp: None });
            } else {
                assert_eq!(timed, Timed { at: NOW, doubt: Some(Reason::Clock), stamp: Some(Wall(NOW.0 + off)) });
            }
        }
    }

    #[test]
    fn wrong_clocks_of_all_kinds_are_uncertain_at_arrival() {
        for stamp in [NOW.0 - 3_600_000, NOW.0 + 3_600_000, 12_000, 0, -5, i64::MAX, i64::MIN] {
            let timed = TRUST.time(Some(Some(Wall(stamp))), NOW, Arrival::Live, false);
            assert_eq!((timed.at, timed.stamp), (NOW, Some(Wall(stamp))));
            assert_eq!(timed.quality(Quality::Good), Quality::Uncertain(Reason::Clock));
            assert_eq!(timed.quality(Quality::Bad(Reason::OutOfRange)), Quality::Bad(Reason::OutOfRange));
        }
    }

    #[test]
    fn two_clocks_that_are_not_set_do_not_bear_each_other_out() {
        let (arrival, stamp) = (Wall(90_000), Wall(80_000));
        let timed = TRUST.time(Some(Some(stamp)), arrival, Arrival::Live, false);
        assert_eq!(timed, Timed { at: arrival, doubt: Some(Reason::Clock), stamp: Some(stamp) });
        assert_eq!(TRUST.time(Some(Some(NOW)), arrival, Arrival::Resent(NOW), false).at, arrival);
    }

    #[test]
    fn what_was_kept_may_be_old_but_not_from_the_future_or_1970() {
        let time = |stamp| TRUST.time(Some(Some(Wall(stamp))), NOW, Arrival::Retained, false);
        assert_eq!(time(NOW.0 - 86_400_000).at, Wall(NOW.0 - 86_400_000));
        assert_eq!(time(NOW.0 + 3_600_000).doubt, Some(Reason::Clock));
        assert_eq!(time(12_000).doubt, Some(Reason::Clock));
        assert_eq!(TRUST.time(None, NOW, Arrival::Retained, false).doubt, Some(Reason::Stale));
        assert_eq!(TRUST.time(None, NOW, Arrival::Live, false).doubt, None);
        assert_eq!(TRUST.time(Some(None), NOW, Arrival::Live, false).doubt, Some(Reason::Clock));
    }

    #[test]
    fn what_waited_while_we_were_away_is_as_old_as_that_and_no_older() {
        let since = Wall(NOW.0 - 7_200_000);
        for how in [Arrival::Queued(since), Arrival::Resent(since)] {
            let time = |ago, doubted| TRUST.time(Some(Some(Wall(NOW.0 - ago))), NOW, how, doubted);
            assert_eq!(time(3_600_000, false), Timed { at: Wall(NOW.0 - 3_600_000), doubt: None, stamp: None });
            assert_eq!(time(7_260_000, false).doubt, None);
            assert_eq!(time(7_260_001, false).at, NOW);
            assert_eq!(time(3_600_000, true).doubt, Some(Reason::Clock), "its clock is known to be off");
            assert_eq!(time(-60_001, false).doubt, Some(Reason::Clock));
        }
    }
}
