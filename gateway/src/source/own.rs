//! The gateway as a device of its own: what it has to say about itself comes as readings of the device `gengfu`, and
//! rules make alarms of them like of any other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gengfu_core::alarm::Priority;
use gengfu_core::detect::{Params, digital};
use gengfu_core::normalize::Scaling;
use gengfu_core::quality::Quality;
use gengfu_core::reading::{PointId, Reading};
use gengfu_core::time::Now;
use tokio::sync::watch;

use crate::catalog::{Catalog, PointMeta};
use crate::config::checked::{LevelMeta, PointLabel, PointSpec, Rule, Site};
use crate::flow::{Batch, Text};
use crate::journal::{Entry, Journal};
use crate::source::Context;
use crate::telemetry::{LinkState, LinkStatus, RefusedReason, Stats};

/// The device's name.
pub const DEVICE: &str = "gengfu";
/// Its kind, and so the measurement of its series.
pub const KIND: &str = "gateway";

/// How often it looks at itself.
const LOOK: Duration = Duration::from_secs(1);
/// A trouble counts as present for this long after its last sign.
const LINGER_MS: u64 = 60_000;
/// A link that is down for less than this is reconnecting.
const LINK_MS: u64 = 30_000;
/// Less than this between two looks is a clock being disciplined, not set.
const STEP_MS: i64 = 1_000;
/// An unchanged value is told again after this long.
const REPEAT_MS: u64 = 60_000;

