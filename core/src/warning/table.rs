//! The table: which facts justify which level. It looks at the facts as they are and remembers nothing.

use heapless::Vec;

use super::{RiskLevel, Scale, WarningLevel};
use crate::alarm::Priority;
use crate::time::Mono;

/// A set of rule groups: which bit is which group is the caller's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Groups(pub u32);

impl Groups {
    /// Any, also an alarm that belongs to no group.
    pub const ANY: Self = Self(0);

    const fn holds(self, groups: Self) -> bool {
        self.0 == 0 || self.0 & groups.0 != 0
    }
}

/// Whether somebody has seen an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Nobody; it rings since.
    No {
        /// When it rang.
        since: Mono,
    },
    /// It is acknowledged.
    Yes,
}

/// One alarm that stands and is annunciated. What is shelved, suppressed or a test is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alarm {
    /// Index of its (rule, point) binding.
    pub binding: u32,
    /// Its priority now.
    pub priority: Priority,
    /// The groups its rule belongs to.
    pub groups: Groups,
    /// Whether somebody has seen it.
    pub seen: Seen,
    /// A person, or a second detector, says it is real.
    pub confirmed: bool,
}

/// What a life-safety point lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// It has no usable value.
    Lost = 1,
    /// It was taken out of service.
    OutOfService = 2,
    /// It reports a fault of its own.
    Fault = 4,
    /// Its alarms are suppressed.
    Suppressed = 8,
}

/// A set of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lacks(u8);

impl Lacks {
    /// All.
    pub const ALL: Self = Self::of(&[Lack::Lost, Lack::OutOfService, Lack::Fault, Lack::Suppressed]);

    /// These.
    pub const fn of(lacks: &[Lack]) -> Self {
        let mut bits = 0;
        let mut rest = lacks;
        while let [lack, others @ ..] = rest {
            bits |= *lack as u8;
            rest = others;
        }
        Self(bits)
    }

    const fn holds(self, lack: Lack) -> bool {
        self.0 & lack as u8 != 0
    }
}

/// A life-safety point that is not watched as it should be. One a point, under the binding that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Impairment {
    /// Index of that binding.
    pub binding: u32,
    /// What it lacks; of several the caller's choice.
    pub lack: Lack,
}

/// The site at a moment. A look at it costs a pass over both slices for each row.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'f> {
    /// What stands.
    pub alarms: &'f [Alarm],
    /// What is not watched.
    pub impaired: &'f [Impairment],
    /// How many life-safety points there are in all.
    pub life_safety: u32,
}

/// Which of the alarms count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// All that stand.
    Any,
    /// Those that nobody has seen for as long as this.
    Unseen {
        /// ms
        for_ms: u64,
    },
    /// Those that are confirmed.
    Confirmed,
}

/// How many points. None is never enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// At least so many.
    Points(u32),
    /// At least such a part of all life-safety points, 0 to 100 %.
    Percent(u8),
}

/// What must be the case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Alarms stand.
    Alarms {
        /// At least so many; 0 is taken as 1, since without a fact there is no level.
        least: u32,
        /// Of this priority or above.
        priority: Priority,
        /// Of one of these groups.
        groups: Groups,
        /// And of those.
        which: Which,
    },
    /// Life-safety points are not watched.
    Impaired {
        /// For one of these reasons.
        lacks: Lacks,
        /// At least so many.
        least: Amount,
    },
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<L> {
    /// What is justified. A row of the scale's base says nothing.
    pub level: L,
    /// By what.
    pub when: When,
}

/// Rows, and how the level moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table<'r, L> {
    /// Any order; of rows with the same level the first that holds is named.
    pub rows: &'r [Row<L>],
    /// How long facts must have justified less before a level falls, ms.
    pub down_ms: u64,
    /// Who lets it fall then.
    pub down: super::Down<L>,
}

impl<'r, L> Table<'r, L> {
    /// Half an hour, the default of both scales: the product's own, so that no level flickers.
    pub const DOWN_MS: u64 = 1_800_000;

    /// With the hold of half an hour, and a person's release from `grave` on.
    pub const fn new(rows: &'r [Row<L>], grave: L) -> Self {
        Self { rows, down_ms: Self::DOWN_MS, down: super::Down::ByPersonFrom(grave) }
    }
}

/// The warning rows to begin with. What is in the law and in the city guide (2023) is the scale; the rows are the product's:
/// critical is orange at least, confirmed it is red, and in the `grave` groups (gas at 50 %LEL, overspeed) it is red at once.
pub const fn warning_rows(grave: Groups) -> [Row<Option<WarningLevel>>; 6] {
    const fn row(level: WarningLevel, priority: Priority, groups: Groups, which: Which) -> Row<Option<WarningLevel>> {
        Row { level: Some(level), when: When::Alarms { least: 1, priority, groups, which } }
    }
    [
        row(WarningLevel::Red, Priority::Critical, Groups::ANY, Which::Confirmed),
        row(WarningLevel::Red, Priority::Critical, grave, Which::Any),
        row(WarningLevel::Orange, Priority::Critical, Groups::ANY, Which::Any),
        row(WarningLevel::Orange, Priority::High, Groups::ANY, Which::Unseen { for_ms: 1_800_000 }),
        row(WarningLevel::Yellow, Priority::High, Groups::ANY, Which::Any),
        row(WarningLevel::Blue, Priority::Medium, Groups::ANY, Which::Any),
    ]
}

