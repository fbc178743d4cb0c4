//! A scenario: made-up series with gaps and faults, and which alarms must stand when. One stands beside each pack, so that what a
//! pack says is tried by the engine that runs live; a site engineer writes one for rules of their own in the same way.
//!
//! `[[point]]` are the points, `[[rule]]` the rules as in a site file, `[[case]]` the tries. Each begins as after a first start.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gengfu_core::alarm::Priority;

use super::book::Book;
use super::checked::Site;
use super::detector::PRIORITIES;
use super::pack::outside::From;
use super::series::{self, Sample};
use super::site::{DAY, SECOND};
use super::table::Table;
use super::value::{Value, shorten};
use super::{Complaint, Others, names, parse_with, tree};

/// Longest case.
const MAX_CASE: Duration = Duration::from_hours(120 * 24);
const MAX_TEXT: usize = 200;
/// 2026-03-02T00:00:00+08:00, a Monday: when a case begins that does not say.
const MONDAY: i64 = 1_772_380_800_000;

/// Checked, and ready to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    pub site: Arc<Site>,
    pub cases: Vec<Case>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    pub what: String,
    /// UTC ms.
    pub start: i64,
    /// By `device/point`.
    pub series: Vec<(String, Vec<Sample>)>,
    /// In order of time.
    pub looks: Vec<Look>,
}

impl Case {
    pub fn speaks_of(&self, point: &str) -> bool {
        self.series.iter().any(|(name, _)| name == point)
    }
}

/// What must stand at a time: this, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Of the file, from 1.
    pub line: usize,
    /// Since the case began, ms.
    pub at: u64,
    /// `rule@device/point`, and how urgent.
    pub stand: Vec<(String, Priority)>,
}

/// Reads a scenario, which may use these packs.
pub(super) fn parse(text: &str, file: &Path, packs: From<'_>) -> Result<Scenario, Vec<Complaint>> {
    let book = Book::new(text, file);
    let parsed = tree(&book, text);
    let root = Table::root(&book, parsed.get_ref());
    let points: Vec<Point> = root.tables("point", "[[point]]").into_iter().filter_map(|table| point(&table)).collect();
    let known: Vec<&str> = points.iter().map(|point| point.name.as_str()).collect();
    let head = root.table("site", "[site]");
    let open = head.as_ref().and_then(|head| head.get("open")?.text());
    let week = open.map_or(String::new(), |open| format!("open = {open:?}\n"));
    if let Some(head) = head {
        head.finish(&[]);
    }
    let cases: Vec<Case> =
        root.tables("case", "[[case]]").into_iter().filter_map(|table| case(table, &known)).collect();
    if root.place("case").is_none() {
        book.missing(0, "the scenario has no case", "add [[case]] with `what`, `series` and `look`");
    }
    root.pass_over(&["rule"]);
    root.finish(&[]);
    let (complaints, _) = book.close();
    if !complaints.is_empty() {
        return Err(complaints);
    }
    let named = format!("{} (its points)", file.display());
    let rules = Others { text, file, besides: &["site", "point", "case"] };
    let site = parse_with(&site(&week, &points), Path::new(&named), Some(rules), packs)?;
    Ok(Scenario { site: Arc::new(site.site), cases })
}

struct Point {
    name: String,
    unit: Option<String>,
    life_safety: bool,
}

fn point(table: &Table<'_>) -> Option<Point> {
    let name = table.need("name", "\"hydrant/pressure\"").and_then(|value| {
        let text = value.text()?;
        let fine = text
            .split_once('/')
            .is_some_and(|(device, point)| names::fault(device).is_none() && names::fault(point).is_none());
        if !fine {
            value.complain(
                format!("`name` is \"{}\", which is no device/point", shorten(text)),
                "write \"hydrant/pressure\"",
            );
        }
        fine.then(|| text.to_owned())
    });
    let unit = table.get("unit").and_then(|v| v.line(16));
    let life_safety = table.get("life_safety").and_then(Value::boolean).unwrap_or(false);
    Some(Point { name: name?, unit, life_safety })
}

/// A site file with these points.
fn site(week: &str, points: &[Point]) -> String {
    let mut text =
        format!("[site]\nid = \"scenario\"\n{week}[[mqtt]]\nname = \"scenario\"\nconnect = \"mqtt://127.0.0.1\"\n");
    let mut devices: Vec<&str> = points.iter().filter_map(|point| Some(point.name.split_once('/')?.0)).collect();
    devices.dedup();
    for device in devices {
        let _ = write!(text, "[[mqtt.subscribe]]\ntopic = \"{device}\"\ndevice = \"{device}\"\n");
        for (point, name) in points.iter().filter_map(|point| {
            let (of, name) = point.name.split_once('/')?;
            (of == device).then_some((point, name))
        }) {
            let unit = point.unit.as_ref().map_or(String::new(), |unit| format!("unit = {unit:?}\n"));
            let life_safety = point.life_safety;
            let _ = write!(
                text,
                "[[mqtt.subscribe.point]]\nname = \"{name}\"\nvalue = \"/{name}\"\n{unit}life_safety = {life_safety}\n"
            );
        }
    }
    text
}

fn case(table: Table<'_>, points: &[&str]) -> Option<Case> {
    let what = table.need("what", "\"a leak in the night\"").and_then(|v| v.line(MAX_TEXT));
    let start = table.or("start", MONDAY, |value| {
        let at: Option<jiff::Timestamp> = value.text()?.parse().ok();
        if at.is_none() {
            value.complain("`start` is no time", "write \"2026-03-02T08:00:00+08:00\"");
        }
        at.map(jiff::Timestamp::as_millisecond)
    });
    let one = |table: Table<'_>| {
        let point = table.need("point", "\"hydrant/pressure\"").and_then(|value| {
            let text = value.text()?;
            if !points.contains(&text) {
                value.complain(format!("there is no point `{}`", shorten(text)), "name one of [[point]]");
                return None;
            }
            Some(text.to_owned())
        });
        let every = table.or("every", SECOND * 10, |v| v.duration(Duration::from_millis(100)..=DAY));
        let values = table.need("values", "[\"0.30 for 10m\"]")?;
        table.finish(&[]);
        let samples = series::read(values, every?, MAX_CASE)?;
        Some((point?, samples))
    };
    let series: Vec<_> = table.tables("series", "[[case.series]]").into_iter().filter_map(one).collect();
    let looks: Vec<Look> = table.tables("look", "[[case.look]]").into_iter().filter_map(look).collect();
    let unordered = looks.iter().zip(looks.iter().skip(1)).any(|(a, b)| a.at >= b.at);
    if unordered || looks.is_empty() {
        table.book.missing(
            table.at,
            "the case has no `look`, or not in order of time",
            "write [[case.look]], the earliest first",
        );
    }
    table.finish(&[]);
    Some(Case { what: what?, start: start?, series, looks })
}

fn look(table: Table<'_>) -> Option<Look> {
    let at = table.need("at", "\"12m\"").and_then(|v| v.duration(Duration::ZERO..=MAX_CASE));
    let stand = table.need("stand", "{}").and_then(|v| v.table("stand = { \"rule@device/point\" = \"high\" }"));
    let line = table.book.line(table.at);
    table.finish(&[]);
    let stand =
        stand?.entries().filter_map(|(name, value)| Some((name.to_owned(), value.choice(&PRIORITIES)?))).collect();
    Some(Look { line, at: at?.as_millis() as u64, stand })
}
