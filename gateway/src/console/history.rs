//! What the console wants of the journal, and no more; so that a test can stand in for it.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use gengfu_core::reading::PointId;

use crate::foretold::lane as foretold;
use crate::journal::{Bucket, Entry, Health, Journal, Lane, Letter, Letters, Redrive, Seq, SinkBalance};

/// A future in a box, since the trait is used as an object.
pub(super) type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How long a note may take to reach the disk before the caller is told that it hasn't.
const RECORD_LIMIT: Duration = Duration::from_secs(2);

/// The journal as a reader sees it.
pub(super) trait History: Debug + Send + Sync {
    fn ledger(&self) -> Vec<SinkBalance>;
    fn dead_letters(&self) -> Vec<Letters>;
    /// The first record of a range that the lane still holds.
    fn letter(&self, lane: Lane, range: (Seq, Seq)) -> Answer<'_, Result<Option<Letter>, String>>;
    /// Makes the dead letters of a store owed again.
    fn redrive(&self, sink: String, lane: Option<Lane>, range: (Seq, Seq)) -> Answer<'_, Redrive>;
    fn health(&self) -> Health;
    fn buckets(&self, point: PointId, from: i64, to: i64, step_ms: i64) -> Answer<'_, Result<Vec<Bucket>, String>>;
    /// Entries of the alarm lane, newest first.
    fn entries(&self, before: Option<Seq>, max: usize) -> Answer<'_, Result<Vec<(Seq, Entry)>, String>>;
    /// The newest `max` entries `gap` of what was committed since `since` (UTC ms), newest first.
    fn gaps(&self, since: i64, max: usize) -> Answer<'_, Result<Vec<(Seq, Entry)>, String>>;
    /// How the early warnings since `from` turned out, as of `at`; UTC ms.
    fn foretold(&self, from: i64, at: i64) -> Answer<'_, Result<foretold::Report, String>>;
    /// Puts an entry on the alarm lane; says whether it is on disk yet.
    fn record(&self, entry: Entry) -> Answer<'_, bool>;
}

impl History for Journal {
    fn ledger(&self) -> Vec<SinkBalance> {
        Journal::ledger(self)
    }

    fn dead_letters(&self) -> Vec<Letters> {
        Journal::dead_letters(self)
    }

    fn letter(&self, lane: Lane, (from, to): (Seq, Seq)) -> Answer<'_, Result<Option<Letter>, String>> {
        Box::pin(self.first_held(lane, from, to))
    }

    fn redrive(&self, sink: String, lane: Option<Lane>, (from, to): (Seq, Seq)) -> Answer<'_, Redrive> {
        Box::pin(async move { Journal::redrive(self, &sink, lane, from, to).await })
    }

    fn health(&self) -> Health {
        Journal::health(self)
    }

    fn buckets(&self, point: PointId, from: i64, to: i64, step_ms: i64) -> Answer<'_, Result<Vec<Bucket>, String>> {
        Box::pin(self.history(point, from, to, step_ms))
    }

    fn entries(&self, before: Option<Seq>, max: usize) -> Answer<'_, Result<Vec<(Seq, Entry)>, String>> {
        Box::pin(Journal::entries(self, before, max))
    }

    fn gaps(&self, since: i64, max: usize) -> Answer<'_, Result<Vec<(Seq, Entry)>, String>> {
        Box::pin(Journal::gaps(self, since, max))
    }

    fn foretold(&self, from: i64, at: i64) -> Answer<'_, Result<foretold::Report, String>> {
        Box::pin(async move {
            let fold = self.folded(from, foretold::FOLDED, foretold::Fold::new(from), foretold::Fold::take).await?;
            Ok(fold.report(at))
        })
    }

    fn record(&self, entry: Entry) -> Answer<'_, bool> {
        let ticket = self.append(entry);
        Box::pin(self.committed(ticket, RECORD_LIMIT))
    }
}
