//! Letters and faults: a topic that is away holds the batch, visibly, and loses nothing.
use std::{collections::BTreeSet, thread, time::Duration};

use tests::{
    engine::{
        Answer, Engine,
        job::{job_of, output},
    },
    kafka::{Listener, PASSWORD, Right, USER, shared_secure, unique_topic},
    service::Service,
    wait::DEADLINE,
};

use super::{World, letters, lines, open};

#[test]
fn a_batch_waits_for_the_topic_of_its_letters() {
    for guarantee in ["atLeastOnce", "exactlyOnce"] {
        let more = format!("guarantee: {guarantee}");
        let world = World::without_letters("waits", &[], &more);
        let (service, engine) = world.start();
        let mut stream = open(&engine, &world.topic);
        stream.send(lines(1, 4, 100));
        stream.wait_durable();
        stream.send(lines(5, 10, 5));
        let held = stream.wait_held("TOPIC_NOT_FOUND");
        assert_eq!(held.sequence, 2);
        assert!(held.reason.contains(&world.letters), "names the topic: {}", held.reason);
        assert_eq!(stream.durable_through, 1);
        world.create_letters();
        stream.wait_durable();
        let places: Vec<_> = world.letters().iter().map(letters::Letter::place).collect();
        assert_eq!(places, [(2, 0), (2, 5)], "{guarantee}");
        assert_eq!(world.records().len(), 12);
        let ended = service.terminate(DEADLINE);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }
}

/// The others are undisturbed meanwhile: another output without letters, and another writer of the
/// same output whose rows are good.
#[test]
fn a_batch_waits_for_the_right_to_write_its_letters() {
    for guarantee in ["atLeastOnce", "exactlyOnce"] {
        let brokers = shared_secure();
        let (topic, letter_topic) = (unique_topic("rights"), unique_topic("letters"));
        brokers.create_topic(&topic, 1, USER);
        brokers.create_topic(&letter_topic, 1, USER);
        brokers.disallow(USER, Right::Write(&letter_topic));
        let progress = format!("{topic}-progress");
        brokers.create_topic(&progress, 16, USER);
        brokers.allow(USER, Right::Read(&progress));
        brokers.allow(USER, Right::Transactions("kafka-output."));
        let bootstrap = brokers.bootstrap(Listener::SaslPlaintext);
        let login = format!(
            "guarantee: {guarantee}, progress: {{ topic: {progress} }}, \
             securityProtocol: SASL_PLAINTEXT, \
             sasl: {{ mechanism: PLAIN, username: {USER}, password: {{ env: LETTERS_PASSWORD }} }}"
        );
        let more =
            format!("errorPolicy: DeadLetter, deadLetter: {{ topic: {letter_topic} }}, {login}");
        let options = tests::service::ServiceOptions::default().env("LETTERS_PASSWORD", PASSWORD);
        let job = job_of(&[output(&topic, &bootstrap, &topic, &more)]);
        let service = Service::start_with(&job, &options);
        let engine = Engine::connect(&service);
        engine.wait_ready(&topic);
        let mut stream = open(&engine, &topic);
        stream.send(lines(1, 10, 5));
        let held = stream.wait_held("TOPIC_NOT_AUTHORIZED");
        assert!(held.reason.contains(&letter_topic), "{guarantee}: {}", held.reason);
        let mut other = engine.open(&topic, "good");
        other.declare(&[("n", proto::v1::Primitive::Int64), ("f", proto::v1::Primitive::Float64)]);
        other.send(lines(11, 4, 100));
        other.wait_durable();
        assert_eq!(stream.durable_through, 0, "{guarantee}");
        brokers.allow(USER, Right::Write(&letter_topic));
        stream.wait_durable();
        let plain = brokers.bootstrap(Listener::Plaintext);
        let letters = letters::read(&plain, &letter_topic, &topic, &topic);
        let places = letters.iter().map(letters::Letter::place).collect::<Vec<_>>();
        assert_eq!(places, [(1, 4), (1, 9)], "{guarantee}");
        let records = tests::reader::topic(&plain, &topic).records();
        assert_eq!(records.len(), 12, "{guarantee}: each good row once");
    }
}

