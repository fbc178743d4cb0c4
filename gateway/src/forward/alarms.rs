//! The alarm lane's loop: oldest first, one request at a time, beside the telemetry's and never behind it.

use std::sync::Arc;
use std::time::Duration;

use super::batch::{Job, Stopped, UNREADABLE, join};
use super::feed::Lane;
use super::link::Link;
use super::store::TsSink;
use super::{Pace, alarm, settle_all};
use crate::journal::{Entry, Outcome, Seq};
use crate::stop::Stop;

/// Entries in one request.
const BATCH: usize = 1_000;
/// When what is owed is looked at without a new entry: a redrive makes entries owed again.
const LOOK_BEHIND: Duration = Duration::from_secs(5);

pub(super) async fn run<L: Lane, S: TsSink>(mut lane: L, link: Arc<Link<S>>, mut pace: Pace, mut stop: Stop) {
    let mut seen = 0;
    while !stop.said() {
        let head = lane.head();
        let Some((from, to)) = lane.owed().into_iter().next() else {
            seen = seen.max(head);
            tokio::select! {
                () = lane.beyond(seen) => {}
                () = tokio::time::sleep(LOOK_BEHIND) => {}
                () = stop.wait() => {}
            }
            continue;
        };
        let wait = match lane.entries(from, to, BATCH).await {
            Ok(entries) => {
                // An answer is of so many rows at most, be they legible or not.
                let upto = entries.last().map_or_else(|| to.min(from + BATCH as Seq - 1), |(seq, _)| *seq);
                deliver(&lane, &link, &mut pace, (from, upto), &entries, &mut stop).await
            }
            Err(why) => Some(Pace::unreadable(link.name(), &why)),
        };
        if let Some(wait) = wait {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.wait() => {}
            }
        }
    }
}

/// Sends and settles one batch, of all that is in a range; says how long to wait before the next where the store did not
/// take it all.
async fn deliver<L: Lane, S: TsSink>(
    lane: &L,
    link: &Link<S>,
    pace: &mut Pace,
    range: (Seq, Seq),
    entries: &[(Seq, Entry)],
    stop: &mut Stop,
) -> Option<Duration> {
    let unsent = unsent(range, entries);
    let first = entries.iter().find(|(_, entry)| entry.is_alarm()).map(|(seq, _)| *seq);
    // Known without the store, which may be away.
    let (known, later): (Vec<_>, Vec<_>) = unsent.into_iter().partition(|run| first.is_none_or(|first| run.1 < first));
    link.tell_dead(&known);
    if !settle_all(lane, link.name(), known).await {
        return Some(Pace::UNREADABLE);
    }
    let first = first?;
    let lines = alarm::encode(entries);
    let sent_to = lines.len().checked_sub(1).and_then(|piece| lines.seq(piece)).unwrap_or(first);
    let mut job = Job::new(first, lines, None);
    let sent = loop {
        let sent = link.send(&mut job).await;
        let settlements: Vec<_> = job.settlements().into_iter().flat_map(|range| without(&later, range)).collect();
        link.tell_dead(&settlements);
        settle_all(lane, link.name(), settlements).await;
        // A store in doubt is asked on with the same batch: what it takes elsewhere then decides.
        if sent.is_ok() || job.doubt().is_none() || stop.said() {
            break sent;
        }
        tokio::select! {
            () = tokio::time::sleep(Pace::HOLD) => {}
            () = stop.wait() => {}
        }
    };
    match sent {
        Ok(()) => {
            pace.fine();
            let behind: Vec<_> = later.into_iter().filter(|run| run.0 > sent_to).collect();
            link.tell_dead(&behind);
            settle_all(lane, link.name(), behind).await;
            None
        }
        Err(Stopped::Retry(_)) => Some(pace.failed()),
        Err(Stopped::Busy { wait, .. }) => Some(wait + pace.failed()),
        Err(Stopped::Hold(_) | Stopped::Doubt(_)) => Some(Pace::HOLD),
    }
}

/// What of a range is never sent, as ranges in order: entries that are not for a store, and numbers whose entry the journal
/// can't read any more. Nothing of this lane ever expires.
pub(super) fn unsent((from, to): (Seq, Seq), entries: &[(Seq, Entry)]) -> Vec<(Seq, Seq, Outcome)> {
    let mut runs = Vec::new();
    let mut next = from;
    for (seq, entry) in entries {
        if next < *seq {
            join(&mut runs, next, seq - 1, unreadable());
        }
        if !entry.is_alarm() {
            join(&mut runs, *seq, *seq, Outcome::NotForIt);
        }
        next = seq + 1;
    }
    if next <= to {
        join(&mut runs, next, to, unreadable());
    }
    runs
}

fn unreadable() -> Outcome {
    Outcome::Dead(UNREADABLE.to_owned())
}

/// What was delivered, without what among it was not sent.
pub(super) fn without(
    unsent: &[(Seq, Seq, Outcome)],
    (from, to, outcome): (Seq, Seq, Outcome),
) -> Vec<(Seq, Seq, Outcome)> {
    if outcome != Outcome::Done {
        return vec![(from, to, outcome)];
    }
    let mut ranges = Vec::new();
    let mut next = from;
    for run in unsent.iter().filter(|run| from <= run.0 && run.1 <= to) {
        if next < run.0 {
            ranges.push((next, run.0 - 1, Outcome::Done));
        }
        next = run.1 + 1;
        ranges.push(run.clone());
    }
    if next <= to {
        ranges.push((next, to, Outcome::Done));
    }
    ranges
}
