//! Encoding allocates nothing for a row: twice the rows take as many allocations.

use std::sync::Arc;

use arrow_array::{types::*, *};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, Field};
use serializers::{AvroCodec, AvroFraming, Encoder, Format, Packing, Records};

use crate::{WIDE, batch_of, counting::ALLOCATIONS, framed, given};

/// Columns of every kind.
fn batch(rows: usize) -> RecordBatch {
    let numbers = || Int64Array::from_iter((0..rows as i64).map(|n| (n % 7 != 0).then_some(n)));
    let texts = (0..rows).map(|n| "text ".repeat(n % 20));
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values(texts));
    let flags: Vec<bool> = (0..rows).map(|n| n % 2 == 0).collect();
    let decimals = Decimal128Array::from_iter_values((0..rows).map(|n| n as i128 * 1_000));
    let times = TimestampSecondArray::from_iter_values(0..rows as i64);
    let symbols: DictionaryArray<Int8Type> = (0..rows).map(|n| ["A", "B"][n % 2]).collect();
    let item = Arc::new(Field::new("item", DataType::Int64, true));
    let offsets = OffsetBuffer::from_lengths(std::iter::repeat_n(1, rows));
    let list = ListArray::new(item, offsets.clone(), Arc::new(numbers()), None);
    let part: Vec<(Arc<Field>, ArrayRef)> =
        vec![(Arc::new(Field::new("t", DataType::Utf8, false)), texts.clone())];
    let keys = Field::new("key", DataType::Utf8, false);
    let entries = vec![keys, Field::new("value", DataType::Int64, true)];
    let columns: Vec<ArrayRef> = vec![texts.clone(), Arc::new(numbers())];
    let entries = StructArray::new(entries.into(), columns, None);
    let field = Arc::new(Field::new("entries", entries.data_type().clone(), false));
    let map = MapArray::new(field, offsets, entries, None, false);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("n", Arc::new(numbers())),
        ("t", texts),
        ("f", Arc::new(BooleanArray::from(flags))),
        ("d", Arc::new(decimals.with_precision_and_scale(20, 3).unwrap())),
        ("s", Arc::new(times)),
        ("e", Arc::new(symbols)),
        ("l", Arc::new(list)),
        ("p", Arc::new(StructArray::from(part))),
        ("m", Arc::new(map)),
    ];
    let field = |name: &str, array: &ArrayRef| Field::new(name, array.data_type().clone(), true);
    batch_of(columns.into_iter().map(|(name, array)| (field(name, &array), array)).collect())
}

/// The allocations of a second batch, whose buffers are the first one's.
fn count(format: &Format, packing: Packing, rows: usize) -> usize {
    let batch = batch(rows);
    let encoder = Encoder::compile(format, batch.schema_ref()).unwrap();
    let mut records = Records::new();
    let mut encode = || {
        let batches = std::slice::from_ref(&batch);
        let before = ALLOCATIONS.get();
        encoder.encode_all(batches, packing, &WIDE, &mut records).unwrap();
        assert_eq!(records.rejected_total(), 0);
        ALLOCATIONS.get() - before
    };
    encode();
    encode()
}

const ENUM: &str = r#"{"type":"record","name":"R","fields":[
    {"name":"n","type":["null","double","int"]}, {"name":"t","type":["null","string"]},
    {"name":"f","type":["null","boolean"]},
    {"name":"d","type":["null",{"type":"bytes","logicalType":"decimal","precision":40,"scale":5}]},
    {"name":"s","type":["null",{"type":"long","logicalType":"local-timestamp-nanos"}]},
    {"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"]}},
    {"name":"l","type":["null",{"type":"array","items":["null","long"]}]},
    {"name":"p","type":{"type":"record","name":"P","fields":[{"name":"t","type":"string"}]}},
    {"name":"m","type":{"type":"map","values":["null","long"]}},
    {"name":"c","type":"string","default":"constant"}]}"#;

#[test]
fn no_row_and_no_record_allocates() {
    let mut formats = vec![given(ENUM), framed(AvroFraming::Confluent { schema_id: 1 })];
    let codecs = [AvroCodec::Null, AvroCodec::Deflate, AvroCodec::Snappy, AvroCodec::Zstandard];
    formats.extend(codecs.map(|codec| framed(AvroFraming::Container { codec })));
    for format in formats {
        let few = count(&format, Packing::NONE, 1_000);
        let many = count(&format, Packing::NONE, 2_000);
        assert_eq!(few, many, "{format:?}");
        // What is bound to a batch, and the state of a compressor.
        assert!((1..60).contains(&few), "{few} allocations, {format:?}");
        if format.packs() {
            let packing = Packing { rows_max: 10, bytes_max: 1 << 20, whole: false };
            let [few, many] = [1_000, 2_000].map(|rows| count(&format, packing, rows));
            assert_eq!(few, many, "{format:?}");
        }
    }
}
