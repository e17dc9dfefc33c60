//! Kafka is away, in all the ways it can be: rows wait visibly, none is lost, and they go on by
//! themselves.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use proto::v1::OutputState;
use tests::{
    check,
    engine::{
        Engine,
        job::{OUTPUT, job},
        load::{COLUMNS, Load, Pace, Sent, rows},
    },
    kafka::{Broker, BrokerOptions, own_brokers, shared_broker, unique_topic},
    reader,
    service::{Service, ServiceOptions},
    wait::DEADLINE,
};

/// The name under which the health service tells whether rows pass.
const READINESS: &str = "kafkaoutput.v1.KafkaOutputService";

/// After an outage the first acknowledgement comes within 10 s; a busy machine takes three times
/// as long.
const RESUME_TIMEOUT: Duration = Duration::from_secs(30);

const STEADY: Pace = Pace { batch_rows: 50, pause: Duration::from_millis(20) };

#[test]
fn a_service_starts_without_its_broker_and_goes_on_when_it_comes() {
    let _own = own_brokers();
    let mut broker = Broker::start(&BrokerOptions::default());
    broker.admin().create_topic("late", 1, 1, &[]);
    broker.stop();

    let service = Service::start(&job(&broker.bootstrap(), "late", ""));
    let engine = Engine::connect(&service);
    assert!(engine.serving(""), "the process lives");
    assert!(!engine.serving(READINESS) && !engine.serving("output/out"), "rows do not pass");
    let mut stream = engine.open(OUTPUT, "early");
    stream.declare(&COLUMNS);
    stream.send(rows("early", 0..10, ""));
    let held = stream.wait_held("BROKER_UNREACHABLE");
    assert_eq!(held.sequence, 1);
    let output = engine.wait_output(OUTPUT, "says why rows wait", |output| {
        output.trouble_code == "BROKER_UNREACHABLE"
    });
    assert_eq!(output.state(), OutputState::Connecting);
    assert!(output.trouble.contains("bootstrapServers"), "says what to do: {}", output.trouble);

    broker.start_again();
    let start = Instant::now();
    stream.wait_durable();
    println!("the first acknowledgement came {:?} after the broker", start.elapsed());
    assert!(start.elapsed() < RESUME_TIMEOUT);
    let output = engine.wait_ready(OUTPUT);
    assert_eq!((output.partitions, output.trouble_code.as_str()), (1, ""));
    tests::wait::wait_until("the health service says so", DEADLINE, || {
        engine.serving(READINESS) && engine.serving("output/out")
    });
    let found = reader::topic(&broker.bootstrap(), "late").records();
    check::exactly(&found, &[Sent::whole("early", 10)]);
}

#[test]
fn rows_wait_for_a_missing_topic_and_go_on_when_it_is_made() {
    let broker = shared_broker();
    let topic = unique_topic("made-later");
    let service = Service::start(&job(&broker.bootstrap(), &topic, "metadataRefresh: 500ms"));
    let engine = Engine::connect(&service);
    let mut stream = engine.open(OUTPUT, "w");
    stream.declare(&COLUMNS);
    stream.send(rows("w", 0..10, ""));
    let held = stream.wait_held("TOPIC_NOT_FOUND");
    assert!(held.reason.contains(&topic), "names the topic: {}", held.reason);
    let output = engine.output(OUTPUT);
    assert_eq!((output.state(), output.partitions), (OutputState::Unavailable, 0));
    assert!(!engine.serving(READINESS));

    broker.admin().create_topic(&topic, 2, 1, &[]);
    stream.wait_durable();
    assert_eq!(engine.wait_ready(OUTPUT).partitions, 2);
    let found = reader::topic(&broker.bootstrap(), &topic).records();
    check::exactly(&found, &[Sent::whole("w", 10)]);
}

