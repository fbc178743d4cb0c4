//! What a run says about itself in each lane's file, and what the next one makes of it.

use std::hash::{BuildHasher, Hasher};
use std::sync::OnceLock;

use gengfu_core::time::Wall;
use rusqlite::{Connection, OptionalExtension, params};

use super::holes::{self, Hole};
use super::{Head, Seq, StartCause, Stretch, schema};
use crate::clock::EARLIEST;

/// A stretch of seq that one epoch covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Epoch {
    pub id: u64,
    pub first_seq: Seq,
    /// The last record before it; numbers in between never held one.
    pub last_before: Seq,
}

/// What the first transaction of a run writes before all else.
#[derive(Debug, Clone)]
pub(super) struct Boot {
    /// A new epoch, where this run begins one.
    pub epoch: Option<Epoch>,
    pub cause: StartCause,
    /// UTC ms.
    pub started: i64,
}

impl Boot {
    pub(super) fn write(&self, conn: &Connection) -> rusqlite::Result<()> {
        schema::put_meta(conn, "clean", "no")?;
        schema::put_meta(conn, "boot", machine_boot())?;
        conn.execute("DELETE FROM meta WHERE key IN ('repaired', 'skip', 'copied', 'holes')", [])?;
        let Some(epoch) = self.epoch else { return Ok(()) };
        let mut insert = conn.prepare("INSERT OR REPLACE INTO epoch VALUES(?1, ?2, ?3, ?4, ?5)")?;
        let cause = format!("{:?}", self.cause);
        // The id uses all 64 bits; SQLite's integers are signed.
        insert.execute(params![epoch.first_seq, epoch.id as i64, epoch.last_before, self.started, cause]).map(|_| ())
    }
}

/// How the last run left a lane's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Before {
    /// Newest epoch; `None` in a file nothing was written to yet.
    pub epoch: Option<Epoch>,
    pub clean: bool,
    /// The machine has not been booted since, so nothing that was written can have been lost on the way to the disk.
    pub same_boot: bool,
    /// Wall time of the last sign of life in `meta`.
    pub seen: Option<i64>,
    /// The file was made by a repair or a restore and no run has begun on it since.
    pub repaired: Option<Repaired>,
}

/// What a repair, or a restore, leaves in the file for the run that goes on with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Repaired {
    /// What happened and what is lost, in words.
    pub told: String,
    /// At least as many records as the old file could hold beyond what was saved: as many numbers are left out.
    pub skip: u64,
    /// When the backup was made that the file comes from, UTC ms; `None` after a repair.
    pub copied: Option<i64>,
    /// What a repair could not save.
    pub holes: Vec<Hole>,
}

impl Repaired {
    pub(super) fn write(&self, conn: &Connection) -> rusqlite::Result<()> {
        schema::put_meta(conn, "skip", &self.skip.to_string())?;
        if let Some(at) = self.copied {
            schema::put_meta(conn, "copied", &at.to_string())?;
        }
        schema::put_meta(conn, "holes", &holes::write(&self.holes))?;
        schema::put_meta(conn, "repaired", &self.told)
    }

    fn read(conn: &Connection) -> rusqlite::Result<Option<Self>> {
        let number = |key| Ok::<_, rusqlite::Error>(schema::meta(conn, key)?.and_then(|text| text.parse::<i64>().ok()));
        let (skip, copied) = (number("skip")?.map_or(0, i64::unsigned_abs), number("copied")?);
        let holes = schema::meta(conn, "holes")?.map_or_else(Vec::new, |text| holes::read(&text));
        Ok(schema::meta(conn, "repaired")?.map(|told| Self { told, skip, copied, holes }))
    }
}

impl Before {
    pub(super) fn read(conn: &Connection) -> rusqlite::Result<Self> {
        let row = |row: &rusqlite::Row<'_>| {
            let id: i64 = row.get(1)?;
            Ok(Epoch { first_seq: row.get(0)?, id: id as u64, last_before: row.get(2)? })
        };
        let newest = "SELECT first_seq, id, last_before FROM epoch ORDER BY first_seq DESC LIMIT 1";
        Ok(Self {
            epoch: conn.query_row(newest, [], row).optional()?,
            clean: schema::meta(conn, "clean")?.as_deref() == Some("yes"),
            same_boot: schema::meta(conn, "boot")?.as_deref() == Some(machine_boot()),
            seen: schema::meta(conn, "seen")?.and_then(|seen| seen.parse().ok()),
            repaired: Repaired::read(conn)?,
        })
    }

    /// Damage may have taken rows from the middle of the file.
    pub(super) fn mended(&self) -> bool {
        self.repaired.as_ref().is_some_and(|repaired| repaired.copied.is_none())
    }

    /// Numbers that a repair or a restore leaves out.
    pub(super) fn skip(&self) -> u64 {
        self.repaired.as_ref().map_or(0, |repaired| repaired.skip)
    }

    /// The file is that of a backup.
    pub(super) fn restored(&self) -> bool {
        self.repaired.as_ref().is_some_and(|repaired| repaired.copied.is_some())
    }

    /// No record before this number is to come, even where none is left.
    pub(super) fn floor(&self) -> Seq {
        self.epoch.map_or(0, |epoch| epoch.first_seq.saturating_sub(1))
    }

    /// The head to go on from and the epoch to begin, if one is needed: at the first start, after a repair, and where the
    /// machine went down under us, since a disk that lies about syncing may then have lost the tail.
    pub(super) fn go_on(&self, last: Seq) -> (Head, Option<Epoch>) {
        let last = last.max(self.floor());
        let proved = self.repaired.is_none() && (self.clean || self.same_boot);
        match self.epoch {
            Some(epoch) if proved => (Head { epoch: epoch.id, seq: last }, None),
            _ => {
                let seq = last.saturating_add(self.skip());
                let epoch = Epoch { id: random(), first_seq: seq + 1, last_before: last };
                (Head { epoch: epoch.id, seq }, Some(epoch))
            }
        }
    }
}

