//! Which devices there are: those expected, those let in earlier, and those that appear. A device that appears is put into
//! the catalog and announced to the engine before its first reading; there are never more than the subscription allows.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use gengfu_core::reading::PointId;

use super::topic::{NoName, Pattern, Template};
use crate::catalog::{Catalog, PointMeta};
use crate::config::checked::{MqttLink, MqttPoint, Subscription};
use crate::config::pattern;
use crate::driver::NewPoint;

/// Topics whose devices are kept at hand; when full it starts anew. Bounds what a babbling publisher can take.
const KNOWN_TOPICS: usize = 16_384;

/// A subscription and the points of the device a message is about, in the subscription's order.
#[derive(Debug, Clone)]
pub(super) struct Route {
    pub(super) subscription: usize,
    pub(super) points: Arc<[PointId]>,
}

/// Where a message goes, and where it should have gone and could not.
#[derive(Debug)]
pub(super) struct Routing {
    pub(super) routes: Arc<[Route]>,
    /// Of the subscriptions that match and did not take it; never empty where there is no route.
    pub(super) strangers: Vec<Stranger>,
}

/// Why a message has no device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stranger {
    /// No subscription of ours matches: one of an earlier configuration, still in the broker's session.
    NoSubscription,
    NoName(NoName),
    /// Two different topics would be the same device.
    Collision(String),
    /// The subscription has all the devices it may have; with the readings that are lost by it.
    TooMany {
        most: usize,
        readings: usize,
    },
}

impl Stranger {
    pub(super) fn reason(&self) -> String {
        match self {
            Self::NoSubscription => {
                "no subscription matches this topic; it may be left in the broker's session".to_owned()
            }
            Self::NoName(NoName::Empty) => "a wildcard of the device's name is empty in this topic".to_owned(),
            Self::NoName(NoName::TooLong) => "the device's name would be longer than 128 bytes".to_owned(),
            Self::Collision(device) => format!("another topic is already device {device}; rename one of the two"),
            Self::TooMany { most, .. } => format!("the subscription already has its max_devices of {most}"),
        }
    }
}

#[derive(Debug)]
pub(super) struct Registry {
    link: String,
    catalog: Catalog,
    subscriptions: Vec<Enrolment>,
    topics: HashMap<String, Arc<[Route]>>,
    announced: Vec<NewPoint>,
}

#[derive(Debug)]
struct Enrolment {
    config: Subscription,
    pattern: Pattern,
    template: Template,
    devices: HashMap<String, Device>,
}

#[derive(Debug)]
struct Device {
    /// What its name was made of; `None` for one that is expected, or was let in earlier, and was not heard yet.
    raw: Option<String>,
    points: Arc<[PointId]>,
}

impl Registry {
    /// With the expected devices of all subscriptions and those let in before this task began, which have their seats
    /// before any that appears.
    pub(super) fn new(config: &MqttLink, catalog: Catalog) -> Self {
        let enrol = |subscription: &Subscription| Enrolment {
            pattern: Pattern::new(&subscription.topic),
            template: Template::new(&subscription.device),
            devices: HashMap::new(),
            config: subscription.clone(),
        };
        let mut registry = Self {
            link: config.name.clone(),
            catalog,
            subscriptions: config.subscriptions.iter().map(enrol).collect(),
            topics: HashMap::new(),
            announced: Vec::new(),
        };
        for (index, subscription) in config.subscriptions.iter().enumerate() {
            for device in &subscription.expect {
                registry.add(index, device, None);
            }
        }
        registry.seat();
        registry
    }

    /// Takes in the devices of the catalog that are this link's: the app let them in at the start, or this task did
    /// before it was started again. A device is one of the subscription whose template gives its name and all of whose
    /// points it has.
    fn seat(&mut self) {
        let ours = |meta: &&Arc<PointMeta>| meta.source.as_deref() == Some(&self.link);
        let catalogued = self.catalog.tail(0);
        let mut seen = HashSet::new();
        let names = catalogued.iter().filter(ours).map(|meta| meta.device.as_str());
        let devices: Vec<&str> = names.filter(|name| seen.insert(*name)).collect();
        for device in devices {
            for index in 0..self.subscriptions.len() {
                if self.subscriptions.get(index).is_some_and(|enrolment| self.is_seated(enrolment, device)) {
                    self.add(index, device, None);
                }
            }
        }
    }

