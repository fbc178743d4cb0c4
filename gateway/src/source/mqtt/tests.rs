//! The link against a real Mosquitto.

use std::time::Duration;

use gengfu_core::normalize::Scaling;
use gengfu_core::quality::{Quality, Reason};
use gengfu_core::time::Wall;

use super::broker::{Mosquitto, Publisher, Wire};
use crate::config::checked::{Broker, MqttLink, MqttPoint, PointSpec, Subscription};
use crate::driver::Input;
use crate::source::testing::Bench;
use crate::telemetry::{LinkState, RefusedReason};

pub(super) fn point(name: &str, value: &str) -> MqttPoint {
    let spec = PointSpec {
        name: name.to_owned(),
        unit: None,
        scaling: Scaling::default(),
        life_safety: false,
        bad_after: Duration::from_secs(10),
        stale_after: None,
    };
    MqttPoint { spec, value: value.to_owned(), time: None }
}

pub(super) fn subscription(topic: &str, device: &str, points: Vec<MqttPoint>) -> Subscription {
    Subscription {
        topic: topic.to_owned(),
        qos: 1,
        device: device.to_owned(),
        kind: "gas".to_owned(),
        area: None,
        expect: Vec::new(),
        max_devices: 500,
        points,
    }
}

pub(super) fn link(host: &str, port: u16, subscriptions: Vec<Subscription>) -> MqttLink {
    MqttLink {
        name: "lora".to_owned(),
        broker: Broker {
            host: host.to_owned(),
            port,
            client_id: "gengfu-test".to_owned(),
            username: None,
            password_file: None,
            keep_alive: Duration::from_secs(5),
        },
        subscriptions,
    }
}

/// One subscription: `s/<id>` is device `d-<id>` with point `v`, the whole payload.
fn plain(port: u16) -> MqttLink {
    link("127.0.0.1", port, vec![subscription("s/+", "d-{1}", vec![point("v", "")])])
}

async fn up(port: u16) -> Bench {
    let bench = Bench::start(vec![], vec![plain(port)]);
    bench.link("lora", |state| *state == LinkState::Up).await;
    bench
}

