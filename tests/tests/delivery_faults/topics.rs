//! Topics grow, are deleted and made anew, and refuse rows; brokers slow writers down.

use std::fs;

use proto::v1::Open;
use tests::{
    check::{self, invariants::Promise},
    engine::{
        Answer, Engine, Stream,
        job::{job_of, output},
        load::{COLUMNS, Sent, rows},
    },
    kafka::unique_topic,
    reader,
    service::Service,
    stage::{Plan, Stage, Trial, enter},
    wait::{DEADLINE, wait_until},
};

use super::times;

#[test]
fn f16_partitions_that_are_added_get_rows() {
    const GROWN: i32 = 5;
    let mut stage = enter();
    let mut trial = Trial::start(&mut stage, "f16-grown", &Plan::default());
    let topics = Promise::BOTH.map(|promise| trial.topic(promise).to_owned());
    let admin = trial.stage.cluster.admin();
    for topic in &topics {
        admin.add_partitions(topic, GROWN);
    }
    trial.goes_on("topics have grown");
    for topic in &topics {
        let leader = admin.leader(topic, GROWN - 1);
        let dir = trial.stage.cluster.partition_dir(leader, topic, GROWN - 1);
        wait_until("the new partition gets rows", DEADLINE, || {
            let batches = || trial.stage.cluster.batches(leader, topic, GROWN - 1);
            dir.exists() && !batches().is_empty()
        });
    }
    assert_eq!(trial.streams_ended(), 0, "nobody has noticed");
    trial.finish();
}

/// An output, its service, and a writer.
struct One {
    topic: String,
    job: String,
    service: Service,
    stream: Stream,
    rows: u64,
}

impl One {
    fn start(stage: &mut Stage, name: &str, promise: Promise, more: &str) -> Self {
        let topic = unique_topic(name);
        stage.cluster.admin().create_topic(&topic, 2, 3, &[]);
        let more = format!("guarantee: {}, {more}", promise.name());
        let bootstrap = tests::proxy::addresses(&stage.ways);
        let job = job_of(&[output(&topic, &bootstrap, &topic, &more)]);
        let service = Service::start(&job);
        let mut stream = Engine::connect(&service).open(&topic, "w");
        stream.declare(&COLUMNS);
        let mut one = Self { topic, job, service, stream, rows: 0 };
        one.send();
        one.stream.wait_durable();
        one
    }

    /// Ten rows.
    fn send(&mut self) {
        self.stream.send(rows("w", self.rows..self.rows + 10, ""));
        self.rows += 10;
    }

    fn open(&self) -> Open {
        let (output, writer_id) = (self.topic.clone(), "w".to_owned());
        Open { output, writer_id, ..Open::default() }
    }
}

/// Rows that were acknowledged are not in a topic that was made anew: that is said, and nothing is
/// written until somebody decides.
#[test]
fn f16_a_topic_that_was_made_anew_is_never_taken_for_the_old_one() {
    let mut stage = enter();
    let make_anew = |stage: &mut Stage, topic: &str| {
        let admin = stage.cluster.admin();
        admin.delete_topic(topic);
        admin.create_topic(topic, 2, 3, &[]);
    };
    let none = |stage: &Stage, topic: &str| {
        let found = reader::topic(&stage.cluster.bootstrap(), topic).records();
        assert_eq!(found.len(), 0, "{topic}: {found:?}");
    };

    // While the service is away.
    let one = One::start(&mut stage, "f16-away", Promise::ExactlyOnce, "metadataRefresh: 1s");
    let (topic, open, job) = (one.topic.clone(), one.open(), one.job.clone());
    assert_eq!(one.service.terminate(DEADLINE).code, Some(0));
    make_anew(&mut stage, &topic);
    let service = Service::start(&job);
    let refused = Engine::connect(&service).try_open(open).unwrap_err();
    assert_eq!((refused.reason.as_str(), refused.may_be_written), ("TOPIC_REPLACED", false));
    none(&stage, &topic);

    // Under a writer that is open.
    let mut one = One::start(&mut stage, "f16-open", Promise::ExactlyOnce, "metadataRefresh: 1s");
    make_anew(&mut stage, &one.topic);
    one.send();
    let ended = loop {
        match one.stream.next(DEADLINE) {
            Some(Answer::Ended(ended)) => break ended.unwrap_err(),
            Some(Answer::Held(_) | Answer::Heartbeat) => {}
            other => panic!("a topic that was made anew is written to: {other:?}"),
        }
    };
    assert!(ended.message.contains("TOPIC_REPLACED"), "{ended:?}");
    let refused = Engine::connect(&one.service).try_open(one.open()).unwrap_err();
    assert_eq!(refused.reason, "TOPIC_REPLACED", "{refused:?}");
    none(&stage, &one.topic);
}

