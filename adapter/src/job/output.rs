//! From an output as it is written to the output as it is used.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Map, Value};

use super::{
    convert::Section,
    model::{Acks, Batching, Compression, ErrorPolicy, Guarantee, Output, RoundRobin, Security},
    names::{HostPort, OutputAlias, TopicName},
    raw::{RawOutput, RawSasl, RawSecret, default},
    raw_values::{
        RawAcks, RawCodec, RawErrorPolicy, RawGuarantee, RawMechanism, RawProtocol, RawServers,
        RawStrategy,
    },
    secret::{Secret, SecretRef},
    serialization, settings,
    tree::join,
    words,
};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const TENTH: Duration = Duration::from_millis(100);
/// A Kafka batch beyond 100 MiB needs settings of brokers and consumers that nobody has.
pub(super) const KAFKA_BATCH_BYTES: (u64, u64) = (1 << 10, 100 << 20);

/// What of an output is a time.
struct Times {
    metadata_refresh: Duration,
    socket_timeout: Duration,
    topic_missing_after: Duration,
}

/// Who the service is for the brokers, as far as the file says.
struct Login {
    username: Option<String>,
    password: Option<SecretRef>,
}

/// Makes an output. Nothing comes back only if a fault was reported.
pub(super) fn output(section: &mut Section<'_>, raw: &RawOutput) -> Option<Output> {
    let alias = raw.alias.as_deref();
    let alias = alias.and_then(|text| section.take("alias", text.parse::<OutputAlias>()));
    let topic = raw.topic.as_deref();
    let topic = topic.and_then(|text| section.take("topic", text.parse::<TopicName>()));
    let bootstrap_servers = bootstrap_servers(section, raw);
    if raw.bootstrap_servers.is_none() && !section.is_wrong("bootstrapServers") {
        let message = format!("`{}` has no `bootstrapServers`", section.whole().name);
        let help = "add `bootstrapServers: kafka-1:9092` here, or in `defaults` for all outputs";
        section.missing("bootstrapServers", message, help);
    }
    let security = security(section, raw, bootstrap_servers.as_deref());
    let serialization = serialization::serialization(section, raw.serialization.as_ref());
    let packing = serialization::packing(section, raw.packing.as_ref(), serialization.as_ref());
    let partitioning = partitioning(section, raw);
    let compression = compression(section, raw);
    let (acks, idempotence) = acks(section, raw);
    let batching = batching(section, raw);
    let times = times(section, raw);
    let librdkafka = librdkafka(section, raw);
    let times = times?;
    Some(Output {
        alias: alias?,
        bootstrap_servers: bootstrap_servers?,
        topic: topic?,
        security: security?,
        serialization: serialization?,
        packing: packing?,
        partitioning: partitioning?,
        compression: compression?,
        acks,
        idempotence,
        batching: batching?,
        error_policy: match raw.error_policy {
            None | Some(RawErrorPolicy::Stop) => ErrorPolicy::Stop,
            Some(RawErrorPolicy::Drop) => ErrorPolicy::Drop,
        },
        guarantee: match raw.guarantee {
            None | Some(RawGuarantee::AtLeastOnce) => Guarantee::AtLeastOnce,
        },
        metadata_refresh: times.metadata_refresh,
        socket_timeout: times.socket_timeout,
        topic_missing_after: times.topic_missing_after,
        librdkafka: librdkafka?,
    })
}

/// Checks what of `defaults` can be checked without an output: each value for itself. A default
/// that every output overrides is still read, and believed, by people.
pub(super) fn check_defaults(section: &mut Section<'_>, raw: &RawOutput) {
    bootstrap_servers(section, raw);
    if let Some(sasl) = &raw.sasl {
        login(section, sasl);
    }
    serialization::check_defaults(section, raw.serialization.as_ref());
    serialization::packing(section, raw.packing.as_ref(), None);
    partitioning(section, raw);
    batching(section, raw);
    times(section, raw);
    librdkafka(section, raw);
}

fn partitioning(section: &mut Section<'_>, raw: &RawOutput) -> Option<RoundRobin> {
    let raw = raw.partitioning.as_ref();
    let (None | Some(RawStrategy::RoundRobin)) = raw.and_then(|raw| raw.strategy);
    let turn = raw.and_then(|raw| raw.turn.as_ref());
    let time = turn.and_then(|turn| turn.time.as_ref());
    let range = (Duration::from_millis(1), HOUR);
    Some(RoundRobin {
        turn_rows: turn.and_then(|turn| turn.rows).unwrap_or(default::TURN_ROWS),
        turn_time: section.duration("partitioning.turn.time", time, default::TURN_TIME, range)?,
    })
}

