//! A bad second: five thousand alarms at once, through journal, notify and console. None is missing and none comes twice.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use gengfu::flow::AlarmEvent;
use gengfu::journal::Entry;
use gengfu_tests::broker::Broker;
use gengfu_tests::counting::entries;
use gengfu_tests::gateway::Gateway;
use gengfu_tests::process::Folder;
use gengfu_tests::publisher::Publisher;
use gengfu_tests::receiver::Receiver;
use gengfu_tests::site::Site;
use gengfu_tests::wait::{SOON, eventually, now, quiet, say, unix_ms};

const ALARMS: usize = 5_000;
const RULE: &str = "storm";

#[test]
fn five_thousand_alarms_at_once() {
    let _quiet = quiet();
    let (dir, broker, receiver) = (Folder::new("storm"), Broker::start(), Receiver::start());
    let site = Site::new("rig").mqtt(broker.port).webhook("duty", receiver.port()).with(&format!(
        "[[rule]]\nid = \"{RULE}\"\npoint = \"*/v\"\nhigh = {{ limit = 500.0, clear = 400.0 }}\npriority = \"high\""
    ));
    let text = site.text.replace("max_devices = 500", &format!("max_devices = {ALARMS}"));
    let mut gateway = Gateway::start(&text, dir.path());
    eventually(SOON, "the gateway has subscribed", || broker.subscribed());
    let mut publisher = Publisher::connect(broker.port);
    let mut all_say = |value: f64| {
        let at = unix_ms();
        (0..ALARMS).for_each(|n| publisher.reading_at(&format!("s{n}"), value, at));
        publisher.flush();
    };
    all_say(1.0);
    eventually(SOON, "every point is well", || gateway.stage("committed") >= ALARMS as f64);
    assert_eq!(gateway.alarms(RULE), Vec::<serde_json::Value>::new());

    let began = now();
    all_say(900.0);
    let said = began.elapsed();
    let mut pushed: HashMap<String, usize> = HashMap::new();
    let mut looked = 0;
    let complete = eventually(Duration::from_mins(2), "every one is pushed", || {
        for push in receiver.pushes_after(looked) {
            looked += 1;
            if push.accepted && push.word("rule") == RULE && push.word("event") == "raise" {
                *pushed.entry(push.key).or_default() += 1;
            }
        }
        pushed.len() >= ALARMS
    });
    let standing = gateway.alarms(RULE);
    let of: HashSet<&str> = standing.iter().filter_map(|alarm| alarm["device"].as_str()).collect();
    assert_eq!((standing.len(), of.len()), (ALARMS, ALARMS), "each stands on the console, once");
    assert!(standing.iter().all(|alarm| alarm["state"] == "unacknowledged"));

    gateway.alarm_lane_on_disk();
    let lane: Vec<AlarmEvent> = gateway.journal(entries).into_iter().filter_map(Entry::into_alarm).collect();
    let lane: Vec<&AlarmEvent> = lane.iter().filter(|event| event.rule == RULE).collect();
    let keys: HashSet<String> = lane.iter().map(|event| event.key()).collect();
    assert!(lane.iter().all(|event| event.event == "raise"));
    assert_eq!((lane.len(), keys.len()), (ALARMS, ALARMS), "each is in the lane, once");
    assert_eq!(pushed.keys().cloned().collect::<HashSet<_>>(), keys, "pushed is what is in the lane");
    assert!(pushed.values().all(|times| *times == 1), "none was pushed twice");
    let detected = || lane.iter().map(|event| event.detected);
    say(&format!(
        "{ALARMS} alarms detected within {} ms, while the broker took them in {said:?}; the last was pushed {:?} after the first \
         reading",
        detected().max().unwrap() - detected().min().unwrap(),
        said + complete
    ));
    gateway.term();
}
