//! The journal on real files.

mod backup;
mod basics;
mod damage;
mod fixtures;
mod learned;
mod owed;
mod past;
mod sealed;
mod push;
mod repaired;
mod sick;
mod sinks;
mod survive;
mod undated;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gengfu_core::quality::Quality;
use gengfu_core::reading::Reading;
use gengfu_core::time::Wall;

use super::*;
use crate::catalog::PointMeta;
use crate::flow::Receipt;
use crate::scripted::DEADLINE;

const STORE: &str = "influxdb/central";
const DUTY: &str = "webhook/duty-room";

/// A directory of its own that goes with the test.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("gengfu-journal-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }

    fn copy_to(&self, to: &Self) {
        for entry in std::fs::read_dir(&self.0).expect("the directory").flatten() {
            let name = entry.file_name();
            let shm = Path::new(&name).extension().is_some_and(|ext| ext.to_string_lossy().ends_with("-shm"));
            if !shm {
                std::fs::copy(entry.path(), to.0.join(name)).expect("a copy");
            }
        }
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// One run of the journal.
struct Run {
    journal: Journal,
    standing: Vec<AlarmEvent>,
    cause: StartCause,
    last_seen: Option<i64>,
    learned: Kept,
    writers: Writers,
    catalog: Catalog,
    stats: SharedStats,
}

fn sinks() -> [SinkSpec; 2] {
    [
        SinkSpec { name: STORE.to_owned(), lanes: &[Lane::Alarm, Lane::Telemetry] },
        SinkSpec { name: DUTY.to_owned(), lanes: &[Lane::Alarm] },
    ]
}

fn config(dir: &Dir) -> JournalConfig {
    let keep = Duration::from_hours(90 * 24);
    JournalConfig { path: dir.0.clone(), keep, keep_life_safety: keep, max_size: 4 << 30 }
}

fn try_open(config: &JournalConfig, sinks: &[SinkSpec]) -> Result<Run, OpenError> {
    open_by(&Clock::start(), config, sinks)
}

fn open_by(clock: &Clock, config: &JournalConfig, sinks: &[SinkSpec]) -> Result<Run, OpenError> {
    let (catalog, stats) = (Catalog::default(), SharedStats::default());
    let Opened { journal, standing, modes: _, levels: _, learned, cause, last_seen, present: _, writers } =
        Journal::open(config, &catalog, clock, &stats, sinks)?;
    Ok(Run { journal, standing, cause, last_seen, learned, writers, catalog, stats })
}

fn open(dir: &Dir) -> Run {
    try_open(&config(dir), &sinks()).expect("the journal opens")
}

impl Run {
    /// Ends as a kill would.
    fn kill(self) {
        self.writers.kill();
    }

    fn close(self) {
        assert!(self.writers.close(DEADLINE), "not all got to disk");
    }

    fn point(&self, name: &str) -> PointId {
        self.catalog.add(PointMeta {
            device: name.to_owned(),
            point: "value".to_owned(),
            kind: "device".to_owned(),
            area: None,
            unit: Some("MPa".to_owned()),
            life_safety: true,
            source: Some("line".to_owned()),
        })
    }

    fn feed(&self, lane: Lane) -> Feed {
        self.journal.feed(STORE, lane).expect("a declared sink")
    }

    fn balance(&self, sink: &str, lane: Lane) -> SinkBalance {
        let balance = self.journal.ledger().into_iter().find(|b| b.sink == sink && b.lane == lane);
        let balance = balance.expect("a declared sink");
        let SinkBalance { committed, delivered, pending, dead, thinned, expired, .. } = balance;
        assert_eq!(committed, delivered + pending + dead + thinned + expired);
        balance
    }

    /// Pushes and waits for the sync.
    async fn commit(&self, readings: Vec<Reading>) -> Head {
        let mark = Arc::new(watch::Sender::new(0));
        let mut synced = mark.subscribe();
        let receipt = Some(Receipt { mark, token: 1 });
        self.journal.push(Batch { readings, receipt, ..Batch::default() }).expect("room");
        let seen = tokio::time::timeout(DEADLINE, synced.wait_for(|token| *token == 1)).await;
        seen.expect("a commit in time").expect("the mark is held");
        *self.journal.head(Lane::Telemetry).borrow()
    }

    async fn all(&self) -> Vec<Record> {
        self.feed(Lane::Telemetry).telemetry(1, Seq::MAX, usize::MAX).await.expect("records")
    }

    /// Appends and waits for the sync.
    async fn record(&self, entry: Entry) -> Seq {
        let ticket = self.journal.append(entry);
        assert!(self.journal.committed(ticket, DEADLINE).await, "not synced in time");
        ticket.0
    }
}

fn reading(point: PointId, at: i64, value: f64) -> Reading {
    Reading { point, at: Wall(at), value, quality: Quality::Good }
}

/// Readings that tell by their value which they are.
fn readings(point: PointId, from: i64, n: i64) -> Vec<Reading> {
    (from..from + n).map(|n| reading(point, n, n as f64 / 3.0)).collect()
}

pub(super) fn alarm(rule: &str, number: u32, state: &str) -> Entry {
    Entry::Alarm(event(rule, number, state))
}

fn event(rule: &str, number: u32, state: &str) -> AlarmEvent {
    let text = crate::flow::Text { zh: "水压低".to_owned(), en: "pressure is low".to_owned() };
    AlarmEvent {
        id: format!("{rule:0>16}"),
        number,
        event: "raise".to_owned(),
        state: state.to_owned(),
        site: "site".to_owned(),
        device: "hydrant".to_owned(),
        point: "pressure".to_owned(),
        kind: "hydrant".to_owned(),
        rule: rule.to_owned(),
        priority: "critical".to_owned(),
        level: 1,
        value: Some(0.1),
        quality: "good".to_owned(),
        reason: None,
        unit: Some("MPa".to_owned()),
        limit: Some(0.15),
        time_to_limit: None,
        early_warning: false,
        message: text,
        advice: None,
        basis: None,
        onset: 1,
        since: 1,
        occurred: 1,
        detected: 1,
        by: None,
        raised: None,
        acknowledged: None,
        life: None,
        shelved: None,
        out_of_service: None,
        suppressed: false,
        test: None,
        first: false,
        noted: None,
        shadow: false,
        note: None,
        clock: None,
        ballot: None,
    }
}

/// Looks again and again until `f` says yes.
async fn until(what: &str, mut f: impl FnMut() -> bool) {
    let look = async {
        while !f() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(DEADLINE, look).await.is_ok(), "never: {what}");
}
