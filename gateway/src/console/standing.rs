//! A standing alarm as it is now. The engine keeps the last step; here it is joined with the point's present, with what
//! people call things, and with a heading that says what is wrong at this moment. Pure.

use std::cmp::Reverse;
use std::collections::HashMap;

use gengfu_core::alarm::StateName;
use gengfu_core::alarm::life::Life;
use gengfu_core::detect::limit::{self, Side};
use gengfu_core::detect::{Params, count, vote};
use gengfu_core::reading::{PointId, Reading};
use serde::Serialize;

use super::page::words;
use super::view::{Present, urgency};
use crate::ballot::Ballot;
use crate::catalog::Catalog;
use crate::config::checked::{PointLabel, Rule, Site};
use crate::driver::Snapshot;
use crate::flow::{AlarmEvent, Text, test_mark};

/// An alarm as the API lists it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct AlarmView {
    #[serde(flatten)]
    pub(super) alarm: AlarmEvent,
    /// What is wrong now, with the name people use.
    pub(super) heading: Text,
    /// The condition stands.
    pub(super) active: bool,
    /// It is held until a person resets it.
    pub(super) reset_needed: bool,
    /// Why it is not announced: `shelved`, `suppressed` or `out-of-service`.
    pub(super) veil: Option<&'static str>,
    /// What a person may do about it now, by the words of the API.
    pub(super) may: Vec<&'static str>,
    pub(super) area: Option<String>,
    pub(super) device_label: Option<Text>,
    pub(super) point_label: Option<Text>,
    /// The point as it is now.
    pub(super) now: Present,
    /// The word of the state that raised it.
    pub(super) raised_word: Option<Text>,
    /// The early warning that foretold it, while both stand.
    pub(super) foretold: Option<ForetoldBy>,
    /// Its value is held against a limit, and not against a state.
    #[serde(skip)]
    pub(super) measured: bool,
    /// What it was raised by, where that is no value of the point but worked out of many.
    #[serde(skip)]
    pub(super) worked_out: Option<(&'static str, &'static str)>,
    /// Of the point's present; the alarm's own is that of its value, and a vote's has none.
    #[serde(skip)]
    pub(super) unit: Option<String>,
}

/// An early warning, and how long before the alarm it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct ForetoldBy {
    pub(super) id: String,
    pub(super) rule: String,
    pub(super) lead_ms: i64,
}

impl AlarmView {
    /// `None` for a word that core does not know.
    pub(super) fn life(&self) -> Option<Life> {
        life(&self.alarm)
    }

    /// Nobody has seen it yet, it is announced, and it is no test.
    pub(super) fn is_new(&self) -> bool {
        self.veil.is_none() && self.alarm.test.is_none() && is_new(self.life())
    }
}

const fn is_new(life: Option<Life>) -> bool {
    match life {
        Some(Life::Unacknowledged | Life::Returned | Life::Latched) | None => true,
        Some(Life::Normal | Life::Acknowledged { .. } | Life::LatchedAcknowledged) => false,
    }
}

/// Everything that stands, in the order in which it wants eyes.
pub(super) fn all(snapshot: &Snapshot, catalog: &Catalog, site: &Site) -> Vec<AlarmView> {
    views(&snapshot.alarms, snapshot, catalog, site)
}

/// The same of rules on trial.
pub(super) fn shadows(snapshot: &Snapshot, catalog: &Catalog, site: &Site) -> Vec<AlarmView> {
    views(&snapshot.shadows, snapshot, catalog, site)
}

fn views(alarms: &[AlarmEvent], snapshot: &Snapshot, catalog: &Catalog, site: &Site) -> Vec<AlarmView> {
    let present: HashMap<PointId, Reading> =
        snapshot.present().filter_map(|(id, reading)| Some((id, reading?))).collect();
    let view = |alarm: &AlarmEvent| one(alarm.clone(), &present, catalog, site);
    let mut views: Vec<AlarmView> = alarms.iter().map(view).collect();
    views.sort_by_cached_key(|view| {
        let AlarmEvent { priority, onset, id, .. } = &view.alarm;
        let aside = (view.veil.is_some(), view.alarm.test.is_some());
        (aside, rank(view.life()), Reverse(urgency(priority)), Reverse(*onset), id.clone())
    });
    tell_apart(&mut views);
    link(&mut views);
    views
}

