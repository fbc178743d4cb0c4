//! What a repair keeps, and what it tells of the rest.

use std::os::unix::fs::FileExt;

use super::damage::{change, gaps, root_of};
use super::*;
use crate::journal::chunk::{self, HOUR};
use crate::journal::{schema, seal, suspicion};

fn writer(dir: &Dir) -> rusqlite::Connection {
    schema::writer(&dir.0.join("telemetry.db")).expect("the file")
}

/// A journal of alarms that came and went, all of which were pushed.
async fn pushed() -> Dir {
    let dir = Dir::new();
    let run = open(&dir);
    let mut tap = run.journal.tap(DUTY).expect("declared");
    for n in 0..30 {
        run.record(alarm(&format!("r{n}"), 1, "unacknowledged")).await;
        run.record(alarm(&format!("r{n}"), 2, "normal")).await;
    }
    for _ in 0..60 {
        let pushed = tokio::time::timeout(DEADLINE, tap.next()).await.expect("in time").expect("open");
        tap.settle(pushed.mark, Outcome::Done);
    }
    drop(tap);
    run.close();
    dir
}

/// The rule of the next transition that is pushed, which is new.
async fn next_pushed(dir: &Dir) -> String {
    let run = open(dir);
    assert_eq!(run.cause, StartCause::Repair);
    let mut tap = run.journal.tap(DUTY).expect("declared");
    run.record(alarm("new", 1, "unacknowledged")).await;
    let next = tokio::time::timeout(DEADLINE, tap.next()).await.expect("in time").expect("open");
    drop(tap);
    run.close();
    next.event.rule
}

#[tokio::test]
async fn people_are_not_told_again_of_the_past_where_the_newest_entry_is_damaged() {
    let dir = pushed().await;
    change(
        &dir,
        "alarm.db",
        "UPDATE entry SET body = replace(body, 'normal', 'abnormal') \
         WHERE seq = (SELECT max(seq) FROM entry WHERE kind = 'alarm')",
    );
    change(&dir, "alarm.db", "DELETE FROM entry WHERE seq = (SELECT max(seq) FROM entry)");
    assert_eq!(next_pushed(&dir).await, "new");
}

#[tokio::test]
async fn people_are_not_told_again_of_the_past_where_the_maps_are_torn() {
    let dir = pushed().await;
    let path = dir.0.join("alarm.db");
    let root = root_of(&path, "delivery");
    let file = std::fs::File::options().write(true).open(&path).expect("the file");
    file.write_all_at(&[0xff; 4096], root).expect("written");
    assert_eq!(next_pushed(&dir).await, "new");
}

#[tokio::test]
async fn what_was_delivered_stays_so_where_the_newest_batch_is_damaged() {
    let dir = Dir::new();
    let run = open(&dir);
    let point = run.point("a");
    for n in 0..20 {
        run.commit(readings(point, n * 1_000, 1_000)).await;
    }
    run.feed(Lane::Telemetry).settle(1, 20_000, Outcome::Done).await.expect("settled");
    run.close();
    let conn = writer(&dir);
    seal::all(&conn, 20_000);
    conn.execute("DELETE FROM batch WHERE first_seq <= 10000", []).expect("as retention does");
    drop(conn);
    change(&dir, "telemetry.db", "UPDATE batch SET body = x'00' WHERE first_seq = (SELECT max(first_seq) FROM batch)");
    let run = open(&dir);
    let balance = run.balance(STORE, Lane::Telemetry);
    assert_eq!((run.cause, balance.delivered, balance.expired), (StartCause::Repair, 20_000, 0));
    let next = run.commit(readings(point, 20_000, 10)).await;
    assert_eq!(run.feed(Lane::Telemetry).owed(), [(next.seq - 9, next.seq)], "and what is new is owed");
    run.close();
}

/// Values that no compression makes small.
fn noise(point: PointId, from: i64, n: i64) -> Vec<Reading> {
    let value = |n: i64| ((n + 1) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) as f64 / 3.0;
    (from..from + n).map(|n| reading(point, n, value(n))).collect()
}

