//! What schemas are served, and how the others are refused.

use std::collections::HashMap;

use arrow_ipc::writer::StreamWriter;
use arrow_schema::{Fields, IntervalUnit, TimeUnit, UnionFields, UnionMode};

use super::*;

fn refused(fields: Vec<Field>) -> String {
    Decoder::compile(schema(fields)).unwrap_err().to_string()
}

fn record(fields: Vec<Field>) -> DataType {
    DataType::Struct(Fields::from(fields))
}

fn list(item: DataType) -> DataType {
    DataType::List(Arc::new(field("item", item)))
}

#[test]
fn unsupported_types_are_refused_by_name_and_path() {
    let one = Arc::new(field("item", DataType::Int8));
    let ends = Arc::new(Field::new("run_ends", DataType::Int32, false));
    let members = UnionFields::from_fields([field("x", DataType::Int8)]);
    let cast = "is not supported: cast the column to a supported type";
    for (data_type, name) in [
        (DataType::Interval(IntervalUnit::DayTime), "interval"),
        (DataType::Union(members, UnionMode::Dense), "union"),
        (DataType::RunEndEncoded(ends, Arc::clone(&one)), "run-end encoded"),
        (DataType::ListView(Arc::clone(&one)), "list view"),
        (DataType::LargeListView(one), "list view"),
    ] {
        let inside = record(vec![field("b", list(data_type.clone()))]);
        assert_eq!(
            refused(vec![field("a", inside)]),
            format!("column `a.b`: the type {name} {cast}")
        );
        let expected = format!("column `a`: the type {name} {cast}");
        assert_eq!(refused(vec![field("a", data_type)]), expected);
    }
}

#[test]
fn types_that_make_no_sense_are_refused() {
    let map = |key: Field, nullable| {
        let pair = record(vec![key, field("value", DataType::Int8)]);
        DataType::Map(Arc::new(Field::new("entries", pair, nullable)), false)
    };
    let key = |data_type| Field::new("key", data_type, false);
    let dictionary = |values| DataType::Dictionary(Box::new(DataType::Int8), Box::new(values));
    let plain = "must be text, numbers or another plain type";
    for (data_type, reason) in [
        (DataType::Time32(TimeUnit::Nanosecond), "the type Time32(ns) is not supported".to_owned()),
        (DataType::Decimal32(10, 0), "a decimal32 has 1 to 9 digits, not 10".to_owned()),
        (DataType::Decimal128(0, 0), "a decimal128 has 1 to 38 digits, not 0".to_owned()),
        (
            DataType::Decimal128(5, 6),
            "a decimal of 5 digits has a scale of -76 to 5, not 6".to_owned(),
        ),
        (
            map(field("key", DataType::Utf8), false),
            "the entries and the keys of a map must not be nullable".to_owned(),
        ),
        (
            map(key(DataType::Utf8), true),
            "the entries and the keys of a map must not be nullable".to_owned(),
        ),
        (map(key(list(DataType::Int8)), false), format!("the keys of a map {plain}")),
        (dictionary(list(DataType::Int8)), format!("a dictionary's values {plain}")),
        (dictionary(dictionary(DataType::Utf8)), format!("a dictionary's values {plain}")),
    ] {
        assert_eq!(refused(vec![field("a", data_type)]), format!("column `a`: {reason}"));
    }
    assert_eq!(
        refused(vec![Field::new("a", DataType::Null, false)]),
        "column `a`: a column of type null cannot be required: it holds only nulls"
    );
    let json = HashMap::from([("ARROW:extension:name".to_owned(), "arrow.json".to_owned())]);
    assert_eq!(
        refused(vec![field("a", DataType::Int8).with_metadata(json)]),
        "column `a`: the extension type arrow.json is for text columns"
    );
}

#[test]
fn fixed_sizes_are_bounded_also_inside_each_other() {
    let fixed = |item, size| DataType::FixedSizeList(Arc::new(field("item", item)), size);
    for size in [0, -1, (1 << 20) + 1, i32::MAX, i32::MIN] {
        let reason = format!(
            "column `a`: a fixed size of {size} is not supported: it must be 1 to 1048576, and so \
             must the product of fixed sizes inside each other"
        );
        assert_eq!(refused(vec![field("a", fixed(DataType::Null, size))]), reason);
        assert_eq!(refused(vec![field("a", DataType::FixedSizeBinary(size))]), reason);
    }
    decoder(vec![field("a", fixed(fixed(DataType::Null, 1 << 10), 1 << 10))]);
    let error = refused(vec![field("a", fixed(fixed(DataType::Null, 1 << 10), (1 << 10) + 1))]);
    assert!(error.starts_with("column `a`: a fixed size of 1024 is not supported"), "{error}");
}

