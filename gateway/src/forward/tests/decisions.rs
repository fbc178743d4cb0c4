//! What is sent when, and what becomes of it: without a wire.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::forward::alarms::{unsent, without};
use crate::forward::batch::{Job, Stopped, UNREADABLE};
use crate::forward::delivery::{BACKLOG_BATCH, Delivery, LIVE_BATCH, LIVE_LAG, MAX_RANGES};
use crate::forward::line::encode;
use crate::forward::memory::Memory;
use crate::forward::names::Names;
use crate::forward::settle_all;
use crate::forward::store::Answer;
use crate::scripted::DEADLINE;

fn job(from: Seq, seqs: &[Seq]) -> Job {
    let catalog = catalog(8);
    let mut names = Names::new("mall");
    names.refresh(&catalog);
    let record = |seq: &Seq| Record {
        seq: *seq,
        point: PointId((*seq % 4) as u32),
        at_ns: (*seq / 4) as i64,
        value: *seq as f64,
        quality: Quality::Good,
    };
    let records: Vec<_> = seqs.iter().map(record).collect();
    let mut memory = Memory::default();
    memory.learn(1, &[]);
    Job::new(from, encode(&names, &mut memory, &records), None)
}

/// The values in a body: each record's is its number.
fn values(body: &[u8]) -> Vec<Seq> {
    let text = std::str::from_utf8(body).unwrap();
    let fields = super::lines::parse(text).into_iter().flat_map(|line| line.fields);
    let number = |(_, value)| match value {
        super::lines::Field::Float(value) => value as Seq,
        other @ (super::lines::Field::Int(_) | super::lines::Field::Text(_)) => panic!("{other:?}"),
    };
    fields.map(number).collect()
}

#[test]
fn numbers_without_a_record_go_with_the_record_behind_them() {
    let mut job = job(3, &[5, 6, 9]);
    assert_eq!(values(&job.next().unwrap()), [5, 6, 9]);
    job.answer(Answer::Accepted, 0).unwrap();
    assert!(job.next().is_none());
    assert_eq!(job.settlements(), [(3, 9, Outcome::Done)]);
    assert!(job.settlements().is_empty());
}

#[test]
fn entries_that_are_not_for_a_store_and_those_that_cannot_be_read_are_not_counted_as_delivered() {
    let (done, not, lost) = (Outcome::Done, Outcome::NotForIt, Outcome::Dead(UNREADABLE.to_owned()));
    let entries: Vec<(Seq, Entry)> = [
        (4, Entry::Stop { at: 0 }),
        (5, Entry::Stop { at: 0 }),
        (6, Entry::Alarm(event("a", 1, "a"))),
        (8, Entry::Stop { at: 0 }),
        (9, Entry::Alarm(event("b", 1, "b"))),
        (10, Entry::Alarm(event("c", 1, "c"))),
    ]
    .into();
    let runs = unsent((3, 12), &entries);
    assert_eq!(
        runs,
        [(3, 3, lost.clone()), (4, 5, not.clone()), (7, 7, lost.clone()), (8, 8, not.clone()), (11, 12, lost.clone())]
    );
    assert_eq!(unsent((3, 9), &[]), [(3, 9, lost.clone())]);
    assert_eq!(
        without(&runs, (6, 10, done.clone())),
        [(6, 6, done.clone()), (7, 7, lost), (8, 8, not), (9, 10, done.clone())]
    );
    assert_eq!(without(&[], (3, 9, done.clone())), [(3, 9, done)]);
    let dead = (9, 9, Outcome::Dead("400".to_owned()));
    assert_eq!(without(&runs, dead.clone()), [dead]);
}

#[test]
fn a_store_that_goes_away_in_the_middle_keeps_what_it_took() {
    let mut job = job(1, &[1, 2, 3, 4]);
    job.next().unwrap();
    job.answer(Answer::TooLarge("413".to_owned()), 0).unwrap();
    assert_eq!(values(&job.next().unwrap()), [1, 2]);
    job.answer(Answer::Accepted, 0).unwrap();
    assert_eq!(values(&job.next().unwrap()), [3, 4]);
    assert_eq!(job.answer(Answer::Retry("503".to_owned()), 0), Err(Stopped::Retry("503".to_owned())));
    assert_eq!(job.settlements(), [(1, 2, Outcome::Done)]);
    assert_eq!(job.shrink(), Some(2));
    assert_eq!(values(&job.next().unwrap()), [3, 4], "the rest is sent again");
}

