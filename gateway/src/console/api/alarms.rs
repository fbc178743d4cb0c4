//! Alarms: what stands, what happened, and the two things a person may do about one here.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use gengfu_core::alarm::StateName;
use gengfu_core::engine::Command as Done;
use serde::Deserialize;
use serde_json::json;

use super::super::App;
use super::super::extract::{Command, Page, Paging, Params, Payload};
use super::super::problem::Problem;
use super::super::standing;
use crate::driver::{CommandError, Order};
use crate::flow::AlarmEvent;
use crate::journal::{Entry, Seq};

/// Entries of the alarm lane that are looked through for one alarm's past.
const SEARCH_MAX: usize = 2_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    state: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// What stands comes whole: a page of alarms that misses one because another was raised in between would be a lie.
pub(super) async fn list(State(app): State<App>, Params(list): Params<List>) -> Result<Response, Problem> {
    let paging = Paging::new(list.cursor.as_deref(), list.limit)?;
    let state = list.state.as_deref().unwrap_or("standing");
    if state == "all" {
        return past(&app, paging).await.map(|page| Json(page).into_response());
    }
    if state != "standing" && !StateName::ALL.iter().any(|name| name.word() == state) {
        let words: Vec<&str> = StateName::ALL.iter().map(|name| name.word()).collect();
        let detail = format!("`{state}` is no state; give standing, all or one of {}", words.join(", "));
        return Err(Problem::invalid(detail));
    }
    let snapshot = app.snapshot().await.ok_or_else(Problem::engine_silent)?;
    let standing = standing::all(&snapshot, &app.catalog, &app.site());
    let items = standing.into_iter().filter(|view| state == "standing" || view.alarm.state == state).collect();
    Ok(Json(Page { items, next: None }).into_response())
}

/// Transitions out of the journal, newest first; other entries of the lane are passed over.
async fn past(app: &App, paging: Paging) -> Result<Page<AlarmEvent>, Problem> {
    let entries = app.history.entries(paging.after, paging.limit).await.map_err(|error| Problem::journal(&error))?;
    let next = (entries.len() == paging.limit).then(|| entries.last().map(|(seq, _)| seq.to_string())).flatten();
    Ok(Page { items: alarms(entries).collect(), next })
}

fn alarms(entries: Vec<(Seq, Entry)>) -> impl Iterator<Item = AlarmEvent> {
    entries.into_iter().filter_map(|(_, entry)| entry.into_alarm())
}

/// One alarm as it is now (its last transition, where it stands no more), and all transitions that the newest entries of
/// the lane hold.
pub(super) async fn one(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Problem> {
    let mut snapshot = app.snapshot().await.ok_or_else(Problem::engine_silent)?;
    snapshot.alarms.retain(|alarm| alarm.id == id);
    let standing = snapshot.alarms.first().cloned();
    let entries = app.history.entries(None, SEARCH_MAX).await.map_err(|error| Problem::journal(&error));
    // What stands is known without the journal, and a sick disk must not hide it.
    let entries = if standing.is_some() { entries.unwrap_or_default() } else { entries? };
    let mut transitions: Vec<AlarmEvent> = alarms(entries).filter(|event| event.id == id).collect();
    transitions.extend(standing);
    transitions.sort_by_key(|event| event.number);
    transitions.dedup_by_key(|event| event.number);
    if let Some(alarm) = standing::all(&snapshot, &app.catalog, &app.site()).first() {
        return Ok(Json(json!({ "alarm": alarm, "transitions": transitions })).into_response());
    }
    let alarm = transitions.last().ok_or_else(|| unknown(&id))?;
    Ok(Json(json!({ "alarm": alarm, "transitions": transitions })).into_response())
}

pub(super) async fn acknowledge(
    State(app): State<App>,
    Path(id): Path<String>,
    Payload(command): Payload<Command>,
) -> Result<Response, Problem> {
    let command = command.checked()?;
    let answer = app.engine.acknowledge(id.clone(), command.by.clone(), command.note.clone()).await;
    answer_command(&app, &id, command, answer).await
}

pub(super) async fn reset(
    State(app): State<App>,
    Path(id): Path<String>,
    Payload(command): Payload<Command>,
) -> Result<Response, Problem> {
    let command = command.checked()?;
    let order = Order { target: id.clone(), command: Done::Reset, by: command.by.clone(), note: None };
    let answer = app.engine.order(order).await;
    answer_command(&app, &id, command, answer).await
}

async fn answer_command(
    app: &App,
    id: &str,
    command: Command,
    answer: Result<AlarmEvent, CommandError>,
) -> Result<Response, Problem> {
    let event = match answer {
        Ok(event) => Some(event),
        Err(CommandError::NotDurable) => None,
        Err(CommandError::NoSuchAlarm) => return Err(unknown(id)),
        Err(CommandError::Wrong(why)) => return Err(Problem::invalid(why)),
        Err(CommandError::NotNow(why)) => return Err(Problem::new(StatusCode::CONFLICT, "not-in-this-state", why)),
        Err(CommandError::Stopped) => return Err(Problem::engine_silent()),
    };
    let noted = match command.note {
        Some(note) => app.history.record(audit(app, id, command.by, note)).await,
        None => true,
    };
    match event {
        Some(event) if noted => Ok(Json(event).into_response()),
        Some(_) | None => Ok(not_durable(id)),
    }
}

fn audit(app: &App, id: &str, by: String, note: String) -> Entry {
    Entry::Audit { at: app.clock.wall().0, by, action: "note".to_owned(), target: id.to_owned(), detail: note }
}

/// It took effect, and a power cut now could undo it: neither success nor failure, and said so.
fn not_durable(id: &str) -> Response {
    let detail = "carried out, but not on disk yet: it is written as soon as the disk takes it, and a power cut before \
                  that would undo it; look at /readyz";
    (StatusCode::ACCEPTED, Json(json!({ "id": id, "durable": false, "detail": detail }))).into_response()
}

fn unknown(id: &str) -> Problem {
    let detail = format!("no alarm `{id}` stands; /api/v1/alarms lists what stands, ?state=all what was");
    Problem::not_found("no-such-alarm", detail)
}
