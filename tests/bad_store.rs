//! A store that refuses, stalls or lies down: what it will never take is set aside, what it may yet take is kept, and
//! meanwhile nothing on its left notices.

use std::time::{Duration, Instant};

use gengfu_tests::counting::{Sample, Set, committed, contains, journal};
use gengfu_tests::gateway::{Gateway, run};
use gengfu_tests::http::Reply;
use gengfu_tests::owed::owe;
use gengfu_tests::plant::Plant;
use gengfu_tests::process::Folder;
use gengfu_tests::receiver::Receiver;
use gengfu_tests::site::Site;
use gengfu_tests::stub::{Stub, Write, beyond_retention, fields, time};
use gengfu_tests::wait::{SOON, eventually, now, say, unix_ms};

const SINK: &str = "influxdb/central";

struct Bench {
    dir: Folder,
    plant: Plant,
    stub: Stub,
    receiver: Receiver,
    gateway: Gateway,
}

fn bench(timeout: &str) -> Bench {
    let (dir, plant, stub, receiver) = (Folder::new("bad-store"), Plant::start(2), Stub::start(), Receiver::start());
    let site = Site::new("rig").modbus(&plant, 100, 5).flips(0, 1).webhook("duty", receiver.port());
    let text = site.influx("central", stub.port()).text + timeout;
    let gateway = Gateway::start(&text, dir.path());
    eventually(SOON, "records arrive", || !stub.accepted().is_empty());
    Bench { dir, plant, stub, receiver, gateway }
}

/// A term of the sink's balance, both lanes together.
fn balance(gateway: &Gateway, field: &str) -> u64 {
    let items = gateway.items("ledger");
    items.iter().filter(|b| b["sink"] == SINK).filter_map(|b| b[field].as_u64()).sum()
}

impl Bench {
    /// The store is called down, with `words`, on the status and in the metrics.
    fn told(&self, words: &str) {
        eventually(SOON, &format!("the store is called down for {words}"), || {
            let status = self.gateway.api("status");
            let links = status["links"].as_array().unwrap().clone();
            let link = links.into_iter().find(|link| link["name"] == SINK).unwrap();
            link["state"] == "down" && link["why"].as_str().is_some_and(|why| why.contains(words))
        });
        assert_eq!(self.gateway.metric("gengfu_link_up", &format!("link=\"{SINK}\"")), 0.0);
        assert!(self.gateway.metric("gengfu_forward_failures_total", "") > 0.0);
    }

    /// The sick store holds nobody up: polls go on and an alarm gets out at once.
    fn nothing_waits_for_it(&self) {
        let before = self.gateway.stage("committed");
        eventually(SOON, "polls go on", || self.gateway.stage("committed") > before + 50.0);
        let flipped = now();
        self.plant.devices[0].set(900);
        let push = self.receiver.expect(SOON, "the raise", |p| p.word("event") == "raise");
        assert!(push.at - flipped < Duration::from_secs(2), "pushed {:?} after the change", push.at - flipped);
        assert_eq!(push.body["durable"], true, "the journal does not wait for a store either");
        self.plant.devices[0].set(0);
        self.receiver.expect(SOON, "the return", |p| p.word("event") == "return");
    }

    /// Once the store is well, all that was committed is there, and it is called up again.
    fn nothing_is_lost(mut self) {
        assert_eq!(balance(&self.gateway, "dead"), 0);
        eventually(SOON, "the store is called up", || {
            self.gateway.metric("gengfu_link_up", &format!("link=\"{SINK}\"")) == 1.0
        });
        self.gateway.settle(SOON);
        let expected = committed(&self.gateway.data());
        expected.compare(&self.stub.accepted()).unwrap();
        let again = self.stub.resent().len();
        say(&format!("{} samples kept and delivered, {again} lines re-sent", expected.must.len()));
    }
}

