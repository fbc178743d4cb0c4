//! Sinks that come and go while the journal is open. It is as at a start: one that was never seen is owed what is
//! committed from now on, one that comes back all it missed; one that is gone counts no more and nothing waits for it.

use super::deliveries::Loaded;
use super::delivery::{Fate, Map};
use super::lane::lock;
use super::{Journal, Lane, Seq, SinkSpec, open, start};
use crate::config::checked::JournalConfig;

impl Journal {
    /// Adds a sink that is not declared. The error says why its delivery map can't be read; nothing is changed then.
    pub async fn add_sink(&self, spec: &SinkSpec) -> Result<(), String> {
        let mut found = Vec::new();
        for lane in spec.lanes {
            let core = self.inner.core(*lane);
            let (spec, lane, head) = (spec.clone(), *lane, core.head().seq);
            let read = move |conn: &rusqlite::Connection| {
                let map = open::load_map(conn, &spec, head, false)?;
                Ok((map, start::voids(conn)?, open::gone(conn, lane, Some(head))?))
            };
            found.push((lane, core.readers.spawn(read).await?));
        }
        for (lane, (map, voids, gone)) in found {
            let core = self.inner.core(lane);
            let now = core.clock.mono();
            let mut deliveries = lock(&core.deliveries);
            // One that left in this run has its map here, and the disk may be behind it.
            if !deliveries.retire(&spec.name, false) {
                let (map, new) = match map {
                    Loaded::Known(map) => (map, false),
                    Loaded::Reset(map) => (map, true),
                    // Under the lock: what is committed from here on is owed.
                    Loaded::New => (Map::new(core.head().seq + 1), true),
                };
                deliveries.add(&spec.name, map, new, now);
            }
            // First what never was: the rest of what is not there was lost to retention, thinning or a repair.
            let as_fate = |fate: Fate| move |(from, to): (Seq, Seq)| (from, to, fate.clone());
            let voids = voids.into_iter().map(as_fate(Fate::Void));
            deliveries.settle_one(&spec.name, voids.chain(gone.into_iter().map(as_fate(Fate::Expired))), now);
        }
        Ok(())
    }

    /// Takes a sink out whose tasks have ended. What it was owed stays in its map, should it come back.
    pub fn remove_sink(&self, spec: &SinkSpec) {
        for lane in spec.lanes {
            let mut deliveries = lock(&self.inner.core(*lane).deliveries);
            let index = deliveries.find(&spec.name);
            deliveries.retire(&spec.name, true);
            drop(deliveries);
            if let Some(index) = index.filter(|_| *lane == Lane::Alarm) {
                self.inner.alarm.leave(index);
            }
        }
    }

    /// Other limits on age and bytes from now on.
    pub fn limit(&self, config: &JournalConfig) {
        self.inner.telemetry.limit(config.clone());
    }
}
