//! One `Write` stream, from `Open` to its end: the rules of the contract.
//!
//! A session is one task that waits for one closed set of events ([`Event`]) and acts on each
//! without waiting. It outlives its client: records on their way settle and move the writer on,
//! whether anybody reads the answer or not, and only then does the lease pass to the next stream.
mod flight;
mod pack;
mod time;
mod trace;
mod work;

use std::{
    collections::{HashMap, VecDeque},
    pin::Pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use prost::Message as _;
use proto::v1::{
    self, Batch, WriteRequest, write_request::Message as In, write_response::Message as Out,
};
use tokio::time::Instant;
use tokio_stream::{Stream, StreamExt};
use tonic::Status;

use self::{
    flight::{InFlight, settle},
    pack::Pack,
    trace::Trace,
    work::{Step, Taken, Work},
};
use super::{
    convert::{SchemaFault, carrier, credit, guarantee, is_too_large, plan, rejected},
    error::CallError,
    outbox::Outbox,
    served::Ending,
    standing::Standing,
};
use crate::{
    credit::{CREDIT_BATCHES, Credit},
    kafka::Outcome,
    keeper::Asking,
    meter::Passage,
    output::{BATCH_ROWS_MAX, Output, Plan, Refusal},
    rows::Carrier,
    traces::{self, Tracer},
    writers::{Lease, POSITION_BYTES_MAX, Resume},
};

/// How long the end of a stream waits until it is stored how far its writer has come.
const KEEP_MAX: Duration = Duration::from_secs(1);

/// Schemas that a stream may declare.
pub const SCHEMAS_MAX: u32 = 64;

/// What the engine and the job say about a stream.
pub struct Terms {
    /// The output.
    pub output: Arc<Output>,
    /// Stores how far its writers have come, if that is not stored with the rows.
    pub keeper: Option<Asking>,
    /// The position of what the engine knows to be durable.
    pub acknowledged_position: Option<Bytes>,
    /// Between words of the service on a quiet stream.
    pub heartbeat: Duration,
    /// The engine promised heartbeats.
    pub client_beats: bool,
    /// The largest message.
    pub message_bytes_max: u64,
    /// What its connection has earned.
    pub connection: Arc<Standing>,
    /// What the stream is part of.
    pub trace: traces::Context,
    /// Makes the spans of its batches.
    pub tracer: Tracer,
}

/// A stream that is open.
pub struct Session<I> {
    terms: Terms,
    lease: Lease,
    credit: Credit,
    outbox: Outbox,
    /// The engine's messages; `None` when no more are read.
    incoming: Option<I>,
    schemas: HashMap<u32, Planned>,
    pending: VecDeque<Pending>,
    work: Option<Work>,
    pack: Pack,
    in_flight: VecDeque<InFlight>,
    unacknowledged_batches: u32,
    unacknowledged_bytes: u64,
    /// Of the largest batch so far.
    largest_bytes: u64,
    /// A batch of this stream may be written or not: what is behind it moves the writer no more.
    unknown: bool,
    ending: Ending,
    /// When the service closes the stream, once the client is told.
    closes: Option<Instant>,
    /// The client is told that the stream moves as soon as all that was read has settled.
    moves: bool,
    /// What was said last of the oldest batch.
    held: Option<(&'static str, u64)>,
    /// When the oldest batch was looked at last.
    looked: Instant,
    /// When an engine that promised heartbeats is given up.
    silent: time::Silence,
    alarm: time::Alarm,
}

/// A schema's plan, or why no batch of it is taken.
type Planned = Result<Arc<Plan>, Arc<Refusal>>;

/// A batch that was received and waits for those before it.
struct Pending {
    batch: Batch,
    /// The schema as it was declared when the batch came; `None` if it was not.
    plan: Option<Planned>,
    /// `None` if it came without.
    rows: Option<(Carrier, Bytes)>,
    wire_bytes: u64,
    since: Instant,
    deadline: Option<Instant>,
    /// There was something before it when it came.
    waited: bool,
    /// Its time was over while it waited.
    late: bool,
    /// It was sent with others and did not go: now it waits for none.
    again: bool,
    trace: Trace,
}

/// Everything that can happen to a session.
enum Event {
    Message(Result<WriteRequest, Status>),
    ClientDone,
    Worked(Result<Step, Refusal>),
    Settled(Outcome),
    Sent,
    Unread,
    TakenOver,
    Draining(Instant),
    Moves,
    Tick,
}

/// How a session ends for its client.
type End = Result<(), CallError>;

impl<I> Session<I>
where
    I: Stream<Item = Result<WriteRequest, Status>> + Send + Unpin,
{
    /// A session whose lease is live and settled.
    pub fn new(
        terms: Terms,
        lease: Lease,
        credit: Credit,
        outbox: Outbox,
        incoming: I,
        ending: Ending,
    ) -> Self {
        let pack = Pack::new(terms.output.packing);
        let silent = time::Silence::new(terms.client_beats.then_some(terms.heartbeat));
        Self {
            terms,
            lease,
            credit,
            outbox,
            incoming: Some(incoming),
            schemas: HashMap::new(),
            pending: VecDeque::new(),
            work: None,
            pack,
            in_flight: VecDeque::new(),
            unacknowledged_batches: 0,
            unacknowledged_bytes: 0,
            largest_bytes: 0,
            unknown: false,
            ending,
            closes: None,
            moves: false,
            held: None,
            looked: Instant::now(),
            silent,
            alarm: time::Alarm::new(),
        }
    }

    /// Runs until the stream has ended and every record of it is settled.
    pub async fn run(mut self, acknowledged: Option<u64>) {
        let position = self.terms.acknowledged_position.take();
        let resume = self.lease.progress().resume(acknowledged, position);
        let opened = self.opened(resume);
        self.outbox.push(Out::Opened(opened));
        let end = self.serve().await;
        // What has not been submitted never will be: the client is told that it ended.
        self.work = None;
        self.pack.take();
        self.pending.clear();
        self.incoming = None;
        self.outbox.end(end).await;
        // Nothing that the engine sent is kept from here on: its memory is for other streams.
        let Self { credit, lease, in_flight, unknown, terms, .. } = self;
        drop(credit);
        settle(&lease, &terms.output.passage, in_flight, unknown).await;
    }

    /// Serves the client until the stream ends.
    async fn serve(&mut self) -> End {
        let taken_over = self.lease.taken_over();
        let connection = self.terms.connection.clone();
        let moves = connection.moves();
        tokio::pin!(taken_over, moves);
        loop {
            // What needs no work is answered here, and may be the last: no event follows it.
            self.start_work()?;
            if self.incoming.is_none() && self.is_idle() {
                self.keep(taken_over.as_mut()).await;
                return match self.closes {
                    Some(_) => Err(CallError::Drained),
                    None if self.moves => Err(CallError::Moved),
                    None => Ok(()),
                };
            }
            self.alarm.set(self.next_wake());
            match self.next_event(taken_over.as_mut(), moves.as_mut()).await {
                Event::Message(Ok(request)) => self.receive(request)?,
                Event::Message(Err(status)) => return self.broken(&status),
                Event::ClientDone => self.incoming = None,
                Event::Worked(result) => self.worked(result),
                Event::Settled(outcome) => self.settled(outcome)?,
                Event::Sent => {}
                // Nobody reads: the stream is over, and what is on its way settles.
                Event::Unread => return Ok(()),
                Event::TakenOver => return Err(CallError::TakenOver),
                Event::Draining(deadline) => self.drain(Some(deadline)),
                // Nobody moves while rows wait for Kafka, and not all at once when it is back.
                Event::Moves if self.held.is_some() => moves.set(connection.moves()),
                Event::Moves => self.drain(None),
                Event::Tick => self.tick()?,
            }
        }
    }

    async fn next_event(
        &mut self,
        taken_over: Pin<&mut (impl Future<Output = ()> + Send)>,
        moves: Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> Event {
        // A client that has sent all it has goes by itself.
        let may_move = self.incoming.is_some();
        let closes = self.closes;
        let settled = async {
            match self.in_flight.front_mut() {
                Some(first) => first.ticket.outcome().await,
                None => std::future::pending().await,
            }
        };
        let worked = async {
            match &mut self.work {
                Some(work) => work.step.as_mut().await,
                None => std::future::pending().await,
            }
        };
        let message = async {
            match &mut self.incoming {
                Some(incoming) => incoming.next().await,
                None => std::future::pending().await,
            }
        };
        let draining = async { self.ending.told_before(closes).await };
        // In this order: answers before new work, so that a flood of batches delays no answer.
        tokio::select! {
            biased;
            () = taken_over => Event::TakenOver,
            outcome = settled => Event::Settled(outcome),
            sent = self.outbox.flush() => if sent { Event::Sent } else { Event::Unread },
            result = worked => Event::Worked(result),
            deadline = draining => Event::Draining(deadline),
            () = moves, if may_move => Event::Moves,
            () = self.alarm.rings() => Event::Tick,
            message = message => message.map_or(Event::ClientDone, Event::Message),
        }
    }

    /// Has it stored how far the writer has come, before a stream ends in order: its next one may be at
    /// another replica. A newer one here knows without.
    async fn keep(&mut self, taken_over: Pin<&mut (impl Future<Output = ()> + Send)>) {
        let Some(keeper) = &self.terms.keeper else { return };
        if self.lease.progress().is_unstored() {
            let left = self.closes.map(|end| end.saturating_duration_since(Instant::now()));
            let within = left.map_or(KEEP_MAX, |left| left.min(KEEP_MAX));
            tokio::select! {
                () = keeper.store(self.lease.writer(), within) => {}
                () = taken_over => {}
            }
        }
    }

    /// What is counted of the output.
    fn passage(&self) -> &Passage {
        &self.terms.output.passage
    }

    fn is_idle(&self) -> bool {
        self.work.is_none()
            && self.pack.is_empty()
            && self.pending.is_empty()
            && self.in_flight.is_empty()
            && self.outbox.is_empty()
    }

    /// The connection or the message is broken.
    fn broken(&self, status: &Status) -> End {
        match status.code() {
            _ if is_too_large(status) => {
                Err(CallError::MessageTooLarge { bytes_max: self.terms.message_bytes_max })
            }
            tonic::Code::Internal => {
                let what = format!("the message is not a WriteRequest: {}", status.message());
                Err(CallError::InvalidMessage("INVALID_BATCH", "message", what))
            }
            // The client is gone; nobody reads an answer.
            _ => Ok(()),
        }
    }

    fn receive(&mut self, request: WriteRequest) -> End {
        self.silent.broken();
        if self.outbox.is_overfull() {
            return Err(CallError::AnswersUnread);
        }
        let wire_bytes = request.encoded_len() as u64;
        match request.message {
            None => Err(CallError::EmptyRequest),
            Some(In::Open(_)) => Err(CallError::SecondOpen),
            Some(In::Heartbeat(_)) => Ok(()),
            Some(In::Schema(schema)) => self.declare(&schema),
            Some(In::Batch(batch)) => self.enqueue(batch, wire_bytes),
        }
    }

    fn declare(&mut self, schema: &v1::Schema) -> End {
        if self.schemas.len() as u32 >= SCHEMAS_MAX && !self.schemas.contains_key(&schema.id) {
            return Err(CallError::TooManySchemas { schemas_max: SCHEMAS_MAX });
        }
        let planned = match plan(schema, &self.terms.output) {
            Ok(plan) => Ok(Arc::new(plan)),
            Err(SchemaFault::Refused(refusal)) => Err(Arc::new(refusal)),
            Err(SchemaFault::Invalid(what)) => {
                return Err(CallError::InvalidMessage("INVALID_SCHEMA", "schema", what));
            }
        };
        // Batches that were received before keep the plan that they were sent under.
        self.schemas.insert(schema.id, planned);
        Ok(())
    }

    fn enqueue(&mut self, mut batch: Batch, wire_bytes: u64) -> End {
        let batches = self.unacknowledged_batches;
        let bytes = self.unacknowledged_bytes + wire_bytes;
        // The window is what serves the engine; the memory behind it is what must hold.
        let bytes_max = self.credit.set_aside_bytes();
        if batches > 0 && (bytes > bytes_max || batches >= CREDIT_BATCHES) {
            let batches_max = CREDIT_BATCHES;
            return Err(CallError::CreditExceeded { bytes, bytes_max, batches_max });
        }
        if batch.sequence == 0 {
            let what = "sequences start at 1".to_owned();
            return Err(CallError::InvalidMessage("INVALID_BATCH", "batch.sequence", what));
        }
        let timeout = batch.timeout.take().map(Duration::try_from).transpose().map_err(|_| {
            let what = "a negative time".to_owned();
            CallError::InvalidMessage("INVALID_BATCH", "batch.timeout", what)
        })?;
        self.unacknowledged_batches += 1;
        self.unacknowledged_bytes = bytes;
        self.largest_bytes = self.largest_bytes.max(wire_bytes);
        self.credit.used(bytes);
        let since = Instant::now();
        // A time beyond what a clock can hold is as good as none.
        let deadline = timeout.and_then(|timeout| since.checked_add(timeout));
        let plan = self.schemas.get(&batch.schema_id).cloned();
        let rows = batch.rows.take().map(carrier);
        let waited = self.work.is_some() || !self.pending.is_empty();
        let (late, again) = (false, false);
        let trace = self.trace(&batch);
        let pending =
            Pending { batch, plan, rows, wire_bytes, since, deadline, waited, late, again, trace };
        self.pending.push_back(pending);
        Ok(())
    }

    /// A batch is answered.
    fn release(&mut self, wire_bytes: u64) {
        self.unacknowledged_batches -= 1;
        self.unacknowledged_bytes -= wire_bytes;
    }

    /// The service closes: no more batches are read, the others are settled until the deadline. Or
    /// the stream moves, which has none: ended before, its rows would be there twice.
    fn drain(&mut self, deadline: Option<Instant>) {
        match deadline {
            Some(_) => self.closes = deadline,
            None => self.moves = true,
        }
        self.incoming = None;
        if self.terms.output.valve.setting().holds() {
            // Nothing of these has left the service, and nothing will: the engine sends them again.
            self.work = None;
            self.pack.take();
            self.pending.clear();
        }
        let deadline = deadline.map(|deadline| {
            let left = deadline.saturating_duration_since(Instant::now());
            prost_types::Timestamp::from(SystemTime::now() + left)
        });
        self.outbox.push(Out::Draining(v1::Draining { deadline }));
    }

    fn opened(&self, resume: Resume) -> v1::Opened {
        let aside = resume.aside.iter();
        v1::Opened {
            resume_after: resume.after,
            position: resume.position.map(Into::into),
            maybe_written_through: resume.maybe_written_through,
            rejected: aside.clone().flat_map(|(of, rows)| rejected(*of, rows)).collect(),
            rejected_total: aside.map(|(_, rows)| rows.total).sum(),
            credit: Some(credit(&self.credit)),
            limits: Some(v1::Limits {
                message_bytes_max: self.terms.message_bytes_max,
                batch_rows_max: BATCH_ROWS_MAX,
                position_bytes_max: POSITION_BYTES_MAX as u32,
                schemas_max: SCHEMAS_MAX,
                record_bytes_max: self.terms.output.kafka.record_bytes_max() as u64,
            }),
            guarantee: guarantee(&self.terms.output).into(),
        }
    }
}
