//! What the alarm lane means: its hash chain, and the fold of its transitions into the alarms that stand.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, ToSql, params, params_from_iter};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::undated::Undated;
use super::{BEGUN, Entry, LevelRecord, ModeRecord, Seq};
use crate::clock;
use crate::flow::AlarmEvent;

/// SHA-256 of the entry before, then this one's seq, wall time and body.
pub(super) type Hash = [u8; 32];

/// Result of a walk along the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct ChainReport {
    pub entries: u64,
    /// The first entry that does not follow from the one before: it, or what stood before it, was changed or taken out.
    pub broken_at: Option<Seq>,
}

pub(super) fn link(before: &Hash, seq: Seq, wall: i64, body: &[u8]) -> Hash {
    let mut hash = Sha256::new();
    hash.update(before);
    hash.update(seq.to_be_bytes());
    hash.update(wall.to_be_bytes());
    hash.update(body);
    hash.finalize().into()
}

/// A text column as its bytes: on a sick disk they need not be UTF-8 any more.
fn text<'a>(row: &'a rusqlite::Row<'_>, column: usize) -> rusqlite::Result<&'a [u8]> {
    Ok(row.get_ref(column)?.as_bytes()?)
}

/// The word in the `kind` column and, for a transition, the alarm's id.
fn kind(entry: &Entry) -> (&'static str, Option<&str>) {
    match entry {
        Entry::Alarm(event) => ("alarm", Some(&event.id)),
        Entry::Audit { .. } => ("audit", None),
        Entry::Start { .. } => ("start", None),
        Entry::Stop { .. } => ("stop", None),
        Entry::Gap { .. } => ("gap", None),
        Entry::Mode(_) => ("mode", None),
        Entry::Level(_) => ("level", None),
        Entry::Maintenance { .. } => ("maintenance", None),
    }
}

/// Writes one entry and what it changes about the standing alarms; gives the chain's new end.
pub(super) fn insert(conn: &Connection, before: &Hash, seq: Seq, wall: i64, entry: &Entry) -> rusqlite::Result<Hash> {
    let body = serde_json::to_string(entry).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    let hash = link(before, seq, wall, body.as_bytes());
    let (kind, alarm) = kind(entry);
    let mut insert = conn.prepare_cached("INSERT INTO entry VALUES(?1, ?2, ?3, ?4, ?5, ?6)")?;
    insert.execute(params![seq, wall, kind, alarm, body, hash.as_slice()])?;
    match entry {
        Entry::Alarm(event) => stand(conn, seq, event)?,
        Entry::Mode(record) => run(conn, record)?,
        Entry::Level(record) => level(conn, record)?,
        Entry::Audit { .. }
        | Entry::Start { .. }
        | Entry::Stop { .. }
        | Entry::Gap { .. }
        | Entry::Maintenance { .. } => {}
    }
    Ok(hash)
}

fn stand(conn: &Connection, seq: Seq, event: &AlarmEvent) -> rusqlite::Result<()> {
    if event.state == "normal" {
        let mut delete = conn.prepare_cached("DELETE FROM standing WHERE rule = ?1 AND device = ?2 AND point = ?3")?;
        return delete.execute(params![event.rule, event.device, event.point]).map(|_| ());
    }
    let body = serde_json::to_string(event).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    let mut upsert = conn.prepare_cached("INSERT OR REPLACE INTO standing VALUES(?1, ?2, ?3, ?4, ?5)")?;
    upsert.execute(params![event.rule, event.device, event.point, seq, body]).map(|_| ())
}

/// Key of a mode that runs, before the area's name.
const MODE: &str = "mode.";

/// Key of a level of the site, before the scale's name.
const LEVEL: &str = "level.";

fn run(conn: &Connection, record: &ModeRecord) -> rusqlite::Result<()> {
    last(conn, &format!("{MODE}{}", record.area), record, record.change != BEGUN)
}

