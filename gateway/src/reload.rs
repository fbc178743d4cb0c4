//! The door for a changed configuration: who asks, and what is answered. Behind it is `app/reload.rs`.

use tokio::sync::{mpsc, oneshot};

use crate::config::Complaint;

/// Requests that may wait; each takes a moment.
const WAITING: usize = 4;

/// Who wants the site file read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// The signal.
    Signal,
    /// A person or a program, by the API.
    Person(String),
}

/// What a reload came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The file that was read.
    pub file: String,
    /// What is different, a line each; nothing if it is the same.
    pub changes: Vec<String>,
    pub warnings: Vec<String>,
    /// Alarms whose rule or point is gone.
    pub closed: usize,
    /// The audit entry is on disk.
    pub durable: bool,
}

/// Why nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// All mistakes of the file, with the changes that need a restart.
    Wrong(Vec<Complaint>),
    /// The gateway could not do it now; says why.
    Failed(String),
}

/// One request.
#[derive(Debug)]
pub struct Ask {
    pub who: Who,
    pub reply: oneshot::Sender<Result<Done, Refusal>>,
}

/// The door; cheap to clone.
#[derive(Debug, Clone)]
pub struct Reloads(mpsc::Sender<Ask>);

impl Reloads {
    /// The door, and where it leads.
    pub fn channel() -> (Self, mpsc::Receiver<Ask>) {
        let (asks, end) = mpsc::channel(WAITING);
        (Self(asks), end)
    }

    /// Asks for a reload and waits for what comes of it. It is carried out even if nobody waits any more.
    pub async fn ask(&self, who: Who) -> Result<Done, Refusal> {
        let (reply, answer) = oneshot::channel();
        let stopping = || Refusal::Failed("the gateway is stopping; ask again when it runs".to_owned());
        self.0.send(Ask { who, reply }).await.map_err(|_| stopping())?;
        answer.await.unwrap_or_else(|_| Err(stopping()))
    }
}
