//! The ways into a broker with every kind of security, and what it is told of each.

use std::{fmt::Write as _, path::Path};

use super::plain;

/// A way into a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Listener {
    /// Plaintext, without a login: for the harness and for readers.
    Plaintext,
    /// TLS; the client shows a certificate.
    Mtls,
    /// Plaintext with a login.
    SaslPlaintext,
    /// TLS with a login.
    SaslSsl,
    /// TLS with a login; the client shows a certificate as well.
    SaslMtls,
    /// As [`Listener::SaslSsl`]; each client has to log in again every [`BRIEF_SESSION_MS`].
    SaslBrief,
    /// Plaintext with a login by `SCRAM-SHA-256` alone.
    ScramOnly,
    /// TLS without a login.
    Tls,
    /// The same; the server's certificate is signed by an intermediate authority.
    TlsIntermediate,
    /// The same; the server's certificate has expired.
    TlsExpired,
    /// The same; the server's certificate is for another host.
    TlsOtherHost,
    /// The same; the server's certificate is of an authority that nobody trusts.
    TlsUntrusted,
    /// The same; it speaks TLS 1.1 alone.
    TlsOld,
}

/// How long a login lasts at [`Listener::SaslBrief`]. librdkafka logs in again a little earlier.
pub const BRIEF_SESSION_MS: u32 = 3000;

/// The mechanisms, as brokers write them in the names of their settings.
const MECHANISMS: [(&str, &str); 4] = [
    ("plain", "plain.PlainLoginModule"),
    ("scram-sha-256", "scram.ScramLoginModule"),
    ("scram-sha-512", "scram.ScramLoginModule"),
    ("oauthbearer", "oauthbearer.OAuthBearerLoginModule"),
];
const TOKEN_HANDLER: &str =
    "org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler";

impl Listener {
    /// All of them; a listener's place here counts its ports.
    pub(super) const ALL: [Self; 13] = [
        Self::Plaintext,
        Self::Mtls,
        Self::SaslPlaintext,
        Self::SaslSsl,
        Self::SaslMtls,
        Self::SaslBrief,
        Self::ScramOnly,
        Self::Tls,
        Self::TlsIntermediate,
        Self::TlsExpired,
        Self::TlsOtherHost,
        Self::TlsUntrusted,
        Self::TlsOld,
    ];

    /// What clients set as `security.protocol`.
    pub fn protocol(self) -> &'static str {
        match (self.has_tls(), self.has_login()) {
            (false, false) => "PLAINTEXT",
            (false, true) => "SASL_PLAINTEXT",
            (true, false) => "SSL",
            (true, true) => "SASL_SSL",
        }
    }

    /// Its name among the broker's listeners.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "PLAINTEXT",
            Self::Mtls => "MTLS",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::SaslSsl => "SASL_SSL",
            Self::SaslMtls => "SASL_MTLS",
            Self::SaslBrief => "SASL_BRIEF",
            Self::ScramOnly => "SCRAM_ONLY",
            Self::Tls => "TLS",
            Self::TlsIntermediate => "TLS_INTERMEDIATE",
            Self::TlsExpired => "TLS_EXPIRED",
            Self::TlsOtherHost => "TLS_OTHER_HOST",
            Self::TlsUntrusted => "TLS_UNTRUSTED",
            Self::TlsOld => "TLS_OLD",
        }
    }

    /// What the names of its own settings begin with.
    pub(super) fn prefix(self) -> String {
        format!("listener.name.{}.", self.name().to_ascii_lowercase())
    }

    pub(super) fn has_tls(self) -> bool {
        !matches!(self, Self::Plaintext | Self::SaslPlaintext | Self::ScramOnly)
    }

    pub(super) fn has_login(self) -> bool {
        match self {
            Self::SaslPlaintext | Self::SaslSsl | Self::SaslMtls => true,
            Self::SaslBrief | Self::ScramOnly => true,
            Self::Plaintext | Self::Mtls | Self::Tls | Self::TlsIntermediate => false,
            Self::TlsExpired | Self::TlsOtherHost | Self::TlsUntrusted | Self::TlsOld => false,
        }
    }

    /// Whether a client has to show a certificate.
    pub(super) fn asks_certificate(self) -> bool {
        matches!(self, Self::Mtls | Self::SaslMtls)
    }

    /// The properties of this listener alone; its files are in `dir`.
    pub(super) fn properties(self, dir: &Path) -> String {
        let (prefix, mut text) = (self.prefix(), String::new());
        let mut set = |key: &str, value: &str| {
            writeln!(text, "{prefix}{key}={value}").expect("a string can be written");
        };
        if self.has_tls() {
            set("ssl.keystore.location", &self.file(dir, "pem"));
        }
        if self.asks_certificate() {
            set("ssl.truststore.location", &self.file(dir, "ca.pem"));
            set("ssl.client.auth", "required");
        }
        if self == Self::TlsOld {
            set("ssl.enabled.protocols", "TLSv1.1");
        }
        if self == Self::SaslBrief {
            set("connections.max.reauth.ms", &BRIEF_SESSION_MS.to_string());
        }
        if self == Self::ScramOnly {
            set("sasl.enabled.mechanisms", "SCRAM-SHA-256");
        }
        for (mechanism, module) in MECHANISMS.iter().filter(|_| self.has_login()) {
            let module = format!("org.apache.kafka.common.security.{module} required");
            let options = match *mechanism {
                "plain" => format!(" file=\"{}\"", plain::file(dir).display()),
                _ => String::new(),
            };
            set(&format!("{mechanism}.sasl.jaas.config"), &format!("{module}{options};"));
        }
        if self.has_login() {
            set("plain.sasl.server.callback.handler.class", "FileUsers");
            set("oauthbearer.sasl.server.callback.handler.class", TOKEN_HANDLER);
        }
        text
    }

    /// A file of this listener's own.
    pub(super) fn file(self, dir: &Path, ending: &str) -> String {
        let name = format!("{}.{ending}", self.name().to_ascii_lowercase());
        dir.join(name).display().to_string()
    }
}
