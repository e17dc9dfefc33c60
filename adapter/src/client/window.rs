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
    limits: Limits,
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

/// Batches that go again although the service may have written them already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repeated {
    /// How many.
    pub batches: u64,
    /// Their rows, of those batches whose rows were counted.
    pub rows: u64,
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

    pub(super) fn limits(&self) -> Limits {
        self.limits
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
        let schemas_max = self.limits.schemas_max;
        if self.schemas.len() as u64 >= u64::from(schemas_max) {
            return Err(Error::TooManySchemas { schemas_max });
        }
        self.schemas.push(columns);
        self.declared.push(false);
        Ok(SchemaId(self.schemas.len() as u32 - 1))
    }

    /// Takes a batch if there is room for it, within the credit or alone, and tells its number.
    /// Without room nothing is kept.
    pub(super) fn offer(&mut self, draft: &Draft) -> Result<Option<u64>, Error> {
        let entry = self.entry(self.next_sequence, draft)?;
        let fits = self.entries.len() < self.credit.batches as usize
            && self.bytes + entry.bytes <= self.credit.bytes;
        if !fits && !self.entries.is_empty() {
            return Ok(None);
        }
        self.bytes += entry.bytes;
        self.next_sequence += 1;
        self.entries.push_back(entry);
        Ok(Some(self.next_sequence - 1))
    }

    fn entry(&self, sequence: u64, draft: &Draft) -> Result<Entry, Error> {
        let Limits { message_bytes_max, batch_rows_max, position_bytes_max, .. } = self.limits;
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
                Message::Batch(entry.batch.clone())
            }
        };
        Some(WriteRequest { message: Some(message) })
    }

    /// A stream is open: it has seen nothing of the window. `unknown`: the service itself ended
    /// the stream before with the word that rows may be written. Tells what goes again and may be
    /// there already.
    pub(super) fn opened(
        &mut self,
        opened: &Opened,
        unknown: bool,
    ) -> Result<(Moved, Repeated), Error> {
        let resume_after = opened.resume_after;
        let first = self.next_sequence == 0;
        let known = !unknown && self.is_remembered(opened);
        let given = self.sent.checked_sub(1).map(|last| self.entries[last].batch.sequence);
        if first {
            self.next_sequence = resume_after + 1;
            self.durable_through = resume_after;
            self.durable_position = opened.position.clone().map(Bytes::from);
        } else if resume_after < self.durable_through {
            let durable_through = self.durable_through;
            return Err(Error::ProgressLost { resume_after, durable_through });
        }
        (self.sent, self.sent_bytes, self.gaps_expected) = (0, 0, 0);
        self.declared.fill(false);
        self.credit = opened.credit.unwrap_or_default();
        self.limits = opened.limits.unwrap_or(NO_LIMITS);
        let moved = self.durable(resume_after)?;
        let again = |entry: &&Entry| given.is_some_and(|last| entry.batch.sequence <= last);
        let mut repeated = Repeated::default();
        if !known {
            for entry in self.entries.iter().take_while(again) {
                repeated.batches += 1;
                repeated.rows += entry.rows;
            }
        }
        Ok((moved, repeated))
    }

    /// Whether the service proves that it remembers this writer: it goes on behind what it has
    /// said before, or knows the position that came with it. A service that does so has settled
    /// all that it had taken, so what goes again now never reached it. One that was restarted
    /// knows only the number that it was told with `Open`.
    fn is_remembered(&self, opened: &Opened) -> bool {
        let position = opened.position.as_deref();
        opened.resume_after > self.durable_through
            || (position.is_some() && position == self.durable_position.as_deref())
    }

    pub(super) fn acknowledged(&mut self, ack: &Ack) -> Result<Moved, Error> {
        if let Some(credit) = ack.credit {
            self.credit = credit;
        }
        self.durable(ack.durable_through)
    }

    fn durable(&mut self, through: u64) -> Result<Moved, Error> {
        let sent = self.next_sequence - 1;
        if through > sent {
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
        // Another stream may have had the refused batch accepted.
        self.refused.take_if(|refused| refused.sequence <= through);
        self.durable_through = through;
        Ok(Moved::Durable)
    }

    /// A batch is refused. Those behind it are not accepted either; they go again after the
    /// caller has decided. Tells the refusal if it is news.
    pub(super) fn refused_by_service(
        &mut self,
        refused: Refused,
    ) -> Result<Option<Arc<Refused>>, Error> {
        let index = refused.sequence.checked_sub(self.durable_through + 1).map(|i| i as usize);
        if self.gaps_expected > 0 && index.is_some_and(|index| index > self.sent) {
            self.gaps_expected -= 1;
            return Ok(None);
        }
        let Some(index) = index.filter(|index| *index < self.sent) else {
            let sequence = refused.sequence;
            return Err(Error::Protocol(format!("it refuses batch {sequence}, which is not sent")));
        };
        if refused.code == "SEQUENCE_GAP" {
            let Refused { sequence, expected_sequence, .. } = refused;
            return Err(Error::Protocol(format!(
                "it refuses batch {sequence} as a gap and expects {expected_sequence}"
            )));
        }
        self.gaps_expected += self.sent - index - 1;
        self.sent = index;
        self.sent_bytes = self.entries.range(..index).map(|entry| entry.bytes).sum();
        let refused = Arc::new(refused);
        self.refused = Some(refused.clone());
        Ok(Some(refused))
    }

    /// Gives the refused batch up: those behind it move up one number.
    pub(super) fn skip_refused(&mut self) -> Option<Arc<Refused>> {
        let refused = self.refused.take()?;
        let index = self.index_of(&refused);
        let entry = self.entries.remove(index).expect("a refused batch is in the window");
        self.bytes -= entry.bytes;
        for index in index..self.entries.len() {
            let mut batch = self.entries[index].batch.clone();
            batch.sequence -= 1;
            // The number may take a byte less on the wire.
            let moved = Entry::new(batch, self.entries[index].rows);
            self.bytes = self.bytes - self.entries[index].bytes + moved.bytes;
            self.entries[index] = moved;
        }
        self.next_sequence -= 1;
        Some(refused)
    }

    /// Puts other rows in the place of the refused ones, under the same number.
    pub(super) fn replace_refused(&mut self, draft: &Draft) -> Result<(), Error> {
        let Some(refused) = self.refused.clone() else { return Ok(()) };
        let replacement = self.entry(refused.sequence, draft)?;
        let index = self.index_of(&refused);
        self.bytes = self.bytes - self.entries[index].bytes + replacement.bytes;
        self.entries[index] = replacement;
        self.refused = None;
        Ok(())
    }

    fn index_of(&self, refused: &Refused) -> usize {
        (refused.sequence - self.durable_through - 1) as usize
    }
}
