//! Readings out of CSV files: `time`, `point`, `value` and, optional, `device`, `quality`, `reason`, in any order and in any order
//! of time; what `gengfu export` writes is one of them. A file is taken whole or refused with the line that is wrong.
//!
//! A value that is empty or no finite number makes the reading `bad(not-a-number)` where the file says nothing of quality.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use gengfu_core::quality::{Quality, Reason};
use gengfu_core::reading::{Delivery, PointId, Reading};
use gengfu_core::time::Wall;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::catalog::{Catalog, PointMeta};
use crate::journal::{Arrival, Part};

/// Readings of one run, 24 bytes each.
const MOST_ROWS: usize = 50_000_000;
/// A line longer than this is none.
const MOST_BYTES: usize = 65_536;
/// Different points.
const MOST_POINTS: usize = 100_000;
/// Readings handed out at once.
const PART: usize = 65_536;
/// From here on a number is milliseconds, below it is seconds.
const MILLISECONDS_FROM: f64 = 1e11;

/// What was read, in order of time; of one time in the order of the files.
#[derive(Debug, Default)]
pub struct Rows {
    names: Vec<String>,
    rows: Vec<Row>,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    at: i64,
    value: f64,
    point: u32,
    quality: u8,
}

impl Rows {
    /// The points by their names.
    pub(super) fn catalog(&self) -> Catalog {
        let catalog = Catalog::default();
        for name in &self.names {
            let (device, point) = name.split_once('/').unwrap_or((name, ""));
            catalog.add(PointMeta {
                device: device.to_owned(),
                point: point.to_owned(),
                kind: "device".to_owned(),
                area: None,
                unit: None,
                life_safety: false,
                source: None,
            });
        }
        catalog
    }

    pub(super) fn within(mut self, from: i64, to: i64) -> Self {
        self.rows.retain(|row| (from..to).contains(&row.at));
        self
    }

    pub(super) fn extent(&self) -> Option<(i64, i64)> {
        Some((self.rows.first()?.at, self.rows.last()?.at.saturating_add(1)))
    }

    pub(super) fn len(&self) -> u64 {
        self.rows.len() as u64
    }

    pub(super) fn holds(&self, point: PointId) -> bool {
        (point.0 as usize) < self.names.len()
    }

    pub(super) fn run(self, visit: &mut dyn FnMut(Part) -> Result<(), String>) -> Result<(), String> {
        let arrival = |row: &Row| {
            let quality = Quality::from_code(row.quality).unwrap_or(Quality::Bad(Reason::NotANumber));
            let reading = Reading { point: PointId(row.point), at: Wall(row.at), value: row.value, quality };
            Arrival { reading, came: row.at, delivery: Delivery::Live }
        };
        for rows in self.rows.chunks(PART) {
            visit(Part { arrivals: rows.iter().map(arrival).collect(), ..Part::default() })?;
        }
        Ok(())
    }
}

/// Reads a file, or all `*.csv` of a directory in the order of their names.
pub(super) fn read(path: &Path, timezone: &str) -> Result<Rows, String> {
    let zone =
        TimeZone::get(timezone).map_err(|error| format!("time zone {timezone}: {error}; mend [site] timezone"))?;
    let mut reader = Reader { zone, rows: Rows::default(), by_name: HashMap::new(), name: String::new() };
    for file in files(path)? {
        reader.file(&file).map_err(|(line, why)| format!("{}:{line}: {why}", file.display()))?;
    }
    let mut rows = reader.rows;
    rows.rows.sort_by_key(|row| row.at);
    Ok(rows)
}

fn files(path: &Path) -> Result<Vec<PathBuf>, String> {
    let told =
        |error: std::io::Error| format!("{}: {error}; give a CSV file, or a directory with some", path.display());
    if !std::fs::metadata(path).map_err(told)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(told)? {
        let file = entry.map_err(told)?.path();
        if file.extension().is_some_and(|kind| kind.eq_ignore_ascii_case("csv")) {
            files.push(file);
        }
    }
    if files.is_empty() {
        return Err(format!("{}: there is no .csv file; give a directory that has some", path.display()));
    }
    files.sort();
    Ok(files)
}

