//! From a transition of indices to one of names and words, in the two languages of the people.

use gengfu_core::alarm::{EventName, StateName, Transition};
use gengfu_core::detect::Params;
use gengfu_core::detect::limit::Side;

use super::storage::{NO_DATA_RULE, Storage};
use crate::catalog::{Catalog, PointMeta};
use crate::config::checked::{Rule, Site};
use crate::flow::{AlarmEvent, Text};

/// The record of the alarm lane for a transition; `None` only for a binding that does not exist.
pub(super) fn event(
    transition: &Transition,
    storage: &Storage,
    site: &Site,
    catalog: &Catalog,
    by: Option<&str>,
) -> Option<AlarmEvent> {
    let binding = storage.binding(transition.binding)?;
    let params = storage.params(binding.rule)?;
    let rule = storage.origin(binding.rule).and_then(|index| site.rules.get(index));
    let meta = catalog.get(binding.point)?;
    let why = &transition.explanation;
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
        unit: meta.unit.clone(),
        limit: why.limit,
        time_to_limit: why.time_to_limit,
        early_warning: params.predictive(),
        message: message(transition, params, &meta, by),
        advice: advice(rule),
        basis: rule.and_then(|r| r.basis.clone()),
        onset: transition.onset.0,
        since: why.since.0,
        occurred: transition.occurred.0,
        detected: transition.detected.wall.0,
        by: by.map(str::to_owned),
    })
}

fn advice(rule: Option<&Rule>) -> Option<String> {
    match rule {
        Some(rule) => rule.advice.clone(),
        None => Some("检查传感器、供电与通信线路 / Check the sensor, its supply and its line.".to_owned()),
    }
}

fn message(transition: &Transition, params: &Params, meta: &PointMeta, by: Option<&str>) -> Text {
    let name = meta.name();
    let by = by.unwrap_or("?");
    let fact = fact(transition, params, meta);
    let (zh, en) = match transition.event {
        EventName::Raise => (format!("{name} 报警：{}", fact.zh), format!("{name}: {}", fact.en)),
        EventName::Escalate => (format!("{name} 升级：{}", fact.zh), format!("{name} escalates: {}", fact.en)),
        EventName::Return => {
            let now = with_unit(transition.explanation.value, meta);
            (format!("{name} 恢复：{now}"), format!("{name} is back to normal at {now}"))
        }
        // What is wrong stays in sight: whoever comes on shift reads this.
        EventName::Acknowledge if transition.state == StateName::Acknowledged => (
            format!("{name} 报警：{}（已由 {by} 确认）", fact.zh),
            format!("{name}: {} (acknowledged by {by})", fact.en),
        ),
        // The condition was over before anybody said that he had seen it.
        EventName::Acknowledge => {
            let now = with_unit(transition.explanation.value, meta);
            (
                format!("{name} 已恢复：{now}（已由 {by} 确认）"),
                format!("{name}: back to normal at {now} (acknowledged by {by})"),
            )
        }
        EventName::Reset => (format!("{name} 已由 {by} 复位"), format!("{name} reset by {by}")),
    };
    Text { zh, en }
}

/// What the detector found, without the point's name.
fn fact(transition: &Transition, params: &Params, meta: &PointMeta) -> Text {
    let why = &transition.explanation;
    let (value, limit) = (with_unit(why.value, meta), with_unit(why.limit, meta));
    let (zh, en) = match params {
        Params::Limit(p) if p.side == Side::High => {
            (format!("{value}，达到上限 {limit}"), format!("{value}, at or above the limit of {limit}"))
        }
        Params::Limit(_) => {
            (format!("{value}，达到下限 {limit}"), format!("{value}, at or below the limit of {limit}"))
        }
        Params::Digital(p) if p.negate => {
            (format!("状态 {value}，应为 {limit}"), format!("state {value} instead of {limit}"))
        }
        Params::Digital(_) => (format!("状态 {value}"), format!("state {value}")),
        Params::Trend(_) => {
            let (zh_left, en_left) = left(why.time_to_limit.unwrap_or(0));
            (
                format!("现值 {value}，预计{zh_left}后达到限值 {limit}"),
                format!("{value}, the limit of {limit} in {en_left} at this rate"),
            )
        }
        Params::Absent(_) => match why.quality.reason().filter(|_| !why.quality.has_value()) {
            Some(reason) => (format!("失去数据（{}）", reason_zh(reason)), format!("no data ({})", reason.word())),
            None => ("失去数据（长时间未上报）".to_owned(), "no data (nothing heard for too long)".to_owned()),
        },
    };
    // An alarm keeps the highest level it had, with its priority, though a lower one stands now: both are said.
    let highest = params.limit(transition.level);
    if highest == why.limit {
        return Text { zh, en };
    }
    let highest = with_unit(highest, meta);
    Text {
        zh: format!("{zh}；曾达到 {highest}，保持该级别"),
        en: format!("{en}; it had reached {highest} and keeps that level"),
    }
}

