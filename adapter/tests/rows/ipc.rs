//! Arrow IPC: what a batch may consist of, nulls in required columns, and messages that lie.

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Int8Type, Int32Type};
use arrow_array::*;
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_ipc::MetadataVersion;
use arrow_ipc::writer::{IpcWriteOptions, StreamWriter};
use arrow_schema::{Fields, TimeUnit};

use super::craft::Claim;
use super::samples::{batch, column, flights, ipc_bare, ipc_stream};
use super::*;

fn refused(schema: SchemaRef, bytes: impl Into<Bytes>) -> String {
    let error = decode(schema, Carrier::ArrowIpc, bytes).unwrap_err();
    assert_eq!(error.code(), "BAD_CARRIER");
    let text = error.to_string();
    text.strip_prefix("not valid Arrow IPC: ").unwrap_or_else(|| panic!("{text}")).to_owned()
}

/// Why the claim is refused for a column `a` of the type.
fn claim_refused(data_type: DataType, claim: &Claim<'_>) -> String {
    refused(schema(vec![field("a", data_type)]), claim.batch())
}

fn ints() -> RecordBatch {
    batch(vec![column("a", Int32Array::from(vec![Some(1), None, Some(3)]))])
}

fn words() -> RecordBatch {
    let array: DictionaryArray<Int8Type> =
        vec![Some("x"), None, Some("y"), Some("x")].into_iter().collect();
    batch(vec![column("a", array)])
}

fn words_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8))
}

/// The messages of a stream, cut apart, without the end-of-stream mark.
fn messages(stream: &[u8]) -> Vec<Vec<u8>> {
    let (mut all, mut rest) = (Vec::new(), stream);
    while rest.len() > 8 {
        let len = u32::from_le_bytes(rest[4..8].try_into().unwrap()) as usize;
        let body = arrow_ipc::root_as_message(&rest[8..]).unwrap().bodyLength() as usize;
        let (message, next) = rest.split_at(8 + len + body);
        all.push(message.to_vec());
        rest = next;
    }
    all
}

#[test]
fn aligned_columns_are_not_copied() {
    let rows = ints();
    let bytes = Bytes::from(ipc_stream(&rows));
    let decoded = decode(rows.schema(), Carrier::ArrowIpc, bytes.clone()).unwrap();
    let values = decoded.batch.column(0).to_data().buffers()[0].as_ptr();
    assert!(bytes.as_ptr_range().contains(&values));
}

#[test]
fn the_stream_may_start_and_end_as_it_likes() {
    let rows = words();
    let stream = ipc_stream(&rows);
    let parts = messages(&stream);
    let [schema_message, dictionary, record_batch] = &parts[..] else { panic!("{}", parts.len()) };
    let end = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
    for bytes in [
        [&dictionary[..], record_batch].concat(),
        [&dictionary[..], record_batch, &end].concat(),
        [&schema_message[..], dictionary, record_batch].concat(),
        [&schema_message[..], dictionary, record_batch, &end[4..]].concat(),
        // Before version 0.15 there was no marker.
        [&schema_message[4..], &dictionary[4..], &record_batch[4..], &end[4..]].concat(),
    ] {
        let decoded = decode(rows.schema(), Carrier::ArrowIpc, bytes).unwrap();
        assert_all_good(&decoded, &rows, "stream");
    }
}

#[test]
fn messages_out_of_place_are_refused() {
    let rows = words();
    let stream = ipc_stream(&rows);
    let parts = messages(&stream);
    let [schema_message, dictionary, record_batch] = &parts[..] else { panic!("{}", parts.len()) };
    let end = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
    let refused = |parts: &[&[u8]]| refused(rows.schema(), parts.concat());
    assert_eq!(refused(&[]), "it has no record batch");
    assert_eq!(refused(&[schema_message, dictionary]), "it has no record batch");
    assert_eq!(
        refused(&[dictionary, record_batch, record_batch]),
        "it has more than one record batch: send each as a batch of its own"
    );
    assert_eq!(
        refused(&[dictionary, record_batch, dictionary]),
        "a DictionaryBatch message follows the record batch"
    );
    assert_eq!(
        refused(&[dictionary, schema_message, record_batch]),
        "a schema message stands behind another message"
    );
    assert_eq!(
        refused(&[record_batch]),
        "column `a`: its dictionary did not come: every batch brings its dictionaries, as a whole \
         IPC stream does"
    );
    assert_eq!(
        refused(&[dictionary, dictionary, record_batch]),
        "the dictionary with id 0: it came twice"
    );
    let at = stream.len();
    assert_eq!(
        refused(&[&stream, &end]),
        format!("bytes follow the end-of-stream mark, at byte {at}")
    );
}

