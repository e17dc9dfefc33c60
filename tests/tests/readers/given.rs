//! Avro by schemas that are given, and timestamps of any year.

use std::sync::Arc;

use arrow_array::{types::*, *};
use arrow_schema::{Field, Schema};
use serde_json::{Value, json};
use serializers::Packing;

use crate::{
    case::{Case, avro, framings},
    foreign::Readers,
};

/// A column, the type that its field is given, and the meaning of its values then.
#[derive(Clone)]
struct Column {
    array: ArrayRef,
    of: Value,
    meant: Vec<Value>,
}

fn column(array: impl Array + 'static, of: Value, meant: &[Value]) -> Column {
    Column { array: Arc::new(array), of, meant: meant.to_vec() }
}

fn decimal(of: &str, precision: u32, scale: u32) -> Value {
    json!({ "type": of, "logicalType": "decimal", "precision": precision, "scale": scale })
}

fn fixed_decimal(name: &str, size: u32, precision: u32, scale: u32) -> Value {
    let mut of = decimal("fixed", precision, scale);
    (of["name"], of["size"]) = (name.into(), size.into());
    of
}

fn nullable(of: &Value) -> Value {
    json!([of, "null"])
}

fn logical(of: &str, logical: &str) -> Value {
    json!({ "type": of, "logicalType": logical })
}

fn float(value: f64) -> Value {
    json!(format!("f:{:016x}", value.to_bits()))
}

/// Two rows of every type that a column may be given besides the one of the table.
fn numbers() -> Vec<Column> {
    let cents = [Some(-999), Some(100)];
    let cents = || Decimal128Array::from(cents.to_vec()).with_precision_and_scale(3, 2).unwrap();
    let single = |value: f32| json!(format!("s:{:08x}", value.to_bits()));
    vec![
        column(
            Int64Array::from(vec![i64::from(i32::MIN), i64::from(i32::MAX)]),
            json!("int"),
            &[json!("i:-2147483648"), json!("i:2147483647")],
        ),
        column(
            UInt64Array::from(vec![Some(i64::MAX as u64), None]),
            nullable(&json!("long")),
            &[json!("i:9223372036854775807"), Value::Null],
        ),
        column(
            Int64Array::from(vec![1 << 53, -(1 << 53)]),
            json!("double"),
            &[float(9_007_199_254_740_992.0), float(-9_007_199_254_740_992.0)],
        ),
        column(
            Int32Array::from(vec![Some(-(1 << 24)), None]),
            json!(["null", "float"]),
            &[single(-16_777_216.0), Value::Null],
        ),
        column(
            UInt64Array::from(vec![u64::MAX, 0]),
            decimal("bytes", 38, 18),
            &[json!(format!("d:{}{}:18", u64::MAX, "0".repeat(18))), json!("d:0:18")],
        ),
        column(
            Float32Array::from(vec![f32::from_bits(1), f32::MAX]),
            json!("double"),
            &[float(f64::from(f32::from_bits(1))), float(f64::from(f32::MAX))],
        ),
        column(cents(), decimal("bytes", 5, 4), &[json!("d:-99900:4"), json!("d:10000:4")]),
        column(cents(), fixed_decimal("F32", 32, 76, 2), &[json!("d:-999:2"), json!("d:100:2")]),
        column(cents(), fixed_decimal("F2", 2, 3, 2), &[json!("d:-999:2"), json!("d:100:2")]),
    ]
}

