//! A gateway that is killed while its disk is full, stalls or fails. What waited in memory is gone: polled readings since the disk
//! fell sick, and transitions that people were told of with `durable = false`. Nothing else is: no message that was acknowledged,
//! no command that was answered with success, no transition that was said to be durable. And after the start what is crossed
//! stands, and nothing else does.

use std::collections::BTreeSet;
use std::time::Duration;

use gengfu::flow::AlarmEvent;
use gengfu_tests::counting::{self, Set};
use gengfu_tests::process::Folder;
use gengfu_tests::random::Random;
use gengfu_tests::wait::{not_run, now, pause, quiet, say, times};

use super::classes::{Kill, MOST_POLLS_LOST, READINGS_A_POLL, lost_polls, not_in_the_lane, transitions};
use super::damage::stands_as_driven;
use super::faults::Fault;
use super::persons::BY;
use super::rig::Rig;
use super::{DRAIN, messages_of, uplinked};

const FAULTS: [Fault; 3] = [Fault::Full, Fault::Stall, Fault::Errors];

/// A kill, and what the plant had answered when the disk fell sick.
struct Death {
    fault: Fault,
    kill: Kill,
    before: Kill,
}

#[test]
fn what_dies_with_a_sick_disk() {
    let _quiet = quiet();
    let mut random = Random::seeded("kill on a sick disk");
    let seed = random.draw();
    let mut rig = Rig::start_in(Folder::new("crash-sick"), Random::new(seed), &[]);
    if let Some(why) = FAULTS.iter().find_map(|fault| fault.lacks(&rig)) {
        return not_run(&why);
    }
    rig.edges.numbers_may_come_again = true;
    let mut deaths = Vec::new();
    for _ in 0..times(1, 34) {
        for fault in FAULTS {
            deaths.push(die(fault, &mut rig));
            stands_as_driven(&rig);
        }
    }
    count(&mut rig, &deaths);
}

fn die(fault: Fault, rig: &mut Rig) -> Death {
    rig.book(fault.number());
    let well = Duration::from_millis(rig.random.between(200, 700));
    rig.load(well);
    rig.all_pushed();
    rig.on_disk();
    let before = Kill::of(&rig.plant, now());
    let heal = fault.sicken(rig);
    rig.flip_surely();
    let sick = Duration::from_millis(rig.random.between(700, 3_000));
    rig.load(sick);
    // what was not pushed when it dies may have been decided and lost; of what was, the receiver knows
    rig.all_pushed();
    rig.burst();
    pause(Duration::from_micros(rig.random.between(0, 30_000)));
    rig.all_pushed();
    rig.gateway.kill9();
    let at = now();
    heal(rig);
    // what was on the wire is answered by then
    pause(Duration::from_millis(rig.random.between(50, 200)));
    let kill = Kill::of(&rig.plant, at);
    rig.gateway.restart();
    Death { fault, kill, before }
}

fn count(rig: &mut Rig, deaths: &[Death]) {
    rig.calm();
    let ledger = rig.gateway.settle(DRAIN);
    let exact = rig.stub.accepted();
    let committed = counting::lived(&rig.gateway.data());
    committed.compare(&exact).unwrap();
    let acked = rig.publisher.acked();
    let missing: Set = acked.difference(&messages_of(&rig.stub.accepted())).cloned().collect();
    assert!(missing.is_empty(), "{} acknowledged messages are lost: {missing:?}", missing.len());

    let lane =
        counting::open(&counting::copy(&rig.gateway.data()).join("data"), |journal, _| counting::entries(journal));
    uplinked::equals(rig, &ledger, &committed, &lane);
    let answered: Vec<String> = rig.acknowledged().into_values().flatten().collect();
    let lost = not_in_the_lane(&answered, BY, &lane);
    assert!(lost.is_empty(), "acknowledgements that were answered with success are lost: {lost:?}");
    let keys: BTreeSet<String> = transitions(&lane).map(AlarmEvent::key).collect();
    let seen = rig.receiver.seen();
    let lost: Vec<_> = seen.iter().filter(|p| p.body["durable"] == true && !keys.contains(&p.key)).collect();
    assert!(lost.is_empty(), "transitions that were said to be durable are lost: {lost:?}");
    let forgotten = seen.iter().filter(|push| !push.key.is_empty() && !keys.contains(&push.key)).count();

    let kills: Vec<Kill> = deaths.iter().map(|death| death.kill.clone()).collect();
    let polls = lost_polls(&rig.plant, &kills, &exact);
    for fault in FAULTS {
        let of_it = || deaths.iter().zip(&polls).filter(|(death, _)| death.fault == fault);
        for (Death { kill, before, .. }, lost) in of_it() {
            let since: u64 = kill.polls.iter().zip(&before.polls).map(|(to, from)| u64::from(to - from)).sum();
            let (name, most) = (fault.name(), since + MOST_POLLS_LOST);
            assert!(lost.polls <= most, "{name}: {} polls lost, {since} since the disk fell sick", lost.polls);
        }
        let worst = of_it().map(|(_, lost)| lost.polls).max().unwrap_or(0) * READINGS_A_POLL;
        let oldest = of_it().map(|(_, lost)| lost.oldest).max().unwrap_or_default();
        let name = fault.name();
        say(&format!(
            "killed while {name}, {} times: {worst} polled readings at worst, back to {oldest:?}",
            of_it().count()
        ));
    }
    let (messages, answered) = (acked.len(), answered.len());
    say(&format!(
        "of {messages} acknowledged messages, {answered} answered acknowledgements and {} transitions none is lost that was said \
         to be durable; {forgotten} were told with durable = false and are not in the lane",
        keys.len()
    ));
}
