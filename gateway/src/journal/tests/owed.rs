//! An outage that outlasts the room: readings that are owed are thinned, not dropped, and every balance stays exact.

use std::collections::BTreeMap;

use super::*;
use crate::journal::deliveries::Known;
use crate::journal::thin::Kept;
use crate::journal::{owed, schema, seal};

const POINTS: i64 = 100;
const MINUTE: i64 = 60_000;

/// A run on a clock that can be hurried, with this much room.
fn open_with(dir: &Dir, clock: &Clock, max_size: u64) -> Run {
    let (catalog, stats) = (Catalog::default(), SharedStats::default());
    let config = JournalConfig { max_size, ..config(dir) };
    let Opened { journal, standing, modes: _, levels: _, learned, cause, last_seen, present: _, writers } =
        Journal::open(&config, &catalog, clock, &stats, &sinks()).expect("the journal opens");
    // As with a rule that looks back over a day: it is no reason to drop what could be thinned.
    journal.remember(24 * 60 * MINUTE as u64);
    Run { journal, standing, cause, last_seen, learned, writers, catalog, stats }
}

/// A minute of all points, a reading a second each, of which every value differs from the next.
fn minute(ids: &[PointId], begin: i64) -> Vec<Reading> {
    let value = |n: i64, second: i64| ((begin / 1_000 + second * 7_919 + n * 104_729) % 1_009) as f64;
    let at = |second: i64| begin + second * 1_000;
    let second = |second| ids.iter().zip(0..).map(move |(id, n)| reading(*id, at(second), value(n, second)));
    (0..60).flat_map(second).collect()
}

/// The extremes of each point and minute.
fn extremes(readings: impl Iterator<Item = (PointId, i64, f64)>) -> BTreeMap<(PointId, i64), (f64, f64)> {
    let mut all = BTreeMap::new();
    for (point, at, value) in readings {
        let (low, high) = all.entry((point, at.div_euclid(MINUTE))).or_insert((f64::MAX, f64::MIN));
        (*low, *high) = (value.min(*low), value.max(*high));
    }
    all
}

