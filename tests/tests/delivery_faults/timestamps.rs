//! A broker refuses one row among many of a Kafka batch for its timestamp: that row alone is to
//! blame.

use std::{thread, time::Duration};

use tests::{
    check::invariants::Promise,
    engine::{
        Engine, Stream,
        job::{job_of, output},
        load::{COLUMNS, rows},
    },
    kafka::unique_topic,
    kafka_proxy::{AGED, Act, Api, KafkaProxy, Rule},
    proxy, reader,
    service::Service,
    stage::{Stage, enter},
};

/// The broker takes nothing that is more than an hour old.
const BOUND: (&str, &str) = ("message.timestamp.before.max.ms", "3600000");
const DAY: Duration = Duration::from_secs(24 * 3_600);

const FIRST_ROWS: u64 = 10;
const ROWS: u64 = 200;
const BAD: u64 = 77;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Policy {
    Stop,
    Drop,
    DeadLetter,
}

/// An output with a topic of its own.
struct Case {
    promise: Promise,
    policy: Policy,
    topic: String,
}

fn cases() -> Vec<Case> {
    let case = |promise, policy| Case { promise, policy, topic: unique_topic("f22-time") };
    [Policy::Stop, Policy::Drop, Policy::DeadLetter]
        .into_iter()
        .flat_map(|policy| Promise::BOTH.map(|promise| case(promise, policy)))
        .collect()
}

impl Case {
    fn output(&self, bootstrap: &str, letters: &str) -> String {
        let letters = match self.policy {
            Policy::DeadLetter => format!(", deadLetter: {{ topic: {letters} }}"),
            Policy::Stop | Policy::Drop => String::new(),
        };
        let (guarantee, policy) = (self.promise.name(), self.policy);
        let more = format!(
            "guarantee: {guarantee}, compression: {{ type: None }}, \
             errorPolicy: {policy:?}{letters}"
        );
        output(&self.topic, bootstrap, &self.topic, &more)
    }

    /// One batch with one row that gets too old, after a batch of good rows.
    fn send(&self, engine: &Engine) -> Stream {
        engine.wait_ready(&self.topic);
        let mut stream = engine.open(&self.topic, "w");
        stream.declare(&COLUMNS);
        stream.send(rows("w", 0..FIRST_ROWS, ""));
        stream.wait_durable();
        let pad = |row| if row == BAD { AGED } else { "" };
        let line = |row| rows("w", FIRST_ROWS + row..FIRST_ROWS + row + 1, pad(row));
        stream.send((0..ROWS).map(line).collect::<String>());
        stream
    }

    fn check_named(&self, stream: &Stream) {
        let named = stream.rejected.iter().map(|row| (row.sequence, row.row, row.code.as_str()));
        let named: Vec<_> = named.collect();
        let expected = match self.policy {
            Policy::Stop => Vec::new(),
            Policy::Drop | Policy::DeadLetter => vec![(2, BAD, "ROW_REFUSED")],
        };
        let (promise, policy) = (self.promise, self.policy);
        assert_eq!(named, expected, "{promise:?} {policy:?}");
        assert_eq!(stream.rejected_total, expected.len() as u64, "{promise:?} {policy:?}");
    }

    /// Each row is there once, but for the one that was set aside.
    fn check_stored(&self, bootstrap: &str) {
        let records = reader::topic(bootstrap, &self.topic).records();
        let number = |record: &reader::Record| {
            let row: serde_json::Value =
                serde_json::from_str(record.text()).expect("a row is JSON");
            row["n"].as_u64().expect("rows have numbers")
        };
        let mut numbers: Vec<_> = records.iter().map(number).collect();
        numbers.sort_unstable();
        let is_there = |n: &u64| self.policy == Policy::Stop || *n != FIRST_ROWS + BAD;
        let expected: Vec<_> = (0..FIRST_ROWS + ROWS).filter(is_there).collect();
        assert_eq!(numbers, expected, "{:?} {:?}", self.promise, self.policy);
    }
}

/// Output, row and code of each letter.
fn letters_in(bootstrap: &str, topic: &str) -> Vec<[String; 3]> {
    let header = |record: &reader::Record, name: &str| {
        let mut headers = record.headers.iter();
        let found = headers.find(|(key, _)| *key == format!("kafka-output.{name}"));
        let value = found.and_then(|(_, value)| value.clone()).expect("a letter has the header");
        String::from_utf8(value).expect("it is UTF-8")
    };
    let records = reader::topic(bootstrap, topic).records();
    let told = records.iter().map(|of| ["output", "row", "code"].map(|name| header(of, name)));
    let mut told: Vec<_> = told.collect();
    told.sort_unstable();
    told
}

/// Dropped it is named, with `DeadLetter` it is kept, with `Stop` it waits until the broker takes
/// it.
#[test]
fn f22_one_row_with_a_bad_timestamp_is_to_blame_and_no_other() {
    let mut stage = enter();
    let stage: &mut Stage = &mut stage;
    let (cases, letters) = (cases(), unique_topic("f22-time-letters"));
    let admin = stage.cluster.admin();
    admin.create_topic(&letters, 1, 3, &[]);
    cases.iter().for_each(|case| admin.create_topic(&case.topic, 1, 3, &[BOUND]));
    let bootstrap = proxy::addresses(&stage.ways);
    let outputs: Vec<_> = cases.iter().map(|case| case.output(&bootstrap, &letters)).collect();
    let service = Service::start(&job_of(&outputs));
    let engine = Engine::connect(&service);
    let rule = Rule::new(Api::Produce, Act::Age(DAY), u64::MAX);
    stage.kafka.iter().for_each(|way| way.obey(&rule));
    let mut streams: Vec<_> = cases.iter().map(|case| case.send(&engine)).collect();
    for (case, stream) in cases.iter().zip(&mut streams) {
        if case.policy == Policy::Stop {
            let held = stream.wait_held("ROW_REFUSED");
            let says = format!("row {BAD} of its batch waits");
            assert!(held.reason.contains(&says), "{:?}: {held:?}", case.promise);
            assert_eq!((held.sequence, stream.durable_through), (2, 1), "{:?}", case.promise);
        } else {
            stream.wait_durable();
        }
        case.check_named(stream);
    }
    // Whatever was wrong with the row is mended.
    stage.kafka.iter().for_each(KafkaProxy::heal);
    streams.iter_mut().for_each(Stream::wait_durable);

    let bootstrap = stage.cluster.bootstrap();
    thread::scope(|scope| {
        for case in &cases {
            scope.spawn(|| case.check_stored(&bootstrap));
        }
    });
    let kept = cases.iter().filter(|case| case.policy == Policy::DeadLetter);
    let letter = |case: &Case| [case.topic.clone(), BAD.to_string(), "ROW_REFUSED".to_owned()];
    let mut expected: Vec<_> = kept.map(letter).collect();
    expected.sort_unstable();
    assert_eq!(letters_in(&bootstrap, &letters), expected, "one letter of each output");
}
