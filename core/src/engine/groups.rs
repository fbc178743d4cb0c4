//! Groups: which condition explains which alarms (ISA-18.2 "designed suppression"), and which alarm of several came first.
//!
//! A group counts the conditions that stand in it. While one does, the alarms it explains are hidden, and counted: their life
//! goes on and is journaled. A group knows its members as a list through their bindings, so that it costs nothing to be big.
//!
//! When the last condition is over, what it hid stays hidden for [`RELEASE_MS`]: what returns with its cause, in the same message
//! or the next poll, must not ring in between. That is a time and not the end of a message, since what comes out may not hang on
//! how the input was cut. What is raised meanwhile is not hidden. A cause that is put aside or lost releases at once.

use super::tables::NONE;
use super::votes::Absence;
use super::{Binding, Engine, Point, Seen, Sink, Unknown};
use crate::alarm::life::Life;
use crate::alarm::state::{Input, Open, earlier};
use crate::time::{Mono, Now};

/// How long what a condition has hidden stays hidden when that is over, ms: a device polled every few seconds has spoken by then.
pub const RELEASE_MS: u64 = 5_000;

/// One group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// Conditions that stand and hide its members.
    pub(super) standing: u32,
    /// Alarms of it that are not normal; the first is told from the rest.
    pub(super) open: u32,
    /// The members it hides, the lowest first.
    first: u32,
    last: u32,
    /// When they are to be released.
    pub(super) due: Option<Mono>,
}

impl Default for Group {
    fn default() -> Self {
        Self { standing: 0, open: 0, first: NONE, last: NONE, due: None }
    }
}

impl Group {
    /// Puts the binding that was appended last among those that `group` hides. One group hides it: a second is not heard. That
    /// groups hide each other, and all are silent together, is for the caller to refuse.
    pub fn hide(groups: &mut [Self], bindings: &mut [Binding], group: u32) {
        let index = (bindings.len() as u32).saturating_sub(1);
        let Some(of) = groups.get_mut(group as usize) else { return };
        if bindings.last().is_none_or(|binding| binding.hidden_by != NONE) {
            return;
        }
        if let Some(before) = bindings.get_mut(of.last as usize) {
            before.sibling = index;
        } else {
            of.first = index;
        }
        of.last = index;
        if let Some(binding) = bindings.last_mut() {
            binding.hidden_by = group;
        }
    }
}

