//! How connections are secured: to the brokers, and from the callers.

use std::{collections::BTreeMap, time::Duration};

use keyvault::Reference;

use super::subject::Subject;

/// How the connection to the brokers is secured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Security {
    /// What the listener of the brokers speaks.
    pub protocol: Protocol,
    /// With TLS: whom to trust and who the service is. `None` without TLS.
    pub tls: Option<Tls>,
    /// With SASL: who the service is. `None` without.
    pub login: Option<Login>,
}

/// What the listener of the brokers speaks, by the names of Stream Analytics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Plaintext, without a login.
    None,
    /// Plaintext, with a login.
    SaslPlaintext,
    /// TLS, with a login.
    SaslSsl,
    /// TLS, with a client certificate.
    Mtls,
}

impl Protocol {
    /// The protocol as the job file names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::SaslSsl => "SASL_SSL",
            Self::Mtls => "mTLS",
        }
    }

    /// Whether rows go through TLS.
    pub fn uses_tls(self) -> bool {
        matches!(self, Self::SaslSsl | Self::Mtls)
    }

    /// Whether the service logs in.
    pub fn uses_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }
}

/// TLS to the brokers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The authorities to trust; without it, those that the system trusts.
    pub truststore: Option<Material>,
    /// The service's own certificate; always there with [`Protocol::Mtls`].
    pub client_certificate: Option<CertificateSource>,
    /// A server may show any certificate: whoever stands between can read and change rows.
    pub trust_any_server_certificate: bool,
    /// A server's certificate may be another server's.
    pub trust_any_host_name: bool,
}

/// Something in PEM, PFX or JKS, and the password of the latter two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Material {
    /// Where it stands.
    pub source: Reference,
    /// The password, if it has one.
    pub password: Option<Reference>,
}

/// A certificate with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateSource {
    /// Where the certificate and its chain stand.
    pub certificate: Reference,
    /// Where the key stands, if not with the certificate.
    pub key: Option<Reference>,
    /// The password of the key, of a PFX or of a key store.
    pub password: Option<Reference>,
}

/// Who the service is for the brokers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// A user name and a password.
    Password {
        /// How the password is proven.
        mechanism: PasswordMechanism,
        /// The user name.
        username: Username,
        /// Where the password stands.
        password: Reference,
    },
    /// An access token (`OAUTHBEARER`).
    Token(TokenSource),
}

/// How a password is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordMechanism {
    /// `PLAIN`.
    Plain,
    /// `SCRAM-SHA-256`.
    ScramSha256,
    /// `SCRAM-SHA-512`.
    ScramSha512,
}

impl PasswordMechanism {
    /// The mechanism as Kafka names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

/// A user name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Username {
    /// As it is; not empty.
    Text(String),
    /// Where it stands; it is renewed together with the password.
    Reference(Reference),
}

/// Where access tokens come from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "there is one for each output, and none on its way")]
pub enum TokenSource {
    /// Entra ID, for the job's identity.
    Identity {
        /// What the token is for, such as `https://NAMESPACE.servicebus.windows.net/.default`.
        scope: String,
        /// SASL extensions (RFC 7628, 3.1), such as Confluent Cloud's `logicalCluster`.
        extensions: BTreeMap<String, String>,
    },
    /// An OIDC issuer, for a client with a secret (RFC 6749, 4.4).
    ClientCredentials {
        /// `https://…`; plain `http` on loopback alone.
        token_endpoint: String,
        /// Authorities to trust there; without it, those that the system trusts.
        truststore: Option<Material>,
        /// The client.
        client_id: String,
        /// Where its secret stands.
        client_secret: Reference,
        /// What the token is for, if the issuer wants to know.
        scope: Option<String>,
        /// SASL extensions, as above.
        extensions: BTreeMap<String, String>,
    },
}

/// What kind of service the brokers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Kafka.
    Kafka,
    /// Azure Event Hubs, which differs.
    EventHubs,
}

impl Profile {
    /// The profile as the job file names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kafka => "Kafka",
            Self::EventHubs => "EventHubs",
        }
    }
}

/// TLS from the callers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenTls {
    /// The server's own certificate.
    pub certificate: CertificateSource,
    /// Authorities whose client certificates are taken.
    pub client_ca: Option<Material>,
    /// A caller without a client certificate is let in if it has a token.
    pub client_certificate_optional: bool,
}

impl Security {
    /// Everything that it refers to.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        let tls = self.tls.iter().flat_map(|tls| {
            let trust = tls.truststore.iter().flat_map(Material::references);
            let client = tls.client_certificate.iter().flat_map(CertificateSource::references);
            trust.chain(client)
        });
        tls.chain(self.login.iter().flat_map(Login::references))
    }

    /// Whether access tokens are fetched for it.
    pub fn uses_tokens(&self) -> bool {
        matches!(self.login, Some(Login::Token(_)))
    }
}

impl Material {
    /// Everything that it refers to.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        [Some(&self.source), self.password.as_ref()].into_iter().flatten()
    }
}

impl CertificateSource {
    /// Everything that it refers to.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        let more = [self.key.as_ref(), self.password.as_ref()];
        std::iter::once(&self.certificate).chain(more.into_iter().flatten())
    }
}

impl ListenTls {
    /// Everything that it refers to.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        let client_ca = self.client_ca.iter().flat_map(Material::references);
        self.certificate.references().chain(client_ca)
    }
}

impl Login {
    fn references(&self) -> Vec<&Reference> {
        match self {
            Self::Password { username: Username::Reference(username), password, .. } => {
                vec![username, password]
            }
            Self::Password { username: Username::Text(_), password, .. } => vec![password],
            Self::Token(TokenSource::Identity { .. }) => Vec::new(),
            Self::Token(TokenSource::ClientCredentials { truststore, client_secret, .. }) => {
                let trust = truststore.iter().flat_map(Material::references);
                std::iter::once(client_secret).chain(trust).collect()
            }
        }
    }
}

/// Which tokens callers may show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// Who issues them: `iss` exactly, such as `https://login.microsoftonline.com/TENANT/v2.0`.
    pub issuer: String,
    /// Where its keys are (JWKS, RFC 7517).
    pub keys_url: String,
    /// Authorities to trust there; without it, those that the system trusts.
    pub truststore: Option<Material>,
    /// `aud`: one of these.
    pub audiences: Vec<String>,
    /// `tid`, if tokens carry a tenant.
    pub tenant: Option<String>,
    /// `azp` or `appid`: one of these; not asked for if empty.
    pub applications: Vec<String>,
    /// `roles`: at least one of these; not asked for if empty. One of both is not empty.
    pub roles: Vec<String>,
    /// How far clocks may differ.
    pub clock_skew: Duration,
}

/// Who may write into an output, and as which writers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriterRule {
    /// Who.
    pub caller: CallerRule,
    /// What the writer ids begin with that they may use; all of them if empty.
    pub prefix: String,
}

/// What a caller has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallerRule {
    /// A client certificate of this subject, such as `CN=engine`: exactly, or its common name
    /// alone.
    Subject(Subject),
    /// A client certificate with this DNS name or URI as subject alternative name.
    Name(String),
    /// A token of this application.
    Application(String),
    /// A token with this role.
    Role(String),
}
