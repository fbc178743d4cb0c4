//! An online copy of both lanes, by a process of its own beside the running gateway.
//!
//! The copy is made in slices: a short read transaction takes some MB into memory and ends before anything is written to the
//! target. `VACUUM INTO` and a backup in one step would hold one read transaction until the target has it all, and the
//! WAL could not be cut meanwhile: a target that hangs (a share, a worn stick) would let it grow without bound. SQLite's
//! backup in several steps begins anew whenever another process commits, which here is always.
//!
//! What makes slices sound: rows of the big tables are appended in the order of their keys, and taken away when retention or
//! sealing say so. One that is written anew, by thinning or dating, has another key or another version. The last transaction
//! therefore takes what was appended or written anew since, which keys are left, and all small tables: the copy is then what
//! the file was at that one moment. The telemetry lane goes first: where the two differ the alarm lane is the newer, and it is
//! believed.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::file::{beside, refuse, remove, rename};
use super::manifest::{self, LaneCopy, Manifest};
use super::slices::{
    Rows, Slice, Table, Versions, big, keep_only, put, put_anew, put_slice, read_anew, read_slice, small, values,
    versions,
};
use super::suspicion::Suspicion;
use super::{Lane, OpenError, mark, schema};

/// How often the copy may find more than a slice appended since its last look, before the target counts as too slow.
const ROUNDS: usize = 1000;
const MEND: &str = "see to space and rights there, or give another directory";

/// Copies the journal in `journal` to `to`, which then holds all of it or, if this fails, nothing. `progress` is told the
/// bytes so far.
pub fn backup(
    journal: &Path,
    to: &Path,
    site: &str,
    now: impl Fn() -> i64,
    progress: &mut dyn FnMut(u64),
) -> Result<Manifest, OpenError> {
    let lanes = [Lane::Telemetry, Lane::Alarm];
    if let Some(missing) = lanes.map(|lane| journal.join(schema::file_name(lane))).iter().find(|path| !path.exists()) {
        let mend = "give the directory of a journal: [journal] path of the site, or --journal";
        return Err(refuse(missing, "is not there", mend));
    }
    free(journal, to)?;
    let partial = Partial::begin(to)?;
    let mut bytes = 0;
    let copies = lanes.map(|lane| {
        let name = schema::file_name(lane);
        let copied = Copy::make(&journal.join(name), &partial.dir.join(name), lane, &mut |n| {
            bytes += n;
            progress(bytes);
        });
        copied?.finish(&partial.dir.join(name))
    });
    let copies = copies.into_iter().collect::<Result<Vec<_>, _>>()?;
    let manifest = Manifest::new(site, now(), copies);
    mark::own(&partial.dir, site).map_err(|error| refuse(&partial.dir, &error.to_string(), MEND))?;
    manifest.write(&partial.dir)?;
    partial.finish(to)?;
    Ok(manifest)
}

/// Refuses a target that holds something.
fn free(journal: &Path, to: &Path) -> Result<(), OpenError> {
    let same = |a: &Path, b: &Path| fs::canonicalize(a).is_ok_and(|a| fs::canonicalize(b).is_ok_and(|b| a == b));
    if same(journal, to) {
        return Err(refuse(to, "is the journal's own directory", "give a directory elsewhere, best on another disk"));
    }
    if Manifest::is_in(to) {
        return Err(refuse(to, "holds a backup already", "give a directory of its own to each backup"));
    }
    match fs::read_dir(to).map(|mut entries| entries.next().is_none()) {
        Ok(false) => Err(refuse(to, "is not empty", "give a new directory")),
        Ok(true) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(refuse(to, &error.to_string(), MEND)),
    }
}

/// The directory that becomes the backup; goes if that fails.
struct Partial {
    dir: PathBuf,
    _lock: File,
    done: bool,
}

