//! Which keys of security an output takes from `defaults`.

use serde::Deserialize as _;
use serde_json::{Map, Value};

use super::{
    super::{output, raw_values::RawServers},
    model::{Profile, Protocol},
    profile::profile,
    raw::{RawProfile, RawProtocol},
};

/// The keys of TLS to the brokers.
pub(super) const TLS_KEYS: [&str; 7] = [
    "truststore",
    "truststorePassword",
    "clientCertificate",
    "clientKey",
    "clientKeyPassword",
    "trustAnyServerCertificate",
    "trustAnyHostName",
];

/// Keys whose map is taken whole: half of a reference with half of another one is neither.
const WHOLE: [&str; 5] =
    ["truststore", "truststorePassword", "clientCertificate", "clientKey", "clientKeyPassword"];

/// Keys that say something of the first one, and so nothing of another output's.
const PARTS: [(&str, &[&str]); 2] = [
    ("truststore", &["truststorePassword"]),
    ("clientCertificate", &["clientKey", "clientKeyPassword"]),
];

/// Whether the map at a key is merged with its default, rather than taken whole.
pub(in crate::job) fn is_merged(key: &str) -> bool {
    !WHOLE.contains(&key)
}

/// Takes out of an output what it was lent and has no use for.
pub(in crate::job) fn withhold(merged: &mut Map<String, Value>, own: &[String]) {
    let is_own = |key: &str| own.iter().any(|own| own == key);
    for (key, parts) in PARTS {
        merged.retain(|part, _| !is_own(key) || !parts.contains(&part.as_str()) || is_own(part));
    }
    let uses = Use::of(merged);
    merged.retain(|key, _| is_own(key) || uses.takes(key));
}

/// What the protocol of an output makes use of.
#[derive(Clone, Copy, Default)]
pub(in crate::job) struct Use {
    sasl: bool,
    tls: bool,
}

impl Use {
    /// What an output with these keys makes use of.
    pub(in crate::job) fn of(output: &Map<String, Value>) -> Self {
        let given = output.get("securityProtocol");
        let protocol = match given.and_then(|raw| RawProtocol::deserialize(raw).ok()) {
            Some(protocol) => protocol.into(),
            None if is_event_hubs(output) => Protocol::SaslSsl,
            None => Protocol::None,
        };
        Self { sasl: protocol.uses_sasl(), tls: protocol.uses_tls() }
    }

    /// What either makes use of.
    pub(in crate::job) fn or(self, other: Self) -> Self {
        Self { sasl: self.sasl || other.sasl, tls: self.tls || other.tls }
    }

    /// Whether a key has a use.
    pub(in crate::job) fn takes(self, key: &str) -> bool {
        match key {
            "sasl" => self.sasl,
            key => self.tls || !TLS_KEYS.contains(&key),
        }
    }
}

fn is_event_hubs(output: &Map<String, Value>) -> bool {
    let given = output.get("profile").and_then(|raw| RawProfile::deserialize(raw).ok());
    let servers = output.get("bootstrapServers");
    let servers = servers.and_then(|raw| RawServers::deserialize(raw).ok());
    let servers = servers.iter().flat_map(|raw| output::server_texts(raw));
    let hosts = servers.map(|server| server.rsplit_once(':').map_or(server, |(host, _)| host));
    profile(given, hosts) == Profile::EventHubs
}
