//! What became of each record at one sink, as ranges of seq. Pure: no disk, no clock.
//!
//! Ranges never overlap and the first fate of a record stands. Neighbours of one fate melt into one range, so that a map
//! is normally one range long and two during a drain. When it grows past [`MAX_SPANS`] its oldest neighbours melt too,
//! whatever their fate; each range carries its own tally, so the counts stay exact.

use std::collections::{BTreeMap, BTreeSet};

use super::Seq;

/// Ranges one map may have. A settlement that would need more is refused: the records stay owed and are sent again.
pub(super) const MAX_SPANS: usize = 4096;

/// What can become of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    Done,
    /// The sink will never take it; why.
    Dead(String),
    /// Given up by thinning while still owed: others of its point and minute say nearly the same.
    Thinned,
    /// Dropped by retention, or lost with a damaged file, while still owed.
    Expired,
    /// A number that never held a record for this sink: jumped over at a repair, given way in a full ring, or held
    /// something that is not for it.
    Void,
}

/// Records of a range by fate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tally {
    pub done: u64,
    pub dead: u64,
    pub thinned: u64,
    pub expired: u64,
    pub void: u64,
}

impl Tally {
    fn of(fate: &Fate, n: u64) -> Self {
        let zero = Self::default();
        match fate {
            Fate::Done => Self { done: n, ..zero },
            Fate::Dead(_) => Self { dead: n, ..zero },
            Fate::Thinned => Self { thinned: n, ..zero },
            Fate::Expired => Self { expired: n, ..zero },
            Fate::Void => Self { void: n, ..zero },
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            done: self.done + other.done,
            dead: self.dead + other.dead,
            thinned: self.thinned + other.thinned,
            expired: self.expired + other.expired,
            void: self.void + other.void,
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            done: self.done - other.done,
            dead: self.dead - other.dead,
            thinned: self.thinned - other.thinned,
            expired: self.expired - other.expired,
            void: self.void - other.void,
        }
    }

    fn parts(self) -> [u64; 5] {
        [self.done, self.dead, self.thinned, self.expired, self.void]
    }

    /// All of them; numbers that were checked.
    pub(super) fn all(self) -> u64 {
        self.parts().into_iter().sum()
    }

    /// `None` where numbers from a damaged disk overflow.
    fn sum(self) -> Option<u64> {
        self.parts().into_iter().try_fold(0_u64, u64::checked_add)
    }

    /// Both hold nothing but one and the same fate. What is not for the sink goes with what was delivered: it stands
    /// among it everywhere, and each would else be a range of its own.
    fn same_fate(self, other: Self) -> bool {
        let kinds = |tally: Self| [tally.done.saturating_add(tally.void), tally.dead, tally.thinned, tally.expired];
        kinds(self).into_iter().zip(kinds(other)).filter(|(a, b)| *a > 0 || *b > 0).count() == 1
    }
}

/// One settled range, as kept on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    pub from: Seq,
    pub to: Seq,
    pub tally: Tally,
    pub reason: String,
}

/// One row of the map that differs from the disk: what the range beginning at `from` is now, if it still is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub from: Seq,
    pub span: Option<Span>,
}

/// The map has no room for another range.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MapFull;

/// What became of the dead letters of a range that are to be sent once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Revived {
    /// Records that are owed again: the dead, and what was delivered beside them in a range that melted.
    pub owed: u64,
    /// Dead letters that stay: what expired beside them must not come back, or only a part of their range was asked for.
    pub left: u64,
}

/// What a range that may be thinned is to a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stake {
    /// It is owed all of it.
    Owed,
    /// It has had its records, under their numbers.
    Had,
    /// It is of before the sink's time.
    None,
}

/// The delivery map of one sink in one lane.
#[derive(Debug, Clone)]
pub(super) struct Map {
    first: Seq,
    spans: BTreeMap<Seq, Span>,
    dirty: BTreeSet<Seq>,
    totals: Tally,
}

impl Map {
    /// Nothing settled; the sink is owed everything from `first` on.
    pub(super) fn new(first: Seq) -> Self {
        Self { first, spans: BTreeMap::new(), dirty: BTreeSet::new(), totals: Tally::default() }
    }

