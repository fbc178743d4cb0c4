//! A changed site file while the gateway runs: what has changed takes effect, everything else goes on untouched.

use std::time::Duration;

use gengfu::journal::Entry;
use gengfu_tests::broker::Broker;
use gengfu_tests::counting;
use gengfu_tests::gateway::{Gateway, run};
use gengfu_tests::plant::Plant;
use gengfu_tests::process::{Folder, free_port};
use gengfu_tests::publisher::Publisher;
use gengfu_tests::receiver::Receiver;
use gengfu_tests::site::Site;
use gengfu_tests::stub::Stub;
use gengfu_tests::wait::{SOON, always, eventually, quiet, say, unix_ms, until};
use serde_json::{Value, json};

const EVERY_MS: u64 = 100;

fn rule(id: &str, point: &str, condition: &str) -> String {
    format!("[[rule]]\nid = \"{id}\"\npoint = \"{point}\"\n{condition}\npriority = \"critical\"\n")
}

fn high(limit: f64, more: &str) -> String {
    format!("high = {{ limit = {limit:.1}, clear = {:.1}{more} }}", limit - 1.0)
}

fn audits(gateway: &Gateway) -> Vec<(String, String)> {
    let entries = gateway.journal(counting::entries);
    let told = entries.into_iter().filter_map(|entry| match entry {
        Entry::Audit { by, action, detail, .. } if action.starts_with("reload") => {
            Some((format!("{action} by {by}"), detail))
        }
        Entry::Maintenance { what, detail, .. } if what.starts_with("reload") => Some((what, detail)),
        Entry::Audit { .. }
        | Entry::Maintenance { .. }
        | Entry::Alarm(_)
        | Entry::Start { .. }
        | Entry::Stop { .. }
        | Entry::Gap { .. }
        | Entry::Mode(_)
        | Entry::Level(_) => None,
    });
    told.collect()
}

