//! Opening: both files taken up or repaired, what a crash left recovered, the writers started.
//! Nothing is written here to a file that exists; what this run has to say goes with its first commit, so that a full disk
//! does not keep the gateway from starting.

use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use gengfu_core::time::{Mono, Now, Wall};
use rusqlite::{Connection, OptionalExtension};

use super::alarm::{AlarmLane, AlarmWriter};
use super::chain::{self, Hash};
use super::deliveries::{self, Deliveries, Loaded};
use super::delivery::{Fate, Map};
use super::holes::Hole;
use super::instant::Instants;
use super::lane::{Hand, LaneCore};
use super::learned::{self, Kept};
use super::queue::{QUEUE_READINGS, WINDOW_READINGS};
use super::retention::Retention;
use super::series::{self, Series};
use super::start::{self, Before, Boot, Repaired};
use super::telemetry::{TelemetryLane, TelemetryWriter};
use super::undated::{self, Undated};
use super::{
    Entry, Inner, Journal, Lane, LevelRecord, ModeRecord, OpenError, Opened, Seq, SinkSpec, StartCause, Writers, codec,
    file, lane, owed, restore, schema, tap,
};
use crate::catalog::{Catalog, PointMeta};
use crate::clock::{Clock, EARLIEST};
use crate::config::checked::JournalConfig;
use crate::flow::AlarmEvent;
use crate::telemetry::SharedStats;

/// Newest batches that are looked at, so that a reading sent again after a restart keeps its distance: one full blob each at most.
const SEED_BATCHES: u64 = 16;

/// A clock that lies less than this behind what the last run wrote is a clock that was set a little, ms.
const BEHIND: i64 = 60_000;

/// Held by the gateway that runs on the directory.
pub(super) const LOCK: &str = "journal.lock";

/// What both files tell.
#[derive(Debug)]
struct Found {
    before: Before,
    last: Seq,
    /// Wall time of the last record's commit.
    last_wall: Option<i64>,
    /// The same of the last one that was stamped by a clock that was set.
    last_time: Option<i64>,
    undated: Undated,
    /// What is newer than this may be missing: readings came while the last commit was under way.
    sure: Option<i64>,
    /// When the lane began, UTC ms.
    began: Option<i64>,
    /// Stretches that hold no record any more, up to `last`.
    gone: Vec<(Seq, Seq)>,
    voids: Vec<(Seq, Seq)>,
    maps: Vec<(String, Loaded)>,
    /// Maps of sinks that the site file has no more: they say who knows which numbers.
    retired: Vec<(String, Map)>,
}

#[derive(Debug)]
struct FoundAlarm {
    found: Found,
    end: Hash,
    standing: Vec<AlarmEvent>,
    modes: Vec<ModeRecord>,
    levels: Vec<LevelRecord>,
}

#[derive(Debug)]
struct FoundTelemetry {
    found: Found,
    series: Vec<(usize, PointMeta)>,
    instants: Instants,
    learned: Kept,
}

