//! VictoriaMetrics, set up by the counting rule: one copy of a (series, millisecond), nothing forgotten, and the two
//! counters that tell what it dropped behind its 204.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::counting::{Sample, Set};
use crate::gateway::metric;
use crate::http;
use crate::process::{Folder, Process, free_port, installed};
use crate::wait::eventually;

/// The store; ends when dropped.
#[derive(Debug)]
pub struct Store {
    pub port: u16,
    process: Process,
    _dir: Folder,
    dropped: f64,
}

impl Store {
    pub fn start() -> Self {
        let dir = Folder::new("store");
        let port = free_port();
        let mut command = Command::new(installed("victoria-metrics").unwrap_or_else(|| "victoria-metrics".into()));
        command
            .arg(format!("-storageDataPath={}", dir.join("data").display()))
            .arg(format!("-httpListenAddr=127.0.0.1:{port}"))
            .args(["-retentionPeriod=100y", "-dedup.minScrapeInterval=1ms"]);
        let process = Process::start("victoria-metrics", command, dir.path());
        eventually(Duration::from_secs(10), "victoria-metrics is up", || {
            http::get(port, "/health").is_ok_and(|a| a.status == 200)
        });
        let mut store = Self { port, process, _dir: dir, dropped: 0.0 };
        store.dropped = store.dropped_rows();
        store
    }

    /// Rows it answered 204 to and threw away.
    pub fn dropped_rows(&self) -> f64 {
        let text = http::get(self.port, "/metrics").unwrap().text();
        metric(&text, "vm_rows_invalid_total", "") + metric(&text, "vm_rows_ignored_total", "")
    }

    /// Everything it holds but alarm events, after a flush; panics if it dropped a row since its start.
    pub fn export(&self) -> Set {
        let flushed = http::get(self.port, "/internal/force_flush").unwrap();
        assert_eq!(flushed.status, 200);
        let dropped = self.dropped_rows() - self.dropped;
        assert!(dropped == 0.0, "the store dropped {dropped} rows behind its 204:\n{}", self.process.output());
        // `{__name__!=""}`, and what bears a time of the future too: a clock may have been ahead
        let answer = http::get(self.port, "/api/v1/export?match=%7B__name__%21%3D%22%22%7D&end=4102444800").unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text().lines().flat_map(samples).collect()
    }

    /// How many samples it holds (without a flush: for progress).
    pub fn count(&self) -> u64 {
        let text = http::get(self.port, "/metrics").map(|a| a.text()).unwrap_or_default();
        metric(&text, "vm_rows_inserted_total", "type=\"influx\"") as u64
    }
}

/// One series of the export format.
fn samples(line: &str) -> Vec<Sample> {
    let Ok(series) = serde_json::from_str::<Value>(line) else { return Vec::new() };
    let name = series["metric"]["__name__"].as_str().unwrap_or_default();
    if name.starts_with("alarm_") {
        return Vec::new();
    }
    let key = format!("{name},{}", series["metric"]["device"].as_str().unwrap_or_default());
    let (Some(times), Some(values)) = (series["timestamps"].as_array(), series["values"].as_array()) else {
        return Vec::new();
    };
    times
        .iter()
        .zip(values)
        .filter_map(|(at, value)| Some(Sample::new(&key, at.as_i64()? * 1_000_000, value.as_f64()?)))
        .collect()
}
