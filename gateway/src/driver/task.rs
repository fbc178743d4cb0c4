//! The engine's task: takes what comes, hands transitions on, answers questions, wakes at deadlines.

use std::collections::HashMap;
use std::sync::Arc;

use gengfu_core::alarm::Transition;
use gengfu_core::engine::{Event, ModeChange, Sink};
use gengfu_core::quality::{Quality, Reason};
use gengfu_core::reading::{PointId, Reading};
use gengfu_core::time::{Mono, Now};
use tokio::sync::{broadcast, mpsc};

use super::lately::Lately;
use super::learned::Keeper;
use super::news::News;
use super::performance::Figures;
use super::refusals::Refusals;
use super::reload::{Heard, Tee};
use super::storage::{Storage, Watched};
use super::warning::Warner;
use super::{
    Done, EngineHandle, INPUTS, Input, ModeDone, NEWS, NewPoint, REQUESTS, Request, Snapshot, TRANSITIONS, learned,
    warm,
};
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::checked::{PointSpec, Site};
use crate::flow::{AlarmEvent, Batch};
use crate::journal::{Journal, Kept, Lane, LevelRecord, ModeRecord};
use crate::telemetry::{RefusedReason, SharedStats};

/// Inputs taken in one go before requests and deadlines get their turn.
const ROUND: usize = 64;

/// What two looks at both clocks differ by at most, ms, where nobody set one.
const ROUNDED: u64 = 1;

/// What the engine is started with.
#[derive(Debug)]
pub struct Setup {
    pub site: Arc<Site>,
    pub catalog: Catalog,
    pub clock: Clock,
    pub stats: SharedStats,
    pub journal: Journal,
    /// Every point of the configuration, in the catalog already.
    pub points: Vec<(PointId, PointSpec)>,
    /// The alarms that stood when the last run ended.
    pub standing: Vec<AlarmEvent>,
    pub lately: Lately,
    /// The modes that ran then.
    pub modes: Vec<ModeRecord>,
    /// What the walk-tests among them have raised: see [`super::tests_of`].
    pub tests: Vec<AlarmEvent>,
    /// The levels of the site then.
    pub levels: Vec<LevelRecord>,
    /// What detectors had learned by then.
    pub learned: Kept,
    pub last_seen: Option<i64>,
    /// See [`crate::journal::Opened`].
    pub present: Now,
}

/// Restores, replays and settles; then gives the door and the task behind it. The task ends once every door is closed
/// and the queue is empty.
pub fn start(setup: Setup) -> Result<(EngineHandle, impl Future<Output = ()> + Send + 'static), String> {
    let (inputs, input_end) = mpsc::channel(INPUTS);
    let (requests, request_end) = mpsc::channel(REQUESTS);
    let (transitions, news) = (broadcast::Sender::new(TRANSITIONS), broadcast::Sender::new(NEWS));
    let handle = EngineHandle {
        inputs,
        requests,
        transitions: transitions.clone(),
        news: news.clone(),
        journal: Some(setup.journal.clone()),
    };
    let mut engine = Driver {
        storage: Storage::new(&setup.site),
        standing: HashMap::new(),
        modes: HashMap::new(),
        out: Vec::new(),
        refusals: Refusals::default(),
        tee: None,
        warner: Warner::default(),
        keeper: Keeper::default(),
        figures: Figures::new(&setup.site, setup.clock.now()),
        transitions,
        news,
        site: setup.site,
        catalog: setup.catalog,
        clock: setup.clock,
        stats: setup.stats,
        journal: setup.journal,
    };
    let Setup { points, standing, lately, modes, tests, levels, learned, last_seen, present, .. } = setup;
    let past = Past { standing, lately, modes, tests: &tests, levels, learned, last_seen, present };
    engine.warm_start(&points, past)?;
    Ok((handle, engine.run(input_end, request_end)))
}

pub(super) struct Driver {
    pub(super) storage: Storage,
    /// Last transition of every alarm that is not normal, by binding.
    pub(super) standing: HashMap<u32, AlarmEvent>,
    /// The mode that runs in each area, by its index.
    pub(super) modes: HashMap<u16, ModeRecord>,
    /// What the engine said in the call in hand.
    pub(super) out: Vec<Said>,
    refusals: Refusals,
    /// Where what comes in goes besides, while other rules are on their way.
    pub(super) tee: Option<Tee>,
    pub(super) figures: Figures,
    pub(super) warner: Warner,
    pub(super) keeper: Keeper,
    pub(super) transitions: broadcast::Sender<AlarmEvent>,
    news: broadcast::Sender<News>,
    pub(super) site: Arc<Site>,
    pub(super) catalog: Catalog,
    pub(super) clock: Clock,
    pub(super) stats: SharedStats,
    pub(super) journal: Journal,
}