#[test]
fn a_changed_rule_under_load_costs_no_reading_no_connection_and_no_alarm() {
    let _quiet = quiet();
    let (dir, plant, receiver) = (Folder::new("reload"), Plant::start(12), Receiver::start());
    let site = |limit: f64| {
        let latched = rule("latched", "d1/r0", &high(500.0, ", latch = true"));
        let slow = rule("slow", "d2/r0", &high(500.0, ", for = \"6s\""));
        let site = Site::new("rig").modbus(&plant, EVERY_MS, 5).patient().webhook("duty", receiver.port());
        site.with(&latched).with(&slow).with(&rule("changed", "d0/r0", &high(limit, ""))).text
    };
    let mut gateway = Gateway::start(&site(500.0), dir.path());
    plant.devices[0].set(300);
    plant.devices[1].set(600);
    let latched = gateway.alarm("latched", SOON, |_| true);
    let by = json!({ "by": "rig", "note": "seen" });
    let path = format!("/api/v1/alarms/{}/acknowledge", latched["id"].as_str().unwrap());
    assert_eq!(gateway.post(&path, &by).status, 200);
    plant.devices[1].set(0);
    let latched = gateway.alarm("latched", SOON, |a| a["state"] == "latched-acknowledged");
    plant.devices[2].set(600);
    eventually(SOON, "the slow rule's delay runs", || plant.devices[2].polls() > 20);
    let slow_since = gengfu_tests::wait::now();

    let connections: Vec<u32> = plant.devices.iter().map(|d| d.connections()).collect();
    gateway.write_site(&site(200.0));
    gateway.process().signal("HUP");
    let raised = gateway.alarm("changed", SOON, |_| true);
    assert_eq!(raised["limit"], 200.0, "the new limit acts");
    let slow = gateway.alarm("slow", SOON, |_| true);
    say(&format!("reload: a delay of 6 s that ran across it ended after {:?}", slow_since.elapsed()));
    let took = slow["detected"].as_i64().unwrap() - slow["onset"].as_i64().unwrap();
    assert!((5_900..6_500).contains(&took), "the delay of 6 s took {took} ms");
    let still = gateway.alarms("latched");
    assert_eq!(
        (&still[0]["id"], &still[0]["state"], &still[0]["number"]),
        (&latched["id"], &latched["state"], &latched["number"])
    );
    assert_eq!(still[0]["acknowledged"]["note"], "seen");
    let after: Vec<u32> = plant.devices.iter().map(|d| d.connections()).collect();
    assert_eq!(connections, after, "no line has been connected anew");
    assert_eq!(gateway.metric("gengfu_source_restarts_total", ""), 0.0);

    // one that changes nothing, one that takes the rule away
    assert_eq!(gateway.reload().1["changes"], json!([]));
    let text = site(200.0).replace(&rule("changed", "d0/r0", &high(200.0, "")), "");
    gateway.write_site(&text);
    let (status, answer) = gateway.reload();
    assert_eq!((status, &answer["alarms_closed"]), (200, &json!(1)), "{answer}");
    assert_eq!(answer["changes"], json!(["rule removed: changed"]));
    receiver.expect(SOON, "the alarm without a rule is closed", |p| {
        p.word("rule") == "changed" && p.word("event") == "return" && p.raw.windows(10).any(|w| w == b"no longer ")
    });
    assert!(gateway.alarms("changed").is_empty());
    gateway.alarm_lane_on_disk();
    let told = audits(&gateway);
    let told: Vec<(&str, &str)> = told.iter().map(|(what, detail)| (what.as_str(), detail.as_str())).collect();
    let expected = [
        ("reload", "rule changed: changed"),
        ("reload by rig", "nothing has changed"),
        ("reload by rig", "rule removed: changed"),
    ];
    assert_eq!(told, expected);

    gateway.term();
    // every answered poll is in the journal, but the one that a stop may cut
    let found = counting::committed(&gateway.data()).must;
    let mut readings = 0;
    for (index, device) in plant.devices.iter().enumerate() {
        let numbers = counting::poll_numbers(&found, &format!("d{index}"));
        let whole = (1..=device.polls()).filter(|n| numbers.binary_search(n).is_err()).collect::<Vec<_>>();
        assert!(whole.iter().all(|n| *n == device.polls()), "d{index}: polls {whole:?} of {} are lost", device.polls());
        readings += numbers.len();
    }
    receiver.complete().unwrap();
    say(&format!("reload: {readings} polls of 12 devices across 3 reloads, none lost"));
}

#[test]
fn a_broken_file_is_refused_whole_and_the_running_one_goes_on() {
    let (dir, plant) = (Folder::new("refused"), Plant::start(1));
    let good = Site::new("rig").modbus(&plant, EVERY_MS, 4).with(&rule("r", "d0/r0", &high(500.0, ""))).text;
    let mut gateway = Gateway::start(&good, dir.path());
    let bad = good
        .replace("limit = 500.0", "limit = \"much\"")
        .replace("unit = 1", "unit = 999")
        .replace("[journal]", "[jornal]");
    let text = gateway.write_site(&bad);
    let line = |part: &str| text.lines().position(|l| l.contains(part)).unwrap() as u64 + 1;
    let (status, problem) = gateway.reload();
    assert_eq!(status, 422, "{problem}");
    let complaints = problem["complaints"].as_array().unwrap();
    let told: Vec<u64> = complaints.iter().map(|c| c["line"].as_u64().unwrap()).collect();
    for part in ["much", "999", "[jornal]"] {
        assert!(told.contains(&line(part)), "{part} in line {} is not told: {problem}", line(part));
    }
    assert!(complaints.iter().all(|c| !c["mend"].as_str().unwrap().is_empty()));
    gateway.process().signal("HUP");
    eventually(SOON, "the log tells every mistake", || {
        complaints.iter().all(|c| gateway.log().contains(c["what"].as_str().unwrap()))
    });

    // what can't change while it runs
    let moved = good.replace("path = \"data\"", "path = \"elsewhere\"").replace("id = \"rig\"", "id = \"other\"");
    gateway.write_site(&moved);
    let (status, problem) = gateway.reload();
    let whats: Vec<&str> =
        problem["complaints"].as_array().unwrap().iter().filter_map(|c| c["what"].as_str()).collect();
    assert_eq!((status, whats.len()), (422, 2), "{problem}");
    assert!(whats.iter().all(|what| what.contains("needs a restart")), "{whats:?}");

    // and all the while
    let polls = plant.devices[0].polls();
    eventually(SOON, "it goes on", || plant.devices[0].polls() > polls + 3);
    plant.devices[0].set(600);
    gateway.alarm("r", SOON, |a| a["limit"] == 500.0);
    assert_eq!(plant.devices[0].connections(), 1);
    gateway.alarm_lane_on_disk();
    let told = audits(&gateway);
    let whats: Vec<&str> = told.iter().map(|(what, _)| what.as_str()).collect();
    assert_eq!(whats, ["reload-refused by rig", "reload-refused", "reload-refused by rig"]);
    gateway.term();
}

