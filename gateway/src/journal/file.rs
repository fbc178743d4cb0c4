//! One lane's file: made, looked over, taken up again. Damage is told apart from what only the operator can mend.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::holes::Hole;
use super::lane::file_bytes;
use super::start::Repaired;
use super::suspicion::suspect_path;
use super::{Lane, OpenError, repair, schema};
use crate::disk;

/// A file up to this size is checked page by page at every start, bytes: some 10 ms.
const CHECK_ALWAYS: u64 = 4 << 20;
/// The same after a stop that was not asked for, or where a run met a broken page: some 200 ms. A bigger file is not held up for it; a
/// broken page shows when it is touched, and the marker of [`suspect_path`] then has the whole file checked.
const CHECK_UNCLEAN: u64 = 32 << 20;
/// How long a whole check may take: while it lasts nobody watches.
const CHECK_LIMIT: Duration = Duration::from_secs(20);
/// How long a disk that fails is asked again before the start goes on without it, and how often.
const PATIENCE: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(250);

/// Why a file could not be taken up.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The file is broken; a repair helps.
    Damaged(String),
    /// The disk fails, which may pass; `unreadable`: if it does not, what can't be read is gone.
    Sick { why: String, unreadable: bool },
    /// Something around it is; a person must help.
    Refused(OpenError),
}

/// Opens the lane's file and reads what `load` wants of it, after a repair if need be. `alone`: no file of the journal
/// exists yet, so a missing one is nothing to tell.
pub(super) fn open<T>(
    dir: &Path,
    lane: Lane,
    alone: bool,
    now: i64,
    load: impl Fn(&Connection) -> rusqlite::Result<T>,
) -> Result<(Connection, T), OpenError> {
    let path = dir.join(schema::file_name(lane));
    repair::take_up(&path)?;
    if !path.exists() {
        let told = format!("{}: was missing; begun anew", path.display());
        let repaired = (!alone).then_some(Repaired { told, skip: 0, copied: None, holes: vec![Hole::ALL] });
        make(&path, lane, repaired.as_ref())?;
    }
    let take = || patiently(&path, PAUSE, || take(&path, lane, &load));
    let damage = match take()? {
        Ok(found) => return Ok(found),
        Err(why) => why,
    };
    tracing::error!(path = %path.display(), damage, "journal file is damaged and is repaired");
    repair::salvage(&path, lane, &damage, now)?;
    let damage = match take()? {
        Ok(found) => return Ok(found),
        Err(why) => why,
    };
    // What was saved is no better: begin with nothing, so that the gateway starts.
    repair::abandon(&path, lane, &damage, now + 1)?;
    take()?.map_err(|why| refuse(&path, &why, "use another disk"))
}

/// Tries again while the disk fails, for [`PATIENCE`]. The inner error says what is damaged: a sound file is not set aside
/// for a disk that hiccups, nor for one that is full.
fn patiently<T>(
    path: &Path,
    pause: Duration,
    mut take: impl FnMut() -> Result<T, Trouble>,
) -> Result<Result<T, String>, OpenError> {
    let mut tries = PATIENCE.as_millis() / PAUSE.as_millis();
    loop {
        let (why, unreadable) = match take() {
            Ok(found) => return Ok(Ok(found)),
            Err(Trouble::Damaged(why)) => return Ok(Err(why)),
            Err(Trouble::Refused(error)) => return Err(error),
            Err(Trouble::Sick { why, unreadable }) => (why, unreadable),
        };
        if tries == 0 {
            let mend = "see to the disk: free space, cable, health; the file was left as it is, start again then";
            return if unreadable { Ok(Err(why)) } else { Err(refuse(path, &why, mend)) };
        }
        tracing::warn!(path = %path.display(), why, "journal can't be opened yet, trying again");
        tries -= 1;
        wait(pause);
    }
}

#[expect(clippy::disallowed_methods, reason = "nothing runs yet that could be waited for")]
fn wait(pause: Duration) {
    std::thread::sleep(pause);
}

/// Makes an empty file under another name first, so that a crash leaves either none or a whole one.
pub(super) fn make(path: &Path, lane: Lane, repaired: Option<&Repaired>) -> Result<(), OpenError> {
    let new = path.with_extension("new");
    remove(&new);
    let made = schema::create(&new, lane).and_then(|conn| {
        repaired.map_or(Ok(()), |repaired| repaired.write(&conn))?;
        schema::checkpoint(&conn)
    });
    made.map_err(|error| refuse(path, &format!("can't be made: {error}"), "see to space and rights of the directory"))?;
    rename(&new, path)
}

fn take<T>(
    path: &Path,
    lane: Lane,
    load: &impl Fn(&Connection) -> rusqlite::Result<T>,
) -> Result<(Connection, T), Trouble> {
    let conn = look_over(path, lane)?;
    let found = load(&conn).map_err(|error| trouble(path, &error))?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).map_err(|error| trouble(path, &error))?;
    let _ = fs::remove_file(suspect_path(path));
    Ok((conn, found))
}

