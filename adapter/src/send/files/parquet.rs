//! Apache Parquet.
mod complete;
mod pages;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow_schema::{Schema, SchemaRef};
use parquet::{
    arrow::{
        ProjectionMask,
        arrow_reader::{ParquetRecordBatchReader, RowSelection, RowSelector},
        parquet_to_arrow_field_levels, parquet_to_arrow_schema,
    },
    errors::ParquetError,
    file::{
        metadata::ParquetMetaData, reader::FileReader, serialized_reader::SerializedFileReader,
    },
};

use self::{complete::Complete, pages::Groups};
use super::{Chunk, ChunkSize, FileError, open, plain};

/// More rows at once could have more text than Arrow counts, whatever the footer says of their
/// size: that is of what is written, which may say much with little.
const ROWS_MAX: usize = 64 * 1024;

/// A file, and its columns.
fn parquet(path: &Path) -> Result<(Arc<dyn FileReader>, Schema), FileError> {
    let file = Complete(open(path)?);
    let opened = || {
        let file = SerializedFileReader::new(file)?;
        let about = file.metadata().file_metadata();
        let schema = parquet_to_arrow_schema(about.schema_descr(), about.key_value_metadata())?;
        Ok((Arc::new(file) as Arc<dyn FileReader>, schema))
    };
    opened().map_err(|error: ParquetError| {
        FileError::new(path, format!("is not a Parquet file: {error}"))
    })
}

/// The rows that a file has, which it says in two places.
fn rows(metadata: &ParquetMetaData, path: &Path) -> Result<u64, FileError> {
    let said = metadata.file_metadata().num_rows();
    let mut groups = metadata.row_groups().iter();
    let counted = groups.try_fold(0_i64, |sum, group| sum.checked_add(group.num_rows()));
    u64::try_from(said).ok().filter(|_| counted == Some(said)).ok_or_else(|| {
        FileError::new(path, "is broken: its row groups do not have the rows that its footer says")
    })
}

/// So many rows have about so many bytes; at least one.
fn rows_within(metadata: &ParquetMetaData, bytes: usize) -> usize {
    let groups = metadata.row_groups().iter();
    let (rows, all) = groups.fold((0_f64, 0_f64), |(rows, all), group| {
        (rows + group.num_rows() as f64, all + group.total_byte_size() as f64)
    });
    (bytes as f64 * rows.max(1.0) / all.max(1.0)).max(1.0) as usize
}

/// The columns of a file, and how many rows it has.
pub fn survey(path: &Path) -> Result<(Schema, u64), FileError> {
    let (file, schema) = parquet(path)?;
    Ok((plain::schema(&schema), rows(FileReader::metadata(&*file), path)?))
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
        chunk: ChunkSize,
    ) -> Result<(Self, u64), FileError> {
        let (file, columns) = parquet(path)?;
        let metadata = FileReader::metadata(&*file);
        let rows = rows(metadata, path)?;
        let skipped = skip.min(rows);
        let rows_max = chunk.rows.min(rows_within(metadata, chunk.bytes)).min(ROWS_MAX);
        let descr = metadata.file_metadata().schema_descr();
        // As many as the file says, even if its pages have more.
        let selection = RowSelection::from(vec![
            RowSelector::skip(skipped as usize),
            RowSelector::select((rows - skipped) as usize),
        ]);
        let fields = Some(columns.fields());
        let inner = parquet_to_arrow_field_levels(descr, ProjectionMask::all(), fields)
            .and_then(|levels| {
                let groups = Groups(file.clone());
                let selection = Some(selection);
                ParquetRecordBatchReader::try_new_with_row_groups(
                    &levels, &groups, rows_max, selection,
                )
            })
            .map_err(|error| FileError::new(path, format!("cannot be read: {error}")))?;
        Ok((Self { inner, path: path.to_owned(), schema }, skipped))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
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
