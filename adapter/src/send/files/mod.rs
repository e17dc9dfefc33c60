//! Files of rows: which format, which columns, and then chunk after chunk of record batches.
mod arrow;
mod columns;
mod csv;
mod entries;
mod guess;
mod jsonl;
mod parquet;
mod plain;
mod same;
mod shape;

use std::{
    fmt,
    fs::File,
    io,
    panic::AssertUnwindSafe,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};

pub use self::csv::delimiter;
use self::same::same_schema;
use super::types::ColumnType;
use crate::quiet;

/// The formats that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Separated values, RFC 4180 quoting.
    Csv,
    /// One JSON object a line.
    Jsonl,
    /// Arrow IPC, file or stream (Feather version 2).
    Arrow,
    /// Apache Parquet.
    Parquet,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Csv => "CSV",
            Self::Jsonl => "JSON Lines",
            Self::Arrow => "Arrow IPC",
            Self::Parquet => "Parquet",
        })
    }
}

/// What is wrong with a file, and where.
#[derive(Debug, thiserror::Error)]
pub struct FileError {
    path: PathBuf,
    line: Option<u64>,
    what: String,
}

impl FileError {
    /// The file as a whole.
    pub fn new(path: &Path, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line: None, what: what.into() }
    }

    /// One line of it, from 1.
    pub fn at(path: &Path, line: u64, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line: Some(line), what: what.into() }
    }

    fn io(path: &Path, error: &io::Error) -> Self {
        Self::new(path, format!("cannot be read: {error}"))
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.path.display(), self.what),
            None => write!(f, "{}: {}", self.path.display(), self.what),
        }
    }
}

/// How much is read at once, and goes out as one batch if the service takes it: a chunk ends with
/// the row that reaches one of both.
#[derive(Clone, Copy, Debug)]
pub struct ChunkSize {
    /// Rows.
    pub rows: usize,
    /// Bytes, roughly.
    pub bytes: usize,
}

impl ChunkSize {
    /// Arrow counts the bytes of a column of text with 31 bits, and nobody gains by more.
    pub const BYTES_MAX: usize = 64 * 1024 * 1024;
}

/// A chunk where only its faults are of interest.
const TRIED: ChunkSize = ChunkSize { rows: 1000, bytes: ChunkSize::BYTES_MAX };

/// How text is to be read; the other formats say it themselves.
#[derive(Clone, Debug)]
pub struct TextOptions {
    /// Between the fields of CSV.
    pub delimiter: u8,
    /// The first line of CSV names the columns.
    pub header: bool,
    /// Fields of CSV that are null.
    pub null_text: Vec<String>,
    /// Types that are given, not guessed.
    pub types: Vec<(String, ColumnType)>,
}

impl TextOptions {
    fn given(&self, column: &str) -> Option<&ColumnType> {
        // The last one counts, as with other flags.
        self.types.iter().rev().find(|(name, _)| name == column).map(|(_, given)| given)
    }

    /// A type that is given for a column that is not there is a slip of the pen.
    fn check_names(&self, path: &Path, columns: &[String]) -> Result<(), FileError> {
        match self.types.iter().find(|(name, _)| !columns.contains(name)) {
            None => Ok(()),
            Some((name, _)) => Err(FileError::new(
                path,
                format!(
                    "--types names the column `{name}`, which is not there; the columns are {}",
                    columns.join(", ")
                ),
            )),
        }
    }
}

/// Rows of one file.
#[derive(Debug)]
pub struct Chunk {
    /// The rows.
    pub batch: RecordBatch,
    /// The line of each row, from 1, where the format has lines.
    pub lines: Option<Vec<u64>>,
}

/// Files that were looked through: they can be read, and all have the same columns.
#[derive(Debug)]
pub struct Files {
    paths: Vec<PathBuf>,
    formats: Vec<Format>,
    options: TextOptions,
    /// The columns of all of them.
    pub schema: SchemaRef,
    /// Rows of all files, where that is known without reading them twice.
    pub rows_total: Option<u64>,
    columns: TextColumns,
}

