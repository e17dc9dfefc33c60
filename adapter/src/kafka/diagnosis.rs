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

/// Between diagnoses: they are connections that a broker counts, and logins that it may log.
const EVERY: Duration = Duration::from_secs(10);

// Servers are asked at once, so a diagnosis takes no longer than that of one.
const _: () = assert!(diagnose::DEADLINE.as_secs() <= EVERY.as_secs());

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
    /// When the last diagnosis was begun, whatever it was about.
    begun: Option<Instant>,
    /// It is not through.
    running: bool,
    /// How often everything was cleared.
    cleared: u64,
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

    /// The output is ready, or has other credentials: what was found is over. An output that is
    /// ready and away by turns is diagnosed no more often for that.
    pub fn clear(&self) {
        let mut found = lock(&self.found);
        found.cause = None;
        found.cleared += 1;
    }

    /// Looks for the cause, unless that is being done or was just done. What is found is there some
    /// time later.
    pub fn begin(&self, credentials: &Credentials) {
        let Some(runtime) = &self.runtime else { return };
        let Some(cleared) = self.may_begin() else { return };
        let targets = self.servers.iter().map(|server| target(server, credentials));
        // At once: those that do not answer must not keep one waiting that says why.
        let asking: Vec<_> = targets
            .map(|target| runtime.spawn(async move { judged(&diagnose(&target).await) }))
            .collect();
        let shared = self.found.clone();
        runtime.spawn(async move {
            let mut cause = None;
            for asking in asking {
                cause = cause.or(asking.await.ok().flatten());
            }
            let mut found = lock(&shared);
            found.running = false;
            // Cleared meanwhile, it is about something that is over.
            if found.cleared == cleared {
                found.cause = cause;
            }
        });
    }

    /// Notes that a diagnosis is begun, if it is time for one. Tells how often everything was
    /// cleared before.
    fn may_begin(&self) -> Option<u64> {
        let mut found = lock(&self.found);
        if found.running || found.begun.is_some_and(|last| last.elapsed() < EVERY) {
            return None;
        }
        (found.begun, found.running) = (Some(Instant::now()), true);
        Some(found.cleared)
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

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    /// A server that is no broker, and how often it was asked.
    fn no_broker() -> (HostPort, Arc<Mutex<u32>>) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap().to_string().parse().unwrap();
        let asked = Arc::<Mutex<u32>>::default();
        let counting = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                *counting.lock().unwrap() += 1;
                let _ = stream.read(&mut [0; 64]);
                let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            }
        });
        (server, asked)
    }

    /// A server that takes connections and says nothing.
    fn silent() -> (HostPort, std::net::TcpListener) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        (listener.local_addr().unwrap().to_string().parse().unwrap(), listener)
    }

    async fn until(what: impl Fn() -> bool) {
        let end = Instant::now() + 3 * diagnose::DEADLINE;
        while !what() {
            assert!(Instant::now() < end, "it does not come to an end");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn one_diagnosis_at_a_time_and_not_at_once_again() {
        let ((server, asked), (mute, _listener)) = (no_broker(), silent());
        // Those who are silent keep no other waiting.
        let diagnosis = Diagnosis::new(&[mute, server]);
        let credentials = Credentials::default();
        let asked = || *asked.lock().unwrap();
        diagnosis.begin(&credentials);
        until(|| asked() > 0).await;
        let (once, begun) = (asked(), lock(&diagnosis.found).begun);
        assert!(lock(&diagnosis.found).running);
        // Neither while it runs nor because it was cleared, nor just after it.
        diagnosis.begin(&credentials);
        diagnosis.clear();
        diagnosis.begin(&credentials);
        until(|| !lock(&diagnosis.found).running).await;
        assert_eq!(diagnosis.cause(), None, "it was about something that is over");
        diagnosis.begin(&credentials);
        assert_eq!(lock(&diagnosis.found).begun, begun);
        assert!(!lock(&diagnosis.found).running);
        // A listener that does not speak Kafka is asked a second time, for TLS.
        assert!(asked() <= once + 1, "{} and {once}", asked());
    }

    #[tokio::test]
    async fn what_is_found_is_there_until_it_is_over() {
        let (server, _asked) = no_broker();
        let diagnosis = Diagnosis::new(&[server]);
        diagnosis.begin(&Credentials::default());
        until(|| diagnosis.cause().is_some()).await;
        assert_eq!(diagnosis.cause().unwrap().code, "NOT_KAFKA");
        diagnosis.clear();
        assert_eq!(diagnosis.cause(), None);
    }
}
