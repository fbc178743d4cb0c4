//! A torn file: what can be read goes into a new one, the old one is set aside, the gateway starts.
//!
//! The newest rows are read first, back to the first that can't be; then the oldest, forward to the first that can't be.
//! In order: `<lane>.new` is filled, becomes `<lane>.ready`, the old file becomes `<lane>.db.damaged-<time>`, the ready one takes
//! its place. A crash anywhere in between is taken up by [`take_up`].

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params_from_iter};

use super::chain::Hash;
use super::file::{beside, make, refuse, remove, rename};
use super::holes::{self, Hole, Row, Watch};
use super::lane::file_bytes;
use super::start::Repaired;
use super::undated::Undated;
use super::{Entry, Lane, OpenError, chain, chunk, codec, schema, seal};
use crate::clock::Clock;

/// What is copied of a table at most, bytes: the start must not wait for gigabytes. The rest stays in the old file.
const COPY_BYTES: usize = if cfg!(test) { 16 << 20 } else { 256 << 20 };
/// How long is copied at most, ms: while it lasts nobody watches, and the newest rows come first.
const COPY_LIMIT: u64 = 20_000;
/// Rows of one transaction.
const COPY_ROWS: u64 = 512;
/// Damaged files kept of each lane, for whoever wants to look: the newest, and older ones up to so many and so many bytes.
const KEEP_DAMAGED: usize = 3;
const KEEP_DAMAGED_BYTES: u64 = 256 << 20;

/// Goes on where a crash interrupted a repair.
pub(super) fn take_up(path: &Path) -> Result<(), OpenError> {
    let ready = path.with_extension("ready");
    if ready.exists() {
        if path.exists() {
            // The old file had not been set aside: it is looked at again.
            remove(&ready);
        } else {
            rename(&ready, path)?;
        }
    }
    Ok(())
}

/// Saves what can be read.
pub(super) fn salvage(path: &Path, lane: Lane, why: &str, now: i64) -> Result<(), OpenError> {
    replace(path, lane, why, now, |fresh| {
        let Ok(old) = schema::reader(path) else { return Copied::nothing() };
        let clock = Clock::start();
        // A file of before lacks one table, which is no damage.
        let there = |table: &&Table| table.name != schema::LEARNED || schema::has(&old, table.name).unwrap_or(true);
        let copied = tables(lane).iter().filter(there).map(|table| {
            let copied = copy(&old, fresh, table, &clock);
            (table.after)(&old, fresh, copied)
        });
        let mut copied = copied.fold(Copied::default(), Copied::plus);
        if lane == Lane::Telemetry {
            copied.holes.extend(holes::breaks(&old).unwrap_or_default());
        }
        // What counts mean can't be made anew.
        if let Err(error) = Undated::read(&old).and_then(|undated| undated.write(fresh)) {
            tracing::warn!(%error, "what is known of undated records is lost");
        }
        copied
    })
}

/// Saves nothing.
pub(super) fn abandon(path: &Path, lane: Lane, why: &str, now: i64) -> Result<(), OpenError> {
    replace(path, lane, why, now, |_| Copied::nothing())
}

fn replace(
    path: &Path,
    lane: Lane,
    why: &str,
    now: i64,
    fill: impl FnOnce(&Connection) -> Copied,
) -> Result<(), OpenError> {
    let (filling, ready) = (path.with_extension("filling"), path.with_extension("ready"));
    let aside = beside(path, &format!(".damaged-{now}"));
    let mend = "see to space and rights of the directory";
    remove(&filling);
    make(&filling, lane, None)?;
    let fresh = schema::writer(&filling).map_err(|error| refuse(path, &format!("can't be repaired: {error}"), mend))?;
    let copied = fill(&fresh);
    let told = tell(path, &aside, why, &copied);
    let repaired = Repaired { told, skip: most_records(path), copied: None, holes: copied.holes };
    let finished = finish(&fresh, lane).and_then(|()| repaired.write(&fresh)).and_then(|()| schema::checkpoint(&fresh));
    finished.map_err(|error| refuse(path, &format!("can't be repaired: {error}"), mend))?;
    drop(fresh);
    rename(&filling, &ready)?;
    set_aside(path, &aside)?;
    rename(&ready, path)
}

