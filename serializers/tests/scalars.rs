//! The exact JSON of single values, type by type, at their edges.

mod common;

use std::sync::Arc;

use arrow_array::*;
use arrow_buffer::i256;
use arrow_schema::DataType;
use common::{batch_of, extended, values, values_of};
use serializers::NonFinite;

#[test]
fn integers_are_exact_at_their_edges() {
    let check = |array: ArrayRef, expected: &[&str]| assert_eq!(values(array), expected);
    check(Arc::new(Int8Array::from(vec![i8::MIN, 0, i8::MAX])), &["-128", "0", "127"]);
    check(Arc::new(Int16Array::from(vec![i16::MIN, -1, i16::MAX])), &["-32768", "-1", "32767"]);
    check(Arc::new(Int32Array::from(vec![i32::MIN, i32::MAX])), &["-2147483648", "2147483647"]);
    check(
        Arc::new(Int64Array::from(vec![i64::MIN, i64::MAX, (1 << 53) + 1])),
        &["-9223372036854775808", "9223372036854775807", "9007199254740993"],
    );
    check(Arc::new(UInt8Array::from(vec![0, u8::MAX])), &["0", "255"]);
    check(Arc::new(UInt16Array::from(vec![0, u16::MAX])), &["0", "65535"]);
    check(Arc::new(UInt32Array::from(vec![0, u32::MAX])), &["0", "4294967295"]);
    check(Arc::new(UInt64Array::from(vec![0, u64::MAX])), &["0", "18446744073709551615"]);
}

#[test]
fn integers_of_every_length_are_exact() {
    let mut all = vec![0];
    for power in 0..19 {
        let ten = 10_i64.pow(power);
        all.extend([ten - 1, ten, ten + 1, ten + ten / 10, 1 - ten, -ten, -ten - 1]);
    }
    let expected: Vec<String> = all.iter().map(ToString::to_string).collect();
    assert_eq!(values(Arc::new(Int64Array::from(all))), expected);
    let all: Vec<u64> = (0..20).flat_map(|p| [10_u64.pow(p) - 1, 10_u64.pow(p)]).collect();
    let expected: Vec<String> = all.iter().map(ToString::to_string).collect();
    assert_eq!(values(Arc::new(UInt64Array::from(all))), expected);
}

#[test]
fn floats_are_the_shortest_text_of_their_own_width() {
    let doubles = vec![0.1, -0.0, 1.0, 1e21, 5e-324, f64::MAX, 0.1 + 0.2, 1.0 / 3.0];
    assert_eq!(
        values(Arc::new(Float64Array::from(doubles))),
        [
            "0.1",
            "-0.0",
            "1.0",
            "1e+21",
            "5e-324",
            "1.7976931348623157e+308",
            "0.30000000000000004",
            "0.3333333333333333"
        ]
    );
    let singles = vec![0.1, -0.0, 16_777_216.0, f32::MAX, 1e-45, 0.333_333_34];
    assert_eq!(
        values(Arc::new(Float32Array::from(singles))),
        ["0.1", "-0.0", "16777216.0", "3.4028235e+38", "1e-45", "0.33333334"]
    );
    let halves = Float32Array::from(vec![0.5, -2.0, 65_504.0]);
    let halves = halves
        .values()
        .iter()
        .map(|&v| <types::Float16Type as ArrowPrimitiveType>::Native::from_f32(v));
    assert_eq!(
        values(Arc::new(Float16Array::from_iter_values(halves))),
        ["0.5", "-2.0", "65504.0"]
    );
}

