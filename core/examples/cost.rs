//! What a reading costs in core, by detector: `cargo run --release -p gengfu-core --example cost [rounds [detector]]`.
//! One engine, one rule a point, readings that stay normal (the case that happens all day).
#![expect(clippy::disallowed_methods, reason = "a stopwatch is what this is")]

use std::hint::black_box;
use std::time::Instant;

use gengfu_core::alarm::{Priority, Transition};
use gengfu_core::detect::limit::{Level as LimitLevel, Side};
use gengfu_core::detect::{Params, absent, digital, limit, trend};
use gengfu_core::engine::{Area, Binding, Engine, Event, Level, ModeChange, Point, Policy, Pulse, Rule, Sink, Tables};
use gengfu_core::quality::Quality;
use gengfu_core::reading::{Delivery, PointId, Reading, RuleId};
use gengfu_core::time::{Mono, Now, Wall};

const POINTS: u32 = 1_000;
/// Few of them are enough under a tool that counts instructions.
const ROUNDS: u64 = 2_000;

struct Count(u64);

impl Sink for Count {
    fn transition(&mut self, _: &Transition) {
        self.0 += 1;
    }

    fn mode(&mut self, _: &ModeChange) {}
}

fn main() {
    let level = LimitLevel { limit: 0.15, clear: 0.17, on_ms: 10_000, off_ms: 0 };
    let one = limit::Params { side: Side::Low, first: level, second: None };
    let two = limit::Params { second: Some(LimitLevel { limit: 0.10, ..level }), ..one };
    println!("| detector | ns a reading | bytes of state |\n|---|---|---|");
    report("none", None, 0);
    report("limit, one level", Some(Params::Limit(one)), size_of::<limit::State>());
    report("limit, two levels", Some(Params::Limit(two)), size_of::<limit::State>());
    let door = digital::Params { is: 1.0, negate: false, on_ms: 1_000, off_ms: 0 };
    report("state", Some(Params::Digital(door)), size_of::<digital::State>());
    let leak = trend::Params { limit: 0.15, side: Side::Low, within_ms: 3_600_000, window_ms: 1_600_000 };
    report("trend, 100 readings a block", Some(Params::Trend(leak)), size_of::<trend::State>());
    let hasty = trend::Params { window_ms: 16_000, ..leak };
    report("trend, a block a reading", Some(Params::Trend(hasty)), size_of::<trend::State>());
    let lost = absent::Params { bad_ms: 10_000, silent_ms: Some(60_000) };
    report("absent", Some(Params::Absent(lost)), size_of::<absent::State>());
}

fn report(name: &str, params: Option<Params>, bytes: usize) {
    let mut args = std::env::args().skip(1);
    let rounds = args.next().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    if args.next().is_some_and(|only| only != name) {
        return;
    }
    let mut best = f64::MAX;
    for _ in 0..3 {
        best = best.min(run(params, rounds));
    }
    println!("| {name} | {best:.1} | {bytes} |");
}

fn run(params: Option<Params>, rounds: u64) -> f64 {
    let l = Level { priority: Priority::High, latch: false, shelvable: true };
    let rules: Vec<_> = params.into_iter().map(|params| Rule::new(params, [l, l])).collect();
    let count = rules.len() as u32;
    let mut points: Vec<_> = (0..POINTS).map(|i| Point::new(PointId(i), i * count, count)).collect();
    let bindings = (0..POINTS * count).map(|i| Binding::new(RuleId(0), PointId(i), u64::from(i), i));
    let mut bindings: Vec<_> = bindings.collect();
    let n = bindings.len();
    let (mut limits, mut digitals) = (vec![limit::State::default(); n], vec![digital::State::default(); n]);
    let (mut trends, mut absents) = (vec![trend::State::default(); n], vec![absent::State::default(); n]);
    let (mut heap, mut areas, mut pulse, mut sink) = (vec![0; n], [Area::default()], Pulse::default(), Count(0));
    let start = Instant::now();
    for round in 0..rounds {
        let now = Now { mono: Mono(round * 1_000), wall: Wall(round as i64 * 1_000) };
        let mut engine = Engine::new(Tables {
            rules: &rules,
            points: &mut points,
            bindings: &mut bindings,
            limits: &mut limits,
            digitals: &mut digitals,
            trends: &mut trends,
            absents: &mut absents,
            votes: &mut [],
            wires: &[],
            groups: &mut [],
            areas: &mut areas,
            policy: Policy::default(),
            heap: &mut heap,
            pulse: &mut pulse,
        });
        for i in 0..POINTS {
            let value = 0.40 + f64::from((i + round as u32 * 7) % 13) * 0.001;
            let reading = Reading { point: PointId(i), at: now.wall, value, quality: Quality::Good };
            let _ = engine.handle(black_box(Event::Reading(reading, Delivery::Live)), now, &mut sink);
        }
    }
    let ns = start.elapsed().as_nanos() as f64 / (rounds * u64::from(POINTS)) as f64;
    assert_eq!(black_box(sink.0), 0, "these readings are normal");
    ns
}
