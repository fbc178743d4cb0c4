//! A journal's file that was cut or has flipped bits, at random places. What lay there is destroyed, so "lost 0" can't be the
//! claim. What is claimed, after each damage:
//!
//! - the gateway starts, every alarm whose condition holds stands, and every crossing of a line is pushed;
//! - of the telemetry lane, each reading (polled, or a message that was acknowledged) is in the journal as it was, or at the store
//!   already, or its time lies in a gap that the start has told of;
//! - of the alarm lane, each transition, each change of a mode and each order of a person is there word for word, or its time
//!   lies in such a gap of its own lane, or it was at the very end, where the log of that lane was cut after a kill: the entry
//!   before it and the start after it then say from when to when;
//! - whatever is left of shelves, absences and modes ends at its time, and votes are those of the voters that stand;
//! - at the end the store has every acknowledged message that was not told as missing, and none that nobody sent;
//! - so has the centre, which may have been out of reach at other times, unless a message was destroyed before it had gone up; and of
//!   the alarm lane all that was not. After a repair all that is left goes up.
//!
//! Items are what the journal held at the damage. "Lost" are those that are neither found nor told: none may be. One thing is
//! not claimed: the name of a point has no checksum, so a bit that flips in it renames the point and nobody can know. Such
//! readings are there with time and value; they are counted apart.

use std::collections::{BTreeSet, HashSet};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gengfu_tests::counting::{self, Sample, Set, contains, of, to_ms};
use gengfu_tests::proxy::Line;
use gengfu_tests::random::Random;
use gengfu_tests::wait::{SOON, eventually, say, times};

use super::DRAIN;
use super::flight::{self, Flight};
use super::rig::Rig;
use super::table::{ALARMS, CLASSES, Cell, Counts, MESSAGES, MODES, Outcome, POLLED};
use super::uplinked::{self, Owed};

/// What a gap says that is one of the alarm lane.
const ALARMS_TOLD: &str = "alarms and audit were repaired";
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
    /// Transitions, audits and changes of modes, word for word, with their class and the time each was written.
    entries: Vec<(i64, usize, String)>,
    gaps: Vec<(i64, i64, u64, String)>,
}

impl Books {
    fn of(data: &Path) -> Self {
        let readings = counting::committed(data).must;
        let copy = counting::copy(data);
        let lane = counting::open(&copy.join("data"), |journal, _| counting::entries(journal));
        let gaps = counting::gaps(&lane).into_iter().map(|(from, to, n, why)| (from, to, n, why.to_owned())).collect();
        let kept =
            lane.iter().filter_map(|entry| Some((entry.at(), place(flight::class(entry)?), uplinked::text(entry))));
        let entries = kept.collect();
        Self { readings, entries, gaps }
    }

    fn texts(&self) -> Vec<String> {
        self.entries.iter().map(|(.., text)| text.clone()).collect()
    }

    /// What the start has told since `before`: of the alarm lane, or of the telemetry.
    fn news(&self, before: &Self, alarm: bool) -> Vec<&(i64, i64, u64, String)> {
        let new = |gap: &&(i64, i64, u64, String)| !before.gaps.contains(gap) && (gap.3 == ALARMS_TOLD) == alarm;
        self.gaps.iter().filter(new).collect()
    }
}

