//! A device that only speaks when it wants to: its silence is noticed after `stale_after`, and is an alarm of its own.

use std::time::{Duration, Instant};

use gengfu_tests::broker::Broker;
use gengfu_tests::gateway::Gateway;
use gengfu_tests::process::Folder;
use gengfu_tests::publisher::Publisher;
use gengfu_tests::receiver::Receiver;
use gengfu_tests::site::Site;
use gengfu_tests::wait::{eventually, now, pause, say, until};

const SOON: Duration = Duration::from_secs(20);
const STALE: Duration = Duration::from_secs(2);
/// From the message to the engine and from the engine to the receiver, on a busy machine.
const WAY: Duration = Duration::from_secs(1);
/// Between two messages of a device that is well.
const PACE: Duration = Duration::from_millis(250);
const SILENT: &str = "heat-01";
const TALKING: &str = "heat-02";

#[test]
fn a_life_safety_device_that_falls_silent_is_an_alarm() {
    let (dir, broker, receiver) = (Folder::new("silence"), Broker::start(), Receiver::start());
    let site = Site::new("rig").mqtt(broker.port).text;
    let site = site.replace("value = \"/v\"", "value = \"/v\"\nlife_safety = true\nstale_after = \"2s\"");
    let site = Site { text: site }.webhook("duty", receiver.port()).text;
    let mut gateway = Gateway::start(&site, dir.path());
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
