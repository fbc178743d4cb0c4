//! Sinks that come and go while the journal is open.

use super::*;

const NEW: &str = "influxdb/second";

fn second() -> SinkSpec {
    SinkSpec { name: NEW.to_owned(), lanes: &[Lane::Alarm, Lane::Telemetry] }
}

#[tokio::test]
async fn a_new_sink_is_owed_what_comes_and_one_that_comes_back_what_it_missed() {
    let dir = Dir::new();
    let run = open(&dir);
    let point = run.point("a");
    run.commit(readings(point, 0, 100)).await;
    run.journal.add_sink(&second()).await.expect("added");
    let balance = |run: &Run| {
        let SinkBalance { committed, pending, .. } = run.balance(NEW, Lane::Telemetry);
        (committed, pending)
    };
    assert_eq!(balance(&run), (0, 0), "it begins at the head");
    run.commit(readings(point, 100, 50)).await;
    let feed = run.journal.feed(NEW, Lane::Telemetry).expect("declared");
    assert_eq!(feed.owed(), [(101, 150)]);
    feed.settle(101, 120, Outcome::Done).await.expect("settled");
    drop(feed);

    run.journal.remove_sink(&second());
    assert!(run.journal.ledger().iter().all(|balance| balance.sink != NEW), "it counts no more");
    assert!(run.journal.feed(NEW, Lane::Telemetry).is_none());
    run.commit(readings(point, 200, 50)).await;
    run.journal.add_sink(&second()).await.expect("back");
    assert_eq!(balance(&run), (100, 80), "as if it had been away for a run");
    run.journal.remove_sink(&second());
    run.close();

    // Away for a whole run, and back in the next while that runs.
    let run = open(&dir);
    run.commit(readings(point, 300, 50)).await;
    run.journal.add_sink(&second()).await.expect("back");
    assert_eq!(balance(&run), (150, 130));
    assert_eq!(run.journal.feed(NEW, Lane::Telemetry).expect("declared").owed(), [(121, 250)]);
    run.close();
}

#[tokio::test]
async fn a_push_channel_that_is_added_gets_what_comes_and_one_that_left_keeps_no_room() {
    let dir = Dir::new();
    let run = open(&dir);
    run.record(alarm("1", 1, "unacknowledged")).await;
    let spec = SinkSpec { name: "webhook/night".to_owned(), lanes: &[Lane::Alarm] };
    run.journal.add_sink(&spec).await.expect("added");
    let mut tap = run.journal.tap(&spec.name).expect("declared");
    run.record(alarm("2", 1, "unacknowledged")).await;
    let tapped = tokio::time::timeout(DEADLINE, tap.next()).await.expect("in time").expect("open");
    assert_eq!((tapped.event.rule.as_str(), tapped.durable), ("2", true));
    tap.settle(tapped.mark, Outcome::Done);
    drop(tap);
    run.journal.remove_sink(&spec);
    assert!(run.journal.tap(&spec.name).is_none());
    run.close();
    let run = open(&dir);
    assert!(run.journal.ledger().iter().all(|balance| balance.sink != spec.name));
    run.close();
}

#[tokio::test]
async fn dead_letters_of_one_that_left_are_nobodys_and_its_own_again_when_it_is_back() {
    let dir = Dir::new();
    let run = open(&dir);
    run.journal.add_sink(&second()).await.expect("added");
    run.commit(readings(run.point("a"), 0, 100)).await;
    let feed = run.journal.feed(NEW, Lane::Telemetry).expect("declared");
    feed.settle(1, 90, Outcome::Done).await.expect("settled");
    feed.settle(91, 100, Outcome::Dead("400".to_owned())).await.expect("settled");
    run.feed(Lane::Telemetry).settle(1, 100, Outcome::Done).await.expect("settled");
    // What retention may drop, and what it keeps for a redrive.
    let held = |run: &Run| {
        let core = run.journal.inner.core(Lane::Telemetry);
        let deliveries = crate::journal::lane::lock(&core.deliveries);
        (deliveries.settled(core.head().seq), deliveries.without_letters())
    };
    let dead = |run: &Run| run.journal.dead_letters().iter().map(|letters| letters.count).sum::<u64>();
    assert_eq!((held(&run), dead(&run)), ((100, 90), 10));
    drop(feed);
    run.commit(readings(run.point("a"), 200, 50)).await;
    run.feed(Lane::Telemetry).settle(101, 150, Outcome::Done).await.expect("settled");
    assert_eq!(held(&run).0, 100, "the other waits for it");
    run.journal.remove_sink(&second());
    assert_eq!((held(&run), dead(&run)), ((150, Seq::MAX), 0), "nothing is held for one that is gone");
    assert_eq!(run.journal.redrive(NEW, None, 0, Seq::MAX - 1).await, Redrive::NoSuchSink);
    run.journal.add_sink(&second()).await.expect("back");
    assert_eq!((held(&run), dead(&run)), ((100, 90), 10));
    let done = run.journal.redrive(NEW, Some(Lane::Telemetry), 0, Seq::MAX - 1).await;
    assert!(matches!(&done, Redrive::Done(parts) if parts.iter().map(|part| part.owed).sum::<u64>() == 10), "{done:?}");
    assert_eq!(run.journal.feed(NEW, Lane::Telemetry).expect("declared").owed(), [(91, 150)]);
    run.close();
}

