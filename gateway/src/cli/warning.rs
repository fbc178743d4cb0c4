//! `gengfu warning`: the warning level and the risk colour of the site with what made them, and how a person releases a level.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::ask::{self, Failure, Gateway, Running, word};
use super::status::{age, items};

#[derive(Debug, Args)]
pub(super) struct Warning {
    #[command(flatten)]
    running: Running,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    act: Option<Act>,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Let the warning level fall, where nothing justifies it any more and it waits for a person. 解除预警
    Release {
        /// Who does it; goes into the audit. The user's name by default.
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
}

pub(super) async fn run(Warning { running, json, act }: Warning) -> ExitCode {
    let gateway = match running.gateway().await {
        Ok(gateway) => gateway,
        Err(code) => return code,
    };
    let done = match act {
        None => show(&gateway, json).await.map_err(Failure::told),
        Some(Act::Release { by, note }) => release(&gateway, by, note, json).await,
    };
    done.unwrap_or_else(|code| code)
}

async fn show(gateway: &Gateway, json: bool) -> Result<ExitCode, Failure> {
    let levels = gateway.get("warning").await?;
    if json {
        sayln!("{levels}");
    } else {
        say!("{}", text(&levels));
    }
    Ok(ExitCode::SUCCESS)
}

async fn release(
    gateway: &Gateway,
    by: Option<String>,
    note: Option<String>,
    json: bool,
) -> Result<ExitCode, ExitCode> {
    let body = json!({ "by": ask::by(by)?, "note": note });
    let done = gateway.post("warning/release", &body).await.map_err(Failure::told)?;
    if json {
        sayln!("{done}");
    } else if let Some(detail) = done.get("detail").and_then(Value::as_str) {
        // Carried out, and not on disk yet.
        sayln!("{detail}");
    } else {
        sayln!("warning released by {}: {} to {}", word(&done, "by"), word(&done, "from"), word(&done, "to"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Both scales, each with the alarms that made it.
fn text(levels: &Value) -> String {
    use std::fmt::Write;
    let mut out = String::new();
    for key in ["warning", "risk"] {
        let Some(scale) = scale(levels, key) else { continue };
        let _ = writeln!(out, "{key}: {scale}");
        let named = items(levels, &format!("/{key}/reason/names"));
        for (id, name) in items(levels, &format!("/{key}/reason/alarms")).iter().zip(named) {
            let _ = writeln!(out, "  {}  [{}]", word(name, "en"), id.as_str().unwrap_or("?"));
        }
    }
    out
}

/// Both scales in a line; nothing where an older gateway does not tell.
pub(super) fn line(levels: &Value) -> String {
    match (scale(levels, "warning"), scale(levels, "risk")) {
        (Some(warning), Some(risk)) => format!("warning: {warning}; risk: {risk}\n"),
        (_, _) => String::new(),
    }
}

/// Where a scale stands, and why. What made it may be over: then it says so, as the page does.
fn scale(levels: &Value, key: &str) -> Option<String> {
    let of = levels.get(key)?;
    let said = |pointer: &str| of.pointer(pointer).and_then(Value::as_str);
    let level = said("/level")?;
    let roman = said("/roman").map(|roman| format!("{roman} ")).unwrap_or_default();
    let why = said("/reason/why/en").map(|why| format!(" ({why})")).unwrap_or_default();
    let time = |of: &Value, key: &str| of.get(key).and_then(Value::as_i64);
    let left = time(of, "held_until").zip(time(levels, "at")).map_or("?".to_owned(), |(until, at)| age(until - at));
    Some(match said("/state") {
        Some("held") => format!("{roman}{level}, its reason is gone{why}, held for another {left}"),
        Some("awaits-release") => format!("{roman}{level}, its reason is gone{why}, a person must release it"),
        Some(_) | None => format!("{roman}{level}{why}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(state: &str) -> Value {
        let reason = json!({
            "why": { "en": "an alarm of priority critical" }, "alarms": ["fire@smoke-b/alarm"],
            "names": [{ "zh": "二号烟感 状态", "en": "smoke B state" }],
        });
        let warning =
            json!({ "level": "orange", "roman": "II", "state": state, "held_until": 661_000, "reason": reason });
        json!({ "at": 1_000, "warning": warning, "risk": { "level": "blue", "state": "base", "reason": null } })
    }

    #[test]
    fn the_site_as_a_whole_is_one_line() {
        let line = super::line(&levels("reached"));
        assert_eq!(line, "warning: II orange (an alarm of priority critical); risk: blue\n");
        assert_eq!(super::line(&json!(null)), "");
    }

    #[test]
    fn a_level_whose_reason_is_over_does_not_state_it_as_present() {
        let held = scale(&levels("held"), "warning").unwrap();
        assert_eq!(held, "II orange, its reason is gone (an alarm of priority critical), held for another 11 min");
        let waits = scale(&levels("awaits-release"), "warning").unwrap();
        assert_eq!(waits, "II orange, its reason is gone (an alarm of priority critical), a person must release it");
    }

    #[test]
    fn what_made_a_level_is_called_by_its_name() {
        assert!(text(&levels("reached")).contains("\n  smoke B state  [fire@smoke-b/alarm]\n"));
    }
}
