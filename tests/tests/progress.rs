//! How far writers have come outlives the service, at least once as well, and can be forgotten.

use tests::{
    check,
    engine::{
        Engine,
        job::{job_of, output},
        load::{COLUMNS, Sent, rows},
    },
    kafka::{
        Listener, Mechanism, SecureBrokers, SecureOptions, own_brokers, shared_broker, unique_topic,
    },
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