/// Collects values (and whether they came as history) until one equals `last`; syncs nothing.
async fn values_until(bench: &mut Bench, last: f64) -> Vec<(f64, bool)> {
    let mut values = Vec::new();
    loop {
        let batch = bench.batch().await;
        values.extend(batch.readings.iter().map(|reading| (reading.value, batch.history)));
        if batch.readings.iter().any(|reading| reading.value == last) {
            return values;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_acknowledged_before_the_mark_and_all_of_it_after() {
    // The broker keeps three messages unacknowledged at most, so a fourth shows an acknowledgement.
    let broker = Mosquitto::start("max_inflight_messages 3").await;
    let mut bench = up(broker.port).await;
    let mut publisher = Publisher::new(broker.port);
    for n in 1..=6 {
        publisher.publish("s/1", n.to_string()).await;
    }
    publisher.fence("s/fence").await;
    // QoS 0 is not held up by the window: when it is here, all that was not waiting for acknowledgements is.
    let (mut seen, mut receipt) = (Vec::new(), None);
    while !seen.contains(&0.0) || seen.len() < 4 {
        let batch = bench.batch().await;
        seen.extend(batch.readings.iter().map(|reading| reading.value));
        receipt = batch.receipt.or(receipt);
    }
    seen.retain(|value| *value != 0.0);
    assert_eq!(seen, [1.0, 2.0, 3.0]);

    let receipt = receipt.expect("QoS 1 is owed an acknowledgement");
    assert_eq!(receipt.token, 3);
    receipt.mark.send_replace(3);
    let rest: Vec<f64> = values_until(&mut bench, 6.0).await.into_iter().map(|(value, _)| value).collect();
    assert_eq!(rest, [4.0, 5.0, 6.0]);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_synced_comes_again_as_history_and_what_was_does_not() {
    let broker = Mosquitto::start("max_inflight_messages 2").await;
    let mut bench = up(broker.port).await;
    let mut publisher = Publisher::new(broker.port);
    for n in 1..=4 {
        publisher.publish("s/1", n.to_string()).await;
    }
    let mut seen = 0;
    while seen < 2 {
        let batch = bench.batch().await;
        seen += batch.readings.len();
        // Sync the first only; that it has reached the broker shows by the third message.
        if let Some(receipt) = batch.receipt {
            receipt.mark.send_replace(1);
        }
    }
    while seen < 3 {
        seen += bench.batch().await.readings.len();
    }
    bench.stop().await;

    let mut bench = up(broker.port).await;
    // Mosquitto 2.0.11 may have sent the fourth as well: after an acknowledgement it is not strict about its window.
    let again = values_until(&mut bench, 3.0).await;
    assert_eq!(again.get(..2), Some(&[(2.0, true), (3.0, true)][..]), "and the first is not among them");
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_of_an_old_connection_is_not_sent_on_a_new_one() {
    let (listener, address) = Wire::listen().await;
    let mut bench = Bench::start(vec![], vec![plain(address.port())]);
    let mut first = Wire::accept(&listener, false).await;
    first.grant(&[1]).await;
    first.publish("s/1", 5, "1").await;
    let old = bench.batch().await.receipt.expect("a receipt");
    drop(first);

    let mut second = Wire::accept(&listener, true).await;
    second.publish("s/1", 6, "2").await;
    let new = bench.batch().await.receipt.expect("a receipt");
    assert_eq!((old.token, new.token), (1, 2));
    // The commit that holds both is synced. Packet 5 would be the first to go out.
    new.mark.send_replace(new.token);
    assert_eq!(second.puback().await, 6);
    second.publish("s/1", 5, "3").await;
    let third = bench.batch().await.receipt.expect("a receipt");
    third.mark.send_replace(third.token);
    assert_eq!(second.puback().await, 5, "the new packet 5, once it is synced");
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_megabytes_are_refused_acknowledged_and_do_not_come_again() {
    let broker = Mosquitto::start("").await;
    let mut bench = up(broker.port).await;
    let mut publisher = Publisher::new(broker.port);
    publisher.publish("s/big", vec![b'1'; 10_000_000]).await;
    publisher.publish("s/1", "7").await;
    let (mut refused, mut values) = (Vec::new(), Vec::new());
    while values.is_empty() {
        let batch = bench.batch().await;
        refused.extend(batch.refused);
        values.extend(batch.readings.iter().filter(|r| r.quality.has_value()).map(|reading| reading.value));
        if let Some(receipt) = batch.receipt {
            receipt.mark.send_replace(receipt.token);
        }
    }
    assert_eq!(values, [7.0]);
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].topic, "s/big");
    assert_eq!(refused[0].head, vec![b'1'; 256]);
    assert!(refused[0].reason.contains("10000000 bytes"), "{}", refused[0].reason);
    assert_eq!(bench.context.stats.mqtt_connects.get(), 1, "no livelock");
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_is_refused_each_with_its_reason_and_the_good_goes_on() {
    let broker = Mosquitto::start("max_inflight_messages 1").await;
    let gas = subscription("s/+", "d-{1}", vec![point("lel", "/lel"), point("bat", "/bat")]);
    let mut bench = Bench::start(vec![], vec![link("127.0.0.1", broker.port, vec![gas])]);
    bench.link("lora", |state| *state == LinkState::Up).await;
    let mut publisher = Publisher::new(broker.port);
    let poison: [(&[u8], &str); 9] = [
        (b"not json", "not JSON"),
        (b"", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (br#"{"lel":NaN}"#, "not JSON"),
        (br#"{"lel":1e400,"bat":1}"#, "out of range"),
        (br#"{"lel":"12","bat":"ok"}"#, "a string"),
        (br#"{"lel":[[[1]]],"bat":[]}"#, "an array"),
        (br#"{"level":1}"#, "nothing at \"/lel\""),
        (br#"{"lel":null,"bat":{}}"#, "null"),
    ];
    for (bytes, _) in poison {
        publisher.publish("s/1", bytes).await;
    }
    publisher.publish("s/1", r#"{"lel":3}"#).await;
    publisher.publish("s/1", r#"{"lel":4,"bat":99}"#).await;

    // The window of one lets the next message through only when the one before is acknowledged: poison is, too.
    let (mut refused, mut readings, mut nonsense) = (Vec::new(), Vec::new(), Vec::new());
    while readings.len() < 3 {
        let batch = bench.batch().await;
        refused.extend(batch.refused);
        let (good, bad): (Vec<_>, Vec<_>) = batch.readings.into_iter().partition(|r| r.quality.has_value());
        readings.extend(good.iter().map(|reading| (bench.name(reading), reading.value)));
        nonsense.extend(bad.iter().map(|reading| (bench.name(reading), reading.quality)));
        if let Some(receipt) = batch.receipt {
            receipt.mark.send_replace(receipt.token);
        }
    }
    let named = |name: &str, value: f64| (name.to_owned(), value);
    assert_eq!(readings, [named("d-1/lel", 3.0), named("d-1/lel", 4.0), named("d-1/bat", 99.0)]);
    assert!(nonsense.iter().all(|(_, quality)| *quality == Quality::Bad(Reason::NotANumber)), "{nonsense:?}");
    assert_eq!(nonsense.len(), 16, "both points of eight messages; one was silent about them");
    assert_eq!(refused.len(), poison.len() + 1, "and one record for the battery that was not there");
    for (record, (bytes, words)) in refused.iter().zip(poison) {
        assert!(record.reason.contains(words), "{:?}: {}", String::from_utf8_lossy(bytes), record.reason);
        assert_eq!(record.head, bytes);
    }
    let stats = &bench.context.stats;
    let lost = stats.refused(RefusedReason::Undecodable);
    assert_eq!(lost, 3, "two of the message that was silent, one battery");
    assert_eq!(stats.mqtt_refused.get(), refused.len() as u64);
    let kept = readings.len() + nonsense.len() + refused.len();
    assert_eq!(stats.read.get(), kept as u64 + lost, "read = committed + refused");
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_forgot_us_is_subscribed_to_anew() {
    let mut broker = Mosquitto::start("persistence false").await;
    let mut bench = up(broker.port).await;
    broker.restart(bench.link("lora", |state| matches!(state, LinkState::Down { .. }))).await;
    bench.link("lora", |state| *state == LinkState::Up).await;
    let mut publisher = Publisher::new(broker.port);
    publisher.publish("s/1", "42").await;
    assert_eq!(values_until(&mut bench, 42.0).await, [(42.0, false)]);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_is_refused_or_never_granted_is_no_link_that_is_up() {
    let (listener, address) = Wire::listen().await;
    let bench = Bench::start(vec![], vec![plain(address.port())]);
    let mut wire = Wire::accept(&listener, false).await;
    wire.grant(&[0x80]).await;
    bench.link("lora", |state| matches!(state, LinkState::Down { why } if why.contains("s/+"))).await;
    drop(wire);
    // Not granted the first time: asked for again even where the broker says that it knows us.
    let mut wire = Wire::accept(&listener, true).await;
    wire.grant(&[1]).await;
    bench.link("lora", |state| *state == LinkState::Up).await;
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn expected_devices_are_bad_until_heard_and_new_ones_announced_first() {
    let broker = Mosquitto::start("").await;
    let mut gas = subscription("s/+", "d-{1}", vec![point("v", "")]);
    gas.expect = vec!["d-1".to_owned()];
    let mut bench = Bench::start(vec![], vec![link("127.0.0.1", broker.port, vec![gas])]);
    let announced = |input: Input| match input {
        Input::Point(point) => point.meta.name(),
        Input::Batch(batch) => panic!("an announcement, not {batch:?}"),
    };
    assert_eq!(announced(bench.input().await), "d-1/v");
    let first = bench.batch().await.readings;
    assert_eq!(first.iter().map(|r| r.quality).collect::<Vec<_>>(), [Quality::Bad(Reason::Comm)]);

    bench.link("lora", |state| *state == LinkState::Up).await;
    let mut publisher = Publisher::new(broker.port);
    publisher.publish("s/1", "1").await;
    assert_eq!(bench.batch().await.readings[0].quality, Quality::Good);
    publisher.publish("s/2", "2").await;
    assert_eq!(announced(bench.input().await), "d-2/v");
    let reading = bench.batch().await.readings[0];
    assert_eq!(bench.name(&reading), "d-2/v");
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retained_value_is_history_of_doubtful_age() {
    let broker = Mosquitto::start("").await;
    let mut publisher = Publisher::new(broker.port);
    publisher.retain("s/1", "5").await;
    let mut bench = up(broker.port).await;
    let batch = bench.batch().await;
    assert!(batch.history);
    assert_eq!((batch.readings[0].value, batch.readings[0].quality), (5.0, Quality::Uncertain(Reason::Stale)));
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_clocks_are_uncertain_at_arrival_with_the_stamp_beside() {
    let broker = Mosquitto::start("").await;
    let timed = MqttPoint { time: Some("/ts".to_owned()), ..point("v", "/v") };
    let mut bench =
        Bench::start(vec![], vec![link("127.0.0.1", broker.port, vec![subscription("s/+", "d-{1}", vec![timed])])]);
    bench.link("lora", |state| *state == LinkState::Up).await;
    let mut publisher = Publisher::new(broker.port);
    let now = bench.context.clock.wall().0;
    let hour = 3_600_000;
    for (n, (stamp, believed)) in
        [(now, true), (now - hour, false), (now + hour, false), (0, false), (54_321, false)].into_iter().enumerate()
    {
        publisher.publish("s/1", format!(r#"{{"v":{n},"ts":{}}}"#, stamp as f64 / 1000.0)).await;
        let batch = bench.batch().await;
        let reading = batch.readings[0];
        assert!(!batch.history, "a live delivery is the present whatever its stamp");
        if believed {
            assert_eq!((reading.at, reading.quality), (Wall(stamp), Quality::Good));
        } else {
            assert_eq!(reading.quality, Quality::Uncertain(Reason::Clock));
            assert!((reading.at.0 - now).abs() < 30_000);
            assert_eq!(batch.stamps, [(0, Wall(stamp))]);
        }
    }
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_babbling_wildcard_stops_at_max_devices_and_is_accounted_for() {
    let broker = Mosquitto::start("").await;
    let mut few = subscription("s/+", "d-{1}", vec![point("v", "")]);
    few.max_devices = 2;
    let mut bench = Bench::start(vec![], vec![link("127.0.0.1", broker.port, vec![few])]);
    bench.link("lora", |state| *state == LinkState::Up).await;
    let mut publisher = Publisher::new(broker.port);
    for n in 1..=5 {
        publisher.publish(&format!("s/{n}"), n.to_string()).await;
    }
    publisher.publish("s/1", "9").await;
    let (mut refused, mut values) = (0, Vec::new());
    while values.last() != Some(&9.0) {
        let batch = bench.batch().await;
        refused += batch.refused.len();
        values.extend(batch.readings.iter().map(|reading| reading.value));
    }
    assert_eq!((values, refused), (vec![1.0, 2.0, 9.0], 3));
    assert_eq!(bench.context.stats.refused(RefusedReason::TooManyDevices), 3);
    assert_eq!(bench.context.catalog.len(), 2);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_stands_still_costs_no_message_of_qos_1_and_no_endless_memory() {
    const COUNT: u32 = 90;
    let broker = Mosquitto::start("max_inflight_messages 0").await;
    let big = subscription("s/+", "d-{1}", vec![point("v", "/v")]);
    let mut bench = Bench::with_queue(1, vec![], vec![link("127.0.0.1", broker.port, vec![big])]);
    bench.link("lora", |state| *state == LinkState::Up).await;
    let mut publisher = Publisher::new(broker.port);
    // 54 MB, more than may wait; the engine takes nothing meanwhile.
    let padding = "x".repeat(600_000);
    for n in 0..COUNT {
        publisher.send("s/1", format!(r#"{{"v":{n},"pad":"{padding}"}}"#), false).await;
    }
    publisher.settled().await;
    bench.link("lora", |state| matches!(state, LinkState::Down { why } if why.contains("the broker keeps"))).await;

    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < COUNT as usize {
        let batch = bench.batch().await;
        seen.extend(batch.readings.iter().map(|reading| reading.value as u32));
        if let Some(receipt) = batch.receipt {
            receipt.mark.send_replace(receipt.token);
        }
    }
    bench.stop().await;
}
