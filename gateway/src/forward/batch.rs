//! One batch on its way into a store: what is still to be sent, and what became of the rest. Pure.
//!
//! A store that calls a body bad is shown its halves, and theirs, until the bad records stand alone: those are
//! dead-lettered with the store's words, all others get through. A re-sent good record overwrites itself.

use std::ops::Range;

use bytes::Bytes;

use super::line::Lines;
use super::store::Answer;
use crate::journal::{Outcome, Seq};

/// Characters of a store's complaint that are kept with a dead letter.
const REASON_CHARS: usize = 256;

/// Why a batch stopped before its end. Nothing of it is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stopped {
    /// The store is away or busy.
    Retry(String),
    /// A person must mend something first.
    Hold(String),
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
}

impl Job {
    pub(super) fn new(from: Seq, lines: Lines) -> Self {
        let whole = 0..lines.len();
        Self { from, todo: vec![whole], lines, verdicts: Vec::new(), too_many: None }
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

    /// Takes in the answer to the last [`Job::next`].
    pub(super) fn answer(&mut self, answer: Answer) -> Result<(), Stopped> {
        match answer {
            Answer::Accepted => self.conclude(None),
            Answer::Refused(why) => self.split(why),
            Answer::TooLarge(why) => {
                let size = self.todo.last().map_or(0, ExactSizeIterator::len);
                self.too_many = Some(self.too_many.map_or(size, |seen| seen.min(size)));
                self.split(why);
            }
            Answer::Retry(why) => return Err(Stopped::Retry(why)),
            Answer::Hold(why) => return Err(Stopped::Hold(why)),
        }
        Ok(())
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

    /// A piece stands for its record and for the numbers without one before it (they went by another way).
    fn push(&self, out: &mut Vec<(Seq, Seq, Outcome)>, piece: usize, dead: Option<&str>) {
        let Some(seq) = self.lines.seq(piece) else { return };
        let first =
            piece.checked_sub(1).and_then(|before| self.lines.seq(before)).map_or(self.from, |before| before + 1);
        if let Some(why) = dead {
            if first < seq {
                join(out, first, seq - 1, Outcome::Done);
            }
            join(out, seq, seq, Outcome::Dead(why.chars().take(REASON_CHARS).collect()));
        } else {
            join(out, first, seq, Outcome::Done);
        }
    }

    fn conclude(&mut self, dead: Option<String>) {
        if let Some(range) = self.todo.pop() {
            self.verdicts.push((range, dead));
        }
    }

    fn split(&mut self, why: String) {
        let Some(range) = self.todo.last().cloned() else { return };
        if range.len() <= 1 {
            return self.conclude(Some(why));
        }
        let middle = range.start + range.len() / 2;
        self.todo.pop();
        self.todo.push(middle..range.end);
        self.todo.push(range.start..middle);
    }
}

fn join(out: &mut Vec<(Seq, Seq, Outcome)>, from: Seq, to: Seq, outcome: Outcome) {
    match out.last_mut() {
        Some((_, end, last)) if *end + 1 == from && *last == outcome => *end = to,
        _ => out.push((from, to, outcome)),
    }
}
