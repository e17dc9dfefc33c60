//! Inputs to begin with: every type in every carrier and file, every key of a job file.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_ipc::writer::FileWriter;
use arrow_schema::{DataType, Field, IntervalUnit, Schema, UnionFields, UnionMode};
use bytes::Bytes;
use kafka_output::rows::{Carrier, Decoder, Limits};
use parquet::{
    arrow::ArrowWriter,
    basic::{BrotliLevel, Compression, Encoding, GzipLevel, ZstdLevel},
    file::properties::{WriterProperties, WriterVersion},
};
use prost::Message as _;
use proto::v1::{self, data_type::Kind, schema::Columns};

use crate::{
    material::{KEY, PASSWORD, TRUST},
    rows::{OWN_SCHEMA, schema_message},
    samples,
    types::{Input, write_schema},
};

/// An input with a name for its file.
pub type Seed = (String, Vec<u8>);

/// Floats that are no numbers as text, so that records are read back.
const TEXT_FLOATS: u8 = 2;

/// The seeds of a target.
///
/// # Panics
/// If the target has none.
pub fn of(target: &str) -> Vec<Seed> {
    match target {
        "ipc" => ipc(),
        "typed" => carried(samples::typed_bytes),
        "json_lines" => carried(samples::json_lines),
        "ipc_schema" => ipc_schemas(),
        "columns" => columns(),
        "job" => jobs(),
        "material" => key_material(),
        "csv" => text(CSV, 2),
        "jsonl" => text(JSONL, 1),
        "arrow" => arrow_files(),
        "parquet" => parquet_files(),
        other => panic!("the target {other} has no seeds"),
    }
}

/// Each sample column as a batch, and one batch of many columns.
fn batches() -> Vec<(String, RecordBatch)> {
    let one = |(field, array): (Field, ArrayRef)| {
        let name = field.name().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        (name, samples::batch(vec![(field, array)]))
    };
    let mut batches = samples::every_type().into_iter().map(one).collect::<Vec<_>>();
    let flights = samples::flights(3);
    let flights = flights.project(&[0, 8, 9, 11, 15, 18]).expect("it has 19 columns");
    batches.push(("flights".to_owned(), flights));
    batches
}

/// The batch with the names that a schema in a few bytes gives.
fn renamed(batch: &RecordBatch) -> (Vec<u8>, RecordBatch) {
    let schema = write_schema(&batch.schema());
    let named = Input(&schema).schema();
    let message = schema_message(&named).expect("Arrow has all types");
    let declared = kafka_output::rows::schema_from_ipc(&message.into()).expect("it is a schema");
    let decoder = Decoder::compile(declared).expect("all types are supported");
    let limits = Limits { rows_max: 1_000, bytes_max: 1 << 20 };
    let typed = Bytes::from(samples::typed_bytes(batch));
    let decoded = decoder.decode(Carrier::TypedRows, &typed, &limits).expect("it is well written");
    assert_eq!(decoded.rejected, [], "samples have no bad rows");
    (schema, decoded.batch)
}

fn carried(write: fn(&RecordBatch) -> Vec<u8>) -> Vec<Seed> {
    let seed = |(name, batch): (String, RecordBatch)| {
        let (schema, batch) = renamed(&batch);
        (name, [vec![TEXT_FLOATS], schema, write(&batch)].concat())
    };
    batches().into_iter().map(seed).collect()
}

fn ipc() -> Vec<Seed> {
    let seeds = |(name, batch): (String, RecordBatch)| {
        let own = [&[OWN_SCHEMA | TEXT_FLOATS], &samples::ipc_stream(&batch)[..]].concat();
        let (schema, batch) = renamed(&batch);
        let with = |rows: Vec<u8>| [vec![TEXT_FLOATS], schema.clone(), rows].concat();
        [
            (format!("{name}-own-schema"), own),
            (format!("{name}-stream"), with(samples::ipc_stream(&batch))),
            (format!("{name}-bare"), with(samples::ipc_bare(&batch))),
        ]
    };
    batches().into_iter().flat_map(seeds).collect()
}

