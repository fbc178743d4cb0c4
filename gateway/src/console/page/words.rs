//! Words, numbers and times of the page, in both languages. A text is always given in both at its place, so neither can
//! be forgotten.

use gengfu_core::alarm::{ModeName, Priority, StateName};
use gengfu_core::quality::{Quality, Reason};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::super::view::Present;
use crate::flow::{self, Text};
use crate::journal::Lane;
use crate::telemetry::{LinkState, RefusedReason};

/// The page's language; Chinese unless asked otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum Lang {
    #[default]
    Zh,
    En,
}

impl Lang {
    /// The word of the query and of the cookie.
    pub(super) const fn word(self) -> &'static str {
        self.pick("zh", "en")
    }

    pub(super) fn of_word(word: &str) -> Option<Self> {
        [Self::Zh, Self::En].into_iter().find(|lang| lang.word() == word)
    }

    /// What an `Accept-Language` prefers of the two; `None` where it wants neither.
    pub(super) fn asked(accept: &str) -> Option<Self> {
        let choice = |part: &str| {
            let (tag, weight) = part.split_once(';').unwrap_or((part, ""));
            let weight = weight.trim().strip_prefix("q=").and_then(|q| q.parse::<f64>().ok()).unwrap_or(1.0);
            let lang = Self::of_word(&tag.trim().split('-').next()?.to_ascii_lowercase())?;
            (weight > 0.0).then_some((lang, weight))
        };
        let better = |best: (Self, f64), next: (Self, f64)| if next.1 > best.1 { next } else { best };
        accept.split(',').filter_map(choice).reduce(better).map(|(lang, _)| lang)
    }

    pub(in super::super) const fn pick(self, zh: &'static str, en: &'static str) -> &'static str {
        match self {
            Self::Zh => zh,
            Self::En => en,
        }
    }

    /// The half of a text that is in this language.
    pub(super) fn of(self, text: &Text) -> &str {
        match self {
            Self::Zh => &text.zh,
            Self::En => &text.en,
        }
    }

    pub(super) const fn tag(self) -> &'static str {
        self.pick("zh-CN", "en")
    }

    pub(super) const fn other_tag(self) -> &'static str {
        self.pick("en", "zh-CN")
    }

    pub(super) const fn other_name(self) -> &'static str {
        self.pick("English", "中文")
    }

    pub(super) const fn other_href(self) -> &'static str {
        self.pick("/?lang=en", "/?lang=zh")
    }
}

/// The word of a priority; one that core does not know is shown as it came.
/// The four colours of a warning or of a risk.
pub(super) fn colour(lang: Lang, word: &str) -> String {
    let (zh, en) = match word {
        "red" => ("红", "red"),
        "orange" => ("橙", "orange"),
        "yellow" => ("黄", "yellow"),
        "blue" => ("蓝", "blue"),
        other => return other.to_owned(),
    };
    lang.pick(zh, en).to_owned()
}

pub(super) fn priority(lang: Lang, word: &str) -> &str {
    match Priority::ALL.into_iter().find(|p| p.word() == word) {
        Some(Priority::Critical) => lang.pick("紧急", "CRITICAL"),
        Some(Priority::High) => lang.pick("高", "HIGH"),
        Some(Priority::Medium) => lang.pick("中", "MEDIUM"),
        Some(Priority::Low) => lang.pick("低", "LOW"),
        None => word,
    }
}

pub(super) fn state(lang: Lang, word: &str) -> &str {
    match StateName::ALL.into_iter().find(|s| s.word() == word) {
        Some(StateName::Normal) => lang.pick("已恢复", "normal"),
        Some(StateName::Unacknowledged | StateName::Returned) => lang.pick("未确认", "not acknowledged"),
        Some(StateName::Acknowledged) => lang.pick("已确认，尚未恢复", "acknowledged, still active"),
        Some(StateName::Shelved) => lang.pick("已搁置", "shelved"),
        Some(StateName::Suppressed) => lang.pick("由上级报警抑制", "explained by another alarm"),
        Some(StateName::OutOfService) => lang.pick("已停用", "out of service"),
        Some(StateName::Latched) => lang.pick("未确认，需复位", "not acknowledged, reset needed"),
        Some(StateName::LatchedAcknowledged) => lang.pick("已确认，需复位", "acknowledged, reset needed"),
        None => word,
    }
}

/// What a button is called.
pub(super) fn act(lang: Lang, word: &str) -> &str {
    match word {
        "acknowledge" => lang.pick("确认", "Acknowledge"),
        "reset" => lang.pick("复位", "Reset"),
        "shelve" => lang.pick("搁置…", "Shelve…"),
        "unshelve" => lang.pick("取消搁置", "Unshelve"),
        "out-of-service" => lang.pick("停用…", "Out of service…"),
        "return-to-service" => lang.pick("恢复投用", "Return to service"),
        "note" => lang.pick("备注…", "Note…"),
        "end" => lang.pick("结束…", "End…"),
        "release" => lang.pick("解除…", "Release…"),
        _ => word,
    }
}

