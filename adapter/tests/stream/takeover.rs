//! One live stream per writer: older ones end, and newer ones wait until they are settled.
use tonic::Code;

use crate::support::{
    Bench, Setup,
    engine::{check, open},
    rows::{batch, numbers, record},
    until,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_stream_opens_when_the_records_of_the_older_are_settled() {
    let bench = Bench::start().await;
    let engine = bench.engine().await;
    let (mut older, _) = engine.writer("w").await;
    for sequence in 1..=3 {
        older.batch(batch(sequence)).await;
    }
    bench.kafka().submitted(3).await;
    bench.kafka().durable(0);
    older.ack(1).await;

    let mut newer = engine.send_open(open("w")).await;
    let waiting = newer.waiting().await;
    assert_eq!(waiting.code, "OLDER_STREAM_SETTLING");
    assert!(waiting.since.is_some() && !waiting.reason.is_empty());
    check(&older.failure().await, Code::Aborted, "TAKEN_OVER", "no", "yes");
    assert!(engine.get_writer("w").await.live);

    bench.kafka().durable(2);
    let known = engine.get_writer("w").await;
    assert_eq!((known.durable_through, known.batches_in_flight), (1, 2), "it still waits");
    bench.kafka().durable(1);
    assert_eq!(newer.opened().await.resume_after, 3);
    newer.schema(numbers()).await;
    newer.batch(batch(4)).await;
    bench.kafka().submitted(4).await;
    bench.kafka().durable(3);
    newer.ack(4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_handed_to_kafka_never_is() {
    let bench = Bench::start().await;
    bench.kafka().set_partitions(Some(&[false, false]));
    let engine = bench.engine().await;
    let (mut older, _) = engine.writer("w").await;
    for sequence in 1..=3 {
        older.batch(batch(sequence)).await;
    }
    let (mut newer, opened) = engine.writer("w").await;
    assert_eq!(opened.resume_after, 0);
    check(&older.failure().await, Code::Aborted, "TAKEN_OVER", "no", "yes");
    bench.kafka().set_partitions(Some(&[false, true]));
    newer.batch(batch(1)).await;
    bench.kafka().submitted(1).await;
    bench.kafka().durable(0);
    newer.ack(1).await;
    assert_eq!(bench.kafka().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_of_streams_waits_for_the_first() {
    let bench = Bench::start().await;
    let engine = bench.engine().await;
    let (mut first, _) = engine.writer("w").await;
    first.batch(batch(1)).await;
    bench.kafka().submitted(1).await;
    let mut chain = Vec::new();
    for _ in 0..3 {
        let mut next = engine.send_open(open("w")).await;
        next.waiting().await;
        chain.push(next);
    }
    let mut last = chain.pop().unwrap();
    for older in [&mut first].into_iter().chain(&mut chain) {
        check(&older.failure().await, Code::Aborted, "TAKEN_OVER", "no", "yes");
    }
    // The one before the last is told and gone, and still the last must wait for the first.
    assert!(engine.get_writer("w").await.live);
    bench.kafka().durable(0);
    assert_eq!(last.opened().await.resume_after, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_vanishes_while_it_waits_leaves_the_order_as_it_is() {
    let bench = Bench::start().await;
    let engine = bench.engine().await;
    let (first, _) = engine.writer("w").await;
    first.batch(batch(1)).await;
    bench.kafka().submitted(1).await;
    let mut second = engine.send_open(open("w")).await;
    second.waiting().await;
    drop((first, second));
    let mut third = engine.send_open(open("w")).await;
    third.waiting().await;
    bench.kafka().durable(0);
    assert_eq!(third.opened().await.resume_after, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_vanishes_leaves_its_records_to_settle() {
    let bench = Bench::start().await;
    let (stream, _) = bench.engine().await.writer("w").await; // its connection goes with it
    for sequence in 1..=3 {
        stream.batch(batch(sequence)).await;
    }
    bench.kafka().submitted(3).await;
    drop(stream);
    for flight in [2, 0, 1] {
        bench.kafka().durable(flight);
    }
    let engine = bench.engine().await;
    until("the writer has moved on", async || {
        let known = engine.get_writer("w").await;
        (!known.live && known.durable_through == 3).then_some(())
    })
    .await;
    let (mut stream, opened) = engine.writer("w").await;
    assert_eq!(opened.resume_after, 3);
    stream.batch(batch(4)).await;
    bench.kafka().submitted(4).await;
    assert_eq!(bench.kafka().records(3), [record(4)]);
    bench.kafka().durable(3);
    stream.ack(4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_takes_over_from_itself_where_no_other_stream_fits() {
    let bench = Bench::with(Setup { streams_max: 1, ..Setup::default() }).await;
    let engine = bench.engine().await;
    let (mut older, _) = engine.writer("w").await;
    older.batch(batch(1)).await;
    bench.kafka().submitted(1).await;
    let mut newer = engine.send_open(open("w")).await;
    newer.waiting().await;
    check(&older.failure().await, Code::Aborted, "TAKEN_OVER", "no", "yes");
    bench.kafka().durable(0);
    assert_eq!(newer.opened().await.resume_after, 1);
    let status = engine.refused_open(open("other")).await;
    check(&status, Code::ResourceExhausted, "TOO_MANY_WRITERS", "yes", "no");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_settle_or_wait_leave_the_room_to_others() {
    let bench = Bench::with(Setup { streams_max: 2, ..Setup::default() }).await;
    let engine = bench.engine().await;
    let (first, _) = engine.writer("flapping").await;
    first.batch(batch(1)).await;
    bench.kafka().submitted(1).await;
    // Kafka is away, and a client that loses patience comes again and again.
    let mut streams = vec![first];
    for _ in 0..5 {
        let mut next = engine.send_open(open("flapping")).await;
        next.waiting().await;
        streams.push(next);
    }
    let (_one, _) = engine.writer("one").await;
    let (_two, _) = engine.writer("two").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_waits_is_read_and_has_no_credit_yet() {
    let bench = Bench::start().await;
    let engine = bench.engine().await;
    let (older, _) = engine.writer("w").await;
    older.batch(batch(1)).await;
    bench.kafka().submitted(1).await;

    // A batch before `Opened` is refused; a schema is kept.
    let mut eager = engine.send_open(open("w")).await;
    eager.waiting().await;
    eager.batch(batch(2)).await;
    check(&eager.failure().await, Code::ResourceExhausted, "CREDIT_EXCEEDED", "no", "yes");
    let mut patient = engine.send_open(open("w")).await;
    patient.waiting().await;
    patient.schema(numbers()).await;
    bench.kafka().durable(0);
    assert_eq!(patient.opened().await.resume_after, 1);
    patient.batch(batch(2)).await;
    bench.kafka().submitted(2).await;
    bench.kafka().durable(1);
    patient.ack(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_waits_may_have_nothing_to_send() {
    let bench = Bench::start().await;
    let engine = bench.engine().await;
    let (older, _) = engine.writer("w").await;
    older.batch(batch(1)).await;
    bench.kafka().submitted(1).await;
    let mut curious = engine.send_open(open("w")).await;
    curious.waiting().await;
    curious.half_close();
    bench.kafka().durable(0);
    assert_eq!(curious.opened().await.resume_after, 1);
    let (_, end) = curious.rest().await;
    end.unwrap();
}
