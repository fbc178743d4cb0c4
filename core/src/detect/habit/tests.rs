//! What the detector tells and what it keeps to itself.

use proptest::prelude::*;

use super::*;

const EACH: Params = Params { threshold: THRESHOLD, block_ms: 0, calendar: Calendar::UTC };
const MINUTE: u64 = 60_000;

/// Uniform noise in [-1, 1] that needs no crate.
fn noise(t: u64) -> f64 {
    let mut z = t.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z >> 11) as f64 / (1u64 << 52) as f64) - 1.0
}

fn at(ms: u64) -> (Wall, Now) {
    let wall = Wall(ms as i64);
    (wall, Now { mono: Mono(ms), wall })
}

/// A reading every five minutes.
fn feed(state: &mut State, from: u64, to: u64, f: impl Fn(u64) -> f64) -> Vec<u64> {
    let mut news = Vec::new();
    for t in from..to {
        let (wall, now) = at(t * 5 * MINUTE);
        state.value(&EACH, f(t), wall, now);
        if state.score() >= EACH.threshold {
            news.push(t);
        }
    }
    news
}

fn steady(t: u64) -> f64 {
    0.45 + 0.004 * (noise(t) + noise(t + 500_000) + noise(t + 900_000))
}

/// A working day from eight to six.
fn day(t: u64) -> f64 {
    let hour = (t / 12) % 24;
    let busy = (8..18).contains(&hour);
    (if busy { 80.0 } else { 20.0 }) + 2.0 * noise(t)
}

#[test]
fn one_that_stands_from_its_first_reading_on_is_taught_all_the_same() {
    let mut s = State::default();
    s.stand(Wall(0));
    feed(&mut s, 0, 400, steady);
    let belief = s.belief().expect("it knows enough");
    assert!(s.standing().is_none() && (belief.taught - 0.45).abs() < 0.01, "{belief:?}");
}

#[test]
fn a_steady_stream_is_seldom_told() {
    let told = |threshold: f64| {
        let (params, mut s, mut news) = (Params { threshold, ..EACH }, State::default(), 0);
        for t in 0..20_000 {
            let (wall, now) = at(t * 5 * MINUTE);
            s.value(&params, steady(t), wall, now);
            news += u32::from(s.score() >= threshold);
        }
        news
    };
    let (often, seldom) = (told(THRESHOLD), told(20.0));
    assert!(often <= 20 && seldom <= 3, "told {often} and {seldom} times in seventy days");
}

#[test]
fn a_jump_is_told_once_with_its_reason() {
    let mut s = State::default();
    let _ = feed(&mut s, 0, 2_000, steady);
    let news = feed(&mut s, 2_000, 2_090, |t| steady(t) - 0.1);
    assert_eq!(news, [2_000], "one alarm, not a storm");
    let told = s.told().expect("it stands");
    assert!((told.came - 0.35).abs() < 0.02 && (told.expected - 0.45).abs() < 0.02, "{told:?}");
    assert_eq!(s.standing().map(|x| x.onset), Some(Wall(2_000 * 5 * MINUTE as i64)));
    let (readings, bound) = told.once_in();
    assert!(bound && readings <= 2_001.0, "no more is claimed than was seen: {readings}");
}

#[test]
fn a_day_that_does_not_come_is_told() {
    let mut s = State::default();
    let _ = feed(&mut s, 0, 12 * 24 * 21, day);
    let quiet_from = 12 * 24 * 21;
    // The 22nd day stays as the nights are: no value is new, only the hour is wrong.
    let news = feed(&mut s, quiet_from, quiet_from + 12 * 12, |t| 20.0 + 2.0 * noise(t));
    assert!(news.iter().any(|t| t - quiet_from >= 12 * 8), "told at {news:?}");
    let told = s.told().expect("it stands");
    assert!(told.expected > 60.0 && told.came < 23.0, "{told:?}");
}

#[test]
fn what_lasts_is_adopted_and_that_is_said() {
    let mut s = State::default();
    let _ = feed(&mut s, 0, 2_000, steady);
    let taught = s.belief().expect("it has learned").taught;
    let mut ended = None;
    for t in 2_000..12_000 {
        let _ = feed(&mut s, t, t + 1, |t| steady(t) - 0.1);
        ended = ended.or(s.ended().filter(|_| t > 2_001));
    }
    let Some(Ended::Adopted { was, is }) = ended else { panic!("{ended:?}") };
    assert!((was - 0.45).abs() < 0.01 && (is - 0.35).abs() < 0.02, "{was} {is}");
    let belief = s.belief().expect("it has learned");
    assert!(belief.taught == taught && (belief.level - 0.35).abs() < 0.01, "{belief:?}");
    s.accept();
    assert_eq!(s.belief().map(|b| b.taught == b.level), Some(true));
}

#[test]
fn what_passes_is_not_adopted() {
    let mut s = State::default();
    let _ = feed(&mut s, 0, 2_000, steady);
    let _ = feed(&mut s, 2_000, 2_010, |t| steady(t) - 0.1);
    let _ = feed(&mut s, 2_010, 2_300, steady);
    assert_eq!(s.ended(), Some(Ended::Returned));
}

