//! What a repair keeps, and what it tells of the rest.

use std::os::unix::fs::FileExt;

use super::damage::{change, root_of};
use super::*;
use crate::journal::{schema, seal};

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
