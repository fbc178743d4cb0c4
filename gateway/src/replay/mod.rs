//! Back-test: a site's rules over the past, on a clock that runs as fast as the machine. The readings come from the journal, also
//! beside a running gateway, or from CSV files; the engine is the one that runs live, behind its own door. What may not happen
//! here is a write, a look at the clock, or an output that differs from one run to the next.
//!
//! [`source`] hands out the past in the order in which it came, [`time`] says what the engine's clock would have shown,
//! [`data`] what the past was worth, [`tally`] and [`crate::foretold`] count what the alarms did, [`compare`] holds two sets of rules
//! against each other, [`report`] is all of it as data and [`words`] for people.

mod csv;
mod source;
mod time;
mod data;
mod tally;
mod compare;
mod report;
mod words;
mod scenario;
#[cfg(test)]
mod scenario_tests;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use gengfu_core::alarm::{EventName, Transition};
use gengfu_core::reading::PointId;
use gengfu_core::time::{Mono, Now, Wall};

use crate::app::points;
use crate::catalog::Catalog;
use crate::config::checked::{PointSpec, Site};
use crate::driver::Rehearsal;
use crate::journal::Part;
use crate::source::own;
use data::Data;
use tally::Tally;
use time::Line;

pub use report::Report;
pub use scenario::{Lead, Outcome, scenario, states};
pub use source::Past;
pub use words::{Lang, text};

/// Parts of the past that may wait for the rules.
const AHEAD: usize = 2;
/// So long before the time that is asked for the rules begin to run, at least, ms: what stands then is known to have stood before.
const RUN_IN: i64 = 3_600_000;

/// What is to be run.
#[derive(Debug)]
pub struct Asked {
    pub site: Arc<Site>,
    /// Other rules to be held against the site's own.
    pub with: Option<Arc<Site>>,
    /// UTC ms; `None`: from the first reading.
    pub from: Option<i64>,
    /// UTC ms, not included; `None`: to the last reading.
    pub to: Option<i64>,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub done: u64,
    pub all: u64,
    /// UTC ms, on the clock of the past.
    pub at: i64,
}

/// Runs the rules over the past. `progress` is told after each part.
pub fn run(asked: &Asked, past: Past, progress: &mut (dyn FnMut(Progress) + Send)) -> Result<Report, String> {
    let catalog = past.catalog()?;
    let sites: Vec<&Arc<Site>> = std::iter::once(&asked.site).chain(&asked.with).collect();
    let described: Vec<Vec<(PointId, PointSpec)>> = sites.iter().map(|site| points_of(site, &catalog)).collect();
    let lead =
        described.iter().zip(&sites).map(|(points, site)| lead_ms(site, &catalog, points)).fold(RUN_IN, i64::max);
    let begin = asked.from.map_or(i64::MIN, |from| from.saturating_sub(lead));
    let stretch = past.stretch(begin, asked.to.unwrap_or(i64::MAX))?;
    let Some((first, end)) = stretch.extent() else {
        return Err("there is no reading in that time; give another with --from and --to".to_owned());
    };
    let first = first.max(begin);
    let off = stretch.off(first)?;
    let mut data = Data::new(&catalog, asked.from.unwrap_or(first), &described, off.clone());
    let all = stretch.len();
    let runs = sites.iter().zip(described).map(|(site, points)| {
        let heard: Vec<_> = points.into_iter().filter(|(id, _)| stretch.holds(*id)).collect();
        Run::new(site, &catalog, &heard, Line::new(first, off.clone()), asked.from.unwrap_or(first))
    });
    let mut runs: Vec<Run> = runs.collect();
    let tail = asked.to.unwrap_or(end);
    std::thread::scope(|scope| {
        let (ends, doors): (Vec<_>, Vec<_>) = runs.iter().map(|_| sync_channel(AHEAD)).unzip::<_, _, Vec<_>, Vec<_>>();
        for (run, parts) in runs.iter_mut().zip(doors) {
            scope.spawn(move || run.listen(&parts));
        }
        read(stretch, &ends, &mut data, &mut |done, at| progress(Progress { done, all, at }))
    })?;
    data.close();
    let last = data.last().min(tail);
    let mut done = runs.into_iter().map(|run| run.finish(last));
    let old = done.next().ok_or("there are no rules to run")?;
    Ok(Report::new(asked, data, &old, done.next().as_ref()))
}

/// Hands each part to all runs.
fn read(
    stretch: source::Stretch,
    runs: &[SyncSender<Arc<Part>>],
    data: &mut Data,
    told: &mut dyn FnMut(u64, i64),
) -> Result<(), String> {
    let mut done = 0;
    stretch.run(&mut |part| {
        data.take(&part);
        done += part.arrivals.len() as u64;
        if let Some(last) = part.arrivals.last() {
            told(done, last.came);
        }
        let part = Arc::new(part);
        for run in runs {
            run.send(part.clone()).map_err(|_| "the rules have stopped before the readings did".to_owned())?;
        }
        Ok(())
    })
}

