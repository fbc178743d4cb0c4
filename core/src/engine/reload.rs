//! Other rules at run time: a new engine on new tables takes over from the old one, in memory and between two inputs, so
//! that no input is missed and no timer starts anew.
//!
//! The order is that of a warm start. The new bindings whose detector is not the old one's are shown the past
//! ([`Engine::restore`], [`Engine::warm`]); then [`Engine::go_on`] and, binding by binding, [`Engine::take_over`]; then
//! [`Engine::gather`] and, for the others, [`Engine::take_up`]; at the end [`Engine::regard_all`].

use super::{Engine, Sink};
use crate::detect::Params;
use crate::reading::PointId;
use crate::time::Now;

impl Engine<'_> {
    /// The counter goes on where the old engine's stands.
    pub fn go_on(&mut self, old: &Engine<'_>) {
        self.tables.pulse.mono = old.tables.pulse.mono;
    }

    /// The mode of an area goes on.
    pub fn take_over_area(&mut self, area: u16, old: &Engine<'_>, of: u16) {
        if let Some(mode) = old.tables.areas.get(usize::from(of)).and_then(super::Area::mode) {
            self.resume(area, mode);
        }
    }

    /// What other rules explain, or explain no longer, is hidden or announced.
    pub fn regard_all(&mut self, now: Now, sink: &mut impl Sink) {
        let now = self.onward(now);
        for index in 0..self.tables.bindings.len() as u32 {
            self.regard(index, now, sink);
        }
        self.believe(now);
    }

    /// The point's present is what the old engine knows, if it has heard of it.
    pub fn take_over_point(&mut self, old: &Engine<'_>, point: PointId) {
        let index = point.0 as usize;
        let known = old.tables.points.get(index).filter(|known| known.heard);
        if let (Some(new), Some(known)) = (self.tables.points.get_mut(index), known) {
            (new.last, new.heard, new.value) = (known.last, known.heard, known.value);
            (new.spoke, new.then) = (known.spoke, known.then);
            new.tripped = known.tripped;
        }
    }

    /// The binding goes on as the old engine's `of` stands: alarm, detector and deadline. `false`, and nothing is
    /// changed, where the two detectors are not the same.
    pub fn take_over(&mut self, binding: u32, old: &Engine<'_>, of: u32) -> bool {
        let (Some(new), Some(was)) = (self.params(binding), old.params(of)) else { return false };
        let Some(from) = old.tables.bindings.get(of as usize) else { return false };
        let Some(into) = self.tables.bindings.get_mut(binding as usize).filter(|_| new == was) else { return false };
        (into.alarm, into.stood, into.named) = (from.alarm, from.stood, from.named);
        into.ended = from.ended;
        if let Some(state) = old.state(of) {
            self.put(binding, state);
        }
        self.rearm(binding, self.tables.pulse.mono);
        true
    }

    /// The binding's detector is new and has been shown the past; the alarm is that of the old engine's `of`, where there
    /// was one. What stands now is held against it.
    pub fn take_up(&mut self, binding: u32, old: Option<(&Engine<'_>, u32)>, now: Now, sink: &mut impl Sink) {
        let from = old.and_then(|(old, of)| old.tables.bindings.get(of as usize));
        if let Some(b) = self.tables.bindings.get_mut(binding as usize) {
            b.alarm = from.map(|from| from.alarm).unwrap_or_default();
            // The old engine knows every name it gave; where it has none, the alarm lane may.
            b.named = from.and_then(|from| from.named).or(b.named);
            b.ended = from.map_or(b.ended, |from| from.ended);
            let level = b.alarm.standing().filter(|_| b.alarm.active()).map(|s| b.known_level.unwrap_or(s.level));
            b.stood = level.map_or(0, |level| level + 1);
        }
        self.settle_one(binding, now, sink);
    }

    pub(super) fn params(&self, binding: u32) -> Option<Params> {
        let rule = self.tables.bindings.get(binding as usize)?.rule;
        self.tables.rules.get(rule.0 as usize).map(|rule| rule.params)
    }
}
