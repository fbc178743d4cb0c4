//! The rule packs on recorded series with known faults:
//! `cargo run --release -p gengfu --example score_scenarios -- DATA OUT [--report [--each]]`.
//!
//! Puts the packs of the binary on every series of DATA/scenarios/limits.csv (id, kind, value, dir, limit: the site's, of the column
//! `value`), runs them by the engine that runs live, a row at a time, and writes OUT/scenarios/<id>.csv with the alarm state of each
//! row. `--report` holds the states against DATA/scenarios/labels.csv by the rules of its README.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a report is what this is")]

mod kinds;
mod recorded;
mod score;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use gengfu::replay;
use recorded::{Recorded, Table};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let paths: Vec<&Path> = args.iter().filter(|a| !a.starts_with("--")).map(Path::new).collect();
    let [data, out] = paths[..] else { return Err("score_scenarios DATA OUT [--report [--each]]".into()) };
    let (data, out) = (data.join("scenarios"), out.join("scenarios"));
    fs::create_dir_all(&out)?;
    let limits = Table::read(&data.join("limits.csv"))?;
    let (mut states, mut failed) = (BTreeMap::new(), 0);
    for record in limits.records() {
        let id = record.get("id").copied().unwrap_or_default();
        let ran = match Recorded::read(&record, &data) {
            Ok(Recorded { scenario, case, at }) => score::States {
                alarms: replay::states(&scenario, &case, &at),
                times: at.iter().map(|at| *at as f64 / 1_000.0).collect(),
            },
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
