//! Sequences, acknowledgements, and batches whose outcome nobody knows.
use proto::v1::{Open, Primitive};
use tonic::Code;

use crate::support::{
    Bench,
    engine::{check, open},
    rows::{batch, json, numbers, record, schema, typed},
    until,
};

#[tokio::test(flavor = "multi_thread")]
async fn acknowledgements_are_cumulative_and_in_order() {
    let bench = Bench::start().await;
    let (mut stream, _) = bench.engine().await.writer("w").await;
    for sequence in 1..=3 {
        stream.batch(batch(sequence)).await;
    }
    bench.kafka().submitted(3).await;
    for sequence in 1..=3 {
        assert_eq!(bench.kafka().records(sequence - 1), [record(sequence as u64)]);
    }
    bench.kafka().durable(2);
    bench.kafka().durable(1);
    // The barrier is the first answer: nothing is acknowledged while the first batch flies.
    assert_eq!(stream.barrier().await, 4);
    bench.kafka().durable(0);
    stream.ack(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_durable_when_its_last_record_is() {
    let bench = Bench::start().await;
    let (mut stream, _) = bench.engine().await.writer("w").await;
    stream.batch(json(1, "{\"n\":1}\n{\"n\":2}\n")).await;
    bench.kafka().submitted(1).await;
    bench.kafka().durable_record(0, 1);
    assert_eq!(stream.barrier().await, 2);
    bench.kafka().durable_record(0, 0);
    stream.ack(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_is_refused_with_the_number_that_is_expected() {
    let bench = Bench::start().await;
    let (mut stream, _) = bench.engine().await.writer("w").await;
    stream.batch(batch(3)).await;
    let refused = stream.refused().await;
    assert_eq!((refused.sequence, &*refused.code), (3, "SEQUENCE_GAP"));
    assert_eq!((refused.expected_sequence, refused.rows_total), (1, 0));
    assert!(refused.reason.contains("1 is next"), "{}", refused.reason);

    stream.batch(batch(1)).await;
    stream.batch(batch(3)).await;
    assert_eq!(stream.refused().await.expected_sequence, 2);
    stream.batch(batch(2)).await;
    bench.kafka().submitted(2).await;
    bench.kafka().run_by_itself();
    stream.ack(2).await;
    assert_eq!(bench.kafka().count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_sent_again_is_written_once() {
    let bench = Bench::start().await;
    let engine = bench.engine().await;
    let (mut stream, _) = engine.writer("w").await;
    for sequence in [1, 2, 1, 2, 1] {
        stream.batch(batch(sequence)).await;
    }
    assert_eq!(stream.barrier().await, 3, "those under way have no answer of their own");
    assert_eq!(bench.kafka().count(), 2);
    bench.kafka().run_by_itself();
    stream.ack(2).await;

    // Those that are durable are acknowledged once more, on this stream and on the next.
    stream.batch(batch(1)).await;
    assert_eq!(stream.ack(2).await.rejected_total, 0);
    drop(stream);
    let (mut stream, opened) = engine.writer("w").await;
    assert_eq!(opened.resume_after, 2);
    stream.batch(batch(2)).await;
    stream.ack(2).await;
    assert_eq!(bench.kafka().count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_named_other_rows_ends_the_stream() {
    let bench = Bench::start().await;
    let engine = bench.engine().await;
    let (mut stream, _) = engine.writer("w").await;
    for sequence in 1..=2 {
        stream.batch(batch(sequence)).await;
    }
    bench.kafka().submitted(2).await;
    bench.kafka().durable(0);
    stream.ack(1).await;
    stream.batch(json(2, "{\"n\":-2}\n")).await; // under way
    let status = stream.failure().await;
    check(&status, Code::FailedPrecondition, "SEQUENCE_REUSED", "no", "yes");
    assert!(status.message().contains("sequence 2"), "{}", status.message());

    bench.kafka().durable(1);
    let (mut stream, opened) = engine.writer("w").await;
    assert_eq!(opened.resume_after, 2, "what was under way has settled");
    stream.batch(json(1, "{\"n\":-1}\n")).await; // durable, of another stream
    let status = stream.failure().await;
    check(&status, Code::FailedPrecondition, "SEQUENCE_REUSED", "no", "yes");
    assert_eq!(bench.kafka().count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_outcome_ends_the_stream_and_the_next_goes_on_behind_it() {
    let bench = Bench::start().await;
    let engine = bench.engine().await;
    let (mut stream, _) = engine.writer("w").await;
    for sequence in 1..=4 {
        stream.batch(batch(sequence)).await;
    }
    bench.kafka().submitted(4).await;
    // Batches behind the unknown one are stored, some before its outcome and some after it.
    bench.kafka().durable(2);
    bench.kafka().durable(0);
    stream.ack(1).await;
    bench.kafka().unknown(1);
    let status = stream.failure().await;
    check(&status, Code::Unavailable, "DELIVERY_UNKNOWN", "yes", "yes");
    assert!(status.message().contains("batch 2"), "{}", status.message());
    assert!(status.message().contains("TEST_UNKNOWN"), "{}", status.message());
    let known = engine.get_writer("w").await;
    assert_eq!((known.live, known.durable_through), (true, 1));
    bench.kafka().durable(3);

    let (mut stream, opened) = engine.writer("w").await;
    assert_eq!(opened.resume_after, 1, "the unknown batch is not passed over");
    for sequence in 2..=4 {
        stream.batch(batch(sequence)).await;
    }
    bench.kafka().submitted(7).await;
    bench.kafka().run_by_itself();
    stream.ack(4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_record_is_an_unknown_outcome() {
    let bench = Bench::start().await;
    let engine = bench.engine().await;
    let (mut stream, _) = engine.writer("w").await;
    stream.batch(json(1, "{\"n\":1}\n{\"n\":2}\n")).await;
    stream.batch(batch(2)).await;
    bench.kafka().submitted(2).await;
    bench.kafka().durable_record(0, 0);
    bench.kafka().lose(0);
    let status = stream.failure().await;
    check(&status, Code::Unavailable, "DELIVERY_UNKNOWN", "yes", "yes");
    assert!(status.message().contains("LOST"), "{}", status.message());
    bench.kafka().lose(1);
    assert_eq!(engine.writer("w").await.1.resume_after, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_batch_may_change_since_it_never_was_durable() {
    let bench = Bench::start().await;
    let engine = bench.engine().await;
    let (mut stream, _) = engine.writer("w").await;
    stream.batch(batch(1)).await;
    bench.kafka().submitted(1).await;
    bench.kafka().unknown(0);
    check(&stream.failure().await, Code::Unavailable, "DELIVERY_UNKNOWN", "yes", "yes");
    let known = until("the stream is over", async || {
        let known = engine.get_writer("w").await;
        (!known.live).then_some(known)
    })
    .await;
    assert_eq!((known.durable_through, known.batches_in_flight), (0, 0));

    let (mut stream, opened) = engine.writer("w").await;
    assert_eq!(opened.resume_after, 0);
    stream.batch(json(1, "{\"n\":100}\n")).await;
    bench.kafka().submitted(2).await;
    bench.kafka().durable(1);
    stream.ack(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_position_of_the_last_durable_batch_is_returned() {
    let bench = Bench::start().await;
    let engine = bench.engine().await;
    let (mut stream, _) = engine.writer("w").await;
    for (sequence, position) in [(1, Some("one")), (2, Some("two")), (3, None)] {
        let mut batch = batch(sequence);
        batch.position = position.map(Into::into);
        stream.batch(batch).await;
    }
    bench.kafka().submitted(3).await;
    bench.kafka().durable(0);
    bench.kafka().durable(1);
    stream.ack(2).await;
    assert_eq!(engine.get_writer("w").await.position.as_deref(), Some(&b"two"[..]));
    // The client is gone; the last batch, without a position, settles all the same.
    drop(stream);
    bench.kafka().durable(2);
    let (_stream, opened) = engine.writer("w").await;
    assert_eq!((opened.resume_after, opened.position), (3, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_batch_is_durable_in_its_turn() {
    let bench = Bench::start().await;
    let (mut stream, _) = bench.engine().await.writer("w").await;
    stream.batch(json(1, "")).await;
    stream.ack(1).await;
    stream.batch(batch(2)).await;
    stream.batch(typed(3, &[])).await;
    bench.kafka().submitted(3).await;
    assert_eq!(stream.barrier().await, 4);
    bench.kafka().durable(1);
    stream.ack(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_has_several_schemas_and_an_id_declared_again_is_for_later_batches() {
    let bench = Bench::start().await;
    bench.kafka().set_partitions(None);
    let (mut stream, _) = bench.engine().await.open_with(open("w")).await;
    let with = |sequence, schema_id, rows: &str| {
        let mut batch = json(sequence, rows);
        batch.schema_id = schema_id;
        batch
    };
    stream.schema(schema(0, &[("n", Primitive::Int64)])).await;
    stream.schema(schema(u32::MAX, &[("t", Primitive::Text), ("b", Primitive::Bool)])).await;
    stream.batch(with(1, 0, "{\"n\":1}")).await;
    stream.batch(with(2, u32::MAX, "{\"t\":\"x\"}")).await;
    stream.batch(with(3, 0, "{\"n\":3}")).await;
    // The first batch waits for a partition, so the third has not been looked at yet.
    stream.schema(schema(0, &[("n", Primitive::Text)])).await;
    stream.batch(with(4, 0, "{\"n\":\"4\"}")).await;
    stream.batch(with(5, 0, "{\"n\":5}")).await;
    bench.kafka().set_partitions(Some(&[true]));
    let refused = stream.refused().await;
    assert_eq!((refused.sequence, &*refused.code), (5, "BAD_ROWS"));
    bench.kafka().submitted(4).await;
    let records: Vec<_> = (0..4).flat_map(|flight| bench.kafka().records(flight)).collect();
    let expected = [r#"{"n":1}"#, r#"{"t":"x","b":null}"#, r#"{"n":3}"#, r#"{"n":"4"}"#];
    assert_eq!(records, expected);
    bench.kafka().run_by_itself();
    stream.ack(4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_do_not_share_their_numbers() {
    let bench = Bench::start().await;
    let engine = bench.engine().await;
    let (mut one, _) = engine.writer("one").await;
    let (mut two, _) = engine.writer("two").await;
    one.batch(batch(1)).await;
    bench.kafka().submitted(1).await;
    two.batch(batch(1)).await;
    bench.kafka().submitted(2).await;
    bench.kafka().unknown(0);
    check(&one.failure().await, Code::Unavailable, "DELIVERY_UNKNOWN", "yes", "yes");
    bench.kafka().durable(1);
    two.ack(1).await;
    let ahead = Open { acknowledged: Some(9), ..open("one") };
    assert_eq!(engine.open_with(ahead).await.1.resume_after, 9);
    assert_eq!(two.barrier().await, 2);
    two.schema(numbers()).await;
    two.batch(batch(2)).await;
    bench.kafka().submitted(3).await;
}