#[test]
fn lines_subscriptions_stores_and_webhooks_come_and_go() {
    let (dir, plant, more) = (Folder::new("comego"), Plant::start(1), Plant::start(1));
    let (broker, duty, night) = (Broker::start(), Receiver::start(), Receiver::start());
    let (first, second) = (Stub::start(), Stub::start());
    let base = || {
        let site = Site::new("rig").modbus(&plant, EVERY_MS, 4).mqtt(broker.port).influx("first", first.port());
        site.webhook("duty", duty.port()).flips(0, 1)
    };
    let mut gateway = Gateway::start(&base().text, dir.path());
    let mut publisher = Publisher::connect(broker.port);
    eventually(SOON, "subscribed", || broker.subscribed());
    publisher.reading_at("a", 1.0, unix_ms());
    gateway.value("a/v", SOON, |v| v == Some(1.0));

    let line = one_more_line(more.ports()[0]);
    let port = broker.port;
    let uplink = format!("[[forward.mqtt]]\nname = \"centre\"\nconnect = \"mqtt://127.0.0.1:{port}\"");
    let more_sinks = base().influx("second", second.port()).webhook("night", night.port()).with(&uplink);
    let wide = more_sinks.with(&line).text.replace(
        "topic = \"rig/+/v\"",
        "topic = \"other/+\"\ndevice = \"o-{1}\"\npoint = [{ name = \"v\", value = \"\" }]\n[[mqtt.subscribe]]\ntopic = \"rig/+/v\"",
    );
    gateway.write_site(&wide);
    let (status, answer) = gateway.reload();
    assert_eq!(status, 200, "{answer}");
    let expected = json!([
        "modbus added: more",
        "mqtt changed: broker",
        "forward.influxdb added: second",
        "forward.mqtt added: centre",
        "notify.webhook added: night"
    ]);
    assert_eq!(answer["changes"], expected);
    eventually(SOON, "the new line is polled", || more.devices[0].polls() > 2);
    gateway.value("new/n", SOON, |v| v.is_some());
    gateway.value("a/v", SOON, |v| v == Some(1.0));
    eventually(SOON, "subscribed again", || broker.subscriptions() > 1);
    publisher.reading_at("a", 2.0, unix_ms());
    publisher.raw("other/x", b"7", false);
    gateway.value("a/v", SOON, |v| v == Some(2.0));
    gateway.value("o-x/v", SOON, |v| v == Some(7.0));
    eventually(SOON, "the new store is fed", || second.accepted_lines().iter().any(|line| line.contains("device=new")));
    eventually(SOON, "the new centre is fed", || {
        gateway.items("ledger").iter().any(|l| l["sink"] == "mqtt/centre" && l["delivered"].as_u64() > Some(0))
    });
    gateway.value("gengfu/link-down.more", SOON, |v| v == Some(0.0));
    plant.devices[0].set(600);
    for receiver in [&duty, &night] {
        receiver.expect(SOON, "both are told", |p| p.word("rule") == "flip-d0" && p.word("event") == "raise");
    }
    assert_eq!(plant.devices[0].connections(), 1, "the first line goes on untouched");

    gateway.write_site(&base().text);
    let (status, answer) = gateway.reload();
    assert_eq!(status, 200, "{answer}");
    let polls = until(SOON, "the line is left alone", || {
        let polls = more.devices[0].polls();
        (gateway.point("new/n").is_none() && more.devices[0].polls() == polls).then_some(polls)
    });
    always(Duration::from_secs(1), "nobody polls it", || more.devices[0].polls() == polls);
    nothing_is_left(&gateway);
    plant.devices[0].set(0);
    duty.expect(SOON, "the old one is told", |p| p.word("rule") == "flip-d0" && p.word("event") == "return");
    assert!(night.seen().iter().all(|p| p.word("event") != "return"), "the other is not");
    publisher.reading_at("a", 3.0, unix_ms());
    gateway.value("a/v", SOON, |v| v == Some(3.0));
    assert_eq!(plant.devices[0].connections(), 1);
    assert_eq!(
        gateway.metric("gengfu_source_restarts_total", "") + gateway.metric("gengfu_reader_restarts_total", ""),
        0.0
    );
    gateway.term();
}

