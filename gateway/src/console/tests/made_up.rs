//! A small site with some of everything: good, doubtful and bad points, alarms in every state, sinks, links.

use std::sync::Mutex;
use std::time::Duration;

use gengfu_core::alarm::Priority;
use gengfu_core::detect::limit::{Level, Params as LimitParams, Side};
use gengfu_core::detect::{Params, digital, trend};
use gengfu_core::quality::{Quality, Reason};
use gengfu_core::reading::{PointId, Reading};
use gengfu_core::time::Wall;

use crate::catalog::{Catalog, PointMeta};
use crate::config::checked::{ConsoleConfig, JournalConfig, Labels, LevelMeta, PointLabel, Policy, Rule, Site};
use crate::console::history::{Answer, History};
use crate::driver::{Belief, DriftBelief, ForgetOrder, Forgotten, Held, Member, Snapshot};
use crate::flow::{Acknowledged, AlarmEvent, Figures, Noted, Text};
use crate::foretold::lane as foretold;
use crate::journal::{
    BEGUN, Bucket, Entry, Health, Lane, Letter, Letters, ModeRecord, Record, Redrive, Redriven, Room, Seq, SinkBalance,
};

pub(in crate::console) fn site() -> Site {
    Site {
        id: "binjiang-mall-07".to_owned(),
        name: "滨江天街".to_owned(),
        street: Some("长河街道".to_owned()),
        industry: Some("commercial-complex".to_owned()),
        timezone: "Asia/Shanghai".to_owned(),
        calendar: gengfu_core::detect::calendar::Calendar::default(),
        clock_tolerance: Duration::from_mins(1),
        journal: JournalConfig {
            path: "/nowhere".into(),
            keep: Duration::from_secs(1),
            keep_life_safety: Duration::from_secs(1),
            max_size: 1,
        },
        console: ConsoleConfig { listen: ([127, 0, 0, 1], 0).into() },
        modbus: Vec::new(),
        mqtt: Vec::new(),
        rules: rules(),
        policy: Policy::default(),
        performance: gengfu_core::alarm::performance::Params::default(),
        warning: crate::config::checked::WarningConfig::default(),
        labels: labels(),
        influx: Vec::new(),
        uplinks: Vec::new(),
        webhooks: Vec::new(),
    }
}

fn labels() -> Labels {
    let point = |label: &str, words: &[&str]| PointLabel {
        label: Some(Text::of(label)),
        words: words.iter().map(|word| Text::of(word)).collect(),
    };
    let mut labels = Labels::default();
    labels.name_device("hydrant-main", Text::of("消火栓主管 / hydrant main"));
    labels.name_point("hydrant-main/pressure".to_owned(), point("压力 / pressure", &[]));
    labels.name_device("exit-3f-east", Text::of("三层东侧安全出口 / exit on floor 3 east"));
    labels.name_point("exit-*/blocked".to_owned(), point("通道 / passage", &["畅通 / clear", "被占用 / blocked"]));
    labels
}

fn rules() -> Vec<Rule> {
    let level = |limit, clear| Level { limit, clear, on_ms: 10_000, off_ms: 0 };
    let rule = |id: &str, point: &str, detector, levels: &[(Priority, bool)]| {
        let levels = levels.iter().map(|&(priority, latch)| LevelMeta { priority, latch, shelvable: !latch }).collect();
        Rule {
            basis: Some("GB 50974-2014".to_owned()),
            advice: Some("检查消防泵控制柜与主阀".to_owned()),
            ..Rule::new(id.to_owned(), vec![point.to_owned()], detector, levels)
        }
    };
    let low = Params::Limit(LimitParams { side: Side::Low, first: level(0.15, 0.17), second: None });
    let high =
        Params::Limit(LimitParams { side: Side::High, first: level(25.0, 22.0), second: Some(level(50.0, 45.0)) });
    let slope = Params::Trend(trend::Params { limit: 0.15, side: Side::Low, within_ms: 1_800_000, window_ms: 600_000 });
    let open = Params::Digital(digital::Params { is: 1.0, negate: false, on_ms: 0, off_ms: 0 });
    vec![
        rule("hydrant-low", "hydrant-main/pressure", low, &[(Priority::Critical, false)]),
        rule("hydrant-falling", "hydrant-main/pressure", slope, &[(Priority::High, false)]),
        rule("kitchen-gas", "gas-*/ch4", high, &[(Priority::High, false), (Priority::Critical, true)]),
        rule("sprinkler-falling", "sprinkler-b1/pressure", slope, &[(Priority::Medium, false)]),
        rule("exit-blocked", "exit-*/blocked", open, &[(Priority::Medium, true)]),
    ]
}

