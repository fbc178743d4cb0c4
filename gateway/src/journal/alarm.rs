//! The alarm lane: a ring that never waits, and one thread that brings it to disk, every commit synced.
//! There is no retention here yet: alarms and audit are kept.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gengfu_core::time::Wall;
use rusqlite::Connection;
use tokio::sync::watch;

use super::chain::{self, Hash};
use super::delivery::Fate;
use super::lane::{Ask, Hand, IDLE, LaneCore, lock};
use super::ring::{Peek, Ring, Slot};
use super::tap::Chunk;
use super::{Entry, Seq, start};

/// Entries of one transaction.
const COMMIT_ENTRIES: usize = 1000;

/// The lane as everybody shares it.
#[derive(Debug)]
pub(super) struct AlarmLane {
    pub core: LaneCore,
    ring: Mutex<Ring>,
    /// Read at the start for each push channel's first tap.
    ahead: Mutex<HashMap<usize, Vec<Chunk>>>,
    /// Moves at every append and commit, and at the end.
    pub pulse: watch::Sender<Pulse>,
}

/// What a push channel waits on.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pulse {
    beats: u64,
    pub closed: bool,
}

impl AlarmLane {
    pub(super) fn new(core: LaneCore, sinks: usize, ahead: HashMap<usize, Vec<Chunk>>) -> Self {
        let ring = Mutex::new(Ring::new(core.head().seq + 1, sinks));
        Self { core, ring, ahead: Mutex::new(ahead), pulse: watch::Sender::default() }
    }

    /// What was read at the start for this channel; once.
    pub(super) fn take_ahead(&self, sink: usize) -> Vec<Chunk> {
        lock(&self.ahead).remove(&sink).unwrap_or_default()
    }

    /// Takes an entry; waits for nothing but the ring's lock, which nobody holds for longer than a copy.
    pub(super) fn append(&self, entry: Entry) -> Seq {
        let seq = lock(&self.ring).append(entry, self.core.clock.mono());
        self.core.bell.ring();
        self.beat();
        seq
    }

    pub(super) fn together(self: &Arc<Self>) -> Together {
        lock(&self.ring).begin_together();
        Together(Arc::clone(self))
    }

    pub(super) fn peek(&self, sink: usize, seq: Seq) -> Peek {
        lock(&self.ring).peek(sink, seq, self.core.clock.mono())
    }

    pub(super) fn leave(&self, sink: usize) {
        lock(&self.ring).leave(sink);
    }

    /// What memory holds of one alarm among `from..=to`, oldest first and `max` at most: see [`Ring::held`].
    pub(super) fn held(&self, id: &str, from: Seq, to: Seq, max: usize) -> (bool, Seq, Vec<Slot>) {
        let ring = lock(&self.ring);
        let (whole, on_disk, slots) = ring.held(from, to);
        let of_it = |slot: &&Slot| matches!(slot.entry.as_ref(), Entry::Alarm(event) if event.id == id);
        (whole, on_disk, slots.filter(of_it).take(max).cloned().collect())
    }

    pub(super) fn behind(&self) -> usize {
        lock(&self.ring).behind()
    }

    pub(super) fn is_lost(&self, seq: Seq) -> bool {
        lock(&self.ring).is_lost(seq)
    }

    fn beat(&self) {
        self.pulse.send_modify(|pulse| pulse.beats = pulse.beats.wrapping_add(1));
    }

    /// Records up to `seq` are synced.
    fn committed(&self, seq: Seq, wall: i64) {
        lock(&self.ring).commit(seq, wall);
        // The head first: a settlement made meanwhile either sees it, or waits in the map for the line after.
        self.core.head.send_modify(|head| head.seq = seq);
        lock(&self.core.deliveries).advance(seq, self.core.clock.mono());
        self.beat();
    }
}

/// As long as it is there, what is appended to the lane waits for the rest: see [`super::Journal::together`].
#[derive(Debug)]
pub struct Together(Arc<AlarmLane>);

impl Drop for Together {
    fn drop(&mut self) {
        if lock(&self.0.ring).end_together() {
            self.0.core.bell.ring();
        }
    }
}

/// The writer thread.
#[derive(Debug)]
pub(super) struct AlarmWriter {
    lane: Arc<AlarmLane>,
    hand: Hand,
    end: Hash,
}