fn ipc_schemas() -> Vec<Seed> {
    let seed = |name: &str, fields: Vec<Field>| {
        let message = schema_message(&Schema::new(fields)).expect("Arrow has all types");
        (name.to_owned(), message)
    };
    let mut seeds = Vec::new();
    for (name, batch) in batches() {
        seeds.push(seed(&name, batch.schema().fields().iter().map(|f| (**f).clone()).collect()));
    }
    let int = |name: &str| Arc::new(Field::new(name, DataType::Int32, false));
    let union = UnionFields::try_new([0, 5], [int("a"), int("b")]).expect("the ids are distinct");
    for (name, data_type) in [
        ("union", DataType::Union(union.clone(), UnionMode::Dense)),
        ("sparse-union", DataType::Union(union, UnionMode::Sparse)),
        ("interval", DataType::Interval(IntervalUnit::MonthDayNano)),
        ("run-ends", DataType::RunEndEncoded(int("run_ends"), int("values"))),
        ("list-view", DataType::ListView(int("item"))),
        ("large-list-view", DataType::LargeListView(int("item"))),
    ] {
        seeds.push(seed(name, vec![Field::new("a", data_type, true)]));
    }
    seeds
}

fn columns() -> Vec<Seed> {
    use v1::Primitive as P;
    let of = |kind: Kind| v1::DataType { kind: Some(kind) };
    let column = |name: &str, data_type: v1::DataType, required| v1::Column {
        name: name.to_owned(),
        r#type: Some(data_type),
        required,
    };
    let seed = |name: &str, columns: Columns| {
        let schema = v1::Schema { id: 7, columns: Some(columns) };
        (name.to_owned(), schema.encode_to_vec())
    };
    let typed = |columns: Vec<v1::Column>| Columns::Typed(v1::Columns { columns });
    let plain = (P::Bool as i32..=P::Json as i32).map(|primitive| {
        column(&format!("c{primitive}"), of(Kind::Primitive(primitive)), primitive % 2 == 0)
    });
    let unit = v1::TimeUnit::Microsecond as i32;
    let text = || of(Kind::Primitive(P::Text as i32));
    let record = vec![column("x", text(), true), column("y", text(), false)];
    let nested = vec![
        column("decimal", of(Kind::Decimal(v1::Decimal { precision: 40, scale: -3 })), false),
        column("stamp", of(Kind::Timestamp(v1::Timestamp { unit, utc: true })), true),
        column("time", of(Kind::Time(v1::TimeOfDay { unit })), false),
        column("record", of(Kind::Record(v1::Columns { columns: record })), false),
        column("array", of(Kind::Array(Box::new(of(Kind::Array(Box::new(text())))))), false),
        column("map", of(Kind::Map(Box::new(text()))), true),
    ];
    let message = schema_message(&samples::flights(1).schema()).expect("Arrow has all types");
    vec![
        seed("primitives", typed(plain.collect())),
        seed("nested", typed(nested)),
        seed("arrow", Columns::ArrowIpc(message.into())),
    ]
}

