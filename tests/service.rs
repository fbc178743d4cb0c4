//! As a service: what it tells its manager, how it starts and how it ends.

use std::process::Command;
use std::time::Duration;

use gengfu::journal::{Entry, StartCause};
use gengfu_tests::counting::{committed, entries, gaps, poll_numbers};
use gengfu_tests::gateway::Gateway;
use gengfu_tests::http::Reply;
use gengfu_tests::notify_socket::NotifySocket;
use gengfu_tests::plant::Plant;
use gengfu_tests::process::{Folder, installed};
use gengfu_tests::receiver::Receiver;
use gengfu_tests::shim::SickDisk;
use gengfu_tests::site::Site;
use gengfu_tests::stub::Stub;
use gengfu_tests::wait::{SOON, eventually, not_run, now, pause, quiet, say, unix_ms, until};

/// What the unit would pass; systemd asks for a ping within half of it.
const WATCHDOG: Duration = Duration::from_secs(2);
/// How long a stop lasts.
const OFF: Duration = Duration::from_millis(400);

#[test]
fn the_shipped_unit_is_a_good_one() {
    if installed("systemd-analyze").is_none() {
        return not_run("systemd-analyze is missing");
    }
    let deploy = gengfu_tests::root().join("deploy");
    let unit = std::fs::read_dir(&deploy)
        .unwrap()
        .flatten()
        .map(|e| e.path())
        .find(|p| p.extension().is_some_and(|e| e == "service"));
    let unit = unit.expect("deploy/ holds a systemd unit");
    let text = std::fs::read_to_string(&unit).unwrap();
    for line in ["Type=notify", "WatchdogSec=", "Restart=", "ExecStart="] {
        assert!(text.contains(line), "{}: {line} is missing", unit.display());
    }
    assert!(!text.contains("\nProcSubset=pid"), "it hides the machine's boot, see no_clock");
    // verify wants the program to exist: in a copy it is one that does
    let dir = Folder::new("unit");
    let exec = |l: &str| if l.starts_with("ExecStart") { "ExecStart=/bin/true".to_owned() } else { l.to_owned() };
    let copy = dir.write("gengfu.service", &text.lines().map(exec).collect::<Vec<_>>().join("\n"));
    let out = Command::new("systemd-analyze").arg("verify").arg(&copy).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    let about: Vec<&str> = said.lines().filter(|l| l.contains("gengfu.service")).collect();
    assert!(about.is_empty(), "systemd-analyze: {about:?}");
}

/// SIGSTOP and SIGCONT, a laptop's lid, a virtual machine that is moved: nobody's disk is sick.
#[test]
fn a_process_that_stood_still_has_no_fault_to_tell() {
    let (dir, plant) = (Folder::new("still"), Plant::start(1));
    let mut gateway = Gateway::start(&Site::new("rig").modbus(&plant, 200, 4).text, dir.path());
    gateway.quality("d0/r0", SOON, "good", None);
    // Several times: who of them all is the first to look at the others is a matter of luck.
    for _ in 0..5 {
        let held = gateway.process().hold();
        pause(Duration::from_secs(4));
        drop(held);
        pause(Duration::from_secs(1));
    }
    gateway.quality("d0/r0", SOON, "good", None);
    // several looks of the gateway at itself
    pause(Duration::from_secs(6));
    let own: Vec<_> = gateway.items("alarms?state=all").into_iter().filter(|a| a["device"] == "gengfu").collect();
    assert!(own.is_empty(), "{own:?}");
    gateway.term();
}

