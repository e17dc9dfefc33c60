//! CSV, with the line of every fault.
use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    str::Utf8Error,
};

use arrow_array::{ArrayRef, RecordBatch, builder::StringBuilder};
use arrow_schema::SchemaRef;
use csv_core::{ReadRecordResult, ReaderBuilder};

use super::{
    Chunk, ChunkSize, FileError, TextOptions,
    columns::{convert, shown},
    guess::Guess,
    open,
    same::other_columns,
};
use crate::send::types::ColumnType;

/// Reads of this size keep the file system busy and the memory small.
const READ_BYTES: usize = 256 * 1024;
/// A larger record is a quote that is never closed.
const RECORD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The fields of one row.
#[derive(Default)]
struct Record {
    /// The text of all fields.
    text: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
    fields: usize,
    /// The line on which the row starts, from 1.
    line: u64,
}

impl Record {
    fn field(&self, index: usize) -> Result<&str, Utf8Error> {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        std::str::from_utf8(&self.text[start..self.ends[index]])
    }
}

/// The rows of a file as text. It uses the parser below the `csv` crate, because only the bytes
/// that the parser takes tell the line of a row: blank lines, line ends inside quotes and `\r\n`
/// all count.
struct Parser {
    file: File,
    path: PathBuf,
    core: csv_core::Reader,
    buffer: Vec<u8>,
    /// What of the buffer is not parsed yet.
    rest: std::ops::Range<usize>,
    line: u64,
}

impl Parser {
    fn open(path: &Path, delimiter: u8) -> Result<Self, FileError> {
        let core = ReaderBuilder::new().delimiter(delimiter).build();
        let (file, path) = (open(path)?, path.to_owned());
        Ok(Self { file, path, core, buffer: vec![0; READ_BYTES], rest: 0..0, line: 1 })
    }

    /// Reads the next row; false at the end.
    fn read(&mut self, record: &mut Record) -> Result<bool, FileError> {
        let (mut bytes, mut started) = (0, false);
        (record.fields, record.line) = (0, self.line);
        loop {
            if self.rest.is_empty() {
                let read = self.file.read(&mut self.buffer);
                self.rest = 0..read.map_err(|error| FileError::io(&self.path, &error))?;
            }
            let input = &self.buffer[self.rest.clone()];
            let (result, taken, text, ends) = self.core.read_record(
                input,
                &mut record.text[bytes..],
                &mut record.ends[record.fields..],
            );
            let taken = &input[..taken];
            if !started && let Some(first) = taken.iter().position(|b| !b"\r\n".contains(b)) {
                started = true;
                record.line = self.line + line_ends(&taken[..first]);
            }
            self.line += line_ends(taken);
            self.rest.start += taken.len();
            bytes += text;
            record.fields += ends;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull if bytes >= RECORD_BYTES_MAX => {
                    let what = "the row is longer than 64 MiB; is a quote not closed?";
                    return Err(FileError::at(&self.path, record.line, what));
                }
                ReadRecordResult::OutputFull => record.text.resize(bytes * 2 + 1024, 0),
                ReadRecordResult::OutputEndsFull => {
                    record.ends.resize(record.fields * 2 + 64, 0);
                }
                ReadRecordResult::Record => return Ok(true),
                ReadRecordResult::End => return Ok(false),
            }
        }
    }
}

