//! What is not yet durable, and what of it this stream has seen. Pure: no I/O, no clock.
//!
//! The window is the one place that knows the rules of sequences. Its entries are in order:
//!
//! ```text
//!   durable │ sent on this stream │ not sent on this stream │ the caller's next
//!           └ entries[..sent]     └ entries[sent..]         └ next_sequence
//! ```
//!
//! A reconnect moves `sent` to 0, a refusal moves it back to the refused batch, an
//! acknowledgement takes entries away from the front.
mod refusal;

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use prost::Message as _;
use proto::v1::{
    Ack, Batch, Credit, Limits, Opened, Refused, Schema, WriteRequest, schema::Columns,
    write_request::Message,
};

use super::{Error, Rows};

/// A batch that is not durable yet. It is kept as it goes out: what is sent again is the same.
#[derive(Debug)]
struct Entry {
    batch: Batch,
    /// Size of its `WriteRequest`, the measure of the credit.
    bytes: u64,
    /// Its rows, where they were counted.
    rows: u64,
}

impl Entry {
    fn new(batch: Batch, rows: u64) -> Self {
        let body = batch.encoded_len();
        let bytes = 1 + prost::length_delimiter_len(body) + body; // the tag of field 3 is one byte
        Self { batch, bytes: bytes as u64, rows }
    }
}

/// The unacknowledged batches of a writer, its schemas, and the credit.
#[derive(Debug, Default)]
pub(super) struct Window {
    entries: VecDeque<Entry>,
    /// The highest sequence that any stream was given with the rows that it has now.
    given_through: u64,
    /// Batches up to here may be written already: what is offered under these numbers repeats.
    maybe_written_through: u64,
    /// How many entries, from the front, this stream has been given.
    sent: usize,
    /// Their bytes.
    sent_bytes: u64,
    /// Bytes of all entries.
    bytes: u64,
    next_sequence: u64,
    durable_through: u64,
    durable_position: Option<Bytes>,
    credit: Credit,
    /// None before the first stream is open.
    limits: Option<Limits>,
    schemas: Vec<Columns>,
    /// Which schemas this stream has been told.
    declared: Vec<bool>,
    /// The refusal that waits for the caller's decision.
    refused: Option<Arc<Refused>>,
    /// Batches that were in flight behind a refused one: each is answered as a gap, and until
    /// then a new transmission of it could not be told from the old one.
    gaps_expected: usize,
}

/// What a caller hands over: a batch without its number.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) schema: SchemaId,
    pub(super) rows: Rows,
    pub(super) position: Option<Bytes>,
    pub(super) timeout: Option<prost_types::Duration>,
}

/// Names a schema of one writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchemaId(u32);

/// For a service that tells none.
const NO_LIMITS: Limits = Limits {
    message_bytes_max: u64::MAX,
    batch_rows_max: u32::MAX,
    position_bytes_max: u32::MAX,
    schemas_max: u32::MAX,
    record_bytes_max: u64::MAX,
};

/// So many batches, and the rows in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many batches.
    pub batches: u64,
    /// Their rows, of those batches whose rows were counted.
    pub rows: u64,
}

impl Tally {
    pub(super) fn add(&mut self, more: Self) {
        self.batches += more.batches;
        self.rows += more.rows;
    }

    fn count<'a>(entries: impl Iterator<Item = &'a Entry>) -> Self {
        let mut tally = Self::default();
        entries.for_each(|entry| tally.add(Self { batches: 1, rows: entry.rows }));
        tally
    }
}

/// A batch that was taken into the window.
#[derive(Debug)]
pub(super) struct Offered {
    pub(super) sequence: u64,
    /// What of it may be written already.
    pub(super) repeated: Tally,
}

/// What an answer changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Moved {
    /// Nothing.
    No,
    /// More is durable.
    Durable,
}

impl Window {
    pub(super) fn durable_through(&self) -> u64 {
        self.durable_through
    }

    pub(super) fn durable_position(&self) -> Option<Bytes> {
        self.durable_position.clone()
    }

    pub(super) fn limits(&self) -> Option<Limits> {
        self.limits
    }