#[tokio::test]
async fn a_start_knows_what_one_that_left_has_had() {
    let dir = Dir::new();
    let run = open(&dir);
    run.journal.add_sink(&second()).await.expect("added");
    run.commit(readings(run.point("a"), 0, 100)).await;
    let feed = run.journal.feed(NEW, Lane::Telemetry).expect("declared");
    feed.settle(1, 40, Outcome::Done).await.expect("settled");
    drop(feed);
    run.journal.remove_sink(&second());
    run.close();
    let run = open(&dir);
    assert!(run.journal.feed(NEW, Lane::Telemetry).is_none(), "nobody is asked for it");
    {
        let mut deliveries = crate::journal::lane::lock(&run.journal.inner.core(Lane::Telemetry).deliveries);
        assert!(deliveries.retire(NEW, true), "thinning asks it who knows which numbers");
    }
    run.journal.add_sink(&second()).await.expect("back");
    assert_eq!(run.journal.feed(NEW, Lane::Telemetry).expect("declared").owed(), [(41, 100)]);
    run.close();
}

#[tokio::test]
async fn one_that_comes_back_is_not_owed_what_is_gone_from_the_middle() {
    let dir = Dir::new();
    let run = open(&dir);
    run.journal.add_sink(&second()).await.expect("added");
    for n in 0..3 {
        run.commit(readings(run.point("a"), n * 50, 50)).await;
    }
    run.journal.remove_sink(&second());
    run.close();
    let conn = crate::journal::schema::writer(&dir.0.join("telemetry.db")).expect("the file");
    conn.execute_batch("DELETE FROM batch WHERE first_seq = 51; UPDATE batch SET tier = 3 WHERE first_seq = 101")
        .expect("as thinning would");
    drop(conn);
    let run = open(&dir);
    run.journal.add_sink(&second()).await.expect("back");
    assert_eq!(run.journal.feed(NEW, Lane::Telemetry).expect("declared").owed(), [(1, 50), (101, 150)]);
    assert_eq!(run.balance(NEW, Lane::Telemetry).expired, 50);
    run.close();
}

#[tokio::test]
async fn a_backup_knows_what_one_that_left_was_owed_and_the_numbers_left_out_are_not() {
    let (dir, place, new) = (Dir::new(), Dir::new(), Dir::new());
    let run = open(&dir);
    run.journal.add_sink(&second()).await.expect("added");
    run.commit(readings(run.point("a"), 0, 100)).await;
    let feed = run.journal.feed(NEW, Lane::Telemetry).expect("declared");
    feed.settle(1, 40, Outcome::Done).await.expect("settled");
    drop(feed);
    run.journal.remove_sink(&second());
    let to = place.0.join("copy");
    backup(&dir.0, &to, "mall", || 1, &mut |_| ()).expect("a copy");
    run.close();
    restore(&to, &new.0, "mall").expect("restored");

    let run = open(&new);
    assert_eq!(run.cause, StartCause::Restored);
    assert!(run.journal.ledger().iter().all(|balance| balance.sink != NEW), "no sink of the configuration");
    let first = 101 + restore::SKIP;
    run.commit(readings(run.point("a"), 200, 10)).await;
    run.journal.add_sink(&second()).await.expect("back");
    assert_eq!(run.journal.feed(NEW, Lane::Telemetry).expect("declared").owed(), [(41, 100), (first, first + 9)]);
    let SinkBalance { committed, delivered, pending, .. } = run.balance(NEW, Lane::Telemetry);
    assert_eq!((committed, delivered, pending), (110, 40, 70));
    // One that was never seen is owed nothing of the past, here as anywhere.
    let third = SinkSpec { name: "mqtt/third".to_owned(), lanes: &[Lane::Alarm, Lane::Telemetry] };
    run.journal.add_sink(&third).await.expect("added");
    assert_eq!(run.balance(&third.name, Lane::Telemetry).committed, 0);
    run.close();
    let all: Vec<SinkSpec> = sinks().into_iter().chain([second(), third.clone()]).collect();
    let run = try_open(&config(&new), &all).expect("it opens");
    assert_eq!(run.journal.feed(NEW, Lane::Telemetry).expect("declared").owed(), [(41, 100), (first, first + 9)]);
    assert_eq!(run.balance(&third.name, Lane::Telemetry).committed, 0);
    run.close();
}
