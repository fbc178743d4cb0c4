//! Scenarios of what lies over alarms and what hangs between them.

use super::*;
use crate::alarm::EventName;
use crate::alarm::state::Refusal;

fn last(w: &World, binding: u32) -> Transition {
    *w.log.0.iter().rfind(|t| t.binding == binding).expect("it said something")
}

#[test]
fn what_is_explained_is_hidden_and_comes_back_when_it_is_not() {
    let mut w = World::started();
    w.value(MAINS, 1.0, 1_000);
    w.value(PRESSURE, 0.1, 2_000);
    w.tick(8_000);
    w.value(MAINS, 0.0, 9_000);
    let expected = [(7, "raise", "unacknowledged"), (0, "raise", "suppressed"), (7, "return", "returned")];
    assert_eq!(w.words(), expected, "it may return as well");
    w.tick(13_999);
    assert_eq!(w.words().len(), 3);
    w.tick(14_000);
    assert_eq!(w.words()[3..], [(0, "unsuppress", "unacknowledged")]);
}

/// One message says that the mains are back and the loop is whole; by its order, the cause comes first.
#[test]
fn what_returns_with_its_cause_does_not_ring() {
    let mut w = World::started();
    w.value(MAINS, 1.0, 1_000);
    w.value(LOOP, 1.0, 1_000);
    w.tick(6_000);
    let expected = [(7, "raise", "unacknowledged"), (8, "raise", "suppressed")];
    assert_eq!(w.words(), expected);
    w.value(MAINS, 0.0, 9_000);
    w.value(LOOP, 0.0, 9_000);
    w.tick(60_000);
    let after: Vec<_> = w.words().into_iter().filter(|(b, ..)| *b == 8).collect();
    assert_eq!(after[1..], [(8, "return", "suppressed"), (8, "unsuppress", "normal")], "{:?}", w.words());
}

/// What comes while the cause is over, and not its consequence any more, rings at once; and a cause that is put aside while what
/// it hid waits to be released hides nothing.
#[test]
fn a_cause_that_is_over_hides_nothing_new() {
    let mut w = World::started();
    w.value(MAINS, 1.0, 1_000);
    w.value(LOOP, 1.0, 1_000);
    w.value(PRESSURE, 0.1, 6_500);
    w.value(MAINS, 0.0, 9_000);
    w.tick(13_900);
    assert_eq!((last(&w, 8).state, last(&w, 0).state), (StateName::Suppressed, StateName::Unacknowledged));
    w.value(MAINS, 1.0, 13_950);
    w.tick(30_000);
    assert_eq!((last(&w, 8).state, last(&w, 0).state), (StateName::Suppressed, StateName::Suppressed), "it is back");
    w.event(Event::Command(Target::Binding(7), Command::OutOfService { for_ms: 60_000 }), 31_000);
    assert_eq!((last(&w, 8).state, last(&w, 0).state), (StateName::Unacknowledged, StateName::Unacknowledged));
}

#[test]
fn a_vote_hears_its_voters() {
    let mut w = World::started();
    w.value(GAS, 30.0, 1_000);
    w.value(DOOR, 1.0, 2_000);
    w.tick(12_000);
    assert!(w.words().contains(&(VOTE, "raise", "unacknowledged")), "{:?}", w.words());
}

#[test]
fn a_shelf_has_an_end_and_what_stands_then_rings() {
    let mut w = World::started();
    w.value(DOOR, 1.0, 0);
    w.tick(10_000);
    w.take(&In::Command(0, ACK, 11_000));
    let shelve = |for_ms| Event::Command(Target::Binding(4), Command::Shelve { for_ms, one_shot: false });
    let refused = |w: &mut World, event| w.run(|e, log| e.handle(event, now(12_000), log));
    assert_eq!(refused(&mut w, shelve(0)), Err(Refusal::NoEnd));
    assert_eq!(refused(&mut w, shelve(9 * 3_600_000)), Err(Refusal::TooLong(8 * 3_600_000)));
    w.event(shelve(5_000), 12_000);
    w.tick(17_000);
    let of_door: Vec<_> = w.words().into_iter().filter(|(b, ..)| *b == 4).map(|(_, e, s)| (e, s)).collect();
    assert_eq!(of_door[2..], [("shelve", "shelved"), ("unshelve", "unacknowledged")]);
    assert_eq!(w.log.0.iter().filter(|t| t.event == EventName::Unshelve).count(), 1);
}

