//! What becomes of a batch before Kafka has it: refused, answered as known, waiting for others
//! that share its records, or sent.
use std::{collections::VecDeque, pin::Pin, sync::Arc};

use proto::v1::{self, WriteRequest, write_response::Message as Out};
use tokio::time::Instant;
use tokio_stream::Stream;
use tonic::Status;

use super::{CallError, End, Pending, Session, flight::InFlight, rejected, time::over};
use crate::{
    kafka::Mark,
    output::{Accepted, Plan, Read, Refusal},
    traces::Going,
    writers::Place,
};

/// A batch that is the next of its writer.
pub(super) struct Taken {
    pub(super) pending: Pending,
    pub(super) digest: u64,
    pub(super) plan: Arc<Plan>,
}

/// What is done to batches now. Dropped, nothing is done to them.
pub(super) struct Work {
    /// One that is read, or all that are sent.
    pub(super) batches: Vec<Taken>,
    /// When the batch came, or when waiting for others had its end.
    pub(super) since: Instant,
    /// The one is read; else all are sent.
    pub(super) reads: bool,
    pub(super) step: Pin<Box<dyn Future<Output = Result<Step, Refusal>> + Send>>,
    /// The spans of those that are sent.
    pub(super) trace: Option<Box<Going>>,
}

/// What was done to them.
pub(super) enum Step {
    /// The one is read, and may wait for others.
    Read(Box<Read>),
    /// The first of them are on their way.
    Sent(Accepted),
}

