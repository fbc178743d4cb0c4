//! The engine by scenarios and properties: nothing here waits, time is an argument.

mod beside;
mod kinds;
mod laws;
mod lifecycle;
mod odd;
mod voters;

use proptest::prelude::*;

use super::tables::NONE;
use super::*;
use crate::alarm::life::Life;
use crate::alarm::state::Open;
use crate::alarm::{AlarmId, EventName, Priority, StateName};
use crate::detect::limit::Side;
use crate::detect::{digital, limit, trend, vote};
use crate::quality::{Quality, Reason};
use crate::reading::{PointId, RuleId};
use crate::time::Wall;

#[derive(Debug, Clone, Default, PartialEq)]
struct Log(Vec<Transition>, Vec<ModeChange>);

impl Sink for Log {
    fn transition(&mut self, transition: &Transition) {
        self.0.push(*transition);
    }

    fn mode(&mut self, change: &ModeChange) {
        self.1.push(*change);
    }
}

/// Five points: pressure (low, 5 s on, 3 s off), gas (two levels, the second latches), door (digital, 10 s), mains, and a
/// loop whose break is the danger: to its two rules unknown is. Gas is life-safety and has an absence rule; pressure has a
/// trend rule. While the mains are off, the alarms of pressure and loop are hidden, and the door's while the loop is open.
/// Low pressure, gas and door vote, two of three within 10 s; the vote and the health of its voters are shown on the door. Two
/// more votes, one for each other degraded mode, are shown on the loop. Gas and door tell which came first. Pressure and loop
/// stand in area 1. What was acknowledged rings again after 40 s.
#[derive(Debug, Clone)]
struct World {
    rules: Vec<Rule>,
    points: Vec<Point>,
    bindings: Vec<Binding>,
    limits: Vec<limit::State>,
    digitals: Vec<digital::State>,
    trends: Vec<trend::State>,
    absents: Vec<absent::State>,
    votes: Vec<vote::State>,
    others: kinds::Rare,
    wires: Vec<Wire>,
    leads: Vec<Lead>,
    groups: Vec<Group>,
    areas: Vec<Area>,
    heap: Vec<u32>,
    pulse: Pulse,
    log: Log,
    /// Makes such a world again.
    made: fn() -> Self,
    /// The readings that were taken, as the telemetry lane would keep them.
    shown: Vec<Shown>,
}

const PRESSURE: PointId = PointId(0);
const GAS: PointId = PointId(1);
const DOOR: PointId = PointId(2);

const MAINS: PointId = PointId(3);
const LOOP: PointId = PointId(4);
/// The binding of the vote.
const VOTE: u32 = 5;
/// Those of all votes.
const VOTES: [u32; 4] = [VOTE, VOTE + 1, 10, 11];

fn level(priority: Priority, latch: bool) -> Level {
    Level { priority, latch, shelvable: !(latch && priority == Priority::Critical) }
}

fn now(ms: u64) -> Now {
    Now { mono: Mono(BASE + ms), wall: Wall(1_700_000_000_000 + ms as i64) }
}

/// The counter starts well above zero, so that readings of an earlier run have a place on it.
const BASE: u64 = 1 << 32;

