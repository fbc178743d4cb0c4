//! Who else a rule looks at: from each point a list of leads goes to the rules on other points that look at it too, and from each
//! such rule one to its points.
//!
//! The point a rule is on is its channel 0, and comes as it does to every rule; the others are channels 1 and up, in the order they
//! are named in. A lead that was not laid, since the point is not there yet, is a point that says nothing.

use super::tables::{Point, detector};
use super::{Binding, Engine, Seen, Sink};
use crate::alarm::Chief;
use crate::detect::{Kind, Params};
use crate::reading::{PointId, Reading};
use crate::time::{Now, Wall};

/// One point's place in one rule on another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lead {
    /// Whose readings it carries.
    point: PointId,
    /// Binding of the rule.
    pub(super) to: u32,
    /// Which of the rule's points.
    channel: u8,
    /// The point's next lead, and the rule's.
    pub(super) next: u32,
    beside: u32,
}

impl Lead {
    /// The lead that makes `point` channel number `channel` of the rule at binding `to`; it is to be appended to the leads, of
    /// which there are `len`. `None` where there is no such point or binding.
    pub fn lay(
        points: &mut [Point],
        bindings: &mut [Binding],
        len: usize,
        point: PointId,
        to: u32,
        channel: u8,
    ) -> Option<Self> {
        let (from, binding) = (points.get_mut(point.0 as usize)?, bindings.get_mut(to as usize)?);
        let next = core::mem::replace(&mut from.leads, len as u32);
        let beside = core::mem::replace(&mut binding.leads, len as u32);
        Some(Self { point, to, channel, next, beside })
    }

    /// The point that is a channel of a binding's rule.
    pub fn find(leads: &[Self], binding: &Binding, channel: u8) -> Option<PointId> {
        if channel == 0 {
            return Some(binding.point);
        }
        Self::of(leads, binding).find(|lead| lead.channel == channel).map(|lead| lead.point)
    }

    fn of(leads: &[Self], binding: &Binding) -> impl Iterator<Item = Self> {
        let lead = |index: u32| leads.get(index as usize).copied();
        core::iter::successors(lead(binding.leads), move |before| lead(before.beside))
    }
}

impl Engine<'_> {
    /// A reading goes to the rules on other points that look at its point.
    pub(super) fn lead(&mut self, first: u32, reading: &Reading, now: Now, sink: &mut impl Sink) {
        let mut next = first;
        while let Some(lead) = self.tables.leads.get(next as usize).copied() {
            next = lead.next;
            self.feed_beside(lead, reading, now);
            self.judge(lead.to, now, Seen::Live, sink);
            self.rearm(lead.to, now.mono);
        }
    }

    /// All rules that look at several points are made of samples: an old value told again is none of now.
    pub(super) fn feed_beside(&mut self, lead: Lead, reading: &Reading, now: Now) {
        let tables = &mut self.tables;
        let Some(b) = tables.bindings.get(lead.to as usize) else { return };
        let Some(rule) = tables.rules.get(b.rule.0 as usize) else { return };
        let (slot, at, known) = (b.slot as usize, reading.at, reading.quality.has_value());
        if known && !reading.quality.is_word() {
            return;
        }
        let value = Some(reading.value).filter(|_| known);
        detector!(get_mut, tables, &rule.params, slot, |p, s| Kind::beside(s, p, lead.channel, value, at, now));
    }

    /// The point that is a channel of a rule.
    pub fn channel(&self, binding: u32, channel: u8) -> Option<PointId> {
        Lead::find(self.tables.leads, self.tables.bindings.get(binding as usize)?, channel)
    }

    /// Time of the youngest word of the points that a rule looks at beside its own.
    pub(super) fn beside_at(&self, b: &Binding) -> Option<Wall> {
        let points = Lead::of(self.tables.leads, b).filter_map(|lead| self.tables.points.get(lead.point.0 as usize));
        points.filter(|point| point.heard).map(|point| point.last.at).max()
    }

    /// What weighs most in the condition of a rule on several points.
    pub(super) fn chief(&self, index: u32, params: &Params) -> Option<Chief> {
        let b = self.tables.bindings.get(index as usize)?;
        let Params::Group(_) = params else { return None };
        let state = self.tables.others.groups.get(b.slot as usize)?;
        let moved = state.chief()?;
        let point = self.channel(index, moved.channel as u8)?;
        let (usual, value) = (moved.from, moved.from + moved.by);
        Some(Chief { point, value, usual, share: moved.share, moved: state.moved().count() as u8 })
    }
}
