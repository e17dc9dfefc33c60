//! How a stream ends that nothing is wrong with.
use std::time::Duration;

use kafka_output::kafka::Delivery as _;
use tokio::time::timeout;
use tonic::Code;

use crate::support::{
    Bench,
    engine::{check, open},
    rows::{bad_batch, batch, numbers},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_no_more_gets_its_answers_and_a_good_end() {
    let bench = Bench::start().await;
    let engine = bench.engine().await;
    let (mut stream, _) = engine.writer("w").await;
    for sequence in [1, 2, 9] {
        stream.batch(batch(sequence)).await;
    }
    stream.half_close();
    assert_eq!(stream.refused().await.sequence, 9);
    bench.kafka().submitted(2).await;
    bench.kafka().durable(0);
    stream.ack(1).await;
    bench.kafka().durable(1);
    stream.ack(2).await;
    let (rest, end) = stream.rest().await;
    assert!(rest.is_empty() && end.is_ok(), "{rest:?} {end:?}");
    assert_eq!(engine.writer("w").await.1.resume_after, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_at_once_when_its_last_answer_is_a_refusal() {
    let bench = Bench::start().await;
    let mut all = bench.kafka().share().reserve(0).await;
    all.resize(1 << 40);
    let (mut stream, _) = bench.engine().await.writer("w").await;
    stream.batch(bad_batch(1)).await;
    stream.batch(batch(2)).await;
    stream.half_close();
    // Both are long there when the service says that the first waits.
    assert_eq!(stream.held().await.code, "MEMORY_FULL");
    drop(all);
    assert_eq!(stream.refused().await.code, "BAD_ROWS");
    assert_eq!(stream.refused().await.code, "SEQUENCE_GAP");
    // Much earlier than a heartbeat, which would be an occasion to look.
    let end = timeout(Duration::from_secs(10), stream.next()).await;
    assert!(matches!(end, Ok(Ok(None))), "{end:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_sent_nothing_ends_well() {
    let bench = Bench::start().await;
    let (mut stream, _) = bench.engine().await.open_with(open("w")).await;
    stream.half_close();
    let (rest, end) = stream.rest().await;
    assert!(rest.is_empty() && end.is_ok(), "{rest:?} {end:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_closed_stream_still_fails_by_name() {
    let bench = Bench::start().await;
    let (mut stream, _) = bench.engine().await.open_with(open("w")).await;
    stream.schema(numbers()).await;
    stream.batch(batch(1)).await;
    stream.half_close();
    bench.kafka().submitted(1).await;
    bench.kafka().unknown(0);
    check(&stream.failure().await, Code::Unavailable, "DELIVERY_UNKNOWN", "yes", "yes");
}
