//! The site file from the top: who we are, where the journal lies, where the console listens.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gengfu_core::alarm::performance::Params;
use gengfu_core::detect::calendar::Calendar;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use toml::de::DeTable;

use super::book::Book;
use super::checked::{ConsoleConfig, JournalConfig, Policy, Site};
use super::names::{self, Names};
use super::near::misspelt;
use super::pack::Shelf;
use super::sink::{self, Sinks};
use super::table::Table;
use super::value::{Value, shorten};
use super::{calendar, modbus, mqtt, performance, rule, warning};

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const DAY: Duration = Duration::from_hours(24);
/// Longest line of text that is a name for people.
pub(super) const MAX_TEXT: usize = 200;

/// Beside the site file.
pub(super) const DEFAULT_JOURNAL: &str = "data";
const DEFAULT_TIMEZONE: &str = "Asia/Shanghai";
const DEFAULT_CLOCK_TOLERANCE: Duration = Duration::from_mins(1);
const DEFAULT_KEEP: Duration = Duration::from_hours(90 * 24);
const KEEP: std::ops::RangeInclusive<Duration> = Duration::from_hours(1)..=Duration::from_hours(24 * 3_650);
const DEFAULT_MAX_SIZE: u64 = 4 << 30;
/// Below this the telemetry lane could not hold a busy hour.
const MIN_MAX_SIZE: u64 = 16 << 20;
const MAX_MAX_SIZE: u64 = 1 << 50;
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8420);

/// Walks the whole file; `None` where something that must be there is not. The rules are those of `others`, where there are any.
pub(super) fn read<'a>(
    book: &'a Book<'a>,
    tree: &'a DeTable<'a>,
    others: Option<Table<'a>>,
    directory: &Path,
    shelf: &Shelf<'a>,
) -> Option<Site> {
    let file = Table::root(book, tree);
    let mut names = Names::default();
    let head = file.table("site", "[site]").and_then(head);
    if file.place("site").is_none() {
        book.missing(0, "the file has no [site]", "begin with [site] and id = \"my-site\"");
    }
    let journal = journal(file.table("journal", "[journal]"), directory);
    let console = console(file.table("console", "[console]"));
    let modbus = modbus::read(&file, &mut names);
    let id = head.as_ref().map_or("", |head| &head.id);
    let mqtt = mqtt::read(&file, &mut names, id, directory);
    let calendar = head.as_ref().map_or_else(Calendar::default, |head| head.calendar);
    let rules = match others {
        Some(others) => {
            // They are known, and not looked at.
            let _ = file.get("rule");
            let rules = rule::read(&others, &mut names, calendar, shelf);
            others.finish(&[]);
            rules
        }
        None => rule::read(&file, &mut names, calendar, shelf),
    };
    let alarms = alarms(file.table("alarms", "[alarms]"));
    let warning = warning::read(file.table("warning", "[warning]"), &rules);
    let Sinks { influx, uplinks, webhooks } = sink::read(&file, &mut names, id, directory);
    // Has been read before the rules.
    file.pass_over(&["packs"]);
    let later = ["uplink"];
    file.later(&later, "a centre is reached by [[forward.mqtt]]");
    if file.place("modbus").is_none() && file.place("mqtt").is_none() {
        book.warn(0, "the site has no [[modbus]] and no [[mqtt]]", "add where its readings come from");
    }
    file.finish(&later);
    let Head { id, name, street, industry, timezone, calendar, clock_tolerance } = head?;
    let journal = journal?;
    let console = console?;
    let (policy, performance) = alarms?;
    Some(Site {
        id,
        name,
        street,
        industry,
        timezone,
        calendar,
        clock_tolerance,
        journal,
        console,
        modbus,
        mqtt,
        rules,
        policy,
        performance,
        warning: warning?,
        labels: names.labels,
        influx,
        uplinks,
        webhooks,
    })
}

struct Head {
    id: String,
    name: String,
    street: Option<String>,
    industry: Option<String>,
    timezone: String,
    calendar: Calendar,
    clock_tolerance: Duration,
}

fn head(table: Table<'_>) -> Option<Head> {
    let id = table.need("id", "\"my-site-01\"").and_then(names::name);
    let name = table.get("name").and_then(|v| v.line(MAX_TEXT));
    let street = table.get("street").and_then(|v| v.line(MAX_TEXT));
    let industry = table.get("industry").and_then(names::name);
    let zone = table.or("timezone", DEFAULT_TIMEZONE.to_owned(), timezone);
    let calendar = calendar::read(&table, zone.as_deref().unwrap_or(DEFAULT_TIMEZONE));
    let tolerance = table.or("clock_tolerance", DEFAULT_CLOCK_TOLERANCE, |v| v.duration(SECOND..=DAY));
    table.finish(&[]);
    let id = id?;
    Some(Head {
        name: name.unwrap_or_else(|| id.clone()),
        id,
        street,
        industry,
        timezone: zone?,
        calendar: calendar?,
        clock_tolerance: tolerance?,
    })
}

