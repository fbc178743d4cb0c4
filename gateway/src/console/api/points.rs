//! Points, devices and the history of a point.

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::App;
use super::super::extract::{Page, Paging, Params, instant};
use super::super::problem::Problem;
use super::super::view::{self, DeviceView, PointView};

/// Buckets in one answer, about as many as a screen has pixels for.
const MAX_BUCKETS: i64 = 600;
/// The range where none is asked for.
const DEFAULT_RANGE_MS: i64 = 3_600_000;
/// The longest range: a year and a day.
const MAX_RANGE_MS: i64 = 366 * 86_400_000;
/// Steps are rounded up to one of these where the caller leaves the choice to us.
const STEPS_MS: [i64; 18] = [
    1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 900_000, 1_800_000, 3_600_000,
    7_200_000, 14_400_000, 21_600_000, 43_200_000, 86_400_000,
];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    device: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

pub(super) async fn points(
    State(app): State<App>,
    Params(list): Params<List>,
) -> Result<Json<Page<PointView>>, Problem> {
    let paging = Paging::new(list.cursor.as_deref(), list.limit)?;
    let snapshot = app.snapshot().await.ok_or_else(Problem::engine_silent)?;
    let wanted = |point: &PointView| list.device.as_ref().is_none_or(|device| *device == point.meta.device);
    let points = view::points(&snapshot, &app.catalog, &app.site().labels).into_iter().filter(wanted);
    Ok(Json(paging.cut(points.map(|point| (u64::from(point.id.0), point)))))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Devices {
    cursor: Option<String>,
    limit: Option<usize>,
}

pub(super) async fn devices(
    State(app): State<App>,
    Params(list): Params<Devices>,
) -> Result<Json<Page<DeviceView>>, Problem> {
    let paging = Paging::new(list.cursor.as_deref(), list.limit)?;
    let snapshot = app.snapshot().await.ok_or_else(Problem::engine_silent)?;
    let devices = view::by_device(view::points(&snapshot, &app.catalog, &app.site().labels));
    let devices = devices.iter().filter_map(|points| view::device(points, &snapshot.alarms));
    Ok(Json(paging.cut(devices.map(|(id, device)| (u64::from(id.0), device)))))
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Range {
    from: Option<String>,
    to: Option<String>,
    /// Milliseconds.
    step: Option<i64>,
}

pub(super) async fn history(
    State(app): State<App>,
    Path((device, point)): Path<(String, String)>,
    Params(range): Params<Range>,
) -> Result<Json<Value>, Problem> {
    let name = format!("{device}/{point}");
    let unknown = || Problem::not_found("no-such-point", format!("no point `{name}`; /api/v1/points lists them all"));
    let id = app.catalog.find(&name).ok_or_else(unknown)?;
    let meta = app.catalog.get(id).ok_or_else(unknown)?;
    let Span { from, to, step } = range.checked(app.clock.wall().0)?;
    let items = app.history.buckets(id, from, to, step).await.map_err(|error| Problem::journal(&error))?;
    Ok(Json(json!({
        "device": meta.device,
        "point": meta.point,
        "unit": meta.unit,
        "from": from,
        "to": to,
        "step": step,
        "lines": view::lines(&app.site().rules, &name),
        "items": items,
        "next": null,
    })))
}

/// A range that is in order and not too long; milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    from: i64,
    to: i64,
    step: i64,
}

impl Range {
    fn checked(&self, now: i64) -> Result<Span, Problem> {
        let to = self.to.as_deref().map_or(Ok(now), |text| instant("to", text))?;
        let from = match &self.from {
            Some(text) => instant("from", text)?,
            None => to.saturating_sub(DEFAULT_RANGE_MS),
        };
        let length = to.saturating_sub(from);
        if length <= 0 || length > MAX_RANGE_MS {
            return Err(Problem::invalid(format!(
                "from {from} to {to} is {length} ms; give a range longer than nothing and no longer than 366 days"
            )));
        }
        let least = length.div_euclid(MAX_BUCKETS) + i64::from(length.rem_euclid(MAX_BUCKETS) != 0);
        let step = self.step.unwrap_or_else(|| STEPS_MS.into_iter().find(|step| *step >= least).unwrap_or(least));
        if step < least {
            return Err(Problem::invalid(format!(
                "step {step} would make more than {MAX_BUCKETS} buckets; give at least {least} ms or a shorter range"
            )));
        }
        Ok(Span { from, to, step })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(from: i64, to: i64, step: Option<i64>) -> Result<Span, Problem> {
        Range { from: Some(from.to_string()), to: Some(to.to_string()), step }.checked(0)
    }

    #[test]
    fn the_step_keeps_the_answer_small() {
        let hour = Range::default().checked(10_000_000).unwrap();
        assert_eq!(hour, Span { from: 6_400_000, to: 10_000_000, step: 10_000 });
        for length in [1, 999, 600_000, 600_001, 86_400_000, MAX_RANGE_MS] {
            let span = range(0, length, None).unwrap();
            assert!(length <= span.step * MAX_BUCKETS, "{span:?}");
        }
        assert_eq!(range(0, 600_000, Some(1_000)).unwrap().step, 1_000);
        assert!(range(0, 600_001, Some(1_000)).unwrap_err().detail.contains("at least 1001 ms"));
    }

    #[test]
    fn a_range_runs_forward_and_ends() {
        for (from, to) in [(5, 5), (6, 5), (0, MAX_RANGE_MS + 1), (i64::MIN, i64::MAX)] {
            assert!(range(from, to, None).is_err(), "{from} {to}");
        }
        assert!(range(0, 10, Some(0)).is_err());
        assert!(range(0, 10, Some(-5)).is_err());
    }
}