/// The risk rows to begin with, the product's own: by the share of life-safety points that are not watched as they should be.
pub const RISK_ROWS: [Row<RiskLevel>; 3] = {
    const fn row(level: RiskLevel, percent: u8) -> Row<RiskLevel> {
        Row { level, when: When::Impaired { lacks: Lacks::ALL, least: Amount::Percent(percent) } }
    }
    [row(RiskLevel::Red, 30), row(RiskLevel::Orange, 10), row(RiskLevel::Yellow, 3)]
};

/// How many facts are named.
const NAMED: usize = 8;

/// The facts that made a level; 44 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Basis {
    /// Index of the row that holds.
    pub row: u16,
    /// How many facts fulfil it.
    pub count: u32,
    /// The bindings of the first eight, in the caller's order.
    pub bindings: Vec<u32, NAMED, u8>,
}

const _: () = assert!(size_of::<Basis>() <= 44);

impl Basis {
    fn new(row: usize) -> Self {
        Self { row: row as u16, count: 0, bindings: Vec::new() }
    }

    fn add(&mut self, binding: u32) {
        self.count = self.count.saturating_add(1);
        // Beyond the eighth they are counted only.
        let _ = self.bindings.push(binding);
    }
}

/// What the facts justify at a moment.
pub(super) struct Judgement {
    /// By rung of the scale: the first row that holds and justifies it or a level above, and its facts.
    pub(super) rungs: [Option<Basis>; super::ladder::RUNGS],
    /// When an alarm that nobody sees makes more of it, if nothing changes. May be earlier, never later.
    pub(super) next: Option<Mono>,
}

impl<L: Scale> Table<'_, L> {
    /// What the facts justify.
    pub(super) fn judge(&self, facts: &Facts, now: Mono) -> Judgement {
        let mut judgement = Judgement { rungs: Default::default(), next: None };
        for (index, row) in self.rows.iter().enumerate() {
            let mut basis = Basis::new(index);
            if !row.when.holds(facts, now, &mut basis, &mut judgement.next) {
                continue;
            }
            for (_, rung) in L::RUNGS.iter().zip(&mut judgement.rungs).filter(|(level, _)| **level <= row.level) {
                rung.get_or_insert_with(|| basis.clone());
            }
        }
        judgement
    }
}

impl When {
    /// Whether it is the case, and by which facts; moves `next` to when it may become so by time alone.
    fn holds(&self, facts: &Facts, now: Mono, basis: &mut Basis, next: &mut Option<Mono>) -> bool {
        match *self {
            Self::Alarms { least, priority, groups, which } => {
                let mut soonest = None;
                for alarm in facts.alarms.iter().filter(|a| a.priority >= priority && groups.holds(a.groups)) {
                    match which.since(alarm) {
                        Some(since) if since <= now => basis.add(alarm.binding),
                        Some(since) => soonest = earliest(soonest, Some(since)),
                        None => {}
                    }
                }
                let holds = basis.count >= least.max(1);
                if !holds {
                    *next = earliest(*next, soonest);
                }
                holds
            }
            Self::Impaired { lacks, least } => {
                let lacking = facts.impaired.iter().filter(|impaired| lacks.holds(impaired.lack));
                lacking.for_each(|impaired| basis.add(impaired.binding));
                basis.count >= least.points(facts.life_safety)
            }
        }
    }
}

impl Which {
    /// From when on the alarm counts, if it does.
    const fn since(self, alarm: &Alarm) -> Option<Mono> {
        match (self, alarm.seen) {
            (Self::Any, Seen::No { .. } | Seen::Yes) => Some(Mono(0)),
            (Self::Unseen { for_ms }, Seen::No { since }) => Some(since.plus(for_ms)),
            (Self::Unseen { .. }, Seen::Yes) => None,
            (Self::Confirmed, Seen::No { .. } | Seen::Yes) => {
                if alarm.confirmed {
                    Some(Mono(0))
                } else {
                    None
                }
            }
        }
    }
}

impl Amount {
    /// How many that is of `all`, at least one.
    fn points(self, all: u32) -> u32 {
        let points = match self {
            Self::Points(points) => points,
            Self::Percent(percent) => (u64::from(all) * u64::from(percent)).div_ceil(100) as u32,
        };
        points.max(1)
    }
}

pub(super) fn earliest(a: Option<Mono>, b: Option<Mono>) -> Option<Mono> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}
