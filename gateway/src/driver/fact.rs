//! What a detector found, in the two languages of the people: the middle of every message.

use gengfu_core::alarm::{Explanation, Transition};
use gengfu_core::detect::limit::Side;
use gengfu_core::detect::{Params, band, count, dwell, frozen, group};
use gengfu_core::quality::Quality;

use crate::ballot::{Ballot, counted};
use crate::config::checked::PointLabel;
use crate::flow::{self, Text};

/// What a fact is told with, beside the point itself.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Beside<'a> {
    /// The point that a rule on several is told with.
    pub(super) other: Option<&'a Other<'a>>,
    /// How a vote was cast.
    pub(super) ballot: Option<&'a Ballot>,
}

/// What the detector found, without the point's name.
pub(super) fn fact(
    transition: &Transition,
    params: &Params,
    shown: &Shown<'_>,
    Beside { other, ballot }: Beside<'_>,
) -> Text {
    let why = &transition.explanation;
    let (value, limit) = (shown.of(why.value), shown.of(why.limit));
    let (zh, en) = match params {
        Params::Limit(p) if p.side == Side::High => (
            format!("{}，达到上限 {}", value.zh, limit.zh),
            format!("{}, at or above the limit of {}", value.en, limit.en),
        ),
        Params::Limit(_) => (
            format!("{}，达到下限 {}", value.zh, limit.zh),
            format!("{}, at or below the limit of {}", value.en, limit.en),
        ),
        // A state with a word needs no more; a bare number does.
        Params::Digital(_) if shown.has_word(why.value) => (value.zh, value.en),
        Params::Digital(p) if p.negate => {
            (format!("状态 {}，应为 {}", value.zh, limit.zh), format!("state {} instead of {}", value.en, limit.en))
        }
        Params::Digital(_) => (format!("状态 {}", value.zh), format!("state {}", value.en)),
        Params::Trend(_) => approaching(why.time_to_limit, &value, &limit),
        Params::Vote(_) => return ballot.map_or_else(|| reading(transition, params, shown), |b| b.said.clone()),
        Params::Band(p) => beside(p, transition.level, why.limit, shown, &value),
        Params::Rate(_) => {
            let (rate, line) = (shown.hourly(why.value), shown.hourly(why.limit));
            (
                format!("变化过快：每小时 {}（限 {}）", rate.zh, line.zh),
                format!("changes by {} an hour, {} is the limit", rate.en, line.en),
            )
        }
        Params::Frozen(p) => stuck(p, &value),
        Params::Count(p) => often(p, why.value),
        Params::Dwell(p) => held(p, shown),
        Params::Accumulated(p) => {
            let (sum, line, (zh, en)) = (shown.summed(why.value), shown.summed(why.limit), lasting(p.window_ms));
            (
                format!("{zh}内累计 {}（限 {}）", sum.zh, line.zh),
                format!("{} within {en}, {} is the limit", sum.en, line.en),
            )
        }
        Params::Rhythm(_) => uneven(why.usual),
        Params::Drift(_) => drifting(&value, &shown.of(why.usual)),
        Params::Habit(_) => unlike(&value, &shown.of(why.usual)),
        Params::Sibling(_) => apart(why, shown, other),
        Params::Residual(_) => unexplained(why, shown, other),
        Params::Ratio(_) => shared(why, other),
        Params::Group(p) => together(p, why, other),
        Params::Absent(_) => lost(why.quality),
    };
    // An alarm keeps the highest level it had, with its priority, though a lower one stands now: both are said.
    let Params::Limit(limit) = params else { return Text { zh, en } };
    let highest = limit.line(transition.level);
    if highest == why.limit {
        return Text { zh, en };
    }
    let highest = shown.of(highest);
    Text {
        zh: format!("{zh}；曾达到 {}，保持该级别", highest.zh),
        en: format!("{en}; it had reached {} and keeps that level", highest.en),
    }
}

/// It leaves where it was.
fn drifting(value: &Text, usual: &Text) -> (String, String) {
    (
        format!("现值 {}，正在偏离常态 {}", value.zh, usual.zh),
        format!("{}, drifting away from the usual {}", value.en, usual.en),
    )
}

/// It does not do what it did at such times.
fn unlike(value: &Text, usual: &Text) -> (String, String) {
    (
        format!("与以往不同：现值 {}，预期 {}", value.zh, usual.zh),
        format!("unlike anything before: {} where {} was expected", value.en, usual.en),
    )
}

/// The limit is near.
fn approaching(in_ms: Option<u64>, value: &Text, limit: &Text) -> (String, String) {
    let (zh_left, en_left) = left(in_ms.unwrap_or(0));
    (
        format!("现值 {}，预计{zh_left}后达到限值 {}", value.zh, limit.zh),
        format!("{}, the limit of {} in {en_left} at this rate", value.en, limit.en),
    )
}

