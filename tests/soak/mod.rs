//! A long run: polls, bursts of messages, alarms, a person who acknowledges, reloads, and whatever can go wrong at random moments,
//! also several things at once. At the end every book agrees, and neither memory nor file handles have grown.
//!
//! `make long-soak` takes half an hour, CI a slice. In its first third gateways are killed like all else; the last of them then
//! lives through everything but that for twenty minutes, and by its memory the run is judged: see `flat`. `GENGFU_SEED` repeats a
//! run: what goes wrong, when, and for how long.

mod flat;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use gengfu_tests::disk::Disk;
use gengfu_tests::http::Reply;
use gengfu_tests::plant::Fault as Device;
use gengfu_tests::process::Folder;
use gengfu_tests::proxy::Line;
use gengfu_tests::random::Random;
use gengfu_tests::wait::{length, now, pause, quiet, say, times};
use gengfu_tests::wall_clock::WallClock;
use serde_json::Value;

use crate::crash::classes::{DEVICES, MOST_POLLS_LOST, READINGS_A_POLL, not_in_the_lane};
use crate::crash::compare;
use crate::crash::persons::BY;
use crate::crash::rig::{Rig, Round};

/// The clock is set off by so much at most, ms: within what a device's clock may be off, so that its stamps are believed.
const STEP: i64 = 20_000;
/// What one disk's sync takes more, ms.
const SLOW: (u64, u64) = (20, 400);
/// How long a broker may take to hand over what it holds, a link that is tried less and less often included.
const HANDED_OVER: Duration = Duration::from_mins(2);
/// Of so many parts of the long form the first has kills.
const PARTS: u32 = 3;
/// What the short slice, in which every gateway is young, allows from the least to the most, MiB and handles.
const YOUNG_MEMORY: f64 = 32.0;
const YOUNG_HANDLES: usize = 24;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Kill,
    StoresDown,
    StoresHang,
    StoreRefuses,
    UplinkCut,
    UplinkHangs,
    ReceiverRefuses,
    BrokerCut,
    DiskFull,
    DiskSlow,
    DiskHangs,
    DiskErrors,
    ClockStep,
    DeviceDead,
    Reload,
}

impl Fault {
    const ALL: [Self; 15] = [
        Self::Kill,
        Self::StoresDown,
        Self::StoresHang,
        Self::StoreRefuses,
        Self::UplinkCut,
        Self::UplinkHangs,
        Self::ReceiverRefuses,
        Self::BrokerCut,
        Self::DiskFull,
        Self::DiskSlow,
        Self::DiskHangs,
        Self::DiskErrors,
        Self::ClockStep,
        Self::DeviceDead,
        Self::Reload,
    ];

    fn of_disk(self) -> bool {
        matches!(self, Self::DiskFull | Self::DiskSlow | Self::DiskHangs | Self::DiskErrors)
    }

    /// Two that can't be on at once: one disk, one line to the stores, one to the centre; a file is not written to a disk that is sick.
    fn bars(self, other: Self) -> bool {
        let stores = |fault: Self| matches!(fault, Self::StoresDown | Self::StoresHang);
        let uplink = |fault: Self| matches!(fault, Self::UplinkCut | Self::UplinkHangs);
        let disk = |fault: Self| fault.of_disk() || fault == Self::Reload;
        [stores, uplink, disk].iter().any(|one| one(self) && one(other)) || self == other
    }
}

#[test]
fn mixed_load_and_random_faults() {
    let _quiet = quiet();
    let mut soak = Soak::start();
    let (all, long) = (length(14, 1_800), times(0, 1) > 0);
    let mixed = if long { all / PARTS } else { all };
    let until = soak.began + mixed;
    while now() < until {
        soak.episode();
    }
    if long {
        soak.one_long_life(all.saturating_sub(mixed));
    }
    soak.end();
}

/// How a gateway was at a calm moment.
#[derive(Debug, Clone, Copy)]
struct Sample {
    /// Since this gateway began.
    age: Duration,
    /// Which of the run's gateways it is.
    life: usize,
    memory: f64,
    handles: usize,
}

struct Soak {
    rig: Rig,
    clock: Option<WallClock>,
    began: Instant,
    born: Instant,
    life: usize,
    /// Whether it may be killed.
    mortal: bool,
    samples: Vec<Sample>,
    counts: BTreeMap<Fault, usize>,
    episodes: usize,
    dead: Vec<usize>,
    filled: bool,
}