/// Which warning foretold which alarm: the earliest that stands on the same point, since before the alarm did.
fn link(views: &mut [AlarmView]) {
    let warnings = views.iter().filter(|view| view.active && view.alarm.early_warning);
    let warnings: Vec<AlarmEvent> = warnings.map(|view| view.alarm.clone()).collect();
    for view in views.iter_mut().filter(|view| view.active && view.measured && !view.alarm.early_warning) {
        let alarm = &view.alarm;
        let of_it = |warning: &&AlarmEvent| {
            (&warning.device, &warning.point) == (&alarm.device, &alarm.point) && warning.onset < alarm.onset
        };
        let first = warnings.iter().filter(of_it).min_by_key(|warning| warning.onset);
        view.foretold = first.map(|warning| ForetoldBy {
            id: warning.id.clone(),
            rule: warning.rule.clone(),
            lead_ms: alarm.onset.saturating_sub(warning.onset),
        });
    }
}

/// Two rules on one point may say the same of it: then each says which it is.
fn tell_apart(views: &mut [AlarmView]) {
    let mut told: HashMap<String, usize> = HashMap::new();
    for view in views.iter() {
        *told.entry(view.heading.zh.clone()).or_default() += 1;
    }
    for view in views.iter_mut().filter(|view| told.get(&view.heading.zh).is_some_and(|n| *n > 1)) {
        let rule = &view.alarm.rule;
        view.heading = both(format!("{} [{rule}]", view.heading.zh), format!("{} [{rule}]", view.heading.en));
    }
}

fn one(alarm: AlarmEvent, present: &HashMap<PointId, Reading>, catalog: &Catalog, site: &Site) -> AlarmView {
    let name = format!("{}/{}", alarm.device, alarm.point);
    let point = catalog.find(&name);
    let label = site.labels.point(&name);
    let now = Present::of(point.and_then(|id| present.get(&id).copied()), label);
    let rule = site.rules.iter().find(|rule| rule.id == alarm.rule);
    let params = rule.map(|rule: &Rule| rule.detector);
    let life = life(&alarm);
    let alarm = AlarmEvent { since: since(&alarm, life), ..alarm };
    let is_vote = matches!(params, Some(Params::Vote(_)));
    AlarmView {
        heading: heading(&alarm, life, params, &site.labels.full(&alarm.device, &alarm.point), label, &now),
        active: active(life),
        reset_needed: matches!(life, Some(Life::Latched | Life::LatchedAcknowledged)),
        veil: veil(&alarm),
        may: may(&alarm, life, rule),
        area: point.and_then(|id| catalog.get(id)).and_then(|meta| meta.area.clone()),
        device_label: site.labels.device(&alarm.device).cloned(),
        point_label: label.and_then(|label| label.label.clone()),
        raised_word: alarm.raised.as_ref().and_then(|raised| match &raised.ballot {
            Some(ballot) => Some(ballot.said.clone()),
            None => word(label.filter(|_| !is_vote), raised.value),
        }),
        unit: point.and_then(|id| catalog.get(id)).and_then(|meta| meta.unit.clone()),
        measured: matches!(params, Some(Params::Limit(_) | Params::Trend(_) | Params::Band(_))),
        worked_out: params.as_ref().and_then(worked_out),
        now,
        foretold: None,
        alarm,
    }
}

/// The figure that decided, where the point's own value beside it would be taken for the same.
const fn worked_out(params: &Params) -> Option<(&'static str, &'static str)> {
    match params {
        Params::Count(_) => Some(("报警时计数", "count at alarm")),
        Params::Accumulated(_) => Some(("报警时累计", "sum at alarm")),
        Params::Rate(_) => Some(("预警时每小时变化", "change an hour at warning")),
        Params::Sibling(_) => Some(("报警时相差", "apart at alarm")),
        Params::Ratio(_) => Some(("预警时比值", "share at warning")),
        Params::Limit(_)
        | Params::Digital(_)
        | Params::Trend(_)
        | Params::Absent(_)
        | Params::Vote(_)
        | Params::Band(_)
        | Params::Frozen(_)
        | Params::Dwell(_)
        | Params::Rhythm(_)
        | Params::Drift(_)
        | Params::Habit(_)
        | Params::Residual(_)
        | Params::Group(_) => None,
    }
}

