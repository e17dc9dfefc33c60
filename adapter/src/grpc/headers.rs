//! What records tell those who read them of the trace that their batch is part of.
use std::sync::Arc;

use crate::{
    kafka::headers::Headers,
    output::Output,
    traces::{Context, Going},
};

/// The headers of batches that go together: of the span that sends them or, where none of them is
/// sampled, of the first context that their engine has told.
pub(super) fn headers<'a>(
    output: &Output,
    going: Option<&Going>,
    mut told: impl Iterator<Item = &'a Context>,
) -> Option<Arc<Headers>> {
    if !output.trace_headers {
        return None;
    }
    let headers = match going {
        Some(going) => going.context().headers(),
        None => told.find_map(Context::headers),
    };
    headers.map(|headers| Arc::new(Headers::new(headers)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traces::TRACESTATE_BYTES_MAX;

    #[test]
    fn no_trace_has_longer_headers_than_records_leave_room_for() {
        let parent = format!("00-{}-{}-01", "a".repeat(32), "b".repeat(16));
        let note = format!("engine={}", "x".repeat(256));
        let other = format!("other={}", "y".repeat(TRACESTATE_BYTES_MAX - note.len() - 7));
        let state = format!("{note},{other}");
        assert_eq!(state.len(), TRACESTATE_BYTES_MAX);
        let told = Context::parse(Some(&parent), Some(&state)).headers().unwrap();
        assert_eq!(told, [("traceparent", parent), ("tracestate", state)]);
        let bytes = Headers::new(told).wire_bytes();
        assert!((Headers::TRACE_BYTES_MAX - 10..=Headers::TRACE_BYTES_MAX).contains(&bytes));
    }
}
