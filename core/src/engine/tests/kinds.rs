//! The kinds that few points have, through the engine: all of them on one point, under any batching, restart and reload.

use super::*;
use crate::detect::{
    State, accumulated, band, baseline, calendar, count, drift, dwell, frozen, group, habit, rate, ratio, residual,
    rhythm, sibling,
};

/// Their states.
#[derive(Debug, Clone, Default)]
pub(super) struct Rare {
    pub(super) bands: Vec<band::State>,
    pub(super) rates: Vec<rate::State>,
    pub(super) frozens: Vec<frozen::State>,
    pub(super) counts: Vec<count::State>,
    pub(super) dwells: Vec<dwell::State>,
    pub(super) sums: Vec<accumulated::State>,
    pub(super) rhythms: Vec<rhythm::State>,
    pub(super) drifts: Vec<drift::State>,
    pub(super) habits: Vec<habit::State>,
    pub(super) siblings: Vec<sibling::State>,
    pub(super) residuals: Vec<residual::State>,
    pub(super) ratios: Vec<ratio::State>,
    pub(super) groups: Vec<group::State>,
}

impl Rare {
    pub(super) fn lent(&mut self) -> Others<'_> {
        Others {
            bands: &mut self.bands,
            rates: &mut self.rates,
            frozens: &mut self.frozens,
            counts: &mut self.counts,
            dwells: &mut self.dwells,
            sums: &mut self.sums,
            rhythms: &mut self.rhythms,
            drifts: &mut self.drifts,
            habits: &mut self.habits,
            siblings: &mut self.siblings,
            residuals: &mut self.residuals,
            ratios: &mut self.ratios,
            groups: &mut self.groups,
        }
    }
}

const PUMP: PointId = PointId(0);
const BAND: u32 = 0;
const COUNT: u32 = 3;
const SUM: u32 = 5;
const RHYTHM: u32 = 6;
const DRIFT: u32 = 7;
const HABIT: u32 = 8;
const KINDS: u32 = 9;

/// Rules so quick that a few minutes show all they do.
fn rules() -> Vec<Rule> {
    let line = |limit, clear| limit::Level { limit, clear, on_ms: 2_000, off_ms: 1_000 };
    let open = calendar::Calendar { open_min: 0, close_min: 1_380, ..calendar::Calendar::default() };
    let usual = baseline::Params { bins: baseline::Bins::One, calendar: open, floor: 0.05, memory: 20, roam: 0.5 };
    let kinds = [
        Params::Band(band::Params::between(line(0.5, 0.8), line(20.0, 18.0))),
        Params::Rate(rate::Params { way: rate::Way::Up, per_hour: 500.0, window_ms: 32_000 }),
        Params::Frozen(frozen::Params { within: 0.0, for_ms: 10_000 }),
        Params::Count(count::Params { what: count::What::Starts, window_ms: 60_000, limit: 3.0, clear: 2.0 }),
        Params::Dwell(dwell::Params { is: 1.0, hold_ms: 8_000, forgive_ms: 3_000, open_hours: Some(open) }),
        Params::Accumulated(accumulated::Params {
            from: 5.0,
            window_ms: 120_000,
            limit: 0.2,
            clear: 0.1,
            gap_ms: 20_000,
        }),
        Params::Rhythm(rhythm::Params { early: 0.85, late: Some(2.0) }),
        Params::Drift(drift::Params {
            side: Side::High,
            usual,
            block_ms: 4_000,
            learn_ms: 60_000,
            shift: 0.5,
            slack: 0.5,
            rise: 8.0,
            step: None,
            patience_ms: 0,
        }),
        Params::Habit(habit::Params { threshold: 14.0, block_ms: 0, calendar: calendar::Calendar::UTC }),
    ];
    let level = level(Priority::Medium, false);
    kinds.into_iter().map(|params| Rule::new(params, [level; 2])).collect()
}

