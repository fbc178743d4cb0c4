//! Sealing: what is in fresh batches is put away point by point, an hour in a chunk, so that a trend reads a point's own
//! bytes and nothing else. Batches stay until no sink is owed them; from then on the chunks are the history.
//!
//! A round takes all batches up to a seq and goes through the points in slices, each one transaction between two commits:
//! the writer never stands still for long. How far it came is in the file with what it made, so a crash repeats nothing.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use rusqlite::{Connection, params};

use super::bytes::Damage;
use super::chunk::{self, HOUR, MAX_READINGS, Summary};
use super::codec::{self, Item};
use super::delivery::Fate;
use super::lane::{Hand, LaneCore, lock};
use super::{Entry, Seq};

/// Readings that make a round: a chunk is the better the longer it is, and what is fresh must be read whole for a trend.
const ROUND: RangeInclusive<u64> = 131_072..=2_000_000;
/// The least of each point, where the above would leave a chunk too short to be worth its row.
const ROUND_A_POINT: u64 = 200;
/// Readings of one slice, some 6 MB.
const SLICE: u64 = 131_072;
/// How often it is looked whether a round is due, ms.
const LOOK_EVERY: u64 = 5_000;
/// An hour is sealed when it is over for this long, ms, and the next one is left alone: two chunks of an hour take more
/// room than one. What comes later makes a chunk of its own.
const LATE: i64 = 60_000;

/// How far sealing has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sealed {
    /// Everything up to here is sealed.
    pub upto: Seq,
    /// The round under way ends here (`upto`: there is none), and has done the points before `next`.
    pub till: Seq,
    pub next: u32,
}

impl Sealed {
    pub(super) fn read(conn: &Connection) -> rusqlite::Result<Self> {
        let mut row = conn.prepare_cached("SELECT upto, till, next FROM sealed")?;
        let mut row = row.query_map([], |row| Ok(Self { upto: row.get(0)?, till: row.get(1)?, next: row.get(2)? }))?;
        Ok(row.next().transpose()?.unwrap_or_default())
    }

    fn write(self, conn: &Connection) -> rusqlite::Result<()> {
        let mut put = conn.prepare_cached("INSERT OR REPLACE INTO sealed VALUES(1, ?1, ?2, ?3)")?;
        put.execute(params![self.upto, self.till, self.next]).map(|_| ())
    }

    /// The last seq of `point` that is in a chunk; later ones are in batches.
    pub(super) fn of(self, point: u32) -> Seq {
        if point < self.next { self.till } else { self.upto }
    }
}

/// Decides when, and does one slice at a time.
#[derive(Debug, Default)]
pub(super) struct Sealer {
    next: u64,
    /// Of the round under way.
    counts: Counts,
}

/// What a round finds in its batches.
#[derive(Debug, Default)]
struct Counts {
    /// Readings of each point.
    points: BTreeMap<u32, u64>,
    /// Batches that are not what was written.
    damaged: Vec<Damaged>,
}

/// A batch that is not what was written: its checksum says so.
#[derive(Debug, Clone, Copy)]
struct Damaged {
    first: Seq,
    last: Seq,
    /// UTC ms.
    from: i64,
    to: i64,
}

/// The journal's word for what damaged batches held: one gap for all of a round.
fn gap(damaged: &[Damaged]) -> Option<Entry> {
    let from = damaged.iter().map(|batch| batch.from).min()?;
    let to = damaged.iter().map(|batch| batch.to).max()?;
    let at_most = damaged.iter().map(|batch| batch.last - batch.first + 1).sum();
    Some(Entry::Gap { from, to, at_most, why: "readings were damaged on the disk".to_owned() })
}

impl Sealer {
    /// There is more to do at once.
    pub(super) fn more(&self) -> bool {
        self.next == 0
    }

    /// One slice, if one is due. Of what turns out to be damaged `tell` is given the word.
    pub(super) fn tidy(&mut self, hand: &mut Hand, core: &LaneCore, tell: impl FnOnce(Entry)) {
        let now = core.clock.now();
        if now.mono.0 < self.next {
            return;
        }
        self.next = now.mono.0 + LOOK_EVERY;
        match self.slice(hand, core, now.wall.0, tell) {
            Ok(true) => self.next = 0,
            Ok(false) => {}
            Err(error) => core.put_off("sealing", &error),
        }
    }

    /// Whether anything was done.
    fn slice(
        &mut self,
        hand: &mut Hand,
        core: &LaneCore,
        wall: i64,
        tell: impl FnOnce(Entry),
    ) -> rusqlite::Result<bool> {
        let sealed = Sealed::read(&hand.conn)?;
        let till = if sealed.till > sealed.upto { None } else { due(&hand.conn, sealed.upto, dated(core), wall)? };
        if sealed.till <= sealed.upto && till.is_none() {
            return Ok(false);
        }
        let (chunks, after) = self.make(&hand.conn, sealed, till)?;
        let damaged = std::mem::take(&mut self.counts.damaged);
        // Told and settled before the rows go: a crash in between tells it once more.
        if let Some(gap) = gap(&damaged) {
            tell(gap);
        }
        for batch in &damaged {
            lock(&core.deliveries).for_all(batch.first, batch.last, &Fate::Expired, core.clock.mono());
        }
        let work = &mut |conn: &Connection| {
            take_out(conn, &damaged)?;
            write(conn, &chunks, after)
        };
        Ok(hand.commit(core, work, || ()))
    }

