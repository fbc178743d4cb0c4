//! What core's engine is lent: one vector a kind, built from the checked configuration and only ever appended to.

use std::collections::HashSet;

use gengfu_core::detect::{
    Params, State, absent, accumulated, band, count, digital, drift, dwell, frozen, group, habit, limit, rate, ratio,
    residual, rhythm, sibling, trend, vote,
};
use gengfu_core::engine::{
    Area, Binding, Engine, Group, Lead, Level, Others, Point, Policy, Pulse, Rule, Tables, Unknown, Wire,
};
use gengfu_core::reading::{PointId, RuleId};
use gengfu_core::time::Now;

use super::bonds::{Bonds, Place};
use super::leads::{Leads, Seat};
use crate::catalog::PointMeta;
use crate::config::checked;
use crate::config::checked::{DEFAULT_STALE, PointSpec};
use crate::flow::Text;
use crate::source::own;

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
    votes: Vec<vote::State>,
    others: Rare,
    wires: Vec<Wire>,
    leads: Vec<Lead>,
    groups: Vec<Group>,
    areas: Vec<Area>,
    policy: Policy,
    heap: Vec<u32>,
    pulse: Pulse,
    /// Points that the configuration has.
    configured: Vec<Option<Watched>>,
    bonds: Bonds,
    beside: Leads,
}

/// States of the kinds that few points have.
#[derive(Debug, Default)]
struct Rare {
    bands: Vec<band::State>,
    rates: Vec<rate::State>,
    frozens: Vec<frozen::State>,
    counts: Vec<count::State>,
    dwells: Vec<dwell::State>,
    sums: Vec<accumulated::State>,
    rhythms: Vec<rhythm::State>,
    drifts: Vec<drift::State>,
    habits: Vec<habit::State>,
    siblings: Vec<sibling::State>,
    residuals: Vec<residual::State>,
    ratios: Vec<ratio::State>,
    groups: Vec<group::State>,
}

/// What the configuration says of a point that decides which rules it has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Watched {
    /// How long it may be without a value.
    no_data: absent::Params,
    life_safety: bool,
}

impl Watched {
    pub(super) fn of(spec: &PointSpec) -> Self {
        let no_data = absent::Params {
            bad_ms: spec.bad_after.as_millis() as u64,
            silent_ms: spec.stale_after.map(|d| d.as_millis() as u64),
        };
        Self { no_data, life_safety: spec.life_safety }
    }
}

