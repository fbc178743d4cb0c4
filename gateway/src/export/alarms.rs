//! The alarm lane: every entry, oldest first, with its number and the time of its commit.

use std::io::Write;

use serde_json::json;

use super::csv;
use crate::flow::AlarmEvent;
use crate::journal::{Entry, Past, Seq};

const HEADER: [&str; 18] = [
    "seq", "time", "kind", "alarm", "number", "event", "state", "priority", "device", "point", "rule", "value", "unit",
    "limit", "occurred", "by", "message", "detail",
];

/// How entries are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alarms {
    Csv,
    /// A JSON document a line, with everything the lane holds.
    Json,
}

/// Writes the entries committed in `from..to` (UTC ms); says how many.
pub fn alarms(past: &Past, (from, to): (i64, i64), format: Alarms, mut out: impl Write) -> Result<u64, String> {
    let mut line = Vec::new();
    if format == Alarms::Csv {
        csv::row(&mut line, &HEADER);
    }
    let mut entries = 0;
    past.entries(from, to, &mut |seq, wall, entry| {
        entries += 1;
        match format {
            Alarms::Csv => {
                let fields = fields(seq, wall, entry);
                csv::row(&mut line, &fields.iter().map(String::as_str).collect::<Vec<_>>());
            }
            Alarms::Json => {
                let document = json!({ "seq": seq, "committed": wall, "entry": entry });
                line.extend_from_slice(document.to_string().as_bytes());
                line.push(b'\n');
            }
        }
        out.write_all(&line).map_err(|error| error.to_string())?;
        line.clear();
        Ok(())
    })?;
    out.write_all(&line).and_then(|()| out.flush()).map_err(|error| error.to_string())?;
    Ok(entries)
}

fn fields(seq: Seq, wall: i64, entry: &Entry) -> [String; 18] {
    let mut fields = <[String; 18]>::default();
    let mut set = |name: &str, value: String| {
        if let Some(field) = HEADER.iter().position(|column| *column == name).and_then(|n| fields.get_mut(n)) {
            *field = value;
        }
    };
    set("seq", seq.to_string());
    set("time", ms(wall));
    match entry {
        Entry::Alarm(event) => alarm(event, &mut set),
        Entry::Audit { by, action, target, detail, .. } => {
            set("kind", "audit".to_owned());
            set("event", action.clone());
            set("alarm", target.clone());
            set("by", by.clone());
            set("detail", detail.clone());
        }
        Entry::Start { version, cause, off_ms, .. } => {
            set("kind", "start".to_owned());
            set("event", json!(cause).as_str().unwrap_or_default().to_owned());
            let off = off_ms.map_or("off for an unknown time".to_owned(), |ms| format!("off for {ms} ms"));
            set("detail", format!("gengfu {version}, {off}"));
        }
        Entry::Stop { .. } => set("kind", "stop".to_owned()),
        Entry::Gap { from, to, at_most, why } => {
            set("kind", "gap".to_owned());
            set("detail", format!("{} to {}, at most {at_most} readings: {why}", ms(*from), ms(*to)));
        }
        Entry::Mode(record) => {
            set("kind", "mode".to_owned());
            set("event", format!("{}-{}", record.mode, record.change));
            set("alarm", record.area.clone());
            set("by", record.by.clone());
            let walked = record.tripped.len() + record.untripped.len();
            let walk =
                if walked > 0 { format!("; {} of {walked} tripped", record.tripped.len()) } else { String::new() };
            set("detail", format!("until {}: {}{walk}", ms(record.until), record.reason));
        }
        Entry::Level(record) => {
            set("kind", "level".to_owned());
            set("event", format!("{}-{}", record.scale, record.change));
            set("state", record.to.clone());
            set("by", record.by.clone());
            let facts = if record.count > 0 {
                format!(": {} ({})", record.why.en, record.alarms.join(", "))
            } else {
                String::new()
            };
            let note = if record.note.is_empty() { String::new() } else { format!("; {}", record.note) };
            set("detail", format!("from {} to {}{facts}{note}", record.from, record.to));
        }
        Entry::Maintenance { what, detail, .. } => {
            set("kind", "maintenance".to_owned());
            set("event", what.clone());
            set("detail", detail.clone());
        }
    }
    fields
}

fn alarm(event: &AlarmEvent, set: &mut impl FnMut(&str, String)) {
    let number = |value: Option<f64>| value.map(csv::number).unwrap_or_default();
    let message = &event.message;
    set("kind", if event.shadow { "shadow" } else { "alarm" }.to_owned());
    set("alarm", event.id.clone());
    set("number", event.number.to_string());
    set("event", event.event.clone());
    set("state", event.state.clone());
    set("priority", event.priority.clone());
    set("device", event.device.clone());
    set("point", event.point.clone());
    set("rule", event.rule.clone());
    set("value", number(event.value));
    set("unit", event.unit.clone().unwrap_or_default());
    set("limit", number(event.limit));
    set("occurred", ms(event.occurred));
    set("by", event.by.clone().unwrap_or_default());
    set("message", if message.zh.is_empty() { message.en.clone() } else { message.zh.clone() });
}

fn ms(at: i64) -> String {
    csv::time(at.saturating_mul(1_000_000))
}
