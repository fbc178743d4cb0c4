//! The store goes away while sampling goes on, and comes back.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

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
const SECOND: Duration = Duration::from_secs(1);
const DEVICES: usize = 50;
const EVERY_MS: u64 = 100;
/// Lines (polls) a second the stub takes on a connection, six times what is read: slow enough for the drain to last.
const PACE: f64 = 3_000.0;
/// Less than this is the present.
const CAUGHT_UP: u64 = 5_000;
/// Batches under way when the line is cut: of readings one live and one of the backlog, of alarms one.
const READINGS_IN_FLIGHT: usize = 2;
const ALARMS_IN_FLIGHT: usize = 1;

#[test]
fn nothing_is_lost_and_nothing_waits() {
    let _quiet = quiet();
    let (dir, plant, store, stub, receiver) =
        (Folder::new("outage"), Plant::start(DEVICES), Store::start(), Stub::paced(PACE), Receiver::start());
    let (to_store, to_stub) = (Proxy::before(store.port), Proxy::before(stub.port()));
    let site = Site::new("rig").modbus(&plant, EVERY_MS, 12).flips(0, 1).influx("central", to_store.port);
    let site = site.influx("stub", to_stub.port).webhook("duty", receiver.port()).text;
    let mut gateway = Gateway::start(&site, dir.path());
    eventually(DRAIN, "records arrive", || store.count() > 0 && stub.has_some());
    let calm = unix_ms();
    always(3 * SECOND, "a time to compare with", || true);

    let gone = unix_ms();
    to_store.set(Line::Shut);
    eventually(10 * SECOND, "a batch is in flight", || stub.answering());
    to_stub.set(Line::Shut);
    let polls = plant.polls();
    let out = length(12, 60);
    let raised = hold_outage(&plant, &receiver, out);
    let wanted = out.as_secs() * DEVICES as u64 * 1_000 / EVERY_MS;
    assert!(plant.polls() - polls >= wanted * 9 / 10, "sampling goes on at its pace");

    let owed = pending(&gateway);
    let (back, back_ms) = (now(), unix_ms());
    to_store.set(Line::Open);
    to_stub.set(Line::Open);
    eventually(10 * SECOND, "first record after the outage", || stub.first_after(back).is_some());
    let first = stub.first_after(back).unwrap();
    // of a long outage the stub alone takes its time
    let drain = DRAIN + out;
    let mut caught_up = BTreeMap::new();
    eventually(drain, "both stores have caught up", || {
        let behind = pending(&gateway);
        for (sink, _) in behind.iter().filter(|(_, pending)| **pending < CAUGHT_UP) {
            caught_up.entry(sink.clone()).or_insert_with(|| back.elapsed());
        }
        behind.values().all(|pending| *pending < CAUGHT_UP)
    });
    always(SECOND, "the last of the drain arrives", || true);
    let stopped = unix_ms();
    gateway.settle(drain);

    say(&format!("outage of {out:?}: alarm pushed after {raised:?}, first record {first:?} after the return"));
    for (sink, took) in &caught_up {
        let rate = owed[sink] as f64 / took.as_secs_f64();
        say(&format!(
            "outage of {out:?}: {sink} was owed {} and caught up after {took:?}, {rate:.0} readings/s",
            owed[sink]
        ));
    }
    assert!(first <= SECOND, "first record after {first:?}");
    let before = worst_lateness(&stub, "before the outage", calm, gone - 1_000);
    // what is read in the second before the stop is sent after the next start
    let from = back_ms + first.as_millis() as i64;
    let during =
        worst_lateness(&stub, "while the backlog drained", from, drained(&stub, gone, back_ms).min(stopped - 1_000));
    assert!(during <= before + LIVE_MARGIN, "live readings came {during:?} late, {before:?} without a backlog");

    committed_ms(&gateway.data()).compare(&store.export()).unwrap();
    committed(&gateway.data()).compare(&stub.accepted()).unwrap();
    sent_again_at_most_what_was_in_flight(&stub);
    assert!(receiver.complete().unwrap() >= 2);
}

