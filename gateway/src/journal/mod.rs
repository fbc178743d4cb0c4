//! The one durable place, in two lanes that never wait for each other: `alarm` (every commit synced) and
//! `telemetry` (group commit). The offline buffer, the trend history and the delivery state of every sink are here;
//! there is no second queue anywhere.
//!
//! Each lane is one SQLite file (`alarm.db`, `telemetry.db`: WAL, every commit synced) with one thread that writes it. What comes
//! in is taken by a ring or a queue that never waits; no lock is held while the disk is asked for something; readers use
//! connections of their own with short transactions. What may not happen here: a caller that waits for a sick disk
//! without having asked to, an acknowledgement before the sync, a delivery state anywhere else.

use std::collections::BTreeSet;
use std::fs::File;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use gengfu_core::quality::Quality;
use gengfu_core::reading::{Delivery, PointId};
use gengfu_core::time::{Mono, Now};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::checked::JournalConfig;
use crate::flow::{AlarmEvent, Batch, Refused};
use crate::telemetry::SharedStats;

// From the disk upwards: the file, what is in it, what is in memory, the threads, the views.
mod schema;
mod suspicion;
mod file;
mod holes;
mod repair;
mod start;
mod readers;
mod bytes;
mod codec;
mod chunk;
mod instant;
mod undated;
mod chain;
mod entry;
mod series;
mod delivery;
mod deliveries;
mod lane;
mod learned;
mod ring;
mod alarm;
mod queue;
mod dating;
mod telemetry;
mod thin;
mod owed;
mod room;
mod disk;
mod seal;
mod retention;
mod feed;
mod tap;
mod look_back;
mod letters;
mod history;
mod last;
mod open;
mod sinks;
mod past;
mod sweep;
// Whole journals: whose, copied, put back.
mod mark;
mod manifest;
mod slices;
mod backup;
mod restore;
#[cfg(test)]
mod tests;

pub use alarm::Together;
pub use backup::backup;
pub use chain::ChainReport;
pub(crate) use deliveries::IN_FLIGHT;
pub use disk::too_small;
pub use entry::{BEGUN, Entry, LevelRecord, ModeRecord, StartCause};
pub use feed::Feed;
pub use history::MAX_BUCKETS;
pub use learned::{Kept, KeptLesson};
pub use letters::{Letter, Letters, Redrive, Redriven};
pub use look_back::Found;
pub use manifest::{LaneCopy, Manifest};
pub use mark::{own, owner};
pub use past::Past;
pub use restore::restore;
pub use room::Room;
pub use sweep::{Arrival, Part, Sweep};
pub use tap::Tap;

use alarm::AlarmLane;
use lane::{Ask, LaneCore, lock};
use telemetry::TelemetryLane;

/// Number of a record in its lane: never reused, counts on through epochs.
pub type Seq = u64;

/// The two lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    Alarm,
    Telemetry,
}

/// A write that takes longer than this many milliseconds is a disk that hangs; an idle writer tells of itself every second.
const STALLED: u64 = 3_000;

/// A sink with its delivery map, declared when the journal is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkSpec {
    /// `influxdb/central`, `webhook/duty-room`.
    pub name: String,
    pub lanes: &'static [Lane],
}

/// A committed reading, as the lane gives it back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Record {
    pub seq: Seq,
    pub point: PointId,
    /// UTC nanoseconds; the sub-millisecond part keeps readings of one instant apart and was fixed at commit.
    pub at_ns: i64,
    pub value: f64,
    pub quality: Quality,
}

/// When and how a record reached the gateway, as far as the journal knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Came {
    /// UTC ms, by the clock of the newest record.
    pub at: i64,
    pub delivery: Delivery,
}

/// How far a lane is synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    pub epoch: u64,
    /// The last synced record; 0 before the first.
    pub seq: Seq,
}

/// The records that one epoch covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Stretch {
    pub epoch: u64,
    pub first: Seq,
    /// Its last record (below `first`: it has none); `None` for the newest, which goes on to the head.
    pub last: Option<Seq>,
    /// UTC ms.
    pub started: i64,
}

/// What became of a range of records at a sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// The sink will never take it; with its reason.
    Dead(String),
    /// Not meant for this sink: nothing was sent, and it does not count as committed to it.
    NotForIt,
}

/// Balance of one (sink, lane): committed = delivered + pending + dead + thinned + expired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SinkBalance {
    pub sink: String,
    pub lane: Lane,
    /// Records for this sink committed since it was added; what is not meant for it is not among them.
    pub committed: u64,
    pub delivered: u64,
    pub pending: u64,
    pub dead: u64,
    pub thinned: u64,
    pub expired: u64,
}

