//! The store goes away while sampling goes on, and comes back.

use std::time::Duration;

use gengfu_tests::counting::{committed, committed_ms};
use gengfu_tests::gateway::Gateway;
use gengfu_tests::plant::Plant;
use gengfu_tests::process::Folder;
use gengfu_tests::proxy::{Line, Proxy};
use gengfu_tests::receiver::Receiver;
use gengfu_tests::site::Site;
use gengfu_tests::store::Store;
use gengfu_tests::stub::Stub;
use gengfu_tests::wait::{always, eventually, length, now, quiet, say, unix_ms};

const DRAIN: Duration = Duration::from_mins(1);
/// A batch being answered when the line is cut may be sent again; so may the one behind it.
const IN_FLIGHT: usize = 2;

#[test]
fn nothing_is_lost_and_nothing_waits() {
    let _quiet = quiet();
    let (dir, plant, store, stub, receiver) =
        (Folder::new("outage"), Plant::start(50), Store::start(), Stub::start(), Receiver::start());
    let (to_store, to_stub) = (Proxy::before(store.port), Proxy::before(stub.port()));
    let site = Site::new("rig").modbus(&plant, 100, 12).flips(0, 1).influx("central", to_store.port);
    let site = site.influx("stub", to_stub.port).webhook("duty", receiver.port()).text;
    let mut gateway = Gateway::start(&site, dir.path());
    eventually(DRAIN, "records arrive", || store.count() > 0 && !stub.accepted().is_empty());

    to_store.set(Line::Shut);
    to_stub.set(Line::Shut);
    let polls = plant.polls();
    let out = length(6, 60);
    hold_outage(&plant, &receiver, out);
    assert!(plant.polls() - polls >= (out.as_secs() * 50 * 10) * 9 / 10, "sampling goes on at its pace");

    let back = now();
    to_store.set(Line::Open);
    to_stub.set(Line::Open);
    let first =
        eventually(Duration::from_secs(10), "first record after the outage", || stub.first_after(back).is_some());
    let first = stub.first_after(back).unwrap_or(first);
    live_is_not_delayed(&stub);
    eventually(DRAIN, "both stores have caught up", || {
        gateway.items("ledger").iter().all(|b| b["pending"].as_u64().is_some_and(|n| n < 5_000))
    });
    let caught_up = back.elapsed();
    gateway.settle(DRAIN);

    say(&format!("outage of {out:?}: first record after {first:?}, caught up after {caught_up:?}"));
    assert!(first <= Duration::from_secs(1), "first record after {first:?}");
    committed_ms(&gateway.data()).compare(&store.export()).unwrap();
    committed(&gateway.data()).compare(&stub.accepted()).unwrap();
    let largest = stub.writes().iter().map(|w| w.lines.len()).max().unwrap_or(0);
    let resent = stub.resent().len();
    assert!(resent <= IN_FLIGHT * largest, "{resent} lines re-sent, {IN_FLIGHT} batches of {largest} at most");
    assert!(receiver.complete().unwrap() >= 2);
}

/// Halfway through, an alarm comes and goes: it is pushed at once.
fn hold_outage(plant: &Plant, receiver: &Receiver, out: Duration) {
    always(out / 2, "nothing stops sampling", || true);
    let raised = now();
    plant.devices[0].set(900);
    let push = receiver.expect(Duration::from_secs(5), "alarm in the outage", |p| p.word("event") == "raise");
    let late = push.at - raised;
    assert!(late <= Duration::from_secs(1), "pushed after {late:?}");
    assert_eq!(push.body["durable"], true);
    plant.devices[0].set(0);
    receiver.expect(Duration::from_secs(5), "return in the outage", |p| p.word("event") == "return");
    always(out / 2, "nothing stops sampling", || true);
}

/// While the backlog drains, a reading of now reaches the store within a second or two.
fn live_is_not_delayed(stub: &Stub) {
    let since = unix_ms();
    let took = eventually(Duration::from_secs(2), "a live reading passes the backlog", || {
        let writes = stub.writes();
        writes.iter().rev().take(20).filter(|w| w.status == 204).any(|w| {
            w.lines.iter().any(|l| {
                l.rsplit(' ').next().and_then(|t| t.parse::<i64>().ok()).is_some_and(|t| t / 1_000_000 > since)
            })
        })
    });
    say(&format!("a live reading passed the backlog in {took:?}"));
}

#[test]
fn a_store_that_freezes_delays_no_alarm() {
    let _quiet = quiet();
    let (dir, plant, stub, receiver) = (Folder::new("frozen"), Plant::start(2), Stub::start(), Receiver::start());
    let proxy = Proxy::before(stub.port());
    let site = Site::new("rig").modbus(&plant, 100, 4).flips(0, 2).influx("central", proxy.port);
    let mut gateway = Gateway::start(&site.webhook("duty", receiver.port()).text, dir.path());
    eventually(DRAIN, "records arrive", || !stub.accepted().is_empty());
    proxy.set(Line::Frozen);
    let raised = now();
    plant.devices[1].set(900);
    let push = receiver.expect(Duration::from_secs(5), "alarm", |p| p.word("device") == "d1");
    assert!(push.at - raised <= Duration::from_secs(1), "pushed after {:?}", push.at - raised);
    gateway.alarm("flip-d1", Duration::from_secs(1), |a| a["state"] == "unacknowledged");
    gateway.term();
}