/// Sums over the repetitions, in the order of [`CLASSES`].
#[derive(Debug, Default)]
struct Sums {
    items: [u64; CLASSES.len()],
    told: [u64; CLASSES.len()],
    lost: [u64; CLASSES.len()],
    renamed: [u64; CLASSES.len()],
    repaired: usize,
    /// What lay over alarms or ran in areas after a damage and ended at its time; the latest of them, ms.
    ended: u64,
    latest: i64,
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
    let (mut excused, mut owed_above) = (Set::new(), Owed::default());
    let repetitions = super::asked_or(times(2, 100));
    for _ in 0..repetitions {
        repeat(damage, &mut rig, &mut sums, &mut excused, &mut owed_above);
    }
    rig.calm();
    let ledger = rig.gateway.settle(DRAIN);
    let acked = rig.publisher.acked();
    let owed: Set = acked.difference(&to_ms(&excused)).cloned().collect();
    let stored = to_ms(&of(&rig.stub.accepted(), "device_v,"));
    contains(&stored, &owed).unwrap();
    let extra = stored.difference(&acked).count();
    assert!(extra == 0 || sums.renamed.iter().sum::<u64>() > 0, "the store has {extra} messages that nobody sent");
    owed_above.holds(&rig, &ledger, &acked, sums.renamed.iter().sum::<u64>() > 0);
    say(&format!("{}: {} of {repetitions} found in the file and repaired", damage.name(), sums.repaired));
    let cell = |(index, class): (usize, &'static str)| {
        let driven: u64 = rig.edges.driven.values().sum();
        let mut note = format!("{} destroyed and told", sums.told[index]);
        if class == ALARMS {
            note += &format!("; all {driven} crossings of a line pushed");
        }
        if class == MODES {
            note += &format!(
                "; {} shelves and modes left, ended at worst {} ms after time and start",
                sums.ended, sums.latest
            );
        }
        if sums.renamed[index] > 0 {
            note += &format!("; {} under a damaged name", sums.renamed[index]);
        }
        let counts = Counts { repetitions, items: sums.items[index], lost: sums.lost[index], note };
        Cell { fault: damage.name().to_owned(), class, outcome: Outcome::Counted(counts) }
    };
    CLASSES.into_iter().enumerate().map(cell).collect()
}

fn repeat(damage: Damage, rig: &mut Rig, sums: &mut Sums, excused: &mut Set, owed: &mut Owed) {
    rig.flight.iter().for_each(|flight| flight.rest(false));
    // by a coin the store is out of reach, so that the journal alone has what came; by another the centre is
    if rig.random.between(0, 2) == 0 {
        rig.stores(Line::Shut);
    }
    if rig.random.between(0, 2) == 0 {
        rig.uplink_way.set(Line::Shut);
    }
    let length = Duration::from_millis(rig.random.between(200, 700));
    rig.load(length);
    // an alarm that the damage takes can't return, so nothing is left half way
    rig.all_pushed();
    // by a coin all is moved from the log into the file, as a stop does
    if rig.random.between(0, 2) == 0 {
        let _ = rig.gateway.term();
    } else {
        rig.gateway.kill9();
    }
    let data = rig.gateway.data();
    let before = Books::of(&data);
    let files = journal_files(&data);
    let file = &files[rig.random.between(0, files.len() as u64) as usize];
    let what = damage.strike(file, &mut rig.random);
    rig.uplink_way.set(Line::Open);
    rig.flight.iter().for_each(|flight| flight.rest(true));
    rig.gateway.restart();
    rig.gateway.alarm_lane_on_disk();
    let copy = {
        let _held = rig.gateway.process().hold();
        counting::copy(&data)
    };
    let after = Books::of(&copy.join("data"));
    let repaired = rig.gateway.metric("gengfu_journal_repairs_total", "") > 0.0;
    sums.repaired += usize::from(repaired);
    let missing = readings(rig, &before, &after, sums, excused);
    owed.damaged(&rig.centre, (&before.readings, &before.texts()), (&after.readings, &after.texts()));
    // the log of the alarm lane may lose its end, after a kill; its file may lose nothing untold, and what is damaged elsewhere
    // costs it nothing
    let cut_log = file.ends_with("alarm.db-wal");
    let entries = entries(&before, &after, cut_log, sums);
    if missing + entries.len() > 0 {
        say(&format!("{what}: {missing} readings and {} entries neither found nor told", entries.len()));
        say(&format!("  told: {:?} {:?}", after.news(&before, false), after.news(&before, true)));
        say(&format!("  {entries:?}"));
    }
    rig.stores(Line::Open);
    let (ended, late) = flight::all_end_on_time(&rig.gateway);
    sums.ended += ended;
    sums.latest = sums.latest.max(late);
    stands_as_driven(rig);
    rig.flight.iter_mut().for_each(|flight| flight.timers.forget());
    if repaired {
        owed.goes_up(&rig.centre, &before.readings, &after.readings);
        begin_anew(rig, excused, owed);
    }
}

