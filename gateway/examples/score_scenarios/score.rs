//! Alarm states held against the truth, by the rules of the data's README.

use std::collections::BTreeMap;

use super::recorded::Table;

const DAY_S: f64 = 86_400.0;

/// What was said of a series.
#[derive(Debug)]
pub(crate) struct States {
    pub(crate) times: Vec<f64>,
    pub(crate) alarms: Vec<bool>,
}

/// What came of one series.
#[derive(Clone, Copy, Default)]
struct Outcome {
    faults: u32,
    early: u32,
    at_limit: u32,
    missed: u32,
    lead: f64,
    falses: u32,
    days: f64,
}

impl Outcome {
    fn add(&mut self, other: &Self) {
        self.faults += other.faults;
        self.early += other.early;
        self.at_limit += other.at_limit;
        self.missed += other.missed;
        self.lead += other.lead;
        self.falses += other.falses;
        self.days += other.days;
    }

    fn mean_lead(&self) -> f64 {
        self.lead / f64::from(self.faults.max(1))
    }

    fn false_rate(&self) -> f64 {
        f64::from(self.falses) / self.days.max(1e-9)
    }

    fn line(&self, name: &str) {
        println!(
            "{name:24} {:2} / {:2} / {:2}   {:.3}   {:.3}  ({} in {:.0} days)",
            self.early,
            self.at_limit,
            self.missed,
            self.mean_lead(),
            self.false_rate(),
            self.falses,
            self.days
        );
    }
}

/// Start and end of each episode, short gaps joined.
fn episodes(states: &States, dt: f64) -> Vec<(f64, f64)> {
    let gap = (6.0 * dt).max(600.0);
    let mut found: Vec<(f64, f64)> = Vec::new();
    for (t, _) in states.times.iter().zip(&states.alarms).filter(|(_, alarm)| **alarm) {
        match found.last_mut() {
            Some((_, end)) if t - *end < gap + dt => *end = *t,
            _ => found.push((*t, *t)),
        }
    }
    found
}

/// Share of the rows in `[from, to)` with an alarm.
fn share(states: &States, from: f64, to: f64) -> f64 {
    let inside = states.times.iter().zip(&states.alarms).filter(|(t, _)| **t >= from && **t < to);
    let (all, on) = inside.fold((0.0, 0.0), |(all, on), (_, a)| (all + 1.0, on + f64::from(u8::from(*a))));
    on / f64::max(all, 1.0)
}

fn judge(label: &BTreeMap<&str, &str>, states: &States) -> Outcome {
    let number = |name: &str| label.get(name).and_then(|c| c.parse::<f64>().ok());
    let dt = number("dt_s").unwrap_or(60.0);
    let found = episodes(states, dt);
    let end = states.times.last().copied().unwrap_or(0.0);
    let (Some(onset), Some(limit)) = (number("t_onset"), number("t_limit")) else {
        return Outcome { falses: found.len() as u32, days: end / DAY_S, ..Outcome::default() };
    };
    let credited =
        found.iter().find(|(start, _)| *start >= onset && *start < limit && share(states, *start, limit) >= 0.5);
    let until = credited.map_or(limit, |(start, _)| *start);
    let falses = found.iter().filter(|(start, _)| *start < until).count() as u32;
    let mut outcome = Outcome { faults: 1, falses, days: until / DAY_S, ..Outcome::default() };
    let latest = limit + 3.0 * dt + 60.0;
    if let Some((start, _)) = credited {
        (outcome.early, outcome.lead) = (1, (limit - start) / (limit - onset));
    } else if found.iter().any(|(start, stop)| *start <= latest && *stop >= limit) {
        outcome.at_limit = 1;
    } else {
        outcome.missed = 1;
    }
    outcome
}

/// Prints the score of each kind and of all, and how it spreads when one series of each kind in turn is left out.
pub(crate) fn report(labels: &Table, states: &BTreeMap<String, States>, each: bool) {
    let mut kinds: BTreeMap<&str, Vec<Outcome>> = BTreeMap::new();
    let records = labels.records();
    for label in &records {
        let (Some(id), Some(kind)) = (label.get("id"), label.get("kind")) else { continue };
        let Some(states) = states.get(*id) else { continue };
        let outcome = judge(label, states);
        if each {
            outcome.line(id);
        }
        kinds.entry(kind).or_default().push(outcome);
    }
    let sum = |outcomes: &mut dyn Iterator<Item = &Outcome>| {
        outcomes.fold(Outcome::default(), |mut all, o| {
            all.add(o);
            all
        })
    };
    println!("kind               early / at limit / missed   lead   false a point-day");
    for (kind, outcomes) in &kinds {
        sum(&mut outcomes.iter()).line(kind);
    }
    sum(&mut kinds.values().flatten()).line("all");
    let most = kinds.values().map(Vec::len).max().unwrap_or(0);
    let folds: Vec<Outcome> = (0..most.min(20))
        .map(|left| {
            sum(&mut kinds.values().flat_map(|o| o.iter().enumerate()).filter(|(i, _)| *i != left).map(|(_, o)| o))
        })
        .collect();
    let range = |f: fn(&Outcome) -> f64| {
        let least = folds.iter().map(f).fold(f64::MAX, f64::min);
        (least, folds.iter().map(f).fold(f64::MIN, f64::max))
    };
    let (lead, rate) = (range(Outcome::mean_lead), range(Outcome::false_rate));
    println!("one of each kind left out: lead {:.3} to {:.3}, false {:.3} to {:.3}", lead.0, lead.1, rate.0, rate.1);
}
