//! Dead letters: what stores refused for good, and the word to try again once a store is mended.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::timeout;

use super::super::App;
use super::super::extract::{Command, Page, Paging, Params, Payload};
use super::super::problem::Problem;
use crate::catalog::PointMeta;
use crate::journal::{Entry, Lane, Letter, Letters, Redrive, Redriven, Seq};

/// How long the disk may take before the caller is told that it hasn't taken it.
const RECORD_LIMIT: Duration = Duration::from_secs(2);

/// How long is looked up what the numbers of a page stand for; those that are left then come without.
const LOOK_LIMIT: Duration = Duration::from_secs(2);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    cursor: Option<String>,
    limit: Option<usize>,
}

/// A range with what its first number stands for.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    #[serde(flatten)]
    letters: Letters,
    /// `None` where the lane holds none of it any more, or can't be read now.
    first: Option<First>,
}

/// A record as people know it.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct First {
    device: Option<String>,
    point: Option<String>,
    /// UTC ms.
    at: i64,
}

pub(super) async fn list(State(app): State<App>, Params(list): Params<List>) -> Result<Json<Page<Told>>, Problem> {
    let paging = Paging::new(list.cursor.as_deref(), list.limit)?;
    let Page { items, next } = paging.cut((0..).zip(app.history.dead_letters()));
    let mut firsts = Vec::with_capacity(items.len());
    let look = async {
        for letters in &items {
            let letter = app.history.letter(letters.lane, (letters.from, letters.to)).await;
            firsts.push(letter.ok().flatten().map(|letter| first(&app, letter)));
        }
    };
    // What was looked up by then is told.
    let _ = timeout(LOOK_LIMIT, look).await;
    firsts.resize_with(items.len(), || None);
    let told = items.into_iter().zip(firsts).map(|(letters, first)| Told { letters, first });
    Ok(Json(Page { items: told.collect(), next }))
}

fn first(app: &App, letter: Letter) -> First {
    match letter {
        Letter::Reading(record) => {
            let meta = app.catalog.get(record.point);
            let name = |of: fn(&PointMeta) -> &String| meta.as_ref().map(|meta| of(meta).clone());
            First { device: name(|m| &m.device), point: name(|m| &m.point), at: record.at_ns.div_euclid(1_000_000) }
        }
        Letter::Entry(entry) => {
            let at = entry.at();
            let (device, point) = entry.into_alarm().map(|event| (event.device, event.point)).unzip();
            First { device, point, at }
        }
    }
}

/// What is to be tried again.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    by: String,
    note: Option<String>,
    sink: String,
    /// Both where not given.
    lane: Option<Lane>,
    /// Numbers, both inclusive; all where not given.
    from: Option<Seq>,
    to: Option<Seq>,
}

pub(super) async fn redrive(
    State(app): State<App>,
    Payload(Wanted { by, note, sink, lane, from, to }): Payload<Wanted>,
) -> Result<Response, Problem> {
    let Command { by, note } = Command { by, note }.checked()?;
    let range = (from.unwrap_or(0), to.unwrap_or(Seq::MAX - 1));
    if range.0 > range.1 || range.1 == Seq::MAX {
        return Err(Problem::invalid(format!("from {} to {} is no range; give from below to", range.0, range.1)));
    }
    let done = match timeout(RECORD_LIMIT, app.history.redrive(sink.clone(), lane, range)).await {
        Ok(Redrive::Done(done)) => Some(done),
        Ok(Redrive::NoSuchSink) => {
            let detail = format!("no sink `{sink}`; /api/v1/ledger lists them");
            return Err(Problem::not_found("no-such-sink", detail));
        }
        Ok(Redrive::NotAStore) => {
            let detail = format!("`{sink}` is a push channel: what it would say is past, and wakes nobody now");
            return Err(Problem::new(StatusCode::CONFLICT, "not-a-store", detail));
        }
        Ok(Redrive::Closed) => {
            return Err(Problem::journal("it is being closed"));
        }
        Err(_late) => None,
    };
    let said = app.history.record(audit(&app, &sink, by, note.as_deref(), done.as_deref())).await;
    match done {
        Some(items) if said => Ok(Json(json!({ "items": items, "next": null })).into_response()),
        Some(_) | None => Ok(not_durable(&sink)),
    }
}

fn audit(app: &App, sink: &str, by: String, note: Option<&str>, done: Option<&[Redriven]>) -> Entry {
    let word = |lane: Lane| match lane {
        Lane::Alarm => "alarm",
        Lane::Telemetry => "telemetry",
    };
    let late = done.is_none().then(|| "owed again, not recorded yet".to_owned());
    let parts = done.unwrap_or_default().iter();
    let told = parts.map(|part| format!("{}: {} owed again, {} stay dead", word(part.lane), part.owed, part.left));
    let detail = late.into_iter().chain(told).chain(note.map(str::to_owned)).collect::<Vec<_>>().join("; ");
    Entry::Audit { at: app.clock.wall().0, by, action: "redrive".to_owned(), target: sink.to_owned(), detail }
}

/// As with an alarm's commands: neither success nor failure.
fn not_durable(sink: &str) -> Response {
    let detail = "under way, but not on disk yet: it is written as soon as the disk takes it, and a power cut before \
                  that would undo it; look at /readyz";
    (StatusCode::ACCEPTED, Json(json!({ "id": sink, "durable": false, "detail": detail }))).into_response()
}
