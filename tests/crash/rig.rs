//! The long-lived parts that every repetition goes through: plant, broker, stores, a centre, receiver, a person who acknowledges, and the
//! gateway, which is started again each time. All classes are driven at once.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use gengfu_tests::broker::Broker;
use gengfu_tests::centre::Centre;
use gengfu_tests::disk::Disk;
use gengfu_tests::gateway::Gateway;
use gengfu_tests::plant::Plant;
use gengfu_tests::process::Folder;
use gengfu_tests::proxy::{Line, Proxy};
use gengfu_tests::publisher::Publisher;
use gengfu_tests::random::Random;
use gengfu_tests::receiver::Receiver;
use gengfu_tests::shim::SickDisk;
use gengfu_tests::site::Site;
use gengfu_tests::store::Store;
use gengfu_tests::stub::Stub;
use gengfu_tests::wait::{SOON, eventually, now, pause, unix_ms};

use super::classes::{DEVICES, EVERY_MS, Kill, REGISTERS};
use super::edges::Edges;
use super::flight::{self, Flight};
use super::persons::{self, Acknowledged, Person};
use super::uplinked;

/// Between two alarms that come or go.
const STEP: Duration = Duration::from_millis(100);
/// Messages a second, of so many devices.
const RATE: u64 = 200;
const TOPICS: usize = 20;

/// The rig of one campaign. The gateway comes first: it ends before its disk does.
pub(crate) struct Rig {
    pub gateway: Gateway,
    operator: Person<Acknowledged>,
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
    /// Where the uplink goes to; between the gateway and that broker; who listens there.
    _uplink: Broker,
    pub uplink_way: Proxy,
    pub centre: Centre,
    /// The site file, but for the console.
    pub site: String,
    pub receiver: Receiver,
    pub sick: Option<SickDisk>,
    /// What the journal lies on, where it may be mounted.
    pub disk: Result<Disk, String>,
    _dir: Folder,
    pub random: Random,
    pub edges: Edges,
    /// What is in mid-flight beside the counted load.
    pub flight: Option<Flight>,
    pub rounds: Vec<Round>,
    /// Which fault is on; topics and acknowledgements are booked under it.
    pub number: u64,
    /// From when on, UTC ms.
    booked: Vec<(i64, u64)>,
}

/// What one repetition left.
#[derive(Debug)]
pub(crate) struct Round {
    pub number: u64,
    pub kill: Kill,
    /// When the gateway was ready again.
    pub back: Instant,
    /// Whether the fault made itself felt: an alarm that could not wait for its commit.
    pub felt: bool,
}

impl Rig {
    /// With shelves, modes, timers and votes in mid-flight.
    pub(crate) fn start(name: &str, random: Random) -> Self {
        Self::build(Folder::new(&format!("crash-{name}")), random, &[], Some(flight::plant()))
    }

    /// Without them, in this folder, and with more in the gateway's environment.
    pub(crate) fn start_in(dir: Folder, random: Random, more: &[(&str, &str)]) -> Self {
        Self::build(dir, random, more, None)
    }

    fn build(dir: Folder, mut random: Random, more: &[(&str, &str)], beside: Option<Plant>) -> Self {
        let (plant, broker, store, stub, receiver) =
            (Plant::start(DEVICES), Broker::start(), Store::start(), Stub::start(), Receiver::start());
        let ways = [store.port, stub.port()].map(Proxy::before);
        let broker_way = Proxy::before(broker.port);
        let uplink = Broker::start();
        let (uplink_way, centre) = (Proxy::before(uplink.port), Centre::connect(uplink.port, "rig", "centre"));
        let data = dir.join("data");
        let disk = Disk::ext4(&data);
        let sick = SickDisk::new(&data, dir.path());
        let site = Site::new("rig").modbus(&plant, EVERY_MS, REGISTERS).flips(0, DEVICES);
        let site = if let Some(plant) = &beside { flight::site(site, plant) } else { site };
        let site = site.patient().mqtt(broker_way.port).influx("central", ways[0].port).influx("stub", ways[1].port);
        let site = uplinked::site(site, uplink_way.port);
        // what is raised in a test is pushed as well, so that all of the lane is
        let site = site.webhook("duty", receiver.port()).with("tests = true").text;
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
            operator: persons::operator(gateway.port),
            flight: beside.map(|plant| Flight::new(plant, gateway.port, &mut random)),
            gateway,
            publisher,
            plant,
            _broker: broker,
            store,
            stub,
            ways,
            broker_way,
            _uplink: uplink,
            uplink_way,
            centre,
            site,
            receiver,
            sick,
            disk,
            _dir: dir,
            random,
            edges: Edges::new("flip-", 0),
            rounds: Vec::new(),
            number: 0,
            booked: Vec::new(),
        }
    }

    /// What a gateway that died at this moment leaves behind; to be asked before the next begins, and once what was on the wire is
    /// answered.
    pub(crate) fn death(&self, at: Instant) -> Kill {
        let died = unix_ms() - at.elapsed().as_millis() as i64;
        let sync = self.sick.as_ref().map_or(Duration::ZERO, |sick| sick.longest_sync(died));
        Kill { sync, ..Kill::of(&self.plant, at) }
    }

    /// From now on all is booked under this number.
    pub(crate) fn book(&mut self, number: u64) {
        self.sick.iter().for_each(SickDisk::forget_syncs);
        self.number = number;
        self.booked.push((unix_ms(), number));
        self.operator.shared.number.store(number, Ordering::SeqCst);
    }

    /// What was booked at this time, UTC ms.
    pub(crate) fn number_at(&self, at: i64) -> u64 {
        self.booked.iter().rev().find(|(from, _)| *from <= at).map_or(self.number, |(_, number)| *number)
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

    /// Some device crosses its line, up or down, unless its last crossing has not been pushed yet; and what is in mid-flight
    /// goes on.
    pub(crate) fn flip(&mut self) {
        self.flight.iter_mut().for_each(|flight| flight.step(self.number));
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
        self.flight.iter_mut().for_each(|flight| flight.look(&self.receiver));
    }

    pub(crate) fn all_pushed(&mut self) {
        eventually(SOON, "every crossing of a line is pushed", || {
            self.look();
            self.edges.settled()
        });
    }

    /// Everything that was read up to now, and every entry of the alarm lane, is committed.
    pub(crate) fn on_disk(&self) {
        let read = self.gateway.stage("read");
        eventually(SOON, "what was read is on disk", || self.gateway.stage("committed") >= read);
        self.gateway.alarm_lane_on_disk();
        // what took long while the disk was sick is over
        self.sick.iter().for_each(SickDisk::forget_syncs);
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
        if let Some(flight) = &mut self.flight {
            flight.calm(&self.gateway, &self.receiver, self.number);
        }
        self.publisher.flush();
        // what the gateway says of its disk stands for a minute after the last sign of it
        let ours = |gateway: &Gateway| gateway.items("alarms?state=open").iter().any(|a| a["device"] != "gengfu");
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
