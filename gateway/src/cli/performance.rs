//! `gengfu performance`: whether the alarms are too many for people, and which of them are no use.

use std::fmt::Write;
use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use super::ask::{Running, word};
use super::columns::aligned;
use super::status::age;

#[derive(Debug, Args)]
pub(super) struct Performance {
    #[command(flatten)]
    running: Running,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(Performance { running, json }: Performance) -> ExitCode {
    let gateway = match running.gateway().await {
        Ok(gateway) => gateway,
        Err(code) => return code,
    };
    let (mut report, warnings) = match (gateway.get("performance").await, gateway.get("early-warnings").await) {
        (Ok(report), Ok(warnings)) => (report, warnings),
        (Err(failure), _) | (_, Err(failure)) => return failure.told(),
    };
    if json {
        if let Some(report) = report.as_object_mut() {
            report.insert("early_warnings".to_owned(), warnings);
        }
        sayln!("{report}");
    } else {
        say!("{}{}", text(&report), foretold(&warnings));
    }
    ExitCode::SUCCESS
}

/// A screen for people. Parts that an answer lacks are shown as `?`.
fn text(report: &Value) -> String {
    let mut out = String::new();
    let of = |pointer: &str| number(report, pointer);
    let window = report.pointer("/window_ms").and_then(Value::as_i64).map_or("?".to_owned(), age);
    let _ = write!(out, "{} alarms in the last {window}; more than {} are a flood", of("/rate"), of("/flood_above"));
    let flood = report.get("flood").filter(|flood| !flood.is_null());
    let flood = flood.map(|flood| format!(": FLOOD, {} alarms so far", number(flood, "/count")));
    let _ = writeln!(out, "{}", flood.unwrap_or_default());
    for (day, title) in [("/today", "today"), ("/yesterday", "yesterday")] {
        if let Some(day) = report.pointer(day).filter(|day| !day.is_null()) {
            out += &self::day(title, day);
        }
    }
    let lists = [
        ("/chattering", "chattering"),
        ("/stale", "on the list for too long"),
        ("/shelved_too_long", "shelved for too long"),
    ];
    for (pointer, title) in lists {
        let names = items(report, &format!("{pointer}/items"));
        if !names.is_empty() {
            let _ = writeln!(out, "{title}: {}", number(report, &format!("{pointer}/count")));
            for name in names {
                let _ = writeln!(out, "  {} {}", word(name, "rule"), word(name, "point"));
            }
        }
    }
    out
}

fn day(title: &str, day: &Value) -> String {
    let of = |pointer: &str| number(day, pointer);
    let mut out = format!("{title}: {} alarms rang", of("/annunciated"));
    let _ = write!(out, "; {} hours with more than {}", of("/hours/above"), of("/hours/line"));
    let _ = write!(out, ", {} windows with more than {}", of("/windows/above"), of("/windows/line"));
    let flooded = day.get("flood_ms").and_then(Value::as_i64).map_or("?".to_owned(), age);
    let _ = writeln!(out, "; {} floods of {flooded} in all; {} fleeting", of("/floods"), of("/fleeting"));
    let percent = |item: &Value, key: &str| match item.get(key).and_then(Value::as_f64) {
        Some(share) => format!("{:.0} %", share * 100.0),
        None => "-".to_owned(),
    };
    let mut rows = vec![
        ["priority", "rang", "share", "target", "acknowledged within (half)", "(9 in 10)"].map(str::to_owned).to_vec(),
    ];
    for (share, wait) in items(day, "/priorities").iter().zip(items(day, "/acknowledged")) {
        let within = |key: &str| wait.get(key).and_then(Value::as_i64).map_or("-".to_owned(), age);
        rows.push(vec![
            word(share, "priority"),
            number(share, "/count"),
            percent(share, "share"),
            percent(share, "target"),
            within("p50_ms"),
            within("p90_ms"),
        ]);
    }
    out += &aligned(2, &rows);
    for name in items(day, "/top") {
        let _ = writeln!(out, "  {:>5} × {} {}", number(name, "/rings"), word(name, "rule"), word(name, "point"));
    }
    out
}

/// Nothing, where there were no early warnings.
fn foretold(report: &Value) -> String {
    let line = |score: &Value| {
        let of = |key: &str| number(score, key);
        let lead = score.pointer("/lead_ms/median").and_then(Value::as_i64);
        let lead = lead.map_or_else(String::new, |lead| format!(", half of them {} ahead or more", age(lead)));
        format!(
            "{} came true{lead}; {} false, {} later than the alarm, {} not known yet",
            of("/came_true"),
            of("/false"),
            of("/late"),
            of("/open")
        )
    };
    let rules = items(report, "/rules");
    if rules.is_empty() {
        return String::new();
    }
    let mut out = format!("early warnings of 30 days: {}\n", report.get("all").map(line).unwrap_or_default());
    for rule in rules {
        let _ = writeln!(out, "  {}: {}", word(rule, "rule"), line(rule));
    }
    out
}

fn items<'a>(answer: &'a Value, pointer: &str) -> &'a [Value] {
    answer.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn number(item: &Value, pointer: &str) -> String {
    item.pointer(pointer).and_then(Value::as_u64).map_or("?".to_owned(), |n| n.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_screen_says_what_is_too_much_and_which_alarms_are_no_use() {
        let day = json!({
            "annunciated": 42, "hours": { "above": 1, "line": 30 }, "windows": { "above": 2, "line": 10 }, "floods": 1,
            "flood_ms": 900_000, "fleeting": 3, "priorities": [{ "priority": "critical", "count": 2, "share": 0.048, "target": 0.01 }],
            "acknowledged": [{ "priority": "critical", "p50_ms": 8_000, "p90_ms": null }],
            "top": [{ "rule": "gas", "point": "gas-01/ch4", "rings": 30 }],
        });
        let report = json!({
            "rate": 12, "window_ms": 600_000, "flood_above": 10, "flood": { "count": 14 }, "today": day, "yesterday": null,
            "chattering": { "count": 1, "items": [{ "rule": "gas", "point": "gas-01/ch4" }] },
            "stale": { "count": 0, "items": [] },
        });
        let screen = text(&report);
        for part in [
            "12 alarms in the last 10 min; more than 10 are a flood: FLOOD, 14 alarms so far",
            "today: 42 alarms rang; 1 hours with more than 30, 2 windows with more than 10; 1 floods of 15 min in all; 3 fleeting",
            "critical  2     5 %    1 %     8 s",
            "30 × gas gas-01/ch4",
            "chattering: 1\n  gas gas-01/ch4",
        ] {
            assert!(screen.contains(part), "{part} is missing:\n{screen}");
        }
        assert!(!screen.contains("yesterday") && !screen.contains("list for too long"), "{screen}");
        assert!(text(&json!({})).starts_with("? alarms"));
        let score = json!({ "rule": "falls", "came_true": 3, "false": 1, "late": 0, "open": 1, "lead_ms": { "median": 2_520_000 } });
        let screen = foretold(&json!({ "all": score, "rules": [score] }));
        let said = "3 came true, half of them 42 min ahead or more; 1 false, 0 later than the alarm, 1 not known yet";
        assert_eq!(screen, format!("early warnings of 30 days: {said}\n  falls: {said}\n"));
        assert_eq!(foretold(&json!({ "all": {}, "rules": [] })), "");
    }
}