impl Soak {
    fn start() -> Self {
        let (random, dir) = (Random::seeded("soak"), Folder::new("soak"));
        let clock = WallClock::new(dir.path());
        let library = WallClock::library();
        if library.is_none() {
            say("NOT RUN soak, clock steps: libfaketime is missing (make setup)");
        }
        let environment = library.as_ref().map(|library| clock.environment(library));
        let more = environment.as_ref().map_or(&[][..], |environment| &environment[..]);
        let rig = Rig::start_in(dir, random, more);
        let clock = library.is_some().then_some(clock);
        let counts = BTreeMap::new();
        let (began, born) = (now(), now());
        let samples = Vec::new();
        let (life, mortal, episodes, dead, filled) = (0, true, 0, Vec::new(), false);
        Self { rig, clock, began, born, life, mortal, samples, counts, episodes, dead, filled }
    }

    /// A gateway that begins now and is not killed; all else goes wrong as before.
    fn one_long_life(&mut self, length: Duration) {
        self.rig.on_disk();
        *self.counts.entry(Fault::Kill).or_default() += 1;
        self.kill();
        self.mortal = false;
        say(&format!("{:4.0} s: killed for the last time", self.began.elapsed().as_secs_f64()));
        while self.samples.last().is_none_or(|sample| sample.life != self.life || sample.age < length) {
            self.episode();
        }
    }

    /// One to three things go wrong at once, under load; then all is well again, and what was owed is there.
    fn episode(&mut self) {
        self.episodes += 1;
        let faults = self.choose();
        let mut line = format!("{:4.0} s: ", self.began.elapsed().as_secs_f64());
        let _ = write!(line, "{faults:?}");
        for fault in &faults {
            *self.counts.entry(*fault).or_default() += 1;
            self.begin(*fault);
        }
        let kill = faults.contains(&Fault::Kill);
        let sick = faults.iter().any(|fault| fault.of_disk());
        self.under_load(faults.contains(&Fault::DiskHangs));
        if kill && !sick {
            self.kill();
            self.under_load(true);
        }
        for fault in &faults {
            self.heal(*fault);
        }
        self.rig.all_pushed();
        if kill && sick {
            // What a sick disk has not taken is not promised; what it has not lost is.
            self.rig.on_disk();
            self.under_load(true);
            self.kill();
        }
        self.rig.all_pushed();
        self.rig.on_disk();
        self.look(&line);
    }

    fn choose(&mut self) -> Vec<Fault> {
        let random = &mut self.rig.random;
        let mut faults: Vec<Fault> = Vec::new();
        for _ in 0..random.between(1, 4) {
            let fault = Fault::ALL[random.between(0, Fault::ALL.len() as u64) as usize];
            let lacks =
                (fault.of_disk() && self.rig.sick.is_none()) || (fault == Fault::ClockStep && self.clock.is_none());
            let spared = fault == Fault::Kill && !self.mortal;
            if !lacks && !spared && !faults.iter().any(|other| other.bars(fault)) {
                faults.push(fault);
            }
        }
        faults
    }

    /// Messages in bursts, quiet stretches, alarms that come and go: for a while.
    fn under_load(&mut self, short: bool) {
        let most = if times(0, 1) == 0 {
            800
        } else if short {
            5_000
        } else {
            20_000
        };
        let until = now() + Duration::from_millis(self.rig.random.between(most / 8, most));
        while now() < until {
            let part = Duration::from_millis(self.rig.random.between(100, 1_500.min(most)));
            match self.rig.random.between(0, 4) {
                0 => self.rig.load(part),
                1 => self.rig.burst(),
                _ => self.rig.polls_alone(part),
            }
        }
    }

