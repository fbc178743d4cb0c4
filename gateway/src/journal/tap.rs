//! One push channel's view of the alarm lane: first what earlier runs still owed, then each new transition at its commit
//! or after 500 ms without one. A disk that hangs while the old ones are read does not hold up the new ones.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use gengfu_core::time::Mono;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::alarm::{AlarmLane, Pulse};
use super::chain::{self, Kept};
use super::lane::lock;
use super::ring::{PATIENCE, Peek, Slot};
use super::{Entry, Outcome, Seq, TapMark, Tapped, Ticket};

/// Entries read from the lane in one go.
const READ: usize = 256;
/// Wait after a read that failed.
const RETRY: Duration = Duration::from_millis(500);

/// One push channel's view of the alarm lane: first what the last run still owed, then each new transition at its
/// commit, or after 500 ms without one. Only `Entry::Alarm`; other entries are settled by the tap itself.
#[derive(Debug)]
pub struct Tap {
    lane: Arc<AlarmLane>,
    sink: usize,
    /// The next entry of this run.
    cursor: Seq,
    /// Ranges to be read from the lane.
    owed: VecDeque<(Seq, Seq)>,
    /// Read and not handed out yet.
    read: VecDeque<Kept>,
    reading: Option<Reading>,
    pulse: watch::Receiver<Pulse>,
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
        let pulse = lane.pulse.subscribe();
        Self { lane, sink, cursor: start, owed, read: VecDeque::new(), reading: None, pulse }
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
        let seq = match mark {
            TapMark::Seq(seq) | TapMark::Ticket(Ticket(seq)) => seq,
        };
        let core = &self.lane.core;
        // Under the lock: the commit moves the head before it asks the maps for settlements made too early.
        let mut deliveries = lock(&core.deliveries);
        let head = core.head().seq;
        let settled = deliveries.settle(self.sink, (seq, seq), outcome, head, core.clock.mono());
        drop(deliveries);
        if settled.is_err() {
            tracing::warn!(seq, "delivery map is full, this push stays owed and is made again after a restart");
        }
        core.bell.ring();
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
                self.fresh(&slot).map_or(Live::Again, |tapped| Live::Now(Box::new(tapped)))
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
        let mark = if slot.committed.is_some() { TapMark::Seq(slot.seq) } else { TapMark::Ticket(Ticket(slot.seq)) };
        if let Entry::Alarm(event) = slot.entry.as_ref() {
            let (durable, committed) = (slot.committed.is_some(), slot.committed);
            return Some(Tapped { event: event.clone(), durable, committed, mark });
        }
        self.settle(mark, Outcome::Done);
        None
    }

    /// An entry read from the lane.
    fn old(&self, kept: Kept) -> Option<Tapped> {
        let mark = TapMark::Seq(kept.seq);
        match kept.entry {
            Ok(Entry::Alarm(event)) => Some(Tapped { event, durable: true, committed: Some(kept.wall), mark }),
            Ok(_) => {
                self.settle(mark, Outcome::Done);
                None
            }
            Err(error) => {
                tracing::warn!(seq = kept.seq, error, "entry of the alarm lane can't be read and is not pushed");
                self.settle(mark, Outcome::Dead("unreadable".to_owned()));
                None
            }
        }
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
        let next = kept.last().map_or(to, |kept| kept.seq).saturating_add(1);
        if kept.len() >= READ && next <= to {
            self.owed.push_front((next, to));
        }
        // What is not there any more is lost, and so is the duty to push it.
        let core = &self.lane.core;
        let mut missing = from;
        let end = if kept.len() >= READ { next } else { to.saturating_add(1) };
        let mut deliveries = lock(&core.deliveries);
        for seq in kept.iter().map(|kept| kept.seq).chain([end]) {
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
