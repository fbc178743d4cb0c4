//! Vote: k of n conditions, within a time of each other: "two of three gas heads", "smoke AND heat within 30 s".
//!
//! A voter is the condition of another rule on a point. It votes while the condition stands and for `within_ms` after it is
//! over. A voter is bad while its point is said to have no usable value, or is lost to its absence rule; while its alarm is out of
//! service; and where the point itself has not spoken for `unheard_ms` from the start, by whatever rule: what it would say is
//! unknown. A bad voter whose condition stands votes all the same, since what it last said was danger; but not one that is out of
//! service: a person has decided that it is not to be believed, and the degraded mode says what becomes of the vote without it.
//!
//! Votes `v`, bad voters `b` and voters of whom nothing is known yet `u` that do not vote, `n` voters, `k` needed:
//! ```text
//!  degraded      danger                       unknown: neither raises nor clears          else safe
//!  hold          v ≥ k                        v + b + u ≥ k
//!  fewer         v ≥ max(1, min(k, n − b))    n = b, or v + u ≥ max(1, min(k, n − b))
//!  trip          v + b ≥ k                    v + b + u ≥ k
//! ```
//! `hold` waits for proof, `fewer` goes on with those that are left (2 of 3 becomes 2 of 2, then 1 of 1), `trip` takes a
//! voter that can't speak for one that shouts (fail-safe, IEC 61511-1 cl. 11.3). That the vote is degraded is a condition of
//! its own: [`Watch::Health`], which stands while a point is bad; who is out of service is on another list. It has a delay for
//! what may pass; that a point is lost was decided by a rule with a delay of its own, and stands at once.
//!
//! A vote has no delay of its own: its voters have theirs, and `within_ms` holds a vote when its condition is over. So what
//! stands is told by the voters as they are, and nothing of it can be lost in a restart.
//!
//! When not to use it: to silence a single detector in a place where one is all there is. State: 184 bytes.

use super::Standing;
use super::hold::{self, Delays, Hold};
use crate::time::{Mono, Now, Wall};

/// Voters a vote may have.
pub const VOTERS: usize = 16;

/// What becomes of the vote when voters are bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Degraded {
    /// As many are needed as ever.
    Hold,
    /// Those that are left decide.
    Fewer,
    /// A bad voter votes for danger.
    Trip,
}

/// What the rule looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Watch {
    /// The vote.
    Danger,
    /// Whether all voters can vote; tells after so many milliseconds in which one could not.
    Health {
        /// On-delay.
        after_ms: u64,
    },
}

/// Parameters. Durations in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Params {
    /// Votes needed, 1 to `of`; what lies outside is taken as the nearest.
    pub need: u8,
    /// Voters, 1 to [`VOTERS`]; without any it never stands.
    pub of: u8,
    /// How long a vote counts after its condition is over.
    pub within_ms: u64,
    /// With bad voters.
    pub degraded: Degraded,
    /// Danger or health.
    pub watch: Watch,
    /// After so long a voter that was never heard, and that no absence rule looks after, is bad.
    pub unheard_ms: u64,
    /// Names the voters, so that a rule with others is another rule.
    pub voters: u64,
}

impl Params {
    const fn delays(&self) -> Delays {
        match self.watch {
            Watch::Danger => Delays { on_ms: 0, off_ms: 0 },
            Watch::Health { after_ms } => Delays { on_ms: after_ms, off_ms: 0 },
        }
    }

    /// How far back a vote must be shown what its voters said, ms.
    pub(super) fn memory_ms(&self) -> u64 {
        self.within_ms.max(self.delays().on_ms)
    }

    /// Votes needed: at least one, at most all.
    fn needed(&self) -> u32 {
        u32::from(self.need).clamp(1, everybody(self.of).count_ones().max(1))
    }

    /// The number that is held against the limit: votes, or voters that can vote.
    pub fn shown(&self, tally: Tally) -> f64 {
        match self.watch {
            Watch::Danger => f64::from(tally.votes.count_ones()),
            Watch::Health { .. } => f64::from(u32::from(self.of).saturating_sub((tally.bad | tally.out).count_ones())),
        }
    }
}

/// Whether a voter can vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Its point has not spoken yet, and nobody else waits for that.
    Unheard,
    /// Nobody knows: nothing was said that would be proof, or nothing yet and its absence rule waits.
    Unsure,
    /// It can.
    Good,
    /// It can't, for now.
    Bad,
    /// It can't: its absence rule has waited long enough.
    Lost,
}

