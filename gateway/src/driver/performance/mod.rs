//! How well the alarms serve people, with names: each step of the alarm lane is told to core's [`Performance`], live and,
//! after a restart, once more from the lane, so that the figures of the day go on. What it notices (a flood, a chattering
//! alarm, the end of a day) is kept in the lane and told to whoever looks on. Nothing here changes an alarm.
//!
//! A rule on a point has a slot of its own that outlives a reload, since bindings are numbered anew there. A period is a
//! day by the site's clock.

mod report;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use gengfu_core::alarm::performance::{self, Kind, Life, Notice, Params, Performance, Period, Step, Tally};
use gengfu_core::alarm::{EventName, Priority, StateName};
use gengfu_core::time::{Mono, Now, Wall};
use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::news::News;
use super::warm::ago;
use crate::config::checked::Site;
use crate::flow::AlarmEvent;
use crate::journal::Journal;

pub use report::{Day, Name, Names, Report};

/// Transitions that a restart folds again at most: a hundred times what a day may bring by the standard. Of more the oldest
/// are left out, and the log says so.
const FOLDED: usize = 10_000;
/// Rows of the list of those that ring most.
const TOP: usize = 10;
const DAY_MS: i64 = 86_400_000;

/// All that is kept.
#[derive(Debug)]
pub(super) struct Figures {
    params: Params,
    zone: TimeZone,
    /// The day that the period is, UTC ms.
    day: Range<i64>,
    alarms: Vec<performance::Alarm>,
    site: performance::Site,
    slots: Vec<Slot>,
    by_name: HashMap<String, u32>,
    /// Those that chatter, and since when.
    chattering: BTreeMap<u32, i64>,
    yesterday: Option<Closed>,
}

/// A day that is over.
#[derive(Debug)]
struct Closed {
    period: Period,
    top: Vec<Tally>,
}

/// One rule on one point, and how its last step left it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Slot {
    rule: String,
    /// `device/point`
    point: String,
    left: Left,
}

/// Whether the last step was told to people, as far as it decides what the next one means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    Announced,
    /// Shelved, suppressed or out of service.
    Veiled,
    /// A test is not counted.
    Test,
}

impl Figures {
    /// Nothing has happened yet.
    pub(super) fn new(site: &Site, now: Now) -> Self {
        let zone = TimeZoneDatabase::bundled().get(&site.timezone).unwrap_or(TimeZone::UTC);
        Self {
            params: site.performance,
            day: day(&zone, now.wall),
            zone,
            alarms: Vec::new(),
            site: performance::Site::new(now),
            slots: Vec::new(),
            by_name: HashMap::new(),
            chattering: BTreeMap::new(),
            yesterday: None,
        }
    }

    /// As the last run left it: yesterday and today from the lane, and of what stands longer its last step. What the last
    /// run noticed it has told; what became due since `seen`, when it wrote its last, is told now.
    pub(super) fn refold(
        site: &Site,
        journal: &Journal,
        standing: &[AlarmEvent],
        seen: Option<i64>,
        present: Now,
    ) -> (Self, Vec<News>) {
        let zone = Self::new(site, present).zone;
        let begin = day(&zone, Wall(day(&zone, present.wall).start - 1)).start;
        let mut figures = Self::new(site, ago(present, Wall(begin)));
        let (mut told, mut folded) = (Vec::new(), 0);
        let read = journal.transitions(begin, FOLDED, &mut |event| {
            if !event.shadow {
                figures.take(&event, ago(present, Wall(event.detected)), &mut told);
            }
            folded += 1;
        });
        match read {
            Ok(()) if folded < FOLDED => {}
            Ok(()) => tracing::warn!(folded, "the alarm figures of today and yesterday lack what came before these"),
            Err(error) => tracing::warn!(error, "the alarm lane can't be read back, its figures begin anew"),
        }
        figures.put_missing(standing, present);
        figures.tick(seen.map_or(present, |seen| ago(present, Wall(seen.min(present.wall.0)))), &mut told);
        told.clear();
        figures.tick(present, &mut told);
        (figures, told)
    }

    /// Other lines to measure against: what was counted by the old ones says nothing of these, so that it begins anew.
    pub(super) fn measure_by(&mut self, site: &Site, standing: &[AlarmEvent], now: Now) {
        let fresh = Self::new(site, now);
        if fresh.params != self.params || fresh.zone != self.zone {
            *self = fresh;
            self.put_missing(standing, now);
        }
    }

