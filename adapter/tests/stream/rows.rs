//! Bad rows: named and refused, or named and left out.
use kafka_output::{
    job::ErrorPolicy,
    kafka::{Cause, receipt::Settled},
};
use proto::v1::{Column, Primitive, RejectedRow, Schema, schema::Columns, value::Kind};

use crate::support::{
    Bench, Setup,
    engine::{Stream, open},
    rows::{batch, json, record, schema, typed},
};

async fn bench(error_policy: ErrorPolicy, record_bytes_max: usize) -> (Bench, Stream) {
    let bench = Bench::with(Setup { error_policy, record_bytes_max, ..Setup::default() }).await;
    let (stream, _) = bench.engine().await.open_with(open("w")).await;
    (bench, stream)
}

/// `n` is required, `x` is not.
fn columns() -> Schema {
    let mut schema = schema(0, &[("n", Primitive::Int64), ("x", Primitive::Float64)]);
    let Some(Columns::Typed(columns)) = &mut schema.columns else { unreachable!() };
    columns.columns[0] = Column { required: true, ..columns.columns[0].clone() };
    schema
}

/// Row, code and column of each, and all of the batch `sequence` with a reason.
fn named(rows: &[RejectedRow], sequence: u64) -> Vec<(u64, &str, &str)> {
    assert!(rows.iter().all(|row| row.sequence == sequence && !row.reason.is_empty()), "{rows:?}");
    rows.iter().map(|row| (row.row, row.code.as_str(), row.column.as_str())).collect()
}

fn int(value: i64) -> Option<Kind> {
    Some(Kind::Int64(value))
}

