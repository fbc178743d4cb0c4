//! Who votes where: from each voter's binding a list of wires leads to the votes that count it.

use super::tables::NONE;
use super::{Binding, Engine, Seen, Sink};
use crate::alarm::ModeName;
use crate::alarm::life::Life;
use crate::detect::vote::{Health, Stands};
use crate::detect::{Params, vote};
use crate::reading::PointId;
use crate::time::{Now, Wall};

/// One voter's place in one vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wire {
    /// Binding of the vote.
    vote: u32,
    /// Which of its voters.
    voter: u8,
    /// The voter's next wire.
    next: u32,
}

impl Wire {
    /// The wire that makes binding `from` voter number `voter` of the vote at binding `to`; it is to be appended to the wires,
    /// of which there are `len`. `None` where there is no such binding.
    pub fn lay(bindings: &mut [Binding], len: usize, from: u32, to: u32, voter: u8) -> Option<Self> {
        let binding = bindings.get_mut(from as usize)?;
        let next = core::mem::replace(&mut binding.wires, len as u32);
        Some(Self { vote: to, voter, next })
    }
}

/// When a vote is told of a voter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// As it happens.
    Live,
    /// After a restart, of how it stands: what is older than the alarm lane's knowledge of the vote ends nothing.
    Again,
    /// Of what was before a restart, and only whether it could vote then: what it voted is told by the alarm lane, see
    /// [`Engine::ended`]. Who is out of service now need not have been then.
    Past,
}

/// What the absence rules of a point say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Absence {
    /// There are none that would tell of its silence.
    Nobody,
    /// They would, and have nothing to tell.
    Waits,
    /// It is lost.
    Lost,
}