#[test]
fn a_truncated_stream_says_where_it_ends() {
    let rows = words();
    let stream = ipc_stream(&rows);
    let lengths = messages(&stream).into_iter().map(|message| message.len());
    let ends = lengths
        .scan(0, |end, len| {
            *end += len;
            Some(*end)
        })
        .collect::<Vec<_>>();
    for cut in 1..*ends.last().unwrap() {
        let error = refused(rows.schema(), Bytes::copy_from_slice(&stream[..cut]));
        if ends.contains(&cut) {
            assert_eq!(error, "it has no record batch", "{cut}");
        } else {
            assert!(error.starts_with("truncated: "), "{cut}: {error}");
        }
    }
}

#[test]
fn dictionaries_are_matched_by_the_ids_of_the_batch() {
    let two = |flip: bool| {
        let a: DictionaryArray<Int8Type> = vec!["x", "y"].into_iter().collect();
        let b: DictionaryArray<Int32Type> = vec!["p", "q"].into_iter().collect();
        let mut columns = vec![column("a", a), column("b", b)];
        if flip {
            columns.insert(0, column("c", words().column(0).slice(0, 2)));
        }
        batch(columns)
    };
    // Without ids of its own the declared schema takes those of the batch.
    let plain = schema(
        two(false)
            .schema()
            .fields()
            .iter()
            .map(|f| field(f.name(), f.data_type().clone()))
            .collect(),
    );
    let decoded = decode(plain, Carrier::ArrowIpc, ipc_stream(&two(false))).unwrap();
    assert_eq!(decoded.batch, two(false));
    // Ids that start elsewhere: those of a schema with another column in front.
    let shifted = two(true).project(&[1, 2]).unwrap();
    let decoded = decode(shifted.schema(), Carrier::ArrowIpc, ipc_stream(&two(false))).unwrap();
    assert_eq!(decoded.batch, two(false));
    let error = refused(shifted.schema(), ipc_bare(&two(false)));
    assert_eq!(error, "the dictionary with id 0: no column of the schema has this id");
}

#[test]
fn dictionary_messages_that_lie_are_refused() {
    let rows = words();
    let refused = |message: Vec<u8>| refused(rows.schema(), message);
    let offsets = [0, 0, 0, 0, 1, 0, 0, 0, b'x'];
    let values = |nodes| Claim::new(1, nodes, &[(0, 0), (0, 8), (8, 1)], &offsets);
    assert_eq!(
        refused(values(&[(1, 0)]).dictionary(0, true)),
        "the dictionary with id 0: deltas are not supported: every batch brings its dictionaries"
    );
    assert_eq!(
        refused(values(&[(1, 0)]).dictionary(7, false)),
        "the dictionary with id 7: no column of the schema has this id"
    );
    assert_eq!(
        refused(values(&[(9, 0)]).dictionary(0, false)),
        "the dictionary with id 0: column `values`: it has 9 values where 1 are due"
    );
    let keys = [0, 1];
    let batch = Claim::new(2, &[(2, 0)], &[(0, 0), (0, 2)], &keys);
    let both = [values(&[(1, 0)]).dictionary(0, false), batch.batch()].concat();
    let error = refused(both);
    assert!(error.contains("Value at position 1 out of bounds"), "{error}");
}

