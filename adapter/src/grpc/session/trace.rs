//! The spans of a stream's batches, where traces are on, and what their records tell of them.
use std::sync::Arc;

use proto::v1::{Batch, WriteRequest};
use tokio_stream::Stream;
use tonic::Status;

use super::{Session, Taken};
use crate::{
    grpc::headers::headers,
    kafka::headers::Headers,
    traces::{self, About, Context, Going},
};

/// The trace that a batch is part of, until it is answered.
pub(super) struct Trace {
    /// Its span, if it is sampled.
    pub(super) span: Option<Box<traces::Batch>>,
    /// Else what its engine says, where records tell it.
    told: Option<Box<Context>>,
}

impl<I> Session<I>
where
    I: Stream<Item = Result<WriteRequest, Status>> + Send + Unpin,
{
    /// The trace of a batch that has come.
    pub(super) fn trace(&self, batch: &Batch) -> Trace {
        let tells = self.terms.output.trace_headers;
        if !self.terms.tracer.is_on() && !tells {
            return Trace { span: None, told: None };
        }
        let own = batch.traceparent.as_deref();
        let own = own.map(|own| Context::parse(Some(own), batch.tracestate.as_deref()));
        let context = own.as_ref().unwrap_or(&self.terms.trace);
        let span = self.terms.tracer.batch(context, || About {
            output: self.terms.output.alias.clone(),
            writer: Some(self.lease.writer().to_string()),
            sequence: Some(batch.sequence),
        });
        let told = (tells && span.is_none()).then(|| Box::new(context.clone()));
        Trace { span, told }
    }

    /// The spans of batches that are about to go, and the headers of their records: of the first that
    /// has some, as records are shared.
    pub(super) fn going<'a>(
        &self,
        batches: impl Iterator<Item = &'a Taken> + Clone,
    ) -> (Option<Box<Going>>, Option<Arc<Headers>>) {
        let output = &self.terms.output;
        let sampled = batches.clone().filter_map(|batch| batch.pending.trace.span.as_deref());
        let going = Going::start(sampled, &output.topic);
        let told = batches.filter_map(|batch| batch.pending.trace.told.as_deref());
        let headers = headers(output, going.as_deref(), told);
        (going, headers)
    }
}
