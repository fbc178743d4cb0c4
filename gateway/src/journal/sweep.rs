//! The past of all points together, in the order in which it came, an hour at a time: for a back-test. What is sealed lies by
//! point and hour and has no order of arrival: it comes in order of time. What is fresh has one, and is handed out by it.
//!
//! Like the rest of [`Past`] it holds no read transaction while somebody works on what was read. In memory are the spans of the
//! chunks, some 24 bytes each, what is fresh, and a part of an hour.

use std::collections::{BTreeMap, BTreeSet};

use gengfu_core::reading::{Delivery, PointId, Reading};
use gengfu_core::time::Wall;
use rusqlite::{Connection, params};

use super::bytes::Damage;
use super::chunk::{self, HOUR};
use super::codec::{self, Item};
use super::queue::WINDOW_MS;
use super::seal::Sealed;
use super::{Past, undated};

/// Readings of an hour that are in memory at once, some 50 MB; of more the hour is gone through in parts.
const PART: u64 = 1 << 20;
/// Parts of an hour at most: 3.6 s each, whatever is in it.
const MOST_PARTS: u64 = 1_000;

/// A reading as it came.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Arrival {
    pub reading: Reading,
    /// UTC ms; of what is sealed its own time.
    pub came: i64,
    pub delivery: Delivery,
}

/// A part of the past.
#[derive(Debug, Default)]
pub struct Part {
    /// In the order in which they came.
    pub arrivals: Vec<Arrival>,
    /// Readings that were given up of it for want of room.
    pub thinned: u64,
    /// Chunks and batches that are damaged or gone.
    pub lost: u64,
}

/// What there is between two times, and where.
#[derive(Debug)]
pub struct Sweep {
    range: (i64, i64),
    /// By hour and chunk: how many readings, and whose.
    spans: Vec<Span>,
    /// By hour of arrival.
    fresh: BTreeMap<i64, Vec<Arrival>>,
    points: BTreeSet<u32>,
    /// The first time that anything lies at, and the last.
    bounds: Option<(i64, i64)>,
    lost: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Span {
    hour: i64,
    chunk: i64,
    point: u32,
    n: u32,
}

impl Past {
    /// Looks what there is with `from <= time < to` (UTC ms).
    pub fn sweep(&mut self, from: i64, to: i64) -> Result<Sweep, String> {
        self.look(from, to).map_err(|error| self.told(&error).0)
    }

    fn look(&mut self, from: i64, to: i64) -> rusqlite::Result<Sweep> {
        let tx = self.telemetry.transaction()?;
        let sealed = Sealed::read(&tx)?;
        let mut sweep = Sweep {
            range: (from, to),
            spans: Vec::new(),
            fresh: BTreeMap::new(),
            points: BTreeSet::new(),
            bounds: None,
            lost: 0,
        };
        {
            let mut rows =
                tx.prepare("SELECT t_min, chunk, point, n, t_max FROM span WHERE t_max >= ?1 AND t_min < ?2")?;
            let mut rows = rows.query(params![from, to])?;
            while let Some(row) = rows.next()? {
                let span = Span {
                    hour: row.get::<_, i64>(0)?.div_euclid(HOUR),
                    chunk: row.get(1)?,
                    point: row.get(2)?,
                    n: row.get(3)?,
                };
                sweep.reach(row.get(0)?, row.get(4)?);
                sweep.points.insert(span.point);
                sweep.spans.push(span);
            }
        }
        sweep.spans.sort_unstable();
        fresh(&tx, sealed, &mut sweep)?;
        Ok(sweep)
    }

    fn body(&self, chunk: i64) -> rusqlite::Result<Option<(u64, Vec<u8>)>> {
        let mut row = self.telemetry.prepare_cached("SELECT thinned, body FROM chunk WHERE id = ?1")?;
        let mut rows = row.query([chunk])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        Ok(Some((row.get(0)?, row.get(1)?)))
    }
}

impl Sweep {
    /// The points that have readings, by their index.
    pub fn points(&self) -> &BTreeSet<u32> {
        &self.points
    }

    /// How many readings there are, to the chunk.
    pub fn len(&self) -> u64 {
        self.spans.iter().map(|span| u64::from(span.n)).sum::<u64>()
            + self.fresh.values().map(|fresh| fresh.len() as u64).sum::<u64>()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty() && self.fresh.is_empty()
    }

    /// The time of the first reading, and just after that of the last, UTC ms.
    pub fn extent(&self) -> Option<(i64, i64)> {
        let (first, last) = self.bounds?;
        Some((first.max(self.range.0), last.saturating_add(1).min(self.range.1)))
    }

    /// There is something from one time to another.
    fn reach(&mut self, from: i64, to: i64) {
        let (first, last) = self.bounds.unwrap_or((from, to));
        self.bounds = Some((first.min(from), last.max(to)));
    }

