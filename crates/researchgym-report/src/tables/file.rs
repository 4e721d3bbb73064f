//! A table's file, written row by row.
//!
//! Rows are gathered in a batch of bounded size. Parquet holds one row group of encoded pages besides; an Arrow file and CSV
//! hold nothing more. The bytes depend on the rows alone.

use std::io::{self, Write};
use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, Float64Builder, Int64Builder, StringBuilder, TimestampMillisecondBuilder, UInt64Builder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::column::{Cell, Kind, Schema, UTC};
use super::{TABLES_SCHEMA, csv};

/// Rows of a batch.
const BATCH_ROWS: usize = 8192;
/// Bytes of text in a batch, after which it is written however few rows it has.
const BATCH_BYTES: usize = 4 << 20;
/// Rows of a row group.
const GROUP_ROWS: usize = 1 << 17;
/// Bytes of a row group.
const GROUP_BYTES: usize = 32 << 20;

/// The form of a table's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableFormat {
    /// Apache Parquet, compressed by Zstandard.
    Parquet,
    /// Arrow IPC file (Feather version 2), not compressed.
    Arrow,
    /// Comma-separated values.
    Csv,
}

impl TableFormat {
    /// What a file's name ends with.
    pub fn extension(self) -> &'static str {
        match self {
            TableFormat::Parquet => "parquet",
            TableFormat::Arrow => "arrow",
            TableFormat::Csv => "csv",
        }
    }
}

/// A table could not be written.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file cannot take it.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The columns do not fit together.
    #[error("the rows cannot be written: {0}")]
    Form(String),
}

impl From<ArrowError> for TableError {
    fn from(error: ArrowError) -> TableError {
        match error {
            ArrowError::IoError(_, source) => TableError::Io(source),
            other => TableError::Form(other.to_string()),
        }
    }
}

impl From<ParquetError> for TableError {
    fn from(error: ParquetError) -> TableError {
        match error {
            ParquetError::External(source) => match source.downcast::<io::Error>() {
                Ok(source) => TableError::Io(*source),
                Err(source) => TableError::Form(source.to_string()),
            },
            other => TableError::Form(other.to_string()),
        }
    }
}

/// The file of one table.
pub struct TableFile<S: Schema, W: Write + Send> {
    schema: SchemaRef,
    builders: Vec<Builder>,
    sink: Sink<W>,
    batch_rows: usize,
    batch_bytes: usize,
    rows: u64,
    table: std::marker::PhantomData<S>,
}

enum Sink<W: Write + Send> {
    // Both are large.
    Parquet(Box<ArrowWriter<W>>),
    Arrow(Box<arrow_ipc::writer::FileWriter<W>>),
    Csv(W),
}

