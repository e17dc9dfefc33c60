//! What letters say: every carrier, every kind of fault, however many.
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{DataType, Field, Schema};
use proto::v1::{Primitive, Row, Value, value::Kind};
use tests::engine::Stream;

use super::{World, letters::Letter, open};

const NO_NUMBER: &str = "serialization: { type: Json, nonFinite: Error }";

/// Each bad row was named in the acknowledgement as it is in its letter.
#[track_caller]
fn check_named(stream: &Stream, world: &World) {
    let named = stream.rejected.iter();
    let named = named.map(|row| (row.sequence, row.row, row.code.clone(), row.column.clone()));
    let letters = world.letters().into_iter();
    let told = letters.map(|of| (of.sequence, of.row, of.code, of.column));
    assert_eq!(told.collect::<Vec<_>>(), named.collect::<Vec<_>>());
}

#[test]
fn json_lines_are_kept_as_they_came() {
    let world = World::new("lines", &[("max.message.bytes", "2000")], NO_NUMBER);
    let (_service, engine) = world.start();
    let mut stream = open(&engine, &world.topic);
    let large = format!(r#"{{"n":7,"t":"{}"}}"#, "x".repeat(3_000));
    stream.declare(&[("n", Primitive::Int64), ("f", Primitive::Float64), ("t", Primitive::Text)]);
    let lines = [
        r#"{"n":1}"#,
        r#"{"n":1,"f":"NaN"}"#,
        r#"{"n": 1.5 }"#,
        r#"{"n":1e30}"#,
        r#"{"m":1}"#,
        r#"{"n":1,"n":2}"#,
        r#"{"n":"#,
        r#"{"n":true,"t":"ü"}"#,
        &large,
        r#"{"n":2}"#,
    ];
    stream.send(lines.join("\n"));
    stream.wait_durable();
    assert_eq!(world.records(), [r#"{"n":1,"f":null,"t":null}"#, r#"{"n":2,"f":null,"t":null}"#,]);
    check_named(&stream, &world);
    let letters = world.letters();
    let says: Vec<_> = letters.iter().map(Letter::says).collect();
    assert_eq!(
        says,
        [
            ("NON_FINITE", "f", lines[1]),
            ("TYPE_MISMATCH", "n", lines[2]),
            ("OUT_OF_RANGE", "n", lines[3]),
            ("UNKNOWN_COLUMN", "m", lines[4]),
            ("DUPLICATE_COLUMN", "n", lines[5]),
            ("INVALID_JSON", "", r#"{"line":"{\"n\":"}"#),
            ("TYPE_MISMATCH", "n", lines[7]),
            ("ROW_TOO_LARGE", "t", lines[8]),
        ]
    );
    let reasons: Vec<_> = stream.rejected.iter().map(|row| row.reason.as_str()).collect();
    assert_eq!(letters.iter().map(|letter| letter.reason.as_str()).collect::<Vec<_>>(), reasons);
    let reason = &letters[7].reason;
    assert!(reason.contains("bytes or more, and 1903 are allowed"), "{reason}");
    assert_eq!((stream.rejected_total, engine.output(&world.topic).rows_rejected), (8, 8));
    assert_eq!(engine.output(&world.topic).dead_letters, 8);
}

#[test]
fn typed_rows_are_kept_with_their_values() {
    let world = World::new("typed", &[], NO_NUMBER);
    let (_service, engine) = world.start();
    let mut stream = open(&engine, &world.topic);
    let value = |kind| Value { kind: Some(kind) };
    let rows = [
        vec![value(Kind::Int64(1)), value(Kind::Float64(0.5))],
        vec![value(Kind::Int64(2)), value(Kind::Float64(f64::INFINITY))],
        vec![value(Kind::Text("x".to_owned())), Value { kind: None }],
        vec![value(Kind::Uint64(u64::MAX)), value(Kind::Binary(vec![255]))],
        vec![value(Kind::Int64(3))],
    ];
    stream.send_typed(rows.map(|values| Row { values }).to_vec());
    stream.wait_durable();
    assert_eq!(world.records(), [r#"{"n":1,"f":0.5}"#]);
    check_named(&stream, &world);
    let letters = world.letters();
    let says: Vec<_> = letters.iter().map(Letter::says).collect();
    assert_eq!(
        says,
        [
            ("NON_FINITE", "f", r#"{"n":2,"f":"Infinity"}"#),
            ("TYPE_MISMATCH", "n", r#"{"n":"x","f":null}"#),
            ("OUT_OF_RANGE", "n", r#"{"n":18446744073709551615,"f":"/w=="}"#),
            ("ROW_WIDTH", "", r#"{"values":[3]}"#),
        ]
    );
}

#[test]
fn arrow_rows_are_kept_as_json() {
    let world = World::new("arrow", &[], NO_NUMBER);
    let (_service, engine) = world.start();
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]));
    let floats: ArrayRef = Arc::new(Float64Array::from(vec![0.5, 1.5, f64::NAN]));
    let schema = |required: bool| {
        let number = Field::new("n", DataType::Int64, !required);
        Arc::new(Schema::new(vec![number, Field::new("f", DataType::Float64, true)]))
    };
    // What the engine says of its columns is one thing, what its rows hold another.
    let batch = RecordBatch::try_new(schema(false), vec![numbers, floats]).unwrap();
    let message = |bytes: &[u8]| 8 + u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize;
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    let rows = writer.into_inner().unwrap();
    let declared = StreamWriter::try_new(Vec::new(), &schema(true)).unwrap().into_inner().unwrap();

    let mut stream = engine.open(&world.topic, "w");
    stream.declare_arrow(declared[..message(&declared)].to_vec());
    stream.send_arrow(rows[message(&rows)..].to_vec());
    stream.wait_durable();
    assert_eq!(world.records(), [r#"{"n":1,"f":0.5}"#]);
    check_named(&stream, &world);
    let letters = world.letters();
    let says: Vec<_> = letters.iter().map(Letter::says).collect();
    assert_eq!(
        says,
        [
            ("NULL_IN_REQUIRED", "n", r#"{"n":null,"f":1.5}"#),
            ("NON_FINITE", "f", r#"{"n":3,"f":"NaN"}"#),
        ]
    );
}

#[test]
fn every_bad_row_has_a_letter_however_many_there_are() {
    let world = World::new("many", &[], "");
    let (_service, engine) = world.start();
    let mut stream = open(&engine, &world.topic);
    stream.send(super::lines(0, 10_000, 1));
    stream.send(super::lines(0, 300, 2));
    stream.wait_durable();
    assert_eq!((stream.rejected.len(), stream.rejected_total), (200, 10_150));
    let letters = world.letters();
    let places: Vec<_> = letters.iter().map(Letter::place).collect();
    let all = (0..10_000).map(|row| (1, row)).chain((0..300).step_by(2).map(|row| (2, row)));
    assert!(places.into_iter().eq(all), "each row has one letter");
    for letter in &letters {
        assert_eq!(letter.text, format!(r#"{{"n":"bad {}"}}"#, letter.row));
        assert_eq!((letter.code.as_str(), letter.writer.as_str()), ("TYPE_MISMATCH", "w"));
        assert!(!letter.reason.is_empty());
    }
    assert_eq!(world.records().len(), 150);
}

#[test]
fn a_row_that_is_too_long_for_its_letter_is_cut() {
    let world = World::without_letters("long", &[("max.message.bytes", "2000")], "");
    let admin = tests::kafka::shared_broker().admin();
    admin.create_topic(&world.letters, 1, 1, &[("max.message.bytes", "4000")]);
    let (_service, engine) = world.start();
    let mut stream = engine.open(&world.topic, "w");
    stream.declare(&[("t", Primitive::Text)]);
    let row = |bytes: usize| format!(r#"{{"t":"{}"}}"#, "é\\n".repeat(bytes / 4));
    let (kept, cut) = (row(3_000), row(20_000));
    stream.send(format!("{kept}\n{cut}"));
    stream.wait_durable();
    let letters = world.letters();
    assert_eq!(
        letters.iter().map(|of| of.code.as_str()).collect::<Vec<_>>(),
        ["ROW_TOO_LARGE", "ROW_TOO_LARGE"]
    );
    assert_eq!(letters[0].text, kept);
    let value: serde_json::Value = serde_json::from_str(&letters[1].text).unwrap();
    let beginning = value["cut"].as_str().unwrap();
    assert!(cut.starts_with(beginning) && beginning.len() > 2_000, "{}", beginning.len());
}

/// A compacted topic takes no records without keys, which only its broker knows.
#[test]
fn rows_that_the_broker_refuses_are_kept() {
    for guarantee in ["atLeastOnce", "exactlyOnce"] {
        let more = format!("guarantee: {guarantee}");
        let world = World::new("refused", &[("cleanup.policy", "compact")], &more);
        let (_service, engine) = world.start();
        let mut stream = open(&engine, &world.topic);
        stream.send(super::lines(1, 9, 5));
        stream.wait_durable();
        assert_eq!(world.records(), [""; 0], "{guarantee}");
        assert_eq!(stream.rejected_total, 9);
        let letters = world.letters();
        let of: Vec<_> = letters.iter().map(|of| (of.row, of.code.as_str(), &*of.text)).collect();
        let refused = |row: u64, text| (row, "ROW_REFUSED", text);
        assert_eq!(
            of,
            [
                refused(0, r#"{"n":1}"#),
                refused(1, r#"{"n":2}"#),
                refused(2, r#"{"n":3}"#),
                refused(3, r#"{"n":4}"#),
                (4, "TYPE_MISMATCH", r#"{"n":"bad 5"}"#),
                refused(5, r#"{"n":6}"#),
                refused(6, r#"{"n":7}"#),
                refused(7, r#"{"n":8}"#),
                refused(8, r#"{"n":9}"#),
            ]
        );
        assert!(letters[0].reason.contains("a compacted topic wants keys"), "{:?}", letters[0]);
    }
}

#[test]
fn rows_that_share_a_record_have_letters_of_their_own() {
    let more = "packing: { rows: 4 }";
    let world = World::new("packed", &[("cleanup.policy", "compact")], more);
    let (_service, engine) = world.start();
    let mut stream = open(&engine, &world.topic);
    stream.send(super::lines(1, 6, 6));
    stream.wait_durable();
    assert_eq!(stream.rejected_total, 6);
    let places: Vec<_> = world.letters().iter().map(|of| (of.row, of.text.clone())).collect();
    let row = |n: u64| (n - 1, format!(r#"{{"n":{n}}}"#));
    let last = (5, r#"{"n":"bad 6"}"#.to_owned());
    assert_eq!(places, [row(1), row(2), row(3), row(4), row(5), last]);
}
