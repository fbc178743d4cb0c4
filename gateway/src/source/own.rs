//! The gateway as a device of its own: what it has to say about itself comes as readings of the device `gengfu`, and
//! rules make alarms of them like of any other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gengfu_core::alarm::Priority;
use gengfu_core::detect::{Params, digital};
use gengfu_core::normalize::Scaling;
use gengfu_core::quality::Quality;
use gengfu_core::reading::{PointId, Reading};
use gengfu_core::time::{Mono, Now};
use tokio::sync::watch;

use crate::catalog::{Catalog, PointMeta};
use crate::config::checked::{LevelMeta, PointLabel, PointSpec, Rule, Site};
use crate::flow::{AlarmEvent, Batch, Text};
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
/// Pushes that reach nobody for this long are a trouble of their own.
const PUSH_MS: u64 = 120_000;
/// Room for an outage, in hours at the present rate, below which people are told while a sink is behind.
const SHORT_HOURS: f64 = 6.0;
/// A push that has waited for less than this is on its way; for longer, and nobody knows yet whether it gets through.
const PUSH_DOUBT_MS: u64 = 30_000;
const _: () = assert!(PUSH_DOUBT_MS < LINGER_MS, "a start must not end a trouble before there is a doubt");
/// A look this late means that the whole process stood still (or the machine did). Whoever looks then sees others that
/// are as late as itself, so it waits this long before it believes what it sees.
const STANDSTILL_MS: u64 = 3_000;
/// Less than this between two looks is a clock being disciplined, not set.
const STEP_MS: i64 = 1_000;
/// An unchanged value is told again after this long.
const REPEAT_MS: u64 = 60_000;

/// What is seen of a trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sight {
    Lasts,
    Well,
    /// Neither is known yet: what was told before stays as it is, be it of the run before.
    Unknown,
}

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
    /// What is seen of it now; for the link of this name, where it is one of a link.
    sight: fn(&Journal, &Outages, &str) -> Sight,
}

