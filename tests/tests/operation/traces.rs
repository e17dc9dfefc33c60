//! Traces: what an engine began goes on to the brokers' answer, and a collector that is away holds up
//! nothing.

use std::time::{Duration, Instant};

use proto::v1::{self, Batch, batch::Rows};
use tests::{
    collector::{Collector, Span},
    engine::{
        Engine,
        job::{OUTPUT, job, with_admin},
        load::{COLUMNS, rows},
        once,
    },
    kafka::{shared_broker, unique_topic},
    service::Service,
    wait::{DEADLINE, wait_until},
};

use super::warnings;

/// Contexts of an engine: sampled, but for the last.
pub(super) const OF_STREAM: &str = "00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-1111111111111111-01";
pub(super) const OF_BATCH: &str = "00-bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb-2222222222222222-01";
const OF_CALL: &str = "00-dddddddddddddddddddddddddddddddd-4444444444444444-01";
const OF_GAP: &str = "00-eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee-5555555555555555-01";
pub(super) const NOT_SAMPLED: &str = "00-cccccccccccccccccccccccccccccccc-3333333333333333-00";

pub(super) fn traced(topic: &str, endpoint: &str, more: &str) -> String {
    let job = with_admin(&job(&shared_broker().bootstrap(), topic, ""));
    format!("{job}telemetry: {{ traces: {{ endpoint: '{endpoint}', {more} }} }}\n")
}

pub(super) fn new_topic(name: &str) -> String {
    let topic = unique_topic(name);
    shared_broker().admin().create_topic(&topic, 1, 1, &[]);
    topic
}

/// The spans of a trace: that of the batch, and those below it by their names.
fn of_trace<'a>(spans: &'a [Span], context: &str) -> (&'a Span, Vec<&'a Span>) {
    let mut parts = context.split('-').skip(1);
    let (trace, parent) = (parts.next().unwrap(), parts.next().unwrap());
    let of_trace = || spans.iter().filter(|span| span.trace == trace);
    let mut received = of_trace().filter(|span| span.parent == parent);
    let receive = received.next().unwrap_or_else(|| panic!("no span in {trace}: {spans:#?}"));
    assert!(received.next().is_none() && receive.name == "receive", "{spans:#?}");
    let below: Vec<_> = of_trace().filter(|span| span.parent == receive.id).collect();
    assert_eq!(of_trace().count(), 1 + below.len(), "{spans:#?}");
    (receive, below)
}

#[test]
fn what_an_engine_traces_goes_on_to_the_brokers_answer() {
    let (collector, topic) = (Collector::start(), new_topic("traced"));
    let service = Service::start(&traced(&topic, &collector.endpoint(), "sampleRatio: 0"));
    let engine = Engine::connect(&service);
    engine.wait_ready(OUTPUT);
    let mut stream = engine.open_traced(OUTPUT, "w", OF_STREAM);
    stream.declare(&COLUMNS);
    stream.send(rows("w", 0..10, ""));
    stream.send_traced(rows("w", 10..30, ""), OF_BATCH);
    stream.send_traced(rows("w", 30..40, ""), NOT_SAMPLED);
    stream.wait_durable();
    // Nobody asks for a trace of this one, and of those none is sampled.
    let mut untraced = engine.open(OUTPUT, "v");
    untraced.declare(&COLUMNS);
    untraced.send(rows("v", 0..10, ""));
    untraced.wait_durable();
    let bad = v1::WriteOnceRequest {
        output: OUTPUT.to_owned(),
        schema: Some(once::schema(&COLUMNS)),
        batch: Some(Batch {
            rows: Some(Rows::JsonLines("{\"no\": \"column\"}\n".into())),
            traceparent: Some(OF_CALL.to_owned()),
            ..Batch::default()
        }),
        ..v1::WriteOnceRequest::default()
    };
    let gap = v1::WriteOnceRequest {
        writer_id: Some("u".to_owned()),
        batch: Some(Batch {
            sequence: 7,
            rows: Some(Rows::JsonLines(rows("u", 0..1, "").into())),
            traceparent: Some(OF_GAP.to_owned()),
            ..Batch::default()
        }),
        ..bad.clone()
    };
    engine.write_once(bad, DEADLINE).expect_err("it is refused");
    engine.write_once(gap, DEADLINE).expect_err("it is refused");
    // What waits is exported before the service ends.
    drop((stream, untraced));
    let ended = service.terminate(DEADLINE);
    assert_eq!(ended.code, Some(0), "{ended:?}");

    let spans = collector.spans();
    for (context, sequence, records) in [(OF_STREAM, "1", "10"), (OF_BATCH, "2", "20")] {
        let (receive, below) = of_trace(&spans, context);
        assert_eq!((receive.kind, receive.status), (2, 0), "{receive:?}");
        assert_eq!(receive.attributes["kafka_output.writer"], "w");
        assert_eq!(receive.attributes["kafka_output.sequence"], sequence);
        assert_eq!(receive.resource["service.name"], "kafka-output");
        assert_eq!(receive.resource["kafka_output.job"], "tests");
        let [encode, send] = below[..] else { panic!("{below:#?}") };
        assert_eq!((&*encode.name, encode.kind), ("encode", 1));
        assert_eq!((&*send.name, send.kind), (&*format!("send {topic}"), 4));
        let said = ["system", "operation.type", "destination.name", "batch.message_count"];
        let said = said.map(|name| &*send.attributes[&format!("messaging.{name}")]);
        assert_eq!(said, ["kafka", "send", &topic, records]);
        assert!(receive.time.0 <= encode.time.0 && encode.time.1 <= send.time.0, "{below:#?}");
        assert!(send.time.0 < send.time.1 && send.time.1 <= receive.time.1, "{below:#?}");
    }
    let (refused, below) = of_trace(&spans, OF_CALL);
    assert_eq!((refused.status, &*refused.attributes["error.type"]), (2, "BAD_ROWS"));
    assert_eq!(below.iter().map(|span| &*span.name).collect::<Vec<_>>(), ["encode"]);
    let (refused, below) = of_trace(&spans, OF_GAP);
    assert_eq!((refused.status, &*refused.attributes["error.type"]), (2, "SEQUENCE_GAP"));
    assert_eq!(below.len(), 0, "none of it was encoded");
    assert_eq!(spans.len(), 3 + 3 + 2 + 1, "{spans:#?}");
}

