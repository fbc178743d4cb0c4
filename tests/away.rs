//! While we were away: what waited at the broker is as old as it says, and the newest of it is the present; what a device
//! said before we came is not hidden by what we said of it meanwhile.

use std::time::Duration;

use gengfu_tests::broker::Broker;
use gengfu_tests::counting::{committed, contains, of};
use gengfu_tests::gateway::Gateway;
use gengfu_tests::process::Folder;
use gengfu_tests::publisher::Publisher;
use gengfu_tests::receiver::Receiver;
use gengfu_tests::site::Site;
use gengfu_tests::wait::{SOON, eventually, pause, unix_ms};

/// Longer than the clocks may differ in these sites.
const AWAY: Duration = Duration::from_secs(4);
const RULE: &str =
    "[[rule]]\nid = \"high\"\npoints = \"*/v\"\nhigh = { limit = 500.0, clear = 400.0 }\npriority = \"high\"";

struct Bench {
    broker: Broker,
    receiver: Receiver,
    dir: Folder,
    site: String,
}

fn bench(expect: &str) -> Bench {
    let (dir, broker, receiver) = (Folder::new("away"), Broker::start(), Receiver::start());
    let site = Site::new("rig").mqtt(broker.port).webhook("duty", receiver.port()).with(RULE);
    let text = site.text.replace("max_devices = 500", &format!("max_devices = 500{expect}"));
    let site = text.replacen("[site]\n", "[site]\nclock_tolerance = \"1s\"\n", 1);
    Bench { broker, receiver, dir, site: site.replace("client_id", "keep_alive = \"5s\"\nclient_id") }
}

#[test]
fn messages_that_waited_keep_their_time_and_the_newest_is_the_present() {
    let bench = bench("");
    let mut gateway = Gateway::start(&bench.site, bench.dir.path());
    eventually(SOON, "the gateway has subscribed", || bench.broker.subscribed());
    let mut publisher = Publisher::connect(bench.broker.port);
    publisher.reading_at("gas", 1.0, unix_ms());
    publisher.flush();
    gateway.value("gas/v", SOON, |v| v == Some(1.0));
    // The last sign of life of this run is not much older than its end, however long the link was silent before.
    gateway.term();
    publisher.reading_at("gas", 2.0, unix_ms());
    publisher.reading_at("gas", 900.0, unix_ms() + 1);
    publisher.flush();
    // Longer than the tolerance and twice the keep-alive, by which an absence may have begun unnoticed.
    pause(AWAY);
    gateway.restart();
    bench.receiver.expect(SOON, "what happened meanwhile is told", |p| p.word("event") == "raise");
    gateway.value("gas/v", SOON, |v| v == Some(900.0));
    gateway.quality("gas/v", SOON, "good", None);
    assert_eq!(gateway.metric("gengfu_clock_off_total", ""), 0.0, "no clock was off");
    gateway.term();
    contains(&of(&committed(&gateway.data()).must, "device_v,"), &publisher.acked()).unwrap();
}

#[test]
fn a_retained_state_of_before_the_start_is_the_present_of_an_expected_device() {
    let bench = bench("\nexpect = [\"smoke\"]");
    let mut publisher = Publisher::connect(bench.broker.port);
    publisher.raw("rig/smoke/v", format!("{{\"v\": 900, \"ts\": {}}}", unix_ms() - 3_600_000).as_bytes(), true);
    publisher.flush();
    let mut gateway = Gateway::start(&bench.site, bench.dir.path());
    let raise = |p: &gengfu_tests::receiver::Push| p.word("device") == "smoke" && p.word("event") == "raise";
    bench.receiver.expect(SOON, "what is in alarm at boot is an alarm", raise);
    gateway.value("smoke/v", SOON, |v| v == Some(900.0));
    gateway.term();
}
