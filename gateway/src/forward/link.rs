//! The state of one store, told once a change: to the page and to the log. Shared by the loops of its lanes.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use super::batch::{Job, Stopped};
use super::store::{Answer, TsSink};
use crate::clock::Clock;
use crate::telemetry::{LinkState, SharedStats};

/// A store and how it is.
pub(super) struct Link<S> {
    name: String,
    sink: S,
    clock: Clock,
    stats: SharedStats,
    last: Mutex<Option<LinkState>>,
}

impl<S: TsSink> Link<S> {
    pub(super) fn new(name: String, sink: S, clock: Clock, stats: SharedStats) -> Self {
        let link = Self { name, sink, clock, stats, last: Mutex::new(None) };
        link.tell(LinkState::Connecting);
        link
    }

    /// Sends what the job still holds, until it is done or the store stops it.
    pub(super) async fn send(&self, job: &mut Job) -> Result<(), Stopped> {
        while let Some(body) = job.next() {
            let answer = self.write(body).await;
            job.answer(answer)?;
        }
        Ok(())
    }

    async fn write(&self, body: Bytes) -> Answer {
        self.stats.forward_batches.add(1);
        let answer = self.sink.write(body).await;
        match &answer {
            Answer::Accepted => self.tell(LinkState::Up),
            Answer::Refused(why) | Answer::TooLarge(why) => {
                self.stats.forward_failures.add(1);
                tracing::debug!(link = self.name, why, "store refused a body");
                self.tell(LinkState::Up);
            }
            Answer::Hold(why) | Answer::Retry(why) => {
                self.stats.forward_failures.add(1);
                self.tell(LinkState::Down { why: why.clone() });
            }
        }
        answer
    }

    fn tell(&self, state: LinkState) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref() == Some(&state) {
            return;
        }
        match &state {
            LinkState::Connecting => {}
            LinkState::Up => tracing::info!(link = self.name, "store takes data"),
            LinkState::Down { why } => tracing::warn!(link = self.name, why, "store takes nothing, all is kept"),
        }
        self.stats.link(&self.name, state.clone(), self.clock.wall().0);
        *last = Some(state);
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }
}
