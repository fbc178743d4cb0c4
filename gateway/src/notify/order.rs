//! Which transition is pushed next. Pure.
//!
//! Per alarm the order is kept: its next transition waits until the one before is accepted. Other alarms pass a failing one.
//! A few transitions of each alarm are held here, the rest waits in the journal and is read from there when their turn comes:
//! an alarm that is refused for a day takes no room from another ([`Behind`]).
//! One that comes after a newer one of its alarm (the journal could not read it in time) still goes first, unless the
//! newer one has been tried: then it goes as soon as it may, and says so.
//! What was never tried goes before what is tried again, so that a first raise waits for no retry; then by priority.
//!
//! ```text
//!  taken ─▶ Waiting(now) ─▶ Flying ─▶ accepted: settled, the alarm's next one is due
//!               ▲              │
//!               └─ Waiting(later) ◀─┘ not accepted
//! ```

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};

use gengfu_core::time::Mono;

use super::behind::Behind;
use crate::journal::{Found, Seq, Tapped};

/// Alarms with something taken and not accepted yet; beyond it all stays in the journal.
pub(super) const WINDOW: usize = 1_024;
/// Transitions held of one alarm: it is raised, seen, over and raised again without the disk.
pub(super) const FEW: usize = 4;
/// An alarm with no more than this is read on, so that a long catching-up waits for no read.
const READ_ON: usize = FEW / 2;
/// Pushes under way at once.
pub(super) const IN_FLIGHT: usize = 16;
/// A transition whose alarm was refused this often in a row may be given up, but only where it would keep new alarms out.
pub(super) const REFUSED_ENOUGH: u32 = 10;
/// So long must a full window have stood still, ms: where it moves, all that wait in it may yet be accepted.
pub(super) const STUCK_MS: u64 = 10_000;
/// An alarm that failed so often while others were accepted is in trouble of its own; once is where an outage begins.
const ALONE: u32 = 2;
/// While the receiver is away one alarm asks for it this often, ms: it is back for all within a second of its return.
pub(super) const SCOUT_MS: u64 = 800;

const _: () = assert!(IN_FLIGHT < WINDOW, "the window must hold more than what is under way");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting(Mono),
    Flying,
}

/// How a push ended that was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// The receiver could not be reached.
    Away,
    /// It was reached, and could not take this now.
    Busy,
    /// The receiver answered, and said no.
    Refused,
}

/// One transition of the window.
#[derive(Debug)]
struct Item {
    tapped: Tapped,
    /// Since when it is owed, as far as this run knows.
    since: Mono,
    /// Rises in the order of the tap.
    place: u64,
    /// 4 for critical, 0 for a word unknown.
    urgency: u8,
    attempts: u32,
}

#[derive(Debug)]
struct Alarm {
    state: State,
    /// The first is what `state` is about; none while its next ones are read.
    items: VecDeque<Item>,
    behind: Option<Behind>,
    /// What follows counts since its last acceptance: failures,
    failures: u32,
    /// those that speak against it, not against the channel: refused, or not taken while others were,
    refusals: u32,
    /// and those while others were accepted.
    alone: u32,
    /// What the window had accepted at its last attempt.
    seen: u64,
    /// The last attempt found no receiver.
    away: bool,
}

/// All that is taken and unsettled.
#[derive(Debug, Default)]
pub(super) struct Window {
    alarms: HashMap<String, Alarm>,
    flying: usize,
    places: u64,
    /// Counts what was accepted.
    accepted: u64,
    /// Of those that found no receiver the one that asks for it.
    scout: Option<String>,
    /// Since when it is full and no alarm has left it.
    full: Option<Mono>,
}

/// A transition to be pushed.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    pub(super) tapped: Tapped,
    /// 1 for the first.
    pub(super) number: u32,
}

/// What is to be read of an alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Missing {
    pub(super) id: String,
    pub(super) range: (Seq, Seq),
    pub(super) max: usize,
}

impl Item {
    fn tried(&self) -> bool {
        self.attempts > 0
    }

    fn seq(&self) -> Seq {
        self.tapped.mark.seq()
    }
}

impl Alarm {
    fn new(now: Mono, seen: u64) -> Self {
        let (items, state) = (VecDeque::new(), State::Waiting(now));
        Self { state, items, behind: None, failures: 0, refusals: 0, alone: 0, seen, away: false }
    }

    /// Others are accepted and it is not: it says nothing of the channel, and the channel nothing of it.
    fn in_trouble(&self) -> bool {
        self.alone >= ALONE
    }

