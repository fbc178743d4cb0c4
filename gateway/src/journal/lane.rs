//! What both lanes have in common: the head, the delivery maps, the bell that wakes the writer, and how it is doing.
//! No lock here is ever held while the disk is asked for something.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::watch;

use super::deliveries::{Changes, Deliveries};
use super::readers::Readers;
use super::start::{self, Boot};
use super::undated::{self, Undated};
use super::{Head, Lane, Seq, SinkBalance, disk, repair, schema};
use crate::clock::Clock;

/// An idle writer says that it is alive this often.
pub(super) const IDLE: Duration = Duration::from_secs(1);
/// First and longest wait after a failed commit.
const RETRY: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));
/// Failures in a row after which the connection is made anew.
const REOPEN_AFTER: u32 = 5;
/// How often the WAL is moved into the file, ms.
const CHECKPOINT_EVERY: u64 = 60_000;

/// Locks, whatever a panicking holder left; the data here is sound between any two statements.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a writer is asked to do beside its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Ask {
    #[default]
    GoOn,
    /// Write all that waits, mark the stop as clean, end.
    Close,
    /// End at once and leave everything as a kill would (tests).
    #[cfg(test)]
    Die,
}

#[derive(Debug, Default)]
struct BellState {
    rung: bool,
    ask: Ask,
    /// Set by the writer as its last act: whether all got to disk.
    ended: Option<bool>,
}

/// Wakes the writer, and tells its end.
#[derive(Debug, Default)]
pub(super) struct Bell {
    state: Mutex<BellState>,
    changed: Condvar,
}

impl Bell {
    pub(super) fn ring(&self) {
        lock(&self.state).rung = true;
        self.changed.notify_all();
    }

    pub(super) fn ask(&self, ask: Ask) {
        lock(&self.state).ask = ask;
        self.ring();
    }

    pub(super) fn asked(&self) -> Ask {
        lock(&self.state).ask
    }

    /// Waits for the bell, at most `limit`.
    pub(super) fn wait(&self, limit: Duration) {
        let state = lock(&self.state);
        let waited = self.changed.wait_timeout_while(state, limit, |state| !state.rung);
        waited.unwrap_or_else(PoisonError::into_inner).0.rung = false;
    }

    /// Waits `limit` out, unless asked to end.
    fn pause(&self, limit: Duration) {
        let state = lock(&self.state);
        drop(self.changed.wait_timeout_while(state, limit, |state| state.ask == Ask::GoOn));
    }

    pub(super) fn end(&self, whole: bool) {
        lock(&self.state).ended = Some(whole);
        self.changed.notify_all();
    }

    /// Whether the writer ended within `limit` with all on disk.
    pub(super) fn ended(&self, limit: Duration) -> bool {
        let state = lock(&self.state);
        let waited = self.changed.wait_timeout_while(state, limit, |state| state.ended.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.ended == Some(true)
    }
}

/// Ways to make the disk sick in a test.
#[cfg(test)]
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// Held by a test: the writer hangs as in a write to a dead disk.
    pub hang: Mutex<()>,
    /// Pages the file may have; 0 is no limit.
    pub pages: AtomicU64,
    /// Bytes of a disk that the file has for itself; 0 is the real one.
    pub disk: AtomicU64,
}

/// The shared half of a lane.
#[derive(Debug)]
pub(super) struct LaneCore {
    pub lane: Lane,
    pub path: PathBuf,
    pub clock: Clock,
    pub head: watch::Sender<Head>,
    pub deliveries: Mutex<Deliveries>,
    /// Number of the last settlement that is on disk.
    pub recorded: watch::Sender<u64>,
    pub bell: Bell,
    pub readers: Readers,
    /// Records that were stamped before the clock was set. Locked after nothing else.
    pub undated: Mutex<Undated>,
    /// The machine's name for this boot.
    pub boot: &'static str,
    /// The newest time that the journal knew when it was opened, UTC ms.
    pub known: Option<i64>,
    progress: AtomicU64,
    error: Mutex<Option<String>>,
    bytes: AtomicU64,
    #[cfg(test)]
    pub faults: Faults,
}

