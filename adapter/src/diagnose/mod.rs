//! A handshake of our own that finds out why a connection to a broker fails.
//!
//! librdkafka has one text for several causes: an unknown authority, a wrong host name and an
//! expired certificate read the same, a refused token is `invalid_token` whatever is wrong with it,
//! and of a plaintext client at a TLS port it says only that all brokers are down. [`diagnose`]
//! goes the same way step by step ([`reach`], [`listener`], [`tls`], [`sasl`]) and says which step
//! fails, why, and what to do about it.
//!
//! It writes no record and creates nothing. A password or token is sent as librdkafka sends it:
//! through TLS only to a server that has proven who it is.
//!
//! Non-obvious:
//! - rustls makes the handshake, since it tells what the server asked for and which alert came.
//!   OpenSSL judges the server's certificate ([`trust`]), since librdkafka asks OpenSSL: another
//!   judge would find faults that are none (a host name in the common name alone, a certificate
//!   of version 1, a self-signed one), and miss some (an intermediate authority as anchor).
//! - With TLS 1.3 a refused client certificate comes to light with the first answer, after the
//!   handshake. So a request is sent (`ApiVersions`) and its answer awaited.
//! - A login with SCRAM is left to librdkafka, which says plainly what is wrong there. Only who wants
//!   the connection itself ([`connect`]) has it made here ([`scram`]).

mod certificate;
mod client_certificate;
mod connection;
mod connection_string;
mod listener;
mod reach;
mod report;
mod sasl;
mod scram;
mod target;
mod tls;
mod token;
mod trust;
mod wire;

use std::time::Duration;

use tokio::time::Instant;

pub use self::{
    certificate::{expires_soon, facts as certificate_facts},
    connection::Connection,
    connection_string::connection_string_faults,
    report::{Facts, Finding, Outcome, Report, Step, StepName},
    target::{Depth, Login, Mechanism, Target, Tls},
};
use self::{listener::Spoken, report::Steps};

/// How long a diagnosis takes at most. The longest times of all steps before the login leave two
/// seconds for it.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// Goes the way of a connection, down to the login.
pub async fn diagnose(target: &Target) -> Report {
    diagnose_down_to(target, Depth::Login).await
}

/// Goes the way of a connection, and no further than asked.
pub async fn diagnose_down_to(target: &Target, depth: Depth) -> Report {
    let mut steps = Steps::default();
    walk(target, depth, Instant::now() + DEADLINE, &mut steps).await;
    Report { host: target.host.clone(), port: target.port, steps: steps.finish(target, depth) }
}

/// Goes the way of a connection to its end, and hands it over for requests of the caller's own.
///
/// # Errors
/// Why there is none.
pub async fn connect(target: &Target) -> Result<Connection, Finding> {
    let mut steps = Steps::default();
    let walked = walk(target, Depth::Connection, Instant::now() + DEADLINE, &mut steps).await;
    walked.map(Connection::new).ok_or_else(|| steps.end(target))
}

/// Each step notes its outcome; the first that fails ends the walk.
async fn walk(target: &Target, depth: Depth, end: Instant, steps: &mut Steps) -> Option<Spoken> {
    let addresses = reach::resolve(target, end, steps).await?;
    let stream = reach::connect(target, &addresses, end, steps).await?;
    let address = stream.peer_addr().ok()?;
    let mut spoken = match &target.tls {
        None => listener::plaintext(target, stream, address, end, steps).await?,
        Some(tls) => listener::encrypted(target, tls, stream, address, end, steps).await?,
    };
    match (depth, &target.login) {
        (Depth::Listener, _) | (_, None) => {}
        (Depth::Login | Depth::Connection, Some(login)) => {
            sasl::login(target, login, &mut spoken, depth, steps).await?;
        }
    }
    Some(spoken)
}
