//! The spans of a stream's batches, where traces are on.
use proto::v1::{Batch, WriteRequest};
use tokio_stream::Stream;
use tonic::Status;

use super::{Session, Taken};
use crate::traces::{self, About, Going};

impl<I> Session<I>
where
    I: Stream<Item = Result<WriteRequest, Status>> + Send + Unpin,
{
    /// The span of a batch that has come, if it is sampled.
    pub(super) fn trace(&self, batch: &Batch) -> Option<Box<traces::Batch>> {
        if !self.terms.tracer.is_on() {
            return None;
        }
        let own = batch.traceparent.as_deref();
        let own = own.map(|own| traces::Context::parse(Some(own), batch.tracestate.as_deref()));
        self.terms.tracer.batch(own.as_ref().unwrap_or(&self.terms.trace), || About {
            output: self.terms.output.alias.clone(),
            writer: Some(self.lease.writer().to_string()),
            sequence: Some(batch.sequence),
        })
    }

    /// The spans of batches that are about to go.
    pub(super) fn going<'a>(&self, batches: impl Iterator<Item = &'a Taken>) -> Option<Box<Going>> {
        let sampled = batches.filter_map(|batch| batch.pending.trace.as_deref());
        Going::start(sampled, &self.terms.output.topic)
    }
}
