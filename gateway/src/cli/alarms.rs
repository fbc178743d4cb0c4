//! `gengfu alarms`: what stands, what is kept from being announced, and everything a person does to an alarm, by the running
//! gateway.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::ask::{self, Failure, Gateway, Running, part, word};
use super::columns::aligned;
use super::status::{age, present};

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
        Asked::Order(verb, deed, body) => order(&gateway, verb, deed, body, json).await.unwrap_or_else(|code| code),
    }
}

async fn list(gateway: &Gateway, state: &str, shadow: bool, json: bool) -> Result<ExitCode, Failure> {
    let items =
        gateway.items(&format!("alarms?state={}{}", part(state), if shadow { "&shadow=true" } else { "" })).await?;
    if json {
        println!("{}", json!({ "items": items, "next": null }));
    } else if state == "all" {
        print!("{}", aligned(0, &steps(&items)));
    } else {
        // By the gateway's own clock: the one here may be another's.
        let now = gateway.get("status").await?.pointer("/clock/now").and_then(Value::as_i64).unwrap_or_default();
        print!("{}", table(&items, now));
    }
    Ok(ExitCode::SUCCESS)
}

/// What the gateway is asked.
enum Asked {
    /// Alarms in this state.
    List(String),
    /// The word of the API for an act, its deed, and what goes with it.
    Order(&'static str, Deed, Value),
}

fn asked(act: Act) -> Asked {
    let noted = |note: Option<String>| note.map_or_else(|| json!({}), |note| json!({ "note": note }));
    let (verb, deed, body) = match act {
        Act::List { state } => return Asked::List(state),
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
        _ if json => println!("{done}"),
        Some(message) => println!("{} {}: {message}", word(&done, "id"), word(&done, "state")),
        // Carried out, and not on disk yet.
        None => println!("{}: {}", deed.alarm, word(&done, "detail")),
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
        let what = alarm.pointer("/heading/en").and_then(Value::as_str).unwrap_or("?").to_owned();
        let now_is = present(alarm).unwrap_or_default();
        rows.push(vec![word(alarm, "id"), word(alarm, "priority"), word(alarm, "state"), since, now_is, what]);
        for (key, verb) in [("shelved", "shelved"), ("out_of_service", "out of service")] {
            if let Some(veil) = alarm.get(key).filter(|veil| veil.is_object()) {
                let left = veil.get("until").and_then(Value::as_i64).map_or("?".to_owned(), |until| age(until - now));
                let line = format!("{verb} by {} for another {left}: {}", word(veil, "by"), word(veil, "reason"));
                rows.push(["", "", "", "", "", line.as_str()].map(str::to_owned).to_vec());
            }
        }
    }
    aligned(0, &rows)
}

/// What happened, a step a line.
fn steps(items: &[Value]) -> Vec<Vec<String>> {
    let at = |item: &Value| {
        let ms = item.get("detected").and_then(Value::as_i64)?;
        jiff::Timestamp::from_millisecond(ms).ok().map(|at| format!("{at:.0}"))
    };
    let row = |item: &Value| {
        let said = item.pointer("/message/en").and_then(Value::as_str).unwrap_or("?").to_owned();
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
}
