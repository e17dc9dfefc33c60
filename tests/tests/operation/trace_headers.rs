//! Trace context in the headers of records: of the span that has sent them, or what the engine says.

use serde_json::Value;
use tests::{
    collector::Collector,
    engine::{
        Answer, Engine,
        job::{OUTPUT, job},
        load::{COLUMNS, rows},
    },
    kafka::{shared_broker, unique_topic},
    reader::{self, Record},
    service::Service,
    wait::DEADLINE,
};

use super::traces::{NOT_SAMPLED, OF_BATCH, OF_STREAM, new_topic, traced};

/// What systems on the way have noted.
const NOTES: &str = "engine=part7,other=1";

/// The headers of a record, as texts.
fn told(record: &Record) -> Vec<(&str, &str)> {
    let mut told = Vec::new();
    for (name, value) in &record.headers {
        told.push((name.as_str(), std::str::from_utf8(value.as_ref().unwrap()).unwrap()));
    }
    told
}

/// The writer and the number of a record's row.
fn row(record: &Record) -> (String, u64) {
    let row: Value = serde_json::from_str(record.text()).unwrap();
    (row["w"].as_str().unwrap().to_owned(), row["n"].as_u64().unwrap())
}

fn records(topic: &str) -> Vec<Record> {
    reader::topic(&shared_broker().bootstrap(), topic).records()
}

#[test]
fn records_tell_the_span_that_has_sent_them() {
    let (collector, topic) = (Collector::start(), new_topic("told"));
    let job = traced(&topic, &collector.endpoint(), "sampleRatio: 0");
    let job = job.replacen("alias: out,", "alias: out, traceHeaders: true,", 1);
    let service = Service::start(&job);
    let engine = Engine::connect(&service);
    engine.wait_ready(OUTPUT);
    let mut stream = engine.open_traced(OUTPUT, "w", OF_STREAM);
    stream.declare(&COLUMNS);
    stream.send(rows("w", 0..10, ""));
    stream.send_noted(rows("w", 10..20, ""), (OF_BATCH, NOTES));
    stream.send_traced(rows("w", 20..30, ""), NOT_SAMPLED);
    stream.wait_durable();
    let mut untraced = engine.open(OUTPUT, "v");
    untraced.declare(&COLUMNS);
    untraced.send(rows("v", 0..10, ""));
    untraced.wait_durable();
    drop((stream, untraced));
    assert_eq!(service.terminate(DEADLINE).code, Some(0));

    let spans = collector.spans();
    let sent = |context: &str| {
        let trace = context.split('-').nth(1).unwrap();
        let is_it = |span: &&tests::collector::Span| {
            span.trace == trace && span.name == format!("send {topic}")
        };
        let span = spans.iter().find(is_it).unwrap();
        format!("00-{trace}-{}-01", span.id)
    };
    let (of_stream, of_batch) = (sent(OF_STREAM), sent(OF_BATCH));
    let records = records(&topic);
    assert_eq!(records.len(), 40);
    for record in &records {
        let expected: &[_] = match row(record) {
            (w, 0..10) if w == "w" => &[("traceparent", &*of_stream)],
            (w, 10..20) if w == "w" => &[("traceparent", &*of_batch), ("tracestate", NOTES)],
            // Nobody samples it, and those who read it are told so.
            (w, _) if w == "w" => &[("traceparent", NOT_SAMPLED)],
            _ => &[],
        };
        assert_eq!(told(record), expected, "{record:?}");
    }
}

