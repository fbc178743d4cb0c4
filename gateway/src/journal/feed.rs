//! One store's view of one lane.

use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::watch;

use super::bytes::Damage;
use super::codec;
use super::lane::{LaneCore, lock};
use super::undated::{self, Undated};
use super::{Entry, Head, Inner, Lane, Outcome, Record, Seq, Stretch, chain, owed, start};

/// One store's view of one lane: what is owed, the records, and the settling of them.
#[derive(Debug)]
pub struct Feed {
    inner: Arc<Inner>,
    lane: Lane,
    sink: usize,
    head: watch::Receiver<Head>,
    /// See [`Feed::by_time`].
    by_time: bool,
}

impl Feed {
    pub(super) fn new(inner: Arc<Inner>, lane: Lane, sink: usize) -> Self {
        let head = inner.core(lane).head.subscribe();
        Self { inner, lane, sink, head, by_time: false }
    }

    /// For a store that keeps alarms by their time: one that was stamped before the clock was set is owed to it once that is
    /// known. Others are told at once, as people are.
    #[must_use]
    pub fn by_time(self) -> Self {
        Self { by_time: true, ..self }
    }

    fn core(&self) -> &LaneCore {
        self.inner.core(self.lane)
    }

    /// Returns when the lane's head lies beyond `seq`; cancel-safe.
    pub async fn beyond(&mut self, seq: Seq) {
        if self.head.wait_for(|head| head.seq > seq).await.is_err() {
            // The lane is gone and with it the process, nearly: nothing will ever lie beyond.
            std::future::pending::<()>().await;
        }
    }

    /// How far the lane is synced.
    pub fn head(&self) -> Head {
        self.core().head()
    }

    /// What is owed, oldest first, as inclusive ranges up to the head; settled and dead-lettered records are not in it,
    /// nor those settled but not yet recorded, nor what waits for its time because the clock was not set.
    pub fn owed(&self) -> Vec<(Seq, Seq)> {
        let core = self.core();
        let upto = self.dated();
        lock(&core.deliveries).owed(self.sink, 1, upto)
    }

    /// Up to where records may be had: the head, or what lies before the first that waits for its time.
    pub fn dated(&self) -> Seq {
        let core = self.core();
        // The head first: what lies before it and waits is known to wait.
        let head = self.head().seq;
        let waiting = match self.lane {
            Lane::Telemetry => lock(&core.undated).first(),
            Lane::Alarm if self.by_time => lock(&core.undated).waiting(),
            Lane::Alarm => None,
        };
        waiting.map_or(head, |first| head.min(first.saturating_sub(1)))
    }

    /// The same with what waits for its time.
    pub fn pending(&self) -> Vec<(Seq, Seq)> {
        let head = self.head().seq;
        lock(&self.core().deliveries).owed(self.sink, 1, head)
    }

    /// The lane's epochs, oldest first.
    pub async fn epochs(&self) -> Result<Vec<Stretch>, String> {
        self.core().readers.spawn(start::stretches).await
    }

    /// Up to `max` records of `from..=to` (telemetry lane), in order, off the runtime. A seq that is missing (expired) is skipped.
    pub async fn telemetry(&self, from: Seq, to: Seq, max: usize) -> Result<Vec<Record>, String> {
        self.inner.telemetry.core.readers.spawn(move |conn| records(conn, from, to, max, &[undated::TIER])).await
    }

    /// Says which ranges the requests of this store carry from now on, before the last of them is read: while they do, their
    /// numbers stand for no other readings. `false`: some of them is being thinned, it is as it was, and is to be asked again.
    pub fn carry(&self, ranges: &[(Seq, Seq)]) -> bool {
        lock(&self.core().deliveries).carry(self.sink, ranges)
    }

    /// The same of a range that is about to be read for one who takes each number once: it is kept until it is settled,
    /// whatever becomes of the connection.
    pub fn show(&self, range: (Seq, Seq)) -> bool {
        lock(&self.core().deliveries).show(self.sink, range)
    }

    /// The numbers among `from..=to` whose rows are there and can't be read, as ranges in order, so many at most.
    pub async fn unreadable(&self, from: Seq, to: Seq, max: usize) -> Result<Vec<(Seq, Seq)>, String> {
        self.inner.telemetry.core.readers.spawn(move |conn| unreadable(conn, from, to, max)).await
    }