type Row = (&'static str, &'static str, &'static str, Option<&'static str>, bool, Option<(f64, Quality)>);

const ROWS: [Row; 12] = [
    ("hydrant-main", "pressure", "hydrant", Some("MPa"), true, Some((0.1423, Quality::Good))),
    ("hydrant-main", "temperature", "hydrant", Some("°C"), false, Some((11.25, Quality::Good))),
    ("sprinkler-b1", "pressure", "sprinkler", Some("MPa"), true, Some((0.62, Quality::Uncertain(Reason::Clock)))),
    ("sprinkler-b1", "flow", "sprinkler", Some("L/s"), false, Some((0.0, Quality::Good))),
    ("fire-pump-1", "running", "pump", None, true, Some((0.0, Quality::Good))),
    ("fire-pump-1", "supply", "pump", Some("V"), false, Some((398.6, Quality::Good))),
    ("gas-01", "ch4", "gas", Some("%LEL"), true, Some((27.4, Quality::Good))),
    ("gas-02", "ch4", "gas", Some("%LEL"), true, Some((0.0, Quality::Bad(Reason::Timeout)))),
    ("gas-03", "ch4", "gas", Some("%LEL"), true, None),
    ("exit-3f-east", "blocked", "exit", None, false, Some((1.0, Quality::Good))),
    ("lift-2", "current", "elevator", Some("A"), false, Some((14.82, Quality::Good))),
    ("lift-2", "door-cycles", "elevator", None, false, Some((128_402.0, Quality::Good))),
];

/// Adds the points to the catalog and gives their present.
pub(in crate::console) fn snapshot(catalog: &Catalog, now: i64) -> Snapshot {
    let mut points = Vec::new();
    for (device, point, kind, unit, life_safety, present) in ROWS {
        let id = catalog.add(PointMeta {
            device: device.to_owned(),
            point: point.to_owned(),
            kind: kind.to_owned(),
            area: Some("B1".to_owned()),
            unit: unit.map(str::to_owned),
            life_safety,
            source: Some("pump-room".to_owned()),
        });
        let reading = present.map(|(value, quality)| Reading { point: id, at: Wall(now - 800), value, quality });
        points.push((id, reading));
    }
    let mut alarms: Vec<AlarmEvent> = (1..=5).map(alarm).collect();
    for alarm in &mut alarms {
        alarm.onset =
            now - 60_000 * i64::from(alarm.id.ends_with('1')) - 300_000 * i64::from(alarm.id.ends_with('2')) - 42_000;
        alarm.since = alarm.onset;
    }
    Snapshot { points, alarms, mono: 1, ..Snapshot::default() }
}

/// What three rules believe, one of each kind.
pub(in crate::console) fn held() -> Vec<Held> {
    let held = |rule: &str, point: &str, stands, belief| Held {
        rule: rule.to_owned(),
        point: point.to_owned(),
        unit: (point == "lift-2/current").then(|| "A".to_owned()),
        stands,
        belief,
    };
    let drift = Belief::Drift(DriftBelief {
        usual: Some(14.8),
        sigma: 0.25,
        learned: 1.0,
        restarts: 2,
        moved: -0.5,
        aside: 0.0,
        wary: true,
    });
    let load = Belief::Residual {
        expected: Some(61.5),
        full_load: 40.0,
        load_learned: 1.0,
        rest: DriftBelief {
            usual: Some(0.1),
            sigma: 0.2,
            learned: 1.0,
            restarts: 0,
            moved: 0.0,
            aside: 0.0,
            wary: false,
        },
    };
    let share = Belief::Ratio {
        share: Some(0.03),
        drift: DriftBelief {
            usual: Some(0.025),
            sigma: 0.01,
            learned: 1.0,
            restarts: 0,
            moved: 0.0,
            aside: 0.0,
            wary: false,
        },
    };
    let member = |point: &str, usual, doubt| Member {
        point: Some(point.to_owned()),
        usual,
        stray: usual.map(|_| 0.25),
        z: usual.map(|_| 0.5),
        doubt,
    };
    let points = vec![member("lift-2/current", Some(14.5), None), member("lift-2/speed", None, Some("unlearned"))];
    let habit = Belief::Habit { level: None, spread: None, taught: None, known: 41 };
    vec![
        held("lift-drift", "lift-2/current", true, drift),
        held(
            "jockey",
            "fire-pump-1/running",
            false,
            Belief::Rhythm { interval_ms: Some(16_320_000.0), taught_ms: Some(16_320_000.0) },
        ),
        held("flow-habit", "sprinkler-b1/flow", false, habit),
        held("lift-load", "lift-2/motor-temperature", false, load),
        held("lift-reopens", "lift-2/reopens", false, share),
        held("lift-group", "lift-2/current", false, Belief::Group { learned: 1.0, points }),
    ]
}

