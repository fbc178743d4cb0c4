//! The gateway's own counters. Plain atomics: counting never waits.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gengfu_core::time::Mono;
use serde::Serialize;

/// A counter that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Why a reading or message was not committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefusedReason {
    /// A reading that should have been in a message and was not (the message is kept as a refused record); or a message
    /// like it, beyond those that are kept of one source in a minute.
    Undecodable,
    /// The subscription already has `max_devices`.
    TooManyDevices,
    /// The journal's queue was full: the disk is sick.
    JournalFull,
    /// A QoS 0 message that came while the engine was behind.
    EngineBusy,
}

impl RefusedReason {
    pub const ALL: [Self; 4] = [Self::Undecodable, Self::TooManyDevices, Self::JournalFull, Self::EngineBusy];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Undecodable => "undecodable",
            Self::TooManyDevices => "too-many-devices",
            Self::JournalFull => "journal-full",
            Self::EngineBusy => "engine-busy",
        }
    }
}

/// How a source link is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum LinkState {
    Connecting,
    Up,
    /// With the reason, for people.
    Down {
        why: String,
    },
}

/// One source link as the status page shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LinkStatus {
    #[serde(flatten)]
    pub state: LinkState,
    /// UTC milliseconds of the last change.
    pub since: i64,
}

/// All counters of one run: read = committed + refused(reason) + in flight.
#[derive(Debug, Default)]
pub struct Stats {
    /// Readings (and undecodable messages) taken from sources.
    pub read: Counter,
    /// Readings and refused records synced to disk.
    pub committed: Counter,
    refused: [Counter; RefusedReason::ALL.len()],
    /// Requests answered with an exception, timeouts, reconnects: one counter a source event.
    pub modbus_requests: Counter,
    pub modbus_exceptions: Counter,
    pub modbus_timeouts: Counter,
    pub modbus_connects: Counter,
    /// Polls begun later than one period after they were due.
    pub modbus_late_polls: Counter,
    /// Readings whose source stamp was not believed.
    pub clock_off: Counter,
    pub mqtt_messages: Counter,
    pub mqtt_connects: Counter,
    /// Messages that could not be understood, or not all of them; each is kept as a record.
    pub mqtt_refused: Counter,
    pub alarm_transitions: Counter,
    /// Raw deliveries: batches sent to stores and pushes to webhooks, and those that failed.
    pub forward_batches: Counter,
    pub forward_failures: Counter,
    pub notify_pushes: Counter,
    pub notify_failures: Counter,
    /// Pushes that went out before their alarm was on disk.
    pub notify_not_durable: Counter,
    /// Starts of this run that found a lane torn and made it anew: 0 or 1.
    pub journal_repairs: Counter,
    /// Readings left out of old history for want of room.
    pub history_thinned: Counter,
    /// Readings of history dropped, by age or for want of room.
    pub history_expired: Counter,
    /// Source tasks that ended unasked (a panic) and were started again.
    pub source_restarts: Counter,
    /// The same of forward, notify and the console.
    pub reader_restarts: Counter,
    links: Mutex<BTreeMap<String, LinkStatus>>,
    site_file: Mutex<Option<String>>,
    unpushed: Mutex<BTreeMap<String, Mono>>,
}

/// Shared by all rooms.
pub type SharedStats = Arc<Stats>;

impl Stats {
    pub fn refuse(&self, reason: RefusedReason, n: u64) {
        if let Some(counter) = self.refused.get(reason as usize) {
            counter.add(n);
        }
    }

    pub fn refused(&self, reason: RefusedReason) -> u64 {
        self.refused.get(reason as usize).map_or(0, Counter::get)
    }

    pub fn refused_all(&self) -> u64 {
        RefusedReason::ALL.into_iter().map(|r| self.refused(r)).sum()
    }

    /// Says how the link `name` is; `now` is UTC milliseconds.
    pub fn link(&self, name: &str, state: LinkState, now: i64) {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        match links.get_mut(name) {
            Some(status) if status.state == state => {}
            // Each attempt may word it differently; it is the same outage.
            Some(LinkStatus { state: was @ LinkState::Down { .. }, .. }) if matches!(state, LinkState::Down { .. }) => {
                *was = state;
            }
            Some(status) => *status = LinkStatus { state, since: now },
            None => {
                links.insert(name.to_owned(), LinkStatus { state, since: now });
            }
        }
    }

    /// The configuration no longer has the link.
    pub fn forget(&self, name: &str) {
        self.links.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// Why the site file on disk is not in force; `None` while it is.
    pub fn site_file(&self, why: Option<String>) {
        *self.site_file.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// What [`Stats::site_file`] was told last.
    pub fn site_file_trouble(&self) -> Option<String> {
        self.site_file.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Since when the oldest push of the channel `name` waits to be accepted. Its link alone does not tell: a receiver may
    /// take heartbeats and other alarms meanwhile.
    pub fn unpushed(&self, name: &str, since: Option<Mono>) {
        let mut unpushed = self.unpushed.lock().unwrap_or_else(PoisonError::into_inner);
        match since {
            Some(since) => unpushed.insert(name.to_owned(), since),
            None => unpushed.remove(name),
        };
    }

    /// The oldest push that waits to be accepted, of all channels.
    pub fn oldest_unpushed(&self) -> Option<Mono> {
        self.unpushed.lock().unwrap_or_else(PoisonError::into_inner).values().min().copied()
    }

    /// All links by name.
    pub fn links(&self) -> BTreeMap<String, LinkStatus> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_for_a_refusal_is_counted() {
        let stats = Stats::default();
        for (n, reason) in (1..).zip(RefusedReason::ALL) {
            stats.refuse(reason, n);
            assert_eq!(stats.refused(reason), n, "{}", reason.word());
        }
        assert_eq!(stats.refused_all(), 1 + 2 + 3 + 4);
    }
}
