//! Readings and alarms of before the clock was set.

use proptest::prelude::*;

use super::super::undated::{Boot, Placed, Undated};
use super::*;
use crate::clock::EARLIEST;
use crate::flow::CLOCK_SET_LATER;

/// A clock that stands in 1970, and by how much it must be set.
fn unset() -> (Clock, i64) {
    let clock = Clock::start();
    let now = clock.wall().0;
    clock.set(-now);
    assert!(!clock.is_set() && clock.wall() < EARLIEST);
    (clock, now)
}

fn run(dir: &Dir, clock: &Clock) -> Run {
    open_by(clock, &config(dir), &sinks()).expect("the journal opens")
}

/// `n` readings of now, each 10 ms after the one before, in commits of their own.
async fn read(run: &Run, clock: &Clock, point: PointId, n: i64) -> Vec<i64> {
    let mut stamps = Vec::new();
    for value in 0..n {
        clock.hurry(10);
        let at = clock.wall();
        let quality = Quality::Uncertain(gengfu_core::quality::Reason::Clock);
        run.commit(vec![Reading { point, at, value: value as f64, quality }]).await;
        stamps.push(at.0);
    }
    stamps
}

/// Time goes by until nothing waits for its time any more.
async fn dated(run: &Run, clock: &Clock) {
    until("dated", || {
        clock.hurry(100);
        run.journal.health().undated == 0
    })
    .await;
}

async fn times(run: &Run) -> Vec<i64> {
    run.all().await.iter().map(|record| record.at_ns / 1_000_000).collect()
}

async fn told(run: &Run) -> Vec<String> {
    until("what was told is written", || run.journal.health().ring == 0).await;
    let entries = run.journal.entries(None, 100).await.expect("entries");
    let told = entries.into_iter().filter_map(|(_, entry)| match entry {
        Entry::Maintenance { what, .. } => Some(what),
        Entry::Alarm(_)
        | Entry::Audit { .. }
        | Entry::Start { .. }
        | Entry::Stop { .. }
        | Entry::Gap { .. }
        | Entry::Mode(_)
        | Entry::Level(_) => None,
    });
    told.collect()
}

#[tokio::test]
async fn readings_of_before_the_clock_was_set_wait_for_their_time() {
    let (dir, (clock, by)) = (Dir::new(), unset());
    let run = run(&dir, &clock);
    let point = run.point("hydrant");
    let stamps = read(&run, &clock, point, 5).await;
    let feed = run.feed(Lane::Telemetry);
    assert_eq!((feed.owed(), feed.pending()), (vec![], vec![(1, 5)]));
    assert_eq!((run.balance(STORE, Lane::Telemetry).pending, run.journal.health().undated), (5, 5));
    let history = async || run.journal.history(point, i64::MIN / 2, i64::MAX / 2, 1 << 60).await.expect("history");
    assert!(history().await.is_empty());

    clock.set(by);
    run.commit(vec![reading(point, clock.wall().0, 9.0)]).await;
    assert_eq!(feed.owed(), [], "what comes after waits behind it");
    dated(&run, &clock).await;
    let booted = clock.booted().expect("settled");
    assert_eq!(feed.owed(), [(1, 6)]);
    let times = times(&run).await;
    assert_eq!(times[..5], stamps.iter().map(|at| at + booted).collect::<Vec<_>>());
    assert!(times[4] <= times[5] && Wall(times[0]) > EARLIEST);
    assert_eq!(history().await.iter().map(|bucket| bucket.count).sum::<u64>(), 6);
    assert_eq!(told(&run).await, ["clock-set"]);
    run.close();
}

/// Neither an hour of the count that is over, nor the step by which the clock is set, makes history of 1970.
#[tokio::test]
async fn what_waits_for_its_time_is_sealed_under_it() {
    let (dir, (clock, by)) = (Dir::new(), unset());
    let run = run(&dir, &clock);
    let point = run.point("hydrant");
    read(&run, &clock, point, 5).await;
    let chunks = || {
        let conn = rusqlite::Connection::open(dir.0.join("telemetry.db")).expect("the file");
        let of = "SELECT count(*), coalesce(min(t_min), 0) FROM chunk";
        conn.query_row(of, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))).expect("chunks")
    };
    // the hour of the count, and more looks than one
    clock.hurry(3_700_000);
    for _ in 0..3 {
        clock.hurry(10_000);
        read(&run, &clock, point, 1).await;
    }
    assert_eq!(chunks(), (0, 0), "while the clock is not set");
    clock.set(by);
    for _ in 0..3 {
        run.commit(vec![reading(point, clock.wall().0, 9.0)]).await;
    }
    assert_eq!(chunks(), (0, 0), "while the time of the boot is not known");
    dated(&run, &clock).await;
    until("sealed", || {
        clock.hurry(600_000);
        chunks().0 > 0
    })
    .await;
    assert!(Wall(chunks().1) > EARLIEST);
    let history = run.journal.history(point, i64::MIN / 2, i64::MAX / 2, 1 << 60).await.expect("history");
    assert_eq!(history.iter().map(|bucket| bucket.count).sum::<u64>(), 11);
    run.close();
}

