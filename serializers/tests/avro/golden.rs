//! What a user sees: schemas, names and whole records.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int32Array, Int64Array, ListArray, StringArray, StructArray};
use arrow_schema::{DataType, Field, Fields, Schema};
use serializers::{AvroFraming, AvroOptions, AvroSchema, DEPTH_MAX, Encoder, Format};

use crate::{batch_of, compile, encode, fields_of, framed, given, hex, one, raw, rows};

fn flight() -> arrow_array::RecordBatch {
    let number = Arc::new(Int64Array::from(vec![Some(1_545), None])) as ArrayRef;
    let carrier = Arc::new(StringArray::from(vec!["UA", "B6"])) as ArrayRef;
    batch_of(vec![
        (Field::new("flight", DataType::Int64, true), number),
        (Field::new("carrier", DataType::Utf8, false), carrier),
    ])
}

const FLIGHT: &str = concat!(
    r#"{"type":"record","name":"Row","fields":["#,
    r#"{"name":"flight","type":["null","long"],"default":null},"#,
    r#"{"name":"carrier","type":"string"}]}"#
);

#[test]
fn every_framing() {
    let batch = flight();
    // Branch 1, 1545; two letters.
    assert_eq!(rows(&encode(&raw(), &batch)), ["029218045541", "00044236"]);
    let confluent = framed(AvroFraming::Confluent { schema_id: 0x0102_0304 });
    assert_eq!(rows(&encode(&confluent, &batch)), ["0001020304029218045541", "000102030400044236"]);
    let single = framed(AvroFraming::SingleObject);
    let encoder = compile(&single, &batch).unwrap();
    assert_eq!(encoder.avro_schema(), Some(FLIGHT));
    let fingerprint = hex(&encoder.avro_fingerprint().unwrap().to_le_bytes());
    assert_eq!(
        rows(&encode(&single, &batch)),
        [format!("c301{fingerprint}029218045541"), format!("c301{fingerprint}00044236")]
    );
    let container = encode(&framed(AvroFraming::default()), &batch);
    let record = container.record(1);
    let sync = &record[record.len() - 16..];
    let mut expected = b"Obj\x01\x04\x16avro.schema".to_vec();
    let schema_len = FLIGHT.len();
    assert_eq!(schema_len, 132);
    expected.extend([0x88, 0x02]);
    expected.extend(FLIGHT.bytes());
    expected.extend(b"\x14avro.codec\x08null\x00");
    expected.extend(sync);
    expected.extend(b"\x02\x08\x00\x04B6");
    expected.extend(sync);
    assert_eq!(record, expected);
    // The same in every record and every process.
    assert_eq!(&container.record(0)[container.record(0).len() - 16..], sync);
    assert_eq!(hex(sync), SYNC);
}

/// Consumers may have stored it.
const SYNC: &str = "b0e7de905f717b54d4aafdb2a1732ec9";