#[test]
fn a_test_hides_nothing_that_is_real_and_votes_nowhere_else() {
    let mut w = World::started();
    // The mains stand in area 0, which is walked; the pressure in area 1 is not.
    w.take(&In::Mode(0, Some((ModeName::WalkTest, 60_000)), 500));
    w.value(MAINS, 1.0, 1_000);
    w.value(PRESSURE, 0.1, 2_000);
    w.tick(8_000);
    assert_eq!(last(&w, 7).test, Some(ModeName::WalkTest));
    assert_eq!((last(&w, 0).state, last(&w, 0).test), (StateName::Unacknowledged, None));
    // Over: the mains are off for real, and explain it.
    w.take(&In::Mode(0, None, 9_000));
    assert_eq!((last(&w, 7).event, last(&w, 7).test), (EventName::Raise, None));
    assert_eq!(last(&w, 0).state, StateName::Suppressed);
}

/// The door stands open as a test, in a walk-test that ends by itself after a minute.
fn tested_door() -> World {
    let mut w = World::started();
    w.take(&In::Mode(0, Some((ModeName::WalkTest, 60_000)), 500));
    w.value(DOOR, 1.0, 1_000);
    w.tick(12_000);
    assert_eq!(last(&w, 4).test, Some(ModeName::WalkTest));
    w
}

/// Killed between the record of a mode's end and the raises that follow; or on a site file that has the area no more.
#[test]
fn a_test_does_not_outlast_its_mode_in_a_restart() {
    let mut torn = tested_door();
    torn.areas = vec![Area::default(); 2];
    let again = restarted(&torn, 0, 20_000);
    assert_eq!((again.words(), last(&again, 4).test), (vec![(4, "raise", "unacknowledged")], None));
}

#[test]
fn a_test_does_not_outlast_its_mode_where_other_rules_move_its_point() {
    let w = tested_door();
    let moved = reloaded(&w, |new| new.points[2] = Point::new(DOOR, 4, 3).in_area(1), &w.shown, 13_000);
    assert_eq!((last(&moved, 4).event, last(&moved, 4).test), (EventName::Raise, None));
    // Where it stays in its area it stays a test.
    let same = reloaded(&w, |_| {}, &w.shown, 13_000);
    assert_eq!(same.log, w.log);
}

/// The mains are off, and hide the alarm of low pressure.
fn explained() -> World {
    let mut w = World::started();
    w.value(MAINS, 1.0, 1_000);
    w.value(PRESSURE, 0.1, 2_000);
    w.tick(8_000);
    assert_eq!(last(&w, 0).state, StateName::Suppressed);
    w
}

/// What is done to the mains.
type Deed<'a> = &'a dyn Fn(&mut World);

/// A cause that nobody is told of, or that rests on a value that is lost, would keep critical alarms quiet for weeks.
#[test]
fn a_cause_that_is_put_aside_or_lost_hides_nothing() {
    let out = |w: &mut World| w.take(&In::Command(7, Command::OutOfService { for_ms: 60_000 }, 9_000));
    let back = |w: &mut World| w.tick(69_000);
    let shelve = |w: &mut World| w.take(&In::Command(7, Command::Shelve { for_ms: 60_000, one_shot: false }, 9_000));
    let lose = |w: &mut World| w.take(&In::Bad(MAINS, 9_000));
    let find = |w: &mut World| w.value(MAINS, 1.0, 69_000);
    let ways: [(Deed<'_>, Deed<'_>); 3] = [(&out, &back), (&shelve, &back), (&lose, &find)];
    for (way, (go, come)) in ways.into_iter().enumerate() {
        let mut w = explained();
        go(&mut w);
        assert_eq!(last(&w, 0).state, StateName::Unacknowledged, "way {way}: {:?}", w.words());
        let again = restarted(&w, 0, 10_000);
        assert_eq!(again.words(), [], "way {way}, after a restart");
        come(&mut w);
        assert_eq!(last(&w, 0).state, StateName::Suppressed, "way {way}: {:?}", w.words());
    }
}

/// The loop's break is the danger: that it says nothing is what it says.
#[test]
fn where_the_lack_is_the_danger_it_explains() {
    let mut w = World::started();
    w.take(&In::Bad(LOOP, 1_000));
    w.value(DOOR, 1.0, 2_000);
    w.tick(13_000);
    assert_eq!((last(&w, 8).state, last(&w, 4).state), (StateName::Unacknowledged, StateName::Suppressed));
}

/// One record, that no kill can come between: the shelf does not outlast its one shot.
#[test]
fn a_return_ends_a_one_shot_shelf_itself() {
    let mut w = World::started();
    w.value(GAS, 30.0, 1_000);
    w.event(Event::Command(Target::Binding(2), Command::Shelve { for_ms: 8 * 3_600_000, one_shot: true }), 2_000);
    w.value(GAS, 1.0, 3_000);
    let over = last(&w, 2);
    assert_eq!((over.event, over.state, over.veils.shelf), (EventName::Return, StateName::Normal, None));
    let mut again = restarted(&w, 0, 4_000);
    again.value(GAS, 30.0, 5_000);
    assert_eq!(last(&again, 2).state, StateName::Unacknowledged);
}

