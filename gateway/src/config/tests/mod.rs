//! What a site file may say, and what is said to a person who wrote it wrong.
//!
//! In a bad file the mark `^` stands right before the place a complaint must point at; where there are several, there
//! must be as many complaints, in that order.

use std::path::Path;
use std::time::Duration;

use gengfu_core::alarm::Priority;
use gengfu_core::detect::{Params, digital, limit, trend};
use proptest::prelude::*;

use super::checked::*;
use super::*;

mod bad;
mod kinds;
mod packs;

/// The example of the design, without `profile`, which comes later.
const EXAMPLE: &str = r#"
[site]
id = "binjiang-mall-07"            # stable, used in topics and tags
name = "滨江天街"
street = "长河街道"                 # optional, for statistics
industry = "commercial-complex"    # optional
timezone = "Asia/Shanghai"

[journal]
path = "data"                      # directory
keep = "90d"                       # optional
max_size = "4GiB"                  # optional

[console]
listen = "127.0.0.1:8420"

[[modbus]]                         # one line or one TCP host
name = "pump-room"
connect = "tcp://127.0.0.1:1502"   # or rtu:///dev/ttyUSB0?baud=9600&parity=even, rtu+tcp://host:port
timeout = "500ms"                  # optional: learned from the device when absent

[[modbus.device]]
name = "hydrant-main"
unit = 3
every = "1s"
area = "b1"                        # optional
kind = "hydrant"                   # optional: the profile's, else "device"

[[modbus.device.point]]
name = "pressure"
register = "holding:0"             # holding, input, coil, discrete; zero-based protocol address
type = "f32"                       # bool u16 i16 u32 i32 u64 i64 f32 f64, bit:N
order = "cdab"                     # abcd badc cdab dcba
scale = 1.0
unit = "MPa"
range = [0.0, 2.5]                 # outside: bad(out-of-range)
life_safety = true

[[mqtt]]
name = "lora"
connect = "mqtt://127.0.0.1:1883"  # mqtts:// with ca, cert, key
client_id = "gengfu-binjiang-07"

[[mqtt.subscribe]]
topic = "sensors/+/gas"
device = "gas-{1}"                 # {1} is the first wildcard, cleaned to [A-Za-z0-9_.-]; a collision is refused
expect = ["gas-01", "gas-02"]      # optional: exist from the start and are bad(comm) until heard
max_devices = 500                  # more are counted and alarmed, not created

[[mqtt.subscribe.point]]
name = "ch4"
value = "/lel"                     # JSON pointer; "" takes the whole payload
time = "/ts"                       # optional: RFC 3339, or a number: 10^11 and above is ms, below is s
unit = "%LEL"

[[rule]]
id = "hydrant-low"
point = "hydrant-main/pressure"
low = { limit = 0.15, clear = 0.17, for = "10s" }     # one detector a rule: low high band state rate trend frozen count dwell vote …
priority = "critical"
basis = "GB 50974-2014"            # the clause it enforces
advice = "Check the fire pump controller and the main valve."

[[rule]]
id = "kitchen-gas"
points = "gas-*/ch4"               # glob; check refuses one that nothing can match
high = [ { limit = 25.0, clear = 22.0, priority = "high" }, { limit = 50.0, clear = 45.0, priority = "critical", latch = true } ]

[[forward.influxdb]]
name = "central"
url = "http://127.0.0.1:8086"
org = "district"
bucket = "telemetry"
token_file = "influx.token"

[[notify.webhook]]
name = "duty-room"
url = "http://127.0.0.1:9000/alarm"
priorities = ["critical", "high"]  # optional
"#;

fn file() -> &'static Path {
    Path::new("/site/gengfu.toml")
}

fn good(text: &str) -> Loaded {
    parse(text, file()).unwrap_or_else(|complaints| panic!("{}", show(&complaints)))
}

fn show(complaints: &[Complaint]) -> String {
    complaints.iter().flat_map(|complaint| [complaint.to_string(), "\n".to_owned()]).collect()
}

