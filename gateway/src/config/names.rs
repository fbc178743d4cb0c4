//! Names: what they may be made of, who has which already, and which points a rule may speak of.

use std::collections::HashMap;
use std::time::Duration;

use super::book::Book;
use super::checked::Labels;
use super::near::nearest;
use super::value::{Value, shorten};

/// Names go into topics, URLs and line protocol, which bear this many characters each without trouble.
pub(super) const MAX_NAME: usize = 64;

/// What is named. Each has its own names, except that sources share theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Thing {
    /// A Modbus line or an MQTT link.
    Source,
    Device,
    /// As `device/point`.
    Point,
    Rule,
    Store,
    Webhook,
    Uplink,
}

impl Thing {
    const fn word(self) -> &'static str {
        match self {
            Self::Source => "line or link",
            Self::Device => "device",
            Self::Point => "point",
            Self::Rule => "rule",
            Self::Store => "store",
            Self::Webhook => "webhook",
            Self::Uplink => "uplink",
        }
    }
}

/// A point a rule may be on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Known {
    /// `device/point`; with `*` where it stands for all devices of a topic.
    pub(super) name: String,
    pub(super) unit: Option<String>,
    pub(super) range: Option<(f64, f64)>,
    /// Modbus: the period.
    pub(super) every: Option<Duration>,
    /// How many rules are on it.
    pub(super) rules: usize,
}

impl Known {
    /// Whether it stands for devices that have not been heard yet.
    pub(super) fn is_pattern(&self) -> bool {
        self.name.contains('*')
    }
}

/// Everything named so far.
#[derive(Debug, Default)]
pub(super) struct Names {
    taken: HashMap<(Thing, String), usize>,
    pub(super) points: Vec<Known>,
    pub(super) labels: Labels,
    /// A device or point could not be named: that a rule's point is not known is no proof then.
    pub(super) doubtful: bool,
    /// Who connects to which broker, by host, port and client id, and the byte where that stands.
    pub(super) clients: HashMap<(String, u16, String), usize>,
}

impl Names {
    /// Of no site: what points there are is not known.
    pub(super) fn of_nowhere() -> Self {
        Self { doubtful: true, ..Self::default() }
    }

    /// Takes a name; if it is taken already, complains where it stands for the second time in the file.
    pub(super) fn claim(&mut self, thing: Thing, name: &str, value: Value<'_>) -> bool {
        let first = *self.taken.entry((thing, name.to_owned())).or_insert(value.at);
        if first != value.at {
            second(value.book, thing, name, (first, value.at));
        }
        first == value.at
    }

    /// Where a name was taken.
    pub(super) fn place(&self, thing: Thing, name: &str) -> Option<usize> {
        self.taken.get(&(thing, name.to_owned())).copied()
    }

    /// The known point whose name is nearest.
    pub(super) fn nearest_point(&self, name: &str) -> Option<&str> {
        nearest(name, self.points.iter().map(|known| known.name.as_str()))
    }
}

/// Says that a name stands at two places.
pub(super) fn second(book: &Book<'_>, thing: Thing, name: &str, places: (usize, usize)) {
    let (first, second) = (places.0.min(places.1), places.0.max(places.1));
    book.complain(
        second,
        format!("there is a second {} named `{}`", thing.word(), shorten(name)),
        format!("give it a name of its own; the first is in line {}", book.line(first)),
    );
}

/// Reads a name.
pub(super) fn name(value: Value<'_>) -> Option<String> {
    let text = value.text()?;
    if let Some(fault) = fault(text) {
        value.complain(
            format!("`{}` is \"{}\", which {fault}", value.key, shorten(text)),
            "names are made of the letters A-Z a-z, digits and _ . - and begin with a letter or digit",
        );
        return None;
    }
    Some(text.to_owned())
}

/// Why a text cannot be a name.
pub(super) fn fault(text: &str) -> Option<String> {
    let first = text.chars().next();
    let odd = text.chars().find(|c| !is_name_char(*c));
    match (first, odd) {
        (None, _) => Some("is empty".to_owned()),
        (_, Some(odd)) => Some(format!("holds {odd:?}")),
        // `.` and `..` mean something in a URL, `_` belongs to the stores.
        (Some(first), _) if !first.is_ascii_alphanumeric() => Some(format!("begins with {first:?}")),
        _ if text.len() > MAX_NAME => Some(format!("is longer than {MAX_NAME} characters")),
        _ => None,
    }
}

pub(super) fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

/// Reads the name of a point, which is also a field of the time series.
pub(super) fn point_name(value: Value<'_>) -> Option<String> {
    let name = name(value)?;
    if name == "time" || name.ends_with("_q") {
        value.complain(
            format!("a point cannot be named `{name}`"),
            "`time` and names ending in `_q` (the quality beside a value) are taken in the time series; use another",
        );
        return None;
    }
    Some(name)
}

/// Reads a device's kind, which is the measurement of its time series.
pub(super) fn kind(value: Value<'_>) -> Option<String> {
    let kind = name(value)?;
    if kind == "alarm" {
        value.complain(
            "a kind cannot be named `alarm`",
            "that is where the time series keep the alarm events; use another",
        );
        return None;
    }
    Some(kind)
}
