//! A disk that is full or hangs. The alarm goes out all the same, says that it is not durable, and is in the journal
//! with the same id once the disk is back.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use gengfu::journal::Entry;
use gengfu_tests::counting;
use gengfu_tests::gateway::Gateway;
use gengfu_tests::plant::Plant;
use gengfu_tests::process::Folder;
use gengfu_tests::receiver::{Push, Receiver};
use gengfu_tests::shim::SickDisk;
use gengfu_tests::site::Site;
use gengfu_tests::wait::{always, eventually, length, not_run, now, quiet, say};

const SOON: Duration = Duration::from_secs(20);

struct Bench {
    dir: Folder,
    plant: Plant,
    receiver: Receiver,
    site: String,
}

impl Bench {
    fn new(name: &str) -> Self {
        let (dir, plant, receiver) = (Folder::new(name), Plant::start(3), Receiver::start());
        let site = Site::new("rig").modbus(&plant, 100, 6).flips(0, 3).webhook("duty", receiver.port()).text;
        Self { dir, plant, receiver, site }
    }

    fn gateway(&self, disk: &SickDisk) -> Gateway {
        let environment = disk.environment();
        let pairs: Vec<(&str, &str)> = environment.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let gateway = Gateway::start_with(&self.site, self.dir.path(), &pairs);
        eventually(SOON, "all are polled", || self.plant.devices.iter().all(|d| d.polls() > 3));
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
}

/// Whether the alarm lane on disk holds the transition of this key.
fn journaled(gateway: &Gateway, key: &str) -> bool {
    let entries = gateway.journal(counting::entries);
    entries.iter().any(|entry| matches!(entry, Entry::Alarm(alarm) if alarm.key() == key))
}

fn alarm_survives(bench: &Bench, disk: &SickDisk, sicken: impl Fn(), held: Duration) {
    let mut gateway = bench.gateway(disk);
    assert_eq!(bench.raise(0).body["durable"], true, "with a sound disk an alarm is durable");
    sicken();
    let push = bench.raise(1);
    assert_eq!(push.body["durable"], false);
    gateway.alarm("flip-d1", Duration::from_secs(1), |a| a["state"] == "unacknowledged");
    let polls = bench.plant.polls();
    always(held, "the process lives", || gateway.process().alive());
    assert!(bench.plant.polls() > polls + 10, "sampling goes on");
    disk.heal();
    eventually(SOON, "the alarm is in the journal", || journaled(&gateway, &push.key));
    assert_eq!(bench.raise(2).body["durable"], true, "the disk is back");
    gateway.kill9();
    gateway.restart();
    let alarm = gateway.alarm("flip-d1", SOON, |_| true);
    assert_eq!(format!("{}.1", alarm["id"].as_str().unwrap()), push.key, "the same id after a restart");
    let times = bench.receiver.pushes().iter().filter(|p| p.key == push.key).count();
    assert!(times <= 2, "{times} pushes of one transition");
    gateway.term();
}

#[test]
fn hung_disk() {
    let _quiet = quiet();
    let bench = Bench::new("hung");
    let Some(disk) = SickDisk::new(&bench.dir.join("data"), bench.dir.path()) else { return not_run("no C compiler") };
    alarm_survives(&bench, &disk, || disk.hang(), length(4, 10));
}

#[test]
fn full_disk() {
    let _quiet = quiet();
    let bench = Bench::new("full");
    let Some(disk) = SickDisk::new(&bench.dir.join("data"), bench.dir.path()) else { return not_run("no C compiler") };
    alarm_survives(&bench, &disk, || disk.full(), length(4, 10));
}

#[test]
fn a_disk_that_is_really_full() {
    let _quiet = quiet();
    let bench = Bench::new("tmpfs");
    let data = bench.dir.join("data");
    std::fs::create_dir_all(&data).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"]).arg(&data).output();
    if !mounted.is_ok_and(|out| out.status.success()) {
        return not_run("a tmpfs of limited size needs root");
    }
    let _unmount = Unmount(&data);
    let mut gateway = Gateway::start(&bench.site, bench.dir.path());
    bench.raise(0);
    let filler = data.join("filler");
    let full =
        Command::new("dd").args(["if=/dev/zero", "bs=4096"]).arg(format!("of={}", filler.display())).output().unwrap();
    assert!(!full.status.success(), "dd stops at the end of the disk");
    let push = bench.raise(1);
    std::fs::remove_file(&filler).unwrap();
    eventually(SOON, "the alarm is in the journal", || journaled(&gateway, &push.key));
    gateway.term();
}

struct Unmount<'a>(&'a Path);

impl Drop for Unmount<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}
