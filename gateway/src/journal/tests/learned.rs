//! What detectors have learned, over restarts of every kind.

use gengfu_core::detect::baseline::{self, Bins};
use gengfu_core::detect::calendar::Calendar;
use gengfu_core::detect::limit::Side;
use gengfu_core::detect::{Params, State, drift, habit, rhythm};
use gengfu_core::time::{Mono, Now};
use rusqlite::Connection;

use super::*;
use crate::flow::{Learned, Lesson};
use crate::journal::{repair, schema};

const WALL: i64 = 1_790_000_000_000;

/// A drift, a rhythm and a habit that have seen `n` readings, with numbers that need all their digits.
pub(super) fn lessons(n: u64) -> Vec<Lesson> {
    let usual =
        baseline::Params { bins: Bins::Hours, calendar: Calendar::default(), floor: 0.1, memory: 20, roam: 1.0 };
    let drift = drift::Params {
        side: Side::High,
        usual,
        block_ms: 60_000,
        learn_ms: 600_000,
        shift: 1.0,
        slack: 0.5,
        rise: 8.0,
        step: Some(5.0),
        patience_ms: 600_000,
    };
    let rhythm = rhythm::Params { early: 0.85, late: Some(1.5) };
    let habit = habit::Params {
        threshold: habit::THRESHOLD,
        block_ms: 0,
        calendar: Calendar { offset_min: 480, ..Calendar::UTC },
    };
    let (mut drifts, mut rhythms, mut habits) =
        (drift::State::default(), rhythm::State::default(), habit::State::default());
    for n in 0..n {
        let now = Now { mono: Mono((1 << 40) + n * 20_000), wall: Wall(WALL + n as i64 * 20_000) };
        let value = 10.0 + (n * 7_919 % 101) as f64 / 3.0;
        drifts.value(&drift, value, now.wall, now);
        rhythms.value(&rhythm, f64::from(u8::from(n % 9 < 2)), now.wall, now);
        habits.value(&habit, value, now.wall, now);
    }
    let lesson = |rule: &str, point: &str, params, state| Lesson {
        rule: rule.to_owned(),
        device: "泵房 pump".to_owned(),
        point: point.to_owned(),
        params,
        state,
    };
    vec![
        lesson("drift", "temperature", Params::Drift(drift), State::Drift(drifts)),
        lesson("jockey", "running", Params::Rhythm(rhythm), State::Rhythm(rhythms)),
        lesson("habit", "flow", Params::Habit(habit), State::Habit(habits)),
    ]
}

/// What was kept is this.
pub(super) fn same(kept: &Kept, lessons: &[Lesson]) {
    assert_eq!(kept.lessons.len(), lessons.len());
    for (kept, lesson) in kept.lessons.iter().zip(lessons) {
        let (names, known) = ((&kept.rule, &kept.device, &kept.point), (&lesson.rule, &lesson.device, &lesson.point));
        assert_eq!((names, &kept.params), (known, &format!("{:?}", lesson.params)));
        assert_eq!(kept.state, lesson.state, "to the bit");
    }
    assert_eq!(kept.unreadable, Vec::<String>::new());
}

fn push(run: &Run, at: Now, lessons: Vec<Lesson>) {
    let learned = Some(Box::new(Learned { at, lessons }));
    run.journal.push(Batch { learned, ..Batch::default() }).expect("room");
}

/// A journal that was stopped with 30 readings, of which the first 20 are known to what it keeps, taken at `at`.
async fn stopped(dir: &Dir, clock: &Clock) -> Now {
    let run = open_by(clock, &config(dir), &sinks()).expect("the journal opens");
    let point = run.point("a");
    push(&run, clock.now(), lessons(3));
    run.journal.push(Batch { readings: readings(point, 0, 20), ..Batch::default() }).expect("room");
    let at = clock.now();
    push(&run, at, lessons(1_000));
    run.commit(readings(point, 20, 10)).await;
    run.close();
    at
}

fn sql(dir: &Dir, sql: &str) {
    let conn = Connection::open(dir.0.join("telemetry.db")).expect("the file");
    assert!(conn.execute(sql, []).expect(sql) > 0, "{sql} does something");
}

#[tokio::test]
async fn what_was_learned_comes_back_to_the_bit_with_the_last_reading_it_knows() {
    let dir = Dir::new();
    let at = stopped(&dir, &Clock::start()).await;
    let run = open(&dir);
    same(&run.learned, &lessons(1_000));
    assert_eq!((run.learned.at, run.learned.upto), (Some(at), 20), "one commit, and the later readings are not known");
    // A kill takes what was not written yet, and what is written stands for all before.
    push(&run, at, lessons(40)[1..].to_vec());
    run.commit(Vec::new()).await;
    run.kill();
    let run = open(&dir);
    same(&run.learned, &lessons(40)[1..]);
    assert_eq!(run.learned.upto, 30);
    push(&run, at, Vec::new());
    run.commit(Vec::new()).await;
    run.close();
    let run = open(&dir);
    assert!(run.learned.at.is_none() && run.learned.lessons.is_empty(), "nothing learns any more");
    run.close();
}

