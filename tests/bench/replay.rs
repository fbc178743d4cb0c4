//! A back-test of a month: 1,000 points read once a minute for 30 days, sealed, and four rules on them; once by itself, once
//! against other rules.

use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

use gengfu::config::checked::JournalConfig;
use gengfu::flow::Batch;
use gengfu::journal::{Lane, own};
use gengfu_core::quality::Quality;
use gengfu_core::reading::{PointId, Reading};
use gengfu_core::time::Wall;
use gengfu_tests::gateway::gengfu;
use gengfu_tests::process::{Folder, Process};
use gengfu_tests::random::Random;
use gengfu_tests::series;
use gengfu_tests::wait::{now, pause};

use super::history::{close, meta, open};

const POINTS: usize = 1_000;
const EVERY_MS: u64 = 60_000;
const TICKS: u64 = 30 * 24 * 60;
/// A device has ten points, which are read together.
const DEVICE: usize = 10;
/// Half of what may wait for a commit.
const ON_THE_WAY: u64 = 32_768;
/// Hours after the last reading until all of it is sealed.
const SETTLED: u64 = 3;
/// How often it is looked what a back-test has cost so far.
const LOOK: Duration = Duration::from_millis(20);

const RULES: &str = "[[rule]]\nid = \"high\"\npoints = \"*/*\"\nhigh = { limit = 34.9, clear = 34, for = \"1m\" }\n\
                     [[rule]]\nid = \"low\"\npoints = \"*/*\"\nlow = { limit = 15.05, clear = 16 }\npriority = \"high\"\n\
                     [[rule]]\nid = \"rising\"\npoints = \"*/p3\"\n\
                     trend = { limit = 34.9, side = \"high\", within = \"30m\", window = \"20m\" }\n\
                     [[rule]]\nid = \"state\"\npoints = \"*/p7\"\nstate = { is = 1, for = \"2m\" }\n";

pub(super) fn report() {
    println!("\n| a back-test: {POINTS} points, one reading a minute each, 30 days | | budget |\n|---|---|---|");
    let dir = Folder::new("replay");
    let made = fill(&dir);
    std::fs::write(dir.join("site.toml"), site()).unwrap();
    std::fs::write(dir.join("other.toml"), RULES.replace("34.9", "34.7")).unwrap();
    let (one, two) = (Cost::of(&dir, &[]), Cost::of(&dir, &["--with", "other.toml"]));
    println!("| readings | {made} | – |");
    println!("| the site's rules (2,200 on points): s, CPU s, resident MiB at most | {} | ≤ 60 s |", one.cells());
    println!("| the same held against other rules: s, CPU s, resident MiB at most | {} | – |", two.cells());
    println!("| readings a second, the first | {:.0} | – |", made as f64 / one.took);
}

/// What one run of the command cost. Beside other work the CPU is what counts.
struct Cost {
    took: f64,
    cpu: f64,
    resident: f64,
}

impl Cost {
    fn of(dir: &Folder, more: &[&str]) -> Self {
        let mut command = Command::new(gengfu());
        command.current_dir(dir.path()).args(["replay", "-c", "site.toml"]).args(more);
        let began = now();
        let mut process = Process::start("replay", command, dir.path());
        let (mut cpu, mut resident) = (0.0, 0.0_f64);
        let status = loop {
            if let Some(status) = process.ended() {
                break status;
            }
            (cpu, resident) = (process.cpu().max(cpu), process.resident().max(resident));
            pause(LOOK);
        };
        assert!(status.success(), "{}", process.output());
        Self { took: began.elapsed().as_secs_f64(), cpu, resident }
    }

    fn cells(&self) -> String {
        format!("{:.1}, {:.1}, {:.0}", self.took, self.cpu, self.resident)
    }
}

fn site() -> String {
    let mut text = String::from("[site]\nid = \"bench\"\n");
    for device in 0..POINTS / DEVICE {
        let _ = write!(
            text,
            "[[modbus]]\nname = \"l{device}\"\nconnect = \"tcp://127.0.0.1:1\"\n\
             [[modbus.device]]\nname = \"d{device}\"\nunit = 1\nevery = \"1m\"\n"
        );
        for point in 0..DEVICE {
            let _ = writeln!(
                text,
                "[[modbus.device.point]]\nname = \"p{point}\"\nregister = \"holding:{}\"\ntype = \"f32\"\norder = \"abcd\"",
                2 * point
            );
        }
    }
    text + RULES
}

/// The month in a journal, sealed; how many readings.
fn fill(dir: &Folder) -> u64 {
    let keep = Duration::from_hours(24 * 400);
    let config = JournalConfig { path: dir.join("data"), keep, keep_life_safety: keep, max_size: 64 << 30 };
    std::fs::create_dir_all(&config.path).unwrap();
    own(&config.path, "bench").unwrap();
    let (opened, clock, catalog) = open(&config, &[]);
    let ids: Vec<PointId> = (0..POINTS).map(|n| catalog.add(meta(n))).collect();
    let (head, mut random) = (opened.journal.head(Lane::Telemetry), Random::new(11));
    let mut made = 0;
    for _ in 0..TICKS {
        let begin = clock.wall().0;
        let mut noise = 0;
        let reading = |(n, id): (usize, &PointId)| {
            if n % DEVICE == 0 {
                noise = random.draw();
            }
            // The lines are read side by side, each at its own moment.
            let at = Wall(begin + (n / DEVICE) as i64 * 500);
            let value = series::value(n as u64, at.0.unsigned_abs() / 1_000, noise);
            Reading { point: *id, at, value, quality: Quality::Good }
        };
        let readings: Vec<Reading> = ids.iter().enumerate().map(reading).collect();
        made += readings.len() as u64;
        clock.hurry(EVERY_MS);
        opened.journal.push(Batch { readings, ..Batch::default() }).unwrap();
        while made - head.borrow().seq.min(made) > ON_THE_WAY {
            pause(Duration::from_millis(1));
        }
    }
    for _ in 0..SETTLED * 60 {
        clock.hurry(EVERY_MS);
        pause(Duration::from_millis(20));
    }
    close(opened);
    made
}
