//! The room without a journal: a lane in memory stands for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use gengfu_core::quality::Quality;
use gengfu_core::reading::PointId;
use tokio::sync::watch;

use super::feed::Lane;
use crate::catalog::{Catalog, PointMeta};
use crate::flow::{AlarmEvent, Text};
use crate::journal::{Entry, Outcome, Record, Seq};

mod lines;
mod decisions;
mod wire;
mod answers;
mod victoria;

/// A lane in memory. Clones are the same lane; times it was settled are kept.
#[derive(Clone)]
pub(super) struct FakeLane {
    inner: Arc<Mutex<Kept>>,
    head: watch::Sender<Seq>,
    /// How often somebody waited for the head.
    waits: Arc<AtomicU64>,
}

#[derive(Default)]
struct Kept {
    records: Vec<Record>,
    entries: Vec<(Seq, Entry)>,
    /// Settled, sorted, neighbours joined.
    done: Vec<(Seq, Seq)>,
    not_for_it: Vec<Seq>,
    dead: Vec<(Seq, String)>,
    /// Rows of telemetry that can't be read.
    damaged: Vec<(Seq, Seq)>,
    /// Every call of settle.
    settled: Vec<(Seq, Seq)>,
    /// What is said to be carried, and what was ever shown.
    carried: Vec<(Seq, Seq)>,
    shown: Vec<(Seq, Seq)>,
}

impl FakeLane {
    pub(super) fn new() -> Self {
        Self { inner: Arc::default(), head: watch::channel(0).0, waits: Arc::default() }
    }

    /// Commits records; their numbers go on from the head.
    pub(super) fn commit(&self, records: impl IntoIterator<Item = (PointId, i64, f64, Quality)>) {
        let mut kept = self.inner.lock().unwrap();
        let mut seq = *self.head.borrow();
        for (point, at_ns, value, quality) in records {
            seq += 1;
            kept.records.push(Record { seq, point, at_ns, value, quality });
        }
        drop(kept);
        self.head.send_replace(seq);
    }

    pub(super) fn append(&self, entry: Entry) {
        let seq = *self.head.borrow() + 1;
        self.inner.lock().unwrap().entries.push((seq, entry));
        self.head.send_replace(seq);
    }

    /// The entry of this number can't be read any more.
    pub(super) fn forget(&self, seq: Seq) {
        self.inner.lock().unwrap().entries.retain(|(kept, _)| *kept != seq);
    }

    /// The records up to `seq` expire: neither given nor settled any more.
    pub(super) fn expire(&self, seq: Seq) {
        self.inner.lock().unwrap().records.retain(|record| record.seq > seq);
    }

    /// The records of this row can't be read any more.
    pub(super) fn damage(&self, from: Seq, to: Seq) {
        let mut kept = self.inner.lock().unwrap();
        kept.records.retain(|record| !(from..=to).contains(&record.seq));
        kept.damaged.push((from, to));
    }

    pub(super) fn waits(&self) -> u64 {
        self.waits.load(Ordering::Relaxed)
    }

    pub(super) fn all_settled(&self) -> bool {
        Lane::owed(self).is_empty()
    }

    pub(super) fn dead(&self) -> Vec<(Seq, String)> {
        self.inner.lock().unwrap().dead.clone()
    }

    /// What was settled as not meant for a store.
    pub(super) fn not_for_it(&self) -> Vec<Seq> {
        self.inner.lock().unwrap().not_for_it.clone()
    }

    /// What was read for one who takes each number once.
    pub(super) fn shown(&self) -> Vec<(Seq, Seq)> {
        self.inner.lock().unwrap().shown.clone()
    }

    pub(super) fn settled(&self) -> Vec<(Seq, Seq)> {
        self.inner.lock().unwrap().settled.clone()
    }
}

impl Lane for FakeLane {
    async fn beyond(&mut self, seq: Seq) {
        self.waits.fetch_add(1, Ordering::Relaxed);
        let _ = self.head.subscribe().wait_for(|head| *head > seq).await;
    }

    fn head(&self) -> Seq {
        *self.head.borrow()
    }

    fn owed(&self) -> Vec<(Seq, Seq)> {
        let mut next = 1;
        let mut owed = Vec::new();
        for &(from, to) in &self.inner.lock().unwrap().done {
            if next < from {
                owed.push((next, from - 1));
            }
            next = to + 1;
        }
        if next <= self.head() {
            owed.push((next, self.head()));
        }
        owed
    }

