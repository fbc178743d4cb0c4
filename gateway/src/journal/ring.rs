//! The alarm lane's entries in memory: those not on disk yet, and the newest that are. Pure; bounded; never waits.
//!
//! An entry has its seq from the moment it is appended. While the disk is sick the ring holds up to [`CAPACITY`] entries;
//! beyond that one gives way: audits and what the gateway says of itself before any transition of an alarm, a transition
//! that all push channels have seen before one they have not, the older before the newer. Its number stays empty and is
//! counted.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use gengfu_core::time::Mono;

use super::{Entry, Seq, TapMark, Tapped, Ticket};

/// Entries the ring may hold.
pub(super) const CAPACITY: usize = 10_000;
/// Entries that are on disk and still kept for a push channel a little behind; a slower one reads the lane.
const KEEP_COMMITTED: usize = 256;
/// How long a push channel waits for the commit, ms.
pub(super) const PATIENCE: u64 = 500;

#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub seq: Seq,
    pub entry: Arc<Entry>,
    pub since: Mono,
    /// UTC ms of the commit, once there was one.
    pub committed: Option<i64>,
}

impl Slot {
    /// As a push channel takes it, if it is a transition that may call people.
    pub(super) fn tapped(&self) -> Option<Tapped> {
        let Entry::Alarm(event) = self.entry.as_ref() else { return None };
        if event.shadow {
            return None;
        }
        let (seq, committed) = (self.seq, self.committed);
        let mark = if committed.is_some() { TapMark::Seq(seq) } else { TapMark::Ticket(Ticket(seq)) };
        Some(Tapped { event: event.clone(), durable: committed.is_some(), committed, passed_by: None, mark })
    }
}

#[derive(Debug)]
pub(super) struct Ring {
    slots: VecDeque<Slot>,
    next: Seq,
    /// From here on the writer is given nothing yet: the rest of what belongs together is still to come; and how many wait
    /// for it.
    unfinished: Option<(Seq, u32)>,
    /// What belongs together and is complete, in order, as far as it is not on disk: [`CAPACITY`] of them at most.
    groups: VecDeque<(Seq, Seq)>,
    /// Next seq each push channel will look at.
    cursors: Vec<Option<Seq>>,
    /// Last seq the writer was given; it may be on its way to disk, so nothing up to it gives way.
    taken: Seq,
    /// Numbers whose entry gave way before it was on disk, newest [`CAPACITY`] of them.
    lost: BTreeSet<Seq>,
    /// Of those, the ones the lane does not tell about yet.
    untold: Vec<Seq>,
}

/// What a push channel finds at its place.
#[derive(Debug, Clone)]
pub(super) enum Peek {
    /// To be handed out.
    Ready(Slot),
    /// There, but neither on disk nor waited for long enough: look again then.
    Until(Mono),
    /// Before this seq the ring holds nothing any more; the lane does.
    Gone(Seq),
    /// Nothing newer.
    Empty,
}

/// What it costs if an entry gives way, cheapest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    /// On disk and pushed: nothing.
    Done,
    /// Who asked for what, and what the gateway said of itself.
    Word,
    /// An alarm's transition that people know of.
    Pushed,
    Unpushed,
}

impl Ring {
    pub(super) fn new(next: Seq, sinks: usize) -> Self {
        Self {
            slots: VecDeque::new(),
            next,
            unfinished: None,
            groups: VecDeque::new(),
            cursors: vec![None; sinks],
            taken: 0,
            lost: BTreeSet::new(),
            untold: Vec::new(),
        }
    }

    /// A push channel is there no more: nothing waits for it. It may come back.
    pub(super) fn leave(&mut self, sink: usize) {
        if let Some(cursor) = self.cursors.get_mut(sink) {
            *cursor = None;
        }
    }

    pub(super) fn append(&mut self, entry: Entry, now: Mono) -> Seq {
        let seq = self.next;
        self.next += 1;
        self.slots.push_back(Slot { seq, entry: Arc::new(entry), since: now, committed: None });
        self.make_room();
        seq
    }

    /// What is appended from now on is kept from the writer until as many [`Ring::end_together`] as this have been called.
    pub(super) fn begin_together(&mut self) {
        let next = self.next;
        self.unfinished.get_or_insert((next, 0)).1 += 1;
    }

    /// Whether that was the last one.
    pub(super) fn end_together(&mut self) -> bool {
        if let Some((from, 1)) = self.unfinished
            && from < self.next
        {
            self.groups.push_back((from, self.next - 1));
            if self.groups.len() > CAPACITY {
                self.groups.pop_front();
            }
        }
        self.unfinished = self.unfinished.filter(|(_, depth)| *depth > 1).map(|(from, depth)| (from, depth - 1));
        self.unfinished.is_none()
    }

