//! What telemetry gives way, and when, in small transactions between commits. A batch that is sealed and owed to nobody has
//! done its work and goes once no warm start needs it. For want of room old chunks are thinned before anything is dropped;
//! their summaries stay those of the whole. Then, as by age, the oldest goes first, be it a batch or a chunk; what a sink was
//! still owed of it becomes `expired` in its map, in the same transaction. Alarms stay.

use std::sync::Arc;
use std::time::Duration;

use gengfu_core::time::Now;
use rusqlite::{CachedStatement, Connection, Row, params};

use super::lane::{Hand, LaneCore, lock};
use super::owed::{self, Group};
use super::readers::Readers;
use super::room::{Gauge, Owed, Room};
use super::seal::Sealed;
use super::thin::Kept;
use super::undated::Undated;
use super::{Seq, chunk, disk, schema, thin};
use crate::clock;
use crate::config::checked::JournalConfig;
use crate::telemetry::{SharedStats, Stats};

/// Rows of one transaction, so that a commit never waits long behind it.
const TRIM_ROWS: usize = 64;
/// Pages given back to the file system after each.
const VACUUM_PAGES: u32 = 2048;
/// Chunks younger than this are not thinned, ms: the last day is what people look at.
const THIN_AFTER: i64 = 86_400_000;
/// The same, and what is owed, where a sink is owed more than there is room for: not before every alarm that would want it
/// whole is known.
const THIN_HARD: i64 = AROUND + 2 * LOOKED as i64;
/// What lies further ahead of the clock than this is of a clock that was set back since, ms.
const AHEAD: i64 = 3_600_000;
/// What stays whole around each transition of an alarm, ms on both sides.
const AROUND: i64 = 600_000;
/// Newest transitions that are looked at for that, and how long the look is good for, ms.
const TRANSITIONS: i64 = 20_000;
const LOOKED: u64 = 60_000;
/// How long what a store refused for good is kept for a redrive, if there is room, ms: a week for somebody to mend the store.
const KEEP_LETTERS: i64 = 7 * 24 * 3_600_000;
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
    /// Of the history of life-safety points.
    keep_life_safety_ms: i64,
    max_bytes: u64,
    /// It was told that the disk ends before that.
    told: bool,
    next: u64,
    steady: Steady,
    /// For what stays whole around alarms, and since when (counter) it is known.
    alarms: Readers,
    kept: Option<(u64, Kept)>,
    gauge: Gauge,
    stats: SharedStats,
}

impl Retention {
    pub(super) fn new(config: &JournalConfig, now: Now, alarms: Readers, stats: &SharedStats) -> Self {
        let steady = Steady { anchor: now };
        let gauge = Gauge::default();
        let stats = Arc::clone(stats);
        let (keep_ms, keep_life_safety_ms, max_bytes) = (0, 0, 0);
        let mut retention = Self {
            keep_ms,
            keep_life_safety_ms,
            max_bytes,
            told: false,
            next: 1,
            steady,
            alarms,
            kept: None,
            gauge,
            stats,
        };
        retention.limit(config);
        retention
    }

    /// Other limits from now on.
    pub(super) fn limit(&mut self, config: &JournalConfig) {
        let ms = |keep: Duration| i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
        (self.keep_ms, self.keep_life_safety_ms) = (ms(config.keep), ms(config.keep_life_safety));
        self.max_bytes = config.max_size;
    }

    /// There is more to drop than the last round could.
    pub(super) fn more(&self) -> bool {
        self.next == 0
    }

