//! A journal with a small limit that runs into it: the oldest telemetry goes, the disk's use stays where it was told to,
//! what the store was still owed is told as expired, to the record, and the alarm lane keeps everything.

use std::path::Path;
use std::time::Duration;

use gengfu::catalog::{Catalog, PointMeta};
use gengfu::clock::Clock;
use gengfu::config::checked::JournalConfig;
use gengfu::flow::Batch;
use gengfu::journal::{Entry, Journal, Lane, SinkSpec};
use gengfu_core::quality::Quality;
use gengfu_core::reading::{PointId, Reading};
use gengfu_core::time::Wall;
use gengfu_tests::counting::{committed, entries, poll_numbers};
use gengfu_tests::gateway::Gateway;
use gengfu_tests::http::Reply;
use gengfu_tests::plant::Plant;
use gengfu_tests::process::{Folder, bytes_below};
use gengfu_tests::site::Site;
use gengfu_tests::stub::Stub;
use gengfu_tests::wait::{SOON, eventually, now, quiet, say, unix_ms, until};

const MIB: u64 = 1 << 20;
/// The least a site may set.
const LIMIT: u64 = 16 * MIB;
/// What lies there when the gateway starts: the past of months, as it would write it.
const PAST: u64 = LIMIT - MIB / 4;
/// Beyond the limit: the WAL, which has a limit of its own; what comes between two looks of 5 s; the alarm lane.
const SLACK: u64 = 16 * MIB + 3 * MIB;
const DEVICES: usize = 10;
const EVERY_MS: u64 = 20;
/// Points of noise of each device, 8 bytes each.
const POINTS: u16 = 30;
const SINK: &str = "influxdb/central";

#[test]
fn telemetry_gives_way_and_alarms_stay() {
    let _quiet = quiet();
    let (dir, plant, stub) = (Folder::new("retention"), Plant::without_log(DEVICES), Stub::start());
    let data = dir.join("data");
    let start = now();
    let past = fill(&data);
    say(&format!("{past} records of the past written in {:?}, {} bytes in use", start.elapsed(), in_use(&data)));
    stub.standing(Reply::Hang);
    let mut gateway = Gateway::start(&site(&plant, stub.port()), dir.path());
    plant.devices.iter().for_each(|device| device.noise());
    for value in [900, 0, 900] {
        plant.devices[0].set(value);
        let state = if value > 0 { "unacknowledged" } else { "returned" };
        gateway.alarm("flip-d0", SOON, |a| a["state"] == state);
    }
    let lane =
        until(SOON, "they are in the lane", || Some(gateway.journal(entries)).filter(|lane| alarms(lane).len() == 3));

    // two rounds of giving way, of which the disk's use is watched all along
    let expired = || gateway.metric("gengfu_sink_records", "state=\"expired\"");
    let mut most = 0;
    let mut rounds = Vec::new();
    until(SOON, "old batches are gone, twice", || {
        most = most.max(bytes_below(&data));
        let gone = expired();
        if gone > rounds.last().copied().unwrap_or(0.0) + 1_000.0 {
            rounds.push(gone);
        }
        (rounds.len() >= 2).then_some(())
    });
    let rate = gateway.stage("committed") / gateway.api("status")["uptime_ms"].as_f64().unwrap() * 1_000.0;
    say(&format!("at {rate:.0} readings/s {:.0} records gave way; {most} bytes on disk at most", expired()));
    assert!(most <= LIMIT + SLACK, "{most} bytes on disk, {LIMIT} allowed");
    let text = gateway.get("/metrics").text();
    let balance = |state: &str| {
        let label = format!("sink=\"{SINK}\",lane=\"telemetry\",state=\"{state}\"");
        gengfu_tests::gateway::metric(&text, "gengfu_sink_records", &label)
    };
    let sum: f64 = ["delivered", "pending", "dead", "thinned", "expired"].map(balance).iter().sum();
    assert_eq!(balance("committed"), sum, "every record is accounted for");
    let refused = gateway.metric("gengfu_readings_total", "reason=\"journal-full\"");
    gateway.term();

    let pages = in_use(&data);
    assert!(pages <= LIMIT + 2 * MIB, "{pages} bytes in use, {LIMIT} allowed");
    let (first, expired) = oldest_and_expired(&data);
    assert!(first > 1 && expired == first - 1, "the oldest record is {first}, {expired} are told as expired");
    let kept = committed(&data).must;
    let mut missing = 0;
    for (index, device) in plant.devices.iter().enumerate() {
        let numbers = poll_numbers(&kept, &format!("d{index}"));
        let (oldest, newest) = (numbers[0], numbers[numbers.len() - 1]);
        missing += newest - oldest + 1 - numbers.len() as u32;
        assert!(device.polls() - newest <= 1, "the newest is there");
    }
    // a disk that another test keeps busy may let the queue run full, which is counted
    let missing = f64::from(missing) * f64::from(POINTS + 2);
    assert!(missing <= refused, "{missing} readings are missing between the oldest and the newest, {refused} refused");
    gateway.restart();
    let after = gateway.journal(entries);
    assert_eq!(alarms(&after), alarms(&lane), "the alarm lane keeps everything");
    assert!(gateway.journal(whole_chain), "its chain is whole");
    gateway.term();
}

