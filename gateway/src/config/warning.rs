//! `[warning]`: which facts justify which warning level and which risk colour of the site, and how the levels fall.

use std::time::Duration;

use gengfu_core::alarm::Priority;
use gengfu_core::warning::{
    Amount, Groups, Lack, Lacks, RISK_ROWS, RiskLevel, Row, Table, WarningLevel, When, Which, warning_rows,
};

use super::checked::{Rule, RuleGroup, WarningConfig};
use super::detector::PRIORITIES;
use super::names;
use super::pattern;
use super::site::{DAY, SECOND};
use super::table::Table as Part;
use super::value::{Value, shorten};

/// The group of the rules whose critical alarm is level I at once; there without being declared.
const GRAVE: &str = "grave";
/// Groups, with that one: a bit each.
const MAX_GROUPS: usize = 32;
/// Rows of one scale; a look at the site goes through all of them.
const MAX_ROWS: usize = 64;
/// Points or alarms that a row may ask for.
const MANY: i64 = 100_000;

const LEVELS: [(&str, WarningLevel); 4] = [
    ("red", WarningLevel::Red),
    ("orange", WarningLevel::Orange),
    ("yellow", WarningLevel::Yellow),
    ("blue", WarningLevel::Blue),
];
/// Blue is where nothing speaks against a site; no row is needed for it.
const RISKS: [(&str, RiskLevel); 3] =
    [("red", RiskLevel::Red), ("orange", RiskLevel::Orange), ("yellow", RiskLevel::Yellow)];
const LACKS: [(&str, Lack); 4] = [
    ("lost", Lack::Lost),
    ("out-of-service", Lack::OutOfService),
    ("fault", Lack::Fault),
    ("suppressed", Lack::Suppressed),
];

/// The product's own tables.
impl Default for WarningConfig {
    fn default() -> Self {
        Self {
            rows: warning_rows(Groups(1)).to_vec(),
            risk: RISK_ROWS.to_vec(),
            groups: vec![RuleGroup { name: GRAVE.to_owned(), rules: Vec::new() }],
            down: Duration::from_millis(Table::<RiskLevel>::DOWN_MS),
            release: Some(WarningLevel::Orange),
        }
    }
}

pub(super) fn read(table: Option<Part<'_>>, rules: &[Rule]) -> Option<WarningConfig> {
    let standard = WarningConfig::default();
    let Some(table) = table else { return Some(standard) };
    let down = table.or("down_after", standard.down, |v| v.duration(SECOND..=DAY * 7));
    let from = [("red", Some(WarningLevel::Red)), ("orange", Some(WarningLevel::Orange)), ("nobody", None)];
    let release = table.or("release", standard.release, |v| v.choice(&from));
    let groups = groups(&table, rules);
    let known: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
    let rows = rows(&table, ("row", "[[warning.row]]"), standard.rows, |row| warning_row(row, &known));
    let risk = rows_of_risk(&table, standard.risk);
    table.finish(&[]);
    Some(WarningConfig { rows: rows?, risk: risk?, groups, down: down?, release: release? })
}

fn groups(table: &Part<'_>, rules: &[Rule]) -> Vec<RuleGroup> {
    let grave = table.get("grave").map_or(Vec::new(), |value| named_rules(value, rules));
    let mut groups = vec![RuleGroup { name: GRAVE.to_owned(), rules: grave }];
    for group in table.tables("group", "[[warning.group]]") {
        let value = group.need("name", "\"fire\"");
        let name = value.and_then(names::name);
        let rules = group.need("rules", "[\"smoke-*\"]").map_or(Vec::new(), |value| named_rules(value, rules));
        group.finish(&[]);
        let (Some(name), Some(value)) = (name, value) else { continue };
        if groups.iter().any(|group| group.name == name) {
            let mend = if name == GRAVE { "write grave = [ … ] in [warning]" } else { "write its rules into one" };
            value.complain(format!("there is a group `{name}` already"), mend);
        } else if groups.len() == MAX_GROUPS {
            value.complain(
                format!("there are more than {} groups", MAX_GROUPS - 1),
                "put rules that mean the same into one",
            );
        } else {
            groups.push(RuleGroup { name, rules });
        }
    }
    groups
}

/// Ids of rules, with `*`.
fn named_rules(value: Value<'_>, rules: &[Rule]) -> Vec<String> {
    let items = value.list().unwrap_or_default();
    let pattern = |item: Value<'_>| {
        let text = item.line(200)?;
        if !rules.iter().any(|rule| pattern::matches(&text, &rule.id)) {
            item.warn(
                format!("no rule is named `{}`", shorten(&text)),
                "name rules by their id; * stands for any run but /",
            );
        }
        Some(text)
    };
    items.into_iter().filter_map(pattern).collect()
}

