//! The gateway as a device of its own: what it has to say about itself comes as readings of the device `gengfu`, and
//! rules make alarms of them like of any other.

mod outages;
mod troubles;
mod watch;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use gengfu_core::detect::{Params, digital};
use gengfu_core::normalize::Scaling;
use gengfu_core::quality::Quality;
use gengfu_core::reading::{PointId, Reading};
use tokio::sync::watch::Receiver;

pub(crate) use outages::Outages;
#[cfg(test)]
pub(crate) use troubles::Sight;
pub use watch::Seen;

use crate::catalog::{Catalog, PointMeta};
use crate::config::checked::{LevelMeta, PointLabel, PointSpec, Rule, Site};
use crate::flow::{AlarmEvent, Batch, Text};
use crate::journal::{Entry, Journal};
use crate::source::Context;
use troubles::{TROUBLES, Trouble, View};
use watch::{Pace, Standstill, Watch};

/// The device's name.
pub const DEVICE: &str = "gengfu";
/// Its kind, and so the measurement of its series.
pub const KIND: &str = "gateway";

/// How often it looks at itself.
const LOOK: Duration = Duration::from_secs(1);

/// A trouble as a point: of the whole gateway, or of one line or link.
struct Own {
    trouble: &'static Trouble,
    /// Empty for the whole gateway.
    link: String,
}

impl Own {
    fn of(site: &Site) -> Vec<Self> {
        let names = site.modbus.iter().map(|line| &line.name).chain(site.mqtt.iter().map(|link| &link.name));
        let names: Vec<&String> = names.collect();
        let each = |trouble: &'static Trouble| {
            if trouble.each_link {
                names.iter().map(|name| Self { trouble, link: (*name).clone() }).collect()
            } else {
                vec![Self { trouble, link: String::new() }]
            }
        };
        TROUBLES.iter().flat_map(each).collect()
    }

    /// `link-down.lora`
    fn point(&self) -> String {
        let joint = if self.trouble.each_link { "." } else { "" };
        format!("{}{joint}{}", self.trouble.point, self.link)
    }

    fn name(&self) -> String {
        format!("{DEVICE}/{}", self.point())
    }

    /// `采集链路 lora / field link lora`
    fn label(&self) -> Text {
        let Text { zh, en } = Text::of(self.trouble.label);
        let with = |text: String| format!("{text} {}", self.link).trim_end().to_owned();
        Text { zh: with(zh), en: with(en) }
    }
}

/// Descriptions of its points.
pub fn points(site: &Site) -> Vec<(PointMeta, PointSpec)> {
    let meta = |point: String| PointMeta {
        device: DEVICE.to_owned(),
        point,
        kind: KIND.to_owned(),
        area: None,
        unit: None,
        life_safety: false,
        source: Some(DEVICE.to_owned()),
    };
    let spec = |name: String| PointSpec {
        name,
        unit: None,
        scaling: Scaling::default(),
        life_safety: false,
        bad_after: Duration::from_secs(10),
        stale_after: None,
    };
    Own::of(site).iter().map(|own| (meta(own.point()), spec(own.point()))).collect()
}

/// The rules that make alarms of them.
fn rules(site: &Site) -> Vec<Rule> {
    let detector = Params::Digital(digital::Params { is: 1.0, negate: false, on_ms: 0, off_ms: 0 });
    let owns = Own::of(site);
    let of = |t: &Trouble| owns.iter().filter(|own| own.trouble.point == t.point).map(Own::name).collect();
    let rule = |t: &Trouble| {
        let level = LevelMeta { priority: t.priority, latch: false, shelvable: true };
        let id = format!("{DEVICE}/{}", t.point);
        Rule { advice: Some(t.advice.to_owned()), ..Rule::new(id, of(t), detector, vec![level]) }
    };
    TROUBLES.iter().map(rule).collect()
}

/// Adds to a site what the gateway has to say about itself.
pub fn complete(site: &mut Site) {
    let rules = rules(site);
    site.rules.extend(rules);
    label(site);
}

/// What people call the gateway and its troubles.
fn label(site: &mut Site) {
    let owns = Own::of(site);
    site.labels.name_device(DEVICE, Text::of("本网关 / this gateway"));
    for own in owns {
        let words = own.trouble.words.map(Text::of).to_vec();
        site.labels.name_point(own.name(), PointLabel { label: Some(own.label()), words });
    }
}

/// The gateway's own points whose alarm stands and has not returned.
async fn standing(context: &Context) -> BTreeSet<String> {
    let alarms = context.engine.snapshot().await.unwrap_or_default().alarms;
    let active = |alarm: &AlarmEvent| {
        alarm.device == DEVICE && matches!(alarm.state.as_str(), "unacknowledged" | "acknowledged")
    };
    alarms.into_iter().filter(active).map(|alarm| alarm.point).collect()
}

/// A trouble that is watched.
struct Eye {
    own: Own,
    point: Option<PointId>,
    watch: Watch,
}

