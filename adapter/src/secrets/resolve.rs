//! From references to what TLS and a login need.

use std::{collections::BTreeMap, time::SystemTime};

use keyvault::{
    Error, Found, Reference, Store,
    material::{self, KeyPair, TrustStore, Usage},
    token::{AccessToken, ClientCredentials, Issuer},
};

use super::report::InUse;
use crate::{
    job::{self, CertificateSource, ListenTls, Material, Security, TokenSource, Username},
    kafka::credentials::{Credentials, Login, TlsMaterial, Token},
};

/// The issuers that tokens of clients with a secret come from; each keeps its token ready. Another
/// secret makes another.
#[derive(Default)]
pub struct Issuers(Option<(ClientCredentials, Issuer)>);

/// The purpose of an access token, as the job file calls it.
pub(super) const TOKEN: &str = "sasl.token";

/// Reads references and keeps account of what was read.
pub(super) struct Reading<'a> {
    store: &'a Store,
    /// What was read so far.
    pub(super) in_use: Vec<InUse>,
}

/// The credentials of an output, and what they were made of.
///
/// # Errors
/// The first thing that cannot be had or is not what it must be.
pub async fn resolve(
    store: &Store,
    security: &Security,
    issuers: &mut Issuers,
) -> Result<(Credentials, Vec<InUse>), Error> {
    let mut reading = Reading::new(store);
    let mut credentials = Credentials::default();
    if let Some(tls) = &security.tls {
        let mut material = TlsMaterial {
            trust: None,
            client: None,
            any_certificate: tls.trust_any_server_certificate,
            any_host_name: tls.trust_any_host_name,
        };
        if let Some(truststore) = &tls.truststore {
            material.trust = Some(reading.trust_store("truststore", truststore).await?);
        }
        if let Some(source) = &tls.client_certificate {
            let client = reading.key_pair("clientCertificate", source, Usage::Client).await?;
            material.client = Some(client);
        }
        credentials.tls = Some(material);
    }
    credentials.login = match &security.login {
        None => None,
        Some(job::Login::Password { mechanism, username, password }) => Some(Login::Password {
            mechanism: *mechanism,
            username: match username {
                Username::Text(text) => text.clone().into(),
                Username::Reference(reference) => reading.text("sasl.username", reference).await?,
            },
            password: reading.text("sasl.password", password).await?,
        }),
        Some(job::Login::Token(source)) => {
            Some(Login::Token(reading.token(source, issuers).await?))
        }
    };
    Ok((credentials, reading.in_use))
}

/// A newer token alone, from where the last one came, whatever else cannot be had.
///
/// # Errors
/// Why there is none.
pub async fn renew_token(
    store: &Store,
    source: &TokenSource,
    issuers: &Issuers,
    last: &Token,
) -> Result<(Token, InUse), Error> {
    let fresh = match source {
        TokenSource::Identity { scope, .. } => store.token(scope).await?,
        TokenSource::ClientCredentials { .. } => match &issuers.0 {
            Some((_, issuer)) => issuer.token().await?,
            None => return Err(Error::new("TOKEN_MISSING", "no issuer was asked yet", "wait")),
        },
    };
    Ok(token(source, fresh, last.extensions.clone()))
}

/// What the gRPC port shows, and whom it trusts.
///
/// # Errors
/// As [`resolve`].
pub async fn resolve_listener(
    store: &Store,
    tls: &ListenTls,
) -> Result<(KeyPair, Option<TrustStore>), Error> {
    Reading::new(store).listener(tls).await
}

/// Authorities to trust, read once.
///
/// # Errors
/// Why they cannot be had, or are of no use.
pub async fn trust_store(
    store: &Store,
    purpose: &'static str,
    source: &Material,
) -> Result<TrustStore, Error> {
    Reading::new(store).trust_store(purpose, source).await
}

impl Issuers {
    /// Brokers refuse the token that was got: the next is another.
    pub(super) fn forget_token(&self, store: &Store, security: &Security) {
        match (&security.login, &self.0) {
            (Some(job::Login::Token(TokenSource::Identity { scope, .. })), _) => {
                store.forget_token(scope);
            }
            (_, Some((_, issuer))) => issuer.forget_token(),
            _ => {}
        }
    }

    /// Why the token that is there is not a newer one, although it was time for one.
    pub(super) fn trouble(&self) -> Option<Error> {
        self.0.as_ref().and_then(|(_, issuer)| issuer.trouble())
    }

    fn of(&mut self, client: ClientCredentials) -> Result<&Issuer, Error> {
        if self.0.as_ref().is_none_or(|(known, _)| *known != client) {
            self.0 = Some((client.clone(), Issuer::new(client)?));
        }
        Ok(&self.0.as_ref().expect("it was just made").1)
    }
}

impl<'a> Reading<'a> {
    pub(super) fn new(store: &'a Store) -> Self {
        Self { store, in_use: Vec::new() }
    }

    /// What the gRPC port shows, and whom it trusts.
    pub(super) async fn listener(
        &mut self,
        tls: &ListenTls,
    ) -> Result<(KeyPair, Option<TrustStore>), Error> {
        let pair = self.key_pair("tls.certificate", &tls.certificate, Usage::Server).await?;
        let client_ca = match &tls.client_ca {
            Some(material) => Some(self.trust_store("tls.clientCa", material).await?),
            None => None,
        };
        Ok((pair, client_ca))
    }

