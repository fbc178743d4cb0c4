//! SIGKILL at random moments under load.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use gengfu::flow::AlarmEvent;
use gengfu::journal::Entry;
use gengfu_tests::broker::Broker;
use gengfu_tests::counting::{self, Set, committed, committed_ms, contains, of, poll_numbers};
use gengfu_tests::gateway::Gateway;
use gengfu_tests::plant::Plant;
use gengfu_tests::process::Folder;
use gengfu_tests::publisher::Publisher;
use gengfu_tests::random::Random;
use gengfu_tests::receiver::{Push, Receiver};
use gengfu_tests::site::Site;
use gengfu_tests::store::Store;
use gengfu_tests::stub::Stub;
use gengfu_tests::wait::{eventually, now, pause, quiet, say, times, until};
use serde_json::{Value, json};

const DEVICES: usize = 10;
const EVERY_MS: u64 = 100;
const REGISTERS: u16 = 6;
/// `r0`, the counter in two registers, and the other three.
const READINGS_A_POLL: u64 = REGISTERS as u64 - 1;
/// The commit window: 1,000 readings or 2 s of polls, whichever is less.
const WINDOW_READINGS: u64 = 1_000;
const WINDOW_POLLS: u64 = 2_000 / EVERY_MS * DEVICES as u64;
/// Batches under way at a kill, and so sent again at most: one live and one of the backlog; of alarms one.
const READINGS_IN_FLIGHT: usize = 2;
const ALARMS_IN_FLIGHT: usize = 1;
/// Between two alarms that come or go.
const STEP: Duration = Duration::from_millis(150);
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

/// What the plant had answered when the gateway was dead.
struct Kill {
    at: Instant,
    polls: Vec<u32>,
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
    pushed_is_the_alarm_lane(&receiver, &lane);
    commands_are_in_the_lane(&load.acknowledged, &lane);
    say(&format!("{} kills: {} acknowledged messages, all stored", load.kills.len(), acked.len()));
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
        self.kills.push(Kill { at, polls: self.plant.devices.iter().map(|device| device.polls()).collect() });
    }

    fn flip(&mut self) {
        let index = self.random.between(0, DEVICES as u64) as usize;
        self.high[index] = !self.high[index];
        self.plant.devices[index].set(if self.high[index] { 900 } else { 0 });
    }

    fn acknowledge(&mut self, gateway: &Gateway, state: &str) {
        let waiting = gateway.items("alarms").into_iter().find(|alarm| alarm["state"] == state);
        let Some(id) = waiting.and_then(|alarm| alarm["id"].as_str().map(str::to_owned)) else { return };
        let answer = gateway.post(&format!("/api/v1/alarms/{id}/acknowledge"), &json!({ "by": "rig" }));
        // it may have returned by itself in between
        if answer.status == 200 {
            self.acknowledged.push(id);
        }
    }

    /// Every poll that was answered is stored, but for the last window before each kill.
    fn polled_loss(&self, found: &Set) {
        let mut lost = vec![(0, Duration::ZERO); self.kills.len()];
        for (index, device) in self.plant.devices.iter().enumerate() {
            let numbers = poll_numbers(found, &format!("d{index}"));
            assert!(numbers.windows(2).all(|pair| pair[0] != pair[1]), "d{index}: a poll is stored twice");
            let mut from = 0;
            for (kill, lost) in self.kills.iter().zip(&mut lost) {
                let end = kill.polls[index];
                let kept = numbers.iter().filter(|n| (from + 1..=end).contains(n)).max().copied().unwrap_or(from);
                let run = numbers.iter().filter(|n| (from + 1..=kept).contains(n)).count();
                assert_eq!(run, (kept - from) as usize, "d{index}: only the last polls before a kill may be missing");
                lost.0 += u64::from(end - kept);
                if let Some((_, answered)) = device.log().iter().find(|(n, _)| *n == kept + 1 && *n <= end) {
                    lost.1 = lost.1.max(kill.at.saturating_duration_since(*answered));
                }
                from = end;
            }
            let kept = numbers.last().copied().unwrap_or(0);
            assert!(device.polls() - kept <= 1, "d{index}: a clean stop loses only what is on the wire");
        }
        let allowed = WINDOW_POLLS.min(WINDOW_READINGS / READINGS_A_POLL) + DEVICES as u64;
        let (worst, oldest) = (lost.iter().map(|l| l.0).max(), lost.iter().map(|l| l.1).max());
        say(&format!(
            "polls lost at each kill, of {allowed} allowed: {:?}",
            lost.iter().map(|l| l.0).collect::<Vec<_>>()
        ));
        say(&format!("the oldest of them was answered {:?} before its kill", oldest.unwrap_or_default()));
        assert!(worst.unwrap_or(0) <= allowed, "more than one window lost");
    }
}

