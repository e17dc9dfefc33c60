//! The thread of a writer: makes transactions of what is ready, one after the other.
use std::{
    cell::Cell,
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{
    super::{
        cause::{Cause, Fate, is_denied},
        client::{Failed, Fault, HandOver, TransactionFault, Verdict},
        progress,
        sink::{AbortOnPanic, stopped},
    },
    footing::Reach,
    producer::{OpenFault, Producer},
    registry::Place,
    submission::Submission,
    writer::{Next, OpenError, Shared, Stored},
};

/// A transaction ends with so many bytes, or after so much time, whatever else is ready.
const BYTES_MAX: u64 = 16 << 20;
const TIME_MAX: Duration = Duration::from_secs(1);

/// Where it could not end in time, the next has half as many bytes, down to this.
const BYTES_MIN: u64 = 64 << 10;

/// A commit that takes longer is told.
const COMMIT_PATIENCE: Duration = Duration::from_secs(5);

/// After something that did not work: from, to, doubling.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Between looks at a producer that has nothing to do: it may have something to tell.
const IDLE_LOOK: Duration = Duration::from_secs(1);

/// The thread's own.
pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) producer: Option<Producer>,
    pub(super) room: HandOver,
    /// How often the writer was forgotten on request, and the last batch that is committed.
    pub(super) known: (u64, u64),
    /// Up to where its rows reach.
    pub(super) reach: Reach,
    /// Whether the topic is the one that it was must be looked at.
    pub(super) doubts_topic: bool,
    /// Between the ends of two transactions.
    interval: Duration,
    ended: Option<Instant>,
    /// Tries in a row that did not work.
    failures: u32,
    /// A transaction ends with so many bytes.
    bytes_max: u64,
    /// Kafka batches are no larger than this, if they have to be smaller than is known.
    pub(super) batch_bytes_max: Option<u64>,
    place: Place,
}

/// What has become of the writer.
pub(super) enum Turn {
    /// It is ours.
    On,
    /// It is not, for good.
    Over(Cause),
}

/// Why a transaction is not committed.
pub(super) enum NotCommitted {
    /// A call failed.
    Fault(TransactionFault),
    /// It must not be, nor any other: the topic is not the one that the writer's rows are in.
    Over(Cause),
}

impl From<TransactionFault> for NotCommitted {
    fn from(fault: TransactionFault) -> Self {
        Self::Fault(fault)
    }
}

/// Whether to go on with a commit or an abort: as long as somebody wants it. One that takes long is
/// told.
fn patience(shared: &Arc<Shared>) -> impl Fn() -> bool {
    let (shared, start, is_told) = (shared.clone(), Instant::now(), Cell::new(false));
    move || {
        if start.elapsed() >= COMMIT_PATIENCE && !is_told.replace(true) {
            let cause = shared.inner.status.scarce().unwrap_or_else(Cause::slow);
            shared.log_wait(&cause);
            shared.tell_at_least(|| cause);
        }
        shared.goes_on()
    }
}

impl Worker {
    /// The thread's state before it begins.
    pub(super) fn new(shared: Arc<Shared>, interval: Duration, place: Place) -> Self {
        Self {
            shared,
            producer: None,
            room: HandOver::default(),
            known: (0, 0),
            reach: Reach::default(),
            doubts_topic: false,
            interval,
            ended: None,
            failures: 0,
            bytes_max: BYTES_MAX,
            batch_bytes_max: None,
            place,
        }
    }

    /// Opens the writer, and serves it until nobody wants it any more.
    pub(super) fn run(mut self, opened: oneshot::Sender<Result<Stored, OpenError>>) {
        // Whoever dies without a word leaves every batch without an answer.
        let _guard = AbortOnPanic;
        self.shared.bell.wakes_this_thread();
        let first = self.first();
        let is_open = first.is_ok();
        if opened.send(first).is_err() || !is_open {
            return;
        }
        let mut turn = Turn::On;
        while let Turn::On = turn
            && !self.shared.is_over()
        {
            turn = self.turn();
        }
        let cause = match turn {
            Turn::Over(cause) => cause,
            Turn::On => stopped(),
        };
        let left = self.shared.end(&cause);
        self.give_up(left, &cause);
        // Whoever has batches in hand hears of it as well.
        let alias = &self.shared.plan.alias;
        if cause.code != stopped().code {
            tracing::warn!(
                output = alias,
                writer = self.shared.plan.keys.progress,
                code = cause.code,
                "the writer is given up: {}",
                cause.text
            );
        }
    }

