//! What the past was worth: how much of it there is, where it has holes, where only a part of it was kept.

use gengfu_core::reading::PointId;
use serde::Serialize;

use super::time::Off;
use crate::catalog::Catalog;
use crate::config::checked::PointSpec;
use crate::journal::Part;

/// No reading of any point for longer than this is a hole, ms; and for longer than ten times what lay between two before.
const HOLE_MS: i64 = 10 * 60_000;
/// The same of one point.
const POINT_HOLE_MS: i64 = 3_600_000;
const USUAL: i64 = 10;
/// Of a list so many are told; the number says how many there are.
const LISTED: usize = 1_000;

/// From when to when, UTC ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Span {
    pub(super) from: i64,
    pub(super) to: i64,
}

/// A list that may be too long to be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Listed<T> {
    pub(super) count: usize,
    pub(super) items: Vec<T>,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self { count: 0, items: Vec::new() }
    }
}

impl<T> Listed<T> {
    pub(super) fn push(&mut self, item: T) {
        self.count += 1;
        if self.items.len() < LISTED {
            self.items.push(item);
        }
    }
}

impl<T> FromIterator<T> for Listed<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut all = Self::default();
        items.into_iter().for_each(|item| all.push(item));
        all
    }
}

/// Where only a part of the readings was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Thinned {
    /// Readings that were given up.
    pub(super) given_up: u64,
    #[serde(flatten)]
    pub(super) span: Span,
}

/// A point without a reading for long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct PointHole {
    pub(super) point: String,
    /// The longest.
    #[serde(flatten)]
    pub(super) span: Span,
    /// How many.
    pub(super) holes: u32,
}

/// As the report says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Told {
    pub(super) readings: u64,
    pub(super) points: usize,
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) thinned: Option<Thinned>,
    /// Chunks and batches of the journal that can't be read.
    pub(super) lost: u64,
    /// The gateway was off: the clock of the rules stood still.
    pub(super) off: Listed<Span>,
    /// No reading of any point, while it ran as far as is known.
    pub(super) holes: Listed<Span>,
    pub(super) point_holes: Listed<PointHole>,
    /// Points of the site without a reading: their rules, and that they are silent, were not run.
    pub(super) unheard: Listed<String>,
    /// Points with readings that the site file does not have.
    pub(super) unknown: Listed<String>,
}

/// A point's readings so far.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    n: i64,
    first: i64,
    last: i64,
    holes: u32,
    longest: Option<Span>,
}

impl Seen {
    /// The next reading.
    #[inline]
    fn take(&mut self, at: i64, least: i64) -> Option<Span> {
        let hole = self.until(at, least);
        if self.n == 0 {
            self.first = at;
        }
        (self.n, self.last) = (self.n + 1, self.last.max(at));
        hole
    }

    /// Whether it has been silent up to now for much longer than it used to.
    #[inline]
    fn until(&mut self, at: i64, least: i64) -> Option<Span> {
        let since = at.saturating_sub(self.last);
        if self.n < 2 || since <= least || since <= USUAL * ((self.last - self.first) / (self.n - 1)) {
            return None;
        }
        let hole = Span { from: self.last, to: at };
        self.holes += 1;
        if self.longest.is_none_or(|longest| since > longest.to - longest.from) {
            self.longest = Some(hole);
        }
        Some(hole)
    }
}

#[derive(Debug)]
pub(super) struct Data {
    catalog: Catalog,
    /// Of what comes before, only the detectors take notice.
    from: i64,
    configured: Vec<PointId>,
    seen: Vec<Seen>,
    all: Seen,
    thinned: Option<Thinned>,
    lost: u64,
    off: Vec<Off>,
    holes: Listed<Span>,
}

impl Data {
    pub(super) fn new(catalog: &Catalog, from: i64, sites: &[Vec<(PointId, PointSpec)>], off: Vec<Off>) -> Self {
        let mut configured: Vec<PointId> = sites.iter().flatten().map(|(id, _)| *id).collect();
        configured.sort_unstable();
        configured.dedup();
        Self {
            seen: vec![Seen::default(); catalog.len()],
            catalog: catalog.clone(),
            from,
            configured,
            all: Seen { last: i64::MIN, ..Seen::default() },
            thinned: None,
            lost: 0,
            off,
            holes: Listed::default(),
        }
    }

