//! The levels for people: colour, since when, and in words what made them.

use std::time::Duration;

use gengfu_core::alarm::Priority;
use gengfu_core::time::Now;
use gengfu_core::warning::{Amount, Basis, Groups, RiskLevel, Rung, WarningLevel, When, Which};
use serde::Serialize;

use super::super::storage::NO_DATA_RULE;
use super::{NAMED, Scaled, Word};
use crate::config::checked::{Labels, Site, WarningConfig};
use crate::config::units;
use crate::flow::Text;
use crate::journal::LevelRecord;

/// Warning level and risk colour: two scales, and neither is made of the other. Times are UTC ms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Levels {
    pub at: i64,
    /// What the site is warned of now.
    pub warning: Standing,
    /// How dangerous it is as it stands.
    pub risk: Standing,
}

/// Where one scale stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// `none` (of warnings), `blue`, `yellow`, `orange` or `red`.
    pub level: &'static str,
    /// The number of a warning level: I is the gravest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roman: Option<&'static str>,
    /// `base`: nothing speaks for more; `reached`: facts do; `held`: they went, and the hold runs; `awaits-release`: it is over,
    /// and a person must say so.
    pub state: &'static str,
    pub since: Option<i64>,
    /// Until when it is held.
    pub held_until: Option<i64>,
    /// What made it, the last of it where nothing does any more.
    pub reason: Option<Reason>,
}

/// The row of the table that holds, and the facts that fulfil it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Reason {
    /// 1 for the first row.
    pub row: u32,
    pub why: Text,
    pub count: u32,
    /// `rule@device/point` of the first eight.
    pub alarms: Vec<String>,
    /// What people call the points of these, in the same order.
    pub names: Vec<Text>,
}

impl Reason {
    pub(super) fn new(basis: &Basis, why: Text, name: &impl Fn(u32) -> String) -> Self {
        let alarms = basis.bindings.iter().take(NAMED).map(|binding| name(*binding)).filter(|name| !name.is_empty());
        Self { row: u32::from(basis.row) + 1, why, count: basis.count, alarms: alarms.collect(), names: Vec::new() }
    }

    pub(super) fn of(record: &LevelRecord) -> Self {
        let LevelRecord { row, why, count, alarms, .. } = record.clone();
        Self { row, why, count, alarms, names: Vec::new() }
    }

    /// With the names that the site has now.
    fn called(self, labels: &Labels) -> Self {
        Self { names: self.alarms.iter().map(|alarm| called(alarm, labels)).collect(), ..self }
    }
}

/// Nothing speaks against the site.
impl Default for Levels {
    fn default() -> Self {
        let base = |level| Standing { level, roman: None, state: BASE, since: None, held_until: None, reason: None };
        Self { at: 0, warning: base(None::<WarningLevel>.word()), risk: base(Word::word(RiskLevel::Blue)) }
    }
}

/// The word for a scale that is where nothing speaks for more.
const BASE: &str = "base";

impl Levels {
    pub(super) fn of(warning: &Scaled<Option<WarningLevel>>, risk: &Scaled<RiskLevel>, site: &Site, now: Now) -> Self {
        let roman = warning.ladder.level().map(WarningLevel::roman);
        let warning = Standing { roman, ..standing(warning, site, now) };
        Self { at: now.wall.0, warning, risk: standing(risk, site, now) }
    }
}

fn standing<L: Word>(scaled: &Scaled<L>, site: &Site, now: Now) -> Standing {
    let (level, rung) = scaled.ladder.standing();
    let (state, held_until) = match rung {
        Rung::Silent => (BASE, None),
        Rung::Reached { .. } => ("reached", None),
        Rung::Lapsing { from, .. } => {
            ("held", Some(now.at(from.mono.plus(site.warning.down.as_millis() as u64)).wall.0))
        }
        Rung::Waiting { .. } => ("awaits-release", None),
    };
    let reason = scaled.reason.clone().map(|reason| reason.called(&site.labels));
    Standing { level: level.word(), roman: None, state, since: since(rung), held_until, reason }
}

