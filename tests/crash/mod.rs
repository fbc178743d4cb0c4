//! The crash matrix: every fault the journal must outlive × every class of what it was given, counted over many repetitions.
//! `make long-crash` runs all of it, CI one repetition a fault. `GENGFU_SEED` repeats a run, `GENGFU_FAULTS="kill -9,damage"`
//! runs some rows of it, `GENGFU_REPETITIONS=10` so many times.
//!
//! Each repetition drives all classes at once and ends with a gateway that is dead, so that what is counted afterwards is
//! what was on disk. At the end of a campaign the sets are compared by the counting rule: what the stores and the centre hold is what
//! was committed, every acknowledged message is there, every crossing of a line is one transition, pushed and in the alarm lane, and
//! so is every acknowledgement that was answered. What was in mid-flight (shelves, modes, timers, votes) is read off the alarm
//! lane: see `flight`. A damaged file is another matter: see `damage`.

pub(crate) mod classes;
mod damage;
mod edges;
mod faults;
mod flight;
pub(crate) mod persons;
pub(crate) mod rig;
mod sick_kill;
mod table;
mod uplinked;

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use gengfu::journal::Entry;
use gengfu_tests::counting::{self, Sample, Set, of, to_ms};
use gengfu_tests::random::Random;
use gengfu_tests::wait::{quiet, say, times};
use serde_json::Value;

use classes::{
    Lost, MOST_POLLS_LOST, READINGS_A_POLL, not_in_the_lane, polled_loss, pushed_is_the_alarm_lane, transitions,
};
use damage::Damage;
use faults::Fault;
use flight::cells;
use persons::BY;
use rig::Rig;
use table::{ACKNOWLEDGED, ALARMS, Cell, Counts, MESSAGES, Outcome, POLLED};

const DRAIN: Duration = Duration::from_mins(2);

#[test]
fn the_matrix() {
    let _quiet = quiet();
    let seed = Random::seeded("crash matrix").draw();
    let long = times(0, 1) > 0;
    let asked = std::env::var("GENGFU_FAULTS").ok();
    let wanted = |name: &str| asked.as_ref().is_none_or(|asked| asked.split(',').any(|word| word.trim() == name));
    let mut failed = false;
    let rows = Fault::ALL.map(Fault::name).into_iter().chain(Damage::ALL.map(Damage::name));
    let left_out = Outcome::NotRun("not among GENGFU_FAULTS".to_owned());
    let mut cells: Vec<Cell> = rows.filter(|name| !wanted(name)).flat_map(|name| table::row(name, &left_out)).collect();
    // the long form gives each fault a rig of its own; the slice takes them in turn on one
    let faults: Vec<Fault> = Fault::ALL.into_iter().filter(|fault| wanted(fault.name())).collect();
    let campaigns: Vec<&[Fault]> = if long { faults.chunks(1).collect() } else { vec![&faults] };
    for faults in campaigns.into_iter().filter(|faults| !faults.is_empty()) {
        let random = Random::new(seed.wrapping_add(faults[0].number()));
        let done = catch_unwind(AssertUnwindSafe(|| campaign(faults, random)));
        failed |= done.is_err();
        cells.extend(
            done.unwrap_or_else(|_| faults.iter().flat_map(|f| table::row(f.name(), &Outcome::Failed)).collect()),
        );
    }
    for damage in Damage::ALL.into_iter().filter(|damage| wanted(damage.name())) {
        let random = Random::new(seed.wrapping_add(100 + damage as u64));
        let done = catch_unwind(AssertUnwindSafe(|| damage::campaign(damage, random)));
        failed |= done.is_err();
        cells.extend(done.unwrap_or_else(|_| table::row(damage.name(), &Outcome::Failed)));
    }
    table::print(&cells);
    assert!(!failed, "a campaign failed, see above");
    let lost =
        |cell: &Cell| matches!(&cell.outcome, Outcome::Counted(counts) if cell.class != POLLED && counts.lost > 0);
    assert!(!cells.iter().any(lost), "something was lost");
}

fn repetitions(fault: Fault) -> usize {
    match fault {
        Fault::Kill | Fault::PowerCut | Fault::Full | Fault::Errors => asked_or(times(1, 100)),
        // the fault itself takes half a minute
        Fault::Stall => asked_or(times(1, 10)),
    }
}

