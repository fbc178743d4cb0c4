//! What the alarms of one set of rules did: each coming of an alarm as an episode, what came and went too fast, how many at once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use gengfu_core::alarm::performance::{self, Kind, Notice, Params, Performance};
use gengfu_core::alarm::{EventName, Priority, StateName, Transition};
use gengfu_core::reading::PointId;
use gengfu_core::time::Now;

use crate::config::checked::Site;
use crate::driver::Watch;
use crate::foretold::{Foretold, Score, Why};

const HOUR_MS: i64 = 3_600_000;
/// Comings that are kept one by one, some 64 bytes each; beyond them they are only counted.
const MOST_EPISODES: usize = 1_000_000;

/// One coming of an alarm. Times are UTC ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Episode {
    pub(super) watch: u32,
    pub(super) raised: i64,
    /// `None`: it stands at the end.
    pub(super) ended: Option<i64>,
    /// The highest it reached.
    pub(super) priority: Priority,
}

/// A rule on a point, counted.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Row {
    pub(super) alarms: u32,
    pub(super) escalations: u32,
    /// Those that another alarm explained: nobody was told.
    pub(super) hidden: u32,
    /// Those that came again at once.
    pub(super) flips: u32,
    /// Times in which it chattered.
    pub(super) chatters: u32,
    pub(super) standing_ms: u64,
    pub(super) longest_ms: u64,
    /// It stood before the time that was asked for.
    pub(super) stood: bool,
    pub(super) stands: bool,
    open: Option<Open>,
    last_over: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    since: u64,
    hidden: bool,
    episode: Option<usize>,
}

/// More alarms than anybody can handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flood {
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) peak: u32,
    pub(super) count: u32,
}

#[derive(Debug)]
pub(super) struct Tally {
    pub(super) watches: Vec<Watch>,
    pub(super) rows: Vec<Row>,
    pub(super) episodes: Vec<Episode>,
    /// Episodes that were not kept.
    pub(super) uncounted: u64,
    /// Alarms that rang, by the hour they did in, UTC ms.
    pub(super) hours: BTreeMap<i64, u32>,
    pub(super) floods: Vec<Flood>,
    /// Of warnings, by watch; filled at the end.
    pub(super) scores: HashMap<u32, Score>,
    /// Rules that learned in this past: when they knew enough to judge, UTC ms; and those that never did.
    pub(super) taught: BTreeMap<u32, i64>,
    pub(super) untaught: Vec<u32>,
    pub(super) params: Params,
    pub(super) end: i64,
    pub(super) from: i64,
    warned: Foretold<u32, PointId>,
    alarms: Vec<performance::Alarm>,
    site: performance::Site,
}

impl Tally {
    /// Counts from `from` on (UTC ms); what stands then has stood before.
    pub(super) fn new(watches: Vec<Watch>, site: &Arc<Site>, start: Now, from: i64) -> Self {
        Self {
            rows: vec![Row::default(); watches.len()],
            alarms: vec![performance::Alarm::default(); watches.len()],
            watches,
            episodes: Vec::new(),
            uncounted: 0,
            hours: BTreeMap::new(),
            floods: Vec::new(),
            scores: HashMap::new(),
            taught: BTreeMap::new(),
            untaught: Vec::new(),
            params: site.performance,
            end: from,
            from,
            warned: Foretold::default(),
            site: performance::Site::new(start),
        }
    }

    pub(super) fn take(&mut self, step: &Transition) {
        match step.event {
            EventName::Raise => self.raise(step),
            EventName::Return => self.over(step),
            EventName::Escalate => {
                self.highest(step);
                if let Some(row) = self.row(step) {
                    row.escalations += 1;
                }
                self.ring(step, Kind::Ring);
            }
            EventName::Unsuppress => self.announced(step),
            EventName::Suppress => self.ring(step, Kind::Hide),
            EventName::Acknowledge
            | EventName::Reset
            | EventName::ReAlarm
            | EventName::Shelve
            | EventName::Unshelve
            | EventName::OutOfService
            | EventName::ReturnToService
            | EventName::Note => {}
        }
    }

    /// What comes before the time that was asked for is not counted.
    fn counts(&self, step: &Transition) -> bool {
        step.detected.wall.0 >= self.from
    }

    fn row(&mut self, step: &Transition) -> Option<&mut Row> {
        if !self.counts(step) {
            return None;
        }
        self.rows.get_mut(step.binding as usize)
    }

    fn raise(&mut self, step: &Transition) {
        let (counts, hidden, mono) = (self.counts(step), step.state == StateName::Suppressed, step.detected.mono.0);
        let episode = (counts && !hidden).then(|| self.keep(step)).flatten();
        let flip_ms = self.params.chatter.within_ms;
        let Some(row) = self.rows.get_mut(step.binding as usize) else { return };
        row.open = Some(Open { since: mono, hidden, episode });
        row.stood |= !counts;
        if counts && hidden {
            row.hidden += 1;
        } else if counts {
            row.alarms += 1;
            row.flips += u32::from(row.last_over.is_some_and(|over| mono.saturating_sub(over) < flip_ms));
        }
        if !hidden {
            self.ring(step, Kind::Raise);
        }
        self.foretell(step);
    }

