//! What brokers let a producer in with: certificates, a password or a token, ready for librdkafka.
use std::{borrow::Cow, collections::BTreeMap, env, fmt, time::SystemTime};

use keyvault::{
    Secret,
    material::{KeyPair, TrustStore},
};

use crate::job::PasswordMechanism;

/// All of it; nothing for a plaintext listener without a login.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// TLS, if the listener speaks it.
    pub tls: Option<TlsMaterial>,
    /// The login, if the listener wants one.
    pub login: Option<Login>,
}

/// Whom to trust and who the service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsMaterial {
    /// The authorities to trust; without them, those of the system.
    pub trust: Option<TrustStore>,
    /// The service's own certificate.
    pub client: Option<KeyPair>,
    /// A server may show any certificate.
    pub any_certificate: bool,
    /// A server may show a certificate of another host.
    pub any_host_name: bool,
}

/// Who the service is for the brokers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// A user name and a password.
    Password {
        /// How it is proven.
        mechanism: PasswordMechanism,
        /// The user name.
        username: Secret,
        /// The password.
        password: Secret,
    },
    /// An access token.
    Token(Token),
}

/// An access token (RFC 7628).
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// The token.
    pub value: Secret,
    /// Whose it is; librdkafka wants a name, brokers read the token.
    pub principal: String,
    /// When it ends.
    pub expires: SystemTime,
    /// SASL extensions.
    pub extensions: BTreeMap<String, String>,
}

/// What of other credentials is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    None,
    /// Password or token: a living producer takes it for its next login.
    Login,
    /// Something that librdkafka reads once: only another producer has it.
    Producer,
}

impl Credentials {
    /// What of `next` is new.
    pub fn change(&self, next: &Self) -> Change {
        if self == next {
            return Change::None;
        }
        let same_way = match (&self.login, &next.login) {
            (
                Some(Login::Password { mechanism, .. }),
                Some(Login::Password { mechanism: next, .. }),
            ) => mechanism == next,
            (Some(Login::Token(_)), Some(Login::Token(_))) => true,
            _ => false,
        };
        if self.tls == next.tls && same_way { Change::Login } else { Change::Producer }
    }

    /// The access token, if the login is one.
    pub fn token(&self) -> Option<&Token> {
        match &self.login {
            Some(Login::Token(token)) => Some(token),
            Some(Login::Password { .. }) | None => None,
        }
    }

    /// Whether they are a token that has ended.
    pub fn is_over(&self) -> bool {
        self.token().is_some_and(|token| token.expires <= SystemTime::now())
    }

    /// librdkafka's settings for a producer that is made anew. A token is no setting.
    pub fn settings(&self) -> Vec<(Cow<'static, str>, Secret)> {
        let mut settings: Vec<(Cow<'static, str>, Secret)> = Vec::new();
        let mut set = |name: &'static str, value: Secret| settings.push((name.into(), value));
        let text = |text: &str| Secret::from(text.to_owned());
        let protocol = match (&self.tls, &self.login) {
            (None, None) => "plaintext",
            (None, Some(_)) => "sasl_plaintext",
            (Some(_), None) => "ssl",
            (Some(_), Some(_)) => "sasl_ssl",
        };
        set("security.protocol", text(protocol));
        if let Some(tls) = &self.tls {
            match &tls.trust {
                Some(trust) => set("ssl.ca.pem", text(&trust.pem)),
                None => set("ssl.ca.location", text(&system_authorities())),
            }
            if let Some(client) = &tls.client {
                set("ssl.certificate.pem", text(&client.chain_pem));
                set("ssl.key.pem", client.key_pem.clone());
            }
            let check_host = if tls.any_host_name { "none" } else { "https" };
            set("ssl.endpoint.identification.algorithm", text(check_host));
            let verify = if tls.any_certificate { "false" } else { "true" };
            set("enable.ssl.certificate.verification", text(verify));
        }
        match &self.login {
            Some(Login::Password { mechanism, username, password }) => {
                set("sasl.mechanism", text(name_of(*mechanism)));
                set("sasl.username", username.clone());
                set("sasl.password", password.clone());
            }
            Some(Login::Token(_)) => set("sasl.mechanism", text("OAUTHBEARER")),
            None => {}
        }
        settings
    }
}

/// Where the authorities stand that the system trusts: as everything else in this process, OpenSSL
/// follows `SSL_CERT_FILE`; else librdkafka tries the paths at which distributions keep them.
fn system_authorities() -> String {
    env::var("SSL_CERT_FILE").unwrap_or_else(|_| "probe".to_owned())
}

/// A mechanism by its name in Kafka.
pub fn name_of(mechanism: PasswordMechanism) -> &'static str {
    match mechanism {
        PasswordMechanism::Plain => "PLAIN",
        PasswordMechanism::ScramSha256 => "SCRAM-SHA-256",
        PasswordMechanism::ScramSha512 => "SCRAM-SHA-512",
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { value, principal, expires, extensions } = self;
        f.debug_struct("Token")
            .field("value", value)
            .field("principal", principal)
            .field("expires", expires)
            .field("extensions", &extensions.keys())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Credentials {
        let login = Login::Password {
            mechanism: PasswordMechanism::Plain,
            username: Secret::from("writer".to_owned()),
            password: Secret::from(text.to_owned()),
        };
        Credentials { tls: None, login: Some(login) }
    }

    fn over_tls(credentials: Credentials, any_host_name: bool) -> Credentials {
        let tls = TlsMaterial { trust: None, client: None, any_certificate: false, any_host_name };
        Credentials { tls: Some(tls), ..credentials }
    }

    #[test]
    fn a_password_is_swapped_in_place_and_a_certificate_is_not() {
        assert_eq!(password("a").change(&password("a")), Change::None);
        assert_eq!(password("a").change(&password("b")), Change::Login);
        assert_eq!(password("a").change(&Credentials::default()), Change::Producer);
        assert_eq!(password("a").change(&over_tls(password("a"), false)), Change::Producer);
        let (old, new) = (over_tls(password("a"), false), over_tls(password("b"), true));
        assert_eq!(old.change(&new), Change::Producer);
    }

    #[test]
    fn nothing_is_switched_off_unless_it_was_asked_for() {
        let shown = |credentials: &Credentials| {
            let settings = credentials.settings();
            #[expect(clippy::disallowed_methods, reason = "the test compares what is set")]
            let of = |name: &str| {
                let found = settings.iter().find(|(key, _)| key == name);
                found.and_then(|(_, value)| value.expose_text().map(str::to_owned))
            };
            [
                of("security.protocol"),
                of("ssl.endpoint.identification.algorithm"),
                of("enable.ssl.certificate.verification"),
            ]
            .map(Option::unwrap_or_default)
        };
        assert_eq!(shown(&Credentials::default()), ["plaintext", "", ""]);
        assert_eq!(shown(&password("a")), ["sasl_plaintext", "", ""]);
        assert_eq!(shown(&over_tls(password("a"), false)), ["sasl_ssl", "https", "true"]);
        let without = over_tls(Credentials::default(), true);
        assert_eq!(shown(&without), ["ssl", "none", "true"]);
    }

    #[test]
    fn secrets_are_not_shown() {
        assert!(!format!("{:?}", password("canary")).contains("canary"));
    }
}