    /// Drops a few rows if it must. Batches that the warm start needs no more are those older than `memory_ms`. Gives the
    /// room for an outage now and then.
    pub(super) fn tidy(&mut self, hand: &mut Hand, core: &LaneCore, memory_ms: u64) -> Option<Room> {
        let now = core.clock.now();
        let steady = self.steady.at(now);
        if now.mono.0 < self.next {
            return None;
        }
        self.next = now.mono.0 + LOOK_EVERY;
        let head = core.head().seq;
        let (settled, without_letters, owed, hands) = {
            let deliveries = lock(&core.deliveries);
            (deliveries.settled(head), deliveries.without_letters(), deliveries.most_owed(head), deliveries.busy())
        };
        let bytes = self.room(&hand.conn, core);
        let ago = |ms: i64| if steady { now.wall.0.saturating_sub(ms) } else { i64::MIN };
        let limits = Limits {
            before: ago(self.keep_ms),
            life_safety_before: ago(self.keep_life_safety_ms),
            bytes,
            settled,
            ahead: now.wall.0.saturating_add(AHEAD),
            needed: now.wall.0.saturating_sub_unsigned(memory_ms),
            thin: now.wall.0.saturating_sub(THIN_AFTER),
            without_letters,
            letters: ago(KEEP_LETTERS),
            hard: now.wall.0.saturating_sub(THIN_HARD),
        };
        let cut = aged(&hand.conn, &limits)
            .and_then(|cut| cut.map_or_else(|| select(&hand.conn, &limits, &hands), |cut| Ok(Some(cut))));
        let done = match cut {
            Ok(Some(Cut::Thin { after, before })) => self.thin(hand, core, after, before),
            Ok(Some(Cut::ThinOwed(group))) => self.thin_owed(hand, core, group),
            Ok(Some(cut)) => {
                if matches!(cut, Cut::Batches { last, .. } if last > limits.settled) {
                    self.gauge.gave_way(now.mono.0);
                }
                Ok(trim(hand, core, cut, &self.stats))
            }
            Ok(None) => Ok(false),
            Err(error) => Err(error),
        };
        match done {
            Ok(true) => self.next = 0,
            Ok(false) => {}
            Err(error) => core.put_off("retention", &error),
        }
        self.gauge.look(&hand.conn, (bytes, self.keep_ms), Owed { head, settled, most: owed }, now)
    }

    /// The bytes that may be in use: `max_size`, or what the disk has room for. A lane that can't be measured has what it is given.
    fn room(&mut self, conn: &Connection, core: &LaneCore) -> u64 {
        let bytes = |pages: u64| Ok::<_, rusqlite::Error>(pages * pragma(conn, "page_size")?);
        let held = pragma(conn, "page_count").and_then(bytes);
        let room = held.map_or(self.max_bytes, |held| core.room(self.max_bytes, held));
        if !std::mem::replace(&mut self.told, room < self.max_bytes) && self.told {
            let why = disk::short(&core.path, self.max_bytes, room);
            tracing::warn!(
                why,
                "the disk is smaller than the journal may be; what is oldest gives way before it is full"
            );
        }
        room
    }

    /// What stays whole around alarms; `None`: the alarm lane can't be read.
    fn kept(&mut self, now: u64) -> Option<&Kept> {
        if self.kept.as_ref().is_none_or(|(since, _)| now.saturating_sub(*since) > LOOKED) {
            let moments = self.alarms.read(transitions).inspect_err(|error| tracing::warn!(error, "thinning put off"));
            self.kept = Some((now, Kept::around(moments.ok()?, AROUND)));
        }
        self.kept.as_ref().map(|(_, kept)| kept)
    }

    /// Thins rows that a sink is owed.
    fn thin_owed(&mut self, hand: &mut Hand, core: &LaneCore, group: Group) -> rusqlite::Result<bool> {
        let now = core.clock.mono();
        let Some(kept) = self.kept(now.0) else { return Ok(false) };
        let hold = || lock(&core.deliveries).hold(group.first, group.last, core.head().seq);
        let known = if group.free() { hold() } else { None };
        let fewer = known.map_or(Ok(None), |known| owed::fewer(&hand.conn, group, kept, known));
        let settled = fewer.map(|fewer| fewer.filter(|fewer| fewer.settle(&mut lock(&core.deliveries), now).is_ok()));
        let mut written = false;
        if let Ok(fewer) = &settled {
            let mut write = |conn: &Connection| {
                fewer.iter().try_for_each(|fewer| fewer.write(conn))?;
                owed::passed(conn, group.last)
            };
            written = hand.commit(core, &mut write, || ());
        }
        lock(&core.deliveries).release();
        if let Some(fewer) = settled? {
            self.gauge.gave_way(now.0);
            let (from, to, gone) = (group.first, group.last, fewer.gone());
            tracing::info!(from, to, gone, "telemetry that is owed was thinned");
        }
        vacuum(&hand.conn, core);
        Ok(written)
    }

