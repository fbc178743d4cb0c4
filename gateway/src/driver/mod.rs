//! Drives core's engine: one task owns all detectors and alarms and is fed by one queue. The only room where the
//! engine meets a clock. It waits for nothing: not for the journal, not for a reader.

mod bonds;
mod fact;
mod leads;
mod belief;
mod lately;
mod learned;
mod modes;
mod names;
mod persons;
mod news;
mod performance;
mod publish;
pub(crate) mod refusals;
mod rehearsal;
mod reload;
mod storage;
mod task;
mod warning;
mod warm;

use std::collections::HashSet;
use std::time::Duration;

use gengfu_core::alarm::ModeName;
use gengfu_core::engine::Command;
use gengfu_core::quality::{self, Quality};
use gengfu_core::reading::{PointId, Reading};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::catalog::PointMeta;
use crate::config::checked::PointSpec;
use crate::flow::{AlarmEvent, Batch};
use crate::journal::{Journal, LevelRecord, ModeRecord, Ticket};

pub use belief::{Belief, DriftBelief, Member};
pub use lately::Lately;
pub use learned::{Forgotten, Held};
pub use modes::tests_of;
pub use news::News;
pub use performance::{Day, Name, Names, Report};
pub use rehearsal::{Rehearsal, Watch};
pub use reload::{Change, Prepared, Switched};
pub use storage::NO_DATA_RULE;
pub use task::{Setup, start};
pub use warning::{Levels, Reason, Standing};

/// Batches that may wait for the engine; sources wait when it is full.
const INPUTS: usize = 1_024;
/// Commands and questions that may wait.
const REQUESTS: usize = 256;
/// Transitions a slow reader may lag behind before it is told to take a snapshot.
const TRANSITIONS: usize = 1_024;
/// The same of what is said beside them.
const NEWS: usize = 64;
/// How long a command waits for the disk before it answers "not durable".
const COMMIT_LIMIT: Duration = Duration::from_secs(5);

/// What goes into the engine, in order.
#[derive(Debug)]
pub enum Input {
    Batch(Batch),
    /// A point that was heard for the first time; comes before its first reading. Already in the catalog.
    Point(NewPoint),
}

/// A point that appeared at run time.
#[derive(Debug, Clone, PartialEq)]
pub struct NewPoint {
    pub id: PointId,
    pub meta: PointMeta,
    pub spec: PointSpec,
}

/// What is asked of the engine from the right-hand side; each with its answer.
#[derive(Debug)]
pub enum Request {
    /// A person does something to an alarm.
    Order {
        order: Order,
        reply: oneshot::Sender<Result<Done, CommandError>>,
    },
    /// A person begins or ends a mode of an area.
    Mode {
        order: ModeOrder,
        reply: oneshot::Sender<Result<ModeDone, CommandError>>,
    },
    Snapshot {
        reply: oneshot::Sender<Snapshot>,
    },
    /// How well the alarms serve people.
    Performance {
        reply: oneshot::Sender<Report>,
    },
    /// What the rules that learn believe.
    Learned {
        reply: oneshot::Sender<Vec<Held>>,
    },
    /// A person has a rule forget what it has learned of a point.
    Forget {
        order: ForgetOrder,
        reply: oneshot::Sender<Result<ForgetDone, CommandError>>,
    },
    /// A person lets the warning level fall.
    Release {
        by: String,
        note: String,
        reply: oneshot::Sender<Result<LevelDone, CommandError>>,
    },
    /// Other rules are on their way: what is there now, and from now on what comes in.
    Prepare {
        reply: oneshot::Sender<reload::Old>,
    },
    /// Other rules from now on.
    Switch {
        next: Prepared,
        reply: oneshot::Sender<Switched>,
    },
    /// Are you there? For the watchdog.
    Ping {
        reply: oneshot::Sender<()>,
    },
}

/// What a person does to an alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The alarm's id, or `rule@device/point` where it need not stand.
    pub target: String,
    pub command: Command,
    pub by: String,
    /// What they wrote: a note, a reason.
    pub note: Option<String>,
}

/// What a person does to an area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModeOrder {
    /// Its name; empty for what stands in none.
    pub area: String,
    /// The mode that begins, and for how many milliseconds; `None` ends the one that runs.
    pub begin: Option<(ModeName, u64)>,
    pub by: String,
    pub reason: String,
}