fn pump() -> World {
    let mut world = World::new();
    world.rules = rules();
    world.points = vec![Point::new(PUMP, 0, KINDS)];
    world.bindings = (0..KINDS).map(|n| Binding::new(RuleId(n), PUMP, 100 + u64::from(n), 0)).collect();
    world.wires.clear();
    world.groups.clear();
    world.heap = vec![0; KINDS as usize];
    world.others = Rare {
        bands: vec![band::State::default()],
        rates: vec![rate::State::default()],
        frozens: vec![frozen::State::default()],
        counts: vec![count::State::default()],
        dwells: vec![dwell::State::default()],
        sums: vec![accumulated::State::default()],
        rhythms: vec![rhythm::State::default()],
        drifts: vec![drift::State::default()],
        habits: vec![habit::State::default()],
        ..Rare::default()
    };
    world.made = pump;
    world
}

fn started() -> World {
    let mut world = pump();
    world.run(|e, log| e.settle(now(0), log));
    world
}

pub(super) fn states(w: &mut World) -> Vec<State> {
    let all = w.bindings.len() as u32;
    w.run(|e, _| (0..all).map(|index| e.state(index).expect("a state")).collect())
}

/// Readings of a pump that runs, rests, climbs, hangs and is lost at times; long enough to be learned from.
fn course() -> impl Strategy<Value = Vec<In>> {
    let value = prop_oneof![
        6 => (0..4u32).prop_map(|n| 10.0 + f64::from(n) * 0.05),
        2 => Just(0.0),
        2 => Just(1.0),
        1 => 0.0..30.0f64,
    ];
    let step = prop_oneof![
        20 => value.clone().prop_map(|v| In::Value(PUMP, v, 0)),
        1 => (value, 0..60_000u64).prop_map(|(v, by)| In::Late(PUMP, v, by, 0)),
        1 => Just(In::Bad(PUMP, 0)),
        1 => Just(In::Stale(PUMP, 0)),
        1 => (0..9usize).prop_map(|n| In::Command(n, ACK, 0)),
    ];
    let pause = prop_oneof![30 => Just(1_000u64), 3 => 1..3_000u64, 1 => 10_000..40_000u64];
    prop::collection::vec((step, pause), 1..400).prop_map(|mut steps| {
        let mut at = 0;
        for (step, pause) in &mut steps {
            at += *pause;
            *ms_of_mut(step) = at;
        }
        steps.into_iter().map(|(step, _)| step).collect()
    })
}

/// A new engine on the fold, on states that were taken after `kept` readings, and on the readings since.
pub(super) fn recalled(whole: &World, states: &[State], kept: usize, at: u64) -> World {
    let mut again = (whole.made)();
    for (index, state) in (0..).zip(states) {
        assert!(again.run(|e, _| e.recall(index, state.clone())), "the state is of the rule's kind");
    }
    resumed(again, whole, kept, at)
}

pub(super) fn resumed(mut again: World, whole: &World, kept: usize, at: u64) -> World {
    for index in 0..whole.bindings.len() as u32 {
        let mine = || whole.log.0.iter().filter(|t| t.binding == index);
        let moved = |t: &&Transition| matches!(t.event, EventName::Raise | EventName::Escalate | EventName::Return);
        let open = whole.folded(index).open();
        again.run(|e, _| {
            mine().for_each(|t| e.name(index, t.id, t.onset));
            if let Some(last) = mine().rfind(moved) {
                e.trust(index, last.occurred, last.explanation.limit);
            }
            if let Some(open) = open {
                e.restore(index, open);
            }
        });
    }
    again.shown.clone_from(&whole.shown);
    for (nth, (reading, delivery, ms)) in whole.shown.iter().enumerate() {
        again.run(|e, _| {
            if nth < kept { e.warm_known(reading, *delivery, now(*ms)) } else { e.warm(reading, *delivery, now(*ms)) }
        });
    }
    again.run(|e, log| e.settle(now(at), log));
    again
}

/// A world that was killed after `cut` inputs and started again on states that were kept after `kept` of them, and the one that went
/// on; at the end of all, with what each said since. The start itself says nothing.
pub(super) fn killed(mut whole: World, inputs: &[In], kept: usize, cut: usize) -> (World, World) {
    let cut = cut.min(inputs.len());
    let kept = kept.min(cut);
    inputs[..kept].iter().for_each(|input| whole.take(input));
    let (taken, shown) = (states(&mut whole), whole.shown.len());
    inputs[kept..cut].iter().for_each(|input| whole.take(input));
    let mut again = recalled(&whole, &taken, shown, whole.ms());
    assert_eq!(again.log, Log::default());
    whole.log = Log::default();
    both(&mut again, &mut whole, &inputs[cut..]);
    (again, whole)
}