#[test]
fn another_address_begins_its_own_link_anew_and_no_other() {
    let (dir, plant, duty) = (Folder::new("moved"), Plant::start(1), Receiver::start());
    let (old, new, other) = (Broker::start(), Broker::start(), Broker::start());
    let (first, second, steady) = (Stub::start(), Stub::start(), Stub::start());
    let site = |link: &Broker, store: &Stub, centre: &Broker| {
        let site = Site::new("rig").modbus(&plant, EVERY_MS, 4).mqtt(link.port).webhook("duty", duty.port());
        let site = site.influx("central", store.port()).influx("steady", steady.port());
        let uplink = format!("[[forward.mqtt]]\nname = \"centre\"\nconnect = \"mqtt://127.0.0.1:{}\"", centre.port);
        let untouched = format!(
            "[[mqtt]]\nname = \"other\"\nconnect = \"mqtt://127.0.0.1:{}\"\n[[mqtt.subscribe]]\ntopic = \"rig/+/v\"\n\
             device = \"o-{{1}}\"\npoint = [{{ name = \"w\", value = \"/v\", time = \"/ts\" }}]",
            other.port
        );
        site.with(&uplink).with(&untouched).text
    };
    let mut gateway = Gateway::start(&site(&old, &first, &old), dir.path());
    eventually(SOON, "subscribed", || old.subscribed() && other.subscribed());
    let sink = |name: &str, field: &str| {
        let of_it = gateway.items("ledger").into_iter().filter(|l| l["sink"] == name).map(|l| l[field].as_u64());
        of_it.flatten().sum::<u64>()
    };
    eventually(SOON, "both are fed", || first.accepted().len() > 50 && sink("mqtt/centre", "delivered") > 20);

    let committed = |sink_name: &str| sink(sink_name, "committed");
    let before = [committed("influxdb/central"), committed("mqtt/centre")];
    gateway.write_site(&site(&new, &second, &other));
    let (status, answer) = gateway.reload();
    assert_eq!(status, 200, "{answer}");
    let expected = json!(["mqtt changed: broker", "forward.influxdb changed: central", "forward.mqtt changed: centre"]);
    assert_eq!(answer["changes"], expected);
    eventually(SOON, "subscribed at the new one", || new.subscribed());
    let mut publisher = Publisher::connect(new.port);
    publisher.reading_at("a", 5.0, unix_ms());
    gateway.value("a/v", SOON, |v| v == Some(5.0));
    let writes = first.writes().len();
    eventually(SOON, "the store that took its place is fed", || second.accepted().len() > 50);
    eventually(SOON, "so is the centre", || {
        sink("mqtt/centre", "committed") > before[1] + 20 && sink("mqtt/centre", "pending") < 20
    });
    assert!(committed("influxdb/central") >= before[0], "the map of the store goes on");
    assert_eq!(first.writes().len(), writes, "the old one is left alone");
    assert_eq!((other.subscriptions(), plant.devices[0].connections()), (1, 1), "the others go on untouched");
    assert_eq!(
        gateway.metric("gengfu_source_restarts_total", "") + gateway.metric("gengfu_reader_restarts_total", ""),
        0.0
    );
    gateway.settle(SOON);
    let found: counting::Set = first.accepted().union(&second.accepted()).cloned().collect();
    let expected = counting::committed(&gateway.data());
    expected.compare(&found).unwrap();
    expected.compare(&steady.accepted()).unwrap();
    say(&format!("reload: {} samples in two stores, one after the other, none lost", found.len()));
}

