//! From the security of an output as it is written to how its connections are made.

use super::{
    super::{convert::Section, names::HostPort, raw::RawOutput, tree::join},
    login,
    model::{Profile, Protocol, Security, Tls},
    raw::RawProtocol,
    reference::{References, Vaults, says},
};

/// The brokers of an output, as far as it is known which they are.
#[derive(Clone, Copy)]
pub(in crate::job) struct Brokers<'a> {
    /// `None` if what decides about it has a fault.
    pub(in crate::job) profile: Option<Profile>,
    pub(in crate::job) servers: Option<&'a [HostPort]>,
}

/// Makes the security of an output. Nothing comes back only if a fault was reported.
pub(in crate::job) fn security(
    section: &mut Section<'_>,
    raw: &RawOutput,
    brokers: Brokers<'_>,
    vaults: &Vaults,
) -> Option<Security> {
    let remote = brokers.servers.unwrap_or_default().iter().find(|server| !server.is_loopback());
    let remote = remote.map(|server| format!("the broker `{server}`"));
    let references = References { vaults, remote };
    let protocol = protocol(section, raw, brokers.profile);
    if let Some(protocol) = protocol.filter(|protocol| !protocol.uses_tls()) {
        check_no_tls(section, raw, protocol);
    }
    let tls = tls(section, raw, &references);
    let protocol = protocol?;
    if protocol == Protocol::Mtls && raw.client_certificate.is_none() {
        let help = "add `clientCertificate: { certificate: NAME }`, or `{ file: PATH }`";
        needs(section, protocol, "clientCertificate", help);
        return None;
    }
    let login = match &raw.sasl {
        Some(sasl) if protocol.uses_sasl() => {
            Some(login::login(section, sasl, brokers, &references)?)
        }
        Some(_) => {
            refuse_sasl(section, protocol);
            return None;
        }
        None if protocol.uses_sasl() => {
            let help = match brokers.profile {
                Some(Profile::EventHubs) => {
                    "add `sasl: { mechanism: OAUTHBEARER }` for the job's `identity`, or \
                     `sasl: { mechanism: PLAIN, password: { secret: NAME } }` for a connection \
                     string"
                }
                Some(Profile::Kafka) | None => {
                    "add `sasl: { mechanism: PLAIN, username: NAME, password: { secret: NAME } }`"
                }
            };
            needs(section, protocol, "sasl", help);
            return None;
        }
        None => None,
    };
    let tls = tls?;
    Some(Security { protocol, tls: protocol.uses_tls().then_some(tls), login })
}

/// Checks what of `defaults` can be checked without an output.
pub(in crate::job) fn check_defaults(section: &mut Section<'_>, raw: &RawOutput, vaults: &Vaults) {
    let references = References { vaults, remote: None };
    tls(section, raw, &references);
    if let Some(sasl) = &raw.sasl {
        login::check_defaults(section, sasl, &references);
    }
}

/// What the listener speaks, if that is known and right.
fn protocol(
    section: &mut Section<'_>,
    raw: &RawOutput,
    profile: Option<Profile>,
) -> Option<Protocol> {
    if section.is_wrong("securityProtocol") {
        return None;
    }
    let given = raw.security_protocol.map(Protocol::from);
    match (given, profile) {
        (Some(given), Some(Profile::EventHubs)) if given != Protocol::SaslSsl => {
            let says = says(section, "securityProtocol", &given.name());
            let message = format!("Event Hubs takes `SASL_SSL` alone, but {says}");
            let help = "write `securityProtocol: SASL_SSL`, or take it out";
            section.fault("CONFLICT", "securityProtocol", message, help);
            None
        }
        (Some(given), _) => Some(given),
        (None, Some(Profile::EventHubs)) => Some(Protocol::SaslSsl),
        (None, Some(Profile::Kafka)) => Some(Protocol::None),
        (None, None) => None,
    }
}

