//! Everything is accounted for: in a run with bad input of every kind the counters equal what the publisher and the
//! plant sent, what the journal holds, and what the store was given.

use std::collections::BTreeMap;

use gengfu_core::quality::Quality;
use gengfu_tests::broker::Broker;
use gengfu_tests::counting::{self, committed, committed_ms, poll_numbers};
use gengfu_tests::gateway::{Gateway, metric};
use gengfu_tests::plant::{Fault, Plant};
use gengfu_tests::process::Folder;
use gengfu_tests::publisher::Publisher;
use gengfu_tests::site::Site;
use gengfu_tests::store::Store;
use gengfu_tests::stub::Stub;
use gengfu_tests::wait::{SOON, eventually, say, until};

/// Longer than the commit window, so that between two polls there is a time with nothing in flight.
const EVERY_MS: u64 = 3_000;
/// Points of each device on the line: `r0` and the counter.
const POINTS: u64 = 2;

/// What is sent, and how often.
const GOOD: u64 = 300;
const NOT_JSON: u64 = 7;
const NO_NUMBER: u64 = 5;
const NO_POINTER: u64 = 4;
/// Devices beyond the limit, each as often.
const STRANGERS: u64 = 3;
const BY_EACH: u64 = 6;
const KNOWN: u64 = 3;

/// The books at one moment, as the gateway keeps them.
#[derive(Debug, Clone, PartialEq)]
struct Books {
    read: f64,
    committed: f64,
    undecodable: f64,
    too_many: f64,
    journal_full: f64,
    messages: f64,
    messages_refused: f64,
    requests: f64,
    exceptions: f64,
    /// Of the telemetry lane, both stores: committed, delivered, pending, dead, thinned and expired.
    sinks: [[f64; 6]; 2],
}

#[test]
fn every_reading_is_accounted_for() {
    let (dir, plant, broker, store, stub) =
        (Folder::new("ledger"), Plant::start(3), Broker::start(), Store::start(), Stub::start());
    plant.devices[1].fault(Fault::Exception(2));
    let site = Site::new("rig").modbus(&plant, EVERY_MS, 3).patient().mqtt(broker.port);
    let site = site.influx("central", store.port).influx("stub", stub.port()).text;
    let site = site.replace("max_devices = 500", &format!("max_devices = {KNOWN}"));
    let mut gateway = Gateway::start(&site, dir.path());
    eventually(SOON, "the gateway has subscribed", || broker.subscribed());
    let mut publisher = Publisher::connect(broker.port);
    send(&mut publisher);
    plant.devices[2].fault(Fault::Silent);
    eventually(SOON, "the silent one is noticed", || gateway.metric("gengfu_modbus_timeouts_total", "") >= 2.0);

    let (books, journal) = until(SOON, "a moment with nothing in flight", || quiet_moment(&mut gateway, &plant));
    say(&format!("{books:?}"));
    let strangers = (STRANGERS * BY_EACH) as f64;
    let refused_messages = (NOT_JSON + NO_NUMBER + NO_POINTER) as f64 + strangers;
    assert_eq!(books.read, books.committed + books.undecodable + books.too_many + books.journal_full);
    assert_eq!(books.messages, publisher.acked_count() as f64, "received is what the broker took");
    assert_eq!(books.messages_refused, refused_messages);
    assert_eq!([books.undecodable, books.too_many, books.journal_full], [NO_POINTER as f64, strangers, 0.0]);
    let asked: u32 = journal.asked.iter().map(|(asked, _)| asked).sum();
    assert_eq!(books.requests, f64::from(asked), "requests sent are those that came");
    assert_eq!(books.exceptions, f64::from(journal.asked[1].0));

    journal.equals(&books, &publisher);
    for sink in books.sinks {
        assert_eq!(sink, [journal.records as f64, journal.records as f64, 0.0, 0.0, 0.0, 0.0], "all delivered");
    }
    // nothing is committed within the window of what is read from now on
    committed(&journal.data()).compare(&stub.accepted()).unwrap();
    assert_eq!(stub.resent(), [], "and nothing twice");
    gateway.settle(SOON);
    committed_ms(&gateway.data()).compare(&store.export()).unwrap();
    committed(&gateway.data()).compare(&stub.accepted()).unwrap();
}