impl Eye {
    /// All of a site. Those that there were before go on, the others begin with what stands.
    fn all(
        site: &Site,
        catalog: &Catalog,
        before: &[Self],
        seen: &Seen,
        stood: &BTreeSet<String>,
        now_ms: u64,
    ) -> Vec<Self> {
        let eye = |own: Own| {
            let point = own.point();
            let known = before.iter().find(|eye| eye.own.point() == point);
            let fresh = || Watch::begun(stood.contains(&point), seen.of(own.trouble), now_ms);
            let watch = known.map_or_else(fresh, |eye| eye.watch);
            Self { point: catalog.find(&own.name()), watch, own }
        };
        Own::of(site).into_iter().map(eye).collect()
    }
}

/// Watches until told to stop; the links and push channels are those of the site of now.
pub async fn run(mut context: Context, mut sites: Receiver<Arc<Site>>, journal: Journal, seen: Seen) {
    let mut site = sites.borrow_and_update().clone();
    let (stood, began) = (standing(&context).await, context.clock.mono().0);
    let mut eyes = Eye::all(&site, &context.catalog, &[], &seen, &stood, began);
    let mut ticker = tokio::time::interval(LOOK);
    ticker.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut standstill = Standstill { looked: context.clock.mono().0, woke: None };
    let (mut pace, mut outages) = (Pace(context.clock.now()), Outages::default());
    loop {
        tokio::select! {
            _ = ticker.tick() => {}
            () = context.stop.wait() => return,
        }
        if sites.has_changed().unwrap_or(false) {
            let old = std::mem::replace(&mut site, sites.borrow_and_update().clone());
            let stood = standing(&context).await;
            eyes = Eye::all(&site, &context.catalog, &eyes, &seen, &stood, context.clock.mono().0);
            if site.webhooks != old.webhooks {
                outages.other_channels();
            }
        }
        let now = context.clock.now();
        if let Some(step) = pace.step(now) {
            tracing::warn!(step_ms = step, "the clock was set");
            let (what, detail) =
                ("clock-step".to_owned(), format!("the wall clock moved by {step} ms against the counter"));
            journal.append(Entry::Maintenance { at: now.wall.0, what, detail });
        }
        if standstill.blind(now.mono.0) {
            continue;
        }
        let (links, unpushed) = (context.stats.links(), context.stats.oldest_unpushed());
        outages.look(links, site.webhooks.len(), unpushed, now.mono.0);
        let mut batch = Batch::default();
        for Eye { own: Own { trouble, link }, point, watch } in &mut eyes {
            let sight = (trouble.sight)(&View {
                journal: &journal,
                stats: &context.stats,
                outages: &outages,
                clock: &context.clock,
                link,
            });
            let told = watch.look((trouble.signs)(&context.stats), sight, now.mono.0);
            if let (Some(present), Some(point)) = (told, *point) {
                let value = f64::from(u8::from(present));
                batch.readings.push(Reading { point, at: now.wall, value, quality: Quality::Good });
            }
        }
        if !batch.readings.is_empty() && context.hand_over(batch).await.is_err() {
            return;
        }
        for Eye { own, watch, .. } in &eyes {
            seen.note(own.trouble, watch.signs);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_link_has_a_point_of_its_own() {
        let sample = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/sites/mall.toml");
        let mut site = crate::config::load(&sample).unwrap().site;
        let links = site.modbus.len() + site.mqtt.len();
        let names: BTreeSet<String> = points(&site).into_iter().map(|(meta, _)| meta.name()).collect();
        let of_links: Vec<&String> = names.iter().filter(|name| name.starts_with("gengfu/link-down.")).collect();
        assert!(links > 1 && of_links.len() == links, "{of_links:?}");
        let rule = rules(&site).into_iter().find(|rule| rule.id == "gengfu/link-down").unwrap();
        assert_eq!(rule.points.iter().collect::<BTreeSet<_>>(), of_links.iter().copied().collect());
        label(&mut site);
        let own = Own { trouble: &TROUBLES[2], link: "lora".to_owned() };
        assert_eq!(own.label(), Text { zh: "采集链路 lora".to_owned(), en: "field link lora".to_owned() });
    }

    #[test]
    fn a_link_that_comes_is_watched_and_what_was_watched_goes_on() {
        let sample = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/sites/mall.toml");
        let mut site = crate::config::load(&sample).unwrap().site;
        let catalog = Catalog::default();
        let with = |site: &Site, before: &[Eye], stood: &[String]| {
            for (meta, _) in points(site) {
                catalog.add(meta);
            }
            Eye::all(site, &catalog, before, &Seen::default(), &stood.iter().cloned().collect(), 5_000)
        };
        let link = site.mqtt.pop().unwrap();
        let mut before = with(&site, &[], &["clock-off".to_owned()]);
        assert!(before.iter().all(|eye| eye.watch.present == (eye.own.point() == "clock-off")), "as it stood");
        for eye in &mut before {
            eye.watch.signs = 7;
        }
        site.mqtt.push(link.clone());
        let of_link = format!("link-down.{}", link.name);
        let after = with(&site, &before, std::slice::from_ref(&of_link));
        assert_eq!(after.len(), before.len() + 1);
        for eye in &after {
            let new = eye.own.link == link.name;
            assert!(eye.point.is_some());
            assert_eq!(eye.watch.signs, if new { 0 } else { 7 }, "{}", eye.own.point());
            assert_eq!(eye.watch.present, new || eye.own.point() == "clock-off", "{}", eye.own.point());
        }
        site.mqtt.clear();
        assert!(with(&site, &after, &[]).iter().all(|eye| eye.own.link != link.name));
    }
}
