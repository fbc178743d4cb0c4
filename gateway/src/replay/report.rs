//! All that a back-test found, as data. Nothing in it depends on when or how fast it was made.

use serde::Serialize;

use super::Asked;
use super::compare::{self, Difference};
use super::data::{Data, Listed, Told};
use super::tally::{Flood, Tally};
use crate::foretold::Score;

/// What was found. Times are UTC ms.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    pub(super) site: String,
    pub(super) timezone: String,
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) data: Told,
    pub(super) rules: Findings,
    /// The same of the other rules.
    pub(super) with: Option<Findings>,
    pub(super) difference: Option<Difference>,
}

/// What one set of rules came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Findings {
    /// Alarms that rang, those of trials left out.
    pub(super) alarms: u64,
    /// `None` of less than a day.
    pub(super) a_day: Option<f64>,
    pub(super) critical: u64,
    pub(super) hidden: u64,
    pub(super) flips: u64,
    pub(super) chatters: u64,
    pub(super) worst_hour: Option<Hour>,
    pub(super) hours_above: usize,
    pub(super) hour_line: u32,
    pub(super) floods: Listed<FloodTold>,
    pub(super) flood_ms: i64,
    /// Of all early warnings; `None` where no rule warns.
    pub(super) warnings: Option<Score>,
    /// Rules on points that did anything, the most first.
    pub(super) rows: Listed<RowTold>,
    /// Rules on points that did nothing.
    pub(super) quiet: usize,
    /// Rules that learn, and could not judge all of the time, those that never could first.
    pub(super) learning: Listed<Learning>,
    /// Alarms beyond what is kept one by one: they are in no comparison.
    pub(super) not_compared: u64,
}

/// A rule on a point that learned first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Learning {
    pub(super) rule: String,
    pub(super) point: String,
    /// When it knew enough, UTC ms, to the part that the past is read in; `None`: not by the end.
    pub(super) taught: Option<i64>,
}

/// The hour in which it rang most, when it began: alarms, and those that escalated or were explained no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Hour {
    pub(super) at: i64,
    pub(super) alarms: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct FloodTold {
    pub(super) from: i64,
    pub(super) to: i64,
    /// Most alarms in a window.
    pub(super) peak: u32,
    pub(super) alarms: u32,
}

/// A rule on a point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct RowTold {
    pub(super) rule: String,
    pub(super) point: String,
    pub(super) shadow: bool,
    pub(super) early_warning: bool,
    pub(super) alarms: u32,
    pub(super) escalations: u32,
    pub(super) hidden: u32,
    pub(super) flips: u32,
    pub(super) chatters: u32,
    pub(super) standing_ms: u64,
    pub(super) longest_ms: u64,
    pub(super) stood_before: bool,
    pub(super) stands_at_end: bool,
    pub(super) warnings: Option<Score>,
}

const DAY_MS: f64 = 86_400_000.0;

impl Report {
    pub(super) fn new(asked: &Asked, data: Data, old: &Tally, new: Option<&Tally>) -> Self {
        let data = data.told();
        let from = asked.from.unwrap_or(data.first);
        let to = asked.to.map_or(data.last, |to| to.min(data.last));
        let days = (to - from).max(1) as f64 / DAY_MS;
        Self {
            site: asked.site.id.clone(),
            timezone: asked.site.timezone.clone(),
            from,
            to,
            data,
            difference: new.map(|new| compare::compare(old, new)),
            rules: Findings::of(old, days),
            with: new.map(|new| Findings::of(new, days)),
        }
    }

    /// As JSON, the same to the byte for the same past and rules.
    pub fn json(&self) -> String {
        format!("{:#}\n", serde_json::to_value(self).expect("words and finite numbers are JSON"))
    }
}

