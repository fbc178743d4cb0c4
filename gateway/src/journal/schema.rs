//! The two files: how they are laid out and how a connection to them is made.
//!
//! Layout 1. Telemetry is kept twice, each for its reader: `batch` by seq, for the sinks and the warm start, until nobody is
//! owed it; `chunk` by point and hour, for trends, with its summary in `span`, which is made of it and no more than an index.
//! `batch.tier` (0 fresh), `chunk.thinned` and `delivery.thinned` leave room for thinning. `learned` came later: a file without it
//! is ours too, and gets it with the first commit of a run.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, ToSql, ffi};

use super::Lane;

/// Version of the layout; a file with a higher one was written by a newer gengfu.
pub(super) const LAYOUT: i32 = 1;
/// `GGJa` and `GGJt`: a lane's file says which lane it is.
const APPLICATION: [(Lane, i32); 2] = [(Lane::Alarm, 0x4747_4a61), (Lane::Telemetry, 0x4747_4a74)];
/// Without the WAL-reset bug, which can lose committed data (SQLite 3.7.0 to 3.51.2).
const OLDEST_SQLITE: i32 = 3_051_003;
/// A writer never waits long for a reader: only a checkpoint could make it.
const WRITER_BUSY: Duration = Duration::from_millis(200);
const READER_BUSY: Duration = Duration::from_secs(5);
/// What the WAL is cut back to after a checkpoint, bytes.
const WAL_LIMIT: i64 = 16 << 20;

const COMMON: &str = "
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE epoch(first_seq INTEGER PRIMARY KEY, id INTEGER NOT NULL, last_before INTEGER NOT NULL,
    started INTEGER NOT NULL, cause TEXT NOT NULL) STRICT;
