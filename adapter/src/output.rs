//! One output: what happens to a batch between the stream and Kafka.
//!
//! decode → reserve → encode → route → submit, as one future that may be dropped at any await:
//! up to the last step nothing has left the service, and the last step does not wait.
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use arrow_schema::SchemaRef;
use bytes::Bytes;
use serializers::{EncodeError, Encoder, Format, PlanError, Records};

use crate::{
    job::ErrorPolicy,
    kafka::{Cause, Delivery, Encoded, Permit, RECORD_OVERHEAD_BYTES, Ticket},
    partition::{Partitions, Rotor, Routes},
    rows::{BadRow, Carrier, DecodeError, Decoder, SchemaError},
    writers::POSITION_BYTES_MAX,
};

/// Rows of a batch, at most.
pub const BATCH_ROWS_MAX: u32 = 1_000_000;

/// Bad rows that an answer names.
pub const NAMED_ROWS_MAX: usize = 100;

/// Batches from this size on are worked on aside, so that they do not hold up other streams.
const LARGE_BATCH_BYTES: usize = 256 * 1024;

/// An output as its streams see it.
pub struct Output {
    /// The alias in the job file.
    pub alias: String,
    /// The topic.
    pub topic: String,
    /// How rows are written.
    pub format: Format,
    /// What becomes of rows that cannot be written.
    pub error_policy: ErrorPolicy,
    /// Deals out partitions.
    pub rotor: Rotor,
    /// Where records go.
    pub kafka: Arc<dyn Delivery>,
    /// Most bytes that a batch may have once it is encoded.
    pub encoded_bytes_max: usize,
    /// `acks` is all: what is acknowledged is stored by every in-sync replica.
    pub acknowledged_by_all: bool,
    /// Rows that could not be encoded and were set aside since the start.
    pub rejected: AtomicU64,
}

/// A schema, planned: how its batches are read and written.
pub struct Plan {
    decoder: Decoder,
    encoder: Encoder,
    /// Room that a KiB of a message took, lately.
    room_per_kib: AtomicU64,
}

/// Room that a KiB of a message takes while nothing is known: 1,000 rows of the flights table are
/// 152 KB as Arrow IPC and take 556 KB of room as JSON.
const ROOM_PER_KIB: u64 = 4 * 1024;

/// Why a schema cannot be planned.
#[derive(Debug, thiserror::Error)]
pub enum PlanFault {
    /// Its types cannot be read.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// Its types cannot be written in the output's format.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

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

/// A batch that is on its way to Kafka.
pub struct Accepted {
    /// Its outcome.
    pub ticket: Ticket,
    /// Rows that the error policy set aside.
    pub aside: BadRows,
}

/// Bad rows of one batch, whoever found them: the first in its order are named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BadRows {
    /// At most [`NAMED_ROWS_MAX`].
    pub named: Vec<BadRow>,
    /// How many there are.
    pub total: u64,
}

impl Plan {
    /// Plans a schema for an output.
    ///
    /// # Errors
    /// Names the column and its type.
    pub fn compile(schema: SchemaRef, format: &Format) -> Result<Self, PlanFault> {
        // The decoder first: it bounds how many fields there are and how long their names.
        let decoder = Decoder::compile(schema)?;
        let encoder = Encoder::compile(format, decoder.schema())?;
        Ok(Self { decoder, encoder, room_per_kib: AtomicU64::new(ROOM_PER_KIB) })
    }

    /// Room that a message of so many bytes will take, as the last one did.
    fn estimate(&self, wire_bytes: u64) -> u64 {
        (wire_bytes * self.room_per_kib.load(Ordering::Relaxed) / 1024).max(wire_bytes)
    }

    fn learn(&self, wire_bytes: u64, room: u64) {
        self.room_per_kib.store(room * 1024 / wire_bytes.max(1), Ordering::Relaxed);
    }
}

