//! The alarm lane's loop: oldest first, one request at a time, beside the telemetry's and never behind it.

use std::sync::Arc;
use std::time::Duration;

use super::batch::{Job, Stopped};
use super::feed::Lane;
use super::link::Link;
use super::store::TsSink;
use super::{Pace, alarm, settle, settle_all};
use crate::journal::{Entry, Outcome, Seq};
use crate::stop::Stop;

/// Entries in one request.
const BATCH: usize = 1_000;
/// When ranges without an entry are looked at again.
const RECHECK: Duration = Duration::from_secs(1);

pub(super) async fn run<L: Lane, S: TsSink>(mut lane: L, link: Arc<Link<S>>, mut pace: Pace, mut stop: Stop) {
    let mut seen = 0;
    let mut skip = 0;
    while !stop.said() {
        let head = lane.head();
        let Some((from, to)) = lane.owed().into_iter().find(|r| r.1 > skip).map(|r| (r.0.max(skip + 1), r.1)) else {
            seen = seen.max(head);
            let again = async {
                if skip == 0 {
                    std::future::pending::<()>().await;
                }
                tokio::time::sleep(RECHECK).await;
            };
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
    let lines = alarm::encode(entries);
    let sent_to = lines.len().checked_sub(1).and_then(|piece| lines.seq(piece));
    let mut job = Job::new(from, lines, None);
    let sent = loop {
        let sent = link.send(&mut job).await;
        let settlements = job.settlements();
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
                settle(lane, link.name(), rest, *last, Outcome::Done).await;
            }
            None
        }
        Err(Stopped::Retry(_)) => Some(pace.failed()),
        Err(Stopped::Hold(_)) => Some(Pace::HOLD),
    }
}
