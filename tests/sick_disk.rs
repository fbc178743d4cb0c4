//! A disk that is full or hangs. The alarm goes out all the same, says that it is not durable, and is in the journal
//! with the same id once the disk is back. What is owed an acknowledgement waits for it; telemetry goes on.

use std::path::Path;
use std::time::Duration;

use gengfu::journal::Entry;
use gengfu_tests::broker::Broker;
use gengfu_tests::counting::{self, contains, poll_numbers};
use gengfu_tests::disk::Disk;
use gengfu_tests::gateway::Gateway;
use gengfu_tests::http;
use gengfu_tests::plant::Plant;
use gengfu_tests::process::Folder;
use gengfu_tests::proxy::{Line, Proxy};
use gengfu_tests::publisher::Publisher;
use gengfu_tests::receiver::{Push, Receiver};
use gengfu_tests::shim::SickDisk;
use gengfu_tests::site::Site;
use gengfu_tests::wait::{SOON, always, eventually, length, not_allowed, not_run, now, quiet, say};

/// Messages published before the disk falls sick, and again while it is.
const MESSAGES: usize = 100;

struct Bench {
    dir: Folder,
    plant: Plant,
    broker: Broker,
    receiver: Receiver,
    site: String,
}

impl Bench {
    fn new(name: &str) -> Self {
        let (dir, plant, broker, receiver) = (Folder::new(name), Plant::start(3), Broker::chatty(), Receiver::start());
        let site = Site::new("rig").modbus(&plant, 100, 6).flips(0, 3).mqtt(broker.port);
        let site = site.webhook("duty", receiver.port()).text;
        Self { dir, plant, broker, receiver, site }
    }

    fn gateway(&self, environment: &[(String, String)]) -> Gateway {
        let pairs: Vec<(&str, &str)> = environment.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let gateway = Gateway::start_with(&self.site, self.dir.path(), &pairs);
        eventually(SOON, "all are polled", || self.plant.devices.iter().all(|d| d.polls() > 3));
        eventually(SOON, "the gateway has subscribed", || self.broker.subscribed());
        gateway
    }

    /// Raises on a device and gives the push, which must come within a second.
    fn raise(&self, device: usize) -> Push {
        let raised = now();
        self.plant.devices[device].set(900);
        let name = format!("d{device}");
        let push = self
            .receiver
            .expect(Duration::from_secs(5), "alarm", |p| p.word("device") == name && p.word("event") == "raise");
        let late = push.at - raised;
        say(&format!("pushed {late:?} after the change, durable = {}", push.body["durable"]));
        assert!(late <= Duration::from_secs(1), "pushed after {late:?}");
        push
    }

    fn polls(&self) -> Vec<u32> {
        self.plant.devices.iter().map(|device| device.polls()).collect()
    }

    fn survives(&self, environment: &[(String, String)], held: Duration, sicken: impl Fn(), heal: impl Fn()) {
        let mut gateway = self.gateway(environment);
        let mut publisher = Publisher::connect(self.broker.port);
        assert_eq!(self.raise(0).body["durable"], true, "with a sound disk an alarm is durable");
        publish(&mut publisher, &gateway);
        eventually(SOON, "with a sound disk messages are acknowledged", || self.broker.acks() == MESSAGES);

        sicken();
        let push = self.raise(1);
        assert_eq!(push.body["durable"], false);
        gateway.alarm("flip-d1", Duration::from_secs(1), |a| a["state"] == "unacknowledged");
        let (acks, polls) = (self.broker.acks(), self.plant.polls());
        publish(&mut publisher, &gateway);
        always(held, "the process lives and acknowledges nothing", || {
            gateway.process().alive() && self.broker.acks() == acks
        });
        assert!(self.plant.polls() > polls + held.as_secs() * 25, "sampling goes on");
        gateway.alarm("gengfu/journal-fault", Duration::from_secs(2), |a| a["priority"] == "high");
        let polls = self.polls();

        heal();
        let back = eventually(SOON, "the alarm is in the journal", || journaled(&gateway, &push.key));
        let acked = eventually(SOON, "messages are acknowledged", || self.broker.acks() == 2 * MESSAGES);
        say(&format!("journaled {back:?} after the disk came back, messages acknowledged {acked:?} after that"));
        assert_eq!(self.raise(2).body["durable"], true, "the disk is back");
        self.comes_back_the_same(&mut gateway, &push);
        gateway.term();
        nothing_is_missing(&gateway, &publisher, &polls);
    }