fn sent_again_at_most_what_was_in_flight(stub: &Stub, kills: usize) {
    let readings = stub.resent_batches(|line| !line.starts_with("alarm,"));
    let alarms = stub.resent_batches(|line| line.starts_with("alarm,"));
    say(&format!("{readings} batches of readings and {alarms} of alarms sent again after {kills} kills"));
    assert!(readings <= READINGS_IN_FLIGHT * kills && alarms <= ALARMS_IN_FLIGHT * kills, "more than was in flight");
}

/// Design promise 7: alarm state is the fold of the alarm lane, at the first look after the start. Alarms go on coming,
/// so a difference counts only while the lane stands still.
fn standing_equals_fold(gateway: &Gateway) {
    let lane = || gateway.journal(|journal| fold(&counting::entries(journal)));
    let (mut before, mut differed) = (lane(), false);
    until(Duration::from_secs(10), "the alarms shown are the fold of the alarm lane", || {
        let alarms = gateway.items("alarms");
        let shown = alarms.iter().map(|a| (text(&a["id"]), (a["number"].as_u64().unwrap_or(0), text(&a["state"]))));
        let shown: Standing = shown.collect();
        let after = lane();
        let moved = std::mem::replace(&mut before, after.clone()) != after;
        // one transition may be shown and on its way to disk
        assert!(moved || shown == after || !std::mem::replace(&mut differed, true), "shown {shown:?}, lane {after:?}");
        (shown == after).then_some(())
    });
}

/// Alarms that stand, by id: the number of their last transition and the state after it.
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
    standing
}

fn transitions(entries: &[Entry]) -> impl Iterator<Item = &AlarmEvent> {
    entries.iter().filter_map(|entry| if let Entry::Alarm(alarm) = entry { Some(alarm) } else { None })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("?").to_owned()
}

/// The receiver, which keeps keys, has every transition of the lane and no other, and every push of a key says the same.
fn pushed_is_the_alarm_lane(receiver: &Receiver, lane: &[Entry]) {
    let once = receiver.complete().unwrap();
    let seen = receiver.seen();
    let lane: BTreeMap<String, Value> =
        transitions(lane).map(|alarm| (alarm.key(), serde_json::to_value(alarm).unwrap())).collect();
    let keys: BTreeSet<&String> = seen.iter().map(|push| &push.key).collect();
    assert_eq!(keys, lane.keys().collect(), "pushed, and in the alarm lane");
    let first: BTreeMap<&String, &Push> = seen.iter().map(|push| (&push.key, push)).collect();
    let pushes: Vec<Push> = receiver.pushes().into_iter().filter(|push| !push.key.is_empty()).collect();
    for push in &pushes {
        let first = first[&push.key];
        let durable = push.body["durable"] == true && first.body["durable"] == true;
        assert_eq!(said(push, durable), said(first, durable), "two pushes of one transition differ");
        equals_entry(&push.body, &lane[&push.key]);
    }
    say(&format!("{once} transitions in the lane, each pushed; {} pushes in all", pushes.len()));
}

/// A push but for when it was sent, and what it says of the disk where one of the two did not wait for it.
fn said(push: &Push, durable: bool) -> Value {
    let mut body = push.body.clone();
    let times = body["times"].as_object_mut().unwrap();
    times.retain(|name, _| !name.starts_with("sent") && (durable || !name.starts_with("committed")));
    if !durable {
        body.as_object_mut().unwrap().remove("durable");
    }
    body
}

fn equals_entry(body: &Value, entry: &Value) {
    let entry = entry.as_object().unwrap();
    for (name, value) in body.as_object().unwrap() {
        assert!(entry.get(name).is_none_or(|kept| kept == value), "{name}: pushed {body}, journaled {entry:?}");
    }
    for time in ["onset", "occurred", "detected"] {
        assert_eq!(body["times"][format!("{time}_ms")], entry[time], "{body}");
    }
}

/// A command that was answered with success is in the lane, and so is its audit.
fn commands_are_in_the_lane(acknowledged: &[String], lane: &[Entry]) {
    for id in acknowledged {
        assert!(transitions(lane).any(|alarm| alarm.id == *id && alarm.event == "acknowledge"), "{id}");
        let audited = |entry: &Entry| matches!(entry, Entry::Audit { target, by, .. } if target == id && by == "rig");
        assert!(lane.iter().any(audited), "audit of {id}");
    }
    say(&format!("{} acknowledgements by a person, all in the lane", acknowledged.len()));
}
