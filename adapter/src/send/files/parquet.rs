//! Apache Parquet.
mod pages;

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow_schema::{Schema, SchemaRef};
use bytes::Bytes;
use parquet::{
    arrow::{
        ProjectionMask,
        arrow_reader::{
            ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
        },
        parquet_to_arrow_field_levels,
    },
    errors::ParquetError,
    file::{
        reader::{ChunkReader, Length},
        serialized_reader::SerializedFileReader,
    },
};

use super::{Chunk, ChunkSize, FileError, open, plain};

/// More rows at once could have more text than Arrow counts, whatever the footer says of their
/// size: that is of what is written, which may say much with little.
const ROWS_MAX: usize = 64 * 1024;

type Builder = ParquetRecordBatchReaderBuilder<Complete>;

/// A file that ends with an error for who reads on. Nothing of a good one asks for more than there
/// is, but the crate's reader skips billions of fields of a broken one at its end, each of them
/// empty there.
struct Complete(File);

/// A part of such a file.
struct Part(BufReader<File>);

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 if !buffer.is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
            bytes => Ok(bytes),
        }
    }
}

impl Length for Complete {
    fn len(&self) -> u64 {
        self.0.len()
    }
}

impl ChunkReader for Complete {
    type T = Part;

    fn get_read(&self, start: u64) -> Result<Part, ParquetError> {
        self.0.get_read(start).map(Part)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        self.0.get_bytes(start, length)
    }
}

fn builder(path: &Path) -> Result<Builder, FileError> {
    ParquetRecordBatchReaderBuilder::try_new(Complete(open(path)?))
        .map_err(|error| FileError::new(path, format!("is not a Parquet file: {error}")))
}

/// The rows that a file has, which it says in two places.
fn rows(builder: &Builder, path: &Path) -> Result<u64, FileError> {
    let said = builder.metadata().file_metadata().num_rows();
    let mut groups = builder.metadata().row_groups().iter();
    let counted = groups.try_fold(0_i64, |sum, group| sum.checked_add(group.num_rows()));
    u64::try_from(said).ok().filter(|_| counted == Some(said)).ok_or_else(|| {
        FileError::new(path, "is broken: its row groups do not have the rows that its footer says")
    })
}

/// So many rows have about so many bytes; at least one.
fn rows_within(builder: &Builder, bytes: usize) -> usize {
    let groups = builder.metadata().row_groups().iter();
    let (rows, all) = groups.fold((0_f64, 0_f64), |(rows, all), group| {
        (rows + group.num_rows() as f64, all + group.total_byte_size() as f64)
    });
    (bytes as f64 * rows.max(1.0) / all.max(1.0)).max(1.0) as usize
}

/// Reads what is left of a file behind the rows that are skipped, its pages checked.
fn checked(
    builder: &Builder,
    file: File,
    (skipped, left): (u64, u64),
    rows_max: usize,
) -> Result<ParquetRecordBatchReader, ParquetError> {
    let fields = Some(builder.schema().fields());
    let all = ProjectionMask::all();
    let levels = parquet_to_arrow_field_levels(builder.parquet_schema(), all, fields)?;
    let groups = pages::Groups(Arc::new(SerializedFileReader::new(Complete(file))?));
    // As many as the file says, even if its pages have more.
    let rows = vec![RowSelector::skip(skipped as usize), RowSelector::select(left as usize)];
    let rows = Some(RowSelection::from(rows));
    ParquetRecordBatchReader::try_new_with_row_groups(&levels, &groups, rows_max, rows)
}

/// The columns of a file, and how many rows it has.
pub fn survey(path: &Path) -> Result<(Schema, u64), FileError> {
    let builder = builder(path)?;
    Ok((plain::schema(builder.schema()), rows(&builder, path)?))
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
        let builder = builder(path)?;
        let skipped = skip.min(rows(&builder, path)?);
        let rows_max = chunk.rows.min(rows_within(&builder, chunk.bytes)).min(ROWS_MAX);
        let left = rows(&builder, path)? - skipped;
        let inner = checked(&builder, open(path)?, (skipped, left), rows_max)
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
