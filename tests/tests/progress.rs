//! How far writers have come outlives the service, at least once as well, and can be forgotten.

use std::time::Duration;

use proto::v1::{Batch, WriteOnceRequest, batch::Rows};
use tests::{
    check,
    engine::{
        Engine,
        job::{job_of, output},
        load::{COLUMNS, Sent, rows},
        once::schema,
    },
    kafka::{
        Broker, BrokerOptions, Listener, Mechanism, SecureBrokers, SecureOptions, own_brokers,
        shared_broker, unique_topic,
    },
    process::Signal,
    proxy::Proxy,
    reader,
    service::{Service, ServiceOptions},
    wait::{DEADLINE, wait_until},
};

fn job_into(topic: &str, more: &str) -> String {
    let broker = shared_broker();
    broker.admin().create_topic(topic, 2, 1, &[]);
    job_of(&[output(topic, &broker.bootstrap(), topic, more)])
}

fn write(engine: &Engine, topic: &str, batches: std::ops::Range<u64>) {
    let mut stream = engine.open(topic, "w");
    assert_eq!(stream.opened.resume_after, batches.start);
    stream.declare(&COLUMNS);
    for batch in batches {
        stream.send(rows("w", batch * 10..(batch + 1) * 10, ""));
    }
    stream.wait_durable();
}

/// The engine says nothing of what it holds acknowledged, and the service is killed: what is stored
/// by then decides, and it is stored about a second after the rows.
#[test]
fn a_writer_goes_on_after_what_was_stored_when_the_service_is_killed() {
    let topic = unique_topic("killed");
    let job = job_into(&topic, "");
    let service = Service::start(&job);
    let engine = Engine::connect(&service);
    write(&engine, &topic, 0..20);
    let looker = Service::start(&job);
    let looks = Engine::connect(&looker);
    wait_until("the progress is stored", DEADLINE, || {
        looks.writer(&topic, "w").durable_through == 20
    });
    service.kill();
    let service = Service::start(&job);
    write(&Engine::connect(&service), &topic, 20..30);
    let records = reader::topic(&shared_broker().bootstrap(), &topic).records();
    check::exactly(&records, &[Sent::whole("w", 300)]);
}

/// How a stream ends.
#[derive(Clone, Copy, Debug)]
enum Ends {
    /// Its engine closes it.
    Closed,
    /// Its connection is of age.
    Aged,
    /// The service stops.
    Stopped,
}

/// A stream that ends in order leaves nothing unstored behind, so that its writer may come to another
/// replica at once, whatever its engine remembers.
#[test]
fn a_writer_goes_on_elsewhere_after_all_that_a_stream_wrote_that_ended_in_order() {
    let topic = unique_topic("elsewhere");
    let broker = shared_broker();
    broker.admin().create_topic(&topic, 2, 1, &[]);
    let job = job_of(&[output(&topic, &broker.bootstrap(), &topic, "")]);
    let aged = job.replace("'127.0.0.1:0'", "'127.0.0.1:0', connectionAge: 1s");
    let mut written = 0;
    for (ends, rounds) in [(Ends::Closed, 10), (Ends::Aged, 4), (Ends::Stopped, 4)] {
        let job = if let Ends::Aged = ends { &aged } else { &job };
        let mut replicas: Vec<_> = (0..2).map(|_| Service::start(job)).collect();
        for round in 0..rounds {
            let mut stream = Engine::connect(&replicas[round % 2]).open(&topic, "w");
            assert_eq!(stream.opened.resume_after, written, "{ends:?}, round {round}");
            stream.declare(&COLUMNS);
            stream.send(rows("w", written * 10..(written + 1) * 10, ""));
            stream.wait_durable();
            written += 1;
            if let Ends::Stopped = ends {
                replicas[round % 2].signal(Signal::TERM);
            }
            let end = if let Ends::Closed = ends { stream.close() } else { stream.wait_end() };
            let reason = end.err().map(|failure| failure.reason);
            let expected = if let Ends::Closed = ends { None } else { Some("DRAINING") };
            assert_eq!(reason.as_deref(), expected, "{ends:?}, round {round}");
            if let Ends::Stopped = ends {
                replicas[round % 2] = Service::start(job);
            }
        }
    }
    let records = reader::topic(&broker.bootstrap(), &topic).records();
    check::exactly(&records, &[Sent::whole("w", written * 10)]);
}