fn rules() -> Vec<Rule> {
    let limit_level = |limit, clear, on_ms, off_ms| limit::Level { limit, clear, on_ms, off_ms };
    let low = limit::Params { side: Side::Low, first: limit_level(0.15, 0.17, 5_000, 3_000), second: None };
    let gas = limit::Params {
        side: Side::High,
        first: limit_level(25.0, 22.0, 0, 0),
        second: Some(limit_level(50.0, 45.0, 2_000, 0)),
    };
    let door = digital::Params { is: 1.0, negate: false, on_ms: 10_000, off_ms: 0 };
    let lost = absent::Params { bad_ms: 4_000, silent_ms: Some(30_000) };
    let leak = trend::Params { limit: 0.15, side: Side::Low, within_ms: 60_000, window_ms: 32_000 };
    let mains = digital::Params { on_ms: 0, ..door };
    let two_of_three = vote::Params {
        need: 2,
        of: 3,
        within_ms: 10_000,
        degraded: vote::Degraded::Fewer,
        watch: vote::Watch::Danger,
        unheard_ms: 120_000,
        voters: 1,
    };
    let healthy = vote::Params { watch: vote::Watch::Health { after_ms: 20_000 }, ..two_of_three };
    let held = vote::Params { degraded: vote::Degraded::Hold, voters: 2, ..two_of_three };
    let tripped = vote::Params { degraded: vote::Degraded::Trip, voters: 3, ..two_of_three };
    let broken = digital::Params { on_ms: 3_000, off_ms: 2_000, ..door };
    let (medium, high, critical) = (Priority::Medium, Priority::High, Priority::Critical);
    let one = |params, l| Rule { re_alarm_ms: Some(40_000), ..Rule::new(params, [l, l]) };
    vec![
        one(Params::Limit(low), level(critical, false)),
        one(Params::Trend(leak), level(medium, false)),
        Rule::new(Params::Limit(gas), [level(high, false), level(critical, true)]),
        Rule::new(Params::Absent(lost), [level(high, false); 2]),
        one(Params::Digital(door), level(high, true)),
        one(Params::Vote(two_of_three), level(critical, true)),
        one(Params::Vote(healthy), level(medium, false)),
        one(Params::Digital(mains), level(high, false)),
        Rule { unknown: Unknown::Danger, ..one(Params::Digital(broken), level(high, false)) },
        Rule { unknown: Unknown::Danger, ..Rule::new(Params::Limit(gas), [level(high, true); 2]) },
        one(Params::Vote(held), level(high, true)),
        one(Params::Vote(tripped), level(critical, false)),
    ]
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            rules: rules(),
            points: vec![
                Point::new(PRESSURE, 0, 2).in_area(1),
                Point::new(GAS, 2, 2),
                Point::new(DOOR, 4, 3),
                Point::new(MAINS, 7, 1),
                Point::new(LOOP, 8, 4).in_area(1),
            ],
            bindings: Vec::new(),
            limits: vec![limit::State::default(); 3],
            digitals: vec![digital::State::default(); 3],
            trends: vec![trend::State::default()],
            absents: vec![absent::State::listening(now(0))],
            votes: vec![vote::State::listening(now(0)); 4],
            others: kinds::Rare::default(),
            made: Self::new,
            wires: Vec::new(),
            leads: Vec::new(),
            groups: vec![Group::default(); 3],
            areas: vec![Area::default(); 2],
            heap: vec![0; 12],
            pulse: Pulse::default(),
            log: Log::default(),
            shown: Vec::new(),
        };
        let bind = |rule, point, seed, slot| Binding::new(RuleId(rule), point, seed, slot);
        let bindings = [
            (bind(0, PRESSURE, 11, 0), Some(0)),
            (bind(1, PRESSURE, 12, 0), Some(0)),
            (bind(2, GAS, 13, 1).first_in(Some(1)), None),
            (bind(3, GAS, 14, 0), None),
            (bind(4, DOOR, 15, 0).first_in(Some(1)), Some(2)),
            (bind(5, DOOR, 16, 0), None),
            (bind(6, DOOR, 17, 1), None),
            (bind(7, MAINS, 18, 1).hiding(Some(0)), None),
            (bind(8, LOOP, 19, 2).hiding(Some(2)), Some(0)),
            (bind(9, LOOP, 20, 2).first_in(Some(1)), Some(0)),
            (bind(10, LOOP, 21, 2), None),
            (bind(11, LOOP, 22, 3), None),
        ];
        for (binding, hidden_by) in bindings {
            world.bindings.push(binding);
            if let Some(group) = hidden_by {
                Group::hide(&mut world.groups, &mut world.bindings, group);
            }
        }
        for (vote, voters) in [(VOTE, [0, 2, 4]), (VOTE + 1, [0, 2, 4]), (10, [0, 2, 8]), (11, [0, 4, 8])] {
            for (voter, from) in voters.into_iter().enumerate() {
                let len = world.wires.len();
                world.wires.extend(Wire::lay(&mut world.bindings, len, from, vote, voter as u8));
            }
        }
        world
    }

    fn run<T>(&mut self, f: impl FnOnce(&mut Engine<'_>, &mut Log) -> T) -> T {
        let mut engine = Engine::new(Tables {
            rules: &self.rules,
            points: &mut self.points,
            bindings: &mut self.bindings,
            limits: &mut self.limits,
            digitals: &mut self.digitals,
            trends: &mut self.trends,
            absents: &mut self.absents,
            votes: &mut self.votes,
            others: self.others.lent(),
            wires: &self.wires,
            leads: &self.leads,
            groups: &mut self.groups,
            areas: &mut self.areas,
            policy: Policy::default(),
            heap: &mut self.heap,
            pulse: &mut self.pulse,
        });
        f(&mut engine, &mut self.log)
    }

    fn started() -> Self {
        let mut world = Self::new();
        world.run(|e, log| e.settle(now(0), log));
        world
    }

    fn take(&mut self, input: &In) {
        match *input {
            In::Value(point, value, ms) => {
                let reading = Reading { point, at: now(ms).wall, value, quality: Quality::Good };
                self.show(reading, Delivery::Live, ms);
            }
            In::Bad(point, ms) => {
                let quality = Quality::Bad(Reason::Timeout);
                let reading = Reading { point, at: now(ms).wall, value: 0.0, quality };
                self.show(reading, Delivery::Live, ms);
            }
            In::Stale(point, ms) => {
                let Point { value, spoke, .. } = self.points[point.0 as usize];
                if spoke.0 > i64::MIN {
                    let value = value.unwrap_or_default();
                    let quality = Quality::Uncertain(Reason::Stale);
                    self.show(Reading { point, at: now(ms).wall, value, quality }, Delivery::Live, ms);
                } else {
                    self.tick(ms);
                }
            }
            In::Copy(point, ms) => {
                let word = |(r, _, _): &&(Reading, _, _)| r.point == point && r.quality == Quality::Good;
                if let Some((word, _, _)) = self.shown.iter().rfind(word).copied() {
                    self.show(word, Delivery::History, ms);
                } else {
                    self.tick(ms);
                }
            }
            In::Late(point, value, by, ms) => {
                let at = Wall(self.points[point.0 as usize].last.at.0 + 1).max(now(ms.saturating_sub(by)).wall);
                self.show(Reading { point, at, value, quality: Quality::Good }, Delivery::History, ms);
            }
            In::Stamped(point, value, by, how, ms) => {
                let at = now(ms.saturating_sub(by)).wall;
                self.show(Reading { point, at, value, quality: how.0 }, how.1, ms);
            }
            In::Command(nth, command, ms) => {
                // A person names an alarm that is on the screen: what was due by now has happened.
                self.tick(ms);
                let ids: Vec<_> = self.bindings.iter().filter_map(|b| b.alarm.standing().map(|s| s.id)).collect();
                let veil = matches!(command, Command::Shelve { .. } | Command::OutOfService { .. });
                if veil {
                    self.event(Event::Command(Target::Binding((nth % self.bindings.len()) as u32), command), ms);
                } else if let Some(id) = ids.get(nth % ids.len().max(1)) {
                    self.event(Event::Command(Target::Alarm(*id), command), ms);
                }
            }
            In::Mode(area, Some((mode, for_ms)), ms) => self.event(Event::Begin { area, mode, for_ms }, ms),
            In::Mode(area, None, ms) => self.event(Event::End { area }, ms),
        }
    }

    fn show(&mut self, reading: Reading, delivery: Delivery, ms: u64) {
        // It came when the engine took it: what came before it has moved the time, a command too.
        let came = ms.max(self.ms());
        self.shown.push((reading, delivery, came));
        self.event(Event::Reading(reading, delivery), ms);
    }

    fn event(&mut self, event: Event, ms: u64) {
        let _refused = self.run(|e, log| e.handle(event, now(ms), log));
    }

    fn value(&mut self, point: PointId, value: f64, ms: u64) {
        self.take(&In::Value(point, value, ms));
    }

    fn tick(&mut self, ms: u64) {
        self.event(Event::Tick, ms);
    }

    /// The alarm as the alarm lane knows it: the fold of its transitions. When it rings again is the rule's, from when it was
    /// acknowledged.
    fn folded(&self, index: u32) -> AlarmState {
        let mine = || self.log.0.iter().rev().filter(|t| t.binding == index);
        let Some(t) = mine().next().filter(|t| t.state != StateName::Normal) else { return AlarmState::Normal };
        let after = self.rules[self.bindings[index as usize].rule.0 as usize].re_alarm_ms;
        let seen = mine().find(|t| t.event == EventName::Acknowledge);
        let again = seen.zip(after).map(|(seen, after)| seen.detected.mono.plus(after));
        let life = Life::named(t.life, again).expect("a life A to F");
        let Transition { id, onset, number, level, test, first, veils, .. } = *t;
        let standing = crate::alarm::state::Standing { id, onset, number, level, test, first };
        AlarmState::Open(Open { standing, life, veils })
    }

    /// What the engine takes for the present.
    fn ms(&self) -> u64 {
        self.pulse.mono.0.saturating_sub(BASE)
    }

    /// The engine's counter.
    fn counter(&self) -> Mono {
        self.pulse.mono
    }

    fn words(&self) -> Vec<(u32, &'static str, &'static str)> {
        self.log.0.iter().map(|t| (t.binding, t.event.word(), t.state.word())).collect()
    }
}

