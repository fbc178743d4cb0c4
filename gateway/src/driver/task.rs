//! The engine's task: takes what comes, hands transitions on, answers questions, wakes at deadlines.

use std::collections::HashMap;
use std::sync::Arc;

use gengfu_core::alarm::state::Refusal;
use gengfu_core::alarm::{AlarmId, StateName, Transition};
use gengfu_core::engine::{Event, Sink};
use gengfu_core::quality::{Quality, Reason};
use gengfu_core::reading::{PointId, Reading};
use gengfu_core::time::{Now, Wall};
use tokio::sync::{broadcast, mpsc};

use super::names::Deed;
use super::refusals::Refusals;
use super::reload::{Heard, Tee};
use super::storage::{Storage, Watched};
use super::{
    CommandError, Done, EngineHandle, INPUTS, Input, NewPoint, REQUESTS, Request, Snapshot, TRANSITIONS, names, warm,
};
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::checked::{PointSpec, Site};
use crate::flow::{AlarmEvent, Batch};
use crate::journal::{Entry, Journal, Ticket};
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
    /// See [`crate::journal::Opened`].
    pub present: i64,
}

/// Restores, replays and settles; then gives the door and the task behind it. The task ends once every door is closed
/// and the queue is empty.
pub fn start(setup: Setup) -> Result<(EngineHandle, impl Future<Output = ()> + Send + 'static), String> {
    let (inputs, input_end) = mpsc::channel(INPUTS);
    let (requests, request_end) = mpsc::channel(REQUESTS);
    let transitions = broadcast::Sender::new(TRANSITIONS);
    let handle =
        EngineHandle { inputs, requests, transitions: transitions.clone(), journal: Some(setup.journal.clone()) };
    let mut engine = Driver {
        storage: Storage::new(&setup.site.rules),
        standing: HashMap::new(),
        out: Vec::new(),
        refusals: Refusals::default(),
        tee: None,
        transitions,
        site: setup.site,
        catalog: setup.catalog,
        clock: setup.clock,
        stats: setup.stats,
        journal: setup.journal,
    };
    engine.warm_start(&setup.points, setup.standing, &setup.recent, setup.present)?;
    Ok((handle, engine.run(input_end, request_end)))
}

pub(super) struct Driver {
    pub(super) storage: Storage,
    /// Last transition of every alarm that is not normal, by binding.
    pub(super) standing: HashMap<u32, AlarmEvent>,
    /// Transitions of the call in hand.
    pub(super) out: Vec<Transition>,
    refusals: Refusals,
    /// Where what comes in goes besides, while other rules are on their way.
    pub(super) tee: Option<Tee>,
    transitions: broadcast::Sender<AlarmEvent>,
    pub(super) site: Arc<Site>,
    pub(super) catalog: Catalog,
    pub(super) clock: Clock,
    stats: SharedStats,
    pub(super) journal: Journal,
}

pub(super) struct Collect<'o>(pub(super) &'o mut Vec<Transition>);

impl Sink for Collect<'_> {
    fn transition(&mut self, transition: &Transition) {
        self.0.push(*transition);
    }
}

impl Driver {
    fn warm_start(
        &mut self,
        points: &[(PointId, PointSpec)],
        standing: Vec<AlarmEvent>,
        recent: &[AlarmEvent],
        present: i64,
    ) -> Result<(), String> {
        let now = self.clock.now();
        let mut binding_of = HashMap::new();
        for (id, spec) in points {
            let Some(meta) = self.catalog.get(*id) else { continue };
            for binding in self.storage.watch(*id, &meta.name(), Watched::of(spec), &self.site, now) {
                binding_of.insert((self.rule_name(binding), meta.name()), binding);
            }
        }
        let (orphans, known) = warm::restore(&mut self.storage, standing, recent, &binding_of);
        self.standing = known;
        for orphan in orphans {
            self.bury(orphan, now);
        }
        let shown = warm::replay(&mut self.storage, &self.journal, now, Wall(present))?;
        let clock_good = present == now.wall.0;
        tracing::info!(readings = shown, alarms = self.standing.len(), clock_good, "warm start");
        self.storage.engine().settle(now, &mut Collect(&mut self.out));
        self.publish(None);
        Ok(())
    }