/// A name of the zone database that the binary carries, as it spells it.
fn timezone(value: Value<'_>) -> Option<String> {
    let text = value.text()?;
    let zones = TimeZoneDatabase::bundled();
    if let Some(name) = zones.get(text).ok().as_ref().and_then(TimeZone::iana_name) {
        return Some(name.to_owned());
    }
    let names: Vec<_> = zones.available().collect();
    // By the city alone: the areas are so alike that a city which has no zone would be taken for a typing error of another.
    let meant = misspelt(city(text), names.iter().map(|name| city(name.as_str())));
    let mend = match names.iter().find(|name| meant == Some(city(name.as_str()))) {
        Some(name) => format!("did you mean \"{name}\"? All of China keeps \"Asia/Shanghai\""),
        None => "all of China keeps \"Asia/Shanghai\"; elsewhere write Area/City as IANA does".to_owned(),
    };
    value.complain(format!("\"{}\" is no time zone", shorten(text)), mend);
    None
}

fn city(zone: &str) -> &str {
    zone.rsplit('/').next().unwrap_or(zone)
}

fn journal(table: Option<Table<'_>>, directory: &Path) -> Option<JournalConfig> {
    let standard = JournalConfig {
        path: directory.join(DEFAULT_JOURNAL),
        keep: DEFAULT_KEEP,
        keep_life_safety: DEFAULT_KEEP,
        max_size: DEFAULT_MAX_SIZE,
    };
    let Some(table) = table else { return Some(standard) };
    let path = table.or("path", standard.path, |v| path(v, directory));
    let keep = table.or("keep", standard.keep, |v| v.duration(KEEP));
    let longer = |v: Value<'_>| {
        let asked = v.duration(KEEP)?;
        if keep.is_some_and(|keep| asked < keep) {
            v.complain(
                "`keep_life_safety` is less than `keep`",
                "make it longer, or leave it out: life-safety points are kept as long as others then",
            );
            return None;
        }
        Some(asked)
    };
    let keep_life_safety = table.or("keep_life_safety", keep.unwrap_or(standard.keep), longer);
    let max_size = table.or("max_size", standard.max_size, |v| v.size(MIN_MAX_SIZE..=MAX_MAX_SIZE));
    table.finish(&[]);
    Some(JournalConfig { path: path?, keep: keep?, keep_life_safety: keep_life_safety?, max_size: max_size? })
}

/// How long people may keep alarms from being announced, and what alarms are measured against.
fn alarms(table: Option<Table<'_>>) -> Option<(Policy, Params)> {
    let standard = Policy::default();
    let Some(table) = table else { return Some((standard, Params::default())) };
    let max_shelf = table.or("max_shelf", standard.max_shelf, |v| v.duration(SECOND..=DAY * 7));
    let max_out = table.or("max_out_of_service", standard.max_out_of_service, |v| v.duration(SECOND..=DAY * 366));
    let max_mode = table.or("max_mode", standard.max_mode, |v| v.duration(SECOND..=DAY * 7));
    let measures =
        performance::read(table.table("performance", "[alarms.performance]"), max_shelf.unwrap_or(standard.max_shelf));
    table.finish(&[]);
    Some((Policy { max_shelf: max_shelf?, max_out_of_service: max_out?, max_mode: max_mode? }, measures?))
}

/// A path, relative to the site file's directory. Whether it exists is not asked.
pub(super) fn path(value: Value<'_>, directory: &Path) -> Option<PathBuf> {
    Some(directory.join(value.line(4_096)?))
}

fn console(table: Option<Table<'_>>) -> Option<ConsoleConfig> {
    let Some(table) = table else { return Some(ConsoleConfig { listen: DEFAULT_LISTEN }) };
    let listen = table.or("listen", DEFAULT_LISTEN, listen);
    table.finish(&[]);
    Some(ConsoleConfig { listen: listen? })
}

fn listen(value: Value<'_>) -> Option<SocketAddr> {
    let text = value.text()?;
    let Ok(address) = text.parse::<SocketAddr>() else {
        value.complain(
            format!("`listen` is \"{}\", which is no address and port", shorten(text)),
            format!("write listen = \"{DEFAULT_LISTEN}\""),
        );
        return None;
    };
    if !address.ip().is_loopback() {
        value.complain(
            format!("`listen` is {address}, no loopback address: others could reach it, and users and TLS come later"),
            format!("listen on 127.0.0.1:{} and reach it by an SSH tunnel", address.port()),
        );
        return None;
    }
    Some(address)
}

/// How many of something there are, for messages that count.
pub(super) fn plural(count: usize, word: &str) -> String {
    if count == 1 { format!("{count} {word}") } else { format!("{count} {word}s") }
}
