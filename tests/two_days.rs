//! An outage of two days: the engine and the journal on a clock that is hurried, a thousand readings a second, no store.
//! What does not fit is thinned, alarms and their surroundings are not, and the ledger balances to the reading.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gengfu::catalog::{Catalog, PointMeta};
use gengfu::clock::Clock;
use gengfu::config;
use gengfu::config::checked::{JournalConfig, Site};
use gengfu::driver::{self, EngineHandle, Input};
use gengfu::flow::Batch;
use gengfu::journal::{Entry, Journal, Lane, Opened, Outcome, Room, SinkBalance, SinkSpec, Writers};
use gengfu::telemetry::{SharedStats, Stats};
use gengfu_core::quality::Quality;
use gengfu_core::reading::{PointId, Reading};
use gengfu_core::time::Wall;
use gengfu_tests::owed::in_use;
use gengfu_tests::process::Folder;
use gengfu_tests::random::Random;
use gengfu_tests::series;
use gengfu_tests::wait::{SOON, eventually, length, now, quiet, say};

const STORE: &str = "influxdb/central";
/// Half of what may wait for the journal's next commit.
const ON_THE_WAY: u64 = 32_768;
/// Readings a second: one of each point.
const POINTS: u64 = 1_000;
/// Every so manieth point is compared with the truth, reading by reading.
const LOOKED_AT: usize = 50;
const HOUR: u64 = 3_600;
const MINUTE_MS: i64 = 60_000;
/// Beyond the room: what comes between two looks of 5 s and while that gives way, in small transactions between commits.
const SLACK: u64 = 2 << 20;
/// How often it is looked whether something must go, ms.
const LOOK_MS: u64 = 5_000;
/// Hours of outage left below which people are told; see `gengfu/outage-room`.
const TOLD: f64 = 6.0;
/// By what share a forecast of a 24th into a run of the length may be off.
const OFF: f64 = 0.2;
/// What stays whole on both sides of a transition, by docs/durability.md.
const AROUND_MS: i64 = 600_000;

/// The length.
const FULL: u64 = 48 * HOUR;

/// The virtual length and how often there is an alarm, s, and the room it is given, bytes.
fn size() -> (u64, u64, u64) {
    let slice = 3 * HOUR / 2;
    let seconds = length(slice, FULL).as_secs();
    if seconds > slice { (seconds, 6 * HOUR, 512 << 20) } else { (seconds, 2 * HOUR / 3, 40 << 20) }
}

#[test]
fn an_outage_of_two_days_is_thinned_within_the_room_and_balances() {
    let _quiet = quiet();
    let (dir, (seconds, every, room)) = (Folder::new("two-days"), size());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let rig = Rig::start(dir.path(), room);
        let began = now();
        let (truth, foretold) = rig.live(seconds, every, room).await;
        let (health, pages) = (rig.journal.health(), in_use(&dir.join("data")));
        say(&format!(
            "{} h of {POINTS} readings/s in {:.0} s; {:.1} MB of pages in use of {:.1} allowed, {:.1} on disk with the log",
            seconds as f64 / HOUR as f64,
            began.elapsed().as_secs_f64(),
            pages as f64 / 1e6,
            room as f64 / 1e6,
            health.bytes_on_disk as f64 / 1e6,
        ));
        foretold.holds(seconds);
        rig.fits(dir.path(), room);
        let full = rig.balance();
        assert_eq!(full.committed, seconds * POINTS, "nothing was refused");
        assert!(full.thinned > 0 && full.expired == 0, "thinned, not dropped: {full:?}");
        let left = rig.drain().await;
        let end = rig.balance();
        say(&format!("{} thinned, {} arrived, {} expired, ledger: {end:?}", end.thinned, end.delivered, end.expired));
        assert_eq!(end.pending, 0);
        assert_eq!(end.delivered + end.thinned, end.committed, "to the reading");
        assert_eq!(left.count, end.delivered, "what was settled is what was read");
        rig.compare(&truth, &left).await;
        rig.end().await;
    });
}

