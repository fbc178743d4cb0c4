//! What people do to alarms and areas: who, what, and every way it can end.

use super::*;
use crate::journal::Entry;

const ACK: &str = "/api/v1/alarms/00000000000000a1/acknowledge";

#[tokio::test]
async fn an_acknowledgement_carries_its_name_to_the_engine() {
    let console = Console::start().await;
    console.set(|engine| engine.command = Some(Ok(made_up::alarm(1))));
    let (status, body) = console.post(ACK, r#"{"by": " 值班员甲 "}"#).await;
    assert_eq!((status, body["id"].as_str()), (200, Some("00000000000000a1")));
    let (status, _) = console.post("/api/v1/alarms/00000000000000a5/reset", r#"{"by": "值班员乙"}"#).await;
    assert_eq!(status, 200);
    let asked = console.engine.lock().unwrap().asked.clone();
    let expected = [("acknowledge", "00000000000000a1", "值班员甲"), ("reset", "00000000000000a5", "值班员乙")];
    assert_eq!(asked, expected.map(|(what, id, by)| (what.to_owned(), id.to_owned(), by.to_owned())));
    assert!(console.journal.recorded.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_a_person_wrote_goes_with_the_command_and_is_audited_by_the_engine() {
    let console = Console::start().await;
    console.set(|engine| engine.command = Some(Ok(made_up::alarm(1))));
    assert_eq!(console.post(ACK, r#"{"by": "值班员甲", "note": " 阀门已派人检查 "}"#).await.0, 200);
    assert_eq!(console.engine.lock().unwrap().note.as_deref(), Some("阀门已派人检查"));
    assert!(console.journal.recorded.lock().unwrap().is_empty(), "one entry of one deed");
}

#[tokio::test]
async fn every_command_reaches_the_engine_with_its_time_and_its_reason() {
    use gengfu_core::engine::Command as C;
    const HOUR: u64 = 3_600_000;
    let console = Console::start().await;
    console.set(|engine| engine.command = Some(Ok(made_up::alarm(1))));
    let (shelf, out) =
        (r#"{"by": "甲", "for": "30m", "reason": "换泵"}"#, r#"{"by": "甲", "for": "2d", "reason": "换泵"}"#);
    let once = r#"{"by": "甲", "for": "8h", "one_shot": true, "reason": "换泵"}"#;
    for (act, body, command, note) in [
        ("shelve", shelf, C::Shelve { for_ms: HOUR / 2, one_shot: false }, Some("换泵")),
        ("shelve", once, C::Shelve { for_ms: 8 * HOUR, one_shot: true }, Some("换泵")),
        ("unshelve", r#"{"by": "甲"}"#, C::Unshelve, None),
        ("out-of-service", out, C::OutOfService { for_ms: 48 * HOUR }, Some("换泵")),
        ("return-to-service", r#"{"by": "甲"}"#, C::ReturnToService, None),
        ("note", r#"{"by": "甲", "note": "已派人"}"#, C::Note, Some("已派人")),
        ("reset", r#"{"by": "甲", "note": "已派人"}"#, C::Reset, Some("已派人")),
    ] {
        // One that is normal is named by its rule and point, which hold a slash.
        let (status, answer) =
            console.post(&format!("/api/v1/alarms/hydrant-low@hydrant-main%2Fpressure/{act}"), body).await;
        assert_eq!(status, 200, "{act}: {answer}");
        let engine = console.engine.lock().unwrap();
        let asked = (act.to_owned(), "hydrant-low@hydrant-main/pressure".to_owned(), "甲".to_owned());
        assert_eq!(engine.asked.last(), Some(&asked));
        assert_eq!((engine.command_asked, engine.note.as_deref()), (Some(command), note), "{act}");
    }
}

#[tokio::test]
async fn a_shelf_without_an_end_or_a_reason_is_refused_with_the_mend() {
    let console = Console::start().await;
    console.set(|engine| engine.command = Some(Ok(made_up::alarm(1))));
    for (act, body, mend) in [
        ("shelve", r#"{"by": "x", "for": "30m"}"#, "reason is missing"),
        ("shelve", r#"{"by": "x", "for": "30m", "reason": "  "}"#, "reason is missing"),
        ("shelve", r#"{"by": "x", "reason": "r"}"#, "for is missing"),
        ("shelve", r#"{"by": "x", "for": "soon", "reason": "r"}"#, "as 30m or 8h"),
        ("shelve", r#"{"by": "x", "for": 30, "reason": "r"}"#, "openapi.json"),
        ("out-of-service", r#"{"by": "x", "for": "1d"}"#, "reason is missing"),
        ("out-of-service", r#"{"by": "x", "for": "1d", "reason": "r", "one_shot": true}"#, "one_shot"),
        ("shelve", r#"{"by": "x", "for": "99999d", "reason": "r"}"#, "too long"),
        ("shelve", r#"{"for": "30m", "reason": "r"}"#, "the body can't be read: missing field `by`"),
        ("note", "{", "the body can't be read: EOF"),
        ("note", r#"{"by": "x"}"#, "note is missing"),
    ] {
        let (status, problem) = console.post(&format!("/api/v1/alarms/00000000000000a1/{act}"), body).await;
        assert!(status == 400 && problem["detail"].as_str().unwrap().contains(mend), "{act} {body}: {problem}");
        // Who can be named is in the audit with it; who can't, was nobody.
        let recorded = console.journal.recorded.lock().unwrap().pop();
        let named = !problem["detail"].as_str().unwrap().starts_with("the body can't be read");
        assert_eq!(recorded.is_some(), named, "{act} {body}");
        assert!(recorded.is_none_or(|entry| matches!(entry, Entry::Audit { by, action, target, detail, .. }
            if by == "x" && action == format!("{act}-refused") && target == "00000000000000a1" && detail.contains(mend))));
    }
    assert!(console.engine.lock().unwrap().asked.is_empty());
}

#[tokio::test]
async fn another_method_is_called_so_with_and_without_a_body() {
    let console = Console::start().await;
    for method in [Method::DELETE, Method::PUT] {
        let answer = soon(console.request(method.clone(), ACK).send()).await.unwrap();
        assert_eq!(answer.status(), 405, "{method}");
        let problem: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert!(problem["detail"].as_str().unwrap().contains(method.as_str()), "{problem}");
    }
}

#[tokio::test]
async fn a_mode_is_begun_and_ended_by_the_name_of_its_area() {
    use crate::driver::ModeOrder;
    use gengfu_core::alarm::ModeName;
    let console = Console::start().await;
    let begin = r#"{"by": "甲", "mode": "walk-test", "for": "2h", "reason": "年检"}"#;
    let (status, begun) = console.post("/api/v1/modes/%E6%B3%B5%E6%88%BF%20%2F%20pumps/begin", begin).await;
    assert_eq!((status, begun["change"].as_str(), begun["area"].as_str()), (200, Some("begun"), Some("泵房 / pumps")));
    assert_eq!(console.post("/api/v1/modes/-/end", r#"{"by": "甲"}"#).await.0, 200);
    let order = |area: &str, begin, reason: &str| ModeOrder {
        area: area.to_owned(),
        begin,
        by: "甲".to_owned(),
        reason: reason.to_owned(),
    };
    let expected = [order("泵房 / pumps", Some((ModeName::WalkTest, 7_200_000)), "年检"), order("", None, "")];
    assert_eq!(console.engine.lock().unwrap().modes, expected);
    for (body, mend) in [
        (r#"{"by": "x", "mode": "party", "for": "2h", "reason": "r"}"#, "walk-test, drill, maintenance"),
        (r#"{"by": "x", "mode": "drill", "reason": "r"}"#, "for is missing"),
        (r#"{"by": "x", "mode": "drill", "for": "2h"}"#, "reason is missing"),
    ] {
        let (status, problem) = console.post("/api/v1/modes/B1/begin", body).await;
        assert!(status == 400 && problem["detail"].as_str().unwrap().contains(mend), "{body}: {problem}");
    }
}

#[tokio::test]
async fn what_was_learned_is_shown_and_forgotten_by_a_name_with_a_reason() {
    const FORGET: &str = "/api/v1/learned/forget";
    let console = Console::start().await;
    console.set(|engine| engine.held = made_up::held());
    let shown = console.json("/api/v1/learned").await;
    let [drift, rhythm, habit, load, share, group] = shown["items"].as_array().unwrap().as_slice() else {
        panic!("{shown}")
    };
    assert_eq!(
        (drift["kind"].as_str(), drift["usual"].as_f64(), drift["stands"].as_bool()),
        (Some("drift"), Some(14.8), Some(true))
    );
    assert_eq!(
        (drift["restarts"].as_u64(), drift["wary"].as_bool(), drift["unit"].as_str()),
        (Some(2), Some(true), Some("A"))
    );
    assert_eq!((rhythm["kind"].as_str(), rhythm["interval_ms"].as_f64()), (Some("rhythm"), Some(16_320_000.0)));
    assert_eq!((habit["level"].is_null(), habit["known"].as_u64()), (true, Some(41)));
    assert_eq!((load["expected"].as_f64(), load["usual"].as_f64()), (Some(61.5), Some(0.1)));
    assert_eq!((share["share"].as_f64(), share["usual"].as_f64()), (Some(0.03), Some(0.025)));
    assert_eq!(
        (group["points"][0]["usual"].as_f64(), group["points"][1]["doubt"].as_str()),
        (Some(14.5), Some("unlearned"))
    );
    let page = console.json("/api/v1/learned?limit=1&cursor=0").await;
    assert_eq!((page["items"][0]["rule"].as_str(), page["next"].as_str()), (Some("jockey"), Some("1")));
    let body = r#"{"rule": "lift-drift", "point": "lift-2/current", "by": " 甲 ", "reason": "换了传感器"}"#;
    let (status, answer) = console.post(FORGET, body).await;
    assert_eq!((status, answer["believed"]["usual"].as_f64(), answer["by"].as_str()), (200, Some(14.8), Some("甲")));
    let asked = console.engine.lock().unwrap().forgotten.pop().unwrap();
    assert_eq!((asked.rule.as_str(), asked.by.as_str(), asked.reason.as_str()), ("lift-drift", "甲", "换了传感器"));
    for (body, mend) in [
        (r#"{"rule": "lift-drift", "point": "lift-2/current", "by": "x"}"#, "reason is missing"),
        (r#"{"rule": "lift-drift", "point": "lift-2/current", "by": "", "reason": "r"}"#, "by must be"),
        (r#"{"rule": "lift-drift", "by": "x", "reason": "r"}"#, "openapi.json"),
        (r#"{"rule": "nobody", "point": "lift-2/current", "by": "x", "reason": "r"}"#, "no rule looks at that"),
    ] {
        let (status, problem) = console.post(FORGET, body).await;
        assert!(status == 400 && problem["detail"].as_str().unwrap().contains(mend), "{body}: {problem}");
    }
}

#[tokio::test]
async fn an_alarm_that_is_closed_says_when_and_by_whom() {
    let console = Console::start().await;
    let (status, unknown) = console.post(ACK, r#"{"by": "甲"}"#).await;
    assert!(status == 404 && unknown["detail"].as_str().unwrap().contains("none is among the last"), "{unknown}");
    let closed = made_up::alarm(1);
    let closed = AlarmEvent {
        state: "normal".to_owned(),
        event: "reset".to_owned(),
        by: Some("李四".to_owned()),
        detected: 1_790_000_000_000,
        ..closed
    };
    *console.journal.newest.lock().unwrap() = Some(closed.clone());
    for target in ["00000000000000a1", "hydrant-low@hydrant-main%2Fpressure"] {
        let (status, told) =
            console.post(&format!("/api/v1/alarms/{target}/note"), r#"{"by": "甲", "note": "n"}"#).await;
        let detail = told["detail"].as_str().unwrap();
        let known = detail.contains("closed since 2026-09-2") && detail.contains("(reset, by 李四)");
        assert!(status == 409 && known, "{told}");
    }
    let itself = AlarmEvent { event: "return".to_owned(), by: None, ..closed };
    *console.journal.newest.lock().unwrap() = Some(itself);
    let (_, told) = console.post(ACK, r#"{"by": "甲"}"#).await;
    assert!(told["detail"].as_str().unwrap().contains("(return, its condition was over)"), "{told}");
}

#[tokio::test]
async fn every_refusal_has_its_status_and_says_why() {
    let console = Console::start().await;
    let ends = [
        (CommandError::NoSuchAlarm, 404, "none is among the last"),
        (CommandError::NotNow("it is acknowledged already; nothing to do".to_owned()), 409, "already"),
        (CommandError::NotDurable, 202, "not on disk yet"),
        (CommandError::Stopped, 503, "engine"),
    ];
    for (error, expected, word) in ends {
        console.set(|engine| engine.command = Some(Err(error.clone())));
        let (status, body) = console.post(ACK, r#"{"by": "x"}"#).await;
        assert_eq!(status, expected, "{error:?}");
        assert!(body["detail"].as_str().unwrap().contains(word), "{body}");
    }
}

#[tokio::test]
async fn a_command_without_a_proper_body_reaches_nobody() {
    let console = Console::start().await;
    console.set(|engine| engine.command = Some(Ok(made_up::alarm(1))));
    let long = format!(r#"{{"by": "{}"}}"#, "x".repeat(65));
    for body in
        ["", "{}", "[]", r#"{"by": ""}"#, r#"{"by": "  "}"#, r#"{"by": 5}"#, r#"{"by": "x", "force": true}"#, &long]
    {
        let (status, problem) = console.post(ACK, body).await;
        assert_eq!(status, 400, "{body}: {problem}");
    }
    assert!(console.engine.lock().unwrap().asked.is_empty());
}

#[tokio::test]
async fn a_reload_says_what_has_changed_or_every_mistake_and_carries_a_name() {
    use crate::config::Complaint;
    use crate::reload::{Done, Refusal, Who};

    let mut console = Console::start().await;
    let (_, never) = mpsc::channel(1);
    let mut asks = std::mem::replace(&mut console.reload_asks, never);
    let served = tokio::spawn(async move {
        let mistake = |line| Complaint {
            file: "s.toml".to_owned(),
            line,
            column: 1,
            what: "wrong".to_owned(),
            mend: "mend it".to_owned(),
        };
        let done = Done {
            file: "s.toml".to_owned(),
            changes: vec!["rule changed: r".to_owned()],
            warnings: Vec::new(),
            closed: 1,
            durable: true,
        };
        let answers =
            [Ok(done), Err(Refusal::Wrong(vec![mistake(3), mistake(9)])), Err(Refusal::Failed("no".to_owned()))];
        let mut asked = Vec::new();
        for answer in answers {
            let ask = asks.recv().await.unwrap();
            asked.push(ask.who);
            let _ = ask.reply.send(answer);
        }
        asked
    });
    let post = async |body: &str| console.post("/api/v1/reload", body).await;
    assert_eq!(post("{}").await.0, 400, "it has no name");
    let (status, done) = post(r#"{"by": "值班员甲", "note": "新限值"}"#).await;
    assert_eq!((status, &done["changes"][0], &done["alarms_closed"]), (200, &"rule changed: r".into(), &1.into()));
    let (status, problem) = post(r#"{"by": "x"}"#).await;
    let lines: Vec<_> = problem["complaints"].as_array().unwrap().iter().map(|c| c["line"].as_u64().unwrap()).collect();
    assert_eq!((status, lines), (422, vec![3, 9]));
    assert_eq!(post(r#"{"by": "x"}"#).await.0, 503);
    let asked = soon(served).await.unwrap();
    assert_eq!(asked[0], Who::Person("值班员甲: 新限值".to_owned()));
}

#[tokio::test]
async fn a_redrive_is_audited_and_refused_where_it_makes_no_sense() {
    const REDRIVE: &str = "/api/v1/ledger/redrive";
    let console = Console::start().await;
    let listed = console.json("/api/v1/ledger/dead").await;
    assert_eq!((listed["items"][0]["count"].as_u64(), listed["next"].is_null()), (Some(7), true));
    let first = serde_json::json!({ "device": "hydrant-main", "point": "pressure", "at": 1_790_000_000_000_i64 });
    assert_eq!(listed["items"][0]["first"], first, "what the first number stands for");
    let (status, body) = console.post(REDRIVE, r#"{"by": "值班员甲", "sink": "influxdb/central", "from": 5}"#).await;
    assert_eq!((status, body["items"][0]["owed"].as_u64()), (200, Some(5)));
    let recorded = console.journal.recorded.lock().unwrap().pop();
    assert!(matches!(recorded, Some(Entry::Audit { by, action, target, detail, .. })
        if by == "值班员甲" && action == "redrive" && target == "influxdb/central" && detail.contains("5 owed again")));
    for (body, expected) in [
        (r#"{"by": "x", "sink": "influxdb/none"}"#, 404),
        (r#"{"by": "x", "sink": "webhook/duty-room"}"#, 409),
        (r#"{"by": "", "sink": "influxdb/central"}"#, 400),
        (r#"{"by": "x", "sink": "influxdb/central", "from": 9, "to": 3}"#, 400),
        (r#"{"by": "x", "sink": "influxdb/central", "lane": "both"}"#, 400),
    ] {
        assert_eq!(console.post(REDRIVE, body).await.0, expected, "{body}");
    }
    *console.journal.durable.lock().unwrap() = false;
    assert_eq!(console.post(REDRIVE, r#"{"by": "x", "sink": "influxdb/central"}"#).await.0, 202);
    console.journal.recorded.lock().unwrap().clear();
    assert_eq!(console.post(REDRIVE, r#"{"by": "x", "sink": "influxdb/sick-disk"}"#).await.0, 202);
    let recorded = console.journal.recorded.lock().unwrap().pop();
    assert!(
        matches!(&recorded, Some(Entry::Audit { detail, .. }) if detail == "owed again, not recorded yet"),
        "{recorded:?}"
    );
}
