//! `WriteOnce`: one batch and its answer under the call's deadline.
use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use prost::Message as _;
use proto::v1;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until, timeout_at},
};

use super::{
    convert::{SchemaFault, carrier, plan, rejected},
    error::{CallError, denied},
    headers::headers,
    opening::{check_writer_id, opened_as, recalled},
    served::{Ending, Inside},
    service::{Admitted, recall},
};
use crate::{
    credit::Credit,
    kafka::{Mark, Outcome, Ticket},
    output::{Accepted, BadRows, Output, Plan, Refusal},
    rows::Carrier,
    traces::{About, Batch, Context, Going},
    writers::{Lease, Place},
};

/// When the caller stops waiting (`grpc-timeout`, see the gRPC over HTTP/2 specification).
pub fn deadline(metadata: &tonic::metadata::MetadataMap) -> Option<Instant> {
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

/// What is asked of a call.
pub struct Asked {
    /// The message.
    pub request: v1::WriteOnceRequest,
    /// When the caller stops waiting.
    pub deadline: Option<Instant>,
    /// What the call is part of.
    pub trace: Context,
}

/// `WriteOnce`, with the memory that was set aside for its rows. They keep it until they are
/// settled, like those of a stream.
///
/// # Errors
/// Why nothing, or not surely all, of the batch is written.
pub async fn write_once(
    admitted: &Admitted,
    Asked { request, deadline, trace }: Asked,
    _credit: Credit,
    gone: oneshot::Receiver<()>,
) -> Result<v1::WriteOnceResponse, CallError> {
    let shared = &*admitted.shared;
    let bytes_max = shared.message_bytes_max;
    let bytes = request.encoded_len() as u64;
    if bytes > bytes_max {
        let reason = format!("{bytes} bytes, the limit is {bytes_max}; split the batch");
        return Err(CallError::Refused("BATCH_TOO_LARGE", reason));
    }
    let served = admitted.find(&request.output)?.enter()?;
    let schema = request.schema.ok_or_else(|| invalid("schema", "is missing"))?;
    let mut batch = request.batch.ok_or_else(|| invalid("batch", "is missing"))?;
    if batch.timeout.is_some() {
        return Err(invalid("batch.timeout", "is the call's deadline here"));
    }
    let rows = batch.rows.take().ok_or_else(|| invalid("batch.rows", "is missing"))?;
    let (carrier, rows) = carrier(rows);
    let plan = plan(&schema, &served.output).map_err(|fault| match fault {
        SchemaFault::Invalid(what) => CallError::Invalid("INVALID_SCHEMA", "schema", what),
        SchemaFault::Refused(refusal) => refused(refusal),
    })?;
    // A year is as good as for ever, and a time that can be added to.
    let deadline = deadline.unwrap_or_else(|| Instant::now() + Duration::from_secs(31_536_000));
    let stop = Stop { deadline, gone, ending: served.ending(shared) };
    let output = served.output.clone();
    let since = Instant::now();
    let own = batch.traceparent.as_deref();
    let own = own.map(|own| Context::parse(Some(own), batch.tracestate.as_deref()));
    let context = own.unwrap_or(trace);
    let trace = shared.tracer.batch(&context, || About {
        output: output.alias.clone(),
        writer: request.writer_id.clone(),
        sequence: request.writer_id.is_some().then_some(batch.sequence),
    });
    let going = None;
    let mut call =
        Call { output, plan: &plan, carrier, rows: &rows, since, deadline, context, trace, going };
    let sender = Sender { writer_id: request.writer_id, epoch: request.epoch };
    let answer = call.write(admitted, &served, sender, batch, stop).await;
    if let (Err(error), Some(trace)) = (&answer, call.trace.take()) {
        trace.failed(error.reason());
    }
    answer
}

fn invalid(field: &'static str, what: &str) -> CallError {
    CallError::Invalid("INVALID_BATCH", field, what.to_owned())
}

/// Who sends a call's batch.
struct Sender {
    writer_id: Option<String>,
    epoch: Option<u64>,
}

/// What ends a call before anything of it was handed to Kafka.
struct Stop {
    deadline: Instant,
    gone: oneshot::Receiver<()>,
    ending: Ending,
}

impl Stop {
    /// Waits for the first of: the call's time is over, the caller hangs up, the service closes.
    async fn wait(&mut self) -> CallError {
        tokio::select! {
            () = sleep_until(self.deadline) => CallError::CallTimeout,
            _ = &mut self.gone => CallError::CallTimeout,
            _ = self.ending.told() => CallError::Draining,
        }
    }
}

/// One call's rows and where they go.
struct Call<'a> {
    output: Arc<Output>,
    plan: &'a Plan,
    carrier: Carrier,
    rows: &'a Bytes,
    since: Instant,
    deadline: Instant,
    /// What the caller says that it is part of.
    context: Context,
    /// The span of the call's batch, if it is sampled, until it is answered.
    trace: Option<Box<Batch>>,
    /// And what is done with its rows.
    going: Option<Box<Going>>,
}

