//! What the driver says beside transitions: of the alarms as a whole, and of the site. Each is an entry of the alarm lane and a
//! live event.

use gengfu_core::alarm::performance::Period;
use serde::Serialize;

use crate::journal::{Entry, LevelRecord};

/// Something began, ended or changed. Times are UTC ms.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum News {
    /// The site's warning level or risk colour moved.
    Level(Box<LevelRecord>),
    /// More alarms in a window than anybody can handle.
    FloodBegan {
        at: i64,
        count: u32,
        above: u32,
        window_ms: u64,
    },
    FloodEnded {
        at: i64,
        since: i64,
        peak: u32,
        count: u32,
    },
    /// An alarm comes and goes too often.
    ChatterBegan {
        at: i64,
        rule: String,
        point: String,
    },
    ChatterEnded {
        at: i64,
        rule: String,
        point: String,
        lasted_ms: u64,
        transitions: u32,
    },
    /// A day by the site's clock is over.
    Day {
        at: i64,
        since: i64,
        annunciated: u32,
        windows_above: u32,
        hours_above: u32,
        floods: u32,
        flood_ms: u64,
        chatters: u32,
        fleeting: u32,
    },
}

impl News {
    pub(super) fn day(period: &Period) -> Self {
        Self::Day {
            at: period.until.wall.0,
            since: period.since.wall.0,
            annunciated: period.annunciated.total(),
            windows_above: period.windows.above,
            hours_above: period.hours.above,
            floods: period.floods,
            flood_ms: period.flood_ms,
            chatters: period.chatters,
            fleeting: period.fleeting,
        }
    }

    /// The name of the live event.
    pub const fn event(&self) -> &'static str {
        match self {
            Self::Level(_) => "warning",
            Self::FloodBegan { .. }
            | Self::FloodEnded { .. }
            | Self::ChatterBegan { .. }
            | Self::ChatterEnded { .. }
            | Self::Day { .. } => "performance",
        }
    }

    /// As the alarm lane keeps it.
    pub(super) fn entry(&self) -> Entry {
        if let Self::Level(record) = self {
            return Entry::Level(record.as_ref().clone());
        }
        let (at, what, detail) = self.words();
        Entry::Maintenance { at, what: what.to_owned(), detail }
    }

    /// For the log.
    pub(super) fn log(&self) {
        let (_, what, detail) = self.words();
        tracing::warn!(detail, "{what}");
    }

    /// When, what, and how much of it.
    fn words(&self) -> (i64, &'static str, String) {
        let s = |ms: u64| ms / 1_000;
        match self {
            Self::Level(record) => {
                let LevelRecord { at, scale, change, from, to, by, why, .. } = record.as_ref();
                (*at, "site-level", format!("{scale} {change} from {from} to {to} by {by}: {}", why.en))
            }
            Self::FloodBegan { at, count, above, window_ms } => {
                (*at, "alarm-flood-began", format!("{count} alarms in {} s, more than {above}", s(*window_ms)))
            }
            Self::FloodEnded { at, since, peak, count } => {
                let lasted = s(at.saturating_sub(*since).max(0) as u64);
                (*at, "alarm-flood-ended", format!("it lasted {lasted} s, {count} alarms, {peak} in one window"))
            }
            Self::ChatterBegan { at, rule, point } => (*at, "alarm-chatter-began", format!("{rule} {point}")),
            Self::ChatterEnded { at, rule, point, lasted_ms, transitions } => {
                let told = format!("{rule} {point}: it lasted {} s, {transitions} transitions", s(*lasted_ms));
                (*at, "alarm-chatter-ended", told)
            }
            Self::Day { at, annunciated, windows_above, hours_above, floods, flood_ms, chatters, fleeting, .. } => {
                let told = format!(
                    "{annunciated} alarms rang; too many in {windows_above} windows and {hours_above} hours; {floods} floods of \
                     {} s in all; {chatters} times chattering, {fleeting} fleeting",
                    s(*flood_ms)
                );
                (*at, "alarm-day", told)
            }
        }
    }
}