#[test]
fn a_service_that_stops_stores_all_of_it_and_a_writer_can_be_forgotten_for_good() {
    for guarantee in ["atLeastOnce", "exactlyOnce"] {
        let topic = unique_topic("stopped");
        let job = job_into(&topic, &format!("guarantee: {guarantee}"));
        for round in 0..3 {
            let service = Service::start(&job);
            write(&Engine::connect(&service), &topic, round * 5..(round + 1) * 5);
            let ended = service.terminate(DEADLINE);
            assert_eq!(ended.code, Some(0), "{}", ended.stderr);
            assert!(!ended.stderr.contains("is not stored"), "{}", ended.stderr);
        }
        let service = Service::start(&job);
        let engine = Engine::connect(&service);
        assert_eq!(engine.writer(&topic, "w").durable_through, 15, "{guarantee}");
        assert!(!engine.writer(&topic, "nobody").known);
        assert!(engine.reset_writer(&topic, "w").unwrap());
        assert_eq!(engine.open(&topic, "w").opened.resume_after, 0, "{guarantee}");
        drop(service);
        let service = Service::start(&job);
        let engine = Engine::connect(&service);
        assert_eq!(engine.open(&topic, "w").opened.resume_after, 0, "{guarantee}, later");
    }
}

/// Without the right to the progress topic rows are written all the same, and the log says what that
/// means, once.
#[test]
fn without_a_progress_topic_rows_are_written_and_that_is_told() {
    let _own = own_brokers();
    let brokers = SecureBrokers::start(&SecureOptions::default());
    brokers.set_password(Mechanism::ScramSha256, "poor", "password");
    brokers.create_topic("t", 2, "poor");
    let keys = "securityProtocol: SASL_PLAINTEXT, sasl: { mechanism: SCRAM-SHA-256, username: \
                poor, password: { env: POOR } }";
    let job = job_of(&[output("t", &brokers.bootstrap(Listener::SaslPlaintext), "t", keys)]);
    let options = ServiceOptions::default().env("POOR", "password");
    let service = Service::start_with(&job, &options);
    let engine = Engine::connect(&service);
    write(&engine, "t", 0..5);
    wait_until("it is told", DEADLINE, || service.stderr().contains("PROGRESS_NOT_AUTHORIZED"));
    write(&engine, "t", 5..10);
    let records = reader::topic(&brokers.bootstrap(Listener::Plaintext), "t").records();
    check::exactly(&records, &[Sent::whole("w", 100)]);
}

