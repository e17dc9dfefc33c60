//! Everything that a stream may not have too much of, and messages that make no sense.
use bytes::{BufMut as _, Bytes};
use prost::Message as _;
use proto::v1::{
    Batch, Columns, DataType, Primitive, Schema, WriteRequest, WriteResponse, batch::Rows,
    data_type, schema, write_request::Message as In,
};
use tokio_stream::StreamExt as _;
use tonic::{
    Code, Request, Status,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::http::uri::PathAndQuery,
    transport::Endpoint,
};

use crate::support::{
    Bench, Setup,
    engine::{check, check_field, open},
    rows::{batch, json, numbers, record, schema, typed},
};

#[tokio::test(flavor = "multi_thread")]
async fn more_batches_than_granted_end_the_stream() {
    let bench = Bench::start().await;
    let engine = bench.engine().await;
    let (mut stream, opened) = engine.writer("w").await;
    let batches = u64::from(opened.credit.unwrap().batches);
    for sequence in 1..=batches {
        stream.batch(batch(sequence)).await;
    }
    bench.kafka().submitted(batches as usize).await;
    bench.kafka().durable(0);
    stream.ack(1).await;
    stream.batch(batch(batches + 1)).await; // there is room for this one
    bench.kafka().submitted(batches as usize + 1).await;
    stream.batch(batch(batches + 2)).await;
    let status = stream.failure().await;
    check(&status, Code::ResourceExhausted, "CREDIT_EXCEEDED", "no", "yes");
    assert!(status.message().contains("256 batches"), "{}", status.message());
    bench.kafka().run_by_itself();
    assert_eq!(engine.writer("w").await.1.resume_after, batches + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_bytes_than_granted_end_the_stream() {
    let setup = Setup { credit_bytes: 1 << 20, streams_max: 4, ..Setup::default() };
    let bench = Bench::with(setup).await;
    let (mut stream, opened) = bench.engine().await.writer("w").await;
    let (credit, limits) = (opened.credit.unwrap().bytes, opened.limits.unwrap());
    assert!(credit < 1 << 20, "the pool has no more");
    assert_eq!(limits.message_bytes_max, credit, "what is granted bounds a message, too");
    let third =
        |sequence| json(sequence, format!("{{\"n\":1}}{}", " ".repeat(credit as usize / 3)));
    for sequence in 1..=3 {
        stream.batch(third(sequence)).await;
    }
    let status = stream.failure().await;
    check(&status, Code::ResourceExhausted, "CREDIT_EXCEEDED", "no", "yes");
    assert!(status.message().contains(&format!("{credit} bytes")), "{}", status.message());
    assert!(bench.kafka().count() <= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn credit_grows_for_those_who_use_it() {
    let bench = Bench::start().await;
    let (mut stream, opened) = bench.engine().await.writer("w").await;
    let before = opened.credit.unwrap().bytes;
    let large = |sequence| json(sequence, format!("{{\"n\":1}}{}", " ".repeat(900_000)));
    for sequence in 1..=4 {
        stream.batch(large(sequence)).await;
    }
    bench.kafka().submitted(4).await;
    bench.kafka().durable(0);
    let grown = stream.ack(1).await.credit.expect("it grew").bytes;
    assert!(grown > before, "{grown} after {before}");
    for sequence in 5..=4 + (grown - before) / 1_000_000 {
        stream.batch(large(sequence)).await;
    }
    bench.kafka().run_by_itself();
    stream.ack(4 + (grown - before) / 1_000_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_batch_is_refused_and_a_huge_message_ends_the_stream() {
    let bench = Bench::start().await;
    let (mut stream, _) = bench.engine().await.writer("w").await;
    stream.batch(json(1, " ".repeat((1 << 20) + 1))).await;
    let refused = stream.refused().await;
    assert_eq!((&*refused.code, refused.expected_sequence), ("BATCH_TOO_LARGE", 1));
    assert!(refused.reason.contains("1048576"), "{}", refused.reason);
    stream.batch(batch(1)).await;
    bench.kafka().submitted(1).await;
    stream.batch(json(2, " ".repeat(3 << 20))).await;
    let status = stream.failure().await;
    check(&status, Code::ResourceExhausted, "MESSAGE_TOO_LARGE", "no", "yes");
    assert!(status.message().contains("1048576 bytes"), "{}", status.message());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_has_at_most_a_million_rows() {
    let setup = Setup { message_bytes_max: 4 << 20, ..Setup::default() };
    let bench = Bench::with(setup).await;
    let (mut stream, _) = bench.engine().await.writer("w").await;
    let empty_rows = Rows::TypedRows([0x0A, 0].repeat(1_000_001).into());
    stream.batch(Batch { sequence: 1, rows: Some(empty_rows), ..Batch::default() }).await;
    let refused = stream.refused().await;
    assert_eq!(refused.code, "ROW_COUNT");
    assert!(refused.reason.contains("1000001 rows"), "{}", refused.reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn schemas_are_sixty_four_and_an_id_declared_again_is_none_more() {
    let bench = Bench::start().await;
    let (mut stream, opened) = bench.engine().await.open_with(open("w")).await;
    let schemas_max = opened.limits.unwrap().schemas_max;
    for id in (0..schemas_max).chain(0..schemas_max) {
        stream.schema(schema(id, &[("n", Primitive::Int64)])).await;
    }
    assert_eq!(stream.barrier().await, 1);
    stream.schema(schema(schemas_max, &[("n", Primitive::Int64)])).await;
    let status = stream.failure().await;
    check(&status, Code::ResourceExhausted, "TOO_MANY_SCHEMAS", "no", "yes");
    assert!(status.message().contains("64"), "{}", status.message());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_cannot_be_served_names_the_column() {
    let bench = Bench::start().await;
    let engine = bench.engine().await;
    let kind = |kind| DataType { kind: Some(kind) };
    let of_type = |name: &str, r#type| {
        let mut schema = schema(1, &[("good", Primitive::Text), (name, Primitive::Text)]);
        let Some(schema::Columns::Typed(Columns { columns })) = &mut schema.columns else {
            unreachable!()
        };
        columns[1].r#type = r#type;
        schema
    };
    let decimal = proto::v1::Decimal { precision: 77, scale: 0 };
    let cases = [
        (of_type("bare", None), "column `bare`"),
        (of_type("odd", Some(kind(data_type::Kind::Primitive(0)))), "column `odd`"),
        (of_type("new", Some(kind(data_type::Kind::Primitive(999)))), "column `new`"),
        (of_type("wide", Some(kind(data_type::Kind::Decimal(decimal)))), "column `wide`"),
        (of_type("good", Some(kind(data_type::Kind::Primitive(1)))), "good"),
        (Schema { id: 1, columns: None }, "no columns"),
        (schema(1, &[]), "column"),
        (
            Schema { id: 1, columns: Some(schema::Columns::ArrowIpc(vec![7; 40].into())) },
            "Arrow IPC",
        ),
    ];
    for (schema, said) in cases {
        let (mut stream, _) = engine.open_with(open("w")).await;
        stream.schema(schema).await;
        let what = check_field(&stream.failure().await, "INVALID_SCHEMA", "yes", "schema");
        assert!(what.contains(said), "{what} says {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_lacks_something_is_refused_and_the_stream_goes_on() {
    let bench = Bench::start().await;
    let (mut stream, _) = bench.engine().await.writer("w").await;
    // In their order, behind a batch that waits: each is told the number that is expected then.
    bench.kafka().set_partitions(None);
    stream.batch(batch(1)).await;
    stream.batch(Batch { sequence: 2, ..Batch::default() }).await;
    stream.batch(Batch { schema_id: 7, ..batch(2) }).await;
    stream.batch(Batch { position: Some(vec![0; 1025].into()), ..batch(2) }).await;
    stream.batch(Batch { position: Some(vec![7; 1024].into()), ..batch(2) }).await;
    bench.kafka().set_partitions(Some(&[true]));
    for code in ["NO_ROWS_CARRIER", "UNKNOWN_SCHEMA", "POSITION_TOO_LONG"] {
        let refused = stream.refused().await;
        assert_eq!((refused.sequence, &*refused.code, refused.expected_sequence), (2, code, 2));
    }
    bench.kafka().submitted(2).await;
    assert_eq!(bench.kafka().records(1), [record(2)]);
    bench.kafka().run_by_itself();
    stream.ack(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_makes_no_sense_ends_the_stream_and_names_its_field() {
    let bench = Bench::start().await;
    let engine = bench.engine().await;
    let timeout = Some(prost_types::Duration { seconds: -1, nanos: 0 });
    let cases = [(batch(0), "batch.sequence"), (Batch { timeout, ..batch(1) }, "batch.timeout")];
    for (batch, field) in cases {
        let (mut stream, _) = engine.writer("w").await;
        stream.batch(batch).await;
        check_field(&stream.failure().await, "INVALID_BATCH", "yes", field);
    }
    assert_eq!(bench.kafka().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_out_beyond_all_clocks_is_none() {
    let bench = Bench::start().await;
    let (mut stream, _) = bench.engine().await.writer("w").await;
    for (sequence, seconds) in [(1, i64::MAX), (2, 315_576_000_000)] {
        let timeout = Some(prost_types::Duration { seconds, nanos: 999_999_999 });
        stream.batch(Batch { timeout, ..batch(sequence) }).await;
    }
    bench.kafka().submitted(2).await;
    bench.kafka().run_by_itself();
    stream.ack(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_message_end_the_stream() {
    let bench = Bench::start().await;
    let endpoint = Endpoint::try_from(format!("http://{}", bench.address)).unwrap();
    let mut raw = tonic::client::Grpc::new(endpoint.connect().await.unwrap());
    let open = WriteRequest { message: Some(In::Open(open("w"))) }.encode_to_vec();
    let schema = WriteRequest { message: Some(In::Schema(numbers())) }.encode_to_vec();
    let batch = WriteRequest { message: Some(In::Batch(typed(1, &[]))) }.encode_to_vec();
    let messages = [open, schema, batch, vec![0x0A, 0xFF]].map(Bytes::from);
    // The stream stays open behind them, as that of a client that lives.
    let messages = tokio_stream::iter(messages).chain(tokio_stream::pending());
    raw.ready().await.unwrap();
    let path = PathAndQuery::from_static("/kafkaoutput.v1.KafkaOutputService/Write");
    let answer = raw.streaming(Request::new(messages), path, Raw).await.unwrap();
    let mut answers = answer.into_inner();
    let status = loop {
        match answers.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a good end"),
            Err(status) => break status,
        }
    };
    check_field(&status, "INVALID_BATCH", "yes", "message");
}

/// Sends bytes as they are.
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = WriteResponse;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = WriteResponse;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<WriteResponse>, Status> {
        WriteResponse::decode(from).map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}
