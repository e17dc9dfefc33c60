//! Container files of every codec, packed and not, read back by apache-avro.

use std::{panic::AssertUnwindSafe, sync::Arc};

use apache_avro::{Reader, types::Value};
use arrow_array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field};
use serializers::{
    AvroCodec, AvroFraming, AvroOptions, AvroSchema, Encoder, Format, Limits, Packing, Records,
    RowErrorCode,
};

use crate::{CODECS, WIDE, batch_of, encode, framed, one, raw};

fn container(codec: AvroCodec) -> Format {
    framed(AvroFraming::Container { codec })
}

fn numbered(from: i64, texts: &[String]) -> RecordBatch {
    let numbers = Int64Array::from_iter_values(from..from + texts.len() as i64);
    batch_of(vec![
        (Field::new("n", DataType::Int64, false), Arc::new(numbers) as ArrayRef),
        (
            Field::new("t", DataType::Utf8, false),
            Arc::new(StringArray::from_iter_values(texts)) as ArrayRef,
        ),
    ])
}

fn read(record: &[u8]) -> Vec<(i64, String)> {
    let reader = Reader::new(record).unwrap();
    let row = |value: Value| match value {
        Value::Record(fields) => match &fields[..] {
            [(_, Value::Long(n)), (_, Value::String(t))] => (*n, t.clone()),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    reader.map(|value| row(value.unwrap())).collect()
}

/// Text that compresses, and text that does not.
fn texts() -> Vec<String> {
    let mut state = 1_u64;
    let mut noise = |len: usize| -> String {
        let next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b' ' + ((state >> 33) % 95) as u8)
        };
        std::iter::repeat_with(next).take(len).collect()
    };
    let mut texts = vec![String::new(), "x".repeat(100_000), noise(100_000)];
    texts.extend((0..500).map(|n| if n % 2 == 0 { noise(n) } else { "same ".repeat(n / 5) }));
    texts
}

#[test]
fn what_fits_into_a_record_does_not_depend_on_the_codec() {
    let batch = numbered(0, &vec!["x".repeat(1_000); 300]);
    for (bytes_max, rows) in [(4 << 10, 3), (100_000, 99), (1 << 20, 300)] {
        for codec in CODECS {
            let mut records = Records::new();
            let encoder = Encoder::compile(&container(codec), batch.schema_ref()).unwrap();
            let packing = Packing { rows_max: 1_000, bytes_max, whole: false };
            encoder.encode_all(std::slice::from_ref(&batch), packing, &WIDE, &mut records).unwrap();
            assert_eq!(records.rows_of(0).count(), rows, "{codec:?}, {bytes_max} bytes");
        }
    }
}

#[test]
fn every_codec_is_read_back_packed_or_not() {
    let texts = texts();
    let batches = [numbered(0, &texts), numbered(1_000, &[]), numbered(1_000, &texts)];
    let meant = |batch: &RecordBatch| {
        let from = if std::ptr::eq(batch, &raw const batches[2]) { 1_000 } else { 0 };
        (from..).zip(&texts).map(|(n, t)| (n, t.clone())).collect::<Vec<_>>()
    };
    let meant = [meant(&batches[0]), meant(&batches[2])].concat();
    for codec in CODECS {
        for (rows_max, bytes_max) in [(1, usize::MAX), (7, 1 << 20), (10_000, 50_000)] {
            let encoder = Encoder::compile(&container(codec), batches[0].schema_ref()).unwrap();
            let mut records = Records::new();
            let packing = Packing { rows_max, bytes_max, whole: false };
            encoder.encode_all(&batches, packing, &WIDE, &mut records).unwrap();
            let mut found = Vec::new();
            for record in 0..records.len() {
                let rows = read(records.record(record));
                assert_eq!(rows.len(), records.rows_of(record).count());
                assert!(rows.len() <= rows_max as usize);
                found.extend(rows);
            }
            assert!(found == meant, "{codec:?}, {rows_max} rows a record");
        }
    }
}

#[test]
fn bytes_that_do_not_compress_are_read_back_too() {
    let mut state = 1_u64;
    let mut noise = |len: usize| -> Vec<u8> {
        let next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        std::iter::repeat_with(next).take(len).collect()
    };
    let sizes = [0, 1, 2, 15, 16, 17, 1_000, 16_383, 16_384, 65_535, 65_536, 1 << 20, 3 << 20];
    let rows: Vec<Vec<u8>> = sizes.map(&mut noise).into();
    let bytes = BinaryArray::from_iter_values(&rows);
    let batch = one(Arc::new(bytes), false);
    for codec in CODECS {
        let records = encode(&container(codec), &batch);
        for (at, meant) in rows.iter().enumerate() {
            let values: Vec<Value> =
                Reader::new(records.record(at)).unwrap().map(Result::unwrap).collect();
            let [Value::Record(fields)] = &values[..] else { panic!("{codec:?}, row {at}") };
            assert!(fields[0].1 == Value::Bytes(meant.clone()), "{codec:?}, row {at}");
        }
    }
}