/// How the journal is, for `/healthz`, the watchdog and the page.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Health {
    /// Milliseconds (monotonic) at which each writer last finished a round; the watchdog compares.
    pub alarm_progress: u64,
    pub telemetry_progress: u64,
    /// The last error of each lane while it lasts, in words.
    pub alarm_error: Option<String>,
    pub telemetry_error: Option<String>,
    /// Alarm entries not on disk yet.
    pub ring: usize,
    /// Readings waiting for their commit, and one more for each batch of them.
    pub queued: usize,
    /// Readings waiting for their time: the clock was not set when they were taken. No sink, and no trend, has them.
    pub undated: u64,
    pub bytes_on_disk: u64,
    /// How long an outage may last.
    pub room: Room,
}

/// The opened journal; cheap to clone. Every method that is not `async` returns at once.
#[derive(Debug, Clone)]
pub struct Journal {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    alarm: Arc<AlarmLane>,
    telemetry: Arc<TelemetryLane>,
    /// First alarm-lane entry of this run.
    start: Seq,
    clock: Clock,
    /// Keeps a second gateway out for as long as this is held.
    _lock: File,
}

impl Inner {
    fn core(&self, lane: Lane) -> &LaneCore {
        match lane {
            Lane::Alarm => &self.alarm.core,
            Lane::Telemetry => &self.telemetry.core,
        }
    }
}

/// What opening found.
#[derive(Debug)]
pub struct Opened {
    pub journal: Journal,
    /// The fold of the alarm lane: the last transition of every (rule, point) whose state is not `normal`.
    pub standing: Vec<AlarmEvent>,
    /// The modes of areas that run.
    pub modes: Vec<ModeRecord>,
    /// The levels of the site that are above their base.
    pub levels: Vec<LevelRecord>,
    /// What detectors had learned. The clock's counter goes on from there.
    pub learned: Kept,
    pub cause: StartCause,
    /// Wall time of the last thing the previous run wrote, if there was one.
    pub last_seen: Option<i64>,
    /// What the clock that the newest records were stamped by said at the opening, as far as that is known: where it went back
    /// behind them, or was not set in another boot, it stands still. With the counter of that moment: what is left of a time
    /// in the lane is counted from here.
    pub present: Now,
    /// Dropping these does not stop the writers; `Writers::close` flushes, writes the stop entry and joins.
    pub writers: Writers,
}

/// The two writer threads.
#[derive(Debug)]
pub struct Writers {
    inner: Arc<Inner>,
    threads: Vec<JoinHandle<()>>,
}

/// Why the journal could not be opened: path, cause, mend.
#[derive(Debug)]
pub struct OpenError(pub String);

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OpenError {}

/// Place of an alarm-lane entry in the order of [`Journal::append`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// An alarm as it reaches a push channel.
#[derive(Debug, Clone)]
pub struct Tapped {
    pub event: AlarmEvent,
    /// Synced before it was handed out.
    pub durable: bool,
    /// UTC ms of the commit, where durable.
    pub committed: Option<i64>,
    /// It could not be read in time: this number, a newer one of the same alarm, was handed out before.
    pub passed_by: Option<u32>,
    pub mark: TapMark,
}

/// Says which record a delivery was about, durable or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TapMark {
    Seq(Seq),
    Ticket(Ticket),
}

impl TapMark {
    /// The record's number, which it has from the moment it is appended.
    pub const fn seq(self) -> Seq {
        match self {
            Self::Seq(seq) | Self::Ticket(Ticket(seq)) => seq,
        }
    }
}

/// One bucket of a point's history; `None` values where the bucket holds no usable value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bucket {
    /// UTC ms of the bucket's start.
    pub at: i64,
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub mean: Option<f64>,
    pub last: Option<f64>,
    pub count: u64,
    /// Records of bad quality.
    pub bad: u64,
    /// Some of its records were left out of the history for want of room. Where it holds whole hours the figures are those of
    /// all, else of what stayed.
    pub thinned: bool,
}

impl Journal {
    /// Opens or creates both lanes, recovers what a crash left, starts the writers. `catalog` is filled with every point
    /// the journal knows (before the configuration adds its own), so that an index means the same in every run.
    pub fn open(
        config: &JournalConfig,
        catalog: &Catalog,
        clock: &Clock,
        stats: &SharedStats,
        sinks: &[SinkSpec],
    ) -> Result<Opened, OpenError> {
        open::open(config, catalog, clock, stats, sinks)
    }