/// The store answers so for a while; then it is well again and gets everything.
fn is_tried_again(reply: Reply, timeout: &str, words: &str) {
    let bench = bench(timeout);
    bench.stub.standing(reply);
    let tries = bench.stub.writes().len();
    eventually(SOON, "it is tried again", || bench.stub.writes().len() >= tries + 3);
    bench.told(words);
    bench.nothing_waits_for_it();
    assert!(balance(&bench.gateway, "pending") > 0);
    bench.stub.standing(Reply::Status(204, String::new()));
    let well = now();
    eventually(SOON, "it gets records again", || bench.stub.first_after(well).is_some());
    let took = bench.stub.first_after(well).unwrap();
    assert!(took <= Duration::from_millis(2_500), "first record {took:?} after it was well");
    say(&format!("{words}: first record {took:?} after it was well"));
    bench.nothing_is_lost();
}

#[test]
fn server_error() {
    is_tried_again(Reply::Status(500, "{\"code\":\"internal error\"}".to_owned()), "", "500");
}

#[test]
fn unauthorized() {
    is_tried_again(Reply::Status(401, "{\"code\":\"unauthorized\"}".to_owned()), "", "check token_file");
}

#[test]
fn a_new_token_is_taken_up_without_a_restart() {
    let bench = bench("");
    bench.stub.want_token("fresh-token");
    bench.told("401");
    std::fs::write(bench.dir.join("influx.token"), "fresh-token\n").unwrap();
    let mended = now();
    eventually(SOON, "it gets records again", || bench.stub.first_after(mended).is_some());
    bench.nothing_is_lost();
}

#[test]
fn too_many_requests() {
    is_tried_again(Reply::With(429, "Retry-After: 1".to_owned(), String::new()), "", "429");
}

/// Answered as before, but for how long it wants to be left alone; the first answer is given to a client that does not show that.
#[test]
fn a_store_that_says_when_is_not_asked_before() {
    for status in [429, 503] {
        let wait = Duration::from_secs(2);
        let bench = bench("");
        let seen = bench.stub.writes().len();
        bench.stub.standing(Reply::With(status, format!("Retry-After: {}", wait.as_secs()), String::new()));
        let refused = || -> Vec<Instant> {
            bench.stub.writes()[seen..].iter().filter(|write| write.status == status).map(|write| write.at).collect()
        };
        // one request of each loop may have been under way
        eventually(SOON, "it is asked again and again", || refused().len() >= 6);
        let apart: Vec<Duration> = refused().windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(apart.iter().skip(3).all(|apart| *apart >= wait), "{status}: {apart:?}");
        bench.told(&status.to_string());
        bench.stub.standing(Reply::Status(204, String::new()));
        bench.nothing_is_lost();
        say(&format!("{status} with Retry-After {wait:?}: asked after {apart:?}"));
    }
}

#[test]
fn connection_closed_without_answer() {
    is_tried_again(Reply::Close, "", "");
}

#[test]
fn never_answers() {
    is_tried_again(Reply::Hang, "timeout = \"500ms\"\n", "no answer in time");
}

#[test]
fn too_large_is_sent_in_smaller_pieces() {
    let bench = bench("");
    bench.stub.standing(Reply::Status(503, String::new()));
    eventually(SOON, "a backlog", || balance(&bench.gateway, "pending") > 200);
    let seen = bench.stub.writes().len();
    // no more than this from now on, whatever is tried
    bench.stub.take_at_most(4);
    bench.stub.standing(Reply::Status(204, String::new()));
    let pieces = || bench.stub.writes()[seen..].iter().filter(|w| w.status == 204).count();
    eventually(SOON, "it goes on in pieces", || pieces() > 20);
    let writes = bench.stub.writes();
    let refused: Vec<usize> = writes.iter().filter(|w| w.status == 413).map(|w| w.lines.len()).collect();
    assert!(refused.iter().any(|lines| *lines > 8), "one was far too large: {refused:?}");
    assert!(refused.len() < 20, "the size that fits is remembered: {refused:?}");
    assert!(writes[seen..].iter().all(|w| w.status != 204 || w.lines.len() <= 4));
    say(&format!("too large: {refused:?} lines, then {} pieces", pieces()));
    bench.nothing_is_lost();
}