impl Storage {
    pub(super) fn new(site: &checked::Site) -> Self {
        let ms = |d: std::time::Duration| d.as_millis() as u64;
        let checked::Policy { max_shelf, max_out_of_service, max_mode } = site.policy;
        let mut storage = Self {
            bonds: Bonds::new(&site.rules),
            beside: Leads::new(&site.rules),
            areas: vec![Area::default()],
            policy: Policy {
                max_shelf_ms: ms(max_shelf),
                max_out_ms: ms(max_out_of_service),
                max_mode_ms: ms(max_mode),
            },
            ..Self::default()
        };
        for (index, rule) in site.rules.iter().enumerate() {
            let of = |n: usize| rule.levels.get(n).or(rule.levels.first()).copied().map_or(FALLBACK, level);
            let unknown = match rule.unknown {
                checked::Unknown::Hold | checked::Unknown::Alarm => Unknown::Hold,
                checked::Unknown::Danger => Unknown::Danger,
            };
            storage.rules.push(Rule {
                unknown,
                re_alarm_ms: rule.re_alarm.map(ms),
                ..Rule::new(rule.detector, [of(0), of(1)])
            });
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
            votes: &mut self.votes,
            others: Others {
                bands: &mut self.others.bands,
                rates: &mut self.others.rates,
                frozens: &mut self.others.frozens,
                counts: &mut self.others.counts,
                dwells: &mut self.others.dwells,
                sums: &mut self.others.sums,
                rhythms: &mut self.others.rhythms,
                drifts: &mut self.others.drifts,
                habits: &mut self.others.habits,
                siblings: &mut self.others.siblings,
                residuals: &mut self.others.residuals,
                ratios: &mut self.others.ratios,
                groups: &mut self.others.groups,
            },
            wires: &self.wires,
            leads: &self.leads,
            groups: &mut self.groups,
            areas: &mut self.areas,
            policy: self.policy,
            heap: &mut self.heap,
            pulse: &mut self.pulse,
        })
    }

    /// Makes a point watched by the rules that match it. Returns its new bindings; none if it was there already.
    pub(super) fn watch(
        &mut self,
        id: PointId,
        meta: &PointMeta,
        watched: Watched,
        site: &checked::Site,
        now: Now,
    ) -> std::ops::Range<u32> {
        let index = id.0 as usize;
        for hole in self.points.len()..=index {
            self.points.push(Point::new(PointId(hole as u32), 0, 0));
            self.configured.push(None);
        }
        if self.configured.get(index).is_none_or(Option::is_some) {
            return 0..0;
        }
        let first = self.bindings.len() as u32;
        // The gateway stands in an area of its own: a test of the points that are in none must not silence a sick disk.
        let area = if meta.device == own::DEVICE { Some(own::DEVICE) } else { meta.area.as_deref() };
        let name = &meta.name();
        let place = Place { point: id, name, area };
        let mut no_data = watched.life_safety;
        for (rule, config) in site.rules.iter().enumerate() {
            if config.matches(name) {
                let seed = seed(&site.id, &config.id, name);
                let seed = if config.shadow { of_other_lane(seed) } else { seed };
                self.bind(RuleId(rule as u32), place, seed, now);
            }
            if config.unknown == checked::Unknown::Alarm && !config.shadow {
                no_data |= config.matches(name) || config.looks_at(name);
            }
        }
        if no_data {
            // Silence is a lack too, also of a point that nobody polls.
            let silent_ms = watched.no_data.silent_ms.or(Some(DEFAULT_STALE.as_millis() as u64));
            let rule = self.no_data_rule(absent::Params { silent_ms, ..watched.no_data });
            self.bind(rule, place, seed(&site.id, NO_DATA_RULE, name), now);
        }
        let end = self.bindings.len() as u32;
        let (area, fresh) = self.bonds.area(area);
        if fresh {
            self.areas.push(Area::default());
        }
        if let (Some(slot), Some(known)) = (self.points.get_mut(index), self.configured.get_mut(index)) {
            *slot = Point::new(id, first, end - first).in_area(area);
            *known = Some(watched);
        }
        self.lead(id, name, first..end, site);
        first..end
    }

    /// The point comes to the rules on others that wait for it, and those that are there to the rules on it.
    fn lead(&mut self, id: PointId, name: &str, fresh: std::ops::Range<u32>, site: &checked::Site) {
        for seat in self.beside.came(id, name) {
            self.lay(id, seat);
        }
        for binding in fresh {
            let rule = self.binding(binding).and_then(|b| self.origin(b.rule)).and_then(|index| site.rules.get(index));
            for (point, seat) in rule.map_or(Vec::new(), |rule| self.beside.bound(binding, name, &rule.beside)) {
                self.lay(point, seat);
            }
        }
    }

    fn lay(&mut self, point: PointId, Seat { binding, channel }: Seat) {
        let len = self.leads.len();
        self.leads.extend(Lead::lay(&mut self.points, &mut self.bindings, len, point, binding, channel));
    }

    /// The point that is a channel of a binding's rule: 0 its own, then those it looks at beside that.
    pub(super) fn channel(&self, binding: u32, channel: u8) -> Option<PointId> {
        Lead::find(&self.leads, self.binding(binding)?, channel)
    }

    /// How long people may keep alarms from being announced.
    pub(super) const fn policy(&self) -> Policy {
        self.policy
    }

    /// The areas, by their index; the first is where nothing is said.
    pub(super) fn areas(&self) -> impl Iterator<Item = (u16, &str, Area)> {
        self.bonds.areas().zip(&self.areas).map(|((index, name), area)| (index, name, *area))
    }

    /// The areas that a person can test or work in: not where the gateway itself stands.
    pub(super) fn places(&self) -> impl Iterator<Item = (u16, &str)> {
        self.bonds.areas().filter(|(_, name)| *name != own::DEVICE)
    }

    /// The index of such an area.
    pub(super) fn place_named(&self, name: &str) -> Option<u16> {
        self.places().find(|(_, known)| *known == name).map(|(index, _)| index)
    }

    /// The areas that a person may mean by a name: the one of that name, else those that are called so in one language.
    pub(super) fn places_called(&self, name: &str) -> Vec<(u16, &str)> {
        let exact: Vec<_> = self.places().filter(|(_, known)| *known == name).collect();
        if !exact.is_empty() {
            return exact;
        }
        let called = |known: &str| {
            let Text { zh, en } = Text::of(known);
            zh == name || en == name
        };
        self.places().filter(|(_, known)| called(known)).collect()
    }

    /// Points of an area that have a rule.
    pub(super) fn in_area(&self, area: u16) -> impl Iterator<Item = &Point> {
        self.watched().filter(move |point| point.area() == area && !point.bindings().is_empty())
    }

    /// Marks points as tripped; after a restart.
    pub(super) fn trip(&mut self, point: PointId) {
        if let Some(point) = self.points.get_mut(point.0 as usize) {
            point.tripped = true;
        }
    }

    /// The binding of a rule, by the site's index, on a point.
    pub(super) fn binding_on(&self, rule: usize, point: PointId) -> Option<u32> {
        let of = |index: &u32| self.binding(*index).is_some_and(|b| b.rule == RuleId(rule as u32));
        self.point(point)?.bindings().find(of)
    }

    /// The binding of the no-data rule on a point.
    pub(super) fn no_data_on(&self, point: PointId) -> Option<u32> {
        let of = |index: &u32| self.binding(*index).is_some_and(|b| self.origin(b.rule).is_none());
        self.point(point)?.bindings().find(of)
    }

    /// The longest memory of any detector, ms: how much of the journal a warm start must show.
    pub(super) fn memory_ms(&self) -> u64 {
        self.rules.iter().map(|rule| rule.params.memory_ms()).max().unwrap_or(0)
    }

    pub(super) fn binding(&self, index: u32) -> Option<&Binding> {
        self.bindings.get(index as usize)
    }

    /// Whether its detector's memory is made of samples.
    pub(super) fn samples(&self, binding: u32) -> bool {
        self.binding(binding).and_then(|b| self.params(b.rule)).is_some_and(Params::samples)
    }

    /// After how long an acknowledged alarm of it rings again.
    pub(super) fn re_alarm_ms(&self, binding: u32) -> Option<u64> {
        self.rules.get(self.binding(binding)?.rule.0 as usize)?.re_alarm_ms
    }

    /// The site's rule behind a binding, `None` for a no-data rule.
    pub(super) fn origin(&self, rule: RuleId) -> Option<usize> {
        self.origins.get(rule.0 as usize).copied().flatten()
    }

    /// The rule of a binding, by the name that the site gives it.
    pub(super) fn rule_name(&self, binding: u32, site: &checked::Site) -> String {
        let rule = self.binding(binding).and_then(|b| self.origin(b.rule));
        rule.and_then(|index| site.rules.get(index)).map_or(NO_DATA_RULE, |rule| &rule.id).to_owned()
    }

    /// Whether the rule of a binding is on trial.
    pub(super) fn is_shadow(&self, binding: u32) -> bool {
        self.binding(binding).and_then(|b| self.origin(b.rule)).is_some_and(|index| self.bonds.is_shadow(index))
    }

    pub(super) fn params(&self, rule: RuleId) -> Option<&Params> {
        self.rules.get(rule.0 as usize).map(|r| &r.params)
    }

    pub(super) fn point(&self, id: PointId) -> Option<&Point> {
        self.points.get(id.0 as usize)
    }

    pub(super) fn is_life_safety(&self, id: PointId) -> bool {
        self.configured.get(id.0 as usize).copied().flatten().is_some_and(|watched| watched.life_safety)
    }

    /// How many life-safety points there are.
    pub(super) fn life_safety(&self) -> u32 {
        self.configured.iter().flatten().filter(|watched| watched.life_safety).count() as u32
    }

    /// Points that the configuration has.
    pub(super) fn watched(&self) -> impl Iterator<Item = &Point> {
        self.points.iter().zip(&self.configured).filter(|(_, known)| known.is_some()).map(|(point, _)| point)
    }

    /// Those of them that are lost, by their absence rule.
    pub(super) fn lost(&mut self) -> HashSet<PointId> {
        let watched: Vec<PointId> = self.watched().map(|point| point.last.point).collect();
        let engine = self.engine();
        watched.into_iter().filter(|point| engine.is_lost(*point)).collect()
    }

    /// Points that the configuration has, in the order of their bindings.
    pub(super) fn in_order(&self) -> Vec<(PointId, Watched)> {
        let known = self.points.iter().zip(&self.configured).enumerate();
        let known =
            known.filter_map(|(id, (point, known))| Some((point.bindings().start, PointId(id as u32), (*known)?)));
        let mut known: Vec<_> = known.collect();
        known.sort_by_key(|(first, id, _)| (*first, *id));
        known.into_iter().map(|(_, id, watched)| (id, watched)).collect()
    }

    /// The detectors of all bindings, by what they are named after.
    pub(super) fn detectors(&self) -> Vec<(u64, Params)> {
        self.bindings.iter().filter_map(|b| Some((b.seed, *self.params(b.rule)?))).collect()
    }

    /// Bindings in all.
    pub(super) fn len(&self) -> u32 {
        self.bindings.len() as u32
    }

    /// The rule of a point that is named after `seed`.
    pub(super) fn named(&self, point: PointId, seed: u64) -> Option<u32> {
        self.point(point)?.bindings().find(|index| self.binding(*index).is_some_and(|b| b.seed == seed))
    }

    fn bind(&mut self, rule: RuleId, place: Place<'_>, seed: u64, now: Now) {
        let Some(params) = self.params(rule).copied() else { return };
        let others = &mut self.others;
        let slot = match params.fresh(now) {
            State::Limit(state) => push(&mut self.limits, state),
            State::Digital(state) => push(&mut self.digitals, state),
            State::Trend(state) => push(&mut self.trends, state),
            State::Absent(state) => push(&mut self.absents, state),
            State::Vote(state) => push(&mut self.votes, state),
            State::Band(state) => push(&mut others.bands, state),
            State::Rate(state) => push(&mut others.rates, state),
            State::Frozen(state) => push(&mut others.frozens, state),
            State::Count(state) => push(&mut others.counts, state),
            State::Dwell(state) => push(&mut others.dwells, state),
            State::Accumulated(state) => push(&mut others.sums, state),
            State::Rhythm(state) => push(&mut others.rhythms, state),
            State::Drift(state) => push(&mut others.drifts, state),
            State::Habit(state) => push(&mut others.habits, state),
            State::Sibling(state) => push(&mut others.siblings, state),
            State::Residual(state) => push(&mut others.residuals, state),
            State::Ratio(state) => push(&mut others.ratios, state),
            State::Group(state) => push(&mut others.groups, state),
        };
        let ties = self.bonds.ties(self.origin(rule), place);
        self.groups.resize(self.bonds.groups(), Group::default());
        let binding = Binding::new(rule, place.point, seed, slot).hiding(ties.hides).first_in(ties.first_of);
        let index = self.bindings.len() as u32;
        self.bindings.push(binding);
        self.heap.push(0);
        if let Some(group) = ties.hidden_by {
            Group::hide(&mut self.groups, &mut self.bindings, group);
        }
        for (from, to, voter) in self.bonds.wires(self.origin(rule), place, index) {
            let len = self.wires.len();
            self.wires.extend(Wire::lay(&mut self.bindings, len, from, to, voter));
        }
    }

    fn no_data_rule(&mut self, params: absent::Params) -> RuleId {
        let params = Params::Absent(params);
        let level = Level { priority: gengfu_core::alarm::Priority::High, latch: false, shelvable: true };
        let known = self.rules.iter().zip(&self.origins).position(|(r, o)| o.is_none() && r.params == params);
        RuleId(known.unwrap_or_else(|| {
            self.rules.push(Rule::new(params, [level, level]));
            self.origins.push(None);
            self.rules.len() - 1
        }) as u32)
    }
}

