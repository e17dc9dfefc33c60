//! Encoding allocates per batch, never per row: as often for ten times the rows.
#![expect(clippy::unwrap_used, reason = "a test's helpers may fail it as the test itself may")]

mod common;
#[path = "common/counting.rs"]
mod counting;

use std::{collections::HashMap, sync::Arc};

use arrow_array::{RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Fields, Schema, TimeUnit, extension::EXTENSION_TYPE_NAME_KEY};
use common::{WIDE, random};
use counting::ALLOCATIONS;
use serializers::{
    CsvOptions, Decimals, Encoder, Format, Integers64, JsonLayout, JsonOptions, NonFinite, Nulls,
    Packing, Records, TimestampFormat,
};

/// Every kind of column, some within others.
fn types() -> Vec<DataType> {
    let item = |of: DataType| Arc::new(Field::new("item", of, true));
    let utc = || Some("UTC".into());
    let part = Fields::from(vec![
        Field::new("id", DataType::Int64, true),
        Field::new("texts", DataType::List(item(DataType::Utf8)), true),
    ]);
    let entries = Fields::from(vec![
        Field::new("key", DataType::Int16, false),
        Field::new("value", DataType::Decimal128(38, 7), true),
    ]);
    let entries = Field::new("entries", DataType::Struct(entries), false);
    vec![
        DataType::Null,
        DataType::Boolean,
        DataType::Int64,
        DataType::UInt8,
        DataType::Float32,
        DataType::Float64,
        DataType::Decimal128(38, 7),
        DataType::Decimal256(76, -4),
        DataType::Date32,
        DataType::Time64(TimeUnit::Nanosecond),
        DataType::Timestamp(TimeUnit::Microsecond, utc()),
        DataType::Timestamp(TimeUnit::Nanosecond, None),
        DataType::Duration(TimeUnit::Second),
        DataType::Utf8,
        DataType::LargeUtf8,
        DataType::Utf8View,
        DataType::Binary,
        DataType::Struct(part),
        DataType::LargeList(item(DataType::Timestamp(TimeUnit::Second, utc()))),
        DataType::Map(Arc::new(entries), false),
        DataType::Dictionary(Box::new(DataType::UInt16), Box::new(DataType::Utf8)),
    ]
}

/// A batch of all types and, last, JSON: single values, since checking nested ones takes a stack,
/// which is one allocation a value.
fn batch(rows: usize) -> RecordBatch {
    let random = random::batch(types(), rows, 7);
    let texts = (0..rows).map(|row| (row % 5 > 0).then(|| format!(" \"row {row}\" ")));
    let json: StringArray = texts.collect();
    let extension = (EXTENSION_TYPE_NAME_KEY.to_owned(), "arrow.json".to_owned());
    let field = Field::new("json", DataType::Utf8, true);
    let field = field.with_metadata(HashMap::from([extension]));
    let mut fields = random.schema_ref().fields().to_vec();
    let mut columns = random.columns().to_vec();
    fields.push(Arc::new(field));
    columns.push(Arc::new(json));
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

fn formats() -> Vec<Format> {
    let json = JsonOptions::default();
    let other = JsonOptions {
        layout: JsonLayout::Array,
        nulls: Nulls::Omitted,
        timestamps: TimestampFormat::Iso7,
        integers64: Integers64::String,
        decimals: Decimals::String,
        non_finite: NonFinite::String,
    };
    let epoch = JsonOptions { timestamps: TimestampFormat::EpochMilliseconds, ..json.clone() };
    let csv = CsvOptions::default();
    let null_text = "0".parse().unwrap();
    let header = CsvOptions { header: true, formula_guard: true, null_text, ..csv.clone() };
    let json = [json, other, epoch].map(Format::Json);
    json.into_iter().chain([csv, header].map(Format::Csv)).collect()
}

#[test]
fn ten_times_the_rows_take_no_allocation_more() {
    let [few, many] = [1_000, 10_000].map(batch);
    for format in formats() {
        for packing in [Packing::NONE, Packing { rows_max: 7, bytes_max: usize::MAX, whole: false }]
        {
            let encoder = Encoder::compile(&format, few.schema_ref()).unwrap();
            let mut records = Records::new();
            let mut allocations = |batch: &RecordBatch| {
                let before = ALLOCATIONS.get();
                let batches = std::slice::from_ref(batch);
                encoder.encode_all(batches, packing, &WIDE, &mut records).unwrap();
                assert_eq!(records.rejected_total(), 0);
                ALLOCATIONS.get() - before
            };
            // The first time the buffers grow, which are used again.
            assert!(allocations(&many) > allocations(&many));
            let counts = [allocations(&few), allocations(&many)];
            assert_eq!(counts[0], counts[1], "{format:?} {packing:?}");
            // One for the columns of every struct and every part of a nested one.
            assert!(counts[0] < 40, "{counts:?} a batch");
        }
    }
}
