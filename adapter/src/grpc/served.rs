//! What all calls share: the outputs as they are at this moment, memory, and when things end.
use std::{ops::Deref, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::{sync::watch, time::Instant};

use super::{callers::Rules, error::CallError};
use crate::{
    credit::Pool,
    job,
    kafka::{Health, ProgressLog, Sink, State},
    keeper::Asking,
    output::Output,
    secrets::Reporter,
    traces::Tracer,
    valve::{Drainer, Setting},
    writers::Writers,
};

/// How long an output that takes the place of another may take to find its brokers, and count as
/// ready as that one did.
const REPLACED_WITHIN: Duration = Duration::from_secs(30);

/// One output with all that belongs to it.
pub struct Served {
    /// As the streams see it.
    pub output: Arc<Output>,
    /// As the job file has it.
    pub job: job::Output,
    /// Its writers.
    pub writers: Writers,
    /// What is known of its credentials.
    pub credentials: Reporter,
    /// How far writers have come, as is stored in Kafka, if it is.
    pub progress: Option<Arc<ProgressLog>>,
    /// Stores that some time after the rows, or when it is asked to; `None` where nobody does.
    pub keeper: Option<Asking>,
    /// Opens the writers, if each has transactions of its own.
    pub transactional: Option<Arc<Sink>>,
    /// Who may write; `None` for whoever is let in.
    pub rules: Option<Rules>,
    /// Counts the streams and calls that write.
    pub inside: watch::Sender<usize>,
    /// It stands in the place of one that was ready, by a new job file.
    pub replaces_ready: bool,
}

/// A stream or call that writes into an output, counted until dropped.
pub(super) struct Inside(Arc<Served>);

/// The outputs in the order of the job file, replaced as a whole when that changes.
pub type Table = Vec<Arc<Served>>;

/// What all calls share.
pub struct Shared {
    /// The outputs.
    pub outputs: ArcSwap<Table>,
    /// Memory for what is unacknowledged.
    pub credits: Pool,
    /// The largest message, in bytes.
    pub message_bytes_max: u64,
    /// Set when the service closes, to the time when it does at the latest.
    pub drain: watch::Sender<Option<Instant>>,
    /// Counts live sessions: the service waits for them when it closes.
    pub sessions: watch::Sender<usize>,
    /// Makes spans of batches.
    pub tracer: Tracer,
}

/// Tells when the streams of an output end: with it, or with the service.
pub struct Ending {
    service: watch::Receiver<Option<Instant>>,
    output: watch::Receiver<Setting>,
}

impl Shared {
    /// What calls of these outputs share.
    pub fn new(outputs: Table, credits: Pool, message_bytes_max: u64, tracer: Tracer) -> Self {
        Self {
            outputs: ArcSwap::from_pointee(outputs),
            credits,
            message_bytes_max,
            drain: watch::Sender::new(None),
            sessions: watch::Sender::new(0),
            tracer,
        }
    }

    /// Told when the service closes.
    pub fn draining(&self) -> watch::Receiver<Option<Instant>> {
        self.drain.subscribe()
    }

    /// Most sessions at once, with those that open and those whose client is gone and whose records
    /// are not settled. Far more than there are streams; who opens streams and says nothing on them
    /// must not take all memory.
    pub(super) fn sessions_max(&self) -> usize {
        4 * self.credits.streams_max() + 1_000
    }
}

impl Served {
    /// Told when the output's streams end.
    pub(super) fn ending(&self, shared: &Shared) -> Ending {
        Ending { service: shared.draining(), output: self.output.valve.watch() }
    }

    /// A stream or call begins. It counts first and looks then, as the one who drains says so first
    /// and counts then: see `Counted` of the service.
    ///
    /// # Errors
    /// If an operator, or a new job file, has them ended.
    pub(super) fn enter(self: Arc<Self>) -> Result<Inside, CallError> {
        self.inside.send_modify(|inside| *inside += 1);
        let inside = Inside(self);
        let setting = inside.output.valve.setting();
        match setting.cause(&inside.output.alias).filter(|_| setting.ends().is_some()) {
            Some(cause) => Err(CallError::OutputClosed(cause)),
            None => Ok(inside),
        }
    }

    /// Whether writers should come: its brokers are there, and no operator has drained it. While a
    /// new job file replaces one that was ready, nothing is taken out of a balancer.
    pub fn is_ready(&self) -> bool {
        if matches!(self.output.valve.setting(), Setting::Drained { by: Drainer::Operator, .. }) {
            return false;
        }
        let Health { state, since, .. } = self.output.kafka.health();
        let is_new = || since.elapsed().is_ok_and(|age| age < REPLACED_WITHIN);
        state == State::Ready || state == State::Connecting && self.replaces_ready && is_new()
    }

    /// Waits until no stream and no call writes.
    pub async fn empty(&self) {
        // The sender is here.
        let _ = self.inside.subscribe().wait_for(|inside| *inside == 0).await;
    }
}

impl Deref for Inside {
    type Target = Served;

    fn deref(&self) -> &Served {
        &self.0
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.inside.send_modify(|inside| *inside -= 1);
    }
}

impl Ending {
    /// Waits until the streams are to end; by then at the latest.
    pub(super) async fn told(&mut self) -> Instant {
        self.told_before(None).await
    }

    /// The same, where it is known that they end by this time: waits for an earlier one.
    pub(super) async fn told_before(&mut self, known: Option<Instant>) -> Instant {
        let Self { service, output } = self;
        let is_earlier =
            |end: Option<Instant>| end.is_some_and(|end| known.is_none_or(|known| end < known));
        let service = async {
            let told = service.wait_for(|end| is_earlier(*end)).await;
            told.ok().and_then(|deadline| *deadline)
        };
        let output = async {
            let told = output.wait_for(|setting| is_earlier(setting.ends())).await;
            told.ok().and_then(|setting| setting.ends())
        };
        let deadline = tokio::select! {
            biased;
            deadline = service => deadline,
            deadline = output => deadline,
        };
        match deadline {
            Some(deadline) => deadline,
            // Whoever could say so is gone, and so is the service.
            None => std::future::pending().await,
        }
    }
}
