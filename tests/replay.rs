//! A back-test by the command: what it finds in a journal is what was raised live, beside the gateway and without it; what it finds in
//! an export is the same; other rules show their difference; the same past gives the same bytes.

use gengfu_tests::gateway::{Gateway, run};
use gengfu_tests::plant::Plant;
use gengfu_tests::process::Folder;
use gengfu_tests::site::Site;
use gengfu_tests::wait::{SOON, eventually, say};
use serde_json::Value;

const RULE: &str =
    "[[rule]]\nid = \"hot\"\npoint = \"d0/r0\"\nhigh = { limit = 500.0, clear = 400.0 }\npriority = \"critical\"\n";

/// What it printed, and said beside it.
fn replay(arguments: &[&str], dir: &Folder) -> (String, String) {
    let out = run(&[&["replay", "-c", "site.toml", "--lang", "en"], arguments].concat(), dir.path());
    let told = String::from_utf8(out.stderr).unwrap();
    assert!(out.status.success(), "{arguments:?}: {told}");
    (String::from_utf8(out.stdout).unwrap(), told)
}

fn json(arguments: &[&str], dir: &Folder) -> Value {
    serde_json::from_str(&replay(&[&["--json"], arguments].concat(), dir).0).unwrap()
}

/// (alarms, escalations, stands at the end) of a rule.
fn row(findings: &Value, rule: &str) -> Option<(u64, bool)> {
    let rows = findings["rows"]["items"].as_array().unwrap();
    let row = rows.iter().find(|row| row["rule"] == rule)?;
    Some((row["alarms"].as_u64().unwrap(), row["stands_at_end"].as_bool().unwrap()))
}

#[test]
fn a_back_test_finds_what_was_raised_and_what_other_rules_would_have_done() {
    let (dir, plant) = (Folder::new("replay"), Plant::start(2));
    let site = Site::new("rig").modbus(&plant, 50, 4).with(RULE).text;
    let mut gateway = Gateway::start(&site, dir.path());
    for _ in 0..2 {
        plant.devices[0].set(900);
        gateway.alarm("hot", SOON, |a| a["active"] == true);
        plant.devices[0].set(450);
        eventually(SOON, "450 is seen", || gateway.point("d0/r0").is_some_and(|p| p["value"] == 450.0));
        plant.devices[0].set(100);
        gateway.alarm("hot", SOON, |a| a["active"] == false);
    }
    plant.devices[0].set(900);
    gateway.alarm("hot", SOON, |a| a["active"] == true);
    let before = gateway.stage("committed");
    eventually(SOON, "what raised it is on disk", || gateway.stage("committed") > before);

    // Beside the gateway.
    let live = json(&[], &dir);
    assert_eq!(row(&live["rules"], "hot"), Some((3, true)), "{live:#}");
    let (text, _) = replay(&[], &dir);
    assert!(text.contains("3 alarms") && text.contains("nothing of it was thinned"), "{text}");
    gateway.term();

    // At rest: the same to the byte, however often.
    let once = replay(&["--json"], &dir).0;
    for _ in 0..3 {
        assert_eq!(replay(&["--json"], &dir).0, once);
    }
    let at_rest: Value = serde_json::from_str(&once).unwrap();
    let readings = at_rest["data"]["readings"].as_u64().unwrap();
    assert_eq!(row(&at_rest["rules"], "hot"), Some((3, true)));

    // Out of an export: the same readings, the same alarms.
    assert!(run(&["export", "-c", "site.toml", "-o", "all.csv"], dir.path()).status.success());
    let csv = json(&["--csv", "all.csv"], &dir);
    assert_eq!((row(&csv["rules"], "hot"), csv["data"]["readings"].as_u64()), (Some((3, true)), Some(readings)));

    // A lower limit with a clear of its own: what was two alarms is one, since 450 does not end it; and a rule that is new.
    let other = "[[rule]]\nid = \"hot\"\npoint = \"d0/r0\"\nhigh = { limit = 440.0, clear = 50.0 }\n\
                 [[rule]]\nid = \"cold\"\npoint = \"d0/r0\"\nlow = { limit = 120, clear = 200 }\n";
    dir.write("other.toml", other);
    let with = json(&["--with", "other.toml"], &dir);
    assert_eq!((row(&with["rules"], "hot"), row(&with["with"], "hot")), (Some((3, true)), Some((1, true))));
    let difference = &with["difference"];
    assert_eq!(difference["only_old"]["count"], 2, "{difference:#}");
    assert_eq!(difference["rules_added"], serde_json::json!(["cold"]));
    assert!(difference["only_new"]["count"].as_u64().unwrap() >= 2, "{difference:#}");
    assert_eq!(difference["priority"]["items"][0]["new_priority"], "medium");
    let (text, _) = replay(&["--with", "other.toml"], &dir);
    assert!(text.contains("only with the old rules") && text.contains("critical → medium"), "{text}");
    say(&format!("replay: {readings} readings, three alarms, each time"));
    refusals(&dir, other);
}

/// What can't be done is said, and nothing is printed in its place.
fn refusals(dir: &Folder, other: &str) {
    dir.write("bad.toml", &other.replace("limit = 440.0", "limit = \"much\"").replace("cold", "cold!"));
    dir.write("bad.csv", "time,point,value\n2026-01-01T00:00:00Z,d0/r0,1\nsoon,d0/r0,1\n");
    for (arguments, code, why) in [
        (&["--from", "yesterday"][..], 2, "RFC 3339"),
        (&["--from", "2026-01-02", "--to", "2026-01-01"], 2, "--from lies behind --to"),
        (&["--from", "2000-01-01", "--to", "2000-01-02"], 1, "no reading in that time"),
        (&["--with", "bad.toml"], 2, "bad.toml:4:"),
        (&["--with", "bad.toml"], 2, "bad.toml:6:"),
        (&["--with", "nowhere.toml"], 2, "nowhere.toml"),
        (&["--csv", "bad.csv"], 1, "bad.csv:3: `soon` is no time"),
        (&["--csv", "nowhere"], 1, "nowhere"),
        (&["--journal", "nowhere"], 1, "nowhere"),
    ] {
        let out = run(&[&["replay", "-c", "site.toml"], arguments].concat(), dir.path());
        let told = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.code() == Some(code) && told.contains(why), "{arguments:?}: {:?} {told}", out.status);
        assert!(out.stdout.is_empty(), "{arguments:?}");
    }
}
