//! What `check` prints, and how it ends.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::check::{Report, check, report};
use crate::config;

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/sites").join(name)
}

fn on(text: &str, json: bool) -> Report {
    report(config::parse(text, Path::new("/site/s.toml")), Vec::new(), json)
}

const SMALL: &str = r#"
site = { id = "s", name = "泵房" }
[[modbus]]
name = "line"
connect = "tcp://[::1]:1502"
[[modbus.device]]
name = "pump"
unit = 7
every = "20ms"
area = "B1"
point = [
  { name = "a", register = "holding:9", type = "f32", unit = "bar" },
  { name = "b", register = "holding:0", type = "u16" },
  { name = "c", register = "holding:11", type = "bit:3" },
]
[[mqtt]]
name = "lora"
connect = "mqtt://broker"
subscribe = [
  { topic = "t/+", device = "{1}", expect = ["g"], point = [{ name = "x", value = "" }] },
  { topic = "hall/smoke", device = "smoke", label = "大厅烟感 / hall smoke", point = [{ name = "s", value = "", life_safety = true }] },
]
[[rule]]
id = "r"
point = "pump/a"
high = [{ limit = 5, clear = 4.5, for = "90s" }, { limit = 8, priority = "high", latch = true, clear_for = "2m" }]
basis = "clause"
[[rule]]
id = "w"
points = "*-late/x"
state = { not = 2 }
[[notify.webhook]]
name = "duty"
url = "http://h/p"
priorities = ["high", "critical"]
heartbeat = "60s"
secret_file = "k"
"#;

const SMALL_PRINTED: &str = "\
Site     s  泵房
         Asia/Shanghai
Journal  /site/data, for 90d or 4 GiB
Console  http://127.0.0.1:8420

Modbus
  line  tcp://[::1]:1502  2 requests a cycle of about 10 ms, load 50 %, timeout 500ms
    pump  unit 7  every 20ms  device  B1
      read  holding  0     b
      read  holding  9-11  a c

MQTT
  lora  mqtt://broker:1883  as gengfu-s-lora
    t/+         QoS 1  device  {1}, 1 expected, at most 500  x
    hall/smoke  QoS 1  device  smoke, expected               s

Rules
  r  (clause)
    medium  ≥ 5 bar for 90s, clears at 4.5
    high    ≥ 8 bar, clears after 2m, latched
    on pump/a
  w
    medium  is not 2
    on {1}/x

Sinks
  webhook  duty  http://h:80/p  critical, high; heartbeat every 1m; signed

Without a rule
  pump/b pump/c g/x: kept and shown, no alarm comes of them

The file is good: 1 Modbus device, 2 subscriptions, 2 rules, 1 sink, 0 warnings.
";

#[test]
fn a_good_file_is_told_in_full() {
    let Report { stdout, stderr, code } = on(SMALL, false);
    assert_eq!((stderr.as_str(), code), ("", 0));
    assert_eq!(stdout, SMALL_PRINTED, "printed:\n{stdout}");
}

#[test]
fn the_plan_is_there_for_programs() {
    let Report { stdout, code, .. } = on(SMALL, true);
    let value: Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!((code, &value["ok"]), (0, &Value::Bool(true)));
    let plan = &value["plan"];
    assert_eq!(plan["modbus"][0]["load_percent"], 50.0);
    assert_eq!(plan["modbus"][0]["devices"][0]["reads"][1]["start"], 9);
    assert_eq!(plan["modbus"][0]["devices"][0]["reads"][1]["points"], serde_json::json!(["a", "c"]));
    assert_eq!(plan["rules"][0]["levels"][1]["latch"], true);
    assert_eq!(plan["unwatched"], serde_json::json!(["pump/b", "pump/c", "g/x"]));
    assert_eq!(plan["mqtt"][0]["subscriptions"][1]["expect"], serde_json::json!(["smoke"]));
    assert_eq!(plan["warnings"].as_array().map(Vec::len), Some(0));
}

#[test]
fn a_bad_file_goes_to_stderr_and_ends_with_2() {
    let Report { stdout, stderr, code } = on("[site]\nid = 3\ncolour = 1\n", false);
    assert_eq!((stdout.as_str(), code), ("", 2));
    assert_eq!(stderr.lines().count(), 2, "{stderr}");
    assert!(stderr.starts_with("/site/s.toml:2:6: `id` must be text, not 3; "), "{stderr}");
}

#[test]
fn a_bad_file_for_programs() {
    let Report { stdout, stderr, code } = on("[site]\nid = 3\n", true);
    assert_eq!((stderr.lines().count(), code), (1, 2));
    let value: Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!((&value["ok"], &value["complaints"][0]["line"]), (&Value::Bool(false), &Value::from(2)));
}