    /// Batches that a stream was given and that are not durable: they may or may not be written.
    pub(super) fn unsettled(&self) -> Tally {
        let given = |entry: &&Entry| entry.batch.sequence <= self.given_through;
        Tally::count(self.entries.iter().take_while(given))
    }

    /// Batches, and bytes of their messages, that are not durable.
    pub(super) fn unacknowledged(&self) -> (usize, u64) {
        (self.entries.len(), self.bytes)
    }

    /// Batches that this stream has been given and not answered.
    pub(super) fn in_flight(&self) -> usize {
        self.sent + self.gaps_expected
    }

    /// Nothing moves without the caller: all is durable, or a refused batch is next.
    pub(super) fn at_rest(&self) -> bool {
        match (self.entries.front(), &self.refused) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(first), Some(refused)) => first.batch.sequence >= refused.sequence,
        }
    }

    pub(super) fn refused(&self) -> Option<Arc<Refused>> {
        self.refused.clone()
    }

    /// Keeps a schema under an id of its own: the same columns get the same id, and an id never
    /// changes its meaning, so a batch can be sent again whenever.
    pub(super) fn schema(&mut self, columns: Columns) -> Result<SchemaId, Error> {
        if let Some(id) = self.schemas.iter().position(|known| *known == columns) {
            return Ok(SchemaId(id as u32));
        }
        let schemas_max = self.limits.map_or(u32::MAX, |limits| limits.schemas_max);
        if self.schemas.len() as u64 >= u64::from(schemas_max) {
            return Err(Error::TooManySchemas { schemas_max });
        }
        self.schemas.push(columns);
        self.declared.push(false);
        Ok(SchemaId(self.schemas.len() as u32 - 1))
    }

    /// Takes a batch if there is room for it, within the credit or alone, and tells its number.
    /// Without room nothing is kept.
    pub(super) fn offer(&mut self, draft: &Draft) -> Result<Option<Offered>, Error> {
        let entry = self.entry(self.next_sequence, draft)?;
        let fits = self.entries.len() < self.credit.batches as usize
            && self.bytes + entry.bytes <= self.credit.bytes;
        if !fits && !self.entries.is_empty() {
            return Ok(None);
        }
        let sequence = self.next_sequence;
        let repeats = sequence <= self.maybe_written_through;
        let repeated = Tally::count(repeats.then_some(&entry).into_iter());
        self.bytes += entry.bytes;
        self.next_sequence += 1;
        self.entries.push_back(entry);
        Ok(Some(Offered { sequence, repeated }))
    }

    fn entry(&self, sequence: u64, draft: &Draft) -> Result<Entry, Error> {
        let limits = self.limits.unwrap_or(NO_LIMITS);
        let Limits { message_bytes_max, batch_rows_max, position_bytes_max, .. } = limits;
        if let Some(rows) = draft.rows.count.filter(|rows| *rows > u64::from(batch_rows_max)) {
            return Err(Error::TooManyRows { rows, rows_max: batch_rows_max });
        }
        let position_bytes = draft.position.as_ref().map_or(0, Bytes::len) as u64;
        if position_bytes > u64::from(position_bytes_max) {
            let bytes_max = position_bytes_max;
            return Err(Error::PositionTooLong { bytes: position_bytes, bytes_max });
        }
        let batch = Batch {
            sequence,
            schema_id: draft.schema.0,
            rows: Some(draft.rows.carrier.clone()),
            position: draft.position.clone(),
            timeout: draft.timeout,
            ..Batch::default()
        };
        let entry = Entry::new(batch, draft.rows.count.unwrap_or(0));
        if entry.bytes > message_bytes_max {
            return Err(Error::BatchTooLarge { bytes: entry.bytes, bytes_max: message_bytes_max });
        }
        Ok(entry)
    }

    /// Is there something that this stream may be given now?
    pub(super) fn may_send(&self) -> bool {
        let Some(next) = self.entries.get(self.sent) else { return false };
        // What is before a refused batch goes (again, on a new stream); what is behind it waits.
        let behind = |refused: &Arc<Refused>| next.batch.sequence >= refused.sequence;
        if self.gaps_expected > 0 || self.refused.as_ref().is_some_and(behind) {
            return false;
        }
        // Batches of a stream before may exceed a smaller credit of this one: they go by and by.
        self.sent == 0
            || (self.sent < self.credit.batches as usize
                && self.sent_bytes + next.bytes <= self.credit.bytes)
    }

    /// The next request of this stream: a batch, or first the schema it needs.
    pub(super) fn next_to_send(&mut self) -> Option<WriteRequest> {
        if !self.may_send() {
            return None;
        }
        let entry = &self.entries[self.sent];
        let id = entry.batch.schema_id;
        let message = match self.declared.get_mut(id as usize) {
            Some(declared) if !*declared => {
                *declared = true;
                Message::Schema(Schema { id, columns: Some(self.schemas[id as usize].clone()) })
            }
            _ => {
                self.sent += 1;
                self.sent_bytes += entry.bytes;
                self.given_through = self.given_through.max(entry.batch.sequence);
                Message::Batch(entry.batch.clone())
            }
        };
        Some(WriteRequest { message: Some(message) })
    }

    /// A stream is open: it has seen nothing of the window. Tells what goes again and may be there
    /// already.
    pub(super) fn opened(&mut self, opened: &Opened) -> Result<(Moved, Tally), Error> {
        let Opened { resume_after, maybe_written_through, .. } = *opened;
        let first = self.next_sequence == 0;
        if first {
            self.next_sequence = resume_after + 1;
            self.durable_through = resume_after;
            self.given_through = resume_after;
            self.durable_position = opened.position.clone().map(Bytes::from);
        } else if resume_after < self.durable_through {
            let durable_through = self.durable_through;
            return Err(Error::ProgressLost { resume_after, durable_through });
        } else {
            self.check_own(opened)?;
        }
        (self.sent, self.sent_bytes, self.gaps_expected) = (0, 0, 0);
        self.declared.fill(false);
        self.credit = opened.credit.unwrap_or_default();
        self.limits = Some(opened.limits.unwrap_or(NO_LIMITS));
        let moved = self.durable(resume_after)?;
        // A service that does not remember this writer may have written all that it was given.
        let again_through = maybe_written_through.unwrap_or(u64::MAX).min(self.given_through);
        let again = |entry: &&Entry| entry.batch.sequence <= again_through;
        let repeated = Tally::count(self.entries.iter().take_while(again));
        self.maybe_written_through = maybe_written_through.unwrap_or(0);
        self.refuse_oversized();
        Ok((moved, repeated))
    }

    /// The service goes on behind what it has acknowledged here, so it speaks of a batch whose
    /// acknowledgement was lost. A batch that was never given, or another position than that of
    /// ours, is another sender's, and ours under this number are not written.
    fn check_own(&self, opened: &Opened) -> Result<(), Error> {
        let sequence = opened.resume_after;
        let Some(ahead) = sequence.checked_sub(self.durable_through + 1) else { return Ok(()) };
        let entry = self.entries.get(ahead as usize).filter(|_| sequence <= self.given_through);
        match entry {
            Some(entry) if entry.batch.position.as_deref() == opened.position.as_deref() => Ok(()),
            _ => Err(Error::ForeignProgress { sequence, sent: self.given_through }),
        }
    }

    pub(super) fn acknowledged(&mut self, ack: &Ack) -> Result<Moved, Error> {
        if let Some(credit) = ack.credit {
            self.credit = credit;
        }
        self.durable(ack.durable_through)
    }

    fn durable(&mut self, through: u64) -> Result<Moved, Error> {
        if through > self.given_through {
            let sent = self.given_through;
            return Err(Error::ForeignProgress { sequence: through, sent });
        }
        if through <= self.durable_through {
            return Ok(Moved::No);
        }
        while self.entries.front().is_some_and(|entry| entry.batch.sequence <= through) {
            let entry = self.entries.pop_front().expect("looked at above");
            self.bytes -= entry.bytes;
            if self.sent > 0 {
                self.sent -= 1;
                self.sent_bytes -= entry.bytes;
            }
            self.durable_position = entry.batch.position;
        }
        self.durable_through = through;
        Ok(Moved::Durable)
    }
}