CREATE TABLE sink(name TEXT PRIMARY KEY, first_seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE delivery(sink TEXT NOT NULL, from_seq INTEGER NOT NULL, to_seq INTEGER NOT NULL, done INTEGER NOT NULL,
    dead INTEGER NOT NULL, thinned INTEGER NOT NULL, expired INTEGER NOT NULL, void INTEGER NOT NULL,
    reason TEXT NOT NULL, PRIMARY KEY(sink, from_seq)) STRICT, WITHOUT ROWID;
";

const ALARM: &str = "
CREATE TABLE entry(seq INTEGER PRIMARY KEY, wall INTEGER NOT NULL, kind TEXT NOT NULL, alarm TEXT,
    body TEXT NOT NULL, hash BLOB NOT NULL) STRICT;
CREATE TABLE standing(rule TEXT NOT NULL, device TEXT NOT NULL, point TEXT NOT NULL, seq INTEGER NOT NULL,
    body TEXT NOT NULL, PRIMARY KEY(rule, device, point)) STRICT, WITHOUT ROWID;
";

const TELEMETRY: &str = "
CREATE TABLE series(id INTEGER PRIMARY KEY, device TEXT NOT NULL, point TEXT NOT NULL, kind TEXT NOT NULL, area TEXT,
    unit TEXT, life_safety INTEGER NOT NULL) STRICT;
CREATE TABLE batch(first_seq INTEGER PRIMARY KEY, n INTEGER NOT NULL, t_min INTEGER NOT NULL, t_max INTEGER NOT NULL,
    stamp INTEGER NOT NULL, format INTEGER NOT NULL, tier INTEGER NOT NULL, history INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
CREATE TABLE sealed(one INTEGER PRIMARY KEY, upto INTEGER NOT NULL, till INTEGER NOT NULL, next INTEGER NOT NULL) STRICT;
CREATE TABLE chunk(id INTEGER PRIMARY KEY, point INTEGER NOT NULL, t_min INTEGER NOT NULL, t_max INTEGER NOT NULL,
    format INTEGER NOT NULL, thinned INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
CREATE TABLE span(point INTEGER NOT NULL, t_min INTEGER NOT NULL, chunk INTEGER NOT NULL, t_max INTEGER NOT NULL,
    n INTEGER NOT NULL, bad INTEGER NOT NULL, min REAL NOT NULL, max REAL NOT NULL, sum REAL NOT NULL, last REAL NOT NULL,
    last_ns INTEGER NOT NULL, PRIMARY KEY(point, t_min, chunk)) STRICT, WITHOUT ROWID;
CREATE TABLE refused(id INTEGER PRIMARY KEY, wall INTEGER NOT NULL, source TEXT NOT NULL, topic TEXT NOT NULL,
    head BLOB NOT NULL, reason TEXT NOT NULL) STRICT;
";

/// What detectors have learned; the table that a file of before lacks.
pub(super) const LEARNED: &str = "learned";
const ADDED: &str = "
CREATE TABLE IF NOT EXISTS learned(rule TEXT NOT NULL, device TEXT NOT NULL, point TEXT NOT NULL, upto INTEGER NOT NULL,
    wall INTEGER NOT NULL, mono INTEGER NOT NULL, params TEXT NOT NULL, body TEXT NOT NULL) STRICT;
";

/// The lane's file in the journal's directory.
pub(super) const fn file_name(lane: Lane) -> &'static str {
    match lane {
        Lane::Alarm => "alarm.db",
        Lane::Telemetry => "telemetry.db",
    }
}

pub(super) fn application(lane: Lane) -> i32 {
    APPLICATION.into_iter().find(|(l, _)| *l == lane).map_or(0, |(_, id)| id)
}

/// Whether the linked SQLite may be trusted; a lock file can slide back unseen.
pub(super) fn sqlite_is_sound() -> Result<(), String> {
    if rusqlite::version_number() >= OLDEST_SQLITE {
        return Ok(());
    }
    Err(format!("linked SQLite {} can lose committed data; build with 3.51.3 or newer", rusqlite::version()))
}

/// Makes a new, empty file, whole or not at all as far as the caller's later rename goes.
pub(super) fn create(path: &Path, lane: Lane) -> rusqlite::Result<Connection> {
    let mut conn = Connection::open(path)?;
    // Only takes effect before the first table exists.
    conn.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    prepare_writer(&conn)?;
    let tx = conn.transaction()?;
    tables(&tx, lane)?;
    tx.pragma_update(None, "application_id", application(lane))?;
    tx.pragma_update(None, "user_version", LAYOUT)?;
    put_meta(&tx, "layout", &LAYOUT.to_string())?;
    tx.commit()?;
    Ok(conn)
}

fn tables(conn: &Connection, lane: Lane) -> rusqlite::Result<()> {
    conn.execute_batch(COMMON)?;
    conn.execute_batch(match lane {
        Lane::Alarm => ALARM,
        Lane::Telemetry => TELEMETRY,
    })?;
    complete(conn, lane)
}

/// Makes what a file of before lacks.
pub(super) fn complete(conn: &Connection, lane: Lane) -> rusqlite::Result<()> {
    match lane {
        Lane::Alarm => Ok(()),
        Lane::Telemetry => conn.execute_batch(ADDED),
    }
}

/// Whether the file has this table.
pub(super) fn has(conn: &Connection, table: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?1";
    conn.query_row(sql, [table], |row| row.get::<_, i64>(0)).map(|n| n > 0)
}

/// Whether the tables are to the letter what this version makes: a damaged name would fail much later, in the writer.
pub(super) fn is_ours(conn: &Connection, lane: Lane) -> rusqlite::Result<bool> {
    let text = |conn: &Connection| {
        let sql = "SELECT group_concat(sql, ';' ORDER BY name) FROM sqlite_schema WHERE sql IS NOT NULL";
        conn.query_row(sql, [], |row| row.get::<_, Option<String>>(0))
    };
    let (found, model) = (text(conn)?, Connection::open_in_memory()?);
    tables(&model, lane)?;
    if found == text(&model)? {
        return Ok(true);
    }
    model.execute_batch(&format!("DROP TABLE IF EXISTS {LEARNED}"))?;
    Ok(found == text(&model)?)
}

/// SQLite's own name for files of one process: the WAL's index is kept in memory instead of a file beside it.
const ONE_PROCESS: &str = "unix-excl";
const WRITE: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// The one connection that writes.
pub(super) fn writer(path: &Path) -> rusqlite::Result<Connection> {
    let conn = Connection::open_with_flags(path, WRITE)?;
    prepare_writer(&conn)?;
    Ok(conn)
}

/// The first connection to a file in this run. A full disk has no room for the WAL's index, which SQLite makes anew at
/// every start: then it is kept in memory. Connections made later, by this process, share it; other programs find the
/// file locked until the next start. A disk that is read only refuses what is written, until the writer connects anew to one that
/// is not.
pub(super) fn first_writer(path: &Path) -> rusqlite::Result<Connection> {
    writer(path).or_else(|error| {
        if !lacks_index(&error) {
            return Err(error);
        }
        tracing::warn!(path = %path.display(), %error, "no room for the index of the WAL, kept in memory for this run");
        let conn = Connection::open_with_flags_and_vfs(path, WRITE, ONE_PROCESS)?;
        let Err(error) = prepare_writer(&conn) else { return Ok(conn) };
        let conn = still(path).ok_or(error)??;
        prepare_writer(&conn)?;
        Ok(conn)
    })
}

/// Whether it was the WAL's index that could not be had.
fn lacks_index(error: &rusqlite::Error) -> bool {
    use ffi::{SQLITE_CANTOPEN, SQLITE_IOERR_SHMLOCK, SQLITE_IOERR_SHMMAP, SQLITE_IOERR_SHMOPEN, SQLITE_IOERR_SHMSIZE};
    let of_index =
        [SQLITE_CANTOPEN, SQLITE_IOERR_SHMLOCK, SQLITE_IOERR_SHMMAP, SQLITE_IOERR_SHMOPEN, SQLITE_IOERR_SHMSIZE];
    extended(error).is_some_and(|code| of_index.contains(&code))
}

fn extended(error: &rusqlite::Error) -> Option<i32> {
    error.sqlite_error().map(|error| error.extended_code)
}

fn prepare_writer(conn: &Connection) -> rusqlite::Result<()> {
    conn.busy_timeout(WRITER_BUSY)?;
    conn.pragma_update(None, "journal_mode", "WAL")?;
    // A commit returns once it is synced; what is acknowledged rests on this line.
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "journal_size_limit", WAL_LIMIT)?;
    // Half a MiB of pages: the writer appends and hardly ever reads.
    conn.pragma_update(None, "cache_size", -512)
}

/// Whether files beside this one can be written, on a disk that was read only: asked of the journal's lock, since the system
/// drops a process's locks on a database as soon as it closes it anywhere.
pub(super) fn is_written_again(path: &Path) -> bool {
    std::fs::OpenOptions::new().append(true).open(path.with_file_name(super::open::LOCK)).is_ok()
}

/// Whether nothing can be written to the file because its file system is read only. Not where a connection to it is to go on,
/// for the same reason.
pub(super) fn is_read_only(path: &Path) -> bool {
    let opened = std::fs::OpenOptions::new().append(true).open(path);
    opened.is_err_and(|error| error.kind() == std::io::ErrorKind::ReadOnlyFilesystem)
}

const READ: OpenFlags = OpenFlags::SQLITE_OPEN_READ_ONLY.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// A connection to a file that is all there is and stays as it is, on a disk that is read only: SQLite would begin a WAL to read
/// it, and can't. `None`: there is a WAL.
fn still(path: &Path) -> Option<rusqlite::Result<Connection>> {
    if super::file::beside(path, "-wal").exists() {
        return None;
    }
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or_default();
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => uri.push(char::from(*byte)),
            byte => uri.extend(['%', digit(byte >> 4), digit(byte & 15)]),
        }
    }
    Some(Connection::open_with_flags(uri + "?immutable=1", READ.union(OpenFlags::SQLITE_OPEN_URI)))
}

