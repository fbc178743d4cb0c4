//! The probes. `/healthz` answers whether the process does its work (a supervisor may restart it when not);
//! `/readyz` also whether what it does lasts: a full disk is not ready, yet a restart would only lose the ring. It lists
//! beside that what else is not well, which is no reason to call the gateway itself not ready.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::super::App;
use super::status::{Failing, failing};

pub(super) async fn healthz(State(app): State<App>) -> Response {
    let engine = app.snapshot().await.is_some();
    let reasons: Vec<String> = look(&app, engine).alive.iter().map(ToString::to_string).collect();
    answer(&reasons, None)
}

pub(super) async fn readyz(State(app): State<App>) -> Response {
    let snapshot = app.snapshot().await;
    let failing = look(&app, snapshot.is_some());
    let stopping = app.stop.said().then(|| "the gateway is stopping".to_owned());
    let reasons: Vec<String> = failing.all().map(ToString::to_string).chain(stopping).collect();
    answer(&reasons, Some(app.impaired(snapshot.as_ref()).reasons()))
}

fn look(app: &App, engine: bool) -> Failing {
    failing(engine, &app.history.health(), app.clock.mono().0)
}

fn answer(reasons: &[String], impaired: Option<Vec<String>>) -> Response {
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let word = if reasons.is_empty() { "ok" } else { "failing" };
    let mut body = json!({ "status": word, "reasons": reasons });
    if let (Some(impaired), Some(fields)) = (impaired, body.as_object_mut()) {
        fields.insert("impaired".to_owned(), impaired.into());
    }
    (status, Json(body)).into_response()
}
