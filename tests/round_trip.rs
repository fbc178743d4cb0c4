//! 50 Modbus devices and 200 MQTT topics, and the store holds exactly what was committed.

use std::time::Duration;

use gengfu_tests::broker::Broker;
use gengfu_tests::counting::{Sample, committed, committed_ms, contains, of, poll_numbers, to_ms};
use gengfu_tests::gateway::Gateway;
use gengfu_tests::plant::Plant;
use gengfu_tests::process::Folder;
use gengfu_tests::publisher::Publisher;
use gengfu_tests::site::Site;
use gengfu_tests::store::Store;
use gengfu_tests::stub::Stub;
use gengfu_tests::wait::{eventually, length, quiet, say};

const DRAIN: Duration = Duration::from_secs(30);

#[test]
fn the_store_holds_exactly_what_was_committed() {
    let _quiet = quiet();
    let (dir, plant, broker, store) = (Folder::new("round-trip"), Plant::start(50), Broker::start(), Store::start());
    let site = Site::new("rig").modbus(&plant, 200, 12).mqtt(broker.port).influx("central", store.port).text;
    let mut gateway = Gateway::start(&site, dir.path());
    eventually(DRAIN, "every device is polled", || plant.devices.iter().all(|d| d.polls() > 0));
    let mut publisher = Publisher::connect(broker.port);
    eventually(DRAIN, "the gateway has subscribed", || broker.subscribed());
    publisher.load("t", 200, 400, length(6, 60));
    publisher.flush();
    let acked = publisher.acked();
    eventually(DRAIN, "every acknowledged message is stored", || contains(&store.export(), &acked).is_ok());
    gateway.settle(DRAIN);
    let (expected, found) = (committed_ms(&gateway.data()), store.export());
    expected.compare(&found).unwrap();
    contains(&of(&found, "device_v,"), &acked).unwrap();
    assert_eq!(of(&found, "device_v,").len(), acked.len(), "nothing that was not sent");
    for (index, device) in plant.devices.iter().enumerate() {
        let numbers = poll_numbers(&found, &format!("d{index}"));
        let answered: Vec<u32> = (1..=device.polls()).collect();
        // the last poll may have been on the wire when the gateway was told to stop
        assert!(answered.starts_with(&numbers), "d{index}: answered {answered:?}, stored {numbers:?}");
        assert!(answered.len() - numbers.len() <= 1, "d{index}: {} answered, {} stored", answered.len(), numbers.len());
    }
    say(&format!("round trip: {} samples, {} of them MQTT, equal sets", found.len(), acked.len()));
}

#[test]
fn two_messages_of_one_millisecond_both_survive() {
    let (dir, broker, stub) = (Folder::new("same-ms"), Broker::start(), Stub::start());
    let site = Site::new("rig").mqtt(broker.port).influx("central", stub.port()).text;
    let mut gateway = Gateway::start(&site, dir.path());
    eventually(DRAIN, "the gateway has subscribed", || broker.subscribed());
    let mut publisher = Publisher::connect(broker.port);
    let at = gengfu_tests::wait::unix_ms();
    for value in [1.0, 2.0, 2.0] {
        publisher.reading_at("twin", value, at);
    }
    publisher.flush();
    eventually(DRAIN, "all three are there", || of(&stub.accepted(), "device_v,twin").len() == 3);
    let mut found: Vec<_> = of(&stub.accepted(), "device_v,twin").into_iter().collect();
    found.sort();
    assert!(found.iter().all(|s| s.at_ns.div_euclid(1_000_000) == at), "the offset stays below a millisecond");
    assert_eq!(found.iter().map(Sample::value).collect::<Vec<_>>(), [1.0, 2.0, 2.0]);
    gateway.settle(DRAIN);
    committed(&gateway.data()).compare(&stub.accepted()).unwrap();
    assert_eq!(to_ms(&of(&stub.accepted(), "device_v,twin")).len(), 2);
}

#[test]
fn types_of_the_line_protocol_are_the_contract() {
    let (dir, plant, stub) = (Folder::new("contract"), Plant::start(1), Stub::start());
    let site = Site::new("rig").modbus(&plant, 100, 4).flips(0, 1).influx("central", stub.port()).text;
    let mut gateway = Gateway::start(&site, dir.path());
    plant.devices[0].set(900);
    eventually(DRAIN, "the alarm is there", || stub.accepted_lines().iter().any(|l| l.starts_with("alarm,")));
    gateway.term();
    for line in stub.accepted_lines() {
        let series = line.split(' ').next().unwrap();
        let mut tags: Vec<&str> = series.split(',').skip(1).filter_map(|t| Some(t.split_once('=')?.0)).collect();
        tags.sort_unstable();
        let wanted: &[&str] =
            if line.starts_with("alarm,") { &["device", "rule", "site"] } else { &["device", "site"] };
        assert_eq!(tags, wanted, "{line}");
    }
    let alarm = stub.accepted_lines().into_iter().find(|l| l.starts_with("alarm,")).unwrap();
    for field in [
        "id=\"",
        "point=\"r0\"",
        "event=\"raise\"",
        "state=\"unacknowledged\"",
        "state_n=",
        "priority_n=",
        "value=900",
        "message=\"",
    ] {
        assert!(alarm.contains(field), "{field} is missing in {alarm}");
    }
    assert!(stub.writes().iter().all(|w| w.authorization == "Token rig-token" && w.path.contains("precision=n")));
}
