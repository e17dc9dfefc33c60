//! The exact JSON of structs, lists, maps and dictionaries, of sliced arrays, and of names.
#![expect(clippy::unwrap_used, reason = "a test's helpers may fail it as the test itself may")]

mod common;

use std::{collections::HashMap, sync::Arc};

use arrow_array::{builder::*, cast::AsArray, types::*, *};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{
    DataType, Field, Fields, IntervalUnit, Schema, TimeUnit, UnionFields, UnionMode,
    extension::EXTENSION_TYPE_NAME_KEY,
};
use common::{WIDE, batch_of, encode, json, texts, values, values_of};
use serializers::{DEPTH_MAX, EncodeError, Encoder, NonFinite, PlanError, Records};

fn item() -> Arc<Field> {
    Arc::new(Field::new("item", DataType::Int64, true))
}

#[test]
fn lists_of_all_kinds() {
    let rows = || vec![Some(vec![Some(1), None]), Some(vec![]), None, Some(vec![Some(-3)])];
    let expected = ["[1,null]", "[]", "null", "[-3]"];
    let lists = ListArray::from_iter_primitive::<Int64Type, _, _>(rows());
    assert_eq!(values(Arc::new(lists.clone())), expected);
    assert_eq!(values(Arc::new(lists.slice(1, 3))), expected[1..]);
    let large = LargeListArray::from_iter_primitive::<Int64Type, _, _>(rows());
    assert_eq!(values(Arc::new(large.slice(2, 2))), expected[2..]);
    let pairs = vec![Some(vec![Some(1), None]), None, Some(vec![Some(5), Some(6)])];
    let fixed = FixedSizeListArray::from_iter_primitive::<Int64Type, _, _>(pairs, 2);
    assert_eq!(values(Arc::new(fixed.clone())), ["[1,null]", "null", "[5,6]"]);
    assert_eq!(values(Arc::new(fixed.slice(2, 1))), ["[5,6]"]);
    let empty = FixedSizeListArray::try_new_with_length(
        item(),
        0,
        Arc::new(Int64Array::from(Vec::<i64>::new())),
        None,
        2,
    );
    assert_eq!(values(Arc::new(empty.unwrap())), ["[]", "[]"]);
}

#[test]
fn structs_within_lists_within_structs() {
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]));
    let names: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), Some("b"), None]));
    let fields = Fields::from(vec![
        Field::new("n", DataType::Int64, true),
        Field::new("s", DataType::Utf8, true),
    ]);
    let nulls = NullBuffer::from(vec![true, false, true]);
    let inner = StructArray::new(fields, vec![numbers, names], Some(nulls));
    let expected = [r#"{"n":1,"s":"a"}"#, "null", r#"{"n":3,"s":null}"#];
    assert_eq!(values(Arc::new(inner.clone())), expected);
    assert_eq!(values(Arc::new(inner.slice(1, 2))), expected[1..]);

    let field = Arc::new(Field::new("item", inner.data_type().clone(), true));
    let lists = ListArray::new(field, OffsetBuffer::from_lengths([2, 0, 1]), Arc::new(inner), None);
    let outer = StructArray::from(vec![(
        Arc::new(Field::new("l", lists.data_type().clone(), true)),
        Arc::new(lists) as ArrayRef,
    )]);
    assert_eq!(
        values(Arc::new(outer)),
        [r#"{"l":[{"n":1,"s":"a"},null]}"#, r#"{"l":[]}"#, r#"{"l":[{"n":3,"s":null}]}"#,]
    );
}

#[test]
fn a_struct_or_a_row_without_fields_is_an_empty_object() {
    assert_eq!(values(Arc::new(StructArray::new_empty_fields(2, None))), ["{}", "{}"]);
    let options = RecordBatchOptions::new().with_row_count(Some(3));
    let batch =
        RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options).unwrap();
    assert_eq!(texts(&encode(&json(NonFinite::Null), &WIDE, &batch)), ["{}"; 3]);
}

fn map(keys: ArrayRef, values: ArrayRef, lengths: Vec<usize>) -> ArrayRef {
    let fields = Fields::from(vec![
        Field::new("keys", keys.data_type().clone(), false),
        Field::new("values", values.data_type().clone(), true),
    ]);
    let entries = StructArray::new(fields, vec![keys, values], None);
    let field = Arc::new(Field::new("entries", entries.data_type().clone(), false));
    let offsets = OffsetBuffer::from_lengths(lengths);
    Arc::new(MapArray::new(field, offsets, entries, None, false))
}

