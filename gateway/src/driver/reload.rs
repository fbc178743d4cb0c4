//! Other rules while the engine runs. The new tables are made beside it, off its thread: points in the order of the old
//! ones, so that equal rules stand at equal places, and the detectors that are new shown what the journal remembers, then
//! what came in meanwhile. The switch itself is one turn of the engine between two inputs: nothing is missed, and what a
//! rule and its point have in common with before (alarm, detector, timer) is moved over as it stands.
//!
//! Until the switch nothing has changed; whoever drops a [`Prepared`] has changed nothing.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use gengfu_core::detect::{Params, group};
use gengfu_core::reading::{Delivery, PointId, Reading};
use gengfu_core::time::Now;
use tokio::sync::mpsc::{self, error::TryRecvError};
use tokio::sync::watch;

use super::lately::Lately;
use super::storage::{Storage, Watched, of_other_lane};
use super::task::{Collect, Driver};
use super::warm::{self, Past};
use super::{EngineHandle, NewPoint, Request, learned};
use crate::catalog::{Catalog, PointMeta};
use crate::clock::Clock;
use crate::config::checked::{PointSpec, Site};
use crate::flow::{AlarmEvent, Batch, Receipt};
use crate::journal::{Journal, Lane, Seq};

/// Batches that may come in while the new tables are made; of more the new detectors learn when they go on.
const HEARD: usize = 16_384;
/// How long the journal may take to have on disk what was read before.
const FLUSH: Duration = Duration::from_secs(2);
/// How long it may take to read it back.
const BUILD: Duration = Duration::from_secs(5);

/// What the engine is to go on with.
#[derive(Debug)]
pub struct Change {
    pub site: Arc<Site>,
    /// Every point of the configuration; in the catalog already, perhaps not as it is to be described.
    pub points: Vec<(PointId, PointSpec)>,
    /// How each is to be described: in which area it stands, of what kind it is.
    pub described: HashMap<PointId, PointMeta>,
    /// Links that go on untouched: the devices they have let in stay.
    pub kept: HashSet<String>,
    pub lately: Lately,
    pub catalog: Catalog,
    pub clock: Clock,
    pub journal: Journal,
}

/// What the engine has when other rules are on their way.
#[derive(Debug)]
pub struct Old {
    points: Vec<(PointId, Watched)>,
    detectors: Vec<(u64, Params)>,
    standing: Vec<AlarmEvent>,
    heard: mpsc::Receiver<Heard>,
    flushed: watch::Receiver<u64>,
    /// What the journal held when `heard` began: behind it is all that may come by both ways.
    head: Seq,
}

/// What came in meanwhile.
#[derive(Debug)]
pub(super) enum Heard {
    Readings(Vec<Reading>, Delivery, Now),
    Point(Box<NewPoint>),
}

/// Where the engine tells it.
pub(super) type Tee = mpsc::Sender<Heard>;

/// New tables, ready to be switched to.
#[derive(Debug)]
pub struct Prepared(Box<Next>);

#[derive(Debug)]
struct Next {
    storage: Storage,
    site: Arc<Site>,
    kept: HashSet<String>,
    heard: mpsc::Receiver<Heard>,
    shown: Shown,
}

/// What the switch came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switched {
    /// Points that the configuration has now.
    pub points: HashSet<PointId>,
    /// Rules on points that go on as they were.
    pub carried: usize,
    /// Those that are new or look at their point anew.
    pub fresh: usize,
    /// Alarms whose rule or point is gone.
    pub closed: usize,
    /// Rules that had learned and do so anew, since they are others now.
    pub relearn: BTreeSet<String>,
}

