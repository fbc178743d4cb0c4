//! As a service: what it tells its manager, how it starts and how it ends.

use std::process::Command;
use std::time::Duration;

use gengfu::journal::{Entry, StartCause};
use gengfu_tests::counting::entries;
use gengfu_tests::gateway::Gateway;
use gengfu_tests::http::Reply;
use gengfu_tests::notify_socket::NotifySocket;
use gengfu_tests::plant::Plant;
use gengfu_tests::process::{Folder, installed};
use gengfu_tests::receiver::Receiver;
use gengfu_tests::site::Site;
use gengfu_tests::stub::Stub;
use gengfu_tests::wait::{eventually, not_run, now, quiet, say};

const SOON: Duration = Duration::from_secs(10);
/// What the unit would pass; systemd asks for a ping within half of it.
const WATCHDOG: Duration = Duration::from_secs(2);

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
    // verify wants the program to exist: in a copy it is one that does
    let dir = Folder::new("unit");
    let exec = |l: &str| if l.starts_with("ExecStart") { "ExecStart=/bin/true".to_owned() } else { l.to_owned() };
    let copy = dir.write("gengfu.service", &text.lines().map(exec).collect::<Vec<_>>().join("\n"));
    let out = Command::new("systemd-analyze").arg("verify").arg(&copy).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    let about: Vec<&str> = said.lines().filter(|l| l.contains("gengfu.service")).collect();
    assert!(about.is_empty(), "systemd-analyze: {about:?}");
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

#[test]
fn a_stop_is_clean_while_everything_is_stuck() {
    let _quiet = quiet();
    let (dir, plant, stub, receiver) = (Folder::new("stuck"), Plant::start(10), Stub::start(), Receiver::start());
    stub.standing(Reply::Hang);
    receiver.standing(Some(Reply::Hang));
    let site = Site::new("rig")
        .modbus(&plant, 100, 6)
        .flips(0, 1)
        .influx("central", stub.port())
        .webhook("duty", receiver.port());
    let mut gateway = Gateway::start(&site.text, dir.path());
    plant.devices[0].set(900);
    gateway.alarm("flip-d0", SOON, |_| true);
    gateway.term();
}

#[test]
fn a_start_is_an_event_with_its_cause() {
    let (dir, plant) = (Folder::new("starts"), Plant::start(1));
    let mut gateway = Gateway::start(&Site::new("rig").modbus(&plant, 100, 4).text, dir.path());
    eventually(SOON, "some readings", || gateway.stage("committed") > 10.0);
    gateway.term();
    gateway.restart();
    gateway.kill9();
    gateway.restart();
    let lane = gateway.journal(entries);
    gateway.term();
    let causes: Vec<StartCause> =
        lane.iter().filter_map(|e| if let Entry::Start { cause, .. } = e { Some(*cause) } else { None }).collect();
    // the copy that is looked at adds a start of its own, if it writes one at all
    assert!(
        causes.starts_with(&[StartCause::FirstStart, StartCause::CleanStop, StartCause::UncleanStop]),
        "{causes:?}"
    );
    assert!(lane.iter().any(|e| matches!(e, Entry::Gap { .. })), "an unclean stop leaves a gap marker");
}

#[test]
fn first_poll_soon_after_the_start() {
    let _quiet = quiet();
    let (dir, plant) = (Folder::new("start"), Plant::start(1));
    let site = Site::new("rig").modbus(&plant, 100, 4).text;
    // built before the clock starts
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
