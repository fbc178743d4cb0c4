//! From a transition of indices to one of names and words, in the two languages of the people.

use gengfu_core::alarm::{EventName, Transition};
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
        EventName::Acknowledge => (
            format!("{name} 报警：{}（已由 {by} 确认）", fact.zh),
            format!("{name}: {} (acknowledged by {by})", fact.en),
        ),
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
    Text { zh, en }
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
    use super::*;

    #[test]
    fn values_and_times_read_well() {
        assert_eq!(short(0.15), "0.15");
        assert_eq!(short(50.0), "50");
        assert_eq!(short(-0.000_04), "-0");
        assert_eq!(left(42 * 60_000).1, "about 42 min");
        assert_eq!(left(90_000).0, "约 90 秒");
    }
}