impl EngineHandle {
    /// Makes the new tables while the engine goes on with the old ones.
    pub async fn prepare(&self, change: Change) -> Result<Prepared, String> {
        let gone = || "the engine does not answer; see the log".to_owned();
        let mut old = self.ask(|reply| Request::Prepare { reply }).await.ok_or_else(gone)?;
        let on_disk = tokio::time::timeout(FLUSH, old.flushed.wait_for(|token| *token > 0)).await;
        if !on_disk.is_ok_and(|synced| synced.is_ok()) {
            tracing::warn!("the journal is behind, what is new in the rules starts on what it has");
        }
        let built = tokio::task::spawn_blocking(move || build(change, old));
        let built = tokio::time::timeout(BUILD, built).await;
        let slow = |_| {
            format!(
                "what the new and changed rules remember could not be read back within {} s: it is too much, or the disk is \
                 slow; give them a shorter `for`, `within` or `window`, change fewer at once, or restart, which takes its time",
                BUILD.as_secs()
            )
        };
        built.map_err(slow)?.map_err(|error| error.to_string())?
    }

    /// Switches to the new tables; `None` if the engine does not answer.
    pub async fn switch(&self, next: Prepared) -> Option<Switched> {
        self.ask(|reply| Request::Switch { next, reply }).await
    }
}

/// Off the engine's thread.
fn build(change: Change, old: Old) -> Result<Prepared, String> {
    let Change { site, points, described, kept, lately, catalog, clock, journal } = change;
    let now = clock.now();
    let mut storage = Storage::new(&site);
    let configured: HashMap<PointId, Watched> = points.iter().map(|(id, spec)| (*id, Watched::of(spec))).collect();
    let stays = |id: PointId| catalog.get(id).and_then(|meta| meta.source.clone()).is_some_and(|s| kept.contains(&s));
    let first = old.points.iter().filter_map(|(id, was)| {
        let watched = configured.get(id).copied().or_else(|| stays(*id).then_some(*was))?;
        Some((*id, watched))
    });
    let all: Vec<_> = first.chain(points.iter().map(|(id, spec)| (*id, Watched::of(spec)))).collect();
    let detectors: HashMap<u64, Params> = old.detectors.into_iter().collect();
    let mut fresh = Fresh::default();
    for (id, watched) in all {
        let Some(meta) = described.get(&id).cloned().map(Arc::new).or_else(|| catalog.get(id)) else { continue };
        let name = meta.name();
        for index in storage.watch(id, &meta, watched, &site, now) {
            let Some(binding) = storage.binding(index) else { continue };
            let params = storage.params(binding.rule);
            let was = detectors.get(&binding.seed).or_else(|| detectors.get(&of_other_lane(binding.seed)));
            if params != was {
                fresh.memory = fresh.memory.max(params.map_or(0, Params::memory_ms));
                fresh.points.insert(id);
                let key = (storage.rule_name(index, &site), name.clone(), storage.is_shadow(index));
                fresh.named.insert(key, index);
            }
        }
    }
    for binding in fresh.named.values() {
        let beside = (1..group::CHANNELS as u8).filter_map(|channel| storage.channel(*binding, channel));
        fresh.points.extend(beside);
    }
    let _ = warm::restore(&mut storage, old.standing, &lately, &fresh.named, now);
    let shown = fresh.show(&mut storage, &journal, old.head, now)?;
    Ok(Prepared(Box::new(Next { storage, site, kept, heard: old.heard, shown })))
}

/// Rules on points whose detector is a new one.
#[derive(Debug, Default)]
struct Fresh {
    named: HashMap<warm::Key, u32>,
    points: HashSet<PointId>,
    memory: u64,
}

impl Fresh {
    /// Shows them what the journal holds of their memory, as it came and when it came; gives what lies behind `head`.
    fn show(&self, storage: &mut Storage, journal: &Journal, head: Seq, now: Now) -> Result<Shown, String> {
        let mut shown = Shown::default();
        let memory = self.memory.min(warm::MAX_REPLAY_MS);
        if memory > 0 {
            let of = |end: Option<&PointId>| end.map_or(0, |point| point.0);
            let points = of(self.points.iter().min())..=of(self.points.iter().max());
            let cut =
                warm::past(journal, (memory, None), points, now, &mut |Past { seq, reading, delivery, then }| {
                    if self.points.contains(&reading.point) {
                        storage.engine().warm(&reading, delivery, then);
                        if seq > head {
                            shown.0.entry(reading.point).or_default().push(reading);
                        }
                    }
                })?;
            if let Some(back) = cut {
                tracing::warn!(
                    back,
                    "what is new in the rules begins with the last of their memory, it is too much to read back"
                );
            }
        }
        Ok(shown)
    }
}