/// Since when what stands now stands, whichever step came last; of what is over, when that had begun. An alarm that came again is
/// not as old as its first coming.
fn since(alarm: &AlarmEvent, life: Option<Life>) -> i64 {
    match &alarm.raised {
        _ if active(life) => alarm.since,
        Some(raised) => raised.at,
        None => alarm.onset,
    }
}

fn life(alarm: &AlarmEvent) -> Option<Life> {
    let name = StateName::ALL.into_iter().find(|state| state.word() == alarm.life())?;
    Life::named(name, None)
}

fn veil(alarm: &AlarmEvent) -> Option<&'static str> {
    let veils = [StateName::OutOfService, StateName::Suppressed, StateName::Shelved];
    veils.into_iter().map(StateName::word).find(|word| *word == alarm.state)
}

/// What the engine would take.
fn may(alarm: &AlarmEvent, life: Option<Life>, rule: Option<&Rule>) -> Vec<&'static str> {
    let level =
        |rule: &Rule| rule.levels.get(usize::from(alarm.level)).or(rule.levels.first()).is_none_or(|l| l.shelvable);
    // A rule on lost data, which the site file does not write out, may be put aside.
    let shelvable = rule.is_none_or(level);
    let of_life = match life {
        Some(Life::Unacknowledged | Life::Returned | Life::Latched) => Some("acknowledge"),
        Some(Life::LatchedAcknowledged) => Some("reset"),
        Some(Life::Normal | Life::Acknowledged { .. }) | None => None,
    };
    let of_shelf = match alarm.shelved {
        Some(_) => Some("unshelve"),
        None => shelvable.then_some("shelve"),
    };
    let of_service = if alarm.out_of_service.is_some() { "return-to-service" } else { "out-of-service" };
    of_life.into_iter().chain(of_shelf).chain([of_service, "note"]).collect()
}

/// A state nobody knows is taken for the worst.
fn active(life: Option<Life>) -> bool {
    life.is_none_or(Life::active)
}

/// What stands before what is over, what nobody has seen before what somebody has.
const fn rank(life: Option<Life>) -> u8 {
    match life {
        None | Some(Life::Unacknowledged) => 0,
        Some(Life::Acknowledged { .. }) => 1,
        Some(Life::Returned | Life::Latched) => 2,
        Some(Life::LatchedAcknowledged | Life::Normal) => 3,
    }
}

fn word(label: Option<&PointLabel>, value: Option<f64>) -> Option<Text> {
    label.and_then(|label| label.word(value?)).cloned()
}

/// What is so now: not what the last step said, which may be long ago.
fn heading(
    alarm: &AlarmEvent,
    life: Option<Life>,
    params: Option<Params>,
    name: &Text,
    label: Option<&PointLabel>,
    now: &Present,
) -> Text {
    let over = |zh: &str, en: &str| {
        // Two alarms of one point that are over differ in what they were.
        let ballot = alarm.raised.as_ref().and_then(|raised| raised.ballot.as_ref());
        let was = condition(alarm, params, label, (None, ballot));
        both(format!("{zh}（原为：{}）", was.zh), format!("{en} (was: {})", was.en))
    };
    let what = match life {
        Some(Life::Returned) => over("已恢复，未确认", "returned, not acknowledged"),
        Some(Life::Latched | Life::LatchedAcknowledged) => over("已恢复，需复位", "returned, reset needed"),
        Some(Life::Normal) => text("正常", "normal"),
        Some(Life::Unacknowledged | Life::Acknowledged { .. }) | None => {
            condition(alarm, params, label, (now.now.value, alarm.ballot.as_ref()))
        }
    };
    let (kind_zh, kind_en) = match (alarm.early_warning, active(life)) {
        (true, _) => (" 预警", " early warning"),
        (false, true) => (" 报警", " alarm"),
        (false, false) => ("", ""),
    };
    // A rule on lost data says so itself.
    let silence = active(life) && matches!(params, Some(Params::Absent(_)) | None);
    let lost = now.now.value.is_none() && !silence;
    let (lost_zh, lost_en) = if lost { ("；现无有效数据", "; no usable value now") } else { ("", "") };
    let (test_zh, test_en) = alarm.test().map_or(("", ""), test_mark);
    Text {
        zh: format!("{test_zh}{}{kind_zh}：{}{lost_zh}", name.zh, what.zh),
        en: format!("{test_en}{}{kind_en}: {}{lost_en}", name.en, what.en),
    }
}