const fn reason_zh(reason: gengfu_core::quality::Reason) -> &'static str {
    use gengfu_core::quality::Reason;
    match reason {
        Reason::Comm => "通信中断",
        Reason::Timeout => "应答超时",
        Reason::DeviceFault => "设备故障",
        Reason::OutOfRange => "超出量程",
        Reason::Frozen => "数值冻结",
        Reason::NotANumber => "非数值",
        Reason::Substituted => "替代值",
        Reason::Stale => "数据过期",
        Reason::LateReply => "应答迟到",
        Reason::Clock => "时钟异常",
    }
}

fn with_unit(value: Option<f64>, meta: &PointMeta) -> String {
    match (value, &meta.unit) {
        (Some(value), Some(unit)) => format!("{} {unit}", short(value)),
        (Some(value), None) => short(value),
        (None, _) => "—".to_owned(),
    }
}

/// A value for people: at most four decimals, no trailing zeros.
fn short(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A duration for people, in both languages.
fn left(ms: u64) -> (String, String) {
    let seconds = ms / 1000;
    match seconds {
        0..120 => (format!("约 {seconds} 秒"), format!("about {seconds} s")),
        120..7_200 => (format!("约 {} 分钟", seconds / 60), format!("about {} min", seconds / 60)),
        _ => (format!("约 {} 小时", seconds / 3_600), format!("about {} h", seconds / 3_600)),
    }
}

#[cfg(test)]
mod tests {
    use gengfu_core::alarm::{AlarmId, Explanation, Priority};
    use gengfu_core::detect::limit;
    use gengfu_core::quality::Quality;
    use gengfu_core::time::{Mono, Now, Wall};

    use super::*;

    const GAS: Params = Params::Limit(limit::Params {
        side: Side::High,
        first: limit::Level { limit: 25.0, clear: 22.0, on_ms: 0, off_ms: 0 },
        second: Some(limit::Level { limit: 50.0, clear: 45.0, on_ms: 0, off_ms: 0 }),
    });

    /// What is said in English of a transition at `value` when the line of `limit` is crossed.
    fn said(event: EventName, state: StateName, level: u8, value: f64, limit: f64) -> String {
        let now = Now { mono: Mono(1), wall: Wall(1) };
        let explanation = Explanation {
            value: Some(value),
            quality: Quality::Good,
            limit: Some(limit),
            since: Wall(1),
            time_to_limit: None,
        };
        let (binding, id, number, priority, onset) = (0, AlarmId(1), 3, Priority::Critical, Wall(1));
        let (occurred, detected) = (Wall(1), now);
        let transition =
            Transition { binding, id, number, event, state, level, priority, onset, occurred, detected, explanation };
        let meta = PointMeta {
            device: "gas-1".to_owned(),
            point: "ch4".to_owned(),
            kind: "gas".to_owned(),
            area: None,
            unit: Some("%LEL".to_owned()),
            life_safety: true,
            source: None,
        };
        message(&transition, &GAS, &meta, Some("Li")).en
    }

    #[test]
    fn a_kept_level_is_said_beside_what_stands_now() {
        use {EventName as E, StateName as S};
        let kept = "gas-1/ch4: 26 %LEL, at or above the limit of 25 %LEL; it had reached 50 %LEL and keeps that level";
        assert_eq!(said(E::Raise, S::Unacknowledged, 1, 26.0, 25.0), kept);
        assert_eq!(said(E::Acknowledge, S::Acknowledged, 1, 26.0, 25.0), format!("{kept} (acknowledged by Li)"));
        let plain = "gas-1/ch4: 26 %LEL, at or above the limit of 25 %LEL";
        assert_eq!(said(E::Raise, S::Unacknowledged, 0, 26.0, 25.0), plain);
    }

    #[test]
    fn an_acknowledgement_after_the_return_does_not_say_that_it_stands() {
        for state in [StateName::Normal, StateName::LatchedAcknowledged] {
            let said = said(EventName::Acknowledge, state, 1, 3.0, 50.0);
            assert_eq!(said, "gas-1/ch4: back to normal at 3 %LEL (acknowledged by Li)");
        }
    }

    #[test]
    fn values_and_times_read_well() {
        assert_eq!(short(0.15), "0.15");
        assert_eq!(short(50.0), "50");
        assert_eq!(short(-0.000_04), "-0");
        assert_eq!(left(42 * 60_000).1, "about 42 min");
        assert_eq!(left(90_000).0, "约 90 秒");
    }
}
