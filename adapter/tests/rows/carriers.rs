//! The three carriers bring the same batch, whatever its types.

use proptest::prelude::*;

use super::samples::*;
use super::*;

/// What a carrier is given for a batch.
type Encoder = fn(&RecordBatch) -> Vec<u8>;

const CARRIERS: [(Carrier, Encoder); 4] = [
    (Carrier::ArrowIpc, ipc_stream),
    (Carrier::ArrowIpc, ipc_bare),
    (Carrier::TypedRows, typed_bytes),
    (Carrier::JsonLines, json_lines),
];

#[test]
fn every_type_comes_through_every_carrier() {
    for column in every_type() {
        let name = column.0.name().clone();
        let batch = batch(vec![column]);
        for (carrier, encode) in CARRIERS {
            let what = format!("{name} as {carrier}");
            let decoded = decode(batch.schema(), carrier, encode(&batch));
            let decoded = decoded.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_all_good(&decoded, &batch, &what);
        }
    }
}

#[test]
fn all_types_come_through_together() {
    let batch = batch(every_type());
    for (carrier, encode) in CARRIERS {
        let decoded = decode(batch.schema(), carrier, encode(&batch)).unwrap();
        assert_all_good(&decoded, &batch, &carrier.to_string());
    }
}

#[test]
fn unaligned_ipc_is_read_too() {
    let batch = batch(every_type());
    for shift in 1..8 {
        let mut bytes = vec![0; shift];
        bytes.extend(ipc_stream(&batch));
        let bytes = Bytes::from(bytes).slice(shift..);
        let decoded = decode(batch.schema(), Carrier::ArrowIpc, bytes).unwrap();
        assert_all_good(&decoded, &batch, "unaligned");
    }
}

#[test]
fn an_empty_batch_is_a_batch() {
    let full = batch(every_type());
    let empty = full.slice(0, 0);
    for (carrier, encode) in CARRIERS {
        let bytes = if carrier == Carrier::ArrowIpc { encode(&empty) } else { Vec::new() };
        let decoded = decode(empty.schema(), carrier, bytes).unwrap();
        assert_all_good(&decoded, &empty, &carrier.to_string());
    }
}

#[test]
fn more_rows_than_allowed_are_refused_before_they_are_built() {
    let batch = flights(11);
    let decoder = Decoder::compile(batch.schema()).unwrap();
    for (carrier, encode) in CARRIERS {
        let bytes = encode(&batch).into();
        let limits = Limits { rows_max: 10, ..LIMITS };
        let error = decoder.decode(carrier, &bytes, &limits).unwrap_err();
        assert_eq!(error, DecodeError::TooManyRows { rows: 11, rows_max: 10 }, "{carrier}");
        assert_eq!(error.code(), "ROW_COUNT");
        assert_eq!(
            error.to_string(),
            "the batch has 11 rows, but at most 10 are allowed: split it"
        );
    }
}

#[test]
fn more_bytes_than_allowed_are_refused() {
    let batch = flights(11);
    let decoder = Decoder::compile(batch.schema()).unwrap();
    for (carrier, encode) in CARRIERS {
        let bytes = encode(&batch).into();
        let limits = Limits { bytes_max: 1_000, ..LIMITS };
        let error = decoder.decode(carrier, &bytes, &limits).unwrap_err();
        assert_eq!(error, DecodeError::TooLarge { bytes_max: 1_000 }, "{carrier}");
        assert_eq!(error.code(), "BATCH_TOO_LARGE");
    }
}

#[test]
fn a_text_counts_towards_the_bytes_while_it_is_built() {
    let schema = schema(vec![field("a", DataType::Utf8)]);
    let rows = batch(vec![column("a", arrow_array::StringArray::from(vec!["x".repeat(500)]))]);
    let decoder = Decoder::compile(schema).unwrap();
    for (carrier, encode) in &CARRIERS[2..] {
        let decode = |bytes_max| {
            let limits = Limits { bytes_max, ..LIMITS };
            decoder.decode(*carrier, &encode(&rows).into(), &limits).map(|d| d.rows_total)
        };
        assert_eq!(decode(500), Err(DecodeError::TooLarge { bytes_max: 500 }), "{carrier}");
        assert_eq!(decode(600), Ok(1), "{carrier}");
    }
}

/// A batch of nested columns with the values of `rows`.
fn generated(rows: &[GeneratedRow]) -> RecordBatch {
    use arrow_array::builder::*;
    let (mut ints, mut texts) = (Int64Builder::new(), StringBuilder::new());
    let mut lists = ListBuilder::new(Float64Builder::new());
    let mut maps = MapBuilder::new(None, StringBuilder::new(), BinaryBuilder::new());
    for (int, text, list, map) in rows {
        ints.append_option(*int);
        texts.append_option(text.as_deref());
        if let Some(items) = list {
            items.iter().for_each(|item| lists.values().append_option(*item));
        }
        lists.append(list.is_some());
        for (key, value) in map.iter().flatten() {
            maps.keys().append_value(key);
            maps.values().append_option(value.as_deref());
        }
        maps.append(map.is_some()).unwrap();
    }
    batch(vec![
        column("int", ints.finish()),
        column("text", texts.finish()),
        column("list", lists.finish()),
        column("map", maps.finish()),
    ])
}

type GeneratedRow = (
    Option<i64>,
    Option<String>,
    Option<Vec<Option<f64>>>,
    Option<std::collections::BTreeMap<String, Option<Vec<u8>>>>,
);

fn generated_rows() -> impl Strategy<Value = Vec<GeneratedRow>> {
    use proptest::{collection::btree_map, collection::vec, option};
    let bytes = option::of(vec(any::<u8>(), 0..20));
    let row = (
        option::of(any::<i64>()),
        option::of(any::<String>()),
        option::of(vec(option::of(any::<f64>()), 0..5)),
        option::of(btree_map(any::<String>(), bytes, 0..4)),
    );
    vec(row, 1..8)
}

proptest! {
    #[test]
    fn any_values_come_through_every_carrier(rows in generated_rows()) {
        let batch = generated(&rows);
        for (carrier, encode) in CARRIERS {
            let decoded = decode(batch.schema(), carrier, encode(&batch)).unwrap();
            prop_assert_eq!(bad_rows(&decoded), "", "{}", carrier);
            prop_assert_eq!(&decoded.batch, &batch, "{}", carrier);
        }
    }
}
