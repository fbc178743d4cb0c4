//! Parquet: one flat table, row groups of a bounded size, so that memory does not grow with the file.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use super::{Table, names};
use crate::catalog::Catalog;
use crate::forward::past::honest;
use crate::journal::Record;

/// `value` and `reason` are absent where there is none.
const SCHEMA: &str = "message readings {
    REQUIRED INT64 time (TIMESTAMP(NANOS, true));
    REQUIRED BYTE_ARRAY device (UTF8);
    REQUIRED BYTE_ARRAY point (UTF8);
    OPTIONAL DOUBLE value;
    OPTIONAL BYTE_ARRAY unit (UTF8);
    REQUIRED BYTE_ARRAY quality (UTF8);
    OPTIONAL BYTE_ARRAY reason (UTF8);
}";
/// Readings of a row group, some 2.5 MB while they are gathered.
const GROUP: usize = 65_536;

pub(super) struct Readings<W: Write + Send> {
    catalog: Catalog,
    writer: SerializedFileWriter<W>,
    rows: Vec<Record>,
}

impl<W: Write + Send> Readings<W> {
    pub(super) fn begin(catalog: Catalog, out: W) -> Result<Self, String> {
        let schema = parse_message_type(SCHEMA).map_err(|error| told(&error))?;
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let writer = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties));
        Ok(Self { catalog, writer: writer.map_err(|error| told(&error))?, rows: Vec::new() })
    }

    fn group(&mut self) -> Result<(), String> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let mut columns = Columns::default();
        for record in self.rows.drain(..) {
            let (meta, quality) = (names(&self.catalog, record.point)?, honest(&record));
            columns.time.push(record.at_ns);
            columns.device.push(meta.device.as_str().into());
            columns.point.push(meta.point.as_str().into());
            columns.value.push(quality.has_value().then_some(record.value));
            columns.unit.push(meta.unit.as_deref().map(Into::into));
            columns.quality.push(quality.word().into());
            columns.reason.push(quality.reason().map(|reason| reason.word().into()));
        }
        let mut group = self.writer.next_row_group().map_err(|error| told(&error))?;
        columns.write(&mut group).map_err(|error| told(&error))?;
        group.close().map(|_| ()).map_err(|error| told(&error))
    }
}

impl<W: Write + Send> Table for Readings<W> {
    fn add(&mut self, records: &[Record]) -> Result<(), String> {
        for part in records.chunks(GROUP) {
            if self.rows.len() + part.len() > GROUP {
                self.group()?;
            }
            self.rows.extend_from_slice(part);
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Option<String>, String> {
        self.group()?;
        self.writer.finish().map_err(|error| told(&error))?;
        self.writer.inner_mut().flush().map_err(|error| error.to_string())?;
        Ok(None)
    }
}

#[derive(Default)]
struct Columns {
    time: Vec<i64>,
    device: Vec<ByteArray>,
    point: Vec<ByteArray>,
    value: Vec<Option<f64>>,
    unit: Vec<Option<ByteArray>>,
    quality: Vec<ByteArray>,
    reason: Vec<Option<ByteArray>>,
}

impl Columns {
    /// In the order of the schema.
    fn write<W: Write + Send>(self, group: &mut SerializedRowGroupWriter<'_, W>) -> Result<(), ParquetError> {
        required::<Int64Type, W>(group, &self.time)?;
        required::<ByteArrayType, W>(group, &self.device)?;
        required::<ByteArrayType, W>(group, &self.point)?;
        optional::<DoubleType, W>(group, self.value)?;
        optional::<ByteArrayType, W>(group, self.unit)?;
        required::<ByteArrayType, W>(group, &self.quality)?;
        optional::<ByteArrayType, W>(group, self.reason)
    }
}

fn required<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
) -> Result<(), ParquetError> {
    column::<T, W>(group, values, None)
}

fn optional<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: Vec<Option<T::T>>,
) -> Result<(), ParquetError> {
    let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let values: Vec<T::T> = values.into_iter().flatten().collect();
    column::<T, W>(group, &values, Some(&levels))
}

fn column<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
    levels: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let missing = || ParquetError::General("the schema has fewer columns than are written".to_owned());
    let mut column = group.next_column()?.ok_or_else(missing)?;
    column.typed::<T>().write_batch(values, levels, None)?;
    column.close()
}

fn told(error: &ParquetError) -> String {
    format!("parquet: {error}")
}

#[cfg(test)]
mod tests {
    use gengfu_core::quality::{Quality, Reason};
    use gengfu_core::reading::PointId;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;

    use super::*;
    use crate::catalog::PointMeta;

    #[test]
    fn what_is_written_is_read_back() {
        let catalog = Catalog::default();
        catalog.add(PointMeta {
            device: "泵房".to_owned(),
            point: "pressure".to_owned(),
            kind: "device".to_owned(),
            area: None,
            unit: Some("MPa".to_owned()),
            life_safety: false,
            source: None,
        });
        let record = |n: i64| Record {
            seq: 0,
            point: PointId(0),
            at_ns: 1_769_846_400_000_000_000 + n,
            value: n as f64 / 3.0,
            quality: if n % 5 == 0 { Quality::Bad(Reason::Comm) } else { Quality::Good },
        };
        let records: Vec<Record> = (0..150_000).map(record).collect();
        let mut out = Vec::new();
        let mut table = Readings::begin(catalog, &mut out).unwrap();
        records.chunks(3_600).for_each(|hour| table.add(hour).unwrap());
        Box::new(table).finish().unwrap();
        let reader = SerializedFileReader::new(bytes::Bytes::from(out)).unwrap();
        assert!(reader.metadata().num_row_groups() >= 3);
        let mut read = 0;
        for (row, record) in reader.get_row_iter(None).unwrap().zip(&records) {
            let row = row.unwrap();
            read += 1;
            assert_eq!(row.get_long(0).unwrap(), record.at_ns);
            assert_eq!((row.get_string(1).unwrap().as_str(), row.get_string(4).unwrap().as_str()), ("泵房", "MPa"));
            if record.quality == Quality::Good {
                assert_eq!(row.get_double(3).unwrap().to_bits(), record.value.to_bits());
            } else {
                assert!(row.get_double(3).is_err());
                assert_eq!(row.get_string(6).unwrap(), "comm");
            }
        }
        assert_eq!(read, records.len());
    }
}