/// What there is now, in words: the point's value, or the count of a vote, which has neither its unit nor its words.
pub(super) fn reading(transition: &Transition, params: &Params, shown: &Shown<'_>) -> Text {
    let why = &transition.explanation;
    match (params, why.tally) {
        (Params::Vote(vote), Some(tally)) => counted(vote, tally),
        (_, _) => present(params, why, shown),
    }
}

/// Beyond one of two lines.
fn beside(p: &band::Params, level: u8, line: Option<f64>, shown: &Shown<'_>, value: &Text) -> (String, String) {
    let limit = shown.of(line);
    let high = line.is_some_and(|line| p.low.line(level) != Some(line));
    let (zh, en) = if high { ("上限", "above the band: limit") } else { ("下限", "below the band: limit") };
    (format!("{}，超出范围（{zh} {}）", value.zh, limit.zh), format!("{}, {en} {}", value.en, limit.en))
}

/// It does not move.
fn stuck(p: &frozen::Params, value: &Text) -> (String, String) {
    let (zh, en) = lasting(p.for_ms);
    (format!("数值停滞在 {} 已超过{zh}", value.zh), format!("has not moved from {} for more than {en}", value.en))
}

/// Too often.
fn often(p: &count::Params, times: Option<f64>) -> (String, String) {
    let (n, line, (zh, en)) = (short(times.unwrap_or(0.0)), short(p.limit), lasting(p.window_ms));
    match p.what {
        count::What::Starts => {
            (format!("{zh}内启动 {n} 次（限 {line}）"), format!("{n} starts within {en}, {line} is the limit"))
        }
        count::What::Changes => {
            (format!("{zh}内变化 {n} 次（限 {line}）"), format!("{n} changes within {en}, {line} is the limit"))
        }
        count::What::Growth => {
            (format!("{zh}内增加 {n}（限 {line}）"), format!("grew by {n} within {en}, {line} is the limit"))
        }
    }
}

/// Held for too long.
fn held(p: &dwell::Params, shown: &Shown<'_>) -> (String, String) {
    let (zh, en) = lasting(p.hold_ms);
    let state = shown.of(Some(p.is));
    let state = if shown.has_word(Some(p.is)) {
        state
    } else {
        Text { zh: format!("状态 {}", state.zh), en: format!("state {}", state.en) }
    };
    (format!("{}，已持续超过{zh}", state.zh), format!("{} for more than {en}", state.en))
}

/// Starts too soon, or none.
fn uneven(usual_ms: Option<f64>) -> (String, String) {
    match usual_ms {
        Some(usual) => {
            let (zh, en) = lasting(usual as u64);
            (format!("启动节律异常（平常每{zh}一次）"), format!("starts out of rhythm, usually one every {en}"))
        }
        None => ("启动节律异常".to_owned(), "starts out of rhythm".to_owned()),
    }
}

/// Another point of a rule, by name, and how its values are told.
#[derive(Debug)]
pub(super) struct Other<'a> {
    pub(super) name: Text,
    pub(super) shown: Shown<'a>,
}

/// Which other point a rule is told with: what weighs most in its condition, or the one it is held against.
pub(super) fn told_with(params: &Params) -> Option<With> {
    match params {
        Params::Group(_) => Some(With::Chief),
        Params::Sibling(_) | Params::Residual(_) | Params::Ratio(_) => Some(With::Channel(1)),
        Params::Limit(_)
        | Params::Digital(_)
        | Params::Trend(_)
        | Params::Absent(_)
        | Params::Vote(_)
        | Params::Band(_)
        | Params::Rate(_)
        | Params::Frozen(_)
        | Params::Count(_)
        | Params::Dwell(_)
        | Params::Accumulated(_)
        | Params::Rhythm(_)
        | Params::Drift(_)
        | Params::Habit(_) => None,
    }
}

/// See [`told_with`].
pub(super) enum With {
    Chief,
    Channel(u8),
}

/// Where a point is when nothing is wrong.
fn present(params: &Params, why: &Explanation, shown: &Shown<'_>) -> Text {
    match (params, why.value) {
        (Params::Sibling(_), Some(apart)) => {
            let off = shown.of(Some(apart.abs()));
            Text { zh: format!("与同类测点相差 {}", off.zh), en: format!("{} from its sibling", off.en) }
        }
        (_, value) => shown.of(value),
    }
}

/// Two that should say the same.
fn apart(why: &Explanation, shown: &Shown<'_>, other: Option<&Other<'_>>) -> (String, String) {
    let (off, limit) = (why.value.unwrap_or_default(), shown.of(why.limit));
    let by = shown.of(Some(off.abs()));
    let (zh, en) =
        other.map_or(("同类测点", "its sibling"), |other| (other.name.zh.as_str(), other.name.en.as_str()));
    let (zh_way, en_way) = if off < 0.0 { ("低", "below") } else { ("高", "above") };
    (
        format!("比 {zh} {zh_way} {}（限 {}）", by.zh, limit.zh),
        format!("{} {en_way} {en}, {} is the limit", by.en, limit.en),
    )
}