fn tell(path: &Path, aside: &Path, why: &str, copied: &Copied) -> String {
    let whole = match copied {
        Copied { limited: true, .. } => {
            let (most, limit) = (COPY_BYTES >> 20, COPY_LIMIT / 1_000);
            format!(
                "the newest, of a table {most} MiB at most and within {limit} s; older ones are left in the old file alone"
            )
        }
        Copied { whole: true, .. } => "to the end".to_owned(),
        Copied { .. } => "as far as they could be read".to_owned(),
    };
    let (path, aside) = (path.display(), aside.display());
    format!(
        "{path}: {why}; {} rows saved, {whole}; {} rows refused; the old file is {aside}",
        copied.rows, copied.refused
    )
}

/// A record takes half a byte at the very least, so the old file can't have held more than this.
fn most_records(path: &Path) -> u64 {
    2 * (file_bytes(path, "") + file_bytes(path, "-wal"))
}

/// What follows from the rows is made anew.
fn finish(fresh: &Connection, lane: Lane) -> rusqlite::Result<()> {
    match lane {
        Lane::Alarm => {
            chain::restand(fresh, &chain::fold(fresh)?)?;
            chain::rerun(fresh)
        }
        Lane::Telemetry => spans(fresh),
    }
}

/// The summaries of all chunks that have none.
fn spans(fresh: &Connection) -> rusqlite::Result<()> {
    let all = fresh.unchecked_transaction()?;
    {
        let mut rows = all.prepare(
            "SELECT id, point, body, t_min, t_max FROM chunk c WHERE NOT EXISTS
               (SELECT 1 FROM span s WHERE s.point = c.point AND s.t_min = c.t_min AND s.chunk = c.id)",
        )?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let (id, point) = (row.get(0)?, row.get(1)?);
            if let Ok(items) = chunk::decode(row.get_ref(2)?.as_blob().unwrap_or_default(), point) {
                let sum = chunk::Summary { t_min: row.get(3)?, t_max: row.get(4)?, ..chunk::summary(&items) };
                seal::put_span(&all, point, id, &sum)?;
            }
        }
    }
    all.commit()
}

fn set_aside(path: &Path, aside: &Path) -> Result<(), OpenError> {
    let wal = beside(path, "-wal");
    if wal.exists() {
        rename(&wal, &beside(aside, "-wal"))?;
    }
    let _ = fs::remove_file(beside(path, "-shm"));
    rename(path, aside)?;
    forget_oldest(path);
    Ok(())
}

fn forget_oldest(path: &Path) {
    let mut bytes = 0;
    for (n, old) in set_aside_before(path).iter().enumerate() {
        bytes += file_bytes(old, "") + file_bytes(old, "-wal");
        if n > 0 && (n >= KEEP_DAMAGED || bytes > KEEP_DAMAGED_BYTES) {
            remove(old);
        }
    }
}

/// A full disk: the oldest damaged file of the lane gives way to what is to be written.
pub(super) fn make_room(path: &Path) {
    if let Some(oldest) = set_aside_before(path).last() {
        tracing::warn!(path = %oldest.display(), "the disk is full: a damaged file that was kept is deleted");
        remove(oldest);
    }
}

/// The damaged files of a lane, newest first.
fn set_aside_before(path: &Path) -> Vec<PathBuf> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Vec::new();
    };
    let prefix = format!("{name}.damaged-");
    let names = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let old = names.filter_map(|name| name.into_string().ok());
    let mut old: Vec<String> = old.filter(|name| name.starts_with(&prefix) && !name.contains("-wal")).collect();
    // The times in the names have one length until 2286.
    old.sort_unstable_by(|a, b| b.cmp(a));
    old.iter().map(|name| dir.join(name)).collect()
}

/// What a row is held against.
struct Around<'a> {
    old: &'a Connection,
    /// Points that have a name; none are looked at where `None`.
    named: Option<HashSet<u32>>,
}

impl Around<'_> {
    /// A reading without its name would pass for that of whichever point comes next.
    fn names(&self, point: u32) -> bool {
        self.named.as_ref().is_none_or(|named| named.contains(&point))
    }
}

/// A table to copy.
struct Table {
    name: &'static str,
    /// Integer key to walk along; none: walk forward only.
    key: Option<&'static str>,
    sound: fn(&Around<'_>, &[Value]) -> bool,
    /// What a row is in a lane; `None` where it is no record.
    record: fn(&[Value]) -> Option<Row>,
    /// What follows from the copying, given the old file and the fresh one.
    after: fn(&Connection, &Connection, Copied) -> Copied,
}

impl Table {
    const fn plain(name: &'static str, key: Option<&'static str>) -> Self {
        Self { name, key, sound: |_, _| true, record: |_| None, after: |_, _, copied| copied }
    }

