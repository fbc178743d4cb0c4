//! Two sets of rules over the same past: which alarms came with the one and not with the other, which came earlier or later, which
//! were more or less urgent. Alarms are the same where rule and point are and they stood at the same time, or nearly.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::data::Listed;
use super::tally::{Episode, Tally};

/// Two that began so close to each other are the same, though the one was over before the other began, ms.
const NEAR_MS: i64 = 10 * 60_000;

/// An alarm that came with one of the two alone. Times are UTC ms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Only {
    pub(super) rule: String,
    pub(super) point: String,
    pub(super) priority: &'static str,
    pub(super) raised: i64,
    pub(super) ended: Option<i64>,
    pub(super) shadow: bool,
}

/// An alarm of both that is not the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Moved {
    pub(super) rule: String,
    pub(super) point: String,
    pub(super) old: i64,
    pub(super) new: i64,
    /// Above 0: later with the new rules.
    pub(super) by_ms: i64,
    pub(super) old_priority: &'static str,
    pub(super) new_priority: &'static str,
}

/// What is different.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub(super) struct Difference {
    /// Alarms that came with both at the same time and were as urgent.
    pub(super) same: u64,
    pub(super) only_old: Listed<Only>,
    pub(super) only_new: Listed<Only>,
    pub(super) earlier: Listed<Moved>,
    pub(super) later: Listed<Moved>,
    pub(super) priority: Listed<Moved>,
    /// Rules that only one of the two has.
    pub(super) rules_gone: Vec<String>,
    pub(super) rules_added: Vec<String>,
}

type Key<'a> = (&'a str, &'a str);

/// Holds the new against the old.
pub(super) fn compare(old: &Tally, new: &Tally) -> Difference {
    let (was, is) = (by_name(old), by_name(new));
    let mut difference = Difference::default();
    let (mut only_old, mut only_new, mut moved) = (Vec::new(), Vec::new(), Vec::new());
    let keys: BTreeSet<Key<'_>> = was.keys().chain(is.keys()).copied().collect();
    for key in keys {
        let of = |all: &BTreeMap<Key<'_>, Vec<Episode>>| all.get(&key).cloned().unwrap_or_default();
        for pair in pairs(&of(&was), &of(&is)) {
            match pair {
                (Some(a), Some(b)) if a.raised == b.raised && a.priority == b.priority => difference.same += 1,
                (Some(a), Some(b)) => moved.push(differ(key, &a, &b)),
                (Some(a), None) => only_old.push(only(old, key, &a)),
                (None, Some(b)) => only_new.push(only(new, key, &b)),
                (None, None) => {}
            }
        }
    }
    only_old.sort_by_key(|only| only.raised);
    only_new.sort_by_key(|only| only.raised);
    moved.sort_by_key(|moved| moved.old);
    let rules = |tally: &Tally| tally.watches.iter().map(|watch| watch.rule.clone()).collect::<BTreeSet<String>>();
    let (rules_old, rules_new) = (rules(old), rules(new));
    difference.rules_gone = rules_old.difference(&rules_new).cloned().collect();
    difference.rules_added = rules_new.difference(&rules_old).cloned().collect();
    difference.only_old = only_old.into_iter().collect();
    difference.only_new = only_new.into_iter().collect();
    difference.earlier = moved.iter().filter(|moved| moved.by_ms < 0).cloned().collect();
    difference.later = moved.iter().filter(|moved| moved.by_ms > 0).cloned().collect();
    difference.priority = moved.into_iter().filter(|moved| moved.old_priority != moved.new_priority).collect();
    difference
}

fn by_name(tally: &Tally) -> BTreeMap<Key<'_>, Vec<Episode>> {
    let mut all: BTreeMap<Key<'_>, Vec<Episode>> = BTreeMap::new();
    for episode in &tally.episodes {
        if let Some(watch) = tally.watches.get(episode.watch as usize) {
            all.entry((&watch.rule, &watch.point)).or_default().push(*episode);
        }
    }
    all
}

/// Goes along both in order of time.
fn pairs(old: &[Episode], new: &[Episode]) -> Vec<(Option<Episode>, Option<Episode>)> {
    let (mut out, mut was, mut is) = (Vec::new(), old.iter().peekable(), new.iter().peekable());
    loop {
        out.push(match (was.peek(), is.peek()) {
            (None, None) => return out,
            (Some(a), Some(b)) if same(a, b) => (was.next().copied(), is.next().copied()),
            (Some(a), Some(b)) if a.raised > b.raised => (None, is.next().copied()),
            (Some(_), _) => (was.next().copied(), None),
            (None, Some(_)) => (None, is.next().copied()),
        });
    }
}

fn same(a: &Episode, b: &Episode) -> bool {
    let end = |episode: &Episode| episode.ended.unwrap_or(i64::MAX);
    a.raised.abs_diff(b.raised) <= NEAR_MS as u64 || (a.raised <= end(b) && b.raised <= end(a))
}

fn only(tally: &Tally, (rule, point): Key<'_>, episode: &Episode) -> Only {
    Only {
        rule: rule.to_owned(),
        point: point.to_owned(),
        priority: episode.priority.word(),
        raised: episode.raised,
        ended: episode.ended,
        shadow: tally.watches.get(episode.watch as usize).is_some_and(|watch| watch.shadow),
    }
}

fn differ((rule, point): Key<'_>, old: &Episode, new: &Episode) -> Moved {
    Moved {
        rule: rule.to_owned(),
        point: point.to_owned(),
        old: old.raised,
        new: new.raised,
        by_ms: new.raised - old.raised,
        old_priority: old.priority.word(),
        new_priority: new.priority.word(),
    }
}

#[cfg(test)]
mod tests {
    use gengfu_core::alarm::Priority;

    use super::*;

    fn episode(raised: i64, ended: Option<i64>) -> Episode {
        Episode { watch: 0, raised: raised * 60_000, ended: ended.map(|at| at * 60_000), priority: Priority::High }
    }

    #[test]
    fn alarms_that_stood_at_the_same_time_are_the_same() {
        let old = [episode(0, Some(5)), episode(60, Some(90)), episode(200, None)];
        let new = [episode(8, Some(9)), episode(75, Some(80)), episode(120, Some(125)), episode(190, None)];
        let found: Vec<_> = pairs(&old, &new)
            .into_iter()
            .map(|(a, b)| (a.map(|a| a.raised / 60_000), b.map(|b| b.raised / 60_000)))
            .collect();
        let expected = [(Some(0), Some(8)), (Some(60), Some(75)), (None, Some(120)), (Some(200), Some(190))];
        assert_eq!(found, expected);
        assert!(pairs(&[], &[]).is_empty());
    }
}
