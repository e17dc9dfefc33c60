//! Two services that both live and have the same job, and two engines that both send one writer's
//! rows.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tests::{
    check::{
        self,
        invariants::{Promise, Seen, assert_none},
    },
    engine::{
        Answer, Engine, Stream,
        job::{job_of, output},
        load::{COLUMNS, Load, Pace, Sent, rows},
    },
    kafka::unique_topic,
    kafka_proxy::{Act, Api, Rule},
    reader,
    service::Service,
    stage::{enter, progress_key, stored_progress},
    wait::{DEADLINE, wait_until},
};

use super::times;

/// A balancer that has lost its mind, or an engine that runs twice: each opens the writer again as
/// soon as the other has taken it over.
#[test]
fn f13_two_services_fight_for_one_writer() {
    let mut stage = enter();
    let (topic, progress) = (unique_topic("f13-fight"), unique_topic("f13-fight-progress"));
    stage.cluster.admin().create_topic(&topic, 3, 3, &[]);
    let more = format!("guarantee: exactlyOnce, progress: {{ topic: {progress} }}");
    let job = job_of(&[output(&topic, &tests::proxy::addresses(&stage.ways), &topic, &more)]);
    let services = [Service::start(&job), Service::start(&job)];
    let bootstrap = stage.cluster.bootstrap();
    let pace = Pace { batch_rows: 10, pause: Duration::from_millis(5) };
    let start = |service: &Service| Load::start_rival(service.address(), &topic, "w", pace);
    let mut rivals = Vec::new();
    rivals.push(start(&services[0]));
    let following = reader::topic(&bootstrap, &topic).follow();
    rivals.push(start(&services[1]));
    for round in 0..times(2, 20) {
        let before: Vec<u64> = rivals.iter().map(Load::streams_ended).collect();
        let rows = rivals.iter().map(Load::rows_durable).max().unwrap();
        wait_until(&format!("round {round}: each is taken over twice"), DEADLINE, || {
            let ended = rivals.iter().zip(&before).all(|(load, n)| load.streams_ended() >= n + 2);
            ended && rivals.iter().any(|load| load.rows_durable() >= rows + 100)
        });
    }
    // One gives up, and the other has the writer for itself.
    let last = rivals.pop().unwrap();
    let first = rivals.pop().unwrap();
    let ended = [first.streams_ended(), last.streams_ended()];
    let given_up = first.stop();
    last.wait_progress(500);
    let sent = last.stop();
    println!("f13: {} rows, streams ended {ended:?}", sent.rows_durable);

    let both = Sent {
        rows_sent: sent.rows_sent.max(given_up.rows_sent),
        rows_durable: sent.rows_durable.max(given_up.rows_durable),
        unanswered: Vec::new(),
        ends: [given_up.ends, sent.ends].concat(),
        contradictions: [given_up.contradictions, sent.contradictions].concat(),
        ..sent
    };
    let stored = stored_progress(&bootstrap, &progress).get(&progress_key(&topic, "w")).copied();
    let seen = Seen {
        promise: Promise::ExactlyOnce,
        sent: vec![both],
        plain: reader::topic(&bootstrap, &topic).uncommitted().records(),
        committed: reader::topic(&bootstrap, &topic).records(),
        letters: Vec::new(),
        followed: Some(following.stop()),
        progress: BTreeMap::from_iter(stored.map(|sequence| ("w".to_owned(), sequence))),
        overtaken: BTreeSet::new(),
        may_end_with: BTreeSet::from(["TAKEN_OVER"]),
    };
    println!("f13: {} rows aborted", seen.aborted());
    assert_none("f13", &seen.findings());
}

/// The old service has seen that the writer is its own, and before it has opened it again, another
/// one has it, and has written what waits at the old one.
#[test]
fn f13_a_writer_that_moves_while_its_old_service_opens_it_again() {
    const PRODUCER_FENCED: i16 = 90;
    const CONCURRENT_TRANSACTIONS: i16 = 51;
    let mut stage = enter();
    let topic = unique_topic("f13-moves");
    stage.cluster.admin().create_topic(&topic, 3, 3, &[]);
    let bootstrap = stage.cluster.bootstrap();
    let job =
        |bootstrap: &str| job_of(&[output(&topic, bootstrap, &topic, "guarantee: exactlyOnce")]);
    let old = Service::start(&job(&tests::proxy::addresses(&stage.ways)));
    let send = |stream: &mut Stream, batch: u64| {
        assert_eq!(stream.send(rows("w", batch * 10..batch * 10 + 10, "")), batch + 1);
    };
    let mut stream = Engine::connect(&old).open(&topic, "w");
    stream.declare(&COLUMNS);
    send(&mut stream, 0);
    stream.wait_durable();

    let fenced = Rule::new(Api::AddPartitionsToTxn, Act::Refuse(PRODUCER_FENCED), 1);
    let held = Rule::new(Api::InitProducerId, Act::Refuse(CONCURRENT_TRANSACTIONS), u64::MAX);
    for way in &stage.kafka {
        way.obey(&fenced);
        way.obey(&held);
    }
    send(&mut stream, 1);
    wait_until("the old service opens the writer again", DEADLINE, || held.met() > 0);
    // They wait at the old service, and at the new one they are written.
    (2..20).for_each(|batch| send(&mut stream, batch));

    // Past the proxies.
    let new = Service::start(&job(&bootstrap));
    let mut moved = Engine::connect(&new).open(&topic, "w");
    assert_eq!(moved.opened.resume_after, 1);
    moved.declare(&COLUMNS);
    (1..40).for_each(|batch| send(&mut moved, batch));
    moved.wait_durable();

    held.end();
    let ended = loop {
        match stream.next(DEADLINE).expect("there is an answer") {
            Answer::Ended(ended) => break Some(ended),
            Answer::Ack(_) if stream.durable_through == stream.sent => break None,
            _ => {}
        }
    };
    check::exactly(&reader::topic(&bootstrap, &topic).records(), &[Sent::whole("w", 400)]);
    let reason = ended.expect("another one has the writer").unwrap_err().reason;
    assert_eq!(reason, "TAKEN_OVER");
}
