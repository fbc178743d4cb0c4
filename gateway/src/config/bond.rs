//! What hangs between rules: who votes, what explains what. Looked at once all rules are known.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use gengfu_core::alarm::Priority;
use gengfu_core::detect::{Params, vote};
use sha2::{Digest, Sha256};

use super::checked::{LevelMeta, Rule, Scope, SuppressedBy, Voter};
use super::names::Names;
use super::near::nearest;
use super::rule::known;
use super::table::Table;
use super::value::{Value, shorten};

/// How long a voter may be bad before that is told, and how long it may go unheard before it counts as bad.
pub(super) const DEGRADED_AFTER: Duration = Duration::from_mins(1);
/// Appended to the id of a vote, it names the rule that tells of its bad voters.
pub(super) const DEGRADED: &str = "/degraded";

/// What a rule says of others, where it says it.
#[derive(Debug, Default)]
pub(super) struct Bonds<'a> {
    pub(super) suppressed_by: Option<(Value<'a>, SuppressedBy)>,
    pub(super) voters: Vec<(Value<'a>, String)>,
}

impl<'a> Bonds<'a> {
    /// `suppressed_by = "mains-off"`, or with the place where that must stand: `{ rule = "offline", same = "device" }`.
    pub(super) fn read(table: &Table<'a>) -> Self {
        let Some(value) = table.get("suppressed_by") else { return Self::default() };
        if value.is_text() {
            let by = value.text().map(|rule| (value, SuppressedBy { rule: rule.to_owned(), same: Scope::Site }));
            return Self { suppressed_by: by, ..Self::default() };
        }
        let Some(inner) = value.table("suppressed_by = { rule = …, same = \"device\" }") else {
            return Self::default();
        };
        let rule = inner.need("rule", "\"mains-off\"").and_then(|v| Some((v, v.text()?.to_owned())));
        let scopes = [("device", Scope::Device), ("area", Scope::Area), ("site", Scope::Site)];
        let same = inner.or("same", Scope::Site, |v| v.choice(&scopes));
        inner.finish(&[]);
        let by = rule.zip(same).map(|((at, rule), same)| (at, SuppressedBy { rule, same }));
        Self { suppressed_by: by, ..Self::default() }
    }

    /// A rule of a pack hangs on rules of the same pack, as far as the site has them.
    pub(super) fn within(&mut self, prefix: &str, present: &[String]) {
        let Some((at, by)) = &mut self.suppressed_by else { return };
        if !at.lent {
            return;
        }
        if present.contains(&by.rule) {
            by.rule = format!("{prefix}/{}", by.rule);
        } else {
            self.suppressed_by = None;
        }
    }
}

/// Ties the rules together; each complaint stands where the bond is written.
pub(super) fn tie(drafts: Vec<(Rule, Bonds<'_>)>, names: &Names) -> Vec<Rule> {
    let plain: Vec<Rule> = drafts.iter().map(|(rule, _)| rule.clone()).collect();
    let hides: HashMap<String, String> = drafts
        .iter()
        .filter_map(|(rule, bonds)| Some((rule.id.clone(), bonds.suppressed_by.as_ref()?.1.rule.clone())))
        .collect();
    // Rules that hide each other would all be silent together.
    let ringed: HashSet<&String> = hides.keys().filter(|id| comes_back(id, &hides)).collect();
    let scopes: Vec<SuppressedBy> =
        drafts.iter().filter_map(|(_, bonds)| Some(bonds.suppressed_by.as_ref()?.1.clone())).collect();
    let mut rules = Vec::with_capacity(drafts.len());
    for (mut rule, bonds) in drafts {
        if let Some((at, by)) = bonds.suppressed_by {
            if ringed.contains(&rule.id) {
                at.complain(
                    format!("`{}` hides itself by way of `{}`: both would be silent", rule.id, by.rule),
                    "let the cause hide its consequences, and not the other way round",
                );
            } else if let Some(other) = elsewhere(&scopes, &by) {
                at.complain(
                    format!("`{}` hides others {}, and here {}", by.rule, other.word(), by.same.word()),
                    "let it hide all of them in the same place, or make two rules of it",
                );
            } else if explains(at, &by, &rule, &plain) {
                if !rule.shadow {
                    tell_shadow(at, &by.rule, &plain, "hides nothing that is live");
                }
                rule.suppressed_by = Some(by);
            }
        }
        let degraded = if let Params::Vote(params) = rule.detector {
            if !rule.shadow {
                for (at, voter) in &bonds.voters {
                    let id = voter.split_once('@').map_or(voter.as_str(), |(id, _)| id);
                    tell_shadow(*at, id, &plain, "has no voice in a vote that is live");
                }
            }
            let counted = count(params, &bonds.voters, &plain, names);
            counted.and_then(|(params, voters)| {
                rule.detector = Params::Vote(params);
                rule.voters = voters;
                one_point(&rule, &bonds.voters).then(|| health(&rule, params))
            })
        } else {
            None
        };
        rules.push(rule);
        rules.extend(degraded);
    }
    rules
}

/// What is in shadow acts on what is in shadow alone; who counts on more is told.
fn tell_shadow(at: Value<'_>, id: &str, all: &[Rule], lacks: &str) {
    if all.iter().any(|rule| rule.id == id && rule.shadow) {
        let mend = "take `shadow` out of it once it has proved itself, or put this rule in shadow too";
        at.warn(format!("`{}` is in shadow and {lacks}", shorten(id)), mend);
    }
}

/// Where else the rule hides others, if the first that say so say otherwise.
fn elsewhere(all: &[SuppressedBy], by: &SuppressedBy) -> Option<Scope> {
    all.iter().find(|other| other.rule == by.rule).map(|other| other.same).filter(|same| *same != by.same)
}

/// Whether what hides a rule is, step by step, hidden by the rule itself.
fn comes_back(id: &str, hides: &HashMap<String, String>) -> bool {
    let mut seen = vec![id];
    while let Some(next) = seen.last().and_then(|last| hides.get(*last)) {
        if seen.contains(&next.as_str()) {
            return next == id;
        }
        seen.push(next);
    }
    false
}

fn explains(at: Value<'_>, by: &SuppressedBy, rule: &Rule, all: &[Rule]) -> bool {
    let known = find(at, &by.rule, all).is_some();
    if rule.levels.iter().any(|level| !level.shelvable) {
        at.complain(
            format!("`{}` is critical and latches: no other alarm may hide it", rule.id),
            "leave `suppressed_by` out; for planned work use a mode of the area",
        );
        return false;
    }
    known
}

fn find<'r>(at: Value<'_>, id: &str, all: &'r [Rule]) -> Option<&'r Rule> {
    let found = all.iter().find(|rule| rule.id == id);
    if found.is_none() {
        let near = nearest(id, all.iter().map(|rule| rule.id.as_str()));
        let mend = near.map_or("name a rule of this site".to_owned(), |near| format!("did you mean `{near}`?"));
        at.complain(format!("there is no rule `{}`", shorten(id)), mend);
    }
    found
}

/// The voters by name, and the vote that knows how many they are.
fn count(
    mut params: vote::Params,
    voters: &[(Value<'_>, String)],
    all: &[Rule],
    names: &Names,
) -> Option<(vote::Params, Vec<Voter>)> {
    let mut found = Vec::new();
    for (at, text) in voters {
        for voter in voter(*at, text, all, names)? {
            if found.contains(&voter) {
                let seat = format!("{}@{}", voter.rule, voter.point);
                at.complain(
                    format!("`{}` has a vote already", shorten(&seat)),
                    "name each voter once: one detector is one vote",
                );
                return None;
            }
            found.push(voter);
        }
    }
    let (first, _) = voters.first()?;
    if found.len() > vote::VOTERS {
        first.complain(format!("{} voters are too many", found.len()), format!("at most {} vote", vote::VOTERS));
        return None;
    }
    if usize::from(params.need) > found.len() {
        first.complain(
            format!("`need` is {}, but only {} vote: it could never be reached", params.need, found.len()),
            "lower `need`, or name more voters",
        );
        return None;
    }
    params.of = found.len() as u8;
    let names: Vec<String> = found.iter().map(|voter| format!("{}@{}", voter.rule, voter.point)).collect();
    params.voters = fingerprint(names.iter().map(String::as_str));
    Some((params, found))
}

/// A number that stands for these names, in this order.
pub(super) fn fingerprint<'n>(names: impl Iterator<Item = &'n str>) -> u64 {
    let names: Vec<&str> = names.collect();
    Sha256::digest(names.join("\n")).iter().take(8).fold(0, |hash, byte| (hash << 8) | u64::from(*byte))
}

/// `rule@device/point`, or `rule` for all points that the rule names.
fn voter(at: Value<'_>, text: &str, all: &[Rule], names: &Names) -> Option<Vec<Voter>> {
    let (id, point) = text.split_once('@').map_or((text, None), |(id, point)| (id, Some(point)));
    let rule = find(at, id, all)?;
    if matches!(rule.detector, Params::Vote(_)) {
        at.complain(format!("`{id}` is a vote itself"), "name the rules that vote there");
        return None;
    }
    let voter = |point: &str| Voter { rule: id.to_owned(), point: point.to_owned() };
    match point {
        Some(point) if point.contains('*') || !rule.matches(point) => {
            let what = format!("`{}` is not on the point `{}`", shorten(id), shorten(point));
            at.complain(what, "name a device/point that the rule is on, without *");
            None
        }
        Some(point) => {
            // A rule on a pattern is on any name that fits: only here is a slip in it seen.
            if !rule.points.iter().any(|named| named == point) {
                known(at, point, names);
            }
            Some(vec![voter(point)])
        }
        None if rule.points.iter().any(|point| point.contains('*')) => {
            let what = format!("`{id}` is on a pattern: nobody knows how many would vote");
            at.complain(what, format!("name each voter: \"{id}@device/point\""));
            None
        }
        None => Some(rule.points.iter().map(|point| voter(point)).collect()),
    }
}

/// A vote is one alarm, shown on one point.
fn one_point(rule: &Rule, voters: &[(Value<'_>, String)]) -> bool {
    let one = matches!(rule.points.as_slice(), [point] if !point.contains('*'));
    if let (false, Some((at, _))) = (one, voters.first()) {
        at.complain(
            format!("the vote `{}` is on more than one point", rule.id),
            "write point = \"device/point\": where its alarm is shown",
        );
    }
    one
}

/// The rule that tells that the vote is not what it was meant to be.
fn health(rule: &Rule, params: vote::Params) -> Rule {
    let watch = vote::Params { watch: vote::Watch::Health { after_ms: DEGRADED_AFTER.as_millis() as u64 }, ..params };
    let level = LevelMeta { priority: Priority::Medium, latch: false, shelvable: true };
    let id = format!("{}{DEGRADED}", rule.id);
    let advice = "表决缺少有效成员：检查故障探测器、供电与线路。 / The vote lacks voters: see to the faulty detectors.";
    Rule {
        basis: rule.basis.clone(),
        advice: Some(advice.to_owned()),
        voters: rule.voters.clone(),
        shadow: rule.shadow,
        ..Rule::new(id, rule.points.clone(), Params::Vote(watch), vec![level])
    }
}
