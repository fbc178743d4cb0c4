//! `gengfu modes`: what runs in which area, and how a person begins and ends it.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::ask::{self, Failure, Gateway, Running, part, word};
use super::columns::aligned;
use super::status::{age, items};

#[derive(Debug, Args)]
pub(super) struct Modes {
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
    /// List the areas and what runs in them. 列表
    List,
    /// Begin a mode: what is raised in the area meanwhile is a test. 开始
    Begin {
        /// The area's name; - for the points that stand in none.
        #[arg(value_name = "AREA")]
        area: String,
        #[arg(value_parser = ["walk-test", "drill", "maintenance"])]
        mode: String,
        /// For how long: 30m, 2h. It ends by itself.
        #[arg(long, value_name = "TIME")]
        r#for: String,
        /// Why; goes into the audit and onto the page.
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Who does it; goes into the audit. The user's name by default.
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
    },
    /// End the mode that runs; what still stands of its tests is raised for real. 结束
    End {
        #[arg(value_name = "AREA")]
        area: String,
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
    },
}

pub(super) async fn run(Modes { running, json, act }: Modes) -> ExitCode {
    let gateway = match running.gateway().await {
        Ok(gateway) => gateway,
        Err(code) => return code,
    };
    let done = match act.unwrap_or(Act::List) {
        Act::List => list(&gateway, json).await.map_err(Failure::told),
        Act::Begin { area, mode, r#for, reason, by } => {
            order(&gateway, &area, "begin", by, json!({ "mode": mode, "for": r#for, "reason": reason }), json).await
        }
        Act::End { area, reason, by } => order(&gateway, &area, "end", by, json!({ "reason": reason }), json).await,
    };
    done.unwrap_or_else(|code| code)
}

async fn list(gateway: &Gateway, json: bool) -> Result<ExitCode, Failure> {
    let answer = gateway.get("modes").await?;
    if json {
        sayln!("{answer}");
    } else {
        say!("{}", text(items(&answer, "/items")));
    }
    Ok(ExitCode::SUCCESS)
}

async fn order(
    gateway: &Gateway,
    area: &str,
    verb: &str,
    by: Option<String>,
    mut body: Value,
    json: bool,
) -> Result<ExitCode, ExitCode> {
    if let Some(fields) = body.as_object_mut() {
        fields.insert("by".to_owned(), ask::by(by)?.into());
    }
    let done = gateway.post(&format!("modes/{}/{verb}", part(area)), &body).await.map_err(Failure::told)?;
    if json {
        sayln!("{done}");
    } else if let Some(detail) = done.get("detail").and_then(Value::as_str) {
        sayln!("{area}: {detail}");
    } else {
        sayln!("{area}: {} {} by {}", word(&done, "mode"), word(&done, "change"), word(&done, "by"));
        say!("{}", walked(&done));
    }
    Ok(ExitCode::SUCCESS)
}

/// What a walk-test has tripped, and what not.
fn walked(record: &Value) -> String {
    use std::fmt::Write;
    let mut out = String::new();
    for (key, what) in [("tripped", "tripped"), ("untripped", "not tripped")] {
        let names: Vec<&str> = items(record, &format!("/{key}")).iter().filter_map(Value::as_str).collect();
        if !names.is_empty() {
            let _ = writeln!(out, "  {what} ({}): {}", names.len(), names.join(", "));
        }
    }
    out
}

fn text(areas: &[Value]) -> String {
    if areas.is_empty() {
        return "no areas\n".to_owned();
    }
    let mut rows = vec![["area", "points", "mode", "left", "by", "reason"].map(str::to_owned).to_vec()];
    for item in areas {
        let area = Some(word(item, "area")).filter(|area| !area.is_empty()).unwrap_or_else(|| "-".to_owned());
        let Some(running) = item.get("running").filter(|running| running.is_object()) else {
            rows.push(vec![area, word(item, "points"), "-".to_owned()]);
            continue;
        };
        let left = running.get("remaining_ms").and_then(Value::as_i64).map_or("?".to_owned(), age);
        let said = ["by", "reason"].map(|key| word(running, key));
        rows.push([vec![area, word(item, "points"), word(running, "mode"), left], said.to_vec()].concat());
    }
    // One layout for all areas, and what a walk has tripped beneath its own.
    let walks = areas.iter().map(|item| item.get("running").map(walked).unwrap_or_default());
    let mut out = String::new();
    for (line, walk) in aligned(0, &rows).lines().zip(std::iter::once(String::new()).chain(walks)) {
        out += line;
        out.push('\n');
        out += &walk;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_stand_in_columns_with_what_a_walk_has_tripped() {
        let running = json!({
            "mode": "walk-test", "remaining_ms": 600_000, "by": "张三", "reason": "年检",
            "tripped": ["gas-01/ch4"], "untripped": ["gas-02/ch4", "gas-03/ch4"],
        });
        let shown = text(&[
            json!({ "area": "地下一层", "points": 3, "running": running }),
            json!({ "area": "", "points": 12, "running": null }),
        ]);
        let expected = "area      points  mode       left    by    reason\n\
                        地下一层  3       walk-test  10 min  张三  年检\n\
                        \x20 tripped (1): gas-01/ch4\n\
                        \x20 not tripped (2): gas-02/ch4, gas-03/ch4\n\
                        -         12      -\n";
        assert_eq!(shown, expected);
    }
}