pub(super) fn open(
    config: &JournalConfig,
    catalog: &Catalog,
    clock: &Clock,
    stats: &SharedStats,
    sinks: &[SinkSpec],
) -> Result<Opened, OpenError> {
    let dir = &config.path;
    schema::sqlite_is_sound().map_err(OpenError)?;
    fs::create_dir_all(dir).map_err(|error| {
        file::refuse(dir, &format!("can't be made: {error}"), "see to the rights or set [journal] path")
    })?;
    let lock = lock_dir(dir)?;
    restore::refuse_unfinished(dir)?;
    let alone = ![Lane::Alarm, Lane::Telemetry].into_iter().any(|lane| dir.join(schema::file_name(lane)).exists());
    let (alarm_conn, mut alarm) = file::open(dir, Lane::Alarm, alone, clock.wall().0, |conn| load_alarm(conn, sinks))?;
    let (telemetry_conn, mut telemetry) =
        file::open(dir, Lane::Telemetry, alone, clock.wall().0, |conn| load_telemetry(conn, sinks))?;
    let cause = cause(&alarm.found.before, &telemetry.found.before);
    let last_seen = alarm.found.seen().max(telemetry.found.seen());
    let mut present = orient(clock, &mut alarm.found, &mut telemetry.found, last_seen);
    if let Some(then) = telemetry.learned.at {
        let by = clock.carry_on(learned::goes_on(then, present.wall, telemetry.learned.passed));
        present.mono = present.mono.plus(by);
    }
    let now = clock.wall().0;
    let tales = tales(&alarm.found, &telemetry.found, cause, (first_start(dir), now));
    series::fill(catalog, telemetry.series);

    let (core, boot) = core(Lane::Alarm, dir, clock, &alarm.found, (cause, last_seen));
    let ahead = ahead(&alarm_conn, &core, sinks);
    let alarm_lane = Arc::new(AlarmLane::new(core, sinks.len(), ahead));
    let alarm_writer = AlarmWriter::new(Arc::clone(&alarm_lane), Hand::new(alarm_conn, boot), alarm.end);
    let (core, boot) = self::core(Lane::Telemetry, dir, clock, &telemetry.found, (cause, last_seen));
    let telemetry_lane = Arc::new(TelemetryLane::new(core));
    let telemetry_writer = TelemetryWriter::new(
        Arc::clone(&telemetry_lane),
        Hand::new(telemetry_conn, boot),
        stats,
        telemetry.instants,
        Series::new(catalog),
        Retention::new(config, clock.now(), alarm_lane.core.readers.clone(), stats),
        Arc::clone(&alarm_lane),
    );
    let start = alarm_lane.core.head().seq + 1;
    for entry in tales {
        alarm_lane.append(entry);
    }
    let threads = vec![
        spawn("journal-alarm", move || alarm_writer.run())?,
        spawn("journal-telem", move || telemetry_writer.run())?,
    ];
    let inner =
        Arc::new(Inner { alarm: alarm_lane, telemetry: telemetry_lane, start, clock: clock.clone(), _lock: lock });
    let writers = Writers { inner: Arc::clone(&inner), threads };
    let FoundAlarm { standing, modes, levels, .. } = alarm;
    let (journal, learned) = (Journal { inner }, telemetry.learned);
    Ok(Opened { journal, standing, modes, levels, learned, cause, last_seen, present, writers })
}

/// What the clock that the newest readings were stamped by says now. Tells the clock what it was before, and each lane which
/// boots are over.
fn orient(clock: &Clock, alarm: &mut Found, telemetry: &mut Found, last_seen: Option<i64>) -> Now {
    let end = alarm.count().max(telemetry.count());
    // A lane that was made anew does not know.
    let same_boot = alarm.before.same_boot || telemetry.before.same_boot;
    if let Some(end) = end.filter(|_| !same_boot) {
        alarm.undated.over(end);
        telemetry.undated.over(end);
    }
    // A clock that went back while the machine was up has been set: that is a step like any other.
    if let Some(known) = last_seen.filter(|_| !same_boot || end.is_some()) {
        clock.doubt(Wall(known.saturating_sub(BEHIND)));
    }
    if same_boot && end.is_some() {
        clock.recall();
    }
    let now = clock.now();
    let wall = match telemetry.count() {
        Some(count) if same_boot => clock.count().0.max(count),
        Some(count) => count,
        None => last_seen.map_or(now.wall.0, |seen| seen.max(now.wall.0)),
    };
    Now { wall: Wall(wall), ..now }
}

impl Found {
    /// The newest time that the lane knows.
    fn seen(&self) -> Option<i64> {
        self.last_time.max(self.before.seen).max(self.undated.after())
    }

    /// The last record's, if it was stamped by a count.
    fn count(&self) -> Option<i64> {
        self.last_wall.filter(|_| self.last_wall != self.last_time)
    }
}