    fn comes_back_the_same(&self, gateway: &mut Gateway, push: &Push) {
        gateway.kill9();
        gateway.restart();
        let alarm = gateway.alarm("flip-d1", SOON, |_| true);
        assert_eq!(format!("{}.1", alarm["id"].as_str().unwrap()), push.key, "the same id after a restart");
        let times = self.receiver.pushes().iter().filter(|p| p.key == push.key).count();
        assert!(times <= 2, "{times} pushes of one transition");
    }
}

/// Publishes as many messages as [`MESSAGES`] and waits until the gateway has them.
fn publish(publisher: &mut Publisher, gateway: &Gateway) {
    let before = gateway.metric("gengfu_mqtt_messages_total", "");
    for number in 0..MESSAGES {
        publisher.reading(&format!("m{}", number % 10));
    }
    publisher.flush();
    eventually(SOON, "the gateway has the messages", || {
        gateway.metric("gengfu_mqtt_messages_total", "") >= before + MESSAGES as f64
    });
}

/// Every message the broker took and every poll up to the end of the sickness is in the journal.
fn nothing_is_missing(gateway: &Gateway, publisher: &Publisher, polls: &[u32]) {
    let committed = counting::committed(&gateway.data());
    contains(&counting::to_ms(&committed.must), &publisher.acked()).unwrap();
    for (index, polls) in polls.iter().enumerate() {
        let numbers = poll_numbers(&committed.must, &format!("d{index}"));
        assert!((1..=*polls).all(|n| numbers.binary_search(&n).is_ok()), "d{index}: of {polls} not all of {numbers:?}");
    }
}

/// Whether the alarm lane on disk holds the transition of this key.
fn journaled(gateway: &Gateway, key: &str) -> bool {
    let entries = gateway.journal(counting::entries);
    entries.iter().any(|entry| matches!(entry, Entry::Alarm(alarm) if alarm.key() == key))
}

#[test]
fn hung_disk() {
    let _quiet = quiet();
    let bench = Bench::new("hung");
    let Some(disk) = SickDisk::new(&bench.dir.join("data"), bench.dir.path()) else { return not_run("no C compiler") };
    bench.survives(&disk.environment(), length(5, 10), || disk.hang(), || disk.heal());
}

#[test]
fn full_disk() {
    let _quiet = quiet();
    let bench = Bench::new("full");
    let Some(disk) = SickDisk::new(&bench.dir.join("data"), bench.dir.path()) else { return not_run("no C compiler") };
    bench.survives(&disk.environment(), length(3, 10), || disk.full(), || disk.heal());
}

#[test]
fn a_disk_that_is_really_full() {
    let _quiet = quiet();
    let bench = Bench::new("tmpfs");
    let data = bench.dir.join("data");
    let Some(disk) = tmpfs(&data) else { return };
    bench.survives(&[], length(3, 10), || disk.fill(), || disk.free());
}

/// Without a file to hold the index of the WAL, as a stop leaves it with nobody reading, and with no room for a new one.
#[test]
fn a_start_on_a_disk_that_is_really_full() {
    let _quiet = quiet();
    let bench = Bench::new("tmpfs-start");
    let data = bench.dir.join("data");
    let Some(disk) = tmpfs(&data) else { return };
    let mut gateway = bench.gateway(&[]);
    bench.raise(0);
    gateway.alarm_lane_on_disk();
    gateway.term();
    for lane in ["alarm", "telemetry"] {
        let _ = std::fs::remove_file(data.join(format!("{lane}.db-shm")));
    }
    disk.fill();
    starts(&bench, &mut gateway, || disk.free());
}

