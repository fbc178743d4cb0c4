//! What a store refused for good is listed with its reason, and sent again when somebody who has mended the store says so.

use std::path::Path;

use gengfu::journal::Entry;
use gengfu_tests::counting::{committed, entries};
use gengfu_tests::gateway::{Gateway, run};
use gengfu_tests::plant::Plant;
use gengfu_tests::process::Folder;
use gengfu_tests::site::Site;
use gengfu_tests::stub::Stub;
use gengfu_tests::wait::{SOON, eventually, say};
use serde_json::Value;

const SINK: &str = "influxdb/central";

fn balance(gateway: &Gateway, field: &str) -> u64 {
    let items = gateway.items("ledger");
    items.iter().filter(|b| b["sink"] == SINK).filter_map(|b| b[field].as_u64()).sum()
}

fn told(arguments: &[&str], dir: &Path) -> String {
    let out = run(arguments, dir);
    assert!(out.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

#[test]
fn what_was_refused_arrives_once_the_store_is_mended() {
    let (dir, plant, stub) = (Folder::new("redrive"), Plant::start(2), Stub::start());
    let site = Site::new("rig").modbus(&plant, 100, 6).influx("central", stub.port()).text;
    stub.refuse_field("r3");
    let mut gateway = Gateway::start(&site, dir.path());
    eventually(SOON, "some are set aside", || balance(&gateway, "dead") >= 20);

    let shown = told(&["dead", "-c", "site.toml"], dir.path());
    assert!(shown.contains(SINK) && shown.contains("telemetry") && shown.contains("unable to parse r3"), "{shown}");
    let listed: Value = serde_json::from_str(&told(&["dead", "-c", "site.toml", "--json"], dir.path())).unwrap();
    let letters = listed["items"].as_array().unwrap();
    assert!(letters.iter().map(|l| l["count"].as_u64().unwrap()).sum::<u64>() >= 20, "{listed}");
    assert!(letters.iter().all(|l| l["count"] == l["held"]), "all can still be sent: {listed}");

    // Not mended: they come back dead, and the books balance all along.
    let redrive = ["redrive", "-c", "site.toml", "--sink", SINK, "--by", "rig"];
    told(&redrive, dir.path());
    // New readings are not held up by what is refused again.
    let delivered = balance(&gateway, "delivered");
    let first = letters[0]["from"].clone();
    eventually(SOON, "they are refused again", || {
        let listed = told(&["dead", "-c", "site.toml", "--json"], dir.path());
        let listed: Value = serde_json::from_str(&listed).unwrap();
        listed["items"].as_array().unwrap().iter().any(|letter| letter["from"] == first)
    });
    eventually(SOON, "and the present goes on", || balance(&gateway, "delivered") >= delivered + 200);
    let out = run(&["redrive", "-c", "site.toml", "--sink", "influxdb/other", "--by", "rig"], dir.path());
    assert!(!out.status.success() && String::from_utf8_lossy(&out.stderr).contains("no sink"));

    stub.refuse_nothing();
    eventually(SOON, "new ones are taken", || stub.accepted().iter().any(|s| s.series.starts_with("device_r3,")));
    eventually(SOON, "it follows the present", || balance(&gateway, "pending") < 50);
    let dead = balance(&gateway, "dead");
    let first = first.as_u64().unwrap().to_string();
    let one = told(&[&redrive[..], &["--lane", "telemetry", "--from", &first, "--to", &first]].concat(), dir.path());
    assert!(one.contains("telemetry: 1 owed again"), "{one}");
    let rest = told(&redrive, dir.path());
    assert!(rest.contains(&format!("telemetry: {} owed again, 0 stay dead", dead - 1)), "{rest} of {dead}");
    eventually(SOON, "none is dead or owed", || balance(&gateway, "dead") == 0 && balance(&gateway, "pending") < 50);
    assert_eq!(told(&["dead", "-c", "site.toml"], dir.path()), "no dead letters\n");

    gateway.settle(SOON);
    committed(&gateway.data()).compare(&stub.accepted()).unwrap();
    gateway.restart();
    assert_eq!((balance(&gateway, "dead"), balance(&gateway, "pending") < 20), (0, true), "a restart knows");
    let lane = gateway.journal(entries);
    let audits = lane.into_iter().filter_map(|entry| {
        if let Entry::Audit { by, action, target, .. } = entry
            && action == "redrive"
        {
            return Some((by, target));
        }
        None
    });
    let audits: Vec<_> = audits.collect();
    assert_eq!(audits, vec![("rig".to_owned(), SINK.to_owned()); 3]);
    say(&format!("{dead} dead letters sent again"));
    gateway.term();
}
