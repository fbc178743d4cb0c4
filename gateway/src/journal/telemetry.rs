//! The telemetry lane: a queue that never waits, and one thread that brings it to disk in group commits. What is owed an
//! acknowledgement gets it after the commit that holds it is synced.
//!
//! An undecodable message is kept as a refused record in the same commit and counts as committed like a reading; what
//! counts as refused is what was not kept: read = committed + refused + in flight.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gengfu_core::time::Mono;
use rusqlite::{Connection, params};

use super::alarm::AlarmLane;
use super::codec::{self, Item};
use super::dating::Dater;
use super::instant::Instants;
use super::lane::{Ask, Hand, IDLE, LaneCore, lock};
use super::learned;
use super::queue::Queue;
use super::retention::Retention;
use super::room::Room;
use super::seal::Sealer;
use super::series::Series;
use super::{Seq, start, undated};
use crate::config::checked::JournalConfig;
use crate::flow::{Batch, Learned, Receipt, Refused};
use crate::telemetry::SharedStats;

/// Refused messages that are kept; the oldest go.
const KEEP_REFUSED: u64 = 10_000;
/// Batches stay this long though nobody needs them, ms: a sink that asks for a little of the past again finds it.
const LEAST_MEMORY: u64 = 600_000;
/// A quiet lane says this often that it is alive, ms; a gap marker begins there.
const SIGN_OF_LIFE: u64 = 30_000;

/// The lane as everybody shares it.
#[derive(Debug)]
pub(super) struct TelemetryLane {
    pub core: LaneCore,
    queue: Mutex<Queue>,
    /// How far back a warm start reads, ms; all there is until that is known.
    memory: AtomicU64,
    /// Limits of a changed configuration, until the writer takes them.
    limits: Mutex<Option<JournalConfig>>,
    pub room: Mutex<Room>,
}

impl TelemetryLane {
    pub(super) fn new(core: LaneCore) -> Self {
        let memory = AtomicU64::new(i64::MAX as u64);
        Self { core, queue: Mutex::default(), memory, limits: Mutex::default(), room: Mutex::default() }
    }

    pub(super) fn push(&self, batch: Batch) -> Result<(), Batch> {
        let wake = lock(&self.queue).push(batch, self.core.clock.mono())?;
        if wake {
            self.core.bell.ring();
        }
        Ok(())
    }

    pub(super) fn remember(&self, memory_ms: u64) {
        self.memory.store(memory_ms.max(LEAST_MEMORY), Ordering::Relaxed);
    }

    pub(super) fn limit(&self, config: JournalConfig) {
        *lock(&self.limits) = Some(config);
    }

    pub(super) fn queued(&self) -> usize {
        lock(&self.queue).len()
    }

    /// Readings that wait for their time, and the few behind them.
    pub(super) fn undated(&self) -> u64 {
        let first = lock(&self.core.undated).first();
        first.map_or(0, |first| (self.core.head().seq + 1).saturating_sub(first))
    }

    /// Nothing more comes in; what waits is due at once.
    pub(super) fn close(&self) {
        lock(&self.queue).close();
        self.core.bell.ask(Ask::Close);
    }

    fn due(&self) -> Option<Mono> {
        let queue = lock(&self.queue).due();
        let deliveries = lock(&self.core.deliveries).due();
        queue.into_iter().chain(deliveries).min()
    }
}

/// One commit's content, fixed before the first attempt so that every attempt writes the same.
#[derive(Debug, Default)]
struct Work {
    rows: Vec<Row>,
    last: Seq,
    readings: u64,
    refused: Vec<Refused>,
    receipts: Vec<Receipt>,
    /// What detectors know after the reading of this number.
    learned: Option<(Seq, Box<Learned>)>,
}

#[derive(Debug)]
struct Row {
    first: Seq,
    n: u64,
    t_min: i64,
    t_max: i64,
    kind: Kind,
    body: Vec<u8>,
}

/// What the readings of a row have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Kind {
    /// They came as history, not live.
    history: bool,
    /// `batch.tier`: fresh, or stamped by a count.
    tier: u8,
}

/// The writer thread.
#[derive(Debug)]
pub(super) struct TelemetryWriter {
    lane: Arc<TelemetryLane>,
    hand: Hand,
    stats: SharedStats,
    instants: Instants,
    series: Series,
    dater: Dater,
    sealer: Sealer,
    retention: Retention,
    /// Where damage is told.
    alarms: Arc<AlarmLane>,
    /// Readings of the row being filled; kept for its memory.
    items: Vec<Item>,
    seen: u64,
}