/// Fills a leaf among the older batches with nonsense.
fn break_page(path: &Path) {
    let mut at = root_of(path, "batch");
    let file = std::fs::File::options().read(true).write(true).open(path).expect("the file");
    let mut page = [0_u8; 4096];
    file.read_exact_at(&mut page, at).expect("a page");
    // 5: a page of a table that leads on to others
    while page[0] == 5 {
        let cells = u16::from_be_bytes([page[3], page[4]]) as usize;
        let cell = 12 + 2 * (cells / 3);
        let cell = u16::from_be_bytes([page[cell], page[cell + 1]]) as usize;
        let next = u32::from_be_bytes([page[cell], page[cell + 1], page[cell + 2], page[cell + 3]]);
        at = (u64::from(next) - 1) * 4096;
        file.read_exact_at(&mut page, at).expect("a page");
    }
    file.write_all_at(&[0xff; 4096], at).expect("written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_page_is_noticed_by_whoever_meets_it_and_mended_by_the_next_start() {
    let template = Dir::new();
    let run = open(&template);
    let point = run.point("a");
    for n in 0..40 {
        run.commit(noise(point, n * 20_000, 20_000)).await;
    }
    run.close();
    break_page(&template.0.join("telemetry.db"));
    for reader in [true, false] {
        let (dir, clock) = (Dir::new(), Clock::start());
        template.copy_to(&dir);
        let mark = suspicion::suspect_path(&dir.0.join("telemetry.db"));
        let run = open_by(&clock, &config(&dir), &sinks()).expect("the journal opens");
        assert_eq!(run.cause, StartCause::CleanStop, "a file of this size is not checked");
        if reader {
            let read = run.feed(Lane::Telemetry).telemetry(1, Seq::MAX, usize::MAX).await;
            assert!(read.is_err_and(|why| why.contains("malformed")));
        }
        until("it is noticed", || {
            clock.hurry(600_000);
            mark.exists() && run.journal.sick()
        })
        .await;
        let core = run.journal.inner.core(Lane::Telemetry);
        let progress = core.progress();
        run.commit(readings(point, 900_000, 10)).await;
        assert_eq!(core.progress(), progress, "the watchdog sees that the next start is wanted");
        run.close();
        let run = open(&dir);
        assert_eq!((run.cause, run.journal.sick()), (StartCause::Repair, false));
        let left = run.all().await;
        assert!(left.len() > 700_000 && left.len() < 800_010, "{}", left.len());
        assert!(gaps(&run, "telemetry was repaired").await.len() > 1);
        run.close();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_damaged_on_the_disk_are_told_when_they_are_to_be_sealed() {
    let (dir, clock) = (Dir::new(), Clock::start());
    let run = open_by(&clock, &config(&dir), &sinks()).expect("the journal opens");
    let (point, begin) = (run.point("a"), clock.wall().0 - 10_000);
    for n in 0..5 {
        run.commit(readings(point, begin + n * 1_000, 1_000)).await;
    }
    change(&dir, "telemetry.db", "UPDATE batch SET body = x'00' WHERE first_seq = 2001");
    until("it is sealed", || {
        clock.hurry(600_000);
        run.balance(STORE, Lane::Telemetry).expired > 0
    })
    .await;
    assert_eq!(run.balance(STORE, Lane::Telemetry).expired, 1_000, "what is lost is owed to nobody");
    assert_eq!(run.stats.journal_repairs.get(), 1, "the gateway's own alarm goes by that");
    let told = gaps(&run, "readings were damaged on the disk").await;
    assert!(matches!(told[..], [(from, to, 1_000)] if from <= begin + 2_000 && to >= begin + 2_000), "{told:?}");
    until("the rest is history", || {
        let conn = schema::reader(&dir.0.join("telemetry.db")).expect("the file");
        let n = conn.query_row("SELECT sum(n) FROM span", [], |row| row.get::<_, Option<u64>>(0));
        n.expect("a row") == Some(4_000)
    })
    .await;
    run.close();
    let run = open(&dir);
    assert_eq!((run.cause, run.all().await.len()), (StartCause::CleanStop, 4_000), "it is no damage any more");
    run.close();
}

/// Two hours of one point, sealed and delivered, and a little later.
async fn sealed() -> (Dir, PointId) {
    let dir = Dir::new();
    let run = open(&dir);
    let point = run.point("a");
    run.commit(noise(point, 0, 7_200).into_iter().map(|r| reading(point, r.at.0 * 1_000, r.value)).collect()).await;
    run.feed(Lane::Telemetry).settle(1, 7_200, Outcome::Done).await.expect("settled");
    run.commit(readings(point, 100_000_000, 10)).await;
    run.close();
    let conn = writer(&dir);
    seal::all(&conn, 7_210);
    conn.execute("DELETE FROM batch WHERE first_seq <= 7200", []).expect("as retention does");
    (dir, point)
}

#[tokio::test]
async fn thinned_history_is_no_damage_and_a_repair_keeps_what_it_says_of_the_whole() {
    let (dir, point) = sealed().await;
    let run = open(&dir);
    let hours = run.journal.history(point, 0, 2 * HOUR - 1, HOUR).await.expect("history");
    run.close();
    let conn = writer(&dir);
    let body: Vec<u8> =
        conn.query_row("SELECT body FROM chunk WHERE t_min = 0", [], |row| row.get(0)).expect("a chunk");
    let few = chunk::encode(&chunk::decode(&body, point.0).expect("sound")[..600]);
    let thinned = conn.execute("UPDATE chunk SET body = ?1, thinned = 3000 WHERE t_min = 0", [few]);
    assert_eq!(thinned.expect("as retention does"), 1);
    let run = open(&dir);
    assert_eq!(run.cause, StartCause::CleanStop);
    run.close();
    conn.execute_batch("CREATE TABLE odd(a INTEGER) STRICT").expect("damage");
    drop(conn);
    let run = open(&dir);
    assert_eq!(run.cause, StartCause::Repair);
    let minutes = run.journal.history(point, 0, HOUR - 1, 60_000).await.expect("history");
    assert_eq!(minutes.len(), 10, "what was left is left");
    assert_eq!(run.journal.history(point, 0, 2 * HOUR - 1, HOUR).await.expect("history"), hours);
    assert_eq!(gaps(&run, "telemetry was repaired").await.len(), 1, "nothing is missing but what may have come last");
    run.close();
}

#[tokio::test]
async fn history_that_could_not_be_saved_is_told_with_its_time() {
    let (dir, point) = sealed().await;
    change(&dir, "telemetry.db", "UPDATE chunk SET body = x'00' WHERE t_min = 0");
    let run = open(&dir);
    let hours = run.journal.history(point, 0, 2 * HOUR - 1, HOUR).await.expect("history");
    assert_eq!((run.cause, hours.len()), (StartCause::Repair, 1));
    let told = gaps(&run, "telemetry was repaired").await;
    assert_eq!(told.first(), Some(&(0, HOUR - 1_000, 3_600)), "{told:?}");
    run.close();
}

#[tokio::test]
async fn what_is_missing_is_found_among_the_newest_entries() {
    let dir = Dir::new();
    for _ in 0..2 {
        let run = open(&dir);
        run.commit(readings(run.point("a"), 0, 10)).await;
        // what its start told is written before
        run.record(alarm("r", 1, "unacknowledged")).await;
        run.kill();
    }
    let run = open(&dir);
    let told = gaps(&run, "the last run did not end as asked").await;
    let found = async |since: i64, max| run.journal.gaps(since, max).await.expect("read");
    let all = found(0, 10).await;
    let stretch = |(_, entry): &(Seq, Entry)| {
        let Entry::Gap { from, to, at_most, .. } = entry else { panic!("{entry:?} is no gap") };
        (*from, *to, *at_most)
    };
    assert_eq!(all.iter().rev().map(stretch).collect::<Vec<_>>(), told);
    assert_eq!(told.len(), 2);
    assert_eq!(found(0, 1).await, all[..1], "the newest");
    assert_eq!(found(i64::MAX, 10).await, [], "of a time to come there is none");
    run.close();
}
