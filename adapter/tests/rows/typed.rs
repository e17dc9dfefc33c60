//! Typed rows: protobuf's rules, and every fault of a row.

use arrow_array::{Array, cast::AsArray, types::Int64Type};
use arrow_schema::{Fields, TimeUnit};
use prost::Message as _;
use proto::v1;
use proto::v1::value::Kind;

use super::*;

fn value(kind: Kind) -> v1::Value {
    v1::Value { kind: Some(kind) }
}

const NULL: v1::Value = v1::Value { kind: None };

fn int(number: i64) -> v1::Value {
    value(Kind::Int64(number))
}

fn text(text: &str) -> v1::Value {
    value(Kind::Text(text.to_owned()))
}

fn row(values: impl Into<Vec<v1::Value>>) -> v1::Row {
    v1::Row { values: values.into() }
}

fn record(values: impl Into<Vec<v1::Value>>) -> v1::Value {
    value(Kind::Record(row(values)))
}

fn array(values: impl Into<Vec<v1::Value>>) -> v1::Value {
    value(Kind::Array(row(values)))
}

fn decode_rows(fields: Vec<Field>, rows: Vec<v1::Row>) -> Decoded {
    let bytes = v1::TypedRows { rows }.encode_to_vec();
    decode(schema(fields), Carrier::TypedRows, bytes).unwrap()
}

/// What is wrong with one value for a column `a` of the type; empty if it is taken.
fn fault(data_type: DataType, value: v1::Value) -> String {
    bad_rows(&decode_rows(vec![field("a", data_type)], vec![row([value])]))
}

#[test]
fn a_value_of_the_wrong_kind_is_named_with_what_fits() {
    let timestamp =
        |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
    for (data_type, came, expected) in [
        (DataType::Int32, text("1"), "a text came, but the type Int32 takes integers"),
        (
            DataType::Int32,
            value(Kind::Float64(1.0)),
            "a float came, but the type Int32 takes integers",
        ),
        (DataType::Float64, int(1), "an integer came, but the type Float64 takes floats"),
        (DataType::Boolean, int(1), "an integer came, but the type Boolean takes true or false"),
        (DataType::Utf8, value(Kind::Binary(vec![1])), "bytes came, but the type Utf8 takes text"),
        (
            DataType::Binary,
            text("AA=="),
            "a text came, but the type Binary takes bytes (base64 in JSON)",
        ),
        (
            DataType::Null,
            value(Kind::Boolean(true)),
            "a boolean came, but the type Null takes only null",
        ),
        (
            DataType::Decimal128(9, 2),
            int(1),
            "an integer came, but the type Decimal128(9, 2) takes decimal text such as `-12.50`",
        ),
        (
            DataType::Decimal128(9, 2),
            text("12,5"),
            "the text `12,5` came, but the type Decimal128(9, 2) takes decimal text such as \
             `-12.50`",
        ),
        (
            DataType::Date32,
            text("2013-02-29"),
            "the text `2013-02-29` came, but the type Date32 takes a date such as `2013-01-31`, \
             or days since 1970",
        ),
        (
            DataType::Time32(TimeUnit::Second),
            text("24:00:00"),
            "the text `24:00:00` came, but the type Time32(s) takes a time such as `05:00:00`, or \
             seconds since midnight",
        ),
        (
            timestamp(Some("UTC")),
            text("2013-01-01T05:00:00"),
            "the text `2013-01-01T05:00:00` came, but the type Timestamp(µs, \"UTC\") takes a \
             time with its offset such as `2013-01-31T05:00:00Z`, or microseconds since 1970",
        ),
        (
            timestamp(None),
            text("2013-01-01T05:00:00Z"),
            "the text `2013-01-01T05:00:00Z` came, but the type Timestamp(µs) takes a local time \
             without offset such as `2013-01-31T05:00:00`, or microseconds since 1970",
        ),
        (
            DataType::Duration(TimeUnit::Second),
            text("PT1S"),
            "the text `PT1S` came, but the type Duration(s) takes an integer count of its unit",
        ),
        (
            DataType::FixedSizeBinary(2),
            value(Kind::Binary(vec![1, 2, 3])),
            "3 bytes came, but the column takes exactly 2",
        ),
        (
            DataType::Struct(Fields::from(vec![field("x", DataType::Int8)])),
            array([int(1)]),
            "an array came, but a record takes its fields (an object in JSON)",
        ),
        (
            DataType::List(Arc::new(field("item", DataType::Int8))),
            record([int(1)]),
            "a record came, but a list takes an array",
        ),
        (
            DataType::FixedSizeList(Arc::new(field("item", DataType::Int8)), 2),
            array([int(1), int(2), int(3)]),
            "the list has 3 elements, but the column takes 2",
        ),
        (
            DataType::Int8,
            value(Kind::Map(v1::MapEntries::default())),
            "a map came, but the type Int8 takes integers",
        ),
        (
            DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8)),
            int(1),
            "an integer came, but the type Utf8 takes text",
        ),
    ] {
        assert_eq!(fault(data_type, came), format!("0 `a` TYPE_MISMATCH {expected}"));
    }
}

