//! What encoding yields: the records, where each ends, the rows in them, and the rows that are none.

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
    /// `arrow.json`, what a container's compression saves) is bounded by the same number, apart
    /// from what is kept.
    pub batch_bytes_max: usize,
}

/// How many rows a record may hold. The first limit that is reached ends a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packing {
    /// Rows of a record, at least 1.
    pub rows_max: u32,
    /// Bytes of a record, before any compression of its own. A row that is longer is a record
    /// alone.
    pub bytes_max: usize,
    /// A record that would be longer than [`Limits::record_bytes_max`] rejects all its rows;
    /// else it ends before, and only a row that is too long alone is rejected.
    pub whole: bool,
}

impl Packing {
    /// Every row is a record.
    pub const NONE: Self = Self { rows_max: 1, bytes_max: usize::MAX, whole: false };
}

/// Encoded records: one buffer, where each record ends in it, and which rows it holds.
///
/// Rows are numbered through all batches that were encoded together, from 0.
///
/// Meant to be used again: encoding clears it first and keeps its memory.
#[derive(Clone, Debug, Default)]
pub struct Records {
    pub(crate) bytes: Vec<u8>,
    pub(crate) ends: Vec<u32>,
    pub(crate) rows: RowMap,
    pub(crate) rejected: Vec<RowError>,
    pub(crate) rejected_total: usize,
    /// Of all records, before a compression of their own.
    pub(crate) plain_bytes: usize,
    /// How many rejected rows may be named so far.
    named_max: usize,
    /// Every rejected row is named.
    names_all: bool,
}

impl Records {
    /// No records, no memory yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// No records yet, and every rejected row will be named, however many there are. What their
    /// names take counts as written in vain ([`Limits::batch_bytes_max`]).
    pub fn naming_all() -> Self {
        Self { names_all: true, ..Self::default() }
    }

    /// Forgets everything but the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.rows.skipped_from = None;
        self.rows.rows.clear();
        self.rows.ends.clear();
        self.rows.accepted = 0;
        self.rejected.clear();
        self.rejected_total = 0;
        (self.plain_bytes, self.named_max) = (0, 0);
    }

    /// Notes that another batch begins, which names its rejected rows for itself.
    pub(crate) fn begin_batch(&mut self) {
        let more = if self.names_all { usize::MAX } else { REJECTED_NAMED_MAX };
        self.named_max = self.rejected.len().saturating_add(more);
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

    /// Bytes of all records before a compression of their own, which a container of Avro may have:
    /// what [`Packing::bytes_max`] counts.
    pub fn plain_bytes(&self) -> usize {
        self.plain_bytes
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

    /// The rows that a record holds.
    pub fn rows_of(&self, record: usize) -> impl Iterator<Item = u32> {
        self.rows.rows_of(record)
    }

    /// The first row that a record holds.
    pub fn row_of(&self, record: usize) -> u32 {
        self.rows.row_of(record)
    }

    /// Which rows the records hold.
    pub fn row_map(&self) -> &RowMap {
        &self.rows
    }

    /// The rows that could not be encoded, in order; of each batch the first [`REJECTED_NAMED_MAX`],
    /// unless all are named.
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

    /// Notes a row that is no record; `error` is asked for only while there is room for it. Returns
    /// the bytes that its name takes beyond those that are always named.
    pub(crate) fn reject(&mut self, error: impl FnOnce() -> RowError) -> usize {
        self.rows.skipped_from.get_or_insert(self.rows.accepted);
        self.rejected_total += 1;
        if self.rejected.len() >= self.named_max {
            return 0;
        }
        let error = error();
        let bytes = size_of::<RowError>() + error.column.len() + error.reason.len();
        // Rows of a record that is rejected as a whole may have rejected ones among them.
        let at = self.rejected.partition_point(|known| known.row < error.row);
        self.rejected.insert(at, error);
        if self.rejected.len() > REJECTED_NAMED_MAX && self.names_all { bytes } else { 0 }
    }

    /// Notes that `row` is in the record under way.
    #[inline]
    pub(crate) fn accept(&mut self, row: u32) {
        self.rows.accepted += 1;
        if self.rows.skipped_from.is_some() {
            self.rows.rows.push(row);
        }
    }

    /// Takes the last `count` rows back out of the record under way.
    #[cold]
    pub(crate) fn take_back(&mut self, count: u32) -> Vec<u32> {
        let accepted = self.rows.accepted;
        let from = accepted - count as usize;
        let taken = (from..accepted).map(|place| self.rows.row(place)).collect();
        if let Some(skipped_from) = &mut self.rows.skipped_from {
            self.rows.rows.truncate(from.saturating_sub(*skipped_from));
            *skipped_from = from.min(*skipped_from);
        }
        self.rows.accepted = from;
        taken
    }

    /// Notes that the record under way ends at `end`; `packed` if records may hold several rows.
    #[inline]
    pub(crate) fn end(&mut self, end: u32, packed: bool) {
        self.ends.push(end);
        if packed {
            self.rows.ends.push(self.rows.accepted as u32);
        }
    }
}

/// Which rows each record holds.
///
/// As long as every row is a record of its own this takes no memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowMap {
    /// Rows that are in a record: they have *places*, from 0.
    accepted: usize,
    /// The first place whose number is not its row's.
    skipped_from: Option<usize>,
    /// The rows of the places from there on.
    rows: Vec<u32>,
    /// The place behind each record; empty if every record holds one row.
    ends: Vec<u32>,
}

