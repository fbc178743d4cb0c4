//! The report for people, in either of their languages: what to do about, first; then each rule on its point, then what the data
//! was worth.

use std::fmt::Write;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::compare::{Difference, Moved, Only};
use super::data::{Listed, Span, Told};
use super::report::{Findings, Hour, Learning, Report, RowTold};
use crate::cli::columns::aligned;
use crate::foretold::Score;

/// Rows of a table for people; what lies beyond is counted and is in the JSON.
const ROWS: usize = 30;
/// The same of other lists.
const FEW: usize = 8;

/// The language of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lang {
    Zh,
    En,
}

impl Lang {
    const fn pick(self, zh: &'static str, en: &'static str) -> &'static str {
        match self {
            Self::Zh => zh,
            Self::En => en,
        }
    }
}

/// How times are told.
struct Teller {
    lang: Lang,
    zone: TimeZone,
}

/// A screen for people.
pub fn text(report: &Report, lang: Lang) -> String {
    let zone = TimeZone::get(&report.timezone).unwrap_or(TimeZone::UTC);
    let teller = Teller { lang, zone };
    let mut out = teller.head(report);
    out += &teller.findings(&report.rules, report.with.is_some().then_some(lang.pick("现行规则", "the site's rules")));
    if let Some(with) = &report.with {
        out += &teller.findings(with, Some(lang.pick("新规则", "the new rules")));
    }
    if let Some(difference) = &report.difference {
        out += &teller.difference(difference);
    }
    out + &teller.data(&report.data)
}