#[test]
fn a_value_that_does_not_fit_is_out_of_range() {
    for (data_type, came, expected) in [
        (DataType::Int8, int(128), "128 does not fit the type Int8, which holds -128 to 127"),
        (DataType::UInt8, int(-1), "-1 does not fit the type UInt8, which holds 0 to 255"),
        (
            DataType::Int64,
            value(Kind::Uint64(1 << 63)),
            "9223372036854775808 does not fit the type Int64, which holds -9223372036854775808 to \
             9223372036854775807",
        ),
        (
            DataType::Time32(TimeUnit::Millisecond),
            int(86_400_000),
            "86400000 does not fit the type Time32(ms), which holds 0 to 86399999",
        ),
        (
            DataType::Float32,
            value(Kind::Float64(1e39)),
            "1e39 is beyond the largest number of the type Float32",
        ),
        (
            DataType::Decimal128(4, 2),
            text("123.45"),
            "`123.45` does not fit the type Decimal128(4, 2): it needs more than the 4 digits of \
             the column",
        ),
        (
            DataType::Decimal32(4, 2),
            text("1.005"),
            "`1.005` does not fit the type Decimal32(4, 2): it has digits below 10^-2, the last \
             place of the column",
        ),
        (
            DataType::Decimal64(4, 0),
            int(-10_000),
            "`-10000` does not fit the type Decimal64(4, 0): it needs more than the 4 digits of \
             the column",
        ),
        (
            DataType::Timestamp(TimeUnit::Millisecond, None),
            text("2013-01-01T05:00:00.0005"),
            "`2013-01-01T05:00:00.0005` does not fit the type Timestamp(ms): its fraction of a \
             second is finer than the column's milliseconds",
        ),
        (
            DataType::Timestamp(TimeUnit::Nanosecond, None),
            text("2300-01-01T00:00:00"),
            "`2300-01-01T00:00:00` does not fit the type Timestamp(ns): nanoseconds reach from \
             1677 to 2262 only",
        ),
    ] {
        assert_eq!(fault(data_type, came), format!("0 `a` OUT_OF_RANGE {expected}"));
    }
}

#[test]
fn signed_and_unsigned_integers_fit_every_column_that_counts() {
    for data_type in [
        DataType::Int8,
        DataType::UInt64,
        DataType::Date32,
        DataType::Date64,
        DataType::Time64(TimeUnit::Nanosecond),
        DataType::Timestamp(TimeUnit::Second, None),
        DataType::Duration(TimeUnit::Second),
        DataType::Decimal32(3, 0),
        DataType::Decimal256(3, 0),
    ] {
        for came in [int(7), value(Kind::Uint64(7))] {
            assert_eq!(fault(data_type.clone(), came), "", "{data_type}");
        }
    }
}

#[test]
fn a_float_is_rounded_to_the_column_and_infinity_stays() {
    let rows = [0.1, f64::INFINITY, f64::MIN_POSITIVE].map(|f| row([value(Kind::Float64(f))]));
    let decoded = decode_rows(vec![field("a", DataType::Float32)], rows.into());
    let column = decoded.batch.column(0).as_primitive::<arrow_array::types::Float32Type>();
    assert_eq!(column.values(), &[0.1_f32, f32::INFINITY, 0.0]);
}

