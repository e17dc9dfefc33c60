//! Limits, rejected rows and their order, and batches that stand for far more than they are.
#![expect(clippy::unwrap_used, reason = "a test's helpers may fail it as the test itself may")]

mod common;

use std::{collections::HashMap, sync::Arc};

use arrow_array::{types::*, *};
use arrow_schema::{DataType, Field, Schema, extension::EXTENSION_TYPE_NAME_KEY};
use common::{WIDE, batch_of, encode, json, texts};
use proptest::prelude::*;
use serializers::*;

fn limits(record_bytes_max: usize, batch_bytes_max: usize) -> Limits {
    Limits { record_bytes_max, batch_bytes_max }
}

fn try_encode(batch: &RecordBatch, limits: &Limits, out: &mut Records) -> Result<(), EncodeError> {
    Encoder::compile(&json(NonFinite::Error), batch.schema_ref())
        .unwrap()
        .encode(batch, limits, out)
}

#[test]
fn a_record_may_be_as_long_as_its_limit_and_no_longer() {
    // {"v":"xxx"} is eight bytes more than the text.
    let batch = batch_of(Arc::new(StringArray::from(vec!["x", "xxxx", "xxxxx", "é\n"])));
    let records = encode(&json(NonFinite::Null), &limits(12, 1_000), &batch);
    assert_eq!(texts(&records), [r#"{"v":"x"}"#, r#"{"v":"xxxx"}"#, r#"{"v":"é\n"}"#]);
    assert_eq!(records.rejected_total(), 1);
    let error = &records.rejected()[0];
    assert_eq!((error.row, error.code), (2, RowErrorCode::RowTooLarge));
    assert_eq!(error.code.as_str(), "ROW_TOO_LARGE");
    assert_eq!(error.reason, "its record needs 13 bytes or more, and 12 are allowed");
    assert_eq!(
        error.to_string(),
        "row 2: its record needs 13 bytes or more, and 12 are allowed (ROW_TOO_LARGE)"
    );
    assert_eq!([0, 1, 2].map(|record| records.row_of(record)), [0, 1, 3]);
    assert_eq!(records.ends(), [9, 21, 33]);
}

#[test]
fn a_batch_may_be_as_long_as_its_limit_and_no_longer() {
    let batch = batch_of(Arc::new(Int64Array::from(vec![1, 2, 3])));
    let mut records = Records::new();
    try_encode(&batch, &limits(100, 21), &mut records).unwrap();
    assert_eq!(records.bytes(), br#"{"v":1}{"v":2}{"v":3}"#);
    let error = try_encode(&batch, &limits(100, 20), &mut records).unwrap_err();
    assert_eq!(error, EncodeError::BatchTooLarge { bytes_max: 20 });
    assert_eq!(error.code(), "BATCH_TOO_LARGE");
    assert!(records.is_empty() && records.bytes().is_empty() && records.rejected().is_empty());
    // A single row beyond the batch's limit but within its own is the batch's fault.
    let error = try_encode(&batch.slice(0, 1), &limits(100, 6), &mut records).unwrap_err();
    assert_eq!(error, EncodeError::BatchTooLarge { bytes_max: 6 });
}

#[test]
#[should_panic(expected = "batch_bytes_max exceeds")]
fn a_limit_that_ends_cannot_hold_is_a_mistake_of_the_caller() {
    let batch = batch_of(Arc::new(Int64Array::from(vec![1])));
    let _ = try_encode(&batch, &limits(100, BATCH_BYTES_MAX + 1), &mut Records::new());
}

#[test]
fn a_hundred_rejected_rows_are_named_and_all_are_counted() {
    let floats = (0..1_000).map(|row| if row % 2 == 0 { f64::NAN } else { 1.0 });
    let batch = batch_of(Arc::new(Float64Array::from_iter_values(floats)));
    let records = encode(&json(NonFinite::Error), &WIDE, &batch);
    assert_eq!((records.len(), records.rejected_total()), (500, 500));
    assert_eq!(records.rejected().len(), REJECTED_NAMED_MAX);
    assert!(records.rejected().iter().zip(0..).all(|(error, at)| error.row == 2 * at));
    let (bytes, ends, rows) = records.into_parts();
    assert_eq!((bytes.len(), ends.len()), (500 * 9, 500));
    assert!((0..500).all(|record| rows.row_of(record) == 2 * record as u32 + 1));
    assert!(!rows.is_identity());
}

#[test]
fn records_are_used_again_with_nothing_left_of_the_batch_before() {
    let mut records = Records::new();
    let bad = batch_of(Arc::new(Float64Array::from(vec![f64::NAN, 1.0])));
    try_encode(&bad, &WIDE, &mut records).unwrap();
    assert_eq!((records.rejected_total(), records.row_of(0)), (1, 1));
    let worse = batch_of(Arc::new(Float64Array::from(vec![f64::NAN, f64::NAN, 1.0])));
    try_encode(&worse, &WIDE, &mut records).unwrap();
    assert_eq!((records.rejected_total(), records.row_of(0)), (2, 2));
    let good = batch_of(Arc::new(Float64Array::from(vec![2.0])));
    try_encode(&good, &WIDE, &mut records).unwrap();
    assert_eq!(texts(&records), [r#"{"v":2.0}"#]);
    assert_eq!((records.rejected_total(), records.row_of(0)), (0, 0));
    records.clear();
    assert!(records.is_empty() && records.into_parts().0.capacity() > 0);
}

/// A dictionary of one value, which every one of `rows` rows is.
fn repeated(value: ArrayRef, rows: usize) -> RecordBatch {
    let keys = Int8Array::from(vec![0; rows]);
    batch_of(Arc::new(DictionaryArray::new(keys, value)))
}

fn long_list(items: usize) -> ArrayRef {
    Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(7); items])]))
}