const TROUBLES: [Trouble; 10] = [
    Trouble {
        point: "journal-fault",
        each_link: false,
        label: "日志磁盘 / journal disk",
        words: ["正常 / fine", "无法写入 / takes no writes"],
        priority: Priority::High,
        advice: "磁盘无法写入，报警仍会推送：检查磁盘空间与健康 / The disk takes no writes (alarms are still pushed): check its space and health.",
        signs: |stats| stats.refused(RefusedReason::JournalFull),
        sight: |journal, _, _| if journal.sick() { Sight::Lasts } else { Sight::Well },
    },
    Trouble {
        point: "journal-repaired",
        each_link: false,
        label: "日志文件 / journal file",
        words: ["完好 / whole", "损坏后已修复 / torn and repaired"],
        priority: Priority::High,
        advice: "启动时日志文件损坏，已截取完好部分并另存坏文件：检查磁盘与供电 / The journal was torn: what is whole was kept, the damaged file set aside (*.damaged-*): check disk and power.",
        signs: |stats| stats.journal_repairs.get(),
        sight: |_, _, _| Sight::Well,
    },
    Trouble {
        point: "link-down",
        each_link: true,
        label: "采集链路 / field link",
        words: ["正常 / fine", "中断 / down"],
        priority: Priority::High,
        advice: "采集链路中断，其测点均无有效数值：检查网络与服务 / A line or broker can't be reached, its points have no value: check the network and the service.",
        signs: |_| 0,
        sight: |_, outages, link| outages.of_link(link),
    },
    Trouble {
        point: "push-down",
        each_link: false,
        label: "报警推送 / alarm push",
        words: ["正常 / fine", "无法送达 / not delivered"],
        priority: Priority::High,
        advice: "有报警推送超过 2 分钟未被接收，值班人员可能收不到报警：检查网络与推送服务 / A push has not been accepted for 2 min, people may not hear of alarms: check the network and the receiver.",
        signs: |_| 0,
        sight: |_, outages, _| outages.push.unwrap_or(Sight::Unknown),
    },
    Trouble {
        point: "outage-room",
        each_link: false,
        label: "断网存储余量 / outage room",
        words: ["充足 / enough", "不足 / running short"],
        priority: Priority::High,
        advice: "转发中断，剩余空间不足 6 小时，之后待转发的数据将被抽稀：恢复网络或中心库 / Forwarding is down and there is room for less than 6 h; then what is owed will be thinned: restore the network or the store.",
        signs: |_| 0,
        sight: |journal, _, _| if journal.health().room.is_short(SHORT_HOURS) { Sight::Lasts } else { Sight::Well },
    },
    Trouble {
        point: "site-file",
        each_link: false,
        label: "站点配置文件 / site file",
        words: ["已采用 / in force", "未采用 / not in force"],
        priority: Priority::Medium,
        advice: "磁盘上的站点配置文件未被采用（有误，或须重启才生效），网关按上次有效的配置运行：用 gengfu check 查看并改正后重新加载，或 gengfu rollback / The site file on disk was not taken up (it is wrong, or wants a restart), the gateway runs on the last good one: see gengfu check, mend and reload it, or gengfu rollback.",
        signs: |_| 0,
        sight: |_, outages, _| if outages.file { Sight::Lasts } else { Sight::Well },
    },
    Trouble {
        point: "clock-off",
        each_link: false,
        label: "设备时钟 / device clock",
        words: ["准确 / right", "不准 / off"],
        priority: Priority::Medium,
        advice: "有设备时间与网关不符，读数按到达时间保存：校时 / A device's clock is off, its readings are kept at arrival time: set it.",
        signs: |stats| stats.clock_off.get(),
        sight: |_, _, _| Sight::Well,
    },
    Trouble {
        point: "devices-refused",
        each_link: false,
        label: "上报设备数 / number of devices",
        words: ["正常 / fine", "超过上限 / over the limit"],
        priority: Priority::Medium,
        advice: "上报设备数超过 max_devices：核对主题或提高上限 / More devices than max_devices: check the topics or raise it.",
        signs: |stats| stats.refused(RefusedReason::TooManyDevices),
        sight: |_, _, _| Sight::Well,
    },
    Trouble {
        point: "source-restarted",
        each_link: false,
        label: "采集任务 / source task",
        words: ["正常 / fine", "出错后已重启 / failed and was restarted"],
        priority: Priority::Medium,
        advice: "采集任务异常后已自动重启：请报告此日志 / A source task failed and was restarted: please report its log.",
        signs: |stats| stats.source_restarts.get(),
        sight: |_, _, _| Sight::Well,
    },
    Trouble {
        point: "reader-restarted",
        each_link: false,
        label: "推送转发任务 / push and forward task",
        words: ["正常 / fine", "出错后已重启 / failed and was restarted"],
        priority: Priority::High,
        advice: "推送、转发或界面任务异常后已自动重启，推送可能延迟：请报告此日志 / A push, forward or console task failed and was restarted, pushes may be late: please report its log.",
        signs: |stats| stats.reader_restarts.get(),
        sight: |_, _, _| Sight::Well,
    },
];

/// Lines, brokers and push channels out of reach, by name: the wall time that says which outage it is, and the counter when
/// it was first seen, since a clock that is set must neither make an outage long nor keep it short.
#[derive(Default)]
pub(crate) struct Outages {
    seen: BTreeMap<String, (i64, u64)>,
    /// Links that are up: only that ends an outage. One that is down anew, or not up yet after a start, is not well.
    up: BTreeSet<String>,
    /// Those that have lasted longer than a reconnect takes.
    long: BTreeSet<String>,
    /// What is seen of the push channels together: one that has been gone for [`PUSH_MS`] is a trouble, and so is one push
    /// that waits for so long to be accepted, whatever else gets through.
    pub(crate) push: Option<Sight>,
    /// The site file on disk is not in force.
    file: bool,
    /// When the first look was, or the first at these push channels.
    began: Option<u64>,
}

impl Outages {
    fn of_link(&self, link: &str) -> Sight {
        match (self.long.contains(link), self.up.contains(link)) {
            (true, _) => Sight::Lasts,
            (false, true) => Sight::Well,
            (false, false) => Sight::Unknown,
        }
    }

    /// The push channels are not those of before: it is not known anew whether they are well, and a reload ends no trouble.
    fn other_channels(&mut self) {
        self.began = None;
    }