#[test]
fn faults_inside_values_are_named_by_their_path() {
    let inner = DataType::Struct(Fields::from(vec![
        field("b", DataType::List(Arc::new(field("item", DataType::Int8)))),
        Field::new("c", DataType::Utf8, false),
    ]));
    let fields = || vec![field("x", DataType::Int8), field("a", inner.clone())];
    let map = |data_type| {
        let pair = vec![Field::new("key", DataType::Int8, false), field("value", data_type)];
        let entries = Field::new("entries", DataType::Struct(pair.into()), false);
        DataType::Map(Arc::new(entries), false)
    };
    let entries = |key: &str, came: v1::Value| {
        let good = v1::MapEntry { key: "1".to_owned(), value: None };
        let bad = v1::MapEntry { key: key.to_owned(), value: Some(came) };
        value(Kind::Map(v1::MapEntries { entries: vec![good, bad] }))
    };
    let decoded = decode_rows(
        fields(),
        vec![
            row([int(1), record([array([int(1), NULL]), text("")])]),
            row([int(1), record([array([int(1), int(2), int(3), int(1000)]), text("")])]),
            row([int(1), record([NULL, NULL])]),
            row([int(1), record([NULL])]),
            row([int(1), NULL]),
        ],
    );
    assert_eq!(
        bad_rows(&decoded),
        "1 `a.b[3]` OUT_OF_RANGE 1000 does not fit the type Int8, which holds -128 to 127\n\
         2 `a.c` NULL_IN_REQUIRED the value is null, but the column is required\n\
         3 `a` ROW_WIDTH 1 values came for 2 columns"
    );
    assert_eq!(decoded.row_map, Some(vec![0, 4]));
    assert_eq!(
        fault(map(DataType::Int8), entries("2", text("x"))),
        "0 `a[1].value` TYPE_MISMATCH a text came, but the type Int8 takes integers"
    );
    assert_eq!(
        fault(map(DataType::Int8), entries("x", NULL)),
        "0 `a[1].key` TYPE_MISMATCH the text `x` came, but the type Int8 takes integers"
    );
}

#[test]
fn a_row_of_the_wrong_width_says_so_rather_than_what_its_shifted_values_are() {
    let fields = vec![field("a", DataType::Utf8), field("b", DataType::Int8)];
    let decoded = decode_rows(
        fields,
        vec![row([int(1)]), row([text("x"), int(1), int(2)]), row([]), row([text("x"), int(1)])],
    );
    assert_eq!(
        bad_rows(&decoded),
        "0 `` ROW_WIDTH 1 values came for 2 columns\n\
         1 `` ROW_WIDTH 3 values came for 2 columns\n\
         2 `` ROW_WIDTH 0 values came for 2 columns"
    );
    assert_eq!((decoded.rows_total, decoded.rejected_total), (4, 3));
    assert_eq!(decoded.row_map, Some(vec![3]));
}

/// A bad row leaves no trace, wherever in it the fault is.
#[test]
fn good_rows_around_bad_ones_are_as_if_they_came_alone() {
    let full = samples::batch(samples::every_type());
    let rows = samples::typed_rows(&full).rows;
    for fault_at in 0..full.num_columns() {
        let mut bad = rows[0].clone();
        bad.values[fault_at] = record([array([text("no column takes this")])]);
        let mixed = vec![
            bad.clone(),
            rows[0].clone(),
            rows[1].clone(),
            bad.clone(),
            rows[2].clone(),
            rows[3].clone(),
            bad,
        ];
        let bytes = v1::TypedRows { rows: mixed }.encode_to_vec();
        let decoded = decode(full.schema(), Carrier::TypedRows, bytes).unwrap();
        assert_eq!(decoded.batch, full, "{fault_at}");
        assert_eq!(decoded.rejected_total, 3, "{fault_at}");
        assert_eq!(decoded.row_map, Some(vec![1, 2, 4, 5]), "{fault_at}");
    }
}

#[test]
fn at_most_a_hundred_bad_rows_are_named_and_all_are_counted() {
    let rows = (0..250).map(|index| row([if index % 5 == 0 { int(1) } else { text("x") }]));
    let decoded = decode_rows(vec![field("a", DataType::Int64)], rows.collect());
    assert_eq!((decoded.rejected.len(), decoded.rejected_total), (REJECTED_NAMED_MAX, 200));
    assert_eq!(decoded.batch.num_rows(), 50);
    assert!(decoded.rejected.iter().all(|bad| !bad.reason.is_empty()));
    let expected = (0..250).filter(|index| index % 5 == 0).collect::<Vec<u32>>();
    assert_eq!(decoded.row_map, Some(expected));
}

/// One field: key and bytes.
fn bytes_field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, bytes.len() as u8], bytes].concat()
}

/// Typed rows with one row, whose only value is `value`.
fn with_value(value: &[u8]) -> Vec<u8> {
    bytes_field(1, &bytes_field(1, value))
}