/// A world that was given the same rules anew after `cut` inputs, and the one that went on; at the end of all.
pub(super) fn changed(mut whole: World, inputs: &[In], cut: usize) -> (World, World) {
    let cut = cut.min(inputs.len());
    inputs[..cut].iter().for_each(|input| whole.take(input));
    let mut again = reloaded(&whole, |_| {}, &[], whole.ms());
    both(&mut again, &mut whole, &inputs[cut..]);
    (again, whole)
}

fn both(again: &mut World, whole: &mut World, inputs: &[In]) {
    for input in inputs {
        whole.take(input);
        again.take(input);
    }
}

#[test]
fn each_kind_raises_and_returns() {
    let mut w = started();
    let cycles = |w: &mut World, feed: &mut dyn FnMut(&mut World, f64, u64), count| {
        for _ in 0..count {
            feed(w, 10.0, 6);
            feed(w, 0.0, 6);
        }
    };
    let mut ms = 0;
    let mut feed = |w: &mut World, value: f64, seconds: u64| {
        for _ in 0..seconds {
            ms += 1_000;
            w.value(PUMP, value + (ms / 1_000 % 3) as f64 * 0.01 * f64::from(u8::from(value > 2.0)), ms);
        }
    };
    feed(&mut w, 10.0, 150);
    cycles(&mut w, &mut feed, 8);
    for _ in 0..3 {
        feed(&mut w, 10.0, 2);
        feed(&mut w, 0.0, 2);
    }
    feed(&mut w, 1.0, 20);
    for step in 0..60 {
        feed(&mut w, 10.0 + f64::from(step) * 0.2, 1);
    }
    feed(&mut w, 10.0, 300);
    cycles(&mut w, &mut feed, 14);
    for index in 0..KINDS {
        let of = |event| w.log.0.iter().filter(|t| t.binding == index && t.event == event).count();
        assert!(of(EventName::Raise) > 0, "rule {index} never raised");
        assert!(of(EventName::Return) > 0, "rule {index} never returned");
    }
    let count = w.log.0.iter().find(|t| t.binding == COUNT && t.event == EventName::Raise).expect("raised");
    assert_eq!((count.explanation.value, count.explanation.limit), (Some(3.0), Some(3.0)), "a count shows its count");
    let drift = w.log.0.iter().find(|t| t.binding == DRIFT && t.event == EventName::Raise).expect("raised");
    assert!(drift.explanation.usual.is_some_and(|usual| (9.0..11.0).contains(&usual)), "{:?}", drift.explanation);
}

#[test]
fn a_habit_that_takes_what_lasts_for_normal_says_so() {
    let noisy = |level: f64, s: u64| level + (s * 7 % 5) as f64 * 0.01;
    let over = |lasts: u64| {
        let mut w = started();
        (1..500).for_each(|s| w.value(PUMP, noisy(10.0, s), s * 1_000));
        (500..500 + lasts).for_each(|s| w.value(PUMP, noisy(13.0, s), s * 1_000));
        (500 + lasts..900).for_each(|s| w.value(PUMP, noisy(10.0, s), s * 1_000));
        let told = w.log.0.iter().filter(|t| t.binding == HABIT);
        told.map(|t| (t.event, t.explanation.accepted)).take(2).collect::<Vec<_>>()
    };
    assert_eq!(over(400), [(EventName::Raise, false), (EventName::Return, true)], "13 is taken for normal");
    assert_eq!(over(3), [(EventName::Raise, false), (EventName::Return, false)], "it went back");
}