/// A connection for short reads beside the writer.
pub(super) fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let conn = Connection::open_with_flags(path, READ)?;
    prepare_reader(&conn)?;
    // Only a read shows whether it can be read.
    match conn.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())) {
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::CannotOpen) => {
            let conn = still(path).ok_or(error)??;
            prepare_reader(&conn)?;
            Ok(conn)
        }
        Ok(()) | Err(_) => Ok(conn),
    }
}

fn prepare_reader(conn: &Connection) -> rusqlite::Result<()> {
    conn.busy_timeout(READER_BUSY)?;
    conn.pragma_update(None, "cache_size", -512)
}

/// Whether the connection takes the file for one that nobody changes.
pub(super) fn is_still(conn: &Connection) -> bool {
    // Such a connection knows no WAL, whatever the file says.
    conn.pragma_query_value(None, "journal_mode", |row| row.get::<_, String>(0)).is_ok_and(|mode| mode != "wal")
}

pub(super) fn meta(conn: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    conn.prepare_cached("SELECT value FROM meta WHERE key = ?1")?.query_row([key], |row| row.get(0)).optional()
}

pub(super) fn put_meta(conn: &Connection, key: &str, value: &str) -> rusqlite::Result<()> {
    let mut statement = conn.prepare_cached("INSERT OR REPLACE INTO meta(key, value) VALUES(?1, ?2)")?;
    statement.execute([&key as &dyn ToSql, &value]).map(|_| ())
}