impl Findings {
    fn of(tally: &Tally, days: f64) -> Self {
        let live = || tally.rows.iter().zip(&tally.watches).filter(|(_, watch)| !watch.shadow).map(|(row, _)| row);
        let sum = |of: fn(&super::tally::Row) -> u32| live().map(|row| u64::from(of(row))).sum::<u64>();
        let alarms = sum(|row| row.alarms);
        let shadow = |watch: u32| tally.watches.get(watch as usize).is_none_or(|watch| watch.shadow);
        let critical = tally.episodes.iter().filter(|e| !shadow(e.watch) && e.priority.word() == "critical");
        let line = tally.params.hour_above;
        let mut warnings = tally.watches.iter().any(|watch| watch.predictive && !watch.shadow).then(Score::default);
        if let Some(all) = &mut warnings {
            for (_, score) in tally.scores.iter().filter(|(watch, _)| !shadow(**watch)) {
                all.add(score);
            }
            all.close();
        }
        let mut rows: Vec<RowTold> = rows(tally);
        let quiet = tally.rows.len() - rows.len();
        rows.sort_by(|a, b| {
            let key = |row: &RowTold| (row.shadow, std::cmp::Reverse((row.alarms, row.standing_ms)));
            key(a).cmp(&key(b)).then_with(|| (&a.rule, &a.point).cmp(&(&b.rule, &b.point)))
        });
        // Of hours with as many the first.
        let hours = tally.hours.iter().map(|(at, alarms)| Hour { at: *at, alarms: *alarms });
        let worst = hours.reduce(|a, b| if b.alarms > a.alarms { b } else { a });
        Self {
            alarms,
            a_day: (days >= 1.0).then(|| (alarms as f64 / days * 100.0).round() / 100.0),
            critical: critical.count() as u64,
            hidden: sum(|row| row.hidden),
            flips: sum(|row| row.flips),
            chatters: sum(|row| row.chatters),
            worst_hour: worst,
            hours_above: tally.hours.values().filter(|n| **n > line).count(),
            hour_line: line,
            flood_ms: tally.floods.iter().map(|flood| flood.to - flood.from).sum(),
            floods: tally.floods.iter().map(told).collect(),
            warnings,
            rows: rows.into_iter().collect(),
            quiet,
            learning: learning(tally),
            not_compared: tally.uncounted,
        }
    }
}

fn told(Flood { from, to, peak, count }: &Flood) -> FloodTold {
    FloodTold { from: *from, to: *to, peak: *peak, alarms: *count }
}

/// Those that were judging from the begin on are left out.
fn learning(tally: &Tally) -> Listed<Learning> {
    let named = |watch: u32, taught: Option<i64>| {
        let watch = tally.watches.get(watch as usize)?;
        Some(Learning { rule: watch.rule.clone(), point: watch.point.clone(), taught })
    };
    let never = tally.untaught.iter().filter_map(|watch| named(*watch, None));
    let late = tally.taught.iter().filter(|(_, at)| **at > tally.from);
    never.chain(late.filter_map(|(watch, at)| named(*watch, Some(*at)))).collect()
}

fn rows(tally: &Tally) -> Vec<RowTold> {
    let all = tally.rows.iter().zip(&tally.watches).enumerate();
    let told = |(index, (row, watch)): (usize, (&super::tally::Row, &crate::driver::Watch))| {
        let done = row.alarms + row.hidden > 0 || row.stands || row.stood;
        done.then(|| RowTold {
            rule: watch.rule.clone(),
            point: watch.point.clone(),
            shadow: watch.shadow,
            early_warning: watch.predictive,
            alarms: row.alarms,
            escalations: row.escalations,
            hidden: row.hidden,
            flips: row.flips,
            chatters: row.chatters,
            standing_ms: row.standing_ms,
            longest_ms: row.longest_ms,
            stood_before: row.stood,
            stands_at_end: row.stands,
            warnings: tally.scores.get(&(index as u32)).cloned(),
        })
    };
    all.filter_map(told).collect()
}
