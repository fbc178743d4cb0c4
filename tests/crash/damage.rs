//! A journal's file that was cut or has flipped bits, at random places. What lay there is destroyed, so "lost 0" can't be the
//! claim. What is claimed, after each damage:
//!
//! - the gateway starts, and the alarms that stand are pushed;
//! - the lane whose file was not touched has lost nothing;
//! - of the telemetry lane, each reading (polled, or a message that was acknowledged) is in the journal as it was, or at the store
//!   already, or its time lies in a gap that the start has told of;
//! - of the alarm lane, each transition and each acknowledgement is there word for word, or the lane says since when its own
//!   entries may be missing;
//! - and at the end the store has every acknowledged message that was not told as missing, and none that nobody sent.
//!
//! Items are what the journal held at the damage. "Lost" are those that are neither found nor told: none may be.

use std::collections::BTreeSet;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gengfu::journal::Entry;
use gengfu_tests::counting::{self, Sample, Set, contains, of, to_ms};
use gengfu_tests::process::Folder;
use gengfu_tests::proxy::Line;
use gengfu_tests::random::Random;
use gengfu_tests::wait::{say, times};

use super::DRAIN;
use super::rig::Rig;
use super::table::{ACKNOWLEDGED, ALARMS, CLASSES, Cell, Counts, MESSAGES, Outcome, POLLED};

/// Bits that flip at once, at most.
const MOST_BITS: u64 = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Damage {
    Cut,
    Flip,
}

impl Damage {
    pub(super) const ALL: [Self; 2] = [Self::Cut, Self::Flip];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Cut => "truncation",
            Self::Flip => "bit flips",
        }
    }

    fn strike(self, file: &Path, random: &mut Random) -> String {
        let length = file.metadata().unwrap().len();
        let open = std::fs::File::options().read(true).write(true).open(file).unwrap();
        let name = file.file_name().unwrap().display().to_string();
        match self {
            Self::Cut => {
                let at = random.between(0, length);
                open.set_len(at).unwrap();
                format!("{name} of {length} bytes cut at {at}")
            }
            Self::Flip => {
                let bits = random.between(1, MOST_BITS + 1);
                let places: Vec<u64> = (0..bits).map(|_| random.between(0, length * 8)).collect();
                for place in &places {
                    let mut byte = [0];
                    open.read_exact_at(&mut byte, place / 8).unwrap();
                    open.write_all_at(&[byte[0] ^ 1 << (place % 8)], place / 8).unwrap();
                }
                format!(
                    "{name} of {length} bytes, bits flipped in {:?}",
                    places.iter().map(|p| p / 8).collect::<Vec<_>>()
                )
            }
        }
    }
}

/// What a journal holds.
struct Books {
    readings: Set,
    /// Transitions and audits, word for word.
    entries: Vec<String>,
    gaps: Vec<(i64, i64, u64, String)>,
    /// What repairs have told: their own words, which name the file set aside with its time.
    repairs: Vec<String>,
}

impl Books {
    fn of(data: &Path) -> Self {
        let readings = counting::committed(data).must;
        let copy = counting::copy(data);
        let lane = counting::open(&copy.join("data"), |journal, _| counting::entries(journal));
        let gaps = counting::gaps(&lane).into_iter().map(|(from, to, n, why)| (from, to, n, why.to_owned())).collect();
        let kept = lane.iter().filter(|entry| matches!(entry, Entry::Alarm(_) | Entry::Audit { .. }));
        let entries = kept.map(|entry| serde_json::to_string(entry).unwrap()).collect();
        let told = |entry: &Entry| {
            if let Entry::Maintenance { what, detail, .. } = entry {
                (what == "journal-repaired").then(|| detail.clone())
            } else {
                None
            }
        };
        let repairs = lane.iter().filter_map(told).collect();
        Self { readings, entries, gaps, repairs }
    }
}

/// Sums over the repetitions, in the order of [`CLASSES`].
#[derive(Debug, Default)]
struct Sums {
    items: [u64; 4],
    told: [u64; 4],
    lost: [u64; 4],
    repaired: usize,
}

fn class(sample: &Sample) -> usize {
    place(if sample.series.starts_with("device_v,") { MESSAGES } else { POLLED })
}

fn place(class: &str) -> usize {
    CLASSES.iter().position(|c| *c == class).unwrap()
}

pub(super) fn campaign(damage: Damage, random: Random) -> Vec<Cell> {
    let mut rig = Rig::start(damage.name().split(' ').next().unwrap(), random);
    rig.edges.numbers_may_come_again = true;
    let mut sums = Sums::default();
    let mut told = Set::new();
    let repetitions = std::env::var("REPS").map_or(times(2, 100), |n| n.parse().unwrap());
    for _ in 0..repetitions {
        repeat(damage, &mut rig, &mut sums, &mut told);
    }
    rig.calm();
    rig.gateway.settle(DRAIN);
    let acked = rig.publisher.acked();
    let owed: Set = acked.difference(&to_ms(&told)).cloned().collect();
    let stored = of(&rig.store.export(), "device_v,");
    contains(&stored, &owed).unwrap();
    assert_eq!(stored.difference(&acked).count(), 0, "the store has messages that nobody sent");
    say(&format!("{}: {} of {repetitions} found in the file and repaired", damage.name(), sums.repaired));
    let cell = |(index, class): (usize, &'static str)| {
        let driven: u64 = rig.edges.driven.values().sum();
        let note = match class {
            ALARMS => format!("{} destroyed and told; all {driven} crossings of a line pushed", sums.told[index]),
            _ => format!("{} destroyed and told", sums.told[index]),
        };
        let counts = Counts { repetitions, items: sums.items[index], lost: sums.lost[index], note };
        Cell { fault: damage.name().to_owned(), class, outcome: Outcome::Counted(counts) }
    };
    CLASSES.into_iter().enumerate().map(cell).collect()
}