    fn is_seated(&self, enrolment: &Enrolment, device: &str) -> bool {
        let Enrolment { config, devices, .. } = enrolment;
        let has = |point: &MqttPoint| {
            let meta = self.catalog.find(&format!("{device}/{}", point.spec.name)).and_then(|id| self.catalog.get(id));
            meta.is_some_and(|meta| meta.source.as_deref() == Some(&self.link) && meta.kind == config.kind)
        };
        devices.len() < config.max_devices
            && !devices.contains_key(device)
            && pattern::comes_of(&config.device, device)
            && config.points.iter().all(has)
    }

    /// The points of all devices known now: at the start, those expected and those let in earlier.
    pub(super) fn points(&self) -> Vec<PointId> {
        self.points_of(|_, _| true)
    }

    /// The points of the subscriptions wanted, which are told by their index and configuration.
    pub(super) fn points_of(&self, wanted: impl Fn(usize, &Subscription) -> bool) -> Vec<PointId> {
        let subscriptions = self.subscriptions.iter().enumerate().filter(|(index, s)| wanted(*index, &s.config));
        let devices = subscriptions.flat_map(|(_, s)| s.devices.values());
        let mut points: Vec<PointId> = devices.flat_map(|device| device.points.iter().copied()).collect();
        points.sort_unstable();
        points.dedup();
        points
    }

    /// Points that appeared since this was last asked.
    pub(super) fn announced(&mut self) -> Vec<NewPoint> {
        std::mem::take(&mut self.announced)
    }

    pub(super) fn config(&self, subscription: usize) -> Option<&[MqttPoint]> {
        self.subscriptions.get(subscription).map(|s| s.config.points.as_slice())
    }

    /// Where a message of this topic goes: one route a matching subscription. One that can't take it keeps it from no
    /// other.
    pub(super) fn routes(&mut self, topic: &str) -> Routing {
        if let Some(routes) = self.topics.get(topic) {
            return Routing { routes: Arc::clone(routes), strangers: Vec::new() };
        }
        let (mut routes, mut strangers) = (Vec::new(), Vec::new());
        for subscription in 0..self.subscriptions.len() {
            match self.route(subscription, topic) {
                Ok(route) => routes.extend(route),
                Err(stranger) => strangers.push(stranger),
            }
        }
        if routes.is_empty() && strangers.is_empty() {
            strangers.push(Stranger::NoSubscription);
        }
        let routes: Arc<[Route]> = routes.into();
        // A refusal is told of each message, so only what is taken whole is kept at hand.
        if strangers.is_empty() {
            if self.topics.len() >= KNOWN_TOPICS {
                self.topics.clear();
            }
            self.topics.insert(topic.to_owned(), Arc::clone(&routes));
        }
        Routing { routes, strangers }
    }

    fn route(&mut self, index: usize, topic: &str) -> Result<Option<Route>, Stranger> {
        let Some(enrolment) = self.subscriptions.get_mut(index) else { return Ok(None) };
        let Some(captures) = enrolment.pattern.captures(topic) else { return Ok(None) };
        let (name, raw) = enrolment.template.name(&captures).map_err(Stranger::NoName)?;
        if let Some(device) = enrolment.devices.get_mut(&name) {
            if *device.raw.get_or_insert_with(|| raw.clone()) != raw {
                return Err(Stranger::Collision(name));
            }
            return Ok(Some(Route { subscription: index, points: Arc::clone(&device.points) }));
        }
        let config = &enrolment.config;
        if enrolment.devices.len() >= config.max_devices {
            return Err(Stranger::TooMany { most: config.max_devices, readings: config.points.len() });
        }
        if config.points.iter().any(|point| foreign(&self.catalog, &self.link, &format!("{name}/{}", point.spec.name)))
        {
            return Err(Stranger::Collision(name));
        }
        let points = self.add(index, &name, Some(raw));
        Ok(Some(Route { subscription: index, points }))
    }

