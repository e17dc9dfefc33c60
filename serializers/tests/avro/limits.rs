//! Limits, and batches that stand for far more than they are.

use std::sync::Arc;

use arrow_array::{types::*, *};
use arrow_schema::{Field, Schema};
use serializers::{AvroFraming, EncodeError, Encoder, Format, Limits, Records, RowErrorCode};

use crate::{CODECS, compile, encode, framed, one, raw, rows};

fn limits(record_bytes_max: usize, batch_bytes_max: usize) -> Limits {
    Limits { record_bytes_max, batch_bytes_max }
}

fn try_encode(
    format: &Format,
    batch: &RecordBatch,
    limits: &Limits,
    out: &mut Records,
) -> Result<(), EncodeError> {
    compile(format, batch).unwrap().encode(batch, limits, out)
}

#[test]
fn a_record_may_be_as_long_as_its_limit_and_no_longer() {
    let confluent = framed(AvroFraming::Confluent { schema_id: 1 });
    let batch = one(Arc::new(StringArray::from(vec!["x", "xxxx", "xxxxx", "y"])), false);
    let mut records = Records::new();
    // Five bytes of framing, one of length.
    try_encode(&confluent, &batch, &limits(10, 1_000), &mut records).unwrap();
    assert_eq!(
        rows(&records),
        ["00000000010278", "00000000010878787878", "v ROW_TOO_LARGE", "00000000010279"]
            .map(|row| row.replace("v ROW", " ROW"))
    );
    try_encode(&confluent, &batch, &limits(11, 35), &mut records).unwrap();
    assert_eq!(records.bytes().len(), 35);
    let error = try_encode(&confluent, &batch, &limits(11, 34), &mut records).unwrap_err();
    assert_eq!(error, EncodeError::BatchTooLarge { bytes_max: 34 });
}

/// A dictionary of one value, which every one of `rows` rows is.
fn repeated(value: ArrayRef, rows: usize) -> RecordBatch {
    one(Arc::new(DictionaryArray::new(Int8Array::from(vec![0; rows]), value)), true)
}

/// The batch is refused, and took no more memory than its limits say.
fn check_bounded(batch: &RecordBatch, limits: &Limits) {
    // What compresses to nothing is as much work as what does not.
    let containers = CODECS.map(|codec| framed(AvroFraming::Container { codec }));
    for format in [raw()].into_iter().chain(containers) {
        let mut records = Records::new();
        let error = try_encode(&format, batch, limits, &mut records).unwrap_err();
        assert_eq!(error, EncodeError::BatchTooLarge { bytes_max: limits.batch_bytes_max });
        let capacity = records.into_parts().0.capacity();
        // Twice for a vector that doubles.
        assert!(capacity <= 2 * (limits.batch_bytes_max + limits.record_bytes_max), "{capacity}");
    }
}

#[test]
fn rows_that_expand_without_bound_are_stopped() {
    let text = Arc::new(StringArray::from(vec!["x".repeat(1 << 20)]));
    check_bounded(&repeated(text, 1 << 20), &limits(2 << 20, 8 << 20));
    let list = |items: usize| -> ArrayRef {
        Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![
            Some(1_000);
            items
        ])]))
    };
    check_bounded(&repeated(list(1 << 19), 1 << 20), &limits(2 << 20, 8 << 20));
    // Rejected, each of them late: an item is three bytes.
    check_bounded(&repeated(list(1 << 18), 1 << 20), &limits(1 << 19, 8 << 20));
}

fn nulls(items: i32) -> ArrayRef {
    let item = Arc::new(Field::new_list_field(arrow_schema::DataType::Null, true));
    let nulls = Arc::new(NullArray::new(items as usize));
    Arc::new(FixedSizeListArray::new(item, items, nulls, None))
}

#[test]
fn items_without_bytes_count_too() {
    assert_eq!(rows(&encode(&raw(), &one(nulls(3), false))), ["0600"]);
    // Two thousand million of them are not even looked at.
    let mut records = Records::new();
    let many = one(nulls(i32::MAX), false);
    try_encode(&raw(), &many, &limits(1 << 20, 8 << 20), &mut records).unwrap();
    assert_eq!(records.rejected()[0].code, RowErrorCode::RowTooLarge);
    check_bounded(&repeated(nulls(1 << 19), 1 << 20), &limits(1 << 20, 8 << 20));
}

#[test]
fn a_row_too_large_is_given_up_early() {
    let check = |array: ArrayRef, column: &str| {
        let mut records = Records::new();
        try_encode(&raw(), &one(array, true), &limits(1_000, 1 << 20), &mut records).unwrap();
        let error = &records.rejected()[0];
        assert_eq!((error.code, error.column.as_str()), (RowErrorCode::RowTooLarge, column));
        assert!(records.into_parts().0.capacity() < 16 << 10);
    };
    let texts = vec![Some("x".repeat(300)); 1 << 10];
    let mut list = builder::ListBuilder::new(builder::StringBuilder::new());
    list.append_value(texts);
    check(Arc::new(list.finish()), "v");
    let mut list = builder::ListBuilder::new(builder::StringBuilder::new());
    list.append_value(vec![Some("x".repeat(300)); 10]);
    check(Arc::new(list.finish()), "v[3]");
    check(Arc::new(BinaryArray::from_vec(vec![&[0; 1 << 20]])), "v");
}

#[test]
fn a_default_that_is_too_large_is_no_columns_fault() {
    let long = "x".repeat(200);
    let field = format!(r#"{{"name":"d","type":"string","default":"{long}"}}"#);
    let inner = format!(r#"{{"type":"record","name":"S","fields":[{field}]}}"#);
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let check = |fields: &str, structs: StructArray, column: &str| {
        let batch = crate::batch_of(vec![
            (Field::new("a", numbers.data_type().clone(), false), numbers.clone()),
            (Field::new("s", structs.data_type().clone(), false), Arc::new(structs)),
        ]);
        let schema = format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#);
        let mut records = Records::new();
        try_encode(&crate::given(&schema), &batch, &limits(100, 1_000), &mut records).unwrap();
        let error = &records.rejected()[0];
        assert_eq!((error.code, error.column.as_str()), (RowErrorCode::RowTooLarge, column));
    };
    let empty = || StructArray::new_empty_fields(1, None);
    // A record in `s`, and the row itself.
    let a = r#"{"name":"a","type":"long"}"#;
    check(&format!(r#"{a},{{"name":"s","type":{inner}}}"#), empty(), "s");
    let no_fields = r#"{"type":"record","name":"S","fields":[]}"#;
    check(&format!(r#"{field},{a},{{"name":"s","type":{no_fields}}}"#), empty(), "");
}

#[test]
fn rows_without_columns_are_bounded_too() {
    let options = RecordBatchOptions::new().with_row_count(Some(usize::MAX));
    let batch =
        RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options).unwrap();
    check_bounded(&batch, &limits(300, 1 << 20));
    let encoder = Encoder::compile(&raw(), &Schema::empty()).unwrap();
    assert_eq!(encoder.avro_schema(), Some(r#"{"type":"record","name":"Row","fields":[]}"#));
}
