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
    stage: Mutex<Stage>,
}

enum Stage {
    /// It is looked after.
    Runs { _renewal: secrets::Running, keeper: Option<Keeping> },
    /// It ends, or has: with so many records that had to be given up.
    Ends(watch::Receiver<Option<u64>>),
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

    /// Starts an output of a job. Brokers need not be there yet, nor what stands in a vault, unless
    /// its credentials must be in place within a time.
    ///
    /// # Errors
    /// What keeps it from starting.
    pub async fn new(
        job: &Job,
        output: &job::Output,
        store: &Store,
        budget: &Budget,
        credentials_within: Option<Duration>,
    ) -> Result<Self, OutputError> {
        let alias = || output.alias.to_string();
        let settings = SinkSettings::of_job(&job.name, output);
        let settings = if job.admin.is_some() { settings.watched() } else { settings };
        let sink = Sink::start(settings, budget.share())
            .map_err(|reason| OutputError::Producer { alias: alias(), reason })?;
        let sink = Arc::new(sink);
        let credentials = Reporter::default();
        let mut renewal =
            Renewal::new(store, output, &sink, job.secret_refresh, credentials.clone());
        let first = match credentials_within {
            None => renewal.first().await,
            Some(within) => renewal.demand(within).await,
        };
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
        let stores_later = output.guarantee == Guarantee::AtLeastOnce;
        let keeper = progress
            .as_ref()
            .filter(|_| stores_later)
            .map(|log| Keeper::new(log, &writers, output.alias.as_str()).run());
        let served = Served {
            output: Arc::new(output_of(job, &output, sink.clone())),
            progress,
            keeper: keeper.as_ref().map(|keeping| keeping.asking().clone()),
            transactional,
            writers,
            credentials,
            rules: output.writers.as_deref().map(Rules::new),
            inside: watch::Sender::new(0),
            replaces_ready: before.is_some_and(Served::is_ready),
            job: output,
        };
        let stage = Mutex::new(Stage::Runs { _renewal: renewal.run(), keeper });
        Running { served: Arc::new(served), sink, stage }
    }
}

impl Running {
    /// Ends it, once no stream writes into it any more: what is accepted settles until `settles`,
    /// and how far writers have come is stored. Returns how many records had to be given up. Whoever
    /// comes second, since the first was dropped, waits for the same end.
    pub async fn end(&self, settles: Instant, end: Instant) -> u64 {
        let mut ended = self.begin_end(settles);
        let ended = tokio::time::timeout_at(end, ended.wait_for(Option::is_some)).await;
        // A panic in it is told by the panic, and rows are what counts.
        ended.ok().and_then(|ended| ended.ok().and_then(|records| *records)).unwrap_or(1)
    }

    fn begin_end(&self, settles: Instant) -> watch::Receiver<Option<u64>> {
        let mut stage = self.stage.lock().expect("nothing panics in it");
        let keeper = match &mut *stage {
            Stage::Ends(ended) => return ended.clone(),
            Stage::Runs { keeper, .. } => keeper.take(),
        };
        let (tell, ended) = watch::channel(None);
        // Nothing is renewed any more.
        *stage = Stage::Ends(ended.clone());
        let left = settles.saturating_duration_since(Instant::now());
        let last = (left / 2).min(LAST_PROGRESS_MAX);
        let sink = self.sink.clone();
        tokio::spawn(async move {
            if let Some(keeping) = keeper {
                keeping.end(last).await;
            }
            tell.send_replace(Some(sink.close(settles.into_std()).await));
        });
        ended
    }
}

/// Whether the writers of one output go on in the other: their rows go to the same place under the
/// same promise.
pub(super) fn is_same_place(one: &job::Output, other: &job::Output) -> bool {
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
        trace_headers: output.trace_headers,
        encoded_bytes_max: job.encoded_bytes_max().min(1 << 30) as usize,
        guarantee: output.guarantee,
        rejected: Arc::default(),
        passage: Arc::default(),
        valve: Valve::default(),
        taps: Arc::default(),
    }
}
