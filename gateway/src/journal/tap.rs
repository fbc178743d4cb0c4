//! One push channel's view of the alarm lane: first what earlier runs still owed, then each new transition at its commit
//! or after 500 ms without one.
//!
//! The first [`AHEAD`] that are owed are read when the journal is opened, so that their order hangs on no later read. What
//! has to be read later holds the new ones up for [`PATIENCE`] at most: an old one that a newer one of its alarm has
//! passed by then says so. A disk that hangs costs the order there, never a transition and never the time.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use gengfu_core::time::Mono;
use rusqlite::Connection;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::alarm::{AlarmLane, Pulse};
use super::chain::{self, Kept};
use super::deliveries::Deliveries;
use super::lane::lock;
use super::ring::{PATIENCE, Peek, Slot};
use super::{Entry, Outcome, Seq, TapMark, Tapped};

/// Entries read from the lane in one go.
const READ: usize = 256;
/// Entries owed to one channel that are read when the journal is opened.
const AHEAD: usize = 1_024;
/// Alarms whose news has passed what could not be read; of more it is not said that they did, the numbers still tell.
const MOST_PASSED: usize = 10_000;
/// Wait after a read that failed.
const RETRY: Duration = Duration::from_millis(500);

/// One push channel's view of the alarm lane: first what the last run still owed, then each new transition at its
/// commit, or after 500 ms without one. Only `Entry::Alarm`, and none of a rule on trial; other entries are none of its business
/// and settled as such here.
#[derive(Debug)]
pub struct Tap {
    pub(super) lane: Arc<AlarmLane>,
    pub(super) sink: usize,
    /// The next entry of this run.
    cursor: Seq,
    /// Ranges to be read from the lane.
    owed: VecDeque<(Seq, Seq)>,
    /// Read and not handed out yet.
    read: VecDeque<Kept>,
    reading: Option<Reading>,
    /// Handed out while older ones could not be read: the first number of each alarm.
    passed: HashMap<String, u32>,
    pulse: watch::Receiver<Pulse>,
}

/// What was read of a range.
#[derive(Debug)]
pub(super) struct Chunk {
    range: (Seq, Seq),
    kept: Vec<Kept>,
}

/// The first of what a push channel is owed. Where it can't be read, the tap tries again.
pub(super) fn ahead(conn: &Connection, deliveries: &Deliveries, sink: usize, head: Seq) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let mut left = AHEAD;
    for (mut from, to) in deliveries.owed(sink, 1, head) {
        while from <= to && left > 0 {
            let Ok(kept) = chain::read(conn, from, to, READ) else { return chunks };
            left = left.saturating_sub(kept.len().max(1));
            let range = (from, to);
            from = next_after(&kept, to);
            chunks.push(Chunk { range, kept });
        }
    }
    chunks
}

/// Where to read on after a chunk of a range that ends at `to`.
fn next_after(kept: &[Kept], to: Seq) -> Seq {
    let last = if kept.len() >= READ { kept.last().map_or(to, |kept| kept.seq) } else { to };
    last.saturating_add(1)
}

#[derive(Debug)]
struct Reading {
    range: (Seq, Seq),
    since: Mono,
    task: JoinHandle<Result<Vec<Kept>, String>>,
}

/// What the ring says.
enum Live {
    Now(Box<Tapped>),
    /// Something was passed over: look again.
    Again,
    /// Nothing before this moment.
    Until(Option<Mono>),
    Closed,
}

impl Tap {
    pub(super) fn new(lane: Arc<AlarmLane>, sink: usize, start: Seq) -> Self {
        let owed = lock(&lane.core.deliveries).owed(sink, 1, start - 1).into();
        let (pulse, chunks) = (lane.pulse.subscribe(), lane.take_ahead(sink));
        let (read, passed) = (VecDeque::new(), HashMap::new());
        let mut tap = Self { lane, sink, cursor: start, owed, read, reading: None, passed, pulse };
        for Chunk { range, kept } in chunks {
            if tap.owed.front() == Some(&range) {
                tap.owed.pop_front();
                tap.take_read(range, kept);
            }
        }
        tap
    }

    /// The next transition; cancel-safe. `None` when the journal closes.
    pub async fn next(&mut self) -> Option<Tapped> {
        loop {
            while let Some(kept) = self.read.pop_front() {
                if let Some(tapped) = self.old(kept) {
                    return Some(tapped);
                }
            }
            self.start_reading();
            if self.reading.is_none() {
                self.passed.clear();
            }
            self.pulse.borrow_and_update();
            let live = match self.live_from() {
                Some(later) => Live::Until(Some(later)),
                None => self.live(),
            };
            match live {
                Live::Now(tapped) => return Some(*tapped),
                Live::Again => {}
                Live::Until(until) => self.wait(until).await,
                Live::Closed => return None,
            }
        }
    }

    /// Settles one; recorded durably with the lane's next commit, or as soon as the record itself is on disk.
    pub fn settle(&self, mark: TapMark, outcome: Outcome) {
        settle(&self.lane, self.sink, mark.seq(), outcome);
    }

    /// While old entries are being read the new ones wait, but not longer than they would for a commit.
    fn live_from(&self) -> Option<Mono> {
        let patience = self.reading.as_ref().map(|reading| reading.since.plus(PATIENCE));
        patience.filter(|until| *until > self.lane.core.clock.mono())
    }