#[test]
fn a_reload_is_not_the_end_of_a_trouble_but_the_end_of_its_link_is() {
    const RULE: &str = "gengfu/link-down";
    let (dir, plant) = (Folder::new("trouble"), Plant::start(1));
    let site = |limit: f64, port: u16| {
        let link = one_more_line(port);
        Site::new("rig").modbus(&plant, EVERY_MS, 4).with(&rule("r", "d0/r0", &high(limit, ""))).with(&link).text
    };
    let nobody = [free_port(), free_port()];
    let mut gateway = Gateway::start(&site(500.0, nobody[0]), dir.path());
    let down = || gateway.alarms(RULE);
    let alarm = until(Duration::from_mins(1), "the line is down for long", || down().into_iter().next());
    for next in [site(400.0, nobody[0]), site(400.0, nobody[1])] {
        gateway.write_site(&next);
        assert_eq!(gateway.reload().0, 200);
        // Its return would take a minute without a sign: the watch must go on, or begin with what stands.
        always(Duration::from_secs(3), "it is the same alarm, and stands", || {
            let now = down();
            now.len() == 1 && now[0]["id"] == alarm["id"] && now[0]["state"] == "unacknowledged"
        });
    }
    always(Duration::from_secs(75), "it stands however long the new address is out of reach too", || {
        let now = down();
        now.len() == 1 && now[0]["id"] == alarm["id"] && now[0]["state"] == "unacknowledged"
    });
    let text = site(400.0, nobody[1]).replace(&one_more_line(nobody[1]), "");
    gateway.write_site(&text);
    let (status, answer) = gateway.reload();
    assert_eq!((status, &answer["alarms_closed"]), (200, &json!(1)), "{answer}");
    assert!(down().is_empty() && gateway.point("gengfu/link-down.more").is_none());
    // A restart does not bring it back either.
    gateway.restart();
    always(Duration::from_secs(2), "what is gone can't be down", || gateway.alarms(RULE).is_empty());
    gateway.term();
}

fn one_more_line(port: u16) -> String {
    format!(
        "[[modbus]]\nname = \"more\"\nconnect = \"tcp://127.0.0.1:{port}\"\n[[modbus.device]]\nname = \"new\"\nunit = 1\nevery = \"100ms\"\n\
         point = [{{ name = \"n\", register = \"holding:1\", type = \"u32\" }}]"
    )
}

/// Of the line, the sinks and the trouble that were there for a while.
fn nothing_is_left(gateway: &Gateway) {
    let sinks: Vec<Value> = gateway.items("ledger").iter().map(|sink| sink["sink"].clone()).collect();
    let gone = ["influxdb/second", "mqtt/centre", "webhook/night"];
    assert!(gone.iter().all(|gone| sinks.iter().all(|sink| sink != gone)), "{sinks:?}");
    assert!(gateway.point("gengfu/link-down.more").is_none(), "what is gone can't be down");
    let links = gateway.api("status")["links"].to_string();
    assert!(["more", "second", "centre", "night"].iter().all(|gone| !links.contains(gone)), "{links}");
}