/// After a stop, which leaves no log, and after a kill, which leaves one.
#[test]
fn a_start_on_a_disk_that_is_read_only() {
    let _quiet = quiet();
    let stop: fn(&mut Gateway) = |gateway| {
        gateway.term();
    };
    for stop in [stop, Gateway::kill9] {
        let bench = Bench::new("read-only");
        let Some(disk) = ext4(&bench) else { return };
        let mut gateway = bench.gateway(&[]);
        bench.raise(0);
        gateway.alarm_lane_on_disk();
        stop(&mut gateway);
        disk.remount("ro");
        starts(&bench, &mut gateway, || disk.remount("rw"));
    }
}

/// It starts on a sick disk with the alarm that stands, and goes on as a run whose disk fell sick.
fn starts(bench: &Bench, gateway: &mut Gateway, heal: impl Fn()) {
    gateway.relaunch();
    eventually(SOON, "it starts", || http::get(gateway.port, "/api/v1/status").is_ok());
    gateway.alarm("flip-d0", SOON, |_| true);
    let polls = bench.plant.polls();
    eventually(SOON, "it polls", || bench.plant.polls() > polls + 30);
    let push = bench.raise(1);
    assert_eq!(push.body["durable"], false);
    gateway.alarm("gengfu/journal-fault", SOON, |a| a["priority"] == "high");

    heal();
    let back = eventually(SOON, "the alarm is in the journal", || journaled(gateway, &push.key));
    say(&format!("started on a sick disk; journaled {back:?} after it was well"));
    assert_eq!(bench.raise(2).body["durable"], true, "the disk is back");
    bench.comes_back_the_same(gateway, &push);
    let aside = std::fs::read_dir(gateway.data()).unwrap().flatten().map(|entry| entry.file_name());
    assert!(!aside.into_iter().any(|name| name.to_string_lossy().contains("damaged")), "a sick disk is no damage");
    gateway.term();
}

/// As a file system does that finds itself damaged. Only a new mount ends that, so the run ends before.
#[test]
fn a_disk_that_turns_read_only() {
    let _quiet = quiet();
    let bench = Bench::new("turns-read-only");
    let Some(disk) = ext4(&bench) else { return };
    let mut gateway = bench.gateway(&[]);
    let mut publisher = Publisher::connect(bench.broker.port);
    assert_eq!(bench.raise(0).body["durable"], true);
    publish(&mut publisher, &gateway);
    eventually(SOON, "with a sound disk messages are acknowledged", || bench.broker.acks() == MESSAGES);
    let polls = bench.polls();
    let read = gateway.stage("read");
    eventually(SOON, "all is on disk", || gateway.stage("committed") >= read);
    if let Err(why) = disk.turns_read_only() {
        return not_allowed(&format!("a file system can't be told to find a fault in itself: {why}"));
    }

    assert_eq!(bench.raise(1).body["durable"], false);
    gateway.alarm("gengfu/journal-fault", SOON, |a| a["priority"] == "high");
    publish(&mut publisher, &gateway);
    let before = bench.plant.polls();
    eventually(SOON, "sampling goes on", || bench.plant.polls() > before + 30);
    assert_eq!(bench.broker.acks(), MESSAGES, "nothing is acknowledged that is not synced");
    assert!(gateway.process().alive());

    // ended and started on the disk as it is: it watches on, with what was on disk
    gateway.kill9();
    gateway.relaunch();
    eventually(SOON, "it starts", || http::get(gateway.port, "/api/v1/status").is_ok());
    gateway.alarm("flip-d0", SOON, |_| true);
    assert_eq!(bench.raise(2).body["durable"], false);

    gateway.kill9();
    disk.back();
    gateway.restart();
    eventually(BACKOFF, "messages are acknowledged", || bench.broker.acks() >= 2 * MESSAGES);
    for device in 0..3 {
        gateway.alarm(&format!("flip-d{device}"), SOON, |alarm| alarm["active"] == true);
    }
    gateway.term();
    nothing_is_missing(&gateway, &publisher, &polls);
    say("told, watched on read only, started read only, and lost nothing that was acknowledged");
}

