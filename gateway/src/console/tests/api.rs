//! Reading: what each address answers, and what it says when it can't.

use gengfu_core::reading::PointId;
use serde_json::json;

use super::*;
use crate::telemetry::{LinkState, RefusedReason};

#[tokio::test]
async fn points_carry_quality_and_never_a_false_number() {
    let console = Console::start().await;
    let points = console.json("/api/v1/points").await;
    assert_eq!(points["next"], Value::Null);
    let items = points["items"].as_array().unwrap();
    assert_eq!(items.len(), 12);
    let find = |name: &str| items.iter().find(|p| p["device"] == name).unwrap();
    let bad = find("gas-02");
    assert_eq!(
        (&bad["value"], bad["quality"].as_str(), bad["reason"].as_str()),
        (&Value::Null, Some("bad"), Some("timeout"))
    );
    let unheard = find("gas-03");
    assert_eq!(
        (&unheard["value"], &unheard["at"], unheard["reason"].as_str()),
        (&Value::Null, &Value::Null, Some("comm"))
    );
    let good = find("hydrant-main");
    assert_eq!(
        (good["value"].as_f64(), good["unit"].as_str(), good["life_safety"].as_bool()),
        (Some(0.1423), Some("MPa"), Some(true))
    );
}

/// A point that fell silent has a last value, and that is good no longer: in its row, on its card, in the counter.
#[tokio::test]
async fn a_lost_point_is_not_good() {
    let console = Console::start().await;
    let shown = async || {
        let points = console.json("/api/v1/points?device=hydrant-main").await;
        let (alarms, page) = (console.json("/api/v1/alarms").await, console.text("/?part=points").await);
        let card = alarms["items"].as_array().unwrap().iter().find(|alarm| alarm["rule"] == "hydrant-low").unwrap();
        let told = |of: &Value| (of["value"].as_f64(), of["quality"].clone(), of["reason"].clone());
        let troubled = page.split("id=\"troubled\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
        let metrics = console.text("/metrics").await;
        let doubtful = metrics.lines().find(|line| line.starts_with("gengfu_points{quality=\"uncertain\"}")).unwrap();
        (told(&points["items"][0]), told(&card["now"]), troubled, doubtful.to_owned())
    };
    let (row, card, troubled, doubtful) = shown().await;
    assert_eq!((&row, row.1.as_str(), troubled.as_str()), (&card, Some("good"), "3"));
    assert!(doubtful.ends_with(" 1"), "{doubtful}");
    let lost = console.engine.lock().unwrap().snapshot.points[0].0;
    console.set(|engine| engine.snapshot.lost.extend([lost]));
    let (row, card, troubled, doubtful) = shown().await;
    assert_eq!((&row, &row.0, &row.1, &row.2), (&card, &Some(0.1423), &json!("uncertain"), &json!("stale")));
    assert_eq!((troubled.as_str(), doubtful.ends_with(" 2")), ("4", true));
}

#[tokio::test]
async fn points_are_filtered_and_paged() {
    let console = Console::start().await;
    let lift = console.json("/api/v1/points?device=lift-2").await;
    assert_eq!(lift["items"].as_array().unwrap().len(), 2);
    let mut seen = Vec::new();
    let mut path = "/api/v1/points?limit=5".to_owned();
    loop {
        let page = console.json(&path).await;
        seen.extend(page["items"].as_array().unwrap().iter().map(|p| format!("{}/{}", p["device"], p["point"])));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/points?limit=5&cursor={next}");
    }
    assert_eq!(seen.len(), 12);
    seen.dedup();
    assert_eq!(seen.len(), 12);
    for path in
        ["/api/v1/points?limit=0", "/api/v1/points?limit=9999", "/api/v1/points?cursor=x", "/api/v1/points?devcie=x"]
    {
        assert_eq!(console.get(path).await.status(), 400, "{path}");
    }
}

#[tokio::test]
async fn devices_add_up_their_points() {
    let console = Console::start().await;
    let devices = console.json("/api/v1/devices").await;
    let items = devices["items"].as_array().unwrap();
    assert_eq!(items.len(), 8);
    let gas = items.iter().find(|d| d["device"] == "gas-02").unwrap();
    assert_eq!((gas["points"].as_u64(), gas["troubled"].as_u64(), gas["alarms"].as_u64()), (Some(1), Some(1), Some(1)));
}

#[tokio::test]
async fn history_is_bounded_and_brings_its_limits() {
    let console = Console::start().await;
    let answer = console
        .json("/api/v1/points/hydrant-main/pressure/history?from=2026-01-31T08:00:00Z&to=2026-01-31T09:00:00Z")
        .await;
    let asked = *console.journal.asked.lock().unwrap();
    assert_eq!(asked, Some((PointId(0), 1_769_846_400_000, 1_769_850_000_000, 10_000)));
    assert_eq!(answer["items"].as_array().unwrap().len(), 360);
    assert_eq!(answer["unit"], "MPa");
    let lines: Vec<&str> = answer["lines"].as_array().unwrap().iter().map(|l| l["rule"].as_str().unwrap()).collect();
    assert_eq!(lines, ["hydrant-low", "hydrant-falling"]);
    assert_eq!(console.get("/api/v1/points/no/such/history").await.status(), 404);
    assert_eq!(console.get("/api/v1/points/hydrant-main/pressure/history?from=soon").await.status(), 400);
    assert_eq!(console.get("/api/v1/points/hydrant-main/pressure/history?from=5&to=4").await.status(), 400);
    assert_eq!(
        console.get("/api/v1/points/hydrant-main/pressure/history?from=0&to=86400000&step=1").await.status(),
        400
    );
}

#[tokio::test]
async fn alarms_stand_in_order_of_urgency() {
    let console = Console::start().await;
    let ids = |answer: &Value| -> Vec<String> {
        answer["items"].as_array().unwrap().iter().map(|a| a["id"].as_str().unwrap()[14..].to_owned()).collect()
    };
    assert_eq!(ids(&console.json("/api/v1/alarms").await), ["a1", "a4", "a2", "a3", "a5"]);
    assert_eq!(ids(&console.json("/api/v1/alarms?state=unacknowledged").await), ["a1", "a4"]);
    let refused = console.get("/api/v1/alarms?state=loud").await;
    assert_eq!(refused.status(), 400);
    assert!(refused.text().await.unwrap().contains("latched-acknowledged"));
}

#[tokio::test]
async fn what_is_put_aside_is_apart_from_what_stands() {
    let console = Console::start().await;
    console.set(|engine| {
        let veil = crate::flow::Veil {
            by: "值班员甲".to_owned(),
            at: 0,
            until: 9,
            one_shot: false,
            reason: "换探头".to_owned(),
        };
        let shelved = &mut engine.snapshot.alarms[2];
        (shelved.life, shelved.state) = (Some("returned".to_owned()), "shelved".to_owned());
        shelved.shelved = Some(veil);
        let hidden = &mut engine.snapshot.alarms[3];
        (hidden.life, hidden.state) = (Some("unacknowledged".to_owned()), "suppressed".to_owned());
        hidden.suppressed = true;
    });
    let ids = async |state: &str| -> Vec<String> {
        let answer = console.json(&format!("/api/v1/alarms?state={state}")).await;
        answer["items"].as_array().unwrap().iter().map(|a| a["id"].as_str().unwrap()[14..].to_owned()).collect()
    };
    assert_eq!(ids("standing").await, ["a1", "a2", "a5"]);
    assert_eq!(ids("open").await, ["a1", "a2", "a5", "a4", "a3"]);
    assert_eq!(ids("shelved").await, ["a3"]);
    assert_eq!(ids("suppressed").await, ["a4"]);
    assert!(ids("out-of-service").await.is_empty());
    let shelved = console.json("/api/v1/alarms?state=shelved").await["items"][0].clone();
    assert_eq!((&shelved["shelved"]["reason"], &shelved["veil"]), (&Value::from("换探头"), &Value::from("shelved")));
    assert_eq!(shelved["may"], serde_json::json!(["acknowledge", "unshelve", "out-of-service", "note"]));
    let metrics = parse_metrics(&console.text("/metrics").await);
    assert_eq!(metrics["gengfu_alarms{state=\"shelved\",priority=\"high\"}"], 1.0);
    assert_eq!(metrics["gengfu_alarms{state=\"suppressed\",priority=\"medium\"}"], 1.0);
}

#[tokio::test]
async fn areas_tell_the_mode_that_runs_and_what_is_left_of_it() {
    let console = Console::start().await;
    console.set(|engine| {
        engine.snapshot.modes.push(made_up::mode("B1", "walk-test"));
        engine.snapshot.alarms[0].test = Some("walk-test".to_owned());
    });
    let areas = console.json("/api/v1/modes").await;
    let area = &areas["items"][0];
    assert_eq!((area["area"].as_str(), area["points"].as_u64()), (Some("B1"), Some(12)));
    assert_eq!(
        (area["running"]["by"].as_str(), area["running"]["untripped"].as_array().unwrap().len()),
        (Some("值班员甲"), 2)
    );
    assert!(area["running"]["remaining_ms"].as_u64().unwrap() > 0);
    assert_eq!(console.json("/api/v1/modes?state=all").await["items"], serde_json::json!([]));
    assert_eq!(console.get("/api/v1/modes?state=some").await.status(), 400);
    let document = console.json("/api/v1/openapi.json").await;
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let mut described = names(&document["components"]["schemas"]["ModeRecord"]["properties"]);
    described.push("remaining_ms".to_owned());
    described.sort();
    let mut told = names(&area["running"]);
    told.sort();
    assert_eq!(told, described);
    let metrics = parse_metrics(&console.text("/metrics").await);
    assert_eq!((metrics["gengfu_modes{mode=\"walk-test\"}"], metrics["gengfu_modes{mode=\"drill\"}"]), (1.0, 0.0));
    assert_eq!(metrics["gengfu_alarms{state=\"unacknowledged\",priority=\"critical\",test=\"walk-test\"}"], 1.0);
}

#[tokio::test]
async fn an_alarm_tells_the_present_beside_what_raised_it() {
    let console = Console::start().await;
    let alarms = console.json("/api/v1/alarms").await;
    let find =
        |n: char| alarms["items"].as_array().unwrap().iter().find(|a| a["id"].as_str().unwrap().ends_with(n)).unwrap();
    let low = find('1');
    assert_eq!(low["heading"]["zh"], "消火栓主管 压力 报警：过低（下限 0.15 MPa）");
    assert_eq!(low["heading"]["en"], "hydrant main pressure alarm: too low (limit 0.15 MPa)");
    assert_eq!((low["active"].as_bool(), low["reset_needed"].as_bool()), (Some(true), Some(false)));
    assert_eq!((low["now"]["value"].as_f64(), low["now"]["quality"].as_str()), (Some(0.1423), Some("good")));
    assert_eq!((low["raised"]["value"].as_f64(), low["raised"]["limit"].as_f64()), (Some(0.1423), Some(0.15)));
    assert_eq!((&low["area"], &low["device_label"]["en"]), (&Value::from("B1"), &Value::from("hydrant main")));
    assert_eq!((&low["point_label"]["zh"], &low["acknowledged"]), (&Value::from("压力"), &Value::Null));
    let silent = find('2');
    assert_eq!((&silent["now"]["value"], silent["now"]["reason"].as_str()), (&Value::Null, Some("timeout")));
    let who = serde_json::json!({ "by": "值班员甲", "at": 1_790_000_060_000_i64, "note": "已派人到现场" });
    assert_eq!((&silent["acknowledged"], &silent["device_label"]), (&who, &Value::Null));
    let held = find('5');
    assert_eq!((held["active"].as_bool(), held["reset_needed"].as_bool()), (Some(false), Some(true)));
    assert_eq!(
        (&held["now"]["word"]["zh"], &held["raised_word"]["en"]),
        (&Value::from("被占用"), &Value::from("blocked"))
    );
    // The same of one alarm alone.
    let one = console.json("/api/v1/alarms/00000000000000a5").await;
    assert_eq!((&one["alarm"]["heading"], &one["alarm"]["now"]), (&held["heading"], &held["now"]));
}

#[tokio::test]
async fn points_and_devices_have_the_names_people_use() {
    let console = Console::start().await;
    let points = console.json("/api/v1/points?device=exit-3f-east").await;
    let door = &points["items"][0];
    assert_eq!(
        (&door["device_label"]["zh"], &door["label"]["en"]),
        (&Value::from("三层东侧安全出口"), &Value::from("passage"))
    );
    assert_eq!((door["value"].as_f64(), &door["word"]["en"]), (Some(1.0), &Value::from("blocked")));
    let devices = console.json("/api/v1/devices").await;
    assert_eq!(devices["items"][0]["label"]["en"], "hydrant main");
}

/// Every field an answer has is described, and every described field is there.
#[tokio::test]
async fn an_alarm_is_what_its_description_says() {
    let console = Console::start().await;
    let document = console.json("/api/v1/openapi.json").await;
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<std::collections::BTreeSet<_>>();
    let schemas = &document["components"]["schemas"];
    let alarm = console.json("/api/v1/alarms").await["items"][0].clone();
    let described = [&schemas["AlarmEvent"]["properties"], &schemas["Alarm"]["allOf"][1]["properties"]];
    let described = described.into_iter().flat_map(names).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(names(&alarm), described);
    for (answer, schema) in [(&alarm["now"], "Present"), (&alarm["raised"], "Figures")] {
        assert_eq!(names(answer), names(&schemas[schema]["properties"]), "{schema}");
    }
    let point = console.json("/api/v1/points").await["items"][0].clone();
    assert_eq!(names(&point), names(&schemas["Point"]["properties"]));
}

#[tokio::test]
async fn how_early_warnings_turned_out_is_told_as_described_and_on_the_page() {
    let console = Console::start().await;
    let told = console.json("/api/v1/early-warnings").await;
    assert_eq!((told["all"]["came_true"].as_u64(), told["all"]["false"].as_u64()), (Some(1), Some(1)));
    assert_eq!((told["all"]["lead_ms"]["median"].as_u64(), told["cut"].as_bool()), (Some(3_600_000), Some(false)));
    assert_eq!(told["outcomes"][0]["came"], "hydrant-low");
    let document = console.json("/api/v1/openapi.json").await;
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<std::collections::BTreeSet<_>>();
    let schemas = &document["components"]["schemas"];
    assert_eq!(names(&told), names(&schemas["EarlyWarnings"]["properties"]));
    assert_eq!(names(&told["all"]), names(&schemas["EarlyWarningScore"]["properties"]));
    let outcome = &schemas["EarlyWarnings"]["properties"]["outcomes"]["items"]["properties"];
    assert_eq!(names(&told["outcomes"][0]), names(outcome));
    for (language, said) in
        [("zh", "应验，提前 <span class=\"number\">60 分钟"), ("en", "came true, lead <span class=\"number\">60 min")]
    {
        let page = console.text(&format!("/?lang={language}")).await;
        assert!(page.contains(said), "{said} is not on the page");
    }
}

#[tokio::test]
async fn past_alarms_page_over_entries_of_other_kinds() {
    let console = Console::start().await;
    let mut numbers = Vec::new();
    let mut path = "/api/v1/alarms?state=all&limit=3".to_owned();
    loop {
        let page = console.json(&path).await;
        numbers.extend(page["items"].as_array().unwrap().iter().map(|a| a["number"].as_u64().unwrap()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/alarms?state=all&limit=3&cursor={next}");
    }
    assert_eq!(numbers, [9, 7, 5, 3, 1]);
}

#[tokio::test]
async fn one_alarm_comes_with_its_past() {
    let console = Console::start().await;
    let gone = console.json("/api/v1/alarms/00000000000000ff").await;
    assert_eq!(gone["alarm"]["number"], 9);
    assert_eq!(gone["transitions"].as_array().unwrap().len(), 5);
    let standing = console.json("/api/v1/alarms/00000000000000a1").await;
    assert_eq!(standing["alarm"]["state"], "unacknowledged");
    let unknown = console.get("/api/v1/alarms/0000000000000000").await;
    assert_eq!(unknown.status(), 404);
    assert_eq!(unknown.headers()["content-type"], "application/problem+json");
}

#[tokio::test]
async fn status_ledger_and_rules_answer() {
    let console = Console::start().await;
    console.stats.read.add(10);
    console.stats.committed.add(7);
    console.stats.refuse(RefusedReason::JournalFull, 2);
    console.stats.link("pump-room", LinkState::Down { why: "connection refused".to_owned() }, 5);
    let status = console.json("/api/v1/status").await;
    assert_eq!(
        (status["site"]["id"].as_str(), status["engine"]["alive"].as_bool()),
        (Some("binjiang-mall-07"), Some(true))
    );
    let link = serde_json::json!([{ "name": "pump-room", "state": "down", "why": "connection refused", "since": 5 }]);
    assert_eq!(status["links"], link);
    let impaired = [
        "link pump-room is down: connection refused",
        "2 watched points have no value to believe: gas-02/ch4, gas-03/ch4",
    ];
    assert_eq!((&status["impaired"], &status["failing"]), (&serde_json::json!(impaired), &serde_json::json!([])));
    let ready = console.get("/readyz").await;
    assert_eq!(ready.status(), 200, "the gateway itself is ready");
    assert_eq!(serde_json::from_str::<Value>(&ready.text().await.unwrap()).unwrap()["impaired"], status["impaired"]);
    assert!(status["uptime_ms"].as_u64().unwrap() < 3_600_000, "of this run: {}", status["uptime_ms"]);
    let ledger = console.json("/api/v1/ledger").await;
    assert_eq!(
        (ledger["run"]["in_flight"].as_u64(), ledger["run"]["refused"]["journal-full"].as_u64()),
        (Some(1), Some(2))
    );
    assert_eq!((ledger["totals"]["unaccounted"].as_u64(), ledger["items"].as_array().unwrap().len()), (Some(0), 2));
    let rules = console.json("/api/v1/rules").await;
    assert_eq!(rules["items"][2]["detector"]["levels"][1]["limit"], 50.0);
    assert_eq!(
        rules["items"][2]["levels"][1],
        serde_json::json!({ "priority": "critical", "latch": true, "shelvable": false })
    );
}

#[tokio::test]
async fn probes_tell_a_stuck_process_from_a_sick_disk() {
    let console = Console::start().await;
    assert_eq!(console.get("/healthz").await.status(), 200);
    assert_eq!(console.get("/readyz").await.status(), 200);
    console.journal.health.lock().unwrap().telemetry_error = Some("no space left on device".to_owned());
    assert_eq!(console.get("/healthz").await.status(), 200);
    let ready = console.get("/readyz").await;
    assert_eq!(ready.status(), 503);
    assert!(ready.text().await.unwrap().contains("no space left"));
    console.set(|engine| engine.silent = true);
    let health = console.get("/healthz").await;
    assert_eq!(health.status(), 503);
    assert!(health.text().await.unwrap().contains("engine"));
}

#[tokio::test]
async fn a_silent_engine_is_said_and_never_hangs_a_reader() {
    let console = Console::start().await;
    console.set(|engine| engine.silent = true);
    for path in ["/api/v1/points", "/api/v1/alarms", "/api/v1/devices"] {
        let answer = console.get(path).await;
        assert_eq!(
            (answer.status().as_u16(), answer.headers()["content-type"].to_str().unwrap()),
            (503, "application/problem+json")
        );
    }
    assert_eq!(console.json("/api/v1/status").await["engine"]["alive"], false);
    assert!(console.text("/metrics").await.contains("\ngengfu_engine_alive 0\n"));
}

#[tokio::test]
async fn what_does_not_exist_is_a_problem_too() {
    let console = Console::start().await;
    let nowhere = console.get("/api/v2/points").await;
    assert_eq!(
        (nowhere.status().as_u16(), nowhere.headers()["content-type"].to_str().unwrap()),
        (404, "application/problem+json")
    );
    let wrong =
        soon(console.request(Method::DELETE, "/api/v1/points").header("content-type", "application/json").send())
            .await
            .unwrap();
    assert_eq!(
        (wrong.status().as_u16(), wrong.headers()["content-type"].to_str().unwrap()),
        (405, "application/problem+json")
    );
    assert!(wrong.headers().contains_key("allow"));
}

#[tokio::test]
async fn every_described_address_answers() {
    let console = Console::start().await;
    for route in crate::console::api::routes().iter().filter(|r| r.method == "get" && !r.path.ends_with("events")) {
        let path = route
            .path
            .replace("{device}", "hydrant-main")
            .replace("{point}", "pressure")
            .replace("{id}", "00000000000000a1");
        assert_eq!(console.get(&path).await.status(), 200, "{path}");
    }
}

/// A reader of the text format 0.0.4, as strict as its description.
fn parse_metrics(text: &str) -> std::collections::BTreeMap<String, f64> {
    let is_name = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.is_empty();
    let mut families = std::collections::BTreeSet::new();
    let mut samples = std::collections::BTreeMap::new();
    let mut current = (String::new(), String::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(is_name(name) && !help.is_empty() && families.insert(name.to_owned()), "{line}");
            current = (name.to_owned(), String::new());
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(name == current.0 && matches!(kind, "counter" | "gauge"), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            current.1 = kind.to_owned();
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let name = series.split('{').next().unwrap();
            assert!(name == current.0 && !current.1.is_empty(), "{line}");
            if let Some(labels) = series.strip_prefix(name).filter(|rest| !rest.is_empty()) {
                let inner = labels.strip_prefix('{').and_then(|l| l.strip_suffix("\"}")).unwrap();
                for label in inner.split("\",") {
                    assert!(label.split_once("=\"").is_some_and(|(name, _)| is_name(name)), "{line}");
                }
            }
            assert!(samples.insert(series.to_owned(), value.parse().unwrap()).is_none(), "twice: {line}");
        }
    }
    assert!(text.ends_with('\n'));
    samples
}

#[tokio::test]
async fn metrics_parse_and_add_up() {
    let console = Console::start().await;
    console.stats.read.add(10);
    console.stats.committed.add(8);
    console.stats.refuse(RefusedReason::TooManyDevices, 2);
    console.stats.link("a \"quoted\" \\ name", LinkState::Up, 0);
    let answer = console.get("/metrics").await;
    assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let metrics = parse_metrics(&answer.text().await.unwrap());
    assert_eq!(metrics["gengfu_readings_total{stage=\"read\"}"], 10.0);
    assert_eq!(metrics["gengfu_readings_total{stage=\"refused\",reason=\"too-many-devices\"}"], 2.0);
    assert_eq!(metrics["gengfu_sink_records{sink=\"influxdb/central\",lane=\"telemetry\",state=\"pending\"}"], 208.0);
    assert_eq!(metrics["gengfu_alarms{state=\"unacknowledged\",priority=\"critical\"}"], 1.0);
    assert_eq!(metrics["gengfu_points{quality=\"bad\"}"], 2.0);
    assert_eq!(metrics["gengfu_link_up{link=\"a \\\"quoted\\\" \\\\ name\"}"], 1.0);
    assert_eq!(metrics["gengfu_journal_bytes"], 52_428_800.0);
    if cfg!(target_os = "linux") {
        assert!(metrics["process_resident_memory_bytes"] > 1e6);
        assert!(metrics.contains_key("process_cpu_seconds_total"));
    }
}

#[tokio::test]
async fn entries_of_the_lane_page_and_are_chosen_by_their_type() {
    let console = Console::start().await;
    let seqs = async |query: &str| {
        let (mut seqs, mut path) = (Vec::new(), format!("/api/v1/entries?limit=3{query}"));
        loop {
            let page = console.json(&path).await;
            seqs.extend(page["items"].as_array().unwrap().iter().map(|entry| entry["seq"].as_u64().unwrap()));
            let Some(next) = page["next"].as_str() else { return seqs };
            path = format!("/api/v1/entries?limit=3{query}&cursor={next}");
        }
    };
    assert_eq!(seqs("").await, (1..=10).rev().collect::<Vec<u64>>());
    assert_eq!(seqs("&type=stop").await, [10, 8, 6, 4, 2]);
    assert_eq!(seqs("&type=gap").await, [0_u64; 0]);
    assert_eq!(console.get("/api/v1/entries?type=gaps").await.status(), 400);
    let gap = crate::journal::Entry::Gap { from: 1, to: 8, at_most: 124, why: "telemetry was repaired".to_owned() };
    *console.journal.entries.lock().unwrap() = Some(vec![gap]);
    let told = serde_json::json!({ "seq": 1, "type": "gap", "from": 1, "to": 8, "at_most": 124, "why": "telemetry was repaired" });
    assert_eq!(console.json("/api/v1/entries?type=gap").await["items"], serde_json::json!([told]));
}

#[tokio::test]
async fn the_ledger_tells_what_is_missing_of_the_last_days() {
    let console = Console::start().await;
    assert_eq!(console.json("/api/v1/ledger").await["missing"]["items"], serde_json::json!([]));
    let console = Console::start().await;
    let to = console.clock.wall().0;
    let gap = crate::journal::Entry::Gap { from: to - 7, to, at_most: 124, why: "x".to_owned() };
    *console.journal.entries.lock().unwrap() = Some(vec![gap]);
    let stretch = serde_json::json!({ "from": to - 7, "to": to, "at_most": 124, "why": "x" });
    assert_eq!(console.json("/api/v1/ledger").await["missing"]["items"], serde_json::json!([stretch]));
}
