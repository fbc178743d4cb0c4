//! What is under way to the broker: the window, and which acknowledgement means which records. Pure.
//!
//! ```text
//!   hand            sent (packet id)       acked               settled (on disk)
//!  ──────▶ handed ─────────────────▶ flying ──────▶ settling ─────────────────▶ gone
//! ```
//! A book is as old as its connection: packet ids mean nothing on another one. What was in it when the connection went
//! is owed still, and a new book sends it again. Records under way are never offered a second time ([`Book::free`]).

use std::collections::{BTreeMap, VecDeque};

use gengfu_core::time::Mono;

use super::MOST_RECORDS;
use crate::journal::{IN_FLIGHT, Lane, Outcome, Seq};

pub(super) type Range = (Seq, Seq);
/// What becomes of which records.
pub(super) type Fates = Vec<(Seq, Seq, Outcome)>;

/// What goes before what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// A status or a reply: outside of the window, few and small.
    Word,
    Alarm,
    Live,
    /// What an outage left, and what the centre asked for again.
    Backlog,
}

/// What a message carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cargo {
    Word,
    /// Records that are owed, with what is to be settled once they have arrived.
    Owed {
        lane: Lane,
        range: Range,
        fates: Fates,
    },
    /// A part of the resend of this number.
    Resend(u64),
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parcel {
    pub(super) class: Class,
    pub(super) cargo: Cargo,
    pub(super) bytes: usize,
}

/// Bytes of backlog that may be under way: on a slow line they are what an alarm has to wait behind.
const BACKLOG_BYTES: usize = 256 << 10;

/// Records of backlog that may be under way: what the journal spares behind the first that is owed, should this run end now.
const BACKLOG_RECORDS: u64 = 50_000;
const _: () = assert!(BACKLOG_RECORDS + MOST_RECORDS as u64 <= IN_FLIGHT);

/// One connection's book.
#[derive(Debug)]
pub(super) struct Book {
    window: usize,
    /// Given to the client in this order; it has not said the packet id yet.
    handed: VecDeque<(Mono, Parcel)>,
    flying: BTreeMap<u16, (Mono, Parcel)>,
    /// Arrived, and not yet recorded as delivered.
    settling: Vec<(Lane, Range)>,
    backlog: Load,
    words: usize,
}

impl Book {
    pub(super) fn new(window: usize) -> Self {
        Self {
            window,
            handed: VecDeque::new(),
            flying: BTreeMap::new(),
            settling: Vec::new(),
            backlog: Load::default(),
            words: 0,
        }
    }

    /// Messages that may go now. Live readings leave a quarter of the window to alarms, the backlog half of it to both.
    pub(super) fn room(&self, class: Class) -> usize {
        let most = match class {
            Class::Word => return usize::MAX,
            Class::Alarm => self.window,
            Class::Live => self.window * 3 / 4,
            Class::Backlog if self.backlog.is_full() => 0,
            Class::Backlog => self.window / 2,
        };
        most.saturating_sub(self.load())
    }

    /// Messages in the window.
    pub(super) fn load(&self) -> usize {
        self.handed.len() + self.flying.len() - self.words + self.settling.len()
    }

    /// Statuses and replies under way.
    pub(super) fn words(&self) -> usize {
        self.words
    }

    /// Nothing waits for an acknowledgement.
    pub(super) fn is_quiet(&self) -> bool {
        self.handed.is_empty() && self.flying.is_empty()
    }

    /// A message was given to the client.
    pub(super) fn hand(&mut self, parcel: Parcel, now: Mono) {
        self.words += usize::from(parcel.class == Class::Word);
        self.backlog.add(&parcel);
        self.handed.push_back((now, parcel));
    }

    /// The client gave the oldest handed message this packet id. `false`: there was none, or the id is in use.
    pub(super) fn sent(&mut self, packet: u16) -> bool {
        let Some(parcel) = self.handed.pop_front() else { return false };
        self.flying.insert(packet, parcel).is_none()
    }

    /// The broker has the message of this packet id; its records now wait to be settled.
    pub(super) fn acked(&mut self, packet: u16) -> Option<Parcel> {
        let (_, parcel) = self.flying.remove(&packet)?;
        self.words -= usize::from(parcel.class == Class::Word);
        self.backlog.take(&parcel);
        if let Cargo::Owed { lane, range, .. } = parcel.cargo {
            self.settling.push((lane, range));
        }
        Some(parcel)
    }

    /// The delivery map has this range, or refused it and owes it still: either way it is not under way.
    pub(super) fn settled(&mut self, lane: Lane, range: Range) {
        if let Some(at) = self.settling.iter().position(|found| *found == (lane, range)) {
            self.settling.swap_remove(at);
        }
    }

    /// What of `owed` is not under way, in order.
    pub(super) fn free(&self, lane: Lane, owed: &[Range]) -> Vec<Range> {
        let carried = self.handed.iter().chain(self.flying.values()).filter_map(|(_, parcel)| match parcel.cargo {
            Cargo::Owed { lane: of, range, .. } if of == lane => Some(range),
            Cargo::Owed { .. } | Cargo::Word | Cargo::Resend(_) => None,
        });
        let settling = self.settling.iter().filter(|(of, _)| *of == lane).map(|(_, range)| *range);
        let mut busy: Vec<Range> = carried.chain(settling).collect();
        busy.sort_unstable();
        owed.iter().flat_map(|range| without(*range, &busy)).collect()
    }

    /// Since when the oldest message waits for its acknowledgement.
    pub(super) fn waiting_since(&self) -> Option<Mono> {
        let all = self.flying.values().chain(self.handed.front());
        all.map(|(since, _)| *since).min()
    }
}

/// Backlog under way.
#[derive(Debug, Default)]
struct Load {
    bytes: usize,
    /// Those that are owed.
    records: u64,
}

impl Load {
    fn is_full(&self) -> bool {
        self.bytes >= BACKLOG_BYTES || self.records >= BACKLOG_RECORDS
    }

    fn add(&mut self, parcel: &Parcel) {
        let Self { bytes, records } = Self::of(parcel);
        (self.bytes, self.records) = (self.bytes + bytes, self.records + records);
    }

    fn take(&mut self, parcel: &Parcel) {
        let Self { bytes, records } = Self::of(parcel);
        (self.bytes, self.records) = (self.bytes - bytes, self.records - records);
    }

    fn of(parcel: &Parcel) -> Self {
        let records = match parcel.cargo {
            Cargo::Owed { range: (from, to), .. } => to - from + 1,
            Cargo::Word | Cargo::Resend(_) => 0,
        };
        if parcel.class == Class::Backlog { Self { bytes: parcel.bytes, records } } else { Self::default() }
    }
}

/// What is left of a range without the busy ones, which are sorted.
fn without((from, to): Range, busy: &[Range]) -> Vec<Range> {
    let mut left = Vec::new();
    let mut next = from;
    for &(start, end) in busy.iter().filter(|(start, end)| *end >= from && *start <= to) {
        if start > next {
            left.push((next, start - 1));
        }
        next = next.max(end + 1);
    }
    if next <= to {
        left.push((next, to));
    }
    left
}