    fn is_of_records(&self) -> bool {
        ["entry", "batch"].contains(&self.name)
    }
}

const ALARM: [Table; 5] = [
    Table::plain("epoch", Some("first_seq")),
    Table::plain("sink", None),
    Table { after: forget_torn_maps, ..Table::plain("delivery", None) },
    Table { sound: sound_entry, record: Row::entry, ..Table::plain("entry", Some("seq")) },
    // of these only those count whose entry was not saved
    Table::plain("standing", None),
];

const TELEMETRY: [Table; 9] = [
    Table::plain("epoch", Some("first_seq")),
    Table::plain("sink", None),
    Table::plain("delivery", None),
    Table::plain("series", Some("id")),
    Table::plain("refused", Some("id")),
    Table::plain(schema::LEARNED, None),
    Table { sound: sound_batch, record: Row::batch, ..Table::plain("batch", Some("first_seq")) },
    Table::plain("sealed", Some("one")),
    Table { sound: sound_chunk, after: look_at_summaries, ..Table::plain("chunk", Some("id")) },
];

const fn tables(lane: Lane) -> &'static [Table] {
    match lane {
        Lane::Alarm => &ALARM,
        Lane::Telemetry => &TELEMETRY,
    }
}

/// The blob knows its first seq and its length; both must be what the row says.
fn sound_batch(around: &Around<'_>, row: &[Value]) -> bool {
    let [Value::Integer(first), Value::Integer(n), .., Value::Blob(body)] = row else { return false };
    let mut named = true;
    let extent = codec::decode(body, |_, item| named &= around.names(item.point));
    named && extent.is_ok_and(|extent| extent.first as i64 == *first && extent.n as i64 == *n)
}

/// The times are those of the whole: what a thinned chunk has left lies between them.
fn sound_chunk(around: &Around<'_>, row: &[Value]) -> bool {
    let &[
        _,
        Value::Integer(point),
        Value::Integer(t_min),
        Value::Integer(t_max),
        _,
        Value::Integer(thinned),
        Value::Blob(ref body),
    ] = row
    else {
        return false;
    };
    let within = |sum: &chunk::Summary| {
        if thinned == 0 { (sum.t_min, sum.t_max) == (t_min, t_max) } else { t_min <= sum.t_min && sum.t_max <= t_max }
    };
    u32::try_from(point).is_ok_and(|point| around.names(point))
        && t_min.div_euclid(chunk::HOUR) == t_max.div_euclid(chunk::HOUR)
        && chunk::decode(body, 0).is_ok_and(|items| within(&chunk::summary(&items)))
}

/// What was written follows from the entry before by its hash. Where that one is gone, it must at least make sense.
fn sound_entry(around: &Around<'_>, row: &[Value]) -> bool {
    let [Value::Integer(seq), Value::Integer(wall), _, _, Value::Text(body), Value::Blob(hash)] = row else {
        return false;
    };
    if *seq <= 0 || hash.len() != size_of::<Hash>() {
        return false;
    }
    let before = |conn: &Connection| -> rusqlite::Result<Option<Hash>> {
        let mut before = conn.prepare_cached("SELECT hash FROM entry WHERE seq = ?1")?;
        before.query_row([seq - 1], |row| row.get(0)).optional()
    };
    match before(around.old) {
        Ok(Some(before)) => chain::link(&before, seq.unsigned_abs(), *wall, body.as_bytes())[..] == hash[..],
        Ok(None) if *seq == 1 => chain::link(&Hash::default(), 1, *wall, body.as_bytes())[..] == hash[..],
        Ok(None) | Err(_) => serde_json::from_str::<Entry>(body).is_ok(),
    }
}

/// People would be told again of what a torn map no longer says is told. Without any, the start knows what to do.
fn forget_torn_maps(_: &Connection, fresh: &Connection, copied: Copied) -> Copied {
    if copied.is_torn()
        && let Err(error) = fresh.execute_batch("DELETE FROM sink; DELETE FROM delivery")
    {
        tracing::warn!(%error, "a part of a delivery map stays");
    }
    copied
}

