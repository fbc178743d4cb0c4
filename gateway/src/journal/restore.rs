//! A backup put in place of a journal, on a new box or after a disk is lost. The next start goes on with it in a new epoch
//! of both lanes. The box that the backup was made of must not run on: it would raise the same alarms under the same ids.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::file::{beside, refuse, remove, rename};
use super::manifest::Manifest;
use super::start::Repaired;
use super::{Lane, OpenError, Seq, mark, open, schema};

/// Numbers that are left out, since the old box may have used them after the copy was made. No clock is asked how many that
/// can be, as either may be wrong: at 200,000 readings a second, the most a gateway is made for, this many take 11 years.
/// A hundred restores one after the other stay below 2^53, up to which every reader of JSON counts exactly.
pub(super) const SKIP: Seq = 1 << 46;
const LANES: [Lane; 2] = [Lane::Telemetry, Lane::Alarm];
const MEND: &str = "see to space and rights of the directory";

/// Verifies the backup in `from` and puts it into the directory `journal`, which must hold none.
pub fn restore(from: &Path, journal: &Path, site: &str) -> Result<Manifest, OpenError> {
    let manifest = Manifest::read(from)?;
    if manifest.site != site {
        let what = format!("is a backup of the site `{}`, not of `{site}`", manifest.site);
        return Err(refuse(from, &what, "give the configuration of that site"));
    }
    let told = |error: std::io::Error| refuse(journal, &error.to_string(), MEND);
    fs::create_dir_all(journal).map_err(told)?;
    let _lock = open::lock_dir(journal)?;
    let marker = marker(journal);
    if !marker.exists()
        && let Some(held) = held(journal)
    {
        let mend = "move it away if it is not wanted any more, or set [journal] path to a new directory";
        return Err(refuse(&held, "is part of a journal, which a restore must not replace", mend));
    }
    manifest.verify(from)?;
    let synced = fs::write(&marker, "gengfu restore did not come to its end\n").and_then(|()| sync(journal));
    synced.map_err(told)?;
    for lane in LANES {
        prepare(from, journal, lane, &manifest)?;
    }
    for lane in LANES {
        let path = journal.join(schema::file_name(lane));
        remove(&path);
        rename(&path.with_extension("filling"), &path)?;
    }
    mark::own(journal, site).and_then(|()| fs::remove_file(&marker)).and_then(|()| sync(journal)).map_err(told)?;
    Ok(manifest)
}

/// Refuses to go on with half a restore.
pub(super) fn refuse_unfinished(journal: &Path) -> Result<(), OpenError> {
    if marker(journal).exists() {
        let mend = "run `gengfu restore` again, or empty the directory to begin without the backup";
        return Err(refuse(journal, "holds a restore that did not come to its end", mend));
    }
    Ok(())
}

fn marker(journal: &Path) -> PathBuf {
    journal.join("restoring")
}

/// A file of a journal, whole or in repair.
fn held(journal: &Path) -> Option<PathBuf> {
    let files = LANES.into_iter().flat_map(|lane| {
        let path = journal.join(schema::file_name(lane));
        [path.with_extension("ready"), beside(&path, "-wal"), path]
    });
    files.into_iter().find(|path| path.exists())
}

/// The lane's file with the word for its next start, under a name that nobody opens.
fn prepare(from: &Path, journal: &Path, lane: Lane, manifest: &Manifest) -> Result<(), OpenError> {
    let (source, copy) = (from.join(schema::file_name(lane)), manifest.copy_of(lane));
    let filling = journal.join(schema::file_name(lane)).with_extension("filling");
    remove(&filling);
    fs::copy(&source, &filling).map_err(|error| refuse(&filling, &format!("can't be written: {error}"), MEND))?;
    // What lies here now, not what was read before.
    copy.map_or(Ok(()), |copy| copy.verify(&filling))?;
    let last = copy.map_or(0, |copy| copy.last_seq);
    let told = format!(
        "restored from the backup {} of {}: what came later is not here; numbers go on after {last}, {SKIP} of them left out",
        from.display(),
        time(manifest.at)
    );
    let restored = Repaired { told, skip: SKIP, copied: Some(manifest.at), holes: Vec::new() };
    let prepared = schema::writer(&filling)
        .and_then(|conn| restored.write(&conn).and_then(|()| schema::checkpoint(&conn)))
        .map_err(|error| error.to_string())
        .and_then(|()| File::open(&filling).and_then(|file| file.sync_all()).map_err(|error| error.to_string()));
    prepared.map_err(|error| refuse(&filling, &error, MEND))
}

fn time(at: i64) -> String {
    jiff::Timestamp::from_millisecond(at).map_or_else(|_| at.to_string(), |time| time.to_string())
}

fn sync(dir: &Path) -> std::io::Result<()> {
    File::open(dir)?.sync_all()
}
