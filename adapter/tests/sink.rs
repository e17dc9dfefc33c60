//! The sink against librdkafka's mock cluster: every record settles, whatever the broker answers.
//! And, once, the whole service before it: the job file decides what the records are.
#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use kafka_output::{
    client::{Rows as Batch, Writer, WriterOptions},
    job,
    kafka::{
        Cause, Counts, Credentials, Delivery as _, Encoded, Fit, Letter, Letters, Mark, Outcome,
        Rows, Sink, SinkSettings, Split, State, Ticket,
        mock::{MockKafka, ProtocolError},
        reader::TopicReader,
        share_out,
    },
    partition::{Partitions, Rotor, Turn},
    serve::Service,
};

const PATIENCE: Duration = Duration::from_secs(30);

struct Bench {
    broker: MockKafka,
    sink: Sink,
    rotor: Rotor,
}

impl Bench {
    async fn start(partitions: i32, more: &str) -> Self {
        let broker = MockKafka::start(1).unwrap();
        broker.create_topic("t", partitions).unwrap();
        let yaml = format!(
            "name: bench\noutputs:\n  - alias: a\n    bootstrapServers: {}\n    topic: t\n    \
             metadataRefresh: 200ms\n{more}",
            broker.bootstrap_servers()
        );
        let job = job::parse("bench.yaml", &yaml).unwrap();
        let share = share_out(64 << 20, 1).remove(0);
        let sink = Sink::start(SinkSettings::of(&job.outputs[0]), share).unwrap();
        sink.renew(Credentials::default()).await.unwrap();
        let turn = Turn { rows: 1, time: Duration::from_secs(1) };
        Self { broker, sink, rotor: Rotor::new(turn) }
    }

    async fn partitions(&self) -> Arc<Partitions> {
        let mut partitions = self.sink.partitions();
        let known = tokio::time::timeout(PATIENCE, partitions.wait_for(Option::is_some)).await;
        known.expect("the topic is known in time").unwrap().clone().unwrap()
    }

    async fn send(&self, rows: u32) -> Outcome {
        let mut ticket = self.submit(rows, Letters::default()).await;
        tokio::time::timeout(PATIENCE, ticket.outcome()).await.expect("the batch settles in time")
    }

    async fn submit(&self, rows: u32, letters: Letters) -> Ticket {
        let partitions = self.partitions().await;
        let mut encoded = Encoded::default();
        for row in 0..rows {
            encoded.bytes.extend_from_slice(format!("{{\"row\":{row}}}").as_bytes());
            encoded.ends.push(encoded.bytes.len() as u32);
        }
        let room = self.sink.share().reserve(u64::from(rows) * 300).await;
        let routes = self.rotor.assign(&partitions, rows, Instant::now()).unwrap();
        self.sink.submit(encoded, routes, room, Mark::default(), letters)
    }

    fn read(&self, partitions: i32, at_least: usize) -> Vec<(i32, String)> {
        let records = read(&self.broker, "t", partitions, at_least);
        let text = |(partition, value)| (partition, String::from_utf8(value).unwrap());
        records.into_iter().map(text).collect()
    }
}