/// What the rule watches for, as it stands; without the value, which goes on changing. Of a vote, how it was cast.
fn condition(
    alarm: &AlarmEvent,
    params: Option<Params>,
    label: Option<&PointLabel>,
    (value, ballot): (Option<f64>, Option<&Ballot>),
) -> Text {
    let unit = alarm.unit.as_deref().map(|unit| format!(" {unit}")).unwrap_or_default();
    let limit = match params {
        // The alarm keeps its highest level; what is said is the one that stands.
        Some(Params::Limit(limit::Params { side, first, second: Some(second) }))
            if value.is_some_and(|value| !beyond(side, value, second.clear)) =>
        {
            Some(first.limit)
        }
        _ => alarm.limit,
    };
    let limit = limit.map_or_else(|| "—".to_owned(), |limit| format!("{}{unit}", words::number(limit)));
    let state = |value: f64| {
        word(label, Some(value)).unwrap_or_else(|| {
            let number = words::number(value);
            Text { zh: format!("状态 {number}"), en: format!("state {number}") }
        })
    };
    match params {
        Some(Params::Limit(p)) => match p.side {
            Side::High => both(format!("过高（上限 {limit}）"), format!("too high (limit {limit})")),
            Side::Low => both(format!("过低（下限 {limit}）"), format!("too low (limit {limit})")),
        },
        // The warning came true: it must not go on as if there were time left.
        Some(Params::Trend(p)) if value.is_some_and(|value| beyond(p.side, value, p.limit)) => {
            both(format!("已越过限值 {limit}"), format!("the limit {limit} is crossed"))
        }
        Some(Params::Trend(p)) => match p.side {
            Side::High => both(format!("正在上升，趋向上限 {limit}"), format!("rising towards the limit {limit}")),
            Side::Low => both(format!("正在下降，趋向下限 {limit}"), format!("falling towards the limit {limit}")),
        },
        Some(Params::Digital(p)) if p.negate => {
            let due = state(p.is);
            both(format!("不是“{}”", due.zh), format!("not “{}”", due.en))
        }
        Some(Params::Digital(p)) => state(p.is),
        Some(Params::Vote(p)) => ballot.map_or_else(|| voted(&p), |ballot| ballot.said.clone()),
        Some(Params::Band(p)) if alarm.limit.is_some_and(|line| p.low.line(alarm.level) == Some(line)) => {
            both(format!("低于范围（下限 {limit}）"), format!("below its band (limit {limit})"))
        }
        Some(Params::Band(_)) => both(format!("超出范围（上限 {limit}）"), format!("above its band (limit {limit})")),
        Some(Params::Rate(_)) => text("变化过快", "changes too fast"),
        Some(Params::Frozen(_)) => text("数值停滞，不再变化", "the value does not move any more"),
        Some(Params::Count(p)) => match p.what {
            count::What::Starts => text("启动过于频繁", "starts too often"),
            count::What::Changes => text("变化过于频繁", "changes too often"),
            count::What::Growth => text("增加过快", "grows too fast"),
        },
        Some(Params::Dwell(p)) => {
            let held = state(p.is);
            both(format!("{}，持续过久", held.zh), format!("{} for too long", held.en))
        }
        Some(Params::Accumulated(_)) => text("累计过多", "too much in all"),
        Some(Params::Rhythm(_)) => text("启动节律异常", "starts out of rhythm"),
        Some(Params::Drift(_)) => text("正在偏离常态", "drifting away from the usual"),
        Some(Params::Habit(_)) => text("与以往不同", "unlike anything before"),
        Some(Params::Sibling(_)) => text("与同类测点不一致", "apart from its sibling"),
        Some(Params::Residual(_)) => text("超出负荷所能解释", "more than its load explains"),
        Some(Params::Ratio(_)) => text("占比正在偏离常态", "its share drifts away from the usual"),
        Some(Params::Group(_)) => text("整组偏离常态", "its group has left the usual"),
        Some(Params::Absent(_)) | None => text("失去数据", "no data"),
    }
}