/// What its load does not explain.
fn unexplained(why: &Explanation, shown: &Shown<'_>, other: Option<&Other<'_>>) -> (String, String) {
    let (value, usual) = (shown.of(why.value), shown.of(why.usual));
    let (zh, en) = other.map_or(("负荷", "its load"), |other| (other.name.zh.as_str(), other.name.en.as_str()));
    (format!("现值 {}，按 {zh} 应为 {}", value.zh, usual.zh), format!("{} where {en} explains {}", value.en, usual.en))
}

/// So much of it in another, where it used to be less.
fn shared(why: &Explanation, other: Option<&Other<'_>>) -> (String, String) {
    let share = |of: Option<f64>| of.map_or_else(|| "–".to_owned(), |of| format!("{of:.3}"));
    let (value, usual) = (share(why.value), share(why.usual));
    let (zh, en) = other.map_or(("基数", "the other"), |other| (other.name.zh.as_str(), other.name.en.as_str()));
    (format!("与 {zh} 之比 {value}，平常 {usual}"), format!("{value} for each of {en}, usually {usual}"))
}

/// Several points of one machine. Without a chief nobody has moved any more, or nobody knows.
fn together(p: &group::Params, why: &Explanation, other: Option<&Other<'_>>) -> (String, String) {
    let Some((chief, other)) = why.chief.zip(other) else {
        return (
            format!("{} 个测点整体偏离常态", p.channels),
            format!("its group of {} points has left the usual", p.channels),
        );
    };
    let (value, usual, share) =
        (other.shown.of(Some(chief.value)), other.shown.of(Some(chief.usual)), chief.share * 100.0);
    let Text { zh, en } = &other.name;
    (
        format!(
            "{} 个测点中 {} 个偏离常态，主要为 {zh}：{}（平常 {}，占 {share:.0}%）",
            p.channels, chief.moved, value.zh, usual.zh
        ),
        format!(
            "{} of {} points have left the usual, most of all {en}: {} instead of {} ({share:.0} %)",
            chief.moved, p.channels, value.en, usual.en
        ),
    )
}

/// No value, and why.
fn lost(quality: Quality) -> (String, String) {
    match quality.reason().filter(|_| !quality.has_value()) {
        Some(reason) => {
            let Text { zh, en } = flow::reason(reason);
            (format!("失去数据（{zh}）"), format!("no data ({en})"))
        }
        None => ("失去数据（长时间未上报）".to_owned(), "no data (nothing heard for too long)".to_owned()),
    }
}

/// How values of a point are told: with its unit, or with the word of a state.
#[derive(Debug)]
pub(super) struct Shown<'a> {
    pub(super) unit: Option<&'a str>,
    pub(super) label: Option<&'a PointLabel>,
}

impl Shown<'_> {
    fn word(&self, value: f64) -> Option<&Text> {
        self.label.and_then(|label| label.word(value))
    }

    pub(super) fn has_word(&self, value: Option<f64>) -> bool {
        value.is_some_and(|value| self.word(value).is_some())
    }

    /// A change an hour.
    fn hourly(&self, value: Option<f64>) -> Text {
        Self::measured(value, self.unit.map(str::to_owned))
    }

    /// A flow that was summed up over hours: m3/h make m3, kW make kWh.
    fn summed(&self, value: Option<f64>) -> Text {
        Self::measured(value, self.unit.map(|unit| unit.strip_suffix("/h").map_or(format!("{unit}h"), str::to_owned)))
    }

    fn measured(value: Option<f64>, unit: Option<String>) -> Text {
        let number = value.map_or_else(|| "—".to_owned(), short);
        Text::same(&unit.map_or(number.clone(), |unit| format!("{number} {unit}")))
    }

    pub(super) fn of(&self, value: Option<f64>) -> Text {
        let Some(value) = value else { return Text::same("—") };
        self.word(value).cloned().unwrap_or_else(|| match self.unit {
            Some(unit) => Text::same(&format!("{} {unit}", short(value))),
            None => Text::same(&short(value)),
        })
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

/// A length of time that a rule names, in both languages.
fn lasting(ms: u64) -> (String, String) {
    let seconds = ms / 1000;
    match seconds {
        0..120 => (format!(" {seconds} 秒"), format!("{seconds} s")),
        120..7_200 => (format!(" {} 分钟", seconds / 60), format!("{} min", seconds / 60)),
        7_200..172_800 => (format!(" {} 小时", seconds / 3_600), format!("{} h", seconds / 3_600)),
        _ => (format!(" {} 天", seconds / 86_400), format!("{} days", seconds / 86_400)),
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