fn look_over(path: &Path, lane: Lane) -> Result<Connection, Trouble> {
    let told = |error: rusqlite::Error| trouble(path, &error);
    // A file of no bytes would pass for a database that nobody has written to yet.
    if file_bytes(path, "") == 0 {
        return Err(Trouble::Damaged("is empty".to_owned()));
    }
    let conn = schema::first_writer(path).map_err(told)?;
    // If this turns out to be damaged it is closed as it is, with its WAL, for the repair and for whoever wants to look.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(told)?;
    let pragma = |name: &str| conn.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let layout = pragma("user_version").map_err(told)?;
    let said = schema::meta(&conn, "layout").map_err(told)?;
    if layout > schema::LAYOUT && said == Some(layout.to_string()) {
        let what = format!("has layout {layout}, this gengfu knows {}", schema::LAYOUT);
        return Err(Trouble::Refused(refuse(path, &what, "it was written by a newer gengfu: run that one")));
    }
    let application = pragma("application_id").map_err(told)?;
    if layout != schema::LAYOUT || application != schema::application(lane) {
        return Err(Trouble::Damaged("is not a journal of gengfu".to_owned()));
    }
    if !schema::is_ours(&conn, lane).map_err(told)? {
        return Err(Trouble::Damaged("has tables that are not ours".to_owned()));
    }
    check_pages(&conn, path, lane).map_err(told)?.map_or(Ok(()), |why| Err(Trouble::Damaged(why)))?;
    // A header that says "read only" would only show at the first commit.
    conn.execute_batch("BEGIN IMMEDIATE; ROLLBACK").map_err(told)?;
    Ok(conn)
}

/// What SQLite finds wrong with the file, as far as its size allows to look.
fn check_pages(conn: &Connection, path: &Path, lane: Lane) -> rusqlite::Result<Option<String>> {
    let clean = schema::meta(conn, "clean")?.as_deref() == Some("yes");
    let bytes = file_bytes(path, "") + file_bytes(path, "-wal");
    let limit = if clean { CHECK_ALWAYS } else { CHECK_UNCLEAN };
    if bytes > limit && !suspect_path(path).exists() {
        return Ok(None);
    }
    // The quick check would not see a key out of order, and the row behind it would never be found again.
    let check = || {
        let verdict: String = conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        // A page says nothing of what is written on it.
        if verdict == "ok" { repair::unsound(conn, lane) } else { Ok(Some(verdict)) }
    };
    match within(conn, CHECK_LIMIT, check) {
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted) => {
            let whole = format!("the whole file can't be checked within {} s", CHECK_LIMIT.as_secs());
            tracing::warn!(path = %path.display(), "{whole}");
            Ok(suspect_path(path).exists().then(|| format!("a page is damaged, and {whole}")))
        }
        verdict => verdict,
    }
}

/// Breaks off what `conn` does for `work` after this long.
fn within<T>(conn: &Connection, limit: Duration, work: impl FnOnce() -> T) -> T {
    let (done, waits) = std::sync::mpsc::sync_channel::<()>(0);
    let handle = conn.get_interrupt_handle();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            if waits.recv_timeout(limit) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                handle.interrupt();
            }
        });
        let worked = work();
        drop(done);
        worked
    })
}

fn trouble(path: &Path, error: &rusqlite::Error) -> Trouble {
    let code = error.sqlite_error_code();
    let writable = || fs::OpenOptions::new().write(true).open(path).is_ok();
    let by_header = code == Some(rusqlite::ErrorCode::ReadOnly) && writable();
    if by_header || schema::is_damage(error) {
        return Trouble::Damaged(error.to_string());
    }
    if schema::may_pass(error) {
        return Trouble::Sick { why: error.to_string(), unreadable: schema::is_unreadable(error) };
    }
    let mend = if schema::is_read_only(path) {
        "its file system is read only: see to the disk, mount it to be written, or set another [journal] path"
    } else {
        "see to space and rights of the directory"
    };
    Trouble::Refused(refuse(path, &error.to_string(), mend))
}

pub(super) fn refuse(path: &Path, what: &str, mend: &str) -> OpenError {
    OpenError(format!("{}: {what}; {mend}", path.display()))
}

/// The file and what SQLite keeps beside it.
pub(super) fn remove(path: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(beside(path, suffix));
    }
}

pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Renames and makes the directory say so after a power cut.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), OpenError> {
    disk::rename(from, to)
        .map_err(|error| refuse(to, &format!("can't be put in place: {error}"), "see to the rights of the directory"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sick(unreadable: bool) -> Trouble {
        Trouble::Sick { why: "disk I/O error".to_owned(), unreadable }
    }

    #[test]
    fn a_check_is_broken_off_in_time_and_its_connection_goes_on() {
        let conn = Connection::open_in_memory().unwrap();
        let endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n";
        let read = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, i64>(0));
        let ended = within(&conn, Duration::from_millis(20), || read(endless)).unwrap_err();
        assert_eq!(ended.sqlite_error_code(), Some(rusqlite::ErrorCode::OperationInterrupted));
        assert_eq!(within(&conn, Duration::from_secs(20), || read("SELECT 7")).unwrap(), 7);
    }

    #[test]
    fn a_failure_that_passes_sets_nothing_aside() {
        let mut answers = vec![Ok(7), Err(sick(false)), Err(sick(true))];
        let taken = patiently(Path::new("alarm.db"), Duration::ZERO, || answers.pop().unwrap());
        assert_eq!(taken.unwrap(), Ok(7));
    }

    #[test]
    fn a_failure_that_lasts_is_refused_in_words_or_what_cannot_be_read_is_given_up() {
        let lasting = |unreadable| patiently(Path::new("alarm.db"), Duration::ZERO, || Err::<(), _>(sick(unreadable)));
        let words = lasting(false).unwrap_err().0;
        assert!(words.starts_with("alarm.db: disk I/O error; see to the disk"), "{words}");
        assert_eq!(lasting(true).unwrap(), Err("disk I/O error".to_owned()));
    }
}
