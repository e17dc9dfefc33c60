//! What encoding a batch yields: the records, where each ends, and the rows that are none.

use std::ops::Range;

/// The most that [`Limits::batch_bytes_max`] may be: the ends of records are 32 bits wide, and
/// half of that leaves room to reckon.
pub const BATCH_BYTES_MAX: usize = 1 << 31;

/// How many rejected rows of a batch are named one by one; the others are only counted.
pub const REJECTED_NAMED_MAX: usize = 100;

/// How much one batch may become. Dictionaries and nested values let a small batch stand for an
/// enormous text, so the bounds are on what is written and not on what came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one record; a longer one rejects its row, with
    /// [`ROW_TOO_LARGE`](RowErrorCode::RowTooLarge).
    pub record_bytes_max: usize,
    /// Bytes of all records of a batch; more fail it, with
    /// [`EncodeError::BatchTooLarge`](crate::EncodeError::BatchTooLarge). At most
    /// [`BATCH_BYTES_MAX`]. What is written or read in vain (rejected rows, white space in
    /// `arrow.json`) is bounded by the same number, apart from what is kept.
    pub batch_bytes_max: usize,
}

/// The encoded records of one batch: one buffer, where each record ends in it, and which row it is.
///
/// Meant to be used again: encoding clears it first and keeps its memory.
#[derive(Clone, Debug, Default)]
pub struct Records {
    pub(crate) bytes: Vec<u8>,
    pub(crate) ends: Vec<u32>,
    pub(crate) rows: RowMap,
    pub(crate) rejected: Vec<RowError>,
    pub(crate) rejected_total: usize,
}

impl Records {
    /// No records, no memory yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets everything but the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.rows.skipped_from = None;
        self.rows.rows.clear();
        self.rejected.clear();
        self.rejected_total = 0;
    }

    /// The number of records.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All records, one after another, with nothing between them.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where each record ends in [`bytes`](Self::bytes); each begins where the one before ends.
    pub fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// The bytes of one record.
    ///
    /// # Panics
    /// If there is no such record.
    pub fn record(&self, record: usize) -> &[u8] {
        &self.bytes[self.range(record)]
    }

    fn range(&self, record: usize) -> Range<usize> {
        let start = if record == 0 { 0 } else { self.ends[record - 1] };
        start as usize..self.ends[record] as usize
    }

    /// The row that a record was made from.
    pub fn row_of(&self, record: usize) -> u32 {
        self.rows.row_of(record)
    }

    /// The rows that could not be encoded, in order; the first [`REJECTED_NAMED_MAX`] of them.
    pub fn rejected(&self) -> &[RowError] {
        &self.rejected
    }

    /// How many rows could not be encoded.
    pub fn rejected_total(&self) -> usize {
        self.rejected_total
    }

    /// Gives the parts away without copying: the bytes, the ends, and the rows of the records.
    pub fn into_parts(self) -> (Vec<u8>, Vec<u32>, RowMap) {
        (self.bytes, self.ends, self.rows)
    }

    /// Notes a row that is no record; `error` is asked for only while there is room for it.
    pub(crate) fn reject(&mut self, error: impl FnOnce() -> RowError) {
        self.rows.skip(self.ends.len());
        self.rejected_total += 1;
        if self.rejected.len() < REJECTED_NAMED_MAX {
            self.rejected.push(error());
        }
    }

    /// Notes that `row` is a record which ends at `end`.
    #[inline]
    pub(crate) fn accept(&mut self, row: u32, end: u32) {
        self.ends.push(end);
        if self.rows.skipped_from.is_some() {
            self.rows.rows.push(row);
        }
    }
}

/// Which row each record was made from.
///
/// As long as no row is left out this is the record's own number, and takes no memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowMap {
    /// The first record whose number is not its row's.
    skipped_from: Option<usize>,
    /// The rows of the records from there on.
    rows: Vec<u32>,
}

impl RowMap {
    /// The row of a record.
    ///
    /// # Panics
    /// If rows were left out and there is no such record.
    pub fn row_of(&self, record: usize) -> u32 {
        match self.skipped_from {
            Some(from) if record >= from => self.rows[record - from],
            _ => u32::try_from(record).expect("records are counted in 32 bits"),
        }
    }

    /// Whether every row became a record, so that record and row numbers are the same.
    pub fn is_identity(&self) -> bool {
        self.skipped_from.is_none()
    }

    fn skip(&mut self, records: usize) {
        self.skipped_from.get_or_insert(records);
    }
}

/// A row that could not be encoded, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("row {row}, column `{column}`: {reason} ({})", code.as_str())]
pub struct RowError {
    /// The row in its batch, from 0.
    pub row: u32,
    /// The value in the row: `a`, `a.b[3]`. The key and value of the third entry of a map `m` are
    /// `m[2].key` and `m[2].value`.
    pub column: String,
    /// What kind of fault it is.
    pub code: RowErrorCode,
    /// What is wrong, in a sentence for a person; it repeats no text of the row.
    pub reason: String,
}

/// The kinds of faults in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RowErrorCode {
    /// NaN or an infinity, where the options say that it is an error.
    NonFinite,
    /// An `arrow.json` value that is not JSON.
    InvalidJson,
    /// A date, time or timestamp that the format cannot write.
    OutOfRange,
    /// The record would be longer than [`Limits::record_bytes_max`].
    RowTooLarge,
    /// A map key that is null.
    NullMapKey,
}

impl RowErrorCode {
    /// The code for programs; it never changes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NonFinite => "NON_FINITE",
            Self::InvalidJson => "INVALID_JSON",
            Self::OutOfRange => "OUT_OF_RANGE",
            Self::RowTooLarge => "ROW_TOO_LARGE",
            Self::NullMapKey => "NULL_MAP_KEY",
        }
    }
}