#[test]
fn a_backlog_that_comes_at_once_is_no_storm() {
    // A start in 40 s, a reading in 2 s; 2 starts within the minute are usual, 3 too many.
    let word = |s: u64| (if s % 40 < 10 { 10.0 + (s % 3) as f64 * 0.01 } else { 0.0 }, s * 1_000);
    let live = |w: &mut World, from: u64, to: u64| {
        (from..to).step_by(2).map(word).for_each(|(value, ms)| w.value(PUMP, value, ms));
    };
    let told = |w: &World| {
        let mine = w.log.0.iter().filter(|t| [COUNT, SUM, RHYTHM].contains(&t.binding));
        mine.map(|t| (t.binding, t.event)).collect::<Vec<_>>()
    };
    let mut w = started();
    live(&mut w, 2, 600);
    let before = told(&w);
    // The gateway was off for 20 starts, and the broker has kept them.
    let back = 1_400_500;
    let mut again = resumed(pump(), &w, 0, back);
    for (value, ms) in (600..1_400).step_by(2).map(word) {
        again.show(Reading { point: PUMP, at: now(ms).wall, value, quality: Quality::Good }, Delivery::History, back);
    }
    live(&mut again, 1_402, 1_600);
    assert_eq!((before, told(&again)), (vec![], vec![]), "it did what it always does");
    // The same at its arrival is a storm, and so is one of the last minute in the backlog.
    let mut storm = resumed(pump(), &w, 0, back);
    live(&mut storm, 1_402, 1_410);
    (0..12_u64).for_each(|n| storm.value(PUMP, (n % 2 * 10) as f64, 1_411_000 + n * 100));
    assert!(told(&storm).contains(&(COUNT, EventName::Raise)));
    let mut storm = resumed(pump(), &w, 0, back);
    for n in 0..12_u64 {
        let at = now(1_380_000 + n * 1_000).wall;
        let value = (n % 2 * 10) as f64;
        storm.show(Reading { point: PUMP, at, value, quality: Quality::Good }, Delivery::History, back);
    }
    let count = storm.log.0.iter().find(|t| t.binding == COUNT).expect("starts of the last minute");
    assert!((1_380_000..1_392_000).contains(&(count.onset.0 - now(0).wall.0)), "{count:?}");
    // One of a quarter of an hour ago is over by now, and wakes nobody.
    let mut burst = resumed(pump(), &w, 0, back);
    for n in 0..12_u64 {
        let at = now(700_000 + n * 1_000).wall;
        let value = (n % 2 * 10) as f64;
        burst.show(Reading { point: PUMP, at, value, quality: Quality::Good }, Delivery::History, back);
    }
    burst.tick(back + 60_000);
    assert!(!told(&burst).iter().any(|(binding, _)| *binding == COUNT), "{:?}", told(&burst));
}

#[test]
fn a_restart_knows_which_line_of_a_band_was_crossed() {
    let mut w = started();
    (1..6).for_each(|s| w.value(PUMP, 25.0, s * 1_000));
    let raise = w.log.0.iter().find(|t| t.binding == BAND).expect("raised");
    assert_eq!(raise.explanation.limit, Some(20.0));
    let mut again = resumed(pump(), &w, 0, 6_000);
    again.value(PUMP, 19.0, 7_000);
    again.tick(20_000);
    assert!(again.bindings[BAND as usize].alarm.active(), "19 is not below 18");
    again.value(PUMP, 10.0, 21_000);
    again.tick(30_000);
    assert!(!again.bindings[BAND as usize].alarm.active());
}

#[test]
fn an_alarm_of_a_rule_that_has_forgotten_all_goes_on() {
    let mut w = started();
    (1..100).for_each(|s| w.value(PUMP, 10.0 + (s % 3) as f64 * 0.01, s * 1_000));
    (100..200).for_each(|s| w.value(PUMP, 13.0 + (s % 3) as f64 * 0.01, s * 1_000));
    assert!(w.bindings[DRIFT as usize].alarm.active());
    // The state was lost, and so was what it was learned from.
    w.shown.clear();
    let mut again = resumed(pump(), &w, 0, 200_000);
    (201..230).for_each(|s| again.value(PUMP, 13.0 + (s % 3) as f64 * 0.01, s * 1_000));
    assert!(again.bindings[DRIFT as usize].alarm.active(), "what it would be over by is not known");
    (230..300).for_each(|s| again.value(PUMP, 13.0 + (s % 3) as f64 * 0.01, s * 1_000));
    assert!(!again.bindings[DRIFT as usize].alarm.active(), "it has learned anew");
}