/// The word of a mode.
pub(super) fn mode(lang: Lang, word: &str) -> &str {
    match ModeName::ALL.into_iter().find(|mode| mode.word() == word) {
        Some(ModeName::WalkTest) => lang.pick("走查测试", "walk-test"),
        Some(ModeName::Drill) => lang.pick("演练", "drill"),
        Some(ModeName::Maintenance) => lang.pick("检修", "maintenance"),
        None => word,
    }
}

/// What people call an area.
pub(super) fn area(lang: Lang, area: &str) -> String {
    if area.is_empty() {
        return lang.pick("未分区的点位", "points of no area").to_owned();
    }
    lang.of(&Text::of(area)).to_owned()
}

pub(super) fn quality(lang: Lang, word: &str) -> &str {
    let known = [Quality::Good, Quality::Uncertain(Reason::Comm), Quality::Bad(Reason::Comm)];
    match known.into_iter().find(|quality| quality.word() == word) {
        Some(Quality::Good) => lang.pick("有效", "good"),
        Some(Quality::Uncertain(_)) => lang.pick("存疑", "uncertain"),
        Some(Quality::Bad(_)) => lang.pick("无效", "bad"),
        None => word,
    }
}

pub(super) fn reason(lang: Lang, word: &str) -> String {
    let known = Reason::ALL.into_iter().find(|reason| reason.word() == word);
    known.map_or_else(|| word.to_owned(), |reason| lang.of(&flow::reason(reason)).to_owned())
}

pub(super) const fn link(lang: Lang, state: &LinkState) -> &'static str {
    match state {
        LinkState::Connecting => lang.pick("连接中", "connecting"),
        LinkState::Up => lang.pick("在线", "up"),
        LinkState::Down { .. } => lang.pick("断开", "down"),
    }
}

/// Why a link is down, as a person would say it; what is not known is said as it came.
pub(super) fn why(lang: Lang, why: &str) -> String {
    const COMMON: [(&str, &str); 24] = [
        ("disk is full", "磁盘已满"),
        ("no space left", "磁盘已满"),
        ("readonly database", "磁盘只读"),
        ("read-only", "磁盘只读"),
        ("disk i/o error", "磁盘读写出错"),
        ("malformed", "文件损坏，重启时检查并修复"),
        ("not a database", "文件损坏，重启时检查并修复"),
        ("unable to open database", "文件无法打开"),
        ("connection refused", "拒绝连接（对方未启动，或地址、端口不对）"),
        ("connection reset", "连接被对方断开"),
        ("closed by peer", "连接被对方断开"),
        ("broken pipe", "连接被对方断开"),
        ("no route to host", "主机不可达"),
        ("host is unreachable", "主机不可达"),
        ("network is unreachable", "网络不可达"),
        ("lookup address", "域名无法解析"),
        ("no answer in time", "应答超时"),
        ("timed out", "应答超时"),
        ("timeout", "应答超时"),
        ("too slow", "应答超时"),
        ("token", "令牌不可用"),
        ("bad user name or password", "用户名或密码错误"),
        ("not authorized", "用户名或密码错误"),
        ("keeps the rest", "网关来不及接收，其余由消息服务器保留"),
    ];
    let small = why.to_lowercase();
    let known = COMMON.into_iter().find(|(words, _)| small.contains(words)).filter(|_| lang == Lang::Zh);
    known.map_or_else(|| why.to_owned(), |(_, zh)| zh.to_owned())
}

pub(super) const fn lane(lang: Lang, lane: Lane) -> &'static str {
    match lane {
        Lane::Alarm => lang.pick("报警", "alarms"),
        Lane::Telemetry => lang.pick("遥测", "telemetry"),
    }
}

pub(super) fn refused(lang: Lang, word: &str) -> &str {
    match RefusedReason::ALL.into_iter().find(|reason| reason.word() == word) {
        Some(RefusedReason::Undecodable) => lang.pick("无法解析", "could not be decoded"),
        Some(RefusedReason::TooManyDevices) => lang.pick("设备数超限", "too many devices"),
        Some(RefusedReason::JournalFull) => lang.pick("日志队列满", "journal queue full"),
        Some(RefusedReason::EngineBusy) => lang.pick("处理不及", "engine busy"),
        None => word,
    }
}

/// What stands where a value would.
pub(super) const fn none(lang: Lang) -> &'static str {
    lang.pick("无有效值", "no usable value")
}

/// Four significant digits and no trailing zeros: 0.1523, 23.46, 1235. The script has the same function.
pub(in super::super) fn number(value: f64) -> String {
    if !value.is_finite() {
        return "—".to_owned();
    }
    let magnitude = if value == 0.0 { 0 } else { value.abs().log10().floor() as i32 };
    let decimals = (3 - magnitude).clamp(0, 6) as usize;
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// A value as people read it: the word of a state, or its number; `None` where there is nothing to believe.
pub(super) fn value(lang: Lang, present: &Present) -> Option<String> {
    let word = present.word.as_ref().map(|word| lang.of(word).to_owned());
    word.or_else(|| present.now.value.map(number))
}

/// 1234567 as 1,234,567.
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// How long, in the largest unit that fits: `45 s`, `12 min`, `3.5 h`.
pub(super) fn span(lang: Lang, ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..100 => format!("{seconds} {}", lang.pick("秒", "s")),
        100..6_000 => format!("{} {}", seconds / 60, lang.pick("分钟", "min")),
        6_000..172_800 => format!("{} {}", number((seconds / 360) as f64 / 10.0), lang.pick("小时", "h")),
        _ => format!("{} {}", seconds / 86_400, lang.pick("天", "d")),
    }
}