#[test]
fn counts_and_sizes_are_as_short_as_they_can_be() {
    let texts: Vec<String> = (0..64).map(|_| "x".repeat(100)).collect();
    let batch = numbered(0, &texts);
    let encoder = Encoder::compile(&container(AvroCodec::Null), batch.schema_ref()).unwrap();
    let mut records = Records::new();
    let packing = Packing { rows_max: 64, bytes_max: 1 << 20, whole: false };
    encoder.encode_all(std::slice::from_ref(&batch), packing, &WIDE, &mut records).unwrap();
    let plain = encode(&raw(), &batch);
    let record = records.record(0);
    let (block, sync) = record.split_at(record.len() - 16);
    let block = block.strip_suffix(plain.bytes()).unwrap();
    // 64 rows of 103 bytes: a number of one byte, a length of two, a hundred letters.
    assert_eq!(plain.bytes().len(), 64 * 103);
    let header = block.strip_suffix(&[0x80, 0x01, 0x80, 0x67]).unwrap();
    assert!(header.ends_with(sync));
}

#[test]
fn a_container_is_within_its_limit_whatever_the_codec() {
    let texts = texts();
    let batch = numbered(0, &texts);
    for codec in CODECS {
        let limits = Limits { record_bytes_max: 20_000, batch_bytes_max: 8 << 20 };
        let encoder = Encoder::compile(&container(codec), batch.schema_ref()).unwrap();
        let mut records = Records::new();
        let packing = Packing { rows_max: 1_000, bytes_max: usize::MAX, whole: false };
        encoder.encode_all(std::slice::from_ref(&batch), packing, &limits, &mut records).unwrap();
        let sizes: Vec<usize> = (0..records.len()).map(|at| records.record(at).len()).collect();
        assert!(sizes.iter().all(|&size| size <= 20_000), "{codec:?} {sizes:?}");
        // Two rows are longer, one of which would not be if it were compressed.
        let rejected: Vec<_> = records.rejected().iter().map(|e| (e.row, e.code)).collect();
        assert_eq!(rejected, [(1, RowErrorCode::RowTooLarge), (2, RowErrorCode::RowTooLarge)]);
        let rows: usize = (0..records.len()).map(|at| read(records.record(at)).len()).sum();
        assert_eq!(rows, texts.len() - 2);
    }
}

#[test]
fn only_containers_hold_several_rows() {
    assert!(CODECS.into_iter().all(|codec| container(codec).packs()));
    let alone = [AvroFraming::Raw, AvroFraming::SingleObject];
    let alone = alone.into_iter().chain([AvroFraming::Confluent { schema_id: 1 }]);
    for framing in alone {
        assert!(!framed(framing).packs());
        let batch = numbered(0, &["a".into(), "b".into()]);
        let encoder = Encoder::compile(&framed(framing), batch.schema_ref()).unwrap();
        let packing = Packing { rows_max: 2, bytes_max: 1 << 20, whole: false };
        let packed = std::panic::catch_unwind(AssertUnwindSafe(|| {
            encoder.encode_all(&[batch], packing, &WIDE, &mut Records::new())
        }));
        assert!(packed.is_err(), "{framing:?}");
    }
}

#[test]
fn the_sync_marker_tells_schemas_apart() {
    let sync = |codec, column: &str| {
        let field = Field::new(column, DataType::Int64, false);
        let batch = batch_of(vec![(field, Arc::new(Int64Array::from(vec![1])) as ArrayRef)]);
        let records = encode(&container(codec), &batch);
        let record = records.record(0);
        record[record.len() - 16..].to_vec()
    };
    let all = [
        sync(AvroCodec::Null, "a"),
        sync(AvroCodec::Null, "b"),
        sync(AvroCodec::Zstandard, "a"),
        vec![0; 16],
    ];
    for (at, marker) in all.iter().enumerate() {
        for other in &all[..at] {
            assert!(marker[..8] != other[..8] && marker[8..] != other[8..]);
        }
    }
}

#[test]
fn a_given_schema_is_brought_without_white_space() {
    let given = "\u{feff}{\"type\" : \"record\",\r\n\t\"name\":\"R\", \"doc\": \"a \\\" \\\\\", \
                 \"fields\": [ {\"name\":\"v\",\"type\":\"string\", \"aliases\": [\"w x\"]} ] }\n";
    let expected = "{\"type\":\"record\",\"name\":\"R\",\"doc\":\"a \\\" \\\\\",\
                    \"fields\":[{\"name\":\"v\",\"type\":\"string\",\"aliases\":[\"w x\"]}]}";
    let options = AvroOptions {
        schema: AvroSchema::Given(given.to_owned()),
        framing: AvroFraming::Container { codec: AvroCodec::Null },
    };
    assert_eq!(options.check(), Ok(()));
    let batch = one(Arc::new(StringArray::from(vec!["x"])), false);
    let format = Format::Avro(options);
    let encoder = Encoder::compile(&format, batch.schema_ref()).unwrap();
    assert_eq!(encoder.avro_schema(), Some(expected));
    let records = encode(&format, &batch);
    let found = records.record(0).windows(expected.len()).any(|part| part == expected.as_bytes());
    assert!(found, "{:?}", String::from_utf8_lossy(records.record(0)));
}
