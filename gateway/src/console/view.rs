//! How the present looks from outside: pure functions from the engine's snapshot to what the API and the page show.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use gengfu_core::alarm::Priority;
use gengfu_core::detect::limit::Side;
use gengfu_core::detect::{Params, trend};
use gengfu_core::quality::{Quality, Reason};
use gengfu_core::reading::{PointId, Reading};
use serde::{Serialize, Serializer};

use crate::catalog::{Catalog, PointMeta};
use crate::config::checked::{Labels, LevelMeta, PointLabel, Rule};
use crate::driver::Snapshot;
use crate::flow::{AlarmEvent, Text};
use crate::journal::SinkBalance;
use crate::telemetry::{RefusedReason, Stats};

/// A value with its quality: what changes from moment to moment. Absence has a reason and never a number.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Now {
    pub(super) value: Option<f64>,
    pub(super) quality: &'static str,
    pub(super) reason: Option<&'static str>,
    /// UTC ms at which it was true; `None` before the first reading.
    pub(super) at: Option<i64>,
}

impl Now {
    /// A point that was not heard yet has no value because there was no link to it.
    pub(super) fn of(reading: Option<Reading>) -> Self {
        let quality = reading.map_or(Quality::Bad(Reason::Comm), |reading| reading.quality);
        let value = reading.filter(|_| quality.has_value()).map(|reading| reading.value);
        Self {
            value: value.filter(|value| value.is_finite()),
            quality: quality.word(),
            reason: quality.reason().map(Reason::word),
            at: reading.map(|reading| reading.at.0),
        }
    }

    pub(super) fn is_good(&self) -> bool {
        self.quality == Quality::Good.word()
    }
}

/// The same with the word of a state, where the point has words and the value is one of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Present {
    #[serde(flatten)]
    pub(super) now: Now,
    pub(super) word: Option<Text>,
}

impl Present {
    pub(super) fn of(reading: Option<Reading>, label: Option<&PointLabel>) -> Self {
        let now = Now::of(reading);
        Self { word: label.zip(now.value).and_then(|(label, value)| label.word(value)).cloned(), now }
    }
}

/// A point as the API lists it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct PointView {
    #[serde(skip)]
    pub(super) id: PointId,
    #[serde(flatten, serialize_with = "unshared")]
    pub(super) meta: Arc<PointMeta>,
    pub(super) device_label: Option<Text>,
    pub(super) label: Option<Text>,
    #[serde(flatten)]
    pub(super) present: Present,
}

fn unshared<S: Serializer>(meta: &Arc<PointMeta>, serializer: S) -> Result<S::Ok, S::Error> {
    meta.as_ref().serialize(serializer)
}

/// All points of the snapshot, in the order of their indices, so that a cursor stays true.
pub(super) fn points(snapshot: &Snapshot, catalog: &Catalog, labels: &Labels) -> Vec<PointView> {
    let view = |(id, reading): (PointId, Option<Reading>)| {
        let meta = catalog.get(id)?;
        let said = labels.point(&meta.name());
        let label = said.and_then(|said| said.label.clone());
        Some(PointView {
            id,
            device_label: labels.device(&meta.device).cloned(),
            label,
            present: Present::of(reading, said),
            meta,
        })
    };
    let mut points: Vec<PointView> = snapshot.present().filter_map(view).collect();
    points.sort_by_key(|point| point.id);
    points
}

/// Points by device, in the order in which devices were first seen.
pub(super) fn by_device(points: Vec<PointView>) -> Vec<Vec<PointView>> {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut devices: Vec<Vec<PointView>> = Vec::new();
    for point in points {
        let place = *places.entry(point.meta.device.clone()).or_insert(devices.len());
        match devices.get_mut(place) {
            Some(device) => device.push(point),
            None => devices.push(vec![point]),
        }
    }
    devices
}

/// A device as the API lists it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct DeviceView {
    pub(super) device: String,
    pub(super) label: Option<Text>,
    pub(super) kind: String,
    pub(super) area: Option<String>,
    pub(super) source: Option<String>,
    pub(super) points: usize,
    /// Points whose quality is not good.
    pub(super) troubled: usize,
    /// Alarms that stand on it.
    pub(super) alarms: usize,
    /// UTC ms of its newest reading.
    pub(super) at: Option<i64>,
}

/// One device out of its points.
pub(super) fn device(points: &[PointView], alarms: &[AlarmEvent]) -> Option<(PointId, DeviceView)> {
    let first = points.first()?;
    let meta = &first.meta;
    let view = DeviceView {
        device: meta.device.clone(),
        label: first.device_label.clone(),
        kind: meta.kind.clone(),
        area: meta.area.clone(),
        source: meta.source.clone(),
        points: points.len(),
        troubled: points.iter().filter(|point| !point.present.now.is_good()).count(),
        alarms: alarms.iter().filter(|alarm| alarm.device == meta.device).count(),
        at: points.iter().filter_map(|point| point.present.now.at).max(),
    };
    Some((first.id, view))
}

/// The number behind a priority's word, highest the most urgent; a word nobody knows is taken for the worst.
pub(super) fn urgency(word: &str) -> u8 {
    Priority::ALL.into_iter().find(|p| p.word() == word).map_or(u8::MAX, |p| p as u8)
}

