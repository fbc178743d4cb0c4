//! The encoder of line protocol, as the contract of the time series has it: measurement = the device's kind, tags exactly
//! `site` and `device`, one field a point, nanoseconds. Pure.
//!
//! A good reading is `<point>=v`; an uncertain one value and `<point>_q=1i`; a bad one `<point>_q=<reason code>i` alone;
//! the first good one after those carries `<point>_q=0i` (see [`super::memory`] for how that survives re-sends). A value
//! that is no number is bad(not-a-number) whatever its quality says: NaN and infinities never reach a store.

use std::ops::Range;

use bytes::Bytes;
use gengfu_core::quality::{Quality, Reason};

use super::memory::Memory;
use super::names::Names;
use crate::journal::{Record, Seq};

/// Encoded records, which can be taken apart again down to a single record.
#[derive(Debug, Clone, Default)]
pub(super) struct Lines {
    text: Bytes,
    rows: Vec<Line>,
    pieces: Vec<Piece>,
    /// Pieces that can't be written, with the reason; in order.
    refused: Vec<(usize, String)>,
}

/// One line: series, the fields of its pieces, time.
#[derive(Debug, Clone, Copy)]
struct Line {
    start: u32,
    end: u32,
    /// Index of its first piece.
    first: u32,
}

/// One record: the span of its fields within the line. Empty where the record was refused.
#[derive(Debug, Clone, Copy)]
struct Piece {
    start: u32,
    end: u32,
    seq: Seq,
}

impl Lines {
    /// Records in it.
    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    /// The record a piece stands for.
    pub(super) fn seq(&self, piece: usize) -> Option<Seq> {
        self.pieces.get(piece).map(|p| p.seq)
    }

    /// Why a piece could not be written, if so.
    pub(super) fn refusal(&self, piece: usize) -> Option<&str> {
        let at = self.refused.binary_search_by_key(&piece, |(index, _)| *index).ok()?;
        self.refused.get(at).map(|(_, why)| why.as_str())
    }

    /// Line protocol of some pieces. All of them cost nothing; a part of a line becomes a line of its own.
    pub(super) fn text(&self, pieces: Range<usize>) -> Bytes {
        if pieces == (0..self.pieces.len()) {
            return self.text.clone();
        }
        let mut out = Vec::new();
        let from = self.rows.partition_point(|line| line.first as usize <= pieces.start).saturating_sub(1);
        for (index, line) in self.rows.iter().enumerate().skip(from) {
            if line.first as usize >= pieces.end {
                break;
            }
            let next = self.rows.get(index + 1).map_or(self.pieces.len(), |next| next.first as usize);
            let wanted = pieces.start.max(line.first as usize)..pieces.end.min(next);
            self.part(&mut out, line, line.first as usize..next, wanted);
        }
        out.into()
    }

    /// Appends the `wanted` pieces of a line that has the pieces `all`.
    fn part(&self, out: &mut Vec<u8>, line: &Line, all: Range<usize>, wanted: Range<usize>) {
        let span = |range: Range<usize>| self.pieces.get(range).and_then(|p| Some((p.first()?.start, p.last()?.end)));
        let (Some(all), Some(wanted)) = (span(all), span(wanted)) else { return };
        let bytes = |from: u32, to: u32| self.text.get(from as usize..to as usize).unwrap_or_default();
        out.extend_from_slice(bytes(line.start, all.0));
        out.extend_from_slice(bytes(wanted.0, wanted.1));
        out.extend_from_slice(bytes(all.1, line.end));
    }
}

/// Room a record is likely to need, to reserve the buffer in one go.
const RECORD_BYTES: usize = 64;

/// Lines as they grow.
#[derive(Debug, Default)]
pub(super) struct Builder {
    text: Vec<u8>,
    rows: Vec<Line>,
    pieces: Vec<Piece>,
    refused: Vec<(usize, String)>,
}

impl Builder {
    pub(super) fn with_room(records: usize) -> Self {
        Self {
            text: Vec::with_capacity(records * RECORD_BYTES),
            rows: Vec::with_capacity(records),
            pieces: Vec::with_capacity(records),
            refused: Vec::new(),
        }
    }