#[tokio::test]
async fn a_run_that_dies_before_the_clock_is_set_leaves_it_to_the_next_of_its_boot() {
    let (dir, (clock, _)) = (Dir::new(), unset());
    let first = run(&dir, &clock);
    let point = first.point("hydrant");
    let mut stamps = read(&first, &clock, point, 150).await;
    first.kill();
    // Again and again, also in the midst of it: each is done once.
    let mut kills = 0;
    let by = loop {
        let clock = Clock::start();
        let next = run(&dir, &clock);
        assert!(stamps.is_sorted());
        until("settled", || {
            clock.hurry(500);
            clock.booted().is_some()
        })
        .await;
        let booted = clock.booted().expect("settled");
        tokio::time::sleep(Duration::from_millis(kills)).await;
        if next.journal.health().undated == 0 {
            let times = times(&next).await;
            assert_eq!(times.len(), stamps.len());
            assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 10), "order and distances");
            next.close();
            break times[0] - stamps[0] - booted;
        }
        next.kill();
        kills = kills * 2 + 1;
    };
    assert!(by.abs() < 1_000, "the same boot, off by {by} ms");
    stamps.clear();
}

/// As if the machine had been booted since.
fn reboot(dir: &Dir) {
    for lane in [Lane::Alarm, Lane::Telemetry] {
        let conn = rusqlite::Connection::open(dir.0.join(schema::file_name(lane))).expect("the file");
        let boot: String =
            conn.query_row("SELECT value FROM meta WHERE key = 'boot'", [], |row| row.get(0)).expect("boot");
        conn.execute("UPDATE meta SET value = replace(value, ?1, 'another')", [boot]).expect("changed");
    }
}

#[tokio::test]
async fn of_another_boot_order_is_kept_and_the_time_is_bounded() {
    let (dir, (clock, _)) = (Dir::new(), unset());
    let before = {
        let good = Clock::start();
        good.set(-10 * 86_400_000);
        let run = run(&dir, &good);
        let point = run.point("hydrant");
        let at = good.wall().0;
        run.commit(vec![reading(point, at, 1.0)]).await;
        run.close();
        at
    };
    let first = run(&dir, &clock);
    assert_eq!(first.last_seen.map(|seen| seen >= before), Some(true));
    let point = first.point("hydrant");
    let stamps = read(&first, &clock, point, 3).await;
    first.record(alarm_at("low", clock.wall().0)).await;
    let last = clock.wall().0;
    first.kill();
    reboot(&dir);

    let clock = Clock::start();
    let next = run(&dir, &clock);
    assert!(next.last_seen.is_some_and(|seen| seen >= before && Wall(seen) > EARLIEST), "{:?}", next.last_seen);
    clock.hurry(60_000);
    dated(&next, &clock).await;
    let (times, booted) = (times(&next).await, clock.booted().expect("settled"));
    let of_it = &times[1..];
    assert!(times.is_sorted() && of_it.iter().all(|at| *at <= booted), "before this boot: {times:?}, {booted}");
    let distances = |times: &[i64]| times.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>();
    assert_eq!(distances(of_it), distances(&stamps));
    assert!(booted - of_it[2] <= 1_000 + last - stamps[2], "as late as can be");
    assert_eq!(told(&next).await[0], "clock-bounded");
    let raised = raised(&next).await;
    assert!(of_it[2] <= raised.detected && raised.detected <= booted, "one line for both lanes");
    next.close();
}

/// A transition that was decided at `at`.
fn alarm_at(rule: &str, at: i64) -> Entry {
    let event = event(rule, 1, "unacknowledged");
    Entry::Alarm(AlarmEvent { onset: at - 50, since: at - 50, occurred: at, detected: at, ..event })
}

async fn raised(run: &Run) -> AlarmEvent {
    let entries = run.journal.entries(None, 100).await.expect("entries");
    entries.into_iter().find_map(|(_, entry)| entry.into_alarm()).expect("the alarm")
}

