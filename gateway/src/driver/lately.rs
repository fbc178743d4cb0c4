//! What the alarm lane said lately of each rule on a point: what its alarms were called, and since when its condition stands or is over.

use std::collections::HashMap;

use gengfu_core::alarm::{AlarmId, Named};
use gengfu_core::time::Wall;

use super::storage::Storage;
use super::warm::{Key, MAX_REPLAY_MS, key};
use crate::clock::EARLIEST;
use crate::flow::AlarmEvent;
use crate::journal::Journal;

/// Entries of the alarm lane that are read in one go; as many are read at least, however old.
const PAGE: usize = 2_000;
/// Entries that are read at most, about a quarter of a second of a start: the lane holds everything that happened, audits and notes too.
const MOST: usize = 50_000;

/// Of the newest entries as far back as a start is shown readings, [`MOST`] at most. An alarm that stands and that these do not tell of
/// tells of itself: see [`Lately::trust`].
#[derive(Debug, Default)]
pub struct Lately {
    /// The last raise, escalation or return.
    pub(super) moved: HashMap<Key, AlarmEvent>,
    named: HashMap<Key, Named>,
}

impl Lately {
    /// Reads it back. Where that can't be done, it is told in the log, and detectors start from the telemetry and what stands.
    pub async fn read(journal: &Journal) -> Self {
        let (mut lately, mut read, mut before, mut newest) = (Self::default(), 0, None, None);
        while read < MOST {
            let page = match journal.entries(before, PAGE).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!(error, "alarm lane can't be read back, detectors start without what it said lately");
                    break;
                }
            };
            let Some((last, oldest)) = page.last() else { break };
            let newest = *newest.get_or_insert(page.first().map_or(oldest.at(), |(_, entry)| entry.at()));
            // A count of a clock that was not set is no time, and does not end it.
            let far = (EARLIEST.0..newest.saturating_sub_unsigned(MAX_REPLAY_MS)).contains(&oldest.at());
            (before, read) = (Some(*last), read + page.len());
            page.into_iter().filter_map(|(_, entry)| entry.into_alarm()).for_each(|event| lately.take(event));
            if far {
                break;
            }
        }
        lately
    }

    /// One more, older than all before.
    pub(super) fn take(&mut self, event: AlarmEvent) {
        let key = key(&event);
        let onset = Wall(event.onset);
        if let Ok(id) = u64::from_str_radix(&event.id, 16) {
            let named = self.named.entry(key.clone()).or_insert(Named { last: AlarmId(id), latest: onset });
            named.latest = named.latest.max(onset);
        }
        if moves(&event) {
            self.moved.entry(key).or_insert(event);
        }
    }

    /// Tells the engine what alarms were called and since when each condition stands or is over. Of an alarm that stands and has not
    /// moved lately, its last step knows: a lost sensor that was acknowledged before a storm is lost still, and its last good
    /// word is no news.
    pub(super) fn trust(&self, storage: &mut Storage, standing: &[AlarmEvent], binding_of: &HashMap<Key, u32>) {
        for (key, named) in &self.named {
            if let Some(&binding) = binding_of.get(key) {
                storage.engine().name(binding, named.last, named.latest);
            }
        }
        let untold = standing.iter().filter(|event| !self.moved.contains_key(&key(event)));
        for event in self.moved.values().chain(untold) {
            let Some(&binding) = binding_of.get(&key(event)) else { continue };
            let stands = ["raise", "escalate"].contains(&event.event.as_str())
                || (!moves(event) && ["unacknowledged", "acknowledged"].contains(&event.life()));
            // What is made of samples is judged some time after its onset; what it was judged by is what counts.
            let known = match (stands, event.event.as_str()) {
                (true, _) if !storage.samples(binding) => event.since,
                (true, _) | (false, "return") => event.occurred,
                // When it ended is not told by what was done about it later.
                (false, _) => continue,
            };
            // Nor was it known before it was decided, by a source whose clock is ahead.
            storage.engine().trust(binding, Wall(known.min(event.detected)), event.limit);
        }
    }
}

/// Whether its condition began, rose or ended with this step.
fn moves(event: &AlarmEvent) -> bool {
    ["raise", "escalate", "return"].contains(&event.event.as_str())
}