    /// From the rows of the disk, which are not to be trusted. `None` if they contradict themselves or speak of records
    /// beyond `head`; the caller then starts with nothing settled, which sends again.
    pub(super) fn load(first: Seq, rows: Vec<Span>, head: Seq) -> Option<Self> {
        let mut map = Self::new(first);
        let mut next = first;
        for span in rows {
            let sound = span.from >= next && span.to >= span.from && span.to <= head;
            if !sound || span.tally.sum() != Some(span.to - span.from + 1) {
                return None;
            }
            next = span.to.checked_add(1)?;
            map.totals = map.totals.plus(span.tally);
            map.spans.insert(span.from, span);
        }
        Some(map)
    }

    /// The first record the sink is concerned with.
    pub(super) fn first(&self) -> Seq {
        self.first
    }

    /// All that is settled.
    pub(super) fn totals(&self) -> Tally {
        self.totals
    }

    /// Settles what is not settled yet of `from..=to`.
    pub(super) fn settle(&mut self, from: Seq, to: Seq, fate: &Fate) -> Result<(), MapFull> {
        self.holes(from, to).into_iter().try_for_each(|(from, to)| self.fill(from, to, fate))
    }

    /// The parts of `from..=to` that are not settled, in order.
    pub(super) fn holes(&self, from: Seq, to: Seq) -> Vec<(Seq, Seq)> {
        let mut holes = Vec::new();
        let mut next = from.max(self.first);
        if next > to {
            return holes;
        }
        let before = self.spans.range(..next).next_back();
        if let Some((_, span)) = before {
            next = next.max(span.to + 1);
        }
        for span in self.spans.range(next..).map(|(_, span)| span).take_while(|span| span.from <= to) {
            if span.from > next {
                holes.push((next, span.from - 1));
            }
            next = span.to + 1;
        }
        if next <= to {
            holes.push((next, to));
        }
        holes
    }

    /// The ranges that hold dead letters, in order.
    pub(super) fn dead(&self) -> impl Iterator<Item = &Span> {
        self.spans.values().filter(|span| span.tally.dead > 0)
    }

    /// Whether thinning `from..=to` leaves this sink's balance exact: it is owed all of it, and none of that may be on its
    /// way to it at the moment (`in_flight` from the first it is owed); or nothing, and nothing of it could be sent again.
    /// `None`: this map says no.
    pub(super) fn thinnable(&self, from: Seq, to: Seq, in_flight: u64) -> Option<Stake> {
        if to < self.first {
            return Some(Stake::None);
        }
        let holes = self.holes(from, to);
        if holes.is_empty() {
            return self.dead().all(|span| span.from > to || span.to < from).then_some(Stake::Had);
        }
        let first_owed = self.holes(1, to).first().map_or(to, |(first, _)| *first);
        let all = holes == [(from, to)] && from - first_owed >= in_flight;
        (all && self.spans.len() < MAX_SPANS / 2).then_some(Stake::Owed)
    }

    /// Makes the dead letters of `from..=to` owed again.
    pub(super) fn revive(&mut self, from: Seq, to: Seq) -> Revived {
        let touched: Vec<Span> = self.dead().filter(|span| span.from <= to && span.to >= from).cloned().collect();
        let mut revived = Revived::default();
        for span in touched {
            let Tally { done, dead, .. } = span.tally;
            let (first, last) = (span.from.max(from), span.to.min(to));
            let all_dead = span.tally.sum() == Some(dead);
            let whole = (first, last) == (span.from, span.to) && span.tally.sum() == Some(done + dead);
            let grows = usize::from(span.from < first) + usize::from(last < span.to);
            if whole || (all_dead && self.spans.len() + grows <= MAX_SPANS) {
                revived.owed += last - first + 1;
                self.carve(&span, first, last);
            } else {
                revived.left += if all_dead { last - first + 1 } else { dead };
            }
        }
        revived
    }

    /// Takes `first..=last` out of a range; what stays of it is all dead.
    fn carve(&mut self, span: &Span, first: Seq, last: Seq) {
        self.remove(span.from);
        self.totals = self.totals.minus(span.tally);
        for (from, to) in [(span.from, first - 1), (last + 1, span.to)] {
            if from <= to {
                let tally = Tally { dead: to - from + 1, ..Tally::default() };
                self.totals = self.totals.plus(tally);
                self.insert(Span { from, to, tally, reason: span.reason.clone() });
            }
        }
    }

