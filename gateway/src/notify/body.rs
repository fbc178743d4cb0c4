//! What a push says: the JSON of the contract, its headers and its signature. Pure.

use gengfu_core::alarm::damper::Held;
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use sha2::Sha256;

use crate::ballot::Ballot;
use crate::flow::{Acknowledged, AlarmEvent, Figures, Text, Veil};
use crate::journal::Tapped;

/// Header with `<alarm id>.<transition number>`, the same on every re-send.
pub(super) const KEY: &str = "Idempotency-Key";
/// Header with `sha256=<hex>`: HMAC-SHA256 of the body under the secret.
pub(super) const SIGNATURE: &str = "Gengfu-Signature";
/// Header that says what a body is before it is read: `alarm` or `heartbeat`.
pub(super) const KIND: &str = "Gengfu-Event";

#[derive(Debug, Serialize)]
struct Push<'a> {
    key: String,
    alarm_id: &'a str,
    number: u32,
    event: &'a str,
    state: &'a str,
    site: &'a str,
    device: &'a str,
    point: &'a str,
    kind: &'a str,
    rule: &'a str,
    priority: &'a str,
    level: u8,
    value: Option<f64>,
    quality: &'a str,
    reason: Option<&'a str>,
    unit: Option<&'a str>,
    limit: Option<f64>,
    time_to_limit_ms: Option<u64>,
    early_warning: bool,
    message: &'a Text,
    advice: Option<&'a str>,
    basis: Option<&'a str>,
    by: Option<&'a str>,
    /// Votes: how the voters stood.
    #[serde(skip_serializing_if = "Option::is_none")]
    ballot: Option<&'a Ballot>,
    raised: Option<&'a Figures>,
    acknowledged: Option<&'a Acknowledged>,
    life: &'a str,
    shelved: Option<&'a Veil>,
    out_of_service: Option<&'a Veil>,
    suppressed: bool,
    test: Option<&'a str>,
    first: bool,
    note: Option<&'a str>,
    times: Times,
    /// `unset`: the gateway's clock was not set, the times count from its boot. `set-later`: it was not, and they follow
    /// from the clock that was set later.
    clock: Option<&'a str>,
    /// On the gateway's disk before this was sent.
    durable: bool,
    /// Steps that were held back before this one, where the channel asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    damped: Option<Damped>,
    link: String,
}

/// What this push speaks for beside itself.
#[derive(Debug, Serialize)]
struct Damped {
    held: u32,
    /// Since the first of them.
    for_ms: u64,
}

/// Each as RFC 3339 in UTC and as milliseconds.
#[derive(Debug, Serialize)]
struct Times {
    onset: Option<String>,
    onset_ms: i64,
    occurred: Option<String>,
    occurred_ms: i64,
    detected: Option<String>,
    detected_ms: i64,
    committed: Option<String>,
    committed_ms: Option<i64>,
    sent: Option<String>,
    sent_ms: i64,
}

/// A transition, sent at `sent` (UTC ms).
pub(super) fn alarm(tapped: &Tapped, damped: Option<Held>, console: &str, sent: i64) -> Vec<u8> {
    let event = &tapped.event;
    json(&Push {
        key: event.key(),
        alarm_id: &event.id,
        number: event.number,
        event: &event.event,
        state: &event.state,
        site: &event.site,
        device: &event.device,
        point: &event.point,
        kind: &event.kind,
        rule: &event.rule,
        priority: &event.priority,
        level: event.level,
        value: event.value,
        quality: &event.quality,
        reason: event.reason.as_deref(),
        unit: event.unit.as_deref(),
        limit: event.limit,
        time_to_limit_ms: event.time_to_limit,
        early_warning: event.early_warning,
        message: &event.message,
        advice: event.advice.as_deref(),
        basis: event.basis.as_deref(),
        by: event.by.as_deref(),
        ballot: event.ballot.as_ref(),
        raised: event.raised.as_ref(),
        acknowledged: event.acknowledged.as_ref(),
        life: event.life(),
        shelved: event.shelved.as_ref(),
        out_of_service: event.out_of_service.as_ref(),
        suppressed: event.suppressed,
        test: event.test.as_deref(),
        first: event.first,
        note: event.note.as_deref(),
        times: times(event, tapped.committed, sent),
        clock: event.clock.as_deref(),
        durable: tapped.durable,
        damped: damped.map(|Held { count, for_ms }| Damped { held: count, for_ms }),
        link: link(console, &event.id),
    })
}

fn times(event: &AlarmEvent, committed: Option<i64>, sent: i64) -> Times {
    Times {
        onset: rfc3339(event.onset),
        onset_ms: event.onset,
        occurred: rfc3339(event.occurred),
        occurred_ms: event.occurred,
        detected: rfc3339(event.detected),
        detected_ms: event.detected,
        committed: committed.and_then(rfc3339),
        committed_ms: committed,
        sent: rfc3339(sent),
        sent_ms: sent,
    }
}

/// What a heartbeat tells beside "I am here".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pulse {
    /// UTC ms.
    pub(super) sent: i64,
    pub(super) since: i64,
    /// Pushes accepted since then.
    pub(super) pushed: u64,
    /// Transitions that are waiting to be accepted.
    pub(super) waiting: usize,
}

#[derive(Debug, Serialize)]
struct Heartbeat<'a> {
    event: &'static str,
    site: &'a str,
    time: Option<String>,
    time_ms: i64,
    /// When this process began to push.
    since: Option<String>,
    since_ms: i64,
    pushed: u64,
    waiting: usize,
}

pub(super) fn heartbeat(site: &str, pulse: Pulse) -> Vec<u8> {
    let Pulse { sent, since, pushed, waiting } = pulse;
    let (time, begin) = (rfc3339(sent), rfc3339(since));
    json(&Heartbeat { event: "heartbeat", site, time, time_ms: sent, since: begin, since_ms: since, pushed, waiting })
}

/// `sha256=<hex>` of the body under the secret.
pub(super) fn signature(secret: &[u8], body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
    mac.update(body);
    let mut out = "sha256=".to_owned();
    for byte in mac.finalize().into_bytes() {
        for nibble in [byte >> 4, byte & 15] {
            out.push(char::from_digit(u32::from(nibble), 16).expect("a nibble is below 16"));
        }
    }
    out
}

/// `console` may be a bare `host:port`.
fn link(console: &str, id: &str) -> String {
    let scheme = if console.contains("://") { "" } else { "http://" };
    format!("{scheme}{}/?alarm={id}", console.trim_end_matches('/'))
}

/// `None` for a time that no calendar has.
fn rfc3339(ms: i64) -> Option<String> {
    jiff::Timestamp::from_millisecond(ms).ok().map(|time| format!("{time:.3}"))
}

fn json<T: Serialize>(value: &T) -> Vec<u8> {
    // serde_json writes a value that is no number as null.
    serde_json::to_vec(value).expect("plain structs of strings and numbers can always be written")
}
