//! A receiver that takes heartbeats and all alarms but one: the one costs the others nothing, nothing of it is lost, and
//! the gateway says that people may not hear of it.

use std::time::Duration;

use gengfu_tests::gateway::Gateway;
use gengfu_tests::plant::{Device, Plant};
use gengfu_tests::process::Folder;
use gengfu_tests::receiver::Receiver;
use gengfu_tests::site::Site;
use gengfu_tests::wait::{SOON, eventually, length, now, pause, say};

const SECOND: Duration = Duration::from_secs(1);
const EVERY_MS: u64 = 10;
/// Between two flaps: each is polled.
const PACE: Duration = Duration::from_millis(20);
/// More than a push channel holds of all alarms together.
const FLAPS: u64 = 1_100;
/// After this long without an acceptance the gateway raises `gengfu/push-down`, and it returns a minute after the last sign.
const PUSH_DOWN: Duration = Duration::from_secs(120 + 10);

#[test]
fn one_alarm_that_is_refused_keeps_no_other_from_people() {
    let (dir, plant, receiver) = (Folder::new("stuck"), Plant::start(2), Receiver::start());
    let site = Site::new("rig").modbus(&plant, EVERY_MS, 3).flips(0, 2).webhook("duty", receiver.port());
    let mut gateway = Gateway::start(&site.with("heartbeat = \"1s\"").text, dir.path());
    gateway.value("d1/r0", SOON, |value| value == Some(0.0));
    receiver.refuse(Some("flip-d0"));
    let begun = now();
    while owed(&gateway) < FLAPS {
        flap(&plant.devices[0]);
    }
    plant.devices[0].set(0);
    raised_at_once(&plant, &receiver, 1);
    gateway.kill9();
    gateway.restart();
    plant.devices[1].set(0);
    receiver.expect(SOON, "the other returns after a restart", |p| {
        p.word("rule") == "flip-d1" && p.word("event") == "return"
    });
    raised_at_once(&plant, &receiver, 2);
    assert!(owed(&gateway) >= FLAPS, "all of the one are owed");

    if length(0, 1) > Duration::ZERO {
        // the restart began the two minutes anew
        let limit = PUSH_DOWN + SOON;
        receiver.expect(limit, "the gateway says so", |p| {
            p.word("rule") == "gengfu/push-down" && p.word("event") == "raise"
        });
        say(&format!("push-down was pushed {:?} after the first refusal, past a restart", begun.elapsed()));
    }
    receiver.refuse(None);
    let drained = eventually(Duration::from_mins(1), "all is pushed", || owed(&gateway) == 0);
    say(&format!(
        "{} transitions pushed, the last {drained:?} after they were taken again",
        receiver.complete().unwrap()
    ));
    if length(0, 1) > Duration::ZERO {
        receiver
            .expect(PUSH_DOWN, "it is over", |p| p.word("rule") == "gengfu/push-down" && p.word("event") == "return");
    }
    assert_eq!(gateway.metric("gengfu_sink_records", "state=\"dead\""), 0.0, "none was given up");
    gateway.term();
}

fn flap(device: &Device) {
    for value in [900, 0] {
        device.set(value);
        pause(PACE);
    }
}

/// Pushes that are owed to the duty room.
fn owed(gateway: &Gateway) -> u64 {
    let duty = |sink: &serde_json::Value| sink["sink"] == "webhook/duty";
    gateway.items("ledger").iter().filter(|sink| duty(sink)).filter_map(|sink| sink["pending"].as_u64()).sum()
}

/// The other alarm's `time`th raise.
fn raised_at_once(plant: &Plant, receiver: &Receiver, time: usize) {
    let raised = now();
    plant.devices[1].set(900);
    eventually(SOON, "the other is pushed", || {
        let raises = |p: &&gengfu_tests::receiver::Push| p.word("rule") == "flip-d1" && p.word("event") == "raise";
        receiver.seen().iter().filter(raises).count() == time
    });
    let took = raised.elapsed();
    say(&format!("while over {FLAPS} transitions of one alarm wait, another is pushed after {took:?}"));
    assert!(took < SECOND, "{took:?}");
}