#[test]
fn records_are_named_as_the_options_say() {
    let of = |name: &str, namespace: Option<&str>| {
        let schema =
            AvroSchema::Derived { name: name.into(), namespace: namespace.map(str::to_owned) };
        let options = AvroOptions { framing: AvroFraming::Raw, schema };
        let checked = options.check();
        let batch = one(Arc::new(nested()), false);
        let encoder = Encoder::compile(&Format::Avro(options), batch.schema_ref());
        assert_eq!(checked.is_ok(), encoder.is_ok());
        encoder.map(|encoder| encoder.avro_schema().unwrap().to_owned())
    };
    assert!(of("Delay", Some("org.flights")).unwrap().starts_with(concat!(
        r#"{"type":"record","name":"Delay","namespace":"org.flights","fields":["#,
        r#"{"name":"v","type":{"type":"record","name":"Delay_v","#
    )));
    assert!(of("a.b.Delay", None).unwrap().contains(r#""name":"Delay_v""#));
    for (name, namespace) in [("", None), ("a-b", None), ("9", None), ("a", Some("b..c"))] {
        let error = of(name, namespace).unwrap_err();
        assert_eq!(error.code(), "AVRO_SCHEMA_INVALID", "{name}");
    }
    assert_eq!(
        of("a-b", None).unwrap_err().to_string(),
        "the Avro schema is not valid at the name `a-b`: \
         it may have A-Z, a-z, 0-9 and _, and begins with no digit"
    );
    assert_eq!(of("int", None).unwrap_err().code(), "AVRO_SCHEMA_INVALID");
}

fn nested() -> StructArray {
    let numbers = Arc::new(Int32Array::from(vec![7])) as ArrayRef;
    StructArray::from(vec![(Arc::new(Field::new("n", DataType::Int32, false)), numbers)])
}

#[test]
fn illegal_names_are_mangled_and_nested_types_named_by_their_path() {
    let nested = Arc::new(nested()) as ArrayRef;
    let of = nested.data_type().clone();
    let list_item = Field::new("item", of.clone(), true);
    let lists = ListArray::new(
        Arc::new(list_item),
        arrow_buffer::OffsetBuffer::from_lengths([1]),
        nested.clone(),
        None,
    );
    let inner = Fields::from(vec![Field::new("b", of.clone(), false)]);
    let outer = StructArray::new(inner, vec![nested.clone()], None);
    let batch = batch_of(vec![
        (Field::new("größe m", DataType::Int32, false), Arc::new(Int32Array::from(vec![1]))),
        (Field::new("2nd", DataType::Int32, false), Arc::new(Int32Array::from(vec![2]))),
        (Field::new("_2nd", DataType::Int32, false), Arc::new(Int32Array::from(vec![3]))),
        (Field::new("a", outer.data_type().clone(), false), Arc::new(outer)),
        (Field::new("a_b", of, false), nested),
        (Field::new("l", lists.data_type().clone(), false), Arc::new(lists)),
    ]);
    let n = r#""fields":[{"name":"n","type":"int"}]"#;
    let record = |name: &str| format!(r#"{{"type":"record","name":"{name}",{n}}}"#);
    assert_eq!(
        fields_of(&batch),
        [
            r#"{"name":"gr__e_m","type":"int","arrowName":"größe m"}"#.to_owned(),
            r#"{"name":"_2nd1","type":"int","arrowName":"2nd"}"#.to_owned(),
            r#"{"name":"_2nd","type":"int"}"#.to_owned(),
            r#"{"name":"a","type":{"type":"record","name":"Row_a","fields":["#.to_owned()
                + &format!(r#"{{"name":"b","type":{}}}]}}}}"#, record("Row_a_b")),
            format!(r#"{{"name":"a_b","type":{}}}"#, record("Row_a_b1")),
            r#"{"name":"l","type":{"type":"array","items":["null","#.to_owned()
                + &record("Row_l")
                + "]}}",
        ]
        .join(",")
    );
    let records = encode(&raw(), &batch);
    assert_eq!(rows(&records), ["0204060e0e02020e00"]);
    // The printed schema, given, is the same.
    let encoder = compile(&raw(), &batch).unwrap();
    let given = given(encoder.avro_schema().unwrap());
    assert_eq!(encode(&given, &batch).bytes(), records.bytes());
    let same = compile(&given, &batch).unwrap();
    assert_eq!(same.avro_fingerprint(), encoder.avro_fingerprint());
}

#[test]
fn names_that_occur_twice_are_refused() {
    let numbers = || Arc::new(Int32Array::from(vec![1])) as ArrayRef;
    let field = || Field::new("a", DataType::Int32, false);
    let batch = batch_of(vec![(field(), numbers()), (field(), numbers())]);
    assert_eq!(compile(&raw(), &batch).unwrap_err().code(), "NAME_DUPLICATE");
}

#[test]
fn columns_may_be_as_deep_as_in_every_format() {
    let nested = |levels: usize| {
        let numbers = Arc::new(Int32Array::from(vec![7])) as ArrayRef;
        (0..levels).fold(numbers, |inner, level| {
            let field = Arc::new(Field::new("f", inner.data_type().clone(), true));
            if level % 2 == 0 {
                Arc::new(StructArray::from(vec![(field, inner)])) as ArrayRef
            } else {
                let offsets = arrow_buffer::OffsetBuffer::from_lengths([1]);
                Arc::new(ListArray::new(field, offsets, inner, None))
            }
        })
    };
    for around in [false, true] {
        // Unions around all of them, or around all but the outermost.
        let batch = one(nested(DEPTH_MAX - 1), around);
        let records = encode(&raw(), &batch);
        let branches = DEPTH_MAX - usize::from(!around);
        // 31 lists have a count and an end.
        assert_eq!(records.record(0).len(), branches + 31 * 2 + 1);
        let error = compile(&raw(), &one(nested(DEPTH_MAX), around)).unwrap_err();
        assert_eq!(error.code(), "TOO_DEEP");
    }
    // The deepest JSON: records alone.
    let structs =
        (0..DEPTH_MAX - 1).fold(Arc::new(Int32Array::from(vec![7])) as ArrayRef, |of, _| {
            let field = Arc::new(Field::new("f", of.data_type().clone(), true));
            Arc::new(StructArray::from(vec![(field, of)])) as ArrayRef
        });
    let records = encode(&raw(), &one(structs, true));
    assert_eq!(records.record(0), [[2].repeat(DEPTH_MAX), vec![14]].concat());
}

/// The canonical forms and fingerprints of the specification's test data
/// (`share/test/data/schema-tests.txt`); rows are records, so that the simple types are fields.
#[test]
fn fingerprints_are_those_of_the_specification() {
    let fingerprint = |schema: &str| {
        Encoder::compile(&given(schema), &Schema::empty())
            .map(|encoder| encoder.avro_fingerprint().unwrap() as i64)
    };
    let empty = r#"{ "name":"foo", "type":"record", "fields":[], "doc": "left out" }"#;
    assert_eq!(fingerprint(empty).unwrap(), -4_824_392_279_771_201_922);
    assert_eq!(
        fingerprint(r#"{"fields":[],"type":"record","name":"foo","namespace":"x.y"}"#).unwrap(),
        5_916_914_534_497_305_771
    );
    assert_eq!(
        fingerprint(r#"{"fields":[],"type":"record","name":"a.b.foo","namespace":"x.y"}"#).unwrap(),
        -4_616_218_487_480_524_110
    );
}