/// Batches with and without a context, often in one Kafka batch, stay in their order; under every
/// guarantee.
#[test]
fn without_telemetry_records_tell_what_the_engine_says() {
    for guarantee in ["bestEffort, acks: One", "atLeastOnce", "exactlyOnce"] {
        let topic = new_topic("passed-on");
        let more = format!("traceHeaders: true, guarantee: {guarantee}");
        let service = Service::start(&job(&shared_broker().bootstrap(), &topic, &more));
        let engine = Engine::connect(&service);
        engine.wait_ready(OUTPUT);
        // Named like no other: all tests of these brokers store progress in one topic.
        let mut stream = engine.open(OUTPUT, &topic);
        stream.declare(&COLUMNS);
        // As many as the credit allows.
        for batch in 0..240 {
            let rows = rows("w", batch * 10..batch * 10 + 10, "");
            match batch % 3 {
                0 => stream.send(rows),
                1 => stream.send_traced(rows, OF_BATCH),
                _ => stream.send_noted(rows, (OF_STREAM, NOTES)),
            };
        }
        stream.wait_durable();
        let records = records(&topic);
        let numbers: Vec<u64> = records.iter().map(|record| row(record).1).collect();
        assert_eq!(numbers, Vec::from_iter(0..2_400), "{guarantee}");
        for record in &records {
            let expected: &[_] = match row(record).1 / 10 % 3 {
                0 => &[],
                1 => &[("traceparent", OF_BATCH)],
                _ => &[("traceparent", OF_STREAM), ("tracestate", NOTES)],
            };
            assert_eq!(told(record), expected, "{guarantee}: {record:?}");
        }
    }
}

/// Records that rows of several batches share tell of the first that says something.
#[test]
fn records_that_batches_share_tell_one_context() {
    let topic = new_topic("shared-context");
    let more = "traceHeaders: true, serialization: { type: Json, format: Array }, \
                packing: { rows: 30, time: 1m }";
    let service = Service::start(&job(&shared_broker().bootstrap(), &topic, more));
    let engine = Engine::connect(&service);
    engine.wait_ready(OUTPUT);
    let mut stream = engine.open(OUTPUT, "w");
    stream.declare(&COLUMNS);
    stream.send(rows("w", 0..10, ""));
    stream.send_traced(rows("w", 10..20, ""), OF_BATCH);
    stream.send_traced(rows("w", 20..30, ""), OF_STREAM);
    stream.wait_durable();
    let records = records(&topic);
    assert_eq!(records.len(), 1);
    assert_eq!(told(&records[0]), [("traceparent", OF_BATCH)]);
}

/// A row that would fit without headers is refused by name, before it is sent, and the limit that is
/// told is the one that holds.
#[test]
fn room_for_headers_is_kept() {
    const LIMIT: usize = 10_000;
    let topic = unique_topic("header-room");
    let limit = LIMIT.to_string();
    shared_broker().admin().create_topic(&topic, 1, 1, &[("max.message.bytes", &limit)]);
    let more = "traceHeaders: true";
    let service = Service::start(&job(&shared_broker().bootstrap(), &topic, more));
    let engine = Engine::connect(&service);
    engine.wait_ready(OUTPUT);
    let mut stream = engine.open(OUTPUT, "w");
    stream.declare(&COLUMNS);
    let empty = rows("w", 0..1, "").trim_end().len();
    let longest = LIMIT - 97 - 600;
    let row_of = |bytes: usize| rows("w", 0..1, &"x".repeat(bytes - empty));
    // The longest notes that there may be.
    let notes = format!("a={},b={}", "y".repeat(254), "z".repeat(252));
    assert_eq!(notes.len(), 511);
    stream.send_noted(row_of(longest), (OF_BATCH, &notes));
    stream.wait_durable();
    stream.send_noted(row_of(longest + 1), (OF_BATCH, &notes));
    let refused = loop {
        match stream.next(DEADLINE).expect("there is an answer") {
            Answer::Refused(refused) => break refused,
            answer => println!("{answer:?}"),
        }
    };
    let told = format!("{refused:?}");
    assert!(told.contains(&longest.to_string()), "{told}");
    let records = records(&topic);
    assert_eq!(records.len(), 1);
    assert_eq!(self::told(&records[0]), [("traceparent", OF_BATCH), ("tracestate", &*notes)]);
}