impl Call<'_> {
    /// Writes the rows, under the rules for who sends them.
    async fn write(
        &mut self,
        admitted: &Admitted,
        served: &Inside,
        Sender { writer_id, epoch }: Sender,
        batch: v1::Batch,
        mut stop: Stop,
    ) -> Result<v1::WriteOnceResponse, CallError> {
        let Some(id) = writer_id else {
            if served.transactional.is_some() {
                return Err(invalid(
                    "writer_id",
                    "is needed: the output's guarantee is exactly once",
                ));
            }
            if batch.sequence != 0 || batch.position.is_some() || epoch.is_some() {
                return Err(invalid("writer_id", "sequence, position and epoch need it"));
            }
            let mut accepted = self.accept(Mark::default(), stop).await?;
            let (aside, mut ticket) = (accepted.only_aside(), accepted.ticket);
            let outcome = self.outcome(&mut ticket, 0).await?;
            return self.answer(outcome, aside, 0);
        };
        check_writer_id(&id, "INVALID_BATCH", "writer_id")?;
        admitted.check_writer(served, &id)?;
        let lease = served.writers.take_if_free(&id, epoch.unwrap_or(0)).map_err(denied)?;
        if let Some(sink) = &served.transactional {
            let writer = tokio::select! {
                opened = sink.open_writer(&id) => opened?,
                error = stop.wait() => return Err(error),
            };
            self.output = opened_as(&self.output, writer, None, &lease)?;
        } else if !lease.progress().is_known(batch.sequence.saturating_sub(1)) {
            let found = tokio::select! {
                found = recall(served, &id) => found,
                error = stop.wait() => return Err(error),
            };
            let next = lease.progress().durable_through + 1;
            match found {
                Ok(Some(found)) => recalled(found, &lease)?,
                Ok(None) => {}
                // That another is next would be a lie: nobody tells which.
                Err(error) if batch.sequence > next => return Err(error),
                // Else what is known here counts alone, as it would without such a topic.
                Err(_) => {}
            }
        }
        write_numbered(self, batch, lease, stop).await
    }

    /// Brings the rows on their way.
    async fn accept(&mut self, mark: Mark, mut stop: Stop) -> Result<Accepted, CallError> {
        self.going = Going::start(self.trace.as_deref().into_iter(), &self.output.topic);
        let told = [&self.context].into_iter();
        let headers = headers(&self.output, self.going.as_deref(), told);
        let accept = self.output.accept(self.plan, self.carrier, self.rows, mark, headers);
        let accepted = tokio::select! {
            biased;
            accepted = accept => accepted,
            error = stop.wait() => Err(error)?,
        };
        match accepted {
            Ok(accepted) => {
                if let Some(going) = &mut self.going {
                    going.handed_over(accepted.records);
                }
                Ok(accepted)
            }
            Err(refusal) => {
                self.output.passage.batches.refused.inc();
                if let (Some(going), Some(trace)) = (self.going.take(), self.trace.take()) {
                    going.refused(refusal.code);
                    trace.failed(refusal.code);
                }
                Err(refused(refusal))
            }
        }
    }

    /// Waits until the rows are settled.
    async fn outcome(&mut self, ticket: &mut Ticket, sequence: u64) -> Result<Outcome, CallError> {
        let outcome = timeout_at(self.deadline, ticket.outcome()).await;
        let outcome = outcome.map_err(|_| {
            self.output.passage.batches.unknown.inc();
            CallError::BatchTimeout { sequence }
        });
        let failed = match &outcome {
            Ok(outcome) => outcome.unknown.as_ref().map(|cause| cause.code),
            Err(late) => Some(late.reason()),
        };
        if let Some(going) = self.going.take() {
            going.answered(failed);
        }
        if let (Some(code), Some(trace)) = (failed, self.trace.take_if(|_| failed.is_some())) {
            trace.failed(code);
        }
        outcome
    }

    /// The answer to a call whose rows are settled.
    fn answer(
        &mut self,
        outcome: Outcome,
        mut aside: BadRows,
        sequence: u64,
    ) -> Result<v1::WriteOnceResponse, CallError> {
        let passage = self.output.passage.clone();
        if let Some(cause) = outcome.unknown {
            passage.batches.unknown.inc();
            return Err(CallError::DeliveryUnknown { sequence, cause: cause.to_string() });
        }
        passage.acknowledged(1, self.since.elapsed());
        for refused in &outcome.rejected {
            aside.add_refused(&refused.rows, 0, &refused.cause);
        }
        self.trace.take().into_iter().for_each(|trace| trace.durable(aside.total));
        Ok(v1::WriteOnceResponse {
            durable_through: (sequence > 0).then_some(sequence),
            already_durable: false,
            rejected: rejected(sequence, &aside),
            rejected_total: aside.total,
        })
    }
}