/// What an engine was shown, how and when.
type Shown = (Reading, Delivery, u64);

#[derive(Debug, Clone, PartialEq)]
enum In {
    Value(PointId, f64, u64),
    Bad(PointId, u64),
    /// The last value told again by the gateway, once a link is back.
    Stale(PointId, u64),
    /// The last word once more: a retained copy on a new session.
    Copy(PointId, u64),
    /// A word that comes so much later than it was said, and is the newest of its point.
    Late(PointId, f64, u64, u64),
    /// Anything else, stamped so much earlier than it comes.
    Stamped(PointId, f64, u64, (Quality, Delivery), u64),
    /// What a person does to one of the alarms on the screen; or to one of the rules, where it needs no alarm.
    Command(usize, Command, u64),
    /// A mode begins, or ends.
    Mode(u16, Option<(ModeName, u64)>, u64),
}

const ACK: Command = Command::Acknowledge;
const RESET: Command = Command::Reset;

#[test]
fn a_deadline_is_served_before_the_event_and_stamped_with_itself() {
    let mut w = World::started();
    w.value(PRESSURE, 0.10, 1_000);
    w.value(PRESSURE, 0.40, 20_000);
    let raise = w.log.0.first().expect("raised");
    assert_eq!((raise.event, raise.detected, raise.onset), (EventName::Raise, now(6_000), now(1_000).wall));
    assert_eq!(raise.explanation.value, Some(0.10), "the value that stood, not the one that came after");
    assert_eq!(raise.explanation.limit, Some(0.15));
}

#[test]
fn gas_escalates_latches_and_wants_a_reset() {
    let mut w = World::started();
    w.value(GAS, 30.0, 1_000);
    w.take(&In::Command(0, ACK, 2_000));
    w.value(GAS, 60.0, 3_000);
    w.tick(5_000);
    w.value(GAS, 0.0, 6_000);
    w.take(&In::Command(0, RESET, 7_000));
    w.take(&In::Command(0, ACK, 8_000));
    w.take(&In::Command(0, RESET, 9_000));
    let expected = [
        (2, "raise", "unacknowledged"),
        (2, "acknowledge", "acknowledged"),
        (2, "escalate", "unacknowledged"),
        (2, "return", "latched"),
        (2, "acknowledge", "latched-acknowledged"),
        (2, "reset", "normal"),
    ];
    assert_eq!(w.words(), expected);
    assert!(w.log.0.windows(2).all(|p| p[0].id == p[1].id && p[0].number + 1 == p[1].number));
    assert_eq!(w.log.0[2].priority, Priority::Critical);
}

#[test]
fn losing_a_life_safety_point_is_an_alarm_and_does_not_clear_the_one_that_stands() {
    let mut w = World::started();
    w.value(GAS, 30.0, 0);
    for s in 1..10 {
        w.take(&In::Bad(GAS, s * 1_000));
    }
    // The vote that counts it tells at once: the absence rule has waited.
    let lost = [(2, "raise", "unacknowledged"), (3, "raise", "unacknowledged"), (VOTE + 1, "raise", "unacknowledged")];
    assert_eq!(w.words(), lost);
    assert_eq!(w.log.0[1].explanation.value, None);
    assert_eq!(w.log.0[1].detected, now(5_000));
    w.value(GAS, 30.0, 10_000);
    assert_eq!(w.words()[3], (3, "return", "returned"));
}

#[test]
fn silence_from_the_start_is_an_alarm_too() {
    let mut w = World::started();
    assert_eq!(w.run(|e, _| e.next_deadline()), Some(now(30_000).mono));
    w.tick(29_999);
    assert!(w.log.0.is_empty());
    w.tick(30_000);
    assert_eq!(w.words(), [(3, "raise", "unacknowledged"), (VOTE + 1, "raise", "unacknowledged")]);
}

#[test]
fn history_wakes_nobody_unless_it_is_the_newest_known() {
    let mut w = World::started();
    let old = |at, value| {
        let reading = Reading { point: GAS, at: now(at).wall, value, quality: Quality::Good };
        Event::Reading(reading, Delivery::History)
    };
    w.value(GAS, 1.0, 10_000);
    w.event(old(5_000, 99.0), 11_000);
    w.tick(20_000);
    assert!(w.log.0.is_empty());
    w.event(old(15_000, 30.0), 21_000);
    assert_eq!(w.words(), [(2, "raise", "unacknowledged")]);
}

/// What the gateway says for want of a word of the point is no word of the point: nothing is older than it.
#[test]
fn a_word_that_came_late_counts_though_the_link_was_called_lost_meanwhile() {
    let mut w = World::started();
    let gas = |at, value, quality| Reading { point: GAS, at: now(at).wall, value, quality };
    w.value(GAS, 1.0, 4_000);
    w.event(Event::Reading(gas(10_000, 0.0, Quality::Bad(Reason::Comm)), Delivery::Live), 10_000);
    w.event(Event::Reading(gas(5_000, 30.0, Quality::Good), Delivery::History), 11_000);
    assert_eq!(w.words(), [(2, "raise", "unacknowledged")]);
    // As is one of the same second, of a device that stamps by the second; an older one is not.
    w.event(Event::Reading(gas(5_000, 55.0, Quality::Good), Delivery::History), 12_000);
    w.event(Event::Reading(gas(4_999, 1.0, Quality::Good), Delivery::History), 13_000);
    assert_eq!(w.points[1].last.value, 55.0);
}