/// The batch is refused, and took no more memory than its limits say.
fn check_bounded(batch: &RecordBatch, limits: &Limits) {
    let mut records = Records::new();
    let error = try_encode(batch, limits, &mut records).unwrap_err();
    assert_eq!(error, EncodeError::BatchTooLarge { bytes_max: limits.batch_bytes_max });
    let capacity = records.into_parts().0.capacity();
    // Twice for a vector that doubles.
    assert!(capacity <= 2 * (limits.batch_bytes_max + limits.record_bytes_max), "{capacity}");
}

#[test]
fn a_dictionary_that_expands_without_bound_is_stopped() {
    // Each stands for 1 TB of records.
    let text = Arc::new(StringArray::from(vec!["x".repeat(1 << 20)]));
    check_bounded(&repeated(text, 1 << 20), &limits(2 << 20, 8 << 20));
    check_bounded(&repeated(long_list(1 << 19), 1 << 20), &limits(2 << 20, 8 << 20));
}

#[test]
fn rows_that_are_rejected_late_do_not_cost_without_bound_either() {
    check_bounded(&repeated(long_list(1 << 19), 1 << 20), &limits(1 << 19, 8 << 20));
    let fault_behind = ListArray::from_iter_primitive::<Date32Type, _, _>([Some(
        std::iter::repeat_n(Some(0), 1 << 17).chain([Some(i32::MAX)]).collect::<Vec<_>>(),
    )]);
    check_bounded(&repeated(Arc::new(fault_behind), 1 << 20), &limits(8 << 20, 8 << 20));
}

#[test]
fn json_that_is_mostly_white_space_does_not_cost_without_bound() {
    for text in [format!("{}1", " ".repeat(1 << 20)), format!("{}x", " ".repeat(1 << 20))] {
        let batch = repeated(Arc::new(StringArray::from(vec![text])), 1 << 20);
        let field = batch.schema_ref().field(0).clone().with_metadata(HashMap::from([(
            EXTENSION_TYPE_NAME_KEY.to_owned(),
            "arrow.json".to_owned(),
        )]));
        let schema = Arc::new(Schema::new(vec![field]));
        let batch = RecordBatch::try_new(schema, batch.columns().to_vec()).unwrap();
        check_bounded(&batch, &limits(8 << 20, 8 << 20));
    }
}

#[test]
fn a_row_too_large_is_given_up_early() {
    let check = |array: ArrayRef, column: &str| {
        let records = encode(&json(NonFinite::Null), &limits(1_000, 1 << 20), &batch_of(array));
        let error = &records.rejected()[0];
        assert_eq!((error.code, error.column.as_str()), (RowErrorCode::RowTooLarge, column));
        assert!(records.into_parts().0.capacity() < 16 << 10);
    };
    check(long_list(1 << 20), "v[497]");
    let nulls = FixedSizeListArray::new(
        Arc::new(Field::new("item", DataType::Null, true)),
        i32::MAX,
        Arc::new(NullArray::new(i32::MAX as usize)),
        None,
    );
    check(Arc::new(nulls), "v[199]");
    check(Arc::new(BinaryArray::from_vec(vec![&[0; 1 << 20]])), "v");
    check(Arc::new(StringArray::from(vec!["\n".repeat(1 << 20)])), "v");
    check(Arc::new(StringArray::from(vec!["\n".repeat(900)])), "v");
}