pub(in crate::console) fn forgotten(held: &Held, order: &ForgetOrder) -> Forgotten {
    let ForgetOrder { rule, point, by, reason } = order.clone();
    Forgotten { at: 1, rule, point, by, reason, believed: held.belief.clone() }
}

/// One of five alarms, each in a state of its own; times lie in 2026.
pub(in crate::console) fn alarm(n: u8) -> AlarmEvent {
    let (device, point, rule, priority, state, value, limit, unit) = match n {
        1 => ("hydrant-main", "pressure", "hydrant-low", "critical", "unacknowledged", Some(0.1423), Some(0.15), "MPa"),
        2 => ("gas-02", "ch4", "gas-02/absent", "high", "acknowledged", None, None, "%LEL"),
        3 => ("gas-01", "ch4", "kitchen-gas", "high", "returned", Some(27.4), Some(25.0), "%LEL"),
        4 => {
            ("sprinkler-b1", "pressure", "sprinkler-falling", "medium", "unacknowledged", Some(0.62), Some(0.4), "MPa")
        }
        _ => ("exit-3f-east", "blocked", "exit-blocked", "low", "latched-acknowledged", Some(1.0), None, ""),
    };
    AlarmEvent {
        id: format!("00000000000000a{n}"),
        number: 1,
        event: "raise".to_owned(),
        state: state.to_owned(),
        site: "binjiang-mall-07".to_owned(),
        device: device.to_owned(),
        point: point.to_owned(),
        kind: "hydrant".to_owned(),
        rule: rule.to_owned(),
        priority: priority.to_owned(),
        level: 0,
        value,
        quality: if value.is_some() { "good" } else { "bad" }.to_owned(),
        reason: value.is_none().then(|| "timeout".to_owned()),
        unit: (!unit.is_empty()).then(|| unit.to_owned()),
        limit,
        time_to_limit: (n == 4).then_some(840_000),
        early_warning: n == 4,
        message: said(n),
        advice: (n != 2).then(|| "检查消防泵控制柜与主阀，必要时启动备用泵。".to_owned()),
        basis: (n != 2).then(|| "GB 50974-2014".to_owned()),
        onset: 1_790_000_000_000,
        since: 1_790_000_000_000,
        occurred: 1_790_000_000_000,
        detected: 1_790_000_000_000,
        by: (state == "acknowledged").then(|| "值班员甲".to_owned()),
        raised: Some(Figures {
            ballot: None,
            value,
            quality: if value.is_some() { "good" } else { "bad" }.to_owned(),
            reason: value.is_none().then(|| "timeout".to_owned()),
            limit,
            time_to_limit: (n == 4).then_some(840_000),
            at: 1_790_000_000_000,
        }),
        acknowledged: matches!(state, "acknowledged" | "latched-acknowledged").then(|| Acknowledged {
            by: "值班员甲".to_owned(),
            at: 1_790_000_060_000,
            note: Some("已派人到现场".to_owned()),
        }),
        noted: (n == 1).then(noted),
        life: None,
        shelved: None,
        out_of_service: None,
        suppressed: false,
        test: None,
        first: false,
        shadow: false,
        note: None,
        clock: None,
        ballot: None,
    }
}

fn said(n: u8) -> Text {
    let (zh, en) = match n {
        1 => {
            ("消火栓主管压力低：0.1423 MPa，低于限值 0.15 MPa", "Hydrant main pressure low: 0.1423 MPa, below 0.15 MPa")
        }
        2 => ("厨房燃气探头失去数据：应答超时", "Kitchen gas detector without data: no answer in time"),
        3 => ("厨房燃气浓度高：27.4 %LEL，高于限值 25 %LEL", "Kitchen gas high: 27.4 %LEL, above 25 %LEL"),
        4 => ("喷淋压力下降，约 14 分钟后到达限值", "Sprinkler pressure is falling, limit in about 14 min"),
        _ => ("三层东侧安全出口被占用", "Exit on floor 3 east was blocked"),
    };
    Text { zh: zh.to_owned(), en: en.to_owned() }
}

