//! The rig by itself: a tool that lies is worse than none.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use gengfu_tests::broker::Broker;
use gengfu_tests::browser::Browser;
use gengfu_tests::counting::{Expected, Sample, Set};
use gengfu_tests::http::{self, Reply};
use gengfu_tests::plant::{Fault, Plant};
use gengfu_tests::process::{Folder, installed};
use gengfu_tests::proxy::{Line, Proxy};
use gengfu_tests::publisher::Publisher;
use gengfu_tests::pymodbus::PyModbus;
use gengfu_tests::receiver::Receiver;
use gengfu_tests::shim::SickDisk;
use gengfu_tests::store::Store;
use gengfu_tests::stub::{Stub, fields};
use gengfu_tests::wait::{SOON, always, eventually, not_run, now};

/// One request for holding registers 0.. of unit 1, transaction 7; the raw reply.
fn poll(port: u16, count: u8) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    stream.write_all(&[0, 7, 0, 0, 0, 6, 1, 3, 0, 0, 0, count]).unwrap();
    let mut reply = vec![0; 300];
    let got = stream.read(&mut reply).unwrap_or(0);
    reply.truncate(got);
    reply
}

#[test]
fn devices_count_their_polls_and_misbehave_on_command() {
    let plant = Plant::start(1);
    let device = &plant.devices[0];
    device.set(900);
    assert_eq!(poll(plant.ports()[0], 3), [0, 7, 0, 0, 0, 9, 1, 3, 6, 3, 132, 0, 0, 0, 1]);
    assert_eq!(poll(plant.ports()[0], 3)[14], 2);
    assert_eq!(device.log().iter().map(|(n, _)| *n).collect::<Vec<_>>(), [1, 2]);
    device.fault(Fault::Exception(2));
    assert_eq!(poll(plant.ports()[0], 3), [0, 7, 0, 0, 0, 3, 1, 0x83, 2]);
    device.fault(Fault::Short);
    assert_eq!(poll(plant.ports()[0], 3)[8], 4);
    device.fault(Fault::OtherTransaction);
    assert_eq!(poll(plant.ports()[0], 3)[1], 107);
    device.fault(Fault::Silent);
    assert!(poll(plant.ports()[0], 3).is_empty());
    assert_eq!(device.polls(), 2, "a poll that was not answered well does not count");
}

#[test]
fn proxy_opens_shuts_freezes_and_cuts() {
    let plant = Plant::start(1);
    let proxy = Proxy::before(plant.ports()[0]);
    assert!(!poll(proxy.port, 3).is_empty());
    proxy.set(Line::Shut);
    assert!(TcpStream::connect(("127.0.0.1", proxy.port)).is_err());
    proxy.set(Line::Frozen);
    assert!(poll(proxy.port, 3).is_empty());
    proxy.set(Line::Delay(Duration::from_millis(60)));
    let start = now();
    assert!(!poll(proxy.port, 3).is_empty());
    assert!(start.elapsed() >= Duration::from_millis(60));
    proxy.set(Line::Open);
    let mut stream = TcpStream::connect(("127.0.0.1", proxy.port)).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(&[0, 7, 0, 0, 0, 6, 1, 3, 0, 0, 0, 3]).unwrap();
    stream.read_exact(&mut [0; 15]).unwrap();
    proxy.cut();
    assert_eq!(stream.read(&mut [0; 1]).unwrap_or(0), 0);
}

#[test]
fn publisher_knows_what_the_shipped_broker_acknowledged() {
    let mut broker = Broker::start();
    let mut publisher = Publisher::connect(broker.port);
    for number in 0..500 {
        publisher.reading(&format!("t{}", number % 5));
    }
    publisher.flush();
    let acked = publisher.acked();
    assert_eq!(acked.len(), 500, "stamps of a series lie in distinct milliseconds");
    assert_eq!(publisher.acked_count(), 500);
    assert!(!broker.subscribed(), "nobody has subscribed");
    broker.restart();
    assert_eq!(publisher.acked().len(), 500);
}

#[test]
fn store_gives_back_exactly_what_it_took() {
    let store = Store::start();
    let path = "/api/v2/write?org=o&bucket=b&precision=ns";
    let at = gengfu_tests::wait::unix_ms() * 1_000_000;
    let lines = format!("device,site=s,device=d0 v=1.5 {at}\ndevice,site=s,device=d0 v=1.5 {at}\n");
    assert_eq!(http::request(store.port, "POST", path, &[], lines.as_bytes()).unwrap().status, 204);
    let mut expected = Expected::default();
    expected.must.insert(Sample::new("device_v,d0", at, 1.5));
    eventually(SOON, "one copy is exported", || expected.compare(&store.export()).is_ok());
    assert_eq!(store.dropped_rows(), 0.0);
    http::request(store.port, "POST", path, &[], b"no line protocol\n").unwrap();
    eventually(SOON, "the counter tells of a dropped row", || store.dropped_rows() > 0.0);
}

