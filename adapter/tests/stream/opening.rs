//! `Open` and `Opened`.
use kafka_output::job::ErrorPolicy;
use proto::v1::{Guarantee, Open, WriteRequest, write_request::Message as In};
use tonic::Code;

use crate::support::{
    Bench, Setup,
    engine::{check, check_field, open},
    rows::{batch, json, numbers},
    until,
};

#[tokio::test(flavor = "multi_thread")]
async fn opened_tells_where_to_go_on_and_what_holds() {
    let bench = Bench::with(Setup { record_bytes_max: 4321, ..Setup::default() }).await;
    let engine = bench.engine().await;
    let (_stream, opened) = engine.open_with(open("w")).await;
    assert_eq!((opened.resume_after, opened.position.clone()), (0, None));
    let (credit, limits) = (opened.credit.unwrap(), opened.limits.unwrap());
    // Half of the pool in equal floors for eight streams.
    assert_eq!((credit.bytes, credit.batches), (256 << 10, 256));
    assert_eq!(limits.message_bytes_max, 1 << 20);
    assert_eq!(limits.batch_rows_max, 1_000_000);
    assert_eq!(limits.position_bytes_max, 1024);
    assert_eq!(limits.schemas_max, 64);
    assert_eq!(limits.record_bytes_max, 4321);
    assert_eq!(opened.guarantee(), Guarantee::AtLeastOnce);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_begins_with_open() {
    let bench = Bench::start().await;
    let engine = bench.engine().await;
    for first in [Some(In::Schema(numbers())), Some(In::Batch(batch(1))), None] {
        let mut stream = engine.stream().await;
        stream.request(WriteRequest { message: first }).await;
        check(&stream.failure().await, Code::InvalidArgument, "OPEN_EXPECTED", "no", "no");
    }
    let mut stream = engine.stream().await;
    stream.half_close();
    check(&stream.failure().await, Code::InvalidArgument, "OPEN_EXPECTED", "no", "no");
    assert!(!engine.get_writer("w").await.known);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_has_one_open_and_no_empty_request() {
    let bench = Bench::start().await;
    let engine = bench.engine().await;
    let (mut stream, _) = engine.writer("w").await;
    stream.say(In::Open(open("w"))).await;
    check(&stream.failure().await, Code::InvalidArgument, "SECOND_OPEN", "no", "yes");

    let (mut stream, _) = engine.writer("w").await;
    stream.request(WriteRequest { message: None }).await;
    check(&stream.failure().await, Code::InvalidArgument, "EMPTY_REQUEST", "no", "yes");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_that_cannot_be_served_names_its_field() {
    let bench = Bench::start().await;
    let engine = bench.engine().await;
    for id in [String::new(), "w".repeat(257), "é".repeat(129), "a\nb".into(), "a\u{85}".into()] {
        let status = engine.refused_open(open(&id)).await;
        check_field(&status, "INVALID_OPEN", "no", "open.writer_id");
        assert!(!engine.get_writer(&id).await.known);
    }
    for id in ["w".repeat(256), "ü/1 🚲".to_owned()] {
        engine.open_with(open(&id)).await;
    }
    for (seconds, nanos) in [(0, 500_000_000), (0, 0), (200, 1), (-5, 0), (i64::MAX, 0)] {
        let heartbeat_interval = Some(prost_types::Duration { seconds, nanos });
        let status = engine.refused_open(Open { heartbeat_interval, ..open("w") }).await;
        let what = check_field(&status, "INVALID_OPEN", "no", "open.heartbeat_interval");
        assert_eq!(what, "1 s to 200 s");
    }
    for seconds in [1, 200] {
        let heartbeat_interval = Some(prost_types::Duration { seconds, nanos: 0 });
        engine.open_with(Open { heartbeat_interval, ..open("w") }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_the_job_has_not_is_named() {
    let bench = Bench::start().await;
    let engine = bench.engine().await;
    let status = engine.refused_open(Open { output: "delays".into(), ..open("w") }).await;
    check(&status, Code::NotFound, "OUTPUT_NOT_FOUND", "no", "no");
    assert!(status.message().contains("`delays`"), "{}", status.message());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lower_epoch_is_stale_and_an_equal_one_takes_over() {
    let bench = Bench::start().await;
    let engine = bench.engine().await;
    let at = |epoch| Open { epoch, ..open("w") };
    let (mut first, _) = engine.open_with(at(None)).await;
    let (mut second, _) = engine.open_with(at(Some(0))).await;
    check(&first.failure().await, Code::Aborted, "TAKEN_OVER", "no", "yes");
    let (mut third, _) = engine.open_with(at(None)).await;
    check(&second.failure().await, Code::Aborted, "TAKEN_OVER", "no", "yes");
    let (mut fourth, _) = engine.open_with(at(Some(7))).await;
    check(&third.failure().await, Code::Aborted, "TAKEN_OVER", "no", "yes");

    for epoch in [None, Some(0), Some(6)] {
        let status = engine.refused_open(at(epoch)).await;
        check(&status, Code::FailedPrecondition, "STALE_EPOCH", "no", "no");
        assert!(status.message().contains("epoch 7"), "{}", status.message());
    }
    assert_eq!(engine.get_writer("w").await.epoch, 7);
    // The stale ones have not touched the live stream, and its end does not lower the bar.
    fourth.schema(numbers()).await;
    assert_eq!(fourth.barrier().await, 1);
    drop(fourth);
    let status = engine.refused_open(at(Some(6))).await;
    check(&status, Code::FailedPrecondition, "STALE_EPOCH", "no", "no");
    engine.open_with(at(Some(7))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_knows_more_than_the_service_goes_on_there() {
    let bench = Bench::start().await;
    let engine = bench.engine().await;
    let (mut stream, _) = engine.writer("w").await;
    let mut first = batch(1);
    first.position = Some("here".into());
    stream.batch(first).await;
    bench.kafka().submitted(1).await;
    bench.kafka().durable(0);
    stream.ack(1).await;
    drop(stream);

    let bytes = |text: Option<&str>| text.map(|text| text.as_bytes().to_vec());
    for (acknowledged, known, resume, position) in [
        (None, None, 1, Some("here")),
        (Some(0), Some("there"), 1, Some("here")),
        (Some(1), Some("there"), 1, Some("here")),
        (Some(41), None, 41, None),
        (Some(42), Some("there"), 42, Some("there")),
        (Some(7), Some("here"), 42, Some("there")),
        (None, None, 42, Some("there")),
    ] {
        let acknowledged_position = bytes(known);
        let open = Open { acknowledged, acknowledged_position, ..open("w") };
        let (_, opened) = engine.open_with(open).await;
        let position = bytes(position);
        assert_eq!((opened.resume_after, opened.position), (resume, position), "{acknowledged:?}");
        // What was sent to others meanwhile is not known here.
        let remembered = (resume == 1).then_some(1);
        assert_eq!(opened.maybe_written_through, remembered, "{acknowledged:?}");
    }
    let (mut stream, _) = engine.writer("w").await;
    stream.batch(batch(43)).await;
    bench.kafka().submitted(2).await;
    bench.kafka().durable(1);
    stream.ack(43).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_that_is_too_long_or_belongs_to_nothing_is_refused() {
    let bench = Bench::start().await;
    let engine = bench.engine().await;
    for (acknowledged, bytes) in [(Some(3), 1025), (None, 3)] {
        let acknowledged_position = Some(vec![b'p'; bytes]);
        let open = Open { acknowledged, acknowledged_position, ..open("w") };
        let status = engine.refused_open(open).await;
        check_field(&status, "INVALID_OPEN", "no", "open.acknowledged_position");
    }
}

/// Both answers are lost: what was set aside, and what may be written.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_lost_stream_did_not_tell_the_next_one_does() {
    let setup = Setup { error_policy: ErrorPolicy::Drop, ..Setup::default() };
    let bench = Bench::with(setup).await;
    let engine = bench.engine().await;
    let (mut stream, opened) = engine.writer("w").await;
    assert_eq!(opened.maybe_written_through, None, "a new writer");
    stream.batch(json(1, "{\"n\":1}\n{\"n\":\"x\"}\n")).await;
    bench.kafka().submitted(1).await;
    bench.kafka().durable(0);
    assert_eq!(stream.ack(1).await.rejected_total, 1);
    stream.batch(json(2, "{\"n\":\"y\"}\n{\"n\":2}\n")).await;
    for sequence in 3..=5 {
        stream.batch(batch(sequence)).await;
    }
    bench.kafka().submitted(5).await;
    drop(stream);
    for flight in [1, 2, 4] {
        bench.kafka().durable(flight);
    }
    bench.kafka().unknown(3);
    for again in 0..2 {
        let known = Open { acknowledged: Some(1), ..open("w") };
        let (_, opened) = engine.open_with(known).await;
        assert_eq!((opened.resume_after, opened.maybe_written_through), (3, Some(5)), "{again}");
        let named: Vec<_> = opened.rejected.iter().map(|row| (row.sequence, row.row)).collect();
        assert_eq!((named, opened.rejected_total), (vec![(2, 0)], 1), "{again}");
    }
    // An engine that knows of them is not told.
    let known = Open { acknowledged: Some(3), ..open("w") };
    let (mut stream, opened) = engine.open_with(known).await;
    assert_eq!((opened.rejected_total, opened.maybe_written_through), (0, Some(5)));
    stream.schema(numbers()).await;
    for sequence in 4..=5 {
        stream.batch(batch(sequence)).await;
    }
    bench.kafka().submitted(7).await;
    bench.kafka().run_by_itself();
    stream.ack(5).await;
    drop(stream);
    let (_, opened) = engine.writer("w").await;
    assert_eq!((opened.resume_after, opened.maybe_written_through), (5, Some(5)));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_streams_than_memory_is_dealt_out_to_are_refused_for_now() {
    let bench = Bench::with(Setup { streams_max: 2, ..Setup::default() }).await;
    let engine = bench.engine().await;
    let (first, _) = engine.open_with(open("first")).await;
    let (_second, _) = engine.open_with(open("second")).await;
    let status = engine.refused_open(open("third")).await;
    let details = check(&status, Code::ResourceExhausted, "TOO_MANY_WRITERS", "yes", "no");
    assert!(details.retry_info().unwrap().retry_delay.unwrap().as_secs() >= 1);
    assert!(!engine.get_writer("third").await.known, "a refused stream leaves no trace");

    drop(first);
    until("there is room again", async || {
        let mut third = engine.send_open(open("third")).await;
        match third.next().await {
            Ok(_) => Some(()),
            Err(status) => {
                check(&status, Code::ResourceExhausted, "TOO_MANY_WRITERS", "yes", "no");
                None
            }
        }
    })
    .await;
}
