//! SIGKILL at random moments under load.

use std::collections::BTreeMap;
use std::time::Duration;

use gengfu::flow::AlarmEvent;
use gengfu::journal::Entry;
use gengfu_tests::broker::Broker;
use gengfu_tests::counting::{self, Set, committed_ms, contains, poll_numbers};
use gengfu_tests::gateway::Gateway;
use gengfu_tests::plant::Plant;
use gengfu_tests::process::Folder;
use gengfu_tests::publisher::Publisher;
use gengfu_tests::random::Random;
use gengfu_tests::receiver::Receiver;
use gengfu_tests::site::Site;
use gengfu_tests::store::Store;
use gengfu_tests::wait::{eventually, pause, quiet, say, times};

const DEVICES: usize = 10;
const EVERY_MS: u64 = 100;
/// The commit window: 1,000 readings or 2 s, whichever first.
const WINDOW_READINGS: u64 = 1_000;
const WINDOW_MS: u64 = 2_000;
const POINTS: u16 = 6;
const DRAIN: Duration = Duration::from_mins(1);

#[test]
fn what_was_acknowledged_survives_every_kill() {
    let _quiet = quiet();
    let mut random = Random::seeded("kill9");
    let (dir, plant, broker, store, receiver) =
        (Folder::new("kill9"), Plant::start(DEVICES), Broker::start(), Store::start(), Receiver::start());
    let site = Site::new("rig").modbus(&plant, EVERY_MS, POINTS).flips(0, DEVICES).mqtt(broker.port);
    let site = site.influx("central", store.port).webhook("duty", receiver.port()).text;
    let mut gateway = Gateway::start(&site, dir.path());
    eventually(DRAIN, "the gateway has subscribed", || broker.subscribed());

    let kills = times(4, 20);
    let mut publisher = Publisher::connect(broker.port);
    for kill in 0..kills {
        let device = random.between(0, DEVICES as u64) as usize;
        // publishing and alarms go on until the very moment
        let moment = random.between(300, 2_500);
        plant.devices[device].set(if kill % 2 == 0 { 900 } else { 0 });
        publisher.load("k", 20, 200, Duration::from_millis(moment));
        gateway.kill9();
        pause(Duration::from_millis(random.between(0, 300)));
        gateway.restart();
        standing_equals_fold(&gateway);
    }
    plant.devices.iter().for_each(|d| d.set(0));
    publisher.flush();
    let acked = publisher.acked();
    eventually(DRAIN, "alarms are over", || {
        gateway
            .items("alarms")
            .iter()
            .all(|a| a["state"] != "unacknowledged" || !a["rule"].to_string().contains("flip"))
    });
    eventually(DRAIN, "every acknowledged message is stored", || contains(&store.export(), &acked).is_ok());
    gateway.settle(DRAIN);

    let found = store.export();
    committed_ms(&gateway.data()).compare(&found).unwrap();
    contains(&found, &acked).unwrap();
    let worst = polled_loss(&plant, &found, kills as u64);
    let transitions = receiver.complete().unwrap();
    let journaled =
        counting::open(&counting::copy(&gateway.data()).join("data"), |journal, _| counting::entries(journal));
    let pushed: Vec<String> = receiver.seen().into_iter().map(|p| p.key).collect();
    let journaled: Vec<String> = journaled.iter().filter_map(|e| Some(transition(e)?.key())).collect();
    let unpushed: Vec<_> = journaled.iter().filter(|key| !pushed.contains(key)).collect();
    assert!(unpushed.is_empty(), "journaled and never pushed: {unpushed:?}");
    say(&format!(
        "{kills} kills: {} acked messages all stored, {worst} polls lost in all, {transitions} transitions once each",
        acked.len()
    ));
}

/// Every poll that was answered is stored, but for one window at each kill. Gives the polls lost.
fn polled_loss(plant: &Plant, found: &Set, kills: u64) -> u64 {
    let by_time = WINDOW_MS / EVERY_MS * DEVICES as u64;
    let by_count = WINDOW_READINGS / u64::from(POINTS - 1) + 1;
    let on_the_wire = DEVICES as u64;
    let allowed = kills * (by_time.min(by_count) + on_the_wire);
    let mut lost = 0;
    for (index, device) in plant.devices.iter().enumerate() {
        let numbers = poll_numbers(found, &format!("d{index}"));
        assert!(numbers.windows(2).all(|pair| pair[0] != pair[1]), "d{index}: a poll is stored twice");
        lost += u64::from(device.polls()) - numbers.len() as u64;
    }
    assert!(lost <= allowed, "{lost} polls lost in {kills} kills, {allowed} allowed");
    lost
}

/// Design promise 7: alarm state is the fold of the alarm lane. Alarms come and go meanwhile, so the
/// two are compared until they agree.
fn standing_equals_fold(gateway: &Gateway) {
    eventually(Duration::from_secs(10), "the alarms shown are the fold of the alarm lane", || {
        let before = gateway.journal(|journal| fold(&counting::entries(journal)));
        let shown = gateway.items("alarms").into_iter().filter(|a| a["rule"].to_string().contains("flip"));
        let shown: BTreeMap<String, String> = shown
            .map(|a| (a["id"].as_str().unwrap_or("?").to_owned(), a["state"].as_str().unwrap_or("?").to_owned()))
            .collect();
        shown == before
    });
}

fn fold(entries: &[Entry]) -> BTreeMap<String, String> {
    let mut standing = BTreeMap::new();
    for alarm in entries.iter().filter_map(transition).filter(|a| a.rule.starts_with("flip")) {
        if alarm.state == "normal" {
            standing.remove(&alarm.id);
        } else {
            standing.insert(alarm.id.clone(), alarm.state.clone());
        }
    }
    standing
}

fn transition(entry: &Entry) -> Option<&AlarmEvent> {
    if let Entry::Alarm(alarm) = entry { Some(alarm) } else { None }
}
