//! What a detector remembers, taken out and put in: between two runs, or from old tables to new ones.

use core::mem::discriminant;

use super::tables::detector;
use super::{Engine, set};
use crate::detect::{Kind, LEARNED, Params, State};
use crate::time::Now;

impl Engine<'_> {
    /// The state of a binding's detector.
    pub fn state(&self, binding: u32) -> Option<State> {
        let tables = &self.tables;
        let b = tables.bindings.get(binding as usize)?;
        let slot = b.slot as usize;
        let state = match tables.rules.get(b.rule.0 as usize)?.params {
            Params::Limit(_) => State::Limit(*tables.limits.get(slot)?),
            Params::Digital(_) => State::Digital(*tables.digitals.get(slot)?),
            Params::Trend(_) => State::Trend(tables.trends.get(slot)?.clone()),
            Params::Absent(_) => State::Absent(*tables.absents.get(slot)?),
            Params::Vote(_) => State::Vote(*tables.votes.get(slot)?),
            Params::Band(_) => State::Band(*tables.others.bands.get(slot)?),
            Params::Rate(_) => State::Rate(tables.others.rates.get(slot)?.clone()),
            Params::Frozen(_) => State::Frozen(*tables.others.frozens.get(slot)?),
            Params::Count(_) => State::Count(*tables.others.counts.get(slot)?),
            Params::Dwell(_) => State::Dwell(*tables.others.dwells.get(slot)?),
            Params::Accumulated(_) => State::Accumulated(*tables.others.sums.get(slot)?),
            Params::Rhythm(_) => State::Rhythm(tables.others.rhythms.get(slot)?.clone()),
            Params::Drift(_) => State::Drift(tables.others.drifts.get(slot)?.clone()),
            Params::Habit(_) => State::Habit(*tables.others.habits.get(slot)?),
            Params::Sibling(_) => State::Sibling(*tables.others.siblings.get(slot)?),
            Params::Residual(_) => State::Residual(tables.others.residuals.get(slot)?.clone()),
            Params::Ratio(_) => State::Ratio(tables.others.ratios.get(slot)?.clone()),
            Params::Group(_) => State::Group(tables.others.groups.get(slot)?.clone()),
        };
        Some(state)
    }

    /// Gives a binding's detector this state; `false`, and nothing is changed, if it is of another kind.
    pub(super) fn put(&mut self, binding: u32, state: State) -> bool {
        let tables = &mut self.tables;
        let Some(b) = tables.bindings.get(binding as usize) else { return false };
        let Some(rule) = tables.rules.get(b.rule.0 as usize) else { return false };
        let slot = b.slot as usize;
        if discriminant(&rule.params.fresh(Now::default())) != discriminant(&state) {
            return false;
        }
        match state {
            State::Limit(state) => set(tables.limits, slot, state),
            State::Digital(state) => set(tables.digitals, slot, state),
            State::Trend(state) => set(tables.trends, slot, state),
            State::Absent(state) => set(tables.absents, slot, state),
            State::Vote(state) => set(tables.votes, slot, state),
            State::Band(state) => set(tables.others.bands, slot, state),
            State::Rate(state) => set(tables.others.rates, slot, state),
            State::Frozen(state) => set(tables.others.frozens, slot, state),
            State::Count(state) => set(tables.others.counts, slot, state),
            State::Dwell(state) => set(tables.others.dwells, slot, state),
            State::Accumulated(state) => set(tables.others.sums, slot, state),
            State::Rhythm(state) => set(tables.others.rhythms, slot, state),
            State::Drift(state) => set(tables.others.drifts, slot, state),
            State::Habit(state) => set(tables.others.habits, slot, state),
            State::Sibling(state) => set(tables.others.siblings, slot, state),
            State::Residual(state) => set(tables.others.residuals, slot, state),
            State::Ratio(state) => set(tables.others.ratios, slot, state),
            State::Group(state) => set(tables.others.groups, slot, state),
        }
        true
    }

    /// Puts back what a detector had learned when its state was taken: readings of before are known to it, see
    /// [`Engine::warm`]. `false`, and nothing is changed, if it is of another kind. Call it before [`Engine::restore`].
    pub fn recall(&mut self, binding: u32, state: State) -> bool {
        let recalled = self.put(binding, state);
        if recalled && let Some(b) = self.tables.bindings.get_mut(binding as usize) {
            b.recalled = true;
        }
        recalled
    }

    /// Forgets what a detector has learned, by a person's word: the sensor was replaced, what it measures has changed for good.
    /// It begins anew; where its condition stands, that goes on standing until what is learned then says otherwise, so no
    /// alarm moves. `false`, and nothing is changed, where the detector learns nothing. What fell due before `now` must have
    /// been served.
    pub fn forget(&mut self, binding: u32, now: Now) -> bool {
        let now = self.onward(now);
        let Some(params) = self.params(binding).filter(|params| params.memory_ms() == LEARNED) else { return false };
        let stands = self.standing(binding);
        if !self.put(binding, params.fresh(now)) {
            return false;
        }
        let slot = self.tables.bindings.get(binding as usize).map(|b| b.slot as usize);
        if let Some((slot, stands)) = slot.zip(stands) {
            let line = (stands.level, stands.limit);
            detector!(get_mut, self.tables, &params, slot, |p, s| Kind::stand(s, p, line, stands.onset, now));
        }
        self.rearm(binding, now.mono);
        true
    }
}
