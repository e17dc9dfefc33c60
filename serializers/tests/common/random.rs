//! Random schemas and batches.

use std::sync::Arc;

use arrow_array::{cast::AsArray, types::*, *};
use arrow_buffer::{NullBuffer, OffsetBuffer, i256};
use arrow_schema::{DataType, Field, Fields, Schema, TimeUnit};
use proptest::prelude::*;

pub use super::source::Random;

/// Types, three levels deep.
pub fn data_type() -> impl Strategy<Value = DataType> {
    use TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};
    let leaf = prop::sample::select(vec![
        DataType::Null,
        DataType::Boolean,
        DataType::Int8,
        DataType::Int16,
        DataType::Int32,
        DataType::Int64,
        DataType::UInt8,
        DataType::UInt16,
        DataType::UInt32,
        DataType::UInt64,
        DataType::Float32,
        DataType::Float64,
        DataType::Decimal128(38, 7),
        DataType::Decimal256(76, -4),
        DataType::Date32,
        DataType::Date64,
        DataType::Time32(Millisecond),
        DataType::Time64(Nanosecond),
        DataType::Timestamp(Second, None),
        DataType::Timestamp(Millisecond, Some("+02:00".into())),
        DataType::Timestamp(Microsecond, Some("UTC".into())),
        DataType::Timestamp(Nanosecond, None),
        DataType::Duration(Second),
        DataType::Duration(Nanosecond),
        DataType::Utf8,
        DataType::LargeUtf8,
        DataType::Utf8View,
        DataType::Binary,
        DataType::BinaryView,
        DataType::FixedSizeBinary(5),
    ]);
    leaf.prop_recursive(3, 20, 4, |inner| {
        let key = prop::sample::select(vec![DataType::Utf8, DataType::Int16, DataType::Boolean]);
        let item = |inner: DataType| Arc::new(Field::new("item", inner, true));
        prop_oneof![
            inner.clone().prop_map(move |of| DataType::List(item(of))),
            inner.clone().prop_map(move |of| DataType::LargeList(item(of))),
            (inner.clone(), 0..4).prop_map(move |(of, n)| DataType::FixedSizeList(item(of), n)),
            prop::collection::vec(inner.clone(), 0..4).prop_map(|of| DataType::Struct(fields(of))),
            (key, inner.clone()).prop_map(|(key, value)| {
                let entries = vec![Field::new("key", key, false), Field::new("value", value, true)];
                let entries = DataType::Struct(entries.into());
                DataType::Map(Arc::new(Field::new("entries", entries, false)), false)
            }),
            inner.prop_map(|of| DataType::Dictionary(Box::new(DataType::UInt16), Box::new(of))),
        ]
    })
}

pub fn fields(of: Vec<DataType>) -> Fields {
    of.into_iter().enumerate().map(|(at, of)| Field::new(format!("f\"{at}"), of, true)).collect()
}

impl Random {
    fn text(&mut self) -> String {
        const ALL: &[&str] = &[
            "a",
            "Z",
            "0",
            "\"",
            "\\",
            "\n",
            "\u{0}",
            "\u{1f}",
            "é",
            "\u{2028}",
            "😀",
            "\u{feff}",
            "\u{10ffff}",
            "/",
            ",",
            ";",
            " ",
            "\t",
            "\r",
            "|",
            "=",
            "-",
            "NULL",
            "long and clean text ",
        ];
        (0..self.below(12)).map(|_| ALL[self.below(ALL.len())]).collect()
    }

    fn bytes(&mut self) -> Vec<u8> {
        (0..self.below(20)).map(|_| self.next() as u8).collect()
    }

    fn nulls(&mut self, len: usize) -> Option<NullBuffer> {
        let rate = self.below(4);
        (rate > 0).then(|| (0..len).map(|_| self.below(4) >= rate).collect())
    }
}

/// An array of `len` values, cut out of a longer one, with nulls unless it is `required`.
pub fn array(of: &DataType, len: usize, random: &mut Random, required: bool) -> ArrayRef {
    let (before, after) = (random.below(3), random.below(3));
    let whole = whole_array(of, before + len + after, random, required);
    whole.slice(before, len)
}

