//! A power cut that costs the telemetry lane its tail, with alarms standing that only the alarm lane knows of: it is
//! believed. Nothing returns by itself, nothing is raised again, nothing is closed as no longer configured.

use std::collections::BTreeMap;
use std::path::Path;

use gengfu::journal::{Entry, Lane, StartCause};
use gengfu_tests::broker::Broker;
use gengfu_tests::counting;
use gengfu_tests::gateway::Gateway;
use gengfu_tests::plant::Plant;
use gengfu_tests::process::Folder;
use gengfu_tests::publisher::Publisher;
use gengfu_tests::receiver::Receiver;
use gengfu_tests::site::Site;
use gengfu_tests::wait::{SOON, eventually, say, unix_ms};
use serde_json::json;

/// The files of the lane that loses its tail.
const TELEMETRY: [&str; 2] = ["telemetry.db", "telemetry.db-wal"];
const LANES: [&str; 2] = ["alarm.db", "telemetry.db"];

/// Devices and what becomes of them: heard of before the state that the disk goes back to or only after it, and what
/// their alarm has been through when the power is cut.
const STRANGER: &str = "stranger";
const RAISED: &str = "raised";
const ACKNOWLEDGED: &str = "acknowledged";
const RETURNED: &str = "returned";
const POLLED: &str = "d0";

struct Bench {
    gateway: Gateway,
    publisher: Publisher,
    receiver: Receiver,
    plant: Plant,
    _broker: Broker,
    dir: Folder,
}

#[test]
fn the_alarm_lane_is_believed_where_the_telemetry_lost_its_tail() {
    let mut bench = Bench::start();
    bench.say(&[(RAISED, 1.0), (ACKNOWLEDGED, 1.0), (RETURNED, 900.0)]);
    bench.pushed(RETURNED, "raise");
    bench.on_disk();
    let old = bench.telemetry();

    // all of this is in the alarm lane, and in a tail of the telemetry lane that will be gone
    bench.say(&[(STRANGER, 900.0), (RAISED, 900.0), (ACKNOWLEDGED, 900.0), (RETURNED, 1.0)]);
    bench.plant.devices[0].set(900);
    for device in [STRANGER, RAISED, ACKNOWLEDGED, POLLED] {
        bench.pushed(device, "raise");
    }
    bench.pushed(RETURNED, "return");
    bench.acknowledge(ACKNOWLEDGED);
    bench.on_disk();
    let (before, lanes) = (bench.story(), bench.gateway.journal(counting::epochs));
    bench.gateway.kill9();
    let now = records(&bench.gateway.data());
    bench.put_back(&old);
    bench.power_cut();
    let left = records(&bench.gateway.data());
    say(&format!("the telemetry lane had {now} records and has {left}; alarms: {before:?}"));
    assert!(left < now, "the tail is gone");

    bench.gateway.restart();
    let polls = bench.plant.devices[0].polls();
    eventually(SOON, "it polls and commits again", || {
        bench.plant.devices[0].polls() > polls + 20 && bench.gateway.stage("committed") > 60.0
    });
    let states = bench.states();
    let expected = [
        (STRANGER, "unacknowledged"),
        (RAISED, "unacknowledged"),
        (POLLED, "unacknowledged"),
        (ACKNOWLEDGED, "acknowledged"),
        (RETURNED, "returned"),
    ];
    assert_eq!(states, expected.map(|(device, state)| (device.to_owned(), state.to_owned())).into());
    assert_eq!(bench.story(), before, "a restart adds nothing to any alarm's life");
    bench.is_a_power_cut(lanes);

    // and each is alive: what really returns returns, once
    bench.say(&[(STRANGER, 1.0), (RAISED, 1.0), (ACKNOWLEDGED, 1.0), (RETURNED, 1.0)]);
    bench.plant.devices[0].set(0);
    let mut after = before;
    for device in [STRANGER, RAISED, POLLED, ACKNOWLEDGED] {
        bench.pushed(device, "return");
        after.get_mut(device).unwrap().push("return".to_owned());
    }
    assert_eq!(bench.story(), after);
    bench.receiver.complete().unwrap();
    let pushed = bench.receiver.seen().into_iter().filter(|p| p.word("rule") == "high");
    assert_eq!(pushed.count(), after.values().map(Vec::len).sum::<usize>(), "what is pushed is what is in the lane");
    bench.gateway.term();
}

impl Bench {
    fn start() -> Self {
        let (dir, plant, broker, receiver) =
            (Folder::new("lost-tail"), Plant::start(1), Broker::start(), Receiver::start());
        let site = Site::new("rig").modbus(&plant, 50, 4).mqtt(broker.port).webhook("duty", receiver.port());
        let site = site.with(
            "[[rule]]\nid = \"high\"\npoints = [\"*/v\", \"*/r0\"]\nhigh = { limit = 500.0, clear = 400.0 }\n\
             priority = \"critical\"",
        );
        // a rule with a long memory: a restart shows the detectors two hours of telemetry
        let site = site.with(
            "[[rule]]\nid = \"creep\"\npoints = [\"*/v\", \"*/r0\"]\npriority = \"low\"\n\
             trend = { limit = 60000.0, side = \"high\", within = \"1s\", window = \"2h\" }",
        );
        let gateway = Gateway::start(&site.text, dir.path());
        eventually(SOON, "the gateway has subscribed", || broker.subscribed());
        let publisher = Publisher::connect(broker.port);
        Self { gateway, publisher, receiver, plant, _broker: broker, dir }
    }

