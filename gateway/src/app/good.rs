//! The last good configuration: copies of the site file beside the journal, of the one in force and of the one before it.
//! `gengfu rollback` puts one back.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use crate::config::{self, Loaded};
use crate::disk;

/// The site file as it was when it was last applied.
pub(crate) const IN_FORCE: &str = "site.good.toml";
/// The one that was in force before it.
pub(crate) const BEFORE: &str = "site.before.toml";

/// Keeps the text of a site file that has been applied. The same text again changes nothing.
pub(crate) fn keep(dir: &Path, text: &str) -> io::Result<()> {
    let (in_force, before) = (dir.join(IN_FORCE), dir.join(BEFORE));
    match fs::read_to_string(&in_force) {
        Ok(kept) if kept == text => return Ok(()),
        Ok(kept) => write(&before, &kept)?,
        // Nothing to keep of it, or nothing that could be read.
        Err(_) => {}
    }
    write(&in_force, text)
}

/// The configuration that was in force last, in place of a file that is wrong: a building is not left unwatched for a slip.
pub(crate) fn last(file: &Path) -> Option<(String, Loaded)> {
    let now = fs::read(file).unwrap_or_default();
    let dir = config::journal_directory(&String::from_utf8_lossy(&now), file);
    let text = fs::read_to_string(dir.join(IN_FORCE)).ok()?;
    let loaded = config::parse(&text, file).ok()?;
    Some((text, loaded))
}

/// Writes a file whole or not at all, and brings it to disk. Who may read it stays as it was.
pub(crate) fn write(file: &Path, text: &str) -> io::Result<()> {
    let mut name = file.as_os_str().to_owned();
    name.push(".new");
    let new = Path::new(&name);
    let mut out = File::create(new)?;
    if let Ok(meta) = fs::metadata(file) {
        use std::os::unix::fs::{MetadataExt as _, chown};
        out.set_permissions(meta.permissions())?;
        // Only the administrator can give a file away; for the others it is theirs anyway.
        let _ = chown(new, Some(meta.uid()), Some(meta.gid()));
    }
    out.write_all(text.as_bytes())?;
    out.sync_all()?;
    disk::rename(new, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_in_force_and_the_one_before_it_are_kept() {
        let dir = std::env::temp_dir().join(format!("gengfu-good-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let kept = || [IN_FORCE, BEFORE].map(|name| fs::read_to_string(dir.join(name)).unwrap_or_default());
        keep(&dir, "a").unwrap();
        assert_eq!(kept(), ["a", ""]);
        keep(&dir, "b").unwrap();
        keep(&dir, "b").unwrap();
        assert_eq!(kept(), ["b", "a"]);
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 2, "nothing else is left there");
        fs::remove_dir_all(&dir).unwrap();
    }
}
