//! JSON lines: forms of values, and every fault of a line.

use arrow_array::{cast::AsArray, types::*};
use arrow_schema::{Fields, TimeUnit};

use super::*;

fn decode_lines(fields: Vec<Field>, lines: &str) -> Decoded {
    decode(schema(fields), Carrier::JsonLines, lines.to_owned()).unwrap()
}

/// What is wrong with one value for a column `a` of the type; empty if it is taken.
fn fault(data_type: DataType, json: &str) -> String {
    bad_rows(&decode_lines(vec![field("a", data_type)], &format!("{{\"a\":{json}}}")))
}

#[test]
fn lines_may_end_as_they_like_and_blank_ones_are_no_rows() {
    let lines = "\n{\"a\":1}\r\n  \t\r\n{ \"a\" : 2 }\n\n{}\n {\"a\":null}";
    let decoded = decode_lines(vec![field("a", DataType::Int8)], lines);
    assert_eq!(bad_rows(&decoded), "");
    assert_eq!(decoded.rows_total, 4);
    let column = decoded.batch.column(0).as_primitive::<Int8Type>();
    assert_eq!(column.iter().collect::<Vec<_>>(), [Some(1), Some(2), None, None]);
}

#[test]
fn integers_are_exact() {
    let mismatch = "0 `a` TYPE_MISMATCH a float came, but the type Int64 takes integers";
    for json in ["1.0", "1e3", "-0.5", "1E0"] {
        assert_eq!(fault(DataType::Int64, json), mismatch, "{json}");
    }
    for json in ["-9223372036854775808", "9223372036854775807", "0", "-0"] {
        assert_eq!(fault(DataType::Int64, json), "", "{json}");
    }
    assert_eq!(fault(DataType::UInt64, "18446744073709551615"), "");
    assert_eq!(
        fault(DataType::UInt64, "18446744073709551616"),
        "0 `a` OUT_OF_RANGE 1.8446744073709552e19 does not fit the type UInt64"
    );
    assert_eq!(
        fault(DataType::Int64, "9223372036854775808"),
        "0 `a` OUT_OF_RANGE 9223372036854775808 does not fit the type Int64, which holds \
         -9223372036854775808 to 9223372036854775807"
    );
    assert_eq!(
        fault(DataType::Int8, "\"1\""),
        "0 `a` TYPE_MISMATCH a text came, but the type Int8 takes integers"
    );
}

#[test]
fn floats_are_the_nearest_ones_and_have_names_where_json_has_none() {
    let lines = "{\"a\":1}\n{\"a\":18446744073709551615}\n{\"a\":0.1}\n{\"a\":\"-Infinity\"}\n\
                 {\"a\":5e-324}\n{\"a\":\"NaN\"}\n{\"a\":\"Infinity\"}\n{\"a\":\"inf\"}";
    let decoded = decode_lines(vec![field("a", DataType::Float64)], lines);
    let column = decoded.batch.column(0).as_primitive::<Float64Type>();
    let expected = [1.0, 18_446_744_073_709_551_615.0, 0.1, f64::NEG_INFINITY, 5e-324];
    assert_eq!(&column.values()[..5], &expected);
    assert!(column.value(5).is_nan());
    assert_eq!(column.value(6), f64::INFINITY);
    assert_eq!(
        bad_rows(&decoded),
        "7 `a` TYPE_MISMATCH a text came, but the type Float64 takes floats"
    );
}

#[test]
fn decimals_are_read_digit_for_digit() {
    let lines = "{\"a\":0.1}\n{\"a\":12345678901234567890123456789.123456789}\n{\"a\":\"-1.50\"}\n\
                 {\"a\":1e3}\n{\"a\":15E-1}\n{\"a\":1}\n{\"a\":\"\\u0031\"}";
    let decoded = decode_lines(vec![field("a", DataType::Decimal128(38, 9))], lines);
    assert_eq!(bad_rows(&decoded), "");
    let column = decoded.batch.column(0).as_primitive::<Decimal128Type>();
    assert_eq!(
        column.values(),
        &[
            100_000_000,
            12_345_678_901_234_567_890_123_456_789_123_456_789,
            -1_500_000_000,
            1_000_000_000_000,
            1_500_000_000,
            1_000_000_000,
            1_000_000_000,
        ]
    );
    let takes = "came, but the type Decimal128(4, 1) takes decimal text such as `-12.50`";
    for (json, came) in [
        ("true", "a boolean"),
        ("[1]", "an array"),
        ("{}", "an object"),
        ("\"1x\"", "the text `1x`"),
    ] {
        let expected = format!("0 `a` TYPE_MISMATCH {came} {takes}");
        assert_eq!(fault(DataType::Decimal128(4, 1), json), expected);
    }
    assert_eq!(
        fault(DataType::Decimal128(4, 1), "1.25"),
        "0 `a` OUT_OF_RANGE `1.25` does not fit the type Decimal128(4, 1): it has digits below \
         10^-1, the last place of the column"
    );
}

