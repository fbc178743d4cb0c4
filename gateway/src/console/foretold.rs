//! How the early warnings turned out, for readers. A fold of the alarm lane's last weeks is too much for every look at the page, so
//! that one serves all who ask within a minute.

use std::sync::Arc;

use gengfu_core::time::Mono;
use tokio::sync::Mutex;

use super::App;
use crate::foretold::lane::{DAYS, Report};

/// How long a fold serves, ms.
const FRESH: u64 = 60_000;
const DAY_MS: i64 = 86_400_000;

/// The last fold, and when it was made. Whoever asks while one is made waits for it.
#[derive(Debug, Clone, Default)]
pub(super) struct Memo {
    last: Arc<Mutex<Option<(Mono, Report)>>>,
}

impl App {
    /// # Errors
    /// The journal can't be read, in words.
    pub(super) async fn foretold(&self) -> Result<Report, String> {
        let mut last = self.memo.last.lock().await;
        let now = self.clock.now();
        if let Some((_, report)) = last.as_ref().filter(|(made, _)| now.mono.since(*made) < FRESH) {
            return Ok(report.clone());
        }
        let from = now.wall.0.saturating_sub(DAYS * DAY_MS);
        let report = self.history.foretold(from, now.wall.0).await?;
        *last = Some((now.mono, report.clone()));
        Ok(report)
    }
}
