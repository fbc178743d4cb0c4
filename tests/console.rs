//! The API, its guards against foreign pages, and its event stream.

use std::io::BufRead;
use std::time::Duration;

use gengfu::journal::Entry;
use gengfu_tests::gateway::{Gateway, run};
use gengfu_tests::http;
use gengfu_tests::plant::Plant;
use gengfu_tests::process::{Folder, free_port};
use gengfu_tests::receiver::Receiver;
use gengfu_tests::site::Site;
use gengfu_tests::wait::{SOON, eventually, now, say, unix_ms, until};
use serde_json::{Value, json};

struct Bench {
    dir: Folder,
    plant: Plant,
    receiver: Receiver,
    gateway: Gateway,
}

fn bench() -> Bench {
    let (dir, plant, receiver) = (Folder::new("console"), Plant::start(2), Receiver::start());
    let site = Site::new("rig").modbus(&plant, 100, 5).flips(0, 2).webhook("duty", receiver.port()).text;
    let gateway = Gateway::start(&site, dir.path());
    gateway.quality("d1/r0", SOON, "good", None);
    Bench { dir, plant, receiver, gateway }
}

impl Bench {
    fn alarm(&self) -> String {
        self.plant.devices[0].set(900);
        let alarm = self.gateway.alarm("flip-d0", SOON, |a| a["state"] == "unacknowledged");
        alarm["id"].as_str().unwrap().to_owned()
    }

    fn acknowledge(&self, id: &str, headers: &[(&str, &str)]) -> u16 {
        let path = format!("/api/v1/alarms/{id}/acknowledge");
        let body = json!({ "by": "duty" }).to_string();
        http::request(self.gateway.port, "POST", &path, headers, body.as_bytes()).unwrap().status
    }
}

#[test]
fn every_path_of_the_contract_answers() {
    let mut bench = bench();
    let id = bench.alarm();
    let from = unix_ms() - 60_000;
    for path in
        ["status", "points", "devices", "alarms", "alarms?state=unacknowledged", "ledger", "rules", "openapi.json"]
    {
        assert!(!bench.gateway.api(path).is_null(), "{path}");
    }
    let alarm = bench.gateway.api(&format!("alarms/{id}"));
    assert_eq!(alarm["alarm"]["id"], id.as_str());
    assert_eq!(alarm["transitions"][0]["event"], "raise");
    let history = format!("points/d0/n/history?from={from}&to={}&step=1000", unix_ms());
    eventually(SOON, "the past of a point", || bench.gateway.api(&history)["items"][0]["mean"].as_f64().is_some());
    assert_eq!(bench.gateway.items("alarms?state=all").len(), 1);
    let status = bench.gateway.api("status");
    assert!(status["uptime_ms"].as_u64().unwrap() < 60_000, "{}", status["uptime_ms"]);
    assert!(bench.gateway.metric("gengfu_uptime_seconds", "") < 60.0);
    let link = status["links"].as_array().unwrap().iter().find(|link| link["name"] == "l0").unwrap().clone();
    assert_eq!(link["state"], "up");
    for path in ["/healthz", "/readyz", "/metrics", "/"] {
        assert_eq!(bench.gateway.get(path).status, 200, "{path}");
    }
    for path in ["/api/v1/alarms/0000000000000000", "/api/v1/points/no/such/history", "/api/v1/nothing"] {
        let answer = bench.gateway.get(path);
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{path}");
    }
    bench.gateway.term();
}

#[test]
fn the_description_lists_every_address() {
    let mut bench = bench();
    let described = bench.gateway.api("openapi.json");
    let mut expected = vec!["/healthz".to_owned(), "/readyz".to_owned(), "/metrics".to_owned()];
    let api = [
        "status",
        "points",
        "points/{device}/{point}/history",
        "devices",
        "alarms",
        "alarms/{id}",
        "alarms/{id}/acknowledge",
        "alarms/{id}/reset",
        "alarms/{id}/shelve",
        "alarms/{id}/unshelve",
        "alarms/{id}/out-of-service",
        "alarms/{id}/return-to-service",
        "alarms/{id}/note",
        "modes",
        "modes/{area}/begin",
        "modes/{area}/end",
        "events",
        "learned",
        "learned/forget",
        "performance",
        "warning",
        "warning/release",
        "early-warnings",
        "entries",
        "ledger",
        "ledger/dead",
        "ledger/redrive",
        "rules",
        "reload",
        "openapi.json",
    ];
    expected.extend(api.map(|path| format!("/api/v1/{path}")));
    let mut paths: Vec<String> = described["paths"].as_object().unwrap().keys().cloned().collect();
    paths.sort();
    expected.sort();
    assert_eq!(paths, expected);
    assert!(described["openapi"].as_str().unwrap().starts_with("3."));
    bench.gateway.term();
}

