//! `gengfu dead` and `gengfu redrive`: what stores refused for good, and another try once they are mended. Both ask the
//! running gateway.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::ask::{self, Running, word};
use super::columns::aligned;

#[derive(Debug, Args)]
pub(super) struct Dead {
    #[command(flatten)]
    running: Running,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Redrive {
    #[command(flatten)]
    running: Running,
    /// The store, as the ledger names it: influxdb/central.
    #[arg(long)]
    sink: String,
    /// alarm or telemetry; both by default.
    #[arg(long, value_parser = ["alarm", "telemetry"])]
    lane: Option<String>,
    /// First number.
    #[arg(long, value_name = "SEQ")]
    from: Option<u64>,
    /// Last number.
    #[arg(long, value_name = "SEQ")]
    to: Option<u64>,
    /// Who says so; goes into the audit. The user's name by default.
    #[arg(long)]
    by: Option<String>,
}

pub(super) async fn dead(Dead { running, json }: Dead) -> ExitCode {
    let gateway = match running.gateway().await {
        Ok(gateway) => gateway,
        Err(code) => return code,
    };
    match gateway.items("ledger/dead").await {
        Ok(items) if json => sayln!("{}", json!({ "items": items, "next": null })),
        Ok(items) => say!("{}", text(&items)),
        Err(failure) => return failure.told(),
    }
    ExitCode::SUCCESS
}

pub(super) async fn redrive(asked: Redrive) -> ExitCode {
    resend(asked).await.unwrap_or_else(|code| code)
}

async fn resend(Redrive { running, sink, lane, from, to, by }: Redrive) -> Result<ExitCode, ExitCode> {
    let gateway = running.gateway().await?;
    let mut body = json!({ "by": ask::by(by)?, "sink": sink });
    for (key, value) in [("lane", lane.map(Value::from)), ("from", from.map(Value::from)), ("to", to.map(Value::from))]
    {
        if let (Some(value), Some(fields)) = (value, body.as_object_mut()) {
            fields.insert(key.to_owned(), value);
        }
    }
    let done = gateway.post("ledger/redrive", &body).await.map_err(ask::Failure::told)?;
    for part in done.get("items").and_then(Value::as_array).into_iter().flatten() {
        let (lane, owed, left) = (word(part, "lane"), word(part, "owed"), word(part, "left"));
        sayln!("{sink} {lane}: {owed} owed again, {left} stay dead");
    }
    if let Some(detail) = done.get("detail").and_then(Value::as_str) {
        sayln!("{sink}: {detail}");
    }
    Ok(ExitCode::SUCCESS)
}

fn text(items: &[Value]) -> String {
    if items.is_empty() {
        return "no dead letters\n".to_owned();
    }
    let head = ["sink", "lane", "from", "to", "count", "held", "first", "time", "reason"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(items.iter().map(|item| {
        let (name, time) = first(item);
        let numbers = ["sink", "lane", "from", "to", "count", "held"].map(|key| word(item, key));
        numbers.into_iter().chain([name, time, word(item, "reason")]).collect()
    }));
    aligned(0, &rows)
}

/// `device/point` and time of what the first number stands for; a dash where the journal no longer knows.
fn first(item: &Value) -> (String, String) {
    let Some(first) = item.get("first").filter(|first| first.is_object()) else {
        return ("-".to_owned(), "-".to_owned());
    };
    let name = match (first.get("device").and_then(Value::as_str), first.get("point").and_then(Value::as_str)) {
        (Some(device), Some(point)) => format!("{device}/{point}"),
        (_, _) => "-".to_owned(),
    };
    (name, first.get("at").and_then(Value::as_i64).map_or("-".to_owned(), ask::time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_letters_stand_in_columns() {
        assert_eq!(text(&[]), "no dead letters\n");
        let letters = json!({ "sink": "influxdb/central", "lane": "telemetry", "from": 3, "to": 9, "count": 7, "held": 7,
            "reason": "400: no", "first": { "device": "gas-01", "point": "ch4", "at": 1_769_846_400_000_i64 } });
        let mut gone = letters.clone();
        gone["first"] = Value::Null;
        let shown = text(&[letters, gone]);
        let line = "influxdb/central  telemetry  3     9   7      7     gas-01/ch4  2026-01-31T08:00:00Z  400: no";
        assert!(shown.contains(line), "{shown}");
        assert!(shown.contains("7     -           -                     400: no"), "{shown}");
    }
}