#[test]
fn the_schema_of_a_batch_must_be_the_declared_one() {
    let rows = samples::batch(samples::every_type());
    let stream = ipc_stream(&rows);
    let with = |change: fn(Field) -> Field| {
        let fields = rows.schema().fields().iter().map(|f| change(f.as_ref().clone())).collect();
        refused(schema(fields), stream.clone())
    };
    assert_eq!(
        with(|f| if f.name() == "int8" { f.with_name("int9") } else { f }),
        "column `int9`: its name in the batch's schema message is `int8`"
    );
    assert_eq!(
        with(|f| if f.name() == "int8" { f.with_nullable(false) } else { f }),
        "column `int8`: nullable is true in the batch's schema message, but false in the declared \
         schema"
    );
    assert_eq!(
        with(|f| if f.name() == "int8" { f.with_data_type(DataType::UInt8) } else { f }),
        "column `int8`: its type in the batch's schema message is not the declared UInt8"
    );
    let fewer = rows.project(&[0, 1]).unwrap();
    assert_eq!(
        refused(fewer.schema(), stream),
        format!("its schema message has {} columns, but 2 are declared", rows.num_columns())
    );
}

/// Each type is told from each other, except for names inside lists and maps.
#[test]
fn types_of_a_schema_message_are_told_apart() {
    let columns = samples::every_type();
    let streams = columns.iter().map(|(f, array)| {
        let column = (f.clone().with_name("a"), Arc::clone(array));
        let rows = batch(vec![column]);
        (rows.schema(), ipc_stream(&rows))
    });
    let streams = streams.collect::<Vec<_>>();
    for (declared, _) in &streams {
        for (came, stream) in &streams {
            let same = declared.field(0).data_type() == came.field(0).data_type()
                && declared.field(0).is_nullable() == came.field(0).is_nullable();
            let result = decode(Arc::clone(declared), Carrier::ArrowIpc, stream.clone());
            assert_eq!(result.is_ok(), same, "{declared} {came}");
        }
    }
}

#[test]
fn metadata_and_the_names_inside_lists_may_differ() {
    let list = |name: &str| {
        let values = Int32Array::from(vec![1, 2]);
        let item = Arc::new(field(name, DataType::Int32));
        let array = ListArray::new(item, OffsetBuffer::from_lengths([2]), Arc::new(values), None);
        let (field, array) = column("a", array);
        batch(vec![(field.with_metadata([("by".to_owned(), name.to_owned())]), array)])
    };
    let declared = list("item");
    let decoded = decode(declared.schema(), Carrier::ArrowIpc, ipc_stream(&list("element")));
    assert_all_good(&decoded.unwrap(), &declared, "list");
}

#[test]
fn rows_with_a_null_in_a_required_column_are_named() {
    let nullable = |fields: &[(&str, DataType)]| {
        let fields = fields.iter().map(|(name, data_type)| field(name, data_type.clone()));
        DataType::Struct(fields.collect())
    };
    let inner = Int32Array::from(vec![Some(1), None, None, Some(4)]);
    let nulls = NullBuffer::from(vec![true, true, false, true]);
    let record = |fields: Fields| {
        StructArray::new(fields, vec![Arc::new(inner.clone())], Some(nulls.clone()))
    };
    let DataType::Struct(optional) = nullable(&[("x", DataType::Int32)]) else { panic!() };
    let items = Int32Array::from(vec![Some(1), Some(2), None, Some(4)]);
    let lists = |item: Field| {
        let offsets = OffsetBuffer::from_lengths([1, 1, 1, 1]);
        ListArray::new(Arc::new(item), offsets, Arc::new(items.clone()), None)
    };
    let came = batch(vec![
        column("a", Int32Array::from(vec![Some(1), Some(2), Some(3), Some(4)])),
        column("r", record(optional)),
        column("l", lists(field("item", DataType::Int32))),
        column("last", StringArray::from(vec![Some("p"), Some("q"), Some("r"), None])),
    ]);
    // Row 2 has a null record, which may hide what is null inside it.
    let required = Fields::from(vec![Field::new("x", DataType::Int32, false)]);
    let declared = schema(vec![
        Field::new("a", DataType::Int32, false),
        field("r", DataType::Struct(required)),
        field("l", DataType::List(Arc::new(Field::new("item", DataType::Int32, false)))),
        Field::new("last", DataType::Utf8, false),
    ]);
    let decoded = decode(Arc::clone(&declared), Carrier::ArrowIpc, ipc_bare(&came)).unwrap();
    let reason = "NULL_IN_REQUIRED the value is null, but the column is required";
    assert_eq!(
        bad_rows(&decoded),
        format!("1 `r.x` {reason}\n2 `l[0]` {reason}\n3 `last` {reason}")
    );
    assert_eq!((decoded.rows_total, decoded.rejected_total), (4, 3));
    assert_eq!(decoded.row_map, Some(vec![0]));
    assert_eq!(decoded.batch.schema(), declared);
    assert_eq!(decoded.batch.num_rows(), 1);
}

