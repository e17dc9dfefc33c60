//! The raw librdkafka settings that a job file may give, and what to use instead of the others.

use schemars::{Schema, json_schema};
use serde_json::{Map, Value, json};

use super::{text::InvalidText, words};

/// A setting that is handed to librdkafka as it is.
struct Setting {
    name: &'static str,
    kind: Kind,
    what: &'static str,
}

/// What librdkafka takes for a setting.
enum Kind {
    Bool,
    Number {
        min: i64,
        max: i64,
    },
    Choice(&'static [&'static str]),
    /// Some of these, with commas.
    Several(&'static [&'static str]),
    Text,
}

const fn setting(name: &'static str, kind: Kind, what: &'static str) -> Setting {
    Setting { name, kind, what }
}

const fn number(name: &'static str, min: i64, max: i64, what: &'static str) -> Setting {
    setting(name, Kind::Number { min, max }, what)
}

/// The allow list: tuning of connections, and nothing that changes what the service promises.
const ALLOWED: [Setting; 19] = [
    setting("allow.auto.create.topics", Kind::Bool, "Whether asking for a topic may create it."),
    setting(
        "broker.address.family",
        Kind::Choice(&["any", "v4", "v6"]),
        "Which IP addresses of a broker are used.",
    ),
    number("broker.address.ttl", 0, 86_400_000, "How long a resolved address is kept, in ms."),
    setting(
        "client.dns.lookup",
        Kind::Choice(&["use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"]),
        "How names of brokers are resolved.",
    ),
    setting("client.id", Kind::Text, "The name of the client in the logs of brokers."),
    setting("client.rack", Kind::Text, "The rack that the client stands in."),
    number(
        "connections.max.idle.ms",
        0,
        2_147_483_647,
        "Connections idle for longer are closed; 0 keeps them.",
    ),
    setting(
        "debug",
        Kind::Several(&DEBUG_CONTEXTS),
        "Parts of librdkafka that log in detail, such as `broker,msg`.",
    ),
    setting("enable.metrics.push", Kind::Bool, "Whether brokers may collect client metrics."),
    number("metadata.max.age.ms", 1, 86_400_000, "Metadata older than this is not used."),
    number("reconnect.backoff.max.ms", 0, 3_600_000, "The longest wait before reconnecting."),
    number("reconnect.backoff.ms", 0, 3_600_000, "The first wait before reconnecting."),
    number("request.timeout.ms", 1, 900_000, "How long a broker may take for acknowledgements."),
    number("retry.backoff.max.ms", 1, 300_000, "The longest wait before a request is retried."),
    number("retry.backoff.ms", 1, 300_000, "The first wait before a request is retried."),
    setting("socket.keepalive.enable", Kind::Bool, "Whether TCP keep-alive is on."),
    setting("socket.nagle.disable", Kind::Bool, "Whether TCP_NODELAY is set."),
    number("socket.receive.buffer.bytes", 0, 100_000_000, "The receive buffer; 0 is the system's."),
    number("socket.send.buffer.bytes", 0, 100_000_000, "The send buffer; 0 is the system's."),
];

/// What may log in detail. Not among them: `security`, which logs parts of logins, `conf`, which
/// logs settings, and `all`, which is both.
const DEBUG_CONTEXTS: [&str; 11] = [
    "generic",
    "broker",
    "topic",
    "metadata",
    "feature",
    "queue",
    "msg",
    "protocol",
    "admin",
    "eos",
    "telemetry",
];

/// Raw settings, or the beginnings of their names, and the key of the job file that does the same.
const TYPED: [(&str, &str); 44] = [
    ("acks", "acks"),
    ("request.required.acks", "acks"),
    ("batch.num.messages", "batching.rows"),
    ("batch.size", "batching.bytes"),
    ("message.max.bytes", "batching.bytes"),
    ("linger.ms", "batching.linger"),
    ("queue.buffering.max.ms", "batching.linger"),
    ("queue.buffering.", "memory"),
    ("bootstrap.servers", "bootstrapServers"),
    ("metadata.broker.list", "bootstrapServers"),
    ("compression.codec", "compression.type"),
    ("compression.type", "compression.type"),
    ("compression.level", "compression.level"),
    ("enable.idempotence", "idempotence"),
    ("security.protocol", "securityProtocol"),
    ("sasl.mechanism", "sasl.mechanism"),
    ("sasl.mechanisms", "sasl.mechanism"),
    ("sasl.username", "sasl.username"),
    ("sasl.password", "sasl.password"),
    ("sasl.oauthbearer.client.id", "sasl.token.clientId"),
    ("sasl.oauthbearer.client.secret", "sasl.token.clientSecret"),
    ("sasl.oauthbearer.extensions", "sasl.token.extensions"),
    ("sasl.oauthbearer.scope", "sasl.token.scope"),
    ("sasl.oauthbearer.token.endpoint.url", "sasl.token.endpoint"),
    ("sasl.oauthbearer.", "sasl.token"),
    ("sasl.", "sasl"),
    ("security.", "securityProtocol"),
    ("enable.ssl.certificate.verification", "trustAnyServerCertificate"),
    ("ssl.endpoint.identification.algorithm", "trustAnyHostName"),
    ("ssl.truststore.password", "truststorePassword"),
    ("ssl.truststore.", "truststore"),
    ("ssl.ca.", "truststore"),
    ("ssl.key.password", "clientKeyPassword"),
    ("ssl.keystore.password", "clientKeyPassword"),
    ("ssl.key.", "clientKey"),
    ("ssl.keystore.key", "clientKey"),
    ("ssl.keystore.", "clientCertificate"),
    ("ssl.certificate.", "clientCertificate"),
    ("ssl.", "securityProtocol"),
    ("socket.timeout.ms", "socketTimeout"),
    ("topic.metadata.propagation.max.ms", "topicMissingAfter"),
    ("topic.metadata.refresh.interval.ms", "metadataRefresh"),
    ("partitioner", "partitioning"),
    ("sticky.partitioning.", "partitioning.turn"),
];