/// Readings that the journal had already when they were heard of, by point, in the order they came.
#[derive(Debug, Default)]
struct Shown(HashMap<PointId, Vec<Reading>>);

impl Shown {
    /// Whether this one was; it and those before it are then done with.
    fn take(&mut self, reading: &Reading) -> bool {
        let Some(readings) = self.0.get_mut(&reading.point) else { return false };
        let found = readings.iter().position(|shown| same(shown, reading));
        found.is_some_and(|at| readings.drain(..=at).count() > 0)
    }
}

/// The value of a reading without one is nobody's, and not kept.
fn same(a: &Reading, b: &Reading) -> bool {
    let value = a.value.to_bits() == b.value.to_bits() || !a.quality.has_value();
    a.at == b.at && a.quality == b.quality && value
}

impl Driver {
    /// Tells what is there, and from here on all that comes in.
    pub(super) fn prepare(&mut self) -> Old {
        let (tee, heard) = mpsc::channel(HEARD);
        self.tee = Some(tee);
        let head = self.journal.head(Lane::Telemetry).borrow().seq;
        // Behind everything that came before: when this is on disk, so is that.
        let (mark, flushed) = watch::channel(0);
        let receipt = Some(Receipt { mark: Arc::new(mark), token: 1 });
        if self.journal.push(Batch { receipt, ..Batch::default() }).is_err() {
            tracing::warn!("the journal takes nothing more");
        }
        let standing = self.standing.values().cloned().collect();
        let (points, detectors) = (self.storage.in_order(), self.storage.detectors());
        Old { points, detectors, standing, heard, flushed, head }
    }

    /// Ends when nobody listens any more, or when it is too much.
    pub(super) fn tell_tee(&mut self, what: impl FnOnce() -> Heard) {
        if let Some(tee) = &self.tee
            && tee.try_send(what()).is_err()
        {
            self.tee = None;
        }
    }

    /// One turn of the engine: what is due speaks by the old rules, everything after it by the new ones.
    pub(super) fn switch(&mut self, next: Prepared) -> Switched {
        self.event(gengfu_core::engine::Event::Tick);
        let now = self.clock.now();
        let mut next = *next.0;
        self.catch_up(&mut next, now);
        let Next { storage, site, .. } = next;
        self.journal.remember(storage.memory_ms().min(warm::MAX_REPLAY_MS));
        let mut old = std::mem::replace(&mut self.storage, storage);
        self.site = site;
        let (fresh, carried) = move_over(&mut old, &mut self.storage);
        let closed = self.keep_standing(&old, now);
        self.keep_modes(&mut old, now);
        let standing: Vec<_> = self.standing.values().cloned().collect();
        self.warner.gather(&self.standing, &self.storage, &self.site, now);
        self.figures.measure_by(&self.site, &standing, now);
        self.storage.engine().gather(now);
        for (binding, of) in &fresh {
            let old = old.engine();
            let mut out = Collect(&mut self.out);
            self.storage.engine().take_up(*binding, of.map(|of| (&old, of)), now, &mut out);
        }
        self.storage.engine().regard_all(now, &mut Collect(&mut self.out));
        self.publish(None);
        self.keep_learned(None);
        let points = self.storage.watched().map(|point| point.last.point).collect();
        let known = fresh.iter().filter(|(binding, of)| of.is_some() && learned::learns(&self.storage, *binding));
        let relearn = known.map(|(binding, _)| self.storage.rule_name(*binding, &self.site)).collect();
        Switched { points, carried, fresh: fresh.len(), closed, relearn }
    }

