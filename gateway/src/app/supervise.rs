//! A source task that panics is started again, with an alarm; what it cost is one link for one second.

use std::time::Duration;

use crate::journal::{Entry, Journal};
use crate::source::{Context, SourceTask};

/// Pause before a restart, so that a task that panics at once does not eat a core.
const PAUSE: Duration = Duration::from_secs(1);

/// Keeps the task running until it ends by itself (told to stop).
pub(super) async fn keep(task: SourceTask, mut context: Context, journal: Journal) {
    loop {
        match tokio::spawn((task.start)()).await {
            Ok(()) => return,
            Err(error) => {
                tracing::error!(link = task.name, %error, "source task failed, starting it again");
                context.stats.source_restarts.add(1);
                let at = context.clock.wall().0;
                let (what, detail) = ("source-restarted".to_owned(), format!("{}: {error}", task.name));
                journal.append(Entry::Maintenance { at, what, detail });
            }
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = context.stop.wait() => return,
        }
    }
}
