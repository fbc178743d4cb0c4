//! What core's engine is lent: one vector a kind, built from the checked configuration and only ever appended to.

use gengfu_core::detect::{Params, absent, digital, limit, trend};
use gengfu_core::engine::{Binding, Engine, Level, Point, Pulse, Rule, Tables};
use gengfu_core::reading::{PointId, RuleId};
use gengfu_core::time::Now;

use crate::config::checked;
use crate::config::checked::PointSpec;

/// The rule every life-safety point has without being asked: no usable value for too long.
pub const NO_DATA_RULE: &str = "gengfu/no-data";

/// The vectors, and the names of rules beside them.
#[derive(Debug, Default)]
pub(super) struct Storage {
    rules: Vec<Rule>,
    /// Index into the site's rules; `None` for a no-data rule.
    origins: Vec<Option<usize>>,
    points: Vec<Point>,
    bindings: Vec<Binding>,
    limits: Vec<limit::State>,
    digitals: Vec<digital::State>,
    trends: Vec<trend::State>,
    absents: Vec<absent::State>,
    heap: Vec<u32>,
    pulse: Pulse,
    /// Points that the configuration has.
    configured: Vec<bool>,
}

impl Storage {
    pub(super) fn new(rules: &[checked::Rule]) -> Self {
        let mut storage = Self::default();
        for (index, rule) in rules.iter().enumerate() {
            let level = |n: usize| rule.levels.get(n).or(rule.levels.first());
            let of = |l: Option<&checked::LevelMeta>| {
                let fallback = Level { priority: gengfu_core::alarm::Priority::Medium, latch: false };
                l.map_or(fallback, |l| Level { priority: l.priority, latch: l.latch })
            };
            storage.rules.push(Rule { params: rule.detector, levels: [of(level(0)), of(level(1))] });
            storage.origins.push(Some(index));
        }
        storage
    }

    /// A view for the engine; costs nothing.
    pub(super) fn engine(&mut self) -> Engine<'_> {
        Engine::new(Tables {
            rules: &self.rules,
            points: &mut self.points,
            bindings: &mut self.bindings,
            limits: &mut self.limits,
            digitals: &mut self.digitals,
            trends: &mut self.trends,
            absents: &mut self.absents,
            heap: &mut self.heap,
            pulse: &mut self.pulse,
        })
    }

    /// Makes a point watched by the rules that match it. Returns its new bindings; none if it was there already.
    pub(super) fn watch(
        &mut self,
        id: PointId,
        name: &str,
        spec: &PointSpec,
        site: &checked::Site,
        now: Now,
    ) -> std::ops::Range<u32> {
        let index = id.0 as usize;
        for hole in self.points.len()..=index {
            self.points.push(Point::new(PointId(hole as u32), 0, 0));
            self.configured.push(false);
        }
        if self.configured.get(index).copied().unwrap_or(true) {
            return 0..0;
        }
        let first = self.bindings.len() as u32;
        for (rule, config) in site.rules.iter().enumerate() {
            if config.matches(name) {
                self.bind(RuleId(rule as u32), id, seed(&site.id, &config.id, name), now);
            }
        }
        if spec.life_safety {
            let rule = self.no_data_rule(spec);
            self.bind(rule, id, seed(&site.id, NO_DATA_RULE, name), now);
        }
        let end = self.bindings.len() as u32;
        if let (Some(slot), Some(known)) = (self.points.get_mut(index), self.configured.get_mut(index)) {
            *slot = Point::new(id, first, end - first);
            *known = true;
        }
        first..end
    }

    /// The longest memory of any detector, ms: how much of the journal a warm start must show.
    pub(super) fn memory_ms(&self) -> u64 {
        self.rules.iter().map(|rule| rule.params.memory_ms()).max().unwrap_or(0)
    }

    pub(super) fn binding(&self, index: u32) -> Option<&Binding> {
        self.bindings.get(index as usize)
    }

    /// The site's rule behind a binding, `None` for a no-data rule.
    pub(super) fn origin(&self, rule: RuleId) -> Option<usize> {
        self.origins.get(rule.0 as usize).copied().flatten()
    }

    pub(super) fn params(&self, rule: RuleId) -> Option<&Params> {
        self.rules.get(rule.0 as usize).map(|r| &r.params)
    }

    /// Points that the configuration has.
    pub(super) fn watched(&self) -> impl Iterator<Item = &Point> {
        self.points.iter().zip(&self.configured).filter(|(_, known)| **known).map(|(point, _)| point)
    }

    fn bind(&mut self, rule: RuleId, point: PointId, seed: u64, now: Now) {
        let Some(params) = self.params(rule).copied() else { return };
        let slot = match params {
            Params::Limit(_) => push(&mut self.limits, limit::State::default()),
            Params::Digital(_) => push(&mut self.digitals, digital::State::default()),
            Params::Trend(_) => push(&mut self.trends, trend::State::default()),
            Params::Absent(_) => push(&mut self.absents, absent::State::listening(now)),
        };
        self.bindings.push(Binding::new(rule, point, seed, slot));
        self.heap.push(0);
    }

    fn no_data_rule(&mut self, spec: &PointSpec) -> RuleId {
        let params = Params::Absent(absent::Params {
            bad_ms: spec.bad_after.as_millis() as u64,
            silent_ms: spec.stale_after.map(|d| d.as_millis() as u64),
        });
        let level = Level { priority: gengfu_core::alarm::Priority::High, latch: false };
        let known = self.rules.iter().zip(&self.origins).position(|(r, o)| o.is_none() && r.params == params);
        RuleId(known.unwrap_or_else(|| {
            self.rules.push(Rule { params, levels: [level, level] });
            self.origins.push(None);
            self.rules.len() - 1
        }) as u32)
    }
}

fn push<S>(states: &mut Vec<S>, state: S) -> u32 {
    states.push(state);
    states.len() as u32 - 1
}

/// Half of an alarm's identity: the same in every run and every build (SHA-256, not the hasher of the day).
fn seed(site: &str, rule: &str, point: &str) -> u64 {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(format!("{site}\n{rule}\n{point}"));
    digest.iter().take(8).fold(0, |seed, byte| (seed << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_is_named_the_same_in_every_build() {
        assert_eq!(seed("binjiang-mall-07", "hydrant-low", "hydrant-main/pressure"), 0x35e5_4cb0_a277_b667);
        assert_ne!(seed("a", "b", "c/d"), seed("a", "bc", "/d"));
    }
}