#[test]
fn nothing_is_lost_when_the_broker_dies_under_load_and_comes_back() {
    let _own = own_brokers();
    let mut broker = Broker::start(&BrokerOptions::default());
    broker.admin().create_topic("killed", 3, 1, &[]);
    let turns = "partitioning: { turn: { rows: 20 } }";
    let service = Service::start(&job(&broker.bootstrap(), "killed", turns));
    let engine = Engine::connect(&service);
    engine.wait_ready(OUTPUT);
    let loads = ["a", "b"].map(|writer| Load::start(&engine, OUTPUT, writer, STEADY));
    loads[0].wait_progress(1_000);

    broker.kill();
    engine.wait_output(OUTPUT, "is away", |output| output.state() == OutputState::Unavailable);
    broker.start_again();
    let resumed = loads.each_ref().map(|load| load.wait_progress(50));
    println!("acknowledgements came {resumed:?} after the broker");
    assert!(resumed.iter().all(|took| *took < RESUME_TIMEOUT), "{resumed:?}");
    engine.wait_ready(OUTPUT);
    loads[0].wait_progress(1_000);

    let sent = loads.map(Load::stop);
    sent.iter().for_each(Sent::assert_unbroken);
    check::exactly(&reader::topic(&broker.bootstrap(), "killed").records(), &sent);
}

#[test]
fn a_wrong_password_is_told_and_never_shown_and_the_right_one_works() {
    const RIGHT: &str = "right-canary-5d1f";
    const WRONG: &str = "wrong-canary-8a2c";
    let _own = own_brokers();
    let broker = Broker::start(&BrokerOptions::default().user("writer", RIGHT));
    broker.admin().create_topic("secured", 1, 1, &[]);
    let secured = |password: &str| {
        let login = format!("mechanism: PLAIN, username: writer, password: {password}");
        let more = format!("securityProtocol: SASL_PLAINTEXT, sasl: {{ {login} }}");
        job(&broker.sasl_bootstrap(), "secured", &more)
    };
    let with_env = secured("{ env: PASSWORD }");
    // Every word that the service and librdkafka have to say.
    let loud = ServiceOptions::default().env("KAFKA_OUTPUT_LOG", "debug,librdkafka=debug");

    let service = Service::start_with(&with_env, &loud.clone().env("PASSWORD", WRONG));
    let engine = Engine::connect(&service);
    let mut stream = engine.open(OUTPUT, "stranger");
    stream.declare(&COLUMNS);
    stream.send(rows("stranger", 0..1, ""));
    let held = stream.wait_held("PASSWORD_WRONG");
    assert!(held.reason.contains("Invalid username or password"), "{}", held.reason);
    let output = engine.wait_output(OUTPUT, "says that the login fails", |output| {
        output.trouble_code == "PASSWORD_WRONG"
    });
    assert!(output.trouble.contains("check user name and password"), "{}", output.trouble);
    assert_ne!(output.state(), OutputState::Ready);
    let told = format!("{held:?} {output:?}");
    let ended = service.terminate(DEADLINE);
    for text in [&told, &ended.stdout, &ended.stderr] {
        assert!(!text.contains("canary"), "the password is shown: {text}");
    }

    let dir = tests::cache::run_dir("secret-");
    let file = dir.path().join("password");
    fs::write(&file, format!("{RIGHT}\n")).expect("a new directory can be written");
    let with_file = secured(&format!("{{ file: '{}' }}", utf8(&file)));
    for (writer, job, options) in [
        ("by-env", &with_env, loud.clone().env("PASSWORD", RIGHT)),
        ("by-file", &with_file, loud.clone()),
    ] {
        let service = Service::start_with(job, &options);
        let mut stream = Engine::connect(&service).open(OUTPUT, writer);
        stream.declare(&COLUMNS);
        stream.send(rows(writer, 0..10, ""));
        stream.wait_durable();
        // Whatever is said later is said by now.
        thread::sleep(Duration::from_millis(100));
        let ended = service.terminate(DEADLINE);
        let said = ended.stdout + &ended.stderr;
        assert!(said.contains("ready") && !said.contains("canary"), "{said}");
    }
    let records = reader::topic(&broker.bootstrap(), "secured").records();
    let expected = ["by-env", "by-file"].map(|writer| Sent::whole(writer, 10));
    check::exactly(&records, &expected);
}

fn utf8(path: &Path) -> &str {
    path.to_str().expect("a test's directory is UTF-8")
}