/// What the engine says, in its order.
#[derive(Debug, Clone, Copy)]
pub(super) enum Said {
    Step(Transition),
    Mode(ModeChange),
}

impl Said {
    /// The transition that it is, if it is one.
    pub(super) fn step(self) -> Option<Transition> {
        match self {
            Self::Step(transition) => Some(transition),
            Self::Mode(_) => None,
        }
    }
}

/// A person's doing, as it was told.
#[derive(Debug)]
pub(super) enum Told {
    Step(Box<Done>),
    Mode(ModeDone),
}

pub(super) struct Collect<'o>(pub(super) &'o mut Vec<Said>);

impl Sink for Collect<'_> {
    fn transition(&mut self, transition: &Transition) {
        self.0.push(Said::Step(*transition));
    }

    fn mode(&mut self, change: &ModeChange) {
        self.0.push(Said::Mode(*change));
    }
}

/// What is known of the last run.
struct Past<'a> {
    standing: Vec<AlarmEvent>,
    lately: Lately,
    modes: Vec<ModeRecord>,
    tests: &'a [AlarmEvent],
    levels: Vec<LevelRecord>,
    learned: Kept,
    last_seen: Option<i64>,
    /// What the clock that its readings were stamped by says, and when it was looked at.
    present: Now,
}

impl Driver {
    fn warm_start(&mut self, points: &[(PointId, PointSpec)], past: Past<'_>) -> Result<(), String> {
        let now = self.clock.now();
        let mut binding_of = HashMap::new();
        for (id, spec) in points {
            let Some(meta) = self.catalog.get(*id) else { continue };
            for binding in self.storage.watch(*id, &meta, Watched::of(spec), &self.site, now) {
                let key = (self.rule_name(binding), meta.name(), self.storage.is_shadow(binding));
                binding_of.insert(key, binding);
            }
        }
        // Time spent off counts where the wall clock can be believed, else not.
        let present = past.present;
        let (figures, news) = Figures::refold(&self.site, &self.journal, &past.standing, past.last_seen, present);
        self.figures = figures;
        self.say(news);
        let Kept { lessons, upto, unreadable, .. } = past.learned;
        let kept = !lessons.is_empty() || !unreadable.is_empty();
        let recalled = learned::recall(&mut self.storage, lessons, upto, &binding_of);
        let (orphans, known) = warm::restore(&mut self.storage, past.standing, &past.lately, &binding_of, present);
        self.standing = known;
        for orphan in orphans {
            self.bury(orphan, now);
        }
        self.resume(past.modes, past.tests, present);
        self.warner.restore(&past.levels, &self.site.warning, present);
        self.warner.gather(&self.standing, &self.storage, &self.site, present);
        let shown = warm::replay(&mut self.storage, &self.journal, &recalled, present)?;
        warm::ended(&mut self.storage, &past.lately, &binding_of, present);
        let clock_good = present.at(now.mono).wall.0.abs_diff(now.wall.0) <= ROUNDED;
        let (alarms, recalled) = (self.standing.len(), recalled.len());
        tracing::info!(readings = shown.readings, alarms, recalled, clock_good, "warm start");
        if let Some(word) = shown.word(now.wall) {
            self.journal.append(word);
        }
        self.keeper = Keeper::begin(&self.storage, kept, now);
        self.storage.engine().settle(now, &mut Collect(&mut self.out));
        self.publish(None);
        self.look(now);
        if upto > self.journal.head(Lane::Telemetry).borrow().seq || !unreadable.is_empty() {
            self.mend_learned(&unreadable, now);
        }
        Ok(())
    }