/// What people call the point of `rule@device/point`; of one that is lost, with that.
fn called(alarm: &str, labels: &Labels) -> Text {
    let parts = alarm.split_once('@').and_then(|(rule, point)| Some((rule, point.split_once('/')?)));
    let Some((rule, (device, point))) = parts else { return Text::same(alarm) };
    let Text { zh, en } = labels.full(device, point);
    if rule == NO_DATA_RULE {
        return Text { zh: format!("{zh}（失去数据）"), en: format!("{en} (no data)") };
    }
    Text { zh, en }
}

pub(super) fn since(rung: &Rung) -> Option<i64> {
    match rung {
        Rung::Silent => None,
        Rung::Reached { since, .. } | Rung::Lapsing { since, .. } | Rung::Waiting { since, .. } => Some(since.wall.0),
    }
}

/// A row in words.
pub(super) fn words(when: &When, config: &WarningConfig) -> Text {
    match *when {
        When::Alarms { least, priority, groups, which } => alarms(least, priority, groups, which, config),
        When::Impaired { least, .. } => {
            let (zh, en) = match least {
                Amount::Points(points) => (format!("{points} 个"), format!("{points} or more")),
                Amount::Percent(percent) => (format!("{percent}%"), format!("{percent} % or more")),
            };
            Text {
                zh: format!("不少于{zh}的生命安全点位失去监视"),
                en: format!("{en} of the life-safety points are not watched as they should be"),
            }
        }
    }
}

fn alarms(least: u32, priority: Priority, groups: Groups, which: Which, config: &WarningConfig) -> Text {
    let (zh_priority, en_priority) = match priority {
        Priority::Low => ("低级及以上", "low or above"),
        Priority::Medium => ("中级及以上", "medium or above"),
        Priority::High => ("高级及以上", "high or above"),
        Priority::Critical => ("紧急", "critical"),
    };
    let named: Vec<&str> = config
        .groups
        .iter()
        .zip(0_u32..)
        .filter(|(_, bit)| groups.0 & (1 << bit) != 0)
        .map(|(group, _)| group.name.as_str())
        .collect();
    let of = named.join(", ");
    let (zh_of, en_of) =
        if named.is_empty() { (String::new(), String::new()) } else { (format!("（{of}）"), format!(" of {of}")) };
    let (zh_which, en_which) = match which {
        Which::Any => (String::new(), String::new()),
        Which::Confirmed => ("已印证的".to_owned(), ", confirmed".to_owned()),
        Which::Unseen { for_ms } => {
            let time = units::show(Duration::from_millis(for_ms));
            (format!("超过 {time} 无人确认的"), format!(", not acknowledged for {time}"))
        }
    };
    let (zh_least, en_least) = match least {
        0 | 1 => ("有".to_owned(), "an alarm".to_owned()),
        more => (format!("不少于 {more} 条"), format!("{more} or more alarms")),
    };
    Text {
        zh: format!("{zh_least}{zh_which}{zh_priority}报警{zh_of}"),
        en: format!("{en_least} of priority {en_priority}{en_of}{en_which}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::checked::PointLabel;

    #[test]
    fn what_made_a_level_is_called_as_people_call_it() {
        let mut labels = Labels::default();
        labels.name_device("smoke-b", Text::of("二号烟感 / smoke B"));
        let state = PointLabel { label: Some(Text::of("状态 / state")), words: Vec::new() };
        labels.name_point("smoke-b/alarm".to_owned(), state);
        assert_eq!(called("fire@smoke-b/alarm", &labels), Text::of("二号烟感 状态 / smoke B state"));
        let lost = called("gengfu/no-data@smoke-b/alarm", &labels);
        assert_eq!((lost.zh.as_str(), lost.en.as_str()), ("二号烟感 状态（失去数据）", "smoke B state (no data)"));
        assert_eq!(called("fire@gas-1/ch4", &labels), Text::same("gas-1/ch4"));
    }
}
