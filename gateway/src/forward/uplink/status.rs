//! What the gateway says of itself on the status topic, and what it answers to commands. Pure.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::book::Range;
use super::command::{Command, Deed, Refused};
use super::framing::{VERSION, lane_word};
use crate::journal::{Lane, Seq, Stretch};

/// Ranges that are remembered as gone.
const MOST_GONE: usize = 32;
/// Epochs of a lane that are told, the newest.
const MOST_EPOCHS: usize = 64;

/// A range the centre asked for that the journal no longer has by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gone {
    pub(super) lane: Lane,
    pub(super) epoch: u64,
    pub(super) range: Range,
}

/// The newest of them.
#[derive(Debug, Default)]
pub(super) struct GoneBook(VecDeque<Gone>);

impl GoneBook {
    pub(super) fn note(&mut self, gone: Gone) {
        self.0.retain(|known| *known != gone);
        self.0.push_back(gone);
        if self.0.len() > MOST_GONE {
            self.0.pop_front();
        }
    }

    fn json(&self) -> Value {
        let row = |gone: &Gone| {
            let (from, to) = gone.range;
            json!({ "lane": lane_word(gone.lane), "epoch": gone.epoch.to_string(), "from": from, "to": to })
        };
        self.0.iter().map(row).collect()
    }
}

/// A lane as the centre should see it.
#[derive(Debug)]
pub(super) struct LaneState {
    pub(super) epochs: Vec<Stretch>,
    pub(super) head: Seq,
    pub(super) owed: Vec<Range>,
}

/// The oldest still owed; the one after the newest where nothing is.
pub(super) fn tail(owed: &[Range], head: Seq) -> Seq {
    owed.first().map_or(head + 1, |range| range.0)
}

impl LaneState {
    fn json(&self) -> Value {
        let skip = self.epochs.len().saturating_sub(MOST_EPOCHS);
        let row = |stretch: &Stretch| {
            let Stretch { epoch, first, last, started } = *stretch;
            json!({ "epoch": epoch.to_string(), "first": first, "last": last.unwrap_or(self.head), "started": started })
        };
        let pending: u64 = self.owed.iter().map(|(from, to)| to - from + 1).sum();
        json!({
            "epochs": self.epochs.iter().skip(skip).map(row).collect::<Value>(),
            "head": self.head, "tail": tail(&self.owed, self.head), "pending": pending,
        })
    }
}

/// All that a status says of a gateway that is there.
#[derive(Debug)]
pub(super) struct Status<'a> {
    pub(super) site: &'a str,
    /// UTC ms.
    pub(super) at: i64,
    pub(super) alarm: &'a LaneState,
    pub(super) telemetry: &'a LaneState,
    /// What is wrong, in words; empty where nothing is.
    pub(super) troubles: &'a [String],
    pub(super) gone: &'a GoneBook,
}

impl Status<'_> {
    pub(super) fn json(&self) -> Vec<u8> {
        let mut status = head(self.site, true);
        let more = json!({
            "at": self.at,
            "lanes": { "alarm": self.alarm.json(), "telemetry": self.telemetry.json() },
            "health": { "ok": self.troubles.is_empty(), "troubles": self.troubles },
            "gone": self.gone.json(),
        });
        if let (Some(status), Value::Object(more)) = (status.as_object_mut(), more) {
            status.extend(more);
        }
        status.to_string().into_bytes()
    }
}

/// The status of a gateway that is not there: left with the broker for the case that we can't say it ourselves, or said
/// at a stop.
pub(super) fn offline(site: &str, why: &str) -> Vec<u8> {
    let mut status = head(site, false);
    if let Some(status) = status.as_object_mut() {
        status.insert("why".to_owned(), json!(why));
    }
    status.to_string().into_bytes()
}

fn head(site: &str, online: bool) -> Value {
    json!({ "v": VERSION, "site": site, "online": online, "version": env!("CARGO_PKG_VERSION") })
}

/// The answer to a command that can't be carried out.
pub(super) fn refusal(refused: &Refused) -> Value {
    json!({ "v": VERSION, "id": refused.id, "command": refused.command, "ok": false, "why": refused.why })
}

/// The same for a command that is understood.
pub(super) fn refuse(command: &Command, why: &str) -> Value {
    refusal(&Refused {
        id: Some(command.id.clone()),
        command: Some(command.deed.word().to_owned()),
        why: why.to_owned(),
    })
}

/// The answer to a command that was carried out; `more` is what came of it.
pub(super) fn done(id: &str, command: &str, more: Value) -> Value {
    let mut reply = json!({ "v": VERSION, "id": id, "command": command, "ok": true });
    if let (Some(reply), Value::Object(more)) = (reply.as_object_mut(), more) {
        reply.extend(more);
    }
    reply
}

/// Why a range can't be sent again, where the epoch does not have it.
pub(super) fn unheld(deed: &Deed, epochs: &[Stretch], head: Seq) -> Option<String> {
    let Deed::Resend { lane, epoch, from, to } = deed else { return None };
    let lane = lane_word(*lane);
    let Some(stretch) = epochs.iter().find(|stretch| stretch.epoch == *epoch) else {
        return Some(format!("lane {lane} has no epoch {epoch}; the status lists them"));
    };
    let (first, last) = (stretch.first, stretch.last.unwrap_or(head));
    (*from < first || *to > last)
        .then(|| format!("epoch {epoch} of lane {lane} goes from {first} to {last}, not from {from} to {to}"))
}