    fn live(&mut self) -> Live {
        match self.lane.peek(self.sink, self.cursor) {
            Peek::Ready(slot) => {
                self.cursor = slot.seq + 1;
                let Some(tapped) = self.fresh(&slot) else { return Live::Again };
                if self.reading.is_some() && self.passed.len() < MOST_PASSED {
                    self.passed.entry(tapped.event.id.clone()).or_insert(tapped.event.number);
                }
                Live::Now(Box::new(tapped))
            }
            Peek::Until(until) => Live::Until(Some(until)),
            Peek::Gone(next) => {
                let missed = lock(&self.lane.core.deliveries).owed(self.sink, self.cursor, next - 1);
                self.owed.extend(missed);
                self.cursor = next;
                Live::Again
            }
            Peek::Empty if self.pulse.borrow().closed && self.reading.is_none() => Live::Closed,
            Peek::Empty => Live::Until(None),
        }
    }

    /// An entry of this run; one that is settled already is not handed out again (the task behind a tap may be a second one).
    fn fresh(&self, slot: &Slot) -> Option<Tapped> {
        if slot.committed.is_some() && lock(&self.lane.core.deliveries).owed(self.sink, slot.seq, slot.seq).is_empty() {
            return None;
        }
        let tapped = slot.tapped();
        if tapped.is_none() {
            settle(&self.lane, self.sink, slot.seq, Outcome::NotForIt);
        }
        tapped
    }

    /// An entry read from the lane. One that was settled since (its alarm was read on its own) is not handed out again.
    fn old(&self, kept: Kept) -> Option<Tapped> {
        if !lock(&self.lane.core.deliveries).owes(self.sink, kept.seq) {
            return None;
        }
        let mut tapped = transition(&self.lane, self.sink, kept)?;
        let newer = self.passed.get(&tapped.event.id).copied();
        tapped.passed_by = newer.filter(|newer| *newer > tapped.event.number);
        Some(tapped)
    }

    fn start_reading(&mut self) {
        if self.reading.is_none()
            && let Some((from, to)) = self.owed.pop_front()
        {
            self.read_lane((from, to), Duration::ZERO);
        }
    }

    fn read_lane(&mut self, range: (Seq, Seq), delay: Duration) {
        let readers = self.lane.core.readers.clone();
        let task = tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            readers.spawn(move |conn| chain::read(conn, range.0, range.1, READ)).await
        });
        let since = self.reading.take().map_or_else(|| self.lane.core.clock.mono(), |reading| reading.since);
        self.reading = Some(Reading { range, since, task });
    }

    /// Waits for whatever comes first: an old entry read, something new in the ring, the moment `until`.
    async fn wait(&mut self, until: Option<Mono>) {
        let clock = &self.lane.core.clock;
        let until = clock.instant(until.unwrap_or(Mono(u64::MAX)));
        let Some(reading) = &mut self.reading else {
            tokio::select! {
                _ = self.pulse.changed() => {}
                () = tokio::time::sleep_until(until) => {}
            }
            return;
        };
        let range = reading.range;
        tokio::select! {
            read = &mut reading.task => match read {
                Ok(Ok(kept)) => self.take_read(range, kept),
                Ok(Err(error)) => self.read_again(range, &error),
                Err(error) => self.read_again(range, &error.to_string()),
            },
            _ = self.pulse.changed() => {}
            () = tokio::time::sleep_until(until) => {}
        }
    }

    fn take_read(&mut self, (from, to): (Seq, Seq), kept: Vec<Kept>) {
        self.reading = None;
        let next = next_after(&kept, to);
        if next <= to {
            self.owed.push_front((next, to));
        }
        // What is not there any more is lost, and so is the duty to push it.
        let core = &self.lane.core;
        let mut missing = from;
        let mut deliveries = lock(&core.deliveries);
        for seq in kept.iter().map(|kept| kept.seq).chain([next]) {
            if missing < seq {
                let lost = Outcome::Dead("missing in the lane".to_owned());
                let _ = deliveries.settle(self.sink, (missing, seq - 1), lost, core.head().seq, core.clock.mono());
            }
            missing = seq.saturating_add(1);
        }
        drop(deliveries);
        self.read.extend(kept);
    }

    fn read_again(&mut self, range: (Seq, Seq), error: &str) {
        tracing::warn!(error, "what earlier runs owed a push channel can't be read yet");
        self.read_lane(range, RETRY);
    }
}

/// Settles one, on disk or not.
fn settle(lane: &AlarmLane, sink: usize, seq: Seq, outcome: Outcome) {
    let core = &lane.core;
    // Under the lock: the commit moves the head before it asks the maps for settlements made too early.
    let mut deliveries = lock(&core.deliveries);
    let head = core.head().seq;
    let settled = deliveries.settle(sink, (seq, seq), outcome, head, core.clock.mono());
    drop(deliveries);
    if settled.is_err() {
        tracing::warn!(seq, "delivery map is full, this push stays owed and is made again after a restart");
    }
    core.bell.ring();
}

/// The transition that an entry of the lane is; another entry is none of a push channel's business and settled as such.
pub(super) fn transition(lane: &AlarmLane, sink: usize, kept: Kept) -> Option<Tapped> {
    let Kept { seq, wall, entry } = kept;
    match entry {
        Ok(Entry::Alarm(event)) if !event.shadow => {
            let mark = TapMark::Seq(seq);
            return Some(Tapped { event, durable: true, committed: Some(wall), passed_by: None, mark });
        }
        Ok(_) => settle(lane, sink, seq, Outcome::NotForIt),
        Err(error) => {
            tracing::warn!(seq, error, "entry of the alarm lane can't be read and is not pushed");
            settle(lane, sink, seq, Outcome::Dead("unreadable".to_owned()));
        }
    }
    None
}