    /// What differs from the disk; the map then believes it is there. [`Map::unwritten`] takes that back.
    pub(super) fn take_changes(&mut self) -> Vec<Change> {
        let dirty = std::mem::take(&mut self.dirty);
        dirty.into_iter().map(|from| Change { from, span: self.spans.get(&from).cloned() }).collect()
    }

    /// These changes did not reach the disk.
    pub(super) fn unwritten(&mut self, changes: &[Change]) {
        self.dirty.extend(changes.iter().map(|change| change.from));
    }

    /// Puts a range into a hole and melts it with its neighbours.
    fn fill(&mut self, from: Seq, to: Seq, fate: &Fate) -> Result<(), MapFull> {
        let reason = if let Fate::Dead(why) = fate { why.clone() } else { String::new() };
        let mut span = Span { from, to, tally: Tally::of(fate, to - from + 1), reason };
        if let Some(left) = self.spans.range(..from).next_back().map(|(_, left)| left)
            && melts(left, &span)
        {
            span = Span { from: left.from, to: span.to, tally: left.tally.plus(span.tally), reason: span.reason };
        }
        if let Some(right) = self.spans.get(&(to + 1))
            && melts(&span, right)
        {
            span.to = right.to;
            span.tally = span.tally.plus(right.tally);
            self.remove(to + 1);
        }
        let grows = !self.spans.contains_key(&span.from);
        if grows && self.spans.len() >= MAX_SPANS && !self.melt_oldest() {
            return Err(MapFull);
        }
        self.totals = self.totals.plus(Tally::of(fate, to - from + 1));
        // A melted neighbour may have become part of an older range; then this one joins as a range of its own.
        self.insert(span);
        Ok(())
    }

    /// Melts the oldest two ranges that touch, whatever became of their records.
    fn melt_oldest(&mut self) -> bool {
        let pair = self
            .spans
            .values()
            .zip(self.spans.values().skip(1))
            .find(|(left, right)| left.to + 1 == right.from)
            .map(|(left, right)| (left.clone(), right.clone()));
        let Some((left, right)) = pair else { return false };
        self.remove(right.from);
        let tally = left.tally.plus(right.tally);
        let reason = if left.reason == right.reason { left.reason } else { "various".to_owned() };
        self.insert(Span { from: left.from, to: right.to, tally, reason });
        true
    }

    fn insert(&mut self, span: Span) {
        self.dirty.insert(span.from);
        self.spans.insert(span.from, span);
    }

    fn remove(&mut self, from: Seq) {
        self.dirty.insert(from);
        self.spans.remove(&from);
    }
}

