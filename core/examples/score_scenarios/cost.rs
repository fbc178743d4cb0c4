//! What a reading costs in each detector, and how many bytes it keeps of a point.

use std::hint::black_box;
use std::time::Instant;

use gengfu_core::derive::sibling::{self, Who};
use gengfu_core::derive::{explained, ratio};
use gengfu_core::detect::baseline::{self, Bins};
use gengfu_core::detect::calendar::Calendar;
use gengfu_core::detect::limit::{Level, Side};
use gengfu_core::detect::{accumulated, band, count, drift, dwell, frozen, rate, rhythm, trend};
use gengfu_core::time::{Mono, Now, Wall};

use super::packs::{DAY, HOUR, MIN, SEC};

const READINGS: u64 = 2_000_000;

/// Runs a detector over readings of one every `every_ms`; prints the best of 3 runs.
fn cost<S: Default>(name: &str, every_ms: u64, mut value: impl FnMut(&mut S, f64, Now)) {
    let mut best = f64::MAX;
    for _ in 0..3 {
        let mut state = S::default();
        let begin = Instant::now();
        for n in 0..READINGS {
            let now = Now { mono: Mono(n * every_ms), wall: Wall((n * every_ms) as i64) };
            // Between 10 and 11, never twice the same in a row.
            value(&mut state, black_box(10.0 + (n * 7 % 97) as f64 / 97.0), now);
        }
        black_box(&state);
        best = best.min(begin.elapsed().as_nanos() as f64 / READINGS as f64);
    }
    println!("| {name} | {best:.1} | {} |", size_of::<S>());
}

/// Prints a table.
pub(crate) fn report() {
    println!("| detector | ns a reading | bytes of state |\n|---|---|---|");
    let level = |limit| Level { limit, clear: limit, on_ms: SEC, off_ms: SEC };
    let pair = band::Params::between(level(5.0), level(15.0));
    cost("band", SEC, |s: &mut band::State, v, now| s.value(&pair, v, now.wall, now));
    let leak = trend::Params { limit: 20.0, side: Side::High, within_ms: HOUR, window_ms: 16 * 100 * SEC };
    cost("trend, 100 readings a block", SEC, |s: &mut trend::State, v, now| s.value(&leak, v, now.wall, now));
    let hasty = trend::Params { window_ms: 16 * SEC, ..leak };
    cost("trend, a block a reading", SEC, |s: &mut trend::State, v, now| s.value(&hasty, v, now.wall, now));
    let rising = |v: f64, now: Now| v + now.mono.0 as f64 / 1e3;
    cost("trend, a block a reading, rising", SEC, |s: &mut trend::State, v, now| {
        s.value(&hasty, rising(v, now), now.wall, now);
    });
    let climb = rate::Params { way: rate::Way::Up, per_hour: 30.0, window_ms: 16 * 100 * SEC };
    cost("rate, 100 readings a block", SEC, |s: &mut rate::State, v, now| s.value(&climb, v, now.wall, now));
    let usual =
        baseline::Params { bins: Bins::HoursOfWeek, calendar: Calendar::default(), floor: 0.1, memory: 28, roam: 1.0 };
    let creep = drift::Params {
        side: Side::High,
        usual,
        block_ms: HOUR,
        learn_ms: DAY,
        shift: 1.0,
        slack: 0.5,
        rise: 8.0,
        step: Some(5.0),
        patience_ms: DAY,
    };
    cost("drift, 360 readings a block", 10 * SEC, |s: &mut drift::State, v, now| s.value(&creep, v, now.wall, now));
    let often = drift::Params { block_ms: 10 * SEC, ..creep };
    cost("drift, a block a reading", 10 * SEC, |s: &mut drift::State, v, now| s.value(&often, v, now.wall, now));
    let jockey = rhythm::Params { early: 0.85, late: Some(1.2) };
    cost("rhythm, a start in 8 readings", MIN, |s: &mut rhythm::State, v, now| {
        s.value(&jockey, f64::from(u8::from((now.mono.0 / MIN).is_multiple_of(8))) * v, now.wall, now);
    });
    let starts = count::Params { what: count::What::Changes, window_ms: HOUR, limit: 1e9, clear: 1e9 };
    cost("count", SEC, |s: &mut count::State, v, now| s.value(&starts, v, now.wall, now));
    let flow = accumulated::Params { from: 9.0, window_ms: DAY, limit: 1e9, clear: 1e9, gap_ms: MIN };
    cost("accumulated", SEC, |s: &mut accumulated::State, v, now| s.value(&flow, v, now.wall, now));
    let same = frozen::Params { within: 0.0, for_ms: HOUR };
    cost("frozen", SEC, |s: &mut frozen::State, v, now| s.value(&same, v, now.wall, now));
    let lane = dwell::Params { is: 1.0, hold_ms: MIN, forgive_ms: SEC, open_hours: Some(Calendar::default()) };
    cost("dwell", SEC, |s: &mut dwell::State, v, now| s.value(&lane, v, now.wall, now));
    let cable = explained::Params {
        tau_ms: 30 * MIN,
        rated: 10.0,
        memory_ms: DAY,
        learn_ms: HOUR,
        calendar: Calendar::default(),
    };
    cost("explained", MIN, |s: &mut explained::State, v, now| {
        s.load(&cable, v, now.mono);
        black_box(s.value(&cable, v, now.wall, now, true));
    });
    let trips = ratio::Params { enough: 1_000.0 };
    cost("ratio", SEC, |s: &mut ratio::State, v, _| {
        black_box(s.value(&trips, 1.0, v));
    });
    let beside = sibling::Params { fresh_ms: MIN };
    cost("sibling", SEC, |s: &mut sibling::State, v, now| {
        s.word(&beside, Who::There, Some(v), now.mono);
        black_box(s.word(&beside, Who::Here, Some(v), now.mono));
    });
}
