//! What an operator sees on the admin port: probes, metrics and status of outputs that are well and
//! of others that are not.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod alerts;
mod bench;
mod brokers;
mod commands;
mod credentials;
mod dashboard;
mod faults;
mod firing;
mod forms;
mod logs;
mod page;
mod shells;
mod steering;
mod steering_faults;
mod tap;
mod trace_headers;
mod traces;

use std::{path::PathBuf, process::Command};

use proto::v1::Open;
use serde_json::Value;
use tests::{
    admin::Admin,
    engine::{
        Engine,
        job::{OUTPUT, job, with_admin},
        load::{COLUMNS, rows},
    },
    kafka::{shared_broker, unique_topic},
    service::Service,
    wait::{DEADLINE, wait_until},
};

const ROWS: u64 = 1_000;

/// A program that `scripts/tool` has.
fn tool(name: &str) -> PathBuf {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/tool");
    let found = Command::new(script).arg(name).output().unwrap();
    assert!(found.status.success(), "{name}: {}", String::from_utf8_lossy(&found.stderr));
    String::from_utf8(found.stdout).unwrap().trim().into()
}

/// A service with one output into a topic that is there.
fn well(name: &str, more: &str) -> (String, Service, Engine) {
    let (broker, topic) = (shared_broker(), unique_topic(name));
    broker.admin().create_topic(&topic, 2, 1, &[]);
    let service = Service::start(&with_admin(&job(&broker.bootstrap(), &topic, more)));
    let engine = Engine::connect(&service);
    engine.wait_ready(OUTPUT);
    (topic, service, engine)
}

/// Warnings and errors of a log in JSON.
fn warnings(log: &str) -> Vec<Value> {
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["level"] == "WARN" || line["level"] == "ERROR").collect()
}

/// Sends so many batches and waits until they are durable.
fn send(engine: &Engine, writer: &str, batches: u64) {
    let mut stream = engine.open(OUTPUT, writer);
    stream.declare(&COLUMNS);
    for batch in 0..batches {
        stream.send(rows(writer, batch * ROWS..(batch + 1) * ROWS, ""));
    }
    stream.wait_durable();
}

#[test]
fn what_passes_is_counted_and_timed_once() {
    let (topic, service, engine) = well("operation", "");
    let admin = service.admin();
    send(&engine, "w", 3);

    // An engine hears of its rows before the books are closed.
    wait_until("nothing is on its way", DEADLINE, || admin.output(OUTPUT)["recordsInFlight"] == 0);
    let scrape = admin.metrics();
    let of = |name: &str| scrape.value(&format!("kafka_output_{name}{{output=\"{OUTPUT}\"}}"));
    assert_eq!(of("rows_received_total"), Some(3.0 * ROWS as f64), "{}", scrape.0);
    assert_eq!(of("records_delivered_total"), Some(3.0 * ROWS as f64));
    assert_eq!(of("up"), Some(1.0));
    assert_eq!(of("partitions"), Some(2.0));
    assert_eq!(of("oldest_unacknowledged_age_seconds"), Some(0.0));
    assert_eq!(of("records_in_flight"), Some(0.0));
    assert_eq!(of("acknowledge_seconds_count"), Some(3.0));
    assert_eq!(of("encode_seconds_count"), Some(3.0));
    assert!(of("broker_seconds_count") >= Some(1.0) && of("queue_seconds_count") >= Some(1.0));
    assert!(of("received_bytes_total") > Some(10_000.0), "rows have bytes");
    assert!(of("encoded_bytes_total") > Some(10_000.0), "records have bytes");
    let batches = |result: &str| {
        let series =
            format!("kafka_output_batches_total{{output=\"{OUTPUT}\",result=\"{result}\"}}");
        scrape.value(&series)
    };
    assert_eq!(batches("durable"), Some(3.0));
    assert_eq!(batches("unknown"), Some(0.0));
    assert_eq!(scrape.value("kafka_output_ready"), Some(1.0));
    let acknowledged = of("last_acknowledgement_seconds").unwrap();
    assert!(acknowledged > scrape.value("kafka_output_start_time_seconds").unwrap() - 1.0);
    firing::Watched::begin(&service).fires(&service, &[]);
    assert!(scrape.value("kafka_output_process_cpu_seconds_total") > Some(0.0));

    let output = admin.output(OUTPUT);
    assert_eq!(output["state"], "Ready");
    assert_eq!(output["topic"], topic);
    assert_eq!(output["trouble"], serde_json::Value::Null);
    assert_eq!(output["recordsDelivered"], 3 * ROWS);
    assert_eq!(output["batches"]["durable"], 3);
    let writer = &output["writers"][0];
    assert_eq!((writer["id"].as_str(), writer["durableThrough"].as_u64()), (Some("w"), Some(3)));
}

#[test]
fn batches_that_are_refused_or_repeated_are_told_apart() {
    let (_, service, engine) = well("ends", "");
    let mut stream = engine.open(OUTPUT, "w");
    stream.declare(&COLUMNS);
    stream.send(rows("w", 0..10, ""));
    stream.wait_durable();
    // Its first again, and one behind a gap.
    stream.sent = 0;
    stream.send(rows("w", 0..10, ""));
    stream.sent = 2;
    stream.send(rows("w", 20..30, ""));
    let admin = service.admin();
    let ends = || {
        let batches = admin.output(OUTPUT)["batches"].clone();
        ["durable", "refused", "unknown", "repeated"].map(|end| batches[end].as_u64().unwrap())
    };
    wait_until("one is refused and one is known", DEADLINE, || ends() == [1, 1, 0, 1]);
    // What ends a stream is counted by its code.
    let counted = |code: &str| {
        admin.metrics().value(&format!("kafka_output_call_errors_total{{code=\"{code}\"}}"))
    };
    assert_eq!(counted("OUTPUT_NOT_FOUND"), Some(0.0), "who counts sees the first as well");
    let open = Open { output: "none".to_owned(), writer_id: "w".to_owned(), ..Open::default() };
    assert_eq!(engine.try_open(open).unwrap_err().reason, "OUTPUT_NOT_FOUND");
    assert_eq!(counted("OUTPUT_NOT_FOUND"), Some(1.0));
}

/// Transactions are counted, and take as long as brokers take to commit them.
#[test]
fn transactions_are_counted() {
    let (_, service, engine) = well("transactions", "guarantee: exactlyOnce");
    send(&engine, "w", 2);
    let scrape = service.admin().metrics();
    let series =
        format!("kafka_output_transactions_total{{output=\"{OUTPUT}\",result=\"committed\"}}");
    assert!(scrape.value(&series) >= Some(1.0), "{}", scrape.0);
    let series = format!("kafka_output_broker_seconds_count{{output=\"{OUTPUT}\"}}");
    assert!(scrape.value(&series) >= Some(1.0));
}

/// Whether a line of the log has this code.
fn wait_logged(service: &Service, code: &str) {
    wait_until(&format!("{code} is in the log"), DEADLINE, || is_logged(service, code));
}

fn is_logged(service: &Service, code: &str) -> bool {
    service.stderr().contains(&format!("\"code\":\"{code}\""))
}

/// An `Admin` of whom nobody but this process asks.
fn is_ready(admin: &Admin) -> bool {
    let answer = admin.get("/readyz");
    assert!([200, 503].contains(&answer.code), "{answer:?}");
    answer.code == 200
}