/// How a voter's condition stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stands {
    /// It does not.
    No,
    /// It does.
    Yes,
    /// It does, and somebody is trying it out: that counts where the vote is tried out too, and nowhere else.
    AsTest,
}

/// State of one vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct State {
    /// Until when each voter's vote counts although its condition is over.
    lasts: [Mono; VOTERS],
    /// Whose condition stands, a bit each.
    stands: u16,
    /// Whose vote is, or was, a test.
    tests: u16,
    /// Who is bad.
    bad: u16,
    /// Who is bad for long enough.
    lost: u16,
    /// Who is out of service.
    out: u16,
    /// Of whose point it is known whether it can vote.
    known: u16,
    /// Of whom something was heard, or whose absence rule waits for that.
    minded: u16,
    /// Who stands in an area that is in a mode.
    tried: u16,
    /// Tests count.
    on_trial: bool,
    /// Since when voters could have been heard.
    listens: Mono,
    hold: Hold,
}

const _: () = assert!(size_of::<State>() <= 184);

impl State {
    /// A vote that hears its voters from now on.
    pub fn listening(now: Now) -> Self {
        Self { listens: now.mono, ..Self::default() }
    }

    /// The state in which the condition stands since `onset`; for a restart.
    pub const fn stand(&mut self, onset: Wall) {
        self.hold = Hold::Breach { onset };
    }

    /// A voter's condition stands or is over.
    pub fn vote(&mut self, params: &Params, voter: u8, stands: Stands, now: Now) {
        let bit = bit(voter);
        if stands != Stands::No {
            self.stands |= bit;
            self.tests = if stands == Stands::AsTest { self.tests | bit } else { self.tests & !bit };
        } else if self.stands & bit != 0 {
            self.stands &= !bit;
            if let Some(lasts) = self.lasts.get_mut(usize::from(voter)) {
                *lasts = now.mono.plus(params.within_ms);
            }
        }
    }

    /// Whether the vote stands in an area that is in a mode: then tests count; and whether a voter does.
    pub fn try_out(&mut self, on_trial: bool, voter: u8, tried: bool) {
        self.on_trial = on_trial;
        put(&mut self.tried, voter, tried);
    }

    /// Whether a voter can vote; `out`: it may not, a person has taken it out of service, which is no news to anybody.
    pub fn health(&mut self, voter: u8, health: Health, out: bool) {
        put(&mut self.bad, voter, matches!(health, Health::Bad | Health::Lost));
        put(&mut self.lost, voter, health == Health::Lost);
        put(&mut self.out, voter, out);
        put(&mut self.known, voter, matches!(health, Health::Good | Health::Bad | Health::Lost));
        put(&mut self.minded, voter, health != Health::Unheard);
    }

    /// Counts anew, after [`State::vote`] or [`State::health`]. What begins by that begins now: it is made of several readings.
    pub fn count(&mut self, params: &Params, now: Now) {
        let lost = (self.lost | self.unheard(params, now.mono)) & everybody(params.of) != 0;
        let delays = Delays { on_ms: if lost { 0 } else { params.delays().on_ms }, ..params.delays() };
        self.hold = self.hold.drive(self.side(params, now.mono), now.wall, now, delays);
    }

    /// The same for a moment before this run: who had not been heard by then is not known.
    pub fn count_past(&mut self, params: &Params, now: Now) {
        self.count(&Params { unheard_ms: u64::MAX, ..*params }, now);
    }

    /// The counter reached `now`, which may end a vote or a delay.
    pub fn expire(&mut self, params: &Params, now: Now) {
        self.hold = self.hold.expire(now.mono, params.delays());
        self.count(params, now);
    }

    /// After a restart: see [`Hold::doubt`].
    pub fn doubt(&mut self, params: &Params, mono: Mono) {
        self.hold = self.hold.doubt(mono, params.delays());
    }

    /// When a vote or a delay ends. `mono` is the present: what has ended is no deadline.
    pub fn deadline(&self, params: &Params, mono: Mono) -> Option<Mono> {
        let votes = self.lasts.iter().copied().filter(|lasts| *lasts > mono).min();
        let heard_by = self.heard_by(params);
        let heard_by = Some(heard_by).filter(|by| *by > mono && !self.minded & everybody(params.of) != 0);
        [votes, heard_by, self.hold.deadline(params.delays())].into_iter().flatten().min()
    }