#[test]
fn good_rows_of_every_type_survive_a_bad_one() {
    let mut columns = samples::every_type();
    columns.push(column("last", Int32Array::from(vec![Some(1), Some(2), None, Some(4)])));
    let came = batch(columns);
    let nullable = came.schema();
    let fields = nullable
        .fields()
        .iter()
        .map(|f| f.as_ref().clone().with_nullable(f.name() != "last" && f.is_nullable()));
    let declared = schema(fields.collect());
    let decoded = decode(declared, Carrier::ArrowIpc, ipc_bare(&came)).unwrap();
    assert_eq!(
        bad_rows(&decoded),
        "2 `last` NULL_IN_REQUIRED the value is null, but the column is required"
    );
    assert_eq!(decoded.row_map, Some(vec![0, 1, 3]));
    for (index, column) in came.columns().iter().enumerate() {
        let good = BooleanArray::from(vec![true, true, false, true]);
        let expected = arrow_select::filter::filter(column, &good).unwrap();
        assert_eq!(decoded.batch.column(index), &expected, "{}", came.schema().field(index));
    }
}

/// Arrow itself refuses most of them, but they say nothing: the whole list is null.
#[test]
fn nulls_that_a_null_around_them_hides_are_no_fault() {
    let items = || Arc::new(Int32Array::from(vec![Some(1), Some(2), None, None, None, Some(6)]));
    let nulls = || Some(NullBuffer::from(vec![true, false, true]));
    let item = |nullable| Arc::new(Field::new("item", DataType::Int32, nullable));
    let list = |last: i32| {
        let offsets = OffsetBuffer::new(vec![0, 2, 4, last].into());
        let list = ListArray::new(item(true), offsets, items(), nulls());
        batch(vec![column("a", list)])
    };
    let required = || schema(vec![field("a", DataType::List(item(false)))]);
    let decoded = decode(required(), Carrier::ArrowIpc, ipc_bare(&list(4))).unwrap();
    assert_eq!((bad_rows(&decoded).as_str(), decoded.batch.num_rows()), ("", 3));
    let column = decoded.batch.column(0);
    column.to_data().validate_full().unwrap();
    assert!(column.is_null(1) && column.as_list::<i32>().value(0).len() == 2);
    // One that is in sight still makes its row bad, and leaves the others be.
    let decoded = decode(required(), Carrier::ArrowIpc, ipc_bare(&list(6))).unwrap();
    let found = "2 `a[0]` NULL_IN_REQUIRED the value is null, but the column is required";
    assert_eq!((bad_rows(&decoded).as_str(), decoded.batch.num_rows()), (found, 2));
    decoded.batch.column(0).to_data().validate_full().unwrap();
}

