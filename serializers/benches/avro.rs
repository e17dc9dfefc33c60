//! What a row costs as Avro: `cargo bench -p serializers --bench avro`, see [`report`] for its
//! arguments.
//!
//! The baselines are the encoder of arrow-avro and, row by row with a struct of serde's, that of
//! apache-avro. All three write the same bytes.
mod batches;
mod report;

use std::{hint::black_box, sync::Arc};

use apache_avro::writer::datum::GenericDatumWriter;
use arrow_array::{
    Array, BooleanArray, Float64Array, Int64Array, ListArray, RecordBatch, StringArray,
    StructArray, TimestampMicrosecondArray,
    cast::AsArray,
    types::{Float64Type, Int64Type, TimestampMicrosecondType},
};
use arrow_avro::{
    schema::{FingerprintStrategy, SCHEMA_METADATA_KEY},
    writer::{WriterBuilder, format::AvroSoeFormat},
};
use arrow_schema::Schema;
use report::{ROWS, Work};
use serde::Serialize;
use serializers::{
    AvroCodec, AvroFraming, AvroOptions, BATCH_BYTES_MAX, Encoder, Format, Limits, Packing, Records,
};

const LIMITS: Limits = Limits { record_bytes_max: 1 << 20, batch_bytes_max: BATCH_BYTES_MAX };
const SCHEMA_ID: u32 = 7;

fn main() {
    let aims = [("devices", "arrow-avro", 1.0), ("devices", "apache-avro", 0.5)];
    let cases =
        ["devices", "arrow-avro", "apache-avro", "flights", "mixed", "packed", "containers"];
    report::run(&cases, &aims, work);
}

/// Encodes one batch into a buffer of its own, as a caller does that gives it away; returns the
/// bytes.
fn work(case: &str) -> Work {
    let confluent = AvroFraming::Confluent { schema_id: SCHEMA_ID };
    let container = AvroFraming::Container { codec: AvroCodec::Null };
    let packing = Packing { rows_max: 100, bytes_max: 1 << 20, whole: false };
    match case {
        "devices" => ours(batches::devices(), confluent, Packing::NONE),
        "flights" => ours(batches::flights(), confluent, Packing::NONE),
        "mixed" => ours(batches::mixed(), confluent, Packing::NONE),
        "packed" => ours(batches::devices(), container, packing),
        "containers" => ours(batches::devices(), container, Packing::NONE),
        "arrow-avro" => arrow_avro(&batches::devices()),
        _ => apache_avro(batches::devices()),
    }
}

fn ours(batch: RecordBatch, framing: AvroFraming, packing: Packing) -> Work {
    let encoder = compile(&batch, framing);
    Box::new(move || {
        let mut records = Records::new();
        let batches = std::slice::from_ref(&batch);
        encoder.encode_all(batches, packing, &LIMITS, &mut records).expect("the batch is small");
        assert_eq!(records.rejected_total(), 0);
        black_box(records.into_parts()).0.len()
    })
}

fn compile(batch: &RecordBatch, framing: AvroFraming) -> Encoder {
    let format = Format::Avro(AvroOptions { framing, ..AvroOptions::default() });
    Encoder::compile(&format, batch.schema_ref()).expect("all types are supported")
}

/// What the baselines must write too.
fn expected(batch: &RecordBatch) -> (Encoder, Vec<u8>) {
    let encoder = compile(batch, AvroFraming::Confluent { schema_id: SCHEMA_ID });
    let mut records = Records::new();
    encoder.encode(batch, &LIMITS, &mut records).expect("the batch is small");
    (encoder, records.into_parts().0)
}

fn arrow_avro(batch: &RecordBatch) -> Work {
    let (encoder, bytes) = expected(batch);
    let json = encoder.avro_schema().expect("Avro has a schema").to_owned();
    let schema = batch.schema_ref();
    let metadata = [(SCHEMA_METADATA_KEY.to_owned(), json)];
    let schema = Schema::new_with_metadata(schema.fields().clone(), metadata);
    let batch = RecordBatch::try_new(Arc::new(schema.clone()), batch.columns().to_vec());
    let batch = batch.expect("only the metadata changed");
    let mut encoder = WriterBuilder::new(schema)
        .with_fingerprint_strategy(FingerprintStrategy::Id(SCHEMA_ID))
        .build_encoder::<AvroSoeFormat>()
        .expect("all types are supported");
    encoder.encode(&batch).expect("all values are supported");
    assert_eq!(encoder.flush().bytes()[..], bytes);
    Box::new(move || {
        encoder.encode(&batch).expect("all values are supported");
        let rows = encoder.flush();
        assert_eq!(rows.len(), ROWS);
        black_box(rows).bytes().len()
    })
}