/// A device that is dead: neither what the gateway tells in its place nor a copy of its last word ends its silence, in this
/// run or the next. A word of its own does, and the next silence is another alarm.
#[test]
fn a_silence_that_is_overdue_ends_with_a_word_of_the_point() {
    let mut w = World::started();
    w.value(GAS, 1.0, 1_000);
    w.tick(31_000);
    w.take(&In::Command(0, ACK, 32_000));
    let told = [In::Bad(GAS, 40_000), In::Stale(GAS, 55_000), In::Copy(GAS, 56_000)];
    let unsure = (Quality::Uncertain(Reason::Clock), Delivery::History);
    let told = told.into_iter().chain([In::Stamped(GAS, 1.0, 0, unsure, 57_000)]);
    for input in told {
        w.take(&input);
    }
    w.tick(120_000);
    w.log.0.retain(|t| t.binding == 3);
    assert_eq!(w.words(), [(3, "raise", "unacknowledged"), (3, "acknowledge", "acknowledged")]);

    let mut again = restarted(&w, 0, 130_000);
    for world in [&mut w, &mut again] {
        for input in [In::Stale(GAS, 140_000), In::Copy(GAS, 141_000), In::Late(GAS, 1.0, 1_000, 150_000)] {
            world.take(&input);
        }
        world.tick(180_000);
        world.log.0.retain(|t| t.binding == 3);
        let ends = world.log.0.len() - 2;
        assert_eq!(world.words()[ends..], [(3, "return", "normal"), (3, "raise", "unacknowledged")]);
        assert_eq!(world.log.0[ends].detected, now(150_000));
    }
}

/// A device whose clock stands still within the tolerance: its silences begin with the same word.
#[test]
fn a_condition_that_comes_again_with_the_same_stamp_is_another_alarm() {
    let mut w = World::started();
    for n in 0..3 {
        let stamp = Reading { point: GAS, at: now(0).wall, value: 1.0, quality: Quality::Good };
        w.show(stamp, Delivery::Live, n * 40_000 + 1);
        w.take(&In::Command(0, ACK, n * 40_000 + 35_000));
    }
    let silent = |t: &&Transition| t.binding == 3 && t.event == EventName::Raise;
    let raised: Vec<_> = w.log.0.iter().filter(silent).map(|t| (t.id, t.onset)).collect();
    assert_eq!(raised.len(), 3);
    assert!(raised.iter().all(|(_, onset)| *onset == now(0).wall), "the onset is what it is");
    assert!(raised[0].0 != raised[1].0 && raised[1].0 != raised[2].0 && raised[2].0 != raised[0].0, "{raised:?}");
}

/// The box came back with its clock behind: what is sent again has no date that it could be held against.
#[test]
fn a_word_without_a_date_is_not_held_against_the_time_of_an_earlier_one() {
    let resent = |reason| Reading { point: GAS, at: now(1_000).wall, value: 60.0, quality: Quality::Uncertain(reason) };
    for reason in [Reason::Clock, Reason::Stale] {
        let mut w = World::new();
        let before = Reading { point: GAS, at: now(3_600_000).wall, value: 1.0, quality: Quality::Good };
        w.run(|e, log| {
            e.warm(&before, Delivery::Live, now(500));
            e.settle(now(900), log);
        });
        w.event(Event::Reading(resent(reason), Delivery::History), 1_000);
        assert_eq!(w.words(), [(2, "raise", "unacknowledged")], "{reason:?}");
        assert_eq!(w.points[1].last, resent(reason));
    }
}

/// Another run on the gas alarm that `w` has raised first, and on these readings and when they came.
fn after_the_raise(w: &World, shown: &[(Reading, u64)], at: u64) -> World {
    let raise = w.log.0[0];
    let mut again = World::new();
    again.run(|e, log| {
        e.trust(2, raise.explanation.since, raise.explanation.limit);
        e.restore(2, w.bindings[2].alarm.open().unwrap());
        for (reading, ms) in shown {
            e.warm(reading, Delivery::Live, now(*ms));
        }
        e.settle(now(at), log);
    });
    again
}

/// It was raised and seen, and what came since fills the lane further back than a start looks.
#[test]
fn a_silence_that_was_seen_long_ago_is_no_word() {
    let mut w = World::started();
    w.value(GAS, 1.0, 1_000);
    w.tick(60_000);
    let silent = |w: &World| w.log.0.iter().filter(|t| t.binding == 3).copied().collect::<Vec<_>>();
    let of = w.log.0.iter().position(|t| t.binding == 3).expect("it is silent");
    w.take(&In::Command(of, ACK, 61_000));
    assert_eq!(silent(&w).iter().map(|t| t.event).collect::<Vec<_>>(), [EventName::Raise, EventName::Acknowledge]);
    let again = restarted_on(&w, 0, 0, 70_000);
    assert!(again.log.0.is_empty(), "its last word is known: {:?}", again.log);
    assert!(again.bindings[3].alarm.active());
}

/// The gateway's clock was ahead, and was set back; then the reading that raised an alarm is lost with the last window. What came
/// before it bears a younger stamp, and is no proof against it all the same.
#[test]
fn a_stamp_of_a_clock_that_was_ahead_ends_no_alarm() {
    let mut w = World::started();
    let stamped = |at: u64, value| Reading { point: GAS, at: now(at).wall, value, quality: Quality::Good };
    let (ahead, lost) = (stamped(25_000, 10.0), stamped(21_000, 30.0));
    w.event(Event::Reading(ahead, Delivery::Live), 20_000);
    w.event(Event::Reading(lost, Delivery::Live), 21_000);
    assert_eq!(w.words(), [(2, "raise", "unacknowledged")]);
    let again = after_the_raise(&w, &[(ahead, 20_000)], 22_000);
    assert!(again.log.0.is_empty(), "{:?}", again.log);
}

/// A device whose clock was set back within the tolerance: what came last is the present, in this run and in the next.
#[test]
fn a_restart_believes_the_order_of_arrival_not_the_stamps() {
    let mut w = World::started();
    let stamped = |at: u64, value| Reading { point: GAS, at: now(at).wall, value, quality: Quality::Good };
    let (first, second) = (stamped(20_000, 10.0), stamped(5_000, 30.0));
    w.event(Event::Reading(first, Delivery::Live), 20_000);
    w.event(Event::Reading(second, Delivery::Live), 21_000);
    assert_eq!(w.words(), [(2, "raise", "unacknowledged")]);
    let again = after_the_raise(&w, &[(first, 20_000), (second, 21_000)], 22_000);
    assert!(again.log.0.is_empty(), "{:?}", again.log);
    assert_eq!(again.points[1].last, second);
}

#[test]
fn time_running_backwards_stands_still() {
    let mut w = World::started();
    w.value(PRESSURE, 0.1, 10_000);
    w.value(PRESSURE, 0.1, 2_000);
    w.tick(14_999);
    assert!(w.log.0.is_empty());
    w.tick(15_000);
    assert_eq!(w.log.0.len(), 1);
}