fn texts_and_times() -> Vec<Column> {
    let micros = 1_357_034_400_123_456;
    let instants = TimestampNanosecondArray::from(vec![micros * 1_000, -1_000]);
    let uuid = "123e4567-e89b-12d3-a456-426614174000";
    let bytes = FixedSizeBinaryArray::new(16, [[0xff_u8; 16], [0; 16]].concat().into(), None);
    let (ff, zero) =
        (json!(format!("b:{}", "ff".repeat(16))), json!(format!("b:{}", "00".repeat(16))));
    let symbols = |name: &str| json!({ "type": "enum", "name": name, "symbols": ["A", "B"] });
    let names: DictionaryArray<Int8Type> = [Some("B"), None].into_iter().collect();
    vec![
        column(
            instants.clone().with_timezone("UTC"),
            logical("long", "timestamp-micros"),
            &[json!(format!("p:{micros}:6:z")), json!("p:-1:6:z")],
        ),
        column(
            instants,
            logical("long", "local-timestamp-micros"),
            &[json!(format!("p:{micros}:6:l")), json!("p:-1:6:l")],
        ),
        column(
            TimestampSecondArray::from(vec![-62_135_596_800, 253_402_300_799]).with_timezone("UTC"),
            logical("long", "timestamp-micros"),
            &[json!("p:-62135596800000000:6:z"), json!("p:253402300799000000:6:z")],
        ),
        column(
            Time32SecondArray::from(vec![0, 86_399]),
            logical("long", "time-micros"),
            &[json!("c:0:6"), json!("c:86399000000:6")],
        ),
        column(
            Time64NanosecondArray::from(vec![1_000_000, 86_399_999_000_000]),
            logical("int", "time-millis"),
            &[json!("c:1:3"), json!("c:86399999:3")],
        ),
        column(StringArray::from(vec!["B", "A"]), symbols("E1"), &[json!("t:B"), json!("t:A")]),
        column(names, nullable(&symbols("E2")), &[json!("t:B"), Value::Null]),
        column(
            StringViewArray::from(vec![Some(uuid), None]),
            nullable(&logical("string", "uuid")),
            &[json!(format!("t:{uuid}")), Value::Null],
        ),
        column(bytes.clone(), json!("bytes"), &[ff.clone(), zero.clone()]),
        column(bytes, json!({ "type": "fixed", "name": "F16", "size": 16 }), &[ff, zero]),
    ]
}

#[test]
fn fastavro_and_java_read_avro_by_a_given_schema() {
    let readers = Readers::of_avro();
    let columns = [numbers(), texts_and_times()].concat();
    // Not in the order of the columns, by aliases, and with fields that no column has.
    let mut fields = vec![json!({ "name": "added", "type": "string", "default": "é" })];
    let mut pairs = vec![vec![json!(["added", "t:é"])]; 2];
    for (at, column) in columns.iter().enumerate().rev() {
        let (name, alias) = (format!("field{at}"), format!("c{at}"));
        for (pairs, meant) in pairs.iter_mut().zip(&column.meant) {
            pairs.push(json!([&name, meant]));
        }
        fields.push(json!({ "name": name, "type": column.of, "aliases": [alias] }));
    }
    fields.push(json!({ "name": "none", "type": ["null", "long"], "default": null }));
    pairs.iter_mut().for_each(|pairs| pairs.push(json!(["none", null])));
    let schema = json!({ "type": "record", "name": "R", "namespace": "a.b", "fields": fields });

    let field = |(at, column): (usize, &Column)| {
        Field::new(format!("c{at}"), column.array.data_type().clone(), true)
    };
    let of: Vec<Field> = columns.iter().enumerate().map(field).collect();
    let arrays = columns.iter().map(|column| column.array.clone()).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(of)), arrays).unwrap();
    let rows: Vec<Value> = pairs.into_iter().map(Value::Array).collect();
    let mut values = 0;
    for framing in framings() {
        let format = avro(framing, Some(&schema.to_string()));
        let name = format!("given, {framing:?}");
        let case = Case::of_rows(&name, &format, &batch, Packing::NONE, rows.clone());
        values += readers.check(&case);
        for column in 0..pairs_of(&rows) {
            if let Some(wrong) = case.wrong(column) {
                readers.try_check(&wrong).expect_err("what is not meant is noticed");
            }
        }
    }
    println!("given schema: {} columns, {values} values", columns.len());
}

fn pairs_of(rows: &[Value]) -> usize {
    rows[0].as_array().unwrap().len()
}

#[test]
fn java_and_fastavro_read_timestamps_beyond_the_years_of_dates() {
    let readers = Readers::of_avro();
    let all = || vec![i64::MIN, i64::MAX, 0];
    let arrays: [ArrayRef; 6] = [
        Arc::new(TimestampMillisecondArray::from(all())),
        Arc::new(TimestampMillisecondArray::from(all()).with_timezone("UTC")),
        Arc::new(TimestampMicrosecondArray::from(all())),
        Arc::new(TimestampMicrosecondArray::from(all()).with_timezone("UTC")),
        Arc::new(TimestampNanosecondArray::from(all())),
        Arc::new(TimestampNanosecondArray::from(all()).with_timezone("UTC")),
    ];
    let named = arrays.into_iter().enumerate().map(|(at, array)| (format!("c{at}"), array));
    let batch = RecordBatch::try_from_iter(named).unwrap();
    for framing in framings() {
        let case = Case::encoded("all years", &avro(framing, None), &batch, Packing::NONE);
        assert_eq!(readers.check(&case.without_logical_types()), 2 * 3 * 6);
    }
}
