//! The alarm lane's loop: oldest first, one request at a time, beside the telemetry's and never behind it.

use std::sync::Arc;
use std::time::Duration;

use super::batch::{Job, Stopped};
use super::feed::Lane;
use super::link::Link;
use super::store::TsSink;
use super::{Pace, alarm, settle_all};
use crate::journal::{Entry, Outcome, Seq};
use crate::stop::Stop;

/// Entries in one request.
const BATCH: usize = 1_000;
/// When ranges without an entry are looked at again.
const RECHECK: Duration = Duration::from_secs(1);
/// The same where there are none: a redrive makes entries owed again without a new one.
const LOOK_BEHIND: Duration = Duration::from_secs(5);

pub(super) async fn run<L: Lane, S: TsSink>(mut lane: L, link: Arc<Link<S>>, mut pace: Pace, mut stop: Stop) {
    let mut seen = 0;
    let mut skip = 0;
    while !stop.said() {
        let head = lane.head();
        let Some((from, to)) = lane.owed().into_iter().find(|r| r.1 > skip).map(|r| (r.0.max(skip + 1), r.1)) else {
            seen = seen.max(head);
            let again = tokio::time::sleep(if skip == 0 { LOOK_BEHIND } else { RECHECK });
            tokio::select! {
                () = lane.beyond(seen) => {}
                () = again => skip = 0,
                () = stop.wait() => {}
            }
            continue;
        };
        let wait = match lane.entries(from, to, BATCH).await {
            Ok(entries) if entries.is_empty() => {
                skip = to;
                None
            }
            Ok(entries) => deliver(&lane, &link, &mut pace, from, &entries, &mut stop).await,
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

/// Sends and settles one batch; says how long to wait before the next where the store did not take it all.
async fn deliver<L: Lane, S: TsSink>(
    lane: &L,
    link: &Link<S>,
    pace: &mut Pace,
    from: Seq,
    entries: &[(Seq, Entry)],
    stop: &mut Stop,
) -> Option<Duration> {
    // Known without the store, which may be away.
    let leading = entries.iter().zip(from..).take_while(|((seq, entry), due)| seq == due && !entry.is_alarm()).count();
    let (leading, entries) = entries.split_at(leading);
    let numbers: Vec<Seq> = leading.iter().map(|(seq, _)| *seq).collect();
    settle_all(lane, link.name(), runs(&numbers)).await;
    if entries.is_empty() {
        return None;
    }
    let from = from + leading.len() as Seq;
    let lines = alarm::encode(entries);
    let sent_to = lines.len().checked_sub(1).and_then(|piece| lines.seq(piece));
    let others: Vec<Seq> = entries.iter().filter(|(_, entry)| !entry.is_alarm()).map(|(seq, _)| *seq).collect();
    let mut job = Job::new(from, lines, None);
    let sent = loop {
        let sent = link.send(&mut job).await;
        let settlements: Vec<_> = job.settlements().into_iter().flat_map(|range| without(&others, range)).collect();
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
            // Entries behind the last alarm are not for a store.
            let rest = sent_to.map_or(from, |seq| seq + 1);
            if let Some((last, _)) = entries.last().filter(|(last, _)| rest <= *last) {
                settle_all(lane, link.name(), without(&others, (rest, *last, Outcome::Done))).await;
            }
            None
        }
        Err(Stopped::Retry(_)) => Some(pace.failed()),
        Err(Stopped::Hold(_) | Stopped::Doubt(_)) => Some(Pace::HOLD),
    }
}

/// Entries that are not for a store, as ranges.
fn runs(others: &[Seq]) -> Vec<(Seq, Seq, Outcome)> {
    let runs = others.chunk_by(|before, after| before + 1 == *after);
    runs.filter_map(|run| Some((*run.first()?, *run.last()?, Outcome::NotForIt))).collect()
}

/// What was delivered, without the entries among it that are not for a store: those were not sent and are not counted.
pub(super) fn without(others: &[Seq], (from, to, outcome): (Seq, Seq, Outcome)) -> Vec<(Seq, Seq, Outcome)> {
    if outcome != Outcome::Done {
        return vec![(from, to, outcome)];
    }
    let among: Vec<Seq> = others.iter().copied().filter(|seq| (from..=to).contains(seq)).collect();
    let mut ranges = Vec::new();
    let mut next = from;
    for run in runs(&among) {
        if next < run.0 {
            ranges.push((next, run.0 - 1, Outcome::Done));
        }
        next = run.1 + 1;
        ranges.push(run);
    }
    if next <= to {
        ranges.push((next, to, Outcome::Done));
    }
    ranges
}
