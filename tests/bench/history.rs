//! The journal alone: a month of a hundred points on a hurried clock, 10^8 readings, and then a file of two gigabytes.

use std::time::Duration;

use gengfu::catalog::{Catalog, PointMeta};
use gengfu::clock::Clock;
use gengfu::config::checked::JournalConfig;
use gengfu::flow::Batch;
use gengfu::journal::{Journal, Lane, Opened, SinkSpec};
use gengfu::telemetry::SharedStats;
use gengfu_core::quality::Quality;
use gengfu_core::reading::{PointId, Reading};
use gengfu_core::time::Wall;
use gengfu_tests::process::{Folder, bytes_below, resident};
use gengfu_tests::random::Random;
use gengfu_tests::series;
use gengfu_tests::wait::{now, pause};
use rusqlite::Connection;

const POINTS: usize = 100;
const MONTH_MS: i64 = 30 * 24 * 3_600_000;
/// A reading of each point so often, ms: a million of each in a month.
const EVERY_MS: i64 = MONTH_MS / 1_000_000;
/// Instants in one batch, and batches in a month.
const TICKS: i64 = 40;
const BATCHES: u64 = 1_000_000 / TICKS as u64;
/// Half of what may wait for a commit.
const ON_THE_WAY: u64 = 32_768;
const TWO_GIB: u64 = 2 << 30;
const ROUNDS: usize = 50;
const ENDS: Duration = Duration::from_mins(1);

pub(super) fn report() {
    println!(
        "\n| the journal alone: {POINTS} points every {EVERY_MS} ms for 30 days, 10^8 readings | | budget |\n|---|---|---|"
    );
    let dir = Folder::new("history");
    let keep = Duration::from_hours(24 * 400);
    let config = JournalConfig { path: dir.path().join("data"), keep, keep_life_safety: keep, max_size: 64 << 30 };
    std::fs::create_dir_all(&config.path).unwrap();
    let (opened, clock, catalog) = open(&config, &[]);
    let ids: Vec<PointId> = (0..POINTS).map(|n| catalog.add(meta(n))).collect();
    let range = live(&opened.journal, &clock, &ids);
    trends(&opened.journal, &ids, range);
    close(opened);
    grow(&config);
    let (began, bytes) = (now(), bytes_below(&config.path));
    let (opened, ..) = open(&config, &[]);
    let took = began.elapsed().as_secs_f64() * 1000.0;
    println!("| opened with {:.1} GB of sealed chunks, ms | {took:.0} | ≤ 200 to the first poll |", bytes as f64 / 1e9);
    close(opened);
}

pub(super) fn close(opened: Opened) {
    let Opened { journal, writers, .. } = opened;
    assert!(writers.close(ENDS));
    // The last handle holds the lock.
    drop(journal);
}

/// A journal for these sinks.
pub(super) fn open(config: &JournalConfig, sinks: &[SinkSpec]) -> (Opened, Clock, Catalog) {
    let (clock, catalog) = (Clock::start(), Catalog::default());
    let opened = Journal::open(config, &catalog, &clock, &SharedStats::default(), sinks).unwrap();
    opened.journal.remember(0);
    (opened, clock, catalog)
}

pub(super) fn meta(n: usize) -> PointMeta {
    let (device, point, kind) = (format!("d{}", n / 10), format!("p{}", n % 10), "device".to_owned());
    PointMeta { device, point, kind, area: None, unit: None, life_safety: false, source: None }
}