/// When the directory was first used, UTC ms: nothing is ever written to the lock, and a damaged lane may have forgotten.
fn first_start(dir: &Path) -> Option<i64> {
    let made = fs::metadata(dir.join(LOCK)).and_then(|about| about.modified()).ok()?;
    i64::try_from(made.duration_since(std::time::UNIX_EPOCH).ok()?.as_millis()).ok()
}

/// The first of what each push channel is owed, read while nobody waits for it. Stores read for themselves.
fn ahead(conn: &Connection, core: &LaneCore, sinks: &[SinkSpec]) -> HashMap<usize, Vec<tap::Chunk>> {
    let deliveries = lane::lock(&core.deliveries);
    let channels = sinks.iter().filter(|sink| !sink.lanes.contains(&Lane::Telemetry));
    let channels = channels.filter_map(|sink| deliveries.find(&sink.name));
    channels.map(|index| (index, tap::ahead(conn, &deliveries, index, core.head().seq))).collect()
}

/// Two gateways on one journal would each undo what the other holds; the lock ends with the process, however it ends.
pub(super) fn lock_dir(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join(LOCK);
    let told = |error: std::io::Error| {
        file::refuse(&path, &format!("can't be opened: {error}"), "see to the rights of the directory")
    };
    let open = File::options().create(true).append(true).open(&path);
    // A file system that is read only has the lock of an earlier run, or no journal to go on with.
    let read_only = |error: &std::io::Error| error.kind() == std::io::ErrorKind::ReadOnlyFilesystem;
    let lock =
        open.or_else(|error| if read_only(&error) { File::open(&path).map_err(|_none| error) } else { Err(error) });
    let lock = lock.map_err(told)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::Error(error)) => Err(told(error)),
        Err(TryLockError::WouldBlock) => Err(file::refuse(
            dir,
            "another gengfu runs on this journal",
            "stop it, or give this one its own [journal] path",
        )),
    }
}

fn load_alarm(conn: &Connection, sinks: &[SinkSpec]) -> rusqlite::Result<FoundAlarm> {
    let end = chain::end(conn)?;
    let last = end.map_or(0, |(seq, ..)| seq);
    let found = load(conn, Lane::Alarm, sinks, (last, end.map(|(_, wall, _)| wall)))?;
    let mut standing = match chain::standing(conn)? {
        Some(standing) => standing,
        None => chain::fold(conn)?,
    };
    for (seq, event) in &mut standing {
        found.undated.booted(*seq).into_iter().for_each(|booted| event.date(booted));
    }
    let standing = standing.into_iter().map(|(_, event)| event).collect();
    let (modes, levels) = (chain::modes(conn)?, chain::levels(conn)?);
    Ok(FoundAlarm { found, end: end.map_or(Hash::default(), |(.., hash)| hash), standing, modes, levels })
}

