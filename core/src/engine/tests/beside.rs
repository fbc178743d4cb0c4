//! Rules that look at several points, through the engine: all of them on one machine, under any batching, restart and reload.

use std::sync::LazyLock;

use super::kinds::{Rare, changed, killed, recalled, resumed, states};
use super::*;
use crate::derive::{explained, ratio as share, sibling as pair};
use crate::detect::{baseline, calendar, drift, group, ratio, residual, sibling};

/// A motor that has a temperature, a load, and a twin of the same temperature; and a door that counts re-openings and trips.
const HEAT: PointId = PointId(0);
const TWIN: PointId = PointId(1);
const LOAD: PointId = PointId(2);
const REOPENS: PointId = PointId(3);
const TRIPS: PointId = PointId(4);
const SIBLING: u32 = 0;
const RESIDUAL: u32 = 1;
const GROUP: u32 = 2;
/// Rules on the motor.
const RULES: u32 = 3;
const RATIO: u32 = 3;
const ALL: u32 = 4;
/// Rounds after which all have learned.
const TAUGHT: u64 = 420;

/// Rules so quick that a few minutes show all they do.
fn rules() -> Vec<Rule> {
    let calendar = calendar::Calendar::default();
    let usual = baseline::Params { bins: baseline::Bins::One, calendar, floor: 0.05, memory: 20, roam: 0.5 };
    let explained =
        explained::Params { tau_ms: 4_000, rated: 100.0, memory_ms: 10_000_000, learn_ms: 100_000, offset_min: 0 };
    let drift = drift::Params {
        side: Side::High,
        usual,
        block_ms: 4_000,
        learn_ms: 60_000,
        shift: 0.5,
        slack: 0.5,
        rise: 8.0,
        step: None,
        patience_ms: 0,
    };
    let shares = drift::Params {
        usual: baseline::Params { floor: 0.02, ..usual },
        block_ms: 1_000,
        learn_ms: 200_000,
        shift: 0.1,
        ..drift
    };
    let channel = pair::Params { fresh_ms: 3_000 };
    let (limit, clear) = (2.0, 1.0);
    let kinds = [
        Params::Sibling(sibling::Params {
            channel,
            way: sibling::Way::Any,
            limit,
            clear,
            on_ms: 4_000,
            off_ms: 2_000,
            points: 1,
        }),
        Params::Residual(residual::Params { explained, drift, points: 2 }),
        Params::Group(group::Params { channels: 3, step_ms: 1_000, raise: 1.5, settle: Some(120), points: 3 }),
        Params::Ratio(ratio::Params { channel: share::Params { enough: 10.0 }, drift: shares, points: 4 }),
    ];
    let level = level(Priority::Medium, false);
    kinds.into_iter().map(|params| Rule::new(params, [level; 2])).collect()
}

fn motor() -> World {
    let mut world = World::new();
    world.rules = rules();
    world.points = vec![
        Point::new(HEAT, 0, RULES),
        Point::new(TWIN, RULES, 0),
        Point::new(LOAD, RULES, 0),
        Point::new(REOPENS, RULES, 1),
        Point::new(TRIPS, ALL, 0),
    ];
    let home = |n| if n == RATIO { REOPENS } else { HEAT };
    world.bindings = (0..ALL).map(|n| Binding::new(RuleId(n), home(n), 100 + u64::from(n), 0)).collect();
    world.wires.clear();
    world.groups.clear();
    world.heap = vec![0; ALL as usize];
    world.others = Rare {
        siblings: vec![sibling::State::default()],
        residuals: vec![residual::State::default()],
        ratios: vec![ratio::State::default()],
        groups: vec![group::State::default()],
        ..Rare::default()
    };
    for (point, to, channel) in
        [(TWIN, SIBLING, 1), (TWIN, GROUP, 1), (LOAD, RESIDUAL, 1), (LOAD, GROUP, 2), (TRIPS, RATIO, 1)]
    {
        let len = world.leads.len();
        world.leads.extend(Lead::lay(&mut world.points, &mut world.bindings, len, point, to, channel));
    }
    world.made = motor;
    world
}