/// A line that a rule draws into a point's trend.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Line {
    pub(super) rule: String,
    pub(super) limit: f64,
    pub(super) side: &'static str,
    pub(super) priority: &'static str,
    /// Of a predictive rule.
    pub(super) early_warning: bool,
}

/// The limits that live rules hold a point (`device/point`) against, most urgent first.
pub(super) fn lines(rules: &[Rule], point: &str) -> Vec<Line> {
    let matching = rules.iter().filter(|rule| !rule.shadow && rule.matches(point));
    let mut lines: Vec<Line> = matching.flat_map(rule_lines).collect();
    lines.sort_by_key(|line| Reverse(urgency(line.priority)));
    lines
}

fn rule_lines(rule: &Rule) -> Vec<Line> {
    let line = |limit: f64, side: Side, level: usize, early_warning: bool| {
        let priority = rule.levels.get(level).map_or(Priority::Critical, |level: &LevelMeta| level.priority).word();
        Line { rule: rule.id.clone(), limit, side: side_word(side), priority, early_warning }
    };
    match rule.detector {
        Params::Limit(params) => {
            let second = params.second.map(|level| line(level.limit, params.side, 1, false));
            std::iter::once(line(params.first.limit, params.side, 0, false)).chain(second).collect()
        }
        Params::Trend(trend::Params { limit, side, .. }) => vec![line(limit, side, 0, true)],
        Params::Band(params) => [params.low, params.high].map(|p| line(p.first.limit, p.side, 0, false)).to_vec(),
        Params::Digital(_)
        | Params::Absent(_)
        | Params::Vote(_)
        | Params::Rate(_)
        | Params::Frozen(_)
        | Params::Count(_)
        | Params::Dwell(_)
        | Params::Accumulated(_)
        | Params::Rhythm(_)
        | Params::Drift(_)
        | Params::Habit(_)
        | Params::Sibling(_)
        | Params::Residual(_)
        | Params::Ratio(_)
        | Params::Group(_) => Vec::new(),
    }
}

pub(super) const fn side_word(side: Side) -> &'static str {
    match side {
        Side::High => "high",
        Side::Low => "low",
    }
}

/// Balance of this run: read = committed + refused + in flight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct RunBalance {
    pub(super) read: u64,
    pub(super) committed: u64,
    pub(super) refused: Vec<(&'static str, u64)>,
    pub(super) in_flight: u64,
}

impl RunBalance {
    /// The counters move while they are read, so `read` comes last: in flight may be seen too large, never negative.
    pub(super) fn of(stats: &Stats) -> Self {
        let committed = stats.committed.get();
        let refused: Vec<(&'static str, u64)> =
            RefusedReason::ALL.into_iter().map(|reason| (reason.word(), stats.refused(reason))).collect();
        let read = stats.read.get();
        let gone: u64 = refused.iter().map(|(_, n)| n).sum();
        Self { read, committed, refused, in_flight: read.saturating_sub(committed.saturating_add(gone)) }
    }
}

/// All sinks together, and what can't be accounted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(super) struct Totals {
    pub(super) committed: u64,
    pub(super) delivered: u64,
    pub(super) pending: u64,
    pub(super) dead: u64,
    pub(super) thinned: u64,
    pub(super) expired: u64,
    /// Committed and in none of the other terms: must be 0.
    pub(super) unaccounted: u64,
}

impl Totals {
    pub(super) fn of(sinks: &[SinkBalance]) -> Self {
        sinks.iter().fold(Self::default(), |sum, sink| {
            let settled = sink.delivered + sink.pending + sink.dead + sink.thinned + sink.expired;
            Self {
                committed: sum.committed + sink.committed,
                delivered: sum.delivered + sink.delivered,
                pending: sum.pending + sink.pending,
                dead: sum.dead + sink.dead,
                thinned: sum.thinned + sink.thinned,
                expired: sum.expired + sink.expired,
                unaccounted: sum.unaccounted + sink.committed.abs_diff(settled),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use gengfu_core::time::Wall;

    use super::*;
    use crate::console::tests::made_up;

    #[test]
    fn a_bad_reading_never_shows_a_number() {
        let bad = Reading { point: PointId(0), at: Wall(5), value: 0.0, quality: Quality::Bad(Reason::Timeout) };
        let now = Now::of(Some(bad));
        assert_eq!((now.value, now.quality, now.reason, now.at), (None, "bad", Some("timeout"), Some(5)));
        let unheard = Now::of(None);
        assert_eq!((unheard.value, unheard.quality, unheard.reason, unheard.at), (None, "bad", Some("comm"), None));
        let doubtful = Reading { quality: Quality::Uncertain(Reason::Clock), value: 2.5, ..bad };
        assert_eq!(Now::of(Some(doubtful)).value, Some(2.5));
    }

    #[test]
    fn a_record_nobody_knows_of_is_counted() {
        let mut sinks = vec![made_up::balance("a"), made_up::balance("b")];
        assert_eq!(Totals::of(&sinks).unaccounted, 0);
        sinks[0].delivered -= 3;
        assert_eq!(Totals::of(&sinks).unaccounted, 3);
    }
}
