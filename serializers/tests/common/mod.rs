//! What the tests share: encoding a column, a batch.
#![expect(clippy::unwrap_used, reason = "a test's helpers may fail it as the test itself may")]
#![allow(dead_code, reason = "every test file takes what it needs")]

pub mod csv_reader;
pub mod meaning;
pub mod random;
pub mod source;

use std::{collections::HashMap, sync::Arc};

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{Field, Schema, extension::EXTENSION_TYPE_NAME_KEY};
use serializers::{Encoder, Format, JsonOptions, Limits, NonFinite, Records};

pub const WIDE: Limits = Limits { record_bytes_max: 64 << 20, batch_bytes_max: 64 << 20 };

pub fn json(non_finite: NonFinite) -> Format {
    Format::Json(JsonOptions { non_finite, ..JsonOptions::default() })
}

pub fn encode(format: &Format, limits: &Limits, batch: &RecordBatch) -> Records {
    let mut records = Records::new();
    let encoder = Encoder::compile(format, batch.schema_ref()).unwrap();
    encoder.encode(batch, limits, &mut records).unwrap();
    records
}

pub fn texts(records: &Records) -> Vec<String> {
    (0..records.len()).map(|r| String::from_utf8(records.record(r).to_vec()).unwrap()).collect()
}

/// A batch of one column, `v`.
pub fn batch_of(array: ArrayRef) -> RecordBatch {
    let field = Field::new("v", array.data_type().clone(), true);
    RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![array]).unwrap()
}

/// A batch of one column, `v`, of an extension type.
pub fn extended(array: ArrayRef, extension: &str) -> RecordBatch {
    let field = Field::new("v", array.data_type().clone(), true)
        .with_metadata(HashMap::from([(EXTENSION_TYPE_NAME_KEY.to_owned(), extension.to_owned())]));
    RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![array]).unwrap()
}

/// The JSON of every value of `array`; rejected rows are their codes.
pub fn values(array: ArrayRef) -> Vec<String> {
    values_of(&batch_of(array), NonFinite::Null)
}

/// The JSON of every value of the one column, `v`; rejected rows are their codes.
pub fn values_of(batch: &RecordBatch, non_finite: NonFinite) -> Vec<String> {
    let records = encode(&json(non_finite), &WIDE, batch);
    let mut values = vec![String::new(); batch.num_rows()];
    for (record, text) in texts(&records).into_iter().enumerate() {
        let value = text.strip_prefix("{\"v\":").unwrap().strip_suffix('}').unwrap();
        values[records.row_of(record) as usize] = value.to_owned();
    }
    for error in records.rejected() {
        values[error.row as usize] = format!("{} {}", error.column, error.code.as_str());
    }
    values
}