const FALLBACK: Level = Level { priority: gengfu_core::alarm::Priority::Medium, latch: false, shelvable: true };

fn level(meta: checked::LevelMeta) -> Level {
    Level { priority: meta.priority, latch: meta.latch, shelvable: meta.shelvable }
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

/// What the same rule on the same point is named after in shadow, or out of it again: the alarms of a trial are never taken
/// for those of the rule that went live.
pub(super) const fn of_other_lane(seed: u64) -> u64 {
    !seed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_is_named_the_same_in_every_build() {
        assert_eq!(seed("binjiang-mall-07", "hydrant-low", "hydrant-main/pressure"), 0x35e5_4cb0_a277_b667);
        assert_ne!(seed("a", "b", "c/d"), seed("a", "bc", "/d"));
    }

    /// The points of a group come in any order, and each of them is missed where one of them is to be.
    #[test]
    fn a_group_finds_its_points_whoever_comes_first() {
        let text = "site = { id = \"s\" }\n[[mqtt]]\nname = \"l\"\nconnect = \"mqtt://h\"\n[[mqtt.subscribe]]\ntopic = \"a\"\n\
                    device = \"d\"\n[[mqtt.subscribe.point]]\nname = \"p\"\nvalue = \"/p\"\n[[mqtt.subscribe.point]]\nname = \"q\"\n\
                    value = \"/q\"\n[[mqtt.subscribe.point]]\nname = \"r\"\nvalue = \"/r\"\n[[rule]]\nid = \"g\"\npoint = \"d/p\"\n\
                    group = { with = [\"q\", \"d/r\"] }\nunknown = \"alarm\"\n";
        let site = crate::config::parse(text, std::path::Path::new("/site/s.toml")).expect("a good site").site;
        let now = Now { mono: gengfu_core::time::Mono(1 << 40), ..Now::default() };
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
            let mut storage = Storage::new(&site);
            for index in order {
                let spec = &site.mqtt[0].subscriptions[0].points[index].spec;
                let meta = PointMeta {
                    device: "d".to_owned(),
                    point: spec.name.clone(),
                    kind: "device".to_owned(),
                    area: None,
                    unit: None,
                    life_safety: false,
                    source: None,
                };
                storage.watch(PointId(index as u32), &meta, Watched::of(spec), &site, now);
            }
            let group = storage.binding_on(0, PointId(0)).expect("it is bound");
            let channels = [0, 1, 2, 3].map(|channel| storage.channel(group, channel));
            assert_eq!(channels, [Some(PointId(0)), Some(PointId(1)), Some(PointId(2)), None], "{order:?}");
            for point in 0..3 {
                assert!(storage.no_data_on(PointId(point)).is_some(), "{order:?}: {point} may fall silent unseen");
            }
        }
    }

    #[test]
    fn an_area_is_meant_by_its_whole_name_or_by_one_that_is_no_others() {
        let text = "site = { id = \"s\" }\n[[mqtt]]\nname = \"l\"\nconnect = \"mqtt://h\"\n[[mqtt.subscribe]]\ntopic = \"a\"\n\
                    device = \"d\"\n[[mqtt.subscribe.point]]\nname = \"p\"\nvalue = \"/v\"\n";
        let site = crate::config::parse(text, std::path::Path::new("/site/s.toml")).expect("a good site").site;
        let spec = &site.mqtt[0].subscriptions[0].points[0].spec;
        let mut storage = Storage::new(&site);
        for (id, area) in ["一层 / floor 1", "二层 / floor 2", "东侧二层 / floor 2", "floor 1"].into_iter().enumerate()
        {
            let meta = PointMeta {
                device: format!("d{id}"),
                point: "p".to_owned(),
                kind: "device".to_owned(),
                area: Some(area.to_owned()),
                unit: None,
                life_safety: false,
                source: None,
            };
            storage.watch(PointId(id as u32), &meta, Watched::of(spec), &site, Now::default());
        }
        let called = |name: &str| storage.places_called(name).into_iter().map(|(_, name)| name).collect::<Vec<_>>();
        assert_eq!(called("一层"), ["一层 / floor 1"]);
        assert_eq!(called("floor 1"), ["floor 1"], "who is called so in full is meant");
        assert_eq!(called("floor 2"), ["二层 / floor 2", "东侧二层 / floor 2"]);
        assert_eq!((called("二层 / floor 2").len(), called("三层").len()), (1, 0));
    }

    /// A rule that makes an alarm of the lack of a value means silence too, on a point that nobody polls.
    #[test]
    fn what_is_to_be_an_alarm_when_lost_is_lost_by_silence() {
        let text = "site = { id = \"s\" }\n[[mqtt]]\nname = \"l\"\nconnect = \"mqtt://h\"\n[[mqtt.subscribe]]\ntopic = \"a\"\n\
                    device = \"d\"\n[[mqtt.subscribe.point]]\nname = \"p\"\nvalue = \"/v\"\n[[rule]]\nid = \"r\"\npoint = \"d/p\"\n\
                    high = { limit = 1 }\nunknown = \"alarm\"\n";
        let site = crate::config::parse(text, std::path::Path::new("/site/s.toml")).expect("a good site").site;
        let spec = &site.mqtt[0].subscriptions[0].points[0].spec;
        let meta = PointMeta {
            device: "d".to_owned(),
            point: "p".to_owned(),
            kind: "device".to_owned(),
            area: None,
            unit: None,
            life_safety: false,
            source: None,
        };
        let now = Now { mono: gengfu_core::time::Mono(1 << 40), ..Now::default() };
        let mut storage = Storage::new(&site);
        storage.watch(PointId(0), &meta, Watched::of(spec), &site, now);
        let mut out = Vec::new();
        storage.engine().settle(now, &mut super::super::task::Collect(&mut out));
        assert_eq!(storage.engine().next_deadline(), Some(now.mono.plus(15 * 60_000)));
    }
}
