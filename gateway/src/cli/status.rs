//! `gengfu status`: what a running gateway says of itself.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;

use super::{ask, warning};
use crate::app::good;
use crate::config;

/// A gateway that does not answer within this is not well.
const LIMIT: Duration = Duration::from_secs(5);
/// Stretches of what is missing that are shown; more are counted.
const MISSING: usize = 5;

pub(super) async fn run(url: String, file: Option<PathBuf>, json: bool) -> ExitCode {
    let at = |site: config::checked::Site| (format!("http://{}", site.console.listen), Some(site.id));
    let mut broken = false;
    let (url, wanted) = match file.as_ref().map(|file| config::load(file)) {
        Some(Ok(loaded)) => at(loaded.site),
        Some(Err(complaints)) => {
            super::complain(&complaints);
            // What runs was started on a good one.
            let Some((_, loaded)) = file.as_ref().and_then(|file| good::last(file)) else {
                return ExitCode::from(2);
            };
            broken = true;
            at(loaded.site)
        }
        None => (url, None),
    };
    let url = url.trim_end_matches('/').to_owned();
    let answers = tokio::try_join!(get(&url, "status"), get(&url, "alarms"), get(&url, "ledger"));
    let (status, alarms, ledger) = match answers {
        Ok(answers) => answers,
        Err(why) => return super::failed(&format!("{url} does not answer: {why}; is the gateway running there?")),
    };
    if let (Some(wanted), Some(file)) = (wanted, file)
        && let Some(other) = other_site(&status, &wanted)
    {
        return super::failed(&format!(
            "the gateway at {url} is that of the site `{other}`, not of `{wanted}` in {}; start the one that is meant, or \
             give each a [console] listen of its own",
            file.display()
        ));
    }
    // An older gateway knows of no modes.
    let modes = get(&url, "modes").await.unwrap_or_default();
    let open = get(&url, "alarms?state=open").await.unwrap_or_default();
    if json {
        sayln!("{}", serde_json::json!({ "status": status, "alarms": alarms, "modes": modes, "ledger": ledger }));
    } else {
        say!("{}{}{}", text(&url, &status, &alarms, &ledger), aside(&open), running(&modes));
    }
    match verdict(&status, &alarms) {
        0 if broken => ExitCode::from(2),
        verdict => ExitCode::from(verdict),
    }
}

/// The id of the site that answers, where it is not the one that is meant.
fn other_site<'a>(status: &'a Value, wanted: &str) -> Option<&'a str> {
    status.pointer("/site/id").and_then(Value::as_str).filter(|id| *id != wanted)
}

/// For scripts: 1 the gateway says that it fails itself, 2 an alarm stands or not all is well, 0 peace. A gateway that fails comes
/// before the alarm that it raises of itself.
fn verdict(status: &Value, alarms: &Value) -> u8 {
    match (items(status, "/failing"), real(alarms).next(), items(status, "/impaired")) {
        ([_, ..], _, _) => 1,
        ([], None, []) => 0,
        ([], _, _) => 2,
    }
}

