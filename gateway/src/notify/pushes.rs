//! The loop of the pushes: takes transitions from the tap, posts what [`Window`] says is next, settles what was accepted.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gengfu_core::alarm::damper::Held;
use tokio::task::{JoinError, JoinSet};

use super::damp::Damp;
use super::order::{Attempt, Failure, Missing, Window};
use super::receiver::Answer;
use super::{Shared, Wanted, body};
use crate::backoff::{self, Backoff};
use crate::journal::{Found, Outcome, Seq, Tap, TapMark, Tapped};
use crate::stop::Stop;

/// Header of a transition that comes late: the number of a newer one of the same alarm that was pushed before it.
pub(super) const PASSED_BY: &str = "Gengfu-Passed-By";
const FLOOR: Duration = Duration::from_millis(250);
const CEILING: Duration = Duration::from_secs(30);
/// Alarms that are read from the journal at once.
const READS: usize = 4;

/// What this room asks of the journal; the meanings are those of [`Tap`].
pub(super) trait Source: Send {
    fn next(&mut self) -> impl Future<Output = Option<Tapped>> + Send;
    fn settle(&self, mark: TapMark, outcome: Outcome);
    fn look_back(
        &self,
        id: String,
        range: (Seq, Seq),
        max: usize,
    ) -> impl Future<Output = Found> + Send + use<Self> + 'static;
}

impl Source for Tap {
    async fn next(&mut self) -> Option<Tapped> {
        Tap::next(self).await
    }

    fn settle(&self, mark: TapMark, outcome: Outcome) {
        Tap::settle(self, mark, outcome);
    }

    fn look_back(
        &self,
        id: String,
        range: (Seq, Seq),
        max: usize,
    ) -> impl Future<Output = Found> + Send + use<> + 'static {
        Tap::look_back(self, id, range, max)
    }
}

/// How a push ended.
type Landed = (Tapped, u32, Answer);
/// What the journal had of an alarm, from this number on.
type Read = (String, Seq, Found);

struct Pushes<'a, T> {
    shared: Arc<Shared>,
    tap: T,
    wanted: Wanted<'a>,
    window: Window,
    /// Where the channel asks for it.
    damp: Option<Damp>,
    backoff: Backoff,
    flights: JoinSet<Landed>,
    reads: JoinSet<Read>,
}

/// Pushes until stop is said and nothing is under way.
pub(super) async fn run<T: Source>(
    shared: Arc<Shared>,
    tap: T,
    wanted: Wanted<'_>,
    damp: Option<Damp>,
    mut stop: Stop,
) {
    let backoff = Backoff::new(FLOOR, CEILING, backoff::seed(&shared.name, &shared.clock));
    let (flights, reads) = (JoinSet::new(), JoinSet::new());
    let mut pushes = Pushes { shared, tap, wanted, window: Window::default(), damp, backoff, flights, reads };
    let mut open = true;
    loop {
        if !stop.said() {
            pushes.release();
            pushes.look_back();
            pushes.launch();
        } else if pushes.flights.is_empty() {
            return;
        }
        let due = pushes.damp.as_ref().and_then(Damp::next_at);
        let wake = pushes.window.next_at(pushes.reads.len() < READS).into_iter().chain(due).min();
        let wake_at = pushes.shared.clock.instant(wake.unwrap_or_default());
        let running = !stop.said();
        tokio::select! {
            Some(landed) = pushes.flights.join_next() => pushes.land(landed),
            Some(read) = pushes.reads.join_next(), if running => pushes.found(read),
            tapped = pushes.tap.next(), if running && open && pushes.window.has_room() => match tapped {
                Some(tapped) => pushes.take(tapped),
                None => open = false,
            },
            () = tokio::time::sleep_until(wake_at), if running && wake.is_some() => {}
            () = pushes.shared.reached.notified() => pushes.window.reached(pushes.shared.clock.mono()),
            () = stop.wait(), if running => {}
        }
    }
}

