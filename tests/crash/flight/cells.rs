//! The rows of the matrix that tell of what was in mid-flight.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use gengfu::flow::AlarmEvent;
use gengfu::journal::Entry;
use gengfu_tests::wait::{say, unix_ms};

use super::laws::{self, Broken, Met};
use super::{LATE_AFTER_START, OFF, ON, class_of, votes};
use crate::crash::classes::transitions;
use crate::crash::persons::{Order, orders_not_in_the_lane};
use crate::crash::rig::{Rig, Round};
use crate::crash::table::{Counts, MODES, SHELVES, TIMERS, VOTES};

/// What lies so near a fault may tell of its cause, ms.
const AROUND: i64 = 3_000;

/// A push, how long after its step or the start that it had to wait for.
struct Late {
    class: &'static str,
    /// When the step was decided, UTC ms.
    decided: i64,
    ms: i64,
}

/// What a campaign has to say of it, all faults together.
pub(in crate::crash) struct Verdict {
    orders: Vec<Order>,
    lost: Vec<Order>,
    met: Vec<Met>,
    broken: Vec<Broken>,
    carried: Vec<i64>,
    late: Vec<Late>,
}

/// Of the whole lane, once all has ended.
pub(in crate::crash) fn verdict(rig: &Rig, lane: &[Entry]) -> Verdict {
    let turns = votes::turns(&rig.stub.accepted());
    let laws = laws::read(lane, &turns);
    if !turns.is_empty() {
        say(&format!("points that lost or found their value, also of voters: {} times", turns.len()));
    }
    for (class, at, what) in &laws.broken {
        say(&format!("BROKEN {class} at {at}: {what}"));
        around(lane, class, *at);
    }
    let orders = rig.flight.as_ref().map(|flight| flight.planner.shared.answered.lock().unwrap().clone());
    let orders = orders.unwrap_or_default();
    let lost: Vec<Order> = orders_not_in_the_lane(&orders, lane).into_iter().cloned().collect();
    for order in &lost {
        say(&format!("LOST {order:?}"));
    }
    Verdict { orders, lost, met: laws.met, broken: laws.broken, carried: laws.carried, late: late(rig, lane) }
}

/// What the lane has of a class around a time, for whoever looks for the cause.
fn around(lane: &[Entry], class: &str, at: i64) {
    for entry in lane.iter().filter(|entry| (entry.at() - at).abs() < AROUND) {
        match entry {
            Entry::Alarm(alarm) if class_of(&alarm.rule) == Some(class) => {
                let AlarmEvent { rule, event, state, since, quality, detected, .. } = alarm;
                say(&format!("  {detected} {rule} {event}: {state}, since {since}, {quality}"));
            }
            Entry::Start { at, .. } => say(&format!("  {at} start")),
            Entry::Mode(record) => say(&format!("  {record:?}")),
            Entry::Alarm(_)
            | Entry::Audit { .. }
            | Entry::Stop { .. }
            | Entry::Gap { .. }
            | Entry::Level(_)
            | Entry::Maintenance { .. } => {}
        }
    }
}

fn late(rig: &Rig, lane: &[Entry]) -> Vec<Late> {
    let starts = lane.iter().filter_map(|entry| if let Entry::Start { at, .. } = entry { Some(*at) } else { None });
    let starts: Vec<i64> = starts.collect();
    let seen = rig.receiver.seen();
    let of_flight = seen.iter().filter_map(|push| Some((push, class_of(push.word("rule"))?)));
    let late = of_flight.map(|(push, class)| {
        let decided = push.body["times"]["detected_ms"].as_i64().unwrap_or_default();
        let came = wall(push.at);
        let start = starts.iter().copied().filter(|start| *start <= came).max().unwrap_or(0);
        Late { class, decided, ms: came - decided.max(start) }
    });
    late.collect()
}

fn wall(at: Instant) -> i64 {
    unix_ms() - at.elapsed().as_millis() as i64
}

