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
/// Readings of one replay: the start must be quick. Nine hours at 1,000 a second; at 50 messages of one reading each, twenty.
pub(super) const MOST_READINGS: u64 = 32_000_000;
/// What a row costs besides its readings, in readings. Of messages that are acknowledged one by one each may be a row.
const ROW: u64 = 8;

/// How much of the past a replay shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach {
    /// What came within so many ms of the newest of all.
    pub memory: i64,
    /// And what is numbered higher than this, where it came within so many ms.
    pub behind: Option<(Seq, i64)>,
    /// Readings at most, of whatever point: the newest.
    pub most: u64,
    /// The first and the last point that is wanted; others may come as well.
    pub points: (u32, u32),
}

impl Reach {
    /// Of all points, as far as a replay goes.
    pub(super) const fn of(memory: i64, behind: Option<(Seq, i64)>) -> Self {
        Self { memory, behind, most: MOST_READINGS, points: (0, u32::MAX) }
    }
}

/// The newest records, in order of seq: those within reach, and a little more. With each goes when it came (UTC ms, never
/// running backwards) and how. The time of a commit is when its readings came, within the commit window; a clock that was set
/// back in between is taken out of the account. Where there was more within reach than one replay may read: how far back it went, ms.
pub(super) fn replay(
    conn: &Connection,
    reach: Reach,
    visit: &mut dyn FnMut(Record, Came),
) -> rusqlite::Result<Option<i64>> {
    let (mut newest, mut oldest) = (None, None);
    let wanted = Reach { memory: reach.memory.saturating_add(BEYOND), ..reach };
    let cut = walk(conn, wanted, &mut |row| {
        newest.get_or_insert(row.on);
        oldest = Some(row);
    })?;
    let Some((newest, Placed { first, mut stamp, mut on })) = newest.zip(oldest) else { return Ok(None) };
    let back = newest.saturating_sub(on);
    let mut rows =
        conn.prepare_cached("SELECT stamp, history, body FROM batch WHERE first_seq >= ?1 ORDER BY first_seq")?;
    let mut rows = rows.query([first])?;
    let mut came_last = i64::MIN;
    while let Some(row) = rows.next()? {
        let (before, then) = (on, stamp);
        stamp = row.get(0)?;
        on = before.saturating_add(stamp.saturating_sub(then).max(0));
        let earliest = before.saturating_sub(WINDOW_MS as i64);
        let delivery = if row.get(1)? { Delivery::History } else { Delivery::Live };
        let body = row.get_ref(2)?.as_blob().unwrap_or_default();
        let decoded = codec::decode_points(body, reach.points.0..=reach.points.1, |seq, item| {
            let at = item.at.saturating_add(on.saturating_sub(stamp));
            came_last = at.clamp(earliest, on).max(came_last);
            visit(item.record(seq), Came { at: came_last, delivery });
        });
        if let Err(Damage(what)) = decoded {
            tracing::warn!(what, "a batch of telemetry can't be read");
        }
    }
    Ok(cut.then_some(back))
}

/// What passed from the first batch behind the number `upto` to the newest, ms by the line of a replay, and the stamp of the
/// newest. `None` where nothing lies behind it.
pub(super) fn passed(conn: &Connection, upto: Seq, most: i64) -> rusqlite::Result<Option<(i64, i64)>> {
    let (mut newest, mut first) = (None, None);
    walk(conn, Reach::of(i64::MIN, Some((upto, most))), &mut |row| {
        newest.get_or_insert((row.on, row.stamp));
        if row.first.unsigned_abs() > upto {
            first = Some(row.on);
        }
    })?;
    Ok(newest.zip(first).map(|((on, stamp), first)| (on.saturating_sub(first), stamp)))
}

/// A batch with the time of its commit, by its own clock and on a line that only runs forward.
#[derive(Debug, Clone, Copy)]
struct Placed {
    first: i64,
    stamp: i64,
    on: i64,
}

/// The batches within reach, newest first; whether there were more than one replay may read.
fn walk(conn: &Connection, reach: Reach, each: &mut dyn FnMut(Placed)) -> rusqlite::Result<bool> {
    let Reach { memory, behind, most, points: _ } = reach;
    let mut rows = conn.prepare("SELECT first_seq, stamp, n FROM batch ORDER BY first_seq DESC")?;
    let mut rows = rows.query([])?;
    let (mut end, mut next, mut read): (Option<i64>, Option<Placed>, u64) = (None, None, 0);
    while let Some(row) = rows.next()? {
        let (first, stamp, n): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let on = next.map_or(stamp, |next| next.on.saturating_sub(next.stamp.saturating_sub(stamp).max(0)));
        let age = end.get_or_insert(on).saturating_sub(on);
        // Numbers up to that at which the next newer batch begins.
        let news = |(seq, _): &(Seq, i64)| next.is_none_or(|next| next.first.unsigned_abs() > seq.saturating_add(1));
        if age > behind.filter(news).map_or(memory, |(_, most)| memory.max(most)) {
            return Ok(false);
        }
        read = read.saturating_add(n.unsigned_abs()).saturating_add(ROW);
        if read > most && next.is_some() {
            return Ok(true);
        }
        let placed = Placed { first, stamp, on };
        next = Some(placed);
        each(placed);
    }
    Ok(false)
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
