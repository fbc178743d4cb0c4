//! The site file read again, in the name of somebody.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::super::App;
use super::super::extract::{Command, Payload};
use super::super::problem::Problem;
use crate::config::Complaint;
use crate::reload::{Done, Refusal, Who};

pub(super) async fn reload(State(app): State<App>, Payload(command): Payload<Command>) -> Result<Response, Problem> {
    let Command { by, note } = command.checked()?;
    let by = note.map_or_else(|| by.clone(), |note| format!("{by}: {note}"));
    match app.reloads.ask(Who::Person(by)).await {
        Ok(done) => Ok(answer(&done)),
        Err(Refusal::Wrong(complaints)) => Ok(wrong(&complaints)),
        Err(Refusal::Failed(why)) => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not-reloaded", why)),
    }
}

fn answer(done: &Done) -> Response {
    let Done { file, changes, warnings, closed, durable } = done;
    let status = if *durable { StatusCode::OK } else { StatusCode::ACCEPTED };
    let body = json!({
        "file": file, "changes": changes, "warnings": warnings, "alarms_closed": closed, "durable": durable,
    });
    (status, Json(body)).into_response()
}

/// A problem document with every mistake.
fn wrong(complaints: &[Complaint]) -> Response {
    let item =
        |c: &Complaint| json!({ "file": c.file, "line": c.line, "column": c.column, "what": c.what, "mend": c.mend });
    let body = json!({
        "type": "urn:gengfu:problem:bad-configuration",
        "title": "bad configuration",
        "status": StatusCode::UNPROCESSABLE_ENTITY.as_u16(),
        "detail": "nothing was changed, the running configuration goes on; mend what `complaints` lists and ask again",
        "complaints": complaints.iter().map(item).collect::<Vec<Value>>(),
    });
    let kind = [(header::CONTENT_TYPE, "application/problem+json")];
    (StatusCode::UNPROCESSABLE_ENTITY, kind, body.to_string()).into_response()
}