    async fn telemetry(&self, from: Seq, to: Seq, max: usize) -> Result<Vec<Record>, String> {
        let kept = self.inner.lock().unwrap();
        let start = kept.records.partition_point(|record| record.seq < from);
        Ok(kept.records[start..].iter().take_while(|record| record.seq <= to).take(max).copied().collect())
    }

    fn carry(&self, ranges: &[(Seq, Seq)]) -> bool {
        self.inner.lock().unwrap().carried = ranges.to_vec();
        true
    }

    fn show(&self, range: (Seq, Seq)) -> bool {
        self.inner.lock().unwrap().shown.push(range);
        true
    }

    async fn unreadable(&self, from: Seq, to: Seq, max: usize) -> Result<Vec<(Seq, Seq)>, String> {
        let kept = self.inner.lock().unwrap();
        let inside = kept.damaged.iter().map(|row| (row.0.max(from), row.1.min(to)));
        Ok(inside.filter(|row| row.0 <= row.1).take(max).collect())
    }

    async fn entries(&self, from: Seq, to: Seq, max: usize) -> Result<Vec<(Seq, Entry)>, String> {
        let kept = self.inner.lock().unwrap();
        Ok(kept.entries.iter().filter(|(seq, _)| (from..=to).contains(seq)).take(max).cloned().collect())
    }

    fn hurry(&self) {}

    async fn settle(&self, from: Seq, to: Seq, outcome: Outcome) -> Result<(), String> {
        let mut kept = self.inner.lock().unwrap();
        kept.settled.push((from, to));
        // Else the journal could give these numbers to other readings while they are under way.
        let carried = kept.carried.iter().any(|range| range.0 <= from && to <= range.1);
        assert!(
            outcome != Outcome::Done || carried || kept.records.is_empty(),
            "{from}..={to} was not said to be sent"
        );
        match outcome {
            Outcome::Dead(why) => kept.dead.extend((from..=to).map(|seq| (seq, why.clone()))),
            Outcome::NotForIt => kept.not_for_it.extend(from..=to),
            Outcome::Done => {}
        }
        kept.done.push((from, to));
        kept.done.sort_unstable();
        let mut joined: Vec<(Seq, Seq)> = Vec::new();
        for (from, to) in std::mem::take(&mut kept.done) {
            match joined.last_mut() {
                Some(last) if from <= last.1 => panic!("{from}..={to} settled twice"),
                Some(last) if from == last.1 + 1 => last.1 = to,
                _ => joined.push((from, to)),
            }
        }
        kept.done = joined;
        Ok(())
    }
}

/// `device/point` of kind `hydrant` for every number below `points`, four to a device.
pub(super) fn catalog(points: u32) -> Catalog {
    let catalog = Catalog::default();
    for index in 0..points {
        catalog.add(meta(&format!("dev-{}", index / 4), &format!("p{}", index % 4), "hydrant"));
    }
    catalog
}

pub(super) fn meta(device: &str, point: &str, kind: &str) -> PointMeta {
    PointMeta {
        device: device.to_owned(),
        point: point.to_owned(),
        kind: kind.to_owned(),
        area: None,
        unit: None,
        life_safety: false,
        source: None,
    }
}

pub(super) fn event(id: &str, number: u32, message: &str) -> AlarmEvent {
    AlarmEvent {
        id: id.to_owned(),
        number,
        event: "raise".to_owned(),
        state: "unacknowledged".to_owned(),
        site: "mall".to_owned(),
        device: "dev-0".to_owned(),
        point: "p0".to_owned(),
        kind: "hydrant".to_owned(),
        rule: "low".to_owned(),
        priority: "critical".to_owned(),
        level: 0,
        value: Some(0.1),
        quality: "good".to_owned(),
        reason: None,
        unit: Some("MPa".to_owned()),
        limit: Some(0.15),
        time_to_limit: None,
        early_warning: false,
        message: Text { zh: message.to_owned(), en: String::new() },
        advice: None,
        basis: None,
        onset: 1_700_000_000_000,
        since: 1_700_000_000_000,
        occurred: 1_700_000_000_123,
        detected: 1_700_000_000_124,
        by: None,
        raised: None,
        acknowledged: None,
        life: None,
        shelved: None,
        out_of_service: None,
        suppressed: false,
        test: None,
        first: false,
        noted: None,
        shadow: false,
        note: None,
        clock: None,
        ballot: None,
    }
}
