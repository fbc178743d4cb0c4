//! What telemetry gives way, and when, in small transactions between commits. A batch that is sealed and owed to nobody has
//! done its work and goes once no warm start needs it. By age and by size the oldest goes first, be it a batch or a chunk;
//! what a sink was still owed of it becomes `expired` in its map, in the same transaction. Alarms stay.

use gengfu_core::time::Now;
use rusqlite::Connection;

use super::Seq;
use super::delivery::Fate;
use super::lane::{Hand, LaneCore, lock};
use crate::config::checked::JournalConfig;

/// Batches of one transaction, so that a commit never waits long behind it.
const TRIM_ROWS: usize = 64;
/// Pages given back to the file system after each.
const VACUUM_PAGES: u32 = 2048;
/// How often it is looked whether something must go, ms.
const LOOK_EVERY: u64 = 5000;
/// The wall clock must have run this long without a step before age counts, ms: a wrong clock must not wipe out history.
const STEADY: u64 = 3_600_000;
/// What counts as a step, ms.
const STEP: i64 = 60_000;

/// The limits, and how far the clock may be believed.
#[derive(Debug)]
pub(super) struct Retention {
    keep_ms: i64,
    max_bytes: u64,
    next: u64,
    steady: Steady,
}

impl Retention {
    pub(super) fn new(config: &JournalConfig, now: Now) -> Self {
        let keep_ms = i64::try_from(config.keep.as_millis()).unwrap_or(i64::MAX);
        Self { keep_ms, max_bytes: config.max_size, next: 1, steady: Steady { anchor: now } }
    }

    /// There is more to drop than the last round could.
    pub(super) fn more(&self) -> bool {
        self.next == 0
    }

    /// Drops a few batches if it must.
    pub(super) fn tidy(&mut self, hand: &mut Hand, core: &LaneCore) {
        let now = core.clock.now();
        let steady = self.steady.at(now);
        if now.mono.0 < self.next {
            return;
        }
        self.next = now.mono.0 + LOOK_EVERY;
        let limits = Limits {
            before: if steady { now.wall.0.saturating_sub(self.keep_ms) } else { i64::MIN },
            bytes: self.max_bytes,
        };
        match select(&hand.conn, &limits) {
            Ok(Some(cut)) if trim(hand, core, cut) => self.next = 0,
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "retention put off"),
        }
    }
}

/// Since when the wall clock agrees with the counter.
#[derive(Debug)]
struct Steady {
    anchor: Now,
}

impl Steady {
    fn at(&mut self, now: Now) -> bool {
        let drift = self.anchor.at(now.mono).wall.0 - now.wall.0;
        if drift.abs() > STEP {
            self.anchor = now;
        }
        now.mono.since(self.anchor.mono) >= STEADY
    }
}

/// Beyond which a batch must go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Committed before this (UTC ms).
    pub before: i64,
    /// The file's pages in use hold more than this; the WAL beside it has its own limit.
    pub bytes: u64,
}

/// Everything up to `last` goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut {
    pub first: Seq,
    pub last: Seq,
}

/// The oldest few batches that must go. The newest batch stays whatever the limits say: the next seq hangs on it.
pub(super) fn select(conn: &Connection, limits: &Limits) -> rusqlite::Result<Option<Cut>> {
    let pragma = |name: &str| conn.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, u64>(0));
    let pages = pragma("page_count")?.saturating_sub(pragma("freelist_count")?);
    let mut excess = (pages * pragma("page_size")?).saturating_sub(limits.bytes);
    let mut rows = conn.prepare_cached(
        "SELECT first_seq, n, stamp, length(body) FROM batch WHERE first_seq < (SELECT max(first_seq) FROM batch)
         ORDER BY first_seq LIMIT ?1",
    )?;
    let mut rows = rows.query([TRIM_ROWS as i64])?;
    let mut cut: Option<Cut> = None;
    while let Some(row) = rows.next()? {
        let (first, n, stamp, len): (Seq, u64, i64, u64) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        if stamp >= limits.before && excess == 0 {
            break;
        }
        excess = excess.saturating_sub(len);
        let last = (first + n).saturating_sub(1);
        cut = Some(Cut { first: cut.map_or(first, |cut| cut.first), last });
    }
    Ok(cut)
}

fn trim(hand: &mut Hand, core: &LaneCore, cut: Cut) -> bool {
    // Settled before the rows go: a forwarder that meets the hole then finds it accounted for.
    lock(&core.deliveries).for_all(1, cut.last, &Fate::Expired, core.clock.mono());
    let written = hand.commit(
        core,
        &mut |conn| conn.prepare_cached("DELETE FROM batch WHERE first_seq <= ?1")?.execute([cut.last]).map(|_| ()),
        || (),
    );
    if let Err(error) = vacuum(&hand.conn) {
        tracing::debug!(%error, "pages are given back later");
    }
    tracing::info!(from = cut.first, to = cut.last, "telemetry expired");
    written
}

fn vacuum(conn: &Connection) -> rusqlite::Result<()> {
    let mut pages = conn.prepare(&format!("PRAGMA incremental_vacuum({VACUUM_PAGES})"))?;
    let mut rows = pages.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use gengfu_core::time::{Mono, Wall};

    #[test]
    fn age_counts_only_on_a_steady_clock() {
        let mut steady = Steady { anchor: Now { mono: Mono(0), wall: Wall(0) } };
        let at = |mono: u64, wall: i64| Now { mono: Mono(mono), wall: Wall(wall) };
        assert!(!steady.at(at(10, 10)));
        assert!(steady.at(at(STEADY, STEADY as i64 + 500)), "a little drift is no step");
        assert!(!steady.at(at(STEADY + 1, 60 * STEADY as i64)), "a leap");
        assert!(!steady.at(at(2 * STEADY, 61 * STEADY as i64)));
        assert!(steady.at(at(2 * STEADY + 1, 61 * STEADY as i64)));
    }
}
