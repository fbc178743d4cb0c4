//! `gengfu learned` and `gengfu learn-again`: what the rules that learn believe, and how a person has one forget it.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::ask::{self, Failure, Running, word};
use super::columns::aligned;
use super::status::age;

#[derive(Debug, Args)]
pub(super) struct Learned {
    #[command(flatten)]
    running: Running,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct LearnAgain {
    #[command(flatten)]
    running: Running,
    /// The rule that is to forget.
    #[arg(value_name = "RULE")]
    rule: String,
    /// Of which point.
    #[arg(value_name = "DEVICE/POINT")]
    point: String,
    /// Why; goes into the audit.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Who does it; goes into the audit. The user's name by default.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn list(Learned { running, json }: Learned) -> ExitCode {
    let gateway = match running.gateway().await {
        Ok(gateway) => gateway,
        Err(code) => return code,
    };
    match gateway.items("learned").await {
        Ok(items) if json => sayln!("{}", json!({ "items": items, "next": null })),
        Ok(items) => say!("{}", text(&items)),
        Err(failure) => return failure.told(),
    }
    ExitCode::SUCCESS
}

pub(super) async fn again(asked: LearnAgain) -> ExitCode {
    let LearnAgain { running, rule, point, reason, by, json } = asked;
    let done = async {
        let gateway = running.gateway().await?;
        let body = json!({ "rule": rule, "point": point, "by": ask::by(by)?, "reason": reason });
        gateway.post("learned/forget", &body).await.map_err(Failure::told)
    };
    match done.await {
        Ok(done) if json => sayln!("{done}"),
        Ok(done) => match done.get("believed") {
            Some(believed) => sayln!("{rule} learns {point} again; until now it believed: {}", belief(believed, "")),
            // Carried out, and not on disk yet.
            None => sayln!("{rule} {point}: {}", word(&done, "detail")),
        },
        Err(code) => return code,
    }
    ExitCode::SUCCESS
}

fn text(items: &[Value]) -> String {
    if items.is_empty() {
        return "no rule learns\n".to_owned();
    }
    let mut rows = vec![["rule", "point", "kind", "", "believes"].map(str::to_owned).to_vec()];
    for item in items {
        let unit = item.get("unit").and_then(Value::as_str).unwrap_or_default();
        let stands = if item.get("stands") == Some(&Value::Bool(true)) { "STANDS" } else { "" };
        let said = ["rule", "point", "kind"].map(|key| word(item, key));
        rows.push([said.to_vec(), vec![stands.to_owned(), belief(item, unit)]].concat());
    }
    aligned(0, &rows)
}

/// What it holds to be normal. What is as it should be is not said.
fn belief(item: &Value, unit: &str) -> String {
    // A share is in no unit, whatever is counted.
    let unit = if item.get("kind").and_then(Value::as_str) == Some("ratio") { "" } else { unit };
    let number = |key: &str| item.get(key).and_then(Value::as_f64);
    let told = |key: &str| number(key).map(|value| format!("{} {unit}", short(value)).trim_end().to_owned());
    let mut parts = Vec::new();
    match item.get("kind").and_then(Value::as_str) {
        Some(kind @ ("drift" | "residual" | "ratio")) => {
            if kind == "residual" {
                parts.extend(told("expected").map(|value| format!("load explains {value}")));
                let learned = number("load_learned").unwrap_or_default();
                parts.extend((learned < 1.0).then(|| format!("learned {:.0} % of the load", learned * 100.0)));
            }
            if kind == "ratio" {
                parts.push(told("share").map_or("no share yet".to_owned(), |share| format!("last share {share}")));
            }
            let learned = number("learned").unwrap_or_default();
            let unknown = if learned < 1.0 { "unknown yet" } else { "unknown at this hour" };
            let usual = told("usual").unwrap_or_else(|| unknown.to_owned());
            parts.push(format!("usual {usual} ± {}", number("sigma").map_or("?".to_owned(), short)));
            if learned < 1.0 {
                parts.push(format!("learned {:.0} %", learned * 100.0));
            }
            parts.extend(number("restarts").filter(|n| *n > 0.0).map(|n| format!("began anew {n} times")));
            for (key, what) in [("moved", "moved by"), ("aside", "put aside as a step")] {
                parts.extend(told(key).filter(|_| number(key) != Some(0.0)).map(|value| format!("{what} {value}")));
            }
            if item.get("wary") == Some(&Value::Bool(true)) {
                parts.push("wary: learns slowly or not".to_owned());
            }
        }
        Some("rhythm") => match number("interval_ms") {
            Some(ms) => {
                let every = age(ms as i64);
                let taught = number("taught_ms").map(|ms| age(ms as i64)).filter(|taught| *taught != every);
                parts.push(format!("one start every {every}"));
                parts.extend(taught.map(|taught| format!("taught {taught}")));
            }
            None => parts.push("too few starts yet".to_owned()),
        },
        Some("habit") => {
            match told("level") {
                Some(level) => {
                    parts.push(format!("level {level} ± {}", number("spread").map_or("?".to_owned(), short)));
                    parts.push(format!("taught {}", told("taught").unwrap_or_default()));
                }
                None => parts.push("knows too little".to_owned()),
            }
            parts.push(format!("{} readings", word(item, "known")));
        }
        Some("group") => {
            let learned = number("learned").unwrap_or_default();
            if learned < 1.0 {
                parts.push(format!("learned {:.0} %", learned * 100.0));
            }
            parts.extend(item.get("points").and_then(Value::as_array).into_iter().flatten().map(member));
        }
        Some(_) | None => parts.push("?".to_owned()),
    }
    parts.join(", ")
}

/// A point of a group. The doubt that all of them share while they are learned is said once, by how far that is.
fn member(member: &Value) -> String {
    let number = |key: &str| member.get(key).and_then(Value::as_f64);
    let name = member.get("point").and_then(Value::as_str).unwrap_or("(not there)");
    let usual = number("usual").zip(number("stray"));
    let usual = usual.map_or(String::new(), |(usual, stray)| format!(" {} ± {}", short(usual), short(stray)));
    let doubt = member.get("doubt").and_then(Value::as_str).filter(|doubt| *doubt != "learning");
    format!("{name}{usual}{}", doubt.map_or(String::new(), |doubt| format!(" ({doubt})")))
}

/// At most four decimals, no trailing zeros.
fn short(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_says_what_it_holds_to_be_normal() {
        let shown = text(&[
            json!({
                "rule": "电流 drift", "point": "lift-2/current", "unit": "A", "stands": true, "kind": "drift", "usual": 14.8,
                "sigma": 0.25, "learned": 0.4, "restarts": 2, "moved": -0.5, "aside": 0.0, "wary": true,
            }),
            json!({ "rule": "jockey", "point": "p/run", "unit": null, "stands": false, "kind": "rhythm", "interval_ms": 14_400_000.0, "taught_ms": 18_000_000.0 }),
            json!({
                "rule": "flow", "point": "s/flow", "unit": "L/s", "stands": false, "kind": "habit", "level": 1.0,
                "spread": 0.01, "taught": 0.9, "known": 6000,
            }),
            json!({
                "rule": "clamp", "point": "b/heat", "unit": "°C", "stands": false, "kind": "residual", "expected": 61.5,
                "full_load": 40.0, "load_learned": 0.5, "usual": null, "sigma": 0.1, "learned": 0.0,
            }),
            json!({
                "rule": "reopens", "point": "lift/reopens", "unit": "times", "stands": false, "kind": "ratio", "share": 0.031,
                "usual": 0.025, "sigma": 0.01, "learned": 1.0,
            }),
            json!({
                "rule": "pump", "point": "p/flow", "unit": "L/s", "stands": false, "kind": "group", "learned": 1.0,
                "points": [
                    { "point": "p/flow", "usual": 32.0, "stray": 0.25, "z": 0.1, "doubt": null },
                    { "point": null, "usual": null, "stray": null, "z": null, "doubt": "unlearned" },
                ],
            }),
        ]);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(
            lines[1],
            "电流 drift  lift-2/current  drift     STANDS  usual 14.8 A ± 0.25, learned 40 %, began anew 2 times, moved by -0.5 A, \
             wary: learns slowly or not"
        );
        assert!(lines[2].ends_with("rhythm            one start every 4 h, taught 5 h"), "{}", lines[2]);
        assert!(lines[3].ends_with("level 1 L/s ± 0.01, taught 0.9 L/s, 6000 readings"), "{}", lines[3]);
        let clamp = "load explains 61.5 °C, learned 50 % of the load, usual unknown yet ± 0.1, learned 0 %";
        assert!(lines[4].ends_with(clamp), "{}", lines[4]);
        assert!(lines[5].ends_with("last share 0.031, usual 0.025 ± 0.01"), "{}", lines[5]);
        assert!(lines[6].ends_with("p/flow 32 ± 0.25, (not there) (unlearned)"), "{}", lines[6]);
        assert_eq!(text(&[]), "no rule learns\n");
        assert!(belief(&json!({ "kind": "habit", "known": 7 }), "").starts_with("knows too little"));
    }
}