impl<S: Schema, W: Write + Send> TableFile<S, W> {
    /// Begins a file.
    pub fn new(format: TableFormat, mut out: W) -> Result<TableFile<S, W>, TableError> {
        let fields: Vec<_> = S::COLUMNS.iter().map(|column| column.field()).collect();
        let name = format!("{}/{TABLES_SCHEMA}", S::TABLE.name());
        let metadata = [("researchgym.table".to_owned(), name)];
        let schema = Arc::new(arrow_schema::Schema::new_with_metadata(fields, metadata));
        let sink = match format {
            TableFormat::Parquet => {
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(ZstdLevel::default()))
                    .set_max_row_group_row_count(Some(GROUP_ROWS))
                    .set_max_row_group_bytes(Some(GROUP_BYTES))
                    .set_created_by("researchgym".to_owned())
                    .build();
                Sink::Parquet(Box::new(ArrowWriter::try_new(out, schema.clone(), Some(properties))?))
            }
            TableFormat::Arrow => {
                Sink::Arrow(Box::new(arrow_ipc::writer::FileWriter::try_new(out, &schema)?))
            }
            TableFormat::Csv => {
                csv::line(&mut out, S::COLUMNS.iter().map(|column| Cell::text(column.name)))?;
                Sink::Csv(out)
            }
        };
        let builders = S::COLUMNS.iter().map(|column| Builder::new(column.kind)).collect();
        let table = std::marker::PhantomData;
        Ok(TableFile { schema, builders, sink, batch_rows: 0, batch_bytes: 0, rows: 0, table })
    }

    /// Adds a row.
    pub fn push(&mut self, row: &S::Row<'_>) -> Result<(), TableError> {
        self.rows += 1;
        if let Sink::Csv(out) = &mut self.sink {
            return Ok(csv::line(out, S::COLUMNS.iter().map(|column| (column.cell)(row)))?);
        }
        for (column, builder) in S::COLUMNS.iter().zip(&mut self.builders) {
            self.batch_bytes += builder.push((column.cell)(row)).map_err(|Misfit| {
                TableError::Form(format!("a cell of column `{}` is not of its type", column.name))
            })?;
        }
        self.batch_rows += 1;
        if self.batch_rows >= BATCH_ROWS || self.batch_bytes >= BATCH_BYTES {
            self.write_batch()?;
        }
        Ok(())
    }

    /// Writes the rest, and gives the destination and how many rows there are.
    pub fn finish(mut self) -> Result<(W, u64), TableError> {
        self.write_batch()?;
        let out = match self.sink {
            Sink::Parquet(writer) => writer.into_inner()?,
            Sink::Arrow(mut writer) => {
                writer.finish()?;
                writer.into_inner()?
            }
            Sink::Csv(mut out) => {
                out.flush()?;
                out
            }
        };
        Ok((out, self.rows))
    }

    fn write_batch(&mut self) -> Result<(), TableError> {
        if self.batch_rows == 0 {
            return Ok(());
        }
        let columns = self.builders.iter_mut().map(Builder::finish).collect();
        let batch = RecordBatch::try_new(self.schema.clone(), columns)?;
        (self.batch_rows, self.batch_bytes) = (0, 0);
        match &mut self.sink {
            Sink::Parquet(writer) => writer.write(&batch)?,
            Sink::Arrow(writer) => writer.write(&batch)?,
            Sink::Csv(_) => {}
        }
        Ok(())
    }
}

/// A cell is of another type than its column.
struct Misfit;

/// The cells of one column in one batch.
enum Builder {
    Text(StringBuilder),
    Integer(Int64Builder),
    Natural(UInt64Builder),
    Number(Float64Builder),
    Truth(BooleanBuilder),
    Time(TimestampMillisecondBuilder),
}

impl Builder {
    fn new(kind: Kind) -> Builder {
        match kind {
            Kind::Text => Builder::Text(StringBuilder::new()),
            Kind::Integer => Builder::Integer(Int64Builder::new()),
            Kind::Natural => Builder::Natural(UInt64Builder::new()),
            Kind::Number => Builder::Number(Float64Builder::new()),
            Kind::Truth => Builder::Truth(BooleanBuilder::new()),
            Kind::Time => Builder::Time(TimestampMillisecondBuilder::new().with_timezone(UTC)),
        }
    }

    /// Takes a cell, and tells how many bytes it is.
    fn push(&mut self, cell: Cell<'_>) -> Result<usize, Misfit> {
        let bytes = if let Cell::Text(text) = &cell { text.len() } else { size_of::<u64>() };
        match (self, cell) {
            (Builder::Text(builder), Cell::Text(text)) => builder.append_value(text),
            (Builder::Text(builder), Cell::Null) => builder.append_null(),
            (Builder::Integer(builder), Cell::Integer(number)) => builder.append_value(number),
            (Builder::Integer(builder), Cell::Null) => builder.append_null(),
            (Builder::Natural(builder), Cell::Natural(number)) => builder.append_value(number),
            (Builder::Natural(builder), Cell::Null) => builder.append_null(),
            (Builder::Number(builder), Cell::Number(number)) => builder.append_value(number),
            (Builder::Number(builder), Cell::Null) => builder.append_null(),
            (Builder::Truth(builder), Cell::Truth(truth)) => builder.append_value(truth),
            (Builder::Truth(builder), Cell::Null) => builder.append_null(),
            (Builder::Time(builder), Cell::Time(time)) => builder.append_value(time),
            (Builder::Time(builder), Cell::Null) => builder.append_null(),
            _ => return Err(Misfit),
        }
        Ok(bytes)
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Builder::Text(builder) => Arc::new(builder.finish()),
            Builder::Integer(builder) => Arc::new(builder.finish()),
            Builder::Natural(builder) => Arc::new(builder.finish()),
            Builder::Number(builder) => Arc::new(builder.finish()),
            Builder::Truth(builder) => Arc::new(builder.finish()),
            Builder::Time(builder) => Arc::new(builder.finish()),
        }
    }
}