#[test]
fn ready_pings_and_stopping() {
    let (dir, plant) = (Folder::new("service"), Plant::start(2));
    let mut socket = NotifySocket::new(dir.path());
    let period = WATCHDOG.as_micros().to_string();
    let path = socket.path();
    let environment = [("NOTIFY_SOCKET", path.as_str()), ("WATCHDOG_USEC", period.as_str())];
    let mut gateway = Gateway::spawn(&Site::new("rig").modbus(&plant, 200, 4).text, dir.path(), &environment);
    eventually(SOON, "READY=1", || socket.has("READY=1"));
    gateway.ready();
    let since = now();
    eventually(WATCHDOG * 4, "watchdog pings", || socket.pings(since) >= 4);
    assert!(socket.longest_gap() < WATCHDOG, "a ping was {:?} late", socket.longest_gap());
    let took = gateway.term();
    assert!(socket.has("STOPPING=1"));
    say(&format!("stopped in {took:?}"));
}

/// Under load, with an alarm standing; everything that can be written is, and it says so by its exit code.
fn stops(store: Reply, webhook: Option<Reply>) {
    let _quiet = quiet();
    let (dir, plant, stub, receiver) = (Folder::new("stuck"), Plant::start(20), Stub::start(), Receiver::start());
    stub.standing(store);
    receiver.standing(webhook);
    let site = Site::new("rig")
        .modbus(&plant, 50, 8)
        .flips(0, 1)
        .influx("central", stub.port())
        .webhook("duty", receiver.port());
    let mut gateway = Gateway::start(&site.text, dir.path());
    plant.devices[0].set(900);
    gateway.alarm("flip-d0", SOON, |_| true);
    eventually(SOON, "the push is tried", || !receiver.pushes().is_empty());
    eventually(SOON, "a write is tried", || !stub.writes().is_empty());
    eventually(SOON, "a load", || gateway.stage("committed") > 3_000.0);
    let took = gateway.term();
    say(&format!("stopped in {took:?}"));
    // nothing that was read is missing
    let polls = plant.devices[0].polls();
    let last = poll_numbers(&committed(&gateway.data()).must, "d0").last().copied().unwrap();
    assert!(polls - last <= 1, "poll {last} of {polls} is the last on disk");
    gateway.restart();
    assert_eq!(gateway.alarms("flip-d0").len(), 1);
    gateway.term();
}

fn well() -> Reply {
    Reply::Status(204, String::new())
}

#[test]
fn a_stop_under_load() {
    stops(well(), None);
}

#[test]
fn a_stop_while_the_store_hangs() {
    stops(Reply::Hang, None);
}

#[test]
fn a_stop_while_the_webhook_hangs() {
    stops(well(), Some(Reply::Hang));
}

#[test]
fn a_stop_while_everything_hangs() {
    stops(Reply::Hang, Some(Reply::Hang));
}

#[test]
fn a_stop_right_after_the_start() {
    let (dir, plant) = (Folder::new("early"), Plant::start(1));
    let mut gateway = Gateway::start(&Site::new("rig").modbus(&plant, 100, 4).text, dir.path());
    for _ in 0..10 {
        // at the first sign of life: it must not be cut off by the default action of the signal
        gateway.term();
        gateway.restart();
    }
    let lane = gateway.journal(entries);
    gateway.term();
    assert!(starts(&lane).iter().skip(1).all(|(cause, ..)| *cause == StartCause::CleanStop));
}

