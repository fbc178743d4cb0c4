//! Instructions a reading on a board: two numbers a row of [`gengfu_node::mind::cost::ROWS`], the mean and the worst.
//! They are read from SysTick and exact under QEMU's `-icount`, where every instruction takes the same time; they are not
//! the cycles of a real Cortex-M4F. `make mind-cost` prints them with the rest.
#![no_std]
#![no_main]

use core::hint::black_box;

use cortex_m::Peripherals;
use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::entry;
use gengfu_node::mind::cost::{ICOUNT_SHIFT, ROWS, Row, WIDEST, reading};
use semihosting::process::ExitCode;
use semihosting::{eprintln, println};

/// Readings of each point of a row: more than twice the longest memory.
const ROUNDS: u32 = 4_000;
/// SysTick counts down in 24 bits.
const TICKS: u32 = (1 << 24) - 1;
/// The board's clock: 25 MHz.
const NS_PER_TICK: u32 = 40;

#[entry]
fn main() -> ! {
    let Some(board) = Peripherals::take() else { ExitCode::FAILURE.exit_process() };
    let mut counter = board.SYST;
    counter.set_clock_source(SystClkSource::Core);
    counter.set_reload(TICKS);
    counter.clear_current();
    counter.enable_counter();
    for row in &ROWS {
        let (mean, worst) = measure(row);
        println!("{mean} {worst}");
    }
    ExitCode::SUCCESS.exit_process()
}

fn measure(row: &Row) -> (u32, u32) {
    let mut site = row.site::<WIDEST>();
    let mut door = site.door();
    let (mut all, mut worst) = (0_u64, 0);
    let idle = instructions(|| ());
    for (round, point) in (0..ROUNDS).flat_map(|round| (0..row.points).map(move |point| (round, point))) {
        let (event, now) = black_box(reading(point, round));
        let spent = instructions(|| {
            if black_box(&mut door).handle(event, now, |_| eprintln!("these readings are normal")).is_err() {
                eprintln!("a reading was refused");
            }
        });
        let spent = spent.saturating_sub(idle);
        (all, worst) = (all + u64::from(spent), worst.max(spent));
    }
    let readings = u64::from(ROUNDS * row.points);
    (((all + readings / 2) / readings) as u32, worst)
}

/// Instructions that the work took, those of looking at the counter included.
#[inline(never)]
fn instructions(work: impl FnOnce()) -> u32 {
    let before = SYST::get_current();
    work();
    let ticks = before.wrapping_sub(SYST::get_current()) & TICKS;
    let ns = 1 << ICOUNT_SHIFT;
    (ticks * NS_PER_TICK + ns / 2) / ns
}
