//! Packs from outside: `[packs] path` is where they lie, `trust` whose signature is believed. A pack without a good signature is
//! none, whatever it says: a limit that somebody moved is a danger nobody is warned of.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::sign::{self, PublicKey};
use super::{MAX_FILE, Place, Written, embedded};
use crate::config::names;
use crate::config::site;
use crate::config::table::Table;
use crate::config::value::{Value, shorten};

/// Beside the site file.
const DEFAULT_PATH: &str = "packs";
const MAX_KEYS: usize = 16;

/// A pack with its signature, as both lie in their files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    pub name: String,
    pub text: String,
    /// 128 hex digits.
    pub signature: String,
}

impl Signed {
    /// Where the pack lies in a directory, and its signature.
    pub fn files(dir: &Path, name: &str) -> (PathBuf, PathBuf) {
        (dir.join(format!("{name}.toml")), dir.join(format!("{name}.toml.sig")))
    }

    /// Reads both files; `None` where there is no such pack.
    pub fn read(dir: &Path, name: &str) -> Result<Option<Self>, String> {
        let (file, beside) = Self::files(dir, name);
        let text = match std::fs::metadata(&file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => Err(error.to_string()),
            Ok(meta) if meta.len() > MAX_FILE as u64 => Err("it is too large for a pack".to_owned()),
            Ok(_) => std::fs::read_to_string(&file).map_err(|error| error.to_string()),
        };
        let text = text.map_err(|why| format!("{} can't be read: {why}", file.display()))?;
        let signature = std::fs::read_to_string(&beside).map_err(|error| {
            format!("{} has no signature that can be read ({}: {error})", file.display(), beside.display())
        })?;
        Ok(Some(Self { name: name.to_owned(), text, signature: signature.trim().to_owned() }))
    }
}

/// Where the packs of a site come from.
#[derive(Debug, Clone, Copy)]
pub enum From<'p> {
    /// Its directory, and the binary.
    Disk,
    /// Copies that were good when they were taken, and the binary.
    Kept(&'p [Signed]),
    /// One that is being written, and the binary.
    Draft { name: &'p str, text: &'p str },
}

/// What a site says of packs from outside.
#[derive(Debug)]
pub(in crate::config) struct Outside {
    directory: PathBuf,
    trust: Vec<PublicKey>,
}

/// `[packs]` of a site file.
pub(in crate::config) fn read(table: Option<Table<'_>>, directory: &Path) -> Option<Outside> {
    let table = table?;
    let path = table.or("path", directory.join(DEFAULT_PATH), |v| site::path(v, directory));
    let trust = table.need("trust", "[\"<64 hex digits>\"]");
    let keys = trust.map(Value::one_or_more).unwrap_or_default();
    if let Some(trust) = trust.filter(|_| keys.is_empty() || keys.len() > MAX_KEYS) {
        trust.complain(
            format!("`trust` has {} keys", keys.len()),
            format!("name 1 to {MAX_KEYS}, as `gengfu packs key` prints them"),
        );
    }
    let key = |value: Value<'_>| {
        let text = value.text()?;
        let key = sign::public(text);
        if key.is_none() {
            value.complain(
                format!("\"{}\" is no Ed25519 public key", shorten(text)),
                "write the 64 hex digits that `gengfu packs key` prints",
            );
        }
        key
    };
    let trust = keys.into_iter().filter_map(key).collect();
    table.finish(&[]);
    Some(Outside { directory: path?, trust })
}

/// Where `[packs] path` of a site file points, however wrong the rest may be.
pub(in crate::config) fn directory(tree: &toml::de::DeTable<'_>, directory: &Path) -> PathBuf {
    let packs = tree.get("packs").and_then(|packs| packs.get_ref().as_table());
    let path = packs.and_then(|packs| packs.get("path")).and_then(|path| path.get_ref().as_str());
    directory.join(path.unwrap_or(DEFAULT_PATH))
}

/// A pack by its name: that of the site wins over that of the binary. Errors: what is wrong with the one that was found.
pub(in crate::config) fn find(
    name: &str,
    outside: Option<&Outside>,
    from: From<'_>,
) -> Result<Option<Written>, String> {
    match from {
        From::Draft { name: draft, text } if draft == name => {
            Ok(Some(Written { name: name.to_owned(), place: Place::Draft, text: text.to_owned(), signed: None }))
        }
        From::Draft { .. } => Ok(embedded(name)),
        From::Disk | From::Kept(_) => {
            // A name goes into a path.
            let Some(outside) = outside.filter(|_| names::fault(name).is_none()) else { return Ok(embedded(name)) };
            let found = match from {
                From::Kept(kept) => kept.iter().find(|pack| pack.name == name).cloned(),
                From::Disk | From::Draft { .. } if !outside.directory.is_dir() => {
                    // With it gone all that a city signed would be the binary's again, and nobody told.
                    return Err(format!(
                        "{} is not there: correct `path` in [packs], or mount it",
                        outside.directory.display()
                    ));
                }
                From::Disk | From::Draft { .. } => Signed::read(&outside.directory, name)?,
            };
            let Some(found) = found else { return Ok(embedded(name)) };
            let (file, beside) = Signed::files(&outside.directory, name);
            if !outside.trust.iter().any(|key| sign::verifies(key, found.text.as_bytes(), &found.signature)) {
                return Err(format!("{} is not signed by a key of `trust` ({})", file.display(), beside.display()));
            }
            let (place, text) = (Place::File(file), found.text.clone());
            Ok(Some(Written { name: name.to_owned(), place, text, signed: Some(found) }))
        }
    }
}
