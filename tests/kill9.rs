//! SIGKILL at random moments under load.

use std::collections::BTreeMap;
use std::time::Duration;

use gengfu::journal::{BEGUN, Entry};
use gengfu_tests::broker::Broker;
use gengfu_tests::counting::{self, Set, committed, committed_ms, contains, of};
use gengfu_tests::gateway::Gateway;
use gengfu_tests::plant::Plant;
use gengfu_tests::process::Folder;
use gengfu_tests::publisher::Publisher;
use gengfu_tests::random::Random;
use gengfu_tests::receiver::Receiver;
use gengfu_tests::site::Site;
use gengfu_tests::store::Store;
use gengfu_tests::stub::Stub;
use gengfu_tests::wait::{eventually, now, pause, quiet, say, times, until};
use serde_json::{Value, json};

use crate::crash::classes::{
    DEVICES, EVERY_MS, Kill, MOST_POLLS_LOST, REGISTERS, not_in_the_lane, polled_loss, pushed_is_the_alarm_lane,
    transitions,
};

/// Batches under way at a kill, and so sent again at most: one live and one of the backlog; of alarms one.
const READINGS_IN_FLIGHT: usize = 2;
const ALARMS_IN_FLIGHT: usize = 1;
/// Between two alarms that come or go.
const STEP: Duration = Duration::from_millis(150);
const BY: &str = "rig";
const DRAIN: Duration = Duration::from_mins(1);

struct Load {
    random: Random,
    plant: Plant,
    publisher: Publisher,
    high: [bool; DEVICES],
    /// Alarms whose acknowledgement was answered with success.
    acknowledged: Vec<String>,
    kills: Vec<Kill>,
}

#[test]
fn what_was_acknowledged_survives_every_kill() {
    let _quiet = quiet();
    let random = Random::seeded("kill9");
    let (dir, plant, broker, store, stub, receiver) = (
        Folder::new("kill9"),
        Plant::start(DEVICES),
        Broker::start(),
        Store::start(),
        Stub::start(),
        Receiver::start(),
    );
    let site = Site::new("rig").modbus(&plant, EVERY_MS, REGISTERS).flips(0, DEVICES).mqtt(broker.port);
    let site = site.influx("central", store.port).influx("stub", stub.port()).webhook("duty", receiver.port()).text;
    let mut gateway = Gateway::start(&site, dir.path());
    eventually(DRAIN, "the gateway has subscribed", || broker.subscribed());

    let publisher = Publisher::connect(broker.port);
    let mut load =
        Load { random, plant, publisher, high: [false; DEVICES], acknowledged: Vec::new(), kills: Vec::new() };
    for number in 0..times(4, 20) {
        load.until_the_kill(&mut gateway, number);
        gateway.restart();
        standing_equals_fold(&gateway);
    }
    what_may_be_missing_is_told(&gateway, load.kills.len());
    load.plant.devices.iter().for_each(|device| device.set(0));
    load.publisher.flush();
    let acked = load.publisher.acked();
    // what has returned stands until a person has seen it
    eventually(DRAIN, "alarms are over", || {
        load.acknowledge(&gateway, "returned");
        gateway.items("alarms").is_empty()
    });
    eventually(DRAIN, "every acknowledged message is stored", || contains(&store.export(), &acked).is_ok());
    gateway.settle(DRAIN);

    let found = store.export();
    committed_ms(&gateway.data()).compare(&found).unwrap();
    committed(&gateway.data()).compare(&stub.accepted()).unwrap();
    assert_eq!(of(&found, "device_v,"), acked, "the messages stored are the acknowledged ones");
    load.polled_loss(&found);
    sent_again_at_most_what_was_in_flight(&stub, load.kills.len());
    let lane = counting::open(&counting::copy(&gateway.data()).join("data"), |journal, _| counting::entries(journal));
    let (once, pushes) = pushed_is_the_alarm_lane(&receiver, &lane);
    say(&format!("{once} transitions in the lane, each pushed; {pushes} pushes in all"));
    assert_eq!(not_in_the_lane(&load.acknowledged, BY, &lane), Vec::<&String>::new(), "answered and not in the lane");
    say(&format!("{} acknowledgements by a person, all in the lane", load.acknowledged.len()));
    say(&format!("{} kills: {} acknowledged messages, all stored", load.kills.len(), acked.len()));
}

/// On the page, in the API and by `status`: a kill is an unclean stop.
fn what_may_be_missing_is_told(gateway: &Gateway, kills: usize) {
    assert_eq!(gateway.items("entries?type=gap").len(), kills);
    assert_eq!(gateway.api("ledger")["missing"]["items"].as_array().map(Vec::len), Some(kills));
    let page = gateway.get("/").text();
    for words in ["本次运行无丢失", "data-event=\"gap\"", "上次运行未正常结束"] {
        assert!(page.contains(words), "{words} is not on the page");
    }
    let status = gengfu_tests::gateway::run(&["status", "-c", "site.toml"], gateway.site_file().parent().unwrap());
    let told = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(told.contains("missing from ") && told.contains("the last run did not end as asked"), "{told}");
}

