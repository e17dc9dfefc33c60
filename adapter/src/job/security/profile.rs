//! Azure Event Hubs: how it is recognised, and what it demands that Kafka does not.
//!
//! What is demanded is what its documentation says of Kafka clients
//! (<https://learn.microsoft.com/azure/event-hubs/apache-kafka-configurations>).

use std::{collections::BTreeMap, time::Duration};

use super::{
    super::{
        convert::Section,
        model::{Batching, Compression},
        names::HostPort,
        serialization::Packing,
        text::{show_bytes, show_duration},
    },
    model::Profile,
    raw::RawProfile,
};

/// Below these a host is a namespace of Event Hubs.
const SUFFIXES: [&str; 3] =
    [".servicebus.windows.net", ".servicebus.chinacloudapi.cn", ".servicebus.usgovcloudapi.net"];
/// Where its Kafka endpoint listens.
const PORT: u16 = 9093;
/// Its connections close when a request is larger than 1,046,528 bytes.
const REQUEST_BYTES_MAX: u64 = 1_000_000;
/// It answers a request after up to so long.
pub(in crate::job) const EVENT_HUBS_ANSWER_MAX: Duration = Duration::from_secs(20);
/// Settings of librdkafka with the least and the most that it puts up with. It drops connections
/// that are idle for 240 s, and tells nobody.
const SETTINGS: [(&str, u64, u64); 3] = [
    ("connections.max.idle.ms", 1, 239_999),
    ("metadata.max.age.ms", 1, 239_999),
    ("request.timeout.ms", 20_001, u64::MAX),
];

/// What kind of service the brokers are.
pub(in crate::job) fn profile<'a>(
    raw: Option<RawProfile>,
    mut hosts: impl Iterator<Item = &'a str>,
) -> Profile {
    match raw {
        Some(RawProfile::Kafka) => Profile::Kafka,
        Some(RawProfile::EventHubs) => Profile::EventHubs,
        None => {
            let first = hosts.next();
            match first.is_some_and(is_namespace) && hosts.all(is_namespace) {
                true => Profile::EventHubs,
                false => Profile::Kafka,
            }
        }
    }
}

/// Whether a host is a namespace of Event Hubs.
pub(super) fn is_namespace(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    SUFFIXES.iter().any(|suffix| host.strip_suffix(suffix).is_some_and(|name| !name.is_empty()))
}

/// The scope of tokens for the namespace, if all servers are of one.
pub(super) fn scope(servers: &[HostPort]) -> Option<String> {
    let host = servers.first()?.host().to_ascii_lowercase();
    let same = |server: &HostPort| server.host().eq_ignore_ascii_case(&host);
    (is_namespace(&host) && servers.iter().all(same)).then(|| format!("https://{host}/.default"))
}

/// What of an output Event Hubs has something to say about.
pub(in crate::job) struct EventHubs<'a> {
    pub(in crate::job) servers: Option<&'a [HostPort]>,
    pub(in crate::job) compression: Option<Compression>,
    pub(in crate::job) batching: Option<Batching>,
    pub(in crate::job) packing: Option<Packing>,
    pub(in crate::job) socket_timeout: Option<Duration>,
    pub(in crate::job) librdkafka: Option<&'a BTreeMap<String, String>>,
}

impl EventHubs<'_> {
    /// Reports what Event Hubs does not put up with.
    pub(in crate::job) fn check(&self, section: &mut Section<'_>) {
        self.check_ports(section);
        self.check_codec(section);
        for (path, bytes) in [
            ("batching.bytes", self.batching.map(|batching| u64::from(batching.bytes))),
            ("packing.bytes", self.packing.map(|packing| packing.limits.bytes_max as u64)),
        ] {
            if self.packing == Some(Packing::NONE) && path == "packing.bytes" {
                continue;
            }
            if let Some(bytes) = bytes.filter(|bytes| *bytes > REQUEST_BYTES_MAX) {
                let message = format!(
                    "`bytes` is {}, but Event Hubs closes the connection on a request of more than \
                     1 MB",
                    show_bytes(bytes)
                );
                section.fault("OUT_OF_RANGE", path, message, "write at most `1 MB`, the default");
            }
        }
        if let Some(timeout) =
            self.socket_timeout.filter(|timeout| *timeout < EVENT_HUBS_ANSWER_MAX)
        {
            let message = format!(
                "`socketTimeout` is {}, but Event Hubs may take 20s to answer",
                show_duration(timeout)
            );
            let help = "write at least `20s`, or take it out to have 60s";
            section.fault("OUT_OF_RANGE", "socketTimeout", message, help);
        }
        for (name, min, max) in SETTINGS {
            let value = self.librdkafka.and_then(|settings| settings.get(name));
            let value = value.and_then(|value| value.parse::<u64>().ok());
            if value.is_some_and(|value| !(min..=max).contains(&value)) {
                let (message, help) = match max {
                    u64::MAX => (
                        format!("`{name}` is too short for Event Hubs, which may take 20s"),
                        "write `60000`, or take it out".to_owned(),
                    ),
                    _ => (
                        format!("`{name}` is too long for Azure, which drops idle connections"),
                        format!("write from {min} to {max}, such as `180000`, or take it out"),
                    ),
                };
                section.setting_fault("CONFLICT", name, message, &help);
            }
        }
    }

    fn check_ports(&self, section: &mut Section<'_>) {
        let Some(list) = section.node("bootstrapServers") else { return };
        for (index, server) in self.servers.unwrap_or_default().iter().enumerate() {
            if !is_namespace(server.host()) || server.port() == PORT {
                continue;
            }
            let node = list.item(index).unwrap_or(list);
            let (named, host) = match node.hidden {
                true => ("an entry".to_owned(), "HOST"),
                false => (format!("`{server}`"), server.host()),
            };
            let message =
                format!("`bootstrapServers` holds {named}, but Event Hubs listens on port {PORT}");
            let help = format!("write `{host}:{PORT}`");
            section.faults.add("INVALID_VALUE", node.mark, &node.path, message, help);
        }
    }

    fn check_codec(&self, section: &mut Section<'_>) {
        let Some(codec) = self.compression else { return };
        if !matches!(codec, Compression::None | Compression::Gzip { .. }) {
            let message = format!(
                "`{}` is refused by Event Hubs, which takes no codec but `Gzip`",
                codec.name()
            );
            let help = "write `type: Gzip` (of the tiers Premium and Dedicated) or `type: None`";
            section.fault("CONFLICT", "compression.type", message, help);
        }
    }
}
