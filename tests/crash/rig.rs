//! The long-lived parts that every repetition goes through: plant, broker, store, receiver, a person who acknowledges, and the
//! gateway, which is started again each time. All four classes are driven at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gengfu_tests::broker::Broker;
use gengfu_tests::disk::Disk;
use gengfu_tests::gateway::Gateway;
use gengfu_tests::http;
use gengfu_tests::plant::Plant;
use gengfu_tests::process::Folder;
use gengfu_tests::proxy::{Line, Proxy};
use gengfu_tests::publisher::Publisher;
use gengfu_tests::random::Random;
use gengfu_tests::receiver::{Push, Receiver};
use gengfu_tests::shim::SickDisk;
use gengfu_tests::site::Site;
use gengfu_tests::store::Store;
use gengfu_tests::stub::Stub;
use gengfu_tests::wait::{eventually, now, pause, unix_ms};
use serde_json::json;

use super::classes::{DEVICES, EVERY_MS, Kill, REGISTERS};

/// Who acknowledges, in the journal's words.
pub(crate) const BY: &str = "值班员";
pub(crate) const SOON: Duration = Duration::from_secs(20);
/// Between two alarms that come or go.
const STEP: Duration = Duration::from_millis(100);
/// Messages a second, of so many devices.
const RATE: u64 = 200;
const TOPICS: usize = 20;

/// The rig of one campaign. The gateway comes first: it ends before its disk does.
pub(crate) struct Rig {
    pub gateway: Gateway,
    operator: Operator,
    pub publisher: Publisher,
    pub plant: Plant,
    _broker: Broker,
    pub store: Store,
    /// A second store, which tells two readings of one millisecond apart.
    pub stub: Stub,
    /// Between the gateway and each store.
    ways: [Proxy; 2],
    /// Between the gateway and the broker.
    pub broker_way: Proxy,
    /// The site file, but for the console.
    pub site: String,
    pub receiver: Receiver,
    pub sick: Option<SickDisk>,
    /// What the journal lies on, where it may be mounted.
    pub disk: Result<Disk, String>,
    _dir: Folder,
    pub random: Random,
    pub edges: Edges,
    pub rounds: Vec<Round>,
    /// Which fault is on; topics and acknowledgements are booked under it.
    pub number: u64,
}

/// What one repetition left.
#[derive(Debug)]
pub(crate) struct Round {
    pub number: u64,
    pub kill: Kill,
    /// Whether the fault made itself felt: an alarm that could not wait for its commit.
    pub felt: bool,
}

impl Rig {
    pub(crate) fn start(name: &str, random: Random) -> Self {
        Self::start_in(Folder::new(&format!("crash-{name}")), random, &[])
    }

    /// The same in this folder, with more in the gateway's environment.
    pub(crate) fn start_in(dir: Folder, random: Random, more: &[(&str, &str)]) -> Self {
        let (plant, broker, store, stub, receiver) =
            (Plant::start(DEVICES), Broker::start(), Store::start(), Stub::start(), Receiver::start());
        let ways = [store.port, stub.port()].map(Proxy::before);
        let broker_way = Proxy::before(broker.port);
        let data = dir.join("data");
        let disk = Disk::ext4(&data);
        let sick = SickDisk::new(&data, dir.path());
        let site =
            Site::new("rig").modbus(&plant, EVERY_MS, REGISTERS).patient().flips(0, DEVICES).mqtt(broker_way.port);
        let site =
            site.influx("central", ways[0].port).influx("stub", ways[1].port).webhook("duty", receiver.port()).text;
        let environment = sick.as_ref().map(SickDisk::environment).unwrap_or_default();
        let disk_pairs = environment.iter().map(|(k, v)| (&**k, &**v)).filter(|(k, _)| !k.is_empty());
        let mut joined: BTreeMap<&str, String> = BTreeMap::new();
        for (name, value) in disk_pairs.chain(more.iter().copied()) {
            // one library after the other
            joined.entry(name).and_modify(|all| *all += &format!(":{value}")).or_insert_with(|| value.to_owned());
        }
        let pairs: Vec<(&str, &str)> = joined.iter().map(|(k, v)| (*k, &**v)).collect();
        let gateway = Gateway::start_with(&site, dir.path(), &pairs);
        eventually(SOON, "the gateway has subscribed", || broker.subscribed());
        let publisher = Publisher::connect(broker.port);
        Self {
            operator: Operator::start(gateway.port),
            gateway,
            publisher,
            plant,
            _broker: broker,
            store,
            stub,
            ways,
            broker_way,
            site,
            receiver,
            sick,
            disk,
            _dir: dir,
            random,
            edges: Edges::default(),
            rounds: Vec::new(),
            number: 0,
        }
    }

