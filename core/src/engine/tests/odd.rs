//! Bad input: times that make no sense, tables that a configuration would refuse, commands for what is not there. Nothing
//! panics, nothing goes round for ever, and each is handled as its text says.

use super::*;
use crate::alarm::{AlarmId, EventName};
use crate::detect::{digital, limit, vote};
use crate::reading::{PointId, RuleId};
use crate::time::Wall;

const DAY: u64 = 86_400_000;

fn good(point: PointId, value: f64, at: Wall) -> Event {
    Event::Reading(Reading { point, at, value, quality: Quality::Good }, Delivery::Live)
}

fn answer(w: &mut World, event: Event, ms: u64) -> Result<(), Refusal> {
    w.run(|e, log| e.handle(event, now(ms), log))
}

/// A wall clock that steps, by an hour or by years, moves no timer: durations run on the counter.
#[test]
fn a_clock_step_is_no_deadline() {
    for step in [-1_700_000_000_000, -3_600_000, 3_600_000, 1 << 50] {
        let mut w = World::started();
        let stepped = |ms: u64| Now { wall: Wall(now(ms).wall.0 + step), ..now(ms) };
        w.value(PRESSURE, 0.1, 1_000);
        w.run(|e, log| e.handle(Event::Tick, stepped(5_999), log)).expect("a tick is never refused");
        assert!(w.log.0.is_empty(), "step {step}");
        w.run(|e, log| e.handle(good(PRESSURE, 0.1, stepped(6_000).wall), stepped(6_000), log)).expect("nor a reading");
        assert_eq!(w.words(), [(0, "raise", "unacknowledged")], "step {step}");
        assert_eq!(w.log.0[0].detected.mono, now(6_000).mono);
    }
}

/// A counter that runs back stands still; an event that comes twice says nothing new; days without one are days.
#[test]
fn backwards_twice_and_days_later() {
    let mut w = World::started();
    w.value(GAS, 30.0, 10_000);
    for ms in [10_000, 9_000, 0, 10_000] {
        w.value(GAS, 30.0, ms);
    }
    assert_eq!(w.words(), [(2, "raise", "unacknowledged")]);
    w.tick(30 * DAY);
    let silence: Vec<_> = w.log.0.iter().filter(|t| t.binding == 3).map(|t| (t.event, t.detected)).collect();
    assert_eq!(silence, [(EventName::Raise, now(40_000))], "from the last word, however late the timer woke");
    let said = w.log.0.len();
    w.tick(10_000);
    assert_eq!((w.log.0.len(), w.counter()), (said, now(30 * DAY).mono));
}

/// All that a person left to end by itself ends at its own time, in order, though nobody woke for a month.
#[test]
fn what_has_an_end_ends_though_nobody_woke() {
    let mut w = World::started();
    w.value(DOOR, 1.0, 0);
    w.tick(10_000);
    w.take(&In::Command(0, ACK, 11_000));
    w.take(&In::Command(4, Command::Shelve { for_ms: 60_000, one_shot: false }, 12_000));
    w.take(&In::Command(4, Command::OutOfService { for_ms: 600_000 }, 13_000));
    w.take(&In::Mode(0, Some((ModeName::Drill, 300_000)), 14_000));
    let before = w.log.0.len();
    w.tick(30 * DAY);
    let of_door: Vec<_> = w.log.0[before..].iter().filter(|t| t.binding == 4).collect();
    let seen: Vec<_> = of_door.iter().map(|t| (t.event, t.state.letter(), t.detected.mono.0 - BASE)).collect();
    assert_eq!(seen, [(EventName::Unshelve, 'I', 72_000), (EventName::ReturnToService, 'B', 613_000)]);
    assert_eq!(w.log.1.last().map(|m| (m.change, m.at)), Some((Change::Expired, now(314_000))));
}

/// A delay without an end is never over; it keeps nobody awake.
#[test]
fn a_delay_without_an_end_is_never_over() {
    let mut w = World::new();
    let forever = limit::Level { limit: 1.0, clear: 0.0, on_ms: u64::MAX, off_ms: u64::MAX };
    w.rules[2].params = Params::Limit(limit::Params { side: limit::Side::High, first: forever, second: None });
    w.run(|e, log| e.settle(now(0), log));
    w.value(GAS, 30.0, 1_000);
    w.tick(1 << 50);
    assert!(w.log.0.iter().all(|t| t.binding != 2));
}

/// Limits that contradict themselves: danger decides.
#[test]
fn between_two_truths_danger_is_taken() {
    let mut w = World::new();
    let crossed = limit::Level { limit: 10.0, clear: 90.0, on_ms: 0, off_ms: 0 };
    w.rules[2].params = Params::Limit(limit::Params { side: limit::Side::High, first: crossed, second: None });
    w.run(|e, log| e.settle(now(0), log));
    w.value(GAS, 50.0, 1_000);
    w.value(GAS, f64::NAN, 2_000);
    assert_eq!(w.words(), [(2, "raise", "unacknowledged")], "neither safe nor not: it stands");
}

