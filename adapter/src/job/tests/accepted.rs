//! What a job file may say, and what it means.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};
use serializers::{Format, JsonOptions};

use super::{
    super::{
        Acks, Batching, Compression, ErrorPolicy, Guarantee, Login, Profile, Protocol, RoundRobin,
        Security, Serialization, TopicName, Username, json_schema, load, parse, unserved,
    },
    FULL, FULL_FILE, faults, job, read_back, with_output,
};

const SMALL: &str = include_str!("../../../../examples/job.yaml");
/// The security of an output that says nothing of it.
const PLAINTEXT: Security = Security { protocol: Protocol::None, tls: None, login: None };

#[test]
fn the_small_example_is_filled_with_defaults() {
    let job = job(SMALL);
    assert_eq!(job.name, "flights");
    assert_eq!(job.grpc.address.to_string(), "127.0.0.1:7070");
    assert_eq!((&job.identity, &job.grpc.tls, &job.grpc.tokens), (&None, &None, &None));
    assert_eq!(job.secret_refresh, Duration::from_secs(3600));
    assert!(!job.grpc.reflection);
    assert_eq!((job.grpc.max_writers, job.grpc.max_idle_writers), (200, 100_000));
    assert_eq!(job.grpc.connection_age, None);
    let aging = format!("listen: {{ grpc: {{ connectionAge: 30m }} }}\n{}", with_output(""));
    assert_eq!(self::job(&aging).grpc.connection_age, Some(Duration::from_secs(30 * 60)));
    assert_eq!((job.memory_bytes, job.batch_bytes_max), (512 << 20, 4 << 20));
    assert_eq!(job.shutdown_timeout, Duration::from_secs(25));
    let [output] = job.outputs.as_slice() else { panic!("one output") };
    assert_eq!(output.alias.as_str(), "delays");
    assert_eq!(output.topic.as_str(), "flight-delays");
    assert_eq!(output.bootstrap_servers[0].to_string(), "localhost:9092");
    assert_eq!(output.profile, Profile::Kafka);
    assert_eq!(output.security, PLAINTEXT);
    assert_eq!(output.writers, None);
    let format = Format::Json(JsonOptions::default());
    assert_eq!(output.serialization, Serialization { format, schema_file: None });
    assert_eq!(output.packing, None);
    let turn_time = Duration::from_secs(1);
    assert_eq!(output.partitioning, RoundRobin { turn_rows: 1000, turn_time });
    assert_eq!(output.compression, Compression::Zstd { level: 1 });
    assert_eq!((output.acks, output.idempotence), (Acks::All, true));
    let linger = Duration::from_millis(5);
    assert_eq!(output.batching, Batching { linger, rows: 10_000, bytes: 1_000_000 });
    assert_eq!(output.error_policy, ErrorPolicy::Stop);
    assert_eq!(output.guarantee, Guarantee::AtLeastOnce);
    assert_eq!(output.metadata_refresh, Duration::from_secs(10));
    assert_eq!(output.socket_timeout, Duration::from_secs(6));
    assert_eq!(output.topic_missing_after, Duration::from_secs(1));
    assert!(output.librdkafka.is_empty());
}

#[test]
fn outputs_that_keep_dead_letters_are_lent_their_topic() {
    let yaml = "
name: j
defaults: { bootstrapServers: 'k:9092', deadLetter: { topic: letters } }
outputs:
  - { alias: a, topic: t, errorPolicy: DeadLetter }
  - { alias: b, topic: t, errorPolicy: Drop }
";
    let job = job(yaml);
    let of = |output: usize| job.outputs[output].dead_letters.as_ref().map(TopicName::as_str);
    assert_eq!(job.outputs[0].error_policy, ErrorPolicy::DeadLetter);
    assert_eq!((of(0), of(1)), (Some("letters"), None));
    read_back(&job);
}

#[test]
fn the_full_example_shows_every_key() {
    parse(FULL_FILE, FULL).unwrap_or_else(|faults| panic!("{faults}"));
    let mut schema = json_schema();
    // Raw settings are too many; some of them are shown.
    schema["$defs"]["Librdkafka"] = Value::Null;
    let mut keys = Vec::new();
    gather_keys(&schema, &mut keys);
    assert!(keys.len() > 100, "{keys:?}");
    for key in keys {
        assert!(FULL.contains(&format!("{key}:")), "`{key}` is not in job-full.yaml");
    }
}

