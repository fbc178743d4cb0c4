//! An alarm whole: its life (A to F, see [`super::life`]) and what lies over it and keeps it from being announced.
//!
//! ```text
//!              shelve          ┌─ G shelved ──────────┐  unshelve, time over; one-shot: by the return itself
//!  A ‥ F ──────────────────────┤─ H suppressed ───────├───────────────▶ B if the condition stands
//!       suppress,              └─ I out of service ───┘                 E if it is latched, else A
//!       out-of-service           the life goes on below, unannounced
//! ```
//! The three veils are flags of their own (as in OPC UA Part 9) and may lie over each other; the letter is that of the
//! uppermost, I over H over G. A life that goes on below is journaled like any other. Only when the last veil is lifted is
//! the alarm announced anew. A person's veil has an end, always; an alarm that is normal and has none of a person's veils is
//! no alarm: [`State::Normal`].

pub use super::input::{Breach, Fresh, Input, Refusal};
use super::life::Life;
use super::{AlarmId, EventName, ModeName, StateName};
use crate::time::{Mono, Wall};

/// What every open alarm carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The alarm.
    pub id: AlarmId,
    /// When the condition began that raised it first, or when a person put a veil over one that was normal.
    pub onset: Wall,
    /// Transitions so far.
    pub number: u32,
    /// Highest level since the raise: an alarm never grows quieter by itself.
    pub level: u8,
    /// Raised as a test, in this mode.
    pub test: Option<ModeName>,
    /// The first of its group.
    pub first: bool,
}

/// A person has put it aside until then at the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shelf {
    /// When it ends by itself.
    pub until: Mono,
    /// It also ends when the condition is over.
    pub one_shot: bool,
}

/// What keeps an alarm from being announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Veils {
    /// G
    pub shelf: Option<Shelf>,
    /// H
    pub suppressed: bool,
    /// I, and when it ends by itself.
    pub out_until: Option<Mono>,
}

impl Veils {
    /// Nothing lies over it.
    pub const NONE: Self = Self { shelf: None, suppressed: false, out_until: None };

    const fn any(self) -> bool {
        self.suppressed || self.persons()
    }

    /// Whether a person has put one there.
    pub(crate) const fn persons(self) -> bool {
        self.shelf.is_some() || self.out_until.is_some()
    }
}

/// An alarm that is not simply normal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    /// Who it is.
    pub standing: Standing,
    /// A to F.
    pub life: Life,
    /// G to I.
    pub veils: Veils,
}

/// The state, with the data that is valid in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// Nothing stands, nobody owes it anything.
    #[default]
    Normal,
    /// Everything else.
    Open(Open),
}

/// A step taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// What it is called.
    pub event: EventName,
    /// The alarm after it. Where that is normal without a person's veil, it is open no more.
    pub open: Open,
}

impl Step {
    /// The state it led to.
    pub const fn state(&self) -> State {
        match self.open.life {
            Life::Normal if !self.open.veils.persons() => State::Normal,
            Life::Normal
            | Life::Unacknowledged
            | Life::Acknowledged { .. }
            | Life::Returned
            | Life::Latched
            | Life::LatchedAcknowledged => State::Open(self.open),
        }
    }
}

impl State {
    /// The word for it.
    pub const fn name(&self) -> StateName {
        match self {
            Self::Normal => StateName::Normal,
            Self::Open(open) => open.name(),
        }
    }

    /// The open alarm.
    pub const fn open(&self) -> Option<Open> {
        match *self {
            Self::Normal => None,
            Self::Open(open) => Some(open),
        }
    }

    /// Who it is, unless normal.
    pub const fn standing(&self) -> Option<Standing> {
        match self {
            Self::Normal => None,
            Self::Open(open) => Some(open.standing),
        }
    }

    /// Whether the condition stands as far as the alarm knows.
    pub const fn active(&self) -> bool {
        match self {
            Self::Normal => false,
            Self::Open(open) => open.life.active(),
        }
    }

    /// When something is to happen by itself: it rings again, a shelf or a time out of service ends.
    #[inline]
    pub const fn deadline(&self) -> Option<Mono> {
        match self {
            Self::Normal => None,
            Self::Open(open) => open.deadline(),
        }
    }