/// The rows that are written, or the standard ones where none is.
fn rows<L>(
    table: &Part<'_>,
    (key, name): (&'static str, &'static str),
    standard: Vec<Row<L>>,
    read: impl Fn(&Part<'_>) -> Option<Row<L>>,
) -> Option<Vec<Row<L>>> {
    let written = table.tables(key, name);
    if written.is_empty() {
        return Some(standard);
    }
    if written.len() > MAX_ROWS {
        let at = written.get(MAX_ROWS).map_or(table.at, |row| row.at);
        table.book.complain(
            at,
            format!("{name} stands there more than {MAX_ROWS} times"),
            "say the same with fewer rows",
        );
        return None;
    }
    let row = |row: Part<'_>| {
        let meant = read(&row);
        row.finish(&[]);
        meant
    };
    written.into_iter().map(row).collect::<Vec<_>>().into_iter().collect()
}

fn warning_row(row: &Part<'_>, known: &[&str]) -> Option<Row<Option<WarningLevel>>> {
    let level = row.need("level", "\"orange\"").and_then(|v| v.choice(&LEVELS));
    let priority = row.need("priority", "\"critical\"").and_then(|v| v.choice::<Priority>(&PRIORITIES));
    let least = row.or("least", 1, |v| v.whole(1..=MANY).map(|n| n as u32));
    let groups = row.or("groups", Groups::ANY, |v| members(v, known));
    let confirmed = row.or("confirmed", false, Value::boolean)?;
    let unseen = match row.get("unseen_for") {
        Some(value) => Some((value, value.duration(SECOND..=DAY * 7)?)),
        None => None,
    };
    let which = match (confirmed, unseen) {
        (true, Some((value, _))) => {
            value.complain("a row asks for `confirmed` or for `unseen_for`, not for both", "write two rows");
            return None;
        }
        (true, None) => Which::Confirmed,
        (false, Some((_, time))) => Which::Unseen { for_ms: time.as_millis() as u64 },
        (false, None) => Which::Any,
    };
    let when = When::Alarms { least: least?, priority: priority?, groups: groups?, which };
    Some(Row { level: Some(level?), when })
}

fn members(value: Value<'_>, known: &[&str]) -> Option<Groups> {
    let items = value.list()?;
    if items.is_empty() {
        value.complain("`groups` is empty, so that no alarm would count", "name some, or leave it out for all alarms");
        return None;
    }
    let words: Vec<(&str, u32)> = known.iter().zip(0_u32..).map(|(name, bit)| (*name, 1 << bit)).collect();
    items.into_iter().try_fold(Groups(0), |all, item| Some(Groups(all.0 | item.choice(&words)?)))
}

fn rows_of_risk(table: &Part<'_>, standard: Vec<Row<RiskLevel>>) -> Option<Vec<Row<RiskLevel>>> {
    let rows = rows(table, ("risk", "[[warning.risk]]"), standard, risk_row)?;
    let percent = |level: RiskLevel| {
        let of = |row: &Row<RiskLevel>| match row.when {
            When::Impaired { least: Amount::Percent(percent), lacks: Lacks::ALL } if row.level == level => {
                Some(percent)
            }
            When::Impaired { .. } | When::Alarms { .. } => None,
        };
        rows.iter().filter_map(of).min()
    };
    for (lower, graver) in [(RiskLevel::Yellow, RiskLevel::Orange), (RiskLevel::Orange, RiskLevel::Red)] {
        if let (Some(few), Some(many)) = (percent(lower), percent(graver))
            && many <= few
        {
            let (graver, lower) = (graver.word(), lower.word());
            let what =
                format!("risk `{graver}` begins at {many} % and `{lower}` at {few} %: it would never be `{lower}`");
            let at = table.place("risk").unwrap_or(table.at);
            table.book.complain(at, what, "ask for more points the graver the level is");
            return None;
        }
    }
    Some(rows)
}

fn risk_row(row: &Part<'_>) -> Option<Row<RiskLevel>> {
    let level = row.need("level", "\"orange\"").and_then(|v| v.choice(&RISKS));
    let lacks = row.or("lacks", Lacks::ALL, |value| {
        let lacks: Vec<Lack> = value.list()?.into_iter().map(|v| v.choice(&LACKS)).collect::<Option<_>>()?;
        Some(Lacks::of(&lacks))
    });
    let percent = row.get("percent").map(|v| v.whole(1..=100).map(|n| Amount::Percent(n as u8)));
    let points = row.get("points").map(|v| v.whole(1..=MANY).map(|n| Amount::Points(n as u32)));
    let least = match (percent, points) {
        (Some(least), None) | (None, Some(least)) => least,
        (Some(_), Some(_)) | (None, None) => {
            row.book.complain(row.at, format!("{} needs either `percent` or `points`", row.name), "add percent = 10");
            None
        }
    };
    Some(Row { level: level?, when: When::Impaired { lacks: lacks?, least: least? } })
}
