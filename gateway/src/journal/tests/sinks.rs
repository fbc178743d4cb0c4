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