    /// Thins the next few chunks after this id.
    fn thin(&mut self, hand: &mut Hand, core: &LaneCore, after: i64, before: i64) -> rusqlite::Result<bool> {
        let now = core.clock.now();
        let Some(kept) = self.kept(now.mono.0) else { return Ok(false) };
        let (last, thinned) = thinner(&hand.conn, after, (before, now.wall.0.saturating_add(AHEAD)), kept)?;
        let written = hand.commit(core, &mut |conn| rewrite(conn, last, &thinned), || ());
        vacuum(&hand.conn, core);
        if written {
            self.stats.history_thinned.add(thinned.iter().map(|thinned| thinned.gone).sum());
        }
        tracing::debug!(chunks = thinned.len(), upto = last, "history thinned");
        Ok(written)
    }
}

/// When alarms changed, newest first: a sick disk may have written it down much later.
fn transitions(conn: &Connection) -> rusqlite::Result<Vec<i64>> {
    let undated = Undated::read(conn)?;
    let mut rows = conn.prepare(
        "SELECT seq, coalesce(iif(json_valid(body), json_extract(body, '$.detected'), NULL), wall) FROM entry
         WHERE kind = 'alarm' ORDER BY seq DESC LIMIT ?1",
    )?;
    let rows = rows.query_map([TRANSITIONS], |row| {
        let (seq, mut at) = (row.get(0)?, row.get(1)?);
        undated.booted(seq).into_iter().for_each(|booted| clock::date(&mut at, booted));
        Ok(at)
    })?;
    rows.collect()
}

/// A chunk with fewer readings, and how many are gone.
struct Thinned {
    id: i64,
    body: Vec<u8>,
    gone: u64,
}

/// The next few chunks, thinned, of those that end before a time; and the id of the last that was looked at.
fn thinner(
    conn: &Connection,
    after: i64,
    (before, ahead): (i64, i64),
    kept: &Kept,
) -> rusqlite::Result<(i64, Vec<Thinned>)> {
    let (mut last, mut thinned) = (after, Vec::new());
    let mut rows = conn.prepare_cached("SELECT id, t_max, body FROM chunk WHERE id > ?1 ORDER BY id LIMIT ?2")?;
    let mut rows = rows.query([after, TRIM_ROWS as i64])?;
    while let Some(row) = rows.next()? {
        let (id, t_max): (i64, i64) = (row.get(0)?, row.get(1)?);
        if young(t_max, before, ahead) {
            break;
        }
        last = id;
        // One that can't be read is as small as it will be.
        let Ok(items) = chunk::decode(row.get_ref(2)?.as_blob().unwrap_or_default(), 0) else { continue };
        let fewer = thin::thin(&items, kept);
        if fewer.len() < items.len() {
            let gone = (items.len() - fewer.len()) as u64;
            thinned.push(Thinned { id, body: chunk::encode(&fewer), gone });
        }
    }
    Ok((last, thinned))
}

fn rewrite(conn: &Connection, last: i64, thinned: &[Thinned]) -> rusqlite::Result<()> {
    let mut update = conn.prepare_cached("UPDATE chunk SET body = ?2, thinned = thinned + ?3 WHERE id = ?1")?;
    for Thinned { id, body, gone } in thinned {
        update.execute(params![id, body, gone])?;
    }
    schema::put_meta(conn, THINNED, &last.to_string())
}

/// Chunks up to the id under this key in `meta` are thinned.
const THINNED: &str = "thinned";
/// Of chunks up to this one only those of life-safety points are left: the others were too old.
const AGED: &str = "aged";