    /// Puts a transition at its place; what is too many goes back to the journal.
    fn insert(&mut self, mut item: Item) {
        let number = item.tapped.event.number;
        if self.items.iter().any(|other| other.seq() == item.seq()) {
            return; // read for its alarm before the tap came to it
        }
        if let Some(newer) = item.tapped.passed_by
            && self.items.iter().any(|other| !other.tried() && other.tapped.event.number == newer)
        {
            item.tapped.passed_by = None;
        }
        let newer = self.items.iter().position(|other| !other.tried() && other.tapped.event.number > number);
        self.items.insert(newer.unwrap_or(self.items.len()), item);
        while self.items.len() > FEW
            && let Some(last) = self.items.pop_back()
        {
            let behind = self.behind.get_or_insert_with(|| Behind::new(last.seq(), last.since));
            behind.leave(last.seq(), last.tapped.passed_by);
        }
    }

    /// Since when its oldest is owed.
    fn since(&self) -> Option<Mono> {
        self.items.iter().map(|item| item.since).chain(self.behind.as_ref().map(|behind| behind.since)).min()
    }
}

impl Window {
    pub(super) fn has_room(&self) -> bool {
        self.alarms.len() < WINDOW
    }

    /// All that is owed, as far as the tap has come.
    pub(super) fn len(&self) -> usize {
        let of = |alarm: &Alarm| alarm.items.len() + alarm.behind.as_ref().map_or(0, |behind| behind.count);
        self.alarms.values().map(of).sum()
    }

    /// Since when the oldest of all that is owed waits for its acceptance.
    pub(super) fn oldest(&self) -> Option<Mono> {
        self.alarms.values().filter_map(Alarm::since).min()
    }

    /// Takes a transition in; due at once unless its alarm has an earlier one. Where its alarm has enough it is left in the
    /// journal.
    pub(super) fn take(&mut self, tapped: Tapped, now: Mono) {
        let seen = self.accepted;
        let alarm = self.alarms.entry(tapped.event.id.clone()).or_insert_with(|| Alarm::new(now, seen));
        let seq = tapped.mark.seq();
        if let Some(behind) = &mut alarm.behind
            && behind.from <= seq
        {
            return behind.leave(seq, tapped.passed_by);
        }
        self.places += 1;
        alarm.insert(item(tapped, self.places, now));
    }

    /// Something of an alarm that is to be read from the journal now; [`Window::found`] or [`Window::unread`] answers.
    pub(super) fn missing(&mut self, now: Mono) -> Option<Missing> {
        let wanted = |(id, alarm): (&String, &Alarm)| {
            let behind = alarm.behind.as_ref().filter(|behind| behind.read_at().is_some_and(|at| at <= now))?;
            (alarm.items.len() <= READ_ON).then(|| (alarm.items.len(), behind.from, id.clone()))
        };
        let (held, _, id) = self.alarms.iter().filter_map(wanted).min()?;
        let range = self.alarms.get_mut(&id)?.behind.as_mut()?.ask();
        Some(Missing { id, range, max: FEW - held })
    }

    /// What the journal had of an alarm from `from` on.
    pub(super) fn found(&mut self, id: &str, from: Seq, found: Found, now: Mono) {
        let Some(alarm) = self.alarms.get_mut(id) else { return };
        let Some(behind) = &mut alarm.behind else { return };
        if !behind.answer(from, &found, now) {
            return;
        }
        let (since, passed_by) = (behind.since, behind.passed_by);
        if behind.over() {
            alarm.behind = None;
        }
        for mut tapped in found.tapped {
            tapped.passed_by = passed_by.filter(|newer| found.whole && *newer > tapped.event.number);
            self.places += 1;
            alarm.insert(item(tapped, self.places, since));
        }
        self.forget_empty(id);
    }

    /// Nothing is known of what was asked for: it is asked for again.
    pub(super) fn unread(&mut self, now: Mono) {
        self.alarms.values_mut().filter_map(|alarm| alarm.behind.as_mut()).for_each(|behind| behind.ask_again(now));
    }

    /// The next transition to push now.
    pub(super) fn next(&mut self, now: Mono) -> Option<Attempt> {
        if self.flying >= IN_FLIGHT {
            return None;
        }
        let due =
            |alarm: &&mut Alarm| matches!(alarm.state, State::Waiting(at) if at <= now) && !alarm.items.is_empty();
        let first =
            |alarm: &&mut Alarm| alarm.items.front().map(|item| (item.tried(), Reverse(item.urgency), item.place));
        let alarm = self.alarms.values_mut().filter(due).min_by_key(first)?;
        let item = alarm.items.front_mut()?;
        item.attempts = item.attempts.saturating_add(1);
        if alarm.failures == 0 {
            alarm.seen = self.accepted;
        }
        alarm.state = State::Flying;
        self.flying += 1;
        Some(Attempt { tapped: item.tapped.clone(), number: item.attempts })
    }

    /// When [`Window::next`] will have something, or [`Window::missing`] where more `may_be_read`, if nothing else happens.
    pub(super) fn next_at(&self, may_be_read: bool) -> Option<Mono> {
        let room = self.flying < IN_FLIGHT;
        let push = |alarm: &Alarm| match alarm.state {
            State::Waiting(at) if room && !alarm.items.is_empty() => Some(at),
            State::Waiting(_) | State::Flying => None,
        };
        let read =
            |alarm: &Alarm| alarm.behind.as_ref()?.read_at().filter(|_| may_be_read && alarm.items.len() <= READ_ON);
        self.alarms.values().flat_map(|alarm| [push(alarm), read(alarm)]).flatten().min()
    }

