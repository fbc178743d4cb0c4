//! The past, read from outside: beside a running gateway, of a journal nobody has open, of a backup. Each reading once,
//! point by point, in order of time.
//!
//! No read transaction stays open while somebody writes what was read: a pipe that stands still must not pin the WAL. One
//! short transaction takes what is fresh of a group of points and notes which chunks there are; chunks never change, so each is
//! read by itself later. One that has expired by then is expired. In memory are what is fresh of a group and one point's
//! hour.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, params};

use super::bytes::Damage;
use super::chunk::{self, HOUR};
use super::codec::{self, Item};
use super::file::refuse;
use super::seal::Sealed;
use super::suspicion::Suspicion;
use super::undated::{self, Undated};
use super::{Entry, Lane, OpenError, Record, Seq, chain, schema, series};
use crate::catalog::Catalog;

/// Fresh readings of a group, some 6 MB; a single point that has more is a group of its own.
const GROUP: u64 = 131_072;
/// Points of a group.
const GROUP_POINTS: usize = 1024;
/// Entries of the alarm lane read in one go.
const ENTRIES: usize = 1000;

/// A journal to be read.
#[derive(Debug)]
pub struct Past {
    path: PathBuf,
    pub(super) telemetry: Connection,
    alarm: Connection,
}

/// What a group of points had that is not in chunks.
struct Fresh {
    items: BTreeMap<u32, Vec<Item>>,
    /// Chunks up to this id hold the rest.
    chunks: i64,
}

impl Past {
    /// Opens both lanes to be read and nothing else.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        let open = |lane: Lane| {
            let path = dir.join(schema::file_name(lane));
            let mend = "give the directory of a journal or of a backup";
            if !path.exists() {
                return Err(refuse(&path, "is not there", mend));
            }
            let told = |error: rusqlite::Error| refuse(&path, &format!("can't be read: {error}"), mend);
            let conn = schema::reader(&path).map_err(told)?;
            if !schema::is_ours(&conn, lane).map_err(told)? {
                return Err(refuse(&path, "has another layout", "use the gengfu that writes it"));
            }
            Ok(conn)
        };
        Ok(Self { path: dir.to_owned(), telemetry: open(Lane::Telemetry)?, alarm: open(Lane::Alarm)? })
    }

    /// Every point the journal knows.
    pub fn catalog(&self) -> Result<Catalog, OpenError> {
        let catalog = Catalog::default();
        series::fill(&catalog, series::load(&self.telemetry).map_err(|error| self.told(&error))?);
        Ok(catalog)
    }

    /// Readings that have no time yet, because the gateway's clock was not set when they came: they are not handed out.
    pub fn undated(&self) -> Result<u64, OpenError> {
        let sum = "SELECT coalesce(sum(n), 0) FROM batch WHERE tier = ?1";
        self.telemetry.query_row(sum, [undated::TIER], |row| row.get(0)).map_err(|error| self.told(&error))
    }

    /// Hands out the readings of these points with `from <= time < to` (UTC ms), at most one point's hour at a time. An
    /// error of `visit` ends it.
    pub fn readings(
        &mut self,
        points: &[u32],
        from: i64,
        to: i64,
        visit: &mut dyn FnMut(&[Record]) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut points = points.to_vec();
        points.sort_unstable();
        points.dedup();
        let counts = self.counts().map_err(|error| self.told(&error).0)?;
        for group in groups(&points, &counts) {
            let mut fresh = self.fresh(group, from, to).map_err(|error| self.told(&error).0)?;
            for point in group {
                let items = fresh.items.remove(point).unwrap_or_default();
                self.point(*point, items, fresh.chunks, (from, to), visit)?;
            }
        }
        Ok(())
    }

    /// Hands out the entries of the alarm lane with their number and the time of their commit, `from <= time < to`.
    pub fn entries(
        &self,
        from: i64,
        to: i64,
        visit: &mut dyn FnMut(Seq, i64, &Entry) -> Result<(), String>,
    ) -> Result<(), String> {
        let undated = Undated::read(&self.alarm).map_err(|error| self.told(&error).0)?;
        let mut next = 0;
        loop {
            let mut kept = chain::read(&self.alarm, next, Seq::MAX, ENTRIES).map_err(|error| self.told(&error).0)?;
            let Some(last) = kept.last() else { return Ok(()) };
            next = last.seq.saturating_add(1);
            for kept in &mut kept {
                kept.date(&undated);
            }
            for entry in kept.iter().filter(|entry| (from..to).contains(&entry.wall)) {
                match &entry.entry {
                    Ok(known) => visit(entry.seq, entry.wall, known)?,
                    Err(error) => tracing::warn!(seq = entry.seq, error, "entry of the alarm lane can't be read"),
                }
            }
        }
    }

    pub(super) fn told(&self, error: &rusqlite::Error) -> OpenError {
        for lane in [Lane::Alarm, Lane::Telemetry] {
            Suspicion::new(self.path.join(schema::file_name(lane))).met(error);
        }
        let mend = "see to its rights; if it is damaged, the gateway's next start repairs it";
        refuse(&self.path, &format!("can't be read: {error}"), mend)
    }

    /// Fresh readings of each point.
    fn counts(&mut self) -> rusqlite::Result<BTreeMap<u32, u64>> {
        let tx = self.telemetry.transaction()?;
        let sealed = Sealed::read(&tx)?;
        let mut counts = BTreeMap::new();
        batches(&tx, sealed, (0, u32::MAX), (i64::MIN, i64::MAX), |item| *counts.entry(item.point).or_insert(0) += 1)?;
        Ok(counts)
    }

    fn fresh(&mut self, group: &[u32], from: i64, to: i64) -> rusqlite::Result<Fresh> {
        let tx = self.telemetry.transaction()?;
        let sealed = Sealed::read(&tx)?;
        let chunks = tx.query_row("SELECT coalesce(max(id), 0) FROM chunk", [], |row| row.get(0))?;
        let mut items: BTreeMap<u32, Vec<Item>> = BTreeMap::new();
        let ends = (group.first().copied().unwrap_or(0), group.last().copied().unwrap_or(0));
        batches(&tx, sealed, ends, (from, to), |item| {
            if group.binary_search(&item.point).is_ok() && (from..to).contains(&item.at) {
                items.entry(item.point).or_default().push(*item);
            }
        })?;
        Ok(Fresh { items, chunks })
    }

    fn point(
        &self,
        point: u32,
        fresh: Vec<Item>,
        newest: i64,
        (from, to): (i64, i64),
        visit: &mut dyn FnMut(&[Record]) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut hours: BTreeMap<i64, (Vec<i64>, Vec<Item>)> = BTreeMap::new();
        for item in fresh {
            hours.entry(item.at.div_euclid(HOUR)).or_default().1.push(item);
        }
        for (chunk, t_min) in self.chunks(point, newest, (from, to)).map_err(|error| self.told(&error).0)? {
            hours.entry(t_min.div_euclid(HOUR)).or_default().0.push(chunk);
        }
        for (chunks, mut items) in hours.into_values() {
            for id in chunks {
                items.extend(self.chunk(id, point).map_err(|error| self.told(&error).0)?);
            }
            items.retain(|item| (from..to).contains(&item.at));
            items.sort_by_key(|item| (item.at, item.offset));
            let records: Vec<Record> = items.iter().map(|item| item.record(0)).collect();
            if !records.is_empty() {
                visit(&records)?;
            }
        }
        Ok(())
    }

    /// The chunks of a point that reach into the range, each within its hour.
    fn chunks(&self, point: u32, newest: i64, (from, to): (i64, i64)) -> rusqlite::Result<Vec<(i64, i64)>> {
        let mut rows = self.telemetry.prepare_cached(
            "SELECT chunk, t_min FROM span WHERE point = ?1 AND t_min > ?2 AND t_min < ?3 AND t_max >= ?4 AND chunk <= ?5",
        )?;
        let rows = rows.query_map(params![point, from.saturating_sub(HOUR), to, from, newest], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
        rows.collect()
    }

    fn chunk(&self, id: i64, point: u32) -> rusqlite::Result<Vec<Item>> {
        let mut body = self.telemetry.prepare_cached("SELECT body FROM chunk WHERE id = ?1")?;
        let body: Option<Vec<u8>> = body.query_row([id], |row| row.get(0)).optional()?;
        Ok(body.map_or(Vec::new(), |body| {
            chunk::decode(&body, point).unwrap_or_else(|Damage(what)| {
                tracing::warn!(what, "a chunk of telemetry can't be read");
                Vec::new()
            })
        }))
    }
}

