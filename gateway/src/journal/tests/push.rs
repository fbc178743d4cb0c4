//! Sinks: taps, feeds, delivery maps, the ledger.

use std::collections::BTreeSet;

use super::*;

async fn next(tap: &mut Tap) -> Tapped {
    tokio::time::timeout(DEADLINE, tap.next()).await.expect("in time").expect("open")
}

fn key(tapped: &Tapped) -> String {
    tapped.event.key()
}

#[tokio::test]
async fn a_tap_hands_out_each_transition_once_in_order_and_settles_the_rest_itself() {
    let dir = Dir::new();
    let run = open(&dir);
    let mut tap = run.journal.tap(DUTY).expect("declared");
    assert!(run.journal.tap("webhook/nobody").is_none());
    run.journal.append(alarm("a", 1, "unacknowledged"));
    run.journal.append(Entry::Start { at: 1, version: "1".to_owned(), cause: StartCause::FirstStart, off_ms: None });
    // A rule on trial calls nobody, by no channel.
    run.journal.append(Entry::Alarm(AlarmEvent { shadow: true, ..event("trial", 1, "unacknowledged") }));
    run.journal.append(alarm("b", 1, "unacknowledged"));
    for rule in ["a", "b"] {
        let tapped = next(&mut tap).await;
        assert_eq!((tapped.event.rule.as_str(), tapped.durable), (rule, true));
        assert!(tapped.committed.is_some());
        tap.settle(tapped.mark, Outcome::Done);
    }
    until("all settled", || run.balance(DUTY, Lane::Alarm).pending == 0).await;
    let balance = run.balance(DUTY, Lane::Alarm);
    assert_eq!((balance.committed, balance.delivered), (2, 2), "nobody was told of the start");
    assert_eq!(run.balance(STORE, Lane::Alarm).pending, 4, "another sink's map is its own");
    let nothing = tokio::time::timeout(Duration::from_millis(20), tap.next()).await;
    assert!(nothing.is_err(), "nothing twice");
    run.close();
    assert!(tap.next().await.is_none(), "closed");
}

#[tokio::test]
async fn what_was_not_settled_is_handed_out_after_a_restart_and_what_was_is_not() {
    let dir = Dir::new();
    let run = open(&dir);
    let mut tap = run.journal.tap(DUTY).expect("declared");
    for n in 1..=600 {
        run.journal.append(alarm("a", n, "unacknowledged"));
    }
    for n in 1..=600 {
        let tapped = next(&mut tap).await;
        assert_eq!(tapped.event.number, n);
        if n % 2 == 0 {
            tap.settle(tapped.mark, Outcome::Done);
        }
    }
    until("settled", || run.balance(DUTY, Lane::Alarm).delivered == 300).await;
    until("recorded", || lane::lock(&run.journal.inner.alarm.core.deliveries).due().is_none()).await;
    // One more commit is sure to come after the one that took the settlements.
    run.record(alarm("b", 1, "unacknowledged")).await;
    run.kill();
    let run = open(&dir);
    run.journal.append(alarm("c", 1, "unacknowledged"));
    let mut tap = run.journal.tap(DUTY).expect("declared");
    for n in (1..=600).step_by(2) {
        let tapped = next(&mut tap).await;
        assert_eq!((tapped.event.number, tapped.durable), (n, true));
        tap.settle(tapped.mark, Outcome::Dead("gone".to_owned()));
    }
    assert_eq!(next(&mut tap).await.event.rule, "b");
    assert_eq!(next(&mut tap).await.event.rule, "c");
    until("dead letters", || run.balance(DUTY, Lane::Alarm).dead == 300).await;
    run.close();
}

#[tokio::test]
async fn a_slow_tap_reads_what_the_ring_no_longer_holds() {
    let dir = Dir::new();
    let run = open(&dir);
    let mut tap = run.journal.tap(DUTY).expect("declared");
    let mut last = Ticket(0);
    for n in 1..=1500 {
        last = run.journal.append(alarm("a", n, "unacknowledged"));
    }
    assert!(run.journal.committed(last, DEADLINE).await);
    let mut seen = BTreeSet::new();
    for n in 1..=1500 {
        let tapped = next(&mut tap).await;
        assert_eq!(tapped.event.number, n);
        assert!(seen.insert(key(&tapped)));
        tap.settle(tapped.mark, Outcome::Done);
    }
    until("settled", || run.balance(DUTY, Lane::Alarm).pending == 0).await;
    run.close();
}

