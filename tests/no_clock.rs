//! A box without a battery for its clock wakes up in 1970 (libfaketime; the counter is left alone). What it reads is judged and
//! told at once, kept, and forwarded once the clock is set: each reading once, at the time when it was taken, and marked.

use std::path::Path;
use std::process::Command;

use gengfu::clock::EARLIEST;
use gengfu::journal::Entry;
use gengfu_tests::broker::Broker;
use gengfu_tests::counting::{Set, committed, entries, of, poll_numbers};
use gengfu_tests::gateway::Gateway;
use gengfu_tests::http;
use gengfu_tests::plant::Plant;
use gengfu_tests::process::Folder;
use gengfu_tests::publisher::Publisher;
use gengfu_tests::receiver::{Push, Receiver};
use gengfu_tests::site::Site;
use gengfu_tests::store::Store;
use gengfu_tests::wait::{SOON, eventually, not_allowed, not_run, say, unix_ms};
use gengfu_tests::wall_clock::WallClock;
use serde_json::Value;

/// From the publisher to the stamp of arrival on a busy machine, and the second to which the clock is set.
const NEAR_MS: i64 = 3_000;
/// Of each part.
const READINGS: usize = 20;

struct Rig {
    dir: Folder,
    plant: Plant,
    broker: Broker,
    store: Store,
    receiver: Receiver,
    clock: WallClock,
}

impl Rig {
    fn new(name: &str) -> Self {
        let dir = Folder::new(name);
        let clock = WallClock::new(dir.path());
        clock.set(-unix_ms());
        let (plant, broker, store, receiver) = (Plant::start(1), Broker::start(), Store::start(), Receiver::start());
        Self { dir, plant, broker, store, receiver, clock }
    }

    fn start(&self, library: &Path) -> Gateway {
        self.start_under(&[], library)
    }

    fn start_under(&self, under: &'static [&'static str], library: &Path) -> Gateway {
        let site = Site::new("rig").modbus(&self.plant, 100, 3).patient().flips(0, 1).mqtt(self.broker.port);
        let site = site.influx("central", self.store.port).webhook("duty", self.receiver.port()).text;
        let mut gateway = Gateway::spawn_under(under, &site, self.dir.path(), &self.clock.environment(library));
        gateway.ready();
        eventually(SOON, "the gateway has subscribed", || self.broker.subscribed());
        gateway
    }

    fn push(&self, event: &str) -> Push {
        self.receiver.expect(SOON, event, |push| push.word("device") == "d0" && push.word("event") == event)
    }
}

/// Sends the next readings of `gas`, waits until they are on disk, and gives each value with its time.
fn read(gateway: &Gateway, publisher: &mut Publisher, from: usize) -> Vec<(f64, i64)> {
    let mut sent = Vec::new();
    for number in from..from + READINGS {
        // the store keeps one value of a millisecond
        let before = unix_ms();
        eventually(SOON, "a millisecond of its own", || unix_ms() > before + 2);
        let (value, at) = (number as f64, unix_ms());
        publisher.reading_at("gas", value, at);
        gateway.value("gas/v", SOON, |seen| seen == Some(value));
        sent.push((value, at));
    }
    publisher.flush();
    let read = gateway.stage("read");
    eventually(SOON, "all is on disk", || gateway.stage("committed") >= read);
    sent
}

/// Each value that was sent is there once, at its time.
fn each_at_its_time(found: &Set, sent: &[(f64, i64)]) {
    let values = of(found, "device_v,gas");
    assert_eq!(values.len(), sent.len(), "each once");
    for (value, at) in sent {
        let there: Vec<i64> = values.iter().filter(|s| s.value() == *value).map(|s| s.at_ns / 1_000_000).collect();
        assert!(matches!(there[..], [one] if (one - at).abs() < NEAR_MS), "{value} of {at} is at {there:?}");
    }
}

/// The times at which `gas` is marked, by the journal: the store keeps one word of a millisecond.
fn marked(data: &Path) -> Vec<i64> {
    let all = committed(data).must;
    of(&all, "device_v_q,gas").iter().filter(|s| s.value() == 1.0).map(|s| s.at_ns / 1_000_000).collect()
}

fn ms(push: &Push, time: &str) -> i64 {
    push.body["times"][time].as_i64().unwrap()
}

/// The times of alarm events in the store, of `d0`.
fn alarms(store: &Store) -> Vec<i64> {
    // `alarm_state_n{device="d0"}`
    let path = "/api/v1/export?match=alarm_state_n%7Bdevice%3D%22d0%22%7D";
    let text = http::get(store.port, path).unwrap().text();
    let series = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut times: Vec<i64> = series
        .flat_map(|series| series["timestamps"].as_array().cloned().unwrap_or_default())
        .filter_map(|at| at.as_i64())
        .collect();
    times.sort_unstable();
    times
}