/// A vote of a journal of before: nothing is known but its rule.
fn voted(p: &vote::Params) -> Text {
    match p.watch {
        vote::Watch::Danger => both(
            format!("{} 个成员中至少 {} 个报警", p.of, p.need),
            format!("{} of {} voters or more call it", p.need, p.of),
        ),
        vote::Watch::Health { .. } => text("表决降级，有成员故障", "the vote is degraded, a voter is bad"),
    }
}

fn beyond(side: Side, value: f64, limit: f64) -> bool {
    match side {
        Side::High => value >= limit,
        Side::Low => value <= limit,
    }
}

fn text(zh: &str, en: &str) -> Text {
    both(zh.to_owned(), en.to_owned())
}

fn both(zh: String, en: String) -> Text {
    Text { zh, en }
}

#[cfg(test)]
mod tests {
    use gengfu_core::quality::{Quality, Reason};
    use gengfu_core::time::Wall;

    use super::*;
    use crate::console::tests::made_up;
    use crate::flow::{Figures, Veil};

    fn views(change: impl Fn(&mut Snapshot)) -> Vec<AlarmView> {
        let catalog = Catalog::default();
        let mut snapshot = made_up::snapshot(&catalog, 1_790_000_000_000);
        change(&mut snapshot);
        all(&snapshot, &catalog, &made_up::site())
    }

    fn alone(n: u8, state: &str, reading: Option<(f64, Quality)>) -> AlarmView {
        only(&AlarmEvent { state: state.to_owned(), ..made_up::alarm(n) }, reading)
    }

    fn only(alarm: &AlarmEvent, reading: Option<(f64, Quality)>) -> AlarmView {
        let mut found = views(|snapshot| {
            snapshot.alarms = vec![alarm.clone()];
            for (point, present) in &mut snapshot.points {
                let told = |(value, quality)| Reading { point: *point, at: Wall(7), value, quality };
                *present = reading.map(told);
            }
        });
        found.remove(0)
    }

    #[test]
    fn what_stands_unseen_comes_first_and_what_waits_for_a_reset_last() {
        let alarm = |id: &str, state: &str, priority: &str, onset| AlarmEvent {
            id: id.to_owned(),
            state: state.to_owned(),
            priority: priority.to_owned(),
            onset,
            ..made_up::alarm(1)
        };
        let sorted = views(|snapshot| {
            snapshot.alarms = vec![
                alarm("h", "latched-acknowledged", "critical", 9),
                alarm("g", "latched", "critical", 9),
                alarm("f", "returned", "critical", 9),
                alarm("e", "acknowledged", "critical", 9),
                alarm("d", "unacknowledged", "low", 9),
                alarm("c", "unacknowledged", "critical", 1),
                alarm("b", "unacknowledged", "critical", 2),
                alarm("a", "unacknowledged", "surprise", 0),
            ];
        });
        assert_eq!(sorted.iter().map(|view| view.alarm.id.as_str()).collect::<String>(), "abcdefgh");
        let flags: Vec<_> = sorted.iter().map(|v| (v.active, v.is_new(), v.reset_needed)).skip(3).collect();
        let expected = [
            (true, true, false),
            (true, false, false),
            (false, true, false),
            (false, true, true),
            (false, false, true),
        ];
        assert_eq!(flags, expected);
    }

