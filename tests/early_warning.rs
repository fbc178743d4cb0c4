//! The early warning, from the device to the receiver: a quantity that rises steadily is told before its limit is
//! reached, and the time that it says is left is about the time that was left.

use std::time::Duration;

use gengfu_tests::gateway::Gateway;
use gengfu_tests::plant::Plant;
use gengfu_tests::process::Folder;
use gengfu_tests::receiver::Receiver;
use gengfu_tests::site::Site;
use gengfu_tests::wait::{now, say, until};

const FROM: f64 = 100.0;
/// The limit of `Site::flips`.
const LIMIT: f64 = 500.0;
/// From start to limit. A trend with the shortest window there is speaks after 10 s of it.
const RISE: Duration = Duration::from_secs(17);
/// By how much the time that is left may be mistaken: one block of the window, and a fifth.
const BLOCK: Duration = Duration::from_secs(1);

#[test]
fn a_warning_comes_before_the_limit_is_reached() {
    let (dir, plant, receiver) = (Folder::new("warning"), Plant::start(2), Receiver::start());
    let site = Site::new("rig").modbus(&plant, 100, 4).flips(0, 2).webhook("duty", receiver.port());
    let site = site.with(&format!(
        "[[rule]]\nid = \"creep\"\npoints = \"*/r0\"\npriority = \"high\"\n\
         trend = {{ limit = {LIMIT:.1}, side = \"high\", within = \"60s\", window = \"16s\" }}"
    ));
    plant.devices[0].set(FROM as u16);
    plant.devices[1].set(FROM as u16);
    let mut gateway = Gateway::start(&site.text, dir.path());
    let start = now();
    let rise = || {
        let part = start.elapsed().as_secs_f64() / RISE.as_secs_f64();
        plant.devices[0].set((FROM + (LIMIT - FROM) * part).min(LIMIT) as u16);
    };
    let pushed = |rule: &str| {
        let rule = rule.to_owned();
        until(RISE * 2, &format!("push of {rule}"), || {
            rise();
            receiver.seen().into_iter().find(|p| p.word("rule") == rule && p.word("event") == "raise")
        })
    };
    let warning = pushed("creep");
    let standing = gateway.alarms("flip-d0").len();
    assert_eq!(standing, 0, "the limit is not reached when the warning comes");
    assert_eq!((warning.word("device"), warning.body["early_warning"].as_bool()), ("d0", Some(true)));
    let limit = pushed("flip-d0");
    assert_eq!(limit.body["early_warning"], false);

    let ahead = limit.at - warning.at;
    let told = Duration::from_millis(warning.body["time_to_limit_ms"].as_u64().unwrap());
    say(&format!("warned {ahead:?} before the limit was reached, {told:?} were said to be left"));
    assert!(ahead >= Duration::from_secs(2), "warned only {ahead:?} ahead");
    assert!(told.abs_diff(ahead) <= BLOCK + ahead / 5, "{told:?} said, {ahead:?} true");
    let idle: Vec<_> = receiver.seen().into_iter().filter(|p| p.word("device") == "d1").collect();
    assert!(idle.is_empty(), "what does not rise is not warned of: {idle:?}");

    let link = gateway.alarm("flip-d0", RISE, |alarm| !alarm["foretold"].is_null());
    assert_eq!(link["foretold"]["rule"], "creep");
    let told = gateway.api("early-warnings");
    assert_eq!((told["all"]["came_true"].as_u64(), told["outcomes"][0]["came"].as_str()), (Some(1), Some("flip-d0")));
    let lead = told["outcomes"][0]["lead_ms"].as_u64().unwrap();
    assert!(lead.abs_diff(ahead.as_millis() as u64) < 1_000, "{lead} ms told, {ahead:?} true");
    gateway.restart();
    assert_eq!(gateway.api("early-warnings")["outcomes"], told["outcomes"], "the lane tells it after a restart too");
    gateway.term();
}