/// As many as `GENGFU_REPETITIONS` says, else so many.
fn asked_or(repetitions: usize) -> usize {
    std::env::var("GENGFU_REPETITIONS").ok().and_then(|asked| asked.parse().ok()).unwrap_or(repetitions)
}

fn campaign(faults: &[Fault], random: Random) -> Vec<Cell> {
    let name = if let [fault] = faults { fault.number().to_string() } else { "slice".to_owned() };
    let mut rig = Rig::start(&name, random);
    let mut cells = Vec::new();
    let mut ran = Vec::new();
    for fault in faults {
        if let Some(why) = fault.lacks(&rig) {
            cells.extend(table::row(fault.name(), &Outcome::NotRun(why)));
            continue;
        }
        ran.push(*fault);
        let repetitions = repetitions(*fault);
        for number in 0..repetitions {
            fault.repeat(&mut rig);
            if number == 0 || number.is_multiple_of(10) {
                rest(&rig, true);
                crate::kill9::standing_equals_fold(&rig.gateway);
                rest(&rig, false);
            }
        }
    }
    cells.extend(count(rig, &ran));
    cells
}

/// Whether the planner rests, so that the lane stands still for a moment.
fn rest(rig: &Rig, resting: bool) {
    rig.flight.iter().for_each(|flight| flight.rest(resting));
}

/// What is left to be told when all books agree.
pub(crate) struct Compared {
    pub acked: Set,
    /// Acknowledged messages that the store does not have.
    pub missing: Set,
    /// What each kill took of the polls.
    pub polls: Vec<Lost>,
    pub lane: Vec<Entry>,
    pub ledger: Value,
    /// Samples that both stores hold.
    pub samples: usize,
}

/// All books are compared: the stores and the centre with the journal, the polls with the plant, the pushes with the alarm lane.
pub(crate) fn compare(rig: &mut Rig) -> Compared {
    rig.calm();
    let ledger = rig.gateway.settle(DRAIN);
    let found = rig.store.export();
    let committed = counting::lived(&rig.gateway.data());
    let exact = rig.stub.accepted();
    committed.compare(&exact).unwrap();
    committed.compare_by_ms(&found).unwrap();
    let acked = rig.publisher.acked();
    // the stub's, to the nanosecond: the other keeps one of what a millisecond says of a point
    let stored = messages_of(&exact);
    let missing: Set = acked.difference(&stored).cloned().collect();
    assert_eq!(stored.difference(&acked).count(), 0, "the store has messages that nobody sent");

    let kills: Vec<classes::Kill> = rig.rounds.iter().map(|round| round.kill.clone()).collect();
    let polls = polled_loss(&rig.plant, &kills, &exact);
    let lane =
        counting::open(&counting::copy(&rig.gateway.data()).join("data"), |journal, _| counting::entries(journal));
    uplinked::equals(rig, &ledger, &committed, &lane);
    let (once, pushes) = pushed_is_the_alarm_lane(&rig.receiver, &lane);
    say(&format!("{once} transitions in the lane, each pushed; {pushes} pushes in all; {} messages", acked.len()));
    assert!(rig.edges.odd.is_empty(), "transitions that nothing called for: {:?}", rig.edges.odd);
    Compared { acked, missing, polls, lane, ledger, samples: exact.len() }
}

/// Values of messages that a store has. What a link that was lost for long makes the gateway say again of a point, as
/// `uncertain(stale)`, is no message, and may fall into the millisecond of one.
fn messages_of(found: &Set) -> Set {
    let told_again: HashSet<(String, i64)> = of(found, "device_v_q,")
        .iter()
        .filter(|quality| quality.value() == 1.0)
        .map(|quality| (quality.series.replace("device_v_q,", "device_v,"), quality.at_ns))
        .collect();
    let message = |sample: &Sample| !told_again.contains(&(sample.series.clone(), sample.at_ns));
    to_ms(&of(found, "device_v,").into_iter().filter(message).collect())
}

