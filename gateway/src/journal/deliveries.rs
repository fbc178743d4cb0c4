//! The delivery maps of all sinks of one lane, and their way to and from the disk.
//!
//! The maps in memory run ahead of the disk by at most [`RECORD_WITHIN`]; a crash in between sends those records again.

use std::collections::BTreeMap;

use gengfu_core::time::Mono;
use rusqlite::{Connection, params};

use super::delivery::{Change, Fate, Map, MapFull, Revived, Span, Stake, Tally};
use super::{Outcome, Seq};

/// How long a settlement may wait for a commit to ride on, ms.
pub(super) const RECORD_WITHIN: u64 = 50;
/// Settlements of records that are not on disk themselves yet; more are forgotten and those records pushed again after a restart.
const MAX_EARLY: usize = 40_000;

/// Records from the first that a sink is owed, and before the head, that a run before this one may have sent: no thinning
/// touches them. More than the requests of a store or the window of a centre carry of a backlog. What this run has sent it knows.
pub(crate) const IN_FLIGHT: u64 = 65_536;
/// Ranges that a sink can have in its hands. Beyond, the oldest two melt, with what lies between them: too much is spared then.
const MAX_HANDS: usize = 1_024;

/// Whether a sink has had readings under the numbers of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    ToSome,
    ToNone,
}

/// One lane's maps.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    sinks: Vec<Sink>,
    /// `(sink, seq, outcome)` of records that a push channel delivered before they were on disk.
    early: BTreeMap<(Seq, usize), Outcome>,
    /// The first number whose record may still be in the lane.
    floor: Seq,
    /// A range that is being thinned: its records change their numbers.
    held: Option<(Seq, Seq)>,
    /// Since when something waits to be recorded.
    since: Option<Mono>,
    /// It does not wait for a commit to ride on.
    at_once: bool,
    /// Counts settlements; the disk has all up to the number last published.
    asked: u64,
}

#[derive(Debug)]
struct Sink {
    name: String,
    map: Map,
    /// Its first record is not on disk yet.
    new: bool,
    /// The configuration no longer has it: its map stands still, and nobody counts or waits for it.
    retired: bool,
    /// What it may know by its numbers and not have settled, in order: no thinning may give these to other records.
    hands: Vec<(Seq, Seq)>,
}

impl Sink {
    /// The ranges in its hands of which it is owed something still.
    fn busy(&self) -> impl Iterator<Item = (Seq, Seq)> {
        let owed = |(from, to): &(Seq, Seq)| !self.map.holes(*from, *to).is_empty();
        self.hands.iter().copied().filter(owed)
    }
}

/// What a transaction must write.
#[derive(Debug, Default)]
pub(super) struct Changes {
    sinks: Vec<(usize, String, Seq)>,
    maps: Vec<(usize, String, Vec<Change>)>,
    /// The disk then has all settlements up to this number.
    pub asked: u64,
}

