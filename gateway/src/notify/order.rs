//! Which transition is pushed next. Pure.
//!
//! Per alarm the order is kept: its next transition waits until the one before is accepted. Other alarms pass a failing one.
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

use gengfu_core::alarm::Priority;
use gengfu_core::time::Mono;

use crate::journal::Tapped;

/// Transitions taken and not accepted yet; beyond it they stay in the journal.
pub(super) const WINDOW: usize = 1_024;
/// Pushes under way at once.
pub(super) const IN_FLIGHT: usize = 16;
/// A transition the receiver itself has refused this often may be given up, but only where it would keep new alarms out.
pub(super) const REFUSED_ENOUGH: u32 = 10;

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
    /// Rises in the order of the tap.
    place: u64,
    /// 4 for critical, 0 for a word unknown.
    urgency: u8,
    attempts: u32,
    refusals: u32,
    /// The last attempt found no receiver.
    away: bool,
}

#[derive(Debug)]
struct Alarm {
    state: State,
    /// The first is what `state` is about.
    items: VecDeque<Item>,
}

/// All that is taken and unsettled.
#[derive(Debug, Default)]
pub(super) struct Window {
    alarms: HashMap<String, Alarm>,
    len: usize,
    flying: usize,
    places: u64,
}

/// A transition to be pushed.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    pub(super) tapped: Tapped,
    /// 1 for the first.
    pub(super) number: u32,
}

impl Window {
    pub(super) fn has_room(&self) -> bool {
        self.len < WINDOW
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Takes a transition in; due at once unless its alarm has an earlier one.
    pub(super) fn take(&mut self, tapped: Tapped, now: Mono) {
        self.len += 1;
        self.places += 1;
        let urgency = Priority::ALL.into_iter().find(|p| p.word() == tapped.event.priority).map_or(0, |p| p as u8);
        let mut item = Item { place: self.places, urgency, attempts: 0, refusals: 0, away: false, tapped };
        let id = item.tapped.event.id.clone();
        let alarm =
            self.alarms.entry(id).or_insert_with(|| Alarm { state: State::Waiting(now), items: VecDeque::new() });
        let untried = |other: &Item| other.attempts == 0;
        if let Some(newer) = item.tapped.passed_by
            && alarm.items.iter().any(|other| untried(other) && other.tapped.event.number == newer)
        {
            item.tapped.passed_by = None;
        }
        let number = item.tapped.event.number;
        let newer = alarm.items.iter().position(|other| untried(other) && other.tapped.event.number > number);
        alarm.items.insert(newer.unwrap_or(alarm.items.len()), item);
    }

    /// The next transition to push now.
    pub(super) fn next(&mut self, now: Mono) -> Option<Attempt> {
        if self.flying >= IN_FLIGHT {
            return None;
        }
        let due = |alarm: &&mut Alarm| matches!(alarm.state, State::Waiting(at) if at <= now);
        let first =
            |alarm: &&mut Alarm| alarm.items.front().map(|item| (item.attempts > 0, Reverse(item.urgency), item.place));
        let alarm = self.alarms.values_mut().filter(due).min_by_key(first)?;
        let item = alarm.items.front_mut()?;
        item.attempts = item.attempts.saturating_add(1);
        alarm.state = State::Flying;
        self.flying += 1;
        Some(Attempt { tapped: item.tapped.clone(), number: item.attempts })
    }

    /// When [`Window::next`] will have something, if nothing else happens.
    pub(super) fn next_at(&self) -> Option<Mono> {
        if self.flying >= IN_FLIGHT {
            return None;
        }
        let waiting = |alarm: &Alarm| match alarm.state {
            State::Waiting(at) => Some(at),
            State::Flying => None,
        };
        self.alarms.values().filter_map(waiting).min()
    }

    /// The flying transition of this alarm was accepted: its next one is due.
    pub(super) fn accepted(&mut self, id: &str, now: Mono) {
        self.drop_first(id, now);
        self.reached(now);
    }

    /// The receiver is there: all that waited because it was not is due.
    pub(super) fn reached(&mut self, now: Mono) {
        for alarm in self.alarms.values_mut() {
            let away = alarm.items.front().is_some_and(|item| item.away);
            if let State::Waiting(at) = &mut alarm.state
                && away
            {
                *at = now.min(*at);
            }
        }
    }

    /// The flying transition of this alarm was not accepted; it waits until `at`.
    pub(super) fn failed(&mut self, id: &str, failure: Failure, at: Mono) {
        let Some(alarm) = self.alarms.get_mut(id) else { return };
        if alarm.state == State::Flying {
            self.flying -= 1;
        }
        alarm.state = State::Waiting(at);
        if let Some(item) = alarm.items.front_mut() {
            item.away = failure == Failure::Away;
            // Whoever could not look at it has not refused it.
            item.refusals = if failure == Failure::Refused { item.refusals.saturating_add(1) } else { 0 };
        }
    }

    /// Nothing is known of those that fly: all of them wait until `at`.
    pub(super) fn all_failed(&mut self, at: Mono) {
        for alarm in self.alarms.values_mut().filter(|alarm| alarm.state == State::Flying) {
            alarm.state = State::Waiting(at);
        }
        self.flying = 0;
    }

    /// A full window whose transitions the receiver refuses would keep every new alarm out: the one refused most often,
    /// [`REFUSED_ENOUGH`] times at least, makes room.
    pub(super) fn give_up(&mut self, now: Mono) -> Option<Tapped> {
        if self.has_room() {
            return None;
        }
        let stuck = |alarm: &Alarm| {
            let item = alarm.items.front()?;
            (alarm.state != State::Flying && item.refusals >= REFUSED_ENOUGH)
                .then(|| (item.refusals, Reverse(item.place), item.tapped.event.id.clone()))
        };
        let (_, _, id) = self.alarms.values().filter_map(stuck).max()?;
        self.drop_first(&id, now)
    }

    fn drop_first(&mut self, id: &str, now: Mono) -> Option<Tapped> {
        let alarm = self.alarms.get_mut(id)?;
        if alarm.state == State::Flying {
            self.flying -= 1;
        }
        alarm.state = State::Waiting(now);
        let item = alarm.items.pop_front()?;
        self.len -= 1;
        if alarm.items.is_empty() {
            self.alarms.remove(id);
        }
        Some(item.tapped)
    }
}