fn noted() -> Noted {
    Noted { by: "值班员乙".to_owned(), at: 1_790_000_090_000, note: "等备件，周五到货".to_owned() }
}

/// A mode that runs in an area.
pub(in crate::console) fn mode(area: &str, mode: &str) -> ModeRecord {
    ModeRecord {
        at: 1_790_000_000_000,
        area: area.to_owned(),
        mode: mode.to_owned(),
        change: BEGUN.to_owned(),
        by: "值班员甲".to_owned(),
        reason: "年检".to_owned(),
        began: 1_790_000_000_000,
        until: 4_000_000_000_000,
        tripped: vec!["gas-01/ch4".to_owned()],
        untripped: vec!["gas-02/ch4".to_owned(), "gas-03/ch4".to_owned()],
    }
}

pub(in crate::console) fn balance(sink: &str) -> SinkBalance {
    SinkBalance {
        sink: sink.to_owned(),
        lane: Lane::Telemetry,
        committed: 1_284_310,
        delivered: 1_284_102,
        pending: 208,
        dead: 0,
        thinned: 0,
        expired: 0,
    }
}

pub(in crate::console) fn health(progress: u64) -> Health {
    Health {
        alarm_progress: progress,
        telemetry_progress: progress,
        alarm_error: None,
        telemetry_error: None,
        ring: 0,
        queued: 12,
        undated: 0,
        bytes_on_disk: 52_428_800,
        room: Room { owed: 12, hourly: 3_600_000, hours_left: Some(71.6), gives_way: false },
    }
}

/// Ten entries: seq 10 down to 1, odd ones alarms.
fn ten() -> Vec<Entry> {
    let entry = |seq: Seq| match seq % 2 {
        1 => Entry::Alarm(AlarmEvent { number: seq as u32, id: "00000000000000ff".to_owned(), ..alarm(1) }),
        _ => Entry::Stop { at: 0 },
    };
    (1..=10).rev().map(entry).collect()
}

/// A journal that remembers what it was told and answers what the test wants.
#[derive(Debug)]
pub(in crate::console) struct Journal {
    pub(in crate::console) health: Mutex<Health>,
    pub(in crate::console) recorded: Mutex<Vec<Entry>>,
    pub(in crate::console) durable: Mutex<bool>,
    /// `(point, from, to, step)` of the last question.
    pub(in crate::console) asked: Mutex<Option<(PointId, i64, i64, i64)>>,
    /// The newest entry of all, where there is one.
    pub(in crate::console) newest: Mutex<Option<AlarmEvent>>,
    /// In place of the ten entries, newest first; `None`: the disk is sick.
    pub(in crate::console) entries: Mutex<Option<Vec<Entry>>>,
    /// Added to what the ledger says of a store's telemetry: thinned, expired.
    pub(in crate::console) given_up: Mutex<(u64, u64)>,
}

impl Default for Journal {
    fn default() -> Self {
        // Far ahead: the made-up writers never fall silent unless a test says so.
        let health = Mutex::new(health(u64::MAX));
        Self {
            health,
            recorded: Mutex::default(),
            durable: Mutex::new(true),
            asked: Mutex::default(),
            entries: Mutex::new(Some(ten())),
            given_up: Mutex::default(),
            newest: Mutex::default(),
        }
    }
}

impl History for Journal {
    fn ledger(&self) -> Vec<SinkBalance> {
        let alarms =
            SinkBalance { lane: Lane::Alarm, committed: 41, delivered: 41, pending: 0, ..balance("webhook/duty-room") };
        let store = balance("influxdb/central");
        let (thinned, expired) = *self.given_up.lock().unwrap();
        vec![SinkBalance { delivered: store.delivered - thinned - expired, thinned, expired, ..store }, alarms]
    }

    fn dead_letters(&self) -> Vec<Letters> {
        let (sink, reason) = ("influxdb/central".to_owned(), "400: field type conflict".to_owned());
        vec![Letters { sink, lane: Lane::Telemetry, from: 3, to: 9, count: 7, held: 7, reason }]
    }

