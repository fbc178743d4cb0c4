//! A device that only speaks when it wants to: its silence is noticed after `stale_after`, and is an alarm of its own.

use std::time::{Duration, Instant};

use gengfu_tests::broker::Broker;
use gengfu_tests::gateway::Gateway;
use gengfu_tests::process::Folder;
use gengfu_tests::publisher::Publisher;
use gengfu_tests::receiver::{Push, Receiver};
use gengfu_tests::site::Site;
use gengfu_tests::wait::{SOON, eventually, not_run, now, pause, say, unix_ms, until};
use gengfu_tests::wall_clock::WallClock;
use serde_json::json;

/// Ten seconds until a lost link counts, and a reconnect.
const LOST: Duration = Duration::from_secs(30);
const STALE: Duration = Duration::from_secs(2);
/// From the message to the engine and from the engine to the receiver, on a busy machine.
const WAY: Duration = Duration::from_secs(1);
/// Between two messages of a device that is well.
const PACE: Duration = Duration::from_millis(250);
const SILENT: &str = "heat-01";
const TALKING: &str = "heat-02";
const TEN_MINUTES: i64 = 600_000;
const VOTE: &str = "[[rule]]\nid = \"smoke\"\npoints = \"smoke-*/v\"\nstate = { is = 1 }\npriority = \"high\"\n\
    [[rule]]\nid = \"both\"\npoint = \"smoke-a/v\"\npriority = \"critical\"\n\
    vote = { of = [\"smoke@smoke-a/v\", \"smoke@smoke-b/v\"], need = 2, degraded = \"trip\" }";

/// Life-safety devices that are silent after two seconds.
fn site(broker: &Broker, receiver: &Receiver) -> String {
    let text = Site::new("rig").mqtt(broker.port).text;
    let text = text.replace("value = \"/v\"", "value = \"/v\"\nlife_safety = true\nstale_after = \"2s\"");
    Site { text }.webhook("duty", receiver.port()).text
}

/// What was pushed, in order. A key that comes again must say the same: a receiver may drop it.
fn told(receiver: &Receiver) -> Vec<(String, String)> {
    let said =
        |p: &Push| [&p.body["event"], &p.body["state"], &p.body["times"]["detected_ms"]].map(ToString::to_string);
    let (pushes, seen) = (receiver.pushes(), receiver.seen());
    for push in pushes.iter().filter(|p| !p.key.is_empty()) {
        let first = seen.iter().find(|p| p.key == push.key).unwrap();
        assert_eq!(said(push), said(first), "{} says two things", push.key);
    }
    seen.iter().map(|p| (p.word("event").to_owned(), p.key.clone())).collect()
}

/// Neither a broker that was gone and kept our session, nor a start and the copy of its last word that the broker retains,
/// makes a dead device live again: its alarm stands until it speaks. Its next silence is another alarm.
#[test]
fn a_dead_device_does_not_return_by_what_others_say_of_it() {
    let (dir, mut broker, receiver) = (Folder::new("dead"), Broker::start(), Receiver::start());
    let mut gateway = Gateway::start(&site(&broker, &receiver), dir.path());
    eventually(SOON, "the gateway has subscribed", || broker.subscribed());
    let mut publisher = Publisher::connect(broker.port);
    let word = json!({ "v": 1, "ts": unix_ms() }).to_string();
    publisher.raw(&format!("rig/{SILENT}/v"), word.as_bytes(), true);
    publisher.flush();
    drop(publisher);
    let raise = receiver.expect(SOON, "the silence is an alarm", |p| p.word("event") == "raise");
    let path = format!("/api/v1/alarms/{}/acknowledge", raise.word("alarm_id"));
    assert_eq!(gateway.post(&path, &json!({ "by": "rig" })).status, 200);
    // What it said last was good, and is no value of now.
    gateway.quality(&format!("{SILENT}/v"), SOON, "uncertain", Some("stale"));
    let impaired = gateway.get("/api/v1/status").json()["impaired"].to_string();
    assert!(impaired.contains("no value to believe") && impaired.contains(SILENT), "{impaired}");
    receiver.expect(SOON, "acknowledge", |p| p.word("event") == "acknowledge");
    let stands = [("raise".to_owned(), raise.key.clone()), ("acknowledge".to_owned(), raise.key.replace(".1", ".2"))];

    let point = format!("{SILENT}/v");
    broker.stop();
    gateway.quality(&point, LOST, "bad", Some("comm"));
    broker.start_again(false);
    gateway.quality(&point, LOST, "uncertain", Some("stale"));
    pause(STALE + WAY);
    assert_eq!(told(&receiver), stands, "a value told for it is no word of it");

    gateway.restart();
    gateway.quality(&point, SOON, "uncertain", Some("stale"));
    pause(STALE + WAY);
    assert_eq!(told(&receiver), stands, "a copy of its last word is no word of now");
    gateway.alarm("gengfu/no-data", SOON, |a| a["state"] == "acknowledged" && a["device"] == SILENT);

    let mut publisher = Publisher::connect(broker.port);
    publisher.reading(SILENT);
    let over = receiver.expect(SOON, "it speaks", |p| p.word("event") == "return");
    assert_eq!(over.key, raise.key.replace(".1", ".3"));
    let other = |p: &Push| p.word("event") == "raise" && p.word("alarm_id") != raise.word("alarm_id");
    receiver.expect(SOON, "the next silence is another alarm", other);
    assert_eq!(told(&receiver).len(), 4);
    gateway.term();
}

/// Stops, which keeps what is learned of long silences, and starts when the clock shows so much more.
fn later(gateway: &mut Gateway, clock: &WallClock, by: i64) {
    gateway.term();
    clock.set(by);
    gateway.restart();
}