impl TelemetryWriter {
    pub(super) fn new(
        lane: Arc<TelemetryLane>,
        hand: Hand,
        stats: &SharedStats,
        instants: Instants,
        series: Series,
        retention: Retention,
        alarms: Arc<AlarmLane>,
    ) -> Self {
        Self {
            lane,
            hand,
            stats: Arc::clone(stats),
            instants,
            series,
            dater: Dater::new(Arc::clone(&alarms)),
            sealer: Sealer::default(),
            retention,
            alarms,
            items: Vec::new(),
            seen: 0,
        }
    }

    /// Until asked to end.
    pub(super) fn run(mut self) {
        let whole = loop {
            self.lane.core.alive();
            // Read before the queue: what was pushed before the word to close is then seen and written.
            let ask = self.lane.core.bell.asked();
            #[cfg(test)]
            if ask == Ask::Die {
                break false;
            }
            let now = self.lane.core.clock.mono();
            let due = self.lane.due();
            if due.is_some_and(|due| due <= now) || self.hand.boot.is_some() {
                if !self.commit(now) {
                    break false;
                }
            } else if ask == Ask::Close && due.is_none() {
                break self.finish();
            }
            self.tidy(now);
            self.rest();
        };
        self.lane.core.bell.end(whole);
    }

    /// Everything that waits, in one synced transaction. Settlements alone do not close the readings' window: a store that
    /// keeps up would else make every commit a small one.
    fn commit(&mut self, now: Mono) -> bool {
        let batches = lock(&self.lane.queue).take_due(now);
        let work = self.prepare(batches);
        let core = &self.lane.core;
        let series = self.series.news(work.readings > 0);
        let undated = work.undated().and_then(|first| core.undated_from(first));
        let written = self.hand.commit(
            core,
            &mut |conn| {
                series.write(conn)?;
                undated.iter().try_for_each(|undated| undated.write(conn))?;
                work.write(conn, core.clock.wall().0)
            },
            || {
                lock(&self.lane.queue).settled();
                self.stats.committed.add(work.readings + work.refused.len() as u64);
                // Before anybody can see them.
                if let Some(undated) = &undated {
                    lock(&core.undated).clone_from(undated);
                }
                if work.readings > 0 {
                    core.head.send_modify(|head| head.seq = work.last);
                }
                work.receipts.iter().for_each(acknowledge);
            },
        );
        if written {
            self.series.known(series);
            self.seen = core.clock.mono().0;
        }
        written
    }

    /// Numbers the readings, keeps their instants apart, and encodes them.
    fn prepare(&mut self, batches: impl IntoIterator<Item = Batch>) -> Work {
        let mut work = Work { last: self.lane.core.head().seq, ..Work::default() };
        let clock = &self.lane.core.clock;
        let mut kind = Kind::default();
        for batch in batches {
            let mut stamps = batch.stamps.iter().peekable();
            for (n, reading) in batch.readings.iter().enumerate() {
                let tier = if clock.is_count(reading.at) { undated::TIER } else { 0 };
                let next = Kind { history: batch.history, tier };
                if next != kind {
                    work.add(&mut self.items, kind);
                    kind = next;
                }
                let stamp = stamps.next_if(|(at, _)| *at as usize == n).map(|(_, stamp)| stamp.0);
                let offset = self.instants.offset(reading.point.0, reading.at.0);
                let (point, at, value, quality) = (reading.point.0, reading.at.0, reading.value, reading.quality);
                self.items.push(Item { point, at, offset, quality, value, stamp });
                if self.items.len() >= codec::MAX_READINGS {
                    work.add(&mut self.items, kind);
                }
            }
            work.refused.extend(batch.refused);
            work.receipts.extend(batch.receipt);
            if let Some(learned) = batch.learned {
                work.learned = Some((work.last + self.items.len() as u64, learned));
            }
        }
        work.add(&mut self.items, kind);
        work
    }

