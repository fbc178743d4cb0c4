//! What is in mid-flight when a fault comes: shelves and absences with an end, modes of areas, delays and re-alarms that run,
//! votes with some of their voters. A plant of its own, whose conditions come and go at random beside the counted load.
//!
//! Nothing here waits for what it drives, but the timers for their own crossings: what must have come of it is read from the
//! alarm lane at the end, by `laws` and `votes`.

pub(super) mod cells;
mod laws;
mod votes;

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gengfu::journal::Entry;
use gengfu_tests::gateway::Gateway;
use gengfu_tests::plant::Plant;
use gengfu_tests::random::Random;
use gengfu_tests::receiver::Receiver;
use gengfu_tests::site::Site;
use gengfu_tests::wait::{eventually, pause, unix_ms};
use serde_json::Value;

use super::classes::{DEVICES, EVERY_MS};
use super::edges::Edges;
use super::persons::{Person, Planned, planner};
use super::table::{ACKNOWLEDGED, ALARMS, MODES, SHELVES, TIMERS, VOTES};

/// The number of the first device: those of the counted plant come before.
const FIRST: usize = DEVICES;
const COUNT: usize = 16;
/// Devices by what their rules are for; a rule is named by this word and the device.
const ASIDE: [usize; 3] = [10, 11, 12];
const WALKED: [usize; 3] = [13, 14, 15];
const DELAYED: [usize; 3] = [16, 17, 18];
const RINGING: [usize; 2] = [19, 20];
const VOTING: [usize; 5] = [21, 22, 23, 24, 25];
/// What the planner puts aside, takes out of service and puts into modes.
pub(super) const PUT_ASIDE: [&str; 3] = ["aside-d10@d10/r0", "aside-d11@d11/r0", "aside-d12@d12/r0"];
pub(super) const MAY_BE_OUT: [&str; 2] = ["voter-d21@d21/r0", "voter-d24@d24/r0"];
pub(super) const AREAS: [&str; 2] = ["hall", "cellar"];
/// Where the devices of [`WALKED`] stand.
const STAND: [&str; 3] = [AREAS[0], AREAS[0], AREAS[1]];
/// Delays of the timers.
const ON: Duration = Duration::from_secs(2);
const OFF: Duration = Duration::from_secs(1);
/// After so long what was acknowledged rings again; the shortest there is.
const AGAIN: Duration = Duration::from_secs(10);
/// How long a vote counts after its condition.
const WITHIN: Duration = Duration::from_secs(2);
/// Of so many steps a condition changes at one.
const SELDOM: u64 = 8;
/// Longer than a shelf, a mode or an absence of the planner.
const ENDS: Duration = Duration::from_secs(20);
/// What of a time is rounded, ms: the two clocks are read one after the other.
const JITTER: i64 = 2;
/// How much later than its time something may be, ms: as the engine stamps it, and where it had to wait for a start.
const LATE: i64 = 250;
const LATE_AFTER_START: i64 = 2_000;

/// The plant, what is high in it, and who works with it.
pub(crate) struct Flight {
    plant: Plant,
    random: Random,
    pub timers: Edges,
    high: BTreeSet<usize>,
    pub planner: Person<Planned>,
}

pub(super) fn plant() -> Plant {
    let plant = Plant::line(COUNT);
    // these stand all along: acknowledged, they ring again and again
    for device in RINGING {
        plant.devices[device - FIRST].set(900);
    }
    plant
}

/// Its part of the site file.
pub(super) fn site(site: Site, plant: &Plant) -> Site {
    let site = site.modbus_line(plant, FIRST, EVERY_MS);
    let site = WALKED.iter().zip(STAND).fold(site, |site, (device, area)| site.stands(&format!("d{device}"), area));
    let (on, off) = (ON.as_secs(), OFF.as_secs());
    let delays = format!(", for = \"{on}s\", clear_for = \"{off}s\"");
    let again = format!("re_alarm = \"{}s\"\n", AGAIN.as_secs());
    let rules: [(&str, &[usize], &str, &str); 5] = [
        ("aside", &ASIDE, "", ""),
        ("walked", &WALKED, "", ""),
        ("delayed", &DELAYED, &delays, ""),
        ("ringing", &RINGING, "", &again),
        ("voter", &VOTING, "", ""),
    ];
    let mut text = String::new();
    for (word, devices, more, line) in rules {
        for device in devices {
            text += &format!(
                "[[rule]]\nid = \"{word}-d{device}\"\npoint = \"d{device}/r0\"\n\
                 high = {{ limit = 500.0, clear = 400.0{more} }}\npriority = \"high\"\n{line}\n"
            );
        }
    }
    site.with(&(text + &votes::rules()))
}

impl Flight {
    pub(super) fn new(plant: Plant, port: u16, random: &mut Random) -> Self {
        let planner = planner(port, Random::new(random.draw()));
        let random = Random::new(random.draw());
        let high = RINGING.into_iter().collect();
        Self { plant, random, timers: Edges::new("delayed-", FIRST), high, planner }
    }

    /// Some conditions come or go.
    pub(super) fn step(&mut self, number: u64) {
        for device in DELAYED {
            if self.random.between(0, 3) == 0 {
                self.timers.drive(&self.plant, device, number);
            }
        }
        for device in ASIDE.into_iter().chain(WALKED).chain(VOTING) {
            if self.random.between(0, SELDOM) == 0 {
                let high = !self.high.contains(&device);
                self.set(device, high);
            }
        }
    }