/// A little noise.
fn noise(round: u64, point: u64) -> f64 {
    (((round * 31 + point * 17) * 7_919) % 101) as f64 * 0.004 - 0.2
}

/// One word of each, some tenths of a second apart, and how far heat, twin and load are from normal.
fn round(w: &mut World, round: u64, off: [f64; 3]) {
    for (point, value, ms) in normal(round) {
        w.value(point, value + off.get(point.0 as usize).copied().unwrap_or(0.0), ms);
    }
}

fn normal(round: u64) -> [(PointId, f64, u64); 5] {
    let (ms, load) = (round * 1_000, if round % 5 < 3 { 80.0 } else { 20.0 });
    let heat = 40.0 + load * 0.01;
    [
        (LOAD, load + noise(round, 2), ms),
        (TWIN, heat + noise(round, 1), ms + 200),
        (HEAT, heat + noise(round, 0), ms + 400),
        (REOPENS, (round / 10) as f64, ms + 500),
        (TRIPS, round as f64, ms + 500),
    ]
}

fn taught() -> World {
    static ONCE: LazyLock<World> = LazyLock::new(|| {
        let mut w = motor();
        w.run(|e, log| e.settle(now(0), log));
        (0..TAUGHT).for_each(|n| round(&mut w, n, [0.0; 3]));
        assert_eq!(w.log, Log::default(), "nothing is wrong with it");
        w
    });
    ONCE.clone()
}

fn steps(w: &World, index: u32) -> Vec<EventName> {
    w.log.0.iter().filter(|t| t.binding == index).map(|t| t.event).collect()
}

#[test]
fn each_raises_and_returns_and_says_why() {
    let mut w = taught();
    (TAUGHT..TAUGHT + 60).for_each(|n| round(&mut w, n, [6.0, 0.0, 0.0]));
    (TAUGHT + 60..TAUGHT + 200).for_each(|n| round(&mut w, n, [0.0; 3]));
    for index in 0..RULES {
        assert_eq!(steps(&w, index).first_chunk(), Some(&[EventName::Raise, EventName::Return]), "rule {index}");
    }
    let raise = |index| w.log.0.iter().find(|t| t.binding == index).expect("raised").explanation;
    let sibling = raise(SIBLING);
    assert!(sibling.value.is_some_and(|apart| (5.5..6.5).contains(&apart)), "{sibling:?}");
    assert_eq!(sibling.limit, Some(2.0));
    let residual = raise(RESIDUAL);
    assert!(residual.usual.is_some_and(|usual| (39.5..41.5).contains(&usual)), "{residual:?}");
    assert!(residual.value.is_some_and(|value| value > 45.5), "{residual:?}");
    let chief = raise(GROUP).chief.expect("somebody has moved");
    assert_eq!((chief.point, chief.moved), (HEAT, 1));
    assert!(chief.value > chief.usual + 0.1 && chief.share == 1.0, "{chief:?}");
}

#[test]
fn a_share_that_grows_is_told_with_what_is_usual_and_is_over_when_it_is() {
    let mut w = taught();
    let mut parts = (TAUGHT / 10) as f64;
    for n in TAUGHT..TAUGHT + 400 {
        parts += if n < TAUGHT + 200 { 0.4 } else { 0.1 };
        w.value(REOPENS, libm::floor(parts), n * 1_000);
        w.value(TRIPS, n as f64, n * 1_000 + 100);
    }
    assert_eq!(steps(&w, RATIO), [EventName::Raise, EventName::Return]);
    let raise = w.log.0.first().expect("raised");
    assert_eq!(raise.occurred, raise.detected.wall, "the word of the trips decided");
    let why = raise.explanation;
    assert!(why.value.is_some_and(|share| (0.3..=0.5).contains(&share)), "{why:?}");
    assert!(why.usual.is_some_and(|usual| (0.09..=0.16).contains(&usual)), "{why:?}");
}