fn level(conn: &Connection, record: &LevelRecord) -> rusqlite::Result<()> {
    last(conn, &format!("{LEVEL}{}", record.scale), record, record.base)
}

/// Keeps the last record of a key until it is `over`.
fn last(conn: &Connection, key: &str, record: &impl Serialize, over: bool) -> rusqlite::Result<()> {
    if over {
        let mut delete = conn.prepare_cached("DELETE FROM meta WHERE key = ?1")?;
        return delete.execute([key]).map(|_| ());
    }
    let body = serde_json::to_string(record).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    super::schema::put_meta(conn, key, &body)
}

/// The modes that run. One that can't be read is passed over: what is raised in its area is then for real.
pub(super) fn modes(conn: &Connection) -> rusqlite::Result<Vec<ModeRecord>> {
    kept(conn, MODE)
}

/// The levels of the site that are above their base. One that can't be read is made anew by the facts.
pub(super) fn levels(conn: &Connection) -> rusqlite::Result<Vec<LevelRecord>> {
    kept(conn, LEVEL)
}

fn kept<T: DeserializeOwned>(conn: &Connection, begin: &str) -> rusqlite::Result<Vec<T>> {
    let mut rows = conn.prepare("SELECT value FROM meta WHERE substr(key, 1, length(?1)) = ?1 ORDER BY key")?;
    let rows = rows.query_map([begin], |row| Ok(serde_json::from_slice(text(row, 0)?).ok()))?;
    Ok(rows.collect::<rusqlite::Result<Vec<_>>>()?.into_iter().flatten().collect())
}

/// Modes and levels made anew from every entry that can be read.
pub(super) fn rerun(conn: &Connection) -> rusqlite::Result<()> {
    let mut rows = conn.prepare("SELECT body FROM entry WHERE kind IN ('mode', 'level') ORDER BY seq")?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        match serde_json::from_slice(text(row, 0)?) {
            Ok(Entry::Mode(record)) => run(conn, &record)?,
            Ok(Entry::Level(record)) => level(conn, &record)?,
            Ok(_) | Err(_) => {}
        }
    }
    Ok(())
}

/// What a row of the standing alarms is worth. It has no checksum of its own.
enum Stand {
    /// Its entry says the same.
    Said(Seq, AlarmEvent),
    /// Its entry is gone, which was told; the row is all that is known.
    Left(Seq, AlarmEvent),
    /// It reads like no alarm, or like another than its entry.
    Unsound,
}

fn stands(conn: &Connection) -> rusqlite::Result<Vec<Stand>> {
    let mut rows = conn.prepare(
        "SELECT s.seq, s.rule, s.device, s.point, s.body, e.body FROM standing s LEFT JOIN entry e ON e.seq = s.seq
         ORDER BY s.seq",
    )?;
    let stands = rows.query_map([], |row| {
        let (seq, key) = (row.get(0)?, [text(row, 1)?, text(row, 2)?, text(row, 3)?]);
        let Ok(event) = serde_json::from_slice::<AlarmEvent>(text(row, 4)?) else { return Ok(Stand::Unsound) };
        if key != [event.rule.as_bytes(), event.device.as_bytes(), event.point.as_bytes()] {
            return Ok(Stand::Unsound);
        }
        let Some(entry) = row.get_ref(5)?.as_bytes_or_null()? else { return Ok(Stand::Left(seq, event)) };
        let is_said = matches!(serde_json::from_slice(entry), Ok(Entry::Alarm(said)) if said == event);
        Ok(if is_said { Stand::Said(seq, event) } else { Stand::Unsound })
    })?;
    stands.collect()
}

/// The standing alarms with the seq of their last transition, in its order; `None` if a row is not what was written, and
/// then [`fold`] helps.
pub(super) fn standing(conn: &Connection) -> rusqlite::Result<Option<Vec<(Seq, AlarmEvent)>>> {
    let standing = stands(conn)?.into_iter().map(|stand| match stand {
        Stand::Said(seq, event) | Stand::Left(seq, event) => Some((seq, event)),
        Stand::Unsound => None,
    });
    Ok(standing.collect())
}

