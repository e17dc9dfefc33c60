//! One output: what happens to a batch between the stream and Kafka.
//!
//! decode → reserve → encode → route → submit, as one future that may be dropped at any await:
//! up to the last step nothing has left the service, and the last step does not wait.
mod fill;
mod large;
mod letters;
mod numbers;
mod refusal;
mod split;
mod tapped;

use std::{
    mem, slice,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use arrow_schema::SchemaRef;
use bytes::Bytes;
use serializers::{EncodeError, Encoder, Format, PlanError, Records};

pub use self::{
    fill::Fill,
    refusal::{BadRows, NAMED_ROWS_MAX, Refusal},
};
use self::{
    large::{aside, is_large, memory_bytes},
    letters::Origin,
    numbers::{encoded, named, offsets, totals},
};
use crate::{
    job::{ErrorPolicy, Guarantee, Packing},
    kafka::{
        Delivery, Encoded, Letters, Mark, Permit, RECORD_OVERHEAD_BYTES, Ticket, headers::Headers,
    },
    meter::{Passage, Stopwatch},
    partition::{Partitions, Rotor, Routes},
    rows::{BadRow, Carrier, Decoded, Decoder, SchemaError},
    tap::{Drawn, Taps},
    valve::Valve,
};

/// Rows of a batch, at most.
pub const BATCH_ROWS_MAX: u32 = 1_000_000;

/// An output as its streams see it. Copies of it share what it counts.
#[derive(Clone)]
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
    pub rotor: Arc<Rotor>,
    /// Where records go.
    pub kafka: Arc<dyn Delivery>,
    /// How rows share records.
    pub packing: Packing,
    /// Records tell the trace that their batch is part of.
    pub trace_headers: bool,
    /// Most bytes that a batch may have once it is encoded.
    pub encoded_bytes_max: usize,
    /// What an acknowledgement promises.
    pub guarantee: Guarantee,
    /// Rows that could not be encoded and were set aside since the start.
    pub rejected: Arc<AtomicU64>,
    /// What is counted and timed while rows pass.
    pub passage: Arc<Passage>,
    /// Whether they pass.
    pub valve: Valve,
    /// Those who look at records.
    pub taps: Arc<Taps>,
}

/// A schema, planned: how its batches are read and written.
pub struct Plan {
    decoder: Arc<Decoder>,
    encoder: Arc<Encoder>,
    /// Room that a KiB of a message took, lately.
    room_per_kib: AtomicU64,
    /// Bytes of records, before a compression of their own, that a KiB of a message became, lately.
    bytes_per_kib: AtomicU64,
}

/// Room that a KiB of a message takes while nothing is known: 1,000 rows of the flights table are
/// 152 KB as Arrow IPC and take 556 KB of room as JSON.
const ROOM_PER_KIB: u64 = 4 * 1024;

/// Bytes of records of a KiB of a message while nothing is known: those rows are 306 KB as JSON.
const BYTES_PER_KIB: u64 = 2 * 1024;

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

/// A batch whose rows were read and have room.
pub struct Read {
    decoded: Decoded,
    /// How long that took.
    decode_time: Duration,
    wire_bytes: u64,
    /// Room that they will take as records.
    room_bytes: u64,
    /// Bytes that they will be as records, before a compression of their own.
    bytes: u64,
    room: Permit,
    /// As they came, where bad rows become dead letters or records are split.
    origin: Option<Origin>,
}

impl Read {
    /// As it waits it takes memory as it is now, which may be much more than it says.
    fn hold(&mut self) {
        let bytes = memory_bytes(&self.decoded.batch);
        self.room.resize(self.room_bytes.max(self.wire_bytes).max(bytes));
    }
}

/// Batches that are on their way to Kafka together.
pub struct Accepted {
    /// Their outcome. Rows in it are numbered through all that came with these batches.
    pub ticket: Ticket,
    /// Rows that the error policy set aside, of each batch.
    pub aside: Vec<BadRows>,
    /// The number of the first row of each batch.
    pub offsets: Vec<u32>,
    /// How many records they are.
    pub records: u32,
}

