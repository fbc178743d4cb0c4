//! A bad second on a big site: `cargo run --release -p gengfu-core --example storm`. 20,000 points, 10,000 rules, each on two
//! of them; one reading a point and second. Then 5,000 conditions come within a second, a fifth of them explained by one that
//! comes among them, with 200 votes on others; people acknowledge, all goes, and nothing of it may be missing. Fails where the
//! tables are larger than they may be.
#![expect(clippy::disallowed_methods, reason = "a stopwatch is what this is")]

use std::ops::Range;
use std::time::Instant;

use gengfu_core::alarm::{AlarmId, EventName, Priority, StateName, Transition};
use gengfu_core::detect::limit::{Level as LimitLevel, Side};
use gengfu_core::detect::{Params, absent, digital, limit, trend, vote};
use gengfu_core::engine::{
    Area, Binding, Command, Engine, Event, Group, Level, ModeChange, Others, Point, Policy, Pulse, Rule, Sink, Tables,
    Target, Wire,
};
use gengfu_core::quality::Quality;
use gengfu_core::reading::{Delivery, PointId, Reading, RuleId};
use gengfu_core::time::{Mono, Now, Wall};

const POINTS: u32 = 20_000;
const RULES: u32 = 10_000;
/// Conditions that come in one second; the first of them explains the next thousand.
const ALARMS: u32 = 5_000;
const HIDDEN: u32 = 1_000;
/// Of three neighbours each, behind those that are hidden.
const VOTES: u32 = 200;
/// What a whole gateway may be resident with at 20,000 points, bytes, and what all tables of this site may take of that.
const RESIDENT: usize = 48 << 20;
const TABLES: usize = RESIDENT / 5;
/// What a limit rule may remember of a point, bytes.
const LIMIT_STATE: usize = 48;

#[derive(Default)]
struct Seen(Vec<Transition>);

impl Sink for Seen {
    fn transition(&mut self, transition: &Transition) {
        self.0.push(*transition);
    }

    fn mode(&mut self, _: &ModeChange) {}
}

impl Seen {
    fn count(&self, event: EventName, state: StateName) -> u32 {
        self.0.iter().filter(|t| t.event == event && t.state == state).count() as u32
    }
}

/// What a gateway would lend.
struct Site {
    rules: Vec<Rule>,
    points: Vec<Point>,
    bindings: Vec<Binding>,
    limits: Vec<limit::State>,
    votes: Vec<vote::State>,
    wires: Vec<Wire>,
    groups: Vec<Group>,
    areas: Vec<Area>,
    heap: Vec<u32>,
    pulse: Pulse,
}

impl Site {
    fn new() -> Self {
        let level = Level { priority: Priority::High, latch: false, shelvable: true };
        let line = LimitLevel { limit: 10.0, clear: 9.0, on_ms: 0, off_ms: 0 };
        let high = limit::Params { side: Side::High, first: line, second: None };
        let two = vote::Params {
            need: 2,
            of: 3,
            within_ms: 10_000,
            degraded: vote::Degraded::Fewer,
            watch: vote::Watch::Danger,
            unheard_ms: u64::MAX,
            voters: 0,
        };
        let mut rules = vec![Rule::new(Params::Limit(high), [level; 2]); (RULES - VOTES) as usize];
        rules.resize(RULES as usize, Rule::new(Params::Vote(two), [level; 2]));
        let mut groups = vec![Group::default()];
        let (mut points, mut bindings, mut wires) = (Vec::new(), Vec::new(), Vec::new());
        for id in 0..POINTS {
            // The votes are shown on the last points.
            let vote = id.checked_sub(POINTS - VOTES);
            points.push(Point::new(PointId(id), bindings.len() as u32, if vote.is_some() { 2 } else { 1 }));
            let limit = Binding::new(RuleId(id % (RULES - VOTES)), PointId(id), u64::from(id) << 1, id);
            bindings.push(limit.hiding((id == 0).then_some(0)));
            if (1..=HIDDEN).contains(&id) {
                Group::hide(&mut groups, &mut bindings, 0);
            }
            if let Some(vote) = vote {
                bindings.push(Binding::new(RuleId(RULES - VOTES + vote), PointId(id), u64::from(id) << 1 | 1, vote));
            }
        }
        for vote in 0..VOTES {
            let to = POINTS - VOTES + 2 * vote + 1;
            for voter in 0..3 {
                let len = wires.len();
                let from = HIDDEN + 1 + 3 * vote + u32::from(voter);
                wires.extend(Wire::lay(&mut bindings, len, from, to, voter));
            }
        }
        let heap = vec![0; bindings.len()];
        Self {
            rules,
            points,
            bindings,
            limits: vec![limit::State::default(); POINTS as usize],
            votes: vec![vote::State::default(); VOTES as usize],
            wires,
            groups,
            areas: vec![Area::default(); 64],
            heap,
            pulse: Pulse::default(),
        }
    }

