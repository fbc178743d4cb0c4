//! The wall clock of a program under test, set while it runs (libfaketime). Its counter is left alone.

use std::path::{Path, PathBuf};

/// Off by what its file says.
#[derive(Debug)]
pub struct WallClock(PathBuf);

impl WallClock {
    /// A clock that is right, with its file in `dir`.
    pub fn new(dir: &Path) -> Self {
        let clock = Self(dir.join("clock"));
        clock.set(0);
        clock
    }

    /// Off by so many milliseconds from now on, to the second.
    pub fn set(&self, off_ms: i64) {
        // renamed into place: a half-written file is no time
        let next = self.0.with_extension("next");
        std::fs::write(&next, format!("{:+}\n", off_ms / 1_000)).unwrap();
        std::fs::rename(&next, &self.0).unwrap();
    }

    /// What does it; `None` where it is not installed.
    pub fn library() -> Option<PathBuf> {
        let below = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
        below.iter().map(|dir| Path::new(dir).join("faketime/libfaketime.so.1")).find(|file| file.is_file())
    }

    /// What a program that is to have this clock is started with.
    pub fn environment<'a>(&'a self, library: &'a Path) -> [(&'a str, &'a str); 5] {
        [
            ("LD_PRELOAD", library.to_str().unwrap()),
            ("FAKETIME_TIMESTAMP_FILE", self.0.to_str().unwrap()),
            ("FAKETIME_NO_CACHE", "1"),
            // the old and the new name of the same switch
            ("DONT_FAKE_MONOTONIC", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ]
    }
}