impl RowMap {
    /// The rows that a record holds, in order.
    ///
    /// # Panics
    /// If there is no such record.
    pub fn rows_of(&self, record: usize) -> impl Iterator<Item = u32> {
        self.places(record).map(|place| self.row(place))
    }

    /// The first row that a record holds.
    ///
    /// # Panics
    /// If there is no such record.
    pub fn row_of(&self, record: usize) -> u32 {
        self.row(self.places(record).start)
    }

    /// How many rows a record holds.
    ///
    /// # Panics
    /// If there is no such record.
    pub fn count(&self, record: usize) -> u32 {
        self.places(record).len() as u32
    }

    /// Whether every row became a record of its own, so that record and row numbers are the same.
    pub fn is_identity(&self) -> bool {
        self.skipped_from.is_none() && self.ends.is_empty()
    }

    /// All rows that are in a record, in order.
    pub fn rows(&self) -> impl Iterator<Item = u32> {
        (0..self.accepted).map(|place| self.row(place))
    }

    /// Whether rows are in no record.
    pub fn leaves_out(&self) -> bool {
        self.skipped_from.is_some()
    }

    /// Of each record how many rows are in it and those before; empty if every record holds one.
    pub fn into_ends(self) -> Vec<u32> {
        self.ends
    }

    fn places(&self, record: usize) -> Range<usize> {
        match (self.ends.is_empty(), record) {
            (true, _) => {
                assert!(record < self.accepted, "there is no record {record}");
                record..record + 1
            }
            (false, 0) => 0..self.ends[0] as usize,
            (false, _) => self.ends[record - 1] as usize..self.ends[record] as usize,
        }
    }

    fn row(&self, place: usize) -> u32 {
        match self.skipped_from {
            Some(from) if place >= from => self.rows[place - from],
            _ => u32::try_from(place).expect("rows are counted in 32 bits"),
        }
    }
}

/// A row that could not be encoded, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("row {row}{}: {reason} ({})", shown(column), code.as_str())]
pub struct RowError {
    /// The row, from 0.
    pub row: u32,
    /// The value in the row: `a`, `a.b[3]`. The key and value of the third entry of a map `m` are
    /// `m[2].key` and `m[2].value`. Empty if it is the row as a whole.
    pub column: String,
    /// What kind of fault it is.
    pub code: RowErrorCode,
    /// What is wrong, in a sentence for a person; it repeats no text of the row.
    pub reason: String,
}

fn shown(column: &str) -> String {
    if column.is_empty() { String::new() } else { format!(", column `{column}`") }
}

/// The kinds of faults in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RowErrorCode {
    /// NaN or an infinity, where the options say that it is an error.
    NonFinite,
    /// An `arrow.json` value that is not JSON, or such that readers refuse it: half a surrogate
    /// pair, or nested more than 128 levels deep.
    InvalidJson,
    /// A date, time or timestamp that the format cannot write.
    OutOfRange,
    /// The record would be longer than [`Limits::record_bytes_max`].
    RowTooLarge,
    /// A map key that is null.
    NullMapKey,
    /// A null where the schema of the records takes none.
    NullValue,
    /// A decimal with more digits than its type has.
    DecimalOverflow,
    /// A value that its type in the record cannot hold exactly.
    Inexact,
    /// Text that is no symbol of its enum.
    UnknownSymbol,
    /// Text that is no UUID.
    InvalidUuid,
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
            Self::NullValue => "NULL_VALUE",
            Self::DecimalOverflow => "DECIMAL_OVERFLOW",
            Self::Inexact => "INEXACT",
            Self::UnknownSymbol => "UNKNOWN_SYMBOL",
            Self::InvalidUuid => "INVALID_UUID",
        }
    }
}
