//! What a power cut must not undo.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Renames, and makes the directory say so after a power cut.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    // Of a bare name the parent is there, and empty.
    let dir = to.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(dir)?.sync_all()
}
