//! The votes counted once more, by whoever reads the alarm lane: at each step of a voter and at the end of each vote.

use std::collections::{BTreeSet, VecDeque};

use gengfu::flow::AlarmEvent;
use gengfu_tests::counting::{Sample, Set};

use super::laws::{Kind, Laws};
use super::{JITTER, WITHIN};
use crate::crash::table::VOTES;

/// A vote of the site file: its rule, its voters, how many are needed, and how long one counts after its condition, ms.
const TABLE: [(&str, &[&str], usize, i64); 2] = [
    ("vote-two-of-three", &["voter-d21", "voter-d22", "voter-d23"], 2, 0),
    ("vote-smoke-and-heat", &["voter-d24", "voter-d25"], 2, WITHIN.as_millis() as i64),
];

/// The rules; those that are left decide.
pub(super) fn rules() -> String {
    let rule = |(rule, voters, need, within): &(&str, &[&str], usize, i64)| {
        format!(
            "[[rule]]\nid = \"{rule}\"\npoint = \"{}/r0\"\nvote = {{ of = {voters:?}, need = {need}, within = \"{}s\", \
             degraded = \"fewer\" }}\npriority = \"critical\"\n\n",
            voters[0].trim_start_matches("voter-"),
            within / 1_000
        )
    };
    TABLE.iter().map(rule).collect()
}

/// The votes that these rules cast, once no vote outlasts its condition.
pub(super) fn cast(standing: &BTreeSet<String>) -> impl Iterator<Item = &'static str> {
    let votes = |voters: &[&str]| voters.iter().filter(|voter| standing.contains(**voter)).count();
    TABLE.iter().filter(move |(_, voters, need, _)| votes(voters) >= *need).map(|(rule, ..)| *rule)
}

/// One voter as the lane has it.
#[derive(Debug, Clone, Copy, Default)]
struct Voter {
    stands: bool,
    /// When its condition was over last, UTC ms.
    over: Option<i64>,
    out: bool,
    /// Its point has no value.
    bad: bool,
}

/// A voter's point lost its value, or has one again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    /// UTC ms.
    at: i64,
    rule: String,
    bad: bool,
}

/// All turns that a store was told of, in their order. A good value after a bad one comes with quality 0, a bad one has no value.
pub(super) fn turns(stored: &Set) -> Vec<Turn> {
    let turn = |sample: &Sample| {
        let device = sample.series.strip_prefix("device_r0_q,")?;
        let bad = sample.value() != 0.0;
        let valued = stored.iter().any(|s| s.at_ns == sample.at_ns && s.series == format!("device_r0,{device}"));
        (!(bad && valued)).then(|| Turn { at: sample.at_ns / 1_000_000, rule: format!("voter-{device}"), bad })
    };
    let mut turns: Vec<Turn> = stored.iter().filter_map(turn).collect();
    turns.sort();
    turns
}

/// One vote as the lane has it.
struct Ballot {
    rule: &'static str,
    names: &'static [&'static str],
    need: usize,
    within: i64,
    voters: Vec<Voter>,
    /// Turns of its voters' points, the next one first.
    turns: VecDeque<Turn>,
    stands: bool,
}

/// All of them.
pub(super) struct Ballots {
    ballots: Vec<Ballot>,
    /// Steps of one moment: a start finds what stands at once and tells it in no order, but a vote is cast by its voters.
    moment: Vec<AlarmEvent>,
}

