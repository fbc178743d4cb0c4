use proptest::prelude::*;

use super::*;

const PUMP: Params = Params { channels: 4, step_ms: 1_000, raise: 1.5, settle: None, points: 0 };
/// What the four channels of the tests read when nothing happens, and their noise.
const LEVELS: [f64; 4] = [32.0, 0.25, 4.0, 230.0];
const NOISES: [f64; 4] = [0.5, 0.003, 0.2, 8.0];

/// Noise in about [-1.7, 1.7] with a variance of 1 that needs no crate.
fn noise(channel: usize, t: u64) -> f64 {
    let mut z = (t * 31 + channel as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z >> 11) as f64 / (1u64 << 52) as f64 - 1.0) * 1.732
}

fn normal(channel: usize, t: u64) -> f64 {
    LEVELS[channel] + NOISES[channel] * noise(channel, t)
}

/// One frame a second, from `from` to `to`.
fn run(state: &mut State, (from, to): (u64, u64), f: impl Fn(usize, u64) -> f64) {
    for t in from..to {
        step(state, t, |channel| Some(f(channel, t)));
    }
}

fn step(state: &mut State, t: u64, f: impl Fn(usize) -> Option<f64>) {
    let now = Now { mono: Mono(t * 1_000), wall: Wall(t as i64 * 1_000) };
    for channel in 0..usize::from(PUMP.channels) {
        match f(channel) {
            Some(value) => state.value(&PUMP, channel, value, now.wall, now),
            None => state.unknown(&PUMP, channel, now.wall, now),
        }
    }
}

fn taught() -> State {
    let mut state = State::default();
    run(&mut state, (0, 400), normal);
    assert_eq!(state.untaught(), 0);
    state
}

/// The flow (channel 0) is lower by 1.5.
fn leak(channel: usize, t: u64) -> f64 {
    normal(channel, t) - if channel == 0 { 1.5 } else { 0.0 }
}

#[test]
fn a_shift_is_seen_and_the_channel_is_named() {
    let mut state = taught();
    run(&mut state, (400, 600), normal);
    assert_eq!((state.standing(), state.turned(), state.moved().count()), (None, None, 0));
    run(&mut state, (600, 640), leak);
    let onset = state.standing().expect("the leak is seen").onset;
    assert!(onset > Wall(600_000) && onset < Wall(630_000), "{onset:?}");
    let moved: Vec<Moved> = state.moved().collect();
    assert_eq!(moved.len(), 1, "{moved:?}");
    assert_eq!((moved[0].channel, moved[0].share), (0, 1.0));
    assert!((moved[0].by + 1.5).abs() < 0.3 && (moved[0].from - 32.0).abs() < 0.2, "{moved:?}");
    assert!(moved[0].z < -2.5);
}

#[test]
fn it_ends_when_the_fault_does_and_a_turn_marks_both() {
    let mut state = taught();
    run(&mut state, (400, 600), normal);
    run(&mut state, (600, 640), leak);
    assert!(state.turned().expect("a turn") > Wall(600_000));
    run(&mut state, (640, 900), leak);
    assert!(state.standing().is_some());
    run(&mut state, (900, 940), normal);
    assert_eq!(state.standing(), None);
    assert!(state.turned().expect("another") > Wall(900_000));
}

#[test]
fn a_fault_is_never_learned() {
    let mut state = taught();
    run(&mut state, (400, 20_000), leak);
    assert!(state.standing().is_some(), "five hours do not make it normal");
}

#[test]
fn a_level_that_stays_is_taken_for_normal_only_where_that_is_wanted_and_it_is_said() {
    let mut state = taught();
    let patient = Params { settle: Some(300), ..PUMP };
    for t in 400..740 {
        let now = Now { mono: Mono(t * 1_000), wall: Wall(t as i64 * 1_000) };
        for channel in 0..usize::from(patient.channels) {
            state.value(&patient, channel, leak(channel, t), now.wall, now);
        }
        assert_eq!(state.settled().is_some(), state.standing().is_none() && t > 700, "at {t}");
    }
    let settled = state.settled().expect("it has settled");
    assert!(settled > Wall(700_000) && settled < Wall(720_000), "{settled:?}");
    run(&mut state, (740, 780), normal);
    assert!(state.standing().is_some(), "the way back is a change as well");
}

