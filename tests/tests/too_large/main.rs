//! Rows and records that are larger than the topic takes: known before they are sent, or told by the
//! broker when the limit was lowered behind the service's back.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod known;
mod lowered;

use tests::{
    engine::{
        Engine, Stream,
        job::{job_of, output},
        load::{COLUMNS, rows},
    },
    kafka::{shared_broker, unique_topic},
    reader,
    service::Service,
    wait::{DEADLINE, wait_until},
};

/// What a Kafka batch of one record costs beside the record: a topic takes records of
/// `max.message.bytes` less this.
const BATCH_OVERHEAD_BYTES: usize = 97;

/// A topic, an output into it, and another one that finds out what the topic takes, of which the
/// first learns nothing.
struct World {
    topic: String,
    probe: String,
    service: Service,
    engine: Engine,
}

impl World {
    /// A topic that takes records of so many bytes, and an output with these keys.
    fn start(name: &str, partitions: i32, record_bytes_max: usize, more: &str) -> Self {
        let broker = shared_broker();
        let topic = unique_topic(name);
        let limit = (record_bytes_max + BATCH_OVERHEAD_BYTES).to_string();
        let settings = [("max.message.bytes", limit.as_str())];
        broker.admin().create_topic(&topic, partitions, 1, &settings);
        let (bootstrap, probe) = (broker.bootstrap(), format!("{topic}-probe"));
        // Their aliases are part of what is stored of writers, and the broker is not ours alone.
        let more = format!("metadataRefresh: 1h, {more}");
        let outputs = [
            output(&topic, &bootstrap, &topic, &more),
            output(&probe, &bootstrap, &topic, "metadataRefresh: 1h, errorPolicy: Drop"),
        ];
        let service = Service::start(&job_of(&outputs));
        let engine = Engine::connect(&service);
        engine.wait_ready(&topic);
        engine.wait_ready(&probe);
        Self { topic, probe, service, engine }
    }

    fn open(&self, output: &str) -> Stream {
        let mut stream = self.engine.open(output, "w");
        stream.declare(&COLUMNS);
        stream
    }

    /// From now on the topic takes records of so many bytes.
    fn lower(&self, record_bytes_max: usize) {
        let limit = record_bytes_max + BATCH_OVERHEAD_BYTES;
        let admin = shared_broker().admin();
        admin.set_topic_property(&self.topic, "max.message.bytes", &limit.to_string());
        let mut stream = self.open(&self.probe);
        let pad = "x".repeat(record_bytes_max);
        wait_until("the limit acts", DEADLINE, || {
            stream.send(rows("probe", 0..1, &pad));
            stream.wait_durable();
            stream.rejected_total > 0
        });
    }

    /// The records in the topic, without those that were sent to find out about it.
    fn records(&self) -> Vec<reader::Record> {
        let mut records = reader::topic(&shared_broker().bootstrap(), &self.topic).records();
        records.retain(|record| !record.value.as_deref().is_some_and(is_probe));
        records
    }
}

fn is_probe(value: &[u8]) -> bool {
    value.windows(5).any(|part| part == b"probe")
}

/// The numbers of the rows in a record of JSON lines or of an array.
fn numbers(record: &reader::Record) -> Vec<u64> {
    let text = record.text();
    let rows: Vec<serde_json::Value> = match text.starts_with('[') {
        true => serde_json::from_str(text).unwrap(),
        false => text.split('\n').map(|line| serde_json::from_str(line).unwrap()).collect(),
    };
    rows.iter().map(|row| row["n"].as_u64().unwrap()).collect()
}

/// The numbers of the rows in all records, in the order of each partition.
fn all_numbers(records: &[reader::Record]) -> Vec<u64> {
    records.iter().flat_map(numbers).collect()
}