#[test]
fn the_samples_are_good_and_every_rule_is_on_something() {
    for name in ["mall.toml", "old-venue.toml"] {
        let Report { stdout, stderr, code } = check(&sample(name), false);
        assert_eq!((stderr.as_str(), code), ("", 0), "{name}");
        let (_, warnings) = stdout.split_once("\nWarnings\n").unwrap_or_default();
        let other = warnings.lines().take_while(|line| !line.is_empty()).find(|line| !line.contains("_file "));
        assert!(other.is_none() && !stdout.contains("nothing yet"), "{stdout}");
    }
}

#[test]
fn a_secret_that_is_not_there_is_a_warning_that_says_what_comes_of_it() {
    let file = crate::scripted::TempFile::new(
        r#"
site = { id = "s" }
[[mqtt]]
name = "lora"
connect = "mqtt://broker"
username = "u"
password_file = "no.password"
subscribe = [{ topic = "t/+", device = "{1}", point = [{ name = "x", value = "" }] }]
[[forward.influxdb]]
name = "central"
url = "http://h"
org = "o"
bucket = "b"
token_file = "no.token"
[[notify.webhook]]
name = "duty"
url = "http://h/p"
secret_file = "no.secret"
"#,
    );
    let Report { stdout, stderr, code } = check(&file.0, false);
    assert_eq!((stderr.as_str(), code), ("", 0), "it may come later");
    let warnings: Vec<&str> = stdout.lines().filter(|line| line.contains("until then")).collect();
    let said = [
        ("forward \"central\": token_file", "no.token", "put the token there, until then nothing is sent to it"),
        ("webhook \"duty\": secret_file", "no.secret", "put the secret there, until then pushes go unsigned"),
        ("mqtt \"lora\": password_file", "no.password", "put the password there, until then it stays down"),
    ];
    assert_eq!(warnings.len(), said.len(), "{stdout}");
    for (warning, (whose, path, mend)) in warnings.iter().zip(said) {
        assert!(warning.contains(whose) && warning.contains(path) && warning.ends_with(mend), "{warning}");
    }
    assert!(stdout.contains("3 warnings"), "{stdout}");
}

const FIRE: &str = r#"
site = { id = "s" }
[[mqtt]]
name = "lora"
connect = "mqtt://broker"
subscribe = [{ topic = "t/+", device = "{1}", expect = ["smoke-a", "heat-b"], point = [{ name = "alarm", value = "" }] }]
[[rule]]
id = "smoke"
points = "smoke-*/alarm"
priority = "critical"
latch = true
state = { is = 1 }
[[rule]]
id = "heat"
points = "heat-*/alarm"
state = { is = 1 }
[[rule]]
id = "both"
point = "smoke-a/alarm"
vote = { of = ["smoke@smoke-a/alarm", "heat@heat-b/alarm"], need = 2 }
"#;

#[test]
fn a_rule_on_one_point_is_shown_on_that_one() {
    let Report { stdout, .. } = on(FIRE, false);
    assert!(stdout.contains("2 of 2 call it\n    on smoke-a/alarm\n") && stdout.contains(" 0 warnings"), "{stdout}");
    // One that no list names is there once it is heard, and is told by its name.
    let later = on(&FIRE.replace("point = \"smoke-a/alarm\"", "point = \"smoke-z/alarm\""), false).stdout;
    assert!(later.contains("    on smoke-z/alarm\n") && later.contains("exists only once it is heard"), "{later}");
}

#[test]
fn a_slip_in_a_voter_is_seen() {
    let Report { stdout, code, .. } = on(&FIRE.replace("heat@heat-b/alarm", "heat@heat-z/alarm"), false);
    assert!(code == 0 && stdout.contains("`heat-z/alarm` exists only once it is heard"), "{stdout}");
    let Report { stderr, code, .. } = on(&FIRE.replace("heat@heat-b/alarm", "heat@heat-b/alert"), false);
    assert!(code == 2 && stderr.contains("`heat` is not on the point `heat-b/alert`"), "{stderr}");
}

#[test]
fn a_critical_state_that_may_be_shelved_is_a_warning_unless_it_is_meant() {
    let text = on(&FIRE.replace("latch = true\n", ""), false).stdout;
    assert!(text.contains("a critical alarm without `latch` may be shelved") && text.contains(" 1 warning."), "{text}");
    for meant in ["latch = false\n", "shelvable = true\n"] {
        let text = on(&FIRE.replace("latch = true\n", meant), false).stdout;
        assert!(text.contains(" 0 warnings"), "{text}");
    }
}

#[test]
fn a_time_that_is_too_long_is_called_so() {
    let Report { stderr, .. } = on(&format!("{FIRE}[alarms]\nmax_out_of_service = \"99999d\"\n"), false);
    assert!(
        stderr.contains("\"99999d\", which is too long; it goes from") && !stderr.contains("no duration"),
        "{stderr}"
    );
}

#[test]
fn a_file_that_is_not_there_is_a_wrong_configuration() {
    let Report { stderr, code, .. } = check(Path::new("/nowhere/site.toml"), false);
    assert_eq!(code, 2);
    assert!(stderr.starts_with("/nowhere/site.toml:1:1: the file cannot be read"), "{stderr}");
}