    async fn key_pair(
        &mut self,
        purpose: &'static str,
        source: &CertificateSource,
        usage: Usage,
    ) -> Result<KeyPair, Error> {
        let certificate = self.store.get(&source.certificate).await?;
        let key = self.find(source.key.as_ref()).await?;
        let password = self.password(source.password.as_ref()).await?;
        let in_use = InUse::of(purpose, &source.certificate, &certificate);
        let pair = blocking(move || {
            let now = SystemTime::now();
            material::key_pair(&certificate, key.as_ref(), password.as_ref(), usage, now)
        })
        .await
        .map_err(|error| mendable(error, &source.certificate))?;
        self.in_use.push(in_use.certificate(pair.leaf(), &pair.notes));
        Ok(pair)
    }

    pub(super) async fn trust_store(
        &mut self,
        purpose: &'static str,
        source: &Material,
    ) -> Result<TrustStore, Error> {
        let found = self.store.get(&source.source).await?;
        let password = self.password(source.password.as_ref()).await?;
        let in_use = InUse::of(purpose, &source.source, &found);
        let trust =
            blocking(move || material::trust_store(&found, password.as_ref(), SystemTime::now()))
                .await
                .map_err(|error| mendable(error, &source.source))?;
        // Trust ends with the last of them, and whoever is told of an end must look at the first.
        let first = trust.certificates.iter().min_by_key(|certificate| certificate.not_after);
        self.in_use.extend(first.map(|first| in_use.certificate(first, &trust.notes)));
        Ok(trust)
    }

    async fn find(&self, reference: Option<&Reference>) -> Result<Option<Found>, Error> {
        match reference {
            Some(reference) => self.store.get(reference).await.map(Some),
            None => Ok(None),
        }
    }

    async fn password(
        &self,
        reference: Option<&Reference>,
    ) -> Result<Option<keyvault::Secret>, Error> {
        self.find(reference).await?.map(|found| found.text()).transpose()
    }

    async fn text(
        &mut self,
        purpose: &'static str,
        reference: &Reference,
    ) -> Result<keyvault::Secret, Error> {
        let found = self.store.get(reference).await?;
        let text = found.text().map_err(|error| mendable(error, reference))?;
        self.in_use.push(InUse::of(purpose, reference, &found));
        Ok(text)
    }

    async fn token(&mut self, source: &TokenSource, issuers: &mut Issuers) -> Result<Token, Error> {
        let (fresh, sasl_extensions) = match source {
            TokenSource::Identity { scope, extensions } => {
                (self.store.token(scope).await?, extensions.clone())
            }
            TokenSource::ClientCredentials {
                token_endpoint,
                truststore,
                client_id,
                client_secret,
                scope,
                extensions,
            } => {
                let trust = match truststore {
                    Some(material) => {
                        Some(self.trust_store("sasl.token.truststore", material).await?)
                    }
                    None => None,
                };
                let client = ClientCredentials {
                    token_endpoint: token_endpoint.clone(),
                    client_id: client_id.clone(),
                    client_secret: self.text("sasl.token.clientSecret", client_secret).await?,
                    scope: scope.clone(),
                    trust_pem: trust.map(|trust| trust.pem),
                };
                (issuers.of(client)?.token().await?, extensions.clone())
            }
        };
        let (token, in_use) = token(source, fresh, sasl_extensions);
        self.in_use.push(in_use);
        Ok(token)
    }
}

/// A token for librdkafka, and what may be told of it.
fn token(
    source: &TokenSource,
    AccessToken { secret, expires, principal }: AccessToken,
    extensions: BTreeMap<String, String>,
) -> (Token, InUse) {
    let in_use = InUse {
        purpose: TOKEN,
        source: match source {
            TokenSource::Identity { scope, .. } => format!("the identity's token for {scope}"),
            TokenSource::ClientCredentials { token_endpoint, .. } => {
                format!("the token of {token_endpoint}")
            }
        },
        version: None,
        subject: principal.clone(),
        expires: Some(expires),
        notes: Vec::new(),
        ends_soon: None,
        content: format!("{expires:?}"),
    };
    let principal = principal.unwrap_or_else(|| "kafka-output".to_owned());
    (Token { value: secret, principal, expires, extensions }, in_use)
}

/// Opens key material on a thread that may take its time: the password of a key store is stretched
/// for up to a second.
async fn blocking<T: Send + 'static>(
    open: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let opened = tokio::task::spawn_blocking(open).await;
    opened.unwrap_or_else(|_| {
        let remedy = "replace it; and report this as a bug, with the log";
        let error = Error::new("KEY_MATERIAL_UNREADABLE", "reading key material failed", remedy);
        Err(error.later(None))
    })
}

/// What stands in a vault can be mended there; then it is taken without anybody's doing here.
fn mendable(error: Error, reference: &Reference) -> Error {
    match reference {
        Reference::Vault(_) => error.later(None),
        Reference::Env(_) | Reference::File(_) | Reference::ClearTextForTests(_) => error,
    }
}
