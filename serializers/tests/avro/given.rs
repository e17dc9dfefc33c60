//! Given schemas: what fits, what is checked row by row, and all that does not fit.

use std::sync::Arc;

use arrow_array::{types::*, *};
use arrow_schema::{DataType, Field, Fields};
use serializers::{AvroDifference, PlanError};

use crate::{batch_of, compile, encode, given, one, rows};

fn record(fields: &str) -> String {
    format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#)
}

/// What a column becomes as a type that is given.
#[track_caller]
pub(crate) fn check(array: impl Array + 'static, of: &str, expected: &[&str]) {
    let schema = record(&format!(r#"{{"name":"v","type":{of}}}"#));
    assert_eq!(rows(&encode(&given(&schema), &one(Arc::new(array), true))), expected);
}

fn differences(schema: &str, batch: &RecordBatch) -> Vec<String> {
    let error = compile(&given(schema), batch).unwrap_err();
    assert_eq!(error.code(), "AVRO_SCHEMA_MISMATCH");
    let PlanError::AvroSchemaMismatch { differences } = error else { panic!("{error:?}") };
    differences
        .into_iter()
        .map(|AvroDifference { column, reason }| column + " " + &reason)
        .collect()
}

/// Why a column cannot become a type that is given.
#[track_caller]
pub(crate) fn refused(array: impl Array + 'static, of: &str, reason: &str) {
    let schema = record(&format!(r#"{{"name":"v","type":{of}}}"#));
    assert_eq!(differences(&schema, &one(Arc::new(array), true)), [reason]);
}

pub(crate) const INT: &str = "\"int\"";
pub(crate) const LONG: &str = "\"long\"";
const FLOAT: &str = "\"float\"";
const DOUBLE: &str = "\"double\"";

#[test]
fn integers_fit_wider_types_and_narrower_ones_row_by_row() {
    check(Int32Array::from(vec![1, i32::MIN]), LONG, &["02", "ffffffff0f"]);
    check(Int8Array::from(vec![-1]), LONG, &["01"]);
    let (least, most) = (i64::from(i32::MIN), i64::from(i32::MAX));
    check(
        Int64Array::from(vec![least, most, least - 1, most + 1]),
        INT,
        &["ffffffff0f", "feffffff0f", "v OUT_OF_RANGE", "v OUT_OF_RANGE"],
    );
    check(UInt32Array::from(vec![1, u32::MAX]), INT, &["02", "v OUT_OF_RANGE"]);
    check(
        UInt64Array::from(vec![1, u64::MAX, 1 << 63]),
        LONG,
        &["02", "v OUT_OF_RANGE", "v OUT_OF_RANGE"],
    );
    check(DurationSecondArray::from(vec![1]), LONG, &["02"]);
    refused(Float64Array::from(vec![1.0]), LONG, "v is Float64 and the schema's long");
    refused(
        TimestampSecondArray::from(vec![1]),
        LONG,
        "v is Timestamp(s) and the schema's long: cast it to int64, or use a timestamp type",
    );
}

#[test]
fn integers_become_floats_where_that_is_exact() {
    check(Int16Array::from(vec![-3]), FLOAT, &["000040c0"]);
    let inexact = "v INEXACT";
    check(
        Int32Array::from(vec![1 << 24, (1 << 24) + 1, i32::MAX]),
        FLOAT,
        &["0000804b", inexact, inexact],
    );
    check(Int32Array::from(vec![i32::MAX]), DOUBLE, &["0000c0ffffffdf41"]);
    check(
        Int64Array::from(vec![1 << 53, (1 << 53) + 1, i64::MIN, i64::MAX]),
        DOUBLE,
        &["0000000000004043", inexact, "000000000000e0c3", inexact],
    );
    check(UInt64Array::from(vec![1 << 63, u64::MAX]), DOUBLE, &["000000000000e043", inexact]);
}

#[test]
fn floats_become_wider_but_not_narrower() {
    check(
        Float32Array::from(vec![1.5, f32::NAN]),
        DOUBLE,
        &["000000000000f83f", "000000000000f87f"],
    );
    let half = <Float16Type as ArrowPrimitiveType>::Native::from_f32(1.5);
    check(Float16Array::from(vec![half]), DOUBLE, &["000000000000f83f"]);
    refused(
        Float64Array::from(vec![1.5]),
        FLOAT,
        "v is Float64 and the schema's float: most values would change, cast it if they may",
    );
}

fn decimal(of: &str, precision: u32, scale: u32) -> String {
    format!(r#"{{{of},"logicalType":"decimal","precision":{precision},"scale":{scale}}}"#)
}

#[test]
fn decimals_get_zeros_and_fixed_sizes() {
    let (bytes, fixed) = (r#""type":"bytes""#, r#""type":"fixed","name":"F","size":4"#);
    let cents = || Decimal128Array::from(vec![-150, 999]).with_precision_and_scale(3, 2).unwrap();
    check(cents(), &decimal(bytes, 5, 2), &["04ff6a", "0403e7"]);
    check(cents(), &decimal(bytes, 5, 4), &["04c568", "0601863c"]);
    check(cents(), &decimal(fixed, 5, 4), &["ffffc568", "0001863c"]);
    // Precision is checked row by row where it may not do.
    let overflow = "v DECIMAL_OVERFLOW";
    check(cents(), &decimal(bytes, 4, 4), &[overflow, overflow]);
    check(cents(), &decimal(bytes, 2, 2), &[overflow, overflow]);
    let wide = r#""type":"fixed","name":"F","size":40"#;
    check(
        cents(),
        &decimal(wide, 95, 2),
        &[&format!("{}ff6a", "ff".repeat(38)), &format!("{}03e7", "00".repeat(38))],
    );
    check(Int64Array::from(vec![7, 1_000]), &decimal(bytes, 5, 2), &["0402bc", overflow]);
    check(UInt8Array::from(vec![255]), &decimal(bytes, 3, 0), &["0400ff"]);
    check(UInt64Array::from(vec![u64::MAX]), &decimal(fixed, 9, 0), &[overflow]);
    // Zeros beyond 256 bits.
    check(
        UInt8Array::from(vec![1]),
        &decimal(bytes, 120, 100),
        &["541249ad2594c37ceb0b2784c4ce0bf38ace408e211a7caab24308a82e8f10000000000000000000000000"],
    );
    refused(
        cents(),
        &decimal(bytes, 5, 1),
        "v is Decimal128(3, 2) and the schema's bytes (decimal(5, 1)): digits behind the point \
         would be lost",
    );
    refused(
        cents(),
        &decimal(bytes, 200, 150),
        "v is Decimal128(3, 2) and the schema's bytes (decimal(200, 150)): values would get 148 \
         zeros at their ends",
    );
    refused(cents(), "\"bytes\"", "v is Decimal128(3, 2) and the schema's bytes");
}

#[test]
fn text_may_be_a_symbol_or_a_uuid() {
    let symbols = r#"{"type":"enum","name":"E","symbols":["A","B"]}"#;
    let texts = || StringArray::from(vec![Some("B"), Some("A"), Some("b"), None]);
    let unknown = "v UNKNOWN_SYMBOL";
    check(texts(), symbols, &["02", "00", unknown, "v NULL_VALUE"]);
    check(texts(), &format!("[{symbols},\"null\"]"), &["0002", "0000", unknown, "02"]);
    // Text that is always right comes first.
    check(
        texts(),
        &format!("[{symbols},\"null\",\"string\"]"),
        &["040242", "040241", "040262", "02"],
    );
    let dictionary: DictionaryArray<Int8Type> = ["A", "x"].into_iter().collect();
    check(dictionary, symbols, &["00", unknown]);
    let view = StringViewArray::from(vec!["B"]);
    check(view, symbols, &["02"]);

    let uuid = r#"{"type":"string","logicalType":"uuid"}"#;
    let text = "123e4567-E89b-12d3-a456-426614174000";
    let array = StringArray::from(vec![text, "", "123e4567-e89b-12d3-a456-42661417400g"]);
    let expected = format!("48{}", crate::hex(text.as_bytes()));
    check(array, uuid, &[&expected, "v INVALID_UUID", "v INVALID_UUID"]);
    let bytes = FixedSizeBinaryArray::try_from_iter([[7_u8; 16]].iter()).unwrap();
    let of = r#"{"type":"fixed","name":"U","size":16,"logicalType":"uuid"}"#;
    check(bytes.clone(), of, &[&"07".repeat(16)]);
    check(bytes.clone(), "\"bytes\"", &[&format!("20{}", "07".repeat(16))]);
    let of = r#"{"type":"fixed","name":"U","size":15}"#;
    refused(bytes, of, "v is FixedSizeBinary(16) and the schema's fixed U of 15 bytes");
}

#[test]
fn times_change_their_unit_without_losing_digits() {
    let logical =
        |of: &str, logical: &str| format!(r#"{{"type":"{of}","logicalType":"{logical}"}}"#);
    let (millis, micros) = (logical("int", "time-millis"), logical("long", "time-micros"));
    let (inexact, outside) = ("v INEXACT", "v OUT_OF_RANGE");
    check(Time32SecondArray::from(vec![1]), &micros, &["80897a"]);
    check(Time64MicrosecondArray::from(vec![1_000, 1_001, -1]), &millis, &["02", inexact, outside]);
    check(Time64NanosecondArray::from(vec![1_000, 999]), &micros, &["02", inexact]);
    let point = |unit: &str| logical("long", &format!("timestamp-{unit}"));
    let micro = || TimestampMicrosecondArray::from(vec![1_000, 1_001]).with_timezone("UTC");
    check(micro(), &point("millis"), &["02", inexact]);
    check(micro(), &point("nanos"), &["80897a", "d0987a"]);
    let far = TimestampMicrosecondArray::from(vec![i64::MAX]).with_timezone("UTC");
    check(far, &point("nanos"), &[outside]);
    refused(
        TimestampMicrosecondArray::from(vec![1]),
        &point("micros"),
        "v is Timestamp(µs) and the schema's long (timestamp-micros): it has no time zone: cast it \
         to one with UTC",
    );
    refused(
        micro(),
        &logical("long", "local-timestamp-micros"),
        "v is Timestamp(µs, \"UTC\") and the schema's long (local-timestamp-micros): it has a time \
         zone",
    );
    // A logical type that nobody knows, or on another type, does not count.
    check(Int64Array::from(vec![1]), &logical("long", "date"), &["02"]);
    check(Int64Array::from(vec![1]), &logical("long", "fortnights"), &["02"]);
}

#[test]
fn nulls_are_faults_only_where_they_come() {
    check(Int32Array::from(vec![Some(1), None, Some(2)]), INT, &["02", "v NULL_VALUE", "04"]);
    check(Int32Array::from(vec![Some(1), None]), r#"["int","null"]"#, &["0002", "02"]);
    check(NullArray::new(1), "\"null\"", &[""]);
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1), None])]);
    check(list, r#"{"type":"array","items":"int"}"#, &["v[1] NULL_VALUE"]);
}

fn people() -> RecordBatch {
    let names: ArrayRef = Arc::new(StringArray::from(vec!["Ada"]));
    let ages: ArrayRef = Arc::new(Int32Array::from(vec![36]));
    let fields = vec![Field::new("street", DataType::Utf8, true)];
    let streets: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
    let home = StructArray::new(Fields::from(fields), vec![streets], None);
    batch_of(vec![
        (Field::new("name", DataType::Utf8, true), names),
        (Field::new("age", DataType::Int32, true), ages),
        (Field::new("home", home.data_type().clone(), true), Arc::new(home)),
    ])
}

#[test]
fn columns_are_found_by_name_alias_and_arrow_name_in_any_order() {
    let street = r#"{"name":"road","aliases":["way","street"],"type":"string"}"#;
    let home = format!(r#"{{"type":"record","name":"Home","fields":[{street}]}}"#);
    let schema = record(&format!(
        r#"{{"name":"home","type":{home}}},
           {{"name":"years","arrowName":"age","type":"int"}},
           {{"name":"name","aliases":["age"],"type":"string"}}"#
    ));
    assert_eq!(rows(&encode(&given(&schema), &people())), ["02784806416461"]);
}

#[test]
fn fields_without_a_column_get_their_default_or_null() {
    let home = r#"{"type":"record","name":"Home","fields":[
        {"name":"street","type":"string"},
        {"name":"number","type":["null","int"]},
        {"name":"country","type":"string","default":"NL"}]}"#;
    let schema = record(&format!(
        r#"{{"name":"name","type":"string"}},
           {{"name":"age","type":"int"}},
           {{"name":"home","type":{home}}},
           {{"name":"i","type":"int","default":-1}},
           {{"name":"f","type":"float","default":1}},
           {{"name":"d","type":"double","default":-0.5}},
           {{"name":"t","type":"boolean","default":true}},
           {{"name":"b","type":"bytes","default":"\u00ff"}},
           {{"name":"u","type":["int","string"],"default":"s"}},
           {{"name":"a","type":{{"type":"array","items":"long"}},"default":[1,2]}},
           {{"name":"e","type":{{"type":"array","items":"long"}},"default":[]}},
           {{"name":"m","type":{{"type":"map","values":"int"}},"default":{{"k":1}}}},
           {{"name":"s","type":{{"type":"enum","name":"S","symbols":["P","Q"]}},"default":"Q"}},
           {{"name":"x","type":{{"type":"fixed","name":"X","size":2}},"default":"\u0000\u0001"}},
           {{"name":"h","type":"Home","default":{{"street":"y","number":null}}}}"#
    ));
    let expected = [
        "06416461",
        "48",
        "0278",
        "00",
        "044e4c", // name, age, home
        "01",
        "0000803f",
        "000000000000e0bf",
        "01",
        "02ff", // i, f, d, t, b
        "020273",
        "04020400",
        "00",
        "02026b0200",
        "02",
        "0001", // u, a, e, m, s, x
        "0279",
        "00",
        "044e4c", // h
    ];
    assert_eq!(rows(&encode(&given(&schema), &people())), [expected.concat()]);
}

#[test]
fn named_types_are_found_in_their_namespace() {
    let schema = r#"{"type":"record","name":"org.R","fields":[
        {"name":"name","type":{"type":"fixed","name":"F","size":3}},
        {"name":"age","type":["null","org.F","int"]},
        {"name":"home","type":{"type":"record","namespace":"net","name":"Home","fields":[
            {"name":"street","type":{"type":"enum","name":"E","symbols":["x"]}},
            {"name":"other","type":["null","net.E","org.R","E"]}]}}]}"#;
    // `E` is `net.E` here.
    let error = compile(&given(schema), &people()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the Avro schema is not valid at fields[2].type.fields[1].type[3]: \
         the union holds this type already"
    );
    let schema = schema.replace(r#","E"]"#, r#","F"]"#);
    let error = compile(&given(&schema), &people()).unwrap_err();
    assert!(error.to_string().ends_with("`net.F` is no type, nor a name defined before"));
    let schema = schema.replace(r#","F"]"#, "]");
    let names: ArrayRef = Arc::new(FixedSizeBinaryArray::try_from_iter([b"Ada"].iter()).unwrap());
    let mut columns: Vec<_> = people().columns().to_vec();
    columns[0] = names;
    let batch = batch_of(vec![
        (Field::new("name", DataType::FixedSizeBinary(3), false), columns[0].clone()),
        (Field::new("age", DataType::Int32, true), columns[1].clone()),
        (Field::new("home", columns[2].data_type().clone(), true), columns[2].clone()),
    ]);
    // A record that holds itself is no trouble: columns end.
    assert_eq!(rows(&encode(&given(&schema), &batch)), ["41646104480000"]);
}

#[test]
fn all_differences_are_told_at_once() {
    let schema = record(
        r#"{"name":"name","type":"long"},
           {"name":"home","type":{"type":"record","name":"Home","fields":[
                {"name":"street","type":{"type":"array","items":"string"}},
                {"name":"number","type":"int"}]}}"#,
    );
    assert_eq!(
        differences(&schema, &people()),
        [
            "name is Utf8 and the schema's long",
            "home.street is Utf8 and the schema's array of string",
            "home.number is a field without a column, that has no default and takes no null",
            "age has no field in the schema: leave it out",
        ]
    );
    let error = compile(&given(&schema), &people()).unwrap_err();
    assert!(error.to_string().starts_with(
        "the columns do not fit the Avro schema: column `name` is Utf8 and the schema's long; \
         column `home.street` is"
    ));
    let none = record("");
    let columns = (0..25).map(|at| {
        let field = Field::new(format!("c{at}"), DataType::Int32, true);
        (field, Arc::new(Int32Array::from(vec![1])) as ArrayRef)
    });
    let wide = batch_of(columns.collect());
    assert_eq!(differences(&none, &wide).len(), 25);
    let error = compile(&given(&none), &wide).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("column `c19` has no field in the schema: leave it out; and 5 more")
    );
}