/// Settings that are the service's own business, and why.
const OWN: [(&str, &str); 5] = [
    ("transactional.id", "`guarantee` decides about transactions"),
    ("transaction.timeout.ms", "`guarantee` decides about transactions"),
    (
        "message.timeout.ms",
        "rows wait for Kafka without a limit; writers set timeouts of their own",
    ),
    (
        "delivery.timeout.ms",
        "rows wait for Kafka without a limit; writers set timeouts of their own",
    ),
    ("max.in.flight", "`idempotence` keeps the order of rows"),
];

/// The schema of the map under `librdkafka`.
pub(super) fn json_schema() -> Schema {
    let property = |setting: &Setting| {
        let example = match setting.kind {
            Kind::Bool => json!(true),
            Kind::Number { max, .. } => json!(max.min(10_000)),
            Kind::Choice(choices) => json!(choices[0]),
            Kind::Several(choices) => json!(format!("{},{}", choices[1], choices[6])),
            Kind::Text => json!("text"),
        };
        let schema = json!({
            "type": ["string", "number", "boolean"],
            "description": setting.what,
            "examples": [example],
        });
        (setting.name.to_owned(), schema)
    };
    let properties = ALLOWED.iter().map(property).collect::<Map<String, Value>>();
    json_schema!({
        "type": "object",
        "description": "Settings handed to librdkafka as they are.",
        "properties": properties,
        "additionalProperties": false,
        "examples": [{ "socket.keepalive.enable": true }],
    })
}

/// Checks the value of an allowed setting and writes it as librdkafka reads it.
pub(super) fn value(name: &str, value: &Value) -> Result<String, InvalidText> {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let Some(setting) = ALLOWED.iter().find(|setting| setting.name == name) else {
        return Err(InvalidText::new("is not in the allow list", instead(name)));
    };
    let (fits, help) = match setting.kind {
        Kind::Bool => {
            (matches!(text.as_str(), "true" | "false"), "write `true` or `false`".to_owned())
        }
        Kind::Number { min, max } => (
            text.parse::<i64>().is_ok_and(|number| (min..=max).contains(&number)),
            format!("write a whole number from {min} to {max}"),
        ),
        Kind::Choice(choices) => {
            (choices.contains(&text.as_str()), format!("write {}", words::list(choices, "or")))
        }
        Kind::Several(choices) => (
            text.split(',').all(|part| choices.contains(&part.trim())),
            format!("write some of {}, with commas", words::list(choices, "and")),
        ),
        Kind::Text => (!text.is_empty(), "write some text, or take the setting out".to_owned()),
    };
    match fits {
        true => Ok(text),
        false => Err(InvalidText::new("has a value that librdkafka does not take", help)),
    }
}

/// What to do about a raw setting that stands among the keys of the job file.
pub(super) fn misplaced(name: &str) -> Option<String> {
    match ALLOWED.iter().any(|setting| setting.name == name) {
        true => Some("its place is `outputs[].librdkafka`".to_owned()),
        false => typed_key(name),
    }
}

/// What to do about a setting that is not allowed.
pub(super) fn instead(name: &str) -> String {
    if let Some(help) = typed_key(name) {
        return help;
    }
    let near = ALLOWED.iter().map(|setting| setting.name);
    match words::nearest(name, near) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let names = ALLOWED.iter().map(|setting| setting.name).collect::<Vec<_>>();
            format!("the settings allowed are {}", words::list(&names, "and"))
        }
    }
}

/// What does the same as a raw setting that is not allowed.
fn typed_key(name: &str) -> Option<String> {
    if let Some((_, key)) = TYPED.iter().find(|(raw, _)| matches(name, raw)) {
        let of = if *key == "memory" { "job" } else { "output" };
        return Some(format!("use the key `{key}` of the {of} instead"));
    }
    let own = OWN.iter().find(|(raw, _)| matches(name, raw));
    own.map(|(_, why)| format!("take it out: {why}"))
}

/// Whether a name is exactly this setting, or begins with it where it ends in a dot.
fn matches(name: &str, setting: &str) -> bool {
    name == setting || (setting.ends_with('.') && name.starts_with(setting))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_logs_logins_and_settings_may_not_log_in_detail() {
        assert_eq!(value("debug", &json!("broker, msg")).unwrap(), "broker, msg");
        for text in ["all", "security", "conf", "broker,security", "", "broker,"] {
            let error = value("debug", &json!(text)).unwrap_err();
            assert_eq!(error.to_string(), "has a value that librdkafka does not take", "{text}");
            assert!(error.help().starts_with("write some of `generic`, `broker`"), "{text}");
        }
    }
}
