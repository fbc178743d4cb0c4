//! What a reading costs in core on this machine: `cargo run --release -p gengfu-node --example cost`. In instructions on the
//! emulated board as well: `make mind-cost`.
#![expect(clippy::disallowed_methods, reason = "a stopwatch is what this is")]

use std::hint::black_box;
use std::time::Instant;

use gengfu_node::mind::cost::{ROWS, Row, reading};

const POINTS: usize = 1_000;
const ROUNDS: u32 = 2_000;

/// Tables of a thousand points of the biggest kinds are made on the stack.
const STACK: usize = 64 << 20;

fn main() {
    let bench = std::thread::Builder::new().stack_size(STACK).spawn(print);
    bench.expect("a thread").join().expect("the bench ends");
}

fn print() {
    println!("| detector | ns a reading | bytes of state |\n|---|---|---|");
    for row in &ROWS {
        let best = (0..3).map(|_| run(row)).fold(f64::MAX, f64::min);
        println!("| {} | {best:.1} | {} |", row.name, row.bytes);
    }
}

fn run(row: &Row) -> f64 {
    let mut site = Box::new(row.site::<POINTS>());
    let mut door = site.door();
    let mut told = 0;
    let start = Instant::now();
    for round in 0..ROUNDS {
        for point in 0..POINTS as u32 {
            let (event, now) = reading(point, round);
            let _ = door.handle(black_box(event), now, |_| told += 1);
        }
    }
    let ns = start.elapsed().as_nanos() as f64 / (f64::from(ROUNDS) * POINTS as f64);
    assert_eq!(black_box(told), 0, "these readings are normal");
    ns
}
