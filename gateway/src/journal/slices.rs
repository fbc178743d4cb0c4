//! Rows on their way from a journal's file into a copy, some MB at a time.

use std::collections::BTreeMap;

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use super::{Lane, schema};

/// What one slice takes into memory, and into one transaction of the target.
const SLICE_BYTES: usize = 8 << 20;
const SLICE_ROWS: usize = 8192;

/// A table whose rows are appended by key.
pub(super) struct Table {
    pub name: &'static str,
    pub key: &'static str,
    /// What differs where a row was written anew under its key.
    version: &'static str,
}

pub(super) const fn big(lane: Lane) -> &'static [Table] {
    const ALARM: [Table; 1] = [Table { name: "entry", key: "seq", version: "0" }];
    const TELEMETRY: [Table; 3] = [
        Table { name: "chunk", key: "id", version: "thinned" },
        Table { name: "batch", key: "first_seq", version: "tier" },
        Table { name: "refused", key: "id", version: "0" },
    ];
    match lane {
        Lane::Alarm => &ALARM,
        Lane::Telemetry => &TELEMETRY,
    }
}

pub(super) const fn small(lane: Lane) -> &'static [&'static str] {
    match lane {
        Lane::Alarm => &["meta", "epoch", "sink", "delivery", "standing"],
        Lane::Telemetry => &["meta", "epoch", "sink", "delivery", "series", "sealed", schema::LEARNED],
    }
}

/// Rows as the file has them.
pub(super) type Rows = Vec<Vec<Value>>;

/// What one transaction read of a big table.
#[derive(Default)]
pub(super) struct Slice {
    rows: Rows,
    /// Summaries of these chunks.
    spans: Rows,
    pub bytes: usize,
    /// There is more.
    pub full: bool,
}

/// The version of each row, by key.
pub(super) type Versions = BTreeMap<i64, i64>;

pub(super) fn read_slice(conn: &Connection, table: &Table, upto: i64) -> rusqlite::Result<Slice> {
    let Table { name, key, .. } = table;
    let mut rows = conn.prepare_cached(&format!("SELECT * FROM {name} WHERE {key} > ?1 ORDER BY {key}"))?;
    let columns = rows.column_count();
    let mut rows = rows.query([upto])?;
    let mut slice = Slice::default();
    while let Some(row) = rows.next()?
        && slice.has_room()
    {
        slice.take(values(row, columns)?);
    }
    slice.add_spans(conn, table)?;
    Ok(slice)
}

/// Rows up to a key that have another version than the copy's, or that it lacks.
pub(super) fn read_anew(
    conn: &Connection,
    table: &Table,
    upto: i64,
    copied: &Versions,
    now: &Versions,
) -> rusqlite::Result<Slice> {
    let Table { name, key, .. } = table;
    let mut find = conn.prepare_cached(&format!("SELECT * FROM {name} WHERE {key} = ?1"))?;
    let columns = find.column_count();
    let mut slice = Slice::default();
    for (key, _) in now.range(..=upto).filter(|(key, version)| copied.get(key) != Some(version)) {
        if !slice.has_room() {
            break;
        }
        slice.take(find.query_row([key], |row| values(row, columns))?);
    }
    slice.add_spans(conn, table)?;
    Ok(slice)
}

impl Slice {
    /// Whether one more row may go in; if not, there is more.
    fn has_room(&mut self) -> bool {
        self.full = self.bytes >= SLICE_BYTES || self.rows.len() >= SLICE_ROWS;
        !self.full
    }

    fn take(&mut self, row: Vec<Value>) {
        self.bytes += row.iter().map(weight).sum::<usize>();
        self.rows.push(row);
    }

    /// The summaries of its rows, if they are chunks.
    fn add_spans(&mut self, conn: &Connection, table: &Table) -> rusqlite::Result<()> {
        if table.name != "chunk" {
            return Ok(());
        }
        let mut span = conn.prepare_cached("SELECT * FROM span WHERE point = ?2 AND t_min = ?3 AND chunk = ?1")?;
        let columns = span.column_count();
        for chunk in &self.rows {
            let mut found = span.query(params_from_iter(chunk.iter().take(3)))?;
            while let Some(row) = found.next()? {
                self.spans.push(values(row, columns)?);
            }
        }
        Ok(())
    }
}

pub(super) fn versions(conn: &Connection, table: &Table) -> rusqlite::Result<Versions> {
    let Table { name, key, version } = table;
    let mut rows = conn.prepare_cached(&format!("SELECT {key}, {version} FROM {name}"))?;
    rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

pub(super) fn values(row: &Row<'_>, columns: usize) -> rusqlite::Result<Vec<Value>> {
    (0..columns).map(|n| row.get(n)).collect()
}

fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Integer(_) | Value::Real(_) => 8,
        Value::Text(text) => text.len(),
        Value::Blob(blob) => blob.len(),
    }
}

/// Writes a slice; gives the key of its last row.
pub(super) fn put_slice(conn: &Connection, table: &Table, slice: &Slice) -> rusqlite::Result<Option<i64>> {
    put(conn, table.name, &slice.rows)?;
    put(conn, "span", &slice.spans)?;
    Ok(slice.rows.last().and_then(|row| if let Some(Value::Integer(key)) = row.first() { Some(*key) } else { None }))
}

pub(super) fn put(conn: &Connection, table: &str, rows: &Rows) -> rusqlite::Result<()> {
    let Some(first) = rows.first() else { return Ok(()) };
    let marks = vec!["?"; first.len()].join(", ");
    let mut insert = conn.prepare_cached(&format!("INSERT INTO {table} VALUES({marks})"))?;
    rows.iter().try_for_each(|row| insert.execute(params_from_iter(row)).map(|_| ()))
}

/// Writes rows anew that the copy may hold.
pub(super) fn put_anew(conn: &Connection, table: &Table, slice: &Slice) -> rusqlite::Result<()> {
    for row in &slice.rows {
        if let Some(Value::Integer(key)) = row.first() {
            delete(conn, table, *key)?;
        }
    }
    put_slice(conn, table, slice).map(|_| ())
}

/// What has gone from the journal while it was copied goes from the copy.
pub(super) fn keep_only(conn: &Connection, table: &Table, kept: &Versions) -> rusqlite::Result<()> {
    let copied = versions(conn, table)?;
    copied.keys().filter(|key| !kept.contains_key(key)).try_for_each(|key| delete(conn, table, *key))
}

fn delete(conn: &Connection, table: &Table, key: i64) -> rusqlite::Result<()> {
    let Table { name, key: column, .. } = table;
    if *name == "chunk" {
        let span = "DELETE FROM span WHERE (point, t_min, chunk) IN (SELECT point, t_min, id FROM chunk WHERE id = ?1)";
        conn.prepare_cached(span)?.execute([key])?;
    }
    conn.prepare_cached(&format!("DELETE FROM {name} WHERE {column} = ?1"))?.execute([key]).map(|_| ())
}
