//! Avro: golden bytes, the documented table, given schemas, and every value read back by
//! apache-avro.
#![expect(clippy::unwrap_used, reason = "a test's helpers may fail it as the test itself may")]

mod allocations;
mod containers;
#[path = "../common/counting.rs"]
mod counting;
mod given;
mod golden;
mod invalid;
mod limits;
mod random;
mod readers;
#[path = "../common/source.rs"]
mod source;
mod table;
mod unions;

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{Field, Schema};
use serializers::{
    AvroCodec, AvroFraming, AvroOptions, AvroSchema, BATCH_BYTES_MAX, Encoder, Format, Limits,
    PlanError, Records,
};

const WIDE: Limits = Limits { record_bytes_max: 64 << 20, batch_bytes_max: BATCH_BYTES_MAX };

const CODECS: [AvroCodec; 4] =
    [AvroCodec::Null, AvroCodec::Deflate, AvroCodec::Snappy, AvroCodec::Zstandard];

/// The rows alone, by a derived schema.
fn raw() -> Format {
    framed(AvroFraming::Raw)
}

fn framed(framing: AvroFraming) -> Format {
    Format::Avro(AvroOptions { framing, ..AvroOptions::default() })
}

/// The rows alone, by a given schema.
fn given(schema: &str) -> Format {
    let schema = AvroSchema::Given(schema.to_owned());
    Format::Avro(AvroOptions { framing: AvroFraming::Raw, schema })
}

fn compile(format: &Format, batch: &RecordBatch) -> Result<Encoder, PlanError> {
    Encoder::compile(format, batch.schema_ref())
}

fn encode(format: &Format, batch: &RecordBatch) -> Records {
    let mut records = Records::new();
    compile(format, batch).unwrap().encode(batch, &WIDE, &mut records).unwrap();
    records
}

fn batch_of(columns: Vec<(Field, ArrayRef)>) -> RecordBatch {
    let (fields, arrays): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

/// One column, `v`, that takes nulls or does not.
fn one(array: ArrayRef, nullable: bool) -> RecordBatch {
    batch_of(vec![(Field::new("v", array.data_type().clone(), nullable), array)])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The hexadecimal digits of every row, or the column and code of why it has none.
fn rows(records: &Records) -> Vec<String> {
    let count = records.len() + records.rejected_total();
    let mut rows = vec![String::new(); count];
    for record in 0..records.len() {
        rows[records.row_of(record) as usize] = hex(records.record(record));
    }
    for error in records.rejected() {
        rows[error.row as usize] = format!("{} {}", error.column, error.code.as_str());
    }
    rows
}

/// The fields of a batch's derived schema, without what is around them.
fn fields_of(batch: &RecordBatch) -> String {
    let encoder = compile(&raw(), batch).unwrap();
    let schema = encoder.avro_schema().unwrap();
    let schema = schema.strip_prefix(r#"{"type":"record","name":"Row","fields":["#).unwrap();
    schema.strip_suffix("]}").unwrap().to_owned()
}
