//! Dead letters: records a sink refused for good. They are told with the reason, and sent once more when somebody who has
//! mended the sink says so. They can be as long as the lane holds them (see `retention`); counted they stay for ever.

use serde::Serialize;

use super::lane::lock;
use super::{Entry, Journal, Lane, Record, Seq, chain, feed};

/// A range of records with dead letters in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Letters {
    pub sink: String,
    pub lane: Lane,
    pub from: Seq,
    pub to: Seq,
    /// Dead letters among the records of the range; fewer than those where old ranges have melted.
    pub count: u64,
    /// Of these, the lane still holds so many at most: the others can't be sent any more.
    pub held: u64,
    pub reason: String,
}

/// What a number of a lane stands for.
#[derive(Debug, Clone, PartialEq)]
pub enum Letter {
    Entry(Box<Entry>),
    Reading(Record),
}

/// What became of a redrive in one lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Redriven {
    pub sink: String,
    pub lane: Lane,
    /// Records that are owed again.
    pub owed: u64,
    /// Dead letters that stay dead: no longer held, or in one melted range with what has expired.
    pub left: u64,
}

/// How a redrive ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redrive {
    /// One for each lane of the sink, on disk.
    Done(Vec<Redriven>),
    NoSuchSink,
    /// A push channel: what it would say is long past, and people are not woken for that.
    NotAStore,
    Closed,
}

impl Journal {
    /// All dead letters, by lane, sink and seq.
    pub fn dead_letters(&self) -> Vec<Letters> {
        let mut all = Vec::new();
        for lane in [Lane::Alarm, Lane::Telemetry] {
            let deliveries = lock(&self.inner.core(lane).deliveries);
            all.extend(deliveries.letters().map(|(sink, span, held)| Letters {
                sink: sink.to_owned(),
                lane,
                from: span.from,
                to: span.to,
                count: span.tally.dead,
                held,
                reason: span.reason.clone(),
            }));
        }
        all
    }

    /// The first record of `from..=to` that the lane still holds.
    pub async fn first_held(&self, lane: Lane, from: Seq, to: Seq) -> Result<Option<Letter>, String> {
        let readers = &self.inner.core(lane).readers;
        match lane {
            Lane::Alarm => {
                let kept = readers.ask(move |conn| chain::read(conn, from, to, 1)).await?;
                let entries = feed::legible(kept, &lock(&self.inner.alarm.core.undated));
                Ok(entries.into_iter().next().map(|(_, entry)| Letter::Entry(Box::new(entry))))
            }
            Lane::Telemetry => {
                let read = readers.ask(move |conn| feed::records(conn, from, to, 1, &[])).await?;
                Ok(read.into_iter().next().map(Letter::Reading))
            }
        }
    }

    /// Makes the dead letters of a store owed again, in one lane or both, before it first waits; returns once that is on disk.
    /// Whoever waits no longer has lost the answer alone.
    pub async fn redrive(&self, sink: &str, lane: Option<Lane>, from: Seq, to: Seq) -> Redrive {
        let index = |lane: Lane| lock(&self.inner.core(lane).deliveries).find(sink);
        if index(Lane::Alarm).or(index(Lane::Telemetry)).is_none() {
            return Redrive::NoSuchSink;
        }
        if index(Lane::Telemetry).is_none() {
            return Redrive::NotAStore;
        }
        let mut asked = Vec::new();
        for lane in lane.map_or(vec![Lane::Alarm, Lane::Telemetry], |lane| vec![lane]) {
            let core = self.inner.core(lane);
            let recorded = core.recorded.subscribe();
            let Some(index) = index(lane) else { continue };
            let (revived, upto) = lock(&core.deliveries).revive(index, (from, to), core.clock.mono());
            core.bell.ring();
            asked.push((
                recorded,
                upto,
                Redriven { sink: sink.to_owned(), lane, owed: revived.owed, left: revived.left },
            ));
        }
        let mut done = Vec::new();
        for (mut recorded, upto, redriven) in asked {
            if recorded.wait_for(|recorded| *recorded >= upto).await.is_err() {
                return Redrive::Closed;
            }
            done.push(redriven);
        }
        Redrive::Done(done)
    }
}