#[test]
fn the_example_of_the_design_loads() {
    let Loaded { site, warnings, .. } = good(EXAMPLE);
    assert_eq!(warnings, [], "{}", show(&warnings));
    assert_eq!((site.id.as_str(), site.name.as_str()), ("binjiang-mall-07", "滨江天街"));
    assert_eq!((site.street.as_deref(), site.industry.as_deref()), (Some("长河街道"), Some("commercial-complex")));
    assert_eq!((site.timezone.as_str(), site.clock_tolerance), ("Asia/Shanghai", Duration::from_mins(1)));
    let keep = Duration::from_hours(90 * 24);
    assert_eq!(
        site.journal,
        JournalConfig { path: "/site/data".into(), keep, keep_life_safety: keep, max_size: 4 << 30 }
    );
    assert_eq!(site.console.listen.to_string(), "127.0.0.1:8420");
    assert_eq!(site.influx.len(), 1);
    assert_eq!(site.influx[0].token_file, Path::new("/site/influx.token"));
    assert_eq!((site.influx[0].compression, site.influx[0].url.as_str()), (Compression::Auto, "http://127.0.0.1:8086"));
    assert_eq!(site.webhooks[0].priorities, [Priority::High, Priority::Critical]);
    assert_eq!((site.webhooks[0].url.as_str(), site.webhooks[0].heartbeat), ("http://127.0.0.1:9000/alarm", None));
}

#[test]
fn the_sources_of_the_example() {
    let site = good(EXAMPLE).site;
    let line = &site.modbus[0];
    assert_eq!((line.name.as_str(), line.address.as_str()), ("pump-room", "127.0.0.1:1502"));
    assert_eq!(line.timeout, Duration::from_millis(500));
    let device = &line.devices[0];
    assert_eq!((device.unit, device.every, device.kind.as_str()), (3, Duration::from_secs(1), "hydrant"));
    let point = &device.points[0];
    assert_eq!((point.table, point.address, point.ty, point.order), (Table::Holding, 0, ValueType::F32, Order::Cdab));
    assert_eq!((point.spec.scaling.range, point.spec.life_safety), (Some((0.0, 2.5)), true));
    assert_eq!(point.spec.bad_after, Duration::from_secs(10));
    assert_eq!(point.spec.stale_after, Some(Duration::from_secs(10)), "5 periods, at least 10 s");
    let link = &site.mqtt[0];
    assert_eq!(
        (link.broker.host.as_str(), link.broker.port, link.broker.client_id.as_str()),
        ("127.0.0.1", 1883, "gengfu-binjiang-07")
    );
    let gas = &link.subscriptions[0];
    assert_eq!((gas.topic.as_str(), gas.qos, gas.device.as_str()), ("sensors/+/gas", 1, "gas-{1}"));
    assert_eq!((gas.expect.as_slice(), gas.max_devices), (["gas-01".to_owned(), "gas-02".to_owned()].as_slice(), 500));
    assert_eq!((gas.points[0].value.as_str(), gas.points[0].time.as_deref()), ("/lel", Some("/ts")));
    assert_eq!(gas.points[0].spec.stale_after, None, "not life-safety: it may be silent");
}

#[test]
fn the_rules_of_the_example() {
    let site = good(EXAMPLE).site;
    let hydrant = &site.rules[0];
    let first = limit::Level { limit: 0.15, clear: 0.17, on_ms: 10_000, off_ms: 0 };
    assert_eq!(hydrant.detector, Params::Limit(limit::Params { side: limit::Side::Low, first, second: None }));
    assert_eq!(hydrant.levels, [LevelMeta { priority: Priority::Critical, latch: false, shelvable: true }]);
    assert_eq!(hydrant.basis.as_deref(), Some("GB 50974-2014"));
    assert!(hydrant.matches("hydrant-main/pressure") && !hydrant.matches("hydrant-main/pressures"));
    let gas = &site.rules[1];
    let level = |limit, clear| limit::Level { limit, clear, on_ms: 0, off_ms: 0 };
    let params = limit::Params { side: limit::Side::High, first: level(25.0, 22.0), second: Some(level(50.0, 45.0)) };
    assert_eq!(gas.detector, Params::Limit(params));
    let meta = |priority, latch| LevelMeta { priority, latch, shelvable: !(latch && priority == Priority::Critical) };
    assert_eq!(gas.levels, [meta(Priority::High, false), meta(Priority::Critical, true)]);
    assert!(gas.matches("gas-99/ch4") && !gas.matches("gas-99/co"));
}

