//! Alarms: what stands, what is kept from being announced, what happened.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use gengfu_core::alarm::StateName;
use serde::Deserialize;
use serde_json::json;

use super::super::App;
use super::super::extract::{Page, Paging, Params};
use super::super::page::words::Dial;
use super::super::problem::Problem;
use super::super::standing::{self, AlarmView};
use crate::flow::AlarmEvent;
use crate::journal::{Entry, Seq};

/// Entries of the alarm lane that are looked through for one alarm's past.
const SEARCH_MAX: usize = 2_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    state: Option<String>,
    /// Those of rules on trial in place of the others.
    shadow: Option<bool>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// `standing` is what is announced, `open` also what lies on a shelf, is suppressed or out of service. It comes whole: a page of alarms that misses one because another was raised in between would be a lie.
pub(super) async fn list(State(app): State<App>, Params(list): Params<List>) -> Result<Response, Problem> {
    let paging = Paging::new(list.cursor.as_deref(), list.limit)?;
    let shadow = list.shadow.unwrap_or(false);
    let state = list.state.as_deref().unwrap_or("standing");
    if state == "all" {
        return past(&app, paging, shadow).await.map(|page| Json(page).into_response());
    }
    if !matches!(state, "standing" | "open") && !StateName::ALL.iter().any(|name| name.word() == state) {
        let words: Vec<&str> = StateName::ALL.iter().map(|name| name.word()).collect();
        let detail = format!("`{state}` is no state; give standing, open, all or one of {}", words.join(", "));
        return Err(Problem::invalid(detail));
    }
    let snapshot = app.snapshot().await.ok_or_else(Problem::engine_silent)?;
    let wanted = |view: &AlarmView| match state {
        "standing" => view.veil.is_none(),
        "open" => true,
        state => view.alarm.state == state,
    };
    let all = if shadow { standing::shadows } else { standing::all };
    let items = all(&snapshot, &app.catalog, &app.site()).into_iter().filter(wanted).collect();
    Ok(Json(Page { items, next: None }).into_response())
}

/// Transitions out of the journal, newest first, in shadow or not; other entries of the lane are passed over.
async fn past(app: &App, paging: Paging, shadow: bool) -> Result<Page<AlarmEvent>, Problem> {
    let entries = app.history.entries(paging.after, paging.limit).await.map_err(|error| Problem::journal(&error))?;
    let next = (entries.len() == paging.limit).then(|| entries.last().map(|(seq, _)| seq.to_string())).flatten();
    Ok(Page { items: alarms(entries).filter(|event| event.shadow == shadow).collect(), next })
}

fn alarms(entries: Vec<(Seq, Entry)>) -> impl Iterator<Item = AlarmEvent> {
    entries.into_iter().filter_map(|(_, entry)| entry.into_alarm())
}

/// One alarm as it is now (its last transition, where it stands no more), and all transitions that the newest entries of
/// the lane hold.
pub(super) async fn one(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Problem> {
    let mut snapshot = app.snapshot().await.ok_or_else(Problem::engine_silent)?;
    snapshot.alarms.append(&mut snapshot.shadows);
    snapshot.alarms.retain(|alarm| is(alarm, &id));
    let standing = snapshot.alarms.first().cloned();
    let entries = app.history.entries(None, SEARCH_MAX).await.map_err(|error| Problem::journal(&error));
    // What stands is known without the journal, and a sick disk must not hide it.
    let entries = if standing.is_some() { entries.unwrap_or_default() } else { entries? };
    // Of one that is named by its rule and point the newest is meant.
    let past: Vec<AlarmEvent> = alarms(entries).filter(|event| is(event, &id)).collect();
    let newest = standing.as_ref().or(past.first()).map(|alarm| alarm.id.clone());
    let mut transitions: Vec<AlarmEvent> =
        past.into_iter().filter(|event| Some(&event.id) == newest.as_ref()).collect();
    transitions.extend(standing);
    transitions.sort_by_key(|event| event.number);
    transitions.dedup_by_key(|event| event.number);
    // It has them all where its first is among them.
    let complete = transitions.first().is_some_and(|first| first.number == 1);
    if let Some(alarm) = standing::all(&snapshot, &app.catalog, &app.site()).first() {
        return Ok(Json(json!({ "alarm": alarm, "transitions": transitions, "complete": complete })).into_response());
    }
    let alarm = transitions.last().ok_or_else(|| unknown(&id))?;
    Ok(Json(json!({ "alarm": alarm, "transitions": transitions, "complete": complete })).into_response())
}

/// What became of an alarm that stands no more, as far as the newest entries of the lane tell.
pub(super) async fn gone(app: &App, id: &str) -> Problem {
    // Who may be asked about is told; a lane that can't be read knows of nothing.
    let entries = app.history.entries(None, SEARCH_MAX).await.unwrap_or_default();
    let newest = alarms(entries).find(|event| is(event, id));
    let Some(last) = newest.filter(|event| event.state == StateName::Normal.word()) else { return unknown(id) };
    let at = Dial::new(&app.site().timezone).full(last.detected);
    let by = last.by.map_or_else(|| "its condition was over".to_owned(), |by| format!("by {by}"));
    let detail = format!("the alarm `{id}` is closed since {at} ({}, {by}); nothing to do", last.event);
    Problem::new(StatusCode::CONFLICT, "not-in-this-state", detail)
}

fn unknown(id: &str) -> Problem {
    let detail = format!(
        "no alarm `{id}` stands, and none is among the last {SEARCH_MAX} entries; /api/v1/alarms lists what stands, \
         ?state=all what was; one that is normal is named rule@device/point"
    );
    Problem::not_found("no-such-alarm", detail)
}

/// Whether an alarm is meant: by its id, or as `rule@device/point`.
fn is(event: &AlarmEvent, named: &str) -> bool {
    event.id == named
        || named.split_once('@').is_some_and(|(rule, point)| {
            event.rule == rule && point.split_once('/') == Some((event.device.as_str(), event.point.as_str()))
        })
}