#[test]
fn stub_records_re_sends_and_answers_by_script() {
    let stub = Stub::start();
    let write = |body: &[u8]| http::request(stub.port(), "POST", "/api/v2/write?precision=ns", &[], body);
    stub.script([Reply::Status(503, String::new()), Reply::Close]);
    assert_eq!(write(b"m,device=a v=1 5\n").unwrap().status, 503);
    assert!(write(b"m,device=a v=1 5\n").is_err());
    assert!(stub.accepted().is_empty());
    assert_eq!(write(b"m,device=a v=1 5\nm,device=a v=1 6\n").unwrap().status, 204);
    assert_eq!(write(b"m,device=a v=1 5\n").unwrap().status, 204);
    assert_eq!(stub.resent(), [("m,device=a v=1 5".to_owned(), 2)]);
    assert_eq!(stub.accepted().len(), 2);
}

#[test]
fn stub_understands_gzip_and_line_protocol() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(b"m\\ 1,site=s,device=a\\,b v=1.5,t=\"x, =y\",w_q=3i 7\n").unwrap();
    let stub = Stub::start();
    let headers = [("Content-Encoding", "gzip")];
    let body = encoder.finish().unwrap();
    assert_eq!(http::request(stub.port(), "POST", "/api/v2/write", &headers, &body).unwrap().status, 204);
    let wanted: Set = [Sample::new("m 1_v,a,b", 7, 1.5), Sample::new("m 1_w_q,a,b", 7, 3.0)].into();
    assert_eq!(stub.accepted(), wanted);
    assert!(fields("no line").is_empty());
}

#[test]
fn receiver_dedups_and_misses_nothing() {
    let receiver = Receiver::start();
    let push = |key: &str| {
        let headers = [("Idempotency-Key", key), ("Content-Type", "application/json")];
        http::request(receiver.port(), "POST", "/alarm", &headers, b"{}").unwrap().status
    };
    receiver.script([Reply::Status(500, String::new())]);
    assert_eq!(push("a.1"), 500);
    assert_eq!((push("a.1"), push("a.1"), push("a.2"), push("b.1")), (200, 200, 200, 200));
    assert_eq!(receiver.complete(), Ok(3));
    push("b.3");
    assert!(receiver.complete().is_err(), "b.2 is missing");
}

#[test]
fn difference_is_readable() {
    let a = Sample::new("device_v,d", 1, 1.0);
    let b = Sample::new("device_v,d", 2, 1.0);
    let expected = Expected { must: [a.clone()].into(), may: Set::new() };
    assert_eq!(expected.compare(&[a].into()), Ok(()));
    let text = expected.compare(&[b].into()).unwrap_err();
    assert!(text.contains("missing: 1") && text.contains("extra: 1"), "{text}");
}

#[test]
fn disk_hangs_and_fills_on_command() {
    let dir = Folder::new("shim");
    std::fs::create_dir_all(dir.join("data")).unwrap();
    let Some(disk) = SickDisk::new(&dir.join("data"), dir.path()) else { return not_run("no C compiler") };
    let write = |name: &str| {
        let mut child = std::process::Command::new("dd");
        child.args(["if=/dev/zero", "bs=1", "count=1", "conv=fsync"]).arg(format!("of={}", dir.join(name).display()));
        child.envs(disk.environment()).stderr(std::process::Stdio::null()).spawn().unwrap()
    };
    disk.full();
    assert!(!write("data/a").wait().unwrap().success());
    assert!(write("elsewhere").wait().unwrap().success());
    disk.heal();
    disk.hang();
    let mut held = write("data/b");
    always(Duration::from_millis(200), "the write hangs", || held.try_wait().unwrap().is_none());
    disk.heal();
    eventually(SOON, "the write goes on", || held.try_wait().unwrap().is_some_and(|s| s.success()));
}

#[test]
fn foreign_modbus_server_answers() {
    let Some(server) = PyModbus::start() else { return not_run("pymodbus is not installed: make setup") };
    assert_eq!(poll(server.port, 5), [0, 7, 0, 0, 0, 13, 1, 3, 10, 0x3f, 0xc0, 0, 0, 0, 0, 0x3f, 0xc0, 0x10, 0x92]);
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    stream.write_all(&[0, 8, 0, 0, 0, 6, 1, 3, 0, 100, 0, 1]).unwrap();
    let mut reply = [0; 9];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(reply[7..], [0x83, 2]);
}

#[test]
fn browser_shows_a_page_and_tells_of_its_errors() {
    let Some(browser) = Browser::start() else { return not_run("chromium or chromedriver is missing: make setup") };
    browser.open("data:text/html;charset=utf-8,<h1>更夫</h1><script>console.error('odd')</script>");
    eventually(SOON, "text is there", || browser.text().contains("更夫"));
    eventually(SOON, "error is told", || !browser.errors().is_empty());
    assert!(browser.screenshot().len() > 1000);
}

#[test]
fn what_is_not_installed_is_not_found() {
    assert!(installed("no-such-program-here").is_none());
    assert!(installed("sh").is_some());
}
