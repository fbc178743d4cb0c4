//! Readings that were stamped by a count get their time, in small transactions between commits, oldest first: their rows are
//! written anew in place, under the same numbers. Until then no sink, no trend and no chunk has them; the delivery maps owe
//! them all the while. How far it came is in the file with what it made, so a crash repeats nothing.

use std::sync::Arc;

use rusqlite::{Connection, params};

use super::alarm::AlarmLane;
use super::bytes::Damage;
use super::codec::{self, Item};
use super::instant::Instants;
use super::lane::{Hand, LaneCore, lock};
use super::undated::{self, Boot, Placed};
use super::{Entry, Seq};

/// Rows of one transaction, so that a commit never waits long behind it.
const ROWS: usize = 64;

/// Decides when, and does one slice at a time.
#[derive(Debug)]
pub(super) struct Dater {
    /// Where it is told.
    alarms: Arc<AlarmLane>,
    more: bool,
}

/// A row with its time.
struct Dated {
    first: Seq,
    times: [i64; 3],
    body: Vec<u8>,
}

impl Dater {
    pub(super) fn new(alarms: Arc<AlarmLane>) -> Self {
        Self { alarms, more: false }
    }

    /// There is more to do at once.
    pub(super) fn more(&self) -> bool {
        self.more
    }

    /// One slice, if the time is known.
    pub(super) fn tidy(&mut self, hand: &mut Hand, core: &LaneCore, instants: &mut Instants) {
        for boot in hand.place(core) {
            self.tell(core, &boot);
        }
        self.more = false;
        match slice(hand, core, instants) {
            Ok(more) => self.more = more,
            Err(error) => core.put_off("dating", &error),
        }
    }

    fn tell(&self, core: &LaneCore, boot: &Boot) {
        let Some(Placed { booted, exact }) = boot.placed else { return };
        let first = boot.first;
        let detail = if exact {
            format!(
                "the clock is set: what was stamped by a count since the boot, readings from number {first} on, is moved by {booted} ms"
            )
        } else {
            let after = boot.after.map_or_else(String::new, |after| format!("after {after} and "));
            let before = booted.saturating_add(boot.end.unwrap_or(0));
            format!(
                "readings from number {first} on are of an earlier boot, whose clock was never set: they were taken {after}before {before} \
                 (UTC ms), and are moved by {booted} ms, as late as can be; their order and distances hold"
            )
        };
        tracing::warn!(detail, "undated readings get their time");
        let what = if exact { "clock-set" } else { "clock-bounded" };
        self.alarms.append(Entry::Maintenance { at: core.clock.wall().0, what: what.to_owned(), detail });
    }
}

/// Whether there is more to do.
fn slice(hand: &mut Hand, core: &LaneCore, instants: &mut Instants) -> rusqlite::Result<bool> {
    let mut undated = lock(&core.undated).clone();
    let Some(from) = undated.first().filter(|_| undated.waiting().is_none()) else { return Ok(false) };
    let (mut last, mut rows, mut dated) = (from.saturating_sub(1), 0, Vec::new());
    let mut read = hand.conn.prepare_cached(
        "SELECT first_seq, n, t_min, t_max, stamp, tier, body FROM batch WHERE first_seq >= ?1 ORDER BY first_seq LIMIT ?2",
    )?;
    let mut found = read.query([from, ROWS as u64])?;
    while let Some(row) = found.next()? {
        let (first, n, tier): (Seq, u64, u8) = (row.get(0)?, row.get(1)?, row.get(5)?);
        (last, rows) = ((first + n).saturating_sub(1), rows + 1);
        if let Some(booted) = undated.booted(first).filter(|_| tier == undated::TIER) {
            let times = [row.get(2)?, row.get(3)?, row.get(4)?].map(|at: i64| at.saturating_add(booted));
            let body = body(row.get_ref(6)?.as_blob().unwrap_or_default(), first, booted, instants);
            dated.push(Dated { first, times, body });
        }
    }
    drop(found);
    drop(read);
    let more = rows == ROWS;
    undated.done(if more { last } else { Seq::MAX }, core.head().seq);
    let write = &mut |conn: &Connection| {
        write(conn, &dated)?;
        undated.write(conn)
    };
    Ok(hand.commit(core, write, || lock(&core.undated).clone_from(&undated)) && more)
}

/// A row's readings with their time. What can't be read stays as it is: every reader passes over it.
fn body(old: &[u8], first: Seq, booted: i64, instants: &mut Instants) -> Vec<u8> {
    let mut items: Vec<Item> = Vec::new();
    if let Err(Damage(what)) = codec::decode(old, |_, item| items.push(*item)) {
        tracing::warn!(what, "a batch of telemetry can't be dated");
        return old.to_vec();
    }
    for item in &mut items {
        item.at = item.at.saturating_add(booted);
        item.offset = instants.offset(item.point, item.at);
    }
    let mut body = Vec::with_capacity(old.len() + items.len());
    codec::encode(first, &items, &mut body);
    body
}

fn write(conn: &Connection, dated: &[Dated]) -> rusqlite::Result<()> {
    let mut update = conn.prepare_cached(
        "UPDATE batch SET t_min = ?2, t_max = ?3, stamp = ?4, tier = 0, body = ?5 WHERE first_seq = ?1",
    )?;
    for Dated { first, times: [t_min, t_max, stamp], body } in dated {
        update.execute(params![first, t_min, t_max, stamp, body])?;
    }
    Ok(())
}