/// A head, a Modbus point and an MQTT point to hang a case on.
const BASE: &str = r#"[site]
id = "s"
[[modbus]]
name = "line"
connect = "tcp://10.0.0.1"
[[modbus.device]]
name = "pump"
unit = 1
[[modbus.device.point]]
name = "pressure"
register = "input:8"
type = "u16"
scale = 0.001
unit = "MPa"
range = [0, 2.5]
[[modbus.device.point]]
name = "running"
register = "coil:3"
[[mqtt]]
name = "lora"
connect = "mqtt://broker"
[[mqtt.subscribe]]
topic = "gas/+"
device = "gas-{1}"
expect = ["gas-01"]
[[mqtt.subscribe.point]]
name = "ch4"
value = ""
life_safety = true
"#;

#[test]
fn an_uplink_is_short_and_may_be_long() {
    let uplink = |rest: &str| good(&format!("{BASE}[[forward.mqtt]]\nname = \"c\"\n{rest}")).site.uplinks.remove(0);
    let short = uplink("connect = \"mqtt://centre\"\n");
    assert_eq!(
        (short.broker.host.as_str(), short.broker.port, short.broker.client_id.as_str()),
        ("centre", 1883, "gengfu-s-uplink-c")
    );
    assert_eq!((short.broker.keep_alive, short.drain, short.window), (Duration::from_secs(30), Drain::Max, 64));
    let login = "username = \"u\"\npassword_file = \"p\"\nkeep_alive = \"10s\"";
    let long = uplink(&format!("connect = \"mqtt://[::1]:1\"\nclient_id = \"x\"\n{login}\ndrain = 5000\nwindow = 8\n"));
    assert_eq!(
        (long.broker.host.as_str(), long.broker.port, long.drain, long.window),
        ("::1", 1, Drain::Rate(5_000), 8)
    );
    assert_eq!((long.broker.username.as_deref(), long.broker.password_file), (Some("u"), Some("/site/p".into())));
}

#[test]
fn defaults() {
    let Loaded { site, warnings, .. } = good(BASE);
    assert_eq!(warnings, [], "{}", show(&warnings));
    assert_eq!((site.name.as_str(), site.timezone.as_str()), ("s", "Asia/Shanghai"));
    assert_eq!(site.journal.path, Path::new("/site/data"));
    assert_eq!(site.console.listen.to_string(), "127.0.0.1:8420");
    assert_eq!(site.modbus[0].address, "10.0.0.1:502");
    let device = &site.modbus[0].devices[0];
    assert_eq!((device.every, device.kind.as_str()), (Duration::from_secs(1), "device"));
    assert_eq!((device.points[1].ty, device.points[1].table), (ValueType::Bool, Table::Coil));
    assert_eq!(site.mqtt[0].broker.client_id, "gengfu-s-lora");
    assert_eq!(site.mqtt[0].broker.keep_alive, Duration::from_secs(30));
    let gas = &site.mqtt[0].subscriptions[0];
    assert_eq!((gas.max_devices, gas.qos), (500, 1));
    assert_eq!(gas.points[0].spec.stale_after, Some(Duration::from_mins(15)), "life-safety: silence is told");
}