impl Deliveries {
    pub(super) fn add(&mut self, name: &str, map: Map, new: bool, now: Mono) {
        self.sinks.push(Sink { name: name.to_owned(), map, new, retired: false, hands: Vec::new() });
        self.since.get_or_insert(now);
    }

    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.sinks.iter().position(|sink| sink.name == name && !sink.retired)
    }

    /// The sink is gone, or back again; `false` where it was never there in this run.
    pub(super) fn retire(&mut self, name: &str, retired: bool) -> bool {
        let sink = self.sinks.iter_mut().find(|sink| sink.name == name);
        sink.map(|sink| sink.retired = retired).is_some()
    }

    pub(super) fn maps(&self) -> impl Iterator<Item = (&str, &Map)> {
        self.sinks.iter().filter(|sink| !sink.retired).map(|sink| (sink.name.as_str(), &sink.map))
    }

    pub(super) fn owed(&self, sink: usize, from: Seq, to: Seq) -> Vec<(Seq, Seq)> {
        let owed = self.sinks.get(sink).map(|sink| sink.map.holes(from, to)).unwrap_or_default();
        let Some((first, last)) = self.held else { return owed };
        let without = |(from, to): (Seq, Seq)| [(from, to.min(first.saturating_sub(1))), (from.max(last + 1), to)];
        let apart = |range: &(Seq, Seq)| range.1 < first || range.0 > last;
        let (whole, cut): (Vec<_>, Vec<_>) = owed.into_iter().partition(apart);
        let mut rest: Vec<_> = cut.into_iter().flat_map(without).filter(|(from, to)| from <= to).chain(whole).collect();
        rest.sort_unstable();
        rest
    }

    /// What the requests of a sink carry from now on, and nothing else. `false`: some of that is being thinned, and it is as it was.
    pub(super) fn carry(&mut self, sink: usize, ranges: &[(Seq, Seq)]) -> bool {
        let free = !ranges.iter().any(|range| self.held.is_some_and(|held| touch(held, *range)));
        if let Some(sink) = self.sinks.get_mut(sink).filter(|_| free) {
            sink.hands = ranges.to_vec();
        }
        free
    }

    /// A range is about to be sent to one who takes each number once: it is in its hands until it is settled, whatever
    /// becomes of the connection. `false`: some of it is being thinned, and it may not be sent.
    pub(super) fn show(&mut self, sink: usize, range: (Seq, Seq)) -> bool {
        let free = !self.held.is_some_and(|held| touch(held, range));
        if let Some(sink) = self.sinks.get_mut(sink).filter(|_| free) {
            let mut hands: Vec<_> = sink.busy().chain([range]).collect();
            hands.sort_unstable();
            hands.dedup_by(|next, last| {
                let joins = next.0 <= last.1.saturating_add(1);
                if joins {
                    last.1 = last.1.max(next.1);
                }
                joins
            });
            if hands.len() > MAX_HANDS {
                let (from, _) = hands.remove(0);
                hands.first_mut().into_iter().for_each(|(begin, _)| *begin = from);
            }
            sink.hands = hands;
        }
        free
    }

    /// What no thinning may touch, as sinks have it in their hands.
    pub(super) fn busy(&self) -> Vec<(Seq, Seq)> {
        self.sinks.iter().filter(|sink| !sink.retired).flat_map(Sink::busy).collect()
    }

    /// Whether one record is owed, on disk or not.
    pub(super) fn owes(&self, sink: usize, seq: Seq) -> bool {
        !self.early.contains_key(&(seq, sink)) && !self.owed(sink, seq, seq).is_empty()
    }

    /// No sink is owed anything up to here.
    pub(super) fn settled(&self, head: Seq) -> Seq {
        let first_owed = |sink: &Sink| sink.map.holes(1, head).first().map_or(head, |(from, _)| from.saturating_sub(1));
        self.sinks.iter().filter(|sink| !sink.retired).map(first_owed).min().unwrap_or(head)
    }

    /// Settles a range as far as it is on disk (`head`); gives the number to wait for.
    pub(super) fn settle(
        &mut self,
        sink: usize,
        (from, to): (Seq, Seq),
        outcome: Outcome,
        head: Seq,
        now: Mono,
    ) -> Result<u64, MapFull> {
        if from == to && from > head {
            if self.early.len() < MAX_EARLY {
                self.early.insert((from, sink), outcome);
            }
            return Ok(self.asked);
        }
        let Some(sink) = self.sinks.get_mut(sink) else { return Ok(self.asked) };
        self.since.get_or_insert(now);
        let settled = sink.map.settle(from, to.min(head), &fate(outcome));
        self.asked += 1;
        settled.map(|()| self.asked)
    }

    /// The same fate for a range in every map, where still owed. A map without room keeps it owed.
    pub(super) fn for_all(&mut self, from: Seq, to: Seq, fate: &Fate, now: Mono) {
        for sink in &mut self.sinks {
            let _ = sink.map.settle(from, to, fate);
        }
        self.since.get_or_insert(now);
    }

    /// The fates of ranges in one map, where still owed. A map without room keeps them owed.
    pub(super) fn settle_one(&mut self, name: &str, ranges: impl Iterator<Item = (Seq, Seq, Fate)>, now: Mono) {
        if let Some(sink) = self.sinks.iter_mut().find(|sink| sink.name == name) {
            for (from, to, fate) in ranges {
                let _ = sink.map.settle(from, to, &fate);
            }
            self.since.get_or_insert(now);
        }
    }

    /// The records up to `last` go: what is still owed of them, if anything, expires, and the dead of them stay dead.
    pub(super) fn expire(&mut self, last: Seq, now: Mono) {
        self.floor = self.floor.max(last.saturating_add(1));
        self.for_all(1, last, &Fate::Expired, now);
    }

    /// Keeps a range from every sink while it is thinned, if at least one is owed it, every map can say exactly what
    /// became of it, and nothing of it is in anybody's hands. Says to whom its numbers are known. A sink that is gone has no
    /// say: what it may have had of it counts as known.
    pub(super) fn hold(&mut self, from: Seq, to: Seq, head: Seq) -> Option<Known> {
        let stake = |sink: &Sink| match sink.map.thinnable(from, to, IN_FLIGHT) {
            None | Some(Stake::Owed) if sink.retired => Some(Stake::Had),
            stake => stake,
        };
        let stakes: Vec<Stake> = self.sinks.iter().map(stake).collect::<Option<_>>()?;
        let busy = self.busy().into_iter().any(|range| touch(range, (from, to)));
        let free = stakes.contains(&Stake::Owed) && to.saturating_add(IN_FLIGHT) <= head && !busy;
        self.held = free.then_some((from, to));
        free.then_some(if stakes.contains(&Stake::Had) { Known::ToSome } else { Known::ToNone })
    }

    /// The thinning is over.
    pub(super) fn release(&mut self) {
        self.held = None;
    }

    /// What of a range on [`Self::hold`] was given up.
    pub(super) fn thin(&mut self, from: Seq, to: Seq, now: Mono) -> Result<(), MapFull> {
        self.since.get_or_insert(now);
        let thin = |sink: &mut Sink| {
            sink.map.settle(from, to, &Fate::Thinned).or_else(|full| if sink.retired { Ok(()) } else { Err(full) })
        };
        self.sinks.iter_mut().try_for_each(thin)
    }

    /// The most that any sink is owed up to `head`.
    pub(super) fn most_owed(&self, head: Seq) -> u64 {
        let owed = |sink: &Sink| {
            let all = (head + 1).saturating_sub(sink.map.first());
            all.saturating_sub(sink.map.totals().all())
        };
        self.sinks.iter().filter(|sink| !sink.retired).map(owed).max().unwrap_or(0)
    }

    /// Up to here no record is a dead letter that could be sent once more.
    pub(super) fn without_letters(&self) -> Seq {
        let first = self.maps().filter_map(|(_, map)| map.dead().find(|span| span.to >= self.floor));
        first.map(|span| span.from.saturating_sub(1)).min().unwrap_or(Seq::MAX)
    }

    /// Every range with dead letters, its sink, and how many of them the lane still holds.
    pub(super) fn letters(&self) -> impl Iterator<Item = (&str, &Span, u64)> {
        let held = |span: &Span| (span.to + 1).saturating_sub(span.from.max(self.floor)).min(span.tally.dead);
        self.maps().flat_map(move |(sink, map)| map.dead().map(move |span| (sink, span, held(span))))
    }

    /// Makes dead letters of a range owed again, as far as the lane still holds them; gives the number to wait for.
    pub(super) fn revive(&mut self, sink: usize, (from, to): (Seq, Seq), now: Mono) -> (Revived, u64) {
        let Some(sink) = self.sinks.get_mut(sink) else { return (Revived::default(), self.asked) };
        let dead = |map: &Map| map.totals().dead;
        let before = dead(&sink.map);
        let first = from.max(self.floor);
        // All of it may lie where the lane holds nothing any more.
        let mut revived = if first <= to { sink.map.revive(first, to) } else { Revived::default() };
        let inside = |span: &&Span| span.from <= to && span.to >= from;
        let part = |span: &Span| (span.to.min(to) - span.from.max(from) + 1).min(span.tally.dead);
        revived.left = sink.map.dead().filter(inside).map(part).sum();
        if before > dead(&sink.map) {
            self.since.get_or_insert(now);
            self.asked += 1;
        }
        (revived, self.asked)
    }

    /// Records up to `head` are on disk: what was settled before that counts now.
    pub(super) fn advance(&mut self, head: Seq, now: Mono) {
        while let Some(entry) = self.early.first_entry().filter(|entry| entry.key().0 <= head) {
            let ((seq, sink), outcome) = entry.remove_entry();
            let _ = self.settle(sink, (seq, seq), outcome, head, now);
        }
    }

    /// What is settled next is recorded at once.
    pub(super) fn hurry(&mut self) {
        self.at_once = true;
    }

    /// When the next write is due, if anything waits.
    pub(super) fn due(&self) -> Option<Mono> {
        self.since.map(|since| since.plus(if self.at_once { 0 } else { RECORD_WITHIN }))
    }

    /// What the disk does not have yet.
    pub(super) fn take(&mut self) -> Changes {
        (self.since, self.at_once) = (None, false);
        let mut changes = Changes { asked: self.asked, ..Changes::default() };
        for (index, sink) in self.sinks.iter_mut().enumerate() {
            if std::mem::take(&mut sink.new) {
                changes.sinks.push((index, sink.name.clone(), sink.map.first()));
            }
            let rows = sink.map.take_changes();
            if !rows.is_empty() {
                changes.maps.push((index, sink.name.clone(), rows));
            }
        }
        changes
    }

    /// The transaction with these changes failed.
    pub(super) fn unwritten(&mut self, changes: &Changes, now: Mono) {
        for (index, ..) in &changes.sinks {
            if let Some(sink) = self.sinks.get_mut(*index) {
                sink.new = true;
            }
        }
        for (index, _, rows) in &changes.maps {
            if let Some(sink) = self.sinks.get_mut(*index) {
                sink.map.unwritten(rows);
            }
        }
        self.since.get_or_insert(now);
    }
}