    /// A step of an alarm.
    pub(super) fn take(&mut self, event: &AlarmEvent, now: Now, told: &mut Vec<News>) {
        self.pass(now, told);
        let (Some(word), Some(state)) = (event.event_name(), event.state_name()) else { return };
        let (slot, known) = self.slot(event);
        if !known && event.number > 1 {
            self.restore(slot, performance::Alarm::standing(before(event, word, now), None));
        }
        let Some(of) = self.slots.get_mut(slot as usize) else { return };
        let was = std::mem::replace(&mut of.left, left(event, state));
        let priority = event.urgency().unwrap_or(Priority::Low);
        for kind in kinds(event, word, state, was).into_iter().flatten() {
            let mut notices = Vec::new();
            self.view().handle(Step { binding: slot, priority, kind }, now, &mut |notice| notices.push(notice));
            self.tell(notices, told);
        }
    }

    /// Nothing but the time.
    pub(super) fn tick(&mut self, now: Now, told: &mut Vec<News>) {
        self.pass(now, told);
        let mut notices = Vec::new();
        self.view().tick(now, &mut |notice| notices.push(notice));
        self.tell(notices, told);
    }

    /// When to call [`Figures::tick`] at the latest.
    pub(super) fn next_deadline(&mut self, now: Now) -> Mono {
        let midnight = now.mono.plus(self.day.end.saturating_sub(now.wall.0).max(0) as u64);
        self.view().next_deadline().map_or(midnight, |due| due.min(midnight))
    }

    fn view(&mut self) -> Performance<'_> {
        Performance::new(&self.params, &mut self.alarms, &mut self.site)
    }

    /// Closes the day once it is over. A clock that is set back by less than a day makes it longer.
    fn pass(&mut self, now: Now, told: &mut Vec<News>) {
        if (self.day.start.saturating_sub(DAY_MS)..self.day.end).contains(&now.wall.0) {
            return;
        }
        let end = ago(now, Wall(self.day.end.min(now.wall.0)));
        let top = self.top();
        let mut notices = Vec::new();
        let period = self.view().close(end, &mut |notice| notices.push(notice));
        self.tell(notices, told);
        told.push(News::day(&period));
        self.yesterday = Some(Closed { period, top });
        self.day = day(&self.zone, now.wall);
    }

    /// Notices with names.
    fn tell(&mut self, notices: Vec<Notice>, told: &mut Vec<News>) {
        for notice in notices {
            let at = notice.at().wall.0;
            told.push(match notice {
                Notice::FloodBegan { count, .. } => News::FloodBegan {
                    at,
                    count,
                    above: self.params.flood.above,
                    window_ms: self.params.flood.window_ms,
                },
                Notice::FloodEnded { since, peak, count, .. } => {
                    News::FloodEnded { at, since: since.wall.0, peak, count }
                }
                Notice::ChatterBegan { binding, .. } => {
                    self.chattering.insert(binding, at);
                    let (rule, point) = self.name(binding);
                    News::ChatterBegan { at, rule, point }
                }
                Notice::ChatterEnded { binding, lasted_ms, transitions, .. } => {
                    self.chattering.remove(&binding);
                    let (rule, point) = self.name(binding);
                    News::ChatterEnded { at, rule, point, lasted_ms, transitions }
                }
            });
        }
    }

    fn name(&self, slot: u32) -> (String, String) {
        self.slots.get(slot as usize).map(|slot| (slot.rule.clone(), slot.point.clone())).unwrap_or_default()
    }

    /// The slot of an alarm, and whether it was there.
    fn slot(&mut self, event: &AlarmEvent) -> (u32, bool) {
        let (rule, point) = (event.rule.clone(), format!("{}/{}", event.device, event.point));
        let name = format!("{rule}@{point}");
        if let Some(slot) = self.by_name.get(&name) {
            return (*slot, true);
        }
        let slot = self.slots.len() as u32;
        self.slots.push(Slot { rule, point, left: Left::Announced });
        self.alarms.push(performance::Alarm::default());
        self.by_name.insert(name, slot);
        (slot, false)
    }

    /// Only of a slot that has taken no step yet: it chatters not.
    fn restore(&mut self, slot: u32, alarm: performance::Alarm) {
        if let Some(place) = self.alarms.get_mut(slot as usize) {
            *place = alarm;
        }
    }

    /// What stands and was not folded: it has taken no step for longer than a day.
    fn put_missing(&mut self, standing: &[AlarmEvent], now: Now) {
        for event in standing.iter().filter(|event| !event.shadow) {
            let Some(state) = event.state_name() else { continue };
            let (slot, known) = self.slot(event);
            if known {
                continue;
            }
            let left = left(event, state);
            let shelf = event.shelved.as_ref().map(|veil| ago(now, Wall(veil.at)).mono);
            let life = if left == Left::Test { Life::Quiet } else { life(event, state, now) };
            self.restore(slot, performance::Alarm::standing(life, shelf));
            if let Some(of) = self.slots.get_mut(slot as usize) {
                of.left = left;
            }
        }
    }

    fn top(&mut self) -> Vec<Tally> {
        let mut top = vec![Tally::default(); TOP];
        let filled = self.view().top(&mut top);
        top.truncate(filled);
        top
    }
}

