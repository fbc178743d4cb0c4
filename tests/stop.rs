//! A stop while something hangs that can't be cut off from outside: the disk, the name service. It ends within the limit
//! all the same, says what it could not write, and what was promised is there at the next start.

use std::process::ExitStatus;
use std::time::Duration;

use gengfu_tests::broker::Broker;
use gengfu_tests::counting::{committed, contains, poll_numbers, to_ms};
use gengfu_tests::gateway::{Gateway, STOP_LIMIT};
use gengfu_tests::plant::Plant;
use gengfu_tests::process::Folder;
use gengfu_tests::proxy::{Line, Proxy};
use gengfu_tests::publisher::Publisher;
use gengfu_tests::receiver::Receiver;
use gengfu_tests::shim::{SickDisk, SickNames};
use gengfu_tests::site::Site;
use gengfu_tests::stub::Stub;
use gengfu_tests::wait::{SOON, eventually, not_run, now, pause, quiet, say};

const MESSAGES: usize = 50;

/// SIGTERM: how it ended, and when.
fn stopped(gateway: &mut Gateway) -> (ExitStatus, Duration) {
    let start = now();
    gateway.process().signal("TERM");
    let status = gateway.process().wait(STOP_LIMIT);
    let status = status.expect("it ends within the limit of a stop");
    let took = start.elapsed();
    say(&format!("stopped in {took:?} with {status}"));
    (status, took)
}

/// Falls sick with an alarm on its way to the disk and messages that are owed an acknowledgement.
fn on_a_sick_disk(name: &str, sicken: impl Fn(&SickDisk)) {
    let _quiet = quiet();
    let (dir, plant, broker, receiver) = (Folder::new(name), Plant::start(3), Broker::chatty(), Receiver::start());
    let Some(disk) = SickDisk::new(&dir.join("data"), dir.path()) else { return not_run("no C compiler: make setup") };
    let site = Site::new("rig")
        .modbus(&plant, 100, 6)
        .patient()
        .flips(0, 3)
        .mqtt(broker.port)
        .webhook("duty", receiver.port());
    let environment = disk.environment();
    let environment: Vec<(&str, &str)> = environment.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let mut gateway = Gateway::start_with(&site.text, dir.path(), &environment);
    eventually(SOON, "the gateway has subscribed", || broker.subscribed());
    eventually(SOON, "it polls", || plant.devices[0].polls() > 10);
    let sound = plant.devices[0].polls();
    eventually(SOON, "the last of these polls was taken in", || plant.devices[0].polls() > sound);
    let read = gateway.stage("read");
    eventually(SOON, "and is on disk", || gateway.stage("committed") >= read);

    sicken(&disk);
    let mut publisher = Publisher::connect(broker.port);
    (0..MESSAGES).for_each(|n| publisher.reading(&format!("m{n}")));
    publisher.flush();
    plant.devices[0].set(900);
    let push = receiver.expect(SOON, "the alarm", |p| p.word("device") == "d0" && p.word("event") == "raise");
    assert_eq!(push.body["durable"], false);
    eventually(SOON, "the messages came", || gateway.metric("gengfu_mqtt_messages_total", "") >= MESSAGES as f64);
    let (status, _) = stopped(&mut gateway);
    assert_eq!(status.code(), Some(1), "it says that not everything could be written");
    assert!(gateway.log().contains("not everything could be written"));
    assert_eq!(broker.acks(), 0, "nothing is acknowledged that is not on disk");

    disk.heal();
    gateway.restart();
    eventually(SOON, "the broker sends again what was not acknowledged", || broker.acks() >= MESSAGES);
    let alarm = gateway.alarm("flip-d0", SOON, |_| true);
    assert_eq!(alarm["state"], "unacknowledged");
    gateway.term();
    let kept = committed(&gateway.data()).must;
    contains(&to_ms(&kept), &publisher.acked()).unwrap();
    let polls = poll_numbers(&kept, "d0");
    assert!((1..=sound).all(|n| polls.binary_search(&n).is_ok()), "of {sound} synced polls some are gone: {polls:?}");
}

