//! The rule packs on recorded series with known faults:
//! `cargo run --release -p gengfu --example score_scenarios -- DATA OUT [--report [--each]]`.
//!
//! Puts the packs of the binary on every series of DATA/scenarios/limits.csv (id, kind, value, dir, limit: the site's, of the column
//! `value`), runs them by the engine that runs live, a row at a time, and writes OUT/scenarios/<id>.csv with the alarm state of each
//! row. `--report` holds the states against DATA/scenarios/labels.csv by the rules of its README.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a report is what this is")]

mod kinds;
mod score;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use gengfu::config;
use gengfu::config::pack::outside::From;
use gengfu::config::scenario::Case;
use gengfu::config::series::Sample;
use gengfu::replay;
use kinds::Kind;

/// The series' clock begins on a Monday, at midnight of the site: 2026-03-02T00:00:00+08:00, UTC ms.
const MONDAY: i64 = 1_772_380_800_000;

/// A file of comma-separated values: names, and rows of cells.
#[derive(Debug)]
pub(crate) struct Table {
    names: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    fn read(path: &Path) -> Result<Self, Box<dyn Error>> {
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
    fn records(&self) -> Vec<BTreeMap<&str, &str>> {
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
    // A row that names one direction of two limits means the outer one of that direction.
    let (first, last) = (limits.first().copied(), limits.last().copied());
    Ok(match cell("dir")? {
        "low" => (first, None),
        "high" => (None, last),
        _ => (first, last),
    })
}

/// The alarm state of each row.
fn run(kind: &Kind, record: &BTreeMap<&str, &str>, table: &Table) -> Result<score::States, Box<dyn Error>> {
    let (low, high) = lines(record)?;
    let text = kind.scenario(low, high);
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
    let alarms = replay::states(&scenario, &case, &at);
    Ok(score::States { times: at.iter().map(|at| *at as f64 / 1_000.0).collect(), alarms })
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let paths: Vec<&Path> = args.iter().filter(|a| !a.starts_with("--")).map(Path::new).collect();
    let [data, out] = paths[..] else { return Err("score_scenarios DATA OUT [--report [--each]]".into()) };
    let (data, out) = (data.join("scenarios"), out.join("scenarios"));
    fs::create_dir_all(&out)?;
    let limits = Table::read(&data.join("limits.csv"))?;
    let (mut states, mut failed) = (BTreeMap::new(), 0);
    for record in limits.records() {
        let (id, kind) =
            (record.get("id").copied().unwrap_or_default(), record.get("kind").copied().unwrap_or_default());
        let scored = Kind::of(kind)
            .ok_or_else(|| format!("no pack watches a {kind}").into())
            .and_then(|kind| run(kind, &record, &Table::read(&data.join(format!("{id}.csv")))?));
        let ran = match scored {
            Ok(ran) => ran,
            Err(why) => {
                // One series that can't be run takes nothing from the others.
                eprintln!("{id}: {why}");
                failed += 1;
                continue;
            }
        };
        let mut text = String::from("alarm\n");
        for alarm in &ran.alarms {
            writeln!(text, "{}", u8::from(*alarm))?;
        }
        fs::write(out.join(format!("{id}.csv")), text)?;
        states.insert(id.to_string(), ran);
    }
    if args.iter().any(|a| a == "--report") {
        score::report(&Table::read(&data.join("labels.csv"))?, &states, args.iter().any(|a| a == "--each"));
    }
    if failed > 0 {
        return Err(format!("{failed} of the series of limits.csv were not run").into());
    }
    Ok(())
}