/// The alarms that are no tests.
fn real(alarms: &Value) -> impl Iterator<Item = &Value> {
    items(alarms, "/items").iter().filter(|alarm| !alarm.get("test").is_some_and(Value::is_string))
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
pub(super) fn items<'a>(answer: &'a Value, pointer: &str) -> &'a [Value] {
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
    for reason in items(status, "/impaired") {
        let _ = writeln!(out, "not all is well: {}", reason.as_str().unwrap_or("?"));
    }
    let _ = write!(out, "{}", room(status));
    out += &status.get("levels").map(warning::line).unwrap_or_default();
    let all = items(alarms, "/items");
    let (over, active): (Vec<&Value>, Vec<&Value>) =
        real(alarms).partition(|alarm| alarm.get("active") == Some(&Value::Bool(false)));
    let tests = all.len() - active.len() - over.len();
    let _ = writeln!(out, "{}", stand(active.len(), over.len(), tests));
    // By the gateway's own clock: the one here may be another's.
    let now = status.pointer("/clock/now").and_then(Value::as_i64);
    for alarm in all {
        let since = |key: &str| Some(age(now? - alarm.pointer(key).and_then(Value::as_i64)?));
        // What is over has not stood since; an older gateway tells its first coming alone.
        let verb = if alarm.get("active") == Some(&Value::Bool(false)) { "raised" } else { "for" };
        let began = since("/since").or_else(|| since("/onset"));
        let began = began.map(|age| format!(", {verb} {age}")).unwrap_or_default();
        let began = if verb == "raised" && !began.is_empty() { began + " ago" } else { began };
        let (priority, state) = (word(alarm, "/priority"), word(alarm, "/state"));
        let first = first(alarm);
        // The message is that of the last step, which may be long ago; an older gateway has nothing else.
        let what = if alarm.get("heading").is_some() { "/heading/en" } else { "/message/en" };
        let present = present(alarm).map(|present| {
            let read = since("/now/at").map(|age| format!(", {age} ago")).unwrap_or_default();
            format!("; now {present}{read}")
        });
        let present = present.unwrap_or_default();
        let _ = writeln!(out, "  [{priority}] {first}{}{present} ({state}{began})", word(alarm, what));
    }
    for sink in items(ledger, "/items") {
        let count = |key: &str| sink.get(key).and_then(Value::as_u64).unwrap_or(0);
        let given_up = ["thinned", "expired"].map(|key| (count(key), key)).into_iter().filter(|(n, _)| *n > 0);
        let given_up = given_up.fold(String::new(), |line, (n, key)| line + &format!(", {n} {key}"));
        let _ = writeln!(
            out,
            "{} {}: {} committed, {} delivered, {} pending, {} dead{}",
            word(sink, "/sink"),
            word(sink, "/lane"),
            count("committed"),
            count("delivered"),
            count("pending"),
            count("dead"),
            given_up
        );
    }
    out + &missing(ledger)
}

/// What may be missing of the last days, a line each; nothing where an older gateway does not tell.
fn missing(ledger: &Value) -> String {
    use std::fmt::Write;
    let mut out = String::new();
    let all = items(ledger, "/missing/items");
    for gap in all.iter().take(MISSING) {
        let time = |key: &str| gap.get(key).and_then(Value::as_i64).map_or("?".to_owned(), ask::time);
        let (from, to, most, why) = (time("from"), time("to"), ask::word(gap, "at_most"), ask::word(gap, "why"));
        let _ = writeln!(out, "missing from {from} to {to}, at most {most} records: {why}");
    }
    if let Some(more) = all.len().checked_sub(MISSING).filter(|more| *more > 0) {
        let _ = writeln!(out, "and {more} more stretches are missing, see /api/v1/ledger");
    }
    if ledger.get("missing") == Some(&Value::Null) {
        out += "whether anything of the last days is missing is not known: the journal can't be read\n";
    }
    out
}

/// The room for an outage, as far as the gateway tells.
fn room(status: &Value) -> String {
    let Some(hours) = status.pointer("/journal/room/hours_left").and_then(Value::as_f64) else { return String::new() };
    let gives_way = status.pointer("/journal/room/gives_way") == Some(&Value::Bool(true));
    let thinned = if gives_way { "; readings that were owed were thinned or dropped within the last hour" } else { "" };
    let room = age((hours * 3_600_000.0) as i64);
    format!("room for an outage of {room} at the present rate{thinned}\n")
}

/// The modes that run, a line each.
fn running(modes: &Value) -> String {
    use std::fmt::Write;
    let mut out = String::new();
    for area in items(modes, "/items") {
        let Some(running) = area.get("running").filter(|running| running.is_object()) else { continue };
        let word = |key: &str| running.get(key).and_then(Value::as_str).unwrap_or("?");
        let area =
            area.get("area").and_then(Value::as_str).filter(|area| !area.is_empty()).unwrap_or("what is in no area");
        let left = running.get("remaining_ms").and_then(Value::as_i64).map_or("?".to_owned(), age);
        let _ = writeln!(out, "{} in {area} by {} for another {left}: {}", word("mode"), word("by"), word("reason"));
    }
    out
}

/// What a person has put aside although its condition stands, a line each: peace that is none.
fn aside(open: &Value) -> String {
    let stands = |alarm: &&Value| alarm.get("active") == Some(&Value::Bool(true));
    let line = |alarm: &Value| {
        let state = alarm.get("state").and_then(Value::as_str)?;
        let what = alarm.pointer("/message/en").and_then(Value::as_str).unwrap_or("?");
        ["shelved", "out-of-service"].contains(&state).then(|| format!("put aside ({state}), and it stands: {what}\n"))
    };
    items(open, "/items").iter().filter(stands).filter_map(line).collect()
}