const JOBS: [(&str, &str); 9] = [
    ("full", include_str!("../../examples/job-full.yaml")),
    ("small", "name: j\noutputs:\n  - alias: a\n    topic: t\n    bootstrapServers: k:9092\n"),
    (
        "formats",
        "name: j\ndefaults: { bootstrapServers: k:9092, serialization: { type: Avro, codec: Null } }\n\
         outputs:\n  - { alias: a, topic: t, serialization: { framing: Raw } }\n  \
         - { alias: b, topic: t, serialization: { type: Csv, header: true, nullText: NA } }\n  \
         - { alias: c, topic: t, packing: { rows: 9, bytes: 1 KiB, time: 1s } }\n  \
         - { alias: d, topic: t, serialization: { type: Json, codec: Snappy, format: Array } }\n",
    ),
    (
        "login",
        "name: j\noutputs:\n  - alias: a\n    topic: t\n    bootstrapServers: localhost:9\n    \
         securityProtocol: SASL_PLAINTEXT\n    sasl:\n      mechanism: PLAIN\n      username: u\n      \
         password: { clearTextForTests: canary }\n",
    ),
    (
        "login-as-text",
        "name: j\noutputs:\n  - alias: a\n    sasl:\n      mechanism: PLAIN\n      \
         password: \"canary\\q\"\n    topic: t\n",
    ),
    (
        "anchors",
        "name: j\ndefaults: &d { bootstrapServers: &s [k:9092, \"[::1]:9\"], acks: One }\n\
         outputs:\n- &o { <<: *d, alias: a, topic: t }\n- { <<: *o, alias: b }\n- *o\n",
    ),
    (
        "wrong-everywhere",
        "name: 5\nlisten: { grpc: { address: \"0.0.0.0:99999\", maxWriters: -1 } }\nmemory: 1\n\
         maxBatchSize: 65 MiB\nshutdownTimeout: 1h30m\noutputs:\n  - alias: \"a b\"\n    topic: ..\n    \
         topicc: x\n    compression: { type: Zstd, level: 99 }\n    acks: Two\n    \
         librdkafka: { sasl.password: x, client.id: y }\n",
    ),
    (
        "texts",
        "name: >-\n  folded\n  text\noutputs:\n  - alias: |\n      block\n    topic: 'it''s'\n    \
         ? bootstrapServers\n    : \"\\u00e9\\n\"\n    socketTimeout: 1.5s\n",
    ),
    ("two-documents", "\u{feff}name: j\r\n---\r\n- !tag x\r\n...\r\n"),
];

fn jobs() -> Vec<Seed> {
    JOBS.map(|(name, text)| (name.to_owned(), text.into())).to_vec()
}

/// Files of other programs behind their options.
fn key_material() -> Vec<Seed> {
    macro_rules! files {
        ($($options:expr => $name:literal,)*) => {
            [$((
                $name,
                $options,
                &include_bytes!(concat!("../../keyvault/tests/fixtures/", $name))[..],
            ),)*]
        };
    }
    let files = files![
        0 => "bags.pem",
        0 => "ec.pem",
        0 => "legacy-empty.pfx",
        0 => "none.pfx",
        PASSWORD => "ec-encrypted.pem",
        PASSWORD => "ec-old.pem",
        PASSWORD => "ec-3des.pfx",
        PASSWORD => "modern.pfx",
        PASSWORD => "legacy.pfx",
        PASSWORD => "no-mac.pfx",
        PASSWORD => "open.pfx",
        PASSWORD => "java-key.p12",
        PASSWORD => "java-key.jks",
        PASSWORD => "java-two.jks",
        KEY => "ec-key.der",
        KEY => "ec-numbers.key",
        KEY | PASSWORD => "md5-des.key",
        TRUST => "root.pem",
        TRUST => "root.der",
        TRUST => "trusted.pem",
        TRUST => "java-trust.jks",
        TRUST | PASSWORD => "java-trust.p12",
        TRUST => "chain.p7b",
        TRUST => "chain.p7b.pem",
        TRUST => "java-key.jceks",
    ];
    files.map(|(name, options, file)| (name.to_owned(), [&[options], file].concat())).to_vec()
}

const CSV: &[&str] = &[
    "a,b,c\n1,x,2.5\n-7,,1e3\n,\"q\"\"u\r\no,te\",NaN\n",
    "a,b\n2013-01-31,2013-01-31T05:00:00Z\n,2013-01-31 05:00:00.25+01:00\n",
    "a,b\n2013-01-31 05:00:00,true\n1500-01-31T05:00:00.123456,FALSE\n",
    "a\n9007199254740993\n-0\n",
    "a,b\n007,0.12345678901234567890\n1,0.5\n",
    "\n\na,b\r\n\r\n1,2\r\n\n3,\"4\n4\"",
    "\u{feff}a,b\n1\n",
    "a,a\n",
    "a\n{\"x\": [1, 2.50]}\n",
    "a\n05:06:07.25\n12:00:00\n",
    "a\n-12.50\n1.5e-1\n",
];

