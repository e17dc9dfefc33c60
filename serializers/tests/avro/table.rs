//! The table of `AvroOptions`: for every Arrow type its Avro type, and the bytes of its extremes.

use std::{collections::HashMap, sync::Arc};

use arrow_array::{types::*, *};
use arrow_buffer::{OffsetBuffer, i256};
use arrow_schema::{DataType, Field, extension::EXTENSION_TYPE_NAME_KEY};

use crate::{batch_of, encode, fields_of, one, raw, rows};

/// The Avro type of a column that takes no nulls, and its values.
#[track_caller]
fn check(array: impl Array + 'static, schema: &str, values: &[&str]) {
    let batch = one(Arc::new(array), false);
    assert_eq!(fields_of(&batch), format!(r#"{{"name":"v","type":{schema}}}"#));
    assert_eq!(rows(&encode(&raw(), &batch)), values);
}

fn logical(of: &str, logical: &str) -> String {
    format!(r#"{{"type":"{of}","logicalType":"{logical}"}}"#)
}

fn decimal(precision: u32, scale: u32) -> String {
    let digits = format!(r#""precision":{precision},"scale":{scale}"#);
    format!(r#"{{"type":"bytes","logicalType":"decimal",{digits}}}"#)
}

#[test]
fn nulls_and_flags() {
    let nulls = NullArray::new(2);
    let batch = one(Arc::new(nulls), true);
    assert_eq!(fields_of(&batch), r#"{"name":"v","type":"null","default":null}"#);
    assert_eq!(rows(&encode(&raw(), &batch)), ["", ""]);
    check(BooleanArray::from(vec![false, true]), r#""boolean""#, &["00", "01"]);
    let nullable = one(Arc::new(BooleanArray::from(vec![None, Some(true)])), true);
    assert_eq!(fields_of(&nullable), r#"{"name":"v","type":["null","boolean"],"default":null}"#);
    assert_eq!(rows(&encode(&raw(), &nullable)), ["00", "0201"]);
}

#[test]
fn integers() {
    check(Int8Array::from(vec![i8::MIN, 0, i8::MAX]), r#""int""#, &["ff01", "00", "fe01"]);
    check(Int16Array::from(vec![i16::MIN, i16::MAX]), r#""int""#, &["ffff03", "feff03"]);
    check(
        Int32Array::from(vec![i32::MIN, -1, i32::MAX]),
        r#""int""#,
        &["ffffffff0f", "01", "feffffff0f"],
    );
    check(
        Int64Array::from(vec![i64::MIN, i64::MAX]),
        r#""long""#,
        &["ffffffffffffffffff01", "feffffffffffffffff01"],
    );
    check(UInt8Array::from(vec![0, u8::MAX]), r#""int""#, &["00", "fe03"]);
    check(UInt16Array::from(vec![u16::MAX]), r#""int""#, &["feff07"]);
    check(UInt32Array::from(vec![u32::MAX]), r#""long""#, &["feffffff1f"]);
    check(
        UInt64Array::from(vec![0, 127, 128, u64::MAX]),
        &decimal(20, 0),
        &["0200", "027f", "040080", "1200ffffffffffffffff"],
    );
}

#[test]
fn floats() {
    let tiny = f32::from_bits(1);
    check(
        Float32Array::from(vec![tiny, -0.0, f32::NAN, f32::INFINITY, f32::MAX]),
        r#""float""#,
        &["01000000", "00000080", "0000c07f", "0000807f", "ffff7f7f"],
    );
    let tiny = f64::from_bits(1);
    check(
        Float64Array::from(vec![tiny, -1.0, f64::NEG_INFINITY, f64::MIN]),
        r#""double""#,
        &["0100000000000000", "000000000000f0bf", "000000000000f0ff", "ffffffffffffefff"],
    );
    let half = |value: f32| <Float16Type as ArrowPrimitiveType>::Native::from_f32(value);
    check(Float16Array::from(vec![half(1.5), half(-2.0)]), r#""float""#, &["0000c03f", "000000c0"]);
}

#[test]
fn decimals() {
    let most = 10_i128.pow(38) - 1;
    let array = Decimal128Array::from(vec![0, -1, 128, -128, -129, most, -most]);
    check(
        array.with_precision_and_scale(38, 7).unwrap(),
        &decimal(38, 7),
        &[
            "0200",
            "02ff",
            "040080",
            "0280",
            "04ff7f",
            "204b3b4ca85a86c47a098a223fffffffff",
            "20b4c4b357a5793b85f675ddc000000001",
        ],
    );
    let array = Decimal32Array::from(vec![-12_345]).with_precision_and_scale(9, 2).unwrap();
    check(array, &decimal(9, 2), &["04cfc7"]);
    let array = Decimal64Array::from(vec![1 << 40]).with_precision_and_scale(18, 0).unwrap();
    check(array, &decimal(18, 0), &["0c010000000000"]);
    let most = "9".repeat(76);
    let most = i256::from_string(&most).unwrap();
    let array = Decimal256Array::from(vec![most, -most, i256::ONE]);
    let array = array.with_precision_and_scale(76, 38).unwrap();
    let hex = |value: i256| crate::hex(&value.to_be_bytes());
    let expected = [format!("40{}", hex(most)), format!("40{}", hex(-most)), "0201".to_owned()];
    check(array, &decimal(76, 38), &expected.each_ref().map(String::as_str));
}

#[test]
fn scales_that_avro_lacks_are_written_out() {
    let array = Decimal128Array::from(vec![5, -12]).with_precision_and_scale(5, -2).unwrap();
    check(array, &decimal(7, 0), &["0401f4", "04fb50"]);
    // Beyond 128 bits, and beyond 256.
    let most = 10_i128.pow(38) - 1;
    let array = Decimal128Array::from(vec![most, 1]).with_precision_and_scale(38, -5).unwrap();
    let long = i256::from_i128(most).wrapping_mul(i256::from_i128(100_000));
    let long = crate::hex(&long.to_be_bytes()[14..]);
    check(array, &decimal(43, 0), &[&format!("24{long}"), "060186a0"]);
    let array = Decimal256Array::from(vec![i256::MINUS_ONE, i256::ONE]);
    let array = array.with_data_type(DataType::Decimal256(76, -128));
    // 10^128 is 2^128 × 5^128, in 426 bits.
    let (batch, digits) = (one(Arc::new(array), false), decimal(204, 0));
    assert_eq!(fields_of(&batch), format!(r#"{{"name":"v","type":{digits}}}"#));
    let rows = rows(&encode(&raw(), &batch));
    assert!(rows.iter().all(|row| row.starts_with("6c") && row.len() == 2 + 2 * 54), "{rows:?}");
    assert!(rows[1].ends_with(&"0".repeat(32)) && !rows[1].ends_with(&"0".repeat(33)));
    // A scale beyond the precision.
    let array = Decimal32Array::from(vec![99]).with_data_type(DataType::Decimal32(2, 5));
    check(array, &decimal(5, 5), &["0263"]);
}

#[test]
fn a_decimal_beyond_its_precision_rejects_its_row() {
    let array = Decimal128Array::from(vec![999, 1_000, -999, -1_000]);
    let array = array.with_data_type(DataType::Decimal128(3, 1));
    let overflow = "v DECIMAL_OVERFLOW";
    check(array, &decimal(3, 1), &["0403e7", overflow, "04fc19", overflow]);
    let array = Decimal256Array::from(vec![i256::MAX, i256::MIN]);
    check(array.with_data_type(DataType::Decimal256(76, 0)), &decimal(76, 0), &[overflow; 2]);
    let array = Decimal64Array::from(vec![i64::MIN]).with_data_type(DataType::Decimal64(3, -2));
    check(array, &decimal(5, 0), &[overflow]);
}

#[test]
fn text_and_bytes() {
    let long = "é".repeat(40);
    let all = ["", "a", "12345678901234567890123456789012", &long, "x"];
    let bytes = |text: &str| {
        let mut bytes = Vec::new();
        match text.len() {
            len @ ..64 => bytes.push(2 * len as u8),
            len => bytes.extend([(2 * len) as u8 & 0x7f | 0x80, (len >> 6) as u8]),
        }
        bytes.extend(text.bytes());
        crate::hex(&bytes)
    };
    let expected = all.map(bytes);
    let expected = expected.each_ref().map(String::as_str);
    check(StringArray::from(all.to_vec()), r#""string""#, &expected);
    check(LargeStringArray::from(all.to_vec()), r#""string""#, &expected);
    check(StringViewArray::from(all.to_vec()), r#""string""#, &expected);
    let all = all.map(str::as_bytes);
    check(BinaryArray::from(all.to_vec()), r#""bytes""#, &expected);
    check(LargeBinaryArray::from(all.to_vec()), r#""bytes""#, &expected);
    check(BinaryViewArray::from(all.to_vec()), r#""bytes""#, &expected);
    let array = FixedSizeBinaryArray::try_from_iter([[1_u8, 2, 3], [0, 0, 0xff]].iter()).unwrap();
    check(array, r#"{"type":"fixed","name":"Row_v","size":3}"#, &["010203", "0000ff"]);
    let megabyte = "x".repeat(1 << 20);
    let batch = one(Arc::new(StringArray::from(vec![megabyte.as_str()])), false);
    let records = encode(&raw(), &batch);
    assert_eq!(records.record(0)[..4], [0x80, 0x80, 0x80, 0x01]);
    assert_eq!(&records.record(0)[4..], megabyte.as_bytes());
}

#[test]
fn json_text_is_text_as_it_is() {
    let metadata = [(EXTENSION_TYPE_NAME_KEY.to_owned(), "arrow.json".to_owned())];
    let field = Field::new("v", DataType::Utf8, false).with_metadata(HashMap::from(metadata));
    let batch = batch_of(vec![(field, Arc::new(StringArray::from(vec![" {}", "no"])) as ArrayRef)]);
    assert_eq!(fields_of(&batch), r#"{"name":"v","type":"string"}"#);
    assert_eq!(rows(&encode(&raw(), &batch)), ["06207b7d", "046e6f"]);
}

#[test]
fn dates() {
    // The years 0001 and 9999, and what else 32 bits hold.
    check(
        Date32Array::from(vec![-719_162, 2_932_896, i32::MIN, i32::MAX]),
        &logical("int", "date"),
        &["f3e457", "c082e602", "ffffffff0f", "feffffff0f"],
    );
    const DAY: i64 = 86_400_000;
    check(
        Date64Array::from(vec![-DAY, DAY, DAY + 1, -1, i64::MAX / DAY * DAY]),
        &logical("int", "date"),
        &["01", "02", "v INEXACT", "v INEXACT", "v OUT_OF_RANGE"],
    );
}

#[test]
fn times_of_day() {
    let outside = "v OUT_OF_RANGE";
    check(
        Time32SecondArray::from(vec![0, 86_399, 86_400, -1]),
        &logical("int", "time-millis"),
        &["00", "b0e0b252", outside, outside],
    );
    check(
        Time32MillisecondArray::from(vec![86_399_999, 86_400_000]),
        &logical("int", "time-millis"),
        &["feefb252", outside],
    );
    check(
        Time64MicrosecondArray::from(vec![1, 86_400_000_000, -1]),
        &logical("long", "time-micros"),
        &["02", outside, outside],
    );
    check(
        Time64NanosecondArray::from(vec![1, 86_399_999_999_999, 86_400_000_000_000]),
        r#"{"type":"long","arrowType":"Time64(ns)"}"#,
        &["02", "fefff79492a527", outside],
    );
}

#[test]
fn points_in_time_and_durations() {
    macro_rules! both {
        ($array:ty, $logical:literal, $values:expr, $hex:expr) => {
            let local = format!("local-{}", $logical);
            check(<$array>::from($values), &logical("long", &local), &$hex);
            let array = <$array>::from($values).with_timezone("");
            check(array, &logical("long", &local), &$hex);
            let array = <$array>::from($values).with_timezone("+02:00");
            check(array, &logical("long", $logical), &$hex);
        };
    }
    const MOST: i64 = i64::MAX / 1_000;
    both!(
        TimestampSecondArray,
        "timestamp-millis",
        vec![-1, 1, MOST, MOST + 1, -MOST - 1],
        ["cf0f", "d00f", "b0f3ffffffffffffff01", "v OUT_OF_RANGE", "v OUT_OF_RANGE"]
    );
    let hex = ["01", "ffffffffffffffffff01"];
    both!(TimestampMillisecondArray, "timestamp-millis", vec![-1, i64::MIN], hex);
    both!(TimestampMicrosecondArray, "timestamp-micros", vec![-1, i64::MIN], hex);
    both!(TimestampNanosecondArray, "timestamp-nanos", vec![-1, i64::MIN], hex);
    macro_rules! duration {
        ($array:ty, $unit:literal) => {
            let schema = format!(r#"{{"type":"long","arrowType":"Duration({})"}}"#, $unit);
            check(<$array>::from(vec![-1, i64::MIN]), &schema, &hex);
        };
    }
    duration!(DurationSecondArray, "s");
    duration!(DurationMillisecondArray, "ms");
    duration!(DurationMicrosecondArray, "µs");
    duration!(DurationNanosecondArray, "ns");
}

#[test]
fn lists() {
    let list = |items: Vec<Option<Vec<Option<i64>>>>| {
        ListArray::from_iter_primitive::<Int64Type, _, _>(items)
    };
    let array = list(vec![Some(vec![Some(1), None]), Some(vec![])]);
    check(array, r#"{"type":"array","items":["null","long"]}"#, &["0402020000", "00"]);
    let item = Arc::new(Field::new("item", DataType::Int32, false));
    let numbers = || Arc::new(Int32Array::from(vec![1, 2, 3]));
    let array = FixedSizeListArray::new(item.clone(), 3, numbers(), None);
    check(array, r#"{"type":"array","items":"int"}"#, &["0602040600"]);
    let offsets = OffsetBuffer::from_lengths([2, 1]);
    let array = LargeListArray::new(item, offsets, numbers(), None);
    check(array, r#"{"type":"array","items":"int"}"#, &["04020400", "020600"]);
    let nullable = one(Arc::new(list(vec![None, Some(vec![None])])), true);
    assert_eq!(
        fields_of(&nullable),
        r#"{"name":"v","type":["null",{"type":"array","items":["null","long"]}],"default":null}"#
    );
    assert_eq!(rows(&encode(&raw(), &nullable)), ["00", "02020000"]);
}

fn map(keys: ArrayRef, lengths: &[usize]) -> MapArray {
    let values = Int32Array::from_iter((0..).map(|n| (n != 1).then_some(n)).take(keys.len()));
    let key = Field::new("key", keys.data_type().clone(), keys.null_count() > 0);
    let value = Field::new("value", DataType::Int32, true);
    let fields = vec![key, value].into();
    let entries = StructArray::new(fields, vec![keys, Arc::new(values)], None);
    let entries_field = Field::new("entries", entries.data_type().clone(), false);
    let offsets = OffsetBuffer::from_lengths(lengths.iter().copied());
    MapArray::new(Arc::new(entries_field), offsets, entries, None, false)
}

#[test]
fn maps() {
    let schema = r#"{"type":"map","values":["null","int"]}"#;
    // "a": 0, "a": null; then none.
    let keys = Arc::new(StringArray::from(vec!["a", "a"]));
    check(map(keys, &[2, 0]), schema, &["040261020002610000", "00"]);
    // "true": 0, "false": null.
    let keys = Arc::new(BooleanArray::from(vec![true, false]));
    check(map(keys, &[2]), schema, &["04087472756502000a66616c73650000"]);
    let number = |keys: ArrayRef, text: &str| {
        let key = format!("{:02x}{}", 2 * text.len(), crate::hex(text.as_bytes()));
        check(map(keys, &[1]), schema, &[&format!("02{key}020000")]);
    };
    number(Arc::new(Int8Array::from(vec![-128])), "-128");
    number(Arc::new(Int16Array::from(vec![-5])), "-5");
    number(Arc::new(Int32Array::from(vec![i32::MAX])), "2147483647");
    number(Arc::new(Int64Array::from(vec![i64::MIN])), "-9223372036854775808");
    number(Arc::new(UInt8Array::from(vec![255])), "255");
    number(Arc::new(UInt16Array::from(vec![7])), "7");
    number(Arc::new(UInt32Array::from(vec![u32::MAX])), "4294967295");
    number(Arc::new(UInt64Array::from(vec![u64::MAX])), "18446744073709551615");
    number(Arc::new(LargeStringArray::from(vec!["l"])), "l");
    number(Arc::new(StringViewArray::from(vec!["v"])), "v");
    let dictionary: DictionaryArray<Int8Type> = ["d"].into_iter().collect();
    number(Arc::new(dictionary), "d");
}

#[test]
fn a_null_behind_a_map_key_rejects_its_row() {
    // Arrow's constructors refuse such a map; one that is put together from parts, as a reader
    // of foreign bytes does, may hold it.
    let dictionary = |texts: Vec<Option<&str>>| {
        let texts: ArrayRef = Arc::new(StringArray::from(texts));
        DictionaryArray::new(Int8Array::from(vec![0, 1]), texts)
    };
    let maps = map(Arc::new(dictionary(vec![Some("a"), Some("b")])), &[1, 1]);
    let entries = maps.entries().to_data();
    let mut children = entries.child_data().to_vec();
    children[0] = dictionary(vec![Some("a"), None]).to_data();
    let entries = entries.into_builder().child_data(children).build().unwrap();
    let maps = maps.to_data().into_builder().child_data(vec![entries]).build().unwrap();
    check(
        MapArray::from(maps),
        r#"{"type":"map","values":["null","int"]}"#,
        &["020261020000", "v[0].key NULL_MAP_KEY"],
    );
}

#[test]
fn dictionaries_are_their_values() {
    let array: DictionaryArray<UInt16Type> = ["b", "a", "b"].into_iter().collect();
    check(array, r#""string""#, &["0262", "0261", "0262"]);
    // A null is in the keys, or in the values.
    let values = Arc::new(StringArray::from(vec![Some("x"), None]));
    let keys = Int8Array::from(vec![Some(0), None, Some(1)]);
    let array = DictionaryArray::new(keys, values as ArrayRef);
    let batch = one(Arc::new(array), true);
    assert_eq!(fields_of(&batch), r#"{"name":"v","type":["null","string"],"default":null}"#);
    assert_eq!(rows(&encode(&raw(), &batch)), ["020278", "00", "00"]);
    // The schema says that there are none.
    let values = Arc::new(StringArray::from(vec![Some("x"), None]));
    let array = DictionaryArray::new(Int8Array::from(vec![0, 1]), values as ArrayRef);
    check(array, r#""string""#, &["0278", "v NULL_VALUE"]);
}

#[test]
fn what_arrow_has_and_avro_has_not_is_refused() {
    let array = IntervalYearMonthArray::from(vec![1]);
    let error = crate::compile(&raw(), &one(Arc::new(array), true)).unwrap_err();
    assert_eq!(error.code(), "TYPE_UNSUPPORTED");
}