/// The columns of text files, with their types.
#[derive(Debug, Default)]
struct TextColumns {
    csv: Vec<(String, ColumnType)>,
    jsonl: Vec<jsonl::Column>,
}

/// What one file, or all text files of a format, turned out to hold.
struct Survey {
    path: PathBuf,
    schema: SchemaRef,
    rows: Option<u64>,
}

impl Files {
    /// Looks all files through. Text is read whole: a type that holds for the first rows only
    /// would end the sending half-way.
    pub fn survey(
        paths: &[PathBuf],
        format: Option<Format>,
        options: TextOptions,
    ) -> Result<Self, FileError> {
        let formats = paths
            .iter()
            .map(|path| check_file(path).and_then(|()| format_of(path, format)))
            .collect::<Result<Vec<_>, _>>()?;
        let of = |wanted: Format| -> Vec<&Path> {
            let both = paths.iter().zip(&formats);
            both.filter(|(_, format)| **format == wanted).map(|(path, _)| path.as_path()).collect()
        };
        let mut columns = TextColumns::default();
        let mut surveys = Vec::new();
        let mut add = |path: &Path, schema: Schema, rows| {
            surveys.push(Survey { path: path.to_owned(), schema: Arc::new(schema), rows });
        };
        if let [first, ..] = of(Format::Csv)[..] {
            let (found, rows) = csv::survey(&of(Format::Csv), &options)?;
            let fields = found.iter().map(|(name, column_type)| column_type.field(name));
            add(first, Schema::new(fields.collect::<Vec<_>>()), Some(rows));
            columns.csv = found;
        }
        if let [first, ..] = of(Format::Jsonl)[..] {
            let (found, rows) = jsonl::survey(&of(Format::Jsonl), &options)?;
            let fields = found.iter().map(|column| column.field.clone());
            add(first, Schema::new(fields.collect::<Vec<_>>()), Some(rows));
            columns.jsonl = found;
        }
        for path in of(Format::Arrow) {
            add(path, unbroken(path, || arrow::schema(path))?, None);
        }
        for path in of(Format::Parquet) {
            let (schema, rows) = unbroken(path, || parquet::survey(path))?;
            add(path, schema, Some(rows));
        }
        let schema = same_schema(&surveys)?;
        let rows_total = surveys.iter().map(|survey| survey.rows).sum();
        let files = Self { paths: paths.to_vec(), formats, options, schema, rows_total, columns };
        files.try_given_types()?;
        Ok(files)
    }

    /// Types that were guessed hold for every value. Those that were given are tried on every
    /// value, so that a fault shows before the first row is sent and not after some.
    fn try_given_types(&self) -> Result<(), FileError> {
        if self.options.types.is_empty() {
            return Ok(());
        }
        for (index, format) in self.formats.iter().enumerate() {
            if matches!(format, Format::Csv | Format::Jsonl) {
                let (mut reader, _) = self.open(index, 0, TRIED)?;
                while reader.next_chunk()?.is_some() {}
            }
        }
        Ok(())
    }

    /// The files, in their order.
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// Their formats, in the same order.
    pub fn formats(&self) -> &[Format] {
        &self.formats
    }

    /// Opens one of them, without its first `skip` rows. Tells how many rows it has left out,
    /// which are fewer if it has fewer.
    pub fn open(
        &self,
        index: usize,
        skip: u64,
        chunk: ChunkSize,
    ) -> Result<(Reader, u64), FileError> {
        let path = &self.paths[index];
        let schema = self.schema.clone();
        Ok(match self.formats[index] {
            Format::Csv => {
                let mut reader =
                    csv::Reader::open(path, &self.options, &self.columns.csv, schema, chunk)?;
                let skipped = reader.skip(skip)?;
                (Reader::Csv(Box::new(reader)), skipped)
            }
            Format::Jsonl => {
                let mut reader = jsonl::Reader::open(path, &self.columns.jsonl, schema, chunk)?;
                let skipped = reader.skip(skip)?;
                (Reader::Jsonl(Box::new(reader)), skipped)
            }
            Format::Arrow => {
                let open = || arrow::Reader::open(path, schema, skip, chunk);
                let (reader, skipped) = unbroken(path, open)?;
                (Reader::Arrow(Box::new(reader)), skipped)
            }
            Format::Parquet => {
                let open = || parquet::Reader::open(path, schema, skip, chunk);
                let (reader, skipped) = unbroken(path, open)?;
                (Reader::Parquet(Box::new(reader)), skipped)
            }
        })
    }
}

