//! What is diagnosed: a listener, and what a client would show it.

use std::collections::BTreeMap;

use keyvault::{
    Secret,
    material::{KeyPair, TrustStore},
};

/// A listener of a broker, and what a client would show it.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its host name or IP address, an IPv6 address without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// TLS; without it, plaintext.
    pub tls: Option<Tls>,
    /// The login; without it, none.
    pub login: Option<Login>,
}

/// What TLS needs.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// The authorities to trust; without it, those that the system trusts.
    pub truststore: Option<TrustStore>,
    /// The client's own certificate.
    pub client_certificate: Option<KeyPair>,
    /// Any certificate is good.
    pub trust_any_server_certificate: bool,
    /// A certificate for another host is good, too.
    pub trust_any_host_name: bool,
}

/// Who the client is for SASL.
#[derive(Clone, Debug)]
pub enum Login {
    /// A user name and a password.
    Password {
        /// How it is proven.
        mechanism: Mechanism,
        /// The user name.
        username: Secret,
        /// The password.
        password: Secret,
    },
    /// An access token (`OAUTHBEARER`).
    Token {
        /// The token.
        token: Secret,
        /// SASL extensions (RFC 7628, 3.1).
        extensions: BTreeMap<String, String>,
    },
}

/// How a password is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// `PLAIN`.
    Plain,
    /// `SCRAM-SHA-256`.
    ScramSha256,
    /// `SCRAM-SHA-512`.
    ScramSha512,
}

/// How far a diagnosis goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Name, TCP, what the listener speaks, TLS with both certificates.
    Listener,
    /// The login, too.
    Login,
    /// A connection of use: SCRAM is proven as well, which a diagnosis leaves to librdkafka.
    Connection,
}

impl Target {
    /// `host:port`, as messages name it.
    pub fn place(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Whether it is a namespace of Azure Event Hubs.
    pub(super) fn is_event_hubs(&self) -> bool {
        let host = self.host.trim_end_matches('.').to_ascii_lowercase();
        ["windows.net", "chinacloudapi.cn", "usgovcloudapi.net", "cloudapi.de"]
            .iter()
            .any(|cloud| host.ends_with(&format!(".servicebus.{cloud}")))
    }

    /// What the job file calls the way to connect.
    pub(super) fn protocol(&self) -> &'static str {
        protocol(self.tls.is_some(), self.login.is_some())
    }
}

/// The value of `securityProtocol` for such a listener.
pub(super) fn protocol(tls: bool, login: bool) -> &'static str {
    match (tls, login) {
        (false, false) => "None",
        (false, true) => "SASL_PLAINTEXT",
        (true, false) => "mTLS",
        (true, true) => "SASL_SSL",
    }
}

impl Login {
    /// The name of its mechanism.
    pub fn mechanism(&self) -> &'static str {
        match self {
            Self::Password { mechanism: Mechanism::Plain, .. } => "PLAIN",
            Self::Password { mechanism: Mechanism::ScramSha256, .. } => "SCRAM-SHA-256",
            Self::Password { mechanism: Mechanism::ScramSha512, .. } => "SCRAM-SHA-512",
            Self::Token { .. } => "OAUTHBEARER",
        }
    }
}