#[tokio::test]
async fn a_feed_is_owed_what_is_not_settled_also_after_a_kill() {
    let dir = Dir::new();
    let run = open(&dir);
    let point = run.point("a");
    let mut feed = run.feed(Lane::Telemetry);
    run.commit(readings(point, 0, 1000)).await;
    tokio::time::timeout(DEADLINE, feed.beyond(999)).await.expect("a head");
    assert_eq!(feed.owed(), [(1, 1000)]);
    feed.settle(901, 1000, Outcome::Done).await.expect("settled");
    feed.settle(1, 50, Outcome::Dead("400".to_owned())).await.expect("settled");
    feed.settle(40, 60, Outcome::Done).await.expect("settled");
    assert_eq!(feed.owed(), [(61, 900)]);
    drop(feed);
    run.kill();
    let run = open(&dir);
    let feed = run.feed(Lane::Telemetry);
    assert_eq!(feed.owed(), [(61, 900)], "a settlement that resolved was on disk");
    let balance = run.balance(STORE, Lane::Telemetry);
    assert_eq!((balance.delivered, balance.dead, balance.pending), (110, 50, 840));
    feed.settle(1, Seq::MAX, Outcome::Done).await.expect("settled");
    assert!(feed.owed().is_empty());
    assert_eq!(run.commit(readings(point, 2000, 1)).await.seq, 1001);
    assert_eq!(feed.owed(), [(1001, 1001)], "what was settled ahead of the head is owed all the same");
    run.close();
}

#[tokio::test]
async fn a_sink_is_owed_what_comes_after_it_was_added() {
    let dir = Dir::new();
    let run = open(&dir);
    let point = run.point("a");
    run.commit(readings(point, 0, 100)).await;
    run.close();
    let late = SinkSpec { name: "influxdb/late".to_owned(), lanes: &[Lane::Telemetry] };
    for _ in 0..2 {
        let run = try_open(&config(&dir), &[sinks()[0].clone(), late.clone()]).expect("open");
        assert_eq!(run.balance(STORE, Lane::Telemetry).committed, 100);
        assert_eq!(run.balance("influxdb/late", Lane::Telemetry).committed, 0);
        run.close();
    }
}

#[tokio::test]
async fn the_ledger_balances_under_random_operations_and_kills() {
    let dir = Dir::new();
    let mut run = open(&dir);
    let seed = 0x9e37_79b9_7f4a_7c15_u64;
    println!("seed {seed:#x}");
    let mut state = seed;
    let mut random = |n: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % n
    };
    let point = run.point("a");
    let (mut committed, mut settled, mut at) = (0, BTreeSet::new(), 0);
    for _ in 0..150 {
        match random(10) {
            0..4 => {
                let n = random(400) as i64 + 1;
                committed = run.commit(readings(point, at, n)).await.seq;
                at += n;
            }
            4..9 => {
                let from = random(committed + 1) + 1;
                let to = from + random(300);
                let outcome = if random(5) == 0 { Outcome::Dead(format!("code {}", random(3))) } else { Outcome::Done };
                run.feed(Lane::Telemetry).settle(from, to, outcome).await.expect("settled");
                settled.extend(from..=to.min(committed));
            }
            _ => {
                run.kill();
                run = open(&dir);
            }
        }
        let balance = run.balance(STORE, Lane::Telemetry);
        assert_eq!(balance.committed, committed);
        assert_eq!(balance.delivered + balance.dead, settled.len() as u64);
        let owed: Vec<Seq> = run.feed(Lane::Telemetry).owed().into_iter().flat_map(|(a, b)| a..=b).collect();
        assert!(owed.iter().all(|seq| !settled.contains(seq)));
        assert_eq!(owed.len() as u64, balance.pending);
    }
    run.close();
}

#[tokio::test]
async fn a_second_tap_goes_on_where_the_first_was() {
    let dir = Dir::new();
    let run = open(&dir);
    let mut tap = run.journal.tap(DUTY).expect("declared");
    for rule in ["a", "b", "c"] {
        run.record(alarm(rule, 1, "unacknowledged")).await;
    }
    let (a, b) = (next(&mut tap).await, next(&mut tap).await);
    tap.settle(a.mark, Outcome::Done);
    until("settled", || run.balance(DUTY, Lane::Alarm).delivered == 1).await;
    drop(tap);
    let mut tap = run.journal.tap(DUTY).expect("declared");
    let again = [next(&mut tap).await, next(&mut tap).await];
    assert_eq!(again.map(|tapped| tapped.event.rule), [b.event.rule, "c".to_owned()]);
    run.close();
}

/// The lane's file out of reach of every new reader, as on a disk that is gone; the writer has it open and goes on.
struct Unreadable<'d>(&'d Dir);

impl<'d> Unreadable<'d> {
    fn new(dir: &'d Dir) -> Self {
        std::fs::rename(dir.0.join("alarm.db"), dir.0.join("away")).expect("the lane's file");
        Self(dir)
    }
}

impl Drop for Unreadable<'_> {
    fn drop(&mut self) {
        std::fs::rename(self.0.0.join("away"), self.0.0.join("alarm.db")).expect("the lane's file");
    }
}

/// A run that was killed with these transitions owed to the duty room.
async fn owed(dir: &Dir, transitions: &[(&str, u32)]) {
    let run = open(dir);
    for (rule, number) in transitions {
        run.record(alarm(rule, *number, "unacknowledged")).await;
    }
    run.kill();
}