    /// The chunks of the next slice, of a round that begins where `till` is given, and how far sealing is with them.
    fn make(
        &mut self,
        conn: &Connection,
        mut sealed: Sealed,
        till: Option<Seq>,
    ) -> rusqlite::Result<(Vec<Chunk>, Sealed)> {
        if let Some(till) = till {
            (sealed, self.counts) = round(conn, Sealed { till, next: 0, ..sealed })?;
        } else if self.counts.points.is_empty() {
            self.counts = counts(conn, sealed)?;
        }
        let (points, last) = next_points(&self.counts.points, sealed.next);
        let chunks = chunks(conn, sealed, &points)?;
        if last {
            self.counts.points.clear();
            tracing::debug!(upto = sealed.till, "telemetry sealed");
            return Ok((chunks, Sealed { upto: sealed.till, till: sealed.till, next: 0 }));
        }
        Ok((chunks, Sealed { next: points.end() + 1, ..sealed }))
    }
}

/// The last record that may be sealed: those behind wait for their time.
fn dated(core: &LaneCore) -> Seq {
    let waiting = lock(&core.undated).first();
    waiting.map_or(Seq::MAX, |first| first.saturating_sub(1)).min(core.head().seq)
}

/// Up to where a round is due: to the end if enough readings wait, or of the hours that are over to theirs.
fn due(conn: &Connection, upto: Seq, head: Seq, wall: i64) -> rusqlite::Result<Option<Seq>> {
    let points: u64 =
        conn.prepare_cached("SELECT coalesce(max(id), 0) + 1 FROM series")?.query_row([], |row| row.get(0))?;
    let waiting = head.saturating_sub(upto);
    let mut oldest = conn.prepare_cached("SELECT stamp FROM batch WHERE first_seq > ?1 ORDER BY first_seq LIMIT 1")?;
    let Some(oldest) = oldest.query_map([upto], |row| row.get::<_, i64>(0))?.next().transpose()? else {
        return Ok(None);
    };
    let over = wall.saturating_sub(LATE).div_euclid(HOUR).saturating_mul(HOUR);
    if oldest < over {
        return before(conn, (upto, head), over);
    }
    let whole = (points * MAX_READINGS as u64).clamp(*ROUND.start(), *ROUND.end()).max(points * ROUND_A_POINT);
    Ok((waiting >= whole).then_some(head))
}

/// The last seq that was committed before this time (UTC ms), of those after `upto` and not after `head`.
fn before(conn: &Connection, (upto, head): (Seq, Seq), end: i64) -> rusqlite::Result<Option<Seq>> {
    let last = "SELECT first_seq + n - 1 FROM batch WHERE first_seq > ?1 AND first_seq <= ?2 AND stamp < ?3
        ORDER BY first_seq DESC LIMIT 1";
    conn.prepare_cached(last)?.query_map(params![upto, head, end], |row| row.get(0))?.next().transpose()
}

/// The round as far as no point has more readings than two slices hold, and its counts. It is shortened by batches and
/// not by seqs, for those have leaps where an epoch ends.
fn round(conn: &Connection, mut sealed: Sealed) -> rusqlite::Result<(Sealed, Counts)> {
    let nth = "SELECT first_seq + n - 1 FROM batch WHERE first_seq > ?1 AND first_seq <= ?2 ORDER BY first_seq LIMIT 1 OFFSET ?3";
    let all = "SELECT count(*) FROM batch WHERE first_seq > ?1 AND first_seq <= ?2";
    loop {
        let counts = counts(conn, sealed)?;
        let most = counts.points.values().copied().max().unwrap_or(0);
        let batches: u64 = conn.prepare_cached(all)?.query_row([sealed.upto, sealed.till], |row| row.get(0))?;
        if most <= 2 * SLICE || batches < 2 {
            return Ok((sealed, counts));
        }
        let part = (batches / (most / SLICE)).max(1);
        sealed.till = conn.prepare_cached(nth)?.query_row([sealed.upto, sealed.till, part - 1], |row| row.get(0))?;
    }
}

/// Readings of each point in the round, and what is damaged in it.
fn counts(conn: &Connection, sealed: Sealed) -> rusqlite::Result<Counts> {
    let mut points = BTreeMap::new();
    let all = sealed.next..=u32::MAX;
    let damaged = visit(conn, sealed, &all, |item| *points.entry(item.point).or_insert(0) += 1)?;
    Ok(Counts { points, damaged })
}