#[test]
fn the_watchdog_is_silent_while_a_writer_is_stuck() {
    let _quiet = quiet();
    let (dir, plant) = (Folder::new("watchdog"), Plant::start(1));
    let mut socket = NotifySocket::new(dir.path());
    let Some(disk) = SickDisk::new(&dir.join("data"), dir.path()) else {
        return not_run("a C compiler is missing: make setup");
    };
    // two thirds of it is what a writer may stand still
    let period = Duration::from_secs(6);
    let (path, micros) = (socket.path(), period.as_micros().to_string());
    let mut environment = vec![("NOTIFY_SOCKET", path.as_str()), ("WATCHDOG_USEC", micros.as_str())];
    let sick = disk.environment();
    environment.extend(sick.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let site = Site::new("rig").modbus(&plant, 100, 4).text;
    let mut gateway = Gateway::start_with(&site, dir.path(), &environment);
    eventually(SOON, "pings", || socket.pings(now()) == 0 && socket.has("WATCHDOG=1"));

    // a hiccup of a third of the period costs no ping
    disk.hang();
    pause(period / 3);
    disk.heal();
    let healed = now();
    eventually(period, "pings after a hiccup", || socket.pings(healed) >= 1);
    assert!(socket.longest_gap() < period, "a hiccup kept a ping back for {:?}", socket.longest_gap());

    disk.hang();
    let hung = now();
    let silence = until(period * 4, "silence for a period: a manager would have ended it", || {
        let last = socket.heard().iter().filter(|(_, line)| line == "WATCHDOG=1").map(|(at, _)| *at).max()?;
        (last.elapsed() > period).then(|| last.saturating_duration_since(hung))
    });
    assert!(gateway.log().contains("no progress, the watchdog is not fed"));
    say(&format!("last ping {silence:?} after the disk hung, period {period:?}"));
    assert!(silence <= period, "fed for {silence:?} on a disk that hung");
    disk.heal();
    let healed = now();
    eventually(period, "pings again", || socket.pings(healed) >= 1);
    gateway.term();
}

/// Causes and lengths of all starts, oldest first.
fn starts(lane: &[Entry]) -> Vec<(StartCause, i64, Option<i64>)> {
    let start = |entry: &Entry| {
        if let Entry::Start { cause, at, off_ms, .. } = entry { Some((*cause, *at, *off_ms)) } else { None }
    };
    lane.iter().filter_map(start).collect()
}

#[test]
fn a_start_is_an_event_with_its_cause_and_the_time_off() {
    let (dir, plant) = (Folder::new("starts"), Plant::start(1));
    let mut gateway = Gateway::start(&Site::new("rig").modbus(&plant, 100, 4).text, dir.path());
    eventually(SOON, "some readings", || gateway.stage("committed") > 10.0);
    gateway.term();
    let stopped = unix_ms();
    pause(OFF);
    gateway.restart();
    eventually(SOON, "some readings", || gateway.stage("committed") > 10.0);
    gateway.kill9();
    let killed = unix_ms();
    pause(OFF);
    gateway.restart();
    gateway.alarm_lane_on_disk();
    let lane = gateway.journal(entries);
    gateway.term();

    let starts = starts(&lane);
    let causes: Vec<StartCause> = starts.iter().map(|(cause, ..)| *cause).collect();
    assert_eq!(causes, [StartCause::FirstStart, StartCause::CleanStop, StartCause::UncleanStop]);
    assert_eq!(starts[0].2, None, "nothing came before the first");
    for (started, ended) in [(&starts[1], stopped), (&starts[2], killed)] {
        let off = started.2.expect("the clock is good");
        let least = started.1 - ended;
        // the last word of a killed run is as old as its last commit: one commit window, 2 s, at most
        assert!((least..=least + 2_500).contains(&off), "{off} ms off, at least {least}");
        say(&format!("{:?}: {off} ms off, {least} ms by the stopwatch", started.0));
    }
    let gaps = gaps(&lane);
    let [(from, to, at_most, _)] = gaps[..] else { panic!("one gap, of the kill: {gaps:?}") };
    assert!(from <= killed && to > killed && at_most > 0, "gap {from} to {to}, killed at {killed}, at most {at_most}");
}

#[test]
fn first_poll_soon_after_the_start() {
    let _quiet = quiet();
    let (dir, plant) = (Folder::new("start"), Plant::start(1));
    let site = Site::new("rig").modbus(&plant, 100, 4).text;
    // Built before the clock starts.
    gengfu_tests::gateway::gengfu();
    let start = now();
    let mut gateway = Gateway::spawn(&site, dir.path(), &[]);
    eventually(SOON, "first poll", || plant.devices[0].polls() > 0);
    let took = plant.devices[0].log()[0].1 - start;
    say(&format!("first poll {took:?} after the start"));
    assert!(took <= Duration::from_secs(1), "first poll after {took:?}");
    gateway.ready();
    gateway.term();
}
