//! From a transition of indices to one of names and words, in the two languages of the people.

use gengfu_core::alarm::{EventName, StateName, Transition};
use gengfu_core::detect::Params;
use gengfu_core::detect::vote::Tally;
use gengfu_core::reading::PointId;
use gengfu_core::time::Mono;

use super::fact::{Beside, Other, Shown, With, fact, reading, told_with};
use super::storage::{NO_DATA_RULE, Storage};
use crate::ballot::Ballot;
use crate::catalog::{Catalog, PointMeta};
use crate::config::checked::{Labels, Rule, Site};
use crate::flow::{self, Acknowledged, AlarmEvent, Figures, Noted, Text, Veil};

/// A person's command.
pub(super) struct Deed<'a> {
    pub(super) by: &'a str,
    pub(super) note: Option<&'a str>,
}

/// The record of the alarm lane for a transition; `None` only for a binding that does not exist.
pub(super) fn event(
    transition: &Transition,
    storage: &Storage,
    site: &Site,
    catalog: &Catalog,
    before: Option<&AlarmEvent>,
    deed: Option<&Deed<'_>>,
) -> Option<AlarmEvent> {
    let binding = storage.binding(transition.binding)?;
    let params = storage.params(binding.rule)?;
    let rule = storage.origin(binding.rule).and_then(|index| site.rules.get(index));
    let meta = catalog.get(binding.point)?;
    let why = &transition.explanation;
    let by = deed.map(|deed| deed.by).or_else(|| by_itself(transition.event));
    let until = |until: Mono| transition.detected.at(until).wall.0;
    let veil = |until: i64, one_shot: bool| Veil {
        by: by.unwrap_or_default().to_owned(),
        at: transition.detected.wall.0,
        until,
        one_shot,
        reason: deed.and_then(|deed| deed.note).unwrap_or_default().to_owned(),
    };
    let shown = Shown { unit: meta.unit.as_deref(), label: site.labels.point(&meta.name()) };
    let beside = beside(transition, params, storage).and_then(|point| catalog.get(point));
    let other = beside.as_ref().map(|meta| other(meta, &site.labels));
    let ballot = ballot(params, why.tally, rule, &site.labels);
    let told = Beside { other: other.as_ref(), ballot: ballot.as_ref() };
    Some(AlarmEvent {
        id: format!("{:016x}", transition.id.0),
        number: transition.number,
        event: transition.event.word().to_owned(),
        state: transition.state.word().to_owned(),
        site: site.id.clone(),
        device: meta.device.clone(),
        point: meta.point.clone(),
        kind: meta.kind.clone(),
        rule: rule.map_or(NO_DATA_RULE, |r| &r.id).to_owned(),
        priority: transition.priority.word().to_owned(),
        level: transition.level,
        value: why.value,
        quality: why.quality.word().to_owned(),
        reason: why.quality.reason().map(|r| r.word().to_owned()),
        // Of a vote value and limit are numbers of voters.
        unit: meta.unit.clone().filter(|_| !matches!(params, Params::Vote(_))),
        limit: why.limit,
        time_to_limit: why.time_to_limit,
        early_warning: params.predictive(),
        message: message(transition, params, &name(&site.labels, &meta), (&shown, told), (by, raised(before))),
        advice: advice(rule),
        basis: rule.and_then(|r| r.basis.clone()),
        onset: transition.onset.0,
        since: why.since.0,
        occurred: transition.occurred.0,
        detected: transition.detected.wall.0,
        by: by.map(str::to_owned),
        raised: None,
        acknowledged: None,
        noted: None,
        life: Some(transition.life.word().to_owned()),
        shelved: transition.veils.shelf.map(|shelf| veil(until(shelf.until), shelf.one_shot)),
        out_of_service: transition.veils.out_until.map(|out| veil(until(out), false)),
        suppressed: transition.veils.suppressed,
        test: transition.test.map(|mode| mode.word().to_owned()),
        first: transition.first,
        note: deed.and_then(|deed| deed.note).map(str::to_owned),
        clock: None,
        shadow: storage.is_shadow(transition.binding),
        ballot,
    })
}