    fn say(&mut self, values: &[(&str, f64)]) {
        for (device, value) in values {
            self.publisher.reading_at(device, *value, unix_ms());
        }
        self.publisher.flush();
    }

    fn pushed(&self, device: &str, event: &str) {
        let what = format!("{event} of {device}");
        self.receiver.expect(SOON, &what, |p| p.word("device") == device && p.word("event") == event);
    }

    fn acknowledge(&self, device: &str) {
        let alarm = self.gateway.alarm("high", SOON, |a| a["device"] == device);
        let path = format!("/api/v1/alarms/{}/acknowledge", alarm["id"].as_str().unwrap());
        assert_eq!(self.gateway.post(&path, &json!({ "by": "rig" })).status, 200);
        self.pushed(device, "acknowledge");
    }

    /// Everything that was read up to now is committed.
    fn on_disk(&self) {
        let read = self.gateway.stage("read");
        eventually(SOON, "it is on disk", || self.gateway.stage("committed") >= read);
    }

    /// The telemetry lane's files as a crash at this moment would leave them.
    fn telemetry(&mut self) -> Folder {
        let (data, copy) = (self.gateway.data(), Folder::new("telemetry-then"));
        let _held = self.gateway.process().hold();
        for name in TELEMETRY {
            std::fs::copy(data.join(name), copy.join(name)).unwrap();
        }
        copy
    }

    fn put_back(&self, old: &Folder) {
        let data = self.gateway.data();
        let _ = std::fs::remove_file(data.join("telemetry.db-shm"));
        for name in TELEMETRY {
            std::fs::copy(old.join(name), data.join(name)).unwrap();
        }
    }

    /// The machine has been booted since.
    fn power_cut(&self) {
        for name in LANES {
            let lane = rusqlite::Connection::open(self.gateway.data().join(name)).unwrap();
            let changed = lane.execute("UPDATE meta SET value = 'another boot' WHERE key = 'boot'", []).unwrap();
            assert_eq!(changed, 1, "{name} knows its boot");
        }
    }

    /// State of each alarm that stands, by device.
    fn states(&self) -> BTreeMap<String, String> {
        let word = |alarm: &serde_json::Value, field: &str| alarm[field].as_str().unwrap().to_owned();
        self.gateway.alarms("high").iter().map(|a| (word(a, "device"), word(a, "state"))).collect()
    }

    /// What each alarm has been through, by the alarm lane; one alarm a device, its transitions numbered from 1.
    fn story(&self) -> BTreeMap<String, Vec<String>> {
        self.gateway.alarm_lane_on_disk();
        let mut story: BTreeMap<String, (String, Vec<String>)> = BTreeMap::new();
        for entry in self.gateway.journal(counting::entries) {
            let Entry::Alarm(event) = entry else { continue };
            assert_ne!(event.by.as_deref(), Some("configuration"), "closed as no longer configured: {event:?}");
            if event.rule != "high" {
                continue;
            }
            let (id, events) = story.entry(event.device).or_insert_with(|| (event.id.clone(), Vec::new()));
            events.push(event.event);
            assert_eq!((&*id, event.number as usize), (&event.id, events.len()), "one alarm a device");
        }
        story.into_iter().map(|(device, (_, events))| (device, events)).collect()
    }

    /// The start knows what happened, and says what may be missing.
    fn is_a_power_cut(&self, before: [(Lane, u64); 2]) {
        self.gateway.alarm_lane_on_disk();
        for ((lane, before), (_, after)) in before.into_iter().zip(self.gateway.journal(counting::epochs)) {
            assert_ne!(before, after, "{lane:?}: a tail that can't be proved whole begins an epoch");
        }
        let lane = self.gateway.journal(counting::entries);
        let unclean = |e: &Entry| matches!(e, Entry::Start { cause: StartCause::UncleanStop, .. });
        let gaps = counting::gaps(&lane);
        assert_eq!((lane.iter().filter(|e| unclean(e)).count(), gaps.len()), (1, 1), "{gaps:?}");
        assert!(gaps.iter().all(|(from, to, at_most, _)| from < to && *at_most > 0), "{gaps:?}");
        let log = std::fs::read_to_string(self.dir.join("gateway.log")).unwrap();
        assert!(!log.contains("panicked"), "{log}");
    }
}

/// Records in the telemetry lane of a gateway that does not run.
fn records(data: &Path) -> usize {
    counting::journal(data).0.len()
}