/// Stretches of seq that never held a record.
pub(super) fn voids(conn: &Connection) -> rusqlite::Result<Vec<(Seq, Seq)>> {
    let mut rows =
        conn.prepare("SELECT last_before + 1, first_seq - 1 FROM epoch WHERE first_seq - 1 > last_before")?;
    rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// All epochs of the lane, oldest first.
pub(super) fn stretches(conn: &Connection) -> rusqlite::Result<Vec<Stretch>> {
    let mut rows = conn.prepare_cached("SELECT id, first_seq, last_before, started FROM epoch ORDER BY first_seq")?;
    let mut stretches: Vec<Stretch> = Vec::new();
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        if let Some(before) = stretches.last_mut() {
            before.last = Some(row.get(2)?);
        }
        let id: i64 = row.get(0)?;
        stretches.push(Stretch { epoch: id as u64, first: row.get(1)?, last: None, started: row.get(3)? });
    }
    Ok(stretches)
}

/// When the lane began, UTC ms, as far as there was a clock.
pub(super) fn began(conn: &Connection) -> rusqlite::Result<Option<i64>> {
    conn.query_row("SELECT min(started) FROM epoch WHERE started >= ?1", [EARLIEST.0], |row| row.get(0))
}

/// Marks the stop as asked for; the last thing a run writes.
pub(super) fn mark_clean(conn: &Connection, now: i64) -> rusqlite::Result<()> {
    mark_seen(conn, now)?;
    schema::put_meta(conn, "clean", "yes")
}

/// A sign of life while there is nothing else to write; a count of a clock that is not set is no time to be seen at.
pub(super) fn mark_seen(conn: &Connection, now: i64) -> rusqlite::Result<()> {
    if Wall(now) < EARLIEST {
        return Ok(());
    }
    schema::put_meta(conn, "seen", &now.to_string())
}

/// The machine's name for this boot. Where the system hides it, this run's own name stands for it: a later run then counts as
/// one after another boot, since nothing else proves the contrary. An uptime that goes on where a run ended may be that of a
/// boot which was slower.
pub(super) fn machine_boot() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        let told = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|id| id.trim().to_owned());
        told.filter(|id| !id.is_empty()).unwrap_or_else(|| {
            tracing::warn!(
                "the system hides /proc/sys/kernel/random/boot_id, so a restart can't be told from a boot of the machine: \
                 after each crash a new epoch begins; let the service see it"
            );
            format!("run-{:016x}", random())
        })
    })
}

/// 64 bits from the keys that the standard library draws from the system for its hash maps.
fn random() -> u64 {
    let mut hasher = std::hash::RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn before(epoch: Option<Epoch>, clean: bool, same_boot: bool) -> Before {
        Before { epoch, clean, same_boot, seen: None, repaired: None }
    }

    #[test]
    fn an_epoch_goes_on_only_where_the_tail_is_proved() {
        let epoch = Some(Epoch { id: 7, first_seq: 1, last_before: 0 });
        for (clean, same_boot) in [(true, true), (true, false), (false, true)] {
            assert_eq!(before(epoch, clean, same_boot).go_on(41), (Head { epoch: 7, seq: 41 }, None));
        }
        let (head, new) = before(epoch, false, false).go_on(41);
        assert_eq!(head.seq, 41);
        let new = new.expect("a power cut begins an epoch");
        assert_eq!((new.first_seq, new.last_before), (42, 41));
        assert_ne!(new.id, 7);
        let repaired = Some(Repaired { told: String::new(), skip: 1000, copied: None, holes: Vec::new() });
        let (head, new) = Before { repaired, ..before(epoch, true, true) }.go_on(41);
        assert_eq!(head.seq, 1041, "what may have been lost is jumped over");
        assert_eq!(new.map(|epoch| (epoch.first_seq, epoch.last_before)), Some((1042, 41)));
    }

    #[test]
    fn numbers_grow_even_where_all_records_are_gone() {
        let epoch = Some(Epoch { id: 7, first_seq: 500, last_before: 20 });
        assert_eq!(before(epoch, true, true).go_on(0).0.seq, 499);
        assert_eq!(before(None, false, false).go_on(0).0.seq, 0);
    }

    #[test]
    fn epochs_differ() {
        assert_ne!(random(), random());
    }
}
