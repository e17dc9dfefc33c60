//! Faults of brokers, of the network, of the service, of topics and rights, and of Kafka's protocol,
//! each under load of outputs with `atLeastOnce` and `exactlyOnce`, each with all invariants looked
//! at afterwards ([`tests::check::invariants`]). The numbers are those of `docs/delivery/faults.md`.
//!
//! `KAFKA_OUTPUT_LONG=1` lets each fault last longer and come more often.

mod around;
mod brokers;
mod fights;
mod kills;
mod network;
mod protocol;
mod rights;
mod service;
mod timestamps;
mod topics;

use std::time::Duration;

use tests::is_long;

/// What takes the first time, or the second in a long run.
fn time(short_ms: u64, long_s: u64) -> Duration {
    if is_long() { Duration::from_secs(long_s) } else { Duration::from_millis(short_ms) }
}

/// The first number, or the second in a long run.
fn times(short: u64, long: u64) -> u64 {
    if is_long() { long } else { short }
}
