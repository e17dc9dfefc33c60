//! The log of a writer: what it has sent and what was acknowledged.

use std::ops::Range;

use super::Failure;

/// What a load has sent and heard, by its own log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The writer.
    pub writer: String,
    /// Rows that were sent: 0, 1, 2 … .
    pub rows_sent: u64,
    /// Rows that were acknowledged, the first of those.
    pub rows_durable: u64,
    /// Rows that are gone since, with their topic, the first of those.
    pub rows_gone: u64,
    /// Rows of a batch.
    pub batch_rows: u64,
    /// What filled the rows, if all with the same.
    pub pad: Option<String>,
    /// One row of so many is bad, the last of them.
    pub bad_every: Option<u64>,
    /// The service said that it is about to close.
    pub draining: bool,
    /// Rows that had no answer when a stream ended before the last.
    pub unanswered: Vec<Range<u64>>,
    /// How the streams before the last ended.
    pub ends: Vec<Result<(), Failure>>,
    /// How the last stream ended; `None` if it did not.
    pub end: Option<Result<(), Failure>>,
    /// Answers that contradict each other.
    pub contradictions: Vec<String>,
}

impl Sent {
    /// Rows that were all acknowledged, with an empty `pad`.
    pub fn whole(writer: &str, rows: u64) -> Self {
        Self {
            writer: writer.to_owned(),
            rows_sent: rows,
            rows_durable: rows,
            rows_gone: 0,
            batch_rows: 1,
            pad: Some(String::new()),
            bad_every: None,
            draining: false,
            unanswered: Vec::new(),
            ends: Vec::new(),
            end: None,
            contradictions: Vec::new(),
        }
    }

    /// The log for a check after the service has died: each time with these rows on their way,
    /// which may be there again. That streams have ended otherwise excuses nothing, since a
    /// service that lives recognises what comes again.
    #[must_use]
    pub fn died_with(self, unanswered: &[Range<u64>]) -> Self {
        Self { unanswered: unanswered.to_vec(), ..self }
    }

    /// Whether the service has said that a row is not written: it was sent and not acknowledged,
    /// and the error that ended the last stream says so.
    pub fn is_refused(&self, row: u64) -> bool {
        let is_surely_not =
            |end: &Result<(), Failure>| end.as_ref().is_err_and(|failure| !failure.may_be_written);
        row >= self.rows_durable && self.end.as_ref().is_some_and(is_surely_not)
    }

    /// Whether a row cannot be written.
    pub fn is_bad(&self, row: u64) -> bool {
        is_bad(row, self.bad_every)
    }

    /// Checks that no stream has ended.
    ///
    /// # Panics
    /// When one has.
    #[track_caller]
    pub fn assert_unbroken(&self) {
        assert!(self.end.is_none() && self.unanswered.is_empty(), "no stream ends: {self:?}");
    }

    /// The same rows filled with something.
    #[must_use]
    pub fn filled(self, pad: &str) -> Self {
        Self { pad: Some(pad.to_owned()), ..self }
    }

    /// The same rows, each filled with something else, which is not compared.
    #[must_use]
    pub fn filled_differently(self) -> Self {
        Self { pad: None, ..self }
    }
}

/// Whether a row is bad where one of so many is.
pub(super) fn is_bad(row: u64, every: Option<u64>) -> bool {
    every.is_some_and(|every| row % every == every - 1)
}