#[test]
fn commands_for_what_does_not_stand_are_refused() {
    let mut w = World::started();
    let refused = w.run(|e, log| e.handle(Event::Command(Target::Alarm(AlarmId(1)), ACK), now(1), log));
    assert_eq!(refused, Err(Refusal::NoSuchAlarm));
}

/// So many cases, or as many as `PROPTEST_CASES` says; others in every run. What fails is printed whole: no file is kept of it.
fn config(cases: u32) -> ProptestConfig {
    let told = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { cases: told.unwrap_or(cases), failure_persistence: None, ..ProptestConfig::default() }
}

fn inputs() -> impl Strategy<Value = Vec<In>> {
    let point = prop_oneof![3 => Just(PRESSURE), 3 => Just(GAS), 3 => Just(DOOR), 1 => Just(MAINS), 2 => Just(LOOP)];
    let value =
        prop_oneof![Just(0.0), Just(1.0), 0.1..0.3f64, Just(23.0), Just(26.0), Just(47.0), Just(55.0), Just(0.16),];
    // A restart is not told of how long a late word of the life-safety point had been in coming when it was lost.
    let other = prop_oneof![Just(PRESSURE), Just(DOOR), Just(LOOP)];
    let step = prop_oneof![8 => (point.clone(), value.clone()).prop_map(|(p, v)| In::Value(p, v, 0)),
        2 => point.clone().prop_map(|p| In::Bad(p, 0)),
        1 => point.clone().prop_map(|p| In::Stale(p, 0)),
        1 => point.prop_map(|p| In::Copy(p, 0)),
        1 => (other, value, 0..8_000u64).prop_map(|(p, v, by)| In::Late(p, v, by, 0)),
        2 => (0..12usize, persons()).prop_map(|(n, command)| In::Command(n, command, 0)),
        1 => (0..2u16, prop::option::of((mode(), 1..60_000u64))).prop_map(|(area, mode)| In::Mode(area, mode, 0)),
        1 => (0..5usize).prop_map(|n| In::Command(n, ACK, 0)),
        1 => (0..5usize).prop_map(|n| In::Command(n, RESET, 0))];
    timed(step, 1..4_000u64)
}

fn persons() -> impl Strategy<Value = Command> {
    prop_oneof![
        (1..60_000u64, any::<bool>()).prop_map(|(for_ms, one_shot)| Command::Shelve { for_ms, one_shot }),
        Just(Command::Unshelve),
        (1..60_000u64).prop_map(|for_ms| Command::OutOfService { for_ms }),
        Just(Command::ReturnToService),
        Just(Command::Note),
    ]
}

fn mode() -> impl Strategy<Value = ModeName> {
    prop::sample::select(ModeName::ALL.to_vec())
}

/// One after the other, so many milliseconds apart.
fn timed(step: impl Strategy<Value = In>, apart: impl Strategy<Value = u64>) -> impl Strategy<Value = Vec<In>> {
    let pause = prop_oneof![20 => apart, 1 => 30_000..90_000u64];
    prop::collection::vec((step, pause), 1..150).prop_map(|mut steps| {
        let mut now = 0;
        for (step, pause) in &mut steps {
            now += *pause;
            *ms_of_mut(step) = now;
        }
        steps.into_iter().map(|(step, _)| step).collect()
    })
}

/// Few values of every quality, by every way, with stamps that repeat and run back; and people who acknowledge a lot.
fn wild() -> impl Strategy<Value = Vec<In>> {
    let (point, value) =
        (prop_oneof![1 => Just(PRESSURE), 3 => Just(GAS), 1 => Just(DOOR)], prop_oneof![Just(1.0), Just(30.0)]);
    let quality = prop_oneof![4 => Just(Quality::Good), 1 => Just(Quality::Uncertain(Reason::Stale)),
        1 => Just(Quality::Uncertain(Reason::Clock)), 1 => Just(Quality::Bad(Reason::Comm)),
        1 => Just(Quality::Bad(Reason::NotANumber))];
    let how = (quality, prop_oneof![Just(Delivery::Live), Just(Delivery::History)]);
    let step = prop_oneof![
        6 => (point.clone(), value, 0..20u64, how).prop_map(|(p, v, by, how)| In::Stamped(p, v, by * 500, how, 0)),
        2 => point.clone().prop_map(|p| In::Stale(p, 0)),
        2 => point.prop_map(|p| In::Copy(p, 0)),
        4 => (0..5usize).prop_map(|n| In::Command(n, ACK, 0)),
        2 => (0..5usize).prop_map(|n| In::Command(n, RESET, 0))];
    timed(step, prop::sample::select(vec![500u64, 1_000, 5_000]))
}

/// Whether a condition began, rose or ended with it.
fn moved(t: &Transition) -> bool {
    matches!(t.event, EventName::Raise | EventName::Escalate | EventName::Return)
}

/// A new engine on the fold of the transitions and on the readings that the telemetry lane kept.
fn restarted(whole: &World, lost: usize, at: u64) -> World {
    restarted_on(whole, usize::MAX, lost, at)
}

/// The same where only the newest transitions are looked at for what has moved; of an alarm that stands and did not among them
/// its last step tells.
fn restarted_on(whole: &World, newest: usize, lost: usize, at: u64) -> World {
    let mut again = (whole.made)();
    let recent = &whole.log.0[whole.log.0.len().saturating_sub(newest)..];
    for index in 0..whole.bindings.len() {
        let mine = |t: &&Transition| t.binding == index as u32;
        let stands = whole.folded(index as u32).active();
        let itself = || whole.log.0.iter().rfind(mine).filter(|_| stands);
        let last = recent.iter().filter(|t| moved(t)).rfind(mine).or_else(itself);
        again.run(|e, _| {
            for t in recent.iter().filter(mine) {
                e.name(index as u32, t.id, t.onset);
            }
            if let Some(last) = last {
                // A trend is judged a block after its onset; what it was judged by is what counts.
                let judged = last.event == EventName::Return || last.binding == 1;
                let known = if judged { last.occurred } else { last.explanation.since };
                e.trust(index as u32, known, last.explanation.limit);
            }
            if let Some(open) = whole.folded(index as u32).open() {
                e.restore(index as u32, open);
            }
        });
    }
    for (area, of) in whole.areas.iter().enumerate() {
        if let Some(mode) = of.mode() {
            again.run(|e, _| e.resume(area as u16, mode));
        }
    }
    again.shown = whole.shown[..whole.shown.len().saturating_sub(lost)].to_vec();
    for (reading, delivery, ms) in again.shown.clone() {
        again.run(|e, _| e.warm(&reading, delivery, now(ms)));
    }
    for index in 0..whole.bindings.len() as u32 {
        let last = recent.iter().filter(|t| moved(t)).rfind(|t| t.binding == index);
        if let Some(last) = last.filter(|t| t.event == EventName::Return) {
            again.run(|e, _| e.ended(index, last.test.is_some(), last.detected));
        }
    }
    again.run(|e, log| e.settle(now(at), log));
    again
}

