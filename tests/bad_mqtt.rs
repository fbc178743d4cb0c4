//! Messages that are wrong, and clocks that are.

use gengfu::flow::Refused;
use gengfu_tests::broker::Broker;
use gengfu_tests::counting::journal;
use gengfu_tests::gateway::Gateway;
use gengfu_tests::process::Folder;
use gengfu_tests::publisher::Publisher;
use gengfu_tests::receiver::Receiver;
use gengfu_tests::site::Site;
use gengfu_tests::wait::{SOON, eventually, say, unix_ms};

struct Bench {
    _dir: Folder,
    broker: Broker,
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
    Bench { _dir: dir, broker, receiver, gateway, publisher }
}

impl Bench {
    /// Refused messages that the journal keeps, newest first, once everything is on disk.
    fn refused(&self) -> Vec<Refused> {
        self.all_is_accounted_for();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        self.gateway.journal(|journal| runtime.block_on(journal.refused(100)).unwrap())
    }

    /// read = committed + refused, once nothing is in flight.
    fn all_is_accounted_for(&self) {
        eventually(SOON, "read = committed + refused", || {
            self.gateway.stage("read") == self.gateway.stage("committed") + self.gateway.stage("refused")
        });
    }

    /// After whatever was sent, a good message still comes through.
    fn goes_on(&mut self, value: f64) {
        self.publisher.reading_at("good", value, unix_ms());
        self.publisher.flush();
        self.gateway.value("good/v", SOON, |v| v == Some(value));
    }
}

/// A message that can't be read: kept as a refused record and acknowledged, no value comes of it, and a point that had a
/// value is bad rather than at rest on its old one. Nothing behind it waits.
fn is_refused(payload: &[u8], words: &str) {
    let mut bench = bench();
    bench.publisher.reading_at("odd", 5.0, unix_ms());
    bench.gateway.value("odd/v", SOON, |v| v == Some(5.0));
    bench.publisher.raw("rig/odd/v", payload, false);
    bench.goes_on(2.0);
    bench.gateway.quality("odd/v", SOON, "bad", Some("not-a-number"));
    assert!(bench.gateway.point("odd/v").unwrap()["value"].is_null(), "no value comes of it");
    bench.publisher.reading_at("odd", 6.0, unix_ms());
    bench.gateway.value("odd/v", SOON, |v| v == Some(6.0));
    let head: Vec<u8> = payload.iter().take(256).copied().collect();
    let refused = bench.refused();
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!((refused[0].topic.as_str(), &refused[0].head), ("rig/odd/v", &head));
    assert!(refused[0].reason.contains(words), "{}", refused[0].reason);
    assert_eq!(bench.gateway.metric("gengfu_mqtt_connects_total", ""), 1.0, "it cost no connection");
    assert_eq!(bench.gateway.metric("gengfu_mqtt_refused_total", ""), 1.0);
    bench.gateway.term();
    // acknowledged: the broker does not send it again
    bench.gateway.restart();
    bench.goes_on(7.0);
    assert_eq!(bench.refused().len(), 1);
    bench.gateway.term();
}

#[test]
fn not_json() {
    is_refused(b"\xff\xfe not json {", "not JSON");
}