/// The summaries say what the chunks that could not be saved held, and of thinned ones what the whole was.
fn look_at_summaries(old: &Connection, fresh: &Connection, mut copied: Copied) -> Copied {
    if let Err(error) = keep_summaries(old, fresh) {
        tracing::warn!(%error, "summaries of thinned history are made of what is left");
    }
    if copied.is_torn() {
        copied.holes.extend(lost_chunks(old, fresh).unwrap_or_else(|error| {
            tracing::warn!(%error, "of what time the lost history is can't be read");
            vec![Hole::ALL]
        }));
    }
    copied
}

/// Takes over the summaries of thinned chunks, if they fit what is left.
fn keep_summaries(old: &Connection, fresh: &Connection) -> rusqlite::Result<()> {
    let all = fresh.unchecked_transaction()?;
    {
        let mut find = old.prepare("SELECT * FROM span WHERE point = ?1 AND t_min = ?2 AND chunk = ?3")?;
        let columns = find.column_count();
        let mut keep = all.prepare("INSERT INTO span VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)")?;
        let mut rows = all.prepare("SELECT point, t_min, id, t_max, thinned, body FROM chunk WHERE thinned > 0")?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let (key, t_max, thinned): ([i64; 3], i64, u64) =
                ([row.get(0)?, row.get(1)?, row.get(2)?], row.get(3)?, row.get(4)?);
            let Ok(left) = chunk::decode(row.get_ref(5)?.as_blob().unwrap_or_default(), 0) else { continue };
            let left = chunk::summary(&left);
            let mut found = find.query(key)?;
            let Some(span) = found.next()? else { continue };
            let (n, min, max): (u64, f64, f64) = (span.get(4)?, span.get(6)?, span.get(7)?);
            if span.get::<_, i64>(3)? == t_max && n == left.n + thinned && min <= left.min && max >= left.max {
                let values = (0..columns).map(|n| span.get(n)).collect::<rusqlite::Result<Vec<Value>>>()?;
                keep.execute(params_from_iter(values))?;
            }
        }
    }
    all.commit()
}

/// When the chunks were that the old file has a summary of and the fresh one does not hold: a hole each stretch of hours.
fn lost_chunks(old: &Connection, fresh: &Connection) -> rusqlite::Result<Vec<Hole>> {
    let saved =
        fresh.prepare("SELECT id FROM chunk")?.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let saved: HashSet<i64> = saved;
    let mut lost: Vec<(i64, i64, u64)> = Vec::new();
    let mut rows = old.prepare("SELECT chunk, t_min, t_max, n FROM span")?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        if !saved.contains(&row.get(0)?) {
            lost.push((row.get(1)?, row.get(2)?, row.get(3)?));
        }
    }
    Ok(holes::stretches(lost, chunk::HOUR))
}

/// The first record of the lane that is not what was written, in words.
pub(super) fn unsound(conn: &Connection, lane: Lane) -> rusqlite::Result<Option<String>> {
    let around = Around { old: conn, named: None };
    for table in tables(lane).iter().filter(|table| table.key.is_some()) {
        let mut rows = conn.prepare(&format!("SELECT * FROM {}", table.name))?;
        let columns = rows.column_count();
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let values = (0..columns).map(|n| row.get(n)).collect::<rusqlite::Result<Vec<Value>>>()?;
            if !(table.sound)(&around, &values) {
                return Ok(Some(format!("a row of {} is not what was written: {:?}", table.name, values.first())));
            }
        }
    }
    let why = match lane {
        Lane::Alarm => chain::standing(conn)?.is_none().then_some("a standing alarm is not what its entry says"),
        Lane::Telemetry => (!holes::breaks(conn)?.is_empty()).then_some("batches are missing between others"),
    };
    Ok(why.map(str::to_owned))
}

/// How far the copying came.
#[derive(Debug, Clone)]
struct Copied {
    rows: u64,
    refused: u64,
    bytes: usize,
    whole: bool,
    /// A limit of the copying ended it.
    limited: bool,
    /// Key of the last row.
    key: i64,
    /// What is missing of the lane's records.
    holes: Vec<Hole>,
}

impl Default for Copied {
    fn default() -> Self {
        Self { rows: 0, refused: 0, bytes: 0, whole: true, limited: false, key: i64::MAX, holes: Vec::new() }
    }
}

impl Copied {
    /// Rows are missing.
    fn is_torn(&self) -> bool {
        !self.whole || self.refused > 0
    }

