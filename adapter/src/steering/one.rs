//! One output of a running service: its start, and its end.
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use keyvault::Store;
use tokio::{sync::watch, time::Instant};

use crate::{
    grpc::{Served, callers::Rules},
    job::{self, Guarantee, Job, Packing},
    kafka::{Budget, Delivery, Sink, SinkSettings},
    keeper::{Keeper, Keeping},
    output::Output,
    partition::{Rotor, Turn},
    secrets::{self, Renewal, Reporter},
    valve::Valve,
    writers::Writers,
};

/// How long it may take to store how far the writers have come.
const LAST_PROGRESS_MAX: Duration = Duration::from_secs(3);

/// An output that runs, and what keeps it running.
pub struct Running {
    /// As streams and the admin port see it.
    pub served: Arc<Served>,
    sink: Arc<Sink>,
    /// Until it ends.
    upkeep: Mutex<Upkeep>,
}

struct Upkeep {
    renewal: Option<secrets::Running>,
    keeper: Option<Keeping>,
}

/// Why an output does not start.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// A secret on this machine cannot be read, or is not what it must be.
    #[error("output `{alias}`: {source}")]
    Secret {
        /// The output.
        alias: String,
        /// Why.
        source: keyvault::Error,
    },
    /// A producer cannot be made.
    #[error("output `{alias}`: {reason}")]
    Producer {
        /// The output.
        alias: String,
        /// Why.
        reason: String,
    },
}

/// An output that has started and is not looked after yet: dropped, it leaves no trace.
pub struct Prepared {
    sink: Arc<Sink>,
    renewal: Renewal,
    credentials: Reporter,
    job: job::Output,
}

impl Prepared {
    /// Its alias.
    pub fn alias(&self) -> &str {
        self.job.alias.as_str()
    }

    /// Starts an output of a job. Brokers need not be there yet.
    ///
    /// # Errors
    /// What keeps it from starting.
    pub async fn new(
        job: &Job,
        output: &job::Output,
        store: &Store,
        budget: &Budget,
    ) -> Result<Self, OutputError> {
        let alias = || output.alias.to_string();
        let sink = Sink::start(SinkSettings::of_job(&job.name, output), budget.share())
            .map_err(|reason| OutputError::Producer { alias: alias(), reason })?;
        let sink = Arc::new(sink);
        let credentials = Reporter::default();
        let mut renewal =
            Renewal::new(store, output, &sink, job.secret_refresh, credentials.clone());
        let first = renewal.first().await;
        first.map_err(|source| OutputError::Secret { alias: alias(), source })?;
        Ok(Self { sink, renewal, credentials, job: output.clone() })
    }

    /// Looks after it from now on. What is remembered of the writers of one in whose place it comes
    /// is handed on.
    pub fn run(self, job: &Job, before: Option<&Served>) -> Running {
        let Self { sink, renewal, credentials, job: output } = self;
        let progress = sink.progress_log().map(Arc::new);
        let transactional = (output.guarantee == Guarantee::ExactlyOnce).then(|| sink.clone());
        let idle_max = job.grpc.max_idle_writers as usize;
        let same = before.filter(|before| is_same_place(&before.job, &output));
        let writers = same.map_or_else(|| Writers::new(idle_max), |same| same.writers.clone());
        let served = Served {
            output: Arc::new(output_of(job, &output, sink.clone())),
            progress,
            transactional,
            writers,
            credentials,
            rules: output.writers.as_deref().map(Rules::new),
            inside: watch::Sender::new(0),
            job: output,
        };
        let stores_later = served.job.guarantee == Guarantee::AtLeastOnce;
        let keeper = served
            .progress
            .as_ref()
            .filter(|_| stores_later)
            .map(|log| Keeper::new(log, &served.writers, served.job.alias.as_str()).run());
        let upkeep = Mutex::new(Upkeep { renewal: Some(renewal.run()), keeper });
        Running { served: Arc::new(served), sink, upkeep }
    }
}

impl Running {
    /// Ends it, once no stream writes into it any more: what is accepted settles until `settles`,
    /// and how far writers have come is stored. Returns how many records had to be given up. May be
    /// called again where it was dropped.
    pub async fn end(&self, settles: Instant, end: Instant) -> u64 {
        let keeper = {
            let mut upkeep = self.upkeep.lock().expect("nothing panics in it");
            // Nothing is renewed any more.
            drop(upkeep.renewal.take());
            upkeep.keeper.take()
        };
        let left = settles.saturating_duration_since(Instant::now());
        let last = (left / 2).min(LAST_PROGRESS_MAX);
        let sink = self.sink.clone();
        let ending = tokio::spawn(async move {
            if let Some(keeping) = keeper {
                keeping.end(last).await;
            }
            sink.close(settles.into_std()).await
        });
        let ended = tokio::time::timeout_at(end, ending).await;
        // A panic in it is told by the panic, and rows are what counts.
        ended.map_or(1, |records| records.unwrap_or(1))
    }
}

/// Whether the writers of one output go on in the other: their rows go to the same place under the
/// same promise.
fn is_same_place(one: &job::Output, other: &job::Output) -> bool {
    let place = |of: &job::Output| {
        let servers: Vec<_> = of.bootstrap_servers.iter().map(ToString::to_string).collect();
        (servers, of.topic.to_string(), of.guarantee, of.progress_topic.to_string())
    };
    place(one) == place(other)
}

/// An output of a job that writes to `kafka`.
pub fn output_of(job: &Job, output: &job::Output, kafka: Arc<dyn Delivery>) -> Output {
    let turn = Turn { rows: output.partitioning.turn_rows, time: output.partitioning.turn_time };
    Output {
        alias: output.alias.to_string(),
        topic: output.topic.to_string(),
        format: output.serialization.format.clone(),
        error_policy: output.error_policy,
        rotor: Arc::new(Rotor::new(turn)),
        kafka,
        packing: output.packing.unwrap_or(Packing::NONE),
        encoded_bytes_max: job.encoded_bytes_max().min(1 << 30) as usize,
        guarantee: output.guarantee,
        rejected: Arc::default(),
        passage: Arc::default(),
        valve: Valve::default(),
    }
}