    fn engine(&mut self) -> Engine<'_> {
        Engine::new(Tables {
            rules: &self.rules,
            points: &mut self.points,
            bindings: &mut self.bindings,
            limits: &mut self.limits,
            digitals: &mut [],
            trends: &mut [],
            absents: &mut [],
            others: Others::default(),
            votes: &mut self.votes,
            wires: &self.wires,
            leads: &[],
            groups: &mut self.groups,
            areas: &mut self.areas,
            policy: Policy::default(),
            heap: &mut self.heap,
            pulse: &mut self.pulse,
        })
    }

    /// Every point says something, these that they are too high; the time that took, by event, in ns.
    fn second(&mut self, ms: u64, high: &Range<u32>, seen: &mut Seen) -> f64 {
        let now = at(ms);
        let start = Instant::now();
        for id in 0..POINTS {
            let value = if high.contains(&id) { 11.0 } else { 5.0 };
            let reading = Reading { point: PointId(id), at: now.wall, value, quality: Quality::Good };
            let _never_refused = self.engine().handle(Event::Reading(reading, Delivery::Live), now, seen);
        }
        start.elapsed().as_nanos() as f64 / f64::from(POINTS)
    }

    fn acknowledge(&mut self, ids: &[AlarmId], ms: u64, seen: &mut Seen) {
        for id in ids {
            let command = Event::Command(Target::Alarm(*id), Command::Acknowledge);
            assert_eq!(self.engine().handle(command, at(ms), seen), Ok(()));
        }
    }

    fn bytes(&self) -> [(&'static str, usize, usize); 9] {
        [
            ("rules", self.rules.len(), size_of::<Rule>()),
            ("points", self.points.len(), size_of::<Point>()),
            ("bindings, with their alarms and timers", self.bindings.len(), size_of::<Binding>()),
            ("limit states", self.limits.len(), size_of::<limit::State>()),
            ("votes", self.votes.len(), size_of::<vote::State>()),
            ("wires", self.wires.len(), size_of::<Wire>()),
            ("groups", self.groups.len(), size_of::<Group>()),
            ("areas", self.areas.len(), size_of::<Area>()),
            ("timers", self.heap.len(), size_of::<u32>()),
        ]
    }
}

const fn at(ms: u64) -> Now {
    Now { mono: Mono(ms), wall: Wall(1_700_000_000_000 + ms as i64) }
}

fn main() {
    let mut site = Site::new();
    let mut seen = Seen(Vec::with_capacity(1 << 16));
    site.engine().settle(at(0), &mut seen);
    let (none, all) = (0..0, 0..ALARMS);
    let quiet = (1..=20).map(|s| site.second(s * 1_000, &none, &mut seen)).fold(f64::MAX, f64::min);
    assert!(seen.0.is_empty(), "a quiet site says nothing");

    // The condition that explains the others comes first, as it would: they are hidden from the start.
    let storm = site.second(21_000, &all, &mut seen);
    let (raise, open, hidden) = (EventName::Raise, StateName::Unacknowledged, StateName::Suppressed);
    assert_eq!(seen.count(raise, open), ALARMS - HIDDEN + VOTES, "every condition is an alarm, and every vote");
    assert_eq!(seen.count(raise, hidden), HIDDEN, "what is explained is counted");
    let standing = (1..=20).map(|s| site.second(21_000 + s * 1_000, &all, &mut seen)).fold(f64::MAX, f64::min);
    assert_eq!(seen.0.len() as u32, ALARMS + VOTES, "what stands is said once");

    let ids: Vec<_> = seen.0.iter().map(|t| t.id).collect();
    let start = Instant::now();
    site.acknowledge(&ids, 42_000, &mut seen);
    let people = start.elapsed().as_nanos() as f64 / ids.len() as f64;
    // What explained them goes alone: once it has been gone for a while they are told again, to be seen by somebody.
    for ms in [43_000, 50_000] {
        site.second(ms, &(1..ALARMS), &mut seen);
    }
    assert_eq!(seen.count(EventName::Unsuppress, open), HIDDEN, "what is explained no longer is announced");
    let over = site.second(51_000, &none, &mut seen);
    let _never_refused = site.engine().handle(Event::Tick, at(90_000), &mut seen);
    let again: Vec<_> = seen.0.iter().filter(|t| t.state == StateName::Returned).map(|t| t.id).collect();
    assert_eq!(again.len() as u32, HIDDEN);
    site.acknowledge(&again, 91_000, &mut seen);
    let ends = seen.0.iter().filter(|t| t.state == StateName::Normal).count();
    assert_eq!(ends, ids.len(), "every alarm has an end");
    for id in &ids {
        let numbers = seen.0.iter().filter(|t| t.id == *id).map(|t| t.number);
        assert!(numbers.zip(1..).all(|(number, counted)| number == counted), "no number is missing");
    }

    println!("| 20,000 points, 10,000 rules | ns an event |\n|---|---|");
    println!("| readings of a quiet second | {quiet:.0} |");
    println!("| those of the second in which 5,000 alarms come and {VOTES} votes | {storm:.0} |");
    println!("| those of the seconds in which they stand | {standing:.0} |");
    println!("| acknowledgements, each found by its id | {people:.0} |");
    println!("| readings of the second in which all is over | {over:.0} |");
    println!("\n| table | entries | bytes an entry | bytes |\n|---|---|---|---|");
    let mut sum = 0;
    for (name, count, size) in site.bytes() {
        sum += count * size;
        println!("| {name} | {count} | {size} | {} |", count * size);
    }
    println!("| all | | | {sum} (at most {TABLES}) |");
    let kinds = [size_of::<digital::State>(), size_of::<trend::State>(), size_of::<absent::State>()];
    assert!(sum <= TABLES, "the tables take {sum} bytes, {TABLES} are allowed");
    let limit = size_of::<limit::State>();
    assert!(limit <= LIMIT_STATE, "a limit rule remembers {limit} bytes of a point, {LIMIT_STATE} are allowed");
    println!("\nother states, bytes each: state {}, trend {}, absent {}", kinds[0], kinds[1], kinds[2]);
}
