//! The figures for people: what the API, the page and the command line show.

use gengfu_core::alarm::Priority;
use gengfu_core::alarm::performance::{Flood, Period, Tally, Waits, Windows};
use gengfu_core::time::{Now, Wall};
use serde::Serialize;

use super::{Closed, Figures};

/// Names in a list; of more only the number.
const LISTED: usize = 100;

/// How well the alarms serve people, now and in the days that are counted. Times are UTC ms, durations ms, shares 0 to 1.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Report {
    pub at: i64,
    /// Alarms that rang within the last `window_ms`.
    pub rate: u32,
    pub window_ms: u64,
    /// A flood begins with more than this in a window,
    pub flood_above: u32,
    /// and ends with fewer than this.
    pub flood_below: u32,
    pub flood: Option<FloodNow>,
    pub chattering: Names,
    /// On the list for longer than `stale_ms`.
    pub stale: Names,
    pub stale_ms: u64,
    pub shelved_too_long: Names,
    pub shelved_ms: u64,
    pub today: Day,
    /// The day before, as far as the lane tells.
    pub yesterday: Option<Day>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FloodNow {
    pub since: i64,
    /// Most alarms in a window.
    pub peak: u32,
    pub count: u32,
}

/// A list that is cut where nobody reads on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Names {
    pub count: usize,
    pub items: Vec<Name>,
}

/// A rule on a point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Name {
    pub rule: String,
    /// `device/point`
    pub point: String,
    /// Since when, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<i64>,
    /// How often it rang, in the list of those that ring most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rings: Option<u32>,
}

/// One day by the site's clock, so far or whole.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Day {
    pub since: i64,
    pub until: i64,
    /// Alarms that rang.
    pub annunciated: u32,
    pub priorities: Vec<Portion>,
    /// Windows of the flood's width, cut by the clock.
    pub windows: Cut,
    pub hours: Cut,
    pub floods: u32,
    pub flood_ms: u64,
    pub flood_share: Option<f64>,
    pub chatters: u32,
    pub fleeting: u32,
    pub acknowledged: Vec<Wait>,
    pub top: Vec<Name>,
}

/// How many of a priority rang, against what the standard asks for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Portion {
    pub priority: &'static str,
    pub count: u32,
    pub share: Option<f64>,
    pub target: f64,
}

/// Windows of one width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Cut {
    pub width_ms: u64,
    /// More alarms than this are too many for one.
    pub line: u32,
    /// Those with too many.
    pub above: u32,
    /// The one with the most: when it began, and how many.
    pub worst_at: Option<i64>,
    pub worst: u32,
}

/// From the ring to the acknowledgement, of a priority. Percentiles are upper bounds, to a factor of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Wait {
    pub priority: &'static str,
    pub count: u32,
    pub p50_ms: Option<u64>,
    pub p90_ms: Option<u64>,
    pub mean_ms: Option<u64>,
    pub max_ms: Option<u64>,
}

/// ISA-18.2 / IEC 62682: some 80 % low, 15 % medium and 5 % high; of four levels less than 1 % of the highest.
const fn target(priority: Priority) -> f64 {
    match priority {
        Priority::Low => 0.8,
        Priority::Medium => 0.15,
        Priority::High => 0.05,
        Priority::Critical => 0.01,
    }
}

const HOUR_MS: u64 = 3_600_000;

impl Figures {
    /// All that is known now. A scan of what has ever rung.
    pub(in super::super) fn report(&mut self, now: Now) -> Report {
        let top = self.top();
        let view = self.view();
        let (rate, flood, period) = (view.rate(now), view.flood(), view.period(now));
        let (stale, shelved): (Vec<u32>, Vec<u32>) = (view.stale(now).collect(), view.shelved_too_long(now).collect());
        let chattering = self.chattering.iter().map(|(slot, since)| self.named(*slot, Some(*since), None));
        let chattering = Names { count: self.chattering.len(), items: chattering.take(LISTED).collect() };
        Report {
            at: now.wall.0,
            rate,
            window_ms: self.params.flood.window_ms,
            flood_above: self.params.flood.above,
            flood_below: self.params.flood.below,
            flood: match flood {
                Flood::Calm => None,
                Flood::Flood { since, peak, count } => Some(FloodNow { since: since.wall.0, peak, count }),
            },
            chattering,
            stale: self.list(&stale),
            stale_ms: self.params.stale_ms,
            shelved_too_long: self.list(&shelved),
            shelved_ms: self.params.shelved_ms,
            today: self.day(&period, &top),
            yesterday: self.yesterday.as_ref().map(|Closed { period, top }| self.day(period, top)),
        }
    }

    fn list(&self, slots: &[u32]) -> Names {
        let items = slots.iter().take(LISTED).map(|slot| self.named(*slot, None, None)).collect();
        Names { count: slots.len(), items }
    }

    fn named(&self, slot: u32, since: Option<i64>, rings: Option<u32>) -> Name {
        let (rule, point) = self.name(slot);
        Name { rule, point, since, rings }
    }

    fn day(&self, period: &Period, top: &[Tally]) -> Day {
        let high_to_low = || Priority::ALL.into_iter().rev();
        let share = |priority: Priority| Portion {
            priority: priority.word(),
            count: *period.annunciated.of(priority),
            share: period.annunciated.share(priority),
            target: target(priority),
        };
        let wait = |priority: Priority| wait(priority, period.acknowledged.of(priority));
        Day {
            since: period.since.wall.0,
            until: period.until.wall.0,
            annunciated: period.annunciated.total(),
            priorities: high_to_low().map(share).collect(),
            windows: cut(&period.windows, self.params.flood.window_ms, self.params.flood.above),
            hours: cut(&period.hours, HOUR_MS, self.params.hour_above),
            floods: period.floods,
            flood_ms: period.flood_ms,
            flood_share: period.flood_share(),
            chatters: period.chatters,
            fleeting: period.fleeting,
            acknowledged: high_to_low().map(wait).collect(),
            top: top.iter().map(|tally| self.named(tally.binding, None, Some(tally.rings))).collect(),
        }
    }
}

fn cut(windows: &Windows, width_ms: u64, line: u32) -> Cut {
    let worst = windows.worst.map(|(Wall(at), count)| (at, count));
    let (worst_at, worst) = (worst.map(|worst| worst.0), worst.map_or(0, |worst| worst.1));
    Cut { width_ms, line, above: windows.above, worst_at, worst }
}

fn wait(priority: Priority, waits: &Waits) -> Wait {
    Wait {
        priority: priority.word(),
        count: waits.count,
        p50_ms: waits.percentile_ms(50),
        p90_ms: waits.percentile_ms(90),
        mean_ms: waits.mean_ms(),
        max_ms: (waits.count > 0).then_some(waits.max_ms),
    }
}