/// The log but for since when the first level stands under a second: the alarm lane remembers one onset, not two.
fn told(log: &Log) -> Log {
    let mut log = log.clone();
    // Nor does it remember when a voter was taken out of service.
    for transition in log.0.iter_mut().filter(|t| t.level > 0 || VOTES.contains(&t.binding)) {
        transition.explanation.since = Wall(0);
    }
    log
}

fn ms_of(input: &In) -> u64 {
    *ms_of_mut(&mut input.clone())
}

fn ms_of_mut(input: &mut In) -> &mut u64 {
    match input {
        In::Value(_, _, ms)
        | In::Bad(_, ms)
        | In::Stale(_, ms)
        | In::Copy(_, ms)
        | In::Late(_, _, _, ms)
        | In::Stamped(_, _, _, _, ms)
        | In::Command(_, _, ms)
        | In::Mode(_, _, ms) => ms,
    }
}

/// A new engine that takes over from the old one, on rules that may differ; `shown` is what the new detectors are shown.
fn reloaded(old: &World, change: impl FnOnce(&mut World), shown: &[Shown], at: u64) -> World {
    let mut old = old.clone();
    let mut new = (old.made)();
    change(&mut new);
    new.log = old.log.clone();
    let of = |old: &World, seed| old.bindings.iter().position(|b| b.seed == seed).map(|of| of as u32);
    let fresh: Vec<u32> = (0..new.bindings.len() as u32)
        .filter(|index| {
            let b = new.bindings[*index as usize];
            let was = of(&old, b.seed).map(|of| old.rules[old.bindings[of as usize].rule.0 as usize].params);
            was != Some(new.rules[b.rule.0 as usize].params)
        })
        .collect();
    for index in &fresh {
        let was = of(&old, new.bindings[*index as usize].seed).map(|of| old.bindings[of as usize].alarm);
        if let Some(open) = was.and_then(|alarm| alarm.open()) {
            new.run(|e, _| e.restore(*index, open));
        }
    }
    for (reading, delivery, ms) in shown {
        new.run(|e, _| e.warm(reading, *delivery, now(*ms)));
    }
    new.shown = old.shown.clone();
    let points: Vec<PointId> = new.points.iter().map(|p| p.last.point).collect();
    let pairs: Vec<(u32, Option<u32>)> =
        new.bindings.iter().enumerate().map(|(index, b)| (index as u32, of(&old, b.seed))).collect();
    old.run(|old, _| {
        new.run(|e, log| {
            e.go_on(old);
            for point in points {
                e.take_over_point(old, point);
            }
            for area in 0..2 {
                e.take_over_area(area, old, area);
            }
            let fresh: Vec<_> =
                pairs.into_iter().filter(|(index, of)| !of.is_some_and(|of| e.take_over(*index, old, of))).collect();
            e.gather(now(at));
            for (index, of) in fresh {
                e.take_up(index, of.map(|of| (&*old, of)), now(at), log);
            }
            e.regard_all(now(at), log);
        });
    });
    new
}

/// A word of the gas point.
fn word(value: f64, quality: Quality, ms: u64) -> Shown {
    (Reading { point: GAS, at: now(ms).wall, value, quality }, Delivery::Live, ms)
}

/// The gas rule with these lines, and another of its levels' lines.
fn gas_lines(first: f64, second: f64) -> impl FnOnce(&mut World) {
    let line = |limit: f64, on_ms| limit::Level { limit, clear: limit - 3.0, on_ms, off_ms: 0 };
    let (first, second) = (line(first, 0), Some(line(second, 2_000)));
    move |w: &mut World| w.rules[2].params = Params::Limit(limit::Params { side: Side::High, first, second })
}

#[test]
fn a_new_line_acts_at_once_on_the_present_and_the_alarm_keeps_its_name() {
    let mut w = World::started();
    w.value(GAS, 30.0, 1_000);
    w.take(&In::Command(0, ACK, 2_000));
    let id = w.log.0[0].id;
    let shown = [word(30.0, Quality::Good, 1_000)];

    let higher = reloaded(&w, gas_lines(40.0, 60.0), &shown, 3_000);
    assert_eq!(higher.words()[2..], [(2, "return", "normal")]);
    let lower = reloaded(&w, gas_lines(20.0, 60.0), &shown, 3_000);
    assert_eq!(lower.words().len(), 2, "what was acknowledged stays so");
    let second = reloaded(&w, gas_lines(10.0, 28.0), &shown, 5_000);
    assert_eq!(second.words()[2..], [(2, "escalate", "unacknowledged")]);
    assert_eq!(second.log.0[2].id, id);
    // a present that lacks a value proves nothing
    let unknown = reloaded(&w, gas_lines(40.0, 60.0), &[word(0.0, Quality::Bad(Reason::Timeout), 2_500)], 3_000);
    assert_eq!(unknown.words().len(), 2);
}

#[test]
fn a_new_delay_runs_from_the_word_however_old_it_is() {
    let door = |on_ms| {
        move |w: &mut World| {
            w.rules[4].params = Params::Digital(digital::Params { is: 1.0, negate: false, on_ms, off_ms: 0 });
        }
    };
    let mut w = World::new();
    door(14_400_000)(&mut w);
    w.run(|e, log| e.settle(now(0), log));
    w.value(DOOR, 1.0, 1_000);
    w.value(PRESSURE, 0.4, 3_000_000);
    // What is older than all that is read back is shown last.
    let shown: Vec<Shown> = w.shown.iter().rev().copied().collect();
    let again = reloaded(&w, door(600_000), &shown, 3_600_000);
    let raised = again.log.0.iter().find(|t| t.binding == 4).expect("it has been open for an hour");
    assert_eq!((raised.onset, raised.detected.mono), (now(1_000).wall, now(3_600_000).mono));
}

#[test]
fn a_new_rule_on_a_value_that_is_beyond_it_is_an_alarm() {
    let mut w = World::started();
    w.value(GAS, 24.0, 1_000);
    let again = reloaded(&w, gas_lines(20.0, 60.0), &[word(24.0, Quality::Good, 1_000)], 3_000);
    assert_eq!(again.words(), [(2, "raise", "unacknowledged")]);
    assert_eq!(again.log.0[0].onset, now(1_000).wall);
}