/// The point that a rule on several is told with.
fn beside(transition: &Transition, params: &Params, storage: &Storage) -> Option<PointId> {
    match told_with(params)? {
        With::Chief => transition.explanation.chief.map(|chief| chief.point),
        With::Channel(channel) => storage.channel(transition.binding, channel),
    }
}

fn other<'a>(meta: &'a PointMeta, labels: &'a Labels) -> Other<'a> {
    let shown = Shown { unit: meta.unit.as_deref(), label: labels.point(&meta.name()) };
    Other { name: labels.full(&meta.device, &meta.point), shown }
}

fn ballot(params: &Params, tally: Option<Tally>, rule: Option<&Rule>, labels: &Labels) -> Option<Ballot> {
    let Params::Vote(vote) = params else { return None };
    Some(Ballot::of(vote, tally?, &rule?.voters, labels))
}

/// Who, where it was nobody: a time that was over, or another alarm.
fn by_itself(event: EventName) -> Option<&'static str> {
    match event {
        EventName::Unshelve | EventName::ReturnToService | EventName::ReAlarm => Some("timer"),
        EventName::Suppress | EventName::Unsuppress => Some("design"),
        EventName::Raise
        | EventName::Acknowledge
        | EventName::Return
        | EventName::Reset
        | EventName::Escalate
        | EventName::Shelve
        | EventName::OutOfService
        | EventName::Note => None,
    }
}

/// The clock is not set: whoever reads the alarm is told what its times are worth.
pub(super) fn undated(mut event: AlarmEvent) -> AlarmEvent {
    event.clock = Some(flow::CLOCK_UNSET.to_owned());
    event.message.zh.push_str("（网关时钟未校准，时间待定）");
    event.message.en.push_str(" (the gateway's clock is not set, the time is to come)");
    event
}

fn advice(rule: Option<&Rule>) -> Option<String> {
    match rule {
        Some(rule) => rule.advice.clone(),
        None => Some("检查传感器、供电与通信线路 / Check the sensor, its supply and its line.".to_owned()),
    }
}

/// The step with what the earlier ones said and it does not: what raised the alarm, who has seen it since, the last note, and
/// who put over it what lies there.
pub(super) fn carry_on(mut event: AlarmEvent, before: Option<&AlarmEvent>, deed: Option<&Deed<'_>>) -> AlarmEvent {
    let same = |veil: Option<Veil>, was: Option<&Veil>, new: EventName| match veil {
        Some(veil) if event.event != new.word() => Some(was.cloned().unwrap_or(veil)),
        veil => veil,
    };
    let shelved = same(event.shelved.take(), before.and_then(|b| b.shelved.as_ref()), EventName::Shelve);
    let out =
        same(event.out_of_service.take(), before.and_then(|b| b.out_of_service.as_ref()), EventName::OutOfService);
    let noted = deed.filter(|_| event.event == EventName::Note.word()).map(|deed| Noted {
        by: deed.by.to_owned(),
        at: event.detected,
        note: deed.note.unwrap_or_default().to_owned(),
    });
    let noted = noted.or_else(|| before.and_then(|before| before.noted.clone()));
    let event = AlarmEvent { shelved, out_of_service: out, noted, ..event };
    if anew(&event) {
        return AlarmEvent { raised: Some(figures(&event)), acknowledged: None, ..event };
    }
    // A journal of before the field: the step before may be the raise itself.
    let of_before = |before: &AlarmEvent| before.raised.clone().or_else(|| anew(before).then(|| figures(before)));
    let seen = deed.filter(|_| event.event == EventName::Acknowledge.word()).map(|deed| Acknowledged {
        by: deed.by.to_owned(),
        at: event.detected,
        note: deed.note.map(str::to_owned),
    });
    AlarmEvent {
        raised: before.and_then(of_before),
        acknowledged: seen.or_else(|| before.and_then(|before| before.acknowledged.clone())),
        ..event
    }
}

