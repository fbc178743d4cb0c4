//! The live view: one sampler asks the engine twice a second, whoever many screens look on, and tells them what
//! changed. A live view is state, not a queue: what a slow screen misses it fetches anew (`resync`).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gengfu_core::reading::{PointId, Reading};
use serde::Serialize;
use serde_json::json;
use tokio::sync::broadcast;

use super::App;
use super::view::Present;
use crate::driver::Snapshot;

/// Changed points go out twice a second.
const PERIOD: Duration = Duration::from_millis(500);
/// A heartbeat at least this often, so that a screen can tell silence from calm.
const HEARTBEAT_MS: u64 = 10_000;
/// A value that stays the same is sent again once its time moved by this much, so that its age stays true.
const FRESHNESS_MS: u64 = 2_000;
/// Points in one event; a browser draws between two events.
const POINTS_MAX: usize = 1_000;
/// Events a screen may lag behind before it has to fetch everything anew.
const LAG: usize = 64;

/// One event for every screen, made once.
#[derive(Debug, Clone)]
pub(super) struct Pulse {
    pub(super) name: &'static str,
    pub(super) data: Arc<str>,
}

/// The sampler's public end.
#[derive(Debug, Clone)]
pub(super) struct Live {
    pulses: broadcast::Sender<Pulse>,
    engine_alive: Arc<AtomicBool>,
}

impl Default for Live {
    fn default() -> Self {
        Self { pulses: broadcast::channel(LAG).0, engine_alive: Arc::new(AtomicBool::new(true)) }
    }
}

impl Live {
    pub(super) fn subscribe(&self) -> broadcast::Receiver<Pulse> {
        self.pulses.subscribe()
    }

    /// Whether the engine answered the last time it was asked.
    pub(super) fn engine_alive(&self) -> bool {
        self.engine_alive.load(Ordering::Relaxed)
    }

    /// Samples for ever; asks nothing while nobody looks.
    pub(super) async fn sample(&self, app: &App) {
        let mut changes = Changes::default();
        let mut modes = Vec::new();
        let mut said = app.clock.mono();
        loop {
            tokio::time::sleep(PERIOD).await;
            if self.pulses.receiver_count() == 0 {
                continue;
            }
            let snapshot = app.snapshot().await;
            let alive = snapshot.is_some();
            let snapshot = snapshot.unwrap_or_default();
            for part in changes.take(&snapshot).chunks(POINTS_MAX) {
                self.say("points", &named(part, app));
            }
            if alive && modes != snapshot.modes {
                self.say("modes", &json!({ "items": snapshot.modes }));
                modes = snapshot.modes;
            }
            let turned = self.engine_alive.swap(alive, Ordering::Relaxed) != alive;
            let now = app.clock.now();
            if turned || now.mono.since(said) >= HEARTBEAT_MS {
                said = now.mono;
                self.say("heartbeat", &json!({ "now": now.wall.0, "engine": alive }));
            }
        }
    }

    fn say(&self, name: &'static str, data: &impl Serialize) {
        let data = serde_json::to_string(data).expect("names and finite numbers are JSON");
        // No receiver means the last screen has just gone.
        let _ = self.pulses.send(Pulse { name, data: data.into() });
    }
}

/// A point's news.
#[derive(Debug, Serialize)]
struct News<'a> {
    device: &'a str,
    point: &'a str,
    #[serde(flatten)]
    present: Present,
}

fn named(readings: &[Reading], app: &App) -> serde_json::Value {
    let item = |reading: &Reading| {
        let meta = app.catalog.get(reading.point)?;
        let present = Present::of(Some(*reading), app.site().labels.point(&meta.name()));
        serde_json::to_value(News { device: &meta.device, point: &meta.point, present }).ok()
    };
    json!({ "items": readings.iter().filter_map(item).collect::<Vec<_>>() })
}

/// What was told last. It is never forgotten while nobody looks: the first news after a pause then covers the pause,
/// so that a screen that fetched everything in between has missed nothing.
#[derive(Debug, Default)]
struct Changes {
    told: HashMap<PointId, Reading>,
}

impl Changes {
    fn take(&mut self, snapshot: &Snapshot) -> Vec<Reading> {
        let readings = snapshot.present().filter_map(|(_, reading)| reading);
        let news: Vec<Reading> = readings.filter(|reading| self.is_news(reading)).collect();
        self.told.extend(news.iter().map(|reading| (reading.point, *reading)));
        news
    }

    fn is_news(&self, reading: &Reading) -> bool {
        self.told.get(&reading.point).is_none_or(|told| {
            told.value.to_bits() != reading.value.to_bits()
                || told.quality != reading.quality
                || told.at.0.abs_diff(reading.at.0) >= FRESHNESS_MS
        })
    }
}

#[cfg(test)]
mod tests {
    use gengfu_core::quality::{Quality, Reason};
    use gengfu_core::time::Wall;

    use super::*;

    fn snapshot(at: i64, value: f64, quality: Quality) -> Snapshot {
        let point = PointId(7);
        Snapshot { points: vec![(point, Some(Reading { point, at: Wall(at), value, quality }))], ..Snapshot::default() }
    }

    #[test]
    fn only_changes_are_told_and_a_steady_value_keeps_its_age() {
        let mut changes = Changes::default();
        let mut told = |at, value, quality| changes.take(&snapshot(at, value, quality)).len();
        assert_eq!(told(0, 1.0, Quality::Good), 1);
        assert_eq!(told(500, 1.0, Quality::Good), 0);
        assert_eq!(told(1000, 1.5, Quality::Good), 1);
        assert_eq!(told(1500, 1.5, Quality::Uncertain(Reason::Clock)), 1);
        assert_eq!(told(3499, 1.5, Quality::Uncertain(Reason::Clock)), 0);
        assert_eq!(told(3500, 1.5, Quality::Uncertain(Reason::Clock)), 1);
        // The clock stepped back: the time shown must follow.
        assert_eq!(told(10, 1.5, Quality::Uncertain(Reason::Clock)), 1);
    }

    #[test]
    fn a_pause_does_not_swallow_a_change() {
        let mut changes = Changes::default();
        changes.take(&snapshot(0, 1.0, Quality::Good));
        // Nobody looked while the value went to 2; the first sample afterwards tells it.
        assert_eq!(changes.take(&snapshot(100, 2.0, Quality::Good)).len(), 1);
    }
}