/// How many stand, how many are over and wait for a person, and how many are tests and count as neither.
fn stand(active: usize, returned: usize, tests: usize) -> String {
    let stand = if active == 1 { "1 alarm stands".to_owned() } else { format!("{active} alarms stand") };
    let returned = match returned {
        0 => String::new(),
        1 => ", 1 has returned and waits for a person".to_owned(),
        _ => format!(", {returned} have returned and wait for a person"),
    };
    let tests = match tests {
        0 => String::new(),
        1 => "; 1 more is a test".to_owned(),
        _ => format!("; {tests} more are tests"),
    };
    stand + &returned + &tests
}

/// Said before what an alarm is: that it came before the others of its group.
pub(super) fn first(alarm: &Value) -> &'static str {
    if alarm.get("first") == Some(&Value::Bool(true)) { "FIRST " } else { "" }
}

/// The point of an alarm as it is now; `None` where the gateway does not tell.
pub(super) fn present(alarm: &Value) -> Option<String> {
    let now = alarm.get("now")?;
    let unit = alarm.get("unit").and_then(Value::as_str).map(|unit| format!(" {unit}")).unwrap_or_default();
    let word = now.pointer("/word/en").and_then(Value::as_str).map(str::to_owned);
    let value =
        word.or_else(|| now.get("value").and_then(Value::as_f64).map(|value| format!("{}{unit}", short(value))));
    let reason = now.get("reason").and_then(Value::as_str);
    Some(match (value, reason) {
        (Some(value), None) => value,
        (Some(value), Some(reason)) => format!("{value} ({reason})"),
        (None, reason) => format!("no usable value ({})", reason.unwrap_or("?")),
    })
}

/// As many decimals as make four digits: what a sensor says beyond them is noise.
fn short(value: f64) -> f64 {
    let decimals = [1000.0, 100.0, 10.0, 1.0, 0.1].iter().position(|size| value.abs() >= *size).unwrap_or(5);
    format!("{value:.decimals$}").parse().unwrap_or(value)
}

