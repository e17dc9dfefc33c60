//! Traces of batches, over OTLP: from the context that an engine sends with a batch to the brokers'
//! answer.
//!
//! Of a batch there are three spans: `receive`, from its arrival to its answer, and below it `encode`,
//! until its records are handed over, and `send TOPIC`, until the brokers have answered. Batches that
//! go together share the latter two, which are the first's and name the others in links. While traces
//! are off, or a batch is not sampled, there is one look at an option for each of them.
mod batch;
mod context;
mod export;

use std::{sync::Arc, time::SystemTime};

use opentelemetry::{
    InstrumentationScope, KeyValue,
    trace::{Link, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags},
};
use opentelemetry_sdk::trace::{
    IdGenerator as _, RandomIdGenerator, Sampler, SamplingDecision, ShouldSample as _, SpanData,
    SpanEvents, SpanLinks,
};

use self::export::Queue;
pub use self::{
    batch::{About, Batch, Going},
    context::{Context, TRACEPARENT, TRACESTATE, TRACESTATE_BYTES_MAX},
    export::{Exporting, start},
};

/// Makes spans, if traces are on. Copies share what takes them.
#[derive(Clone, Default)]
pub struct Tracer(Option<Arc<Inner>>);

struct Inner {
    /// Who asks is heeded; of what nobody asks for a part is taken.
    sampler: Sampler,
    ids: RandomIdGenerator,
    scope: InstrumentationScope,
    queue: Queue,
}

/// A span that is not over.
struct Open {
    context: SpanContext,
    parent: SpanContext,
    since: SystemTime,
}

impl Tracer {
    fn new(sample_ratio: f64, queue: Queue) -> Self {
        let scope = InstrumentationScope::builder("kafka-output");
        Self(Some(Arc::new(Inner {
            sampler: Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(sample_ratio))),
            ids: RandomIdGenerator::default(),
            scope: scope.with_version(env!("CARGO_PKG_VERSION")).build(),
            queue,
        })))
    }

    /// Whether there are any spans.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// A batch has come, in the context that the engine says; nothing if it is not sampled.
    pub fn batch(&self, parent: &Context, about: impl FnOnce() -> About) -> Option<Box<Batch>> {
        let inner = self.0.as_ref()?;
        let open = inner.begin(parent)?;
        Some(Box::new(Batch::new(inner.clone(), open, about())))
    }
}

impl Inner {
    /// A span in the context of somebody else, if it is sampled.
    fn begin(&self, parent: &Context) -> Option<Open> {
        let parent = parent.span().clone();
        let known = parent.is_valid();
        let trace = if known { parent.trace_id() } else { self.ids.new_trace_id() };
        let context = opentelemetry::Context::new();
        let context =
            if known { context.with_remote_span_context(parent.clone()) } else { context };
        let sampled = self.sampler.should_sample(
            Some(&context),
            trace,
            batch::RECEIVE,
            &SpanKind::Server,
            &[],
            &[],
        );
        if sampled.decision != SamplingDecision::RecordAndSample {
            return None;
        }
        let state = parent.trace_state().clone();
        let (id, flags) = (self.ids.new_span_id(), TraceFlags::SAMPLED);
        let context = SpanContext::new(trace, id, flags, false, state);
        Some(Open { context, parent, since: SystemTime::now() })
    }

    /// A span below one of ours.
    fn below(&self, parent: &SpanContext) -> Open {
        let (trace, state) = (parent.trace_id(), parent.trace_state().clone());
        let id = self.ids.new_span_id();
        let context = SpanContext::new(trace, id, TraceFlags::SAMPLED, false, state);
        Open { context, parent: parent.clone(), since: SystemTime::now() }
    }

    /// A span is over, with this code if it failed.
    fn end(
        &self,
        Open { context, parent, since }: &Open,
        name: impl Into<std::borrow::Cow<'static, str>>,
        span_kind: SpanKind,
        mut attributes: Vec<KeyValue>,
        links: &[SpanContext],
        failed: Option<&'static str>,
    ) {
        let status = failed.map_or(Status::Unset, Status::error);
        attributes.extend(failed.map(|code| KeyValue::new("error.type", code)));
        let mut others = SpanLinks::default();
        others.links = links.iter().cloned().map(Link::with_context).collect();
        let is_first = !parent.is_valid();
        self.queue.put(SpanData {
            span_context: context.clone(),
            parent_span_id: if is_first { SpanId::INVALID } else { parent.span_id() },
            parent_span_is_remote: parent.is_remote(),
            span_kind,
            name: name.into(),
            start_time: *since,
            end_time: SystemTime::now(),
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: others,
            status,
            instrumentation_scope: self.scope.clone(),
        });
    }
}