/// What was made of the points that are looked at: `(time, value)` by point.
type Series = BTreeMap<PointId, BTreeMap<i64, f64>>;

#[derive(Default)]
struct Left {
    count: u64,
    series: Series,
}

/// What was said of the room, in virtual hours since the begin.
#[derive(Debug, Default)]
struct Foretold {
    /// When it was first said to run short.
    short: Option<f64>,
    /// When what is owed began to give way.
    gave_way: Option<f64>,
    /// A 24th into the run: when that was, and how long the room was said to last.
    forecast: Option<(f64, f64)>,
}

impl Foretold {
    fn look(&mut self, second: u64, seconds: u64, room: Room) {
        let hour = second as f64 / HOUR as f64;
        if second == seconds / 24 {
            self.forecast = room.hours_left.map(|left| (hour, left));
        }
        if room.is_short(TOLD) {
            self.short.get_or_insert(hour);
        }
        if room.gives_way && self.gave_way.is_none() {
            self.gave_way = Some(hour);
            self.say(hour);
        }
    }

    fn say(&self, gave_way: f64) {
        let (said, left) = self.forecast.expect("the room was reckoned");
        let (took, short) = (gave_way - said, self.short.unwrap_or(f64::NAN));
        say(&format!(
            "after {said:.2} h the room was said to last {left:.2} h, and lasted {took:.2}; short after {short:.2} h, thinning \
             began after {gave_way:.2} h"
        ));
    }

    /// People were told before anything gave way, and in a long run what they were told came to pass.
    fn holds(&self, seconds: u64) {
        let gave_way = self.gave_way.expect("what is owed gave way");
        let short = self.short.expect("the room was said to run short");
        let (said, left) = self.forecast.expect("the room was reckoned");
        let took = gave_way - said;
        assert!(short < gave_way, "told after {short:.3} h, too late: {self:?}");
        if seconds >= FULL {
            assert!((left / took - 1.0).abs() <= OFF, "the forecast was off: {self:?}");
            assert!(gave_way - short >= TOLD * (1.0 - OFF), "told late: {self:?}");
        }
    }
}

struct Rig {
    clock: Clock,
    stats: SharedStats,
    journal: Journal,
    writers: Writers,
    engine: EngineHandle,
    task: tokio::task::JoinHandle<()>,
    ids: Vec<PointId>,
}

impl Rig {
    fn start(dir: &Path, max_size: u64) -> Self {
        let (clock, catalog) = (Clock::start(), Catalog::default());
        let stats: SharedStats = Arc::new(Stats::default());
        let keep = Duration::from_hours(24 * 90);
        let config = JournalConfig { path: dir.join("data"), keep, keep_life_safety: keep, max_size };
        std::fs::create_dir_all(&config.path).unwrap();
        let sink = SinkSpec { name: STORE.to_owned(), lanes: &[Lane::Alarm, Lane::Telemetry] };
        let opened = Journal::open(&config, &catalog, &clock, &stats, &[sink]).unwrap();
        let Opened { journal, standing, learned, writers, present, .. } = opened;
        let site = Arc::new(site(dir));
        let (mut ids, mut points) = (Vec::new(), Vec::new());
        for device in site.modbus.iter().flat_map(|line| &line.devices) {
            for point in &device.points {
                let meta = PointMeta {
                    device: device.name.clone(),
                    point: point.spec.name.clone(),
                    kind: device.kind.clone(),
                    area: None,
                    unit: None,
                    life_safety: false,
                    source: None,
                };
                ids.push(catalog.add(meta));
                points.push((*ids.last().unwrap(), point.spec.clone()));
            }
        }
        let setup = driver::Setup {
            site,
            catalog,
            clock: clock.clone(),
            stats: Arc::clone(&stats),
            journal: journal.clone(),
            points,
            standing,
            lately: driver::Lately::default(),
            modes: Vec::new(),
            tests: Vec::new(),
            levels: Vec::new(),
            learned,
            last_seen: None,
            present,
        };
        let (engine, task) = driver::start(setup).unwrap();
        // As with a rule that looks back over a day.
        journal.remember(24 * HOUR * 1_000);
        let task = tokio::spawn(task);
        Self { clock, stats, journal, writers, engine, task, ids }
    }

