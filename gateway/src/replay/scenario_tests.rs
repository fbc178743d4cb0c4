//! The packs of the binary, tried on the series beside them.

use std::path::PathBuf;

use super::scenario;
use crate::config;
use crate::config::pack::outside::From;
use crate::config::pack::{self, EMBEDDED};

fn told<T>(outcome: Result<T, Vec<config::Complaint>>) -> T {
    outcome.unwrap_or_else(|complaints| {
        let lines: Vec<String> = complaints.iter().map(ToString::to_string).collect();
        panic!("{}", lines.join("\n"))
    })
}

#[test]
fn every_pack_does_what_its_scenario_says() {
    let mut faults = Vec::new();
    for embedded in EMBEDDED {
        let file = PathBuf::from(format!("packs/{}.scenario.toml", embedded.name));
        let pack = told(pack::parse(embedded.text, &PathBuf::from(format!("packs/{}.toml", embedded.name))));
        let asked = told(config::scenario(embedded.scenario, &file, From::Disk));
        // A rule that no case ever raises has not been tried.
        for rule in &pack.rules {
            let name = format!("{}/{}@", pack.name, rule.id);
            let looked = asked.cases.iter().flat_map(|case| &case.looks).flat_map(|look| &look.stand);
            assert!(looked.clone().any(|(stand, _)| stand.starts_with(&name)), "no case raises {name}");
        }
        for outcome in scenario(&asked) {
            faults.extend(outcome.faults.iter().map(|fault| format!("{}: {}: {fault}", embedded.name, outcome.case)));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
