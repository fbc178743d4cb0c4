//! The far end of the pushes: keeps every webhook with its key, order and time, and fails when told to.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::http::{Reply, Request, Server};
use crate::wait::until;

/// One push as it came.
#[derive(Debug, Clone)]
pub struct Push {
    pub at: Instant,
    pub key: String,
    pub body: Value,
    pub raw: Vec<u8>,
    pub signature: Option<String>,
    /// Answered with success.
    pub accepted: bool,
}

impl Push {
    pub fn word(&self, field: &str) -> &str {
        self.body[field].as_str().unwrap_or_default()
    }
}

#[derive(Debug, Default)]
struct State {
    script: VecDeque<Reply>,
    standing: Option<Reply>,
    refused: Option<String>,
    pushes: Vec<Push>,
}

/// The receiver; ends when dropped.
#[derive(Debug)]
pub struct Receiver {
    pub server: Server,
    state: Arc<Mutex<State>>,
}

impl Receiver {
    pub fn start() -> Self {
        let state: Arc<Mutex<State>> = Arc::default();
        let inside = state.clone();
        let server = Server::start(move |request| inside.lock().unwrap().take(&request));
        Self { server, state }
    }

    pub fn port(&self) -> u16 {
        self.server.port
    }

    /// The next answers, before 200.
    pub fn script(&self, replies: impl IntoIterator<Item = Reply>) {
        self.state.lock().unwrap().script.extend(replies);
    }

    /// Answers so from now on; `None`: 200.
    pub fn standing(&self, reply: Option<Reply>) {
        self.state.lock().unwrap().standing = reply;
    }

    /// Answers 500 to pushes of this rule from now on, whatever else it answers; `None`: to none.
    pub fn refuse(&self, rule: Option<&str>) {
        self.state.lock().unwrap().refused = rule.map(str::to_owned);
    }

    /// All pushes, repeats and refused ones included.
    pub fn pushes(&self) -> Vec<Push> {
        self.state.lock().unwrap().pushes.clone()
    }

    /// Those that came after the first `count`; for a reader that keeps up with many.
    pub fn pushes_after(&self, count: usize) -> Vec<Push> {
        self.state.lock().unwrap().pushes.iter().skip(count).cloned().collect()
    }

    /// Accepted pushes, each key once, in the order of their first coming; heartbeats left out.
    pub fn seen(&self) -> Vec<Push> {
        let mut keys = HashSet::new();
        let pushes = self.pushes();
        pushes.into_iter().filter(|p| p.accepted && !p.key.is_empty() && keys.insert(p.key.clone())).collect()
    }

    /// Waits for an accepted push that fits.
    pub fn expect(&self, limit: Duration, what: &str, fits: impl Fn(&Push) -> bool) -> Push {
        until(limit, &format!("push: {what}"), || self.seen().into_iter().find(|p| fits(p)))
    }

    /// Every transition once, none missing, in order: for each alarm id the numbers run 1, 2, 3… in order of arrival.
    pub fn complete(&self) -> Result<usize, String> {
        let mut alarms: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for push in self.seen() {
            let (id, number) = push.key.rsplit_once('.').ok_or_else(|| format!("odd key {}", push.key))?;
            alarms.entry(id.to_owned()).or_default().push(number.parse().map_err(|_| format!("odd key {}", push.key))?);
        }
        for (id, numbers) in &alarms {
            if !numbers.iter().copied().eq(1..=numbers.len() as u64) {
                return Err(format!("alarm {id}: transitions came as {numbers:?}"));
            }
        }
        Ok(alarms.values().map(Vec::len).sum())
    }
}

impl State {
    fn take(&mut self, request: &Request) -> Reply {
        let ok = || Reply::Status(200, "{}".to_owned());
        let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        let refused = self.refused.as_ref().filter(|rule| body["rule"] == **rule);
        let refused = refused.map(|_| Reply::Status(500, "no".to_owned()));
        let reply = refused.or_else(|| self.script.pop_front()).or_else(|| self.standing.clone()).unwrap_or_else(ok);
        let accepted = matches!(&reply, Reply::Status(200..=299, _) | Reply::With(200..=299, _, _));
        self.pushes.push(Push {
            at: request.at,
            key: request.header("idempotency-key").unwrap_or_default().to_owned(),
            body,
            raw: request.body.clone(),
            signature: request.header("gengfu-signature").map(str::to_owned),
            accepted,
        });
        reply
    }
}
