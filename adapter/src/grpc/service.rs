//! The calls of `KafkaOutputService`.
use std::{pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use proto::v1::{
    self, Open, WriteRequest, WriteResponse, kafka_output_service_server::KafkaOutputService,
    write_request::Message as In, write_response::Message as Out,
};
use tokio::{
    sync::watch,
    time::{Instant, timeout, timeout_at},
};
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

use super::{
    convert,
    error::CallError,
    outbox::Outbox,
    session::{Session, Terms, carrier, plan, rejected},
};
use crate::{
    credit::Pool,
    job,
    kafka::{Outcome, Ticket},
    output::{Accepted, NAMED_ROWS_MAX, Output, Plan},
    rows::{BadRow, Carrier},
    writers::{Denied, Lease, POSITION_BYTES_MAX, WRITER_ID_BYTES_MAX, Writers},
};

/// How long a new stream may take for its `Open`.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// The service's words on a quiet stream, unless the engine asks otherwise.
const HEARTBEAT_DEFAULT: Duration = Duration::from_secs(30);

/// Bounds of the interval that an engine may ask for; ingresses close streams idle for 240 s.
const HEARTBEAT_BOUNDS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(200));

/// One output with all that belongs to it.
pub struct Served {
    /// As the streams see it.
    pub output: Arc<Output>,
    /// As the job file has it.
    pub job: job::Output,
    /// Its writers.
    pub writers: Writers,
}

/// What all calls share.
pub struct Shared {
    /// The outputs, in the order of the job file.
    pub outputs: Vec<Served>,
    /// Memory for what is unacknowledged.
    pub credits: Pool,
    /// The largest message, in bytes.
    pub message_bytes_max: u64,
    /// Set when the service closes, to the time when it does at the latest.
    pub drain: watch::Sender<Option<Instant>>,
    /// Counts live sessions: the service waits for them when it closes.
    pub sessions: watch::Sender<usize>,
}

/// The service.
#[derive(Clone)]
pub struct Service(pub Arc<Shared>);

/// A session that is counted until dropped.
struct Counted(Arc<Shared>);

impl Shared {
    /// Told when the service closes.
    pub fn draining(&self) -> watch::Receiver<Option<Instant>> {
        self.drain.subscribe()
    }

    fn find(&self, alias: &str) -> Result<&Served, CallError> {
        let found = self.outputs.iter().find(|served| served.output.alias == alias);
        found.ok_or_else(|| CallError::OutputNotFound(alias.chars().take(128).collect()))
    }
}

impl Counted {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.sessions.send_modify(|sessions| *sessions += 1);
        Self(shared.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.sessions.send_modify(|sessions| *sessions -= 1);
    }
}

#[tonic::async_trait]
impl KafkaOutputService for Service {
    type WriteStream = Pin<Box<dyn Stream<Item = Result<WriteResponse, Status>> + Send>>;

