//! Records in, records out, over restarts of every kind.

use super::*;
use crate::flow::Refused;

#[tokio::test]
async fn what_is_committed_comes_back_in_order_and_bit_for_bit() {
    let dir = Dir::new();
    let run = open(&dir);
    assert_eq!((run.cause, run.last_seen), (StartCause::FirstStart, None));
    let (a, b) = (run.point("a"), run.point("b"));
    let bad = Reading { quality: Quality::Bad(gengfu_core::quality::Reason::Timeout), ..reading(b, 11, 0.0) };
    let head = run.commit(vec![reading(a, 10, 0.1), bad, reading(b, 12, -0.0)]).await;
    assert_eq!(head.seq, 3);
    let head = run.commit(readings(a, 20, 5000)).await;
    assert_eq!(head.seq, 5003, "bigger than one blob");
    let all = run.all().await;
    assert_eq!(all.len(), 5003);
    assert!(all.iter().zip(1..).all(|(record, seq)| record.seq == seq));
    assert_eq!((all[1].quality, all[2].value.to_bits()), (bad.quality, (-0.0_f64).to_bits()));
    assert_eq!(all[3].at_ns, 20_000_000);
    let part = run.feed(Lane::Telemetry).telemetry(4090, 4200, 20).await.expect("records");
    assert_eq!((part.len(), part[0].seq, part[19].seq), (20, 4090, 4109));
    assert_eq!(run.stats.committed.get(), 5003);
    run.close();
}

#[tokio::test]
async fn points_keep_their_index_over_restarts() {
    let dir = Dir::new();
    let run = open(&dir);
    let names = ["x", "y", "z"];
    let before: Vec<PointId> = names.iter().map(|name| run.point(name)).collect();
    run.commit(vec![reading(before[2], 1, 1.0)]).await;
    run.close();
    let run = open(&dir);
    assert_eq!(run.catalog.len(), 3);
    assert_eq!(run.catalog.get(before[1]).and_then(|meta| meta.source.clone()), None);
    let new = run.point("w");
    let after: Vec<PointId> = names.iter().rev().map(|name| run.point(name)).rev().collect();
    assert_eq!(before, after);
    run.commit(vec![reading(new, 1, 1.0)]).await;
    run.kill();
    assert_eq!(open(&dir).catalog.find("w/value"), Some(new));
}

#[tokio::test]
async fn a_clean_stop_and_a_kill_are_told_apart_and_numbers_go_on() {
    let dir = Dir::new();
    let run = open(&dir);
    let point = run.point("a");
    let first = run.commit(readings(point, 0, 10)).await;
    run.close();
    let run = open(&dir);
    assert_eq!(run.cause, StartCause::CleanStop);
    assert!(run.last_seen.is_some());
    let head = run.commit(readings(point, 10, 10)).await;
    assert_eq!((head.epoch, head.seq), (first.epoch, 20));
    run.kill();
    let run = open(&dir);
    assert_eq!(run.cause, StartCause::UncleanStop);
    assert_eq!(run.commit(readings(point, 20, 1)).await.seq, 21);
    assert_eq!(run.all().await.len(), 21);
    // what a start tells comes before what follows it; the lanes do not wait for each other
    let later = run.record(alarm("later", 1, "unacknowledged")).await;
    let entries = run.journal.entries(Some(later), 10).await.expect("entries");
    assert!(matches!(entries.first(), Some((_, Entry::Gap { at_most, .. })) if *at_most > 1000), "{entries:?}");
    assert!(entries.iter().any(|(_, entry)| matches!(entry, Entry::Stop { .. })));
    run.kill();
}

#[tokio::test]
async fn files_copied_from_under_a_running_journal_hold_all_that_was_acknowledged() {
    let (dir, copy) = (Dir::new(), Dir::new());
    let run = open(&dir);
    let point = run.point("a");
    for n in 0..20 {
        run.commit(readings(point, n * 100, 100)).await;
        run.record(alarm(&format!("r{n}"), 1, "unacknowledged")).await;
    }
    dir.copy_to(&copy);
    let again = open(&copy);
    assert_eq!(again.cause, StartCause::UncleanStop);
    assert_eq!(again.all().await.len(), 2000);
    assert_eq!(again.standing.len(), 20);
    assert_eq!(again.journal.verify_chain().await.expect("a walk").broken_at, None);
    again.kill();
    run.kill();
}

#[tokio::test]
async fn a_power_cut_begins_an_epoch() {
    let dir = Dir::new();
    let run = open(&dir);
    let point = run.point("a");
    let first = run.commit(readings(point, 0, 10)).await;
    run.kill();
    let conn = rusqlite::Connection::open(dir.0.join("telemetry.db")).expect("the file");
    schema::put_meta(&conn, "boot", "another boot of the machine").expect("written");
    drop(conn);
    let run = open(&dir);
    let head = run.commit(readings(point, 10, 10)).await;
    assert_ne!(head.epoch, first.epoch);
    assert_eq!(head.seq, 20, "nothing is known to be lost, so no number is left out");
    assert_eq!(run.balance(STORE, Lane::Telemetry).committed, 20);
    run.kill();
}