/// Behind a null the key of a dictionary may be anything.
#[test]
fn hidden_keys_of_required_dictionaries_are_left_alone() {
    let came = |keys: [i8; 3], values: &[Option<&str>], there: [bool; 3], q: Option<i32>| {
        let nulls = Some(NullBuffer::from(there.to_vec()));
        let keys = Int8Array::new(keys.to_vec().into(), nulls.clone());
        let words: DictionaryArray<Int8Type> =
            DictionaryArray::new(keys, Arc::new(StringArray::from(values.to_vec())));
        let (word, words) = column("d", words);
        let record = StructArray::new(Fields::from(vec![word]), vec![words], nulls);
        batch(vec![column("s", record), column("q", Int32Array::from(vec![q, Some(2), Some(3)]))])
    };
    let decoded = |rows: &RecordBatch| {
        let word = Field::new("d", words_type(), false);
        let declared = schema(vec![
            field("s", DataType::Struct(Fields::from(vec![word]))),
            Field::new("q", DataType::Int32, false),
        ]);
        let decoded = decode(declared, Carrier::ArrowIpc, ipc_bare(rows)).unwrap();
        decoded.batch.columns().iter().for_each(|c| c.to_data().validate_full().unwrap());
        decoded
    };
    let word = |decoded: &Decoded, row: usize| {
        let record = decoded.batch.column(0).as_struct();
        let words = record.column(0).as_dictionary::<Int8Type>();
        let words = words.downcast_dict::<StringArray>().unwrap();
        record.is_valid(row).then(|| words.value(row).to_owned())
    };
    let there = [true, true, false];
    let good = decoded(&came([0, 0, -1], &[Some("x"), None], there, Some(1)));
    assert_eq!((bad_rows(&good).as_str(), good.batch.num_rows()), ("", 3));
    assert_eq!((word(&good, 1).as_deref(), word(&good, 2)), (Some("x"), None));
    let first = "0 `q` NULL_IN_REQUIRED the value is null, but the column is required";
    let kept = decoded(&came([0, 0, -1], &[Some("x")], there, None));
    assert_eq!((bad_rows(&kept).as_str(), kept.batch.num_rows()), (first, 2));
    assert_eq!((word(&kept, 0).as_deref(), word(&kept, 1)), (Some("x"), None));
    let empty = decoded(&came([0; 3], &[], [false; 3], None));
    assert_eq!((bad_rows(&empty).as_str(), empty.batch.num_rows()), (first, 2));
    assert_eq!((word(&empty, 0), word(&empty, 1)), (None, None));
}

/// One place where the values behind hidden nulls are taken beside one where they cannot be.
#[test]
fn hidden_nulls_of_lists_and_dictionaries_stand_beside_each_other() {
    let nulls = || Some(NullBuffer::from(vec![true, false, true]));
    let keys = Int8Array::new(vec![0, -1, 0].into(), nulls());
    let words = DictionaryArray::new(keys, Arc::new(StringArray::from(vec!["x"])));
    let items = Int32Array::from(vec![Some(1), None, Some(3)]);
    // Below the list a record, whose nulls go and leave those of its field in sight.
    let inner = |nullable| Fields::from(vec![Field::new("i", DataType::Int32, nullable)]);
    let item = |nullable| Field::new("item", DataType::Struct(inner(nullable)), nullable);
    let items = StructArray::new(inner(true), vec![Arc::new(items)], nulls());
    let offsets = OffsetBuffer::from_lengths([1, 1, 1]);
    let list = ListArray::new(Arc::new(item(true)), offsets, Arc::new(items), nulls());
    let fields = |nullable| {
        let list = DataType::List(Arc::new(item(nullable)));
        let field = |name: &str, data_type| Field::new(name, data_type, nullable);
        Fields::from(vec![field("d", words_type()), field("l", list)])
    };
    let record = StructArray::new(fields(true), vec![Arc::new(words), Arc::new(list)], nulls());
    let declared = schema(vec![field("s", DataType::Struct(fields(false)))]);
    let came = ipc_bare(&batch(vec![column("s", record)]));
    let decoded = decode(declared, Carrier::ArrowIpc, came).unwrap();
    assert_eq!((bad_rows(&decoded).as_str(), decoded.batch.num_rows()), ("", 3));
    decoded.batch.column(0).to_data().validate_full().unwrap();
}

#[test]
fn a_null_key_of_a_map_is_named() {
    let keys = StringArray::from(vec![Some("a"), Some("b"), None]);
    let values = Int32Array::from(vec![1, 2, 3]);
    let DataType::Struct(pair) = DataType::Struct(Fields::from(vec![
        field("key", DataType::Utf8),
        field("value", DataType::Int32),
    ])) else {
        panic!()
    };
    let entries = StructArray::new(pair, vec![Arc::new(keys), Arc::new(values)], None);
    let item = Arc::new(field("entries", entries.data_type().clone()));
    let lists = ListArray::new(item, OffsetBuffer::from_lengths([1, 2]), Arc::new(entries), None);
    let came = ipc_bare(&batch(vec![column("m", lists)]));
    let pair = vec![Field::new("key", DataType::Utf8, false), field("value", DataType::Int32)];
    let entries = Field::new("entries", DataType::Struct(pair.into()), false);
    let declared = schema(vec![field("m", DataType::Map(Arc::new(entries), false))]);
    let decoded = decode(declared, Carrier::ArrowIpc, came).unwrap();
    assert_eq!(
        bad_rows(&decoded),
        "1 `m[1].key` NULL_IN_REQUIRED the value is null, but the column is required"
    );
    assert_eq!(decoded.batch.num_rows(), 1);
}

