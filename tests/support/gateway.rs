//! The program under test, as a user starts it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

use crate::http::{self, Answer};
use crate::process::{Process, free_port};
use crate::wait::{eventually, now, until};

/// What the design allows a stop.
pub const STOP_LIMIT: Duration = Duration::from_secs(5);

/// The `gengfu` binary, built once in the profile of the tests; `GENGFU_BIN` names another.
pub fn gengfu() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(named) = std::env::var_os("GENGFU_BIN") {
            return PathBuf::from(named);
        }
        // target/<profile>/deps/<this test> or target/<profile>/figures
        let me = std::env::current_exe().unwrap();
        let dir = me.ancestors().find(|dir| dir.join("deps").is_dir()).unwrap().to_path_buf();
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // the whole workspace, so that features are unified as for the tests and nothing is built twice
        build.current_dir(crate::root()).args(["build", "--quiet", "--workspace", "--bin", "gengfu"]);
        if dir.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.stdin(Stdio::null()).status().unwrap().success(), "gengfu does not build");
        dir.join("gengfu")
    })
}

/// Runs a command of `gengfu` to its end.
pub fn run(arguments: &[&str], dir: &Path) -> Output {
    Command::new(gengfu()).args(arguments).current_dir(dir).stdin(Stdio::null()).output().unwrap()
}

/// A running gateway in a folder: `site.toml`, `data/`, `gateway.log`.
#[derive(Debug)]
pub struct Gateway {
    process: Process,
    dir: PathBuf,
    environment: Vec<(String, String)>,
    /// The program, with its first arguments, that starts it; none: nobody between.
    under: &'static [&'static str],
    /// Of the console.
    pub port: u16,
}

impl Gateway {
    /// Starts it on `site` (without a `[console]`) and waits until it is ready.
    pub fn start(site: &str, dir: &Path) -> Self {
        Self::start_with(site, dir, &[])
    }

    /// The same with additions to the environment.
    pub fn start_with(site: &str, dir: &Path, environment: &[(&str, &str)]) -> Self {
        let mut gateway = Self::spawn(site, dir, environment);
        gateway.ready();
        gateway
    }

    /// The same without waiting.
    pub fn spawn(site: &str, dir: &Path, environment: &[(&str, &str)]) -> Self {
        Self::spawn_under(&[], site, dir, environment)
    }