impl Accepted {
    /// Takes the rows that were set aside of the one batch.
    pub fn only_aside(&mut self) -> BadRows {
        mem::take(&mut self.aside[0])
    }
}

/// Batches that were encoded, and the rows of each that were set aside.
struct Encodable {
    encoded: Encoded,
    /// Bad rows of each, as many as have names.
    bad: Vec<Vec<BadRow>>,
    aside: Vec<BadRows>,
    /// Of all records, before a compression of their own.
    bytes: u64,
}

/// Why batches cannot go together: the batch from which on, and what is wrong with the first.
struct Misfit {
    batch: usize,
    refusal: Refusal,
}

impl Plan {
    /// Plans a schema for an output.
    ///
    /// # Errors
    /// Names the column and its type.
    pub fn compile(schema: SchemaRef, format: &Format) -> Result<Self, PlanFault> {
        // The decoder first: it bounds how many fields there are and how long their names.
        let decoder = Decoder::compile(schema)?;
        let encoder = Arc::new(Encoder::compile(format, decoder.schema())?);
        let room_per_kib = AtomicU64::new(ROOM_PER_KIB);
        let bytes_per_kib = AtomicU64::new(BYTES_PER_KIB);
        let decoder = Arc::new(decoder);
        Ok(Self { decoder, encoder, room_per_kib, bytes_per_kib })
    }

    /// The schema of the records as JSON and its fingerprint, if they are Avro.
    pub fn avro_schema(&self) -> Option<(&str, u64)> {
        Some((self.encoder.avro_schema()?, self.encoder.avro_fingerprint()?))
    }

    /// Room and bytes of records that a message of so many bytes will be, as the last one was.
    fn estimate(&self, wire_bytes: u64) -> (u64, u64) {
        let of = |per_kib: &AtomicU64| wire_bytes * per_kib.load(Ordering::Relaxed) / 1024;
        (of(&self.room_per_kib), of(&self.bytes_per_kib))
    }

    fn learn(&self, wire_bytes: u64, room: u64, bytes: u64) {
        let per_kib = |what: u64| what * 1024 / wire_bytes.max(1);
        self.room_per_kib.store(per_kib(room), Ordering::Relaxed);
        self.bytes_per_kib.store(per_kib(bytes), Ordering::Relaxed);
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
        mark: Mark,
        headers: Option<Arc<Headers>>,
    ) -> Result<Accepted, Refusal> {
        let batch = self.read(plan, carrier, rows).await?;
        self.send(plan, vec![batch], vec![mark], headers).await
    }

    /// Waits for room and reads the rows of a batch. Cancel safe.
    ///
    /// # Errors
    /// What is wrong with the batch.
    pub async fn read(&self, plan: &Plan, carrier: Carrier, rows: &Bytes) -> Result<Read, Refusal> {
        let limits = crate::rows::Limits {
            rows_max: BATCH_ROWS_MAX as usize,
            bytes_max: self.encoded_bytes_max,
        };
        // Room first, for what comes out of it: nothing is decoded beyond the budget. The true size
        // is known after encoding, and there is no waiting until then.
        let wire_bytes = rows.len() as u64;
        let (room_bytes, bytes) = plan.estimate(wire_bytes);
        let room = self.kafka.share().reserve(room_bytes.max(wire_bytes));
        let room = self.passage.held_up(room, || self.tell_full()).await;
        let decode = || match self.names_all() {
            true => plan.decoder.decode_naming_all(carrier, rows, &limits),
            false => plan.decoder.decode(carrier, rows, &limits),
        };
        let watch = Stopwatch::start();
        let decoded = aside(is_large(wire_bytes), decode).map_err(|e| Refusal::of_decode(&e))?;
        let decode_time = watch.time();
        let origin = (self.names_all() || self.splits()).then(|| {
            let (decoder, bytes) = (plan.decoder.clone(), rows.clone());
            Origin { decoder, carrier, bytes }
        });
        let mut read = Read { decoded, decode_time, wire_bytes, room_bytes, bytes, room, origin };
        if !self.packing.time.is_zero() {
            read.hold();
        }
        // Rows that cannot be read refuse the batch now, with those that cannot be written.
        let is_bad = read.decoded.rejected_total > 0 && self.error_policy == ErrorPolicy::Stop;
        match is_bad.then(|| self.encode(plan, slice::from_ref(&read))) {
            Some(Err(Misfit { refusal, .. })) => Err(refusal),
            _ => Ok(read),
        }
    }

