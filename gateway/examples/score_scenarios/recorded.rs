//! Recorded series as cases of a scenario: what limits.csv says of one, and its own file.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;

use gengfu::config;
use gengfu::config::pack::outside::From;
use gengfu::config::scenario::{Case, Scenario};
use gengfu::config::series::Sample;

use super::kinds::Kind;

/// The series' clock begins on a Monday, at midnight of the site: 2026-03-02T00:00:00+08:00, UTC ms.
const MONDAY: i64 = 1_772_380_800_000;

/// A file of comma-separated values: names, and rows of cells.
#[derive(Debug)]
pub(crate) struct Table {
    names: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn read(path: &Path) -> Result<Self, Box<dyn Error>> {
        let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let split = |line: &str| line.split(',').map(|cell| cell.trim().to_string()).collect::<Vec<_>>();
        let mut lines = text.lines();
        let names = lines.next().map(split).unwrap_or_default();
        Ok(Self { names, rows: lines.filter(|l| !l.is_empty()).map(split).collect() })
    }

    /// A column as numbers; an empty cell, or one that is no finite number, is none.
    fn numbers(&self, name: &str) -> Result<Vec<Option<f64>>, String> {
        let at = self.names.iter().position(|n| n == name).ok_or(format!("there is no column {name}"))?;
        let cell = |row: &Vec<String>| row.get(at)?.parse().ok().filter(|number: &f64| number.is_finite());
        Ok(self.rows.iter().map(cell).collect())
    }

    /// Each row as a dictionary.
    pub(crate) fn records(&self) -> Vec<BTreeMap<&str, &str>> {
        self.rows
            .iter()
            .map(|row| self.names.iter().map(String::as_str).zip(row.iter().map(String::as_str)).collect())
            .collect()
    }
}

/// The site's limits, low and high, from a row of limits.csv: `dir` and `limit`, `2.5|3.9` where there are two.
fn lines(record: &BTreeMap<&str, &str>) -> Result<(Option<f64>, Option<f64>), String> {
    let cell = |name: &str| record.get(name).copied().ok_or(format!("limits.csv lacks {name}"));
    let number = |text: &str| text.trim().parse::<f64>().map_err(|e| format!("limit {text}: {e}"));
    let limits = cell("limit")?.split('|').map(number).collect::<Result<Vec<_>, _>>()?;
    // Two limits are one for each side, whichever side the row is about: a site watches both.
    Ok(match (limits.as_slice(), cell("dir")?) {
        ([low, high], _) => (Some(*low), Some(*high)),
        ([low], "low") => (Some(*low), None),
        ([high], _) => (None, Some(*high)),
        (_, _) => return Err(format!("{} limits", limits.len())),
    })
}

/// A series with the pack of its kind on it.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) scenario: Scenario,
    pub(crate) case: Case,
    /// Of each row, ms since the series began.
    pub(crate) at: Vec<u64>,
}

impl Recorded {
    /// From a row of limits.csv in the folder of the series.
    pub(crate) fn read(record: &BTreeMap<&str, &str>, folder: &Path) -> Result<Self, Box<dyn Error>> {
        let cell = |name: &str| record.get(name).copied().unwrap_or_default();
        let kind = Kind::of(cell("kind")).ok_or_else(|| format!("no pack watches a {}", cell("kind")))?;
        let table = Table::read(&folder.join(format!("{}.csv", cell("id"))))?;
        recorded(kind, record, &table)
    }
}

fn recorded(kind: &Kind, record: &BTreeMap<&str, &str>, table: &Table) -> Result<Recorded, Box<dyn Error>> {
    let every_s = record.get("dt_s").and_then(|text| text.parse().ok()).unwrap_or(0.0);
    let text = kind.scenario(lines(record)?, every_s);
    let scenario = config::scenario(&text, Path::new("the site"), From::Kept(&[]))
        .map_err(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    // A row without a time can't be placed, so it says nothing.
    let times: Vec<Option<u64>> =
        table.numbers("t")?.into_iter().map(|t| t.filter(|t| *t >= 0.0).map(|t| (t * 1_000.0) as u64)).collect();
    let mut series = Vec::new();
    for column in kind.columns {
        let mut grown = 0.0;
        let numbers = table.numbers(column.name)?;
        let readings = times.iter().zip(numbers).filter_map(|(at, number)| Some(((*at)?, number? * column.scale)));
        let samples = readings.map(|(after, number)| {
            grown += number;
            Sample { after, value: Ok(if column.counts { grown } else { number }) }
        });
        series.push((column.point(), samples.collect()));
    }
    let case = Case { what: String::new(), start: MONDAY, series, looks: Vec::new() };
    let mut last = 0;
    let at: Vec<u64> = times
        .iter()
        .map(|at| {
            last = at.unwrap_or(last).max(last);
            last
        })
        .collect();
    Ok(Recorded { scenario, case, at })
}
