//! A disk and a name service that are sick on command. The disk: a preloaded library (rigs/slowdisk.c) that makes writes
//! and syncs below one folder hang or take long, or fail for lack of space or at random, while a control file exists; and
//! keeps how long syncs take.

use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

/// Control of one gateway's disk.
#[derive(Debug)]
pub struct SickDisk {
    library: String,
    below: String,
    hang: PathBuf,
    full: PathBuf,
    errors: PathBuf,
    slow: PathBuf,
    took: PathBuf,
}

impl SickDisk {
    /// For everything below `below`; control files lie in `control`. `None` without a C compiler.
    pub fn new(below: &Path, control: &Path) -> Option<Self> {
        let library = library()?.display().to_string();
        let below = below.display().to_string();
        let [hang, full, errors, slow, took] =
            ["hang", "full", "errors", "slow", "took"].map(|what| control.join(format!("disk.{what}")));
        Some(Self { library, below, hang, full, errors, slow, took })
    }

    /// What the gateway's environment needs.
    pub fn environment(&self) -> [(String, String); 7] {
        [
            ("LD_PRELOAD".to_owned(), self.library.clone()),
            ("SLOWDISK_BELOW".to_owned(), self.below.clone()),
            ("SLOWDISK_HANG".to_owned(), self.hang.display().to_string()),
            ("SLOWDISK_FULL".to_owned(), self.full.display().to_string()),
            ("SLOWDISK_ERRORS".to_owned(), self.errors.display().to_string()),
            ("SLOWDISK_SLOW".to_owned(), self.slow.display().to_string()),
            ("SLOWDISK_TOOK".to_owned(), self.took.display().to_string()),
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

    /// Reads, writes and syncs fail with EIO until healed, so many in a hundred, each by chance.
    pub fn errors(&self, percent: usize) {
        std::fs::write(&self.errors, vec![b'.'; percent]).unwrap();
    }

    /// Each sync takes so many ms longer until healed.
    pub fn slow(&self, ms: usize) {
        std::fs::write(&self.slow, vec![b'.'; ms]).unwrap();
    }

    /// The longest sync since [`SickDisk::forget_syncs`], one that was under way when the program died at `died` (UTC ms) included.
    /// To be asked before it begins again.
    pub fn longest_sync(&self, died: i64) -> Duration {
        let kept = std::fs::read(&self.took).unwrap_or_default();
        let mut numbers = kept.chunks_exact(8).map(|bytes| i64::from_ne_bytes(bytes.try_into().unwrap()));
        let longest = numbers.next().unwrap_or(0);
        let under_way = numbers.filter(|began| *began > 0).map(|began| died * 1_000_000 - began);
        let longest = under_way.fold(longest, i64::max);
        Duration::from_nanos(longest.unsigned_abs())
    }

    pub fn forget_syncs(&self) {
        if let Ok(file) = std::fs::File::options().write(true).open(&self.took) {
            file.write_all_at(&[0; 8], 0).unwrap();
        }
    }

    pub fn heal(&self) {
        for file in [&self.hang, &self.full, &self.errors, &self.slow] {
            let _ = std::fs::remove_file(file);
        }
    }
}

impl Drop for SickDisk {
    fn drop(&mut self) {
        self.heal();
    }
}

/// Names below `.rig`, which are this machine until they are told to hang: a preloaded library (rigs/slowname.c).
#[derive(Debug)]
pub struct SickNames {
    library: String,
    hang: PathBuf,
}

impl SickNames {
    /// The control file lies in `control`. `None` without a C compiler.
    pub fn new(control: &Path) -> Option<Self> {
        static LIBRARY: OnceLock<Option<PathBuf>> = OnceLock::new();
        let library = LIBRARY.get_or_init(|| compile("slowname", &SHARED)).as_ref()?.display().to_string();
        Some(Self { library, hang: control.join("names.hang") })
    }

    /// What the gateway's environment needs.
    pub fn environment(&self) -> [(String, String); 2] {
        [("LD_PRELOAD".to_owned(), self.library.clone()), ("SLOWNAME_HANG".to_owned(), self.hang.display().to_string())]
    }

    /// Look-ups hang from now on, those of the past stay answered.
    pub fn hang(&self) {
        std::fs::write(&self.hang, "").unwrap();
    }
}

fn library() -> Option<&'static PathBuf> {
    static LIBRARY: OnceLock<Option<PathBuf>> = OnceLock::new();
    LIBRARY.get_or_init(|| compile("slowdisk", &SHARED)).as_ref()
}

const SHARED: [&str; 2] = ["-shared", "-fPIC"];

/// Compiles `rigs/<name>.c`; `None` without a C compiler.
pub(crate) fn compile(name: &str, how: &[&str]) -> Option<PathBuf> {
    let source = crate::root().join(format!("tests/rigs/{name}.c"));
    let out = std::env::temp_dir().join(format!("gengfu-{name}-{}.so", std::process::id()));
    let mut cc = Command::new("cc");
    cc.args(how).args(["-O1", "-Wall", "-Werror", "-o"]).arg(&out).arg(&source).arg("-ldl");
    cc.status().is_ok_and(|status| status.success()).then_some(out)
}