    /// What came in while the new tables were made.
    fn catch_up(&mut self, next: &mut Next, now: Now) {
        let Next { storage, site, kept, heard, shown } = next;
        let whole = loop {
            match heard.try_recv() {
                Ok(Heard::Readings(readings, delivery, then)) => {
                    for reading in readings.iter().filter(|reading| !shown.take(reading)) {
                        storage.engine().warm(reading, delivery, then);
                    }
                }
                Ok(Heard::Point(point)) if point.meta.source.as_ref().is_some_and(|link| kept.contains(link)) => {
                    storage.watch(point.id, &point.meta, Watched::of(&point.spec), site, now);
                }
                Ok(Heard::Point(_)) => {}
                Err(TryRecvError::Empty) => break true,
                Err(TryRecvError::Disconnected) => break false,
            }
        };
        if !whole {
            tracing::warn!("too much came in while the new rules were made ready, they start without some of it");
        }
        self.tee = None;
        // The present is the present, however long ago it came.
        for point in self.storage.watched().filter(|point| point.heard) {
            if !storage.point(point.last.point).is_some_and(|known| known.heard && same(&known.last, &point.last)) {
                storage.engine().warm(&point.last, Delivery::Live, warm::ago(now, point.last.at));
            }
        }
    }

    /// The last steps of the alarms that stand, at their new places; those that have none are closed.
    fn keep_standing(&mut self, old: &Storage, now: Now) -> usize {
        let mut standing: Vec<_> = std::mem::take(&mut self.standing).into_iter().collect();
        standing.sort_unstable_by_key(|(index, _)| *index);
        let mut closed = 0;
        for (index, event) in standing {
            if let Some(place) = old.binding(index).and_then(|b| self.storage.named(b.point, b.seed)) {
                self.standing.insert(place, event);
            } else {
                self.bury(event, now);
                closed += 1;
            }
        }
        closed
    }
}

