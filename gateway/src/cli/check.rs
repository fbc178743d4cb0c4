//! `gengfu check FILE`: is it right, and what will come of it? Needs neither the network nor the files it names; a secret
//! that is not there yet is a warning, since it may come later.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::columns::aligned;
use super::packs::tried;
use super::survey::{Device, Head, Level, Line, Link, PackView, RuleView, Sink, Survey, survey};
use crate::config::checked::Site;
use crate::config::{self, Complaint, Loaded};
use crate::{journal, secret};

/// Points of a rule that are printed one by one.
const POINTS_SHOWN: usize = 6;

/// What is to be printed, and how the process ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub stdout: String,
    pub stderr: String,
    /// 0 fine, 2 wrong configuration.
    pub code: u8,
}

/// Checks a file; prints for people, or as JSON for programs.
pub fn check(file: &Path, json: bool) -> Report {
    let outcome = config::load(file);
    let lacking = outcome.as_ref().map_or_else(|_| Vec::new(), |loaded| lacking(&loaded.site));
    report(outcome, lacking, json)
}

/// The secrets that can't be read, and what comes of it; and a disk that is smaller than the journal may be.
fn lacking(site: &Site) -> Vec<String> {
    let stores = site.influx.iter().map(|store| {
        (format!("forward \"{}\": token_file", store.name), Some(&store.token_file), "token", "nothing is sent to it")
    });
    let hooks = site.webhooks.iter().map(|hook| {
        (format!("webhook \"{}\": secret_file", hook.name), hook.secret_file.as_ref(), "secret", "pushes go unsigned")
    });
    let links = site.mqtt.iter().map(|link| {
        (
            format!("mqtt \"{}\": password_file", link.name),
            link.broker.password_file.as_ref(),
            "password",
            "it stays down",
        )
    });
    let uplinks = site.uplinks.iter().map(|uplink| {
        let whose = format!("forward \"{}\": password_file", uplink.name);
        (whose, uplink.broker.password_file.as_ref(), "password", "it stays down")
    });
    let lack = |(whose, path, what, until): (String, Option<&PathBuf>, &str, &str)| {
        let why = secret::read(path?, what).err()?;
        Some(format!("{whose} {why}, until then {until}"))
    };
    let secrets = stores.chain(hooks).chain(links).chain(uplinks).filter_map(lack);
    secrets.chain(journal::too_small(&site.journal)).collect()
}

/// The report on what came of loading, and what the site lacks beside the file.
pub fn report(outcome: Result<Loaded, Vec<Complaint>>, lacking: Vec<String>, json: bool) -> Report {
    match outcome {
        Ok(loaded) => {
            let mut survey = survey(&loaded);
            survey.warnings.extend(lacking);
            survey
                .warnings
                .extend(survey.packs.iter().flat_map(|pack| tried(&pack.name, &pack.place)).collect::<Vec<_>>());
            let stdout = if json { pretty(&json!({ "ok": true, "plan": survey })) } else { text(&survey) };
            Report { stdout, stderr: String::new(), code: 0 }
        }
        Err(complaints) => {
            let mut stderr = String::new();
            for complaint in &complaints {
                let _ = writeln!(stderr, "{complaint}");
            }
            let stdout =
                if json { pretty(&json!({ "ok": false, "complaints": fields(&complaints) })) } else { String::new() };
            Report { stdout, stderr, code: 2 }
        }
    }
}

fn fields(complaints: &[Complaint]) -> Vec<serde_json::Value> {
    let fields =
        |c: &Complaint| json!({ "file": c.file, "line": c.line, "column": c.column, "what": c.what, "mend": c.mend });
    complaints.iter().map(fields).collect()
}

fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}

fn text(survey: &Survey) -> String {
    let mut out = head(&survey.site);
    section(&mut out, "Modbus", survey.modbus.iter().map(line));
    section(&mut out, "MQTT", survey.mqtt.iter().map(link));
    section(&mut out, "Rules", survey.rules.iter().map(rule));
    section(&mut out, "Packs", std::iter::once(packs(&survey.packs)));
    section(&mut out, "Sinks", std::iter::once(sinks(&survey.sinks)).filter(|text| !text.is_empty()));
    section(&mut out, "Without a rule", unwatched(&survey.unwatched).into_iter());
    section(&mut out, "Warnings", survey.warnings.iter().map(|warning| format!("  {warning}\n")));
    let _ = write!(out, "\n{}\n", summary(survey));
    out
}

/// A titled part; nothing where it would be empty.
fn section(out: &mut String, title: &str, parts: impl Iterator<Item = String>) {
    let body: String = parts.collect();
    if !body.is_empty() {
        let _ = write!(out, "\n{title}\n{body}");
    }
}

fn cells<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

fn head(site: &Head) -> String {
    let place: Vec<&str> = [&site.street, &site.industry].into_iter().flatten().map(String::as_str).collect();
    let place = place.into_iter().chain([site.timezone.as_str()]).collect::<Vec<_>>().join(", ");
    let longer = if site.keep_life_safety == site.keep {
        String::new()
    } else {
        format!(", life safety for {}", site.keep_life_safety)
    };
    let journal = format!("{}, for {}{longer} or {}", site.journal, site.keep, bytes(site.max_size_bytes));
    let rows = [
        cells(["Site", &site.id, &site.name]),
        cells(["", &place]),
        cells(["Journal", &journal]),
        cells(["Console", &site.console]),
    ];
    aligned(0, &rows)
}

