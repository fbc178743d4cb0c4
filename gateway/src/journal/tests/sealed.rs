//! History tells the same of what is fresh, what is sealed and what is half-way.

use std::collections::BTreeMap;

use gengfu_core::quality::Reason;
use proptest::prelude::*;

use super::*;
use crate::journal::{chunk::HOUR, owed, retention, schema, seal};

/// Some hours of a few points, some of it late, doubtful or bad.
pub(super) fn past() -> impl Strategy<Value = Vec<Vec<Reading>>> {
    let quality = prop_oneof![
        8 => Just(Quality::Good),
        1 => Just(Quality::Bad(Reason::Comm)),
        1 => Just(Quality::Uncertain(Reason::Clock))
    ];
    let reading = (0_u32..4, 0..4 * HOUR, -500_i32..500, quality).prop_map(|(point, at, value, quality)| Reading {
        point: PointId(point),
        at: Wall(at),
        value: f64::from(value) * 0.01,
        quality,
    });
    proptest::collection::vec(proptest::collection::vec(reading, 1..60), 1..12)
}

fn writer(dir: &Dir) -> rusqlite::Connection {
    schema::writer(&dir.0.join("telemetry.db")).expect("the file")
}

/// What charts of all points show.
async fn charts(run: &Run, ranges: &[(i64, i64, i64)]) -> Vec<Vec<Bucket>> {
    let mut charts = Vec::new();
    for point in 0..4 {
        for (from, to, step) in ranges {
            charts.push(run.journal.history(PointId(point), *from, *to, *step).await.expect("history"));
        }
    }
    charts
}

/// Sums of the same numbers in another order differ in their last bits.
pub(super) fn alike(a: &[Bucket], b: &[Bucket]) -> bool {
    let mean = |a: Option<f64>, b: Option<f64>| match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() < 1e-9,
        (a, b) => a == b,
    };
    a.len() == b.len()
        && a.iter()
            .zip(b)
            .all(|(a, b)| mean(a.mean, b.mean) && Bucket { mean: None, ..*a } == Bucket { mean: None, ..*b })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_trend_is_the_same_fresh_half_way_and_sealed(
        past in past(),
        range in (0..4 * HOUR, 0..4 * HOUR),
        step in prop_oneof![Just(1_000_i64), Just(HOUR), Just(HOUR / 2), 1_i64..5 * HOUR],
        half in any::<prop::sample::Index>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let dir = Dir::new();
            let ranges = [(range.0.min(range.1), range.0.max(range.1), step), (i64::MIN, i64::MAX, step)];
            let mut run = open(&dir);
            for name in ["a", "b", "c", "d"] {
                run.point(name);
            }
            let mut ends = Vec::new();
            for readings in past {
                ends.push(run.commit(readings).await.seq);
            }
            let fresh = charts(&run, &ranges).await;
            for upto in [*half.get(&ends), *ends.last().expect("some")] {
                run.close();
                seal::all(&writer(&dir), upto);
                run = open(&dir);
                let sealed = charts(&run, &ranges).await;
                assert!(fresh.iter().zip(&sealed).all(|(a, b)| alike(a, b)), "{fresh:?}\nbecame\n{sealed:?}");
            }
            run.close();
        });
    }
}

/// What each of these points said last, folded as it is handed out.
fn last_words(run: &Run, points: impl IntoIterator<Item = u32>) -> BTreeMap<PointId, (i64, u64, u8)> {
    let (points, mut last) = (points.into_iter().map(PointId).collect(), BTreeMap::new());
    let visit = &mut |record: Record, _| {
        let value = if record.quality.has_value() { record.value.to_bits() } else { 0 };
        last.insert(record.point, (record.at_ns / 1_000_000, value, record.quality.code()));
    };
    run.journal.last_words(&points, visit).expect("the journal is read");
    last
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_last_word_is_the_same_fresh_half_way_and_sealed(past in past(), half in any::<prop::sample::Index>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let (dir, sizes) = (Dir::new(), past.iter().map(Vec::len).collect::<Vec<_>>());
            let mut run = open(&dir);
            for name in ["a", "b", "c", "d"] {
                run.point(name);
            }
            let mut readings: Vec<Reading> = past.into_iter().flatten().collect();
            readings.sort_by_key(|reading| reading.at);
            let mut expected = BTreeMap::new();
            for Reading { point, at, value, quality } in &readings {
                let value = if quality.has_value() { value.to_bits() } else { 0 };
                expected.insert(*point, (at.0, value, quality.code()));
            }
            let mut ends = Vec::new();
            for size in sizes {
                ends.push(run.commit(readings.drain(..size).collect()).await.seq);
            }
            assert_eq!(last_words(&run, 0..4), expected, "fresh");
            for upto in [*half.get(&ends), *ends.last().expect("some")] {
                run.close();
                seal::all(&writer(&dir), upto);
                run = open(&dir);
                assert_eq!(last_words(&run, 0..4), expected, "sealed to {upto}");
            }
            expected.retain(|point, _| point.0 == 2);
            assert_eq!(last_words(&run, [2, 9]), expected, "those that were asked for");
            run.close();
        });
    }
}

