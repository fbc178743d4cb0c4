//! Scenarios of those who vote: who is dead, who is trying out, who is real.

use super::*;

fn told(w: &World, binding: u32) -> Vec<(EventName, Option<ModeName>)> {
    w.log.0.iter().filter(|t| t.binding == binding).map(|t| (t.event, t.test)).collect()
}

/// Its last reading was good, so only its absence rule knows. What is left decides, and people are told.
#[test]
fn a_voter_that_dies_by_silence_is_bad() {
    let mut w = World::started();
    w.value(GAS, 0.0, 1_000);
    w.value(DOOR, 0.0, 1_000);
    w.value(PRESSURE, 0.4, 1_000);
    w.tick(31_000);
    assert_eq!(told(&w, VOTE + 1), [(EventName::Raise, None)], "at once: the absence rule has waited");
    // `fewer`: two of two are left, then one of one.
    w.take(&In::Bad(PRESSURE, 32_000));
    w.value(DOOR, 1.0, 33_000);
    w.tick(43_000);
    assert_eq!(told(&w, VOTE), [(EventName::Raise, None)]);
    // A word of it, and it votes again: for the vote, the pressure is still at a loss.
    w.value(GAS, 0.0, 44_000);
    w.value(PRESSURE, 0.4, 45_000);
    assert_eq!(told(&w, VOTE + 1).last(), Some(&(EventName::Return, None)));
}

/// Nobody looks after the door's silence but the vote itself; the gas has an absence rule, which tells of it.
#[test]
fn a_voter_that_was_never_heard_is_bad_in_time() {
    let mut w = World::started();
    for s in 0..12 {
        w.value(GAS, 0.0, 1_000 + s * 10_000);
        w.value(PRESSURE, 0.4, 1_000 + s * 10_000);
    }
    assert_eq!(told(&w, VOTE + 1), []);
    w.tick(120_000);
    assert_eq!(told(&w, VOTE + 1), [(EventName::Raise, None)]);
    w.value(GAS, 0.0, 121_000);
    w.value(DOOR, 0.0, 122_000);
    assert_eq!(told(&w, VOTE + 1).last(), Some(&(EventName::Return, None)));
}

/// Pressure, door and loop vote in the `trip` of binding 11. That the link is still to come up is no word of theirs.
#[test]
fn what_is_said_for_want_of_a_link_at_a_start_is_no_bad_voter_yet() {
    let silent = |w: &mut World| {
        for point in [PRESSURE, DOOR] {
            let quality = Quality::Bad(Reason::Comm);
            w.show(Reading { point, at: now(1).wall, value: 0.0, quality }, Delivery::Live, 1);
        }
    };
    let mut w = World::started();
    silent(&mut w);
    assert_eq!(told(&w, 11), [], "the first millisecond of a first start");
    w.tick(119_999);
    assert_eq!(told(&w, 11), []);
    w.tick(120_000);
    assert_eq!(told(&w, 11), [(EventName::Raise, None)], "two of three for so long");

    // One that has spoken and is lost is bad at once, whatever it said.
    let mut w = World::started();
    silent(&mut w);
    w.value(DOOR, 0.0, 2_000);
    w.value(PRESSURE, 0.4, 2_000);
    w.take(&In::Bad(DOOR, 3_000));
    assert_eq!(told(&w, 11), []);
    w.take(&In::Bad(PRESSURE, 4_000));
    assert_eq!(told(&w, 11), [(EventName::Raise, None)]);
    // And nonsense is a word, as bad as any.
    let mut w = World::started();
    silent(&mut w);
    for point in [PRESSURE, DOOR] {
        let quality = Quality::Bad(Reason::NotANumber);
        w.show(Reading { point, at: now(3_000).wall, value: 0.0, quality }, Delivery::Live, 3_000);
    }
    assert_eq!(told(&w, 11), [(EventName::Raise, None)]);
}

/// It stands at fire, and somebody has decided that it is not to be believed.
#[test]
fn a_voter_out_of_service_does_not_vote() {
    let mut w = World::started();
    w.value(PRESSURE, 0.4, 500);
    w.value(GAS, 0.0, 500);
    w.value(LOOP, 0.0, 500);
    w.event(Event::Command(Target::Binding(2), Command::OutOfService { for_ms: 25_000 }), 1_000);
    w.value(GAS, 30.0, 2_000);
    w.value(LOOP, 1.0, 3_000);
    w.value(GAS, 31.0, 6_500);
    assert_eq!((told(&w, 8).len(), told(&w, 10)), (1, vec![]), "the loop alone calls it");
    w.value(GAS, 32.0, 26_500);
    assert_eq!(told(&w, 10), [(EventName::Raise, None)], "its time is over");
}

/// A vote shown in an area that is being worked on, with pressure and gas of another one.
fn worked_on() -> World {
    let mut w = World::new();
    w.points[0] = Point::new(PRESSURE, 0, 2);
    w.run(|e, log| e.settle(now(0), log));
    w.take(&In::Mode(1, Some((ModeName::Maintenance, 600_000)), 500));
    w
}