    async fn run(mut self, mut inputs: mpsc::Receiver<Input>, mut requests: mpsc::Receiver<Request>) {
        let mut round = Vec::with_capacity(ROUND);
        let mut asked = true;
        loop {
            let due = self.next_deadline();
            let deadline = self.clock.instant(due);
            tokio::select! {
                biased;
                request = requests.recv(), if asked => match request {
                    Some(request) => self.answer(request),
                    None => asked = false,
                },
                taken = inputs.recv_many(&mut round, ROUND) => {
                    if taken == 0 {
                        break;
                    }
                    for input in round.drain(..) {
                        self.take(input);
                    }
                }
                () = tokio::time::sleep_until(deadline) => self.wake(),
            }
        }
        self.keep_learned(None);
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Batch(batch) => self.batch(batch),
            Input::Point(point) => self.point(&point),
        }
    }

    fn batch(&mut self, mut batch: Batch) {
        let now = self.clock.now();
        let delivery = batch.delivery();
        let mut engine = self.storage.engine();
        for reading in &mut batch.readings {
            let counted = self.clock.is_count(reading.at);
            if counted && reading.quality == Quality::Good {
                // What is seen, kept and shown again is the same: the value is right, its time is to come.
                reading.quality = Quality::Uncertain(Reason::Clock);
            }
            // Readings are never refused.
            let _ = engine.handle(Event::Reading(*reading, delivery), now, &mut Collect(&mut self.out));
            if reading.quality == Quality::Uncertain(Reason::Clock) && !counted {
                self.stats.clock_off.add(1);
            }
        }
        self.publish(None);
        self.tell_tee(|| Heard::Readings(batch.readings.clone(), delivery, now));
        // The batch goes on even if nothing is left in it: it may hold a receipt.
        let told = self.refusals.over(now.mono);
        let dropped = self.refusals.thin(&mut batch.refused, now.mono);
        self.stats.refuse(RefusedReason::Undecodable, dropped);
        self.stats.read.add(told.len() as u64);
        batch.refused.extend(told);
        if let Err(batch) = self.journal.push(batch) {
            self.stats.refuse(RefusedReason::JournalFull, (batch.readings.len() + batch.refused.len()) as u64);
        }
    }

    fn point(&mut self, point: &NewPoint) {
        let now = self.clock.now();
        let watched = Watched::of(&point.spec);
        let fresh = self.storage.watch(point.id, &point.meta, watched, &self.site, now);
        for binding in fresh.clone() {
            self.storage.engine().enlist(binding);
        }
        self.keeper.count(&self.storage, fresh, now);
        self.warner.count(&self.storage);
        self.tell_tee(|| Heard::Point(Box::new(point.clone())));
    }

    pub(super) fn event(&mut self, event: Event) {
        let now = self.clock.now();
        // A tick is never refused.
        let _ = self.storage.engine().handle(event, now, &mut Collect(&mut self.out));
        self.publish(None);
    }

    /// When something is to happen by itself.
    fn next_deadline(&mut self) -> Mono {
        let figures = self.figures.next_deadline(self.clock.now());
        let kept = self.keeper.next_deadline();
        let others = [self.storage.engine().next_deadline(), self.warner.next_deadline(&self.site), kept];
        others.into_iter().flatten().fold(figures, Mono::min)
    }

    fn wake(&mut self) {
        self.event(Event::Tick);
        let (now, mut told) = (self.clock.now(), Vec::new());
        self.figures.tick(now, &mut told);
        self.say(told);
        self.look(now);
        if self.keeper.is_due(now.mono) {
            self.keep_learned(None);
        }
    }

    /// To the alarm lane and to whoever looks on.
    pub(super) fn say(&self, told: Vec<News>) {
        for news in told {
            self.journal.append(news.entry());
            self.tell_live(news);
        }
    }

    pub(super) fn tell_live(&self, news: News) {
        news.log();
        // Nobody listening is no error.
        let _ = self.news.send(news);
    }

    fn answer(&mut self, request: Request) {
        match request {
            Request::Release { by, note, reply } => {
                let _ = reply.send(self.release(&by, &note));
            }
            Request::Performance { reply } => {
                let _ = reply.send(self.figures.report(self.clock.now()));
            }
            Request::Snapshot { reply } => {
                let _ = reply.send(self.snapshot());
            }
            Request::Learned { reply } => {
                let _ = reply.send(self.beliefs());
            }
            Request::Forget { order, reply } => {
                let _ = reply.send(self.forget(&order));
            }
            Request::Prepare { reply } => {
                let _ = reply.send(self.prepare());
            }
            Request::Switch { next, reply } => {
                let _ = reply.send(self.switch(next));
            }
            Request::Ping { reply } => {
                let _ = reply.send(());
            }
            Request::Order { order, reply } => {
                let _ = reply.send(self.command(&order));
            }
            Request::Mode { order, reply } => {
                let _ = reply.send(self.mode(&order));
            }
        }
    }

    fn snapshot(&mut self) -> Snapshot {
        let now = self.clock.now();
        let at = |reading: Reading| Reading { at: self.clock.dated(reading.at).unwrap_or(reading.at), ..reading };
        let points = self.storage.watched().map(|p| (p.last.point, p.heard.then(|| at(p.last)))).collect();
        let lost = self.storage.lost();
        let mut alarms: Vec<_> = self.standing.values().cloned().map(|event| self.dated(event)).collect();
        alarms.sort_by(|a, b| (a.onset, &a.id).cmp(&(b.onset, &b.id)));
        let (shadows, alarms) = alarms.into_iter().partition(|event| event.shadow);
        Snapshot { points, lost, alarms, shadows, modes: self.running(), levels: self.levels(now), mono: now.mono.0 }
    }

    fn rule_name(&self, binding: u32) -> String {
        self.storage.rule_name(binding, &self.site)
    }
}