#[test]
fn what_a_person_has_it_forget_is_learned_anew_and_no_alarm_moves() {
    let mut w = started();
    let noisy = |level: f64, s: u64| level + (s % 3) as f64 * 0.01;
    (1..100).for_each(|s| w.value(PUMP, noisy(10.0, s), s * 1_000));
    (100..200).for_each(|s| w.value(PUMP, noisy(13.0, s), s * 1_000));
    assert!(w.bindings[DRIFT as usize].alarm.active());
    let (told, all) = (w.log.clone(), states(&mut w));
    assert!(!w.run(|e, _| e.forget(BAND, now(200_000))), "a band learns nothing");
    assert!(!w.run(|e, _| e.forget(KINDS, now(200_000))), "nobody");
    assert_eq!(states(&mut w), all);
    for index in [RHYTHM, DRIFT, HABIT] {
        assert!(w.run(|e, _| e.forget(index, now(200_000))));
    }
    assert_eq!(w.log, told, "nothing is said");
    let drift = w.rules[DRIFT as usize].params;
    assert_ne!(states(&mut w)[DRIFT as usize], all[DRIFT as usize]);
    assert_ne!(states(&mut w)[DRIFT as usize], drift.fresh(now(200_000)), "what stood stands");
    assert_eq!(states(&mut w)[RHYTHM as usize], w.rules[RHYTHM as usize].params.fresh(now(200_000)));
    (201..230).for_each(|s| w.value(PUMP, noisy(13.0, s), s * 1_000));
    assert!(w.bindings[DRIFT as usize].alarm.active(), "what it would be over by is not known yet");
    (230..300).for_each(|s| w.value(PUMP, noisy(13.0, s), s * 1_000));
    assert!(!w.bindings[DRIFT as usize].alarm.active(), "13 is usual for the new sensor");
    (300..400).for_each(|s| w.value(PUMP, noisy(16.0, s), s * 1_000));
    assert!(w.bindings[DRIFT as usize].alarm.active(), "and 16 is not");
}

#[test]
fn a_state_of_another_kind_is_refused() {
    let mut w = started();
    let all = states(&mut w);
    let (band, count) = (all[BAND as usize].clone(), all[COUNT as usize].clone());
    assert!(!w.run(|e, _| e.recall(COUNT, band)));
    assert!(w.run(|e, _| e.recall(COUNT, count)));
    assert_eq!(states(&mut w), all);
}

proptest! {
    #![proptest_config(config(256))]

    /// However late the timer wakes, the outputs are the same.
    #[test]
    fn late_timers_change_nothing(inputs in course(), ticks in prop::collection::vec(0..400_000u64, 0..40)) {
        let (mut once, mut often) = (started(), started());
        let mut ticks = ticks;
        ticks.sort_unstable();
        let mut ticks = ticks.into_iter().peekable();
        for input in &inputs {
            while let Some(at) = ticks.next_if(|at| *at <= ms_of(input)) {
                often.tick(at);
            }
            once.take(input);
            often.take(input);
        }
        prop_assert_eq!(&once.log, &often.log);
    }

    /// Killed at any point, started again on states that were kept at any point before: the rest is the same.
    #[test]
    fn a_restart_goes_on(inputs in course(), kept in 0..400usize, cut in 0..400usize) {
        let (again, whole) = killed(started(), &inputs, kept, cut);
        prop_assert_eq!(differ(&again.log, &whole.log), None, "{:?}", inputs);
    }

    /// Other rules at run time carry over every kind as it stands.
    #[test]
    fn a_reload_goes_on(inputs in course(), cut in 0..400usize) {
        let (mut again, mut whole) = changed(started(), &inputs, cut);
        prop_assert_eq!(differ(&again.log, &whole.log), None);
        // A timer that the reload has left out, as nothing was due by it, may have shown a kind the time.
        let end = inputs.last().map_or(0, ms_of) + 1_000;
        whole.value(PUMP, 10.0, end);
        again.value(PUMP, 10.0, end);
        prop_assert_eq!(states(&mut again), states(&mut whole));
    }
}
