//! Where traces go.

use std::time::Duration;

use super::{OUTPUT, check, job, read_back};

fn traces(text: &str) -> String {
    format!("name: j\ntelemetry: {{ traces: {{ {text} }} }}\n{OUTPUT}")
}

#[test]
fn the_address_of_a_collector_gets_the_path_of_traces_once() {
    for (written, meant) in [
        ("http://localhost:4318", "http://localhost:4318/v1/traces"),
        ("https://otel.example.org/", "https://otel.example.org/v1/traces"),
        ("http://[::1]:4318/in/front/", "http://[::1]:4318/in/front/v1/traces"),
        ("http://localhost:4318/v1/traces", "http://localhost:4318/v1/traces"),
    ] {
        let job = job(&traces(&format!("endpoint: '{written}'")));
        let traces = job.traces.as_ref().unwrap();
        assert_eq!(traces.endpoint, meant);
        assert_eq!((traces.sample_per_million, traces.timeout.as_secs()), (1_000_000, 10));
        read_back(&job);
    }
    let job = job(&traces("endpoint: 'http://c', sampleRatio: 0.25, timeout: 2s"));
    let traces = job.traces.as_ref().unwrap();
    assert_eq!((traces.sample_per_million, traces.timeout), (250_000, Duration::from_secs(2)));
    read_back(&job);
}

#[test]
fn an_address_of_no_collector_is_refused() {
    for (written, what) in [
        ("localhost:4318", "it begins with neither http:// nor https://"),
        ("grpc://localhost:4317", "it begins with neither http:// nor https://"),
        ("http://a b", "it is no URL"),
        ("http://localhost:4318/?a=b", "a user, a query or a fragment has no place in it"),
        ("http://user@localhost:4318", "a user, a query or a fragment has no place in it"),
    ] {
        let said = super::faults(&traces(&format!("endpoint: '{written}'")));
        // An address that may hold a secret is not shown, and nothing of it is said.
        let is_hidden = said.contains("`endpoint` has a value that does not fit");
        assert!(said.contains(what) || is_hidden && !said.contains("user@"), "{said}");
    }
}

#[test]
fn a_part_of_the_batches_is_no_more_than_all() {
    check(
        "
name: j
telemetry: { traces: { endpoint: 'http://c', sampleRatio: 1.5 } }
outputs: [{ alias: a, topic: t, bootstrapServers: kafka:9092 }]
",
        "
job.yaml:2:59: error[OUT_OF_RANGE]: `sampleRatio` is 1.5, which is out of its range
 2 | telemetry: { traces: { endpoint: 'http://c', sampleRatio: 1.5 } }
   |                                                           ^^^
   = help: write a number from 0 to 1
",
    );
}
