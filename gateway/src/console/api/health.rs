//! The probes. `/healthz` answers whether the process does its work (a supervisor may restart it when not);
//! `/readyz` also whether what it does lasts: a full disk is not ready, yet a restart would only lose the ring.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::super::App;
use super::status::{Failing, failing};

pub(super) async fn healthz(State(app): State<App>) -> Response {
    answer(&look(&app).await.alive)
}

pub(super) async fn readyz(State(app): State<App>) -> Response {
    let Failing { alive, ready } = look(&app).await;
    let stopping = app.stop.said().then(|| "the gateway is stopping".to_owned());
    let reasons: Vec<String> = alive.into_iter().chain(ready).chain(stopping).collect();
    answer(&reasons)
}

async fn look(app: &App) -> Failing {
    let engine = app.snapshot().await.is_some();
    failing(engine, &app.history.health(), app.clock.mono().0)
}

fn answer(reasons: &[String]) -> Response {
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let word = if reasons.is_empty() { "ok" } else { "failing" };
    (status, Json(json!({ "status": word, "reasons": reasons }))).into_response()
}