#[test]
fn a_constant_is_quiet_and_its_first_move_is_told_without_false_certainty() {
    let mut s = State::default();
    assert!(feed(&mut s, 0, 3_000, |_| 45.0).is_empty());
    assert_eq!(feed(&mut s, 3_000, 3_001, |_| 45.5), [3_000]);
    let (readings, bound) = s.told().map(|t| t.once_in()).expect("it stands");
    assert!(bound && readings <= 3_001.0, "{readings}");
}

#[test]
fn too_little_says_nothing() {
    let mut s = State::default();
    assert!(feed(&mut s, 0, 1, |_| 7.0).is_empty());
    assert!(feed(&mut s, 1, 90, |t| if t % 2 == 0 { 1e9 } else { -1e9 }).is_empty());
    assert_eq!(s.belief(), None);
}

#[test]
fn a_year_of_nothing_is_no_step() {
    let mut s = State::default();
    let wander = |t: u64| 20.0 + 0.01 * t as f64 + 0.1 * noise(t);
    let _ = feed(&mut s, 0, 1_000, wander);
    let kept = s.belief();
    let (wall, now) = at(1_000 * 5 * MINUTE + 365 * 24 * 60 * MINUTE);
    s.value(&EACH, 30.2, wall, now);
    assert!(s.score() < EACH.threshold, "{}", s.score());
    assert_eq!(s.belief().map(|b| b.taught), kept.map(|b| b.taught));
}

#[test]
fn what_is_no_value_changes_nothing() {
    let mut s = State::default();
    let _ = feed(&mut s, 0, 500, steady);
    let before = s;
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300] {
        let (wall, now) = at(500 * 5 * MINUTE);
        s.value(&EACH, value, wall, now);
    }
    assert_eq!(s, before);
}

#[test]
fn where_it_stands_and_in_what_unit_does_not_matter() {
    // A pressure around 0.45, the same beside 2^30, and the same in units of 2^-20: exact in binary, so the alarms agree.
    let odd = |t: u64| steady(t) - if (1_500..1_505).contains(&t) { 0.05 } else { 0.0 };
    let coarse = |t: u64| libm::round(odd(t) * 65_536.0) / 65_536.0;
    let plain = feed(&mut State::default(), 0, 3_000, coarse);
    assert!(plain.iter().any(|t| (1_500..1_505).contains(t)), "{plain:?}");
    assert_eq!(feed(&mut State::default(), 0, 3_000, |t| coarse(t) + 1_073_741_824.0), plain);
    assert_eq!(feed(&mut State::default(), 0, 3_000, |t| coarse(t) * 1_048_576.0), plain);
    assert_eq!(feed(&mut State::default(), 0, 3_000, |t| -coarse(t)), plain);
}

#[test]
fn a_copy_goes_on_as_the_original_would() {
    let mut s = State::default();
    let _ = feed(&mut s, 0, 1_234, day);
    let mut copy = s;
    assert_eq!(feed(&mut s, 1_234, 5_000, day), feed(&mut copy, 1_234, 5_000, day));
    assert_eq!(s, copy);
}

#[test]
fn blocks_are_means() {
    let blocks = Params { block_ms: 5 * MINUTE, ..EACH };
    let (mut fine, mut coarse) = (State::default(), State::default());
    for t in 0..400 {
        for k in 0..4 {
            let (wall, now) = at(t * 5 * MINUTE + k * MINUTE);
            fine.value(&blocks, steady(t) + if k % 2 == 0 { 3.0 } else { -3.0 }, wall, now);
        }
    }
    let _ = feed(&mut coarse, 0, 399, steady);
    let (Some(fine), Some(coarse)) = (fine.belief(), coarse.belief()) else { panic!("both have learned") };
    assert!(
        (fine.level - coarse.level).abs() < 1e-9 && (fine.spread - coarse.spread).abs() < 1e-6,
        "{fine:?} {coarse:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn no_input_makes_it_anything_but_a_finite_number(
        values in prop::collection::vec((any::<f64>(), 0u64..400_000_000_000, any::<i64>()), 1..400)
    ) {
        let mut s = State::default();
        let mut mono = 0u64;
        for (value, dt, wall) in values {
            mono = mono.saturating_add(dt);
            let now = Now { mono: Mono(mono), wall: Wall(wall) };
            s.value(&EACH, value, Wall(wall), now);
            prop_assert!(s.score().is_finite());
            if let Some(told) = s.told() {
                prop_assert!(told.surprise.is_finite() && told.once_in().0 <= f64::from(MEMORY) + 1.0);
            }
            if let Some(b) = s.belief() {
                prop_assert!(b.level.is_finite() && b.spread.is_finite());
            }
        }
    }

    #[test]
    fn one_alarm_at_most_in_a_hundred_readings_unless_it_gets_much_worse(seed in any::<u64>(), jumps in 1u64..50) {
        let mut s = State::default();
        let wild = |t: u64| steady(t) + if (t.wrapping_mul(seed | 1) >> 7).is_multiple_of(jumps) { 0.1 * noise(t ^ seed) } else { 0.0 };
        let news = feed(&mut s, 0, 2_000, wild);
        // Each further one within the hundred is WORSE nats above the one before, and there are not many steps of that.
        prop_assert!(news.windows(8).all(|w| w.first().zip(w.last()).is_none_or(|(a, b)| b - a > 100)), "{news:?}");
    }
}
