//! Random types and arrays, with and without nulls.

use std::sync::Arc;

use arrow_array::{types::*, *};
use arrow_buffer::{NullBuffer, OffsetBuffer, i256};
use arrow_schema::{DataType, Field, FieldRef, Fields, Schema, TimeUnit};
use proptest::prelude::*;

use crate::source::Random;

use DataType::*;
use TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};

/// Types, three levels deep.
pub fn data_type() -> impl Strategy<Value = DataType> {
    let mut leaves = vec![Null, UInt8, UInt16, UInt32, UInt64, Int8, Int16];
    leaves.extend([Decimal128(38, 7), Decimal128(20, -3), Decimal256(76, 38), Date64]);
    leaves.extend([Time32(Second), Time64(Nanosecond), Timestamp(Second, None)]);
    leaves.extend([Timestamp(Nanosecond, None), Timestamp(Nanosecond, Some("UTC".into()))]);
    leaves.extend([Timestamp(Millisecond, None), Timestamp(Microsecond, None)]);
    leaves.extend([Duration(Nanosecond), LargeUtf8, Utf8View, BinaryView, FixedSizeBinary(5)]);
    leaves.extend(common());
    nested(leaves, |inner, level| around(inner, level % 9))
}

/// Types that arrow-avro writes as we do, by our schema. Of booleans inside of others it writes
/// (60.1) those of another place if they are a slice.
pub fn arrow_avro_type() -> impl Strategy<Value = DataType> {
    let mut leaves = common();
    leaves.retain(|of| *of != Boolean);
    nested(leaves, |inner, level| around(inner, level % 3))
}

fn common() -> Vec<DataType> {
    let millis = Timestamp(Millisecond, Some("+00:00".into()));
    let micros = Timestamp(Microsecond, Some("+00:00".into()));
    let times = [Date32, Time32(Millisecond), Time64(Microsecond), millis, micros];
    let mut types = vec![Boolean, Int32, Int64, Float32, Float64, Utf8, Binary];
    types.extend(times);
    types
}

fn nested(
    leaves: Vec<DataType>,
    around: fn(DataType, u8) -> DataType,
) -> impl Strategy<Value = DataType> {
    prop::sample::select(leaves).prop_recursive(3, 20, 4, move |inner| {
        let structs = prop::collection::vec((inner.clone(), any::<bool>()), 0..4);
        prop_oneof![
            1 => structs.prop_map(|of| Struct(fields(of))),
            4 => (inner, any::<u8>()).prop_map(move |(of, level)| around(of, level)),
        ]
    })
}

/// A type around a type, of nine kinds.
pub fn around(inner: DataType, kind: u8) -> DataType {
    // Of nulls, perhaps in a dictionary, an array must be told that it has some.
    let only_nulls = matches!(&inner, Null | Dictionary(..));
    let item = |nullable| Arc::new(Field::new("item", inner.clone(), nullable || only_nulls));
    let map = |key: DataType| {
        let pair = vec![Field::new("key", key, false), Field::new("value", inner.clone(), true)];
        Map(Arc::new(Field::new("entries", Struct(pair.into()), false)), false)
    };
    match kind {
        0 => List(item(true)),
        1 => Struct(fields(vec![(inner, true), (Utf8, true)])),
        2 => map(Utf8),
        3 => FixedSizeList(item(true), 2),
        4 => LargeList(item(false)),
        5 => map(Int16),
        6 => map(Boolean),
        7 => FixedSizeList(item(false), 0),
        _ => Dictionary(Box::new(UInt16), Box::new(inner)),
    }
}

/// Fields whose names need a change, by whether they take nulls.
fn fields(of: Vec<(DataType, bool)>) -> Fields {
    let field = |(at, (of, nullable)): (usize, (DataType, bool))| {
        let only_nulls = matches!(&of, Null | Dictionary(..));
        Field::new(format!("f{at}\""), of, nullable || only_nulls)
    };
    of.into_iter().enumerate().map(field).collect()
}

