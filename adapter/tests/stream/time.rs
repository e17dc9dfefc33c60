//! Heartbeats, batches that wait, and batches whose time is over. Time is the subject here, so
//! the bounds are generous.
use std::time::Duration;

use kafka_output::kafka::{Delivery as _, State};
use proto::v1::{Batch, Held, Open, write_response::Message as Out};
use tokio::time::{Instant, sleep};
use tonic::Code;

use crate::support::{
    Bench, Setup,
    engine::{Stream, check, open},
    rows::{bad_batch, batch, json, numbers, record},
};

fn seconds(seconds: f64) -> Option<prost_types::Duration> {
    Some(Duration::from_secs_f64(seconds).try_into().unwrap())
}

async fn beating(bench: &Bench, interval: f64) -> Stream {
    let open = Open { heartbeat_interval: seconds(interval), ..open("w") };
    let (stream, _) = bench.engine().await.open_with(open).await;
    stream.schema(numbers()).await;
    stream
}

fn within(seconds: f64) -> Instant {
    Instant::now() + Duration::from_secs_f64(seconds)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_beats_as_often_as_it_is_asked() {
    let bench = Bench::start().await;
    let mut stream = beating(&bench, 1.0).await;
    let began = Instant::now();
    for _ in 0..3 {
        stream.beat().await;
        assert_eq!(stream.answer().await, Out::Heartbeat(proto::v1::Heartbeat {}));
    }
    let took = began.elapsed();
    assert!(took > Duration::from_millis(2500) && took < Duration::from_secs(9), "{took:?}");
    // Something else that it says is as good as a heartbeat.
    bench.kafka().run_by_itself();
    let end = within(2.0);
    let mut sequence = 0;
    while Instant::now() < end {
        sequence += 1;
        stream.batch(batch(sequence)).await;
        assert!(matches!(stream.answer().await, Out::Ack(_)));
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_breaks_its_promise_to_beat_is_given_up() {
    let bench = Bench::start().await;
    let mut stream = beating(&bench, 1.0).await;
    // Any message is a sign of life.
    for gap in 0..4 {
        sleep(Duration::from_millis(700)).await;
        stream.batch(batch(10 + gap)).await;
    }
    let silent = Instant::now();
    let status = stream.failure().await;
    check(&status, Code::DeadlineExceeded, "CLIENT_SILENT", "yes", "yes");
    let took = silent.elapsed();
    assert!(took > Duration::from_millis(2900) && took < Duration::from_secs(9), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_sends_no_more_is_not_silent() {
    let bench = Bench::start().await;
    let mut stream = beating(&bench, 1.0).await;
    stream.batch(batch(1)).await;
    stream.half_close();
    bench.kafka().submitted(1).await;
    sleep(Duration::from_millis(4200)).await;
    bench.kafka().durable(0);
    stream.ack(1).await;
    assert!(stream.rest().await.1.is_ok());
}

/// The runtime of the service stands still for longer than three intervals, as it does when its
/// process is stopped; what the engine said meanwhile is there to be read.
#[test]
fn an_engine_that_was_not_read_is_not_silent() {
    let (told, bench) = std::sync::mpsc::channel();
    let (stall, mut stalls) = tokio::sync::mpsc::unbounded_channel::<Duration>();
    let service = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let bench = Bench::start().await;
            bench.kafka().run_by_itself();
            told.send((bench.address, bench.kafka[0].clone())).unwrap();
            while let Some(time) = stalls.recv().await {
                std::thread::sleep(time);
            }
        });
    });
    let (address, kafka) = bench.recv().unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let engine = crate::support::engine::Engine::connect(address).await;
        let open = Open { heartbeat_interval: seconds(1.0), ..open("w") };
        let (mut stream, _) = engine.open_with(open).await;
        stream.schema(numbers()).await;
        assert_eq!(stream.barrier().await, 1);
        stall.send(Duration::from_millis(4500)).unwrap();
        for _ in 0..20 {
            sleep(Duration::from_millis(250)).await;
            stream.beat().await;
        }
        stream.batch(batch(1)).await;
        kafka.submitted(1).await;
        stream.ack(1).await;
    });
    drop(stall);
    service.join().unwrap();
}

