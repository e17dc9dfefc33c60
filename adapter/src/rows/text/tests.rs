//! Rows as texts: every carrier, good rows and bad ones, whole and cut.
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, Date64Array, Decimal128Array, DictionaryArray, Float64Array, Int64Array,
    RecordBatch, RecordBatchOptions, StructArray, types::Int8Type,
};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{DataType, Field, Schema};
use prost::Message as _;
use proto::v1::{self, value::Kind};

use super::*;
use crate::rows::Limits;

const LIMITS: Limits = Limits { rows_max: 1_000, bytes_max: 1 << 20 };

/// The texts of all rows, after they were decoded.
fn texts(schema: Schema, carrier: Carrier, bytes: &Bytes, rows: u32) -> Vec<String> {
    let decoder = Decoder::compile(Arc::new(schema)).unwrap();
    decoder.decode_naming_all(carrier, bytes, &LIMITS).unwrap();
    let all: Vec<u32> = (0..rows).collect();
    let texts = decoder.texts(carrier, bytes, &all, 10_000, 100_000);
    assert!(texts.iter().all(|text| !text.is_cut));
    texts.into_iter().map(|text| text.json).collect()
}

fn schema(fields: &[(&str, DataType)]) -> Schema {
    let field = |(name, data_type): &(&str, DataType)| Field::new(*name, data_type.clone(), true);
    Schema::new(fields.iter().map(field).collect::<Vec<_>>())
}

#[test]
fn a_line_is_shown_as_it_came() {
    let lines: [&[u8]; 6] = [
        b"{\"a\": 1.50}",
        b"",
        b" {\"a\":\"x\",\"b\":[1]}\r",
        b"{\"a\":",
        b"[1,2]",
        b"{\"a\":\"\xff\"}",
    ];
    let bytes = lines.join(&b'\n').into();
    assert_eq!(
        texts(schema(&[("a", DataType::Float64)]), Carrier::JsonLines, &bytes, 5),
        [
            r#"{"a": 1.50}"#,
            r#"{"a":"x","b":[1]}"#,
            r#"{"line":"{\"a\":"}"#,
            r#"{"line":"[1,2]"}"#,
            r#"{"bytes":"eyJhIjoi/yJ9"}"#,
        ]
    );
}

fn value(kind: Kind) -> v1::Value {
    v1::Value { kind: Some(kind) }
}

#[test]
fn typed_values_are_shown_as_they_came() {
    let null = v1::Value { kind: None };
    let entry = v1::MapEntry { key: "k".to_owned(), value: Some(value(Kind::Boolean(true))) };
    let record = v1::Row { values: vec![value(Kind::Int64(-1)), null.clone()] };
    let rows = [
        vec![value(Kind::Text("ü\"".to_owned())), value(Kind::Float64(f64::NAN))],
        vec![value(Kind::Binary(vec![0, 255])), value(Kind::Float64(0.1))],
        vec![value(Kind::Uint64(u64::MAX)), null],
        vec![value(Kind::Record(record)), value(Kind::Int64(7)), value(Kind::Boolean(false))],
        vec![
            value(Kind::Map(v1::MapEntries { entries: vec![entry] })),
            value(Kind::Float64(f64::NEG_INFINITY)),
        ],
    ];
    let rows = rows.map(|values| v1::Row { values }).to_vec();
    let bytes = v1::TypedRows { rows }.encode_to_vec().into();
    let schema = schema(&[("a", DataType::Utf8), ("b", DataType::Float64)]);
    assert_eq!(
        texts(schema, Carrier::TypedRows, &bytes, 5),
        [
            r#"{"a":"ü\"","b":"NaN"}"#,
            r#"{"a":"AP8=","b":0.1}"#,
            r#"{"a":18446744073709551615,"b":null}"#,
            r#"{"values":[[-1,null],7,false]}"#,
            r#"{"a":[{"key":"k","value":true}],"b":"-Infinity"}"#,
        ]
    );
}