#[test]
fn offsets_of_timestamps_lead_to_utc() {
    let zoned = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    let lines = "{\"a\":\"1970-01-01T02:00:00.5+02:00\"}\n{\"a\":\"1969-12-31t23:59:59-00:01\"}\n\
                 {\"a\":\"1970-01-01 00:00:00.1230000z\"}\n{\"a\":7}";
    let decoded = decode_lines(vec![field("a", zoned)], lines);
    assert_eq!(bad_rows(&decoded), "");
    let column = decoded.batch.column(0).as_primitive::<TimestampMillisecondType>();
    assert_eq!(column.values(), &[500, 59_000, 123, 7]);
}

/// Arrow: the values are local times if the zone is absent or empty.
#[test]
fn a_time_zone_without_a_name_is_none() {
    let local = || DataType::Timestamp(TimeUnit::Second, Some("".into()));
    let decoded = decode_lines(vec![field("a", local())], "{\"a\":\"1970-01-01T00:00:07\"}");
    assert_eq!(bad_rows(&decoded), "");
    let column = decoded.batch.column(0).as_primitive::<TimestampSecondType>();
    assert_eq!(column.values(), &[7]);
    assert!(fault(local(), "\"1970-01-01T00:00:07Z\"").contains("TYPE_MISMATCH"));
}

#[test]
fn base64_must_be_base64() {
    assert_eq!(fault(DataType::Binary, "\"AAE=\""), "");
    assert_eq!(
        fault(DataType::Binary, "\"?\""),
        "0 `a` TYPE_MISMATCH the text `?` came, but the type Binary takes bytes (base64 in JSON)"
    );
    assert_eq!(
        fault(DataType::FixedSizeBinary(3), "\"AAE=\""),
        "0 `a` TYPE_MISMATCH 2 bytes came, but the column takes exactly 3"
    );
}

#[test]
fn json_columns_keep_the_text_of_any_value() {
    let metadata = [("ARROW:extension:name".to_owned(), "arrow.json".to_owned())];
    let column = field("a", DataType::Utf8).with_metadata(metadata);
    let deep = format!("{}{}", "[".repeat(128), "]".repeat(128));
    let lines =
        format!("{{\"a\": {{\"x\" : 1.50}} }}\n{{\"a\":\"t\"}}\n{{\"a\":null}}\n{{\"a\":{deep}}}");
    let decoded = decode_lines(vec![column.clone()], &lines);
    assert_eq!(bad_rows(&decoded), "");
    let texts = decoded.batch.column(0).as_string::<i32>();
    let expected = [Some("{\"x\" : 1.50}"), Some("\"t\""), None, Some(deep.as_str())];
    assert_eq!(texts.iter().collect::<Vec<_>>(), expected);
    let decoded = decode_lines(vec![column], &format!("{{\"a\":[\"]\\\"\",{deep}]}}"));
    assert_eq!(bad_rows(&decoded), "0 `a` INVALID_JSON the value nests deeper than 128");
}

#[test]
fn keys_must_be_columns_and_stand_once() {
    let inner = Fields::from(vec![field("street", DataType::Utf8)]);
    let fields = vec![field("carrier", DataType::Utf8), field("home", DataType::Struct(inner))];
    let lines = "{\"carier\":\"UA\"}\n{\"carrier\":\"UA\",\"carrier\":\"UA\"}\n\
                 {\"home\":{\"stret\":null}}\n{\"home\":{\"street\":\"a\",\"street\":null}}\n\
                 {\"c\\u0061rrier\":\"B6\"}";
    let decoded = decode_lines(fields, lines);
    assert_eq!(
        bad_rows(&decoded),
        "0 `carier` UNKNOWN_COLUMN there is no such column; the nearest name is `carrier`\n\
         1 `carrier` DUPLICATE_COLUMN the key stands twice in its object\n\
         2 `home.stret` UNKNOWN_COLUMN there is no such column; the nearest name is `street`\n\
         3 `home.street` DUPLICATE_COLUMN the key stands twice in its object"
    );
    assert_eq!(decoded.row_map, Some(vec![4]));
    assert_eq!(decoded.batch.column(0).as_string::<i32>().value(0), "B6");
}