    fn begin(&mut self, fault: Fault) {
        let rig = &mut self.rig;
        match fault {
            // in the midst of what else goes on
            Fault::Kill => {}
            Fault::StoresDown => rig.stores(Line::Shut),
            Fault::StoresHang => rig.stores(Line::Frozen),
            Fault::StoreRefuses => rig.stub.standing(Reply::Status(503, "no".to_owned())),
            Fault::UplinkCut => rig.uplink_way.set(Line::Shut),
            Fault::UplinkHangs => rig.uplink_way.set(Line::Frozen),
            Fault::ReceiverRefuses => rig.receiver.standing(Some(Reply::Status(503, "no".to_owned()))),
            Fault::BrokerCut => rig.broker_way.set(Line::Shut),
            Fault::DiskFull => {
                // one that is really full may have room in the log's old pages; the other never has
                self.filled = rig.disk.is_ok() && rig.random.between(0, 2) == 0;
                match &rig.disk {
                    Ok(disk) if self.filled => disk.fill(),
                    _ => rig.sick.iter().for_each(gengfu_tests::shim::SickDisk::full),
                }
            }
            Fault::DiskSlow => {
                let ms = rig.random.between(SLOW.0, SLOW.1) as usize;
                rig.sick.iter().for_each(|disk| disk.slow(ms));
            }
            Fault::DiskHangs => rig.sick.iter().for_each(gengfu_tests::shim::SickDisk::hang),
            Fault::DiskErrors => {
                let percent = rig.random.between(5, 60) as usize;
                rig.sick.iter().for_each(|disk| disk.errors(percent));
            }
            Fault::ClockStep => {
                let off = rig.random.between(0, 2 * STEP as u64) as i64 - STEP;
                self.clock.iter().for_each(|clock| clock.set(off));
            }
            Fault::DeviceDead => {
                let device = rig.random.between(0, DEVICES as u64) as usize;
                let how = [Device::Silent, Device::Closes, Device::Exception(4), Device::Garbage];
                rig.plant.devices[device].fault(how[rig.random.between(0, 4) as usize]);
                self.dead.push(device);
            }
            Fault::Reload => self.reload(),
        }
    }

    fn heal(&mut self, fault: Fault) {
        let rig = &mut self.rig;
        match fault {
            Fault::Kill | Fault::Reload => {}
            Fault::StoresDown | Fault::StoresHang => rig.stores(Line::Open),
            Fault::StoreRefuses => rig.stub.standing(Reply::Status(204, String::new())),
            Fault::UplinkCut | Fault::UplinkHangs => rig.uplink_way.set(Line::Open),
            Fault::ReceiverRefuses => rig.receiver.standing(None),
            // the session is kept, and with it what was published meanwhile
            Fault::BrokerCut => rig.broker_way.set(Line::Open),
            Fault::DiskFull | Fault::DiskSlow | Fault::DiskHangs | Fault::DiskErrors => {
                if std::mem::take(&mut self.filled) {
                    rig.disk.iter().for_each(Disk::free);
                }
                rig.sick.iter().for_each(gengfu_tests::shim::SickDisk::heal);
            }
            Fault::ClockStep => self.clock.iter().for_each(|clock| clock.set(0)),
            Fault::DeviceDead => self.dead.drain(..).for_each(|device| rig.plant.devices[device].fault(Device::Sound)),
        }
    }

    fn kill(&mut self) {
        // on a busy machine a push may leave before its commit, as one that is not durable, and a kill then takes it back
        self.rig.gateway.alarm_lane_on_disk();
        self.rig.gateway.kill9();
        let at = now();
        // what was on the wire is answered by then
        pause(Duration::from_millis(self.rig.random.between(50, 200)));
        let kill = self.rig.death(at);
        self.rig.gateway.restart();
        self.life += 1;
        self.born = now();
        self.rig.rounds.push(Round { number: 0, kill, back: self.born, felt: false });
    }

    /// A rule more, or another limit: all else goes on.
    fn reload(&mut self) {
        let limit = self.rig.random.between(1_000_000, 2_000_000);
        let rule = format!(
            "\n[[rule]]\nid = \"never\"\npoints = \"*/v\"\nhigh = {{ limit = {limit}.0, clear = 900000.0 }}\npriority = \"low\"\n"
        );
        let text =
            if self.rig.random.between(0, 3) == 0 { self.rig.site.clone() } else { self.rig.site.clone() + &rule };
        self.rig.gateway.write_site(&text);
        let (status, answer) = self.rig.gateway.reload();
        assert_eq!(status, 200, "{answer}");
    }

    /// How the gateway is, with nothing wrong and nothing owed.
    fn look(&mut self, line: &str) {
        let process = self.rig.gateway.process();
        let (memory, handles) = (process.resident(), process.handles());
        let age = self.born.elapsed();
        self.samples.push(Sample { age, life: self.life, memory, handles });
        say(&format!("{line}; then {memory:.1} MiB, {handles} handles, {:.0} s old", age.as_secs_f64()));
    }

