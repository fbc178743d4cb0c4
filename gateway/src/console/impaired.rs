//! What is not well although no alarm need stand: links and sinks that are down, and points that a rule watches or that
//! lives hang on without a value to believe. A page that is calm over these would lie.

use gengfu_core::quality::Quality;

use super::page::words::Lang;
use crate::catalog::Catalog;
use crate::config::checked::Site;
use crate::driver::Snapshot;
use crate::source::own;
use crate::telemetry::{LinkState, Stats};

/// Points that are named one by one.
const NAMED: usize = 5;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Impaired {
    /// Watched, and without a value to believe: `device/point`.
    points: Vec<String>,
    /// Lines and brokers that are down, each with the reason.
    links: Vec<(String, String)>,
    /// Stores and push channels, likewise.
    sinks: Vec<(String, String)>,
    /// Why the site file on disk is not in force, if it is not.
    file: Option<String>,
    /// The gateway does not know what time it is.
    clock_unset: bool,
}

impl Impaired {
    pub(super) fn of(snapshot: Option<&Snapshot>, catalog: &Catalog, site: &Site, stats: &Stats) -> Self {
        let bad = |quality: Quality| quality.word() == "bad";
        let points = snapshot.iter().flat_map(|snapshot| snapshot.points.iter().map(|point| (*snapshot, point)));
        // A point that was never heard is as bad as one that was lost, and one that fell silent as either.
        let points = points.filter(|(snapshot, (id, reading))| {
            reading.is_none_or(|reading| bad(reading.quality)) || snapshot.lost.contains(id)
        });
        let watched = |name: &str| site.rules.iter().any(|rule| rule.matches(name));
        let points = points.filter_map(|(_, (id, _))| {
            let meta = catalog.get(*id)?;
            let name = meta.name();
            // What the gateway has not said of itself yet is no sensor that is lost.
            (meta.device != own::DEVICE && (meta.life_safety || watched(&name))).then_some(name)
        });
        let down = stats.links().into_iter().filter_map(|(name, link)| match link.state {
            LinkState::Down { why } => Some((name, why)),
            LinkState::Up | LinkState::Connecting => None,
        });
        let (sinks, links) = down.partition(|(name, _)| is_sink(name));
        Self { points: points.collect(), links, sinks, file: stats.site_file_trouble(), clock_unset: false }
    }

    /// With the gateway's own clock.
    pub(super) fn clocked(self, set: bool) -> Self {
        Self { clock_unset: !set, ..self }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.points.is_empty()
            && self.links.is_empty()
            && self.sinks.is_empty()
            && self.file.is_none()
            && !self.clock_unset
    }

    /// Each in words, for programs and logs.
    pub(super) fn reasons(&self) -> Vec<String> {
        let down = |what: &'static str| move |(name, why): &(String, String)| format!("{what} {name} is down: {why}");
        let links = self.links.iter().map(down("link")).chain(self.sinks.iter().map(down("sink")));
        let named: Vec<&str> = self.points.iter().take(NAMED).map(String::as_str).collect();
        let points = match self.points.len() {
            0 => None,
            1 => Some(format!("1 watched point has no value to believe: {}", named.join(", "))),
            all if all > NAMED => {
                let more = all - NAMED;
                Some(format!("{all} watched points have no value to believe: {} and {more} more", named.join(", ")))
            }
            all => Some(format!("{all} watched points have no value to believe: {}", named.join(", "))),
        };
        let file = self.file.as_ref().map(|why| format!("the site file on disk is not in force: {why}"));
        let clock = self.clock_unset.then(|| {
            "the gateway's clock is not set: alarms are judged and pushed, readings wait in the journal for their time".to_owned()
        });
        links.chain(points).chain(file).chain(clock).collect()
    }

    /// The same at a glance, for the head of the page: `3 处数据不可信、1 条链路中断`.
    pub(super) fn glance(&self, lang: Lang) -> String {
        let part = |n: usize, zh: &str, one: &str, many: &str| {
            let en = if n == 1 { one } else { many };
            (n > 0).then(|| match lang {
                Lang::Zh => format!("{n} {zh}"),
                Lang::En => format!("{n} {en}"),
            })
        };
        let parts = [
            part(
                self.points.len(),
                "处数据不可信",
                "watched point can't be believed",
                "watched points can't be believed",
            ),
            part(self.links.len(), "条采集链路中断", "field link is down", "field links are down"),
            part(
                self.sinks.len(),
                "个推送或转发目标不可达",
                "push or store is out of reach",
                "pushes or stores are out of reach",
            ),
            part(
                usize::from(self.file.is_some()),
                "份站点配置有误",
                "site file is not in force",
                "site files are not in force",
            ),
            part(usize::from(self.clock_unset), "处网关时钟未校准", "gateway clock is not set", ""),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(lang.pick("、", ", "))
    }
}

/// Whether a link of this name leads away from the site: `webhook/duty`. The name of a line or a broker has no slash.
pub(super) fn is_sink(name: &str) -> bool {
    name.contains('/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::tests::made_up;

    #[test]
    fn watched_points_links_and_sinks_each_have_their_words() {
        let (catalog, stats) = (Catalog::default(), Stats::default());
        let (mut snapshot, mut site) = (made_up::snapshot(&catalog, 1_790_000_000_000), made_up::site());
        let look =
            |snapshot: &Snapshot, site: &Site, stats: &Stats| Impaired::of(Some(snapshot), &catalog, site, stats);
        let well = look(&snapshot, &site, &stats);
        assert_eq!(well.reasons(), ["2 watched points have no value to believe: gas-02/ch4, gas-03/ch4"]);
        // Nobody watches the lift's current: its loss is no news.
        let lift = snapshot.points.iter_mut().find(|(id, _)| catalog.get(*id).unwrap().device == "lift-2").unwrap();
        lift.1 = None;
        assert_eq!(look(&snapshot, &site, &stats), well);
        site.rules[0].points = vec!["lift-*/current".to_owned()];
        assert_eq!(look(&snapshot, &site, &stats).points.len(), 3);
        // It fell silent: what it said last was good, and is no value of now.
        snapshot.lost.insert(catalog.find("gas-01/ch4").unwrap());
        assert!(look(&snapshot, &site, &stats).reasons()[0].contains("gas-01/ch4, gas-02/ch4"));
        snapshot.lost.clear();
        let down = || LinkState::Down { why: "connection refused".to_owned() };
        stats.link("lora", down(), 0);
        stats.link("webhook/duty", down(), 0);
        stats.link("influxdb/central", LinkState::Up, 0);
        let all = look(&snapshot, &site, &stats);
        assert_eq!(
            all.reasons()[..2],
            ["link lora is down: connection refused", "sink webhook/duty is down: connection refused"]
        );
        assert_eq!(all.glance(Lang::Zh), "3 处数据不可信、1 条采集链路中断、1 个推送或转发目标不可达");
        assert_eq!(
            all.glance(Lang::En),
            "3 watched points can't be believed, 1 field link is down, 1 push or store is out of reach"
        );
        assert!(is_sink("influxdb/central") && is_sink("mqtt/district") && !is_sink("lora"));
        let lost = Impaired::default().clocked(false);
        assert!(!lost.is_empty() && lost.reasons()[0].starts_with("the gateway's clock is not set"));
        assert_eq!(lost.glance(Lang::En), "1 gateway clock is not set");
        assert!(Impaired::of(None, &catalog, &site, &Stats::default()).is_empty());
    }
}