    /// The oldest entries that are not on disk, for the writer; they stay until they are. So many at most, unless what belongs
    /// together is more: that is never parted.
    pub(super) fn take_waiting(&mut self, max: usize) -> Vec<(Seq, Arc<Entry>)> {
        let end = self.unfinished.map_or(self.next, |(from, _)| from);
        let first = self.first_waiting();
        let end = self.slots.get(first + max).map_or(end, |beyond| end.min(self.part(first, beyond.seq)));
        let waiting = self.slots.iter().skip(first).take_while(|slot| slot.seq < end);
        let waiting: Vec<_> = waiting.map(|slot| (slot.seq, Arc::clone(&slot.entry))).collect();
        self.taken = waiting.last().map_or(self.taken, |(seq, _)| *seq);
        waiting
    }

    /// Where to part what waits, so that nothing from `beyond` on goes with it: there, or before what belongs together, or, where
    /// that is all there is (from the slot `first` on), behind it.
    fn part(&self, first: usize, beyond: Seq) -> Seq {
        let parted = self.groups.iter().find(|(from, to)| *from < beyond && beyond <= *to);
        let begins = |from: Seq| self.slots.get(first).is_some_and(|slot| slot.seq < from);
        parted.map_or(beyond, |(from, to)| if begins(*from) { *from } else { to + 1 })
    }

    /// How many entries are not on disk.
    pub(super) fn behind(&self) -> usize {
        self.slots.len() - self.first_waiting()
    }

    /// All up to `seq` is on disk.
    pub(super) fn commit(&mut self, seq: Seq, wall: i64) {
        for slot in self.slots.iter_mut().take_while(|slot| slot.seq <= seq) {
            slot.committed.get_or_insert(wall);
        }
        while self.groups.pop_front_if(|(_, to)| *to <= seq).is_some() {}
        while self.first_waiting() > KEEP_COMMITTED {
            self.slots.pop_front();
        }
    }

    /// Those taken too early, before any that came since.
    pub(super) fn put_back_untold(&mut self, mut seqs: Vec<Seq>) {
        seqs.append(&mut self.untold);
        self.untold = seqs;
    }

    /// Numbers that stay empty and of which the lane does not know yet.
    pub(super) fn take_untold(&mut self) -> Vec<Seq> {
        std::mem::take(&mut self.untold)
    }

    pub(super) fn is_lost(&self, seq: Seq) -> bool {
        self.lost.contains(&seq)
    }

    /// A push channel looks at `seq`; it has handed out everything before.
    pub(super) fn peek(&mut self, sink: usize, seq: Seq, now: Mono) -> Peek {
        // A channel that was added at run time.
        if sink >= self.cursors.len() {
            self.cursors.resize(sink + 1, None);
        }
        if let Some(cursor) = self.cursors.get_mut(sink) {
            *cursor = Some(seq);
        }
        match self.slots.get(self.place(seq)) {
            None if seq < self.next => Peek::Gone(self.next),
            None => Peek::Empty,
            Some(slot) if slot.seq > seq => Peek::Gone(slot.seq),
            Some(slot) if slot.committed.is_some() || now.since(slot.since) >= PATIENCE => Peek::Ready(slot.clone()),
            Some(slot) => Peek::Until(slot.since.plus(PATIENCE)),
        }
    }

    /// What the ring holds of `from..=to`: whether that is all of it, up to which seq all is on disk, and the entries.
    pub(super) fn held(&self, from: Seq, to: Seq) -> (bool, Seq, impl Iterator<Item = &Slot>) {
        let (first, end) = (self.place(from), self.place(to.saturating_add(1)));
        let whole = (end - first) as u64 == (to + 1).saturating_sub(from);
        let on_disk = self.slots.get(self.first_waiting()).map_or(self.next, |slot| slot.seq) - 1;
        (whole, on_disk, self.slots.range(first..end))
    }

    fn place(&self, seq: Seq) -> usize {
        self.slots.partition_point(|slot| slot.seq < seq)
    }

    /// Entries on disk stand before those that are not.
    fn first_waiting(&self) -> usize {
        self.slots.partition_point(|slot| slot.committed.is_some())
    }