impl LaneCore {
    pub(super) fn new(lane: Lane, path: PathBuf, clock: &Clock, head: Head, deliveries: Deliveries) -> Self {
        Self {
            lane,
            clock: clock.clone(),
            head: watch::Sender::new(head),
            deliveries: Mutex::new(deliveries),
            recorded: watch::Sender::new(0),
            bell: Bell::default(),
            readers: Readers::new(path.clone()),
            undated: Mutex::default(),
            boot: start::machine_boot(),
            known: None,
            progress: AtomicU64::new(clock.mono().0),
            error: Mutex::default(),
            bytes: AtomicU64::new(0),
            path,
            #[cfg(test)]
            faults: Faults::default(),
        }
    }

    pub(super) fn head(&self) -> Head {
        *self.head.borrow()
    }

    pub(super) fn progress(&self) -> u64 {
        self.progress.load(Ordering::Relaxed)
    }

    pub(super) fn error(&self) -> Option<String> {
        self.readers.file.broken().or_else(|| lock(&self.error).clone())
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The writer finished a round.
    pub(super) fn alive(&self) {
        if self.readers.file.broken().is_none() {
            self.progress.store(self.clock.mono().0, Ordering::Relaxed);
        }
    }

    fn healthy(&self) {
        if lock(&self.error).take().is_some() {
            tracing::info!(lane = ?self.lane, "journal writes again");
        }
    }

    fn sick(&self, error: &rusqlite::Error) {
        let words =
            format!("{}: {error}; what waits is kept in memory and written when the disk is back", self.path.display());
        if lock(&self.error).replace(words.clone()).is_none() {
            tracing::error!(lane = ?self.lane, error = words, "journal can't write");
        }
        if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) {
            repair::make_room(&self.path);
        }
        self.readers.file.met(error);
    }

    /// The bytes that the file may have, of which it has `held`: so many, or as many as fit on its disk.
    pub(super) fn room(&self, wanted: u64, held: u64) -> u64 {
        #[cfg(test)]
        if let size @ 1.. = self.faults.disk.load(Ordering::Relaxed) {
            return disk::fits(wanted, held, size.saturating_sub(held));
        }
        disk::limit(&self.path, wanted, held)
    }

    /// Housekeeping failed and is tried again later.
    pub(super) fn put_off(&self, what: &'static str, error: &rusqlite::Error) {
        tracing::warn!(lane = ?self.lane, %error, "{what} put off");
        self.readers.file.met(error);
    }

    /// What is known of undated records once this one is on disk, if that is news: it was stamped by a count.
    pub(super) fn undated_from(&self, first: Seq) -> Option<Undated> {
        let mut undated = lock(&self.undated).clone();
        undated.begin(first, self.boot, self.known).then_some(undated)
    }

    /// Where each sink stands.
    pub(super) fn balances(&self) -> Vec<SinkBalance> {
        let deliveries = lock(&self.deliveries);
        let head = self.head().seq;
        let balance = |(sink, map): (&str, &super::delivery::Map)| {
            let totals = map.totals();
            let committed = (head + 1).saturating_sub(map.first()).saturating_sub(totals.void);
            let settled = totals.done + totals.dead + totals.thinned + totals.expired;
            SinkBalance {
                sink: sink.to_owned(),
                lane: self.lane,
                committed,
                delivered: totals.done,
                pending: committed.saturating_sub(settled),
                dead: totals.dead,
                thinned: totals.thinned,
                expired: totals.expired,
            }
        };
        deliveries.maps().map(balance).collect()
    }
}

/// A writer's hold on its file.
#[derive(Debug)]
pub(super) struct Hand {
    pub conn: Connection,
    /// What this run has to say about itself, until it is said.
    pub boot: Option<Boot>,
    failures: u32,
    measure: u64,
    checkpoint: u64,
}

impl Hand {
    pub(super) fn new(conn: Connection, boot: Boot) -> Self {
        Self { conn, boot: Some(boot), failures: 0, measure: 0, checkpoint: 0 }
    }