fn batching(section: &mut Section<'_>, raw: &RawOutput) -> Option<Batching> {
    let raw = raw.batching.as_ref();
    let linger = raw.and_then(|raw| raw.linger.as_ref());
    let range = (Duration::ZERO, MINUTE);
    let linger = section.duration("batching.linger", linger, default::LINGER, range);
    let bytes = raw.and_then(|raw| raw.bytes.as_ref());
    let range = KAFKA_BATCH_BYTES;
    let bytes = section.bytes("batching.bytes", bytes, default::BATCHING_BYTES, range);
    Some(Batching {
        linger: linger?,
        rows: raw.and_then(|raw| raw.rows).unwrap_or(default::BATCHING_ROWS),
        bytes: u32::try_from(bytes?).ok()?,
    })
}

fn times(section: &mut Section<'_>, raw: &RawOutput) -> Option<Times> {
    let metadata_refresh = section.duration(
        "metadataRefresh",
        raw.metadata_refresh.as_ref(),
        default::METADATA_REFRESH,
        (TENTH, HOUR),
    );
    let socket_timeout = section.duration(
        "socketTimeout",
        raw.socket_timeout.as_ref(),
        default::SOCKET_TIMEOUT,
        (TENTH, 5 * MINUTE),
    );
    let topic_missing_after = section.duration(
        "topicMissingAfter",
        raw.topic_missing_after.as_ref(),
        default::TOPIC_MISSING_AFTER,
        (Duration::ZERO, HOUR),
    );
    Some(Times {
        metadata_refresh: metadata_refresh?,
        socket_timeout: socket_timeout?,
        topic_missing_after: topic_missing_after?,
    })
}

fn compression(section: &mut Section<'_>, raw: &RawOutput) -> Option<Compression> {
    let raw = raw.compression.as_ref();
    let codec = raw.and_then(|raw| raw.kind).unwrap_or(RawCodec::None);
    let level = raw.and_then(|raw| raw.level);
    let (name, default, max) = match codec {
        RawCodec::None => ("None", None, 0),
        RawCodec::Snappy => ("Snappy", None, 0),
        RawCodec::Gzip => ("Gzip", Some((0, 1)), 9),
        RawCodec::Lz4 => ("Lz4", Some((0, 0)), 12),
        RawCodec::Zstd => ("Zstd", Some((1, 1)), 12),
    };
    let path = "compression.level";
    let level = match (default, level) {
        (Some((_, default)), None) => default,
        (Some((min, _)), Some(level)) if (min..=max).contains(&level) => level,
        (None, None) => 0,
        _ if section.is_wrong("compression.type") => return None,
        (Some((min, _)), Some(level)) => {
            let message = format!("`level` is {level}, which is out of the range of {name}");
            let help = format!("write a whole number from {min} to {max}");
            section.fault("OUT_OF_RANGE", path, message, &help);
            return None;
        }
        (None, Some(_)) => {
            let message = format!("`level` is given, but `{name}` has no levels");
            let help = "take `level` out, or choose the `type` Gzip, Lz4 or Zstd";
            section.fault("CONFLICT", path, message, help);
            return None;
        }
    };
    Some(match codec {
        RawCodec::None => Compression::None,
        RawCodec::Snappy => Compression::Snappy,
        RawCodec::Gzip => Compression::Gzip { level },
        RawCodec::Lz4 => Compression::Lz4 { level },
        RawCodec::Zstd => Compression::Zstd { level },
    })
}

fn acks(section: &mut Section<'_>, raw: &RawOutput) -> (Acks, bool) {
    let (acks, name) = match raw.acks {
        None | Some(RawAcks::All) => (Acks::All, "All"),
        Some(RawAcks::One) => (Acks::One, "One"),
        Some(RawAcks::Zero) => (Acks::Zero, "Zero"),
    };
    if raw.idempotence == Some(true) && acks != Acks::All {
        let message = format!("`idempotence` needs `acks: All`, but `acks` is `{name}`");
        let help = "write `acks: All`, or `idempotence: false`";
        section.fault("CONFLICT", "idempotence", message, help);
    }
    (acks, raw.idempotence.unwrap_or(acks == Acks::All))
}

fn bootstrap_servers(section: &mut Section<'_>, raw: &RawOutput) -> Option<Vec<HostPort>> {
    let texts = match raw.bootstrap_servers.as_ref()? {
        RawServers::Text(text) => text.split(',').collect::<Vec<_>>(),
        RawServers::List(texts) => texts.iter().map(String::as_str).collect(),
    };
    let list = section.node("bootstrapServers")?;
    let mut servers = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().map(|text| text.trim()).enumerate() {
        let node = list.item(index).unwrap_or(list);
        match text.parse::<HostPort>() {
            Ok(server) => servers.push(server),
            Err(error) => {
                let held = match text {
                    "" => "an empty entry".to_owned(),
                    _ if node.hidden => format!("an entry that {error}"),
                    _ => format!("`{}`, which {error}", words::excerpt(text)),
                };
                let help = match text {
                    "" => "take the comma out, or add the broker",
                    _ => error.help(),
                };
                let message = format!("`bootstrapServers` holds {held}");
                section.faults.add("INVALID_VALUE", node.mark, &node.path, message, help);
            }
        }
    }
    (servers.len() == texts.len()).then_some(servers)
}