    /// Lives through `seconds`, and keeps what was made of some points.
    async fn live(&self, seconds: u64, every: u64, room: u64) -> (Series, Foretold) {
        let mut random = Random::seeded("two_days");
        let (mut truth, mut foretold) = (Series::new(), Foretold::default());
        for second in 0..seconds {
            let at = self.clock.wall();
            let noise = random.draw();
            let value = |n: usize| value(n as u64, second, every, noise);
            let reading =
                |(n, id): (usize, &PointId)| Reading { point: *id, at, value: value(n), quality: Quality::Good };
            let readings: Vec<Reading> = self.ids.iter().enumerate().map(reading).collect();
            for reading in readings.iter().step_by(LOOKED_AT) {
                truth.entry(reading.point).or_default().insert(at.0, reading.value);
            }
            self.engine.submit(Input::Batch(Batch { readings, ..Batch::default() })).await.unwrap();
            self.clock.hurry(1_000);
            self.keep_up((second + 1) * POINTS);
            if second.is_multiple_of(15) {
                self.tidied(room);
            }
            foretold.look(second, seconds, self.journal.health().room);
        }
        eventually(SOON, "all is committed", || {
            self.clock.hurry(1_000);
            self.stats.committed.get() == seconds * POINTS
        });
        (truth, foretold)
    }

    /// Waits until of `made` readings no more than the queue can hold are on their way: on a hurried clock they come faster
    /// than in life.
    fn keep_up(&self, made: u64) {
        let behind = || made - self.stats.committed.get();
        if behind() > ON_THE_WAY {
            eventually(SOON, "the journal keeps up", || behind() <= ON_THE_WAY);
        }
    }

    /// Gives the journal the time that it would have in life: until its alarms are written and its lane fits the room or,
    /// where nothing more can give way yet, for a moment.
    fn tidied(&self, room: u64) {
        eventually(SOON, "alarms are written", || self.journal.health().ring == 0);
        let began = now();
        let moment = Duration::from_millis(50);
        let fits = || self.journal.health().bytes_on_disk <= room || began.elapsed() > moment;
        eventually(SOON, "the lane fits", fits);
    }

    /// On a hurried clock readings come some hundred times as fast as in life, and what gives way does not: once no more come,
    /// it has what it would have had in a minute of life to catch up.
    fn fits(&self, dir: &Path, room: u64) {
        let mut looks = MINUTE_MS as u64 / LOOK_MS;
        let took = eventually(SOON, "the pages in use fit the room", || {
            if looks > 0 {
                looks -= 1;
                self.clock.hurry(LOOK_MS);
            }
            in_use(&dir.join("data")) <= room + SLACK
        });
        say(&format!("the pages in use fit the room after {took:?}"));
    }

    fn balance(&self) -> SinkBalance {
        let ledger = self.journal.ledger();
        let balance = ledger.into_iter().find(|b| b.sink == STORE && b.lane == Lane::Telemetry).unwrap();
        let SinkBalance { committed, delivered, pending, dead, thinned, expired, .. } = &balance;
        assert_eq!(*committed, delivered + pending + dead + thinned + expired);
        balance
    }

    /// Takes all that is owed, as a store that is back would.
    async fn drain(&self) -> Left {
        let feed = self.journal.feed(STORE, Lane::Telemetry).unwrap();
        let (mut left, began, mut seqs) = (Left::default(), now(), BTreeSet::new());
        let looked: BTreeSet<PointId> = self.ids.iter().step_by(LOOKED_AT).copied().collect();
        while let Some((from, to)) = feed.owed().into_iter().next() {
            let records = feed.telemetry(from, to, 20_000).await.unwrap();
            let last = records.last().expect("what is owed is there").seq;
            for record in &records {
                assert!(seqs.insert(record.seq), "{} twice", record.seq);
                left.count += 1;
                if looked.contains(&record.point) {
                    left.series.entry(record.point).or_default().insert(record.at_ns / 1_000_000, record.value);
                }
            }
            feed.settle(from, last, Outcome::Done).await.unwrap();
            // Only the last few million can be held against each other.
            while seqs.len() > 1_000_000 {
                seqs.pop_first();
            }
        }
        let rate = left.count as f64 / began.elapsed().as_secs_f64();
        say(&format!("drained {} readings, {rate:.0}/s read and settled", left.count));
        left
    }

