//! How well the alarms serve the people who must act on them, figured out as it happens: ISA-18.2 / IEC 62682 and EEMUA 191
//! say what is measured, the parameters what is good enough. Nothing here changes an alarm.
//!
//! [`Performance::handle`] first serves every deadline that has passed, in order, each notice stamped with its deadline:
//! the same steps give the same notices under any batching and however late a timer wakes. It owns no storage: one
//! [`Alarm`] a binding and one [`Site`] are lent. A figure for all is kept as it happens; a list (stale, shelved too long,
//! the top ten) is made by a scan when somebody asks.

mod chatter;
mod life;
mod notice;
mod rate;
mod record;

#[cfg(test)]
mod tests;

pub use super::recent::Pace;
pub use life::{Kind, Life};
pub use notice::Notice;
pub use rate::{Flood, Lines};
pub use record::{ByPriority, Period, Waits, Windows};

use super::Priority;
use crate::time::{Mono, Now};
use chatter::{Chatter, Queue};
use life::Told;
use rate::Rate;

const HOUR_MS: u64 = 3_600_000;

/// What is measured against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Params {
    /// The flood.
    pub flood: Lines,
    /// An hour with more alarms than this is counted.
    pub hour_above: u32,
    /// Chattering.
    pub chatter: Pace,
    /// Gone within less than this, unseen, is fleeting, ms.
    pub fleeting_ms: u64,
    /// Annunciated for longer than this is stale, ms.
    pub stale_ms: u64,
    /// Shelved for longer than this is too long, ms.
    pub shelved_ms: u64,
}

impl Default for Params {
    /// ISA-18.2 / IEC 62682: more than 30 in an hour, stale after 24 h, and those of [`Lines`] and [`Pace`]. The standards
    /// leave it to the site what is fleeting ("before an operator could act") and how long a shelf may hold; a minute
    /// (somebody must look up, read and walk) and half a shift on a shelf are this product's.
    fn default() -> Self {
        Self {
            flood: Lines::default(),
            hour_above: 30,
            chatter: Pace::default(),
            fleeting_ms: 60_000,
            stale_ms: 86_400_000,
            shelved_ms: 14_400_000,
        }
    }
}

/// One step of one alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Index of the (rule, point) binding. Beyond what is lent, it counts for the site, not for a list.
    pub binding: u32,
    /// As it is announced.
    pub priority: Priority,
    /// What happened.
    pub kind: Kind,
}

/// One alarm; 88 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Alarm {
    life: Life,
    /// On the shelf since; beside the life, since an alarm may be hidden and shelved at once.
    shelf: Option<Mono>,
    chatter: Chatter,
    /// Rings in this period.
    rings: u32,
}

const _: () = assert!(size_of::<Alarm>() <= 88);

impl Alarm {
    /// An alarm as an earlier run left it.
    pub fn standing(life: Life, shelved: Option<Mono>) -> Self {
        Self { life, shelf: shelved, ..Self::default() }
    }
}

/// What is kept of the site as a whole; 736 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Site {
    /// The latest `now`; time that runs backwards is taken as standing still.
    mono: Mono,
    rate: Rate,
    flood: Flood,
    chattering: Queue,
    period: Period,
}

const _: () = assert!(size_of::<Site>() <= 736);

impl Site {
    /// A site whose first period begins.
    pub fn new(now: Now) -> Self {
        Self {
            mono: now.mono,
            rate: Rate::default(),
            flood: Flood::Calm,
            chattering: Queue::default(),
            period: Period::beginning(now),
        }
    }
}

/// One row of the top ten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Index of the binding.
    pub binding: u32,
    /// How often it rang in this period.
    pub rings: u32,
}

/// A view over what is lent; making one costs nothing. A step costs a few additions, in a flood 61 more.
#[derive(Debug)]
pub struct Performance<'t> {
    params: &'t Params,
    alarms: &'t mut [Alarm],
    site: &'t mut Site,
}