    /// What is to happen by `mono` by itself, the earliest first; nothing once all of it has.
    pub fn due(&self, mono: Mono) -> Option<Input> {
        let open = self.open()?;
        let again = open.again().map(|at| (at, Input::ReAlarm));
        let shelf = open.veils.shelf.map(|shelf| (shelf.until, Input::Unshelve));
        let out = open.veils.out_until.map(|until| (until, Input::ReturnToService));
        let all = [shelf, out, again];
        all.into_iter().flatten().filter(|(at, _)| *at <= mono).min_by_key(|(at, _)| *at).map(|(_, input)| input)
    }

    /// One step: what it is called and where it leads, `None` if nothing changes.
    ///
    /// # Errors
    /// A person's command that does not fit the state.
    pub fn step(self, input: Input) -> Result<Option<Step>, Refusal> {
        match (self, input) {
            (Self::Normal, Input::Breach(breach)) => Ok(Some(Step::raise(&breach))),
            (Self::Normal, Input::Shelve(shelf, fresh)) => {
                Ok(Some(Step::veil(fresh, EventName::Shelve, Veils { shelf: Some(shelf), ..Veils::NONE })))
            }
            (Self::Normal, Input::OutOfService(until, fresh)) => {
                Ok(Some(Step::veil(fresh, EventName::OutOfService, Veils { out_until: Some(until), ..Veils::NONE })))
            }
            (
                Self::Normal,
                Input::Normal { .. } | Input::ReAlarm | Input::Suppress | Input::Unsuppress | Input::TestOver { .. },
            ) => Ok(None),
            (
                Self::Normal,
                Input::Acknowledge { .. } | Input::Reset | Input::Note | Input::Unshelve | Input::ReturnToService,
            ) => Err(Refusal::NoSuchAlarm),
            (Self::Open(open), input) => open.step(input),
        }
    }
}

impl Step {
    fn raise(breach: &Breach) -> Self {
        let (id, onset) = breach.fresh;
        let standing = Standing { id, onset, number: 1, level: breach.level, test: breach.test, first: breach.first };
        let veils = Veils { suppressed: breach.hidden, ..Veils::NONE };
        Self { event: EventName::Raise, open: Open { standing, life: Life::Unacknowledged, veils } }
    }

    /// A veil over an alarm that is normal: it begins with it.
    const fn veil((id, onset): Fresh, event: EventName, veils: Veils) -> Self {
        let standing = Standing { id, onset, number: 1, level: 0, test: None, first: false };
        Self { event, open: Open { standing, life: Life::Normal, veils } }
    }
}

impl Open {
    /// The letter of the uppermost veil, else of the life.
    pub const fn name(&self) -> StateName {
        match self.veils {
            Veils { out_until: Some(_), .. } => StateName::OutOfService,
            Veils { suppressed: true, .. } => StateName::Suppressed,
            Veils { shelf: Some(_), .. } => StateName::Shelved,
            Veils { .. } => self.life.name(),
        }
    }

    /// The level that stands or is held; of one that is normal the first.
    pub(crate) fn level(&self) -> u8 {
        if self.life == Life::Normal { 0 } else { self.standing.level }
    }

    /// When it rings again: not while it is not announced at all.
    const fn again(&self) -> Option<Mono> {
        if self.veils.any() { None } else { self.life.deadline() }
    }

    const fn deadline(&self) -> Option<Mono> {
        let shelf = match self.veils.shelf {
            Some(shelf) => Some(shelf.until),
            None => None,
        };
        earlier(earlier(self.again(), shelf), self.veils.out_until)
    }

