//! The service as a whole: start is a list, stop is the same list backwards.
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use keyvault::Store;
use tokio::time::Instant;

use crate::{
    admin,
    credit::Pool,
    entrance::{Told, entrance},
    grpc::{Bound, Server, Shared},
    job::{AdminListen, Job},
    kafka::Budget,
    observe::Observer,
    secrets,
    steering::{CLOSE_SHARE, OutputError, Prepared, Steering},
};

/// A service that runs.
pub struct Service {
    /// Where it listens.
    pub address: SocketAddr,
    /// Where the admin port listens, if there is one.
    pub admin_address: Option<SocketAddr>,
    /// Who changes what runs.
    pub steering: Arc<Steering>,
    server: Server,
    /// Of the port's certificate and trust.
    renewals: Vec<secrets::Running>,
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
    /// An output does not start.
    #[error(transparent)]
    Output(#[from] OutputError),
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
            Some(AdminListen { address, remote_status }) => {
                let address = *address;
                let listen = |source| StartError::ListenAdmin { address, source };
                Some((admin::Bound::new(address).await.map_err(listen)?, *remote_status))
            }
            None => None,
        };
        // Half for what comes in, half for what goes out.
        let budget = Budget::new(job.memory_bytes / 2);
        let store = Store::new(job.identity.clone()).map_err(StartError::Identity)?;
        let mut prepared = Vec::new();
        for output in &job.outputs {
            prepared.push(Prepared::new(job, output, &store, &budget).await?);
        }
        let running: Vec<_> =
            prepared.into_iter().map(|output| Arc::new(output.run(job, None))).collect();
        let message_bytes_max = u64::from(job.batch_bytes_max);
        let streams_max = job.grpc.max_writers as usize;
        let table = running.iter().map(|one| one.served.clone()).collect();
        let credits = Pool::new(job.memory_bytes / 2, streams_max, message_bytes_max);
        let shared = Arc::new(Shared::new(table, credits, message_bytes_max));
        let steering = Steering::new(shared.clone(), store.clone(), budget, job.clone(), running);
        let (address, told) = (bound.address, Told::default());
        // Before what may have to wait for a vault: probes tell of that, too.
        let (admin, admin_address) = match bound_admin {
            Some((bound, remote_status)) => {
                let observer = observer(job, address, &shared, &told, &steering);
                let (at, steering) = (bound.address, steering.clone());
                (Some(bound.serve(Arc::new(observer), steering, remote_status)), Some(at))
            }
            None => (None, None),
        };
        let kept = entrance(job, &store, &told).await.map_err(StartError::Entrance)?;
        let renewals = kept.running;
        let server = bound.serve(shared, kept.entrance).map_err(listen)?;
        Ok(Self { address, admin_address, steering, server, renewals, admin })
    }

    /// Stops within `timeout`, whatever clients and brokers do.
    pub async fn stop(self, timeout: Duration) -> Stopped {
        let end = Instant::now() + timeout;
        // 1. No new streams; writers are told; what they sent settles.
        let streams_ended = self.server.drain(end - timeout / CLOSE_SHARE).await;
        // 2. Nothing is renewed any more. The producers settle what no stream waits for any more,
        //    and close, all at once.
        drop(self.renewals);
        let unsettled = self.steering.end(end - timeout / CLOSE_SHARE / 2, end).await;
        drop(self.admin);
        Stopped { unsettled, streams_ended }
    }
}

fn observer(
    job: &Job,
    address: SocketAddr,
    shared: &Arc<Shared>,
    told: &Told,
    steering: &Arc<Steering>,
) -> Observer {
    Observer {
        job: job.name.clone(),
        address,
        shared: shared.clone(),
        certificate: told.certificate.clone(),
        token_trust: told.token_trust.clone(),
        steering: steering.clone(),
        memory_bytes: job.memory_bytes / 2,
        started: SystemTime::now(),
        since: std::time::Instant::now(),
    }
}