impl<'t> Performance<'t> {
    /// `alarms` is by binding, and may be longer the next time.
    pub const fn new(params: &'t Params, alarms: &'t mut [Alarm], site: &'t mut Site) -> Self {
        Self { params, alarms, site }
    }

    /// Serves deadlines, then takes the step.
    pub fn handle(&mut self, step: Step, now: Now, sink: &mut impl FnMut(Notice)) {
        let now = self.advance(now, sink);
        match step.kind {
            Kind::Raise => {
                self.alternate(step.binding, now, sink);
                self.ring(step, now, sink);
            }
            Kind::Return { .. } => self.alternate(step.binding, now, sink),
            Kind::Ring => self.ring(step, now, sink),
            Kind::Acknowledge | Kind::Reset | Kind::Shelve | Kind::Unshelve | Kind::Hide => {}
        }
        let Some(alarm) = self.alarms.get_mut(step.binding as usize) else { return };
        match step.kind {
            Kind::Shelve => alarm.shelf = Some(now.mono),
            Kind::Unshelve => alarm.shelf = None,
            Kind::Raise | Kind::Ring => {
                // What is announced is on no shelf, whatever took it off.
                alarm.shelf = None;
                alarm.rings = alarm.rings.saturating_add(1);
            }
            Kind::Return { .. } | Kind::Acknowledge | Kind::Reset | Kind::Hide => {}
        }
        let (life, told) = alarm.life.step(step.kind, now.mono);
        alarm.life = life;
        let period = &mut self.site.period;
        match told {
            Told::Waited(ms) => period.acknowledged.of_mut(step.priority).add(ms),
            // One that repeats itself is chattering, not fleeting (ISA-18.2).
            Told::Left(ms) if ms < self.params.fleeting_ms && !alarm.chatter.is_chattering() => period.fleeting += 1,
            Told::Left(_) | Told::Nothing => {}
        }
    }

    /// Nothing but the time.
    pub fn tick(&mut self, now: Now, sink: &mut impl FnMut(Notice)) {
        self.advance(now, sink);
    }

