//! What must not be lost, class by class: polled readings, alarm transitions, acknowledgements of a person. (Messages are
//! counted by the sets of `counting`.)

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use gengfu::flow::AlarmEvent;
use gengfu::journal::Entry;
use gengfu_tests::counting::{Set, poll_numbers};
use gengfu_tests::plant::Plant;
use gengfu_tests::receiver::{Push, Receiver};
use serde_json::Value;

/// The plant whose polls are counted.
pub(crate) const DEVICES: usize = 10;
pub(crate) const EVERY_MS: u64 = 100;
pub(crate) const REGISTERS: u16 = 6;
/// `r0`, the counter in two registers, and the other three.
pub(crate) const READINGS_A_POLL: u64 = REGISTERS as u64 - 1;
/// The commit window: 1,000 readings or 2 s of polls, whichever is less.
const WINDOW: Duration = Duration::from_secs(2);
const WINDOW_READINGS: u64 = 1_000;
const WINDOW_POLLS: u64 = WINDOW.as_millis() as u64 / EVERY_MS * DEVICES as u64;
/// One window, and what is on the wire.
pub(crate) const MOST_POLLS_LOST: u64 =
    if WINDOW_POLLS < WINDOW_READINGS / READINGS_A_POLL { WINDOW_POLLS } else { WINDOW_READINGS / READINGS_A_POLL }
        + DEVICES as u64;

/// Syncs of a commit, at most: one that also moves the log into the file ends that with two more.
const SYNCS: u32 = 3;
/// What a reading's way from the device's answer into the window, and the writer's to a core, may take beside that on a machine that
/// others keep busy. On an idle one it is some ms.
const WAY: Duration = Duration::from_secs(1);

/// What the plant had answered when the gateway was dead.
#[derive(Debug, Clone)]
pub(crate) struct Kill {
    /// When it died.
    pub at: Instant,
    pub polls: Vec<u32>,
    /// The longest sync of the round, one that was under way included; zero where nobody measured.
    pub sync: Duration,
}

impl Kill {
    pub(crate) fn of(plant: &Plant, at: Instant) -> Self {
        Self { at, polls: plant.devices.iter().map(|device| device.polls()).collect(), sync: Duration::ZERO }
    }

    /// How old the oldest poll that it took may be: a window, and the commit that it broke off.
    pub(crate) fn oldest_allowed(&self) -> Duration {
        WINDOW + WAY + self.sync * SYNCS
    }
}

/// What a kill took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lost {
    pub polls: u64,
    /// How long before the kill the oldest of them was answered.
    pub oldest: Duration,
}

/// Every poll that was answered is stored, but for the last window before each kill: what each took.
pub(crate) fn polled_loss(plant: &Plant, kills: &[Kill], found: &Set) -> Vec<Lost> {
    let lost = lost_polls(plant, kills, found);
    let worst = lost.iter().map(|l| l.polls).max().unwrap_or(0);
    assert!(worst <= MOST_POLLS_LOST, "more than one window lost: {worst} polls at a kill");
    for (kill, Lost { oldest, .. }) in kills.iter().zip(&lost) {
        let (allowed, sync) = (kill.oldest_allowed(), kill.sync);
        assert!(
            *oldest <= allowed,
            "lost {oldest:?} before a kill, {allowed:?} allowed: the longest sync took {sync:?}"
        );
    }
    lost
}

