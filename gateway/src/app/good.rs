//! The last good configuration: copies of the site file beside the journal, of the one in force and of the one before it.
//! `gengfu rollback` puts one back.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::config::pack::outside::Signed;
use crate::config::{self, Loaded};
use crate::disk;

/// The site file as it was when it was last applied.
pub(crate) const IN_FORCE: &str = "site.good.toml";
/// The one that was in force before it.
pub(crate) const BEFORE: &str = "site.before.toml";

/// A configuration that has been applied: the text of the site file, and the packs from outside that it used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Good {
    pub text: String,
    pub packs: Vec<Signed>,
}

impl Good {
    /// One of the two that are kept.
    pub(crate) fn read(dir: &Path, name: &str) -> io::Result<Self> {
        let text = fs::read_to_string(dir.join(name))?;
        let packs = match fs::read(packs_of(dir, name)) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::other)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok(Self { text, packs })
    }

    fn write(&self, dir: &Path, name: &str) -> io::Result<()> {
        // The packs first: what a crash leaves then is a text with packs that are signed and newer.
        let packs = packs_of(dir, name);
        if !self.packs.is_empty() || packs.exists() {
            write(&packs, &serde_json::to_string(&self.packs).map_err(io::Error::other)?)?;
        }
        write(&dir.join(name), &self.text)
    }

    /// As it would be checked if all of it stood in `file`.
    pub(crate) fn parse(&self, file: &Path) -> Result<Loaded, Vec<config::Complaint>> {
        config::parse_kept(&self.text, file, &self.packs)
    }
}

/// Where the packs lie beside a kept text.
fn packs_of(dir: &Path, name: &str) -> PathBuf {
    dir.join(name).with_extension("packs.json")
}

/// Keeps a configuration that has been applied. The same again changes nothing.
pub(crate) fn keep(dir: &Path, good: &Good) -> io::Result<()> {
    match Good::read(dir, IN_FORCE) {
        Ok(kept) if kept == *good => return Ok(()),
        Ok(kept) => kept.write(dir, BEFORE)?,
        // Nothing to keep of it, or nothing that could be read.
        Err(_) => {}
    }
    good.write(dir, IN_FORCE)
}

/// The configuration that was in force last, in place of a file that is wrong: a building is not left unwatched for a slip.
pub(crate) fn last(file: &Path) -> Option<(Good, Loaded)> {
    let now = fs::read(file).unwrap_or_default();
    let dir = config::journal_directory(&String::from_utf8_lossy(&now), file);
    let good = Good::read(&dir, IN_FORCE).ok()?;
    let loaded = good.parse(file).ok()?;
    Some((good, loaded))
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
        let kept = || [IN_FORCE, BEFORE].map(|name| Good::read(&dir, name).unwrap_or_default());
        let [a, b] = ["a", "b"].map(|text| Good { text: text.to_owned(), packs: Vec::new() });
        keep(&dir, &a).unwrap();
        assert_eq!(kept(), [a.clone(), Good::default()]);
        keep(&dir, &b).unwrap();
        keep(&dir, &b).unwrap();
        assert_eq!(kept(), [b.clone(), a]);
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 2, "nothing else is left there");
        // The same text with another pack is another configuration.
        let pack = Signed { name: "p".to_owned(), text: "t".to_owned(), signature: "s".to_owned() };
        let packed = Good { packs: vec![pack], ..b.clone() };
        keep(&dir, &packed).unwrap();
        assert_eq!(kept(), [packed.clone(), b.clone()]);
        keep(&dir, &b).unwrap();
        assert_eq!(kept(), [b, packed]);
        fs::remove_dir_all(&dir).unwrap();
    }
}