/// What a person has forgotten: a sensor was replaced, say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForgetOrder {
    pub rule: String,
    /// `device/point`.
    pub point: String,
    pub by: String,
    pub reason: String,
}

/// What was forgotten, where that stands in the alarm lane, and a watch that shows 1 once the journal no longer knows it.
#[derive(Debug)]
pub struct ForgetDone {
    pub record: Forgotten,
    pub ticket: Ticket,
    pub kept: watch::Receiver<u64>,
}

/// A mode begun or ended, and where that stands in the alarm lane.
#[derive(Debug, Clone)]
pub struct ModeDone {
    pub record: ModeRecord,
    pub ticket: Ticket,
}

/// A level released, and where that stands in the alarm lane.
#[derive(Debug, Clone)]
pub struct LevelDone {
    pub record: LevelRecord,
    pub ticket: Ticket,
}

/// A command carried out: the transition, and where it stands in the alarm lane.
#[derive(Debug, Clone)]
pub struct Done {
    pub event: AlarmEvent,
    pub ticket: Ticket,
}

/// Why a command was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandError {
    /// No alarm of this id stands.
    NoSuchAlarm,
    /// No area has this name that anybody could test or work in; says which there are.
    NoSuchArea(String),
    /// It stands, but not in a state for this; says which and what to do.
    NotNow(String),
    /// What was asked is not to be had: says what is wrong with it and what to do.
    Wrong(String),
    /// Carried out, but not on disk within [`COMMIT_LIMIT`].
    NotDurable,
    /// The engine does not answer.
    Stopped,
}

impl std::fmt::Display for CommandError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoSuchAlarm => "there is no such alarm",
            Self::NoSuchArea(why) | Self::NotNow(why) | Self::Wrong(why) => why,
            Self::NotDurable => "carried out, and not on disk yet",
            Self::Stopped => "the engine does not answer",
        })
    }
}

/// The present, for readers.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Last reading of every point that the configuration has, by index; `None` before the first.
    pub points: Vec<(PointId, Option<Reading>)>,
    /// Those of them that are lost, by their absence rule: silent for too long, or bad.
    pub lost: HashSet<PointId>,
    /// Every alarm that is not in state `normal`, but those of rules on trial: its last transition.
    pub alarms: Vec<AlarmEvent>,
    /// The same of rules on trial: whoever shows what stands does not look here.
    pub shadows: Vec<AlarmEvent>,
    /// The modes that run, with what a walk-test has tripped so far.
    pub modes: Vec<ModeRecord>,
    /// Warning level and risk colour.
    pub levels: Levels,
    /// The engine's counter in ms.
    pub mono: u64,
}

impl Snapshot {
    /// The points as people see them: what a lost one said last is old, however good it was.
    pub fn present(&self) -> impl Iterator<Item = (PointId, Option<Reading>)> {
        self.points.iter().map(|&(id, reading)| {
            let old = reading.filter(|reading| reading.quality.has_value() && self.lost.contains(&id));
            (id, old.map(|old| Reading { quality: Quality::Uncertain(quality::Reason::Stale), ..old }).or(reading))
        })
    }
}

/// The engine's door; cheap to clone.
#[derive(Debug, Clone)]
pub struct EngineHandle {
    inputs: mpsc::Sender<Input>,
    requests: mpsc::Sender<Request>,
    transitions: broadcast::Sender<AlarmEvent>,
    news: broadcast::Sender<News>,
    /// Where commands become durable; `None` only for a handle without an engine.
    journal: Option<Journal>,
}

impl EngineHandle {
    /// A handle without an engine behind it, and the ends an engine would hold; for tests of other rooms.
    pub fn detached(inputs: usize) -> (Self, mpsc::Receiver<Input>, mpsc::Receiver<Request>) {
        let (input, input_end) = mpsc::channel(inputs);
        let (request, request_end) = mpsc::channel(REQUESTS);
        let (transitions, news) = (broadcast::Sender::new(TRANSITIONS), broadcast::Sender::new(NEWS));
        (Self { inputs: input, requests: request, transitions, news, journal: None }, input_end, request_end)
    }