    /// Says that batches wait for room, while they do.
    fn tell_full(&self) {
        if self.passage.is_full_news() {
            let (output, share) = (&self.alias, self.kafka.share());
            let (waiting, used_bytes) = (share.waiting(), share.used_bytes());
            let code = "MEMORY_FULL";
            tracing::warn!(
                output,
                code,
                waiting,
                used_bytes,
                "batches wait for room in the memory budget: Kafka takes rows more slowly than they \
                 come. If that stays, look at the brokers, or raise `memory`"
            );
        }
    }

    /// Bad rows become dead letters, so each of them has a name.
    fn names_all(&self) -> bool {
        self.error_policy == ErrorPolicy::DeadLetter
    }

    /// Records that the topic does not take whole are made of fewer rows.
    fn splits(&self) -> bool {
        self.packing.limits.rows_max > 1 && !self.packing.limits.whole
    }

    /// Brings batches on their way, their rows packed into records that they share: as many of the
    /// first as can go together. Each has its mark. Cancel safe: dropped while it waits, nothing is
    /// written.
    ///
    /// # Errors
    /// What is wrong with the first batch; nothing of any is written.
    pub async fn send(
        &self,
        plan: &Plan,
        mut batches: Vec<Read>,
        mut marks: Vec<Mark>,
        headers: Option<Arc<Headers>>,
    ) -> Result<Accepted, Refusal> {
        if self.kafka.partitions().borrow().is_none() {
            // Nobody knows yet how long a record may be. What else is wrong is told now.
            self.encode_first(plan, &mut batches)?;
            batches.iter_mut().for_each(Read::hold);
            let known = self.kafka.partitions().wait_for(Option::is_some).await.is_ok();
            if !known {
                gone().await;
            }
        }
        let watch = Stopwatch::start();
        let Encodable { mut encoded, bad, aside, bytes } = self.encode_first(plan, &mut batches)?;
        self.note_encoded(&batches, watch.time(), bytes);
        let wire_bytes: u64 = batches.iter().map(|batch| batch.wire_bytes).sum();
        let offsets: Vec<u32> = offsets(&batches).collect();
        let origins: Vec<_> = batches.iter_mut().map(|batch| batch.origin.take()).collect();
        if self.splits() && !encoded.rows.ends.is_empty() {
            encoded.split = Some(split::split(self, plan, origins.clone(), offsets.clone()));
        }
        let letters = match self.names_all() {
            true => {
                let write = || letters::letters(self, origins, &marks, &offsets, bad);
                self::aside(is_large(wire_bytes), write)
            }
            false => Letters::default(),
        };
        let drawn = tapped::draw(&self.taps, plan, &encoded, &batches, &marks, &offsets);
        let mut rooms = batches.into_iter().map(|batch| batch.room);
        let mut room = rooms.next().expect("there is a batch");
        let of_headers = headers.as_ref().map_or(0, |headers| headers.memory_bytes());
        let of_each = RECORD_OVERHEAD_BYTES + of_headers;
        let size = encoded.bytes.len() as u64 + encoded.ends.len() as u64 * of_each;
        encoded.headers = headers;
        plan.learn(wire_bytes, size, bytes);
        room.resize(size + letters.room_bytes());
        rooms.for_each(drop);
        let mark = marks.swap_remove(aside.len() - 1);
        let records = encoded.ends.len() as u32;
        let ticket = self.submit(encoded, room, mark, letters, drawn).await;
        let rejected = aside.iter().map(|bad| bad.total).sum();
        self.rejected.fetch_add(rejected, Ordering::Relaxed);
        Ok(Accepted { ticket, aside, offsets, records })
    }