    async fn write(
        &self,
        request: Request<Streaming<WriteRequest>>,
    ) -> Result<Response<Self::WriteStream>, Status> {
        if self.0.draining().borrow().is_some() {
            return Err(CallError::Draining.into());
        }
        let (outbox, answers) = Outbox::new();
        let shared = self.0.clone();
        let counted = Counted::new(&shared);
        // A task of its own: the records on their way outlive a client that hangs up.
        tokio::spawn(async move {
            let _counted = counted;
            serve_stream(&shared, request.into_inner(), outbox).await;
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn write_once(
        &self,
        request: Request<v1::WriteOnceRequest>,
    ) -> Result<Response<v1::WriteOnceResponse>, Status> {
        if self.0.draining().borrow().is_some() {
            return Err(CallError::Draining.into());
        }
        let deadline = deadline(request.metadata());
        let shared = self.0.clone();
        let counted = Counted::new(&shared);
        // As above: a caller that hangs up leaves its records to settle and its writer to move on.
        let call = tokio::spawn(async move {
            let _counted = counted;
            write_once(&shared, request.into_inner(), deadline).await
        });
        let answer = call.await.map_err(|error| Status::internal(error.to_string()))?;
        Ok(Response::new(answer?))
    }

    async fn get_writer(
        &self,
        request: Request<v1::GetWriterRequest>,
    ) -> Result<Response<v1::GetWriterResponse>, Status> {
        let request = request.into_inner();
        let served = self.0.find(&request.output)?;
        let Some(known) = served.writers.get(&request.writer_id) else {
            return Ok(Response::new(v1::GetWriterResponse::default()));
        };
        let progress = known.progress;
        let in_flight = progress.accepted_through.saturating_sub(progress.durable_through);
        Ok(Response::new(v1::GetWriterResponse {
            known: true,
            durable_through: progress.durable_through,
            position: progress.position.map(Into::into),
            epoch: known.epoch,
            live: known.live,
            batches_in_flight: in_flight as u32,
        }))
    }

    async fn reset_writer(
        &self,
        request: Request<v1::ResetWriterRequest>,
    ) -> Result<Response<v1::ResetWriterResponse>, Status> {
        let request = request.into_inner();
        let served = self.0.find(&request.output)?;
        let was_known = match served.writers.reset(&request.writer_id) {
            Err(Denied::Busy) => return Err(CallError::ResetBusy.into()),
            other => other.map_err(denied)?,
        };
        Ok(Response::new(v1::ResetWriterResponse { was_known }))
    }

    async fn list_outputs(
        &self,
        _request: Request<v1::ListOutputsRequest>,
    ) -> Result<Response<v1::ListOutputsResponse>, Status> {
        let outputs = self.0.outputs.iter().map(convert::output).collect();
        Ok(Response::new(v1::ListOutputsResponse { outputs }))
    }

    async fn get_output(
        &self,
        request: Request<v1::GetOutputRequest>,
    ) -> Result<Response<v1::GetOutputResponse>, Status> {
        let output = Some(convert::output(self.0.find(&request.into_inner().output)?));
        Ok(Response::new(v1::GetOutputResponse { output }))
    }
}

/// A `Write` stream: `Open`, the wait for an older stream, the session.
async fn serve_stream(shared: &Shared, mut incoming: Streaming<WriteRequest>, mut outbox: Outbox) {
    let opened = async {
        let open = first_message(shared, &mut incoming).await?;
        let served = shared.find(&open.output)?;
        check_writer_id(&open.writer_id, "INVALID_OPEN", "open.writer_id")?;
        let terms = terms(shared, served, &open)?;
        let credit = shared.credits.open();
        // A stream that takes over needs no room beside the older one, which ends first.
        if credit.is_none() && !served.writers.is_live(&open.writer_id) {
            return Err(too_many(shared));
        }
        let epoch = open.epoch.unwrap_or(0);
        let lease = served.writers.take_over(&open.writer_id, epoch).map_err(denied)?;
        Ok((open, terms, credit, lease))
    };
    let (open, terms, mut credit, mut lease) = match opened.await {
        Ok(opened) => opened,
        Err(error) => return outbox.end(Err(error)).await,
    };
    if lease.must_wait() {
        // Nothing is read while it waits, however long: its room is for those who send.
        credit = None;
        if let Err(error) = wait_for_turn(shared, &mut lease, &mut outbox, terms.heartbeat).await {
            outbox.end(Err(error)).await;
            // Whoever took over from this stream must wait for the one before it, too.
            return lease.turn().await;
        }
    }
    let Some(credit) = credit.or_else(|| shared.credits.open()) else {
        return outbox.end(Err(too_many(shared))).await;
    };
    let terms = Terms { message_bytes_max: terms.message_bytes_max.min(credit.bytes()), ..terms };
    Session::new(terms, lease, credit, outbox, incoming, shared).run(open.acknowledged).await;
}

fn too_many(shared: &Shared) -> CallError {
    CallError::TooManyWriters { writers_max: shared.credits.streams_max() }
}

async fn first_message(
    shared: &Shared,
    incoming: &mut Streaming<WriteRequest>,
) -> Result<Open, CallError> {
    let mut draining = shared.draining();
    let first = tokio::select! {
        first = timeout(OPEN_TIMEOUT, incoming.next()) => first,
        _ = draining.wait_for(Option::is_some) => return Err(CallError::Draining),
    };
    match first {
        Ok(Some(Ok(WriteRequest { message: Some(In::Open(open)) }))) => Ok(open),
        _ => Err(CallError::OpenExpected),
    }
}

fn check_writer_id(id: &str, reason: &'static str, field: &'static str) -> Result<(), CallError> {
    if id.is_empty() || id.len() > WRITER_ID_BYTES_MAX || id.chars().any(char::is_control) {
        let what = format!("1 to {WRITER_ID_BYTES_MAX} bytes without control characters");
        return Err(CallError::Invalid(reason, field, what));
    }
    Ok(())
}

fn terms(shared: &Shared, served: &Served, open: &Open) -> Result<Terms, CallError> {
    let (min, max) = HEARTBEAT_BOUNDS;
    let invalid = || {
        let what = format!("{} s to {} s", min.as_secs(), max.as_secs());
        CallError::Invalid("INVALID_OPEN", "open.heartbeat_interval", what)
    };
    let asked =
        open.heartbeat_interval.map(Duration::try_from).transpose().map_err(|_| invalid())?;
    if asked.is_some_and(|asked| asked < min || asked > max) {
        return Err(invalid());
    }
    Ok(Terms {
        output: served.output.clone(),
        heartbeat: asked.unwrap_or(HEARTBEAT_DEFAULT),
        client_beats: asked.is_some(),
        message_bytes_max: shared.message_bytes_max,
    })
}

/// Waits until the older stream of this writer is settled, and says so meanwhile.
async fn wait_for_turn(
    shared: &Shared,
    lease: &mut Lease,
    outbox: &mut Outbox,
    heartbeat: Duration,
) -> Result<(), CallError> {
    let since = prost_types::Timestamp::from(std::time::SystemTime::now());
    let mut draining = shared.draining();
    let taken_over = lease.taken_over();
    tokio::pin!(taken_over);
    let waiting = v1::Waiting {
        code: "OLDER_STREAM_SETTLING".into(),
        since: Some(since),
        reason: "records of an older stream of this writer are not settled yet".into(),
    };
    let mut beat = tokio::time::interval(heartbeat);
    loop {
        tokio::select! {
            () = lease.turn() => return Ok(()),
            () = &mut taken_over => return Err(CallError::TakenOver),
            _ = draining.wait_for(Option::is_some) => return Err(CallError::Draining),
            // Words that nobody takes would only pile up.
            _ = beat.tick() => if outbox.is_empty() {
                outbox.push(Out::Waiting(waiting.clone()));
            },
            read = outbox.flush() => if !read { return Err(CallError::AnswersUnread) },
        }
    }
}

fn denied(denied: Denied) -> CallError {
    match denied {
        Denied::StaleEpoch { highest } => CallError::StaleEpoch { highest },
        Denied::Busy => CallError::WriterBusy,
    }
}

/// When the caller stops waiting (`grpc-timeout`, see the gRPC over HTTP/2 specification).
fn deadline(metadata: &tonic::metadata::MetadataMap) -> Option<Instant> {
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (count, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let count: u64 = count.parse().ok()?;
    let timeout = match unit {
        "H" => Duration::from_secs(count.checked_mul(3600)?),
        "M" => Duration::from_secs(count.checked_mul(60)?),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    };
    // A little earlier than the caller, so that it hears our reason and not its own time-out.
    Instant::now().checked_add(timeout.mul_f32(0.95))
}

async fn write_once(
    shared: &Shared,
    request: v1::WriteOnceRequest,
    deadline: Option<Instant>,
) -> Result<v1::WriteOnceResponse, CallError> {
    let invalid = |field, what: &str| CallError::Invalid("INVALID_BATCH", field, what.to_owned());
    let served = shared.find(&request.output)?;
    let schema = request.schema.ok_or_else(|| invalid("schema", "is missing"))?;
    let mut batch = request.batch.ok_or_else(|| invalid("batch", "is missing"))?;
    if batch.timeout.is_some() {
        return Err(invalid("batch.timeout", "is the call's deadline here"));
    }
    let rows = batch.rows.take().ok_or_else(|| invalid("batch.rows", "is missing"))?;
    let (carrier, rows) = carrier(rows);
    let plan = plan(&schema, &served.output)
        .map_err(|what| CallError::Invalid("INVALID_SCHEMA", "schema", what))?;
    // The rows take memory like those of a stream, until they are settled.
    let _credit = shared.credits.open().ok_or_else(|| too_many(shared))?;
    // A year is as good as for ever, and a time that can be added to.
    let deadline = deadline.unwrap_or_else(|| Instant::now() + Duration::from_secs(31_536_000));
    let call = Call { served, plan: &plan, carrier, rows: &rows, deadline };
    let Some(id) = request.writer_id else {
        if batch.sequence != 0 || batch.position.is_some() || request.epoch.is_some() {
            return Err(invalid("writer_id", "sequence, position and epoch need it"));
        }
        let (mut ticket, aside) = call.accept().await?;
        let outcome = call.outcome(&mut ticket, 0).await?;
        return call.answer(outcome, aside, 0);
    };
    check_writer_id(&id, "INVALID_BATCH", "writer_id")?;
    let lease = served.writers.take_if_free(&id, request.epoch.unwrap_or(0)).map_err(denied)?;
    write_numbered(&call, batch, lease).await
}

/// One call's rows and where they go.
struct Call<'a> {
    served: &'a Served,
    plan: &'a Plan,
    carrier: Carrier,
    rows: &'a Bytes,
    deadline: Instant,
}

/// Rows set aside before anything was sent: those named, and how many.
type Aside = (Vec<BadRow>, u64);

impl Call<'_> {
    /// Brings the rows on their way.
    async fn accept(&self) -> Result<(Ticket, Aside), CallError> {
        let accept = self.served.output.accept(self.plan, self.carrier, self.rows);
        let accepted =
            timeout_at(self.deadline, accept).await.map_err(|_| CallError::CallTimeout)?;
        let Accepted { ticket, rejected, rejected_total } = accepted.map_err(|refusal| {
            let named = refusal.rows.iter().take(3).map(|row| {
                format!("; row {} {} {}: {}", row.row, row.column, row.code, row.reason)
            });
            CallError::Refused(refusal.code, refusal.reason.clone() + &named.collect::<String>())
        })?;
        Ok((ticket, (rejected, rejected_total)))
    }

    /// Waits until the rows are settled.
    async fn outcome(&self, ticket: &mut Ticket, sequence: u64) -> Result<Outcome, CallError> {
        let outcome = timeout_at(self.deadline, ticket.outcome()).await;
        outcome.map_err(|_| CallError::BatchTimeout { sequence })
    }

    /// The answer to a call whose rows are settled.
    fn answer(
        &self,
        outcome: Outcome,
        (mut bad, mut rejected_total): Aside,
        sequence: u64,
    ) -> Result<v1::WriteOnceResponse, CallError> {
        if let Some(cause) = outcome.unknown {
            return Err(CallError::DeliveryUnknown { sequence, cause: cause.to_string() });
        }
        rejected_total += outcome.rejected.len() as u64;
        bad.extend(outcome.rejected.into_iter().map(|(row, cause)| BadRow {
            row,
            column: String::new(),
            code: cause.code,
            reason: cause.text,
        }));
        bad.truncate(NAMED_ROWS_MAX);
        Ok(v1::WriteOnceResponse {
            durable_through: (sequence > 0).then_some(sequence),
            already_durable: false,
            rejected: bad.iter().map(|bad| rejected(sequence, bad)).collect(),
            rejected_total,
        })
    }
}

/// A single batch of a writer, under the rules of a stream.
async fn write_numbered(
    call: &Call<'_>,
    batch: v1::Batch,
    lease: Lease,
) -> Result<v1::WriteOnceResponse, CallError> {
    let sequence = batch.sequence;
    let digest = xxhash_rust::xxh3::xxh3_64(call.rows);
    let durable_through = {
        let mut progress = lease.progress();
        progress.resume(None);
        progress.durable_through
    };
    if sequence == 0 || sequence > durable_through + 1 {
        let reason = format!("sequence {sequence}: {} is next", durable_through + 1);
        return Err(CallError::Refused("SEQUENCE_GAP", reason));
    }
    if batch.position.as_ref().is_some_and(|position| position.len() > POSITION_BYTES_MAX) {
        let reason = format!("the position is longer than {POSITION_BYTES_MAX} bytes");
        return Err(CallError::Refused("POSITION_TOO_LONG", reason));
    }
    if sequence <= durable_through {
        if !lease.progress().same(sequence, digest) {
            return Err(CallError::SequenceReused { sequence });
        }
        return Ok(v1::WriteOnceResponse {
            durable_through: Some(durable_through),
            already_durable: true,
            ..v1::WriteOnceResponse::default()
        });
    }
    let (mut ticket, aside) = call.accept().await?;
    lease.progress().accepted(sequence, digest);
    let outcome = match call.outcome(&mut ticket, sequence).await {
        Ok(outcome) => outcome,
        Err(error) => {
            // The caller is told that its rows may be written. The writer stays taken until they
            // are settled, so that whoever comes next goes on behind them.
            tokio::spawn(async move {
                if ticket.outcome().await.unknown.is_none() {
                    lease.progress().durable(sequence, batch.position);
                }
            });
            return Err(error);
        }
    };
    let answer = call.answer(outcome, aside, sequence)?;
    lease.progress().durable(sequence, batch.position);
    Ok(answer)
}