fn login(section: &mut Section<'_>, raw: &RawSasl) -> Login {
    Login {
        username: raw.username.clone(),
        password: match &raw.password {
            None => None,
            Some(RawSecret::Env(name)) => variable_name(section, name).map(SecretRef::Env),
            Some(RawSecret::File(path)) => Some(SecretRef::File(path.into())),
            Some(RawSecret::ClearTextForTests(text)) => {
                Some(SecretRef::ClearTextForTests(Secret::new(text.clone())))
            }
        },
    }
}

/// Checks the name of an environment variable, without repeating it: it may be the secret itself.
fn variable_name(section: &mut Section<'_>, name: &str) -> Option<String> {
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if starts && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Some(name.to_owned());
    }
    let message = "`env` is not the name of an environment variable".to_owned();
    let help = "use letters, digits and `_`, such as `KAFKA_PASSWORD`";
    section.fault("INVALID_VALUE", "sasl.password.env", message, help);
    None
}

fn security(
    section: &mut Section<'_>,
    raw: &RawOutput,
    servers: Option<&[HostPort]>,
) -> Option<Security> {
    const EXAMPLE: &str =
        "add `sasl: { mechanism: PLAIN, username: NAME, password: { env: NAME } }`";
    let protocol = raw.security_protocol.unwrap_or(RawProtocol::None);
    match (protocol, &raw.sasl) {
        (RawProtocol::None, None) => Some(Security::None),
        (RawProtocol::None, Some(_)) => {
            if !section.is_wrong("securityProtocol") {
                let message = "`sasl` is given, but `securityProtocol` is `None`".to_owned();
                let help = "write `securityProtocol: SASL_PLAINTEXT`, or take `sasl` out";
                section.fault("CONFLICT", "sasl", message, help);
            }
            None
        }
        (RawProtocol::SaslPlaintext, None) => {
            if !section.is_wrong("sasl") {
                let output = section.whole();
                let mark = section.node("securityProtocol").unwrap_or(output).place();
                let message = "`SASL_PLAINTEXT` needs `sasl`, which is not there";
                section.faults.add(
                    "MISSING_KEY",
                    mark,
                    &join(&output.path, "sasl"),
                    message,
                    EXAMPLE,
                );
            }
            None
        }
        (RawProtocol::SaslPlaintext, Some(sasl)) => sasl_plain(section, sasl, servers),
    }
}

fn sasl_plain(
    section: &mut Section<'_>,
    raw: &RawSasl,
    servers: Option<&[HostPort]>,
) -> Option<Security> {
    for (key, missing, example) in [
        ("mechanism", raw.mechanism.is_none(), "mechanism: PLAIN"),
        ("username", raw.username.is_none(), "username: NAME"),
        ("password", raw.password.is_none(), "password: { env: NAME }"),
    ] {
        if missing && !section.is_wrong(&format!("sasl.{key}")) {
            let help = format!("add `{example}`");
            section.missing(&format!("sasl.{key}"), format!("`sasl` has no `{key}`"), &help);
        }
    }
    let Login { username, password } = login(section, raw);
    let remote = servers.unwrap_or_default().iter().find(|server| !server.is_loopback());
    if let (Some(SecretRef::ClearTextForTests(_)), Some(remote)) = (&password, remote) {
        let message = format!("`clearTextForTests` is not allowed with the broker `{remote}`");
        let help = "it is for brokers on this machine alone; write `{ env: NAME }` or \
            `{ file: PATH }`";
        section.fault("CLEAR_TEXT_NOT_ALLOWED", "sasl.password", message, help);
    }
    let RawMechanism::Plain = raw.mechanism?;
    Some(Security::SaslPlain { username: username?, password: password? })
}

fn librdkafka(section: &mut Section<'_>, raw: &RawOutput) -> Option<BTreeMap<String, String>> {
    let mut checked = BTreeMap::new();
    let Some(raw) = &raw.librdkafka else { return Some(checked) };
    for (name, value) in &raw.0 {
        match settings::value(name, value) {
            Ok(value) => _ = checked.insert(name.clone(), value),
            Err(error) => {
                let message = format!("`{name}` {error}");
                section.setting_fault(name, message, error.help());
            }
        }
    }
    (checked.len() == raw.0.len()).then_some(checked)
}

/// Whether these keys of an output ask for a login.
pub(super) fn takes_sasl(output: &Map<String, Value>) -> bool {
    output.get("securityProtocol").and_then(Value::as_str) == Some("SASL_PLAINTEXT")
}