/// The points of a site that are not the gateway's own.
fn points_of(site: &Site, catalog: &Catalog) -> Vec<(PointId, PointSpec)> {
    let listed = points::list(site, catalog, &[]).into_iter().filter(|(meta, _)| meta.device != own::DEVICE);
    points::by_index(listed.map(|(meta, spec)| (catalog.add(meta), spec)).collect())
}

/// How long before the time that is asked for the detectors must begin to look.
fn lead_ms(site: &Arc<Site>, catalog: &Catalog, points: &[(PointId, PointSpec)]) -> i64 {
    let rules = Rehearsal::new(site, catalog, points, Line::new(0, Vec::new()).at(0));
    i64::try_from(rules.memory_ms()).unwrap_or(i64::MAX)
}

/// One set of rules on its way through the past.
struct Run {
    rules: Rehearsal,
    line: Line,
    /// By index of the point, whether a rule is on it.
    watched: Vec<bool>,
    /// By index of the point, when it was heard first.
    heard: Vec<Option<i64>>,
    /// Silences of points that had not been heard yet, by rule on a point.
    early: BTreeMap<u32, Transition>,
    /// Rules that learn and don't know enough yet.
    untaught: Vec<u32>,
    tally: Tally,
    told: Vec<Transition>,
}

impl Run {
    fn new(site: &Arc<Site>, catalog: &Catalog, points: &[(PointId, PointSpec)], line: Line, from: i64) -> Self {
        let start = line.start();
        let mut rules = Rehearsal::new(site, catalog, points, start);
        let mut watched = vec![false; catalog.len()];
        for watch in rules.watches() {
            if let Some(place) = watched.get_mut(watch.id.0 as usize) {
                *place = true;
            }
        }
        let tally = Tally::new(rules.watches().to_vec(), site, start, from);
        let untaught = (0..rules.watches().len() as u32).filter(|watch| rules.is_learning(*watch, start)).collect();
        let heard = vec![None; catalog.len()];
        Self { rules, line, watched, heard, early: BTreeMap::new(), untaught, tally, told: Vec::new() }
    }

    fn listen(&mut self, parts: &Receiver<Arc<Part>>) {
        while let Ok(part) = parts.recv() {
            for arrival in &part.arrivals {
                if let Some(heard) = self.heard.get_mut(arrival.reading.point.0 as usize) {
                    heard.get_or_insert(arrival.came);
                }
            }
            let Self { rules, line, watched, .. } = self;
            let wanted = part
                .arrivals
                .iter()
                .filter(|arrival| watched.get(arrival.reading.point.0 as usize).copied().unwrap_or(false));
            rules.hear(wanted.map(|a| (a.reading, a.delivery, line.at(a.came))), &mut self.told);
            self.count();
            if let Some(last) = part.arrivals.last() {
                self.taught(last.came);
            }
        }
    }

    fn count(&mut self) {
        let Self { told, heard, early, tally, .. } = self;
        let first = |tally: &Tally, binding: u32| {
            let silence = tally.watches.get(binding as usize).filter(|watch| watch.silence)?;
            Some(heard.get(silence.id.0 as usize).copied().flatten().unwrap_or(i64::MAX))
        };
        for step in told.drain(..) {
            // Where the past begins in the midst of things, what was not heard yet was not silent for that.
            match first(tally, step.binding) {
                Some(first) if step.event == EventName::Raise && step.detected.wall.0 <= first => {
                    early.insert(step.binding, step);
                }
                Some(_) if step.event == EventName::Return && early.remove(&step.binding).is_some() => {}
                Some(_) | None => tally.take(&step),
            }
        }
        // What was heard and was no value is silent from then on.
        early.retain(|binding, step| {
            let Some(first) = first(tally, *binding).filter(|first| *first < i64::MAX) else { return true };
            let later = u64::try_from(first.saturating_sub(step.detected.wall.0)).unwrap_or(0);
            step.detected = Now { mono: step.detected.mono.plus(later), wall: Wall(first) };
            tally.take(step);
            false
        });
    }

    /// Those that know enough by now are told with the time.
    fn taught(&mut self, at: i64) {
        let now = self.line.at(at);
        let Self { rules, untaught, tally, .. } = self;
        untaught.retain(|watch| {
            let learning = rules.is_learning(*watch, now);
            if !learning {
                tally.taught.insert(*watch, at);
            }
            learning
        });
    }

    /// What is due up to the end, which is then the present.
    fn finish(mut self, end: i64) -> Tally {
        let now = self.line.at(end);
        self.rules.pass(now, &mut self.told);
        self.count();
        self.taught(end);
        self.tally.untaught = self.untaught;
        self.tally.close(now);
        self.tally
    }
}

/// What a clock shows that has not moved, for times before the beginning.
const BEGIN: Mono = Mono(1 << 40);