#[test]
fn what_is_read_before_the_clock_is_set_is_judged_kept_and_gets_its_time() {
    let Some(library) = WallClock::library() else { return not_run("libfaketime is missing: make setup") };
    let rig = Rig::new("no-clock");
    let mut gateway = rig.start(&library);
    let mut publisher = Publisher::connect(rig.broker.port);
    let mut sent = read(&gateway, &mut publisher, 0);
    let raised_at = unix_ms();
    rig.plant.devices[0].set(900);
    let raise = rig.push("raise");
    assert_eq!(raise.word("clock"), "unset", "{}", raise.body);
    assert!(raise.body["message"]["en"].as_str().unwrap().contains("clock is not set"), "{}", raise.body);
    assert!(ms(&raise, "detected_ms") < EARLIEST.0);
    rig.receiver.expect(SOON, "clock-unset", |push| push.word("rule") == "gengfu/clock-unset");
    gateway.quality("gas/v", SOON, "uncertain", Some("clock"));
    // held, and owed all the while
    let undated = gateway.metric("gengfu_journal_undated", "");
    let pending = gateway.metric("gengfu_sink_records", "lane=\"telemetry\",state=\"pending\"");
    let all = gateway.metric("gengfu_sink_records", "lane=\"telemetry\",state=\"committed\"");
    assert!(undated >= READINGS as f64 && pending >= undated && all >= pending, "{undated} {pending} {all}");
    assert_eq!((gateway.metric("gengfu_clock_set", ""), rig.store.count()), (0.0, 0));
    assert_eq!(gateway.api("status")["clock"]["set"], false);
    assert_eq!(gateway.metric("gengfu_clock_off_total", ""), 0.0, "it is ours that is off, no device's");

    rig.clock.set(0);
    eventually(SOON, "all has its time", || {
        gateway.metric("gengfu_journal_undated", "") == 0.0 && gateway.metric("gengfu_clock_set", "") == 1.0
    });
    let set_at = unix_ms();
    sent.extend(read(&gateway, &mut publisher, READINGS));
    rig.plant.devices[0].set(0);
    let back = rig.push("return");
    assert_eq!(back.word("alarm_id"), raise.word("alarm_id"), "a clock renames nothing");
    assert!((ms(&back, "onset_ms") - raised_at).abs() < NEAR_MS, "{}", back.body);
    gateway.alarm_lane_on_disk();
    let told = |what: &str| {
        let is = |entry: &&Entry| matches!(entry, Entry::Maintenance { what: told, .. } if told == what);
        gateway.journal(entries).iter().filter(is).count()
    };
    assert_eq!((told("clock-step"), told("clock-set"), told("clock-bounded")), (1, 1, 0), "one word of each");
    let pushed: Vec<_> =
        rig.receiver.seen().iter().map(|p| format!("{} {}", p.word("rule"), p.word("event"))).collect();
    assert_eq!(pushed.iter().filter(|push| push.starts_with("flip-d0")).count(), 2, "no storm: {pushed:?}");

    gateway.settle(SOON);
    let found = rig.store.export();
    committed(&gateway.data()).compare_by_ms(&found).unwrap();
    each_at_its_time(&found, &sent);
    let marked = marked(&gateway.data());
    let before = marked.iter().filter(|at| **at < set_at).count();
    assert_eq!(
        (before, marked.len()),
        (READINGS, READINGS),
        "those and no others: {marked:?}, set at {set_at}, {sent:?}"
    );
    // by the journal: a late poll and the next may share a millisecond
    let polls = poll_numbers(&committed(&gateway.data()).must, "d0");
    assert!(polls.iter().copied().eq(1..=polls.len() as u32), "every poll once: {polls:?}");
    let events = alarms(&rig.store);
    // the start without rules closes it once more, with the time of the return
    assert!(events.len() == 2 && (events[0] - raised_at).abs() < NEAR_MS, "{events:?}, raised at {raised_at}");
    say(&format!(
        "{} readings and {} polls, each once at its time; {undated} had waited for it",
        sent.len(),
        polls.len()
    ));
}

