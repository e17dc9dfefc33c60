//! The service stops within its deadline, whatever writers and brokers do, and its exit code says
//! whether everything was settled.

use std::{
    io::Write as _,
    net::TcpStream,
    time::{Duration, Instant},
};

use proto::v1::OutputState;
use tests::{
    check,
    engine::{
        Engine, Failure, Stream,
        job::{OUTPUT, SHUTDOWN_TIMEOUT_S, job},
        load::{COLUMNS, Load, Pace, Sent, rows},
    },
    kafka::{Broker, BrokerOptions, shared_broker, unique_topic},
    process::Signal,
    reader,
    service::{Ended, Service},
    wait::{DEADLINE, wait_until},
};
use tonic::Code;

/// The longest a stop may take: the job's own time, and a second for the process.
const STOP_TIMEOUT: Duration = Duration::from_secs(SHUTDOWN_TIMEOUT_S + 1);
/// With nothing to wait for, a stop takes a fraction of this.
const AT_ONCE: Duration = Duration::from_secs(2);

const UNSETTLED: Option<i32> = Some(5);
const DONE: Option<i32> = Some(0);

fn start_ready(bootstrap: &str, topic: &str) -> (Service, Engine) {
    let service = Service::start(&job(bootstrap, topic, "metadataRefresh: 500ms"));
    let engine = Engine::connect(&service);
    engine.wait_ready(OUTPUT);
    (service, engine)
}

/// Sends a signal and waits for the end; how it ended and how long that took.
fn stop(mut service: Service, signal: Signal) -> (Ended, Duration) {
    let start = Instant::now();
    service.signal(signal);
    let ended = service.wait(STOP_TIMEOUT);
    (ended, start.elapsed())
}

/// Sends a batch of 100 rows and waits until the service has them on their way.
fn send_into_the_void(engine: &Engine) -> Stream {
    let mut stream = engine.open(OUTPUT, "void");
    stream.declare(&COLUMNS);
    stream.send(rows("void", 0..100, ""));
    engine.wait_output(OUTPUT, "has the rows", |output| output.records_in_flight == 100);
    stream
}

/// How many records a service that has ended says it gave up.
fn unsettled_records(ended: &Ended) -> u64 {
    let last = ended.stdout.lines().last().expect("the service says that it has stopped");
    let said: serde_json::Value = serde_json::from_str(last).expect("a line is JSON");
    assert_eq!(said["event"], "stopped", "{ended:?}");
    said["unsettled_records"].as_u64().expect("a number of records")
}

#[test]
fn an_idle_service_stops_at_once_on_sigterm_and_on_sigint() {
    let broker = shared_broker();
    let topic = unique_topic("idle");
    broker.admin().create_topic(&topic, 1, 1, &[]);
    for signal in [Signal::TERM, Signal::INT] {
        let (service, engine) = start_ready(&broker.bootstrap(), &topic);
        let mut idle = engine.open(OUTPUT, "idle");
        let (ended, took) = stop(service, signal);
        assert_eq!((ended.code, unsettled_records(&ended)), (DONE, 0), "{ended:?}");
        assert!(took < AT_ONCE, "{signal:?}: {took:?}");
        let failure = idle.wait_end().expect_err("the service says why the stream ends");
        let expected = (Code::Unavailable, "DRAINING", true);
        assert_eq!((failure.code, failure.reason.as_str(), failure.retry), expected);
    }
}

#[test]
fn under_load_writers_are_told_and_what_is_written_is_acknowledged() {
    let broker = shared_broker();
    let topic = unique_topic("loaded");
    broker.admin().create_topic(&topic, 3, 1, &[]);
    let (service, engine) = start_ready(&broker.bootstrap(), &topic);
    let pace = Pace { batch_rows: 100, pause: Duration::from_millis(5) };
    let start = |writer| Load::start(&engine, OUTPUT, writer, pace);
    let loads = ["a", "b", "c", "d"].map(start);
    for load in &loads {
        load.wait_progress(2_000);
    }

    let (ended, _) = stop(service, Signal::TERM);
    assert_eq!((ended.code, unsettled_records(&ended)), (DONE, 0), "{ended:?}");
    let sent = loads.map(Load::join);
    for Sent { writer, draining, end, .. } in &sent {
        let reason = |failure: &Failure| failure.reason.clone();
        assert!(draining, "{writer} was not told");
        assert_eq!(
            end.clone().map(|end| end.map_err(|e| reason(&e))),
            Some(Err("DRAINING".into()))
        );
    }
    let records = reader::topic(&broker.bootstrap(), &topic).records();
    check::exactly(&records, &sent);
    let durable: u64 = sent.iter().map(|sent| sent.rows_durable).sum();
    assert_eq!(records.len() as u64, durable, "what is written was acknowledged");
}

