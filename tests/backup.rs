//! A backup of a running gateway, put in place on another box: what it holds is there, what was owed is owed again, what
//! stands stands, and no number is used twice.

use std::path::Path;
use std::process::Output;

use gengfu::journal::{Entry, StartCause};
use gengfu_tests::counting::{committed, contains, entries, epochs, gaps};
use gengfu_tests::gateway::{Gateway, run};
use gengfu_tests::http::Reply;
use gengfu_tests::plant::Plant;
use gengfu_tests::process::Folder;
use gengfu_tests::site::Site;
use gengfu_tests::stub::Stub;
use gengfu_tests::wait::{SOON, eventually, now, say};

fn words(out: &Output) -> String {
    String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr)
}

fn done(arguments: &[&str], dir: &Path) -> String {
    let out = run(arguments, dir);
    assert!(out.status.success(), "{arguments:?}: {}", words(&out));
    words(&out)
}

fn refused(arguments: &[&str], dir: &Path, why: &str) {
    let out = run(arguments, dir);
    assert!(!out.status.success() && words(&out).contains(why), "{arguments:?}: {}", words(&out));
}

#[test]
fn a_new_box_goes_on_from_the_backup_of_a_running_one() {
    let (old, new, plant, stub) = (Folder::new("old-box"), Folder::new("new-box"), Plant::start(3), Stub::start());
    let site = Site::new("rig").modbus(&plant, 50, 8).flips(0, 3).influx("central", stub.port()).text;
    let mut gateway = Gateway::start(&site, old.path());
    plant.devices[0].set(900);
    let alarm = gateway.alarm("flip-d0", SOON, |_| true);
    eventually(SOON, "some is delivered", || stub.accepted().len() > 500);
    // From here on the store is away: the copy owes it the rest.
    stub.standing(Reply::Status(503, String::new()));
    let before = gateway.stage("committed");
    eventually(SOON, "some is owed", || gateway.stage("committed") > before + 1_000.0);

    let (start, committed_then) = (now(), gateway.stage("committed"));
    let copy = new.join("copy");
    let told = done(&["backup", "-c", "site.toml", copy.to_str().unwrap()], old.path());
    say(&format!("copied in {:?}: {}", start.elapsed(), told.trim()));
    eventually(SOON, "the gateway commits on", || gateway.stage("committed") > committed_then + 100.0);
    refused(&["backup", "-c", "site.toml", copy.to_str().unwrap()], old.path(), "holds a backup already");
    refused(&["backup", "-c", "site.toml", "data"], old.path(), "own directory");
    refused(&["restore", copy.to_str().unwrap(), "-c", "site.toml"], old.path(), "another gengfu runs");

    // The old box goes on for a while and is lost.
    plant.devices[1].set(900);
    gateway.alarm("flip-d1", SOON, |_| true);
    let heads = gateway.journal(epochs);
    gateway.kill9();
    refused(&["restore", copy.to_str().unwrap(), "-c", "site.toml"], old.path(), "part of a journal");
    let owed = committed(&copy);
    plant.devices[1].set(0);
    stub.standing(Reply::Status(204, String::new()));

    new.write("site.toml", &site);
    done(&["restore", copy.to_str().unwrap(), "-c", "site.toml"], new.path());
    let mut gateway = Gateway::start(&site, new.path());
    let again = gateway.alarm("flip-d0", SOON, |_| true);
    assert_eq!((&again["id"], &again["onset"]), (&alarm["id"], &alarm["onset"]), "the alarm is the one that stood");
    eventually(SOON, "what was owed is delivered", || contains(&stub.accepted(), &owed.must).is_ok());
    gateway.alarm_lane_on_disk();
    for ((lane, old), (_, new)) in heads.into_iter().zip(gateway.journal(epochs)) {
        assert_ne!(old, new, "{lane:?} begins an epoch");
    }
    let lane = gateway.journal(entries);
    let mut starts = lane.iter().filter_map(|e| if let Entry::Start { cause, .. } = e { Some(*cause) } else { None });
    assert_eq!(starts.next_back(), Some(StartCause::Restored));
    let told = |entry: &&Entry| matches!(entry, Entry::Maintenance { what, .. } if what == "journal-restored");
    assert_eq!(lane.iter().filter(told).count(), 2, "one of each lane");
    assert!(gaps(&lane).iter().any(|(.., why)| why.contains("backup")), "what is not there is told");
    assert!(lane.iter().all(|e| !matches!(e, Entry::Alarm(alarm) if alarm.rule == "flip-d1")), "not in the copy");

    // And everything that the new box commits is delivered too, each record once.
    gateway.settle(SOON);
    let expected = committed(&gateway.data());
    contains(&stub.accepted(), &expected.must).unwrap();
    say(&format!(
        "{} samples in the copy, {} in the new journal, all in the store",
        owed.must.len(),
        expected.must.len()
    ));
}