    #[test]
    fn the_heading_says_what_is_so_now() {
        let good = Some((0.1, Quality::Good));
        let zh = |n, state: &str, reading| alone(n, state, reading).heading.zh;
        assert_eq!(zh(1, "unacknowledged", good), "消火栓主管 压力 报警：过低（下限 0.15 MPa）");
        assert_eq!(zh(1, "returned", good), "消火栓主管 压力：已恢复，未确认（原为：过低（下限 0.15 MPa））");
        assert_eq!(zh(1, "latched", good), "消火栓主管 压力：已恢复，需复位（原为：过低（下限 0.15 MPa））");
        assert_eq!(
            zh(1, "latched-acknowledged", good),
            "消火栓主管 压力：已恢复，需复位（原为：过低（下限 0.15 MPa））"
        );
        let lost = Some((0.1, Quality::Bad(Reason::Comm)));
        assert_eq!(zh(1, "acknowledged", lost), "消火栓主管 压力 报警：过低（下限 0.15 MPa）；现无有效数据");
        assert_eq!(
            zh(1, "returned", None),
            "消火栓主管 压力：已恢复，未确认（原为：过低（下限 0.15 MPa））；现无有效数据"
        );
        // A rule on lost data does not say it twice.
        assert_eq!(zh(2, "acknowledged", lost), "gas-02/ch4 报警：失去数据");
        assert_eq!(zh(5, "unacknowledged", Some((1.0, Quality::Good))), "三层东侧安全出口 通道 报警：被占用");
        let warned = alone(4, "unacknowledged", Some((0.62, Quality::Good))).heading;
        assert_eq!(warned.zh, "sprinkler-b1/pressure 预警：正在下降，趋向下限 0.4 MPa");
        assert_eq!(warned.en, "sprinkler-b1/pressure early warning: falling towards the limit 0.4 MPa");
        let escalated =
            AlarmEvent { state: "unacknowledged".to_owned(), limit: Some(50.0), level: 1, ..made_up::alarm(3) };
        let at = |value| only(&escalated, Some((value, Quality::Good))).heading.en;
        assert_eq!(at(46.0), "gas-01/ch4 alarm: too high (limit 50 %LEL)");
        assert_eq!(at(44.0), "gas-01/ch4 alarm: too high (limit 25 %LEL)");
        let crossed = alone(4, "unacknowledged", Some((0.1, Quality::Good))).heading;
        assert_eq!(crossed.zh, "sprinkler-b1/pressure 预警：已越过限值 0.4 MPa");
        let over = alone(4, "returned", good).heading;
        assert_eq!(
            over.en,
            "sprinkler-b1/pressure early warning: returned, not acknowledged (was: falling towards the limit 0.4 MPa)"
        );
    }

    /// The page, the API and both commands show this one time.
    #[test]
    fn what_is_over_is_as_old_as_its_last_coming_and_not_as_its_return() {
        let since = |state: &str, raised: bool| {
            let of = made_up::alarm(1);
            let raised = of.raised.clone().filter(|_| raised).map(|figures| crate::flow::Figures { at: 50, ..figures });
            let alarm = AlarmEvent { state: state.to_owned(), onset: 10, since: 90, raised, ..of };
            only(&alarm, None).alarm.since
        };
        assert_eq!([since("unacknowledged", true), since("acknowledged", true)], [90, 90]);
        assert_eq!([since("returned", true), since("latched", true), since("latched", false)], [50, 50, 10]);
    }

    /// While it stands as it is cast now, once it is over as it was cast when it was raised.
    #[test]
    fn a_vote_is_headed_by_how_it_was_cast() {
        let cast = |n: u8| Ballot {
            of: 2,
            votes: Vec::new(),
            bad: Vec::new(),
            out_of_service: Vec::new(),
            said: Text::same(&format!("{n} of 2")),
        };
        let params = Params::Vote(vote::Params {
            need: 2,
            of: 2,
            within_ms: 0,
            degraded: vote::Degraded::Fewer,
            watch: vote::Watch::Danger,
            unheard_ms: 60_000,
            voters: 0,
        });
        let mut alarm = AlarmEvent { ballot: Some(cast(1)), ..made_up::alarm(1) };
        alarm.raised = alarm.raised.map(|raised| Figures { ballot: Some(cast(2)), ..raised });
        let name = Text::same("hall");
        let head = |alarm: &AlarmEvent| {
            let now = Present::of(None, None);
            heading(alarm, life(alarm), Some(params), &name, None, &now).en
        };
        assert_eq!(head(&alarm), "hall alarm: 1 of 2; no usable value now");
        alarm.state = "latched".to_owned();
        alarm.life = None;
        assert_eq!(head(&alarm), "hall: returned, reset needed (was: 2 of 2); no usable value now");
    }