/// A batch of columns by their types and whether they take nulls.
pub fn batch(of: Vec<(DataType, bool)>, rows: usize, seed: u64) -> RecordBatch {
    batch_of(fields(of), rows, seed)
}

/// As [`batch`], with names that need no change.
pub fn legal_batch(of: Vec<(DataType, bool)>, rows: usize, seed: u64) -> RecordBatch {
    batch_of(legal_fields(&fields(of)), rows, seed)
}

fn batch_of(fields: Fields, rows: usize, seed: u64) -> RecordBatch {
    let mut random = Random(seed);
    let columns = fields.iter().map(|field| random.field(field, rows)).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let schema = Arc::new(Schema::new(fields));
    RecordBatch::try_new_with_options(schema, columns, &options).unwrap()
}

fn legal_fields(fields: &Fields) -> Fields {
    fields.iter().map(|field| legal(field)).collect()
}

fn legal(field: &Field) -> FieldRef {
    let name = field.name().replace('"', "_");
    let of = match field.data_type() {
        List(item) => List(legal(item)),
        Struct(fields) => Struct(legal_fields(fields)),
        Map(entries, sorted) => Map(legal(entries), *sorted),
        of => of.clone(),
    };
    Arc::new(Field::new(name, of, field.is_nullable()))
}

impl Random {
    /// An integer from 0 to `bound`.
    fn up_to(&mut self, bound: i64) -> i64 {
        self.within(bound).abs()
    }

    /// Digits, up to as many as are asked for.
    fn digits(&mut self, most: usize) -> String {
        let sign = if self.below(2) == 0 { "-" } else { "" };
        let len = 1 + self.below(most);
        let nines = self.below(4) == 0;
        let digit = |_| if nines { '9' } else { char::from(b'0' + self.below(10) as u8) };
        sign.to_owned() + &(0..len).map(digit).collect::<String>()
    }

    /// Characters of every plane.
    fn text(&mut self) -> String {
        let len = if self.below(8) == 0 { 200 } else { 40 };
        let len = self.below(len);
        (0..len)
            .map(|_| match self.below(3) {
                0 => char::from_u32(self.below(0x11_0000) as u32).unwrap_or('\u{fffd}'),
                _ => char::from(self.below(128) as u8),
            })
            .collect()
    }

    fn bytes(&mut self) -> Vec<u8> {
        (0..self.below(70)).map(|_| self.next() as u8).collect()
    }

    /// An array of `len` values, cut out of a longer one.
    fn field(&mut self, field: &Field, len: usize) -> ArrayRef {
        let (before, after) = (self.below(3), self.below(3));
        let whole = self.array(field.data_type(), before + len + after, !field.is_nullable());
        whole.slice(before, len)
    }

    fn nulls(&mut self, len: usize, required: bool) -> Option<NullBuffer> {
        let rate = self.below(4);
        (rate > 0 && !required).then(|| (0..len).map(|_| self.below(4) >= rate).collect())
    }

    fn array(&mut self, of: &DataType, len: usize, required: bool) -> ArrayRef {
        let nulls = self.nulls(len, required);
        match of {
            Null => Arc::new(NullArray::new(len)),
            List(item) => {
                let (items, offsets) = self.items(item, len);
                Arc::new(ListArray::new(item.clone(), offsets, items, nulls))
            }
            LargeList(item) => {
                let lengths = self.lengths(len);
                let items = self.field(item, lengths.iter().sum());
                let offsets = OffsetBuffer::from_lengths(lengths);
                Arc::new(LargeListArray::new(item.clone(), offsets, items, nulls))
            }
            FixedSizeList(item, size) => {
                let items = self.field(item, len * *size as usize);
                let (item, size) = (item.clone(), *size);
                let lists = FixedSizeListArray::try_new_with_length(item, size, items, nulls, len);
                Arc::new(lists.unwrap())
            }
            Struct(fields) => {
                let columns = fields.iter().map(|field| self.field(field, len)).collect();
                let array = StructArray::try_new_with_length(fields.clone(), columns, nulls, len);
                Arc::new(array.unwrap())
            }
            Map(entries, _) => {
                let (pairs, offsets) = self.items(entries, len);
                let pairs = pairs.as_any().downcast_ref::<StructArray>().unwrap().clone();
                Arc::new(MapArray::new(entries.clone(), offsets, pairs, nulls, false))
            }
            Dictionary(_, value) => {
                let count = 1 + self.below(5);
                let values = self.array(value, count, required);
                let keys: Vec<u16> = (0..len).map(|_| self.below(count) as u16).collect();
                Arc::new(DictionaryArray::new(UInt16Array::new(keys.into(), nulls), values))
            }
            of => self.scalars(of, len, nulls),
        }
    }

