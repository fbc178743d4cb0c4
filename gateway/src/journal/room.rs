//! How long an outage may last: what the telemetry lane's room still holds at the present rate before readings that a sink
//! is owed must be thinned, or until the oldest of them reaches the age at which it is dropped. History that every sink has
//! gives way first and is not counted.

use gengfu_core::time::Now;
use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;

use super::Seq;

/// The rate follows what comes with this time constant, ms.
const FOLLOWS: f64 = 600_000.0;
/// How often it is reckoned, ms.
const LOOK_EVERY: u64 = 30_000;
/// Newest rows whose size is taken for the rest.
const BATCHES: u32 = 64;
const CHUNKS: u32 = 512;
/// Bytes a reading takes in a chunk before there is one: the budget of a sealed reading.
const SEALED: f64 = 2.0;
/// What a page adds to what is in it: free ends, trees, the summaries.
const PAGES: f64 = 1.15;
/// Once readings gave way it is said for this long, ms; and that there is no room at all for so long.
const GAVE_WAY: u64 = 3_600_000;
const GIVING: u64 = 2 * LOOK_EVERY;
const HOUR: f64 = 3_600_000.0;

/// The room for an outage.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Room {
    /// Readings that the sink furthest behind is owed.
    pub owed: u64,
    /// Readings that come in an hour, on the mean of the last minutes.
    pub hourly: u64,
    /// Hours of outage until readings that are owed must be thinned, or are too old; `None` until the rate is known.
    pub hours_left: Option<f64>,
    /// Readings that were owed were thinned or dropped within the last hour.
    pub gives_way: bool,
}

impl Room {
    /// A sink is behind by more than ten minutes, and there is room for less than `hours` more; or there is none.
    pub fn is_short(&self, hours: f64) -> bool {
        let less_than = |hours: f64| self.hours_left.is_some_and(|left| left < hours);
        (self.owed > 0 && less_than(f64::EPSILON)) || (self.owed > self.hourly / 6 && less_than(hours))
    }
}

/// What sinks are owed of a lane.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owed {
    pub head: Seq,
    /// Nobody is owed anything up to here.
    pub settled: Seq,
    /// The most that one sink is owed.
    pub most: u64,
}

/// Reckons it.
#[derive(Debug, Default)]
pub(super) struct Gauge {
    next: u64,
    /// Counter and head at the last look.
    last: Option<(u64, Seq)>,
    /// Readings a ms, and over how many ms they were counted.
    rate: Option<f64>,
    counted: f64,
    gave_way: Option<u64>,
}

impl Gauge {
    /// Readings that a sink was owed had to go.
    pub(super) fn gave_way(&mut self, mono: u64) {
        self.gave_way = Some(mono);
    }

    /// The room now, if it is time to look: of so many bytes, for readings up to so old (ms).
    pub(super) fn look(&mut self, conn: &Connection, (max, keep): (u64, i64), owed: Owed, now: Now) -> Option<Room> {
        let (wall, now) = (now.wall.0, now.mono.0);
        let Owed { head, settled, most: owed } = owed;
        if now < self.next {
            return None;
        }
        self.next = now + LOOK_EVERY;
        if let Some((at, seq)) = self.last
            && now > at
        {
            self.follow((now - at) as f64, head.saturating_sub(seq) as f64);
        }
        self.last = Some((now, head));
        let rate = self.rate.filter(|rate| *rate > 0.0);
        let each = bytes_each(conn).inspect_err(|error| tracing::debug!(%error, "the room is not known")).ok()?;
        let oldest = if owed > 0 { committed(conn, settled + 1).ok()?.unwrap_or(wall) } else { wall };
        let until_old = keep.saturating_sub(wall.saturating_sub(oldest)) as f64 / HOUR;
        let left = |rate: f64| ((max as f64 / each - owed as f64) / rate / HOUR).min(until_old).max(0.0);
        let gave_way = |within: u64| self.gave_way.is_some_and(|at| now.saturating_sub(at) < within);
        // Once all has left there is room again, whatever gave way before.
        let gives_way = gave_way(GAVE_WAY);
        let hours_left = if owed > 0 && gave_way(GIVING) { rate.map(|_| 0.0) } else { rate.map(left) };
        Some(Room { owed, hourly: rate.map_or(0, |rate| (rate * HOUR) as u64), hours_left, gives_way })
    }

    /// The plain mean at first: a start is not what comes after it.
    fn follow(&mut self, ms: f64, readings: f64) {
        self.counted += ms;
        let share = (1.0 - (-ms / FOLLOWS).exp()).max(ms / self.counted);
        let now = readings / ms;
        self.rate = Some(self.rate.map_or(now, |rate| rate + (now - rate) * share));
    }
}

/// When a record was committed, or the first after it that is there, UTC ms.
fn committed(conn: &Connection, seq: Seq) -> rusqlite::Result<Option<i64>> {
    let row = "SELECT stamp FROM batch WHERE first_seq >=
        coalesce((SELECT max(first_seq) FROM batch WHERE first_seq <= ?1), 0) ORDER BY first_seq LIMIT 1";
    conn.prepare_cached(row)?.query_row([seq], |row| row.get(0)).optional()
}

/// Bytes that a reading takes while it is owed: in its batch, and in its chunk.
fn bytes_each(conn: &Connection) -> rusqlite::Result<f64> {
    let mean = |sql: &str, newest: u32| {
        let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, Option<f64>>(0)?, row.get::<_, Option<f64>>(1)?));
        let (bytes, readings) = conn.prepare_cached(sql)?.query_row([newest], row).optional()?.unwrap_or_default();
        Ok::<_, rusqlite::Error>(bytes.zip(readings).filter(|(_, n)| *n > 0.0).map(|(bytes, n)| bytes / n))
    };
    let batch =
        "SELECT sum(length(body) + 48), sum(n) FROM (SELECT body, n FROM batch ORDER BY first_seq DESC LIMIT ?1)";
    let chunk = "SELECT sum(length(c.body) + 96), sum(s.n)
        FROM (SELECT id, point, t_min, body FROM chunk ORDER BY id DESC LIMIT ?1) c
        JOIN span s ON s.point = c.point AND s.t_min = c.t_min AND s.chunk = c.id";
    let fresh = mean(batch, BATCHES)?.unwrap_or(0.0);
    Ok((fresh + mean(chunk, CHUNKS)?.unwrap_or(SEALED)) * PAGES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_follows_and_the_room_is_short_only_behind() {
        let mut gauge = Gauge::default();
        gauge.follow(30_000.0, 0.0);
        gauge.follow(30_000.0, 60_000.0);
        assert_eq!(gauge.rate, Some(1.0));
        for _ in 0..400 {
            gauge.follow(30_000.0, 30_000.0);
        }
        gauge.follow(600_000.0, 0.0);
        assert!(gauge.rate.is_some_and(|rate| (rate - (-1.0_f64).exp()).abs() < 1e-9));
        let room = Room { owed: 20_000, hourly: 60_000, hours_left: Some(2.0), gives_way: false };
        assert!(room.is_short(6.0) && !room.is_short(1.0));
        assert!(!Room { owed: 9_000, ..room }.is_short(6.0), "nobody is behind");
        assert!(Room { owed: 3, hours_left: Some(0.0), ..room }.is_short(1.0), "nothing more fits");
        assert!(!Room { owed: 0, gives_way: true, ..room }.is_short(1.0), "all has left since");
        assert!(!Room { hours_left: None, ..room }.is_short(6.0));
    }
}