proptest! {
    #[test]
    fn bisecting_finds_exactly_the_bad_ones(size in 1..200_u64, bad in proptest::collection::btree_set(1..200_u64, 0..12)) {
        let seqs: Vec<_> = (1..=size).collect();
        let bad: Vec<_> = bad.into_iter().filter(|seq| *seq <= size).collect();
        let mut job = job(1, &seqs);
        let mut requests = 0;
        let store = |seqs: &[Seq]| {
            if seqs.iter().any(|seq| bad.contains(seq)) { Answer::Refused("400: no".to_owned()) } else { Answer::Accepted }
        };
        // It takes what others send, so those that it refused are bad even if there is nothing else.
        for taken in 0..2 {
            let (bodies, _) = show(&mut job, taken, store);
            requests += bodies;
        }
        let settled = job.settlements();
        let dead: Vec<_> = settled.iter().filter(|s| s.2 != Outcome::Done).flat_map(|s| s.0..=s.1).collect();
        prop_assert_eq!(dead, &bad[..]);
        let mut next = 1;
        for (from, to, _) in settled {
            prop_assert_eq!(from, next);
            next = to + 1;
        }
        prop_assert_eq!(next, size + 1);
        prop_assert!(requests <= 1 + 2 * 8 * bad.len(), "{} requests for {} bad ones", requests, bad.len());
    }
}

/// Shows a job to a store until it stops; says how many bodies that took.
fn show(job: &mut Job, taken: u64, store: impl Fn(&[Seq]) -> Answer) -> (usize, Result<(), Stopped>) {
    let mut bodies = 0;
    loop {
        while let Some(body) = job.next() {
            bodies += 1;
            if let Err(stopped) = job.answer(store(&values(&body)), taken) {
                return (bodies, Err(stopped));
            }
        }
        match job.end(taken) {
            Ok(true) => return (bodies, Ok(())),
            Ok(false) => {}
            Err(stopped) => return (bodies, Err(stopped)),
        }
    }
}

fn refuses_all(_: &[Seq]) -> Answer {
    Answer::Refused("400: {\"error\":\"no\"}".to_owned())
}

fn is_dead(settled: &[(Seq, Seq, Outcome)]) -> Vec<(Seq, Seq)> {
    settled.iter().filter(|s| s.2 != Outcome::Done).map(|s| (s.0, s.1)).collect()
}

#[test]
fn a_store_that_refuses_everything_alike_is_held_and_nothing_is_given_up() {
    let seqs: Vec<_> = (1..=500).collect();
    let mut job = job(1, &seqs);
    for round in 0..200 {
        let (bodies, stopped) = show(&mut job, 7, refuses_all);
        // First it may be these records alone; then it is the store.
        let Err(Stopped::Doubt(why) | Stopped::Hold(why)) = &stopped else { panic!("round {round}: {stopped:?}") };
        assert_eq!(matches!(stopped, Err(Stopped::Doubt(_))), round == 0, "round {round}");
        assert!(why.contains("400") && why.contains("check url"), "{why}");
        assert!(bodies <= 48, "{bodies} bodies before it is left in peace");
        assert!(job.settlements().is_empty(), "round {round}");
    }
    assert_eq!(show(&mut job, 7, |_| Answer::Accepted).1, Ok(()));
    assert_eq!(is_dead(&job.settlements()), [], "what was refused is sent again once the store is well");
}

#[test]
fn what_a_store_takes_elsewhere_or_afterwards_proves_the_refused_ones_bad() {
    let seqs: Vec<_> = (1..=40).collect();
    let bad_until_thirty =
        |seqs: &[Seq]| if seqs.iter().any(|s| *s <= 30) { refuses_all(seqs) } else { Answer::Accepted };
    let mut first = job(1, &seqs);
    let (_, stopped) = show(&mut first, 0, bad_until_thirty);
    assert!(stopped.is_err() && first.settlements().is_empty(), "thirty in a row: it may be the store");
    assert_eq!(show(&mut first, 0, bad_until_thirty).1, Ok(()));
    assert_eq!(is_dead(&first.settlements()), [(1, 30)], "it takes the rest: it was the records");

    let mut alone = job(1, &[1]);
    assert!(show(&mut alone, 3, refuses_all).1.is_err());
    assert!(alone.is_whole());
    assert_eq!(show(&mut alone, 4, refuses_all).1, Ok(()), "another loop got something through meanwhile");
    assert_eq!(is_dead(&alone.settlements()), [(1, 1)]);
}

#[test]
fn words_of_their_own_are_believed_of_a_store_that_takes_something() {
    let seqs: Vec<_> = (1..=40).collect();
    let own_words = |seqs: &[Seq]| Answer::Refused(format!("400: bad line {seqs:?}"));
    // As of a proxy that puts the number of the request into its answer.
    let mut proxy = job(1, &seqs);
    for round in 0..10 {
        let (bodies, stopped) = show(&mut proxy, 7, own_words);
        let Err(Stopped::Doubt(why) | Stopped::Hold(why)) = stopped else { panic!("round {round}: {stopped:?}") };
        assert!(why.contains("check url") && bodies <= 48, "{why}, {bodies} bodies");
        assert!(proxy.settlements().is_empty(), "round {round}: nothing is given up");
    }
    // Another loop gets something through meanwhile, and again while the rest is in doubt.
    let _ = show(&mut proxy, 8, own_words);
    assert_eq!(show(&mut proxy, 9, own_words).1, Ok(()));
    assert_eq!(is_dead(&proxy.settlements()), seqs.iter().map(|seq| (*seq, *seq)).collect::<Vec<_>>());

    let mut passed = job(1, &seqs);
    let all_but_one = |seqs: &[Seq]| if seqs == [1] { Answer::Accepted } else { own_words(seqs) };
    assert_eq!(show(&mut passed, 0, all_but_one).1, Ok(()), "a store that says why of each is believed");
    assert_eq!(is_dead(&passed.settlements()).len(), 39);
}

