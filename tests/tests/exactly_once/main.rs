//! `guarantee: exactlyOnce`: every row is there once for readers of what is committed, whatever dies
//! in between, and whoever else opens the writer.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod many;
mod rights;
mod rows;

use std::{thread, time::Duration};

use proto::v1::{Guarantee, Open};
use tests::{
    check,
    engine::{
        Engine,
        job::{job_of, output},
        load::{COLUMNS, Load, Pace, Sent, rows},
    },
    is_long,
    kafka::{shared_broker, unique_topic},
    proxy::Proxy,
    reader,
    service::Service,
    wait::DEADLINE,
};

const PARTITIONS: i32 = 3;
const PACE: Pace = Pace { batch_rows: 50, pause: Duration::from_millis(5) };

/// A topic, and a job that writes into it exactly once.
fn job_into(topic: &str, more: &str) -> String {
    let broker = shared_broker();
    broker.admin().create_topic(topic, PARTITIONS, 1, &[]);
    // Its alias is part of what is stored of its writers, and the broker is not ours alone.
    let more = format!("guarantee: exactlyOnce, {more}");
    job_of(&[output(topic, &broker.bootstrap(), topic, &more)])
}

fn committed(topic: &str) -> Vec<reader::Record> {
    reader::topic(&shared_broker().bootstrap(), topic).records()
}

#[test]
fn a_writer_goes_on_where_it_was_after_a_restart() {
    let topic = unique_topic("restart");
    let job = job_into(&topic, "");
    let service = Service::start(&job);
    let engine = Engine::connect(&service);
    let mut stream = engine.open(&topic, "w");
    assert_eq!(stream.opened.guarantee(), Guarantee::ExactlyOnce);
    assert_eq!(stream.opened.resume_after, 0);
    stream.declare(&COLUMNS);
    for batch in 0..10 {
        stream.send(rows("w", batch * 10..(batch + 1) * 10, ""));
    }
    stream.wait_durable();
    let ended = service.terminate(DEADLINE);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);

    let service = Service::start(&job);
    let engine = Engine::connect(&service);
    let mut stream = engine.open(&topic, "w");
    assert_eq!(stream.opened.resume_after, 10);
    assert_eq!(stream.opened.maybe_written_through, Some(10));
    stream.declare(&COLUMNS);
    stream.send(rows("w", 100..110, ""));
    stream.wait_durable();
    assert_eq!(engine.open(&topic, "another").opened.resume_after, 0);
    check::exactly(&committed(&topic), &[Sent::whole("w", 110)]);

    // What is known to be written and is not stored is never followed in silence.
    let open = Open {
        output: topic.clone(),
        writer_id: "w".to_owned(),
        acknowledged: Some(12),
        ..Open::default()
    };
    let lost = engine.try_open(open).unwrap_err();
    assert_eq!((lost.reason.as_str(), lost.may_be_written), ("PROGRESS_LOST", false), "{lost:?}");
    assert!(lost.message.contains("up to 11"), "{lost:?}");
}

#[test]
fn nothing_is_doubled_however_often_the_service_is_killed() {
    let topic = unique_topic("killed");
    let job = job_into(&topic, "");
    let way = Proxy::start();
    let mut service = Service::start(&job);
    way.lead_to(service.address().parse().unwrap());
    let address = way.address().to_string();
    let load = Load::start_lasting(&address, &topic, "w", PACE);
    let kills = if is_long() { 60 } else { 8 };
    for kill in 0..kills {
        load.wait_progress(200);
        // Not always at the same place between an answer and the next.
        thread::sleep(Duration::from_millis(kill * 7 % 40));
        service.kill();
        service = Service::start(&job);
        way.lead_to(service.address().parse().unwrap());
    }
    load.wait_progress(200);
    let ended = load.streams_ended();
    let sent = load.stop();
    println!("{} rows, {ended} streams ended", sent.rows_durable);
    assert!(ended >= kills, "each kill ends a stream");
    check::exactly(&committed(&topic), &[Sent { unanswered: Vec::new(), ..sent }]);
}

/// Two services with the same job: whichever a writer comes to has it, and the other hears so and
/// writes nothing more.
#[test]
fn a_writer_that_comes_to_another_service_is_that_ones_alone() {
    let topic = unique_topic("taken-over");
    let job = job_into(&topic, "");
    let (one, two) = (Service::start(&job), Service::start(&job));
    let (engine_one, engine_two) = (Engine::connect(&one), Engine::connect(&two));
    let mut old = engine_one.open(&topic, "w");
    old.declare(&COLUMNS);
    let mut next = 0;
    for _ in 0..5 {
        old.send(rows("w", next..next + 10, ""));
        old.wait_durable();
        next += 10;
        let mut new = engine_two.open(&topic, "w");
        assert_eq!(new.opened.resume_after, next / 10);
        new.declare(&COLUMNS);
        new.send(rows("w", next..next + 10, ""));
        new.wait_durable();
        next += 10;
        // The old one knows nothing of it yet, and may not write.
        old.send(rows("w", 1000..1010, ""));
        let failure = old.wait_end().unwrap_err();
        assert_eq!(failure.reason, "TAKEN_OVER", "{failure:?}");
        old = engine_one.open(&topic, "w");
        assert_eq!(old.opened.resume_after, next / 10);
        old.declare(&COLUMNS);
    }
    check::exactly(&committed(&topic), &[Sent::whole("w", next)]);
}

#[test]
fn a_progress_topic_that_cannot_keep_progress_is_refused() {
    let broker = shared_broker();
    for (name, partitions, policy, says) in [
        ("forgetful", 16, "delete", "`cleanup.policy=delete`"),
        ("narrow", 3, "compact", "has 3 partitions, and 16 are used"),
    ] {
        let progress = unique_topic(name);
        broker.admin().create_topic(&progress, partitions, 1, &[("cleanup.policy", policy)]);
        let topic = unique_topic("unusable");
        let service =
            Service::start(&job_into(&topic, &format!("progress: {{ topic: {progress} }}")));
        let open = Open { output: topic, writer_id: "w".to_owned(), ..Open::default() };
        let refused = Engine::connect(&service).try_open(open).unwrap_err();
        println!("{}: {}", refused.reason, refused.message);
        assert_eq!(refused.reason, "PROGRESS_TOPIC_UNUSABLE", "{refused:?}");
        assert!(refused.message.contains(says) && !refused.may_be_written, "{refused:?}");
    }
}
