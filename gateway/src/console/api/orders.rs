//! What a person does to an alarm. Each is an order to the engine, which knows whether it fits: nothing is decided here.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, post};
use gengfu_core::engine::Command as Act;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::App;
use super::super::extract::{Command, Payload, length, name, needed, words};
use super::super::problem::Problem;
use super::alarms::gone;
use crate::driver::{CommandError, Order};
use crate::journal::Entry;

/// Characters of what somebody named as the target that go into the audit.
const TARGET_MAX: usize = 200;

/// What needs no more than a name, and may have a note.
pub(super) fn plain(act: Act) -> MethodRouter<App> {
    post(move |State(app): State<App>, Path(target): Path<String>, Payload(said): Payload<Command>| async move {
        let by = name(&said.by)?;
        let note = formed(&app, (&by, act.told().word(), &target), words("note", said.note)).await?;
        order(&app, Order { target, command: act, by, note }).await
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Shelf {
    by: String,
    r#for: Option<String>,
    #[serde(default)]
    one_shot: bool,
    reason: Option<String>,
}

pub(super) async fn shelve(
    State(app): State<App>,
    Path(target): Path<String>,
    Payload(said): Payload<Shelf>,
) -> Result<Response, Problem> {
    let by = name(&said.by)?;
    let (for_ms, reason) = formed(&app, (&by, "shelve", &target), limited(said.r#for.as_deref(), said.reason)).await?;
    let command = Act::Shelve { for_ms, one_shot: said.one_shot };
    order(&app, Order { target, command, by, note: Some(reason) }).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Out {
    by: String,
    r#for: Option<String>,
    reason: Option<String>,
}

pub(super) async fn out_of_service(
    State(app): State<App>,
    Path(target): Path<String>,
    Payload(said): Payload<Out>,
) -> Result<Response, Problem> {
    let by = name(&said.by)?;
    let (for_ms, reason) =
        formed(&app, (&by, "out-of-service", &target), limited(said.r#for.as_deref(), said.reason)).await?;
    order(&app, Order { target, command: Act::OutOfService { for_ms }, by, note: Some(reason) }).await
}

pub(super) async fn note(
    State(app): State<App>,
    Path(target): Path<String>,
    Payload(said): Payload<Command>,
) -> Result<Response, Problem> {
    let by = name(&said.by)?;
    let note = formed(&app, (&by, "note", &target), needed("note", said.note)).await?;
    order(&app, Order { target, command: Act::Note, by, note: Some(note) }).await
}

/// For how long, and why.
pub(super) fn limited(length_of: Option<&str>, reason: Option<String>) -> Result<(u64, String), Problem> {
    Ok((length(length_of)?, needed("reason", reason)?))
}

/// What a named person (`by`, what they wanted, of what) wrote wrongly is in the audit, as what the engine refuses.
pub(super) async fn formed<T>(
    app: &App,
    (by, wanted, target): (&str, &str, &str),
    said: Result<T, Problem>,
) -> Result<T, Problem> {
    if let Err(problem) = &said {
        let (at, by, action) = (app.clock.wall().0, by.to_owned(), format!("{wanted}-refused"));
        let target = target.chars().take(TARGET_MAX).collect();
        // Refused it is all the same, on disk or not.
        app.history.record(Entry::Audit { at, by, action, target, detail: problem.detail.clone() }).await;
    }
    said
}

async fn order(app: &App, order: Order) -> Result<Response, Problem> {
    let target = order.target.clone();
    match app.engine.order(order).await {
        Err(CommandError::NoSuchAlarm) => Err(gone(app, &target).await),
        done => answer(&target, done),
    }
}

/// What became of an order to the engine.
pub(super) fn answer<T: Serialize>(target: &str, done: Result<T, CommandError>) -> Result<Response, Problem> {
    match done {
        Ok(done) => Ok(Json(done).into_response()),
        Err(CommandError::NotDurable) => Ok(not_durable(target)),
        Err(CommandError::NoSuchAlarm) => {
            Err(Problem::not_found("no-such-alarm", format!("no alarm `{target}` is known; /api/v1/alarms lists them")))
        }
        Err(CommandError::NoSuchArea(why)) => Err(Problem::not_found("no-such-area", why)),
        Err(CommandError::Wrong(why)) => Err(Problem::invalid(why)),
        Err(CommandError::NotNow(why)) => Err(Problem::new(StatusCode::CONFLICT, "not-in-this-state", why)),
        Err(CommandError::Stopped) => Err(Problem::engine_silent()),
    }
}

/// It took effect, and a power cut now could undo it: neither success nor failure, and said so.
fn not_durable(id: &str) -> Response {
    let detail = "carried out, but not on disk yet: it is written as soon as the disk takes it, and a power cut before \
                  that would undo it; look at /readyz";
    (StatusCode::ACCEPTED, Json(json!({ "id": id, "durable": false, "detail": detail }))).into_response()
}