/// Reports the keys of TLS that stand beside a protocol without.
fn check_no_tls(section: &mut Section<'_>, raw: &RawOutput, protocol: Protocol) {
    for key in tls_keys(raw) {
        let says = says(section, "securityProtocol", &protocol.name());
        let message = format!("`{key}` is for TLS, but {says}");
        let help = format!("take `{key}` out, or write `securityProtocol: SASL_SSL` or `mTLS`");
        section.fault("CONFLICT", key, message, &help);
    }
}

/// The keys of TLS that are given.
fn tls_keys(raw: &RawOutput) -> impl Iterator<Item = &'static str> {
    let given = [
        raw.truststore.is_some(),
        raw.truststore_password.is_some(),
        raw.client_certificate.is_some(),
        raw.client_key.is_some(),
        raw.client_key_password.is_some(),
        raw.trust_any_server_certificate.is_some(),
        raw.trust_any_host_name.is_some(),
    ];
    super::lend::TLS_KEYS.into_iter().zip(given).filter(|(_, given)| *given).map(|(key, _)| key)
}

/// TLS as it is written, whether the protocol has it or not.
fn tls(section: &mut Section<'_>, raw: &RawOutput, references: &References<'_>) -> Option<Tls> {
    let truststore = references.material(
        section,
        ["truststore", "truststorePassword"],
        raw.truststore.as_ref(),
        raw.truststore_password.as_ref(),
    );
    let client_certificate = references.certificate_source(
        section,
        ["clientCertificate", "clientKey", "clientKeyPassword"],
        raw.client_certificate.as_ref(),
        [raw.client_key.as_ref(), raw.client_key_password.as_ref()],
    );
    let trust_any_server_certificate = raw.trust_any_server_certificate.unwrap_or(false);
    if trust_any_server_certificate && raw.truststore.is_some() {
        let message = "`truststore` has no effect with `trustAnyServerCertificate: true`";
        let help = "take `trustAnyServerCertificate` out, so that brokers are checked";
        section.fault("CONFLICT", "trustAnyServerCertificate", message.to_owned(), help);
    }
    Some(Tls {
        truststore: truststore?,
        client_certificate: client_certificate?,
        trust_any_server_certificate,
        trust_any_host_name: raw.trust_any_host_name.unwrap_or(false),
    })
}

/// Reports that a protocol needs a key.
fn needs(section: &mut Section<'_>, protocol: Protocol, key: &str, help: &str) {
    if section.is_wrong(key) {
        return;
    }
    let output = section.whole();
    let mark = section.node("securityProtocol").unwrap_or(output).place();
    // Only Event Hubs needs something by itself.
    let who = match section.node("securityProtocol") {
        Some(_) => format!("`{}`", protocol.name()),
        None => "Event Hubs".to_owned(),
    };
    let message = format!("{who} needs `{key}`, which is not there");
    section.faults.add("MISSING_KEY", mark, &join(&output.path, key), message, help);
}

/// Reports a login beside a protocol without.
fn refuse_sasl(section: &mut Section<'_>, protocol: Protocol) {
    let message = format!("`sasl` is given, but `securityProtocol` is `{}`", protocol.name());
    let help = match protocol {
        Protocol::Mtls => {
            "write `securityProtocol: SASL_SSL`, which may have a `clientCertificate`, too; or \
             take `sasl` out"
        }
        Protocol::None | Protocol::SaslPlaintext | Protocol::SaslSsl => {
            "write `securityProtocol: SASL_SSL`, or `securityProtocol: SASL_PLAINTEXT` where the \
             network is closed; or take `sasl` out"
        }
    };
    section.fault("CONFLICT", "sasl", message, help);
}

impl From<RawProtocol> for Protocol {
    fn from(raw: RawProtocol) -> Self {
        match raw {
            RawProtocol::None => Self::None,
            RawProtocol::SaslPlaintext => Self::SaslPlaintext,
            RawProtocol::SaslSsl => Self::SaslSsl,
            RawProtocol::Mtls => Self::Mtls,
        }
    }
}
