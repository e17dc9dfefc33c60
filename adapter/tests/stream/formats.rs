//! Formats and packing of the job file, as the records that Kafka is given.
use kafka_output::{
    job::ErrorPolicy,
    kafka::{Cause, receipt::Settled},
};
use proto::v1::{Ack, Batch, Primitive};

use crate::support::{
    Bench, Setup,
    engine::{Stream, open},
    rows::{json, schema},
};

/// A service whose output has these keys, and a stream with the columns `n` and `t`.
async fn bench(keys: &'static str, error_policy: ErrorPolicy) -> (Bench, Stream) {
    let bench = Bench::with(Setup { keys, error_policy, ..Setup::default() }).await;
    let (stream, _) = bench.engine().await.open_with(open("w")).await;
    stream.schema(schema(0, &[("n", Primitive::Int64), ("t", Primitive::Text)])).await;
    (bench, stream)
}

/// Rows with these numbers and no text.
fn lines(numbers: std::ops::Range<u32>) -> String {
    numbers.map(|n| format!("{{\"n\":{n}}}\n")).collect()
}

/// Number and code of each rejected row.
fn rejected(ack: &Ack) -> Vec<(u64, &str)> {
    ack.rejected.iter().map(|row| (row.row, row.code.as_str())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_batch_share_records() {
    let keys = "serialization: { nulls: Omit }\npacking: { rows: 3 }";
    let (bench, mut stream) = bench(keys, ErrorPolicy::Stop).await;
    stream.batch(json(1, lines(0..7))).await;
    // A batch is not packed with the next.
    stream.batch(json(2, lines(7..8))).await;
    bench.kafka().submitted(2).await;
    let records =
        ["{\"n\":0}\n{\"n\":1}\n{\"n\":2}", "{\"n\":3}\n{\"n\":4}\n{\"n\":5}", "{\"n\":6}"];
    assert_eq!(bench.kafka().records(0), records);
    assert_eq!(bench.kafka().records(1), ["{\"n\":7}"]);
    bench.kafka().durable(0);
    bench.kafka().durable(1);
    let ack = stream.ack(2).await;
    assert_eq!((ack.rejected.len(), ack.rejected_total), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_refused_names_all_its_rows() {
    let keys = "packing: { rows: 2 }";
    let (bench, mut stream) = bench(keys, ErrorPolicy::Drop).await;
    // Row 1 is no number, so that the second record holds the rows 3 and 4.
    let rows = format!("{}{{\"n\":\"many\"}}\n{}", lines(0..1), lines(2..7));
    stream.batch(json(1, rows)).await;
    bench.kafka().submitted(1).await;
    let records = bench.kafka().records(0);
    assert_eq!(records[1], "{\"n\":3,\"t\":null}\n{\"n\":4,\"t\":null}");
    assert_eq!(records.len(), 3);
    bench.kafka().settle(0, |record| match record {
        1 => Settled::Rejected(Cause::new("TEST_REFUSED", "the test says so")),
        _ => Settled::Durable,
    });
    let ack = stream.ack(1).await;
    let expected = [(1, "TYPE_MISMATCH"), (3, "TEST_REFUSED"), (4, "TEST_REFUSED")];
    assert_eq!(rejected(&ack), expected);
    assert_eq!(ack.rejected_total, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_ends_with_its_bytes() {
    let keys = "serialization: { format: Array, nulls: Omit }\npacking: { bytes: 1 KiB }";
    let (bench, stream) = bench(keys, ErrorPolicy::Stop).await;
    let row = |n: u32| format!("{{\"n\":{n},\"t\":\"{}\"}}", "x".repeat(480));
    let long = format!("{{\"n\":9,\"t\":\"{}\"}}", "x".repeat(2000));
    let all = [row(1), row(2), row(3), long.clone(), row(4)];
    stream.batch(json(1, all.join("\n"))).await;
    bench.kafka().submitted(1).await;
    let records = [format!("[{},{}]", row(1), row(2)), format!("[{}]", row(3))];
    let rest = [format!("[{long}]"), format!("[{}]", row(4))];
    assert_eq!(bench.kafka().records(0), [records, rest].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_become_csv() {
    let keys = "serialization: { type: Csv, delimiter: Semicolon, header: true, nullText: '-' }\n\
        packing: { rows: 2 }";
    let (bench, stream) = bench(keys, ErrorPolicy::Stop).await;
    let rows = "{\"n\":1,\"t\":\"a;b\"}\n{\"t\":\"\"}\n{\"n\":3}\n";
    stream.batch(json(1, rows)).await;
    bench.kafka().submitted(1).await;
    let records = ["n;t\r\n1;\"a;b\"\r\n-;\"\"", "n;t\r\n3;-"];
    assert_eq!(bench.kafka().records(0), records);
}

/// The row `{"n":21}` by the derived schema: in each union the number of its branch goes first.
const ROW: [u8; 3] = [2, 42, 0];

#[tokio::test(flavor = "multi_thread")]
async fn rows_become_avro() {
    for (keys, prefix) in [
        ("serialization: { type: Avro, framing: Raw }", &[][..]),
        ("serialization: { type: Avro, framing: Confluent, schemaId: 258 }", &[0, 0, 0, 1, 2]),
        ("serialization: { type: Avro, framing: SingleObject }", &[0xc3, 0x01]),
    ] {
        let (bench, stream) = bench(keys, ErrorPolicy::Stop).await;
        stream.batch(json(1, lines(21..22))).await;
        bench.kafka().submitted(1).await;
        let records = bench.kafka().bytes(0);
        assert_eq!(records.len(), 1);
        assert!(records[0].starts_with(prefix), "{keys}: {:x?}", records[0]);
        assert!(records[0].ends_with(&ROW), "{keys}: {:x?}", records[0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_share_an_avro_container() {
    let keys = "serialization: { type: Avro, name: Flight, namespace: org.example }\n\
        packing: { rows: 2 }";
    let (bench, stream) = bench(keys, ErrorPolicy::Stop).await;
    stream.batch(json(1, lines(21..24))).await;
    bench.kafka().submitted(1).await;
    let records = bench.kafka().bytes(0);
    assert_eq!(records.len(), 2);
    let name = br#""name":"Flight","namespace":"org.example""#;
    for (record, block) in records.iter().zip([
        // Rows, bytes, and the rows themselves.
        &[4, 12, 2, 42, 0, 2, 44, 0][..],
        &[2, 6, 2, 46, 0],
    ]) {
        assert!(record.starts_with(b"Obj\x01"));
        assert!(record.windows(name.len()).any(|part| part == name));
        // The sync marker is before the block and behind it.
        let (front, sync) = record.split_at(record.len() - 16);
        assert!(front.ends_with(&[sync, block].concat()), "{front:x?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_follow_a_schema_file() {
    let keys = "serialization:\n  type: Avro\n  framing: Raw\n  \
        schemaFile: ../examples/flight-delays.avsc";
    let bench = Bench::with(Setup { keys, ..Setup::default() }).await;
    let (mut stream, _) = bench.engine().await.open_with(open("w")).await;
    let columns = [("delay", Primitive::Int64), ("flight", Primitive::Int64)];
    stream.schema(schema(0, &columns)).await;
    stream.batch(json(1, "{\"delay\":-1,\"flight\":21}\n{\"flight\":22}\n")).await;
    bench.kafka().submitted(1).await;
    assert_eq!(bench.kafka().bytes(0), [&[42, 2, 1][..], &[44, 0]]);
    // The schema takes no flight without a number.
    stream.batch(json(2, "{\"flight\":23}\n{\"delay\":5}\n")).await;
    let refused = stream.refused().await;
    assert_eq!((refused.sequence, &*refused.code, refused.rows_total), (2, "BAD_ROWS", 1));
    let row = &refused.rows[0];
    assert_eq!((row.row, &*row.code, &*row.column), (1, "NULL_VALUE", "flight"));
    assert_eq!(bench.kafka().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_the_output_cannot_take_refuses_its_batches_and_no_others() {
    let keys = "serialization:\n  type: Avro\n  framing: Raw\n  \
        schemaFile: ../examples/flight-delays.avsc";
    let bench = Bench::with(Setup { keys, ..Setup::default() }).await;
    let (mut stream, _) = bench.engine().await.open_with(open("w")).await;
    stream.schema(schema(0, &[("flight", Primitive::Int64)])).await;
    let columns = [("flight", Primitive::Text), ("gate", Primitive::Text)];
    stream.schema(schema(1, &columns)).await;
    stream.batch(json(1, "{\"flight\":21}\n")).await;
    let of_other = |sequence| Batch { schema_id: 1, ..json(sequence, "{\"gate\":\"B2\"}\n") };
    stream.batch(of_other(2)).await;
    let refused = stream.refused().await;
    assert_eq!((refused.sequence, &*refused.code), (2, "SCHEMA_REFUSED"));
    assert_eq!((refused.expected_sequence, refused.rows_total), (2, 0));
    for said in ["output `a`", "column `flight`", "column `gate`"] {
        assert!(refused.reason.contains(said), "{} says {said}", refused.reason);
    }
    // The stream goes on, with the schema that fits and with the other one put right.
    stream.batch(json(2, "{\"flight\":22}\n")).await;
    stream.schema(schema(1, &[("flight", Primitive::Int32)])).await;
    stream.batch(Batch { schema_id: 1, ..json(3, "{\"flight\":23}\n") }).await;
    bench.kafka().submitted(3).await;
    let records: Vec<_> = (0..3).flat_map(|flight| bench.kafka().bytes(flight)).collect();
    assert_eq!(records, [[42, 0], [44, 0], [46, 0]]);
    bench.kafka().run_by_itself();
    stream.ack(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_may_change_between_two_batches() {
    let keys = "serialization: { type: Csv, header: true }\npacking: { rows: 10 }";
    let (bench, mut stream) = bench(keys, ErrorPolicy::Stop).await;
    stream.batch(json(1, "{\"n\":1,\"t\":\"x\"}\n")).await;
    // The same id, while batches of the old columns may be on their way.
    stream.schema(schema(0, &[("t", Primitive::Text), ("late", Primitive::Bool)])).await;
    stream.batch(json(2, "{\"t\":\"y\",\"late\":true}\n")).await;
    bench.kafka().submitted(2).await;
    assert_eq!(bench.kafka().records(0), ["n,t\r\n1,x"]);
    assert_eq!(bench.kafka().records(1), ["t,late\r\ny,true"]);
    bench.kafka().run_by_itself();
    stream.ack(2).await;
}
