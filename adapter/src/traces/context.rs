//! The trace that an engine says a stream, a call or a batch is part of: W3C Trace Context.
use std::collections::HashMap;

use opentelemetry::{
    propagation::TextMapPropagator as _,
    trace::{SpanContext, TraceContextExt as _},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;

/// The name of the header, and of the key of gRPC metadata.
pub const TRACEPARENT: &str = "traceparent";

/// What systems on the way have noted.
pub const TRACESTATE: &str = "tracestate";

/// What a list of notes may have (W3C Trace Context, 3.3.1.5); a longer one is left out.
pub const TRACESTATE_BYTES_MAX: usize = 512;

/// A trace and the span in it that caused what comes, or none.
#[derive(Clone, Debug)]
pub struct Context(SpanContext);

impl Context {
    /// What a text says. One that is not as it should be says nothing, as the specification has it.
    pub fn parse(traceparent: Option<&str>, tracestate: Option<&str>) -> Self {
        let Some(traceparent) = traceparent else { return Self::default() };
        let tracestate = tracestate.filter(|state| state.len() <= TRACESTATE_BYTES_MAX);
        let pairs = [(TRACEPARENT, Some(traceparent)), (TRACESTATE, tracestate)];
        let carrier: HashMap<String, String> = pairs
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
            .collect();
        let none = opentelemetry::Context::new();
        let found = TraceContextPropagator::new().extract_with_context(&none, &carrier);
        Self(found.span().span_context().clone())
    }

    pub(super) fn new(span: SpanContext) -> Self {
        Self(span)
    }

    /// The headers that tell somebody else of it; none if there is nothing to tell.
    pub fn headers(&self) -> Option<Vec<(&'static str, String)>> {
        if !self.0.is_valid() {
            return None;
        }
        let (trace, span, flags) = (self.0.trace_id(), self.0.span_id(), self.0.trace_flags());
        let state = self.0.trace_state().header();
        let mut headers = vec![(TRACEPARENT, format!("00-{trace}-{span}-{:02x}", flags.to_u8()))];
        headers.extend((!state.is_empty()).then_some((TRACESTATE, state)));
        Some(headers)
    }

    /// The span.
    pub(super) fn span(&self) -> &SpanContext {
        &self.0
    }
}

impl Default for Context {
    fn default() -> Self {
        Self(SpanContext::empty_context())
    }
}