    /// Hands out all of it, part by part. An error of `visit` ends it.
    pub fn run(mut self, past: &Past, visit: &mut dyn FnMut(Part) -> Result<(), String>) -> Result<(), String> {
        if self.lost > 0 {
            visit(Part { lost: self.lost, ..Part::default() })?;
        }
        let spans = std::mem::take(&mut self.spans);
        let mut hours: BTreeMap<i64, &[Span]> = self.fresh.keys().map(|hour| (*hour, &[][..])).collect();
        hours.extend(spans.chunk_by(|a, b| a.hour == b.hour).filter_map(|of| Some((of.first()?.hour, of))));
        for (hour, spans) in hours {
            let fresh = self.fresh.remove(&hour).unwrap_or_default();
            let n = spans.iter().map(|span| u64::from(span.n)).sum::<u64>() + fresh.len() as u64;
            let parts = n.div_ceil(PART).clamp(1, MOST_PARTS) as i64;
            for part in 0..parts {
                let at = |part: i64| hour.saturating_mul(HOUR).saturating_add(HOUR * part / parts);
                let range = (at(part).max(self.range.0), at(part + 1).min(self.range.1));
                visit(Self::part(past, spans, &fresh, range, part == 0).map_err(|error| past.told(&error).0)?)?;
            }
        }
        Ok(())
    }

    /// What came in `from..to`; what was given up of the hour is told with its first part.
    fn part(
        past: &Past,
        spans: &[Span],
        fresh: &[Arrival],
        (from, to): (i64, i64),
        first: bool,
    ) -> rusqlite::Result<Part> {
        let mut part = Part::default();
        let mut sealed: Vec<Item> = Vec::with_capacity(spans.iter().map(|span| span.n as usize).sum());
        for span in spans {
            let Some((thinned, body)) = past.body(span.chunk)? else {
                part.lost += u64::from(first);
                continue;
            };
            part.thinned += if first { thinned } else { 0 };
            match chunk::decode(&body, span.point) {
                Ok(items) => sealed.extend(items.into_iter().filter(|item| (from..to).contains(&item.at))),
                Err(Damage(what)) => {
                    tracing::warn!(what, "a chunk of telemetry can't be read");
                    part.lost += u64::from(first);
                }
            }
        }
        // Of one instant: in the order of the points, and of one point as it was written.
        sealed.sort_by_key(|item| (item.at, item.offset, item.point));
        part.arrivals = merged(&sealed, fresh.iter().filter(|arrival| (from..to).contains(&arrival.came)).copied());
        Ok(part)
    }
}

/// Both in order of time; at the same time what is sealed comes first: it is older.
fn merged(sealed: &[Item], fresh: impl Iterator<Item = Arrival>) -> Vec<Arrival> {
    let arrival = |item: &Item| Arrival { reading: reading(item), came: item.at, delivery: Delivery::Live };
    let mut out = Vec::with_capacity(sealed.len());
    let mut sealed = sealed.iter().map(arrival).peekable();
    for fresh in fresh {
        while let Some(before) = sealed.next_if(|item| item.came <= fresh.came) {
            out.push(before);
        }
        out.push(fresh);
    }
    out.extend(sealed);
    out
}

fn reading(item: &Item) -> Reading {
    Reading { point: PointId(item.point), at: Wall(item.at), value: item.value, quality: item.quality }
}

/// What is in no chunk yet, in the order of its numbers. It came before its commit and within the window that a commit takes,
/// and what was marked as history is history still.
fn fresh(conn: &Connection, sealed: Sealed, sweep: &mut Sweep) -> rusqlite::Result<()> {
    let (from, to) = sweep.range;
    let sql = "SELECT body, stamp, history FROM batch WHERE first_seq > ?1 AND tier != ?2 ORDER BY first_seq";
    let mut rows = conn.prepare(sql)?;
    let mut rows = rows.query(params![sealed.upto, undated::TIER])?;
    let mut came_last = i64::MIN;
    while let Some(row) = rows.next()? {
        let body = row.get_ref(0)?.as_blob().unwrap_or_default();
        let stamp: i64 = row.get(1)?;
        let delivery = if row.get(2)? { Delivery::History } else { Delivery::Live };
        // A clock that was set back begins a line of its own.
        came_last = came_last.min(stamp);
        let earliest = stamp.saturating_sub(WINDOW_MS as i64);
        let decoded = codec::decode(body, |seq, item| {
            came_last = item.at.clamp(earliest, stamp).max(came_last);
            if seq > sealed.of(item.point) && (from..to).contains(&came_last) {
                let arrival = Arrival { reading: reading(item), came: came_last, delivery };
                sweep.reach(came_last, came_last);
                sweep.points.insert(item.point);
                sweep.fresh.entry(came_last.div_euclid(HOUR)).or_default().push(arrival);
            }
        });
        if let Err(Damage(what)) = decoded {
            tracing::warn!(what, "a batch of telemetry can't be read");
            sweep.lost += 1;
        }
    }
    for arrivals in sweep.fresh.values_mut() {
        arrivals.sort_by_key(|arrival| arrival.came);
    }
    Ok(())
}