#[test]
fn what_is_quiet_and_restless_widens_the_scale() {
    // Four slow waves that the training happened to miss, just too small to begin a condition.
    let restless = |c: usize, t: u64| normal(c, t) + if c == 0 { 0.35 * libm::sin(t as f64 / 20.0) } else { 0.0 };
    let mut state = taught();
    run(&mut state, (400, 3_000), restless);
    let before = state.excess();
    run(&mut state, (3_000, 3_025), |c, t| restless(c, t) - if c == 0 { 1.5 } else { 0.0 });
    let mut fresh = taught();
    run(&mut fresh, (400, 425), |c, t| restless(c, t) - if c == 0 { 1.5 } else { 0.0 });
    assert_eq!(before, Some(0.0));
    assert!(state.excess() < fresh.excess(), "{:?} {:?}", state.excess(), fresh.excess());
}

#[test]
fn slow_drift_is_followed() {
    let mut state = taught();
    run(&mut state, (400, 4_000), |c, t| normal(c, t) + if c == 0 { (t - 400) as f64 * 0.0005 } else { 0.0 });
    assert_eq!(state.standing(), None);
}

#[test]
fn noise_alone_says_next_to_nothing() {
    let mut begun = 0;
    for day in 0..10 {
        let later = |c: usize, t: u64| normal(c, t + day * 1_000_000);
        let (mut state, mut stood) = (State::default(), false);
        for t in 0..10_000 {
            run(&mut state, (t, t + 1), later);
            begun += usize::from(state.standing().is_some() && !stood);
            stood = state.standing().is_some();
        }
    }
    assert!(begun <= 1, "{begun} conditions in 100,000 steps");
}

#[test]
fn the_excess_is_the_sum_of_what_each_channel_has_beyond_its_due() {
    let excess = |moving: &'static [usize]| {
        let mut state = taught();
        run(&mut state, (400, 500), normal);
        run(&mut state, (500, 515), |c, t| normal(c, t) + if moving.contains(&c) { NOISES[c] * 3.0 } else { 0.0 });
        let shares: f64 = state.moved().map(|m| m.share).sum();
        assert!((shares - 1.0).abs() < 1e-9);
        state.excess().expect("a verdict")
    };
    let (all, each) = (excess(&[0, 1, 2, 3]), [&[0], &[1], &[2], &[3]].map(|alone| excess(alone)));
    assert!(each.iter().all(|e| *e > 0.0 && *e < all), "{each:?}");
    assert!((each.iter().sum::<f64>() - all).abs() < 0.1 * all, "{each:?} {all}");
}

#[test]
fn a_spike_is_no_shift() {
    let mut state = taught();
    run(&mut state, (400, 2_000), |c, t| if t % 40 == 0 { 1e9 } else { normal(c, t) });
    assert_eq!(state.standing(), None);
}

#[test]
fn unknown_neither_begins_nor_ends_it() {
    let mut state = taught();
    run(&mut state, (400, 500), leak);
    let onset = state.standing().expect("it stands").onset;
    for t in 500..600 {
        // The flow is lost; not-a-number and infinity are no values either.
        step(&mut state, t, |c| (c != 0).then(|| normal(c, t)).or((t % 3 > 0).then_some(f64::NAN)));
    }
    assert_eq!(state.standing().map(|s| s.onset), Some(onset));
    assert_eq!(state.doubt(0), Some(Doubt::Missing));
    assert_eq!(state.moved().map(|m| m.channel).collect::<Vec<_>>(), [0], "what was last known is shown");
    for t in 600..700 {
        step(&mut state, t, |_| None);
    }
    assert!(state.standing().is_some() && state.excess().is_none());
    run(&mut state, (700, 740), normal);
    assert_eq!(state.standing(), None);
    for t in 740..900 {
        step(&mut state, t, |c| Some(f64::INFINITY).filter(|_| c == 0));
    }
    assert_eq!(state.standing(), None);
}

