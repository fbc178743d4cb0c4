//! The one durable place, in two lanes that never wait for each other: `alarm` (every commit synced) and
//! `telemetry` (group commit). The offline buffer, the trend history and the delivery state of every sink are here;
//! there is no second queue anywhere.

use std::time::Duration;

use gengfu_core::quality::Quality;
use gengfu_core::reading::PointId;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::checked::JournalConfig;
use crate::flow::{AlarmEvent, Batch};
use crate::telemetry::SharedStats;

/// Number of a record in its lane: never reused, counts on through epochs.
pub type Seq = u64;

/// The two lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    Alarm,
    Telemetry,
}

/// A sink with its delivery map, declared when the journal is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkSpec {
    /// `influxdb/central`, `webhook/duty-room`.
    pub name: String,
    pub lanes: &'static [Lane],
}

/// What the alarm lane holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Entry {
    Alarm(AlarmEvent),
    /// A person (or a program in somebody's name) did something.
    Audit {
        at: i64,
        by: String,
        action: String,
        target: String,
        detail: String,
    },
    /// The process began: why, and how long it was off (`None`: the clock can't tell).
    Start {
        at: i64,
        version: String,
        cause: StartCause,
        off_ms: Option<i64>,
    },
    /// The process ended as asked.
    Stop {
        at: i64,
    },
    /// Polled readings between these times may be missing, `at_most` of them.
    Gap {
        from: i64,
        to: i64,
        at_most: u64,
        why: String,
    },
    /// The gateway has something to say about itself: clock step, repair, sick disk, source restarted.
    Maintenance {
        at: i64,
        what: String,
        detail: String,
    },
}

/// Why the process started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StartCause {
    FirstStart,
    /// The last stop was asked for.
    CleanStop,
    /// The last run ended without saying so: crash, kill or power cut.
    UncleanStop,
    /// A lane could not be read and begins anew; the old file is set aside.
    Repair,
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

/// How far a lane is synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    pub epoch: u64,
    /// The last synced record; 0 before the first.
    pub seq: Seq,
}

/// What became of a range of records at a sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// The sink will never take it; with its reason.
    Dead(String),
}

/// Balance of one (sink, lane): committed = delivered + pending + dead + thinned + expired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SinkBalance {
    pub sink: String,
    pub lane: Lane,
    /// Records committed since the sink was added.
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
    /// Readings waiting for their commit.
    pub queued: usize,
    pub bytes_on_disk: u64,
}

/// The opened journal; cheap to clone. Every method that is not `async` returns at once.
#[derive(Debug, Clone)]
pub struct Journal {}

/// What opening found.
#[derive(Debug)]
pub struct Opened {
    pub journal: Journal,
    /// The fold of the alarm lane: the last transition of every (rule, point) whose state is not `normal`.
    pub standing: Vec<AlarmEvent>,
    pub cause: StartCause,
    /// Wall time of the last thing the previous run wrote, if there was one.
    pub last_seen: Option<i64>,
    /// Dropping these does not stop the writers; `Writers::close` flushes, writes the stop entry and joins.
    pub writers: Writers,
}

/// The two writer threads.
#[derive(Debug)]
pub struct Writers {}

/// Why the journal could not be opened: path, cause, mend.
#[derive(Debug)]
pub struct OpenError(pub String);

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
    pub mark: TapMark,
}

/// Says which record a delivery was about, durable or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TapMark {
    Seq(Seq),
    Ticket(Ticket),
}

/// One push channel's view of the alarm lane: first what the last run still owed, then each new transition at its
/// commit, or after 500 ms without one. Only `Entry::Alarm`; other entries are settled by the tap itself.
#[derive(Debug)]
pub struct Tap {}

impl Tap {
    /// The next transition; cancel-safe. `None` when the journal closes.
    pub async fn next(&mut self) -> Option<Tapped> {
        unimplemented!()
    }

    /// Settles one; recorded durably with the lane's next commit, or as soon as the record itself is on disk.
    pub fn settle(&self, _mark: TapMark, _outcome: Outcome) {
        unimplemented!()
    }
}

/// One store's view of one lane: what is owed, the records, and the settling of them.
#[derive(Debug)]
pub struct Feed {}

