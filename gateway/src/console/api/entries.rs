//! The alarm lane as it lies on the disk: beside transitions what persons did, starts and stops, gaps, repairs.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::super::App;
use super::super::extract::{Page, Paging, Params};
use super::super::problem::Problem;
use crate::journal::{Entry, Seq};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    #[serde(rename = "type")]
    kind: Option<Kind>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// The word in an entry's `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Alarm,
    Audit,
    Start,
    Stop,
    Gap,
    Mode,
    Level,
    Maintenance,
}

impl Kind {
    const fn of(entry: &Entry) -> Self {
        match entry {
            Entry::Alarm(_) => Self::Alarm,
            Entry::Audit { .. } => Self::Audit,
            Entry::Start { .. } => Self::Start,
            Entry::Stop { .. } => Self::Stop,
            Entry::Gap { .. } => Self::Gap,
            Entry::Mode(_) => Self::Mode,
            Entry::Level(_) => Self::Level,
            Entry::Maintenance { .. } => Self::Maintenance,
        }
    }
}

/// An entry with its number in the lane.
#[derive(Debug, Serialize)]
pub(super) struct Numbered {
    seq: Seq,
    #[serde(flatten)]
    entry: Entry,
}

/// Entries newest first; those of other types are passed over, so that a page may hold fewer than its limit, and `next` leads on.
pub(super) async fn list(State(app): State<App>, Params(list): Params<List>) -> Result<Json<Page<Numbered>>, Problem> {
    let Paging { after, limit } = Paging::new(list.cursor.as_deref(), list.limit)?;
    let entries = app.history.entries(after, limit).await.map_err(|error| Problem::journal(&error))?;
    let next = (entries.len() == limit).then(|| entries.last().map(|(seq, _)| seq.to_string())).flatten();
    let wanted = |entry: &Entry| list.kind.is_none_or(|kind| kind == Kind::of(entry));
    let items = entries.into_iter().filter(|(_, entry)| wanted(entry)).map(|(seq, entry)| Numbered { seq, entry });
    Ok(Json(Page { items: items.collect(), next }))
}