/// Whether a step asks for people's eyes anew.
fn anew(event: &AlarmEvent) -> bool {
    [EventName::Raise.word(), EventName::Escalate.word(), EventName::ReAlarm.word()].contains(&event.event.as_str())
}

fn figures(event: &AlarmEvent) -> Figures {
    Figures {
        value: event.value,
        quality: event.quality.clone(),
        reason: event.reason.clone(),
        limit: event.limit,
        time_to_limit: event.time_to_limit,
        at: event.occurred,
        ballot: event.ballot.clone(),
    }
}

/// Whether an alarm has stood: what a person put aside before it came has not.
fn raised(before: Option<&AlarmEvent>) -> bool {
    before.is_some_and(|before| before.raised.is_some() || anew(before))
}

/// `by`: whose doing it was; `raised`: whether the alarm has stood before this step.
fn message(
    transition: &Transition,
    params: &Params,
    name: &Text,
    (shown, told): (&Shown<'_>, Beside<'_>),
    (by, raised): (Option<&str>, bool),
) -> Text {
    let by = by.unwrap_or("?");
    let Text { zh: name_zh, en: name_en } = name;
    let fact = fact(transition, params, shown, told);
    let (alarm_zh, alarm_en) = if params.predictive() { ("预警", "early warning: ") } else { ("报警", "") };
    let held = matches!(transition.life, StateName::Latched | StateName::LatchedAcknowledged);
    let (latch_zh, latch_en) = if held { ("，需复位", "; reset needed") } else { ("", "") };
    // What stands, and what is over: said the same way whatever was done.
    let stands = || (format!("{name_zh} {alarm_zh}：{}", fact.zh), format!("{name_en}: {alarm_en}{}", fact.en));
    let over = || {
        if transition.explanation.value.is_none() {
            return (format!("{name_zh} 无报警，尚无数值"), format!("{name_en}: no alarm, and no value yet"));
        }
        let now = reading(transition, params, shown);
        if raised && transition.explanation.accepted {
            let now = accepted(params, &now);
            (format!("{name_zh} 无报警：{}", now.zh), format!("{name_en}: no alarm, {}", now.en))
        } else if raised {
            (format!("{name_zh} 已恢复：{}", now.zh), format!("{name_en} is back to normal at {}", now.en))
        } else {
            (format!("{name_zh} 无报警：{}", now.zh), format!("{name_en}: no alarm, at {}", now.en))
        }
    };
    let active = matches!(transition.life, StateName::Unacknowledged | StateName::Acknowledged);
    let so = || if active { stands() } else { over() };
    let told = |(zh, en): (String, String), done_zh: String, done_en: String| {
        (format!("{zh}（{done_zh}）{latch_zh}"), format!("{en} ({done_en}){latch_en}"))
    };
    let (zh, en) = match transition.event {
        EventName::Raise => stands(),
        EventName::Escalate => (format!("{name_zh} 升级：{}", fact.zh), format!("{name_en} escalates: {}", fact.en)),
        EventName::Return => {
            let now = reading(transition, params, shown);
            let over = if params.predictive() { "预警解除" } else { "恢复" };
            if transition.explanation.accepted {
                let now = accepted(params, &now);
                (format!("{name_zh} {over}：{}{latch_zh}", now.zh), format!("{name_en}: {}{latch_en}", now.en))
            } else {
                (
                    format!("{name_zh} {over}：{}{latch_zh}", now.zh),
                    format!("{name_en} is back to normal at {}{latch_en}", now.en),
                )
            }
        }
        // What is wrong stays in sight: whoever comes on shift reads this.
        EventName::Acknowledge => told(so(), format!("已由 {by} 确认"), format!("acknowledged by {by}")),
        EventName::Reset => (format!("{name_zh} 已由 {by} 复位"), format!("{name_en} reset by {by}")),
        EventName::ReAlarm => told(so(), "确认后仍未恢复".to_owned(), "acknowledged, and still standing".to_owned()),
        EventName::Shelve => told(so(), format!("{by} 已搁置"), format!("shelved by {by}")),
        EventName::Unshelve => told(so(), format!("搁置结束：{by}"), format!("off the shelf: {by}")),
        EventName::Suppress => told(so(), "由上级报警抑制".to_owned(), "explained by another alarm".to_owned()),
        EventName::Unsuppress => told(so(), "抑制解除".to_owned(), "explained no longer".to_owned()),
        EventName::OutOfService => told(so(), format!("{by} 已停用"), format!("taken out of service by {by}")),
        EventName::ReturnToService => told(so(), format!("恢复投用：{by}"), format!("in service again: {by}")),
        EventName::Note => told(so(), format!("{by} 备注"), format!("note by {by}")),
    };
    let (test_zh, test_en) = match transition.test {
        Some(mode) => flow::test_mark(mode),
        None => ("", ""),
    };
    Text { zh: format!("{test_zh}{zh}"), en: format!("{test_en}{en}") }
}

