//! A journal with a small limit that runs into it: the oldest telemetry goes, the disk's use stays where it was told to,
//! what the store was still owed is told as expired, to the record, and the alarm lane keeps everything.

use std::path::Path;
use std::time::Duration;

use gengfu::journal::{Entry, Journal};
use gengfu_tests::counting::{committed, entries, poll_numbers};
use gengfu_tests::gateway::Gateway;
use gengfu_tests::http::Reply;
use gengfu_tests::owed::{in_use, owe};
use gengfu_tests::plant::Plant;
use gengfu_tests::process::{Folder, bytes_below};
use gengfu_tests::receiver::{Push, Receiver};
use gengfu_tests::site::Site;
use gengfu_tests::stub::Stub;
use gengfu_tests::wait::{SOON, eventually, length, now, quiet, say, unix_ms, until};

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
    let past = fill(&data, PAST);
    say(&format!("{past} records of the past written in {:?}, {} bytes in use", start.elapsed(), in_use(&data)));
    stub.standing(Reply::Hang);
    let mut gateway = Gateway::start(&site(plant.ports(), EVERY_MS, stub.port()).text, dir.path());
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

/// What an outage of hours has left before the second scenario begins: of a room that is reckoned with both forms of what is owed,
/// fresh and sealed, it takes seven eighths.
const BEHIND: u64 = LIMIT / 16 * 7;
/// A line of so slow a pace that the store is more than ten minutes behind and the room lasts for some time.
const SLOW_MS: u64 = 200;
/// The room is reckoned every 30 s, and a rate is one of two looks.
const FORETOLD: Duration = Duration::from_mins(2);
const OUTAGE_ROOM: &str = "gengfu/outage-room";

/// People hear that the room for an outage runs short while everything that the store is owed is still whole; then it comes so.
#[test]
fn people_are_told_before_an_outage_has_no_room() {
    let _quiet = quiet();
    let (dir, plant, stub, receiver) =
        (Folder::new("outage-room"), Plant::without_log(DEVICES), Stub::start(), Receiver::start());
    let past = fill(&dir.join("data"), BEHIND);
    plant.devices.iter().for_each(|device| device.noise());
    stub.standing(Reply::Hang);
    let site = |lines: usize, every_ms: u64| {
        site(&plant.ports()[..lines], every_ms, stub.port()).webhook("duty", receiver.port()).text
    };
    let mut gateway = Gateway::start(&site(1, SLOW_MS), dir.path());
    let label = |state: &str| format!("sink=\"{SINK}\",lane=\"telemetry\",state=\"{state}\"");
    let gone = |gateway: &Gateway| {
        let text = gateway.get("/metrics").text();
        let of = |state: &str| gengfu_tests::gateway::metric(&text, "gengfu_sink_records", &label(state));
        [of("thinned"), of("expired")]
    };
    let began = now();
    let raised = until(FORETOLD, "people are told that the room runs short", || {
        assert_eq!(gone(&gateway), [0.0, 0.0], "nothing gives way unannounced");
        receiver.seen().into_iter().find(|push| is(push, "raise"))
    });
    assert_eq!(gone(&gateway), [0.0, 0.0], "it is told before");
    let room = gateway.api("status")["journal"]["room"].clone();
    let left = room["hours_left"].as_f64().unwrap();
    assert!(left > 0.0 && left < 6.0 && room["gives_way"] == false, "{room}");
    say(&format!(
        "{past} records behind: `outage-room` pushed {:?} after the start, {left:.2} h before the end of the room",
        raised.at - began
    ));

    if length(0, 1) > Duration::ZERO {
        comes_to_pass(&gateway, &receiver, &site(DEVICES, EVERY_MS), gone);
    }
    gateway.term();
}

/// Faster than at that rate, with another load: what is owed gives way, and all the while people know.
fn comes_to_pass(gateway: &Gateway, receiver: &Receiver, site: &str, gone: impl Fn(&Gateway) -> [f64; 2]) {
    gateway.write_site(site);
    assert_eq!(gateway.reload().0, 200);
    // Nothing of it was committed twelve minutes ago, so that it can't be thinned and the oldest goes.
    let gave_way =
        eventually(Duration::from_mins(3), "what is owed gives way", || gone(gateway).iter().sum::<f64>() > 0.0);
    assert!(receiver.seen().iter().all(|push| !is(push, "return")), "it stands until there is room again");
    gateway.alarm(OUTAGE_ROOM, SOON, |alarm| alarm["state"] == "unacknowledged");
    say(&format!("{:?} are thinned and expired {gave_way:?} after the load was raised", gone(gateway)));
}

fn is(push: &Push, event: &str) -> bool {
    push.word("rule") == OUTAGE_ROOM && push.word("event") == event
}

fn site(ports: &[u16], every_ms: u64, store: u16) -> Site {
    let mut site = Site::new("rig");
    site.text = site.text.replace("path = \"data\"", "path = \"data\"\nmax_size = \"16MiB\"");
    for (index, port) in ports.iter().enumerate() {
        let mut device = format!(
            "[[modbus]]\nname = \"l{index}\"\nconnect = \"tcp://127.0.0.1:{port}\"\ntimeout = \"2s\"\n[[modbus.device]]\n\
             name = \"d{index}\"\nunit = 1\nevery = \"{every_ms}ms\"\n"
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
    site.flips(0, 1).influx("central", store)
}

/// Writes noise of an hour ago until the lane is so large, all of it owed to the store. How many records.
fn fill(data: &Path, bytes: u64) -> u64 {
    let (begin, mut noise) = (unix_ms() - 3_600_000, 1u64);
    let make = |number: u64| {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (number as usize % 50, begin + number as i64 / 50, (noise >> 11) as f64)
    };
    owe(data, SINK, 50, make, |written| written > 0 && in_use(data) >= bytes)
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
