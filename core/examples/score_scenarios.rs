//! The detectors on recorded series with known faults:
//! `cargo run --release -p gengfu-core --example score_scenarios -- DATA OUT [--report [--each]]`.
//!
//! What is put on each kind of point is a table of its own (`score_scenarios/packs.rs`), for now: it is beside the rule packs
//! that the gateway carries, with numbers that agree with them where somebody saw to it. Runs it over every CSV below
//! DATA/scenarios, a row at a time, and writes OUT/scenarios/<id>.csv with the alarm state of each row. Kind, value and limits
//! of a series come from DATA/scenarios/limits.csv. `--report` holds the states against DATA/scenarios/labels.csv by the rules of
//! its README.
#![expect(clippy::print_stdout, reason = "a report is what this is")]

#[path = "score_scenarios/packs.rs"]
mod packs;
#[path = "score_scenarios/score.rs"]
mod score;
#[path = "score_scenarios/watch.rs"]
mod watch;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

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

    fn at(&self, name: &str) -> Result<usize, String> {
        self.names.iter().position(|n| n == name).ok_or(format!("there is no column {name}"))
    }

    /// The rows as numbers of the named columns; an empty cell, or one that is no number, is NaN.
    fn numbers(&self, names: &[&str]) -> Result<Vec<Vec<f64>>, String> {
        let at = names.iter().map(|n| self.at(n)).collect::<Result<Vec<_>, _>>()?;
        let cell = |row: &Vec<String>, i: &usize| row.get(*i).and_then(|c| c.parse().ok()).unwrap_or(f64::NAN);
        Ok(self.rows.iter().map(|row| at.iter().map(|i| cell(row, i)).collect()).collect())
    }

    /// Each row as a dictionary.
    fn records(&self) -> Vec<BTreeMap<&str, &str>> {
        self.rows
            .iter()
            .map(|row| self.names.iter().map(String::as_str).zip(row.iter().map(String::as_str)).collect())
            .collect()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let paths: Vec<&Path> = args.iter().filter(|a| !a.starts_with("--")).map(Path::new).collect();
    let [data, out] = paths[..] else { return Err("score_scenarios DATA OUT [--report [--each]]".into()) };
    let (data, out) = (data.join("scenarios"), out.join("scenarios"));
    fs::create_dir_all(&out)?;
    let limits = Table::read(&data.join("limits.csv"))?;
    let mut states = BTreeMap::new();
    for record in limits.records() {
        let id = record.get("id").copied().unwrap_or_default();
        let site = watch::Site::of(&record)?;
        let table = Table::read(&data.join(format!("{id}.csv")))?;
        let rows = table.numbers(&site.columns())?;
        let alarms = watch::run(&site, &rows);
        let mut text = String::from("alarm\n");
        for alarm in &alarms {
            writeln!(text, "{}", u8::from(*alarm))?;
        }
        fs::write(out.join(format!("{id}.csv")), text)?;
        let times = rows.iter().filter_map(|row| row.first().copied()).collect();
        states.insert(id.to_string(), score::States { times, alarms });
    }
    if args.iter().any(|a| a == "--report") {
        score::report(&Table::read(&data.join("labels.csv"))?, &states, args.iter().any(|a| a == "--each"));
    }
    Ok(())
}