#[test]
fn a_stop_while_the_disk_hangs() {
    on_a_sick_disk("stop-hung", SickDisk::hang);
}

#[test]
fn a_stop_while_the_disk_is_full() {
    on_a_sick_disk("stop-full", SickDisk::full);
}

/// How long the slow disk stands still while the process stops.
const SLOW: Duration = Duration::from_secs(2);

#[test]
fn a_stop_on_a_slow_disk_loses_nothing() {
    let _quiet = quiet();
    let (dir, plant) = (Folder::new("stop-slow"), Plant::start(2));
    let Some(disk) = SickDisk::new(&dir.join("data"), dir.path()) else { return not_run("no C compiler: make setup") };
    let environment = disk.environment();
    let environment: Vec<(&str, &str)> = environment.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let site = Site::new("rig").modbus(&plant, 100, 4).patient().text;
    let mut gateway = Gateway::start_with(&site, dir.path(), &environment);
    eventually(SOON, "it polls", || plant.devices[0].polls() > 10);
    disk.hang();
    let status = std::thread::scope(|scope| {
        scope.spawn(|| {
            pause(SLOW);
            disk.heal();
        });
        stopped(&mut gateway).0
    });
    assert!(status.success(), "{status}");
    let (answered, kept) = (plant.devices[0].polls(), poll_numbers(&committed(&gateway.data()).must, "d0"));
    assert!(
        kept.iter().copied().eq(1..=kept.len() as u32) && answered - kept.len() as u32 <= 1,
        "{answered}: {kept:?}"
    );
}

/// Store, webhook, broker and a line each have a name that is being looked up, and no look-up comes back.
#[test]
fn a_stop_while_names_hang() {
    let _quiet = quiet();
    let (dir, plant, broker, stub, receiver) =
        (Folder::new("stop-names"), Plant::start(2), Broker::start(), Stub::start(), Receiver::start());
    let Some(names) = SickNames::new(dir.path()) else { return not_run("no C compiler: make setup") };
    let ways = [broker.port, stub.port(), receiver.port(), plant.ports()[1]].map(Proxy::before);
    let [to_broker, to_store, to_duty, to_line] = &ways;
    let mut site = Site::new("rig").modbus_at(&[plant.ports()[0], to_line.port], 50, 8).patient().flips(0, 1);
    site = site.mqtt(to_broker.port).influx("central", to_store.port).webhook("duty", to_duty.port);
    for way in &ways {
        site.text = site.text.replace(&format!("127.0.0.1:{}", way.port), &format!("there.rig:{}", way.port));
    }
    let environment = names.environment();
    let environment: Vec<(&str, &str)> = environment.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let mut gateway = Gateway::start_with(&site.text, dir.path(), &environment);
    eventually(SOON, "all names are found", || {
        broker.subscribed() && stub.has_some() && plant.devices.iter().all(|d| d.polls() > 3)
    });

    names.hang();
    for line in [Line::Shut, Line::Open] {
        for way in &ways {
            way.set(line);
        }
    }
    plant.devices[0].set(900);
    gateway.alarm("flip-d0", SOON, |_| true);
    let (polls, looked) = (plant.devices[0].polls(), now());
    eventually(SOON, "the others go on", || plant.devices[0].polls() > polls + 40);
    say(&format!("40 polls in {:?} while every name hangs", looked.elapsed()));
    assert!(receiver.seen().is_empty() && gateway.metric("gengfu_link_up", "link=\"broker\"") == 0.0);
    let (status, _) = stopped(&mut gateway);
    assert!(status.success(), "everything could be written: {status}");
    let (answered, kept) = (plant.devices[0].polls(), poll_numbers(&committed(&gateway.data()).must, "d0"));
    assert!(
        kept.iter().copied().eq(1..=kept.len() as u32) && answered - kept.len() as u32 <= 1,
        "{answered}: {kept:?}"
    );
}
