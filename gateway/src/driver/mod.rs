//! Drives core's engine: one task that owns all detectors and alarms, fed by one queue. The only place where the
//! engine meets a clock.

use gengfu_core::reading::Reading;
use serde::Serialize;
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::catalog::PointMeta;
use crate::flow::{AlarmEvent, Batch};

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
    pub id: gengfu_core::reading::PointId,
    pub meta: PointMeta,
    pub spec: crate::config::checked::PointSpec,
}

/// What is asked of the engine from the right-hand side; each with its answer.
#[derive(Debug)]
pub enum Request {
    Acknowledge { id: String, by: String, reply: oneshot::Sender<Result<AlarmEvent, CommandError>> },
    Reset { id: String, by: String, reply: oneshot::Sender<Result<AlarmEvent, CommandError>> },
    Snapshot { reply: oneshot::Sender<Snapshot> },
}

/// Why a command was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandError {
    /// No alarm of this id stands.
    NoSuchAlarm,
    /// It stands, but not in a state for this; says which and what to do.
    NotNow(String),
    /// Carried out but could not be made durable in time.
    NotDurable,
    /// The engine does not answer.
    Stopped,
}

/// The present, for readers.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Last reading of every point that the configuration has, by index; `None` before the first.
    pub points: Vec<(gengfu_core::reading::PointId, Option<Reading>)>,
    /// Every alarm that is not in state `normal`: its last transition.
    pub alarms: Vec<AlarmEvent>,
    /// Engine counter in ms, for the watchdog.
    pub mono: u64,
}

/// The engine's door; cheap to clone.
#[derive(Debug, Clone)]
pub struct EngineHandle {
    inputs: mpsc::Sender<Input>,
    requests: mpsc::Sender<Request>,
    transitions: broadcast::Sender<AlarmEvent>,
}

/// Balance for the metrics page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Engine counter at its last round.
    pub mono: u64,
}

impl EngineHandle {
    /// A door with nobody behind it yet: whoever holds the receivers answers in the engine's place.
    pub fn detached(inputs: usize) -> (EngineHandle, mpsc::Receiver<Input>, mpsc::Receiver<Request>) {
        let (inputs, received) = mpsc::channel(inputs);
        let (requests, asked) = mpsc::channel(64);
        let (transitions, _) = broadcast::channel(1024);
        (Self { inputs, requests, transitions }, received, asked)
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

    pub async fn acknowledge(&self, id: String, by: String) -> Result<AlarmEvent, CommandError> {
        self.ask(|reply| Request::Acknowledge { id, by, reply }).await.ok_or(CommandError::Stopped)?
    }

    pub async fn reset(&self, id: String, by: String) -> Result<AlarmEvent, CommandError> {
        self.ask(|reply| Request::Reset { id, by, reply }).await.ok_or(CommandError::Stopped)?
    }

    /// The present; `None` if the engine does not answer.
    pub async fn snapshot(&self) -> Option<Snapshot> {
        self.ask(|reply| Request::Snapshot { reply }).await
    }

    /// Every transition from now on. A reader that lags is told so and must take a snapshot.
    pub fn transitions(&self) -> broadcast::Receiver<AlarmEvent> {
        self.transitions.subscribe()
    }

    async fn ask<T>(&self, make: impl FnOnce(oneshot::Sender<T>) -> Request) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(make(reply)).await.ok()?;
        answer.await.ok()
    }
}