    /// From now on all is booked under this number.
    pub(crate) fn book(&mut self, number: u64) {
        self.number = number;
        self.operator.shared.number.store(number, Ordering::SeqCst);
    }

    /// Messages and alarms for a while.
    pub(crate) fn load(&mut self, length: Duration) {
        let until = now() + length;
        while now() < until {
            self.flip();
            self.publisher.load(&self.topics(), TOPICS, RATE, STEP);
            self.look();
        }
    }

    /// Alarms alone: each message would close the window of the polled readings at once.
    pub(crate) fn polls_alone(&mut self, length: Duration) {
        let until = now() + length;
        while now() < until {
            self.flip();
            pause(STEP.min(until.saturating_duration_since(now())));
            self.look();
        }
    }

    /// As many messages as may be on their way at once, and an alarm.
    pub(crate) fn burst(&mut self) {
        self.flip();
        let topics = self.topics();
        let count = self.random.between(0, 60);
        (0..count).for_each(|n| self.publisher.reading(&format!("{topics}{}", n as usize % TOPICS)));
    }

    /// Whether the stores can be reached.
    pub(crate) fn stores(&self, line: Line) {
        self.ways.iter().for_each(|way| way.set(line));
    }

    /// Topics of the fault that is on begin so.
    pub(crate) fn topics(&self) -> String {
        topics(self.number)
    }

    /// Some device crosses its line, up or down, unless its last crossing has not been pushed yet.
    pub(crate) fn flip(&mut self) {
        let device = self.random.between(0, DEVICES as u64) as usize;
        self.edges.drive(&self.plant, device, self.number);
    }

    /// A device that is free crosses its line; which.
    pub(crate) fn flip_surely(&mut self) -> usize {
        self.all_pushed();
        let device = self.random.between(0, DEVICES as u64) as usize;
        self.edges.drive(&self.plant, device, self.number);
        device
    }

    /// Takes note of the pushes since the last look.
    pub(crate) fn look(&mut self) {
        let news = self.receiver.pushes_after(self.edges.seen);
        self.edges.take(&news);
    }

    pub(crate) fn all_pushed(&mut self) {
        eventually(SOON, "every crossing of a line is pushed", || {
            self.look();
            self.edges.pending.is_empty()
        });
    }

    /// Everything that was read up to now, and every entry of the alarm lane, is committed.
    pub(crate) fn on_disk(&self) {
        let read = self.gateway.stage("read");
        eventually(SOON, "what was read is on disk", || self.gateway.stage("committed") >= read);
        self.gateway.alarm_lane_on_disk();
    }

    /// What stands returns, the person has seen it, and nothing is on its way.
    pub(crate) fn calm(&mut self) {
        self.all_pushed();
        for device in 0..DEVICES {
            if self.edges.high.contains(&device) {
                self.edges.drive(&self.plant, device, self.number);
            }
        }
        self.all_pushed();
        self.publisher.flush();
        // what the gateway says of its disk stands for a minute after the last sign of it
        let ours = |gateway: &Gateway| gateway.items("alarms").iter().any(|a| a["device"] != "gengfu");
        eventually(SOON, "alarms are over", || !ours(&self.gateway));
        self.operator.stop();
    }

    /// Ids of alarms whose acknowledgement was answered with success, by the fault that was on.
    pub(crate) fn acknowledged(&self) -> BTreeMap<u64, Vec<String>> {
        self.operator.shared.answered.lock().unwrap().clone()
    }
}

/// Names of devices begin so.
pub(crate) fn topics(number: u64) -> String {
    format!("f{number}-")
}

