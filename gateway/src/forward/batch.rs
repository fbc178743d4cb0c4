//! One batch on its way into a store: what is still to be sent, and what became of the rest. Pure.
//!
//! A store that calls a body bad is shown its halves, and theirs, until the bad records stand alone: those are
//! dead-lettered with the store's words, all others get through. A re-sent good record overwrites itself.
//!
//! A store that calls everything bad is not to be believed: something else answers there, or the store itself is ill. That it
//! has other words for each record proves nothing: a proxy puts a number of its own into every answer. Many records refused
//! one after the other are in doubt: the store is asked now and then, and nothing is given up. Once it takes something they
//! are shown to it again, and what it then refuses is dead. Different words of a store that took part of the batch are believed.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;

use super::line::Lines;
use super::store::Answer;
use crate::journal::{Outcome, Seq};

/// Characters of a store's complaint that are kept with a dead letter.
const REASON_CHARS: usize = 256;
/// Single records refused one after the other, after which it may be the store.
const ROW: usize = 16;

/// Why a record is dead that was never shown to the store.
pub(super) const UNREADABLE: &str = "the journal can't read it";

/// Why a batch stopped before its end. Nothing of it is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stopped {
    /// The store is away or busy.
    Retry(String),
    /// The store has too much to do and wants to be asked again after this long.
    Busy { why: String, wait: Duration },
    /// A person must mend something first.
    Hold(String),
    /// It refused all it was shown, for the first time: what it takes elsewhere will tell whether it is ill.
    Doubt(String),
}

/// A batch; made of encoded records that cover the sequence numbers from `from` to the last record.
#[derive(Debug)]
pub(super) struct Job {
    from: Seq,
    lines: Lines,
    /// Pieces still to be sent, as a stack: the next lies on top.
    todo: Vec<Range<usize>>,
    /// Verdicts not yet settled, in order; with the reason where dead.
    verdicts: Vec<(Range<usize>, Option<String>)>,
    /// The number of records the store called too many.
    too_many: Option<usize>,
    /// Refused since the store last took something, and what needed no sending in between, in order.
    doubtful: Vec<(Range<usize>, Option<String>)>,
    /// Records of these.
    row: usize,
    /// The store has been in doubt over this batch.
    held: bool,
    /// Records before this one are shown again to a store that has proved well.
    sure_below: usize,
    /// The store has taken a part of this batch.
    passed: bool,
    /// Two of its records were refused in different words.
    differ: bool,
    /// Bodies the store had taken, of anybody, when the doubt began.
    doubt: Option<u64>,
    /// What became of numbers without a record.
    gaps: Outcome,
}

impl Job {
    /// `doubt` as [`Job::doubt`] said it of a batch before that these records were in.
    pub(super) fn new(from: Seq, lines: Lines, doubt: Option<u64>) -> Self {
        let whole = 0..lines.len();
        Self {
            from,
            todo: vec![whole],
            lines,
            verdicts: Vec::new(),
            too_many: None,
            doubtful: Vec::new(),
            row: 0,
            held: doubt.is_some(),
            sure_below: 0,
            passed: false,
            differ: false,
            doubt,
            gaps: Outcome::Done,
        }
    }

    /// The next body to send; `None` when there is nothing more.
    pub(super) fn next(&mut self) -> Option<Bytes> {
        while let Some(range) = self.todo.last() {
            let text = self.lines.text(range.clone());
            if !text.is_empty() {
                return Some(text);
            }
            self.conclude(None);
        }
        None
    }

    /// Takes in the answer to the last [`Job::next`]; `taken` bodies the store had taken by then, of anybody.
    pub(super) fn answer(&mut self, answer: Answer, taken: u64) -> Result<(), Stopped> {
        match answer {
            Answer::Accepted => {
                self.accepted();
                Ok(())
            }
            Answer::Refused(why) => self.refused(why, taken),
            Answer::TooLarge(why) => {
                let size = self.todo.last().map_or(0, ExactSizeIterator::len);
                self.too_many = Some(self.too_many.map_or(size, |seen| seen.min(size)));
                self.refused(why, taken)
            }
            Answer::Retry(why) => Err(Stopped::Retry(why)),
            Answer::Busy { why, wait } => Err(Stopped::Busy { why, wait }),
            Answer::Hold(why) => Err(Stopped::Hold(why)),
        }
    }

    /// After the last [`Job::next`]: whether that was all. If not, there is more to send, or the store is in doubt.
    pub(super) fn end(&mut self, taken: u64) -> Result<bool, Stopped> {
        if self.row == 0 || (self.passed && (self.differ || self.row < ROW)) {
            self.believe();
            return Ok(true);
        }
        let why = self.doubtful.iter().rev().find_map(|(_, why)| why.clone()).unwrap_or_default();
        let elsewhere = self.took_since(taken);
        self.put_back(elsewhere);
        if elsewhere { Ok(false) } else { Err(self.hold(&why)) }
    }

    /// When the doubt about the store began, while it lasts.
    pub(super) fn doubt(&self) -> Option<u64> {
        self.doubt
    }