/// What a step is to people, in order.
fn kinds(event: &AlarmEvent, word: EventName, state: StateName, was: Left) -> [Option<Kind>; 2] {
    let now = left(event, state);
    if now == Left::Test {
        return [None, None];
    }
    // B and E ring.
    let ring = matches!(state, StateName::Unacknowledged | StateName::Latched).then_some(Kind::Ring);
    match word {
        // Its rule or point is gone, and it with them.
        EventName::Return if event.by.as_deref() == Some(BURIED) => [Some(Kind::Unshelve), Some(Kind::Hide)],
        EventName::Note => [None, None],
        EventName::Shelve => [Some(Kind::Shelve), None],
        EventName::Suppress | EventName::OutOfService => [Some(Kind::Hide), None],
        EventName::Unshelve => [Some(Kind::Unshelve), ring],
        EventName::Unsuppress | EventName::ReturnToService => [ring, None],
        // With its condition a shelf is over that was for one shot.
        EventName::Return if was == Left::Veiled && event.shelved.is_none() => [Some(Kind::Unshelve), ring],
        // A life that goes on below a veil.
        EventName::Raise
        | EventName::Escalate
        | EventName::ReAlarm
        | EventName::Return
        | EventName::Acknowledge
        | EventName::Reset
            if now == Left::Veiled =>
        {
            [None, None]
        }
        // The end of a test: the condition has not come, it is real from now on.
        EventName::Raise if was == Left::Test => [ring, None],
        EventName::Raise => [Some(Kind::Raise), None],
        EventName::Escalate | EventName::ReAlarm => [Some(Kind::Ring), None],
        // The last step of a life that nobody was told of.
        EventName::Return | EventName::Acknowledge | EventName::Reset if was != Left::Announced => [None, None],
        EventName::Return => {
            let latched = matches!(state, StateName::Latched | StateName::LatchedAcknowledged);
            [Some(Kind::Return { latched }), None]
        }
        EventName::Acknowledge => [Some(Kind::Acknowledge), None],
        EventName::Reset => [Some(Kind::Reset), None],
    }
}

/// Who closes an alarm that the configuration has no place for any more.
pub(super) const BURIED: &str = "configuration";

fn left(event: &AlarmEvent, state: StateName) -> Left {
    if event.test.is_some() {
        return Left::Test;
    }
    match state {
        StateName::Shelved | StateName::Suppressed | StateName::OutOfService => Left::Veiled,
        StateName::Normal
        | StateName::Unacknowledged
        | StateName::Acknowledged
        | StateName::Returned
        | StateName::Latched
        | StateName::LatchedAcknowledged => Left::Announced,
    }
}

/// What people saw of an alarm that stands, by its last step.
fn life(event: &AlarmEvent, state: StateName, now: Now) -> Life {
    let (since, rung) = heard(event, now);
    match state {
        StateName::Unacknowledged => Life::Ringing { since, rung },
        StateName::Returned => Life::Gone { since, rung, latched: false },
        StateName::Latched => Life::Gone { since, rung, latched: true },
        StateName::Acknowledged | StateName::LatchedAcknowledged => Life::Seen { since },
        StateName::Normal | StateName::Shelved | StateName::Suppressed | StateName::OutOfService => Life::Quiet,
    }
}

/// What they saw before the first step that is folded, as far as the step itself knows.
fn before(event: &AlarmEvent, word: EventName, now: Now) -> Life {
    let (since, rung) = heard(event, now);
    match word {
        EventName::Acknowledge => Life::Ringing { since, rung },
        EventName::Return if event.acknowledged.is_none() => Life::Ringing { since, rung },
        EventName::Raise
        | EventName::Return
        | EventName::Reset
        | EventName::Escalate
        | EventName::ReAlarm
        | EventName::Shelve
        | EventName::Unshelve
        | EventName::Suppress
        | EventName::Unsuppress
        | EventName::OutOfService
        | EventName::ReturnToService
        | EventName::Note => Life::Seen { since },
    }
}

/// Announced since, and unseen since.
fn heard(event: &AlarmEvent, now: Now) -> (Mono, Mono) {
    let at = |wall: i64| ago(now, Wall(wall)).mono;
    (at(event.onset), at(event.raised.as_ref().map_or(event.onset, |raised| raised.at)))
}

/// The day that holds a time, by the site's clock. A time that no calendar has is in a day of its own.
fn day(zone: &TimeZone, wall: Wall) -> Range<i64> {
    let of = |wall: Wall| {
        let at = Timestamp::from_millisecond(wall.0).ok()?.to_zoned_datetime(zone.clone());
        let start = at.start_of_day().ok()?;
        let end = start.tomorrow().ok()?.start_of_day().ok()?;
        Some(start.timestamp().as_millisecond()..end.timestamp().as_millisecond())
    };
    of(wall).unwrap_or(wall.0..wall.0.saturating_add(DAY_MS))
}