fn send(publisher: &mut Publisher) {
    for n in 0..GOOD {
        publisher.reading(&format!("g{}", n % KNOWN));
    }
    (0..NOT_JSON).for_each(|_| publisher.raw("rig/g0/v", b"\xff{", false));
    (0..NO_NUMBER).for_each(|_| publisher.raw("rig/g1/v", br#"{"v": "warm"}"#, false));
    (0..NO_POINTER).for_each(|_| publisher.raw("rig/g2/v", br#"{"battery": 81}"#, false));
    for _ in 0..BY_EACH {
        for stranger in 0..STRANGERS {
            publisher.reading(&format!("stranger{stranger}"));
        }
    }
    publisher.flush();
}

/// The books and the journal at one moment, if nothing was in flight and nothing moved while both were looked at.
fn quiet_moment(gateway: &mut Gateway, plant: &Plant) -> Option<(Books, Held)> {
    let asked = || plant.devices.iter().map(|device| (device.asked(), device.polls())).collect::<Vec<_>>();
    let (plant_before, before) = (asked(), Books::of(gateway));
    let refused = before.undecodable + before.too_many + before.journal_full;
    let pending: f64 = before.sinks.iter().map(|sink| sink[2]).sum();
    if before.read != before.committed + refused || pending > 0.0 || before.messages < GOOD as f64 {
        return None;
    }
    let data = gateway.data();
    let held = gateway.process().hold();
    let copy = counting::copy(&data);
    drop(held);
    let still = Books::of(gateway) == before && asked() == plant_before;
    still.then(|| (before, Held::open(copy, plant_before)))
}

impl Books {
    fn of(gateway: &Gateway) -> Self {
        let text = gateway.get("/metrics").text();
        let of = |name: &str, label: &str| metric(&text, name, label);
        let readings = |label: &str| of("gengfu_readings_total", label);
        let sink = |name: &str| {
            ["committed", "delivered", "pending", "dead", "thinned", "expired"].map(|state| {
                let label = format!("sink=\"influxdb/{name}\",lane=\"telemetry\",state=\"{state}\"");
                of("gengfu_sink_records", &label)
            })
        };
        Self {
            read: readings("stage=\"read\""),
            committed: readings("stage=\"committed\""),
            undecodable: readings("reason=\"undecodable\""),
            too_many: readings("reason=\"too-many-devices\""),
            journal_full: readings("reason=\"journal-full\""),
            messages: of("gengfu_mqtt_messages_total", ""),
            messages_refused: of("gengfu_mqtt_refused_total", ""),
            requests: of("gengfu_modbus_requests_total", ""),
            exceptions: of("gengfu_modbus_exceptions_total", ""),
            sinks: [sink("central"), sink("stub")],
        }
    }
}

/// A copy of the journal, and what is in it.
struct Held {
    copy: Folder,
    records: usize,
    refused: usize,
    /// Records by device: good ones, and bad ones.
    devices: BTreeMap<String, (u64, u64)>,
    /// Of each Modbus device: requests that came to it, and polls that it answered well.
    asked: Vec<(u32, u32)>,
}

impl Held {
    fn open(copy: Folder, asked: Vec<(u32, u32)>) -> Self {
        let data = copy.join("data");
        let (records, catalog) = counting::journal(&data);
        let mut devices = BTreeMap::<String, (u64, u64)>::new();
        for record in &records {
            let count = devices.entry(catalog.get(record.point).unwrap().device.clone()).or_default();
            match record.quality {
                Quality::Bad(_) => count.1 += 1,
                Quality::Good | Quality::Uncertain(_) => count.0 += 1,
            }
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let again = counting::copy(&data);
        let refused =
            counting::open(&again.join("data"), |journal, _| runtime.block_on(journal.refused(100_000)).unwrap().len());
        Self { copy, records: records.len(), refused, devices, asked }
    }

    fn data(&self) -> std::path::PathBuf {
        self.copy.join("data")
    }

    /// Device by device what was sent, and in all what the counters say.
    fn equals(&self, books: &Books, publisher: &Publisher) {
        assert_eq!(self.refused as f64, books.messages_refused, "each refused message is a record");
        assert_eq!((self.records + self.refused) as f64, books.committed, "committed is what is on disk");
        let of = |device: &str| self.devices.get(device).copied().unwrap_or_default();
        let each = GOOD / KNOWN;
        assert_eq!([of("g0"), of("g1"), of("g2")], [(each, NOT_JSON), (each, NO_NUMBER), (each, 0)]);
        assert_eq!(publisher.acked().len() as u64, GOOD + STRANGERS * BY_EACH);
        assert!((0..STRANGERS).all(|n| of(&format!("stranger{n}")) == (0, 0)), "{:?}", self.devices);

        let ((_, polls), (exceptions, none), (_, before)) = (self.asked[0], self.asked[1], self.asked[2]);
        assert_eq!(poll_numbers(&committed(&self.data()).must, "d0"), (1..=polls).collect::<Vec<_>>());
        assert_eq!(of("d0"), (u64::from(polls) * POINTS, 0));
        assert_eq!(none, 0);
        assert_eq!(of("d1"), (0, u64::from(exceptions) * POINTS), "an exception is a bad reading of each point");
        assert_eq!(of("d2").0, u64::from(before) * POINTS);
        assert!(of("d2").1 > 0, "and so is a timeout");
    }
}
