//! What a kill costs where little is read: there the window's 2 seconds decide, not its 1,000 readings.

use std::time::Duration;

use gengfu_tests::counting::{committed, poll_numbers};
use gengfu_tests::gateway::Gateway;
use gengfu_tests::plant::Plant;
use gengfu_tests::process::Folder;
use gengfu_tests::site::Site;
use gengfu_tests::wait::{SOON, eventually, now, pause, quiet, say};

/// The window's time limb, by the design.
const WINDOW: Duration = Duration::from_secs(2);
/// The window's size limb.
const WINDOW_READINGS: u32 = 1_000;
/// A reading's way from the device's answer to the window, and the sync at the window's end.
const WAY: Duration = Duration::from_millis(500);
const EVERY_MS: u64 = 250;
/// `r0` and the counter.
const READINGS_A_POLL: u32 = 2;
/// Gateways, each killed at another moment: 0, 0.7 s … 3.5 s after a commit, which is nearly two windows.
const GATEWAYS: u64 = 6;
const STEP_MS: u64 = 700;

/// What a kill cost: polls, and how long before it the oldest of them was answered.
#[derive(Debug)]
struct Loss {
    polls: u32,
    oldest: Duration,
}

#[test]
fn a_kill_costs_two_seconds_of_slow_polling_at_most() {
    let _quiet = quiet();
    let plant = Plant::start(GATEWAYS as usize);
    let plant = &plant;
    let losses: Vec<Loss> = std::thread::scope(|scope| {
        let started: Vec<_> = (0..GATEWAYS).map(|nth| scope.spawn(move || killed(plant, nth))).collect();
        started.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (nth, loss) in losses.iter().enumerate() {
        let after = nth as u64 * STEP_MS;
        say(&format!("killed {after} ms after a commit: {} polls lost, the oldest {:?} old", loss.polls, loss.oldest));
        assert!(loss.oldest <= WINDOW + WAY, "what was read {:?} before the kill is lost", loss.oldest);
        assert!(loss.polls * READINGS_A_POLL < WINDOW_READINGS / 10, "the size limb decided, not the time");
    }
    assert!(losses.iter().any(|loss| loss.oldest >= WINDOW / 2), "no kill was late enough in its window to show it");
}

/// One gateway with one slow device, killed `nth` steps after a commit.
fn killed(plant: &Plant, nth: u64) -> Loss {
    let (dir, device) = (Folder::new("window"), &plant.devices[nth as usize]);
    let port = plant.ports()[nth as usize];
    let mut gateway = Gateway::start(&Site::new("rig").modbus_at(&[port], EVERY_MS, 3).patient().text, dir.path());
    eventually(SOON, "some windows are committed", || gateway.stage("committed") > 20.0);
    let before = gateway.stage("committed");
    eventually(SOON, "a commit", || gateway.stage("committed") > before);
    pause(Duration::from_millis(nth * STEP_MS));
    gateway.kill9();
    let (at, polls) = (now(), device.polls());

    let kept = poll_numbers(&committed(&gateway.data()).must, "d0");
    let last = kept.last().copied().unwrap_or(0);
    assert_eq!(kept, (1..=last).collect::<Vec<_>>(), "only the last polls may be missing");
    let oldest = device.log().iter().find(|(n, _)| *n == last + 1).map(|(_, answered)| at - *answered);
    Loss { polls: polls.saturating_sub(last), oldest: oldest.unwrap_or_default() }
}
