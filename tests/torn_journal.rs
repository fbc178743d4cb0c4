//! A torn journal still starts: cut at the last good record, the rest set aside, counted and alarmed.

use std::path::{Path, PathBuf};

use gengfu::journal::{Entry, Lane, StartCause};
use gengfu_tests::counting::{committed, contains, entries, epochs, gaps};
use gengfu_tests::gateway::Gateway;
use gengfu_tests::plant::Plant;
use gengfu_tests::process::Folder;
use gengfu_tests::random::Random;
use gengfu_tests::site::Site;
use gengfu_tests::stub::Stub;
use gengfu_tests::wait::{SOON, eventually, say, times};

/// A page of the journal's files, bytes.
const PAGE: usize = 4096;

#[test]
fn truncated_at_a_random_byte() {
    let mut random = Random::seeded("torn journal");
    for round in 0..times(4, 40) {
        torn(&mut random, round, |file, at| file.set_len(at).unwrap());
    }
}

#[test]
fn a_page_of_noise() {
    let mut random = Random::seeded("noise in the journal");
    for round in 0..times(3, 30) {
        let noise = random.bytes(PAGE);
        torn(&mut random, round, |file, at| {
            use std::os::unix::fs::FileExt as _;
            file.write_all_at(&noise, at).unwrap();
        });
    }
}

/// Where all that was written lies in the file itself, a cut is damage, wherever it is; but a cut that takes nothing but
/// the zeros of an empty last page takes nothing, for a page that ends early is read as if it ended in zeros.
#[test]
fn a_lane_that_is_cut_after_a_clean_stop() {
    let mut random = Random::seeded("cut journal");
    for name in ["alarm.db", "telemetry.db"] {
        let (dir, plant) = (Folder::new("cut"), Plant::start(3));
        let site = Site::new("rig").modbus(&plant, 50, 8).flips(0, 3).text;
        let mut gateway = Gateway::start(&site, dir.path());
        plant.devices[0].set(900);
        gateway.alarm("flip-d0", SOON, |_| true);
        eventually(SOON, "some hundred readings", || gateway.stage("committed") > 500.0);
        let lanes = gateway.journal(epochs);
        gateway.term();
        let file = gateway.data().join(name);
        let whole = std::fs::read(&file).unwrap();
        let at = random.between(1, whole.len() as u64);
        say(&format!("{name} of {} bytes, cut at {at}", whole.len()));
        let last = whole.len().saturating_sub(PAGE);
        let is_damage = (at as usize) < last || whole[at as usize..].iter().any(|&byte| byte != 0);
        std::fs::File::options().write(true).open(file).unwrap().set_len(at).unwrap();
        gateway.restart();
        gateway.alarm("flip-d0", SOON, |a| a["state"] == "unacknowledged");
        assert_eq!(is_told(&gateway, lanes, false), is_damage, "a lane that lost what was written is repaired");
        gateway.term();
    }
}

/// Runs, kills, damages one file of the journal, and starts again.
fn torn(random: &mut Random, round: usize, damage: impl Fn(&std::fs::File, u64)) {
    let (dir, plant, stub) = (Folder::new("torn"), Plant::start(3), Stub::start());
    let site = Site::new("rig").modbus(&plant, 50, 8).flips(0, 3).influx("central", stub.port()).text;
    let mut gateway = Gateway::start(&site, dir.path());
    plant.devices[0].set(900);
    gateway.alarm("flip-d0", SOON, |_| true);
    eventually(SOON, "some hundred readings", || gateway.stage("committed") > 500.0);
    let lanes = gateway.journal(epochs);
    gateway.kill9();
    let files = journal_files(&gateway.data());
    let chosen = &files[random.between(0, files.len() as u64) as usize];
    let length = chosen.metadata().unwrap().len();
    let at = random.between(0, length);
    say(&format!("round {round}: {} of {length} bytes, damaged at {at}", chosen.file_name().unwrap().display()));
    damage(&std::fs::File::options().write(true).open(chosen).unwrap(), at);

    gateway.restart();
    let before = stub.accepted().len();
    eventually(SOON, "it goes on", || stub.accepted().len() > before);
    gateway.alarm("flip-d0", SOON, |a| a["state"] == "unacknowledged");
    is_told(&gateway, lanes, true);
    gateway.settle(SOON);
    contains(&stub.accepted(), &committed(&gateway.data()).must).unwrap();
    let again = stub.resent().len();
    assert!(again < 5_000, "{again} lines came again");
}

/// Where damage was found, the torn file lies aside, its lane begins a new epoch, the alarm lane says so, and it is an
/// alarm; where there was none to be found (a page that holds nothing, the tail of a log), there is none of these. What may
/// be missing of a killed run or of a torn lane is told. Whether there was a repair.
fn is_told(gateway: &Gateway, before: [(Lane, u64); 2], killed: bool) -> bool {
    gateway.alarm_lane_on_disk();
    let files = journal_files(&gateway.data());
    let aside = |name: &str| files.iter().filter(|p| p.to_string_lossy().contains(&format!("{name}.damaged-"))).count();
    let torn = |lane: Lane| aside(if lane == Lane::Alarm { "alarm.db" } else { "telemetry.db" }) > 0;
    for ((lane, before), (_, after)) in before.into_iter().zip(gateway.journal(epochs)) {
        assert_eq!(torn(lane), before != after, "{lane:?}: epoch {before:016x}, then {after:016x}");
    }
    let aside = aside("");
    let lane = gateway.journal(entries);
    let told =
        lane.iter().filter(|e| matches!(e, Entry::Maintenance { what, .. } if what == "journal-repaired")).count();
    let gaps = gaps(&lane);
    let lost = gaps.iter().all(|(from, to, at_most, _)| from <= to && *at_most > 0);
    assert!(lost, "{gaps:?}");
    let gap = |why: &str| gaps.iter().any(|gap| gap.3 == why);
    let unclean = killed && !torn(Lane::Telemetry);
    assert_eq!(gap("the last run did not end as asked"), unclean, "{gaps:?}");
    assert_eq!(gap("telemetry was repaired"), torn(Lane::Telemetry), "{gaps:?}");
    assert_eq!(gap("alarms and audit were repaired"), torn(Lane::Alarm), "{gaps:?}");
    let starts: Vec<StartCause> =
        lane.iter().filter_map(|e| if let Entry::Start { cause, .. } = e { Some(*cause) } else { None }).collect();
    if starts.last() == Some(&StartCause::Repair) {
        assert!(aside > 0 && told > 0, "{aside} files aside, told {told} times");
        gateway.alarm("gengfu/journal-repaired", SOON, |_| true);
        assert_eq!(gateway.metric("gengfu_journal_repairs_total", ""), 1.0);
        say(&format!("  repaired: set aside, a new epoch, an alarm; gaps told: {}", gaps.len()));
    } else {
        assert_eq!((aside, told), (0, 0));
        assert!(gateway.alarms("gengfu/journal-repaired").is_empty());
    }
    starts.last() == Some(&StartCause::Repair)
}

/// Files worth damaging: whatever the journal has, but empty ones and SQLite's shared memory, which is rebuilt.
fn journal_files(data: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(data)
        .unwrap()
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.metadata().is_ok_and(|m| m.is_file() && m.len() > 0) && !p.to_string_lossy().ends_with("-shm"))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}
