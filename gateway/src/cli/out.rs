//! What the command line prints. Whoever reads may go before all is told (`gengfu alarms --json | head`): that is no failure, and
//! ends nothing that runs. The macros stand in place of std's, which panic there; clippy refuses those in this crate.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write, stderr, stdout};

/// For whoever asked.
pub(super) fn out(text: Arguments<'_>) {
    let mut to = stdout().lock();
    let told = to.write_fmt(text).and_then(|()| to.flush());
    if let Err(error) = told
        && error.kind() != ErrorKind::BrokenPipe
    {
        err(format_args!("gengfu: can't print: {error}; see to what its output goes into\n"));
    }
}

/// Beside it: what is wrong. There is nobody left to tell where even that fails.
pub(super) fn err(text: Arguments<'_>) {
    let _ = stderr().lock().write_fmt(text);
}

macro_rules! say {
    ($($text:tt)*) => { $crate::cli::out::out(format_args!($($text)*)) };
}

macro_rules! sayln {
    ($($text:tt)*) => { $crate::cli::out::out(format_args!("{}\n", format_args!($($text)*))) };
}

macro_rules! warn {
    ($($text:tt)*) => { $crate::cli::out::err(format_args!($($text)*)) };
}

macro_rules! warnln {
    ($($text:tt)*) => { $crate::cli::out::err(format_args!("{}\n", format_args!($($text)*))) };
}
