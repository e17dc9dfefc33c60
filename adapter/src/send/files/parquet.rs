//! Apache Parquet.
use std::{
    fs::File,
    path::{Path, PathBuf},
};

use arrow_schema::{Schema, SchemaRef};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::{Chunk, FileError, open, plain};

fn builder(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>, FileError> {
    ParquetRecordBatchReaderBuilder::try_new(open(path)?)
        .map_err(|error| FileError::new(path, format!("is not a Parquet file: {error}")))
}

fn rows(builder: &ParquetRecordBatchReaderBuilder<File>) -> u64 {
    builder.metadata().file_metadata().num_rows().max(0) as u64
}

/// The columns of a file, and how many rows it has.
pub fn survey(path: &Path) -> Result<(Schema, u64), FileError> {
    let builder = builder(path)?;
    Ok((plain::schema(builder.schema()), rows(&builder)))
}

/// Reads one Parquet file.
pub struct Reader {
    inner: ParquetRecordBatchReader,
    path: PathBuf,
    schema: SchemaRef,
}

impl Reader {
    /// Opens a file and leaves out its first rows; tells how many there were.
    pub fn open(
        path: &Path,
        schema: SchemaRef,
        skip: u64,
        chunk_rows: usize,
    ) -> Result<(Self, u64), FileError> {
        let builder = builder(path)?;
        let skipped = skip.min(rows(&builder));
        let inner = builder
            .with_batch_size(chunk_rows)
            .with_offset(skipped as usize)
            .build()
            .map_err(|error| FileError::new(path, format!("cannot be read: {error}")))?;
        Ok((Self { inner, path: path.to_owned(), schema }, skipped))
    }

    /// The next rows; none at the end.
    pub fn next_chunk(&mut self) -> Result<Option<Chunk>, FileError> {
        let next = self.inner.next().transpose();
        let next =
            next.map_err(|error| FileError::new(&self.path, format!("is broken: {error}")))?;
        let Some(batch) = next else { return Ok(None) };
        let batch = plain::batch(&batch, &self.schema, &self.path)?;
        Ok(Some(Chunk { batch, lines: None }))
    }
}