    fn redrive(&self, sink: String, lane: Option<Lane>, (from, to): (Seq, Seq)) -> Answer<'_, Redrive> {
        let done = match sink.as_str() {
            "influxdb/central" => {
                let lane = lane.unwrap_or(Lane::Telemetry);
                Redrive::Done(vec![Redriven { sink, lane, owed: to.min(9) + 1 - from.max(3), left: 0 }])
            }
            "webhook/duty-room" => Redrive::NotAStore,
            "influxdb/sick-disk" => return Box::pin(std::future::pending()),
            _ => Redrive::NoSuchSink,
        };
        Box::pin(async move { done })
    }

    fn health(&self) -> Health {
        self.health.lock().unwrap().clone()
    }

    /// Falls from 0.35 MPa towards the limit, with a gap in the middle.
    fn buckets(&self, point: PointId, from: i64, to: i64, step_ms: i64) -> Answer<'_, Result<Vec<Bucket>, String>> {
        *self.asked.lock().unwrap() = Some((point, from, to, step_ms));
        let count = (to - from) / step_ms;
        let bucket = move |n: i64| {
            let part = n as f64 / count as f64;
            let mean = 0.35 - 0.21 * part + 0.008 * (n as f64 / 3.0).sin();
            let bad = (0.4..0.47).contains(&part);
            let usable = |value: f64| (!bad).then_some(value);
            Bucket {
                at: from + n * step_ms,
                min: usable(mean - 0.012),
                max: usable(mean + 0.01),
                mean: usable(mean),
                last: usable(mean),
                count: 6,
                bad: if bad { 6 } else { 0 },
                thinned: false,
            }
        };
        Box::pin(async move { Ok((0..count).map(bucket).collect()) })
    }

    fn entries(&self, before: Option<Seq>, max: usize) -> Answer<'_, Result<Vec<(Seq, Entry)>, String>> {
        let entries = self.entries.lock().unwrap().clone().ok_or_else(|| "the disk is sick".to_owned());
        let older = move |seq: &Seq| before.is_none_or(|before| *seq < before);
        let newest = self.newest.lock().unwrap().clone().filter(|_| before.is_none());
        let page = entries.map(|all| {
            let newest = newest.map(|event| (all.len() as Seq + 1, Entry::Alarm(event)));
            let seqs = (1..=all.len() as Seq).rev();
            newest.into_iter().chain(seqs.zip(all).filter(|(seq, _)| older(seq))).take(max).collect()
        });
        Box::pin(async move { page })
    }

    fn gaps(&self, since: i64, max: usize) -> Answer<'_, Result<Vec<(Seq, Entry)>, String>> {
        let all = History::entries(self, None, usize::MAX);
        let wanted = move |entry: &Entry| matches!(entry, Entry::Gap { to, .. } if *to >= since);
        Box::pin(async move { Ok(all.await?.into_iter().filter(|(_, entry)| wanted(entry)).take(max).collect()) })
    }

    fn letter(&self, lane: Lane, (from, _): (Seq, Seq)) -> Answer<'_, Result<Option<Letter>, String>> {
        let (at_ns, quality) = (1_790_000_000_000_000_000, Quality::Good);
        let letter = match lane {
            Lane::Alarm => Letter::Entry(Box::new(Entry::Alarm(alarm(1)))),
            Lane::Telemetry => Letter::Reading(Record { seq: from, point: PointId(0), at_ns, value: 0.42, quality }),
        };
        Box::pin(async move { Ok(Some(letter)) })
    }

    /// One came true, one was false.
    fn foretold(&self, from: i64, at: i64) -> Answer<'_, Result<foretold::Report, String>> {
        let mut fold = foretold::Fold::new(from);
        for (early, event, life, value, hours) in [
            (true, "raise", "unacknowledged", 0.2, 5),
            (true, "return", "normal", 0.3, 4),
            (true, "raise", "unacknowledged", 0.2, 3),
            (false, "raise", "unacknowledged", 0.14, 2),
        ] {
            let at = at - hours * 3_600_000;
            let rule = if early { "hydrant-falls" } else { "hydrant-low" };
            let (rule, event, state) = (rule.to_owned(), event.to_owned(), life.to_owned());
            let (onset, detected, value, limit) = (at, at, Some(value), Some(0.15));
            let made = alarm(1);
            fold.take(&AlarmEvent {
                early_warning: early,
                rule,
                event,
                state,
                life: None,
                onset,
                detected,
                value,
                limit,
                ..made
            });
        }
        Box::pin(async move { Ok(fold.report(at)) })
    }

    fn record(&self, entry: Entry) -> Answer<'_, bool> {
        self.recorded.lock().unwrap().push(entry);
        let durable = *self.durable.lock().unwrap();
        Box::pin(async move { durable })
    }
}
