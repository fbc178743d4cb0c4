//! A disk that is full, hangs, or is held by somebody else.

use futures_util::FutureExt;

use super::*;
use crate::telemetry::RefusedReason;

impl Run {
    fn core(&self, lane: Lane) -> &LaneCore {
        self.journal.inner.core(lane)
    }

    fn fill_disk(&self, lane: Lane, full: bool) {
        self.core(lane).faults.pages.store(u64::from(full), Ordering::Relaxed);
    }
}

#[tokio::test]
async fn a_full_disk_holds_readings_back_and_loses_none() {
    let dir = Dir::new();
    let run = open(&dir);
    let point = run.point("a");
    run.commit(readings(point, 0, 10)).await;
    run.fill_disk(Lane::Telemetry, true);
    let mark = Arc::new(watch::Sender::new(0));
    let push = |from: &mut i64, token: Option<u64>| {
        let receipt = token.map(|token| Receipt { mark: Arc::clone(&mark), token });
        let pushed = run.journal.push(Batch { readings: readings(point, *from, 500), receipt, ..Batch::default() });
        pushed.map(|()| *from += 500).map_err(|back| back.readings.len())
    };
    let mut pushed = 10;
    assert_eq!(push(&mut pushed, Some(1)), Ok(()));
    // Until the queue is full, as the driver would find it.
    while push(&mut pushed, None).is_ok() {
        assert!(pushed < 2 * queue::QUEUE_READINGS as i64, "the queue has a bound");
    }
    assert_eq!(push(&mut pushed, None), Err(500), "the batch comes back whole");
    run.stats.refuse(RefusedReason::JournalFull, 500);
    assert_eq!(push(&mut pushed, Some(2)), Ok(()), "what is owed an acknowledgement always has room");
    let journal = run.journal.clone();
    until("health says so", || journal.health().telemetry_error.is_some()).await;
    let error = run.journal.health().telemetry_error.expect("an error");
    assert!(error.contains("full"), "{error}");
    assert_eq!(*mark.borrow(), 0, "nothing is acknowledged that is not synced");
    assert!(run.journal.health().queued as i64 >= pushed - 10);
    let progress = run.journal.health().telemetry_progress;
    until("retrying is progress", || journal.health().telemetry_progress > progress).await;
    run.record(alarm("a", 1, "unacknowledged")).await;
    run.fill_disk(Lane::Telemetry, false);
    until("all acknowledged", || *mark.borrow() == 2).await;
    assert_eq!(run.journal.health().telemetry_error, None);
    let values: Vec<f64> = run.all().await.iter().map(|record| record.value).collect();
    let expect: Vec<f64> = (0..pushed).map(|n| n as f64 / 3.0).collect();
    assert_eq!(values, expect);
    assert_eq!(run.stats.committed.get() as i64, pushed);
    run.close();
}

#[tokio::test]
async fn an_alarm_is_pushed_while_the_disk_hangs_and_is_in_the_lane_afterwards() {
    let dir = Dir::new();
    let run = open(&dir);
    let mut tap = run.journal.tap(DUTY).expect("declared");
    run.record(Entry::Stop { at: 0 }).await;
    let begun = run.journal.inner.clock.mono();
    let journal = run.journal.clone();
    let ticket;
    {
        let hang = lane::lock(&run.core(Lane::Alarm).faults.hang);
        ticket = run.journal.append(alarm("a", 1, "unacknowledged"));
        let mut later = Ticket(0);
        for n in 2..50 {
            later = run.journal.append(alarm("a", n, "acknowledged"));
        }
        assert!(later > ticket);
        // The lock of a std mutex may not be held over an await: the rest runs on its own thread's runtime.
        std::thread::scope(|scope| {
            let task = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                runtime.block_on(async {
                    for n in 1..50 {
                        let tapped = tokio::time::timeout(DEADLINE, tap.next()).await.expect("in time").expect("open");
                        assert_eq!((tapped.event.number, tapped.durable, tapped.committed), (n, false, None));
                        tap.settle(tapped.mark, Outcome::Done);
                    }
                    assert!(!journal.committed(ticket, Duration::from_millis(10)).await);
                });
            });
            task.join().expect("the pushes");
        });
        let took = run.journal.inner.clock.mono().since(begun);
        assert!(took < 5000, "a hung disk held up the pushes for {took} ms");
        assert_eq!(run.journal.health().ring, 49);
        let balance = run.balance(DUTY, Lane::Alarm);
        assert_eq!((balance.committed, balance.delivered), (0, 0), "what is on disk is not for it");
        drop(hang);
    }
    assert!(run.journal.committed(ticket, DEADLINE).await);
    until("settled", || run.balance(DUTY, Lane::Alarm).delivered == 49).await;
    let entries = run.journal.entries(None, 100).await.expect("entries");
    assert_eq!(entries.len(), 50);
    assert!(matches!(&entries[48].1, Entry::Alarm(event) if event == &super::event("a", 1, "unacknowledged")));
    assert_eq!(run.journal.verify_chain().await.expect("a walk").broken_at, None);
    run.close();
}

