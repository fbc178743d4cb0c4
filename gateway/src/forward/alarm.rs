//! Alarm events as line protocol: measurement `alarm`, tags `site`, `device`, `rule`. Pure.
//!
//! The time is when it occurred, with the record's sequence number below the millisecond: two transitions of one
//! millisecond (two points of one device under one rule) are two points of one series, and a re-send is the very same.

use gengfu_core::alarm::{Priority, StateName};

use super::line::{Builder, Lines};
use super::names::series_head;
use crate::flow::AlarmEvent;
use crate::journal::{Entry, Seq};

const NS_PER_MS: i64 = 1_000_000;

/// Encodes the alarm events among the entries; the others are not for a store.
pub(super) fn encode(entries: &[(Seq, Entry)]) -> Lines {
    let mut out = Builder::with_room(entries.len());
    let mut head = Vec::new();
    for (seq, entry) in entries {
        let Entry::Alarm(event) = entry else { continue };
        head.clear();
        let tags = [("site", event.site.as_str()), ("device", &event.device), ("rule", &event.rule)];
        match series_head(&mut head, "alarm", &tags) {
            Ok(()) => {
                out.open(&head);
                out.piece(*seq, |text| fields(text, event));
                out.close(time(event, *seq));
            }
            Err(why) => out.refuse(*seq, why),
        }
    }
    out.finish()
}

fn time(event: &AlarmEvent, seq: Seq) -> i64 {
    event.occurred.saturating_mul(NS_PER_MS).saturating_add((seq % NS_PER_MS as u64) as i64)
}

fn fields(text: &mut Vec<u8>, event: &AlarmEvent) {
    string(text, "id", &event.id);
    for (key, value) in [("point", &event.point), ("event", &event.event), ("state", &event.state)] {
        text.push(b',');
        string(text, key, value);
    }
    let state = StateName::ALL.into_iter().find(|s| s.word() == event.state);
    let priority = Priority::ALL.into_iter().find(|p| p.word() == event.priority);
    for (key, number) in [("state_n", state.map(|s| s as u8)), ("priority_n", priority.map(|p| p as u8))] {
        if let Some(number) = number {
            text.extend_from_slice(format!(",{key}={number}i").as_bytes());
        }
    }
    for (key, value) in [("life", &event.life), ("test", &event.test)] {
        if let Some(value) = value {
            text.push(b',');
            string(text, key, value);
        }
    }
    if event.shadow {
        text.extend_from_slice(b",shadow=true");
    }
    if let Some(value) = event.value.filter(|v| v.is_finite()) {
        text.extend_from_slice(b",value=");
        text.extend_from_slice(ryu::Buffer::new().format_finite(value).as_bytes());
    }
    text.push(b',');
    let message = &event.message;
    string(text, "message", if message.zh.is_empty() { &message.en } else { &message.zh });
}

/// `key="value"`. A line break would end the line for some stores, so control characters become spaces.
fn string(text: &mut Vec<u8>, key: &str, value: &str) {
    text.extend_from_slice(key.as_bytes());
    text.extend_from_slice(b"=\"");
    for c in value.chars() {
        match c {
            '"' | '\\' => text.extend_from_slice(&[b'\\', c as u8]),
            c if c.is_control() => text.push(b' '),
            c => text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    text.push(b'"');
}