    /// When to call again at the latest.
    pub fn next_deadline(&self) -> Option<Mono> {
        let flood = self.site.flood.deadline(&self.params.flood, &self.site.rate);
        let chatter = self.site.chattering.deadline(self.alarms, self.params.chatter);
        match (flood, chatter) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (one, other) => one.or(other),
        }
    }

    /// Alarms in the sliding window up to `now`, to the grain of [`Lines::window_ms`] over 60: each counts for the window at
    /// least and for a grain more at most.
    pub fn rate(&self, now: Now) -> u32 {
        self.site.rate.clone().at(&self.params.flood, now.mono.max(self.site.mono))
    }

    /// Whether the operator is flooded.
    pub const fn flood(&self) -> Flood {
        self.site.flood
    }

    /// How many alarms chatter.
    pub const fn chattering(&self) -> u32 {
        self.site.chattering.len()
    }

    /// The figures of the period so far.
    pub fn period(&self, now: Now) -> Period {
        let mut period = Period { until: Now { mono: now.mono.max(self.site.mono), ..now }, ..self.site.period };
        if let Flood::Flood { since, .. } = self.site.flood {
            period.flood_ms += flooded(&period, since, period.until.mono);
        }
        period
    }

    /// Closes the period and begins the next. What stands goes on standing, a flood goes on, the tallies begin anew. Ask for
    /// the top ten before. Deadlines that have passed are served first: they belong to the period that ends.
    pub fn close(&mut self, now: Now, sink: &mut impl FnMut(Notice)) -> Period {
        let now = self.advance(now, sink);
        let closed = self.period(now);
        self.site.period = Period::beginning(now);
        for alarm in self.alarms.iter_mut() {
            alarm.rings = 0;
        }
        closed
    }

    /// The alarms that rang most often in this period, most first, of equals the first binding; says how many there are.
    /// A scan; with ten rows, a look at each alarm and little more.
    pub fn top(&self, into: &mut [Tally]) -> usize {
        let mut filled = 0;
        for (index, alarm) in self.alarms.iter().enumerate().filter(|(_, alarm)| alarm.rings > 0) {
            let mut carried = Tally { binding: index as u32, rings: alarm.rings };
            for row in into.iter_mut().take(filled) {
                if row.rings < carried.rings {
                    core::mem::swap(row, &mut carried);
                }
            }
            if let Some(row) = into.get_mut(filled) {
                *row = carried;
                filled += 1;
            }
        }
        filled
    }

    /// Bindings whose alarms have been announced for too long, by a scan.
    pub fn stale(&self, now: Now) -> impl Iterator<Item = u32> {
        longer(self.alarms, now.mono, self.params.stale_ms, |alarm| alarm.life.since())
    }

    /// Bindings whose alarms have been on the shelf for too long, by a scan.
    pub fn shelved_too_long(&self, now: Now) -> impl Iterator<Item = u32> {
        longer(self.alarms, now.mono, self.params.shelved_ms, |alarm| alarm.shelf)
    }

    /// An alarm rings.
    fn ring(&mut self, step: Step, now: Now, sink: &mut impl FnMut(Notice)) {
        let lines = &self.params.flood;
        let Site { rate, flood, period, .. } = &mut *self.site;
        let count = period.annunciated.of_mut(step.priority);
        *count = count.saturating_add(1);
        period.windows.add(now.wall, lines.window_ms, lines.above);
        period.hours.add(now.wall, HOUR_MS, self.params.hour_above);
        let rate = rate.add(lines, now.mono);
        let before = core::mem::replace(flood, flood.alarm(lines, rate, now));
        if before == Flood::Calm && *flood != Flood::Calm {
            period.floods += 1;
            sink(Notice::FloodBegan { at: now, count: rate });
        }
    }

    /// A transition between alarm and normal.
    fn alternate(&mut self, binding: u32, now: Now, sink: &mut impl FnMut(Notice)) {
        if self.site.chattering.transition(self.alarms, binding, self.params.chatter, now.mono) {
            self.site.period.chatters += 1;
            sink(Notice::ChatterBegan { at: now, binding });
        }
    }

    /// Serves what is due up to `now`, in order.
    fn advance(&mut self, now: Now, sink: &mut impl FnMut(Notice)) -> Now {
        let now = Now { mono: now.mono.max(self.site.mono), ..now };
        while let Some(due) = self.next_deadline().filter(|due| *due <= now.mono) {
            let at = now.at(due.max(self.site.mono));
            if self.site.flood.deadline(&self.params.flood, &self.site.rate) == Some(due) {
                self.ebb(at, sink);
            } else if let Some(over) = self.site.chattering.pop(self.alarms, self.params.chatter) {
                let lasted_ms = over.due.since(over.since);
                sink(Notice::ChatterEnded { at, binding: over.binding, lasted_ms, transitions: over.transitions });
            } else {
                break;
            }
        }
        self.site.mono = now.mono;
        self.site.rate.at(&self.params.flood, now.mono);
        now
    }

    /// The flood is over.
    fn ebb(&mut self, at: Now, sink: &mut impl FnMut(Notice)) {
        let Flood::Flood { since, peak, count } = core::mem::take(&mut self.site.flood) else { return };
        self.site.period.flood_ms += flooded(&self.site.period, since, at.mono);
        sink(Notice::FloodEnded { at, since, peak, count });
    }
}

/// The part of a flood that lies in the period.
fn flooded(period: &Period, since: Now, until: Mono) -> u64 {
    until.since(since.mono.max(period.since.mono))
}

fn longer(alarms: &[Alarm], now: Mono, ms: u64, since: impl Fn(&Alarm) -> Option<Mono>) -> impl Iterator<Item = u32> {
    let late = move |alarm: &Alarm| since(alarm).is_some_and(|since| now.since(since) > ms);
    alarms.iter().enumerate().filter(move |(_, alarm)| late(alarm)).map(|(index, _)| index as u32)
}