#[tokio::test]
async fn the_counter_goes_on_by_the_time_that_passed_and_by_none_where_the_clock_was_set_back() {
    let hour = 3_600_000;
    for (step, away) in [(hour, hour as u64), (-hour, 0)] {
        let (dir, clock) = (Dir::new(), Clock::start());
        let at = stopped(&dir, &clock).await;
        let next = Clock::start();
        next.set(step);
        let run = open_by(&next, &config(&dir), &sinks()).expect("the journal opens");
        let shows = next.mono().since(at.mono);
        assert!((away..away + 60_000).contains(&shows), "a step of {step} ms, and it shows {shows} ms more");
        assert!(next.up_ms() < 60_000, "this run is young");
        assert!(
            run.journal.health().telemetry_progress >= at.mono.0,
            "and all that is told by it is told by the new count"
        );
        run.close();
    }
}

#[tokio::test]
async fn readings_that_came_after_a_clock_was_set_back_come_after_what_was_known() {
    let (dir, clock) = (Dir::new(), Clock::start());
    let run = open_by(&clock, &config(&dir), &sinks()).expect("the journal opens");
    let (point, at) = (run.point("a"), clock.now());
    push(&run, at, lessons(40));
    run.commit(Vec::new()).await;
    clock.set(-7_200_000);
    for _ in 0..4 {
        clock.hurry(60_000);
        run.commit(vec![reading(point, clock.wall().0, 1.0)]).await;
    }
    run.kill();
    let next = Clock::start();
    next.set(-7_200_000 + 240_000);
    let run = open_by(&next, &config(&dir), &sinks()).expect("the journal opens");
    let shows = next.mono().since(at.mono);
    assert!((180_000..240_000).contains(&shows), "from the first of them to the last, and it shows {shows} ms more");
    run.close();
}

#[tokio::test]
async fn a_row_that_cannot_be_read_costs_its_rule_alone_what_it_knew() {
    for (damage, why) in [
        ("UPDATE learned SET body = '{\"Drift\":' WHERE rule = 'drift'", "EOF"),
        ("UPDATE learned SET body = '{\"Drift\":{}}' WHERE rule = 'drift'", "missing field"),
        ("UPDATE learned SET body = '{\"Oracle\":{}}' WHERE rule = 'drift'", "Oracle"),
        ("UPDATE learned SET body = CAST(x'ff80' AS TEXT) WHERE rule = 'drift'", "utf-8"),
        ("UPDATE learned SET mono = -1 WHERE rule = 'drift'", "no run was there"),
        ("UPDATE learned SET mono = 9223372036854775807 WHERE rule = 'drift'", "no run was there"),
        ("UPDATE learned SET upto = -5 WHERE rule = 'drift'", "no run was there"),
    ] {
        let (dir, clock) = (Dir::new(), Clock::start());
        let at = stopped(&dir, &clock).await;
        sql(&dir, damage);
        let run = open(&dir);
        assert_eq!(run.cause, StartCause::CleanStop, "the file is whole: {damage}");
        let told = run.learned.unreadable.clone();
        assert!(
            matches!(told.as_slice(), [one] if one.starts_with("drift 泵房 pump/temperature: ") && one.contains(why)),
            "{told:?}"
        );
        assert_eq!((run.learned.at, run.learned.upto, run.learned.lessons.len()), (Some(at), 20, 2), "{damage}");
        assert_eq!(run.all().await.len(), 30);
        run.close();
    }
}

#[tokio::test]
async fn readings_that_are_gone_from_the_end_do_not_keep_what_was_learned_of_them() {
    let dir = Dir::new();
    stopped(&dir, &Clock::start()).await;
    sql(&dir, "UPDATE learned SET upto = 4000");
    let run = open(&dir);
    same(&run.learned, &lessons(1_000));
    assert_eq!(
        (run.learned.upto, run.journal.head(Lane::Telemetry).borrow().seq),
        (4_000, 30),
        "which the driver mends"
    );
    run.close();
}

