//! Scenarios of what lies over alarms and what hangs between them.

use super::*;
use crate::alarm::EventName;
use crate::alarm::state::Refusal;

#[test]
fn what_is_explained_is_hidden_and_comes_back_when_it_is_not() {
    let mut w = World::started();
    w.value(MAINS, 1.0, 1_000);
    w.value(PRESSURE, 0.1, 2_000);
    w.tick(8_000);
    w.value(MAINS, 0.0, 9_000);
    let expected = [(7, "raise", "unacknowledged"), (0, "raise", "suppressed"), (7, "return", "returned")];
    assert_eq!(w.words()[..3], expected);
    assert_eq!(w.words()[3..], [(0, "unsuppress", "unacknowledged")]);
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
    let last = |w: &World, binding| w.log.0.iter().rfind(|t| t.binding == binding).copied();
    assert_eq!(last(&w, 7).and_then(|t| t.test), Some(ModeName::WalkTest));
    assert_eq!(last(&w, 0).map(|t| (t.state.word(), t.test)), Some(("unacknowledged", None)));
    // Over: the mains are off for real, and explain it.
    w.take(&In::Mode(0, None, 9_000));
    assert_eq!(last(&w, 7).map(|t| (t.event.word(), t.test)), Some(("raise", None)));
    assert_eq!(last(&w, 0).map(|t| t.state.word()), Some("suppressed"));
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