    /// Telemetry in; never waits. `Err` gives the batch back where the queue is full (the disk is sick).
    pub fn push(&self, batch: Batch) -> Result<(), Batch> {
        self.inner.telemetry.push(batch)
    }

    /// Alarm lane in; never waits and never refuses.
    pub fn append(&self, entry: Entry) -> Ticket {
        Ticket(self.inner.alarm.append(entry))
    }

    /// Until this is dropped, what is appended waits for the rest, and is then committed as one, as far as a commit goes: a
    /// crash leaves all that came of one cause, or nothing. Nothing may be waited for meanwhile.
    #[must_use]
    pub fn together(&self) -> Together {
        self.inner.alarm.together()
    }

    /// Waits until the entry is synced, at most `limit`; says whether it is.
    pub async fn committed(&self, ticket: Ticket, limit: Duration) -> bool {
        tokio::time::timeout(limit, alarm::synced(&self.inner.alarm, ticket.0)).await.unwrap_or(false)
    }

    pub fn head(&self, lane: Lane) -> watch::Receiver<Head> {
        self.inner.core(lane).head.subscribe()
    }

    /// The push channel `sink`'s tap; `None` if it was not declared at open.
    pub fn tap(&self, sink: &str) -> Option<Tap> {
        let index = lane::lock(&self.inner.alarm.core.deliveries).find(sink)?;
        Some(Tap::new(Arc::clone(&self.inner.alarm), index, self.inner.start))
    }

    pub fn feed(&self, sink: &str, lane: Lane) -> Option<Feed> {
        let index = lane::lock(&self.inner.core(lane).deliveries).find(sink)?;
        Some(Feed::new(Arc::clone(&self.inner), lane, index))
    }

    pub fn ledger(&self) -> Vec<SinkBalance> {
        let lanes = [Lane::Alarm, Lane::Telemetry];
        lanes.into_iter().flat_map(|lane| self.inner.core(lane).balances()).collect()
    }

    pub fn health(&self) -> Health {
        let (alarm, telemetry) = (&self.inner.alarm, &self.inner.telemetry);
        Health {
            alarm_progress: alarm.core.progress(),
            telemetry_progress: telemetry.core.progress(),
            alarm_error: alarm.core.error(),
            telemetry_error: telemetry.core.error(),
            ring: alarm.behind(),
            queued: telemetry.queued(),
            undated: telemetry.undated(),
            bytes_on_disk: alarm.core.bytes() + telemetry.core.bytes(),
            room: *lane::lock(&telemetry.room),
        }
    }

    /// Whether a lane can't write: it says so, or its writer has been in one write for [`STALLED`].
    pub fn sick(&self) -> bool {
        let Health { alarm_progress, telemetry_progress, alarm_error, telemetry_error, .. } = self.health();
        let silent = self.inner.clock.mono().since(Mono(alarm_progress.min(telemetry_progress)));
        alarm_error.is_some() || telemetry_error.is_some() || silent > STALLED
    }

    /// History of a point in buckets of `step_ms`, oldest first, at most `MAX_BUCKETS`; off the runtime. Buckets without a
    /// record are left out; a step too fine for the range is made a multiple of itself.
    pub async fn history(&self, point: PointId, from: i64, to: i64, step_ms: i64) -> Result<Vec<Bucket>, String> {
        let readers = &self.inner.telemetry.core.readers;
        readers.ask(move |conn| history::buckets(conn, point.0, from, to, step_ms)).await
    }

    /// The records that came within `memory_ms` of the newest, in order, for the engine's warm start; blocking, before the
    /// runtime is busy. Where there was more than a start may read: how far back it went, ms.
    pub fn replay(&self, memory_ms: u64, visit: &mut dyn FnMut(Record, Came)) -> Result<Option<i64>, String> {
        self.replay_since(memory_ms, None, 0..=u32::MAX, visit)
    }

    /// The same, and those behind this number that came within so many milliseconds; of these points, and of others as it comes.
    pub fn replay_since(
        &self,
        memory_ms: u64,
        behind: Option<(Seq, u64)>,
        points: RangeInclusive<u32>,
        visit: &mut dyn FnMut(Record, Came),
    ) -> Result<Option<i64>, String> {
        let ms = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        let all = history::Reach::of(ms(memory_ms), behind.map(|(seq, most)| (seq, ms(most))));
        let reach = history::Reach { points: points.into_inner(), ..all };
        self.inner.telemetry.core.readers.read(|conn| history::replay(conn, reach, visit))
    }