/// Of what is over because it was taken for normal: nothing has gone back to where it was. Of a group it is no one value.
fn accepted(params: &Params, now: &Text) -> Text {
    if let Params::Group(_) = params {
        return Text::of("新工况已视为正常 / where its group stands is taken for normal from now on");
    }
    Text {
        zh: format!("未回到原来水平，{} 已视为正常", now.zh),
        en: format!("it has not gone back; {} is taken for normal from now on", now.en),
    }
}

/// Where and what: for whoever gets the text alone.
fn name(labels: &Labels, meta: &PointMeta) -> Text {
    let Text { zh, en } = labels.full(&meta.device, &meta.point);
    match meta.area.as_deref().map(Text::of) {
        Some(area) => Text { zh: format!("{} {zh}", area.zh), en: format!("{en} ({})", area.en) },
        None => Text { zh, en },
    }
}

#[cfg(test)]
mod tests {
    use gengfu_core::alarm::state::Veils;
    use gengfu_core::alarm::{AlarmId, Explanation, Priority};
    use gengfu_core::detect::limit::Side;
    use gengfu_core::detect::{digital, limit, trend, vote};
    use gengfu_core::quality::Quality;
    use gengfu_core::time::{Mono, Now, Wall};

    use super::*;
    use crate::config::checked::PointLabel;

    const GAS: Params = Params::Limit(limit::Params {
        side: Side::High,
        first: limit::Level { limit: 25.0, clear: 22.0, on_ms: 0, off_ms: 0 },
        second: Some(limit::Level { limit: 50.0, clear: 45.0, on_ms: 0, off_ms: 0 }),
    });

    /// What is said of a door.
    fn said(event: EventName, state: StateName, params: &Params, value: f64) -> Text {
        let label = PointLabel { label: None, words: vec![Text::of("关闭 / closed"), Text::of("打开 / open")] };
        let shown = Shown { unit: None, label: Some(&label) };
        let transition = transition(event, state, 0, value, 1.0);
        message(&transition, params, &Text::of("东门 / east door"), (&shown, Beside::default()), (Some("duty"), true))
    }

    /// What is said in English of gas at `value` when the line of `limit` is crossed.
    fn gas(event: EventName, state: StateName, level: u8, value: f64, limit: f64) -> String {
        let shown = Shown { unit: Some("%LEL"), label: None };
        let transition = transition(event, state, level, value, limit);
        message(&transition, &GAS, &Text::same("gas-1/ch4"), (&shown, Beside::default()), (Some("duty"), true)).en
    }

