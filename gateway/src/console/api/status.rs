//! How the gateway is: the summary for people, and what the probes make of it.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::super::App;
use crate::journal::Health;

/// A writer that finished no round for this long is stuck, and a restart may cure it: as long as the watchdog of
/// deploy/gengfu.service waits, so that a disk that hangs for a while restarts nothing.
const STUCK_MS: u64 = 20_000;
/// After this long it is said that what happens now does not last.
const SLOW_MS: u64 = 5_000;

/// What is wrong now, in words; `alive` kills a process that a restart would cure, `ready` does not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in super::super) struct Failing {
    /// The engine or a writer does not move.
    pub(in super::super) alive: Vec<String>,
    /// A lane has an error that a restart would not mend.
    pub(in super::super) ready: Vec<String>,
}

/// Judges the parts that lives hang on; `mono` is the engine's counter now.
pub(in super::super) fn failing(engine: bool, journal: &Health, mono: u64) -> Failing {
    let mut failing = Failing::default();
    if !engine {
        failing.alive.push("the engine does not answer".to_owned());
    }
    let lanes = [
        ("alarm", journal.alarm_progress, &journal.alarm_error),
        ("telemetry", journal.telemetry_progress, &journal.telemetry_error),
    ];
    for (lane, progress, error) in lanes {
        let silent = mono.saturating_sub(progress);
        let moves_not = format!("the {lane} lane's writer has not moved for {silent} ms");
        if silent > STUCK_MS {
            failing.alive.push(moves_not);
        } else if silent > SLOW_MS {
            failing.ready.push(moves_not);
        }
        failing.ready.extend(error.as_ref().map(|error| format!("the {lane} lane has an error: {error}")));
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
    let reasons = [failing.alive, failing.ready].concat();
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
        assert!(failing.ready[0].contains("disk full"));
    }
}
