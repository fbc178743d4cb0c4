//! The state of one store, told once a change: to the page and to the log. Shared by the loops of its lanes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use gengfu_core::time::Mono;

use super::batch::{Job, Stopped};
use super::store::{Answer, TsSink};
use crate::clock::Clock;
use crate::journal::{Outcome, Seq};
use crate::telemetry::{LinkState, SharedStats};

/// A store and how it is.
pub(super) struct Link<S> {
    name: String,
    sink: S,
    clock: Clock,
    stats: SharedStats,
    last: Mutex<Option<LinkState>>,
    /// Bodies it took, of all loops together.
    taken: AtomicU64,
    dead: Mutex<Dead>,
}

/// Dead letters that the log does not know of yet, and when it was last told.
#[derive(Debug, Default)]
struct Dead {
    untold: u64,
    told: Option<Mono>,
}

/// A store that refuses a point for good would else fill the log with one line a batch, ms.
const TELL_DEAD_EVERY: u64 = 60_000;

impl<S: TsSink> Link<S> {
    pub(super) fn new(name: String, sink: S, clock: Clock, stats: SharedStats) -> Self {
        let link =
            Self { name, sink, clock, stats, last: Mutex::new(None), taken: AtomicU64::new(0), dead: Mutex::default() };
        link.tell(LinkState::Connecting);
        link
    }

    /// Sends what the job still holds, until it is done or the store stops it.
    pub(super) async fn send(&self, job: &mut Job) -> Result<(), Stopped> {
        let sent = self.try_send(job).await;
        match &sent {
            Ok(()) => self.tell(LinkState::Up),
            Err(Stopped::Hold(why) | Stopped::Retry(why) | Stopped::Busy { why, .. }) => {
                self.tell(LinkState::Down { why: why.clone() });
            }
            Err(Stopped::Doubt(_)) => {}
        }
        sent
    }

    async fn try_send(&self, job: &mut Job) -> Result<(), Stopped> {
        loop {
            while let Some(body) = job.next() {
                let answer = self.write(body).await;
                job.answer(answer, self.taken.load(Ordering::Relaxed))?;
            }
            if job.end(self.taken.load(Ordering::Relaxed))? {
                return Ok(());
            }
        }
    }

    /// Logs dead letters, at once and then their number once a minute; the ledger counts each.
    pub(super) fn tell_dead(&self, settlements: &[(Seq, Seq, Outcome)]) {
        let letters = settlements.iter().filter_map(|(from, to, outcome)| match outcome {
            Outcome::Dead(why) => Some((from, to, why)),
            Outcome::Done | Outcome::NotForIt => None,
        });
        let mut dead = self.dead.lock().unwrap_or_else(PoisonError::into_inner);
        for (from, to, why) in letters {
            dead.untold += to - from + 1;
            let now = self.clock.mono();
            if dead.told.is_none_or(|told| now.since(told) >= TELL_DEAD_EVERY) {
                let records = std::mem::take(&mut dead.untold);
                dead.told = Some(now);
                tracing::warn!(link = self.name, records, from, why, "store will never take these, dead-lettered");
            }
        }
    }

    async fn write(&self, body: Bytes) -> Answer {
        self.stats.forward_batches.add(1);
        let answer = self.sink.write(body).await;
        match &answer {
            Answer::Accepted => {
                self.taken.fetch_add(1, Ordering::Relaxed);
                self.tell(LinkState::Up);
            }
            // Whether the store is well then, the job says.
            Answer::Refused(why)
            | Answer::TooLarge(why)
            | Answer::Hold(why)
            | Answer::Retry(why)
            | Answer::Busy { why, .. } => {
                self.stats.forward_failures.add(1);
                tracing::debug!(link = self.name, why, "store did not take a body");
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
