//! One device's trouble stays its own.

use std::time::Duration;

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
    }
    assert!(receiver.seen().iter().all(|p| p.word("device") != "d3"), "a healthy point raises nothing");
    gateway.term();

    let period = Duration::from_millis(EVERY_MS);
    let gaps = logs.iter().flat_map(|log| log.windows(2).map(|pair| pair[1].1 - pair[0].1));
    let worst = gaps.map(|gap| gap.saturating_sub(period)).max().unwrap();
    say(&format!("isolation: worst lateness of a healthy device {worst:?} in {held:?}"));
    assert!(worst <= LATE, "a healthy device was polled {worst:?} late");
    let wanted = held.as_millis() as usize / EVERY_MS as usize;
    for log in &logs {
        assert!(log.len() + 2 >= wanted, "{} polls instead of {wanted}", log.len());
    }
}

#[test]
fn sick_units_on_one_line_leave_time_for_the_others() {
    let _quiet = quiet();
    let (dir, plant) = (Folder::new("line"), Plant::start(1));
    // the plant answers every unit; three that time out are made by a second line that is silent
    let silent = Plant::start(1);
    silent.devices[0].fault(Fault::Silent);
    let mut text = Site::new("rig").modbus(&plant, EVERY_MS, 4).text;
    text += &format!(
        "\n[[modbus]]\nname = \"dead\"\nconnect = \"tcp://127.0.0.1:{}\"\ntimeout = \"300ms\"\n",
        silent.ports()[0]
    );
    for unit in 1..=3 {
        text += &format!(
            "[[modbus.device]]\nname = \"dead-{unit}\"\nunit = {unit}\nevery = \"200ms\"\n\
             [[modbus.device.point]]\nname = \"v\"\nregister = \"holding:0\"\ntype = \"u16\"\n"
        );
    }
    let mut gateway = Gateway::start(&text, dir.path());
    for unit in 1..=3 {
        gateway.quality(&format!("dead-{unit}/v"), SOON, "bad", None);
    }
    let before = plant.devices[0].polls();
    let took = eventually(SOON, "20 more polls", || plant.devices[0].polls() >= before + 20);
    assert!(took <= Duration::from_millis(EVERY_MS * 20 + 1_000), "20 polls took {took:?}");
    // and it comes back by itself
    silent.devices[0].fault(Fault::Sound);
    for unit in 1..=3 {
        gateway.quality(&format!("dead-{unit}/v"), Duration::from_secs(90), "good", None);
    }
    gateway.term();
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