/// The rule of the door votes for itself by way of the vote that is shown on it, which votes for itself; and the wires are
/// more than the voters, or lead nowhere.
#[test]
fn votes_in_a_ring_come_to_rest() {
    let mut w = World::new();
    let mut lay = |from, to, voter| {
        let len = w.wires.len();
        let wire = Wire::lay(&mut w.bindings, len, from, to, voter);
        w.wires.extend(wire);
        wire.is_some()
    };
    assert!(lay(VOTE, VOTE, 2) && lay(VOTE, 10, 1) && lay(10, VOTE, 1) && lay(10, 11, 0) && lay(11, 10, 0));
    assert!(lay(0, VOTE, 15) && lay(0, VOTE, 16) && lay(0, VOTE, 255) && lay(0, 999, 0) && lay(0, 4, 0));
    assert!(!lay(999, VOTE, 0), "nobody votes from nowhere");
    w.run(|e, log| e.settle(now(0), log));
    for (nth, value) in [0.0, 30.0, 1.0, 30.0, 0.0, 1.0].into_iter().enumerate() {
        for (of, point) in [PRESSURE, GAS, DOOR, LOOP, MAINS].into_iter().enumerate() {
            w.value(point, value, nth as u64 * 20_000 + of as u64);
            w.take(&In::Bad(point, nth as u64 * 20_000 + 10_000 + of as u64));
        }
    }
    w.tick(DAY);
    assert!(w.log.0.len() < 1_000, "{} transitions of 60 readings", w.log.0.len());
}

#[test]
fn a_vote_without_voters_is_silent() {
    let mut w = World::new();
    let Params::Vote(params) = w.rules[5].params else { panic!("rule 5 is a vote") };
    w.rules[5].params = Params::Vote(vote::Params { need: 0, of: 0, ..params });
    w.run(|e, log| e.settle(now(0), log));
    for point in [PRESSURE, GAS, DOOR] {
        w.value(point, if point == PRESSURE { 0.0 } else { 30.0 }, 1_000);
    }
    w.value(DOOR, 1.0, 2_000);
    w.tick(60_000);
    assert!(w.log.0.iter().all(|t| t.binding != VOTE));
}

/// Groups that hide each other, or the same binding twice, or are none: no list goes round, each alarm says what lies over it.
#[test]
fn groups_in_a_ring_come_to_rest() {
    let mut w = World::new();
    for group in [0, 0, 2, 999] {
        Group::hide(&mut w.groups, &mut w.bindings, group);
        Group::hide(&mut w.groups, &mut w.bindings, group);
    }
    // The last binding is in the first group now; the mains hide it, and it, and itself by way of the door, hides the mains.
    w.bindings[11] = w.bindings[11].hiding(Some(0)).first_in(Some(999));
    w.run(|e, log| e.settle(now(0), log));
    w.value(MAINS, 1.0, 1_000);
    w.value(PRESSURE, 0.0, 2_000);
    w.value(DOOR, 1.0, 3_000);
    w.tick(60_000);
    let last = |binding| w.log.0.iter().rfind(|t| t.binding == binding).map(|t| t.state.letter());
    assert_eq!((last(7), last(0), last(11)), (Some('B'), Some('H'), Some('H')), "{:?}", w.words());
}

/// A point, a rule, a slot, an area that are not there.
#[test]
fn what_is_not_there_says_nothing() {
    let mut w = World::new();
    w.points[3] = Point::new(MAINS, 7, 1).in_area(40_000);
    w.bindings[1] = Binding::new(RuleId(99), PRESSURE, 1, 0);
    w.bindings[6] = Binding::new(RuleId(6), DOOR, 1, 99);
    w.rules[3].params = Params::Digital(digital::Params { is: 0.0, negate: false, on_ms: 0, off_ms: 0 });
    w.bindings[3] = Binding::new(RuleId(3), GAS, 1, 99);
    w.run(|e, log| e.settle(now(0), log));
    assert_eq!(answer(&mut w, good(PointId(99), 1.0, Wall(0)), 1), Ok(()));
    for point in [PRESSURE, GAS, DOOR, MAINS] {
        w.value(point, 1.0, 1_000);
    }
    assert_eq!(w.words(), [(7, "raise", "unacknowledged")], "what is there speaks");
    assert_eq!(w.log.0[0].test, None, "an area that is not there is in no mode");
    w.run(|e, _| e.resume(40_000, Mode { name: ModeName::Drill, until: now(5).mono }));
    w.run(|e, _| {
        (e.enlist(99), e.ended(99, false, now(1)), e.trust(99, Wall(1), None), e.name(99, AlarmId(1), Wall(1)))
    });
    w.tick(DAY);
}