#[test]
fn the_channel_of_a_group_is_the_point_that_its_lead_comes_from() {
    let mut w = taught();
    (TAUGHT..TAUGHT + 60).for_each(|n| round(&mut w, n, [0.0, -3.0, 0.0]));
    let raise = w.log.0.iter().find(|t| t.binding == GROUP).expect("raised");
    assert_eq!(raise.explanation.chief.map(|chief| chief.point), Some(TWIN));
    assert_eq!(raise.occurred, raise.detected.wall, "the youngest word decided");
    let channels = w.run(|e, _| [0, 1, 2, 3].map(|channel| e.channel(GROUP, channel)));
    assert_eq!(channels, [Some(HEAT), Some(TWIN), Some(LOAD), None]);
    assert_eq!(w.run(|e, _| e.channel(ALL, 0)), None);
}

#[test]
fn what_is_taken_for_normal_is_said_to_be() {
    let mut w = taught();
    (TAUGHT..TAUGHT + 300).for_each(|n| round(&mut w, n, [0.0, 0.0, 60.0]));
    let over: Vec<bool> = w.log.0.iter().filter(|t| t.binding == GROUP).map(|t| t.explanation.accepted).collect();
    assert_eq!(over.first_chunk(), Some(&[false, true]), "{:?}", steps(&w, GROUP));
}

#[test]
fn a_member_that_is_lost_neither_raises_nor_clears() {
    let mut w = taught();
    for n in TAUGHT..TAUGHT + 100 {
        let lost = if n % 100 < 70 { TWIN } else { LOAD };
        for (point, value, ms) in normal(n) {
            w.take(&if point == lost { In::Bad(point, ms) } else { In::Value(point, value, ms) });
        }
    }
    assert_eq!(w.log, Log::default(), "the lack of one is no fault of the others");
    (TAUGHT + 100..TAUGHT + 160).for_each(|n| round(&mut w, n, [6.0, 0.0, 0.0]));
    let stood: Vec<bool> = w.bindings.iter().map(|b| b.alarm.active()).collect();
    assert_eq!(stood, [true, true, true, false]);
    // All that would end it is not known any more.
    for n in TAUGHT + 160..TAUGHT + 400 {
        for (point, ms) in [(LOAD, 0), (TWIN, 200), (HEAT, 400)] {
            w.take(&In::Bad(point, n * 1_000 + ms));
        }
    }
    let stands: Vec<bool> = w.bindings.iter().map(|b| b.alarm.active()).collect();
    assert_eq!(stands, stood, "unknown never clears");
}

#[test]
fn what_the_last_window_lost_ends_no_alarm() {
    let mut w = taught();
    let kept = w.shown.len();
    let taken = states(&mut w);
    (TAUGHT..TAUGHT + 60).for_each(|n| round(&mut w, n, [0.0, -3.0, 0.0]));
    let stood: Vec<bool> = w.bindings.iter().map(|b| b.alarm.active()).collect();
    assert!(stood[SIBLING as usize] && stood[GROUP as usize]);
    // A power cut took all since the states were kept.
    w.shown.truncate(kept);
    let again = recalled(&w, &taken, kept, (TAUGHT + 60) * 1_000);
    assert_eq!(again.log, Log::default());
    let stands: Vec<bool> = again.bindings.iter().map(|b| b.alarm.active()).collect();
    assert_eq!(stands, stood);
}

#[test]
fn a_group_that_was_lost_learns_anew_and_its_alarm_goes_on() {
    let mut w = taught();
    (TAUGHT..TAUGHT + 60).for_each(|n| round(&mut w, n, [6.0, 0.0, 0.0]));
    w.shown.clear();
    let mut again = resumed(motor(), &w, 0, (TAUGHT + 60) * 1_000);
    let from = TAUGHT + 61;
    (from..from + 300).for_each(|n| round(&mut again, n, [6.0, 0.0, 0.0]));
    assert!(again.bindings[GROUP as usize].alarm.active(), "what it would be over by is not known");
    (from + 300..from + 500).for_each(|n| round(&mut again, n, [6.0, 0.0, 0.0]));
    assert!(!again.bindings[GROUP as usize].alarm.active(), "it has learned anew");
}