impl<I> Session<I>
where
    I: Stream<Item = Result<WriteRequest, Status>> + Send + Unpin,
{
    /// Takes the next batches into work, answering on the way those that need none.
    pub(super) fn start_work(&mut self) -> End {
        while self.work.as_ref().is_none_or(|work| work.reads) {
            if self.pack_is_due() {
                self.stop_reading();
                self.send_pack();
            }
            if self.work.is_some() {
                return Ok(());
            }
            let Some(pending) = self.pending.pop_front() else { return Ok(()) };
            if let Some(batch) = self.take(pending)? {
                self.work_on(batch);
            }
        }
        Ok(())
    }

    /// Whether the batches that wait for others go now.
    fn pack_is_due(&self) -> bool {
        if self.pack.is_empty() {
            return false;
        }
        let window_bytes = self.credit.bytes();
        // A batch that is read may join them, unless it waits for the room that they hold.
        let is_read = self.work.as_ref().is_some_and(|work| work.reads);
        let more_came = is_read || !self.pending.is_empty();
        self.pack.is_due(window_bytes, more_came)
            || self.unacknowledged_bytes + self.largest_bytes > window_bytes && !more_came
            || self.incoming.is_none() && !more_came
            || self.terms.output.kafka.share().waiting() > 0
    }

    /// Looks at a batch: is it the next, and can it be read? If not, it is answered.
    fn take(&mut self, mut pending: Pending) -> Result<Option<Taken>, CallError> {
        let sequence = pending.batch.sequence;
        let Some((_, rows)) = &pending.rows else {
            let reason = "the batch has no rows field; an empty batch has an empty one";
            self.answer(&mut pending, &Refusal::new("NO_ROWS_CARRIER", reason));
            return Ok(None);
        };
        let digest = xxhash_rust::xxh3::xxh3_64(rows);
        let (place, durable_through) = {
            let progress = self.lease.progress();
            let waiting = self.pack.place(sequence, digest);
            let place = waiting.unwrap_or_else(|| progress.place(sequence, digest));
            (place, progress.durable_through)
        };
        // Whether the clock has been looked at meanwhile makes no difference.
        let late = pending.late || pending.waited && over(pending.deadline, Instant::now());
        match place {
            // If it was sent before, what was in work under its number is refused.
            Place::Next if late => {
                self.answer(&mut pending, &Refusal::late());
                return Ok(None);
            }
            Place::Next | Place::Gap => {}
            Place::Reused => return Err(CallError::SequenceReused { sequence }),
            Place::Known => {
                self.release(pending.wire_bytes);
                self.passage().batches.repeated.inc();
                pending.trace.span.take().into_iter().for_each(|span| span.repeated());
                // If it is durable the engine may wait to hear so; else its `Ack` will come.
                if sequence <= durable_through {
                    self.outbox.acknowledge(durable_through, None, Vec::new(), 0);
                }
                return Ok(None);
            }
        }
        match self.check(&pending, place) {
            Ok(plan) => Ok(Some(Taken { pending, digest, plan })),
            Err(refusal) => {
                self.answer(&mut pending, &refusal);
                Ok(None)
            }
        }
    }

    /// What is wrong with a batch before its rows are looked at.
    fn check(&self, pending: &Pending, place: Place) -> Result<Arc<Plan>, Refusal> {
        let Pending { batch, wire_bytes, .. } = pending;
        if place == Place::Gap {
            return Err(Refusal::gap(batch.sequence, self.expected()));
        }
        let bytes_max = self.terms.message_bytes_max;
        if *wire_bytes > bytes_max {
            let reason = format!("{wire_bytes} bytes, the limit is {bytes_max}; split the batch");
            return Err(Refusal::new("BATCH_TOO_LARGE", reason));
        }
        Refusal::check_position(batch.position.as_ref())?;
        let planned = pending.plan.clone().ok_or_else(|| {
            let reason = format!("schema {} is not declared on this stream", batch.schema_id);
            Refusal::new("UNKNOWN_SCHEMA", reason)
        })?;
        planned.map_err(|refusal| (*refusal).clone())
    }

    /// Reads a batch, and sends it if it need not wait for others.
    fn work_on(&mut self, batch: Taken) {
        if !self.pack.shares(&batch.plan) {
            self.pending.push_front(batch.pending);
            return self.send_pack();
        }
        let (output, plan) = (self.terms.output.clone(), batch.plan.clone());
        let (carrier, rows) = batch.pending.rows.clone().expect("it was looked at");
        let (since, reads) = (batch.pending.since, self.pack.waits());
        let (trace, headers) = match reads {
            true => (None, None),
            false => self.going([&batch].into_iter()),
        };
        let step: Pin<Box<dyn Future<Output = _> + Send>> = if reads {
            Box::pin(async move {
                output.read(&plan, carrier, &rows).await.map(|read| Step::Read(Box::new(read)))
            })
        } else {
            let mark = self.mark(&batch.pending);
            Box::pin(async move {
                output.accept(&plan, carrier, &rows, mark, headers).await.map(Step::Sent)
            })
        };
        self.work = Some(Work { batches: vec![batch], since, reads, step, trace });
    }

    /// How far the writer has come with a batch.
    fn mark(&self, Pending { batch, .. }: &Pending) -> Mark {
        let position = batch.position.clone();
        let writer = self.lease.writer().clone();
        Mark { sequence: batch.sequence, position, epoch: self.lease.epoch(), writer }
    }

    /// Sends all that wait.
    fn send_pack(&mut self) {
        let (batches, reads): (Vec<_>, Vec<_>) = self.pack.take().into_iter().unzip();
        let (output, plan) = (self.terms.output.clone(), batches[0].plan.clone());
        let marks = batches.iter().map(|batch| self.mark(&batch.pending)).collect();
        let (trace, headers) = self.going(batches.iter());
        let step =
            Box::pin(
                async move { output.send(&plan, reads, marks, headers).await.map(Step::Sent) },
            );
        self.work = Some(Work { batches, since: Instant::now(), reads: false, step, trace });
    }

    /// The work is done.
    pub(super) fn worked(&mut self, result: Result<Step, Refusal>) {
        let Work { mut batches, since, reads, mut trace, .. } =
            self.work.take().expect("it was in work");
        match result {
            Ok(Step::Read(read)) => {
                let batch = batches.pop().expect("one is read at a time");
                if !self.pack.has_room(&read) {
                    self.send_pack();
                }
                self.pack.push(batch, *read);
            }
            Ok(Step::Sent(accepted)) => {
                let rest = batches.split_off(accepted.offsets.len());
                let mut progress = self.lease.progress();
                for batch in &batches {
                    let sequence = batch.pending.batch.sequence;
                    progress.accepted(sequence, batch.digest, since.into_std());
                }
                drop(progress);
                if let Some(trace) = &mut trace {
                    trace.handed_over(accepted.records);
                }
                self.in_flight.push_back(InFlight::new(accepted, batches, since, trace));
                if !rest.is_empty() {
                    self.send_again(rest);
                }
            }
            Err(refusal) => {
                let rest = batches.split_off(1);
                if !reads {
                    self.send_again(rest);
                }
                if let Some(trace) = trace {
                    trace.refused(refusal.code);
                }
                self.answer(&mut batches[0].pending, &refusal);
                if self.in_flight.is_empty() {
                    self.held = None;
                }
            }
        }
    }

    /// Batches wait again, in front of all that have not been looked at.
    fn put_back(&mut self, batches: Vec<Taken>) {
        for Taken { pending, .. } in batches.into_iter().rev() {
            self.pending.push_front(Pending { waited: true, ..pending });
        }
    }

    /// Batches that were sent and did not go are looked at again, one by one: one of them is to
    /// blame. So are those that wait behind them.
    fn send_again(&mut self, mut batches: Vec<Taken>) {
        batches.extend(self.pack.take().into_iter().map(|(batch, _)| batch));
        batches.iter_mut().for_each(|batch| batch.pending.again = true);
        self.put_back(batches);
    }

    /// Everything that Kafka does not have waits again.
    fn put_all_back(&mut self) {
        // One that is read is behind those that wait, those that are sent are before them.
        self.stop_reading();
        let mut all = self.work.take().map_or_else(Vec::new, |work| work.batches);
        all.extend(self.pack.take().into_iter().map(|(batch, _)| batch));
        self.put_back(all);
    }

    /// Those that wait have to go: a batch that waits for the room that they hold is read later.
    fn stop_reading(&mut self) {
        if let Some(work) = self.work.take_if(|work| work.reads) {
            self.put_back(work.batches);
        }
    }

    /// The sequence that is accepted next.
    pub(super) fn expected(&self) -> u64 {
        self.lease.progress().accepted_through + 1 + self.pack.len()
    }

    /// Refuses batches whose time is over while nothing of them is handed to Kafka. Those behind
    /// them are gaps when their turn comes.
    pub(super) fn expire(&mut self, now: Instant) {
        let in_work = self.work.iter().flat_map(|work| &work.batches);
        let is_late = |batch: &Taken| over(batch.pending.deadline, now);
        if in_work.chain(self.pack.batches()).any(is_late) {
            self.put_all_back();
            if self.in_flight.is_empty() {
                self.held = None;
            }
        }
        if !self.pending.iter().any(|pending| over(pending.deadline, now)) {
            return;
        }
        // The number that comes next behind those that wait in their order.
        let in_work = self.work.as_ref().map_or(0, |work| work.batches.len() as u64);
        let mut next = self.expected() + in_work;
        let mut kept = VecDeque::with_capacity(self.pending.len());
        for mut pending in std::mem::take(&mut self.pending) {
            let sequence = pending.batch.sequence;
            if over(pending.deadline, now) {
                if sequence >= next {
                    self.answer_expecting(next, &mut pending, &Refusal::late());
                    continue;
                }
                // It was sent before: its turn answers it, as what became of that says.
                (pending.deadline, pending.late) = (None, true);
            }
            next += u64::from(sequence == next);
            kept.push_back(pending);
        }
        self.pending = kept;
    }

    /// Refuses a batch, whose bytes go.
    fn answer(&mut self, pending: &mut Pending, refusal: &Refusal) {
        self.answer_expecting(self.expected(), pending, refusal);
    }

    fn answer_expecting(
        &mut self,
        expected_sequence: u64,
        pending: &mut Pending,
        refusal: &Refusal,
    ) {
        self.release(pending.wire_bytes);
        pending.trace.span.take().into_iter().for_each(|span| span.failed(refusal.code));
        let sequence = pending.batch.sequence;
        self.passage().batches.refused.inc();
        self.outbox.push(Out::Refused(v1::Refused {
            sequence,
            code: refusal.code.into(),
            reason: refusal.reason.clone(),
            expected_sequence,
            rows: rejected(sequence, &refusal.rows),
            rows_total: refusal.rows.total,
        }));
    }
}