fn mark(conn: &Connection, key: &str) -> rusqlite::Result<i64> {
    Ok(schema::meta(conn, key)?.and_then(|id| id.parse().ok()).unwrap_or(0))
}

/// No chunk behind this id has been thinned.
pub(super) fn thinned_upto(conn: &Connection) -> rusqlite::Result<i64> {
    mark(conn, THINNED)
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

/// Beyond which something must go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Committed before this (UTC ms).
    pub before: i64,
    /// The same of the history of life-safety points; not later.
    pub life_safety_before: i64,
    /// The file's pages in use hold more than this; the WAL beside it has its own limit.
    pub bytes: u64,
    /// No sink is owed anything up to here.
    pub settled: Seq,
    /// What is later (UTC ms) was stamped by a clock that ran ahead; for want of room it counts as old.
    pub ahead: i64,
    /// Batches committed since this (UTC ms) are wanted for a warm start, as long as there is room.
    pub needed: i64,
    /// Chunks of before this (UTC ms) may be thinned.
    pub thin: i64,
    /// Up to here there are no dead letters.
    pub without_letters: Seq,
    /// Batches with dead letters committed since this (UTC ms) are kept for a redrive.
    pub letters: i64,
    /// Chunks of before this (UTC ms) are thinned before any is dropped.
    pub hard: i64,
}

/// What goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// Batches up to this seq, which are sealed and owed to nobody.
    Spent { last: Seq },
    /// Batches up to this seq, with all that was still owed of them.
    Batches { first: Seq, last: Seq },
    /// Chunks up to this id.
    Chunks { last: i64 },
    /// Chunks after one id and up to another, but for those of life-safety points.
    Aged { after: i64, last: i64 },
    /// Readings that tell little, of the chunks after this id and before this time.
    Thin { after: i64, before: i64 },
    /// The same of rows that a sink is owed.
    ThinOwed(Group),
}

/// The oldest few rows that must go; `hands` is what sinks have in theirs. The newest batch stays whatever the limits say: the next seq hangs on it.
pub(super) fn select(conn: &Connection, limits: &Limits, hands: &[(Seq, Seq)]) -> rusqlite::Result<Option<Cut>> {
    let pages = pragma(conn, "page_count")?.saturating_sub(pragma(conn, "freelist_count")?);
    let excess = (pages * pragma(conn, "page_size")?).saturating_sub(limits.bytes);
    if let Some(last) = spent(conn, limits, excess)? {
        return Ok(Some(Cut::Spent { last }));
    }
    if excess > 0
        && let Some(cut) = thin_chunks(conn, limits.thin, limits.ahead)?
    {
        return Ok(Some(cut));
    }
    let oldest = |sql: &str| conn.prepare_cached(sql)?.query_map([], |row| row.get::<_, i64>(0))?.next().transpose();
    let batch = oldest("SELECT stamp FROM batch ORDER BY first_seq LIMIT 1")?;
    let chunk = oldest("SELECT t_max FROM chunk ORDER BY id LIMIT 1")?;
    let ahead = |chunk: i64| excess > 0 && chunk > limits.ahead;
    if chunk.is_some_and(|chunk| ahead(chunk) || batch.is_none_or(|batch| chunk <= batch)) {
        // None: what is oldest is kept longer than the rest.
        if let Some(cut) = chunks(conn, limits, excess)? {
            return Ok(Some(cut));
        }
    }
    if excess > 0 {
        // Also what a warm start would read: the alternative is to drop it.
        if let Some(group) = owed::next(conn, (limits.hard, limits.ahead), hands)? {
            return Ok(Some(Cut::ThinOwed(group)));
        }
        if let Some(cut) = thin_chunks(conn, limits.hard, limits.ahead)? {
            return Ok(Some(cut));
        }
    }
    let cut = batches(conn, limits, excess)?;
    // The newest batch always stays: then history alone has room to give.
    if cut.is_none() && excess > 0 { chunks(conn, limits, excess) } else { Ok(cut) }
}