/// An open file.
pub enum Reader {
    /// See [`Format::Csv`].
    Csv(Box<csv::Reader>),
    /// See [`Format::Jsonl`].
    Jsonl(Box<jsonl::Reader>),
    /// See [`Format::Arrow`].
    Arrow(Box<arrow::Reader>),
    /// See [`Format::Parquet`].
    Parquet(Box<parquet::Reader>),
}

impl Reader {
    /// The next rows; none at the end of the file. After an error there are no more.
    pub fn next_chunk(&mut self) -> Result<Option<Chunk>, FileError> {
        match self {
            Self::Csv(reader) => reader.next_chunk(),
            Self::Jsonl(reader) => reader.next_chunk(),
            Self::Arrow(reader) => {
                let path = reader.path().to_owned();
                unbroken(&path, || reader.next_chunk())
            }
            Self::Parquet(reader) => {
                let path = reader.path().to_owned();
                unbroken(&path, || reader.next_chunk())
            }
        }
    }
}

/// Reads from a file whose reader panics where the file is broken, so that the fault names it.
/// What ends the process is beyond it: for a compressed Arrow file Arrow's reader asks for as much
/// memory as the file says it needs, and where that is a lie there may not be so much.
fn unbroken<T>(path: &Path, read: impl FnOnce() -> Result<T, FileError>) -> Result<T, FileError> {
    quiet::install();
    // Nobody reads on after an error, so nothing sees what the panic left half done.
    quiet::catch(AssertUnwindSafe(read))
        .unwrap_or_else(|panic| Err(FileError::new(path, format!("is broken: {panic}"))))
}

fn check_file(path: &Path) -> Result<(), FileError> {
    let found = std::fs::metadata(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => FileError::new(path, "there is no such file"),
        _ => FileError::io(path, &error),
    })?;
    if found.is_dir() {
        return Err(FileError::new(path, "is a directory; name the files in it"));
    }
    if found.is_file() && found.len() == 0 {
        return Err(FileError::new(path, "is empty (0 bytes)"));
    }
    if !found.is_file() {
        return Err(FileError::new(
            path,
            "is not a regular file; it is read more than once, so save it first",
        ));
    }
    Ok(())
}

fn format_of(path: &Path, given: Option<Format>) -> Result<Format, FileError> {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    match (given, extension.as_str()) {
        (Some(format), _) => Ok(format),
        (None, "csv" | "tsv") => Ok(Format::Csv),
        (None, "jsonl" | "ndjson" | "json") => Ok(Format::Jsonl),
        (None, "arrow" | "arrows" | "feather" | "ipc") => Ok(Format::Arrow),
        (None, "parquet" | "pq") => Ok(Format::Parquet),
        (None, "gz" | "zst" | "bz2" | "xz" | "zip") => {
            Err(FileError::new(path, "is compressed; unpack it first"))
        }
        (None, _) => Err(FileError::new(
            path,
            "its name does not tell its format; say --format csv, jsonl, arrow or parquet",
        )),
    }
}

fn open(path: &Path) -> Result<File, FileError> {
    File::open(path).map_err(|error| FileError::io(path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_panics_is_a_fault_of_its_file() {
        let read = || -> Result<(), FileError> { panic!("the offset exceeds the length") };
        let error = unbroken(Path::new("x.arrow"), read).unwrap_err();
        assert_eq!(error.to_string(), "x.arrow: is broken: the offset exceeds the length");
    }
}
