//! The gRPC port as a job file describes it: certificates from files and from a vault, swapped
//! while streams are open; callers with certificates and with tokens; rules; and what a caller
//! hears, and the log says, where something is missing.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod files;
#[path = "../rotation/place.rs"]
mod place;
mod tokens;
mod vault;

use std::time::Duration;

use tests::{
    certs::{Authority, Pair, Template},
    engine::{
        Engine, Failure,
        job::{SHUTDOWN_TIMEOUT_S, output},
        load::Pace,
    },
    kafka::{shared_broker, unique_topic},
    service::Service,
    wait::{DEADLINE, wait_for, wait_until},
};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

/// The output of every job here.
const OUTPUT: &str = "rows";

/// Rows all the time, and not many.
const PACE: Pace = Pace { batch_rows: 20, pause: Duration::from_millis(20) };

/// A job with one output into a new topic, which it returns, too. `grpc` are keys of `listen.grpc`,
/// `more` those of the output, both in YAML's flow style; `head` are lines before all of them.
fn job(head: &str, grpc: &str, more: &str) -> (String, String) {
    let (broker, topic) = (shared_broker(), unique_topic("port"));
    broker.admin().create_topic(&topic, 1, 1, &[]);
    let output = output(OUTPUT, &broker.bootstrap(), &topic, more);
    let job = format!(
        "name: port\n{head}secretRefresh: 1s\nmemory: 128 MiB\n\
         shutdownTimeout: {SHUTDOWN_TIMEOUT_S}s\n\
         listen: {{ grpc: {{ {grpc} }} }}\noutputs:\n  - {output}\n"
    );
    (job, topic)
}

/// A certificate of this machine, with its key.
fn server(authority: &Authority) -> String {
    pem(&authority.issue(&Template::server(&["localhost", "127.0.0.1"])))
}

fn pem(pair: &Pair) -> String {
    pair.chain_pem() + &pair.key_pem()
}

/// Who calls, and whom it trusts.
struct Caller<'a> {
    trusts: &'a Authority,
    certificate: Option<&'a Pair>,
    token: Option<&'a str>,
}

impl Caller<'_> {
    /// Connects, and makes a call: what the service thinks of a client certificate comes after the
    /// handshake.
    fn connect(&self, address: &str) -> Result<Engine, String> {
        let port = address.rsplit_once(':').expect("host and port").1;
        let mut tls =
            ClientTlsConfig::new().ca_certificate(Certificate::from_pem(self.trusts.pem()));
        if let Some(pair) = self.certificate {
            tls = tls.identity(Identity::from_pem(pair.chain_pem(), pair.key_pem()));
        }
        let endpoint = Endpoint::try_from(format!("https://localhost:{port}")).unwrap();
        let engine = Engine::connect_as(endpoint.tls_config(tls).unwrap(), self.token)?;
        match engine.try_output(OUTPUT) {
            Ok(_) => Ok(engine),
            Err(failure) => Err(format!("{failure:?}")),
        }
    }

    /// Waits until it is let in.
    #[track_caller]
    fn wait_let_in(&self, address: &str) -> Engine {
        wait_for("the caller is let in", DEADLINE, || self.connect(address).ok())
    }
}

/// Waits until a line of the service's log has all of these in it.
#[track_caller]
fn wait_logged(service: &Service, parts: &[&str]) {
    let is_there =
        || service.stderr().lines().any(|line| parts.iter().all(|part| line.contains(part)));
    wait_until(&format!("a line of the log with {parts:?}"), DEADLINE, is_there);
}

/// A denial says its reason, and nothing of why.
#[track_caller]
fn check_denied(failure: &Failure, reason: &str, secrets: &[&str]) {
    assert_eq!(failure.reason, reason, "{failure:?}");
    assert!(!failure.may_be_written, "{failure:?}");
    for secret in secrets {
        assert!(!failure.message.contains(secret), "{failure:?}");
    }
}
