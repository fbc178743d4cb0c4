//! The warm start: alarms as the fold of the alarm lane left them, the detectors' memory from the telemetry lane, then what
//! stands is held against what the alarms say.

use super::tables::detector;
use super::{Engine, Noted, Seen, Sink, is_alive, set};
use crate::alarm::state::{Open, Standing as Stands, State as AlarmState};
use crate::alarm::{AlarmId, Named};
use crate::detect::{Kind, Known, Params, absent};
use crate::reading::{Delivery, Reading};
use crate::time::{Now, Wall};

impl Engine<'_> {
    /// Says that the alarm lane knows the condition to stand since the reading of `known`, or to have been over since
    /// then. The telemetry lane may end before that (its last window can be lost in a power cut): older readings are no
    /// proof against it. `limit` is the line that was crossed: it tells the level. Call it before [`Engine::restore`].
    pub fn trust(&mut self, binding: u32, known: Wall, limit: Option<f64>) {
        if let Some(b) = self.tables.bindings.get_mut(binding as usize) {
            b.known = known;
            let params = self.tables.rules.get(b.rule.0 as usize).map(|r| r.params);
            b.known_limit = limit;
            b.known_level = params.and_then(|p| (0..2).find(|level| p.has_line(*level, limit)));
        }
    }

    /// Says that an alarm of this binding had this name, one after the other as they came, the ones that are over too: none
    /// will have it again. Call it before [`Engine::restore`].
    pub fn name(&mut self, binding: u32, id: AlarmId, onset: Wall) {
        if let Some(b) = self.tables.bindings.get_mut(binding as usize) {
            b.named = Some(Named::with(b.named, id, onset));
        }
    }

    /// Puts an alarm back as the journal's fold left it, before any reading of this run.
    pub fn restore(&mut self, binding: u32, open: Open) {
        let stands = open.standing;
        self.name(binding, stands.id, stands.onset);
        let Some(b) = self.tables.bindings.get_mut(binding as usize) else { return };
        b.alarm = AlarmState::Open(open);
        if !b.alarm.active() {
            return;
        }
        b.stood = b.known_level.unwrap_or(stands.level) + 1;
        let (slot, onset, recalled) = (b.slot as usize, b.since(stands), b.recalled);
        if let Some(Params::Absent(_)) = self.tables.rules.get(b.rule.0 as usize).map(|r| r.params) {
            set(self.tables.absents, slot, absent::State::standing_at(onset));
        }
        // What was kept of it, and what came since, leads it there by itself.
        if !recalled {
            self.stand(binding, stands);
        }
    }

    /// Puts the detector into the state in which the condition stands.
    fn stand(&mut self, binding: u32, stands: Stands) {
        let Some(b) = self.tables.bindings.get(binding as usize) else { return };
        let (slot, rule, recalled) = (b.slot as usize, b.rule.0 as usize, b.recalled);
        let onset = b.since(stands);
        let (level, limit) = (b.known_level.unwrap_or(stands.level), b.known_limit);
        let tables = &mut self.tables;
        let Some(rule) = tables.rules.get(rule) else { return };
        if recalled && detector!(get, tables, &rule.params, slot, |p, s| Kind::standing(s, p)).flatten().is_some() {
            // It knows more of it than its beginning.
            return;
        }
        let now = Now { mono: tables.pulse.mono, wall: onset };
        detector!(get_mut, tables, &rule.params, slot, |p, s| Kind::stand(s, p, (level, limit), onset, now));
    }

    /// Shows a reading of an earlier run to the detectors, without judging it: their memory comes back, no alarm moves.
    /// `now` is when it came.
    pub fn warm(&mut self, reading: &Reading, delivery: Delivery, now: Now) {
        self.show(reading, delivery, now, false);
    }

    /// The same with one that came before the states were taken that [`Engine::recall`] put back: they know it.
    pub fn warm_known(&mut self, reading: &Reading, delivery: Delivery, now: Now) {
        self.show(reading, delivery, now, true);
    }

    /// Says what a point said before all that it was shown of: it has spoken once, whatever was said in its place since.
    pub fn spoke(&mut self, reading: &Reading) {
        let point = self.tables.points.get_mut(reading.point.0 as usize);
        if let Some(point) = point.filter(|_| reading.quality.is_word()) {
            point.spoke = reading.at;
            if reading.quality.has_value() {
                point.value = Some(reading.value);
            }
        }
    }

    fn show(&mut self, reading: &Reading, delivery: Delivery, now: Now, known: bool) {
        // Time that ran backwards stood still; what a point said before all that is shown of it came when it did.
        let heard = self.tables.points.get(reading.point.0 as usize).is_some_and(|point| point.heard);
        let now = if heard { self.onward(now) } else { now };
        self.tables.pulse.mono = self.tables.pulse.mono.max(now.mono);
        let Some(Noted { first, count, leads, turned: _, then }) = self.note(reading, delivery, now, false) else {
            return;
        };
        self.show_beside(leads, reading, now, known);
        for index in first..first.saturating_add(count) {
            let Some(b) = self.tables.bindings.get_mut(index as usize) else { return };
            let params = self.tables.rules.get(b.rule.0 as usize).map(|r| r.params);
            // A vote is fed by its voters.
            if let Some(Params::Vote(_)) = params {
                continue;
            }
            // In the order of arrival: once a reading was news, so is what came after it, whatever its stamp.
            // Nothing is true after it came: where the clock was ahead and has been set back, a stamp of before proves nothing.
            let mut old = reading.at.min(now.wall) < b.known && !b.news;
            if let Some(Params::Absent(_)) = params {
                let Some(state) = self.tables.absents.get_mut(b.slot as usize) else { return };
                // A silence begins with the last good reading, which then is no news; nor is what had not ended it.
                old |= b.alarm.active() && (reading.at == b.known || !is_alive(state, reading, delivery));
                // Silence is counted from the last word, whether the condition stood then or not.
                if old && is_alive(state, reading, delivery) {
                    state.spoke(reading.at, now);
                }
            }
            b.news |= !old;
            // Samples fill a memory, old ones too; the others' is the condition, which is known.
            let feed = if b.recalled { !known } else { !old || params.is_some_and(|p| p.samples()) };
            if feed {
                let seen = self.as_of(index, then, now);
                // Of history time has shown it no more than what was due when it came.
                if seen.mono == now.mono || self.is_due(index, now) {
                    self.expire(index, now);
                }
                self.feed(index, reading, delivery, seen);
                self.date(index, then, now);
                self.catch_up(index, seen, now);
            }
            self.signal_past(index, now);
        }
    }

    /// What history made stand may be long over by now: a burst of hours ago wakes nobody.
    pub(super) fn catch_up(&mut self, index: u32, seen: Now, now: Now) {
        if seen.mono != now.mono && self.is_due(index, now) {
            self.expire(index, now);
        }
    }

    /// Whether a detector wanted to be told the time by now.
    fn is_due(&self, index: u32, now: Now) -> bool {
        let tables = &self.tables;
        let Some(b) = tables.bindings.get(index as usize) else { return false };
        let Some(rule) = tables.rules.get(b.rule.0 as usize) else { return false };
        let due = detector!(get, tables, &rule.params, b.slot as usize, |p, s| Kind::deadline(s, p, now.mono));
        due.flatten().is_some_and(|due| due <= now.mono)
    }

    /// To the rules on other points that look at this one.
    fn show_beside(&mut self, first: u32, reading: &Reading, now: Now, known: bool) {
        let mut next = first;
        while let Some(lead) = self.tables.leads.get(next as usize).copied() {
            next = lead.next;
            let Some(b) = self.tables.bindings.get_mut(lead.to as usize) else { return };
            b.news |= reading.at.min(now.wall) >= b.known;
            // All of them are made of samples.
            if !b.recalled || !known {
                self.expire(lead.to, now);
                self.feed_beside(lead, reading, now);
            }
        }
    }

    /// Ends the warm start: what stands now is held against what the alarms say, and deadlines are armed. A condition
    /// that stands already is an alarm; one that was acknowledged stays so and is not pushed again.
    pub fn settle(&mut self, now: Now, sink: &mut impl Sink) {
        self.tables.pulse.mono = now.mono;
        let all = 0..self.tables.bindings.len() as u32;
        for index in all.clone() {
            self.remember(index, now);
            // What a vote has seen of the past says nothing before it is told of the present.
            if !self.is_vote(index) {
                self.expire(index, now);
            }
        }
        self.recall_votes(now);
        self.regroup();
        // A mode's end may be on record, and not that those who stand are real since: they are before they are counted.
        for index in all.clone() {
            if !self.is_vote(index) && self.standing(index).is_some() {
                self.test_over(index, now, sink);
            }
        }
        self.recount(self.onward(now));
        for index in all.clone() {
            self.judge(index, now, Seen::Again, sink);
            self.rearm(index, now.mono);
        }
        for index in all {
            self.regard(index, now, sink);
        }
        self.believe(now);
    }

    /// Groups and votes are counted anew from the conditions that stand.
    pub fn gather(&mut self, now: Now) {
        self.regroup();
        self.recount(self.onward(now));
    }

    pub(super) fn is_vote(&self, index: u32) -> bool {
        let rule = self.tables.bindings.get(index as usize).and_then(|b| self.tables.rules.get(b.rule.0 as usize));
        rule.is_some_and(|rule| matches!(rule.params, Params::Vote(_)))
    }

    pub(super) fn settle_one(&mut self, index: u32, now: Now, sink: &mut impl Sink) {
        self.remember(index, now);
        self.expire(index, now);
        self.judge(index, now, Seen::Again, sink);
        self.rearm(index, now.mono);
        self.regard(index, now, sink);
    }

    /// An alarm that stands and has heard nothing new goes on standing; and what ran out while nobody listened, a silence
    /// or an off-delay, proves nothing.
    fn remember(&mut self, index: u32, now: Now) {
        let Some(b) = self.tables.bindings.get(index as usize) else { return };
        let (news, slot, alarm) = (b.news, b.slot as usize, b.alarm);
        let over = b.known > Wall(i64::MIN) && !alarm.active();
        let params = self.tables.rules.get(b.rule.0 as usize).map(|r| r.params);
        if let Some(stands) = alarm.standing().filter(|_| alarm.active() && !news) {
            self.stand(index, stands);
        }
        if let Some(params) = params {
            let known = Known { over, stands: alarm.active(), news };
            detector!(get_mut, self.tables, &params, slot, |p, s| Kind::settle(s, p, known, now));
        }
    }
}