    #[test]
    fn the_present_is_beside_the_value_that_raised_it() {
        let view = alone(1, "acknowledged", Some((0.2, Quality::Good)));
        assert_eq!((view.now.now.value, view.now.now.at), (Some(0.2), Some(7)));
        assert_eq!(view.alarm.raised.and_then(|raised| raised.value), Some(0.1423));
        let lost = alone(1, "acknowledged", Some((0.2, Quality::Bad(Reason::Comm))));
        assert_eq!((lost.now.now.value, lost.now.now.reason), (None, Some("comm")));
        let door = alone(5, "returned", Some((0.0, Quality::Good)));
        assert_eq!(door.now.word.map(|word| word.zh), Some("畅通".to_owned()));
        assert_eq!(door.raised_word.map(|word| word.zh), Some("被占用".to_owned()));
        // The last number of a bad state is no state.
        let bad = alone(5, "returned", Some((1.0, Quality::Bad(Reason::Timeout))));
        assert_eq!(bad.now.word, None);
    }
    #[test]
    fn a_returned_critical_comes_before_a_returned_high_whether_it_latches_or_not() {
        let alarm = |id: &str, state: &str, priority: &str| AlarmEvent {
            id: id.to_owned(),
            state: state.to_owned(),
            priority: priority.to_owned(),
            ..made_up::alarm(1)
        };
        let sorted = views(|snapshot| {
            snapshot.alarms = vec![alarm("b", "returned", "high"), alarm("a", "latched", "critical")];
        });
        assert_eq!(sorted.iter().map(|view| view.alarm.id.as_str()).collect::<String>(), "ab");
    }

    #[test]
    fn what_a_person_may_do_is_what_the_engine_would_take() {
        let good = Some((0.1, Quality::Good));
        let may = |state: &str| alone(1, state, good).may.join(" ");
        assert_eq!(may("unacknowledged"), "acknowledge shelve out-of-service note");
        assert_eq!(may("acknowledged"), "shelve out-of-service note");
        assert_eq!(may("latched-acknowledged"), "reset shelve out-of-service note");
        let veil = |by: &str| Veil { by: by.to_owned(), at: 0, until: 9, one_shot: false, reason: "r".to_owned() };
        let aside = AlarmEvent {
            state: "out-of-service".to_owned(),
            life: Some("normal".to_owned()),
            shelved: Some(veil("a")),
            out_of_service: Some(veil("b")),
            ..made_up::alarm(1)
        };
        assert_eq!(only(&aside, good).may.join(" "), "unshelve return-to-service note");
        assert_eq!(alone(5, "acknowledged", good).may.join(" "), "out-of-service note", "its rule may not be shelved");
    }

    #[test]
    fn a_test_says_so_and_is_behind_everything_real() {
        let views = views(|snapshot| {
            let test = AlarmEvent { test: Some("walk-test".to_owned()), ..made_up::alarm(1) };
            snapshot.alarms = vec![test, made_up::alarm(5)];
        });
        assert_eq!(views.iter().map(|view| view.alarm.test.is_some()).collect::<Vec<_>>(), [false, true]);
        let test = views.last().unwrap();
        assert!(
            test.heading.zh.starts_with("【测试】消火栓主管") && test.heading.en.starts_with("[walk-test] hydrant")
        );
        assert!(!test.is_new());
    }

    #[test]
    fn two_rules_that_say_the_same_of_a_point_are_told_apart() {
        let views = views(|snapshot| {
            let twin = AlarmEvent { rule: "hydrant-falling".to_owned(), id: "b".to_owned(), ..made_up::alarm(2) };
            snapshot.alarms =
                vec![AlarmEvent { rule: "unknown".to_owned(), ..twin.clone() }, twin.clone(), made_up::alarm(1)];
            snapshot.alarms.push(AlarmEvent { rule: "unknown-2".to_owned(), id: "c".to_owned(), ..twin });
        });
        let mut headings: Vec<_> = views.iter().map(|view| view.heading.en.as_str()).collect();
        headings.sort_unstable();
        headings.dedup();
        assert_eq!(headings.len(), views.len(), "{headings:?}");
        assert!(headings.iter().any(|heading| heading.ends_with("[unknown]")), "{headings:?}");
    }
}
