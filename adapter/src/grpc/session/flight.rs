//! Batches that Kafka has, and what becomes of them.
use std::collections::VecDeque;

use bytes::Bytes;
use proto::v1::WriteRequest;
use tokio::time::Instant;
use tokio_stream::Stream;
use tonic::Status;

use super::{CallError, End, Session, Taken, credit, rejected};
use crate::{
    kafka::{Outcome, RejectedRows, Ticket},
    meter::Passage,
    output::{Accepted, BadRows},
    traces::{self, Going},
    writers::{Lease, Progress},
};

/// Batches that went to Kafka together, and settle together.
pub(super) struct InFlight {
    pub(super) ticket: Ticket,
    /// When the first of them began to need Kafka.
    pub(super) since: Instant,
    /// At least one.
    pub(super) batches: Vec<Sent>,
    /// The spans that they share.
    trace: Option<Box<Going>>,
}

/// A batch that Kafka has.
pub(super) struct Sent {
    pub(super) sequence: u64,
    wire_bytes: u64,
    position: Option<Bytes>,
    /// The number of its first row, among those that went together.
    offset: u32,
    aside: BadRows,
    pub(super) deadline: Option<Instant>,
    trace: Option<Box<traces::Batch>>,
}

impl InFlight {
    /// The batches that were accepted together.
    pub(super) fn new(
        accepted: Accepted,
        batches: Vec<Taken>,
        since: Instant,
        trace: Option<Box<Going>>,
    ) -> Self {
        let of_each = accepted.offsets.into_iter().zip(accepted.aside);
        let batches = batches.into_iter().zip(of_each);
        let batches = batches.map(|(Taken { pending, .. }, (offset, aside))| Sent {
            sequence: pending.batch.sequence,
            wire_bytes: pending.wire_bytes,
            position: pending.batch.position,
            offset,
            aside,
            deadline: pending.deadline,
            trace: pending.trace.span,
        });
        Self { ticket: accepted.ticket, since, batches: batches.collect(), trace }
    }

    /// Its spans are over, if the brokers have answered with this code.
    fn end_traces(&mut self, failed: Option<&'static str>) {
        if let Some(trace) = self.trace.take() {
            trace.answered(failed);
        }
        for batch in &mut self.batches {
            match (batch.trace.take(), failed) {
                (None, _) => {}
                (Some(trace), None) => trace.durable(batch.aside.total),
                (Some(trace), Some(code)) => trace.failed(code),
            }
        }
    }

    /// The number of its first batch.
    pub(super) fn first(&self) -> u64 {
        self.batches[0].sequence
    }

    /// The number of its last batch.
    fn last(&self) -> u64 {
        self.batches[self.batches.len() - 1].sequence
    }

    /// Tells each batch which of its rows the broker refused for good.
    fn share_out(&mut self, refused: &[RejectedRows]) {
        for RejectedRows { rows, cause } in refused {
            let mut rows = rows.as_slice();
            while let Some(first) = rows.first() {
                let index = self.batches.partition_point(|batch| batch.offset <= *first) - 1;
                let next = self.batches.get(index + 1).map_or(u32::MAX, |next| next.offset);
                let of_this = rows.partition_point(|row| *row < next);
                let batch = &mut self.batches[index];
                batch.aside.add_refused(&rows[..of_this], batch.offset, cause);
                rows = &rows[of_this..];
            }
        }
    }
}

impl Sent {
    /// The writer has come so far.
    fn note(&mut self, progress: &mut Progress) {
        progress.set_aside(self.sequence, &self.aside);
        progress.durable(self.sequence, self.position.take());
    }
}

impl<I> Session<I>
where
    I: Stream<Item = Result<WriteRequest, Status>> + Send + Unpin,
{
    /// The oldest batches in flight are settled.
    pub(super) fn settled(&mut self, outcome: Outcome) -> End {
        let mut flight = self.in_flight.pop_front().expect("it was in flight");
        self.held = None;
        for batch in &flight.batches {
            self.release(batch.wire_bytes);
        }
        if let Some(cause) = outcome.unknown {
            flight.end_traces(Some(cause.code));
            self.unknown = true;
            self.lease.progress().maybe_written(flight.last());
            let sequence = flight.first();
            self.passage().batches.unknown.inc_by(flight.batches.len() as u64);
            if cause.code == "TAKEN_OVER" {
                return Err(CallError::TakenOver);
            }
            return Err(CallError::DeliveryUnknown { sequence, cause: cause.to_string() });
        }
        flight.share_out(&outcome.rejected);
        flight.end_traces(None);
        let waited = flight.since.elapsed();
        let passage = self.passage();
        passage.acknowledged(flight.batches.len() as u64, waited);
        for batch in &mut flight.batches {
            batch.note(&mut self.lease.progress());
            let prompt = || self.terms.output.kafka.prompt_within();
            let grown = self.credit.settled(batch.wire_bytes, waited, prompt);
            let credit = grown.then(|| credit(&self.credit));
            let aside = rejected(batch.sequence, &batch.aside);
            self.outbox.acknowledge(batch.sequence, credit, aside, batch.aside.total);
        }
        Ok(())
    }
}

/// Waits until everything that Kafka has of a stream is settled, and moves the writer on.
pub(super) async fn settle(
    lease: &Lease,
    passage: &Passage,
    in_flight: VecDeque<InFlight>,
    mut unknown: bool,
) {
    for mut flight in in_flight {
        let outcome = flight.ticket.outcome().await;
        let batches = flight.batches.len() as u64;
        match outcome.unknown {
            Some(_) => passage.batches.unknown.inc_by(batches),
            None => passage.batches.durable.inc_by(batches),
        };
        flight.end_traces(outcome.unknown.as_ref().map(|cause| cause.code));
        // Batches behind an unknown one may be durable, but the engine goes on behind that one.
        unknown |= outcome.unknown.is_some();
        let mut progress = lease.progress();
        if unknown {
            progress.maybe_written(flight.last());
        } else {
            flight.share_out(&outcome.rejected);
            flight.batches.iter_mut().for_each(|batch| batch.note(&mut progress));
        }
    }
}