    pub(super) fn last(&self) -> i64 {
        self.all.last
    }

    pub(super) fn take(&mut self, part: &Part) {
        self.lost += part.lost;
        if let Some((first, last)) = part.arrivals.first().zip(part.arrivals.last())
            && part.thinned > 0
        {
            let thinned =
                self.thinned.get_or_insert(Thinned { given_up: 0, span: Span { from: first.came, to: first.came } });
            thinned.given_up += part.thinned;
            thinned.span.to = thinned.span.to.max(last.came);
        }
        for arrival in &part.arrivals {
            self.one(arrival.came, arrival.reading.point);
        }
    }

    #[inline]
    fn one(&mut self, at: i64, point: PointId) {
        if at < self.from {
            return;
        }
        if let Some(hole) = self.all.take(at, HOLE_MS)
            && !self.was_off(hole.from, hole.to)
        {
            self.holes.push(hole);
        }
        if let Some(seen) = self.seen.get_mut(point.0 as usize) {
            seen.take(at, POINT_HOLE_MS);
        }
    }

    /// Whether the gateway was off for nearly all of it.
    fn was_off(&self, from: i64, to: i64) -> bool {
        let off = self.off.iter().map(|(begin, end)| (*end).min(to).saturating_sub((*begin).max(from)).max(0));
        to - from - off.sum::<i64>() <= HOLE_MS
    }

    /// No more readings: what was silent at the end is a hole too.
    pub(super) fn close(&mut self) {
        for seen in &mut self.seen {
            seen.until(self.all.last, POINT_HOLE_MS);
        }
    }

    pub(super) fn told(self) -> Told {
        let name = |id: PointId| self.catalog.get(id).map_or_else(String::new, |meta| meta.name());
        let number = |(index, seen): (usize, &Seen)| (PointId(index as u32), *seen);
        let heard: Vec<_> = self.seen.iter().enumerate().map(number).filter(|(_, seen)| seen.n > 0).collect();
        let known = |id: &PointId| self.configured.binary_search(id).is_ok();
        let is_heard = |id: &PointId| self.seen.get(id.0 as usize).is_some_and(|seen| seen.n > 0);
        let mut holes: Vec<PointHole> = heard
            .iter()
            .filter(|(id, _)| known(id))
            .filter_map(|(id, seen)| Some(PointHole { point: name(*id), span: seen.longest?, holes: seen.holes }))
            .collect();
        // A hole of all of them is told once.
        holes.retain(|hole| !self.is_everybodys(hole.span));
        holes.sort_by_key(|hole| (hole.span.from - hole.span.to, hole.point.clone()));
        let own = |id: &PointId| self.catalog.get(*id).is_some_and(|meta| meta.device == crate::source::own::DEVICE);
        let (begin, last) = if self.all.n > 0 { (self.all.first, self.all.last) } else { (self.from, self.from) };
        let within = |(from, to): &Off| (*to > begin && *from < last).then_some(Span { from: *from, to: *to });
        Told {
            readings: self.all.n as u64,
            points: heard.len(),
            first: begin,
            last,
            thinned: self.thinned,
            lost: self.lost,
            off: self.off.iter().filter_map(within).collect(),
            point_holes: holes.into_iter().collect(),
            unheard: self.configured.iter().filter(|id| !is_heard(id)).map(|id| name(*id)).collect(),
            unknown: heard.iter().map(|(id, _)| *id).filter(|id| !known(id) && !own(id)).map(name).collect(),
            holes: self.holes,
        }
    }

    fn is_everybodys(&self, span: Span) -> bool {
        let close = |a: i64, b: i64| a.abs_diff(b) <= HOLE_MS as u64;
        let off = self.off.iter().map(|(from, to)| Span { from: *from, to: *to });
        self.holes.items.iter().copied().chain(off).any(|hole| close(hole.from, span.from) && close(hole.to, span.to))
    }
}
