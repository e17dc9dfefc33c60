//! Why brokers do not let the output in, where librdkafka has one text for several causes: a
//! handshake of our own, made beside it while the output is away.
use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use tokio::runtime::Handle;

use super::{
    cause::Cause,
    credentials::{Credentials, Login},
};
use crate::{
    diagnose::{self, Outcome, Report, StepName, Target, diagnose},
    job::{HostPort, PasswordMechanism},
};

/// Between handshakes: they are connections that a broker counts, and logins that it may log.
const EVERY: Duration = Duration::from_secs(10);

/// Brokers that are asked at most.
const SERVERS_MAX: usize = 3;

/// What handshakes have found since the output was last ready.
pub struct Diagnosis {
    servers: Vec<HostPort>,
    /// The runtime of whoever has started the sink; without one nothing is diagnosed.
    runtime: Option<Handle>,
    found: Arc<Mutex<Found>>,
}

#[derive(Default)]
struct Found {
    /// When the last handshake was begun, for credentials of this age.
    begun: Option<Instant>,
    cause: Option<Cause>,
}

impl Diagnosis {
    /// Nothing is known of these servers yet.
    pub fn new(servers: &[HostPort]) -> Self {
        let servers = servers.iter().take(SERVERS_MAX).cloned().collect();
        Self { servers, runtime: Handle::try_current().ok(), found: Arc::default() }
    }

    /// Why the listener or the login fails, if that was found.
    pub fn cause(&self) -> Option<Cause> {
        lock(&self.found).cause.clone()
    }

    /// The output is ready, or has other credentials: what was found is over.
    pub fn clear(&self) {
        *lock(&self.found) = Found::default();
    }

    /// Looks for the cause, unless it was just looked for. What is found is there some time later.
    pub fn begin(&self, credentials: &Credentials) {
        let Some(runtime) = &self.runtime else { return };
        let begun = Instant::now();
        {
            let mut found = lock(&self.found);
            if found.begun.is_some_and(|last| last.elapsed() < EVERY) {
                return;
            }
            found.begun = Some(begun);
        }
        let targets: Vec<_> =
            self.servers.iter().map(|server| target(server, credentials)).collect();
        let shared = self.found.clone();
        runtime.spawn(async move {
            let mut cause = None;
            for target in &targets {
                cause = judged(&diagnose(target).await);
                if cause.is_some() {
                    break;
                }
            }
            let mut found = lock(&shared);
            // Cleared meanwhile, it is about something that is over.
            if found.begun == Some(begun) {
                found.cause = cause;
            }
        });
    }
}

/// The finding behind the port: that nobody listens librdkafka tells well enough.
fn judged(report: &Report) -> Option<Cause> {
    let step = report.steps.iter().find(|step| matches!(step.outcome, Outcome::Failed(_)))?;
    match (&step.outcome, step.name) {
        (_, StepName::Name | StepName::Tcp) => None,
        (Outcome::Failed(finding), _) => Some(Cause::new(finding.code, finding.to_string())),
        _ => None,
    }
}

/// A listener as a handshake of ours takes it, and what the output shows it.
pub fn target(server: &HostPort, credentials: &Credentials) -> Target {
    let tls = credentials.tls.as_ref().map(|tls| diagnose::Tls {
        truststore: tls.trust.clone(),
        client_certificate: tls.client.clone(),
        trust_any_server_certificate: tls.any_certificate,
        trust_any_host_name: tls.any_host_name,
    });
    let login = credentials.login.as_ref().map(|login| match login {
        Login::Password { mechanism, username, password } => diagnose::Login::Password {
            mechanism: match mechanism {
                PasswordMechanism::Plain => diagnose::Mechanism::Plain,
                PasswordMechanism::ScramSha256 => diagnose::Mechanism::ScramSha256,
                PasswordMechanism::ScramSha512 => diagnose::Mechanism::ScramSha512,
            },
            username: username.clone(),
            password: password.clone(),
        },
        Login::Token(token) => diagnose::Login::Token {
            token: token.value.clone(),
            extensions: token.extensions.clone(),
        },
    });
    Target { host: server.host().to_owned(), port: server.port(), tls, login }
}

fn lock(found: &Mutex<Found>) -> MutexGuard<'_, Found> {
    found.lock().expect("nothing panics in it")
}
