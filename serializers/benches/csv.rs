//! What a row costs as CSV: `cargo bench -p serializers --bench csv`, see [`report`] for its
//! arguments.
//!
//! The baseline gives every value to `csv-core`, after `itoa` or `zmij` made it text.
mod batches;
mod plain_time;
mod report;

use std::hint::black_box;

use arrow_array::{
    Array, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, cast::AsArray,
};
use arrow_schema::DataType;
use plain_time::plain_time;
use report::{Aim, ROWS, Work};
use serializers::{BATCH_BYTES_MAX, CsvOptions, Encoder, Format, Limits, Records};

const LIMITS: Limits = Limits { record_bytes_max: 1 << 20, batch_bytes_max: BATCH_BYTES_MAX };

const CASES: &[&str] = &["flights", "mixed", "devices", "csv-core"];

const AIMS: &[Aim] = &[("devices", "csv-core", 0.75)];

fn main() {
    report::run(CASES, AIMS, work);
}

/// Encodes one batch into a buffer of its own, as a caller does that gives it away; returns the
/// bytes.
fn work(case: &str) -> Work {
    let batch = match case {
        "flights" => batches::flights(),
        "mixed" => batches::mixed(),
        _ => flat_devices(),
    };
    if case == "csv-core" {
        return Box::new(move || black_box(csv_core(&batch)).0.len());
    }
    let format = Format::Csv(CsvOptions::default());
    let encoder = Encoder::compile(&format, batch.schema_ref()).expect("all types are supported");
    Box::new(move || {
        let mut records = Records::new();
        encoder.encode(&batch, &LIMITS, &mut records).expect("the batch is small");
        assert_eq!(records.len(), ROWS);
        black_box(records.into_parts()).0.len()
    })
}

/// The ten columns of [`batches::devices`] that are neither record nor list.
fn flat_devices() -> RecordBatch {
    batches::devices().project(&(0..10).collect::<Vec<_>>()).expect("there are twelve columns")
}

/// A column of the types of [`flat_devices`].
enum Plain<'a> {
    Int(&'a Int64Array),
    Float(&'a Float64Array),
    Text(&'a StringArray),
    Flag(&'a BooleanArray),
    Time(&'a TimestampMicrosecondArray),
}

impl<'a> Plain<'a> {
    fn of(column: &'a dyn Array) -> Self {
        match column.data_type() {
            DataType::Int64 => Self::Int(column.as_primitive()),
            DataType::Float64 => Self::Float(column.as_primitive()),
            DataType::Utf8 => Self::Text(column.as_string()),
            DataType::Boolean => Self::Flag(column.as_boolean()),
            _ => Self::Time(column.as_primitive()),
        }
    }
}

fn csv_core(batch: &RecordBatch) -> (Vec<u8>, Vec<u32>) {
    let columns: Vec<Plain> = batch.columns().iter().map(|column| Plain::of(column)).collect();
    let mut writer = csv_core::Writer::new();
    // Room for all rows, so that csv-core never has to be called twice for a value.
    let (mut out, mut at, mut ends) = (vec![0; ROWS * 320], 0, Vec::with_capacity(ROWS));
    for row in 0..batch.num_rows() {
        for (number, column) in columns.iter().enumerate() {
            if number > 0 {
                at += writer.delimiter(&mut out[at..]).1;
            }
            let mut field = |text: &[u8]| at += writer.field(text, &mut out[at..]).2;
            match column {
                Plain::Int(array) if array.is_valid(row) => {
                    field(itoa::Buffer::new().format(array.value(row)).as_bytes());
                }
                Plain::Float(array) if array.is_valid(row) => {
                    field(zmij::Buffer::new().format_finite(array.value(row)).as_bytes());
                }
                Plain::Text(array) if array.is_valid(row) => field(array.value(row).as_bytes()),
                Plain::Flag(array) => field(if array.value(row) { b"true" } else { b"false" }),
                Plain::Time(array) => field(&plain_time(array.value(row))),
                _ => field(b""),
            }
        }
        ends.push(at as u32);
        at += writer.terminator(&mut out[at..]).1;
    }
    out.truncate(at);
    (out, ends)
}