impl Partial {
    /// Beside the target, so that a rename does it. What a crashed backup left there is cleared away.
    fn begin(to: &Path) -> Result<Self, OpenError> {
        let dir = beside(to, ".partial");
        let told = |error: std::io::Error| refuse(&dir, &error.to_string(), MEND);
        fs::create_dir_all(&dir).map_err(told)?;
        let lock = File::options().create(true).append(true).open(dir.join("lock")).map_err(told)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(error)) => return Err(told(error)),
            Err(TryLockError::WouldBlock) => {
                return Err(refuse(to, "another backup to it is under way", "wait for it, or give another directory"));
            }
        }
        for lane in [Lane::Alarm, Lane::Telemetry] {
            remove(&dir.join(schema::file_name(lane)));
        }
        Ok(Self { dir, _lock: lock, done: false })
    }

    fn finish(mut self, to: &Path) -> Result<(), OpenError> {
        let synced = fs::remove_file(self.dir.join("lock")).and_then(|()| File::open(&self.dir)?.sync_all());
        synced.map_err(|error| refuse(&self.dir, &error.to_string(), MEND))?;
        rename(&self.dir, to).map_err(|OpenError(why)| {
            OpenError(format!("{why}; where it is the top of a disk, give a new directory below it"))
        })?;
        self.done = true;
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.done {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// One lane's copy in the making.
struct Copy {
    lane: Lane,
    from: Connection,
    to: Connection,
    /// The last key that is copied of each big table.
    upto: Vec<i64>,
}

/// What the last transaction read.
struct Rest {
    slices: Vec<Slice>,
    anew: Vec<Slice>,
    versions: Vec<Versions>,
    small: Vec<Rows>,
}

impl Copy {
    fn make(source: &Path, target: &Path, lane: Lane, progress: &mut dyn FnMut(u64)) -> Result<Self, OpenError> {
        let read = |error: rusqlite::Error| {
            Suspicion::new(source.to_owned()).met(&error);
            let mend = "see to its rights; if it is damaged, the gateway's next start repairs it";
            refuse(source, &format!("can't be read: {error}"), mend)
        };
        let written = |error: rusqlite::Error| refuse(target, &format!("can't be written: {error}"), MEND);
        let from = schema::reader(source).map_err(read)?;
        if !schema::is_ours(&from, lane).map_err(read)? {
            return Err(refuse(source, "has another layout", "use the gengfu that writes it"));
        }
        let to = schema::create(target, lane).and_then(|to| bare(&to).map(|()| to)).map_err(written)?;
        let mut copy = Self { lane, from, to, upto: vec![i64::MIN; big(lane).len()] };
        for _ in 0..ROUNDS {
            for (n, table) in big(lane).iter().enumerate() {
                while copy.slice(n, table, progress).map_err(|(at, error)| at.told(error, read, written))? {}
                while copy.anew(n, table, progress).map_err(|(at, error)| at.told(error, read, written))? {}
            }
            if let Some(rest) = copy.rest().map_err(|(at, error)| at.told(error, read, written))? {
                copy.close(&rest, progress).map_err(written)?;
                return Ok(copy);
            }
        }
        Err(refuse(target, "is slower than the journal grows", "give a faster disk"))
    }

    /// Copies the next rows of a table; says whether there are more.
    fn slice(
        &mut self,
        n: usize,
        table: &Table,
        progress: &mut dyn FnMut(u64),
    ) -> Result<bool, (Side, rusqlite::Error)> {
        let slice = {
            let tx = self.from.transaction().map_err(|error| (Side::Source, error))?;
            read_slice(&tx, table, self.upto.get(n).copied().unwrap_or(i64::MIN))
        };
        let slice = slice.map_err(|error| (Side::Source, error))?;
        progress(slice.bytes as u64);
        let tx = self.to.transaction().map_err(|error| (Side::Target, error))?;
        let last = put_slice(&tx, table, &slice).and_then(|last| tx.commit().map(|()| last));
        if let Some((last, upto)) = last.map_err(|error| (Side::Target, error))?.zip(self.upto.get_mut(n)) {
            *upto = last;
        }
        Ok(slice.full)
    }

    /// Copies rows of a table that were written anew since; says whether there are more.
    fn anew(
        &mut self,
        n: usize,
        table: &Table,
        progress: &mut dyn FnMut(u64),
    ) -> Result<bool, (Side, rusqlite::Error)> {
        let copied = versions(&self.to, table).map_err(|error| (Side::Target, error))?;
        let slice = {
            let tx = self.from.transaction().map_err(|error| (Side::Source, error))?;
            let upto = self.upto.get(n).copied().unwrap_or(i64::MIN);
            versions(&tx, table).and_then(|now| read_anew(&tx, table, upto, &copied, &now))
        };
        let slice = slice.map_err(|error| (Side::Source, error))?;
        progress(slice.bytes as u64);
        let put = |to: &mut Connection| {
            let tx = to.transaction()?;
            put_anew(&tx, table, &slice)?;
            tx.commit()
        };
        put(&mut self.to).map_err(|error| (Side::Target, error))?;
        Ok(slice.full)
    }

    /// What is left, of one moment; `None` where that is more than a slice and must be copied like the rest first.
    fn rest(&mut self) -> Result<Option<Rest>, (Side, rusqlite::Error)> {
        let copied: rusqlite::Result<Vec<Versions>> =
            big(self.lane).iter().map(|table| versions(&self.to, table)).collect();
        let copied = copied.map_err(|error| (Side::Target, error))?;
        self.read_rest(&copied).map_err(|error| (Side::Source, error))
    }

    fn read_rest(&mut self, copied: &[Versions]) -> rusqlite::Result<Option<Rest>> {
        let tx = self.from.transaction()?;
        let mut rest = Rest { slices: Vec::new(), anew: Vec::new(), versions: Vec::new(), small: Vec::new() };
        for ((table, upto), copied) in big(self.lane).iter().zip(&self.upto).zip(copied) {
            let slice = read_slice(&tx, table, *upto)?;
            let now = versions(&tx, table)?;
            let anew = read_anew(&tx, table, *upto, copied, &now)?;
            if slice.full || anew.full {
                return Ok(None);
            }
            rest.slices.push(slice);
            rest.anew.push(anew);
            rest.versions.push(now);
        }
        for table in small(self.lane) {
            // A journal that was last run by a gengfu of before lacks one.
            if !schema::has(&tx, table)? {
                rest.small.push(Rows::new());
                continue;
            }
            let mut rows = tx.prepare(&format!("SELECT * FROM {table}"))?;
            let columns = rows.column_count();
            rest.small.push(rows.query_map([], |row| values(row, columns))?.collect::<rusqlite::Result<_>>()?);
        }
        Ok(Some(rest))
    }

    fn close(&mut self, rest: &Rest, progress: &mut dyn FnMut(u64)) -> rusqlite::Result<()> {
        let tx = self.to.transaction()?;
        let read = rest.slices.iter().zip(&rest.anew).zip(&rest.versions);
        for (table, ((slice, anew), kept)) in big(self.lane).iter().zip(read) {
            progress((slice.bytes + anew.bytes) as u64);
            put_slice(&tx, table, slice)?;
            put_anew(&tx, table, anew)?;
            keep_only(&tx, table, kept)?;
        }
        for (table, rows) in small(self.lane).iter().zip(&rest.small) {
            tx.execute(&format!("DELETE FROM {table}"), [])?;
            put(&tx, table, rows)?;
        }
        tx.commit()
    }

    /// Everything to the disk, and what the manifest says of it.
    fn finish(self, path: &Path) -> Result<LaneCopy, OpenError> {
        let told = |error: String| refuse(path, &error, MEND);
        let mut copy = LaneCopy::of(path, self.lane, &self.to).map_err(|error| told(error.to_string()))?;
        self.to.close().map_err(|(_, error)| told(error.to_string()))?;
        let synced = File::open(path).and_then(|file| file.sync_all()).and_then(|()| manifest::sha256(path));
        (copy.bytes, copy.sha256) = synced.map_err(|error| told(error.to_string()))?;
        Ok(copy)
    }
}

/// Which file an error is about.
enum Side {
    Source,
    Target,
}

impl Side {
    fn told(
        &self,
        error: rusqlite::Error,
        read: impl Fn(rusqlite::Error) -> OpenError,
        written: impl Fn(rusqlite::Error) -> OpenError,
    ) -> OpenError {
        match self {
            Self::Source => read(error),
            Self::Target => written(error),
        }
    }
}

/// No log beside the file: until the rename nobody trusts it, and a finished backup is one file a lane that can be read
/// from a medium which can't be written.
fn bare(conn: &Connection) -> rusqlite::Result<()> {
    conn.pragma_update(None, "journal_mode", "DELETE")?;
    conn.pragma_update(None, "journal_mode", "OFF")?;
    conn.pragma_update(None, "synchronous", "OFF")
}
