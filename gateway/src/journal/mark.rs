//! Whose journal a directory holds. The mark carries its checksum: a damaged one says nothing, and is written anew.

use std::fs;
use std::io;
use std::path::Path;

const FILE: &str = "site";

/// The site whose journal this is, if the directory says so.
pub fn owner(dir: &Path) -> Option<String> {
    read(&fs::read_to_string(dir.join(FILE)).ok()?)
}

/// Makes the directory, if need be, and marks it.
pub fn own(dir: &Path, site: &str) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    fs::write(dir.join(FILE), text(site))
}

pub(super) fn read(text: &str) -> Option<String> {
    let (id, sum) = text.trim_end().split_once(' ')?;
    (sum == checksum(id)).then(|| id.to_owned())
}

pub(super) fn text(site: &str) -> String {
    format!("{site} {}\n", checksum(site))
}

fn checksum(id: &str) -> String {
    format!("{:08x}", crc32fast::hash(id.as_bytes()))
}
