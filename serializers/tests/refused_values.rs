//! Values that their type does not hold, or that readers refuse: both formats of text reject the
//! row.
mod common;

use std::sync::Arc;

use arrow_array::*;
use arrow_buffer::i256;
use arrow_schema::DataType;
use common::{WIDE, batch_of, encode, extended, json, values, values_of};
use serializers::{CsvOptions, Decimals, Format, JsonOptions, NonFinite, RowErrorCode};

#[test]
fn a_decimal_beyond_its_precision_rejects_its_row() {
    let overflow = "v DECIMAL_OVERFLOW";
    let check = |array: ArrayRef, expected: &[&str]| {
        assert_eq!(values(array.clone()), expected);
        let batch = batch_of(array);
        let quoted = JsonOptions { decimals: Decimals::String, ..JsonOptions::default() };
        for format in [Format::Json(quoted), Format::Csv(CsvOptions::default())] {
            let records = encode(&format, &WIDE, &batch);
            let bad: Vec<_> = records.rejected().iter().map(|bad| (bad.row, bad.code)).collect();
            let rows = (0..).zip(expected).filter(|(_, text)| **text == overflow);
            let expected: Vec<_> =
                rows.map(|(row, _)| (row, RowErrorCode::DecimalOverflow)).collect();
            assert_eq!(bad, expected);
        }
    };
    let wide = Decimal128Array::from(vec![123_456_789, 99_999, -99_999, 100_000, -100_000]);
    check(
        Arc::new(wide.clone().with_data_type(DataType::Decimal128(5, 2))),
        &[overflow, "999.99", "-999.99", overflow, overflow],
    );
    check(
        Arc::new(wide.with_data_type(DataType::Decimal128(5, -2))),
        &[overflow, "9999900", "-9999900", overflow, overflow],
    );
    let small = Decimal32Array::from(vec![i32::MIN, 999, 0]);
    check(
        Arc::new(small.with_data_type(DataType::Decimal32(2, 5))),
        &[overflow, overflow, "0.00000"],
    );
    let middle = Decimal64Array::from(vec![i64::MIN, i64::MAX]);
    check(Arc::new(middle.with_data_type(DataType::Decimal64(18, 0))), &[overflow; 2]);
    let all = vec![i256::MIN, i256::MAX, i256::from_i128(10).wrapping_pow(60)];
    let widest = Decimal256Array::from(all.clone()).with_data_type(DataType::Decimal256(76, 76));
    let fits = format!("0.{}1{}", "0".repeat(15), "0".repeat(60));
    check(Arc::new(widest), &[overflow, overflow, &fits]);
    let widest = Decimal256Array::from(all).with_data_type(DataType::Decimal256(60, 0));
    check(Arc::new(widest), &[overflow; 3]);
    let bad = Decimal128Array::from(vec![1_000]).with_data_type(DataType::Decimal128(3, 1));
    let records = encode(&json(NonFinite::Null), &WIDE, &batch_of(Arc::new(bad)));
    let text =
        "row 0, column `v`: the decimal has more than the 3 digits of its type (DECIMAL_OVERFLOW)";
    assert_eq!(records.rejected()[0].to_string(), text);
}

#[test]
fn dates_in_milliseconds_have_no_time_of_day() {
    let day = 86_400_000;
    let days = vec![-day, 0, day, i64::MIN, i64::MAX, i64::MAX / day * day];
    let outside = "v OUT_OF_RANGE";
    assert_eq!(
        values(Arc::new(Date64Array::from(days))),
        [r#""1969-12-31""#, r#""1970-01-01""#, r#""1970-01-02""#, outside, outside, outside]
    );
    let batch = batch_of(Arc::new(Date64Array::from(vec![-1, 1, day - 1, day + 1])));
    assert_eq!(values_of(&batch, NonFinite::Null), ["v INEXACT"; 4]);
    let records = encode(&Format::Csv(CsvOptions::default()), &WIDE, &batch);
    assert_eq!((records.len(), records.rejected_total()), (0, 4));
    assert_eq!(records.rejected()[0].code, RowErrorCode::Inexact);
    let text = "row 0, column `v`: the date has a time of day, which a date cannot hold (INEXACT)";
    assert_eq!(records.rejected()[0].to_string(), text);
}

#[test]
fn arrow_json_that_readers_refuse_rejects_its_row() {
    let check = |of: &str, reason: Option<&str>| {
        let array: ArrayRef = Arc::new(StringArray::from(vec![of]));
        let batch = extended(array, "arrow.json");
        for format in [json(NonFinite::Null), Format::Csv(CsvOptions::default())] {
            let records = encode(&format, &WIDE, &batch);
            let found = records.rejected().first().map(|bad| (bad.code, bad.reason.as_str()));
            let expected = reason.map(|reason| (RowErrorCode::InvalidJson, reason));
            assert_eq!(found, expected, "{of}");
            assert_eq!(records.len(), usize::from(reason.is_none()));
        }
    };
    let half = Some(
        "a string in the JSON has an escape that is half of a surrogate pair, which stands for no \
         character",
    );
    let halves = [
        r#""\ud800""#,
        r#""\uDBFFx""#,
        r#""\udc00""#,
        r#""\uDFFF""#,
        r#""\ud83d\n""#,
        r#""\ud83d\ud83d\ude00""#,
        r#""\ud83d\ude00\ude00""#,
        r#""\\\ud83d""#,
        r#"[1, {"\ud83d" : 2}]"#,
        r#"{"a":"b","c":"\"\ude00"}"#,
    ];
    halves.iter().for_each(|text| check(text, half));
    let whole = [
        r#""\ud83d\ude00\uD83D\uDE00\ud7ff\ue000""#,
        r#""\\ud800""#,
        r#""\\\\udc00 \/ \" \u0000""#,
        "1e99999",
        r#"{"a":1,"a":2}"#,
    ];
    whole.iter().for_each(|text| check(text, None));
    let deep = Some("the JSON nests deeper than 128 levels");
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let objects = |depth: usize| "{\"[\" : ".repeat(depth) + "0" + &"}".repeat(depth);
    check(&nested(128), None);
    check(&objects(128), None);
    check(&nested(129), deep);
    check(&objects(129), deep);
    check(&nested(100_000), deep);
    // What counts is how deep it is, not how many there are.
    check(&format!("[{}[]]", "[],{\"a\":[]},".repeat(1_000)), None);
    check(&format!("\"{}\"", "[{".repeat(1_000)), None);
}
