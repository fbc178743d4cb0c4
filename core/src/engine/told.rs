//! What is told of a step: the transition, and why.

use super::tables::detector;
use super::{Engine, Rule};
use crate::alarm::state::{Open, Step};
use crate::alarm::{Explanation, Transition};
use crate::detect::{Kind, Params, Standing};
use crate::quality::{Quality, Reason};
use crate::time::Now;

impl Engine<'_> {
    pub(super) fn transition(
        &self,
        index: u32,
        rule: &Rule,
        step: &Step,
        standing: Option<Standing>,
        now: Now,
    ) -> Transition {
        let Open { standing: stands, life, veils } = step.open;
        Transition {
            binding: index,
            id: stands.id,
            number: stands.number,
            event: step.event,
            state: step.state().name(),
            life: life.name(),
            veils,
            test: stands.test,
            first: stands.first,
            level: stands.level,
            priority: rule.level(stands.level).priority,
            onset: stands.onset,
            occurred: self.occurred(index, rule, now).0,
            detected: now,
            explanation: self.explanation(index, rule, stands.level, standing, now),
        }
    }

    /// Time and quality of the reading that decided, the youngest where a rule looks at several points; a vote is decided when
    /// it is counted.
    fn occurred(&self, index: u32, rule: &Rule, now: Now) -> (crate::time::Wall, Quality) {
        let b = self.tables.bindings.get(index as usize);
        let point = b.and_then(|b| self.tables.points.get(b.point.0 as usize));
        let beside = b.and_then(|b| self.beside_at(b));
        match (&rule.params, point.map(|point| point.last)) {
            (Params::Vote(_), _) => (now.wall, Quality::Good),
            (_, Some(last)) => (beside.map_or(last.at, |at| at.max(last.at)), last.quality),
            (_, None) => (now.wall, Quality::Bad(Reason::Comm)),
        }
    }

    fn explanation(&self, index: u32, rule: &Rule, level: u8, standing: Option<Standing>, now: Now) -> Explanation {
        let b = self.tables.bindings.get(index as usize);
        let point = b.and_then(|b| self.tables.points.get(b.point.0 as usize));
        let slot = b.map_or(usize::MAX, |b| b.slot as usize);
        let params = &rule.params;
        let shown = detector!(get, self.tables, params, slot, |p, s| Kind::shown(s, p, now.mono)).flatten();
        let value = match params {
            Params::Absent(_) if standing.is_some() => None,
            Params::Vote(_) => shown,
            Params::Absent(_)
            | Params::Limit(_)
            | Params::Digital(_)
            | Params::Trend(_)
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
            | Params::Group(_) => shown.or(point.and_then(|point| point.value)),
        };
        let tally = if let Params::Vote(params) = params {
            self.tables.votes.get(slot).map(|state| state.tally(params, now.mono))
        } else {
            None
        };
        let (occurred, quality) = self.occurred(index, rule, now);
        Explanation {
            value,
            quality,
            limit: standing.map_or_else(|| rule.params.limit(level), |s| s.limit),
            since: standing.map_or(occurred, |s| s.onset),
            time_to_limit: standing.and_then(|s| s.time_to_limit),
            usual: detector!(get, self.tables, params, slot, |p, s| Kind::usual(s, p, now)).flatten(),
            chief: self.chief(index, params),
            accepted: detector!(get, self.tables, params, slot, |p, s| Kind::accepted(s, p)).unwrap_or(false),
            tally,
        }
    }
}