/// Line and what is wrong with it.
type Wrong = (u64, String);

struct Reader {
    zone: TimeZone,
    rows: Rows,
    by_name: HashMap<String, u32>,
    /// Room for a point's name.
    name: String,
}

/// Which column is what.
struct Columns {
    time: usize,
    point: usize,
    value: usize,
    device: Option<usize>,
    quality: Option<usize>,
    reason: Option<usize>,
}

impl Columns {
    fn of(fields: &[String]) -> Result<Self, String> {
        let find = |name: &str| fields.iter().position(|field| field.trim().eq_ignore_ascii_case(name));
        let need = |name: &str| {
            find(name).ok_or_else(|| {
                format!(
                    "there is no column `{name}`; the first line must name the columns: time, point, value and, optional, \
                     device, quality, reason"
                )
            })
        };
        let (time, point, value) = (need("time")?, need("point")?, need("value")?);
        Ok(Self { time, point, value, device: find("device"), quality: find("quality"), reason: find("reason") })
    }
}

impl Reader {
    fn file(&mut self, path: &Path) -> Result<(), Wrong> {
        let file = File::open(path).map_err(|error| (0, format!("{error}; see to its rights")))?;
        self.lines(BufReader::with_capacity(1 << 20, file))
    }

    fn lines(&mut self, input: impl BufRead) -> Result<(), Wrong> {
        let mut lines = Lines { input, text: Vec::new(), line: 0, next: 1 };
        let mut fields = Vec::new();
        if !lines.next(&mut fields)? {
            return Err((1, "the file is empty; its first line must name the columns".to_owned()));
        }
        let columns = Columns::of(&fields).map_err(|why| (1, why))?;
        let width = fields.len();
        while lines.next(&mut fields)? {
            if fields.len() != width {
                let why = format!(
                    "{} fields, and the first line has {width}; a field with a comma stands in quotes",
                    fields.len()
                );
                return Err((lines.line, why));
            }
            self.row(&columns, &fields).map_err(|why| (lines.line, why))?;
        }
        Ok(())
    }

    fn row(&mut self, columns: &Columns, fields: &[String]) -> Result<(), String> {
        let field = |index: usize| fields.get(index).map_or("", |field| field.trim());
        let at = self.time(field(columns.time))?;
        self.name.clear();
        if let Some(device) = columns.device {
            self.name.push_str(field(device));
            self.name.push('/');
        }
        self.name.push_str(field(columns.point));
        let point = self.point()?;
        let value = value(field(columns.value))?;
        let said = columns.quality.map(|quality| (field(quality), columns.reason.map_or("", field)));
        let quality = quality(said.filter(|(word, _)| !word.is_empty()), value.is_finite())?;
        if self.rows.rows.len() >= MOST_ROWS {
            return Err(format!("more than {MOST_ROWS} readings; go through them in parts, with --from and --to"));
        }
        self.rows.rows.push(Row {
            at,
            value: if value.is_finite() { value } else { 0.0 },
            point,
            quality: quality.code(),
        });
        Ok(())
    }

    fn point(&mut self) -> Result<u32, String> {
        let name = self.name.as_str();
        if let Some(known) = self.by_name.get(name) {
            return Ok(*known);
        }
        if name
            .split_once('/')
            .is_none_or(|(device, point)| device.is_empty() || point.is_empty() || point.contains('/'))
        {
            return Err(format!("`{name}` is no device/point; write it so, or give a column `device` beside `point`"));
        }
        if self.rows.names.len() >= MOST_POINTS {
            return Err(format!("more than {MOST_POINTS} different points; is `point` the right column?"));
        }
        let point = self.rows.names.len() as u32;
        self.rows.names.push(name.to_owned());
        self.by_name.insert(name.to_owned(), point);
        Ok(point)
    }

    /// UTC ms.
    fn time(&self, text: &str) -> Result<i64, String> {
        if let Ok(number) = text.parse::<f64>() {
            let ms = if number.abs() >= MILLISECONDS_FROM { number } else { number * 1_000.0 };
            return Timestamp::from_millisecond(ms as i64).map(Timestamp::as_millisecond).map_err(|_| no_time(text));
        }
        if let Ok(time) = text.parse::<Timestamp>() {
            return Ok(time.as_millisecond());
        }
        let local = text.parse::<DateTime>().map_err(|_| no_time(text))?;
        self.zone.to_timestamp(local).map(Timestamp::as_millisecond).map_err(|_| no_time(text))
    }
}