impl Load {
    /// Messages, alarms and commands go on until the very moment. Before every other kill there are no messages for up to
    /// two seconds: each of them would close the window of the polled readings at once.
    fn until_the_kill(&mut self, gateway: &mut Gateway, number: usize) {
        let until = now() + Duration::from_millis(self.random.between(300, 2_500));
        while now() < until {
            self.flip();
            self.publisher.load("k", 20, 200, STEP);
        }
        self.acknowledge(gateway, "unacknowledged");
        let silent = if number.is_multiple_of(2) { self.random.between(500, 2_500) } else { 0 };
        let until = now() + Duration::from_millis(silent);
        while now() < until {
            self.flip();
            pause(STEP.min(until.saturating_duration_since(now())));
        }
        gateway.kill9();
        let at = now();
        // what was on the wire is answered by then
        pause(Duration::from_millis(self.random.between(100, 400)));
        self.kills.push(Kill::of(&self.plant, at));
    }

    fn flip(&mut self) {
        let index = self.random.between(0, DEVICES as u64) as usize;
        self.high[index] = !self.high[index];
        self.plant.devices[index].set(if self.high[index] { 900 } else { 0 });
    }

    fn acknowledge(&mut self, gateway: &Gateway, state: &str) {
        let waiting = gateway.items("alarms").into_iter().find(|alarm| alarm["state"] == state);
        let Some(id) = waiting.and_then(|alarm| alarm["id"].as_str().map(str::to_owned)) else { return };
        let answer = gateway.post(&format!("/api/v1/alarms/{id}/acknowledge"), &json!({ "by": BY }));
        // it may have returned by itself in between
        if answer.status == 200 {
            self.acknowledged.push(id);
        }
    }

    /// Every poll that was answered is stored, but for the last window before each kill.
    fn polled_loss(&self, found: &Set) {
        let lost = polled_loss(&self.plant, &self.kills, found);
        say(&format!(
            "polls lost at each kill, of {MOST_POLLS_LOST} allowed: {:?}",
            lost.iter().map(|l| l.polls).collect::<Vec<_>>()
        ));
        let oldest = lost.iter().map(|l| l.oldest).max().unwrap_or_default();
        say(&format!("the oldest of them was answered {oldest:?} before its kill"));
    }
}

fn sent_again_at_most_what_was_in_flight(stub: &Stub, kills: usize) {
    let readings = stub.resent_batches(|line| !line.starts_with("alarm,"));
    let alarms = stub.resent_batches(|line| line.starts_with("alarm,"));
    say(&format!("{readings} batches of readings and {alarms} of alarms sent again after {kills} kills"));
    assert!(readings <= READINGS_IN_FLIGHT * kills && alarms <= ALARMS_IN_FLIGHT * kills, "more than was in flight");
}

/// Design promise 7: alarm state, and what runs in areas, is the fold of the alarm lane, at the first look after the start. Alarms go on coming,
/// so a difference counts only while the lane stands still.
pub(crate) fn standing_equals_fold(gateway: &Gateway) {
    let lane = || gateway.journal(|journal| fold(&counting::entries(journal)));
    let (mut before, mut differed) = (lane(), false);
    until(Duration::from_secs(10), "the alarms shown are the fold of the alarm lane", || {
        let alarms = gateway.items("alarms?state=open");
        let shown = alarms.iter().map(|a| (text(&a["id"]), (a["number"].as_u64().unwrap_or(0), text(&a["state"]))));
        let areas = gateway.items("modes");
        let runs = areas.iter().filter(|area| area["running"].is_object()).map(|area| {
            let (mode, until) = (&area["running"]["mode"], &area["running"]["until"]);
            (text(&area["area"]), (until.as_u64().unwrap_or(0), text(mode)))
        });
        let shown: Standing = shown.chain(runs).collect();
        let after = lane();
        let moved = std::mem::replace(&mut before, after.clone()) != after;
        // one transition may be shown and on its way to disk
        assert!(moved || shown == after || !std::mem::replace(&mut differed, true), "shown {shown:?}, lane {after:?}");
        (shown == after).then_some(())
    });
}

/// Alarms that are not normal, by id: the number of their last transition and the state after it; and the modes that run, by
/// area: until when, and which.
type Standing = BTreeMap<String, (u64, String)>;

fn fold(entries: &[Entry]) -> Standing {
    let mut standing = BTreeMap::new();
    for alarm in transitions(entries) {
        if alarm.state == "normal" {
            standing.remove(&alarm.id);
        } else {
            standing.insert(alarm.id.clone(), (u64::from(alarm.number), alarm.state.clone()));
        }
    }
    for record in entries.iter().filter_map(|entry| entry.clone().into_mode()) {
        if record.change == BEGUN {
            standing.insert(record.area, (record.until as u64, record.mode));
        } else {
            standing.remove(&record.area);
        }
    }
    standing
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("?").to_owned()
}
