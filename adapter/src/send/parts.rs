//! Rows on their way from files to batches, and where they come from.
use arrow_array::RecordBatch;
use tokio::sync::mpsc;

use super::files::{Chunk, FileError, Files};

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

impl Part {
    /// Two halves, the front first.
    pub fn split(self) -> [Self; 2] {
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
        [
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
    chunk_rows: usize,
    chunks: &mpsc::Sender<ReadChunk>,
) -> Result<(), FileError> {
    let mut skip = skip;
    let mut left = limit.map_or(u64::MAX, |limit| limit.saturating_sub(skip));
    for file in 0..files.paths().len() {
        let (mut reader, skipped) = files.open(file, skip, chunk_rows)?;
        skip -= skipped;
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
            if chunks.blocking_send(Ok((file, first_row, chunk))).is_err() {
                return Ok(());
            }
            first_row += rows;
            left -= rows;
        }
    }
    Ok(())
}