#[test]
fn names_are_unique_among_siblings_and_not_too_long() {
    let int = |name: &str| field(name, DataType::Int8);
    assert_eq!(
        refused(vec![int("a"), int("b"), int("a")]),
        "column `a`: the name is used twice; names are unique among siblings"
    );
    assert_eq!(
        refused(vec![field("a", record(vec![int("b"), int("b")]))]),
        "column `a.b`: the name is used twice; names are unique among siblings"
    );
    decoder(vec![int("a"), field("b", record(vec![int("a")]))]);
    assert_eq!(refused(vec![int("a"), int("")]), "field 2 has no name");
    assert_eq!(refused(vec![field("a", record(vec![int("")]))]), "column `a`: field 1 has no name");
    decoder(vec![int(&"x".repeat(1024))]);
    assert_eq!(
        refused(vec![int(&"x".repeat(1025))]),
        format!(
            "the name of field 1 (`{}…`) is 1025 bytes long, at most 1024 are allowed",
            "x".repeat(40)
        )
    );
}

#[test]
fn the_number_of_fields_and_their_depth_are_bounded() {
    let ints = |count| (0..count).map(|i| field(&format!("c{i}"), DataType::Int8)).collect();
    decoder(ints(4096));
    let many = "the schema has more than 4096 fields, those inside others counted";
    assert!(refused(ints(4097)).ends_with(many));
    assert!(refused(vec![field("a", record(ints(4096)))]).ends_with(many));
    assert_eq!(refused(vec![]), "the schema has no columns");
    let deep = |depth| (1..depth).fold(DataType::Int8, |item, _| list(item));
    decoder(vec![field("a", deep(64))]);
    assert_eq!(refused(vec![field("a", deep(65))]), "column `a`: fields nest deeper than 64");
}

fn ipc(schema: &Schema) -> Bytes {
    let mut bytes = Vec::new();
    StreamWriter::try_new(&mut bytes, schema).unwrap().finish().unwrap();
    bytes.into()
}

#[test]
fn a_schema_is_read_from_its_message_or_from_a_stream() {
    let metadata = HashMap::from([("key".to_owned(), "value".to_owned())]);
    let fields = samples::every_type().into_iter().map(|(field, _)| field).collect::<Vec<_>>();
    let expected = Schema::new_with_metadata(fields, metadata);
    let stream = ipc(&expected);
    assert_eq!(schema_from_ipc(&stream).unwrap().as_ref(), &expected);
    let message = stream.slice(..stream.len() - 8);
    assert_eq!(schema_from_ipc(&message).unwrap().as_ref(), &expected);
    let without_marker = message.slice(4..);
    assert_eq!(schema_from_ipc(&without_marker).unwrap().as_ref(), &expected);
    for shift in 1..8 {
        let shifted = Bytes::from([&vec![0; shift], &stream[..]].concat()).slice(shift..);
        assert_eq!(schema_from_ipc(&shifted).unwrap().as_ref(), &expected);
    }
}

#[test]
fn the_deepest_and_widest_schemas_are_read() {
    let deep = (1..64).fold(DataType::Int8, |item, _| record(vec![field("x", item)]));
    let dictionary = DataType::Dictionary(Box::new(DataType::Int16), Box::new(DataType::Utf8));
    let wide = (0..4095).map(|i| field(&format!("c{i}"), dictionary.clone()));
    for fields in [vec![field("a", deep)], wide.collect::<Vec<_>>()] {
        let expected = Schema::new(fields);
        let read = schema_from_ipc(&ipc(&expected)).unwrap();
        assert_eq!(read.as_ref(), &expected);
        Decoder::compile(read).unwrap();
    }
}

#[test]
fn bytes_that_are_no_schema_are_refused() {
    let refused = |bytes: Bytes| schema_from_ipc(&bytes).unwrap_err().to_string();
    let prefix = "not an Arrow IPC schema message: ";
    let stream = ipc(&schema(vec![field("a", DataType::Int8)]));
    assert_eq!(refused(Bytes::new()), format!("{prefix}it is empty"));
    assert_eq!(
        refused(stream.slice(..20)),
        format!(
            "{prefix}truncated: {} bytes are due at byte 8, but only 12 are left",
            stream.len() - 16
        )
    );
    assert_eq!(refused(stream.slice(stream.len() - 8..)), format!("{prefix}it is empty"));
    let batch = samples::ipc_bare(&samples::flights(1));
    assert_eq!(
        refused(batch.into()),
        format!("{prefix}its first message is a RecordBatch, not a Schema")
    );
    assert_eq!(
        refused(Bytes::from_static(&[0xff; 16])),
        format!("{prefix}the message at byte 0 has the negative length -1")
    );
}