fn melts(left: &Span, right: &Span) -> bool {
    left.to + 1 == right.from && left.reason == right.reason && left.tally.same_fate(right.tally)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEAD: Seq = 120;

    fn fates() -> [Fate; 5] {
        [Fate::Done, Fate::Dead("refused".to_owned()), Fate::Expired, Fate::Void, Fate::Thinned]
    }

    /// Disk rows after applying changes.
    fn apply(disk: &mut BTreeMap<Seq, Span>, changes: Vec<Change>) {
        for change in changes {
            match change.span {
                Some(span) => disk.insert(change.from, span),
                None => disk.remove(&change.from),
            };
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_map_of_single_records(
            first in 1_u64..20,
            steps in proptest::collection::vec((1_u64..=HEAD, 0_u64..30, 0_usize..6, any::<bool>()), 0..80),
        ) {
            let mut map = Map::new(first);
            let mut model = BTreeMap::new();
            let mut disk = BTreeMap::new();
            for (from, len, fate, write) in steps {
                let to = (from + len).min(HEAD);
                if let Some(known) = fates().get(fate) {
                    map.settle(from, to, known).expect("far below the limit");
                    for seq in from.max(first)..=to {
                        model.entry(seq).or_insert(fate);
                    }
                } else {
                    // Nothing melts across fates here, so exactly the dead come back.
                    let before = model.len();
                    model.retain(|seq, fate| *fate != 1 || !(from..=to).contains(seq));
                    let gone = (before - model.len()) as u64;
                    prop_assert_eq!(map.revive(from, to), Revived { owed: gone, left: 0 });
                }
                if write {
                    apply(&mut disk, map.take_changes());
                } else {
                    let changes = map.take_changes();
                    map.unwritten(&changes);
                }
            }
            let count = |fate: usize| model.values().filter(|f| **f == fate).count() as u64;
            let expect = Tally { done: count(0), dead: count(1), thinned: count(4), expired: count(2), void: count(3) };
            prop_assert_eq!(map.totals(), expect);
            let owed: Vec<Seq> = map.holes(1, HEAD).into_iter().flat_map(|(a, b)| a..=b).collect();
            let missing: Vec<Seq> = (first..=HEAD).filter(|seq| !model.contains_key(seq)).collect();
            prop_assert_eq!(owed, missing);
            for (left, right) in map.spans.values().zip(map.spans.values().skip(1)) {
                prop_assert!(left.to < right.from, "overlap");
                prop_assert!(!melts(left, right), "neighbours of one fate left apart");
            }
            apply(&mut disk, map.take_changes());
            prop_assert_eq!(&disk, &map.spans);
            let again = Map::load(first, disk.into_values().collect(), HEAD).expect("its own rows are sound");
            prop_assert_eq!(again.totals(), map.totals());
        }

        #[test]
        fn rows_of_a_damaged_disk_are_survived(
            rows in proptest::collection::vec((any::<u64>(), any::<u64>(), any::<[u64; 5]>()), 0..6),
        ) {
            let rows = rows.into_iter().map(|(from, to, [done, dead, thinned, expired, void])| {
                Span { from, to, tally: Tally { done, dead, thinned, expired, void }, reason: String::new() }
            });
            let _ = Map::load(1, rows.collect(), u64::MAX >> 1);
        }
    }

    #[test]
    fn a_map_at_its_limit_melts_what_touches_and_refuses_what_does_not() {
        let mut map = Map::new(1);
        for n in 0..MAX_SPANS as u64 {
            map.settle(1 + n * 2, 1 + n * 2, &Fate::Done).expect("within the limit");
        }
        let far = 10 * MAX_SPANS as u64;
        assert_eq!(map.settle(far, far, &Fate::Done), Err(MapFull));
        assert_eq!(map.holes(far, far), [(far, far)], "refused means still owed");
        let before = map.totals();
        map.settle(2, 2, &Fate::Dead("no".to_owned())).expect_err("a range of its own, and nothing touches yet");
        map.settle(2, 2, &Fate::Done).expect("fills a hole");
        map.settle(far, far, &Fate::Done).expect("one range fewer now");
        assert_eq!(map.totals().done, before.done + 2);
        assert!(map.spans.len() <= MAX_SPANS);
    }

    #[test]
    fn of_what_has_melted_only_what_can_be_sent_again_comes_back() {
        let span = |from, tally: Tally, reason: &str| {
            let to = from + tally.sum().expect("small") - 1;
            Span { from, to, tally, reason: reason.to_owned() }
        };
        let zero = Tally::default();
        let rows = vec![
            span(1, Tally { done: 7, dead: 3, ..zero }, "various"),
            span(11, Tally { dead: 4, expired: 6, ..zero }, "various"),
            span(21, Tally { dead: 10, ..zero }, "400"),
        ];
        let mut map = Map::load(1, rows, 40).expect("sound");
        assert_eq!(map.revive(2, 25), Revived { owed: 5, left: 7 }, "part of the first, the second never");
        assert_eq!(map.holes(1, 30), [(21, 25)]);
        assert_eq!(map.revive(1, 40), Revived { owed: 15, left: 4 });
        assert_eq!(map.holes(1, 30), [(1, 10), (21, 30)], "what was delivered beside the dead is sent once more");
        assert_eq!(map.totals(), Tally { dead: 4, expired: 6, ..zero }, "what expired can't come back");
        map.settle(1, 40, &Fate::Done).expect("room");
        assert_eq!(map.totals().sum(), Some(40));
    }

    #[test]
    fn dead_letters_of_many_reasons_stay_bounded_and_counted() {
        let mut map = Map::new(1);
        let n = 3 * MAX_SPANS as u64;
        for seq in 1..=n {
            map.settle(seq, seq, &Fate::Dead(format!("reason {seq}"))).expect("touching ranges melt");
        }
        assert!(map.spans.len() <= MAX_SPANS);
        assert_eq!(map.totals().dead, n);
        assert!(map.holes(1, n).is_empty());
    }
}
