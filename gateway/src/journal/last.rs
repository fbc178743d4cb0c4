//! What points said last, however long ago. A point that speaks only on change is what it said last, be that a year ago: a start
//! that knew nothing of it would call it lost.

use std::collections::BTreeSet;

use gengfu_core::reading::{Delivery, PointId};
use rusqlite::{Connection, OptionalExtension, ToSql, params};

use super::bytes::Damage;
use super::chunk::{self, HOUR};
use super::codec::Item;
use super::history::{self, Reach};
use super::seal::Sealed;
use super::{Came, Record};

/// Hands out the newest sealed reading of each of these points, as history, for how it came is sealed with nothing; before it, where
/// that is what we said for want of a word, the newest word; then, in order, all of theirs that is not sealed yet.
pub(super) fn words(
    conn: &Connection,
    points: &BTreeSet<PointId>,
    visit: &mut dyn FnMut(Record, Came),
) -> rusqlite::Result<()> {
    let sealed = Sealed::read(conn)?;
    for PointId(point) in points {
        let newest = newest(conn, *point)?;
        let word = if newest.is_some_and(|item| !item.quality.is_word()) { newest_word(conn, *point)? } else { None };
        for item in word.into_iter().chain(newest) {
            visit(item.record(0), Came { at: item.at, delivery: Delivery::History });
        }
    }
    let ends = (points.first().map_or(0, |point| point.0), points.last().map_or(0, |point| point.0));
    let fresh = Reach { points: ends, ..Reach::of(i64::MIN, Some((sealed.upto, i64::MAX))) };
    let cut = history::replay(conn, fresh, &mut |record, came| {
        if points.contains(&record.point) && record.seq > sealed.of(record.point.0) {
            visit(record, came);
        }
    })?;
    if cut.is_some() {
        tracing::warn!(
            "more is not sealed yet than a start may read back: points that spoke before that alone are not known"
        );
    }
    Ok(())
}

/// The last of a point's newest hour; what came late has a chunk of its own in it.
fn newest(conn: &Connection, point: u32) -> rusqlite::Result<Option<Item>> {
    let hour = "t_min > (SELECT max(t_min) FROM span WHERE point = ?1) - ?2 ORDER BY t_max DESC, chunk DESC";
    Ok(items(conn, hour, params![point, HOUR])?.last().copied())
}

/// The last word of the newest hour in which there was a value.
fn newest_word(conn: &Connection, point: u32) -> rusqlite::Result<Option<Item>> {
    let words = items(conn, "n > bad ORDER BY t_min DESC", params![point])?;
    Ok(words.into_iter().rfind(|item| item.quality.is_word()))
}

/// What is in the first of a point's chunks that are so; nothing of one that can't be read.
fn items(conn: &Connection, so: &str, of: &[&dyn ToSql]) -> rusqlite::Result<Vec<Item>> {
    let first = format!("SELECT chunk FROM span WHERE point = ?1 AND {so} LIMIT 1");
    let mut chunk = conn.prepare_cached(&format!("SELECT point, body FROM chunk WHERE id = ({first})"))?;
    let found: Option<(u32, Vec<u8>)> = chunk.query_row(of, |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(found.map_or_else(Vec::new, |(point, body)| {
        chunk::decode(&body, point).unwrap_or_else(|Damage(what)| {
            tracing::warn!(what, point, "a chunk of telemetry can't be read");
            Vec::new()
        })
    }))
}
