//! One device's trouble stays its own.

use std::time::{Duration, Instant};

use gengfu_tests::gateway::Gateway;
use gengfu_tests::plant::{Fault, Plant};
use gengfu_tests::process::Folder;
use gengfu_tests::receiver::Receiver;
use gengfu_tests::site::Site;
use gengfu_tests::wait::{always, eventually, length, quiet, say};

const EVERY_MS: u64 = 200;
/// How late a poll of a healthy device may be on a busy test machine.
const LATE: Duration = Duration::from_millis(150);
const SOON: Duration = Duration::from_secs(20);

#[test]
fn three_sick_devices_cost_the_others_nothing() {
    let _quiet = quiet();
    let (dir, plant, receiver) = (Folder::new("isolation"), Plant::start(50), Receiver::start());
    let text = Site::new("rig").modbus(&plant, EVERY_MS, 5).webhook("duty", receiver.port()).text;
    let text = life_safety(&text, &["d0", "d1", "d2", "d3"]);
    let mut gateway = Gateway::start(&text, dir.path());
    eventually(SOON, "every device is polled", || plant.devices.iter().all(|d| d.polls() > 2));
    let sick = [(0, Fault::Silent, "timeout"), (1, Fault::Exception(4), "device-fault"), (2, Fault::Garbage, "")];
    for (index, fault, _) in sick {
        plant.devices[index].fault(fault);
    }
    let from: Vec<usize> = plant.devices.iter().map(|d| d.log().len()).collect();
    let held = length(8, 60);
    always(held, "the load runs", || true);
    let logs: Vec<_> = plant.devices.iter().zip(&from).skip(3).map(|(d, from)| d.log().split_off(*from)).collect();
    for (index, _, reason) in sick {
        let reason = (!reason.is_empty()).then_some(reason);
        gateway.quality(&format!("d{index}/r0"), SOON, "bad", reason);
        let device = format!("d{index}");
        receiver.expect(SOON, "a lost life-safety point is an alarm", |p| {
            p.word("device") == device && p.word("event") == "raise"
        });
        assert!(gateway.items("alarms").iter().any(|a| a["device"] == device), "and stands on the console");
    }
    assert!(receiver.seen().iter().all(|p| p.word("device") != "d3"), "a healthy point raises nothing");
    gateway.term();

    let worst = logs.iter().map(|log| lateness(log)).max().unwrap();
    say(&format!("isolation: worst lateness of a healthy device {worst:?} in {held:?}"));
    assert!(worst <= LATE, "a healthy device was polled {worst:?} late");
    let wanted = held.as_millis() as usize / EVERY_MS as usize;
    for log in &logs {
        assert!(log.len() + 2 >= wanted, "{} polls instead of {wanted}", log.len());
    }
}

/// Where a line is shared, a unit that does not answer takes its timeout out of the others' time once a probe.
#[test]
fn a_sick_unit_leaves_its_line_to_the_others() {
    let _quiet = quiet();
    let faults = [
        (Fault::Silent, TIMEOUT, Some("timeout")),
        (Fault::Exception(4), Duration::ZERO, Some("device-fault")),
        (Fault::Garbage, TIMEOUT, None),
        (Fault::Closes, TIMEOUT, None),
        (Fault::OtherUnit, TIMEOUT, None),
    ];
    for (fault, cost, reason) in faults {
        one_sick_unit(fault, cost, reason);
    }
}

/// The `timeout` of the lines of the rig's site files.
const TIMEOUT: Duration = Duration::from_millis(200);
const SICK: usize = 2;

fn one_sick_unit(fault: Fault, cost: Duration, reason: Option<&str>) {
    let (dir, plant, receiver) = (Folder::new("line"), Plant::line(6), Receiver::start());
    let text = Site::new("rig").modbus_line(&plant, EVERY_MS).webhook("duty", receiver.port()).text;
    let mut gateway = Gateway::start(&life_safety(&text, &["d2", "d3"]), dir.path());
    eventually(SOON, "every unit is polled", || plant.devices.iter().all(|d| d.polls() > 2));
    plant.devices[SICK].fault(fault);
    let from: Vec<usize> = plant.devices.iter().map(|d| d.log().len()).collect();
    let held = length(4, 30);
    always(held, "the load runs", || true);
    let logs: Vec<_> = plant.devices.iter().zip(&from).map(|(d, from)| d.log().split_off(*from)).collect();
    let healthy: Vec<_> = logs.iter().enumerate().filter(|(index, _)| *index != SICK).map(|(_, log)| log).collect();
    gateway.quality("d2/r0", SOON, "bad", reason);
    receiver.expect(SOON, "a lost life-safety point is an alarm", |p| {
        p.word("device") == "d2" && p.word("event") == "raise"
    });
    gateway.quality("d3/r0", SOON, "good", None);

    let worst = healthy.iter().map(|log| lateness(log)).max().unwrap();
    let polls = healthy.iter().map(|log| log.len()).min().unwrap();
    let wanted = held.as_millis() as usize / EVERY_MS as usize;
    say(&format!(
        "one unit of six {fault:?}: worst lateness of the others {worst:?} in {held:?}, polls {polls} of {wanted}"
    ));
    assert!(worst <= cost + LATE, "a healthy unit was polled {worst:?} late beside one that is {fault:?}");
    assert!(polls * 20 >= wanted * 19, "{polls} polls instead of {wanted} beside one that is {fault:?}");

    // and it comes back by itself, within the 5 s of a life-safety probe
    plant.devices[SICK].fault(Fault::Sound);
    gateway.quality("d2/r0", Duration::from_secs(6), "good", None);
    receiver.expect(SOON, "the alarm returns", |p| p.word("device") == "d2" && p.word("event") == "return");
    assert!(receiver.seen().iter().all(|p| p.word("device") == "d2"), "a healthy point raises nothing");
    gateway.term();
}

/// How much later than its period the latest poll came.
fn lateness(log: &[(u32, Instant)]) -> Duration {
    let gaps = log.windows(2).map(|pair| pair[1].1 - pair[0].1);
    gaps.map(|gap| gap.saturating_sub(Duration::from_millis(EVERY_MS))).max().unwrap_or_default()
}

/// Marks `r0` of these devices as life-safety.
fn life_safety(text: &str, devices: &[&str]) -> String {
    let mut out = String::new();
    let mut mine = false;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("name = \"d") {
            mine = devices.contains(&format!("d{}", name.trim_end_matches('"')).as_str());
        }
        out += line;
        out.push('\n');
        if mine && line == "name = \"r0\"" {
            out += "life_safety = true\n";
        }
    }
    out
}