    /// Carries `work` to disk in one synced transaction, together with what waits in the delivery maps, and tries until it is
    /// there. `false`: told to end before.
    pub(super) fn commit(
        &mut self,
        core: &LaneCore,
        work: &mut dyn FnMut(&Connection) -> rusqlite::Result<()>,
        mut done: impl FnMut(),
    ) -> bool {
        let mut wait = RETRY.0;
        loop {
            let changes = lock(&core.deliveries).take();
            let read_only = match self.attempt(core, &changes, work) {
                Ok(()) => {
                    (self.failures, self.boot) = (0, None);
                    done();
                    core.healthy();
                    core.recorded.send_replace(changes.asked);
                    core.alive();
                    return true;
                }
                Err(error) => {
                    lock(&core.deliveries).unwritten(&changes, core.clock.mono());
                    core.sick(&error);
                    error.sqlite_error_code() == Some(rusqlite::ErrorCode::ReadOnly)
                }
            };
            core.alive();
            if core.bell.asked() != Ask::GoOn && self.failures > REOPEN_AFTER {
                return false;
            }
            self.recover(core, read_only);
            core.bell.pause(wait);
            wait = (wait * 2).min(RETRY.1);
        }
    }

    fn attempt(
        &mut self,
        core: &LaneCore,
        changes: &Changes,
        work: &mut dyn FnMut(&Connection) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        #[cfg(test)]
        {
            drop(lock(&core.faults.hang));
            let pages = core.faults.pages.load(Ordering::Relaxed);
            let pages = if pages == 0 { u64::from(u32::MAX - 1) } else { pages };
            self.conn.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
        }
        let _ = core;
        let tx = self.conn.transaction()?;
        if let Some(boot) = &self.boot {
            boot.write(&tx)?;
        }
        work(&tx)?;
        changes.write(&tx)?;
        tx.commit()
    }

    /// After some failures in a row the connection itself may be what is wrong. One that was made while the disk was
    /// `read_only` stays so, and what it knows of the WAL is shared by all of this process: they go before the next is made.
    fn recover(&mut self, core: &LaneCore, read_only: bool) {
        self.failures += 1;
        if read_only
            && schema::is_written_again(&core.path)
            && let Ok(nothing) = Connection::open_in_memory()
        {
            core.readers.forget();
            self.conn = nothing;
            if let Ok(conn) = schema::writer(&core.path) {
                self.conn = conn;
            }
            return;
        }
        if self.failures.is_multiple_of(REOPEN_AFTER)
            && let Ok(conn) = schema::writer(&core.path)
        {
            self.conn = conn;
        }
    }

    /// Gives their place to the boots in which records were stamped by a count, if that can be told now; gives those.
    pub(super) fn place(&mut self, core: &LaneCore) -> Vec<undated::Boot> {
        // Asked in any case: the clock settles by being looked at.
        let booted = core.clock.booted();
        let mut undated = lock(&core.undated).clone();
        let Some(booted) = booted.filter(|_| undated.waiting().is_some()) else { return Vec::new() };
        let placed = undated.place(core.boot, booted);
        let written = self.commit(core, &mut |conn| undated.write(conn), || *lock(&core.undated) = undated.clone());
        if written { placed } else { Vec::new() }
    }

    /// Housekeeping between commits: measures the file, now and then empties the WAL.
    pub(super) fn tend(&mut self, core: &LaneCore) {
        let now = core.clock.mono().0;
        if now < self.measure {
            return;
        }
        self.measure = now + 1000;
        let wal = file_bytes(&core.path, "-wal");
        core.bytes.store(file_bytes(&core.path, "") + wal, Ordering::Relaxed);
        if now >= self.checkpoint {
            self.checkpoint = now + CHECKPOINT_EVERY;
            if let Err(error) = schema::checkpoint(&self.conn) {
                core.put_off("checkpoint", &error);
            }
        }
    }
}

/// Bytes of the file or of its WAL.
pub(super) fn file_bytes(path: &std::path::Path, suffix: &str) -> u64 {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    std::fs::metadata(PathBuf::from(name)).map_or(0, |meta| meta.len())
}
