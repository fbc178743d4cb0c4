//! What people do to alarms and areas, on real parts: shelves, out of service, suppression by design, votes, modes; and that
//! none of it is forgotten when the process is killed in the middle.

use std::time::Duration;

use gengfu::journal::Entry;
use gengfu_tests::counting;
use gengfu_tests::gateway::{Gateway, run};
use gengfu_tests::http::Answer;
use gengfu_tests::plant::{Fault, Plant};
use gengfu_tests::process::Folder;
use gengfu_tests::receiver::Receiver;
use gengfu_tests::site::Site;
use gengfu_tests::wait::{SOON, always, eventually, until};
use serde_json::{Value, json};

/// Longer than a push takes that is on its way.
const QUIET: Duration = Duration::from_millis(1_500);
/// The longest time of a shelf or mode here, and some.
const ENDS: Duration = Duration::from_secs(40);
/// How late an end that was carried over a restart may be, in ms: the stopwatch and the clock are each
/// cut to the millisecond, before the kill and after it, so it may seem two early.
const ON_TIME_MS: std::ops::Range<i64> = -2..5_000;
/// After so long a vote says that it is degraded.
const DEGRADED: Duration = Duration::from_secs(90);

/// d0 and d1 stand in the hall, d2 and d3 in the plant room, d4 and d5 nowhere.
const RULES: &str = r#"
[[rule]]
id = "hot"
point = "d0/r0"
high = { limit = 500.0, clear = 400.0 }
priority = "high"

[[rule]]
id = "fire"
point = "d1/r0"
high = { limit = 500.0, clear = 400.0 }
priority = "critical"
latch = true

[[rule]]
id = "mains-off"
point = "d2/r0"
high = { limit = 500.0, clear = 400.0 }
priority = "high"

[[rule]]
id = "pump-stopped"
point = "d3/r0"
high = { limit = 500.0, clear = 400.0 }
priority = "high"
suppressed_by = "mains-off"

[[rule]]
id = "smoke"
point = "d4/r0"
high = { limit = 500.0, clear = 400.0 }
priority = "medium"

[[rule]]
id = "heat"
point = "d5/r0"
high = { limit = 500.0, clear = 400.0 }
priority = "medium"

[[rule]]
id = "both"
point = "d4/r0"
vote = { of = ["smoke", "heat"], need = 2, degraded = "fewer" }
priority = "critical"
"#;

struct Bench {
    dir: Folder,
    plant: Plant,
    receiver: Receiver,
    gateway: Gateway,
}

/// `hall`: what the area of d0 and d1 is called.
fn site(plant: &Plant, receiver: &Receiver, hall: &str, rules: &str) -> String {
    let site = Site::new("rig").modbus(plant, 100, 4).with(rules).webhook("duty", receiver.port());
    let places = [("d0", hall), ("d1", hall), ("d2", "plant room"), ("d3", "plant room")];
    places.into_iter().fold(site, |site, (device, area)| site.stands(device, area)).text
}

fn bench() -> Bench {
    let (dir, plant, receiver) = (Folder::new("lifecycle"), Plant::start(6), Receiver::start());
    let site = site(&plant, &receiver, "hall", RULES);
    let gateway = Gateway::start(&site, dir.path());
    for device in 0..6 {
        gateway.quality(&format!("d{device}/r0"), SOON, "good", None);
    }
    Bench { dir, plant, receiver, gateway }
}

impl Bench {
    fn set(&self, device: usize, value: u16) {
        self.plant.devices[device].set(value);
    }

    /// The alarm of a rule, announced or not, once it fits.
    fn open(&self, rule: &str, fits: impl Fn(&Value) -> bool) -> Value {
        until(SOON, &format!("open alarm of {rule}"), || {
            self.gateway.items("alarms?state=open").into_iter().find(|alarm| alarm["rule"] == rule && fits(alarm))
        })
    }

    fn is(&self, rule: &str, state: &str) -> Value {
        self.open(rule, |alarm| alarm["state"] == state)
    }

    fn gone(&self, rule: &str) {
        eventually(SOON, &format!("no alarm of {rule} is open"), || {
            self.gateway.items("alarms?state=open").iter().all(|alarm| alarm["rule"] != rule)
        });
    }