/// Readings that each store is owed.
fn pending(gateway: &Gateway) -> BTreeMap<String, u64> {
    let lane = gateway.items("ledger").into_iter().filter(|b| b["lane"] == "telemetry");
    lane.map(|b| (b["sink"].as_str().unwrap().to_owned(), b["pending"].as_u64().unwrap())).collect()
}

/// Halfway through, an alarm comes and goes: it is pushed at once. Gives how long that took.
fn hold_outage(plant: &Plant, receiver: &Receiver, out: Duration) -> Duration {
    always(out / 2, "nothing stops sampling", || true);
    let raised = now();
    plant.devices[0].set(900);
    let late = pushed_within_a_second(receiver, raised, "raise");
    plant.devices[0].set(0);
    receiver.expect(Duration::from_secs(5), "return in the outage", |p| p.word("event") == "return");
    always(out / 2, "nothing stops sampling", || true);
    late
}

fn pushed_within_a_second(receiver: &Receiver, changed: Instant, event: &str) -> Duration {
    let push = receiver.expect(Duration::from_secs(5), "alarm in the outage", |p| p.word("event") == event);
    let late = push.at - changed;
    assert!(late <= SECOND, "pushed after {late:?}");
    assert_eq!(push.body["durable"], true);
    late
}

/// What the two requests that a live end not far behind may take (20,000 readings, 1,800 polls) cost at that pace.
const LIVE_MARGIN: Duration = Duration::from_millis(700);

/// Over all readings made in this time (UTC ms): arrival at the store less the time of the reading, the worst.
fn worst_lateness(stub: &Stub, when: &str, from: i64, to: i64) -> Duration {
    let late = |(at, came): (i64, i64)| (from..to).contains(&at).then_some(came - at);
    let late: Vec<i64> = stub.times().into_iter().filter_map(late).collect();
    assert!(late.len() > 100, "only {} readings {when}, from {from} to {to}", late.len());
    let worst = Duration::from_millis(late.iter().copied().max().unwrap_or(0).max(0) as u64);
    say(&format!("outage: {} live readings {when}, worst {worst:?} from reading to store", late.len()));
    worst
}

/// When the last reading of the outage came (UTC ms).
fn drained(stub: &Stub, gone: i64, back: i64) -> i64 {
    stub.times().into_iter().filter(|(at, _)| (gone..back).contains(at)).map(|(_, came)| came).max().unwrap()
}

fn sent_again_at_most_what_was_in_flight(stub: &Stub) {
    let readings = stub.resent_batches(|line| !line.starts_with("alarm,"));
    let alarms = stub.resent_batches(|line| line.starts_with("alarm,"));
    let lines = stub.resent();
    say(&format!("outage: {readings} batches of readings and {alarms} of alarms sent again, {} lines", lines.len()));
    assert!(readings <= READINGS_IN_FLIGHT && alarms <= ALARMS_IN_FLIGHT, "{readings} and {alarms} batches re-sent");
    assert!(lines.iter().all(|(_, times)| *times == 2), "one fault, one re-send");
}

#[test]
fn a_store_that_freezes_delays_no_alarm() {
    let _quiet = quiet();
    let (dir, plant, stub, receiver) = (Folder::new("frozen"), Plant::start(2), Stub::start(), Receiver::start());
    let proxy = Proxy::before(stub.port());
    let site = Site::new("rig").modbus(&plant, EVERY_MS, 4).flips(0, 2).influx("central", proxy.port);
    let mut gateway = Gateway::start(&site.webhook("duty", receiver.port()).text, dir.path());
    eventually(DRAIN, "records arrive", || stub.has_some());
    proxy.set(Line::Frozen);
    let raised = now();
    plant.devices[1].set(900);
    let late = pushed_within_a_second(&receiver, raised, "raise");
    say(&format!("frozen store: alarm pushed after {late:?}"));
    gateway.alarm("flip-d1", SECOND, |a| a["state"] == "unacknowledged");
    gateway.term();
}
