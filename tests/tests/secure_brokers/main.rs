//! The brokers with every kind of security prove themselves with librdkafka, without our service:
//! each listener takes what it should and refuses what it should, and each lever acts.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod formats;
mod issuer;
mod levers;
mod listeners;

use std::fs;

use tests::{
    certs::{Pair, authority},
    kafka::{Attempt, Listener, SecureBrokers},
    reader,
};

/// A client of a listener that trusts the tests' authority.
fn client(brokers: &SecureBrokers, listener: Listener) -> Attempt {
    Attempt::default()
        .set("bootstrap.servers", &brokers.bootstrap(listener))
        .set("security.protocol", listener.protocol())
        .set("ssl.ca.pem", &authority().pem())
}

/// The same with a client certificate.
fn with(attempt: Attempt, pair: &Pair) -> Attempt {
    attempt.set("ssl.certificate.pem", &pair.chain_pem()).set("ssl.key.pem", &pair.key_pem())
}

/// Fails if the client is let in, or told something else than `cause`.
#[track_caller]
fn refused(result: Result<(), Vec<String>>, cause: &str) {
    let said = result.expect_err("the client is refused");
    assert!(said[0].contains(cause), "waited for {cause:?}: {said:?}");
}

/// What librdkafka says of a client's certificate that a broker does not take, or asks for in vain.
const ALERT: &str = "alert";

/// What becomes of a client that a broker refuses with an alert. Since TLS 1.3 clients send before
/// they know: what arrives behind the alert makes the broker's close a reset, which may overtake what
/// was said. Then it is tried again.
fn heard(attempt: impl Fn() -> Result<(), Vec<String>>) -> Result<(), Vec<String>> {
    const RESETS_MAX: usize = 5;
    let is_cut = |said: &String| {
        ["Disconnected", "reset", "Broken pipe"].iter().any(|cut| said.contains(cut))
    };
    let mut ended = attempt();
    for _ in 0..RESETS_MAX {
        match &ended {
            Err(said) if is_cut(&said[0]) => ended = attempt(),
            _ => break,
        }
    }
    ended
}

/// How many records a topic holds, read where no login is asked for.
fn stored(brokers: &SecureBrokers, topic: &str) -> u64 {
    let counts = reader::topic(&brokers.bootstrap(Listener::Plaintext), topic).counts();
    counts.values().map(|count| count.records).sum()
}

/// Keeps files of a test's clients.
fn write(dir: &tempfile::TempDir, name: &str, bytes: &[u8]) -> String {
    let path = dir.path().join(name);
    fs::write(&path, bytes).unwrap();
    path.display().to_string()
}
