//! What detectors have learned, kept beside the readings it was learned from and in the same commits, so that neither can be
//! newer than the other says. The whole set is written anew each time; each row says of which moment it is.
//!
//! A row that can't be read costs its detector what it knew and nobody anything else: it is told, and learned anew.

use gengfu_core::detect::State;
use gengfu_core::time::{Mono, Now, Wall};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};

use super::{Seq, history, schema};
use crate::clock::{EARLIEST, ORIGIN};
use crate::flow::{Learned, Lesson};

/// What a counter that is carried on may show at most, and what one run may add to it, ms: a hundred years and more. What
/// says otherwise is damaged.
const LATEST: Mono = Mono(ORIGIN.0 + (1 << 42));
const LONGEST: i64 = 1 << 41;

/// What was kept when the last run ended.
#[derive(Debug, Default)]
pub struct Kept {
    /// When it was taken; `None` where there is nothing.
    pub at: Option<Now>,
    /// The last reading that it knows.
    pub upto: Seq,
    /// What passed since, by the readings behind that one; see [`history::passed`].
    pub(super) passed: Option<(i64, i64)>,
    pub lessons: Vec<KeptLesson>,
    /// Why others can't be used, by rule and point where that much is known.
    pub unreadable: Vec<String>,
}

/// What one rule had learned of one point.
#[derive(Debug)]
pub struct KeptLesson {
    pub rule: String,
    pub device: String,
    pub point: String,
    /// The parameters it was learned by, as `Debug` writes them.
    pub params: String,
    pub state: State,
}

/// Puts this in place of what was kept. `upto`: the last reading that it knows.
pub(super) fn write(conn: &Connection, upto: Seq, learned: &Learned) -> rusqlite::Result<()> {
    conn.execute("DELETE FROM learned", [])?;
    let mut insert = conn.prepare_cached("INSERT INTO learned VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
    let Now { mono: Mono(mono), wall: Wall(wall) } = learned.at;
    for Lesson { rule, device, point, params, state } in &learned.lessons {
        // Nothing in a state is beyond JSON; one that were must not hold up readings.
        match serde_json::to_string(state) {
            Ok(body) => insert.execute(params![rule, device, point, upto, wall, mono, format!("{params:?}"), body])?,
            Err(error) => {
                tracing::error!(rule, device, point, %error, "what was learned can't be kept");
                0
            }
        };
    }
    Ok(())
}

/// What the file holds; nothing in one of before.
pub(super) fn read(conn: &Connection) -> rusqlite::Result<Kept> {
    let mut kept = Kept::default();
    if !schema::has(conn, schema::LEARNED)? {
        return Ok(kept);
    }
    let mut rows = conn.prepare("SELECT rule, device, point, params, body, upto, wall, mono FROM learned")?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        match lesson(row) {
            Ok((lesson, upto, at)) => {
                // All are of one moment.
                if kept.at.is_none_or(|known| known.mono < at.mono) {
                    (kept.at, kept.upto) = (Some(at), upto);
                }
                kept.lessons.push(lesson);
            }
            Err(why) => kept.unreadable.push(why),
        }
    }
    if kept.at.is_some() {
        kept.passed = history::passed(conn, kept.upto, LONGEST)?;
    }
    Ok(kept)
}

fn lesson(row: &Row<'_>) -> Result<(KeptLesson, Seq, Now), String> {
    let text = |n: usize| match row.get_ref(n) {
        Ok(ValueRef::Text(text)) => std::str::from_utf8(text).map(str::to_owned).map_err(|error| error.to_string()),
        Ok(_) => Err("is no text".to_owned()),
        Err(error) => Err(error.to_string()),
    };
    let number = |n: usize| row.get::<_, i64>(n).map_err(|error| error.to_string());
    let (rule, device, point) = (text(0)?, text(1)?, text(2)?);
    let of = |why: String| format!("{rule} {device}/{point}: {why}");
    let (params, body) = (text(3).map_err(of)?, text(4).map_err(of)?);
    let state = serde_json::from_str(&body).map_err(|error| of(error.to_string()))?;
    let (upto, wall, mono) = (number(5).map_err(of)?, number(6).map_err(of)?, number(7).map_err(of)?);
    let at = Now { mono: Mono(mono.unsigned_abs()), wall: Wall(wall) };
    if upto < 0 || mono < 0 || !(ORIGIN..=LATEST).contains(&at.mono) {
        return Err(of(format!("it was taken at {mono}, after reading {upto}: no run was there")));
    }
    Ok((KeptLesson { rule, device, point, params, state }, upto.unsigned_abs(), at))
}

/// What the counter shows where the clock that the newest records were stamped by says `present`: it goes on by what passed on
/// that clock since `then`, but at least by what passed over the records that came later (see [`history::passed`]). Where the
/// clock was set back in between, or one of the two is a count and the other a time, that is all that is known.
pub(super) fn goes_on(then: Now, present: Wall, passed: Option<(i64, i64)>) -> Mono {
    let alike = (then.wall < EARLIEST) == (present < EARLIEST);
    let away = if alike { present.0.saturating_sub(then.wall.0) } else { 0 };
    let seen = passed.map_or(0, |(passed, newest)| passed.saturating_add(present.0.saturating_sub(newest).max(0)));
    then.mono.plus(away.max(seen).clamp(0, LONGEST).unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_goes_on_by_the_time_that_is_known() {
        const TIME: i64 = 1_790_000_000_000;
        let then = |wall: i64| Now { mono: ORIGIN.plus(5), wall: Wall(wall) };
        for (then, present, passed, away) in [
            (then(TIME), TIME + 86_400_000, None, 86_400_000),
            (then(TIME), TIME + 86_400_000, Some((5_000, TIME + 5_000)), 86_400_000),
            (then(TIME), TIME - 3_600_000, None, 0),
            (then(TIME), TIME - 3_600_000, Some((60_000, TIME - 3_601_000)), 61_000),
            (then(5_000), 9_000, None, 4_000),
            (then(5_000), TIME, None, 0),
            (then(TIME), 9_000, None, 0),
            (then(TIME), 9_000, Some((7_000, 9_000)), 7_000),
            (then(i64::MIN), 9_000, None, LONGEST as u64),
        ] {
            assert_eq!(goes_on(then, Wall(present), passed), then.mono.plus(away), "{then:?} {present} {passed:?}");
        }
    }
}