#[tokio::test]
async fn the_watchdog_sees_a_hanging_writer_and_not_an_idle_one() {
    let dir = Dir::new();
    let run = open(&dir);
    let progress = |lane: Lane| run.core(lane).progress();
    for lane in [Lane::Alarm, Lane::Telemetry] {
        let before = progress(lane);
        until("an idle writer moves", || progress(lane) > before + 500).await;
    }
    let hang = lane::lock(&run.core(Lane::Alarm).faults.hang);
    run.journal.append(Entry::Stop { at: 0 });
    let clock = &run.journal.inner.clock;
    let begun = clock.mono();
    let hold = |ms| {
        while clock.mono().since(begun) < ms {
            std::thread::park_timeout(Duration::from_millis(10));
        }
    };
    hold(1500);
    assert!(progress(Lane::Alarm) < begun.0 + 1000, "a hanging writer stands still");
    assert!(!run.journal.sick(), "a disk may take its time");
    hold(STALLED + 1000);
    assert!(run.journal.sick());
    drop(hang);
    let journal = run.journal.clone();
    until("well again", || !journal.sick()).await;
    run.close();
}

#[tokio::test]
async fn a_file_held_by_another_program_is_waited_for() {
    let dir = Dir::new();
    let run = open(&dir);
    let point = run.point("a");
    run.commit(readings(point, 0, 1)).await;
    let other = rusqlite::Connection::open(dir.0.join("telemetry.db")).expect("the file");
    other.execute_batch("BEGIN IMMEDIATE").expect("held");
    run.journal.push(Batch { readings: readings(point, 1, 2000), ..Batch::default() }).expect("room");
    let journal = run.journal.clone();
    until("health says so", || journal.health().telemetry_error.is_some_and(|error| error.contains("locked"))).await;
    other.execute_batch("ROLLBACK").expect("released");
    until("written", || journal.head(Lane::Telemetry).borrow().seq == 2001).await;
    run.close();
}

#[tokio::test]
async fn a_stop_on_a_sick_disk_ends_in_time_and_says_so() {
    let dir = Dir::new();
    let run = open(&dir);
    run.fill_disk(Lane::Telemetry, true);
    let point = run.point("a");
    run.journal.push(Batch { readings: readings(point, 0, 3000), ..Batch::default() }).expect("room");
    assert!(!run.writers.close(Duration::from_secs(2)));
    drop(run.journal);
    let run = open(&dir);
    assert_eq!(run.cause, StartCause::UncleanStop, "the readings that were lost are told");
    run.close();
}

#[tokio::test]
async fn a_start_without_room_for_the_index_of_the_wal_keeps_it_in_memory() {
    let dir = Dir::new();
    let run = open(&dir);
    let point = run.point("a");
    run.commit(readings(point, 0, 10)).await;
    run.record(alarm("low", 1, "unacknowledged")).await;
    run.close();
    for name in ["alarm.db-shm", "telemetry.db-shm"] {
        // SQLite follows no link there.
        std::os::unix::fs::symlink("/nowhere", dir.0.join(name)).expect("in the way of the index");
    }
    let run = open(&dir);
    assert_eq!((run.cause, run.standing.len()), (StartCause::CleanStop, 1), "nothing was set aside");
    run.commit(readings(point, 10, 10)).await;
    run.record(alarm("low", 2, "normal")).await;
    assert_eq!(run.all().await.len(), 20, "readers share what the writer keeps");
    run.close();
    for name in ["alarm.db-shm", "telemetry.db-shm"] {
        std::fs::remove_file(dir.0.join(name)).expect("out of the way");
    }
    let run = open(&dir);
    assert_eq!((run.cause, run.all().await.len()), (StartCause::CleanStop, 20));
    run.close();
}

#[tokio::test]
async fn a_redrive_that_nobody_waits_for_any_more_is_under_way_in_both_lanes() {
    let dir = Dir::new();
    let run = open(&dir);
    run.commit(readings(run.point("a"), 0, 5)).await;
    run.record(alarm("a", 1, "unacknowledged")).await;
    let lanes = [Lane::Alarm, Lane::Telemetry];
    for lane in lanes {
        let (feed, head) = (run.feed(lane), run.journal.head(lane).borrow().seq);
        feed.settle(1, head, Outcome::Dead("400".to_owned())).await.expect("settled");
        run.fill_disk(lane, true);
    }
    // Asked once and dropped.
    let _ = run.journal.redrive(STORE, None, 0, Seq::MAX - 1).now_or_never();
    assert_eq!(run.journal.dead_letters(), [], "both lanes are asked before either is waited for");
    for lane in lanes {
        run.fill_disk(lane, false);
    }
    for lane in lanes {
        until("owed again", || !run.feed(lane).owed().is_empty()).await;
    }
    run.close();
}
