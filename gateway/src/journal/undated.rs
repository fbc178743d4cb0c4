//! Records that were stamped by a count, because the clock was not set (`crate::clock`), and how they come to a time. Pure but for
//! the two lines that keep it in the file.
//!
//! All counts of one boot of the machine lie on one line, so one number makes times of them: when the machine was booted. Where
//! the clock is set before the next boot, that is known to the millisecond. Where it is not, the boot is over before the next
//! one begins, and is placed so that its last record falls on that: as late as can be, in order, and told as such.

use rusqlite::Connection;

use super::{Seq, schema};

/// `batch.tier` of a row whose readings wait for their time.
pub(super) const TIER: u8 = 2;
/// Where it is kept in `meta`: a line for each boot.
const KEY: &str = "undated";
/// Boots without a clock, one after the other, that are told apart; the oldest of more are taken as one.
const MAX_BOOTS: usize = 1_000;

/// One boot of the machine that has such records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Boot {
    /// The first of them. The last lies before the first of the next boot.
    pub first: Seq,
    /// The boot's name; empty where nothing is known of it.
    pub id: String,
    /// The newest time that was known before, UTC ms.
    pub after: Option<i64>,
    /// The last count of either lane, once the boot is known to be over.
    pub end: Option<i64>,
    pub placed: Option<Placed>,
}

/// When a boot was, UTC ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placed {
    pub booted: i64,
    /// By the clock that was set before the next boot; else as late as can be.
    pub exact: bool,
}

/// The boots of a lane, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Undated(Vec<Boot>);

impl Undated {
    pub(super) fn read(conn: &Connection) -> rusqlite::Result<Self> {
        Ok(schema::meta(conn, KEY)?.map_or_else(Self::default, |text| Self::parse(&text)))
    }

    pub(super) fn write(&self, conn: &Connection) -> rusqlite::Result<()> {
        schema::put_meta(conn, KEY, &self.text())
    }

    /// Rows of which nothing is known but that they wait, from `first` on; their last count is `end`.
    pub(super) fn recover(&mut self, first: Seq, end: i64) {
        if self.first().is_none_or(|known| first < known) {
            let lost = Boot { first, id: String::new(), after: None, end: Some(end), placed: None };
            self.0.insert(0, lost);
        }
    }

    /// The newest boot that has any is over: its last count was this.
    pub(super) fn over(&mut self, end: i64) {
        if let Some(last) = self.0.last_mut().filter(|last| last.placed.is_none()) {
            last.end.get_or_insert(end);
        }
    }

    /// A record of this boot. `false`: nothing is new about it.
    pub(super) fn begin(&mut self, first: Seq, boot: &str, after: Option<i64>) -> bool {
        if self.0.last().is_some_and(|last| boot == last.id && last.placed.is_none()) {
            return false;
        }
        if self.0.len() >= MAX_BOOTS {
            self.0.remove(1);
        }
        self.0.push(Boot { first, id: boot.to_owned(), after, end: None, placed: None });
        true
    }

    /// The first record that waits for its time.
    pub(super) fn waiting(&self) -> Option<Seq> {
        self.0.iter().find(|boot| boot.placed.is_none()).map(|boot| boot.first)
    }

    pub(super) fn first(&self) -> Option<Seq> {
        self.0.first().map(|boot| boot.first)
    }

    /// Gives every boot its place: this one was at `booted`, UTC ms. What came of each.
    pub(super) fn place(&mut self, boot: &str, booted: i64) -> Vec<Boot> {
        let mut next = booted;
        let mut told = Vec::new();
        for known in self.0.iter_mut().rev() {
            let exact = boot == known.id && known.end.is_none();
            let at = if exact { booted } else { next.saturating_sub(known.end.unwrap_or(0)) };
            let placed = *known.placed.get_or_insert_with(|| {
                told.push(known.first);
                Placed { booted: at, exact }
            });
            next = placed.booted;
        }
        self.0.iter().filter(|boot| told.contains(&boot.first)).cloned().collect()
    }

    /// What makes a time of a count in the record `seq`.
    pub(super) fn booted(&self, seq: Seq) -> Option<i64> {
        self.0.iter().rev().find(|boot| boot.first <= seq)?.placed.map(|placed| placed.booted)
    }

    /// The records up to `last` have their time in themselves now; `head` is the newest there is.
    pub(super) fn done(&mut self, last: Seq, head: Seq) {
        if last >= head {
            return self.0.clear();
        }
        let over = self.0.iter().skip(1).take_while(|boot| boot.first <= last + 1).count();
        self.0.drain(..over);
        if let Some(boot) = self.0.first_mut() {
            boot.first = boot.first.max(last + 1);
        }
    }

    /// The newest time that was known before any of them.
    pub(super) fn after(&self) -> Option<i64> {
        self.0.iter().filter_map(|boot| boot.after).max()
    }

    pub(super) fn text(&self) -> String {
        let number = |n: Option<i64>| n.map_or_else(|| "-".to_owned(), |n| n.to_string());
        let line = |Boot { first, id, after, end, placed }: &Boot| {
            let id = if id.is_empty() { "-" } else { id };
            let how = placed.map_or("-", |placed| if placed.exact { "exact" } else { "late" });
            let booted = number(placed.map(|placed| placed.booted));
            format!("{first} {id} {} {} {booted} {how}\n", number(*after), number(*end))
        };
        self.0.iter().map(line).collect()
    }

    /// A line that can't be read is left out: its records are then of the boot before.
    pub(super) fn parse(text: &str) -> Self {
        let boot = |line: &str| {
            let mut words = line.split_whitespace();
            // No row has a number that the file could not hold.
            let first = words.next()?.parse().ok().filter(|first| *first <= i64::MAX as Seq)?;
            let id = words.next().filter(|id| *id != "-").unwrap_or_default().to_owned();
            let mut number = || words.next().and_then(|word| word.parse::<i64>().ok());
            let (after, end, booted) = (number(), number(), number());
            let exact = words.next() == Some("exact");
            let placed = booted.map(|booted| Placed { booted, exact });
            Some(Boot { first, id, after, end, placed })
        };
        let mut boots: Vec<Boot> = text.lines().filter_map(boot).collect();
        boots.sort_by_key(|boot| boot.first);
        Self(boots)
    }
}