#[test]
fn string_for_a_number() {
    is_refused(br#"{"v": "warm"}"#, "a string");
}

#[test]
fn array_for_a_number() {
    is_refused(br#"{"v": [[[1]]]}"#, "an array");
}

#[test]
fn nested_arrays() {
    is_refused(format!("{{\"v\": {}1{}}}", "[".repeat(5_000), "]".repeat(5_000)).as_bytes(), "recursion limit");
}

#[test]
fn null_for_a_number() {
    is_refused(br#"{"v": null}"#, "null");
}

#[test]
fn not_a_number() {
    is_refused(br#"{"v": NaN}"#, "not JSON");
}

#[test]
fn beyond_every_number() {
    is_refused(br#"{"v": 1e400}"#, "out of range");
    is_refused(br#"{"v": -1e400}"#, "out of range");
}

#[test]
fn empty_payload() {
    is_refused(b"", "not JSON");
}

#[test]
fn ten_megabytes() {
    let mut payload = b"{\"v\": 1, \"pad\": \"".to_vec();
    payload.resize(10 << 20, b'x');
    payload.extend_from_slice(b"\"}");
    is_refused(&payload, "bytes");
}

/// More than the gateway's client takes off the wire: the shipped broker cuts its publisher off and passes nothing on.
#[test]
fn what_nobody_could_take_holds_nothing_up() {
    let mut bench = bench();
    let mut huge = Publisher::named("huge", bench.broker.port);
    huge.raw("rig/odd/v", &vec![b'1'; 17 << 20], false);
    eventually(SOON, "the broker answers", || huge.lost() || huge.acked_count() > 0);
    bench.goes_on(1.0);
    assert!(bench.gateway.point("odd/v").is_none());
    bench.gateway.term();
}

#[test]
fn many_megabytes_at_once_are_held_in_bounds() {
    let mut bench = bench();
    bench.goes_on(1.0);
    let calm = bench.gateway.process().resident();
    for _ in 0..8 {
        bench.publisher.raw("rig/odd/v", &vec![b'1'; 10 << 20], false);
    }
    bench.goes_on(2.0);
    let resident = bench.gateway.process().resident();
    say(&format!("resident {calm:.0} MiB, after 80 MiB of nonsense {resident:.0} MiB"));
    assert!(resident < calm + 64.0, "{resident} MiB, {calm} before");
    assert_eq!(bench.refused().len(), 8);
    bench.gateway.term();
}

/// A message about something else is refused, and what is known of the point stays.
#[test]
fn lacks_the_pointer() {
    let mut bench = bench();
    bench.publisher.reading_at("odd", 5.0, unix_ms());
    bench.gateway.value("odd/v", SOON, |v| v == Some(5.0));
    bench.publisher.raw("rig/odd/v", br#"{"battery": 81}"#, false);
    bench.goes_on(2.0);
    let point = bench.gateway.point("odd/v").unwrap();
    assert_eq!((point["value"].as_f64(), point["quality"].as_str()), (Some(5.0), Some("good")));
    assert!(bench.refused()[0].reason.contains("nothing at \"/v\""));
    assert_eq!(bench.gateway.metric("gengfu_readings_total", "reason=\"undecodable\""), 1.0);
    bench.gateway.term();
}

#[test]
fn more_devices_than_allowed() {
    let (dir, broker) = (Folder::new("many"), Broker::start());
    let site = Site::new("rig").mqtt(broker.port).text.replace("max_devices = 500", "max_devices = 3");
    let gateway = Gateway::start(&site, dir.path());
    eventually(SOON, "the gateway has subscribed", || broker.subscribed());
    let mut publisher = Publisher::connect(broker.port);
    for round in 0..2 {
        for device in ["a", "b", "c", "d", "e"] {
            publisher.reading_at(device, f64::from(round), unix_ms());
        }
    }
    publisher.flush();
    let lost = || gateway.metric("gengfu_readings_total", "reason=\"too-many-devices\"");
    eventually(SOON, "what is lost is counted", || lost() == 4.0);
    let alarm = gateway.alarm("gengfu/devices-refused", SOON, |_| true);
    assert_eq!(alarm["state"], "unacknowledged");
    for device in ["a", "b", "c"] {
        gateway.value(&format!("{device}/v"), SOON, |v| v == Some(1.0));
    }
    assert!(gateway.point("d/v").is_none() && gateway.point("e/v").is_none());
    let mut bench = Bench { _dir: dir, broker, receiver: Receiver::start(), gateway, publisher };
    assert_eq!(bench.refused().len(), 4, "each is kept as a record");
    bench.gateway.term();
}

/// A live message with a wrong clock is the present: it raises, is uncertain(clock), stored at its arrival with its own
/// stamp beside it, and the clock itself becomes an alarm.
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
    let alarm = bench.gateway.alarm("gengfu/clock-off", SOON, |_| true);
    assert_eq!(alarm["priority"], "medium");
    assert!(bench.gateway.metric("gengfu_clock_off_total", "") >= 1.0);
    // a sound clock beside it is believed to the millisecond
    let sound = unix_ms() - 5_000;
    bench.publisher.reading_at("sound", 1.0, sound);
    bench.gateway.quality("sound/v", SOON, "good", None);
    assert_eq!(bench.gateway.point("sound/v").unwrap()["at"], sound);
    bench.gateway.term();
    let (records, catalog) = journal(&bench.gateway.data());
    let adrift = catalog.find("adrift/v").unwrap();
    let kept: Vec<_> = records.iter().filter(|r| r.point == adrift).collect();
    assert_eq!(kept.len(), 1);
    assert!((before..=unix_ms()).contains(&(kept[0].at_ns / 1_000_000)));
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