#[tokio::test]
async fn what_came_behind_a_number_is_shown_however_short_the_memory() {
    let (dir, clock) = (Dir::new(), Clock::start());
    let run = open_by(&clock, &config(&dir), &sinks()).expect("the journal opens");
    let point = run.point("a");
    for _ in 0..6 {
        run.commit(vec![reading(point, clock.wall().0, 1.0); 10]).await;
        clock.hurry(600_000);
    }
    let shown = |memory, behind| {
        let mut seqs = Vec::new();
        run.journal
            .replay_since(memory, behind, 0..=u32::MAX, &mut |record, _| seqs.push(record.seq))
            .expect("a replay");
        (seqs[0], seqs.len())
    };
    assert_eq!(shown(0, None), (51, 10), "ten minutes ago is long ago");
    assert_eq!(shown(0, Some((60, 86_400_000))), (51, 10));
    assert_eq!(shown(0, Some((30, 86_400_000))), (31, 30));
    assert_eq!(shown(0, Some((35, 86_400_000))), (31, 30), "the batch that holds the next");
    assert_eq!(shown(0, Some((0, 86_400_000))), (1, 60));
    assert_eq!(shown(0, Some((0, 1_300_000))), (31, 30), "no more than that");
    assert_eq!(shown(1_900_000, Some((45, 86_400_000))), (21, 40), "the longer of the two");
    run.close();
}

/// As of messages that are acknowledged one by one.
#[tokio::test]
async fn many_rows_of_one_reading_are_shown_as_far_as_readings_go() {
    const ROWS: i64 = 60_000;
    let dir = Dir::new();
    let run = open(&dir);
    let point = run.point("a");
    run.close();
    let (conn, mut body) = (schema::writer(&dir.0.join("telemetry.db")).expect("the file"), Vec::new());
    conn.execute_batch("BEGIN").expect("begun");
    for n in 1..=ROWS {
        body.clear();
        let at = WALL + n * 20;
        let item = codec::Item { point: point.0, at, offset: 0, value: n as f64, quality: Quality::Good, stamp: None };
        codec::encode(n.unsigned_abs(), &[item], &mut body);
        let row = (n, 1, at, at, at, 1, 0, 0, &body);
        conn.execute("INSERT INTO batch VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)", row).expect("written");
    }
    conn.execute_batch("COMMIT").expect("committed");
    let shown = |most, points| {
        let (mut seqs, reach) = (Vec::new(), history::Reach { most, points, ..history::Reach::of(1 << 40, None) });
        let cut = history::replay(&conn, reach, &mut |record, came| {
            assert_eq!(came.at, WALL + record.seq as i64 * 20);
            seqs.push(record.seq);
        });
        (cut.expect("a replay"), seqs.first().copied(), seqs.len() as i64)
    };
    let all = (0, u32::MAX);
    assert_eq!(shown(history::MOST_READINGS, all), (None, Some(1), ROWS), "fifty a second, twenty minutes");
    let (cut, first, n) = shown(90_000, all);
    assert_eq!(cut, Some((n - 1) * 20), "and it is told how far back that was");
    assert_eq!((first, n), (Some((ROWS - n + 1).unsigned_abs()), 10_000), "a row is counted as eight more");
    assert_eq!(shown(1, all), (Some(0), Some(ROWS.unsigned_abs()), 1), "never nothing");
    assert_eq!(shown(history::MOST_READINGS, (point.0 + 1, u32::MAX)), (None, None, 0), "of another point");
}

#[tokio::test]
async fn it_survives_a_repair_a_backup_and_a_file_of_before() {
    let (dir, place, new) = (Dir::new(), Dir::new(), Dir::new());
    stopped(&dir, &Clock::start()).await;
    let copy = |to: &str| backup(&dir.0, &place.0.join(to), "mall", || WALL, &mut |_| ()).expect("a copy");
    copy("learned");
    restore(&place.0.join("learned"), &new.0, "mall").expect("restored");
    let run = open(&new);
    same(&run.learned, &lessons(1_000));
    assert!(run.learned.upto < run.journal.head(Lane::Telemetry).borrow().seq);
    run.close();

    let path = dir.0.join("telemetry.db");
    repair::salvage(&path, Lane::Telemetry, "as a test wants it", 1).expect("repaired");
    let run = open(&dir);
    assert_eq!(run.cause, StartCause::Repair);
    same(&run.learned, &lessons(1_000));
    run.close();

    // Of before: the table is not there. It is ours, may be copied and repaired, and gets the table.
    let conn = Connection::open(&path).expect("the file");
    conn.execute_batch("DROP TABLE learned").expect("dropped");
    assert!(schema::is_ours(&conn, Lane::Telemetry).expect("read"));
    drop(conn);
    copy("before");
    repair::salvage(&path, Lane::Telemetry, "as a test wants it", 2).expect("repaired");
    let conn = Connection::open(&path).expect("the file");
    let told = schema::meta(&conn, "repaired").expect("read").expect("told");
    assert!(told.contains("to the end; 0 rows refused"), "{told}");
    conn.execute_batch("DROP TABLE learned").expect("dropped");
    drop(conn);
    let run = open(&dir);
    assert!(run.learned.at.is_none());
    push(&run, Now::default(), Vec::new());
    run.commit(Vec::new()).await;
    run.close();
    let conn = Connection::open(&path).expect("the file");
    assert!(schema::has(&conn, schema::LEARNED).expect("read"));
}
