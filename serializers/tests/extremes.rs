//! The ends of every type and what is longest, deepest and rarest, in both formats of text.
#![expect(clippy::unwrap_used, reason = "a test's helpers may fail it as the test itself may")]

mod common;

use std::sync::Arc;

use arrow_array::*;
use arrow_buffer::{OffsetBuffer, i256};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use common::{
    WIDE, csv_reader, encode,
    meaning::{Json, object, parse, same},
    texts,
};
use serde_json::Value;
use serializers::{CsvOptions, Format, JsonOptions};

/// Every value as JSON and as CSV, in a table with a second column.
#[track_caller]
fn check(array: ArrayRef, expected: &[&str]) {
    let one: ArrayRef = Arc::new(Int8Array::from(vec![1; array.len()]));
    let batch = RecordBatch::try_from_iter_with_nullable([("v", array, true), ("n", one, true)]);
    let batch = batch.unwrap();
    let json = texts(&encode(&Format::Json(JsonOptions::default()), &WIDE, &batch));
    let csv = texts(&encode(&Format::Csv(CsvOptions::default()), &WIDE, &batch));
    assert_eq!(json.len(), expected.len());
    for (at, expected) in expected.iter().enumerate() {
        assert_eq!(json[at], format!("{{\"v\":{expected},\"n\":1}}"));
        assert_eq!(csv[at], format!("{},1", expected.trim_matches('"')));
    }
}

#[test]
fn integers() {
    check(Arc::new(Int8Array::from(vec![i8::MIN, i8::MAX])), &["-128", "127"]);
    check(Arc::new(Int16Array::from(vec![i16::MIN, i16::MAX])), &["-32768", "32767"]);
    let ends = ["-2147483648", "2147483647"];
    check(Arc::new(Int32Array::from(vec![i32::MIN, i32::MAX])), &ends);
    let ends = ["-9223372036854775808", "9223372036854775807"];
    check(Arc::new(Int64Array::from(vec![i64::MIN, i64::MAX])), &ends);
    check(Arc::new(DurationNanosecondArray::from(vec![i64::MIN, i64::MAX])), &ends);
    check(Arc::new(UInt8Array::from(vec![0, u8::MAX])), &["0", "255"]);
    check(Arc::new(UInt16Array::from(vec![0, u16::MAX])), &["0", "65535"]);
    check(Arc::new(UInt32Array::from(vec![0, u32::MAX])), &["0", "4294967295"]);
    check(Arc::new(UInt64Array::from(vec![0, u64::MAX])), &["0", "18446744073709551615"]);
}

#[test]
fn floats() {
    let wide = [f64::MIN, f64::MAX, f64::MIN_POSITIVE, 5e-324, -0.0];
    let texts = [
        "-1.7976931348623157e+308",
        "1.7976931348623157e+308",
        "2.2250738585072014e-308",
        "5e-324",
        "-0.0",
    ];
    check(Arc::new(Float64Array::from(wide.to_vec())), &texts);
    let single = [f32::MIN, f32::MAX, f32::MIN_POSITIVE, 1e-45];
    let texts = ["-3.4028235e+38", "3.4028235e+38", "1.1754944e-38", "1e-45"];
    check(Arc::new(Float32Array::from(single.to_vec())), &texts);
    let subnormal = f64::from_bits(0x000f_ffff_ffff_ffff);
    check(Arc::new(Float64Array::from(vec![subnormal])), &["2.225073858507201e-308"]);
}

#[test]
fn decimals_of_all_their_digits() {
    let nines = "9".repeat(38);
    let value: i128 = nines.parse().unwrap();
    let of = |scale| {
        let array = Decimal128Array::from(vec![value, -value]);
        Arc::new(array.with_data_type(DataType::Decimal128(38, scale)))
    };
    check(of(0), &[&nines, &format!("-{nines}")]);
    check(of(38), &[&format!("0.{nines}"), &format!("-0.{nines}")]);
    let nines = "9".repeat(76);
    let value = i256::from_string(&nines).unwrap();
    let of = |scale| {
        let array = Decimal256Array::from(vec![value, -value]);
        Arc::new(array.with_data_type(DataType::Decimal256(76, scale)))
    };
    check(of(0), &[&nines, &format!("-{nines}")]);
    let (whole, fraction) = nines.split_at(66);
    check(of(10), &[&format!("{whole}.{fraction}"), &format!("-{whole}.{fraction}")]);
}