impl Output {
    /// Brings one batch on its way. Cancel safe: dropped while it waits, nothing is written.
    ///
    /// # Errors
    /// What is wrong with the batch; nothing of it is written.
    pub async fn accept(
        &self,
        plan: &Plan,
        carrier: Carrier,
        rows: &Bytes,
    ) -> Result<Accepted, Refusal> {
        let limits = crate::rows::Limits {
            rows_max: BATCH_ROWS_MAX as usize,
            bytes_max: self.encoded_bytes_max,
        };
        // Room first, for what comes out of it: nothing is decoded beyond the budget. The true size
        // is known after encoding, and there is no waiting until then.
        let mut room = self.kafka.share().reserve(plan.estimate(rows.len() as u64)).await;
        let large = rows.len() >= LARGE_BATCH_BYTES;
        let decode = || plan.decoder.decode(carrier, rows, &limits);
        let decoded = aside(large, decode).map_err(|error| Refusal::of_decode(&error))?;
        let mut records = Records::new();
        let limits = serializers::Limits {
            record_bytes_max: self.kafka.record_bytes_max(),
            batch_bytes_max: self.encoded_bytes_max,
        };
        aside(large, || plan.encoder.encode(&decoded.batch, &limits, &mut records))
            .map_err(|error| Refusal::of_encode(&error))?;
        let mut bad = BadRows { named: decoded.rejected, total: decoded.rejected_total as u64 };
        bad.add_unencodable(&records, decoded.row_map.as_deref());
        if bad.total > 0 && self.error_policy == ErrorPolicy::Stop {
            return Err(Refusal::of_rows(bad));
        }
        let encoded = encoded(records, decoded.row_map.as_deref());
        drop(decoded.batch);
        let size = encoded.bytes.len() as u64 + encoded.ends.len() as u64 * RECORD_OVERHEAD_BYTES;
        plan.learn(rows.len() as u64, size);
        room.resize(size);

        let ticket = self.send(encoded, room).await;
        self.rejected.fetch_add(bad.total, Ordering::Relaxed);
        Ok(Accepted { ticket, aside: bad })
    }

    /// Waits until some partition has a leader, then routes and submits without waiting.
    async fn send(&self, encoded: Encoded, room: Permit) -> Ticket {
        let count = encoded.ends.len() as u32;
        if count == 0 {
            return self.kafka.submit(encoded, Routes::default(), room);
        }
        let mut partitions = self.kafka.partitions();
        loop {
            let known: Option<Arc<Partitions>> = partitions.borrow_and_update().clone();
            let routes = known.map(|known| self.rotor.assign(&known, count, Instant::now()));
            if let Some(Ok(routes)) = routes {
                return self.kafka.submit(encoded, routes, room);
            }
            if partitions.changed().await.is_err() {
                // The sink is gone, and the process with it: this batch stays without an answer,
                // and the end of the stream says so.
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Runs work that takes long where it holds up nobody, if this runtime can do so.
fn aside<T>(large: bool, work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    if large && Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread {
        tokio::task::block_in_place(work)
    } else {
        work()
    }
}

/// Encoded records with the rows of the message that they are made of.
fn encoded(records: Records, row_map: Option<&[u32]>) -> Encoded {
    let identity = records.rejected_total() == 0;
    let count = records.len() as u32;
    let rows = match (row_map, identity) {
        (None, true) => None,
        (None, false) => Some((0..count).map(|record| records.row_of(record as usize)).collect()),
        (Some(map), _) => {
            Some((0..count).map(|record| map[records.row_of(record as usize) as usize]).collect())
        }
    };
    let (bytes, ends, _) = records.into_parts();
    Encoded { bytes, ends, rows }
}

impl BadRows {
    /// Rows that the encoder left out.
    fn add_unencodable(&mut self, records: &Records, row_map: Option<&[u32]>) {
        let rows = records.rejected().iter().map(|error| BadRow {
            row: row_map.map_or(error.row, |map| map[error.row as usize]),
            column: error.column.clone(),
            code: error.code.as_str(),
            reason: error.reason.clone(),
        });
        self.add(rows, records.rejected_total() as u64);
    }

    /// Rows that the broker refused for good.
    pub fn add_refused(&mut self, refused: Vec<(u32, Cause)>) {
        let total = refused.len() as u64;
        let rows = refused.into_iter().map(|(row, cause)| BadRow {
            row,
            column: String::new(),
            code: cause.code,
            reason: cause.text,
        });
        self.add(rows, total);
    }

    fn add(&mut self, rows: impl Iterator<Item = BadRow>, total: u64) {
        self.total += total;
        self.named.extend(rows);
        self.named.sort_by_key(|bad| bad.row);
        self.named.truncate(NAMED_ROWS_MAX);
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

    fn of_decode(error: &DecodeError) -> Self {
        Self::new(error.code(), error.to_string())
    }

    fn of_encode(error: &EncodeError) -> Self {
        let code = match error {
            EncodeError::BatchTooLarge { .. } => "BATCH_TOO_LARGE",
            EncodeError::SchemaMismatch { .. } => "BAD_CARRIER",
        };
        Self::new(code, error.to_string())
    }

    fn of_rows(bad: BadRows) -> Self {
        let reason = format!(
            "{} of the batch's rows cannot be written and the output's errorPolicy is Stop: \
             nothing of the batch is written; mend the rows and send the same sequence again",
            bad.total
        );
        Self { code: "BAD_ROWS", reason, rows: bad }
    }
}
