//! What the options of JSON change, to the byte.
#![expect(clippy::unwrap_used, reason = "a test's helpers may fail it as the test itself may")]

mod common;

use std::{collections::HashMap, sync::Arc};

use arrow_array::{builder::*, types::*, *};
use arrow_buffer::{OffsetBuffer, i256};
use arrow_schema::{DataType, Field, TimeUnit, extension::EXTENSION_TYPE_NAME_KEY};
use common::{WIDE, batch_of, encode, texts};
use serializers::{
    Decimals, Format, Integers64, JsonLayout, JsonOptions, NonFinite, Nulls, TimestampFormat,
};

/// The objects of a batch; rejected rows are their codes, behind the others.
fn objects(batch: &RecordBatch, options: JsonOptions) -> Vec<String> {
    let records = encode(&Format::Json(options), &WIDE, batch);
    let rejected = records.rejected().iter();
    let rejected = rejected.map(|error| format!("{} {}", error.column, error.code.as_str()));
    texts(&records).into_iter().chain(rejected).collect()
}

fn omitted() -> JsonOptions {
    JsonOptions { nulls: Nulls::Omitted, ..JsonOptions::default() }
}

fn strings() -> JsonOptions {
    let (integers64, decimals) = (Integers64::String, Decimals::String);
    JsonOptions { integers64, decimals, ..JsonOptions::default() }
}

/// The only member of every row's object.
fn values(array: ArrayRef, options: &JsonOptions) -> Vec<String> {
    let texts = objects(&batch_of(array), options.clone());
    let value = |text: &String| text.strip_prefix("{\"v\":")?.strip_suffix('}').map(str::to_owned);
    texts.iter().map(|text| value(text).unwrap_or_else(|| text.clone())).collect()
}

