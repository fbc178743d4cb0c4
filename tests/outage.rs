//! The store goes away while sampling goes on, and comes back: with every record compared, and at full rate.
//!
//! `make long-outage` holds each outage for five minutes, CI for seconds; `GENGFU_LONG=600` takes ten.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use gengfu_tests::counting::{committed, committed_ms};
use gengfu_tests::gateway::Gateway;
use gengfu_tests::meter::Counting;
use gengfu_tests::plant::Plant;
use gengfu_tests::process::Folder;
use gengfu_tests::proxy::{Line, Proxy};
use gengfu_tests::receiver::Receiver;
use gengfu_tests::site::Site;
use gengfu_tests::store::Store;
use gengfu_tests::stub::Stub;
use gengfu_tests::wait::{always, eventually, length, now, quiet, say, unix_ms};

/// The outage of the long form, s.
const LONG: u64 = 300;
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
    let out = length(12, LONG);
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

/// Registers of a device at full rate: 100 points each, the poll counter takes two. With [`DEVICES`] and [`EVERY_MS`] 50,000 readings a
/// second.
const FULL_REGISTERS: u16 = 101;
const FULL_RATE: u64 = DEVICES as u64 * (FULL_REGISTERS as u64 - 1) * 1_000 / EVERY_MS;
/// How much later than before the outage a live reading may be while the backlog leaves. A gateway that sent the backlog first would
/// make it as late as the drain is long.
const LATER: i64 = 2_000;

/// The store counts and is no bottleneck, so the drain is as fast as the gateway makes it.
#[test]
fn at_full_rate_what_is_live_does_not_wait_for_the_backlog() {
    let _quiet = quiet();
    let (dir, plant, store) = (Folder::new("outage-full"), Plant::without_log(DEVICES), Counting::start());
    let way = Proxy::before(store.port);
    let site = Site::new("rig").modbus(&plant, EVERY_MS, FULL_REGISTERS).influx("central", way.port).text;
    let mut gateway = Gateway::start(&site, dir.path());
    eventually(DRAIN, "readings arrive", || store.live() > FULL_RATE);
    store.forget_latest();
    always(3 * SECOND, "a time to compare with", || true);
    let calm = store.latest();

    way.set(Line::Shut);
    let (out, polls) = (length(3, LONG), plant.polls());
    always(out, "nothing stops sampling", || true);
    let wanted = out.as_secs() * FULL_RATE / u64::from(FULL_REGISTERS - 1);
    let polled = plant.polls() - polls;
    assert!(polled >= wanted * 9 / 10, "sampling goes on at its pace: {polled} polls of {wanted}");

    let owed = pending(&gateway)["influxdb/central"];
    let had = store.old() + store.live();
    store.old_before(unix_ms());
    let back = now();
    way.set(Line::Open);
    eventually(DRAIN, "first record after the outage", || store.old() + store.live() > had);
    let first = back.elapsed();
    // what was made up to here waited for the connection, not for the backlog
    store.old_before(unix_ms());
    store.forget_latest();
    let (early, live) = (store.old(), store.live());
    eventually(DRAIN + out, "the backlog has left", || store.old() >= owed);
    let took = back.elapsed().saturating_sub(first);
    // a short drain is over before the next live readings are due
    eventually(DRAIN, "live readings beside it", || store.live() > live);
    let late = store.latest();
    let memory = gateway.process().resident();
    say(&format!(
        "outage of {out:?} at {FULL_RATE} readings/s: {owed} owed, first record {first:?} after the return, drained in {took:?}, {:.0} \
         readings/s beside the live ones, which came {late} ms late at worst ({calm} without a backlog); {memory:.1} MiB resident",
        owed.saturating_sub(early) as f64 / took.as_secs_f64()
    ));
    assert!(late <= calm + LATER, "live readings came {late} ms late, {calm} without a backlog");

    let books = gateway.settle(DRAIN);
    let book = books["items"].as_array().unwrap().iter().find(|book| book["lane"] == "telemetry").unwrap();
    let number = |name: &str| book[name].as_u64().unwrap();
    assert_eq!(number("committed"), number("delivered"), "{book}");
    let counted = store.old() + store.live();
    let twice = counted.checked_sub(number("delivered")).expect("the store has all that the ledger calls delivered");
    say(&format!(
        "outage: {counted} values at the store, {twice} of them twice; {} delivered by the ledger",
        number("delivered")
    ));
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