impl Ballots {
    pub(super) fn new(turns: &[Turn]) -> Self {
        let ballot = |&(rule, names, need, within): &(&'static str, &'static [&'static str], usize, i64)| Ballot {
            rule,
            names,
            need,
            within,
            voters: vec![Voter::default(); names.len()],
            turns: turns.iter().filter(|turn| names.contains(&&*turn.rule)).cloned().collect(),
            stands: false,
        };
        Self { ballots: TABLE.iter().map(ballot).collect(), moment: Vec::new() }
    }

    pub(super) fn take(&mut self, alarm: &AlarmEvent, laws: &mut Laws) {
        if self.moment.first().is_some_and(|first| first.detected != alarm.detected) {
            self.count(laws);
        }
        self.moment.push(alarm.clone());
    }

    /// The steps of the moment are all there.
    pub(super) fn count(&mut self, laws: &mut Laws) {
        self.moment.sort_by_key(|alarm| TABLE.iter().any(|(rule, ..)| *rule == alarm.rule));
        for alarm in self.moment.drain(..) {
            self.ballots.iter_mut().for_each(|ballot| ballot.take(&alarm, laws));
        }
    }

    /// Each that has a voter then, standing or lasting.
    pub(super) fn cast_at(&self, at: i64) -> impl Iterator<Item = ()> {
        self.ballots.iter().filter(move |ballot| ballot.voting(at) > 0).map(|_| ())
    }

    /// Nothing comes any more.
    pub(super) fn end(&mut self, at: i64, laws: &mut Laws) {
        self.count(laws);
        self.ballots.iter_mut().for_each(|ballot| ballot.pass(at, laws));
    }
}

impl Ballot {
    fn take(&mut self, alarm: &AlarmEvent, laws: &mut Laws) {
        let at = alarm.detected;
        let active = ["unacknowledged", "acknowledged"].contains(&alarm.life());
        if alarm.rule == self.rule {
            self.pass(at, laws);
            if active != self.stands {
                let called = [-JITTER, 0, JITTER].into_iter().any(|off| self.danger(at + off) == active);
                if !called {
                    let voters = &self.voters;
                    laws.wrong(VOTES, at, format!("{} {}: nobody voted so, {voters:?}", self.rule, alarm.event));
                }
                self.stands = active;
                laws.happens(Kind::Vote, self.rule, at);
                self.weigh(at, laws);
            }
        } else if let Some(place) = self.names.iter().position(|name| *name == alarm.rule) {
            self.pass(at, laws);
            let voter = &mut self.voters[place];
            if voter.stands && !active {
                voter.over = Some(at);
            }
            (voter.stands, voter.out) = (active, alarm.out_of_service.is_some());
            self.weigh(at, laws);
        }
    }

    /// What came up to now beside the steps of alarms: votes that ended by themselves, points that lost or found their value.
    fn pass(&mut self, at: i64, laws: &mut Laws) {
        loop {
            let end = self.voters.iter().filter_map(|voter| Some(voter.over? + self.within)).min();
            let turn = self.turns.front().map(|turn| turn.at);
            let Some(next) = end.into_iter().chain(turn).min().filter(|next| *next <= at) else { return };
            if turn == Some(next)
                && let Some(Turn { rule, bad, .. }) = self.turns.pop_front()
            {
                let voters = self.names.iter().zip(&mut self.voters);
                voters.filter(|(name, _)| **name == rule).for_each(|(_, voter)| voter.bad = bad);
            } else {
                let lasts = |over: &i64| over + self.within > next;
                self.voters.iter_mut().for_each(|voter| voter.over = voter.over.filter(lasts));
            }
            self.weigh(next, laws);
        }
    }

    /// A vote that is not what its voters say must become so at once.
    fn weigh(&self, at: i64, laws: &mut Laws) {
        if self.danger(at) == self.stands {
            laws.waive(Kind::Vote, self.rule);
        } else {
            laws.owe(Kind::Vote, self.rule, VOTES, at, at);
        }
    }

    /// The row "fewer" of the table in core's `detect::vote`.
    fn danger(&self, at: i64) -> bool {
        let bad = self.voters.iter().filter(|voter| (voter.out || voter.bad) && !self.votes(voter, at)).count();
        self.voting(at) >= self.need.min(self.voters.len() - bad).max(1)
    }

    fn voting(&self, at: i64) -> usize {
        self.voters.iter().filter(|voter| self.votes(voter, at)).count()
    }

    fn votes(&self, voter: &Voter, at: i64) -> bool {
        !voter.out && (voter.stands || voter.over.is_some_and(|over| at < over + self.within))
    }
}
