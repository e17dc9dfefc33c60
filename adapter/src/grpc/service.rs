//! The calls of `KafkaOutputService`.
use std::{fmt, pin::Pin, sync::Arc, time::Duration};

use proto::v1::{
    self, WriteRequest, WriteResponse, kafka_output_service_server::KafkaOutputService,
};
use tokio::time::sleep;
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming, metadata::MetadataMap};

use super::{
    callers::{Caller, Callers, Peer},
    convert,
    error::{CallError, denied},
    gate::Reserved,
    once::{Asked, deadline, write_once},
    opening::{serve_stream, too_many},
    outbox::Outbox,
    served::{Served, Shared},
    standing::Live,
};
use crate::{
    kafka::{Cause, ProgressEntry, Stored},
    traces,
    writers::Denied,
};

/// The service.
#[derive(Clone)]
pub struct Service {
    /// What all calls share.
    pub shared: Arc<Shared>,
}

/// A caller that was let in, and what it may reach.
///
/// An alias is no secret: one that exists and is not the caller's is answered with
/// `CALLER_NOT_ALLOWED`, so that whoever forgot a rule looks in the right place. What an output is,
/// and how it does, is shown only to those who may write into it, and lists name no other.
pub struct Admitted {
    /// What all calls share.
    pub shared: Arc<Shared>,
    callers: Arc<Callers>,
    /// Where the caller is.
    pub(super) peer: Peer,
    caller: Caller,
    live: Option<Live>,
}

/// A session that is counted until dropped.
struct Counted(Arc<Shared>);

impl Service {
    /// What a call or a stream says it is part of.
    fn trace(&self, metadata: &MetadataMap) -> traces::Context {
        let of = |name| metadata.get(name).and_then(|value| value.to_str().ok());
        traces::Context::parse(of(traces::TRACEPARENT), of(traces::TRACESTATE))
    }
}

impl Admitted {
    /// A caller that is let in, on its connection.
    pub fn new(shared: Arc<Shared>, callers: Arc<Callers>, peer: Peer, caller: Caller) -> Self {
        let mut admitted = Self { shared, callers, peer, caller, live: None };
        // Whoever may write nowhere stays a stranger to this connection.
        if admitted.outputs().next().is_some() {
            admitted.live = Some(admitted.peer.standing.admit());
        }
        admitted
    }

    /// Whether the caller may write into any output at all.
    ///
    /// # Errors
    /// If it may not.
    pub fn check_any(&self) -> Result<(), CallError> {
        match self.outputs().next() {
            Some(_) => Ok(()),
            None => Err(self.deny(&"the `writers` of no output name the caller")),
        }
    }

    /// Notes that the caller may not do something, and says why in the log.
    fn deny(&self, what: &dyn fmt::Display) -> CallError {
        self.callers.deny(&self.peer, &self.caller, CallError::CallerNotAllowed, what)
    }

    /// Whether the caller may write into an output.
    fn may_write(&self, served: &Served) -> bool {
        served.rules.as_ref().is_none_or(|rules| rules.allow(&self.caller))
    }

    /// The outputs of the caller, as they are now.
    pub fn outputs(&self) -> impl Iterator<Item = Arc<Served>> {
        let mut theirs: Vec<_> = self.shared.outputs.load().iter().cloned().collect();
        theirs.retain(|served| self.may_write(served));
        theirs.into_iter()
    }

    /// An output of the caller by its alias.
    ///
    /// # Errors
    /// If there is none, or it is not the caller's.
    pub fn find(&self, alias: &str) -> Result<Arc<Served>, CallError> {
        let outputs = self.shared.outputs.load();
        match outputs.iter().find(|served| served.output.alias == alias) {
            Some(served) if self.may_write(served) => Ok(served.clone()),
            Some(_) => {
                let what = format_args!("none of the `writers` of output `{alias}` is the caller");
                Err(self.deny(&what))
            }
            None => {
                let others = self.outputs().take(10);
                let others: Vec<_> =
                    others.map(|served| format!("`{}`", served.output.alias)).collect();
                Err(CallError::OutputNotFound {
                    alias: alias.chars().take(128).collect(),
                    others: others.join(", "),
                })
            }
        }
    }