#[test]
fn status_on_the_command_line() {
    let mut bench = bench();
    bench.alarm();
    let status = |arguments: &[&str]| {
        let out = run(&[&["status"], arguments].concat(), bench.dir.path());
        assert_eq!(out.status.code(), Some(2), "{arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    };
    let url = format!("http://127.0.0.1:{}", bench.gateway.port);
    for text in [status(&["-c", "site.toml"]), status(&["--url", &url])] {
        for part in ["rig (rig)", "l0 ", "up", "1 alarm stands", "[critical]", "webhook/duty alarm: "] {
            assert!(text.contains(part), "{part} is missing:\n{text}");
        }
    }
    let json: Value = serde_json::from_str(&status(&["-c", "site.toml", "--json"])).unwrap();
    assert_eq!(json["alarms"]["items"][0]["rule"], "flip-d0");
    assert_eq!(json["status"]["site"]["id"], "rig");
    assert!(json["ledger"]["items"].as_array().unwrap().iter().any(|sink| sink["sink"] == "webhook/duty"));
    let site = std::fs::read_to_string(bench.dir.join("site.toml")).unwrap();
    bench.dir.write("other.toml", &site.replace("id = \"rig\"", "id = \"other\""));
    let out = run(&["status", "-c", "other.toml"], bench.dir.path());
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.code() == Some(1) && said.contains("the site `rig`, not of `other`"), "{said}");
    bench.gateway.term();
    let out = run(&["status", "-c", "site.toml"], bench.dir.path());
    assert_eq!(out.status.code(), Some(1), "nobody is there any more");
    assert!(String::from_utf8_lossy(&out.stderr).contains(&url));
}

#[test]
fn a_status_without_alarms_is_not_fine_while_a_link_or_a_watched_point_is_gone() {
    let dir = Folder::new("impaired");
    let site = Site::new("rig").modbus_at(&[free_port()], 200, 3).flips(0, 1);
    let mut gateway = Gateway::start(&site.text, dir.path());
    let impaired = || {
        let out = run(&["status", "-c", "site.toml"], dir.path());
        let said = String::from_utf8(out.stdout).unwrap();
        let all =
            ["not all is well: link l0 is down: ", "1 watched point has no value to believe: d0/r0", "0 alarms stand"];
        (out.status.code() == Some(2) && all.iter().all(|part| said.contains(part))).then_some(())
    };
    until(SOON, "it says what is not well", impaired);
    assert_eq!(gateway.get("/readyz").json()["impaired"].as_array().unwrap().len(), 2);
    gateway.term();
}

#[test]
fn a_simulation_does_not_speak_to_a_gateway_that_runs() {
    let mut bench = bench();
    let out = run(&["simulate", "site.toml"], bench.dir.path());
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.code() == Some(1) && said.contains("a gateway is running on "), "{said}");
    bench.gateway.term();
}

#[test]
fn acknowledge_wants_a_name_and_a_standing_alarm() {
    let mut bench = bench();
    let id = bench.alarm();
    let path = format!("/api/v1/alarms/{id}/acknowledge");
    for body in [json!({}), json!({ "by": "" }), json!({ "by": "  " }), json!({ "by": 7 }), json!(["by"])] {
        let answer = bench.gateway.post(&path, &body);
        assert!((400..500).contains(&answer.status), "{body} got {}", answer.status);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{body}");
    }
    let broken =
        http::request(bench.gateway.port, "POST", &path, &[("Content-Type", "application/json")], b"{\"by\"").unwrap();
    assert!((400..500).contains(&broken.status));
    bench.gateway.alarm("flip-d0", SOON, |a| a["state"] == "unacknowledged");
    let nothing = bench.gateway.post("/api/v1/alarms/0000000000000000/acknowledge", &json!({ "by": "x" }));
    assert_eq!(nothing.status, 404);
    assert_eq!(bench.gateway.post(&path, &json!({ "by": "duty" })).status, 200);
    // twice is told, not done
    assert_eq!(bench.gateway.post(&path, &json!({ "by": "duty" })).status, 409);
    // and a reset of what is not latched
    assert_eq!(bench.gateway.post(&format!("/api/v1/alarms/{id}/reset"), &json!({ "by": "duty" })).status, 409);
    bench.gateway.term();
}

#[test]
fn acknowledge_is_carried_out_audited_and_pushed() {
    let mut bench = bench();
    let id = bench.alarm();
    let answer = bench.gateway.post(&format!("/api/v1/alarms/{id}/acknowledge"), &json!({ "by": "值班员" }));
    assert_eq!(answer.status, 200, "{}", answer.text());
    bench.gateway.alarm("flip-d0", SOON, |a| a["state"] == "acknowledged");
    let push = bench.receiver.expect(SOON, "acknowledge", |p| p.word("event") == "acknowledge");
    assert_eq!(push.key, format!("{id}.2"));
    bench.gateway.restart();
    let alarm = bench.gateway.alarm("flip-d0", SOON, |_| true);
    assert_eq!((alarm["state"].as_str(), alarm["id"].as_str()), (Some("acknowledged"), Some(id.as_str())));
    let entries = bench.gateway.journal(gengfu_tests::counting::entries);
    let audited = |entry: &Entry| matches!(entry, Entry::Audit { by, action, target, .. } if by == "值班员" && action == "acknowledge" && *target == id);
    assert_eq!(entries.iter().filter(|entry| audited(entry)).count(), 1, "the audit names who: {entries:?}");
    bench.gateway.term();
}

