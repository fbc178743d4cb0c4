//! The past as files, beside a running gateway, from its journal at rest and from a backup: the same readings, each once.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use gengfu_tests::counting::{Set, committed, journal};
use gengfu_tests::gateway::{Gateway, run};
use gengfu_tests::plant::{Fault, Plant};
use gengfu_tests::process::Folder;
use gengfu_tests::site::Site;
use gengfu_tests::stub::{Stub, fields};
use gengfu_tests::wait::{SOON, eventually, say};
use serde_json::Value;

fn export(arguments: &[&str], dir: &Path) -> Vec<u8> {
    let out = run(&[&["export"], arguments].concat(), dir);
    assert!(out.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
    out.stdout
}

fn text(arguments: &[&str], dir: &Path) -> String {
    String::from_utf8(export(arguments, dir)).unwrap()
}

/// The samples of line protocol.
fn samples(lines: &str) -> Set {
    lines.lines().flat_map(fields).collect()
}

/// Times of each point, as CSV has them.
fn times(csv: &str) -> BTreeMap<(String, String), Vec<i64>> {
    let mut times: BTreeMap<_, Vec<i64>> = BTreeMap::new();
    for line in csv.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        times.entry((fields[2].to_owned(), fields[3].to_owned())).or_default().push(fields[1].parse().unwrap());
    }
    times
}

#[test]
fn every_format_holds_what_was_committed() {
    let (dir, plant, stub) = (Folder::new("export"), Plant::start(2), Stub::start());
    let site = Site::new("rig").modbus(&plant, 50, 6).flips(0, 1).influx("central", stub.port()).text;
    let mut gateway = Gateway::start(&site, dir.path());
    plant.devices[0].set(900);
    let alarm = gateway.alarm("flip-d0", SOON, |_| true);
    plant.devices[1].fault(Fault::Exception(4));
    gateway.quality("d1/r0", SOON, "bad", None);
    plant.devices[1].fault(Fault::Sound);
    gateway.quality("d1/r0", SOON, "good", None);
    eventually(SOON, "some hundred readings", || gateway.stage("committed") > 800.0);

    // While it runs: what was committed before is all there.
    let before = gateway.stage("committed") as usize;
    let csv = text(&["-c", "site.toml"], dir.path());
    assert!(csv.starts_with("time,time_ns,device,point,value,unit,quality,reason\r\n"));
    assert!(csv.lines().count() > before, "{} lines, {before} readings", csv.lines().count());
    let entries = text(&["-c", "site.toml", "--alarms", "--format", "json"], dir.path());
    let raised = entries.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    assert_eq!(raised.filter(|e| e["entry"]["id"] == alarm["id"] && e["entry"]["event"] == "raise").count(), 1);
    let copy = dir.join("copy");
    assert!(run(&["backup", "-c", "site.toml", copy.to_str().unwrap()], dir.path()).status.success());

    gateway.settle(SOON);
    let (records, _) = journal(&gateway.data());
    let csv = text(&["-c", "site.toml"], dir.path());
    let points = times(&csv);
    for (point, times) in &points {
        assert!(times.is_sorted(), "{point:?} in order of time");
        assert_eq!(times.iter().collect::<HashSet<_>>().len(), times.len(), "{point:?}: each once");
    }
    assert_eq!(points.values().map(Vec::len).sum::<usize>(), records.len());
    assert!(csv.contains(",bad,device-fault\r\n"), "faults have their reason");

    // Line protocol is what the store was sent.
    let lines = samples(&text(&["-c", "site.toml", "--format", "line"], dir.path()));
    committed(&gateway.data()).compare(&lines).unwrap();
    committed(&copy).compare(&samples(&text(&["--journal", "copy", "--format", "line"], dir.path()))).unwrap();

    // A range is cut where it says, and a pattern chooses.
    let middle = rfc3339(points.values().next().unwrap()[points.values().next().unwrap().len() / 2]);
    let part = |range: &str| times(&text(&["-c", "site.toml", "--point", "d0/*", range, &middle], dir.path()));
    let (first, last) = (part("--to"), part("--from"));
    for (point, whole) in points.iter().filter(|((device, _), _)| device == "d0") {
        let joined = [first.get(point), last.get(point)].into_iter().flatten().flatten().copied().collect::<Vec<_>>();
        assert_eq!(&joined, whole, "{point:?}");
    }
    assert!(first.keys().all(|(device, _)| device == "d0"));

    export(&["-c", "site.toml", "--format", "parquet", "-o", "all.parquet"], dir.path());
    let parquet = std::fs::read(dir.join("all.parquet")).unwrap();
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1") && !dir.join("all.parquet.partial").exists());
    for (arguments, why) in [
        (&["-c", "site.toml", "-o", "all.parquet"][..], "--force"),
        (&["-c", "site.toml", "--point", "nobody/*"], "no point is"),
        (&["-c", "site.toml", "--from", "yesterday"], "RFC 3339"),
        (&["-c", "site.toml", "--alarms", "--format", "line"], "csv or json"),
        (&["--journal", "nowhere"], "nowhere"),
    ] {
        let out = run(&[&["export"], arguments].concat(), dir.path());
        let told = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(!out.status.success() && told.contains(why), "{arguments:?}: {told}");
    }
    let (csv, parquet) = (csv.len() / records.len(), parquet.len() as f64 / records.len() as f64);
    say(&format!("{} readings: {csv} bytes each as CSV, {parquet:.1} as Parquet", records.len()));
}

/// A time as the API takes it, cut to the millisecond.
fn rfc3339(at_ns: i64) -> String {
    let (seconds, ms) = (at_ns.div_euclid(1_000_000_000), at_ns.rem_euclid(1_000_000_000) / 1_000_000);
    let out =
        std::process::Command::new("date").args(["-u", "-d", &format!("@{seconds}"), "+%Y-%m-%dT%H:%M:%S"]).output();
    format!("{}.{ms:03}Z", String::from_utf8(out.unwrap().stdout).unwrap().trim())
}
