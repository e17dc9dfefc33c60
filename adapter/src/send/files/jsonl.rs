//! JSON Lines: one object a line, with the line of every fault.
use std::{
    collections::HashMap,
    fmt,
    fs::File,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow_array::{
    ArrayRef, RecordBatch,
    builder::{ArrayBuilder as _, StringBuilder},
};
use arrow_json::ReaderBuilder;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use serde::de::Deserialize;

use super::{
    Chunk, ChunkSize, FileError, TextOptions,
    columns::convert,
    entries::{Entries, Text},
    open,
    shape::{Shape, merge_fields},
};
use crate::send::types::ColumnType;

/// A longer line is no line of a JSON Lines file, but a file without line ends.
const LINE_BYTES_MAX: u64 = 64 * 1024 * 1024;

const READ_BYTES: usize = 1024 * 1024;

const NULL: &str = "null";

/// A column, and how its values are read.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its field in the schema.
    pub field: Field,
    /// Text that is converted; none for arrays and records, which `arrow-json` reads.
    text: Option<ColumnType>,
}

impl Column {
    fn new(name: &str, shape: &Shape, given: Option<&ColumnType>) -> Self {
        let text = match (given, shape.data_type()) {
            (Some(given), _) => given.clone(),
            (None, Some(nested @ (DataType::List(_) | DataType::Struct(_)))) => {
                return Self { field: Field::new(name, nested, true), text: None };
            }
            (None, Some(scalar)) => scalar.into(),
            (None, None) => ColumnType::json(),
        };
        Self { field: text.field(name), text: Some(text) }
    }
}

/// The lines of a file that are not blank.
struct Lines {
    inner: BufReader<File>,
    path: PathBuf,
    buffer: Vec<u8>,
    line: u64,
}

impl Lines {
    fn open(path: &Path) -> Result<Self, FileError> {
        let inner = BufReader::with_capacity(READ_BYTES, open(path)?);
        Ok(Self { inner, path: path.to_owned(), buffer: Vec::new(), line: 0 })
    }

    /// Reads the next line into the buffer; false at the end.
    fn advance(&mut self) -> Result<bool, FileError> {
        loop {
            self.buffer.clear();
            let mut limited = self.inner.by_ref().take(LINE_BYTES_MAX);
            let read = limited.read_until(b'\n', &mut self.buffer);
            let read = read.map_err(|error| FileError::io(&self.path, &error))?;
            if read == 0 {
                return Ok(false);
            }
            self.line += 1;
            if read as u64 == LINE_BYTES_MAX {
                return Err(self.fault("is longer than 64 MiB; one JSON object a line is expected"));
            }
            if self.line == 1 && self.buffer.starts_with(b"\xEF\xBB\xBF") {
                self.buffer.drain(..3); // a byte order mark
            }
            if !self.buffer.iter().all(u8::is_ascii_whitespace) {
                return Ok(true);
            }
        }
    }

    fn fault(&self, what: impl fmt::Display) -> FileError {
        FileError::at(&self.path, self.line, format!("the line {what}"))
    }

    fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, FileError> {
        serde_json::from_slice(&self.buffer).map_err(|error| {
            if error.is_eof() {
                return self.fault("ends before its JSON object does");
            }
            let column = error.column();
            let text = error.to_string();
            // serde_json counts lines too, but it sees one only.
            let what = text.split(" at line ").next().unwrap_or(&text);
            self.fault(format_args!("is not a JSON object (character {column}): {what}"))
        })
    }
}

/// The columns of all JSON Lines files together, and how many rows they have.
pub fn survey(paths: &[&Path], options: &TextOptions) -> Result<(Vec<Column>, u64), FileError> {
    let mut fields: Vec<(String, Shape)> = Vec::new();
    let mut rows = 0;
    for path in paths {
        let mut lines = Lines::open(path)?;
        while lines.advance()? {
            rows += 1;
            match lines.parse()? {
                Shape::Record(row) => fields = merge_fields(fields, row),
                _ => return Err(lines.fault("is not a JSON object")),
            }
        }
    }
    let names: Vec<_> = fields.iter().map(|(name, _)| name.clone()).collect();
    if let [first, ..] = paths {
        options.check_names(first, &names)?;
    }
    let columns =
        fields.iter().map(|(name, shape)| Column::new(name, shape, options.given(name))).collect();
    Ok((columns, rows))
}

/// Reads one JSON Lines file.
pub struct Reader {
    lines: Lines,
    columns: Vec<Column>,
    places: HashMap<String, usize>,
    schema: SchemaRef,
    chunk: ChunkSize,
}