#[test]
fn what_json_has_no_number_for_follows_the_option() {
    let floats = vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -f64::NAN];
    let batch = batch_of(Arc::new(Float64Array::from(floats)));
    assert_eq!(values_of(&batch, NonFinite::Null), ["null"; 4]);
    let names = [r#""NaN""#, r#""Infinity""#, r#""-Infinity""#, r#""NaN""#];
    assert_eq!(values_of(&batch, NonFinite::String), names);
    assert_eq!(values_of(&batch, NonFinite::Error), ["v NON_FINITE"; 4]);
    let single = batch_of(Arc::new(Float32Array::from(vec![f32::NEG_INFINITY])));
    assert_eq!(values_of(&single, NonFinite::String), [r#""-Infinity""#]);
    assert_eq!(values_of(&single, NonFinite::Error), ["v NON_FINITE"]);
}

#[test]
fn decimals_keep_their_scale() {
    let of = |values_: Vec<i128>, precision, scale| {
        let array = Decimal128Array::from(values_).with_precision_and_scale(precision, scale);
        values(Arc::new(array.unwrap()))
    };
    let all = vec![150, 0, -5, 12_345, -12_345];
    assert_eq!(of(all.clone(), 38, 2), ["1.50", "0.00", "-0.05", "123.45", "-123.45"]);
    assert_eq!(of(all.clone(), 38, 0), ["150", "0", "-5", "12345", "-12345"]);
    assert_eq!(of(all.clone(), 38, -3), ["150000", "0", "-5000", "12345000", "-12345000"]);
    assert_eq!(of(all, 38, 5), ["0.00150", "0.00000", "-0.00005", "0.12345", "-0.12345"]);
    let nines = 10_i128.pow(38) - 1;
    assert_eq!(
        of(vec![nines, -nines], 38, 38),
        [format!("0.{}", "9".repeat(38)), format!("-0.{}", "9".repeat(38)),]
    );
    let small = Decimal32Array::from(vec![-999_999_999, 7]).with_precision_and_scale(9, 4).unwrap();
    assert_eq!(values(Arc::new(small)), ["-99999.9999", "0.0007"]);
    let nines = 10_i64.pow(18) - 1;
    let middle = Decimal64Array::from(vec![-nines, 7]).with_precision_and_scale(18, -1).unwrap();
    assert_eq!(values(Arc::new(middle)), ["-9999999999999999990", "70"]);
}

#[test]
fn decimals_of_256_bits_are_exact_at_their_extremes() {
    let nines = "9".repeat(76);
    let most = i256::from_string(&nines).unwrap();
    let all = vec![-most, most, i256::from_i128(-7), i256::from_i128(i128::MIN)];
    let narrow = "170141183460469231731687303715884105728";
    let of = |scale| {
        let array = Decimal256Array::from(all.clone()).with_precision_and_scale(76, scale);
        values(Arc::new(array.unwrap()))
    };
    assert_eq!(of(0), [format!("-{nines}"), nines.clone(), "-7".into(), format!("-{narrow}")]);
    assert_eq!(
        of(76),
        [
            format!("-0.{nines}"),
            format!("0.{nines}"),
            format!("-0.{}7", "0".repeat(75)),
            format!("-0.{}{narrow}", "0".repeat(76 - narrow.len())),
        ]
    );
    assert_eq!(of(-2)[0], format!("-{nines}00"));
}

#[test]
fn booleans_and_nulls() {
    let flags = BooleanArray::from(vec![Some(true), None, Some(false)]);
    assert_eq!(values(Arc::new(flags.clone())), ["true", "null", "false"]);
    assert_eq!(values(Arc::new(flags.slice(1, 2))), ["null", "false"]);
    assert_eq!(values(Arc::new(NullArray::new(2))), ["null", "null"]);
}

#[test]
fn dates_are_days_of_four_digit_years() {
    // 0000-01-01, the day before 1970, leap days of 2000 and 2024, 9999-12-31, and one beyond.
    let days = vec![-719_528, -1, 0, 11_016, 19_782, 2_932_896, -719_529, 2_932_897, i32::MIN];
    let expected = [
        r#""0000-01-01""#,
        r#""1969-12-31""#,
        r#""1970-01-01""#,
        r#""2000-02-29""#,
        r#""2024-02-29""#,
        r#""9999-12-31""#,
        "v OUT_OF_RANGE",
        "v OUT_OF_RANGE",
        "v OUT_OF_RANGE",
    ];
    assert_eq!(values(Arc::new(Date32Array::from(days))), expected);
}

#[test]
fn times_have_the_fraction_of_their_unit() {
    let check = |array: ArrayRef, expected: &[&str]| assert_eq!(values(array), expected);
    check(
        Arc::new(Time32SecondArray::from(vec![0, 18_000, 86_399, 86_400, -1])),
        &[r#""00:00:00""#, r#""05:00:00""#, r#""23:59:59""#, "v OUT_OF_RANGE", "v OUT_OF_RANGE"],
    );
    check(
        Arc::new(Time32MillisecondArray::from(vec![1, 86_399_999, 86_400_000])),
        &[r#""00:00:00.001""#, r#""23:59:59.999""#, "v OUT_OF_RANGE"],
    );
    check(
        Arc::new(Time64MicrosecondArray::from(vec![1, 86_399_999_999, i64::MAX])),
        &[r#""00:00:00.000001""#, r#""23:59:59.999999""#, "v OUT_OF_RANGE"],
    );
    check(
        Arc::new(Time64NanosecondArray::from(vec![1, 86_399_999_999_999, -1])),
        &[r#""00:00:00.000000001""#, r#""23:59:59.999999999""#, "v OUT_OF_RANGE"],
    );
}

#[test]
fn timestamps_have_the_fraction_of_their_unit_and_a_z_if_they_are_instants() {
    let check = |array: ArrayRef, expected: &[&str]| assert_eq!(values(array), expected);
    check(
        Arc::new(TimestampSecondArray::from(vec![1_357_016_400, -1]).with_timezone("UTC")),
        &[r#""2013-01-01T05:00:00Z""#, r#""1969-12-31T23:59:59Z""#],
    );
    check(Arc::new(TimestampSecondArray::from(vec![1_357_016_400])), &[r#""2013-01-01T05:00:00""#]);
    // Arrow's format: so are those of a zone without a name.
    check(
        Arc::new(TimestampSecondArray::from(vec![1_357_016_400]).with_timezone("")),
        &[r#""2013-01-01T05:00:00""#],
    );
    // Any zone: the values are instants in UTC, and are written so.
    check(
        Arc::new(TimestampMillisecondArray::from(vec![-1]).with_timezone("America/New_York")),
        &[r#""1969-12-31T23:59:59.999Z""#],
    );
    check(
        Arc::new(TimestampMicrosecondArray::from(vec![951_868_799_000_001])),
        &[r#""2000-02-29T23:59:59.000001""#],
    );
    check(
        Arc::new(TimestampNanosecondArray::from(vec![-1, i64::MIN, i64::MAX]).with_timezone("Z")),
        &[
            r#""1969-12-31T23:59:59.999999999Z""#,
            r#""1677-09-21T00:12:43.145224192Z""#,
            r#""2262-04-11T23:47:16.854775807Z""#,
        ],
    );
}

#[test]
fn timestamps_end_with_the_four_digit_years() {
    let (first, last) = (-62_167_219_200, 253_402_300_799);
    let all = vec![first, last, first - 1, last + 1, i64::MIN, i64::MAX, 0];
    assert_eq!(
        values(Arc::new(TimestampSecondArray::from(all))),
        [
            r#""0000-01-01T00:00:00""#,
            r#""9999-12-31T23:59:59""#,
            "v OUT_OF_RANGE",
            "v OUT_OF_RANGE",
            "v OUT_OF_RANGE",
            "v OUT_OF_RANGE",
            r#""1970-01-01T00:00:00""#,
        ]
    );
}

#[test]
fn durations_are_integers_in_their_unit() {
    assert_eq!(values(Arc::new(DurationSecondArray::from(vec![90]))), ["90"]);
    assert_eq!(values(Arc::new(DurationMillisecondArray::from(vec![-1]))), ["-1"]);
    assert_eq!(values(Arc::new(DurationMicrosecondArray::from(vec![0]))), ["0"]);
    let nanoseconds = DurationNanosecondArray::from(vec![i64::MIN]);
    assert_eq!(values(Arc::new(nanoseconds)), ["-9223372036854775808"]);
}

#[test]
fn binary_is_base64_with_padding() {
    let all: Vec<&[u8]> = vec![b"", b"f", b"fo", b"foo", &[0xff, 0xef, 0xbe]];
    let expected = [r#""""#, r#""Zg==""#, r#""Zm8=""#, r#""Zm9v""#, r#""/+++""#];
    assert_eq!(values(Arc::new(BinaryArray::from_vec(all.clone()))), expected);
    assert_eq!(values(Arc::new(LargeBinaryArray::from_vec(all.clone()))), expected);
    assert_eq!(values(Arc::new(BinaryViewArray::from_iter_values(all))), expected);
    let fixed = FixedSizeBinaryArray::try_from_iter([[1, 2], [255, 254]].iter()).unwrap();
    assert_eq!(values(Arc::new(fixed.slice(1, 1))), [r#""//4=""#]);
}

#[test]
fn text_is_escaped_where_it_must_be_and_nowhere_else() {
    let mut all: Vec<(String, String)> = vec![
        ("a\"b\\c/d".into(), r#"a\"b\\c/d"#.into()),
        ("\u{8}\u{c}\n\r\t".into(), r"\b\f\n\r\t".into()),
        (
            "é €  \u{2028}\u{2029}\u{7f}\u{10ffff}".into(),
            "é €  \u{2028}\u{2029}\u{7f}\u{10ffff}".into(),
        ),
    ];
    for code in (0..0x20).filter(|code| ![8, 9, 10, 12, 13].contains(code)) {
        all.push((char::from(code).into(), format!("\\u{code:04x}")));
    }
    // An escape at every place of texts around the widths that are scanned at once.
    for len in 0..70 {
        all.push(("x".repeat(len), "x".repeat(len)));
        for at in 0..len {
            let (before, after) = ("é".repeat(at / 2), "y".repeat(len - at));
            all.push((format!("{before}\"{after}"), format!("{before}\\\"{after}")));
            all.push((format!("{before}\u{1f}{after}"), format!("{before}\\u001f{after}")));
        }
    }
    let expected: Vec<String> = all.iter().map(|(_, json)| format!("\"{json}\"")).collect();
    let texts = || all.iter().map(|(text, _)| text);
    let arrays: [ArrayRef; 3] = [
        Arc::new(StringArray::from_iter_values(texts())),
        Arc::new(LargeStringArray::from_iter_values(texts())),
        Arc::new(StringViewArray::from_iter_values(texts())),
    ];
    for array in arrays {
        for (value, expected) in values(array).iter().zip(&expected) {
            assert_eq!(value, expected);
        }
    }
}

#[test]
fn a_short_text_at_the_end_of_its_buffer_is_read_within_it() {
    let texts = StringArray::from(vec!["a", "", "\"", "bc"]);
    assert_eq!(values(Arc::new(texts)), [r#""a""#, r#""""#, r#""\"""#, r#""bc""#]);
    // What stands behind a text belongs to another one.
    let texts = StringArray::from(vec!["a", "\"\"\"\"\"\"\"\"\"\"", "b"]);
    assert_eq!(values(Arc::new(texts.slice(0, 1))), [r#""a""#]);
}

#[test]
fn arrow_json_is_embedded_on_one_line() {
    let all = [
        "{ \"a b\" : [ 1 , 2.50 ,\r\n\t\"x\\\" y\\\\\" ] }",
        " null ",
        "\"\\n \\u00e9 é\"",
        "1e400",
        "",
        "{",
        "[1] 2",
        "\"a\nb\"",
        "nan",
        "{\"a\":1,}",
    ];
    let expected = [
        r#"{"a b":[1,2.50,"x\" y\\"]}"#,
        "null",
        r#""\n \u00e9 é""#,
        "1e400",
        "v INVALID_JSON",
        "v INVALID_JSON",
        "v INVALID_JSON",
        "v INVALID_JSON",
        "v INVALID_JSON",
        "v INVALID_JSON",
    ];
    let keys = Int8Array::from_iter_values(0..all.len() as i8);
    let arrays: [ArrayRef; 4] = [
        Arc::new(StringArray::from_iter_values(all)),
        Arc::new(LargeStringArray::from_iter_values(all)),
        Arc::new(StringViewArray::from_iter_values(all)),
        Arc::new(DictionaryArray::new(keys, Arc::new(StringArray::from_iter_values(all)))),
    ];
    for array in arrays {
        assert_eq!(values_of(&extended(array, "arrow.json"), NonFinite::Null), expected);
    }
    let absent: ArrayRef = Arc::new(StringArray::from(vec![None::<&str>]));
    assert_eq!(values_of(&extended(absent, "arrow.json"), NonFinite::Null), ["null"]);
}

#[test]
fn other_extensions_are_their_storage() {
    let text: ArrayRef = Arc::new(StringArray::from(vec!["{}"]));
    assert_eq!(values_of(&extended(text, "acme.json"), NonFinite::Null), [r#""{}""#]);
    let number: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    assert_eq!(values_of(&extended(number, "arrow.json"), NonFinite::Null), ["1"]);
}

#[test]
fn values_behind_nulls_mean_nothing() {
    let floats = Float64Array::new(vec![f64::NAN, 1.0].into(), Some(vec![false, true].into()));
    let batch = batch_of(Arc::new(floats));
    assert_eq!(values_of(&batch, NonFinite::Error), ["null", "1.0"]);
    let days = Date32Array::new(vec![i32::MIN].into(), Some(vec![false].into()));
    assert_eq!(values(Arc::new(days)), ["null"]);
    let data_type = DataType::Utf8;
    assert_eq!(values(new_null_array(&data_type, 2)), ["null", "null"]);
}
