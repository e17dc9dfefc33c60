//! Decoding as a whole: what comes through each carrier, every fault, and input that lies.
#![expect(clippy::unwrap_used, reason = "all of this is a test")]

mod carriers;
mod craft;
mod hostile;
mod ipc;
mod json;
mod samples;
mod schema;
mod typed;

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use kafka_output::rows::*;

const LIMITS: Limits = Limits { rows_max: 1_000, bytes_max: 1 << 20 };

fn schema(fields: Vec<Field>) -> SchemaRef {
    Arc::new(Schema::new(fields))
}

fn decoder(fields: Vec<Field>) -> Decoder {
    Decoder::compile(schema(fields)).unwrap()
}

/// A nullable column.
fn field(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true)
}

fn decode(
    schema: SchemaRef,
    carrier: Carrier,
    bytes: impl Into<Bytes>,
) -> Result<Decoded, DecodeError> {
    Decoder::compile(schema).unwrap().decode(carrier, &bytes.into(), &LIMITS)
}

/// The bad rows as `row column CODE reason`, a line each.
fn bad_rows(decoded: &Decoded) -> String {
    let line = |bad: &BadRow| format!("{} `{}` {} {}", bad.row, bad.column, bad.code, bad.reason);
    decoded.rejected.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn assert_all_good(decoded: &Decoded, batch: &RecordBatch, what: &str) {
    assert_eq!(bad_rows(decoded), "", "{what}");
    assert_eq!(&decoded.batch, batch, "{what}");
    assert_eq!(decoded.rows_total, batch.num_rows(), "{what}");
    assert_eq!(decoded.row_map, None, "{what}");
}