#[test]
fn null_members_are_left_out_wherever_they_stand_first_last_or_all() {
    let column = |values: [Option<i64>; 4]| Arc::new(Int64Array::from(values.to_vec())) as ArrayRef;
    let batch = RecordBatch::try_from_iter([
        ("a", column([None, Some(1), None, Some(1)])),
        ("b", column([Some(2), None, None, Some(2)])),
        ("a name of more than thirty-two bytes", column([None, None, None, Some(3)])),
    ])
    .unwrap();
    let all = r#"{"a":1,"b":2,"a name of more than thirty-two bytes":3}"#;
    assert_eq!(objects(&batch, omitted()), [r#"{"b":2}"#, r#"{"a":1}"#, "{}", all]);
    let array = JsonOptions { layout: JsonLayout::Array, ..omitted() };
    assert_eq!(objects(&batch, array)[2], "[{}]");
}

#[test]
fn null_fields_of_structs_are_left_out_and_other_nulls_stay() {
    let mut lists = ListBuilder::new(Int64Builder::new());
    lists.append_value([Some(1), None]);
    let mut maps = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
    maps.keys().append_value("k");
    maps.values().append_null();
    maps.append(true).unwrap();
    let extension = (EXTENSION_TYPE_NAME_KEY.to_owned(), "arrow.json".to_owned());
    let json = Field::new("json", DataType::Utf8, true);
    let json = json.with_metadata(HashMap::from([extension]));
    let keys = Int8Array::from(vec![0]);
    let dictionary = DictionaryArray::new(keys, Arc::new(StringArray::from(vec![None::<&str>])));
    let lists = lists.finish();
    let maps = maps.finish();
    let field =
        |name: &str, array: &dyn Array| Arc::new(Field::new(name, array.data_type().clone(), true));
    let inner = StructArray::from(vec![
        (field("list", &lists), Arc::new(lists) as ArrayRef),
        (field("map", &maps), Arc::new(maps) as ArrayRef),
        (Arc::new(json), Arc::new(StringArray::from(vec![r#"{"n":null}"#])) as ArrayRef),
        (field("dictionary", &dictionary), Arc::new(dictionary) as ArrayRef),
        (field("null", &NullArray::new(1)), Arc::new(NullArray::new(1)) as ArrayRef),
    ]);
    let outer = ListArray::new(
        field("item", &inner),
        OffsetBuffer::from_lengths([1]),
        Arc::new(inner),
        None,
    );
    let kept = r#"[{"list":[1,null],"map":{"k":null},"json":{"n":null}}]"#;
    assert_eq!(values(Arc::new(outer), &omitted()), [kept]);
}

#[test]
fn a_float_that_becomes_null_is_left_out_and_no_other() {
    let floats: ArrayRef = Arc::new(Float64Array::from(vec![f64::NAN, f64::INFINITY, 0.0]));
    assert_eq!(values(floats.clone(), &omitted()), ["{}", "{}", "0.0"]);
    let named = JsonOptions { non_finite: NonFinite::String, ..omitted() };
    assert_eq!(values(floats.clone(), &named), ["\"NaN\"", "\"Infinity\"", "0.0"]);
    let error = JsonOptions { non_finite: NonFinite::Error, ..omitted() };
    assert_eq!(values(floats, &error), ["0.0", "v NON_FINITE", "v NON_FINITE"]);
}

fn timestamps(unit: TimeUnit, zone: Option<&str>, values: &[i64]) -> ArrayRef {
    let of = DataType::Timestamp(unit, zone.map(Into::into));
    let data = Int64Array::from(values.to_vec()).into_data().into_builder().data_type(of);
    make_array(data.build().unwrap())
}

#[track_caller]
fn check_timestamps(array: &ArrayRef, format: TimestampFormat, expected: &[&str]) {
    let options = JsonOptions { timestamps: format, ..JsonOptions::default() };
    assert_eq!(values(array.clone(), &options), expected);
}

#[test]
fn timestamps_with_seven_digits_are_padded_or_cut() {
    use TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};
    let check = |unit, zone, value, expected: &str| {
        check_timestamps(&timestamps(unit, zone, &[value]), TimestampFormat::Iso7, &[expected]);
    };
    let utc = Some("UTC");
    check(Nanosecond, utc, 1_553_294_058_566_493_799, r#""2019-03-22T22:34:18.5664937Z""#);
    check(Microsecond, utc, 1_553_294_058_566_493, r#""2019-03-22T22:34:18.5664930Z""#);
    check(Millisecond, utc, 1_553_294_058_566, r#""2019-03-22T22:34:18.5660000Z""#);
    check(Second, utc, 1_553_294_058, r#""2019-03-22T22:34:18.0000000Z""#);
    check(Nanosecond, Some("+02:00"), 0, r#""1970-01-01T00:00:00.0000000Z""#);
    check(Nanosecond, None, 1_553_294_058_566_493_799, r#""2019-03-22T22:34:18.5664937""#);
    check(Second, None, -1, r#""1969-12-31T23:59:59.0000000""#);
    // Cut, never rounded up into the next second, day or year.
    check(Nanosecond, None, -1, r#""1969-12-31T23:59:59.9999999""#);
    check(Second, utc, 253_402_300_799, r#""9999-12-31T23:59:59.0000000Z""#);
    check(Second, utc, -62_135_596_800, r#""0001-01-01T00:00:00.0000000Z""#);
    check(Second, utc, 253_402_300_800, "v OUT_OF_RANGE");
}

#[test]
fn timestamps_as_numbers_are_rounded_down_also_before_1970() {
    use TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};
    use TimestampFormat::{EpochMicroseconds, EpochMilliseconds, EpochSeconds};
    let around = [-1_000_000_001, -1_000_000_000, -1, 0, 1, 999_999_999, 1_000_000_000];
    for zone in [None, Some("UTC"), Some("-11:00")] {
        let nanos = timestamps(Nanosecond, zone, &around);
        check_timestamps(&nanos, EpochSeconds, &["-2", "-1", "-1", "0", "0", "0", "1"]);
        let millis = ["-1001", "-1000", "-1", "0", "0", "999", "1000"];
        check_timestamps(&nanos, EpochMilliseconds, &millis);
        let micros = ["-1000001", "-1000000", "-1", "0", "0", "999999", "1000000"];
        check_timestamps(&nanos, EpochMicroseconds, &micros);
    }
    let seconds = timestamps(Second, None, &[-1, 0, i64::MAX]);
    check_timestamps(&seconds, EpochSeconds, &["-1", "0", "9223372036854775807"]);
    check_timestamps(&seconds, EpochMilliseconds, &["-1000", "0", "v OUT_OF_RANGE"]);
    let millis = timestamps(Millisecond, None, &[i64::MIN, -1]);
    check_timestamps(&millis, EpochSeconds, &["-9223372036854776", "-1"]);
    check_timestamps(&millis, EpochMicroseconds, &["-1000", "v OUT_OF_RANGE"]);
    let micros = timestamps(Microsecond, None, &[i64::MIN, i64::MAX]);
    let same = ["-9223372036854775808", "9223372036854775807"];
    check_timestamps(&micros, EpochMicroseconds, &same);
}

#[test]
fn dates_times_and_durations_do_not_follow_the_timestamps() {
    let options =
        JsonOptions { timestamps: TimestampFormat::EpochSeconds, ..JsonOptions::default() };
    assert_eq!(values(Arc::new(Date32Array::from(vec![0])), &options), [r#""1970-01-01""#]);
    assert_eq!(values(Arc::new(Time32SecondArray::from(vec![1])), &options), [r#""00:00:01""#]);
    assert_eq!(values(Arc::new(DurationNanosecondArray::from(vec![7])), &options), ["7"]);
}

#[test]
fn integers_of_64_bits_may_be_strings_and_smaller_ones_stay_numbers() {
    let check = |array: ArrayRef, expected: &[&str]| {
        assert_eq!(values(array, &strings()), expected);
    };
    let extremes = [Some(i64::MIN), None, Some(0), Some(i64::MAX)];
    check(
        Arc::new(Int64Array::from(extremes.to_vec())),
        &[r#""-9223372036854775808""#, "null", r#""0""#, r#""9223372036854775807""#],
    );
    check(Arc::new(UInt64Array::from(vec![u64::MAX])), &[r#""18446744073709551615""#]);
    check(Arc::new(DurationSecondArray::from(vec![-5])), &[r#""-5""#]);
    check(Arc::new(Int32Array::from(vec![i32::MIN])), &["-2147483648"]);
    check(Arc::new(UInt32Array::from(vec![u32::MAX])), &["4294967295"]);
    check(Arc::new(Float64Array::from(vec![1.5])), &["1.5"]);
    let epoch = JsonOptions { timestamps: TimestampFormat::EpochMicroseconds, ..strings() };
    assert_eq!(values(timestamps(TimeUnit::Second, None, &[1]), &epoch), ["1000000"]);
}

#[test]
fn decimals_of_all_widths_may_be_strings() {
    let check = |array: ArrayRef, expected: &[&str]| {
        assert_eq!(values(array, &strings()), expected);
    };
    let of = |scale| Decimal128Array::from(vec![Some(150), None]).with_data_type(scale);
    check(Arc::new(of(DataType::Decimal128(38, 2))), &[r#""1.50""#, "null"]);
    check(Arc::new(of(DataType::Decimal128(38, -2))), &[r#""15000""#, "null"]);
    check(
        Arc::new(Decimal32Array::from(vec![-1]).with_data_type(DataType::Decimal32(9, 9))),
        &[r#""-0.000000001""#],
    );
    check(
        Arc::new(Decimal64Array::from(vec![0]).with_data_type(DataType::Decimal64(18, 0))),
        &[r#""0""#],
    );
    let nines = i256::from_string(&"9".repeat(76)).unwrap();
    check(
        Arc::new(Decimal256Array::from(vec![nines]).with_data_type(DataType::Decimal256(76, 76))),
        &[&format!("\"0.{}\"", "9".repeat(76))],
    );
}

#[test]
fn strings_reach_every_level_but_the_keys_of_maps() {
    let mut maps = MapBuilder::new(None, Int64Builder::new(), Int64Builder::new());
    maps.keys().append_value(1);
    maps.values().append_value(2);
    maps.append(true).unwrap();
    assert_eq!(values(Arc::new(maps.finish()), &strings()), [r#"{"1":"2"}"#]);
    let mut lists = ListBuilder::new(Int64Builder::new());
    lists.append_value([Some(1), None]);
    assert_eq!(values(Arc::new(lists.finish()), &strings()), [r#"["1",null]"#]);
    let dictionary = DictionaryArray::<Int8Type>::new(
        Int8Array::from(vec![Some(1), None, Some(0)]),
        Arc::new(Int64Array::from(vec![None, Some(7)])),
    );
    assert_eq!(values(Arc::new(dictionary), &strings()), [r#""7""#, "null", "null"]);
}