/// Shelves, modes, timers and votes while the fault of this number was on.
pub(in crate::crash) fn cells(
    rig: &Rig,
    number: u64,
    lane: &[Entry],
    verdict: &Verdict,
) -> [(&'static str, Counts); 4] {
    [SHELVES, MODES, TIMERS, VOTES].map(|class| {
        let orders = |of: &[Order]| of.iter().filter(|o| o.class == class && rig.number_at(o.at) == number).count();
        let met = verdict.met.iter().filter(|met| met.class == class && rig.number_at(met.began) == number);
        let met: Vec<&Met> = met.collect();
        let broken = verdict.broken.iter().filter(|(of, at, _)| *of == class && rig.number_at(*at) == number).count();
        let late = verdict.late.iter().filter(|late| late.class == class && rig.number_at(late.decided) == number);
        let pushed = late.map(|late| late.ms).max().unwrap_or(0);
        let (given, mut lost) = (orders(&verdict.orders), orders(&verdict.lost) + broken);
        let through = met.iter().filter(|met| met.through).count();
        let worst =
            |through: bool| met.iter().filter(|met| met.through == through).map(|met| met.late).max().unwrap_or(0);
        let mut items = given + met.len();
        let (alive, over) = (worst(false), worst(true));
        let ended = met.len();
        let at_their_time = format!(
            "at their time, at worst {alive} ms after it, {through} of them over a crash, at worst {over} ms after time and \
             start"
        );
        let mut note = match class {
            SHELVES | MODES => {
                format!("{given} answered with success, in the lane with their audit; {ended} ended {at_their_time}")
            }
            TIMERS => {
                let Crossings { driven, lost: gone, worst } = crossings(rig, number, lane);
                (items, lost) = (items + driven, lost + gone);
                format!(
                    "{driven} delayed lines crossed, at worst {worst} ms after the delay; {ended} on-delays and re-alarms \
                     {at_their_time}"
                )
            }
            _ => {
                let carried = verdict.carried.iter().filter(|at| rig.number_at(**at) == number).count();
                format!("{} changes called for by the voters, at worst {alive} ms after; cast at a crash {carried} times", met.len())
            }
        };
        note += &format!("; pushed {pushed} ms after at worst");
        (class, Counts { repetitions: 0, items: items as u64, lost: lost as u64, note })
    })
}

struct Crossings {
    driven: usize,
    lost: usize,
    worst: u128,
}

/// Each crossing is one transition, in the lane, not before its delay and not long after: of the crossing, or of the start
/// after a crash in between, which may have taken the reading that began it.
fn crossings(rig: &Rig, number: u64, lane: &[Entry]) -> Crossings {
    let Some(flight) = &rig.flight else { return Crossings { driven: 0, lost: 0, worst: 0 } };
    let keys: BTreeSet<String> = transitions(lane).map(AlarmEvent::key).collect();
    let driven = flight.timers.driven.get(&number).copied().unwrap_or(0) as usize;
    let (mut kept, mut worst) = (0, Duration::ZERO);
    for push in flight.timers.pushed.iter().filter(|push| push.number == number) {
        let delay = if push.came { ON } else { OFF };
        let came = push.crossed + push.late;
        let between = |round: &&Round| push.crossed < round.back && round.kill.at < came;
        let start = rig.rounds.iter().filter(between).map(|round| round.back).max();
        let over = came.saturating_duration_since(start.map_or(push.crossed, |start| start.max(push.crossed)) + delay);
        worst = worst.max(over);
        let in_time = push.late >= delay && over <= Duration::from_millis(LATE_AFTER_START as u64);
        if !in_time {
            say(&format!("BROKEN {}: {:?} after the line, {over:?} after its delay", push.key, push.late));
        }
        kept += usize::from(in_time && keys.contains(&push.key));
    }
    Crossings { driven, lost: driven - kept, worst: worst.as_millis() }
}