/// Reads `Held` until its code is this one.
async fn held(stream: &mut Stream, sequence: u64, code: &str) -> Held {
    let held = stream.held().await;
    assert_eq!((held.sequence, &*held.code), (sequence, code));
    assert!(!held.reason.is_empty());
    held
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_waits_is_said_to_be_held_once_for_each_cause() {
    let bench = Bench::start().await;
    bench.kafka().set_partitions(None);
    bench.kafka().set_health(State::Connecting, None);
    let (mut stream, _) = bench.engine().await.writer("w").await;
    let sent = std::time::SystemTime::now();
    stream.batch(batch(1)).await;
    stream.batch(batch(2)).await;
    let told = held(&mut stream, 1, "BROKER_UNREACHABLE").await;
    let since = std::time::SystemTime::try_from(told.since.unwrap()).unwrap();
    let (early, late) = (sent - Duration::from_millis(100), sent + Duration::from_secs(5));
    assert!(since >= early && since < late, "{since:?} {sent:?}");
    assert!(sent.elapsed().unwrap() > Duration::from_millis(900));

    bench.kafka().set_health(State::Unavailable, Some("TOPIC_NOT_FOUND"));
    held(&mut stream, 1, "TOPIC_NOT_FOUND").await;
    // The same cause is not said again, although the engine keeps the stream busy.
    let end = within(2.5);
    while Instant::now() < end {
        stream.beat().await;
        let said = stream.answer_before(within(0.2)).await;
        assert_eq!(said, None);
    }
    // A new one is, although the engine keeps the stream busy.
    bench.kafka().set_health(State::Unavailable, Some("AUTHENTICATION_FAILED"));
    let end = within(10.0);
    let told = loop {
        assert!(Instant::now() < end, "a new cause is said");
        stream.beat().await;
        if let Some(told) = stream.answer_before(within(0.2)).await {
            break told;
        }
    };
    let Out::Held(told) = told else { panic!("{told:?}") };
    assert_eq!(told.code, "AUTHENTICATION_FAILED");

    bench.kafka().set_partitions(Some(&[true]));
    bench.kafka().submitted(2).await;
    bench.kafka().set_health(State::Ready, None);
    // Kafka has it now, and is slow; then it refuses a row for now.
    held(&mut stream, 1, "BROKER_SLOW").await;
    bench.kafka().hold(0, "ROW_REFUSED");
    held(&mut stream, 1, "ROW_REFUSED").await;
    bench.kafka().durable(0);
    assert_eq!(stream.ack(1).await.durable_through, 1);
    held(&mut stream, 2, "BROKER_SLOW").await;
    bench.kafka().durable(1);
    stream.ack(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn held_is_said_with_every_heartbeat() {
    let bench = Bench::start().await;
    let mut stream = beating(&bench, 2.0).await;
    stream.batch(batch(1)).await;
    for _ in 0..3 {
        assert_eq!(held(&mut stream, 1, "BROKER_SLOW").await.code, "BROKER_SLOW");
        stream.beat().await;
    }
    bench.kafka().submitted(1).await;
    bench.kafka().durable(0);
    // A stream on which nothing waits has plain heartbeats again.
    stream.ack(1).await;
    assert_eq!(stream.answer().await, Out::Heartbeat(proto::v1::Heartbeat {}));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_wait_for_memory_are_said_to() {
    let bench = Bench::with(Setup { memory_bytes: 1000, ..Setup::default() }).await;
    let engine = bench.engine().await;
    let (mut first, _) = engine.writer("first").await;
    let (mut second, _) = engine.writer("second").await;
    first.batch(json(1, "{\"n\":1}\n".repeat(10))).await;
    bench.kafka().submitted(1).await;
    second.batch(batch(1)).await;
    held(&mut second, 1, "MEMORY_FULL").await;
    assert_eq!(bench.kafka().count(), 1);
    bench.kafka().durable(0);
    first.ack(1).await;
    bench.kafka().submitted(2).await;
    bench.kafka().durable(1);
    second.ack(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_time_is_over_before_it_is_handed_over_is_refused() {
    let bench = Bench::start().await;
    bench.kafka().set_partitions(None);
    let (mut stream, _) = bench.engine().await.writer("w").await;
    stream.batch(Batch { timeout: seconds(0.3), ..batch(1) }).await;
    stream.batch(batch(2)).await;
    let refused = stream.refused().await;
    assert_eq!((refused.sequence, &*refused.code), (1, "BATCH_TIMEOUT"));
    assert_eq!(refused.expected_sequence, 1);
    let refused = stream.refused().await;
    assert_eq!((refused.sequence, &*refused.code), (2, "SEQUENCE_GAP"));

    bench.kafka().set_partitions(Some(&[true]));
    stream.batch(json(1, "{\"n\":100}\n")).await;
    bench.kafka().submitted(1).await;
    assert_eq!(bench.kafka().records(0), [record(100)]);
    bench.kafka().durable(0);
    stream.ack(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_of_a_batch_is_over_although_those_before_it_have_none() {
    let bench = Bench::start().await;
    bench.kafka().set_partitions(None);
    let (mut stream, _) = bench.engine().await.writer("w").await;
    let timeout = seconds(0.3);
    stream.batch(batch(1)).await;
    stream.batch(batch(2)).await;
    stream.batch(Batch { timeout, ..batch(1) }).await; // again: it is in work
    stream.batch(Batch { timeout, ..batch(3) }).await;
    stream.batch(Batch { timeout, ..batch(5) }).await; // a gap
    stream.batch(batch(4)).await;
    for sequence in [3, 5] {
        let refused = stream.refused().await;
        assert_eq!((refused.sequence, &*refused.code), (sequence, "BATCH_TIMEOUT"));
        assert_eq!(refused.expected_sequence, 3);
    }
    // The stream still reads and still waits.
    stream.batch(json(3, "{\"n\":300}\n")).await;
    bench.kafka().set_partitions(Some(&[true]));
    let refused = stream.refused().await;
    assert_eq!((refused.sequence, &*refused.code), (4, "SEQUENCE_GAP"));
    assert_eq!(refused.expected_sequence, 3);
    bench.kafka().submitted(3).await;
    assert_eq!(bench.kafka().records(2), [record(300)]);
    bench.kafka().run_by_itself();
    stream.ack(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_sent_again_keeps_its_time_if_the_first_is_refused() {
    let bench = Bench::start().await;
    let mut all = bench.kafka().share().reserve(0).await;
    all.resize(1 << 40);
    let (mut stream, _) = bench.engine().await.writer("w").await;
    let timeout = seconds(0.0);
    stream.batch(bad_batch(1)).await; // waits for memory
    stream.batch(Batch { timeout, ..batch(1) }).await;
    stream.batch(Batch { timeout, ..batch(1 << 60) }).await;
    // It is refused out of its turn: the times of those before it were looked at, too.
    assert_eq!(stream.refused().await.sequence, 1 << 60);
    drop(all);
    assert_eq!(stream.refused().await.code, "BAD_ROWS");
    let again = stream.refused().await;
    assert_eq!((again.sequence, &*again.code), (1, "BATCH_TIMEOUT"));
    assert_eq!(again.expected_sequence, 1);
    assert_eq!(bench.kafka().count(), 0);
    // Its time is not that of the next under this number.
    stream.batch(batch(1)).await;
    bench.kafka().submitted(1).await;
    bench.kafka().durable(0);
    stream.ack(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_time_is_over_while_kafka_has_it_ends_the_stream() {
    let bench = Bench::start().await;
    let engine = bench.engine().await;
    let (mut stream, _) = engine.writer("w").await;
    stream.batch(batch(1)).await;
    stream.batch(Batch { timeout: seconds(0.3), ..batch(2) }).await;
    bench.kafka().submitted(2).await;
    let status = stream.failure().await;
    check(&status, Code::DeadlineExceeded, "BATCH_TIMEOUT", "yes", "yes");
    assert!(status.message().contains("batch 2"), "{}", status.message());
    // It is unknown to the engine, not to the service: the next stream waits for it.
    let mut next = engine.send_open(open("w")).await;
    next.waiting().await;
    bench.kafka().durable(0);
    bench.kafka().durable(1);
    assert_eq!(next.opened().await.resume_after, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_durable_in_time_has_no_time_out() {
    let bench = Bench::start().await;
    let (mut stream, _) = bench.engine().await.writer("w").await;
    stream.batch(Batch { timeout: seconds(1.5), ..batch(1) }).await;
    bench.kafka().submitted(1).await;
    bench.kafka().durable(0);
    stream.ack(1).await;
    sleep(Duration::from_millis(1800)).await;
    assert_eq!(stream.barrier().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_waits_for_an_older_one_says_so_with_every_heartbeat() {
    let bench = Bench::start().await;
    let engine = bench.engine().await;
    let (older, _) = engine.writer("w").await;
    older.batch(batch(1)).await;
    bench.kafka().submitted(1).await;
    let heartbeat_interval = seconds(1.0);
    let mut newer = engine.send_open(Open { heartbeat_interval, ..open("w") }).await;
    let first = newer.waiting().await;
    let second = newer.waiting().await;
    assert_eq!(first, second, "the same cause, since the same time");
    bench.kafka().durable(0);
    assert_eq!(newer.opened().await.resume_after, 1);
}