/// How long ago; a stamp ahead of us counts as now.
pub(super) fn ago(lang: Lang, now: i64, then: i64) -> String {
    let span = span(lang, u64::try_from(now.saturating_sub(then)).unwrap_or(0));
    match lang {
        Lang::Zh => format!("{span}前"),
        Lang::En => format!("{span} ago"),
    }
}

pub(super) fn bytes(n: u64) -> String {
    const UNITS: [(&str, f64); 3] = [("GiB", 1_073_741_824.0), ("MiB", 1_048_576.0), ("KiB", 1024.0)];
    let n = n as f64;
    let (unit, size) = UNITS.into_iter().find(|(_, size)| n >= *size).unwrap_or(("B", 1.0));
    format!("{} {unit}", number(n / size))
}

/// Tells the time of day at the site; where its zone is unknown to this machine, in UTC and saying so.
#[derive(Debug, Clone)]
pub(in super::super) struct Dial {
    zone: TimeZone,
    suffix: &'static str,
}

impl Dial {
    pub(in super::super) fn new(name: &str) -> Self {
        match TimeZone::get(name) {
            Ok(zone) => Self { zone, suffix: "" },
            Err(_) => Self { zone: TimeZone::UTC, suffix: " UTC" },
        }
    }

    /// `2026-01-31 08:00:00`
    pub(in super::super) fn full(&self, ms: i64) -> String {
        self.format("%Y-%m-%d %H:%M:%S", ms)
    }

    /// The time alone where it is of today.
    pub(super) fn short(&self, now: i64, ms: i64) -> String {
        let today = self.format("%Y-%m-%d", now) == self.format("%Y-%m-%d", ms);
        self.format(if today { "%H:%M:%S" } else { "%m-%d %H:%M:%S" }, ms)
    }

    fn format(&self, pattern: &str, ms: i64) -> String {
        Timestamp::from_millisecond(ms).map_or_else(
            |_| "—".to_owned(),
            |at| format!("{}{}", at.to_zoned_datetime(self.zone.clone()).strftime(pattern), self.suffix),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_true() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (0.15, "0.15"),
            (0.15234, "0.1523"),
            (0.1499, "0.1499"),
            (23.456, "23.46"),
            (1234.5, "1234"),
            (99999.0, "99999"),
            (-5.25, "-5.25"),
            (100.0, "100"),
            (0.000_000_1, "0"),
            (1e-5, "0.00001"),
            (f64::NAN, "—"),
            (1e21, "1000000000000000000000"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn common_reasons_are_told_in_the_language_and_others_as_they_came() {
        let refused = "127.0.0.1:1502: Connection refused (os error 111)";
        assert!(why(Lang::Zh, refused).starts_with("拒绝连接"));
        assert_eq!(why(Lang::En, refused), refused);
        assert_eq!(why(Lang::Zh, "no answer in time"), "应答超时");
        assert_eq!(why(Lang::Zh, "418 teapot"), "418 teapot");
    }

    #[test]
    fn spans_are_in_the_unit_a_person_would_use() {
        assert_eq!(span(Lang::En, 99_999), "99 s");
        assert_eq!(span(Lang::Zh, 840_000), "14 分钟");
        assert_eq!(span(Lang::En, 12_600_000), "3.5 h");
        assert_eq!(ago(Lang::Zh, 0, 60_000), "0 秒前");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(999), "999");
        assert_eq!(bytes(1_572_864), "1.5 MiB");
    }

    #[test]
    fn times_are_those_of_the_site() {
        let ms = 1_769_846_400_000;
        assert_eq!(Dial::new("Nowhere/Land").full(ms), "2026-01-31 08:00:00 UTC");
        let shanghai = Dial::new("Asia/Shanghai").full(ms);
        assert!(shanghai == "2026-01-31 16:00:00" || shanghai.ends_with("UTC"), "{shanghai}");
        assert_eq!(Dial::new("UTC").short(ms, ms - 86_400_000), "01-30 08:00:00");
    }

    #[test]
    fn every_word_of_core_has_both_languages() {
        let words: Vec<fn(Lang, &str) -> String> =
            vec![|l, w| priority(l, w).to_owned(), |l, w| state(l, w).to_owned(), reason];
        let codes: [Vec<&str>; 3] = [
            Priority::ALL.map(Priority::word).to_vec(),
            StateName::ALL.map(StateName::word).to_vec(),
            Reason::ALL.map(Reason::word).to_vec(),
        ];
        for (word, codes) in words.into_iter().zip(codes) {
            for code in codes {
                assert!(!word(Lang::Zh, code).is_ascii(), "{code}");
                assert!(word(Lang::En, code).is_ascii(), "{code}");
            }
        }
    }
}
