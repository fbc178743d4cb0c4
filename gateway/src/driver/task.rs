//! The engine's task: takes what comes, hands transitions on, answers questions, wakes at deadlines.

use std::collections::HashMap;
use std::sync::Arc;

use gengfu_core::alarm::{StateName, Transition};
use gengfu_core::engine::{Event, ModeChange, Sink};
use gengfu_core::quality::{Quality, Reason};
use gengfu_core::reading::{PointId, Reading};
use gengfu_core::time::{Mono, Now, Wall};
use tokio::sync::{broadcast, mpsc};

use super::names::Deed;
use super::news::News;
use super::performance::{self, Figures};
use super::refusals::Refusals;
use super::reload::{Heard, Tee};
use super::storage::{Storage, Watched};
use super::warning::Warner;
use super::{
    Done, EngineHandle, INPUTS, Input, ModeDone, NEWS, NewPoint, REQUESTS, Request, Snapshot, TRANSITIONS, names, warm,
};
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::checked::{PointSpec, Site};
use crate::flow::{AlarmEvent, Batch};
use crate::journal::{Entry, Journal, LevelRecord, ModeRecord, Ticket};
use crate::telemetry::{RefusedReason, SharedStats};

/// Inputs taken in one go before requests and deadlines get their turn.
const ROUND: usize = 64;

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
    /// The newest transitions of the alarm lane, newest first.
    pub recent: Vec<AlarmEvent>,
    /// The modes that ran then.
    pub modes: Vec<ModeRecord>,
    /// The levels of the site then.
    pub levels: Vec<LevelRecord>,
    pub last_seen: Option<i64>,
    /// See [`crate::journal::Opened`].
    pub present: i64,
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
        figures: Figures::new(&setup.site, setup.clock.now()),
        transitions,
        news,
        site: setup.site,
        catalog: setup.catalog,
        clock: setup.clock,
        stats: setup.stats,
        journal: setup.journal,
    };
    let Setup { points, standing, recent, modes, levels, last_seen, present, .. } = setup;
    let past = Past { standing, recent: &recent, modes, levels, last_seen, present };
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
    transitions: broadcast::Sender<AlarmEvent>,
    news: broadcast::Sender<News>,
    pub(super) site: Arc<Site>,
    pub(super) catalog: Catalog,
    pub(super) clock: Clock,
    stats: SharedStats,
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
    recent: &'a [AlarmEvent],
    modes: Vec<ModeRecord>,
    levels: Vec<LevelRecord>,
    last_seen: Option<i64>,
    /// What the clock that its readings were stamped by says now.
    present: i64,
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
        let present = Now { wall: Wall(past.present), ..now };
        let (figures, news) = Figures::refold(&self.site, &self.journal, &past.standing, past.last_seen, present);
        self.figures = figures;
        self.say(news);
        let (orphans, known) = warm::restore(&mut self.storage, past.standing, past.recent, &binding_of, present);
        self.standing = known;
        for orphan in orphans {
            self.bury(orphan, now);
        }
        self.resume(past.modes, past.recent, present);
        self.warner.restore(&past.levels, &self.site.warning, present);
        self.warner.gather(&self.standing, &self.storage, &self.site, present);
        let shown = warm::replay(&mut self.storage, &self.journal, present)?;
        warm::ended(&mut self.storage, past.recent, &binding_of, present);
        let clock_good = past.present == now.wall.0;
        tracing::info!(readings = shown, alarms = self.standing.len(), clock_good, "warm start");
        self.storage.engine().settle(now, &mut Collect(&mut self.out));
        self.publish(None);
        self.look(now);
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
        for binding in self.storage.watch(point.id, &point.meta, watched, &self.site, now) {
            self.storage.engine().enlist(binding);
        }
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
        let others = [self.storage.engine().next_deadline(), self.warner.next_deadline(&self.site)];
        others.into_iter().flatten().fold(figures, Mono::min)
    }

    fn wake(&mut self) {
        self.event(Event::Tick);
        let (now, mut told) = (self.clock.now(), Vec::new());
        self.figures.tick(now, &mut told);
        self.say(told);
        self.look(now);
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

    /// Hands what the engine said to the alarm lane and to whoever listens; `own` is a person's doing among it, and whose.
    /// Gives that one.
    pub(super) fn publish(&mut self, own: Option<(usize, &Deed<'_>)>) -> Option<Told> {
        if self.out.is_empty() {
            return None;
        }
        let mut done = None;
        for index in 0..self.out.len() {
            let deed = own.filter(|(of, _)| *of == index).map(|(_, deed)| deed);
            let told = match self.out.get(index).copied() {
                Some(Said::Step(transition)) => self.tell(&transition, deed).map(|done| Told::Step(Box::new(done))),
                Some(Said::Mode(change)) => self.tell_mode(&change, deed).map(Told::Mode),
                None => break,
            };
            done = if deed.is_some() { told } else { done };
        }
        self.out.clear();
        self.look(self.clock.now());
        done
    }

    fn tell(&mut self, transition: &Transition, deed: Option<&Deed<'_>>) -> Option<Done> {
        let binding = transition.binding;
        let event = names::event(transition, &self.storage, &self.site, &self.catalog, deed)?;
        let event = self.dated(names::carry_on(event, self.standing.get(&binding), deed));
        let counted = self.clock.is_count(Wall(event.detected));
        let event = if counted { names::undated(event) } else { event };
        let ticket = self.send(event.clone(), transition.detected);
        self.regard(binding, &event, transition.detected);
        if transition.state == StateName::Normal {
            self.standing.remove(&binding);
        } else {
            self.standing.insert(binding, event.clone());
        }
        Some(Done { event, ticket })
    }

    /// What is counted of an alarm becomes a time once the clock is set.
    fn dated(&self, mut event: AlarmEvent) -> AlarmEvent {
        if self.clock.is_count(Wall(event.onset.min(event.since)))
            && let Some(booted) = self.clock.booted()
        {
            event.date(booted);
        }
        event
    }

    fn send(&mut self, event: AlarmEvent, now: Now) -> Ticket {
        self.stats.alarm_transitions.add(1);
        let ticket = self.journal.append(Entry::Alarm(event.clone()));
        tracing::info!(
            id = event.id,
            event = event.event,
            rule = event.rule,
            priority = event.priority,
            shadow = event.shadow,
            message = event.message.en,
            "alarm"
        );
        let mut told = Vec::new();
        // A trial rings nowhere and is no load for anybody.
        if !event.shadow {
            self.figures.take(&event, now, &mut told);
        }
        // Nobody listening is no error.
        let _ = self.transitions.send(event);
        self.say(told);
        ticket
    }

    /// An alarm whose rule or point the configuration no longer has would stand for ever: it is closed, and says why.
    pub(super) fn bury(&mut self, orphan: AlarmEvent, now: Now) {
        let name = format!("{}/{}", orphan.device, orphan.point);
        let (why_zh, why_en) = if orphan.shadow {
            ("试运行结束", "its trial is over")
        } else {
            ("规则或点位已从配置中移除，或转入试运行", "its rule or point is no longer configured, or in shadow now")
        };
        let event = AlarmEvent {
            number: orphan.number + 1,
            event: "return".to_owned(),
            state: StateName::Normal.word().to_owned(),
            detected: now.wall.0,
            by: Some(performance::BURIED.to_owned()),
            life: None,
            shelved: None,
            out_of_service: None,
            suppressed: false,
            note: None,
            message: crate::flow::Text {
                zh: format!("{name}：{why_zh}，报警关闭"),
                en: format!("{name}: closed, {why_en}"),
            },
            ..orphan
        };
        self.send(event, now);
    }

    fn snapshot(&self) -> Snapshot {
        let now = self.clock.now();
        let at = |reading: Reading| Reading { at: self.clock.dated(reading.at).unwrap_or(reading.at), ..reading };
        let points = self.storage.watched().map(|p| (p.last.point, p.heard.then(|| at(p.last)))).collect();
        let mut alarms: Vec<_> = self.standing.values().cloned().map(|event| self.dated(event)).collect();
        alarms.sort_by(|a, b| (a.onset, &a.id).cmp(&(b.onset, &b.id)));
        let (shadows, alarms) = alarms.into_iter().partition(|event| event.shadow);
        Snapshot { points, alarms, shadows, modes: self.running(), levels: self.levels(now), mono: now.mono.0 }
    }

    fn rule_name(&self, binding: u32) -> String {
        self.storage.rule_name(binding, &self.site)
    }
}