    /// The same for who has had them before: without those whose numbers stood for other readings then.
    pub async fn again(&self, from: Seq, to: Seq, max: usize) -> Result<Vec<Record>, String> {
        let without = &[undated::TIER, owed::RENUMBERED];
        self.inner.telemetry.core.readers.spawn(move |conn| records(conn, from, to, max, without)).await
    }

    /// Up to `max` entries of `from..=to` (alarm lane).
    pub async fn entries(&self, from: Seq, to: Seq, max: usize) -> Result<Vec<(Seq, Entry)>, String> {
        let kept = self.inner.alarm.core.readers.spawn(move |conn| chain::read(conn, from, to, max)).await?;
        Ok(legible(kept, &lock(&self.inner.alarm.core.undated)))
    }

    /// What is settled next does not wait for a commit to ride on: a drain goes on when it is recorded.
    pub fn hurry(&self) {
        lock(&self.core().deliveries).hurry();
    }

    /// Settles an inclusive range; resolves once that is on disk, so that a crash re-sends at most what is not.
    pub async fn settle(&self, from: Seq, to: Seq, outcome: Outcome) -> Result<(), String> {
        let core = self.core();
        let mut recorded = core.recorded.subscribe();
        let head = core.head().seq;
        let asked = lock(&core.deliveries).settle(self.sink, (from, to.min(head)), outcome, head, core.clock.mono());
        let asked = asked.map_err(|_full| {
            let path = core.path.display();
            format!("{path}: delivery map is full, {from} to {to} stay owed; settle in order of seq")
        })?;
        core.bell.ring();
        let told = recorded.wait_for(|recorded| *recorded >= asked).await;
        told.map(|_| ()).map_err(|_gone| "the journal is closed".to_owned())
    }
}

/// Without the entries whose body a sick disk has changed; a count becomes a time where that is known.
pub(super) fn legible(mut kept: Vec<chain::Kept>, undated: &Undated) -> Vec<(Seq, Entry)> {
    for kept in &mut kept {
        kept.date(undated);
    }
    let legible = |kept: chain::Kept| match kept.entry {
        Ok(entry) => Some((kept.seq, entry)),
        Err(error) => {
            tracing::warn!(seq = kept.seq, error, "entry of the alarm lane can't be read");
            None
        }
    };
    kept.into_iter().filter_map(legible).collect()
}

fn unreadable(conn: &Connection, from: Seq, to: Seq, max: usize) -> rusqlite::Result<Vec<(Seq, Seq)>> {
    let mut ranges = Vec::new();
    let mut rows = conn.prepare_cached(ROWS)?;
    let mut rows = rows.query([signed(from), signed(to)])?;
    while ranges.len() < max
        && let Some(row) = rows.next()?
    {
        let (first, n): (Seq, u64) = (row.get(2)?, row.get(3)?);
        let (first, last) = (first.max(from), first.saturating_add(n).saturating_sub(1).min(to));
        if first <= last && codec::decode(row.get_ref(0)?.as_blob().unwrap_or_default(), |_, _| ()).is_err() {
            ranges.push((first, last));
        }
    }
    Ok(ranges)
}

/// Rows that hold numbers of a range, and perhaps one before.
const ROWS: &str = "SELECT body, tier, first_seq, n FROM batch WHERE first_seq BETWEEN
    coalesce((SELECT max(first_seq) FROM batch WHERE first_seq <= ?1), 0) AND ?2 ORDER BY first_seq";

fn signed(seq: Seq) -> i64 {
    seq.min(i64::MAX as u64) as i64
}

/// Up to `max` records of a range, without rows of some tiers. A batch that is damaged is passed over like one that is missing.
pub(super) fn records(
    conn: &Connection,
    from: Seq,
    to: Seq,
    max: usize,
    without: &[u8],
) -> rusqlite::Result<Vec<Record>> {
    let mut records = Vec::new();
    let mut rows = conn.prepare_cached(ROWS)?;
    let mut rows = rows.query([signed(from), signed(to)])?;
    while records.len() < max
        && let Some(row) = rows.next()?
    {
        if without.contains(&row.get(1)?) {
            continue;
        }
        let body = row.get_ref(0)?.as_blob().unwrap_or_default();
        let decoded = codec::decode(body, |seq, item| {
            if (from..=to).contains(&seq) && records.len() < max {
                records.push(item.record(seq));
            }
        });
        if let Err(Damage(what)) = decoded {
            tracing::warn!(what, "a batch of telemetry can't be read");
        }
    }
    Ok(records)
}