    fn order(&self, target: &str, act: &str, body: &Value) -> Answer {
        self.gateway.post(&format!("/api/v1/alarms/{}/{act}", target.replace('/', "%2F")), body)
    }

    /// The same, which must be taken.
    fn done(&self, target: &Value, act: &str, body: &Value) -> Value {
        let answer = self.order(target.as_str().unwrap(), act, body);
        assert_eq!(answer.status, 200, "{act}: {}", answer.text());
        answer.json()
    }

    /// The same, which must be refused, with the mend.
    fn refused(&self, target: &str, act: &str, body: &Value, status: u16, mend: &str) {
        let answer = self.order(target, act, body);
        assert_eq!(answer.status, status, "{act} {body}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(mend), "{act} {body}: {detail}");
    }

    fn mode(&self, area: &str, act: &str, body: &Value) -> Answer {
        self.gateway.post(&format!("/api/v1/modes/{}/{act}", area.replace(' ', "%20")), body)
    }

    fn begin(&self, area: &str, mode: &str, length: &str) {
        let body = json!({ "by": "rig", "mode": mode, "for": length, "reason": "yearly" });
        let answer = self.mode(area, "begin", &body);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// What runs in an area.
    fn running(&self, area: &str) -> Value {
        let areas = self.gateway.items("modes");
        areas.iter().find(|item| item["area"] == area).map(|item| item["running"].clone()).unwrap_or_default()
    }

    fn pushes_of(&self, rule: &str) -> usize {
        self.receiver.seen().iter().filter(|push| push.word("rule") == rule).count()
    }
}

fn shelf(length: &str) -> Value {
    json!({ "by": "rig", "for": length, "reason": "new sensor comes" })
}

#[test]
fn a_shelf_ends_by_its_time_its_one_shot_or_a_person_and_is_refused_with_the_mend() {
    let mut bench = bench();
    bench.set(0, 900);
    let hot = bench.is("hot", "unacknowledged");
    // a person
    let shelved = bench.done(&hot["id"], "shelve", &shelf("30m"));
    assert_eq!((shelved["state"].as_str(), shelved["life"].as_str()), (Some("shelved"), Some("unacknowledged")));
    let listed = bench.gateway.items("alarms?state=shelved").remove(0);
    assert_eq!((&listed["shelved"]["by"], &listed["shelved"]["reason"]), (&json!("rig"), &json!("new sensor comes")));
    assert!(bench.gateway.alarms("hot").is_empty(), "it is not among what stands");
    assert!(bench.gateway.metric("gengfu_alarms", "state=\"shelved\"") == 1.0);
    bench.refused(hot["id"].as_str().unwrap(), "shelve", &shelf("30m"), 409, "unshelve it first");
    bench.done(&hot["id"], "unshelve", &json!({ "by": "rig" }));
    bench.is("hot", "unacknowledged");
    // its time: it rings anew for whoever had seen it
    bench.done(&hot["id"], "acknowledge", &json!({ "by": "rig" }));
    bench.done(&hot["id"], "shelve", &shelf("2s"));
    let again = bench.is("hot", "unacknowledged");
    assert_eq!((again["event"].as_str(), again["by"].as_str()), (Some("unshelve"), Some("timer")));
    bench
        .receiver
        .expect(SOON, "the end of the shelf", |push| push.word("event") == "unshelve" && push.word("by") == "timer");
    // one shot: over with the condition
    let once = json!({ "by": "rig", "for": "1h", "reason": "r", "one_shot": true });
    bench.done(&hot["id"], "shelve", &once);
    bench.set(0, 0);
    bench.gone("hot");
    // one that is normal is put aside before it comes, and is journaled all the same
    bench.done(&json!("hot@d0/r0"), "shelve", &shelf("1h"));
    bench.set(0, 900);
    let aside = bench.open("hot", |alarm| alarm["life"] == "unacknowledged");
    assert_eq!(aside["state"], "shelved");
    // what is refused
    bench.refused("fire@d1/r0", "shelve", &shelf("1h"), 409, "mode of its area");
    bench.refused("mains-off@d2/r0", "shelve", &shelf("9h"), 400, "8h at most");
    bench.refused("mains-off@d2/r0", "shelve", &json!({ "by": "rig", "for": "1h" }), 400, "reason is missing");
    bench.refused("mains-off@d2/r0", "shelve", &json!({ "by": "rig", "reason": "r" }), 400, "for is missing");
    bench.refused("mains-off@d2/r0", "unshelve", &json!({ "by": "rig" }), 409, "it is normal");
    bench.refused("no-such-rule@d2/r0", "shelve", &shelf("1h"), 404, "rule@device/point");
    bench.gateway.term();
    let lane = counting::open(&bench.gateway.data(), |journal, _| counting::entries(journal));
    let audited: Vec<String> = lane
        .into_iter()
        .filter_map(|entry| match entry {
            Entry::Audit { action, detail, .. } => Some(format!("{action} {detail}")),
            Entry::Alarm(_)
            | Entry::Start { .. }
            | Entry::Stop { .. }
            | Entry::Gap { .. }
            | Entry::Mode(_)
            | Entry::Level(_)
            | Entry::Maintenance { .. } => None,
        })
        .collect();
    for wanted in [
        "shelve hot d0/r0; 30m; new sensor comes",
        "shelve-refused it lies on a shelf already",
        "shelve-refused reason is missing",
        "shelve-refused there is no such",
        "unshelve",
    ] {
        assert!(audited.iter().any(|line| line.starts_with(wanted)), "{wanted} is not in the audit: {audited:?}");
    }
}

#[test]
fn out_of_service_notes_and_reset() {
    let mut bench = bench();
    bench.set(1, 900);
    let fire = bench.is("fire", "unacknowledged");
    let noted = bench.done(&fire["id"], "note", &json!({ "by": "rig", "note": "brigade is called" }));
    assert_eq!((noted["event"].as_str(), noted["note"].as_str()), (Some("note"), Some("brigade is called")));
    // even what may lie on no shelf can be taken out of service, and is counted there
    bench.done(&fire["id"], "out-of-service", &shelf("7d"));
    let out = bench.is("fire", "out-of-service");
    assert_eq!(out["out_of_service"]["reason"], "new sensor comes");
    bench.refused(fire["id"].as_str().unwrap(), "out-of-service", &shelf("31d"), 400, "at most");
    bench.done(&fire["id"], "return-to-service", &json!({ "by": "rig" }));
    bench.is("fire", "unacknowledged");
    // latched: seen, over, reset
    bench.refused(fire["id"].as_str().unwrap(), "reset", &json!({ "by": "rig" }), 409, "wait for its return");
    bench.set(1, 0);
    bench.is("fire", "latched");
    bench.refused(fire["id"].as_str().unwrap(), "reset", &json!({ "by": "rig" }), 409, "acknowledge first");
    bench.done(&fire["id"], "acknowledge", &json!({ "by": "rig" }));
    bench.done(&fire["id"], "reset", &json!({ "by": "rig", "note": "was steam" }));
    bench.gone("fire");
    bench.refused(
        fire["id"].as_str().unwrap(),
        "note",
        &json!({ "by": "rig", "note": "late" }),
        409,
        "(reset, by rig)",
    );
    // its time brings it back
    bench.done(&json!("hot@d0/r0"), "out-of-service", &shelf("2s"));
    bench.is("hot", "out-of-service");
    bench.gone("hot");
    bench.gateway.term();
}

#[test]
fn what_explains_others_hides_them_and_counts_them() {
    let mut bench = bench();
    bench.set(2, 900);
    bench.is("mains-off", "unacknowledged");
    bench.set(3, 900);
    let hidden = bench.is("pump-stopped", "suppressed");
    assert_eq!((hidden["life"].as_str(), hidden["suppressed"].as_bool()), (Some("unacknowledged"), Some(true)));
    assert!(bench.gateway.alarms("pump-stopped").is_empty());
    assert!(bench.gateway.metric("gengfu_alarms", "state=\"suppressed\"") == 1.0);
    // the power is back, the pump is not: now it is an alarm
    bench.set(2, 0);
    let told = bench.is("pump-stopped", "unacknowledged");
    assert_eq!(told["event"], "unsuppress");
    bench.gateway.term();
}

/// A test explains nothing: what is real is announced whatever somebody tries out.
#[test]
fn a_test_of_the_mains_hides_no_real_pump() {
    let mut bench = bench();
    bench.begin("plant room", "maintenance", "1h");
    bench.set(2, 900);
    bench.open("mains-off", |alarm| alarm["test"] == "maintenance");
    bench.set(3, 900);
    let pump = bench.open("pump-stopped", |_| true);
    assert_eq!((pump["state"].as_str(), pump["suppressed"].as_bool()), (Some("unacknowledged"), Some(false)));
    bench.gateway.term();
}

#[test]
fn a_vote_of_two_needs_both_and_says_when_a_voter_is_dead() {
    let mut bench = bench();
    bench.set(4, 900);
    bench.is("smoke", "unacknowledged");
    always(QUIET, "one of two is no vote", || bench.gateway.alarms("both").is_empty());
    bench.set(5, 900);
    bench.is("both", "unacknowledged");
    for device in [4, 5] {
        bench.set(device, 0);
    }
    bench.is("both", "returned");
    // heat dies: those that are left decide, and it is told
    bench.plant.devices[5].fault(Fault::Silent);
    bench.gateway.quality("d5/r0", SOON, "bad", None);
    bench.set(4, 900);
    bench.is("both", "unacknowledged");
    until(DEGRADED, "the vote says that it is degraded", || bench.gateway.alarms("both/degraded").pop());
    bench.gateway.term();
}

#[test]
fn a_walk_test_calls_nobody_says_what_was_tripped_and_leaves_other_areas_alone() {
    let mut bench = bench();
    bench.begin("hall", "walk-test", "1h");
    let again = json!({ "by": "rig", "mode": "drill", "for": "1h", "reason": "r" });
    assert_eq!(bench.mode("hall", "begin", &again).status, 409);
    assert_eq!(bench.mode("cellar", "begin", &again).status, 404);
    assert_eq!(bench.mode("gengfu", "begin", &again).status, 404, "the gateway is no place to work in");
    let long = json!({ "by": "rig", "mode": "drill", "for": "13h", "reason": "r" });
    assert!(bench.mode("plant room", "begin", &long).text().contains("at most"));
    bench.set(1, 900);
    let test = bench.is("fire", "unacknowledged");
    assert_eq!(test["test"], "walk-test");
    assert!(test["message"]["zh"].as_str().unwrap().starts_with("【测试】"));
    // real, elsewhere, meanwhile
    bench.set(2, 900);
    bench.receiver.expect(SOON, "the real one", |push| push.word("rule") == "mains-off");
    always(QUIET, "nobody is called by a test", || bench.pushes_of("fire") == 0);
    eventually(SOON, "the walk has tripped one", || bench.running("hall")["tripped"] == json!(["d1/r0"]));
    assert_eq!(bench.running("hall")["untripped"], json!(["d0/r0"]));
    let cli = run(&["modes", "-c", "site.toml"], bench.dir.path());
    let told = String::from_utf8_lossy(&cli.stdout).into_owned();
    assert!(cli.status.success() && told.contains("walk-test") && told.contains("not tripped (1): d0/r0"), "{told}");
    // over before the mode is, and seen
    bench.set(1, 0);
    let held = bench.is("fire", "latched");
    bench.done(&held["id"], "acknowledge", &json!({ "by": "rig" }));
    bench.done(&held["id"], "reset", &json!({ "by": "rig" }));
    let ended = run(&["modes", "end", "hall", "--by", "rig", "--reason", "done", "-c", "site.toml"], bench.dir.path());
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    assert!(String::from_utf8_lossy(&ended.stdout).contains("tripped (1): d1/r0"));
    assert_eq!(bench.running("hall"), Value::Null);
    let past = bench.gateway.items("modes?state=all");
    assert_eq!((past[0]["change"].as_str(), &past[0]["untripped"]), (Some("ended"), &json!(["d0/r0"])));
    // the same point is real again
    bench.set(1, 900);
    bench.receiver.expect(SOON, "the real fire", |push| push.word("rule") == "fire" && push.body["test"].is_null());
    bench.gateway.term();
}

#[test]
fn what_other_rules_end_is_told_with_what_was_walked_and_what_nobody_had_seen() {
    let mut bench = bench();
    bench.set(2, 900);
    bench.is("mains-off", "unacknowledged");
    bench.begin("hall", "walk-test", "1h");
    bench.set(1, 900);
    bench.is("fire", "unacknowledged");
    eventually(SOON, "the walk has tripped one", || bench.running("hall")["tripped"] == json!(["d1/r0"]));
    // The hall has another name, and nobody watches the mains.
    let rules = RULES.replace("id = \"mains-off\"", "id = \"mains\"").replace("\"mains-off\"", "\"mains\"");
    bench.gateway.write_site(&site(&bench.plant, &bench.receiver, "lobby", &rules));
    let (status, done) = bench.gateway.reload();
    assert_eq!((status, &done["alarms_closed"]), (200, &json!(1)), "{done}");
    let past = bench.gateway.items("modes?state=all");
    assert_eq!((past[0]["change"].as_str(), past[0]["by"].as_str()), (Some("ended"), Some("configuration")));
    assert_eq!((&past[0]["tripped"], &past[0]["untripped"]), (&json!(["d1/r0"]), &json!(["d0/r0"])));
    let closed = bench
        .receiver
        .expect(SOON, "the alarm is closed", |push| push.word("rule") == "mains-off" && push.word("event") == "return");
    let told = (closed.body["message"]["en"].as_str().unwrap(), closed.body["message"]["zh"].as_str().unwrap());
    assert!(told.0.ends_with("nobody had acknowledged it") && told.1.ends_with("（此前无人确认）"), "{told:?}");
    bench.gateway.term();
}

#[test]
fn a_drill_calls_people_and_what_stands_when_a_mode_is_over_is_real() {
    let mut bench = bench();
    bench.begin("hall", "drill", "1h");
    bench.set(0, 900);
    let push = bench.receiver.expect(SOON, "the drill", |push| push.word("rule") == "hot");
    assert_eq!(push.word("test"), "drill");
    assert!(push.body["message"]["zh"].as_str().unwrap().starts_with("【演练】"));
    bench.begin("plant room", "maintenance", "6s");
    bench.set(2, 900);
    bench.open("mains-off", |alarm| alarm["test"] == "maintenance");
    // its time is over, and the alarm is not
    let real = bench.open("mains-off", |alarm| alarm["test"].is_null());
    assert_eq!((real["event"].as_str(), real["state"].as_str()), (Some("raise"), Some("unacknowledged")));
    let push = bench.receiver.expect(SOON, "it is raised for real", |push| push.word("rule") == "mains-off");
    assert!(push.body["test"].is_null() && push.word("event") == "raise", "{}", push.body);
    assert_eq!(bench.gateway.items("modes?state=all")[0]["change"], "expired");
    bench.gateway.term();
}

#[test]
fn a_kill_in_the_middle_forgets_no_shelf_mode_or_vote() {
    let mut bench = bench();
    for device in [0, 2, 4, 5] {
        bench.set(device, 900);
    }
    let hot = bench.is("hot", "unacknowledged");
    bench.is("both", "unacknowledged");
    bench.is("mains-off", "unacknowledged");
    bench.set(3, 900);
    let pump = bench.is("pump-stopped", "suppressed");
    bench.begin("hall", "walk-test", "25s");
    bench.set(1, 900);
    let fire = bench.open("fire", |alarm| alarm["test"] == "walk-test");
    // what is real comes again: the walk has tripped it, and it stays real
    bench.set(0, 0);
    bench.is("hot", "returned");
    bench.set(0, 900);
    assert_eq!(bench.is("hot", "unacknowledged")["test"], Value::Null);
    bench.done(&hot["id"], "shelve", &shelf("15s"));
    bench.gateway.kill9();
    bench.gateway.restart();
    // all of it is as it was
    let shelved = bench.is("hot", "shelved");
    assert_eq!((&shelved["id"], &shelved["shelved"]["reason"]), (&hot["id"], &json!("new sensor comes")));
    assert_eq!(bench.is("pump-stopped", "suppressed")["id"], pump["id"]);
    assert_eq!(bench.is("both", "unacknowledged")["event"], "raise");
    let mode = bench.running("hall");
    assert_eq!((&mode["tripped"], &mode["untripped"]), (&json!(["d0/r0", "d1/r0"]), &json!([])));
    assert_eq!(bench.open("fire", |_| true)["test"], "walk-test");
    assert_eq!(bench.pushes_of("fire"), 0, "nobody is called by the walk");
    // and ends on time
    let announced = |rule: &str, fits: &dyn Fn(&Value) -> bool| {
        until(ENDS, &format!("{rule} is announced"), || {
            bench.gateway.alarms(rule).into_iter().find(|alarm| fits(alarm))
        })
    };
    let late = |told: &Value, until: &Value| told["detected"].as_i64().unwrap() - until.as_i64().unwrap();
    let told = announced("hot", &|_| true);
    assert_eq!((told["event"].as_str(), &told["id"]), (Some("unshelve"), &hot["id"]));
    let late_by = late(&told, &shelved["shelved"]["until"]);
    assert!(ON_TIME_MS.contains(&late_by), "the shelf ended {late_by} ms after its end");
    let real = announced("fire", &|alarm| alarm["test"].is_null());
    assert_eq!((&real["event"], &real["id"]), (&json!("raise"), &fire["id"]));
    let late_by = late(&real, &mode["until"]);
    assert!(ON_TIME_MS.contains(&late_by), "the walk ended {late_by} ms after its end");
    bench.receiver.expect(SOON, "the fire is real", |push| push.word("rule") == "fire" && push.body["test"].is_null());
    assert_eq!(bench.running("hall"), Value::Null);
    bench.gateway.term();
}

#[test]
fn the_command_line_does_what_the_page_does() {
    let mut bench = bench();
    let dir = bench.dir.path().to_owned();
    let ask = |words: &[&str]| {
        let out = run(&[words, &["-c", "site.toml"]].concat(), &dir);
        (
            out.status.code(),
            String::from_utf8_lossy(&out.stdout).into_owned(),
            String::from_utf8_lossy(&out.stderr).into_owned(),
        )
    };
    assert_eq!(ask(&["alarms"]), (Some(0), "none\n".to_owned(), String::new()));
    let (code, _, why) = ask(&["alarms", "note", "hot@d0/r0", "x", "--by", "张三"]);
    assert!(code == Some(1) && why.contains("it is normal; nothing to write a note to"), "{why}");
    bench.set(1, 900);
    let fire = bench.is("fire", "unacknowledged");
    let id = fire["id"].as_str().unwrap();
    assert!(ask(&["alarms", "list"]).1.contains(id));
    let (code, told, why) = ask(&["alarms", "ack", id, "--by", "张三", "--note", "已派人"]);
    assert!(code == Some(0) && told.contains("acknowledged by 张三"), "{told}{why}");
    assert_eq!(ask(&["alarms", "note", id, "等备件", "--by", "李四"]).0, Some(0));
    let (_, told, why) = ask(&["alarms", "show", "fire@d1/r0"]);
    assert!(told.contains("note by 李四: 等备件") && told.contains("acknowledged by 张三"), "{told}{why}");
    let (code, _, why) = ask(&["alarms", "shelve", id, "--for", "1h", "--reason", "r", "--by", "x"]);
    assert!(code == Some(1) && why.contains("may not be put aside"), "{why}");
    let (code, _, why) = ask(&["alarms", "shelve", "hot@d0/r0", "--for", "soon", "--reason", "r", "--by", "x"]);
    assert!(code == Some(2) && why.contains("as 30m or 8h"), "{why}");
    assert_eq!(ask(&["alarms", "shelve", "hot@d0/r0", "--for", "1h", "--by", "x"]).0, Some(2), "no reason");
    let (code, told, why) = ask(&["alarms", "shelve", "hot@d0/r0", "--for", "1h", "--reason", "换泵", "--by", "张三"]);
    assert!(code == Some(0) && told.contains("shelved"), "{told}{why}");
    let (_, told, _) = ask(&["alarms", "list", "--state", "shelved"]);
    assert!(told.contains("shelved by 张三 for another") && told.contains("换泵"), "{told}");
    let (_, told, _) = ask(&["alarms", "list", "--state", "all", "--json"]);
    assert!(serde_json::from_str::<Value>(&told).unwrap()["items"].as_array().unwrap().len() >= 3);
    assert_eq!(ask(&["alarms", "unshelve", "hot@d0/r0", "--by", "张三"]).0, Some(0));
    assert_eq!(ask(&["modes", "begin", "hall", "drill", "--for", "1h", "--reason", "r", "--by", "张三"]).0, Some(0));
    assert!(ask(&["status"]).1.contains("drill in hall by 张三"));
    bench.gateway.term();
}