fn no_time(text: &str) -> String {
    format!("`{text}` is no time; write RFC 3339, a date and time of the site, or seconds or milliseconds since 1970")
}

/// NaN for none.
fn value(text: &str) -> Result<f64, String> {
    match text {
        "" => Ok(f64::NAN),
        "true" | "on" => Ok(1.0),
        "false" | "off" => Ok(0.0),
        number => number
            .parse()
            .map_err(|_| format!("`{number}` is no value; write a number, or nothing where there is none")),
    }
}

/// What the file says of a reading; a reading without a value is bad whatever it says.
fn quality(said: Option<(&str, &str)>, usable: bool) -> Result<Quality, String> {
    let Some((word, why)) = said else {
        return Ok(if usable { Quality::Good } else { Quality::Bad(Reason::NotANumber) });
    };
    let reason = match why {
        "" => None,
        why => Some(Reason::ALL.into_iter().find(|reason| reason.word() == why).ok_or_else(|| {
            let known: Vec<&str> = Reason::ALL.into_iter().map(Reason::word).collect();
            format!("`{why}` is no reason; known are {}", known.join(", "))
        })?),
    };
    match word {
        "good" if usable => Ok(Quality::Good),
        "uncertain" if usable => Ok(Quality::Uncertain(reason.unwrap_or(Reason::Substituted))),
        "good" | "uncertain" => Ok(Quality::Bad(Reason::NotANumber)),
        "bad" => Ok(Quality::Bad(reason.unwrap_or(Reason::Comm))),
        other => Err(format!("`{other}` is no quality; write good, uncertain or bad")),
    }
}

/// Lines of RFC 4180; a field in quotes may hold line breaks.
struct Lines<R> {
    input: R,
    text: Vec<u8>,
    /// The line that was read last begins here, from 1.
    line: u64,
    next: u64,
}

impl<R: BufRead> Lines<R> {
    /// The fields of the next line; `false` at the end. Empty lines are passed over.
    fn next(&mut self, fields: &mut Vec<String>) -> Result<bool, Wrong> {
        loop {
            self.text.clear();
            self.line = self.next;
            loop {
                // No more than that: a file without an end of line must not be held whole.
                let room = (MOST_BYTES + 1).saturating_sub(self.text.len()) as u64;
                let read = self.input.by_ref().take(room).read_until(b'\n', &mut self.text);
                let read = read.map_err(|error| (self.line, format!("{error}; see to the disk")))?;
                self.next += u64::from(read > 0);
                let open = self.text.iter().fold(false, |open, byte| open ^ (*byte == b'"'));
                let long = self.text.len() > MOST_BYTES;
                if open && (long || read == 0) {
                    return Err((self.line, "a field in quotes does not end; close it with \"".to_owned()));
                }
                if long {
                    return Err((self.line, format!("a line of more than {MOST_BYTES} bytes; is this a CSV file?")));
                }
                if !open {
                    break;
                }
            }
            if self.text.is_empty() {
                return Ok(false);
            }
            let text = std::str::from_utf8(&self.text);
            let text =
                text.map_err(|_| (self.line, "this is not UTF-8 text; save the file as UTF-8 (not GBK)".to_owned()))?;
            let text = text.trim_end_matches(['\r', '\n']).trim_start_matches('\u{feff}');
            if !text.is_empty() {
                split(text, fields);
                return Ok(true);
            }
        }
    }
}

/// Keeps what room the fields have: there are many lines.
fn split(line: &str, fields: &mut Vec<String>) {
    let mut used = 0;
    let mut rest = line;
    loop {
        if fields.len() == used {
            fields.push(String::new());
        }
        let Some(field) = fields.get_mut(used) else { return };
        used += 1;
        field.clear();
        rest = if let Some(quoted) = rest.strip_prefix('"') {
            unquote(quoted, field)
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            let (plain, rest) = rest.split_at(end);
            field.push_str(plain);
            rest
        };
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => break,
        }
    }
    fields.truncate(used);
}

