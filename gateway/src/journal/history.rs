//! A point's past in buckets, and the replay for a warm start. What is sealed is answered by summaries, what is fresh is read.

use std::collections::{BTreeMap, BTreeSet};

use gengfu_core::reading::Delivery;
use rusqlite::{Connection, params};

use super::bytes::Damage;
use super::chunk::{self, HOUR, Summary};
use super::codec::{self, Item};
use super::queue::WINDOW_MS;
use super::seal::Sealed;
use super::{Bucket, Came, Record, Seq, retention, undated};

/// Buckets of one answer; a finer step is made as coarse as this needs.
pub const MAX_BUCKETS: usize = 10_000;

/// A bucket of these readings.
fn bucket(at: i64, sum: &Summary, thinned: bool) -> Bucket {
    let count = sum.n - sum.bad;
    let some = |value: f64| (count > 0).then_some(value);
    Bucket {
        at,
        min: some(sum.min),
        max: some(sum.max),
        mean: some(sum.sum / count.max(1) as f64),
        last: some(sum.last),
        count,
        bad: sum.bad,
        thinned,
    }
}

/// The step that keeps `from..=to` within [`MAX_BUCKETS`]: a whole multiple of the asked one.
fn coarse(from: i64, to: i64, step: i64) -> i64 {
    let step = step.max(1);
    let span = to.saturating_sub(from).max(0);
    // One more bucket where the range does not begin on a multiple of the step.
    let most = MAX_BUCKETS as i64 - 1;
    let factor = (span / step).saturating_add(most) / most;
    step.saturating_mul(factor.max(1))
}

/// Buckets that hold at least one record of `point` in `from..=to` (UTC ms), oldest first. A bucket begins at a multiple of
/// the step, so that the same moment lies in the same bucket whatever range is asked for. `conn` shows one moment of the
/// file: sealing moves readings from one table to the other.
pub(super) fn buckets(conn: &Connection, point: u32, from: i64, to: i64, step: i64) -> rusqlite::Result<Vec<Bucket>> {
    let mut past = Past { from, to, step: coarse(from, to, step), sums: BTreeMap::new(), thinned: BTreeSet::new() };
    sealed(conn, point, &mut past)?;
    fresh(conn, point, &mut past)?;
    Ok(past.sums.iter().map(|(at, sum)| bucket(*at, sum, past.thinned.contains(at))).collect())
}

/// The buckets being filled.
struct Past {
    from: i64,
    to: i64,
    step: i64,
    sums: BTreeMap<i64, Summary>,
    /// Those of which some readings are gone.
    thinned: BTreeSet<i64>,
}

impl Past {
    fn begin(&self, at: i64) -> i64 {
        at.div_euclid(self.step).saturating_mul(self.step)
    }

    fn add(&mut self, item: &Item, thinned: bool) {
        if (self.from..=self.to).contains(&item.at) {
            let begin = self.begin(item.at);
            self.mark(begin, thinned);
            self.sums.entry(begin).or_insert(Summary::EMPTY).add(item);
        }
    }

    fn mark(&mut self, begin: i64, thinned: bool) {
        if thinned {
            self.thinned.insert(begin);
        }
    }

    /// Takes a chunk's summary, if all of it lies in one bucket.
    fn take(&mut self, sum: &Summary, thinned: bool) -> bool {
        let begin = self.begin(sum.t_min);
        let fits = self.from <= sum.t_min && sum.t_max <= self.to && self.begin(sum.t_max) == begin;
        if fits {
            self.mark(begin, thinned);
            self.sums.entry(begin).or_insert(Summary::EMPTY).plus(sum);
        }
        fits
    }
}

/// What is in chunks: by their summaries; only one that lies in several buckets is opened.
fn sealed(conn: &Connection, point: u32, past: &mut Past) -> rusqlite::Result<()> {
    let mut rows = conn.prepare_cached(
        "SELECT chunk, t_min, t_max, n, bad, min, max, sum, last, last_ns FROM span
         WHERE point = ?1 AND t_min > ?2 AND t_min <= ?3 AND t_max >= ?4",
    )?;
    let mut body = conn.prepare_cached("SELECT body FROM chunk WHERE id = ?1")?;
    let looked_at = retention::thinned_upto(conn)?;
    let mut gone = conn.prepare_cached("SELECT 1 FROM chunk WHERE id = ?1 AND thinned > 0")?;
    let mut rows = rows.query(params![point, past.from.saturating_sub(HOUR), past.to, past.from])?;
    while let Some(row) = rows.next()? {
        let summary = Summary {
            t_min: row.get(1)?,
            t_max: row.get(2)?,
            n: row.get(3)?,
            bad: row.get(4)?,
            min: row.get(5)?,
            max: row.get(6)?,
            sum: row.get(7)?,
            last: row.get(8)?,
            last_ns: row.get(9)?,
        };
        let id: i64 = row.get(0)?;
        let thinned = id <= looked_at && gone.exists([id])?;
        if past.take(&summary, thinned) {
            continue;
        }
        let mut found = body.query([id])?;
        let Some(row) = found.next()? else { continue };
        match chunk::decode(row.get_ref(0)?.as_blob().unwrap_or_default(), point) {
            Ok(items) => items.iter().for_each(|item| past.add(item, thinned)),
            Err(Damage(what)) => tracing::warn!(what, "a chunk of telemetry can't be read"),
        }
    }
    Ok(())
}