    fn transition(event: EventName, state: StateName, level: u8, value: f64, limit: f64) -> Transition {
        let explanation = Explanation {
            value: Some(value),
            quality: Quality::Good,
            limit: Some(limit),
            since: Wall(0),
            time_to_limit: Some(90_000),
            usual: None,
            chief: None,
            accepted: false,
            tally: None,
        };
        Transition {
            binding: 0,
            id: AlarmId(1),
            number: 1,
            event,
            state,
            life: state,
            veils: Veils::NONE,
            test: None,
            first: false,
            level,
            priority: Priority::High,
            onset: Wall(0),
            occurred: Wall(0),
            detected: Now { wall: Wall(0), mono: Mono(0) },
            explanation,
        }
    }

    #[test]
    fn a_kept_level_is_said_beside_what_stands_now() {
        use {EventName as E, StateName as S};
        let kept = "gas-1/ch4: 26 %LEL, at or above the limit of 25 %LEL; it had reached 50 %LEL and keeps that level";
        assert_eq!(gas(E::Raise, S::Unacknowledged, 1, 26.0, 25.0), kept);
        assert_eq!(gas(E::Acknowledge, S::Acknowledged, 1, 26.0, 25.0), format!("{kept} (acknowledged by duty)"));
        let plain = "gas-1/ch4: 26 %LEL, at or above the limit of 25 %LEL";
        assert_eq!(gas(E::Raise, S::Unacknowledged, 0, 26.0, 25.0), plain);
    }

    #[test]
    fn an_acknowledgement_after_the_return_does_not_say_that_it_stands() {
        for (state, reset) in [(StateName::Normal, ""), (StateName::LatchedAcknowledged, "; reset needed")] {
            let said = gas(EventName::Acknowledge, state, 1, 3.0, 50.0);
            assert_eq!(said, format!("gas-1/ch4 is back to normal at 3 %LEL (acknowledged by duty){reset}"));
        }
    }

    #[test]
    fn a_text_says_what_is_so_after_the_step() {
        let door = Params::Digital(digital::Params { is: 1.0, negate: false, on_ms: 0, off_ms: 0 });
        let slope = Params::Trend(trend::Params { limit: 1.0, side: Side::High, within_ms: 1, window_ms: 1 });
        let raised = said(EventName::Raise, StateName::Unacknowledged, &door, 1.0);
        assert_eq!((raised.zh.as_str(), raised.en.as_str()), ("东门 报警：打开", "east door: open"));
        let warned = said(EventName::Raise, StateName::Unacknowledged, &slope, 0.5);
        assert!(
            warned.zh.starts_with("东门 预警：") && warned.en.starts_with("east door: early warning: "),
            "{warned:?}"
        );
        let seen = said(EventName::Acknowledge, StateName::Acknowledged, &slope, 0.5);
        assert!(seen.zh.contains("预警") && !seen.zh.contains("报警") && seen.en.contains("early warning"), "{seen:?}");
        let gone = said(EventName::Acknowledge, StateName::LatchedAcknowledged, &door, 0.0);
        assert_eq!(gone.zh, "东门 已恢复：关闭（已由 duty 确认），需复位");
        let back = said(EventName::Return, StateName::Latched, &door, 0.0);
        assert_eq!(
            (back.zh.as_str(), back.en.as_str()),
            ("东门 恢复：关闭，需复位", "east door is back to normal at closed; reset needed")
        );
    }