    /// What these points said last, however long ago, as far as the journal holds it; blocking, before the runtime is busy.
    pub fn last_words(&self, points: &BTreeSet<PointId>, visit: &mut dyn FnMut(Record, Came)) -> Result<(), String> {
        self.inner.telemetry.core.readers.read(|conn| last::words(conn, points, visit))
    }

    /// The transitions since `wall` (UTC ms), the newest `max` at most, oldest first; blocking, before the runtime is busy.
    pub fn transitions(&self, wall: i64, max: usize, visit: &mut dyn FnMut(AlarmEvent)) -> Result<(), String> {
        self.inner.alarm.core.readers.read(|conn| match chain::since(conn, wall, max)? {
            Some(first) => chain::transitions(conn, first, visit),
            None => Ok(()),
        })
    }

    /// The same for whoever runs beside everything else: `fold` takes them one by one and is given back.
    pub async fn folded<F: Send + 'static>(
        &self,
        wall: i64,
        max: usize,
        mut fold: F,
        take: fn(&mut F, &AlarmEvent),
    ) -> Result<F, String> {
        let read = move |conn: &rusqlite::Connection| {
            if let Some(first) = chain::since(conn, wall, max)? {
                chain::transitions(conn, first, &mut |event| take(&mut fold, &event))?;
            }
            Ok(fold)
        };
        self.inner.alarm.core.readers.ask(read).await
    }

    /// How far back a warm start will ask for, ms: what is older and owed to nobody is kept for trends only.
    pub fn remember(&self, memory_ms: u64) {
        self.inner.telemetry.remember(memory_ms);
    }

    /// Entries of the alarm lane, newest first, at most `max`, older than `before` if given.
    pub async fn entries(&self, before: Option<Seq>, max: usize) -> Result<Vec<(Seq, Entry)>, String> {
        let before = before.unwrap_or(Seq::MAX);
        let read = self.inner.alarm.core.readers.ask(move |conn| chain::read_back(conn, before, max)).await?;
        Ok(feed::legible(read, &lock(&self.inner.alarm.core.undated)))
    }

    /// The newest `max` entries `gap` of what was committed since `wall` (UTC ms), newest first.
    pub async fn gaps(&self, wall: i64, max: usize) -> Result<Vec<(Seq, Entry)>, String> {
        let read = self.inner.alarm.core.readers.ask(move |conn| chain::gaps(conn, wall, max)).await?;
        Ok(feed::legible(read, &lock(&self.inner.alarm.core.undated)))
    }

    /// The newest messages that could not be understood, newest first.
    pub async fn refused(&self, max: usize) -> Result<Vec<Refused>, String> {
        self.inner.telemetry.core.readers.ask(move |conn| telemetry::refused(conn, max)).await
    }

    /// Walks the hash chain of the alarm lane.
    pub async fn verify_chain(&self) -> Result<ChainReport, String> {
        self.inner.alarm.core.readers.ask(chain::verify).await
    }
}

impl Writers {
    /// Whether a writer thread has ended (panicked): the process must not go on without it.
    pub fn gone(&self) -> bool {
        self.threads.iter().any(JoinHandle::is_finished)
    }

    /// Flushes both lanes, writes the stop entry, joins the threads; at most `limit`. Says whether all got to disk.
    pub fn close(self, limit: Duration) -> bool {
        let Inner { alarm, telemetry, clock, .. } = self.inner.as_ref();
        let end = clock.mono().plus(limit.as_millis() as u64);
        telemetry.close();
        // A sick telemetry lane leaves half of the time to the alarms.
        let readings = telemetry.core.bell.ended(limit / 2);
        alarm.append(Entry::Stop { at: clock.wall().0 });
        alarm.core.bell.ask(Ask::Close);
        let left = || Duration::from_millis(end.since(clock.mono()));
        let alarms = alarm.core.bell.ended(left());
        let whole = alarms && (readings || telemetry.core.bell.ended(left()));
        if whole {
            for thread in self.threads {
                let _ = thread.join();
            }
        }
        whole
    }

    /// Ends one thread as a panic would.
    #[cfg(test)]
    pub(crate) fn end(&self, lane: Lane) {
        self.inner.core(lane).bell.ask(Ask::Die);
    }

    /// Ends the threads as a kill would, with nothing said to the files.
    #[cfg(test)]
    fn kill(self) {
        for lane in [Lane::Alarm, Lane::Telemetry] {
            self.inner.core(lane).bell.ask(Ask::Die);
        }
        for thread in self.threads {
            thread.join().expect("a writer panicked");
        }
    }
}
