//! One device's trouble stays its own.

use std::time::{Duration, Instant};

use gengfu_tests::gateway::Gateway;
use gengfu_tests::plant::{Fault, Plant};
use gengfu_tests::process::Folder;
use gengfu_tests::receiver::Receiver;
use gengfu_tests::site::Site;
use gengfu_tests::wait::{SOON, always, eventually, length, now, quiet, say};

const EVERY_MS: u64 = 200;
/// How late a poll of a healthy device may be on a busy test machine.
const LATE: Duration = Duration::from_millis(150);

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

/// The `timeout` of the lines of the rig's site files.
const TIMEOUT: Duration = Duration::from_millis(200);
const UNITS: usize = 6;
/// The third unit of each line falls sick.
const SICK: usize = 2;

/// Where a line is shared, a unit that does not answer takes its timeout out of the others' time, once a probe.
#[test]
fn a_sick_unit_leaves_its_line_to_the_others() {
    let _quiet = quiet();
    let lines = [
        (Fault::Silent, TIMEOUT, Some("timeout")),
        (Fault::Exception(4), Duration::ZERO, Some("device-fault")),
        (Fault::Garbage, TIMEOUT, None),
        (Fault::Closes, TIMEOUT, None),
        (Fault::OtherUnit, TIMEOUT, None),
    ];
    let (dir, receiver) = (Folder::new("line"), Receiver::start());
    let plants: Vec<Plant> = lines.iter().map(|_| Plant::line(UNITS)).collect();
    let names: Vec<String> = (0..lines.len()).map(|line| format!("d{}", line * UNITS + SICK)).collect();
    let site = plants.iter().enumerate();
    let site = site.fold(Site::new("rig"), |site, (line, plant)| site.modbus_line(plant, line * UNITS, EVERY_MS));
    let watched: Vec<&str> = names.iter().map(String::as_str).chain(["d0"]).collect();
    let text = life_safety(&site.webhook("duty", receiver.port()).text, &watched);
    let mut gateway = Gateway::start(&text, dir.path());
    eventually(SOON, "every unit is polled", || plants.iter().flat_map(|p| &p.devices).all(|d| d.polls() > 2));

    for (plant, (fault, _, _)) in plants.iter().zip(lines) {
        plant.devices[SICK].fault(fault);
    }
    let from: Vec<Vec<usize>> = plants.iter().map(|p| p.devices.iter().map(|d| d.log().len()).collect()).collect();
    let held = length(6, 60);
    always(held, "the load runs", || true);
    for (line, (plant, (fault, cost, reason))) in plants.iter().zip(lines).enumerate() {
        the_others_keep_their_period(plant, &from[line], held, fault, cost);
        gateway.quality(&format!("{}/r0", names[line]), SOON, "bad", reason);
        receiver.expect(SOON, "a lost life-safety point is an alarm", |p| {
            p.word("device") == names[line] && p.word("event") == "raise"
        });
    }

    // and each comes back by itself, within the 5 s of a life-safety probe
    for plant in &plants {
        plant.devices[SICK].fault(Fault::Sound);
    }
    let back = now() + Duration::from_secs(6);
    for name in &names {
        gateway.quality(&format!("{name}/r0"), back.saturating_duration_since(now()), "good", None);
        receiver.expect(SOON, "the alarm returns", |p| p.word("device") == name && p.word("event") == "return");
    }
    assert!(receiver.seen().iter().all(|p| p.word("device") != "d0"), "a healthy point raises nothing");
    gateway.term();
}

fn the_others_keep_their_period(plant: &Plant, from: &[usize], held: Duration, fault: Fault, cost: Duration) {
    let logs = plant.devices.iter().zip(from).enumerate().filter(|(index, _)| *index != SICK);
    let logs: Vec<_> = logs.map(|(_, (device, from))| device.log().split_off(*from)).collect();
    let worst = logs.iter().map(|log| lateness(log)).max().unwrap();
    let polls = logs.iter().map(Vec::len).min().unwrap();
    let wanted = held.as_millis() as usize / EVERY_MS as usize;
    say(&format!("isolation: one unit of {UNITS} on a line {fault:?}, in {held:?} the others at worst {worst:?} late"));
    assert!(worst <= cost + LATE, "a unit was polled {worst:?} late beside one that is {fault:?}");
    assert!(polls * 20 >= wanted * 19, "{polls} polls instead of {wanted} beside one that is {fault:?}");
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