/// What was stored of rows that are gone with their topic counts no more: none of them is taken for
/// written. While there is no topic at all, too.
#[test]
fn a_topic_that_was_made_anew_has_no_row_of_its_writers_yet() {
    let admin = shared_broker().admin();
    for is_missing in [false, true] {
        let topic = unique_topic("anew");
        let job = job_into(&topic, "metadataRefresh: 1s, topicMissingAfter: 1s");
        let service = Service::start(&job);
        write(&Engine::connect(&service), &topic, 0..20);
        assert_eq!(service.terminate(DEADLINE).code, Some(0));
        admin.delete_topic(&topic);
        if !is_missing {
            admin.create_topic(&topic, 2, 1, &[]);
        }
        let service = Service::start(&job);
        let engine = Engine::connect(&service);
        let mut stream = engine.open(&topic, "w");
        assert_eq!(stream.opened.resume_after, 0, "the topic is missing: {is_missing}");
        let told = service.stderr();
        assert!(told.contains(r#""code":"TOPIC_REPLACED""#) && told.contains(&topic), "{told}");
        if is_missing {
            admin.create_topic(&topic, 2, 1, &[]);
        }
        stream.declare(&COLUMNS);
        for batch in 0..5 {
            stream.send(rows("w", batch * 10..(batch + 1) * 10, ""));
        }
        stream.wait_durable();
        assert_eq!(service.terminate(DEADLINE).code, Some(0));

        // What is stored since then counts again, although its numbers are lower.
        let service = Service::start(&job);
        write(&Engine::connect(&service), &topic, 5..7);
        let records = reader::topic(&shared_broker().bootstrap(), &topic).records();
        check::exactly(&records, &[Sent::whole("w", 70)]);
    }
}

/// A batch of ten rows in a call of its own.
fn once(topic: &str, sequence: u64) -> WriteOnceRequest {
    let lines = rows("w", (sequence - 1) * 10..sequence * 10, "");
    let rows = Some(Rows::JsonLines(lines.into()));
    WriteOnceRequest {
        output: topic.to_owned(),
        writer_id: Some("w".to_owned()),
        schema: Some(schema(&COLUMNS)),
        batch: Some(Batch { sequence, rows, ..Batch::default() }),
        ..WriteOnceRequest::default()
    }
}

/// Long enough for a service to find out that nobody tells how far a writer has come.
const BRIEF: Duration = Duration::from_secs(6);

#[test]
fn calls_of_a_writer_go_on_where_it_was_and_tell_the_truth_while_kafka_is_away() {
    let _own = own_brokers();
    let way = Proxy::start();
    let broker = Broker::start_behind(&way, &BrokerOptions::default());
    broker.admin().create_topic("t", 1, 1, &[]);
    let job = job_of(&[output("t", &way.address().to_string(), "t", "socketTimeout: 1s")]);
    let start = || {
        let service = Service::start(&job);
        let engine = Engine::connect(&service);
        (service, engine)
    };
    let (service, engine) = start();
    for sequence in 1..=3 {
        let answer = engine.write_once(once("t", sequence), DEADLINE).unwrap();
        assert_eq!((answer.durable_through, answer.already_durable), (Some(sequence), false));
    }
    assert_eq!(service.terminate(DEADLINE).code, Some(0));

    // Another process goes on where that one was.
    let (service, engine) = start();
    engine.wait_ready("t");
    let answer = engine.write_once(once("t", 3), DEADLINE).unwrap();
    assert_eq!((answer.durable_through, answer.already_durable), (Some(3), true));
    let gap = engine.write_once(once("t", 5), DEADLINE).unwrap_err();
    assert_eq!(gap.reason, "SEQUENCE_GAP", "{gap:?}");
    assert!(gap.message.contains("4 is next"), "{gap:?}");
    engine.write_once(once("t", 4), DEADLINE).unwrap();

    // Its rows are on their way when the call's time is over: they may be written, and are, once.
    way.unplug();
    let late = engine.write_once(once("t", 5), BRIEF).unwrap_err();
    assert_eq!((late.reason.as_str(), late.may_be_written), ("BATCH_TIMEOUT", true), "{late:?}");
    let busy = engine.write_once(once("t", 5), BRIEF).unwrap_err();
    assert_eq!((busy.reason.as_str(), busy.retry), ("WRITER_BUSY", true), "{busy:?}");
    way.heal();
    way.reset();
    wait_until("the batch is settled", DEADLINE, || engine.writer("t", "w").durable_through == 5);
    let again = engine.write_once(once("t", 5), DEADLINE).unwrap();
    assert!(again.already_durable, "{again:?}");
    assert_eq!(service.terminate(DEADLINE).code, Some(0));

    // Nobody tells how far the writer has come: neither is a batch next that is not, nor is
    // anything written.
    way.unplug();
    let (service, engine) = start();
    let unknown = engine.write_once(once("t", 6), BRIEF).unwrap_err();
    println!("{}: {}", unknown.reason, unknown.message);
    assert!(unknown.retry && !unknown.may_be_written, "{unknown:?}");
    assert_ne!(unknown.reason, "SEQUENCE_GAP", "{unknown:?}");
    way.heal();
    way.reset();
    engine.wait_ready("t");
    let answer = engine.write_once(once("t", 6), DEADLINE).unwrap();
    assert_eq!((answer.durable_through, answer.already_durable), (Some(6), false));
    assert_eq!(service.terminate(DEADLINE).code, Some(0));
    let records = reader::topic(&broker.bootstrap(), "t").records();
    check::exactly(&records, &[Sent::whole("w", 60)]);
}
