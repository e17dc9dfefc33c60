//! Real Apache Kafka from Maven's jars, made to start in a second and to leave nothing behind.
//!
//! [`prepare`] fetches and prepares once per machine; [`Broker`] and [`Cluster`] start nodes from
//! that, and [`SecureBrokers`] such with every kind of security; [`Admin`] makes topics and waits
//! until every broker knows them; [`Attempt`] tries a client's settings.

use std::sync::{Mutex, MutexGuard, PoisonError};

mod admin;
mod alter;
mod attempt;
mod broker;
mod cluster;
mod host;
mod node;
mod prepare;
mod secure;
mod wire;

pub use admin::{Admin, unique_topic};
pub use alter::Right;
pub use attempt::{Attempt, Client};
pub use broker::{Broker, BrokerOptions, SharedBroker, shared_broker};
pub use cluster::{Cluster, ClusterOptions};
pub(crate) use host::{PROXY_PORT, free_host};
pub use prepare::{Kafka, prepare};
pub use secure::{
    BRIEF_SESSION_MS, Listener, Mechanism, PASSWORD, SecureBrokers, SecureOptions, SharedSecure,
    USER, shared_secure,
};
pub use wire::{Metadata, Partition, Topic};

/// Held by tests with brokers of their own, and by those that measure, so that not all of a
/// process's tests of that kind run at once.
pub fn own_brokers() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}