impl<T: Source> Pushes<'_, T> {
    /// Takes a transition in, or settles it where it is not for this channel.
    fn take(&mut self, tapped: Tapped) {
        let Some(tapped) = self.wanted(tapped) else { return };
        let now = self.shared.clock.now();
        let out = match &mut self.damp {
            Some(damp) => damp.take(tapped, now),
            None => vec![tapped],
        };
        for tapped in out {
            self.window.take(tapped, now.mono);
        }
    }

    /// What was held long enough is to be said.
    fn release(&mut self) {
        let now = self.shared.clock.mono();
        let due = self.damp.as_mut().map_or(Vec::new(), |damp| damp.due(now));
        for tapped in due {
            self.window.take(tapped, now);
        }
    }

    /// A step, and those that it spoke for.
    fn settle(&mut self, mark: TapMark, outcome: &Outcome) {
        let with = self.damp.as_mut().map_or(Vec::new(), |damp| damp.settled(mark.seq()));
        with.into_iter().chain([mark]).for_each(|mark| self.tap.settle(mark, outcome.clone()));
    }

    fn wanted(&self, tapped: Tapped) -> Option<Tapped> {
        if self.wanted.is(&tapped.event) {
            return Some(tapped);
        }
        self.tap.settle(tapped.mark, Outcome::NotForIt);
        None
    }

    /// Reads on where an alarm has more in the journal than the window held.
    fn look_back(&mut self) {
        let now = self.shared.clock.mono();
        while self.reads.len() < READS
            && let Some(Missing { id, range, max }) = self.window.missing(now)
        {
            let read = self.tap.look_back(id.clone(), range, max);
            self.reads.spawn(async move { (id, range.0, read.await) });
        }
    }

    fn found(&mut self, read: Result<Read, JoinError>) {
        let now = self.shared.clock.mono();
        let Ok((id, from, mut found)) = read else {
            tracing::error!(link = self.shared.name, "reading what is owed panicked, trying again");
            self.reads = JoinSet::new();
            return self.window.unread(now);
        };
        // What is held has another to speak for it.
        let held = |tapped: &Tapped| self.damp.as_ref().is_some_and(|damp| damp.holds(tapped.mark.seq()));
        found.tapped.retain(|tapped| !held(tapped));
        found.tapped = found.tapped.into_iter().filter_map(|tapped| self.wanted(tapped)).collect();
        self.window.found(&id, from, found, now);
    }

    fn launch(&mut self) {
        let now = self.shared.clock.mono();
        while let Some(Attempt { tapped, number }) = self.window.next(now) {
            let shared = self.shared.clone();
            let damped = self.damp.as_ref().and_then(|damp| damp.told(tapped.mark.seq()));
            self.flights.spawn(async move {
                let answer = push(&shared, &tapped, damped).await;
                (tapped, number, answer)
            });
        }
        self.shared.waiting.store(self.window.len(), Ordering::Relaxed);
        self.shared.stats.unpushed(&self.shared.name, self.window.oldest());
    }

    fn land(&mut self, landed: Result<Landed, JoinError>) {
        let now = self.shared.clock.mono();
        let Ok((tapped, attempts, answer)) = landed else {
            // Which one it was is lost with it: all that fly are tried again, which the key makes harmless.
            tracing::error!(link = self.shared.name, "a push panicked, trying again");
            self.flights = JoinSet::new();
            return self.window.all_failed(now.plus(FLOOR.as_millis() as u64));
        };
        let id = &tapped.event.id;
        let failures = self.window.failures(id).saturating_add(1);
        let (failure, wait, why) = match answer {
            Answer::Accepted => {
                self.shared.pushed.fetch_add(1, Ordering::Relaxed);
                self.settle(tapped.mark, &Outcome::Done);
                return self.window.accepted(id, now);
            }
            Answer::Away(why) => (Failure::Away, self.backoff.delay(failures), why),
            Answer::Busy(why) => (Failure::Busy, self.backoff.delay(failures), why),
            Answer::Refused(why) => (Failure::Refused, self.backoff.slow(), why),
        };
        self.shared.stats.notify_failures.add(1);
        let key = tapped.event.key();
        if attempts == 1 {
            tracing::warn!(link = self.shared.name, key, why, "push not accepted, trying again");
        } else {
            tracing::debug!(link = self.shared.name, key, attempts, why, "push not accepted again");
        }
        self.window.failed(id, failure, now, wait.as_millis() as u64);
        if let Some(given_up) = self.window.give_up(now) {
            let why = format!("refused again and again, given up to let newer alarms pass: {why}");
            tracing::error!(link = self.shared.name, key = given_up.event.key(), why, "push given up");
            self.settle(given_up.mark, &Outcome::Dead(why));
        }
    }
}

async fn push(shared: &Shared, tapped: &Tapped, damped: Option<Held>) -> Answer {
    shared.stats.notify_pushes.add(1);
    if !tapped.durable {
        shared.stats.notify_not_durable.add(1);
    }
    let key = tapped.event.key();
    let mut headers = vec![(body::KIND, "alarm".to_owned()), (body::KEY, key.clone())];
    if let Some(newer) = tapped.passed_by {
        tracing::warn!(link = shared.name, key, newer, "pushed after a newer one: the disk could not be read in time");
        headers.push((PASSED_BY, newer.to_string()));
    }
    let body = body::alarm(tapped, damped, &shared.console, shared.clock.wall().0);
    shared.post(&headers, body).await
}
