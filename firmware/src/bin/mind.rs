//! The mind on a board: `mind SEED EVENTS [CLOSELY]` prints the marks of [`gengfu_node::mind::run`], a line each.
//! For QEMU's mps2-an386: arguments, output and the end go through semihosting. tests/same_mind.rs holds it against a host.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use gengfu_node::mind;
use semihosting::experimental::env;
use semihosting::process::ExitCode;
use semihosting::{eprintln, println};

/// Bytes of the command line.
const LINE: usize = 128;

#[entry]
fn main() -> ! {
    let Some((seed, events, closely)) = asked() else {
        eprintln!("usage: mind SEED EVENTS [CLOSELY]; give them to qemu as -semihosting-config arg=mind,arg=SEED,...");
        ExitCode::from(2).exit_process()
    };
    mind::run(seed, events, closely, |mark| println!("{mark}"));
    ExitCode::SUCCESS.exit_process()
}

fn asked() -> Option<(u64, u32, u32)> {
    let line = env::args::<LINE>().ok()?;
    let mut words = line.filter_map(Result::ok).skip(1);
    let (seed, events) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let closely = words.next().map_or(Some(events), |word| word.parse().ok())?;
    Some((seed, events, closely))
}