proptest! {
    #![proptest_config(config(512))]

    /// The same rules again, at any point of any log and as often as one likes: the outputs are the same to the byte.
    #[test]
    fn a_reload_of_the_same_rules_changes_nothing(inputs in inputs(), cuts in prop::collection::vec((0..150usize, 0..9_000u64), 0..6)) {
        let mut whole = World::started();
        let mut again = World::started();
        for (index, input) in inputs.iter().enumerate() {
            for (_, late) in cuts.iter().filter(|(cut, _)| *cut == index) {
                let before = index.checked_sub(1).and_then(|i| inputs.get(i)).map_or(0, ms_of);
                let at = (before + late).min(ms_of(input));
                again.tick(at);
                again = reloaded(&again, |_| {}, &[], at);
            }
            whole.take(input);
            again.take(input);
        }
        let end = inputs.last().map_or(0, ms_of) + 3_600_000;
        whole.tick(end);
        again.tick(end);
        prop_assert_eq!(differ(&whole.log, &again.log), None);
        prop_assert_eq!(&whole.log, &again.log);
        prop_assert_eq!(format!("{:?}", whole.log), format!("{:?}", again.log));
    }

    /// Votes and groups count what stands, at any time: to count them anew changes nothing.
    #[test]
    fn to_count_anew_changes_nothing(inputs in inputs()) {
        let mut world = World::started();
        for input in &inputs {
            world.take(input);
            let mut again = world.clone();
            again.run(|e, _| e.gather(now(ms_of(input))));
            prop_assert_eq!((&world.votes, &world.groups), (&again.votes, &again.groups));
        }
    }

    /// One rule of one point changes: all others say what they would have said, at the same times.
    #[test]
    fn a_changed_rule_is_its_own_affair(inputs in inputs(), cut in 0..150usize, first in 5.0..49.0f64) {
        let cut = cut.min(inputs.len());
        let (before, after) = inputs.split_at(cut);
        let not_by_number = |i: &&In| !matches!(i, In::Command(..));
        let at = before.last().map_or(0, ms_of);
        let mut whole = World::started();
        before.iter().filter(not_by_number).for_each(|input| whole.take(input));
        // What is due speaks by the old rules.
        whole.tick(at);
        let mut again = reloaded(&whole, gas_lines(first, 50.0), &whole.shown, at);
        for input in after.iter().filter(not_by_number) {
            whole.take(input);
            again.take(input);
        }
        // Not those that hang on it: what it votes for, and which of its group came first.
        let other = |t: &&Transition| t.binding != 2 && !VOTES.contains(&t.binding);
        let alone = |t: &Transition| Transition { first: false, ..*t };
        let others = |w: &World| w.log.0.iter().filter(other).map(alone).collect::<Vec<_>>();
        prop_assert_eq!(others(&whole), others(&again));
    }

    /// A rule that is changed back at once stands where a restart would have it: nothing rings by that.
    #[test]
    fn a_rule_that_is_new_again_rings_nothing(inputs in inputs()) {
        let at = inputs.last().map_or(0, ms_of);
        let mut whole = World::started();
        for input in &inputs {
            whole.take(input);
        }
        whole.tick(at);
        // the old engine's rule passes for another one: its detector is made anew and shown all again
        let mut odd = whole.clone();
        odd.rules[2].params = Params::Limit(limit::Params { second: None, ..limit_of(&whole.rules[2]) });
        let again = reloaded(&odd, |_| {}, &whole.shown, at);
        prop_assert_eq!(again.log.0.len(), whole.log.0.len());
    }
}

fn limit_of(rule: &Rule) -> limit::Params {
    let Params::Limit(params) = rule.params else { panic!("the gas rule is a limit") };
    params
}

/// The first transitions in which two logs differ.
fn differ(a: &Log, b: &Log) -> Option<(Option<Transition>, Option<Transition>)> {
    let longest = a.0.len().max(b.0.len());
    let pairs = (0..longest).map(|i| (a.0.get(i).copied(), b.0.get(i).copied()));
    pairs.into_iter().find(|(a, b)| a != b)
}

