//! What is said of a batch that cannot be written, or not with all its rows.
use bytes::Bytes;
use serializers::EncodeError;

use crate::{
    kafka::Cause,
    rows::{BadRow, DecodeError},
    writers::POSITION_BYTES_MAX,
};

/// Bad rows that an answer names.
pub const NAMED_ROWS_MAX: usize = 100;

/// A batch of which nothing is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// Stable code.
    pub code: &'static str,
    /// For a person.
    pub reason: String,
    /// The rows that are to blame, if rows are.
    pub rows: BadRows,
}

/// Bad rows of one batch, whoever found them: the first in its order are named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BadRows {
    /// At most [`NAMED_ROWS_MAX`].
    pub named: Vec<BadRow>,
    /// How many there are.
    pub total: u64,
}

impl BadRows {
    /// So many in all, of which these have names.
    pub(super) fn new(named: &[BadRow], total: u64) -> Self {
        let named = named.iter().take(NAMED_ROWS_MAX).cloned().collect();
        Self { named, total }
    }

    /// Rows of a record that the broker refused for good, in their order; `offset` is the number of
    /// this batch's first one.
    pub fn add_refused(&mut self, rows: &[u32], offset: u32, cause: &Cause) {
        // As many as may have names: a record can hold a million rows.
        let named = rows.iter().take(NAMED_ROWS_MAX);
        self.total += rows.len() as u64;
        self.named.extend(named.map(|row| BadRow::refused(row - offset, cause)));
        self.named.sort_by_key(|bad| bad.row);
        self.named.truncate(NAMED_ROWS_MAX);
    }
}

impl BadRow {
    /// A row that the broker refused for good.
    pub(super) fn refused(row: u32, cause: &Cause) -> Self {
        Self { row, column: String::new(), code: cause.code, reason: cause.text.clone() }
    }
}

impl Refusal {
    /// A refusal for one reason, without rows.
    pub fn new(code: &'static str, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into(), ..Self::default() }
    }

    /// A sequence that leaves others out.
    pub fn gap(sequence: u64, expected: u64) -> Self {
        let reason = format!("sequence {sequence} leaves a gap; {expected} is next");
        Self::new("SEQUENCE_GAP", reason)
    }

    /// A batch that nobody waits for any more.
    pub fn late() -> Self {
        let reason = "the batch's own time is over before anything of it was handed to Kafka";
        Self::new("BATCH_TIMEOUT", reason)
    }

    /// Whether a position is short enough to be stored.
    ///
    /// # Errors
    /// If it is not.
    pub fn check_position(position: Option<&Bytes>) -> Result<(), Self> {
        let bytes = position.map_or(0, Bytes::len);
        if bytes > POSITION_BYTES_MAX {
            let reason = format!("a position of {bytes} bytes, the limit is {POSITION_BYTES_MAX}");
            return Err(Self::new("POSITION_TOO_LONG", reason));
        }
        Ok(())
    }

    pub(super) fn of_decode(error: &DecodeError) -> Self {
        Self::new(error.code(), error.to_string())
    }

    pub(super) fn of_encode(error: &EncodeError) -> Self {
        let code = match error {
            EncodeError::BatchTooLarge { .. } => "BATCH_TOO_LARGE",
            EncodeError::SchemaMismatch { .. } => "BAD_CARRIER",
        };
        Self::new(code, error.to_string())
    }

    pub(super) fn of_rows(bad: BadRows) -> Self {
        let reason = format!(
            "{} of the batch's rows cannot be written and the output's errorPolicy is Stop: \
             nothing of the batch is written; mend the rows and send the same sequence again",
            bad.total
        );
        Self { code: "BAD_ROWS", reason, rows: bad }
    }
}
