//! Rows of several batches share records: what goes together, when it goes, and that a batch which
//! waits for others is as safe as one that does not.
use std::time::Duration;

use kafka_output::{
    job::ErrorPolicy,
    kafka::{Cause, Delivery as _, Letter, receipt::Settled},
};
use proto::v1::{Batch, Open, Primitive, value::Kind, write_response::Message as Out};
use tonic::Code;

use crate::support::{
    Bench, Setup,
    engine::{check, open},
    rows::{bad_batch, batch, json, numbers, schema, typed},
    until,
};

/// Longer than any test: what goes before goes for another reason.
const FOR_EVER: Duration = Duration::from_secs(60);

fn packing(rows_max: u32, time: Duration) -> Setup {
    let packing = format!("packing: {{ rows: {rows_max}, time: {}ms }}", time.as_millis());
    let keys = format!("serialization: {{ nonFinite: Error }}\n{packing}");
    Setup { keys: keys.leak(), ..Setup::default() }
}

/// A batch of one column `f`, under id 1.
fn floats(sequence: u64, values: &[f64]) -> Batch {
    let rows: Vec<_> = values.iter().map(|value| [Some(Kind::Float64(*value))]).collect();
    let rows: Vec<_> = rows.iter().map(<[_; 1]>::as_slice).collect();
    Batch { schema_id: 1, ..typed(sequence, &rows) }
}