#[tokio::test]
async fn the_last_word_comes_before_what_was_said_for_want_of_one() {
    let dir = Dir::new();
    let run = open(&dir);
    let point = run.point("a");
    let said = |at, value, quality| Reading { point, at: Wall(at), value, quality };
    run.commit(vec![said(5, 1.0, Quality::Good), said(2 * HOUR, 2.0, Quality::Good)]).await;
    run.commit((3..9).map(|hour| said(hour * HOUR, 0.0, Quality::Bad(Reason::Comm))).collect()).await;
    run.close();
    seal::all(&writer(&dir), 8);
    let run = open(&dir);
    let mut told = Vec::new();
    let visit = &mut |record: Record, _| told.push((record.at_ns / 1_000_000, record.quality));
    run.journal.last_words(&[point].into(), visit).expect("the journal is read");
    assert_eq!(told, [(2 * HOUR, Quality::Good), (8 * HOUR, Quality::Bad(Reason::Comm))]);
    run.close();
}

#[tokio::test]
async fn what_is_sealed_and_delivered_goes_and_the_trend_stays() {
    let dir = Dir::new();
    let run = open(&dir);
    let point = run.point("a");
    for n in 0..20 {
        run.commit(readings(point, n * 1_000, 1_000)).await;
    }
    run.feed(Lane::Telemetry).settle(1, 15_000, Outcome::Done).await.expect("settled");
    run.close();
    let conn = writer(&dir);
    seal::all(&conn, 18_000);
    let run = open(&dir);
    let settled = run.balance(STORE, Lane::Telemetry).delivered;
    let limits = retention::Limits {
        before: i64::MIN,
        life_safety_before: i64::MIN,
        bytes: u64::MAX,
        settled,
        ahead: i64::MAX,
        needed: i64::MAX,
        without_letters: Seq::MAX,
        letters: i64::MIN,
        thin: i64::MIN,
        hard: i64::MIN,
    };
    let cut = |limits: &retention::Limits| retention::select(&conn, limits, &[]).expect("a look");
    assert_eq!(cut(&limits), Some(retention::Cut::Spent { last: 15_000 }));
    assert_eq!(cut(&retention::Limits { needed: 0, ..limits }), None, "the warm start may want it");
    assert_eq!(cut(&retention::Limits { settled: 0, ..limits }), None, "a sink is owed it");
    let letters = retention::Limits { without_letters: 4_500, ..limits };
    assert_eq!(cut(&letters), Some(retention::Cut::Spent { last: 4_000 }), "what a redrive may want stays");
    let late = retention::Limits { letters: i64::MAX, ..letters };
    assert_eq!(cut(&late), Some(retention::Cut::Spent { last: 15_000 }), "but not for ever");
    let full = retention::Limits { bytes: 0, ..letters };
    assert_eq!(cut(&full), Some(retention::Cut::Spent { last: 15_000 }), "nor where there is no room");
    let owed = retention::Limits { settled: 20_000, ..limits };
    assert_eq!(cut(&owed), Some(retention::Cut::Spent { last: 18_000 }), "what is not sealed stays");
    let full = retention::Limits { settled: 0, bytes: 0, needed: i64::MIN, ..limits };
    assert_eq!(cut(&full), Some(retention::Cut::Chunks { last: 3 }), "chunks of the past are older than owed batches");
    let buckets = run.journal.history(point, 0, 20_000, 20_000).await.expect("history");
    assert_eq!(buckets.iter().map(|bucket| bucket.count).sum::<u64>(), 20_000);
    run.close();
}

