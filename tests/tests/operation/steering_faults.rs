//! Changes to a service where something is in the way: a pause, Kafka that is away, a vault that has
//! nothing, the end of the service.

use std::time::Duration;

use rustix::process::Signal;
use tests::{
    azure::Azure,
    check,
    engine::{
        Engine,
        job::{OUTPUT, job, job_of, output, with_admin},
        load::{COLUMNS, Load, bad_row},
    },
    kafka::{Broker, BrokerOptions, own_brokers, shared_broker, unique_topic},
    proxy::Proxy,
    reader,
    service::{Service, ServiceOptions},
    wait::{DEADLINE, wait_until},
};

use super::steering::{PACE, configuration, operate, rewrite};

fn records(topic: &str) -> usize {
    reader::topic(&shared_broker().bootstrap(), topic).records().len()
}

#[test]
fn what_is_paused_stays_out_of_kafka_when_it_is_drained_or_changed() {
    let (broker, topic) = (shared_broker(), unique_topic("held"));
    broker.admin().create_topic(&topic, 2, 1, &[]);
    let job = |more: &str| with_admin(&job(&broker.bootstrap(), &topic, more));
    let mut service = Service::start(&job(""));
    Engine::connect(&service).wait_ready(OUTPUT);
    let load = Load::start_lasting(service.address(), OUTPUT, "w", PACE);
    load.wait_progress(100);
    assert_eq!(operate(&service, &["pause", OUTPUT]).0, 0);
    let admin = service.admin();
    let is_settled = || {
        load.held().as_deref() == Some("OUTPUT_PAUSED")
            && admin.output(OUTPUT)["recordsInFlight"] == 0
    };
    wait_until("what was on its way is settled", DEADLINE, is_settled);
    let before = records(&topic);

    rewrite(&service, &job("compression: { type: Gzip }"));
    service.signal(Signal::HUP);
    wait_until("it is changed", DEADLINE, || configuration(&admin)["generation"] == 2);
    assert_eq!(admin.output(OUTPUT)["setting"], "Paused", "a pause goes through a reload");
    assert!(load.streams_ended() >= 1);
    assert_eq!(records(&topic), before, "rows that waited were not let in");
    wait_until("the writer is back, and waits", DEADLINE, is_settled);
    let (code, told, _) = operate(&service, &["drain", OUTPUT]);
    assert!(code == 0 && told.contains("0 streams are left, 0 records"), "{told}");
    assert_eq!(records(&topic), before);
    assert_eq!(operate(&service, &["resume", OUTPUT]).0, 0);
    load.wait_progress(1_000);
    let sent = load.stop();
    check::exactly(&reader::topic(&broker.bootstrap(), &topic).records(), &[sent]);
    // Rows that wait hold up no stop.
    let load = Load::start_lasting(service.address(), OUTPUT, "v", PACE);
    load.wait_progress(100);
    assert_eq!(operate(&service, &["pause", OUTPUT]).0, 0);
    wait_until("its rows wait", DEADLINE, || load.held().as_deref() == Some("OUTPUT_PAUSED"));
    assert_eq!(service.terminate(DEADLINE).code, Some(0));
}

#[test]
fn a_pause_keeps_dead_letters_back_as_well() {
    let (broker, topic) = (shared_broker(), unique_topic("held-letters"));
    let letters = format!("{topic}.letters");
    for name in [&topic, &letters] {
        broker.admin().create_topic(name, 1, 1, &[]);
    }
    let more = format!("errorPolicy: DeadLetter, deadLetter: {{ topic: {letters} }}");
    let service = Service::start(&with_admin(&job(&broker.bootstrap(), &topic, &more)));
    let engine = Engine::connect(&service);
    engine.wait_ready(OUTPUT);
    assert_eq!(operate(&service, &["pause", OUTPUT]).0, 0);
    let mut stream = engine.open(OUTPUT, "w");
    stream.declare(&COLUMNS);
    stream.send(bad_row("w", 0));
    stream.wait_held("OUTPUT_PAUSED");
    assert_eq!(records(&letters), 0);
    assert_eq!(operate(&service, &["resume", OUTPUT]).0, 0);
    stream.wait_durable();
    assert_eq!((records(&letters), records(&topic)), (1, 0));
}