#[test]
fn a_vote_of_real_voters_is_real_wherever_it_is_shown() {
    let mut w = worked_on();
    w.value(GAS, 30.0, 1_000);
    w.value(PRESSURE, 0.1, 2_000);
    w.tick(9_000);
    assert_eq!(told(&w, 10), [(EventName::Raise, None)]);
}

/// The loop is a test and the gas is real: the vote needs the test, until the pressure is real too.
#[test]
fn a_vote_that_needs_its_tests_no_more_is_real() {
    let mut w = worked_on();
    w.value(LOOP, 1.0, 1_000);
    w.value(GAS, 30.0, 2_000);
    w.tick(5_000);
    let test = Some(ModeName::Maintenance);
    assert_eq!((told(&w, 8), told(&w, 10)), (vec![(EventName::Raise, test)], vec![(EventName::Raise, test)]));
    w.value(PRESSURE, 0.1, 6_000);
    w.tick(12_000);
    assert_eq!(told(&w, 10).last(), Some(&(EventName::Raise, None)));
}

/// All who vote stand where somebody works: what they say together is of that work.
#[test]
fn a_vote_whose_voters_are_all_worked_on_is_a_test() {
    let mut w = World::new();
    for (point, first, count) in [(PRESSURE, 0, 2), (GAS, 2, 2), (LOOP, 8, 4)] {
        w.points[point.0 as usize] = Point::new(point, first, count).in_area(1);
    }
    w.run(|e, log| e.settle(now(0), log));
    w.value(GAS, 30.0, 1_000);
    w.take(&In::Mode(1, Some((ModeName::Maintenance, 600_000)), 2_000));
    w.value(PRESSURE, 0.1, 3_000);
    w.tick(9_000);
    assert_eq!(told(&w, 10), [(EventName::Raise, Some(ModeName::Maintenance))]);
}

/// Two votes of a walk-test, in area 1: the pressure is low and the loop open.
fn walked() -> World {
    let mut w = World::started();
    w.take(&In::Mode(1, Some((ModeName::WalkTest, 600_000)), 1_000));
    w.value(PRESSURE, 0.0, 2_000);
    w.value(LOOP, 1.0, 3_000);
    w.tick(7_500);
    let test = (EventName::Raise, Some(ModeName::WalkTest));
    assert_eq!((told(&w, 0), told(&w, 8), told(&w, 10)), (vec![test], vec![test], vec![test]));
    w
}

#[test]
fn a_vote_of_tests_is_real_once_their_mode_ends_and_is_over_at_no_time() {
    let mut w = walked();
    w.take(&In::Mode(1, None, 8_000));
    for binding in [0, 8, 10] {
        assert_eq!(told(&w, binding)[1..], [(EventName::Raise, None)], "{binding}");
    }
}

/// Of all that follows from a mode's end nothing got on record but the end itself.
#[test]
fn a_vote_of_tests_is_real_at_a_start_after_their_mode_and_is_over_at_no_time() {
    let mut w = walked();
    // They have spoken since the vote was cast: what they say is proof.
    w.value(PRESSURE, 0.0, 7_600);
    w.value(LOOP, 1.0, 7_700);
    let known = w.log.0.len();
    w.take(&In::Mode(1, None, 8_000));
    w.log.0.truncate(known);
    let again = restarted(&w, 0, 8_000);
    for binding in [0, 8, 10] {
        assert_eq!(told(&again, binding), [(EventName::Raise, None)], "{binding}");
    }
}

/// The pressure was low before the walk-test, in which the loop is opened: two of the three of binding 11.
#[test]
fn a_vote_that_needs_its_tests_no_more_by_time_alone_is_real() {
    let mut w = World::started();
    w.value(PRESSURE, 0.0, 1_000);
    w.tick(7_000);
    w.take(&In::Mode(1, Some((ModeName::WalkTest, 600_000)), 8_000));
    w.value(LOOP, 1.0, 9_000);
    w.tick(119_999);
    assert_eq!(told(&w, 11), [(EventName::Raise, Some(ModeName::WalkTest))]);
    // The door was never heard: it counts as one that shouts.
    w.tick(120_000);
    assert_eq!(told(&w, 11)[1..], [(EventName::Raise, None)]);
}

/// It lies on a shelf without ever having been an alarm: what a start finds of it in a walk-test is a test all the same.
#[test]
fn a_shelf_makes_no_voter_real() {
    let mut w = World::started();
    w.take(&In::Mode(1, Some((ModeName::WalkTest, 600_000)), 1_000));
    let shelve = Command::Shelve { for_ms: 3_600_000, one_shot: false };
    w.event(Event::Command(Target::Binding(0), shelve), 1_500);
    w.value(PRESSURE, 0.0, 2_000);
    // This one is real: it stands elsewhere.
    w.value(GAS, 26.0, 2_500);
    w.tick(5_500);
    assert_eq!(told(&w, 10), []);
    // The pressure has been low for long enough when the gateway is back.
    let again = restarted(&w, 0, 9_000);
    assert_eq!(told(&again, 10), [(EventName::Raise, Some(ModeName::WalkTest))]);
}