    /// Neither a unit nor a word of the point that it is shown on.
    #[test]
    fn a_vote_is_told_by_its_voters() {
        let vote = vote::Params {
            need: 2,
            of: 2,
            within_ms: 0,
            degraded: vote::Degraded::Hold,
            watch: vote::Watch::Danger,
            unheard_ms: 60_000,
            voters: 0,
        };
        let label = PointLabel { label: None, words: vec![Text::of("正常 / normal"), Text::of("火警 / fire")] };
        let words = Shown { unit: None, label: Some(&label) };
        for shown in [words, Shown { unit: Some("%LEL"), label: None }] {
            let mut transition = transition(EventName::Return, StateName::Latched, 0, 1.0, 2.0);
            transition.explanation.tally = Some(Tally { votes: 1, bad: 0, out: 0 });
            let name = Text::of("甲厅 / hall A");
            let said = |t: &Transition| {
                message(t, &Params::Vote(vote), &name, (&shown, Beside::default()), (Some("duty"), true))
            };
            let back = said(&transition);
            assert_eq!(back.zh, "甲厅 恢复：2 个成员中 1 个报警，需复位");
            assert_eq!(back.en, "hall A is back to normal at 1 of 2 voters; reset needed");
            transition.event = EventName::Acknowledge;
            assert_eq!(
                said(&transition).en,
                "hall A is back to normal at 1 of 2 voters (acknowledged by duty); reset needed"
            );
        }
    }

    #[test]
    fn what_never_stood_is_not_back_to_normal() {
        let shown = Shown { unit: Some("%LEL"), label: None };
        let said = |value: Option<f64>, raised| {
            let mut transition = transition(EventName::OutOfService, StateName::OutOfService, 0, 0.0, 25.0);
            transition.life = StateName::Normal;
            transition.explanation.value = value;
            message(&transition, &GAS, &Text::same("gas-1/ch4"), (&shown, Beside::default()), (Some("duty"), raised)).en
        };
        assert_eq!(said(None, false), "gas-1/ch4: no alarm, and no value yet (taken out of service by duty)");
        assert_eq!(said(Some(3.0), false), "gas-1/ch4: no alarm, at 3 %LEL (taken out of service by duty)");
        assert_eq!(said(Some(3.0), true), "gas-1/ch4 is back to normal at 3 %LEL (taken out of service by duty)");
    }

    #[test]
    fn what_several_points_say_names_the_other() {
        use gengfu_core::alarm::Chief;
        use gengfu_core::derive::sibling as pair;
        use gengfu_core::detect::{group, sibling};
        use gengfu_core::reading::PointId;

        let said = |params: &Params, event, change: &dyn Fn(&mut Explanation)| {
            let mut transition = transition(event, StateName::Unacknowledged, 0, -0.12, 0.05);
            change(&mut transition.explanation);
            let shown = Shown { unit: Some("MPa"), label: None };
            let other = Other { name: Text::of("乙泵 / pump b"), shown: Shown { unit: Some("A"), label: None } };
            message(
                &transition,
                params,
                &Text::of("甲泵 / pump a"),
                (&shown, Beside { other: Some(&other), ballot: None }),
                (None, true),
            )
        };
        let channel = pair::Params { fresh_ms: 1 };
        let way = sibling::Way::Any;
        let twins =
            Params::Sibling(sibling::Params { channel, way, limit: 0.05, clear: 0.05, on_ms: 0, off_ms: 0, points: 0 });
        let apart = said(&twins, EventName::Raise, &|_| ());
        assert_eq!(apart.zh, "甲泵 报警：比 乙泵 低 0.12 MPa（限 0.05 MPa）");
        assert_eq!(apart.en, "pump a: 0.12 MPa below pump b, 0.05 MPa is the limit");
        let back = said(&twins, EventName::Return, &|why| why.value = Some(0.01));
        assert_eq!(back.en, "pump a is back to normal at 0.01 MPa from its sibling");

        let three = Params::Group(group::Params { channels: 3, ..group::Params::default() });
        let moved = |why: &mut Explanation| {
            why.chief = Some(Chief { point: PointId(1), value: 12.3, usual: 10.1, share: 0.7, moved: 2 });
        };
        let left = said(&three, EventName::Raise, &moved);
        assert_eq!(left.zh, "甲泵 预警：3 个测点中 2 个偏离常态，主要为 乙泵：12.3 A（平常 10.1 A，占 70%）");
        let english = "2 of 3 points have left the usual, most of all pump b: 12.3 A instead of 10.1 A (70 %)";
        assert_eq!(left.en, format!("pump a: early warning: {english}"));
        let settled = said(&three, EventName::Return, &|why| why.accepted = true);
        assert_eq!(settled.zh, "甲泵 预警解除：新工况已视为正常");
        assert!(settled.en.contains("taken for normal from now on"), "{}", settled.en);
    }