/// Every poll that was answered is stored, but for the last before each kill: what each took. The gateway must have ended in
/// good order after the last.
pub(crate) fn lost_polls(plant: &Plant, kills: &[Kill], found: &Set) -> Vec<Lost> {
    let mut lost = vec![Lost::default(); kills.len()];
    for (index, device) in plant.devices.iter().enumerate() {
        let (numbers, log) = (poll_numbers(found, &format!("d{index}")), device.log());
        assert!(numbers.windows(2).all(|pair| pair[0] != pair[1]), "d{index}: a poll is stored twice");
        let mut from = 0;
        for (kill, lost) in kills.iter().zip(&mut lost) {
            let end = kill.polls[index];
            let kept = numbers.iter().filter(|n| (from + 1..=end).contains(n)).max().copied().unwrap_or(from);
            let run = numbers.iter().filter(|n| (from + 1..=kept).contains(n)).count();
            assert_eq!(run, (kept - from) as usize, "d{index}: only the last polls before a kill may be missing");
            lost.polls += u64::from(end - kept);
            if let Some((_, answered)) = log.iter().find(|(n, _)| *n == kept + 1 && *n <= end) {
                lost.oldest = lost.oldest.max(kill.at.saturating_duration_since(*answered));
            }
            from = end;
        }
        let kept = numbers.last().copied().unwrap_or(0);
        assert!(device.polls() - kept <= 1, "d{index}: a clean stop loses only what is on the wire");
    }
    lost
}

pub(crate) fn transitions(entries: &[Entry]) -> impl Iterator<Item = &AlarmEvent> {
    entries.iter().filter_map(|entry| if let Entry::Alarm(alarm) = entry { Some(alarm) } else { None })
}

/// The receiver, which keeps keys, has every transition of the lane and no other, and every push of a key says the same.
/// How many transitions, in how many pushes.
pub(crate) fn pushed_is_the_alarm_lane(receiver: &Receiver, lane: &[Entry]) -> (usize, usize) {
    let once = receiver.complete().unwrap();
    let seen = receiver.seen();
    let lane: BTreeMap<String, Value> =
        transitions(lane).map(|alarm| (alarm.key(), serde_json::to_value(alarm).unwrap())).collect();
    let keys: BTreeSet<&String> = seen.iter().map(|push| &push.key).collect();
    assert_eq!(keys, lane.keys().collect(), "pushed, and in the alarm lane");
    let first: BTreeMap<&String, &Push> = seen.iter().map(|push| (&push.key, push)).collect();
    let pushes: Vec<Push> = receiver.pushes().into_iter().filter(|push| !push.key.is_empty()).collect();
    for push in &pushes {
        let first = first[&push.key];
        let durable = push.body["durable"] == true && first.body["durable"] == true;
        assert_eq!(said(push, durable), said(first, durable), "two pushes of one transition differ");
        equals_entry(&push.body, &lane[&push.key]);
    }
    (once, pushes.len())
}

/// A push but for when it was sent, and what it says of the disk where one of the two did not wait for it.
fn said(push: &Push, durable: bool) -> Value {
    let mut body = push.body.clone();
    let times = body["times"].as_object_mut().unwrap();
    times.retain(|name, _| !name.starts_with("sent") && (durable || !name.starts_with("committed")));
    if !durable {
        body.as_object_mut().unwrap().remove("durable");
    }
    body
}

fn equals_entry(body: &Value, entry: &Value) {
    let entry = entry.as_object().unwrap();
    for (name, value) in body.as_object().unwrap() {
        assert!(entry.get(name).is_none_or(|kept| kept == value), "{name}: pushed {body}, journaled {entry:?}");
    }
    for time in ["onset", "occurred", "detected"] {
        assert_eq!(body["times"][format!("{time}_ms")], entry[time], "{body}");
    }
}

/// Of the acknowledgements that were answered with success to `by`, those that the lane does not have with their audit.
pub(crate) fn not_in_the_lane<'a>(answered: &'a [String], by: &str, lane: &[Entry]) -> Vec<&'a String> {
    let done: BTreeSet<&str> = transitions(lane).filter(|a| a.event == "acknowledge").map(|a| &*a.id).collect();
    let audits = lane
        .iter()
        .filter_map(|entry| if let Entry::Audit { target, by, .. } = entry { Some((target, by)) } else { None });
    let audited: BTreeSet<(&str, &str)> = audits.map(|(target, by)| (target.as_str(), by.as_str())).collect();
    let there = |id: &str| done.contains(id) && audited.contains(&(id, by));
    answered.iter().filter(|id| !there(id)).collect()
}