#[test]
fn a_batch_without_columns_has_bounded_rows_too() {
    let options = RecordBatchOptions::new().with_row_count(Some(usize::MAX));
    let schema = Arc::new(Schema::empty());
    let batch = RecordBatch::try_new_with_options(schema, vec![], &options).unwrap();
    check_bounded(&batch, &limits(1, 1 << 20));
    check_bounded(&batch, &limits(100, 1 << 20));
}

/// What one row of the property is, and what must become of it.
#[derive(Clone, Debug)]
struct Row {
    number: Option<f64>,
    json: Option<&'static str>,
    text: String,
}

impl Row {
    fn expected(&self, record_bytes_max: usize) -> Result<String, RowErrorCode> {
        let number = match self.number {
            Some(number) if number.is_nan() => return Err(RowErrorCode::NonFinite),
            Some(number) => format!("{number:?}"),
            None => "null".into(),
        };
        let json = match self.json {
            Some("{") => return Err(RowErrorCode::InvalidJson),
            json => json.unwrap_or("null"),
        };
        let text = serde_json::to_string(&self.text).unwrap();
        let record = format!(r#"{{"number":{number},"json":{json},"text":{text}}}"#);
        if record.len() > record_bytes_max { Err(RowErrorCode::RowTooLarge) } else { Ok(record) }
    }
}

fn row() -> impl Strategy<Value = Row> {
    let number = prop::option::of(prop_oneof![Just(0.5), Just(-2.0), Just(f64::NAN)]);
    let json = prop::option::of(prop_oneof![Just("[1,{}]"), Just("{"), Just("true")]);
    (number, json, "[a\\n\"é]{0,40}").prop_map(|(number, json, text)| Row { number, json, text })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn every_row_is_a_record_or_rejected_and_the_order_stays(
        rows in prop::collection::vec(row(), 0..300),
        record_bytes_max in 60_usize..120,
    ) {
        let json_field = Field::new("json", DataType::Utf8, true).with_metadata(HashMap::from([(
            EXTENSION_TYPE_NAME_KEY.to_owned(),
            "arrow.json".to_owned(),
        )]));
        let schema = Schema::new(vec![
            Field::new("number", DataType::Float64, true),
            json_field,
            Field::new("text", DataType::Utf8, true),
        ]);
        let batch = RecordBatch::try_new(Arc::new(schema), vec![
            Arc::new(rows.iter().map(|row| row.number).collect::<Float64Array>()),
            Arc::new(rows.iter().map(|row| row.json).collect::<StringArray>()),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.text))),
        ]).unwrap();
        let records =
            encode(&json(NonFinite::Error), &limits(record_bytes_max, 1 << 20), &batch);

        let expected: Vec<_> = rows.iter().map(|row| row.expected(record_bytes_max)).collect();
        let all_good = expected.iter().all(Result::is_ok);
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for (row, expected) in (0_u32..).zip(expected) {
            match expected {
                Ok(text) => good.push((row, text)),
                // A row that has a fault and is too long is rejected for what comes first.
                Err(code) => bad.push((row, code)),
            }
        }
        let found = texts(&records).into_iter().enumerate();
        let found: Vec<_> = found.map(|(at, text)| (records.row_of(at), text)).collect();
        prop_assert_eq!(found, good);
        prop_assert_eq!(records.rejected_total(), bad.len());
        bad.truncate(REJECTED_NAMED_MAX);
        let found: Vec<_> = records.rejected().iter().map(|error| (error.row, error.code)).collect();
        prop_assert_eq!(found, bad);
        let ends: Vec<u32> = records.ends().to_vec();
        prop_assert!(ends.is_sorted_by(|a, b| a < b));
        prop_assert_eq!(ends.last().map_or(0, |&end| end as usize), records.bytes().len());
        let (_, _, map) = records.into_parts();
        prop_assert_eq!(map.is_identity(), all_good);
    }
}
