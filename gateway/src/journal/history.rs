//! A point's past in buckets, and the replay for a warm start. Only batches that overlap the asked time are decoded.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::{Bucket, Record, codec};

/// Buckets of one answer; a finer step is made as coarse as this needs.
pub const MAX_BUCKETS: usize = 10_000;

/// A bucket being filled.
#[derive(Debug, Clone, Copy)]
struct Filling {
    min: f64,
    max: f64,
    sum: f64,
    last: (i64, f64),
    count: u64,
    bad: u64,
}

impl Filling {
    const EMPTY: Self =
        Self { min: f64::INFINITY, max: f64::NEG_INFINITY, sum: 0.0, last: (i64::MIN, 0.0), count: 0, bad: 0 };

    fn add(&mut self, record: &Record) {
        if !record.quality.has_value() || !record.value.is_finite() {
            self.bad += 1;
            return;
        }
        self.count += 1;
        self.sum += record.value;
        self.min = self.min.min(record.value);
        self.max = self.max.max(record.value);
        if record.at_ns >= self.last.0 {
            self.last = (record.at_ns, record.value);
        }
    }

    fn bucket(self, at: i64) -> Bucket {
        let some = |value: f64| (self.count > 0).then_some(value);
        Bucket {
            at,
            min: some(self.min),
            max: some(self.max),
            mean: some(self.sum / self.count.max(1) as f64),
            last: some(self.last.1),
            count: self.count,
            bad: self.bad,
        }
    }
}

/// The step that keeps `from..=to` within [`MAX_BUCKETS`]: a whole multiple of the asked one.
fn coarse(from: i64, to: i64, step: i64) -> i64 {
    let step = step.max(1);
    let span = to.saturating_sub(from).max(0);
    // One more bucket where the range does not begin on a multiple of the step.
    let most = MAX_BUCKETS as i64 - 1;
    let factor = (span / step).saturating_add(most) / most;
    step.saturating_mul(factor.max(1))
}

/// Buckets that hold at least one record of `point` in `from..=to` (UTC ms), oldest first. A bucket begins at a multiple of
/// the step, so that the same moment lies in the same bucket whatever range is asked for.
pub(super) fn buckets(conn: &Connection, point: u32, from: i64, to: i64, step: i64) -> rusqlite::Result<Vec<Bucket>> {
    let step = coarse(from, to, step);
    let mut sums: BTreeMap<i64, Filling> = BTreeMap::new();
    let mut rows =
        conn.prepare_cached("SELECT body FROM batch WHERE t_max >= ?1 AND t_min <= ?2 ORDER BY first_seq")?;
    let mut rows = rows.query([from, to])?;
    while let Some(row) = rows.next()? {
        let body = row.get_ref(0)?.as_blob().unwrap_or_default();
        let decoded = codec::decode(body, |seq, item| {
            if item.point == point && (from..=to).contains(&item.at) {
                let at = item.at.div_euclid(step).saturating_mul(step);
                sums.entry(at).or_insert(Filling::EMPTY).add(&item.record(seq));
            }
        });
        if let Err(codec::Damage(what)) = decoded {
            tracing::warn!(what, "a batch of telemetry can't be read");
        }
    }
    Ok(sums.into_iter().map(|(at, sum)| sum.bucket(at)).collect())
}

/// Every record of the batches committed since `from` (UTC ms), in order of seq. A clock set back in between does not
/// hide what was committed after it.
pub(super) fn replay(conn: &Connection, from: i64, visit: &mut dyn FnMut(Record)) -> rusqlite::Result<()> {
    let mut newest = conn.prepare("SELECT first_seq, stamp FROM batch ORDER BY first_seq DESC")?;
    let mut newest = newest.query([])?;
    let mut start = i64::MAX;
    while let Some(row) = newest.next()? {
        let (first, stamp): (i64, i64) = (row.get(0)?, row.get(1)?);
        if stamp < from {
            break;
        }
        start = first;
    }
    let mut rows = conn.prepare("SELECT body FROM batch WHERE first_seq >= ?1 ORDER BY first_seq")?;
    let mut rows = rows.query([start])?;
    while let Some(row) = rows.next()? {
        let body = row.get_ref(0)?.as_blob().unwrap_or_default();
        if let Err(codec::Damage(what)) = codec::decode(body, |seq, item| visit(item.record(seq))) {
            tracing::warn!(what, "a batch of telemetry can't be read");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_answer_is_bounded(from in any::<i64>(), to in any::<i64>(), step in any::<i64>()) {
            let coarse = coarse(from, to, step);
            prop_assert!(coarse >= 1);
            let first = i128::from(from.div_euclid(coarse));
            let last = i128::from(to.div_euclid(coarse));
            // Beyond half of all time the span saturates; nobody asks for that.
            if to.checked_sub(from).is_some() {
                prop_assert!(last - first < MAX_BUCKETS as i128 + 1);
            }
        }
    }
}
