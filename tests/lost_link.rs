//! A broker that is gone: an old value must not stand for a sensor nobody hears, nor be lost for good if the broker would
//! have told of a change.

use std::time::Duration;

use gengfu_tests::broker::Broker;
use gengfu_tests::gateway::Gateway;
use gengfu_tests::process::Folder;
use gengfu_tests::publisher::Publisher;
use gengfu_tests::receiver::{Push, Receiver};
use gengfu_tests::site::Site;
use gengfu_tests::wait::{SOON, eventually, unix_ms};

/// Ten seconds until a lost link counts, ten more until a life-safety point without value is an alarm.
const LOST: Duration = Duration::from_secs(30);

struct Bench {
    broker: Broker,
    receiver: Receiver,
    gateway: Gateway,
    _dir: Folder,
}

/// A door contact that speaks on change only, shut, and the broker gone.
fn broken() -> Bench {
    let (dir, mut broker, receiver) = (Folder::new("lost-link"), Broker::start(), Receiver::start());
    let site = Site::new("rig").mqtt(broker.port).webhook("duty", receiver.port());
    let text = site.text.replace("time = \"/ts\"", "time = \"/ts\"\nlife_safety = true");
    let gateway = Gateway::start(&text, dir.path());
    eventually(SOON, "the gateway has subscribed", || broker.subscribed());
    let mut publisher = Publisher::connect(broker.port);
    publisher.reading_at("door", 1.0, unix_ms());
    publisher.flush();
    gateway.value("door/v", SOON, |v| v == Some(1.0));
    drop(publisher);
    broker.stop();
    gateway.quality("door/v", LOST, "bad", Some("comm"));
    assert!(gateway.point("door/v").unwrap()["value"].is_null(), "an old value does not stand");
    Bench { broker, receiver, gateway, _dir: dir }
}

#[test]
fn its_points_are_lost_an_alarm_and_given_back_by_a_session_that_was_kept() {
    let mut bench = broken();
    let lost = |p: &Push| p.body["rule"] == "gengfu/no-data" && p.body["event"] == "raise";
    bench.receiver.expect(LOST, "a lost life-safety point is an alarm", lost);
    bench.broker.start_again(false);
    bench.gateway.quality("door/v", LOST, "uncertain", Some("stale"));
    bench.gateway.value("door/v", SOON, |v| v == Some(1.0));
    let back = |p: &Push| p.body["rule"] == "gengfu/no-data" && p.body["event"] == "return";
    bench.receiver.expect(SOON, "it is seen again", back);
    bench.gateway.term();
}

#[test]
fn a_broker_that_forgot_us_gives_nothing_back_until_the_device_speaks() {
    let mut bench = broken();
    bench.broker.start_again(true);
    eventually(LOST, "the gateway has subscribed anew", || bench.broker.subscriptions() == 2);
    let mut publisher = Publisher::connect(bench.broker.port);
    publisher.reading_at("other", 3.0, unix_ms());
    bench.gateway.value("other/v", SOON, |v| v == Some(3.0));
    bench.gateway.quality("door/v", SOON, "bad", Some("comm"));
    publisher.reading_at("door", 0.0, unix_ms());
    bench.gateway.value("door/v", SOON, |v| v == Some(0.0));
    bench.gateway.quality("door/v", SOON, "good", None);
    bench.gateway.term();
}