    fn nothing() -> Self {
        Self { whole: false, holes: vec![Hole::ALL], ..Self::default() }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            rows: self.rows + other.rows,
            refused: self.refused + other.refused,
            bytes: self.bytes + other.bytes,
            whole: self.whole && other.whole,
            limited: self.limited || other.limited,
            key: other.key,
            holes: [self.holes, other.holes].concat(),
        }
    }
}

/// Points whose names have been saved.
fn named(fresh: &Connection) -> rusqlite::Result<HashSet<u32>> {
    fresh.prepare("SELECT id FROM series")?.query_map([], |row| row.get(0))?.collect()
}

fn copy(old: &Connection, fresh: &Connection, table: &Table, clock: &Clock) -> Copied {
    let (mut newer, mut older) = (Watch::new(true), Watch::new(false));
    let walk = |along: (&str, i64), watch: &mut Watch| walk(old, fresh, table, along, clock, watch);
    let Some(key) = table.key else { return walk(("", i64::MAX), &mut older) };
    let back = walk((&format!("ORDER BY {key} DESC"), i64::MAX), &mut newer);
    let on = if back.limited {
        newer.broke_off();
        Copied::default()
    } else if back.whole {
        newer.reached_the_beginning();
        Copied::default()
    } else {
        let on = walk((&format!("ORDER BY {key}"), back.key), &mut older);
        newer.met(older);
        on
    };
    // of what is no record nobody is told but by numbers of rows
    let holes = if table.is_of_records() { newer.holes } else { Vec::new() };
    Copied { whole: back.whole, holes, ..back.plus(on) }
}

/// Copies row by row, in an order, until the end, a limit, the first that can't be read, or a key.
fn walk(
    old: &Connection,
    fresh: &Connection,
    table: &Table,
    along: (&str, i64),
    clock: &Clock,
    watch: &mut Watch,
) -> Copied {
    let mut copied = Copied::default();
    let goes_on = |bytes: usize| bytes < COPY_BYTES && clock.up_ms() < COPY_LIMIT;
    let walked = try_walk(old, fresh, table, along, &goes_on, &mut copied, watch);
    if let Err(error) = walked {
        tracing::warn!(table = table.name, %error, rows = copied.rows, "salvage ends here");
        copied.whole = false;
    }
    // Whatever the walk left open.
    if !fresh.is_autocommit()
        && let Err(error) = fresh.execute_batch("COMMIT")
    {
        tracing::warn!(table = table.name, %error, "salvaged rows could not be kept");
    }
    copied
}

fn try_walk(
    old: &Connection,
    fresh: &Connection,
    table: &Table,
    (order, until): (&str, i64),
    goes_on: &dyn Fn(usize) -> bool,
    copied: &mut Copied,
    watch: &mut Watch,
) -> rusqlite::Result<()> {
    // the alarm lane has no points
    let around = Around { old, named: named(fresh).ok() };
    let mut rows = old.prepare(&format!("SELECT * FROM {} {order}", table.name))?;
    let columns = rows.column_count();
    let marks = vec!["?"; columns].join(", ");
    let mut insert = fresh.prepare(&format!("INSERT OR IGNORE INTO {} VALUES({marks})", table.name))?;
    let mut rows = rows.query([])?;
    fresh.execute_batch("BEGIN")?;
    while let Some(row) = rows.next()? {
        if !goes_on(copied.bytes) {
            (copied.whole, copied.limited) = (false, true);
            break;
        }
        let values = (0..columns).map(|n| row.get(n)).collect::<rusqlite::Result<Vec<Value>>>()?;
        if table.key.is_some()
            && let Some(Value::Integer(key)) = values.first()
        {
            if *key >= until {
                break;
            }
            copied.key = *key;
        }
        copied.bytes += values.iter().map(weight).sum::<usize>();
        // The strict tables refuse a value of another type, which a damaged page can hold.
        let record = (table.record)(&values);
        let taken = (table.sound)(&around, &values) && insert.execute(params_from_iter(values)).is_ok_and(|n| n == 1);
        match record {
            Some(record) if taken => watch.saved(record),
            Some(_) | None if !taken => watch.refused(),
            Some(_) | None => {}
        }
        copied.rows += u64::from(taken);
        copied.refused += u64::from(!taken);
        if (copied.rows + copied.refused).is_multiple_of(COPY_ROWS) {
            fresh.execute_batch("COMMIT; BEGIN")?;
        }
    }
    Ok(())
}

fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Integer(_) | Value::Real(_) => 8,
        Value::Text(text) => text.len(),
        Value::Blob(blob) => blob.len(),
    }
}