    /// Opens the writer for the first time, however long that takes.
    fn first(&mut self) -> Result<Stored, OpenError> {
        loop {
            match self.open(false) {
                Ok(stored) => {
                    self.shared.tell(None);
                    return Ok(Stored {
                        sequence: stored.sequence,
                        position: stored.position(),
                        epoch: stored.epoch,
                        generation: stored.generation,
                    });
                }
                Err(
                    OpenFault::Refused(cause) | OpenFault::Replaced(cause) | OpenFault::Lost(cause),
                ) => {
                    return Err(OpenError::Refused(cause));
                }
                Err(OpenFault::Later(cause)) => self.wait_after(&cause, false),
                Err(OpenFault::TakenOver) => unreachable!("it was nobody's to be taken over"),
                // It is not wanted any more, or other credentials are.
                Err(OpenFault::Stopped) => {}
            }
            if !self.wants_more_tries() {
                return Err(OpenError::Stopped);
            }
        }
    }

    /// While it is opened nothing waits, and it is wanted as long as somebody waits for it.
    fn wants_more_tries(&self) -> bool {
        !self.shared.is_over() && !self.shared.is_late()
    }

    /// One transaction, or a wait for something to do.
    fn turn(&mut self) -> Turn {
        if self.shared.has_successor() {
            // Nothing is open between two transactions: the producer goes, and another comes.
            return self.recover(Vec::new());
        }
        if self.shared.is_late() {
            return Turn::Over(stopped());
        }
        if self.shared.is_idle() {
            if let Some(producer) = &mut self.producer {
                // Nothing that it says now is about rows.
                let reports = producer.poller.poll();
                reports.reported.clear();
                reports.errors.drain(..).for_each(|fault| self.shared.inner.note(fault));
                self.shared.inner.throttled(&mut reports.throttles);
            }
            thread::park_timeout(IDLE_LOOK);
            return Turn::On;
        }
        self.transaction()
    }

    fn transaction(&mut self) -> Turn {
        let mut batches = Vec::new();
        let refused = match self.fill(&mut batches) {
            Ok(refused) => refused,
            Err(fault) => return self.failed(batches, &fault),
        };
        if !refused.is_empty() {
            return self.aborted(batches, &refused, None);
        }
        if batches.is_empty() {
            // None has begun: all that waited is there already.
            return Turn::On;
        }
        let shared = self.shared.clone();
        let start = Instant::now();
        let goes_on = patience(&shared);
        let committed = self.commit(&batches, &goes_on);
        match committed {
            Ok(()) => {
                self.ended = Some(Instant::now());
                let exchange = &self.shared.inner.status.exchange;
                exchange.commits.inc();
                exchange.broker.observe(start.elapsed().as_secs_f64());
                self.failures = 0;
                self.bytes_max = (2 * self.bytes_max).min(BYTES_MAX);
                self.shared.tell(None);
                batches.into_iter().for_each(|batch| self.committed(batch));
                Turn::On
            }
            Err(NotCommitted::Over(cause)) => {
                // Nothing of it is committed; whether it can be taken back is the brokers' business.
                if let Some(producer) = &mut self.producer {
                    let _ = producer.abort(&|| shared.goes_on());
                }
                self.give_up(batches, &cause);
                Turn::Over(cause)
            }
            Err(NotCommitted::Fault(TransactionFault { verdict: Verdict::Abort, fault })) => {
                let producer = self.producer.as_mut().expect("it has just been used");
                let reports = producer.poller.poll();
                let failed = std::mem::take(&mut reports.failed);
                self.aborted(batches, &failed, Some(&fault))
            }
            Err(NotCommitted::Fault(fault)) => {
                if start.elapsed() >= COMMIT_PATIENCE {
                    self.bytes_max = (self.bytes_max / 2).max(BYTES_MIN);
                }
                self.failed(batches, &fault)
            }
        }
    }

