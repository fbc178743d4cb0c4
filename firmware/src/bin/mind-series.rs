//! Series on a board: `mind-series FILE` takes the frames of a file (`gengfu_node::mind::series`) and prints the marks, a line
//! each. For QEMU's mps2-an386: the file, output and the end go through semihosting.
#![no_std]
#![no_main]

use core::ffi::CStr;

use cortex_m_rt::entry;
use gengfu_node::mind::series::{Frame, LONGEST, Run};
use semihosting::experimental::env;
use semihosting::fs::File;
use semihosting::io::Read as _;
use semihosting::process::ExitCode;
use semihosting::{eprintln, println};

/// Bytes of the command line.
const LINE: usize = 128;
/// Bytes that are read at once.
const BUFFER: usize = 16 * LONGEST;

#[entry]
fn main() -> ! {
    let mut name = [0; LINE];
    let Some(mut file) = asked(&mut name).and_then(|name| File::open(name).ok()) else {
        eprintln!("usage: mind-series FILE; a file in the directory of qemu");
        ExitCode::from(2).exit_process()
    };
    match run(&mut file) {
        Ok(()) => ExitCode::SUCCESS.exit_process(),
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE.exit_process()
        }
    }
}

fn asked(name: &mut [u8; LINE]) -> Option<&CStr> {
    let line = env::args::<LINE>().ok()?;
    let word = line.filter_map(Result::ok).nth(1)?;
    name.get_mut(..word.len())?.copy_from_slice(word.as_bytes());
    CStr::from_bytes_until_nul(name).ok()
}

fn run(file: &mut File) -> Result<(), &'static str> {
    let (mut run, mut tell) = (Run::default(), |mark| println!("{mark}"));
    let (mut buffer, mut held, mut over) = ([0; BUFFER], 0, false);
    loop {
        while !over && held < BUFFER {
            let Some(room) = buffer.get_mut(held..) else { break };
            match file.read(room).map_err(|_| "the file can't be read")? {
                0 => over = true,
                n => held += n,
            }
        }
        let mut left = buffer.get(..held).unwrap_or_default();
        // A frame that may lie across the end of the buffer waits for more.
        while left.len() >= LONGEST || (over && !left.is_empty()) {
            let (frame, rest) = Frame::first(left).map_err(|_| "the file is no frames")?;
            run.take(frame, &mut tell);
            left = rest;
        }
        let done = held - left.len();
        held = left.len();
        buffer.copy_within(done..done + held, 0);
        if over && held == 0 {
            run.end(&mut tell);
            return Ok(());
        }
    }
}