#[test]
fn a_mode_is_begun_once_in_an_area_that_is_there_and_has_an_end() {
    let mut w = World::started();
    let begin = |area, for_ms| Event::Begin { area, mode: ModeName::WalkTest, for_ms };
    let max = Policy::default().max_mode_ms;
    assert_eq!(answer(&mut w, begin(2, 1_000), 1), Err(Refusal::NoSuchArea));
    assert_eq!(answer(&mut w, Event::End { area: u16::MAX }, 1), Err(Refusal::NoSuchArea));
    assert_eq!(answer(&mut w, begin(1, 0), 1), Err(Refusal::NoEnd));
    assert_eq!(answer(&mut w, begin(1, max + 1), 1), Err(Refusal::TooLong(max)));
    assert_eq!(answer(&mut w, Event::End { area: 1 }, 1), Err(Refusal::NoModeRuns));
    assert_eq!(answer(&mut w, begin(1, max), 1), Ok(()));
    assert_eq!(answer(&mut w, begin(1, 1_000), 2), Err(Refusal::ModeRuns));
    assert_eq!(w.log.1.len(), 1, "what is refused changes nothing");
}

/// Areas as many as can be numbered: the last one's mode ends too.
#[test]
fn the_last_area_of_all_has_an_end() {
    let mut w = World::new();
    w.areas = vec![Area::default(); 1 << 16];
    w.run(|e, log| e.settle(now(0), log));
    assert_eq!(answer(&mut w, Event::Begin { area: u16::MAX, mode: ModeName::Drill, for_ms: 10 }, 1), Ok(()));
    w.tick(1_000);
    assert_eq!(w.log.1.iter().map(|m| m.change).collect::<Vec<_>>(), [Change::Begun, Change::Expired]);
}

#[test]
fn a_command_for_an_alarm_that_is_gone_is_refused() {
    let mut w = World::started();
    w.value(GAS, 30.0, 1_000);
    let id = w.log.0[0].id;
    w.value(GAS, 0.0, 2_000);
    w.take(&In::Command(0, ACK, 3_000));
    let all = [ACK, Command::Reset, Command::Unshelve, Command::ReturnToService, Command::Note];
    let veils = [Command::Shelve { for_ms: 1, one_shot: true }, Command::OutOfService { for_ms: 1 }];
    let before = w.log.clone();
    for command in all.into_iter().chain(veils) {
        for target in [Target::Alarm(id), Target::Alarm(AlarmId(0)), Target::Binding(12), Target::Binding(u32::MAX)] {
            let told = answer(&mut w, Event::Command(target, command), 4_000);
            assert_eq!(told, Err(Refusal::NoSuchAlarm), "{command:?} {target:?}");
        }
    }
    assert_eq!(w.log, before, "what is refused changes nothing");
}

/// On a walk a silent point is not one that was tripped, nor is one that others voted on.
#[test]
fn a_walk_test_counts_what_was_tripped() {
    let mut w = World::started();
    w.take(&In::Mode(0, Some((ModeName::WalkTest, 3_600_000)), 1_000));
    w.value(GAS, 1.0, 1_000);
    w.tick(60_000);
    assert!(w.words().contains(&(3, "raise", "unacknowledged")) && !w.points[GAS.0 as usize].tripped, "it was lost");
    w.value(GAS, 30.0, 61_000);
    w.value(PRESSURE, 0.0, 61_000);
    w.tick(70_000);
    assert!(w.words().contains(&(VOTE, "raise", "unacknowledged")) && !w.points[DOOR.0 as usize].tripped, "by others");
    assert!(w.points[GAS.0 as usize].tripped && !w.points[PRESSURE.0 as usize].tripped, "pressure is in another area");
}

/// What was latched by a test and comes again after it is no test.
#[test]
fn a_signal_after_the_test_is_real() {
    let mut w = World::started();
    w.take(&In::Mode(0, Some((ModeName::WalkTest, 60_000)), 1_000));
    w.value(DOOR, 1.0, 2_000);
    w.tick(12_000);
    w.value(DOOR, 0.0, 13_000);
    w.tick(70_000);
    w.value(DOOR, 1.0, 80_000);
    w.tick(90_000);
    let of_door: Vec<_> = w.log.0.iter().filter(|t| t.binding == 4).map(|t| (t.event, t.test)).collect();
    let test = Some(ModeName::WalkTest);
    assert_eq!(of_door, [(EventName::Raise, test), (EventName::Return, test), (EventName::Raise, None)]);
}