#[derive(Serialize)]
struct Device<'a> {
    id: i64,
    sequence: i64,
    temperature: f64,
    humidity: f64,
    device: &'a str,
    place: &'a str,
    state: &'a str,
    active: bool,
    time: i64,
    pressure: Option<f64>,
    part: Part<'a>,
    samples: Samples<'a>,
}

#[derive(Serialize)]
struct Part<'a> {
    id: Option<i64>,
    vendor: Option<&'a str>,
}

struct Samples<'a>(&'a [i64]);

impl Serialize for Samples<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Some))
    }
}

/// The columns of the batch. Only `pressure` has nulls, and only it and the parts may have them.
struct Columns<'a> {
    ids: &'a Int64Array,
    sequences: &'a Int64Array,
    temperatures: &'a Float64Array,
    humidities: &'a Float64Array,
    texts: [&'a StringArray; 3],
    active: &'a BooleanArray,
    times: &'a TimestampMicrosecondArray,
    pressures: &'a Float64Array,
    parts: &'a StructArray,
    samples: &'a ListArray,
}

impl<'a> Columns<'a> {
    fn of(batch: &'a RecordBatch) -> Self {
        let column = |at: usize| batch.column(at);
        Self {
            ids: column(0).as_primitive::<Int64Type>(),
            sequences: column(1).as_primitive::<Int64Type>(),
            temperatures: column(2).as_primitive::<Float64Type>(),
            humidities: column(3).as_primitive::<Float64Type>(),
            texts: [4, 5, 6].map(|at| column(at).as_string()),
            active: column(7).as_boolean(),
            times: column(8).as_primitive::<TimestampMicrosecondType>(),
            pressures: column(9).as_primitive::<Float64Type>(),
            parts: column(10).as_struct(),
            samples: column(11).as_list(),
        }
    }

    fn row(&self, row: usize) -> Device<'a> {
        let offsets = self.samples.value_offsets();
        let samples = self.samples.values().as_primitive::<Int64Type>().values();
        let part = (self.parts.column(0).as_primitive::<Int64Type>(), self.parts.column(1));
        Device {
            id: self.ids.value(row),
            sequence: self.sequences.value(row),
            temperature: self.temperatures.value(row),
            humidity: self.humidities.value(row),
            device: self.texts[0].value(row),
            place: self.texts[1].value(row),
            state: self.texts[2].value(row),
            active: self.active.value(row),
            time: self.times.value(row),
            pressure: self.pressures.is_valid(row).then(|| self.pressures.value(row)),
            part: Part {
                id: Some(part.0.value(row)),
                vendor: Some(part.1.as_string::<i32>().value(row)),
            },
            samples: Samples(&samples[offsets[row] as usize..offsets[row + 1] as usize]),
        }
    }
}

fn apache_avro(batch: RecordBatch) -> Work {
    let (encoder, expected) = expected(&batch);
    let json = encoder.avro_schema().expect("Avro has a schema");
    let schema = apache_avro::Schema::parse_str(json).expect("the schema is valid");
    // The writer borrows the schema, and lives as long as the process.
    let schema: &'static apache_avro::Schema = Box::leak(Box::new(schema));
    let writer = GenericDatumWriter::builder(schema).human_readable(false).build();
    let writer = writer.expect("the schema is complete");
    let mut compare = Some(expected);
    Box::new(move || {
        let columns = Columns::of(&batch);
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for row in 0..ROWS {
            bytes.push(0);
            bytes.extend(SCHEMA_ID.to_be_bytes());
            writer.write_ser(&mut bytes, &columns.row(row)).expect("the row has the schema");
            ends.push(bytes.len());
        }
        if let Some(expected) = compare.take() {
            assert!(bytes == expected, "apache-avro writes other bytes");
        }
        black_box((bytes, ends)).0.len()
    })
}
