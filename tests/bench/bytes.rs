//! Bytes a reading: what the disk is made to write for it, and what its batch keeps of it until it is sealed.

use std::path::Path;
use std::time::Duration;

use gengfu_tests::gateway::Gateway;
use gengfu_tests::process::Folder;
use gengfu_tests::site::Site;
use gengfu_tests::wait::{eventually, pause};
use rusqlite::Connection;

use super::parts::{Sim, Sink};
use super::{POINTS, WARM, seconds};

/// A small site: 200 points, a reading a second each.
const DEVICES: usize = 2;
const EVERY_MS: u64 = 1_000;
/// A commit holds 2 s of that, and the log is folded in now and then: no shorter, whatever `FIGURES_SECONDS` says.
const LEAST: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_mins(2);

/// Of each reading.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bytes {
    written: f64,
    fresh: f64,
}

/// Counts from its start on what a gateway writes.
pub(super) struct Meter {
    written: f64,
    committed: f64,
}

impl Meter {
    pub(super) fn start(gateway: &mut Gateway) -> Self {
        Self { written: written(gateway.process().pid()), committed: gateway.stage("committed") }
    }

    pub(super) fn committed(&self, gateway: &Gateway) -> f64 {
        gateway.stage("committed") - self.committed
    }

    /// Stops the gateway, and looks into what it leaves.
    pub(super) fn end(&self, gateway: &mut Gateway) -> Bytes {
        let (committed, written) = (self.committed(gateway), written(gateway.process().pid()) - self.written);
        gateway.term();
        Bytes { written: written / committed, fresh: fresh(&gateway.data()) }
    }
}

/// What the process has caused to be written to storage (proc(5)).
fn written(pid: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    text.lines().find_map(|l| l.strip_prefix("write_bytes: ")).and_then(|n| n.parse().ok()).unwrap_or(0.0)
}

/// All pages of the batches that are not sealed away yet, shared out among their readings.
fn fresh(data: &Path) -> f64 {
    let file = Connection::open(data.join("telemetry.db")).unwrap();
    let number = |sql: &str| file.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap() as f64;
    number("SELECT sum(pgsize) FROM dbstat WHERE name = 'batch'") / number("SELECT sum(n) FROM batch")
}

/// These loads, behind one of 200 readings a second.
pub(super) fn report(loads: Vec<(String, Bytes)>) {
    println!(
        "\n| bytes a reading | written | budget | kept while fresh, in pages of batches | budget |\n|---|---|---|---|---|"
    );
    let small = small();
    println!(
        "| {DEVICES} × {POINTS} points, {EVERY_MS} ms | {:.1} | ≤ 100 | {:.1} | ≤ 12 |",
        small.written, small.fresh
    );
    for (load, bytes) in loads {
        println!("| {load} | {:.1} | – | {:.1} | ≤ 12 |", bytes.written, bytes.fresh);
    }
}

fn small() -> Bytes {
    let (dir, sim, sink) = (Folder::new("bytes"), Sim::start(DEVICES), Sink::start());
    let site = sim.site(Site::new("bench"), EVERY_MS, POINTS + 1).flips(0, DEVICES).influx("sink", sink.port());
    let mut gateway = Gateway::start(&site.text, dir.path());
    eventually(PATIENCE, "readings arrive", || sink.readings() > u64::from(POINTS) * DEVICES as u64);
    pause(WARM);
    let meter = Meter::start(&mut gateway);
    pause(seconds().max(LEAST));
    meter.end(&mut gateway)
}
