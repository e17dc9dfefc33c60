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
    /// The service said that it is about to close.
    pub draining: bool,
    /// Rows that had no answer when a stream ended before the last.
    pub unanswered: Vec<Range<u64>>,
    /// How the last stream ended; `None` if it did not.
    pub end: Option<Result<(), Failure>>,
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
            draining: false,
            unanswered: Vec::new(),
            end: None,
        }
    }

    /// The log for a check after the service has died: each time with these rows on their way,
    /// which may be there again. That streams have ended otherwise excuses nothing, since a
    /// service that lives recognises what comes again.
    #[must_use]
    pub fn died_with(self, unanswered: &[Range<u64>]) -> Self {
        Self { unanswered: unanswered.to_vec(), ..self }
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