/// The standing alarms made anew from every entry that can be read, and from the rows whose entry is gone: an alarm does not
/// end because the record of its beginning was lost.
pub(super) fn fold(conn: &Connection) -> rusqlite::Result<Vec<(Seq, AlarmEvent)>> {
    let key = |event: &AlarmEvent| (event.rule.clone(), event.device.clone(), event.point.clone());
    let left = stands(conn)?.into_iter().filter_map(|stand| match stand {
        Stand::Left(seq, event) => Some((key(&event), (seq, event))),
        Stand::Said(..) | Stand::Unsound => None,
    });
    let mut standing: BTreeMap<_, (Seq, AlarmEvent)> = left.collect();
    let mut rows = conn.prepare("SELECT seq, body FROM entry WHERE kind = 'alarm' ORDER BY seq")?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let seq = row.get(0)?;
        let Ok(Entry::Alarm(event)) = serde_json::from_slice(text(row, 1)?) else { continue };
        let key = key(&event);
        if standing.get(&key).is_some_and(|(later, _)| *later > seq) {
            continue;
        }
        if event.state == "normal" {
            standing.remove(&key);
        } else {
            standing.insert(key, (seq, event));
        }
    }
    let mut events: Vec<(Seq, AlarmEvent)> = standing.into_values().collect();
    events.sort_by_key(|(seq, _)| *seq);
    Ok(events)
}

/// Puts a fold in place of the standing alarms.
pub(super) fn restand(conn: &Connection, events: &[(Seq, AlarmEvent)]) -> rusqlite::Result<()> {
    conn.execute("DELETE FROM standing", [])?;
    events.iter().try_for_each(|(seq, event)| stand(conn, *seq, event))
}