/// Reads a topic until nothing more comes: the partitions and values of its records.
fn read(broker: &MockKafka, topic: &str, partitions: i32, at_least: usize) -> Vec<(i32, Vec<u8>)> {
    let reader = TopicReader::open(&broker.bootstrap_servers(), topic, partitions).unwrap();
    let (mut records, end) = (Vec::new(), Instant::now() + PATIENCE);
    while Instant::now() < end {
        match reader.next(Duration::from_millis(300)).unwrap() {
            Some(read) => records.push((read.partition, read.value)),
            None if records.len() >= at_least => return records,
            None => {}
        }
    }
    panic!("only {} of {at_least} records came", records.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_record_arrives_on_its_partition_in_order() {
    let bench = Bench::start(3, "").await;
    for _ in 0..20 {
        assert_eq!(bench.send(300).await, Outcome::default());
    }
    let records = bench.read(3, 6000);
    assert_eq!(records.len(), 6000);
    for partition in 0..3 {
        let mine = records.iter().filter(|(of, _)| *of == partition);
        let rows: Vec<u32> =
            mine.map(|(_, text)| text[7..text.len() - 1].parse().unwrap()).collect();
        let expected: Vec<u32> =
            (0..20).flat_map(|_| (0..100).map(|turn| turn * 3 + partition as u32)).collect();
        assert_eq!(rows, expected, "partition {partition}");
    }
    let counts = Counts { delivered: 6000, ..Counts::default() };
    assert_eq!(bench.sink.counts(), counts);
    assert_eq!(bench.sink.close(Instant::now()).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_passes_is_waited_for() {
    let bench = Bench::start(1, "").await;
    bench.partitions().await;
    bench.broker.fail_produce(&[ProtocolError::TopicAuthorizationFailed; 3]);
    let start = Instant::now();
    assert_eq!(bench.send(100).await, Outcome::default());
    assert!(start.elapsed() >= Duration::from_millis(100), "it went again after a pause");
    assert_eq!(bench.read(1, 100).len(), 100);
}

/// How many requests rows leave in is the scheduler's business. If a part of them leaves alone, it
/// uses up a refusal, and in the end none is left for the row that stands alone: then nobody is
/// blamed, that part comes behind the others, as the README says, and it is tried again.
#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_on_a_batch_is_narrowed_down_before_a_row_is_blamed() {
    let end = Instant::now() + PATIENCE;
    loop {
        let bench = Bench::start(1, "    errorPolicy: Drop\n").await;
        bench.partitions().await;
        // 64 rows are halved six times until one stands alone; the seventh verdict is on it.
        bench.broker.fail_produce(&[ProtocolError::MessageTooLarge; 7]);
        let outcome = bench.send(64).await;
        let rejected: Vec<_> =
            outcome.rejected.iter().map(|of| (of.rows.clone(), of.cause.code)).collect();
        let blamed: Vec<u32> = rejected.iter().flat_map(|(rows, _)| rows.clone()).collect();
        let mut records = bench.read(1, 64 - blamed.len());
        let others = (0..64).filter(|row| !blamed.contains(row));
        let mut expected: Vec<_> = others.map(|row| (0, format!("{{\"row\":{row}}}"))).collect();
        assert!(blamed.len() <= 1, "of rows that were refused together none is to blame");
        if !blamed.is_empty() {
            assert_eq!(records, expected, "the others arrive, in order");
            return assert_eq!(rejected, [(vec![0], "ROW_TOO_LARGE")]);
        }
        records.sort();
        expected.sort();
        assert_eq!(records, expected, "all arrive, once");
        assert!(Instant::now() < end, "the rows never leave together");
    }
}

/// Waits until a batch is held with this code.
async fn held(ticket: &Ticket, code: &str) -> Cause {
    let end = Instant::now() + PATIENCE;
    loop {
        match ticket.held() {
            Some(cause) if cause.code == code => return cause,
            other => assert!(Instant::now() < end, "held with {other:?}, not {code}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

const DEAD_LETTERS: &str = "    errorPolicy: DeadLetter\n    deadLetter: { topic: letters }\n";

fn letter(row: u32, code: &'static str) -> Letter {
    let (column, reason, json) = (String::new(), String::new(), format!("{{\"row\":{row}}}"));
    Letter { sender: Arc::default(), row, code, column, reason, json, is_cut: false }
}

/// A letter of row 100, which was never submitted, and those of rows that are refused.
fn letters() -> Letters {
    let of =
        |rows: &[u32], cause: &Cause| rows.iter().map(|row| letter(*row, cause.code)).collect();
    Letters { made: vec![letter(100, "TYPE_MISMATCH")], later: Some(Box::new(of)) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_settles_when_its_letters_are_stored() {
    let bench = Bench::start(1, DEAD_LETTERS).await;
    bench.partitions().await;
    // One row alone: how many requests several rows leave in is the scheduler's business.
    bench.broker.fail_produce(&[ProtocolError::MessageTooLarge]);
    let mut ticket = bench.submit(1, letters()).await;
    let waits = held(&ticket, "TOPIC_NOT_FOUND").await;
    assert!(waits.text.contains("topic `letters`"), "{waits}");
    bench.broker.create_topic("letters", 2).unwrap();
    let outcome = tokio::time::timeout(PATIENCE, ticket.outcome()).await.unwrap();
    let rejected: Vec<_> =
        outcome.rejected.iter().map(|of| (&of.rows[..], of.cause.code)).collect();
    assert_eq!((rejected, outcome.unknown), (vec![(&[0][..], "ROW_TOO_LARGE")], None));
    let mut letters = read(&bench.broker, "letters", 2, 2);
    letters.sort_by_key(|(_, value)| value.clone());
    let texts: Vec<_> = letters.iter().map(|(_, value)| value.as_slice()).collect();
    assert_eq!(texts, [&b"{\"row\":0}"[..], b"{\"row\":100}"]);
    assert_eq!(bench.sink.close(Instant::now()).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_gives_up_letters_that_cannot_be_brought_and_says_so() {
    let bench = Bench::start(1, DEAD_LETTERS).await;
    let mut ticket = bench.submit(1, letters()).await;
    held(&ticket, "TOPIC_NOT_FOUND").await;
    let start = Instant::now();
    let given_up = bench.sink.close(Instant::now() + Duration::from_millis(200)).await;
    assert_eq!(given_up, 1);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(ticket.outcome().await.unknown.expect("it is not settled").code, "STOPPED");
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_that_a_broker_finds_too_large_are_cut() {
    let bench = Bench::start(1, DEAD_LETTERS).await;
    bench.partitions().await;
    bench.broker.create_topic("letters", 1).unwrap();
    let json = format!("{{\"text\":\"{}\"}}", "x".repeat(600_000));
    let made = vec![Letter { json, ..letter(0, "ROW_TOO_LARGE") }];
    bench.broker.fail_produce(&[ProtocolError::MessageTooLarge]);
    let mut ticket = bench.submit(0, Letters { made, later: None }).await;
    let outcome = tokio::time::timeout(PATIENCE, ticket.outcome()).await.unwrap();
    assert_eq!(outcome, Outcome::default());
    let letters = read(&bench.broker, "letters", 1, 1);
    let value: serde_json::Value = serde_json::from_slice(&letters[0].1).unwrap();
    let cut = value["cut"].as_str().expect("it is cut").len();
    assert!((400_000..500_000).contains(&cut), "to half of the limit: {cut}");
}

#[tokio::test(flavor = "multi_thread")]
async fn under_stop_the_row_waits_and_the_ticket_says_why() {
    let bench = Bench::start(1, "").await;
    let partitions = bench.partitions().await;
    bench.broker.fail_produce(&[ProtocolError::MessageTooLarge; 3]);
    let encoded = Encoded {
        bytes: b"{}".to_vec(),
        ends: vec![2],
        rows: Rows { numbers: Some(vec![7]), ..Rows::default() },
        ..Encoded::default()
    };
    let room = bench.sink.share().reserve(300).await;
    let routes = bench.rotor.assign(&partitions, 1, Instant::now()).unwrap();
    let mut ticket = bench.sink.submit(encoded, routes, room, Mark::default(), Letters::default());
    let held = held(&ticket, "ROW_TOO_LARGE").await;
    assert!(held.text.starts_with("row 7 of its batch waits."), "{held}");
    assert!(held.text.contains("The record has 2 bytes"), "{held}");
    assert_eq!(ticket.outcome().await, Outcome::default(), "the broker took it in the end");
}

/// A record of these rows, each of one byte, and no row less.
fn packed(rows: &[u32]) -> Encoded {
    let bytes = rows.iter().map(|row| b'0' + *row as u8).collect();
    let ends = vec![rows.len() as u32];
    let rows = Rows { ends: ends.clone(), numbers: Some(rows.to_vec()) };
    Encoded { bytes, ends, rows, ..Encoded::default() }
}

/// The same as two records.
fn halves(rows: &[u32]) -> Encoded {
    let half = rows.len().div_ceil(2) as u32;
    let ends = vec![half, rows.len() as u32];
    let rows = Rows { ends: ends.clone(), numbers: Some(rows.to_vec()) };
    let bytes = rows.numbers.iter().flatten().map(|row| b'0' + *row as u8).collect();
    Encoded { bytes, ends, rows, ..Encoded::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_halved_until_its_parts_pass_where_nobody_tells_the_limit() {
    let bench = Bench::start(1, "    errorPolicy: Drop\n").await;
    let partitions = bench.partitions().await;
    let split = |records: &[Vec<u32>], fit| {
        assert_eq!(fit, Fit::Half, "nothing is known");
        Some(records.iter().map(|rows| halves(rows)).collect())
    };
    let split: Split = Box::new(split);
    let encoded = Encoded { split: Some(split), ..packed(&[3, 5, 6, 8]) };
    // The record, while the limit is asked for, and once it is not told; its first half; its row.
    bench.broker.fail_produce(&[ProtocolError::MessageTooLarge; 4]);
    let room = bench.sink.share().reserve(300).await;
    let routes = bench.rotor.assign_packed(&partitions, [4].into_iter(), Instant::now()).unwrap();
    let mut ticket = bench.sink.submit(encoded, routes, room, Mark::default(), Letters::default());
    let outcome = tokio::time::timeout(PATIENCE, ticket.outcome()).await.unwrap();
    assert_eq!(outcome.unknown, None);
    let rejected = outcome.rejected.iter().map(|of| (of.rows.clone(), of.cause.code));
    assert_eq!(rejected.collect::<Vec<_>>(), [(vec![3], "ROW_TOO_LARGE")]);
    let records = read(&bench.broker, "t", 1, 3);
    let values: Vec<_> =
        records.iter().map(|of| String::from_utf8(of.1.clone()).unwrap()).collect();
    assert_eq!(values, ["5", "6", "8"], "in their order; what is as large is not tried whole");
    let counts = bench.sink.counts();
    assert_eq!((counts.delivered, counts.rejected, counts.in_flight), (3, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_without_parts_goes_whole_the_way_of_the_error_policy() {
    let bench = Bench::start(1, "    errorPolicy: Drop\n").await;
    let partitions = bench.partitions().await;
    bench.broker.fail_produce(&[ProtocolError::MessageTooLarge]);
    let room = bench.sink.share().reserve(300).await;
    let routes = bench.rotor.assign_packed(&partitions, [3].into_iter(), Instant::now()).unwrap();
    let (mark, letters) = (Mark::default(), Letters::default());
    let mut ticket = bench.sink.submit(packed(&[1, 2, 4]), routes, room, mark, letters);
    let outcome = tokio::time::timeout(PATIENCE, ticket.outcome()).await.unwrap();
    let rejected: Vec<_> = outcome.rejected.iter().map(|of| of.rows.clone()).collect();
    assert_eq!((rejected, outcome.unknown), (vec![vec![1, 2, 4]], None));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_wait_for_a_topic_that_is_not_there() {
    let broker = MockKafka::start(1).unwrap();
    let yaml = format!(
        "name: b\noutputs:\n  - {{ alias: a, bootstrapServers: \"{}\", topic: late }}\n",
        broker.bootstrap_servers()
    );
    let job = job::parse("b.yaml", &yaml).unwrap();
    let share = share_out(64 << 20, 1).remove(0);
    let sink = Sink::start(SinkSettings::of(&job.outputs[0]), share).unwrap();
    sink.renew(Credentials::default()).await.unwrap();
    let end = Instant::now() + PATIENCE;
    while sink.health().cause.is_none_or(|cause| cause.code != "TOPIC_NOT_FOUND") {
        assert!(Instant::now() < end, "{:?}", sink.health());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    broker.create_topic("late", 2).unwrap();
    let mut partitions = sink.partitions();
    let known = tokio::time::timeout(PATIENCE, partitions.wait_for(Option::is_some)).await;
    assert_eq!(known.unwrap().unwrap().clone().unwrap().leaders, [true, true]);
    assert_eq!(sink.health().state, State::Ready);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_gives_up_what_cannot_settle_and_says_so() {
    let bench = Bench::start(1, "").await;
    let partitions = bench.partitions().await;
    bench.broker.set_up(1, false).unwrap();
    let encoded = Encoded { bytes: b"{}{}".to_vec(), ends: vec![2, 4], ..Encoded::default() };
    let room = bench.sink.share().reserve(600).await;
    let routes = bench.rotor.assign(&partitions, 2, Instant::now()).unwrap();
    let mut ticket = bench.sink.submit(encoded, routes, room, Mark::default(), Letters::default());
    let start = Instant::now();
    let given_up = bench.sink.close(Instant::now() + Duration::from_millis(500)).await;
    assert_eq!(given_up, 2);
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(ticket.outcome().await.unknown.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_broken_producer_rows_pass_again() {
    let bench = Bench::start(2, "").await;
    assert_eq!(bench.send(10).await, Outcome::default());
    // Without a request in flight before it, the broker says that it lost the producer's state:
    // fatal for an idempotent producer.
    bench.broker.fail_produce(&[ProtocolError::OutOfOrderSequence; 2]);
    let broken = bench.send(10).await;
    assert_eq!(broken.unknown.expect("they may be written").code, "PRODUCER_FAILED");
    assert_eq!(bench.send(10).await, Outcome::default());
    assert!(bench.read(2, 20).len() >= 20);
    assert_eq!(bench.sink.close(Instant::now()).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_job_file_decides_the_format_and_how_rows_are_packed() {
    let broker = MockKafka::start(1).unwrap();
    ["text", "avro"].iter().for_each(|topic| broker.create_topic(topic, 1).unwrap());
    let yaml = format!(
        "name: bench\nlisten: {{ grpc: {{ address: 127.0.0.1:0 }} }}\n\
         defaults: {{ bootstrapServers: \"{}\", metadataRefresh: 200ms }}\noutputs:\n  \
         - alias: text\n    topic: text\n    serialization: {{ type: Csv, delimiter: Tab }}\n    \
           packing: {{ rows: 2 }}\n  \
         - alias: avro\n    topic: avro\n    serialization: {{ type: Avro, framing: Raw }}\n",
        broker.bootstrap_servers()
    );
    let job = job::parse("bench.yaml", &yaml).unwrap();
    let service = Service::start(&job).await.unwrap();
    let endpoint = format!("http://{}", service.address);
    let column = |values: [Option<i64>; 3]| Arc::new(Int64Array::from(values.to_vec())) as ArrayRef;
    let (a, b) = (column([Some(1), Some(2), Some(3)]), column([Some(-1), None, Some(7)]));
    let rows = RecordBatch::try_from_iter([("a", a), ("b", b)]).unwrap();
    for output in ["text", "avro"] {
        let mut writer = Writer::open(&endpoint, WriterOptions::new(output, "w")).await.unwrap();
        let schema = writer.schema(&rows.schema()).unwrap();
        writer.send(schema, &Batch::from_arrow(&rows).unwrap(), None).await.unwrap();
        assert_eq!(writer.finish().await.unwrap().durable_through, 1);
    }
    let values = |topic, count| {
        read(&broker, topic, 1, count).into_iter().map(|(_, value)| value).collect::<Vec<_>>()
    };
    assert_eq!(values("text", 2), [&b"1\t-1\r\n2\t"[..], b"3\t7"]);
    // Numbers are zigzag; `b` may be null, so that the branch of its union goes before it.
    assert_eq!(values("avro", 3), [&[2, 2, 1][..], &[4, 0], &[6, 2, 14]]);
    assert_eq!(service.stop(PATIENCE).await.unsettled, 0);
}
