//! `gengfu alarms`: what stands, what is kept from being announced, and everything a person does to an alarm, by the running
//! gateway.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::ask::{self, Failure, Gateway, Running, part, word};
use super::columns::aligned;
use super::status::{age, first, present};

#[derive(Debug, Args)]
pub(super) struct Alarms {
    #[command(flatten)]
    running: Running,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
    /// List those of rules on trial (`shadow = true`), which call nobody, in place of the others.
    #[arg(long, global = true)]
    shadow: bool,
    #[command(subcommand)]
    act: Option<Act>,
}

/// Which alarm, and who says so.
#[derive(Debug, Args)]
struct Deed {
    /// Its id, or rule@device/point where it need not stand.
    #[arg(value_name = "ALARM")]
    alarm: String,
    /// Who does it; goes into the audit. The user's name by default.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List what stands. 列表
    List {
        /// standing, open (also what is put aside), all (what happened, newest first) or one state: shelved, suppressed,
        /// out-of-service, unacknowledged, …
        #[arg(long, default_value = "standing")]
        state: String,
    },
    /// Show one with all that happened to it, notes too. 详情
    Show {
        /// Its id, or rule@device/point.
        #[arg(value_name = "ALARM")]
        alarm: String,
    },
    /// Say that somebody has seen it. 确认
    #[command(visible_alias = "acknowledge")]
    Ack {
        #[command(flatten)]
        deed: Deed,
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    /// Release the latch of one that is over and seen. 复位
    Reset {
        #[command(flatten)]
        deed: Deed,
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    /// Put it aside for a while: it is watched and recorded, and not announced. 搁置
    Shelve {
        #[command(flatten)]
        deed: Deed,
        /// For how long: 30m, 8h.
        #[arg(long, value_name = "TIME")]
        r#for: String,
        /// Why; goes into the audit and onto the page.
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// End it also when the condition is over.
        #[arg(long)]
        one_shot: bool,
    },
    /// Take it off the shelf. 取消搁置
    Unshelve {
        #[command(flatten)]
        deed: Deed,
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    /// Take it out of service for a time. 停用
    OutOfService {
        #[command(flatten)]
        deed: Deed,
        /// For how long: 8h, 7d.
        #[arg(long, value_name = "TIME")]
        r#for: String,
        /// Why; goes into the audit and onto the page.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Bring it back into service. 恢复投用
    ReturnToService {
        #[command(flatten)]
        deed: Deed,
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    /// Write something into its record. 备注
    Note {
        #[command(flatten)]
        deed: Deed,
        #[arg(value_name = "TEXT")]
        text: String,
    },
}

pub(super) async fn run(Alarms { running, json, shadow, act }: Alarms) -> ExitCode {
    let gateway = match running.gateway().await {
        Ok(gateway) => gateway,
        Err(code) => return code,
    };
    match act.map_or_else(|| Asked::List("standing".to_owned()), asked) {
        Asked::List(state) => list(&gateway, &state, shadow, json).await.unwrap_or_else(Failure::told),
        Asked::One(alarm) => show(&gateway, &alarm, json).await.unwrap_or_else(Failure::told),
        Asked::Order(verb, deed, body) => order(&gateway, verb, deed, body, json).await.unwrap_or_else(|code| code),
    }
}

async fn list(gateway: &Gateway, state: &str, shadow: bool, json: bool) -> Result<ExitCode, Failure> {
    let items =
        gateway.items(&format!("alarms?state={}{}", part(state), if shadow { "&shadow=true" } else { "" })).await?;
    if json {
        sayln!("{}", json!({ "items": items, "next": null }));
    } else if state == "all" {
        say!("{}", aligned(0, &steps(&items)));
    } else {
        // By the gateway's own clock: the one here may be another's.
        let now = gateway.get("status").await?.pointer("/clock/now").and_then(Value::as_i64).unwrap_or_default();
        say!("{}", table(&items, now));
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(gateway: &Gateway, alarm: &str, json: bool) -> Result<ExitCode, Failure> {
    let one = gateway.get(&format!("alarms/{}", part(alarm))).await?;
    if json {
        sayln!("{one}");
    } else {
        let now = gateway.get("status").await?.pointer("/clock/now").and_then(Value::as_i64).unwrap_or_default();
        say!("{}", whole(&one, now));
    }
    Ok(ExitCode::SUCCESS)
}

/// What the gateway is asked.
enum Asked {
    /// Alarms in this state.
    List(String),
    /// One, by its id or its rule and point.
    One(String),
    /// The word of the API for an act, its deed, and what goes with it.
    Order(&'static str, Deed, Value),
}

fn asked(act: Act) -> Asked {
    let noted = |note: Option<String>| note.map_or_else(|| json!({}), |note| json!({ "note": note }));
    let (verb, deed, body) = match act {
        Act::List { state } => return Asked::List(state),
        Act::Show { alarm } => return Asked::One(alarm),
        Act::Ack { deed, note } => ("acknowledge", deed, noted(note)),
        Act::Reset { deed, note } => ("reset", deed, noted(note)),
        Act::Shelve { deed, r#for, reason, one_shot } => {
            ("shelve", deed, json!({ "for": r#for, "reason": reason, "one_shot": one_shot }))
        }
        Act::Unshelve { deed, note } => ("unshelve", deed, noted(note)),
        Act::OutOfService { deed, r#for, reason } => {
            ("out-of-service", deed, json!({ "for": r#for, "reason": reason }))
        }
        Act::ReturnToService { deed, note } => ("return-to-service", deed, noted(note)),
        Act::Note { deed, text } => ("note", deed, json!({ "note": text })),
    };
    Asked::Order(verb, deed, body)
}

async fn order(gateway: &Gateway, verb: &str, deed: Deed, mut body: Value, json: bool) -> Result<ExitCode, ExitCode> {
    if let Some(fields) = body.as_object_mut() {
        fields.insert("by".to_owned(), ask::by(deed.by)?.into());
    }
    let path = format!("alarms/{}/{verb}", part(&deed.alarm));
    let done = gateway.post(&path, &body).await.map_err(Failure::told)?;
    match done.pointer("/message/en").and_then(Value::as_str) {
        _ if json => sayln!("{done}"),
        Some(message) => sayln!("{} {}: {message}", word(&done, "id"), word(&done, "state")),
        // Carried out, and not on disk yet.
        None => sayln!("{}: {}", deed.alarm, word(&done, "detail")),
    }
    Ok(ExitCode::SUCCESS)
}

/// What stands, an alarm a line; under it who put it aside, why and until when.
fn table(items: &[Value], now: i64) -> String {
    if items.is_empty() {
        return "none\n".to_owned();
    }
    let mut rows = vec![["alarm", "priority", "state", "since", "now", "what"].map(str::to_owned).to_vec()];
    for alarm in items {
        let since = alarm.get("since").and_then(Value::as_i64).map_or("?".to_owned(), |since| age(now - since));
        let now_is = present(alarm).unwrap_or_default();
        let said = ["id", "priority", "state"].map(|key| word(alarm, key));
        rows.push([said.to_vec(), vec![since, now_is, what(alarm)]].concat());
        for line in persons(alarm, now) {
            rows.push(["", "", "", "", "", line.as_str()].map(str::to_owned).to_vec());
        }
    }
    aligned(0, &rows)
}

/// What it is, as it stands now; of one that is over and gone, what its last step said.
fn what(alarm: &Value) -> String {
    let text = ["/heading/en", "/message/en"].into_iter().find_map(|pointer| alarm.pointer(pointer)?.as_str());
    format!("{}{}", first(alarm), text.unwrap_or("?"))
}

/// Who put it aside, why and until when, and the last note.
fn persons(alarm: &Value, now: i64) -> Vec<String> {
    let object = |key: &str| alarm.get(key).filter(|value| value.is_object());
    let veil = |(key, verb): (&str, &str)| {
        let veil = object(key)?;
        let left = veil.get("until").and_then(Value::as_i64).map_or("?".to_owned(), |until| age(until - now));
        let once = if veil.get("one_shot") == Some(&Value::Bool(true)) { " or until it is over" } else { "" };
        Some(format!("{verb} by {} for another {left}{once}: {}", word(veil, "by"), word(veil, "reason")))
    };
    let veils = [("shelved", "shelved"), ("out_of_service", "out of service")].into_iter().filter_map(veil);
    let note = object("noted").map(|noted| format!("note by {}: {}", word(noted, "by"), word(noted, "note")));
    veils.chain(note).collect()
}

/// One alarm: how it is, what to do, and every step with what was written.
fn whole(one: &Value, now: i64) -> String {
    let nothing = Value::Null;
    let alarm = one.get("alarm").unwrap_or(&nothing);
    // Of one that is gone the last step tells when.
    let (verb, key) = if word(alarm, "state") == "normal" { ("closed", "detected") } else { ("since", "since") };
    let since = alarm.get(key).and_then(Value::as_i64).map_or("?".to_owned(), |since| age(now - since));
    let on = format!("{}@{}/{}", word(alarm, "rule"), word(alarm, "device"), word(alarm, "point"));
    let mut rows = vec![
        vec!["alarm".to_owned(), format!("{}  {on}", word(alarm, "id"))],
        vec!["what".to_owned(), what(alarm)],
        vec!["state".to_owned(), format!("{}, {}, {verb} {since} ago", word(alarm, "priority"), word(alarm, "state"))],
    ];
    rows.extend(present(alarm).map(|now| vec!["now".to_owned(), now]));
    if let Some(seen) = alarm.get("acknowledged").filter(|seen| seen.is_object()) {
        let note = seen.get("note").and_then(Value::as_str).map(|note| format!(": {note}")).unwrap_or_default();
        rows.push(vec!["seen".to_owned(), format!("by {}{note}", word(seen, "by"))]);
    }
    rows.extend(persons(alarm, now).into_iter().map(|line| vec![String::new(), line]));
    for (key, title) in [("advice", "do"), ("basis", "basis")] {
        rows.extend(alarm.get(key).and_then(Value::as_str).map(|text| vec![title.to_owned(), text.to_owned()]));
    }
    let steps = steps(one.get("transitions").and_then(Value::as_array).map_or(&[][..], Vec::as_slice));
    let cut = match one.get("complete").and_then(Value::as_bool) {
        Some(false) => "older steps lie further back: /api/v1/alarms?state=all\n",
        Some(true) | None => "",
    };
    format!("{}\n{}{cut}", aligned(0, &rows), aligned(0, &steps))
}

/// What happened, a step a line.
fn steps(items: &[Value]) -> Vec<Vec<String>> {
    let at = |item: &Value| {
        let ms = item.get("detected").and_then(Value::as_i64)?;
        jiff::Timestamp::from_millisecond(ms).ok().map(|at| format!("{at:.0}"))
    };
    let row = |item: &Value| {
        let said = item.pointer("/message/en").and_then(Value::as_str).unwrap_or("?");
        let note = item.get("note").and_then(Value::as_str).map(|note| format!(": {note}")).unwrap_or_default();
        let said = format!("{said}{note}");
        vec![at(item).unwrap_or_default(), word(item, "id"), word(item, "event"), word(item, "state"), said]
    };
    let head = ["at", "alarm", "event", "state", "what"].map(str::to_owned).to_vec();
    std::iter::once(head).chain(items.iter().map(row)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_says_who_put_an_alarm_aside_and_lines_up_under_chinese() {
        let alarm = |id: &str, heading: &str, shelved: Value| {
            json!({
                "id": id, "priority": "high", "state": "shelved", "since": 1_000, "unit": "MPa", "shelved": shelved,
                "heading": { "zh": "", "en": heading },
                "now": { "value": 0.2, "reason": null, "word": { "zh": "慢", "en": "慢 slow" }, "at": 0 },
            })
        };
        let shelved = json!({ "by": "张三", "at": 0, "until": 1_801_000, "one_shot": false, "reason": "换泵" });
        let text = table(&[alarm("a1", "压力 low", shelved), alarm("a2", "pressure low", Value::Null)], 61_000);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "a1     high      shelved  60 s   慢 slow  压力 low");
        assert_eq!(lines[2].trim(), "shelved by 张三 for another 29 min: 换泵");
        assert_eq!(lines[3], "a2     high      shelved  60 s   慢 slow  pressure low");
        assert_eq!(table(&[], 0), "none\n");
    }

    #[test]
    fn a_shelf_of_one_shot_the_first_of_its_group_and_a_note_are_said() {
        let alarm = json!({
            "id": "a1", "priority": "high", "state": "shelved", "since": 0, "first": true, "heading": { "en": "low" },
            "shelved": { "by": "张三", "until": 1_800_000, "one_shot": true, "reason": "换泵" },
            "noted": { "by": "李四", "at": 0, "note": "等备件" },
        });
        let text = table(std::slice::from_ref(&alarm), 0);
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        assert!(lines[1].ends_with("FIRST low"), "{text}");
        let aside = ["shelved by 张三 for another 30 min or until it is over: 换泵", "note by 李四: 等备件"];
        assert_eq!(lines[2..], aside);
        let step = json!({ "detected": 0, "id": "a1", "event": "note", "state": "shelved", "message": { "en": "low" }, "note": "等备件" });
        let one = whole(&json!({ "alarm": alarm, "transitions": [step] }), 60_000);
        for part in
            ["state  high, shelved, since 60 s ago\n", "note by 李四: 等备件\n", "note   shelved  low: 等备件\n"]
        {
            assert!(one.contains(part), "{part} is missing:\n{one}");
        }
        let gone = json!({ "priority": "high", "state": "normal", "since": 0, "detected": 50_000 });
        assert!(whole(&json!({ "alarm": gone }), 60_000).contains("state  high, normal, closed 10 s ago"));
    }
}