#[tokio::test]
async fn a_round_is_shortened_across_the_leap_of_an_epoch() {
    let dir = Dir::new();
    let run = open(&dir);
    let point = run.point("a");
    for n in 0..40 {
        run.commit(readings(point, n * 10_000, 10_000)).await;
    }
    run.close();
    let conn = writer(&dir);
    let leap = 1_u64 << 46;
    conn.execute("UPDATE batch SET first_seq = first_seq + ?1 WHERE first_seq > 30000", [leap]).expect("a restore");
    seal::all(&conn, 400_000 + leap);
    let [n, rows]: [u64; 2] = conn
        .query_row("SELECT sum(n), count(*) FROM span", [], |row| Ok([row.get(0)?, row.get(1)?]))
        .expect("what is sealed");
    assert!(n == 400_000 && rows > 1, "{n} readings in {rows} chunks");
}

#[tokio::test]
async fn a_torn_file_keeps_its_chunks_and_makes_their_summaries_anew() {
    let dir = Dir::new();
    let run = open(&dir);
    let point = run.point("a");
    run.commit(readings(point, 0, 5_000)).await;
    let before = run.journal.history(point, 0, 5_000, 1_000).await.expect("history");
    run.close();
    let conn = writer(&dir);
    seal::all(&conn, 5_000);
    conn.execute_batch("DELETE FROM batch; DELETE FROM span; CREATE TABLE odd(a INTEGER) STRICT").expect("damage");
    drop(conn);
    let run = open(&dir);
    assert_eq!(run.cause, StartCause::Repair);
    let after = run.journal.history(point, 0, 5_000, 1_000).await.expect("history");
    assert_eq!(after, before);
    run.close();
}

/// What no compression makes small, so that thinning gives pages back.
fn noise(n: u64) -> f64 {
    let mixed = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed >> 32) as f64 / 3.0
}

#[tokio::test]
async fn for_want_of_room_old_history_is_thinned_before_it_is_dropped() {
    let dir = Dir::new();
    let run = open(&dir);
    let point = run.point("a");
    let noise = (0..3_600).map(|n| reading(point, n * 1_000, noise(n as u64)));
    run.commit(noise.collect()).await;
    let hour = run.journal.history(point, 0, HOUR - 1, HOUR).await.expect("history");
    run.close();
    let conn = writer(&dir);
    seal::all(&conn, 3_600);
    let used = "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size";
    let used: u64 = conn.query_row(used, [], |row| row.get(0)).expect("a size");
    drop(conn);
    let small = JournalConfig { max_size: used - 1, ..config(&dir) };
    let run = try_open(&small, &sinks()).expect("open");
    let left = || {
        let body = "SELECT sum(thinned), count(*) FROM chunk";
        let conn = schema::reader(&dir.0.join("telemetry.db")).expect("the file");
        conn.query_row(body, [], |row| Ok((row.get::<_, Option<u64>>(0)?, row.get::<_, u64>(1)?))).expect("a row")
    };
    until("history is thinned", || left().0 > Some(3_000)).await;
    assert_eq!(left().1, 1, "and not dropped");
    let after = run.journal.history(point, 0, HOUR - 1, HOUR).await.expect("history");
    let whole: Vec<_> = hour.iter().map(|bucket| Bucket { thinned: true, ..*bucket }).collect();
    assert_eq!(after, whole, "the summary is that of the whole, and it says what it lacks");
    until("it is counted", || Some(run.stats.history_thinned.get()) == left().0).await;
    let minutes = run.journal.history(point, 0, HOUR - 1, 60_000).await.expect("history");
    assert_eq!(minutes.len(), 60);
    assert!(minutes.iter().all(|minute| minute.thinned && (1..=3).contains(&minute.count)));
    run.close();
}