fn line_ends(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// Rows of one file, each with as many fields as the first.
struct Rows {
    parser: Parser,
    columns: Vec<String>,
    record: Record,
    /// The first row is read already, since it is not a header.
    ahead: bool,
    header: bool,
}

impl Rows {
    fn open(path: &Path, options: &TextOptions) -> Result<Self, FileError> {
        let parser = Parser::open(path, options.delimiter)?;
        let header = options.header;
        let record = Record::default();
        let mut rows = Self { parser, columns: Vec::new(), record, ahead: !header, header };
        if !rows.parser.read(&mut rows.record)? {
            return Err(FileError::new(path, "has no rows and no header"));
        }
        let fields = 0..rows.record.fields;
        if header {
            let names = fields.map(|index| rows.field(index).map(str::to_owned));
            rows.columns = names.collect::<Result<_, _>>()?;
            rows.check_header()?;
        } else {
            rows.columns = fields.map(|index| format!("column_{}", index + 1)).collect();
        }
        Ok(rows)
    }

    fn fault(&self, what: impl Into<String>) -> FileError {
        FileError::at(&self.parser.path, self.record.line, what)
    }

    fn check_header(&self) -> Result<(), FileError> {
        for (index, name) in self.columns.iter().enumerate() {
            if name.is_empty() {
                return Err(self.fault(format!("column {} has no name in the header", index + 1)));
            }
            if self.columns[..index].contains(name) {
                return Err(self.fault(format!("the header names the column `{name}` twice")));
            }
        }
        Ok(())
    }

    /// Goes to the next row; false at the end.
    fn advance(&mut self) -> Result<bool, FileError> {
        if !std::mem::take(&mut self.ahead) && !self.parser.read(&mut self.record)? {
            return Ok(false);
        }
        let (fields, expected) = (self.record.fields, self.columns.len());
        if fields != expected {
            let whose = if self.header { "the header" } else { "the first row" };
            let plural = if fields == 1 { "" } else { "s" };
            let what = format!("the row has {fields} field{plural}, {whose} has {expected}");
            return Err(self.fault(what));
        }
        Ok(true)
    }

    fn field(&self, index: usize) -> Result<&str, FileError> {
        self.record
            .field(index)
            .map_err(|_| self.fault(format!("field {} is not UTF-8; convert the file", index + 1)))
    }
}

/// The columns of all CSV files together, and how many rows they have.
pub fn survey(
    paths: &[&Path],
    options: &TextOptions,
) -> Result<(Vec<(String, ColumnType)>, u64), FileError> {
    let mut names: Vec<String> = Vec::new();
    let mut guesses: Vec<Guess> = Vec::new();
    let mut rows = 0;
    for path in paths {
        let mut file = Rows::open(path, options)?;
        if names.is_empty() {
            names.clone_from(&file.columns);
            guesses = vec![Guess::default(); names.len()];
            options.check_names(path, &names)?;
        } else if names != file.columns {
            let (there, here) = (names.join(", "), file.columns.join(", "));
            return Err(other_columns(path, paths[0], &format!("{there} there, {here} here")));
        }
        while file.advance()? {
            rows += 1;
            for (index, guess) in guesses.iter_mut().enumerate() {
                let field = file.field(index)?;
                if !options.null_text.iter().any(|null| null == field) {
                    guess.see(field);
                }
            }
        }
    }
    let columns = names.into_iter().zip(guesses).map(|(name, guess)| {
        let column_type = options.given(&name).cloned().unwrap_or_else(|| guess.column_type());
        (name, column_type)
    });
    Ok((columns.collect(), rows))
}

/// Reads one CSV file.
pub struct Reader {
    rows: Rows,
    null_text: Vec<String>,
    columns: Vec<(String, ColumnType)>,
    schema: SchemaRef,
    chunk: ChunkSize,
}

impl Reader {
    /// Opens a file that the survey has seen.
    pub fn open(
        path: &Path,
        options: &TextOptions,
        columns: &[(String, ColumnType)],
        schema: SchemaRef,
        chunk: ChunkSize,
    ) -> Result<Self, FileError> {
        let (null_text, columns) = (options.null_text.clone(), columns.to_vec());
        Ok(Self { rows: Rows::open(path, options)?, null_text, columns, schema, chunk })
    }

    /// Leaves rows out; tells how many there were.
    pub fn skip(&mut self, rows: u64) -> Result<u64, FileError> {
        for skipped in 0..rows {
            if !self.rows.advance()? {
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
        while lines.len() < self.chunk.rows && bytes < self.chunk.bytes && self.rows.advance()? {
            lines.push(self.rows.record.line);
            for (index, text) in texts.iter_mut().enumerate() {
                let field = self.rows.field(index)?;
                bytes += field.len();
                let null = self.null_text.iter().any(|null| null == field);
                text.append_option((!null).then_some(field));
            }
        }
        if lines.is_empty() {
            return Ok(None);
        }
        let columns = texts
            .into_iter()
            .zip(&self.columns)
            .map(|(mut text, (name, column_type))| {
                convert(text.finish(), column_type).map_err(|bad| {
                    let what = format!(
                        "column {name}: {}; give --types {name}=utf8 or mend the file",
                        bad.what
                    );
                    FileError::at(&self.rows.parser.path, lines[bad.row], what)
                })
            })
            .collect::<Result<Vec<ArrayRef>, _>>()?;
        let batch = RecordBatch::try_new(self.schema.clone(), columns)
            .map_err(|error| FileError::new(&self.rows.parser.path, error.to_string()))?;
        Ok(Some(Chunk { batch, lines: Some(lines) }))
    }
}

/// A delimiter as a person writes it: one character, or `\t` or `tab`.
pub fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"\\t" | b"tab" => Ok(b'\t'),
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => Ok(*byte),
        _ => Err(format!("{} is not a delimiter; give one character, or tab", shown(text))),
    }
}