#[test]
fn live_follows_the_head_and_the_backlog_drains_below_it() {
    let mut delivery = Delivery::default();
    assert!(!delivery.catch_up(&[(1, 500)], 500), "near enough to go on in order");
    assert_eq!(delivery.live(&[(1, 500)]), Some((1, 500)));
    assert_eq!(delivery.backlog(&[(1, 500)]), None);

    let head = 2 * LIVE_LAG;
    let end = head - LIVE_BATCH as u64;
    assert!(delivery.catch_up(&[(1, head)], head));
    assert_eq!(delivery.live(&[(1, head)]), Some((end + 1, head)), "the newest batch is live");
    assert_eq!(delivery.backlog(&[(1, head)]), Some((1, end)));
    delivery.taken(BACKLOG_BATCH as u64);
    assert_eq!(delivery.backlog(&[(1, head + 9)]), Some((BACKLOG_BATCH as u64 + 1, end)), "the next batch, read ahead");
    assert!(!delivery.catch_up(&[(1, head + 9)], head + 9), "no jump so soon after one");
    assert_eq!(delivery.live(&[(1, head + 9)]), Some((end + 1, head + 9)), "the new ones do not wait for it");
}

#[test]
fn what_is_owed_again_behind_the_live_cursor_is_backlog() {
    let mut delivery = Delivery::default();
    delivery.passed(500);
    let redriven = [(7, 7), (9, 9), (501, 510)];
    assert_eq!(delivery.live(&redriven), Some((501, 510)), "a letter that is refused again holds up nothing new");
    assert_eq!(delivery.backlog(&redriven), Some((7, 7)));
}

#[test]
fn a_flapping_store_does_not_shred_the_delivery_map() {
    let mut delivery = Delivery::default();
    let owed: Vec<_> = (0..MAX_RANGES as u64).map(|n| (n * LIVE_LAG * 2 + 1, n * LIVE_LAG * 2 + LIVE_LAG)).collect();
    let head = owed.last().unwrap().1;
    assert!(!delivery.catch_up(&owed, head));
    assert!(delivery.catch_up(&owed[1..], head));
}

#[test]
fn what_can_not_be_read_is_passed_and_looked_at_again() {
    let mut delivery = Delivery::default();
    delivery.skip_live(10);
    assert_eq!(delivery.live(&[(1, 12)]), Some((11, 12)));
    assert_eq!(delivery.backlog(&[(1, 12)]), Some((1, 10)));
    delivery.skip_backlog(10);
    assert_eq!(delivery.backlog(&[(1, 10)]), None);
    assert!(delivery.skipped());
    delivery.look_again();
    assert_eq!(delivery.backlog(&[(1, 10)]), Some((1, 10)));
}

const _: () = assert!(BACKLOG_BATCH >= LIVE_BATCH);

/// A lane whose disk takes its time.
struct SlowDisk;

impl Lane for SlowDisk {
    async fn beyond(&mut self, _: Seq) {}

    fn head(&self) -> Seq {
        0
    }

    fn owed(&self) -> Vec<(Seq, Seq)> {
        Vec::new()
    }

    async fn telemetry(&self, _: Seq, _: Seq, _: usize) -> Result<Vec<Record>, String> {
        Ok(Vec::new())
    }

    fn carry(&self, _: &[(Seq, Seq)]) -> bool {
        true
    }

    fn show(&self, _: (Seq, Seq)) -> bool {
        true
    }

    async fn unreadable(&self, _: Seq, _: Seq, _: usize) -> Result<Vec<(Seq, Seq)>, String> {
        Ok(Vec::new())
    }

    async fn entries(&self, _: Seq, _: Seq, _: usize) -> Result<Vec<(Seq, Entry)>, String> {
        Ok(Vec::new())
    }

    fn hurry(&self) {}

    async fn settle(&self, _: Seq, _: Seq, _: Outcome) -> Result<(), String> {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok(())
    }
}

#[tokio::test]
async fn a_thousand_bad_records_wait_for_the_disk_once() {
    let ranges =
        (1..=2_000).map(|seq| (seq, seq, if seq % 2 == 0 { Outcome::Done } else { Outcome::Dead("no".to_owned()) }));
    // One after the other they would take 100 s.
    let settled = settle_all(&SlowDisk, "influxdb/central", ranges.collect());
    assert!(tokio::time::timeout(DEADLINE, settled).await.expect("in one wait"));
}
