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
        Some(Err(complaints)) => {
            let _ = super::refused(&complaints);
            return ExitCode::FAILURE;
        }
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
    ExitCode::from(verdict(&status, &alarms))
}

/// For scripts: 2 an alarm stands, 1 the gateway says that it fails, 0 neither.
fn verdict(status: &Value, alarms: &Value) -> u8 {
    match (items(alarms, "/items"), items(status, "/failing")) {
        ([], []) => 0,
        ([], _) => 1,
        (_, _) => 2,
    }
}

async fn get(url: &str, what: &str) -> Result<Value, String> {
    let client = reqwest::Client::builder().timeout(LIMIT).build().map_err(|e| e.to_string())?;
    let answer = client.get(format!("{url}/api/v1/{what}")).send().await.map_err(|e| e.to_string())?;
    if !answer.status().is_success() {
        return Err(format!("{what} answered {}", answer.status()));
    }
    answer.json().await.map_err(|e| e.to_string())
}

/// A list inside an answer; nothing where there is none.
fn items<'a>(answer: &'a Value, pointer: &str) -> &'a [Value] {
    answer.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
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
    for failing in items(status, "/failing") {
        let _ = writeln!(out, "  FAILING: {}", failing.as_str().unwrap_or("?"));
    }
    for link in items(status, "/links") {
        let why = link.get("why").and_then(Value::as_str).map(|why| format!(": {why}")).unwrap_or_default();
        let _ = writeln!(out, "  {:<24} {}{why}", word(link, "/name"), word(link, "/state"));
    }
    let standing = items(alarms, "/items");
    let _ = writeln!(out, "{} alarms stand", standing.len());
    // By the gateway's own clock: the one here may be another's.
    let now = status.pointer("/clock/now").and_then(Value::as_i64);
    for alarm in standing {
        let onset = alarm.get("onset").and_then(Value::as_i64);
        let age = now.zip(onset).map(|(now, onset)| format!(", for {}", age(now - onset))).unwrap_or_default();
        let (priority, message, state) = (word(alarm, "/priority"), word(alarm, "/message/en"), word(alarm, "/state"));
        let _ = writeln!(out, "  [{priority}] {message} ({state}{age})");
    }
    for sink in items(ledger, "/items") {
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

/// How long ago, as exactly as one would say it.
fn age(ms: i64) -> String {
    let seconds = ms.max(0) / 1_000;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_screen_shows_every_part_of_the_answers() {
        let status = json!({
            "site": { "id": "mall", "name": "Mall" }, "version": "1.2.3", "failing": ["the alarm lane has an error: full"],
            "clock": { "now": 1_000_000 },
            "links": [{ "name": "pump-room", "state": "down", "why": "connection refused", "since": 1 }],
        });
        let alarms = json!({ "items": [
            { "priority": "high", "message": { "zh": "高", "en": "too high" }, "state": "unacknowledged", "onset": 700_000 },
        ] });
        let ledger = json!({ "items": [
            { "sink": "influxdb/central", "lane": "telemetry", "committed": 9, "delivered": 6, "pending": 2, "dead": 1 },
        ] });
        let screen = text("http://127.0.0.1:8420", &status, &alarms, &ledger);
        for part in [
            "Mall (mall) http://127.0.0.1:8420, version 1.2.3",
            "FAILING: the alarm lane has an error: full",
            "down: connection refused",
            "pump-room",
            "1 alarms stand",
            "[high] too high (unacknowledged, for 5 min)",
            "influxdb/central telemetry: 9 committed, 6 delivered, 2 pending, 1 dead",
        ] {
            assert!(screen.contains(part), "{part} is missing:\n{screen}");
        }
    }

    #[test]
    fn the_exit_code_tells_an_alarm_from_a_failing_gateway_from_peace() {
        let (nothing, failing, alarm) = (json!({}), json!({ "failing": ["x"] }), json!({ "items": [{}] }));
        let quiet = json!({ "items": [] });
        assert_eq!([(&nothing, &quiet), (&failing, &quiet), (&failing, &alarm)].map(|(s, a)| verdict(s, a)), [0, 1, 2]);
    }

    #[test]
    fn ages_read_well() {
        let read = [-5, 119_999, 120_000, 7_200_000, 172_800_000].map(age);
        assert_eq!(read, ["0 s", "119 s", "2 min", "2 h", "2 days"]);
    }

    #[test]
    fn an_answer_that_lacks_parts_is_shown_as_far_as_it_goes() {
        let nothing = json!({});
        assert!(text("http://x", &nothing, &nothing, &nothing).contains("0 alarms stand"));
    }
}
