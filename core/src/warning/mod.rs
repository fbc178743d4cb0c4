//! The site as a whole: what it is warned of now (warning level I to IV), and how dangerous it is as it stands (risk level).
//! Both are coloured red, orange, yellow and blue, and they are two scales: a site whose detectors are half blind is at risk
//! and need not be warned of anything. With an alarm's priority and a hazard's grade they make four; none is made of another
//! but by a row of a table that somebody can read.
//!
//! A [`Table`] says which facts justify which level, a [`Ladder`] how the level moves: up at once, down after a hold, and from
//! the grave levels only by a person. One ladder a scale, both lent by the caller; they know nothing of each other.

mod ladder;
mod table;

#[cfg(test)]
mod tests;

pub use ladder::{Change, Down, Fall, Ladder, Refusal, Rung};
pub use table::{
    Alarm, Amount, Basis, Facts, Groups, Impairment, Lack, Lacks, RISK_ROWS, Row, Seen, Table, When, Which,
    warning_rows,
};

/// What a site is warned of now. The least grave first.
///
/// Source: Emergency Response Law of the PRC; level I is the gravest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WarningLevel {
    /// IV
    Blue = 1,
    /// III
    Yellow = 2,
    /// II
    Orange = 3,
    /// I
    Red = 4,
}

impl WarningLevel {
    /// All levels, the least grave first.
    pub const ALL: [Self; 4] = [Self::Blue, Self::Yellow, Self::Orange, Self::Red];

    /// The colour, as in API and pushes.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Blue => "blue",
            Self::Yellow => "yellow",
            Self::Orange => "orange",
            Self::Red => "red",
        }
    }

    /// The number, as it is written.
    pub const fn roman(self) -> &'static str {
        match self {
            Self::Blue => "IV",
            Self::Yellow => "III",
            Self::Orange => "II",
            Self::Red => "I",
        }
    }
}

/// How dangerous a site is as it stands. Every site has one: blue, where nothing speaks against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RiskLevel {
    /// Low.
    Blue = 1,
    /// General.
    Yellow = 2,
    /// Considerable.
    Orange = 3,
    /// Major.
    Red = 4,
}

impl RiskLevel {
    /// All levels, the lowest first.
    pub const ALL: [Self; 4] = [Self::Blue, Self::Yellow, Self::Orange, Self::Red];

    /// The colour, as in API and pushes.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Blue => "blue",
            Self::Yellow => "yellow",
            Self::Orange => "orange",
            Self::Red => "red",
        }
    }
}

/// A scale that a [`Ladder`] can be made for.
pub trait Scale: Copy + Ord + core::fmt::Debug + 'static {
    /// What stands where nothing speaks against it.
    const BASE: Self;
    /// The levels above it, at most four, the lowest first.
    const RUNGS: &'static [Self];
}

/// `None`: there is no warning.
impl Scale for Option<WarningLevel> {
    const BASE: Self = None;
    const RUNGS: &'static [Self] =
        &[Some(WarningLevel::Blue), Some(WarningLevel::Yellow), Some(WarningLevel::Orange), Some(WarningLevel::Red)];
}

impl Scale for RiskLevel {
    const BASE: Self = Self::Blue;
    const RUNGS: &'static [Self] = &[Self::Yellow, Self::Orange, Self::Red];
}