#[test]
fn a_null_behind_the_key_of_a_dictionary_is_found() {
    let values = StringArray::from(vec![Some("x"), None]);
    let keys = Int8Array::from(vec![0, 1, 0]);
    let array = DictionaryArray::new(keys, Arc::new(values));
    let came = batch(vec![column("a", array)]);
    let decoded = decode(came.schema(), Carrier::ArrowIpc, ipc_bare(&came)).unwrap();
    assert_eq!(decoded.rejected_total, 0);
    let declared = schema(vec![Field::new("a", came.column(0).data_type().clone(), false)]);
    let decoded = decode(declared, Carrier::ArrowIpc, ipc_bare(&came)).unwrap();
    assert_eq!(
        bad_rows(&decoded),
        "1 `a` NULL_IN_REQUIRED the value is null, but the column is required"
    );
    assert_eq!(decoded.row_map, Some(vec![0, 2]));
}

#[test]
fn compressed_bodies_are_refused() {
    let mut claim = Claim::new(1, &[(1, 0)], &[(0, 0), (0, 8)], &[0; 8]);
    claim.compressed = true;
    assert_eq!(
        claim_refused(DataType::Int8, &claim),
        "its buffers are compressed, which is not supported: compress the gRPC messages instead"
    );
}

#[test]
fn only_the_versions_4_and_5_are_read() {
    let mut claim = Claim::new(1, &[(1, 0)], &[(0, 0), (0, 1)], &[5]);
    claim.version = MetadataVersion::V4;
    let rows = decode(schema(vec![field("a", DataType::Int8)]), Carrier::ArrowIpc, claim.batch());
    assert_eq!(rows.unwrap().batch.num_rows(), 1);
    claim.version = MetadataVersion::V3;
    assert_eq!(
        claim_refused(DataType::Int8, &claim),
        "the message at byte 0 has a metadata version other than 4 and 5"
    );
    let mut bytes = Vec::new();
    let options = IpcWriteOptions::try_new(8, false, MetadataVersion::V4).unwrap();
    let rows = flights(3);
    let mut writer =
        StreamWriter::try_new_with_options(&mut bytes, &rows.schema(), options).unwrap();
    writer.write(&rows).unwrap();
    drop(writer);
    assert_eq!(decode(rows.schema(), Carrier::ArrowIpc, bytes).unwrap().batch, rows);
}

