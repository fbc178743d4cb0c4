//! A journal that is there before the gateway starts: what an outage has left, owed to a store. And how much room a lane takes.

use std::path::Path;
use std::time::Duration;

use gengfu::catalog::{Catalog, PointMeta};
use gengfu::clock::Clock;
use gengfu::config::checked::JournalConfig;
use gengfu::flow::Batch;
use gengfu::journal::{Journal, Lane, SinkSpec};
use gengfu::telemetry::SharedStats;
use gengfu_core::quality::Quality;
use gengfu_core::reading::{PointId, Reading};
use gengfu_core::time::Wall;

use crate::wait::{SOON, eventually};

/// Readings that are pushed at once.
const BATCH: u64 = 10_000;

/// Writes what `make` gives for each number (point, time in UTC ms, value), of the points `past/p0`, `past/p1`…, until that is
/// `enough`, which is asked before every [`BATCH`] of them. How many there are.
pub fn owe(
    data: &Path,
    sink: &str,
    points: usize,
    mut make: impl FnMut(u64) -> (usize, i64, f64),
    mut enough: impl FnMut(u64) -> bool,
) -> u64 {
    let catalog = Catalog::default();
    let meta = |n: usize| PointMeta {
        device: "past".to_owned(),
        point: format!("p{n}"),
        kind: "device".to_owned(),
        area: None,
        unit: None,
        life_safety: false,
        source: None,
    };
    let keep = Duration::from_hours(1_000);
    let config = JournalConfig { path: data.to_owned(), keep, keep_life_safety: keep, max_size: u64::MAX >> 1 };
    let stats = SharedStats::default();
    let sink = SinkSpec { name: sink.to_owned(), lanes: &[Lane::Alarm, Lane::Telemetry] };
    let opened = Journal::open(&config, &catalog, &Clock::start(), &stats, &[sink])
        .unwrap_or_else(|e| panic!("the journal does not open: {}", e.0));
    // what is in the catalog at the opening counts as known to the journal
    let points: Vec<PointId> = (0..points).map(|n| catalog.add(meta(n))).collect();
    let mut written = 0;
    while !enough(written) {
        let readings = (written..written + BATCH).map(|number| {
            let (point, at, value) = make(number);
            Reading { point: points[point], at: Wall(at), value, quality: Quality::Good }
        });
        let batch = Batch { readings: readings.collect(), history: true, ..Batch::default() };
        written += BATCH;
        opened.journal.push(batch).unwrap();
        eventually(SOON, "it is written", || stats.committed.get() == written);
    }
    assert!(opened.writers.close(SOON), "all is on disk");
    written
}

/// Bytes of the telemetry lane's pages that hold something: what `max_size` is about.
pub fn in_use(data: &Path) -> u64 {
    let file = rusqlite::Connection::open(data.join("telemetry.db")).unwrap();
    let pragma = |name: &str| file.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, u64>(0)).unwrap();
    (pragma("page_count") - pragma("freelist_count")) * pragma("page_size")
}