/// A line that was crossed: an alarm that must come or go.
#[derive(Debug)]
struct Crossing {
    event: &'static str,
    at: Instant,
    /// UTC ms.
    wall: i64,
    number: u64,
}

/// A crossing that was pushed.
#[derive(Debug)]
pub(crate) struct Pushed {
    pub number: u64,
    pub key: String,
    pub late: Duration,
    pub durable: bool,
}

/// All crossings of lines. A device has one under way at most, so that each push is known by its device.
#[derive(Debug, Default)]
pub(crate) struct Edges {
    pub high: BTreeSet<usize>,
    pending: BTreeMap<usize, Crossing>,
    pub pushed: Vec<Pushed>,
    /// Pushes that nothing called for.
    pub odd: Vec<String>,
    pub driven: BTreeMap<u64, u64>,
    /// Where the alarm lane may lose its end, what comes after it may be numbered as what is gone, and what still stands is
    /// said again: a push belongs to a crossing if it was decided after it.
    pub numbers_may_come_again: bool,
    /// Every push that was accepted, but for re-sent ones.
    keys: BTreeSet<String>,
    seen: usize,
}

impl Edges {
    fn drive(&mut self, plant: &Plant, device: usize, number: u64) {
        if self.pending.contains_key(&device) {
            return;
        }
        let high = !self.high.remove(&device);
        if high {
            self.high.insert(device);
        }
        let event = if high { "raise" } else { "return" };
        self.pending.insert(device, Crossing { event, at: now(), wall: unix_ms(), number });
        *self.driven.entry(number).or_default() += 1;
        plant.devices[device].set(if high { 900 } else { 0 });
    }

    fn take(&mut self, news: &[Push]) {
        self.seen += news.len();
        for push in news.iter().filter(|push| push.accepted) {
            let flip = push.word("rule").starts_with("flip-") && ["raise", "return"].contains(&push.word("event"));
            let new = self.keys.insert(push.key.clone());
            if !flip || !(new || self.numbers_may_come_again) {
                continue;
            }
            let device = push.word("device").trim_start_matches('d').parse().unwrap();
            let decided = push.body["times"]["detected_ms"].as_i64().unwrap_or_default();
            if self.numbers_may_come_again && self.pending.get(&device).is_none_or(|crossing| decided < crossing.wall) {
                continue;
            }
            let called = self.pending.get(&device).is_some_and(|crossing| crossing.event == push.word("event"));
            let Some(crossing) = called.then(|| self.pending.remove(&device)).flatten() else {
                self.odd.push(format!("{} of d{device}: {}", push.word("event"), push.key));
                continue;
            };
            self.pushed.push(Pushed {
                number: crossing.number,
                key: push.key.clone(),
                late: push.at.saturating_duration_since(crossing.at),
                durable: push.body["durable"] == true,
            });
        }
    }
}

/// The person at the console: acknowledges whatever waits for it, also at the very moment of a fault.
struct Operator {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    over: AtomicBool,
    number: AtomicU64,
    answered: Mutex<BTreeMap<u64, Vec<String>>>,
}

impl Operator {
    fn start(port: u16) -> Self {
        let shared: Arc<Shared> = Arc::default();
        let inside = shared.clone();
        let thread = std::thread::spawn(move || {
            while !inside.over.load(Ordering::SeqCst) {
                inside.work(port);
                pause(Duration::from_millis(20));
            }
        });
        Self { shared, thread: Some(thread) }
    }

    fn stop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn work(&self, port: u16) {
        let Ok(page) = http::get(port, "/api/v1/alarms?limit=2000").map(|answer| answer.json()) else { return };
        for alarm in page["items"].as_array().into_iter().flatten() {
            let (Some(id), Some(state)) = (alarm["id"].as_str(), alarm["state"].as_str()) else { continue };
            if !["unacknowledged", "returned"].contains(&state) {
                continue;
            }
            let number = self.number.load(Ordering::SeqCst);
            let answer = http::post_json(port, &format!("/api/v1/alarms/{id}/acknowledge"), &json!({ "by": BY }));
            // 202: carried out, and not on disk yet; only 200 is a promise
            if answer.is_ok_and(|answer| answer.status == 200) {
                self.answered.lock().unwrap().entry(number).or_default().push(id.to_owned());
            }
        }
    }
}