#[test]
fn days_and_times_from_year_1_to_9999() {
    check(
        Arc::new(Date32Array::from(vec![-719_162, 2_932_896])),
        &[r#""0001-01-01""#, r#""9999-12-31""#],
    );
    let day_ms = 86_400_000;
    let days = Date64Array::from(vec![-719_162 * day_ms, 2_932_896 * day_ms]);
    check(Arc::new(days), &[r#""0001-01-01""#, r#""9999-12-31""#]);
    let micros = [-62_135_596_800_000_000, 253_402_300_799_999_999];
    check(
        Arc::new(TimestampMicrosecondArray::from(micros.to_vec()).with_timezone("UTC")),
        &[r#""0001-01-01T00:00:00.000000Z""#, r#""9999-12-31T23:59:59.999999Z""#],
    );
    check(
        Arc::new(TimestampNanosecondArray::from(vec![i64::MIN, i64::MAX])),
        &[r#""1677-09-21T00:12:43.145224192""#, r#""2262-04-11T23:47:16.854775807""#],
    );
    check(
        Arc::new(Time64NanosecondArray::from(vec![0, 86_399_999_999_999])),
        &[r#""00:00:00.000000000""#, r#""23:59:59.999999999""#],
    );
}

/// Every value of texts, read again by the crates `serde_json` and `csv`.
fn check_texts(all: &[Option<String>]) {
    let of = StringArray::from(all.to_vec());
    let rows = all.len();
    let row: ArrayRef = Arc::new(Int32Array::from_iter_values(0..rows as i32));
    let columns = [("t", Arc::new(of) as ArrayRef, true), ("row", row, false)];
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let json = texts(&encode(&Format::Json(JsonOptions::default()), &WIDE, &batch));
    let csv = texts(&encode(&Format::Csv(CsvOptions::default()), &WIDE, &batch));
    for (row, text) in all.iter().enumerate() {
        let read: Value = serde_json::from_str(&json[row]).unwrap();
        assert_eq!((read["t"].as_str(), read["row"].as_u64()), (text.as_deref(), Some(row as u64)));
        let [line] = &csv_reader::read_with_crate(&csv[row], b',')[..] else { panic!("one line") };
        assert_eq!(line[..], [text.clone().unwrap_or_default(), row.to_string()]);
        let [line] = &csv_reader::read(&csv[row], b',')[..] else { panic!("one line") };
        assert_eq!(line[0].text, text.clone().unwrap_or_default());
        assert!(text.is_some() || !line[0].quoted);
    }
}

#[test]
fn every_character_of_every_plane() {
    // Alone, and thirty to a text.
    let all: Vec<char> = ('\u{0}'..=char::MAX).collect();
    let planes =
        all.iter().filter(|&&c| (c as u32) % 0x1_0000 < 0x300 || (c as u32).is_multiple_of(97));
    let alone = planes.map(|c| Some(c.to_string()));
    let many = all.chunks(30).map(|chunk| Some(chunk.iter().collect()));
    check_texts(&alone.chain(many).collect::<Vec<_>>());
}

#[test]
fn texts_from_nothing_to_a_megabyte() {
    let long = |of: &str| Some(of.repeat((1 << 20) / of.len()));
    check_texts(&[
        None,
        Some(String::new()),
        long("x"),
        long("\""),
        long("a,\r\n"),
        long("😀"),
        None,
    ]);
    check_texts(&[const { None }; 3]);
}

#[test]
fn ten_levels_of_lists_and_structs_with_nulls_at_every_level() {
    let mut array: ArrayRef =
        Arc::new(Int64Array::from(vec![Some(i64::MIN), None, Some(i64::MAX)]));
    for level in 0..10 {
        let nulls = Some(vec![true, level % 3 != 0, true].into());
        array = if level % 2 == 0 {
            let item = Arc::new(Field::new("item", array.data_type().clone(), true));
            let offsets = OffsetBuffer::from_lengths([1, 0, 2]);
            Arc::new(ListArray::new(item, offsets, array, nulls))
        } else {
            let field = Field::new(format!("level {level}"), array.data_type().clone(), true);
            Arc::new(StructArray::new(vec![field].into(), vec![array], nulls))
        };
    }
    let field = Field::new("nested", array.data_type().clone(), true);
    let one: ArrayRef = Arc::new(Int8Array::from(vec![1; 3]));
    let schema = Schema::new(vec![field, Field::new("one", DataType::Int8, false)]);
    let batch = RecordBatch::try_new(Arc::new(schema), vec![array, one]).unwrap();
    let json = texts(&encode(&Format::Json(JsonOptions::default()), &WIDE, &batch));
    let csv = texts(&encode(&Format::Csv(CsvOptions::default()), &WIDE, &batch));
    assert!(json[2].matches("level").count() >= 5, "{}", json[2]);
    for row in 0..3 {
        let meant =
            object(batch.schema_ref().fields(), batch.columns(), row, &JsonOptions::default());
        assert!(same(&parse(&json[row]), &meant), "{} {meant:?}", json[row]);
        let Json::Object(members) = meant else { panic!("a row is an object") };
        let line = csv_reader::read(&csv[row], b',').remove(0);
        assert!(line[0].quoted == (members[0].1 != Json::null()));
        assert!(!line[0].quoted || same(&parse(&line[0].text), &members[0].1));
    }
}

#[test]
fn nulls_of_every_type() {
    let item = || Arc::new(Field::new("item", DataType::Int8, true));
    let fields = vec![Field::new("a", DataType::Int8, true)];
    let all = [
        DataType::Null,
        DataType::Boolean,
        DataType::Int64,
        DataType::UInt64,
        DataType::Float16,
        DataType::Float64,
        DataType::Decimal128(38, 2),
        DataType::Decimal256(76, 2),
        DataType::Date32,
        DataType::Time32(TimeUnit::Second),
        DataType::Timestamp(TimeUnit::Nanosecond, None),
        DataType::Duration(TimeUnit::Second),
        DataType::Utf8,
        DataType::LargeUtf8,
        DataType::Utf8View,
        DataType::Binary,
        DataType::BinaryView,
        DataType::FixedSizeBinary(3),
        DataType::List(item()),
        DataType::FixedSizeList(item(), 2),
        DataType::Struct(fields.into()),
        DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8)),
    ];
    let fields: Vec<_> =
        all.iter().map(|of| Field::new(of.to_string(), of.clone(), true)).collect();
    let columns = all.iter().map(|of| new_null_array(of, 2)).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    let csv = texts(&encode(&Format::Csv(CsvOptions::default()), &WIDE, &batch));
    assert_eq!(csv, [",".repeat(all.len() - 1), ",".repeat(all.len() - 1)]);
    let named = CsvOptions { null_text: "NULL".parse().unwrap(), ..CsvOptions::default() };
    let csv = texts(&encode(&Format::Csv(named), &WIDE, &batch));
    assert_eq!(csv[1], vec!["NULL"; all.len()].join(","));
    let json = texts(&encode(&Format::Json(JsonOptions::default()), &WIDE, &batch));
    assert_eq!(json[1].matches(":null").count(), all.len());
}