fn pragma(conn: &Connection, name: &str) -> rusqlite::Result<u64> {
    conn.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))
}

/// Whether something of this time is too young to be thinned: of `before` or later, and not of a clock that ran ahead.
pub(super) fn young(at: i64, before: i64, ahead: i64) -> bool {
    (before..=ahead).contains(&at)
}

/// The next chunks that are not thinned yet, if they are of before this time.
fn thin_chunks(conn: &Connection, before: i64, ahead: i64) -> rusqlite::Result<Option<Cut>> {
    let after = thinned_upto(conn)?;
    let mut next = conn.prepare_cached("SELECT t_max FROM chunk WHERE id > ?1 ORDER BY id LIMIT 1")?;
    let next = next.query_map([after], |row| row.get::<_, i64>(0))?.next().transpose()?;
    Ok(next.is_some_and(|t_max| !young(t_max, before, ahead)).then_some(Cut::Thin { after, before }))
}

/// Batches that have done their work. One that the warm start or a redrive could use goes too before anything that is kept once only.
fn spent(conn: &Connection, limits: &Limits, mut excess: u64) -> rusqlite::Result<Option<Seq>> {
    let upto = limits.settled.min(Sealed::read(conn)?.upto);
    let mut rows = oldest_batches(conn)?;
    let mut rows = rows.query([TRIM_ROWS as i64])?;
    let mut spent = None;
    while let Some(row) = rows.next()? {
        let batch = Batch::read(row)?;
        let letters = batch.last > limits.without_letters && batch.stamp >= limits.letters;
        let wanted = batch.stamp >= limits.needed || letters;
        if batch.last > upto || (wanted && excess == 0) {
            break;
        }
        excess = excess.saturating_sub(batch.len);
        spent = Some(batch.last);
    }
    Ok(spent)
}

fn batches(conn: &Connection, limits: &Limits, mut excess: u64) -> rusqlite::Result<Option<Cut>> {
    let mut rows = oldest_batches(conn)?;
    let mut rows = rows.query([TRIM_ROWS as i64])?;
    let mut cut: Option<(Seq, Seq)> = None;
    while let Some(row) = rows.next()? {
        let batch = Batch::read(row)?;
        if batch.stamp >= limits.before && excess == 0 {
            break;
        }
        excess = excess.saturating_sub(batch.len);
        cut = Some((cut.map_or(batch.first, |(first, _)| first), batch.last));
    }
    Ok(cut.map(|(first, last)| Cut::Batches { first, last }))
}

fn chunks(conn: &Connection, limits: &Limits, mut excess: u64) -> rusqlite::Result<Option<Cut>> {
    let mut rows = conn.prepare_cached("SELECT id, t_max, length(body) FROM chunk ORDER BY id LIMIT ?1")?;
    let mut rows = rows.query([TRIM_ROWS as i64])?;
    let mut cut = None;
    while let Some(row) = rows.next()? {
        let (id, t_max, len): (i64, i64, u64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if t_max >= limits.life_safety_before && excess == 0 {
            break;
        }
        excess = excess.saturating_sub(len);
        cut = Some(Cut::Chunks { last: id });
    }
    Ok(cut)
}

/// The next few chunks that are too old, but for those of life-safety points, where these are kept longer.
pub(super) fn aged(conn: &Connection, limits: &Limits) -> rusqlite::Result<Option<Cut>> {
    if limits.life_safety_before >= limits.before {
        return Ok(None);
    }
    let after = mark(conn, AGED)?;
    let mut rows = conn.prepare_cached("SELECT id, t_max FROM chunk WHERE id > ?1 ORDER BY id LIMIT ?2")?;
    let mut rows = rows.query([after, TRIM_ROWS as i64])?;
    let mut cut = None;
    while let Some(row) = rows.next()?
        && row.get::<_, i64>(1)? < limits.before
    {
        cut = Some(Cut::Aged { after, last: row.get(0)? });
    }
    Ok(cut)
}

fn oldest_batches(conn: &Connection) -> rusqlite::Result<CachedStatement<'_>> {
    conn.prepare_cached(
        "SELECT first_seq, n, stamp, length(body) FROM batch WHERE first_seq < (SELECT max(first_seq) FROM batch)
         ORDER BY first_seq LIMIT ?1",
    )
}