impl Teller {
    fn at(&self, ms: i64) -> String {
        let time = Timestamp::from_millisecond(ms).map(|at| at.to_zoned_datetime(self.zone.clone()));
        time.map_or_else(|_| "?".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%S").to_string())
    }

    fn span(&self, span: Span) -> String {
        let (from, to) = (self.at(span.from), self.at(span.to));
        match self.lang {
            Lang::Zh => format!("{from} 至 {to}（{}）", self.long(span.to - span.from)),
            Lang::En => format!("{from} to {to} ({})", self.long(span.to - span.from)),
        }
    }

    fn long(&self, ms: i64) -> String {
        let s = ms.max(0) / 1_000;
        let tenth = |unit: i64| format!("{}.{}", s / unit, s % unit * 10 / unit);
        match s {
            0..120 => format!("{s} {}", self.lang.pick("秒", "s")),
            120..7_200 => format!("{} {}", s / 60, self.lang.pick("分钟", "min")),
            7_200..172_800 => format!("{} {}", tenth(3_600), self.lang.pick("小时", "h")),
            _ => format!("{} {}", tenth(86_400), self.lang.pick("天", "days")),
        }
    }

    fn head(&self, report: &Report) -> String {
        let span = self.span(Span { from: report.from, to: report.to });
        let Told { readings, points, .. } = &report.data;
        match self.lang {
            Lang::Zh => format!("{} 回放：{span}\n{points} 个点位，{readings} 条读数\n", report.site),
            Lang::En => format!("{}, replayed: {span}\n{readings} readings of {points} points\n", report.site),
        }
    }

    fn findings(&self, found: &Findings, title: Option<&str>) -> String {
        let mut out = title.map_or_else(|| "\n".to_owned(), |title| format!("\n== {title}\n"));
        let Findings { alarms, a_day, critical, hidden, flips, chatters, .. } = found;
        let a_day = a_day.map_or_else(String::new, |n| match self.lang {
            Lang::Zh => format!("（每天 {n}）"),
            Lang::En => format!(" ({n} a day)"),
        });
        let _ = match self.lang {
            Lang::Zh => writeln!(out, "报警 {alarms} 次{a_day}，其中紧急 {critical} 次；被上级报警抑制 {hidden} 次"),
            Lang::En => writeln!(
                out,
                "{alarms} alarms{a_day}, {critical} of them critical; {hidden} more were explained by another"
            ),
        };
        if *flips > 0 || *chatters > 0 {
            let _ = match self.lang {
                Lang::Zh => writeln!(out, "反复：{flips} 次刚恢复又报警，{chatters} 次抖动；请检查下表的回差与延时"),
                Lang::En => writeln!(
                    out,
                    "flips: {flips} came again at once, {chatters} times one chattered; see to hysteresis and delays of those below"
                ),
            };
        }
        out += &self.load(found);
        if let Some(score) = &found.warnings {
            out += &self.score(score);
        }
        out += &self.rows(&found.rows, found.quiet);
        out += &self.learning(&found.learning);
        if found.not_compared > 0 {
            let n = found.not_compared;
            let _ = match self.lang {
                Lang::Zh => writeln!(out, "另有 {n} 次报警只计数，未参与比较"),
                Lang::En => writeln!(out, "{n} alarms more are counted and in no comparison: they are too many"),
            };
        }
        out
    }

    /// How many at once.
    fn load(&self, found: &Findings) -> String {
        let mut out = String::new();
        if let Some(Hour { at, alarms: n }) = found.worst_hour {
            let (at, above, line) = (self.at(at), found.hours_above, found.hour_line);
            let _ = match self.lang {
                Lang::Zh => {
                    writeln!(out, "最忙的一小时：{at} 起响铃 {n} 次（升级也算）；超过 {line} 次的小时有 {above} 个")
                }
                Lang::En => writeln!(
                    out,
                    "worst hour: it rang {n} times from {at} on, escalations too; {above} hours with more than {line}"
                ),
            };
        }
        let floods = &found.floods;
        if floods.count > 0 {
            let lasted = self.long(found.flood_ms);
            let _ = match self.lang {
                Lang::Zh => writeln!(out, "报警洪峰 {} 次，共 {lasted}：", floods.count),
                Lang::En => writeln!(out, "floods: {}, {lasted} in all:", floods.count),
            };
            for flood in floods.items.iter().take(FEW) {
                let span = self.span(Span { from: flood.from, to: flood.to });
                let (peak, alarms) = (flood.peak, flood.alarms);
                let _ = match self.lang {
                    Lang::Zh => writeln!(out, "  {span}：{alarms} 次，窗口内最多 {peak} 次"),
                    Lang::En => writeln!(out, "  {span}: {alarms} alarms, {peak} in one window"),
                };
            }
            out += &self.more(floods.count, FEW);
        }
        out
    }

    fn score(&self, score: &Score) -> String {
        let Score { came_true, late, wrong, open, lead_ms, .. } = score;
        let mut out = match self.lang {
            Lang::Zh => format!("预警：应验 {came_true} 次，误报 {wrong} 次，晚于报警 {late} 次，未定 {open} 次"),
            Lang::En => format!(
                "early warnings: {came_true} came true, {wrong} did not, {late} came after the limit, {open} are open"
            ),
        };
        if let Some(lead) = lead_ms {
            let [least, median, most] = [lead.least, lead.median, lead.most].map(|ms| self.long(ms as i64));
            let _ = match self.lang {
                Lang::Zh => write!(out, "；提前量 中位 {median}（{least} 至 {most}）"),
                Lang::En => write!(out, "; lead {median} in the middle ({least} to {most})"),
            };
        }
        out + "\n"
    }

    fn rows(&self, rows: &Listed<RowTold>, quiet: usize) -> String {
        let pick = |zh, en| self.lang.pick(zh, en).to_owned();
        let mut table = vec![vec![
            pick("报警", "alarms"),
            pick("反复", "flips"),
            pick("持续", "standing"),
            pick("最长", "longest"),
            pick("规则", "rule"),
            pick("点位", "point"),
            String::new(),
        ]];
        for row in rows.items.iter().take(ROWS) {
            table.push(vec![
                row.alarms.to_string(),
                row.flips.to_string(),
                self.long(row.standing_ms as i64),
                self.long(row.longest_ms as i64),
                row.rule.clone(),
                row.point.clone(),
                self.notes(row),
            ]);
        }
        let mut out = if rows.count > 0 { aligned(2, &table) } else { String::new() };
        out += &self.more(rows.count, ROWS);
        let _ = match self.lang {
            Lang::Zh => writeln!(out, "另有 {quiet} 处（规则 × 点位）没有报警"),
            Lang::En => writeln!(out, "{quiet} rules on points raised nothing"),
        };
        out
    }

    /// Who could not judge, or not from the begin on: its silence says nothing.
    fn learning(&self, list: &Listed<Learning>) -> String {
        let row = |one: &Learning| {
            let until = one.taught.map_or_else(
                || self.lang.pick("到结束仍在学习，未作判断", "to the end: it judged nothing").to_owned(),
                |at| format!("{}{}", self.lang.pick("学习至 ", "until "), self.at(at)),
            );
            vec![one.rule.clone(), one.point.clone(), until]
        };
        let rows: Vec<_> = list.items.iter().take(FEW).map(row).collect();
        let title = self
            .lang
            .pick("先学习、后判断的规则（学习期间不报警）", "rules that learned first, and raised nothing meanwhile");
        self.list(title, list.count, &rows)
    }

    /// What is to be said of a row beside its numbers.
    fn notes(&self, row: &RowTold) -> String {
        let mut notes: Vec<String> = Vec::new();
        let said = [
            (row.shadow, "试运行", "in shadow"),
            (row.early_warning, "预警", "early warning"),
            (row.chatters > 0, "抖动", "chatters"),
            (row.stood_before, "此前已在报警", "stood before"),
            (row.stands_at_end, "结束时仍在报警", "stands at the end"),
        ];
        notes.extend(said.into_iter().filter(|(so, ..)| *so).map(|(_, zh, en)| self.lang.pick(zh, en).to_owned()));
        if row.escalations > 0 {
            notes.push(format!("{} {}", self.lang.pick("升级", "escalated"), row.escalations));
        }
        if row.hidden > 0 {
            notes.push(format!("{} {}", self.lang.pick("被抑制", "explained"), row.hidden));
        }
        if let Some(score) = &row.warnings {
            let lead = score.lead_ms.map(|lead| self.long(lead.median as i64));
            let lead = lead.map_or_else(String::new, |lead| format!("{}{lead}", self.lang.pick("，提前 ", ", lead ")));
            notes.push(format!(
                "{} {}/{}{lead}",
                self.lang.pick("应验", "true"),
                score.came_true,
                score.came_true + score.wrong + score.late
            ));
        }
        notes.join(self.lang.pick("，", ", "))
    }

    fn more(&self, count: usize, shown: usize) -> String {
        let left = count.saturating_sub(shown);
        match (left, self.lang) {
            (0, _) => String::new(),
            (_, Lang::Zh) => format!("  另有 {left} 条，见 --json\n"),
            (_, Lang::En) => format!("  {left} more, see --json\n"),
        }
    }

    fn difference(&self, d: &Difference) -> String {
        let mut out = format!("\n== {}\n", self.lang.pick("新规则带来的不同", "what would be different"));
        let (same, gone, new) = (d.same, d.only_old.count, d.only_new.count);
        let (earlier, later, priority) = (d.earlier.count, d.later.count, d.priority.count);
        let _ = match self.lang {
            Lang::Zh => writeln!(
                out,
                "相同 {same} 次；只有现行规则报 {gone} 次；只有新规则报 {new} 次；提前 {earlier} 次；推迟 {later} 次；优先级不同 {priority} 次"
            ),
            Lang::En => writeln!(
                out,
                "{same} alarms are the same; {gone} only with the old rules; {new} only with the new; {earlier} earlier; {later} later; \
                 {priority} of another priority"
            ),
        };
        for (rules, zh, en) in
            [(&d.rules_gone, "去掉的规则", "rules gone"), (&d.rules_added, "新增的规则", "rules added")]
        {
            if !rules.is_empty() {
                let _ = writeln!(out, "{}{} {}", self.lang.pick(zh, en), self.lang.pick("：", ":"), rules.join(", "));
            }
        }
        out += &self.only(&d.only_old, self.lang.pick("只有现行规则报", "only with the old rules"));
        out += &self.only(&d.only_new, self.lang.pick("只有新规则报", "only with the new rules"));
        out += &self.moved(&d.earlier, self.lang.pick("提前", "earlier with the new rules"));
        out += &self.moved(&d.later, self.lang.pick("推迟", "later with the new rules"));
        out + &self.moved(&d.priority, self.lang.pick("优先级不同", "of another priority"))
    }

    fn only(&self, list: &Listed<Only>, title: &str) -> String {
        let row = |only: &Only| {
            let ended = only
                .ended
                .map_or_else(|| self.lang.pick("仍在", "stands").to_owned(), |ended| self.long(ended - only.raised));
            vec![self.at(only.raised), ended, only.priority.to_owned(), only.rule.clone(), only.point.clone()]
        };
        self.list(title, list.count, &list.items.iter().take(FEW).map(row).collect::<Vec<_>>())
    }

    fn moved(&self, list: &Listed<Moved>, title: &str) -> String {
        let row = |moved: &Moved| {
            let by = self.long(moved.by_ms.abs());
            let by = match moved.by_ms {
                0 => String::new(),
                ..0 => format!("-{by}"),
                1.. => format!("+{by}"),
            };
            let priority = if moved.old_priority == moved.new_priority {
                moved.old_priority.to_owned()
            } else {
                format!("{} → {}", moved.old_priority, moved.new_priority)
            };
            vec![self.at(moved.old), by, priority, moved.rule.clone(), moved.point.clone()]
        };
        self.list(title, list.count, &list.items.iter().take(FEW).map(row).collect::<Vec<_>>())
    }

    fn list(&self, title: &str, count: usize, rows: &[Vec<String>]) -> String {
        if count == 0 {
            return String::new();
        }
        format!("{title}{}\n{}{}", self.lang.pick("：", ":"), aligned(2, rows), self.more(count, FEW))
    }

    /// What the data was worth.
    fn data(&self, told: &Told) -> String {
        let mut out = format!("\n== {}\n", self.lang.pick("数据", "the data"));
        match &told.thinned {
            None => out += self.lang.pick("完整数据，未经抽稀\n", "nothing of it was thinned\n"),
            Some(thinned) => {
                let (span, n) = (self.span(thinned.span), thinned.given_up);
                let _ = match self.lang {
                    Lang::Zh => {
                        writeln!(out, "注意：{span} 的数据已抽稀（舍去 {n} 条）：极值与变化仍在，延时与趋势可能有差别")
                    }
                    Lang::En => writeln!(
                        out,
                        "CAUTION: of {span} only a part was kept ({n} readings were given up): extremes and changes are there, delays and trends may come out otherwise"
                    ),
                };
            }
        }
        if told.lost > 0 {
            let _ = match self.lang {
                Lang::Zh => writeln!(out, "注意：日志中有 {} 块无法读取", told.lost),
                Lang::En => writeln!(out, "CAUTION: {} parts of the journal can't be read", told.lost),
            };
        }
        let spans = |list: &Listed<Span>, zh, en| {
            let rows = list.items.iter().take(FEW).map(|span| vec![self.span(*span)]).collect::<Vec<_>>();
            self.list(self.lang.pick(zh, en), list.count, &rows)
        };
        out +=
            &spans(&told.off, "网关停机（规则的时钟停走）", "the gateway was off (the clock of the rules stood still)");
        out += &spans(&told.holes, "全站无读数", "no reading of any point");
        let row =
            |hole: &super::data::PointHole| vec![hole.point.clone(), format!("× {}", hole.holes), self.span(hole.span)];
        let rows = told.point_holes.items.iter().take(FEW).map(row).collect::<Vec<_>>();
        let title = self
            .lang
            .pick("点位缺数超过 1 小时（最长的一段）", "points without a reading for more than 1 h (the longest)");
        out += &self.list(title, told.point_holes.count, &rows);
        let names = |list: &Listed<String>, zh, en| {
            let rows = list.items.iter().take(FEW).map(|name| vec![name.clone()]).collect::<Vec<_>>();
            self.list(self.lang.pick(zh, en), list.count, &rows)
        };
        out += &names(
            &told.unheard,
            "没有读数的点位（其规则未运行）",
            "points without any reading (their rules did not run)",
        );
        out + &names(
            &told.unknown,
            "站点文件中没有的点位（未使用）",
            "points that the site file does not have (not used)",
        )
    }
}