#[test]
fn lengths_that_lie_are_refused() {
    let i = i64::MAX;
    let refused = claim_refused;
    let eight = [0; 8];
    let int = |nodes: &[(i64, i64)], buffers: &[(i64, i64)]| {
        refused(DataType::Int32, &Claim::new(2, nodes, buffers, &[0; 8]))
    };
    let good: &[(i64, i64)] = &[(0, 0), (0, 8)];
    assert_eq!(int(&[(3, 0)], good), "column `a`: it has 3 values where 2 are due");
    assert_eq!(int(&[(-2, 0)], good), "column `a`: it has -2 values of which 0 are null");
    assert_eq!(int(&[(2, -1)], good), "column `a`: it has 2 values of which -1 are null");
    assert_eq!(int(&[(2, 3)], good), "column `a`: 3 of 2 values are null");
    assert_eq!(int(&[(2, 1)], good), "column `a`: buffer 0 has 0 bytes where 1 are due");
    assert_eq!(int(&[], good), "it has 0 field nodes, but the schema needs 1");
    assert_eq!(int(&[(2, 0), (2, 0)], good), "it has 2 field nodes, but the schema needs 1");
    assert_eq!(int(&[(2, 0)], &good[..1]), "it has 1 buffers, but the schema needs 2");
    let two: &[(i64, i64)] = &[(2, 0)];
    assert_eq!(int(two, &[(0, 0), (0, 7)]), "column `a`: buffer 1 has 7 bytes where 8 are due");
    let outside = |start, len| {
        format!("column `a`: buffer 1 has {len} bytes at {start}, beyond the body of 8 bytes")
    };
    assert_eq!(int(two, &[(0, 0), (1, 8)]), outside(1, 8));
    assert_eq!(int(two, &[(0, 0), (i, i)]), outside(i, i));
    let negative = "column `a`: buffer 1 has a negative offset or length";
    assert_eq!(int(two, &[(0, 0), (-8, 8)]), negative);
    assert_eq!(int(two, &[(0, 0), (0, -8)]), negative);
    assert_eq!(int(two, &[(0, 8), (0, 8)]), "column `a`: buffer 1 overlaps another");
    let mut claim = Claim::new(2, two, good, &eight);
    claim.body_len = -1;
    assert_eq!(
        refused(DataType::Int32, &claim),
        "the message at byte 0 has a negative body length"
    );
    claim.body_len = i;
    let error = refused(DataType::Int32, &claim);
    assert!(error.starts_with(&format!("truncated: {i} bytes are due")), "{error}");
    (claim.rows, claim.body_len) = (-1, 8);
    assert_eq!(refused(DataType::Int32, &claim), "the record batch has a negative length");
    claim.rows = i;
    let error = decode(schema(vec![field("a", DataType::Int32)]), Carrier::ArrowIpc, claim.batch());
    let expected = DecodeError::TooManyRows { rows: i as usize, rows_max: LIMITS.rows_max };
    assert_eq!(error.unwrap_err(), expected);
}

#[test]
fn elements_that_take_no_bytes_are_bounded() {
    let item = |data_type| Arc::new(field("item", data_type));
    let huge = 1 << 62;
    let offsets = [0; 16];
    let list = |len| {
        let (nodes, buffers) = ([(1, 0), (len, len)], [(0, 0), (0, 16)]);
        let claim = Claim::new(1, &nodes, &buffers, &offsets);
        let schema = schema(vec![field("a", DataType::List(item(DataType::Null)))]);
        decode(schema, Carrier::ArrowIpc, claim.batch()).map(|d| d.rows_total)
    };
    assert_eq!(list(1 << 16), Ok(1));
    let reason = format!(
        "not valid Arrow IPC: column `a.item`: lists claim {huge} elements that take no bytes"
    );
    assert_eq!(list(huge), Err(DecodeError::BadCarrier { reason }));
    // A column of nulls has no more of them than the batch has rows.
    let nodes = [(huge, huge)];
    let claim = Claim::new(1, &nodes, &[], &[]);
    let expected = format!("column `a`: it has {huge} values where 1 are due");
    assert_eq!(claim_refused(DataType::Null, &claim), expected);
    let fixed = |data_type, size| DataType::FixedSizeList(item(data_type), size);
    let nodes = [(2, 0), (2 << 20, 2 << 20)];
    let claim = Claim::new(2, &nodes, &[(0, 0)], &[]);
    assert_eq!(
        claim_refused(fixed(DataType::Null, 1 << 20), &claim),
        "column `a.item`: lists claim 2097152 elements that take no bytes"
    );
    let nodes = [(1, 0), (huge, 0)];
    let claim = Claim::new(1, &nodes, &[(0, 0), (0, 16), (0, 0)], &offsets);
    assert_eq!(
        claim_refused(DataType::List(item(DataType::Struct(Fields::empty()))), &claim),
        format!("column `a.item`: lists claim {huge} elements that take no bytes")
    );
}