fn load_telemetry(conn: &Connection, sinks: &[SinkSpec]) -> rusqlite::Result<FoundTelemetry> {
    let mut instants = Instants::default();
    let mut newest = None;
    let mut rows =
        conn.prepare("SELECT first_seq, stamp, body, iif(history, stamp, min(stamp, t_max)) FROM batch ORDER BY first_seq DESC LIMIT ?1")?;
    let mut rows = rows.query([SEED_BATCHES])?;
    while let Some(row) = rows.next()? {
        let (first, stamp, body): (Seq, i64, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let extent = codec::decode(&body, |_, item| instants.seen(item.point, item.at, item.offset));
        match extent {
            Ok(extent) if newest.is_none() && extent.first == first => {
                newest = Some((first + extent.n - 1, stamp, row.get(3)?));
            }
            // The newest batch says where the numbers go on: it must be whole.
            Ok(_) | Err(_) if newest.is_none() => return Err(rusqlite::Error::QueryReturnedNoRows),
            Ok(_) | Err(_) => {}
        }
    }
    let (last, stamp) = (newest.map_or(0, |(last, ..)| last), newest.map(|(_, stamp, _)| stamp));
    let found = load(conn, Lane::Telemetry, sinks, (last, stamp))?;
    let sure = newest.map(|(.., sure)| sure).filter(|_| found.count().is_none());
    let found = Found { sure: sure.or(found.sure), ..found };
    Ok(FoundTelemetry { found, series: series::load(conn)?, instants, learned: learned::read(conn)? })
}

fn load(
    conn: &Connection,
    lane: Lane,
    sinks: &[SinkSpec],
    (last, last_wall): (Seq, Option<i64>),
) -> rusqlite::Result<Found> {
    let before = Before::read(conn)?;
    let declared = sinks.iter().filter(|sink| sink.lanes.contains(&lane));
    // What a repair could not save may have been delivered: its numbers are among those that are left out.
    let head = before.go_on(last).0.seq;
    let maps = declared
        .map(|sink| Ok((sink.name.clone(), load_map(conn, sink, head, before.mended())?)))
        .collect::<rusqlite::Result<_>>()?;
    let retired = if lane == Lane::Telemetry { retired(conn, sinks, head)? } else { Vec::new() };
    // Holes in the middle come from repairs and thinning alone; else only the front can be missing, by retention.
    let middle = before.mended() || owed::ever(conn)?;
    let gone = gone(conn, lane, middle.then_some(last))?;
    let undated = undated(conn, lane, &before)?;
    let last_time =
        if last_wall.is_some_and(|at| is_count(&undated, at)) { last_time(conn, lane, &undated)? } else { last_wall };
    Ok(Found {
        before,
        last,
        last_wall,
        last_time,
        undated,
        sure: last_time,
        began: start::began(conn)?,
        gone,
        voids: start::voids(conn)?,
        maps,
        retired,
    })
}

/// The maps of the sinks that are not declared. One that can't be believed is nobody's.
fn retired(conn: &Connection, sinks: &[SinkSpec], head: Seq) -> rusqlite::Result<Vec<(String, Map)>> {
    let mut names = conn.prepare("SELECT name FROM sink ORDER BY name")?;
    let names = names.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
    let gone = names.into_iter().filter(|name| sinks.iter().all(|sink| sink.name != *name));
    let map = |name: String| match deliveries::load(conn, &name, head) {
        Ok(Loaded::Known(map)) => Some(Ok((name, map))),
        Ok(Loaded::Reset(_) | Loaded::New) => None,
        Err(error) => Some(Err(error)),
    };
    gone.filter_map(map).collect()
}

/// What the file says of undated records. Of rows that a repair saved, or that changed while a backup was made, it may say
/// nothing: those are of a boot that is over.
fn undated(conn: &Connection, lane: Lane, before: &Before) -> rusqlite::Result<Undated> {
    let mut undated = Undated::read(conn)?;
    if lane == Lane::Telemetry && (before.mended() || before.restored()) {
        let lost = "SELECT min(first_seq), max(t_max) FROM batch WHERE tier = ?1";
        let lost: (Option<Seq>, Option<i64>) =
            conn.query_row(lost, [undated::TIER], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if let (Some(first), Some(end)) = lost {
            undated.recover(first, end);
        }
    }
    Ok(undated)
}

fn is_count(undated: &Undated, at: i64) -> bool {
    undated.first().is_some() && Wall(at) < EARLIEST
}

/// When the last record before the undated ones was committed.
fn last_time(conn: &Connection, lane: Lane, undated: &Undated) -> rusqlite::Result<Option<i64>> {
    let last = match lane {
        Lane::Alarm => "SELECT wall FROM entry WHERE seq < ?1 ORDER BY seq DESC LIMIT 1",
        Lane::Telemetry => "SELECT stamp FROM batch WHERE first_seq < ?1 ORDER BY first_seq DESC LIMIT 1",
    };
    let last: Option<i64> = conn.query_row(last, [undated.first()], |row| row.get(0)).optional()?;
    Ok(last.filter(|at| Wall(*at) >= EARLIEST))
}

/// The map of a sink in a lane that ends at `head`, `mended`: after a repair.
pub(super) fn load_map(conn: &Connection, sink: &SinkSpec, head: Seq, mended: bool) -> rusqlite::Result<Loaded> {
    Ok(match deliveries::load(conn, &sink.name, head)? {
        // Not a sink that was added: the damage took its map.
        Loaded::New if mended => Loaded::Reset(Map::new(owed_from(conn, sink, head)?)),
        Loaded::Reset(map) => Loaded::Reset(Map::new(map.first().max(owed_from(conn, sink, head)?))),
        map @ (Loaded::Known(_) | Loaded::New) => map,
    })
}

/// Where a sink begins anew whose map is lost. A store is sent all that is left, since a record sent again overwrites
/// itself. People are told again of what stands and of what came after it, not of the past.
fn owed_from(conn: &Connection, sink: &SinkSpec, head: Seq) -> rusqlite::Result<Seq> {
    if sink.lanes.contains(&Lane::Telemetry) {
        return Ok(1);
    }
    Ok(chain::fold(conn)?.first().map_or(head + 1, |(seq, _)| *seq))
}

/// Stretches that hold no record any more: up to `last`, or only at the front.
pub(super) fn gone(conn: &Connection, lane: Lane, last: Option<Seq>) -> rusqlite::Result<Vec<(Seq, Seq)>> {
    let ranges = match lane {
        Lane::Alarm => "SELECT seq, seq FROM entry ORDER BY seq LIMIT ?1",
        Lane::Telemetry => "SELECT first_seq, first_seq + n - 1 FROM batch ORDER BY first_seq LIMIT ?1",
    };
    let mut rows = conn.prepare(ranges)?;
    let kept = rows.query_map([last.map_or(1, |_| i64::MAX)], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(holes(&kept.collect::<rusqlite::Result<Vec<_>>>()?, last.unwrap_or(0)))
}

/// What lies before and between the ranges, and after them up to `last`.
fn holes(kept: &[(Seq, Seq)], last: Seq) -> Vec<(Seq, Seq)> {
    let mut gone = Vec::new();
    let mut next = 1;
    for (from, to) in kept.iter().copied().chain([(last.saturating_add(1), last)]) {
        if from > next {
            gone.push((next, from - 1));
        }
        next = next.max(to.saturating_add(1));
    }
    gone
}

fn cause(alarm: &Before, telemetry: &Before) -> StartCause {
    if alarm.mended() || telemetry.mended() {
        StartCause::Repair
    } else if alarm.restored() || telemetry.restored() {
        StartCause::Restored
    } else if alarm.epoch.is_none() && telemetry.epoch.is_none() {
        StartCause::FirstStart
    } else if alarm.clean && telemetry.clean {
        StartCause::CleanStop
    } else {
        StartCause::UncleanStop
    }
}

/// What the alarm lane is told about the last run's end.
fn tales(alarm: &Found, telemetry: &Found, cause: StartCause, (first, now): (Option<i64>, i64)) -> Vec<Entry> {
    let remade = [(Lane::Alarm, alarm), (Lane::Telemetry, telemetry)];
    let remade = remade.into_iter().filter_map(|(lane, found)| Some((lane, found.before.repaired.as_ref()?)));
    let tale = |(lane, Repaired { told, copied, .. }): (Lane, &Repaired)| match copied {
        None => ("journal-repaired", told.clone()),
        Some(_) => ("journal-restored", format!("{} {told}", schema::file_name(lane))),
    };
    let mut tales: Vec<Entry> =
        remade.map(tale).map(|(what, detail)| Entry::Maintenance { at: now, what: what.to_owned(), detail }).collect();
    // What is not known is taken as far back as the journal goes.
    let began = alarm.began.into_iter().chain(telemetry.began).chain(first).min().unwrap_or(0);
    // More than the queue and the commit under way can't have been in memory.
    let in_memory = (WINDOW_READINGS + QUEUE_READINGS) as u64;
    if alarm.before.mended() {
        tales.extend(gaps(alarm, began, now, alarm.before.skip().max(1), "alarms and audit were repaired"));
    }
    if telemetry.before.mended() {
        tales.extend(gaps(telemetry, began, now, in_memory, "telemetry was repaired"));
    } else if telemetry.before.restored() {
        let why = "restored from a backup, which ends there";
        tales.extend(gaps(telemetry, began, now, telemetry.before.skip(), why));
    } else if telemetry.before.epoch.is_some() && !telemetry.before.clean && cause != StartCause::FirstStart {
        tales.extend(gaps(telemetry, began, now, in_memory, "the last run did not end as asked"));
    }
    tales
}

/// What may be missing of a lane: what a repair could not save, and whatever came after the last record.
fn gaps(found: &Found, began: i64, now: i64, at_most: u64, why: &str) -> Vec<Entry> {
    let gap = |from: i64, to: i64, at_most| {
        // A count is no time to be held against one.
        let from = if Wall(to) < EARLIEST && Wall(from) >= EARLIEST { from } else { from.min(to) };
        Entry::Gap { from, to, at_most, why: why.to_owned() }
    };
    // a sign of life is written when nothing waits
    let last = found.sure.max(found.before.seen).unwrap_or(began);
    let holes = found.before.repaired.as_ref().map_or(&[][..], |repaired| &repaired.holes);
    let unknown = found.before.skip().max(at_most);
    let hole = |hole: &Hole| gap(hole.from.unwrap_or(began), hole.to.unwrap_or(now), hole.records.unwrap_or(unknown));
    // one that goes up to now has said it
    let tail = (!holes.iter().any(|hole| hole.to.is_none())).then(|| gap(last, now, at_most));
    holes.iter().map(hole).chain(tail).collect()
}

/// The shared half of a lane, with its maps brought up to what the file holds.
fn core(
    lane: Lane,
    dir: &Path,
    clock: &Clock,
    found: &Found,
    (cause, known): (StartCause, Option<i64>),
) -> (LaneCore, Boot) {
    let (head, epoch) = found.before.go_on(found.last);
    let now = clock.mono();
    let mut deliveries = Deliveries::default();
    for (name, map) in &found.maps {
        let (map, new) = match map {
            Loaded::Known(map) => (map.clone(), false),
            Loaded::Reset(map) => (map.clone(), true),
            Loaded::New => (Map::new(head.seq + 1), true),
        };
        deliveries.add(name, map, new, now);
    }
    for (name, map) in &found.retired {
        deliveries.add(name, map.clone(), false, now);
        deliveries.retire(name, true);
    }
    settle_for_all(&mut deliveries, &found.voids, &Fate::Void, now);
    if let Some(epoch) = epoch {
        settle_for_all(&mut deliveries, &[(epoch.last_before + 1, epoch.first_seq - 1)], &Fate::Void, now);
    }
    settle_for_all(&mut deliveries, &found.gone, &Fate::Expired, now);
    if let Some((1, last)) = found.gone.first() {
        deliveries.expire(*last, now);
    }
    let mut core = LaneCore::new(lane, dir.join(schema::file_name(lane)), clock, head, deliveries);
    core.undated = Mutex::new(found.undated.clone());
    core.known = known;
    (core, Boot { lane, epoch, cause, started: clock.wall().0 })
}

fn settle_for_all(deliveries: &mut Deliveries, ranges: &[(Seq, Seq)], fate: &Fate, now: Mono) {
    ranges.iter().filter(|(from, to)| from <= to).for_each(|(from, to)| deliveries.for_all(*from, *to, fate, now));
}

/// A writer that panics would leave the gateway running with nothing made durable: the process ends and is started anew.
struct EndWithPanic;

impl Drop for EndWithPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("a journal writer panicked, the process ends");
            std::process::abort();
        }
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, OpenError> {
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        let _guard = EndWithPanic;
        run();
    });
    thread.map_err(|error| OpenError(format!("thread {name} can't be started: {error}; raise the limit of threads")))
}