impl Engine<'_> {
    /// The condition of a voter, or whether it can vote, has changed: its votes count anew.
    pub(super) fn signal(&mut self, index: u32, now: Now, seen: Seen, sink: &mut impl Sink) {
        let told = match seen {
            Seen::Live => Told::Live,
            Seen::Again => Told::Again,
        };
        let mut next = self.first_wire(index);
        while let Some(wire) = self.tables.wires.get(next as usize).copied() {
            next = wire.next;
            self.tell(index, wire, now, told);
            self.on_vote(wire.vote, |state, params| state.count(params, now));
            self.judge(wire.vote, now, seen, sink);
            self.outlasted(wire.vote, now, seen, sink);
            self.rearm(wire.vote, now.mono);
        }
    }

    /// Whether a voter could vote in the past, for those that count how long one could not; but not for what the alarm lane
    /// knows better. Votes for danger have no past: they are counted from what stands once all of it is known.
    pub(super) fn signal_past(&mut self, index: u32, now: Now) {
        let mut next = self.first_wire(index);
        while let Some(wire) = self.tables.wires.get(next as usize).copied() {
            next = wire.next;
            self.tell(index, wire, now, Told::Past);
            if now.wall >= self.known(wire.vote) {
                self.on_vote(wire.vote, |state, params| {
                    if params.watch != vote::Watch::Danger {
                        state.count_past(params, now);
                    }
                });
            }
        }
    }

    /// Says that a condition was over at a moment before this run: its vote may count still, and what it hid may still be hidden.
    /// `tested`: it was a test. Comes after [`Engine::warm`] and before [`Engine::settle`].
    pub fn ended(&mut self, binding: u32, tested: bool, then: Now) {
        if let Some(b) = self.tables.bindings.get_mut(binding as usize) {
            b.ended = then.mono;
        }
        let stood = if tested { Stands::AsTest } else { Stands::Yes };
        let mut next = self.first_wire(binding);
        while let Some(wire) = self.tables.wires.get(next as usize).copied() {
            next = wire.next;
            self.on_vote(wire.vote, |state, params| {
                state.vote(params, wire.voter, stood, then);
                state.vote(params, wire.voter, Stands::No, then);
            });
        }
    }

    /// What stands by the alarm lane stood until this run: where it is over by now its vote counts still, as where the kill came
    /// between the reading that ended it and its record.
    pub(super) fn recall_votes(&mut self, now: Now) {
        for voter in 0..self.tables.bindings.len() as u32 {
            let Some(b) = self.tables.bindings.get(voter as usize).filter(|b| b.alarm.active()) else { continue };
            let stood = if b.is_test() { Stands::AsTest } else { Stands::Yes };
            let mut next = b.wires;
            while let Some(wire) = self.tables.wires.get(next as usize).copied() {
                next = wire.next;
                self.on_vote(wire.vote, |state, params| state.vote(params, wire.voter, stood, now));
            }
        }
    }

    /// Counts all votes as they stand.
    pub(super) fn recount(&mut self, now: Now) {
        self.tell_all(now, Told::Again);
        for index in 0..self.tables.bindings.len() as u32 {
            self.on_vote(index, |state, params| state.count(params, now));
        }
    }

    /// From here on each voter is what it was last heard to be.
    pub(super) fn believe(&mut self, now: Now) {
        self.tell_all(now, Told::Live);
    }

    fn tell_all(&mut self, now: Now, told: Told) {
        for voter in 0..self.tables.bindings.len() as u32 {
            self.tell_of(voter, now, told);
        }
    }

    /// Tells the votes of a voter without counting them.
    pub(super) fn tell_of(&mut self, voter: u32, now: Now, told: Told) {
        let mut next = self.first_wire(voter);
        while let Some(wire) = self.tables.wires.get(next as usize).copied() {
            next = wire.next;
            self.tell(voter, wire, now, told);
        }
    }

    fn tell(&mut self, voter: u32, wire: Wire, now: Now, told: Told) {
        let present = matches!(told, Told::Live | Told::Again);
        let Some((mut health, out)) = self.health(voter, present) else { return };
        if told == Told::Again && health == Health::Good && self.last_word(voter) < self.known(wire.vote) {
            health = Health::Unsure;
        }
        let b = self.tables.bindings.get(voter as usize);
        let tried = |binding: Option<&Binding>| binding.is_some_and(|b| self.mode_of(b.point.0).is_some());
        let (here, there) = (tried(b), tried(self.tables.bindings.get(wire.vote as usize)));
        // A condition that a start finds, and that is no alarm yet or no longer, becomes one as its area is.
        let alarm = b.filter(|b| b.alarm.open().is_some_and(|open| open.life != Life::Normal));
        let tests = alarm.map_or(here, |b| b.is_test() && (b.alarm.active() || here));
        let stands = match (self.standing(voter).is_some(), tests) {
            (false, _) => Stands::No,
            (true, false) => Stands::Yes,
            (true, true) => Stands::AsTest,
        };
        self.on_vote(wire.vote, |state, params| {
            if present {
                state.vote(params, wire.voter, stands, now);
            }
            state.health(wire.voter, health, out && present);
            state.try_out(there, wire.voter, here);
        });
    }

    /// Whether what an alarm says is tried out, and in which mode: its area is in one. A vote is no test where those who are
    /// real would do without the tests, unless all its voters stand where something is tried out.
    pub(super) fn tested(&self, index: u32, now: Now) -> Option<ModeName> {
        let b = self.tables.bindings.get(index as usize)?;
        let mode = self.mode_of(b.point.0)?;
        let rule = self.tables.rules.get(b.rule.0 as usize)?;
        let real = if let Params::Vote(params) = rule.params {
            self.tables.votes.get(b.slot as usize).is_some_and(|state| !state.is_test(&params, now.mono))
        } else {
            false
        };
        (!real).then_some(mode)
    }

    /// All voters anew: a mode began or ended, and a test counts, or counts no more. Each vote hears of all before it is
    /// counted: between one and the next it would fall and rise.
    pub(super) fn signal_all(&mut self, now: Now, sink: &mut impl Sink) {
        self.tell_all(now, Told::Live);
        for voter in 0..self.tables.bindings.len() as u32 {
            self.signal(voter, now, Seen::Live, sink);
        }
    }

    fn first_wire(&self, voter: u32) -> u32 {
        self.tables.bindings.get(voter as usize).map_or(NONE, |b| b.wires)
    }

    /// Warm start: since when the alarm lane knows how a vote stands.
    fn known(&self, vote: u32) -> Wall {
        self.tables.bindings.get(vote as usize).map_or(Wall(i64::MIN), |vote| vote.known)
    }

    /// Whether a voter can vote, and whether it may not. Of the past the absence rule's word is not known.
    fn health(&self, voter: u32, present: bool) -> Option<(Health, bool)> {
        let b = self.tables.bindings.get(voter as usize)?;
        let point = self.tables.points.get(b.point.0 as usize)?;
        let absence = self.absence(b.point.0);
        // What we say in place of a point that has not spoken yet, a link that is still to come up, is the waiting itself.
        let waits = point.is_bad() && !point.has_spoken();
        let health = match (absence, point.heard && !waits, point.is_bad()) {
            (Absence::Lost, ..) if present => Health::Lost,
            (Absence::Waits | Absence::Lost, false, _) => Health::Unsure,
            (Absence::Nobody, false, _) => Health::Unheard,
            (_, true, true) => Health::Bad,
            (_, true, false) => Health::Good,
        };
        Some((health, b.alarm.open().is_some_and(|open| open.veils.out_until.is_some())))
    }

    /// What the absence rules of a point say.
    pub(super) fn absence(&self, point: u32) -> Absence {
        let Some(point) = self.tables.points.get(point as usize) else { return Absence::Nobody };
        let mut found = Absence::Nobody;
        for b in point.bindings().filter_map(|index| self.tables.bindings.get(index as usize)) {
            let Some(Params::Absent(params)) = self.tables.rules.get(b.rule.0 as usize).map(|rule| rule.params) else {
                continue;
            };
            if self.tables.absents.get(b.slot as usize).is_some_and(|state| state.standing().is_some()) {
                return Absence::Lost;
            }
            if params.silent_ms.is_some() {
                found = Absence::Waits;
            }
        }
        found
    }

    /// Whether an absence rule says that the point is lost: what it said last, however good, is no value of now.
    pub fn is_lost(&self, point: PointId) -> bool {
        self.absence(point.0) == Absence::Lost
    }

    fn last_word(&self, voter: u32) -> Wall {
        let point = self.tables.bindings.get(voter as usize).and_then(|b| self.tables.points.get(b.point.0 as usize));
        point.map_or(Wall(i64::MIN), |point| point.last.at)
    }

    fn on_vote(&mut self, binding: u32, f: impl FnOnce(&mut vote::State, &vote::Params)) {
        let Some(b) = self.tables.bindings.get(binding as usize) else { return };
        let Some(Params::Vote(params)) = self.tables.rules.get(b.rule.0 as usize).map(|rule| rule.params) else {
            return;
        };
        if let Some(state) = self.tables.votes.get_mut(b.slot as usize) {
            f(state, &params);
        }
    }
}