#[test]
fn bad_request_sets_aside_only_what_is_bad() {
    let (dir, plant, stub) = (Folder::new("bad-request"), Plant::start(2), Stub::start());
    let site = Site::new("rig").modbus(&plant, 100, 6).influx("central", stub.port()).text;
    stub.refuse_field("r3");
    let mut gateway = Gateway::start(&site, dir.path());
    eventually(SOON, "some are set aside", || balance(&gateway, "dead") >= 10);
    // it goes on at the pace of the sampling: what is bad does not dam up what is good
    eventually(SOON, "it follows the present", || balance(&gateway, "pending") < 100);
    gateway.settle(SOON);

    let expected = committed(&gateway.data());
    let (bad, good): (Vec<_>, Vec<_>) = expected.must.into_iter().partition(|s| s.series.starts_with("device_r3,"));
    assert!(!bad.is_empty());
    contains(&stub.accepted(), &good.into_iter().collect()).unwrap();
    assert!(!stub.accepted().iter().any(|s| s.series.starts_with("device_r3,")));
    // the dead are exactly those records, and are remembered over a restart
    let (records, catalog) = journal(&gateway.data());
    let named = |name: &str| catalog.find(name).unwrap();
    let refused = records.iter().filter(|r| [named("d0/r3"), named("d1/r3")].contains(&r.point)).count();
    gateway.restart();
    assert_eq!(balance(&gateway, "dead"), refused as u64);
    let sent = stub.writes().len();
    say(&format!("{refused} of {} records dead, in {sent} requests", records.len()));
    gateway.term();
}

#[test]
fn forgets_its_bucket() {
    let gone = "{\"code\":\"not found\",\"message\":\"bucket \\\"rig\\\" not found\"}".to_owned();
    is_tried_again(Reply::Status(404, gone), "", "check org and bucket");
}

#[test]
fn hangs_in_the_middle_of_its_answer() {
    is_tried_again(Reply::Half(400), "timeout = \"500ms\"\n", "");
}

/// A store that answers 204 and keeps half, or nothing: no gateway can see that. What it was sent is counted as delivered
/// and nothing else is, and the journal still holds it for whoever finds out.
#[test]
fn says_it_has_what_it_has_not() {
    let mut bench = bench("");
    for keeps_one_in in [2, usize::MAX] {
        bench.stub.lies(Some(keeps_one_in));
        bench.nothing_waits_for_it();
    }
    bench.stub.lies(None);
    let from = now();
    eventually(SOON, "it keeps records again", || bench.stub.first_after(from).is_some());
    assert_eq!(balance(&bench.gateway, "dead"), 0);
    bench.gateway.settle(SOON);
    let expected = committed(&bench.gateway.data());
    assert!(contains(&bench.stub.accepted(), &expected.must).is_err(), "it did lie");

    let out = run(&["export", "-c", "site.toml", "--format", "line"], bench.dir.path());
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let again: Set = String::from_utf8(out.stdout).unwrap().lines().flat_map(fields).collect();
    let all: Set = bench.stub.accepted().union(&again).cloned().collect();
    expected.compare(&all).unwrap();
    say(&format!("{} of {} samples came back out of the journal", again.len(), expected.must.len()));
}

/// Something that speaks JSON and refuses all: a wrong port, a proxy, a store that is ill.
#[test]
fn bad_request_to_everything_gives_nothing_up() {
    let everything = "{\"code\":\"invalid\",\"message\":\"no\"}".to_owned();
    is_tried_again(Reply::Status(400, everything), "", "it takes none of many records");
}

/// An outage's records, each a line of its own; of every so many one lies beyond what the store keeps.
const OWED: u64 = 50_000;
const ONE_IN: u64 = 10_000;
/// Lines the store takes a second on a connection, so that the backlog lasts.
const PACE: f64 = 20_000.0;
/// A record that stands alone in the end is halved out of 20,000: fifteen times two requests, and one for the batch.
const OF_EACH: u64 = 2 * 15 + 1;