#[tokio::test]
async fn a_second_gateway_is_kept_out() {
    let dir = Dir::new();
    let run = open(&dir);
    let error = try_open(&config(&dir), &sinks()).err().expect("refused");
    assert!(error.to_string().contains("another gengfu"), "{error}");
    run.close();
    open(&dir).kill();
}

#[tokio::test]
async fn a_file_of_a_newer_gengfu_is_left_alone() {
    let dir = Dir::new();
    open(&dir).close();
    let conn = rusqlite::Connection::open(dir.0.join("alarm.db")).expect("the file");
    conn.pragma_update(None, "user_version", 9).expect("written");
    schema::put_meta(&conn, "layout", "9").expect("written");
    drop(conn);
    let error = try_open(&config(&dir), &sinks()).err().expect("refused");
    assert!(error.to_string().contains("newer"), "{error}");
    assert!(dir.0.join("alarm.db").exists());
}

#[tokio::test]
async fn two_readings_of_one_millisecond_stay_two_over_a_restart() {
    let dir = Dir::new();
    let run = open(&dir);
    let point = run.point("a");
    run.commit(vec![reading(point, 7, 1.0), reading(point, 7, 2.0), reading(point, 5, 3.0)]).await;
    run.kill();
    let run = open(&dir);
    run.commit(vec![reading(point, 7, 4.0), reading(point, 5, 5.0)]).await;
    let at: Vec<i64> = run.all().await.iter().map(|record| record.at_ns).collect();
    assert_eq!(at, [7_000_000, 7_000_001, 5_000_000, 7_000_002, 5_000_001]);
    run.close();
}

#[tokio::test]
async fn a_receipt_closes_the_window_and_polled_readings_wait_for_it() {
    let dir = Dir::new();
    let run = open(&dir);
    let point = run.point("a");
    run.journal.push(Batch { readings: readings(point, 0, 5), ..Batch::default() }).expect("room");
    let head = run.commit(readings(point, 5, 5)).await;
    assert_eq!(head.seq, 10, "one commit took both");
    let conn = rusqlite::Connection::open(dir.0.join("telemetry.db")).expect("the file");
    let rows: i64 = conn.query_row("SELECT count(*) FROM batch", [], |row| row.get(0)).expect("a count");
    assert_eq!(rows, 1);
    run.journal.push(Batch { readings: readings(point, 10, 5), ..Batch::default() }).expect("room");
    let journal = run.journal.clone();
    until("the window closes by itself", || journal.head(Lane::Telemetry).borrow().seq == 15).await;
    run.close();
}

#[tokio::test]
async fn refused_messages_are_kept_acknowledged_and_counted_like_readings() {
    let dir = Dir::new();
    let run = open(&dir);
    let refused = Refused {
        source: "lora".to_owned(),
        topic: "sensors/x".to_owned(),
        head: vec![0xff, 0x00],
        reason: "not JSON".to_owned(),
        at: Wall(5),
    };
    let mark = Arc::new(watch::Sender::new(0));
    let batch = Batch {
        refused: vec![refused.clone()],
        receipt: Some(Receipt { mark: Arc::clone(&mark), token: 9 }),
        ..Batch::default()
    };
    run.journal.push(batch).expect("room");
    until("acknowledged", || *mark.borrow() == 9).await;
    assert_eq!(run.stats.committed.get(), 1);
    run.kill();
    let run = open(&dir);
    assert_eq!(run.journal.refused(10).await.expect("records"), [refused]);
    run.close();
}

#[tokio::test]
async fn the_standing_alarms_are_the_fold_of_the_lane() {
    let dir = Dir::new();
    let run = open(&dir);
    for (rule, number, state) in [
        ("low", 1, "unacknowledged"),
        ("gas", 1, "unacknowledged"),
        ("low", 2, "acknowledged"),
        ("gas", 2, "returned"),
        ("gas", 3, "normal"),
    ] {
        run.journal.append(alarm(rule, number, state));
    }
    run.record(Entry::Audit {
        at: 1,
        by: "duty".to_owned(),
        action: "acknowledge".to_owned(),
        target: "low".to_owned(),
        detail: String::new(),
    })
    .await;
    let report = run.journal.verify_chain().await.expect("a walk");
    assert_eq!((report.entries, report.broken_at), (6, None));
    run.kill();
    let conn = rusqlite::Connection::open(dir.0.join("alarm.db")).expect("the file");
    let fold: Vec<AlarmEvent> = chain::fold(&conn).expect("a fold").into_iter().map(|(_, event)| event).collect();
    assert_eq!(fold, [event("low", 2, "acknowledged")]);
    let run = open(&dir);
    assert_eq!(run.standing, fold);
    run.kill();
    conn.execute("UPDATE entry SET body = replace(body, 'pressure is low', 'all is well') WHERE seq = 3", [])
        .expect("forged");
    drop(conn);
    // what was changed is not believed, and the chain says where it is missing; the alarm goes on as it stood, with its number
    let run = open(&dir);
    assert_eq!(run.cause, StartCause::Repair);
    assert_eq!(run.standing, fold);
    assert_eq!(run.journal.verify_chain().await.expect("a walk").broken_at, Some(4));
    let newest = run.journal.entries(Some(6), 3).await.expect("entries");
    assert_eq!(newest.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [5, 4, 2]);
    run.close();
}

