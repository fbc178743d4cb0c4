//! `gengfu status`: what a running gateway says of itself.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;

use crate::config;

/// A gateway that does not answer within this is not well.
const LIMIT: Duration = Duration::from_secs(5);

pub(super) async fn run(url: String, file: Option<PathBuf>, json: bool) -> ExitCode {
    let url = match file.map(|file| config::load(&file)) {
        Some(Ok(loaded)) => format!("http://{}", loaded.site.console.listen),
        Some(Err(complaints)) => return super::refused(&complaints),
        None => url,
    };
    let url = url.trim_end_matches('/').to_owned();
    let answers = tokio::try_join!(get(&url, "status"), get(&url, "alarms"), get(&url, "ledger"));
    let (status, alarms, ledger) = match answers {
        Ok(answers) => answers,
        Err(why) => return super::failed(&format!("{url} does not answer: {why}; is the gateway running there?")),
    };
    if json {
        println!("{}", serde_json::json!({ "status": status, "alarms": alarms, "ledger": ledger }));
    } else {
        print!("{}", text(&url, &status, &alarms, &ledger));
    }
    ExitCode::SUCCESS
}

async fn get(url: &str, what: &str) -> Result<Value, String> {
    let client = reqwest::Client::builder().timeout(LIMIT).build().map_err(|e| e.to_string())?;
    let answer = client.get(format!("{url}/api/v1/{what}")).send().await.map_err(|e| e.to_string())?;
    if !answer.status().is_success() {
        return Err(format!("{what} answered {}", answer.status()));
    }
    answer.json().await.map_err(|e| e.to_string())
}

/// A screen for people. Unknown parts of an answer are left out: an older gateway may not have them.
fn text(url: &str, status: &Value, alarms: &Value, ledger: &Value) -> String {
    use std::fmt::Write;
    let word = |v: &Value, pointer: &str| v.pointer(pointer).and_then(Value::as_str).unwrap_or("?").to_owned();
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{} ({}) {url}, version {}",
        word(status, "/site/name"),
        word(status, "/site/id"),
        word(status, "/version")
    );
    for (name, link) in status.pointer("/links").and_then(Value::as_object).into_iter().flatten() {
        let why = link.get("why").and_then(Value::as_str).map(|why| format!(": {why}")).unwrap_or_default();
        let _ = writeln!(out, "  {name:<24} {}{why}", word(link, "/state"));
    }
    let items = alarms.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
    let _ = writeln!(out, "{} alarms stand", items.len());
    for alarm in &items {
        let _ = writeln!(
            out,
            "  [{}] {} ({})",
            word(alarm, "/priority"),
            word(alarm, "/message/en"),
            word(alarm, "/state")
        );
    }
    for sink in ledger.pointer("/sinks").and_then(Value::as_array).into_iter().flatten() {
        let count = |key: &str| sink.get(key).and_then(Value::as_u64).unwrap_or(0);
        let _ = writeln!(
            out,
            "{} {}: {} committed, {} delivered, {} pending, {} dead",
            word(sink, "/sink"),
            word(sink, "/lane"),
            count("committed"),
            count("delivered"),
            count("pending"),
            count("dead")
        );
    }
    out
}