/// What is not in chunks yet.
fn fresh(conn: &Connection, point: u32, past: &mut Past) -> rusqlite::Result<()> {
    let upto = Sealed::read(conn)?.of(point);
    let mut rows = conn.prepare_cached(
        "SELECT body FROM batch WHERE first_seq > ?1 AND t_max >= ?2 AND t_min <= ?3 AND tier != ?4 ORDER BY first_seq",
    )?;
    let mut rows = rows.query(params![upto, past.from, past.to, undated::TIER])?;
    while let Some(row) = rows.next()? {
        let body = row.get_ref(0)?.as_blob().unwrap_or_default();
        let decoded = codec::decode_points(body, point..=point, |_, item| {
            if item.point == point {
                past.add(item, false);
            }
        });
        if let Err(Damage(what)) = decoded {
            tracing::warn!(what, "a batch of telemetry can't be read");
        }
    }
    Ok(())
}

/// Beyond the memory asked for, ms: what the alarm lane had not synced yet when the last run ended.
const BEYOND: i64 = 60_000;
/// Batches of one replay: the start must be quick.
const MOST_BATCHES: usize = 50_000;

/// How much of the past a replay shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach {
    /// What came within so many ms of the newest of all.
    pub memory: i64,
    /// And what is numbered higher than this, where it came within so many ms.
    pub behind: Option<(Seq, i64)>,
}

/// The newest records, in order of seq: those within reach, and a little more. With each goes when it came (UTC ms, never
/// running backwards) and how. The time of a commit is when its readings came, within the commit window; a clock that was set
/// back in between is taken out of the account.
pub(super) fn replay(conn: &Connection, reach: Reach, visit: &mut dyn FnMut(Record, Came)) -> rusqlite::Result<()> {
    let mut rows = newest(conn, Reach { memory: reach.memory.saturating_add(BEYOND), ..reach })?;
    rows.reverse();
    let mut body = conn.prepare_cached("SELECT body, history FROM batch WHERE first_seq = ?1")?;
    let mut came_last = i64::MIN;
    for (n, Placed { first, stamp, on }) in rows.iter().enumerate() {
        let before = n.checked_sub(1).and_then(|n| rows.get(n)).map_or(*on, |row| row.on);
        let earliest = before.saturating_sub(WINDOW_MS as i64);
        let mut found = body.query([first])?;
        let Some(row) = found.next()? else { continue };
        let delivery = if row.get(1)? { Delivery::History } else { Delivery::Live };
        let decoded = codec::decode(row.get_ref(0)?.as_blob().unwrap_or_default(), |seq, item| {
            let at = item.at.saturating_add(on - stamp);
            came_last = at.clamp(earliest, *on).max(came_last);
            visit(item.record(seq), Came { at: came_last, delivery });
        });
        if let Err(Damage(what)) = decoded {
            tracing::warn!(what, "a batch of telemetry can't be read");
        }
    }
    Ok(())
}

/// What passed from the first batch behind the number `upto` to the newest, ms by the line of a replay, and the stamp of the
/// newest. `None` where nothing lies behind it.
pub(super) fn passed(conn: &Connection, upto: Seq, most: i64) -> rusqlite::Result<Option<(i64, i64)>> {
    let rows = newest(conn, Reach { memory: i64::MIN, behind: Some((upto, most)) })?;
    let first = rows.iter().rev().find(|row| row.first.unsigned_abs() > upto);
    Ok(first.zip(rows.first()).map(|(first, newest)| (newest.on.saturating_sub(first.on), newest.stamp)))
}

/// A batch with the time of its commit, by its own clock and on a line that only runs forward.
struct Placed {
    first: i64,
    stamp: i64,
    on: i64,
}

/// The batches within reach, newest first.
fn newest(conn: &Connection, Reach { memory, behind }: Reach) -> rusqlite::Result<Vec<Placed>> {
    let mut rows = conn.prepare("SELECT first_seq, stamp FROM batch ORDER BY first_seq DESC LIMIT ?1")?;
    let mut rows = rows.query([MOST_BATCHES as i64])?;
    let mut placed: Vec<Placed> = Vec::new();
    while let Some(row) = rows.next()? {
        let (first, stamp): (i64, i64) = (row.get(0)?, row.get(1)?);
        let on = placed.last().map_or(stamp, |next| next.on.saturating_sub((next.stamp - stamp).max(0)));
        let age = placed.first().map_or(0, |end| end.on.saturating_sub(on));
        // Numbers up to that at which the next newer batch begins.
        let news = |(seq, _): &(Seq, i64)| placed.last().is_none_or(|next| next.first.unsigned_abs() > seq + 1);
        if age > behind.filter(news).map_or(memory, |(_, most)| memory.max(most)) {
            break;
        }
        placed.push(Placed { first, stamp, on });
    }
    Ok(placed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_answer_is_bounded(from in any::<i64>(), to in any::<i64>(), step in any::<i64>()) {
            let coarse = coarse(from, to, step);
            prop_assert!(coarse >= 1);
            let first = i128::from(from.div_euclid(coarse));
            let last = i128::from(to.div_euclid(coarse));
            // Beyond half of all time the span saturates; nobody asks for that.
            if to.checked_sub(from).is_some() {
                prop_assert!(last - first < MAX_BUCKETS as i128 + 1);
            }
        }
    }
}
