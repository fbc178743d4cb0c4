//! A disk that is sick on command: a preloaded library (rigs/slowdisk.c) that makes writes and syncs below one folder
//! hang, or fail for lack of space, while a control file exists.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Control of one gateway's disk.
#[derive(Debug)]
pub struct SickDisk {
    library: String,
    below: String,
    hang: PathBuf,
    full: PathBuf,
}

impl SickDisk {
    /// For everything below `below`; control files lie in `control`. `None` without a C compiler.
    pub fn new(below: &Path, control: &Path) -> Option<Self> {
        let library = library()?.display().to_string();
        let below = below.display().to_string();
        Some(Self { library, below, hang: control.join("disk.hang"), full: control.join("disk.full") })
    }

    /// What the gateway's environment needs.
    pub fn environment(&self) -> [(String, String); 4] {
        [
            ("LD_PRELOAD".to_owned(), self.library.clone()),
            ("SLOWDISK_BELOW".to_owned(), self.below.clone()),
            ("SLOWDISK_HANG".to_owned(), self.hang.display().to_string()),
            ("SLOWDISK_FULL".to_owned(), self.full.display().to_string()),
        ]
    }

    /// Writes and syncs hang until healed.
    pub fn hang(&self) {
        std::fs::write(&self.hang, "").unwrap();
    }

    /// Writes fail with ENOSPC until healed.
    pub fn full(&self) {
        std::fs::write(&self.full, "").unwrap();
    }

    pub fn heal(&self) {
        let _ = std::fs::remove_file(&self.hang);
        let _ = std::fs::remove_file(&self.full);
    }
}

impl Drop for SickDisk {
    fn drop(&mut self) {
        self.heal();
    }
}

fn library() -> Option<&'static PathBuf> {
    static LIBRARY: OnceLock<Option<PathBuf>> = OnceLock::new();
    LIBRARY
        .get_or_init(|| {
            let source = crate::root().join("tests/rigs/slowdisk.c");
            let out = std::env::temp_dir().join(format!("gengfu-slowdisk-{}.so", std::process::id()));
            let mut cc = Command::new("cc");
            cc.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(&out).arg(&source).arg("-ldl");
            cc.status().is_ok_and(|status| status.success()).then_some(out)
        })
        .as_ref()
}
