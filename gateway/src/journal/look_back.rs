//! What a push channel left in the journal of one alarm, because it holds a few transitions of each only.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::alarm::AlarmLane;
use super::chain;
use super::lane::lock;
use super::ring::{PATIENCE, Slot};
use super::tap::{Tap, transition};
use super::{Seq, Tapped};

/// Numbers of the lane that one read goes through: a long read would hold up the checkpoint.
const STRETCH: Seq = 4_096;

/// What was found.
#[derive(Debug)]
pub struct Found {
    /// Still owed, oldest first.
    pub tapped: Vec<Tapped>,
    /// Where to look on.
    pub next: Seq,
    /// `false`: the disk could not be read in time, these are what memory holds, and older ones may be missing.
    pub whole: bool,
}

impl Tap {
    /// Transitions of one alarm among `from..=to` that are owed, `max` at most, be they on disk yet or not. A disk that
    /// can't be read costs [`PATIENCE`] and no more, as it does where entries of an earlier run are read.
    pub fn look_back(
        &self,
        id: String,
        (from, to): (Seq, Seq),
        max: usize,
    ) -> impl Future<Output = Found> + Send + use<> {
        let (lane, sink) = (Arc::clone(&self.lane), self.sink);
        async move {
            let (whole, on_disk, held) = lane.held(&id, from, to, max);
            if whole || from > on_disk {
                return Found {
                    next: after(held.last().map(|slot| slot.seq), held.len() < max, to),
                    ..of(&lane, sink, held)
                };
            }
            let to = to.min(on_disk).min(from.saturating_add(STRETCH - 1));
            let readers = lane.core.readers.clone();
            let read = readers.spawn(move |conn| chain::read_alarm(conn, &id, from, to, max));
            let why = match tokio::time::timeout(Duration::from_millis(PATIENCE), read).await {
                Ok(Ok(kept)) => {
                    let next = after(kept.last().map(|kept| kept.seq), kept.len() < max, to);
                    let owed = kept.into_iter().filter(|kept| lock(&lane.core.deliveries).owes(sink, kept.seq));
                    let owed: Vec<_> = owed.collect();
                    let tapped = owed.into_iter().filter_map(|kept| transition(&lane, sink, kept)).collect();
                    return Found { tapped, next, whole: true };
                }
                Ok(Err(error)) => error,
                Err(_late) => "no answer from the disk".to_owned(),
            };
            tracing::warn!(error = why, "what is owed of an alarm can't be read yet");
            Found { next: from, whole: false, ..of(&lane, sink, held) }
        }
    }
}

/// Where to look on after a stretch that ends at `to`.
fn after(last: Option<Seq>, all: bool, to: Seq) -> Seq {
    last.filter(|_| !all).unwrap_or(to).saturating_add(1)
}

/// What memory holds.
fn of(lane: &AlarmLane, sink: usize, held: Vec<Slot>) -> Found {
    let owed = held.into_iter().filter(|slot| lock(&lane.core.deliveries).owes(sink, slot.seq));
    Found { tapped: owed.filter_map(|slot| slot.tapped()).collect(), next: 0, whole: true }
}