    /// What stands. The limit is the number of votes that were needed.
    pub fn standing(&self, params: &Params) -> Option<Standing> {
        let onset = self.hold.standing()?;
        let limit = match params.watch {
            Watch::Danger => f64::from(params.needed()),
            Watch::Health { .. } => f64::from(params.of),
        };
        Some(Standing { level: 0, onset, limit: Some(limit), time_to_limit: None })
    }

    /// Whose votes count, and who can't vote.
    pub fn tally(&self, params: &Params, mono: Mono) -> Tally {
        let everybody = everybody(params.of);
        let bad = (self.bad | self.unheard(params, mono)) & !self.out & everybody;
        Tally { votes: self.voting(params, mono), bad, out: self.out & everybody }
    }

    /// Whether what stands is a test: tests count, and it needs one of them, or nobody votes here whose area is in no mode.
    pub fn is_test(&self, params: &Params, mono: Mono) -> bool {
        let real = self.voting(params, mono) & !self.tests;
        let all_tried = self.tried & everybody(params.of) == everybody(params.of);
        self.on_trial && (all_tried || self.side_of(params, real, mono) != hold::Side::Danger)
    }

    fn voting(&self, params: &Params, mono: Mono) -> u16 {
        let lasting = self.lasts.iter().enumerate().filter(|(_, lasts)| **lasts > mono);
        let all = lasting.fold(self.stands, |all, (voter, _)| all | 1 << voter);
        let counting = if self.on_trial { all } else { all & !self.tests };
        counting & !self.out & everybody(params.of)
    }

    /// When voters will have been silent from the start for too long.
    const fn heard_by(&self, params: &Params) -> Mono {
        self.listens.plus(params.unheard_ms)
    }

    /// Who was never heard, for too long.
    fn unheard(&self, params: &Params, mono: Mono) -> u16 {
        if self.heard_by(params) <= mono { !self.minded } else { 0 }
    }

    /// Who can't vote.
    fn cannot(&self, params: &Params, mono: Mono) -> u16 {
        self.bad | self.out | self.unheard(params, mono)
    }

    fn side(&self, params: &Params, mono: Mono) -> hold::Side {
        self.side_of(params, self.voting(params, mono), mono)
    }

    /// What these votes come to.
    fn side_of(&self, params: &Params, voting: u16, mono: Mono) -> hold::Side {
        let everybody = everybody(params.of);
        let cannot = self.cannot(params, mono);
        let count = |set: u16| (set & everybody & !voting).count_ones();
        let (votes, bad, unknown) = (voting.count_ones(), count(cannot), count(!self.known & !cannot));
        let (need, of) = (params.needed(), everybody.count_ones());
        let fewer = need.min(of - bad).max(1);
        let unwell = (self.bad | self.unheard(params, mono)) & everybody;
        let (danger, unknown) = match (params.watch, params.degraded) {
            (Watch::Health { .. }, _) => (unwell != 0, self.known & everybody != everybody),
            (Watch::Danger, Degraded::Hold) => (votes >= need, votes + bad + unknown >= need),
            (Watch::Danger, Degraded::Fewer) => (votes >= fewer, bad == of || votes + unknown >= fewer),
            (Watch::Danger, Degraded::Trip) => (votes + bad >= need, votes + bad + unknown >= need),
        };
        match (danger, unknown) {
            (true, _) => hold::Side::Danger,
            (false, true) => hold::Side::Unknown,
            (false, false) => hold::Side::Safe,
        }
    }
}

/// How a vote stands: a bit for each voter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Whose votes count.
    pub votes: u16,
    /// Who can't vote. One that could before may stand among the votes all the same.
    pub bad: u16,
    /// Who may not: a person has taken it out of service.
    pub out: u16,
}

fn bit(voter: u8) -> u16 {
    1u16.checked_shl(u32::from(voter)).unwrap_or(0)
}

fn put(set: &mut u16, voter: u8, is: bool) {
    *set = if is { *set | bit(voter) } else { *set & !bit(voter) };
}

