//! A connection comes of age: it is asked to end, and its streams move without losing anything.
use std::time::Duration;

use kafka_output::grpc::Entrance;
use proto::v1::{self, write_response::Message as Out};
use tonic::Code;

use crate::support::{
    Bench, Setup,
    engine::{check, open},
    rows::batch,
};

/// Long enough for what a test does before, on a loaded machine too.
const AGE: Duration = Duration::from_secs(2);

async fn with_age(age: Duration) -> Bench {
    let entrance = Entrance::new(None, None, true).with_connection_age(Some(age));
    Bench::with(Setup { entrance, ..Setup::default() }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_moves_when_its_rows_no_longer_wait_however_long_that_takes() {
    let bench = with_age(AGE).await;
    let kafka = bench.kafka[0].clone();
    let engine = bench.engine().await;
    let (mut stream, _) = engine.writer("w").await;
    let (mut idle, _) = engine.writer("idle").await;
    stream.batch(batch(1)).await;
    kafka.submitted(1).await;

    assert_eq!(idle.draining().await.deadline, None);
    check(&idle.failure().await, Code::Unavailable, "DRAINING", "yes", "yes");
    // Far older than its connection may be, it is still there, and is read.
    assert_eq!(stream.held().await.sequence, 1);
    stream.batch(batch(2)).await;
    kafka.submitted(2).await;
    kafka.durable(0);
    kafka.durable(1);
    let (answers, end) = stream.rest().await;
    check(&end.unwrap_err(), Code::Unavailable, "DRAINING", "yes", "yes");
    assert!(matches!(answers.last(), Some(Out::Draining(v1::Draining { deadline: None }))));
    let mut acks = answers.iter().rev().filter_map(|answer| match answer {
        Out::Ack(ack) => Some(ack.durable_through),
        _ => None,
    });
    assert_eq!(acks.next(), Some(2), "{answers:?}");

    // Over another connection: a call that meets the end of this one would fail.
    let engine = bench.engine().await;
    let (mut stream, opened) = engine.writer("w").await;
    assert_eq!(opened.resume_after, 2);
    stream.batch(batch(3)).await;
    kafka.submitted(3).await;
    kafka.durable(2);
    stream.acked(3).await;
    assert_eq!(kafka.count(), 3, "nothing was handed over twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_has_sent_all_it_has_ends_by_itself() {
    let bench = with_age(AGE).await;
    let kafka = bench.kafka[0].clone();
    let engine = bench.engine().await;
    let (mut stream, _) = engine.writer("w").await;
    let (mut other, _) = engine.writer("other").await;
    stream.batch(batch(1)).await;
    stream.half_close();
    kafka.submitted(1).await;
    // By now both are told, if both are to move.
    check(&other.failure().await, Code::Unavailable, "DRAINING", "yes", "yes");
    stream.held().await;
    kafka.durable(0);
    let (answers, end) = stream.rest().await;
    assert!(matches!(&answers[..], [Out::Ack(ack)] if ack.durable_through == 1), "{answers:?}");
    end.unwrap();
}

/// Elsewhere its rows would come before those of the older one: it waits for them here, and moves then.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_waits_for_an_older_one_does_not_move_before_it_is_open() {
    let bench = with_age(AGE).await;
    let kafka = bench.kafka[0].clone();
    let engine = bench.engine().await;
    let (older, _) = engine.writer("w").await;
    older.batch(batch(1)).await;
    kafka.submitted(1).await;
    let mut waiting = engine.send_open(open("w")).await;
    waiting.waiting().await;
    let (mut other, _) = engine.writer("other").await;
    check(&other.failure().await, Code::Unavailable, "DRAINING", "yes", "yes");
    kafka.durable(0);
    assert_eq!(waiting.opened().await.resume_after, 1);
    waiting.draining().await;
    check(&waiting.failure().await, Code::Unavailable, "DRAINING", "yes", "yes");
}
