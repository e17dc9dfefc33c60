//! The effective job as `config print` prints it: a job file that means the same, with the origin of
//! each value, and without secrets.

use std::{fs, path::Path};

use serde_json::Value;

use super::{super::load_effective, job, parse, with_output};

/// The effective job of a text, which stands in a folder of its own.
fn effective(yaml: &str) -> super::super::Effective {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("job.yaml");
    fs::write(&path, yaml).unwrap();
    load_effective(&path).unwrap_or_else(|faults| panic!("{faults}"))
}

/// The note at the end of the line of a key, in the printed output.
fn note<'a>(yaml: &'a str, line: &str) -> &'a str {
    let mut lines = yaml.lines().filter_map(|text| text.trim_start().split_once("  # "));
    let found = lines.find(|(text, _)| text.trim_start_matches("- ") == line);
    found.unwrap_or_else(|| panic!("no `{line}` in:\n{yaml}")).1
}

#[test]
fn every_example_is_printed_as_a_job_file_that_means_the_same() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut examples = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        examples += 1;
        let effective = load_effective(&path).unwrap_or_else(|faults| panic!("{faults}"));
        for with_sources in [false, true] {
            let printed = effective.to_yaml(with_sources);
            // Elsewhere, where relative paths lead to nothing.
            let again = parse("/nowhere/printed.yaml", &printed)
                .unwrap_or_else(|faults| panic!("{}\n{printed}\n{faults}", path.display()));
            assert_eq!(again.to_json(), effective.to_json(false), "{}", path.display());
            assert_eq!(again.to_yaml(), effective.to_yaml(false), "{}", path.display());
        }
        let mut read = super::super::load(&path).unwrap();
        let mut again = parse("/nowhere/printed.yaml", &effective.to_yaml(false)).unwrap();
        for output in read.outputs.iter_mut().chain(&mut again.outputs) {
            // Named by an absolute path now.
            output.serialization.schema_file = None;
        }
        // A secret in clear text is not printed, so it cannot be read again.
        read.outputs.retain(|output| output.alias.as_str() != "trial");
        again.outputs.retain(|output| output.alias.as_str() != "trial");
        assert_eq!(again, read, "{}", path.display());
    }
    assert!(examples >= 6, "{examples}");
}

#[test]
fn texts_that_yaml_reads_as_something_else_are_printed_in_quotes() {
    let yaml = with_output(
        "librdkafka: { client.id: \"1e3\", client.rack: \"a: b # c\" }\n\
         serialization: { type: Csv, nullText: \"Null\" }\n\
         compression: { type: None }",
    );
    let yaml = yaml.replace("name: j", "name: \"1.0\"").replace("topic: t", "topic: \"true\"");
    let read = job(&yaml);
    let again = parse("printed.yaml", &read.to_yaml()).unwrap();
    assert_eq!(again, read, "{}", read.to_yaml());
}

#[test]
fn each_value_names_the_line_or_what_decided_instead() {
    let shown = effective(
        "name: j
identity: { type: systemAssigned }
vault: https://contoso.vault.azure.net
memory: 24 MiB
defaults:
  bootstrapServers: hub.servicebus.windows.net:9093
  batching:
    linger: 7ms
  compression: { type: Gzip, level: 5 }
outputs:
  - alias: a
    topic: t
    sasl: { mechanism: PLAIN, password: { secret: p } }
    batching: { rows: 9 }
    compression: { type: None }
  - alias: b
    topic: u
    bootstrapServers: 'k:9092,l:9092'
",
    );
    let yaml = shown.to_yaml(true);
    let (head, outputs) = yaml.split_once("outputs:").unwrap();
    let (first, second) = outputs.split_once("alias: b").unwrap();
    for (text, line, expected) in [
        (head, "name: j", "line 1"),
        (head, "type: systemAssigned", "line 2"),
        (head, "memory: 24 MiB", "line 4"),
        (head, "maxBatchSize: 3 MiB", "follows from `memory`"),
        (head, "shutdownTimeout: 25s", "default"),
        (first, "alias: a", "line 11"),
        (first, "hub.servicebus.windows.net:9093", "line 6, in `defaults`"),
        (first, "profile: EventHubs", "follows from `bootstrapServers`"),
        (first, "securityProtocol: SASL_SSL", "of the profile EventHubs"),
        (first, "socketTimeout: 1m", "of the profile EventHubs"),
        (first, "secret: p", "line 13"),
        (first, "vault: https://contoso.vault.azure.net", "follows from `vault`"),
        (first, "linger: 7ms", "line 8, in `defaults`"),
        (first, "rows: 9", "line 14"),
        (first, "bytes: 1 MB", "default"),
        (first, "guarantee: atLeastOnce", "follows from `acks`"),
        // Another codec than the default's takes nothing of it.
        (first, "type: None", "line 15"),
        (second, "k:9092", "line 18"),
        (second, "l:9092", "line 18"),
        (second, "level: 5", "line 9, in `defaults`"),
        (second, "socketTimeout: 6s", "default"),
        (second, "securityProtocol: \"None\"", "default"),
    ] {
        // YAML knows no word `None`.
        let line = line.replace("\"None\"", "None");
        assert_eq!(note(text, &line), expected, "{line}\n{yaml}");
    }
    let json = shown.to_json(true);
    assert_eq!(json["job"], shown.to_json(false));
    let source = |path: &str| json["sources"][path].to_string();
    assert_eq!(source("outputs[0].batching.linger"), r#"{"from":"defaults","line":8}"#);
    assert_eq!(source("maxBatchSize"), r#"{"from":"key","key":"memory"}"#);
    assert_eq!(
        source("outputs[0].securityProtocol"),
        r#"{"from":"profile","profile":"EventHubs"}"#
    );
    assert_eq!(source("outputs[1].socketTimeout"), r#"{"from":"default"}"#);
    assert!(json["sources"].as_object().unwrap().values().all(|of| of["from"] != Value::Null));
}

#[test]
fn what_may_be_a_secret_is_masked_and_said_to_be() {
    let yaml = "name: j
identity: { type: systemAssigned }
outputs:
  - alias: a
    topic: token-events
    bootstrapServers: localhost:9092
    securityProtocol: SASL_SSL
    sasl:
      mechanism: PLAIN
      username: 'canary@kafka'
      password: { clearTextForTests: canary }
    librdkafka: { client.id: 'password=canary', client.rack: r1 }
  - alias: b
    topic: t
    bootstrapServers: localhost:9092
    securityProtocol: SASL_SSL
    sasl:
      mechanism: OAUTHBEARER
      token: { scope: s, extensions: { logicalCluster: 'SharedAccessKey=canary', pool: p1 } }
";
    let shown = effective(yaml);
    for (printed, told) in [(shown.to_yaml(true), "; masked"), (shown.to_yaml(false), "  # masked")]
    {
        assert!(!printed.contains("canary"), "{printed}");
        assert_eq!(printed.matches(told).count(), 4, "{printed}");
        assert!(printed.contains("topic: token-events"), "a name of a topic is none: {printed}");
        assert!(printed.contains("client.rack: r1") && printed.contains("pool: p1"), "{printed}");
        let again = parse("printed.yaml", &printed).unwrap_or_else(|faults| panic!("{faults}"));
        assert_eq!(again.to_yaml(), shown.to_yaml(false));
    }
    assert!(!shown.to_json(true).to_string().contains("canary"));
}
