//! A rule on trial beside the same rule live: it is recorded like the other, and nobody is called, nothing is hidden, voted or
//! counted by it. Taken out of shadow by a reload it is live at once.

use gengfu::journal::Entry;
use gengfu_tests::broker::Broker;
use gengfu_tests::centre::Centre;
use gengfu_tests::counting;
use gengfu_tests::gateway::{Gateway, run};
use gengfu_tests::plant::Plant;
use gengfu_tests::process::Folder;
use gengfu_tests::receiver::Receiver;
use gengfu_tests::site::Site;
use gengfu_tests::stub::Stub;
use gengfu_tests::wait::{SOON, eventually, quiet, until};
use serde_json::Value;

/// `live` and `trial` are the same rule, a second device has rules that `trial` would hide or vote in, were it live.
fn site(plant: &Plant, broker: &Broker, receiver: &Receiver, stub: &Stub, shadow: bool) -> String {
    let high = "high = { limit = 500.0, clear = 400.0 }";
    let uplink = format!("[[forward.mqtt]]\nname = \"centre\"\nconnect = \"mqtt://127.0.0.1:{}\"\n", broker.port);
    let trial = if shadow { "shadow = true\n" } else { "" };
    Site::new("rig")
        .modbus(plant, 100, 4)
        .patient()
        .webhook("duty", receiver.port())
        .influx("central", stub.port())
        .with(&uplink)
        .with(&format!("[[rule]]\nid = \"trial\"\npoint = \"d0/r0\"\n{high}\npriority = \"critical\"\nfirst_out = \"g\"\n{trial}"))
        .with(&format!("[[rule]]\nid = \"live\"\npoint = \"d0/r0\"\n{high}\npriority = \"high\"\nfirst_out = \"g\"\n"))
        .with(&format!("[[rule]]\nid = \"hidden\"\npoint = \"d1/r0\"\n{high}\nsuppressed_by = \"trial\"\n"))
        .with(
            "[[rule]]\nid = \"vote\"\npoint = \"d1/r0\"\nvote = { of = [\"trial@d0/r0\", \"live@d0/r0\"], need = 2, within = \"1m\" }\n",
        )
        .text
}

/// Steps of a rule in the alarm lane: (event, shadow).
fn lane(gateway: &Gateway, rule: &str) -> Vec<(String, bool)> {
    gateway.alarm_lane_on_disk();
    let entries = gateway.journal(counting::entries);
    let steps = entries.into_iter().filter_map(Entry::into_alarm).filter(|event| event.rule == rule);
    steps.map(|event| (event.event, event.shadow)).collect()
}

fn shadows(gateway: &Gateway) -> Vec<Value> {
    gateway.items("alarms?shadow=true")
}