    /// `channels`: how many push channels there are. One that has had nothing to say since it began is not known to be well
    /// for as long as it takes to know that it is not. `unpushed`: since when the oldest push waits.
    pub(crate) fn look(
        &mut self,
        links: BTreeMap<String, LinkStatus>,
        channels: usize,
        unpushed: Option<Mono>,
        now_ms: u64,
    ) {
        let push = |name: &str| name.starts_with("webhook/");
        self.up = links.iter().filter(|(_, link)| link.state == LinkState::Up).map(|(name, _)| name.clone()).collect();
        let down = |link: &LinkStatus| matches!(link.state, LinkState::Down { .. });
        let links = links.into_iter().filter(|(name, link)| !name.starts_with("influxdb/") && down(link));
        let before = std::mem::take(&mut self.seen);
        let begun = |name: &str, since: i64| match before.get(name) {
            Some((outage, begun)) if *outage == since => *begun,
            Some(_) | None => now_ms,
        };
        self.seen = links.map(|(name, link)| (name.clone(), (link.since, begun(&name, link.since)))).collect();
        let lasts = |begun: u64, limit: u64| now_ms.saturating_sub(begun) >= limit;
        let long = self.seen.iter().filter(|(name, (_, begun))| !push(name) && lasts(*begun, LINK_MS));
        self.long = long.map(|(name, _)| name.clone()).collect();
        let young = !lasts(*self.began.get_or_insert(now_ms), PUSH_MS);
        let mut gone =
            self.seen.iter().filter(|(name, _)| push(name)).map(|(_, (_, begun))| lasts(*begun, PUSH_MS)).peekable();
        let waits = |limit: u64| unpushed.is_some_and(|since| lasts(since.0, limit));
        let unproven = gone.peek().is_some() || (young && self.up.iter().filter(|name| push(name)).count() < channels);
        self.push = Some(match (gone.any(|long| long) || waits(PUSH_MS), unproven || waits(PUSH_DOUBT_MS)) {
            (true, _) => Sight::Lasts,
            (false, true) => Sight::Unknown,
            (false, false) => Sight::Well,
        });
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
    /// What was told last and when, in this run. Before the first it is what stood when the run began.
    present: bool,
    told: Option<u64>,
}

impl Watch {
    /// Of a trouble that stood when the watch began: that counts as a sign of it, so a start is not the end of a trouble.
    /// `signs` were told of before.
    fn begun(stood: bool, signs: u64, now_ms: u64) -> Self {
        Self { signs, last_sign: stood.then_some(now_ms), present: stood, told: None }
    }