#[test]
fn map_keys_are_text_and_stand_as_often_as_they_occur() {
    let of = || Arc::new(Float64Array::from(vec![Some(0.5), None, Some(2.0)])) as ArrayRef;
    let texts = map(Arc::new(StringArray::from(vec!["a\n", "b", "b"])), of(), vec![1, 0, 2]);
    assert_eq!(values(texts.clone()), [r#"{"a\n":0.5}"#, "{}", r#"{"b":null,"b":2.0}"#]);
    assert_eq!(values(texts.slice(2, 1)), [r#"{"b":null,"b":2.0}"#]);
    let numbers = map(Arc::new(Int32Array::from(vec![-1, 0, i32::MAX])), of(), vec![3]);
    assert_eq!(values(numbers), [r#"{"-1":0.5,"0":null,"2147483647":2.0}"#]);
    let unsigned = map(Arc::new(UInt64Array::from(vec![u64::MAX, 0, 1])), of(), vec![3]);
    assert_eq!(values(unsigned), [r#"{"18446744073709551615":0.5,"0":null,"1":2.0}"#]);
    let flags = map(Arc::new(BooleanArray::from(vec![true, false, true])), of(), vec![2, 1]);
    assert_eq!(values(flags), [r#"{"true":0.5,"false":null}"#, r#"{"true":2.0}"#]);
    let views = map(Arc::new(StringViewArray::from(vec!["x", "y", "z"])), of(), vec![3]);
    assert_eq!(values(views), [r#"{"x":0.5,"y":null,"z":2.0}"#]);
    let dictionary: DictionaryArray<Int8Type> = vec!["p", "q", "p"].into_iter().collect();
    let keyed = map(Arc::new(dictionary), of(), vec![3]);
    assert_eq!(values(keyed), [r#"{"p":0.5,"q":null,"p":2.0}"#]);
}

#[test]
fn a_map_key_is_text_even_if_that_text_is_json() {
    let key = Field::new("keys", DataType::Utf8, false).with_metadata(HashMap::from([(
        EXTENSION_TYPE_NAME_KEY.to_owned(),
        "arrow.json".to_owned(),
    )]));
    let fields = Fields::from(vec![key, Field::new("values", DataType::Int64, true)]);
    let columns: Vec<ArrayRef> =
        vec![Arc::new(StringArray::from(vec!["[1]"])), Arc::new(Int64Array::from(vec![2]))];
    let entries = StructArray::new(fields, columns, None);
    let field = Arc::new(Field::new("entries", entries.data_type().clone(), false));
    let offsets = OffsetBuffer::from_lengths([1]);
    let maps = MapArray::new(field, offsets, entries, None, false);
    assert_eq!(values(Arc::new(maps)), [r#"{"[1]":2}"#]);
}

#[test]
fn a_null_behind_a_map_key_rejects_its_row() {
    // Arrow's constructors refuse such a map; one that is put together from parts, as a reader
    // of foreign bytes does, may hold it.
    let dictionary = |names: Vec<Option<&str>>| {
        let names = Arc::new(StringArray::from(names));
        DictionaryArray::new(Int8Array::from(vec![0, 0, 1]), names as ArrayRef)
    };
    let numbers = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let maps = map(Arc::new(dictionary(vec![Some("a"), Some("b")])), numbers, vec![1, 2]);
    let entries = maps.as_map().entries().to_data();
    let mut children = entries.child_data().to_vec();
    children[0] = dictionary(vec![Some("a"), None]).to_data();
    let entries = entries.into_builder().child_data(children).build().unwrap();
    let maps = maps.to_data().into_builder().child_data(vec![entries]).build().unwrap();
    let maps = Arc::new(MapArray::from(maps));
    assert_eq!(values(maps), [r#"{"a":1}"#, "v[1].key NULL_MAP_KEY"]);
}

#[test]
fn dictionaries_are_their_values() {
    fn check<K: ArrowDictionaryKeyType>(keys: PrimitiveArray<K>) {
        let names = Arc::new(StringArray::from(vec![Some("a"), None, Some("longer than a word")]));
        let array = DictionaryArray::new(keys, names as ArrayRef);
        let expected = [r#""longer than a word""#, r#""a""#, "null", "null"];
        assert_eq!(values(Arc::new(array.clone())), expected);
        assert_eq!(values(Arc::new(array.slice(1, 3))), expected[1..]);
    }
    check(Int8Array::from(vec![Some(2), Some(0), Some(1), None]));
    check(Int16Array::from(vec![Some(2), Some(0), Some(1), None]));
    check(Int32Array::from(vec![Some(2), Some(0), Some(1), None]));
    check(Int64Array::from(vec![Some(2), Some(0), Some(1), None]));
    check(UInt8Array::from(vec![Some(2), Some(0), Some(1), None]));
    check(UInt16Array::from(vec![Some(2), Some(0), Some(1), None]));
    check(UInt32Array::from(vec![Some(2), Some(0), Some(1), None]));
    check(UInt64Array::from(vec![Some(2), Some(0), Some(1), None]));
}

#[test]
fn a_dictionary_may_hold_structs() {
    let parts = StructArray::from(vec![(
        Arc::new(Field::new("d", DataType::Date32, true)),
        Arc::new(Date32Array::from(vec![Some(0), None])) as ArrayRef,
    )]);
    let keys = UInt16Array::from(vec![Some(1), None, Some(0), Some(0)]);
    let array = DictionaryArray::new(keys, Arc::new(parts));
    let day = r#"{"d":"1970-01-01"}"#;
    assert_eq!(values(Arc::new(array)), [r#"{"d":null}"#, "null", day, day]);
}

#[test]
fn what_is_wrong_within_nested_values_is_named_by_its_path() {
    let days = ListArray::from_iter_primitive::<Date32Type, _, _>(vec![
        Some(vec![Some(0)]),
        Some(vec![Some(0), None, Some(i32::MAX)]),
    ]);
    let inner = StructArray::from(vec![(
        Arc::new(Field::new("b", days.data_type().clone(), true)),
        Arc::new(days) as ArrayRef,
    )]);
    assert_eq!(values(Arc::new(inner.clone())), [r#"{"b":["1970-01-01"]}"#, "v.b[2] OUT_OF_RANGE"]);
    let floats = Arc::new(Float64Array::from(vec![1.0, f64::NAN]));
    let maps = map(Arc::new(StringArray::from(vec!["a", "b"])), floats, vec![2]);
    assert_eq!(values_of(&batch_of(maps), NonFinite::Error), ["v[1].value NON_FINITE"]);
    let records = encode(&json(NonFinite::Null), &WIDE, &batch_of(Arc::new(inner)));
    assert_eq!(
        records.rejected()[0].to_string(),
        "row 1, column `v.b[2]`: the year is not within 0000 to 9999 (OUT_OF_RANGE)"
    );
}

#[test]
fn names_are_escaped_whatever_their_length() {
    let long = "n".repeat(100);
    let edge = ["x".repeat(27), "x".repeat(28), "x".repeat(29), "x".repeat(30)];
    let names = ["", "a\"b", "é", "line\n", &long, &edge[0], &edge[1], &edge[2], &edge[3]];
    let number: ArrayRef = Arc::new(Int64Array::from(vec![7]));
    let columns = names.iter().map(|&name| (name, number.clone()));
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let expected: Vec<String> =
        names.iter().map(|name| format!("{}:7", serde_json::to_string(name).unwrap())).collect();
    let records = encode(&json(NonFinite::Null), &WIDE, &batch);
    assert_eq!(texts(&records), [format!("{{{}}}", expected.join(","))]);
}

fn refused(fields: Vec<Field>) -> PlanError {
    Encoder::compile(&json(NonFinite::Null), &Schema::new(fields)).unwrap_err()
}

#[test]
fn types_that_no_record_can_hold_are_refused_by_name() {
    let of = |name: &str, of: DataType| Field::new(name, of, true);
    let union = UnionFields::try_new(vec![0], vec![of("u", DataType::Int8)]).unwrap();
    let runs = DataType::RunEndEncoded(
        Arc::new(Field::new("run_ends", DataType::Int32, false)),
        Arc::new(of("values", DataType::Utf8)),
    );
    for data_type in [
        DataType::Interval(IntervalUnit::MonthDayNano),
        DataType::Union(union, UnionMode::Sparse),
        runs,
        DataType::ListView(item()),
        DataType::LargeListView(item()),
        DataType::Time32(TimeUnit::Nanosecond),
        DataType::Dictionary(Box::new(DataType::Utf8), Box::new(DataType::Utf8)),
    ] {
        let list = DataType::List(Arc::new(of("item", data_type.clone())));
        let error = refused(vec![of("s", DataType::Struct(vec![of("bad", list)].into()))]);
        assert_eq!(error.code(), "TYPE_UNSUPPORTED");
        let text = format!("column `s.bad[]` has type {data_type}, which");
        assert!(error.to_string().starts_with(&text), "{error}");
    }
}

#[test]
fn map_keys_without_text_are_refused() {
    let entries = DataType::Struct(
        vec![
            Field::new("keys", DataType::Float64, false),
            Field::new("values", DataType::Utf8, true),
        ]
        .into(),
    );
    let entries = Arc::new(Field::new("entries", entries, false));
    let error = refused(vec![Field::new("m", DataType::Map(entries, false), true)]);
    assert_eq!(error.code(), "MAP_KEY_UNSUPPORTED");
    assert_eq!(
        error.to_string(),
        "column `m` is a map with keys of type Float64: keys must be text, integers or booleans"
    );
}

#[test]
fn names_that_occur_twice_are_refused_at_every_level() {
    let twice =
        || vec![Field::new("a", DataType::Int8, true), Field::new("a", DataType::Utf8, true)];
    let duplicate = |column: &str| PlanError::NameDuplicate { column: column.into() };
    assert_eq!(refused(twice()), duplicate("a"));
    let nested = Field::new("s", DataType::Struct(twice().into()), true);
    assert_eq!(refused(vec![nested]), duplicate("s.a"));
}

#[test]
fn nesting_is_bounded() {
    let nest = |levels| {
        (0..levels).fold(DataType::Int8, |inner, _| {
            DataType::List(Arc::new(Field::new("item", inner, true)))
        })
    };
    let compile = |levels| {
        let schema = Schema::new(vec![Field::new("deep", nest(levels), true)]);
        Encoder::compile(&json(NonFinite::Null), &schema)
    };
    assert!(compile(DEPTH_MAX - 1).is_ok());
    assert_eq!(compile(DEPTH_MAX).unwrap_err().code(), "TOO_DEEP");
}

#[test]
fn a_batch_of_another_schema_is_refused() {
    let numbers = batch_of(Arc::new(Int64Array::from(vec![1])));
    let words = batch_of(Arc::new(StringArray::from(vec!["a"])));
    let encoder = Encoder::compile(&json(NonFinite::Null), numbers.schema_ref()).unwrap();
    let mut records = Records::new();
    encoder.encode(&numbers, &WIDE, &mut records).unwrap();
    let error = encoder.encode(&words, &WIDE, &mut records).unwrap_err();
    assert!(matches!(&error, EncodeError::SchemaMismatch { reason } if reason.contains("Utf8")));
    assert_eq!(error.code(), "SCHEMA_MISMATCH");
    assert!(records.is_empty() && records.bytes().is_empty());
    let none = RecordBatch::new_empty(Arc::new(Schema::empty()));
    let error = encoder.encode(&none, &WIDE, &mut records).unwrap_err();
    assert!(error.to_string().ends_with("the batch has 0 columns and the plan 1"), "{error}");
}

#[test]
fn agrees_with_arrows_own_writer_where_both_have_one_opinion() {
    let mut words = ListBuilder::new(StringBuilder::new());
    words.append_value([Some("a\"\u{1}"), None, Some("é\n/")]);
    words.append_null();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("b", Arc::new(BooleanArray::from(vec![Some(true), None]))),
        ("i", Arc::new(Int64Array::from(vec![i64::MIN, i64::MAX]))),
        ("f", Arc::new(Float64Array::from(vec![0.1, -1e300]))),
        ("d", Arc::new(Date32Array::from(vec![-1, 20_000]))),
        ("t", Arc::new(Time64MicrosecondArray::from(vec![1, 86_399_999_999]))),
        (
            "z",
            Arc::new(TimestampSecondArray::from(vec![-1, 1_357_016_400]).with_timezone("+00:00")),
        ),
        ("n", Arc::new(TimestampMillisecondArray::from(vec![1, -1]))),
        ("w", Arc::new(words.finish())),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = arrow_json::WriterBuilder::new()
        .with_explicit_nulls(true)
        .build::<_, arrow_json::writer::LineDelimited>(Vec::new());
    writer.write(&batch).unwrap();
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let theirs = String::from_utf8(writer.into_inner()).unwrap();
    let theirs: Vec<_> = theirs.lines().map(parse).collect();
    let ours = texts(&encode(&json(NonFinite::Null), &WIDE, &batch));
    assert_eq!(ours.iter().map(|text| parse(text)).collect::<Vec<_>>(), theirs);
}

#[test]
fn an_encoder_may_be_shared_by_threads() {
    fn shared<T: Send + Sync + 'static>(_: &T) {}
    let batch = batch_of(Arc::new(Int64Array::from(vec![1])));
    shared(&Encoder::compile(&json(NonFinite::Null), batch.schema_ref()).unwrap());
}