/// How long ago, as exactly as one would say it.
pub(super) fn age(ms: i64) -> String {
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
            "clock": { "now": 1_000_000 }, "impaired": ["link pump-room is down: connection refused"],
            "links": [{ "name": "pump-room", "state": "down", "why": "connection refused", "since": 1 }],
        });
        let alarms = json!({ "items": [
            { "priority": "high", "message": { "zh": "高", "en": "too high" }, "state": "unacknowledged", "onset": 700_000 },
        ] });
        let ledger = json!({ "items": [
            { "sink": "influxdb/central", "lane": "telemetry", "committed": 9, "delivered": 6, "pending": 2, "dead": 1,
              "thinned": 0, "expired": 0 },
            { "sink": "influxdb/spare", "lane": "telemetry", "committed": 9, "delivered": 0, "pending": 2, "dead": 0,
              "thinned": 3, "expired": 4 },
        ], "missing": { "since": 0, "items": [
            { "from": 1_769_846_393_000_i64, "to": 1_769_846_400_000_i64, "at_most": 124, "why": "telemetry was repaired" },
        ] } });
        let screen = text("http://127.0.0.1:8420", &status, &alarms, &ledger);
        for part in [
            "Mall (mall) http://127.0.0.1:8420, version 1.2.3",
            "FAILING: the alarm lane has an error: full",
            "down: connection refused",
            "pump-room",
            "1 alarm stands",
            "[high] too high (unacknowledged, for 5 min)",
            "not all is well: link pump-room is down: connection refused",
            "influxdb/central telemetry: 9 committed, 6 delivered, 2 pending, 1 dead\n",
            "influxdb/spare telemetry: 9 committed, 0 delivered, 2 pending, 0 dead, 3 thinned, 4 expired\n",
            "missing from 2026-01-31T07:59:53Z to 2026-01-31T08:00:00Z, at most 124 records: telemetry was repaired\n",
        ] {
            assert!(screen.contains(part), "{part} is missing:\n{screen}");
        }
    }

    #[test]
    fn what_is_put_aside_and_stands_is_no_peace() {
        let alarm = |state: &str, active: bool| json!({ "state": state, "active": active, "message": { "en": "pump: manual" } });
        let open = json!({ "items": [alarm("shelved", true), alarm("shelved", false), alarm("unacknowledged", true)] });
        assert_eq!(aside(&open), "put aside (shelved), and it stands: pump: manual\n");
        assert_eq!(aside(&Value::Null), "");
    }

    #[test]
    fn more_than_a_few_stretches_are_counted_and_what_is_not_known_is_said() {
        let gap = json!({ "from": 0, "to": 1, "at_most": 1, "why": "x" });
        let told = missing(&json!({ "missing": { "items": vec![gap; MISSING + 2] } }));
        assert!(told.lines().count() == MISSING + 1 && told.contains("and 2 more stretches"), "{told}");
        assert!(missing(&json!({ "missing": null })).contains("not known"));
        assert_eq!(missing(&json!({})), "");
    }

    #[test]
    fn the_room_for_an_outage_is_in_the_unit_that_fits() {
        let told = |hours: f64| room(&json!({ "journal": { "room": { "hours_left": hours } } }));
        assert_eq!(told(0.2), "room for an outage of 12 min at the present rate\n");
        assert_eq!(told(0.012), "room for an outage of 43 s at the present rate\n");
        assert_eq!(told(31.6), "room for an outage of 31 h at the present rate\n");
    }

    #[test]
    fn an_alarm_is_told_as_it_is_now_and_what_is_over_is_counted_apart() {
        let status = json!({ "clock": { "now": 1_000_000 } });
        let alarm = |active: bool, now: Value| {
            json!({
                "priority": "high", "state": "unacknowledged", "onset": 1, "since": 700_000, "active": active, "unit": "MPa",
                "first": active,
                "heading": { "zh": "压力", "en": "pressure early warning: falling" },
                "message": { "zh": "", "en": "the limit in about 49 s at this rate" }, "now": now,
            })
        };
        let told = alarm(true, json!({ "value": 0.213_613_793_25, "reason": null, "word": null, "at": 998_000 }));
        let lost = alarm(false, json!({ "value": null, "reason": "comm", "word": null, "at": null }));
        let state = alarm(true, json!({ "value": 1.0, "reason": "clock", "word": { "en": "blocked" }, "at": 0 }));
        let screen = text("x", &status, &json!({ "items": [told, lost, state] }), &json!({}));
        for part in [
            "2 alarms stand, 1 has returned and waits for a person",
            "[high] FIRST pressure early warning: falling; now 0.2136 MPa, 2 s ago (unacknowledged, for 5 min)",
            "[high] pressure early warning: falling; now no usable value (comm) (unacknowledged, raised 5 min ago)",
            "falling; now blocked (clock), 16 min ago (",
        ] {
            assert!(screen.contains(part), "{part} is missing:\n{screen}");
        }
        assert!(!screen.contains("49 s"), "{screen}");
        assert_eq!([49.6061, 128_402.0, 0.0, 0.012_345].map(short), [49.61, 128_402.0, 0.0, 0.012_35]);
        assert_eq!(
            [stand(1, 0, 0), stand(0, 2, 1), stand(1, 0, 3)],
            [
                "1 alarm stands",
                "0 alarms stand, 2 have returned and wait for a person; 1 more is a test",
                "1 alarm stands; 3 more are tests"
            ]
        );
    }

    #[test]
    fn the_exit_code_tells_an_alarm_from_a_failing_gateway_from_peace() {
        let (nothing, failing, alarm) = (json!({}), json!({ "failing": ["x"] }), json!({ "items": [{}] }));
        let (quiet, impaired) = (json!({ "items": [] }), json!({ "impaired": ["link l0 is down: x"] }));
        let test = json!({ "items": [{ "test": "walk-test" }] });
        let cases =
            [(&nothing, &quiet), (&failing, &quiet), (&failing, &alarm), (&impaired, &quiet), (&nothing, &test)];
        assert_eq!(cases.map(|(s, a)| verdict(s, a)), [0, 1, 1, 2, 0]);
    }

    #[test]
    fn a_mode_that_runs_is_told_with_who_why_and_how_long() {
        let running = json!({ "mode": "drill", "by": "张三", "reason": "季度演练", "remaining_ms": 600_000 });
        let modes = json!({ "items": [{ "area": "B1", "running": running }, { "area": "B2", "running": null }] });
        assert_eq!(super::running(&modes), "drill in B1 by 张三 for another 10 min: 季度演练\n");
    }

    #[test]
    fn another_sites_gateway_is_told_from_the_one_that_is_meant() {
        let status = json!({ "site": { "id": "mall" } });
        assert_eq!((other_site(&status, "mall"), other_site(&status, "old-venue")), (None, Some("mall")));
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