    /// The value to tell, if it is time to tell one.
    fn look(&mut self, signs: u64, sight: Sight, now_ms: u64) -> Option<bool> {
        let sign = signs > self.signs;
        self.signs = signs;
        if sign || sight == Sight::Lasts || (sight == Sight::Unknown && self.present) {
            self.last_sign = Some(now_ms);
        } else if sight == Sight::Unknown {
            return None;
        }
        let present = self.last_sign.is_some_and(|last| now_ms.saturating_sub(last) < LINGER_MS);
        let due = self.told.is_none_or(|at| present != self.present || now_ms.saturating_sub(at) >= REPEAT_MS);
        due.then(|| {
            (self.present, self.told) = (present, Some(now_ms));
            present
        })
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

/// Tells a look after a standstill, and for a while afterwards.
struct Standstill {
    looked: u64,
    woke: Option<u64>,
}

impl Standstill {
    /// Whether what is seen now says nothing.
    fn blind(&mut self, now_ms: u64) -> bool {
        if now_ms.saturating_sub(self.looked) >= STANDSTILL_MS {
            self.woke = Some(now_ms);
        }
        self.looked = now_ms;
        self.woke.is_some_and(|woke| now_ms.saturating_sub(woke) < STANDSTILL_MS)
    }
}

/// The signs of each trouble that were told of in this run: a task that panicked and is started again tells none twice,
/// and misses none that came before its start.
#[derive(Debug, Clone, Default)]
pub struct Seen(Arc<Mutex<BTreeMap<&'static str, u64>>>);

impl Seen {
    fn of(&self, trouble: &Trouble) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(trouble.point).copied().unwrap_or(0)
    }

    fn note(&self, trouble: &Trouble, signs: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(trouble.point, signs);
    }
}

/// Watches until told to stop; the links and push channels are those of the site of now.
pub async fn run(mut context: Context, mut sites: watch::Receiver<Arc<Site>>, journal: Journal, seen: Seen) {
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
        outages.file = context.stats.site_file_trouble().is_some();
        let mut batch = Batch::default();
        for Eye { own: Own { trouble, link }, point, watch } in &mut eyes {
            let sight = (trouble.sight)(&journal, &outages, link);
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
            outages.look(links, 0, None, now_ms);
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
        outages.look(BTreeMap::from([("lora".to_owned(), down(1))]), 0, None, 0);
        outages.look(BTreeMap::from([("lora".to_owned(), down(1)), ("pumps".to_owned(), down(2))]), 0, None, LINK_MS);
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

    #[test]
    fn other_push_channels_are_not_known_to_be_well_before_they_have_pushed_and_none_are_well() {
        let down = LinkStatus { state: LinkState::Down { why: "connection refused".to_owned() }, since: 1 };
        let up = LinkStatus { state: LinkState::Up, since: 300_000 };
        let links = |status: &LinkStatus| BTreeMap::from([("webhook/duty".to_owned(), status.clone())]);
        let mut outages = Outages::default();
        let mut look = |links, channels, now_ms, other: bool| {
            if other {
                outages.other_channels();
            }
            outages.look(links, channels, None, now_ms);
            outages.push
        };
        look(links(&down), 1, 1_000, false);
        assert_eq!(look(links(&down), 1, 200_000, false), Some(Sight::Lasts));
        assert_eq!(
            look(BTreeMap::new(), 1, 201_000, true),
            Some(Sight::Unknown),
            "a reload is no proof that it is mended"
        );
        assert_eq!(look(links(&up), 1, 205_000, false), Some(Sight::Well));
        assert_eq!(look(links(&down), 1, 400_000, false), Some(Sight::Unknown));
        assert_eq!(look(links(&down), 1, 520_000, false), Some(Sight::Lasts));
        assert_eq!(look(BTreeMap::new(), 0, 521_000, true), Some(Sight::Well), "whom nobody pushes to misses nothing");
    }

    #[test]
    fn a_push_channel_that_reaches_nobody_for_two_minutes_is_a_trouble_until_it_does() {
        let link = |state, since| BTreeMap::from([("webhook/duty".to_owned(), LinkStatus { state, since })]);
        let down = || LinkState::Down { why: "connection refused".to_owned() };
        let mut outages = Outages::default();
        outages.look(link(down(), 5), 1, None, 1_000);
        outages.look(link(down(), 5), 1, None, 120_999);
        assert_eq!(outages.push, Some(Sight::Unknown));
        outages.look(link(down(), 5), 1, None, 121_000);
        assert!(outages.push == Some(Sight::Lasts) && outages.long.is_empty(), "it is no field link");
        outages.look(link(LinkState::Up, 9), 1, None, 122_000);
        assert_eq!(outages.push, Some(Sight::Well), "a push or a heartbeat was accepted");
        outages.look(link(LinkState::Up, 9), 2, None, 123_000);
        assert_eq!(outages.push, Some(Sight::Well), "the other had nothing to say, and nothing was refused");
    }

    #[test]
    fn a_push_channel_is_not_known_to_be_well_before_it_has_pushed_or_the_time_is_over() {
        let mut outages = Outages::default();
        let connecting = || {
            let status = LinkStatus { state: LinkState::Connecting, since: 1 };
            BTreeMap::from([("webhook/duty".to_owned(), status)])
        };
        outages.look(BTreeMap::new(), 1, None, 1_000);
        assert_eq!(outages.push, Some(Sight::Unknown), "its task has not begun");
        outages.look(connecting(), 1, None, 120_999);
        assert_eq!(outages.push, Some(Sight::Unknown));
        outages.look(connecting(), 1, None, 121_000);
        assert_eq!(outages.push, Some(Sight::Well), "nothing was to be pushed");
    }

    #[test]
    fn a_look_after_a_standstill_says_nothing() {
        let mut standstill = Standstill { looked: 1_000, woke: None };
        assert!(!standstill.blind(2_000) && !standstill.blind(3_500));
        assert!(standstill.blind(28_500), "SIGSTOP for 25 s");
        assert!(standstill.blind(29_500) && standstill.blind(31_400));
        assert!(!standstill.blind(31_600), "by now whoever is silent has a reason of its own");
    }

    #[test]
    fn a_trouble_is_told_when_it_comes_lingers_and_goes() {
        let mut watch = Watch::begun(false, 0, 0);
        assert_eq!(watch.look(0, Sight::Well, 1_000), Some(false), "said once at the start");
        assert_eq!(watch.look(0, Sight::Well, 2_000), None);
        assert_eq!(watch.look(3, Sight::Well, 3_000), Some(true));
        assert_eq!(watch.look(3, Sight::Well, 62_999), None);
        assert_eq!(watch.look(3, Sight::Well, 63_000), Some(false));
        assert_eq!(watch.look(3, Sight::Well, 123_000), Some(false), "told again after a minute");
    }

    #[test]
    fn a_watch_that_begins_again_tells_no_sign_twice_and_misses_none() {
        let seen = Seen::default();
        let of = |point: &str| TROUBLES.iter().find(|trouble| trouble.point == point).unwrap();
        let (clock, restarted) = (of("clock-off"), of("source-restarted"));
        seen.note(clock, 3);
        let begun = |trouble: &Trouble| Watch::begun(false, seen.of(trouble), 0);
        assert_eq!(begun(clock).look(3, Sight::Well, 1_000), Some(false), "told before the panic");
        assert_eq!(begun(restarted).look(1, Sight::Well, 1_000), Some(true), "the panic itself");
    }

    #[test]
    fn a_push_that_waits_for_two_minutes_is_a_trouble_on_a_channel_that_is_up() {
        let up = || BTreeMap::from([("webhook/duty".to_owned(), LinkStatus { state: LinkState::Up, since: 1 })]);
        let mut outages = Outages::default();
        let mut look = |unpushed: Option<u64>, now_ms| {
            outages.look(up(), 1, unpushed.map(Mono), now_ms);
            outages.push.unwrap()
        };
        assert_eq!(look(Some(1_000), 30_999), Sight::Well, "on its way");
        assert_eq!(look(Some(1_000), 31_000), Sight::Unknown, "what stood before a start stands on");
        assert_eq!(look(Some(1_000), 121_000), Sight::Lasts);
        assert_eq!(look(Some(120_000), 122_000), Sight::Well, "a newer one");
        assert_eq!(look(None, 123_000), Sight::Well);
    }

    #[test]
    fn a_trouble_that_lasts_is_present_however_long() {
        let mut watch = Watch::begun(false, 0, 0);
        assert_eq!(watch.look(0, Sight::Lasts, 1_000), Some(true));
        for minute in 1..10 {
            assert_eq!(watch.look(0, Sight::Lasts, 1_000 + minute * 60_000), Some(true), "minute {minute}");
        }
        assert_eq!(watch.look(0, Sight::Well, 601_000), Some(false), "over a minute after its last sign");
    }

    #[test]
    fn a_start_is_not_the_end_of_a_trouble() {
        let mut watch = Watch::begun(true, 0, 1_000);
        assert_eq!(watch.look(0, Sight::Unknown, 1_000), Some(true), "told anew, as it stood");
        assert_eq!(watch.look(0, Sight::Unknown, 300_000), Some(true), "until it is known to be over");
        assert_eq!(watch.look(0, Sight::Well, 301_000), None);
        assert_eq!(watch.look(0, Sight::Well, 360_000), Some(false));
        assert_eq!(watch.look(0, Sight::Unknown, 361_000), None, "down again, for a second");
        let mut chatty = Watch::begun(true, 0, 1_000);
        assert_eq!(chatty.look(0, Sight::Well, 2_000), Some(true), "what only shows in signs may show one yet");
        assert_eq!(chatty.look(0, Sight::Well, 61_000), Some(false));
        let mut fresh = Watch::begun(false, 0, 1_000);
        assert_eq!(fresh.look(0, Sight::Unknown, 2_000), None, "not well before it is known");
        assert_eq!(fresh.look(0, Sight::Well, 3_000), Some(false));
    }
}
