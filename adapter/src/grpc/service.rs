//! The calls of `KafkaOutputService`.
use std::{pin::Pin, sync::Arc};

use proto::v1::{
    self, WriteRequest, WriteResponse, kafka_output_service_server::KafkaOutputService,
};
use tokio::{sync::watch, time::Instant};
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

use super::{
    convert,
    error::{CallError, denied},
    once::{deadline, write_once},
    opening::serve_stream,
    outbox::Outbox,
};
use crate::{
    credit::Pool,
    job,
    output::Output,
    writers::{Denied, Writers},
};

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

    /// An output by its alias.
    pub fn find(&self, alias: &str) -> Result<&Served, CallError> {
        let found = self.outputs.iter().find(|served| served.output.alias == alias);
        found.ok_or_else(|| {
            let others = self.outputs.iter().take(10);
            let others: Vec<_> =
                others.map(|served| format!("`{}`", served.output.alias)).collect();
            CallError::OutputNotFound {
                alias: alias.chars().take(128).collect(),
                others: others.join(", "),
            }
        })
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
        if shared.drain.borrow().is_some() { Err(CallError::Draining) } else { Ok(counted) }
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
        let counted = Counted::new(&self.0)?;
        let (outbox, answers) = Outbox::new();
        let shared = self.0.clone();
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
        let counted = Counted::new(&self.0)?;
        let deadline = deadline(request.metadata());
        let shared = self.0.clone();
        // Dropped with this future, which is when the caller hangs up.
        let (_caller, gone) = tokio::sync::oneshot::channel::<()>();
        // As above: a caller that hangs up leaves its records to settle and its writer to move on.
        let call = tokio::spawn(async move {
            let _counted = counted;
            write_once(&shared, request.into_inner(), deadline, gone).await
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