impl AlarmWriter {
    pub(super) fn new(lane: Arc<AlarmLane>, hand: Hand, end: Hash) -> Self {
        Self { lane, hand, end }
    }

    /// Until asked to end.
    pub(super) fn run(mut self) {
        let whole = loop {
            self.lane.core.alive();
            let ask = self.lane.core.bell.asked();
            #[cfg(test)]
            if ask == Ask::Die {
                break false;
            }
            match self.round() {
                Some(true) => {}
                None if ask == Ask::GoOn => self.rest(),
                None => break self.finish(),
                Some(false) => break false,
            }
        };
        self.lane.pulse.send_modify(|pulse| pulse.closed = true);
        self.lane.core.bell.end(whole);
    }

    /// Commits what there is; `None`: there was nothing.
    fn round(&mut self) -> Option<bool> {
        let core = &self.lane.core;
        let due = lock(&core.deliveries).due().is_some_and(|due| due <= core.clock.mono());
        let (work, lost) = {
            let mut ring = lock(&self.lane.ring);
            (ring.take_waiting(COMMIT_ENTRIES), ring.take_untold())
        };
        if work.is_empty() && lost.is_empty() && !due && self.hand.boot.is_none() {
            return None;
        }
        // Only up to what this commit writes: a map must not speak of numbers beyond the head.
        let upto = work.last().map_or_else(|| core.head().seq, |(seq, _)| *seq);
        let (lost, later): (Vec<_>, Vec<_>) = lost.into_iter().partition(|seq| *seq <= upto);
        lock(&self.lane.ring).put_back_untold(later);
        for seq in &lost {
            lock(&core.deliveries).for_all(*seq, *seq, &Fate::Void, core.clock.mono());
        }
        let counted = work.iter().find(|(_, entry)| core.clock.is_count(Wall(entry.at()))).map(|(seq, _)| *seq);
        let undated = counted.and_then(|first| core.undated_from(first));
        let mut end = self.end;
        // One time for the row and for the push, so that a push made again after a restart says the same.
        let wall = Cell::new(0);
        let written = self.hand.commit(
            core,
            &mut |conn| {
                end = self.end;
                wall.set(core.clock.wall().0);
                undated.iter().try_for_each(|undated| undated.write(conn))?;
                work.iter().try_for_each(|(seq, entry)| {
                    end = chain::insert(conn, &end, *seq, wall.get(), entry)?;
                    Ok(())
                })
            },
            || {
                if let Some(undated) = &undated {
                    lock(&core.undated).clone_from(undated);
                }
                if let Some((seq, _)) = work.last() {
                    self.lane.committed(*seq, wall.get());
                }
            },
        );
        self.end = if written { end } else { self.end };
        if !lost.is_empty() {
            self.tell(lost.len());
        }
        Some(written)
    }

    /// Entries that gave way while the disk was sick are told about in the lane itself.
    fn tell(&self, lost: usize) {
        self.lane.append(Entry::Maintenance {
            at: self.lane.core.clock.wall().0,
            what: "alarm-entries-lost".to_owned(),
            detail: format!("{lost} entries gave way in a full ring while the disk could not be written"),
        });
    }

    fn rest(&mut self) {
        let core = &self.lane.core;
        self.hand.place(core);
        self.hand.tend(core);
        let wait = lock(&core.deliveries).due().map_or(IDLE, |due| Duration::from_millis(due.since(core.clock.mono())));
        core.bell.wait(wait.min(IDLE));
    }

    fn finish(&mut self) -> bool {
        let core = &self.lane.core;
        let now = core.clock.wall().0;
        let written = self.hand.commit(core, &mut |conn: &Connection| start::mark_clean(conn, now), || ());
        if let Err(error) = super::schema::checkpoint(&self.hand.conn) {
            tracing::debug!(%error, "checkpoint left to the next start");
        }
        written
    }
}

/// Up to when a lane's entries are synced.
pub(super) async fn synced(lane: &AlarmLane, seq: Seq) -> bool {
    let mut head = lane.core.head.subscribe();
    let there = head.wait_for(|head| head.seq >= seq).await.is_ok();
    there && !lane.is_lost(seq)
}
