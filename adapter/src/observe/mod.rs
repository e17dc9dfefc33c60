//! What is seen of a running service: a picture of it, taken when somebody asks, from which the
//! status and the metrics are made, so that both say the same.
pub mod catalogue;
pub mod metrics;
mod picture;
mod process;

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

pub use self::picture::{OutputNow, Picture, Trouble, WriterNow};
use crate::{grpc::Shared, secrets::Reporter, steering::Steering};

/// The state of an output's outage counts against readiness after this: a broker that is started
/// again takes no replica of the service out of its balancer.
pub const READINESS_PATIENCE: Duration = Duration::from_secs(30);

/// What of a service may be looked at.
pub struct Observer {
    /// The job's name.
    pub job: String,
    /// Where writers connect.
    pub address: SocketAddr,
    /// Its outputs and streams.
    pub shared: Arc<Shared>,
    /// What is known of the port's certificate and `clientCa`.
    pub certificate: Reporter,
    /// What is known of those who vouch for callers' tokens.
    pub token_trust: Reporter,
    /// Who changes it, and knows its configuration.
    pub steering: Arc<Steering>,
    /// The memory budget.
    pub memory_bytes: u64,
    /// When it started.
    pub started: SystemTime,
    /// The same by a clock that nobody sets.
    pub since: Instant,
}

impl Observer {
    /// How the service is now.
    pub fn picture(&self) -> Picture {
        Picture::take(self)
    }
}