    fn step(self, input: Input) -> Result<Option<Step>, Refusal> {
        match input {
            Input::Breach(breach) => Ok(self.breach(&breach)),
            Input::Normal { latching } => Ok(self.life.over(latching).map(|(life, event)| self.over(life, event))),
            Input::Acknowledge { again } => Ok(Some(self.lives(EventName::Acknowledge, self.life.acknowledge(again)?))),
            Input::Reset => Ok(Some(self.lives(EventName::Reset, self.life.reset()?))),
            Input::ReAlarm => Ok(self.re_alarm()),
            Input::Shelve(shelf, _) => match self.veils.shelf {
                Some(_) => Err(Refusal::AlreadyShelved),
                None => Ok(Some(self.veiled(EventName::Shelve, Veils { shelf: Some(shelf), ..self.veils }))),
            },
            Input::Unshelve => match self.veils.shelf {
                Some(_) => Ok(Some(self.veiled(EventName::Unshelve, Veils { shelf: None, ..self.veils }))),
                None => Err(Refusal::NotShelved),
            },
            Input::OutOfService(..) if self.veils.out_until.is_some() => Err(Refusal::AlreadyOut),
            Input::OutOfService(until, _) => {
                Ok(Some(self.veiled(EventName::OutOfService, Veils { out_until: Some(until), ..self.veils })))
            }
            Input::ReturnToService => match self.veils.out_until {
                Some(_) => Ok(Some(self.veiled(EventName::ReturnToService, Veils { out_until: None, ..self.veils }))),
                None => Err(Refusal::NotOut),
            },
            // Of an alarm that is over nothing is left to hide.
            Input::Suppress if self.veils.suppressed || self.life == Life::Normal => Ok(None),
            Input::Suppress => Ok(Some(self.veiled(EventName::Suppress, Veils { suppressed: true, ..self.veils }))),
            Input::Unsuppress if self.veils.suppressed => {
                Ok(Some(self.veiled(EventName::Unsuppress, Veils { suppressed: false, ..self.veils })))
            }
            Input::Unsuppress => Ok(None),
            Input::TestOver { first } => Ok(self.test_over(first)),
            Input::Note => Ok(Some(self.to(EventName::Note, self.life, self.veils))),
        }
    }

    fn breach(self, breach: &Breach) -> Option<Step> {
        let higher = breach.level > self.standing.level;
        let louder = higher || (breach.risen && breach.level > 0);
        let (life, event) = self.life.breach(higher, louder)?;
        let mut open = self;
        open.standing.level = open.standing.level.max(breach.level);
        if !breach.shelvable {
            open.veils.shelf = None;
        }
        if open.life == Life::Normal {
            // Only a veil was there before: whether it is a test, hidden or the first is decided now.
            open.standing = Standing { test: breach.test, first: breach.first, level: breach.level, ..open.standing };
            open.veils.suppressed = breach.hidden;
        } else if event == EventName::Raise {
            // A test that waits for people still is no test any more where the condition comes again after the mode; what
            // was real stays so in one.
            open.standing.test = open.standing.test.and(breach.test);
            if self.standing.test.is_some() && breach.test.is_none() {
                open.standing.first = breach.first;
            }
        }
        Some(open.to(event, life, open.veils))
    }

    /// The condition is over, and with it a shelf that was to last no longer: one step, that no kill can come between.
    fn over(self, life: Life, event: EventName) -> Step {
        match self.veils.shelf {
            Some(Shelf { one_shot: true, .. }) => {
                Self { life, ..self }.veiled(event, Veils { shelf: None, ..self.veils })
            }
            Some(_) | None => self.to(event, life, self.veils),
        }
    }

    fn re_alarm(self) -> Option<Step> {
        self.again().map(|_| self.to(EventName::ReAlarm, Life::Unacknowledged, self.veils))
    }

    /// What stood as a test stands for real; what is over was a test and stays one.
    fn test_over(self, first: bool) -> Option<Step> {
        (self.standing.test.is_some() && self.life.active()).then(|| {
            let open = Self { standing: Standing { test: None, first, ..self.standing }, ..self };
            open.to(EventName::Raise, Life::Unacknowledged, self.veils)
        })
    }

    fn lives(self, event: EventName, life: Life) -> Step {
        self.to(event, life, self.veils)
    }

    /// A veil comes or goes; with the last of them the alarm is announced anew.
    fn veiled(self, event: EventName, veils: Veils) -> Step {
        let life = if veils.any() { self.life } else { self.life.announced() };
        self.to(event, life, veils)
    }

    fn to(self, event: EventName, life: Life, veils: Veils) -> Step {
        // Of an alarm that is over nothing is left to hide.
        let veils = if life == Life::Normal { Veils { suppressed: false, ..veils } } else { veils };
        let standing = Standing { number: self.standing.number.saturating_add(1), ..self.standing };
        Step { event, open: Self { standing, life, veils } }
    }
}

/// The earlier of two moments, where there are any.
#[inline]
pub(crate) const fn earlier(a: Option<Mono>, b: Option<Mono>) -> Option<Mono> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if a.0 < b.0 { a } else { b }),
        (Some(one), None) | (None, Some(one)) => Some(one),
        (None, None) => None,
    }
}