/// Last seq, its wall time and the chain's end.
pub(super) fn end(conn: &Connection) -> rusqlite::Result<Option<(Seq, i64, Hash)>> {
    let newest = "SELECT seq, wall, hash FROM entry ORDER BY seq DESC LIMIT 1";
    conn.query_row(newest, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()
}

/// Walks the whole chain.
pub(super) fn verify(conn: &Connection) -> rusqlite::Result<ChainReport> {
    let mut rows = conn.prepare("SELECT seq, wall, body, hash FROM entry ORDER BY seq")?;
    let mut rows = rows.query([])?;
    let mut report = ChainReport { entries: 0, broken_at: None };
    let mut before = Hash::default();
    while let Some(row) = rows.next()? {
        let (seq, wall, hash): (Seq, i64, Hash) = (row.get(0)?, row.get(1)?, row.get(3)?);
        if report.broken_at.is_none() && link(&before, seq, wall, text(row, 2)?) != hash {
            report.broken_at = Some(seq);
        }
        before = hash;
        report.entries += 1;
    }
    Ok(report)
}

/// Entries of `from..=to`, oldest first. A body that can't be read any more comes as its error.
pub(super) fn read(conn: &Connection, from: Seq, to: Seq, max: usize) -> rusqlite::Result<Vec<Kept>> {
    let sql = "SELECT seq, wall, body FROM entry WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq LIMIT ?3";
    rows(conn, sql, (from, to, max), None)
}

/// The transitions of one alarm among `from..=to`, oldest first.
pub(super) fn read_alarm(conn: &Connection, id: &str, from: Seq, to: Seq, max: usize) -> rusqlite::Result<Vec<Kept>> {
    let sql = "SELECT seq, wall, body FROM entry WHERE seq BETWEEN ?1 AND ?2 AND alarm = ?4 ORDER BY seq LIMIT ?3";
    rows(conn, sql, (from, to, max), Some(id))
}

/// Entries older than `before`, newest first.
pub(super) fn read_back(conn: &Connection, before: Seq, max: usize) -> rusqlite::Result<Vec<Kept>> {
    let sql = "SELECT seq, wall, body FROM entry WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq DESC LIMIT ?3";
    rows(conn, sql, (0, before.saturating_sub(1), max), None)
}

/// The newest `max` entries that tell of records that may be missing, of what was committed since `wall` (UTC ms), newest first.
pub(super) fn gaps(conn: &Connection, wall: i64, max: usize) -> rusqlite::Result<Vec<Kept>> {
    let mut rows = conn.prepare("SELECT seq, wall, kind, body FROM entry ORDER BY seq DESC")?;
    let mut rows = rows.query([])?;
    let mut gaps = Vec::new();
    while gaps.len() < max
        && let Some(row) = rows.next()?
    {
        let at = row.get(1)?;
        // A count of a clock that was not set is no time, and does not end the search.
        if (clock::EARLIEST.0..wall).contains(&at) {
            break;
        }
        if text(row, 2)? == b"gap" {
            let entry = serde_json::from_slice(text(row, 3)?).map_err(|error| error.to_string());
            gaps.push(Kept { seq: row.get(0)?, wall: at, entry });
        }
    }
    Ok(gaps)
}

/// Where the transitions since `wall` begin, of the newest `max`; `None` where there is none.
pub(super) fn since(conn: &Connection, wall: i64, max: usize) -> rusqlite::Result<Option<Seq>> {
    let mut rows = conn.prepare("SELECT seq, wall FROM entry WHERE kind = 'alarm' ORDER BY seq DESC LIMIT ?1")?;
    let mut rows = rows.query([max as i64])?;
    let mut first = None;
    while let Some(row) = rows.next()?
        && row.get::<_, i64>(1)? >= wall
    {
        first = Some(row.get(0)?);
    }
    Ok(first)
}

/// The transitions from `from` on, oldest first; one that can't be read is passed over.
pub(super) fn transitions(conn: &Connection, from: Seq, visit: &mut dyn FnMut(AlarmEvent)) -> rusqlite::Result<()> {
    let mut rows = conn.prepare("SELECT body FROM entry WHERE kind = 'alarm' AND seq >= ?1 ORDER BY seq")?;
    let mut rows = rows.query([from])?;
    while let Some(row) = rows.next()? {
        if let Ok(Entry::Alarm(event)) = serde_json::from_slice(text(row, 0)?) {
            visit(event);
        }
    }
    Ok(())
}

/// An entry as read from the disk.
#[derive(Debug)]
pub(super) struct Kept {
    pub seq: Seq,
    pub wall: i64,
    pub entry: Result<Entry, String>,
}

impl Kept {
    /// Makes times of its counts, if it was stamped before the clock was set and the time of that boot is known.
    pub(super) fn date(&mut self, undated: &Undated) {
        let Some(booted) = undated.booted(self.seq) else { return };
        clock::date(&mut self.wall, booted);
        if let Ok(entry) = &mut self.entry {
            entry.date(booted);
        }
    }
}

fn rows(
    conn: &Connection,
    sql: &str,
    (from, to, max): (Seq, Seq, usize),
    id: Option<&str>,
) -> rusqlite::Result<Vec<Kept>> {
    let signed = |seq: Seq| seq.min(i64::MAX as u64) as i64;
    let mut bound: Vec<Box<dyn ToSql + '_>> = vec![Box::new(signed(from)), Box::new(signed(to)), Box::new(max as i64)];
    bound.extend(id.map(|id| Box::new(id) as Box<dyn ToSql>));
    let mut rows = conn.prepare_cached(sql)?;
    let rows = rows.query_map(params_from_iter(bound), |row| {
        let entry = serde_json::from_slice(text(row, 2)?).map_err(|error| error.to_string());
        Ok(Kept { seq: row.get(0)?, wall: row.get(1)?, entry })
    })?;
    rows.collect()
}
