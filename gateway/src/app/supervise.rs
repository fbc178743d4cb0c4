//! A task that ends unasked (it panicked) is started again, with an alarm; what it cost is one link for one second.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::journal::{Entry, Journal};
use crate::stop::Stop;
use crate::telemetry::{Counter, SharedStats};

/// Pause before a restart, so that a task that panics at once does not eat a core.
const PAUSE: Duration = Duration::from_secs(1);

/// On which side of the journal a task works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Source,
    /// Forward, notify, console.
    Reader,
}

/// Who keeps tasks running.
#[derive(Debug, Clone)]
pub(super) struct Keeper {
    pub(super) side: Side,
    pub(super) clock: Clock,
    pub(super) stats: SharedStats,
    pub(super) journal: Journal,
    pub(super) stop: Stop,
}

impl Keeper {
    /// Keeps a task running until stop is said. Dropped, it takes the task with it.
    pub(super) async fn keep<F>(mut self, name: String, start: impl Fn() -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        loop {
            let mut task = JoinSet::new();
            task.spawn(start());
            let why = match task.join_next().await {
                Some(Err(error)) => error.to_string(),
                Some(Ok(())) | None if self.stop.said() => return,
                Some(Ok(())) | None => "it ended unasked".to_owned(),
            };
            self.tell(&name, &why);
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = self.stop.wait() => return,
            }
        }
    }

    /// The counter makes the alarm (`source/own/`), the entry says which task it was and why.
    fn tell(&self, name: &str, why: &str) {
        tracing::error!(task = name, why, "task failed, starting it again");
        let (what, counter): (_, &Counter) = match self.side {
            Side::Source => ("source-restarted", &self.stats.source_restarts),
            Side::Reader => ("reader-restarted", &self.stats.reader_restarts),
        };
        counter.add(1);
        let at = self.clock.wall().0;
        self.journal.append(Entry::Maintenance { at, what: what.to_owned(), detail: format!("{name}: {why}") });
    }
}
