//! CSV as RFC 4180 has it: a header, CRLF, quotes where a field needs them.

use std::io::Write;

use super::{Table, names};
use crate::catalog::Catalog;
use crate::forward::past::honest;
use crate::journal::Record;

const HEADER: [&str; 8] = ["time", "time_ns", "device", "point", "value", "unit", "quality", "reason"];

/// Readings, a line each.
pub(super) struct Readings<W> {
    catalog: Catalog,
    out: W,
    line: Vec<u8>,
}

impl<W: Write> Readings<W> {
    pub(super) fn begin(catalog: Catalog, out: W) -> Result<Self, String> {
        let mut table = Self { catalog, out, line: Vec::new() };
        row(&mut table.line, &HEADER);
        table.put()?;
        Ok(table)
    }

    fn put(&mut self) -> Result<(), String> {
        self.out.write_all(&self.line).map_err(|error| error.to_string())?;
        self.line.clear();
        Ok(())
    }
}

impl<W: Write> Table for Readings<W> {
    fn add(&mut self, records: &[Record]) -> Result<(), String> {
        for record in records {
            let (meta, quality) = (names(&self.catalog, record.point)?, honest(record));
            let value = if quality.has_value() { number(record.value) } else { String::new() };
            let fields: [&str; 8] = [
                &time(record.at_ns),
                &record.at_ns.to_string(),
                &meta.device,
                &meta.point,
                &value,
                meta.unit.as_deref().unwrap_or_default(),
                quality.word(),
                quality.reason().map_or("", gengfu_core::quality::Reason::word),
            ];
            row(&mut self.line, &fields);
        }
        self.put()
    }

    fn finish(mut self: Box<Self>) -> Result<Option<String>, String> {
        self.out.flush().map_err(|error| error.to_string())?;
        Ok(None)
    }
}

/// UTC, as fine as it is.
pub(super) fn time(at_ns: i64) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(at_ns)).map_or_else(|_| String::new(), |time| time.to_string())
}

/// The shortest decimal that is this very number.
pub(super) fn number(value: f64) -> String {
    ryu::Buffer::new().format(value).to_owned()
}

/// Appends one line.
pub(super) fn row(out: &mut Vec<u8>, fields: &[&str]) {
    for (n, field) in fields.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        if field.contains(['"', ',', '\r', '\n']) {
            out.push(b'"');
            out.extend_from_slice(field.replace('"', "\"\"").as_bytes());
            out.push(b'"');
        } else {
            out.extend_from_slice(field.as_bytes());
        }
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A reader by the grammar of RFC 4180, for one line.
    fn read(line: &str) -> Vec<String> {
        let mut fields = vec![String::new()];
        let mut rest = line.strip_suffix("\r\n").expect("CRLF").chars().peekable();
        let mut quoted = false;
        while let Some(c) = rest.next() {
            let field = fields.last_mut().expect("one");
            match c {
                '"' if quoted && rest.peek() == Some(&'"') => field.push(rest.next().expect("a quote")),
                '"' => quoted = !quoted,
                ',' if !quoted => fields.push(String::new()),
                c => field.push(c),
            }
        }
        assert!(!quoted, "a quote that does not end: {line:?}");
        fields
    }

    proptest! {
        #[test]
        fn any_text_comes_back(fields in proptest::collection::vec("[a\"',\r\n 中;]{0,6}", 1..5)) {
            let mut out = Vec::new();
            row(&mut out, &fields.iter().map(String::as_str).collect::<Vec<_>>());
            prop_assert_eq!(read(std::str::from_utf8(&out).expect("UTF-8")), fields);
        }

        #[test]
        fn a_number_comes_back_bit_for_bit(value in any::<f64>().prop_filter("a number", |v| v.is_finite())) {
            prop_assert_eq!(number(value).parse::<f64>().expect("a number").to_bits(), value.to_bits());
        }
    }

    #[test]
    fn times_are_as_fine_as_they_are() {
        assert_eq!(time(1_769_846_400_000_000_000), "2026-01-31T08:00:00Z");
        assert_eq!(time(1_769_846_400_000_000_001), "2026-01-31T08:00:00.000000001Z");
    }
}