    /// Begins a transaction with the first batches, and adds what is ready until it is time to
    /// commit. Returns records that librdkafka does not take.
    fn fill(&mut self, batches: &mut Vec<Submission>) -> Result<Vec<Failed>, TransactionFault> {
        let (start, mut bytes) = (Instant::now(), 0);
        let due = self.ended.map_or(start, |ended| ended + self.interval);
        loop {
            let next = self.shared.next(!batches.is_empty());
            if let Next::Refused = next {
                return Ok(Vec::new());
            }
            if let Next::Some(batch) = next {
                let batch = *batch;
                if batch.mark.sequence <= self.known.1 {
                    // It is there. What is stored never goes back, whatever has happened.
                    self.committed(batch);
                    continue;
                }
                let producer = self.producer.as_mut().expect("it is there between transactions");
                if batches.is_empty()
                    && let Err(fault) = producer.poller.begin_transaction()
                {
                    self.shared.put_back(vec![batch]);
                    return Err(fault);
                }
                bytes += batch.bytes();
                batches.push(batch);
                let batch = batches.last().expect("it was just pushed");
                // SAFETY: the batches live until their transaction has ended, or go to the thread
                // that destroys the producer.
                let refused = unsafe { batch.hand_over(producer.client(), &mut self.room) };
                if !refused.is_empty() {
                    return Ok(refused);
                }
                let bytes_max = self.shared.inner.letter_bytes_max.load(Ordering::Relaxed);
                producer.send(&self.shared.plan, &batch.letters, bytes_max)?;
            } else {
                let now = Instant::now();
                if now >= due || self.shared.is_late() {
                    return Ok(Vec::new());
                }
                thread::park_timeout(due - now);
            }
            if bytes >= self.bytes_max || start.elapsed() >= TIME_MAX {
                return Ok(Vec::new());
            }
        }
    }

    /// How far the writer has come goes last, so that one that dies early does not hold back the
    /// progress of others.
    fn commit(
        &mut self,
        batches: &[Submission],
        goes_on: &dyn Fn() -> bool,
    ) -> Result<(), NotCommitted> {
        let mark = &batches.last().expect("a transaction has batches").mark;
        let stored = progress::Stored {
            generation: self.known.0,
            sequence: mark.sequence,
            epoch: mark.epoch,
            ..progress::Stored::default()
        };
        let stored = stored.at(mark.position.as_ref());
        let producer = self.producer.as_mut().expect("it is there in a transaction");
        let stored = producer.store(&self.shared.plan, stored);
        stored.map_err(|fault| TransactionFault { verdict: Verdict::Abort, fault })?;
        self.check_footing(goes_on)?;
        let producer = self.producer.as_mut().expect("it is there in a transaction");
        producer.commit(goes_on)?;
        self.known.1 = mark.sequence;
        let reports = producer.poller.poll();
        reports.reported.clear();
        reports.marks.clear();
        reports.errors.drain(..).for_each(|fault| self.shared.inner.note(fault));
        self.shared.inner.throttled(&mut reports.throttles);
        Ok(())
    }

    /// A call failed.
    fn failed(&mut self, batches: Vec<Submission>, fault: &TransactionFault) -> Turn {
        match fault.verdict {
            Verdict::Abort => self.aborted(batches, &[], Some(&fault.fault)),
            // `begin` says so of a producer that cannot begin now; with another it can.
            Verdict::Again | Verdict::Broken => {
                let text = &fault.fault.text;
                tracing::debug!(output = self.shared.plan.alias, "a new producer: {text}");
                self.recover(batches)
            }
        }
    }

