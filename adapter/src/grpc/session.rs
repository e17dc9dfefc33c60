//! One `Write` stream, from `Open` to its end: the rules of the contract.
//!
//! A session is one task that waits for one closed set of events ([`Event`]) and acts on each
//! without waiting. It outlives its client: records on their way settle and move the writer on,
//! whether anybody reads the answer or not, and only then does the lease pass to the next stream.
mod time;

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
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tokio_stream::{Stream, StreamExt};
use tonic::Status;

use self::time::over;
use super::{
    convert::{carrier, credit, guarantee, is_too_large, plan, rejected},
    error::CallError,
    outbox::Outbox,
    service::Shared,
};
use crate::{
    credit::{CREDIT_BATCHES, Credit},
    kafka::{Outcome, Ticket},
    output::{Accepted, BATCH_ROWS_MAX, BadRows, Output, Plan, Refusal},
    rows::Carrier,
    writers::{Lease, POSITION_BYTES_MAX, Place, Resume},
};

/// Schemas that a stream may declare.
pub const SCHEMAS_MAX: u32 = 64;

/// What the engine and the job say about a stream.
pub struct Terms {
    /// The output.
    pub output: Arc<Output>,
    /// The position of what the engine knows to be durable.
    pub acknowledged_position: Option<Bytes>,
    /// Between words of the service on a quiet stream.
    pub heartbeat: Duration,
    /// The engine promised heartbeats.
    pub client_beats: bool,
    /// The largest message.
    pub message_bytes_max: u64,
}

/// A stream that is open.
pub struct Session<I> {
    terms: Terms,
    lease: Lease,
    credit: Credit,
    outbox: Outbox,
    /// The engine's messages; `None` when no more are read.
    incoming: Option<I>,
    schemas: HashMap<u32, Arc<Plan>>,
    pending: VecDeque<Pending>,
    work: Option<Work>,
    in_flight: VecDeque<InFlight>,
    unacknowledged_bytes: u64,
    /// A batch of this stream may be written or not: what is behind it moves the writer no more.
    unknown: bool,
    draining: watch::Receiver<Option<Instant>>,
    /// When the service closes the stream, once the client is told.
    closes: Option<Instant>,
    /// What was said last of the oldest batch.
    held: Option<(&'static str, u64)>,
    /// When the oldest batch was looked at last.
    looked: Instant,
    /// When an engine that promised heartbeats is given up.
    silent: time::Silence,
}

/// A batch that was received and waits for those before it.
struct Pending {
    batch: Batch,
    /// The schema as it was declared when the batch came; `None` if it was not.
    plan: Option<Arc<Plan>>,
    /// `None` if it came without.
    rows: Option<(Carrier, Bytes)>,
    wire_bytes: u64,
    since: Instant,
    deadline: Option<Instant>,
    /// There was something before it when it came.
    waited: bool,
    /// Its time was over while it waited.
    late: bool,
}

/// The batch that is decoded, encoded or waits for room.
struct Work {
    pending: Pending,
    digest: u64,
    accept: Pin<Box<dyn Future<Output = Result<Accepted, Refusal>> + Send>>,
}

/// A batch that Kafka has.
struct InFlight {
    sequence: u64,
    ticket: Ticket,
    wire_bytes: u64,
    position: Option<Bytes>,
    aside: BadRows,
    since: Instant,
    deadline: Option<Instant>,
}

/// Everything that can happen to a session.
enum Event {
    Message(Result<WriteRequest, Status>),
    ClientDone,
    Accepted(Result<Accepted, Refusal>),
    Settled(Outcome),
    Sent,
    Unread,
    TakenOver,
    Draining(Instant),
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
        shared: &Shared,
    ) -> Self {
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
            in_flight: VecDeque::new(),
            unacknowledged_bytes: 0,
            unknown: false,
            draining: shared.draining(),
            closes: None,
            held: None,
            looked: Instant::now(),
            silent,
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
        self.pending.clear();
        self.incoming = None;
        self.outbox.end(end).await;
        // Nothing that the engine sent is kept from here on: its memory is for other streams.
        let Self { credit, lease, in_flight, unknown, .. } = self;
        drop(credit);
        settle(&lease, in_flight, unknown).await;
    }

    /// Serves the client until the stream ends.
    async fn serve(&mut self) -> End {
        let taken_over = self.lease.taken_over();
        tokio::pin!(taken_over);
        loop {
            // What needs no work is answered here, and may be the last: no event follows it.
            self.start_work()?;
            if self.incoming.is_none() && self.is_idle() {
                return if self.closes.is_some() { Err(CallError::Drained) } else { Ok(()) };
            }
            let wake = self.next_wake();
            match self.next_event(taken_over.as_mut(), wake).await {
                Event::Message(Ok(request)) => self.receive(request)?,
                Event::Message(Err(status)) => return self.broken(&status),
                Event::ClientDone => self.incoming = None,
                Event::Accepted(result) => self.accepted(result),
                Event::Settled(outcome) => self.settled(outcome)?,
                Event::Sent => {}
                // Nobody reads: the stream is over, and what is on its way settles.
                Event::Unread => return Ok(()),
                Event::TakenOver => return Err(CallError::TakenOver),
                Event::Draining(deadline) => self.drain(deadline),
                Event::Tick => self.tick()?,
            }
        }
    }

