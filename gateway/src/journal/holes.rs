//! What a repair could not save, in times: from the row before it to the row after it.

use rusqlite::Connection;
use rusqlite::types::Value;

use super::owed::{RENUMBERED, THINNED};
use super::seal::Sealed;
use super::{Entry, schema};

/// A stretch of a lane that is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hole {
    /// UTC ms; `None`: since the lane began.
    pub from: Option<i64>,
    /// UTC ms; `None`: up to the repair.
    pub to: Option<i64>,
    /// Numbers in between; `None`: nobody knows.
    pub records: Option<u64>,
}

impl Hole {
    pub(super) const ALL: Self = Self { from: None, to: None, records: None };

    fn between(older: Option<Row>, newer: Option<Row>) -> Self {
        let next = older.map_or(1, |row| row.key.saturating_add(row.n));
        Self {
            from: older.map(|row| row.since),
            to: newer.map(|row| row.until),
            records: newer.map(|row| u64::try_from(row.key.saturating_sub(next)).unwrap_or(0)),
        }
    }
}

/// Stretches of time that are told apart at most; beyond, the oldest melt.
const STRETCHES: usize = 64;

/// The holes that these `(from, to, records)` make, where what lies no further apart than `near` ms is one.
pub(super) fn stretches(mut lost: Vec<(i64, i64, u64)>, near: i64) -> Vec<Hole> {
    lost.sort_unstable();
    let join = |(from, to, n): (i64, i64, u64), next: (i64, i64, u64)| (from, to.max(next.1), n.saturating_add(next.2));
    let mut all: Vec<(i64, i64, u64)> = Vec::new();
    for next in lost {
        match all.last_mut() {
            Some(last) if next.0.saturating_sub(last.1) <= near => *last = join(*last, next),
            Some(_) | None => all.push(next),
        }
    }
    let (oldest, rest) = all.split_at(all.len().saturating_sub(STRETCHES - 1));
    let holes = oldest.iter().copied().reduce(join).into_iter().chain(rest.iter().copied());
    holes.map(|(from, to, n)| Hole { from: Some(from), to: Some(to), records: Some(n) }).collect()
}

/// Batches of this epoch that are gone without a trace: a log that is cut while it is being copied into the file leaves older
/// pages beside newer ones, and both may be whole. Only where readings were thinned do numbers end before the next begin.
pub(super) fn breaks(conn: &Connection) -> rusqlite::Result<Vec<Hole>> {
    if schema::meta(conn, "repaired")?.is_some() {
        // What a repair could not save is about to be told, and its epoch to end.
        return Ok(Vec::new());
    }
    let sealed = Sealed::read(conn)?;
    let begun = conn.query_row("SELECT coalesce(max(first_seq), 1) FROM epoch", [], |row| row.get::<_, u64>(0))?;
    let after = sealed.upto.max(sealed.till).max(begun - 1);
    let mut rows =
        conn.prepare("SELECT first_seq, n, t_min, stamp, tier FROM batch WHERE first_seq > ?1 ORDER BY first_seq")?;
    let mut rows = rows.query([after])?;
    let (mut holes, mut before) = (Vec::new(), None::<Row>);
    while let Some(row) = rows.next()? {
        let is_thinned = [THINNED, RENUMBERED].contains(&row.get(4)?);
        let row = Row { key: row.get(0)?, n: row.get(1)?, since: row.get(2)?, until: row.get(3)? };
        if before.is_some_and(|before| before.key.saturating_add(before.n) != row.key && !is_thinned) {
            holes.push(Hole::between(before, Some(row)));
        }
        before = Some(row);
    }
    Ok(holes)
}

/// As the file remembers them until a run has told of them.
pub(super) fn write(holes: &[Hole]) -> String {
    let number = |n: Option<i64>| n.map_or("-".to_owned(), |n| n.to_string());
    let records = |hole: &Hole| hole.records.and_then(|n| i64::try_from(n).ok());
    let words = holes.iter().map(|hole| [hole.from, hole.to, records(hole)].map(number).join(" "));
    words.collect::<Vec<_>>().join(";")
}

pub(super) fn read(text: &str) -> Vec<Hole> {
    let hole = |words: &str| {
        let mut numbers = words.split(' ').map(|word| word.parse::<i64>().ok());
        let mut next = || numbers.next().flatten();
        Hole { from: next(), to: next(), records: next().map(i64::unsigned_abs) }
    };
    text.split(';').filter(|words| !words.is_empty()).map(hole).collect()
}

/// A row that was saved: its numbers, and the times that its records surely lie between.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    key: i64,
    n: i64,
    since: i64,
    until: i64,
}

