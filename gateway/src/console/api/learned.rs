//! What the rules that learn believe, and how a person has one forget it.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use super::super::App;
use super::super::extract::{Page, Paging, Params, Payload, name, needed};
use super::super::problem::Problem;
use super::orders::answer;
use crate::driver::{ForgetOrder, Held};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    cursor: Option<String>,
    limit: Option<usize>,
}

pub(super) async fn list(State(app): State<App>, Params(list): Params<List>) -> Result<Json<Page<Held>>, Problem> {
    let paging = Paging::new(list.cursor.as_deref(), list.limit)?;
    let held = app.learned().await.ok_or_else(Problem::engine_silent)?;
    Ok(Json(paging.cut((0..).zip(held))))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Forget {
    rule: String,
    point: String,
    by: String,
    reason: Option<String>,
}

pub(super) async fn forget(State(app): State<App>, Payload(said): Payload<Forget>) -> Result<Response, Problem> {
    let Forget { rule, point, by, reason } = said;
    let (by, reason) = (name(&by)?, needed("reason", reason)?);
    let target = format!("{rule}@{point}");
    answer(&target, app.engine.forget(ForgetOrder { rule, point, by, reason }).await)
}
