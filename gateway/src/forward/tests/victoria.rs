//! Against a real store: what it exports is what was committed.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};

use super::wire::{POINTS, Rig};
use crate::scripted::{DEADLINE, TempFile, within};

/// A VictoriaMetrics of its own; ends with the test.
struct Victoria {
    child: Child,
    url: String,
    _data: TempFile,
}

impl Victoria {
    async fn start() -> Self {
        // bound once to learn a free port
        let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let data = TempFile::new("");
        let child = Command::new("victoria-metrics")
            .arg(format!("-storageDataPath={}", data.0.with_file_name("store").display()))
            .arg(format!("-httpListenAddr=127.0.0.1:{port}"))
            .args(["-retentionPeriod=100y", "-dedup.minScrapeInterval=1ms"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("victoria-metrics is installed: apt-get install victoria-metrics");
        let store = Self { child, url: format!("http://127.0.0.1:{port}"), _data: data };
        let up = async { while store.try_get("/health").await.is_err() {} };
        within("the store", up).await;
        store
    }

    async fn try_get(&self, path: &str) -> Result<String, reqwest::Error> {
        let client = reqwest::Client::builder().no_proxy().timeout(DEADLINE).build()?;
        client.get(format!("{}{path}", self.url)).send().await?.error_for_status()?.text().await
    }

    async fn get(&self, path: &str) -> String {
        self.try_get(path).await.unwrap()
    }

    /// Rows it threw away, by its own counters.
    async fn lost_rows(&self) -> Vec<String> {
        let lost = |line: &&str| line.starts_with("vm_rows_invalid_total") || line.starts_with("vm_rows_ignored_total");
        self.get("/metrics").await.lines().filter(lost).map(str::to_owned).collect()
    }

    /// (series, field, ms) → value of everything it holds.
    async fn export(&self) -> BTreeMap<(String, String, i64), f64> {
        self.get("/internal/force_flush").await;
        let mut out = BTreeMap::new();
        for line in self.get("/api/v1/export?match={site=%22mall%22}").await.lines() {
            let series: serde_json::Value = serde_json::from_str(line).unwrap();
            let metric = &series["metric"];
            let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
            let pairs = series["timestamps"].as_array().unwrap().iter().zip(series["values"].as_array().unwrap());
            for (at, value) in pairs {
                let key = (text(&metric["device"]), text(&metric["__name__"]), at.as_i64().unwrap());
                assert!(out.insert(key.clone(), value.as_f64().unwrap()).is_none(), "twice: {key:?}");
            }
        }
        out
    }
}

impl Drop for Victoria {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_store_holds_what_was_committed() {
    const COUNT: u64 = 50_000;
    let store = Victoria::start().await;
    let before = store.lost_rows().await;
    let rig = Rig::start(&store.url);
    for _ in 0..10 {
        rig.commit(COUNT / 10);
    }
    within("delivery", async {
        while !rig.telemetry.all_settled() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let expected: BTreeMap<_, _> = (1..=COUNT)
        .map(|n| {
            let point = n as u32 % POINTS;
            let key = (format!("dev-{}", point / 4), format!("hydrant_p{}", point % 4), 1_700_000_000_000 + n as i64);
            (key, n as f64)
        })
        .collect();
    let found = store.export().await;
    assert_eq!(found.len(), expected.len());
    assert!(found == expected, "the sets differ");
    assert_eq!(store.lost_rows().await, before);
    rig.stop().await;
}
