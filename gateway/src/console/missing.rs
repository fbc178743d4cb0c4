//! What of the last days may be missing for good, by the alarm lane's own word: each unclean stop and each repair says from when
//! to when. The ledger counts what was committed; what never was, it can't know.

use std::time::Duration;

use serde::Serialize;
use tokio::time::timeout;

use super::App;
use crate::journal::Entry;

/// How far back is looked, days.
pub(super) const DAYS: i64 = 7;
/// Stretches that are told at most, the newest.
const LISTED: usize = 100;
/// Nobody waits for a sick disk.
const LIMIT: Duration = Duration::from_secs(1);
const DAY_MS: i64 = 86_400_000;

/// A stretch of time of which records may be missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Stretch {
    /// UTC ms.
    pub(super) from: i64,
    pub(super) to: i64,
    /// Records that are missing at most.
    pub(super) at_most: u64,
    pub(super) why: String,
}

/// What may be missing since then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Missing {
    /// UTC ms.
    pub(super) since: i64,
    /// Newest first.
    pub(super) items: Vec<Stretch>,
}

impl App {
    /// `None` where the journal can't be read now.
    pub(super) async fn missing(&self) -> Option<Missing> {
        let now = self.clock.now();
        let since = now.wall.0.saturating_sub(DAYS * DAY_MS);
        let read = async {
            let gaps = self.history.gaps(since, LISTED).await?;
            Ok(Missing { since, items: gaps.into_iter().filter_map(|(_, entry)| stretch(entry)).collect() })
        };
        timeout(LIMIT, self.missing.get(now.mono, read)).await.ok()?.ok()
    }
}

fn stretch(entry: Entry) -> Option<Stretch> {
    match entry {
        Entry::Gap { from, to, at_most, why } => Some(Stretch { from, to, at_most, why }),
        Entry::Alarm(_)
        | Entry::Audit { .. }
        | Entry::Start { .. }
        | Entry::Stop { .. }
        | Entry::Mode(_)
        | Entry::Level(_)
        | Entry::Maintenance { .. } => None,
    }
}