    /// Nothing of it is decided: it may be read anew, with what came since.
    pub(super) fn is_whole(&self) -> bool {
        self.todo.len() == 1 && self.todo.last().is_some_and(|range| *range == (0..self.lines.len()))
    }

    /// The size of batch that the store may still take, if it called one too large.
    pub(super) fn shrink(&self) -> Option<usize> {
        self.too_many.map(|size| (size / 2).max(1))
    }

    /// What is to be settled since the last call: inclusive ranges in order, neighbours of one outcome joined.
    pub(super) fn settlements(&mut self) -> Vec<(Seq, Seq, Outcome)> {
        let mut out: Vec<(Seq, Seq, Outcome)> = Vec::new();
        for (range, verdict) in std::mem::take(&mut self.verdicts) {
            for piece in range {
                let dead = verdict.as_deref().or_else(|| self.lines.refusal(piece));
                self.push(&mut out, piece, dead);
            }
        }
        out
    }

    /// Numbers without a record among these are records that the journal can't read any more, not such that went by
    /// another way.
    pub(super) fn unreadable_are_dead(mut self) -> Self {
        self.gaps = Outcome::Dead(UNREADABLE.to_owned());
        self
    }

    /// A piece stands for its record and for the numbers without one before it.
    fn push(&self, out: &mut Vec<(Seq, Seq, Outcome)>, piece: usize, dead: Option<&str>) {
        let Some(seq) = self.lines.seq(piece) else { return };
        let first =
            piece.checked_sub(1).and_then(|before| self.lines.seq(before)).map_or(self.from, |before| before + 1);
        if first < seq {
            join(out, first, seq - 1, self.gaps.clone());
        }
        if let Some(why) = dead {
            join(out, seq, seq, Outcome::Dead(why.chars().take(REASON_CHARS).collect()));
        } else {
            join(out, seq, seq, Outcome::Done);
        }
    }

    fn conclude(&mut self, dead: Option<String>) {
        if let Some(range) = self.todo.pop() {
            let verdicts = if self.doubtful.is_empty() { &mut self.verdicts } else { &mut self.doubtful };
            verdicts.push((range, dead));
        }
    }

    fn accepted(&mut self) {
        self.passed = true;
        let Some(range) = self.todo.pop() else { return };
        if self.row >= ROW || (self.held && self.row > 0) {
            self.put_back(true);
        } else {
            self.believe();
        }
        self.doubt = None;
        self.verdicts.push((range, None));
    }

    /// Halves what was refused. A single record is dead if the store is known to be well, and else in doubt.
    fn refused(&mut self, why: String, taken: u64) -> Result<(), Stopped> {
        let Some(range) = self.todo.pop() else { return Ok(()) };
        if range.len() > 1 {
            let middle = range.start + range.len() / 2;
            self.todo.push(middle..range.end);
            self.todo.push(range.start..middle);
            return Ok(());
        }
        if range.start < self.sure_below {
            self.verdicts.push((range, Some(why)));
            return Ok(());
        }
        // The first in doubt is a refused one; those after it said the same, or they differ already.
        let other = self.doubtful.first().and_then(|(_, other)| other.as_deref());
        self.differ |= other.is_some_and(|other| other != why);
        self.doubt.get_or_insert(taken);
        self.doubtful.push((range, Some(why.clone())));
        self.row += 1;
        if (self.differ && self.passed) || !self.row.is_multiple_of(ROW) {
            return Ok(());
        }
        if self.took_since(taken) {
            self.put_back(true);
            return Ok(());
        }
        Err(self.hold(&why))
    }

    /// Whether it took something, of anybody, since the doubt began.
    fn took_since(&self, taken: u64) -> bool {
        self.doubt.is_some_and(|then| taken > then)
    }

    /// What was refused is dead.
    fn believe(&mut self) {
        self.verdicts.append(&mut self.doubtful);
        (self.row, self.doubt) = (0, None);
    }

    /// What is in doubt is to be sent again; to a store that is `well`, for the last time.
    fn put_back(&mut self, well: bool) {
        if let (Some((first, _)), Some((last, _))) = (self.doubtful.first(), self.doubtful.last()) {
            let range = first.start..last.end;
            if well {
                (self.sure_below, self.doubt) = (range.end, None);
            }
            self.todo.push(range);
        }
        self.doubtful.clear();
        self.row = 0;
    }

    fn hold(&mut self, why: &str) -> Stopped {
        if std::mem::replace(&mut self.held, true) { Stopped::Hold(suspect(why)) } else { Stopped::Doubt(suspect(why)) }
    }
}

fn suspect(why: &str) -> String {
    format!("{why}; it takes none of many records, so nothing is given up: check url, and what answers there")
}

/// Adds a range, to the last where it goes on with it.
pub(super) fn join(out: &mut Vec<(Seq, Seq, Outcome)>, from: Seq, to: Seq, outcome: Outcome) {
    match out.last_mut() {
        Some((_, end, last)) if *end + 1 == from && *last == outcome => *end = to,
        _ => out.push((from, to, outcome)),
    }
}