/// A test is no cause of what is real; once it is real it may be the first.
#[test]
fn a_test_is_not_the_first_out() {
    let mut w = World::started();
    w.points[1] = Point::new(GAS, 2, 2).in_area(1);
    w.take(&In::Mode(0, Some((ModeName::WalkTest, 600_000)), 500));
    w.value(DOOR, 1.0, 1_000);
    w.tick(12_000);
    assert_eq!((last(&w, 4).test, last(&w, 4).first), (Some(ModeName::WalkTest), false));
    w.value(GAS, 30.0, 13_000);
    assert_eq!((last(&w, 2).test, last(&w, 2).first), (None, true));
    w.take(&In::Mode(0, None, 14_000));
    assert_eq!((last(&w, 4).test, last(&w, 4).first), (None, false), "the gas was before it");
}

/// A reload, or a restart on another site file: the gas may not lie on a shelf any more.
#[test]
fn a_shelf_ends_where_the_rules_allow_none_any_more() {
    let strict = |w: &mut World| w.rules[2].levels[0].shelvable = false;
    let mut w = World::started();
    w.value(GAS, 30.0, 1_000);
    w.take(&In::Command(2, Command::Shelve { for_ms: 60_000, one_shot: false }, 2_000));
    let again = reloaded(&w, strict, &w.shown, 3_000);
    assert_eq!((last(&again, 2).event, last(&again, 2).state), (EventName::Unshelve, StateName::Unacknowledged));
    assert_eq!(reloaded(&w, |_| {}, &w.shown, 3_000).log, w.log, "and goes on where they do");
}

/// No reading came, or none with a value: nobody is told a number.
#[test]
fn what_had_no_value_has_none() {
    let mut w = World::started();
    w.take(&In::Command(0, Command::OutOfService { for_ms: 60_000 }, 1_000));
    assert_eq!(last(&w, 0).explanation.value, None);
    w.take(&In::Bad(GAS, 2_000));
    w.take(&In::Command(2, Command::OutOfService { for_ms: 60_000 }, 3_000));
    assert_eq!(last(&w, 2).explanation.value, None);
    w.value(PRESSURE, 0.4, 4_000);
    w.tick(61_000);
    assert_eq!(last(&w, 0).explanation.value, Some(0.4));
}

/// The lane may have lost what came of the end of a mode, to a repair or to a mode that the site file has no more.
#[test]
fn a_test_without_its_mode_is_real_after_a_restart() {
    let mut w = World::started();
    w.take(&In::Mode(0, Some((ModeName::Maintenance, 60_000)), 500));
    w.value(MAINS, 1.0, 1_000);
    let open = w.bindings[7].alarm.open().unwrap();
    assert_eq!(open.standing.test, Some(ModeName::Maintenance));
    for (runs, told) in [(true, &[][..]), (false, &[(7, "raise", "unacknowledged")])] {
        let mut new = World::new();
        if runs {
            new.run(|e, _| e.resume(0, Mode { name: ModeName::Maintenance, until: now(60_000).mono }));
        }
        new.run(|e, _| e.restore(7, open));
        new.run(|e, log| e.settle(now(2_000), log));
        assert_eq!(new.words(), told, "the mode runs: {runs}");
        assert_eq!(new.bindings[7].is_test(), runs);
    }
}

/// A start takes its time, and what is overdue when it ends is not told as if it had come before what the start said.
#[test]
fn what_was_overdue_at_a_start_comes_after_it() {
    let mut w = World::started();
    w.take(&In::Mode(0, Some((ModeName::Maintenance, 60_000)), 500));
    w.value(MAINS, 1.0, 1_000);
    let open = w.bindings[7].alarm.open().unwrap();
    let mut new = World::new();
    new.run(|e, _| e.resume(0, Mode { name: ModeName::Maintenance, until: now(60_000).mono }));
    new.run(|e, _| e.restore(7, open));
    new.run(|e, log| e.settle(now(60_020), log));
    new.tick(60_030);
    assert_eq!(new.log.1.last().map(|change| (change.change, change.at)), Some((Change::Expired, now(60_020))));
    assert_eq!(new.words(), [(7, "raise", "unacknowledged")]);
    assert_eq!(new.log.0[0].detected, now(60_020), "and real from then on");
}
