//! `gengfu dead` and `gengfu redrive`: what stores refused for good, and another try once they are mended. Both ask the
//! running gateway.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use super::columns::aligned;
use super::place;

/// A gateway that does not answer within this is not well.
const LIMIT: Duration = Duration::from_secs(15);

/// Which gateway.
#[derive(Debug, Args)]
pub(super) struct Running {
    /// Address of its console.
    #[arg(long, default_value = "http://127.0.0.1:8420", conflicts_with = "config")]
    url: String,
    /// Or its configuration, to find the address there.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

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
    let url = match running.url() {
        Ok(url) => url,
        Err(code) => return code,
    };
    let mut items = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = match answer(&url, |client| client.get(format!("{url}/api/v1/ledger/dead?limit=2000{cursor}"))).await
        {
            Ok(page) => page,
            Err(why) => return super::failed(&why),
        };
        items.extend(page.get("items").and_then(Value::as_array).cloned().unwrap_or_default());
        match page.get("next").and_then(Value::as_str) {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    if json {
        println!("{}", json!({ "items": items, "next": null }));
    } else {
        print!("{}", text(&items));
    }
    ExitCode::SUCCESS
}

pub(super) async fn redrive(Redrive { running, sink, lane, from, to, by }: Redrive) -> ExitCode {
    let url = match running.url() {
        Ok(url) => url,
        Err(code) => return code,
    };
    let Some(by) = by.or_else(|| std::env::var("USER").ok()) else {
        return super::failed("nobody is named; say with --by who wants it, for the audit");
    };
    let mut body = json!({ "by": by, "sink": sink });
    for (key, value) in [("lane", lane.map(Value::from)), ("from", from.map(Value::from)), ("to", to.map(Value::from))]
    {
        if let (Some(value), Some(fields)) = (value, body.as_object_mut()) {
            fields.insert(key.to_owned(), value);
        }
    }
    let ask = |client: &Client| {
        let request = client.post(format!("{url}/api/v1/ledger/redrive"));
        request.header("content-type", "application/json").body(body.to_string())
    };
    match answer(&url, ask).await {
        Ok(done) => {
            for part in done.get("items").and_then(Value::as_array).into_iter().flatten() {
                let (lane, owed, left) = (word(part, "lane"), word(part, "owed"), word(part, "left"));
                println!("{sink} {lane}: {owed} owed again, {left} stay dead");
            }
            if let Some(detail) = done.get("detail").and_then(Value::as_str) {
                println!("{sink}: {detail}");
            }
            ExitCode::SUCCESS
        }
        Err(why) => super::failed(&why),
    }
}

impl Running {
    pub(super) fn url(self) -> Result<String, ExitCode> {
        let url = match self.config {
            Some(file) => format!("http://{}", place::site(&file)?.console.listen),
            None => self.url,
        };
        Ok(url.trim_end_matches('/').to_owned())
    }
}

/// The JSON of an answer, or what the gateway says is wrong.
pub(super) async fn answer(url: &str, ask: impl FnOnce(&Client) -> RequestBuilder) -> Result<Value, String> {
    let away = |error: reqwest::Error| format!("{url} does not answer: {error}; is the gateway running there?");
    let client = Client::builder().timeout(LIMIT).build().map_err(|error| error.to_string())?;
    let answer = ask(&client).send().await.map_err(away)?;
    let status = answer.status();
    let body: Value = answer.json().await.map_err(away)?;
    if status.is_success() {
        return Ok(body);
    }
    Err(body.get("detail").and_then(Value::as_str).map_or(format!("{url} answered {status}"), str::to_owned))
}

fn text(items: &[Value]) -> String {
    if items.is_empty() {
        return "no dead letters\n".to_owned();
    }
    let keys = ["sink", "lane", "from", "to", "count", "held", "reason"];
    let mut rows = vec![keys.map(str::to_owned).to_vec()];
    rows.extend(items.iter().map(|item| keys.map(|key| word(item, key)).to_vec()));
    aligned(0, &rows)
}

fn word(item: &Value, key: &str) -> String {
    match item.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => "?".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_letters_stand_in_columns() {
        assert_eq!(text(&[]), "no dead letters\n");
        let letters = json!({ "sink": "influxdb/central", "lane": "telemetry", "from": 3, "to": 9, "count": 7, "held": 7,
            "reason": "400: no" });
        let shown = text(&[letters]);
        assert!(shown.contains("influxdb/central  telemetry  3     9   7      7     400: no"), "{shown}");
    }
}