/// What is missing is told by class.
fn count(mut rig: Rig, faults: &[Fault]) -> Vec<Cell> {
    let Compared { acked, missing, polls, lane, .. } = compare(&mut rig);
    let kills: Vec<classes::Kill> = rig.rounds.iter().map(|round| round.kill.clone()).collect();
    let verdict = cells::verdict(&rig, &lane);
    faults
        .iter()
        .flat_map(|fault| {
            let answered = rig.acknowledged().remove(&fault.number()).unwrap_or_default();
            let lost = not_in_the_lane(&answered, BY, &lane).len();
            let in_flight = cells::cells(&rig, fault.number(), &lane, &verdict);
            let in_flight = in_flight.map(|(class, counts)| counted(&rig, *fault, class, counts));
            let load = [
                polled(&rig, *fault, &kills, &polls),
                messages(*fault, &acked, &missing, &rig),
                alarms(&rig, *fault, &lane),
                cell(
                    &rig,
                    *fault,
                    ACKNOWLEDGED,
                    answered.len(),
                    lost,
                    "answered with success, in the lane with their audit".to_owned(),
                ),
            ];
            load.into_iter().chain(in_flight)
        })
        .collect()
}

fn cell(rig: &Rig, fault: Fault, class: &'static str, items: usize, lost: usize, note: String) -> Cell {
    counted(rig, fault, class, Counts { repetitions: 0, items: items as u64, lost: lost as u64, note })
}

fn counted(rig: &Rig, fault: Fault, class: &'static str, counts: Counts) -> Cell {
    let repetitions = rig.rounds.iter().filter(|round| round.number == fault.number()).count();
    let counts = Counts { repetitions, ..counts };
    Cell { fault: fault.name().to_owned(), class, outcome: Outcome::Counted(counts) }
}

/// Items: readings polled from the one fault to the next.
fn polled(rig: &Rig, fault: Fault, kills: &[classes::Kill], lost: &[Lost]) -> Cell {
    let total = |kill: &classes::Kill| kill.polls.iter().map(|n| u64::from(*n)).sum::<u64>();
    let of_fault = |index: &usize| rig.rounds[*index].number == fault.number();
    let mine: Vec<usize> = (0..kills.len()).filter(of_fault).collect();
    let before = |index: usize| if index == 0 { 0 } else { total(&kills[index - 1]) };
    let polls: u64 = mine.iter().map(|index| total(&kills[*index]) - before(*index)).sum();
    let worst = mine.iter().map(|index| lost[*index].polls).max().unwrap_or(0);
    let (oldest, allowed) = mine
        .iter()
        .map(|index| (lost[*index].oldest, kills[*index].oldest_allowed()))
        .max_by_key(|(oldest, _)| *oldest)
        .unwrap_or_default();
    let gone: u64 = mine.iter().map(|index| lost[*index].polls).sum();
    let note = format!(
        "worst window {} readings of {} allowed, the oldest {} before the crash of {} allowed",
        worst * READINGS_A_POLL,
        MOST_POLLS_LOST * READINGS_A_POLL,
        table::ms(oldest),
        table::ms(allowed)
    );
    cell(rig, fault, POLLED, (polls * READINGS_A_POLL) as usize, (gone * READINGS_A_POLL) as usize, note)
}

fn messages(fault: Fault, acked: &Set, missing: &Set, rig: &Rig) -> Cell {
    let prefix = format!("device_v,{}", rig::topics(fault.number()));
    let note = "acknowledged by the broker, at the stores and at the centre".to_owned();
    cell(rig, fault, MESSAGES, of(acked, &prefix).len(), of(missing, &prefix).len(), note)
}

/// Items: crossings of a line; lost, if the lane lacks the transition that was pushed.
fn alarms(rig: &Rig, fault: Fault, lane: &[Entry]) -> Cell {
    let keys: std::collections::BTreeSet<String> = transitions(lane).map(gengfu::flow::AlarmEvent::key).collect();
    let pushed: Vec<_> = rig.edges.pushed.iter().filter(|push| push.number == fault.number()).collect();
    let driven = rig.edges.driven.get(&fault.number()).copied().unwrap_or(0) as usize;
    let lost = driven - pushed.iter().filter(|push| keys.contains(&push.key)).count();
    let late = pushed.iter().map(|push| push.late).max().unwrap_or_default();
    let early = pushed.iter().filter(|push| !push.durable).count();
    let felt = rig.rounds.iter().filter(|round| round.number == fault.number() && round.felt).count();
    let note = format!(
        "all pushed and at the centre, at worst {} after the change, {early} with durable = false, in {felt} of the repetitions",
        table::ms(late)
    );
    cell(rig, fault, ALARMS, driven, lost, note)
}