#[test]
fn clients_that_hang_hold_up_nobody() {
    let broker = shared_broker();
    let topic = unique_topic("hung");
    broker.admin().create_topic(&topic, 1, 1, &[]);
    let (service, engine) = start_ready(&broker.bootstrap(), &topic);
    // One that does not read: its answers stay where they are.
    let mut hung = engine.open(OUTPUT, "hung");
    hung.declare(&COLUMNS);
    for n in 0..200 {
        hung.send(rows("hung", n..n + 1, ""));
    }
    engine.wait_output(OUTPUT, "has stored the rows", |output| output.records_delivered == 200);
    // One that says nothing, and one that says hello in HTTP/2 and then nothing.
    let silent = TcpStream::connect(service.address()).expect("the service listens");
    let mut greeting = TcpStream::connect(service.address()).expect("the service listens");
    let hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    greeting.write_all(hello).expect("the service takes bytes");

    let (ended, took) = stop(service, Signal::TERM);
    assert_eq!((ended.code, unsettled_records(&ended)), (DONE, 0), "{ended:?}");
    println!("with three clients that hang: {took:?}");
    drop((silent, greeting));
    assert_eq!(reader::topic(&broker.bootstrap(), &topic).counts()[&0].records, 200);
}

#[test]
fn with_a_frozen_broker_it_stops_in_time_or_at_once_and_says_what_is_unsettled() {
    let mut broker = Broker::start(&BrokerOptions::default());
    let started = ["first", "second", "third"].map(|topic| {
        broker.admin().create_topic(topic, 1, 1, &[]);
        let (service, engine) = start_ready(&broker.bootstrap(), topic);
        // A row that passes: the connection that freezes is one that was in use.
        let mut stream = engine.open(OUTPUT, "before");
        stream.declare(&COLUMNS);
        stream.send(rows("before", 0..1, ""));
        stream.wait_durable();
        (service, engine)
    });
    broker.freeze();
    let [first, second, third] = started.map(|(service, engine)| {
        let stream = send_into_the_void(&engine);
        (service, stream)
    });

    let (service, mut stream) = first;
    let (ended, took) = stop(service, Signal::TERM);
    assert_eq!((ended.code, unsettled_records(&ended)), (UNSETTLED, 100), "{ended:?}");
    println!("with a frozen broker: {took:?}");
    let failure = stream.wait_end().expect_err("the writer is told");
    assert_eq!((failure.code, failure.may_be_written), (Code::Unavailable, true), "{failure:?}");

    for (signal, (mut service, _stream)) in [(Signal::TERM, second), (Signal::INT, third)] {
        service.signal(signal);
        wait_until("the service is stopping", DEADLINE, || service.stderr().contains("stopping"));
        let (ended, took) = stop(service, signal);
        assert_eq!(ended.code, UNSETTLED, "{ended:?}");
        assert!(took < AT_ONCE, "a second {signal:?}: {took:?}");
    }
}

#[test]
fn with_a_dead_broker_it_stops_in_time_and_says_what_is_unsettled() {
    let mut broker = Broker::start(&BrokerOptions::default());
    broker.admin().create_topic("dead", 1, 1, &[]);
    let (service, engine) = start_ready(&broker.bootstrap(), "dead");
    broker.kill();
    let mut stream = send_into_the_void(&engine);
    let (ended, took) = stop(service, Signal::TERM);
    assert_eq!((ended.code, unsettled_records(&ended)), (UNSETTLED, 100), "{ended:?}");
    println!("with a dead broker: {took:?}");
    let failure = stream.wait_end().expect_err("the writer is told");
    assert_eq!((failure.code, failure.may_be_written), (Code::Unavailable, true), "{failure:?}");
}

#[test]
fn rows_that_were_never_handed_to_kafka_are_surely_not_written() {
    let broker = shared_broker();
    let topic = unique_topic("made-too-late");
    let service = Service::start(&job(&broker.bootstrap(), &topic, ""));
    let engine = Engine::connect(&service);
    engine.wait_output(OUTPUT, "misses its topic", |output| {
        output.state() == OutputState::Unavailable && output.trouble_code == "TOPIC_NOT_FOUND"
    });
    let mut stream = engine.open(OUTPUT, "waiting");
    stream.declare(&COLUMNS);
    stream.send(rows("waiting", 0..10, ""));
    stream.wait_held("TOPIC_NOT_FOUND");

    // Nothing is in doubt: the writer hears that its batch is not durable, and the topic is empty.
    let (ended, _) = stop(service, Signal::TERM);
    assert_eq!((ended.code, unsettled_records(&ended)), (DONE, 0), "{ended:?}");
    let failure = stream.wait_end().expect_err("the writer is told");
    assert_eq!((failure.reason.as_str(), failure.retry), ("DRAINING", true), "{failure:?}");
    assert_eq!(stream.durable_through, 0);
    broker.admin().create_topic(&topic, 1, 1, &[]);
    assert_eq!(reader::topic(&broker.bootstrap(), &topic).records(), []);
}