#[test]
fn an_alarm_shows_its_present_and_keeps_what_raised_it_and_who_has_seen_it() {
    let mut bench = bench();
    let id = bench.alarm();
    let body = json!({ "by": "值班员", "note": "已派人" });
    assert_eq!(bench.gateway.post(&format!("/api/v1/alarms/{id}/acknowledge"), &body).status, 200);
    let push = bench.receiver.expect(SOON, "acknowledge", |p| p.word("event") == "acknowledge");
    assert_eq!(push.body["acknowledged"]["note"], "已派人");
    bench.plant.devices[0].set(950);
    let moved = |a: &Value| a["now"]["value"] == 950.0;
    for restarted in [false, true] {
        if restarted {
            bench.gateway.restart();
        }
        let alarm = bench.gateway.alarm("flip-d0", SOON, moved);
        assert_eq!((&alarm["raised"]["value"], &alarm["now"]["quality"]), (&json!(900.0), &json!("good")), "{alarm}");
        let seen = &alarm["acknowledged"];
        assert_eq!((&seen["by"], &seen["note"]), (&json!("值班员"), &json!("已派人")), "{alarm}");
        assert_eq!((&alarm["active"], &alarm["heading"]["zh"]), (&json!(true), &json!("d0/r0 报警：过高（上限 500）")));
    }
    bench.gateway.term();
}

#[test]
fn foreign_pages_get_nowhere() {
    let mut bench = bench();
    let id = bench.alarm();
    let json = ("Content-Type", "application/json");
    let own = format!("http://127.0.0.1:{}", bench.gateway.port);
    let refused: [&[(&str, &str)]; 6] = [
        &[],
        &[("Content-Type", "text/plain")],
        &[("Content-Type", "application/x-www-form-urlencoded")],
        &[json, ("Origin", "http://evil.example")],
        &[json, ("Host", "evil.example")],
        &[json, ("Origin", "null")],
    ];
    for headers in refused {
        let status = bench.acknowledge(&id, headers);
        assert!((400..500).contains(&status), "{headers:?} got {status}");
    }
    bench.gateway.alarm("flip-d0", SOON, |a| a["state"] == "unacknowledged");
    assert_eq!(
        http::request(bench.gateway.port, "GET", "/api/v1/points", &[("Host", "evil.example")], b"").unwrap().status
            / 100,
        4
    );
    assert_eq!(bench.acknowledge(&id, &[json, ("Origin", &own)]), 200);
    bench.gateway.term();
}

#[test]
fn events_stream_live_values_and_alarms() {
    let mut bench = bench();
    let mut stream = http::open(bench.gateway.port, "GET", "/api/v1/events", &[], b"").unwrap();
    let (status, headers) = http::read_answer_head(&mut stream).unwrap();
    assert_eq!(status, 200);
    assert!(headers.iter().any(|(n, v)| n.eq_ignore_ascii_case("content-type") && v.starts_with("text/event-stream")));
    bench.plant.devices[0].set(900);
    let raised = now();
    let mut seen = String::new();
    until(SOON, "the raise is on the stream", || {
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        seen += &line;
        (seen.contains("flip-d0") && seen.contains("raise") && seen.contains("\"d1\"")).then_some(())
    });
    say(&format!("the raise was on the stream {:?} after the change", raised.elapsed()));
    assert!(raised.elapsed() < Duration::from_secs(3));
    // an open stream does not hold up the stop
    bench.gateway.term();
}

#[test]
fn the_books_balance() {
    let mut bench = bench();
    bench.alarm();
    bench.gateway.quality("d0/n", SOON, "good", None);
    for balance in bench.gateway.items("ledger") {
        let number = |name: &str| balance[name].as_u64().unwrap_or_else(|| panic!("{name} in {balance}"));
        let sum = ["delivered", "pending", "dead", "thinned", "expired"].into_iter().map(number).sum::<u64>();
        assert_eq!(number("committed"), sum, "{balance}");
    }
    // read = committed + refused + in flight; in flight is what one commit window may hold
    eventually(SOON, "read is accounted for", || {
        let in_flight = bench.gateway.stage("read") - bench.gateway.stage("committed") - bench.gateway.stage("refused");
        (0.0..=1_000.0).contains(&in_flight)
    });
    bench.gateway.term();
}