fn whole_array(of: &DataType, len: usize, random: &mut Random, required: bool) -> ArrayRef {
    let nulls = if required { None } else { random.nulls(len) };
    macro_rules! numbers {
        ($type:ty, $value:expr) => {{
            let values: Vec<<$type as ArrowPrimitiveType>::Native> =
                (0..len).map(|_| $value).collect();
            let array = PrimitiveArray::<$type>::new(values.into(), nulls);
            Arc::new(array.with_data_type(of.clone())) as ArrayRef
        }};
    }
    macro_rules! texts {
        ($array:ty, $value:expr) => {{
            let valid = |at| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(at));
            let values: Vec<_> = (0..len).map(|at| valid(at).then(|| $value)).collect();
            Arc::new(values.into_iter().collect::<$array>()) as ArrayRef
        }};
    }
    // Years 0001 to 9998, which all units but nanoseconds reach; those reach 1678 to 2261.
    const DAYS: i64 = 719_000;
    const SECONDS: i64 = DAYS * 86_400;
    use TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};
    match of {
        DataType::Null => Arc::new(NullArray::new(len)),
        DataType::Boolean => texts!(BooleanArray, random.below(2) == 0),
        DataType::Int8 => numbers!(Int8Type, random.integer() as i8),
        DataType::Int16 => numbers!(Int16Type, random.integer() as i16),
        DataType::Int32 => numbers!(Int32Type, random.integer() as i32),
        DataType::Int64 => numbers!(Int64Type, random.integer()),
        DataType::UInt8 => numbers!(UInt8Type, random.integer() as u8),
        DataType::UInt16 => numbers!(UInt16Type, random.integer() as u16),
        DataType::UInt32 => numbers!(UInt32Type, random.integer() as u32),
        DataType::UInt64 => numbers!(UInt64Type, random.integer() as u64),
        DataType::Float32 => numbers!(Float32Type, f32::from_bits(random.next() as u32)),
        DataType::Float64 => numbers!(Float64Type, f64::from_bits(random.next())),
        DataType::Decimal128(..) => numbers!(Decimal128Type, i128::from(random.integer()) << 60),
        DataType::Decimal256(..) => numbers!(
            Decimal256Type,
            i256::from_parts(random.next().into(), random.integer().into())
        ),
        DataType::Date32 => numbers!(Date32Type, random.within(DAYS) as i32),
        DataType::Date64 => numbers!(Date64Type, random.within(DAYS) * 86_400_000),
        DataType::Time32(_) => {
            numbers!(Time32MillisecondType, random.within(86_399_999).abs() as i32)
        }
        DataType::Time64(_) => {
            numbers!(Time64NanosecondType, random.within(86_399_999_999_999).abs())
        }
        DataType::Timestamp(Second, _) => numbers!(TimestampSecondType, random.within(SECONDS)),
        DataType::Timestamp(Millisecond, _) => {
            numbers!(TimestampMillisecondType, random.within(SECONDS * 1_000))
        }
        DataType::Timestamp(Microsecond, _) => {
            numbers!(TimestampMicrosecondType, random.within(SECONDS * 1_000_000))
        }
        DataType::Timestamp(Nanosecond, _) => {
            numbers!(TimestampNanosecondType, random.integer())
        }
        DataType::Duration(Second) => numbers!(DurationSecondType, random.integer()),
        DataType::Duration(_) => numbers!(DurationNanosecondType, random.integer()),
        DataType::Utf8 => texts!(StringArray, random.text()),
        DataType::LargeUtf8 => texts!(LargeStringArray, random.text()),
        DataType::Utf8View => texts!(StringViewArray, random.text()),
        DataType::Binary => texts!(BinaryArray, random.bytes()),
        DataType::BinaryView => texts!(BinaryViewArray, random.bytes()),
        DataType::FixedSizeBinary(size) => {
            let bytes: Vec<u8> = (0..len * *size as usize).map(|_| random.next() as u8).collect();
            Arc::new(FixedSizeBinaryArray::new(*size, bytes.into(), nulls))
        }
        DataType::List(item) => {
            let lengths = random.lengths(len);
            let items = array(item.data_type(), lengths.iter().sum(), random, false);
            Arc::new(ListArray::new(
                item.clone(),
                OffsetBuffer::from_lengths(lengths),
                items,
                nulls,
            ))
        }
        DataType::LargeList(item) => {
            let lengths = random.lengths(len);
            let items = array(item.data_type(), lengths.iter().sum(), random, false);
            let offsets = OffsetBuffer::from_lengths(lengths);
            Arc::new(LargeListArray::new(item.clone(), offsets, items, nulls))
        }
        DataType::FixedSizeList(item, size) => {
            let items = array(item.data_type(), len * *size as usize, random, false);
            let lists =
                FixedSizeListArray::try_new_with_length(item.clone(), *size, items, nulls, len);
            Arc::new(lists.unwrap())
        }
        DataType::Struct(fields) => {
            let columns = fields
                .iter()
                .map(|f| array(f.data_type(), len, random, !f.is_nullable()))
                .collect();
            Arc::new(StructArray::try_new_with_length(fields.clone(), columns, nulls, len).unwrap())
        }
        DataType::Map(entries, _) => {
            let lengths = random.lengths(len);
            let pairs = whole_array(entries.data_type(), lengths.iter().sum(), random, true);
            let offsets = OffsetBuffer::from_lengths(lengths);
            let pairs = pairs.as_struct().clone();
            Arc::new(MapArray::new(entries.clone(), offsets, pairs, nulls, false))
        }
        DataType::Dictionary(_, value) => {
            let values = array(value, 1 + random.below(5), random, false);
            let keys = (0..len).map(|_| random.below(values.len()) as u16).collect::<Vec<_>>();
            Arc::new(DictionaryArray::new(UInt16Array::new(keys.into(), nulls), values))
        }
        other => panic!("no {other} is made here"),
    }
}

/// A batch of columns of these types.
pub fn batch(of: Vec<DataType>, rows: usize, seed: u64) -> RecordBatch {
    let fields = fields(of);
    let mut random = Random(seed);
    let columns = fields.iter().map(|f| array(f.data_type(), rows, &mut random, false)).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let schema = Arc::new(Schema::new(fields));
    RecordBatch::try_new_with_options(schema, columns, &options).unwrap()
}
