//! What the whole-service tests stand on: real Kafka brokers, readers that others wrote, and the
//! service as a child process.
//!
//! | module | does |
//! | --- | --- |
//! | [`certs`] | authorities and certificates, good and faulty, in every format |
//! | [`azure`] | vaults, identities, Entra ID, an OIDC issuer: a strict stand-in |
//! | [`balancer`] | spreads connections over the replicas of a service that are ready |
//! | [`collector`] | takes spans by OTLP |
//! | [`engine`] | a small query engine: the contract as a caller speaks it, load, job files |
//! | [`flights`] | a table of 336,776 real rows |
//! | [`haproxy`] | HAProxy with faults of its own in front of a vault |
//! | [`java`] | Java, and jars from Maven |
//! | [`kafka`] | one broker ([`kafka::Broker`]), three with a controller ([`kafka::Cluster`]), brokers with every kind of security ([`kafka::SecureBrokers`]) |
//! | [`kafka_proxy`] | a way to a broker on which single requests can be spoiled |
//! | [`oidc`] | an issuer of access tokens |
//! | [`check`] | compares what was sent and acknowledged with what is stored; the invariants of every fault by name |
//! | [`mock_issuer`] | an OIDC issuer that others wrote |
//! | [`preload`] | a wall clock and names of hosts that a process has for itself |
//! | [`proxy`] | a way between two ends of TCP that can be spoiled while it is in use |
//! | [`reader`] | reads a topic with `confluent-kafka` |
//! | [`segments`] | reads batch headers from a broker's files: sizes, codecs, transactions |
//! | [`service`] | runs `kafka-output serve` |
//! | [`stage`] | a cluster behind proxies, and trials of faults on it |
//! | [`terminal`] | a program in a terminal, and what is on its screen |
//! | [`tools`] | Python with its packages, `buf`, `grpcurl` |
//! | [`usage`] | what a process uses: CPU, memory, threads, files |
//! | [`wait`] | waits for facts, by name and with a deadline |
//!
//! Everything here panics when it fails: a test has nothing better to do with an error, and the
//! text says what was tried. No child outlives the test process, however that ends
//! ([`process`]); whatever is left on disk by a process that was killed is removed by the next
//! one ([`cache`]).

pub mod admin;
pub mod azure;
pub mod balancer;
pub mod browser;
pub mod cache;
pub mod certs;
pub mod check;
pub mod collector;
pub mod engine;
pub mod flights;
pub mod haproxy;
pub mod java;
pub mod kafka;
pub mod kafka_proxy;
pub mod mock_issuer;
pub mod oidc;
pub mod preload;
pub mod process;
pub mod proxy;
pub mod reader;
pub mod segments;
pub mod service;
pub mod stage;
pub mod terminal;
pub mod tools;
pub mod toxiproxy;
pub mod usage;
pub mod wait;

/// Whether tests take minutes where seconds say the most: `KAFKA_OUTPUT_LONG=1`.
pub fn is_long() -> bool {
    std::env::var_os("KAFKA_OUTPUT_LONG").is_some()
}