/// Moves what is the same from the old tables to the new ones; gives the bindings whose detector or whose alarm is new, with the
/// old one of the same name, and the number of those that go on. A rule that goes into shadow or out of it keeps what its
/// detector has learnt and begins with no alarm: where its condition stands, that is raised anew.
fn move_over(old: &mut Storage, new: &mut Storage) -> (Vec<(u32, Option<u32>)>, usize) {
    let was: Vec<Option<u32>> =
        (0..new.len()).map(|index| new.binding(index).and_then(|b| old.named(b.point, b.seed))).collect();
    let twin = |index| new.binding(index).and_then(|b| old.named(b.point, of_other_lane(b.seed)));
    let twins: Vec<Option<u32>> = (0..new.len()).map(twin).collect();
    let points: Vec<PointId> = new.watched().map(|point| point.last.point).collect();
    let old = old.engine();
    let mut engine = new.engine();
    engine.go_on(&old);
    for point in points {
        engine.take_over_point(&old, point);
    }
    let mut fresh = Vec::new();
    for (index, (of, twin)) in was.iter().zip(&twins).enumerate() {
        let index = index as u32;
        if of.is_some_and(|of| engine.take_over(index, &old, of)) {
            continue;
        }
        if let (None, Some(twin)) = (of, twin) {
            engine.take_over(index, &old, *twin);
        }
        fresh.push((index, *of));
    }
    let carried = was.len() - fresh.len();
    (fresh, carried)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::path::Path;

    use gengfu_core::alarm::Transition;
    use gengfu_core::engine::Event;
    use gengfu_core::quality::{Quality, Reason};
    use gengfu_core::time::{Mono, Wall};
    use proptest::prelude::*;

    use super::super::task::Said;
    use super::*;
    use crate::catalog::PointMeta;
    use crate::config;

    const POINTS: [&str; 3] = ["d/p", "d/q", "e/p"];
    const RULES: [&str; 7] = [
        "[[rule]]\nid = \"high\"\npoints = \"*/p\"\nhigh = { limit = 50, clear = 40, for = \"5s\", clear_for = \"3s\" }\n",
        "[[rule]]\nid = \"two\"\npoint = \"d/q\"\nhigh = [{ limit = 25, clear = 22 }, { limit = 50, clear = 45, latch = true }]\n",
        "[[rule]]\nid = \"trend\"\npoint = \"d/p\"\ntrend = { limit = 10, side = \"low\", within = \"60s\", window = \"60s\" }\n",
        "[[rule]]\nid = \"state\"\npoints = \"e/*\"\nstate = { is = 1, for = \"2s\" }\n",
        "[[rule]]\nid = \"low\"\npoints = \"d/*\"\nlow = { limit = 5, clear = 6 }\n",
        "[[rule]]\nid = \"apart\"\npoint = \"d/p\"\nsibling = { of = \"q\", apart = 10, clear = 5, for = \"3s\" }\n",
        "[[rule]]\nid = \"all\"\npoint = \"e/p\"\ngroup = { with = [\"d/p\", \"d/q\"], step = \"2s\" }\n",
    ];

    fn site(rules: &[usize]) -> Site {
        let mut text = String::from("site = { id = \"s\" }\n");
        for device in ["d", "e"] {
            let line = format!("[[modbus]]\nname = \"l{device}\"\nconnect = \"tcp://h:1\"\n[[modbus.device]]\n");
            let _ = write!(text, "{line}name = \"{device}\"\nunit = 1\n");
            for point in ["p", "q"] {
                let of = "register = \"holding:0\"\ntype = \"u16\"";
                let _ = write!(text, "[[modbus.device.point]]\nname = \"{point}\"\n{of}\n");
            }
        }
        for rule in rules {
            text += RULES[*rule];
        }
        config::parse(&text, Path::new("/site/s.toml")).expect("a good site").site
    }

    fn at(ms: u64) -> Now {
        Now { mono: Mono((1 << 40) + ms), wall: Wall(1_700_000_000_000 + ms as i64) }
    }

    /// An engine's tables with all that they have said, each by the name of its rule and point.
    struct Bench {
        storage: Storage,
        said: Vec<(u64, Transition)>,
    }

    fn meta(name: &str) -> PointMeta {
        let (device, point) = name.split_once('/').unwrap();
        PointMeta {
            device: device.to_owned(),
            point: point.to_owned(),
            kind: "device".to_owned(),
            area: None,
            unit: None,
            life_safety: true,
            source: None,
        }
    }

    impl Bench {
        fn tables(rules: &[usize], order: &[PointId]) -> Storage {
            let site = site(rules);
            let mut storage = Storage::new(&site);
            let no_data = Watched::of(&PointSpec {
                name: String::new(),
                unit: None,
                scaling: gengfu_core::normalize::Scaling::default(),
                life_safety: true,
                bad_after: Duration::from_secs(4),
                stale_after: Some(Duration::from_secs(20)),
            });
            for id in order {
                storage.watch(*id, &meta(POINTS[id.0 as usize]), no_data, &site, at(0));
            }
            storage
        }

        fn start(rules: &[usize]) -> Self {
            let mut bench = Self { storage: Self::tables(rules, &[0, 1, 2].map(PointId)), said: Vec::new() };
            let mut out = Vec::new();
            bench.storage.engine().settle(at(0), &mut Collect(&mut out));
            bench
        }

        fn take(&mut self, (point, value, ms): (u32, Option<f64>, u64)) {
            let quality = if value.is_some() { Quality::Good } else { Quality::Bad(Reason::Timeout) };
            let reading = Reading { point: PointId(point), at: at(ms).wall, value: value.unwrap_or(0.0), quality };
            self.event(Event::Reading(reading, Delivery::Live), ms);
        }

        fn event(&mut self, event: Event, ms: u64) {
            let mut out = Vec::new();
            let _ = self.storage.engine().handle(event, at(ms), &mut Collect(&mut out));
            self.hear(out);
        }

        fn hear(&mut self, out: Vec<Said>) {
            for said in out {
                let Said::Step(transition) = said else { continue };
                let seed = self.storage.binding(transition.binding).unwrap().seed;
                self.said.push((seed, Transition { binding: 0, ..transition }));
            }
        }

        fn reload(&mut self, rules: &[usize], ms: u64) {
            let order: Vec<PointId> = self.storage.in_order().into_iter().map(|(id, _)| id).collect();
            let mut old = std::mem::replace(&mut self.storage, Self::tables(rules, &order));
            let (fresh, _) = move_over(&mut old, &mut self.storage);
            self.storage.engine().gather(at(ms));
            let mut out = Vec::new();
            for (binding, of) in fresh {
                let old = old.engine();
                let of = of.map(|of| (&old, of));
                self.storage.engine().take_up(binding, of, at(ms), &mut Collect(&mut out));
            }
            self.storage.engine().regard_all(at(ms), &mut Collect(&mut out));
            self.hear(out);
        }

        /// What the rules that were there all the time have said, each in its order.
        fn of(&self, kept: &HashSet<u64>) -> Vec<(u64, Transition)> {
            let mut said: Vec<_> = self.said.iter().filter(|(seed, _)| kept.contains(seed)).copied().collect();
            said.sort_by_key(|(seed, _)| *seed);
            said
        }

        fn seeds(&self) -> HashSet<u64> {
            self.storage.detectors().into_iter().map(|(seed, _)| seed).collect()
        }
    }

    fn log() -> impl Strategy<Value = Vec<(u32, Option<f64>, u64)>> {
        let value = prop_oneof![Just(0.0), Just(1.0), Just(5.5), Just(23.0), Just(46.0), Just(55.0), 0.0..60.0f64];
        let reading = (0..3u32, prop::option::weighted(0.85, value), 1..3_000u64);
        prop::collection::vec(reading, 1..120).prop_map(|log| {
            let later = log.into_iter().scan(0, |now, (point, value, dt)| {
                *now += dt;
                Some((point, value, *now))
            });
            later.collect()
        })
    }

    #[test]
    fn what_the_journal_had_already_is_not_shown_again() {
        let reading = |ms, value, quality| Reading { point: PointId(1), at: Wall(ms), value, quality };
        let (good, bad) = (|ms, value| reading(ms, value, Quality::Good), Quality::Bad(Reason::Timeout));
        // From before, then bad and good; heard are those two, and one that is not on disk yet.
        let mut shown = Shown(HashMap::from([(PointId(1), vec![good(1, 1.0), reading(2, 0.0, bad), good(3, 2.0)])]));
        let heard = [reading(2, 7.0, bad), good(3, 2.0), good(3, 2.0), good(2, 5.0)];
        assert_eq!(heard.map(|reading| shown.take(&reading)), [true, true, false, false]);
        assert!(!shown.take(&Reading { point: PointId(2), ..good(1, 1.0) }));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        /// Any log, with a reload of the same rules at any point of it: the outputs are the same to the byte, in order.
        #[test]
        fn the_same_rules_again_change_nothing(log in log(), cut in 0..120usize) {
            let all = [0, 1, 2, 3, 4, 5, 6];
            let (mut whole, mut again) = (Bench::start(&all), Bench::start(&all));
            for (index, reading) in log.iter().enumerate() {
                if index == cut {
                    again.reload(&all, reading.2);
                }
                whole.take(*reading);
                again.take(*reading);
            }
            let end = log.last().map_or(0, |reading| reading.2) + 600_000;
            whole.event(Event::Tick, end);
            again.event(Event::Tick, end);
            prop_assert_eq!(format!("{:?}", &whole.said), format!("{:?}", &again.said));
        }

        /// Rules come, go and change places: each that is there before and after says what it would have said.
        #[test]
        fn rules_that_stay_are_not_touched(
            log in log(),
            cut in 0..120usize,
            before in Just(vec![0, 1, 2, 3, 4, 5, 6]).prop_shuffle(),
            after in Just(vec![0, 1, 2, 3, 4, 5, 6]).prop_shuffle(),
            lengths in (1..=7usize, 1..=7usize),
        ) {
            let (before, after) = (&before[..lengths.0], &after[..lengths.1]);
            let (mut whole, mut again) = (Bench::start(before), Bench::start(before));
            let mut kept = again.seeds();
            for (index, reading) in log.iter().enumerate() {
                if index == cut {
                    again.reload(after, reading.2);
                }
                whole.take(*reading);
                again.take(*reading);
            }
            kept.retain(|seed| again.seeds().contains(seed));
            prop_assert_eq!(whole.of(&kept), again.of(&kept));
        }
    }
}
