//! The site as a whole: `/api/v1/warning`, the release of a level by a person, and its part of `/metrics`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::super::App;
use super::super::extract::{Command, Payload};
use super::super::problem::Problem;
use super::metrics::Exposition;
use crate::driver::{CommandError, Levels};

pub(super) async fn warning(State(app): State<App>) -> Result<Json<Levels>, Problem> {
    app.snapshot().await.map(|snapshot| Json(snapshot.levels)).ok_or_else(Problem::engine_silent)
}

pub(super) async fn release(State(app): State<App>, Payload(command): Payload<Command>) -> Result<Response, Problem> {
    let Command { by, note } = command.checked()?;
    match app.engine.release(by, note.unwrap_or_default()).await {
        Ok(record) => Ok(Json(record).into_response()),
        Err(CommandError::NotDurable) => {
            let detail = "released, but not on disk yet: a power cut before that would undo it; look at /readyz";
            Ok((StatusCode::ACCEPTED, Json(json!({ "durable": false, "detail": detail }))).into_response())
        }
        Err(CommandError::NotNow(why)) => Err(Problem::new(StatusCode::CONFLICT, "not-in-this-state", why)),
        Err(CommandError::Wrong(why)) => Err(Problem::invalid(why)),
        Err(CommandError::NoSuchAlarm | CommandError::NoSuchArea(_) | CommandError::Stopped) => {
            Err(Problem::engine_silent())
        }
    }
}

pub(super) fn metrics(out: &mut Exposition, levels: &Levels) {
    let number =
        |level: &str| ["blue", "yellow", "orange", "red"].iter().position(|word| *word == level).map_or(0, |n| n + 1);
    let help = "Warning level of the site: 0 none, 1 blue (IV), 2 yellow (III), 3 orange (II), 4 red (I)";
    out.gauge("gengfu_warning_level", help, number(levels.warning.level));
    let help = "Risk colour of the site: 1 blue, 2 yellow, 3 orange, 4 red";
    out.gauge("gengfu_risk_level", help, number(levels.risk.level));
    let help = "Whether nothing justifies the warning level any more and a person must release it";
    out.gauge("gengfu_warning_awaits_release", help, u8::from(levels.warning.state == "awaits-release"));
}