impl Feed {
    /// Returns when the lane's head lies beyond `seq`; cancel-safe.
    pub async fn beyond(&mut self, _seq: Seq) {
        unimplemented!()
    }

    /// How far the lane is synced.
    pub fn head(&self) -> Head {
        unimplemented!()
    }

    /// What is owed, oldest first, as inclusive ranges up to the head; settled and dead-lettered records are not in it,
    /// nor those settled but not yet recorded.
    pub fn owed(&self) -> Vec<(Seq, Seq)> {
        unimplemented!()
    }

    /// Up to `max` records of `from..=to` (telemetry lane), in order, off the runtime. A seq that is missing (expired) is skipped.
    pub async fn telemetry(&self, _from: Seq, _to: Seq, _max: usize) -> Result<Vec<Record>, String> {
        unimplemented!()
    }

    /// Up to `max` entries of `from..=to` (alarm lane).
    pub async fn entries(&self, _from: Seq, _to: Seq, _max: usize) -> Result<Vec<(Seq, Entry)>, String> {
        unimplemented!()
    }

    /// Settles an inclusive range; resolves once that is on disk, so that a crash re-sends at most what is not.
    pub async fn settle(&self, _from: Seq, _to: Seq, _outcome: Outcome) -> Result<(), String> {
        unimplemented!()
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
}

impl Journal {
    /// Opens or creates both lanes, recovers what a crash left, starts the writers. `catalog` is filled with every point
    /// the journal knows (before the configuration adds its own), so that an index means the same in every run.
    pub fn open(
        _config: &JournalConfig,
        _catalog: &Catalog,
        _clock: &Clock,
        _stats: &SharedStats,
        _sinks: &[SinkSpec],
    ) -> Result<Opened, OpenError> {
        unimplemented!()
    }

    /// Telemetry in; never waits. `Err` gives the batch back where the queue is full (the disk is sick).
    pub fn push(&self, _batch: Batch) -> Result<(), Batch> {
        unimplemented!()
    }

    /// Alarm lane in; never waits and never refuses.
    pub fn append(&self, _entry: Entry) -> Ticket {
        unimplemented!()
    }

    /// Waits until the entry is synced, at most `limit`; says whether it is.
    pub async fn committed(&self, _ticket: Ticket, _limit: Duration) -> bool {
        unimplemented!()
    }

    pub fn head(&self, _lane: Lane) -> watch::Receiver<Head> {
        unimplemented!()
    }

    /// The push channel `sink`'s tap; `None` if it was not declared at open.
    pub fn tap(&self, _sink: &str) -> Option<Tap> {
        unimplemented!()
    }

    pub fn feed(&self, _sink: &str, _lane: Lane) -> Option<Feed> {
        unimplemented!()
    }

    pub fn ledger(&self) -> Vec<SinkBalance> {
        unimplemented!()
    }

    pub fn health(&self) -> Health {
        unimplemented!()
    }

    /// History of a point in buckets of `step_ms`, oldest first, at most `MAX_BUCKETS`; off the runtime.
    pub async fn history(&self, _point: PointId, _from: i64, _to: i64, _step_ms: i64) -> Result<Vec<Bucket>, String> {
        unimplemented!()
    }

    /// Committed records since `from` (UTC ms of commit), oldest first, for the engine's warm start; blocking, before the runtime is busy.
    pub fn replay(&self, _from: i64, _visit: &mut dyn FnMut(Record)) -> Result<(), String> {
        unimplemented!()
    }

    /// Entries of the alarm lane, newest first, at most `max`, older than `before` if given.
    pub async fn entries(&self, _before: Option<Seq>, _max: usize) -> Result<Vec<(Seq, Entry)>, String> {
        unimplemented!()
    }
}

impl Writers {
    /// Whether a writer thread has ended (panicked): the process must not go on without it.
    pub fn gone(&self) -> bool {
        unimplemented!()
    }

    /// Flushes both lanes, writes the stop entry, joins the threads; at most `limit`. Says whether all got to disk.
    pub fn close(self, _limit: Duration) -> bool {
        unimplemented!()
    }
}
