//! A pack on the points of one series, a row at a time.

use std::collections::BTreeMap;

use gengfu_core::derive::{explained, ratio};
use gengfu_core::detect::calendar::Calendar;
use gengfu_core::detect::limit::{Level, Side};
use gengfu_core::detect::{baseline, drift, limit, rhythm, trend};
use gengfu_core::time::{Mono, Now, Wall};

use super::packs::{Channel, DAY, Detector, Drift, PACKS, Pack};

/// The series' clock begins on a Monday, at midnight of the site.
const MONDAY: i64 = 4 * DAY as i64;

/// A point and its limits.
#[derive(Debug)]
pub(crate) struct Site {
    pack: &'static Pack,
    values: Vec<String>,
    limits: Vec<(Side, f64)>,
}

impl Site {
    /// From a row of limits.csv.
    pub(crate) fn of(record: &BTreeMap<&str, &str>) -> Result<Self, String> {
        let cell = |name: &str| record.get(name).copied().ok_or(format!("limits.csv lacks {name}"));
        let kind = cell("kind")?;
        let pack = PACKS.iter().find(|p| p.kind == kind).ok_or(format!("there is no pack for {kind}"))?;
        let number = |text: &str| text.parse::<f64>().map_err(|e| format!("limit {text}: {e}"));
        let limits = cell("limit")?.split('|').map(number).collect::<Result<Vec<_>, _>>()?;
        let sides = match cell("dir")? {
            "high" => vec![Side::High],
            "low" => vec![Side::Low],
            _ => vec![Side::Low, Side::High],
        };
        // A row that names one direction of two limits means the outer one of that direction.
        let limits = match (&sides[..], &limits[..]) {
            ([Side::Low], [first, ..]) => vec![(Side::Low, *first)],
            ([Side::High], [.., last]) => vec![(Side::High, *last)],
            (sides, limits) => sides.iter().copied().zip(limits.iter().copied()).collect(),
        };
        let values = cell("value")?.split('/').map(str::to_string).collect();
        Ok(Self { pack, values, limits })
    }

    /// The columns a row is made of: time, values, what the channels need besides.
    pub(crate) fn columns(&self) -> Vec<&str> {
        let mut columns = vec!["t"];
        columns.extend(self.values.iter().map(String::as_str));
        for (channel, _) in self.pack.rules {
            columns.extend(channel.column());
        }
        columns
    }
}

impl Channel {
    const fn column(&self) -> Option<&'static str> {
        match self {
            Self::Explained { load: column, .. } | Self::Other { column } => Some(*column),
            Self::Plain | Self::Ratio { .. } => None,
        }
    }
}

enum Feed {
    Plain,
    Other(usize),
    Ratio(ratio::Params, ratio::State, [f64; 2]),
    Explained(usize, explained::Params, Box<explained::State>),
}

enum Eye {
    Trend(trend::Params, Box<trend::State>),
    Drift(drift::Params, Box<drift::State>),
    Rhythm(rhythm::Params, Box<rhythm::State>),
    Limit(limit::Params, limit::State),
}

struct Watch {
    feed: Feed,
    eye: Eye,
}

/// The alarm state of each row.
pub(crate) fn run(site: &Site, rows: &[Vec<f64>]) -> Vec<bool> {
    let columns = site.columns();
    let mut watches = Vec::new();
    for (channel, detector) in site.pack.rules {
        let column = channel.column().and_then(|c| columns.iter().position(|name| *name == c)).unwrap_or(1);
        for (side, line) in &site.limits {
            watches.push(Watch { feed: feed(channel, column), eye: eye(detector, *side, *line) });
        }
    }
    rows.iter().map(|row| step(&mut watches, row)).collect()
}

