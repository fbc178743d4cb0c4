//! What this room asks of the journal, so that its loops can be tried without one.

use std::future::Future;

use crate::journal::{Entry, Feed, Outcome, Record, Seq};

/// One lane of the journal, as a store sees it. The meanings are those of [`Feed`].
pub(super) trait Lane: Send {
    fn beyond(&mut self, seq: Seq) -> impl Future<Output = ()> + Send;
    fn head(&self) -> Seq;
    fn owed(&self) -> Vec<(Seq, Seq)>;
    fn telemetry(&self, from: Seq, to: Seq, max: usize) -> impl Future<Output = Result<Vec<Record>, String>> + Send;
    fn carry(&self, ranges: &[(Seq, Seq)]) -> bool;
    fn show(&self, range: (Seq, Seq)) -> bool;
    fn unreadable(
        &self,
        from: Seq,
        to: Seq,
        max: usize,
    ) -> impl Future<Output = Result<Vec<(Seq, Seq)>, String>> + Send;
    /// As `telemetry`, for who has had the records before.
    fn again(&self, from: Seq, to: Seq, max: usize) -> impl Future<Output = Result<Vec<Record>, String>> + Send {
        self.telemetry(from, to, max)
    }
    fn entries(&self, from: Seq, to: Seq, max: usize)
    -> impl Future<Output = Result<Vec<(Seq, Entry)>, String>> + Send;
    fn hurry(&self);
    fn settle(&self, from: Seq, to: Seq, outcome: Outcome) -> impl Future<Output = Result<(), String>> + Send;
}

impl Lane for Feed {
    async fn beyond(&mut self, seq: Seq) {
        Feed::beyond(self, seq).await;
    }

    fn head(&self) -> Seq {
        Feed::head(self).seq
    }

    fn owed(&self) -> Vec<(Seq, Seq)> {
        Feed::owed(self)
    }

    async fn telemetry(&self, from: Seq, to: Seq, max: usize) -> Result<Vec<Record>, String> {
        Feed::telemetry(self, from, to, max).await
    }

    fn carry(&self, ranges: &[(Seq, Seq)]) -> bool {
        Feed::carry(self, ranges)
    }

    fn show(&self, range: (Seq, Seq)) -> bool {
        Feed::show(self, range)
    }

    async fn unreadable(&self, from: Seq, to: Seq, max: usize) -> Result<Vec<(Seq, Seq)>, String> {
        Feed::unreadable(self, from, to, max).await
    }

    async fn again(&self, from: Seq, to: Seq, max: usize) -> Result<Vec<Record>, String> {
        Feed::again(self, from, to, max).await
    }

    async fn entries(&self, from: Seq, to: Seq, max: usize) -> Result<Vec<(Seq, Entry)>, String> {
        Feed::entries(self, from, to, max).await
    }

    fn hurry(&self) {
        Feed::hurry(self);
    }

    async fn settle(&self, from: Seq, to: Seq, outcome: Outcome) -> Result<(), String> {
        Feed::settle(self, from, to, outcome).await
    }
}
