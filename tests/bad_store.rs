//! A store that refuses, stalls or lies down: what it will never take is set aside, what it may yet take is kept.

use std::time::Duration;

use gengfu_tests::counting::committed;
use gengfu_tests::gateway::Gateway;
use gengfu_tests::http::Reply;
use gengfu_tests::plant::Plant;
use gengfu_tests::process::Folder;
use gengfu_tests::site::Site;
use gengfu_tests::stub::Stub;
use gengfu_tests::wait::{eventually, now};

const SOON: Duration = Duration::from_secs(30);

struct Bench {
    _dir: Folder,
    _plant: Plant,
    stub: Stub,
    gateway: Gateway,
}

fn bench(timeout: &str) -> Bench {
    let (dir, plant, stub) = (Folder::new("bad-store"), Plant::start(2), Stub::start());
    let site = Site::new("rig").modbus(&plant, 100, 5).influx("central", stub.port());
    let text = site.text + timeout;
    let gateway = Gateway::start(&text, dir.path());
    eventually(SOON, "records arrive", || !stub.accepted().is_empty());
    Bench { _dir: dir, _plant: plant, stub, gateway }
}

impl Bench {
    fn balance(&self, field: &str) -> u64 {
        self.gateway
            .items("ledger")
            .iter()
            .filter(|b| b["sink"] == "influxdb/central")
            .filter_map(|b| b[field].as_u64())
            .sum()
    }

    /// Once the store is well, all that was committed is there.
    fn nothing_is_lost(mut self) {
        assert_eq!(self.balance("dead"), 0);
        self.gateway.settle(SOON);
        committed(&self.gateway.data()).compare(&self.stub.accepted()).unwrap();
    }
}

/// The store answers so for a while; then it is well again and gets everything.
fn is_tried_again(reply: Reply) {
    let bench = bench("");
    bench.stub.standing(reply);
    let tries = bench.stub.writes().len();
    eventually(SOON, "it is tried again", || bench.stub.writes().len() >= tries + 3);
    assert!(bench.balance("pending") > 0);
    bench.stub.standing(Reply::Status(204, String::new()));
    let well = now();
    eventually(SOON, "it gets records again", || bench.stub.first_after(well).is_some());
    bench.nothing_is_lost();
}

#[test]
fn server_error() {
    is_tried_again(Reply::Status(500, "{}".to_owned()));
}

#[test]
fn unauthorized() {
    is_tried_again(Reply::Status(401, "{\"code\":\"unauthorized\"}".to_owned()));
}

#[test]
fn too_many_requests() {
    is_tried_again(Reply::With(429, "Retry-After: 1".to_owned(), String::new()));
}

#[test]
fn connection_closed_without_answer() {
    is_tried_again(Reply::Close);
}

#[test]
fn never_answers() {
    let bench = bench("timeout = \"500ms\"\n");
    bench.stub.standing(Reply::Hang);
    let tries = bench.stub.writes().len();
    eventually(SOON, "it gives up and tries again", || bench.stub.writes().len() >= tries + 3);
    bench.stub.standing(Reply::Status(204, String::new()));
    bench.nothing_is_lost();
}

#[test]
fn too_large_is_sent_in_smaller_pieces() {
    let bench = bench("");
    bench.stub.standing(Reply::Status(503, String::new()));
    eventually(SOON, "a backlog", || bench.balance("pending") > 200);
    let seen = bench.stub.writes().len();
    bench.stub.script([Reply::Status(413, String::new())]);
    bench.stub.standing(Reply::Status(204, String::new()));
    eventually(SOON, "it goes on", || bench.stub.writes()[seen..].iter().any(|w| w.status == 204));
    let writes = bench.stub.writes();
    let refused = writes.iter().find(|w| w.status == 413).unwrap();
    let next = writes.iter().find(|w| w.at > refused.at && w.lines.first() == refused.lines.first()).unwrap();
    assert!(
        next.lines.len() < refused.lines.len(),
        "{} lines after {} were too large",
        next.lines.len(),
        refused.lines.len()
    );
    bench.nothing_is_lost();
}

#[test]
fn bad_request_sets_aside_only_what_is_bad() {
    let (dir, plant, stub) = (Folder::new("bad-request"), Plant::start(1), Stub::start());
    let site = Site::new("rig").modbus(&plant, 100, 5).influx("central", stub.port()).text;
    // the store will never take a line of r3
    stub.refuse_lines_with(" r3=");
    let mut gateway = Gateway::start(&site, dir.path());
    let dead = |gateway: &Gateway| gateway.items("ledger").iter().filter_map(|b| b["dead"].as_u64()).sum::<u64>();
    eventually(SOON, "some are set aside", || dead(&gateway) >= 3);
    gateway.settle(SOON);
    let expected = committed(&gateway.data());
    let (bad, good): (Vec<_>, Vec<_>) = expected.must.into_iter().partition(|s| s.series.starts_with("device_r3,"));
    assert!(!bad.is_empty());
    gengfu_tests::counting::contains(&stub.accepted(), &good.into_iter().collect()).unwrap();
}