/// One trouble: a point that is 1 while it lasts, and the alarm it makes.
struct Trouble {
    point: &'static str,
    /// A point for each line and link: one that stands must not hide the next.
    each_link: bool,
    /// What people call it, and its words for 0 and 1.
    label: &'static str,
    words: [&'static str; 2],
    priority: Priority,
    advice: &'static str,
    /// Counts its signs in this run.
    signs: fn(&Stats) -> u64,
    /// Whether it lasts now; for the link of this name, where it is one of a link.
    lasts: fn(&Journal, &Outages, &str) -> bool,
}

const TROUBLES: [Trouble; 7] = [
    Trouble {
        point: "journal-fault",
        each_link: false,
        label: "日志磁盘 / journal disk",
        words: ["正常 / fine", "无法写入 / takes no writes"],
        priority: Priority::High,
        advice: "磁盘无法写入，报警仍会推送：检查磁盘空间与健康 / The disk takes no writes (alarms are still pushed): check its space and health.",
        signs: |stats| stats.refused(RefusedReason::JournalFull),
        lasts: |journal, _, _| journal.sick(),
    },
    Trouble {
        point: "journal-repaired",
        each_link: false,
        label: "日志文件 / journal file",
        words: ["完好 / whole", "损坏后已修复 / torn and repaired"],
        priority: Priority::High,
        advice: "启动时日志文件损坏，已截取完好部分并另存坏文件：检查磁盘与供电 / The journal was torn: what is whole was kept, the damaged file set aside (*.damaged-*): check disk and power.",
        signs: |stats| stats.journal_repairs.get(),
        lasts: |_, _, _| false,
    },
    Trouble {
        point: "link-down",
        each_link: true,
        label: "采集链路 / field link",
        words: ["正常 / fine", "中断 / down"],
        priority: Priority::High,
        advice: "采集链路中断，其测点均无有效数值：检查网络与服务 / A line or broker can't be reached, its points have no value: check the network and the service.",
        signs: |_| 0,
        lasts: |_, outages, link| outages.long.contains(link),
    },
    Trouble {
        point: "clock-off",
        each_link: false,
        label: "设备时钟 / device clock",
        words: ["准确 / right", "不准 / off"],
        priority: Priority::Medium,
        advice: "有设备时间与网关不符，读数按到达时间保存：校时 / A device's clock is off, its readings are kept at arrival time: set it.",
        signs: |stats| stats.clock_off.get(),
        lasts: |_, _, _| false,
    },
    Trouble {
        point: "devices-refused",
        each_link: false,
        label: "上报设备数 / number of devices",
        words: ["正常 / fine", "超过上限 / over the limit"],
        priority: Priority::Medium,
        advice: "上报设备数超过 max_devices：核对主题或提高上限 / More devices than max_devices: check the topics or raise it.",
        signs: |stats| stats.refused(RefusedReason::TooManyDevices),
        lasts: |_, _, _| false,
    },
    Trouble {
        point: "source-restarted",
        each_link: false,
        label: "采集任务 / source task",
        words: ["正常 / fine", "出错后已重启 / failed and was restarted"],
        priority: Priority::Medium,
        advice: "采集任务异常后已自动重启：请报告此日志 / A source task failed and was restarted: please report its log.",
        signs: |stats| stats.source_restarts.get(),
        lasts: |_, _, _| false,
    },
    Trouble {
        point: "reader-restarted",
        each_link: false,
        label: "推送转发任务 / push and forward task",
        words: ["正常 / fine", "出错后已重启 / failed and was restarted"],
        priority: Priority::High,
        advice: "推送、转发或界面任务异常后已自动重启，推送可能延迟：请报告此日志 / A push, forward or console task failed and was restarted, pushes may be late: please report its log.",
        signs: |stats| stats.reader_restarts.get(),
        lasts: |_, _, _| false,
    },
];

/// Lines and brokers out of reach, by name: the wall time that says which outage it is, and the counter when it was first
/// seen, since a clock that is set must neither make an outage long nor keep it short.
#[derive(Default)]
struct Outages {
    seen: BTreeMap<String, (i64, u64)>,
    /// Those that have lasted longer than a reconnect takes.
    long: BTreeSet<String>,
}

impl Outages {
    fn look(&mut self, links: BTreeMap<String, LinkStatus>, now_ms: u64) {
        let source = |name: &str| !name.starts_with("influxdb/") && !name.starts_with("webhook/");
        let down = |link: &LinkStatus| matches!(link.state, LinkState::Down { .. });
        let links = links.into_iter().filter(|(name, link)| source(name) && down(link));
        let before = std::mem::take(&mut self.seen);
        let begun = |name: &str, since: i64| match before.get(name) {
            Some((outage, begun)) if *outage == since => *begun,
            Some(_) | None => now_ms,
        };
        self.seen = links.map(|(name, link)| (name.clone(), (link.since, begun(&name, link.since)))).collect();
        let long = self.seen.iter().filter(|(_, (_, begun))| now_ms.saturating_sub(*begun) >= LINK_MS);
        self.long = long.map(|(name, _)| name.clone()).collect();
    }
}

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
    let rule = |t: &Trouble| Rule {
        id: format!("{DEVICE}/{}", t.point),
        points: of(t),
        detector,
        levels: vec![LevelMeta { priority: t.priority, latch: false }],
        basis: None,
        advice: Some(t.advice.to_owned()),
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

/// What is known of one trouble between looks.
#[derive(Clone, Copy, Default)]
struct Watch {
    signs: u64,
    last_sign: Option<u64>,
    told: Option<(bool, u64)>,
}

impl Watch {
    /// The value to tell, if it is time to tell one.
    fn look(&mut self, signs: u64, lasts: bool, now_ms: u64) -> Option<bool> {
        if signs > self.signs || lasts {
            self.last_sign = Some(now_ms);
        }
        self.signs = signs;
        let present = self.last_sign.is_some_and(|last| now_ms.saturating_sub(last) < LINGER_MS);
        let due = match self.told {
            Some((told, at)) => told != present || now_ms.saturating_sub(at) >= REPEAT_MS,
            None => true,
        };
        due.then(|| {
            self.told = Some((present, now_ms));
            present
        })
    }
}

/// How the two clocks went together at the last look. Durations run on the counter, so a step changes no timer; it is told.
struct Pace(Now);

impl Pace {
    /// By how much the wall clock moved against the counter since the last look, ms, if it was set.
    fn step(&mut self, now: Now) -> Option<i64> {
        let drift = (now.wall.0 - self.0.wall.0) - (now.mono.0 as i64 - self.0.mono.0 as i64);
        self.0 = now;
        (drift.abs() >= STEP_MS).then_some(drift)
    }
}

/// A trouble that is watched.
struct Eye {
    own: Own,
    point: Option<PointId>,
    watch: Watch,
}

impl Eye {
    /// All of a site; those that there were before go on.
    fn all(site: &Site, catalog: &Catalog, before: &[Self]) -> Vec<Self> {
        let eye = |own: Own| {
            let known = before.iter().find(|eye| eye.own.point() == own.point());
            Self { point: catalog.find(&own.name()), watch: known.map_or_else(Watch::default, |eye| eye.watch), own }
        };
        Own::of(site).into_iter().map(eye).collect()
    }
}

/// Watches until told to stop; the links are those of the site of now.
pub async fn run(mut context: Context, mut sites: watch::Receiver<Arc<Site>>, journal: Journal) {
    let mut eyes = Eye::all(&sites.borrow_and_update(), &context.catalog, &[]);
    let mut ticker = tokio::time::interval(LOOK);
    let (mut pace, mut outages) = (Pace(context.clock.now()), Outages::default());
    loop {
        tokio::select! {
            _ = ticker.tick() => {}
            () = context.stop.wait() => return,
        }
        if sites.has_changed().unwrap_or(false) {
            eyes = Eye::all(&sites.borrow_and_update(), &context.catalog, &eyes);
        }
        let now = context.clock.now();
        if let Some(step) = pace.step(now) {
            tracing::warn!(step_ms = step, "the clock was set");
            let (what, detail) =
                ("clock-step".to_owned(), format!("the wall clock moved by {step} ms against the counter"));
            journal.append(Entry::Maintenance { at: now.wall.0, what, detail });
        }
        outages.look(context.stats.links(), now.mono.0);
        let mut batch = Batch::default();
        for Eye { own: Own { trouble, link }, point, watch } in &mut eyes {
            let lasts = (trouble.lasts)(&journal, &outages, link);
            let told = watch.look((trouble.signs)(&context.stats), lasts, now.mono.0);
            if let (Some(present), Some(point)) = (told, *point) {
                let value = f64::from(u8::from(present));
                batch.readings.push(Reading { point, at: now.wall, value, quality: Quality::Good });
            }
        }
        if !batch.readings.is_empty() && context.hand_over(batch).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_is_told_and_one_that_drifts_is_not() {
        use gengfu_core::time::{Mono, Wall};
        let at = |mono: u64, wall: i64| Now { mono: Mono(mono), wall: Wall(wall) };
        let mut pace = Pace(at(1_000, 500_000));
        assert_eq!(pace.step(at(2_000, 501_020)), None);
        assert_eq!(pace.step(at(3_000, 4_101_020)), Some(3_599_000));
        assert_eq!(pace.step(at(4_000, 4_102_020)), None, "once");
        assert_eq!(pace.step(at(5_000, 0)), Some(-4_103_020));
    }

    #[test]
    fn an_outage_is_as_long_as_the_counter_says() {
        let down = |since: i64| LinkStatus { state: LinkState::Down { why: String::new() }, since };
        let links = |name: &str, since: i64| BTreeMap::from([(name.to_owned(), down(since))]);
        let mut outages = Outages::default();
        let mut look = |links, now_ms| {
            outages.look(links, now_ms);
            !outages.long.is_empty()
        };
        // the wall clock may do what it likes: only which outage it is hangs on it
        assert!(!look(links("lora", 7_000), 1_000));
        assert!(!look(links("lora", 7_000), 30_999));
        assert!(look(links("lora", 7_000), 31_000));
        assert!(!look(links("lora", 99_000), 32_000), "up in between: another outage");
        assert!(!look(BTreeMap::new(), 33_000));
        assert!(!look(links("lora", 99_000), 62_000), "seen to be over");
        assert!(!look(links("influxdb/central", 0), 70_000) && !look(links("influxdb/central", 0), 170_000));
    }

    #[test]
    fn each_link_has_an_outage_of_its_own() {
        let down = |since: i64| LinkStatus { state: LinkState::Down { why: String::new() }, since };
        let mut outages = Outages::default();
        outages.look(BTreeMap::from([("lora".to_owned(), down(1))]), 0);
        outages.look(BTreeMap::from([("lora".to_owned(), down(1)), ("pumps".to_owned(), down(2))]), LINK_MS);
        assert_eq!(outages.long.iter().collect::<Vec<_>>(), ["lora"]);

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
        let with = |site: &Site, before: &[Eye]| {
            for (meta, _) in points(site) {
                catalog.add(meta);
            }
            Eye::all(site, &catalog, before)
        };
        let link = site.mqtt.pop().unwrap();
        let mut before = with(&site, &[]);
        for eye in &mut before {
            eye.watch.signs = 7;
        }
        site.mqtt.push(link.clone());
        let after = with(&site, &before);
        assert_eq!(after.len(), before.len() + 1);
        for eye in &after {
            assert!(eye.point.is_some());
            assert_eq!(eye.watch.signs, if eye.own.link == link.name { 0 } else { 7 }, "{}", eye.own.point());
        }
        site.mqtt.clear();
        assert!(with(&site, &after).iter().all(|eye| eye.own.link != link.name));
    }

    #[test]
    fn a_trouble_is_told_when_it_comes_lingers_and_goes() {
        let mut watch = Watch::default();
        assert_eq!(watch.look(0, false, 1_000), Some(false), "said once at the start");
        assert_eq!(watch.look(0, false, 2_000), None);
        assert_eq!(watch.look(3, false, 3_000), Some(true));
        assert_eq!(watch.look(3, false, 62_999), None);
        assert_eq!(watch.look(3, false, 63_000), Some(false));
        assert_eq!(watch.look(3, false, 123_000), Some(false), "told again after a minute");
    }

    #[test]
    fn a_trouble_that_lasts_is_present_however_long() {
        let mut watch = Watch::default();
        assert_eq!(watch.look(0, true, 1_000), Some(true));
        for minute in 1..10 {
            assert_eq!(watch.look(0, true, 1_000 + minute * 60_000), Some(true), "minute {minute}");
        }
        assert_eq!(watch.look(0, false, 601_000), Some(false), "over a minute after its last sign");
    }
}