    #[test]
    fn what_is_taken_for_normal_is_not_said_to_be_back() {
        use gengfu_core::detect::calendar::Calendar;
        use gengfu_core::detect::habit;

        let habit = Params::Habit(habit::Params { threshold: 14.0, block_ms: 0, calendar: Calendar::UTC });
        let shown = Shown { unit: Some("MPa"), label: None };
        let name = Text::of("主泵 / main pump");
        let said = |event, state, accepted| {
            let mut transition = transition(event, state, 0, 0.35, 0.0);
            transition.explanation.accepted = accepted;
            message(&transition, &habit, &name, (&shown, Beside::default()), (Some("duty"), true))
        };
        let over = said(EventName::Return, StateName::Normal, true);
        assert_eq!(over.zh, "主泵 预警解除：未回到原来水平，0.35 MPa 已视为正常");
        assert_eq!(over.en, "main pump: it has not gone back; 0.35 MPa is taken for normal from now on");
        let seen = said(EventName::Acknowledge, StateName::Normal, true);
        assert!(seen.zh.contains("已视为正常") && !seen.en.contains("back to normal"), "{seen:?}");
        assert_eq!(said(EventName::Return, StateName::Normal, false).en, "main pump is back to normal at 0.35 MPa");
    }

    fn step(event: &str, value: f64, detected: i64) -> AlarmEvent {
        let event = serde_json::json!({
            "id": "1", "number": 1, "event": event, "state": "", "site": "", "device": "", "point": "", "kind": "",
            "rule": "", "priority": "", "level": 0, "value": value, "quality": "good", "early_warning": false,
            "message": { "zh": "", "en": "" }, "onset": 0, "since": 0, "occurred": detected, "detected": detected,
        });
        serde_json::from_value(event).expect("an event as journals of before held it")
    }

    #[test]
    fn what_raised_it_and_who_has_seen_it_is_carried_on() {
        let raise = carry_on(step("raise", 1.0, 5), None, None);
        let deed = Deed { by: "duty", note: Some("派人") };
        let seen = carry_on(step("acknowledge", 2.0, 7), Some(&raise), Some(&deed));
        let deed = Deed { by: "chief", note: Some("等备件") };
        let noted = carry_on(step("note", 2.0, 8), Some(&seen), Some(&deed));
        let gone = carry_on(step("return", 0.0, 9), Some(&noted), None);
        let note = Noted { by: "chief".to_owned(), at: 8, note: "等备件".to_owned() };
        assert_eq!(gone.noted.as_ref(), Some(&note));
        assert_eq!(gone.raised.as_ref().map(|raised| (raised.value, raised.at)), Some((Some(1.0), 5)));
        let who = Acknowledged { by: "duty".to_owned(), at: 7, note: Some("派人".to_owned()) };
        assert_eq!(gone.acknowledged, Some(who));
        let again = carry_on(step("raise", 3.0, 11), Some(&gone), None);
        assert_eq!(again.noted, Some(note), "it outlasts the next coming");
        assert_eq!((again.raised.and_then(|raised| raised.value), again.acknowledged), (Some(3.0), None));
        // The raise lies in a journal that did not know the field.
        let old = carry_on(step("return", 0.0, 9), Some(&step("raise", 4.0, 5)), None);
        assert_eq!(old.raised.and_then(|raised| raised.value), Some(4.0));
    }
}