/// A field up to its closing quote; gives what comes after it.
fn unquote<'l>(mut rest: &'l str, field: &mut String) -> &'l str {
    while let Some(end) = rest.find('"') {
        let (part, after) = rest.split_at(end);
        field.push_str(part);
        let after = after.strip_prefix('"').unwrap_or_default();
        let Some(more) = after.strip_prefix('"') else {
            // What stands between the quote and the next comma belongs to nobody.
            return after.find(',').map_or("", |at| after.split_at(at).1);
        };
        field.push('"');
        rest = more;
    }
    field.push_str(rest);
    ""
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::Index;

    fn taken(bytes: &[u8]) -> Result<Rows, Wrong> {
        let mut reader =
            Reader { zone: TimeZone::UTC, rows: Rows::default(), by_name: HashMap::new(), name: String::new() };
        reader.lines(bytes).map(|()| reader.rows)
    }

    /// It is taken whole, each reading with a time, a point and a quality that can be; or refused with a line that is there.
    fn survives(bytes: &[u8]) -> Result<(), TestCaseError> {
        let lines = bytes.split(|byte| *byte == b'\n').count() as u64;
        match taken(bytes) {
            Ok(rows) => {
                prop_assert!(rows.len() < lines, "no reading without a line");
                prop_assert!(rows.rows.iter().all(|row| row.value.is_finite()));
                prop_assert!(rows.rows.iter().all(|row| rows.holds(PointId(row.point))));
                prop_assert!(rows.rows.iter().all(|row| Quality::from_code(row.quality).is_some()));
                prop_assert!(rows.rows.iter().all(|row| Timestamp::from_millisecond(row.at).is_ok()));
                let catalog = rows.catalog();
                prop_assert_eq!(
                    rows.names.iter().filter(|name| catalog.find(name).is_some()).count(),
                    rows.names.len()
                );
            }
            Err((line, _)) => prop_assert!((1..=lines).contains(&line), "line {} of {}", line, lines),
        }
        Ok(())
    }

    #[test]
    fn a_file_without_an_end_of_line_is_refused_and_not_held() {
        let endless = BufReader::new(std::io::repeat(b'x').take(u64::MAX));
        let mut lines = Lines { input: endless, text: Vec::new(), line: 0, next: 1 };
        let (line, why) = lines.next(&mut Vec::new()).expect_err("it has no line");
        assert!(line == 1 && why.contains("bytes"), "{line}: {why}");
        assert!(lines.text.len() <= MOST_BYTES + 1);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            survives(&bytes)?;
            let mut with_head = b"time,device,point,value,quality,reason\n".to_vec();
            with_head.extend_from_slice(&bytes);
            survives(&with_head)?;
        }

        #[test]
        fn odd_fields_are_survived(
            rows in proptest::collection::vec(proptest::collection::vec(
                "(-?[0-9]{1,20}(\\.[0-9]{0,4})?|1e400|nan|inf|-?[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}Z|d/p|d|good|bad|uncertain|comm|\"|\"\"|\"a,b\"|\\PC{0,4}|)", 6..7,
            ), 0..6),
        ) {
            let mut text = "time,device,point,value,quality,reason\n".to_owned();
            for row in rows {
                text += &row.join(",");
                text.push('\n');
            }
            survives(text.as_bytes())?;
        }

        #[test]
        fn a_mutated_file_is_survived(
            edits in proptest::collection::vec((any::<Index>(), any::<u8>()), 1..5),
            cut in proptest::option::of(any::<Index>()),
        ) {
            let whole = "\u{feff}time,point,value,quality,reason\r\n1769788800,d/p,1.5,good,\r\n\
                         2026-01-31T00:01:00Z,\"d/\"\"q\"\"\",,bad,comm\r\n2026-01-31 00:02,d/p,on,uncertain,clock\r\n";
            let mut bytes = whole.as_bytes().to_vec();
            prop_assert_eq!(taken(&bytes).map(|rows| rows.len()), Ok(3));
            for (at, byte) in edits {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes.truncate(cut.map_or(bytes.len(), |cut| cut.index(whole.len())));
            survives(&bytes)?;
        }
    }
}