/// Parts of the points with about as many fresh readings each as memory is given for.
fn groups<'a>(points: &'a [u32], counts: &BTreeMap<u32, u64>) -> Vec<&'a [u32]> {
    let (mut groups, mut rest) = (Vec::new(), points);
    while !rest.is_empty() {
        let mut sum = 0;
        let fits = rest.iter().take(GROUP_POINTS).take_while(|point| {
            sum += counts.get(point).copied().unwrap_or(0);
            sum <= GROUP
        });
        let (group, others) = rest.split_at(fits.count().max(1));
        groups.push(group);
        rest = others;
    }
    groups
}

/// Readings of the points `first..=last` that are in no chunk yet. A damaged batch is passed over.
fn batches(
    conn: &Connection,
    sealed: Sealed,
    (first, last): (u32, u32),
    (from, to): (i64, i64),
    mut each: impl FnMut(&Item),
) -> rusqlite::Result<()> {
    let mut rows = conn.prepare_cached(
        "SELECT body FROM batch WHERE first_seq > ?1 AND t_max >= ?2 AND t_min < ?3 AND tier != ?4 ORDER BY first_seq",
    )?;
    let mut rows = rows.query(params![sealed.upto, from, to, undated::TIER])?;
    while let Some(row) = rows.next()? {
        let body = row.get_ref(0)?.as_blob().unwrap_or_default();
        let decoded = codec::decode_points(body, first..=last, |seq, item| {
            if seq > sealed.of(item.point) {
                each(item);
            }
        });
        if let Err(Damage(what)) = decoded {
            tracing::warn!(what, "a batch of telemetry can't be read");
        }
    }
    Ok(())
}
