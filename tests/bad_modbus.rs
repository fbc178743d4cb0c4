//! Replies that are wrong: none of them becomes a value, and none keeps the device lost once it is well again.

use std::time::Duration;

use gengfu_tests::counting::{committed, journal, poll_numbers};
use gengfu_tests::gateway::Gateway;
use gengfu_tests::plant::{Fault, Plant};
use gengfu_tests::process::Folder;
use gengfu_tests::proxy::{Line, Proxy};
use gengfu_tests::site::Site;
use gengfu_tests::wait::{SOON, always, quiet};

/// While the device misbehaves its points are bad; afterwards they are good again and no false value was stored.
fn becomes_quality(fault: Fault) {
    let _quiet = quiet();
    let (dir, plant) = (Folder::new("bad-modbus"), Plant::start(1));
    let device = &plant.devices[0];
    device.set(77);
    let mut gateway = Gateway::start(&Site::new("rig").modbus(&plant, 100, 6).text, dir.path());
    gateway.value("d0/r0", SOON, |v| v == Some(77.0));
    device.fault(fault);
    gateway.quality("d0/r0", SOON, "bad", None);
    always(Duration::from_millis(700), "no value while it misbehaves", || {
        gateway.point("d0/r0").is_none_or(|p| p["value"].is_null())
    });
    device.fault(Fault::Sound);
    gateway.value("d0/r0", SOON, |v| v == Some(77.0));
    gateway.term();

    let (records, catalog) = journal(&gateway.data());
    let r0 = catalog.find("d0/r0").unwrap();
    let odd = records.iter().find(|r| r.point == r0 && r.quality.has_value() && r.value != 77.0);
    assert!(odd.is_none(), "a value that was never there: {odd:?}");
    let numbers = poll_numbers(&committed(&gateway.data()).must, "d0");
    assert!(numbers.windows(2).all(|pair| pair[1] > pair[0]), "a poll's values stored twice: {numbers:?}");
}

#[test]
fn silent() {
    becomes_quality(Fault::Silent);
}

#[test]
fn exception() {
    becomes_quality(Fault::Exception(2));
}

#[test]
fn gateway_target_failed() {
    becomes_quality(Fault::Exception(0x0B));
}

#[test]
fn garbage() {
    becomes_quality(Fault::Garbage);
}

#[test]
fn short() {
    becomes_quality(Fault::Short);
}

#[test]
fn long() {
    becomes_quality(Fault::Long);
}

#[test]
fn of_another_unit() {
    becomes_quality(Fault::OtherUnit);
}

#[test]
fn of_another_transaction() {
    becomes_quality(Fault::OtherTransaction);
}

#[test]
fn late_by_one_request() {
    becomes_quality(Fault::LateByOne);
}

#[test]
fn slower_than_the_timeout() {
    becomes_quality(Fault::Slow(350));
}

#[test]
fn closes_on_every_request() {
    becomes_quality(Fault::Closes);
}

#[test]
fn a_line_that_freezes_and_one_that_refuses() {
    let _quiet = quiet();
    let (dir, plant) = (Folder::new("line"), Plant::start(1));
    let proxy = Proxy::before(plant.ports()[0]);
    let site = Site::new("rig").modbus(&plant, 100, 4).text;
    let site = site.replace(&format!(":{}\"", plant.ports()[0]), &format!(":{}\"", proxy.port));
    let mut gateway = Gateway::start(&site, dir.path());
    for line in [Line::Frozen, Line::Shut] {
        gateway.quality("d0/r0", SOON, "good", None);
        proxy.set(line);
        gateway.quality("d0/r0", SOON, "bad", None);
        proxy.set(Line::Open);
    }
    gateway.quality("d0/r0", SOON, "good", None);
    gateway.term();
}
