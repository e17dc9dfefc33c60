//! `WriteOnce`: one batch in one call.
use std::time::Duration;

use kafka_output::{
    job::ErrorPolicy,
    kafka::{Cause, receipt::Settled},
};
use proto::v1::{Batch, WriteOnceRequest};
use tonic::Code;

use crate::support::{
    Bench, Setup,
    engine::{check, check_field, open},
    rows::{bad_batch, batch, json, numbers, record},
    until,
};

/// Long enough that the service's answer, at nine tenths and a half of it, is the first.
const DEADLINE: Option<Duration> = Some(Duration::from_secs(5));

fn plain(lines: &str) -> WriteOnceRequest {
    WriteOnceRequest {
        output: "a".into(),
        schema: Some(numbers()),
        batch: Some(json(0, lines)),
        ..WriteOnceRequest::default()
    }
}

fn of_writer(id: &str, batch: Batch) -> WriteOnceRequest {
    WriteOnceRequest { writer_id: Some(id.to_owned()), batch: Some(batch), ..plain("") }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_a_writer_is_written_each_time() {
    let bench = Bench::start().await;
    let engine = bench.engine().await;
    for flight in 0..2 {
        let call = tokio::spawn({
            let engine = engine.clone();
            async move { engine.write_once(plain("{\"n\":5}\n"), None).await }
        });
        bench.kafka().submitted(flight + 1).await;
        assert_eq!(bench.kafka().records(flight), [record(5)]);
        assert!(!call.is_finished(), "its rows are not settled");
        bench.kafka().durable(flight);
        let answer = call.await.unwrap().unwrap();
        assert_eq!((answer.durable_through, answer.already_durable), (None, false));
        assert_eq!((answer.rejected.len(), answer.rejected_total), (0, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_makes_no_sense_names_its_field() {
    let bench = Bench::start().await;
    let engine = bench.engine().await;
    let good = plain("{\"n\":1}\n");
    let with = |change: &dyn Fn(&mut WriteOnceRequest)| {
        let mut request = good.clone();
        change(&mut request);
        request
    };
    let timeout = Some(prost_types::Duration { seconds: 1, nanos: 0 });
    let cases = [
        (with(&|request| request.schema = None), "INVALID_BATCH", "schema"),
        (with(&|request| request.batch = None), "INVALID_BATCH", "batch"),
        (
            with(&|request| request.batch.as_mut().unwrap().rows = None),
            "INVALID_BATCH",
            "batch.rows",
        ),
        (
            with(&|request| request.batch.as_mut().unwrap().timeout = timeout),
            "INVALID_BATCH",
            "batch.timeout",
        ),
        (
            with(&|request| request.batch.as_mut().unwrap().sequence = 1),
            "INVALID_BATCH",
            "writer_id",
        ),
        (
            with(&|request| request.batch.as_mut().unwrap().position = Some("x".into())),
            "INVALID_BATCH",
            "writer_id",
        ),
        (with(&|request| request.epoch = Some(1)), "INVALID_BATCH", "writer_id"),
        (
            with(&|request| request.schema.as_mut().unwrap().columns = None),
            "INVALID_SCHEMA",
            "schema",
        ),
        (of_writer("", batch(1)), "INVALID_BATCH", "writer_id"),
    ];
    for (request, reason, field) in cases {
        let status = engine.write_once(request, None).await.unwrap_err();
        check_field(&status, reason, "no", field);
    }
    let status = engine.write_once(with(&|request| request.output = "b".into()), None).await;
    check(&status.unwrap_err(), Code::NotFound, "OUTPUT_NOT_FOUND", "no", "no");
    assert_eq!(bench.kafka().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_with_a_writer_keeps_the_rules_of_a_stream() {
    let bench = Bench::start().await;
    bench.kafka().run_by_itself();
    let engine = bench.engine().await;
    let call = async |batch| engine.write_once(of_writer("w", batch), None).await;
    for gap in [0, 2, 9] {
        let status = call(batch(gap)).await.unwrap_err();
        check(&status, Code::InvalidArgument, "SEQUENCE_GAP", "no", "no");
        assert!(status.message().contains("1 is next"), "{}", status.message());
    }
    let mut first = batch(1);
    first.position = Some("here".into());
    let answer = call(first.clone()).await.unwrap();
    assert_eq!((answer.durable_through, answer.already_durable), (Some(1), false));
    let answer = call(first).await.unwrap();
    assert_eq!((answer.durable_through, answer.already_durable), (Some(1), true));
    let status = call(json(1, "{\"n\":-1}\n")).await.unwrap_err();
    check(&status, Code::FailedPrecondition, "SEQUENCE_REUSED", "no", "yes");
    let mut long = batch(2);
    long.position = Some(vec![0; 1025].into());
    let status = call(long).await.unwrap_err();
    check(&status, Code::InvalidArgument, "POSITION_TOO_LONG", "no", "no");

    // A stream goes on where the calls were, and the other way round.
    let (mut stream, opened) = engine.writer("w").await;
    assert_eq!((opened.resume_after, opened.position.as_deref()), (1, Some(&b"here"[..])));
    let status = call(batch(2)).await.unwrap_err();
    check(&status, Code::Aborted, "WRITER_BUSY", "yes", "no");
    stream.batch(batch(2)).await;
    stream.ack(2).await;
    drop(stream);
    let answer = until("the stream is over", async || call(batch(3)).await.ok()).await;
    assert_eq!(answer.durable_through, Some(3));
    assert_eq!(bench.kafka().count(), 3);

    let at = |epoch| WriteOnceRequest { epoch: Some(epoch), ..of_writer("w", batch(4)) };
    engine.write_once(at(5), None).await.unwrap();
    let status = engine.write_once(at(4), None).await.unwrap_err();
    check(&status, Code::FailedPrecondition, "STALE_EPOCH", "no", "no");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_rows_are_refused_or_named() {
    for (error_policy, id) in [(ErrorPolicy::Stop, None), (ErrorPolicy::Stop, Some("w"))] {
        let bench = Bench::with(Setup { error_policy, ..Setup::default() }).await;
        let engine = bench.engine().await;
        let request = match id {
            None => plain("{\"n\":1}\n{\"n\":\"many\"}\n"),
            Some(id) => of_writer(id, bad_batch(1)),
        };
        let status = engine.write_once(request, None).await.unwrap_err();
        check(&status, Code::InvalidArgument, "BAD_ROWS", "no", "no");
        assert!(status.message().contains("n TYPE_MISMATCH"), "{}", status.message());
        assert_eq!(bench.kafka().count(), 0);
    }

    let bench = Bench::with(Setup { error_policy: ErrorPolicy::Drop, ..Setup::default() }).await;
    let engine = bench.engine().await;
    let lines = "{\"n\":0}\n{\"n\":\"many\"}\n{\"n\":2}\n{\"n\":3}\n";
    let request = of_writer("w", json(1, lines));
    let call = tokio::spawn(async move { engine.write_once(request, None).await });
    bench.kafka().submitted(1).await;
    bench.kafka().settle(0, |record| match record {
        2 => Settled::Rejected(Cause::new("ROW_REFUSED", "the broker says so")),
        _ => Settled::Durable,
    });
    let answer = call.await.unwrap().unwrap();
    let named: Vec<_> =
        answer.rejected.iter().map(|row| (row.sequence, row.row, row.code.as_str())).collect();
    assert_eq!(named, [(1, 1, "TYPE_MISMATCH"), (1, 3, "ROW_REFUSED")]);
    assert_eq!((answer.rejected_total, answer.durable_through), (2, Some(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_outcome_moves_nothing() {
    let bench = Bench::start().await;
    let engine = bench.engine().await;
    for request in [plain("{\"n\":1}\n"), of_writer("w", batch(1))] {
        let flight = bench.kafka().count();
        let engine = engine.clone();
        let call = tokio::spawn(async move { engine.write_once(request, None).await });
        bench.kafka().submitted(flight + 1).await;
        bench.kafka().unknown(flight);
        let status = call.await.unwrap().unwrap_err();
        check(&status, Code::Unavailable, "DELIVERY_UNKNOWN", "yes", "yes");
    }
    assert_eq!(engine.writer("w").await.1.resume_after, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_time_is_over_before_it_is_handed_over_writes_nothing() {
    let bench = Bench::start().await;
    bench.kafka().set_partitions(None);
    let engine = bench.engine().await;
    let (plain, numbered) = tokio::join!(
        engine.write_once(plain("{\"n\":1}\n"), DEADLINE),
        engine.write_once(of_writer("w", batch(1)), DEADLINE),
    );
    for answer in [plain, numbered] {
        let status = answer.unwrap_err();
        check(&status, Code::DeadlineExceeded, "BATCH_TIMEOUT", "yes", "no");
    }
    bench.kafka().set_partitions(Some(&[true]));
    bench.kafka().run_by_itself();
    let answer = engine.write_once(of_writer("w", json(1, "{\"n\":7}\n")), None).await.unwrap();
    assert_eq!(answer.durable_through, Some(1));
    assert_eq!(bench.kafka().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_is_busy_until_a_call_whose_time_is_over_has_settled() {
    let bench = Bench::start().await;
    let engine = bench.engine().await;
    let status = engine.write_once(of_writer("w", batch(1)), DEADLINE).await.unwrap_err();
    check(&status, Code::DeadlineExceeded, "BATCH_TIMEOUT", "yes", "yes");
    let status = engine.write_once(of_writer("w", batch(1)), None).await.unwrap_err();
    check(&status, Code::Aborted, "WRITER_BUSY", "yes", "no");
    // A stream may take over: it waits for those rows.
    let mut stream = engine.send_open(open("w")).await;
    stream.waiting().await;
    bench.kafka().durable(0);
    assert_eq!(stream.opened().await.resume_after, 1);
    drop(stream);
    let answer = until("the stream is over", async || {
        engine.write_once(of_writer("w", batch(1)), None).await.ok()
    })
    .await;
    assert!(answer.already_durable);
    assert_eq!(bench.kafka().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_hangs_up_leaves_its_records_to_settle() {
    let bench = Bench::start().await;
    let engine = bench.engine().await;
    let call = tokio::spawn({
        let engine = engine.clone();
        async move { engine.write_once(of_writer("w", batch(1)), None).await }
    });
    bench.kafka().submitted(1).await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    assert!(engine.get_writer("w").await.live);
    bench.kafka().durable(0);
    until("the writer has moved on", async || {
        let known = engine.get_writer("w").await;
        (!known.live && known.durable_through == 1).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_take_room_like_streams() {
    let bench = Bench::with(Setup { streams_max: 1, ..Setup::default() }).await;
    let engine = bench.engine().await;
    let call = tokio::spawn({
        let engine = engine.clone();
        async move { engine.write_once(plain("{\"n\":1}\n"), None).await }
    });
    bench.kafka().submitted(1).await;
    let status = engine.write_once(plain("{\"n\":2}\n"), None).await.unwrap_err();
    check(&status, Code::ResourceExhausted, "TOO_MANY_WRITERS", "yes", "no");
    bench.kafka().durable(0);
    call.await.unwrap().unwrap();
    engine.writer("w").await;
    assert_eq!(bench.kafka().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_rows_wait_ends_with_its_caller_and_its_rows_are_not_written() {
    let bench = Bench::with(Setup { streams_max: 1, ..Setup::default() }).await;
    bench.kafka().set_partitions(None);
    let engine = bench.engine().await;
    let call = tokio::spawn({
        let engine = engine.clone();
        async move { engine.write_once(of_writer("w", batch(1)), None).await }
    });
    until("the call has the only room", async || {
        let live = engine.get_writer("w").await.live;
        live.then_some(())
    })
    .await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    // Its room is free again, and nothing of it is left to be written.
    let soon = Some(Duration::from_millis(200));
    until("there is room", async || {
        let status = engine.write_once(plain("{\"n\":2}\n"), soon).await.unwrap_err();
        (status.code() == Code::DeadlineExceeded).then_some(())
    })
    .await;
    assert!(!engine.get_writer("w").await.live);
    bench.kafka().set_partitions(Some(&[true]));
    let answer = engine.write_once(of_writer("w", batch(2)), DEADLINE).await.unwrap_err();
    check(&answer, Code::InvalidArgument, "SEQUENCE_GAP", "no", "no");
    assert_eq!(bench.kafka().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_beyond_the_message_limit_is_refused_by_name() {
    let bench = Bench::start().await;
    let engine = bench.engine().await;
    let rows = "{\"n\":1}\n".repeat((1 << 20) / 8 + 1);
    let status = engine.write_once(plain(&rows), None).await.unwrap_err();
    check(&status, Code::InvalidArgument, "BATCH_TOO_LARGE", "no", "no");
    assert_eq!(bench.kafka().count(), 0);
}
