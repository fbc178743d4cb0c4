//! A drain: a journal that holds some million readings which a store is owed, and a gateway that starts on it with devices that go
//! on being polled. How fast the backlog leaves, and how late a live reading is meanwhile. The store counts and forgets; that
//! it is fast enough is measured first.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use gengfu::config::checked::JournalConfig;
use gengfu::flow::Batch;
use gengfu::journal::{Lane, SinkSpec};
use gengfu_core::quality::Quality;
use gengfu_core::reading::{PointId, Reading};
use gengfu_core::time::Wall;
use gengfu_tests::gateway::Gateway;
use gengfu_tests::meter::Counting;
use gengfu_tests::process::Folder;
use gengfu_tests::random::Random;
use gengfu_tests::series;
use gengfu_tests::site::Site;
use gengfu_tests::wait::{eventually, now, pause, unix_ms};

use super::history::{close, meta, open};
use super::parts::Sim;

/// What the store is owed: a thousand points, once a second, up to a moment ago.
const POINTS: usize = 1_000;
const SECONDS: i64 = 10_000;
/// Half of what may wait for a commit.
const ON_THE_WAY: u64 = 32_768;
/// Devices that are polled meanwhile, ten times a second, and the points of each.
const DEVICES: usize = 10;
const REGISTERS: u16 = 101;
const PATIENCE: Duration = Duration::from_mins(5);
/// A file that has not grown for so long has all sealed that is due: that is looked for every 5 s.
const SEALED: Duration = Duration::from_secs(12);

pub(super) fn report() {
    println!("\n| a drain, `drain = \"max\"`, {} readings owed | | budget |\n|---|---|---|", POINTS as i64 * SECONDS);
    println!("| what the counting store takes by itself, readings a second | {:.0} | – |", ceiling());
    let (dir, sim, store) = (Folder::new("drain"), Sim::start(DEVICES), Counting::start());
    let before = unix_ms() - 60_000;
    owe(&dir, before);
    let site = sim.site(Site::new("bench"), 100, REGISTERS).flips(0, DEVICES).influx("sink", store.port);
    let began = now();
    store.old_before(before + 1_000);
    let mut gateway = Gateway::start(&site.text, dir.path());
    eventually(PATIENCE, "the backlog leaves", || store.old() > 0);
    let (first, cpu) = (now(), gateway.process().cpu());
    eventually(PATIENCE, "the backlog has left", || store.old() >= POINTS as u64 * SECONDS as u64);
    let (took, spent) = (first.elapsed().as_secs_f64(), gateway.process().cpu() - cpu);
    let live = store.live();
    let rate = store.old() as f64 / took;
    println!("| backlog readings a second | {rate:.0} | ≥ 1,000,000 |");
    println!(
        "| the same in {took:.1} s that a core of its own would give it | {:.0} | ≥ 1,000,000 |",
        store.old() as f64 / spent
    );
    println!(
        "| CPU s per million readings drained, the live ones beside them included | {:.2} | – |",
        spent / (store.old() + live) as f64 * 1e6
    );
    println!("| live readings meanwhile | {live} | – |");
    println!("| the latest of them at the store, ms | {} | not delayed |", store.latest());
    println!(
        "| from the start of the gateway to the first of the backlog, ms | {:.0} | ≤ 1,000 |",
        (first - began).as_secs_f64() * 1e3
    );
    println!("| resident MiB at the end of the drain | {:.1} | – |", gateway.process().resident());
    pause(Duration::from_secs(2));
    store.forget_latest();
    pause(Duration::from_secs(5));
    println!("| the latest live reading afterwards, of 5 s, ms | {} | – |", store.latest());
    gateway.term();
}

/// Fills a journal with what the sink is owed, the last at `end` (UTC ms).
fn owe(dir: &Folder, end: i64) {
    let keep = Duration::from_hours(24 * 400);
    let config = JournalConfig { path: dir.path().join("data"), keep, keep_life_safety: keep, max_size: 4 << 30 };
    std::fs::create_dir_all(&config.path).unwrap();
    let sink = SinkSpec { name: "influxdb/sink".to_owned(), lanes: &[Lane::Alarm, Lane::Telemetry] };
    let (opened, _, catalog) = open(&config, &[sink]);
    let named = |n: usize| {
        let mut meta = meta(n);
        meta.device = format!("old-{}", meta.device);
        meta
    };
    let ids: Vec<PointId> = (0..POINTS).map(|n| catalog.add(named(n))).collect();
    let (head, mut random) = (opened.journal.head(Lane::Telemetry), Random::new(7));
    for second in 0..SECONDS {
        let (at, noise) = (Wall(end - (SECONDS - 1 - second) * 1_000), random.draw());
        let reading = |(id, n): (&PointId, u64)| Reading {
            point: *id,
            at,
            value: series::value(n, second.unsigned_abs(), noise),
            quality: Quality::Good,
        };
        let readings = ids.iter().zip(0..).map(reading).collect();
        opened.journal.push(Batch { readings, ..Batch::default() }).unwrap();
        let made = (second as u64 + 1) * POINTS as u64;
        while made - head.borrow().seq.min(made) > ON_THE_WAY {
            pause(Duration::from_millis(1));
        }
    }
    // as after an outage: what is old is sealed
    let (mut bytes, mut since) = (0, now());
    while since.elapsed() < SEALED {
        pause(Duration::from_millis(100));
        let now_bytes = opened.journal.health().bytes_on_disk;
        if std::mem::replace(&mut bytes, now_bytes) != now_bytes {
            since = now();
        }
    }
    close(opened);
}

/// What the store takes from a sender that has its bodies ready, one request after the other.
fn ceiling() -> f64 {
    const BODIES: usize = 200;
    let store = Counting::start();
    store.old_before(i64::MAX / 1_000_000);
    let mut body = Vec::new();
    for line in 0..2_000 {
        let _ = write!(body, "device,site=bench,device=old-d{line} ");
        for point in 0..10 {
            let _ = write!(body, "{}p{point}=2{point}.{point}5", if point > 0 { "," } else { "" });
        }
        body.extend_from_slice(b" 1700000000000000000\n");
    }
    let mut stream = TcpStream::connect(("127.0.0.1", store.port)).unwrap();
    let began = now();
    for _ in 0..BODIES {
        write!(stream, "POST /api/v2/write HTTP/1.1\r\nContent-Length: {}\r\n\r\n", body.len()).unwrap();
        stream.write_all(&body).unwrap();
        let mut answer = [0; 18];
        stream.read_exact(&mut answer).unwrap();
    }
    store.old() as f64 / began.elapsed().as_secs_f64()
}
