//! The counting rule: the set of (series, time, value) found equals the set committed or acknowledged, none missing,
//! none extra, each value as sent.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use gengfu::catalog::Catalog;
use gengfu::clock::Clock;
use gengfu::config::checked::JournalConfig;
use gengfu::journal::{Entry, Journal, Lane, Past, Record};
use gengfu_core::quality::Quality;

use crate::process::Folder;

/// Differences that are shown.
const SHOWN: usize = 10;

/// One value of a series at a time. The series is `<measurement>_<field>,<device>`, as a store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sample {
    pub series: String,
    pub at_ns: i64,
    bits: u64,
}

impl Sample {
    pub fn new(series: &str, at_ns: i64, value: f64) -> Self {
        // 0.0 and -0.0 are one value to a store
        let value = if value == 0.0 { 0.0 } else { value };
        Self { series: series.to_owned(), at_ns, bits: value.to_bits() }
    }

    pub fn value(&self) -> f64 {
        f64::from_bits(self.bits)
    }
}

/// A set of samples.
pub type Set = HashSet<Sample>;

/// Times cut to the millisecond: what VictoriaMetrics keeps.
pub fn to_ms(set: &Set) -> Set {
    set.iter().map(|s| Sample { at_ns: s.at_ns.div_euclid(1_000_000) * 1_000_000, ..s.clone() }).collect()
}

/// Readings without their quality series (`…_q`).
pub fn values(set: &Set) -> Set {
    set.iter().filter(|s| !s.series.split(',').next().unwrap_or_default().ends_with("_q")).cloned().collect()
}

/// Samples whose series starts so.
pub fn of(set: &Set, prefix: &str) -> Set {
    set.iter().filter(|s| s.series.starts_with(prefix)).cloned().collect()
}

/// What a store must hold and what it may hold besides.
#[derive(Debug, Default, Clone)]
pub struct Expected {
    pub must: Set,
    /// `_q=0` at a good reading: sent on the return to good, which a restart may repeat.
    pub may: Set,
}

impl Expected {
    /// Compares; the error shows what is missing and what is extra.
    pub fn compare(&self, found: &Set) -> Result<(), String> {
        let missing: Vec<_> = self.must.difference(found).collect();
        let extra: Vec<_> = found.iter().filter(|s| !self.must.contains(s) && !self.may.contains(s)).collect();
        if missing.is_empty() && extra.is_empty() {
            return Ok(());
        }
        let mut text = format!("expected {}, found {}\n", self.must.len(), found.len());
        list(&mut text, "missing", missing);
        list(&mut text, "extra", extra);
        Err(text)
    }

    /// Compares with a store that keeps one value of a series in a millisecond, whichever of them that is.
    pub fn compare_by_ms(&self, found: &Set) -> Result<(), String> {
        let (must, may) = (to_ms(&self.must), to_ms(&self.may));
        let there: HashSet<(&str, i64)> = found.iter().map(|s| (s.series.as_str(), s.at_ns)).collect();
        let must = must.iter().filter(|s| found.contains(*s) || !there.contains(&(s.series.as_str(), s.at_ns)));
        let may = to_ms(&self.must).into_iter().chain(may).collect();
        Expected { must: must.cloned().collect(), may }.compare(found)
    }
}

/// `must` is a part of `found`.
pub fn contains(found: &Set, must: &Set) -> Result<(), String> {
    let missing: Vec<_> = must.difference(found).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut text = format!("expected at least {}, found {}\n", must.len(), found.len());
    list(&mut text, "missing", missing);
    Err(text)
}

fn list(text: &mut String, what: &str, mut samples: Vec<&Sample>) {
    samples.sort();
    let _ = writeln!(text, "{what}: {}", samples.len());
    for s in samples.iter().take(SHOWN) {
        let _ = writeln!(text, "  {} at {} ns = {}", s.series, s.at_ns, s.value());
    }
}

/// Everything the journal in `data`, whose owner is not running, has committed, with its points. A copy is opened.
pub fn journal(data: &Path) -> (Vec<Record>, Catalog) {
    open(&copy(data).join("data"), |journal, catalog| {
        let mut records = Vec::new();
        journal.replay(u64::MAX, &mut |record, _| records.push(record)).unwrap();
        (records, catalog.clone())
    })
}

/// All entries of the alarm lane, oldest first.
pub fn entries(journal: &Journal) -> Vec<Entry> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut all = Vec::new();
    let mut before = None;
    loop {
        let page = runtime.block_on(journal.entries(before, 1_000)).unwrap();
        let Some((last, _)) = page.last() else { break };
        before = Some(*last);
        all.extend(page);
    }
    all.sort_by_key(|(seq, _)| *seq);
    all.into_iter().map(|(_, entry)| entry).collect()
}