#[test]
fn what_is_required_may_be_neither_null_nor_missing() {
    let inner = Fields::from(vec![Field::new("x", DataType::Int8, false)]);
    let item = Arc::new(Field::new("item", DataType::Int8, false));
    let fields = vec![
        Field::new("a", DataType::Int8, false),
        field("r", DataType::Struct(inner)),
        field("l", DataType::List(item)),
    ];
    let lines =
        "{\"a\":null}\n{}\n{\"a\":1,\"r\":{}}\n{\"a\":1,\"l\":[1,2,null]}\n{\"a\":1,\"r\":null}";
    assert_eq!(
        bad_rows(&decode_lines(fields, lines)),
        "0 `a` NULL_IN_REQUIRED the value is null, but the column is required\n\
         1 `a` NULL_IN_REQUIRED the key is missing, but the column is required\n\
         2 `r.x` NULL_IN_REQUIRED the key is missing, but the column is required\n\
         3 `l[2]` NULL_IN_REQUIRED the value is null, but the column is required"
    );
}

#[test]
fn a_line_that_is_not_an_object_of_json_is_a_bad_row() {
    let lines = "{\"a\":1,}\n{\"a\":\n[1]\nnull\n{\"a\":1} x\n{\"a\":01}\n{\"a\":tru}\n\
                 {\"a\":\"\\x\"}\n\
                 {\"a\":2}";
    let decoded = decode_lines(vec![field("a", DataType::Int8)], lines);
    assert_eq!(
        bad_rows(&decoded),
        "0 `` INVALID_JSON the line is not valid JSON: trailing comma, at byte 8 of the line\n\
         1 `` INVALID_JSON the line is not valid JSON: EOF while parsing a value, at byte 5 of the \
         line\n\
         2 `` TYPE_MISMATCH an array came, but a record takes its fields (an object in JSON)\n\
         3 `` TYPE_MISMATCH null came, but a record takes its fields (an object in JSON)\n\
         4 `` INVALID_JSON the line is not valid JSON: trailing characters, at byte 9 of the line\n\
         5 `` INVALID_JSON the line is not valid JSON: invalid number, at byte 7 of the line\n\
         6 `` INVALID_JSON the line is not valid JSON: expected ident, at byte 9 of the line\n\
         7 `` INVALID_JSON the line is not valid JSON: invalid escape, at byte 8 of the line"
    );
    assert_eq!(decoded.row_map, Some(vec![8]));
}

#[test]
fn text_that_is_not_utf_8_is_a_bad_row() {
    let lines = b"{\"a\":\"\xff\"}\n{\"a\":\"x\"}".to_vec();
    let schema = schema(vec![field("a", DataType::Utf8)]);
    let decoded = decode(schema, Carrier::JsonLines, lines).unwrap();
    assert_eq!((decoded.rejected[0].code, decoded.rejected_total), (code::INVALID_JSON, 1));
}

#[test]
fn objects_become_maps_and_wrong_entries_are_named() {
    let pair = vec![Field::new("key", DataType::Int8, false), field("value", DataType::Int8)];
    let entries = Field::new("entries", DataType::Struct(pair.into()), false);
    let map = DataType::Map(Arc::new(entries), false);
    assert_eq!(fault(map.clone(), "{\"1\":2,\"-3\":null}"), "");
    assert_eq!(
        fault(map.clone(), "{\"1\":2,\"x\":1}"),
        "0 `a[1].key` TYPE_MISMATCH the text `x` came, but the type Int8 takes integers"
    );
    assert_eq!(
        fault(map.clone(), "{\"1\":[]}"),
        "0 `a[0].value` TYPE_MISMATCH an array came, but the type Int8 takes integers"
    );
    assert_eq!(
        fault(map, "[]"),
        "0 `a` TYPE_MISMATCH an array came, but a map takes a map (an object in JSON)"
    );
}

#[test]
fn nesting_ends_before_the_stack_does() {
    let lines = format!("{{\"a\":{}", "[".repeat(100_000));
    let decoded = decode_lines(vec![field("a", DataType::Int8)], &lines);
    assert_eq!(decoded.rejected[0].code, code::TYPE_MISMATCH);
    let decoded = decode_lines(vec![field("a", DataType::Decimal128(3, 0))], &lines);
    assert_eq!(decoded.rejected[0].code, code::INVALID_JSON);
}

/// A bad line leaves no trace, wherever in it the fault is.
#[test]
fn good_lines_around_bad_ones_are_as_if_they_came_alone() {
    let full = samples::batch(samples::every_type());
    let text = String::from_utf8(samples::json_lines(&full)).unwrap();
    for cut in (1..text.lines().next().unwrap().len()).step_by(7) {
        let mixed = text.lines().map(|line| {
            let bad = line.char_indices().nth(cut).map_or("{", |(end, _)| &line[..end]);
            format!("{bad}\n{line}\n")
        });
        let lines = mixed.collect::<String>();
        let decoded = decode(full.schema(), Carrier::JsonLines, lines).unwrap();
        assert_eq!(decoded.batch, full, "{cut}");
        assert_eq!(decoded.row_map, Some(vec![1, 3, 5, 7]), "{cut}");
    }
}