fn site(plant: &Plant, store: u16) -> String {
    let mut site = Site::new("rig");
    site.text = site.text.replace("path = \"data\"", "path = \"data\"\nmax_size = \"16MiB\"");
    for (index, port) in plant.ports().iter().enumerate() {
        let mut device = format!(
            "[[modbus]]\nname = \"l{index}\"\nconnect = \"tcp://127.0.0.1:{port}\"\ntimeout = \"2s\"\n[[modbus.device]]\n\
             name = \"d{index}\"\nunit = 1\nevery = \"{EVERY_MS}ms\"\n"
        );
        let mut point = |name: &str, register: u16, ty: &str| {
            device += &format!(
                "[[modbus.device.point]]\nname = \"{name}\"\nregister = \"holding:{register}\"\ntype = \"{ty}\"\n"
            );
        };
        point("r0", 0, "u16");
        point("n", 1, "u32");
        (0..POINTS).for_each(|n| point(&format!("x{n}"), 3 + n * 4, "i64"));
        site = site.with(&device);
    }
    site.flips(0, 1).influx("central", store).text
}

/// Writes noise until the lane is nearly at its limit, all of it owed to the store. How many records.
fn fill(data: &Path) -> u64 {
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
    let stats = gengfu::telemetry::SharedStats::default();
    let sink = SinkSpec { name: SINK.to_owned(), lanes: &[Lane::Alarm, Lane::Telemetry] };
    let opened = Journal::open(&config, &catalog, &Clock::start(), &stats, &[sink]).unwrap();
    // what is in the catalog at the opening counts as known to the journal
    let points: Vec<PointId> = (0..50).map(|n| catalog.add(meta(n))).collect();
    let (mut written, begin, mut noise) = (0u64, unix_ms() - 3_600_000, 1u64);
    while in_use(data) < PAST {
        let readings = (0..20_000).map(|n| {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = Wall(begin + (written + n) as i64 / 50);
            let point = points[n as usize % points.len()];
            Reading { point, at, value: (noise >> 11) as f64, quality: Quality::Good }
        });
        let batch = Batch { readings: readings.collect(), history: true, ..Batch::default() };
        written += batch.readings.len() as u64;
        opened.journal.push(batch).unwrap();
        eventually(SOON, "it is written", || stats.committed.get() == written);
    }
    assert!(opened.writers.close(SOON), "all is on disk");
    written
}

/// Bytes of the telemetry lane's pages that hold something.
fn in_use(data: &Path) -> u64 {
    let file = rusqlite::Connection::open(data.join("telemetry.db")).unwrap();
    let pragma = |name: &str| file.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, u64>(0)).unwrap();
    (pragma("page_count") - pragma("freelist_count")) * pragma("page_size")
}

/// The oldest record that is left, and how many the store's map tells as expired.
fn oldest_and_expired(data: &Path) -> (u64, u64) {
    let file = rusqlite::Connection::open(data.join("telemetry.db")).unwrap();
    let oldest = file.query_row("SELECT min(first_seq) FROM batch", [], |row| row.get(0)).unwrap();
    let expired = "SELECT sum(expired) FROM delivery WHERE sink = ?1";
    (oldest, file.query_row(expired, [SINK], |row| row.get(0)).unwrap())
}

fn alarms(lane: &[Entry]) -> Vec<String> {
    let keys = lane.iter().filter_map(|entry| if let Entry::Alarm(alarm) = entry { Some(alarm.key()) } else { None });
    keys.collect()
}

fn whole_chain(journal: &Journal) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let report = runtime.block_on(journal.verify_chain()).unwrap();
    report.broken_at.is_none()
}