#[test]
fn a_run_that_is_killed_before_the_clock_is_set_loses_nothing() {
    let Some(library) = WallClock::library() else { return not_run("libfaketime is missing: make setup") };
    let rig = Rig::new("no-clock-killed");
    let mut gateway = rig.start(&library);
    let mut publisher = Publisher::connect(rig.broker.port);
    let mut sent = read(&gateway, &mut publisher, 0);
    let raised_at = unix_ms();
    rig.plant.devices[0].set(900);
    let raise = rig.push("raise");
    gateway.alarm_lane_on_disk();
    gateway.kill9();
    gateway.restart();
    // still in 1970, still in alarm
    eventually(SOON, "the gateway has subscribed", || rig.broker.subscribed());
    sent.extend(read(&gateway, &mut publisher, READINGS));
    assert_eq!(gateway.alarms("flip-d0")[0]["id"], raise.word("alarm_id"));
    gateway.kill9();
    assert_eq!(rig.store.count(), 0);
    rig.clock.set(0);
    gateway.restart();
    eventually(SOON, "all has its time", || gateway.metric("gengfu_journal_undated", "") == 0.0);
    gateway.settle(SOON);
    let found = rig.store.export();
    committed(&gateway.data()).compare_by_ms(&found).unwrap();
    each_at_its_time(&found, &sent);
    assert_eq!(marked(&gateway.data()).len(), sent.len(), "all are marked");
    let events = alarms(&rig.store);
    assert!(!events.is_empty() && (events[0] - raised_at).abs() < NEAR_MS, "{events:?}, raised at {raised_at}");
    let raises = rig.receiver.seen().iter().filter(|p| p.word("device") == "d0" && p.word("event") == "raise").count();
    assert_eq!(raises, 1, "a restart raises nothing again");
    say(&format!("{} readings of two runs that were killed in 1970, each once at its time", sent.len()));
}

/// Starts a program that sees nothing of `/proc` but processes, as a service with systemd's `ProcSubset=pid`.
const HIDDEN: &[&str] =
    &["unshare", "--mount", "sh", "-c", "mount -t proc -o subset=pid proc /proc && exec \"$@\"", "hidden"];

/// Milliseconds since the boot.
fn uptime() -> i64 {
    let text = std::fs::read_to_string("/proc/uptime").unwrap();
    (text.split(' ').next().unwrap().parse::<f64>().unwrap() * 1_000.0) as i64
}

#[test]
fn where_the_machine_hides_its_boot_counts_go_on_and_a_crash_begins_an_epoch() {
    let Some(library) = WallClock::library() else { return not_run("libfaketime is missing: make setup") };
    let (sh, rest) = HIDDEN.split_first().unwrap();
    if !Command::new(sh).args(rest).arg("true").output().is_ok_and(|out| out.status.success()) {
        return not_allowed("a /proc of its own needs the right to mount");
    }
    let rig = Rig::new("hidden-boot");
    let mut gateway = rig.start_under(HIDDEN, &library);
    assert!(gateway.log().contains("hides /proc/sys/kernel/random/boot_id"), "it says what is lacking");
    let mut publisher = Publisher::connect(rig.broker.port);
    let mut sent = read(&gateway, &mut publisher, 0);
    let before = uptime();
    rig.plant.devices[0].set(900);
    let raise = rig.push("raise");
    let counted = before - NEAR_MS..uptime() + NEAR_MS;
    assert!(counted.contains(&ms(&raise, "detected_ms")), "since the boot, {counted:?}: {}", raise.body);
    gateway.alarm_lane_on_disk();
    gateway.kill9();
    gateway.restart();
    eventually(SOON, "the gateway has subscribed", || rig.broker.subscribed());
    sent.extend(read(&gateway, &mut publisher, READINGS));
    assert_eq!(gateway.alarms("flip-d0")[0]["id"], raise.word("alarm_id"));
    rig.clock.set(0);
    eventually(SOON, "all has its time", || gateway.metric("gengfu_journal_undated", "") == 0.0);
    gateway.settle(SOON);
    let found = rig.store.export();
    committed(&gateway.data()).compare_by_ms(&found).unwrap();
    let values = of(&found, "device_v,gas");
    let mut times: Vec<(i64, f64)> = values.iter().map(|sample| (sample.at_ns, sample.value())).collect();
    times.sort_unstable_by_key(|(at, _)| *at);
    let in_order: Vec<f64> = times.iter().map(|(_, value)| *value).collect();
    assert_eq!(in_order, sent.iter().map(|(value, _)| *value).collect::<Vec<_>>(), "each once, in order");
    // those of the run in which the clock was set are exact: its own name stands for the boot
    for ((value, at), (found_at, _)) in sent.iter().zip(&times).skip(READINGS) {
        assert!((found_at / 1_000_000 - at).abs() < NEAR_MS, "{value} of {at} is at {found_at}");
    }
    let lane = rusqlite::Connection::open(gateway.data().join("telemetry.db")).unwrap();
    let epochs: u64 = lane.query_row("SELECT count(*) FROM epoch", [], |row| row.get(0)).unwrap();
    assert_eq!(epochs, 2, "one of the first start, one after the kill, none after a clean stop");
    say(&format!("{} readings of two runs in order, the second's to the moment", sent.len()));
}
