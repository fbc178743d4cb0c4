//! Where the past comes from: a journal, or CSV files. Either is handed out part by part, in the order in which it came as far as
//! that is known.

use std::path::Path;

use gengfu_core::reading::PointId;

use super::csv::{self, Rows};
use super::time::{Off, apart};
use crate::catalog::Catalog;
use crate::journal::{self, Entry, Part, Sweep};

/// A past that is there.
#[derive(Debug)]
pub enum Past {
    Journal(Box<journal::Past>),
    Csv(Rows),
}

impl Past {
    /// A journal, to be read and nothing else.
    pub fn journal(path: &Path) -> Result<Self, String> {
        journal::Past::open(path).map(|past| Self::Journal(Box::new(past))).map_err(|error| error.0)
    }

    /// A file, or all `*.csv` of a directory. Times without a zone are of `timezone`.
    pub fn csv(path: &Path, timezone: &str) -> Result<Self, String> {
        csv::read(path, timezone).map(Self::Csv)
    }

    pub(super) fn catalog(&self) -> Result<Catalog, String> {
        match self {
            Self::Journal(past) => past.catalog().map_err(|error| error.0),
            Self::Csv(rows) => Ok(rows.catalog()),
        }
    }

    /// What lies in `from..to`, UTC ms.
    pub(super) fn stretch(self, from: i64, to: i64) -> Result<Stretch, String> {
        match self {
            Self::Journal(mut past) => {
                let sweep = past.sweep(from, to)?;
                Ok(Stretch::Journal(past, sweep))
            }
            Self::Csv(rows) => Ok(Stretch::Csv(rows.within(from, to))),
        }
    }
}

/// A stretch of it, ready to be gone through.
pub(super) enum Stretch {
    Journal(Box<journal::Past>, Sweep),
    Csv(Rows),
}

impl Stretch {
    /// From when to when, UTC ms; `None` where there is nothing.
    pub(super) fn extent(&self) -> Option<(i64, i64)> {
        match self {
            Self::Journal(_, sweep) => sweep.extent(),
            Self::Csv(rows) => rows.extent(),
        }
    }

    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Journal(_, sweep) => sweep.len(),
            Self::Csv(rows) => rows.len(),
        }
    }

    /// Whether it has a reading of the point.
    pub(super) fn holds(&self, point: PointId) -> bool {
        match self {
            Self::Journal(_, sweep) => sweep.points().contains(&point.0),
            Self::Csv(rows) => rows.holds(point),
        }
    }

    /// When the gateway was off, as far as the alarm lane knows. Of files nobody knows.
    pub(super) fn off(&self, from: i64) -> Result<Vec<Off>, String> {
        let Self::Journal(past, _) = self else { return Ok(Vec::new()) };
        let mut off = Vec::new();
        past.entries(from, i64::MAX, &mut |_, _, entry| {
            if let Entry::Start { at, off_ms: Some(ms), .. } = entry {
                off.push((at.saturating_sub(*ms), *at));
            }
            Ok(())
        })?;
        Ok(apart(off, from))
    }

    pub(super) fn run(self, visit: &mut dyn FnMut(Part) -> Result<(), String>) -> Result<(), String> {
        match self {
            Self::Journal(past, sweep) => sweep.run(&past, visit),
            Self::Csv(rows) => rows.run(visit),
        }
    }
}
