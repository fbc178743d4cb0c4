//! Out of the journal and into a message: records that follow one another, of one epoch, as compressed line protocol.

use std::io;

use super::book::{Fates, Range};
use crate::catalog::Catalog;
use crate::forward::batch::Job;
use crate::forward::feed::Lane;
use crate::forward::line;
use crate::forward::memory::{LOOK_BACK, Memory};
use crate::forward::names::Names;
use crate::forward::store::Answer;
use crate::journal::{Outcome, Record, Seq, Stretch};

/// zstd's own default: line protocol repeats its names in every line, which any level finds.
const LEVEL: i32 = 3;
/// What is said of a record that is owed and can't be had.
pub(super) const LOST: &str = "the journal can't read it any more";

/// Who reads; each remembers the points' quality as of its own place in the lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cursor {
    Live,
    Backlog,
    Resend,
}

/// Records ready to be sent.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) first: Seq,
    pub(super) last: Seq,
    /// What to settle once they have arrived.
    pub(super) fates: Fates,
    pub(super) lines: bytes::Bytes,
}

pub(super) struct Loader {
    catalog: Catalog,
    names: Names,
    memories: [Memory; 3],
    packer: zstd::bulk::Compressor<'static>,
}

impl Loader {
    pub(super) fn new(catalog: Catalog, site: &str) -> io::Result<Self> {
        let mut packer = zstd::bulk::Compressor::new(LEVEL)?;
        packer.include_checksum(true)?;
        Ok(Self { catalog, names: Names::new(site), memories: Default::default(), packer })
    }

    /// The first records of a range that follow one another, `most` at most. `None` where the range holds none, or is being
    /// thinned. The journal is told first: a centre takes each number once, and it may have these whether it says so or not.
    pub(super) async fn read<L: Lane>(
        &mut self,
        cursor: Cursor,
        lane: &L,
        (from, to): Range,
        most: usize,
    ) -> Result<Option<Load>, String> {
        let Some(memory) = self.memories.get_mut(cursor as usize) else { return Ok(None) };
        if !lane.show((from, to)) {
            return Ok(None);
        }
        if let Some((first, last)) = memory.gap(from) {
            let before = if first <= last { lane.telemetry(first, last, LOOK_BACK).await? } else { Vec::new() };
            memory.learn(from, &before);
        }
        let mut records = match cursor {
            Cursor::Live | Cursor::Backlog => lane.telemetry(from, to, most).await?,
            Cursor::Resend => lane.again(from, to, most).await?,
        };
        records.truncate(unbroken(&records));
        let (Some(first), Some(last)) = (records.first().map(|r| r.seq), records.last().map(|r| r.seq)) else {
            return Ok(None);
        };
        self.names.refresh(&self.catalog);
        let mut job = Job::new(first, line::encode(&self.names, memory, &records), None);
        memory.advance(last);
        let lines = job.next().unwrap_or_default();
        if !lines.is_empty() {
            // Said in advance; it counts once the message is acknowledged.
            let _ = job.answer(Answer::Accepted, 0);
        }
        Ok(Some(Load { first, last, fates: job.settlements(), lines }))
    }

    pub(super) fn pack(&mut self, head: &str, lines: &[u8]) -> io::Result<Vec<u8>> {
        self.packer.compress(&[head.as_bytes(), lines].concat())
    }
}

/// How many records from the first on follow one another.
fn unbroken(records: &[Record]) -> usize {
    let next = records.windows(2).position(|pair| !matches!(pair, [a, b] if b.seq == a.seq + 1));
    next.map_or(records.len(), |at| at + 1)
}

/// What to settle where the records before `first` can't be read.
pub(super) fn hole(from: Seq, first: Seq) -> Option<(Seq, Seq, Outcome)> {
    (from < first).then(|| (from, first - 1, Outcome::Dead(LOST.to_owned())))
}

/// The epoch of a record, and the last record it may share a message with. 0 is the epoch of records from before the first
/// that the journal knows, which a damaged file may have left.
pub(super) fn epoch_of(epochs: &[Stretch], seq: Seq) -> (u64, Seq) {
    let after = epochs.partition_point(|stretch| stretch.first <= seq);
    let epoch = after.checked_sub(1).and_then(|at| epochs.get(at)).map_or(0, |stretch| stretch.epoch);
    (epoch, epochs.get(after).map_or(Seq::MAX, |next| next.first - 1))
}