#[test]
fn an_output_whose_writers_could_not_come_back_is_not_changed() {
    let once = |topic: &str| output(OUTPUT, "127.0.0.1:9", topic, "guarantee: exactlyOnce");
    let service = Service::start(&with_admin(&job_of(&[once("one")])));
    rewrite(&service, &with_admin(&job_of(&[once("another")])));
    let (code, _, told) = operate(&service, &["reload"]);
    assert!(code == 6 && told.contains("RELOAD_NEEDS_RESTART"), "{told}");
    assert!(told.contains("output `out`") && told.contains("another alias"), "{told}");
    assert_eq!(service.admin().output(OUTPUT)["topic"], "one");
}

/// What a vault does not give keeps an output from being replaced.
#[test]
fn a_vault_that_has_no_such_secret_changes_nothing() {
    let _own = own_brokers();
    let azure = Azure::start();
    azure.vault("kv1").set("right", "a-password");
    let broker = Broker::start(&BrokerOptions::default().user("writer", "a-password"));
    broker.admin().create_topic("vaulted", 1, 1, &[]);
    let job = |secret: &str| {
        let more = format!(
            "securityProtocol: SASL_PLAINTEXT, sasl: {{ mechanism: PLAIN, username: writer, \
             password: {{ secret: {secret} }} }}"
        );
        let outputs = [output(OUTPUT, &broker.sasl_bootstrap(), "vaulted", &more)];
        let azure = "identity: { type: systemAssigned }\nvault: https://kv1.vault.azure.net\n";
        format!("{azure}{}", with_admin(&job_of(&outputs)))
    };
    let environment = azure.environment();
    let options = environment
        .iter()
        .fold(ServiceOptions::default(), |options, (name, value)| options.env(name, value));
    let service = Service::start_with(&job("right"), &options.arg("--no-watch"));
    let engine = Engine::connect(&service);
    engine.wait_ready(OUTPUT);
    let load = Load::start(&engine, OUTPUT, "w", PACE);
    load.wait_progress(100);
    rewrite(&service, &job("wrong"));
    let (code, _, told) = operate(&service, &["reload"]);
    assert!(code == 6 && told.contains("RELOAD_REFUSED") && told.contains("wrong"), "{told}");
    // It is there now.
    azure.vault("kv1").set("wrong", "a-password");
    load.wait_progress(100);
    assert_eq!(load.streams_ended(), 0);
    assert_eq!(operate(&service, &["reload"]).0, 0);
    load.join();
    engine.wait_ready(OUTPUT);
}

/// The end of the service finds an output that is being replaced and cannot settle.
#[test]
fn the_service_ends_in_the_middle_of_a_change_and_says_what_is_unsettled() {
    let way = Proxy::start();
    let _own = own_brokers();
    let broker = Broker::start_behind(&way, &BrokerOptions::default());
    broker.admin().create_topic("away", 1, 1, &[]);
    let job = |more: &str| {
        let away = output(OUTPUT, &way.address().to_string(), "away", more);
        with_admin(&job_of(&[away])).replace("shutdownTimeout: 5s", "shutdownTimeout: 8s")
    };
    let options = ServiceOptions::default().arg("--no-watch");
    let mut service = Service::start_with(&job(""), &options);
    let engine = Engine::connect(&service);
    engine.wait_ready(OUTPUT);
    let load = Load::start(&engine, OUTPUT, "w", PACE);
    load.wait_progress(100);
    way.unplug();
    wait_until("rows wait", DEADLINE, || load.held().is_some());
    rewrite(&service, &job("compression: { type: Gzip }"));
    service.signal(Signal::HUP);
    let admin = service.admin();
    wait_until("it ends", DEADLINE, || admin.output(OUTPUT)["setting"] == "Drained");
    let (code, _, told) = operate(&service, &["resume", OUTPUT]);
    assert!(code == 6 && told.contains("is being changed"), "{told}");
    let start = std::time::Instant::now();
    let ended = service.terminate(DEADLINE);
    assert_eq!(ended.code, Some(5), "rows may be written: {}", ended.stderr);
    assert!(start.elapsed() < Duration::from_secs(3 * 8), "{:?}", start.elapsed());
    way.heal();
}