/// Messages for a hung disk: with four connections more than the gateway lets wait for their sync, 65,536.
const FLOOD: usize = 17_000;
const MOST_WAITING: f64 = 65_536.0;
/// What the gateway may take more than before, MiB, while all of these wait.
const MEMORY: f64 = 24.0;
/// A link that was cut again and again is tried less often.
const BACKOFF: Duration = Duration::from_mins(1);

/// Each new connection brings all messages again that are not acknowledged.
#[test]
fn hung_disk_and_a_broker_that_reconnects() {
    let _quiet = quiet();
    let mut bench = Bench::new("flapping");
    bench.broker = Broker::eager();
    let Some(disk) = SickDisk::new(&bench.dir.join("data"), bench.dir.path()) else { return not_run("no C compiler") };
    let way = Proxy::before(bench.broker.port);
    bench.site = Site::new("rig").modbus(&bench.plant, 100, 6).patient().flips(0, 3).mqtt(way.port).text;
    bench.site = Site { text: bench.site.clone() }.webhook("duty", bench.receiver.port()).text;
    let mut gateway = bench.gateway(&disk.environment());
    let mut publisher = Publisher::connect(bench.broker.port);
    publish(&mut publisher, &gateway);
    eventually(SOON, "with a sound disk messages are acknowledged", || bench.broker.acks() == MESSAGES);
    let (calm, told) = (gateway.process().resident(), |gateway: &Gateway| {
        gateway.metric("gengfu_mqtt_messages_total", "") - MESSAGES as f64
    });

    disk.hang();
    (0..FLOOD).for_each(|n| publisher.reading(&format!("f{}", n % 50)));
    publisher.flush();
    let mut connections = 1;
    let bounded = || gateway.api("status")["links"].to_string().contains("the disk does not take");
    while told(&gateway) < MOST_WAITING {
        let all = (f64::from(connections) * FLOOD as f64).min(MOST_WAITING);
        eventually(BACKOFF, "all messages came again", || told(&gateway) >= all);
        if all < MOST_WAITING {
            way.set(Line::Shut);
            way.set(Line::Open);
            connections += 1;
        }
    }
    eventually(SOON, "the gateway leaves the rest with the broker", bounded);
    let polls = bench.plant.polls();
    assert_eq!(bench.raise(1).body["durable"], false);
    eventually(SOON, "sampling goes on", || bench.plant.polls() > polls + 30);
    let sick = gateway.process().resident();
    assert_eq!(bench.broker.acks(), MESSAGES, "nothing is acknowledged that is not synced");
    say(&format!(
        "{connections} connections, {:.0} messages came; resident {calm:.0} MiB, then {sick:.0}",
        told(&gateway)
    ));
    assert!(sick < calm + MEMORY, "{sick:.1} MiB, {calm:.1} before");
    let polls = bench.polls();

    disk.heal();
    let took = eventually(BACKOFF * 2, "all is acknowledged", || bench.broker.acks() >= MESSAGES + FLOOD);
    let after = gateway.process().resident();
    say(&format!("all acknowledged {took:?} after the disk came back; resident {after:.0} MiB"));
    assert!(after < calm + MEMORY, "{after:.1} MiB, {calm:.1} before");
    gateway.term();
    nothing_is_missing(&gateway, &publisher, &polls);
}

fn ext4(bench: &Bench) -> Option<Disk> {
    Disk::ext4(&bench.dir.join("data")).map_err(|why| not_allowed(&why)).ok()
}

fn tmpfs(data: &Path) -> Option<Disk> {
    Disk::tmpfs(data)
        .map_err(|why| not_allowed(&format!("a tmpfs of limited size needs the right to mount: {why}")))
        .ok()
}