#[test]
fn lists_and_views_that_lie_are_refused() {
    let item = |data_type| Arc::new(field("item", data_type));
    let body = [0; 64];
    let nodes = [(1, 0), (1 << 40, 0)];
    let claim = Claim::new(1, &nodes, &[(0, 0), (0, 8), (0, 0), (8, 8)], &body);
    assert_eq!(
        claim_refused(DataType::List(item(DataType::Int8)), &claim),
        format!("column `a.item`: buffer 3 has 8 bytes where {} are due", 1_i64 << 40)
    );
    let nodes = [(1, 0), (3, 0)];
    let claim = Claim::new(1, &nodes, &[(0, 0), (0, 0), (0, 8)], &body);
    assert_eq!(
        claim_refused(DataType::FixedSizeList(item(DataType::Int8), 2), &claim),
        "column `a.item`: it has 3 values where 2 are due"
    );
    let nodes = [(1, 0)];
    let view = |variadic: &[i64], body: &[u8]| {
        let claim = Claim::new(1, &nodes, &[(0, 0), (0, 16), (16, 4)], body);
        claim_refused(DataType::Utf8View, &Claim { variadic, ..claim })
    };
    assert_eq!(view(&[], &body), "the number of variadic buffer counts does not suit the schema");
    for (count, expected) in [
        (-1, "a variadic buffer count is out of range".to_owned()),
        (i64::MAX, format!("it has 3 buffers, but the schema needs {}", i64::MAX as usize + 2)),
        (2, "it has 3 buffers, but the schema needs 4".to_owned()),
    ] {
        assert_eq!(view(&[count], &body), expected);
    }
    // 13 bytes, said to be in a buffer of 4.
    let error = view(&[1], &[&[13][..], &[0; 19]].concat());
    assert!(error.starts_with("Invalid argument error: Invalid buffer slice"), "{error}");
}

#[test]
fn parts_of_offsets_views_and_keys_are_refused() {
    let refused = |data_type, nodes: &[(i64, i64)], buffers: &[(i64, i64)]| {
        claim_refused(data_type, &Claim::new(1, nodes, buffers, &[0; 40]))
    };
    let part = |came, len, width| {
        format!("column `a`: buffer 1 has {came} bytes where {len} values of {width} bytes are due")
    };
    let nodes = [(1, 0)];
    assert_eq!(refused(DataType::Utf8, &nodes, &[(0, 0), (0, 9), (16, 0)]), part(9, 2, 4));
    assert_eq!(refused(DataType::LargeUtf8, &nodes, &[(0, 0), (0, 17), (24, 0)]), part(17, 2, 8));
    assert_eq!(refused(DataType::Utf8, &nodes, &[(0, 0), (0, 4), (16, 0)]), part(4, 2, 4));
    let keyed = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    assert_eq!(refused(keyed, &[(1, 1)], &[(0, 1), (8, 5)]), part(5, 1, 4));
}

#[test]
fn what_is_inside_the_buffers_is_validated() {
    let text = |offsets: [i32; 2], data: &[u8]| {
        let mut body = offsets.map(i32::to_le_bytes).concat();
        body.extend(data);
        let (nodes, buffers) = ([(1, 0)], [(0, 0), (0, 8), (8, data.len() as i64)]);
        claim_refused(DataType::Utf8, &Claim::new(1, &nodes, &buffers, &body))
    };
    assert!(text([0, 2], b"\xff\xff").contains("Invalid UTF8 sequence"), "utf-8");
    assert!(text([0, 3], b"ab").contains("is larger than values length"), "too long");
    assert!(text([-1, 1], b"ab").contains("Error converting offset"), "negative");
    assert!(text([2, 1], b"ab").contains("is smaller than last offset"), "{}", text([2, 1], b"ab"));
    let int = |nulls| {
        let (nodes, buffers, body) = ([(8, nulls)], [(0, 1), (8, 8)], [0; 16]);
        claim_refused(DataType::Int8, &Claim::new(8, &nodes, &buffers, &body))
    };
    assert!(int(3).contains("doesn't match actual number of nulls"), "{}", int(3));
}

#[test]
fn other_kinds_of_time_are_not_mixed_up() {
    let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
    let rows = batch(vec![column("a", TimestampMicrosecondArray::from(vec![1]))]);
    let decoded = decode(schema(vec![field("a", micros)]), Carrier::ArrowIpc, ipc_stream(&rows));
    assert_eq!(decoded.unwrap().batch, rows);
    let zoned = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    assert_eq!(
        refused(schema(vec![field("a", zoned)]), ipc_stream(&rows)),
        "column `a`: its type in the batch's schema message is not the declared \
         Timestamp(µs, \"UTC\")"
    );
}