/// The record of some one-row batches.
fn lines(sequences: impl IntoIterator<Item = u64>) -> String {
    let lines = sequences.into_iter().map(|n| format!("{{\"n\":{n}}}"));
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_share_a_record_until_it_is_full() {
    let bench = Bench::with(packing(3, FOR_EVER)).await;
    let (mut stream, _) = bench.engine().await.writer("w").await;
    for sequence in 1..=6 {
        stream.batch(batch(sequence)).await;
    }
    bench.kafka().submitted(2).await;
    assert_eq!(bench.kafka().records(0), [lines(1..=3)]);
    assert_eq!(bench.kafka().records(1), [lines(4..=6)]);
    bench.kafka().durable(1);
    assert_eq!(stream.barrier().await, 7, "nothing is acknowledged before the first record");
    bench.kafka().durable(0);
    stream.ack(6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_ends_with_a_batch_rather_than_in_it() {
    let bench = Bench::with(packing(4, FOR_EVER)).await;
    let (stream, _) = bench.engine().await.writer("w").await;
    stream.batch(json(1, "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n")).await;
    stream.batch(json(2, "{\"n\":4}\n{\"n\":5}\n")).await;
    stream.batch(json(3, "{\"n\":6}\n{\"n\":7}\n")).await;
    // A batch that is longer than a record goes at once.
    stream.batch(json(4, "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n{\"n\":4}\n{\"n\":5}\n")).await;
    bench.kafka().submitted(3).await;
    assert_eq!(bench.kafka().records(0), [lines(1..=3)]);
    assert_eq!(bench.kafka().records(1), [lines(4..=7)]);
    assert_eq!(bench.kafka().records(2), [lines(1..=4), lines(5..=5)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_waits_no_longer_than_it_may() {
    let bench = Bench::with(packing(1000, Duration::from_millis(300))).await;
    bench.kafka().run_by_itself();
    let (mut stream, _) = bench.engine().await.writer("w").await;
    let began = tokio::time::Instant::now();
    stream.batch(batch(1)).await;
    stream.batch(batch(2)).await;
    stream.ack(2).await;
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(5), "{took:?}");
    assert_eq!(bench.kafka().count(), 1);
    // Half of a batch's own time is the most that it waits.
    let timeout = Some(prost_types::Duration { seconds: 4, nanos: 0 });
    let bench = Bench::with(packing(1000, FOR_EVER)).await;
    bench.kafka().run_by_itself();
    let (mut stream, _) = bench.engine().await.writer("w").await;
    stream.batch(batch(1)).await;
    stream.batch(Batch { timeout, ..batch(2) }).await;
    stream.ack(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_no_more_waits_for_nobody() {
    let bench = Bench::with(packing(1000, FOR_EVER)).await;
    bench.kafka().run_by_itself();
    let engine = bench.engine().await;
    let (mut stream, _) = engine.writer("w").await;
    stream.batch(batch(1)).await;
    stream.batch(batch(2)).await;
    stream.half_close();
    stream.ack(2).await;
    assert!(stream.rest().await.1.is_ok());
    assert_eq!(bench.kafka().count(), 1);

    let (mut stream, opened) = engine.writer("w").await;
    assert_eq!(opened.resume_after, 2);
    stream.batch(batch(3)).await;
    assert_eq!(stream.barrier().await, 4);
    let closing = tokio::spawn(bench.drain(Duration::from_secs(20)));
    stream.draining().await;
    stream.ack(3).await;
    assert!(closing.await.unwrap(), "nothing is stuck");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_batch_is_refused_at_once_and_those_before_it_go_on_waiting() {
    let bench = Bench::with(packing(3, FOR_EVER)).await;
    let (mut stream, _) = bench.engine().await.writer("w").await;
    stream.batch(batch(1)).await;
    stream.batch(bad_batch(2)).await;
    let refused = stream.refused().await;
    assert_eq!((refused.sequence, refused.expected_sequence), (2, 2));
    assert_eq!(&*refused.code, "BAD_ROWS");
    stream.batch(batch(2)).await;
    stream.batch(batch(3)).await;
    bench.kafka().submitted(1).await;
    assert_eq!(bench.kafka().records(0), [lines(1..=3)]);
    bench.kafka().durable(0);
    stream.ack(3).await;
}

/// NaN can be read and not written: it is found when the record is made.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_encoded_is_told_when_its_record_is_made() {
    let bench = Bench::with(packing(4, FOR_EVER)).await;
    let (mut stream, _) = bench.engine().await.writer("w").await;
    stream.schema(schema(1, &[("f", Primitive::Float64)])).await;
    stream.batch(floats(1, &[1.0])).await;
    stream.batch(floats(2, &[2.0, f64::NAN])).await;
    stream.batch(floats(3, &[3.0])).await;
    bench.kafka().submitted(1).await;
    assert_eq!(bench.kafka().records(0), ["{\"f\":1.0}"]);
    let refused = stream.refused().await;
    assert_eq!((refused.sequence, &*refused.code), (2, "BAD_ROWS"));
    assert_eq!((refused.expected_sequence, refused.rows[0].row), (2, 1));
    let refused = stream.refused().await;
    assert_eq!((refused.sequence, &*refused.code), (3, "SEQUENCE_GAP"));
    assert_eq!(refused.expected_sequence, 2);
    bench.kafka().run_by_itself();
    stream.ack(1).await;
    stream.batch(floats(2, &[2.0, 2.5, 2.75])).await;
    stream.batch(floats(3, &[3.0])).await;
    stream.ack(3).await;
    assert_eq!(bench.kafka().count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_set_aside_keep_their_batch_and_number() {
    let bench = rows_set_aside(ErrorPolicy::Drop).await;
    assert_eq!(bench.kafka().letters(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_set_aside_have_letters_with_their_batch_and_number() {
    let bench = rows_set_aside(ErrorPolicy::DeadLetter).await;
    let mut letters = bench.kafka().letters();
    letters.sort_by_key(|letter| (letter.sender.sequence, letter.row));
    let says =
        |letter: &Letter| (letter.sender.sequence, letter.row, letter.code, letter.json.clone());
    let row = |sequence, row, code, json: &str| (sequence, row, code, json.to_owned());
    assert_eq!(
        letters.iter().map(says).collect::<Vec<_>>(),
        [
            row(1, 0, "ROW_REFUSED", "{\"f\":1.0}"),
            row(1, 1, "NON_FINITE", "{\"f\":\"NaN\"}"),
            row(2, 0, "NON_FINITE", "{\"f\":\"Infinity\"}"),
            row(2, 1, "ROW_REFUSED", "{\"f\":2.0}"),
            row(3, 0, "TYPE_MISMATCH", "{\"f\":\"many\"}"),
            row(3, 1, "ROW_REFUSED", "{\"f\":3}"),
            row(3, 2, "ROW_REFUSED", "{\"f\":4}"),
        ]
    );
    let sender = &letters[0].sender;
    let of = (sender.output.as_str(), sender.topic.as_str(), &*sender.writer);
    assert_eq!(of, ("a", "rows", "w"));
}

/// Sends batches with bad rows, which share a record that the broker refuses.
async fn rows_set_aside(error_policy: ErrorPolicy) -> Bench {
    let setup = Setup { error_policy, ..packing(6, FOR_EVER) };
    let bench = Bench::with(setup).await;
    let (mut stream, _) = bench.engine().await.writer("w").await;
    stream.schema(schema(1, &[("f", Primitive::Float64)])).await;
    stream.batch(floats(1, &[1.0, f64::NAN])).await;
    stream.batch(floats(2, &[f64::INFINITY, 2.0])).await;
    stream
        .batch(Batch { schema_id: 1, ..json(3, "{\"f\":\"many\"}\n{\"f\":3}\n{\"f\":4}\n") })
        .await;
    bench.kafka().submitted(1).await;
    assert_eq!(bench.kafka().records(0), ["{\"f\":1.0}\n{\"f\":2.0}\n{\"f\":3.0}\n{\"f\":4.0}"]);
    // The broker refuses the record, and so all of its rows.
    let refused = Cause::new("ROW_REFUSED", "the test says so");
    bench.kafka().settle(0, |_| Settled::Rejected(refused.clone()));
    let ack = stream.ack(3).await;
    let mut rejected: Vec<_> =
        ack.rejected.iter().map(|bad| (bad.sequence, bad.row, &*bad.code)).collect();
    rejected.sort_unstable();
    assert_eq!(
        rejected,
        [
            (1, 0, "ROW_REFUSED"),
            (1, 1, "NON_FINITE"),
            (2, 0, "NON_FINITE"),
            (2, 1, "ROW_REFUSED"),
            (3, 0, "TYPE_MISMATCH"),
            (3, 1, "ROW_REFUSED"),
            (3, 2, "ROW_REFUSED"),
        ]
    );
    assert_eq!(ack.rejected_total, 7);
    bench
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_came_before_the_topic_was_known_share_records_that_it_takes() {
    for time in [Duration::ZERO, Duration::from_millis(1)] {
        let bench = Bench::with(packing(1000, time)).await;
        bench.kafka().set_partitions(None);
        let (stream, _) = bench.engine().await.writer("w").await;
        let rows: String = (0..100).map(|n| format!("{{\"n\":{n}}}\n")).collect();
        stream.batch(json(1, &rows)).await;
        let waits = async || (bench.kafka().leaderless() > 0).then_some(());
        until("a batch waits for the topic", waits).await;
        bench.kafka().set_record_bytes_max(100);
        bench.kafka().set_partitions(Some(&[true]));
        bench.kafka().submitted(1).await;
        let records = bench.kafka().records(0);
        assert!(records.iter().all(|record| record.len() <= 100), "{records:?}");
        assert_eq!(records.join("\n"), lines(0..100));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_refused_record_each_batch_names_a_hundred_rows_and_counts_all() {
    let setup = Setup {
        error_policy: ErrorPolicy::Drop,
        keys: "packing: { rows: 1000000, bytes: 10 MB, time: 60s }",
        ..Setup::default()
    };
    let bench = Bench::with(setup).await;
    let (mut stream, _) = bench.engine().await.writer("w").await;
    let rows = |from: u32| (from..from + 500).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    let texts: [String; 2] = [rows(0), rows(500)];
    stream.batch(json(1, &texts[0])).await;
    stream.batch(json(2, &texts[1])).await;
    stream.half_close();
    bench.kafka().submitted(1).await;
    assert_eq!(bench.kafka().records(0), [lines(0..1000)]);
    let refused = Cause::new("ROW_REFUSED", "the test says so");
    bench.kafka().settle(0, |_| Settled::Rejected(refused.clone()));
    let (said, end) = stream.rest().await;
    end.unwrap();
    let (mut named, mut total) = (Vec::new(), 0);
    for out in said {
        let Out::Ack(ack) = out else { continue };
        total += ack.rejected_total;
        named.extend(ack.rejected.iter().map(|bad| (bad.sequence, bad.row)));
    }
    let expected = (1..=2).flat_map(|sequence| (0..100).map(move |row| (sequence, row)));
    assert!(named.into_iter().eq(expected));
    assert_eq!(total, 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_another_schema_share_no_record() {
    let bench = Bench::with(packing(3, FOR_EVER)).await;
    let (stream, _) = bench.engine().await.writer("w").await;
    stream.schema(schema(1, &[("m", Primitive::Int64)])).await;
    stream.batch(batch(1)).await;
    stream.batch(batch(2)).await;
    stream.batch(Batch { schema_id: 1, ..json(3, "{\"m\":3}\n") }).await;
    stream.batch(batch(4)).await;
    bench.kafka().submitted(2).await;
    assert_eq!(bench.kafka().records(0), [lines(1..=2)]);
    assert_eq!(bench.kafka().records(1), ["{\"m\":3}"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_hold_for_batches_that_wait() {
    let bench = Bench::with(packing(3, FOR_EVER)).await;
    let engine = bench.engine().await;
    let (mut stream, _) = engine.writer("w").await;
    for sequence in [1, 2, 1, 2] {
        stream.batch(batch(sequence)).await;
    }
    assert_eq!(stream.barrier().await, 3);
    stream.batch(json(2, "{\"n\":-2}\n")).await;
    check(&stream.failure().await, Code::FailedPrecondition, "SEQUENCE_REUSED", "no", "yes");
    assert_eq!(bench.kafka().count(), 0);

    // What waited was not accepted: it is sent again and written once.
    let (mut stream, opened) = engine.writer("w").await;
    assert_eq!(opened.resume_after, 0);
    for sequence in 1..=3 {
        stream.batch(batch(sequence)).await;
    }
    bench.kafka().submitted(1).await;
    assert_eq!(bench.kafka().records(0), [lines(1..=3)]);
    bench.kafka().durable(0);
    stream.ack(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_over_finds_nothing_of_what_waited() {
    let bench = Bench::with(packing(2, FOR_EVER)).await;
    let engine = bench.engine().await;
    let (mut older, _) = engine.writer("w").await;
    older.batch(batch(1)).await;
    assert_eq!(older.barrier().await, 2);
    let (mut newer, opened) = engine.open_with(open("w")).await;
    assert_eq!(opened.resume_after, 0);
    check(&older.failure().await, Code::Aborted, "TAKEN_OVER", "no", "yes");
    newer.schema(numbers()).await;
    newer.batch(batch(1)).await;
    newer.batch(batch(2)).await;
    bench.kafka().submitted(1).await;
    assert_eq!(bench.kafka().records(0), [lines(1..=2)]);
    bench.kafka().durable(0);
    newer.ack(2).await;
    assert_eq!(bench.kafka().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_record_makes_all_its_batches_unknown() {
    let bench = Bench::with(packing(2, FOR_EVER)).await;
    let engine = bench.engine().await;
    let (mut stream, _) = engine.writer("w").await;
    stream.batch(batch(1)).await;
    stream.batch(batch(2)).await;
    bench.kafka().submitted(1).await;
    bench.kafka().unknown(0);
    check(&stream.failure().await, Code::Unavailable, "DELIVERY_UNKNOWN", "yes", "yes");
    let (_, opened) = engine.writer("w").await;
    assert_eq!((opened.resume_after, opened.maybe_written_through), (0, Some(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_wait_hold_up_nobody_who_needs_their_room() {
    let bench = Bench::with(Setup { memory_bytes: 64 << 10, ..packing(100_000, FOR_EVER) }).await;
    bench.kafka().run_by_itself();
    let engine = bench.engine().await;
    let rows = "{\"n\":1}\n".repeat(1000);
    let mut streams = Vec::new();
    for writer in 0..4 {
        let (stream, _) = engine.writer(&format!("w{writer}")).await;
        for sequence in 1..=4 {
            stream.batch(json(sequence, rows.clone())).await;
        }
        streams.push(stream);
    }
    // The last of each has nobody behind it that needs its room.
    for stream in &mut streams {
        stream.half_close();
        stream.ack(4).await;
    }
    until("all room is given back", async || {
        (bench.kafka().share().used_bytes() == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_time_is_over_while_others_wait_is_refused_alone() {
    let bench = Bench::with(packing(2, FOR_EVER)).await;
    bench.kafka().set_partitions(Some(&[false]));
    let (mut stream, _) = bench.engine().await.writer("w").await;
    let timeout = Some(prost_types::Duration { seconds: 0, nanos: 200_000_000 });
    stream.batch(batch(1)).await;
    stream.batch(Batch { timeout, ..batch(2) }).await;
    let refused = stream.refused().await;
    assert_eq!((refused.sequence, &*refused.code), (2, "BATCH_TIMEOUT"));
    assert_eq!(refused.expected_sequence, 2);
    stream.batch(batch(2)).await;
    bench.kafka().set_partitions(Some(&[true]));
    bench.kafka().submitted(1).await;
    assert_eq!(bench.kafka().records(0), [lines(1..=2)]);
    bench.kafka().durable(0);
    stream.ack(2).await;
}

/// Nothing can go while no partition has a leader; the time of what waits behind it is long over.
#[tokio::test(flavor = "multi_thread")]
async fn an_engine_is_read_while_nothing_can_go() {
    let bench = Bench::with(packing(2, Duration::from_millis(100))).await;
    bench.kafka().set_partitions(Some(&[false]));
    let interval = Some(prost_types::Duration { seconds: 1, nanos: 0 });
    let open = Open { heartbeat_interval: interval, ..open("w") };
    let (mut stream, _) = bench.engine().await.open_with(open).await;
    stream.schema(numbers()).await;
    stream.batch(batch(1)).await;
    stream.batch(json(2, "{\"n\":2}\n{\"n\":3}\n")).await;
    // The service says something in every interval; in four of them an engine that was not read
    // would be given up.
    for _ in 0..4 {
        stream.answer().await;
        stream.beat().await;
    }
    bench.kafka().set_partitions(Some(&[true]));
    bench.kafka().submitted(2).await;
    bench.kafka().run_by_itself();
    stream.ack(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_engine_may_send_goes_before_it_may_send_no_more() {
    let setup = Setup { credit_bytes: 1 << 20, ..packing(1_000_000, FOR_EVER) };
    let bench = Bench::with(setup).await;
    bench.kafka().run_by_itself();
    let (mut stream, opened) = bench.engine().await.writer("w").await;
    let credit = opened.credit.unwrap();
    let rows = "{\"n\":1}\n".repeat(credit.bytes as usize / 8 / 4);
    for sequence in 1..=2 {
        stream.batch(json(sequence, rows.clone())).await;
    }
    stream.ack(2).await;
    let half = u64::from(credit.batches) / 2;
    for sequence in 3..3 + half {
        stream.batch(batch(sequence)).await;
    }
    stream.ack(2 + half).await;
}
