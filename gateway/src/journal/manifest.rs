//! What a backup says of itself: `manifest.json` beside its two files. Its presence makes a directory a backup; it is
//! written last and not to be trusted when read back.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::file::refuse;
use super::start::Before;
use super::{Lane, OpenError, Seq, schema};

/// Version of the manifest.
pub(super) const FORMAT: u32 = 1;
const FILE: &str = "manifest.json";
/// A manifest is small; more bytes than this are something else.
const MAX_BYTES: u64 = 4 << 20;
/// Bytes hashed at a time.
const BLOCK: usize = 1 << 16;

/// A backup of one site's journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    pub site: String,
    /// Layout of both files.
    pub layout: i32,
    /// Version of the gengfu that made it.
    pub gengfu: String,
    /// When the copy was complete, UTC ms.
    pub at: i64,
    pub lanes: Vec<LaneCopy>,
}

/// One lane's file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneCopy {
    pub lane: Lane,
    pub file: String,
    pub bytes: u64,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// The last number the copy holds; 0 if none.
    pub last_seq: Seq,
    /// Oldest first.
    pub epochs: Vec<EpochCopy>,
}

/// A stretch of numbers that one epoch covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochCopy {
    /// Hexadecimal: it uses all 64 bits, which many a JSON reader would round.
    pub id: String,
    pub first_seq: Seq,
}

impl Manifest {
    pub(super) fn new(site: &str, at: i64, lanes: Vec<LaneCopy>) -> Self {
        let gengfu = env!("CARGO_PKG_VERSION").to_owned();
        Self { format: FORMAT, site: site.to_owned(), layout: schema::LAYOUT, gengfu, at, lanes }
    }

    /// Whether the directory says that it holds a backup.
    pub(super) fn is_in(dir: &Path) -> bool {
        dir.join(FILE).exists()
    }

    pub(super) fn write(&self, dir: &Path) -> Result<(), OpenError> {
        let path = dir.join(FILE);
        let text = serde_json::to_vec_pretty(self).map_err(|error| refuse(&path, &error.to_string(), "report this"))?;
        let written = fs::write(&path, text).and_then(|()| File::open(&path)?.sync_all());
        written.map_err(|error| refuse(&path, &format!("can't be written: {error}"), "see to space and rights"))
    }

    /// Reads the manifest of a backup that this gengfu can take up.
    pub fn read(dir: &Path) -> Result<Self, OpenError> {
        let path = dir.join(FILE);
        let told = |what: String| refuse(&path, &what, "give the directory that `gengfu backup` made");
        let mut text = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut text));
        read.map_err(|error| told(format!("is no manifest of a backup: {error}")))?;
        let manifest = Self::parse(&text).map_err(|error| told(format!("is no manifest of a backup: {error}")))?;
        if manifest.format > FORMAT || manifest.layout != schema::LAYOUT {
            let Self { format, layout, gengfu, .. } = &manifest;
            let what = format!("has format {format} and layout {layout}, made by gengfu {gengfu}");
            return Err(refuse(&path, &what, "restore it with that version"));
        }
        for lane in [Lane::Alarm, Lane::Telemetry] {
            manifest.copy_of(lane).ok_or_else(|| told(format!("names no file of the {lane:?} lane")))?;
        }
        Ok(manifest)
    }

    fn parse(text: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(text)
    }

    /// A lane's part of it, under the only name that may be.
    pub(super) fn copy_of(&self, lane: Lane) -> Option<&LaneCopy> {
        self.lanes.iter().find(|copy| copy.lane == lane && copy.file == schema::file_name(lane))
    }

    /// Whether both files are what was written.
    pub(super) fn verify(&self, dir: &Path) -> Result<(), OpenError> {
        self.lanes.iter().try_for_each(|copy| copy.verify(&dir.join(&copy.file)))
    }
}

impl LaneCopy {
    pub(super) fn of(path: &Path, lane: Lane, conn: &Connection) -> rusqlite::Result<Self> {
        let newest = match lane {
            Lane::Alarm => "SELECT coalesce(max(seq), 0) FROM entry",
            Lane::Telemetry => "SELECT coalesce(max(first_seq + n - 1), 0) FROM batch",
        };
        let last: Seq = conn.query_row(newest, [], |row| row.get(0))?;
        let mut epochs = conn.prepare("SELECT id, first_seq FROM epoch ORDER BY first_seq")?;
        let epochs = epochs.query_map([], |row| {
            Ok(EpochCopy { id: format!("{:016x}", row.get::<_, i64>(0)?), first_seq: row.get(1)? })
        })?;
        let epochs = epochs.collect::<rusqlite::Result<_>>()?;
        let last_seq = last.max(Before::read(conn)?.floor());
        let bytes = super::lane::file_bytes(path, "");
        Ok(Self { lane, file: schema::file_name(lane).to_owned(), bytes, sha256: String::new(), last_seq, epochs })
    }

    pub(super) fn verify(&self, path: &Path) -> Result<(), OpenError> {
        let again = "take another backup; this one is damaged";
        let (bytes, sum) = sha256(path).map_err(|error| refuse(path, &format!("can't be read: {error}"), again))?;
        if (bytes, sum.as_str()) == (self.bytes, self.sha256.as_str()) {
            return Ok(());
        }
        Err(refuse(path, &format!("has {bytes} bytes and the checksum {sum}, which its manifest does not say"), again))
    }
}

/// Length and SHA-256 of a file.
pub(super) fn sha256(path: &Path) -> std::io::Result<(u64, String)> {
    let (mut file, mut hash, mut length) = (File::open(path)?, Sha256::new(), 0);
    let mut block = vec![0; BLOCK];
    loop {
        let n = file.read(&mut block)?;
        let (part, _) = block.split_at(n);
        if part.is_empty() {
            break;
        }
        hash.update(part);
        length += part.len() as u64;
    }
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    let sum = hash.finalize();
    Ok((length, sum.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn some() -> Manifest {
        let epochs = vec![EpochCopy { id: "00000000000000aa".to_owned(), first_seq: 1 }];
        let copy = |lane: Lane| {
            let (file, sha256) = (schema::file_name(lane).to_owned(), "0".repeat(64));
            LaneCopy { lane, file, bytes: 4096, sha256, last_seq: 9, epochs: epochs.clone() }
        };
        Manifest::new("rig", 1_790_000_000_000, vec![copy(Lane::Alarm), copy(Lane::Telemetry)])
    }

    proptest! {
        #[test]
        fn a_mutated_manifest_is_survived(
            edits in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4),
            cut in any::<proptest::sample::Index>(),
        ) {
            let mut text = serde_json::to_vec(&some()).expect("text");
            for (at, byte) in edits {
                let at = at.index(text.len());
                text[at] = byte;
            }
            let _ = Manifest::parse(&text);
            let _ = Manifest::parse(&text[..cut.index(text.len())]);
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(Manifest::parse(&bytes).is_err());
        }
    }
}
