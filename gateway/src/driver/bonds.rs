//! What hangs between bindings, by name: groups that hide and groups with a first, areas, who votes where. Names become
//! indices here, as points come; core knows indices alone.

use std::collections::{HashMap, HashSet};

use gengfu_core::reading::PointId;

use crate::config::checked::{Rule, Scope, Voter};

/// The area of points that have none.
pub(super) const NO_AREA: &str = "";

/// A point and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) point: PointId,
    /// `device/point`.
    pub(super) name: &'a str,
    pub(super) area: Option<&'a str>,
}

/// What one binding has to do with others.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ties {
    pub(super) hides: Option<u32>,
    pub(super) hidden_by: Option<u32>,
    pub(super) first_of: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    /// The rule that hides, and the device, area or site where.
    Hides(String, Scope, String),
    /// What is in shadow is first among its own.
    First(String, bool),
}

/// What a rule says of others.
#[derive(Debug, Default)]
struct Said {
    id: String,
    suppressed_by: Option<(String, Scope)>,
    first_out: Option<String>,
    /// Where other rules are hidden by this one; `check` sees to it that they agree.
    hides: Option<Scope>,
    /// `None` for a seat whose voter may not speak here.
    voters: Vec<Option<Voter>>,
    is_voter: bool,
    shadow: bool,
}

#[derive(Debug, Default)]
pub(super) struct Bonds {
    rules: Vec<Said>,
    groups: HashMap<Key, u32>,
    areas: Vec<String>,
    /// Bindings by rule and `device/point`, of voters.
    voters: HashMap<Voter, u32>,
    /// Bindings of votes, by index of the rule.
    votes: HashMap<usize, u32>,
}

impl Bonds {
    pub(super) fn new(rules: &[Rule]) -> Self {
        let hidden = rules.iter().filter_map(|rule| rule.suppressed_by.as_ref());
        let hiding: HashMap<&str, Scope> = hidden.map(|by| (by.rule.as_str(), by.same)).collect();
        let voting: HashSet<&str> = rules.iter().flat_map(|vote| &vote.voters).map(|v| v.rule.as_str()).collect();
        let shadows: HashSet<&str> = rules.iter().filter(|rule| rule.shadow).map(|rule| rule.id.as_str()).collect();
        // What is on trial acts on what is on trial alone.
        let acts = |by: &str, on: &Rule| on.shadow || !shadows.contains(by);
        let said = |rule: &Rule| Said {
            id: rule.id.clone(),
            suppressed_by: rule
                .suppressed_by
                .as_ref()
                .filter(|by| acts(&by.rule, rule))
                .map(|by| (by.rule.clone(), by.same)),
            first_out: rule.first_out.clone(),
            hides: hiding.get(rule.id.as_str()).copied(),
            voters: rule.voters.iter().map(|voter| acts(&voter.rule, rule).then(|| voter.clone())).collect(),
            is_voter: voting.contains(rule.id.as_str()),
            shadow: rule.shadow,
        };
        let rules = rules.iter().map(said).collect();
        Self { rules, areas: vec![NO_AREA.to_owned()], ..Self::default() }
    }

    /// The groups that a binding is in.
    pub(super) fn ties(&mut self, rule: Option<usize>, place: Place<'_>) -> Ties {
        let Some(said) = rule.and_then(|index| self.rules.get(index)) else { return Ties::default() };
        let hides = said.hides.map(|scope| Key::Hides(said.id.clone(), scope, at(scope, place)));
        let hidden_by = said.suppressed_by.clone().map(|(by, scope)| Key::Hides(by, scope, at(scope, place)));
        let first_of = said.first_out.clone().map(|group| Key::First(group, said.shadow));
        let mut group = |key: Option<Key>| {
            let next = self.groups.len() as u32;
            key.map(|key| *self.groups.entry(key).or_insert(next))
        };
        Ties { hides: group(hides), hidden_by: group(hidden_by), first_of: group(first_of) }
    }

    /// Whether a rule, by the site's index, is on trial.
    pub(super) fn is_shadow(&self, rule: usize) -> bool {
        self.rules.get(rule).is_some_and(|said| said.shadow)
    }

    pub(super) fn groups(&self) -> usize {
        self.groups.len()
    }

    /// The index of an area, and whether it is new.
    pub(super) fn area(&mut self, name: Option<&str>) -> (u16, bool) {
        let name = name.unwrap_or(NO_AREA);
        if let Some(known) = self.areas.iter().position(|area| area == name) {
            return (known as u16, false);
        }
        self.areas.push(name.to_owned());
        (self.areas.len() as u16 - 1, true)
    }

    pub(super) fn areas(&self) -> impl Iterator<Item = (u16, &str)> {
        self.areas.iter().enumerate().map(|(index, name)| (index as u16, name.as_str()))
    }

    /// The wires that a new binding needs, as (voter, vote, which of its voters): as a vote, and as a voter.
    pub(super) fn wires(&mut self, rule: Option<usize>, place: Place<'_>, binding: u32) -> Vec<(u32, u32, u8)> {
        let Some((index, said)) = rule.and_then(|index| Some((index, self.rules.get(index)?))) else {
            return Vec::new();
        };
        let mut wires = Vec::new();
        if !said.voters.is_empty() {
            self.votes.insert(index, binding);
            let seats = said.voters.iter().enumerate();
            let known = seats.filter_map(|(n, voter)| Some((*self.voters.get(voter.as_ref()?)?, n)));
            wires.extend(known.map(|(from, n)| (from, binding, n as u8)));
            return wires;
        }
        if !said.is_voter {
            return wires;
        }
        let me = Voter { rule: said.id.clone(), point: place.name.to_owned() };
        for (vote, to) in &self.votes {
            let seats = self.rules.get(*vote).map_or(&[][..], |vote| &vote.voters);
            wires.extend(
                seats
                    .iter()
                    .enumerate()
                    .filter(|(_, seat)| seat.as_ref() == Some(&me))
                    .map(|(n, _)| (binding, *to, n as u8)),
            );
        }
        wires.sort_unstable();
        self.voters.insert(me, binding);
        wires
    }
}

fn at(scope: Scope, place: Place<'_>) -> String {
    match scope {
        Scope::Device => place.name.split_once('/').map_or(place.name, |(device, _)| device).to_owned(),
        Scope::Area => place.area.unwrap_or(NO_AREA).to_owned(),
        Scope::Site => String::new(),
    }
}