/// A broker comes back without the log of a partition that it alone had: what was acknowledged is
/// gone, and the topic is the same. The writer's engine hears of it, and nothing is written before
/// it has opened the writer again.
#[test]
fn f16_records_that_brokers_have_lost_are_told() {
    let mut stage = enter();
    let topic = unique_topic("lost");
    let admin = stage.cluster.admin();
    admin.create_topic(&topic, 1, 1, &[("min.insync.replicas", "1")]);
    let bootstrap = tests::proxy::addresses(&stage.ways);
    let job = job_of(&[output(&topic, &bootstrap, &topic, "guarantee: exactlyOnce")]);
    let service = Service::start(&job);
    let engine = Engine::connect(&service);
    let mut stream = engine.open(&topic, "w");
    stream.declare(&COLUMNS);
    stream.send(rows("w", 0..100, ""));
    stream.wait_durable();

    let leader = admin.leader(&topic, 0);
    stage.cluster.kill(leader);
    fs::remove_dir_all(stage.cluster.partition_dir(leader, &topic, 0)).unwrap();
    stage.cluster.start_again(leader);
    stage.cluster.admin().wait_in_sync(&topic);
    stream.send(rows("w", 100..110, ""));
    let ended = stream.wait_end().unwrap_err();
    println!("{}", ended.message);
    assert!(ended.message.contains("RECORDS_LOST"), "{ended:?}");
    // Markers of transactions that were taken back meanwhile take offsets, and are no rows.
    let (_, behind) = ended.message.split_once("goes on at offset ").expect("the offset is told");
    let offset: String = behind.chars().take_while(char::is_ascii_digit).collect();
    assert!(offset.parse::<u64>().unwrap() < 100, "{ended:?}");
    assert!(ended.message.contains("`ResetWriter`"), "what to do: {ended:?}");
    assert!(service.stderr().contains(r#""code":"RECORDS_LOST""#), "{}", service.stderr());
    let read = || reader::topic(&stage.cluster.bootstrap(), &topic).records();
    assert_eq!(read().len(), 0, "nothing of the batch that came upon it is committed");

    // Whoever has heard of it goes on.
    let mut stream = engine.open(&topic, "w");
    assert_eq!(stream.opened.resume_after, 1);
    stream.declare(&COLUMNS);
    stream.send(rows("w", 100..110, ""));
    stream.wait_durable();
    let sent = Sent { rows_gone: 100, ..Sent::whole("w", 110) };
    check::exactly(&read(), &[sent]);
}

/// Its writer waits while the topic is away, under either guarantee.
#[test]
fn f16_a_topic_that_is_missing_is_named() {
    let mut stage = enter();
    for promise in Promise::BOTH {
        let more = "metadataRefresh: 1s, topicMissingAfter: 1s";
        let mut one = One::start(&mut stage, "f16-missing", promise, more);
        stage.cluster.admin().delete_topic(&one.topic);
        one.send();
        let held = one.stream.wait_held("TOPIC_NOT_FOUND");
        assert!(held.reason.contains(&one.topic), "{promise:?}: {held:?}");
    }
}

/// The broker is the judge: the limit is lowered behind the service's back.
#[test]
fn f22_a_row_that_is_too_large_is_named_and_the_others_go() {
    let mut stage = enter();
    for promise in Promise::BOTH {
        let more = "errorPolicy: Drop, metadataRefresh: 10m";
        let mut one = One::start(&mut stage, "f22-drop", promise, more);
        stage.cluster.admin().set_topic_property(&one.topic, "max.message.bytes", "2000");
        let large = rows("large", 0..1, &"x".repeat(5_000));
        // It acts up to half a second later; until then it would be taken.
        wait_until("the limit acts", DEADLINE, || {
            let before = one.stream.rejected_total;
            one.stream.send(rows("probe", 0..1, &"x".repeat(5_000)));
            one.stream.wait_durable();
            one.stream.rejected_total > before
        });
        let before = one.stream.rejected_total;
        for _ in 0..times(3, 30) {
            let (first, second) = (one.rows..one.rows + 5, one.rows + 5..one.rows + 10);
            let batch = rows("w", first, "") + &large + &rows("w", second, "");
            one.stream.send(batch);
            one.rows += 10;
        }
        one.stream.wait_durable();
        assert_eq!(one.stream.rejected_total - before, times(3, 30), "{promise:?}");
        let rejected = one.stream.rejected.last().unwrap();
        assert_eq!((rejected.code.as_str(), rejected.row), ("ROW_TOO_LARGE", 5), "{rejected:?}");
        let bootstrap = stage.cluster.bootstrap();
        let mut records = reader::topic(&bootstrap, &one.topic).records();
        records.retain(|record| !record.text().contains(r#""w":"probe""#));
        check::exactly(&records, &[Sent::whole("w", one.rows)]);
    }
}

#[test]
fn f22_with_stop_a_row_that_is_too_large_waits_for_the_limit_to_be_raised() {
    let mut stage = enter();
    for promise in Promise::BOTH {
        let mut one = One::start(&mut stage, "f22-stop", promise, "metadataRefresh: 10m");
        let admin = stage.cluster.admin();
        admin.set_topic_property(&one.topic, "max.message.bytes", "300");
        let mut held = None;
        // It acts up to half a second later; until then it would be taken.
        wait_until("a row waits", DEADLINE, || {
            let pad = "x".repeat(400);
            one.stream.send(rows("w", one.rows..one.rows + 1, &pad));
            one.rows += 1;
            held = next_held(&mut one.stream);
            held.is_some()
        });
        let held = held.unwrap();
        assert_eq!(held.code, "ROW_TOO_LARGE", "{promise:?}: {held:?}");
        admin.set_topic_property(&one.topic, "max.message.bytes", "1048588");
        one.stream.wait_durable();
        one.send();
        one.stream.wait_durable();
        let records = reader::topic(&stage.cluster.bootstrap(), &one.topic).records();
        check::exactly(&records, &[Sent::whole("w", one.rows).filled_differently()]);
    }
}

/// Waits until what was sent is durable or is said to wait.
fn next_held(stream: &mut Stream) -> Option<proto::v1::Held> {
    loop {
        match stream.next(DEADLINE).expect("there is an answer") {
            Answer::Held(held) => return Some(held),
            Answer::Ack(_) if stream.durable_through == stream.sent => return None,
            Answer::Ended(end) => panic!("{end:?}"),
            _ => {}
        }
    }
}

#[test]
fn f23_a_quota_slows_writers_down_and_harms_nothing() {
    let mut stage = enter();
    let mut trial = Trial::start(&mut stage, "f23", &Plan::default());
    let admin = trial.stage.cluster.admin();
    admin.set_quota(Some(20_000));
    // What is throttled gets on, if slowly.
    trial.progress(times(300, 3_000));
    admin.set_quota(None);
    trial.goes_on("the quota is gone");
    assert_eq!(trial.streams_ended(), 0, "rows were slow");
    trial.finish();
}