const JSONL: &[&str] = &[
    "{\"a\": 1, \"b\": \"x\", \"c\": null}\n\n{\"b\": \"\\u00e9\", \"a\": -2}\n",
    "{\"a\": 1.5, \"c\": [1, null, 2.5]}\r\n{\"a\": 2, \"c\": []}",
    "{\"a\": {\"x\": true, \"y\": [{\"z\": 1}]}}\n{\"a\": {\"y\": null}}\n",
    "{\"a\": 9007199254740993}\n{\"a\": 1e300}\n",
    "{\"a\": 18446744073709551615}\n{\"a\": {}}\n{\"a\": [1, \"x\"]}\n",
    "\u{feff}{\"a\": \"2013-01-31T05:00:00Z\"}\n{\"a\": \"12.50\"}\n",
    "{\"a\": \"05:06:07.25\"}\n{\"a\": \"2013-01-31\"}\n",
    "{\"a\": 1, \"a\": 2}\n",
    "[1]\n",
];

/// Text files behind so many bytes of options.
fn text(files: &[&str], options: usize) -> Vec<Seed> {
    let seed = |(index, text): (usize, &&str)| {
        (format!("{index:02}"), [&vec![0; options][..], text.as_bytes()].concat())
    };
    files.iter().enumerate().map(seed).collect()
}

fn arrow_files() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for (name, batch) in batches() {
        seeds.push((format!("{name}-stream"), samples::ipc_stream(&batch)));
        let mut file = Vec::new();
        let mut writer = FileWriter::try_new(&mut file, &batch.schema()).expect("Arrow has it");
        writer.write(&batch).expect("memory takes it");
        writer.write(&batch.slice(1, 2)).expect("memory takes it");
        writer.finish().expect("memory takes it");
        drop(writer);
        seeds.push((format!("{name}-file"), file));
    }
    seeds
}

fn parquet_files() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for (name, batch) in batches() {
        seeds.extend(parquet_file(&batch, WriterProperties::new()).map(|file| (name, file)));
    }
    let flights = samples::flights(40);
    for (name, compression) in [
        ("snappy", Compression::SNAPPY),
        ("gzip", Compression::GZIP(GzipLevel::default())),
        ("brotli", Compression::BROTLI(BrotliLevel::default())),
        ("zstd", Compression::ZSTD(ZstdLevel::default())),
        ("lz4", Compression::LZ4_RAW),
    ] {
        let properties = WriterProperties::builder().set_compression(compression).build();
        let file = parquet_file(&flights, properties).expect("Parquet has all types");
        seeds.push((format!("compressed-{name}"), file));
    }
    for (name, encoding) in
        [("delta", Encoding::DELTA_BINARY_PACKED), ("split", Encoding::BYTE_STREAM_SPLIT)]
    {
        let properties = WriterProperties::builder()
            .set_writer_version(WriterVersion::PARQUET_2_0)
            .set_dictionary_enabled(false)
            .set_encoding(encoding)
            .set_max_row_group_row_count(Some(15))
            .build();
        let numbers = flights.project(&[0, 5, 8]).expect("it has 19 columns");
        let file = parquet_file(&numbers, properties).expect("Parquet has all types");
        seeds.push((format!("encoding-{name}"), file));
    }
    seeds
}

/// The batch as a Parquet file, if Parquet has its types.
fn parquet_file(batch: &RecordBatch, properties: WriterProperties) -> Option<Vec<u8>> {
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), Some(properties)).ok()?;
    writer.write(batch).ok()?;
    writer.close().ok()?;
    Some(file)
}