fn gather_keys<'a>(schema: &'a Value, keys: &mut Vec<&'a str>) {
    match schema {
        Value::Object(map) => {
            if let Some(properties) = map.get("properties").and_then(Value::as_object) {
                keys.extend(properties.keys().map(String::as_str));
            }
            map.values().for_each(|value| gather_keys(value, keys));
        }
        Value::Array(items) => items.iter().for_each(|item| gather_keys(item, keys)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn the_effective_configuration_is_a_job_file_with_the_same_meaning() {
    for text in [SMALL, FULL] {
        let mut read = parse(FULL_FILE, text).unwrap();
        // A secret in clear text is not printed, so it cannot be read again.
        read.outputs.retain(|output| output.alias.as_str() != "trial");
        read_back(&read);
    }
}

#[test]
fn the_schema_tells_the_defaults_that_hold() {
    let schema = json_schema();
    let (mut told, mut all) = (BTreeSet::new(), BTreeSet::new());
    let listen = "listen: { admin: {}, grpc: { \
        tls: { certificate: { file: s }, clientCa: { file: c } }, \
        tokens: { tenant: 11111111-2222-3333-4444-555555555555, audiences: a, roles: [r] } } }\n\
        telemetry: { traces: { endpoint: 'http://c' } }\n";
    for keys in [
        "compression: { type: None }",
        "serialization: { type: Csv }\npacking: {}",
        "serialization: { type: Avro }",
        "securityProtocol: mTLS\nclientCertificate: { file: c }",
        "guarantee: exactlyOnce",
    ] {
        let effective = job(&format!("{listen}{}", with_output(keys))).to_json();
        let output = (&schema["$defs"]["Output"], &effective["outputs"][0]);
        for (schema_of, effective) in [(&schema, &effective), output] {
            compare_defaults(&schema, schema_of, effective, "", &mut told, &mut all);
        }
    }
    assert_eq!(told, all);
    assert_eq!(told.len(), 55);
}

/// Compares every `default` below a part of the schema with the effective value. Not every format
/// has every key.
fn compare_defaults(
    root: &Value,
    schema: &Value,
    effective: &Value,
    path: &str,
    told: &mut BTreeSet<String>,
    all: &mut BTreeSet<String>,
) {
    for (key, property) in schema["properties"].as_object().unwrap() {
        if key == "defaults" || key == "sasl" {
            continue;
        }
        let path = format!("{path}.{key}");
        if let Some(default) = property.get("default") {
            all.insert(path.clone());
            match effective.get(key) {
                Some(effective) if effective == default => _ = told.insert(path.clone()),
                // The tests choose a type or protocol each.
                Some(effective) => {
                    assert!(key == "type" || key == "securityProtocol", "{path} is {effective}");
                }
                None => {}
            }
        }
        let definition = property["$ref"].as_str().and_then(|r| r.rsplit('/').next());
        if let Some(definition) = definition.map(|name| &root["$defs"][name])
            && definition.get("properties").is_some()
        {
            compare_defaults(root, definition, &effective[key], &path, told, all);
        }
    }
}

#[test]
fn the_schema_offers_what_is_served_and_nothing_else() {
    let schema = json_schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let text = schema.to_string();
    for path in unserved::KEYS {
        let (of, key) = path.rsplit_once('.').unwrap();
        let definition = if of == "listen" { "Listen" } else { "Output" };
        let properties = schema["$defs"][definition]["properties"].as_object().unwrap();
        assert!(!properties.contains_key(key), "{path}");
    }
    for value in unserved::VALUES.iter().flat_map(|(_, values)| *values) {
        assert!(!text.contains(&format!("\"{value}\"")), "{value}");
    }
    // An output without a key that it may lack is one of `defaults`.
    let (output, defaults) = (&schema["$defs"]["Output"], &schema["$defs"]["Defaults"]);
    let mut lent = output["properties"].clone();
    lent.as_object_mut().unwrap().retain(|key, _| key != "alias" && key != "topic");
    assert_eq!(defaults["properties"], lent);
    assert_eq!(output["required"], json!(["alias", "topic"]));
    assert_eq!(defaults.get("required"), None);
}

#[test]
fn every_key_is_described() {
    let schema = json_schema();
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        assert!(definition["description"].is_string(), "{name}");
        let properties = definition["properties"].as_object();
        for (key, property) in properties.into_iter().flatten() {
            assert!(property["description"].is_string(), "{name}.{key}");
        }
    }
}

#[test]
fn defaults_lend_what_an_output_lacks() {
    let job = job("
name: j
defaults:
  bootstrapServers: [kafka-1:9092, kafka-2:9092]
  acks: One
  compression: { type: Zstd, level: 7 }
  batching: { linger: 20ms, rows: 5 }
  partitioning: { turn: { rows: 1, time: 2s } }
  librdkafka: { client.id: a, client.rack: r }
outputs:
  - { alias: a, topic: t }
  - alias: b
    topic: t
    bootstrapServers: kafka-3:9092
    acks: All
    compression: { level: 9 }
    batching: { rows: 6 }
    partitioning: { turn: { rows: 2 } }
    librdkafka: { client.id: b }
  - { alias: c, topic: t, compression: { type: Lz4 } }
");
    let [a, b, c] = job.outputs.as_slice() else { panic!("three outputs") };
    assert_eq!(a.bootstrap_servers.len(), 2);
    assert_eq!((a.acks, a.idempotence), (Acks::One, false));
    assert_eq!(a.compression, Compression::Zstd { level: 7 });
    assert_eq!(a.partitioning.turn_time, Duration::from_secs(2));

    assert_eq!(b.bootstrap_servers[0].to_string(), "kafka-3:9092");
    assert_eq!((b.acks, b.idempotence), (Acks::All, true));
    // Maps are merged key by key …
    assert_eq!(b.compression, Compression::Zstd { level: 9 });
    assert_eq!((b.batching.linger, b.batching.rows), (Duration::from_millis(20), 6));
    assert_eq!(b.librdkafka["client.id"], "b");
    assert_eq!(b.librdkafka["client.rack"], "r");
    // … one level deep: the turn is taken whole, so its time is not that of the defaults.
    let turn_time = Duration::from_secs(1);
    assert_eq!(b.partitioning, RoundRobin { turn_rows: 2, turn_time });
    // Another codec does not take over the level.
    assert_eq!(c.compression, Compression::Lz4 { level: 0 });
}

#[test]
fn a_default_login_goes_to_outputs_that_use_one() {
    let job = job("
name: j
defaults:
  bootstrapServers: localhost:9092
  sasl: { mechanism: PLAIN, username: u, password: { env: P } }
outputs:
  - { alias: a, topic: t, securityProtocol: SASL_PLAINTEXT, sasl: { username: v } }
  - { alias: b, topic: t }
");
    let login = job.outputs[0].security.login.as_ref();
    let Some(Login::Password { username, .. }) = login else { panic!("a login") };
    assert_eq!(*username, Username::Text("v".to_owned()));
    assert_eq!(job.outputs[1].security, PLAINTEXT);
}

#[test]
fn a_fault_in_defaults_is_reported_once_and_there() {
    let shown = faults(
        "
name: j
defaults: { bootstrapServers: kafka:9092, batching: { linger: 2h } }
outputs:
  - { alias: a, topic: t }
  - { alias: b, topic: t, batching: { linger: 1ms } }
",
    );
    assert_eq!(shown.matches("error[").count(), 1, "{shown}");
    assert!(shown.starts_with("job.yaml:3:63: error[OUT_OF_RANGE]: `linger` is 2h"), "{shown}");
}

#[test]
fn anchors_and_merge_keys_are_plain_yaml() {
    let job = job("
name: j
outputs:
  - &first { alias: a, topic: t, bootstrapServers: kafka:9092, acks: One }
  - { <<: *first, alias: b }
");
    assert_eq!(job.outputs[1].alias.as_str(), "b");
    assert_eq!(job.outputs[1].acks, Acks::One);
}

#[test]
fn a_small_memory_makes_smaller_batches() {
    assert_eq!(job(&format!("memory: 16 MiB\n{}", with_output(""))).batch_bytes_max, 2 << 20);
    assert_eq!(job(&format!("memory: 33554432\n{}", with_output(""))).memory_bytes, 32 << 20);
}

#[test]
fn raw_settings_are_text_for_librdkafka() {
    let job = job(&with_output(
        "librdkafka: { socket.keepalive.enable: true, reconnect.backoff.ms: 50, client.rack: r }",
    ));
    let settings = serde_json::to_value(&job.outputs[0].librdkafka).unwrap();
    let expected = json!({
        "client.rack": "r", "reconnect.backoff.ms": "50", "socket.keepalive.enable": "true",
    });
    assert_eq!(settings, expected);
}

#[test]
fn plaintext_may_be_asked_for() {
    let listen = "listen: { grpc: { address: '0.0.0.0:0', allowPlaintext: true } }\n";
    let job = job(&format!("{listen}{}", with_output("")));
    assert_eq!(job.grpc.address.to_string(), "0.0.0.0:0");
    assert_eq!(job.to_json()["listen"]["grpc"]["allowPlaintext"], true);
}

#[test]
fn a_file_is_loaded_by_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("job.yaml");
    let load = |content: &[u8]| {
        std::fs::write(&path, content).unwrap();
        load(&path).map_err(|faults| {
            assert_eq!(faults.file, path.display().to_string());
            format!("{}: {}", faults.list[0].code, faults.list[0].message)
        })
    };
    assert_eq!(load(SMALL.as_bytes()), parse("job.yaml", SMALL).map_err(|_| String::new()));
    assert_eq!(
        load(b"name: j\nx: \xff\n").unwrap_err(),
        "FILE_NOT_UTF8: the job file is not UTF-8 text, from line 2 on"
    );
    assert_eq!(
        load(&vec![b'#'; (1 << 20) + 1]).unwrap_err(),
        "FILE_TOO_LARGE: the job file is larger than 1 MiB"
    );
    let absent = super::super::load(&folder.path().join("absent")).unwrap_err();
    assert_eq!(absent.list[0].code, "FILE_UNREADABLE");
    assert!(absent.to_string().contains("No such file"), "{absent}");
}