    /// Says a transition as the engine would, to whoever listens.
    #[cfg(test)]
    pub(crate) fn announce(&self, event: AlarmEvent) {
        let _ = self.transitions.send(event);
    }

    /// Hands a batch (or a new point) over; waits while the engine's queue is full. `Err` gives it back at shutdown.
    pub async fn submit(&self, input: Input) -> Result<(), Box<Input>> {
        self.inputs.send(input).await.map_err(|e| Box::new(e.0))
    }

    /// Acknowledges in the name of `by`; returns once that is on disk.
    pub async fn acknowledge(&self, id: String, by: String, note: Option<String>) -> Result<AlarmEvent, CommandError> {
        self.order(Order { target: id, command: Command::Acknowledge, by, note }).await
    }

    /// Does what a person wants done to an alarm; returns once that is on disk.
    pub async fn order(&self, order: Order) -> Result<AlarmEvent, CommandError> {
        let done = self.ordered(order).await?;
        self.durable(done.ticket).await?;
        Ok(done.event)
    }

    /// The same before it is on disk.
    pub(crate) async fn ordered(&self, order: Order) -> Result<Done, CommandError> {
        self.ask(|reply| Request::Order { order, reply }).await.ok_or(CommandError::Stopped)?
    }

    /// Begins or ends a mode of an area; returns once that is on disk.
    pub async fn mode(&self, order: ModeOrder) -> Result<ModeRecord, CommandError> {
        let done = self.ask(|reply| Request::Mode { order, reply }).await.ok_or(CommandError::Stopped)??;
        self.durable(done.ticket).await?;
        Ok(done.record)
    }

    /// What each rule that learns believes of each of its points; `None` if the engine does not answer.
    pub async fn learned(&self) -> Option<Vec<Held>> {
        self.ask(|reply| Request::Learned { reply }).await
    }

    /// Has a rule forget what it has learned of a point; returns once that is on disk.
    pub async fn forget(&self, order: ForgetOrder) -> Result<Forgotten, CommandError> {
        let ForgetDone { record, ticket, mut kept } =
            self.ask(|reply| Request::Forget { order, reply }).await.ok_or(CommandError::Stopped)??;
        self.durable(ticket).await?;
        match tokio::time::timeout(COMMIT_LIMIT, kept.wait_for(|token| *token > 0)).await {
            Ok(Ok(_)) => Ok(record),
            Ok(Err(_)) | Err(_) => Err(CommandError::NotDurable),
        }
    }

    /// Lets the warning level fall in the name of `by`; returns once that is on disk.
    pub async fn release(&self, by: String, note: String) -> Result<LevelRecord, CommandError> {
        let done = self.ask(|reply| Request::Release { by, note, reply }).await.ok_or(CommandError::Stopped)??;
        self.durable(done.ticket).await?;
        Ok(done.record)
    }

    /// The present; `None` if the engine does not answer.
    pub async fn snapshot(&self) -> Option<Snapshot> {
        self.ask(|reply| Request::Snapshot { reply }).await
    }

    /// How well the alarms serve people; `None` if the engine does not answer.
    pub async fn performance(&self) -> Option<Report> {
        self.ask(|reply| Request::Performance { reply }).await
    }

    /// Whether the engine still takes its turns; waits for its answer.
    pub async fn ping(&self) -> bool {
        self.ask(|reply| Request::Ping { reply }).await.is_some()
    }

    /// Every transition from now on. A reader that lags is told so and must take a snapshot.
    pub fn transitions(&self) -> broadcast::Receiver<AlarmEvent> {
        self.transitions.subscribe()
    }

    /// What else is said from now on: of the alarms as a whole, and of the site.
    pub fn news(&self) -> broadcast::Receiver<News> {
        self.news.subscribe()
    }

    async fn durable(&self, ticket: Ticket) -> Result<(), CommandError> {
        match &self.journal {
            Some(journal) if !journal.committed(ticket, COMMIT_LIMIT).await => Err(CommandError::NotDurable),
            Some(_) | None => Ok(()),
        }
    }

    async fn ask<T>(&self, make: impl FnOnce(oneshot::Sender<T>) -> Request) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(make(reply)).await.ok()?;
        answer.await.ok()
    }
}