    fn items(&mut self, item: &FieldRef, len: usize) -> (ArrayRef, OffsetBuffer<i32>) {
        let lengths = self.lengths(len);
        (self.field(item, lengths.iter().sum()), OffsetBuffer::from_lengths(lengths))
    }

    fn scalars(&mut self, of: &DataType, len: usize, nulls: Option<NullBuffer>) -> ArrayRef {
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
        const DAY: i64 = 86_400;
        match of {
            Boolean => texts!(BooleanArray, self.below(2) == 0),
            Int8 => numbers!(Int8Type, self.integer() as i8),
            Int16 => numbers!(Int16Type, self.integer() as i16),
            Int32 => numbers!(Int32Type, self.integer() as i32),
            Int64 => numbers!(Int64Type, self.integer()),
            UInt8 => numbers!(UInt8Type, self.integer() as u8),
            UInt16 => numbers!(UInt16Type, self.integer() as u16),
            UInt32 => numbers!(UInt32Type, self.integer() as u32),
            UInt64 => numbers!(UInt64Type, self.integer() as u64),
            Float32 => numbers!(Float32Type, f32::from_bits(self.integer() as u32)),
            Float64 => numbers!(Float64Type, f64::from_bits(self.integer() as u64)),
            Decimal128(precision, _) => {
                numbers!(Decimal128Type, self.digits((*precision).into()).parse().unwrap())
            }
            Decimal256(precision, _) => {
                let digits = |text: String| i256::from_string(&text).unwrap();
                numbers!(Decimal256Type, digits(self.digits((*precision).into())))
            }
            Date32 => numbers!(Date32Type, self.integer() as i32),
            Date64 => numbers!(Date64Type, i64::from(self.integer() as i32) * DAY * 1_000),
            Time32(Second) => numbers!(Time32SecondType, self.up_to(DAY - 1) as i32),
            Time32(_) => numbers!(Time32MillisecondType, self.up_to(DAY * 1_000 - 1) as i32),
            Time64(Microsecond) => {
                numbers!(Time64MicrosecondType, self.up_to(DAY * 1_000_000 - 1))
            }
            Time64(_) => numbers!(Time64NanosecondType, self.up_to(DAY * 1_000_000_000 - 1)),
            Timestamp(Second, _) => numbers!(TimestampSecondType, self.within(i64::MAX / 1_000)),
            Timestamp(Millisecond, _) => numbers!(TimestampMillisecondType, self.integer()),
            Timestamp(Microsecond, _) => numbers!(TimestampMicrosecondType, self.integer()),
            Timestamp(Nanosecond, _) => numbers!(TimestampNanosecondType, self.integer()),
            Duration(_) => numbers!(DurationNanosecondType, self.integer()),
            Utf8 => texts!(StringArray, self.text()),
            LargeUtf8 => texts!(LargeStringArray, self.text()),
            Utf8View => texts!(StringViewArray, self.text()),
            Binary => texts!(BinaryArray, self.bytes()),
            BinaryView => texts!(BinaryViewArray, self.bytes()),
            FixedSizeBinary(size) => {
                let count = len * *size as usize;
                let bytes: Vec<u8> = (0..count).map(|_| self.next() as u8).collect();
                Arc::new(FixedSizeBinaryArray::new(*size, bytes.into(), nulls))
            }
            other => panic!("no {other} is made here"),
        }
    }
}