#[test]
fn a_rollback_puts_the_last_good_configuration_back() {
    let (dir, plant) = (Folder::new("rollback"), Plant::start(1));
    let site =
        |limit: f64| Site::new("rig").modbus(&plant, EVERY_MS, 4).with(&rule("r", "d0/r0", &high(limit, ""))).text;
    plant.devices[0].set(300);
    let mut gateway = Gateway::start(&site(500.0), dir.path());
    let original = std::fs::read_to_string(gateway.site_file()).unwrap();
    let rollback = || {
        let out = run(&["rollback", "-c", "site.toml"], dir.path());
        let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "{text}");
        text
    };
    eventually(SOON, "the first one is kept", || gateway.data().join("site.good.toml").is_file());
    // a broken file goes
    gateway.write_site("[site\nid = ");
    let told = rollback();
    assert!(told.contains("mistakes") && told.contains("The gateway runs on it."), "{told}");
    assert_eq!(std::fs::read_to_string(gateway.site_file()).unwrap(), original);
    // so does one that was applied and was not meant so
    gateway.write_site(&site(200.0));
    assert_eq!(gateway.reload().0, 200);
    gateway.alarm("r", SOON, |_| true);
    let told = rollback();
    assert!(told.contains("rule changed: r"), "{told}");
    assert_eq!(std::fs::read_to_string(gateway.site_file()).unwrap(), original);
    gateway.alarm("r", SOON, |a| a["state"] == "returned");
    // and without a gateway
    gateway.term();
    std::fs::remove_file(gateway.site_file()).unwrap();
    let told = rollback();
    assert!(told.contains("does not run"), "{told}");
    assert_eq!(std::fs::read_to_string(gateway.site_file()).unwrap(), original);
}

/// A slip in the file must not leave a building unwatched, neither at a reload nor at the start that comes some day after.
#[test]
fn a_broken_file_is_told_and_the_last_good_one_watches_on() {
    let (dir, plant) = (Folder::new("broken-file"), Plant::start(1));
    let site = Site::new("rig").modbus(&plant, EVERY_MS, 3).with(&rule("hot", "d0/r0", &high(500.0, ""))).text;
    let mut gateway = Gateway::start(&site, dir.path());
    let file = gateway.site_file();
    gateway.write_site(&format!("{site}\ncolour = 3\n"));
    let told = |gateway: &Gateway| {
        let status = gateway.api("status");
        let reasons = status["impaired"].as_array().cloned().unwrap_or_default();
        reasons.iter().any(|why| why.as_str().is_some_and(|why| why.contains("site file") && why.contains("colour")))
    };
    assert!(!told(&gateway), "nobody has read it yet");
    assert_eq!(gateway.reload().0, 422);
    eventually(SOON, "a refused file is told", || told(&gateway));
    gateway.alarm("gengfu/site-file", SOON, |_| true);

    plant.devices[0].set(900);
    gateway.alarm("hot", SOON, |_| true);
    gateway.kill9();
    gateway.restart();
    assert!(told(&gateway), "{}", gateway.log());
    assert!(gateway.log().contains("last good one"));
    gateway.alarm("hot", SOON, |alarm| alarm["active"] == true);
    plant.devices[0].set(0);
    gateway.alarm("hot", SOON, |alarm| alarm["active"] == false);
    let status = run(&["status", "-c", "site.toml"], dir.path());
    let said = String::from_utf8_lossy(&status.stdout).into_owned() + &String::from_utf8_lossy(&status.stderr);
    assert_eq!(status.status.code(), Some(2), "{said}");
    assert!(said.contains("colour") && said.contains("not in force"), "{said}");

    gateway.write_site(&site);
    assert_eq!(gateway.reload().0, 200);
    eventually(SOON, "mended", || !told(&gateway));
    // without a good one there is nothing to run on
    let broken = std::fs::read_to_string(&file).unwrap() + "\ncolour = 3\n";
    let fresh = Folder::new("broken-first");
    std::fs::write(fresh.path().join("site.toml"), broken).unwrap();
    assert_eq!(run(&["run", "-c", "site.toml"], fresh.path()).status.code(), Some(2));
}
