//! The same line protocol for readings that are exported rather than sent.

use bytes::Bytes;
use gengfu_core::quality::Quality;

use super::line;
use super::memory::Memory;
use super::names::Names;
use crate::catalog::Catalog;
use crate::journal::Record;

/// Writes what a store would have been sent. A point's return to good is said where it is among the readings.
#[derive(Debug)]
pub(crate) struct Encoder {
    names: Names,
    memory: Memory,
}

impl Encoder {
    pub(crate) fn new(site: &str, catalog: &Catalog) -> Self {
        let (mut names, mut memory) = (Names::new(site), Memory::default());
        names.refresh(catalog);
        memory.learn(1, &[]);
        Self { names, memory }
    }

    /// The lines of some records, and why those that are left out can't be written.
    pub(crate) fn lines(&mut self, records: &[Record]) -> (Bytes, Option<String>) {
        let lines = line::encode(&self.names, &mut self.memory, records);
        let refused = (0..lines.len()).find_map(|piece| lines.refusal(piece));
        (lines.text(0..lines.len()), refused.map(str::to_owned))
    }
}

/// A reading's quality as every reader is told: a value that is no number is bad.
pub(crate) fn honest(record: &Record) -> Quality {
    line::honest(record)
}