fn step(watches: &mut [Watch], row: &[f64]) -> bool {
    let Some(t) = row.first() else { return false };
    let ms = (t * 1000.0) as u64;
    let now = Now { mono: Mono(ms), wall: Wall(MONDAY + ms as i64) };
    let mut alarm = false;
    for watch in watches {
        if let Some(value) = watch.feed.value(row, now, watch.eye.is_wary()) {
            watch.eye.value(value, now);
        }
        alarm |= watch.eye.stands(now.mono);
    }
    alarm
}

fn feed(channel: &Channel, column: usize) -> Feed {
    match *channel {
        Channel::Plain => Feed::Plain,
        Channel::Other { .. } => Feed::Other(column),
        Channel::Ratio { enough } => Feed::Ratio(ratio::Params { enough }, ratio::State::default(), [0.0; 2]),
        Channel::Explained { rated, tau_ms, learn_ms, .. } => {
            let params = explained::Params { tau_ms, rated, memory_ms: 10 * DAY, learn_ms, offset_min: 0 };
            Feed::Explained(column, params, Box::default())
        }
    }
}

fn eye(detector: &Detector, side: Side, line: f64) -> Eye {
    match *detector {
        Detector::Trend { window_ms, within_ms } => {
            Eye::Trend(trend::Params { limit: line, side, within_ms, window_ms }, Box::default())
        }
        Detector::Drift(d) => {
            let Drift { bins, floor, memory, roam, .. } = d;
            let usual = baseline::Params { bins, calendar: Calendar::default(), floor, memory, roam };
            let Drift { block_ms, learn_ms, shift, slack, rise, .. } = d;
            let (step, patience_ms) = (d.steps.map(|s| s.sigma), d.steps.map_or(0, |s| s.patience_ms));
            let params = drift::Params { side, usual, block_ms, learn_ms, shift, slack, rise, step, patience_ms };
            Eye::Drift(params, Box::default())
        }
        Detector::Rhythm { early, late } => Eye::Rhythm(rhythm::Params { early, late }, Box::default()),
        Detector::Limit { on_ms } => {
            let first = Level { limit: line, clear: line, on_ms, off_ms: 0 };
            Eye::Limit(limit::Params { side, first, second: None }, limit::State::default())
        }
    }
}

impl Feed {
    fn value(&mut self, row: &[f64], now: Now, wary: bool) -> Option<f64> {
        let cell = |i: usize| row.get(i).copied().filter(|v| v.is_finite());
        match self {
            Self::Plain => cell(1),
            Self::Other(column) => cell(*column),
            Self::Ratio(params, state, [parts, wholes]) => {
                (*parts, *wholes) = (*parts + cell(1)?, *wholes + cell(2)?);
                state.part(params, *parts);
                state.whole(params, *wholes)
            }
            Self::Explained(column, params, state) => {
                if let Some(load) = cell(*column) {
                    state.load(params, load, now.mono);
                }
                state.value(params, cell(1)?, now.wall, now, !wary)
            }
        }
    }
}

impl Eye {
    fn value(&mut self, value: f64, now: Now) {
        match self {
            Self::Trend(params, state) => state.value(params, value, now.wall, now),
            Self::Drift(params, state) => state.value(params, value, now.wall, now),
            Self::Rhythm(params, state) => state.value(params, value, now.wall, now),
            Self::Limit(params, state) => state.value(params, value, now.wall, now),
        }
    }

    fn is_wary(&self) -> bool {
        match self {
            Self::Drift(params, state) => state.is_wary(params),
            Self::Trend(..) | Self::Rhythm(..) | Self::Limit(..) => false,
        }
    }

    fn stands(&mut self, mono: Mono) -> bool {
        match self {
            Self::Trend(params, state) => state.standing(params).is_some(),
            Self::Drift(params, state) => state.standing(params).is_some(),
            Self::Rhythm(params, state) => {
                state.expire(params, mono);
                state.standing().is_some()
            }
            Self::Limit(params, state) => {
                state.expire(params, mono);
                state.standing(params).is_some()
            }
        }
    }
}