/// Lives through the month; gives its begin and end.
fn live(journal: &Journal, clock: &Clock, ids: &[PointId]) -> (i64, i64) {
    let (head, mut random) = (journal.head(Lane::Telemetry), Random::new(7));
    let (began, first) = (now(), clock.wall().0);
    let (mut made, mut early) = (0, 0.0);
    for batch in 0..BATCHES {
        let begin = clock.wall().0;
        let mut readings = Vec::with_capacity(ids.len() * TICKS as usize);
        for tick in 0..TICKS {
            let (at, noise) = (Wall(begin + tick * EVERY_MS), random.draw());
            let second = at.0.unsigned_abs() / 1_000;
            let reading = |(id, n): (&PointId, u64)| Reading {
                point: *id,
                at,
                value: series::value(n, second, noise),
                quality: Quality::Good,
            };
            readings.extend(ids.iter().zip(0..).map(reading));
        }
        made += readings.len() as u64;
        journal.push(Batch { readings, ..Batch::default() }).unwrap();
        clock.hurry((TICKS * EVERY_MS) as u64);
        while made - head.borrow().seq.min(made) > ON_THE_WAY {
            pause(Duration::from_millis(1));
        }
        if batch == BATCHES / 10 {
            early = resident();
        }
    }
    while head.borrow().seq < made {
        clock.hurry(1_000);
        pause(Duration::from_millis(5));
    }
    let last = clock.wall().0;
    println!("| readings committed and sealed a second | {:.0} | – |", made as f64 / began.elapsed().as_secs_f64());
    println!("| resident MiB after 10^7 readings, and after 10^8 | {early:.1}, {:.1} | flat |", resident());
    settle(journal, clock);
    let each = journal.health().bytes_on_disk as f64 / made as f64;
    println!("| bytes on disk a reading, sealed, all of the file | {each:.2} | ≤ 2 |");
    (first, last)
}

/// Until the last hour is sealed and what it was made of is gone.
fn settle(journal: &Journal, clock: &Clock) {
    let mut bytes = u64::MAX;
    for _ in 0..200 {
        clock.hurry(60_000);
        pause(Duration::from_millis(20));
        bytes = bytes.min(journal.health().bytes_on_disk);
    }
}

fn trends(journal: &Journal, ids: &[PointId], (from, to): (i64, i64)) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut took: Vec<f64> = (0..ROUNDS)
        .map(|round| {
            let began = now();
            let buckets =
                runtime.block_on(journal.history(ids[round * 7 % POINTS], from, to, (to - from) / 600)).unwrap();
            assert!(buckets.len() >= 600 && buckets.iter().map(|bucket| bucket.count).sum::<u64>() >= 999_000);
            began.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    took.sort_by(f64::total_cmp);
    let (median, worst) = (took[ROUNDS / 2], took[ROUNDS - 1]);
    println!(
        "| a month's trend of one point, 600 buckets: median and worst of {ROUNDS}, ms | {median:.1}, {worst:.1} | ≤ 50 |"
    );
}

/// Copies the chunks to other points until the file has two gigabytes.
fn grow(config: &JournalConfig) {
    let conn = Connection::open(config.path.join("telemetry.db")).unwrap();
    let most: i64 = conn.query_row("SELECT max(id) FROM series", [], |row| row.get(0)).unwrap();
    let chunks: i64 = conn.query_row("SELECT max(id) FROM chunk", [], |row| row.get(0)).unwrap();
    let mut copies = 0;
    while bytes_below(&config.path) < TWO_GIB {
        copies += 1;
        let (point, chunk) = (copies * (most + 1), copies * chunks);
        conn.execute_batch(&format!(
            "BEGIN;
             INSERT INTO series SELECT id + {point}, device || '-{copies}', point, kind, area, unit, life_safety
               FROM series WHERE id <= {most};
             INSERT INTO chunk SELECT id + {chunk}, point + {point}, t_min, t_max, format, thinned, body
               FROM chunk WHERE id <= {chunks};
             INSERT INTO span SELECT point + {point}, t_min, chunk + {chunk}, t_max, n, bad, min, max, sum, last, last_ns
               FROM span WHERE chunk <= {chunks};
             COMMIT; PRAGMA wal_checkpoint(TRUNCATE);"
        ))
        .unwrap();
    }
}