/// What the starts of the gateway told of readings that may be missing: (from, to, at most, why). Opening a copy of a journal
/// in use tells one more, which comes after the last start.
pub fn gaps(entries: &[Entry]) -> Vec<(i64, i64, u64, &str)> {
    let last = entries.iter().rposition(|entry| matches!(entry, Entry::Start { .. })).unwrap_or(0);
    let gap = |entry| {
        if let &Entry::Gap { from, to, at_most, ref why } = entry { Some((from, to, at_most, &**why)) } else { None }
    };
    entries.iter().take(last).filter_map(gap).collect()
}

/// The epoch of each lane. A copy of a journal in use goes on with them.
pub fn epochs(journal: &Journal) -> [(Lane, u64); 2] {
    [Lane::Alarm, Lane::Telemetry].map(|lane| (lane, journal.head(lane).borrow().epoch))
}

/// A copy of the journal's folder, in `data` of the folder it gives.
pub fn copy(data: &Path) -> Folder {
    let copy = Folder::new("journal-copy");
    copy_below(data, &copy.join("data"));
    copy
}

/// Opens a copy; a fresh start of the library, which adds its own start entry.
pub fn open<T>(copy: &Path, look: impl FnOnce(&Journal, &Catalog) -> T) -> T {
    let catalog = Catalog::default();
    let keep = Duration::from_hours(876_000);
    let config = JournalConfig { path: copy.to_path_buf(), keep, keep_life_safety: keep, max_size: u64::MAX >> 1 };
    let opened = Journal::open(&config, &catalog, &Clock::start(), &gengfu::telemetry::SharedStats::default(), &[])
        .unwrap_or_else(|e| panic!("the journal's copy does not open: {}", e.0));
    let seen = look(&opened.journal, &catalog);
    assert!(opened.writers.close(Duration::from_secs(5)), "the journal's copy does not close");
    seen
}

fn copy_below(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_below(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}

/// What a store must hold of everything committed in `data`, by the contract of the time series (design.md section 7).
pub fn committed(data: &Path) -> Expected {
    let (records, catalog) = journal(data);
    expected(&records, &catalog)
}

/// The same of a journal that has lived so long that a part of it is sealed and has left the lane.
pub fn lived(data: &Path) -> Expected {
    let mut past = Past::open(data).unwrap_or_else(|e| panic!("the journal can't be read: {}", e.0));
    let catalog = past.catalog().unwrap_or_else(|e| panic!("its points can't be read: {}", e.0));
    let points: Vec<u32> = (0..catalog.len() as u32).collect();
    let mut all = Expected::default();
    let read = past.readings(&points, i64::MIN, i64::MAX, &mut |records| {
        let Expected { must, may } = expected(records, &catalog);
        all.must.extend(must);
        all.may.extend(may);
        Ok(())
    });
    read.unwrap();
    all
}

fn expected(records: &[Record], catalog: &Catalog) -> Expected {
    let mut expected = Expected::default();
    for record in records {
        let Some(point) = catalog.get(record.point) else { panic!("record of unknown point {:?}", record.point) };
        let series = format!("{}_{},{}", point.kind, point.point, point.device);
        let quality = format!("{}_{}_q,{}", point.kind, point.point, point.device);
        match record.quality {
            Quality::Good => {
                expected.must.insert(Sample::new(&series, record.at_ns, record.value));
                expected.may.insert(Sample::new(&quality, record.at_ns, 0.0));
            }
            Quality::Uncertain(_) => {
                expected.must.insert(Sample::new(&series, record.at_ns, record.value));
                expected.must.insert(Sample::new(&quality, record.at_ns, 1.0));
            }
            Quality::Bad(reason) => {
                expected.must.insert(Sample::new(&quality, record.at_ns, f64::from(reason as u8)));
            }
        }
    }
    expected
}

/// The same as a store that keeps milliseconds must hold it. Of readings of one series in one millisecond (a poll that was
/// late and the next one) VictoriaMetrics gives back the largest; that all of them were sent is for the stub to show.
pub fn committed_ms(data: &Path) -> Expected {
    let expected = committed(data);
    let mut must: HashMap<(String, i64), Sample> = HashMap::new();
    for sample in to_ms(&expected.must) {
        let kept = must.entry((sample.series.clone(), sample.at_ns)).or_insert_with(|| sample.clone());
        if sample.value() > kept.value() {
            *kept = sample;
        }
    }
    Expected { must: must.into_values().collect(), may: to_ms(&expected.may) }
}

/// Poll numbers of a counting device in a set (`device_n,<device>`), sorted.
pub fn poll_numbers(set: &Set, device: &str) -> Vec<u32> {
    let series = format!("device_n,{device}");
    let mut numbers: Vec<u32> = set.iter().filter(|s| s.series == series).map(|s| s.value() as u32).collect();
    numbers.sort_unstable();
    numbers
}