    /// Begins a line with what stands before its fields.
    pub(super) fn open(&mut self, head: &[u8]) {
        let start = self.text.len() as u32;
        self.rows.push(Line { start, end: start, first: self.pieces.len() as u32 });
        self.text.extend_from_slice(head);
    }

    /// One record's fields.
    pub(super) fn piece(&mut self, seq: Seq, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.text.len() as u32;
        write(&mut self.text);
        self.pieces.push(Piece { start, end: self.text.len() as u32, seq });
    }

    /// Ends the line with its time.
    pub(super) fn close(&mut self, at_ns: i64) {
        self.text.push(b' ');
        self.text.extend_from_slice(itoa::Buffer::new().format(at_ns).as_bytes());
        self.text.push(b'\n');
        if let Some(line) = self.rows.last_mut() {
            line.end = self.text.len() as u32;
        }
    }

    /// A record that can't be written.
    pub(super) fn refuse(&mut self, seq: Seq, why: String) {
        self.open(b"");
        self.refused.push((self.pieces.len(), why));
        self.piece(seq, |_| {});
    }

    pub(super) fn finish(self) -> Lines {
        Lines { text: self.text.into(), rows: self.rows, pieces: self.pieces, refused: self.refused }
    }
}

/// Encodes records in their order. Neighbours of one device and instant share a line; points must rise within it, so that
/// no field can stand in a line twice.
pub(super) fn encode(names: &Names, memory: &mut Memory, records: &[Record]) -> Lines {
    let mut out = Builder::with_room(records.len());
    // (series, time, point) of the line being written
    let mut line: Option<(u32, i64, u32)> = None;
    for record in records {
        let name = match names.get(record.point) {
            Ok(name) => name,
            Err(why) => {
                if let Some((_, at_ns, _)) = line.take() {
                    out.close(at_ns);
                }
                out.refuse(record.seq, why);
                continue;
            }
        };
        match line {
            Some((series, at, last)) if series == name.series && at == record.at_ns && last < record.point.0 => {
                out.text.push(b',');
            }
            open => {
                if let Some((_, at_ns, _)) = open {
                    out.close(at_ns);
                }
                out.open(name.head);
            }
        }
        line = Some((name.series, record.at_ns, record.point.0));
        let quality = honest(record);
        let good_again = memory.note(record.point, quality);
        out.piece(record.seq, |text| fields(text, name.key, record.value, quality, good_again));
    }
    if let Some((_, at_ns, _)) = line {
        out.close(at_ns);
    }
    out.finish()
}

/// The quality to be written: a value that is no number is bad.
pub(super) fn honest(record: &Record) -> Quality {
    if record.quality.has_value() && !record.value.is_finite() {
        return Quality::Bad(Reason::NotANumber);
    }
    record.quality
}

/// A float field. Registers mostly hold whole numbers, which need no search for the shortest decimal; without the suffix `i`
/// a whole number is a float all the same.
fn number(text: &mut Vec<u8>, value: f64) {
    let whole = value as i64;
    let exact = whole as f64 == value && whole.unsigned_abs() < 1 << 53;
    if exact && (whole != 0 || value.is_sign_positive()) {
        text.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes());
    } else {
        text.extend_from_slice(ryu::Buffer::new().format_finite(value).as_bytes());
    }
}

fn fields(text: &mut Vec<u8>, key: &[u8], value: f64, quality: Quality, good_again: bool) {
    let code = match quality {
        Quality::Good if good_again => Some(0),
        Quality::Good => None,
        Quality::Uncertain(_) => Some(1),
        Quality::Bad(reason) => Some(reason as u8),
    };
    if quality.has_value() {
        text.extend_from_slice(key);
        text.push(b'=');
        number(text, value);
        if code.is_some() {
            text.push(b',');
        }
    }
    if let Some(code) = code {
        text.extend_from_slice(key);
        text.extend_from_slice(b"_q=");
        text.extend_from_slice(itoa::Buffer::new().format(code).as_bytes());
        text.push(b'i');
    }
}
