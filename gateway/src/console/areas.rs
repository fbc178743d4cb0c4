//! The areas of a site, and the mode that runs in each. Pure.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::catalog::Catalog;
use crate::driver::Snapshot;
use crate::journal::ModeRecord;
use crate::source::own;

/// What an address says for the points that stand in no area.
pub(super) const NOWHERE: &str = "-";

/// An area as the API lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct AreaView {
    /// Empty for what stands in none.
    pub(super) area: String,
    /// Its points.
    pub(super) points: usize,
    pub(super) running: Option<Running>,
}

/// A mode that runs: its record, with what a walk-test has tripped so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Running {
    #[serde(flatten)]
    pub(super) record: ModeRecord,
    pub(super) remaining_ms: u64,
}

/// All areas by name; `now` is UTC ms.
pub(super) fn all(snapshot: &Snapshot, catalog: &Catalog, now: i64) -> Vec<AreaView> {
    let mut areas: BTreeMap<String, usize> = BTreeMap::new();
    // The gateway stands in no area that a person could test.
    let metas = snapshot.points.iter().filter_map(|(id, _)| catalog.get(*id)).filter(|meta| meta.device != own::DEVICE);
    for meta in metas {
        *areas.entry(meta.area.clone().unwrap_or_default()).or_default() += 1;
    }
    for record in &snapshot.modes {
        areas.entry(record.area.clone()).or_default();
    }
    let view = |(area, points): (String, usize)| {
        let record = snapshot.modes.iter().find(|record| record.area == area);
        let running = record.map(|record| Running {
            remaining_ms: u64::try_from(record.until.saturating_sub(now)).unwrap_or(0),
            record: record.clone(),
        });
        AreaView { area, points, running }
    };
    areas.into_iter().map(view).collect()
}