#[test]
fn a_pause_empties_the_window_and_keeps_the_baseline() {
    let mut state = taught();
    run(&mut state, (400, 500), normal);
    run(&mut state, (40_000, 40_012), leak);
    assert_eq!((state.excess(), state.standing()), (None, None), "too little to judge by");
    run(&mut state, (40_012, 40_030), leak);
    assert!(state.standing().is_some());
}

#[test]
fn a_constant_channel_tells_its_resolution_when_it_moves() {
    let constant = |c: usize, t: u64| if c == 2 { 7.0 } else { normal(c, t) };
    let mut state = State::default();
    run(&mut state, (0, 600), constant);
    assert_eq!((state.doubt(2), state.standing()), (Some(Doubt::Constant), None));
    run(&mut state, (600, 602), |c, t| if c == 2 { 8.0 } else { normal(c, t) });
    run(&mut state, (602, 700), constant);
    assert_eq!((state.doubt(2), state.standing()), (None, None), "two odd readings are no departure");
    run(&mut state, (700, 712), |c, t| if c == 2 { 8.0 } else { normal(c, t) });
    assert!(state.standing().is_some());
    assert!(state.moved().all(|m| m.channel == 2));
}

#[test]
fn rounding_errors_of_a_constant_are_no_change() {
    let mut state = State::default();
    run(&mut state, (0, 900), |c, t| if t % 2 == 0 { 0.3 } else { 0.1 + 0.2 } * f64::from(c as u32 + 1));
    assert_eq!((state.standing(), state.doubt(0)), (None, Some(Doubt::Constant)));
}

#[test]
fn identical_channels_are_no_singularity() {
    let same = |_: usize, t: u64| normal(0, t);
    let mut state = State::default();
    run(&mut state, (0, 600), same);
    assert_eq!(state.standing(), None);
    run(&mut state, (600, 640), |_, t| normal(0, t) - 1.5);
    assert_eq!(state.moved().count(), 4);
    assert!(state.moved().all(|m| (m.share - 0.25).abs() < 1e-9));
}

#[test]
fn a_channel_that_wanders_is_doubted_and_the_rest_is_not() {
    // A temperature that swings slowly, wider than it is noisy.
    let heat = |t: u64| 60.0 + 2.0 * libm::sin(t as f64 / 90.0);
    let mut state = State::default();
    run(&mut state, (0, 3_000), |c, t| normal(c, t) + if c == 3 { 40.0 * heat(t) } else { 0.0 });
    assert_eq!((state.standing(), state.doubt(3), state.doubt(0)), (None, Some(Doubt::Wanders), None));
}

#[test]
fn a_fault_in_an_eighth_of_the_training_does_not_hide_the_next() {
    let mut state = State::default();
    run(&mut state, (0, 400), |c, t| if (100..150).contains(&t) { leak(c, t) } else { normal(c, t) });
    run(&mut state, (400, 500), normal);
    assert_eq!(state.standing(), None);
    run(&mut state, (500, 540), leak);
    assert!(state.standing().is_some());
}

#[test]
fn wild_readings_in_training_make_it_dull_and_never_loud() {
    for every in [97, 150, 400] {
        let wild = |c: usize, t: u64| if t < 400 && t.is_multiple_of(every) { 1e9 } else { normal(c, t) };
        let mut state = State::default();
        run(&mut state, (0, 2_000), wild);
        assert_eq!(state.standing(), None, "one in {every}");
    }
}

#[test]
fn what_was_not_there_in_training_is_not_judged() {
    let mut state = State::default();
    for t in 0..400 {
        step(&mut state, t, |c| (c != 1 || t < 200).then(|| normal(c, t)));
    }
    run(&mut state, (400, 500), |c, t| if c == 1 { 1e9 } else { normal(c, t) });
    assert_eq!((state.doubt(1), state.standing()), (Some(Doubt::Unlearned), None));
}

#[test]
fn learning_again_takes_the_new_level_and_ends_the_condition_by_it() {
    let mut state = taught();
    run(&mut state, (400, 500), leak);
    state.learn_again();
    run(&mut state, (500, 800), leak);
    assert!(state.standing().is_some() && state.untaught() == 100);
    assert_eq!((state.doubt(0), state.moved().count()), (Some(Doubt::Learning), 0));
    run(&mut state, (800, 930), leak);
    assert_eq!(state.standing(), None);
}