#[tokio::test]
async fn what_earlier_runs_owe_goes_first_even_if_the_disk_can_be_read_no_more() {
    let dir = Dir::new();
    let numbers: Vec<(&str, u32)> = (1..=600).map(|number| ("a", number)).collect();
    owed(&dir, &numbers).await;
    let run = open(&dir);
    let gone = Unreadable::new(&dir);
    run.journal.append(alarm("a", 601, "acknowledged"));
    let mut tap = run.journal.tap(DUTY).expect("declared");
    for number in 1..=601 {
        let tapped = next(&mut tap).await;
        assert_eq!((tapped.event.number, tapped.passed_by), (number, None));
        tap.settle(tapped.mark, Outcome::Done);
    }
    until("settled", || run.balance(DUTY, Lane::Alarm).pending == 0).await;
    drop(gone);
    run.close();
}

#[tokio::test]
async fn what_could_not_be_read_in_time_is_handed_out_once_and_says_what_passed_it() {
    let dir = Dir::new();
    owed(&dir, &[("a", 1), ("a", 2), ("b", 1)]).await;
    let run = open(&dir);
    // The task behind it panicked: the second one must read the lane.
    drop(run.journal.tap(DUTY).expect("declared"));
    let gone = Unreadable::new(&dir);
    run.journal.append(alarm("a", 3, "acknowledged"));
    run.journal.append(alarm("a", 4, "returned"));
    run.journal.append(alarm("c", 1, "unacknowledged"));
    let mut tap = run.journal.tap(DUTY).expect("declared");
    let begun = run.journal.inner.clock.mono();
    let mut seen = Vec::new();
    for _ in 0..3 {
        let tapped = next(&mut tap).await;
        seen.push((key(&tapped), tapped.passed_by));
        tap.settle(tapped.mark, Outcome::Done);
    }
    let waited = run.journal.inner.clock.mono().since(begun);
    assert!(
        (ring::PATIENCE..5_000).contains(&waited),
        "new ones wait for the old ones, but not for a sick disk: {waited} ms"
    );
    drop(gone);
    for _ in 0..3 {
        let tapped = next(&mut tap).await;
        seen.push((key(&tapped), tapped.passed_by));
        tap.settle(tapped.mark, Outcome::Done);
    }
    let name = |rule: &str, number: u32| format!("{rule:0>16}.{number}");
    let expected =
        [("a", 3, None), ("a", 4, None), ("c", 1, None), ("a", 1, Some(3)), ("a", 2, Some(3)), ("b", 1, None)];
    assert_eq!(seen, expected.map(|(rule, number, passed)| (name(rule, number), passed)), "each once, none lost");
    until("settled", || run.balance(DUTY, Lane::Alarm).pending == 0).await;
    run.close();
}

#[tokio::test]
async fn what_was_left_of_one_alarm_is_read_from_the_disk_or_from_memory() {
    let dir = Dir::new();
    let run = open(&dir);
    let mut tap = run.journal.tap(DUTY).expect("declared");
    // more than the ring keeps, two alarms by turns
    for number in 1..=300 {
        run.journal.append(alarm("a", number, "unacknowledged"));
        run.journal.append(alarm("b", number, "unacknowledged"));
    }
    run.record(alarm("a", 301, "unacknowledged")).await;
    let mut seqs = Vec::new();
    for _ in 0..601 {
        let tapped = next(&mut tap).await;
        if tapped.event.rule == "a" {
            seqs.push(tapped.mark.seq());
        }
        if tapped.event.rule == "b" || tapped.event.number == 3 {
            tap.settle(tapped.mark, Outcome::Done);
        }
    }
    let (last, id) = (seqs[300], format!("{:0>16}", "a"));
    let numbers = |found: &Found| found.tapped.iter().map(|tapped| tapped.event.number).collect::<Vec<_>>();
    let found = tap.look_back(id.clone(), (seqs[1], last), 4).await;
    assert_eq!((numbers(&found), found.next, found.whole), (vec![2, 4, 5], seqs[4] + 1, true), "the third is settled");
    let found = tap.look_back(id.clone(), (seqs[298], last), 4).await;
    assert_eq!((numbers(&found), found.next), (vec![299, 300, 301], last + 1));
    assert!(found.tapped.iter().all(|tapped| tapped.durable && tapped.passed_by.is_none()));

    run.close();
    let run = open(&dir);
    let gone = Unreadable::new(&dir);
    let tap = run.journal.tap(DUTY).expect("declared");
    run.journal.append(alarm("a", 302, "unacknowledged"));
    let found = tap.look_back(id.clone(), (seqs[1], last + 2), 4).await;
    assert_eq!((found.next, found.whole), (seqs[1], false), "the disk gives nothing");
    assert!(numbers(&found).iter().all(|number| *number == 302), "memory what it has");
    drop(gone);
    let found = tap.look_back(id, (seqs[1], last), 1).await;
    assert_eq!((numbers(&found), found.whole), (vec![2], true));
    run.close();
}