    fn set(&mut self, device: usize, high: bool) {
        if high {
            self.high.insert(device)
        } else {
            self.high.remove(&device)
        };
        self.plant.devices[device - FIRST].set(if high { 900 } else { 0 });
    }

    /// Takes note of the pushes since the last look.
    pub(super) fn look(&mut self, receiver: &Receiver) {
        let news = receiver.pushes_after(self.timers.seen);
        self.timers.take(&news);
    }

    pub(super) fn rest(&self, resting: bool) {
        self.planner.shared.resting.store(resting, Ordering::SeqCst);
    }

    /// Nothing new is begun, what stands returns, and what has an end has ended.
    pub(super) fn calm(&mut self, gateway: &Gateway, receiver: &Receiver, number: u64) {
        self.planner.stop();
        for device in self.high.clone() {
            self.set(device, false);
        }
        eventually(ENDS, "every delay has ended", || {
            self.look(receiver);
            if self.timers.settled() {
                self.timers.high.clone().iter().for_each(|device| self.timers.drive(&self.plant, *device, number));
            }
            self.timers.settled()
        });
        eventually(ENDS, "every shelf, absence and mode has ended", || ends(gateway).is_empty());
    }

    /// Rules whose line is crossed, or whose votes are cast.
    pub(super) fn driven(&self) -> BTreeSet<String> {
        let of = |word: &str, devices: &[usize], high: &BTreeSet<usize>| -> Vec<String> {
            devices.iter().filter(|device| high.contains(device)).map(|device| format!("{word}-d{device}")).collect()
        };
        let plain: [(&str, &[usize]); 4] =
            [("aside", &ASIDE), ("walked", &WALKED), ("ringing", &RINGING), ("voter", &VOTING)];
        let plain = plain.into_iter().flat_map(|(word, devices)| of(word, devices, &self.high));
        let standing: BTreeSet<String> = plain.chain(of("delayed", &DELAYED, &self.timers.high)).collect();
        let votes: Vec<String> = votes::cast(&standing).map(str::to_owned).collect();
        standing.into_iter().chain(votes).collect()
    }
}

/// Something that lies over an alarm or runs in an area, and until when, UTC ms; `once`: or until its condition is over.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct End {
    what: String,
    until: i64,
    once: bool,
}

/// What has an end that is to come.
fn ends(gateway: &Gateway) -> BTreeSet<End> {
    let mut all = BTreeSet::new();
    let mut take = |what: String, of: &Value| {
        if let Some(until) = of["until"].as_i64() {
            all.insert(End { what, until, once: of["one_shot"] == true });
        }
    };
    for alarm in gateway.items("alarms?state=open") {
        for veil in ["shelved", "out_of_service"] {
            take(format!("{} {veil}", alarm["rule"]), &alarm[veil]);
        }
    }
    for area in gateway.items("modes") {
        take(format!("{} {}", area["area"], area["running"]["mode"]), &area["running"]);
    }
    all
}

/// After a damage: whatever is left of shelves, absences and modes ends when it says, or at this start. How many, and the
/// latest, ms.
pub(super) fn all_end_on_time(gateway: &Gateway) -> (u64, i64) {
    let (started, limit) = (unix_ms(), ENDS.as_millis() as i64);
    let (mut before, mut count, mut worst) = (ends(gateway), 0, 0);
    while !before.is_empty() {
        pause(Duration::from_millis(5));
        let (asked, now) = (unix_ms(), ends(gateway));
        for End { what, until, once } in before.difference(&now) {
            assert!(*once || unix_ms() >= until - JITTER, "{what} ended before its time, {until}");
            let late = asked - until.max(&started);
            assert!(late <= LATE_AFTER_START, "{what} ended {late} ms after its time");
            (count, worst) = (count + 1, worst.max(late));
        }
        assert!(asked < started + limit, "these do not end: {now:?}");
        before = now;
    }
    (count, worst)
}

/// What an entry of the alarm lane is about; `None` for what the process says of itself.
pub(super) fn class(entry: &Entry) -> Option<&'static str> {
    match entry {
        Entry::Alarm(alarm) => Some(class_of(&alarm.rule).unwrap_or(ALARMS)),
        Entry::Audit { action, .. } => Some(match action.trim_end_matches("-refused") {
            "walk-test" | "drill" | "maintenance" | "end-mode" => MODES,
            "shelve" | "unshelve" | "note" | "out-of-service" | "return-to-service" => SHELVES,
            _ => ACKNOWLEDGED,
        }),
        Entry::Mode(_) => Some(MODES),
        Entry::Start { .. } | Entry::Stop { .. } | Entry::Gap { .. } | Entry::Level(_) | Entry::Maintenance { .. } => {
            None
        }
    }
}

/// The class of a rule of this plant.
fn class_of(rule: &str) -> Option<&'static str> {
    match rule.split('-').next() {
        Some("aside") => Some(SHELVES),
        Some("walked") => Some(MODES),
        Some("delayed" | "ringing") => Some(TIMERS),
        Some("voter" | "vote") => Some(VOTES),
        Some(_) | None => None,
    }
}
