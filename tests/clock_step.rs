//! The wall clock is set by an hour, forth and back, under a running gateway (libfaketime; the counter is left alone).
//! No timer changes, nothing comes or goes by it, and it is told.

use std::time::{Duration, Instant};

use gengfu::journal::Entry;
use gengfu_tests::broker::Broker;
use gengfu_tests::counting::{committed, entries, poll_numbers};
use gengfu_tests::gateway::Gateway;
use gengfu_tests::plant::Plant;
use gengfu_tests::process::{Folder, free_port};
use gengfu_tests::publisher::Publisher;
use gengfu_tests::receiver::Receiver;
use gengfu_tests::site::Site;
use gengfu_tests::wait::{SOON, eventually, not_run, now, say, unix_ms};
use gengfu_tests::wall_clock::WallClock;

const HOUR_MS: i64 = 3_600_000;
/// `for` and `clear_for` of the rules.
const DELAY: Duration = Duration::from_secs(3);
/// From the device to the engine and from there to the receiver, on a busy machine.
const WAY: Duration = Duration::from_secs(1);
/// A link counts as down after this long.
const LINK: Duration = Duration::from_secs(30);
/// Two looks at the clocks are not one moment.
const LOOK_MS: i64 = 1_500;

/// A box without a battery for its clock: the power goes while a message is on its way, and the start is an hour behind. What
/// the broker sends again bears a stamp from the future, and came before all that the journal remembers.
#[test]
fn what_is_sent_again_to_a_box_whose_clock_is_behind_is_judged() {
    let Some(library) = WallClock::library() else { return not_run("libfaketime is missing: make setup") };
    let (dir, broker, receiver) = (Folder::new("behind"), Broker::start(), Receiver::start());
    let clock = WallClock::new(dir.path());
    let rule =
        "[[rule]]\nid = \"high\"\npoints = \"*/v\"\nhigh = { limit = 500.0, clear = 400.0 }\npriority = \"high\"";
    let site = Site::new("rig").mqtt(broker.port).webhook("duty", receiver.port()).with(rule);
    let mut gateway = Gateway::start_with(&site.text, dir.path(), &clock.environment(&library));
    eventually(SOON, "the gateway has subscribed", || broker.subscribed());
    let mut publisher = Publisher::connect(broker.port);
    publisher.reading_at("gas", 1.0, unix_ms());
    gateway.value("gas/v", SOON, |v| v == Some(1.0));
    gateway.quality("gas/v", SOON, "good", None);
    let read = gateway.stage("read");
    eventually(SOON, "it is on disk", || gateway.stage("committed") >= read);

    gateway.process().signal("STOP");
    publisher.reading_at("gas", 900.0, unix_ms());
    publisher.flush();
    gateway.kill9();
    clock.set(-HOUR_MS);
    gateway.restart();
    receiver.expect(SOON, "it is judged", |p| p.word("device") == "gas" && p.word("event") == "raise");
    gateway.value("gas/v", SOON, |v| v == Some(900.0));
    gateway.quality("gas/v", SOON, "uncertain", Some("clock"));
    gateway.term();
}

#[test]
fn a_clock_that_is_set_changes_no_timer() {
    let Some(library) = WallClock::library() else { return not_run("libfaketime is missing: make setup") };
    let (dir, plant, broker, receiver) = (Folder::new("clock"), Plant::start(2), Broker::start(), Receiver::start());
    let clock = WallClock::new(dir.path());
    let begin = now();
    let mut gateway = Gateway::start_with(&site(&plant, &broker, &receiver), dir.path(), &clock.environment(&library));
    eventually(SOON, "the gateway has subscribed", || broker.subscribed());
    // life-safety, unlisted, silent from here on: an hour of the wall clock is no silence of 15 minutes
    Publisher::connect(broker.port).raw("rig/heat/v", b"{\"v\": 1}", false);
    gateway.value("heat/v", SOON, |v| v == Some(1.0));

    let raise = delayed(&gateway, &receiver, (&plant, "d0", 900), "raise", || clock.set(HOUR_MS));
    told(&gateway, HOUR_MS);
    plant.devices[1].set(900);
    receiver.expect(SOON, "raise of d1", |p| p.word("device") == "d1" && p.word("event") == "raise");
    let back = delayed(&gateway, &receiver, (&plant, "d1", 0), "return", || clock.set(0));
    told(&gateway, 0);
    // a leap second is no step, and changes nothing either
    clock.set(1_000);
    plant.devices[0].set(0);
    let gone = delayed(&gateway, &receiver, (&plant, "d0", 0), "return", || clock.set(-HOUR_MS));
    told(&gateway, -HOUR_MS);
    say(&format!(
        "due after {DELAY:?}: raised {raise:?}, returned {back:?} and {gone:?} after the change, steps or not"
    ));

    let seen: Vec<_> = receiver.seen().iter().map(|p| format!("{} {}", p.word("device"), p.word("event"))).collect();
    assert!(begin.elapsed() < LINK, "too slow to tell a link that is down too early");
    assert_eq!(seen, ["d0 raise", "d1 raise", "d1 return", "d0 return"], "no storm");
    gateway.alarm_lane_on_disk();
    assert_eq!(steps(&gateway.journal(entries)), 3, "each is in the alarm lane, once");
    gateway.term();
    let all = committed(&gateway.data()).must;
    for (index, device) in plant.devices.iter().enumerate() {
        let kept = poll_numbers(&all, &format!("d{index}"));
        assert!(kept.iter().copied().eq(1..=kept.len() as u32), "every poll once: {kept:?}");
        assert!(device.polls() - kept.len() as u32 <= 1, "{} of {} polls", kept.len(), device.polls());
    }
}