const fn everybody(of: u8) -> u16 {
    if of as usize >= VOTERS { u16::MAX } else { (1 << of) - 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_OF_THREE: Params = Params {
        need: 2,
        of: 3,
        within_ms: 30_000,
        degraded: Degraded::Hold,
        watch: Watch::Danger,
        unheard_ms: 40_000,
        voters: 0,
    };

    fn at(ms: u64) -> Now {
        Now { mono: Mono(ms), wall: Wall(ms as i64) }
    }

    fn heard() -> State {
        let mut state = State::default();
        (0..3).for_each(|voter| state.health(voter, Health::Good, false));
        state
    }

    fn after(params: &Params, votes: &[u8], bad: &[u8]) -> bool {
        decided(params, votes, bad, &[])
    }

    /// Whether the vote stands; `out`: who is out of service besides.
    fn decided(params: &Params, votes: &[u8], bad: &[u8], out: &[u8]) -> bool {
        let mut state = heard();
        for voter in votes {
            state.vote(params, *voter, Stands::Yes, at(1));
        }
        for voter in 0..3 {
            let health = if bad.contains(&voter) { Health::Bad } else { Health::Good };
            state.health(voter, health, out.contains(&voter));
        }
        state.count(params, at(1));
        state.standing(params).is_some()
    }

    #[test]
    fn the_table_of_degraded_modes() {
        /// Votes, bad, and what becomes of it: hold, fewer, trip.
        type Row = (&'static [u8], &'static [u8], bool, bool, bool);
        let of = |degraded| Params { degraded, ..TWO_OF_THREE };
        let table: &[Row] = &[
            (&[], &[], false, false, false),
            (&[0], &[], false, false, false),
            (&[0, 2], &[], true, true, true),
            (&[0], &[1], false, false, true),
            (&[0, 2], &[1], true, true, true),
            (&[0], &[1, 2], false, true, true),
            (&[], &[1, 2], false, false, true),
            (&[], &[0, 1, 2], false, false, true),
            (&[0], &[0], false, false, false),
            (&[0, 1], &[0, 1], true, true, true),
        ];
        for (votes, bad, hold, fewer, trip) in table {
            let found = [Degraded::Hold, Degraded::Fewer, Degraded::Trip].map(|d| after(&of(d), votes, bad));
            assert_eq!(found, [*hold, *fewer, *trip], "votes {votes:?} bad {bad:?}");
        }
    }

    /// A person has taken it out of service: its condition is nobody's vote, and the degraded mode decides without it.
    #[test]
    fn the_table_of_voters_out_of_service() {
        /// Votes, bad, out of service, and what becomes of it: hold, fewer, trip.
        type Row = (&'static [u8], &'static [u8], &'static [u8], bool, bool, bool);
        let of = |degraded| Params { degraded, ..TWO_OF_THREE };
        let table: &[Row] = &[
            (&[], &[], &[0], false, false, false),
            (&[0], &[], &[0], false, false, false),
            (&[0, 1], &[], &[0], false, false, true),
            (&[0, 1], &[2], &[0], false, true, true),
            (&[0, 1], &[], &[0, 1], false, false, true),
            (&[0, 1, 2], &[], &[0], true, true, true),
            (&[0], &[1, 2], &[0], false, false, true),
            (&[0, 1, 2], &[], &[0, 1, 2], false, false, true),
        ];
        for (votes, bad, out, hold, fewer, trip) in table {
            let found = [Degraded::Hold, Degraded::Fewer, Degraded::Trip].map(|d| decided(&of(d), votes, bad, out));
            assert_eq!(found, [*hold, *fewer, *trip], "votes {votes:?} bad {bad:?} out {out:?}");
        }
    }

    #[test]
    fn what_one_said_before_it_was_taken_out_of_service_is_no_vote_and_what_stands_does_not_end_by_that() {
        let mut state = heard();
        state.vote(&TWO_OF_THREE, 0, Stands::Yes, at(0));
        state.vote(&TWO_OF_THREE, 0, Stands::No, at(1));
        state.health(0, Health::Good, true);
        state.vote(&TWO_OF_THREE, 1, Stands::Yes, at(2));
        state.count(&TWO_OF_THREE, at(2));
        assert!(state.standing(&TWO_OF_THREE).is_none(), "its vote lasted still");
        state.vote(&TWO_OF_THREE, 2, Stands::Yes, at(3));
        state.count(&TWO_OF_THREE, at(3));
        assert!(state.standing(&TWO_OF_THREE).is_some());
        state.health(1, Health::Good, true);
        state.count(&TWO_OF_THREE, at(4));
        assert!(state.standing(&TWO_OF_THREE).is_some(), "nobody has said that it is over");
    }

    #[test]
    fn smoke_and_heat_within_thirty_seconds() {
        let p = Params { of: 2, ..TWO_OF_THREE };
        let run = |gap: u64| {
            let mut state = heard();
            state.vote(&p, 0, Stands::Yes, at(0));
            state.vote(&p, 0, Stands::No, at(1_000));
            state.count(&p, at(1_000));
            assert_eq!(state.deadline(&p, Mono(1_000)), Some(Mono(31_000)));
            state.vote(&p, 1, Stands::Yes, at(1_000 + gap));
            state.count(&p, at(1_000 + gap));
            state.standing(&p).map(|s| s.onset)
        };
        assert_eq!(run(29_999), Some(Wall(30_999)));
        assert_eq!(run(30_000), None);
    }

    #[test]
    fn a_vote_that_ends_is_a_deadline_and_unknown_never_clears() {
        let mut state = heard();
        for voter in [0, 1] {
            state.vote(&TWO_OF_THREE, voter, Stands::Yes, at(0));
        }
        state.count(&TWO_OF_THREE, at(0));
        state.vote(&TWO_OF_THREE, 0, Stands::No, at(10));
        state.count(&TWO_OF_THREE, at(10));
        state.health(0, Health::Bad, false);
        state.expire(&TWO_OF_THREE, at(30_010));
        assert!(state.standing(&TWO_OF_THREE).is_some(), "one votes, one is bad: it may be two");
        state.health(0, Health::Good, false);
        state.count(&TWO_OF_THREE, at(30_011));
        assert!(state.standing(&TWO_OF_THREE).is_none());
    }

    #[test]
    fn what_was_not_heard_yet_ends_nothing() {
        let mut state = State::default();
        state.stand(Wall(3));
        state.count(&TWO_OF_THREE, at(5));
        assert!(state.standing(&TWO_OF_THREE).is_some());
        (0..3).for_each(|voter| state.health(voter, Health::Good, false));
        state.count(&TWO_OF_THREE, at(6));
        assert!(state.standing(&TWO_OF_THREE).is_none());
    }

    /// What a configuration would refuse does no harm: a vote of nobody is silent, one of none or of too many is one or all.
    #[test]
    fn contradictions_are_taken_as_the_nearest() {
        for degraded in [Degraded::Hold, Degraded::Fewer, Degraded::Trip] {
            let of = |need, of| Params { need, of, degraded, ..TWO_OF_THREE };
            assert!(!after(&of(0, 0), &[0, 1], &[2]), "nobody votes");
            assert!(!after(&of(2, 0), &[0, 1], &[2]), "nobody votes");
            assert!(!after(&of(0, 3), &[], &[]), "none is not enough");
            assert!(after(&of(0, 3), &[1], &[]));
            assert!(!after(&of(9, 3), &[0, 1], &[]), "all are needed");
            assert!(after(&of(9, 3), &[0, 1, 2], &[]));
            assert!(!after(&of(1, 2), &[2, 15, 16, 255], &[]), "who is not counted does not count");
        }
        let many = Params { need: 255, of: 255, ..TWO_OF_THREE };
        let all: Vec<u8> = (0..VOTERS as u8).collect();
        assert!(after(&many, &all, &[]) && !after(&many, &all[1..], &[]), "there are 16 at most");
    }

    #[test]
    fn a_test_counts_where_the_vote_is_tried_out() {
        let mut state = heard();
        for voter in [0, 1] {
            state.vote(&TWO_OF_THREE, voter, Stands::AsTest, at(0));
        }
        state.count(&TWO_OF_THREE, at(0));
        assert!(state.standing(&TWO_OF_THREE).is_none());
        state.try_out(true, 0, true);
        state.count(&TWO_OF_THREE, at(1));
        assert!(state.standing(&TWO_OF_THREE).is_some());
    }

    #[test]
    fn bad_voters_are_told() {
        let p = Params { watch: Watch::Health { after_ms: 60_000 }, ..TWO_OF_THREE };
        let mut state = heard();
        state.health(2, Health::Bad, false);
        state.count(&p, at(5));
        assert_eq!(state.deadline(&p, Mono(5)), Some(Mono(60_005)));
        state.expire(&p, at(60_005));
        assert_eq!(state.standing(&p).map(|s| (s.onset, s.limit)), Some((Wall(5), Some(3.0))));
        state.health(0, Health::Bad, true);
        let tally = state.tally(&p, Mono(60_005));
        assert_eq!(tally, Tally { votes: 0, bad: 0b100, out: 0b001 });
        assert!((p.shown(tally) - 1.0).abs() < f64::EPSILON, "one is left");
        state.health(0, Health::Good, false);
        state.health(2, Health::Good, false);
        state.count(&p, at(60_006));
        assert!(state.standing(&p).is_none());
    }
}