    /// Housekeeping between commits.
    fn tidy(&mut self, now: Mono) {
        let core = &self.lane.core;
        self.hand.tend(core);
        if now.0.saturating_sub(self.seen) >= SIGN_OF_LIFE {
            self.seen = now.0;
            let wall = core.clock.wall().0;
            self.hand.commit(core, &mut |conn| start::mark_seen(conn, wall), || ());
        }
        self.dater.tidy(&mut self.hand, core, &mut self.instants);
        let (alarms, stats) = (&self.alarms, &self.stats);
        self.sealer.tidy(&mut self.hand, core, |gap| {
            stats.journal_repairs.add(1);
            alarms.append(gap);
        });
        if let Some(limits) = lock(&self.lane.limits).take() {
            self.retention.limit(&limits);
        }
        let room = self.retention.tidy(&mut self.hand, core, self.lane.memory.load(Ordering::Relaxed));
        if let Some(room) = room {
            *lock(&self.lane.room) = room;
        }
    }

    /// Sleeps until something is due.
    fn rest(&self) {
        let core = &self.lane.core;
        let now = core.clock.mono();
        let wait = self.lane.due().map_or(IDLE, |due| Duration::from_millis(due.since(now)));
        if !wait.is_zero() && !self.retention.more() && !self.sealer.more() && !self.dater.more() {
            core.bell.wait(wait.min(IDLE));
        }
    }

    fn finish(&mut self) -> bool {
        let core = &self.lane.core;
        let now = core.clock.wall().0;
        let written = self.hand.commit(core, &mut |conn: &Connection| start::mark_clean(conn, now), || ());
        if let Err(error) = super::schema::checkpoint(&self.hand.conn) {
            tracing::debug!(%error, "checkpoint left to the next start");
        }
        written
    }
}

impl Work {
    /// The first reading that was stamped by a count.
    fn undated(&self) -> Option<Seq> {
        self.rows.iter().find(|row| row.kind.tier == undated::TIER).map(|row| row.first)
    }

    /// Makes a row of `items`, which are of this kind, and empties them.
    fn add(&mut self, items: &mut Vec<Item>, kind: Kind) {
        if items.is_empty() {
            return;
        }
        let (first, n) = (self.last + 1, items.len() as u64);
        let (t_min, t_max) = items.iter().fold((i64::MAX, i64::MIN), |(a, b), item| (a.min(item.at), b.max(item.at)));
        let mut body = Vec::with_capacity(items.len() * 8 + 64);
        codec::encode(first, items, &mut body);
        items.clear();
        self.last += n;
        self.readings += n;
        self.rows.push(Row { first, n, t_min, t_max, kind, body });
    }

    fn write(&self, conn: &Connection, stamp: i64) -> rusqlite::Result<()> {
        let mut insert = conn.prepare_cached("INSERT INTO batch VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?;
        for Row { first, n, t_min, t_max, kind: Kind { history, tier }, body } in &self.rows {
            insert.execute(params![first, n, t_min, t_max, stamp, codec::FORMAT, tier, history, body])?;
        }
        if let Some((upto, learned)) = &self.learned {
            learned::write(conn, *upto, learned)?;
        }
        if self.refused.is_empty() {
            return Ok(());
        }
        let mut insert = conn.prepare_cached("INSERT INTO refused VALUES(NULL, ?1, ?2, ?3, ?4, ?5)")?;
        for Refused { source, topic, head, reason, at } in &self.refused {
            insert.execute(params![at.0, source, topic, head, reason])?;
        }
        let oldest = "DELETE FROM refused WHERE id <= (SELECT max(id) FROM refused) - ?1";
        conn.prepare_cached(oldest)?.execute([KEEP_REFUSED]).map(|_| ())
    }
}

/// Batches of one source come in order, so the highest token says it all.
fn acknowledge(receipt: &Receipt) {
    receipt.mark.send_if_modified(|mark| {
        let newer = receipt.token > *mark;
        *mark = receipt.token.max(*mark);
        newer
    });
}

/// The newest refused messages, newest first.
pub(super) fn refused(conn: &Connection, max: usize) -> rusqlite::Result<Vec<Refused>> {
    let mut rows = conn.prepare("SELECT wall, source, topic, head, reason FROM refused ORDER BY id DESC LIMIT ?1")?;
    let rows = rows.query_map([max as i64], |row| {
        Ok(Refused {
            at: gengfu_core::time::Wall(row.get(0)?),
            source: row.get(1)?,
            topic: row.get(2)?,
            head: row.get(3)?,
            reason: row.get(4)?,
        })
    })?;
    rows.collect()
}
