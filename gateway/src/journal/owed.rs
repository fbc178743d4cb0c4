//! Thinning of what sinks are still owed, when an outage outlasts the room and everything else has given way. The readings
//! of some rows that tell least are given up; the others move together to the end of the rows' numbers, so that what is
//! given up is one range, which is settled as `thinned` in the same transaction, and every sink's balance stays exact. Who
//! has had the range before knows other readings by these numbers, and is never sent them again.

use gengfu_core::time::Mono;
use rusqlite::{Connection, params};

use super::bytes::Damage;
use super::codec::{self, Item};
use super::deliveries::{Deliveries, Known, touch};
use super::delivery::MapFull;
use super::retention::young;
use super::seal::Sealed;
use super::thin::{self, Kept};
use super::{Seq, schema};

/// Readings that are thinned together, some 6 MB: the more, the fewer ranges in the delivery maps.
const GROUP: u64 = 131_072;
/// Rows that are, at a low rate.
const GROUP_ROWS: i64 = 1024;
/// Readings of a row that a thinned group becomes.
const ROW: usize = codec::MAX_READINGS;
/// Below this share of readings given up a group stays as it is.
const WORTH: f64 = 0.1;
/// Batches up to the seq under this key in `meta` have been looked at.
const LOOKED_AT: &str = "thinned-batches";
/// `batch.tier` of a row whose readings were thinned, by whether a sink knows other readings by its numbers.
pub(super) const RENUMBERED: u8 = 1;
pub(super) const THINNED: u8 = 3;

/// Rows next to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Group {
    pub first: Seq,
    pub last: Seq,
    stamp: i64,
    history: bool,
    fresh: bool,
    busy: bool,
}

/// What of a group stays.
#[derive(Debug)]
pub(super) struct Fewer {
    group: Group,
    known: Known,
    /// In the order they came.
    items: Vec<Item>,
}

/// Whether rows were ever thinned in this file, so that numbers are missing in its middle.
pub(super) fn ever(conn: &Connection) -> rusqlite::Result<bool> {
    Ok(schema::meta(conn, LOOKED_AT)?.is_some())
}

/// The next rows that may be thinned: they are sealed, and were committed before this (UTC ms). What a sink has in its
/// hands is a group of its own, which is passed over.
pub(super) fn next(
    conn: &Connection,
    (before, ahead): (i64, i64),
    hands: &[(Seq, Seq)],
) -> rusqlite::Result<Option<Group>> {
    let after: Seq = schema::meta(conn, LOOKED_AT)?.and_then(|seq| seq.parse().ok()).unwrap_or(0);
    let upto = Sealed::read(conn)?.upto;
    let mut rows = conn.prepare_cached(
        "SELECT first_seq, n, stamp, history, tier FROM batch WHERE first_seq > ?1 ORDER BY first_seq LIMIT ?2",
    )?;
    let rows = rows.query_map(params![after, GROUP_ROWS], |row| {
        let (first, n, tier): (Seq, u64, u8) = (row.get(0)?, row.get(1)?, row.get(4)?);
        let last = (first + n).saturating_sub(1);
        let busy = hands.iter().any(|range| touch(*range, (first, last)));
        Ok(Group { first, last, stamp: row.get(2)?, history: row.get(3)?, fresh: tier == 0, busy })
    })?;
    let mut group: Option<Group> = None;
    for row in rows {
        let row = row?;
        let (first, joins) = match group {
            None => (row.first, true),
            Some(group) => {
                let kind = |of: &Group| (of.history, of.fresh, of.busy);
                let alike = kind(&group) == kind(&row);
                (group.first, alike && group.last + 1 == row.first && row.last - group.first < GROUP)
            }
        };
        if row.last > upto || young(row.stamp, before, ahead) || !joins {
            break;
        }
        group = Some(Group { first, ..row });
    }
    Ok(group)
}

/// What stays of a group around these moments; `None`: it is not worth it, or can't be read.
pub(super) fn fewer(conn: &Connection, group: Group, kept: &Kept, known: Known) -> rusqlite::Result<Option<Fewer>> {
    let mut items: Vec<(Seq, Item)> = Vec::new();
    let mut rows =
        conn.prepare_cached("SELECT body FROM batch WHERE first_seq BETWEEN ?1 AND ?2 ORDER BY first_seq")?;
    let mut rows = rows.query([group.first, group.last])?;
    while let Some(row) = rows.next()? {
        let body = row.get_ref(0)?.as_blob().unwrap_or_default();
        if let Err(Damage(what)) = codec::decode(body, |seq, item| items.push((seq, *item))) {
            tracing::warn!(what, "a batch of telemetry can't be thinned");
            return Ok(None);
        }
    }
    items.sort_by_key(|(seq, item)| (item.point, item.at, item.offset, *seq));
    let all = items.len();
    let mut left: Vec<(Seq, Item)> = Vec::with_capacity(all / 8);
    for point in items.chunk_by(|(_, a), (_, b)| a.point == b.point) {
        let readings: Vec<Item> = point.iter().map(|(_, item)| *item).collect();
        let told = point.iter().zip(thin::tells(&readings, kept)).filter(|(_, tells)| *tells);
        left.extend(told.map(|(item, _)| *item));
    }
    left.sort_unstable_by_key(|(seq, _)| *seq);
    let worth = left.len() as f64 <= all as f64 * (1.0 - WORTH);
    Ok(worth.then(|| Fewer { group, known, items: left.into_iter().map(|(_, item)| item).collect() }))
}

impl Fewer {
    /// How many readings are given up.
    pub(super) fn gone(&self) -> u64 {
        (self.group.last - self.group.first + 1).saturating_sub(self.items.len() as u64)
    }

    /// Settles them in the maps; before the rows change, so that a forwarder that meets the hole finds it accounted for.
    pub(super) fn settle(&self, deliveries: &mut Deliveries, now: Mono) -> Result<(), MapFull> {
        deliveries.thin(self.group.first, self.group.first + self.gone() - 1, now)
    }

    /// Puts what stays in the place of the rows.
    pub(super) fn write(&self, conn: &Connection) -> rusqlite::Result<()> {
        let tier = match self.known {
            Known::ToSome => RENUMBERED,
            Known::ToNone => THINNED,
        };
        let Group { first, last, stamp, history, .. } = self.group;
        conn.prepare_cached("DELETE FROM batch WHERE first_seq BETWEEN ?1 AND ?2")?.execute([first, last])?;
        let mut insert = conn.prepare_cached("INSERT INTO batch VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?;
        let mut seq = first + self.gone();
        for items in self.items.chunks(ROW) {
            let mut body = Vec::with_capacity(items.len() * 8 + 64);
            codec::encode(seq, items, &mut body);
            let (t_min, t_max) =
                items.iter().fold((i64::MAX, i64::MIN), |(a, b), item| (a.min(item.at), b.max(item.at)));
            let n = items.len() as u64;
            insert.execute(params![seq, n, t_min, t_max, stamp, codec::FORMAT, tier, history, body])?;
            seq += n;
        }
        Ok(())
    }
}

/// These rows are not to be looked at again.
pub(super) fn passed(conn: &Connection, last: Seq) -> rusqlite::Result<()> {
    schema::put_meta(conn, LOOKED_AT, &last.to_string())
}

impl Group {
    /// Rows that no thinning has touched yet, and no sink has in its hands.
    pub(super) fn free(&self) -> bool {
        self.fresh && !self.busy
    }
}