/// Pushes so many minutes, and lives through them.
async fn live(run: &Run, clock: &Clock, ids: &[PointId], minutes: usize) -> Vec<Reading> {
    let mut all = Vec::new();
    for _ in 0..minutes {
        let readings = minute(ids, clock.wall().0.div_euclid(MINUTE) * MINUTE);
        all.extend(readings.iter().copied());
        run.commit(readings).await;
        clock.hurry(MINUTE as u64);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_owed_beyond_the_room_is_thinned_and_every_balance_stays_exact() {
    let (dir, clock) = (Dir::new(), Clock::start());
    let run = open_with(&dir, &clock, 4 << 20);
    let ids: Vec<PointId> = (0..POINTS).map(|n| run.point(&format!("p{n}"))).collect();
    let mut all = live(&run, &clock, &ids, 40).await;
    // A message to a centre, farther from both ends than a crash leaves one, whose acknowledgement is still to come.
    let (shown, feed) = ((150_001, 155_000), run.feed(Lane::Telemetry));
    assert!(feed.show(shown));
    let message = feed.telemetry(shown.0, shown.1, usize::MAX).await.expect("records");
    assert_eq!(message.len(), 5_000);
    all.extend(live(&run, &clock, &ids, 260).await);
    // That there is no room is told for two looks alone, which a hurried clock passes over.
    until("what is owed gives way", || {
        clock.hurry(5_000);
        run.journal.health().room.gives_way && run.balance(STORE, Lane::Telemetry).thinned > 500_000
    })
    .await;
    let balance = run.balance(STORE, Lane::Telemetry);
    assert!(balance.thinned > 500_000 && balance.expired == 0, "{balance:?}");
    assert_eq!(balance.committed, all.len() as u64);
    assert_eq!(
        feed.telemetry(shown.0, shown.1, usize::MAX).await.expect("records"),
        message,
        "what it carries is the same"
    );
    let around = |(from, to): &(Seq, Seq)| *from <= shown.0 && shown.1 <= *to;
    assert!(feed.owed().iter().any(around), "and is owed: {:?}", feed.owed());
    drop(feed);
    run.close();

    // What a restart finds is the same, and the rest can be sent: once each, nothing made up, and no extreme is missing.
    let run = open_with(&dir, &clock, 4 << 20);
    let again = run.balance(STORE, Lane::Telemetry);
    assert!(again.thinned >= balance.thinned && again.committed == balance.committed && again.expired == 0);
    let feed = run.feed(Lane::Telemetry);
    let mut left = Vec::new();
    for (from, to) in feed.owed() {
        left.extend(feed.telemetry(from, to, usize::MAX).await.expect("records"));
        feed.settle(from, to, Outcome::Done).await.expect("settled");
    }
    let end = run.balance(STORE, Lane::Telemetry);
    assert_eq!((end.pending, end.delivered), (0, left.len() as u64));
    assert_eq!(end.thinned + end.delivered, end.committed);
    let seqs: std::collections::BTreeSet<Seq> = left.iter().map(|record| record.seq).collect();
    assert_eq!(seqs.len(), left.len(), "each number once");
    let sent: std::collections::HashSet<_> = all.iter().map(|r| (r.point, r.at.0, r.value.to_bits())).collect();
    assert!(left.iter().all(|r| sent.contains(&(r.point, r.at_ns / 1_000_000, r.value.to_bits()))), "nothing made up");
    let of = |all: &[Reading]| extremes(all.iter().map(|r| (r.point, r.at.0, r.value)));
    assert_eq!(extremes(left.iter().map(|r| (r.point, r.at_ns / 1_000_000, r.value))), of(&all));
    run.close();
}

/// Such a disk would fill up, and a full one is read by retention no more.
#[tokio::test(flavor = "multi_thread")]
async fn on_a_disk_smaller_than_max_size_readings_give_way_before_it_is_full() {
    const DISK: u64 = 80 << 20;
    let (dir, clock) = (Dir::new(), Clock::start());
    let run = open_with(&dir, &clock, 1 << 40);
    let core = run.journal.inner.core(Lane::Telemetry);
    core.faults.disk.store(DISK, std::sync::atomic::Ordering::Relaxed);
    let ids: Vec<PointId> = (0..POINTS).map(|n| run.point(&format!("p{n}"))).collect();
    live(&run, &clock, &ids, 12 * 60).await;
    until("what is owed is thinned", || {
        clock.hurry(5_000);
        run.balance(STORE, Lane::Telemetry).thinned > 0
    })
    .await;
    assert_eq!(run.balance(STORE, Lane::Telemetry).expired, 0);
    assert!(run.journal.health().room.hours_left.is_some_and(|left| left < 24.0), "{:?}", run.journal.health().room);
    assert!(core.bytes() < DISK, "{}", core.bytes());
    run.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_before_may_have_sent_is_never_thinned() {
    let (dir, clock) = (Dir::new(), Clock::start());
    let run = open_with(&dir, &clock, 1 << 19);
    let ids: Vec<PointId> = (0..POINTS).map(|n| run.point(&format!("p{n}"))).collect();
    // 120,000 readings: what is 65,536 from the one end is nearer to the other, so the oldest must go.
    live(&run, &clock, &ids, 20).await;
    // Long enough that all of it is sealed and old.
    clock.hurry(2 * 3_600_000);
    until("the lane fits", || {
        clock.hurry(5_000);
        run.balance(STORE, Lane::Telemetry).expired > 0
    })
    .await;
    assert_eq!(run.balance(STORE, Lane::Telemetry).thinned, 0);
    run.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_forecast_knows_at_what_age_readings_are_dropped() {
    let (dir, clock) = (Dir::new(), Clock::start());
    let config = JournalConfig { keep: Duration::from_hours(3), ..config(&dir) };
    let run = open_by(&clock, &config, &sinks()).expect("the journal opens");
    run.journal.remember(0);
    let ids = [run.point("a")];
    live(&run, &clock, &ids, 30).await;
    let room = || run.journal.health().room;
    until("it is told before", || {
        clock.hurry(1_000);
        room().is_short(6.0)
    })
    .await;
    assert!(room().hours_left.is_some_and(|left| left < 3.0), "{:?}", room());
    assert_eq!(run.balance(STORE, Lane::Telemetry).expired, 0);
    run.close();
}

#[tokio::test]
async fn a_number_that_was_given_out_never_stands_for_another_reading() {
    let dir = Dir::new();
    let run = open(&dir);
    let point = run.point("a");
    for n in 0..20 {
        let second = |second: i64| reading(point, second * 100, (second * 7_919 % 1_009) as f64);
        run.commit((n * 1_000..(n + 1) * 1_000).map(second).collect()).await;
    }
    let before: BTreeMap<Seq, Record> = run.all().await.into_iter().map(|record| (record.seq, record)).collect();
    run.close();
    for known in [Known::ToSome, Known::ToNone] {
        let copy = Dir::new();
        dir.copy_to(&copy);
        let conn = schema::writer(&copy.0.join("telemetry.db")).expect("the file");
        seal::all(&conn, 20_000);
        let group = owed::next(&conn, (i64::MAX, i64::MAX), &[]).expect("a look").expect("a group");
        let fewer = owed::fewer(&conn, group, &Kept::default(), known).expect("read").expect("worth it");
        fewer.write(&conn).expect("written");
        owed::passed(&conn, group.last).expect("written");
        let run = open(&copy);
        let feed = run.feed(Lane::Telemetry);
        let owed = run.all().await;
        assert!(owed.len() < 10_000, "{} left", owed.len());
        let again = feed.again(1, Seq::MAX, usize::MAX).await.expect("records");
        match known {
            Known::ToSome => {
                assert!(again.iter().all(|record| before.get(&record.seq) == Some(record)), "another reading");
                assert!(again.iter().all(|record| record.seq > group.last));
            }
            Known::ToNone => assert_eq!(again, owed, "these numbers are the first it is sent them by"),
        }
        run.close();
    }
}