/// Each damage is to meet a journal that is whole: where a repair took an entry out, the one behind it follows from nothing.
fn begin_anew(rig: &mut Rig, excused: &mut Set, owed: &mut Owed) {
    rig.gateway.term();
    let data = rig.gateway.data();
    let (books, stored) = (Books::of(&data), rig.stub.accepted());
    excused.extend(books.readings.difference(&stored).cloned());
    owed.damaged(&rig.centre, (&books.readings, &books.texts()), (&Set::new(), &[]));
    for file in std::fs::read_dir(&data).unwrap().flatten().filter(|file| file.path().is_file()) {
        std::fs::remove_file(file.path()).unwrap();
    }
    rig.gateway.restart();
    stands_as_driven(rig);
}

/// What is in alarm is an alarm, whatever the lane has forgotten; and nothing else is.
pub(super) fn stands_as_driven(rig: &Rig) {
    let rule = |device: &usize| format!("flip-d{device}");
    let flips = rig.edges.high.iter().map(rule);
    let driven: BTreeSet<String> = flips.chain(rig.flight.iter().flat_map(Flight::driven)).collect();
    eventually(SOON, "the alarms that stand are those of lines that are crossed and votes that are cast", || {
        let alarms = rig.gateway.items("alarms?state=open");
        let active = alarms.iter().filter(|alarm| alarm["active"] == true && alarm["device"] != "gengfu");
        active.filter_map(|alarm| alarm["rule"].as_str().map(str::to_owned)).collect::<BTreeSet<_>>() == driven
    });
}

/// How many readings are neither found nor told.
fn readings(rig: &Rig, before: &Books, after: &Books, sums: &mut Sums, excused: &mut Set) -> usize {
    before.readings.iter().for_each(|sample| sums.items[class(sample)] += 1);
    let stored = rig.stub.accepted();
    let gone = before.readings.difference(&after.readings).filter(|sample| !stored.contains(*sample));
    let renamed: HashSet<(i64, u64)> =
        after.readings.difference(&before.readings).map(|s| (s.at_ns, s.value().to_bits())).collect();
    let gaps = after.news(before, false);
    let mut missing = 0;
    for sample in gone {
        let (class, at) = (class(sample), sample.at_ns / 1_000_000);
        if gaps.iter().any(|(from, to, ..)| (*from..=*to).contains(&at)) {
            sums.told[class] += 1;
        } else if renamed.contains(&(sample.at_ns, sample.value().to_bits())) {
            sums.renamed[class] += 1;
        } else {
            say(&format!("  {} at {at} is not told of", sample.series));
            sums.lost[class] += 1;
            missing += 1;
        }
        excused.insert(sample.clone());
    }
    missing
}

/// Entries that are neither found nor told.
fn entries<'a>(before: &'a Books, after: &Books, cut_log: bool, sums: &mut Sums) -> Vec<&'a str> {
    let kept: HashSet<&str> = after.entries.iter().map(|(.., text)| text.as_str()).collect();
    let end = before.entries.iter().rposition(|(.., text)| kept.contains(text.as_str())).map_or(0, |last| last + 1);
    let gaps = after.news(before, true);
    let mut missing = Vec::new();
    for (place, (at, class, text)) in before.entries.iter().enumerate() {
        sums.items[*class] += 1;
        if kept.contains(text.as_str()) {
            continue;
        }
        if (cut_log && place >= end) || gaps.iter().any(|(from, to, ..)| (*from..=*to).contains(at)) {
            sums.told[*class] += 1;
        } else {
            sums.lost[*class] += 1;
            missing.push(text.as_str());
        }
    }
    missing
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