/// The points from `next` on that make a slice, and whether they are the last.
fn next_points(counts: &BTreeMap<u32, u64>, next: u32) -> (RangeInclusive<u32>, bool) {
    let (mut sum, mut end) = (0, None);
    for (point, n) in counts.range(next..) {
        if end.is_some() && sum + n > SLICE {
            return (next..=point.saturating_sub(1), false);
        }
        (sum, end) = (sum + n, Some(*point));
    }
    (next..=u32::MAX, true)
}

/// The chunks of these points.
fn chunks(conn: &Connection, sealed: Sealed, points: &RangeInclusive<u32>) -> rusqlite::Result<Vec<Chunk>> {
    let mut items = Vec::new();
    visit(conn, sealed, points, |item| items.push(*item))?;
    // Stable: of two readings of one instant the later stays the later.
    items.sort_by_key(|item| (item.point, item.at, item.offset));
    let together = |a: &Item, b: &Item| a.point == b.point && a.at.div_euclid(HOUR) == b.at.div_euclid(HOUR);
    let parts = items.chunk_by(together).flat_map(|hour| hour.chunks(MAX_READINGS));
    Ok(parts.map(Chunk::new).collect())
}

/// Readings of the round's batches, of these points. Gives the batches that are damaged; nothing of them is believed.
fn visit(
    conn: &Connection,
    sealed: Sealed,
    points: &RangeInclusive<u32>,
    mut each: impl FnMut(&Item),
) -> rusqlite::Result<Vec<Damaged>> {
    let mut damaged = Vec::new();
    let mut rows = conn.prepare_cached(
        "SELECT body, first_seq, n, t_min, stamp FROM batch WHERE first_seq > ?1 AND first_seq <= ?2 ORDER BY first_seq",
    )?;
    let mut rows = rows.query([sealed.upto, sealed.till])?;
    while let Some(row) = rows.next()? {
        let body = row.get_ref(0)?.as_blob().unwrap_or_default();
        let decoded = codec::decode_points(body, points.clone(), |_, item| {
            if points.contains(&item.point) {
                each(item);
            }
        });
        if let Err(Damage(what)) = decoded {
            let (first, n): (Seq, u64) = (row.get(1)?, row.get(2)?);
            let (from, to): (i64, i64) = (row.get(3)?, row.get(4)?);
            tracing::warn!(what, first, n, "a batch of telemetry is damaged");
            damaged.push(Damaged { first, last: (first + n).saturating_sub(1), from: from.min(to), to });
        }
    }
    Ok(damaged)
}

/// What is damaged goes. The newest row stays: the next number hangs on it.
fn take_out(conn: &Connection, damaged: &[Damaged]) -> rusqlite::Result<()> {
    let delete = "DELETE FROM batch WHERE first_seq = ?1 AND first_seq < (SELECT max(first_seq) FROM batch)";
    let mut delete = conn.prepare_cached(delete)?;
    damaged.iter().try_for_each(|batch| delete.execute([batch.first]).map(|_| ()))
}

/// One row of each table.
#[derive(Debug)]
struct Chunk {
    point: u32,
    summary: Summary,
    body: Vec<u8>,
}

impl Chunk {
    fn new(items: &[Item]) -> Self {
        let point = items.first().map_or(0, |item| item.point);
        Self { point, summary: chunk::summary(items), body: chunk::encode(items) }
    }
}

fn write(conn: &Connection, chunks: &[Chunk], after: Sealed) -> rusqlite::Result<()> {
    let mut insert = conn.prepare_cached("INSERT INTO chunk VALUES(NULL, ?1, ?2, ?3, ?4, 0, ?5)")?;
    for Chunk { point, summary, body } in chunks {
        insert.execute(params![point, summary.t_min, summary.t_max, chunk::FORMAT, body])?;
        put_span(conn, *point, conn.last_insert_rowid(), summary)?;
    }
    after.write(conn)
}

/// The summary's row.
pub(super) fn put_span(conn: &Connection, point: u32, chunk: i64, summary: &Summary) -> rusqlite::Result<()> {
    let Summary { t_min, t_max, n, bad, min, max, sum, last, last_ns } = summary;
    let mut insert =
        conn.prepare_cached("INSERT OR REPLACE INTO span VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)")?;
    insert.execute(params![point, t_min, chunk, t_max, n, bad, min, max, sum, last, last_ns]).map(|_| ())
}

/// Seals all there is, up to `head`, as the writer does slice by slice.
#[cfg(test)]
pub(super) fn all(conn: &Connection, head: Seq) {
    let mut sealer = Sealer::default();
    loop {
        let sealed = Sealed::read(conn).expect("how far");
        let till = (sealed.till <= sealed.upto).then_some(head);
        if sealed.upto == head {
            return;
        }
        let (chunks, after) = sealer.make(conn, sealed, till).expect("a slice");
        write(conn, &chunks, after).expect("written");
    }
}