    async fn next_event(
        &mut self,
        taken_over: Pin<&mut (impl Future<Output = ()> + Send)>,
        wake: Instant,
    ) -> Event {
        let drain_told = self.closes.is_some();
        let settled = async {
            match self.in_flight.front_mut() {
                Some(first) => first.ticket.outcome().await,
                None => std::future::pending().await,
            }
        };
        let accepted = async {
            match &mut self.work {
                Some(work) => work.accept.as_mut().await,
                None => std::future::pending().await,
            }
        };
        let message = async {
            match &mut self.incoming {
                Some(incoming) => incoming.next().await,
                None => std::future::pending().await,
            }
        };
        let draining = async {
            let told = self.draining.wait_for(|deadline| deadline.is_some() && !drain_told).await;
            match told.ok().and_then(|deadline| *deadline) {
                Some(deadline) => deadline,
                None => std::future::pending().await,
            }
        };
        // In this order: answers before new work, so that a flood of batches delays no answer.
        tokio::select! {
            biased;
            () = taken_over => Event::TakenOver,
            outcome = settled => Event::Settled(outcome),
            sent = self.outbox.flush() => if sent { Event::Sent } else { Event::Unread },
            result = accepted => Event::Accepted(result),
            deadline = draining => Event::Draining(deadline),
            () = sleep_until(wake) => Event::Tick,
            message = message => message.map_or(Event::ClientDone, Event::Message),
        }
    }

    fn is_idle(&self) -> bool {
        self.work.is_none()
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
        let plan = plan(schema, &self.terms.output)
            .map_err(|what| CallError::InvalidMessage("INVALID_SCHEMA", "schema", what))?;
        // Batches that were received before keep the plan that they were sent under.
        self.schemas.insert(schema.id, Arc::new(plan));
        Ok(())
    }