impl Row {
    /// Of the table `batch`: no record of a later row came before its first; none of an earlier one after its commit.
    pub(super) fn batch(row: &[Value]) -> Option<Self> {
        let &[Value::Integer(key), Value::Integer(n), Value::Integer(since), _, Value::Integer(until), ..] = row else {
            return None;
        };
        Some(Self { key, n, since, until })
    }

    /// Of the table `entry`: no later one is older than it says of itself, and no earlier one came after its commit.
    pub(super) fn entry(row: &[Value]) -> Option<Self> {
        let [Value::Integer(key), Value::Integer(wall), _, _, Value::Text(body), ..] = row else { return None };
        let since = match serde_json::from_str(body) {
            Ok(Entry::Alarm(event)) => event.detected,
            Ok(
                Entry::Audit { at, .. } | Entry::Start { at, .. } | Entry::Stop { at } | Entry::Maintenance { at, .. },
            ) => at,
            Ok(Entry::Mode(record)) => record.at,
            Ok(Entry::Level(record)) => record.at,
            Ok(Entry::Gap { to, .. }) => to,
            Err(_) => *wall,
        };
        Some(Self { key: *key, n: 1, since: since.min(*wall), until: *wall })
    }
}

/// Watches a walk along a table.
#[derive(Debug)]
pub(super) struct Watch {
    newest_first: bool,
    /// The last row that was saved.
    last: Option<Row>,
    /// Whether something was refused since.
    lost: bool,
    pub holes: Vec<Hole>,
}

impl Watch {
    pub(super) fn new(newest_first: bool) -> Self {
        Self { newest_first, last: None, lost: false, holes: Vec::new() }
    }

    pub(super) fn refused(&mut self) {
        self.lost = true;
    }

    pub(super) fn saved(&mut self, row: Row) {
        if std::mem::take(&mut self.lost) {
            let (older, newer) = if self.newest_first { (Some(row), self.last) } else { (self.last, Some(row)) };
            self.tell(Hole::between(older, newer));
        }
        self.last = Some(row);
    }

    /// Nothing is before the last row of a walk back.
    pub(super) fn reached_the_beginning(&mut self) {
        if self.lost {
            self.broke_off();
        }
    }

    /// What is before the last row of a walk back was not reached.
    pub(super) fn broke_off(&mut self) {
        self.tell(Hole::between(None, self.last));
    }

    /// The same, but for what a walk forward saved of it.
    pub(super) fn met(&mut self, forward: Self) {
        self.holes.extend(forward.holes);
        self.tell(Hole::between(forward.last, self.last));
    }

    fn tell(&mut self, hole: Hole) {
        if hole.records != Some(0) {
            self.holes.push(hole);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: i64) -> Row {
        Row { key, n: 10, since: key * 100, until: key * 100 + 50 }
    }

    #[test]
    fn a_hole_lies_between_the_rows_around_it() {
        let mut back = Watch::new(true);
        back.saved(row(91));
        back.refused();
        back.saved(row(71));
        let mut forward = Watch::new(false);
        forward.saved(row(1));
        back.met(forward);
        let first = Hole { from: Some(7_100), to: Some(9_150), records: Some(10) };
        let second = Hole { from: Some(100), to: Some(7_150), records: Some(60) };
        assert_eq!(back.holes, [first, second]);
        assert_eq!(read(&write(&back.holes)), back.holes);
        assert_eq!(read(&write(&[Hole::ALL])), [Hole::ALL]);
        assert_eq!(read(""), []);
    }

    #[test]
    fn what_lies_close_together_is_one_stretch_and_there_are_not_too_many() {
        let hole = |from, to, n| Hole { from: Some(from), to: Some(to), records: Some(n) };
        assert_eq!(stretches(vec![(500, 600, 3), (0, 90, 1), (95, 99, 2)], 10), [hole(0, 99, 3), hole(500, 600, 3)]);
        assert_eq!(stretches(Vec::new(), 10), []);
        let many = (0..100).map(|n| (n * 100, n * 100 + 5, 1)).collect();
        let told = stretches(many, 10);
        assert_eq!((told.len(), told[0], told[63]), (64, hole(0, 3605, 37), hole(9900, 9905, 1)));
    }

    #[test]
    fn what_is_missing_nowhere_is_no_hole() {
        let mut back = Watch::new(true);
        back.saved(row(11));
        back.saved(row(1));
        back.reached_the_beginning();
        assert_eq!(back.holes, []);
        let mut forward = Watch::new(false);
        forward.refused();
        forward.saved(row(21));
        assert_eq!(forward.holes, [Hole { from: None, to: Some(2_150), records: Some(20) }]);
    }
}