    /// Counts batches that were encoded together.
    fn note_encoded(&self, batches: &[Read], mut time: Duration, bytes: u64) {
        for Read { decoded, decode_time, wire_bytes, .. } in batches {
            time += *decode_time;
            self.passage.rows.inc_by(decoded.rows_total as u64);
            self.passage.bytes_received.inc_by(*wire_bytes);
        }
        self.passage.bytes_encoded.inc_by(bytes);
        self.passage.encode.observe(time.as_secs_f64());
    }

    /// Encodes as many of the first batches as can go together, and leaves the others out.
    fn encode_first(&self, plan: &Plan, batches: &mut Vec<Read>) -> Result<Encodable, Refusal> {
        loop {
            match self.encode(plan, batches) {
                Ok(records) => return Ok(records),
                // What is behind the fault is looked at again when its turn comes.
                Err(Misfit { batch: 0, refusal }) => return Err(refusal),
                Err(Misfit { batch, .. }) => batches.truncate(batch),
            }
        }
    }

    /// Encodes batches together.
    fn encode(&self, plan: &Plan, batches: &[Read]) -> Result<Encodable, Misfit> {
        let limits = serializers::Limits {
            record_bytes_max: self.kafka.record_bytes_max(),
            batch_bytes_max: self.encoded_bytes_max,
        };
        let tables: Vec<_> = batches.iter().map(|batch| batch.decoded.batch.clone()).collect();
        let large = is_large(batches.iter().map(|batch| batch.wire_bytes).sum());
        let mut records = if self.names_all() { Records::naming_all() } else { Records::new() };
        let encode =
            || plan.encoder.encode_all(&tables, self.packing.limits, &limits, &mut records);
        aside(large, encode).map_err(|error| {
            // Half of them may fit.
            let too_large = matches!(error, EncodeError::BatchTooLarge { .. });
            let batch = if too_large { batches.len() / 2 } else { 0 };
            Misfit { batch, refusal: Refusal::of_encode(&error) }
        })?;
        let ends = tables.iter().scan(0, |end, table| {
            *end += table.num_rows() as u32;
            Some(*end)
        });
        let ends: Vec<u32> = ends.collect();
        let bad = named(batches, &ends, &records);
        let totals = totals(batches, &ends, &records);
        let mut aside: Vec<_> =
            bad.iter().zip(totals).map(|(bad, total)| BadRows::new(bad, total)).collect();
        let first = aside.iter().position(|bad| bad.total > 0);
        if let Some(batch) = first.filter(|_| self.error_policy == ErrorPolicy::Stop) {
            return Err(Misfit { batch, refusal: Refusal::of_rows(aside.swap_remove(batch)) });
        }
        let bytes = records.plain_bytes() as u64;
        Ok(Encodable { encoded: encoded(records, batches, &ends), bad, aside, bytes })
    }

    /// Waits until some partition has a leader, then routes and submits without waiting.
    async fn submit(
        &self,
        encoded: Encoded,
        room: Permit,
        mark: Mark,
        letters: Letters,
        drawn: Drawn,
    ) -> Ticket {
        let count = encoded.ends.len() as u32;
        let mut partitions = self.kafka.partitions();
        loop {
            // A pause is no back-pressure: nothing is too slow.
            self.valve.passes().await;
            // From here to the hand-over nothing waits, so that nothing passes a valve that is shut.
            if count == 0 {
                return self.kafka.submit(encoded, Routes::default(), room, mark, letters);
            }
            let known: Option<Arc<Partitions>> = partitions.borrow_and_update().clone();
            let now = Instant::now();
            let routes = known.map(|known| match encoded.rows.ends.is_empty() {
                true => self.rotor.assign(&known, count, now),
                false => self.rotor.assign_packed(&known, encoded.rows.counts(), now),
            });
            if let Some(Ok(routes)) = routes {
                drawn.show(&encoded, &routes);
                return self.kafka.submit(encoded, routes, room, mark, letters);
            }
            // Why there is no leader is told by whoever looks for one.
            if self.passage.held_up(partitions.changed(), || {}).await.is_err() {
                gone().await;
            }
        }
    }
}

/// The sink is gone, and the process with it: a batch stays without an answer, and the end of the
/// stream says so.
async fn gone() {
    std::future::pending::<()>().await;
}