    /// A transaction that must not be committed: it is taken back, and goes again.
    fn aborted(
        &mut self,
        mut batches: Vec<Submission>,
        failed: &[Failed],
        fault: Option<&Fault>,
    ) -> Turn {
        let shared = self.shared.clone();
        self.doubts_topic = true;
        let told = self.told(fault);
        let is_denied = fault.is_some_and(|fault| is_denied(fault.code));
        let producer = self.producer.as_mut().expect("it is there in a transaction");
        if producer.abort(&patience(&shared)).is_err() {
            return self.recover(batches);
        }
        shared.inner.status.exchange.aborts.inc();
        // Reports of what was taken back say nothing more.
        let reports = producer.poller.poll();
        reports.failed.clear();
        reports.marks.clear();
        reports.reported.clear();
        let topic = &self.shared.plan.recipe.topic;
        let judged = failed.iter().map(|failed| Cause::of_record(failed.code, topic));
        let worst = judged.max_by_key(|(fate, _)| *fate == Fate::Blamed);
        let blamed = matches!(worst, Some((Fate::Blamed, _)));
        let is_changed = match blamed.then(|| self.find_blamed(&mut batches, failed)) {
            Some(Ok(is_changed)) => is_changed,
            Some(Err(broken)) => return self.failed(batches, &broken),
            None => false,
        };
        let is_nobodys = batches.iter().all(|batch| batch.blamed.is_none());
        let is_size = worst.as_ref().is_some_and(|(_, cause)| cause.is_size());
        if blamed && is_nobodys && !is_changed && is_size {
            // No record by itself is too large, so what they make together is.
            self.shrink();
            return self.recover(batches);
        }
        // Those before the one that is to blame go first.
        let at = batches.iter().position(|batch| batch.blamed.is_some());
        // A verdict that is nobody's, and changes nothing, is no reason to begin again at once.
        let is_moved_on = at.map_or(is_changed, |at| at > 0);
        let cause = batches.iter().find_map(|batch| batch.blamed.clone());
        let cause = cause.or(told).or(worst.map(|(_, cause)| cause)).unwrap_or_else(|| {
            Cause::new("TRANSACTION_ABORTED", "the brokers have aborted the transaction")
        });
        let waits = !is_moved_on || at.is_some();
        if let Some(held) = batches.get(at.unwrap_or(0)) {
            held.flight.hold(waits.then(|| cause.clone()));
        }
        if is_moved_on {
            self.shared.put_back(batches);
            return Turn::On;
        }
        self.wait_after(&cause, true);
        if is_denied {
            // librdkafka does not tell which topic it was. Opening needs the progress topic alone.
            return self.recover(batches);
        }
        self.shared.put_back(batches);
        Turn::On
    }

    /// Tells why rows wait, and waits before the next try; while it holds rows, also if nobody gives any
    /// more.
    pub(super) fn wait_after(&mut self, cause: &Cause, holds: bool) {
        if self.shared.tell(Some(cause.clone())) {
            self.shared.log_wait(cause);
        }
        let pause = BACKOFF.0 * 2_u32.saturating_pow(self.failures.min(10));
        self.failures += 1;
        let end = Instant::now() + pause.min(BACKOFF.1);
        while let Some(left) = end.checked_duration_since(Instant::now())
            && !self.shared.is_late()
            && (holds || !self.shared.is_over())
        {
            thread::park_timeout(left);
        }
    }

    pub(super) fn committed(&self, batch: Submission) {
        let status = &self.shared.inner.status;
        let (delivered, rejected) = batch.settled();
        status.waiting.fetch_sub(batch.count(), Ordering::AcqRel);
        status.delivered.fetch_add(delivered, Ordering::Relaxed);
        status.rejected.fetch_add(rejected, Ordering::Relaxed);
        status.letters.fetch_add(batch.letters.len() as u64, Ordering::Relaxed);
        batch.committed();
    }

    pub(super) fn give_up(&self, batches: Vec<Submission>, cause: &Cause) {
        for batch in batches {
            let count = batch.count();
            self.shared.inner.status.waiting.fetch_sub(count, Ordering::AcqRel);
            self.place.gave_up(count);
            batch.unknown(cause.clone());
        }
    }
}