#[test]
fn what_a_person_has_them_forget_moves_no_alarm() {
    let mut w = taught();
    (TAUGHT..TAUGHT + 60).for_each(|n| round(&mut w, n, [6.0, 0.0, 0.0]));
    let (told, at) = (w.log.clone(), now((TAUGHT + 60) * 1_000));
    assert!(!w.run(|e, _| e.forget(SIBLING, at)), "it learns nothing");
    for index in [RESIDUAL, GROUP] {
        assert!(w.run(|e, _| e.forget(index, at)));
        assert!(w.bindings[index as usize].alarm.active());
    }
    assert_eq!(w.log, told, "nothing is said");
}

/// The motor at work: mostly normal, at times warm, torn from its twin, silent or lost; rounds come late or overlap.
fn course() -> impl Strategy<Value = Vec<In>> {
    let off = prop_oneof![6 => Just(0.0), 1 => Just(3.0), 1 => Just(-3.0), 1 => -20.0..20.0f64];
    let stretch =
        (off, 0..6usize, 1..40u64, prop_oneof![8 => Just(1_000u64), 1 => 1..3_000u64, 1 => 20_000..60_000u64]);
    prop::collection::vec(stretch, 1..12).prop_map(|stretches| {
        let (mut inputs, mut n, mut at) = (Vec::new(), TAUGHT, TAUGHT * 1_000);
        for (off, who, rounds, pause) in stretches {
            for _ in 0..rounds {
                (n, at) = (n + 1, at + pause);
                for (point, value, ms) in normal(n) {
                    let (index, ms) = (point.0 as usize, at + ms - n * 1_000);
                    inputs.push(match off {
                        _ if index != who => In::Value(point, value, ms),
                        3.0 => In::Bad(point, ms),
                        -3.0 => In::Stale(point, ms),
                        off => In::Value(point, value + off, ms),
                    });
                }
                if n % 37 == 0 {
                    inputs.push(In::Command(n as usize, ACK, at + 600));
                }
            }
        }
        inputs
    })
}

proptest! {
    #![proptest_config(config(64))]

    /// However late the timer wakes, the outputs are the same.
    #[test]
    fn late_timers_change_nothing(inputs in course(), ticks in prop::collection::vec(0..600_000u64, 0..40)) {
        let mut once = taught();
        let mut often = once.clone();
        let mut ticks = ticks;
        ticks.sort_unstable();
        let mut ticks = ticks.into_iter().map(|at| at + TAUGHT * 1_000).peekable();
        for input in &inputs {
            while let Some(at) = ticks.next_if(|at| *at <= ms_of(input)) {
                often.tick(at);
            }
            once.take(input);
            often.take(input);
        }
        prop_assert_eq!(&once.log, &often.log);
        // Who was woken knows more of what is over.
        let end = inputs.last().map_or(0, ms_of) + 100_000;
        once.tick(end);
        often.tick(end);
        prop_assert_eq!(states(&mut once), states(&mut often));
    }

    /// Killed at any point, started again on states that were kept at any point before: the rest is the same.
    #[test]
    fn a_restart_goes_on(inputs in course(), kept in 0..600usize, cut in 0..600usize) {
        let (again, whole) = killed(taught(), &inputs, kept, cut);
        prop_assert_eq!(differ(&again.log, &whole.log), None);
    }

    /// Other rules at run time carry over every kind as it stands.
    #[test]
    fn a_reload_goes_on(inputs in course(), cut in 0..600usize) {
        let (mut again, mut whole) = changed(taught(), &inputs, cut);
        prop_assert_eq!(differ(&again.log, &whole.log), None);
        prop_assert_eq!(states(&mut again), states(&mut whole));
    }
}