#[tokio::test]
async fn history_is_bucketed_and_replay_is_in_order() {
    let dir = Dir::new();
    let run = open(&dir);
    let (a, b) = (run.point("a"), run.point("b"));
    let bad = Reading { quality: Quality::Bad(gengfu_core::quality::Reason::Comm), ..reading(a, 2500, 0.0) };
    run.commit(vec![reading(a, 1000, 3.0), reading(a, 1900, 1.0), reading(b, 1500, 99.0), bad]).await;
    run.commit(vec![reading(a, 1100, 5.0), reading(a, 4000, 7.0)]).await;
    let buckets = run.journal.history(a, 1000, 3999, 1000).await.expect("history");
    assert_eq!(buckets.len(), 2);
    let first = buckets[0];
    assert_eq!((first.at, first.count, first.bad), (1000, 3, 0));
    assert_eq!((first.min, first.max, first.mean, first.last), (Some(1.0), Some(5.0), Some(3.0), Some(1.0)));
    assert_eq!((buckets[1].at, buckets[1].count, buckets[1].bad, buckets[1].last), (2000, 0, 1, None));
    let mut seqs = Vec::new();
    run.journal.replay(0, &mut |record, _| seqs.push(record.seq)).expect("a replay");
    assert_eq!(seqs, [1, 2, 3, 4, 5, 6]);
    run.close();
}

/// A clock that was set back an hour makes no reading older than the one before it; history is known as such.
#[tokio::test]
async fn a_replay_is_in_order_of_arrival() {
    let dir = Dir::new();
    let run = open(&dir);
    let point = run.point("a");
    let batch = |value: f64, history| Batch { readings: vec![reading(point, 0, value)], history, ..Batch::default() };
    for n in 0..4 {
        run.journal.push(batch(f64::from(n), n == 1)).expect("room");
        run.commit(vec![]).await;
    }
    run.close();
    let conn = rusqlite::Connection::open(dir.0.join("telemetry.db")).expect("the file");
    for (seq, stamp) in [(1, 7_200_000), (2, 7_203_000), (3, 3_600_000), (4, 3_605_000)] {
        conn.execute("UPDATE batch SET stamp = ?2 WHERE first_seq = ?1", [seq, stamp]).expect("a stamp");
    }
    let run = open(&dir);
    let mut came = Vec::new();
    run.journal.replay(0, &mut |record, how| came.push((record.seq, how.at, how.delivery))).expect("a replay");
    // Each as early as its commit window allows: the readings' own stamps are of 1970.
    let (live, history) = (Delivery::Live, Delivery::History);
    let order = [(1, 3_595_000, live), (2, 3_595_000, history), (3, 3_598_000, live), (4, 3_598_000, live)];
    assert_eq!(came, order);
    run.close();
}

const LIMITS: retention::Limits = retention::Limits {
    ahead: i64::MAX,
    life_safety_before: i64::MIN,
    before: i64::MIN,
    bytes: 300 << 10,
    settled: 0,
    needed: i64::MIN,
    without_letters: 0,
    letters: i64::MIN,
    thin: i64::MIN,
    hard: i64::MIN,
};

#[tokio::test]
async fn retention_drops_the_oldest_and_the_ledger_says_what_was_owed() {
    let dir = Dir::new();
    let small = JournalConfig { max_size: 300 << 10, ..config(&dir) };
    let run = try_open(&small, &sinks()).expect("open");
    let point = run.point("a");
    for n in 0..60 {
        run.commit(readings(point, n * 1000, 1000)).await;
        if n == 2 {
            run.feed(Lane::Telemetry).settle(1, 1500, Outcome::Done).await.expect("settled");
        }
    }
    until("something expired", || run.balance(STORE, Lane::Telemetry).expired > 0).await;
    let journal = run.journal.clone();
    until("the file is small again", || {
        journal
            .inner
            .telemetry
            .core
            .readers
            .read(|conn| retention::select(conn, &LIMITS, &[]))
            .is_ok_and(|cut| cut.is_none())
    })
    .await;
    let balance = run.balance(STORE, Lane::Telemetry);
    assert_eq!((balance.committed, balance.delivered), (60_000, 1500));
    let all = run.all().await;
    assert_eq!(all.len() as u64, balance.pending, "what is owed is what is there");
    assert_eq!(run.feed(Lane::Telemetry).owed(), [(all[0].seq, 60_000)]);
    drop(journal);
    run.kill();
    let run = try_open(&small, &sinks()).expect("open");
    let again = run.balance(STORE, Lane::Telemetry);
    assert_eq!((again.committed, again.delivered, again.expired + again.pending), (60_000, 1500, 58_500));
    run.close();
}
