//! What the centre may ask, and whether it asked for it rightly. Pure; any bytes may come.

use serde_json::{Map, Value};

use crate::journal::{Lane, Seq};

/// Longest message that is looked into.
pub(super) const LONGEST: usize = 16 << 10;
/// Records that one resend may ask for.
pub(super) const MOST_RECORDS: u64 = 100_000;
const MOST_ID: usize = 64;
const MOST_BY: usize = 64;
const MOST_NOTE: usize = 500;
/// Characters of a stranger's word that are given back.
const SHOWN: usize = 40;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command {
    /// The centre's own name for it, given back in the reply.
    pub(super) id: String,
    pub(super) deed: Deed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Deed {
    Acknowledge { alarm: String, by: String, note: Option<String> },
    Resend { lane: Lane, epoch: u64, from: Seq, to: Seq },
}

impl Deed {
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Acknowledge { .. } => "acknowledge",
            Self::Resend { .. } => "resend",
        }
    }
}

/// Why a message is not carried out; the id and the word as far as they could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) id: Option<String>,
    pub(super) command: Option<String>,
    pub(super) why: String,
}

/// Reads a command.
pub(super) fn parse(payload: &[u8]) -> Result<Command, Refused> {
    let nameless = |why: String| Refused { id: None, command: None, why };
    if payload.len() > LONGEST {
        return Err(nameless(format!("{} bytes are too long for a command; send {LONGEST} at most", payload.len())));
    }
    let fields = match serde_json::from_slice(payload) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) => return Err(nameless("a command is a JSON object".to_owned())),
        Err(error) => return Err(nameless(format!("not JSON: {error}"))),
    };
    let id = fields.get("id").and_then(Value::as_str).filter(|id| is_id(id)).map(str::to_owned);
    let word = fields.get("command").and_then(Value::as_str).map(shown);
    let refused = |why: String| Refused { id: id.clone(), command: word.clone(), why };
    let Some(id) = id.clone() else {
        let why = format!("`id` is missing or odd; give 1 to {MOST_ID} of the characters A-Z a-z 0-9 _ . -");
        return Err(refused(why));
    };
    deed(&fields, word.as_deref()).map(|deed| Command { id, deed }).map_err(refused)
}

fn deed(fields: &Map<String, Value>, word: Option<&str>) -> Result<Deed, String> {
    match word {
        Some("acknowledge") => {
            known(fields, &["alarm", "by", "note"])?;
            acknowledge(fields)
        }
        Some("resend") => {
            known(fields, &["lane", "epoch", "from", "to"])?;
            resend(fields)
        }
        Some(word) => Err(format!("`{word}` is no command of this version; known are acknowledge and resend")),
        None => Err("`command` is missing; known are acknowledge and resend".to_owned()),
    }
}

/// A field nobody reads is a misunderstanding: better told than passed over.
fn known(fields: &Map<String, Value>, keys: &[&str]) -> Result<(), String> {
    let stranger =
        fields.keys().find(|key| !["id", "command", "v"].contains(&key.as_str()) && !keys.contains(&key.as_str()));
    match stranger {
        Some(key) => Err(format!("`{}` is not part of it; known are {}", shown(key), keys.join(", "))),
        None => Ok(()),
    }
}

fn acknowledge(fields: &Map<String, Value>) -> Result<Deed, String> {
    let alarm = text(fields, "alarm")?.ok_or("`alarm` is missing; give the id of the alarm")?;
    if alarm.len() != 16 || !alarm.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err("`alarm` is no alarm id, which has 16 hexadecimal digits".to_owned());
    }
    let by = text(fields, "by")?.ok_or("`by` is missing; it goes into the audit")?;
    if by.is_empty() || by.chars().count() > MOST_BY || by.chars().any(char::is_control) {
        return Err(format!("`by` must be a name of 1 to {MOST_BY} characters without control characters"));
    }
    let note = text(fields, "note")?.filter(|note| !note.is_empty());
    if note.is_some_and(|note| note.chars().count() > MOST_NOTE) {
        return Err(format!("`note` is too long; give at most {MOST_NOTE} characters"));
    }
    Ok(Deed::Acknowledge { alarm: alarm.to_ascii_lowercase(), by: by.to_owned(), note: note.map(str::to_owned) })
}

fn resend(fields: &Map<String, Value>) -> Result<Deed, String> {
    let lane = match text(fields, "lane")? {
        Some("alarm") => Lane::Alarm,
        Some("telemetry") => Lane::Telemetry,
        Some(_) | None => return Err("`lane` must be alarm or telemetry".to_owned()),
    };
    let epoch = number(fields, "epoch")?;
    let (from, to) = (number(fields, "from")?, number(fields, "to")?);
    if from == 0 || from > to {
        return Err(format!("`from` {from} to `to` {to} is no range; records count from 1"));
    }
    if to - from >= MOST_RECORDS {
        return Err(format!("{} records are too many at once; ask for at most {MOST_RECORDS}", to - from + 1));
    }
    Ok(Deed::Resend { lane, epoch, from, to })
}

/// Trimmed; `None` where it is not there or null.
fn text<'a>(fields: &'a Map<String, Value>, key: &str) -> Result<Option<&'a str>, String> {
    match fields.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim())),
        Some(_) => Err(format!("`{key}` must be text")),
    }
}

/// A whole number, or one in quotes: an epoch is more than a reader of JSON may hold exactly.
fn number(fields: &Map<String, Value>, key: &str) -> Result<u64, String> {
    let found = match fields.get(key) {
        Some(Value::String(digits)) => digits.parse().ok(),
        Some(Value::Number(number)) => number.as_u64(),
        Some(_) | None => None,
    };
    found.ok_or_else(|| format!("`{key}` must be a whole number; one above 2^53 in quotes"))
}

fn is_id(id: &str) -> bool {
    (1..=MOST_ID).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(SHOWN).collect()
}
