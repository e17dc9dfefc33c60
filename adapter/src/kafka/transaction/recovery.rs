//! A writer's producer: opened, and opened again after whatever was not certain.
use std::{
    cell::Cell,
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

use super::{
    super::{cause::Cause, progress, sink::stopped},
    producer::{BATCH_BYTES_MIN, OpenFault, Producer, Ties, replaced},
    submission::Submission,
    worker::{Turn, Worker},
    writer::taken_over,
};

/// An opening that takes longer is told.
const PATIENCE: Duration = Duration::from_secs(5);

impl Worker {
    /// The producer is thrown away. With another one, what is stored decides which of the batches
    /// are written; the others go again.
    pub(super) fn recover(&mut self, batches: Vec<Submission>) -> Turn {
        if let Some(producer) = self.producer.take() {
            self.shared.serves_none();
            self.shared.inner.status.exchange.restarts.inc();
            discard(producer, &batches);
        }
        let mut batches = batches;
        loop {
            match self.open(true) {
                Ok(stored) => {
                    let through = stored.sequence;
                    let written = batches.iter().take_while(|b| b.mark.sequence <= through).count();
                    let again = batches.split_off(written);
                    batches.into_iter().for_each(|batch| self.committed(batch));
                    if again.is_empty() {
                        self.shared.tell(None);
                    }
                    self.shared.put_back(again);
                    return Turn::On;
                }
                Err(OpenFault::Refused(cause) | OpenFault::Later(cause)) => {
                    self.wait_after(&cause, !batches.is_empty());
                }
                Err(OpenFault::TakenOver) => {
                    let cause = taken_over();
                    self.give_up(batches, &cause);
                    return Turn::Over(cause);
                }
                Err(OpenFault::Replaced(cause) | OpenFault::Lost(cause)) => {
                    self.give_up(batches, &cause);
                    return Turn::Over(cause);
                }
                Err(OpenFault::Stopped) => {}
            }
            if self.shared.is_late() || (batches.is_empty() && self.shared.is_over()) {
                let cause = stopped();
                self.give_up(batches, &cause);
                return Turn::Over(cause);
            }
        }
    }

    /// Opens a producer, if the writer's rows and progress are where they were.
    pub(super) fn open(&mut self, mine: bool) -> Result<progress::Stored, OpenFault> {
        let shared = &self.shared;
        let plan = &shared.plan;
        // Those that are in place now are what it waits for; the ones before are not needed here.
        drop(shared.take_successor());
        let Some(credentials) = shared.inner.credentials() else {
            return Err(OpenFault::Later(shared.inner.missing_credentials()));
        };
        let (start, is_told) = (Instant::now(), Cell::new(false));
        let ties = Ties {
            goes_on: &|| {
                if start.elapsed() >= PATIENCE && !is_told.replace(true) {
                    let cause = opening(&plan.progress);
                    shared.log_wait(&cause);
                    shared.tell_at_least(|| cause);
                }
                // With others there is no use in waiting for what these do not get: a consumer keeps
                // those that it was made with.
                let is_newest = || shared.inner.credentials().as_ref() == Some(&credentials);
                !shared.is_late() && (mine || !shared.is_over()) && is_newest()
            },
            made: &|client| shared.serves(client),
            gone: &|| shared.serves_none(),
            met: &|fault| shared.inner.note(fault),
        };
        let bytes = self.batch_bytes();
        let opened = Producer::open(plan, &credentials, bytes, &shared.bell, mine, &ties);
        let (producer, found) = opened.inspect_err(|fault| {
            if matches!(fault, OpenFault::Later(cause) if cause.code == "TOPIC_NOT_FOUND") {
                // Should it be the progress topic, it is made again.
                plan.is_progress_good.store(false, Ordering::Release);
            }
        })?;
        if !producer.is_topic_of(&found) {
            return Err(OpenFault::Replaced(replaced(plan)));
        }
        let stored = found.stored.unwrap_or_default();
        if stored.rank() < self.known {
            return Err(OpenFault::Lost(lost(&plan.progress, self.known.1, stored.sequence)));
        }
        self.known = stored.rank();
        self.producer = Some(producer);
        Ok(stored)
    }

    /// Kafka batches become as small as the topic asks, or half as large if that does not say enough.
    pub(super) fn shrink(&mut self) {
        let told = self.producer.as_ref().and_then(|p| p.batch_bytes_max(&self.shared.plan));
        let now = self.batch_bytes();
        let smaller = told.filter(|told| *told < now).unwrap_or(now / 2);
        self.batch_bytes_max = Some(smaller.max(BATCH_BYTES_MIN));
    }

    fn batch_bytes(&self) -> u64 {
        let known = self.shared.inner.transaction_batch_bytes_max();
        self.batch_bytes_max.map_or(known, |max| max.min(known))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // In its own time: whoever waits for the place does not wait for connections to close.
        self.shared.serves_none();
        if let Some(producer) = self.producer.take() {
            discard(producer, &[]);
        }
    }
}

/// Why an opening takes long, as far as nobody has said.
fn opening(progress: &str) -> Cause {
    let text = format!(
        "the writer is being opened: its brokers take long to end its last transaction, or another \
         writer's transaction is open in the progress topic `{progress}` (`kafka-output transactions` \
         tells which)"
    );
    Cause::new("WRITER_OPENING", text)
}

/// Destroys a producer where that holds up nobody. What it reads lives until it is gone.
fn discard(producer: Producer, batches: &[Submission]) {
    let flights: Vec<_> = batches.iter().flat_map(Submission::flights).cloned().collect();
    producer.client().purge();
    let ends = thread::Builder::new().name("writer-old".into());
    drop(ends.spawn(move || {
        drop(producer);
        drop(flights);
    }));
}

fn lost(topic: &str, known: u64, stored: u64) -> Cause {
    let text = format!(
        "batches of this writer were committed up to {known}, and the progress topic `{topic}` has \
         {stored}: it was deleted, or the cluster was restored. Batches without an answer may be \
         written. Look what the output's topic has; to start the writer anew, forget it \
         (`ResetWriter`)"
    );
    Cause::new("PROGRESS_LOST", text)
}
