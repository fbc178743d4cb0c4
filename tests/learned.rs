//! What a rule has learned, over a clean stop, kill -9 and a person's word: the belief goes on, alarms are neither doubled nor
//! lost, and what was forgotten stays forgotten.

use gengfu::journal::Entry;
use gengfu_tests::counting;
use gengfu_tests::gateway::{Gateway, run};
use gengfu_tests::plant::Plant;
use gengfu_tests::process::Folder;
use gengfu_tests::site::Site;
use gengfu_tests::wait::{SOON, say, until};
use serde_json::Value;

const RULE: &str = "slow";
const POINT: &str = "d0/r0";

/// What the rule believes, once that fits.
fn belief(gateway: &Gateway, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
    until(SOON, what, || gateway.items("learned").into_iter().find(|held| held["rule"] == RULE && fits(held)))
}

/// The rule has learned that this is usual.
fn usual(gateway: &Gateway, value: f64) -> Value {
    let near = |held: &Value| held["usual"].as_f64().is_some_and(|usual| (usual - value).abs() < 1.0);
    belief(gateway, &format!("{value} is usual"), |held| held["learned"] == 1.0 && near(held))
}

/// What stands does not teach, so what is believed must not have moved at all.
fn same(gateway: &Gateway, alarm: &Value, believed: &Value) {
    let after = belief(gateway, "it believes something", |_| true);
    for key in ["usual", "sigma", "learned", "restarts", "moved", "stands"] {
        assert_eq!(after[key], believed[key], "{key} of {after} and {believed}");
    }
    let standing = gateway.alarms(RULE);
    assert_eq!(standing.len(), 1, "one alarm stands: {standing:?}");
    let one = &standing[0];
    assert_eq!((&one["id"], &one["number"], &one["onset"]), (&alarm["id"], &alarm["number"], &alarm["onset"]));
}

fn steps(entries: &[Entry], event: &str) -> usize {
    let step = |entry: &&Entry| matches!(entry, Entry::Alarm(alarm) if alarm.rule == RULE && alarm.event == event);
    entries.iter().filter(step).count()
}

#[test]
fn what_was_learned_goes_on_over_a_stop_and_a_kill_and_is_forgotten_by_a_person_alone() {
    let (dir, plant) = (Folder::new("learned"), Plant::start(1));
    let rule = format!(
        "[[rule]]\nid = \"{RULE}\"\npoint = \"{POINT}\"\npriority = \"medium\"\n\
         drift = {{ side = \"high\", shift = 5.0, resolution = 0.5, block = \"1s\", learn = \"10s\" }}"
    );
    plant.devices[0].set(100);
    let mut gateway = Gateway::start(&Site::new("rig").modbus(&plant, 100, 3).patient().with(&rule).text, dir.path());
    usual(&gateway, 100.0);
    plant.devices[0].set(150);
    let alarm = gateway.alarm(RULE, SOON, |_| true);
    let believed = belief(&gateway, "it stands", |held| held["stands"] == true);
    say(&format!("learned: {believed}"));

    gateway.term();
    gateway.restart();
    same(&gateway, &alarm, &believed);
    gateway.kill9();
    gateway.restart();
    same(&gateway, &alarm, &believed);

    let site = gateway.site_file();
    let site = site.to_str().unwrap();
    let shown = run(&["learned", "-c", site], dir.path());
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    let short = |key: &str| {
        let text = format!("{:.4}", believed[key].as_f64().unwrap());
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    let shown_usual = format!("usual {} ± {}", short("usual"), short("sigma"));
    assert!(shown.contains(&format!("STANDS  {shown_usual}")), "{shown}");
    let asked = ["learn-again", RULE, POINT, "--by", "guard", "--reason", "sensor replaced", "-c", site];
    let wrong = run(&["learn-again", RULE, "d0/n", "--by", "guard", "--reason", "r", "-c", site], dir.path());
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
    let done = run(&asked, dir.path());
    let told = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success() && told.contains(&format!("until now it believed: {shown_usual}")), "{done:?}");
    assert_eq!(gateway.alarms(RULE)[0]["id"], alarm["id"], "what stands goes on standing");
    gateway.kill9();
    gateway.restart();
    // Had the old state come back, 150 would never become usual: what stands does not teach.
    usual(&gateway, 150.0);
    until(SOON, "the new sensor is as it should be", || {
        gateway.alarms(RULE).iter().all(|alarm| alarm["active"] == false).then_some(())
    });
    gateway.alarm_lane_on_disk();
    let entries = gateway.journal(counting::entries);
    assert_eq!((steps(&entries, "raise"), steps(&entries, "return")), (1, 1));
    let audit = entries.iter().find_map(|entry| match entry {
        Entry::Audit { by, action, target, detail, .. } if action == "learn-again" => Some((by, target, detail)),
        Entry::Audit { .. }
        | Entry::Alarm(_)
        | Entry::Start { .. }
        | Entry::Stop { .. }
        | Entry::Gap { .. }
        | Entry::Mode(_)
        | Entry::Level(_)
        | Entry::Maintenance { .. } => None,
    });
    let (by, target, detail) = audit.expect("it is in the audit");
    assert_eq!((by.as_str(), target.as_str()), ("guard", "slow@d0/r0"));
    let told = format!("sensor replaced; until now it believed: usual {:.4}", believed["usual"].as_f64().unwrap());
    assert!(detail.starts_with(&told), "{detail}");
    gateway.term();
}