/// What a refusal means for the caller; the first bad rows are named in its text.
#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` has")]
fn refused(refusal: Refusal) -> CallError {
    let named = refusal
        .rows
        .named
        .iter()
        .take(3)
        .map(|row| format!("; row {} {} {}: {}", row.row, row.column, row.code, row.reason));
    CallError::Refused(refusal.code, refusal.reason.clone() + &named.collect::<String>())
}

/// A single batch of a writer, under the rules of a stream.
async fn write_numbered(
    call: &mut Call<'_>,
    batch: v1::Batch,
    lease: Lease,
    stop: Stop,
) -> Result<v1::WriteOnceResponse, CallError> {
    let sequence = batch.sequence;
    let digest = xxhash_rust::xxh3::xxh3_64(call.rows);
    // Nothing of this writer is on its way: what is accepted is durable.
    let (place, durable_through) = {
        let mut progress = lease.progress();
        progress.resume(None, None);
        (progress.place(sequence, digest), progress.durable_through)
    };
    match place {
        _ if sequence == 0 => return Err(refused(Refusal::gap(0, durable_through + 1))),
        Place::Gap => return Err(refused(Refusal::gap(sequence, durable_through + 1))),
        Place::Reused => return Err(CallError::SequenceReused { sequence }),
        Place::Known => {
            call.trace.take().into_iter().for_each(|trace| trace.repeated());
            return Ok(v1::WriteOnceResponse {
                durable_through: Some(durable_through),
                already_durable: true,
                ..v1::WriteOnceResponse::default()
            });
        }
        Place::Next => Refusal::check_position(batch.position.as_ref()).map_err(refused)?,
    }
    let position = batch.position.clone();
    let mark = Mark { sequence, position, epoch: lease.epoch(), writer: lease.writer().clone() };
    let mut accepted = call.accept(mark, stop).await?;
    let (aside, mut ticket) = (accepted.only_aside(), accepted.ticket);
    lease.progress().accepted(sequence, digest, Instant::now().into_std());
    let outcome = match call.outcome(&mut ticket, sequence).await {
        Ok(outcome) => outcome,
        Err(error) => {
            // The caller is told that its rows may be written. The writer stays taken until they
            // are settled, so that whoever comes next goes on behind them.
            tokio::spawn(async move {
                let unknown = ticket.outcome().await.unknown.is_some();
                let mut progress = lease.progress();
                match unknown {
                    true => progress.maybe_written(sequence),
                    false => progress.durable(sequence, batch.position),
                }
            });
            return Err(error);
        }
    };
    if outcome.unknown.is_some() {
        lease.progress().maybe_written(sequence);
    }
    let answer = call.answer(outcome, aside, sequence)?;
    lease.progress().durable(sequence, batch.position);
    Ok(answer)
}