    fn end(mut self) {
        let lasted = self.began.elapsed();
        // what the broker has still in its hands is handed over in order: with the last message all have come
        let last = format!("{}last", self.rig.topics());
        self.rig.publisher.reading(&last);
        self.rig.gateway.value(&format!("{last}/v"), HANDED_OVER, |value| value.is_some());
        let compared = compare(&mut self.rig);
        ledger(&compared.ledger);
        assert!(compared.missing.is_empty(), "acknowledged and not stored: {:?}", compared.missing);
        let answered: Vec<String> = self.rig.acknowledged().into_values().flatten().collect();
        let lost = not_in_the_lane(&answered, BY, &compared.lane);
        assert!(lost.is_empty(), "answered and not in the lane: {lost:?}");
        let worst = compared.polls.iter().map(|lost| lost.polls).max().unwrap_or(0);
        let mut late: Vec<Duration> = self.rig.edges.pushed.iter().map(|push| push.late).collect();
        late.sort();
        let early = self.rig.edges.pushed.iter().filter(|push| !push.durable).count();
        let at = |part: usize| {
            late.get((late.len() * part / 100).min(late.len().saturating_sub(1))).copied().unwrap_or_default()
        };
        say(&format!("{:.0} s, {} episodes: {:?}", lasted.as_secs_f64(), self.episodes, self.counts));
        say(&format!(
            "{} samples at both stores and at the centre, equal sets; {} messages, 0 lost; {} acknowledgements, 0 lost; {} kills, worst window {} polled readings of {}",
            compared.samples,
            compared.acked.len(),
            answered.len(),
            compared.polls.len(),
            worst * READINGS_A_POLL,
            MOST_POLLS_LOST * READINGS_A_POLL
        ));
        say(&format!(
            "{} crossings pushed, half within {:?}, of a hundred all but one within {:?}; {early} with durable = false",
            late.len(),
            at(50),
            at(99)
        ));
        if self.mortal { self.young() } else { self.flat() }
    }

    /// Too short for a trend: nothing runs away.
    fn young(&self) {
        let memory = self.samples.iter().map(|sample| sample.memory);
        let grown = memory.clone().fold(0.0, f64::max) - memory.fold(f64::MAX, f64::min);
        let handles = self.samples.iter().map(|sample| sample.handles);
        let more = handles.clone().max().unwrap_or(0) - handles.min().unwrap_or(0);
        say(&format!("memory within {grown:.1} MiB, handles within {more}"));
        assert!(grown <= YOUNG_MEMORY && more <= YOUNG_HANDLES);
    }

    /// The last life, long enough to tell whether it grew; a shorter one is held to what nothing young exceeds.
    fn flat(&self) {
        let life: Vec<&Sample> = self.samples.iter().filter(|sample| sample.life == self.life).collect();
        if life.last().is_none_or(|sample| sample.age < flat::LIFE) {
            say(&format!("NOT RUN soak, a trend: the last life was shorter than {:?}", flat::LIFE));
            return self.young();
        }
        let course = |limit, of: fn(&Sample) -> f64| {
            let samples: Vec<flat::Sample> = life.iter().map(|s| (s.age.as_secs_f64() / 60.0, of(s))).collect();
            flat::Course::of(&samples, limit)
        };
        let courses =
            [course(flat::MEMORY, |sample| sample.memory), course(flat::HANDLES, |sample| sample.handles as f64)];
        for course in &courses {
            say(&course.to_string());
        }
        assert!(courses.iter().all(flat::Course::flat), "it grows within one life");
    }
}

/// Per sink and lane, to the record: nothing pending, nothing given up.
fn ledger(books: &Value) {
    let items = books["items"].as_array().unwrap();
    for item in items {
        let number = |name: &str| item[name].as_u64().expect(name);
        let settled = ["delivered", "pending", "dead", "thinned", "expired"].map(number);
        assert_eq!(number("committed"), settled.iter().sum::<u64>(), "{item}");
        assert_eq!(number("committed"), number("delivered"), "{item}");
        say(&format!("ledger {} {}: {} committed, as many delivered", item["sink"], item["lane"], number("committed")));
    }
    assert_eq!(items.len(), 7, "two stores and a centre with two lanes, a receiver with one");
    assert_eq!(books["run"]["in_flight"], 0);
}