    /// The same, started by another program that becomes it.
    pub fn spawn_under(under: &'static [&'static str], site: &str, dir: &Path, environment: &[(&str, &str)]) -> Self {
        let port = free_port();
        std::fs::create_dir_all(dir).unwrap();
        std::fs::write(dir.join("influx.token"), "rig-token").unwrap();
        std::fs::write(dir.join("site.toml"), format!("{site}\n[console]\nlisten = \"127.0.0.1:{port}\"\n")).unwrap();
        let environment: Vec<_> = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let process = launch(under, dir, &environment);
        Self { process, dir: dir.to_path_buf(), environment, under, port }
    }

    /// Waits for `/readyz`.
    pub fn ready(&mut self) -> Duration {
        let start = now();
        until(Duration::from_secs(20), "gateway is ready", || {
            if let Some(status) = self.process.ended() {
                panic!("the gateway ended with {status}:\n{}", self.process.output());
            }
            http::get(self.port, "/readyz").is_ok_and(|a| a.status == 200).then_some(())
        });
        start.elapsed()
    }

    /// Writes another site file, as an installer would, and gives all of it. Nothing is told of it.
    pub fn write_site(&self, site: &str) -> String {
        let text = format!("{site}\n[console]\nlisten = \"127.0.0.1:{}\"\n", self.port);
        std::fs::write(self.dir.join("site.toml"), &text).unwrap();
        text
    }

    /// Its site file.
    pub fn site_file(&self) -> PathBuf {
        self.dir.join("site.toml")
    }

    /// Asks for the site file to be read again; the answer with its status.
    pub fn reload(&self) -> (u16, Value) {
        let answer = self.post("/api/v1/reload", &serde_json::json!({ "by": "rig" }));
        (answer.status, answer.json())
    }

    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// The journal's folder.
    pub fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    pub fn log(&self) -> String {
        self.process.output()
    }

    /// Looks into the journal as it lies on disk at this moment.
    pub fn journal<T>(&self, look: impl FnOnce(&gengfu::journal::Journal) -> T) -> T {
        let held = self.process.hold();
        let copy = crate::counting::copy(&self.data());
        drop(held);
        crate::counting::open(&copy.join("data"), |journal, _| look(journal))
    }

    /// Waits until every entry of the alarm lane is on disk, the start's among them.
    pub fn alarm_lane_on_disk(&self) {
        eventually(Duration::from_secs(20), "the alarm lane is on disk", || {
            self.metric("gengfu_journal_ring", "") == 0.0
        });
    }

    pub fn kill9(&mut self) {
        self.process.kill9();
    }

    /// SIGTERM; it must end well within 5 s.
    pub fn term(&mut self) -> Duration {
        let start = now();
        self.process.signal("TERM");
        let ended = self.process.wait(STOP_LIMIT);
        let status = ended.unwrap_or_else(|| panic!("the gateway does not stop within {STOP_LIMIT:?}"));
        assert!(status.success(), "the gateway stopped with {status}");
        start.elapsed()
    }

    /// Starts it again on the same site and data, without waiting.
    pub fn relaunch(&mut self) {
        self.process.kill9();
        self.process = launch(self.under, &self.dir, &self.environment);
    }

    /// The same and waits until it is ready.
    pub fn restart(&mut self) {
        self.relaunch();
        self.ready();
    }

    /// Stops it, and starts it again without sources and rules until every sink has what it is owed; then stops it for
    /// good. From the first stop on nothing new is committed, so that the books can be compared exactly. Gives the ledger.
    pub fn settle(&mut self, limit: Duration) -> Value {
        if self.process.alive() {
            self.term();
        }
        let file = self.dir.join("site.toml");
        let site = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, without_sources(&site)).unwrap();
        self.restart();
        let books = until(limit, "every sink has all that was committed", || {
            let books = self.api("ledger");
            // what the gateway says of itself at a start is committed up to a window later
            let settled = books["run"]["committed"].as_u64() >= Some(1)
                && books["run"]["in_flight"] == 0
                && books["items"].as_array().is_some_and(|sinks| sinks.iter().all(|sink| sink["pending"] == 0));
            settled.then_some(books)
        });
        self.term();
        books
    }

    pub fn get(&self, path: &str) -> Answer {
        http::get(self.port, path).unwrap_or_else(|e| panic!("GET {path}: {e}"))
    }

    /// JSON of `/api/v1/<path>`.
    pub fn api(&self, path: &str) -> Value {
        let answer = self.get(&format!("/api/v1/{path}"));
        assert_eq!(answer.status, 200, "GET {path}: {}", answer.text());
        answer.json()
    }

    /// All `items` of a collection, page by page.
    pub fn items(&self, path: &str) -> Vec<Value> {
        let join = if path.contains('?') { '&' } else { '?' };
        let mut items = Vec::new();
        let mut page = self.api(&format!("{path}{join}limit=2000"));
        loop {
            items.extend(page["items"].as_array().unwrap_or_else(|| panic!("{path} has no items: {page}")).clone());
            let Some(next) = page["next"].as_str() else { return items };
            page = self.api(&format!("{path}{join}limit=2000&cursor={next}"));
        }
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        http::post_json(self.port, path, body).unwrap_or_else(|e| panic!("POST {path}: {e}"))
    }

    /// Standing alarms of a rule, by the API.
    pub fn alarms(&self, rule: &str) -> Vec<Value> {
        self.items("alarms").into_iter().filter(|a| a["rule"] == rule).collect()
    }

    /// Waits until a standing alarm of `rule` fits.
    pub fn alarm(&self, rule: &str, limit: Duration, fits: impl Fn(&Value) -> bool) -> Value {
        until(limit, &format!("alarm of rule {rule}"), || self.alarms(rule).into_iter().find(|a| fits(a)))
    }

    /// The point `device/point` as the API shows it.
    pub fn point(&self, name: &str) -> Option<Value> {
        let (device, point) = name.split_once('/')?;
        self.items("points").into_iter().find(|p| p["device"] == device && p["point"] == point)
    }

    /// Waits until the point's value fits: `None` is "no value".
    pub fn value(&self, name: &str, limit: Duration, fits: impl Fn(Option<f64>) -> bool) {
        eventually(limit, &format!("value of {name}"), || self.point(name).is_some_and(|p| fits(p["value"].as_f64())));
    }

    /// Waits until the point's quality is `word` (`good`, `bad`, …) for `reason`, if one is given.
    pub fn quality(&self, name: &str, limit: Duration, word: &str, reason: Option<&str>) {
        eventually(limit, &format!("{name} is {word} {reason:?}"), || {
            self.point(name).is_some_and(|p| p["quality"] == word && reason.is_none_or(|wanted| p["reason"] == wanted))
        });
    }

    /// A line of `/metrics`: the sum over all label sets of `name` that hold `label` (empty: all).
    pub fn metric(&self, name: &str, label: &str) -> f64 {
        metric(&self.get("/metrics").text(), name, label)
    }

    /// Readings of this stage of the run so far: `read`, `committed`, `refused`.
    pub fn stage(&self, stage: &str) -> f64 {
        self.metric("gengfu_readings_total", &format!("stage=\"{stage}\""))
    }
}

/// Sum of a metric in Prometheus text.
pub fn metric(text: &str, name: &str, label: &str) -> f64 {
    text.lines()
        .filter(|l| l.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{'])))
        .filter(|l| label.is_empty() || l.contains(label))
        .filter_map(|l| l.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

/// The same site file without `[[modbus…]]`, `[[mqtt…]]` and `[[rule]]`.
fn without_sources(site: &str) -> String {
    let mut kept = String::new();
    let mut keep = true;
    for line in site.lines() {
        if line.starts_with('[') {
            keep = !["[[modbus", "[[mqtt", "[[rule"].iter().any(|table| line.starts_with(table));
        }
        if keep {
            kept += line;
            kept.push('\n');
        }
    }
    kept
}

/// The environment that the shipped unit gives it.
fn deployed() -> Vec<(String, String)> {
    let unit = crate::root().join("deploy/gengfu.service");
    let text = std::fs::read_to_string(unit).unwrap();
    let words = text.lines().filter_map(|line| line.strip_prefix("Environment=")).flat_map(str::split_whitespace);
    words.filter_map(|word| word.split_once('=')).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn launch(under: &[&str], dir: &Path, environment: &[(String, String)]) -> Process {
    let mut command = match under {
        [] => Command::new(gengfu()),
        [program, first @ ..] => {
            let mut command = Command::new(program);
            command.args(first).arg(gengfu());
            command
        }
    };
    command.args(["run", "-c", "site.toml"]).current_dir(dir).env_remove("NOTIFY_SOCKET");
    command.envs(deployed()).envs(environment.iter().map(|(k, v)| (k, v)));
    Process::start("gateway", command, dir)
}