    /// Nothing made up, every minute there with its extremes, and all of what surrounds an alarm.
    async fn compare(&self, truth: &Series, left: &Left) {
        let entries = self.journal.entries(None, 100_000).await.unwrap();
        let mut around: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for (_, entry) in entries {
            if let Entry::Alarm(event) = entry {
                around.entry(event.event).or_default().push(event.detected);
            }
        }
        let moments: Vec<i64> = around.values().flatten().copied().collect();
        assert!(moments.len() >= 4, "alarms came and went: {around:?}");
        let kept = |at: i64| moments.iter().any(|moment| (moment - at).abs() < AROUND_MS);
        let mut whole = 0;
        for (point, made) in truth {
            let found = &left.series[point];
            assert!(found.iter().all(|(at, value)| made.get(at) == Some(value)), "made up");
            assert_eq!(extremes(found), extremes(made), "every minute with its extremes");
            let surroundings: Vec<_> = made.iter().filter(|(at, _)| kept(**at)).collect();
            whole += surroundings.len();
            assert!(surroundings.iter().all(|(at, _)| found.contains_key(at)), "what surrounds an alarm is whole");
        }
        let (made, found) = (truth.values().map(BTreeMap::len).sum::<usize>(), left.series.values().map(BTreeMap::len));
        say(&format!(
            "of {made} readings looked at {} arrived, {whole} of them whole around {} transitions",
            found.sum::<usize>(),
            moments.len()
        ));
    }

    async fn end(self) {
        drop(self.engine);
        self.task.await.unwrap();
        assert!(self.writers.close(SOON));
    }
}

/// Like a plant, but for the first point, which crosses its limit now and then.
fn value(n: u64, second: u64, every: u64, noise: u64) -> f64 {
    if n == 0 {
        40.0 + 25.0 * f64::from(u8::from(second % every >= every - 100))
    } else {
        series::value(n, second, noise)
    }
}

/// The lowest and highest of each minute.
fn extremes(series: &BTreeMap<i64, f64>) -> BTreeMap<i64, (f64, f64)> {
    let mut all = BTreeMap::new();
    for (at, value) in series {
        let (low, high) = all.entry(Wall(*at).0.div_euclid(MINUTE_MS)).or_insert((f64::MAX, f64::MIN));
        (*low, *high) = (value.min(*low), value.max(*high));
    }
    all
}

/// A site of a thousand points on a hundred devices, of which one is watched.
fn site(dir: &Path) -> Site {
    use std::fmt::Write as _;
    let mut text = "[site]\nid = \"two-days\"\nname = \"rig\"\ntimezone = \"Asia/Shanghai\"\n".to_owned();
    let _ = writeln!(text, "[[modbus]]\nname = \"line\"\nconnect = \"tcp://127.0.0.1:502\"");
    for device in 0..POINTS / 10 {
        let _ = writeln!(text, "[[modbus.device]]\nname = \"d{device}\"\nunit = {}\nevery = \"1s\"", device + 1);
        for point in 0..10 {
            let _ = writeln!(
                text,
                "[[modbus.device.point]]\nname = \"p{point}\"\nregister = \"holding:{point}\"\ntype = \"u16\""
            );
        }
    }
    let _ = writeln!(
        text,
        "[[rule]]\nid = \"hot\"\npoint = \"d0/p0\"\nhigh = {{ limit = 60.0, clear = 55.0 }}\npriority = \"high\""
    );
    let file = dir.join("site.toml");
    std::fs::write(&file, text).unwrap();
    config::load(&file).unwrap().site
}
