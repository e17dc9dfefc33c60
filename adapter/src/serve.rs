//! The service as a whole: start is a list, stop is the same list backwards.
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use keyvault::Store;
use tokio::{sync::watch, time::Instant};

use crate::{
    admin,
    credit::Pool,
    entrance::{Told, entrance},
    grpc::{Bound, Served, Server, Shared, callers::Rules},
    job::{AdminListen, Guarantee, Job, Packing},
    kafka::{Delivery, Sink, SinkSettings, share_out},
    keeper::{Keeper, Keeping},
    observe::Observer,
    output::Output,
    partition::{Rotor, Turn},
    secrets::{self, Renewal, Reporter},
    writers::Writers,
};

/// Part of the time to stop that is kept for closing the producers.
const CLOSE_SHARE: u32 = 5;

/// How long it may take to store how far the writers have come.
const LAST_PROGRESS_MAX: Duration = Duration::from_secs(3);

/// A service that runs.
pub struct Service {
    /// Where it listens.
    pub address: SocketAddr,
    /// Where the admin port listens, if there is one.
    pub admin_address: Option<SocketAddr>,
    server: Server,
    sinks: Vec<Arc<Sink>>,
    renewals: Vec<secrets::Running>,
    keepers: Vec<Keeping>,
    /// The admin port, until the end.
    admin: Option<admin::Serving>,
}

/// Why a service does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be had.
    #[error("cannot listen on {address}: {source}; choose another `listen.grpc.address`")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The address of the admin port cannot be had.
    #[error("cannot listen on {address}: {source}; choose another `listen.admin.address`")]
    ListenAdmin {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The job's identity is not one that there is here.
    #[error("`identity`: {0}")]
    Identity(keyvault::Error),
    /// What the port shows or asks for cannot be read, or is not what it must be.
    #[error("`listen.grpc`: {0}")]
    Entrance(keyvault::Error),
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

/// How a service stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Records without an answer from Kafka: they may be written or not.
    pub unsettled: u64,
    /// Every stream ended by itself.
    pub streams_ended: bool,
}

impl Service {
    /// Starts the outputs of a job and serves them. Brokers need not be there yet.
    ///
    /// # Errors
    /// What keeps it from starting.
    pub async fn start(job: &Job) -> Result<Self, StartError> {
        let address = job.grpc.address;
        let listen = |source| StartError::Listen { address, source };
        let bound = Bound::new(address).map_err(listen)?;
        let bound_admin = match &job.admin {
            Some(admin) => {
                let AdminListen { address, .. } = *admin;
                let listen = |source| StartError::ListenAdmin { address, source };
                Some((admin::Bound::new(address).await.map_err(listen)?, admin))
            }
            None => None,
        };
        // Half for what comes in, half for what goes out.
        let shares = share_out(job.memory_bytes / 2, job.outputs.len());
        let store = Store::new(job.identity.clone()).map_err(StartError::Identity)?;
        let (mut outputs, mut sinks) = (Vec::new(), Vec::new());
        let (mut renewals, mut keepers) = (Vec::new(), Vec::new());
        for (output, share) in job.outputs.iter().zip(shares) {
            let alias = output.alias.to_string();
            let sink = Sink::start(SinkSettings::of_job(&job.name, output), share)
                .map_err(|reason| StartError::Producer { alias: alias.clone(), reason })?;
            let sink = Arc::new(sink);
            let credentials = Reporter::default();
            let mut renewal =
                Renewal::new(&store, output, &sink, job.secret_refresh, credentials.clone());
            renewal.first().await.map_err(|source| StartError::Secret { alias, source })?;
            renewals.push(renewal.run());
            let served = served(job, output, sink.clone(), credentials);
            let stores_later = output.guarantee == Guarantee::AtLeastOnce;
            if let Some(log) = served.progress.as_ref().filter(|_| stores_later) {
                keepers.push(Keeper::new(log, &served.writers, output.alias.as_str()).run());
            }
            outputs.push(served);
            sinks.push(sink);
        }
        let message_bytes_max = u64::from(job.batch_bytes_max);
        let streams_max = job.grpc.max_writers as usize;
        let shared = Arc::new(Shared {
            outputs,
            credits: Pool::new(job.memory_bytes / 2, streams_max, message_bytes_max),
            message_bytes_max,
            drain: watch::Sender::new(None),
            sessions: watch::Sender::new(0),
        });
        let (address, told) = (bound.address, Told::default());
        // Before what may have to wait for a vault: probes tell of that, too.
        let (admin, admin_address) = match bound_admin {
            Some((bound, admin)) => {
                let observer = observer(job, address, &shared, &told);
                let at = bound.address;
                (Some(bound.serve(Arc::new(observer), admin)), Some(at))
            }
            None => (None, None),
        };
        let kept = entrance(job, &store, &told).await.map_err(StartError::Entrance)?;
        renewals.extend(kept.running);
        let server = bound.serve(shared, kept.entrance).map_err(listen)?;
        Ok(Self { address, admin_address, server, sinks, renewals, keepers, admin })
    }

    /// Stops within `timeout`, whatever clients and brokers do.
    pub async fn stop(self, timeout: Duration) -> Stopped {
        let end = Instant::now() + timeout;
        // 1. No new streams; writers are told; what they sent settles.
        let streams_ended = self.server.drain(end - timeout / CLOSE_SHARE).await;
        // 2. Nothing is renewed any more. The producers settle what no stream waits for any more,
        //    and close, all at once.
        drop(self.renewals);
        let last = (timeout / CLOSE_SHARE / 2).min(LAST_PROGRESS_MAX);
        let ends = self.keepers.into_iter().map(|keeping| tokio::spawn(keeping.end(last)));
        for ends in ends.collect::<Vec<_>>() {
            // A panic in it is told by the panic, and rows are what counts.
            let _ = ends.await;
        }
        let closing: Vec<_> = self
            .sinks
            .into_iter()
            .map(|sink| {
                let deadline = (end - timeout / CLOSE_SHARE / 2).into_std();
                tokio::spawn(async move { sink.close(deadline).await })
            })
            .collect();
        let mut unsettled: u64 = 0;
        for sink in closing {
            let closed = tokio::time::timeout_at(end, sink).await;
            let records: u64 = closed.map_or(1, |records| records.unwrap_or(1));
            unsettled = unsettled.saturating_add(records);
        }
        drop(self.admin);
        Stopped { unsettled, streams_ended }
    }
}

fn observer(job: &Job, address: SocketAddr, shared: &Arc<Shared>, told: &Told) -> Observer {
    Observer {
        job: job.name.clone(),
        address,
        shared: shared.clone(),
        certificate: told.certificate.clone(),
        token_trust: told.token_trust.clone(),
        memory_bytes: job.memory_bytes / 2,
        started: SystemTime::now(),
        since: std::time::Instant::now(),
    }
}

fn served(
    job: &Job,
    output: &crate::job::Output,
    sink: Arc<Sink>,
    credentials: Reporter,
) -> Served {
    let progress = sink.progress_log().map(Arc::new);
    let transactional = (output.guarantee == Guarantee::ExactlyOnce).then(|| sink.clone());
    Served {
        output: Arc::new(output_of(job, output, sink)),
        progress,
        transactional,
        job: output.clone(),
        writers: Writers::new(job.grpc.max_idle_writers as usize),
        credentials,
        rules: output.writers.as_deref().map(Rules::new),
    }
}

/// An output of a job that writes to `kafka`.
pub fn output_of(job: &Job, output: &crate::job::Output, kafka: Arc<dyn Delivery>) -> Output {
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
        taps: Arc::default(),
    }
}