#[tokio::test]
async fn an_alarm_is_told_at_once_and_kept_by_its_time_later() {
    let (dir, (clock, by)) = (Dir::new(), unset());
    let run = run(&dir, &clock);
    let at = clock.wall().0;
    let seq = run.record(alarm_at("low", at)).await;
    assert_eq!((run.feed(Lane::Alarm).owed(), run.feed(Lane::Alarm).by_time().owed()), (vec![(1, seq)], vec![]));
    assert_eq!(raised(&run).await.detected, at);
    clock.set(by);
    let store = run.feed(Lane::Alarm).by_time();
    until("the store may have it", || {
        clock.hurry(100);
        !store.owed().is_empty()
    })
    .await;
    drop(store);
    let booted = clock.booted().expect("settled");
    let event = raised(&run).await;
    assert_eq!((event.onset, event.detected), (at - 50 + booted, at + booted));
    assert_eq!((event.id.as_str(), event.clock.as_deref()), ("0000000000000low", Some(CLOCK_SET_LATER)));
    assert_eq!(run.journal.verify_chain().await.expect("the chain").broken_at, None, "what was written stays");
    run.close();
    // It stands with its time from then on.
    let run = super::open(&dir);
    assert_eq!(run.standing[0].onset, at - 50 + booted);
    run.close();
}

#[tokio::test]
async fn what_waits_survives_a_repair() {
    let (dir, (clock, by)) = (Dir::new(), unset());
    let first = run(&dir, &clock);
    let point = first.point("hydrant");
    let stamps = read(&first, &clock, point, 3).await;
    first.kill();
    std::fs::write(dir.0.join("telemetry.suspect"), "").expect("written");
    let path = dir.0.join(schema::file_name(Lane::Telemetry));
    let conn = rusqlite::Connection::open(&path).expect("the file");
    conn.execute("INSERT INTO refused VALUES(1, 0, '', '', x'', '')", []).expect("a row");
    conn.execute("UPDATE batch SET n = n + 1 WHERE first_seq = 2", []).expect("damage");
    drop(conn);
    clock.set(by);
    let next = run(&dir, &clock);
    assert_eq!(next.cause, StartCause::Repair);
    dated(&next, &clock).await;
    let booted = clock.booted().expect("settled");
    assert_eq!(times(&next).await, [stamps[0] + booted, stamps[2] + booted]);
    next.close();
}

fn boot() -> impl Strategy<Value = (u64, u8, Option<i64>, Option<i64>)> {
    (1_u64..50, 0_u8..4, proptest::option::of(0_i64..1 << 40), proptest::option::of(0_i64..1 << 30))
}

proptest! {
    #[test]
    fn boots_follow_each_other_and_come_back_from_the_file(boots in proptest::collection::vec(boot(), 0..12), booted in 1_i64 << 40..1 << 41) {
        let mut undated = Undated::default();
        let mut seq = 1;
        for (n, id, after, end) in boots {
            undated.begin(seq, &format!("boot-{id}"), after);
            if let Some(end) = end {
                undated.over(end);
            }
            seq += n;
        }
        prop_assert_eq!(&Undated::parse(&undated.text()), &undated);
        let waiting = undated.clone();
        let placed = undated.place("boot-1", booted);
        prop_assert_eq!(placed.first().map(|boot| boot.first), waiting.waiting());
        prop_assert_eq!(undated.waiting(), None);
        prop_assert!(undated.place("boot-1", booted + 7).is_empty(), "once");
        prop_assert_eq!(&Undated::parse(&undated.text()), &undated);
        let at = |boot: &Boot| boot.placed.map_or(0, |Placed { booted, .. }| booted);
        for pair in placed.windows(2) {
            prop_assert!(at(&pair[0]) + pair[0].end.unwrap_or(0) <= at(&pair[1]).max(booted), "one boot ends before the next");
        }
        prop_assert!(placed.iter().all(|boot| undated.booted(boot.first) == boot.placed.map(|placed| placed.booted)));
    }
}

#[tokio::test]
async fn what_waits_for_its_time_is_counted_for_who_reads_from_outside() {
    let dir = Dir::new();
    let (clock, by) = unset();
    let first = run(&dir, &clock);
    let point = first.point("a");
    read(&first, &clock, point, 3).await;
    let past = Past::open(&dir.0).expect("to be read");
    assert_eq!(past.undated().expect("counted"), 3);
    clock.set(by);
    dated(&first, &clock).await;
    assert_eq!(past.undated().expect("counted"), 0);
    first.close();
}