fn repeat(damage: Damage, rig: &mut Rig, sums: &mut Sums, told: &mut Set) {
    // by a coin the store is out of reach, so that the journal alone has what came
    if rig.random.between(0, 2) == 0 {
        rig.stores(Line::Shut);
    }
    let length = Duration::from_millis(rig.random.between(200, 700));
    rig.load(length);
    // by a coin all is moved from the log into the file, as a stop does
    if rig.random.between(0, 2) == 0 {
        let _ = rig.gateway.term();
    } else {
        rig.gateway.kill9()
    }
    let data = rig.gateway.data();
    let before = Books::of(&data);
    let files = journal_files(&data);
    let file = &files[rig.random.between(0, files.len() as u64) as usize];
    let what = damage.strike(file, &mut rig.random);
    let torn = Folder::new("torn");
    std::fs::copy(file, torn.join(&file.file_name().unwrap().to_string_lossy())).unwrap();

    say(&what);
    rig.gateway.restart();
    rig.gateway.alarm_lane_on_disk();
    let copy = {
        let _held = rig.gateway.process().hold();
        counting::copy(&data)
    };
    let after = Books::of(&copy.join("data"));
    sums.repaired += usize::from(rig.gateway.metric("gengfu_journal_repairs_total", "") > 0.0);
    let missing = readings(rig, &before, &after, sums, told);
    let entries = entries(&before, &after, sums);
    if missing + entries.len() > 0 {
        say(&format!("{what}: {missing} readings and {} entries neither found nor told", entries.len()));
        let gaps: Vec<_> = after.gaps.iter().filter(|gap| !before.gaps.contains(gap)).collect();
        say(&format!("  gaps: {gaps:?}"));
        say(&format!("  repairs: {:?}", after.repairs.iter().filter(|r| !before.repairs.contains(r)).collect::<Vec<_>>()));
        say(&format!("  {:.200}", entries.first().map_or("", |e| e)));
    }
    rig.stores(Line::Open);
    rig.all_pushed();
}

/// How many readings are neither found nor told.
fn readings(rig: &Rig, before: &Books, after: &Books, sums: &mut Sums, told: &mut Set) -> usize {
    before.readings.iter().for_each(|sample| sums.items[class(sample)] += 1);
    let gone: Vec<&Sample> = before.readings.difference(&after.readings).collect();
    if gone.is_empty() {
        return 0;
    }
    let stored = rig.stub.accepted();
    let gone: Vec<&Sample> = gone.into_iter().filter(|sample| !stored.contains(*sample)).collect();
    let gaps: Vec<_> = after.gaps.iter().filter(|gap| !before.gaps.contains(gap)).collect();
    let in_a_gap = |sample: &Sample| {
        let at = sample.at_ns / 1_000_000;
        gaps.iter().any(|(from, to, ..)| (*from..=*to).contains(&at))
    };
    let (inside, outside): (Vec<&Sample>, Vec<&Sample>) = gone.into_iter().partition(|sample| in_a_gap(sample));
    inside.iter().for_each(|sample| sums.told[class(sample)] += 1);
    outside.iter().for_each(|sample| sums.lost[class(sample)] += 1);
    told.extend(inside.into_iter().cloned());
    if let (Some(first), Some(last)) = (outside.iter().map(|s| s.at_ns).min(), outside.iter().map(|s| s.at_ns).max()) {
        say(&format!("  readings from {} to {} are not told of", first / 1_000_000, last / 1_000_000));
    }
    outside.len()
}

/// Entries that are neither found nor told. What a cut takes from the end of the lane needs no other word than the start's: it
/// did not end as asked, and what is missing lies between the entry before and that start.
fn entries(before: &Books, after: &Books, sums: &mut Sums) -> Vec<String> {
    let class = |text: &str| place(if text.starts_with("{\"type\":\"audit\"") { ACKNOWLEDGED } else { ALARMS });
    before.entries.iter().for_each(|text| sums.items[class(text)] += 1);
    let kept: BTreeSet<&String> = after.entries.iter().collect();
    let last = before.entries.iter().rposition(|text| kept.contains(text)).map_or(0, |at| at + 1);
    let (inside, end) = before.entries.split_at(last);
    let gone = |text: &&String| !kept.contains(text);
    let told = after.repairs.iter().any(|detail| detail.contains("alarm.db") && !before.repairs.contains(detail));
    let inside: Vec<String> = inside.iter().filter(gone).cloned().collect();
    end.iter().for_each(|text| sums.told[class(text)] += 1);
    if told {
        inside.iter().for_each(|text| sums.told[class(text)] += 1);
        return Vec::new();
    }
    inside.iter().for_each(|text| sums.lost[class(text)] += 1);
    inside
}

/// Files worth damaging: whatever the journal has, but empty ones, those set aside before, and SQLite's shared memory, which
/// is rebuilt.
fn journal_files(data: &Path) -> Vec<PathBuf> {
    let worth = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let some = path.metadata().is_ok_and(|m| m.is_file() && m.len() > 0);
        some && !name.ends_with("-shm") && !name.contains(".damaged-")
    };
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(data).unwrap().flatten().map(|entry| entry.path()).filter(worth).collect();
    files.sort();
    assert!(!files.is_empty(), "a journal has files");
    files
}