/// Batches that share records share the spans of their way; each is named.
#[test]
fn batches_that_go_together_are_linked() {
    let (collector, topic) = (Collector::start(), new_topic("linked"));
    let packing = "serialization: { type: Json, format: Array }, packing: { rows: 20, time: 1m }";
    let job = job(&shared_broker().bootstrap(), &topic, packing);
    let endpoint = collector.endpoint();
    let job = format!("{job}telemetry: {{ traces: {{ endpoint: '{endpoint}' }} }}\n");
    let service = Service::start(&job);
    let engine = Engine::connect(&service);
    engine.wait_ready(OUTPUT);
    let mut stream = engine.open(OUTPUT, "w");
    stream.declare(&COLUMNS);
    stream.send_traced(rows("w", 0..10, ""), OF_STREAM);
    stream.send_traced(rows("w", 10..20, ""), OF_BATCH);
    stream.wait_durable();
    wait_until("all spans are there", DEADLINE, || collector.spans().len() == 4);
    let spans = collector.spans();
    let ((_, below), (second, none)) = (of_trace(&spans, OF_STREAM), of_trace(&spans, OF_BATCH));
    assert!(none.is_empty() && below.len() == 2, "{spans:#?}");
    for span in below {
        assert_eq!(span.links, [&*second.id], "{spans:#?}");
    }
}

#[test]
fn a_collector_that_is_away_holds_up_neither_rows_nor_the_end() {
    let topic = new_topic("away");
    // Nobody listens on port 9.
    let service = Service::start(&traced(&topic, "http://127.0.0.1:9", "timeout: 500ms"));
    let engine = Engine::connect(&service);
    engine.wait_ready(OUTPUT);
    let mut stream = engine.open(OUTPUT, "w");
    stream.declare(&COLUMNS);
    for batch in 0..1_000 {
        stream.send(rows("w", batch * 10..(batch + 1) * 10, ""));
        if batch % 100 == 99 {
            stream.wait_durable();
        }
    }
    let told = |service: &Service| {
        let status = service.admin().status();
        let errors = status["recentErrors"].as_array().unwrap().clone();
        errors.into_iter().any(|error| error["code"] == "TRACES_NOT_EXPORTED")
    };
    wait_until("the log says that nobody gets the spans", DEADLINE, || told(&service));
    drop(stream);
    let since = Instant::now();
    let ended = service.terminate(DEADLINE);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(since.elapsed() < Duration::from_secs(15), "{:?}", since.elapsed());
    let lines = warnings(&ended.stderr);
    let lost = lines.iter().filter(|line| line["code"] == "TRACES_NOT_EXPORTED");
    assert!(lost.clone().any(|line| line["spans"].as_u64() > Some(0)), "{lines:?}");
    assert!(lost.count() <= 12, "what repeats is counted: {lines:?}");
}
