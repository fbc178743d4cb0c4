//! What goes over the wire: the head of a telemetry message, an entry of the alarm lane as JSON, the topics. Pure.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::journal::{Entry, Lane, Seq};

/// Version of the messages; a centre refuses what it does not know.
pub(super) const VERSION: u32 = 1;

/// Where things go.
#[derive(Debug)]
pub(super) struct Topics {
    pub(super) alarm: String,
    pub(super) telemetry: String,
    pub(super) status: String,
    pub(super) command: String,
    pub(super) reply: String,
}

impl Topics {
    pub(super) fn of(site: &str) -> Self {
        let topic = |leaf: &str| format!("gengfu/v1/{site}/{leaf}");
        Self {
            alarm: topic("alarm"),
            telemetry: topic("telemetry"),
            status: topic("status"),
            command: topic("command"),
            reply: topic("reply"),
        }
    }
}

/// How a record comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Live,
    Backlog,
}

impl Order {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Backlog => "backlog",
        }
    }
}

pub(super) const fn lane_word(lane: Lane) -> &'static str {
    match lane {
        Lane::Alarm => "alarm",
        Lane::Telemetry => "telemetry",
    }
}

/// What a centre needs to know of a message beside its records.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'a> {
    pub(super) site: &'a str,
    pub(super) epoch: u64,
    pub(super) first: Seq,
    pub(super) last: Seq,
    pub(super) order: Order,
    /// The newest record of the lane.
    pub(super) head: Seq,
    /// The oldest still owed; the one after the newest where nothing is.
    pub(super) tail: Seq,
    /// The command that asked for it again.
    pub(super) resend: Option<&'a str>,
}

impl Frame<'_> {
    /// The first line of a telemetry message, a comment to line protocol.
    pub(super) fn line(&self) -> String {
        let Self { site, epoch, first, last, order, head, tail, resend } = self;
        let order = order.word();
        let mut line = format!(
            "# gengfu site={site} lane=telemetry epoch={epoch} seq={first}..{last} order={order} head={head} tail={tail}"
        );
        if let Some(id) = resend {
            let _ = write!(line, " resend={id}");
        }
        line.push('\n');
        line
    }

    /// An entry of the alarm lane: its own fields, and where it stands. A step of a rule on trial is of another type, so that no
    /// centre takes it for an alarm.
    pub(super) fn entry(&self, entry: &Entry) -> Vec<u8> {
        let mut fields = match serde_json::to_value(entry) {
            Ok(Value::Object(fields)) => fields,
            Ok(_) | Err(_) => Map::new(),
        };
        let mut put = |key: &str, value: Value| fields.insert(key.to_owned(), value);
        if let Entry::Alarm(event) = entry
            && event.shadow
        {
            put("type", json!("shadow"));
        }
        put("v", json!(VERSION));
        put("site", json!(self.site));
        put("lane", json!(lane_word(Lane::Alarm)));
        put("epoch", json!(self.epoch.to_string()));
        put("seq", json!(self.first));
        put("order", json!(self.order.word()));
        put("head", json!(self.head));
        put("tail", json!(self.tail));
        if let Some(id) = self.resend {
            put("resend", json!(id));
        }
        Value::Object(fields).to_string().into_bytes()
    }
}