    /// The newest is among those that may give way: an audit never takes the place of a transition.
    fn make_room(&mut self) {
        if self.slots.len() <= CAPACITY {
            return;
        }
        let pushed = self.cursors.iter().flatten().min().copied().unwrap_or(Seq::MAX);
        let free = |slot: &Slot| slot.committed.is_some() || slot.seq > self.taken;
        let worth = |slot: &Slot| match (slot.committed.is_some(), slot.seq < pushed) {
            (true, true) => Worth::Done,
            _ if !matches!(*slot.entry, Entry::Alarm(_)) => Worth::Word,
            (false, true) => Worth::Pushed,
            (true | false, false) => Worth::Unpushed,
        };
        let places = self.slots.iter().enumerate().filter(|(_, slot)| free(slot));
        let Some((place, _)) = places.min_by_key(|(place, slot)| (worth(slot), *place)) else { return };
        if let Some(slot) = self.slots.remove(place)
            && slot.committed.is_none()
        {
            self.lost.insert(slot.seq);
            self.untold.push(slot.seq);
            if self.lost.len() > CAPACITY {
                self.lost.pop_first();
            }
            if self.untold.len() > CAPACITY {
                self.untold.remove(0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stop(at: i64) -> Entry {
        Entry::Stop { at }
    }

    #[test]
    fn an_entry_is_ready_at_its_commit_or_when_patience_ends() {
        let mut ring = Ring::new(1, 1);
        assert!(matches!(ring.peek(0, 1, Mono(0)), Peek::Empty));
        assert_eq!(ring.append(stop(0), Mono(100)), 1);
        assert!(matches!(ring.peek(0, 1, Mono(100)), Peek::Until(Mono(600))));
        assert!(matches!(ring.peek(0, 1, Mono(600)), Peek::Ready(Slot { committed: None, .. })));
        ring.commit(1, 77);
        assert!(matches!(ring.peek(0, 1, Mono(100)), Peek::Ready(Slot { committed: Some(77), .. })));
        assert_eq!((ring.behind(), ring.take_waiting(9).len()), (0, 0));
    }

    #[test]
    fn what_belongs_together_comes_to_the_writer_at_once() {
        let mut ring = Ring::new(1, 0);
        let taken = |ring: &mut Ring| ring.take_waiting(9).iter().map(|(seq, _)| *seq).collect::<Vec<_>>();
        ring.append(stop(0), Mono(0));
        ring.begin_together();
        ring.append(stop(1), Mono(0));
        ring.begin_together();
        ring.append(stop(2), Mono(0));
        assert!(!ring.end_together());
        ring.append(stop(3), Mono(0));
        assert_eq!(taken(&mut ring), [1]);
        assert!(ring.end_together());
        assert_eq!(taken(&mut ring), [1, 2, 3, 4]);
    }

    #[test]
    fn what_belongs_together_is_not_parted_by_the_size_of_a_commit() {
        let mut ring = Ring::new(1, 0);
        let together = |ring: &mut Ring, n| {
            ring.begin_together();
            for at in 0..n {
                ring.append(stop(at), Mono(0));
            }
            assert!(ring.end_together());
        };
        ring.append(stop(0), Mono(0));
        together(&mut ring, 5);
        together(&mut ring, 3);
        let mut parts = Vec::new();
        while let Some((last, _)) = ring.take_waiting(4).last() {
            ring.commit(*last, 0);
            parts.push(*last);
        }
        assert_eq!(parts, [1, 6, 9], "before a group, all of one that is too large, and the rest");
        assert!(ring.groups.is_empty());
    }

    #[test]
    fn what_is_on_disk_makes_room_first() {
        let mut ring = Ring::new(1, 1);
        for n in 0..CAPACITY as i64 {
            ring.append(stop(n), Mono(0));
            ring.commit(n as Seq + 1, n);
        }
        assert!(ring.slots.len() <= KEEP_COMMITTED + 1);
        assert!(matches!(ring.peek(0, 1, Mono(0)), Peek::Gone(seq) if seq > 1));
        assert!(ring.take_untold().is_empty());
    }

    #[test]
    fn a_full_ring_gives_way_where_the_push_has_been_made() {
        let mut ring = Ring::new(1, 2);
        for n in 0..CAPACITY as i64 {
            ring.append(stop(n), Mono(0));
        }
        let _ = ring.peek(0, 11, Mono(0));
        let _ = ring.peek(1, 4, Mono(0));
        for n in 0..3 {
            ring.append(stop(n), Mono(0));
        }
        assert_eq!(ring.take_untold(), [1, 2, 3], "both channels have seen these");
        ring.append(stop(0), Mono(0));
        assert_eq!(ring.take_untold(), [4], "nothing pushed is left: the oldest");
        assert!(ring.is_lost(4) && !ring.is_lost(5));
        assert_eq!(ring.take_waiting(2).iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [5, 6]);
        assert_eq!(ring.behind(), CAPACITY);
        ring.append(stop(0), Mono(0));
        assert_eq!(ring.take_untold(), [7], "what the writer has taken stays");
    }

    #[test]
    fn a_transition_outlives_what_others_say() {
        let alarm = || super::super::tests::alarm("low", 1, "unacknowledged");
        let audit = |at| Entry::Audit {
            at,
            by: "guard".to_owned(),
            action: "acknowledge-refused".to_owned(),
            target: String::new(),
            detail: String::new(),
        };
        let mut ring = Ring::new(1, 1);
        ring.append(alarm(), Mono(0));
        let _ = ring.peek(0, 2, Mono(0));
        for n in 0..2 * CAPACITY as i64 {
            ring.append(audit(n), Mono(0));
        }
        let holds = |ring: &Ring, seq| ring.slots.iter().any(|slot| slot.seq == seq);
        assert!(holds(&ring, 1), "the oldest, and pushed: still it stays");
        for _ in 0..CAPACITY {
            ring.append(alarm(), Mono(0));
        }
        assert!(!holds(&ring, 1), "among transitions the oldest that was pushed gives way");
        let seq = ring.append(audit(0), Mono(0));
        assert!(ring.is_lost(seq), "an audit among transitions alone gives way itself");
        assert_eq!(ring.behind(), CAPACITY);
        assert!(ring.slots.iter().all(|slot| matches!(*slot.entry, Entry::Alarm(_))));
    }
}
