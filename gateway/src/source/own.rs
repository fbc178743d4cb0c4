//! The gateway as a device of its own: what it has to say about itself comes as readings of the device `gengfu`, and
//! rules make alarms of them like of any other.

use std::collections::BTreeMap;
use std::time::Duration;

use gengfu_core::alarm::Priority;
use gengfu_core::detect::{Params, digital};
use gengfu_core::normalize::Scaling;
use gengfu_core::quality::Quality;
use gengfu_core::reading::{PointId, Reading};
use gengfu_core::time::Now;

use crate::catalog::PointMeta;
use crate::config::checked::{Labels, LevelMeta, PointLabel, PointSpec, Rule, Site};
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
    /// What people call it, and its words for 0 and 1.
    label: &'static str,
    words: [&'static str; 2],
    priority: Priority,
    advice: &'static str,
    /// Counts its signs in this run.
    signs: fn(&Stats) -> u64,
    /// Whether it lasts now.
    lasts: fn(&Journal, &Outages) -> bool,
}

const TROUBLES: [Trouble; 7] = [
    Trouble {
        point: "journal-fault",
        label: "日志磁盘 / journal disk",
        words: ["正常 / fine", "无法写入 / takes no writes"],
        priority: Priority::High,
        advice: "磁盘无法写入，报警仍会推送：检查磁盘空间与健康 / The disk takes no writes (alarms are still pushed): check its space and health.",
        signs: |stats| stats.refused(RefusedReason::JournalFull),
        lasts: |journal, _| journal.sick(),
    },
    Trouble {
        point: "journal-repaired",
        label: "日志文件 / journal file",
        words: ["完好 / whole", "损坏后已修复 / torn and repaired"],
        priority: Priority::High,
        advice: "启动时日志文件损坏，已截取完好部分并另存坏文件：检查磁盘与供电 / The journal was torn: what is whole was kept, the damaged file set aside (*.damaged-*): check disk and power.",
        signs: |stats| stats.journal_repairs.get(),
        lasts: |_, _| false,
    },
    Trouble {
        point: "link-down",
        label: "采集链路 / field link",
        words: ["正常 / fine", "中断 / down"],
        priority: Priority::High,
        advice: "采集链路中断，其测点均无有效数值：检查网络与服务 / A line or broker can't be reached, its points have no value: check the network and the service.",
        signs: |_| 0,
        lasts: |_, outages| outages.long,
    },
    Trouble {
        point: "clock-off",
        label: "设备时钟 / device clock",
        words: ["准确 / right", "不准 / off"],
        priority: Priority::Medium,
        advice: "有设备时间与网关不符，读数按到达时间保存：校时 / A device's clock is off, its readings are kept at arrival time: set it.",
        signs: |stats| stats.clock_off.get(),
        lasts: |_, _| false,
    },
    Trouble {
        point: "devices-refused",
        label: "上报设备数 / number of devices",
        words: ["正常 / fine", "超过上限 / over the limit"],
        priority: Priority::Medium,
        advice: "上报设备数超过 max_devices：核对主题或提高上限 / More devices than max_devices: check the topics or raise it.",
        signs: |stats| stats.refused(RefusedReason::TooManyDevices),
        lasts: |_, _| false,
    },
    Trouble {
        point: "source-restarted",
        label: "采集任务 / source task",
        words: ["正常 / fine", "出错后已重启 / failed and was restarted"],
        priority: Priority::Medium,
        advice: "采集任务异常后已自动重启：请报告此日志 / A source task failed and was restarted: please report its log.",
        signs: |stats| stats.source_restarts.get(),
        lasts: |_, _| false,
    },
    Trouble {
        point: "reader-restarted",
        label: "推送转发任务 / push and forward task",
        words: ["正常 / fine", "出错后已重启 / failed and was restarted"],
        priority: Priority::High,
        advice: "推送、转发或界面任务异常后已自动重启，推送可能延迟：请报告此日志 / A push, forward or console task failed and was restarted, pushes may be late: please report its log.",
        signs: |stats| stats.reader_restarts.get(),
        lasts: |_, _| false,
    },
];

/// Lines and brokers out of reach, by name: the wall time that says which outage it is, and the counter when it was first
/// seen, since a clock that is set must neither make an outage long nor keep it short.
#[derive(Default)]
struct Outages {
    seen: BTreeMap<String, (i64, u64)>,
    /// One of them has lasted longer than a reconnect takes.
    long: bool,
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
        self.long = self.seen.values().any(|(_, begun)| now_ms.saturating_sub(*begun) >= LINK_MS);
    }
}

/// Descriptions of its points.
pub fn points() -> Vec<(PointMeta, PointSpec)> {
    let meta = |point: &str| PointMeta {
        device: DEVICE.to_owned(),
        point: point.to_owned(),
        kind: KIND.to_owned(),
        area: None,
        unit: None,
        life_safety: false,
        source: Some(DEVICE.to_owned()),
    };
    let spec = |point: &str| PointSpec {
        name: point.to_owned(),
        unit: None,
        scaling: Scaling::default(),
        life_safety: false,
        bad_after: Duration::from_secs(10),
        stale_after: None,
    };
    TROUBLES.iter().map(|t| (meta(t.point), spec(t.point))).collect()
}

/// The rules that make alarms of them.
pub fn rules() -> Vec<Rule> {
    let detector = Params::Digital(digital::Params { is: 1.0, negate: false, on_ms: 0, off_ms: 0 });
    let rule = |t: &Trouble| Rule {
        id: format!("{DEVICE}/{}", t.point),
        points: vec![format!("{DEVICE}/{}", t.point)],
        detector,
        levels: vec![LevelMeta { priority: t.priority, latch: false }],
        basis: None,
        advice: Some(t.advice.to_owned()),
    };
    TROUBLES.iter().map(rule).collect()
}

/// Adds to a site what the gateway has to say about itself.
pub fn complete(site: &mut Site) {
    site.rules.extend(rules());
    label(&mut site.labels);
}

/// What people call the gateway and its troubles.
pub fn label(labels: &mut Labels) {
    labels.name_device(DEVICE, Text::of("本网关 / this gateway"));
    for trouble in &TROUBLES {
        let words = trouble.words.map(Text::of).to_vec();
        let label = PointLabel { label: Some(Text::of(trouble.label)), words };
        labels.name_point(format!("{DEVICE}/{}", trouble.point), label);
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

/// Watches until told to stop.
pub async fn run(mut context: Context, journal: Journal) {
    let names = TROUBLES.map(|t| format!("{DEVICE}/{}", t.point));
    let ids: Vec<Option<PointId>> = names.iter().map(|name| context.catalog.find(name)).collect();
    let mut watches = [Watch::default(); TROUBLES.len()];
    let mut ticker = tokio::time::interval(LOOK);
    let (mut pace, mut outages) = (Pace(context.clock.now()), Outages::default());
    loop {
        tokio::select! {
            _ = ticker.tick() => {}
            () = context.stop.wait() => return,
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
        for ((trouble, id), watch) in TROUBLES.iter().zip(&ids).zip(&mut watches) {
            let told = watch.look((trouble.signs)(&context.stats), (trouble.lasts)(&journal, &outages), now.mono.0);
            if let (Some(present), Some(point)) = (told, *id) {
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
            outages.long
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
