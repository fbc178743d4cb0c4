//! The past as a file: readings as CSV, line protocol or Parquet, the alarm lane as CSV or JSON lines. Reads the journal
//! from outside, beside a running gateway or without one; what may not happen here is slowing one down, or memory that
//! grows with what is exported.

mod alarms;
mod csv;
mod parquet;
mod when;

use std::io::Write;

use gengfu_core::reading::PointId;

use crate::catalog::Catalog;
use crate::config::pattern;
use crate::forward::past::Encoder;
use crate::journal::{Past, Record};

pub use alarms::{Alarms, alarms};
pub use when::moment;

/// How readings are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Csv,
    /// InfluxDB line protocol, as stores are sent it.
    Line,
    Parquet,
}

/// Which readings.
#[derive(Debug)]
pub struct Wanted {
    /// Patterns of `device/point`; all where there is none.
    pub points: Vec<String>,
    /// UTC ms.
    pub from: i64,
    /// UTC ms, not included.
    pub to: i64,
}

/// What was written.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Written {
    pub readings: u64,
    pub points: usize,
    /// Why some could not be, if so.
    pub refused: Option<String>,
}

/// Takes readings, one point's after another's.
trait Table {
    fn add(&mut self, records: &[Record]) -> Result<(), String>;
    /// Ends the file; says why some readings could not be written.
    fn finish(self: Box<Self>) -> Result<Option<String>, String>;
}

/// Writes the readings of a site's journal.
pub fn readings(
    past: &mut Past,
    site: &str,
    wanted: &Wanted,
    format: Format,
    out: impl Write + Send,
) -> Result<Written, String> {
    let catalog = past.catalog().map_err(|error| error.0)?;
    let points = chosen(&catalog, &wanted.points)?;
    let mut table: Box<dyn Table + '_> = match format {
        Format::Csv => Box::new(csv::Readings::begin(catalog, out)?),
        Format::Line => Box::new(Lines { encoder: Encoder::new(site, &catalog), out, refused: None }),
        Format::Parquet => Box::new(parquet::Readings::begin(catalog, out)?),
    };
    let mut readings = 0;
    past.readings(&points, wanted.from, wanted.to, &mut |records| {
        readings += records.len() as u64;
        table.add(records)
    })?;
    Ok(Written { readings, points: points.len(), refused: table.finish()? })
}

fn chosen(catalog: &Catalog, patterns: &[String]) -> Result<Vec<u32>, String> {
    let names: Vec<String> = catalog.tail(0).iter().map(|meta| meta.name()).collect();
    for pattern in patterns {
        if !names.iter().any(|name| pattern::matches(pattern, name)) {
            let some = names.iter().take(5).map(String::as_str).collect::<Vec<_>>().join(", ");
            return Err(format!("no point is `{pattern}`; the journal has {} points: {some} …", names.len()));
        }
    }
    let wanted = |name: &String| patterns.is_empty() || patterns.iter().any(|pattern| pattern::matches(pattern, name));
    let places = names.iter().enumerate().filter(|(_, name)| wanted(name));
    Ok(places.map(|(n, _)| n as u32).collect())
}

/// Line protocol.
struct Lines<W> {
    encoder: Encoder,
    out: W,
    refused: Option<String>,
}

impl<W: Write> Table for Lines<W> {
    fn add(&mut self, records: &[Record]) -> Result<(), String> {
        let (text, refused) = self.encoder.lines(records);
        self.refused = self.refused.take().or(refused);
        self.out.write_all(&text).map_err(|error| error.to_string())
    }

    fn finish(mut self: Box<Self>) -> Result<Option<String>, String> {
        self.out.flush().map_err(|error| error.to_string())?;
        Ok(self.refused)
    }
}

/// Device and point of a record.
fn names(catalog: &Catalog, point: PointId) -> Result<std::sync::Arc<crate::catalog::PointMeta>, String> {
    catalog.get(point).ok_or_else(|| format!("point {} has no name in the journal", point.0))
}