impl Engine<'_> {
    /// Whether what explains the binding's alarms stands.
    pub(super) fn is_hidden(&self, b: &Binding) -> bool {
        self.tables.groups.get(b.hidden_by as usize).is_some_and(|group| group.standing > 0)
    }

    /// Whether no alarm of its group stands.
    pub(super) fn is_first(&self, b: &Binding) -> bool {
        self.tables.groups.get(b.first_of as usize).is_some_and(|group| group.open == 0)
    }

    /// Whether what a binding says explains others now. A test explains nothing: what is real elsewhere is announced whatever
    /// somebody tries out. Nor does what a person has put aside, or what rests on a value that is lost: it would hide alarms for
    /// as long as nobody mends it. Where the lack of a value is the danger itself, it is no lack.
    fn explains(&self, b: &Binding) -> bool {
        let Some(rule) = self.tables.rules.get(b.rule.0 as usize) else { return false };
        let rests = rule.params.measures() && rule.unknown == Unknown::Hold;
        let bad = || self.tables.points.get(b.point.0 as usize).is_some_and(Point::is_bad);
        let lost = || bad() || self.absence(b.point.0) == Absence::Lost;
        b.is_cause() && !(rests && lost())
    }

    /// The condition of a binding came or went, is for real now or put aside, or its value was lost: what it explains is hidden
    /// or announced.
    pub(super) fn cause(&mut self, index: u32, now: Now, sink: &mut impl Sink) {
        let Some(b) = self.tables.bindings.get(index as usize).filter(|b| b.hides != NONE) else { return };
        let (hides, stands, stood) = (b.hides, self.explains(b), b.causes);
        if let Some(b) = self.tables.bindings.get_mut(index as usize) {
            b.causes = stands;
        }
        let Some(group) = self.tables.groups.get_mut(hides as usize) else { return };
        let before = group.standing;
        group.standing = match (stood, stands) {
            (false, true) => before + 1,
            (true, false) => before.saturating_sub(1),
            (true, true) | (false, false) => before,
        };
        match (before, group.standing) {
            (0, 1) => {
                group.due = None;
                self.follow_all(hides, Input::Suppress, now, sink);
            }
            (1, 0) => self.release(hides, now, sink),
            // One of those that are over stands again, and explains nothing: the others have ended earlier.
            (0, 0) if group.due.is_some() => self.release(hides, now, sink),
            (_, _) => {}
        }
    }

    fn follow_all(&mut self, group: u32, input: Input, now: Now, sink: &mut impl Sink) {
        let mut next = self.tables.groups.get(group as usize).map_or(NONE, |group| group.first);
        while let Some(b) = self.tables.bindings.get(next as usize) {
            let (index, open) = (next, b.alarm.open().is_some());
            next = b.sibling;
            if open {
                self.follow(index, input, now, sink);
            }
        }
    }

    /// Whether one of the members is hidden.
    fn hides_any(&self, group: u32) -> bool {
        let mut next = self.tables.groups.get(group as usize).map_or(NONE, |group| group.first);
        while let Some(b) = self.tables.bindings.get(next as usize) {
            if b.alarm.open().is_some_and(|open| open.veils.suppressed) {
                return true;
            }
            next = b.sibling;
        }
        false
    }

    /// Nothing explains the members any more: they are announced, or will be once their causes are over for long enough.
    fn release(&mut self, index: u32, now: Now, sink: &mut impl Sink) {
        // Most groups hide nothing, and where thousands of causes end at once the causes are not looked for in vain.
        if !self.hides_any(index) {
            if let Some(group) = self.tables.groups.get_mut(index as usize) {
                group.due = None;
            }
            return;
        }
        let over = self.tables.bindings.iter().filter(|b| b.hides == index && b.stood == 0).map(|b| b.ended);
        let due = over.max().map(|ended| ended.plus(RELEASE_MS)).filter(|due| *due > now.mono);
        if let Some(group) = self.tables.groups.get_mut(index as usize) {
            group.due = due;
        }
        match due {
            Some(due) => self.tables.pulse.release_due = earlier(self.tables.pulse.release_due, Some(due)),
            None => self.follow_all(index, Input::Unsuppress, now, sink),
        }
    }

    /// Releases what is due by now.
    #[inline(never)]
    pub(super) fn release_due(&mut self, now: Now, sink: &mut impl Sink) {
        for index in 0..self.tables.groups.len() {
            let due = self.tables.groups.get(index).and_then(|group| group.due);
            if due.is_some_and(|due| due <= now.mono) {
                self.release(index as u32, now, sink);
            }
        }
        self.tables.pulse.release_due = self.tables.groups.iter().filter_map(|group| group.due).min();
    }

    /// An alarm was normal and is not, or the other way round. A test is no cause of what is real, and is not counted.
    pub(super) fn opened(&mut self, first_of: u32, was: Option<Open>, is: Option<Open>) {
        let Some(group) = self.tables.groups.get_mut(first_of as usize) else { return };
        match (counts(was), counts(is)) {
            (false, true) => group.open += 1,
            (true, false) => group.open = group.open.saturating_sub(1),
            (true, true) | (false, false) => {}
        }
    }

    /// Counts anew, from what stands.
    pub(super) fn regroup(&mut self) {
        for group in self.tables.groups.iter_mut() {
            (group.standing, group.open) = (0, 0);
        }
        for index in 0..self.tables.bindings.len() {
            let Some(b) = self.tables.bindings.get(index).copied() else { return };
            let causes = b.hides != NONE && self.explains(&b);
            if let Some(group) = self.tables.groups.get_mut(b.hides as usize) {
                group.standing += u32::from(causes);
            }
            if let Some(group) = self.tables.groups.get_mut(b.first_of as usize) {
                group.open += u32::from(counts(b.alarm.open()));
            }
            if let Some(b) = self.tables.bindings.get_mut(index) {
                b.causes = causes;
            }
        }
    }

    /// Whether an alarm lies on a shelf that its level may not lie on, by rules of now.
    fn is_unduly_shelved(&self, index: u32) -> bool {
        let Some(b) = self.tables.bindings.get(index as usize) else { return false };
        let rule = self.tables.rules.get(b.rule.0 as usize);
        let shelved = b.alarm.open().filter(|open| open.veils.shelf.is_some());
        rule.zip(shelved).is_some_and(|(rule, open)| !rule.level(open.level()).shelvable)
    }

    /// What lies over alarms is held against what explains them and what may lie there now, and tests against the modes that run;
    /// after a restart or other rules.
    pub(super) fn regard(&mut self, index: u32, now: Now, sink: &mut impl Sink) {
        self.outlasted(index, now, Seen::Again, sink);
        if self.is_unduly_shelved(index) {
            self.follow(index, Input::Unshelve, now, sink);
        }
        let Some(b) = self.tables.bindings.get(index as usize) else { return };
        let hidden = self.is_hidden(b);
        let (hidden_by, Some(open)) = (b.hidden_by, b.alarm.open()) else { return };
        match (hidden, open.veils.suppressed) {
            (true, false) => self.follow(index, Input::Suppress, now, sink),
            (false, true) if hidden_by == NONE => self.follow(index, Input::Unsuppress, now, sink),
            (false, true) => self.release(hidden_by, now, sink),
            (true, true) | (false, false) => {}
        }
    }
}

/// Whether an alarm counts among those of its group.
fn counts(open: Option<Open>) -> bool {
    open.is_some_and(|open| open.life != Life::Normal && open.standing.test.is_none())
}