#[test]
fn a_rule_in_shadow_is_recorded_and_silent_until_it_is_taken_out() {
    let _quiet = quiet();
    let (dir, plant, receiver, stub, broker) =
        (Folder::new("shadow"), Plant::start(2), Receiver::start(), Stub::start(), Broker::start());
    let centre = Centre::connect(broker.port, "rig", "centre");
    let text = |shadow| site(&plant, &broker, &receiver, &stub, shadow);
    let mut gateway = Gateway::start(&text(true), dir.path());
    gateway.value("d1/r0", SOON, |value| value.is_some());
    plant.devices[0].set(900);
    let live = gateway.alarm("live", SOON, |_| true);
    assert_eq!((&live["first"], &live["shadow"]), (&Value::Bool(true), &Value::Bool(false)), "{live}");
    let trial = until(SOON, "the trial is seen by who asks for it", || shadows(&gateway).into_iter().next());
    assert_eq!((trial["rule"].as_str(), trial["state"].as_str()), (Some("trial"), Some("unacknowledged")));
    assert_ne!(trial["id"], live["id"]);
    plant.devices[1].set(900);
    let hidden = gateway.alarm("hidden", SOON, |_| true);
    assert_eq!((&hidden["suppressed"], hidden["state"].as_str()), (&Value::Bool(false), Some("unacknowledged")));

    // Both come back, and both are in the lane; the one after the other was pushed, counted and shown.
    plant.devices[0].set(100);
    receiver.expect(SOON, "the live one returns", |p| p.word("rule") == "live" && p.word("event") == "return");
    eventually(SOON, "the trial returns", || shadows(&gateway).iter().all(|a| a["active"] == false));
    assert_eq!(lane(&gateway, "trial"), [("raise".to_owned(), true), ("return".to_owned(), true)]);
    assert_eq!(lane(&gateway, "live"), [("raise".to_owned(), false), ("return".to_owned(), false)]);
    assert!(gateway.alarms("trial").is_empty() && gateway.alarms("vote").is_empty(), "nothing of the trial stands");
    let day = gateway.api("performance")["today"].clone();
    let rang: Vec<&str> = day["top"].as_array().unwrap().iter().filter_map(|row| row["rule"].as_str()).collect();
    assert!(rang.contains(&"live") && rang.contains(&"hidden") && !rang.contains(&"trial"), "{day}");
    assert_eq!(gateway.metric("gengfu_alarms", "critical"), 0.0);
    assert_eq!(gateway.metric("gengfu_shadow_alarms", "critical"), 1.0);
    let of_trial = |line: &String| line.starts_with("alarm,") && line.contains("rule=trial");
    eventually(SOON, "the store has it", || stub.accepted_lines().iter().filter(|line| of_trial(line)).count() == 2);
    assert!(stub.accepted_lines().iter().filter(|line| of_trial(line)).all(|line| line.contains("shadow=true")));
    eventually(SOON, "the centre has it", || {
        centre.book().entries.iter().filter(|e| e["rule"] == "trial").count() == 2
    });
    assert!(centre.book().entries.iter().filter(|e| e["rule"] == "trial").all(|e| e["type"] == "shadow"));
    let listed = |more: &[&str]| {
        let out = run(&[&["alarms", "-c", "site.toml"][..], more].concat(), dir.path());
        String::from_utf8(out.stdout).unwrap()
    };
    let trial_id = trial["id"].as_str().unwrap();
    assert!(listed(&["--shadow"]).contains(trial_id) && !listed(&[]).contains(trial_id));

    // Over a restart it goes on as what it is; out of shadow it rings at once, as another alarm.
    plant.devices[0].set(900);
    eventually(SOON, "the trial stands again", || shadows(&gateway).iter().any(|a| a["active"] == true));
    gateway.term();
    gateway.restart();
    let stands = until(SOON, "the trial stands", || shadows(&gateway).into_iter().find(|a| a["active"] == true));
    assert_eq!(stands["id"].as_str(), Some(trial_id));
    gateway.write_site(&text(false));
    let (status, answer) = gateway.reload();
    assert_eq!((status, &answer["changes"]), (200, &serde_json::json!(["rule changed: trial"])), "{answer}");
    let now_live = gateway.alarm("trial", SOON, |_| true);
    assert_eq!((&now_live["shadow"], now_live["number"].as_u64()), (&Value::Bool(false), Some(1)), "{now_live}");
    assert_ne!(now_live["id"].as_str(), Some(trial_id));
    assert!(shadows(&gateway).is_empty());
    receiver.expect(SOON, "it rings", |p| p.word("rule") == "trial" && p.word("event") == "raise");
    gateway.alarm("vote", SOON, |_| true);

    // And back: the live alarm is closed for people, the trial goes on in the dark.
    gateway.write_site(&text(true));
    assert_eq!(gateway.reload().0, 200);
    receiver.expect(SOON, "it is closed", |p| p.word("rule") == "trial" && p.word("event") == "return");
    eventually(SOON, "the trial stands in shadow", || shadows(&gateway).iter().any(|a| a["active"] == true));
    gateway.term();
    receiver.complete().unwrap();
    let pushed: Vec<String> =
        receiver.seen().iter().filter(|p| p.word("rule") == "trial").map(|p| p.word("event").to_owned()).collect();
    assert_eq!(pushed, ["raise", "return"], "of the trial what was live, and nothing else");
}