proptest! {
    #![proptest_config(config(512))]

    /// However often and however late the timer wakes, the outputs are the same to the bit.
    #[test]
    fn the_log_alone_determines_the_outputs(inputs in inputs(), wakes in prop::collection::vec(0..600_000u64, 0..60)) {
        let mut punctual = World::started();
        let mut lazy = World::started();
        let mut wakes = wakes;
        wakes.sort_unstable();
        let mut wakes = wakes.into_iter().peekable();
        for input in &inputs {
            lazy.take(input);
            while let Some(due) = punctual.run(|e, _| e.next_deadline()).filter(|d| d.0 - BASE <= ms_of(input)) {
                punctual.tick(due.0 - BASE);
            }
            while let Some(wake) = wakes.next_if(|w| *w <= ms_of(input)) {
                punctual.tick(wake);
            }
            punctual.take(input);
        }
        let end = inputs.last().map_or(0, ms_of) + 3_600_000;
        lazy.tick(end);
        punctual.tick(end);
        prop_assert_eq!(differ(&punctual.log, &lazy.log), None);
        prop_assert_eq!(&punctual.log, &lazy.log);
        let states = |w: &World| w.bindings.iter().map(|b| b.alarm).collect::<Vec<_>>();
        prop_assert_eq!(states(&punctual), states(&lazy));
    }

    /// No transition is lost or invented: numbers count up by one within an alarm, and the fold is the state.
    #[test]
    fn the_fold_of_the_transitions_is_the_state(inputs in inputs()) {
        let mut w = World::started();
        for input in &inputs {
            w.take(input);
        }
        for (index, binding) in w.bindings.iter().enumerate() {
            let mine: Vec<_> = w.log.0.iter().filter(|t| t.binding == index as u32).collect();
            for pair in mine.windows(2) {
                if pair[0].state == StateName::Normal {
                    prop_assert_eq!(pair[1].number, 1);
                    let begins = matches!(pair[1].event, EventName::Raise | EventName::Shelve | EventName::OutOfService);
                    prop_assert!(begins, "{:?}", pair[1]);
                } else {
                    prop_assert_eq!((pair[1].id, pair[1].number), (pair[0].id, pair[0].number + 1));
                }
            }
            prop_assert_eq!(mine.last().map_or(StateName::Normal, |t| t.state), binding.alarm.name());
            prop_assert_eq!(w.folded(index as u32), binding.alarm);
        }
    }

    /// A receiver may drop a key that it knows: (id, number) names one transition for ever, whatever comes and goes, and
    /// whatever was forgotten in a restart but what the alarm lane holds.
    #[test]
    fn no_key_is_given_out_twice(inputs in wild(), cut in 0..150usize) {
        let (before, after) = inputs.split_at(cut.min(inputs.len()));
        let mut whole = World::started();
        for input in before {
            whole.take(input);
        }
        let mut again = restarted(&whole, 0, before.last().map_or(0, ms_of));
        let mut keys = std::collections::HashSet::new();
        for t in &whole.log.0 {
            prop_assert!(keys.insert((t.id, t.number)), "{t:?}");
        }
        for input in after {
            again.take(input);
        }
        for t in &again.log.0 {
            prop_assert!(keys.insert((t.id, t.number)), "{t:?}");
        }
    }

    /// No absence returns while silence is overdue, but by a word of the point that came live or is newer than its last.
    #[test]
    fn a_silence_ends_with_a_word(inputs in wild()) {
        let mut w = World::started();
        let (mut heard, mut newest) = (0, now(0).wall);
        for input in &inputs {
            let before = w.shown.len();
            let known = w.log.0.len();
            w.take(input);
            let Some(&(reading, delivery, ms)) = w.shown.get(before) else { continue };
            if reading.point != GAS {
                continue;
            }
            let present = w.points[GAS.0 as usize].last == reading;
            let newer = present && reading.quality == Quality::Good && reading.at > newest;
            if reading.quality.is_word() && (delivery == Delivery::Live || newer) {
                (heard, newest) = (ms, reading.at);
            }
            let returned = w.log.0[known..].iter().any(|t| t.binding == 3 && t.event == EventName::Return);
            prop_assert!(!returned || ms - heard < 30_000, "{reading:?} at {ms}, heard at {heard}");
        }
    }

    /// Killed at any point and started again on the fold and the readings: nothing is pushed anew, and what follows is
    /// the same as if nothing had happened.
    #[test]
    fn a_restart_changes_nothing(inputs in inputs(), cut in 0..150usize) {
        let cut = cut.min(inputs.len());
        let (before, after) = inputs.split_at(cut);
        let mut whole = World::started();
        for input in before {
            whole.take(input);
        }
        let at = before.last().map_or(0, ms_of);

        let mut again = restarted(&whole, 0, at);
        prop_assert_eq!(&again.log, &Log::default());

        whole.log = Log::default();
        for input in after {
            whole.take(input);
            again.take(input);
        }
        prop_assert_eq!(differ(&told(&again.log), &told(&whole.log)), None, "{:?}", inputs);
    }

    /// Killed while the outputs of one input were being written: what follows from those that were is made up for at the start,
    /// to the bit. Of a person's command the first is its answer: a person whose command is not on record was told nothing.
    #[test]
    fn a_restart_makes_up_for_what_was_torn_off(inputs in inputs(), cut in 1..150usize, lost in 1..8usize) {
        let cut = cut.min(inputs.len());
        let (before, last) = inputs[..cut].split_at(cut - 1);
        let mut whole = World::started();
        for input in before {
            whole.take(input);
        }
        let at = ms_of(&last[0]);
        whole.tick(at);
        let (known, modes) = (whole.log.0.len(), whole.log.1.len());
        whole.take(&last[0]);
        let own = usize::from(matches!(last[0], In::Command(..)) && whole.log.0.len() > known);
        let mut torn = whole.clone();
        torn.log.0.truncate(whole.log.0.len().saturating_sub(lost).max(known + own));
        prop_assert!(whole.log.1.len() <= modes + 1, "a mode is told before what follows from it");

        let mut again = restarted(&torn, 0, at);
        // A vote whose end was torn off ends with the next word of its voters: what they said before it began is no proof.
        for Reading { point, value, quality, .. } in whole.points.clone().into_iter().filter(|p| p.heard).map(|p| p.last) {
            for world in [&mut whole, &mut again] {
                world.take(&In::Stamped(point, value, 0, (quality, Delivery::Live), at));
            }
        }
        for (index, (b, of)) in again.bindings.iter().zip(&whole.bindings).enumerate() {
            // Until that word it goes on standing, and is real where its mode is over by then.
            let was_test = torn.folded(index as u32).standing().is_some_and(|stands| stands.test.is_some());
            if VOTES.contains(&(index as u32)) && was_test && !of.alarm.active() {
                prop_assert_eq!(b.alarm.name(), of.alarm.name());
                continue;
            }
            prop_assert_eq!(b.alarm, of.alarm, "{}: {:?} {:?} {:?}", index, whole.words(), torn.words(), again.words());
        }
    }

    /// An alarm that stands and did not move among the transitions that a start looks at tells of itself: it neither returns
    /// nor comes again.
    #[test]
    fn a_standing_alarm_tells_of_itself(inputs in inputs(), newest in 0..20usize, lost in prop_oneof![Just(0), 1..20usize]) {
        let mut whole = World::started();
        for input in &inputs {
            whole.take(input);
        }
        let again = restarted_on(&whole, newest, lost, inputs.last().map_or(0, ms_of));
        // A vote is counted anew from its voters.
        let stood = |t: &&Transition| whole.folded(t.binding).active() && !VOTES.contains(&t.binding);
        for t in again.log.0.iter().filter(|t| moved(t)).filter(stood) {
            prop_assert!(lost > 0 && t.event != EventName::Return, "{:?} after {:?}", t, whole.words());
        }
    }

    /// A power cut loses the telemetry's last window but no transition: no alarm returns by that, and none that was over
    /// comes again on readings that are older than its end.
    #[test]
    fn a_lost_tail_is_no_proof(inputs in inputs(), lost in 1..20usize) {
        let mut whole = World::started();
        for input in &inputs {
            whole.take(input);
        }
        let again = restarted(&whole, lost, inputs.last().map_or(0, ms_of));
        // A vote is counted anew from its voters; what the lost window said of their health is lost with it.
        for transition in again.log.0.iter().filter(|t| !VOTES.contains(&t.binding)).filter(|t| moved(t)) {
            prop_assert!(transition.event != EventName::Return, "{transition:?}");
            let over = |t: &&Transition| t.event == EventName::Return && t.binding == transition.binding;
            let before = whole.log.0.iter().rfind(over);
            let began = transition.occurred.max(transition.explanation.since);
            prop_assert!(before.is_none_or(|t| t.occurred <= began), "{transition:?} after {before:?}");
        }
    }
}