    /// Whether the caller may use a writer id.
    ///
    /// # Errors
    /// If it may not.
    pub fn check_writer(&self, served: &Served, writer_id: &str) -> Result<(), CallError> {
        let rules = served.rules.as_ref();
        if rules.is_none_or(|rules| rules.allow_writer(&self.caller, writer_id)) {
            return Ok(());
        }
        let (alias, id) = (&served.output.alias, writer_id.chars().take(128).collect::<String>());
        let what = format_args!("no prefix of the caller's in output `{alias}` begins {id:?}");
        Err(self.deny(&what))
    }
}

impl Counted {
    /// Counts first and looks then, as the one who closes says so first and counts then. Else:
    ///   1. a call sees that the service is open;
    ///   2. the service closes, counts nobody, and ends its producers;
    ///   3. the call counts itself and hands its rows over.
    fn new(shared: &Arc<Shared>) -> Result<Self, CallError> {
        shared.sessions.send_modify(|sessions| *sessions += 1);
        let counted = Self(shared.clone());
        if shared.drain.borrow().is_some() {
            return Err(CallError::Draining);
        }
        if *shared.sessions.borrow() > shared.sessions_max() {
            return Err(too_many(shared));
        }
        Ok(counted)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.sessions.send_modify(|sessions| *sessions -= 1);
    }
}

/// Who makes a call that has passed the gate.
fn admitted<T>(request: &Request<T>) -> Result<Arc<Admitted>, CallError> {
    request.extensions().get().cloned().ok_or(CallError::CallerNotAllowed)
}

#[tonic::async_trait]
impl KafkaOutputService for Service {
    type WriteStream = Pin<Box<dyn Stream<Item = Result<WriteResponse, Status>> + Send>>;