/// `check` says which topic is missing, and what to do.
#[test]
fn check_names_a_topic_of_letters_that_is_not_there() {
    let world = World::without_letters("checked", &[], "");
    let dir = tests::cache::run_dir("check-");
    std::fs::write(dir.path().join("job.yaml"), &world.job).unwrap();
    let check = || {
        let mut command = std::process::Command::new(tests::service::program());
        let output = command.args(["check", "job.yaml"]).current_dir(dir.path()).output().unwrap();
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr)
    };
    let said = check();
    let line = said.lines().position(|line| line.contains("topic of dead letters"));
    let told = said.lines().skip(line.unwrap_or_else(|| panic!("{said}"))).take(4);
    let told = told.collect::<Vec<_>>().join("\n");
    assert!(told.contains("TOPIC_NOT_FOUND") && told.contains(&world.letters), "{said}");
    assert!(told.contains("Create the topic"), "{said}");
    world.create_letters();
    assert!(!check().contains("TOPIC_NOT_FOUND"));
}

/// What waits for its letters when the service stops is not durable, and is told so.
#[test]
fn letters_that_wait_when_the_service_stops_are_not_lost_in_silence() {
    let world = World::without_letters("stops", &[], "");
    let (service, engine) = world.start();
    let mut stream = open(&engine, &world.topic);
    stream.send(lines(1, 10, 5));
    stream.wait_held("TOPIC_NOT_FOUND");
    let ended = service.terminate(DEADLINE);
    assert_eq!(ended.code, Some(5), "not all is settled: {}", ended.stderr);
    assert_eq!(stream.durable_through, 0);

    world.create_letters();
    let (_service, engine) = world.start();
    let mut stream = open(&engine, &world.topic);
    stream.send(lines(1, 10, 5));
    stream.wait_durable();
    let places: BTreeSet<_> = world.letters().iter().map(letters::Letter::place).collect();
    assert_eq!(places, BTreeSet::from([(1, 4), (1, 9)]));
}

/// Sends batches of ten rows, of which the last is bad, and kills the service again and again.
/// Returns how many batches were sent.
fn send_and_kill(world: &World) -> u64 {
    const KILLS: u64 = 6;
    const BATCHES: u64 = 40;
    let (mut service, mut engine) = world.start();
    let mut stream = open(&engine, &world.topic);
    for kill in 1..=KILLS {
        while stream.durable_through < kill * BATCHES / KILLS {
            if stream.sent < stream.durable_through + 4 {
                stream.send(lines(stream.sent * 10 + 1, 10, 10));
            }
            let answer = stream.next(DEADLINE).expect("batches are acknowledged");
            assert!(!matches!(answer, Answer::Ended(_)), "{answer:?}");
        }
        thread::sleep(Duration::from_millis(kill * 3));
        service.kill();
        let durable = stream.durable_through;
        (service, engine) = world.start();
        let open_again = proto::v1::Open {
            output: world.topic.clone(),
            writer_id: "w".to_owned(),
            acknowledged: Some(durable),
            ..proto::v1::Open::default()
        };
        stream = engine.try_open(open_again).unwrap();
        assert!(stream.opened.resume_after >= durable);
        stream.declare(&[("n", proto::v1::Primitive::Int64), ("f", proto::v1::Primitive::Float64)]);
    }
    while stream.sent < BATCHES {
        stream.send(lines(stream.sent * 10 + 1, 10, 10));
    }
    stream.wait_durable();
    stream.sent
}

#[test]
fn every_bad_row_has_a_letter_however_often_the_service_is_killed() {
    let world = World::new("killed", &[], "");
    let batches = send_and_kill(&world);
    let letters = world.letters();
    let places: BTreeSet<_> = letters.iter().map(letters::Letter::place).collect();
    assert_eq!(places, (1..=batches).map(|batch| (batch, 9)).collect());
    println!("{} letters of {batches} bad rows", letters.len());
}

#[test]
fn every_bad_row_has_one_letter_exactly_once() {
    let world = World::new("once", &[], "guarantee: exactlyOnce");
    let batches = send_and_kill(&world);
    let places: Vec<_> = world.letters().iter().map(letters::Letter::place).collect();
    assert_eq!(places, (1..=batches).map(|batch| (batch, 9)).collect::<Vec<_>>());
    let mut numbers: Vec<u64> = world
        .records()
        .iter()
        .map(|text| serde_json::from_str::<serde_json::Value>(text).unwrap()["n"].as_u64().unwrap())
        .collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq((1..=batches * 10).filter(|n| n % 10 != 0)));
}