fn ints(bytes: Vec<u8>) -> Result<Vec<Option<i64>>, String> {
    let decoded = decode(schema(vec![field("a", DataType::Int64)]), Carrier::TypedRows, bytes)
        .map_err(|error| error.to_string())?;
    let bad = bad_rows(&decoded);
    let array = decoded.batch.column(0).as_primitive::<Int64Type>().clone();
    if bad.is_empty() { Ok(array.iter().collect()) } else { Err(bad) }
}

#[test]
fn the_rules_of_protobuf_hold() {
    let one = |value: &[u8]| ints(with_value(value)).map(|values| values[0]);
    // int64 = 1, as prost writes it; 0 is written too, since it is in a oneof.
    assert_eq!(with_value(&[0x10, 2]), v1::TypedRows { rows: vec![row([int(1)])] }.encode_to_vec());
    assert_eq!(one(&[0x10, 2]), Ok(Some(1)));
    assert_eq!(one(&[0x10, 0]), Ok(Some(0)));
    assert_eq!(one(&[]), Ok(None));
    // The last member wins, also over a member of another kind.
    assert_eq!(one(&[0x10, 2, 0x10, 4]), Ok(Some(2)));
    assert_eq!(one(&[0x2a, 1, b'x', 0x10, 4]), Ok(Some(2)));
    // Unknown fields of every wire type are skipped, and alone they are no value.
    let unknown = [0x78, 1, 0x79, 0, 0, 0, 0, 0, 0, 0, 0, 0x7a, 1, 0, 0x7d, 0, 0, 0, 0];
    assert_eq!(one(&unknown), Ok(None));
    assert_eq!(one(&[&unknown[..], &[0x10, 4], &unknown[..]].concat()), Ok(Some(2)));
    // Numbers may be written longer than needed.
    assert_eq!(one(&[0x90, 0x00, 0x84, 0x80, 0x00]), Ok(Some(2)));
    assert_eq!(
        one(&[0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
        Ok(Some(i64::MIN))
    );
    // Repeated fields stand between unknown ones.
    let rows = [with_value(&[0x10, 2]), bytes_field(9, b"?"), with_value(&[0x10, 4])].concat();
    assert_eq!(ints(rows), Ok(vec![Some(1), Some(2)]));
}

#[test]
fn a_message_that_comes_in_parts_is_merged() {
    let list = DataType::List(Arc::new(field("item", DataType::Int64)));
    let items = |value: &[u8]| {
        let schema = schema(vec![field("a", list.clone())]);
        let decoded = decode(schema, Carrier::TypedRows, with_value(value)).unwrap();
        let column = decoded.batch.column(0).as_list::<i32>();
        (column.is_valid(0)).then(|| column.value(0).as_primitive::<Int64Type>().values().to_vec())
    };
    let part = |numbers: &[u8]| {
        let items = numbers.iter().map(|number| bytes_field(1, &[0x10, *number]));
        bytes_field(8, &items.collect::<Vec<_>>().concat())
    };
    let join = |parts: &[Vec<u8>]| parts.concat();
    assert_eq!(items(&join(&[part(&[2]), part(&[4, 6])])), Some(vec![1, 2, 3]));
    assert_eq!(items(&join(&[part(&[2]), part(&[]), part(&[4]), part(&[6])])), Some(vec![1, 2, 3]));
    assert_eq!(items(&join(&[part(&[]), part(&[])])), Some(vec![]));
    // Another member in between starts it anew.
    assert_eq!(items(&join(&[part(&[2]), vec![0x10, 0], part(&[4])])), Some(vec![2]));
    // prost agrees.
    let bytes = join(&[part(&[2]), vec![0x10, 0], part(&[4]), part(&[6])]);
    let theirs = v1::Value::decode(bytes.as_slice()).unwrap();
    assert_eq!(theirs, array([int(2), int(3)]));
    assert_eq!(items(&bytes), Some(vec![2, 3]));
}

#[test]
fn an_entry_of_a_map_follows_the_rules_too() {
    let pair = vec![Field::new("key", DataType::Utf8, false), field("value", DataType::Int64)];
    let entries = Field::new("entries", DataType::Struct(pair.into()), false);
    let map = DataType::Map(Arc::new(entries), false);
    let decode_entry = |entry: &[u8]| {
        let value = bytes_field(9, &bytes_field(1, entry));
        let schema = schema(vec![field("a", map.clone())]);
        let decoded = decode(schema, Carrier::TypedRows, with_value(&value)).unwrap();
        let entries = decoded.batch.column(0).as_map().value(0);
        let value = entries.column(1).as_primitive::<Int64Type>();
        let number = value.is_valid(0).then(|| value.value(0));
        (entries.column(0).as_string::<i32>().value(0).to_owned(), number)
    };
    assert_eq!(decode_entry(&[]), (String::new(), None));
    let twice = [bytes_field(1, b"x"), bytes_field(1, b"y")].concat();
    assert_eq!(decode_entry(&twice), ("y".to_owned(), None));
    let merged = [bytes_field(2, &[0x10, 2]), bytes_field(2, &[0x10, 4])].concat();
    assert_eq!(decode_entry(&merged), (String::new(), Some(2)));
    let kept = [bytes_field(2, &[0x10, 2]), bytes_field(2, &[])].concat();
    assert_eq!(decode_entry(&kept), (String::new(), Some(1)));
}

#[test]
fn malformed_bytes_refuse_the_batch() {
    let message = |value: &[u8]| ints(with_value(value)).unwrap_err();
    let wrong = |what: &str| format!("not valid typed rows: {what}, in row 0");
    assert_eq!(message(&[0x10]), wrong("the message is truncated"));
    assert_eq!(message(&[0x10, 0x80]), wrong("the message is truncated"));
    assert_eq!(message(&[0x2a, 5, b'x']), wrong("the message is truncated"));
    assert_eq!(message(&[0x21, 0, 0]), wrong("the message is truncated"));
    assert_eq!(message(&[0x13]), wrong("groups are not supported"));
    assert_eq!(message(&[0x14]), wrong("groups are not supported"));
    assert_eq!(message(&[0x16]), wrong("a field has an unknown wire type"));
    assert_eq!(message(&[0x02, 0]), wrong("a field has the number 0"));
    assert_eq!(message(&[0x12, 0]), wrong("a field has the wrong wire type"));
    assert_eq!(message(&[0xff, 0xff, 0xff, 0xff, 0x7f, 0]), wrong("a field's number is too large"));
    assert_eq!(
        message(&[[0x10].as_slice(), &[0xff; 10]].concat()),
        wrong("a number is longer than 64 bits")
    );
    assert_eq!(message(&[0x2a, 1, 0xff]), wrong("a text is not UTF-8"));
    let error = decode(
        schema(vec![field("a", DataType::Int64)]),
        Carrier::TypedRows,
        [with_value(&[0x10, 2]), vec![0x0a, 9]].concat(),
    )
    .unwrap_err();
    assert_eq!(error.to_string(), "not valid typed rows: the message is truncated");
    assert_eq!(error.code(), "BAD_CARRIER");
}

#[test]
fn a_dictionary_without_room_for_its_values_names_the_column() {
    let dictionary = |key| DataType::Dictionary(Box::new(key), Box::new(DataType::Utf8));
    let decode = |key, distinct: usize| {
        let rows = (0..distinct).map(|index| row([text(&index.to_string())]));
        let bytes = v1::TypedRows { rows: rows.collect() }.encode_to_vec();
        decode(schema(vec![field("a", dictionary(key))]), Carrier::TypedRows, bytes)
            .map(|decoded| decoded.batch.num_rows())
            .map_err(|error| error.to_string())
    };
    assert_eq!(decode(DataType::Int8, 128), Ok(128));
    assert_eq!(decode(DataType::UInt8, 256), Ok(256));
    assert_eq!(decode(DataType::Int16, 257), Ok(257));
    assert_eq!(
        decode(DataType::UInt8, 257),
        Err(
            "column `a`: 257 distinct values are more than keys of type UInt8 can number: declare \
             the column as a dictionary with wider keys, or without dictionary"
                .to_owned()
        )
    );
    assert!(decode(DataType::Int8, 129).is_err());
}

#[test]
fn what_takes_much_memory_for_few_bytes_is_bounded() {
    let wide = DataType::FixedSizeList(Arc::new(field("item", DataType::Float64)), 1 << 20);
    let list = DataType::List(Arc::new(field("item", wide.clone())));
    for (data_type, value) in [(wide, NULL), (list, array([NULL]))] {
        let bytes = v1::TypedRows { rows: vec![row([value])] }.encode_to_vec();
        let error = decode(schema(vec![field("a", data_type)]), Carrier::TypedRows, bytes);
        assert_eq!(error.unwrap_err(), DecodeError::TooLarge { bytes_max: LIMITS.bytes_max });
    }
}