/// A batch's row.
struct Batch {
    first: Seq,
    last: Seq,
    stamp: i64,
    len: u64,
}

impl Batch {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let (first, n): (Seq, u64) = (row.get(0)?, row.get(1)?);
        Ok(Self { first, last: (first + n).saturating_sub(1), stamp: row.get(2)?, len: row.get(3)? })
    }
}

fn trim(hand: &mut Hand, core: &LaneCore, cut: Cut, stats: &Stats) -> bool {
    if let Cut::Spent { last } | Cut::Batches { last, .. } = cut {
        // Settled before the rows go: a forwarder that meets the hole then finds it accounted for. Of what is spent nothing
        // is owed, unless a redrive came in between.
        lock(&core.deliveries).expire(last, core.clock.mono());
    }
    let mut expired = 0;
    let mut drop_rows = |conn: &Connection| {
        expired = delete(conn, cut)?;
        Ok(())
    };
    let written = hand.commit(core, &mut drop_rows, || ());
    if written {
        stats.history_expired.add(expired);
    }
    vacuum(&hand.conn, core);
    match cut {
        Cut::Spent { last } => tracing::debug!(last, "batches are sealed, delivered and gone"),
        Cut::Batches { first, last } => tracing::info!(from = first, to = last, "telemetry expired"),
        Cut::Chunks { last } | Cut::Aged { last, .. } => tracing::debug!(last, "history expired"),
        Cut::Thin { .. } | Cut::ThinOwed(_) => {}
    }
    written
}

/// How many readings of history went.
pub(super) fn delete(conn: &Connection, cut: Cut) -> rusqlite::Result<u64> {
    match cut {
        Cut::Spent { last } | Cut::Batches { last, .. } => {
            conn.prepare_cached("DELETE FROM batch WHERE first_seq <= ?1")?.execute([last])?;
            Ok(0)
        }
        Cut::Chunks { last } => delete_chunks(conn, (0, last), ""),
        Cut::Aged { after, last } => {
            let ordinary = "AND point NOT IN (SELECT id FROM series WHERE life_safety)";
            let gone = delete_chunks(conn, (after, last), ordinary)?;
            schema::put_meta(conn, AGED, &last.to_string())?;
            Ok(gone)
        }
        Cut::Thin { .. } | Cut::ThinOwed(_) => Ok(0),
    }
}

/// Those after one id and up to another of which `more` is true too.
fn delete_chunks(conn: &Connection, ids: (i64, i64), more: &str) -> rusqlite::Result<u64> {
    let which = format!("FROM chunk WHERE id > ?1 AND id <= ?2 {more}");
    let spans = format!("span WHERE (point, t_min, chunk) IN (SELECT point, t_min, id {which})");
    let sum = |sql: &str| conn.prepare_cached(sql)?.query_row(ids, |row| row.get::<_, u64>(0));
    let sealed = sum(&format!("SELECT coalesce(sum(n), 0) FROM {spans}"))?;
    let thinned = sum(&format!("SELECT coalesce(sum(thinned), 0) {which}"))?;
    conn.prepare_cached(&format!("DELETE FROM {spans}"))?.execute(ids)?;
    conn.prepare_cached(&format!("DELETE {which}"))?.execute(ids)?;
    Ok(sealed.saturating_sub(thinned))
}

/// Gives pages back to the file system.
fn vacuum(conn: &Connection, core: &LaneCore) {
    let give = || -> rusqlite::Result<()> {
        let mut pages = conn.prepare(&format!("PRAGMA incremental_vacuum({VACUUM_PAGES})"))?;
        let mut rows = pages.query([])?;
        while rows.next()?.is_some() {}
        Ok(())
    };
    if let Err(error) = give() {
        core.put_off("giving pages back", &error);
    }
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