#[test]
fn a_silence_of_the_subscription_is_that_of_its_points() {
    let text = BASE.replace("expect =", "stale_after = \"2h\"\nexpect =");
    let point = good(&text).site.mqtt[0].subscriptions[0].points[0].spec.clone();
    assert_eq!(point.stale_after, Some(Duration::from_hours(2)));
    let text = text.replace("value = \"\"", "value = \"\"\nstale_after = \"3m\"\nbad_after = \"0s\"");
    let point = good(&text).site.mqtt[0].subscriptions[0].points[0].spec.clone();
    assert_eq!((point.stale_after, point.bad_after), (Some(Duration::from_mins(3)), Duration::ZERO));
}

#[test]
fn every_detector_and_option_of_a_rule() {
    let text = format!(
        "{BASE}
[[rule]]
id = \"a\"
points = [\"pump/pressure\", \"gas-*/ch4\"]
high = {{ limit = 1, for = \"5s\", clear_for = \"1m\" }}
[[rule]]
id = \"b\"
point = \"pump/running\"
state = {{ is = true, for = \"10m\" }}
latch = true
[[rule]]
id = \"c\"
point = \"pump/*\"
state = {{ not = 3 }}
priority = \"low\"
[[rule]]
id = \"d\"
point = \"pump/pressure\"
unit = \"MPa\"
trend = {{ limit = 0.1, side = \"low\", within = \"30m\", window = \"2h\" }}
"
    );
    let Loaded { site, warnings, .. } = good(&text);
    assert_eq!(warnings, [], "{}", show(&warnings));
    let meta =
        |priority, latch| vec![LevelMeta { priority, latch, shelvable: !(latch && priority == Priority::Critical) }];
    let first = limit::Level { limit: 1.0, clear: 1.0, on_ms: 5_000, off_ms: 60_000 };
    let a = limit::Params { side: limit::Side::High, first, second: None };
    assert_eq!((site.rules[0].detector, &site.rules[0].levels), (Params::Limit(a), &meta(Priority::Medium, false)));
    let b = digital::Params { is: 1.0, negate: false, on_ms: 600_000, off_ms: 0 };
    assert_eq!((site.rules[1].detector, &site.rules[1].levels), (Params::Digital(b), &meta(Priority::Medium, true)));
    let c = digital::Params { is: 3.0, negate: true, on_ms: 0, off_ms: 0 };
    assert_eq!((site.rules[2].detector, &site.rules[2].levels), (Params::Digital(c), &meta(Priority::Low, false)));
    let d = trend::Params { limit: 0.1, side: limit::Side::Low, within_ms: 1_800_000, window_ms: 7_200_000 };
    assert_eq!(site.rules[3].detector, Params::Trend(d));
}

#[test]
fn people_have_names_for_devices_points_and_states() {
    let text = EXAMPLE
        .replace("unit = 3\n", "unit = 3\nlabel = \"消火栓主管 / hydrant main\"\n")
        .replace("name = \"pressure\"\n", "name = \"pressure\"\nlabel = \" 压力 / pressure \"\n")
        .replace(
            "max_devices = 500",
            "labels = { gas-01 = \"厨房探头\", gas-77 = \"仓库探头 / store\" }\nmax_devices = 500",
        )
        .replace("unit = \"%LEL\"\n", "words = [\"正常 / fine\", \"报警 / alarm\"]\n");
    let labels = good(&text).site.labels;
    assert_eq!(labels.full("hydrant-main", "pressure").zh, "消火栓主管 压力");
    assert_eq!(labels.full("hydrant-main", "pressure").en, "hydrant main pressure");
    // One language is the same in both; a device that was not heard yet may have its name.
    assert_eq!(labels.full("gas-01", "ch4").en, "厨房探头 ch4");
    assert_eq!(labels.device("gas-77").map(|text| text.en.as_str()), Some("store"));
    let word = labels.point("gas-02/ch4").and_then(|point| point.word(1.0)).map(|word| word.zh.as_str());
    assert_eq!(word, Some("报警"));
    let plain = good(EXAMPLE).site.labels;
    assert_eq!(plain, Labels::default());
    assert_eq!(plain.full("hydrant-main", "pressure").zh, "hydrant-main/pressure");
}

#[test]
fn a_topic_without_a_wildcard_brings_a_device_that_is_expected_and_may_have_a_label() {
    let more = "[[mqtt.subscribe]]\ntopic = \"hall/smoke\"\ndevice = \"smoke\"\nlabel = \"大厅烟感 / hall smoke\"\n\
                [[mqtt.subscribe.point]]\nname = \"s\"\nvalue = \"\"\n";
    for more in [more.to_owned(), more.replace("device =", "expect = [\"smoke\"]\ndevice =")] {
        let Loaded { site, warnings, .. } = good(&format!("{BASE}{more}"));
        assert_eq!(warnings, [], "{}", show(&warnings));
        assert_eq!(site.mqtt[0].subscriptions[1].expect, ["smoke"]);
        assert_eq!(site.labels.full("smoke", "s").zh, "大厅烟感 s");
    }
    let rule = "[[rule]]\nid = \"r\"\npoint = \"smoke/s\"\nstate = { is = true }\n";
    assert_eq!(good(&format!("{BASE}{more}{rule}")).warnings, [], "it exists from the start");
}

#[test]
fn overlapping_registers_of_different_types_are_fine() {
    let more = "[[modbus.device.point]]\nname = \"word\"\nregister = \"input:7\"\ntype = \"f32\"\n[[mqtt]]";
    assert_eq!(good(&BASE.replace("[[mqtt]]", more)).warnings, []);
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_change_nothing() {
    let windows = format!("\u{feff}{}", EXAMPLE.replace('\n', "\r\n"));
    assert_eq!(good(&windows), good(EXAMPLE));
}

#[test]
fn a_line_that_is_asked_too_much_is_warned_of() {
    for (every, words) in [("10ms", "cannot keep its periods"), ("12ms", "loaded"), ("13ms", "")] {
        let text = BASE.replace("unit = 1\n", &format!("unit = 1\nevery = \"{every}\"\n"));
        let more = "[[modbus.device]]\nname = \"b\"\nunit = 2\n\
                    [[modbus.device.point]]\nname = \"x\"\nregister = \"coil:0\"\n[[mqtt]]";
        let warnings = good(&text.replace("[[mqtt]]", more)).warnings;
        match words {
            "" => assert_eq!(warnings, []),
            words => {
                assert!(warnings[0].what.contains(words), "{}", show(&warnings));
                assert_eq!((warnings[0].line, warnings[0].column), (4, 8));
            }
        }
    }
}

#[test]
fn a_delay_in_which_nothing_is_read_is_warned_of() {
    let told = |delay: &str| {
        let rule =
            format!("[[rule]]\nid = \"r\"\npoint = \"pump/pressure\"\nlow = {{ limit = 0.1, clear = 0.2{delay} }}\n");
        let text = BASE.replace("unit = 1\n", "unit = 1\nevery = \"5m\"\n");
        good(&format!("{text}{rule}")).warnings.into_iter().map(|w| w.what).collect::<Vec<_>>()
    };
    assert_eq!(
        told(", for = \"30s\""),
        ["the rule waits 30s, and `pump/pressure` is read every 5m: one reading decides"]
    );
    assert!(told("").is_empty(), "who wants it at once has it at once");
    assert!(told(", for = \"6m\"").is_empty());
}

#[test]
fn every_sample_site_loads_without_a_warning() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/sites");
    let mut seen = 0;
    for entry in std::fs::read_dir(&folder).expect("config/sites is in the repository") {
        let path = entry.expect("a readable folder").path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let loaded = load(&path).unwrap_or_else(|complaints| panic!("{}", show(&complaints)));
            assert_eq!(loaded.warnings, [], "{}", show(&loaded.warnings));
            seen += 1;
        }
    }
    assert!(seen >= 2, "the mall and the old venue");
}

/// Whatever the text, nothing panics, complaints are in order and point into the text.
fn survives(text: &str) -> Result<(), TestCaseError> {
    let complaints = match parse(text, file()) {
        Ok(loaded) => loaded.warnings,
        Err(complaints) => {
            prop_assert!(!complaints.is_empty(), "refused without a word");
            complaints
        }
    };
    let lines: Vec<&str> = text.split('\n').collect();
    prop_assert!(complaints.is_sorted_by_key(|c| (c.line, c.column)), "{}", show(&complaints));
    for complaint in &complaints {
        let line = complaint.line.checked_sub(1).and_then(|line| lines.get(line));
        prop_assert!(
            line.is_some_and(|line| (1..=line.chars().count() + 1).contains(&complaint.column)),
            "{complaint}"
        );
        prop_assert!(!complaint.what.is_empty() && !complaint.mend.is_empty());
        prop_assert!(!complaint.to_string().contains('\n'), "one line each: {complaint}");
    }
    Ok(())
}

fn mutated() -> impl Strategy<Value = String> {
    let bits = [
        "",
        "\"",
        "[",
        "]]",
        "{",
        "}",
        "=",
        "nan",
        "-1",
        "1e400",
        "''",
        "\n",
        "\0",
        "消防",
        "999999999999999999999",
        "[[rule]]",
        "a.b.c",
        "true",
        "/",
        "*",
    ];
    let edit = (any::<prop::sample::Index>(), 0_usize..12, prop::sample::select(bits.to_vec()));
    prop::collection::vec(edit, 1..6).prop_map(|edits| {
        let mut chars: Vec<char> = EXAMPLE.chars().collect();
        for (at, cut, put) in edits {
            let at = at.index(chars.len());
            let end = (at + cut).min(chars.len());
            chars.splice(at..end, put.chars());
        }
        chars.into_iter().collect()
    })
}

/// The lines of the example in another order, some left out, some twice.
fn shuffled() -> impl Strategy<Value = String> {
    let lines: Vec<&str> = EXAMPLE.lines().collect();
    prop::collection::vec(prop::sample::select(lines), 0..80).prop_map(|lines| lines.join("\n"))
}

#[test]
fn what_is_measured_and_what_is_warned_of_may_be_written() {
    use gengfu_core::warning::{Amount, Groups, Lacks, RiskLevel, Row, WarningLevel, When, Which};
    let standard = parse(BASE, file()).expect("a good site").site;
    assert_eq!(standard.performance, gengfu_core::alarm::performance::Params::default());
    assert_eq!((standard.warning.rows.len(), standard.warning.risk.len()), (6, 3));
    let text = format!(
        "{BASE}[alarms.performance]\nflood_window = \"5m\"\nchatter_transitions = 4\n\
         [warning]\ndown_after = \"10m\"\nrelease = \"red\"\n\
         group = [{{ name = \"fire\", rules = [\"*\"] }}]\n\
         row = [{{ level = \"orange\", priority = \"high\", least = 2, groups = [\"fire\"], unseen_for = \"5m\" }}]\n\
         risk = [{{ level = \"red\", points = 2 }}]\n[notify]\n\
         webhook = [{{ name = \"w\", url = \"http://h/p\", damp = true }}]\n"
    );
    let site = parse(&text, file()).map_err(|complaints| show(&complaints)).expect("a good site").site;
    assert_eq!((site.performance.flood.window_ms, site.performance.chatter.transitions), (300_000, 4));
    let when = When::Alarms {
        least: 2,
        priority: gengfu_core::alarm::Priority::High,
        groups: Groups(2),
        which: Which::Unseen { for_ms: 300_000 },
    };
    assert_eq!(site.warning.rows, [Row { level: Some(WarningLevel::Orange), when }]);
    let when = When::Impaired { lacks: Lacks::ALL, least: Amount::Points(2) };
    assert_eq!(site.warning.risk, [Row { level: RiskLevel::Red, when }]);
    assert_eq!((site.warning.down.as_secs(), site.warning.release), (600, Some(WarningLevel::Red)));
    assert!(site.webhooks[0].damp.is_some(), "a channel of people asks for it");
}

proptest! {
    #[test]
    fn any_text_is_survived(text in "\\PC{0,200}") {
        survives(&text)?;
    }

    #[test]
    fn a_mutated_file_is_survived(text in mutated()) {
        survives(&text)?;
    }

    #[test]
    fn a_shuffled_file_is_survived(text in shuffled()) {
        survives(&text)?;
    }

    #[test]
    fn deep_nesting_is_survived(depth in 1_usize..2_000, open in prop::sample::select(vec!["[", "{a=", "a."])) {
        survives(&format!("x = {}", open.repeat(depth)))?;
        survives(&format!("{}x = 1", "a.".repeat(depth)))?;
    }
}

#[test]
fn who_counts_on_a_rule_in_shadow_is_told_and_the_trial_itself_is_not() {
    let rule = |id: &str, more: &str| format!("[[rule]]\nid = \"{id}\"\npoint = \"d/p\"\n{more}\n");
    let high = "high = { limit = 5, clear = 4 }";
    let text = |shadow: &str| {
        "[site]\nid = \"s\"\n[[modbus]]\nname = \"l\"\nconnect = \"tcp://h:1\"\n[[modbus.device]]\nname = \"d\"\nunit = 1\n\
         [[modbus.device.point]]\nname = \"p\"\nregister = \"holding:0\"\ntype = \"u16\"\n"
            .to_owned()
            + &rule("trial", &format!("{high}\nshadow = true"))
            + &rule("hidden", &format!("{high}\nsuppressed_by = \"trial\"\n{shadow}"))
            + &rule("vote", &format!("vote = {{ of = [\"trial@d/p\"], need = 1, within = \"9s\" }}\n{shadow}"))
    };
    let Loaded { site, warnings, .. } = good(&text(""));
    assert!(site.rules.iter().all(|rule| rule.shadow == (rule.id == "trial")));
    let told: Vec<String> = warnings.iter().map(|warning| warning.what.clone()).collect();
    let expected = [
        "`trial` is in shadow and hides nothing that is live",
        "`trial` is in shadow and has no voice in a vote that is live",
    ];
    assert_eq!(told, expected);
    let Loaded { site, warnings, .. } = good(&text("shadow = true"));
    assert!(site.rules.iter().all(|rule| rule.shadow), "and what tells of the vote's bad voters");
    assert_eq!(warnings, [], "{}", show(&warnings));
}

#[test]
fn rules_of_another_file_stand_in_place_of_the_sites_own() {
    let folder = std::env::temp_dir().join(format!("gengfu-with-rules-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let write = |name: &str, text: &str| {
        let file = folder.join(name);
        std::fs::write(&file, text).expect("written");
        file
    };
    let file = write("site.toml", EXAMPLE);
    let rule = "\n[[rule]]\nid = \"mine\"\npoint = \"hydrant-main/pressure\"\nlow = { limit = 0.2, clear = 0.3 }\n";
    let loaded = with_rules(&file, &write("rules.toml", rule)).expect("good rules");
    assert_eq!(loaded.site.rules.iter().map(|rule| rule.id.as_str()).collect::<Vec<_>>(), ["mine"]);
    let whole = with_rules(&file, &write("whole.toml", EXAMPLE)).expect("a good site").site;
    assert_eq!(whole.rules, good(EXAMPLE).site.rules);
    let wrong = write("wrong.toml", &format!("colour = 1\n{}", rule.replace("hydrant-main", "hydrant-mainn")));
    let told = with_rules(&file, &wrong).expect_err("a point that is not there");
    let told: Vec<String> = told.iter().map(ToString::to_string).collect();
    assert!(told.iter().all(|told| told.contains("wrong.toml:")), "{told:?}");
    assert!(
        told.iter().any(|told| told.contains("wrong.toml:5:")) && told.iter().any(|told| told.contains("colour")),
        "{told:?}"
    );
    std::fs::remove_dir_all(&folder).expect("removed");
}