/// A size in the largest unit that leaves at most one decimal worth reading.
fn bytes(size: u64) -> String {
    let units = [(1_u64 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB")];
    let (unit, word) = units.into_iter().find(|(unit, _)| size >= *unit).unwrap_or((1, "B"));
    let number = format!("{:.1}", size as f64 / unit as f64);
    format!("{} {word}", number.trim_end_matches(".0"))
}

fn line(line: &Line) -> String {
    let requests = count(line.requests, "request");
    let mut out = format!(
        "  {}  {}  {requests} a cycle of about {} ms, load {} %, timeout {}\n",
        line.name, line.address, line.cycle_ms, line.load_percent, line.timeout
    );
    let row = |device: &Device| {
        let unit = format!("unit {}", device.unit);
        let every = format!("every {}", device.every);
        cells([&device.name, &unit, &every, &device.kind, device.area.as_deref().unwrap_or("")])
    };
    let rows: Vec<_> = line.devices.iter().map(row).collect();
    // One layout for all devices of the line, so that they line up although reads stand between them.
    for (device, title) in line.devices.iter().zip(aligned(4, &rows).lines()) {
        out.push_str(title);
        out.push('\n');
        out.push_str(&aligned(6, &reads(device)));
    }
    out
}

fn reads(device: &Device) -> Vec<Vec<String>> {
    let row = |read: &super::survey::Read| {
        let last = u32::from(read.start) + u32::from(read.count) - 1;
        let span = if read.count == 1 { read.start.to_string() } else { format!("{}-{last}", read.start) };
        cells(["read", read.table, &span, &read.points.join(" ")])
    };
    device.reads.iter().map(row).collect()
}

fn link(link: &Link) -> String {
    let mut out = format!("  {}  {}  as {}\n", link.name, link.broker, link.client_id);
    let mut rows = Vec::new();
    for subscription in &link.subscriptions {
        let qos = format!("QoS {}", subscription.qos);
        let devices = match subscription.expect.len() {
            1 if subscription.expect.first() == Some(&subscription.device) => {
                format!("{}, expected", subscription.device)
            }
            0 => format!("{}, at most {}", subscription.device, subscription.max_devices),
            expected => format!("{}, {expected} expected, at most {}", subscription.device, subscription.max_devices),
        };
        let points = subscription.points.join(" ");
        rows.push(cells([&subscription.topic, &qos, &subscription.kind, &devices, &points]));
    }
    out.push_str(&aligned(4, &rows));
    out
}

fn rule(rule: &RuleView) -> String {
    let basis = rule.basis.as_ref().map_or(String::new(), |basis| format!("  ({basis})"));
    let shadow = if rule.shadow { ", in shadow: calls nobody" } else { "" };
    let mut out = format!("  {}{shadow}{basis}\n", rule.id);
    let level = |level: &Level| {
        cells([level.priority, &format!("{}{}", level.condition, if level.latch { ", latched" } else { "" })])
    };
    out.push_str(&aligned(4, &rule.levels.iter().map(level).collect::<Vec<_>>()));
    let on = if rule.points.is_empty() { "nothing yet".to_owned() } else { some(&rule.points) };
    let beside = if rule.beside.is_empty() { String::new() } else { format!(" beside {}", some(&rule.beside)) };
    let _ = writeln!(out, "    on {on}{beside}");
    for given in rule.from.iter().flat_map(|from| &from.values) {
        let _ = writeln!(out, "      {given}");
    }
    out
}

fn packs(packs: &[PackView]) -> String {
    let row = |pack: &PackView| {
        let edition = format!("edition {}, from {}", pack.edition, pack.effective);
        cells([&pack.name, &edition, &count(pack.rules, "rule"), &pack.place.to_string()])
    };
    aligned(2, &packs.iter().map(row).collect::<Vec<_>>())
}

/// The first of a list, and how many more there are.
fn some(points: &[String]) -> String {
    let shown: Vec<&str> = points.iter().take(POINTS_SHOWN).map(String::as_str).collect();
    let more = points.len().saturating_sub(POINTS_SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", shown.join(" "))
}

fn unwatched(points: &[String]) -> Option<String> {
    (!points.is_empty()).then(|| format!("  {}: kept and shown, no alarm comes of them\n", some(points)))
}

fn sinks(sinks: &[Sink]) -> String {
    aligned(2, &sinks.iter().map(|sink| cells([sink.kind, &sink.name, &sink.url, &sink.what])).collect::<Vec<_>>())
}

fn summary(survey: &Survey) -> String {
    let devices: usize = survey.modbus.iter().map(|line| line.devices.len()).sum();
    let subscriptions: usize = survey.mqtt.iter().map(|link| link.subscriptions.len()).sum();
    let parts = [
        count(devices, "Modbus device"),
        count(subscriptions, "subscription"),
        count(survey.rules.len(), "rule"),
        count(survey.sinks.len(), "sink"),
        count(survey.warnings.len(), "warning"),
    ];
    format!("The file is good: {}.", parts.join(", "))
}

fn count(number: usize, word: &str) -> String {
    if number == 1 { format!("1 {word}") } else { format!("{number} {word}s") }
}