/// A store that writes a body but for one line in ten thousand: exactly those are dead, in its words, at the price of a few requests.
#[test]
fn one_line_in_ten_thousand_lies_beyond_retention() {
    let (dir, plant, stub) = (Folder::new("beyond"), Plant::start(2), Stub::paced(PACE));
    let (begin, year) = (unix_ms() - 600_000, 365 * 86_400_000);
    let beyond = |number: u64| number % ONE_IN == ONE_IN / 2;
    let at = |number: u64| begin + number as i64 - if beyond(number) { year } else { 0 };
    let owed = owe(&dir.join("data"), SINK, 1, |number| (0, at(number), number as f64), |written| written >= OWED);
    let bad = (0..owed).filter(|number| beyond(*number)).count() as u64;
    stub.keep_from((begin - year / 2) * 1_000_000);
    let site = Site::new("rig").modbus(&plant, 100, 5).patient().influx("central", stub.port()).text;
    let mut gateway = Gateway::start(&site, dir.path());
    eventually(SOON, "the backlog has left", || balance(&gateway, "dead") >= bad && balance(&gateway, "pending") < 100);

    let told = run(&["dead", "-c", "site.toml", "--json"], dir.path());
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    let letters = told["items"].as_array().unwrap();
    let in_its_words = |reason: &str| reason == format!("400: {}", beyond_retention(1));
    assert!(letters.iter().all(|l| l["count"] == 1 && in_its_words(l["reason"].as_str().unwrap())), "{told}");
    assert_eq!(letters.len() as u64, bad);

    let books = gateway.settle(SOON);
    let telemetry = |field: &str| {
        let items = books["items"].as_array().unwrap();
        items.iter().find(|b| b["sink"] == SINK && b["lane"] == "telemetry").unwrap()[field].as_u64().unwrap()
    };
    assert_eq!(telemetry("dead"), bad);
    assert_eq!(telemetry("delivered") + bad, telemetry("committed"), "all others are delivered");
    let good = (0..owed).filter(|number| !beyond(*number));
    let good: Set = good.map(|n| Sample::new("device_p0,past", at(n) * 1_000_000, n as f64)).collect();
    let accepted = stub.accepted();
    contains(&accepted, &good).unwrap();
    assert_eq!(accepted.iter().filter(|s| s.series == "device_p0,past").count(), good.len(), "and no other");
    assert_eq!(stub.resent(), [], "what was taken is not sent again");
    the_present_went_on(&stub, owed, bad);
}

/// Meanwhile live readings arrived, each long before the end of that; and it did not take many requests.
fn the_present_went_on(stub: &Stub, owed: u64, bad: u64) {
    let writes = stub.writes();
    let old = |write: &Write| write.lines.iter().any(|line| line.contains("device=past"));
    let of_the_past: Vec<&Write> = writes.iter().filter(|write| old(write)).collect();
    let (first, last) = (of_the_past[0].unix_ms, of_the_past[of_the_past.len() - 1].unix_ms);
    let took = last - first;
    let live =
        writes.iter().filter(|write| write.status == 204 && (first..last).contains(&write.unix_ms) && !old(write));
    let late = live.flat_map(|write| write.lines.iter().map(|line| write.unix_ms - time(line).unwrap() / 1_000_000));
    let late: Vec<i64> = late.collect();
    let (requests, worst) = (of_the_past.len() as u64, late.iter().copied().max().unwrap_or(i64::MAX));
    say(&format!(
        "{owed} records, {bad} of them beyond retention: {requests} requests in {took} ms, {} live lines meanwhile, at worst \
         {worst} ms after their reading",
        late.len()
    ));
    assert!(late.len() > 10 && worst < took / 2, "live lines waited: {worst} ms of {took}");
    let batches = owed.div_ceil(10_000);
    assert!(requests <= bad * OF_EACH + batches, "{requests} requests for {bad} bad records");
}