#[test]
fn a_restart_in_the_condition_keeps_it_until_values_say_otherwise() {
    let mut state = taught();
    state.stand(Wall(9));
    assert_eq!(state.standing().map(|s| s.onset), Some(Wall(9)));
    for t in 400..500 {
        step(&mut state, t, |_| None);
    }
    assert!(state.standing().is_some());
    run(&mut state, (500, 520), normal);
    assert_eq!(state.standing(), None);
}

#[test]
fn a_frame_waits_for_all_or_for_its_deadline() {
    let mut state = taught();
    let left = |s: &State| s.excess().is_none();
    let at = |ms: u64| Now { mono: Mono(ms), wall: Wall(ms as i64) };
    for i in 0..12 {
        state.value(&PUMP, 0, 32.0, at(400_000 + i * 2_000).wall, at(400_000 + i * 2_000));
        assert_eq!(state.deadline(&PUMP), Some(Mono(401_000 + i * 2_000)));
        state.expire(&PUMP, Mono(401_000 + i * 2_000));
        assert!(state.deadline(&PUMP).is_none() && left(&state));
    }
    state.value(&PUMP, 0, 32.0, at(424_000).wall, at(424_000));
    state.expire(&PUMP, Mono(424_999));
    assert!(left(&state));
    state.expire(&PUMP, Mono(425_000));
    assert!(!left(&state), "thirteen steps of one channel are enough to judge it");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever comes, in whatever order: no verdict without a reason, every number that is shown is finite, and twice the
    /// same is the same.
    #[test]
    fn anything_may_come(words in prop::collection::vec((0usize..18, any::<f64>(), 0u64..2_000, any::<bool>()), 1..4_000)) {
        let feed = || {
            let (mut state, mut ms) = (taught(), 400_000);
            for (channel, value, pause, known) in &words {
                ms += if *pause > 1_990 { pause * 1_000 } else { pause / 4 };
                let now = Now { mono: Mono(ms), wall: Wall(ms as i64) };
                state.expire(&PUMP, now.mono);
                if *known {
                    state.value(&PUMP, *channel, *value, now.wall, now);
                } else {
                    state.unknown(&PUMP, *channel, now.wall, now);
                }
            }
            state
        };
        let state = feed();
        prop_assert!(state.excess().is_none_or(|e| e.is_finite() && e >= 0.0));
        prop_assert!(state.moved().all(|m| m.by.is_finite() && m.from.is_finite() && m.z.is_finite()));
        let shares: f64 = state.moved().map(|m| m.share).sum();
        prop_assert!(state.moved().count() == 0 || (shares - 1.0).abs() < 1e-9);
        prop_assert_eq!(feed(), state);
    }

    /// Training on anything ends, and what it has learned can be watched by.
    #[test]
    fn anything_may_be_learned(values in prop::collection::vec(prop::num::f64::ANY, 4..64), shift in -1e9f64..1e9) {
        let mut state = State::default();
        let value = |c: usize, t: u64| values.get((t as usize * 3 + c) % values.len()).copied().unwrap_or(0.0);
        run(&mut state, (0, 400), value);
        prop_assert_eq!(state.untaught(), 0);
        run(&mut state, (400, 600), |c, t| value(c, t) + shift);
        prop_assert!(state.moved().all(|m| m.by.is_finite() && m.from.is_finite() && m.z.is_finite()));
    }

    /// Units are a matter of taste: doubled numbers (exact in binary) give the very same verdicts.
    #[test]
    fn a_unit_changes_nothing(power in -20i32..20, at in 450u64..600) {
        let factor = libm::exp2(f64::from(power));
        let watch = |factor: f64| {
            let mut state = State::default();
            run(&mut state, (0, at), |c, t| normal(c, t) * factor);
            run(&mut state, (at, at + 60), |c, t| leak(c, t) * factor);
            (state.standing(), state.turned(), state.moved().map(|m| (m.channel, m.z)).collect::<Vec<_>>())
        };
        prop_assert_eq!(watch(factor), watch(1.0));
    }
}