/// The rows of `batch` as an engine would send them, whatever its columns forbid.
fn ipc(batch: &RecordBatch) -> Bytes {
    let mut writer = StreamWriter::try_new(Vec::new(), batch.schema_ref()).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap().into()
}

#[test]
fn arrow_values_have_a_text_whatever_they_are() {
    let floats: ArrayRef = Arc::new(Float64Array::from(vec![Some(f64::NAN), None]));
    let decimals = Decimal128Array::from(vec![150, -7]).with_precision_and_scale(10, 2).unwrap();
    let dates: ArrayRef = Arc::new(Date64Array::from(vec![1_553_212_800_000, i64::MAX]));
    let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![&b"\xff"[..], b""]));
    let words: DictionaryArray<Int8Type> = vec![Some("x"), Some("y")].into_iter().collect();
    let inner: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
    let inner = Field::new("n", DataType::Int64, true).into_parts(inner);
    let nested: ArrayRef = Arc::new(StructArray::from(vec![inner]));
    let columns: [(&str, ArrayRef); 6] = [
        ("f", floats),
        ("d", Arc::new(decimals)),
        ("t", dates),
        ("b", bytes),
        ("w", Arc::new(words)),
        ("s", nested),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, column)| (name, column, true)),
    );
    let batch = batch.unwrap();
    let schema = batch.schema().as_ref().clone();
    let shown = texts(schema, Carrier::ArrowIpc, &ipc(&batch), 2);
    assert_eq!(
        shown[0],
        r#"{"f":"NaN","d":"1.50","t":"2019-03-22T00:00:00","b":"/w==","w":"x","s":{"n":1}}"#
    );
    assert_eq!(
        shown[1],
        r#"{"f":null,"d":"-0.07","t":9223372036854775807,"b":"","w":"y","s":{"n":null}}"#
    );
}

trait IntoParts {
    fn into_parts(self, array: ArrayRef) -> (Arc<Field>, ArrayRef);
}

impl IntoParts for Field {
    fn into_parts(self, array: ArrayRef) -> (Arc<Field>, ArrayRef) {
        (Arc::new(self), array)
    }
}

#[test]
fn a_row_that_lacks_a_required_value_has_a_text() {
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]));
    let loose = schema(&[("n", DataType::Int64)]);
    let options = RecordBatchOptions::new();
    let batch =
        RecordBatch::try_new_with_options(Arc::new(loose), vec![numbers], &options).unwrap();
    // The schema message is left out: the declared one says that the column is required.
    let bytes = ipc(&batch);
    let schema_end = 8 + u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize;
    let bytes = bytes.slice(schema_end..);
    let required = Schema::new(vec![Field::new("n", DataType::Int64, false)]);
    let shown = texts(required, Carrier::ArrowIpc, &bytes, 3);
    assert_eq!(shown, [r#"{"n":1}"#, r#"{"n":null}"#, r#"{"n":3}"#]);
}

#[test]
fn a_text_is_cut_at_its_limit_and_all_together_at_theirs() {
    let decoder = Decoder::compile(Arc::new(schema(&[("a", DataType::Utf8)]))).unwrap();
    let bytes: Bytes = "{\"a\":\"éééé\"}\n{\"a\":1}\n{\"a\":2}\n".into();
    let cut = |bytes_max, sum_bytes_max| {
        let texts = decoder.texts(Carrier::JsonLines, &bytes, &[0, 2], bytes_max, sum_bytes_max);
        texts.into_iter().map(|text| (text.json, text.is_cut)).collect::<Vec<_>>()
    };
    let whole = |text: &str| (text.to_owned(), false);
    let part = |text: &str| (text.to_owned(), true);
    assert_eq!(cut(100, 100), [whole("{\"a\":\"éééé\"}"), whole("{\"a\":2}")]);
    // Never inside a character.
    assert_eq!(cut(9, 100), [part("{\"a\":\"é"), whole("{\"a\":2}")]);
    assert_eq!(cut(100, 17), [whole("{\"a\":\"éééé\"}"), part("{")]);
}
