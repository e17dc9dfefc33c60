//! Rows that a broker refuses, under transactions.

use proto::v1::Guarantee;
use tests::{
    engine::{
        Engine,
        job::{job_of, output},
        load::{COLUMNS, rows},
    },
    kafka::{shared_broker, unique_topic},
    reader,
    service::Service,
};

/// The topic takes less than it took when the service looked, so only the broker can tell: its
/// verdict is about a Kafka batch, and three rows are to blame.
#[test]
fn rows_that_the_broker_refuses_are_found_and_left_out_and_the_others_are_there_once() {
    let broker = shared_broker();
    let topic = unique_topic("refused");
    broker.admin().create_topic(&topic, 1, 1, &[]);
    let more = "guarantee: exactlyOnce, errorPolicy: Drop, metadataRefresh: 1h, \
                batching: { bytes: 500 KB }";
    let job = job_of(&[output(&topic, &broker.bootstrap(), &topic, more)]);
    let service = Service::start(&job);
    let engine = Engine::connect(&service);
    engine.wait_ready(&topic);
    let mut stream = engine.open(&topic, "w");
    assert_eq!(stream.opened.guarantee(), Guarantee::ExactlyOnce);
    stream.declare(&COLUMNS);
    stream.send(rows("w", 0..10, ""));
    stream.wait_durable();
    broker.admin().set_topic_property(&topic, "max.message.bytes", "20000");

    let long = "x".repeat(30_000);
    let mut lines = String::new();
    for number in 10..110 {
        let pad = if [20, 50, 51].contains(&number) { &long } else { "" };
        lines.push_str(&rows("w", number..number + 1, pad));
    }
    stream.send(lines);
    stream.wait_durable();
    assert_eq!(stream.rejected_total, 3);
    let mut named: Vec<_> =
        stream.rejected.iter().map(|row| (row.row, row.code.as_str())).collect();
    named.sort_unstable();
    assert_eq!(named, [(10, "ROW_TOO_LARGE"), (40, "ROW_TOO_LARGE"), (41, "ROW_TOO_LARGE")]);
    // The writer goes on.
    stream.send(rows("w", 110..120, ""));
    stream.wait_durable();
    drop(stream);
    assert_eq!(engine.open(&topic, "w").opened.resume_after, 3);

    let records = reader::topic(&broker.bootstrap(), &topic).records();
    let mut numbers: Vec<u64> = records.iter().map(number).collect();
    numbers.sort_unstable();
    let kept = (0..120).filter(|number| ![20, 50, 51].contains(number));
    assert_eq!(numbers, kept.collect::<Vec<u64>>(), "each once, for readers of what is committed");
}

fn number(record: &reader::Record) -> u64 {
    let row: serde_json::Value = serde_json::from_str(record.text()).unwrap();
    row["n"].as_u64().unwrap()
}