#[tokio::test]
async fn history_stamped_by_a_clock_that_ran_ahead_gives_way_too() {
    let dir = Dir::new();
    let run = open(&dir);
    let point = run.point("a");
    for n in 0..10 {
        run.commit(readings(point, n * 1_000, 1_000)).await;
    }
    run.close();
    let conn = writer(&dir);
    seal::all(&conn, 10_000);
    conn.execute("DELETE FROM batch WHERE first_seq <= 9000", []).expect("as retention does");
    let now = Clock::start().wall().0;
    let limits = retention::Limits {
        before: i64::MIN,
        life_safety_before: i64::MIN,
        bytes: 0,
        settled: 10_000,
        ahead: now,
        needed: now,
        without_letters: Seq::MAX,
        letters: i64::MIN,
        thin: now - 24 * HOUR,
        hard: now - HOUR,
    };
    let cut = |limits: &retention::Limits| retention::select(&conn, limits, &[]).expect("a look");
    let ahead = "UPDATE chunk SET t_min = t_min + ?1, t_max = t_max + ?1";
    conn.execute(ahead, [now + 10 * 365 * 24 * HOUR]).expect("as it was stamped");
    assert!(matches!(cut(&limits), Some(retention::Cut::Thin { .. })), "as if it were old");
    schema::put_meta(&conn, "thinned", "1000").expect("all is thinned");
    assert!(matches!(cut(&limits), Some(retention::Cut::Chunks { .. })), "then it goes");
    assert_eq!(cut(&retention::Limits { bytes: u64::MAX, ..limits }), None, "by age it does not");
    conn.execute("UPDATE chunk SET t_min = ?1, t_max = ?1", [now - 1]).expect("as if all were of now");
    owed::passed(&conn, 10_000).expect("written");
    assert!(matches!(cut(&limits), Some(retention::Cut::Chunks { .. })), "where no batch can go, history does");
}

#[tokio::test]
async fn life_safety_points_may_be_kept_longer() {
    let dir = Dir::new();
    let run = open(&dir);
    let [door, smoke] = ["door", "smoke"].map(|name| run.point(name));
    for hour in 0..4 {
        let both = [door, smoke].map(|point| readings(point, hour * HOUR, 100));
        run.commit(both.concat()).await;
    }
    run.feed(Lane::Telemetry).settle(1, 800, Outcome::Done).await.expect("settled");
    run.close();
    let conn = writer(&dir);
    // hour by hour, as it comes
    for upto in [200, 400, 600, 800] {
        seal::all(&conn, upto);
    }
    conn.execute("UPDATE series SET life_safety = (id = ?1)", [smoke.0]).expect("changed");
    let limits = retention::Limits {
        before: 3 * HOUR,
        life_safety_before: HOUR,
        bytes: u64::MAX,
        settled: 0,
        ahead: i64::MAX,
        needed: i64::MAX,
        without_letters: Seq::MAX,
        letters: i64::MIN,
        thin: i64::MIN,
        hard: i64::MIN,
    };
    let kept = |point: PointId| -> Vec<i64> {
        let hours = "SELECT t_min / ?2 FROM chunk WHERE point = ?1 ORDER BY t_min";
        let mut rows = conn.prepare(hours).expect("a query");
        let rows = rows.query_map([i64::from(point.0), HOUR], |row| row.get(0)).expect("rows");
        rows.collect::<Result<_, _>>().expect("hours")
    };
    let aged = retention::aged(&conn, &limits).expect("a look").expect("something is too old");
    assert_eq!(retention::delete(&conn, aged).expect("deleted"), 300);
    assert_eq!((kept(door), kept(smoke)), (vec![3], vec![0, 1, 2, 3]));
    assert_eq!(retention::aged(&conn, &limits).expect("a look"), None, "once");
    let cut = retention::select(&conn, &limits, &[]).expect("a look").expect("one of both is too old");
    assert_eq!(retention::delete(&conn, cut).expect("deleted"), 100);
    assert_eq!((kept(door), kept(smoke)), (vec![3], vec![1, 2, 3]));
    let equal = retention::Limits { before: HOUR, ..limits };
    assert_eq!(retention::aged(&conn, &equal).expect("a look"), None, "nothing is kept longer");
    let spans: i64 = conn.query_row("SELECT count(*) FROM span", [], |row| row.get(0)).expect("a number");
    assert_eq!(spans, 4);
}