    /// It was explained by another and is not any more.
    fn announced(&mut self, step: &Transition) {
        let rings = matches!(step.state, StateName::Unacknowledged);
        let hidden = |tally: &Self| {
            let row = tally.rows.get(step.binding as usize);
            row.and_then(|row| row.open).is_some_and(|open| open.hidden)
        };
        if !rings {
            return;
        }
        if hidden(self) && self.counts(step) {
            let episode = self.keep(step);
            if let Some(row) = self.rows.get_mut(step.binding as usize) {
                row.alarms += 1;
                row.open = row.open.map(|open| Open { hidden: false, episode, ..open });
            }
        }
        self.ring(step, Kind::Ring);
    }

    fn over(&mut self, step: &Transition) {
        let (from, mono, wall) = (self.from, step.detected.mono.0, step.detected.wall.0);
        let Some(row) = self.rows.get_mut(step.binding as usize) else { return };
        let Some(open) = row.open.take() else { return };
        if wall >= from {
            let stood = mono.saturating_sub(open.since).min((wall - from) as u64);
            row.standing_ms += stood;
            row.longest_ms = row.longest_ms.max(stood);
        } else {
            row.stood = false;
        }
        row.last_over = Some(mono);
        if let Some(episode) = open.episode.and_then(|at| self.episodes.get_mut(at)) {
            episode.ended = Some(wall);
        }
        if !open.hidden {
            let latched = matches!(step.life, StateName::Latched | StateName::LatchedAcknowledged);
            self.ring(step, Kind::Return { latched });
            self.ring(step, Kind::Acknowledge);
            if latched {
                self.ring(step, Kind::Reset);
            }
        }
        if let Some(point) = self.watches.get(step.binding as usize).map(|watch| watch.id) {
            self.warned.over(&step.binding, &point);
        }
    }

    fn keep(&mut self, step: &Transition) -> Option<usize> {
        if self.episodes.len() >= MOST_EPISODES {
            self.uncounted += 1;
            return None;
        }
        let (watch, raised, priority) = (step.binding, step.detected.wall.0, step.priority);
        self.episodes.push(Episode { watch, raised, ended: None, priority });
        Some(self.episodes.len() - 1)
    }

    fn highest(&mut self, step: &Transition) {
        let episode = self.rows.get(step.binding as usize).and_then(|row| row.open?.episode);
        if let Some(episode) = episode.and_then(|at| self.episodes.get_mut(at)) {
            episode.priority = episode.priority.max(step.priority);
        }
    }

    fn foretell(&mut self, step: &Transition) {
        let (explained, mono) = (&step.explanation, step.detected.mono.0);
        let counts = self.counts(step);
        let Some(watch) = self.watches.get(step.binding as usize) else { return };
        // A trial foretells, and is foretold by nobody.
        if watch.predictive {
            if counts {
                let why = Why { value: explained.value, limit: explained.limit };
                self.warned.warn(step.binding, watch.id, why, mono);
            }
        } else if let Some(why) = Why::of_alarm(explained.value, explained.limit, explained.tally.is_some())
            && !watch.shadow
        {
            self.warned.alarm(step.binding, watch.id, why, mono);
        }
    }

    /// To the duty room: what it is told, as ISA-18.2 counts it.
    fn ring(&mut self, step: &Transition, kind: Kind) {
        let shadow = self.watches.get(step.binding as usize).is_none_or(|watch| watch.shadow);
        if shadow || !self.counts(step) {
            return;
        }
        if matches!(kind, Kind::Raise | Kind::Ring) {
            *self.hours.entry(step.detected.wall.0.div_euclid(HOUR_MS) * HOUR_MS).or_default() += 1;
        }
        let mut notices = Vec::new();
        let told = performance::Step { binding: step.binding, priority: step.priority, kind };
        self.view().handle(told, step.detected, &mut |notice| notices.push(notice));
        self.notice(&notices);
    }

    fn view(&mut self) -> Performance<'_> {
        Performance::new(&self.params, &mut self.alarms, &mut self.site)
    }

    fn notice(&mut self, notices: &[Notice]) {
        for notice in notices {
            match *notice {
                Notice::FloodEnded { at, since, peak, count } => {
                    self.floods.push(Flood { from: since.wall.0, to: at.wall.0, peak, count });
                }
                Notice::ChatterBegan { binding, .. } => {
                    if let Some(row) = self.rows.get_mut(binding as usize) {
                        row.chatters += 1;
                    }
                }
                Notice::FloodBegan { .. } | Notice::ChatterEnded { .. } => {}
            }
        }
    }

    /// The end of the past: what stands stands on.
    pub(super) fn close(&mut self, now: Now) {
        let mut notices = Vec::new();
        self.view().tick(now, &mut |notice| notices.push(notice));
        self.notice(&notices);
        if let performance::Flood::Flood { since, peak, count } = self.site_flood() {
            self.floods.push(Flood { from: since.wall.0, to: now.wall.0, peak, count });
        }
        let within = now.wall.0.saturating_sub(self.from).max(0) as u64;
        for row in &mut self.rows {
            let Some(open) = row.open else { continue };
            let stood = now.mono.0.saturating_sub(open.since).min(within);
            row.standing_ms += stood;
            row.longest_ms = row.longest_ms.max(stood);
            row.stands = true;
        }
        self.scores = std::mem::take(&mut self.warned).close();
        self.end = now.wall.0;
    }

    fn site_flood(&mut self) -> performance::Flood {
        self.view().flood()
    }
}