fn float(value: f64) -> Option<Kind> {
    Some(Kind::Float64(value))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_names_rows_that_cannot_be_read_and_rows_that_cannot_be_written() {
    let (bench, mut stream) = bench(ErrorPolicy::Stop, 1000).await;
    stream.schema(columns()).await;
    let rows: [&[Option<Kind>]; 7] = [
        &[int(0), float(0.5)],
        &[Some(Kind::Text("many".into())), float(1.5)],
        &[int(2), None],
        &[int(3), float(f64::NAN)],
        &[int(4)],
        &[None, float(5.5)],
        &[int(6), float(f64::INFINITY)],
    ];
    stream.batch(typed(1, &rows)).await;
    // These are on their way before the refusal can be read.
    let good: [&[Option<Kind>]; 1] = [&[int(7), None]];
    stream.batch(typed(2, &good)).await;
    stream.batch(typed(3, &good)).await;

    let refused = stream.refused().await;
    assert_eq!((refused.sequence, &*refused.code), (1, "BAD_ROWS"));
    assert_eq!((refused.expected_sequence, refused.rows_total), (1, 5));
    assert!(refused.reason.starts_with("5 of the batch's rows"), "{}", refused.reason);
    let expected = [
        (1, "TYPE_MISMATCH", "n"),
        (3, "NON_FINITE", "x"),
        (4, "ROW_WIDTH", ""),
        (5, "NULL_IN_REQUIRED", "n"),
        (6, "NON_FINITE", "x"),
    ];
    assert_eq!(named(&refused.rows, 1), expected);
    for sequence in [2, 3] {
        let refused = stream.refused().await;
        assert_eq!((refused.sequence, &*refused.code), (sequence, "SEQUENCE_GAP"));
        assert_eq!(refused.expected_sequence, 1);
    }
    assert_eq!(bench.kafka().count(), 0, "nothing of it is written");

    // The same number, put right, and those behind it once more.
    for sequence in 1..=3 {
        stream.batch(typed(sequence, &good)).await;
    }
    bench.kafka().submitted(3).await;
    bench.kafka().run_by_itself();
    let ack = stream.ack(3).await;
    assert_eq!((ack.rejected.len(), ack.rejected_total), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_names_bad_json_lines() {
    let (bench, mut stream) = bench(ErrorPolicy::Stop, 40).await;
    stream.schema(schema(0, &[("n", Primitive::Int64), ("t", Primitive::Text)])).await;
    let long = "x".repeat(40);
    let lines = format!(
        "{{\"n\":0}}\n{{\"n\":}}\n{{\"m\":2}}\n{{\"n\":3,\"t\":\"{long}\"}}\n{{\"n\":1e30}}\n\
         {{\"n\":5,\"n\":5}}\n"
    );
    stream.batch(json(1, lines)).await;
    let refused = stream.refused().await;
    assert_eq!((&*refused.code, refused.rows_total), ("BAD_ROWS", 5));
    let expected = [
        (1, "INVALID_JSON", ""),
        (2, "UNKNOWN_COLUMN", "m"),
        (3, "ROW_TOO_LARGE", "t"),
        (4, "OUT_OF_RANGE", "n"),
        (5, "DUPLICATE_COLUMN", "n"),
    ];
    assert_eq!(named(&refused.rows, 1), expected);
    assert_eq!(bench.kafka().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_names_a_hundred_rows_and_counts_all() {
    let (bench, mut stream) = bench(ErrorPolicy::Stop, 1000).await;
    stream.schema(columns()).await;
    let lines: String = (0..150).map(|row| format!("{{\"n\":\"{row}x\"}}\n")).collect();
    stream.batch(json(1, lines)).await;
    let refused = stream.refused().await;
    assert_eq!((refused.rows.len(), refused.rows_total), (100, 150));
    assert_eq!(bench.kafka().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn under_drop_the_acknowledgement_names_rows_that_were_left_out() {
    let (bench, mut stream) = bench(ErrorPolicy::Drop, 1000).await;
    stream.schema(columns()).await;
    let rows: [&[Option<Kind>]; 5] = [
        &[Some(Kind::Text("many".into())), None],
        &[int(1), float(f64::NAN)],
        &[int(2), None],
        &[int(3), None],
        &[int(4), None],
    ];
    stream.batch(typed(1, &rows)).await;
    bench.kafka().submitted(1).await;
    let written = ["{\"n\":2,\"x\":null}", "{\"n\":3,\"x\":null}", "{\"n\":4,\"x\":null}"];
    assert_eq!(bench.kafka().records(0), written);
    // The second record, row 3 of the batch, is refused by the broker.
    bench.kafka().settle(0, |record| match record {
        1 => Settled::Rejected(Cause::new("ROW_REFUSED", "the broker says so")),
        _ => Settled::Durable,
    });
    let ack = stream.ack(1).await;
    let expected = [(0, "TYPE_MISMATCH", "n"), (1, "NON_FINITE", "x"), (3, "ROW_REFUSED", "")];
    assert_eq!(named(&ack.rejected, 1), expected);
    assert_eq!(ack.rejected_total, 3);

    // A batch that is all bad is durable with nothing written; the next one goes on.
    stream.batch(json(2, "{}\n{}\n")).await;
    let ack = stream.ack(2).await;
    assert_eq!(named(&ack.rejected, 2).len(), 2);
    assert!(bench.kafka().records(1).is_empty());
    stream.batch(json(3, "{\"n\":3}\n")).await;
    bench.kafka().submitted(3).await;
    bench.kafka().durable(2);
    assert_eq!(stream.ack(3).await.rejected_total, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_names_a_hundred_rows_of_a_batch_and_counts_all() {
    let (bench, mut stream) = bench(ErrorPolicy::Drop, 1000).await;
    stream.schema(columns()).await;
    let lines = |bad: u64| -> String {
        (0..200).map(|row| if row < bad { "{}\n" } else { "{\"n\":1}\n" }).collect()
    };
    stream.batch(json(1, lines(150))).await;
    stream.batch(json(2, lines(20))).await;
    bench.kafka().submitted(2).await;
    let refused = Settled::Rejected(Cause::new("ROW_REFUSED", "the broker says so"));
    bench.kafka().settle(0, |_| refused.clone());
    let ack = stream.ack(1).await;
    assert_eq!((ack.rejected.len(), ack.rejected_total), (100, 200));
    bench.kafka().settle(1, |_| refused.clone());
    let ack = stream.ack(2).await;
    assert_eq!((ack.rejected.len(), ack.rejected_total), (100, 200));
    assert_eq!(
        named(&ack.rejected, 2)[19..21],
        [(19, "NULL_IN_REQUIRED", "n"), (20, "ROW_REFUSED", "")]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_makes_no_sense_is_refused_and_the_stream_goes_on() {
    let (bench, mut stream) = bench(ErrorPolicy::Drop, 1000).await;
    stream.schema(schema(0, &[("n", Primitive::Int64)])).await;
    let mut torn = typed(1, &[&[int(1)]]);
    torn.rows = Some(proto::v1::batch::Rows::TypedRows(vec![0x0A, 0x7F].into()));
    stream.batch(torn).await;
    let refused = stream.refused().await;
    assert_eq!((&*refused.code, refused.rows_total), ("BAD_CARRIER", 0));
    let mut torn = batch(1);
    torn.rows = Some(proto::v1::batch::Rows::ArrowIpc(vec![1; 64].into()));
    stream.batch(torn).await;
    assert_eq!(stream.refused().await.code, "BAD_CARRIER");
    stream.batch(batch(1)).await;
    bench.kafka().submitted(1).await;
    assert_eq!(bench.kafka().records(0), [record(1)]);
}
