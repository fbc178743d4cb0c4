//! How the gateway is: the summary for people, and what the probes make of it.

use std::fmt::{self, Display};

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::super::App;
use crate::journal::{Health, Lane};

/// A writer that finished no round for this long is stuck, and a restart may cure it: as long as the watchdog of
/// deploy/gengfu.service waits, so that a disk that hangs for a while restarts nothing.
const STUCK_MS: u64 = 20_000;
/// After this long it is said that what happens now does not last.
const SLOW_MS: u64 = 5_000;

/// A part that lives hang on and that does not do its work. In English as programs and logs read it; the page has its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Fault {
    /// The engine does not answer.
    Engine,
    /// A lane's writer has finished no round for so long.
    Still { lane: Lane, ms: u64 },
    /// What the lane's disk said.
    Disk { lane: Lane, error: String },
}

impl Fault {
    /// The lane whose disk it is about.
    pub(in super::super) const fn lane(&self) -> Option<Lane> {
        match self {
            Self::Engine => None,
            Self::Still { lane, .. } | Self::Disk { lane, .. } => Some(*lane),
        }
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |lane: &Lane| match lane {
            Lane::Alarm => "alarm",
            Lane::Telemetry => "telemetry",
        };
        match self {
            Self::Engine => f.write_str("the engine does not answer"),
            Self::Still { lane, ms } => write!(f, "the {} lane's writer has not moved for {ms} ms", word(lane)),
            Self::Disk { lane, error } => write!(f, "the {} lane has an error: {error}", word(lane)),
        }
    }
}

/// What is wrong now; `alive` kills a process that a restart would cure, `ready` does not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in super::super) struct Failing {
    /// The engine or a writer does not move.
    pub(in super::super) alive: Vec<Fault>,
    /// A lane has an error that a restart would not mend.
    pub(in super::super) ready: Vec<Fault>,
}

impl Failing {
    pub(in super::super) fn all(&self) -> impl Iterator<Item = &Fault> {
        self.alive.iter().chain(&self.ready)
    }
}

/// Judges the parts that lives hang on; `mono` is the engine's counter now.
pub(in super::super) fn failing(engine: bool, journal: &Health, mono: u64) -> Failing {
    let mut failing = Failing::default();
    if !engine {
        failing.alive.push(Fault::Engine);
    }
    let lanes = [
        (Lane::Alarm, journal.alarm_progress, &journal.alarm_error),
        (Lane::Telemetry, journal.telemetry_progress, &journal.telemetry_error),
    ];
    for (lane, progress, error) in lanes {
        let ms = mono.saturating_sub(progress);
        if ms > STUCK_MS {
            failing.alive.push(Fault::Still { lane, ms });
        } else if ms > SLOW_MS {
            failing.ready.push(Fault::Still { lane, ms });
        }
        failing.ready.extend(error.clone().map(|error| Fault::Disk { lane, error }));
    }
    failing
}

pub(super) async fn status(State(app): State<App>) -> Json<Value> {
    let snapshot = app.snapshot().await;
    let now = app.clock.now();
    let journal = app.history.health();
    let failing = failing(snapshot.is_some(), &journal, now.mono.0);
    let impaired = app.impaired(snapshot.as_ref()).reasons();
    let links: Vec<Value> = app
        .links()
        .into_iter()
        .map(|(name, link)| {
            let mut link = serde_json::to_value(link).unwrap_or_default();
            if let Some(fields) = link.as_object_mut() {
                fields.insert("name".to_owned(), name.into());
            }
            link
        })
        .collect();
    let (written, a_day) = (super::process::written(), super::process::written_a_day(app.clock.up_ms()));
    let reasons: Vec<String> = failing.all().map(ToString::to_string).collect();
    let site = &app.site();
    Json(json!({
        "site": {
            "id": site.id, "name": site.name, "street": site.street, "industry": site.industry, "timezone": site.timezone,
        },
        "version": env!("CARGO_PKG_VERSION"),
        "started": app.started(),
        "uptime_ms": app.clock.up_ms(),
        "clock": { "now": now.wall.0, "mono": now.mono.0, "set": app.clock.is_set() },
        "engine": { "alive": snapshot.is_some(), "mono": snapshot.as_ref().map(|s| s.mono) },
        "levels": snapshot.map(|s| s.levels),
        "journal": journal,
        "disk": written.map(|bytes| json!({ "written": bytes, "written_a_day": a_day })),
        "links": links,
        "failing": reasons,
        "impaired": impaired,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::tests::made_up;

    #[test]
    fn a_stuck_writer_and_a_sick_disk_are_told_apart() {
        let mut health = made_up::health(10_000);
        assert_eq!(failing(true, &health, 15_000), Failing::default());
        assert_eq!(failing(true, &health, 15_001).alive.len(), 0);
        assert_eq!(failing(true, &health, 15_001).ready.len(), 2);
        assert_eq!(failing(true, &health, 30_001).alive.len(), 2);
        assert_eq!(failing(false, &health, 10_000).alive.len(), 1);
        health.telemetry_error = Some("disk full".to_owned());
        let failing = failing(true, &health, 10_000);
        assert!(failing.alive.is_empty());
        assert_eq!(failing.ready[0].to_string(), "the telemetry lane has an error: disk full");
    }
}
