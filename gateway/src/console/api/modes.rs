//! Modes of areas: walk-test, drill, maintenance. What runs, what ran, and how a person begins and ends one.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use gengfu_core::alarm::ModeName;
use serde::Deserialize;

use super::super::App;
use super::super::areas::{self, NOWHERE};
use super::super::extract::{Page, Paging, Params, Payload, name, words};
use super::super::problem::Problem;
use super::orders::{answer, formed, limited};
use crate::driver::ModeOrder;
use crate::journal::ModeRecord;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    state: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// Every area with what runs in it; or every change, newest first.
pub(super) async fn list(State(app): State<App>, Params(list): Params<List>) -> Result<Response, Problem> {
    let paging = Paging::new(list.cursor.as_deref(), list.limit)?;
    match list.state.as_deref() {
        None | Some("areas") => {
            let snapshot = app.snapshot().await.ok_or_else(Problem::engine_silent)?;
            let items = areas::all(&snapshot, &app.catalog, app.clock.wall().0);
            Ok(Json(Page { items, next: None }).into_response())
        }
        Some("all") => past(&app, paging).await.map(|page| Json(page).into_response()),
        Some(other) => {
            Err(Problem::invalid(format!("`{other}` is no state; give areas (what runs) or all (what ran)")))
        }
    }
}

/// Changes out of the journal; other entries of the lane are passed over.
async fn past(app: &App, paging: Paging) -> Result<Page<ModeRecord>, Problem> {
    let entries = app.history.entries(paging.after, paging.limit).await.map_err(|error| Problem::journal(&error))?;
    let next = (entries.len() == paging.limit).then(|| entries.last().map(|(seq, _)| seq.to_string())).flatten();
    Ok(Page { items: entries.into_iter().filter_map(|(_, entry)| entry.into_mode()).collect(), next })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Begin {
    by: String,
    mode: String,
    r#for: Option<String>,
    reason: Option<String>,
}

pub(super) async fn begin(
    State(app): State<App>,
    Path(area): Path<String>,
    Payload(said): Payload<Begin>,
) -> Result<Response, Problem> {
    let by = name(&said.by)?;
    let mode = ModeName::ALL.into_iter().find(|mode| mode.word() == said.mode).ok_or_else(|| {
        let known = ModeName::ALL.map(ModeName::word).join(", ");
        Problem::invalid(format!("`{}` is no mode; give one of {known}", said.mode))
    });
    let mode = formed(&app, (&by, "mode", &area), mode).await?;
    let (for_ms, reason) = formed(&app, (&by, mode.word(), &area), limited(said.r#for.as_deref(), said.reason)).await?;
    order(&app, ModeOrder { area, begin: Some((mode, for_ms)), by, reason }).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct End {
    by: String,
    reason: Option<String>,
}

pub(super) async fn end(
    State(app): State<App>,
    Path(area): Path<String>,
    Payload(said): Payload<End>,
) -> Result<Response, Problem> {
    let by = name(&said.by)?;
    let reason = formed(&app, (&by, "end-mode", &area), words("reason", said.reason)).await?.unwrap_or_default();
    order(&app, ModeOrder { area, begin: None, by, reason }).await
}

async fn order(app: &App, order: ModeOrder) -> Result<Response, Problem> {
    let named = order.area.clone();
    let area = if named == NOWHERE { String::new() } else { order.area };
    answer(&named, app.engine.mode(ModeOrder { area, ..order }).await)
}