    async fn write(
        &self,
        request: Request<Streaming<WriteRequest>>,
    ) -> Result<Response<Self::WriteStream>, Status> {
        let admitted = admitted(&request)?;
        let counted = Counted::new(&self.shared)?;
        let trace = self.trace(request.metadata());
        let (outbox, answers) = Outbox::new();
        // A task of its own: the records on their way outlive a client that hangs up.
        tokio::spawn(async move {
            let _counted = counted;
            serve_stream(&admitted, request.into_inner(), outbox, trace).await;
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn write_once(
        &self,
        request: Request<v1::WriteOnceRequest>,
    ) -> Result<Response<v1::WriteOnceResponse>, Status> {
        let admitted = admitted(&request)?;
        let counted = Counted::new(&self.shared)?;
        let deadline = deadline(request.metadata());
        let trace = self.trace(request.metadata());
        // The gate has set it aside; it takes it back if the message was too slow.
        let reserved = request.extensions().get::<Reserved>().and_then(Reserved::take);
        let credit = reserved.ok_or(CallError::CallTimeout)?;
        // Dropped with this future, which is when the caller hangs up.
        let (_caller, gone) = tokio::sync::oneshot::channel::<()>();
        // As above: a caller that hangs up leaves its records to settle and its writer to move on.
        let call = tokio::spawn(async move {
            let _counted = counted;
            let asked = Asked { request: request.into_inner(), deadline, trace };
            write_once(&admitted, asked, credit, gone).await
        });
        let answer = call.await.map_err(|error| Status::internal(error.to_string()))?;
        Ok(Response::new(answer?))
    }

    async fn get_writer(
        &self,
        request: Request<v1::GetWriterRequest>,
    ) -> Result<Response<v1::GetWriterResponse>, Status> {
        let admitted = admitted(&request)?;
        let request = request.into_inner();
        let served = admitted.find(&request.output)?;
        admitted.check_writer(&served, &request.writer_id)?;
        let known = served.writers.get(&request.writer_id);
        let Some(known) = known else {
            return Ok(Response::new(stored_writer(&served, &request.writer_id).await?));
        };
        let progress = known.progress;
        let oldest = progress.oldest().map(convert::time_of);
        let in_flight = progress.accepted_through.saturating_sub(progress.durable_through);
        Ok(Response::new(v1::GetWriterResponse {
            known: true,
            durable_through: progress.durable_through,
            position: progress.position.map(Into::into),
            epoch: known.epoch,
            live: known.live,
            batches_in_flight: in_flight as u32,
            oldest_unacknowledged: oldest,
        }))
    }

    async fn reset_writer(
        &self,
        request: Request<v1::ResetWriterRequest>,
    ) -> Result<Response<v1::ResetWriterResponse>, Status> {
        let admitted = admitted(&request)?;
        let request = request.into_inner();
        let served = admitted.find(&request.output)?;
        admitted.check_writer(&served, &request.writer_id)?;
        // First what is remembered, so that it is not stored again. If what is stored stays, the next
        // stream goes on after that, as if nothing had been forgotten.
        let was_known = match served.writers.reset(&request.writer_id) {
            Err(Denied::Busy) => return Err(CallError::ResetBusy.into()),
            other => other.map_err(denied)?,
        };
        let was_stored = forget_stored(&served, &request.writer_id).await?;
        Ok(Response::new(v1::ResetWriterResponse { was_known: was_known || was_stored }))
    }

    async fn list_outputs(
        &self,
        request: Request<v1::ListOutputsRequest>,
    ) -> Result<Response<v1::ListOutputsResponse>, Status> {
        let outputs =
            admitted(&request)?.outputs().map(|served| convert::output(&served)).collect();
        Ok(Response::new(v1::ListOutputsResponse { outputs }))
    }

    async fn get_output(
        &self,
        request: Request<v1::GetOutputRequest>,
    ) -> Result<Response<v1::GetOutputResponse>, Status> {
        let admitted = admitted(&request)?;
        let served = admitted.find(&request.into_inner().output)?;
        let output = Some(convert::output(&served));
        Ok(Response::new(v1::GetOutputResponse { output }))
    }
}

/// What is stored of a writer that this process does not know.
async fn stored_writer(served: &Served, writer: &str) -> Result<v1::GetWriterResponse, CallError> {
    let Some(found) = recall(served, writer).await? else {
        return Ok(v1::GetWriterResponse::default());
    };
    Ok(v1::GetWriterResponse {
        known: true,
        durable_through: found.known.sequence,
        position: found.known.position.map(Into::into),
        epoch: found.known.epoch,
        ..v1::GetWriterResponse::default()
    })
}

/// How often a writer is forgotten at most, if another replica brings it back.
const FORGET_TRIES: usize = 3;

/// Longer than a replica takes to store what it holds.
const FORGET_SETTLES: Duration = Duration::from_millis(2_500);

/// Forgets what is stored of a writer. False if there was nothing.
async fn forget_stored(served: &Served, writer: &str) -> Result<bool, CallError> {
    let Some(log) = served.progress.clone() else { return Ok(false) };
    if let Some(sink) = &served.transactional {
        // What is not committed yet is not seen by whoever looks, and fenced here.
        return Ok(sink.forget_writer(writer).await?);
    }
    let Some(found) = recall(served, writer).await? else { return Ok(false) };
    let generation = found.generation + 1;
    let forgotten = ProgressEntry { generation, known: Stored::default(), ..found };
    for _ in 0..FORGET_TRIES {
        let (storing, forgotten) = (log.clone(), forgotten.clone());
        blocking(move || storing.store(&[forgotten])).await?;
        // What another replica still holds of the writer it stores within about a second, and it
        // does not know yet. The newest record is the one that compaction keeps.
        sleep(FORGET_SETTLES).await;
        let (reading, writer) = (log.clone(), writer.to_owned());
        let newest = blocking(move || reading.newest_generation(&writer)).await?;
        if newest.is_none_or(|newest| newest >= generation) {
            return Ok(true);
        }
    }
    // It goes on storing: it has a stream of this writer.
    Err(CallError::ResetBusy)
}

/// A call that waits for the brokers.
async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, Cause> + Send + 'static,
) -> Result<T, CallError> {
    let answer = tokio::task::spawn_blocking(call).await;
    answer.unwrap_or_else(|_| Err(Cause::slow())).map_err(unavailable)
}

/// What is stored of a writer.
pub(super) async fn recall(
    served: &Served,
    writer: &str,
) -> Result<Option<ProgressEntry>, CallError> {
    let Some(log) = served.progress.clone() else { return Ok(None) };
    log.look_up(writer).await.map_err(unavailable)
}

fn unavailable(cause: Cause) -> CallError {
    CallError::ProgressUnavailable(cause.code, cause.text)
}