/// Heads that speak once a day, and a vote that takes a lost one for one that shouts. They spoke before all that a detector
/// remembers: in two starts the clock is ten minutes on, and another device has spoken in between.
#[test]
fn a_start_knows_what_silent_devices_said_last() {
    let Some(library) = WallClock::library() else { return not_run("libfaketime is missing: make setup") };
    let (dir, broker, receiver) = (Folder::new("seldom"), Broker::start(), Receiver::start());
    let clock = WallClock::new(dir.path());
    let site = Site::new("rig").mqtt(broker.port).with(VOTE).webhook("duty", receiver.port()).text;
    let site = site.replace("max_devices = 500", "max_devices = 500\nexpect = [\"smoke-a\", \"smoke-b\"]");
    let site = site.replace("value = \"/v\"", "value = \"/v\"\nlife_safety = true\nstale_after = \"25h\"");
    let mut gateway = Gateway::start_with(&site, dir.path(), &clock.environment(&library));
    eventually(SOON, "the gateway has subscribed", || broker.subscribed());
    let mut publisher = Publisher::connect(broker.port);
    for (device, value, late) in [("smoke-a", 0.0, 0), ("smoke-b", 0.0, 0), ("meter", 7.0, TEN_MINUTES)] {
        publisher.reading_at(device, value, unix_ms() + late);
        gateway.value(&format!("{device}/v"), SOON, |v| v == Some(value));
        // Sent is acknowledged, acknowledged is on disk.
        publisher.flush();
        if device == "smoke-b" {
            later(&mut gateway, &clock, TEN_MINUTES);
        }
    }
    let before = receiver.seen().len();
    later(&mut gateway, &clock, 2 * TEN_MINUTES);
    for head in ["smoke-a/v", "smoke-b/v"] {
        gateway.quality(head, SOON, "good", None);
        gateway.value(head, SOON, |v| v == Some(0.0));
    }
    publisher.reading_at("smoke-a", 1.0, unix_ms() + 2 * TEN_MINUTES);
    receiver.expect(SOON, "one shouts", |p| p.word("rule") == "smoke");
    let seen = receiver.seen();
    let raised = seen[before..].iter().filter(|p| p.word("event") == "raise");
    let told: Vec<_> = raised.map(|p| (p.word("rule"), p.word("device"))).collect();
    assert_eq!(told, [("smoke", "smoke-a")], "nobody was lost, and one of two is no vote");
    gateway.term();
}

#[test]
fn a_life_safety_device_that_falls_silent_is_an_alarm() {
    let (dir, broker, receiver) = (Folder::new("silence"), Broker::start(), Receiver::start());
    let mut gateway = Gateway::start(&site(&broker, &receiver), dir.path());
    eventually(SOON, "the gateway has subscribed", || broker.subscribed());
    let mut publisher = Publisher::connect(broker.port);
    let talk = |publisher: &mut Publisher, device: &str| {
        publisher.reading(device);
        pause(PACE);
    };

    // both talk for longer than the silence that is allowed
    let start = now();
    let mut last = start;
    while start.elapsed() < STALE + PACE * 2 {
        publisher.reading(TALKING);
        last = now();
        talk(&mut publisher, SILENT);
    }
    assert!(receiver.seen().is_empty(), "who talks raises nothing: {:?}", receiver.seen());

    let raise = until(SOON, "the silence is an alarm", || {
        talk(&mut publisher, TALKING);
        receiver.seen().into_iter().find(|p| p.word("device") == SILENT)
    });
    let after: Duration = raise.at.saturating_duration_since(last);
    say(&format!("pushed {after:?} after the last message, stale_after = {STALE:?}"));
    assert!(after >= STALE && after <= STALE + WAY, "pushed after {after:?}");
    assert_eq!((raise.word("event"), raise.word("rule"), raise.word("priority")), ("raise", "gengfu/no-data", "high"));
    assert!(raise.body["message"]["en"].as_str().unwrap().contains("nothing heard for too long"), "{}", raise.body);
    assert_eq!(gateway.alarms("gengfu/no-data")[0]["device"], SILENT);

    let back: Instant = now();
    talk(&mut publisher, SILENT);
    let over = receiver.expect(SOON, "it talks again", |p| p.word("device") == SILENT && p.word("event") == "return");
    say(&format!("returned {:?} after it spoke again", over.at - back));
    assert!(over.at - back <= WAY && over.key == raise.key.replace(".1", ".2"), "{}", over.key);
    gateway.alarm("gengfu/no-data", SOON, |a| a["state"] == "returned");
    assert!(receiver.seen().iter().all(|p| p.word("device") != TALKING), "who talks raises nothing");
    gateway.term();
}

/// A topic without a wildcard names its one device, which exists before it has said a word.
#[test]
fn a_life_safety_device_that_never_speaks_is_an_alarm() {
    let (dir, broker) = (Folder::new("mute"), Broker::start());
    let (head, _) =
        Site::new("rig").mqtt(broker.port).text.split_once("topic").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let site = format!(
        "{head}topic = \"hall/smoke\"\ndevice = \"smoke\"\nlabel = \"大厅烟感 / hall smoke\"\n\
         [[mqtt.subscribe.point]]\nname = \"alarm\"\nvalue = \"/alarm\"\nlife_safety = true\nbad_after = \"1s\"\n"
    );
    let mut gateway = Gateway::start(&site, dir.path());
    let alarm = gateway.alarm("gengfu/no-data", SOON, |a| a["device"] == "smoke");
    let heading = alarm["heading"]["en"].as_str().unwrap();
    assert!(heading.starts_with("hall smoke") && heading.ends_with("no data"), "{heading}");
    gateway.quality("smoke/alarm", SOON, "bad", Some("comm"));
    gateway.term();
}
