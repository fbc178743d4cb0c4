//! `gengfu check`.

use std::path::Path;
use std::process::ExitCode;

/// Checks the file and prints what it would do, or everything that is wrong with it.
pub fn run(_file: &Path, _json: bool) -> ExitCode {
    unimplemented!()
}