    fn enqueue(&mut self, mut batch: Batch, wire_bytes: u64) -> End {
        let batches = self.pending.len() + self.in_flight.len() + usize::from(self.work.is_some());
        let bytes = self.unacknowledged_bytes + wire_bytes;
        // The window is what serves the engine; the memory behind it is what must hold.
        let bytes_max = self.credit.set_aside_bytes();
        if batches > 0 && (bytes > bytes_max || batches as u32 >= CREDIT_BATCHES) {
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
        self.unacknowledged_bytes = bytes;
        self.credit.used(bytes);
        let since = Instant::now();
        // A time beyond what a clock can hold is as good as none.
        let deadline = timeout.and_then(|timeout| since.checked_add(timeout));
        let plan = self.schemas.get(&batch.schema_id).cloned();
        let rows = batch.rows.take().map(carrier);
        let (waited, late) = (self.work.is_some() || !self.pending.is_empty(), false);
        let pending = Pending { batch, plan, rows, wire_bytes, since, deadline, waited, late };
        self.pending.push_back(pending);
        Ok(())
    }

    /// Takes the next batch into work, answering on the way those that need none.
    fn start_work(&mut self) -> End {
        while self.work.is_none() {
            let Some(mut pending) = self.pending.pop_front() else { return Ok(()) };
            let sequence = pending.batch.sequence;
            let Some((carrier, rows)) = pending.rows.take() else {
                let reason = "the batch has no rows field; an empty batch has an empty one";
                self.release(pending.wire_bytes);
                self.refuse(sequence, &Refusal::new("NO_ROWS_CARRIER", reason));
                continue;
            };
            let digest = xxhash_rust::xxh3::xxh3_64(&rows);
            let (place, durable_through) = {
                let progress = self.lease.progress();
                (progress.place(sequence, digest), progress.durable_through)
            };
            // Whether the clock has been looked at meanwhile makes no difference.
            let late = pending.late || pending.waited && over(pending.deadline, Instant::now());
            match place {
                // If it was sent before, what was in work under its number is refused.
                Place::Next if late => {
                    self.release(pending.wire_bytes);
                    self.refuse(sequence, &Refusal::late());
                    continue;
                }
                Place::Next | Place::Gap => {}
                Place::Reused => return Err(CallError::SequenceReused { sequence }),
                Place::Known => {
                    self.release(pending.wire_bytes);
                    // If it is durable the engine may wait to hear so; else its `Ack` will come.
                    if sequence <= durable_through {
                        self.outbox.acknowledge(durable_through, None, Vec::new(), 0);
                    }
                    continue;
                }
            }
            let plan = match self.check(&pending, place) {
                Ok(plan) => plan,
                Err(refusal) => {
                    self.release(pending.wire_bytes);
                    self.refuse(sequence, &refusal);
                    continue;
                }
            };
            let output = self.terms.output.clone();
            let accept = Box::pin(async move { output.accept(&plan, carrier, &rows).await });
            self.work = Some(Work { pending, digest, accept });
        }
        Ok(())
    }

    /// What is wrong with a batch before its rows are looked at.
    fn check(&self, pending: &Pending, place: Place) -> Result<Arc<Plan>, Refusal> {
        let Pending { batch, wire_bytes, .. } = pending;
        if place == Place::Gap {
            return Err(Refusal::gap(batch.sequence, self.expected()));
        }
        let bytes_max = self.terms.message_bytes_max;
        if *wire_bytes > bytes_max {
            let reason = format!("{wire_bytes} bytes, the limit is {bytes_max}; split the batch");
            return Err(Refusal::new("BATCH_TOO_LARGE", reason));
        }
        Refusal::check_position(batch.position.as_ref())?;
        pending.plan.clone().ok_or_else(|| {
            let reason = format!("schema {} is not declared on this stream", batch.schema_id);
            Refusal::new("UNKNOWN_SCHEMA", reason)
        })
    }

    /// The batch in work is on its way, or refused.
    fn accepted(&mut self, result: Result<Accepted, Refusal>) {
        let Work { pending, digest, .. } = self.work.take().expect("it was in work");
        let sequence = pending.batch.sequence;
        match result {
            Ok(mut accepted) => {
                let aside = accepted.only_aside();
                self.lease.progress().accepted(sequence, digest);
                self.in_flight.push_back(InFlight {
                    sequence,
                    ticket: accepted.ticket,
                    wire_bytes: pending.wire_bytes,
                    position: pending.batch.position,
                    aside,
                    since: pending.since,
                    deadline: pending.deadline,
                });
            }
            Err(refusal) => {
                self.release(pending.wire_bytes);
                self.refuse(sequence, &refusal);
                if self.in_flight.is_empty() {
                    self.held = None;
                }
            }
        }
    }

    /// The oldest batch is settled.
    fn settled(&mut self, outcome: Outcome) -> End {
        let mut first = self.in_flight.pop_front().expect("it was in flight");
        self.release(first.wire_bytes);
        self.held = None;
        let sequence = first.sequence;
        if let Some(cause) = outcome.unknown {
            self.unknown = true;
            self.lease.progress().maybe_written(sequence);
            return Err(CallError::DeliveryUnknown { sequence, cause: cause.to_string() });
        }
        first.aside.add_refused(outcome.rejected);
        self.lease.progress().set_aside(sequence, &first.aside);
        self.lease.progress().durable(sequence, first.position.take());
        let prompt = || self.terms.output.kafka.prompt_within();
        let grown = self.credit.settled(first.wire_bytes, first.since.elapsed(), prompt);
        let credit = grown.then(|| credit(&self.credit));
        let aside = rejected(sequence, &first.aside);
        self.outbox.acknowledge(sequence, credit, aside, first.aside.total);
        Ok(())
    }

    /// The sequence that is accepted next.
    fn expected(&self) -> u64 {
        self.lease.progress().accepted_through + 1
    }

    fn refuse(&mut self, sequence: u64, refusal: &Refusal) {
        self.refuse_expecting(self.expected(), sequence, refusal);
    }

    fn refuse_expecting(&mut self, expected_sequence: u64, sequence: u64, refusal: &Refusal) {
        self.outbox.push(Out::Refused(v1::Refused {
            sequence,
            code: refusal.code.into(),
            reason: refusal.reason.clone(),
            expected_sequence,
            rows: rejected(sequence, &refusal.rows),
            rows_total: refusal.rows.total,
        }));
    }

    fn release(&mut self, wire_bytes: u64) {
        self.unacknowledged_bytes -= wire_bytes;
    }

    /// The service closes: no more batches are read, the others are settled until the deadline.
    fn drain(&mut self, deadline: Instant) {
        self.closes = Some(deadline);
        self.incoming = None;
        let left = deadline.saturating_duration_since(Instant::now());
        let deadline = Some(prost_types::Timestamp::from(SystemTime::now() + left));
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

/// Waits until everything that Kafka has of a stream is settled, and moves the writer on.
async fn settle(lease: &Lease, in_flight: VecDeque<InFlight>, mut unknown: bool) {
    for mut batch in in_flight {
        let outcome = batch.ticket.outcome().await;
        // Batches behind an unknown one may be durable, but the engine goes on behind that one.
        unknown |= outcome.unknown.is_some();
        let mut progress = lease.progress();
        if unknown {
            progress.maybe_written(batch.sequence);
        } else {
            batch.aside.add_refused(outcome.rejected);
            progress.set_aside(batch.sequence, &batch.aside);
            progress.durable(batch.sequence, batch.position);
        }
    }
}
