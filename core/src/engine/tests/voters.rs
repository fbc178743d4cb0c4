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