    /// The flying transition of this alarm was accepted: its next one is due, and so is all that waited for the receiver.
    pub(super) fn accepted(&mut self, id: &str, now: Mono) {
        self.accepted += 1;
        self.scout = None;
        if let Some(alarm) = self.alarms.get_mut(id) {
            (alarm.failures, alarm.refusals, alarm.alone, alarm.away) = (0, 0, 0, false);
        }
        self.drop_first(id, now);
        self.due_again(now, |_| true);
    }

    /// The receiver is there: all that waited because it was not is due.
    pub(super) fn reached(&mut self, now: Mono) {
        self.due_again(now, |alarm| alarm.away);
    }

    fn due_again(&mut self, now: Mono, which: impl Fn(&Alarm) -> bool) {
        for alarm in self.alarms.values_mut().filter(|alarm| !alarm.in_trouble() && which(alarm)) {
            if let State::Waiting(at) = &mut alarm.state {
                *at = now.min(*at);
            }
        }
    }

    /// How often this alarm has failed in a row.
    pub(super) fn failures(&self, id: &str) -> u32 {
        self.alarms.get(id).map_or(0, |alarm| alarm.failures)
    }

    /// The flying transition of this alarm was not accepted; it waits for so many ms, or less where it asks for the receiver.
    pub(super) fn failed(&mut self, id: &str, failure: Failure, now: Mono, wait_ms: u64) {
        let Some(alarm) = self.alarms.get_mut(id) else { return };
        if alarm.state == State::Flying {
            self.flying -= 1;
        }
        let others = std::mem::replace(&mut alarm.seen, self.accepted) < self.accepted;
        alarm.failures = alarm.failures.saturating_add(1);
        // Whoever took nothing from anybody has not refused it, unless he says so.
        alarm.refusals = alarm.refusals.saturating_add(u32::from(others || failure == Failure::Refused));
        alarm.alone = alarm.alone.saturating_add(u32::from(others));
        alarm.away = failure == Failure::Away;
        if alarm.away && !alarm.in_trouble() {
            self.scout.get_or_insert_with(|| id.to_owned());
        } else if self.scout.as_deref() == Some(id) {
            self.scout = None;
        }
        let scouts = self.scout.as_deref() == Some(id);
        alarm.state = State::Waiting(now.plus(if scouts { wait_ms.min(SCOUT_MS) } else { wait_ms }));
    }

    /// Nothing is known of those that fly: all of them wait until `at`.
    pub(super) fn all_failed(&mut self, at: Mono) {
        for alarm in self.alarms.values_mut().filter(|alarm| alarm.state == State::Flying) {
            alarm.state = State::Waiting(at);
        }
        self.flying = 0;
    }

    /// A full window of alarms that are refused would keep every new one out. After [`STUCK_MS`] the one refused most often,
    /// [`REFUSED_ENOUGH`] times at least, loses the transition it was refused with. First those that have no other.
    pub(super) fn give_up(&mut self, now: Mono) -> Option<Tapped> {
        if self.has_room() {
            self.full = None;
            return None;
        }
        if now.since(*self.full.get_or_insert(now)) < STUCK_MS {
            return None;
        }
        let stuck = |(id, alarm): (&String, &Alarm)| {
            let item = alarm.items.front().filter(|item| item.tried())?;
            let last = alarm.items.len() == 1 && alarm.behind.is_none();
            (alarm.state != State::Flying && alarm.refusals >= REFUSED_ENOUGH)
                .then(|| (last, alarm.refusals, Reverse(item.place), id.clone()))
        };
        let (.., id) = self.alarms.iter().filter_map(stuck).max()?;
        self.drop_first(&id, now)
    }

    fn drop_first(&mut self, id: &str, now: Mono) -> Option<Tapped> {
        let alarm = self.alarms.get_mut(id)?;
        if alarm.state == State::Flying {
            self.flying -= 1;
        }
        alarm.state = State::Waiting(now);
        let item = alarm.items.pop_front()?;
        self.forget_empty(id);
        Some(item.tapped)
    }

    fn forget_empty(&mut self, id: &str) {
        if self.alarms.get(id).is_some_and(|alarm| alarm.items.is_empty() && alarm.behind.is_none()) {
            self.alarms.remove(id);
            self.full = None;
            self.scout = self.scout.take().filter(|scout| scout != id);
        }
    }
}

fn item(tapped: Tapped, place: u64, since: Mono) -> Item {
    let urgency = tapped.event.urgency().map_or(0, |priority| priority as u8);
    Item { tapped, since, place, urgency, attempts: 0 }
}