    async fn run(mut self, mut inputs: mpsc::Receiver<Input>, mut requests: mpsc::Receiver<Request>) {
        let mut round = Vec::with_capacity(ROUND);
        let mut asked = true;
        loop {
            let deadline = self.storage.engine().next_deadline().map(|due| self.clock.instant(due));
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
                () = sleep_until(deadline) => self.event(Event::Tick),
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
        for binding in self.storage.watch(point.id, &point.meta.name(), watched, &self.site, now) {
            self.storage.engine().enlist(binding);
        }
        self.tell_tee(|| Heard::Point(Box::new(point.clone())));
    }

    pub(super) fn event(&mut self, event: Event) {
        let now = self.clock.now();
        // A tick is never refused.
        let _ = self.storage.engine().handle(event, now, &mut Collect(&mut self.out));
        self.publish(None);
    }

    fn answer(&mut self, request: Request) {
        match request {
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
            Request::Acknowledge { id, by, note, reply } => {
                let deed = Deed { by: &by, note: note.as_deref() };
                let _ = reply.send(self.command(&id, &deed, "acknowledge", Event::Acknowledge));
            }
            Request::Reset { id, by, reply } => {
                let deed = Deed { by: &by, note: None };
                let _ = reply.send(self.command(&id, &deed, "reset", Event::Reset));
            }
        }
    }

    fn command(
        &mut self,
        id: &str,
        deed: &Deed<'_>,
        action: &str,
        event: fn(AlarmId) -> Event,
    ) -> Result<Done, CommandError> {
        let alarm = u64::from_str_radix(id, 16).map_err(|_| CommandError::NoSuchAlarm)?;
        let now = self.clock.now();
        let result = self.storage.engine().handle(event(AlarmId(alarm)), now, &mut Collect(&mut self.out));
        // Deadlines served on the way are nobody's doing; the command's own transition is the last.
        let own = result.is_ok().then(|| self.out.pop()).flatten();
        self.publish(None);
        let (at, by) = (now.wall.0, deed.by.to_owned());
        let result = result.map_err(refused);
        let (action, detail) = match &result {
            Ok(()) => (action.to_owned(), self.standing_text(id)),
            Err(why) => (format!("{action}-refused"), format!("{why:?}")),
        };
        self.journal.append(Entry::Audit { at, by, action, target: id.to_owned(), detail });
        result?;
        self.out.extend(own);
        self.publish(Some(deed)).ok_or(CommandError::NoSuchAlarm)
    }

    fn standing_text(&self, id: &str) -> String {
        let found = self.standing.values().find(|e| e.id == id);
        found.map_or_else(String::new, |e| format!("{} {}/{}", e.rule, e.device, e.point))
    }

    /// Hands the transitions in hand to the alarm lane and to whoever listens; returns the last one.
    pub(super) fn publish(&mut self, deed: Option<&Deed<'_>>) -> Option<Done> {
        let mut last = None;
        for index in 0..self.out.len() {
            let Some(transition) = self.out.get(index) else { break };
            let binding = transition.binding;
            let over = transition.state == StateName::Normal;
            let Some(event) = names::event(transition, &self.storage, &self.site, &self.catalog, deed) else {
                continue;
            };
            let event = self.dated(names::carry_on(event, self.standing.get(&binding), deed));
            let counted = self.clock.is_count(Wall(event.detected));
            let event = if counted { names::undated(event) } else { event };
            let ticket = self.send(event.clone());
            if over {
                self.standing.remove(&binding);
            } else {
                self.standing.insert(binding, event.clone());
            }
            last = Some(Done { event, ticket });
        }
        self.out.clear();
        last
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

    fn send(&self, event: AlarmEvent) -> Ticket {
        self.stats.alarm_transitions.add(1);
        let ticket = self.journal.append(Entry::Alarm(event.clone()));
        tracing::info!(
            id = event.id,
            event = event.event,
            rule = event.rule,
            priority = event.priority,
            message = event.message.en,
            "alarm"
        );
        // Nobody listening is no error.
        let _ = self.transitions.send(event);
        ticket
    }

    /// An alarm whose rule or point the configuration no longer has would stand for ever: it is closed, and says why.
    pub(super) fn bury(&self, orphan: AlarmEvent, now: Now) {
        let name = format!("{}/{}", orphan.device, orphan.point);
        let event = AlarmEvent {
            number: orphan.number + 1,
            event: "return".to_owned(),
            state: StateName::Normal.word().to_owned(),
            detected: now.wall.0,
            by: Some("configuration".to_owned()),
            message: crate::flow::Text {
                zh: format!("{name}：规则或点位已从配置中移除，报警关闭"),
                en: format!("{name}: closed, its rule or point is no longer configured"),
            },
            ..orphan
        };
        self.send(event);
    }

    fn snapshot(&self) -> Snapshot {
        let at = |reading: Reading| Reading { at: self.clock.dated(reading.at).unwrap_or(reading.at), ..reading };
        let points = self.storage.watched().map(|p| (p.last.point, p.heard.then(|| at(p.last)))).collect();
        let mut alarms: Vec<_> = self.standing.values().cloned().map(|event| self.dated(event)).collect();
        alarms.sort_by(|a, b| (a.onset, &a.id).cmp(&(b.onset, &b.id)));
        Snapshot { points, alarms, mono: self.clock.mono().0 }
    }

    fn rule_name(&self, binding: u32) -> String {
        self.storage.rule_name(binding, &self.site)
    }
}

fn refused(refusal: Refusal) -> CommandError {
    match refusal {
        Refusal::NoSuchAlarm => CommandError::NoSuchAlarm,
        Refusal::AlreadyAcknowledged => CommandError::NotNow("it is acknowledged already; nothing to do".to_owned()),
        Refusal::AcknowledgeFirst => {
            CommandError::NotNow("it is latched and not acknowledged; acknowledge first".to_owned())
        }
        Refusal::NotLatched => CommandError::NotNow(
            "only a latched alarm whose condition is over can be reset; wait for its return".to_owned(),
        ),
    }
}

async fn sleep_until(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
