//! What an output shows to its brokers, each part for itself: all faults are told in one go.

use keyvault::Store;

use super::{
    finding::Line,
    lacking::Lacking,
    material::{authorities, own},
};
use crate::{
    diagnose::{Facts, connection_string_faults},
    exit::Exit,
    job::{Output, Security, Tls},
    kafka::{self, Credentials, credentials::TlsMaterial},
    secrets::{Issuers, resolve},
};

/// What was found of an output's credentials.
pub(super) struct FoundCredentials {
    /// What is to be told of them.
    pub(super) lines: Vec<Line>,
    /// All of them, if nothing is wrong.
    pub(super) credentials: Option<Credentials>,
}

/// Has the parts of an output's credentials made at once.
pub(super) async fn find(output: &Output, store: &Store, lacking: &Lacking) -> FoundCredentials {
    let Security { protocol, tls, login } = &output.security;
    let only = |tls, login| Security { protocol: *protocol, tls, login };
    let trust = tls.clone().map(|tls| Tls { client_certificate: None, ..tls });
    let client = tls.clone().map(|tls| Tls { truststore: None, ..tls });
    let (trust, client, login) = tokio::join!(
        part("truststore", only(trust, None), store, lacking),
        part("clientCertificate", only(client, None), store, lacking),
        part("sasl", only(None, login.clone()), store, lacking),
    );
    let mut found = FoundCredentials { lines: Vec::new(), credentials: None };
    let trust = found.take(trust, |trust| match trust.tls.as_ref().map(|tls| &tls.trust) {
        None => Vec::new(),
        Some(None) => {
            let facts = Facts::new("the authorities that this system trusts");
            vec![Line::passed("TRUSTSTORE", "truststore", facts)]
        }
        Some(Some(trust)) => authorities("truststore", trust),
    });
    let client = found.take(client, |client| match client.tls.as_ref().map(|tls| &tls.client) {
        None | Some(None) => Vec::new(),
        Some(Some(client)) => {
            own("KEY_PAIR", "clientCertificate", client, "CLIENT_CERTIFICATE_EXPIRES_SOON")
        }
    });
    let login = found.take(login, |login| connection_string(output, login));
    if let (Some(trust), Some(client), Some(login)) = (trust, client, login)
        && !found.lines.iter().any(Line::failed)
    {
        let client = client.tls.and_then(|tls| tls.client);
        let tls = trust.tls.map(|trust| TlsMaterial { client, ..trust });
        found.credentials = Some(Credentials { tls, login: login.login });
    }
    found
}

impl FoundCredentials {
    /// Takes a part, or tells its fault.
    fn take(
        &mut self,
        part: Result<Credentials, Line>,
        tell: impl FnOnce(&Credentials) -> Vec<Line>,
    ) -> Option<Credentials> {
        match part {
            Ok(part) => {
                self.lines.extend(tell(&part));
                Some(part)
            }
            Err(fault) => {
                self.lines.push(fault);
                None
            }
        }
    }
}

async fn part(
    title: &'static str,
    security: Security,
    store: &Store,
    lacking: &Lacking,
) -> Result<Credentials, Line> {
    if let Some(line) = lacking.for_security(title, &security) {
        return Err(line);
    }
    let resolved = resolve(store, &security, &mut Issuers::default()).await;
    let resolved = resolved.map_err(|error| Line::secret("CREDENTIALS", title, error));
    resolved.map(|(credentials, _)| credentials)
}

/// What is wrong with the password of Event Hubs, which is a connection string.
fn connection_string(output: &Output, login: &Credentials) -> Vec<Line> {
    let Some(server) = output.bootstrap_servers.first() else { return Vec::new() };
    let faults =
        connection_string_faults(&kafka::target(server, login), Some(output.topic.as_str()));
    let line = |fault| Line::fault("CONNECTION_STRING", "sasl.password", fault, Exit::BadInput);
    faults.into_iter().map(line).collect()
}
