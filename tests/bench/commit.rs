//! How long a commit takes, seen by who waits for it: a message for its acknowledgement, an alarm for its push. Both lanes, alone
//! and beside a load; and what the disk takes for the least that a commit can be, one block and its sync.

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gengfu::config::checked::JournalConfig;
use gengfu::flow::{Batch, Receipt};
use gengfu::journal::{Entry, Journal};
use gengfu_core::quality::Quality;
use gengfu_core::reading::{PointId, Reading};
use gengfu_core::time::Wall;
use gengfu_tests::process::Folder;
use gengfu_tests::wait::{now, pause, unix_ms};
use tokio::sync::watch;

use super::history::{close, meta, open};

const ROUNDS: usize = 1_000;
/// Between two.
const REST: Duration = Duration::from_millis(5);
const BLOCK: [u8; 4096] = [7; 4096];
const POINTS: usize = 100;
/// Readings of the load, of each point so many a second.
const TICKS: u32 = 500;
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn report() {
    let dir = Folder::new("commit");
    println!("\n| a commit, {ROUNDS} one after the other, ms | p50 | p99 | worst | p99 of the bare sync |");
    println!("|---|---|---|---|---|");
    let keep = Duration::from_hours(24);
    let config = JournalConfig { path: dir.path().join("data"), keep, keep_life_safety: keep, max_size: 4 << 30 };
    std::fs::create_dir_all(&config.path).unwrap();
    let (opened, _, catalog) = open(&config, &[]);
    let ids: Vec<PointId> = (0..POINTS).map(|n| catalog.add(meta(n))).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    for load in ["alone", "beside 50,000 readings a second"] {
        let over = Arc::new(AtomicBool::new(false));
        let busy = (load != "alone").then(|| {
            let (journal, ids, over) = (opened.journal.clone(), ids.clone(), over.clone());
            std::thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    tick(&journal, &ids);
                }
            })
        });
        let bare = bare(&dir);
        line(&format!("telemetry lane, {load}"), || telemetry(&runtime, &opened.journal, ids[0]), bare);
        line(&format!("alarm lane, {load}"), || alarm(&runtime, &opened.journal), bare);
        over.store(true, Ordering::Relaxed);
        if let Some(thread) = busy {
            thread.join().unwrap();
        }
    }
    close(opened);
}

fn line(what: &str, mut commit: impl FnMut(), bare: f64) {
    let (p50, p99, worst) = timed(&mut commit);
    println!("| {what} | {p50:.1} | {p99:.1} | {worst:.1} | {bare:.1} |");
}

/// Median, p99 and worst, ms.
fn timed(commit: &mut dyn FnMut()) -> (f64, f64, f64) {
    let mut took: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            pause(REST);
            let began = now();
            commit();
            began.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    took.sort_by(f64::total_cmp);
    (took[ROUNDS / 2], took[ROUNDS * 99 / 100], took[ROUNDS - 1])
}

fn bare(dir: &Folder) -> f64 {
    let mut file = File::create(dir.join("bare")).unwrap();
    timed(&mut || {
        file.rewind().unwrap();
        file.write_all(&BLOCK).unwrap();
        file.sync_data().unwrap();
    })
    .1
}

fn tick(journal: &Journal, ids: &[PointId]) {
    let at = Wall(unix_ms());
    let reading = |id: &PointId| Reading { point: *id, at, value: 1.0, quality: Quality::Good };
    // one that is refused, since the disk does not follow, is a load all the same
    let _ = journal.push(Batch { readings: ids.iter().map(reading).collect(), ..Batch::default() });
    pause(Duration::from_secs(1) / TICKS);
}

fn telemetry(runtime: &tokio::runtime::Runtime, journal: &Journal, point: PointId) {
    let mark = Arc::new(watch::Sender::new(0));
    let mut synced = mark.subscribe();
    let reading = Reading { point, at: Wall(unix_ms()), value: 1.0, quality: Quality::Good };
    let receipt = Some(Receipt { mark, token: 1 });
    journal.push(Batch { readings: vec![reading], receipt, ..Batch::default() }).unwrap();
    runtime.block_on(async { synced.wait_for(|token| *token == 1).await.unwrap() });
}

fn alarm(runtime: &tokio::runtime::Runtime, journal: &Journal) {
    let entry = Entry::Maintenance { at: unix_ms(), what: "bench".to_owned(), detail: "a commit".to_owned() };
    let ticket = journal.append(entry);
    assert!(runtime.block_on(journal.committed(ticket, PATIENCE)));
}
