//! Messages that are wrong, and clocks that are.

use std::time::Duration;

use gengfu_tests::broker::Broker;
use gengfu_tests::gateway::Gateway;
use gengfu_tests::process::Folder;
use gengfu_tests::publisher::Publisher;
use gengfu_tests::receiver::Receiver;
use gengfu_tests::site::Site;
use gengfu_tests::wait::{eventually, unix_ms};

const SOON: Duration = Duration::from_secs(10);

struct Bench {
    _dir: Folder,
    _broker: Broker,
    receiver: Receiver,
    gateway: Gateway,
    publisher: Publisher,
}

fn bench() -> Bench {
    let (dir, broker, receiver) = (Folder::new("bad-mqtt"), Broker::start(), Receiver::start());
    let site = Site::new("rig").mqtt(broker.port).webhook("duty", receiver.port());
    let site = site.with(
        "[[rule]]\nid = \"high\"\npoints = \"*/v\"\nhigh = { limit = 500.0, clear = 400.0 }\npriority = \"high\"",
    );
    let gateway = Gateway::start(&site.text, dir.path());
    eventually(SOON, "the gateway has subscribed", || broker.subscribed());
    let publisher = Publisher::connect(broker.port);
    Bench { _dir: dir, _broker: broker, receiver, gateway, publisher }
}

impl Bench {
    /// Refused messages so far.
    fn refused(&self) -> f64 {
        self.gateway.stage("refused")
    }

    /// After whatever was sent, a good message still comes through.
    fn goes_on(&mut self, value: f64) {
        self.publisher.reading_at("good", value, unix_ms());
        self.publisher.flush();
        self.gateway.value("good/v", SOON, |v| v == Some(value));
    }
}

/// The payload is counted as refused, makes no value, and blocks nothing.
fn is_refused(payload: &[u8]) {
    let mut bench = bench();
    bench.goes_on(1.0);
    let before = bench.refused();
    bench.publisher.raw("rig/odd/v", payload, false);
    bench.goes_on(2.0);
    eventually(SOON, "it is counted", || bench.refused() >= before + 1.0);
    assert!(bench.gateway.point("odd/v").is_none_or(|p| p["value"].is_null()), "no value comes of it");
    bench.gateway.term();
}

#[test]
fn not_json() {
    is_refused(b"\xff\xfe not json {");
}

#[test]
fn lacks_the_pointer() {
    is_refused(br#"{"w": 1}"#);
}

#[test]
fn string_for_a_number() {
    is_refused(br#"{"v": "warm"}"#);
}

#[test]
fn nested_arrays() {
    is_refused(format!("{{\"v\": {}1{}}}", "[".repeat(5_000), "]".repeat(5_000)).as_bytes());
}

#[test]
fn empty_payload() {
    is_refused(b"");
}

#[test]
fn ten_megabytes() {
    let mut bench = bench();
    bench.goes_on(1.0);
    let mut payload = b"{\"v\": 1, \"pad\": \"".to_vec();
    payload.resize(10 << 20, b'x');
    payload.extend_from_slice(b"\"}");
    bench.publisher.raw("rig/odd/v", &payload, false);
    // the broker or the gateway may refuse it; what follows must come through
    bench.goes_on(2.0);
    assert!(bench.gateway.process().resident() < 96.0, "{} MiB", bench.gateway.process().resident());
    bench.gateway.term();
}

#[test]
fn no_number_is_bad_and_not_zero() {
    for payload in [&br#"{"v": NaN}"#[..], br#"{"v": 1e400}"#, br#"{"v": -1e400}"#, br#"{"v": null}"#] {
        let mut bench = bench();
        bench.publisher.raw("rig/odd/v", payload, false);
        bench.goes_on(1.0);
        let odd = bench.gateway.point("odd/v");
        let text = String::from_utf8_lossy(payload);
        assert!(odd.is_none_or(|p| p["value"].is_null() && p["quality"] == "bad"), "{text} became a value");
        bench.gateway.term();
    }
}

/// A live message with a wrong clock is the present: it raises, is uncertain(clock), and stored at its arrival.
fn wrong_clock(stamp: impl Fn() -> i64) {
    let mut bench = bench();
    bench.goes_on(1.0);
    let before = unix_ms();
    bench.publisher.reading_at("adrift", 900.0, stamp());
    bench
        .receiver
        .expect(SOON, "a wrong clock silences nobody", |p| p.word("device") == "adrift" && p.word("event") == "raise");
    bench.gateway.quality("adrift/v", SOON, "uncertain", Some("clock"));
    let at = bench.gateway.point("adrift/v").unwrap()["at"].as_i64().unwrap();
    assert!((before..=unix_ms()).contains(&at), "stored at {at}, came at {before}");
    bench.gateway.term();
}

#[test]
fn clock_an_hour_behind() {
    wrong_clock(|| unix_ms() - 3_600_000);
}

#[test]
fn clock_an_hour_ahead() {
    wrong_clock(|| unix_ms() + 3_600_000);
}

#[test]
fn clock_in_1970() {
    wrong_clock(|| 86_400);
}

#[test]
fn uptime_counter() {
    wrong_clock(|| 123_456);
}

#[test]
fn a_retained_value_is_the_present() {
    let mut bench = bench();
    bench.publisher.raw("rig/kept/v", format!("{{\"v\": 900, \"ts\": {}}}", unix_ms()).as_bytes(), true);
    bench.receiver.expect(SOON, "raise", |p| p.word("device") == "kept" && p.word("event") == "raise");
    bench.gateway.term();
}
