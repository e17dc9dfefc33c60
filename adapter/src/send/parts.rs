//! Rows on their way from files to batches, and where they come from.
use std::path::Path;

use arrow_array::{RecordBatch, cast::AsArray as _};
use arrow_schema::ArrowError;
use arrow_select::dictionary::garbage_collect_any_dictionary;
use tokio::sync::mpsc;

use super::files::{Chunk, ChunkSize, FileError, Files};
use crate::client::{Error, Rows};

/// Rows of one file that go out together.
pub struct Part {
    /// The rows.
    pub batch: RecordBatch,
    /// Where they come from.
    pub origin: Origin,
}

/// Where rows come from.
#[derive(Clone)]
pub struct Origin {
    /// Of the batch, once it has one.
    pub sequence: u64,
    /// The index of the file.
    pub file: usize,
    /// Rows of this file before these.
    pub first_row: u64,
    /// The line of each row, where the format has lines.
    pub lines: Option<Vec<u64>>,
    /// Rows of all files, up to the last of these.
    pub rows_through: u64,
}

impl Origin {
    /// File, line and number (from 1) of a row.
    pub fn place<'a>(&self, files: &'a Files, row: u64) -> (&'a Path, Option<u64>, u64) {
        let line = self.lines.as_ref().and_then(|lines| lines.get(row as usize).copied());
        (&files.paths()[self.file], line, self.first_row + row + 1)
    }
}

impl Part {
    /// The rows as they go out. Of a dictionary only what these rows use: readers give every chunk
    /// the whole one of its file.
    pub fn encode(&self) -> Result<Rows, Error> {
        let columns =
            self.batch.columns().iter().map(|column| match column.as_any_dictionary_opt() {
                Some(dictionary) => garbage_collect_any_dictionary(dictionary),
                None => Ok(column.clone()),
            });
        let columns: Result<Vec<_>, ArrowError> = columns.collect();
        let batch = columns.and_then(|columns| RecordBatch::try_new(self.batch.schema(), columns));
        Rows::from_arrow(&batch.map_err(|error| Error::Encode(error.to_string()))?)
    }

    /// It cannot be split.
    pub fn is_one_row(&self) -> bool {
        self.batch.num_rows() <= 1
    }

    /// Two halves, the front first; a single row stays as it is.
    pub fn split(self) -> Vec<Self> {
        if self.is_one_row() {
            return vec![self];
        }
        let half = self.batch.num_rows() / 2;
        let rest = self.batch.num_rows() - half;
        let Origin { file, first_row, rows_through, lines, sequence } = self.origin;
        let (front, back) = match lines {
            Some(mut lines) => {
                let back = lines.split_off(half);
                (Some(lines), Some(back))
            }
            None => (None, None),
        };
        let front = Origin {
            sequence,
            file,
            first_row,
            lines: front,
            rows_through: rows_through - rest as u64,
        };
        let first_row = first_row + half as u64;
        let back = Origin { sequence, file, first_row, lines: back, rows_through };
        vec![
            Self { batch: self.batch.slice(0, half), origin: front },
            Self { batch: self.batch.slice(half, rest), origin: back },
        ]
    }
}

/// The index of a file, the rows of it before these, and these; or what is wrong.
pub type ReadChunk = Result<(usize, u64, Chunk), FileError>;

/// Reads what is to be sent, in order. Ends early when nobody takes it any more.
pub fn read_all(
    files: &Files,
    skip: u64,
    limit: Option<u64>,
    chunk: ChunkSize,
    chunks: &mpsc::Sender<ReadChunk>,
) -> Result<(), FileError> {
    let (mut skip, mut seen) = (skip, 0);
    let mut left = limit.map_or(u64::MAX, |limit| limit.saturating_sub(skip));
    for file in 0..files.paths().len() {
        let (mut reader, skipped) = files.open(file, skip, chunk)?;
        skip -= skipped;
        seen += skipped;
        if skip > 0 {
            continue; // all of this file is durable
        }
        let mut first_row = skipped;
        while left > 0 {
            let Some(mut chunk) = reader.next_chunk()? else { break };
            let rows = chunk.batch.num_rows() as u64;
            if rows > left {
                chunk.batch = chunk.batch.slice(0, left as usize); // fewer than a chunk has
            }
            let rows = rows.min(left);
            seen += rows;
            if files.rows_total.is_some_and(|total| seen > total) {
                return Err(changed(files, file, "more"));
            }
            if chunks.blocking_send(Ok((file, first_row, chunk))).is_err() {
                return Ok(());
            }
            first_row += rows;
            left -= rows;
        }
    }
    // Whoever wanted fewer rows than there are has them.
    match files.rows_total {
        Some(total) if left > 0 && seen < total => {
            Err(changed(files, files.paths().len() - 1, "fewer"))
        }
        _ => Ok(()),
    }
}

/// The rows are not those that were counted, so it cannot be said which of them are sent.
fn changed(files: &Files, file: usize, what: &str) -> FileError {
    let all = if files.paths().len() == 1 { "it" } else { "all files together" };
    let total = files.rows_total.unwrap_or(0);
    FileError::new(
        &files.paths()[file],
        format!(
            "changed while it was read: {all} had {total} rows before, and {what} now; send it \
             when nobody writes to it any more"
        ),
    )
}