/// Moves the WAL into the file and cuts it; a reader in the way postpones that to the next time.
pub(super) fn checkpoint(conn: &Connection) -> rusqlite::Result<()> {
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

/// Whether the error says that the file itself is broken, so that no waiting will mend it.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::Error as E;
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase, TypeMismatch, Unknown};
    // "no such table" and its like come as Unknown: the schema is not ours any more.
    let broken = |code| matches!(code, DatabaseCorrupt | NotADatabase | TypeMismatch | Unknown);
    // A file that ends too early, or of which the file system itself says that it is broken.
    let torn = [ffi::SQLITE_IOERR_SHORT_READ, ffi::SQLITE_IOERR_CORRUPTFS, ffi::SQLITE_IOERR_DATA];
    error.sqlite_error_code().is_some_and(broken)
        || extended(error).is_some_and(|code| torn.contains(&code))
        || matches!(
            error,
            E::FromSqlConversionFailure(..)
                | E::IntegralValueOutOfRange(..)
                | E::Utf8Error(..)
                | E::InvalidColumnType(..)
                | E::QueryReturnedNoRows
        )
}

/// Whether it is the disk that fails, which may pass: no space, a write or a read that went wrong.
pub(super) fn may_pass(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DiskFull, SystemIoFailure};
    !is_damage(error) && matches!(error.sqlite_error_code(), Some(DiskFull | SystemIoFailure))
}

/// Whether a part of the file can't be read: if that lasts, that part is gone.
pub(super) fn is_unreadable(error: &rusqlite::Error) -> bool {
    extended(error) == Some(ffi::SQLITE_IOERR_READ)
}

/// As [`is_damage`], for a file in use: an I/O error may pass, a corrupt page will not.
pub(super) fn is_corrupt(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_fails_is_not_a_file_that_is_broken() {
        let error = |code| rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
        for code in [ffi::SQLITE_IOERR_SHMSIZE, ffi::SQLITE_IOERR_READ, ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_FULL] {
            assert!(!is_damage(&error(code)) && may_pass(&error(code)), "{code}");
        }
        for code in [ffi::SQLITE_CORRUPT, ffi::SQLITE_NOTADB, ffi::SQLITE_IOERR_SHORT_READ] {
            assert!(is_damage(&error(code)) && !may_pass(&error(code)), "{code}");
        }
        assert!(!may_pass(&error(ffi::SQLITE_READONLY)), "a right that is lacking does not come by waiting");
    }
}