fn site(plant: &Plant, broker: &Broker, receiver: &Receiver) -> String {
    let site = Site::new("rig").modbus(plant, 100, 4).patient().mqtt(broker.port).webhook("duty", receiver.port());
    // without stamps of its own, which would be an hour off
    let site = site.text.replace("time = \"/ts\"", "life_safety = true");
    let nobody = free_port();
    let site = Site { text: site }.with(&format!(
        "[[modbus]]\nname = \"nobody\"\nconnect = \"tcp://127.0.0.1:{nobody}\"\n[[modbus.device]]\nname = \"away\"\n\
         unit = 1\nevery = \"1s\"\n[[modbus.device.point]]\nname = \"x\"\nregister = \"holding:0\"\ntype = \"u16\""
    ));
    let both = "high = { limit = 500.0, clear = 400.0, for = \"3s\", clear_for = \"3s\" }";
    let going = "high = { limit = 500.0, clear = 400.0, clear_for = \"3s\" }";
    let rule =
        |id: &str, high: &str| format!("[[rule]]\nid = \"{id}\"\npoint = \"{id}/r0\"\n{high}\npriority = \"high\"");
    site.with(&rule("d0", both)).with(&rule("d1", going)).text
}

/// Changes a device's value, steps the clock in the middle of the delay, and gives how long the push took.
fn delayed(
    gateway: &Gateway,
    receiver: &Receiver,
    (plant, device, value): (&Plant, &str, u16),
    event: &str,
    step: impl Fn(),
) -> Duration {
    let changed: Instant = now();
    plant.devices[usize::from(device == "d1")].set(value);
    gateway.value(&format!("{device}/r0"), SOON, |v| v == Some(f64::from(value)));
    assert!(changed.elapsed() + WAY < DELAY, "too slow to step the clock within the delay");
    step();
    let what = format!("{event} of {device}");
    let push = receiver.expect(SOON, &what, |p| p.word("device") == device && p.word("event") == event);
    let took = push.at - changed;
    assert!(took >= DELAY && took <= DELAY + WAY, "{what} came after {took:?}");
    took
}

/// The gateway's wall clock is off by so much, and its counter is not.
fn told(gateway: &Gateway, off_ms: i64) {
    let clock = |name: &str| gateway.api("status")["clock"][name].as_i64().unwrap();
    let (wall, mono, start) = (clock("now"), clock("mono"), now());
    assert!((wall - unix_ms() - off_ms).abs() < LOOK_MS, "the clock says {wall}, set off by {off_ms}");
    let counted = clock("mono") - mono;
    assert!(counted <= start.elapsed().as_millis() as i64 + LOOK_MS, "the counter went on by {counted} ms");
}

/// Steps of an hour in the lane, forth and back.
fn steps(lane: &[Entry]) -> usize {
    let told = lane.iter().filter_map(|entry| {
        let Entry::Maintenance { what, detail, .. } = entry else { return None };
        (what == "clock-step").then_some(detail)
    });
    let by = |detail: &String| detail.split_whitespace().find_map(|word| word.parse::<i64>().ok()).unwrap();
    let hours: Vec<i64> = told.map(by).collect();
    for (step, hour) in hours.iter().zip([HOUR_MS, -HOUR_MS, -HOUR_MS]) {
        assert!((step - hour).abs() < LOOK_MS, "a step of {hour} ms is told as {step}");
    }
    say(&format!("the lane tells of steps by {hours:?} ms"));
    hours.len()
}
