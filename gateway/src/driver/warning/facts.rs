//! From the last step of an alarm to a fact: does it count for the warning level, and does it say that a life-safety point
//! is not watched?

use std::collections::BTreeMap;

use gengfu_core::alarm::StateName;
use gengfu_core::detect::{Params, vote};
use gengfu_core::reading::PointId;
use gengfu_core::time::Mono;
use gengfu_core::warning::{Alarm, Groups, Impairment, Lack, Seen};

use super::super::storage::{NO_DATA_RULE, Storage};
use crate::config::checked::{Rule, Site};
use crate::flow::AlarmEvent;
use crate::source::own;

/// What one alarm says of the site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fact {
    alarm: Option<Alarm>,
    lack: Option<(PointId, Lack)>,
}

/// `None` where it says nothing; `rung` is when an alarm that nobody has seen rang, unless it did before.
pub(super) fn fact(
    event: &AlarmEvent,
    binding: u32,
    storage: &Storage,
    site: &Site,
    before: Option<&Fact>,
    rung: Mono,
) -> Option<Fact> {
    // A test says nothing of the site, nor does a rule on trial, and the gateway's own troubles are no danger to it.
    if event.test.is_some() || event.shadow || event.device == own::DEVICE {
        return None;
    }
    let of = storage.binding(binding)?;
    let rule = storage.origin(of.rule).and_then(|index| site.rules.get(index));
    let lack = storage.is_life_safety(of.point).then(|| lack(event)).flatten().map(|lack| (of.point, lack));
    // That a point is lost is a risk; it is no danger that somebody can be warned of.
    let alarm = rule.and_then(|rule| Some((rule, seen(event, before, rung)?, event.urgency()?)));
    let alarm = alarm.map(|(rule, seen, priority)| Alarm {
        binding,
        priority,
        groups: groups(rule, site),
        seen,
        confirmed: confirms(rule, event, before),
    });
    (alarm.is_some() || lack.is_some()).then_some(Fact { alarm, lack })
}

/// What is annunciated and stands, also by its latch alone, and whether somebody has seen it.
fn seen(event: &AlarmEvent, before: Option<&Fact>, rung: Mono) -> Option<Seen> {
    match event.state_name()? {
        StateName::Unacknowledged | StateName::Latched => {
            let unseen = before.and_then(|fact| fact.alarm.as_ref()).map(|alarm| alarm.seen);
            Some(match unseen {
                Some(Seen::No { since }) => Seen::No { since },
                Some(Seen::Yes) | None => Seen::No { since: rung },
            })
        }
        StateName::Acknowledged | StateName::LatchedAcknowledged => Some(Seen::Yes),
        StateName::Normal
        | StateName::Returned
        | StateName::Shelved
        | StateName::Suppressed
        | StateName::OutOfService => None,
    }
}

fn lack(event: &AlarmEvent) -> Option<Lack> {
    let stands = [StateName::Unacknowledged, StateName::Acknowledged].iter().any(|life| life.word() == event.life());
    if event.rule == NO_DATA_RULE && stands {
        return Some(if event.reason.as_deref() == Some("device-fault") { Lack::Fault } else { Lack::Lost });
    }
    if event.out_of_service.is_some() {
        return Some(Lack::OutOfService);
    }
    event.suppressed.then_some(Lack::Suppressed)
}

/// The bits of the groups that a rule is in.
fn groups(rule: &Rule, site: &Site) -> Groups {
    let bits = site.warning.groups.iter().zip(0_u32..).filter(|(group, _)| group.holds(&rule.id));
    Groups(bits.fold(0, |all, (_, bit)| all | 1 << bit))
}

/// Detectors that must agree.
const AGREE: f64 = 2.0;

/// A vote says that another detector agrees where two or more really voted, be it now or when it was raised: not one that is left
/// of several, and none that only has lost its voters. What was confirmed stays so while it stands.
fn confirms(rule: &Rule, event: &AlarmEvent, before: Option<&Fact>) -> bool {
    match &rule.detector {
        Params::Vote(vote) if vote.watch == vote::Watch::Danger => {
            let raised = event.raised.as_ref().and_then(|raised| raised.value);
            let known = before.and_then(|fact| fact.alarm.as_ref()).is_some_and(|alarm| alarm.confirmed);
            known || [event.value, raised].into_iter().flatten().any(|votes| votes >= AGREE)
        }
        Params::Vote(_)
        | Params::Limit(_)
        | Params::Digital(_)
        | Params::Trend(_)
        | Params::Absent(_)
        | Params::Band(_)
        | Params::Rate(_)
        | Params::Frozen(_)
        | Params::Count(_)
        | Params::Dwell(_)
        | Params::Accumulated(_)
        | Params::Rhythm(_)
        | Params::Drift(_)
        | Params::Habit(_)
        | Params::Sibling(_)
        | Params::Residual(_)
        | Params::Ratio(_)
        | Params::Group(_) => false,
    }
}

/// As core wants them: alarms by their bindings, and one impairment a point, the gravest.
pub(super) fn lent(facts: &BTreeMap<u32, Fact>) -> (Vec<Alarm>, Vec<Impairment>) {
    let mut points: BTreeMap<PointId, Impairment> = BTreeMap::new();
    for (binding, fact) in facts {
        let Some((point, lack)) = fact.lack else { continue };
        let impairment = Impairment { binding: *binding, lack };
        let known = points.entry(point).or_insert(impairment);
        if rank(known.lack) < rank(lack) {
            *known = impairment;
        }
    }
    (facts.values().filter_map(|fact| fact.alarm).collect(), points.into_values().collect())
}

const fn rank(lack: Lack) -> u8 {
    match lack {
        Lack::Suppressed => 0,
        Lack::OutOfService => 1,
        Lack::Fault => 2,
        Lack::Lost => 3,
    }
}

/// `rule@device/point`
pub(super) fn name(event: &AlarmEvent) -> String {
    format!("{}@{}/{}", event.rule, event.device, event.point)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(degraded: vote::Degraded) -> Rule {
        let watch = vote::Watch::Danger;
        let params = vote::Params { need: 2, of: 3, within_ms: 0, degraded, watch, unheard_ms: 60_000, voters: 0 };
        Rule::new("fire".to_owned(), vec!["hall/smoke".to_owned()], Params::Vote(params), Vec::new())
    }

    fn step(votes: f64, raised: Option<f64>) -> AlarmEvent {
        let raised = raised.map(|votes| serde_json::json!({ "value": votes, "quality": "good", "at": 0 }));
        let event = serde_json::json!({
            "id": "1", "number": 1, "event": "raise", "state": "", "site": "", "device": "", "point": "", "kind": "",
            "rule": "", "priority": "", "level": 0, "value": votes, "quality": "good", "early_warning": false,
            "message": { "zh": "", "en": "" }, "onset": 0, "since": 0, "occurred": 0, "detected": 0, "raised": raised,
        });
        serde_json::from_value(event).expect("an event of the alarm lane")
    }

    /// Two dead detectors trip a vote, and one that is left of three makes one by itself: neither is another's word.
    #[test]
    fn only_two_that_really_vote_confirm() {
        for degraded in [vote::Degraded::Hold, vote::Degraded::Fewer, vote::Degraded::Trip] {
            let said = [(0.0, None), (1.0, None), (2.0, None), (0.0, Some(1.0)), (0.0, Some(3.0))];
            let found = said.map(|(votes, raised)| confirms(&rule(degraded), &step(votes, raised), None));
            assert_eq!(found, [false, false, true, false, true], "{degraded:?}");
        }
    }
}