    /// Adds a device. A point that this link already has in the catalog is known to the engine: the app enrolled it,
    /// or this task did before it was started again.
    fn add(&mut self, index: usize, device: &str, raw: Option<String>) -> Arc<[PointId]> {
        let Some(enrolment) = self.subscriptions.get_mut(index) else { return Arc::from([]) };
        let mut points = Vec::with_capacity(enrolment.config.points.len());
        for point in &enrolment.config.points {
            let meta = PointMeta {
                device: device.to_owned(),
                point: point.spec.name.clone(),
                kind: enrolment.config.kind.clone(),
                area: enrolment.config.area.clone(),
                unit: point.spec.unit.clone(),
                life_safety: point.spec.life_safety,
                source: Some(self.link.clone()),
            };
            let known = self.catalog.find(&meta.name()).and_then(|id| self.catalog.get(id));
            let id = self.catalog.add(meta.clone());
            if known.is_none_or(|known| known.source.is_none()) {
                self.announced.push(NewPoint { id, meta, spec: point.spec.clone() });
            }
            points.push(id);
        }
        let points: Arc<[PointId]> = points.into();
        enrolment.devices.insert(device.to_owned(), Device { raw, points: Arc::clone(&points) });
        points
    }
}

/// Whether the point is one of another link (a Modbus device of the same name, say).
fn foreign(catalog: &Catalog, link: &str, point: &str) -> bool {
    let meta = catalog.find(point).and_then(|id| catalog.get(id));
    meta.and_then(|meta| meta.source.clone()).is_some_and(|source| source != link)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{link, point, subscription};
    use super::*;

    fn registry(subscriptions: Vec<Subscription>) -> (Registry, Catalog) {
        let catalog = Catalog::default();
        (Registry::new(&link("127.0.0.1", 1, subscriptions), catalog.clone()), catalog)
    }

    #[test]
    fn a_device_that_appears_is_announced_once() {
        let (mut registry, catalog) = registry(vec![subscription("s/+/gas", "gas-{1}", vec![point("ch4", "/lel")])]);
        let first = registry.routes("s/01/gas").routes;
        let again = registry.routes("s/01/gas").routes;
        assert_eq!(first[0].points, again[0].points);
        let announced = registry.announced();
        assert_eq!(announced.len(), 1);
        assert_eq!(announced[0].meta.name(), "gas-01/ch4");
        assert_eq!(catalog.find("gas-01/ch4"), Some(announced[0].id));
        assert!(registry.announced().is_empty());
    }

    #[test]
    fn a_restarted_task_announces_nothing_twice_and_a_point_of_the_journal_once() {
        let subscriptions = vec![subscription("s/+", "d-{1}", vec![point("v", "")])];
        let (mut first, catalog) = registry(subscriptions.clone());
        let id = first.routes("s/1").routes[0].points[0];
        let mut second = Registry::new(&link("127.0.0.1", 1, subscriptions), catalog.clone());
        assert_eq!(second.routes("s/1").routes[0].points[0], id);
        assert!(second.announced().is_empty());

        let mut old = (*catalog.get(id).unwrap()).clone();
        old.device = "d-2".to_owned();
        old.source = None;
        let journal = catalog.add(old);
        assert_eq!(second.routes("s/2").routes[0].points[0], journal);
        assert_eq!(second.announced().len(), 1);
    }

    #[test]
    fn collisions_are_refused_and_the_first_stays() {
        let (mut registry, catalog) = registry(vec![subscription("s/#", "{1}", vec![point("v", "")])]);
        assert!(registry.routes("s/a b").strangers.is_empty());
        assert_eq!(registry.routes("s/a/b").strangers, [Stranger::Collision("a_b".to_owned())]);
        assert!(registry.routes("s/a b").strangers.is_empty());

        let mut foreign = (*catalog.get(PointId(0)).unwrap()).clone();
        foreign.device = "pump".to_owned();
        foreign.source = Some("pump-room".to_owned());
        catalog.add(foreign);
        assert_eq!(registry.routes("s/pump").strangers, [Stranger::Collision("pump".to_owned())]);
    }

    #[test]
    fn max_devices_holds_and_the_known_go_on() {
        let mut few = subscription("s/+", "d-{1}", vec![point("v", ""), point("w", "")]);
        few.expect = vec!["d-1".to_owned()];
        few.max_devices = 2;
        let (mut registry, catalog) = registry(vec![few]);
        assert_eq!(registry.points().len(), 2, "the expected device");
        assert!(registry.routes("s/2").strangers.is_empty());
        assert_eq!(registry.routes("s/3").strangers, [Stranger::TooMany { most: 2, readings: 2 }]);
        assert!(registry.routes("s/1").strangers.is_empty());
        assert_eq!(catalog.len(), 4);
    }

    #[test]
    fn who_was_let_in_before_a_restart_keeps_its_seat() {
        let mut gas = subscription("s/+/gas", "gas-{1}", vec![point("ch4", "")]);
        gas.max_devices = 2;
        let mut door = subscription("s/+/door", "{1}", vec![point("open", "")]);
        door.kind = "door".to_owned();
        let (mut before, catalog) = registry(vec![gas.clone(), door.clone()]);
        let kept = before.routes("s/k1/gas").routes[0].points[0];
        before.routes("s/d1/door");
        let mut old = (*catalog.get(kept).unwrap()).clone();
        (old.device, old.source) = ("gas-old".to_owned(), None);
        catalog.add(old);

        let mut after = Registry::new(&link("127.0.0.1", 1, vec![gas, door]), catalog.clone());
        assert_eq!(after.points().len(), 2, "both are known, so that a lost link takes them with it");
        assert_eq!(after.subscriptions[1].devices.len(), 1, "a gas detector is no door, though its name would do");
        for stranger in 0..500 {
            after.routes(&format!("s/x{stranger}/gas"));
        }
        assert_eq!(after.routes("s/k1/gas").routes[0].points[0], kept, "strangers do not take its seat");
        assert_eq!(after.subscriptions[0].devices.len(), 2, "and there are never more than two");
        assert_eq!(after.announced().len(), 1, "the one stranger there is room for");
    }

    #[test]
    fn a_subscription_that_is_full_keeps_the_message_from_no_other() {
        let mut full = subscription("s/+", "d-{1}", vec![point("v", ""), point("w", "")]);
        full.max_devices = 1;
        let all = subscription("s/#", "all", vec![point("count", "")]);
        let (mut registry, _) = registry(vec![full, all]);
        assert_eq!(registry.routes("s/1").routes.len(), 2);
        for _ in 0..2 {
            let Routing { routes, strangers } = registry.routes("s/2");
            assert_eq!(routes.iter().map(|route| route.subscription).collect::<Vec<_>>(), [1]);
            assert_eq!(strangers, [Stranger::TooMany { most: 1, readings: 2 }], "told of each message");
        }
    }

    #[test]
    fn every_matching_subscription_gets_it_and_strangers_none() {
        let gas = subscription("s/+/gas", "d-{1}", vec![point("ch4", "/lel")]);
        let battery = subscription("s/#", "all", vec![point("battery", "/bat")]);
        let (mut registry, _) = registry(vec![gas, battery]);
        assert_eq!(registry.routes("s/1/gas").routes.len(), 2);
        assert_eq!(registry.routes("t/1").strangers, [Stranger::NoSubscription]);
        assert_eq!(registry.routes("s//gas").strangers, [Stranger::NoName(NoName::Empty)]);
    }

    #[test]
    fn endless_topics_do_not_grow_it() {
        let (mut registry, _) = registry(vec![subscription("s/#", "one", vec![point("v", "")])]);
        for n in 0..KNOWN_TOPICS + 10 {
            registry.routes(&format!("s/{n}"));
        }
        assert!(registry.topics.len() <= KNOWN_TOPICS);
    }
}