/// Whether two ranges have a number in common.
pub(super) fn touch(a: (Seq, Seq), b: (Seq, Seq)) -> bool {
    a.0 <= b.1 && b.0 <= a.1
}

fn fate(outcome: Outcome) -> Fate {
    match outcome {
        Outcome::Done => Fate::Done,
        Outcome::Dead(why) => Fate::Dead(why),
        Outcome::NotForIt => Fate::Void,
    }
}

impl Changes {
    pub(super) fn write(&self, conn: &Connection) -> rusqlite::Result<()> {
        for (_, name, first) in &self.sinks {
            // A map that begins: whatever a damaged file still says about this name is not part of it.
            conn.execute("DELETE FROM delivery WHERE sink = ?1", params![name])?;
            conn.execute("INSERT OR REPLACE INTO sink(name, first_seq) VALUES(?1, ?2)", params![name, first])?;
        }
        for (_, name, rows) in &self.maps {
            for row in rows {
                write_change(conn, name, row)?;
            }
        }
        Ok(())
    }
}

fn write_change(conn: &Connection, sink: &str, change: &Change) -> rusqlite::Result<()> {
    let Some(Span { from, to, tally, reason }) = &change.span else {
        let mut delete = conn.prepare_cached("DELETE FROM delivery WHERE sink = ?1 AND from_seq = ?2")?;
        return delete.execute(params![sink, change.from]).map(|_| ());
    };
    let mut insert =
        conn.prepare_cached("INSERT OR REPLACE INTO delivery VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?;
    let Tally { done, dead, thinned, expired, void } = tally;
    insert.execute(params![sink, from, to, done, dead, thinned, expired, void, reason]).map(|_| ())
}

/// A map as the disk has it.
#[derive(Debug, Clone)]
pub(super) enum Loaded {
    Known(Map),
    /// It contradicts itself and begins anew with nothing settled.
    Reset(Map),
    /// A sink never seen.
    New,
}

pub(super) fn load(conn: &Connection, sink: &str, head: Seq) -> rusqlite::Result<Loaded> {
    let mut first = conn.prepare("SELECT first_seq FROM sink WHERE name = ?1")?;
    let Some(first) = first.query_map([sink], |row| row.get::<_, u64>(0))?.next().transpose()? else {
        return Ok(Loaded::New);
    };
    let mut rows = conn.prepare(
        "SELECT from_seq, to_seq, done, dead, thinned, expired, void, reason FROM delivery WHERE sink = ?1 ORDER BY from_seq",
    )?;
    let rows = rows.query_map([sink], |row| {
        let tally = Tally {
            done: row.get(2)?,
            dead: row.get(3)?,
            thinned: row.get(4)?,
            expired: row.get(5)?,
            void: row.get(6)?,
        };
        Ok(Span { from: row.get(0)?, to: row.get(1)?, tally, reason: row.get(7)? })
    })?;
    let rows = rows.collect::<rusqlite::Result<Vec<Span>>>()?;
    let first = first.min(head + 1);
    if let Some(map) = Map::load(first, rows, head) {
        return Ok(Loaded::Known(map));
    }
    tracing::warn!(sink, "delivery map contradicts itself and begins anew");
    Ok(Loaded::Reset(Map::new(first)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sink_that_is_gone_makes_no_outage() {
        let mut deliveries = Deliveries::default();
        deliveries.add("influxdb/central", Map::new(1), true, Mono(0));
        assert_eq!(deliveries.most_owed(200), 200);
        deliveries.retire("influxdb/central", true);
        assert_eq!(deliveries.most_owed(200), 0);
    }

    #[test]
    fn a_range_is_thinned_for_who_is_owed_it_and_known_to_who_had_it() {
        let head = 10 * IN_FLIGHT;
        let (from, to) = (2 * IN_FLIGHT, 3 * IN_FLIGHT);
        let mut deliveries = Deliveries::default();
        deliveries.add("influxdb/central", Map::new(1), true, Mono(0));
        deliveries.add("influxdb/later", Map::new(to + 1), true, Mono(0));
        assert_eq!(deliveries.hold(from, to, head), Some(Known::ToNone));
        deliveries.add("mqtt/centre", Map::new(1), true, Mono(0));
        deliveries.settle(2, (1, to), Outcome::Done, head, Mono(0)).expect("room");
        assert_eq!(deliveries.hold(from, to, head), Some(Known::ToSome));
        assert_eq!(deliveries.hold(1, to, head), None, "what may be on its way");
        deliveries.settle(0, (1, to), Outcome::Done, head, Mono(0)).expect("room");
        assert_eq!(deliveries.hold(from, to, head), None, "nobody is owed it");
    }

    #[test]
    fn what_is_in_a_sinks_hands_is_not_thinned_however_far_behind_it_is() {
        let head = 10 * IN_FLIGHT;
        let (from, to) = (4 * IN_FLIGHT, 5 * IN_FLIGHT);
        let mut deliveries = Deliveries::default();
        deliveries.add("influxdb/central", Map::new(1), true, Mono(0));
        deliveries.add("mqtt/centre", Map::new(1), true, Mono(0));
        // More than a run before may have left: the positions say nothing of it.
        assert!(deliveries.show(1, (from - 9, from)) && deliveries.show(1, (from + 1, from + 9)));
        assert_eq!((deliveries.busy(), deliveries.hold(from, to, head)), (vec![(from - 9, from + 9)], None));
        deliveries.settle(1, (from - 9, from + 8), Outcome::Done, head, Mono(0)).expect("room");
        assert_eq!(deliveries.hold(from + 9, to, head), None, "not all of the message");
        deliveries.settle(1, (from + 9, from + 9), Outcome::Done, head, Mono(0)).expect("room");
        assert_eq!(deliveries.busy(), []);

        let range = (from + 10, to);
        assert!(deliveries.carry(0, &[(1, 9), (to, to + 9)]));
        assert_eq!(deliveries.hold(range.0, range.1, head), None, "in a request");
        assert!(deliveries.carry(0, &[(1, 9)]), "which is answered");
        assert!(deliveries.hold(range.0, range.1, head).is_some());
        assert!(!deliveries.carry(0, &[range]) && !deliveries.show(1, (range.1, range.1 + 9)), "it is being thinned");
        assert_eq!(deliveries.busy(), [(1, 9)]);
        deliveries.release();
        assert!(deliveries.carry(0, &[range]) && deliveries.show(1, (range.1, range.1 + 9)));
    }

    #[test]
    fn hands_stay_bounded_and_let_go_of_nothing() {
        let mut deliveries = Deliveries::default();
        deliveries.add("mqtt/centre", Map::new(1), true, Mono(0));
        for n in 1..=2 * MAX_HANDS as u64 {
            assert!(deliveries.show(0, (n * 10, n * 10 + 1)));
        }
        let busy = deliveries.busy();
        assert!(busy.len() <= MAX_HANDS, "{}", busy.len());
        assert!((1..=2 * MAX_HANDS as u64).all(|n| busy.iter().any(|range| touch(*range, (n * 10 + 1, n * 10 + 1)))));
    }

    #[test]
    fn a_sink_that_is_gone_keeps_nothing_from_being_thinned() {
        let head = 10 * IN_FLIGHT;
        let (from, to) = (2 * IN_FLIGHT, 3 * IN_FLIGHT);
        let mut deliveries = Deliveries::default();
        deliveries.add("influxdb/central", Map::new(1), true, Mono(0));
        deliveries.add("mqtt/gone", Map::new(1), true, Mono(0));
        assert!(deliveries.show(1, (from, to)));
        deliveries.settle(1, (from, from + 1), Outcome::Done, head, Mono(0)).expect("room");
        assert_eq!(deliveries.hold(from, to, head), None, "half of it is known to the other");
        deliveries.retire("mqtt/gone", true);
        assert_eq!(deliveries.hold(from, to, head), Some(Known::ToSome));
        assert_eq!(deliveries.thin(from, from + 9, Mono(0)), Ok(()));
    }

    #[test]
    fn dead_letters_that_the_lane_holds_no_more_stay_dead() {
        let mut deliveries = Deliveries::default();
        deliveries.add("influxdb/central", Map::new(1), true, Mono(0));
        let dead = || Outcome::Dead("400".to_owned());
        deliveries.settle(0, (1, 200), dead(), 200, Mono(0)).expect("room");
        deliveries.expire(99, Mono(0));
        let (revived, _) = deliveries.revive(0, (10, 50), Mono(0));
        assert_eq!(revived, Revived { owed: 0, left: 41 });
        assert_eq!(deliveries.owed(0, 1, 200), []);
        let (revived, _) = deliveries.revive(0, (10, 110), Mono(0));
        assert_eq!((revived.owed, deliveries.owed(0, 1, 200)), (11, vec![(100, 110)]));
    }
}
