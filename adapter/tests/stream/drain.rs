//! The service closes: streams are told, settle what they have, and end by the deadline.
use std::time::{Duration, Instant, SystemTime};

use proto::v1::{Batch, WriteOnceRequest};
use tonic::Code;

use crate::support::{
    Bench,
    engine::{check, open},
    rows::{batch, numbers},
};

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_told_and_settle_and_new_ones_are_refused() {
    let bench = Bench::start().await;
    let kafka = bench.kafka[0].clone();
    let engine = bench.engine().await;
    let (mut stream, _) = engine.writer("w").await;
    let (mut idle, _) = engine.writer("idle").await;
    let mut unopened = engine.stream().await;
    for sequence in 1..=2 {
        stream.batch(batch(sequence)).await;
    }
    kafka.submitted(2).await;
    let draining = tokio::spawn(bench.drain(Duration::from_secs(20)));

    let told = stream.draining().await;
    let deadline = SystemTime::try_from(told.deadline.unwrap()).unwrap();
    let left = deadline.duration_since(SystemTime::now()).unwrap();
    assert!(left > Duration::from_secs(5) && left < Duration::from_secs(21), "{left:?}");
    idle.draining().await;
    check(&idle.failure().await, Code::Unavailable, "DRAINING", "yes", "yes");
    check(&unopened.failure().await, Code::Unavailable, "DRAINING", "yes", "no");
    let status = engine.try_stream().await.err().expect("no new streams");
    check(&status, Code::Unavailable, "DRAINING", "yes", "no");
    let request = WriteOnceRequest {
        output: "a".into(),
        schema: Some(numbers()),
        batch: Some(Batch { sequence: 0, ..batch(0) }),
        ..WriteOnceRequest::default()
    };
    let status = engine.write_once(request, None).await.unwrap_err();
    check(&status, Code::Unavailable, "DRAINING", "yes", "no");

    // What was sent before settles and is acknowledged; what comes later is not read.
    stream.batch(batch(3)).await;
    kafka.durable(0);
    stream.ack(1).await;
    kafka.durable(1);
    stream.ack(2).await;
    let (rest, end) = stream.rest().await;
    assert!(rest.is_empty(), "{rest:?}");
    check(&end.unwrap_err(), Code::Unavailable, "DRAINING", "yes", "yes");
    assert!(draining.await.unwrap(), "every stream ended by itself");
    assert_eq!(kafka.count(), 2);
}

/// A call that comes while the service closes is refused, or is one that is waited for. Here it is
/// stopped where it is counted, until the service closes.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_comes_in_between_the_word_that_the_service_closes_and_the_count() {
    let bench = Bench::start().await;
    let kafka = bench.kafka[0].clone();
    kafka.run_by_itself();
    let engine = bench.engine().await;
    for once in [true, false] {
        bench.shared.drain.send_replace(None);
        let count = bench.shared.sessions.borrow();
        assert_eq!(*count, 0);
        let engine = engine.clone();
        let call = tokio::spawn(async move {
            if once {
                let (schema, batch) = (Some(numbers()), Some(Batch { sequence: 0, ..batch(1) }));
                let output = "a".into();
                let request = WriteOnceRequest { output, schema, batch, ..Default::default() };
                engine.write_once(request, None).await.map(|_| ())
            } else {
                engine.try_stream().await.map(|_| ())
            }
        });
        // If it does not come so far meanwhile, it is refused in any case. While it is stopped
        // nothing is sure to run, timers neither.
        std::thread::sleep(Duration::from_millis(300));
        bench.shared.drain.send_replace(Some(tokio::time::Instant::now()));
        assert_eq!(*count, 0, "the service closes now");
        drop(count);
        let status = call.await.unwrap().unwrap_err();
        check(&status, Code::Unavailable, "DRAINING", "yes", "no");
    }
    assert_eq!(kafka.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_were_received_are_still_handed_over() {
    let bench = Bench::start().await;
    let kafka = bench.kafka[0].clone();
    kafka.set_partitions(None);
    let engine = bench.engine().await;
    let (mut stream, _) = engine.writer("w").await;
    for sequence in 1..=2 {
        stream.batch(batch(sequence)).await;
    }
    // Both are long there when the service says that the first waits.
    assert_eq!(stream.held().await.sequence, 1);
    let draining = tokio::spawn(bench.drain(Duration::from_secs(20)));
    stream.draining().await;
    kafka.set_partitions(Some(&[true]));
    kafka.run_by_itself();
    stream.ack(2).await;
    check(&stream.failure().await, Code::Unavailable, "DRAINING", "yes", "yes");
    assert!(draining.await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_ends_by_its_deadline_whatever_kafka_and_clients_do() {
    let bench = Bench::start().await;
    let kafka = bench.kafka[0].clone();
    let engine = bench.engine().await;
    let (mut stuck, _) = engine.writer("stuck").await;
    stuck.batch(batch(1)).await;
    kafka.submitted(1).await;
    let mut waiting = engine.send_open(open("stuck")).await;
    waiting.waiting().await;
    check(&stuck.failure().await, Code::Aborted, "TAKEN_OVER", "no", "yes");
    let (mut hung, _) = engine.writer("hung").await; // reads nothing any more
    hung.batch(batch(1)).await;
    kafka.submitted(2).await;

    let began = Instant::now();
    assert!(!bench.drain(Duration::from_secs(2)).await, "records are not settled");
    let took = began.elapsed();
    assert!(took > Duration::from_millis(1900) && took < Duration::from_secs(8), "{took:?}");
    check(&waiting.failure().await, Code::Unavailable, "DRAINING", "yes", "no");
    check(&hung.failure().await, Code::Unavailable, "DRAINING", "yes", "yes");
}