impl Reader {
    /// Opens a file that the survey has seen.
    pub fn open(
        path: &Path,
        columns: &[Column],
        schema: SchemaRef,
        chunk: ChunkSize,
    ) -> Result<Self, FileError> {
        let names = columns.iter().map(|column| column.field.name().clone());
        let places = names.enumerate().map(|(place, name)| (name, place)).collect();
        let lines = Lines::open(path)?;
        Ok(Self { lines, columns: columns.to_vec(), places, schema, chunk })
    }

    /// Leaves rows out; tells how many there were.
    pub fn skip(&mut self, rows: u64) -> Result<u64, FileError> {
        for skipped in 0..rows {
            if !self.lines.advance()? {
                return Ok(skipped);
            }
        }
        Ok(rows)
    }

    /// The next rows; none at the end.
    pub fn next_chunk(&mut self) -> Result<Option<Chunk>, FileError> {
        let mut texts: Vec<StringBuilder> =
            self.columns.iter().map(|_| StringBuilder::new()).collect();
        let (mut lines, mut bytes) = (Vec::new(), 0);
        while lines.len() < self.chunk.rows && bytes < self.chunk.bytes && self.lines.advance()? {
            bytes += self.lines.buffer.len();
            self.row(&mut texts)?;
            lines.push(self.lines.line);
            for text in &mut texts {
                if text.len() < lines.len() {
                    text.append_null();
                }
            }
        }
        if lines.is_empty() {
            return Ok(None);
        }
        let path = &self.lines.path;
        let columns = texts
            .into_iter()
            .zip(&self.columns)
            .map(|(text, column)| convert_column(text, column, path, &lines))
            .collect::<Result<Vec<_>, _>>()?;
        let batch = RecordBatch::try_new(self.schema.clone(), columns)
            .map_err(|error| FileError::new(path, error.to_string()))?;
        Ok(Some(Chunk { batch, lines: Some(lines) }))
    }

    /// Takes the values of the line in the buffer, each as text.
    fn row(&self, texts: &mut [StringBuilder]) -> Result<(), FileError> {
        let Entries(entries) = self.lines.parse()?;
        for (name, value) in entries {
            let Some(place) = self.places.get(name.as_ref()) else {
                return Err(self.lines.fault(format_args!(
                    "has the key `{name}`, which was not there a moment ago; the file changes"
                )));
            };
            let (text, raw) = (&mut texts[*place], value.get());
            match &self.columns[*place].text {
                _ if raw == NULL => text.append_null(),
                Some(column_type) if !column_type.json && raw.starts_with('"') => {
                    let unescaped = serde_json::from_str::<Text<'_>>(raw);
                    let Text(unescaped) = unescaped.map_err(|error| self.lines.fault(error))?;
                    text.append_value(unescaped);
                }
                _ => text.append_value(raw),
            }
        }
        Ok(())
    }
}

fn convert_column(
    mut text: StringBuilder,
    column: &Column,
    path: &Path,
    lines: &[u64],
) -> Result<ArrayRef, FileError> {
    let name = column.field.name();
    let text = text.finish();
    if let Some(column_type) = &column.text {
        return convert(text, column_type).map_err(|bad| {
            let what =
                format!("column {name}: {}; give --types {name}=json or mend the file", bad.what);
            FileError::at(path, lines[bad.row], what)
        });
    }
    let values: Vec<&str> = text.iter().map(|value| value.unwrap_or(NULL)).collect();
    nested(&values, &column.field).map_err(|_| {
        // Value by value, to find the one.
        let bad = values.iter().zip(lines).find_map(|(value, line)| {
            nested(&[value], &column.field).err().map(|error| (*line, error))
        });
        match bad {
            Some((line, error)) => FileError::at(path, line, format!("column {name}: {error}")),
            None => FileError::new(path, format!("column {name} cannot be read")),
        }
    })
}

/// Arrays and records, from their JSON.
fn nested(values: &[&str], field: &Field) -> Result<ArrayRef, ArrowError> {
    let schema = Schema::new(vec![field.clone().with_name("c")]);
    let mut decoder =
        ReaderBuilder::new(Arc::new(schema)).with_batch_size(values.len()).build_decoder()?;
    for value in values {
        for part in ["{\"c\":", *value, "}\n"] {
            decoder.decode(part.as_bytes())?;
        }
    }
    let batch = decoder.flush()?.filter(|batch| batch.num_rows() == values.len());
    let batch = batch.ok_or_else(|| ArrowError::JsonError("rows are missing".to_owned()))?;
    Ok(batch.column(0).clone())
}
